-- Noise of programming against the closed form of normal numbers that are cut at 0.
--
-- x = max(m + σξ, 0) has, with a = m/σ, the mean mΦ(a) + σφ(a) and the mean square
-- (m² + σ²)Φ(a) + mσφ(a). A weight is (g⁺ − g⁻)/k of two independent such. Checks take n = 20,000
-- devices and allow 4 standard errors: sd/√n of a mean; of a standard deviation sd·√((κ − 1)/4n),
-- κ the kurtosis found (3 of normal numbers). The seed is fixed.

local mgd = require "mgd"
local devices = require "spec.support.models"
local stats = require "spec.support.statistics"

local near = stats.near
local chain, constant, spread, N = devices.chain, devices.constant, devices.spread, devices.N
local fails_with = require("spec.support.errors").fails
local hw = mgd.hw

-- σ in µS of a device of g, and where its mean is, by law.
local LAWS = {
  pcm = function(g, g_max)
    local r = g / g_max
    return (0.26348 + 1.965 * r - 1.1731 * r * r) * g_max / 25, g
  end,
  rram = function(g)
    return math.max(4.782321 - 0.009107 * g, 0), g
  end,
  polynomial = function(g, g_max)
    local r = g / g_max
    return 0.3 + 0.5 * r + 0.2 * r * r, g
  end,
  sonos = function(g) -- read at 0.1 V: 1 µS is 100 nA
    return 19.88665 * (1 - math.exp(-100 * g / 176.3115)) / 100, g
  end,
  -- halfway between A, B and the polynomials of day 1 and of day 2
  sonos_later = function(g)
    local i, drift = 100 * g, 0
    local first = { 1.72684e-1, 5.72552e-2, -6.85715e-4, 3.50271e-6, -9.37682e-9, 1.40575e-11,
      -1.19803e-14, 5.41293e-18, -8.85448e-22, -1.66869e-25, 5.95180e-29 }
    local second = { 2.50712e-1, 6.62195e-2, -6.83218e-4, 2.99442e-6, -6.78255e-9, 7.70482e-12,
      -3.04983e-15, -2.15919e-18, 2.94617e-21, -1.23359e-24, 1.85329e-28 }
    for k = 1, 11 do
      drift = drift + (first[k] + second[k]) / 2 * i ^ (k - 1)
    end
    i = i + drift
    local a, b = (25.59102 + 28.72753) / 2, (186.85544 + 193.56834) / 2
    return a * (1 - math.exp(-i / b)) / 100, i / 100
  end,
}

-- Mean and variance of a device that was to have g.
local function cut(law, g, g_max)
  local sigma, m = LAWS[law](g, g_max)
  if sigma == 0 then
    return m, 0
  end
  local a = m / sigma
  local density = math.exp(-a * a / 2) / math.sqrt(2 * math.pi)
  local share = stats.normal_cdf(a)
  local mean = m * share + sigma * density
  return mean, (m * m + sigma * sigma) * share + m * sigma * density - mean * mean
end

local function check(list, mean, sd, what)
  local m, n = stats.moments(list), #list
  near(mean, m.mean, 4 * sd / math.sqrt(n), what .. ": mean")
  local kurtosis = m.sd > 0 and m.kurtosis or 3
  near(sd, m.sd, 4 * sd * math.sqrt((kurtosis - 1) / (4 * n)), what .. ": standard deviation")
end

local GIVEN = {
  pcm = { law = "pcm" }, rram = { law = "rram" }, sonos = { law = "sonos" },
  sonos_later = { law = "sonos", day = 1.5 },
  polynomial = { law = "polynomial", coefficients = { 0.3, 0.5, 0.2 } },
}
-- the mapping of each law where there is none, g_min and g_max
local RANGE = { pcm = { 0, 25 }, rram = { 50, 225 }, sonos = { 0, 16 }, sonos_later = { 0, 16 },
  polynomial = { 0, 25 } }

