-- Kinds of chip for the advisor's yardstick, scripts/advisor.lua: those that it was tuned on, and
-- those that were kept for the figure. Times are in steps (dt = 1). What is not said is XOR by a
-- 2-2-1 network, θ uniform in (0, 1), mse, all four samples at once.

local mgd = require "mgd"
local hw = mgd.hw

local function mlp(...)
  local layers = { ... }
  layers.activation, layers.output = "sigmoid", "sigmoid"
  return mgd.nn.mlp(layers)
end

-- A task by its chip's stages and options of mgd.advise: a function of the seed of the chip, of its
-- noise and devices.
local function xor(stages, changes)
  return function(seed)
    stages.net, stages.seed = mlp(2, 2, 1), seed
    local task = { chip = mgd.chip(stages), data = mgd.data.xor(), batch = 4,
      init = { scheme = "uniform", low = 0, high = 1 } }
    for name, value in pairs(changes or {}) do
      task[name] = value
    end
    return task
  end
end

local function letters(stages)
  return function(seed)
    stages.net, stages.seed = mlp(49, 4, 4), seed
    return { chip = mgd.chip(stages), data = mgd.data.nist7x7(), batch = 32,
      evaluations = 10000 * 32, init = { scheme = "uniform", low = -0.5, high = 0.5 } }
  end
end

-- A cost that moves by itself: `rate` a step, and turns every 20,000.
local wander = hw.define {
  name = "wander", stage = "cost", doc = "A cost that drifts to and fro.",
  params = { { "rate", type = "number", required = true, doc = "Change in a second." } },
  apply = function(values, ctx)
    local t = ctx.time % 40000
    return ctx.still and values or values + ctx.params.rate * math.min(t, 40000 - t)
  end,
}

-- A law of pulses between bounds that XOR fits in.
local function bounded(p)
  p.w_min, p.w_max, p.w_min_d2d, p.w_max_d2d = p.w_min or -6, p.w_max or 6, 0.1, 0.1
  return p
end

local DEAD = hw.gain { gain = 0 }

local function ringing(frequency, damping)
  return hw.path { ringing = { frequency = frequency, damping = damping } }
end

local function noise(sigma)
  return hw.noise { sigma = sigma }
end

local function parity(bits, hidden, stages)
  return function(seed)
    stages.net, stages.seed = mlp(bits, hidden, 1), seed
    return { chip = mgd.chip(stages), data = mgd.data.parity { bits = bits }, batch = 2 ^ bits,
      init = { scheme = "uniform", low = -1, high = 1 } }
  end
end

