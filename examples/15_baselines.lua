-- 15_baselines.lua: what knowing the gradient is worth: methods side by side on NIST7x7.
--
-- A 49-4-4 network of sigmoid units (P = 220) learns to tell the letters N, I, S and T, from θ
-- uniform in (−½, ½), by back-propagation, by the classical methods that need no gradient (finite
-- differences, coordinate descent, SPSA), which are corners of MGD, and by MGD with each optimizer.
-- What is compared is accuracy after equally many *evaluations*: images that went through the
-- network. A gradient by back-propagation counts as one for each image of its batch, although it
-- takes the time of about three. Accuracy is of 502 images spread over the set of 44,136; medians
-- of 16 replicas. η is the best of a few that were tried for each method, and constant.
-- Takes 10 to 20 seconds on one core.
--
--     build/mgd-lua examples/15_baselines.lua
--     EVALUATIONS=1e5 build/mgd-lua examples/15_baselines.lua      shorter (1e6 without)

local mgd = require "mgd"

local REPLICAS = 16
local EVALUATIONS = tonumber(os.getenv "EVALUATIONS" or 1e6)
assert(EVALUATIONS and EVALUATIONS >= 1000, "EVALUATIONS must be a number of at least 1000")

-- All images for training, every 88th for testing.
local all = mgd.data.nist7x7()
local x, y = {}, {}
for i = 1, #all, 88 do
  table.insert(x, all.x[i]:totable())
  table.insert(y, all.y[i]:totable())
end
local data = mgd.data.from { x = all.x, y = all.y,
  test = { x = mgd.tensor(x, { dtype = "f32" }), y = mgd.tensor(y, { dtype = "f32" }) } }
local net = mgd.nn.mlp { 49, 4, 4, activation = "sigmoid", output = "sigmoid" }
local P = net.num_parameters

-- ---- methods ------------------------------------------------------------------------------------
-- `evaluations` are those of a step. MGD: the random code, both sides, windows of eight images.

local function mgd_with(opts)
  opts.perturbation = { code = "random", amplitude = 0.01 }
  opts.baseline = "two-sided"
  opts.tau_theta = 8
  return mgd.train(opts)
end

local METHODS = {
  { "back-propagation, batch 10", mgd.backprop, { batch = 10, eta = 5 }, evaluations = 10 },
  { "finite differences", mgd.finite_difference, { eta = 2 }, evaluations = (P + 1) / P },
  { "coordinate descent", mgd.coordinate_descent, { eta = 0.02 }, evaluations = 2 },
  { "SPSA", mgd.spsa, { eta = 0.02 }, evaluations = 2 },
  { "SPSA, Spall's gains", mgd.spsa, { eta = { "spsa", 10, A = 5000 } }, evaluations = 2 },
  { "MGD, sgd", mgd_with, { eta = 0.2 }, evaluations = 2 },
  { "MGD, momentum", mgd_with, { optimizer = "momentum", eta = 0.02 }, evaluations = 2 },
  { "MGD, nesterov", mgd_with, { optimizer = "nesterov", eta = 0.02 }, evaluations = 2 },
  { "MGD, adam", mgd_with, { optimizer = "adam", eta = 0.01 }, evaluations = 2 },
  { "MGD, sign", mgd_with, { optimizer = "sign", eta = 0.005 }, evaluations = 2 },
  { "MGD, pulses where |G| > 0.05", mgd_with,
    { optimizer = "pulses", pulse = 0.01, threshold = 0.05 }, evaluations = 2 },
}

-- ---- table --------------------------------------------------------------------------------------

-- Median accuracy, in percent, after 10³, 10⁴, … evaluations; seconds.
local function follow(method)
  local opts = { net = net, data = data, replicas = REPLICAS,
    init = { scheme = "uniform", low = -0.5, high = 0.5 } }
  for name, value in pairs(method[3]) do
    opts[name] = value
  end
  local run, begin, line, mark = method[2](opts), mgd.clock(), "", 1000
  while mark <= EVALUATIONS do
    local target = math.floor(mark / method.evaluations + 0.5)
    local history = run:run { steps = target - run.steps_done, probes = { "accuracy" } }
    line = line .. ("%9.1f"):format(100 * history:quantile("accuracy", 0.5)[-1])
    mark = mark * 10
  end
  return line, mgd.clock() - begin
end

print(("median accuracy of %d replicas in %% (chance: 25), after so many evaluations"):format(
  REPLICAS))
local head, exponent = (" "):rep(30), 3
while 10 ^ exponent <= EVALUATIONS do
  head, exponent = head .. ("%9s"):format("10^" .. exponent), exponent + 1
end
print(head .. "   seconds")
for _, method in ipairs(METHODS) do
  local accuracy, seconds = follow(method)
  print(("%-30s%s%10.1f"):format(method[1], accuracy, seconds))
end
