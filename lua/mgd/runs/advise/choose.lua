--- Which amplitude, and which way of perturbing and comparing: from what was measured.
-- @module mgd.runs.advise.choose

local predict = require "mgd.runs.advise.predict"
local slopes = require "mgd.runs.advise.slopes"

local M = {}

local SHOWN = 16 -- times the window, where a change of the batch disturbs the cost
local MOST_PATTERNS = 64 -- of a window
local TRIED = { ["two-sided"] = 3, measured = 3, none = 1 } -- predicted ways that are tried
local WORTH_A_TRY = 0.2 -- of what the best is worth
local AS_PREDICTED = 3 -- times the gain that was predicted, at most: more is chance
local TWO_SIDED_IS_WORTH = 2 -- times what is predicted: even orders cancel, whatever they are

--- The amplitude. The error of a slope is noise over signal at small a, σ_C̃/(a·‖g‖), and bias at
-- large a, O(a²) (Moré and Wild, ACM TOMS 38, 2012); both were measured. As the gradient shrinks
-- in training and noise does not, the upper end of the range is the better one.
function M.amplitude(d, m)
  local sweep = m.sweep
  local low, high = sweep[sweep.low].a, sweep[sweep.high].a
  local trace = math.abs(m.curvature.value) * d.parameters
  m.even = trace > 0 and 2 * m.gradient.value / trace or 1 / 0 -- where ½a²·tr H is a·‖g‖
  local sigma = m.noise.value * math.sqrt(0.5)
  if m.even < low then -- noise against curvature: as small as noise allows
    low = math.min(low, sigma / m.gradient.value)
  end
  high = math.min(high, math.max(m.even, low))
  local a = math.min(math.max(low, high), d.room)
  d.settings.perturbation = { code = "random", amplitude = a }
  m.amplitude = { value = a, low = low, high = high }
  d:because("amplitude %.3g [%.3g, %.3g]: there slopes along random directions agree to %.0f %%; "
    .. "below are noise and rounding, above is bias, which falls as a²", a, low, high,
    100 * math.max(0.2, 1.5 * sweep[sweep.best].error))
  if sweep[sweep.best].error > slopes.NO_MORE_THAN_CHANCE then
    d:flag("slope", "no two amplitudes give the same slopes: at best they differ by %.0f %%",
      100 * sweep[sweep.best].error)
  end
end

-- ---- ways ---------------------------------------------------------------------------------------

local function text_of(way)
  return ("%s, τ_p = %d, τ_θ = %d%s"):format(way.baseline, way.tau_p, way.tau_p * way.patterns,
    way.settle > 0 and (", settle = %d"):format(way.settle) or "")
end

M.text_of = text_of

-- What counts in a comparison.
local function rank(way)
  return way.worth * (way.baseline == "two-sided" and TWO_SIDED_IS_WORTH or 1)
end

local function better(a, b)
  return rank(a) > rank(b)
end

