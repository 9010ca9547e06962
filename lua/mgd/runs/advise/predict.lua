--- What a way of perturbing and comparing would show of a slope, from the measured response.
--
-- The line from C to what is measured is taken as linear, with step response h. A pattern of slope
-- 1 is followed through windows in which all else is silent: the mean C̃ of its own slot is the
-- gain γ; what it leaves in later slots is noise to them, for patterns are independent. So are
-- steps of the cost where θ was written or a batch changed, white noise, the even part of the cost,
-- and a level of the cost that no baseline takes away: N², in units of the slope. To a component of
-- the gradient that is what the slopes of the other parameters are. With K patterns in a window
-- descent takes 1 + (P − 1)·(1 + N²/γ²)/K times as many windows as along the gradient itself, so a
-- pattern of n evaluations is worth about 1/(n·(1 + N²/γ² + K/P)).
-- @module mgd.runs.advise.predict

local M = {}

local WRITES = 0.3 -- step of the cost by a write of θ, over a·‖g‖
local MEMORY = 40 -- patterns after one that are followed, at most
local LEAST_GAIN = 0.03
local AT_ONCE = 0.8 -- of a change within a step: it comes at the beginning of the step

-- h after t ticks, of which a step has `ticks`: h_k at the end of step k, between them parabolas
-- through three neighbours; 1 beyond, or 0 where the response decays.
local function response_at(response, ticks)
  local list, hold = response.h, #response.h
  local beyond = response.decays and 0 or 1
  local function h(k)
    return k <= 0 and 0 or k > hold and beyond or list[k]
  end
  return function(t)
    local low = math.floor(t / ticks)
    local below, above, next_ = h(low), h(low + 1), h(low + 2)
    if low * ticks == t then
      return below
    elseif math.abs(above - below) > AT_ONCE then
      return above
    elseif math.abs(next_ - above) > AT_ONCE then
      return below
    end
    return 0.375 * below + 0.75 * above - 0.125 * next_ -- ticks come in halves of a step
  end
end

