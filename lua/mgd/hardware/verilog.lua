--- Learning circuits in Verilog as chips: `mgd.chip{verilog = "rtl", net = net, …}`.
--
-- The circuit is compiled by Verilator and runs as a process of its own. It holds the weights,
-- perturbs, integrates and writes; this process evaluates the network on the weights that it shows,
-- and sends the cost as an integer. docs/guide/26-rtl.md has its registers.
-- @module mgd.hardware.verilog

local build = require "mgd.hardware.verilog.build"
local core = require "mgd.core"
local files = require "mgd.base.files"
local options = require "mgd.base.options"
local text = require "mgd.text.numbers"

local M = {}

local WHERE = "mgd.chip"

-- What chip.txt in a folder says: lines "key value"; nothing where there is none.
local function read_notes(dir)
  local path, notes = dir .. "/chip.txt", {}
  if files.exists(path) then
    for key, value in files.read(WHERE, path):gmatch "([%w_]+)[ \t]+([^\r\n]+)" do
      notes[key] = value
    end
  end
  return notes
end

-- An option, or what chip.txt says.
local function scale_of(opt, notes, name, otherwise)
  local noted = notes[name]
  local value = opt[name] or tonumber(noted)
  if noted and not opt[name] and not (value and value > 0 and value < math.huge) then
    options.fail(WHERE, "%s/chip.txt: '%s' must be a number above 0, got '%s'", opt.verilog, name,
      noted)
  end
  return value or otherwise or options.fail(WHERE, "option '%s' is missing: what is θ of one step "
    .. "of the weights? (%s has no chip.txt that says so)", name, opt.verilog)
end

--- Check the options of a circuit.
-- @tparam table opts as given
-- @tparam table opt checked, in which `top` gets its default
function M.check(opts, opt)
  files.check_path(WHERE .. ": verilog", opt.verilog)
  build.check_folder(opt.verilog)
  opt.top = opt.top or "chip"
  if not opt.top:find "^[%a_][%w_]*$" then
    options.fail(WHERE, "option 'top' must be the name of a module, got '%s'", opt.top)
  elseif not opt.net then
    options.fail(WHERE, "option 'net' is missing: which network has these weights?")
  end
  for name in pairs(opts) do
    if name ~= "net" and name ~= "verilog" and name ~= "top" and name ~= "lsb"
        and name ~= "cost_range" and name ~= "timeout" and name ~= "clock" then
      options.fail(WHERE, "option '%s' does not go with 'verilog'", name)
    end
  end
end

--- Build the circuit and start it.
-- @tparam table opt checked options
-- @treturn table core of the chip
-- @treturn table what is known of it: `dir`, `top`, `lsb`, `cost_range`, `key`, `verilator`,
--   `seconds`, and what it says of itself: `synapses`, `weight_bits`, `cost_bits`, `amplitude`
function M.open(opt)
  local notes = read_notes(opt.verilog)
  local lsb = scale_of(opt, notes, "lsb")
  local cost_range = scale_of(opt, notes, "cost_range", 1)
  local built = build.program(opt.verilog, opt.top)
  local chip, about = core.rtl.open(opt.net.core, { program = built.program,
    name = opt.verilog .. ": " .. opt.top, lsb = lsb, cost_range = cost_range,
    timeout = opt.timeout })
  about.dir, about.top, about.lsb, about.cost_range = opt.verilog, opt.top, lsb, cost_range
  about.key, about.verilator, about.seconds = built.key, built.verilator, built.seconds
  return chip, about
end

--- The circuit in lines.
-- @tparam chip chip
-- @treturn string
function M.text(chip)
  local rtl = chip.rtl
  local most = 2 ^ (rtl.weight_bits - 1)
  return table.concat({
    ("chip: %s in %s, by Verilator %s, for %s"):format(rtl.top, rtl.dir, rtl.verilator,
      tostring(chip.net)),
    ("  %-13s %d of %d bits, θ from %s to %s by %s"):format("synapses", rtl.synapses,
      rtl.weight_bits, text.number(-most * rtl.lsb), text.number((most - 1) * rtl.lsb),
      text.number(rtl.lsb)),
    ("  %-13s %d steps, %s"):format("amplitude", rtl.amplitude, text.number(rtl.amplitude
      * rtl.lsb)),
    ("  %-13s %d bits, %s at full scale"):format("cost", rtl.cost_bits,
      text.number(rtl.cost_range)),
  }, "\n")
end

return M
