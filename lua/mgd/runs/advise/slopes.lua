--- Slopes of the cost along random directions, over decades of the amplitude.
--
-- Every figure is {value =, low =, high =}, with an interval of 95 % from the spread over random
-- directions.
-- @module mgd.runs.advise.slopes

local lists = require "mgd.runs.advise.lists"

local M = {}

local MOST = 15 -- amplitude
local STANDS_OUT = 2 -- times its noise, where nothing agrees
local SHARE = 0.4 -- of what is left of the budget, at most
--- The error of slopes that do not agree at all.
M.NO_MORE_THAN_CHANCE = 0.7

local AGREES = 0.2 -- relative difference of slopes that counts as the same slope

local dot, map, rms, square = lists.dot, lists.map, lists.rms, lists.square
local mean_with_interval = lists.mean_with_interval

-- ---- slopes and curvature -----------------------------------------------------------------------

-- The cost of slots without perturbation: what it is at the end of each on its way to rest, by the
-- straight line through the last three steps.
local function unperturbed(bench, count, hold, skip)
  local rows = bench:held(count, hold, nil, false, skip)
  return rows and map(rows, function(row)
    if hold < 3 then
      return row[hold]
    end
    return (5 * row[hold] + 2 * row[hold - 1] - row[hold - 2]) / 6
  end)
end

-- C(θ + a·s) − C(θ) and half of C(θ + a·s) − C(θ − a·s) for random directions s of ±1, each with a
-- batch of its own. A slow chip is given `hold` steps for each level, and then all of them are of
-- one batch and the second list is nil.
local function differences(bench, sweep, a)
  local count, hold = sweep.count, sweep.hold
  if hold == 1 then
    local _, one = bench:measure(count, { amplitude = a, tau_x = 1, baseline = "measured" })
    if not one then
      return nil
    end
    local _, odd = bench:measure(count, { amplitude = a, tau_x = 1, baseline = "two-sided" })
    return odd and one, odd
  end
  local skip = math.ceil(bench.lead / hold)
  sweep.base = sweep.base or unperturbed(bench, count + 1, hold, skip)
  local rows = sweep.base and bench:held(count + 1, hold, a, false, skip)
  if not rows then
    return nil
  end
  local one = {}
  for j = 1, count do
    one[j] = rows[j + 1][hold] - sweep.base[j + 1]
  end
  return one, nil
end

-- Slopes along the directions at one amplitude.
local function slopes_at(bench, sweep, a)
  local one, odd = differences(bench, sweep, a)
  if not one then
    return nil
  end
  local entry = { a = a, one = one, odd = odd }
  entry.slope = map(odd or one, function(v)
    return v / a
  end)
  entry.signal = rms(odd or one)
  entry.noise = sweep.noise / a * (odd and math.sqrt(0.5) or 1)
  if odd then
    entry.curvature = map(one, function(v, j)
      return 2 * (v - odd[j]) / (a * a)
    end)
  end
  return entry
end

