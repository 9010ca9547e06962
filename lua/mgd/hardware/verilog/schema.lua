--- Options of `mgd.chip{verilog = …}`, apart from what reads them: that is loaded with the first
-- circuit.
-- @module mgd.hardware.verilog.schema

local options = require "mgd.base.options"

local M = {}

-- `net` and `timeout` are options of other chips as well.
M.SCHEMA = {
  { "verilog", type = "string", doc = "A learning circuit in Verilog: the folder of its sources, "
    .. "which Verilator compiles. It perturbs, integrates and writes; `net` is evaluated on the "
    .. "weights that it shows." },
  { "top", type = "string", doc = "Its top module; \"chip\"." },
  { "lsb", type = "number", above = 0, doc = "θ of one step of its weights: θ = lsb · weight. "
    .. "Defaults to that of chip.txt in the folder." },
  { "cost_range", type = "number", above = 0, doc = "The cost at full scale of what the circuit is "
    .. "sent. Defaults to that of chip.txt; else 1." },
}

--- Check that none of these options is given to another kind of chip.
function M.check_absent(opts)
  for _, entry in ipairs(M.SCHEMA) do
    if opts[entry[1]] ~= nil then
      options.fail("mgd.chip", "option '%s' goes with 'verilog'", entry[1])
    end
  end
end

return M
