-- 04_batches.lua: mini-batches by integration (τ_θ/τ_x samples one after another) and in space.
--
-- Claim (McCaughan et al. 2023): integrating G over τ_θ = B·τ_x is a mini-batch of B samples; it
-- does what a batch of B shown at once does.
-- Partly shown on NIST7x7, by 32 seeds and one η for each B, in proportion to it. Shown: with B
-- samples to a write both learn. Not shown: that they do the same. Paired by seed, the batch in
-- space takes 1.7 times the samples at B = 64 (1.2 to 2.3) and reaches 80 % in 25 of 32 runs, not
-- 29; at B = 4 and 16 the ratio cannot be told from 1. A sample costs two evaluations either way,
-- C₀ and C, so evaluations say the same as samples. That a batch in space hears one pattern for all
-- B samples, and one in time a pattern for each, would explain it. What η each batch allows was not
-- sought. Rows are a fortieth of a run apart, and times are known to that.
--
--     build/mgd-lua examples/paper/04_batches.lua      about 30 s; FULL=1: 256 seeds, longer

package.path = (arg[0]:match "^(.*)/" or ".") .. "/?.lua;" .. package.path
local mgd = require "mgd"
local paper = require "paper"

local SEEDS = paper.pick(32, 256)
local SAMPLES = paper.pick(4e5, 4e6)
local BATCHES = { 4, 16, 64 }

local base = mgd.experiment { name = "nist7x7", data = "nist7x7",
  network = { 49, 4, 4, activation = "sigmoid", output = "sigmoid" },
  training = { batch = 1, eta = 1, perturbation = { code = "random", amplitude = 0.01 },
    init = { scheme = "uniform", low = -0.5, high = 0.5 } },
  steps = SAMPLES, probes = { "accuracy" }, stop = { accuracy = 0.8 }, seeds = SEEDS }

local panels, rows = {}, {}
for _, b in ipairs(BATCHES) do
  local panel = { title = ("B = %d"):format(b), x = { label = "samples shown" },
    y = { label = "accuracy", range = { 0, 1.02 } } }
  local kinds = {
    { "in time, τ_θ = B·τ_x", { tau_theta = b, steps = SAMPLES,
      every = math.floor(SAMPLES / 40 / b) * b }, 1 },
    { "in space, batch = B", { batch = b, steps = math.floor(SAMPLES / b),
      every = math.floor(SAMPLES / b / 40) }, b },
  }
  local samples = {}
  for k, kind in ipairs(kinds) do
    local changes = kind[2]
    changes.name, changes.eta = "nist7x7-" .. kind[1] .. b, b / 48
    local exp = base:with(changes)
    local h = exp:run { progress = true }
    local steps, accuracy = h.history.step * kind[3], h.history.accuracy
    panel[#panel + 1] = paper.band(steps, accuracy, { label = kind[1] })
    local time = mgd.stats.time_to_solution(h.solved, { budget = changes.steps })
    rows[#rows + 1] = { tostring(b), kind[1], ("%d of %d"):format(time.solved, time.n),
      paper.number(time.median * kind[3]), paper.number(time:quantile(0.25) * kind[3]),
      paper.number(time:quantile(0.75) * kind[3]),
      paper.number(exp:evaluations({ time.median })[1]) }
    samples[k] = (h.solved * kind[3]):totable()
  end
  for k = 1, 2 do
    table.insert(rows[#rows - 2 + k], k == 1 and "–" or paper.paired(samples[2], samples[1],
      function(space, time) return space / time end))
  end
  panels[#panels + 1] = panel
end

paper.finish("04_batches", mgd.plot { panels = panels },
  paper.table({ "B", "batch", "reach 80 %", "median samples", "lower quartile", "upper quartile",
    "median evaluations", "samples over those in time, median of pairs (95 %)" }, rows))
