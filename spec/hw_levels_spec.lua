-- Models that act on each value by itself, against their formulas in plain Lua: levels, converters,
-- gains, bounds, neurons, amplitudes. Tolerances and statistics are those of hw_models_spec.lua.

local core = require "mgd.core"
local mgd = require "mgd"
local devices = require "spec.support.models"
local stats = require "spec.support.statistics"

local near, normal = stats.near, stats.normal
local constant, spread, row = devices.constant, devices.spread, devices.row
local all_near, map, is_share = devices.all_near, devices.map, devices.is_share
local N, TYPES, GRID = devices.N, devices.TYPES, devices.GRID

local hw = mgd.hw

-- ---- levels -------------------------------------------------------------------------------------

-- Nearest entry of a rising list, the upper one at half.
local function nearest(levels, x)
  local best = levels[1]
  for _, level in ipairs(levels) do
    if math.abs(level - x) <= math.abs(best - x) then
      best = level
    end
  end
  return best
end

local function spaced(low, high, count)
  local levels = {}
  for k = 1, count do
    levels[k] = low + (high - low) * (k - 1) / (count - 1)
  end
  return levels
end

-- Off the places where rounding decides.
local FINE = {}
for k = -170, 170 do
  FINE[#FINE + 1] = k * 0.01 + 0.00123
end

local function rounds(model, levels, opts)
  all_near(map(FINE, function(x) return nearest(levels, x) end), row(model, FINE, opts), 1e-12,
    tostring(model))
  all_near(map(FINE, function(x) return nearest(levels, x) end), row(model, FINE, opts, "f32"),
    1e-6, tostring(model) .. " in f32")
end

describe("levels", function()
  it("of bits: 2^bits − 1 around zero, one at zero; else 2^bits", function()
    rounds(hw.levels { bits = 1 }, { -1, 1 })
    for _, bits in ipairs { 2, 3, 6 } do
      rounds(hw.levels { bits = bits }, spaced(-1, 1, 2 ^ bits - 1))
      rounds(hw.levels { bits = bits, low = -0.5, high = 1 }, spaced(-0.5, 1, 2 ^ bits))
      rounds(hw.levels { bits = bits, of = "sum" }, spaced(-1, 1, 2 ^ bits - 1))
    end
  end)

  it("of a number, and of a table", function()
    for _, count in ipairs { 2, 3, 4, 5, 32 } do
      rounds(hw.levels { levels = count }, spaced(-1, 1, count))
      rounds(hw.levels { levels = count, low = 0, high = 0.75 }, spaced(0, 0.75, count))
    end
    rounds(hw.levels { table = { -1, -0.2, 0, 0.05, 0.9 } }, { -1, -0.2, 0, 0.05, 0.9 })
  end)

  it("at random: unbiased, one of two neighbours, and the nearest in a probe", function()
    for _, x in ipairs { -0.93, -0.4, 0.1, 0.52 } do
      for _, model in ipairs { hw.levels { bits = 3, stochastic = true },
        hw.dac { bits = 3, stochastic = true }, hw.adc { bits = 3, bound = 1, stochastic = true } }
      do
        local step = 1 / 3
        local low = math.floor(x / step) * step
        local part = (x - low) / step
        local out = spread(model, x)
        is_share(part, out, function(y) return math.abs(y - low - step) < 1e-9 end, "up")
        is_share(1 - part, out, function(y) return math.abs(y - low) < 1e-9 end, "down")
        near(x, stats.moments(out).mean, 4 * step * math.sqrt(part * (1 - part) / N), "mean")
        near(nearest(spaced(-1, 1, 7), x), row(model, { x }, { still = true })[1], 1e-12, "still")
      end
    end
    all_near({ -1, 1, 1 / 3 }, row(hw.levels { bits = 3, stochastic = true }, { -3, 3, 1 / 3 }),
      1e-12)
  end)
end)

describe("conductance", function()
  it("cuts weights at ±w_max", function()
    all_near(map(GRID, function(w) return math.min(math.max(w, -0.6), 0.6) end),
      row(hw.conductance { w_max = 0.6 }, GRID), 1e-15)
  end)

  it("has the levels of its devices", function()
    rounds(hw.conductance { levels = 4 }, spaced(-1, 1, 7)) -- a pair: 2·4 − 1
    rounds(hw.conductance { levels = 5, w_max = 0.8, g_min = 3 }, spaced(-0.8, 0.8, 9))
    rounds(hw.conductance { levels = 5, mapping = "single" }, spaced(-1, 1, 5))
    rounds(hw.conductance { levels = { 0, 5, 20 } }, { -0.8, -0.2, 0, 0.2, 0.8 })
    rounds(hw.conductance { levels = { 5, 10, 25 }, g_min = 5, mapping = "offset" },
      { -1, -0.5, 1 })
  end)
end)

describe("converters", function()
  it("dac: 2^bits − 1 levels from −bound to bound", function()
    rounds(hw.dac { bits = 4, bound = 1.2 }, spaced(-1.2, 1.2, 15))
    rounds(hw.dac { bits = 1, bound = 1.2 }, { -1.2, 1.2 })
    rounds(hw.dac {}, spaced(-1, 1, 127), { stage = "weights" })
    near(2 ^ -23, row(hw.dac { bits = 24 }, { 2 ^ -23 })[1], 1e-13)
  end)

  it("dac: asymmetry and noise behind the levels", function()
    all_near(map(FINE, function(x)
      x = nearest(spaced(-1, 1, 15), x)
      return x * (1 + (x > 0 and 0.05 or -0.05))
    end), row(hw.dac { bits = 4, asymmetry = 0.1 }, FINE), 1e-12)
    normal(spread(hw.dac { bits = 2, noise = 0.01 }, 0.8), 1, 0.01)
  end)

  it("adc: 2^bits − 1 levels over ±bound, 2^bits over another range, or bounds alone", function()
    rounds(hw.adc { bits = 4, bound = 1.2 }, spaced(-1.2, 1.2, 15))
    rounds(hw.adc { bits = 4, low = -0.3, high = 1.2 }, spaced(-0.3, 1.2, 16))
    all_near(map(GRID, function(x) return math.min(math.max(x, -0.3), 1.2) end),
      row(hw.adc { low = -0.3, high = 1.2 }, GRID), 1e-15)
  end)

  it("adc: offset, s-shape, noise, then levels", function()
    all_near(map(FINE, function(x)
      x = x + 0.1
      return nearest(spaced(-1, 1, 31), x / (1 + 0.3 * math.abs(x)))
    end), row(hw.adc { bits = 5, bound = 1, offset = 0.1, s_shape = 0.3 }, FINE), 1e-12)
    normal(spread(hw.adc { noise = 0.2 }, 0.8), 0.8, 0.2)
    normal(spread(hw.adc { gain_spread = 0.1, offset = 0.2, offset_spread = 0.05 }, 0.8), 1,
      math.sqrt(0.08 ^ 2 + 0.05 ^ 2))
  end)
end)

-- ---- gains, bounds, neurons, perturbations ------------------------------------------------------

describe("gains and bounds", function()
  it("saturation, s_shape, clamp, gain", function()
    for _, dtype in ipairs(TYPES) do
      local tolerance = dtype == "f64" and 1e-12 or 1e-6
      local laws = {
        { hw.saturation { limit = 0.7 }, function(x)
          local e = math.exp(-2 * math.abs(x) / 0.7)
          return (x < 0 and -0.7 or 0.7) * (1 - e) / (1 + e)
        end },
        { hw.s_shape { strength = 0.4 }, function(x) return x / (1 + 0.4 * math.abs(x)) end },
        { hw.clamp { low = -0.4, high = 0.6 },
          function(x) return math.min(math.max(x, -0.4), 0.6) end },
        { hw.clamp { high = 0.6 }, function(x) return math.min(x, 0.6) end },
        { hw.gain { gain = -1.5, offset = 0.25 }, function(x) return -1.5 * x + 0.25 end },
      }
      for _, law in ipairs(laws) do
        for _, stage in ipairs { "input", "output", "cost", "perturbation", "weights", "neurons",
          "update" } do
          all_near(map(GRID, law[2]), row(law[1], GRID, { stage = stage }, dtype), tolerance,
            tostring(law[1]))
        end
      end
    end
  end)

  it("neuron_spread: its shift before the activation, its gain and offset behind it", function()
    local model = hw.neuron_spread { slope = 2, threshold = 0.25, gain = 3, offset = 0.5 }
    local y = model:apply(mgd.tensor { -1, 0, 0.75 })
    for i, x in ipairs { -1, 0, 0.75 } do
      assert.near(3 * 2 * (x - 0.25) + 0.5, y[i], 1e-5)
    end
    assert.is_true(hw.neuron_spread { sigma = 0.1 }:apply(mgd.ones { 100 }):std() > 0)
  end)

  it("spreads of gain and offset: constant over rows, differing over devices", function()
    local model = hw.gain { gain = 0.8, spread = 0.1, offset = 0.3, offset_spread = 0.05 }
    local t = mgd.zeros({ 3, N }, { dtype = "f64" })
    local offsets = model:apply(t):totable()
    local sums = model:apply(t + 1):totable()
    assert.same(offsets[1], offsets[2])
    assert.same(offsets[1], offsets[3])
    normal(offsets[1], 0.3, 0.05, "offset")
    local gains = map(sums[1], function(x, i) return x - offsets[1][i] end)
    normal(gains, 0.8, 0.1, "gain")
    near(0, stats.correlation(gains, offsets[1]), 4 / math.sqrt(N), "gain with offset")
    local other = model:apply(t, { replica = 2 }):totable()[1]
    near(0, stats.correlation(offsets[1], other), 4 / math.sqrt(N), "another chip")
  end)
end)

describe("neurons", function()
  -- Without f between them the two stages give L·k·(x − x0) + y0.
  it("neuron_spread: k and x0 before f, L and y0 behind it", function()
    local given = { slope = 1.5, slope_spread = 0.1, threshold = 0.2, threshold_spread = 0.05,
      gain = 0.7, gain_spread = 0.08, offset = -0.1, offset_spread = 0.03 }
    local models = hw.compile("spec", { neurons = hw.neuron_spread(given) }).models
    assert.equal(2, #models)
    assert.equal("neuron", models[1].place)
    assert.equal("activation", models[2].place)
    local function parts(model)
      local zero = core.hw.apply({ model }, {}, constant(N, 0)):totable()[1]
      local one = core.hw.apply({ model }, {}, constant(N, 1)):totable()[1]
      return zero, map(one, function(x, i) return x - zero[i] end)
    end
    local zero, k = parts(models[1])
    local x0 = map(zero, function(x, i) return -x / k[i] end)
    normal(k, 1.5, 0.1, "k")
    normal(x0, 0.2, 0.05, "x0")
    local y0, l = parts(models[2])
    normal(y0, -0.1, 0.03, "y0")
    normal(l, 0.7, 0.08, "L")
    for _, pair in ipairs { { k, x0 }, { k, l }, { k, y0 }, { x0, l }, { x0, y0 }, { l, y0 } } do
      near(0, stats.correlation(pair[1], pair[2]), 4 / math.sqrt(N), "independence")
    end
  end)

  it("neuron_spread: sigma is all four spreads", function()
    local models = hw.compile("spec", { neurons = hw.neuron_spread { sigma = 0.1,
      offset_spread = 0.02 } }).models
    assert.same({ 0.1, 0.1, 0.1, 0.02 }, { models[1].gain_spread, models[1].offset_spread,
      models[2].gain_spread, models[2].offset_spread })
    normal(core.hw.apply({ models[1] }, {}, constant(N, 0)):totable()[1], 0,
      math.sqrt(0.1 ^ 2 + 0.1 ^ 4), "−k·x0") -- of a product of independent ones
  end)
end)

describe("amplitude", function()
  it("spread: a fraction of the amplitude; mismatch: half of it up, half of it down", function()
    normal(spread(hw.amplitude { spread = 0.1 }, -0.02), -0.02, 0.002)
    all_near({ 0.01 * 1.1, -0.01 * 0.9, 0 },
      row(hw.amplitude { mismatch = 0.2 }, { 0.01, -0.01, 0 }), 1e-15)
    normal(spread(hw.amplitude { mismatch = 0.2, mismatch_spread = 0.1 }, 1), 1.1, 0.05)
    normal(spread(hw.amplitude { mismatch = 0.2, mismatch_spread = 0.1 }, -1), -0.9, 0.05)
  end)

  it("bits: levels from −bound to bound", function()
    rounds(hw.amplitude { bits = 3, bound = 0.9 }, spaced(-0.9, 0.9, 7))
  end)
end)
