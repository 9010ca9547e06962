-- 14_diagnostics_and_budget.lua: what goes on inside a run, and what it would cost on hardware.
--
-- A 49-4-4 network (P = 220) learns the letters of NIST7x7 by multiplexed gradient descent. Its
-- rows lie ten to a decade of steps and show what G is worth: the angle to the true gradient, the
-- signal-to-noise ratio, how much the parameters' errors go together, C̃ in units in the last place
-- of C, and saturated units. run:explain() says it in words; run:budget{…} tells what the way to an
-- accuracy of 0.8 takes on three kinds of hardware (McCaughan et al., APL Machine Learning 1,
-- 026118, 2023), beside back-propagation on this machine. Then an ensemble of XOR: time to
-- solution. Takes a few seconds.
--
--     build/mgd-lua examples/14_diagnostics_and_budget.lua

local mgd = require "mgd"

-- ---- a run, looked at ---------------------------------------------------------------------------

local settings = {
  net = mgd.nn.mlp { 49, 4, 4, activation = "sigmoid", output = "sigmoid" },
  data = mgd.data.nist7x7(),
  perturbation = { code = "walsh", amplitude = 0.01 },
  tau_theta = 32,
  eta = 1,
  init = { scheme = "uniform", low = -0.5, high = 0.5 },
  dt = 10e-9, -- seconds: a mixed-signal chip
}
local run = mgd.train(settings)
local history = run:run { steps = 4e5, every = "log",
  probes = { "cost", "accuracy", "angle", "snr", "error_correlation", "signal_ulp", "saturated" } }

local powers = history:at_powers()
print "   steps     cost  accuracy   angle       SNR  error corr.   C̃ (ulp)  saturated"
for t = 1, powers.step.size do
  print(("%8d %8.4f %9.3f %7.1f %9.2g %12.2f %9.0f %10.3f"):format(powers.step[t], powers.cost[t],
    powers.accuracy[t], powers.angle[t], powers.snr[t], powers.error_correlation[t],
    powers.signal_ulp[t], powers.saturated[t]))
end

print("\n" .. tostring(run:explain()))

print()
print(run:budget {
  energy = { evaluation = 2e-12, write = 1e-12 }, -- joules
  target = { accuracy = 0.8 },
  steps = 1e7,
})

-- ---- time to solution ---------------------------------------------------------------------------
-- 64 replicas of XOR: where each first got everything right, and from where on it stayed so. Those
-- that did not within these steps are censored (NaN): nothing is said of what they would need.

local ensemble = mgd.train {
  net = mgd.nn.mlp { 2, 2, 1, activation = "sigmoid", output = "sigmoid" },
  data = mgd.data.xor(),
  perturbation = { code = "walsh", amplitude = 0.01 },
  tau_theta = 16,
  eta = 2,
  init = { scheme = "uniform", low = -1, high = 1 },
  replicas = 64,
}
local solution = ensemble:run { steps = 5e4, every = 500 }:time_to_solution { accuracy = 1 }

local function summary(name, steps)
  local reached = {}
  for _, step in ipairs(steps:totable()) do
    if step == step then
      reached[#reached + 1] = step
    end
  end
  table.sort(reached)
  print(("  %-16s %d of %d replicas; the fastest after %d steps, half of all after %s"):format(name,
    #reached, steps.size, reached[1], reached[32] and ("%d"):format(reached[32]) or "more"))
end
print "\nXOR, accuracy 1"
summary("first crossing", solution.first)
summary("last crossing", solution.last)
