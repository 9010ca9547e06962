-- 06_robustness.lua: how much cost noise, write noise and defects NIST7x7 bears.
--
-- Claim (McCaughan et al. 2023): training stands noise on the cost and on the writes of parameters,
-- and activation functions that differ from neuron to neuron, up to well beyond what hardware has.
-- Borne out for writes and defects, to which training adapts because it measures the network as it
-- is. Noise on the cost is borne up to about the size of C̃ itself: what counts is σ_C against
-- |C̃| = a·|∇C|, so a larger amplitude or a longer τ_θ buys tolerance; the map is of one setting.
-- Success: 80 % of all 44,136 images, within the steps given. Defects: y = L/(1 + e^(−k(x −
-- x0))) + y0 with x0, y0 ~ N(0, σ_a) and k, L ~ N(1, σ_a), one draw a neuron.
--
--     build/mgd-lua examples/paper/06_robustness.lua      about 90 s; FULL=1: 256 seeds

package.path = (arg[0]:match "^(.*)/" or ".") .. "/?.lua;" .. package.path
local mgd = require "mgd"
local paper = require "paper"

local exp = mgd.experiment { name = "nist7x7", data = "nist7x7",
  network = { 49, 4, 4, activation = "sigmoid", output = "sigmoid" },
  training = { batch = 64, eta = 1, perturbation = { code = "random", amplitude = 0.01 },
    init = { scheme = "uniform", low = -0.5, high = 0.5 } },
  steps = paper.pick(12000, 20000), every = 500, probes = { "accuracy" },
    stop = { accuracy = 0.8 } }

local N = paper.pick(5, 9)
local map = mgd.tolerance { experiment = exp, seeds = paper.pick(32, 256), progress = true,
  store = os.getenv "STORE", vary = {
    ["cost.noise"] = { from = 1e-5, to = 1e-3, n = N, log = true },
    ["update.noise"] = { from = 1e-3, to = 1e-1, n = N, log = true },
    ["neurons.neuron_spread"] = { from = 0.02, to = 0.5, n = N, log = true },
  } }
print(map)

local rows = {}
for _, entry in ipairs(map.variations) do
  for i, value in ipairs(entry.values) do
    local success, time = entry.success[i], entry.time[i]
    rows[#rows + 1] = { entry.name, paper.number(value), ("%.0f %% (%.0f … %.0f)"):format(
      100 * success.rate, 100 * success.low, 100 * success.high), paper.number(time.median) }
  end
end

paper.finish("06_robustness", map:plot(),
  paper.table({ "imperfection", "σ", "success", "median steps" }, rows))
