-- The advisor on chips with lines, laws and drifts that decide how they have to be trained.
--
-- Chips are simulated, of XOR by a 2-2-1 network; seeds are fixed, so what a chip does is the same
-- each time. Whether the advisor is right over many kinds and seeds is what scripts/advisor.lua
-- measures; here are the figures that it reads off a line, and one chip for each behaviour.

local mgd = require "mgd"

local bench = require "mgd.runs.advise.bench"
local constant = require "mgd.runs.advise.constant"
local effect = require "mgd.runs.advise.effect"
local predict = require "mgd.runs.advise.predict"
local flag = require("spec.support.train").flag

local hw = mgd.hw

local function xor(stages, changes)
  stages.net = mgd.nn.mlp { 2, 2, 1, activation = "sigmoid", output = "sigmoid" }
  local task = { chip = mgd.chip(stages), data = mgd.data.xor(), batch = 4,
    init = { scheme = "uniform", low = 0, high = 1 }, seed = 2 }
  for name, value in pairs(changes or {}) do
    task[name] = value
  end
  return task
end

-- Trains as it was told to.
local function trains(advice)
  assert.is_true(advice.works)
  local run = advice:train()
  run:run { steps = advice.steps, probes = {} }
  assert.equal(1, run:evaluate().accuracy)
  assert.is_true(run:evaluate().cost < 0.1)
end

local function near(expected, value, tolerance)
  assert.is_true(math.abs(value - expected) <= tolerance,
    ("%g is not %g ± %g"):format(value, expected, tolerance))
end

