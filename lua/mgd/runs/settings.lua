--- The options of mgd.train: what they are, their defaults, and what is checked of them.
-- @module mgd.runs.settings

local average = require "mgd.runs.average"
local chips = require "mgd.hardware.chip"
local codes = require "mgd.codes"
local core = require "mgd.core"
local data = require "mgd.data"
local each = require "mgd.runs.each"
local hardware = require "mgd.runs.hardware"
local signals = require "mgd.codes.signals"
local learning = require "mgd.runs.learning"
local naming = require "mgd.base.naming"
local nn = require "mgd.networks.nn"
local options = require "mgd.base.options"
local schedules = require "mgd.codes.schedules"

local M = {}

local stated = options.stated
local PERTURBS = { "engine", "discrete", "analog", "circuit" }
local MEASURES = { "engine", "discrete", "circuit" }
local WRITES_G = { "engine", "discrete", "backprop" } -- as it is summed up
local UPDATES = { "engine", "discrete", "analog", "backprop" } -- θ, instead of the chip

local OF_GSL = { "integrator" } -- all but the first
for i, name in ipairs(stated("integrator").choices) do
  OF_GSL[i] = i > 1 and name or OF_GSL[i]
end

--- Optimizers: what each does to θ when it is written, the reals that every parameter has to
-- remember besides θ and G, the options that are its own, and whether a circuit at the parameter
-- can do it by itself.
M.OPTIMIZERS = {
  { "sgd", law = "θ ← θ − η·G", memory = 0, options = { "eta" }, circuit = true },
  { "momentum", law = "v ← μ·v + G; θ ← θ − η·v", memory = 1, options = { "eta", "momentum" },
    circuit = true, note = "a leaky integrator for each parameter" },
  { "nesterov", law = "v ← μ·v + G; θ ← θ − η·(G + μ·v)", memory = 1,
    options = { "eta", "momentum" }, circuit = true, note = "and a sum" },
  { "adam", law = "m ← β₁·m + (1 − β₁)·G; v ← β₂·v + (1 − β₂)·G²; θ ← θ − η·m̂/(√v̂ + ε)",
    memory = 2, options = { "eta", "beta1", "beta2", "epsilon" }, circuit = false,
    note = "local, but a root and a division for each parameter" },
  { "sign", law = "θ ← θ − η·sign(G)", memory = 0, options = { "eta" }, circuit = true,
    note = "a comparator" },
  { "pulses", law = "θ ← θ − pulse·sign(G) where |G| > threshold", memory = 0,
    options = { "pulse", "threshold" }, circuit = true,
    note = "a comparator and one pulse of fixed height: what most devices can do" },
}

