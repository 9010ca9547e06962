--- Statistics against closed forms, published worked examples, and simulation.

local mgd = require "mgd"
local support = require "spec.support.train"

local fails = support.fails
local stats = mgd.stats
local NAN = 0 / 0

local function near(expected, actual, tolerance)
  assert.near(expected, actual, tolerance or 1e-12 * math.max(1, math.abs(expected)))
end

describe("mgd.stats", function()
  it("has quantiles of type 7", function()
    -- by hand: place 1 + (n − 1)·q between the sorted values
    near(2.5, stats.median { 10, 1, 3, 2 })
    assert.same({ 1, 1.75, 3.7, 4 }, stats.quantile({ 4, 2, 1, 3 }, { 0, 0.25, 0.9, 1 }))
    near(7, stats.quantile({ 7 }, 0.3))
    near(3, stats.median(mgd.tensor { { 1, 5 }, { 3, 3 } }))
  end)

  it("has mean, deviation and correlation", function()
    local x = { 2, 4, 4, 4, 5, 5, 7, 9 }
    near(5, stats.mean(x))
    near(math.sqrt(32 / 7), stats.std(x))
    near(1, stats.correlation({ 1, 2, 3 }, { 2, 4, 6 }))
    near(-0.5, stats.correlation({ 1, 2, 3 }, { 3, 1, 2 }))
  end)

  it("has bands over replicas, without those that are nan", function()
    local bands = stats.bands(mgd.tensor({ { 1, 2, 3, 4, 5 }, { NAN, 7, NAN, 9, NAN },
      { NAN, NAN, NAN, NAN, NAN } }, { dtype = "f64" }))
    assert.same(3, #bands)
    assert.same({ 2, 3, 4 }, { bands[1][1], bands[2][1], bands[3][1] })
    assert.same({ 7.5, 8, 8.5 }, { bands[1][2], bands[2][2], bands[3][2] })
    assert.is_true(bands[2][3] ~= bands[2][3])
  end)

  describe("Wilson's interval", function()
    it("is the published one", function()
      -- Newcombe, Stat. Med. 17, 857 (1998), table I, method 3: 81/263, 15/148, 0/20, 1/29
      for _, case in ipairs { { 81, 263, 0.2553, 0.3662 }, { 15, 148, 0.0624, 0.1605 },
        { 0, 20, 0, 0.1611 }, { 1, 29, 0.0061, 0.1718 } } do
        local s = stats.success(case[1], case[2])
        near(case[3], s.low, 5e-5)
        near(case[4], s.high, 5e-5)
      end
      assert.same(1, stats.success(5, 5).high)
    end)

    it("holds the true rate about as often as it says", function()
      -- all outcomes of n = 30 at p = 0.9, weighted by the binomial law: an exact coverage. It is
      -- 0.974 there; Wilson's stays within 0.93 … 0.98 for this n.
      for _, p in ipairs { 0.1, 0.5, 0.9 } do
        local coverage, weight = 0, (1 - p) ^ 30
        for k = 0, 30 do
          local s = stats.success(k, 30)
          coverage = coverage + (s.low <= p and p <= s.high and weight or 0)
          weight = weight * (30 - k) / (k + 1) * p / (1 - p)
        end
        assert.is_true(coverage > 0.93 and coverage < 0.985, coverage)
      end
    end)
  end)

  describe("the bootstrap", function()
    it("holds the mean about as often as it says", function()
      -- 400 samples of 30 uniform values; the percentile interval of a mean covers a little less
      -- than 95 %: 0.93 expected at this n; σ of the share 0.013; 3 σ below, 2 σ above
      local x, hits = mgd.rand({ 400, 30 }, { seed = 5, dtype = "f64" }):totable(), 0
      for i, sample in ipairs(x) do
        local b = stats.bootstrap(sample, "mean", { resamples = 400, seed = i })
        hits = hits + (b.low <= 0.5 and 0.5 <= b.high and 1 or 0)
      end
      assert.is_true(hits / 400 > 0.89 and hits / 400 < 0.965, hits / 400)
    end)

    it("is the same each time, and another for another seed", function()
      local x = { 3, 1, 4, 1, 5, 9, 2, 6 }
      local a, b = stats.bootstrap(x, "median"), stats.bootstrap(x, "median")
      assert.same({ a.low, a.high }, { b.low, b.high })
      local c = stats.bootstrap(x, "mean", { seed = 2, resamples = 200 })
      local d = stats.bootstrap(x, "mean", { seed = 3, resamples = 200 })
      assert.is_true(c.low ~= d.low or c.high ~= d.high)
    end)

    it("takes a function, which sees what the named statistics see", function()
      local x = { 3, 1, 4, 1, 5, 9, 2, 6 }
      local named = stats.bootstrap(x, "mean", { resamples = 300 })
      local own = stats.bootstrap(x, function(list)
        return stats.mean(list)
      end, { resamples = 300 })
      near(named.low, own.low, 1e-12)
      near(named.high, own.high, 1e-12)
      near(31 / 8, own.value)
    end)
  end)

  describe("time to solution", function()
    -- Freireich et al., Blood 21, 699 (1963): weeks in remission under 6-MP, + censored, as worked
    -- through in Kleinbaum and Klein, Survival Analysis, chapter 2
    local TIMES = { 6, 6, 6, NAN, 7, NAN, 10, NAN, NAN, 13, 16, NAN, NAN, NAN, 22, 23, NAN, NAN,
      NAN,
      NAN, NAN }
    local ENDS = { 6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35 }

    it("counts runs that never solved as censored", function()
      local t = stats.time_to_solution(TIMES, { budget = ENDS })
      assert.same({ 9, 21 }, { t.solved, t.n })
      assert.same({ 6, 7, 10, 13, 16, 22, 23 }, t.time:totable())
      for i, s in ipairs { 0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482 } do
        near(s, t.survival[i], 5e-5)
      end
      assert.same(23, t.median)
      -- R's survfit(conf.type = "log-log") gives for the first and last: 0.620 … 0.952, 0.188 …
      -- 0.680
      near(0.6197, t.lower[1], 5e-5)
      near(0.9516, t.upper[1], 5e-5)
      near(0.1881, t.lower[7], 5e-5)
      near(0.6801, t.upper[7], 5e-5)
      assert.same({ 13, math.huge }, { t.low, t.high })
      assert.same(13, (t:quantile(0.25))) -- 0.7529 is still above three quarters
    end)

    it("is the plain median where all solved", function()
      local t = stats.time_to_solution({ 5, 1, 3, 2, 4 }, { budget = 10 })
      assert.same(3, t.median)
      assert.same({ 0.8, 0.6, 0.4, 0.2, 0 }, (function()
        local out = {}
        for i, s in ipairs(t.survival:totable()) do
          out[i] = tonumber(("%.12g"):format(s))
        end
        return out
      end)())
    end)

    it("is infinite where nobody solved", function()
      local t = stats.time_to_solution({ NAN, NAN }, { budget = 100 })
      assert.same({ math.huge, math.huge, math.huge, 0 }, { t.median, t.low, t.high, t.solved })
      assert.truthy(tostring(t):find("0 of 2 solved", 1, true))
    end)

    it("finds the median of what it is given", function()
      -- 2000 exponential times, budget 2: the interval of the median holds ln 2; its half width is
      -- about 1.96·1/√2000 = 0.044
      local u, times = mgd.rand({ 2000 }, { seed = 9, dtype = "f64" }):totable(), {}
      for i, value in ipairs(u) do
        local time = -math.log(value)
        times[i] = time <= 2 and time or NAN
      end
      local t = stats.time_to_solution(times, { budget = 2 })
      near(math.log(2), t.median, 0.066) -- 3 σ
      assert.is_true(t.low < math.log(2) and math.log(2) < t.high)
      near(0.088, t.high - t.low, 0.02)
    end)
  end)

  describe("a power law", function()
    it("is found exactly", function()
      local x, y = { 1, 2, 4, 8 }, {}
      for i, value in ipairs(x) do
        y[i] = 3 * value ^ -1.5
      end
      local fit = stats.power_law(x, y)
      near(-1.5, fit.exponent)
      near(3, fit.factor, 1e-11)
      near(1, fit.r2)
      near(0, fit.exponent_error, 1e-9)
    end)

    it("has the errors of a line through logarithms", function()
      -- by hand: ln x = 0, 1, 2; ln y = 0, 1, 1: slope 1/2, intercept 1/6, residuals −1/6, 1/3,
      -- −1/6, s² = (1/6)/1, var slope = s²/2, var intercept = s²·(1/3 + 1/2)
      local e = math.exp(1)
      local fit = stats.power_law({ 1, e, e * e }, { 1, e, e })
      near(0.5, fit.exponent)
      near(math.exp(1 / 6), fit.factor)
      near(math.sqrt(1 / 12), fit.exponent_error)
      near(math.exp(1 / 6) * math.sqrt(5 / 36), fit.factor_error)
      -- Student's t with one degree of freedom is Cauchy's: tan(0.475·π)
      near(0.5 + math.tan(0.475 * math.pi) * math.sqrt(1 / 12), fit.exponent_high, 1e-9)
      near(0.75, fit.r2)
    end)

    it("weighs by given errors", function()
      local fit = stats.power_law({ 1, 2, 4 }, { 2, 4, 100 }, { sigma = { 0.01, 0.01, 1e6 } })
      near(1, fit.exponent, 1e-6)
      near(2, fit.factor, 1e-6)
    end)
  end)

  describe("sequences", function()
    it("are van der Corput's in the first dimensions", function()
      assert.same({ { 0.5 }, { 0.75 }, { 0.25 }, { 0.375 } }, mgd.sobol(4, 1):totable())
      local halton = mgd.halton(3, 2):totable()
      for i, row in ipairs { { 1 / 2, 1 / 3 }, { 1 / 4, 2 / 3 }, { 3 / 4, 1 / 9 } } do
        near(row[1], halton[i][1])
        near(row[2], halton[i][2])
      end
    end)

    it("skip, and fill space evenly", function()
      assert.same(mgd.sobol(5, 3):totable()[5], mgd.sobol(1, 3, { skip = 4 }):totable()[1])
      local counts = {}
      for _, point in ipairs(mgd.sobol(255, 2):totable()) do -- and the origin, which GSL leaves out
        local cell = math.floor(point[1] * 16) * 16 + math.floor(point[2] * 16)
        counts[cell] = (counts[cell] or 0) + 1
      end
      for cell = 1, 255 do
        assert.same(1, counts[cell], "cell " .. cell)
      end
    end)
  end)

  describe("refuses", function()
    for what, case in pairs {
      ["no values"] = { "expected at least 1 value, got 0", stats.median, {} },
      ["nan"] = { "element 2 is nan", stats.mean, { 1, NAN } },
      ["text"] = { "element 1 is string: expected a number", stats.mean, { "a" } },
      ["a number alone"] = { "expected values as a tensor or a list, got number", stats.mean, 3 },
      ["more successes than runs"] = { "3 successes of 2 runs", stats.success, 3, 2 },
      ["half a success"] = { "expected whole numbers", stats.success, 1.5, 2 },
      ["a quantile beyond 1"] = { "from 0 to 1, got 1.5", stats.quantile, { 1 }, 1.5 },
      ["an unknown statistic"] = { "\"mean\", \"median\" or a function", stats.bootstrap, { 1, 2 },
        "max" },
      ["an unknown option"] = { "did you mean 'level'", stats.success, 1, 2, { levle = 0.9 } },
      ["a time beyond the budget"] = { "run 1 solved at step 11, beyond its budget of 10",
        stats.time_to_solution, { 11 }, { budget = 10 } },
      ["budgets of another number"] = { "expected 2 values, got 1", stats.time_to_solution, { 1,
        2 },
        { budget = { 3 } } },
      ["a power law through 0"] = { "element 2 of y is 0", stats.power_law, { 1, 2, 3 }, { 1, 0,
        1 } },
      ["lists of unlike lengths"] = { "x has 3 values, y has 4", stats.power_law, { 1, 2, 3 },
        { 1, 2, 3, 4 } },
      ["one x"] = { "no exponent can be told", stats.power_law, { 2, 2, 2 }, { 1, 2, 3 } },
      ["too many dimensions"] = { "41 dimensions: expected at most 40", mgd.sobol, 3, 41 },
      ["a tensor of one dimension"] = { "two dimensions (T, R)", stats.bands, mgd.ones { 3 } },
    } do
      it(what, function()
        local message = fails(case[1], case[2], case[3], case[4], case[5])
        assert.truthy(message:find("mgd.stats", 1, true) or message:find("mgd.sobol", 1, true)
          or message:find("time_to_solution", 1, true), message)
      end)
    end

    it("at the caller's line", function()
      local line = debug.getinfo(1, "l").currentline + 2
      local message = fails("mgd.stats.median", function()
        stats.median {}
      end)
      assert.truthy(message:find("stats_spec.lua:" .. line, 1, true), message)
    end)
  end)
end)
