--- Options of `mgd.chip{spice = …}`, apart from what reads them: that is loaded with the first
-- netlist.
-- @module mgd.hardware.spice.schema

local options = require "mgd.base.options"

local M = {}

-- `parameters`, `inputs`, `outputs` and `seed` are options of other chips as well.
M.SCHEMA = {
  { "spice", type = "string", doc = "A netlist: the file's name." },
  { "analysis", type = "string", choices = { "op", "tran" },
    doc = "What an evaluation is: an operating point (the default), or a transient." },
  { "tran", type = "table", doc = "{stop =, step =, average =} in seconds: the output is the mean "
    .. "over the last part of a transient, after the inputs were applied at rest." },
  { "scale", type = "number", doc = "Of inputs: a feature x makes a source scale·x + offset; 1." },
  { "offset", type = "number", doc = "Of inputs, in the unit of the source; 0." },
  { "spread", type = "table", doc = "{[name or pattern] = σ, or {sigma =, absolute = true}}: in "
    .. "what replicas differ, drawn from the seed." },
  { "noise", type = "table",
    doc = "The same form: what is drawn anew for each measurement, from the run's streams." },
  { "retry", type = "boolean", doc = "Whether a failed evaluation is tried again, with gmin and "
    .. "source stepping, then by a transient; true." },
  { "time_limit", type = "number", above = 0, unit = "s", doc = "Of an evaluation; 10." },
  { "workers", type = "integer", min = 1, max = 256,
    doc = "Processes that evaluate; as many as threads train." },
  { "allow_control", type = "boolean", doc = "Whether a netlist may hold commands, which run on "
    .. "this machine; false." },
  { "library", type = "string",
    doc = "ngspice's shared library; looked for where the system's are." },
}

--- Check that none of these options is given to another kind of chip.
function M.check_absent(opts)
  local names = { "inputs", "outputs" }
  for _, entry in ipairs(M.SCHEMA) do
    names[#names + 1] = entry[1]
  end
  for _, name in ipairs(names) do
    if opts[name] ~= nil then
      options.fail("mgd.chip", "option '%s' goes with 'spice'", name)
    end
  end
end

return M
