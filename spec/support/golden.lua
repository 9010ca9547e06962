--- Runs whose bits are kept: one for each engine, code, optimizer, layer, law of update and preset.
-- Their digests stand in spec/golden.txt; spec/golden_spec.lua compares. A change that is meant to
-- leave all results alone leaves them alone, too; one that changes a result on purpose writes them
-- again, by `build/mgd-lua spec/support/golden.lua`, and says why.
-- @module spec.support.golden

local mgd = require "mgd"
local core = require "mgd.core"
local nn, hw = mgd.nn, mgd.hw

local M = {}

local function join(...)
  local all = {}
  for _, options in ipairs { ... } do
    for name, value in pairs(options) do
      all[name] = value
    end
  end
  return all
end

-- Every bit of a tensor, NaN as one.
local function bits(text, t)
  for _, x in ipairs(t:reshape { t.size }:totable()) do
    text[#text + 1] = x ~= x and "nan" or ("%a"):format(x)
  end
end

--- The digest of some runs: their parameters and the cost of every row.
local function digest(train, replicas)
  local text = {}
  local run = mgd.train(join(train, { replicas = replicas }))
  local history = run:run { steps = 40, every = 7, probes = { "cost", "C" } }
  bits(text, run:theta())
  bits(text, history.cost)
  bits(text, history.C)
  return core.base.sha256(table.concat(text, " "))
end

local function mlp(dtype)
  return nn.mlp { 2, 3, 1, activation = "tanh", output = "sigmoid", dtype = dtype or "f32" }
end

local BASE = { data = mgd.data.xor(), init = { scheme = "uniform" }, seed = 11, eta = 0.5,
  tau_theta = 4, tau_x = 2, perturbation = { code = "random", amplitude = 0.02 } }
local ODE = { engine = "analog", tau_theta = 8, tau_hp = 6, tau_x = 4, integrator = "rk4" }

local function set(inputs, outputs)
  return mgd.data.from { x = mgd.randn({ 20, table.unpack(inputs) }, { seed = 3 }),
    y = mgd.rand({ 20, outputs }, { seed = 4 }) }
end

-- name → options beside BASE; a network of XOR where there is none.
local function trainings()
  local runs = {}
  for _, dtype in ipairs { "f32", "f64" } do
    local net = mlp(dtype)
    runs["engine discrete " .. dtype] = { net = net }
    runs["engine analog " .. dtype] = { net = net, engine = "analog", tau_theta = 8, tau_hp = 6 }
    runs["engine backprop " .. dtype] = { net = net, engine = "backprop", perturbation = false,
      tau_theta = false, batch = 3 }
    runs["engine nodes " .. dtype] = { net = net, perturb = "nodes", batch = 2 }
  end
  runs["engine ode"] = join(ODE, { net = mlp "f64" })
  for _, baseline in ipairs { "measured", "two-sided", "none" } do
    runs["baseline " .. baseline] = { baseline = baseline }
  end
  for name, code in pairs {
    sequential = {}, shuffled = { code = "sequential", order = "shuffled" }, walsh = {},
    alternating = { code = "walsh", alternate = true }, random = {},
    sparse = { code = "random", sparsity = 0.4 }, sine = {}, gaussian = {}, brownian = {},
    lfsr = {}, balanced = { code = "lfsr", balanced = true },
    outer = {}, spread = { code = "random", amplitude_spread = 0.2 } } do
    runs["code " .. name] = { tau_theta = 64, tau_p = 1,
      perturbation = join({ code = name, amplitude = 0.02 }, code) }
  end
  for name, more in pairs { sgd = {}, momentum = {}, nesterov = {}, adam = {}, sign = {},
    pulses = { pulse = 0.01, eta = false } } do
    runs["optimizer " .. name] = join({ optimizer = name, weight_decay = name ~= "pulses" and 0.01
      or false }, more)
  end
  runs["signals"] = { net = nn.mlp { 2, 3, 2 }, signals = "outputs", data = set({ 2 }, 2) }
  runs["clips"] = { clip = 0.1, clip_norm = 0.2, clamp = 0.01 }
  runs["layers of images"] = { batch = 4, eta = 0.01, data = set({ 1, 8, 8 }, 3),
    cost = "cross_entropy",
    net = nn.sequential { input = { 1, 8, 8 }, nn.conv2d { 3, kernel = 3, padding = 1 }, nn.relu(),
      nn.maxpool2d(2), nn.residual { nn.conv2d { 3, kernel = 3, padding = 1 }, nn.softplus() },
      nn.avgpool2d(2), nn.affine(), nn.flatten(), nn.dense(3) } }
  runs["layers of sequences"] = { data = set({ 5, 2 }, 2), net = nn.sequential { input = { 5, 2 },
    nn.ssm { states = 4, output = "all" }, nn.elman { 3 }, nn.dense(2) } }
  runs["layer mzi_mesh"] = { data = set({ 4 }, 2), net = nn.sequential { input = 4,
    nn.mzi_mesh { modes = 4, outputs = 2 }, nn.sigmoid() } }
  runs["branches"] = { data = set({ 4 }, 2), net = nn.sequential { input = 4,
    nn.concat { nn.dense(2), nn.dense(3) }, nn.tanh(), nn.dense(2) } }
  return runs
end

-- With these each model does something.
local OPTIONS = {
  adc = { bits = 5, bound = 2, noise = 0.01, s_shape = 0.1 },
  amplitude = { spread = 0.1, mismatch = 0.05 }, clamp = { low = -0.01, high = 0.6 },
  crosstalk = { k = 0.1 }, dac = { bits = 5, asymmetry = 0.1, noise = 0.01 },
  dead = { fraction = 0.5 }, diffusion = { sigma = 1e-3 }, drift = { nu = 0.1 },
  flicker = { sigma = 0.01, f_low = 0.01, f_high = 0.4 }, gain = { gain = 0.9, spread = 0.1 },
  ir_drop = { ratio = 0.01 }, leak = { tau = 50 }, levels = { bits = 6 },
  missing = { fraction = 0.2 }, neuron_spread = { sigma = 0.1 }, noise = { sigma = 0.01 },
  path = { lowpass = 3, delay = 1, gain_spread = 0.1, noise = 0.001 },
  pulse_table = { up = { -1, 0.2, 0.6, 1 }, down = { 1, 0.1, -0.5, -1 } },
  read_noise = { sigma = 0.01 }, s_shape = { strength = 2 }, saturation = { limit = 2 },
  stuck = { low = 0.1, high = 0.1 }, write = { noise = 0.01, resolution = 0.01 },
}

-- name → chip: every model at every stage that takes it, the platforms, and all stages at once
local function chips()
  local all = {}
  for _, model in ipairs(hw.models()) do
    for _, stage in ipairs(model.stages) do
      all[("model %s at %s"):format(model.name, stage)] = mgd.chip { net = mlp(), seed = 5,
        [stage] = hw[model.name](OPTIONS[model.name]) }
    end
  end
  for _, name in ipairs { "memristive_crossbar", "analog_vlsi", "superconducting_fast",
    "chip_in_the_loop" } do
    all["preset " .. name] = mgd.chip(hw.presets[name] { net = mlp(), seed = 5 })
  end
  -- write noise, a pair with resets, and reference devices
  for _, name in ipairs { "reram_es", "pcm", "reram_array_om" } do
    all["preset " .. name] = mgd.chip { net = mlp(), seed = 5, update = hw.presets[name]() }
  end
  all["chip with all stages"] = mgd.chip { net = mlp "f64", seed = 5,
    weights = { hw.levels { bits = 6 },
      hw.read_noise { sigma = 0.01 } },
    neurons = hw.neuron_spread { sigma = 0.1 }, input = hw.dac { bits = 6 },
    output = { hw.adc { bits = 8 }, hw.noise { sigma = 0.01 } },
    perturbation = hw.missing { fraction = 0.1 }, cost = hw.path { lowpass = 2, delay = 1 },
    update = hw.presets.ecram() }
  return all
end

-- false stands for "not given"
local function given(options)
  local clean = {}
  for name, value in pairs(options) do
    if value ~= false then
      clean[name] = value
    end
  end
  return clean
end

--- Every run by its name: function() → digest.
function M.runs()
  local runs = {}
  local function add(name, options)
    for _, replicas in ipairs { 1, 19 } do
      runs[("%s, %d"):format(name, replicas)] = function()
        return digest(options, replicas)
      end
    end
  end
  for name, options in pairs(trainings()) do
    add(name, given(join(BASE, options.net and {} or { net = mlp() }, options)))
  end
  for name, chip in pairs(chips()) do
    add(name, join(BASE, { chip = chip }))
  end
  return runs
end

--- The names in order.
function M.names(runs)
  local names = {}
  for name in pairs(runs) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

if arg and arg[0] and arg[0]:find("golden.lua", 1, true) then
  local runs, file = M.runs(), assert(io.open(arg[1] or "spec/golden.txt", "w"))
  for _, name in ipairs(M.names(runs)) do
    file:write(runs[name](), "  ", name, "\n")
  end
  file:close()
end

return M
