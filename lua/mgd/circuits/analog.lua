--- Analog learning circuits: what their resistors, capacitors and currents make of training.
--
--     rc            the broadcast cost passes an RC high-pass; each synapse multiplies it with its
--                   own perturbation, a leaky integrator averages the product, and a transconductor
--                   moves the charge of the weight's capacitor, all of it all the time: the analog
--                   engine
--     charge-pump   the cost without perturbation is sampled, then that with it; each synapse takes
--                   the sign of the difference times its own, and a pump puts a charge of ±I·t onto
--                   the weight's capacitor: the discrete engine with the optimizer `sign`
--
-- A weight θ is a voltage, of `volts_per_weight` for each 1. Capacitors leak, which is a decay of
-- weights.
-- @module mgd.circuits.analog

local numbers = require "mgd.text.numbers"
local options = require "mgd.base.options"
local registers = require "mgd.circuits.registers"

local M = {}

local WHERE = "mgd.circuit"

local function of_rc(entry)
  entry.only = { "set", "rc" }
  return entry
end

local function of_pump(entry)
  entry.only = { "set", "charge-pump" }
  return entry
end

--- Options of the analog sets, beside `set` and the network.
M.SCHEMA = {
  { "source", type = "string", default = "lfsr", choices = { "lfsr", "walsh" },
    doc = "What perturbs: taps of one shift register, or a Walsh counter." },
  { "register_bits", type = "integer", default = 15, min = 2, max = 30,
    only = { "source", "lfsr" }, unit = "bits", doc = "Length of the shift register." },
  { "clock", type = "number", default = 1e6, above = 0, unit = "Hz",
    doc = "Patterns of perturbations a second." },
  { "sample_clocks", type = "integer", default = 8, min = 1, unit = "clocks",
    doc = "How long a sample is shown; at least 2 of set rc." },
  { "amplitude", type = "number", default = 40e-3, above = 0, unit = "V",
    doc = "Of each perturbation, ±." },
  { "volts_per_weight", type = "number", default = 0.1, above = 0, unit = "V",
    doc = "What a weight of 1 is." },
  { "c_weight", type = "number", default = 10e-12, above = 0, unit = "F",
    doc = "Capacitor that holds a weight." },
  { "r_leak", type = "number", default = 10e9, above = 0, infinite = true, unit = "Ω",
    doc = "Through which that capacitor leaks." },
  of_rc { "steps", type = "integer", default = 8, min = 1,
    doc = "Steps of the analog engine in a clock: how finely it follows the circuit." },
  of_rc { "volts_per_cost", type = "number", default = 1, above = 0, unit = "V",
    doc = "What a cost of 1 is on the broadcast line." },
  of_rc { "r_hp", type = "number", default = 1e6, above = 0, unit = "Ω",
    doc = "Resistor of the high-pass on the cost." },
  of_rc { "c_hp", type = "number", default = 8e-12, above = 0, unit = "F",
    doc = "Capacitor of the high-pass on the cost." },
  of_rc { "multiplier", type = "number", default = 50e-6, above = 0, unit = "A/V²",
    doc = "Of the four-quadrant multiplier: a current for cost times perturbation." },
  of_rc { "r_theta", type = "number", default = 1e6, above = 0, unit = "Ω",
    doc = "Resistor of the leaky integrator." },
  of_rc { "c_theta", type = "number", default = 16e-12, above = 0, unit = "F",
    doc = "Capacitor of the leaky integrator." },
  of_rc { "gm", type = "number", default = 0.35e-6, above = 0, unit = "A/V",
    doc = "Transconductance from the integrator to the weight's capacitor." },
  of_pump { "current", type = "number", default = 100e-9, above = 0, unit = "A",
    doc = "Of the charge pump." },
  of_pump { "pulse", type = "number", default = 100e-9, above = 0, unit = "s",
    doc = "For how long the pump is on, in each clock." },
}

-- ---- checks -------------------------------------------------------------------------------------

