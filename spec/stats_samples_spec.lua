-- mgd.stats once more: one sample, bootstrap and success, against closed forms, published examples,
-- R 4.2.2, NumPy 1.24 and SciPy 1.10.

local core = require "mgd.core"
local mgd = require "mgd"
local statistics = require "spec.support.statistics"
local support = require "spec.support.train"

local stats, fails_here = mgd.stats, support.fails_here
local near, all_near = statistics.near, statistics.all_near
local nan, inf = 0 / 0, math.huge

local X = { 2.5, -1, 7, 3.25, 0, 12, 4.5, -6 }

describe("mgd.stats, one sample", function()
  it("has R's mean, sd and quantiles of type 7", function()
    near(2.78125, stats.mean(X), 1e-15)
    near(5.41399888517, stats.std(X), 1e-11)
    near(2.875, stats.median(X), 0)
    all_near({ -6, -2.5, -0.25, 2.875, 8.5, 12 },
      stats.quantile(X, { 0, 0.1, 0.25, 0.5, 0.9, 1 }), 1e-14)
    assert.equal(-0.25, stats.quantile(X, 0.25))
  end)

  it("takes tensors of every type and shape, and views", function()
    local t = mgd.tensor({ { 1, 2, 3 }, { 4, 5, 60 } }, { dtype = "f32" })
    assert.equal(12.5, stats.mean(t))
    assert.equal(3.5, stats.median(t))
    local column = mgd.tensor { { 1, 9 }, { 2, 7 }, { 3, 2 } }:transpose()[2]
    assert.equal(4.5, stats.median(column[{ { 2, 3 } }]))
    assert.equal(7, stats.median { 7 })
    assert.same({ 3, 1, 2 }, (function(list) stats.median(list) return list end) { 3, 1, 2 })
  end)

  it("does not multiply infinities with zero, nor wrap integers", function()
    assert.equal(2, stats.median { 1, 2, inf })
    assert.equal(inf, stats.median { 1, inf, inf, inf })
    assert.equal(inf, stats.quantile({ 1, 2, inf }, 0.75))
    assert.equal(-inf, stats.quantile({ -inf, 0, 1 }, 0))
    near(2 ^ 62, stats.mean { 2 ^ 63 - 1024, 0 }, 1024)
    near(2 ^ 62, stats.mean { math.maxinteger or 2 ^ 63, 1 }, 1024)
  end)

  it("is as exact as the values are, far from zero", function()
    local far = {}
    for i, value in ipairs(X) do
      far[i] = 1e9 + value
    end
    near(5.41399888517, stats.std(far), 1e-7)
  end)

  it("has bands over replicas that leave out nan, as numpy.nanquantile", function()
    local bands = stats.bands(mgd.tensor {
      { 1, 2, 3, 4 }, { 5, nan, 7, 1 }, { nan, nan, 2, 4 }, { nan, nan, nan, nan } })
    local expected = { { 1.75, 3, 2.5 }, { 2.5, 5, 3 }, { 3.25, 6, 3.5 } }
    for k = 1, 3 do
      local band = bands[k]:totable()
      assert.equal("f64", bands[k].dtype)
      assert.is_true(band[4] ~= band[4])
      all_near(expected[k], { band[1], band[2], band[3] }, 1e-15)
    end
    assert.equal(2, stats.bands(mgd.tensor { { 1, 2, 3 } }, { 0.5 })[1][1])
  end)

  it("has Pearson's correlation as R has it", function()
    local x = { 10, 20, 50, 100, 200, 500, 1000, 2000 }
    local y = { 3100, 1720, 640, 345, 190, 66, 35.5, 17.8 }
    near(-0.500099307534, stats.correlation(x, y), 1e-12)
    near(1, stats.correlation(mgd.tensor(x), x), 1e-15)
  end)

  it("refuses what is no sample, at the caller's line", function()
    fails_here("mgd.stats.mean: element 2 is nan", stats.mean, { 1, nan })
    fails_here("mgd.stats.mean: element 2 is string: expected a number", stats.mean, { 1, "2" })
    fails_here("mgd.stats.mean: expected values as a tensor or a list, got nil", stats.mean)
    fails_here("mgd.stats.median: expected at least 1 value, got 0", stats.median, {})
    fails_here("mgd.stats.std: expected at least 2 values, got 1", stats.std, { 1 })
    fails_here("mgd.stats.quantile: a quantile is asked for by a number from 0 to 1, got 1.5",
      stats.quantile, X, 1.5)
    fails_here("mgd.stats.quantile: a quantile is asked for by a number from 0 to 1, got nan",
      stats.quantile, X, math.abs(nan))
    fails_here("mgd.stats.quantile: expected quantiles as a list of numbers from 0 to 1, got nil",
      stats.quantile, X)
    fails_here("got an empty one", stats.quantile, X, {})
    fails_here("mgd.stats.bands: expected a tensor of two dimensions (T, R), got 1 dimensions",
      stats.bands, mgd.ones { 3 })
    fails_here("mgd.stats.bands: expected quantiles as a list", stats.bands, mgd.ones { 2, 2 }, 0.5)
    fails_here("mgd.stats.correlation: x has 2 values, y has 3: expected as many",
      stats.correlation, { 1, 2 }, { 1, 2, 3 })
    fails_here("mgd.stats.correlation: all y are equal", stats.correlation, { 1, 2 }, { 3, 3 })
  end)
end)

