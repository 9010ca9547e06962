-- Training runs: problems solved, rates, histories, probes.

local mgd = require "mgd"
local support = require "spec.support.train"

local ONE = support.ONE
local options = support.options

-- ---- problems -----------------------------------------------------------------------------------

describe("training solves", function()
  -- Every seed is one replica; the run ends when all have stopped, at accuracy 1 and a small cost.
  local function solved(name, opts, steps)
    it(name, function()
      local run = mgd.train(opts)
      local history = run:run{steps = steps, every = 1000, probes = {"accuracy", "cost"},
        stop = {accuracy = 1, cost = 0.05}}
      for r = 1, opts.replicas do
        assert.is_true(history.stopped[r] == history.stopped[r], "replica " .. r .. " not solved")
      end
      assert.is_true(run:evaluate().accuracy:min() == 1)
    end)
  end

  local tanh = {data = mgd.data.xor(), batch = 4, shuffle = false, tau_theta = 4, eta = 0.03,
    optimizer = "adam", init = {low = -1, high = 1}, replicas = 8}
  local xor = options(tanh, {net = mgd.nn.mlp{2, 4, 1, activation = "tanh", output = "sigmoid"},
    baseline = "two-sided"})
  for _, code in ipairs {"random", "walsh", "sequential", "sine"} do
    solved("XOR from eight seeds with the code " .. code,
      options(xor, {perturbation = {code = code, amplitude = 0.02},
                    tau_theta = code == "sine" and 40 or 4}), 100000)
  end
  solved("XOR from eight seeds, one sample at a time", options(xor, {batch = 1, shuffle = true,
    baseline = "measured", perturbation = {code = "random", amplitude = 0.02}, eta = 0.01}), 100000)
  solved("XOR from eight seeds in f64 with plain steps", options(xor, {
    net = mgd.nn.mlp{2, 4, 1, activation = "tanh", output = "sigmoid", dtype = "f64"},
    optimizer = "sgd", eta = 0.5, tau_theta = 16}), 200000)
  solved("four-bit parity from eight seeds", options(tanh, {
    net = mgd.nn.mlp{4, 8, 1, activation = "tanh", output = "sigmoid"},
    data = mgd.data.parity{bits = 4}, batch = 16,
      perturbation = {code = "random", amplitude = 0.02}}),
    100000)
end)

describe("a run", function()
  local net = mgd.nn.mlp{2, 3, 1, output = "sigmoid"}:init{seed = 4}
  local base = {net = net, data = mgd.data.xor(), eta = 0.5}

  it("gives the same bits from the same seed, and others from another", function()
    local function theta(seed)
      local run = mgd.train(options(base, {seed = seed}))
      run.core:advance(100)
      return run:theta():totable()
    end
    assert.same(theta(5), theta(5))
    assert.not_same(theta(5), theta(6))
  end)

  it("does not depend on how it is cut into calls or looked at", function()
    local whole, parts = mgd.train(base), mgd.train(base)
    whole:run{steps = 1000, probes = {}}
    for _, steps in ipairs {1, 0, 99, 400, 500} do
      parts:run{steps = steps, every = 7, probes = {"cost", "C", "angle_set", "norm_theta"}}
      parts:evaluate()
    end
    assert.equal(1000, parts.steps_done)
    assert.same(whole:theta():totable(), parts:theta():totable())
  end)

  it("begins at the network's θ and leaves the network alone", function()
    local theta = net:theta():totable()
    local run = mgd.train(base)
    assert.same(theta, run:theta():totable())
    run:run{steps = 50}
    assert.not_same(theta, run:theta():totable())
    assert.same(theta, net:theta():totable())
  end)

  it("keeps its θ when the network changes", function()
    local own = mgd.nn.mlp{1, 1, dtype = "f64"}
    own:set_theta(mgd.tensor{1, 2})
    local run = mgd.train{net = own, data = ONE}
    own:set_theta(mgd.tensor{5, 5})
    assert.same({1, 2}, run:theta():totable())
  end)

  it("takes batches larger than the data set", function()
    local run = mgd.train(options(base, {batch = 9, shuffle = false}))
    local history = run:run{steps = 3, probes = {"C"}}
    assert.is_true(history.C[2] > 0)
  end)

  it("keeps its chip, network and data alive", function()
    local run
    do
      local own = mgd.nn.mlp{2, 3, 1}:init{seed = 4}
      run = mgd.train{net = own, data = {x = mgd.rand{50, 2}, y = mgd.rand{50, 1}},
        eta = function() return 0.1 end, cost = function(y) return y:sum() end}
    end
    for _ = 1, 3 do
      collectgarbage()
      mgd.rand{1000}
    end
    run:run{steps = 20}
    assert.equal(20, run.steps_done)
  end)

  it("goes on after a stop, from where its replicas stand", function()
    local run = mgd.train(options(base, {replicas = 2}))
    run:run{steps = 100, every = 10, stop = {cost = 10}}
    assert.equal(0, run.steps_done)
    local history = run:run{steps = 20}
    assert.equal(20, run.steps_done)
    assert.is_true(history.stopped[1] ~= history.stopped[1])
  end)

  it("prints what it is", function()
    local run = mgd.train(options(base, {replicas = 2}))
    assert.is_truthy(tostring(run):find("2 replicas from number 1, seed %-?%d+; 0 steps done"))
  end)

  it("works inside a coroutine", function()
    local run = mgd.train(options(base, {eta = function() return 0.1 end}))
    local co = coroutine.wrap(function() return run:run{steps = 5} end)
    assert.equal(5, co().step[2])
  end)
end)

