--- The advisor: how a chip should be trained, from measurements on it.
--
-- `mgd.advise{…}` spends a stated number of evaluations before training: whether the cost follows θ
-- at all, how it responds to a held change, noise, resolution, slopes and curvature along random
-- directions. From these it predicts what ways of perturbing and comparing would show, tries the
-- best, tries learning rates in short trainings, and recommends amplitude, baseline, time
-- constants, η and the number of steps, each with its reason, or says why it will not work. Nothing
-- is written to the chip or the network.
-- @module mgd.runs.advise

local bench = require "mgd.runs.advise.bench"
local choose = require "mgd.runs.advise.choose"
local chips = require "mgd.hardware.chip"
local hardware = require "mgd.runs.hardware"
local listing = require "mgd.text.listing"
local effect = require "mgd.runs.advise.effect"
local naming = require "mgd.base.naming"
local netlist = require "mgd.runs.advise.netlist"
local nodes = require "mgd.runs.advise.nodes"
local options = require "mgd.base.options"
local record = require "mgd.text.record"
local report = require "mgd.runs.advise.report"
local response = require "mgd.runs.advise.response"
local slopes = require "mgd.runs.advise.slopes"
local train = require "mgd.runs.train"
local trials = require "mgd.runs.advise.trials"

local M = {}

-- ---- options ------------------------------------------------------------------------------------

local EVALUATIONS = 40000 -- of a batch
local LEAST = 2000 -- of a batch

--- Schema of mgd.advise: what it shares with mgd.train, and its own.
M.SCHEMA = {
  { "batch", type = "integer", min = 1,
    doc = "Samples shown at once; 32, or all of a smaller set, without." },
  { "evaluations", type = "integer", min = 1,
    doc = "Budget in evaluations of a sample; 40,000 of a batch without." },
  { "optimizer", type = "string", default = "adam", choices = { "sgd", "momentum", "adam" },
    doc = "How G is to change θ; adam needs two memories per parameter, momentum one, sgd none." },
  { "nodes", type = "boolean", default = false,
    doc = "The hardware can perturb its neurons: it is measured whether that, and a gate, are "
      .. "worth it, and whether layers might stand still." },
}

local SHARED = { "net", "chip", "data", "cost", "label_smoothing", "init", "seed", "threads" }

for i, name in ipairs(SHARED) do
  for _, entry in ipairs(train.SCHEMA) do
    if entry[1] == name then
      table.insert(M.SCHEMA, i, entry)
    end
  end
end

local function check(given)
  local opt = options.check("mgd.advise", M.SCHEMA, given)
  if (opt.net == nil) == (opt.chip == nil) then
    options.fail("mgd.advise", "expected either net = … or chip = …")
  end
  if opt.chip and hardware.integrates(opt.chip) then
    options.fail("mgd.advise", "the chip trains by itself: amplitude, time constants and η are its "
      .. "own")
  end
  opt.chip, opt.net = opt.chip or chips { net = opt.net }, nil
  local asked = { batch = opt.batch }
  for _, name in ipairs(SHARED) do
    asked[name] = opt[name]
  end
  opt.data = train.resolve(asked).data
  if opt.nodes and opt.chip.num_nodes == 0 then
    options.fail("mgd.advise", "option 'nodes': this chip has none that can be perturbed")
  end
  opt.batch = opt.batch or math.min(32, opt.data.x.shape[1])
  opt.widens = not opt.evaluations and not opt.chip.instrument
  opt.evaluations = opt.evaluations or EVALUATIONS * opt.batch
  if opt.evaluations < LEAST * opt.batch then
    options.fail("mgd.advise", "evaluations = %d is too few: a batch of %d needs %d at least",
      opt.evaluations, opt.batch, LEAST * opt.batch)
  end
  return opt
end

-- ---- measuring ----------------------------------------------------------------------------------

local DIRECTIONS = 24

local function fail_nonfinite()
  options.fail("mgd.advise", "the chip does not answer: its cost is nan or infinite at the "
    .. "initial θ")
end

-- Steps that a change must be held for the cost to follow: to its peak where it forgets it.
local function slowness(r)
  return r.decays and r.rise or r.settling or r.hold
end

-- How the cost answers; what a change of the batch does is heard as well.
local function measure_response(b, m, a, sigma)
  local r = response.measure(b, a, sigma, false)
  m.response, m.decays, m.longest = r, r.decays, r.hold
  m.settling = r.decays and r.rise or r.settling
  m.slow = slowness(r)
  local of_sample = response.measure(b, nil, sigma, true)
  m.sample_settling = of_sample.settling or of_sample.hold
  m.hold = r.decays and m.slow or math.max(m.slow, m.sample_settling)
end