-- Relative difference of two amplitudes' slopes, and an error: that difference beyond what noise of
-- known size explains, and a quarter of what it does.
local function disagreement(below, above)
  local size = math.min(rms(below.slope), rms(above.slope))
  local apart = rms(map(below.slope, function(v, j)
    return v - above.slope[j]
  end))
  if size == 0 then
    return 1 / 0, 1 / 0
  end
  local noise = (below.noise ^ 2 + above.noise ^ 2) * (1 + 2 * math.sqrt(2 / #below.slope))
  local signal = math.sqrt(math.max(rms(above.slope) ^ 2 - above.noise ^ 2, 0.01 * size ^ 2))
  local beyond = math.sqrt(math.max(0, apart ^ 2 - noise)) / math.min(signal, size)
  return apart / size, math.sqrt(beyond ^ 2 + (apart / size / 4) ^ 2)
end

-- Entries from the first amplitude on in steps of √10, while slopes still agree with those before.
local function walk(bench, sweep, from, direction, limit, spend)
  local previous, worse = sweep.first, 0
  for i = 1, limit do
    local a = from * 10 ^ (direction * i / 2)
    local entry = a < MOST and bench:left() > spend and slopes_at(bench, sweep, a)
    if not entry then
      return
    end
    local lower, upper = entry, previous
    if direction > 0 then
      lower, upper = previous, entry
    end
    local apart, error_ = disagreement(lower, upper)
    lower.above = error_
    upper.below = error_
    table.insert(sweep, direction > 0 and #sweep + 1 or 1, entry)
    previous = entry
    worse = apart > 1 and worse + 1 or 0
    local curved = entry.odd and rms(entry.one) > 10 * entry.signal and apart < AGREES
    if worse == 2 or direction > 0 and curved then
      return
    end
  end
end

-- The error of an entry's slopes: the smaller difference to a neighbour. At the low end that is
-- noise and rounding, at the high end it is bias.
local function error_of(entry)
  return math.min(entry.below or 1 / 0, entry.above or 1 / 0)
end

-- The smallest amplitude at which slopes stand out from noise: where noise hides them below and the
-- cost is not linear above.
local function audible(sweep)
  for i, entry in ipairs(sweep) do
    if rms(entry.slope) > STANDS_OUT * entry.noise then
      return i
    end
  end
  return #sweep
end

--- Slopes along random directions over decades of the amplitude.
-- @tparam bench bench
-- @tparam number from amplitude to begin with
-- @tparam integer count directions
-- @tparam integer hold steps
-- @tparam number noise σ of the cost
-- @treturn table entries in ascending order of `a`, each with `slope`, `signal`, `error` and where
--   both sides were measured `curvature`; `low`, `high`: indices of the first and last amplitude
--   whose slopes agree; `best`
function M.sweep(bench, from, count, hold, noise)
  local sweep = { count = count, hold = hold, noise = noise }
  sweep.first = slopes_at(bench, sweep, from)
  if not sweep.first then
    return nil
  end
  sweep[1] = sweep.first
  local left = bench:left()
  walk(bench, sweep, from, 1, 8, left - SHARE * left / 2)
  walk(bench, sweep, from, -1, 6, left - SHARE * left)
  for i, entry in ipairs(sweep) do
    entry.error = error_of(entry)
    if not sweep.best or entry.error < sweep[sweep.best].error then
      sweep.best = i
    end
  end
  if sweep[sweep.best].error > M.NO_MORE_THAN_CHANCE then
    sweep.best = audible(sweep)
    sweep.low, sweep.high = sweep.best, sweep.best
    return sweep
  end
  local tolerance = math.max(AGREES, 1.5 * sweep[sweep.best].error)
  sweep.low, sweep.high = sweep.best, sweep.best
  while sweep[sweep.low - 1] and sweep[sweep.low - 1].error <= tolerance do
    sweep.low = sweep.low - 1
  end
  while sweep[sweep.high + 1] and sweep[sweep.high + 1].error <= tolerance do
    sweep.high = sweep.high + 1
  end
  return sweep
end

--- The entry whose amplitude is nearest.
function M.nearest(sweep, a)
  local nearest
  for _, entry in ipairs(sweep) do
    local apart = math.abs(math.log(entry.a / a))
    if not nearest or apart < math.abs(math.log(nearest.a / a)) then
      nearest = entry
    end
  end
  return nearest
end

-- Mean C̃ of each slot in which a step counts, without what it is when θ is not perturbed and the
-- chip comes to rest; false for the others.
local function shown(bench, slots, way, a)
  local rows, counts = bench:demodulated(slots, way, a)
  local still = rows and bench.lead > 0 and bench:demodulated(slots, way, nil)
  return rows and map(rows, function(row, j)
    local sum = 0
    for k, v in ipairs(row) do
      sum = sum + v - (still and still[j][k] or 0)
    end
    return counts[j] > 0 and sum / counts[j]
  end)
end

--- What a way of perturbing and comparing shows of the slopes that the sweep found: the regression
-- of a slot's mean C̃ on them.
-- @tparam bench bench
-- @tparam table sweep
-- @tparam table way `baseline`, `tau_p`, `patterns` of a window, `settle`
-- @tparam number amplitude about which
-- @treturn number|nil gain: 1 where C̃ is the slope; nil when a cost is not finite
-- @treturn number what else there is in C̃, over its signal, root mean square
function M.gauge(bench, sweep, way, amplitude)
  local entry = M.nearest(sweep, amplitude)
  local first = math.ceil(bench.lead / sweep.hold) + (sweep.hold > 1 and 1 or 0) -- its first slope
  local list = shown(bench, first + #entry.one, way, entry.a)
  local truth, seen = {}, {}
  for j = 1, list and #entry.one or 0 do
    local value = list[j + first]
    if value then
      seen[#seen + 1], truth[#truth + 1] = value, (entry.odd or entry.one)[j]
    end
  end
  if #seen < 6 then
    return nil
  end
  local gain = dot(seen, truth) / dot(truth, truth)
  local rest = map(seen, function(v, j)
    return v - gain * truth[j]
  end)
  return gain, rms(rest) / math.max(math.abs(gain) * rms(truth), 1e-300)
end

--- ‖∂C/∂θ‖ of a batch, root mean square: along signs s the slope is s·g, and E (s·g)² = ‖g‖².
function M.gradient_norm(sweep, sigma)
  local entry = sweep[sweep.high > sweep.best and sweep.best + 1 or sweep.best]
  local noise = (sigma / entry.a) ^ 2 * (entry.odd and 0.5 or 1)
  local m = mean_with_interval(map(entry.slope, square))
  local function root(v)
    return math.sqrt(math.max(0, v - noise))
  end
  return { value = root(m.value), low = root(m.low), high = root(m.high) }
end

-- s·H·s of slow chips: how the one-sided slope changes with the amplitude.
local function curvature_between(below, above)
  return map(above.slope, function(v, j)
    return 2 * (v - below.slope[j]) / (above.a - below.a)
  end)
end

--- Curvature along random directions, per unit of length: s·H·s/P, whose mean is tr H/P.
-- @treturn table {value =, low =, high =, largest =}
function M.curvature(sweep, parameters)
  local at = sweep.high
  local list = sweep[at].curvature
  if not list then
    local above = math.min(at + 1, #sweep)
    list = above > 1 and curvature_between(sweep[above - 1], sweep[above]) or { 0 }
  end
  local result = mean_with_interval(map(list, function(v)
    return v / parameters
  end))
  result.largest = math.max((table.unpack or unpack)(list)) / parameters
  return result
end

--- The smallest difference between two costs that was seen.
function M.resolution(bench)
  local costs, smallest = bench.costs, 1 / 0
  table.sort(costs)
  for i = 2, #costs do
    local gap = costs[i] - costs[i - 1]
    if gap > 0 and gap < smallest then
      smallest = gap
    end
  end
  return smallest
end

return M
