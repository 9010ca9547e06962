-- Update laws against loops over single pulses in plain Lua.
--
-- Exact checks: 1e-10 in f64, 1e-5 in f32. Statistical ones take n = 20,000 devices and 4 standard
-- errors, as hw_models_spec.lua does.

local mgd = require "mgd"
local devices = require "spec.support.models"
local stats = require "spec.support.statistics"

local near, normal = stats.near, stats.normal

local hw = mgd.hw
local N, map = devices.N, devices.map

-- Weights of one device after each of a list of changes.
local function written(model, start, changes, opts, dtype)
  local rows = {}
  for t, change in ipairs(changes) do
    rows[t] = { change }
  end
  dtype = { dtype = dtype or "f64" }
  local out = model:write(mgd.tensor({ start }, dtype), mgd.tensor(rows, dtype), opts):totable()
  for t, row in ipairs(out) do
    out[t] = row[1]
  end
  return out
end

-- What n devices have made of one change (or of a list of them), as a list.
local function after(model, start, changes, opts)
  local rows, ones = {}, mgd.ones({ N }, { dtype = "f64" })
  changes = type(changes) == "table" and changes or { changes }
  local t = mgd.zeros({ #changes, N }, { dtype = "f64" })
  for k, change in ipairs(changes) do
    rows[k] = change
    t[k] = ones * change
  end
  return model:write(ones * start, t, opts):totable()[#rows]
end

local function follows(expected, model, start, changes, opts, what)
  for _, dtype in ipairs { "f64", "f32" } do
    local out = written(model, start, changes, opts, dtype)
    for t, w in ipairs(expected) do
      near(w, out[t], dtype == "f64" and 1e-10 or 1e-5, ("%s, %s, write %d"):format(
        what or tostring(model), dtype, t))
    end
  end
end

-- ---- laws ---------------------------------------------------------------------------------------

local EXACT = { dw_min = 0.004, up_down = 0.1, w_min = -0.5, w_max = 0.7, dw_min_d2d = 0, c2c = 0,
  up_down_d2d = 0, w_min_d2d = 0, w_max_d2d = 0, stochastic = false, max_pulses = 20 }

local function given(extra, without)
  local p = {}
  for key, value in pairs(EXACT) do
    p[key] = value
  end
  for key, value in pairs(extra or {}) do
    p[key] = value
  end
  for _, key in ipairs(without or {}) do
    p[key] = nil
  end
  return p
end

-- Changes of some pulses each way, of more than max_pulses, of too little for one, of none; none at
-- half a pulse, where rounding decides.
local function changes_of(step, count)
  local changes, x = {}, 0.3
  for t = 1, count do
    x = 3.9 * x * (1 - x)
    changes[t] = (math.floor((x - 0.45) * 60) + 0.2 * (t % 3 - 1)) * step
  end
  changes[3] = 0
  return changes
end

-- Weights after each change: pulses by `step(w, up)`, each of which ends within the bounds.
local function by_pulses(p, nominal, start, changes, step)
  local w, out = start, {}
  for t, change in ipairs(changes) do
    local count = math.min(math.floor(math.abs(change) / nominal + 0.5), p.max_pulses)
    for _ = 1, count do
      w = math.min(math.max(w + step(w, change > 0), p.w_min), p.w_max)
    end
    out[t] = w
  end
  return out
end

local function law_follows(model, step, start)
  local p, changes = model.params, changes_of(0.004, 120)
  follows(by_pulses(p, p.dw_min, start or 0.05, changes, function(w, up)
    local d = up and p.dw_min * (1 + p.up_down) or -p.dw_min * (1 - p.up_down)
    local change = d * step(w, up, p)
    return up and math.max(change, 0) or math.min(change, 0) -- never against its direction
  end), model, start or 0.05, changes)
end

describe("update laws", function()
  it("constant_step", function()
    law_follows(hw.constant_step(given()), function() return 1 end)
    law_follows(hw.constant_step(given { w_min = 0.02, w_max = 0.1 }), function() return 1 end)
  end)

  it("linear_step: Δ·(1 + γ·w)", function()
    for _, g in ipairs { { 0, 0 }, { -1.2, 1.5 }, { 0.8, -0.6 }, { -3, 3 } } do
      law_follows(hw.linear_step(given { gamma_up = g[1], gamma_down = g[2], gamma_d2d = 0 }),
        function(w, up) return 1 + (up and g[1] or g[2]) * w end)
    end
  end)

  it("soft_bounds: Δ·(1 − w/bound)", function()
    for _, start in ipairs { 0.05, -0.49, 0.69 } do
      law_follows(hw.soft_bounds(given()), function(w, up, p)
        return 1 - w / (up and p.w_max or p.w_min)
      end, start)
    end
  end)

  it("exponential_step: Δ·(1 − A·e^(±γ·z))", function()
    for _, extra in ipairs { {}, { amplitude_up = 0.2, amplitude_down = 0.1, gamma_up = 2,
      gamma_down = 1.5, a = 1.1, b = -0.1 } } do
      law_follows(hw.exponential_step(given(extra)), function(w, up, p)
        local z = 2 * p.a * w / (p.w_max - p.w_min) + p.b
        local e = up and p.amplitude_up * math.exp(p.gamma_up * z)
          or p.amplitude_down * math.exp(-p.gamma_down * z)
        return math.max(1 - e, 0)
      end)
    end
  end)

  it("power_step: Δ·(distance to the bound over the range)^γ", function()
    for _, g in ipairs { { 1, 1 }, { 0.5, 2 }, { 3, 1.7 } } do
      law_follows(hw.power_step(given { gamma_up = g[1], gamma_down = g[2], gamma_d2d = 0 }),
        function(w, up, p)
          local range = p.w_max - p.w_min
          return up and ((p.w_max - w) / range) ^ g[1] or ((w - p.w_min) / range) ^ g[2]
        end)
    end
  end)

  -- In closed form: the place p of w on the curve, and where p + n pulses are.
  it("ltp_ltd: along the curves of potentiation and depression", function()
    local p = given({ levels = 24, nonlinearity_up = 2.2, nonlinearity_down = 0.9 },
      { "dw_min", "up_down", "dw_min_d2d", "up_down_d2d" })
    local range, nominal = p.w_max - p.w_min, (p.w_max - p.w_min) / 24
    local changes, w, out = changes_of(nominal / 6, 100), 0.05, {}
    for t, change in ipairs(changes) do
      local n = math.min(math.floor(math.abs(change) / nominal + 0.5), 20)
      local nu = change > 0 and p.nonlinearity_up or p.nonlinearity_down
      local from = change > 0 and (w - p.w_min) / range or (p.w_max - w) / range
      local place = -24 / nu * math.log(1 - from * (1 - math.exp(-nu)))
      local to = math.min((1 - math.exp(-nu * (place + n) / 24)) / (1 - math.exp(-nu)), 1)
      if n > 0 then
        w = change > 0 and p.w_min + range * to or p.w_max - range * to
      end
      out[t] = w
    end
    follows(out, hw.ltp_ltd(p), 0.05, changes)
    -- from end to end in N pulses
    local all = given({ levels = 16 }, { "dw_min", "up_down", "dw_min_d2d", "up_down_d2d" })
    follows({ 0.7, -0.5 }, hw.ltp_ltd(all), -0.5, { 1.2, -1.2 })
  end)

  -- The value of a curve at a place that need not be whole, and the place of a value.
  local function value(curve, place)
    local k = math.min(math.floor(place), #curve - 2)
    return place >= #curve - 1 and curve[#curve]
      or curve[k + 1] + (place - k) * (curve[k + 2] - curve[k + 1])
  end

  local function place(curve, w)
    local sign = curve[2] > curve[1] and 1 or -1
    for k = 1, #curve - 1 do
      if sign * w < sign * curve[k + 1] then
        return k - 1 + math.max(0, (w - curve[k]) / (curve[k + 1] - curve[k]))
      end
    end
    return #curve - 1
  end

  local UP, DOWN = { -0.4, -0.1, 0.1, 0.3, 0.35 }, { 0.35, 0.2, -0.1, -0.4 }
  local TABLE = { "dw_min", "up_down", "dw_min_d2d", "up_down_d2d", "w_min", "w_max", "w_min_d2d",
    "w_max_d2d" }

  it("pulse_table: one place further along the curve with each pulse", function()
    local nominal = (UP[#UP] - UP[1]) / (#UP - 1)
    for _, curves in ipairs { { UP, DOWN }, { { -0.3, 0, 0.1, 0.2, 0.45 }, DOWN },
      { UP, { 0.6, 0.2, -0.1, -0.5 } } } do
      local up, down = curves[1], curves[2]
      nominal = (up[#up] - up[1]) / (#up - 1)
      local model = hw.pulse_table(given({ up = up, down = down }, TABLE))
      local p = { max_pulses = 20, w_min = math.min(up[1], down[#down]),
        w_max = math.max(up[#up], down[1]) }
      local changes = changes_of(nominal / 8, 120)
      follows(by_pulses(p, nominal, 0.05, changes, function(w, rises)
        if rises then
          return math.max(value(up, place(up, w) + 1) - w, 0)
        end
        return math.min(value(down, place(down, w) + 1) - w, 0)
      end), model, 0.05, changes)
    end
    -- its own points, one after the other
    follows({ -0.1, 0.1, 0.3, 0.35, 0.35 }, hw.pulse_table(given({ up = UP, down = DOWN }, TABLE)),
      -0.4, { nominal, nominal, nominal, nominal, nominal })
  end)

  it("trap: a pulse up does not lower a weight beyond the end of its curve", function()
    local model = hw.pulse_table(given({ up = UP, down = { 0.6, 0.2, -0.6 } }, TABLE))
    follows({ 0.5, 0.5 }, model, 0.5, { 0.2, 0.2 })
    follows({ -0.6 }, model, -0.55, { -0.2 })
    follows({ -0.5 }, hw.pulse_table(given({ up = { -0.5, 0, 0.5 }, down = { 0.5, 0, -0.2 } },
      TABLE)), -0.5, { -0.6 })
  end)

  it("at most max_pulses, at least half a pulse", function()
    follows({ 0.008, 0.008, 0.012, 0.008 }, hw.constant_step(given { max_pulses = 2, up_down = 0 }),
      0, { 0.1, 0.0019, 0.0021, -0.0059 })
  end)
end)

-- ---- spreads ------------------------------------------------------------------------------------

describe("spreads of devices", function()
  it("of the step, of its asymmetry, of the bounds", function()
    -- one pulse up, from 0
    normal(after(hw.constant_step(given { dw_min_d2d = 0.1 }), 0, 0.004), 0.0044, 0.00044, "step")
    normal(after(hw.constant_step(given { up_down_d2d = 0.05 }), 0, 0.004), 0.0044, 0.0002, "up")
    normal(after(hw.constant_step(given { up_down_d2d = 0.05 }), 0, -0.004), -0.0036, 0.0002,
      "down")
    local far = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 }
    normal(after(hw.constant_step(given { w_max_d2d = 0.1 }), 0, far), 0.7, 0.07, "upper bound")
    far = map(far, function(x) return -x end)
    normal(after(hw.constant_step(given { w_min_d2d = 0.1 }), 0, far), -0.5, 0.05, "lower bound")
  end)

  it("of the exponents", function()
    local d = 0.0044
    local out = after(hw.linear_step(given { gamma_up = 0.5, gamma_d2d = 0.2 }), 0.4, 0.004)
    normal(map(out, function(w) return ((w - 0.4) / d - 1) / 0.4 end), 0.5, 0.2, "linear, up")
    out = after(hw.linear_step(given { gamma_down = 0.5, gamma_d2d = 0.2 }), 0.4, -0.004)
    normal(map(out, function(w) return ((w - 0.4) / -0.0036 - 1) / 0.4 end), 0.5, 0.2,
      "linear, down")
    out = after(hw.power_step(given { gamma_up = 2, gamma_d2d = 0.2 }), 0.1, 0.004)
    normal(map(out, function(w) return math.log((w - 0.1) / d) / math.log(0.5) end), 2, 0.2,
      "power, up")
  end)

  it("are of the device: the same at each write", function()
    local model = hw.constant_step(given { dw_min_d2d = 0.2, up_down_d2d = 0.05 })
    local one, two = after(model, 0, 0.004), after(model, 0, { 0.004, 0.004 })
    for i, w in ipairs(one) do
      near(2 * w, two[i], 1e-12)
    end
    near(0, stats.correlation(one, after(model, 0, 0.004, { replica = 2 })), 4 / math.sqrt(N))
    near(0, stats.correlation(one, after(model, 0, 0.004, { seed = 2 })), 4 / math.sqrt(N))
  end)
end)

describe("noise of pulses", function()
  it("is c2c of each step, independent from pulse to pulse", function()
    normal(after(hw.constant_step(given { c2c = 0.3 }), 0, 0.004 * 9), 0.0044 * 9,
      0.3 * 0.0044 * 3, "nine pulses")
    normal(after(hw.constant_step(given { c2c = 0.3 }), 0, { 0.004, 0.004, 0.004, 0.004 }),
      0.0044 * 4, 0.3 * 0.0044 * 2, "four writes")
    -- the variance goes with the slope of the law through the pulses that follow, and is spread
    -- by their noise, too: soft bounds with 15 steps that shrink, …
    local w, v = 0.2, 0
    for _ = 1, 15 do
      local step, slope = -0.0036 * (1 + w / 0.5), -0.0036 / 0.5
      w, v = w + step, v * ((1 + slope) ^ 2 + (0.3 * slope) ^ 2) + (0.3 * step) ^ 2
    end
    normal(after(hw.soft_bounds(given { c2c = 0.3 }), 0.2, -0.004 * 15), w, math.sqrt(v),
      "soft bounds")
    w, v = 0.2, 0 -- … and a square
    for _ = 1, 15 do
      local step, slope = 0.0044 * ((0.7 - w) / 1.2) ^ 2, -0.0088 * (0.7 - w) / 1.44
      w, v = w + step, v * ((1 + slope) ^ 2 + (0.3 * slope) ^ 2) + (0.3 * step) ^ 2
    end
    normal(after(hw.power_step(given { c2c = 0.3, gamma_up = 2, gamma_d2d = 0 }), 0.2, 0.004 * 15),
      w, math.sqrt(v), "power")
  end)

  it("does not leave the bounds", function()
    local out = after(hw.constant_step(given { c2c = 2, w_max = 0.05 }), 0.049, 0.004)
    for _, w in ipairs(out) do
      assert(w <= 0.05)
    end
  end)

  it("stochastic: a fraction of a pulse is one by chance", function()
    local model = hw.constant_step(given { stochastic = true, up_down = 0 })
    for _, part in ipairs { 0.1, 0.5, 0.9 } do
      local out, more = after(model, 0, -0.004 * (2 + part)), 0
      for _, w in ipairs(out) do
        local n = math.floor(-w / 0.004 + 0.5)
        assert(n == 2 or n == 3)
        more = more + n - 2
      end
      near(part, more / N, 4 * math.sqrt(part * (1 - part) / N), "share")
    end
  end)
end)

-- ---- the gate -----------------------------------------------------------------------------------

describe("gate", function()
  it("threshold, and what is kept of what was not written", function()
    local changes = { 0.06, 0.06, 0.06, -0.2, 0.1 }
    follows({ 0, 0, 0, -0.2, -0.1 }, hw.write { threshold = 0.0999 }, 0, changes)
    follows({ 0, 0.12, 0.12, -0.02, 0.08 }, hw.write { threshold = 0.0999, accumulate = true }, 0,
      changes)
    follows({ 0, 0.24, 0.24 }, hw.constant_step(given { up_down = 0, threshold = 0.1,
      dw_min = 0.02, accumulate = true }), 0, { 0.0995, 0.1405, 0.05 })
  end)

  it("accumulate: rests of pulses are kept, and without it they are lost", function()
    local changes = { 0.0015, 0.0015, 0.0015, 0.0015, 0.0065, -0.0015 }
    follows({ 0, 0, 0, 0, 0.008, 0.008 }, hw.constant_step(given { up_down = 0 }), 0, changes)
    -- what is asked for in thousandths: 1.5, 3 (one of 4), 0.5, 1.8, 8.3 (two), −1.2
    follows({ 0, 0.004, 0.004, 0.004, 0.012, 0.012 },
      hw.constant_step(given { up_down = 0, accumulate = true }), 0,
      { 0.0015, 0.0015, 0.0015, 0.0013, 0.0065, -0.0015 })
  end)

  it("interval: so much time between two writes, and before the first", function()
    local changes = { 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1 }
    follows({ 0, 0, 0.1, 0.1, 0.1, 0.2, 0.2 }, hw.write { interval = 3 }, 0, changes)
    follows({ 0, 0.1, 0.1, 0.2, 0.2, 0.3, 0.3 }, hw.write { interval = 3e-6 }, 0, changes,
      { dt = 1.5e-6 })
    follows({ 0, 0, 0.3, 0.3, 0.3, 0.6, 0.6 }, hw.write { interval = 3, accumulate = true }, 0,
      changes)
  end)

  it("endurance: a device stands still after so many writes", function()
    local changes = { 0.1, 0, 0.1, 0.1, 0.1, 0.1 }
    follows({ 0.1, 0.1, 0.2, 0.3, 0.3, 0.3 }, hw.write { endurance = 3 }, 0, changes)
    follows({ 0.1, 0.1, 0.2, 0.3, 0.3, 0.3 }, hw.constant_step(given { dw_min = 0.1, up_down = 0,
      endurance = 3 }), 0, changes)
    -- counts are whole: the first at or above a normal number, on average half above it, and
    -- spread by √(σ² + 1/12); 4 standard errors
    local many = {}
    for t = 1, 60 do
      many[t] = 1
    end
    normal(after(hw.write { endurance = 30, endurance_spread = 0.1 }, 0, many), 30.5,
      math.sqrt(9 + 1 / 12), "writes")
  end)
end)

-- ---- write --------------------------------------------------------------------------------------

describe("write", function()
  it("takes the change itself", function()
    follows({ 0.3, 0.1, 0.1, 5 }, hw.write {}, 0.1, { 0.2, -0.2, 0, 4.9 })
  end)

  it("resolution and accumulate: what rounding leaves is kept", function()
    -- ten changes of 0.04 at steps of 0.1: 0.4 in all, whatever the order
    local w = hw.write { resolution = 0.1, accumulate = true }:write(mgd.zeros { 1 },
      mgd.full({ 10, 1 }, 0.04))
    assert.is_near(0.4, w[{ 10, 1 }], 1e-12)
    assert.equal(0, w[{ 1, 1 }])
  end)

  it("resolution: to the nearest multiple, with a law behind it and without", function()
    local changes, expected = { 0.04, 0.06, 0.26, -0.17 }, { 0, 0.1, 0.4, 0.2 }
    follows(expected, hw.write { resolution = 0.1 }, 0, changes)
    follows(expected, hw.write { resolution = 0.1, threshold = 0.01 }, 0, changes)
    local out, up = after(hw.write { resolution = 0.1, stochastic = true }, 0, 0.13), 0
    for _, w in ipairs(out) do
      assert(math.abs(w - 0.1) < 1e-12 or math.abs(w - 0.2) < 1e-12)
      up = up + (w > 0.15 and 1 or 0)
    end
    near(0.3, up / N, 4 * math.sqrt(0.21 / N), "share")
  end)

  it("noise: absolute and proportional add in quadrature", function()
    normal(after(hw.write { noise = 0.02 }, 0.1, 0.3), 0.4, 0.02, "absolute")
    normal(after(hw.write { proportional = 0.05 }, 0.1, -0.3), -0.2, 0.015, "proportional")
    normal(after(hw.write { noise = 0.02, proportional = 0.05 }, 0.1, 0.3), 0.4, 0.025, "both")
    normal(after(hw.write { noise = 0.02 }, 0.1, { 0.3, -0.3, 0.3, -0.3 }), 0.1, 0.04, "four")
    assert.equal(0.1, after(hw.write { noise = 0.02 }, 0.1, 0)[1]) -- nothing is written
  end)

  it("noise: independent for each parameter and at each time", function()
    local columns, count = { {}, {}, {} }, N
    local out = hw.write { noise = 0.02 }:write(mgd.zeros({ 3 }, { dtype = "f64" }),
      mgd.full({ count, 3 }, 0.1, { dtype = "f64" })):totable()
    for t = 1, count do
      for c = 1, 3 do
        columns[c][t] = out[t][c] - (t > 1 and out[t - 1][c] or 0)
      end
    end
    local later = {}
    for t = 1, count do
      later[t] = columns[1][t % count + 1]
    end
    for c = 1, 3 do
      normal(columns[c], 0.1, 0.02, "column " .. c)
      near(0, stats.correlation(columns[c], columns[c % 3 + 1]), 4 / math.sqrt(count), "columns")
    end
    near(0, stats.correlation(columns[1], later), 4 / math.sqrt(count), "times")
  end)
end)

describe("defaults", function()
  it("are the published ones", function()
    local function has(model, expected)
      for key, value in pairs(expected) do
        assert.equal(value, model.params[key], key)
      end
    end
    local pulses = { dw_min = 0.001, dw_min_d2d = 0.3, c2c = 0.3, up_down = 0, up_down_d2d = 0.01,
      w_min = -0.6, w_max = 0.6, w_min_d2d = 0.3, w_max_d2d = 0.3, max_pulses = 31,
      stochastic = true }
    for _, name in ipairs { "constant_step", "linear_step", "soft_bounds", "exponential_step",
      "power_step" } do
      has(hw[name](), pulses)
    end
    has(hw.linear_step(), { gamma_d2d = 0.05 })
    has(hw.exponential_step(), { amplitude_up = 0.00081, amplitude_down = 0.36833,
      gamma_up = 12.44625, gamma_down = 12.78785, a = 0.244, b = 0.2425 })
    has(hw.power_step(), { gamma_up = 1, gamma_down = 1, gamma_d2d = 0.1 })
    has(hw.ltp_ltd(), { nonlinearity_up = 1.75, nonlinearity_down = 1.46, levels = 32 })
    has(hw.dac(), { bits = 7, bound = 1 })
    has(hw.adc(), { bound = 12, noise = 0 })
    has(hw.drift { nu = 0.1 }, { t0 = 20 })
    has(hw.conductance(), { g_min = 0, g_max = 25 })
  end)
end)
