-- 05_fashion_mnist.lua: 60,000 images, 25,450 parameters, no back-propagation.
--
-- Trains a 784-32-10 network on all of Fashion-MNIST by multiplexed gradient descent: at every step
-- all parameters are perturbed at once, one cost comes back, and each parameter finds its own share
-- of it. Then once more with the nodes perturbed, the sums of the 42 neurons, each image by itself.
-- The same network is then trained by back-propagation on as many samples, for comparison.
-- Takes about two minutes on two cores. `make demo` runs it.
--
--     build/mgd-lua examples/05_fashion_mnist.lua [steps]
--
-- Leaves in out/, below the current directory:
--     fashion_mnist_history.csv   cost and accuracy on the test set along the run by nodes
--     fashion_mnist_theta.npy     the parameters that this has found, (P), f32
--     fashion_mnist.svg           all trainings in one plot, where gnuplot is installed
-- The same numbers every time, but for the seconds on the clock. Ctrl-C ends the training it falls
-- into; the rest goes on with what there is.

local mgd = require "mgd"
local clock = mgd.clock

local STEPS = math.tointeger(tonumber(arg and arg[1] or 60000))
assert(STEPS and STEPS > 0, "usage: 05_fashion_mnist.lua [steps]")
local BATCH = 128
local EVERY = math.max(math.floor(STEPS / 240), 1) -- steps between two looks at the test set
local OUT = "out/fashion_mnist"
os.execute "mkdir -p out"
io.stdout:setvbuf "line" -- a file, too, shows how far this is

-- True when `work` came to its end, false when Ctrl-C cut it short; other errors go on.
local function finished(work)
  local ok, message = pcall(work)
  if not ok and not tostring(message):find "interrupted" then
    error(message, 0)
  end
  return ok
end

-- ---- data and network ---------------------------------------------------------------------------

local data = mgd.data.fashion_mnist()
local mean_image = data.x:mean(1) -- inputs around zero: fewer directions in which noise can harm
data.x:sub_(mean_image)
data.test.x:sub_(mean_image)

local net = mgd.nn.mlp { 784, 32, 10, activation = "tanh" }
net:init { scheme = "glorot_normal", seed = 1 }
local start = net:theta()
print(data)
print(net)

-- ---- multiplexed gradient descent ---------------------------------------------------------------

-- By parameters or by nodes; returns the run. η falls to 0 along half a cosine.
local function train(perturb, amplitude, eta)
  local run = mgd.train {
    net = net,
    data = data,
    cost = "cross_entropy",
    batch = BATCH,
    perturb = perturb,
    perturbation = { code = "random", amplitude = amplitude }, -- ±a for each, fair signs
    baseline = "two-sided", -- C̃ is half of C(+ξ) − C(−ξ)
    optimizer = "adam",
    eta = { "cosine", eta, steps = STEPS },
  }
  print(("\nmultiplexed gradient descent by %s: %d steps of %d images"):format(perturb, STEPS,
    BATCH))
  if not finished(function() run:run { steps = STEPS, every = EVERY, progress = true } end) then
    print(("  stopped at step %d: its last look at the test set counts"):format(run.steps_done))
  end
  return run
end

local by_parameters = train("parameters", 1e-3, 1.25e-3).history
local run = train("nodes", 0.01, 1e-3)
local by_nodes = run.history
local steps = math.tointeger(by_parameters.step[-1])
by_nodes:save_csv(OUT .. "_history.csv")
run:theta():save(OUT .. "_theta.npy")

-- ---- back-propagation ---------------------------------------------------------------------------
-- The reference: stochastic gradient descent in plain Lua, from the same θ, for as many steps on
-- batches of as many images; η falls from 0.1 to 0.

local by_backprop = { step = {}, cost = {}, accuracy = {} }

local function look(step)
  local now = mgd.train { net = net, data = data, cost = "cross_entropy" }:evaluate()
  for name, value in pairs { step = step, cost = now.cost, accuracy = now.accuracy } do
    table.insert(by_backprop[name], value)
  end
  if step > 0 and step % math.max(math.floor(STEPS / 6), 1) == 0 then
    print(("  step %6d  test accuracy %.1f %%"):format(step, 100 * now.accuracy))
  end
end

