-- 10_node_perturbation.lua: pre-activations perturbed instead of parameters, in cost and in angle.
--
-- A neuron that is nudged by ξ and hears the one broadcast change of the cost knows how much its
-- pre-activation z matters, e = C̃·ξ/⟨ξ²⟩; times what it reads that is the gradient of its weights
-- (Oripov et al., APL Machine Learning, 2025). A 49-4-4 network has P = 220 parameters and M = 8
-- such nodes, and each sample of a batch has a perturbation of its own. Three tables: what a step
-- costs, how fast the angle between G and the gradient falls, and how both learn the letters.
-- Takes about a second; with FULL, minutes.
--
--     build/mgd-lua examples/10_node_perturbation.lua
--     FULL=1 build/mgd-lua examples/10_node_perturbation.lua    and the CNN of Fashion-MNIST
--
-- Leaves the curves in out/node_perturbation_<task>_<what>.csv.

local mgd = require "mgd"
local nn = mgd.nn

local WAYS = { "parameters", "nodes" }
local SEEDS = 5

local function with(base, changes)
  local all = {}
  for _, source in ipairs { base, changes } do
    for name, value in pairs(source) do
      all[name] = value
    end
  end
  return all
end

-- ---- tasks --------------------------------------------------------------------------------------

local letters = {
  name = "nist7x7", title = "49-4-4 on NIST7x7, batches of 100",
  windows = { 1, 4, 16, 64 }, steps = 4000, timed = 2000,
  settings = {
    net = nn.mlp { 49, 4, 4, activation = "sigmoid", output = "sigmoid" }:init { seed = 1 },
    data = mgd.data.nist7x7(), cost = "mse", batch = 100,
    perturbation = { code = "random", amplitude = 0.01 },
  },
  eta = { parameters = 1, nodes = 3 }, -- each at its best of 0.3, 1, 3, 10
}

local function images()
  local data = mgd.data.fashion_mnist {}
  local mean = data.x:mean(1)
  data.x:sub_(mean)
  data.test.x:sub_(mean)
  local layers = { input = { 1, 28, 28 } }
  for _, channels in ipairs { 16, 32, 32 } do
    for _, layer in ipairs { nn.conv2d { channels, kernel = 3 }, nn.relu(), nn.maxpool2d(2) } do
      table.insert(layers, layer)
    end
  end
  table.insert(layers, nn.flatten())
  table.insert(layers, nn.dense(10))
  return {
    name = "fashion_mnist", title = "CNN of Fashion-MNIST, batches of 1,000",
    windows = { 1, 4, 16, 64 }, steps = 3000, timed = 30,
    settings = {
      net = nn.sequential(layers):init { scheme = "he_normal", seed = 1 },
      data = data, cost = "cross_entropy", batch = 1000, optimizer = "adam",
      perturbation = { code = "random", amplitude = 1e-3 },
    },
    eta = { parameters = 1e-3, nodes = 1e-3 },
  }
end

-- ---- tables -------------------------------------------------------------------------------------

-- Seconds of a step on one thread.
local function step_seconds(task, perturb)
  local run = mgd.train(with(task.settings, { perturb = perturb, eta = 0, threads = 1 }))
  local best = math.huge
  for _ = 1, 5 do
    local begin = mgd.clock()
    run:run { steps = task.timed, probes = { "C" } }
    best = math.min(best, (mgd.clock() - begin) / task.timed)
  end
  return best
end

-- Degrees between G and the gradient of one batch, which is shown throughout; mean over seeds.
local function angle(task, perturb, window)
  local sum = 0
  for seed = 1, SEEDS do
    local still = mgd.train(with(task.settings, { perturb = perturb, eta = 0, seed = seed,
      tau_theta = window, tau_x = window }))
    sum = sum + still:run { steps = window, probes = { "angle" } }.angle[-1] / SEEDS
  end
  return sum
end

local function compare(task)
  local chip = mgd.chip { net = task.settings.net }
  print(("\n%s: P = %d parameters, M = %d nodes"):format(task.title, chip.num_parameters,
    chip.num_nodes))
  print("\n  what is perturbed      parameters        nodes")

  local seconds = {}
  for _, way in ipairs(WAYS) do
    seconds[way] = step_seconds(task, way)
  end
  print(("  step here, 1 thread %10.4g ms %9.4g ms    %.2f times"):format(1e3 * seconds.parameters,
    1e3 * seconds.nodes, seconds.nodes / seconds.parameters))
  for _, window in ipairs(task.windows) do
    print(("  angle after %4d steps %9.1f° %11.1f°"):format(window,
      angle(task, "parameters", window), angle(task, "nodes", window)))
  end

  local history = {}
  for _, way in ipairs(WAYS) do
    local run = mgd.train(with(task.settings, { perturb = way, eta = task.eta[way] }))
    history[way] = run:run { steps = task.steps, every = math.floor(task.steps / 8),
      progress = true }
    history[way]:save_csv(("out/node_perturbation_%s_%s.csv"):format(task.name, way))
  end
  for row = 1, #history.nodes.step do
    print(("  accuracy, step %6d %10.1f %% %10.1f %%"):format(history.nodes.step[row],
      100 * history.parameters.accuracy[row], 100 * history.nodes.accuracy[row]))
  end
end

os.execute "mkdir -p out"
compare(letters)
if os.getenv "FULL" then
  compare(images())
end
print "\nwritten: out/node_perturbation_*.csv"
