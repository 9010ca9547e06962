--- Does the cost depend on θ at all, and how loud is it otherwise?
-- @module mgd.runs.advise.effect

local lists = require "mgd.runs.advise.lists"

local M = {}

local mean, rms, line_variance = lists.mean, lists.rms, lists.line_variance

local STRETCH = 8 -- costs, of which what is not a straight line is noise
local MOST_LEAD = 64 -- steps

-- σ of a list of costs.
local function spread_of(list)
  local sum, count = 0, 0
  for first = 1, #list - STRETCH + 1, STRETCH do
    local stretch = {}
    for k = 1, STRETCH do
      stretch[k] = list[first + k - 1]
    end
    local variance, freedom = line_variance(stretch)
    sum, count = sum + variance * freedom, count + freedom
  end
  return math.sqrt(sum / count)
end

-- σ of C, roughly, at one θ and one batch, once the chip has come to rest: how many steps that
-- takes is the lead-in of all further runs of the bench.
local function still(bench)
  local sigma, cost
  for _, n in ipairs { 48, 192, 768 } do
    if n * bench.opt.batch > bench.budget / 20 and n > 48 then
      bench:note("whether the cost comes to rest within %d steps", n)
      break
    end
    local c = bench:measure(n, { skip = 0 })
    if not c then
      return nil
    end
    local late = {}
    for k = n * 2 / 3 + 1, n do
      late[#late + 1] = c[k]
    end
    sigma, cost = spread_of(late), mean(late)
    local bound, last = 6 * sigma + 16 * bench:ulp(cost), 0
    for k = 1, n do
      if math.abs(c[k] - cost) > bound then
        last = k
      end
    end
    bench.lead = math.min(last, MOST_LEAD)
    if last <= n / 2 then
      break
    end
  end
  return sigma, cost
end

-- ---- the same perturbations twice ---------------------------------------------------------------

-- Steps of a slot, the first and the second time: a chip that draws its noise by the step draws
-- another one.
local HOLDS = { 4, 5 }
local SLOTS = 96
local MORE = 5 -- times as many where nothing was found
local LEAST_SLOTS = 24
local SURE = 5 -- standard deviations
local SURE_IF_LOUD = 3 -- where the cost moves by far more than its noise from step to step
local USUAL = 3 -- times the median

-- Costs of the slots less the mean of their neighbours, which takes drifts out, and no further from
-- 0 than usual, for what is left of a cost that comes to rest is no sign of θ.
local function moves(bench, slots, hold, a)
  local skip = math.ceil(bench.lead / HOLDS[1])
  local rows = bench:held(slots + 2, hold, a, false, skip)
  if not rows then
    return nil
  end
  local level = lists.map(rows, function(row)
    return mean(row)
  end)
  local list = {}
  for j = 1, slots do
    list[j] = level[j + 1] - (level[j] + level[j + 2]) / 2
  end
  local sizes = lists.map(list, math.abs)
  table.sort(sizes)
  local most = USUAL * sizes[math.ceil(slots / 2)]
  return lists.map(list, function(v)
    return math.max(-most, math.min(most, v))
  end)
end

-- Σ a_j·b_{j+shift}, round the end.
local function correlation(a, b, shift)
  local sum = 0
  for j = 1, #a do
    sum = sum + a[j] * b[(j + shift - 1) % #a + 1]
  end
  return sum
end

--- Whether the cost follows perturbations of amplitude `a`, whatever else it does: the same random
-- patterns are shown twice, and the moves of the cost correlated. Shifted against each other, the
-- two lists show by how much noise and drift correlate by chance.
-- @tparam bench bench
-- @tparam number a
-- @tparam boolean loud whether the cost moves by far more than its noise
-- @tparam[opt=1] number more times as many slots as usual
-- @treturn boolean|nil nil when the budget is too small for it
-- @treturn number the correlation, in standard deviations of the shifted ones
function M.follows(bench, a, loud, more)
  local share = more and 5 or 12 -- that part of what is left, at most
  local affordable = bench:left() / bench.opt.batch / share / (HOLDS[1] + HOLDS[2])
  local slots = math.min(SLOTS * (more or 1), math.floor(affordable))
  if slots < LEAST_SLOTS then
    bench:note("whether the cost follows the same perturbations twice")
    return nil, 0
  end
  local first = moves(bench, slots, HOLDS[1], a)
  local second = first and moves(bench, slots, HOLDS[2], a)
  if not second then
    return false, 0
  end
  local chance = {}
  for shift = 4, slots - 4 do -- neighbours share slots
    chance[#chance + 1] = correlation(first, second, shift)
  end
  local z = correlation(first, second, 0) / math.max(rms(chance), 1e-300)
  return z > (loud and SURE_IF_LOUD or SURE), z
end

--- Amplitudes whose effect stands out from noise and rounding, to begin with.
-- @treturn number the smallest; nil when no amplitude up to 10 has an effect
-- @treturn number σ of C, roughly
-- @treturn number a cost
-- @treturn number the largest correlation that `follows` found
-- @treturn number the one that has the largest effect
function M.reach(bench)
  local sigma, cost = still(bench)
  if not sigma then
    return nil, 0 / 0, 0 / 0, 0
  end
  local least, loudest, most, surest = nil, nil, 0, 0
  for exponent = -3, 1 do
    local a = 10 ^ exponent
    local rows = bench:held(6, 8, a)
    if not rows then -- the cost overflows
      break
    end
    local jumps = {}
    for j = 2, #rows do
      jumps[j - 1] = rows[j][8] - rows[j - 1][8]
    end
    local signal = rms(jumps)
    local loud = signal > 20 * sigma and signal > 1e-4 * math.abs(cost)
    local stands_out = signal > most and signal > 3 * sigma
    if loud or stands_out or exponent >= 0 then
      local follows, z = M.follows(bench, a, loud)
      surest = math.max(surest, z)
      if follows or follows == nil and (loud or stands_out) then
        least, loudest, most = least or a, a, signal
        if loud then
          break
        end
      end
    end
  end
  for exponent = 0, (least or sigma == 0) and -1 or 1 do -- a longer look
    local a = 10 ^ exponent
    local follows, z = M.follows(bench, a, false, MORE)
    surest = math.max(surest, z)
    if follows then
      return a, sigma, cost, z, a
    end
  end
  return least, sigma, cost, surest, loudest
end

local LOOK = 12 -- costs of a batch

--- σ of the cost at the same θ and batch, over batches.
-- @treturn table|nil σ with its interval; nil when a cost is not finite
-- @treturn number the step of the cost from batch to batch, root mean square
function M.noise(bench, settling)
  local skip = settling > 1 and 3 * settling or 0
  local count = settling > 1 and 6 or 16
  local rows = bench:held(count, skip + LOOK, nil, true)
  if not rows then
    return nil
  end
  local variance, pairs_, levels = 0, 0, {}
  for j, row in ipairs(rows) do
    local late = {}
    for k = skip + 1, skip + LOOK do
      late[k - skip] = row[k]
    end
    local v, n = line_variance(late)
    variance, pairs_ = variance + v * n, pairs_ + n
    levels[j] = mean(late)
  end
  local jumps = {}
  for j = 2, count do
    jumps[j - 1] = levels[j] - levels[j - 1]
  end
  local all = bench.opt.batch >= bench.opt.data.x.shape[1]
  return lists.sigma_with_interval(variance / pairs_, pairs_), all and 0 or rms(jumps)
end

return M