describe("eta", function()
  local net = mgd.nn.mlp{2, 2, 1}:init{seed = 4}

  it("as a function is asked once for each write, with the step that writes", function()
    local asked = {}
    local run = mgd.train{net = net, data = mgd.data.xor(), tau_theta = 3, eta = function(step)
      asked[#asked + 1] = step
      return 0.1
    end}
    run.core:advance(2)
    run.core:advance(8)
    run.core:advance(3)
    assert.same({2, 5, 8, 11}, asked)
  end)

  it("as a function may change from write to write, beyond any table of them", function()
    local run = mgd.train{net = net, data = mgd.data.xor(), eta = function(step)
      return step < 3000 and 0.1 or 0
    end}
    local fixed = mgd.train{net = net, data = mgd.data.xor(), eta = 0.1}
    run.core:advance(5000)
    fixed.core:advance(3000)
    assert.same(fixed:theta():totable(), run:theta():totable())
  end)

  it("as a function serves every replica", function()
    local opts = {net = net, data = mgd.data.xor(), replicas = 20, init = {}}
    local a = mgd.train(options(opts, {eta = function() return 0.25 end}))
    local b = mgd.train(options(opts, {eta = 0.25}))
    a.core:advance(40)
    b.core:advance(40)
    assert.same(b:theta():totable(), a:theta():totable())
  end)

  it("may be an object that can be called", function()
    local schedule = setmetatable({}, {__call = function() return 0.25 end})
    local run = mgd.train{net = net, data = mgd.data.xor(), eta = schedule}
    local fixed = mgd.train{net = net, data = mgd.data.xor(), eta = 0.25}
    run.core:advance(10)
    fixed.core:advance(10)
    assert.same(fixed:theta():totable(), run:theta():totable())
  end)
end)

-- ---- history ------------------------------------------------------------------------------------

describe("a history", function()
  local net = mgd.nn.mlp{2, 3, 1, output = "sigmoid"}:init{seed = 4}
  local set = mgd.data.xor()

  local function steps_of(plan, first)
    local run = mgd.train{net = net, data = set}
    if first then
      run:run{steps = first}
    end
    return run:run(plan).step:totable()
  end

  it("has rows at 0, every, 2·every, …, last", function()
    assert.same({0, 10, 20, 25}, steps_of{steps = 25, every = 10})
    assert.same({0, 10, 20}, steps_of{steps = 20, every = 10})
    assert.same({0, 7}, steps_of{steps = 7})
    assert.same({0, 7}, steps_of{steps = 7, every = 100})
    assert.same({0}, steps_of{steps = 0})
    assert.same({13, 20, 30, 33}, steps_of({steps = 20, every = 10}, 13))
  end)

  it("tells hardware time, wall-clock time and the probes' names", function()
    local run = mgd.train{net = net, data = set, dt = 1e-3}
    local history = run:run{steps = 20, every = 5, probes = {"accuracy"}}
    assert.same({"step", "evaluations", "time", "wall", "accuracy"}, history.names)
    assert.is_true(history.time:allclose(history.step * 1e-3))
    assert.is_true(history.evaluations:allclose(history.step * 2)) -- C and C₀ of each step
    local wall = history.wall:totable()
    for i = 2, #wall do
      assert.is_true(wall[i] >= wall[i - 1])
    end
    assert.is_true(run:run{steps = 5}.wall[1] >= wall[#wall])
  end)

  it("has a column for each replica of an ensemble", function()
    local run = mgd.train{net = net, data = set, replicas = 3, init = {}}
    local history = run:run{steps = 10, every = 5, probes = {"cost", "angle", "norm_theta"}}
    for _, name in ipairs {"cost", "angle", "norm_theta"} do
      assert.same({3, 3}, history[name].shape)
    end
    assert.same({3}, history.stopped.shape)
    assert.is_truthy(tostring(history):find("quantiles of 3 replicas", 1, true))
    assert.is_truthy(tostring(history):find("cost 10%", 1, true))
  end)

  it("gives quantiles over the replicas", function()
    local run = mgd.train{net = net, data = set, replicas = 5, init = {}}
    local history = run:run{steps = 2, every = 1, probes = {"cost"}}
    for t = 1, 3 do
      local row = history.cost[t]:totable()
      table.sort(row)
      assert.equal(row[1], history:quantile("cost", 0)[t])
      assert.equal(row[3], history:quantile("cost", 0.5)[t])
      assert.equal(row[5], history:quantile("cost", 1)[t])
      local between = row[1] + 0.4 * (row[2] - row[1]) -- at 1 + 0.1·4
      assert.is_true(math.abs(between - history:quantile("cost", 0.1)[t]) < 1e-15)
      row[2] = 0 / 0
      history.cost[t] = mgd.tensor(row)
      assert.equal((row[3] + row[4]) / 2, history:quantile("cost", 0.5)[t], "NaN counts")
    end
    history.cost[1] = mgd.full({ 5 }, math.huge)
    assert.equal(math.huge, history:quantile("cost", 0.3)[1])
    support.fails("(did you mean 'cost'?)", history.quantile, history, "coste", 0.5)
    support.fails("option 'q' must be a number ≥ 0 and ≤ 1, got 1.5", history.quantile, history,
      "cost", 1.5)
    assert.is_true(history:quantile("stopped", 0.5) ~= history:quantile("stopped", 0.5))
  end)

  it("can be written as CSV", function()
    local path = os.tmpname()
    local run = mgd.train{net = net, data = set, replicas = 2, init = {}}
    run:run{steps = 4, every = 2, probes = {"cost"}}:save_csv(path)
    local lines = {}
    for line in io.lines(path) do
      lines[#lines + 1] = line
    end
    os.remove(path)
    assert.equal("step,evaluations,time,wall,cost_1,cost_2", lines[1])
    assert.equal(4, #lines)
    local last = {}
    for cell in lines[4]:gmatch "[^,]+" do
      last[#last + 1] = tonumber(cell)
    end
    assert.same({4, run.history.cost[3][1], run.history.cost[3][2]}, {last[1], last[5], last[6]})
  end)

  it("is kept in run.history", function()
    local run = mgd.train{net = net, data = set}
    assert.equal(run:run{steps = 3}, run.history)
  end)
end)

-- ---- probes -------------------------------------------------------------------------------------

describe("probes", function()
  local net = mgd.nn.mlp{3, 4, 2, activation = "tanh", dtype = "f64"}:init{seed = 4}
  local x, y = mgd.randn({20, 3}, {seed = 1}), mgd.rand({20, 2}, {seed = 2})
  local test = {x = mgd.randn({9, 3}, {seed = 3}), y = mgd.rand({9, 2}, {seed = 4})}

  local function measured(theta, samples)
    local d = net:forward(samples.x) - samples.y
    local hits = (net:forward(samples.x):argmax(2) - samples.y:argmax(2)):to "f64":totable()
    local hit = 0
    for _, difference in ipairs(hits) do
      hit = hit + (difference == 0 and 1 or 0)
    end
    return theta and (d * d):mean(), hit / #hits
  end

  local function after(run)
    local kept = net:theta()
    net:set_theta(run:theta())
    return function()
      net:set_theta(kept)
    end
  end

  it("cost and accuracy speak of the test set where there is one", function()
    local run = mgd.train{net = net, data = {x = x, y = y, test = test}, eta = 0.5}
    local history = run:run{steps = 30,
      probes = {"cost", "accuracy", "train_cost", "train_accuracy"}}
    local restore = after(run)
    local cost, accuracy = measured(true, test)
    local train_cost, train_accuracy = measured(true, {x = x, y = y})
    restore()
    assert.is_true(math.abs(history.cost[2] - cost) < 1e-12)
    assert.equal(accuracy, history.accuracy[2])
    assert.is_true(math.abs(history.train_cost[2] - train_cost) < 1e-12)
    assert.equal(train_accuracy, history.train_accuracy[2])
    assert.is_true(math.abs(run:evaluate().cost - cost) < 1e-12)
    assert.is_true(math.abs(run:evaluate{x = x, y = y}.cost - train_cost) < 1e-12)
  end)

  it("cost and accuracy speak of the training set where there is no other", function()
    local run = mgd.train{net = net, data = {x = x, y = y}}
    local history = run:run{steps = 1, probes = {"cost", "train_cost"}}
    assert.same(history.train_cost:totable(), history.cost:totable())
  end)

  it("accuracy of one output is a threshold at ½", function()
    local one = mgd.nn.mlp{1, 1, dtype = "f64"}
    one:set_theta(mgd.tensor{1, 0})
    local run = mgd.train{net = one, data = {x = mgd.tensor{{0.4}, {0.6}, {0.9}, {0.1}},
      y = mgd.tensor{{0}, {1}, {0}, {0}}}}
    assert.equal(0.75, run:evaluate().accuracy)
  end)

  it("C and C_tilde are those of the last step", function()
    local seen = {}
    local chip = mgd.chip{parameters = 1, evaluate = function(theta)
      seen[#seen + 1] = theta[1]
      return mgd.tensor{{theta[1]}}
    end}
    local run = mgd.train{chip = chip, data = ONE, eta = 0.3, perturbation = {amplitude = 0.25}}
    local history = run:run{steps = 5, probes = {"C", "C_tilde"}}
    local c, c0 = (seen[#seen] - 1) ^ 2, (seen[#seen - 1] - 1) ^ 2
    assert.equal(c, history.C[2])
    assert.equal(c - c0, history.C_tilde[2])
  end)

  it("norms are those of G and θ", function()
    local run = mgd.train{net = net, data = {x = x, y = y}, tau_theta = 4}
    local history = run:run{steps = 8, probes = {"norm_G", "norm_theta"}}
    assert.equal(0, history.norm_G[1])
    assert.is_true(math.abs(history.norm_G[2] - run:gradient():norm()) < 1e-14)
    assert.is_true(math.abs(history.norm_theta[2] - run:theta():norm()) < 1e-14)
  end)

  it("the angle is 0 for the sequential code on a linear network's l2 cost", function()
    -- one output above its target: l2 = y − ŷ, linear in θ
    local linear = mgd.nn.mlp{3, 1, dtype = "f64"}
    linear:set_theta(mgd.tensor{1, 2, 3, 100})
    local run = mgd.train{net = linear, cost = "l2", data = {x = x, y = mgd.zeros{20, 1}},
      tau_theta = 4, tau_x = 4, eta = 0.01, perturbation = {code = "sequential"}}
    local history = run:run{steps = 40, every = 4, probes = {"angle"}}
    assert.is_true(history.angle[1] ~= history.angle[1]) -- no window yet
    -- acos loses half the digits: 1e-16 of cosine is 1e-6 degrees
    assert.is_true(history.angle[{{2, 11}}]:max() < 1e-5)
  end)

  it("the angle is taken at the θ and over the samples of the window", function()
    local function degrees(a, b)
      return math.deg(math.acos(a:dot(b) / (a:norm() * b:norm())))
    end
    local run = mgd.train{net = net, data = {x = x, y = y}, shuffle = false, batch = 3, tau_x = 2,
      tau_theta = 6, eta = 0.5}
    run:run{steps = 6, probes = {"angle"}} -- keeps G from here on
    local theta = run:theta()
    local history = run:run{steps = 9, probes = {"angle", "angle_set"}}
    local g = run:gradient()
    local kept = net:theta()
    net:set_theta(theta) -- of the window of steps 6 … 11: samples 10 … 18
    local batch = net:gradient(x[{{10, 18}}], y[{{10, 18}}])
    local set = net:gradient(x, y)
    net:set_theta(kept)
    assert.is_true(math.abs(history.angle[2] - degrees(g, batch)) < 1e-9)
    assert.is_true(math.abs(history.angle_set[2] - degrees(g, set)) < 1e-9)
  end)

  it("the angle of a chip in Lua is to central differences", function()
    local chip = mgd.chip{parameters = 14 + 12, theta = net:theta(),
      evaluate = function(theta, input)
      local kept = net:theta()
      net:set_theta(theta)
      local out = net:forward(input)
      net:set_theta(kept)
      return out
    end}
    local opts = {data = {x = x, y = y}, tau_theta = 5, eta = 0.1, seed = 2}
    local plan = {steps = 10, every = 5, probes = {"angle", "angle_set"}}
    local a = mgd.train(options(opts, {chip = chip})):run(plan)
    local b = mgd.train(options(opts, {net = net})):run(plan)
    for row = 2, 3 do
      assert.is_true(math.abs(a.angle[row] - b.angle[row]) < 1e-5)
      assert.is_true(math.abs(a.angle_set[row] - b.angle_set[row]) < 1e-5)
    end
  end)

  it("a cost in Lua trains and probes like the built-in one", function()
    local function mse(output, target)
      local d = output - target
      return (d * d):mean()
    end
    local opts = {net = net, data = {x = x, y = y}, batch = 4, tau_theta = 3, eta = 0.2}
    local plan = {steps = 30, every = 10, probes = {"cost", "accuracy", "C"}}
    local a, b = mgd.train(options(opts, {cost = mse})), mgd.train(opts)
    local ha, hb = a:run(plan), b:run(plan)
    assert.is_true(a:theta():allclose(b:theta(), {rtol = 0, atol = 1e-11}))
    assert.is_true(ha.cost:allclose(hb.cost, {rtol = 1e-12}))
    assert.same(hb.accuracy:totable(), ha.accuracy:totable())
  end)
end)
