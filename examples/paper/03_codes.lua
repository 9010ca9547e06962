-- 03_codes.lua: the four codes at equal bandwidth.
--
-- Claim (McCaughan et al. 2023): time, code and frequency multiplexing train alike when their
-- perturbations have the same bandwidth: the training curves lie upon each other.
-- Partly shown on 2-bit parity and on NIST7x7, by 64 seeds that each begin with the same θ for
-- every code. Shown: they train alike. Costs at the end, paired by seed, are those of the random
-- code to within 20 % (ends of the 95 % intervals: 0.81 and 1.12); curves were not compared. Not
-- shown: that the curves lie upon each other. Walsh on parity and the sequential code on NIST7x7
-- end below the random one, by intervals that leave out 1 (two of six comparisons, not corrected
-- for their number).
-- The bandwidth is set by τ_p = 1 for the codes of steps and by the band up to 1/2τ_p for the
-- sines; the size of the whole perturbation vector Δ is the same for all, and so are the
-- evaluations.
--
--     build/mgd-lua examples/paper/03_codes.lua      about 10 s; FULL=1: 256 seeds, longer

package.path = (arg[0]:match "^(.*)/" or ".") .. "/?.lua;" .. package.path
local mgd = require "mgd"
local paper = require "paper"

local SEEDS = paper.pick(64, 256)
local CODES = { "sequential", "walsh", "random", "sine" }

local TASKS = {
  { title = "2-bit parity", experiment = mgd.experiment { name = "parity", data = "xor",
    network = { 2, 2, 1, activation = "sigmoid", output = "sigmoid" },
    training = { batch = 4, shuffle = false, eta = 1, tau_theta = 32, tau_x = 32,
      perturbation = { code = "random", norm = 0.15 }, init = { scheme = "uniform" } },
    steps = paper.pick(64000, 640000), every = paper.pick(1600, 16000) } },
  { title = "NIST7x7", experiment = mgd.experiment { name = "nist7x7", data = "nist7x7",
    network = { 49, 4, 4, activation = "sigmoid", output = "sigmoid" },
    training = { batch = 16, eta = 1, tau_theta = 16, perturbation = { code = "random",
      norm = 0.15 },
      init = { scheme = "uniform", low = -0.5, high = 0.5 } },
    steps = paper.pick(4e4, 4e5), every = paper.pick(2000, 20000) } },
}

local panels, rows = {}, {}
for _, task in ipairs(TASKS) do
  local cost = { title = task.title, x = "step", y = "cost" }
  local accuracy = { title = task.title, x = "step",
    y = { label = "accuracy", range = { 0, 1.02 } } }
  local of_random, own = nil, {}
  for k, code in ipairs(CODES) do
    local exp = task.experiment:with { name = task.experiment.name .. "-" .. code,
      perturbation = { code = code, norm = 0.15 }, seeds = SEEDS }
    local h = exp:run { progress = true }.history
    cost[#cost + 1] = paper.band(h.step, h.cost, { label = code })
    accuracy[#accuracy + 1] = paper.band(h.step, h.accuracy, { label = code })
    local last = h.accuracy[-1]:totable()
    local q = mgd.stats.quantile(last, { 0.25, 0.5, 0.75 })
    own[k] = { code, h.cost[-1]:totable(), #rows + 1 }
    of_random = code == "random" and own[k][2] or of_random
    rows[#rows + 1] = { task.title, code, ("%d"):format(h.evaluations[-1]),
      paper.number(cost[#cost].y[-1]), paper.number(q[2]), paper.number(q[1]), paper.number(q[3]) }
  end
  for _, entry in ipairs(own) do -- the same seed has the same θ to begin with
    table.insert(rows[entry[3]], entry[1] == "random" and "–"
      or paper.paired(entry[2], of_random, function(a, b) return a / b end))
  end
  panels[#panels + 1] = cost
  panels[#panels + 1] = accuracy
end

paper.finish("03_codes", mgd.plot { panels = panels, columns = 2 },
  paper.table({ "task", "code", "evaluations", "median cost", "median accuracy", "lower quartile",
    "upper quartile", "cost over random's, median of pairs (95 %)" }, rows))
