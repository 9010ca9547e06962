-- 04_lua_chip.lua: a chip written as a Lua function, trained model-free.
--
-- Multiplexed gradient descent needs of a chip only that parameters go in and an output comes out.
-- Here the chip is a small analog circuit: six differential pairs whose weighted currents add up,
--
--     y = Σ_j w_j · tanh(k_j · (u_j·x + b_j) + o_j) + noise,
--
-- with gains k_j and offsets o_j that fabrication has spread and that nobody measures, with read
-- noise, and with 18 control voltages θ = (u, b, w) that come from 10-bit converters between −4 V
-- and 4 V. It learns to give y = sin(π·x). Replace `evaluate` by a few lines that talk to an
-- instrument, and the same script trains a chip on the bench. Takes a few seconds.
--
--     build/mgd-lua examples/04_lua_chip.lua

local mgd = require "mgd"

-- ---- the circuit --------------------------------------------------------------------------------

local PAIRS = 6
local gain = 1 + 0.2 * mgd.randn({ PAIRS }, { seed = 11 }) -- k, one draw per device
local offset = 0.2 * mgd.randn({ PAIRS }, { seed = 12 }) -- o
local READ_NOISE = 2e-3
local LSB = 8 / 1024 -- V: the step of the converters

local evaluations = 0

-- θ (P) and x (B, 1) → y (B, 1). Voltages are clipped to the range and rounded to the step.
local function evaluate(theta, x)
  evaluations = evaluations + 1
  local volts = (theta:clamp(-4, 4) / LSB + 0.5):floor() * LSB
  local u, b, w = volts[{ { 1, 6 } }], volts[{ { 7, 12 } }], volts[{ { 13, 18 } }]
  local current = ((x * u + b) * gain + offset):tanh() -- (B, PAIRS), by broadcasting
  local y = current:matmul(w:reshape { PAIRS, 1 })
  return y:add_(READ_NOISE * mgd.randn(y.shape, { seed = evaluations })) -- new noise every time
end

-- ---- training -----------------------------------------------------------------------------------

local chip = mgd.chip {
  parameters = 3 * PAIRS,
  evaluate = evaluate,
  theta = 0.5 * mgd.randn({ 3 * PAIRS }, { seed = 13 }), -- where the voltages stand at first
}

local x = mgd.linspace(-1, 1, 33):reshape { 33, 1 }
local data = mgd.data.from { x = x, y = (math.pi * x):sin(), name = "sine" }

-- The perturbation must be larger than the converters' step, or the chip will not feel it.
local STEPS = 20000
local run = mgd.train {
  chip = chip,
  data = data,
  cost = "mse",
  batch = 33,
  perturbation = { code = "random", amplitude = 0.04 },
  baseline = "two-sided", -- C(θ + θ̃) against C(θ − θ̃): even-order bias cancels
  optimizer = "adam",
  eta = function(step) return 0.01 * (1 - step / STEPS) end,
}
local history = run:run { steps = STEPS, every = STEPS / 10, probes = { "cost" }, progress = true }
print(chip)
print(history)

-- ---- what it has learnt -------------------------------------------------------------------------

local y = evaluate(run:theta(), x)
print("\n      x   sin(πx)     chip")
for i = 1, 33, 4 do
  print(("%7.2f  %8.3f %8.3f"):format(x[i][1], data.y[i][1], y[i][1]))
end
print(("\nroot-mean-square error %.3f, after %d evaluations"):format(
  math.sqrt(run:evaluate().cost), evaluations))
