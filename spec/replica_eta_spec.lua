--- Hyper-parameters of each replica: an ensemble whose replicas have η, and numbers, of their own
-- does what each does alone, bit for bit.

local mgd = require "mgd"
local support = require "spec.support.train"

local fails = support.fails

local ETA, NUMBERS, STEPS = { 0.5, 2, 0.125, 1, 0.75 }, { 1, 1, 7, 2, 7 }, 96

local function options(changes)
  local opt = {
    data = mgd.data.xor(), perturbation = { code = "walsh", amplitude = 0.05 }, tau_theta = 3,
    tau_x = 2, init = { scheme = "uniform" }, seed = 11,
  }
  for key, value in pairs(changes) do
    opt[key] = value
  end
  if not opt.chip and not opt.net then
    opt.net = mgd.nn.mlp { 2, 3, 1, activation = "sigmoid", output = "sigmoid" }
  end
  return opt
end

local function noisy_chip()
  return mgd.chip { net = mgd.nn.mlp { 2, 3, 1, activation = "sigmoid", output = "sigmoid" },
    seed = 3, cost = mgd.hw.noise { sigma = 1e-3 }, update = mgd.hw.noise { sigma = 1e-4 },
    weights = mgd.hw.gain { spread = 0.1 } }
end

local function ensemble(changes)
  local opt = options(changes)
  opt.replicas, opt.replica, opt.eta = #ETA, NUMBERS, ETA
  return mgd.train(opt)
end

-- Every replica ends with the θ, and stops at the step, of a run alone. `etas`: others than ETA.
local function assert_same(changes, etas)
  local opt = options(changes)
  opt.replicas, opt.replica, opt.eta = #ETA, NUMBERS, etas or ETA
  local all = mgd.train(opt)
  all:run { steps = STEPS }
  local theta = all:theta()
  for r = 1, #ETA do
    opt = options(changes)
    opt.replica, opt.eta = NUMBERS[r], (etas or ETA)[r]
    local one = mgd.train(opt)
    local ok, message = pcall(one.run, one, { steps = STEPS })
    local step, finite = one.core:stopped(1)
    assert(ok or step and not finite, message) -- alone, it raises where its cost is not finite
    assert.same({ step, finite }, { all.core:stopped(r) })
    assert.same(one:theta():totable(), theta[r]:totable(), "replica " .. r)
  end
  return all
end

local ANALOG = { engine = "analog", tau_hp = 4, tau_x = 40 }
local CODES = { "sequential", "walsh", "random", "sine", "gaussian", "brownian", "lfsr", "outer" }

