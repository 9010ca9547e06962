--- What the advisor measures: noise, resolution, settling, gradient, curvature.
--
-- Every figure is {value =, low =, high =}, with an interval of 95 % from the spread over repeated
-- measurements or random directions.
-- @module mgd.runs.advise.measure

local M = {}

local SETTLED = 0.05 -- of a change may be missing still
local AGREES = 0.2 -- relative difference of slopes that counts as the same slope

-- ---- lists --------------------------------------------------------------------------------------

local function mean(list)
  local sum = 0
  for i = 1, #list do
    sum = sum + list[i]
  end
  return sum / #list
end

local function map(list, f)
  local out = {}
  for i = 1, #list do
    out[i] = f(list[i], i)
  end
  return out
end

local function square(v)
  return v * v
end

local function rms(list)
  return math.sqrt(mean(map(list, square)))
end

-- Mean of a list with ± 2 standard errors.
local function mean_with_interval(list)
  local m = mean(list)
  local spread = mean(map(list, function(v)
    return (v - m) ^ 2
  end))
  local error_ = 2 * math.sqrt(spread / math.max(1, #list - 1))
  return { value = m, low = m - error_, high = m + error_ }
end

-- σ from `n` squares of mean σ², normal; χ² by Wilson and Hilferty (1931).
local function sigma_with_interval(variance, n)
  local function at(z)
    return math.sqrt(variance / (1 - 2 / (9 * n) + z * math.sqrt(2 / (9 * n))) ^ 3)
  end
  return { value = math.sqrt(variance), low = at(1.96), high = at(-1.96) }
end

-- Half the mean square of the differences of neighbours (first, second), (third, fourth), …
local function pair_variance(list)
  local sum, n = 0, math.floor(#list / 2)
  for i = 1, n do
    sum = sum + (list[2 * i] - list[2 * i - 1]) ^ 2
  end
  return sum / n / 2, n
end

-- ---- noise and dead chips -----------------------------------------------------------------------

-- How far a list of costs moves in a step; 0 where that is noise.
local function drift(list, sigma)
  local half = math.floor(#list / 2)
  local move = 0
  for k = 1, half do
    move = move + (list[half + k] - list[k]) / half
  end
  return math.abs(move) > 4 * sigma * math.sqrt(2 / half) and math.abs(move) / half or 0
end

-- σ of C, roughly, at one θ and one batch, once the chip has come to rest: how many steps that
-- takes is the lead-in of all further runs of the bench.
local function still(bench)
  local sigma, cost
  for _, n in ipairs { 48, 192, 768 } do
    if n * bench.opt.batch > bench.budget / 20 and n > 48 then
      break
    end
    local c = bench:measure(n, {})
    if not c then
      return nil
    end
    local late = {}
    for k = n * 2 / 3 + 1, n do
      late[#late + 1] = c[k]
    end
    sigma, cost = math.sqrt((pair_variance(late))), mean(late)
    bench.drift = drift(late, sigma)
    local bound, last = 6 * sigma + 16 * bench:ulp(cost), 0
    for k = 1, n do
      if math.abs(c[k] - cost) > bound then
        last = k
      end
    end
    if last <= n / 2 then
      bench.lead = last
      break
    end
  end
  return sigma, cost
end

-- Steps of the levels from slot to slot, each level the last `tail` costs of its slot.
local function levels(rows, tail)
  local level = map(rows, function(row)
    local sum = 0
    for k = #row - tail + 1, #row do
      sum = sum + row[k]
    end
    return sum / tail
  end)
  local jumps = {}
  for j = 2, #level do
    jumps[j - 1] = level[j] - level[j - 1]
  end
  return level, jumps
end

--- An amplitude whose effect stands out from noise and rounding, to begin with.
-- @treturn number amplitude; nil when no amplitude up to 10 has an effect
-- @treturn number σ of C, roughly
-- @treturn number a cost
function M.reach(bench)
  local sigma, cost = still(bench)
  if not sigma then
    return nil, 0 / 0, 0 / 0
  end
  local best, most = nil, 0
  for exponent = -3, 1 do
    local a = 10 ^ exponent
    local rows = bench:held(6, 8, a)
    if not rows then -- the cost overflows
      break
    end
    local _, jumps = levels(rows, 1)
    local signal = rms(jumps)
    if signal > most and signal > 3 * sigma then
      best, most = a, signal
    end
    if signal > 20 * sigma and signal > 1e-4 * math.abs(cost) then
      return a, sigma, cost
    end
  end
  return best, sigma, cost
end

--- σ of the cost at the same θ and batch, over batches; nil when a cost is not finite.
function M.noise(bench, settling)
  local skip = settling > 1 and 3 * settling or 0
  local count = settling > 1 and 6 or 16
  local rows = bench:held(count, skip + 8, nil, true)
  if not rows then
    return nil
  end
  local variance, pairs_ = 0, 0
  for _, row in ipairs(rows) do
    local late = {}
    for k = skip + 1, skip + 8 do
      late[k - skip] = row[k]
    end
    local v, n = pair_variance(late)
    variance, pairs_ = variance + v * n, pairs_ + n
  end
  return sigma_with_interval(variance / pairs_, pairs_)
end

-- ---- settling -----------------------------------------------------------------------------------

-- How much of a change is still to come at each step of a slot, ρ_k = Σ (L − C_k)·D / Σ D² over
-- slots that go from level L − D to L, and its standard error.
local function remaining(rows, level, jumps, sigma)
  local energy = 0
  for _, d in ipairs(jumps) do
    energy = energy + d * d
  end
  local rho = {}
  for k = 1, #rows[1] do
    local sum = 0
    for j = 2, #rows do
      sum = sum + (level[j] - rows[j][k]) * jumps[j - 1]
    end
    rho[k] = sum / energy
  end
  return rho, sigma / math.sqrt(energy)
end

-- Root mean square distance from the level at each step of a slot, and the largest of them.
local function excursions(rows, level)
  local x, most = {}, 0
  for k = 1, #rows[1] do
    x[k] = rms(map(rows, function(row, j)
      return row[k] - level[j]
    end))
    most = math.max(most, x[k])
  end
  return x, most
end

-- Steps until a list stays within `bound`; nil when it does not.
local function settled(list, bound)
  local last = 0
  for k = 1, #list do
    if math.abs(list[k]) > bound then
      last = k
    end
  end
  return last < #list * 0.5 and last + 1 or nil
end

-- Slots that are still to come at most, when this measurement begins.
local AHEAD = 150

--- Steps that a change of the perturbation (or, with `sample`, of the batch) must be held for the
-- cost to follow: 1 on a chip that answers at once.
-- @treturn integer|nil nil when it has not followed within the longest hold
-- @treturn boolean whether the cost answers a change and then forgets it
-- @treturn integer the longest hold that was tried
function M.settling(bench, amplitude, sigma, sample)
  local longest
  for _, hold in ipairs { 16, 64, 256 } do
    if longest and AHEAD * hold * bench.opt.batch > bench:left() then
      break
    end
    longest = hold
    local rows = bench:held(12, hold, amplitude, sample)
    if not rows then
      return 1, false, hold
    end
    local level, jumps = levels(rows, hold / 4)
    local x, most = excursions(rows, level)
    local noise = sigma + 4 * bench:ulp(level[1]) + bench.drift * hold
    local steps
    if rms(jumps) > 5 * noise and rms(jumps) > 0.2 * most then
      local rho, error_ = remaining(rows, level, jumps, noise)
      steps = settled(rho, SETTLED + 3 * error_)
    elseif most > 5 * noise then -- no change is left in the end
      steps = settled(x, SETTLED * most + 2 * noise)
      if steps and steps > 1 and not sample then
        return 1, true, hold
      end
    else
      steps = 1
    end
    if steps then
      return steps, false, hold
    end
  end
  return nil, false, longest
end

-- ---- slopes and curvature -----------------------------------------------------------------------

-- C(θ + a·s) − C(θ) and half of C(θ + a·s) − C(θ − a·s) for `count` random directions s of ±1, each
-- with a batch of its own. A slow chip is given `hold` steps for each level, and then all of them
-- are of one batch and the second list is nil.
local function differences(bench, a, count, hold)
  if hold == 1 then
    local _, one = bench:measure(count, { amplitude = a, tau_x = 1, baseline = "measured" })
    if not one then
      return nil
    end
    local _, odd = bench:measure(count, { amplitude = a, tau_x = 1, baseline = "two-sided" })
    return odd and one, odd
  end
  local rows = bench:held(count + 1, hold, a)
  local still_rows = rows and bench:held(2, 2 * hold)
  if not still_rows then
    return nil
  end
  local base = still_rows[2][2 * hold]
  local one = {}
  for j = 1, count do
    one[j] = rows[j + 1][hold] - base
  end
  return one, nil
end

-- Slopes along the directions at one amplitude.
local function slopes_at(bench, a, count, hold)
  local one, odd = differences(bench, a, count, hold)
  if not one then
    return nil
  end
  local entry = { a = a, one = one, odd = odd }
  entry.slope = map(odd or one, function(v)
    return v / a
  end)
  entry.signal = rms(odd or one)
  if odd then
    entry.curvature = map(one, function(v, j)
      return 2 * (v - odd[j]) / (a * a)
    end)
  end
  return entry
end

-- Relative difference of two amplitudes' slopes.
local function disagreement(below, above)
  local size = math.min(rms(below.slope), rms(above.slope))
  local apart = rms(map(below.slope, function(v, j)
    return v - above.slope[j]
  end))
  return size > 0 and apart / size or 1 / 0
end

-- Entries from the first amplitude on in steps of √10, while slopes still agree with those before.
local function walk(bench, sweep, from, direction, limit, spend)
  local previous, worse = sweep.first, 0
  for i = 1, limit do
    local entry = bench:left() > spend and slopes_at(bench, from * 10 ^ (direction * i / 2),
      sweep.count, sweep.hold)
    if not entry then
      return
    end
    local lower, upper = entry, previous
    if direction > 0 then
      lower, upper = previous, entry
    end
    local apart = disagreement(lower, upper)
    lower.above = apart
    upper.below = apart
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

--- Slopes along random directions over decades of the amplitude.
-- @treturn table entries in ascending order of `a`, each with `slope`, `signal`, `error` and where
--   both sides were measured `curvature`; `low`, `high`: indices of the first and last amplitude
--   whose slopes agree; `best`
function M.sweep(bench, from, count, hold)
  local sweep = { count = count, hold = hold }
  sweep.first = slopes_at(bench, from, count, hold)
  if not sweep.first then
    return nil
  end
  sweep[1] = sweep.first
  local spend = bench.budget / 3
  walk(bench, sweep, from, 1, 8, spend)
  walk(bench, sweep, from, -1, 6, spend)
  for i, entry in ipairs(sweep) do
    entry.error = error_of(entry)
    if not sweep.best or entry.error < sweep[sweep.best].error then
      sweep.best = i
    end
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

--- How much of the slope a slow chip shows when the two sides alternate within each step: the
-- regression of mean C̃ over a slot on what the cost settles to, and their correlation.
function M.alternating(bench, sweep)
  local entry = sweep[sweep.best]
  local _, rows = bench:held(sweep.count + 1, sweep.hold, entry.a, false, "two-sided")
  local both, settled_, seen = 0, 0, 0
  for j = 1, rows and sweep.count or 0 do
    local e = mean(rows[j + 1])
    both = both + e * entry.one[j]
    settled_ = settled_ + entry.one[j] ^ 2
    seen = seen + e * e
  end
  return settled_ > 0 and both / settled_ or 0,
    seen > 0 and both / math.sqrt(settled_ * seen) or 0
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