describe("programming_noise", function()
  it("draws each device of a pair by itself, none below 0", function()
    for law, given in pairs(GIVEN) do
      local low, high = RANGE[law][1], RANGE[law][2]
      for _, w in ipairs { -1, -0.3, 0, 0.02, 0.5 } do
        local plus, v1 = cut(law, low + (high - low) * math.max(w, 0), high)
        local minus, v2 = cut(law, low + (high - low) * math.max(-w, 0), high)
        check(spread(hw.programming_noise(given), w), (plus - minus) / (high - low),
          math.sqrt(v1 + v2) / (high - low), ("%s at %g"):format(law, w))
      end
    end
  end)

  it("leaves a weight of 0 at 0 where both devices end there, which is in a quarter", function()
    devices.is_share(0.25, spread(hw.programming_noise {}, 0), function(w) return w == 0 end)
  end)

  it("pcm scales with g_max; by any mapping", function()
    for _, m in ipairs { { g_max = 40 }, { g_max = 20, g_min = 2, w_max = 2 } } do
      local low = m.g_min or 0
      local k = (m.g_max - low) / (m.w_max or 1)
      local plus, v1 = cut("pcm", low + 0.1 * k, m.g_max)
      local minus, v2 = cut("pcm", low, m.g_max)
      check(chain({ weights = { hw.conductance(m), hw.programming_noise {} } }, constant(N, 0.1),
        {})[1], (plus - minus) / k, math.sqrt(v1 + v2) / k, "g_max " .. m.g_max)
    end
    -- one device, g = k·(w + w_max)
    for _, w in ipairs { -1, -0.95, 0.3 } do
      local mean, v = cut("pcm", 12.5 * (w + 1), 25)
      check(chain({ weights = { hw.conductance { mapping = "single" }, hw.programming_noise {} } },
        constant(N, w), {})[1], mean / 12.5 - 1, math.sqrt(v) / 12.5, "single at " .. w)
    end
  end)

  it("of p pairs has σ/√p", function()
    local plus, minus = { LAWS.pcm(20, 25) }, { cut("pcm", 0, 25) }
    -- far from 0 the one is normal; the other is half of a normal one
    local list = chain({ weights = { hw.conductance { pairs = 4 }, hw.programming_noise {} } },
      constant(N, 0.8), {})[1]
    check(list, 0.8 - minus[1] / 2 / 25, math.sqrt(plus[1] ^ 2 + minus[2]) / 2 / 25, "4 pairs")
  end)

  it("has σ of the end of its range beyond it: rram, polynomial", function()
    for law, high in pairs { rram = 225, polynomial = 25 } do
      local low = RANGE[law][1]
      local sigma = LAWS[law](high, high)
      local _, v = cut(law, low, high)
      local list = spread(hw.programming_noise(GIVEN[law]), 3)
      near(math.sqrt(sigma * sigma + v) / (high - low), stats.moments(list).sd,
        0.04 * sigma / (high - low), law)
    end
  end)

  it("is uniform within ±√3·σ, if asked", function()
    local list = spread(hw.programming_noise { law = "rram", distribution = "uniform" }, 0)
    local most = 2 * math.sqrt(3) * LAWS.rram(50) / 175 -- of both devices
    check(list, 0, most / math.sqrt(6), "uniform")
    assert.equal(0, devices.share(list, function(w) return math.abs(w) > most end))
  end)

  it("has the laws of weights, which are not cut", function()
    stats.normal(spread(hw.programming_noise { law = "proportional", sigma = 0.1 }, 0.5), 0.5, 0.05)
    stats.normal(spread(hw.programming_noise { law = "additive", sigma = 0.1 }, 0), 0, 0.1)
    stats.normal(spread(hw.programming_noise { law = "inverse", sigma = 0.1 }, 0.5), 0.5, 0.2)
  end)

  it("is another one at each write, and the same for replicas together or alone", function()
    local function theta(opts)
      local net = mgd.nn.mlp { 2, 3, 1 }
      local opt = { data = mgd.data.xor(), seed = 3, eta = 1e-3,
        chip = mgd.chip { net = net, weights = { hw.conductance { w_max = 4 },
          hw.programming_noise { law = "pcm" } } } }
      for key, value in pairs(opts) do
        opt[key] = value
      end
      local run = mgd.train(opt)
      local first = run:theta()
      run:run { steps = 1 }
      local second = run:theta()
      run:run { steps = 1 }
      return first, second, run:theta()
    end
    local first, second, third = theta { replicas = 19 }
    local before, after = (second - first):totable()[1], (third - second):totable()[1]
    assert.not_same(before, after)
    for _, r in ipairs { 1, 19 } do
      local _, _, own = theta { replica = r }
      assert.same(third[r]:totable(), own:totable())
    end
  end)
end)

