-- Statistics for specs, in plain Lua over lists.

local statistics = {}

-- {mean, variance, skewness, kurtosis (3 for a normal), sd}
function statistics.moments(list)
  local n, sum = #list, 0
  for i = 1, n do
    sum = sum + list[i]
  end
  local mean, m2, m3, m4 = sum / n, 0, 0, 0
  for i = 1, n do
    local d = list[i] - mean
    m2, m3, m4 = m2 + d * d, m3 + d * d * d, m4 + d * d * d * d
  end
  m2, m3, m4 = m2 / n, m3 / n, m4 / n
  return { mean = mean, variance = m2, sd = math.sqrt(m2), skewness = m3 / m2 ^ 1.5,
    kurtosis = m4 / (m2 * m2) }
end

-- Pearson's correlation of two lists.
function statistics.correlation(a, b)
  local ma, mb = statistics.moments(a), statistics.moments(b)
  local sum = 0
  for i = 1, #a do
    sum = sum + (a[i] - ma.mean) * (b[i] - mb.mean)
  end
  return sum / #a / (ma.sd * mb.sd)
end

-- Φ by its Taylor series about 0: φ(x)·Σ x^(2k+1)/(1·3·…·(2k+1)).
function statistics.normal_cdf(x)
  if x < -8 or x > 8 then
    return x < 0 and 0 or 1
  end
  local term, sum, k = x, 0, 1
  while math.abs(term) > 1e-17 * math.abs(sum) do
    sum = sum + term
    k = k + 2
    term = term * x * x / k
  end
  return 0.5 + sum * math.exp(-x * x / 2) / math.sqrt(2 * math.pi)
end

-- √n times the largest distance between the empirical distribution and `cdf` (Kolmogorov–Smirnov).
function statistics.kolmogorov(list, cdf)
  local sorted, n, most = {}, #list, 0
  for i = 1, n do
    sorted[i] = list[i]
  end
  table.sort(sorted)
  for i, x in ipairs(sorted) do
    local f = cdf(x)
    most = math.max(most, i / n - f, f - (i - 1) / n)
  end
  return most * math.sqrt(n)
end

-- What `kolmogorov` exceeds with a chance of `level`: √(−ln(level/2)/2).
function statistics.kolmogorov_bound(level)
  return math.sqrt(-math.log(level / 2) / 2)
end

--- Fails at its caller's line unless `actual` is within `tolerance` of `expected`.
function statistics.near(expected, actual, tolerance, what, level)
  local is_near = math.abs(actual - expected) <= tolerance -- false for NaN
  if not is_near then
    error(("%s: expected %.10g within %.3g, got %.10g"):format(what or "value", expected, tolerance,
      actual), (level or 1) + 1)
  end
end

--- The same for lists of one length.
function statistics.all_near(expected, values, tolerance, label)
  statistics.near(#expected, #values, 0, "number of values", 2)
  for i, value in ipairs(expected) do
    statistics.near(value, values[i], tolerance, (label or "element") .. " " .. i, 2)
  end
end

--- Mean and standard deviation of normal numbers, within 4 standard errors.
function statistics.normal(list, mean, sd, what)
  local m, n = statistics.moments(list), #list
  statistics.near(mean, m.mean, 4 * sd / math.sqrt(n) + 1e-12, (what or "") .. " mean", 2)
  statistics.near(sd, m.sd, 4 * sd / math.sqrt(2 * n) + 1e-12,
    (what or "") .. " standard deviation", 2)
end

return statistics
