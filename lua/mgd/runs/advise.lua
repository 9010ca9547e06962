--- The advisor: how a chip should be trained, from measurements on it.
--
-- `mgd.advise{…}` spends a stated number of evaluations before training: it measures noise,
-- resolution and settling of the cost and its slope and curvature along random directions, tries
-- a few learning rates in short trainings, and recommends amplitude, baseline, time constants, η
-- and the number of steps, each with its reason. Nothing is written to the chip or the network.
-- @module mgd.runs.advise

local bench = require "mgd.runs.advise.bench"
local chips = require "mgd.hardware.chip"
local hardware = require "mgd.runs.hardware"
local listing = require "mgd.text.listing"
local measure = require "mgd.runs.advise.measure"
local naming = require "mgd.base.naming"
local options = require "mgd.base.options"
local record = require "mgd.text.record"
local report = require "mgd.runs.advise.report"
local train = require "mgd.runs.train"

local M = {}

-- ---- options ------------------------------------------------------------------------------------

local EVALUATIONS = 20000 -- of a batch
local LEAST = 2000 -- of a batch

--- Schema of mgd.advise: what it shares with mgd.train, and its own.
M.SCHEMA = {
  { "batch", type = "integer", min = 1,
    doc = "Samples shown at once; 32, or all of a smaller set, without." },
  { "evaluations", type = "integer", min = 1,
    doc = "Budget in evaluations of a sample; 20,000 of a batch without." },
  { "optimizer", type = "string", default = "adam", choices = { "sgd", "momentum", "adam" },
    doc = "How G is to change θ; adam needs two memories per parameter, momentum one, sgd none." },
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
  if opt.chip and opt.chip.instrument and opt.chip.instrument.integrates then
    options.fail("mgd.advise", "the chip trains by itself: amplitude, time constants and η are its "
      .. "own")
  end
  opt.chip, opt.net = opt.chip or chips { net = opt.net }, nil
  local asked = { batch = opt.batch }
  for _, name in ipairs(SHARED) do
    asked[name] = opt[name]
  end
  opt.data = train.resolve(asked).data
  opt.batch = opt.batch or math.min(32, opt.data.x.shape[1])
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

-- Everything that is measured at the initial θ; nil in `sweep` when the chip is dead.
local function measure_all(b, parameters)
  local m = {}
  local a, sigma, cost = measure.reach(b)
  m.cost = cost
  if cost ~= cost then
    fail_nonfinite()
  end
  if not a then
    m.noise = { value = sigma, low = sigma, high = sigma }
    return m
  end
  m.settling, m.decays, m.longest = measure.settling(b, a, sigma, false)
  local of_sample, _, longest = measure.settling(b, nil, sigma, true)
  m.sample_settling = of_sample or longest
  m.hold = m.decays and 1 or math.max(m.settling or m.longest, m.sample_settling)
  m.noise = measure.noise(b, m.hold) or fail_nonfinite()
  m.sweep = measure.sweep(b, a, DIRECTIONS, m.hold) or fail_nonfinite()
  m.gain, m.correlation = 1, 1
  if m.hold > 1 then
    m.gain, m.correlation = measure.alternating(b, m.sweep)
  end
  m.gradient = measure.gradient_norm(m.sweep, m.noise.value)
  m.curvature = measure.curvature(m.sweep, parameters)
  m.resolution = math.max(measure.resolution(b), b:ulp(cost))
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

-- The amplitude. The error of a slope is noise over signal at small a and bias at large a, σ_C̃/(a·
-- ‖g‖) and O(a²) (Moré and Wild, ACM TOMS 38, 2012); both were measured. As the gradient shrinks
-- in training and noise does not, the upper half of the range is the better one.
local function choose_amplitude(d, m)
  local sweep = m.sweep
  local low, high = sweep[sweep.low].a, sweep[sweep.high].a
  local trace = math.abs(m.curvature.value) * d.parameters
  local even = trace > 0 and 2 * m.gradient.value / trace or 1 / 0
  local sigma = m.noise.value * (d.two_sided and math.sqrt(0.5) or math.sqrt(2))
  if even < low then -- noise against curvature: as small as noise allows
    low = math.min(low, sigma / m.gradient.value)
  end
  high = math.min(high, math.max(even, low))
  local a = math.max(low, high / 2)
  d.settings.perturbation = { code = "random", amplitude = a }
  m.amplitude = { value = a, low = low, high = high }
  m.signal = a * m.gradient.value * (d.two_sided and m.gain or 1)
  m.noise_to_signal = sigma / math.max(m.signal, 1e-300)
  d:because("amplitude %.3g [%.3g, %.3g]: there slopes along random directions agree to %.0f %%; "
    .. "below are noise and rounding, above is bias, which falls as a²; C̃ is about %.3g with "
    .. "noise of %.3g", a, low, high, 100 * math.max(0.2, 1.5 * sweep[sweep.best].error),
    m.signal, sigma)
  if m.signal < 8 * m.resolution then
    d:flag("resolution", "C̃ is about %.3g at amplitude %.3g, the cost moves in steps of %.3g: a "
      .. "signal of %.1f steps", m.signal, a, m.resolution, m.signal / m.resolution)
  end
  if sweep[sweep.best].error > 0.7 then
    d:flag("slope", "no two amplitudes give the same slopes: at best they differ by %.0f %%",
      100 * sweep[sweep.best].error)
  end
end

local function choose_times(d, m)
  local settings = d.settings
  local tau_p = d.two_sided and m.hold or 2 * m.hold
  local patterns = math.max(1, math.min(64, math.ceil(m.noise_to_signal ^ 2)))
  settings.baseline = d.two_sided and "two-sided" or "measured"
  settings.tau_p = tau_p
  settings.tau_theta = patterns * tau_p
  settings.tau_x = settings.tau_theta
  if tau_p > 1 and d.opt.batch < d.opt.data.x.shape[1] then
    settings.tau_x = 16 * settings.tau_theta
  end
  d:because("τ_p = %d: the cost follows a change within %s", tau_p,
    m.hold == 1 and "a step" or ("%d steps, to 5 %%"):format(m.hold))
  if tau_p == 1 then
    d:because("baseline two-sided: no bias from curvature, and C₀ is not a second source of noise")
  else
    d:because("baseline %s: alternating sides within a step show %.2g of the slope, correlation "
      .. "%.2g", settings.baseline, m.gain, m.correlation)
  end
  d:because("τ_θ = %d: %d pattern%s a write; noise is %.3g of the signal, and that of the other "
    .. "parameters %.3g of a gradient component anyway", settings.tau_theta, patterns,
    patterns == 1 and "" or "s", m.noise_to_signal, math.sqrt(d.parameters))
  d:because("τ_x = %d: %s", settings.tau_x, settings.tau_x == settings.tau_theta
    and "a new batch for every write" or "changes of the batch disturb a slow path")
  if tau_p > 1 or not m.settling then
    d:flag("bandwidth", "the cost follows a change in %s steps: perturbations of τ_p = 1 are "
      .. "faster than that", m.settling and ("%d"):format(m.hold) or ("more than %d"):format(
      m.longest))
  end
  if m.decays then
    d:flag("highpass", "the cost forgets a held perturbation within the slot: keep τ_p = 1")
  end
end

-- η to begin with. Descent by SGD along estimates from K patterns is fastest at
-- η = 1/(λ̄·(1 + (P − 1)/K)·(1 + ρ²)), ρ noise over signal (Nesterov and Spokoiny, Found. Comput.
-- Math. 17, 2017, for K = 1); adam divides G by its root mean square, ‖g‖·√((1 + ρ²)/K), and should
-- not step further than the cost is nearly linear.
local function first_eta(d, m)
  local p = d.parameters
  local patterns = d.settings.tau_theta / d.settings.tau_p
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

-- ---- trials -------------------------------------------------------------------------------------

-- Falls from `eta` to 0 along half a cosine.
local function cosine(eta, steps)
  return { "cosine", eta, steps = steps }
end

local STARTS = 4 -- initial values to choose from
local RATES = 5 -- learning rates to choose from, at most
local SOLVED = 0.02 -- of the cost is left: that training is good enough as it is
local LEAST_WRITES = 100 -- in a trial

-- Trains for `steps` and says how it went.
local function try(d, b, eta, steps, seed)
  local changes = {}
  for name, value in pairs(d.settings) do
    changes[name] = value
  end
  changes.eta, changes.seed = cosine(eta, steps), seed
  local run = b:open(changes)
  local trial = { eta = eta, seed = seed, steps = steps, before = b:evaluate(run), after = 1 / 0 }
  if b:advance(run, steps) then
    local after = b:evaluate(run)
    trial.after = after == after and after or 1 / 0
  end
  table.insert(d.trials, trial)
  return trial
end

-- The trial that ended lowest; where several did about as well, the one with the largest η.
local function best_of(trials)
  local best
  for _, trial in ipairs(trials) do
    if not best or trial.after < best.after then
      best = trial
    end
  end
  local near = best
  for _, trial in ipairs(trials) do
    local behind = trial.after - best.after
    if trial.eta > near.eta and behind <= 0.05 * (best.before - best.after) then
      near = trial
    end
  end
  return near
end

-- Steps of a trial when `count` of them share a part of what is left; nil when too few.
local function trial_steps(d, b, share, count)
  local settings = d.settings
  local window = settings.tau_theta
  local per_step = d.opt.batch * (d.two_sided and 2 or 1 + 1 / window)
  local looks = 2 * math.min(512, d.opt.data.x.shape[1])
  local steps = math.floor((share * b:left() / count - looks) / per_step / window) * window
  return steps >= LEAST_WRITES * window and steps or nil
end

-- η in factors of 4 around the first guess, towards the better end.
local function try_rates(d, b, steps)
  local low, high = d.eta / 4, d.eta
  local at = low
  try(d, b, high, steps, d.opt.seed)
  for _ = 2, RATES do
    try(d, b, at, steps, d.opt.seed)
    local best = best_of(d.trials)
    if best.eta == high then
      high = 4 * high
      at = high
    elseif best.eta == low then
      low = low / 4
      at = low
    else
      break
    end
  end
  return best_of(d.trials)
end

local function other_seed(seed, start)
  return seed + (seed < 2 ^ 52 and 1 or -1) * (start - 1) * 1000003
end

-- Short trainings for η, others for the initial values, two longer ones for whether a smaller η is
-- better in the long run.
local function run_trials(d, b, m)
  local starts = d.opt.init and STARTS or 1
  d.eta = first_eta(d, m)
  local steps = trial_steps(d, b, 0.5, RATES + starts - 1)
  if not steps then -- a small budget, or a slow chip
    steps = trial_steps(d, b, 1, RATES)
    d.best = steps and try_rates(d, b, steps)
    d.eta = d.best and d.best.eta * math.min(1, math.sqrt(steps / d.steps)) or d.eta
    return
  end
  d.best = try_rates(d, b, steps)
  for start = 2, starts do
    local trial = try(d, b, d.best.eta, steps, other_seed(d.opt.seed, start))
    if trial.after < d.best.after then
      d.best = trial
    end
  end
  d.eta = d.best.eta
  local longer = trial_steps(d, b, 1, 2) or steps
  local same = try(d, b, d.eta, longer, d.best.seed)
  local smaller = try(d, b, d.eta / 4, longer, d.best.seed)
  d.best = best_of(d.trials)
  local again = d.opt.chip.net or m.noise.value == 0 -- the same seed gives the same run
  if again and d.best.after < d.best.before and d.best.after <= SOLVED * d.best.before then
    d.eta, d.steps = d.best.eta, d.best.steps
    return
  end
  d.best = same
  local noise = d.opt.chip.net and 0 or 2 * m.noise.value -- which evaluating a chip in Lua has too
  if same.after + noise >= smaller.after - 0.2 * math.abs(smaller.after) then
    d.best = smaller -- noise limits the larger one: η as one over the root of the steps
    d.eta = smaller.eta * math.min(1, math.sqrt(longer / d.steps))
  end
end

local function choose_eta(d, b, m)
  run_trials(d, b, m)
  local best = d.best
  if best then
    d.settings.seed = best.seed
    m.eta = { value = d.eta, low = d.eta / 2, high = d.eta * 2 }
    d:because("η = %.3g [%.3g, %.3g], falling to 0 along half a cosine: of %d trainings, the best "
      .. "of %d steps, η = %.3g, went from cost %.3g to %.3g", d.eta, m.eta.low, m.eta.high,
      #d.trials, best.steps, best.eta, best.before, best.after)
    if best.after >= best.before then
      d:flag("diverges", "no η of %d trainings lowered the cost: the best ended at %.3g from %.3g",
        #d.trials, best.after, best.before)
    end
  else
    m.eta = { value = d.eta / 4, low = d.eta / 16, high = d.eta }
    d.eta = m.eta.value
    d:because("η = %.3g [%.3g, %.3g], falling to 0 along half a cosine: by curvature; the budget "
      .. "is too small for trials", d.eta, m.eta.low, m.eta.high)
  end
end

-- Steps. Along one random direction after the other the cost falls at best by ‖g‖²/(2·tr H) a step:
-- ten times what it would take to 0 at that rate, and no fewer than flat stretches ask for.
local function first_steps(d, m)
  local fall = m.gradient.value ^ 2 / (2 * math.max(1e-30, math.abs(m.curvature.value))
    * d.parameters)
  m.ideal_steps = math.abs(m.cost) / fall
  local writes = math.max(20000, math.min(200000, 10 * m.ideal_steps))
  return math.ceil(writes / 1000) * 1000 * d.settings.tau_theta
end

local function explain_steps(d, m)
  if d.best and d.steps == d.best.steps then
    d:because("%d steps from seed %d: the trial that left %.2g %% of the cost, as it was", d.steps,
      d.best.seed, 100 * d.best.after / d.best.before)
  else
    d:because("%d steps: %d writes; along random directions the cost cannot fall to 0 in fewer "
      .. "than %.3g", d.steps, d.steps / d.settings.tau_theta, m.ideal_steps)
  end
end

-- ---- advice -------------------------------------------------------------------------------------

local Advice = naming.class("mgd.advice", { "steps", "eta" })
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

local measured_of = record.kind("mgd.measured", { "cost", "settling", "decays", "longest",
  "sample_settling", "hold", "noise", "sweep", "gain", "correlation", "gradient", "curvature",
  "resolution", "amplitude", "signal", "noise_to_signal", "eta", "ideal_steps" })

local WORKS_NOT = { dead = true, diverges = true, slope = true }

local function finish(d, m, b)
  local works = d.settings.perturbation ~= nil and (m.settling ~= nil)
  for _, flag in ipairs(d.flags) do
    works = works and not WORKS_NOT[flag.name]
  end
  local opt = d.opt
  return setmetatable({
    task = { chip = opt.chip, data = opt.data, cost = opt.cost,
      label_smoothing = opt.label_smoothing, threads = opt.threads },
    train = setmetatable(d.settings, TRAIN), steps = d.steps, eta = d.eta,
    measured = measured_of(m),
    reasons = d.reasons, flags = listing(d.flags, { "name", "text" }, "mgd.flag"),
    trials = listing(d.trials, { "eta", "seed", "steps", "before", "after" }, "mgd.trial"),
    works = works,
    evaluations = math.floor(b.spent), budget = opt.evaluations,
  }, Advice)
end

-- The advice; what fails on the way raises.
local function ask(opt)
  local b = bench.new(opt)
  local d = setmetatable({ opt = opt, parameters = opt.chip.num_parameters, reasons = {},
    flags = {}, trials = {}, settings = {} }, Draft)
  local m = measure_all(b, d.parameters)
  if not m.sweep then
    d:flag("dead", "the cost does not depend on θ: nothing up to an amplitude of %.3g changed it%s",
      math.min(10, b.room),
      m.noise.value > 0 and (" beyond its noise of %.3g"):format(m.noise.value) or "")
    return finish(d, m, b)
  end
  d.two_sided = m.correlation > 0.5
  d.settings = { batch = opt.batch, init = opt.init, seed = opt.seed, optimizer = opt.optimizer }
  choose_amplitude(d, m)
  choose_times(d, m)
  d.steps = first_steps(d, m)
  choose_eta(d, b, m)
  explain_steps(d, m)
  d.settings.eta = cosine(d.eta, d.steps)
  return finish(d, m, b)
end

--- Measure a chip and say how to train it.
--
-- Nothing changes: neither θ nor the network; the age of a chip advances by the steps measured. An
-- instrument is driven within its ranges and limits, and stands where the last trial left it. A
-- chip that raises, or whose outputs have the wrong shape, or whose cost is not finite, is an
-- error; one whose cost does not depend on θ is flagged `dead`.
-- @tparam table opts `net` or `chip`, `data`, `cost`, `label_smoothing`, `batch` (32, or the whole
--   of a smaller set), `init`, `seed`, `threads`, as in mgd.train; `evaluations` (20,000 of a
--   batch): budget in evaluations of a sample; `optimizer` ("adam")
-- @treturn advice `train`: options for mgd.train, and as `advice:train{changes}` the run made with
--   them; `steps`; `measured`: {value =, low =, high =} of noise, gradient, curvature, eta,
--   amplitude, and settling, resolution, signal, noise_to_signal; `reasons`; `flags`:
--   {name =, text =} of dead, resolution, bandwidth, highpass, slope, diverges; `works`; `trials`;
--   `evaluations`: how many were spent
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
