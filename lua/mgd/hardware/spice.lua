--- Netlists as chips: `mgd.chip{spice = "net.cir", …}`.
--
-- The netlist is read here and never runs here: processes of ngspice's shared library evaluate it,
-- as many as there are processors, each an instrument that keeps the chip contract.
-- @module mgd.hardware.spice

local check = require "mgd.hardware.spice.check"
local core = require "mgd.core"
local files = require "mgd.base.files"
local interrupts = require "mgd.base.interrupts"
local instrument = require "mgd.hardware.instrument"
local look = require "mgd.hardware.spice.look"
local options = require "mgd.base.options"
local settings = require "mgd.hardware.spice.settings"
local worker = require "mgd.hardware.spice.worker"

local M = { raw = look.raw, netlist = look.netlist, amplitude = check.amplitude,
  settling = check.settling }

local WHERE = "mgd.chip"
local ROWS = 1000 -- samples whose outputs one answer may hold

--- The options of an instrument, of those of a netlist.
-- @tparam table opts as given
-- @tparam table opt checked, which becomes those of an instrument
-- @treturn table the circuit
function M.prepare(opts, opt)
  local program = worker.program()
  local circuit = settings.read(opts, opt)
  local path = os.tmpname()
  circuit.temporary = path
  files.write(WHERE, path, worker.text(circuit))
  opt.instrument = {}
  for k = 1, circuit.workers do
    opt.instrument[k] = { "EXEC", program, path }
  end
  opt.parameters, opt.temporary, opt.ranges = nil, path, circuit.ranges
  opt.called = circuit.path -- in messages
  opt.dialect, opt.terminator = "lines", "\n"
  if opts.timeout == nil then
    opt.timeout = ROWS * circuit.time_limit
  end
  return circuit
end

--- Open the instrument that `open` returns; where it fails the file of the workers goes as well.
-- @tparam table circuit
-- @tparam function open
-- @return its three results
function M.open(circuit, open)
  local ok, made, about, count = pcall(open)
  if not ok then
    os.remove(circuit.temporary)
    error(made, 0)
  end
  return made, about, count
end

-- The values of the netlist itself, in the unit of each parameter.
local function own_values(chip)
  local words = core.instrument.query(chip.core, 1, "WRITE")
  local values = {}
  for word in words:gmatch "[^,]+" do
    values[#values + 1] = tonumber(word)
  end
  return values
end

-- By the number of a parameter: {low, high, 1 for logarithms or 0}; nil where there are none.
local function ranges_of(opt)
  local rows = opt.ranges and instrument.ranges(opt.ranges):totable()
  return function(i)
    return rows and rows[#rows == 1 and 1 or i]
  end
end

local function check_values(circuit)
  for i, parameter in ipairs(circuit.parameters) do
    local value, range = circuit.values[i], circuit.range(i)
    if range and (value < range[1] or value > range[2]) then
      options.fail(WHERE, "'%s' is %.6g in the netlist, outside its range from %.6g to %.6g",
        parameter.name, value, range[1], range[2])
    end
  end
end

--- What is known once the workers are there.
-- @tparam chip chip
-- @tparam table opt checked options
function M.finish(chip, opt)
  local circuit = chip.circuit
  circuit.range = ranges_of(opt)
  if opt.theta then
    circuit.values = look.values(chip, WHERE, opt.theta)
  else
    circuit.values = own_values(chip)
    check_values(circuit)
  end
end

--- The circuit in lines, with the evaluations a second that are measured for the first of them.
-- @tparam chip chip
-- @treturn string
function M.text(chip)
  local circuit = chip.circuit
  if not circuit.rate and not chip.closed then
    local ok, rate = interrupts.pcall(check.rate, chip) -- what fails there fails for a run
    circuit.rate = ok and circuit.workers * rate or nil
  end
  return look.text(chip)
end

return M