return {
  tuned = {
    { "plain", xor {} },
    { "noisy, σ 0.01", xor { cost = noise(0.01) } },
    { "noisy, σ 0.1", xor { cost = noise(0.1) } },
    { "AC-coupled, τ 30", xor { cost = hw.path { highpass = 30 } } },
    { "AC-coupled, τ 8, σ 0.003", xor { cost = { hw.path { highpass = 8 }, noise(3e-3) } } },
    { "ringing, f 0.1, ζ 0.2", xor { cost = ringing(0.1, 0.2) } },
    { "ringing, f 0.05, ζ 0.4, σ 0.001", xor { cost = { ringing(0.05, 0.4), noise(1e-3) } } },
    { "slow, τ 4, σ 0.001", xor { cost = { hw.path { lowpass = 4 }, noise(1e-3) } } },
    { "slow, two poles of τ 2, σ 0.003", xor { cost = { hw.path { lowpass = { tau = 2,
      poles = 2 } }, noise(3e-3) } } },
    { "slow perturbation, τ 2", xor { perturbation = hw.path { lowpass = 2 } } },
    { "delay 3", xor { cost = hw.path { delay = 3 } } },
    { "delay 6 and AC, τ 50", xor { cost = hw.path { delay = 6, highpass = 50 } } },
    { "pulsed, soft bounds, ±10 %", xor { update = hw.soft_bounds(bounded { dw_min = 0.01,
      up_down = 0.1 }) } },
    { "leaky, τ 3000", xor { weights = hw.leak { tau = 3000 } } },
    { "saturated start", xor({}, { init = { scheme = "uniform", low = 2, high = 6 } }) },
    { "NIST7x7, small budget", letters {}, level = 0.8 },
    { "NIST7x7, small budget, σ 0.01", letters { cost = noise(0.01) }, level = 0.8 },
    { "dead", xor { cost = DEAD }, dead = true },
    { "noise only", xor { cost = { DEAD, noise(0.05) } }, dead = true },
    { "drift without effect of θ", xor { cost = { DEAD, wander { rate = 1e-5 }, noise(1e-3) } },
      dead = true },
  },
  kept = {
    { "noisy, σ 0.03", xor { cost = noise(0.03) } },
    { "AC-coupled, τ 100", xor { cost = hw.path { highpass = 100 } } },
    { "AC-coupled, τ 15, σ 0.01", xor { cost = { hw.path { highpass = 15 }, noise(0.01) } } },
    { "ringing, f 0.2, ζ 0.1", xor { cost = ringing(0.2, 0.1) } },
    { "ringing, f 0.03, ζ 0.5, σ 0.003", xor { cost = { ringing(0.03, 0.5), noise(3e-3) } } },
    { "slow, τ 8, σ 0.0005", xor { cost = { hw.path { lowpass = 8 }, noise(5e-4) } } },
    { "slow perturbation, τ 4", xor { perturbation = hw.path { lowpass = 4 } } },
    { "slow outputs, τ 2", xor { output = hw.path { lowpass = 2 } } },
    { "delay 8", xor { cost = hw.path { delay = 8 } } },
    { "delay 2, AC, τ 20, slow, τ 1", xor { cost = hw.path { delay = 2, highpass = 20,
      lowpass = 1 } } },
    { "pulsed, constant steps of 0.05", xor { update = hw.constant_step(bounded { dw_min = 0.05,
      up_down = 0.05 }) } },
    { "pulsed, linear steps, ±20 %", xor { update = hw.linear_step(bounded { dw_min = 0.02,
      up_down = 0.2, gamma_up = -0.1, gamma_down = 0.1 }) } },
    { "weights of 6 bits", xor { weights = hw.levels { bits = 6, low = -8, high = 8 } } },
    { "cost of 8 bits", xor { cost = hw.adc { bits = 8, low = 0, high = 1 } } },
    { "neurons of spread 0.2", xor { neurons = hw.neuron_spread { sigma = 0.2 } } },
    { "start in (−6, 6)", xor({}, { init = { scheme = "uniform", low = -6, high = 6 } }) },
    { "drift with effect, σ 0.003", xor { cost = { wander { rate = 1e-5 }, noise(3e-3) } } },
    { "1/f noise of 0.01", xor { cost = hw.flicker { sigma = 0.01, f_low = 1e-5,
      f_high = 0.1 } } },
    { "parity of 3, 3-3-1", parity(3, 3, {}) },
    { "parity of 4, 4-6-1, σ 0.01", parity(4, 6, { cost = noise(0.01) }) },
    { "NIST7x7, slow, τ 2", letters { cost = hw.path { lowpass = 2 } }, level = 0.8 },
    { "no perturbation arrives", xor { perturbation = hw.missing { fraction = 1 } }, dead = true },
    { "1/f noise only", xor { cost = { DEAD, hw.flicker { sigma = 0.05, f_low = 1e-5,
      f_high = 0.1 } } }, dead = true },
    { "dead, drift and 1/f noise", xor { cost = { DEAD, wander { rate = 1e-4 },
      hw.flicker { sigma = 0.01, f_low = 1e-6, f_high = 0.01 } } }, dead = true },
    { "leaky, τ 1000", xor { weights = hw.leak { tau = 1000 } } },
    { "pulsed between ±0.6", xor { update = hw.soft_bounds { dw_min = 0.005, up_down = 0.1 } } },
  },
}
