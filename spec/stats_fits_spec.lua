-- mgd.stats: time to solution and power laws, against R 4.2.2 (its package survival 3.5-3, lm) and
-- closed forms.

local mgd = require "mgd"
local statistics = require "spec.support.statistics"
local support = require "spec.support.train"

local stats, fails_here = mgd.stats, support.fails_here
local near, all_near = statistics.near, statistics.all_near
local nan, inf = 0 / 0, math.huge

-- Weeks of remission in leukaemia (Freireich et al., Blood 21, 699, 1963), the example of most
-- textbooks: 21 patients with 6-mercaptopurine, of whom 12 had not relapsed when last seen, and 21
-- with a placebo. Expected values: summary and quantile of
--     survfit(Surv(weeks, relapsed) ~ 1, conf.type = "log-log")
local SEEN = { 6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35 }
local RELAPSED = { 6, 6, 6, nan, 7, nan, 10, nan, nan, 13, 16, nan, nan, nan, 22, 23, nan, nan, nan,
  nan, nan }
local PLACEBO = { 1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23 }

describe("mgd.stats.time_to_solution", function()
  it("is Kaplan and Meier's estimate with log-log intervals", function()
    local t = stats.time_to_solution(RELAPSED, { budget = SEEN })
    assert.same({ 6, 7, 10, 13, 16, 22, 23 }, t.time:totable())
    all_near({ 0.857142857143, 0.806722689076, 0.752941176471, 0.690196078431, 0.627450980392,
      0.537815126050, 0.448179271709 }, t.survival:totable(), 1e-12, "survival")
    all_near({ 0.619717955266, 0.563146564622, 0.503199510800, 0.431610222486, 0.367510855988,
      0.267778936767, 0.188052005959 }, t.lower:totable(), 1e-11, "lower")
    all_near({ 0.951551747647, 0.922809019203, 0.889361835169, 0.849065963349, 0.804912189472,
      0.746790717635, 0.680142628495 }, t.upper:totable(), 1e-11, "upper")
    assert.equal(9, t.solved)
    assert.equal(21, t.n)
  end)

  it("takes another level", function()
    local t = stats.time_to_solution(mgd.tensor(RELAPSED), { budget = mgd.tensor(SEEN),
      level = 0.9 })
    all_near({ 0.671106780592, 0.612478543986, 0.551123381928, 0.478700309674, 0.412612768006,
      0.311214080582, 0.226462088245 }, t.lower:totable(), 1e-11, "lower")
    all_near({ 0.942159405720, 0.910197832847, 0.873581243274, 0.829761065020, 0.782391224443,
      0.719233187225, 0.648113584140 }, t.upper:totable(), 1e-11, "upper")
  end)

  it("has Brookmeyer and Crowley's intervals of quantiles, infinite where not reached", function()
    local t = stats.time_to_solution(RELAPSED, { budget = SEEN })
    assert.same({ 23, 13, inf }, { t.median, t.low, t.high })
    assert.same({ 6, 6, 10 }, { t:quantile(0.1) })
    assert.same({ 13, 6, 22 }, { t:quantile(0.25) })
    assert.same({ inf, 23, inf }, { t:quantile(0.75) })
    t = stats.time_to_solution(PLACEBO, { budget = 30 })
    assert.same({ 8, 4, 11 }, { t.median, t.low, t.high })
    assert.same({ 4, 1, 5 }, { t:quantile(0.25) })
    assert.same({ 12, 8, 22 }, { t:quantile(0.75) })
  end)

  it("is the empirical distribution where all have solved", function()
    -- Greenwood's variance is then S(1 − S)/n, R's bounds follow from it.
    local t = stats.time_to_solution(PLACEBO, { budget = 23 })
    local n, z = #PLACEBO, 1.959963984540054
    for i, time in ipairs(t.time:totable()) do
      local later = 0
      for _, week in ipairs(PLACEBO) do
        later = later + (week > time and 1 or 0)
      end
      local s = later / n
      near(s, t.survival[i], 1e-12)
      if s > 0 then
        local half = z * math.sqrt((1 - s) / (n * s)) / -math.log(s)
        near(s ^ math.exp(half), t.lower[i], 1e-12)
        near(s ^ math.exp(-half), t.upper[i], 1e-12)
      end
    end
    near(0.67004588223503, t.lower[1], 1e-12)
    near(0.197044905699, t.upper[11], 1e-11)
    -- after the last one R has NA; here what was known before
    assert.same({ 0, t.upper[11] }, { t.lower[12], t.upper[12] })
  end)

  it("does not claim to know a median from a run or two that have solved", function()
    local one = stats.time_to_solution({ 5 }, { budget = 10 })
    assert.same({ 5, 5, inf }, { one.median, one.low, one.high })
    near(0.975, one.upper[1], 1e-15)
    -- none of n unsolved: at most 1 − 0.025^(1/n) are (Clopper and Pearson); below ½ from n = 6
    for n = 2, 8 do
      local list = {}
      for i = 1, n do
        list[i] = 100
      end
      local t = stats.time_to_solution(list, { budget = 100 })
      near(1 - 0.025 ^ (1 / n), t.upper[1], 1e-15)
      assert.same({ 100, n < 6 and inf or 100 }, { t.median, t.high })
    end
  end)

  it("knows what no run has solved", function()
    local t = stats.time_to_solution({ nan, nan }, { budget = 10 })
    assert.same({ inf, inf, inf, 0 }, { t.median, t.low, t.high, t.solved })
    assert.equal(0, t.time.size)
    assert.equal("0 of 2 solved; median time to solution ∞ (∞ … ∞ at 95 %) steps", tostring(t))
  end)

  it("counts a run that ends when others solve as one that was at risk", function()
    -- 4 at risk at step 10, one solves: S = 3/4, wherever the censored one stands in the list
    for _, steps in ipairs { { 10, nan, 20, 30 }, { nan, 10, 20, 30 } } do
      local budget = { 10, 10, 40, 40 }
      assert.equal(0.75, stats.time_to_solution(steps, { budget = budget }).survival[1])
    end
  end)

  it("covers the median as often as it says", function()
    -- 1,000 ensembles of 32 runs whose times are exponential with median ln 2, of which a third are
    -- censored at 1.1. S jumps by 1/32, and the interval ends at jumps on the safe side: 20,000
    -- ensembles had 0.966 in place of 0.95. Four standard errors of a share of 1,000 are 0.023.
    local rows, covered = mgd.rand({ 1000, 32 }, { seed = 9 }):totable(), 0
    for _, row in ipairs(rows) do
      for i, u in ipairs(row) do
        local time = -math.log(1 - u)
        row[i] = time <= 1.1 and time or nan
      end
      local t = stats.time_to_solution(row, { budget = 1.1 })
      covered = covered + (t.low <= math.log(2) and math.log(2) <= t.high and 1 or 0)
    end
    near(0.966, covered / 1000, 0.023, "coverage")
  end)

  it("prints", function()
    assert.equal("9 of 21 solved; median time to solution 23 (13 … ∞ at 95 %) steps",
      tostring(stats.time_to_solution(RELAPSED, { budget = SEEN })))
  end)

  it("refuses what cannot be, at the caller's line", function()
    local f = stats.time_to_solution
    fails_here("mgd.stats.time_to_solution: option 'budget' is missing", f, { 1, 2 })
    fails_here("run 2 solved at step 20, beyond its budget of 10 steps", f, { 1, 20 },
      { budget = 10 })
    fails_here("run 1 solved at step 3, beyond its budget of 2 steps", f, { 3, nan },
      { budget = { 2, 2 } })
    fails_here("expected 2 values, got 1", f, { 1, 2 }, { budget = { 3 } })
    fails_here("element 2 is nan", f, { 1, 2 }, { budget = { 3, nan } })
    fails_here("expected at least 1 value, got 0", f, {}, { budget = 3 })
    fails_here("option 'budget' must be a number, a list or a tensor, got string", f, { 1 },
      { budget = "3" })
    fails_here("run 1, its budget: step -1: expected 0 or more", f, { nan }, { budget = -1 })
    fails_here("run 2, solved at step -3: expected 0 or more", f, { 1, -3 }, { budget = 10 })
    fails_here("(did you mean 'budget'?)", f, { 1 }, { budgt = 10 })
    local t = f({ 1 }, { budget = 10 })
    fails_here("time_to_solution:quantile: expected a number between 0 and 1, got 50", t.quantile,
      t, 50)
  end)
end)

