-- 27_large_network.lua: a convolutional network learns by forward evaluations and local rules.
--
-- The CNN of 06_cnn.lua (three 3×3 convolutions, each with relu and a 2×2 pool, and a dense
-- layer), by what docs/larger.md found. The lower two convolutions become the principal components
-- of what they read, by Sanger's rule, which hears no cost. Then they stand still, and the nodes of
-- the last convolution and of the dense layer are perturbed; the gate leaves out those that are off
-- or lost their pool. What counts in the end is the mean of θ over the second half of the steps.
-- Takes about two minutes on two cores.
--
--     build/mgd-lua examples/27_large_network.lua                        Fashion-MNIST
--     build/mgd-lua examples/27_large_network.lua cifar10 [DIRECTORY]    CIFAR-10, its folder
--     STEPS=400000 SEED=2 build/mgd-lua examples/27_large_network.lua    longer than 200,000
--
-- Leaves out/large_network_history.csv and, where gnuplot is installed, out/large_network.svg.
-- Ctrl-C ends the training; the rest goes on with what there is.

local mgd = require "mgd"
local nn = mgd.nn

local SET, DIRECTORY = arg and arg[1] or "fashion_mnist", arg and arg[2]
local STEPS = math.tointeger(tonumber(os.getenv "STEPS" or 200000))
local SEED = math.tointeger(tonumber(os.getenv "SEED" or 1))
assert(SET == "fashion_mnist" or SET == "cifar10",
  "usage: 27_large_network.lua [fashion_mnist|cifar10] [DIRECTORY]")
assert(STEPS and STEPS >= 10 and SEED, "STEPS must be an integer of at least 10, SEED an integer")
io.stdout:setvbuf "line"
os.execute "mkdir -p out"

-- ---- data and network ---------------------------------------------------------------------------

local data = mgd.data[SET] { path = DIRECTORY }
local mean_image = data.x:mean(1)
data.x:sub_(mean_image)
data.test.x:sub_(mean_image)

local function block(channels)
  return nn.conv2d { channels, kernel = 3 }, nn.relu(), nn.maxpool2d(2)
end

local layers = { input = { data.x.shape[2], data.x.shape[3], data.x.shape[4] } }
local function add(...)
  for _, layer in ipairs { ... } do
    table.insert(layers, layer)
  end
end
add(block(16))
add(nn.centre()) -- inputs of mean 0; net:fold() puts it into the biases of the layer behind
add(block(32))
add(nn.centre())
add(block(SET == "cifar10" and 64 or 32))
add(nn.flatten(), nn.dense(10))
local net = nn.sequential(layers):init { scheme = "he_normal", seed = SEED }
print(data)
print(net)

-- ---- features without labels --------------------------------------------------------------------

local begin = mgd.clock()
net:components(data.x[{ { 1, math.min(5000, #data) } }], { layers = { "conv1", "conv2" },
  seed = SEED })
local features = mgd.clock() - begin
print(("\nSanger's rule: conv1 and conv2 in %.1f s"):format(features))

-- ---- multiplexed gradient descent ---------------------------------------------------------------

local run = mgd.train {
  net = net,
  data = data,
  cost = "cross_entropy",
  batch = math.min(128, #data),
  perturb = "nodes",
  learn = { "conv3", "dense1" },
  gate = true,
  perturbation = { code = "random", amplitude = 0.01 },
  baseline = "two-sided",
  optimizer = "adam",
  eta = 1e-3,
  average = { kind = "mean", since = math.floor(STEPS / 2) },
  seed = SEED,
}
print(("\nnode perturbation of conv3 and dense1: %d steps"):format(STEPS))
local ok, message = pcall(run.run, run, { steps = STEPS, progress = true,
  every = math.max(math.floor(STEPS / 40), 1),
  probes = { "cost", "accuracy", "average_accuracy" } })
if not ok and not tostring(message):find "interrupted" then
  error(message, 0)
end
local history = run.history
history:save_csv "out/large_network_history.csv"

-- ---- table and plot -----------------------------------------------------------------------------

local evaluations = history.evaluations[-1]
print(("\n  %-40s %10.1f %%"):format("test accuracy, θ as it is", 100 * history.accuracy[-1]))
print(("  %-40s %10.1f %%"):format("test accuracy, mean of θ", 100 * history.average_accuracy[-1]))
print(("  %-40s %10.4g"):format("evaluations of an image", evaluations))
print(("  %-40s %10.1f s"):format("wall-clock, features and training", features + history.wall[-1]))
for _, time in ipairs { { 1e-3, "1 ms" }, { 10e-9, "10 ns" }, { 100e-12, "100 ps" } } do
  print(("  %-40s %10.4g s"):format("  hardware of " .. time[2] .. " an evaluation",
    evaluations * time[1]))
end

local written = "out/large_network_history.csv"
if history.step.size > 2 then
  local trained = { { 2, history.step.size } } -- without the row before the first step
  local function curve(name, label)
    return { x = history.wall[trained], y = 100 * history[name][trained], label = label }
  end
  local figure = mgd.plot { title = ("%s, %d parameters"):format(data.name, net.num_parameters),
    x = { label = "wall-clock", unit = "s" }, y = { label = "test accuracy", unit = "%" },
    curve("accuracy", "θ as it is"), curve("average_accuracy", "mean of θ") }
  local drawn, why = pcall(figure.save, figure, "out/large_network.svg")
  written = drawn and written .. ", out/large_network.svg" or written
  print(drawn and "" or "\nno plot: " .. why)
end
print("written: " .. written)
