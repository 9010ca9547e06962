-- 16_experiments.lua: experiments as data: made, changed, compared, saved, run.
--
-- One experiment on 2-bit parity and two changes of it: noise on the cost, and 5-bit weights on
-- top. Prints where they differ and what came of 32 seeds each, saves the last as JSON, reads it
-- back, and runs a seed of it again, with the same bits. Takes about a second.
--
--     build/mgd-lua examples/16_experiments.lua

local mgd = require "mgd"

local exp = mgd.experiment {
  name = "ideal", data = "xor",
  network = { 2, 2, 1, activation = "sigmoid", output = "sigmoid" },
  training = { eta = 2, tau_theta = 4, perturbation = { code = "walsh", amplitude = 0.05 } },
  steps = 20000, every = 500, stop = { cost = 0.04 }, seeds = 32,
}
print(exp)

-- ---- changed ------------------------------------------------------------------------------------

local noisy = exp:with { name = "noisy", ["cost.noise"] = 0.003 }
local coarse = noisy:with { name = "noisy and coarse", ["weights.bits"] = 5,
  ["weights.levels.low"] = -8, ["weights.levels.high"] = 8 }
print("\nfrom ideal to noisy and coarse")
print(exp:diff(coarse))

-- ---- run ----------------------------------------------------------------------------------------

print()
local results = {}
for i, one in ipairs { exp, noisy, coarse } do
  results[i] = one:run()
  local time = mgd.stats.time_to_solution(results[i].solved, { budget = one:get "steps" })
  print(("%-18s success %s"):format(one.name, tostring(mgd.stats.success(time.solved, time.n))))
  print(("%-18s %s"):format("", tostring(time)))
end

-- ---- on paper -----------------------------------------------------------------------------------

local path = os.tmpname() .. ".json"
coarse:save(path)
local again = mgd.experiment.load(path)
os.remove(path)
local seed = again:with { seeds = { first = 7, count = 1 } }:run()
print(("\nread back: %s, hash %s; seed 7 has the same θ: %s"):format(
  again == coarse and "the same" or "another", again.hash:sub(1, 12),
  tostring(seed.run:theta():allclose(results[3].run:theta()[7], { rtol = 0, atol = 0 }))))
