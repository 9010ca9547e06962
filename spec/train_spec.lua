-- Training runs: problems solved, the same bits whatever the layout, histories, probes, stops,
-- warnings, interrupts, non-finite costs.

local mgd = require "mgd"
local core = require "mgd.core"

local quick = os.getenv "MGD_SPEC_QUICK" ~= nil
local mgd_lua = os.getenv "MGD_LUA" or arg[-1]

local function options(base, changes)
  local out = {}
  for _, source in ipairs {base, changes or {}} do
    for key, value in pairs(source) do
      out[key] = value
    end
  end
  return out
end

local function fails(text, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  assert.is_truthy(tostring(message):find(text, 1, true), message)
  return message
end

-- Runs a script in a fresh interpreter; all that it prints, stderr included.
local function subprocess(script, environment)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(script)
  file:close()
  local pipe = assert(io.popen(("%s '%s' %s 2>&1"):format(environment or "", mgd_lua, path)))
  local out = pipe:read "*a"
  pipe:close()
  os.remove(path)
  return out
end

-- A chip y = θ₁ that returns `value(k)` at its k-th evaluation where that is not nil.
local function counting_chip(value)
  local calls = 0
  return mgd.chip{parameters = 1, evaluate = function(theta, x)
    calls = calls + 1
    local special = value and value(calls)
    return mgd.full({x.shape[1], 1}, special or theta[1])
  end}, function() return calls end
end

local ONE = {x = mgd.zeros{1, 1}, y = mgd.ones{1, 1}}

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

-- ---- the same bits ------------------------------------------------------------------------------

local CODES = {
  {code = "sequential"}, {code = "sequential", order = "shuffled"}, {code = "walsh"},
  {code = "walsh", alternate = true}, {code = "random"}, {code = "random", sparsity = 0.4},
  {code = "sine"},
}

-- θ and history of every replica of the ensemble against the run of that replica alone.
local function check_replicas(opts, replicas, some)
  local ensemble = mgd.train(options(opts, {replicas = replicas}))
  local plan = {steps = 61, every = 25, probes = {"cost", "C", "C_tilde", "norm_G", "angle"}}
  local history = ensemble:run(plan)
  for r = 1, replicas, some or 1 do
    local single = mgd.train(options(opts, {replica = r}))
    local own = single:run(plan)
    assert.same(single:theta():totable(), ensemble:theta()[r]:totable())
    for _, name in ipairs(plan.probes) do
      for row = 1, 4 do
        local a, b = own[name][row], history[name][row][r]
        assert.is_true(a == b or a ~= a and b ~= b, ("%s of replica %d"):format(name, r))
      end
    end
  end
end

describe("replica r of an ensemble is the run with replica = r, bit for bit:", function()
  for _, dtype in ipairs {"f32", "f64"} do
    local opts = {net = mgd.nn.mlp{2, 3, 1, output = "sigmoid", dtype = dtype},
      data = mgd.data.xor{dtype = dtype}, init = {}, eta = 0.5, seed = 9, tau_theta = 3}

    for _, replicas in ipairs {3, 17, 64, 100} do
      it(("%d replicas in %s"):format(replicas, dtype), function()
        check_replicas(opts, replicas, replicas > 20 and 9 or 1)
      end)
    end

    for i, code in ipairs(CODES) do
      it(("code %s (%d) in %s"):format(code.code, i, dtype), function()
        check_replicas(options(opts, {perturbation = code,
          tau_p = 2, tau_x = 4, tau_theta = 8}), 19,
          3)
      end)
    end

    for _, batch in ipairs {2, 7, 16, 100, 300} do
      it(("batch %d in %s"):format(batch, dtype), function()
        check_replicas(options(opts, {batch = batch}), 18, 5)
        check_replicas(options(opts, {batch = batch, baseline = "two-sided"}), 3)
      end)
    end

    it("optimizers and baselines in " .. dtype, function()
      for _, optimizer in ipairs {"momentum", "adam"} do
        for _, baseline in ipairs {"two-sided", "none"} do
          check_replicas(options(opts, {optimizer = optimizer, baseline = baseline}), 21, 6)
        end
      end
    end)

    it("more parameters than a block of signs in " .. dtype, function()
      local net = mgd.nn.mlp{20, 15, 3, dtype = dtype}
      local set = mgd.data.from{x = mgd.randn({40, 20}, {seed = 1}):to(dtype),
                                y = mgd.rand({40, 3}, {seed = 2}):to(dtype)}
      for _, sparsity in ipairs {0, 0.5} do
        check_replicas(options(opts, {net = net, data = set, cost = "cross_entropy",
          perturbation = {code = "random", sparsity = sparsity}}), 33, 8)
      end
    end)
  end

  it("a chip in Lua", function()
    local chip = mgd.chip{parameters = 3, evaluate = function(theta, x)
      return (x * theta[{{1, 2}}]):sum(2):reshape{x.shape[1], 1} + theta[3]
    end}
    check_replicas({chip = chip, data = mgd.data.xor(), init = {}, eta = 0.1, seed = 4}, 5)
  end)

  it("and so is an ensemble that begins at another replica", function()
    local opts = {net = mgd.nn.mlp{2, 3, 1}, data = mgd.data.xor(), init = {}, seed = 9}
    local all = mgd.train(options(opts, {replicas = 40}))
    local part = mgd.train(options(opts, {replicas = 5, replica = 30}))
    all.core:advance(50)
    part.core:advance(50)
    assert.same(all:theta()[{{30, 34}}]:totable(), part:theta():totable())
  end)
end)

describe("one thread gives the bits of two and of three", function()
  local function thetas(opts, steps)
    local first
    for threads = 1, 3 do
      local run = mgd.train(options(opts, {threads = threads}))
      local history = run:run{steps = steps, probes = {"cost", "C"}}
      local result = {run:theta():totable(), history.cost:totable(), history.C:totable()}
      first = first or result
      assert.same(first, result)
    end
  end

  for _, replicas in ipairs {1, 17, 300} do
    it(("for %d replicas"):format(replicas), function()
      thetas({net = mgd.nn.mlp{2, 3, 1}, data = mgd.data.xor(), init = {}, replicas = replicas,
        tau_theta = 5, optimizer = "adam"}, 200)
    end)
  end

  it("bug: threads that shared a batch also shared one buffer of patterns", function()
    for _, batch in ipairs {16, 100} do
      thetas({net = mgd.nn.mlp{2, 3, 1, dtype = "f64"}, data = mgd.data.xor{dtype = "f64"},
        init = {}, batch = batch, tau_theta = 3, eta = 0.5}, 300)
    end
  end)

  it("for a batch of 128 through 784-32-10", function()
    local set = mgd.data.from{x = mgd.rand({500, 784}, {seed = 1}):to "f32",
      y = mgd.from({500}, function(i) return i % 10 + 1 end, {dtype = "i32"}), classes = 10}
    thetas({net = mgd.nn.mlp{784, 32, 10, activation = "relu"}:init{scheme = "he_normal"},
      data = set,
      cost = "cross_entropy", batch = 128, baseline = "two-sided", tau_theta = 3,
      perturbation = {amplitude = 1e-3}}, quick and 9 or 60)
  end)
end)

describe("every instruction set gives the same bits", function()
  local script = [[
    local mgd = require "mgd"
    local function show(run, steps)
      local history = run:run{steps = steps, every = 20, probes = {"cost", "angle", "C_tilde"}}
      print(require("mgd.core").data.hash(run:theta(),
        history.cost, history.C_tilde, history.angle))
    end
    for _, dtype in ipairs {"f32", "f64"} do
      for _, kind in ipairs {"sigmoid", "tanh", "relu", "softplus"} do
        local net = mgd.nn.mlp{5, 7, 3, activation = kind, dtype = dtype}
        local set = mgd.data.from{x = mgd.randn{50, 5}, y = mgd.rand{50, 3}}
        for _, code in ipairs {"sequential", "walsh", "random", "sine"} do
          for _, size in ipairs {{1, 1}, {21, 1}, {2, 33}} do
            show(mgd.train{net = net, data = set,
              cost = kind == "relu" and "cross_entropy" or "mse",
              init = {}, replicas = size[1], batch = size[2], tau_theta = 4, optimizer = "adam",
              perturbation = {code = code}}, 60)
          end
        end
      end
    end
  ]]
  local _, available = core.base.isa()

  it("of those of this machine", function()
    local expected
    for _, isa in ipairs(available) do
      local out = subprocess(script, "MGD_ISA=" .. isa)
      expected = expected or out
      assert.equal(96, select(2, out:gsub("%x+\n", "")), out)
      assert.equal(expected, out)
    end
  end)

  it("and an unknown one is refused by name", function()
    local out = subprocess("require 'mgd'.nn.mlp{1, 1}", "MGD_ISA=avx1024")
    assert.is_truthy(out:find("MGD_ISA=avx1024 is not available", 1, true), out)
  end)
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
    assert.same({"step", "time", "wall", "accuracy"}, history.names)
    assert.is_true(history.time:allclose(history.step * 1e-3))
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
    assert.is_truthy(tostring(history):find("medians of 3 replicas", 1, true))
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
    assert.equal("step,time,wall,cost_1,cost_2", lines[1])
    assert.equal(4, #lines)
    local last = {}
    for cell in lines[4]:gmatch "[^,]+" do
      last[#last + 1] = tonumber(cell)
    end
    assert.same({4, run.history.cost[3][1], run.history.cost[3][2]}, {last[1], last[4], last[5]})
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

-- ---- stopping -----------------------------------------------------------------------------------

describe("stop", function()
  local net = mgd.nn.mlp{2, 4, 1, activation = "tanh", output = "sigmoid"}
  local opts = {net = net, data = mgd.data.xor(), batch = 4, shuffle = false, tau_theta = 4,
    eta = 0.03, optimizer = "adam", init = {}, replicas = 10, baseline = "two-sided"}

  it("holds the θ of a replica that is done while the others go on", function()
    local run = mgd.train(opts)
    local thetas = {}
    local history = run:run{steps = 20000, every = 100, probes = {"cost"}, stop = {cost = 0.05}}
    for r = 1, 10 do
      local single = mgd.train(options(opts, {replicas = 1, replica = r}))
      single.core:advance(history.stopped[r])
      thetas[r] = single:theta():totable()
    end
    assert.same(thetas, run:theta():totable())
    assert.is_true(history.stopped:min() < history.stopped:max())
    assert.equal(history.stopped:max(), run.steps_done)
    assert.equal(run.steps_done, history.step[history.step.size])
  end)

  it("keeps a row's cost of a stopped replica as it was", function()
    local run = mgd.train(opts)
    local history = run:run{steps = 20000, every = 100, probes = {"cost"}, stop = {cost = 0.05}}
    for row = 1, history.step.size do
      for r = 1, 10 do
        if history.step[row] >= history.stopped[r] then
          assert.equal(history.cost[history.step.size][r], history.cost[row][r])
        end
      end
    end
  end)

  it("takes probes that were not asked for", function()
    local run = mgd.train(opts)
    local history = run:run{steps = 200, every = 100, probes = {"C"}, stop = {norm_theta = 0}}
    assert.same({"step", "time", "wall", "C", "norm_theta"}, history.names)
    assert.equal(200, run.steps_done)
  end)

  it("needs every condition at once", function()
    local run = mgd.train(options(opts, {replicas = 1}))
    run:run{steps = 100, every = 10, stop = {accuracy = 0, cost = -1}}
    assert.equal(100, run.steps_done)
    run:run{steps = 100, every = 10, stop = {accuracy = 0, cost = 1e9}}
    assert.equal(100, run.steps_done)
  end)

  it("may be a function of the row", function()
    local run, rows = mgd.train(opts), {}
    run:run{steps = 1000, every = 10, probes = {"cost"}, stop = function(row)
      rows[#rows + 1] = row.step
      assert.equal(10, #row.cost)
      return row.step >= 30
    end}
    assert.same({0, 10, 20, 30}, rows)
    assert.equal(30, run.steps_done)
    run:run{steps = 10}
    assert.equal(40, run.steps_done)
  end)
end)

-- ---- warnings, memory, interrupts ---------------------------------------------------------------

describe("a signal lost in rounding", function()
  local script = [[
    local mgd = require "mgd"
    local net = mgd.nn.mlp{2, 3, 1, output = "sigmoid"}:init{seed = 1}
    local run = mgd.train{net = net, data = mgd.data.xor(), perturbation = {amplitude = %s}}
    for _ = 1, 4 do
      run:run{steps = 2000, every = 500}
    end
    print "done"
  ]]

  it("is told once, on stderr, with an amplitude that would mend it", function()
    local out = subprocess(script:format "1e-8")
    assert.equal(1, select(2, out:gsub("mgd: warning: ", "")), out)
    local advice = tonumber(out:match "an amplitude of (%S+) or more")
    assert.is_truthy(out:find("done\n", 1, true))
    -- the one advised does mend it, and is no larger than it must be
    assert.is_true(advice > 1e-6 and advice < 0.1, out)
    assert.equal("done\n", subprocess(script:format(advice)))
  end)

  it("is not told of a sound amplitude", function()
    assert.equal("done\n", subprocess(script:format "0.01"))
  end)

  it("is not told of an ensemble in which all but one replica have stopped", function()
    local run = mgd.train{net = mgd.nn.mlp{2, 3, 1, output = "sigmoid"}, data = mgd.data.xor(),
      init = {}, replicas = 4096, perturbation = {amplitude = 1e-3}}
    for r = 2, 4096 do
      run.core:stop(r)
    end
    run.core:advance(300)
    assert.is_nil(run.warning)
  end)

  it("names the mean cost of a replica", function()
    local run = mgd.train{net = mgd.nn.mlp{2, 3, 1, output = "sigmoid"}, data = mgd.data.xor(),
      init = {}, replicas = 100, perturbation = {amplitude = 1e-9}}
    run.core:advance(300)
    local cost = tonumber(run.warning:match "of C %(([^)]+)%)")
    assert.is_true(cost > 0.1 and cost < 1, run.warning)
  end)
end)

describe("memory", function()
  for _, replicas in ipairs {1, 40} do
    for _, batch in ipairs {1, 40} do
      it(("is not allocated per step, %d replicas, batch %d"):format(replicas, batch), function()
        local run = mgd.train{net = mgd.nn.mlp{2, 3, 1}, data = mgd.data.xor(), replicas = replicas,
          batch = batch, eta = function() return 0.1 end}
        local function blocks(steps)
          local before = core.base.memory().total_blocks
          run.core:advance(steps)
          return core.base.memory().total_blocks - before
        end
        blocks(10)
        assert.equal(blocks(10), blocks(quick and 1000 or 10000))
      end)
    end
  end

  it("of a run is given back", function()
    local function live()
      collectgarbage()
      collectgarbage()
      return core.base.memory().live_bytes
    end
    local net, set = mgd.nn.mlp{2, 3, 1}, mgd.data.xor()
    local before = live()
    for _ = 1, 20 do
      mgd.train{net = net, data = set, replicas = 100, optimizer = "adam"}:run{steps = 10,
        probes = {"angle", "cost"}}
    end
    assert.equal(before, live())
  end)
end)

describe("an interrupt", function()
  local net = mgd.nn.mlp{2, 3, 1}:init{seed = 4}

  it("stops a run, keeps its history, and the run can go on", function()
    local armed = true
    local opts = {net = net, data = mgd.data.xor(), eta = function(step)
      if armed and step >= 250 then
        armed = false
        core.base.interrupt()
      end
      return 0.1
    end}
    local run = mgd.train(opts)
    local message = fails("run:run: interrupted at step", function()
      run:run{steps = 1e6, every = 100}
    end)
    assert.is_truthy(message:find("^[^\n]*train_spec%.lua:%d+: "), message)
    local stopped = run.steps_done
    assert.is_true(stopped >= 250 and stopped < 1e6)
    assert.same({0, 100, 200}, run.history.step[{{1, 3}}]:totable())
    local history = run:run{steps = 2000 - stopped % 1000}
    assert.equal(stopped, history.step[1])
    local whole = mgd.train(opts)
    whole.core:advance(run.steps_done)
    assert.same(whole:theta():totable(), run:theta():totable())
  end)

  it("inside a probe keeps the history too", function()
    local armed = false
    local chip = mgd.chip{parameters = 1, evaluate = function(theta, x)
      if armed and x.shape[1] == 4 then
        core.base.interrupt()
      end
      return mgd.full({x.shape[1], 1}, theta[1])
    end}
    local run = mgd.train{chip = chip, data = mgd.data.xor(), eta = function(step)
      armed = step >= 25 and step < 30
      return 0.1
    end}
    fails("interrupted", function() run:run{steps = 100, every = 10, probes = {"cost"}} end)
    assert.same({0, 10, 20}, run.history.step:totable())
    assert.equal(30, run.steps_done)
    run:run{steps = 10, probes = {}}
    assert.equal(40, run.steps_done)
  end)

  it("in evaluate is answered once: the next call works", function()
    local run = mgd.train{net = net, data = mgd.data.xor()}
    core.base.interrupt()
    fails("interrupted", run.evaluate, run)
    assert.is_number(run:evaluate().cost)
    core.base.interrupt()
    fails("interrupted", function() run:run{steps = 5} end)
    run:run{steps = 5}
    assert.equal(5, run.steps_done)
  end)

  it("reaches a run of a chip in Lua", function()
    local chip = counting_chip(function(k)
      if k == 50 then
        core.base.interrupt()
      end
    end)
    local run = mgd.train{chip = chip, data = ONE}
    fails("interrupted", function() run:run{steps = 1e7, probes = {}} end)
    assert.is_true(run.steps_done < 1e6)
    run:run{steps = 5}
  end)
end)

-- ---- non-finite costs ---------------------------------------------------------------------------

describe("a cost that is not finite", function()
  for name, value in pairs {NaN = 0 / 0, infinite = math.huge} do
    it(("(%s) stops the run with its step, and θ is the last finite one"):format(name), function()
      -- measured, τ = 1: two evaluations a step, so evaluation 12 is C of step 5
      for _, at in ipairs {11, 12} do
        local opts = {data = ONE, eta = 0.1, perturbation = {amplitude = 0.1}}
        local chip = counting_chip(function(k) return k == at and value or nil end)
        local run = mgd.train(options(opts, {chip = chip}))
        local message = fails("at step 5 ", function() run:run{steps = 100, probes = {"C"}} end)
        assert.is_truthy(message:find(
          "^[^\n]*train_spec%.lua:%d+: run:run: the cost became "), message)
        assert.is_truthy(message:find("seed 1", 1, true), message)
        assert.equal(5, run.steps_done)
        local other = mgd.train(options(opts, {chip = (counting_chip())}))
        other.core:advance(5)
        assert.equal(other:theta()[1], run:theta()[1])
        assert.equal(5, run.history.step[run.history.step.size])
        assert.equal(5, run.history.diverged[1])
        assert.is_true(run.history.stopped[1] ~= run.history.stopped[1])
      end
    end)
  end

  it("names the cost that was not finite, also when it was C₀", function()
    local chip = counting_chip(function(k) return k == 11 and 0 / 0 or nil end)
    local run = mgd.train{chip = chip, data = ONE}
    local message = fails("the cost became ", function() run:run{steps = 100, probes = {}} end)
    assert.is_truthy(message:lower():find("the cost became %-?nan at step 5 "), message)
  end)

  it("inside a window leaves θ as the last write left it", function()
    local chip = counting_chip(function(k) return k == 22 and 0 / 0 or nil end)
    local run = mgd.train{chip = chip, data = ONE, tau_theta = 8, tau_x = 1000, eta = 0.1}
    fails("at step ", function() run:run{steps = 100, probes = {}} end)
    local other = mgd.train{chip = (counting_chip()), data = ONE, tau_theta = 8, tau_x = 1000,
      eta = 0.1}
    other.core:advance(16) -- 18 evaluations, then C₀ and C of step 16, C of 17, C of 18
    assert.equal(18, run.steps_done)
    assert.equal(other:theta()[1], run:theta()[1])
  end)

  it("of one replica lets the others go on", function()
    -- replica r starts at θ of its own; the one that starts highest turns NaN at once
    local opts = {data = ONE, replicas = 6, init = {low = 0, high = 1}, eta = 0.1}
    local function sane()
      return mgd.chip{parameters = 1, evaluate = function(theta) return theta:reshape{1, 1} end}
    end
    local start = mgd.train(options(opts, {chip = sane()})):theta():reshape{6}
    local highest = start:argmax()
    local limit = (function()
      local sorted = start:totable()
      table.sort(sorted)
      return (sorted[5] + sorted[6]) / 2
    end)()
    local seen = 0
    local chip = mgd.chip{parameters = 1, evaluate = function(theta)
      if seen < 3 and theta[1] > limit + 0.02 then
        seen = seen + 1
        return mgd.full({1, 1}, 0 / 0)
      end
      return theta:reshape{1, 1}
    end}
    if start[highest] < limit + 0.05 then
      return pending "the seed no longer separates the replicas"
    end
    local run = mgd.train(options(opts, {chip = chip}))
    local history = run:run{steps = 30, probes = {"C"}}
    local other = mgd.train(options(opts, {chip = sane()}))
    other.core:advance(30)
    for r = 1, 6 do
      if r == highest then
        assert.equal(start[r], run:theta()[r][1])
        assert.equal(0, history.diverged[r])
      else
        assert.equal(other:theta()[r][1], run:theta()[r][1])
        assert.is_true(history.diverged[r] ~= history.diverged[r])
      end
    end
  end)

  -- η so large that η·G, or η itself in f32, overflows: θ would be infinite after the first write.
  for _, dtype in ipairs {"f32", "f64"} do
    for _, optimizer in ipairs {"sgd", "momentum", "adam"} do
      for _, replicas in ipairs {1, 40} do
        it(("by divergence keeps θ finite: %s, %s, %d replicas"):format(dtype, optimizer, replicas),
          function()
            local net = mgd.nn.mlp{2, 2, 1, activation = "identity", dtype = dtype}
            local run = mgd.train{net = net, data = mgd.data.xor(), init = {}, batch = 4,
              eta = dtype == "f32" and 1e39 or 1e308, tau_theta = 2,
              optimizer = optimizer, replicas = replicas, seed = 3}
            local message = fails(" at step ", function() run:run{steps = 100, probes = {}} end)
            assert.is_truthy(message:find("seed 3", 1, true), message)
            local theta = run:theta():reshape{run:theta().size}:totable()
            for _, value in ipairs(theta) do
              assert.is_true(value - value == 0, "θ holds " .. value)
            end
          end)
      end
    end
  end

  it("of the network itself is found by the probe, not by a crash", function()
    local net = mgd.nn.mlp{2, 2, 1}
    net:set_theta(mgd.full({9}, 0 / 0))
    local run = mgd.train{net = net, data = mgd.data.xor()}
    fails("nan at step 0", function() run:run{steps = 10} end)
    assert.is_true(run.history.cost[1] ~= run.history.cost[1])
  end)
end)

-- ---- seeds --------------------------------------------------------------------------------------

describe("a seed that a double cannot hold", function()
  it("is refused, not rounded", function()
    local net, set = mgd.nn.mlp{2, 1}, mgd.data.xor()
    fails("option 'seed' must be an integer", mgd.train, {net = net, data = set, seed = 2 ^ 53 + 2})
    local function theta(seed)
      return mgd.train{net = net, data = set, init = {}, seed = seed}:theta():totable()
    end
    assert.not_same(theta(2 ^ 53), theta(2 ^ 53 - 1))
    assert.not_same(theta(-1), theta(1))
  end)
end)
