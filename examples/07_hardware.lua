-- Trains the letters of NIST7x7 on every hardware preset: devices as update laws of a memristive
-- chip, and whole platforms, each an ensemble of chips whose devices differ. Prints accuracy,
-- hardware time, energy and writes. About a minute.
--
-- Devices that step coarsely or noisily learn when G is integrated for long before they are
-- written: the window of 1,024 images makes the difference. Guessing gives 0.25, and
-- the arrays whose first pulse goes a good part of the way hardly do better.
--
--   build/mgd-lua examples/07_hardware.lua [preset …]     STEPS=600000 REPLICAS=16

local mgd = require "mgd"
local hw, nn = mgd.hw, mgd.nn

local STEPS = tonumber(os.getenv "STEPS") or 600000
local REPLICAS = tonumber(os.getenv "REPLICAS") or 16

-- A part of the set for testing: every 61st sample, 724 of them.
local function letters()
  local all = mgd.data.nist7x7()
  local step = { 1, -1, 61 }
  return mgd.data.from { x = all.x, y = all.y, test = { x = all.x[{ step }], y = all.y[{ step }] } }
end

local function is_mesh(preset)
  return preset.name == "photonic_mesh"
end

-- On the mesh: intensities of eight modes, four of them detected, scaled by the electronics behind.
local function network(preset)
  if is_mesh(preset) then
    return nn.sequential { input = { 49 }, nn.dense(8), nn.mzi_mesh { modes = 8, outputs = 4 },
      nn.affine(), nn.sigmoid() }
  end
  return nn.mlp { 49, 4, 4, activation = "sigmoid", output = "sigmoid" }
end

-- The chip of a preset; devices and weights stand on a chip with a little noise of the cost.
local function chip_of(preset)
  local net = network(preset)
  if preset.kind == "platform" then
    return mgd.chip(hw.presets[preset.name] { net = net, seed = 7 })
  end
  local stages = { net = net, seed = 7, cost = hw.noise { sigma = 1e-4 }, clock = { dt = 1e-6 } }
  if preset.kind == "device" then
    stages.update = hw.presets[preset.name]()
  else
    stages.weights = hw.presets[preset.name](preset.name == "hermes_pcm" and { w_max = 4 } or nil)
  end
  return mgd.chip(stages)
end

local function train(preset, set)
  local run = mgd.train {
    chip = chip_of(preset), data = set, cost = "mse", seed = 1, replicas = REPLICAS,
    perturbation = { code = "walsh", amplitude = 0.05 }, tau_theta = 1024,
    eta = is_mesh(preset) and 0.3 or 5,
    init = is_mesh(preset) and { scheme = "glorot_uniform" } -- phases in ±π
      or { scheme = "uniform", low = -0.5, high = 0.5 },
  }
  local history = run:run { steps = STEPS, every = math.max(1, math.floor(STEPS / 4)) }
  return history, run
end

local function wanted(name)
  for _, argument in ipairs(arg) do
    if argument == name then
      return true
    end
  end
  return #arg == 0
end

local set = letters()
print(("%-22s %10s %10s %12s %12s %12s"):format("preset", "accuracy", "best", "hardware s",
  "energy J", "writes"))
for _, preset in ipairs(hw.presets()) do
  if wanted(preset.name) then
    local history = train(preset, set)
    local last, counters = history.accuracy[-1], history.counters
    local median = REPLICAS > 1 and history:quantile("accuracy", 0.5)[-1] or last
    print(("%-22s %10.3f %10.3f %12.3g %12.3g %12.0f"):format(preset.name, median,
      REPLICAS > 1 and last:max() or last, REPLICAS > 1 and counters.time[1] or counters.time,
      REPLICAS > 1 and counters.energy:mean() or counters.energy,
      REPLICAS > 1 and counters.writes_mean:mean() or counters.writes_mean))
  end
end
