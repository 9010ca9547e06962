--- Short trainings: which η, from which initial values, and whether it works at all.
-- @module mgd.runs.advise.trials

local choose = require "mgd.runs.advise.choose"
local constant = require "mgd.runs.advise.constant"

local M = {}

local STARTS = 7 -- initial values to choose from
local RATES = 5 -- learning rates to choose from, at most
local SOLVED = 0.02 -- of the cost is left: that training is good enough as it is
local SOLVES = 0.2 -- of the best constant answer's cost is left: the same
local WORKS = 0.5 -- of the best constant answer's cost is left: training works
local FALLS = 0.03 -- of it, at least, is the last trial lower where training may get there yet
local LEAST_WRITES = 100 -- in a trial
local MOST = 10 -- amplitude
local QUIET = 0.1 -- noise over signal, up to which an amplitude may be smaller, …
local CALMER = math.sqrt(0.1) -- … so much of it
local MANY = 64 -- parameters: with so many it matters less where training begins than how long
local RATES_SHARE = 0.25 -- of the budget goes to trials of η, …
local ROUND = 0.06 -- … so much to each one of something else, …
local LAST = 0.2 -- … and so much is left to the last two

-- Falls from `eta` to 0 along half a cosine.
local function cosine(eta, steps)
  return { "cosine", eta, steps = steps }
end

M.cosine = cosine

-- ---- a trial ------------------------------------------------------------------------------------

-- What is tried: a way, an amplitude, an η, a seed.
local function variant(from, changes)
  local v = { way = from.way, amplitude = from.amplitude, eta = from.eta, seed = from.seed }
  for name, value in pairs(changes) do
    v[name] = value
  end
  return v
end

-- The options of mgd.train of a variant.
local function use(d, v)
  d.settings.perturbation.amplitude, d.settings.seed = v.amplitude, v.seed
  choose.set(d, v.way)
end

M.use = use

-- Trains for `steps` and says how it went.
local function try(d, b, v, steps)
  use(d, v)
  local changes = {}
  for name, value in pairs(d.settings) do
    changes[name] = value
  end
  changes.eta = cosine(v.eta, steps)
  local run = b:open(changes)
  local trial = { way = v.way, amplitude = v.amplitude, eta = v.eta, seed = v.seed, steps = steps,
    baseline = v.way.baseline, tau_p = v.way.tau_p, before = b:evaluate(run), after = 1 / 0 }
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

-- Steps of a trial when `count` of them share `evaluations`; nil when too few.
local function steps_for(d, b, way, evaluations, count)
  local window = way.patterns * way.tau_p
  local looks = 2 * b:samples().shape[1]
  local per_step = d.opt.batch * b.per_step(way.baseline, window)
  local most = math.min(evaluations, b:left()) / count - looks
  local steps = math.floor(most / per_step / window) * window
  return steps >= LEAST_WRITES * window and steps or nil
end

-- ---- how good -----------------------------------------------------------------------------------

local function solved(d, trial)
  return trial.after < trial.before and (trial.after <= SOLVED * trial.before
    or d.constant ~= nil and trial.after <= SOLVES * d.constant)
end

-- Better than a network that does not look at its inputs, or where nobody knows how good that is,
-- than in the beginning.
local function works(d, trial)
  if d.constant then
    return trial.after <= WORKS * d.constant
  end
  return trial.after < trial.before
end

-- Not there yet, but better than a constant answer, and on the way: the longer trial of the best
-- settings ended lower than the short one.
local function on_the_way(d, trial)
  return d.constant and trial.after <= (1 - FALLS) * d.constant and d.falls
    and d.falls >= FALLS * d.constant and d.steps >= 2 * trial.steps
end

-- Whether the same settings and seed give the same run.
local function repeats(d, m)
  return d.opt.chip.net ~= nil or m.noise.value == 0
end

-- Good enough, and sure to come out like that again.
local function acceptable(d, m, trial)
  return repeats(d, m) and solved(d, trial)
end

-- ---- search -------------------------------------------------------------------------------------

