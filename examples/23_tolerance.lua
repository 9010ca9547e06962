-- 23_tolerance.lua: what NIST7x7 bears, and where in (τ_p, τ_θ, τ_x) a slow chip learns.
--
-- 49-4-4 networks (P = 220) learn letters of 7×7 pixels until 80 % of 44,136 images are right. Two
-- imperfections are raised until training fails: noise on the cost and neurons that differ. Then
-- 2-bit parity on a chip of slow perturbation lines shows which time constants suit it. 16 seeds a
-- point, to be quick: the intervals say so. Takes 20 to 40 seconds on two cores. SEEDS=256 for the
-- real thing.
--
--     build/mgd-lua examples/23_tolerance.lua
--
-- Leaves out/tolerance.svg and out/time-constants.svg.

local mgd = require "mgd"

os.execute "mkdir -p out"

local SEEDS = math.tointeger(tonumber(os.getenv "SEEDS" or 16))

local exp = mgd.experiment {
  name = "nist7x7", data = "nist7x7",
  network = { 49, 4, 4, activation = "sigmoid", output = "sigmoid" },
  training = { batch = 64, eta = 1, perturbation = { code = "random", amplitude = 0.01 },
    init = { scheme = "uniform", low = -0.5, high = 0.5 } },
  steps = 12000, every = 500, probes = { "accuracy" }, stop = { accuracy = 0.8 },
}

local function save(figure, path)
  local ok, message = pcall(figure.save, figure, path)
  print(ok and "  " .. path or message)
end

local map = mgd.tolerance { experiment = exp, seeds = SEEDS, progress = true, vary = {
  ["cost.noise"] = { from = 1e-5, to = 1e-3, n = 4, log = true },
  ["neurons.neuron_spread"] = { 0.02, 0.1, 0.5 },
} }
print(map)
save(map:plot(), "out/tolerance.svg")

-- Parity, which is quick, on a chip whose perturbations take 16 steps to arrive.
local slow = mgd.experiment {
  name = "parity, slow lines", data = "xor",
  network = { 2, 8, 1, activation = "sigmoid", output = "sigmoid" },
  chip = { perturbation = mgd.hw.path { bandwidth = 0.01 } },
  training = { batch = 4, eta = 1, perturbation = { code = "random", amplitude = 0.05 },
    init = { scheme = "uniform", low = -2, high = 2 } },
  steps = 20000, every = 200, probes = { "accuracy" }, stop = { accuracy = 1 },
}
local times = mgd.time_constants { experiment = slow, seeds = 2 * SEEDS, progress = true,
  tau_p = { 1, 4, 16, 64 }, tau_theta = { 4, 16, 64, 256 }, tau_x = { 1, 64 } }
print("\nperturbation lines of −3 dB at a hundredth of the frequency of steps")
print(times)
save(times:plot(), "out/time-constants.svg")