describe("mgd.advise", function()
  it("trains a chip whose cost is AC-coupled by both sides within a step", function()
    local advice = mgd.advise(xor({ cost = hw.path { highpass = 30 } }, { seed = 1 }))
    local h = advice.measured.response.h
    for _, k in ipairs { 1, 10, 30, 60 } do -- of the first value, one step after the change
      near(math.exp(-(k - 1) / 30), h[k], 0.05)
    end
    assert.is_truthy(flag(advice, "highpass"))
    assert.equal("two-sided", advice.train.baseline)
    assert.equal(1, advice.train.tau_p)
    trains(advice)
  end)

  it("trains a chip whose cost rings", function()
    local zeta, omega = 0.2, 2 * math.pi * 0.1
    local advice = mgd.advise(xor { cost = hw.path { ringing = { frequency = 0.1,
      damping = zeta } } })
    local h, damped = advice.measured.response.h, math.sqrt(1 - zeta ^ 2)
    for k = 1, 20 do
      local phase = omega * damped * k
      near(1 - math.exp(-zeta * omega * k) * (math.cos(phase) + zeta / damped * math.sin(phase)),
        h[k], 0.05)
    end
    assert.is_truthy(flag(advice, "bandwidth"))
    trains(advice)
  end)

  it("trains a chip whose cost is slow and noisy", function()
    local advice = mgd.advise(xor { cost = { hw.path { lowpass = 4 },
      hw.noise { sigma = 1e-3 } } })
    for k = 1, 12 do
      near(1 - math.exp(-k / 4), advice.measured.response.h[k], 0.1)
    end
    trains(advice)
  end)

  it("waits for a cost that is late, and then sees all of the slope", function()
    local advice = mgd.advise(xor { cost = hw.path { delay = 3 } })
    assert.equal("two-sided", advice.train.baseline)
    assert.equal(3, advice.train.settle)
    near(1, advice.measured.gain, 0.1) -- of one-sided slopes, which curvature is in
    trains(advice)
  end)

  it("trains weights that take pulses, larger upwards", function()
    trains(mgd.advise(xor { update = hw.soft_bounds { dw_min = 0.01, up_down = 0.1, w_min = -6,
      w_max = 6, w_min_d2d = 0.1, w_max_d2d = 0.1 } }))
  end)

  it("says no where weights are kept so small that nothing beats a constant answer", function()
    local advice = mgd.advise(xor({ update = hw.soft_bounds { dw_min = 0.005, up_down = 0.1 } },
      { evaluations = 60000 }))
    assert.is_false(advice.works)
    assert.is_truthy(flag(advice, "constant"):find "same for all samples reach 0.25")
    near(0.25, advice.measured.constant, 1e-12)
  end)

  it("calls a cost dead that drifts, whatever θ is", function()
    local drifting = hw.define {
      name = "drifting", stage = "cost",
      apply = function(values, ctx)
        return values + 1e-4 * ctx.time
      end,
    }
    local advice = mgd.advise(xor { cost = { hw.gain { gain = 0 }, drifting {},
      hw.noise { sigma = 1e-3 } } })
    assert.is_false(advice.works)
    assert.is_truthy(flag(advice, "dead"):find("standard deviations of chance", 1, true))
  end)

  it("says what a small budget does not show", function()
    local advice = mgd.advise(xor({ cost = hw.path { lowpass = 20 } }, { evaluations = 8000 }))
    assert.is_true(advice.evaluations <= 8000)
    assert.is_true(#advice.unmeasured > 0)
    for _, what in ipairs(advice.unmeasured) do
      assert.is_truthy(tostring(advice):find("not measured, for want of budget: " .. what, 1, true))
    end
  end)

  it("leaves nothing unmeasured where the budget is enough", function()
    assert.same({}, mgd.advise(xor {}).unmeasured)
  end)
end)

describe("The advisor's test for an effect of θ", function()
  -- Noise correlates with noise by chance, normally, in units of what the shifted lists show: 5 of
  -- those come up once in 3·10⁶, and 40 looks are far from that.
  it("finds none in noise, white or 1/f", function()
    for _, model in ipairs { hw.noise { sigma = 1 }, hw.flicker { sigma = 1, f_low = 1e-5,
      f_high = 0.1 } } do
      for seed = 1, 20 do
        local b = bench.new(xor({ cost = { hw.gain { gain = 0 }, model } },
          { seed = seed, evaluations = 160000 }))
        b.opt.cost = "mse"
        assert.is_false((effect.follows(b, 1)))
      end
    end
  end)

  it("finds it in noise that hides every single step", function()
    local b = bench.new(xor({ cost = hw.noise { sigma = 0.1 } }, { evaluations = 400000 }))
    b.opt.cost = "mse"
    assert.is_true((effect.follows(b, 1, false, 5)))
  end)
end)

describe("The advisor's prediction", function()
  local quiet = { noise = 0, level = 0, even = 0, jump = 0 }

  local function way(baseline, tau_p, settle)
    return { baseline = baseline, tau_p = tau_p, patterns = 1, settle = settle or 0 }
  end

  it("of two sides of a step over a low-pass: α(1 + α)/2, α what a half step shows", function()
    local h = {}
    for k = 1, 40 do
      h[k] = 1 - math.exp(-k / 4)
    end
    local alpha = 1 - math.exp(-1 / 8)
    local gain = predict.predict(way("two-sided", 1), { h = h, settling = 12 }, quiet, true, 9)
    near(alpha * (1 + alpha) / 2, gain, 0.02 * gain)
  end)

  it("of a delay: what is left of the slot, or all of it after the wait", function()
    local response = { h = { 0, 0, 0, 1, 1, 1, 1, 1 }, settling = 4 }
    near(0.25, predict.predict(way("two-sided", 4), response, quiet, true, 9), 1e-12)
    near(1, predict.predict(way("two-sided", 4, 3), response, quiet, true, 9), 1e-12)
  end)

  it("of white noise: σ/√2 of two sides, against a slope of 1", function()
    local _, rest = predict.predict(way("two-sided", 1), { h = { 1, 1, 1, 1 }, settling = 1 },
      { noise = 2, level = 0, even = 0, jump = 0 }, true, 9)
    near(math.sqrt(2), rest, 1e-9)
  end)
end)

describe("The best constant answer", function()
  local y = mgd.tensor { { 1, 0, 0 }, { 1, 0, 0 }, { 0, 1, 0 }, { 0, 0, 1 } }

  it("of mse is the variance of the targets", function()
    near((0.25 + 0.1875 + 0.1875) / 3, constant.cost("mse", y), 1e-12)
  end)

  it("of cross-entropy is the entropy of their frequencies", function()
    near(-0.5 * math.log(0.5) - 0.5 * math.log(0.25), constant.cost("cross_entropy", y), 1e-12)
  end)

  it("of l2 is the mean distance from the geometric median", function()
    local points = mgd.tensor { { 0, 0 }, { 2, 0 }, { 1, math.sqrt(3) } } -- a regular triangle
    near(2 / math.sqrt(3), constant.cost("l2", points), 1e-9)
  end)

  it("is not known of a cost that is a function, or of targets that are all the same", function()
    assert.is_nil(constant.cost(function() return 0 end, y))
    assert.is_nil(constant.cost("mse", mgd.ones { 4, 1 }))
  end)
end)