describe("η of each replica", function()
  for _, code in ipairs(CODES) do
    it("is used as it is alone, with the code " .. code, function()
      local perturbation = { code = code, amplitude = 0.05 }
      assert_same { perturbation = perturbation }
      assert_same(support.options(ANALOG, { perturbation = perturbation }))
    end)
  end

  for _, optimizer in ipairs { "momentum", "nesterov", "adam", "sign" } do
    it("is used as it is alone, by " .. optimizer, function()
      local changes = { optimizer = optimizer, weight_decay = 0.01 }
      assert_same(changes)
      assert_same(support.options(ANALOG, changes))
      assert_same(support.options(changes, { chip = noisy_chip() }))
    end)
  end

  it("is used as it is alone, with limits on G, nodes perturbed, two-sided, in f64", function()
    assert_same { clip = 0.01 }
    assert_same { clip_norm = 0.01 }
    assert_same { perturb = "nodes" }
    assert_same { baseline = "two-sided" }
    assert_same { net = mgd.nn.mlp { 2, 3, 1, activation = "sigmoid", dtype = "f64" } }
  end)

  it("is used as it is alone, by threads and small batches, and by one replica a unit", function()
    assert_same { threads = 2, batch = 4 }
    local net = mgd.nn.sequential { input = { 2 }, mgd.nn.dense(200), mgd.nn.sigmoid(),
      mgd.nn.dense(200), mgd.nn.sigmoid(), mgd.nn.dense(1) } -- too large for lanes
    assert_same({ net = net, threads = 2 }, { 1e-3, 2e-3, 1e-4, 0, 3e-3 })
  end)

  it("does its neighbours no harm where it is far too large", function()
    local diverges = { 0.02, 1e30, 0.01, 1e38, 0.03 }
    local net = mgd.nn.mlp { 2, 3, 1, activation = "relu" }
    local all = assert_same({ net = net }, diverges)
    local step, finite = all.core:stopped(4)
    assert.is_number(step)
    assert.is_false(finite)
    assert.is_nil(all.core:stopped(3))
    assert_same({ net = net, optimizer = "momentum" }, diverges)
    assert_same(support.options(ANALOG, { net = net }), diverges)
  end)

  it("is used as it is alone, by a solver of GSL's", function()
    assert_same { engine = "analog", integrator = "rk8pd", tau_hp = 4, tau_x = 40,
      net = mgd.nn.mlp { 2, 2, 1, activation = "sigmoid", output = "sigmoid", dtype = "f64" },
      perturbation = { code = "sine", amplitude = 0.05, low = 0.02, high = 0.1 } }
  end)

  it("is used as it is alone, on a chip with noise of its own for each number", function()
    assert_same { chip = noisy_chip() }
  end)

  -- 80 replicas, some of which solve the task and make room
  local function many(changes)
    local list, numbers = {}, {}
    for r = 1, 80 do
      list[r], numbers[r] = 0.5 + r / 20, 1 + r % 9
    end
    return options(support.options({ replicas = 80, replica = numbers, eta = list }, changes))
  end
  local STOP = { steps = 20000, every = 200, stop = { cost = 0.04 } }

  it("stays with its replica where others have stopped and places change", function()
    local opt = many()
    local all = mgd.train(opt)
    all:run(STOP)
    local solved = 0
    for _, r in ipairs { 1, 2, 33, 50, 79, 80 } do
      local one = mgd.train(options { replica = opt.replica[r], eta = opt.eta[r] })
      one:run(STOP)
      assert.same(one:theta():totable(), all:theta()[r]:totable())
      assert.equal(one.core:stopped(1), (all.core:stopped(r)))
      solved = solved + (one.history.stopped[1] == one.history.stopped[1] and 1 or 0)
    end
    assert.is_true(solved >= 1 and solved < 80)
  end)

  it("stays with its replica in a run that was saved after places had changed", function()
    local path = os.tmpname()
    local whole, parted = mgd.train(many { threads = 1 }), mgd.train(many { threads = 2 })
    parted:run { steps = 8000, every = 200, stop = STOP.stop }
    local stopped = 0
    for r = 1, 80 do
      stopped = stopped + (parted.core:stopped(r) and 1 or 0)
    end
    assert.is_true(stopped > 16 and stopped < 64) -- whole units of lanes are free, others run
    parted:save(path)
    parted = mgd.resume(path, { threads = 3 })
    os.remove(path)
    assert.equal(1 + 79 % 9, parted:number(79))
    parted:run { steps = 5000 } -- all go on, stopped or not
    whole:run { steps = 8000, every = 200, stop = STOP.stop }
    whole:run { steps = 5000 }
    assert.same(whole:theta():totable(), parted:theta():totable())
  end)

  it("is saved and goes on", function()
    local path = os.tmpname()
    local all = ensemble {}
    all:run { steps = 40 }
    all:save(path)
    all:run { steps = 40 }
    local again = mgd.resume(path)
    os.remove(path)
    again:run { steps = 40 }
    assert.same(all:theta():totable(), again:theta():totable())
    assert.same(7, again:number(5))
    assert.truthy(tostring(again):find("sgd, η 0.125 to 2, of each replica its own", 1, true))
    assert.truthy(tostring(again):find("5 replicas with numbers of their own, seed 11", 1, true))
  end)

  it("is the run's own: what becomes of the list is nothing to it", function()
    local list, numbers = { 0.5, 1 }, { 3, 3 }
    local run = mgd.train(options { replicas = 2, eta = list, replica = numbers })
    list[1], numbers[1] = 7, 8
    assert.equal(0.5, run.options.eta[1])
    assert.equal(3, run:number(1))
  end)

  it("may be a tensor", function()
    local list = ensemble {}
    local tensor = mgd.train(options { replicas = #ETA, replica = NUMBERS, eta = mgd.tensor(ETA) })
    list:run { steps = 10 }
    tensor:run { steps = 10 }
    assert.same(list:theta():totable(), tensor:theta():totable())
  end)

  it("is refused where it cannot be meant", function()
    fails("option 'eta' is a list of 2: expected a number for each of 3 replicas", function()
      mgd.train(options { replicas = 3, eta = { 1, 2 } })
    end)
    fails("option 'replica': element 2 is 0: expected a whole number of at least 1", function()
      mgd.train(options { replicas = 2, replica = { 1, 0 } })
    end)
    fails("option 'eta': element 2 is inf: expected a number", function()
      mgd.train(options { replicas = 2, eta = { 1, math.huge } })
    end)
    fails("option 'eta'", function()
      mgd.train(options { replicas = 2, eta = { 1, 2 }, optimizer = "pulses", pulse = 0.1 })
    end)
    local cases = {
      { { eta = mgd.tensor { { 1 }, { 2 } } }, "option 'eta' is a tensor of 2 dimensions" },
      { { eta = {} }, "option 'eta' is a list of 0: expected a number for each of 2 replicas" },
      { { eta = { 1, false } }, "option 'eta': element 2 is boolean: expected a number" },
      { { eta = { 1, 2, every = 3 } }, "option 'eta': 'every' stands among the values" },
      { { replica = { 1, 2 ^ 50 } }, "number of replica 2 must be in [1, 140737488355328]" },
      { { replica = { 1, "2" } }, "option 'replica': element 2 is string: expected a whole" },
      { { replica = { first = 1 } }, "option 'replica': 'first' stands among the values" },
      { { replica = mgd.tensor { 1, 2 } }, "option 'replica' must be an integer" },
    }
    for _, case in ipairs(cases) do
      local message = fails(case[2], function()
        mgd.train(options(support.options({ replicas = 2 }, case[1])))
      end)
      assert.truthy(message:find("^spec/replica_eta_spec.lua:%d+:"), message)
    end
    fails("mgd.experiment: training: option 'eta' is a list: expected one η for all", function()
      mgd.experiment { name = "x", network = { 2, 2, 1 }, data = "xor", steps = 10, seeds = 2,
        training = { eta = { 0.1, 0.2 } } }
    end)
  end)
end)