-- {"optimizer", …}: the names of those that have an option; of all without one.
local function optimizers(option)
  local names = { option and "optimizer" }
  for _, entry in ipairs(M.OPTIMIZERS) do
    local has = not option
    for _, name in ipairs(entry.options) do
      has = has or name == option
    end
    names[#names + 1] = has and entry[1] or nil
  end
  return names
end

M.SCHEMA = {
  { "net", type = "network", doc = "Trained as an ideal chip. Either this or chip." },
  { "chip", type = "chip", doc = "What is trained." },
  { "circuit", type = { "circuit", "table" },
    doc = "The learning circuit that trains it, see mgd.circuit; it says what else there is to "
      .. "say of training, and may bring the network. Or a table of its options." },
  { "data", type = { "dataset", "table" }, required = true,
    doc = "A data set, or {x =, y =, test =}." },
  { "cost", type = { "string", "function" }, default = "mse",
    doc = "mse, cross_entropy, l2, or function(y, target) → number, of (B, O) and (B, K)." },
  stated("label_smoothing", { only = { "cost", "cross_entropy" } }),
  stated "batch",
  stated "shuffle",
  stated "engine",
  stated("perturb", { only = MEASURES }),
  { "perturbation", type = { "table", "string", "function", "coroutine" }, default = {},
    only = PERTURBS,
    doc = "The code: its options, its name, function(slot, time) → θ̃ (P), or a coroutine." },
  stated("tau_p", { only = PERTURBS }),
  stated("tau_theta", { only = PERTURBS }),
  stated "tau_x",
  stated("tau_hp", { only = { "engine", "analog" } }),
  stated("integrator", { only = { "engine", "analog" } }),
  stated("tolerance", { only = OF_GSL }),
  stated("settle", { only = MEASURES }),
  stated("optimizer", { choices = optimizers(), only = UPDATES }),
  stated("momentum", { only = optimizers "momentum" }),
  stated("beta1", { only = optimizers "beta1" }),
  stated("beta2", { only = optimizers "beta2" }),
  stated("epsilon", { only = optimizers "epsilon" }),
  { "pulse", type = "number", required = true, above = 0, only = optimizers "pulse",
    doc = "pulses: what one pulse changes θ by." },
  stated("threshold", { only = optimizers "threshold" }),
  stated("eta", { type = { "number", "schedule", "tensor" }, only = optimizers "eta" }),
  stated("weight_decay", { only = optimizers "eta" }),
  { "average", type = "table", only = UPDATES,
    doc = "A mean of θ beside θ, over its writes, for those who ask for it: run:theta, "
      .. "run:evaluate, run:predict, run:confusion and the probes average_cost and "
      .. "average_accuracy. On a chip it is one more memory for each parameter." },
  { "signals", type = { "string", "table" }, only = PERTURBS,
    doc = "Several cost signals, each demodulated by itself: \"outputs\", the last layer's rows "
      .. "hear their own output's share of the cost; or a list of {outputs = k | {first, last}, "
      .. "layers = … | parameters = …}. All else hears the whole cost. With the cost mse." },
  stated("clamp", { only = PERTURBS }),
  stated("clip", { only = WRITES_G }),
  stated("clip_norm", { only = WRITES_G }),
  stated("baseline", { only = MEASURES }),
  stated("convention", { only = PERTURBS }),
  { "init", type = "table",
    doc = "Initial parameters, drawn per replica from the seed; see net:init. Without it every "
      .. "replica starts from the chip's present θ." },
  stated "replicas",
  stated("replica", { type = { "integer", "table" } }),
  stated "seed",
  stated("dt", { default = false }),
  stated "threads",
  { "record", type = "string", only = PERTURBS,
    doc = "A file that gets the costs of every step and the rows of probes; see mgd.chip.replay." },
}

-- A chip that integrates and writes by itself is an engine of its own.
local function own_engine(given)
  if type(given) == "table" and chips.is_chip(given.chip) and given.engine == nil
      and hardware.integrates(given.chip) then
    local own = {}
    for name, value in pairs(given) do
      own[name] = value
    end
    own.engine = "chip"
    return own
  end
  return given
end

for i, entry in ipairs(learning.SCHEMA) do -- behind perturb
  table.insert(M.SCHEMA, 10 + i, entry)
end

-- What is said beside a circuit; it fixes all else.
local BESIDE_CIRCUIT = {}
for _, name in ipairs { "net", "chip", "circuit", "data", "cost", "label_smoothing", "batch",
  "shuffle", "tau_x", "integrator", "tolerance", "average", "init", "replicas", "replica", "seed",
  "threads", "record" } do
  BESIDE_CIRCUIT[name] = true
end

--- Whether a circuit leaves an option of mgd.train to the script.
function M.beside_circuit(circuit, name)
  return BESIDE_CIRCUIT[name] == true and circuit:training()[name] == nil
end

-- A circuit, of plain options if need be, for what is trained.
local function circuit_of(given)
  if naming.kind(given.circuit) or type(given.circuit) ~= "table" then
    return given.circuit
  end
  local own, chip = { net = given.net }, given.chip
  for name, value in pairs(given.circuit) do
    own[name] = value
  end
  if own.net == nil and chips.is_chip(chip) then
    own.net = chip.net
    own.synapses = chip.net == nil and chip.num_parameters or nil
  end
  return require("mgd.circuits.circuit").new(own)
end

-- Options of a run that a circuit trains: those that it fixes besides those that are given.
local function with_circuit(given)
  local circuit = type(given) == "table" and circuit_of(given)
  if naming.kind(circuit) ~= "circuit" then
    return given
  end
  local fixed, own = circuit:training(), {}
  for _, entry in ipairs(M.SCHEMA) do
    local name = entry[1]
    if given[name] ~= nil and not M.beside_circuit(circuit, name) then
      local value = fixed[name]
      options.fail("mgd.train", "option '%s' is given beside circuit = …, which %s: expected "
        .. "none", name, value == nil and "has no such thing" or type(value) == "table"
        and "fixes it" or ("fixes it to %s"):format(tostring(value)))
    end
  end
  for _, source in ipairs { given, fixed } do
    for name, value in pairs(source) do
      own[name] = value
    end
  end
  own.circuit = circuit
  if own.net == nil and own.chip == nil then
    own.net = circuit.net
  end
  return own
end

-- As many synapses as parameters.
local function check_circuit(opt)
  local count = opt.circuit and opt.chip.num_parameters
  if count and opt.circuit.synapses ~= count then
    options.fail("mgd.train", "option 'circuit' has %d synapses, and what is trained has %d "
      .. "parameters", opt.circuit.synapses, count)
  end
end

local function check_chip(opt)
  if (opt.net == nil) == (opt.chip == nil) then
    options.fail("mgd.train", "expected either net = … or chip = …%s", opt.circuit
      and ", or a circuit that has a network" or "")
  end
  return opt.chip or chips { net = opt.net }
end

-- The step of the engine, which may be the chip's own, and whether anybody said what it is.
local function check_dt(opt)
  local own = opt.chip.clock.dt
  if own and opt.dt and own ~= opt.dt then
    options.fail("mgd.train", "option 'dt' is %s s, but the chip's clock says %s s", opt.dt, own)
  end
  return opt.dt or own or 1, (opt.dt or own) ~= nil
end

-- A batch goes round the samples, however large it is.
local function check_batch(opt)
  local samples = opt.data.x.shape[1]
  if opt.batch > samples then
    options.warn("a batch of %d shows some of the %d samples more than once; batch = %d shows each "
      .. "once", opt.batch, samples, samples)
  end
end

local BOUNDED = { sigmoid = true, tanh = true }

-- A cost of logits behind an activation that bounds them never comes near 0.
local function check_logits(opt)
  local layers = opt.cost == "cross_entropy" and opt.chip.net and opt.chip.net.layers or {}
  local last = layers[#layers]
  if last and BOUNDED[last.kind] then
    options.warn("the cost cross_entropy takes logits, of which it takes the softmax itself, but "
      .. "the network ends with %s, which keeps them within ±1: expected no activation at the end "
      .. "(output = \"identity\"), or the cost mse", last.kind)
  end
end

-- Schedules, their bounds, and what only an engine asks for.
local function check_times(opt)
  for _, entry in ipairs(M.SCHEMA) do
    local name = entry[1]
    local own = name == "eta" and each.has_eta(opt)
    if type(entry.type) == "table" and entry.type[2] == "schedule" and not own then
      opt[name] = schedules.check("mgd.train", name, opt[name], entry)
    end
  end
  local window = opt.tau_theta
  if opt.engine == "discrete" and type(window) == "number" then
    opt.tau_theta = options.check("mgd.train", { { "tau_theta", type = "integer", min = 1 } },
      { tau_theta = window }).tau_theta
  end
end

--- Check an option table of mgd.train and fill in every default.
-- @treturn table resolved options, with `chip` and `data` as objects
function M.resolve(given)
  local opt = options.check("mgd.train", M.SCHEMA, own_engine(with_circuit(given)))
  opt.chip, opt.net = check_chip(opt), nil
  check_circuit(opt)
  opt.dt, opt.dt_known = check_dt(opt)
  if type(opt.cost) == "string" then
    options.check("mgd.train", { { "cost", type = "string", choices = core.net.costs } },
      { cost = opt.cost })
  end
  each.check(opt)
  check_times(opt)
  opt.perturbation = opt.perturbation
    and codes.resolve("mgd.train: perturbation", opt.perturbation)
  opt.average = opt.average and average.resolve(opt.average)
  opt.signals = opt.signals and signals.resolve(opt.chip, opt.signals)
  opt.init = opt.init and options.check("mgd.train: init", nn.INIT_SCHEMA, opt.init)
  opt.data = data.is_dataset(opt.data) and opt.data or data.from(opt.data)
  learning.check(opt)
  check_batch(opt)
  check_logits(opt)
  return opt
end

return M