-- Expected values: lm(log(y) ~ log(x)) of R, with confint and summary.
local X = { 10, 20, 50, 100, 200, 500, 1000, 2000 }
local Y = { 3100, 1720, 640, 345, 190, 66, 35.5, 17.8 }

describe("mgd.stats.power_law", function()
  it("is the line that R fits to the logarithms", function()
    local p = stats.power_law(X, mgd.tensor(Y))
    near(-0.980254430761, p.exponent, 1e-11)
    near(0.0116318019708, p.exponent_error, 1e-12)
    near(-1.00871642485, p.exponent_low, 1e-10)
    near(-0.951792436669, p.exponent_high, 1e-10)
    near(math.exp(10.341268398743), p.factor, 1e-6)
    near(math.exp(10.341268398743) * 0.0614083340358, p.factor_error, 1e-6)
    near(math.exp(10.19100761843), p.factor_low, 1e-6)
    near(math.exp(10.491529179054), p.factor_high, 1e-6)
    near(0.999155886447, p.r2, 1e-11)
    assert.equal(8, p.n)
    p = stats.power_law(X, Y, { level = 0.8 })
    near(-0.9970013845, p.exponent_low, 1e-9)
    near(-0.963507477023, p.exponent_high, 1e-9)
  end)

  it("weighs by standard errors as the normal equations do", function()
    -- solve(t(X) %*% (w*X)) in R, with w = (y/sigma)^2
    local p = stats.power_law(X, Y, { sigma = { 300, 100, 60, 20, 25, 4, 3, 1.5 } })
    near(-0.988488194623, p.exponent, 1e-11)
    near(0.0158084895038, p.exponent_error, 1e-12)
    near(math.exp(10.379001510607), p.factor, 1e-6)
    near(math.exp(10.379001510607) * 0.0818828054091, p.factor_error, 1e-6)
    near(-0.988488194623 + 1.959963984540054 * 0.0158084895038, p.exponent_high, 1e-10)
  end)

  it("finds a law that holds exactly", function()
    local y = {}
    for i, x in ipairs(X) do
      y[i] = 3 * x ^ 1.5
    end
    local p = stats.power_law(X, y)
    near(1.5, p.exponent, 1e-13)
    near(3, p.factor, 1e-12)
    near(0, p.exponent_error, 1e-13)
    near(1, p.r2, 1e-14)
    assert.equal("y = 3·x^1.5; exponent 1.5 (1.5 … 1.5 at 95 %), R² = 1.0000, n = 8", tostring(p))
  end)

  it("covers the exponent as often as it says", function()
    -- 1,000 fits to 5 points with lognormal errors: Student's interval is exact; four standard
    -- errors of a share of 1,000.
    local x, covered = { 1, 2, 4, 8, 16 }, 0
    for _, row in ipairs(mgd.randn({ 1000, 5 }, { seed = 3 }):totable()) do
      local y = {}
      for i, e in ipairs(row) do
        y[i] = 2 * x[i] ^ -0.7 * math.exp(0.3 * e)
      end
      local p = stats.power_law(x, y)
      covered = covered + (p.exponent_low <= -0.7 and -0.7 <= p.exponent_high and 1 or 0)
    end
    near(0.95, covered / 1000, 0.028, "coverage")
  end)

  it("refuses what has no logarithm or no exponent, at the caller's line", function()
    local f = stats.power_law
    fails_here("mgd.stats.power_law: expected at least 3 values, got 2", f, { 1, 2 }, { 1, 2 })
    fails_here("x has 3 values, y has 4", f, { 1, 2, 3 }, { 1, 2, 3, 4 })
    fails_here("element 2 of x is 0: a power law takes positive numbers", f, { 1, 0, 3 },
      { 1, 2, 3 })
    fails_here("element 3 of y is -1", f, { 1, 2, 3 }, { 1, 2, -1 })
    fails_here("element 1 of y is inf", f, { 1, 2, 3 }, { inf, 2, 1 })
    fails_here("all x are equal: no exponent can be told", f, { 2, 2, 2 }, { 1, 2, 3 })
    fails_here("option 'sigma': element 2 is 0: expected a positive number", f, { 1, 2, 3 },
      { 1, 2, 3 }, { sigma = { 1, 0, 1 } })
    fails_here("expected 3 values, got 2", f, { 1, 2, 3 }, { 1, 2, 3 }, { sigma = { 1, 1 } })
  end)
end)
