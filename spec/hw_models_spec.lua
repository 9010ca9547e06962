-- Models of hardware against their formulas, computed here in plain Lua.
--
-- Statistical checks take n devices or events, n = 20,000, and allow 4 standard errors: σ/√n for a
-- mean, σ/√(2n) for a standard deviation of normal numbers, √(6/n) for a skewness, √(24/n) for a
-- kurtosis, √(p·(1 − p)/n) for a share, 1/√n for a correlation. A good model misses one of these
-- once in 16,000; the seeds are fixed, so it either does or not. Exact checks take f64 and 1e-12.

local mgd = require "mgd"
local devices = require "spec.support.models"
local stats = require "spec.support.statistics"

local near, normal = stats.near, stats.normal
local constant, spread, row, chain = devices.constant, devices.spread, devices.row, devices.chain
local all_near, map = devices.all_near, devices.map
local share, is_share = devices.share, devices.is_share
local N, TYPES, GRID = devices.N, devices.TYPES, devices.GRID

local hw = mgd.hw
local quick = os.getenv "MGD_SPEC_QUICK" ~= nil

describe("noise", function()
  it("is normal: moments, and Kolmogorov–Smirnov at a level of 1e-4", function()
    for _, dtype in ipairs(TYPES) do
      local v = hw.noise { sigma = 0.5 }:apply(constant(N, 0, dtype)):totable()[1]
      local m = stats.moments(v)
      normal(v, 0, 0.5)
      near(0, m.skewness, 4 * math.sqrt(6 / N), "skewness")
      near(3, m.kurtosis, 4 * math.sqrt(24 / N), "kurtosis")
      assert.is_true(stats.kolmogorov(v, function(x)
        return stats.normal_cdf(x / 0.5)
      end) < stats.kolmogorov_bound(1e-4))
    end
  end)

  it("is uniform on ±√3σ: bounds, moments, Kolmogorov–Smirnov at 1e-4", function()
    local most = math.sqrt(3) * 0.5
    for _, dtype in ipairs(TYPES) do
      local model = hw.noise { sigma = 0.5, distribution = "uniform" }
      local v = model:apply(constant(N, 0, dtype)):totable()[1]
      local m = stats.moments(v)
      near(0, m.mean, 4 * 0.5 / math.sqrt(N), "mean")
      -- the variance of x² of a uniform x is 4/5·σ⁴: that of the sd is σ²/(5n)
      near(0.5, m.sd, 4 * 0.5 / math.sqrt(5 * N), "sd")
      table.sort(v)
      near(-most, v[1], 0.02, "lowest")
      near(most, v[#v], 0.02, "highest")
      assert.is_true(share(v, function(x) return math.abs(x) > most * (1 + 1e-6) end) == 0)
      assert.is_true(stats.kolmogorov(v, function(x)
        return math.min(1, math.max(0, (x + most) / (2 * most)))
      end) < stats.kolmogorov_bound(1e-4))
    end
  end)

  it("follows the value by its law: σ, σ·|v|, σ·scale²/(scale·|v|)", function()
    for _, w in ipairs { -0.8, 0.3, 2 } do
      normal(spread(hw.noise { sigma = 0.1 }, w), w, 0.1, "additive")
      normal(spread(hw.noise { sigma = 0.1, law = "proportional" }, w), w, 0.1 * math.abs(w),
        "proportional")
      normal(spread(hw.noise { sigma = 0.1, law = "inverse", scale = 0.5 }, w), w,
        0.1 * 0.5 / math.abs(w), "inverse")
    end
    -- below scale/100 the value counts as that
    normal(spread(hw.noise { sigma = 0.1, law = "inverse", scale = 0.5 }, 0), 0, 0.1 * 100, "floor")
    all_near({ 0, 0 }, row(hw.noise { sigma = 0.1, law = "proportional" }, { 0, 0 }), 0)
  end)

  it("is independent between times, between devices, between seeds and replicas", function()
    local model = hw.noise { sigma = 1 }
    local rows = model:apply(mgd.zeros({ 3, N }, { dtype = "f64" })):totable()
    local others = { seed = { seed = 2 }, replica = { replica = 2 } }
    local bound = 4 / math.sqrt(N)
    near(0, stats.correlation(rows[1], rows[2]), bound, "next row")
    near(0, stats.correlation(rows[1], rows[3]), bound, "row after")
    local left, right = {}, {}
    for i = 1, N - 1 do
      left[i], right[i] = rows[1][i], rows[1][i + 1]
    end
    near(0, stats.correlation(left, right), bound, "next column")
    for name, opts in pairs(others) do
      near(0, stats.correlation(rows[1], spread(model, 0, opts)), bound, name)
    end
    -- noise of noise: not of one size where another is large
    local function squares(list) return map(list, function(x) return x * x end) end
    near(0, stats.correlation(squares(rows[1]), squares(rows[2])), bound, "squares")
    near(0, stats.correlation(squares(left), squares(right)), bound, "squares of neighbours")
  end)

  it("comes again with the same seed, and is another one in another stage or place", function()
    local model = hw.noise { sigma = 1 }
    local first = spread(model, 0, { seed = 5 }, 50)
    assert.same(first, spread(model, 0, { seed = 5 }, 50))
    assert.not_same(first, spread(model, 0, { seed = 6 }, 50))
    assert.not_same(first, spread(model, 0, { seed = 5, stage = "cost" }, 50))
    local twice = chain({ input = { model, hw.noise { sigma = 1 } } }, constant(N, 0), {})[1]
    normal(twice, 0, math.sqrt(2), "two of them")
    -- adding a model before does not shift the draws
    local behind = chain({ input = { hw.gain { offset = 0 }, hw.clamp {}, model } },
      constant(50, 0), { seed = 5 })[1]
    assert.same(first, behind)
  end)

  it("is silent in a probe", function()
    local models = { hw.noise { sigma = 1 }, hw.flicker { sigma = 1, f_low = 0.01, f_high = 1 },
      hw.read_noise { law = "pcm" }, hw.dac { noise = 1, bound = 2, bits = 24 },
      hw.path { noise = 1 } }
    for _, model in ipairs(models) do
      near(0.25, row(model, { 0.25 }, { still = true, held = 1e3 })[1], 1e-6, tostring(model))
    end
  end)
end)

describe("flicker", function()
  it("has its rms at every time", function()
    local n = quick and 1000 or 5000
    local model = hw.flicker { sigma = 0.3, f_low = 1e-3, f_high = 0.1 }
    local rows = model:apply(mgd.zeros({ 30, n }, { dtype = "f64" }), { dt = 1 }):totable()
    for _, at in ipairs { 1, 2, 10, 30 } do
      normal(rows[at], 0, 0.3, "row " .. at)
    end
  end)

  -- Corners of the relaxations a factor of 10^(2/5) apart ripple 1/f by less than 5 %; near the
  -- ends it bends away. A periodogram's value has its own size as standard deviation: of n = 1,500
  -- devices 2.6 % at each frequency. Between corners ×/÷ 5 from the ends 15 % is allowed after the
  -- exact spectrum, Σ_k of Lorentzians, has been met within 4 standard errors and 2 % of leakage.
  it("falls as 1/f between its corners", function()
    local n, steps = quick and 300 or 1500, 512
    local low, high, count = 2e-4, 0.2, 8
    local model = hw.flicker { sigma = 1, f_low = low, f_high = high, relaxations = count }
    local rows = model:apply(mgd.zeros({ steps, n }, { dtype = "f64" }), { dt = 1 })
    local columns = rows:transpose():totable()
    local bins, power = { 4, 8, 16, 32 }, {}
    for b, bin in ipairs(bins) do
      local cos, sin, sum = {}, {}, 0
      for t = 1, steps do -- Hann's window: what lies beside leaks little
        local phase = 2 * math.pi * t / steps
        local window = 1 - math.cos(phase)
        cos[t], sin[t] = window * math.cos(bin * phase), window * math.sin(bin * phase)
      end
      for _, x in ipairs(columns) do
        local re, im = 0, 0
        for t = 1, steps do
          re, im = re + cos[t] * x[t], im + sin[t] * x[t]
        end
        sum = sum + re * re + im * im
      end
      power[b] = sum / n / (1.5 * steps)
      -- of an AR(1) process with a = e^(−2πf_k), each of variance 1/count
      local f, exact = bin / steps, 0
      for k = 0, count - 1 do
        local a = math.exp(-2 * math.pi * low * (high / low) ^ (k / (count - 1)))
        exact = exact + (1 - a * a) / (1 - 2 * a * math.cos(2 * math.pi * f) + a * a) / count
      end
      near(1, power[b] / exact, 4 / math.sqrt(n) + 0.02, "against the sum of Lorentzians")
    end
    for b = 2, #bins do
      near(2, power[b - 1] / power[b], 2 * (quick and 0.3 or 0.15), "an octave")
    end
    near(8, power[1] / power[4], 8 * (quick and 0.3 or 0.15), "three octaves")
  end)
end)

-- ---- reading ------------------------------------------------------------------------------------

-- σ(g) in µS of each law, at a time after programming.
local LAWS = {
  pcm = function(g, g_max, held)
    if g <= 0 then
      return 0
    end
    local q = math.min(0.0088 / (g / g_max) ^ 0.65, 0.2)
    return g * q * math.sqrt(math.log((held + 250e-9) / (2 * 250e-9)))
  end,
  sonos = function(g) -- of the current at 0.1 V, in nA
    return 12.58037 * (1 - math.exp(-100 * g / 215.36557)) / 100
  end,
  polynomial = function(g, g_max)
    local r = g / g_max
    return 0.3 + 0.5 * r + 0.2 * r * r
  end,
}

-- σ of a weight; the two devices of a pair add in quadrature.
local function weight_sigma(law, w, m, held)
  local g_min, g_max, w_max = m.g_min or 0, m.g_max, m.w_max or 1
  local range = g_max - g_min
  if m.mapping and m.mapping ~= "differential" then
    return LAWS[law](g_min + (w + w_max) / (2 * w_max) * range, g_max, held) * 2 * w_max / range
  end
  local plus = LAWS[law](g_min + math.max(w, 0) / w_max * range, g_max, held)
  local minus = LAWS[law](g_min + math.max(-w, 0) / w_max * range, g_max, held)
  return math.sqrt(plus * plus + minus * minus) * w_max / range
end

describe("read_noise", function()
  local READ = {
    { law = "pcm", given = { law = "pcm" }, g_max = 25 },
    { law = "sonos", given = { law = "sonos" }, g_max = 16 },
    { law = "polynomial", given = { law = "polynomial", coefficients = { 0.3, 0.5, 0.2 } },
      g_max = 25 },
  }

  it("has σ of its law, both devices of a pair together", function()
    for _, case in ipairs(READ) do
      for _, w in ipairs { -0.9, 0.004, 0.2, 1 } do
        for _, held in ipairs(case.law == "pcm" and { 1e-3, 20, 1e6 } or { 0 }) do
          local sigma = weight_sigma(case.law, w, case, held)
          normal(spread(hw.read_noise(case.given), w, { held = held }), w, sigma,
            ("%s at %g, %g s"):format(case.law, w, held))
        end
      end
    end
  end)

  it("pcm is silent before it could be read, and without conductance", function()
    all_near({ 0.5, 0 }, row(hw.read_noise { law = "pcm" }, { 0.5, 0 }, { held = 0 }), 0)
    near(0, row(hw.read_noise { law = "pcm" }, { 0 }, { held = 1e6 })[1], 0)
  end)

  it("goes by the mapping before it", function()
    local mappings = {
      { g_max = 25 },
      { g_max = 30, g_min = 2, w_max = 2 },
      { g_max = 30, g_min = 2, w_max = 2, mapping = "single" },
      { g_max = 30, g_min = 2, w_max = 0.5, mapping = "offset" },
    }
    for i, given in ipairs(mappings) do
      for _, case in ipairs(READ) do
        local w = 0.6 * (given.w_max or 1)
        for _, sign in ipairs { 1, -1 } do
          local out = chain({ weights = { hw.conductance(given), hw.read_noise(case.given) } },
            constant(N, sign * w), { held = 100 })[1]
          normal(out, sign * w, weight_sigma(case.law, sign * w, given, 100),
            ("%s, mapping %d"):format(case.law, i))
        end
      end
    end
  end)

  it("of p pairs is 1/√p of one; of slices each a 2^−b-th of the one before", function()
    local base = weight_sigma("pcm", 0.5, { g_max = 25 }, 100)
    for _, case in ipairs { { { pairs = 4 }, 0.5 }, { { pairs = 9 }, 1 / 3 },
      { { slices = 3, slice_bits = 2 }, math.sqrt(1 + 1 / 16 + 1 / 256) / (1 + 1 / 4 + 1 / 16) },
      { { slices = 2, slice_bits = 1, pairs = 2 }, math.sqrt((1 + 1 / 4) / 2) / (1 + 1 / 2) } } do
      local out = chain({ weights = { hw.conductance(case[1]), hw.read_noise { law = "pcm" } } },
        constant(N, 0.5), { held = 100 })[1]
      normal(out, 0.5, base * case[2])
    end
  end)

  it("takes the plain laws as noise does", function()
    normal(spread(hw.read_noise { sigma = 0.02 }, 0.4), 0.4, 0.02)
    normal(spread(hw.read_noise { sigma = 0.02, law = "proportional" }, 0.4), 0.4, 0.008)
    normal(spread(hw.read_noise { sigma = 0.02, law = "inverse" }, 0.4), 0.4, 0.05)
    local v = spread(hw.read_noise { sigma = 0.02, distribution = "uniform" }, 0)
    assert.is_true(share(v, function(x) return math.abs(x) > 0.02 * 1.7321 end) == 0)
  end)
end)

-- ---- time ---------------------------------------------------------------------------------------

describe("drift", function()
  it("is (t/t0)^−ν after t0, in f64 and f32", function()
    for _, dtype in ipairs(TYPES) do
      for _, held in ipairs { 0, 5, 20, 100, 1e6 } do
        local model = hw.drift { nu = 0.06, t0 = 20 }
        all_near(map(GRID, function(w) return w * math.max(held / 20, 1) ^ -0.06 end),
          row(model, GRID, { held = held }, dtype), dtype == "f64" and 1e-12 or 1e-6)
      end
    end
  end)

  -- With one device at g: ln of the ratio over −ln(t/t0) is ν itself. At w > 0 the other device of
  -- the pair is at g = 0 and adds nothing.
  local function exponents(model, w, n)
    local held = 2000
    return map(spread(model, w, { held = held }, n), function(x)
      return -math.log(x / w) / math.log(held / model.params.t0)
    end)
  end

  -- |x| of a normal x: its mean and standard deviation, within 4 standard errors. Its kurtosis is
  -- at most 3.87 (of a mean of 0), so that of the sd is at most √(2.87/4)·σ/√n.
  local function folded(v, mean, sd, what)
    local a = mean / sd
    local expected = sd * math.sqrt(2 / math.pi) * math.exp(-a * a / 2)
      + mean * (1 - 2 * stats.normal_cdf(-a))
    local spread_of = math.sqrt(mean * mean + sd * sd - expected * expected)
    local m = stats.moments(v)
    near(expected, m.mean, 4 * spread_of / math.sqrt(#v), what .. ": mean")
    near(spread_of, m.sd, 4 * spread_of * math.sqrt(2.87 / 4 / #v), what .. ": sd")
  end

  it("has a ν of its own for each device", function()
    normal(exponents(hw.drift { nu = 0.1, nu_spread = 0.02 }, 0.5), 0.1, 0.02)
    local model = hw.drift { nu = 0.1, nu_spread = 0.02 }
    local rows = model:apply(mgd.full({ 2, 20 }, 0.5, { dtype = "f64" }), { held = 100 }):totable()
    assert.same(rows[1], rows[2])
  end)

  it("pcm: mean and sd of ν are clamped lines in ln r", function()
    for _, r in ipairs { 0.01, 0.05, 0.1, 0.2, 0.35, 1 } do
      local l = math.log(r)
      local mean = math.min(math.max(-0.0155 * l + 0.0244, 0.049), 0.1)
      local sd = math.min(math.max(-0.0125 * l - 0.0059, 0.008), 0.045)
      folded(exponents(hw.drift { law = "pcm" }, r), mean, sd, "r = " .. r)
    end
  end)

  it("takes ν by its size where its draw is negative", function()
    for _, case in ipairs { { 0.02, 0.03 }, { 0, 0.03 }, { 0.05, 0.02 } } do
      local v = exponents(hw.drift { nu = case[1], nu_spread = case[2] }, 0.5)
      folded(v, case[1], case[2], "ν " .. case[1])
      assert.equal(0, share(v, function(nu) return nu < 0 end))
    end
  end)

  it("table: straight lines between its rows, flat outside", function()
    local rows = { { 5, 0.02, 0.001 }, { 15, 0.1, 0.005 }, { 20, 0.06, 0.002 } }
    local model = hw.drift { law = "table", table = rows }
    for _, case in ipairs { { 2, 0.02, 0.001 }, { 5, 0.02, 0.001 }, { 7.5, 0.04, 0.002 },
      { 15, 0.1, 0.005 }, { 18, 0.076, 0.0032 }, { 25, 0.06, 0.002 } } do
      normal(exponents(model, case[1] / 25), case[2], case[3], case[1] .. " µS")
    end
  end)

  it("of one device at g_min + k·(w − w_min) goes below the weight that was", function()
    local out = chain({ weights = { hw.conductance { mapping = "single", g_min = 5, g_max = 25 },
      hw.drift { nu = 0.05, t0 = 1 } } }, mgd.tensor({ GRID }, { dtype = "f64" }),
      { held = 100 })[1]
    all_near(map(GRID, function(w)
      local g = 5 + (math.min(math.max(w, -1), 1) + 1) * 10
      return (g * 100 ^ -0.05 - 5) / 10 - 1
    end), out, 1e-12)
    -- a pair keeps g_min of both devices: it drifts alike and cancels
    out = chain({ weights = { hw.conductance { g_min = 5, g_max = 25 },
      hw.drift { nu = 0.05, t0 = 1 } } }, mgd.tensor({ { 0, 0.5, -1 } }, { dtype = "f64" }),
      { held = 100 })[1]
    local left = 100 ^ -0.05
    all_near({ 0, 0.5 * left, -left }, out, 1e-12)
  end)

  it("compensation gives back Σ|w|, of all, and of the column", function()
    local w = row(hw.noise { sigma = 0.3 }, map(GRID, function(x) return x end))
    local function sum(list)
      local s = 0
      for _, x in ipairs(list) do
        s = s + math.abs(x)
      end
      return s
    end
    for _, kind in ipairs { "global", "column" } do
      local plain = row(hw.drift { nu = 0.1, nu_spread = 0.02 }, w, { held = 1e5 })
      local model = hw.drift { nu = 0.1, nu_spread = 0.02, compensation = kind }
      local out = row(model, w, { held = 1e5 })
      near(sum(w), sum(out), 1e-12, "Σ|w|")
      local factor = sum(w) / sum(plain)
      all_near(map(plain, function(x) return x * factor end), out, 1e-12)
    end
  end)
end)

describe("leak", function()
  it("goes to its reset value as e^(−t/τ)", function()
    for _, dtype in ipairs(TYPES) do
      for _, held in ipairs { 0, 1e-3, 3, 100 } do
        local left = math.exp(-held / 3)
        all_near(map(GRID, function(w) return 0.2 + (w - 0.2) * left end),
          row(hw.leak { tau = 3, reset = 0.2 }, GRID, { held = held }, dtype),
          dtype == "f64" and 1e-12 or 1e-6)
      end
    end
  end)

  it("has a τ and a reset value of each device", function()
    local out = spread(hw.leak { tau = 3, spread = 0.1 }, 1, { held = 2 })
    normal(map(out, function(x) return -2 / math.log(x) end), 3, 0.3)
    normal(spread(hw.leak { tau = 1, reset = 0.1, reset_spread = 0.05 }, 1, { held = 100 }), 0.1,
      0.05)
  end)
end)

describe("diffusion", function()
  it("walks by σ·√t", function()
    for _, held in ipairs { 0.25, 1, 100 } do
      normal(spread(hw.diffusion { sigma = 0.01 }, 0.3, { held = held }), 0.3,
        0.01 * math.sqrt(held))
    end
    assert.same({ 0.3 }, row(hw.diffusion { sigma = 0.01 }, { 0.3 }, { held = 0 }))
  end)
end)

-- ---- faults and wires ---------------------------------------------------------------------------

describe("faults", function()
  it("stuck: shares at low, at high, evenly between", function()
    local model = hw.stuck { low = 0.1, high = 0.05, random = 0.2, at_low = -0.5, at_high = 0.75 }
    local out = spread(model, 7)
    is_share(0.1, out, function(x) return x == -0.5 end, "low")
    is_share(0.05, out, function(x) return x == 0.75 end, "high")
    is_share(0.65, out, function(x) return x == 7 end, "free")
    local between = {}
    for _, x in ipairs(out) do
      if x > -0.5 and x < 0.75 then
        between[#between + 1] = x
      end
    end
    near(0.2, #between / N, 4 * math.sqrt(0.16 / N), "random")
    assert.is_true(stats.kolmogorov(between, function(x) return (x + 0.5) / 1.25 end)
      < stats.kolmogorov_bound(1e-4))
    -- the same devices, whatever is written and at whatever time
    local again = model:apply(mgd.full({ 2, N }, 0.1, { dtype = "f64" })):totable()
    for i, x in ipairs(out) do
      local free = x == 7
      assert(again[1][i] == (free and 0.1 or x) and again[2][i] == again[1][i])
    end
  end)

  it("none and all of them", function()
    all_near(GRID, row(hw.stuck {}, GRID), 0)
    all_near(map(GRID, function() return -1 end), row(hw.stuck { low = 1 }, GRID), 0)
    all_near(map(GRID, function() return 1 end), row(hw.stuck { high = 1 }, GRID), 0)
  end)

  it("dead neurons and missing lines", function()
    local out = spread(hw.dead { fraction = 0.1, value = 0.25 }, 3)
    is_share(0.1, out, function(x) return x == 0.25 end, "dead")
    is_share(0.9, out, function(x) return x == 3 end, "alive")
    out = spread(hw.missing { fraction = 0.03 }, 3)
    is_share(0.03, out, function(x) return x == 0 end, "missing")
    is_share(0.97, out, function(x) return x == 3 end, "there")
  end)

  it("crosstalk: each neighbour's value as it was", function()
    for _, stage in ipairs { "weights", "perturbation", "update" } do
      for _, n in ipairs { 1, 2, 7, 8, 9, 16, 17, 40 } do
        local v = {}
        for i = 1, n do
          v[i] = math.sin(i * 1.7)
        end
        all_near(map(v, function(x, i) return x + 0.03 * ((v[i - 1] or 0) + (v[i + 1] or 0)) end),
          row(hw.crosstalk { k = 0.03 }, v, { stage = stage }), 1e-14)
      end
    end
  end)
end)
