--- Digital learning circuits: their registers, and what follows from them.
--
-- What they compute, step by step, stands in src/circuit/circuit.h; `circuit:verilog` writes the
-- same as hardware.
-- @module mgd.circuits.digital

local core = require "mgd.core"
local numbers = require "mgd.text.numbers"
local options = require "mgd.base.options"
local registers = require "mgd.circuits.registers"

local M = {}

local stated = options.stated

local CLOCKS = 3 -- of a step: two evaluations and an update
local MOST_BITS = 30 -- of a shift register

local COUNTS = { "set", "sign-sign" }
local SUMS = { "set", "accumulator" }

--- Options of the digital sets, beside `set` and the network.
M.SCHEMA = {
  stated "weight_bits",
  stated "lsb",
  { "amplitude", type = "integer", default = 32, min = 1, unit = "LSB",
    doc = "A: the chip shows w + A·s and w − A·s." },
  stated "cost_bits",
  stated "cost_range",
  { "source", type = "string", default = "lfsr", choices = { "lfsr", "walsh", "outer" },
    doc = "Where s comes from: a tap of a shift register at each synapse; parities of a counter, a "
      .. "row of a Hadamard matrix for each synapse; or taps for rows and columns of a layer's "
      .. "weights, whose XOR a synapse takes." },
  { "register_bits", type = "integer", min = 2, max = MOST_BITS,
    only = { "source", "lfsr", "outer" },
    doc = "m, of the shift register that feeds the taps: it repeats after 2^m − 1 steps, and needs "
      .. "a phase for each synapse and one more. Without, the fewest with 64 steps a synapse." },
  { "clock", type = "number", default = 1e6, above = 0, unit = "Hz",
    doc = "f: a step takes three clocks, two evaluations and an update." },
  stated("counter_bits", { only = COUNTS }),
  stated("step", { only = COUNTS }),
  stated("magnitude_bits", { only = SUMS }),
  stated("accumulator_bits", { only = SUMS }),
  stated("shift", { only = SUMS }),
  { "tau_theta", type = "integer", default = 16, min = 1, unit = "steps", only = SUMS,
    doc = "τ_θ: steps between two writes." },
}

-- Bits of the register; of the source `outer` so many that products of rows and columns differ,
-- which the core finds out for its code.
local function check_register(circuit)
  local n, net = circuit.synapses, circuit.net
  if n + 1 > 2 ^ MOST_BITS - 1 then
    options.fail("mgd.circuit", "%s synapses are more than a register of %d bits has phases for: "
      .. "expected at most %s", numbers.count(n), MOST_BITS, numbers.count(2 ^ MOST_BITS - 2))
  end
  local least, ample = registers.bits(n + 1), select(2, registers.bits(n))
  local given = circuit.register_bits
  circuit.follows.register_bits = given == nil or nil
  circuit.register_bits = given or ample
  if circuit.register_bits < least then
    options.fail("mgd.circuit", "option 'register_bits': a register of %d bits repeats after %s "
      .. "steps, and would show %d synapses phases twice: expected at least %d bits", given,
      numbers.count(2 ^ given - 1), n, least)
  elseif circuit.source == "outer" and not net then
    options.fail("mgd.circuit", "option 'source' is 'outer', rows and columns of a network's "
      .. "weights: expected net = …")
  elseif circuit.source == "outer" then
    local ok, period = pcall(core.train.figures, n, { code = "outer", source = "register",
      bits = given, net = net.core })
    if not ok then
      options.fail("mgd.circuit", "%s", (tostring(period):gsub("^.-perturbation: ", "")))
    end
    circuit.register_bits = registers.bits(period)
  end
end

local function is_power_of_two(value)
  return 2 ^ math.floor(math.log(value) / math.log(2) + 0.5) == value
end

