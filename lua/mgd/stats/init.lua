--- Statistics of many runs: medians, intervals, success, time to solution, power laws.
--
--     local stats = mgd.stats
--     print(stats.success(15, 16))                            --> 0.9375 (0.717 … 0.989 at 95 %)
--     print(stats.time_to_solution(result.solved, {budget = 1e5}))
--
-- Values are tensors or lists of numbers. nan is refused, but where it means something: that a run
-- has not solved its task. Quantiles are of type 7 (Hyndman and Fan, 1996), as in NumPy and R. The
-- numerics are GSL's.
-- @module mgd.stats

local core = require "mgd.core"
local moments = require "mgd.stats.moments"
local naming = require "mgd.base.naming"
local options = require "mgd.base.options"
local record = require "mgd.text.record"
local survival = require "mgd.stats.survival"
local values = require "mgd.stats.values"

local C = core.stats
local tensor = core.tensor

local M = {}

local list_of, make, interval_text = values.list, values.make, values.interval

-- ---- one sample --------------------------------------------------------------------------------

--- The mean.
function M.mean(x)
  local where = "mgd.stats.mean"
  local mean = moments.mean(list_of(where, x, 1))
  if mean ~= mean then
    options.fail(where, "there are inf and -inf among the values, which have no mean")
  end
  return mean
end

-- Values as a list of finite numbers.
local function finite_list(where, x, least)
  local list = list_of(where, x, least)
  for i, value in ipairs(list) do
    if math.abs(value) == math.huge then
      options.fail(where, "element %d is %g: expected a finite number", i, value)
    end
  end
  return list
end