-- By unit: what figures of a chip lie between. Beyond it a prefix was left out, in all likelihood.
local PLAUSIBLE = {
  ["F"] = { 1e-18, 1e-3 },
  ["Ω"] = { 1, math.huge },
  ["A"] = { 1e-15, 1 },
  ["A/V"] = { 1e-15, 10 },
  ["A/V²"] = { 1e-12, 10 },
  ["V"] = { 1e-6, 1e3 },
  ["s"] = { 1e-15, 1e3 },
  ["Hz"] = { 1e-3, 1e12 },
}

local function check_units(circuit)
  for _, entry in ipairs(M.SCHEMA) do
    local value, unit = circuit[entry[1]], entry.unit
    local limits = value and PLAUSIBLE[unit]
    if limits and (value < limits[1] or value > limits[2]) then
      options.fail(WHERE, "%s = %s %s is beyond what circuits have, %s to %s: expected a figure in "
        .. "%s, such as %s", entry[1], value, unit, numbers.si(limits[1], unit),
        numbers.si(limits[2], unit), unit, entry.default)
    end
  end
end

-- A time constant of two figures against a time that it cannot be below.
local function check_time(circuit, r, c, least, what)
  local tau = circuit[r] * circuit[c]
  if tau <= least then
    options.fail(WHERE, "%s·%s = %s · %s = %s, and %s is %s: expected a longer time constant", r, c,
      numbers.si(circuit[r], "Ω"), numbers.si(circuit[c], "F"), numbers.si(tau, "s"), what,
      numbers.si(least, "s"))
  end
end

local checks = {}

function checks.rc(circuit)
  local dt = 1 / (circuit.clock * circuit.steps)
  local step = ("the step, 1/(clock·steps) = 1/(%s · %d),"):format(numbers.si(circuit.clock, "Hz"),
    circuit.steps)
  check_time(circuit, "r_hp", "c_hp", dt, step)
  check_time(circuit, "r_theta", "c_theta", dt, step)
  check_time(circuit, "r_leak", "c_weight", dt, step)
  if circuit.sample_clocks < 2 then
    options.fail(WHERE, "sample_clocks = 1: patterns would change with samples alone, where "
      .. "a high-pass sees nothing: expected at least 2")
  end
  local slots = circuit.source == "walsh" and registers.slots(circuit.synapses)
  if slots and slots / 2 % circuit.sample_clocks == 0 then
    options.fail(WHERE, "sample_clocks = %d: the slowest of %d Walsh functions would change with "
      .. "samples alone, where a high-pass sees nothing: expected their period, %d, or any number "
      .. "that is no power of 2", circuit.sample_clocks, circuit.synapses, slots)
  end
end

checks["charge-pump"] = function(circuit)
  local period = 1 / circuit.clock
  check_time(circuit, "r_leak", "c_weight", period, "a clock")
  if circuit.pulse > period then
    options.fail(WHERE, "pulse = %s is longer than a clock of %s: expected at most that",
      numbers.si(circuit.pulse, "s"), numbers.si(period, "s"))
  end
end

--- Check the figures of a circuit against each other.
-- @tparam table circuit its options, checked against the schema, and `synapses`
-- @raise what does not fit, in its unit
function M.check(circuit)
  check_units(circuit)
  local bits = circuit.register_bits -- of source lfsr
  if bits and 2 ^ bits - 1 < circuit.synapses + 1 then
    options.fail(WHERE, "register_bits = %d: the register has %.0f phases, and repeats one before "
      .. "%d synapses are served: expected at least %d bits", bits, 2 ^ bits - 1,
      circuit.synapses, math.ceil(math.log(circuit.synapses + 2) / math.log(2)))
  end
  checks[circuit.set](circuit)
end

-- ---- what follows -------------------------------------------------------------------------------

local follows = {}

-- The transconductor turns the integrator's `volts_per_gradient` for each 1 of ∂C/∂θ into volts of
-- the weight a second.
function follows.rc(circuit)
  local dt = 1 / (circuit.clock * circuit.steps)
  local amplitude = circuit.amplitude / circuit.volts_per_weight
  local volts_per_gradient = circuit.multiplier * circuit.r_theta * circuit.volts_per_cost
    * circuit.amplitude * amplitude
  local rate = circuit.gm * volts_per_gradient / (circuit.c_weight * circuit.volts_per_weight)
  return {
    dt = dt, amplitude = amplitude, volts_per_gradient = volts_per_gradient, rate = rate,
    tau_hp = circuit.r_hp * circuit.c_hp,
    tau_theta = circuit.r_theta * circuit.c_theta,
    tau_leak = circuit.r_leak * circuit.c_weight,
  }