-- η in factors of 4 around the first guess, towards the better end, until one is good enough.
local function try_rates(d, b, m, from, steps)
  local low, high, list = from.eta / 4, from.eta, {}
  local function at(eta)
    list[#list + 1] = try(d, b, variant(from, { eta = eta }), steps)
  end
  at(high)
  local next_ = low
  for _ = 2, RATES do
    local best = best_of(list)
    if acceptable(d, m, best) then
      break
    end
    at(next_)
    best = best_of(list)
    if best.eta == high then
      high = 4 * high
      next_ = high
    elseif best.eta == low then
      low = low / 4
      next_ = low
    else
      break
    end
  end
  return best_of(list)
end

local function other_seed(seed, start)
  return seed + (seed < 2 ^ 52 and 1 or -1) * (start - 1) * 1000003
end

-- What else may be tried, from the best so far: other initial values, and between them smaller η,
-- other ways and amplitudes. Each is a function of the best so far.
local function changes_of(d, b)
  local list, start = {}, 1
  local function seed()
    start = start + 1
    local of_start = other_seed(d.opt.seed, start)
    list[#list + 1] = function() return { seed = of_start } end
  end
  list[1] = function(best) return { eta = best.eta / 4 } end
  seed()
  for i = 2, math.min(3, #d.ways) do
    list[#list + 1] = function() return { way = d.ways[i] } end
    seed()
  end
  list[#list + 1] = function(best)
    return { amplitude = math.min(3 * best.amplitude, MOST, b.room / 2) }
  end
  seed()
  list[#list + 1] = function(best) return { amplitude = best.amplitude / 3 } end
  while start < STARTS do
    seed()
  end
  return list
end

-- Whether that was tried already.
local function tried(d, v)
  for _, trial in ipairs(d.trials) do
    if trial.way == v.way and trial.seed == v.seed and math.abs(trial.eta / v.eta - 1) < 1e-9
        and math.abs(trial.amplitude / v.amplitude - 1) < 1e-9 then
      return true
    end
  end
  return false
end

-- Trials of a share of the budget each, until one works.
local function try_otherwise(d, b, best, budget)
  local list = changes_of(d, b)
  for i, changes in ipairs(list) do
    if works(d, best) then
      break
    elseif b:left() < LAST * budget then
      b:note("%d of %d trainings by other settings", #list - i + 1, #list)
      break
    end
    local v = variant(best, changes(best))
    local steps = not tried(d, v) and steps_for(d, b, v.way, ROUND * budget, 1)
    if steps then
      local trial = try(d, b, v, steps)
      best = trial.after < best.after and trial or best
    end
  end
  return best
end

local function accept(d, m, trial)
  if acceptable(d, m, trial) then
    d.best, d.eta, d.steps = trial, trial.eta, trial.steps
    return true
  end
  return false
end

-- Two longer trainings, for whether a smaller η is better in the long run, and where noise allows
-- it a smaller amplitude: near the end what is left is bias, which falls as a².
local function try_longer(d, b, m, best)
  d.plan(best.way)
  local longer = steps_for(d, b, best.way, b:left(), 2)
  if not longer or longer < best.steps then
    b:note("longer trainings")
    d.best, d.eta = best, best.eta
    return
  end
  local same = try(d, b, best, longer)
  local amplitude = best.amplitude * (m.noise_to_signal < QUIET and CALMER or 1)
  local smaller = try(d, b, variant(best, { eta = best.eta / 4, amplitude = amplitude }), longer)
  if accept(d, m, same.after < smaller.after and same or smaller) then
    return
  end
  local noise = d.opt.chip.net and 0 or 2 * m.noise.value -- which evaluating a chip in Lua has too
  local ahead = same.after + noise - smaller.after
  local margin = works(d, same) and -0.2 * math.abs(smaller.after) or 0 -- later noise limits η
  d.best = ahead >= margin and smaller or same
  d.eta = d.best.eta * math.min(1, math.sqrt(longer / d.steps)) -- one over the root of the steps
  d.falls = best.after - d.best.after
end

-- Short trainings for η, then other settings as long as none works, then longer ones.
local function search(d, b, m, from)
  local budget = b:left()
  local steps = steps_for(d, b, from.way, RATES_SHARE * budget, RATES)
  if not steps then -- a small budget, or a slow chip
    steps = steps_for(d, b, from.way, budget, RATES)
    if not steps then
      b:note("short trainings")
      return
    end
    b:note("other settings and initial values, and longer trainings")
    d.best = try_rates(d, b, m, from, steps)
    d.eta = d.best.eta * math.min(1, math.sqrt(steps / d.steps))
    return
  end
  local best = try_rates(d, b, m, from, steps)
  if accept(d, m, best) then
    return
  end
  if d.parameters < MANY then
    best = try_otherwise(d, b, best, budget)
    if accept(d, m, best) then
      return
    end
  end
  try_longer(d, b, m, best)
end

--- Search, and say what was found.
function M.run(d, b, m, eta)
  local _, y = b:samples()
  d.constant = constant.cost(d.opt.cost, y, d.opt.label_smoothing)
  m.constant = d.constant
  d.eta = eta
  local from = { way = d.ways[1], amplitude = m.amplitude.value, eta = eta, seed = d.opt.seed }
  search(d, b, m, from)
  local best = d.best
  if not best then
    use(d, from)
    d.eta = eta / 4
    m.eta = { value = d.eta, low = d.eta / 4, high = eta }
    d:because("η = %.3g [%.3g, %.3g], falling to 0 along half a cosine: by curvature; the budget "
      .. "is too small for trials", d.eta, m.eta.low, m.eta.high)
    return
  end
  use(d, best)
  if best.amplitude ~= m.amplitude.value then
    d:because("amplitude %.3g, with which the best training was", best.amplitude)
  end
  m.eta = { value = d.eta, low = d.eta / 2, high = d.eta * 2 }
  d:because("η = %.3g [%.3g, %.3g], falling to 0 along half a cosine: of %d trainings, the best "
    .. "of %d steps, η = %.3g, went from cost %.3g to %.3g", d.eta, m.eta.low, m.eta.high,
    #d.trials, best.steps, best.eta, best.before, best.after)
  if best.after >= best.before then
    d:flag("diverges", "no η of %d trainings lowered the cost: the best ended at %.3g from %.3g",
      #d.trials, best.after, best.before)
  elseif not works(d, best) and not on_the_way(d, best) then
    d:flag("constant", "the best of %d trainings ended at a cost of %.3g, and outputs that are the "
      .. "same for all samples reach %.3g: expected at most %.2g of that", #d.trials, best.after,
      d.constant, WORKS)
  end
end

return M
