-- 22_sweep.lua: a sweep that can be stopped at any moment, its plot and its report.
--
-- 2-bit parity at 5 × 4 points of η and τ_θ, 32 seeds each: 640 trainings to their solution, as
-- ensembles, over two processes. Everything goes to out/sweep.db; run the script again and nothing
-- is run twice; stop it (Ctrl-C, kill −9) and it goes on where it was. Takes about three seconds.
--
--     build/mgd-lua examples/22_sweep.lua
--
-- Leaves out/sweep.svg and, of the best point and its neighbour, out/sweep.html.

local mgd = require "mgd"

os.execute "mkdir -p out"

local exp = mgd.experiment {
  name = "parity", data = "xor",
  network = { 2, 2, 1, activation = "sigmoid", output = "sigmoid" },
  training = { perturbation = { code = "walsh", amplitude = 0.05 } },
  steps = 30000, every = 500, stop = { cost = 0.04 },
}
local sweep = mgd.sweep { name = "eta-tau", base = exp, seeds = 32, store = "out/sweep.db",
  grid = { eta = { 0.25, 0.5, 1, 2, 4 }, tau_theta = { 1, 4, 16, 64 } } }
print(sweep)
local result = sweep:run { workers = 2, progress = true }
print(result)

-- ---- the best point -----------------------------------------------------------------------------

local best = 1
for i, success in ipairs(result.success) do
  if success.rate > result.success[best].rate then
    best = i
  end
end
print(("\nbest: %s, success %s"):format(result.experiments[best].name,
  tostring(result.success[best])))
print(result.time[best])

-- ---- pictures -----------------------------------------------------------------------------------

local eta, tau, success = result:grid("success", "eta", "tau_theta")
local _, _, time = result:grid("time", "eta", "tau_theta")
local axes = { x = "η", y = { label = "τ_θ", unit = "steps" } }
local drawn, message = pcall(function()
  mgd.plot { title = "2-bit parity, 32 seeds", panels = {
    { x = axes.x, y = axes.y, { kind = "heat", x = eta, y = tau, z = success, label = "success",
      range = { 0, 1 } } },
    { x = axes.x, y = axes.y, { kind = "heat", x = eta, y = tau, z = time,
      label = "median time", unit = "steps", log = true } },
  } }:save "out/sweep.svg"
  mgd.report { store = sweep.store, path = "out/sweep.html", title = "2-bit parity: η and τ_θ",
    experiments = { result.experiments[best], result.experiments[1] } }
end)
print(drawn and "\nout/sweep.svg, out/sweep.html" or message)
