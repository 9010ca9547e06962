-- 04_batches.lua: mini-batches by integration (τ_θ/τ_x samples one after another) and in space.
--
-- Claim (McCaughan et al. 2023): integrating G over τ_θ = B·τ_x is a mini-batch of B samples; it
-- does what a batch of B shown at once does.
-- Borne out on NIST7x7 as far as samples count: with B samples to a write, both learn, and larger
-- batches allow a larger η. A batch in space hears one pattern for all B samples and one in time a
-- pattern for each, so that G of the latter is less noisy: by evaluations it is ahead.
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
  for _, kind in ipairs(kinds) do
    local changes = kind[2]
    changes.name, changes.eta = "nist7x7-" .. kind[1] .. b, b / 48
    local h = base:with(changes):run { progress = true }
    local steps, accuracy = h.history.step * kind[3], h.history.accuracy
    panel[#panel + 1] = paper.band(steps, accuracy, { label = kind[1] })
    local time = mgd.stats.time_to_solution(h.solved, { budget = changes.steps })
    rows[#rows + 1] = { tostring(b), kind[1], ("%d of %d"):format(time.solved, time.n),
      paper.number(time.median * kind[3]), paper.number(time:quantile(0.25) * kind[3]),
      paper.number(time:quantile(0.75) * kind[3]) }
  end
  panels[#panels + 1] = panel
end

paper.finish("04_batches", mgd.plot { panels = panels },
  paper.table({ "B", "batch", "reach 80 %", "median samples", "lower quartile", "upper quartile" },
    rows))
