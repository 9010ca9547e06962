-- 18_statistics.lua: how long training takes, and how sure one may be of it.
--
-- XOR on a 2-2-1 network, 64 seeds at each of eight learning rates, 40,000 steps at most. Some
-- seeds are caught where the cost does not fall any further and never solve it. To leave them out,
-- or to count them with 40,000 steps, would both be wrong: they are *censored*. For one rate, shown
-- are the share of seeds that solve XOR, the steps by which some shares have, and what is wrong
-- with the mean of those that did. Then the time of the quickest quarter at all rates, and its
-- power law in η where η is small: 1/η lies within the interval of the exponent. That interval is
-- wide, from four points; 20 repetitions with other seeds had −1.08 on the average, and 18 of their
-- intervals held −1. From η = 8 on seeds are lost. Takes two to three seconds on one core.
--
--     build/mgd-lua examples/18_statistics.lua

local mgd = require "mgd"
local stats = mgd.stats

local SEEDS, BUDGET = 64, 40000

-- The step at which each replica solved XOR, nan where it did not. Each rate has a seed of its own:
-- a fit takes it that the errors of its points have nothing to do with each other.
local function solved_at(eta, seed)
  local run = mgd.train {
    net = mgd.nn.mlp { 2, 2, 1, activation = "sigmoid", output = "sigmoid" },
    data = mgd.data.xor(), replicas = SEEDS, seed = seed,
    perturbation = { code = "walsh", amplitude = 0.05 },
    tau_theta = 4, eta = eta,
  }
  return run:run { steps = BUDGET, every = 50, stop = { cost = 0.04 } }.stopped
end

-- ---- one learning rate --------------------------------------------------------------------------

local RATES = { 0.125, 0.25, 0.5, 1, 2, 4, 8, 16 }
local steps = solved_at(1, 4) -- as below, where it is the fourth
local time = stats.time_to_solution(steps, { budget = BUDGET })
print("eta = 1: " .. tostring(time))
print("share that solves XOR: " .. tostring(stats.success(time.solved, time.n)))

print "\nof all seeds    have solved XOR by step"
for _, share in ipairs { 0.1, 0.25, 0.5, 0.75 } do
  local at, low, high = time:quantile(share)
  print(("%8g %% %16g   (%g … %g)"):format(100 * share, at, low, high))
end

-- The mean of those that solved is that of the lucky ones: it says how good they were, and nothing
-- of the others.
local lucky = {}
for _, step in ipairs(steps:totable()) do
  lucky[#lucky + 1] = step == step and step or nil
end
print(("\nmean of the %d that solved     %s"):format(#lucky, tostring(stats.bootstrap(lucky))))
print("median of the same            " .. tostring(stats.bootstrap(lucky, "median")))

-- ---- all of them --------------------------------------------------------------------------------

print "\n   eta   solved of 64               a quarter of all seeds by step"
local eta, quarter = {}, {}
for i, rate in ipairs(RATES) do
  local t = stats.time_to_solution(solved_at(rate, i), { budget = BUDGET })
  local share = stats.success(t.solved, t.n)
  local at, low, high = t:quantile(0.25)
  print(("%6g   %2d: %.2f (%.2f … %.2f) %12g (%g … %g)"):format(rate, t.solved, share.rate,
    share.low, share.high, at, low, high))
  if rate <= 1 then
    eta[#eta + 1], quarter[#quarter + 1] = rate, at
  end
end

print("\nup to eta = 1, " .. tostring(stats.power_law(eta, quarter)))