-- What is measured at the initial θ; nil in `sweep` when the chip is dead, or the budget spent.
local function measure_all(b, parameters)
  local m = {}
  local a, sigma, cost, sure, loudest = effect.reach(b)
  m.cost, m.effect = cost, sure
  if cost ~= cost then
    fail_nonfinite()
  end
  if not a then
    m.noise = { value = sigma, low = sigma, high = sigma }
    return m
  end
  measure_response(b, m, loudest, sigma)
  m.noise, m.jump = effect.noise(b, m.hold)
  m.sweep = m.noise and slopes.sweep(b, a, DIRECTIONS, m.hold, m.noise.value)
  if not m.sweep then
    return #b.unmeasured > 0 and m or fail_nonfinite()
  end
  m.gradient = slopes.gradient_norm(m.sweep, m.noise.value)
  m.curvature = slopes.curvature(m.sweep, parameters)
  m.resolution = math.max(slopes.resolution(b), b:ulp(cost))
  return m
end

-- ---- recommending -------------------------------------------------------------------------------

-- Recommendation under construction: settings, reasons, flags.
local Draft = {}
Draft.__index = Draft

function Draft:because(format, ...)
  table.insert(self.reasons, format:format(...))
end

function Draft:flag(name, format, ...)
  table.insert(self.flags, { name = name, text = format:format(...) })
end

-- η to begin with. Descent by SGD along estimates from K patterns is fastest at
-- η = 1/(λ̄·(1 + (P − 1)/K)·(1 + ρ²)), ρ noise over signal (Nesterov and Spokoiny, Found. Comput.
-- Math. 17, 2017, for K = 1); adam divides G by its root mean square, ‖g‖·√((1 + ρ²)/K), and should
-- not step further than the cost is nearly linear.
local function first_eta(d, m)
  local p = d.parameters
  local patterns = d.ways[1].patterns
  local lambda = math.max(math.abs(m.curvature.value), m.curvature.high / 4, 1e-12)
  local noise = 1 + math.min(m.noise_to_signal, 1e6) ^ 2
  local sgd = 1 / (lambda * (1 + (p - 1) / patterns) * noise)
  if d.opt.optimizer == "sgd" then
    return sgd
  elseif d.opt.optimizer == "momentum" then
    return sgd / 10
  end
  return math.min(sgd * m.gradient.value * math.sqrt(noise / patterns), m.amplitude.value)
end

local MOST_TRAINING = 4 -- times the budget of the advice

-- Steps. Along one random direction after the other the cost falls at best by ‖g‖²/(2·tr H) a step:
-- ten times what it would take to 0 at that rate, and no fewer than flat stretches ask for.
local function first_steps(d, b, m, way)
  local window = way.patterns * way.tau_p
  local fall = m.gradient.value ^ 2 / (2 * math.max(1e-30, math.abs(m.curvature.value))
    * d.parameters)
  m.ideal_steps = math.abs(m.cost) / fall
  local most = MOST_TRAINING * b.budget / d.opt.batch / b.per_step(way.baseline, window) / window
  local writes = math.min(math.max(20000, math.min(200000, 10 * m.ideal_steps)), most)
  return math.ceil(writes / 100) * 100 * window
end

local function explain_steps(d, m)
  if d.best and d.steps == d.best.steps then
    d:because("%d steps from seed %d: the trial that left %.2g %% of the cost, as it was", d.steps,
      d.best.seed, 100 * d.best.after / d.best.before)
  else
    d:because("%d steps: %.0f writes; along random directions the cost cannot fall to 0 in fewer "
      .. "than %.3g", d.steps, d.steps / d.settings.tau_theta, m.ideal_steps)
  end
end

-- ---- advice -------------------------------------------------------------------------------------

local Advice = naming.class("mgd.advice", { "steps", "eta", "training" })
Advice.__tostring = report.text

-- `advice.train` is a table of options and, called as a method, makes the run.
local TRAIN = {
  __call = function(settings, advice, changes)
    if changes ~= nil and type(changes) ~= "table" then
      options.fail("advice:train", "expected a table of options, got %s",
        options.type_name(changes))
    end
    if not advice.train.perturbation then
      options.fail("advice:train", "nothing is recommended: %s", advice.flags[1].text)
    end
    local given = {}
    for _, source in ipairs { advice.task, settings, changes or {} } do
      for name, value in pairs(source) do
        given[name] = value
      end
    end
    return train.train(given)
  end,
}

local measured_of = record.kind("mgd.measured", { "cost", "effect", "settling", "decays",
  "longest", "sample_settling", "hold", "slow", "response", "noise", "jump", "sweep", "gain",
  "gradient", "curvature", "even", "resolution", "amplitude", "signal", "noise_to_signal",
  "constant", "eta", "ideal_steps" })

local WORKS_NOT = { dead = true, diverges = true, constant = true }

