--- The best constant answer: the least mean cost of outputs that are the same for all samples; a
-- network reaches it that does not look at its inputs.
-- @module mgd.runs.advise.constant

local M = {}

local function mean_row(y)
  return y:to("f64"):mean(1)
end

-- Mean over samples and outputs of (ȳ − y)².
local function mse(y)
  local off = y:to("f64") - mean_row(y)
  return (off * off):mean()
end

-- Cross-entropy of the frequencies of the classes with themselves.
local function cross_entropy(y, smoothing)
  local entropy, classes = 0, y.shape[2]
  local frequencies = mean_row(y):totable()
  for _, f in ipairs(frequencies) do
    local p = (1 - smoothing) * f + smoothing / classes
    entropy = entropy - (p > 0 and p * math.log(p) or 0)
  end
  return entropy
end

-- Mean distance from the geometric median (Weiszfeld 1937), from the mean on.
local function l2(y)
  local rows, outputs = y:to("f64"):totable(), y.shape[2]
  local at = mean_row(y):totable()
  local distance
  for _ = 1, 50 do
    local sum, weight, total = {}, 0, 0
    for k = 1, outputs do
      sum[k] = 0
    end
    for _, row in ipairs(rows) do
      local square = 0
      for k = 1, outputs do
        square = square + (row[k] - at[k]) ^ 2
      end
      local w = 1 / math.max(math.sqrt(square), 1e-12)
      weight, total = weight + w, total + math.sqrt(square)
      for k = 1, outputs do
        sum[k] = sum[k] + w * row[k]
      end
    end
    distance = total / #rows
    for k = 1, outputs do
      at[k] = sum[k] / weight
    end
  end
  return distance
end

--- The best constant answer's cost.
-- @tparam string|function cost as in mgd.train
-- @tparam tensor y targets (N, K)
-- @tparam[opt=0] number smoothing of labels
-- @treturn number|nil nil of a cost that is a function, and where all targets are the same
function M.cost(cost, y, smoothing)
  if y.ndim ~= 2 or type(cost) ~= "string" or mse(y) == 0 then
    return nil
  elseif cost == "mse" then
    return mse(y)
  elseif cost == "cross_entropy" then
    return cross_entropy(y, smoothing or 0)
  end
  return cost == "l2" and l2(y) or nil
end

return M