-- The evaluations of `patterns` slots from the start of a window on. A chip on a clock shares a
-- step of two ticks between two evaluations; any other is asked, a tick each time.
local function evaluations_of(way, patterns, on_clock)
  local window, two = way.patterns * way.tau_p, way.baseline == "two-sided"
  local list, tick = {}, 0
  local function evaluate(pattern, sign, role, shared)
    local to = tick + (on_clock and not shared and 2 or 1)
    list[#list + 1] = { from = tick, to = to, pattern = pattern, sign = sign, role = role }
    tick = to
  end
  for step = 0, patterns * way.tau_p - 1 do
    local at, pattern = step % window, math.floor(step / way.tau_p)
    local base = way.baseline == "measured" and at == way.settle
    if base then
      evaluate(pattern, 0, "base", true)
    end
    evaluate(pattern, 1, at >= way.settle and "plus" or "idle", base or two)
    if two then
      evaluate(pattern, -1, at >= way.settle and "minus" or "idle", true)
    end
  end
  return list
end

-- Steps of the cost that pattern `q`, of slope 1, makes.
local function steps_of(list, q)
  local steps, value = {}, 0
  for _, e in ipairs(list) do
    local now = e.pattern == q and e.sign or 0
    if now ~= value then
      steps[#steps + 1] = { tick = e.from, size = now - value }
      value = now
    end
  end
  return steps
end

-- Mean C̃ of patterns 0 …, nil for those of which no step counts, when the cost makes `steps`.
local function seen_of(list, steps, h, two_sided)
  local sum, count, base, plus = {}, {}, 0, 0
  for _, e in ipairs(list) do
    local c = 0
    for _, step in ipairs(steps) do
      if step.tick < e.to then
        c = c + step.size * h(e.to - step.tick)
      end
    end
    local p = e.pattern
    if e.role == "base" then
      base = c
    elseif e.role == "plus" and two_sided then
      plus = c
    elseif e.role ~= "idle" then
      sum[p] = (sum[p] or 0) + (two_sided and (plus - c) / 2 or c - base)
      count[p] = (count[p] or 0) + 1
    end
  end
  for p in pairs(sum) do
    sum[p] = sum[p] / count[p]
  end
  return sum, count
end

local function energy(seen, from)
  local sum = 0
  for p, v in pairs(seen) do
    sum = sum + (p >= from and v * v or 0)
  end
  return sum
end

-- Evaluations of a batch in a window.
local function evaluations_in(way)
  local window = way.patterns * way.tau_p
  return way.baseline == "two-sided" and 2 * window or window
    + (way.baseline == "measured" and 1 or 0)
end

-- Patterns of a window of which a step counts.
local function counted_of(way)
  return way.patterns - math.floor(way.settle / way.tau_p)
end

--- Evaluations of a batch for each pattern that counts.
function M.cost(way)
  return evaluations_in(way) / counted_of(way)
end

--- What an evaluation of a batch is worth, in patterns without any noise; 0 where γ is too small
-- or negative.
-- @tparam table way
-- @tparam number gain γ
-- @tparam number rest N/|γ|
-- @tparam integer parameters P
function M.worth(way, gain, rest, parameters)
  local more = counted_of(way) / parameters
  return gain > LEAST_GAIN and 1 / (M.cost(way) * (1 + rest * rest + more)) or 0
end

--- Predict a way.
-- @tparam table way `baseline`, `tau_p`, `patterns`, `settle`
-- @tparam table response as of mgd.runs.advise.response
-- @tparam table size over a·‖g‖: `noise` (σ), `level` (C itself), `even`, `jump` (rms step of the
--   cost where a batch changes)
-- @tparam boolean on_clock whether two evaluations share a step
-- @tparam integer parameters P
-- @treturn number γ
-- @treturn number N/|γ|
-- @treturn number what an evaluation is worth, see `worth`
function M.predict(way, response, size, on_clock, parameters)
  local two = way.baseline == "two-sided"
  local memory = math.min(MEMORY, math.ceil((response.settling or #response.h) / way.tau_p) + 1)
  local list = evaluations_of(way, way.patterns + memory, on_clock)
  local h = response_at(response, on_clock and 2 or 1)
  local gain, leaks, own, counted = 0, 0, 0, 0
  local stride = math.max(1, math.floor(way.patterns / 4))
  for q = 0, way.patterns - 1, stride do
    local seen, count = seen_of(list, steps_of(list, q), h, two)
    leaks = leaks + stride * energy(seen, q + 1)
    if seen[q] then
      gain, own, counted = gain + seen[q], own + 1, counted + count[q]
    end
  end
  gain = gain / own
  local patterns = own * stride -- of a window, that count
  local counts = counted / own -- steps of a pattern
  local writes = energy(seen_of(list, { { tick = 0, size = 1 } }, h, two), 0)
  local white = (two and 0.5 or 1) / counts + (way.baseline == "measured" and 1 or 0)
  local n2 = leaks / patterns + writes / patterns * (WRITES ^ 2 + size.jump ^ 2)
    + white * size.noise ^ 2 + (two and 0 or size.even ^ 2)
  if way.baseline == "none" then
    n2 = n2 + ((response.decays and 0 or 1) * size.level) ^ 2
  end
  local rest = math.sqrt(n2) / math.max(math.abs(gain), 1e-12)
  return gain, rest, M.worth(way, gain, rest, parameters)
end

--- Ways to choose from, for a response that takes `slow` steps.
-- @tparam integer slow
-- @treturn table list of ways
function M.ways(slow)
  local list, times, tau = {}, {}, 1
  while tau <= 2 * slow do
    times[#times + 1] = tau
    tau = math.max(tau + 1, math.floor(1.3 * tau))
  end
  for _, tau_p in ipairs(times) do
    for _, baseline in ipairs { "two-sided", "measured", "none" } do
      for _, patterns in ipairs { 1, 4, 16 } do
        list[#list + 1] = { baseline = baseline, tau_p = tau_p, patterns = patterns, settle = 0 }
      end
      if tau_p > 1 then
        for _, share in ipairs { 0.5, 0.75, 1 } do
          list[#list + 1] = { baseline = baseline, tau_p = tau_p, patterns = 1,
            settle = math.min(tau_p - 1, math.ceil(share * tau_p)) }
        end
      end
      list[#list + 1] = { baseline = baseline, tau_p = tau_p, patterns = 5, settle = tau_p }
    end
  end
  return list
end

return M
