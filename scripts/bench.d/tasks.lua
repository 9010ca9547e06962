--- The tasks of the bench by our engine, as runs and as options of mgd.train (see peers.py).

local mgd = require "mgd"
local peers = require "peers"

local nn = mgd.nn

local tasks = {}

-- Made once, when first asked for.
local function once(make)
  local made
  return function()
    made = made or make()
    return made
  end
end

local function merged(base, extra)
  local all = {}
  for _, source in ipairs { base, extra or {} } do
    for key, value in pairs(source) do
      all[key] = value
    end
  end
  return all
end

--- Random images with labels of ten classes, as x and one-hot y.
-- @tparam number samples
-- @tparam table shape of one image
function tasks.images(samples, shape)
  local x = mgd.rand({ samples, table.unpack(shape) }, { seed = 1, dtype = "f32" })
  local y = mgd.zeros({ samples, 10 }, { dtype = "f32" })
  for i = 1, samples do
    y[{ i, i % 10 + 1 }] = 1
  end
  return mgd.data.from { x = x, y = y }
end

-- ---- small: sigmoids, mse, batch 1 -------------------------------------------------------------

tasks.xor = once(function()
  return { name = "xor", sizes = { 2, 2, 1 }, set = mgd.data.xor() }
end)

tasks.nist = once(function()
  return { name = "nist", sizes = { 49, 4, 4 }, set = mgd.data.nist7x7() }
end)

--- The network of a small task.
function tasks.small_net(task)
  return nn.mlp(merged(task.sizes, { activation = "sigmoid", output = "sigmoid" }))
end

--- A run of a small task: what peers do. `extra` may bring a chip.
function tasks.small(task, extra)
  return mgd.train(merged({
    net = not (extra and extra.chip) and tasks.small_net(task) or nil,
    data = task.set, cost = "mse", batch = 1, threads = 1,
    shuffle = #task.set.x > 16, -- as the scalar loop does: XOR in order, NIST7x7 at random
    perturbation = { code = "random", amplitude = peers.AMPLITUDE }, eta = peers.ETA,
    init = { scheme = "uniform", low = -0.5, high = 0.5 },
  }, extra))
end

-- ---- images: relu, cross-entropy ---------------------------------------------------------------

local function trained(net, set, extra)
  net:init { scheme = "glorot_uniform", seed = 1 }
  return merged({
    net = net, data = set, cost = "cross_entropy", threads = 1,
    perturbation = { code = "random", amplitude = 0.001 }, eta = 0.001,
  }, extra)
end

--- Options of a multilayer perceptron with relu that learns a data set.
function tasks.mlp_options(sizes, set, extra)
  return trained(nn.mlp(merged(sizes, { activation = "relu", output = "identity" })), set, extra)
end

-- As many samples as Fashion-MNIST has, so that the batches come from memory, not from the cache.
tasks.large_set = once(function()
  return tasks.images(60000, { 784 })
end)

tasks.LARGE_PARAMETERS = 785 * 32 + 33 * 10
tasks.LARGE_FLOP = 2 * (784 * 32 + 32 * 10) -- of one sample forward

function tasks.large_options(extra)
  return tasks.mlp_options({ 784, 32, 10 }, tasks.large_set(),
    merged({ batch = 128, baseline = "two-sided", optimizer = "adam" }, extra))
end

function tasks.large(extra)
  return mgd.train(tasks.large_options(extra))
end

-- Three convolutions of 3 × 3, each with relu and 2 × 2 max-pooling, and a dense layer.
local function convolutional(input, channels)
  local layers = { input = input }
  for _, n in ipairs(channels) do
    table.insert(layers, nn.conv2d { n, kernel = 3 })
    table.insert(layers, nn.relu())
    table.insert(layers, nn.maxpool2d(2))
  end
  table.insert(layers, nn.flatten())
  table.insert(layers, nn.dense(10))
  return nn.sequential(layers)
end

tasks.fashion = {
  name = "fashion", title = "CNN of Fashion-MNIST", batch = 1000,
  input = { 1, 28, 28 }, channels = { 16, 32, 32 },
  set = once(function()
    return tasks.images(60000, { 1, 28, 28 })
  end),
}

tasks.cifar = {
  name = "cifar", title = "CNN of CIFAR-10", batch = 100,
  input = { 3, 32, 32 }, channels = { 16, 32, 64 },
  set = once(function()
    return tasks.images(10000, { 3, 32, 32 })
  end),
}

--- FLOP of its forward pass for one sample; of an odd side, pooling leaves the last one out.
function tasks.convolution_flop(task)
  local inputs, side = task.input[1], task.input[2]
  local flop = 0
  for _, outputs in ipairs(task.channels) do
    local pooled = (side - 2) // 2
    flop = flop + 2 * (2 * pooled) ^ 2 * outputs * 9 * inputs
    inputs, side = outputs, pooled
  end
  return flop + 2 * side ^ 2 * inputs * 10
end

--- The network of one of the two.
function tasks.convolution_net(task)
  return convolutional(task.input, task.channels)
end

--- A run of one of the two.
function tasks.convolution(task, extra)
  local net = tasks.convolution_net(task)
  return mgd.train(trained(net, task.set(), merged({ batch = task.batch }, extra)))
end

return tasks
