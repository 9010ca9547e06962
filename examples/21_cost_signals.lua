-- 21_cost_signals.lua: several cost signals, demodulated apart.
--
-- One broadcast cost is all that a parameter needs, but what other outputs add to it is noise to a
-- parameter that they do not depend on. With the cost mse, C = Σ_o C_o, each row of the last layer
-- can listen to its own output's share: `signals = "outputs"`. A chip of several regions that share
-- nothing goes further: each hears the outputs that it drives. The first table is of a
-- network of one layer, 49-4 on NIST7x7; the second of four separate 6-4-1 networks on a chip, as
-- regions of it: the angle between G and the gradient, and the cost after training.
-- Takes about four seconds.
--
--     build/mgd-lua examples/21_cost_signals.lua

local mgd = require "mgd"
local nn = mgd.nn

local REPLICAS = 32

-- Median of a probe's last row over replicas.
local function median(values)
  local list = values:totable()
  table.sort(list)
  return (list[math.floor(#list / 2)] + list[math.floor(#list / 2) + 1]) / 2
end

local function train(settings, signals, changes)
  local options = { signals = signals, replicas = REPLICAS }
  for _, source in ipairs { settings, changes } do
    for name, value in pairs(source) do
      options[name] = value
    end
  end
  return mgd.train(options)
end

-- The median angle in degrees after one window of so many steps, θ as it was drawn.
local function angle(settings, signals, steps)
  local run = train(settings, signals, { tau_theta = steps, tau_x = steps, eta = 0 })
  return median(run:run { steps = steps, every = steps, probes = { "angle" } }.angle[-1])
end

local function compare(title, settings, signals, training, steps_done)
  print(("\n%s\n%-26s %12s %12s"):format(title, "", "one signal", "several"))
  for _, steps in ipairs { 10, 100, 1000 } do
    print(("angle after %5d steps    %11.1f° %11.1f°"):format(steps,
      angle(settings, nil, steps), angle(settings, signals, steps)))
  end
  local costs = {}
  for i, heard in ipairs { false, signals } do
    local run = train(settings, heard or nil, training)
    costs[i] = median(run:run { steps = steps_done, probes = { "cost" } }.cost[-1])
  end
  print(("cost after %6d steps    %12.4f %12.4f"):format(steps_done, costs[1], costs[2]))
end

-- ---- the rows of the last layer -----------------------------------------------------------------

compare("49-4 on NIST7x7, each row of the last layer hears its own output", {
  net = nn.mlp { 49, 4, output = "sigmoid" },
  data = mgd.data.nist7x7(), init = { scheme = "uniform", low = -0.5, high = 0.5 },
  perturbation = { code = "random", amplitude = 0.01 }, batch = 32,
}, "outputs", { tau_theta = 1, eta = 0.5 }, 4000)

-- ---- regions of a chip --------------------------------------------------------------------------

-- Four separate networks as a chip in Lua: each maps its own six inputs to one output.
local REGIONS, INPUTS, OUTPUTS = 4, 6, 1
local part = nn.mlp { INPUTS, 4, OUTPUTS, activation = "tanh", dtype = "f64" }
local size = part.num_parameters

local function chip()
  local start = mgd.zeros { REGIONS * size }
  for r = 1, REGIONS do
    start[{ { (r - 1) * size + 1, r * size } }] = part:init { seed = r }:theta()
  end
  return mgd.chip { parameters = REGIONS * size, theta = start, evaluate = function(theta, x)
    local y = mgd.zeros { x.shape[1], REGIONS * OUTPUTS }
    for r = 1, REGIONS do
      part:set_theta(theta[{ { (r - 1) * size + 1, r * size } }]:clone())
      y[{ {}, { (r - 1) * OUTPUTS + 1, r * OUTPUTS } }] =
        part:forward(x[{ {}, { (r - 1) * INPUTS + 1, r * INPUTS } }]:clone())
    end
    return y
  end }
end

local signals = {}
for r = 1, REGIONS do
  signals[r] = {
    outputs = { (r - 1) * OUTPUTS + 1, r * OUTPUTS },
    parameters = { (r - 1) * size + 1, r * size },
  }
end

REPLICAS = 2 -- a chip in Lua is evaluated one replica after the other
compare(("%d regions of %d parameters, each hears the outputs that it drives")
  :format(REGIONS, size), {
    chip = chip(),
    data = { x = mgd.randn({ 4, REGIONS * INPUTS }, { seed = 1 }),
      y = mgd.rand({ 4, REGIONS * OUTPUTS }, { seed = 2 }) },
    perturbation = { code = "random", amplitude = 1e-3 }, batch = 4,
  }, signals, { tau_theta = 1, eta = 0.05 }, 1000)