describe("laws within their range", function()
  local function chip(...)
    return mgd.chip { net = mgd.nn.mlp { 2, 1 }, weights = { ... } }
  end

  it("rram refuses what is not within 50 … 225 µS", function()
    local law = hw.programming_noise { law = "rram" }
    chip(law)
    chip(hw.conductance { g_min = 50, g_max = 225 }, law)
    for _, m in ipairs { { 0, 25 }, { 49, 225 }, { 50, 226 } } do
      fails_with({ ("stage 'weights': hw.programming_noise: law = 'rram' holds for 50 … 225 µS, "
        .. "and hw.conductance has g_min = %d, g_max = %d: expected g_min ≥ 50 and g_max ≤ 225")
          :format(m[1], m[2]) }, chip, hw.conductance { g_min = m[1], g_max = m[2] }, law)
    end
  end)

  it("rram is no noise of reading", function()
    fails_with({ "hw.read_noise: option 'law'", "got \"rram\", which is an error of programming: "
      .. "hw.programming_noise{law = 'rram'}" }, hw.read_noise, { law = "rram" })
  end)

  it("sonos refuses currents beyond 1,800 nA after day 0", function()
    local later = hw.programming_noise { law = "sonos", day = 2 }
    chip(hw.conductance { g_max = 18 }, later)
    fails_with({ "holds for currents of up to 1800 nA after day 0, and 20 µS read at v_read = 0.1 "
      .. "V are 2000", "expected g_max·v_read ≤ 1.8" }, chip, hw.conductance { g_max = 20 }, later)
  end)

  local function warnings(...)
    return hw.compile("spec", { weights = { ... } }).warnings
  end

  it("pcm and sonos warn of what they were not measured for", function()
    local pcm = { hw.programming_noise {}, hw.read_noise { law = "pcm" },
      hw.drift { law = "pcm" } }
    for _, law in ipairs(pcm) do
      assert.same({}, warnings(law))
      assert.same({}, warnings(hw.conductance { g_max = 30 }, law))
      assert.same({ ("weights: %s: the PCM law was measured on devices of g_max = 25 µS and is "
        .. "scaled to 100 µS, which is far from that"):format(law.name) },
        warnings(hw.conductance { g_max = 100 }, law))
    end
    for _, law in ipairs { hw.programming_noise { law = "sonos" },
      hw.read_noise { law = "sonos" } } do
      assert.same({}, warnings(hw.conductance { g_max = 30 }, law))
      assert.same({ ("weights: %s: the SONOS law holds for currents of up to 3200 nA, and 40 µS "
        .. "read at 0.1 V are 4000 nA"):format(law.name) },
        warnings(hw.conductance { g_max = 40 }, law))
    end
  end)

  it("drift says when no weight lasts long enough for it", function()
    local compiled = hw.compile("spec", { weights = hw.drift { law = "pcm" } })
    assert.same({}, hw.check_time(compiled, 1))
    assert.same({ "weights: drift: drift begins t0 = 20 s after a write: weights that are written "
      .. "more often than every 2e+07 steps do not drift" }, hw.check_time(compiled, 1e-6))
  end)
end)
