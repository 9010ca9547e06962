-- 13_advisor.lua: asking before training what a chip can do.
--
-- `mgd.advise{…}` spends some evaluations on a chip that nobody has measured, and says with which
-- amplitude, baseline, time constants, η and how many steps to train it, and whether that will work
-- at all. Here it meets the circuit of 04_lua_chip.lua, whose converters and noise it finds out by
-- itself; XOR on a chip with a slow and noisy path for its cost; and a chip that is dead.
-- Takes about ten seconds.
--
--     build/mgd-lua examples/13_advisor.lua

local mgd = require "mgd"
local hw = mgd.hw

local function heading(text)
  print(("\n---- %s\n"):format(text))
end

-- ---- a circuit in Lua ---------------------------------------------------------------------------

local PAIRS = 6
local gain = 1 + 0.2 * mgd.randn({ PAIRS }, { seed = 11 })
local offset = 0.2 * mgd.randn({ PAIRS }, { seed = 12 })
local LSB = 8 / 1024 -- V: 10-bit converters from −4 to 4 V
local readings = 0

local function circuit(theta, x)
  readings = readings + 1
  local volts = (theta:clamp(-4, 4) / LSB + 0.5):floor() * LSB
  local u, b, w = volts[{ { 1, 6 } }], volts[{ { 7, 12 } }], volts[{ { 13, 18 } }]
  local y = ((x * u + b) * gain + offset):tanh():matmul(w:reshape { PAIRS, 1 })
  return y:add_(2e-3 * mgd.randn(y.shape, { seed = readings }))
end

local x = mgd.linspace(-1, 1, 33):reshape { 33, 1 }
local sine = mgd.data.from { x = x, y = (math.pi * x):sin(), name = "sine" }

heading "a circuit of six differential pairs, to give sin(πx)"
local advice = mgd.advise {
  chip = mgd.chip {
    parameters = 3 * PAIRS,
    evaluate = circuit,
    theta = 0.5 * mgd.randn({ 3 * PAIRS }, { seed = 13 }),
  },
  data = sine,
  batch = 33,
}
print(advice)
local run = advice:train()
run:run { steps = advice.steps, probes = {} }
print(("\nroot-mean-square error %.3f after %d steps"):format(math.sqrt(run:evaluate().cost),
  run.steps_done))

-- ---- a slow and noisy chip ----------------------------------------------------------------------

heading "XOR, where the cost comes over a slow and noisy line"
local slow = mgd.advise {
  chip = mgd.chip {
    net = mgd.nn.mlp { 2, 2, 1, activation = "sigmoid", output = "sigmoid" },
    cost = { hw.path { lowpass = 2 }, hw.noise { sigma = 1e-4 } }, -- s, with steps of 1 s
  },
  data = mgd.data.xor(),
  init = { scheme = "uniform", low = 0, high = 1 },
}
print(slow)
run = slow:train()
run:run { steps = slow.steps, probes = {} }
print(("\naccuracy %.2f after %d steps"):format(run:evaluate().accuracy, run.steps_done))

-- ---- a dead one ---------------------------------------------------------------------------------

heading "a chip whose supply is off"
print(mgd.advise {
  chip = mgd.chip { parameters = 9, evaluate = function(_, inputs)
    return mgd.full({ inputs.shape[1], 1 }, 0.1)
  end },
  data = mgd.data.xor(),
})
