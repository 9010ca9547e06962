-- Laws by pulses beyond the step of one device: how imbalance and noise are counted, write noise,
-- reference devices, pairs; against loops over single pulses in plain Lua.
--
-- Exact checks: 1e-10 in f64. Statistical ones take n = 20,000 devices and 4 standard errors, as
-- hw_models_spec.lua does.

local mgd = require "mgd"
local devices = require "spec.support.models"
local stats = require "spec.support.statistics"

local near, normal = stats.near, stats.normal
local hw, nn = mgd.hw, mgd.nn
local N = devices.N

local NONE = { dw_min_d2d = 0, up_down_d2d = 0, w_min_d2d = 0, w_max_d2d = 0, c2c = 0,
  stochastic = false }

local function given(extra)
  local p = {}
  for _, options in ipairs { NONE, extra } do
    for key, value in pairs(options) do
      p[key] = value
    end
  end
  return p
end

-- Rows that n devices read as after each of a list of changes from `start`.
local function rows(model, start, changes, n, opts)
  local ones = mgd.ones({ n or 1 }, { dtype = "f64" })
  local t = mgd.zeros({ #changes, n or 1 }, { dtype = "f64" })
  for k, change in ipairs(changes) do
    t[k] = ones * change
  end
  return model:write(ones * start, t, opts):totable()
end

local function many(model, start, changes, opts)
  return rows(model, start, changes, N, opts)[#changes]
end

local function times(count, value)
  local list = {}
  for t = 1, count do
    list[t] = value
  end
  return list
end

local function map(list, f)
  local out = {}
  for i, value in ipairs(list) do
    out[i] = f(value)
  end
  return out
end

describe("imbalance", function()
  it("one-sided: the weaker direction alone is weaker", function()
    for _, case in ipairs { { 0.2, 1, 0.8 }, { -0.3, 0.7, 1 }, { 0, 1, 1 } } do
      local model = hw.constant_step(given { dw_min = 0.01, up_down = case[1],
        imbalance = "one-sided" })
      near(0.01 * case[2], rows(model, 0, { 0.01 })[1][1], 1e-12, "up")
      near(-0.01 * case[3], rows(model, 0, { -0.01 })[1][1], 1e-12, "down")
    end
  end)

  it("one-sided: its spread is added to that of the step, once up and once down", function()
    local p = given { dw_min = 0.01, dw_min_d2d = 0.04, up_down_d2d = 0.03, up_down = -0.1,
      imbalance = "one-sided" }
    local up, down = many(hw.constant_step(p), 0, { 0.01 }), many(hw.constant_step(p), 0, { -0.01 })
    normal(up, 0.009, 0.01 * 0.05, "up")
    normal(down, -0.01, 0.01 * 0.05, "down")
    -- cov(step + r, −(step − r)) = σ_r² − σ_step²
    near((0.03 ^ 2 - 0.04 ^ 2) / 0.05 ^ 2, stats.correlation(up, down), 4 / math.sqrt(N))
  end)

  it("what a spread turns round keeps its size", function()
    local p = given { dw_min = 0.01, dw_min_d2d = 1, imbalance = "one-sided" }
    local up, s = many(hw.constant_step(p), 0, { 0.01 }), 0
    for _, w in ipairs(up) do
      assert(w >= 0)
      s = s + w / 0.01 / #up
    end
    -- the mean of |1 + z|: √(2/π)·e^(−½) + (1 − 2Φ(−1)), its variance 2 − that²
    local mean = math.sqrt(2 / math.pi) * math.exp(-0.5) + 1 - 2 * stats.normal_cdf(-1)
    near(mean, s, 4 * math.sqrt((2 - mean ^ 2) / N), "mean of a folded step")
  end)
end)

describe("spreads", function()
  it("lognormal: dw_min·e^(d2d·z)", function()
    local up = many(hw.constant_step(given { dw_min = 0.01, dw_min_d2d = 0.7, w_max = 10,
      dw_min_shape = "lognormal" }), 0, { 0.01 })
    normal(map(up, function(w) return math.log(w / 0.01) end), 0, 0.7, "logarithm of a step")
  end)

  it("fold: bounds and γ keep their sign", function()
    local p = given { dw_min = 0.5, w_min = -1, w_max = 1, w_max_d2d = 0.6, fold = true }
    local top, mean = many(hw.constant_step(p), 0, times(12, 0.5)), 0
    for _, w in ipairs(top) do
      mean = mean + w / N
    end
    local m = 0.6 * math.sqrt(2 / math.pi) * math.exp(-0.5 / 0.36)
      + 1 - 2 * stats.normal_cdf(-1 / 0.6)
    near(m, mean, 4 * math.sqrt((1.36 - m ^ 2) / N), "mean of a folded bound")
    p = given { dw_min = 0.01, gamma_up = -0.2, gamma_d2d = 0.3, fold = true }
    for _, w in ipairs(many(hw.linear_step(p), 0.5, { 0.01 })) do
      assert(w <= 0.51)
    end
  end)

  it("gamma_down_d2d where it is another", function()
    local p = given { dw_min = 0.01, gamma_d2d = 0.1, gamma_down_d2d = 0.3 }
    local up = many(hw.linear_step(p), 0.5, { 0.01 })
    local down = many(hw.linear_step(p), 0.5, { -0.01 })
    normal(map(up, function(w) return ((w - 0.5) / 0.01 - 1) / 0.5 end), 0, 0.1, "up")
    normal(map(down, function(w) return ((w - 0.5) / -0.01 - 1) / 0.5 end), 0, 0.3, "down")
  end)
end)

-- Standard normal numbers by the polar method, from Lua's own generator: nothing of the core.
local function gauss()
  local u, v, s
  repeat
    u, v = 2 * math.random() - 1, 2 * math.random() - 1
    s = u * u + v * v
  until s > 0 and s < 1
  return u * math.sqrt(-2 * math.log(s) / s)
end

describe("noise of pulses", function()
  -- Every pulse drawn by itself, in plain Lua, for M devices: the standard deviations of both agree
  -- within 4·sd·√(1/2N + 1/2M), their means within 4·sd·√(1/N + 1/M). The law carries the noise of
  -- a pulse on through those behind it to first order, so that it is kept small (c2c·step below a
  -- fiftieth of where the step changes).
  local M = 4000

  local function agrees(model, start, count, change, pulse, what)
    math.randomseed(5)
    local loop = {}
    for i = 1, M do
      local w = start
      for _ = 1, count do
        w = pulse(w, gauss())
      end
      loop[i] = w
    end
    local a = stats.moments(loop)
    local b = stats.moments(many(model, start, { count * change }))
    near(a.mean, b.mean, 4 * a.sd * math.sqrt(1 / N + 1 / M), what .. ", mean")
    near(a.sd, b.sd, 4 * a.sd * math.sqrt(1 / (2 * N) + 1 / (2 * M)), what .. ", sd")
  end

  it("each acts on what the noise of those before it left", function()
    agrees(hw.soft_bounds(given { dw_min = 0.1, w_min = -1, w_max = 1, c2c = 0.5 }), -0.5, 12, 0.1,
      function(w, z) return w + 0.1 * (1 - w) * (1 + 0.5 * z) end, "soft bounds")
    agrees(hw.soft_bounds(given { dw_min = 0.1, w_min = -1, w_max = 1, c2c = 0.1,
      c2c_of = "full step" }), 0.5, 12, -0.1,
      function(w, z) return w - 0.1 * (1 + w + 0.1 * z) end, "soft bounds, of the full step")
    agrees(hw.linear_step(given { dw_min = 0.1, gamma_up = 2, w_max = 50, c2c = 0.2 }), 0, 9, 0.1,
      function(w, z) return w + 0.1 * (1 + 2 * w) * (1 + 0.2 * z) end, "steps that grow")
    agrees(hw.power_step(given { dw_min = 0.1, gamma_up = 2, gamma_d2d = 0, w_min = -1, w_max = 1,
      c2c = 0.05 }), -0.9, 12, 0.1,
      function(w, z) return w + 0.1 * ((1 - w) / 2) ^ 2 * (1 + 0.05 * z) end, "power")
    agrees(hw.exponential_step(given { dw_min = 0.01, w_min = 0, w_max = 2, a = -1, b = 0,
      amplitude_up = -27, gamma_up = 2.5, c2c = 0.02, c2c_add = 0.05, c2c_slope = 0.1 }), 0.1, 12,
      0.01, function(w, z)
        local step = 0.01 * (1 + 27 * math.exp(-2.5 * w))
        return w + step + 0.02 * (step + 0.05 + 0.1 * w) * z
      end, "exponential")
    local up = { -1, -0.4, 0, 0.3, 0.5 }
    agrees(hw.pulse_table { up = up, down = { 0.5, 0, -1 }, c2c = 0.02, stochastic = false }, -0.7,
      2, 0.375, function(w, z)
        local place = w < -0.4 and (w + 1) / 0.6 or 1 + (w + 0.4) / 0.4
        local next = place < 1 and -0.4 + 0.4 * place or 0.3 * (place - 1)
        return w + (next - w) * (1 + 0.02 * z)
      end, "table")
  end)
end)

describe("write noise", function()
  local NOISY = given { dw_min = 0.01, write_noise = 0.05 }

  it("is of what is read, and does not add up", function()
    local out = rows(hw.constant_step(NOISY), 0.1, times(20, 0.01), N)
    for _, t in ipairs { 1, 20 } do
      normal(out[t], 0.1 + 0.01 * t, 0.05, "after write " .. t)
    end
    near(0, stats.correlation(out[19], out[20]), 4 / math.sqrt(N), "from write to write")
  end)

  it("stays until the device is written again, and is there from the start", function()
    local out = rows(hw.constant_step(NOISY), 0.1, { 0, 0, 0.01, 0, 0.001 }, N)
    normal(out[1], 0.1, 0.05, "at the start")
    assert.same(out[1], out[2])
    assert.same(out[3], out[4])
    assert.same(out[3], out[5]) -- too little for a pulse
    near(0, stats.correlation(out[1], out[3]), 4 / math.sqrt(N), "before and after a write")
  end)

  -- A network that shows its weights one by one: an input each.
  local function chip(count, options)
    return mgd.chip { net = nn.sequential { input = count, nn.dense(1) }, seed = 3,
      update = hw.constant_step(given(options)) }
  end

  local function train(count, options, more)
    local set = mgd.data.from { x = mgd.randn({ 8, count }, { seed = 1 }),
      y = mgd.randn({ 8, 1 }, { seed = 2 }) }
    local all = { chip = chip(count, options), data = set, seed = 4, eta = 0.1, tau_theta = 2 }
    for key, value in pairs(more or {}) do
      all[key] = value
    end
    return mgd.train(all)
  end

  -- What each weight reads as: the output for its input alone, less that for none.
  local function read(run, count)
    local list = { {} }
    for i = 0, count do
      list[i + 1] = {}
      for k = 1, count do
        list[i + 1][k] = i == k and 1 or 0
      end
    end
    local y = run:predict(mgd.tensor(list, { dtype = "f32" })):reshape { count + 1 }:totable()
    local bias = table.remove(y, 1)
    return map(y, function(w) return w - bias end)
  end

  it("is between θ and what a chip shows", function()
    local count = 400
    local run = train(count, { dw_min = 0.001, write_noise = 0.05 })
    run:run { steps = 6 }
    local theta, shown = run:theta():totable(), read(run, count)
    local d = {}
    for i = 1, count do
      d[i] = shown[i] - theta[i]
    end
    local m = stats.moments(d)
    near(0, m.mean, 4 * 0.05 / math.sqrt(count), "mean")
    near(0.05, m.sd, 4 * 0.05 / math.sqrt(2 * count), "sd")
    assert.same(shown, read(run, count))
  end)

  it("goes on where a saved run stood, in both arrangements", function()
    for _, more in ipairs { { replicas = 1, batch = 8 }, { replicas = 5 } } do
      local options = { dw_min = 0.001, write_noise = 0.05, c2c = 0.3 }
      local run = train(6, options, more)
      run:run { steps = 10 }
      local path = os.tmpname()
      run:save(path)
      run:run { steps = 10 }
      local other = mgd.resume(path, { chip = chip(6, options) })
      other:run { steps = 10 }
      assert.same(run:theta():totable(), other:theta():totable())
      os.remove(path)
    end
  end)
end)

describe("a reference", function()
  it("shifts the weight that the law acts on, and its bounds", function()
    local r = 0.3
    local model = hw.soft_bounds(given { dw_min = 0.05, up_down = 0.2, w_min = -0.8, w_max = 1.1,
      reference = r })
    local w, changes = 0.1, { 0.15, -0.1, 0.5, -0.2, 0.05 }
    for t, row in ipairs(rows(model, w, changes)) do
      for _ = 1, math.floor(math.abs(changes[t]) / 0.05 + 0.5) do
        local x = w + r
        w = x + (changes[t] > 0 and 0.05 * 1.2 * (1 - x / 1.1) or -0.05 * 0.8 * (1 + x / 0.8)) - r
      end
      near(w, row[1], 1e-10, "write " .. t)
    end
    model = hw.constant_step(given { dw_min = 0.05, w_min = -0.5, w_max = 0.6, reference = r })
    near(0.3, rows(model, 0, times(3, 1))[3][1], 1e-12, "upper bound")
    near(-0.8, rows(model, 0, times(3, -1))[3][1], 1e-12, "lower bound")
    normal(many(hw.constant_step(given { dw_min = 0.05, w_max = 0.6, reference = r,
      reference_d2d = 0.1 }), 0, times(3, 1)), 0.3, 0.1, "spread")
  end)

  it("at the symmetry point: pulses up and down in turn lead to 0", function()
    local turns = {}
    for t = 1, 400 do
      turns[t] = t % 2 == 0 and 0.05 or -0.05
    end
    -- of lines with slopes a and b, s apart: in the middle between both is s/2·(a − b)/(a + b)
    for _, case in ipairs {
      { hw.soft_bounds(given { dw_min = 0.05, up_down = 0.4, w_min = -0.7, w_max = 1.2,
        subtract_symmetry = true }), -1.4 / 1.2, -0.6 / 0.7 },
      { hw.linear_step(given { dw_min = 0.05, up_down = -0.1, gamma_up = -0.9, gamma_down = 0.8,
        gamma_d2d = 0, subtract_symmetry = true }), -0.9 * 0.9, -1.1 * 0.8 } } do
      local out, a, b = rows(case[1], 0.2, turns), case[2], case[3]
      local step = out[400][1] - out[399][1]
      assert(step > 0.02)
      near(step / 2 * (a - b) / (a + b), (out[399][1] + out[400][1]) / 2, 1e-8)
    end
    -- spread of the symmetry point itself is taken out, and what is left is that of the reference
    local p = given { dw_min = 0.05, dw_min_d2d = 0.2, up_down_d2d = 0.2, w_min = -1, w_max = 1,
      w_min_d2d = 0.1, w_max_d2d = 0.1, subtract_symmetry = true, reference_d2d = 0.05 }
    local out = rows(hw.soft_bounds(p), 0, turns, 2000)
    local middle = {}
    for i, w in ipairs(out[400]) do
      middle[i] = (w + out[399][i]) / 2
    end
    local m = stats.moments(middle)
    near(0, m.mean, 4 * 0.05 / math.sqrt(2000) + 1e-3)
    near(0.05, m.sd, 4 * 0.05 / math.sqrt(4000) + 1e-3)
  end)
end)

describe("a pair", function()
  local PAIR = given { dw_min = 0.05, w_min = 0, w_max = 1, gamma_up = -0.8, gamma_d2d = 0,
    cell = "pair", reset = 0.04, refresh_upper = 0.6, refresh_lower = 0.3, max_pulses = 12 }

  -- The two devices by themselves. Returns the weights, pulses and writes (of a reset, one more).
  local function loop(start, changes)
    local g = { math.max(start, 0), math.max(-start, 0) }
    local out, pulses, writes = {}, 0, 0
    local function raise(k, n)
      for _ = 1, n do
        g[k] = math.min(g[k] + 0.05 * math.max(1 - 0.8 * g[k], 0), 1)
      end
      pulses = pulses + n
    end
    for t, change in ipairs(changes) do
      local n = math.min(math.floor(math.abs(change) / 0.05 + 0.5), 12)
      raise(change > 0 and 1 or 2, n)
      writes = writes + (n > 0 and 1 or 0)
      if n > 0 and math.max(g[1], g[2]) > 0.6 and math.min(g[1], g[2]) > 0.3 then
        local w = g[1] - g[2]
        g[1], g[2] = 0.04, 0.04
        raise(w > 0 and 1 or 2, math.min(math.floor(math.abs(w) / 0.05 + 0.5), 12))
        writes = writes + 1
      end
      out[t] = g[1] - g[2]
    end
    return out, pulses, writes
  end

  local function walk(count)
    local changes, x = {}, 0.37
    for t = 1, count do
      x = 3.9 * x * (1 - x)
      changes[t] = (x - 0.55) * 0.6
    end
    return changes
  end

  it("rises alone, in each direction on its own device; resets when both are high", function()
    for _, start in ipairs { 0, 0.4, -0.7 } do
      local changes = walk(200)
      local wanted, _, writes = loop(start, changes)
      assert(writes > 210) -- some of them resets
      for t, row in ipairs(rows(hw.linear_step(PAIR), start, changes)) do
        near(wanted[t], row[1], 1e-10, "write " .. t)
      end
    end
  end)

  it("counts the pulses and writes of both, with those of resets", function()
    local p = given(PAIR)
    p.gamma_up, p.reset, p.dw_min, p.max_pulses, p.w_max = 0, 0, 1 / 64, 1000, 64
    p.refresh_upper, p.refresh_lower = 0.6 / 64, 0.3 / 64
    local net = nn.sequential { input = 1, nn.dense(2), nn.dense(1), dtype = "f64" }
    local run = mgd.train { chip = mgd.chip { net = net, update = hw.linear_step(p), seed = 1 },
      data = mgd.data.from { x = mgd.tensor { { 1 }, { -1 } }, y = mgd.tensor { { 1 }, { 0 } } },
      init = { scheme = "zeros" }, optimizer = "sign", eta = 4 / 64, tau_theta = 1, seed = 5,
      perturbation = { code = "random", amplitude = 0.3 } }
    local g, pulses, writes, resets = {}, 0, 0, 0
    local before = run:theta():totable()
    for i = 1, #before do
      g[i] = { 0, 0 }
    end
    -- with constant steps of 1/64 and resets to 0 a refresh leaves w as it is
    for _ = 1, 400 do
      run:run { steps = 1 }
      local theta = run:theta():totable()
      for i, w in ipairs(theta) do
        local n, k = math.abs(w - before[i]) * 64, w > before[i] and 1 or 2
        g[i][k] = g[i][k] + n / 64
        pulses, writes = pulses + n, writes + (n > 0 and 1 or 0)
        if n > 0 and math.max(g[i][1], g[i][2]) > 0.6 and math.min(g[i][1], g[i][2]) > 0.3 then
          g[i] = { math.max(w, 0), math.max(-w, 0) }
          pulses, writes, resets = pulses + math.abs(w) * 64, writes + 1, resets + 1
        end
      end
      before = theta
    end
    assert(resets > 3)
    local counters = run:counters()
    assert.equal(pulses, counters.pulses)
    near(writes / #before, counters.writes_mean, 1e-12)
  end)

  it("both devices have spreads of their own", function()
    local p = given(PAIR)
    p.dw_min_d2d = 0.1
    local up, down = many(hw.linear_step(p), 0, { 0.05 }), many(hw.linear_step(p), 0, { -0.05 })
    normal(up, 0.05, 0.005, "up")
    normal(down, -0.05, 0.005, "down")
    near(0, stats.correlation(up, down), 4 / math.sqrt(N))
  end)

  it("a reset is spread and noisy", function()
    local p = given(PAIR)
    p.dw_min, p.gamma_up, p.refresh_upper, p.refresh_lower = 0.5, 0, 0.4, 0.4
    p.reset, p.reset_d2d, p.reset_noise = 0.3, 0.03, 0.04
    -- one pulse on each: equal, so that nothing is written anew
    local out = rows(hw.linear_step(p), 0, { 0.5, -0.5, 0.5, -0.5 }, N)
    normal(out[2], 0, math.sqrt(2) * 0.05, "difference of two resets")
  end)

  it("is refused where it makes no sense", function()
    assert.has_error(function() hw.linear_step { cell = "pair" } end, "hw.linear_step: option "
      .. "'w_min' must be 0 with cell = 'pair', whose devices pulses raise alone; got -0.6")
    assert.has_error(function() hw.linear_step { cell = "pair", w_min = 0, reference = 1 } end,
      "hw.linear_step: option 'reference' has no effect with cell = 'pair': it belongs to cell = "
      .. "'single'")
    assert.has_error(function() hw.linear_step { reset = 1 } end,
      "hw.linear_step: option 'reset' has no effect with cell = 'single': it belongs to cell = "
      .. "'pair'")
  end)
end)

describe("a law beyond its range", function()
  local function warnings(model)
    return hw.compile("spec", { update = model }).warnings
  end

  it("warns once, with the range", function()
    for text, model in pairs {
      ["update: constant_step: dw_min = 3 is more than the whole range, 1.2: it should be a small "
        .. "part of it"] = hw.constant_step { dw_min = 3 },
      ["update: constant_step: the noise of a pulse, c2c·dw_min = 1, is more than a quarter of the "
        .. "range, 1.2: bounds cut it off behind the last of several alone"] =
        hw.constant_step { dw_min = 0.1, c2c = 10 },
      ["update: soft_bounds: dw_min = 0.7 reaches the bound at 0.6 with one pulse: it should be "
        .. "less"] = hw.soft_bounds { dw_min = 0.7 },
      ["update: linear_step: steps up end at w = 0.25, before w_max = 0.6: 1 + gamma_up·w should "
        .. "be positive between the bounds"] = hw.linear_step { gamma_up = -4 },
      ["update: exponential_step: steps down are 0 wherever the weight is between its bounds: 1 − "
        .. "amplitude_down·e^(…) should be positive somewhere"] =
        hw.exponential_step { amplitude_down = 1e9 },
      ["update: power_step: gamma_down = -1: steps grow without end towards the bound; it should "
        .. "be from 0 on"] = hw.power_step { gamma_down = -1 },
      ["update: linear_step: hw.presets.ecram with another c2c, w_max: not of its source any more"]
        = hw.presets.ecram { c2c = 0.1, w_max = 2, max_pulses = 3, up_down = 0 },
    } do
      assert.same({ text }, warnings(model))
    end
    for _, preset in ipairs(hw.presets()) do
      if preset.kind == "device" then
        assert.same({}, warnings(hw.presets[preset.name]()), preset.name)
      end
    end
  end)
end)
