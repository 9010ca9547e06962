--- Bins of histograms.
-- @module mgd.plot.bins

local stats = require "mgd.stats"

local LARGEST = 1.7976931348623157e308
local MOST = 200

-- How many bins the values of a histogram ask for, which are shares of the span of all. They are of
-- the width of Freedman and Diaconis (1981), 2·IQR/n^(1/3). Where half of the values are alike, and
-- with them the quartiles, it is Scott's (1979), 3.49·σ/n^(1/3); and where a few values far away
-- make that too wide, there are as many as Sturges (1926) has for n values.
local function count_of(shares)
  local n = #shares
  local q = stats.quantile(shares, { 0.25, 0.75 })
  local width, least = 2 * (q[2] - q[1]) / n ^ (1 / 3), 1
  if width <= 0 then
    width = n > 1 and 3.49 * stats.std(shares) / n ^ (1 / 3) or 1
    least = math.ceil(math.log(n) / math.log(2)) + 1
  end
  local count = width > 0 and math.ceil(1 / width - 1e-9) or 1
  return math.max(1, math.min(MOST, math.max(count, least)))
end

-- Bins over values from `low` to `high`, the finest that one of the histograms needs; halves, since
-- a span may be more than a double holds.
local function bins_of(histograms, low, high, log)
  local function half(value)
    return (log and math.log(value) or value) / 2
  end
  local span, bins, given = half(high) - half(low), 1, 0
  for _, s in ipairs(histograms) do
    given = math.max(given, s.bins or 0)
    local shares = {}
    for i, value in ipairs(s.values) do
      shares[i] = half(value) / span
    end
    bins = span > 0 and given == 0 and math.max(bins, count_of(shares)) or bins
  end
  return given > 0 and given or bins
end

local function edge(low, high, t, log)
  if log then
    return low ^ (1 - t) * high ^ t
  end
  local span = high - low
  return span < math.huge and low + span * t or low * (1 - t) + high * t
end

--- Edges of bins over all values of all histograms of a panel: of equal width, on a logarithmic
-- axis of equal ratio.
-- @tparam table histograms series with `values`, and `bins` where the user says how many
-- @tparam boolean log
-- @treturn table edges, one more than there are bins
return function(histograms, log)
  local low, high = math.huge, -math.huge
  for _, s in ipairs(histograms) do
    for _, value in ipairs(s.values) do
      low, high = math.min(low, value), math.max(high, value)
    end
  end
  local bins = bins_of(histograms, low, high, log)
  if low == high then
    local half = low == 0 and 0.5 or 0.05 * math.abs(low)
    low, high = math.max(-LARGEST, low - half), math.min(LARGEST, high + half)
  end
  local edges = { low }
  for b = 1, bins - 1 do
    edges[b + 1] = edge(low, high, b / bins, log)
  end
  edges[bins + 1] = high
  return edges
end
