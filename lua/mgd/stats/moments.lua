--- Means and squares of deviations at the edges of numbers: of values that are all equal, so close
-- together that their mean is rounded, or so large or small that their squares are no numbers.
--
-- Where none of that is so, they are the plain sums.
-- @module mgd.stats.moments

local M = {}

local CLOSE = 2 ^ -32 -- of the mean: deviations below it feel the rounding of the mean
local LEAST = 1e-290 -- squares below it lose digits

local function ends(list)
  local low, high = math.huge, -math.huge
  for i = 1, #list do
    low, high = math.min(low, list[i]), math.max(high, list[i])
  end
  return low, high
end

--- The mean, which lies among the values.
-- @tparam table list of at least one number
-- @treturn number nan for inf beside −inf
function M.mean(list)
  local low, high = ends(list)
  local sum, n = 0.0, #list
  for i = 1, n do
    sum = sum + list[i]
  end
  local mean = sum / n
  if math.abs(sum) == math.huge and low > -math.huge and high < math.huge then
    mean = 0
    for i = 1, n do
      mean = mean + list[i] / n
    end
  end
  return mean == mean and math.max(low, math.min(high, mean)) or mean
end

local function around_mean(list)
  local mean, out, squares = M.mean(list), {}, 0
  for i = 1, #list do
    out[i] = list[i] - mean
    squares = squares + out[i] ^ 2
  end
  return out, squares, mean
end

--- Deviations from the mean.
-- @tparam table list of finite numbers
-- @treturn table|nil deviations in units of `scale`; nil where all values are equal
-- @treturn number the sum of their squares
-- @treturn number scale
function M.deviations(list)
  local low, high = ends(list)
  if low == high then
    return nil
  end
  local out, squares, mean = around_mean(list)
  if squares >= LEAST and squares < math.huge and squares > #list * (mean * CLOSE) ^ 2 then
    return out, squares, 1
  end
  local part = high - low < math.huge and 1 or 0.5
  local span = part * high - part * low
  for i = 1, #list do
    out[i] = (part * list[i] - part * low) / span -- exact but for the division where they are close
  end
  out, squares = around_mean(out)
  return out, squares, span / part
end

return M