-- All ways with what is predicted of them, best first.
local function predicted(d, m)
  local scale = m.amplitude.value * m.gradient.value
  local size = { noise = m.noise.value / scale, level = math.abs(m.cost) / scale,
    even = m.amplitude.value / m.even, jump = m.jump / scale / 4 }
  local list = {}
  for _, way in ipairs(predict.ways(m.slow)) do
    way.gain, way.rest, way.worth = predict.predict(way, m.response, size, d.opt.chip.net ~= nil,
      d.parameters)
    if way.worth > 0 then
      list[#list + 1] = way
    end
  end
  table.sort(list, better)
  return list
end

-- The best few of each baseline, each of another τ_p or settle than those before.
local function different(list)
  local few, seen, count = {}, {}, {}
  for _, way in ipairs(list) do
    local base, worth = way.baseline, rank(way) > WORTH_A_TRY * rank(list[1])
    local key = ("%s %d %s"):format(base, way.tau_p, way.settle > 0)
    if worth and (count[base] or 0) < TRIED[base] and not seen[key] then
      few[#few + 1], seen[key], count[base] = way, true, (count[base] or 0) + 1
    end
  end
  return few
end

-- Tries the best of the predicted ways against the slopes of the sweep. What noise there is in C̃
-- was predicted as well, for runs of one seed may have the same noise.
local function gauged(d, b, m, list)
  local tried = {}
  for _, way in ipairs(different(list)) do
    local steps = (m.sweep.count + 1) * way.tau_p
    if 3 * steps * d.opt.batch > b:left() / 4 then
      b:note("what %s shows of the slope", text_of(way))
      break
    end
    local gain, rest = slopes.gauge(b, m.sweep, way, m.amplitude.value)
    if gain then
      way.predicted = way.worth
      way.rest = gain > 0 and math.max(rest, way.rest * math.min(1, way.gain / gain)) or rest
      local predicted_gain = way.gain
      way.gain = gain
      way.worth = predict.worth(way, gain, way.rest, d.parameters)
      if way.worth > 0 and gain < AS_PREDICTED * predicted_gain then
        tried[#tried + 1] = way
      end
    end
  end
  table.sort(tried, better)
  return #tried > 0 and tried or list
end

-- Where the cost follows within a step both sides of a step say all; K patterns of them bring noise
-- down to the signal.
local function at_once(d, m)
  local rest = m.noise.value * math.sqrt(0.5) / (m.amplitude.value * m.gradient.value)
  local patterns = math.max(1, math.min(MOST_PATTERNS, math.ceil(rest ^ 2)))
  local way = { baseline = "two-sided", tau_p = 1, patterns = patterns, settle = 0, gain = 1,
    rest = rest }
  way.worth = predict.worth(way, 1, rest, d.parameters)
  return { way }
end

--- Ways to train this chip, best first.
function M.ways(d, b, m)
  if m.slow == 1 and not m.response.decays then
    return at_once(d, m)
  end
  local list = predicted(d, m)
  if #list == 0 then
    return at_once(d, m)
  end
  list = gauged(d, b, m, list)
  for _, way in ipairs(list) do
    if way.settle == 0 then
      way.patterns = math.max(way.patterns, math.min(MOST_PATTERNS, math.ceil(way.rest ^ 2 / 2)))
    end
  end
  return list
end

--- The settings of a way.
function M.set(d, way)
  local settings = d.settings
  settings.baseline = way.baseline
  settings.tau_p = way.tau_p
  settings.tau_theta = way.patterns * way.tau_p
  settings.settle = way.settle > 0 and way.settle or nil
  settings.tau_x = settings.tau_theta
  local some = d.opt.batch < d.opt.data.x.shape[1]
  if d.sample_settling > 1 or d.slow and some then
    local least = math.ceil(d.sample_settling / settings.tau_theta) * settings.tau_theta
    settings.tau_x = SHOWN * math.max(settings.tau_theta, least)
  end
end

--- Reasons for the way, and flags.
function M.explain(d, m, way)
  local settings = d.settings
  m.gain, m.signal = way.gain, settings.perturbation.amplitude * m.gradient.value * way.gain
  m.noise_to_signal = way.rest
  if d.slow or m.response.decays then
    d:because("%s: %s %.2g of the slope, and %.2g of it in noise and in what comes late, for %.3g "
      .. "evaluations of a batch a pattern", text_of(way),
      way.predicted and "shows" or "should show", way.gain, way.rest, predict.cost(way))
  else
    d:because("τ_p = 1, baseline two-sided: the cost follows within a step; no bias from "
      .. "curvature, and C₀ is not a second source of noise")
    d:because("τ_θ = %d: %d pattern%s a write; noise is %.3g of the signal, and that of the other "
      .. "parameters %.3g of a gradient component anyway", settings.tau_theta, way.patterns,
      way.patterns == 1 and "" or "s", way.rest, math.sqrt(d.parameters))
  end
  d:because("τ_x = %d: %s", settings.tau_x, settings.tau_x == settings.tau_theta
    and "a new batch for every write" or "changes of the batch disturb a slow path")
  if m.signal < 8 * m.resolution then
    d:flag("resolution", "C̃ is about %.3g at amplitude %.3g, the cost moves in steps of %.3g: a "
      .. "signal of %.1f steps", m.signal, settings.perturbation.amplitude, m.resolution,
      m.signal / m.resolution)
  end
  if m.slow > 1 or not m.settling then
    d:flag("bandwidth", "the cost follows a change in %s steps: perturbations of τ_p = 1 are "
      .. "faster than that", m.settling and ("%d"):format(m.hold) or ("more than %d"):format(
      m.longest))
  end
  if m.response.decays then
    d:flag("highpass", "the cost forgets a held perturbation: %.0f %% of its peak are left after "
      .. "%d steps", 100 * math.abs(m.response.level), m.response.hold)
  end
end

return M
