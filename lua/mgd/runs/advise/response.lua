--- How the cost answers a change that is held: delay, rise, ringing, and whether it forgets it.
--
-- Perturbations are held, slot after slot; the cost of slot j at its step k is that of the slot
-- before, at its end, and J_j·h_k: a matrix of rank one, whose factors power iteration finds.
-- @module mgd.runs.advise.response

local lists = require "mgd.runs.advise.lists"

local M = {}

local dot, map, mean_of, rms = lists.dot, lists.map, lists.mean_of, lists.rms

local SETTLED = 0.05 -- of a change may be missing still
local SLOTS = 12
local ABOVE_CHANCE = 1.5 -- times the largest singular value that noise has (Marchenko and Pastur)
local TELLS = 0.1 -- error of h, over its peak, that still says something of its shape
local FORGETS = 0.5 -- of its peak that is left in the end, or less: the response decays

-- Differences from the end of the slot before, without what all slots have in common, which is no
-- answer but a drift; transposed as well.
local function changes(rows)
  local hold = #rows[1]
  local tail = math.max(1, math.floor(hold / 4))
  local e, columns = {}, {}
  for j = 2, #rows do
    local before = mean_of(rows[j - 1], hold - tail + 1, hold)
    e[j - 1] = map(rows[j], function(v)
      return v - before
    end)
  end
  for k = 1, hold do
    local common = 0
    for _, row in ipairs(e) do
      common = common + row[k] / #e
    end
    columns[k] = map(e, function(row)
      row[k] = row[k] - common
      return row[k]
    end)
  end
  return e, columns
end

-- h (1 … hold) and jumps J: the best matrix of rank one, h of unit peak and positive there.
local function factors(e, columns)
  local most, at = 0, 1
  for k, column in ipairs(columns) do
    local size = rms(column)
    if size > most then
      most, at = size, k
    end
  end
  local jumps, h = columns[at], nil
  for _ = 1, 6 do
    local energy = dot(jumps, jumps)
    h = map(columns, function(column)
      return dot(column, jumps) / energy
    end)
    local size = dot(h, h)
    jumps = map(e, function(row)
      return dot(row, h) / size
    end)
  end
  return h, jumps
end

-- Steps until a list stays within `bound` of `target`; nil when it does not in its first half.
local function settled(list, target, bound)
  local last = 0
  for k = 1, #list do
    if math.abs(list[k] - target) > bound then
      last = k
    end
  end
  return last < #list * 0.5 and last + 1 or nil
end

-- First step that has most of the largest value.
local function peak_of(h)
  local peak, rise = 0, 1
  for k = 1, #h do
    if math.abs(h[k]) > math.abs(peak) then
      peak = h[k]
    end
  end
  while math.abs(h[rise]) < (1 - SETTLED) * math.abs(peak) do
    rise = rise + 1
  end
  return peak, rise
end

-- What a hold of `hold` steps says: nil when the cost shows nothing of the changes.
local function look(bench, rows, hold, sigma)
  local e, columns = changes(rows)
  local h, jumps = factors(e, columns)
  local noise = sigma + 4 * bench:ulp(rows[1][1])
  local peak, rise = peak_of(h)
  local level = mean_of(h, hold - math.floor(hold / 4) + 1, hold)
  local singular = math.sqrt(dot(h, h) * dot(jumps, jumps))
  local chance = noise * (math.sqrt(#jumps) + math.sqrt(hold))
  if singular ~= singular or singular <= ABOVE_CHANCE * chance then
    return nil
  end
  local error_ = noise / (math.abs(peak) * math.sqrt(dot(jumps, jumps)))
  local decays = math.abs(level / peak) < FORGETS
  local unit = decays and peak or level
  h = map(h, function(v)
    return v / unit
  end)
  if error_ > TELLS then
    return nil
  end
  local r = { h = h, error = error_, hold = hold, decays = decays, rise = rise,
    level = level / unit }
  r.settling = settled(h, r.level, SETTLED + 4 * error_)
  return r
end

--- The response to a perturbation that is held, or with `sample` to a batch.
-- @treturn table `h` (its steps, 1 where it settles, or at its peak where it decays), `settling`
--   (steps to 5 %; 1 where the cost shows no change at all, nil when it has not settled within
--   `hold`), `rise` (steps to the peak), `decays`, `level` (in the end), `error` of each h
function M.measure(bench, amplitude, sigma, sample)
  local found
  for _, hold in ipairs { 16, 64, 256 } do
    if found and SLOTS * hold * bench.opt.batch > math.min(bench:left() / 3, bench.budget / 5) then
      bench:note("how the cost answers a %s that is held for %d steps", sample and "batch"
        or "perturbation", hold)
      break
    end
    local rows = bench:held(SLOTS, hold, amplitude, sample)
    local seen = rows and look(bench, rows, hold, sigma)
    if not rows or not seen then
      return found or { h = { 1 }, settling = 1, rise = 1, decays = false, level = 1, error = 1,
        hold = hold }
    end
    found = seen
    if seen.settling then
      break
    end
  end
  return found
end

return M