end

follows["charge-pump"] = function(circuit)
  local volts = circuit.current * circuit.pulse / circuit.c_weight
  return {
    dt = 1 / circuit.clock,
    amplitude = circuit.amplitude / circuit.volts_per_weight,
    volts = volts, step = volts / circuit.volts_per_weight,
    tau_leak = circuit.r_leak * circuit.c_weight,
  }
end

local function perturbation(circuit, amplitude)
  return { code = circuit.source, amplitude = amplitude, bits = circuit.register_bits }
end

local trainings = {}

function trainings.rc(circuit)
  local f, steps = follows.rc(circuit), circuit.steps
  return {
    engine = "analog", optimizer = "sgd", dt = f.dt,
    perturbation = perturbation(circuit, f.amplitude),
    tau_p = steps, tau_x = circuit.sample_clocks * steps,
    tau_hp = f.tau_hp / f.dt, tau_theta = f.tau_theta / f.dt,
    eta = f.rate * f.dt, weight_decay = 1 / (f.rate * f.tau_leak),
  }
end

trainings["charge-pump"] = function(circuit)
  local f = follows["charge-pump"](circuit)
  return {
    engine = "discrete", optimizer = "sign", baseline = "measured", dt = f.dt,
    perturbation = perturbation(circuit, f.amplitude),
    tau_p = 1, tau_theta = 1, tau_x = circuit.sample_clocks,
    eta = f.step, weight_decay = f.dt / (f.step * f.tau_leak),
  }
end

--- The options of mgd.train that a circuit fixes.
-- @tparam table circuit
-- @treturn table
function M.training(circuit)
  return trainings[circuit.set](circuit)
end

-- ---- figures ------------------------------------------------------------------------------------

local derived = {}

function derived.rc(circuit, add)
  local f = follows.rc(circuit)
  add("a", f.amplitude, nil, "amplitude/volts_per_weight")
  add("τ_hp", f.tau_hp, "s", "r_hp·c_hp")
  add("τ_θ", f.tau_theta, "s", "r_theta·c_theta")
  add("V per ∂C/∂θ", f.volts_per_gradient, "V", "multiplier·r_theta·volts_per_cost·amplitude·a, "
    .. "of the integrator")
  add("η", f.rate / circuit.clock, nil, "in a clock: gm·(V per ∂C/∂θ)/(c_weight·volts_per_weight)")
  add("Δ", f.amplitude * math.sqrt(circuit.synapses), nil, "a·√P, the length of all perturbations")
  add("τ_leak", f.tau_leak, "s", "r_leak·c_weight")
end

derived["charge-pump"] = function(circuit, add)
  local f = follows["charge-pump"](circuit)
  add("a", f.amplitude, nil, "amplitude/volts_per_weight")
  add("charge", circuit.current * circuit.pulse, "C", "current·pulse")
  add("write", f.volts, "V", "current·pulse/c_weight")
  add("Δ", f.amplitude * math.sqrt(circuit.synapses), nil, "a·√P, the length of all perturbations")
  add("η", f.step, nil, "of the optimizer sign: a write, of θ")
  add("τ_leak", f.tau_leak, "s", "r_leak·c_weight")
end

--- Figures for people: those that were given, then those that follow.
-- @tparam table circuit
-- @treturn table list of {name =, value =, unit =, note =}
function M.figures(circuit)
  local list = {}
  local function add(name, value, unit, note)
    list[#list + 1] = { name = name, value = value, unit = unit, note = note }
  end
  for _, entry in ipairs(M.SCHEMA) do
    local value = circuit[entry[1]]
    if type(value) == "number" then
      add(entry[1], value, entry.unit, (entry.doc:match "^(.-)%.?$"))
    end
  end
  derived[circuit.set](circuit, add)
  return list
end

return M