local function finish(d, m, b)
  local works = d.settings.perturbation ~= nil
  for _, flag in ipairs(d.flags) do
    works = works and not WORKS_NOT[flag.name]
  end
  if #d.trials == 0 then -- by measurements alone
    works = works and m.settling ~= nil and not d.flags.slope
  end
  local opt = d.opt
  return setmetatable({
    task = { chip = opt.chip, data = opt.data, cost = opt.cost,
      label_smoothing = opt.label_smoothing, threads = opt.threads },
    train = setmetatable(d.settings, TRAIN), steps = d.steps, eta = d.eta,
    stop = d.stop, measured = measured_of(m),
    reasons = d.reasons, flags = listing(d.flags, { "name", "text" }, "mgd.flag"),
    trials = listing(d.trials, { "baseline", "tau_p", "amplitude", "eta", "seed", "steps", "before",
      "after" }, "mgd.trial"),
    works = works, unmeasured = b.unmeasured,
    evaluations = math.floor(b.spent), budget = b.budget,
    training = d.settings.perturbation and math.ceil(d.steps * d.opt.batch
      * b.per_step(d.settings.baseline, d.settings.tau_theta)),
  }, Advice)
end

local function flag_dead(d, m, b)
  local most = math.min(10, b.room)
  if m.sweep == nil and m.response then
    d:flag("budget", "the budget of %d evaluations is spent before slopes are known", b.budget)
  else
    d:flag("dead", "the cost does not depend on θ: nothing up to an amplitude of %.3g changed it%s",
      most, m.noise.value > 0 and (" beyond its noise of %.3g; costs of the same perturbations, "
      .. "shown twice, correlate by %.1f standard deviations of chance"):format(m.noise.value,
      m.effect) or "")
  end
end

local MOST_PER_PATTERN = 8 -- times the evaluations of a fast chip that the default budget allows

-- Without a budget: 40,000 evaluations of a batch, on a slow chip as much as they are worth.
local function widen(d, b)
  if d.opt.widens then
    local each = 1 / (2 * (1 + 1 / d.parameters) * d.ways[1].worth)
    local tenths = math.floor(10 * math.min(MOST_PER_PATTERN, math.max(1, each)))
    b.budget = math.floor(b.budget * tenths / 10)
  end
end

-- The advice; what fails on the way raises.
local function ask(opt)
  local b = bench.new(opt)
  local d = setmetatable({ opt = opt, room = b.room, parameters = opt.chip.num_parameters,
    reasons = {}, flags = {}, trials = {}, settings = {} }, Draft)
  local m = measure_all(b, d.parameters)
  if not m.sweep then
    flag_dead(d, m, b)
    return finish(d, m, b)
  end
  d.slow, d.sample_settling = m.hold > 1, m.decays and 1 or m.sample_settling
  d.settings = { batch = opt.batch, init = opt.init, seed = opt.seed, optimizer = opt.optimizer }
  choose.amplitude(d, m)
  d.ways = choose.ways(d, b, m)
  choose.set(d, d.ways[1])
  choose.explain(d, m, d.ways[1])
  netlist.look(d, b)
  widen(d, b)
  nodes.choose(d, b, d.ways[1])
  function d.plan(way)
    d.steps = first_steps(d, b, m, way)
  end
  d.plan(d.ways[1])
  trials.run(d, b, m, first_eta(d, m))
  explain_steps(d, m)
  d.settings.eta = trials.cosine(d.eta, d.steps)
  return finish(d, m, b)
end

--- Measure a chip and say how to train it.
--
-- Nothing changes: neither θ nor the network; the age of a chip advances by the steps measured. An
-- instrument is driven within its ranges and limits, and stands where the last trial left it. A
-- chip that raises, or whose outputs have the wrong shape, or whose cost is not finite, is an
-- error; one whose cost does not depend on θ is flagged `dead`.
-- @tparam table opts `net` or `chip`, `data`, `cost`, `label_smoothing`, `batch` (32, or the whole
--   of a smaller set), `init`, `seed`, `threads`, as in mgd.train; `evaluations` (40,000 of a
--   batch): budget in evaluations of a sample; `optimizer` ("adam"); `nodes` (false): the hardware
--   can perturb its neurons
-- @treturn advice `train`: options for mgd.train, and as `advice:train{changes}` the run made with
--   them; `steps`; `stop`: how long a transient of a netlist must be, in s; `measured`: {value =,
--   low =, high =} of noise, gradient, curvature, eta, amplitude, and effect, response, settling,
--   resolution, gain, signal, noise_to_signal, constant; `reasons`; `flags`: {name =, text =} of
--   dead, constant, diverges, resolution, bandwidth, highpass, slope, budget, nodes, netlist,
--   transient; `works`; `trials`; `unmeasured`: a list of what the budget was too small for;
--   `evaluations`: how many were spent, and `training`: how many the training will take
-- @usage
-- local advice = mgd.advise{net = net, data = data, init = {scheme = "glorot_normal"}}
-- print(advice)
-- local run = advice:train()
-- run:run{steps = advice.steps}
function M.advise(opts)
  local opt = check(opts)
  local user = { options = opt, steps_done = 0 } -- as a run is
  hardware.begin(user, "mgd.advise")
  hardware.announce_advice(opt)
  local ok, result = pcall(ask, opt)
  hardware.finish(user, not ok)
  if not ok then
    error(result, 0)
  end
  return result
end

return M
