-- Signal paths against analytic responses.
--
-- A path sees its input held over each step of dt and gives its output at the end of it, so that a
-- step at t = 0 is answered in row k by the continuous response at t = k·dt exactly. Tens of
-- thousands of rows add up rounding to less than 1e-10 in f64.
-- In f32 the input and every output are rounded to 6e-8, and the states keep what rounding takes:
-- 1e-6.

local mgd = require "mgd"
local core = require "mgd.core"
local stats = require "spec.support.statistics"

local near = stats.near

local hw = mgd.hw
local quick = os.getenv "MGD_SPEC_QUICK" ~= nil

local TOLERANCE = { f64 = 1e-10, f32 = 1e-6 }

-- What a path makes of a function of the row (1, 2, …), as a list.
local function through(model, rows, f, dt, dtype, stage)
  local values = {}
  for k = 1, rows do
    values[k] = { f(k) }
  end
  local out = model:apply(mgd.tensor(values, { dtype = dtype or "f64" }), { dt = dt,
    stage = stage }):totable()
  for k = 1, rows do
    out[k] = out[k][1]
  end
  return out
end

local function one()
  return 1
end

-- The step response of `model` is `response(t)` for time constants of 1 s, from dt = 1e-4 to 10.
local function answers(model, response, what)
  for _, dtype in ipairs { "f64", "f32" } do
    for _, dt in ipairs { 1e-4, 1e-2, 0.3, 1, 10 } do
      local rows = math.min(math.ceil(12 / dt), quick and 2000 or 30000)
      local out = through(model, rows, one, dt, dtype)
      for k = 1, rows, math.max(1, math.floor(rows / 300)) do
        near(response(k * dt), out[k], TOLERANCE[dtype], ("%s, %s, dt = %g, row %d"):format(
          what or tostring(model), dtype, dt, k))
      end
    end
  end
end

-- Of n equal poles with τ = 1 s.
local function poles(n)
  return function(t)
    local term, sum = 1, 0
    for k = 0, n - 1 do
      sum = sum + term
      term = term * t / (k + 1)
    end
    return 1 - math.exp(-t) * sum
  end
end

