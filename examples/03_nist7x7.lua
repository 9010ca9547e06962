-- 03_nist7x7.lua: a small real task, and how well G points along the gradient.
--
-- A 49-4-4 network of sigmoid units (P = 220) learns to tell the letters N, I, S and T on 7×7
-- pixels (44,136 images), one image at a time, from θ uniform in (−½, ½), until it gets 80 % of
-- them right: the criterion of McCaughan et al., APL Machine Learning 1, 026118 (2023). The glyphs
-- are ours, so step counts compare in kind with published ones, not digit by digit.
-- Takes about a second.
--
--     build/mgd-lua examples/03_nist7x7.lua

local mgd = require "mgd"

local settings = {
  net = mgd.nn.mlp { 49, 4, 4, activation = "sigmoid", output = "sigmoid" },
  data = mgd.data.nist7x7(),
  cost = "mse",
  batch = 1,
  perturbation = { code = "walsh", amplitude = 0.01 },
  tau_x = 1,
  tau_theta = 32, -- G is the mean over 32 steps, each with an image of its own
  eta = 1,
  init = { scheme = "uniform", low = -0.5, high = 0.5 },
  seed = 1,
}
print(settings.data)
print(settings.net)

-- ---- training -----------------------------------------------------------------------------------

local run = mgd.train(settings)
local history = run:run { steps = 1e6, every = 20000, stop = { accuracy = 0.8 }, progress = true }
print(history)
print(("\naccuracy %.3f after %d steps, each one image shown twice (C₀ and C)"):format(
  run:evaluate().accuracy, run.steps_done))
for _, dt in ipairs { { 1e-3, "1 ms" }, { 10e-9, "10 ns" }, { 100e-12, "100 ps" } } do
  print(("  dt = %6s: dt × steps is %.3g s; dt × evaluations, one image under one perturbation per "
    .. "dt, %.3g s"):format(dt[2], run.steps_done * dt[1], run:counters().evaluations * dt[1]))
end

-- ---- the angle ----------------------------------------------------------------------------------
-- With η = 0 nothing is learnt, and G can be watched as the window grows. One image is shown
-- throughout (tau_x is longer than any run), so all of the angle is crosstalk between parameters.

print("\nangle between G and the gradient of one image, in degrees")
print("  steps in window    walsh   random   sequential")
for _, window in ipairs { 64, 256, 1024, 4096 } do
  local line = ("  %15d"):format(window)
  for _, code in ipairs { "walsh", "random", "sequential" } do
    local still = {}
    for name, value in pairs(settings) do
      still[name] = value
    end
    still.perturbation = { code = code, amplitude = 0.01 }
    still.tau_theta, still.tau_x, still.eta = window, window, 0
    local probed = mgd.train(still):run { steps = window, probes = { "angle" } }
    line = line .. ("%9.1f"):format(probed.angle[-1])
  end
  print(line)
end
