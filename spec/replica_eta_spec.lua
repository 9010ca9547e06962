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

local function alone(changes, r)
  local opt = options(changes)
  opt.replica, opt.eta = NUMBERS[r], ETA[r]
  return mgd.train(opt)
end

local function assert_same(changes)
  local all = ensemble(changes)
  all:run { steps = STEPS }
  local theta = all:theta()
  for r = 1, #ETA do
    local one = alone(changes, r)
    one:run { steps = STEPS }
    assert.same(one:theta():totable(), theta[r]:totable(), "replica " .. r)
  end
end

describe("η of each replica", function()
  for _, code in ipairs { "sequential", "walsh", "random", "sine", "gaussian", "brownian",
    "lfsr" } do
    it("is used as it is alone, with the code " .. code, function()
      assert_same { perturbation = { code = code, amplitude = 0.05 } }
    end)
  end

  for _, optimizer in ipairs { "momentum", "nesterov", "adam", "sign" } do
    it("is used as it is alone, by " .. optimizer, function()
      assert_same { optimizer = optimizer, weight_decay = 0.01 }
    end)
  end

  it("is used as it is alone, by the analog engine, two threads and small batches", function()
    assert_same { engine = "analog", tau_hp = 4, tau_x = 40 }
    assert_same { threads = 2, batch = 4 }
  end)

  it("is used as it is alone, by a solver of GSL's", function()
    assert_same { engine = "analog", integrator = "rk8pd", tau_hp = 4, tau_x = 40,
      net = mgd.nn.mlp { 2, 2, 1, activation = "sigmoid", output = "sigmoid", dtype = "f64" },
      perturbation = { code = "sine", amplitude = 0.05, low = 0.02, high = 0.1 } }
  end)

  it("is used as it is alone, on a chip with noise of its own for each number", function()
    assert_same { chip = noisy_chip() }
  end)

  it("stays with its replica where others have stopped and places change", function()
    local list, numbers = {}, {}
    for r = 1, 80 do
      list[r], numbers[r] = 0.5 + r / 20, 1 + r % 9
    end
    local opt = options { replicas = 80, replica = numbers, eta = list }
    local all = mgd.train(opt)
    all:run { steps = 20000, every = 200, stop = { cost = 0.04 } }
    local solved = 0
    for _, r in ipairs { 1, 2, 33, 50, 79, 80 } do
      local one = mgd.train(options { replica = numbers[r], eta = list[r] })
      one:run { steps = 20000, every = 200, stop = { cost = 0.04 } }
      assert.same(one:theta():totable(), all:theta()[r]:totable())
      solved = solved + (one.history.stopped[1] == one.history.stopped[1] and 1 or 0)
    end
    assert.is_true(solved >= 1 and solved < 80)
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
    assert.truthy(tostring(again):find("of each replica its own", 1, true))
  end)

  it("may be a tensor", function()
    local list = ensemble {}
    local opt = options { replicas = #ETA, replica = NUMBERS }
    opt.eta = mgd.tensor(ETA)
    local tensor = mgd.train(opt)
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
  end)
end)
