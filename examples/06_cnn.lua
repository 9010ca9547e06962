-- 06_cnn.lua: convolutional networks on images, trained by MGD, beside back-propagation.
--
-- Trains the small networks of the literature (McCaughan et al. 2023): three 3×3 convolutions,
-- each with relu and a 2×2 pool, and a dense layer; 16, 32, 32 channels for Fashion-MNIST and 16,
-- 32, 64 for CIFAR-10. MGD sees the cost of a batch twice per step, at θ + θ̃ and θ − θ̃, and
-- nothing else; back-propagation takes a tenth of the steps, on batches of the same size.
-- Takes about a minute on two cores.
--
--     build/mgd-lua examples/06_cnn.lua                        Fashion-MNIST
--     build/mgd-lua examples/06_cnn.lua cifar10 [DIRECTORY]    CIFAR-10, the folder of its files
--     STEPS=1e6 build/mgd-lua examples/06_cnn.lua              longer (30,000 without)
--
-- Leaves the history of the MGD run in out/cnn_history.csv. Ctrl-C ends the training it falls into;
-- the rest goes on with what there is.

local mgd = require "mgd"
local nn = mgd.nn

local SET, DIRECTORY = arg and arg[1] or "fashion_mnist", arg and arg[2]
local STEPS = math.tointeger(tonumber(os.getenv "STEPS" or 30000))
assert(SET == "fashion_mnist" or SET == "cifar10",
  "usage: 06_cnn.lua [fashion_mnist|cifar10] [DIRECTORY]")
assert(STEPS and STEPS >= 10, "STEPS must be an integer of at least 10")

-- True when `work` came to its end, false when Ctrl-C cut it short; other errors go on.
local function finished(work)
  local ok, message = pcall(work)
  if not ok and not tostring(message):find "interrupted" then
    error(message, 0)
  end
  return ok
end

-- ---- data and network ---------------------------------------------------------------------------

local data = mgd.data[SET] { path = DIRECTORY }
local BATCH = math.min(100, #data)
local mean_image = data.x:mean(1) -- inputs around zero: fewer directions in which noise can harm
data.x:sub_(mean_image)
data.test.x:sub_(mean_image)

local function block(channels)
  return nn.conv2d { channels, kernel = 3 }, nn.relu(), nn.maxpool2d(2)
end

local input = { data.x.shape[2], data.x.shape[3], data.x.shape[4] }
local layers = { input = input }
for _, channels in ipairs { 16, 32, SET == "cifar10" and 64 or 32 } do
  for _, layer in ipairs { block(channels) } do
    table.insert(layers, layer)
  end
end
table.insert(layers, nn.flatten())
table.insert(layers, nn.dense(10))
local net = nn.sequential(layers):init { scheme = "he_normal", seed = 1 }
local start = net:theta()
print(data)
print(net:plan())

-- ---- multiplexed gradient descent ---------------------------------------------------------------

local run = mgd.train {
  net = net,
  data = data,
  cost = "cross_entropy",
  batch = BATCH,
  perturbation = { code = "random", amplitude = 1e-3 },
  baseline = "two-sided",
  optimizer = "adam",
  eta = function(step) -- falls to 0 along half a cosine
    return 1.5e-3 * 0.5 * (1 + math.cos(math.pi * step / STEPS))
  end,
}

print(("\nmultiplexed gradient descent: %d steps of %d images"):format(STEPS, BATCH))
finished(function()
  run:run { steps = STEPS, every = math.max(math.floor(STEPS / 10), 1), progress = true }
end)
local history = run.history
print(history)
os.execute "mkdir -p out"
history:save_csv "out/cnn_history.csv"

-- ---- back-propagation ---------------------------------------------------------------------------

local steps = math.floor(STEPS / 10)
print(("\nback-propagation: %d steps of %d images"):format(steps, BATCH))
local begin, done = mgd.clock(), 0
net:set_theta(start)
finished(function()
  local theta, velocity, first = start:clone(), mgd.zeros({ #start }, { dtype = "f32" }), 1
  for step = 1, steps do
    local batch = { { first, first + BATCH - 1 } }
    local g = net:gradient(data.x[batch], data.y[batch], "cross_entropy")
    velocity:mul_(0.9):add_(g) -- momentum; η falls from 0.03 to 0
    theta:sub_(velocity * (0.03 * (1 - step / steps)))
    net:set_theta(theta)
    first = first + 2 * BATCH <= #data + 1 and first + BATCH or 1
    done = step
  end
end)
local seconds = mgd.clock() - begin
local baseline = mgd.train { net = net, data = data, cost = "cross_entropy" }:evaluate()
net:set_theta(run:theta()) -- the network keeps what MGD has found

-- ---- table --------------------------------------------------------------------------------------

print(("\n  %-28s %12s %18s"):format(data.name, "MGD", "back-propagation"))
for _, line in ipairs {
  { "test accuracy", "%.1f %%", 100 * history.accuracy[-1], 100 * baseline.accuracy },
  { "test cost (cross-entropy)", "%.3f", history.cost[-1], baseline.cost },
  { ("steps of %d images"):format(BATCH), "%d", run.steps_done, done },
  { "wall-clock", "%.1f s", history.wall[-1], seconds },
} do
  print(("  %-28s %12s %18s"):format(line[1], line[2]:format(line[3]), line[2]:format(line[4])))
end
print "\nwritten: out/cnn_history.csv"