describe("path", function()
  it("lowpass: a step as 1 − e^(−t/τ)·Σ (t/τ)^k/k!", function()
    answers(hw.path { lowpass = 1 }, poles(1))
    answers(hw.path { lowpass = { tau = 1, poles = 3 } }, poles(3))
    answers(hw.path { lowpass = { tau = 1, poles = 8 } }, poles(8))
  end)

  -- Filters of one stage, or of several models in it, without anything but plain gains between.
  it("filters in a row: as one system, whatever dt is", function()
    local function row(models, response, what)
      local compiled = hw.compile("spec", { cost = models })
      for _, dtype in ipairs { "f64", "f32" } do
        for _, dt in ipairs { 1e-3, 0.3, 1, 10 } do
          local n = math.min(math.ceil(12 / dt), 2000)
          local out = core.hw.apply(compiled.models, { dt = dt }, mgd.ones({ n, 1 },
            { dtype = dtype }))
          for k = 1, n, math.max(1, math.floor(n / 100)) do
            near(response(k * dt), out[{ k, 1 }], TOLERANCE[dtype], ("%s, %s, dt = %g, row %d")
              :format(what, dtype, dt, k))
          end
        end
      end
    end
    local one_pole = hw.path { lowpass = 1 }
    row({ one_pole, one_pole }, poles(2), "two poles")
    row({ hw.path { lowpass = { tau = 1, poles = 4 } }, one_pole, hw.path { lowpass = { tau = 1,
      poles = 3 } } }, poles(8), "eight")
    row({ one_pole, hw.path { gain = -2, offset = 0.5, lowpass = 1 } }, function(t)
      return -2 * poles(2)(t) + 0.5 * poles(1)(t)
    end, "a gain between")
    -- of different poles: 1 − (τ₁·e^(−t/τ₁) − τ₂·e^(−t/τ₂))/(τ₁ − τ₂), the stiffest too
    for _, tau in ipairs { 0.2, 1e-3, 1e-9 } do
      row({ one_pole, hw.path { lowpass = tau } }, function(t)
        return 1 - (math.exp(-t) - tau * math.exp(-t / tau)) / (1 - tau)
      end, "poles of 1 and " .. tau)
    end
    -- AC coupling and low-pass: (e^(−t/τ_h) − e^(−t/τ_l))·τ_h/(τ_h − τ_l)
    row({ hw.path { highpass = 5, lowpass = 0.5 } }, function(t)
      return (math.exp(-t / 5) - math.exp(-t / 0.5)) * 5 / 4.5
    end, "a band-pass")
    -- a pole of 1 s and ω = 2, ζ = 0.25 behind it, by partial fractions: y = 1 + a·e^(−t) +
    -- e^(−t/2)·(b·cos(vt) + c·sin(vt)), v = √(15/4), of y(0) = y'(0) = y''(0) = 0
    row({ one_pole, hw.path { ringing = { frequency = 1 / math.pi, damping = 0.25 } } },
      function(t)
        local v = math.sqrt(15 / 4)
        local a = -4 / (1 - 1 + 4) -- 4·L(1/(s(s + 1)(s² + s + 4))) at s = −1
        local b = -1 - a
        local c = (a + b / 2) / v
        return 1 + a * math.exp(-t) + math.exp(-t / 2) * (b * math.cos(v * t) + c * math.sin(v * t))
      end, "a pole and ringing")
  end)

  it("is refused with more than sixteen poles in a row", function()
    local eight = hw.path { lowpass = { tau = 1, poles = 8 } }
    local compiled = hw.compile("spec", { cost = { eight, eight, hw.path { highpass = 1 } } })
    local ok, message = pcall(core.hw.apply, compiled.models, { dt = 1 }, mgd.ones { 1, 1 })
    assert.is_false(ok)
    assert.truthy(message:find("have 17 poles together: expected at most 16", 1, true), message)
  end)

  it("highpass: a step as e^(−t/τ)", function()
    answers(hw.path { highpass = 1 }, function(t) return math.exp(-t) end)
  end)

  it("ringing: a step as that of ω = 1 and ζ", function()
    local function ringing(zeta)
      return hw.path { ringing = { frequency = 1 / (2 * math.pi), damping = zeta } }
    end
    answers(ringing(0.2), function(t)
      local w = math.sqrt(1 - 0.04)
      return 1 - math.exp(-0.2 * t) * (math.cos(w * t) + 0.2 / w * math.sin(w * t))
    end, "ζ = 0.2")
    answers(ringing(1), function(t) return 1 - math.exp(-t) * (1 + t) end, "ζ = 1")
    answers(ringing(3), function(t)
      local r = math.sqrt(8)
      local fast, slow = 3 + r, 3 - r
      return 1 - (fast * math.exp(-slow * t) - slow * math.exp(-fast * t)) / (fast - slow)
    end, "ζ = 3")
  end)

  it("has the same response in units of microseconds, and in every stage", function()
    for _, stage in ipairs { "perturbation", "input", "output", "cost", "update" } do
      local out = through(hw.path { lowpass = 2e-6 }, 10, one, 1e-6, "f64", stage)
      for k = 1, 10 do
        near(1 - math.exp(-k / 2), out[k], 1e-12, stage)
      end
    end
  end)

  -- Superposition: the response to any held input is that to its steps.
  it("is linear", function()
    local model = hw.path { gain = 0.5, lowpass = { tau = 2.5, poles = 2 }, highpass = 30 }
    local x = {}
    for k = 1, 40 do
      x[k] = math.sin(k * k)
    end
    local step = through(model, 40, one, 1)
    local out = through(model, 40, function(k) return x[k] end, 1)
    for t = 1, 40 do
      local sum = 0
      for k = 1, t do
        sum = sum + (x[k] - (x[k - 1] or 0)) * step[t - k + 1]
      end
      near(sum, out[t], 1e-12)
    end
  end)

  -- A sine of frequency f held over steps of dt is one through sinc(f·dt), delayed by dt/2, and
  -- images at multiples of 1/dt. At 200 steps per period sinc is 1 − 4e-5; the images, 1/200 of the
  -- sine at most, are orthogonal to it over whole periods and alias onto it with a filter of less
  -- than 1/200 there: 1e-4 of it all told. Its amplitude is then 1/√2 (1 ± 3e-4).
  it("frequency: −3 dB of all poles together", function()
    local per, f = 200, 1e5
    local dt = 1 / (per * f)
    local function amplitude(model, dtype)
      local periods, settle = 4, 6
      local rows = per * (settle + periods)
      local out = through(model, rows, function(k) return math.sin(2 * math.pi * k / per) end, dt,
        dtype)
      local re, im = 0, 0
      for k = per * settle + 1, rows do
        local phase = 2 * math.pi * k / per
        re, im = re + math.cos(phase) * out[k], im + math.sin(phase) * out[k]
      end
      return 2 * math.sqrt(re * re + im * im) / (per * periods)
    end
    for _, dtype in ipairs { "f64", "f32" } do
      near(math.sqrt(0.5), amplitude(hw.path { lowpass = { frequency = f } }, dtype), 3e-4, "one")
      for _, n in ipairs { 2, 4 } do
        near(math.sqrt(0.5), amplitude(hw.path { lowpass = { frequency = f, poles = n } }, dtype),
          3e-4, n .. " poles")
      end
      -- sampled at the end of a step, what a low-pass leaves out: 1 − e^(−x) of the change is gone,
      -- a first-order error in dt/τ = 2π/200; half of it in amplitude
      near(math.sqrt(0.5), amplitude(hw.path { highpass = { frequency = f } }, dtype),
        math.sqrt(0.5) * math.pi / per, "highpass")
      near(1 / (2 * 0.3), amplitude(hw.path { ringing = { frequency = f, damping = 0.3 } }, dtype),
        2e-3, "ringing at f0: 1/(2ζ)")
    end
  end)

  it("highpass: a sine by the exact response of the sampled filter", function()
    -- y_k = x_k − s_k, s_k = s_{k−1} + (1 − e^(−dt/τ))·(x_k − s_{k−1})
    local out = through(hw.path { highpass = 3 }, 50, math.sin, 1)
    local s = 0
    for k = 1, 50 do
      s = s + (1 - math.exp(-1 / 3)) * (math.sin(k) - s)
      near(math.sin(k) - s, out[k], 1e-12)
    end
  end)

  it("delay: by steps, and silent before the first value", function()
    local function x(k) return 10 * k end
    assert.same({ 0, 10, 20, 30, 40 }, through(hw.path { delay = 1 }, 5, x, 1))
    assert.same({ 0, 0, 0, 10, 20 }, through(hw.path { delay = 3e-6 }, 5, x, 1e-6))
    assert.same({ 0, 0, 10, 20, 30 }, through(hw.path { delay = 2.1 }, 5, x, 1)) -- rounded
    -- half a step: a value is there for the second half of its own step, when it is read
    assert.same({ 10, 20, 30 }, through(hw.path { delay = 0.5 }, 3, x, 1))
    assert.same({ 0, 10, 20 }, through(hw.path { delay = 1.5 }, 3, x, 1))
    assert.same({ 10, 20, 30 }, through(hw.path { delay = 0.2 }, 3, x, 1))
  end)

  it("slew: by so much per second at most, up and down", function()
    local x = { 1, 1, 1, 1, 1, -1, -1, 0.1, 0.1, 0.15 }
    local out, s = through(hw.path { slew = 0.8 }, #x, function(k) return x[k] end, 0.5), 0
    for k = 1, #x do
      s = s + math.min(math.max(x[k] - s, -0.4), 0.4)
      near(s, out[k], 1e-12)
    end
  end)

  it("passes a probe, which sees it settled", function()
    local model = hw.path { gain = 2, offset = 0.5, lowpass = 10, delay = 3, slew = 0.01,
      ringing = { frequency = 0.1, damping = 0.5 }, noise = 1, clamp = { -1, 1 } }
    local out = model:apply(mgd.tensor({ { 0.1, 3 } }, { dtype = "f64" }), { still = true })
    near(0.7, out:totable()[1][1], 1e-12)
    near(1, out:totable()[1][2], 0)
  end)

  -- Each stage of the path by itself, one after the other, is the path.
  it("has its parts in order: gain, filters, ringing, delay, slew, clamp, bits", function()
    local parts = {
      { gain = 1.7, offset = -0.2 }, { highpass = 9 }, { lowpass = { tau = 1.5, poles = 2 } },
      { ringing = { frequency = 0.2, damping = 0.3 } }, { delay = 2 }, { slew = 0.4 },
      { clamp = { -0.6, 0.5 } }, { bits = 5, range = { -1, 0.8 } },
    }
    local all, models = {}, {}
    for i, part in ipairs(parts) do
      for key, value in pairs(part) do
        all[key] = value
      end
      models[i] = hw.path(part)
    end
    local x = {}
    for k = 1, 60 do
      x[k] = { math.sin(0.3 * k) + (k > 20 and 1 or 0), math.cos(k) }
    end
    x = mgd.tensor(x, { dtype = "f64" })
    local compiled = hw.compile("spec", { cost = models })
    local apart = core.hw.apply(compiled.models, { dt = 1 }, x):totable()
    local whole = hw.path(all):apply(x, { dt = 1, stage = "cost" }):totable()
    assert.same(apart, whole)
    -- and in another order it is another one
    models[1], models[6] = models[6], models[1]
    compiled = hw.compile("spec", { cost = models })
    assert.not_same(whole, core.hw.apply(compiled.models, { dt = 1 }, x):totable())
  end)

  it("bandwidth: the lowpass of one pole of that frequency, bit for bit", function()
    for _, f in ipairs { 0.03, 1, 1e6, math.huge } do
      local tau = f < math.huge and 1 / (2 * math.pi * f) or 0
      for _, dtype in ipairs { "f64", "f32" } do
        local function answer(given)
          return through(hw.path(given), 200, math.sin, 0.4 / math.min(f, 1e9), dtype, "cost")
        end
        assert.same(answer { lowpass = tau }, answer { bandwidth = f })
        if tau > 0 then
          assert.same(answer { lowpass = { frequency = f } }, answer { bandwidth = f })
        end
      end
    end
  end)

  it("noise comes behind the filters and before the clamp and the bits", function()
    local n = quick and 2000 or 20000
    local model = hw.path { lowpass = 1e3, noise = 0.2 }
    local out = stats.moments(model:apply(mgd.zeros({ 1, n }, { dtype = "f64" })):totable()[1])
    near(0.2, out.sd, 4 * 0.2 / math.sqrt(2 * n))
    model = hw.path { noise = 2, clamp = { -1, 1 }, bits = 1, range = { -0.5, 0.5 } }
    for _, y in ipairs(model:apply(mgd.zeros({ 1, 100 }, { dtype = "f64" })):totable()[1]) do
      assert(y == -0.5 or y == 0.5)
    end
  end)

  it("bits: 2^bits levels over the range, 2^bits − 1 where zero is its middle", function()
    local function levels(given)
      local seen, count = {}, 0
      local x = {}
      for k = -300, 300 do
        x[#x + 1] = k / 200 + 1e-4
      end
      local out = hw.path(given):apply(mgd.tensor({ x }, { dtype = "f64" })):totable()[1]
      for _, y in ipairs(out) do
        if not seen[y] then
          seen[y], count = true, count + 1
        end
      end
      return count, out[1], out[#out]
    end
    assert.same({ 8, -0.5, 1.25 }, { levels { bits = 3, range = { -0.5, 1.25 } } })
    assert.same({ 7, -1, 1 }, { levels { bits = 3, range = { low = -1, high = 1 } } })
  end)

  it("gain and offset spread over devices", function()
    local n = quick and 2000 or 20000
    local model = hw.path { gain = 2, gain_spread = 0.1, offset = 0.3, offset_spread = 0.05 }
    local zero = model:apply(mgd.zeros({ 2, n }, { dtype = "f64" })):totable()
    assert.same(zero[1], zero[2])
    local m = stats.moments(zero[1])
    near(0.3, m.mean, 4 * 0.05 / math.sqrt(n))
    near(0.05, m.sd, 4 * 0.05 / math.sqrt(2 * n))
    m = stats.moments(model:apply(mgd.ones({ 1, n }, { dtype = "f64" })):totable()[1])
    near(2.3, m.mean, 4 * 0.12 / math.sqrt(n))
    near(math.sqrt(0.0125), m.sd, 4 * 0.12 / math.sqrt(2 * n))
  end)
end)