--- The standard deviation, from n − 1.
function M.std(x)
  local list = finite_list("mgd.stats.std", x, 2)
  local deviations, squares, scale = moments.deviations(list)
  return deviations and math.sqrt(squares / (#list - 1)) * scale or 0.0
end

local function check_fractions(where, q)
  if type(q) ~= "table" or options.length(where, "quantiles", q) == 0 then
    options.fail(where, "expected quantiles as a list of numbers from 0 to 1, got %s",
      type(q) == "table" and "an empty one" or options.type_name(q))
  end
  for _, fraction in ipairs(q) do
    if type(fraction) ~= "number" or not (fraction >= 0 and fraction <= 1) then
      options.fail(where, "a quantile is asked for by a number from 0 to 1, got %s",
        tostring(fraction))
    end
  end
end

--- Quantiles.
-- @param x values
-- @tparam number|table q from 0 to 1, or a list of such
-- @treturn number|table as q
function M.quantile(x, q)
  local where = "mgd.stats.quantile"
  local list = type(q) == "number" and { q } or q
  check_fractions(where, list)
  local result = C.quantiles(list_of(where, x, 1), list)
  return type(q) == "table" and result or result[1]
end

--- The median.
function M.median(x)
  return C.quantiles(list_of("mgd.stats.median", x, 1), { 0.5 })[1]
end

local QUARTILES = { 0.25, 0.5, 0.75 }

--- Quantiles of each row over the replicas of an ensemble: what a plot draws as a line with a band.
-- @tparam tensor x (T, R); nan are left out
-- @tparam[opt] table q list of fractions, quartiles without
-- @treturn table a tensor (T) for each of q; nan where a row has no values
function M.bands(x, q)
  local where = "mgd.stats.bands"
  q = q or QUARTILES
  check_fractions(where, q)
  local t = options.tensor(x)
  if not t or t.ndim ~= 2 then
    options.fail(where, "expected a tensor of two dimensions (T, R), got %s",
      t and tostring(t.ndim) .. " dimensions" or options.type_name(x))
  end
  local columns = {}
  for k = 1, #q do
    columns[k] = {}
  end
  for i, row in ipairs(t:totable()) do
    local known = values.known(row)
    local result = #known > 0 and C.quantiles(known, q) or {}
    for k = 1, #q do
      columns[k][i] = result[k] or 0 / 0
    end
  end
  for k = 1, #q do
    columns[k] = tensor.tensor(columns[k], { dtype = "f64" })
  end
  return record.list(columns)
end

-- ---- intervals ---------------------------------------------------------------------------------

local LEVEL = { "level", type = "number", default = 0.95, above = 0, max = 0.9999,
  doc = "Of the interval." }

M.BOOTSTRAP = {
  LEVEL,
  { "resamples", type = "integer", default = 2000, min = 100, max = 1000000,
    doc = "Draws with replacement." },
  { "seed", type = "integer", default = 1, min = 0, doc = "Of the draws." },
}

local function checked_number(value)
  if type(value) ~= "number" or value ~= value then
    options.fail("mgd.stats.bootstrap", "the statistic returned %s: expected a number",
      type(value) == "number" and "nan" or options.type_name(value))
  end
  return value
end

-- The statistic of each resample.
local function resampled(list, statistic, opt)
  if type(statistic) == "string" then
    return C.bootstrap(list, statistic, opt.resamples, opt.seed)
  end
  local result = {}
  for i = 1, opt.resamples do
    result[i] = checked_number(statistic(C.resample(list, i - 1, opt.seed)))
  end
  return result
end

--- An interval by the bootstrap (percentile method; Efron and Tibshirani, 1993, chapter 13).
-- @param x values, at least 2
-- @param[opt="mean"] statistic "mean", "median", or a function of a list
-- @tparam[opt] table opts see `M.BOOTSTRAP`
-- @treturn table `value`, `low`, `high`
function M.bootstrap(x, statistic, opts)
  local where = "mgd.stats.bootstrap"
  local opt = options.check(where, M.BOOTSTRAP, opts)
  local list = list_of(where, x, 2)
  statistic = statistic or "mean"
  if statistic ~= "mean" and statistic ~= "median" and type(statistic) ~= "function" then
    options.fail(where, "the statistic must be \"mean\", \"median\" or a function of a list, "
      .. "got %s", tostring(statistic))
  end
  local of_all = type(statistic) == "function" and statistic or M[statistic]
  local tail = (1 - opt.level) / 2
  local value = checked_number(of_all(list))
  if math.abs(value) == math.huge then -- the core's sums are of finite numbers
    statistic = of_all
  end
  local bounds = C.quantiles(resampled(list, statistic, opt), { tail, 1 - tail })
  local fields = { value = value, low = bounds[1], high = bounds[2] }
  return make(fields, function(self)
    return interval_text(self.value, self.low, self.high, opt.level)
  end)
end

M.SUCCESS = { LEVEL }

--- A rate of success with Wilson's interval (J. Am. Stat. Assoc. 22, 209, 1927), which is right for
-- few runs and for rates near 0 and 1.
-- @tparam integer k successes
-- @tparam integer n runs
-- @tparam[opt] table opts `level`
-- @treturn table `rate`, `low`, `high`
function M.success(k, n, opts)
  local where = "mgd.stats.success"
  local opt = options.check(where, M.SUCCESS, opts)
  for _, count in ipairs { k or 0 / 0, n or 0 / 0 } do
    if type(count) ~= "number" or count % 1 ~= 0 or count < 0 then
      options.fail(where, "expected whole numbers of successes and of runs, got %s and %s",
        tostring(k), tostring(n))
    end
  end
  if n < 1 or k > n then
    options.fail(where, "%d successes of %d runs: expected at least one run, and no more successes "
      .. "than runs", k, n)
  end
  local z = C.normal_quantile((1 + opt.level) / 2)
  local rate = k / n
  local centre = (rate + z ^ 2 / (2 * n)) / (1 + z ^ 2 / n)
  local half = z / (1 + z ^ 2 / n) * math.sqrt(rate * (1 - rate) / n + z ^ 2 / (4 * n ^ 2))
  local fields = { rate = rate, low = k == 0 and 0 or centre - half,
    high = k == n and 1 or centre + half }
  return make(fields, function(self)
    return interval_text(self.rate, self.low, self.high, opt.level)
  end)
end

-- ---- time to solution --------------------------------------------------------------------------

M.time_to_solution = survival.time_to_solution
M.SURVIVAL = survival.SCHEMA

-- ---- power laws --------------------------------------------------------------------------------

M.POWER_LAW = {
  LEVEL,
  { "sigma", type = "any", doc = "Standard errors of y: a fit weighted by them." },
}

-- ln of positive values.
local function logarithms(where, name, list)
  local out = {}
  for i, value in ipairs(list) do
    if not (value > 0 and value < math.huge) then
      options.fail(where, "element %d of %s is %s: a power law takes positive numbers", i, name,
        value)
    end
    out[i] = math.log(value)
  end
  return out
end

local function r_squared(y, residuals)
  local deviations, squares, scale = moments.deviations(y)
  return deviations and 1 - residuals / (squares * scale ^ 2) or 1
end

--- y = factor·x^exponent by least squares of the logarithms.
-- @param x positive values, at least 3
-- @param y as many
-- @tparam[opt] table opts `sigma`, `level`
-- @treturn table `exponent` and `factor`, each with `…_error` (1σ), `…_low` and `…_high` (Student's
--   t with n − 2 degrees of freedom; the normal distribution where sigma is given), `r2`, `n`
function M.power_law(x, y, opts)
  local where = "mgd.stats.power_law"
  local opt = options.check(where, M.POWER_LAW, opts)
  local xs, ys = list_of(where, x, 3), list_of(where, y, 3)
  if #xs ~= #ys then
    options.fail(where, "x has %d values, y has %d: expected as many", #xs, #ys)
  end
  local lx, ly = logarithms(where, "x", xs), logarithms(where, "y", ys)
  if not moments.deviations(lx) then
    options.fail(where, "all x are equal: no exponent can be told")
  end
  local a, b, var_a, var_b, residuals, factor
  if opt.sigma ~= nil then
    local weights = {}
    for i, sigma in ipairs(list_of(where, opt.sigma, #ys, #ys)) do
      if not (sigma > 0 and sigma < math.huge) then
        options.fail(where, "option 'sigma': element %d is %s: expected a positive number", i,
          sigma)
      end
      weights[i] = (ys[i] / sigma) ^ 2
      if not (weights[i] > 0 and weights[i] < math.huge) then
        options.fail(where, "option 'sigma': element %d is %g beside a y of %g: the square of "
          .. "their ratio is beyond what a number holds", i, sigma, ys[i])
      end
    end
    a, b, var_a, var_b = C.weighted_line(lx, ly, weights)
    residuals, factor = 0, C.normal_quantile((1 + opt.level) / 2)
    for i, value in ipairs(ly) do
      residuals = residuals + (value - a - b * lx[i]) ^ 2
    end
  else
    a, b, var_a, var_b, residuals = C.line(lx, ly)
    factor = C.t_quantile((1 + opt.level) / 2, #xs - 2)
  end
  if b ~= b then
    options.fail(where, "option 'sigma': the errors leave a single x that counts: no exponent can "
      .. "be told")
  end
  local error_a, error_b = math.sqrt(var_a), math.sqrt(var_b)
  return make({ exponent = b, exponent_error = error_b, exponent_low = b - factor * error_b,
    exponent_high = b + factor * error_b,
    factor = math.exp(a), factor_error = math.exp(a) * error_a,
    factor_low = math.exp(a - factor * error_a), factor_high = math.exp(a + factor * error_a),
    r2 = r_squared(ly, residuals), n = #xs }, function(self)
    return ("y = %.4g·x^%.4g; exponent %s, R² = %.4f, n = %d"):format(self.factor, self.exponent,
      interval_text(self.exponent, self.exponent_low, self.exponent_high, opt.level), self.r2,
      self.n)
  end)
end

--- Pearson's correlation.
-- @param x values, at least 2
-- @param y as many
-- @treturn number
function M.correlation(x, y)
  local where = "mgd.stats.correlation"
  local xs, ys = finite_list(where, x, 2), finite_list(where, y, 2)
  if #xs ~= #ys then
    options.fail(where, "x has %d values, y has %d: expected as many", #xs, #ys)
  end
  local dx, xx = moments.deviations(xs)
  local dy, yy = moments.deviations(ys)
  if not dx or not dy then
    options.fail(where, "all %s are equal: no correlation can be told", dx and "y" or "x")
  end
  local product, xy = xx * yy, 0
  for i = 1, #dx do
    xy = xy + dx[i] * dy[i]
  end
  local root = product > 1e-290 and product < math.huge and math.sqrt(product)
    or math.sqrt(xx) * math.sqrt(yy)
  return math.max(-1, math.min(1, xy / root))
end

-- ---- sequences that fill space -----------------------------------------------------------------

M.SEQUENCE = {
  { "skip", type = "integer", default = 0, min = 0, doc = "Points that are left out at first." },
}

local MOST = { sobol = 40, halton = 1229 }
local MOST_POINTS = 2 ^ 30 - 1 -- GSL's Sobol sequence has 30 bits

local function sequence(name)
  return function(n, d, opts)
    local where = "mgd." .. name
    local opt = options.check(where, M.SEQUENCE, opts)
    for _, count in ipairs { n or 0, d or 0 } do
      if type(count) ~= "number" or count % 1 ~= 0 or count < 1 then
        options.fail(where, "expected the number of points and of dimensions, got %s and %s",
          tostring(n), tostring(d))
      end
    end
    if d > MOST[name] then
      options.fail(where, "%s dimensions: expected at most %d", d, MOST[name])
    elseif n + opt.skip > MOST_POINTS then
      options.fail(where, "%s points, skipped ones included: expected at most 2^30 − 1",
        n + opt.skip)
    end
    return C.quasi(name, n, d, opt.skip)
  end
end

--- Points of Sobol's sequence (GSL's; Antonov and Saleev, 1979) in the unit cube.
-- @tparam integer n points
-- @tparam integer d dimensions, at most 40
-- @tparam[opt] table opts `skip`
-- @treturn tensor (n, d), f64
M.sobol = sequence "sobol"

--- Points of Halton's sequence (GSL's), at most 1229 dimensions; as `sobol`.
M.halton = sequence "halton"

return naming.module("mgd.stats", M)
