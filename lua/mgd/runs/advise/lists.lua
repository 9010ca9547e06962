--- Figures of lists of numbers, for the advisor.
-- @module mgd.runs.advise.lists

local M = {}

function M.mean(list)
  local sum = 0
  for i = 1, #list do
    sum = sum + list[i]
  end
  return sum / #list
end

function M.map(list, f)
  local out = {}
  for i = 1, #list do
    out[i] = f(list[i], i)
  end
  return out
end

local mean, map = M.mean, M.map

--- Mean of list[from … to].
function M.mean_of(list, from, to)
  local sum = 0
  for i = from, to do
    sum = sum + list[i]
  end
  return sum / (to - from + 1)
end

function M.square(v)
  return v * v
end

function M.rms(list)
  return math.sqrt(mean(map(list, M.square)))
end

function M.dot(a, b)
  local sum = 0
  for i = 1, #a do
    sum = sum + a[i] * b[i]
  end
  return sum
end

--- Mean of a list with ± 2 standard errors.
function M.mean_with_interval(list)
  local m = mean(list)
  local spread = mean(map(list, function(v)
    return (v - m) ^ 2
  end))
  local error_ = 2 * math.sqrt(spread / math.max(1, #list - 1))
  return { value = m, low = m - error_, high = m + error_ }
end

--- σ from `n` squares of mean σ², normal; χ² by Wilson and Hilferty (1931).
function M.sigma_with_interval(variance, n)
  local function at(z)
    return math.sqrt(variance / (1 - 2 / (9 * n) + z * math.sqrt(2 / (9 * n))) ^ 3)
  end
  return { value = math.sqrt(variance), low = at(1.96), high = at(-1.96) }
end

--- Variance of a list about the straight line through it, which takes a drift out, and its degrees
-- of freedom.
-- @tparam table list of at least 3
-- @treturn number
-- @treturn integer
function M.line_variance(list)
  local n, middle, first = #list, (#list + 1) / 2, list[1]
  local level, slope, squares, sum = 0, 0, 0, 0
  for k = 1, n do
    level = level + (list[k] - first) / n
    slope = slope + (k - middle) * (list[k] - first)
    squares = squares + (k - middle) ^ 2
  end
  slope = slope / squares
  for k = 1, n do
    sum = sum + (list[k] - first - level - slope * (k - middle)) ^ 2
  end
  return sum / (n - 2), n - 2
end

return M
