--- Hardware that is not ideal: models of its imperfections, to be put into the stages of a chip.
--
--     local hw = mgd.hw
--     local chip = mgd.chip{net = net, seed = 7,
--       weights = {hw.levels{bits = 6}, hw.read_noise{sigma = 0.01}},
--       neurons = hw.neuron_spread{sigma = 0.1},
--       cost = {hw.path{lowpass = 2e-6}, hw.noise{sigma = 1e-4}},
--       update = hw.soft_bounds{dw_min = 0.002}}
--
-- docs/physics has the equation, units and source of each model.
-- @module mgd.hardware.hw

local hw = require "mgd.hardware.hw.models"
local naming = require "mgd.base.naming"

--- Fit an update law to measured conductances against pulses; see mgd.hardware.fit.
-- @function hw.fit_update
function hw.fit_update(path, opts)
  return require("mgd.hardware.fit").fit_update(path, opts)
end

hw.presets = require "mgd.hardware.hw.presets"(hw)

return naming.module("mgd.hw", hw)
