-- 02_xor.lua: two-bit parity at the published hyper-parameters, once and 64 times.
--
-- A 2-2-1 network of sigmoid units (P = 9) learns XOR by multiplexed gradient descent, with the
-- settings of McCaughan et al., APL Machine Learning 1, 026118 (2023): 200,000 steps, η = 0.1,
-- Δ = 0.05, all time constants one step, θ drawn uniformly in (0, 1), mean squared error.
-- `convention = "published"` makes those numbers mean what they mean there. Then the same
-- experiment with 64 seeds side by side, one per SIMD lane. Takes about a second.
--
--     build/mgd-lua examples/02_xor.lua

local mgd = require "mgd"

local settings = {
  net = mgd.nn.mlp { 2, 2, 1, activation = "sigmoid", output = "sigmoid" },
  data = mgd.data.xor(),
  cost = "mse",
  perturbation = { code = "random", norm = 0.05 }, -- Δ, the norm of the whole perturbation
  tau_p = 1,
  tau_theta = 1,
  tau_x = 1,
  eta = 0.1,
  convention = "published",
  init = { scheme = "uniform", low = 0, high = 1 },
}

-- ---- one network --------------------------------------------------------------------------------

local function train(changes)
  for name, value in pairs(changes) do
    settings[name] = value
  end
  local run = mgd.train(settings)
  return run, run:run { steps = 200000, every = 20000 }
end

local run, history = train { replica = 2 }
print(history)

local net = settings.net:set_theta(run:theta())
print("\ninputs and trained output")
for i, x in ipairs(settings.data.x:totable()) do
  print(("  %d xor %d = %.3f"):format(x[1], x[2], net:forward(settings.data.x)[i][1]))
end

-- ---- an ensemble --------------------------------------------------------------------------------
-- Replica r draws its own θ, samples and perturbations, and equals the single run with replica = r
-- bit for bit: the network above is number 2 of these.

local REPLICAS = 64
local ensemble = train { replica = 1, replicas = REPLICAS }
local accuracy = ensemble:evaluate().accuracy

local solved = 0
for r = 1, REPLICAS do
  solved = solved + (accuracy[r] > 0.9 and 1 or 0) -- outputs thresholded at ½
end
print(("\n%d of %d replicas solved XOR"):format(solved, REPLICAS))
print("replica 2 is the run above:", ensemble:theta()[2]:allclose(run:theta(), { rtol = 0 }))