--- What options have to do with each other.
function M.check(circuit)
  if not is_power_of_two(circuit.lsb) then
    options.fail("mgd.circuit", "option 'lsb' is %s: expected a power of 2, of which weights are "
      .. "exact multiples", circuit.lsb)
  end
  local half = 2 ^ (circuit.weight_bits - 1)
  if circuit.amplitude > half then
    options.fail("mgd.circuit", "option 'amplitude' is %d LSB, beyond the range of ±%d LSB of "
      .. "weight_bits = %d", circuit.amplitude, half, circuit.weight_bits)
  elseif circuit.set == "sign-sign" and circuit.step > half then
    options.fail("mgd.circuit", "option 'step' is %d LSB, beyond the range of ±%d LSB of "
      .. "weight_bits = %d", circuit.step, half, circuit.weight_bits)
  elseif circuit.set == "accumulator" and circuit.shift >= circuit.accumulator_bits then
    options.fail("mgd.circuit", "option 'shift' = %d takes all %d bits of the accumulator away: "
      .. "expected less than accumulator_bits", circuit.shift, circuit.accumulator_bits)
  end
  if circuit.source ~= "walsh" then
    check_register(circuit)
  end
end

local REGISTERS = { "set", "weight_bits", "lsb", "cost_bits", "cost_range", "counter_bits", "step",
  "magnitude_bits", "accumulator_bits", "shift" }

--- What the core knows of it.
function M.registers(circuit)
  local flat = {}
  for _, name in ipairs(REGISTERS) do
    flat[name] = rawget(circuit, name)
  end
  return flat
end

--- Bits that all synapses hear in a step: whether there is a vote and its sign, or sign and
-- magnitude.
function M.broadcast(circuit)
  return circuit.set == "sign-sign" and 2 or 1 + circuit.magnitude_bits
end

local function seconds(circuit)
  return CLOCKS / circuit.clock
end

--- The options of mgd.train that it fixes.
function M.training(circuit)
  return {
    engine = "circuit",
    baseline = "two-sided",
    perturbation = { code = circuit.source, amplitude = circuit.amplitude * circuit.lsb,
      source = circuit.source == "outer" and "register" or nil,
      bits = circuit.source ~= "walsh" and circuit.register_bits or nil },
    tau_theta = rawget(circuit, "tau_theta") or 1,
    dt = seconds(circuit),
  }
end

-- η of the discrete engine that writes the same, where nothing saturates: w moves by lsb·2^−shift
-- for each unit of Σ D·s, D = 2·C̃·2^B/cost_range, and G is the mean of C̃·s/a.
local function eta(circuit)
  local a = circuit.amplitude * circuit.lsb
  return 2 * a * circuit.lsb * circuit.tau_theta * 2 ^ (circuit.cost_bits - circuit.shift)
    / circuit.cost_range
end

local function period(circuit)
  if circuit.source == "walsh" then
    return registers.slots(circuit.synapses)
  end
  return 2 ^ circuit.register_bits - 1
end

--- What follows from the registers.
function M.figures(c)
  local half, list = 2 ^ (c.weight_bits - 1), {}
  local function add(name, value, unit, note)
    list[#list + 1] = { name = name, value = value, unit = unit, note = note }
  end
  add("θ", ("%s … %s"):format(numbers.number(-half * c.lsb), numbers.number((half - 1) * c.lsb)),
    nil, ("%d bits of %s"):format(c.weight_bits, numbers.number(c.lsb)))
  add("a", c.amplitude * c.lsb, nil, ("w̃ = ±%d LSB"):format(c.amplitude))
  add("Δ", c.amplitude * c.lsb * math.sqrt(c.synapses), nil,
    "a·√P, the length of all perturbations")
  add("period", period(c), "steps", "of the source, " .. c.source)
  add("cost", c.cost_range / 2 ^ c.cost_bits, nil,
    ("a step of the converter, %d bits to %s"):format(c.cost_bits, numbers.number(c.cost_range)))
  if c.set == "sign-sign" then
    add("τ_θ", 2 ^ (c.counter_bits - 1), "steps", "at least, until votes that agree write")
    add("η", c.step * c.lsb, nil, ("of votes: a write, %d LSB"):format(c.step))
  else
    add("τ_θ", c.tau_theta, "steps", numbers.si(c.tau_theta * seconds(c), "s"))
    add("η", eta(c), nil, ("where nothing saturates; |C̃| does at %s"):format(
      numbers.number((2 ^ c.magnitude_bits - 1) * c.cost_range / 2 ^ (c.cost_bits + 1))))
  end
  add("step", seconds(c), "s", ("%d clocks of %s, a batch evaluated in each of two"):format(CLOCKS,
    numbers.si(c.clock, "Hz")))
  return list
end

return M