print(("\nback-propagation: %d steps of %d images"):format(steps, BATCH))
local begin = clock()
net:set_theta(start)
look(0)
finished(function()
  local theta, first = start:clone(), 1
  for step = 1, steps do
    local batch = { { first, first + BATCH - 1 } }
    local g = net:gradient(data.x[batch], data.y[batch], "cross_entropy")
    theta:sub_(g:mul_(0.1 * (1 - step / steps)))
    net:set_theta(theta)
    first = first + 2 * BATCH <= #data + 1 and first + BATCH or 1
    if step % EVERY == 0 or step == steps then
      look(step)
    end
  end
end)
by_backprop.seconds = clock() - begin
net:set_theta(run:theta()) -- the network keeps what was found by nodes

-- ---- table --------------------------------------------------------------------------------------

local function right(text, width) -- string.format counts bytes
  return (" "):rep(width - utf8.len(text)) .. text
end

local function row(label, ...)
  local line = ("  %-32s"):format(label)
  for _, value in ipairs { ... } do
    line = line .. right(value, 18)
  end
  print(line)
end

local last = #by_backprop.step

-- A probe of all three, `scale` times.
local function rows(label, format, scale, name)
  row(label, format:format(scale * by_parameters[name][-1]),
    format:format(scale * by_nodes[name][-1]), format:format(scale * by_backprop[name][last]))
end

print()
row("Fashion-MNIST, 784-32-10", "by parameters", "by nodes", "back-propagation")
rows("test accuracy", "%.1f %%", 100, "accuracy")
rows("test cost (cross-entropy)", "%.3f", 1, "cost")
rows(("steps of %d images"):format(BATCH), "%d", 1, "step")
row("evaluations, of one image each", ("%d"):format(by_parameters.evaluations[-1]),
  ("%d"):format(by_nodes.evaluations[-1]), "–")
row("wall-clock", ("%.1f s"):format(by_parameters.wall[-1]), ("%.1f s"):format(by_nodes.wall[-1]),
  ("%.1f s"):format(by_backprop.seconds))
for _, time in ipairs { { 1e-3, "1 ms", 1, "s" }, { 10e-9, "10 ns", 1e3, "ms" },
                        { 100e-12, "100 ps", 1e6, "µs" } } do
  local function hardware(history, name)
    return ("%.6g %s"):format(history[name][-1] * time[1] * time[3], time[4])
  end
  row(time[2] .. " × steps", hardware(by_parameters, "step"), "–", "–")
  row("  × evaluations", hardware(by_parameters, "evaluations"),
    hardware(by_nodes, "evaluations"), "–")
end
print [[
  Hardware time: dt × steps where a batch is shown under θ + θ̃ and under θ − θ̃ within one dt;
  dt × evaluations where one image is shown under one perturbation per dt, as nodes need it.]]

-- ---- plot ---------------------------------------------------------------------------------------

local written = { "_history.csv", "_theta.npy" }

-- A probe of all trainings, `scale` times, against the logarithm of the step, which has no 0.
local function panel(title, name, scale, unit)
  local axes = { title = title, x = { label = ("steps of %d images"):format(BATCH), log = true },
    y = { label = name, unit = unit, range = scale > 1 and { 0, 100 } or nil } }
  local trainings = {
    { "by parameters", by_parameters, by_parameters.step.size },
    { "by nodes", by_nodes, by_nodes.step.size },
    { "back-propagation", by_backprop, #by_backprop.step },
  }
  for k, training in ipairs(trainings) do
    local label, history, count = table.unpack(training)
    local x, y = {}, {}
    for i = 2, count do
      x[i - 1], y[i - 1] = history.step[i], scale * history[name][i]
    end
    axes[k] = { x = x, y = y, label = label }
  end
  return axes
end

if by_parameters.step.size < 3 or by_nodes.step.size < 3 or #by_backprop.step < 3 then
  print("\nno plot: too few steps to show")
else
  local figure = mgd.plot { panels = {
    panel("Accuracy on the test set", "accuracy", 100, "%"),
    panel("Cost on the test set", "cost", 1, "cross-entropy, nats"),
  } }
  local ok, message = pcall(figure.save, figure, OUT .. ".svg")
  if ok then
    table.insert(written, ".svg")
  else
    print("\nno plot: " .. message)
  end
end
print(("\nwritten: %s%s"):format(OUT, table.concat(written, ", " .. OUT)))