describe("mgd.stats.bootstrap", function()
  -- The draws again, from the words of the stream: number i of draw d picks value ⌊n·word/2^32⌋.
  local function means(list, resamples, seed)
    local out = {}
    for draw = 0, resamples - 1 do
      local sum, words = 0, nil
      for i = 0, #list - 1 do
        if i % 4 == 0 then
          words = { core.base.random_words(seed, 10, 0, draw, math.floor(i / 4)) }
        end
        sum = sum + list[math.floor(words[i % 4 + 1] * #list / 2 ^ 32) + 1]
      end
      out[draw + 1] = sum / #list
    end
    table.sort(out)
    return out
  end

  it("draws from its Philox stream, so that anybody can draw the same", function()
    -- 2.5 % of 201 means lies on place 6 exactly
    local interval = stats.bootstrap(X, "mean", { resamples = 201, seed = 7 })
    local sorted = means(X, 201, 7)
    near(stats.mean(X), interval.value, 0)
    near(sorted[6], interval.low, 1e-14)
    near(sorted[196], interval.high, 1e-14)
    assert.equal(stats.bootstrap(X).low, stats.bootstrap(X, "mean", { seed = 1 }).low)
    assert.not_equal(stats.bootstrap(X).low, stats.bootstrap(X, "mean", { seed = 2 }).low)
  end)

  it("gives a function the same draws as its own statistics", function()
    for _, name in ipairs { "mean", "median" } do
      local own = stats.bootstrap(X, name, { resamples = 300 })
      local user = stats.bootstrap(X, stats[name], { resamples = 300 })
      near(own.low, user.low, 1e-14)
      near(own.high, user.high, 1e-14)
      assert.equal(own.value, user.value)
    end
  end)

  it("has the spread that the mean of resamples has: s_n/√n", function()
    -- ±z·s_n/√n with s_n² = Σ(x − x̄)²/n. 20,000 resamples: the standard error of a bound is
    -- √(p(1 − p)/20000)/φ(z) = 1.9 % of s_n/√n; three of them, and as much for X being no normal.
    local values = {}
    for i = 1, 64 do
      values[i] = i
    end
    local spread = math.sqrt((64 ^ 2 - 1) / 12 / 64)
    local b = stats.bootstrap(values, "mean", { resamples = 20000 })
    near(32.5 - 1.95996 * spread, b.low, 0.1 * spread)
    near(32.5 + 1.95996 * spread, b.high, 0.1 * spread)
  end)

  it("covers the mean as often as it says", function()
    -- 1,000 samples of 40 normal values, 400 resamples each. The percentile interval is that of a
    -- normal distribution with s_n for s: P(|t_39| < 1.96·√(39/40)) = 0.940. The standard error of
    -- a share of 1,000 is 0.0075; four of them.
    local draws, covered = mgd.randn({ 1000, 40 }, { seed = 5 }):totable(), 0
    for i, sample in ipairs(draws) do
      local b = stats.bootstrap(sample, "mean", { resamples = 400, seed = i })
      covered = covered + (b.low <= 0 and b.high >= 0 and 1 or 0)
    end
    near(0.940, covered / 1000, 0.03, "coverage")
  end)

  it("prints, and refuses what it cannot do", function()
    assert.equal("∞ (1 … ∞ at 95 %)", tostring(stats.bootstrap { 1, math.huge }))
    assert.equal("2 (2 … 2 at 90 %)", tostring(stats.bootstrap({ 2, 2, 2 }, nil, { level = 0.9 })))
    fails_here("mgd.stats.bootstrap: the statistic must be \"mean\", \"median\" or a function of a "
      .. "list, got mode", stats.bootstrap, X, "mode")
    fails_here("mgd.stats.bootstrap: the statistic returned string: expected a number",
      stats.bootstrap, X, function() return "a" end)
    fails_here("mgd.stats.bootstrap: the statistic returned nan: expected a number",
      stats.bootstrap, X, function() return nan end)
    fails_here("unknown option 'sed' (did you mean 'seed'?)", stats.bootstrap, X, "mean",
      { sed = 1 })
    fails_here("option 'level'", stats.bootstrap, X, "mean", { level = 95 })
    fails_here("expected at least 2 values, got 1", stats.bootstrap, { 1 })
  end)
end)

describe("mgd.stats.success", function()
  it("has the intervals of Newcombe (Stat. Med. 17, 857, 1998, table I) and of SciPy", function()
    local examples = { -- k, n, Wilson's interval as published to four places, and by SciPy
      { 81, 263, 0.2553, 0.3662, 0.2552885198782742, 0.36620957698280004 },
      { 15, 148, 0.0624, 0.1605, 0.06238639953073629, 0.16048724172330803 },
      { 0, 20, 0, 0.1611, 0, 0.16112515805281935 },
      { 1, 29, 0.0061, 0.1718, 0.006113214292762667, 0.17175521879320282 },
    }
    for _, e in ipairs(examples) do
      local s = stats.success(e[1], e[2])
      near(e[1] / e[2], s.rate, 1e-15)
      near(e[3], s.low, 0.5e-4)
      near(e[4], s.high, 0.5e-4)
      near(e[5], s.low, 1e-12)
      near(e[6], s.high, 1e-12)
    end
    local s = stats.success(9, 10, { level = 0.99 })
    near(0.49276822876710646, s.low, 1e-12)
    near(0.9881484965889671, s.high, 1e-12)
  end)

  it("ends at 0 and 1, and is the mirror of failure", function()
    assert.equal(0, stats.success(0, 7).low)
    assert.equal(1, stats.success(7, 7).high)
    near(1 - stats.success(2, 7).low, stats.success(5, 7).high, 1e-15)
  end)

  it("covers the rate as often as it says, by simulation", function()
    -- 4,000 experiments of 32 runs at rates from 0.1 to 0.9. Summed over all outcomes the coverage
    -- is that of the binomial distribution, worked out here; the simulated one is within four
    -- standard errors, 4·√(0.05·0.95/4000) = 0.014. Both are near 0.95 on the average.
    local N, sum = 32, 0
    for step, rate in ipairs { 0.1, 0.3, 0.5, 0.7, 0.9 } do
      local exact, probability, covers = 0, (1 - rate) ^ N, {}
      for k = 0, N do
        local s = stats.success(k, N)
        covers[k] = s.low <= rate and rate <= s.high
        exact = exact + (covers[k] and probability or 0)
        probability = probability * (N - k) / (k + 1) * rate / (1 - rate)
      end
      local hits = 0
      for _, row in ipairs(mgd.rand({ 4000, N }, { seed = step }):totable()) do
        local k = 0
        for _, u in ipairs(row) do
          k = k + (u < rate and 1 or 0)
        end
        hits = hits + (covers[k] and 1 or 0)
      end
      near(exact, hits / 4000, 0.014, "coverage at " .. rate)
      sum = sum + exact
    end
    near(0.95, sum / 5, 0.015, "mean coverage")
  end)

  it("prints, and refuses what is no count", function()
    assert.equal("0.9375 (0.716713 … 0.988881 at 95 %)", tostring(stats.success(15, 16)))
    fails_here("mgd.stats.success: expected whole numbers of successes and of runs, got 1.5 and 2",
      stats.success, 1.5, 2)
    fails_here("got nil and nil", stats.success)
    fails_here("got inf and inf", stats.success, inf, inf)
    fails_here("mgd.stats.success: 3 successes of 2 runs", stats.success, 3, 2)
    fails_here("0 successes of 0 runs: expected at least one run", stats.success, 0, 0)
    fails_here("unknown option", stats.success, 1, 2, { leve = 0.9 })
  end)
end)
