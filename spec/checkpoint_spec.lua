-- A run that is saved and resumed is the run that was never stopped, in every bit.

local mgd = require "mgd"
local core = require "mgd.core"
local files = require "spec.support.idx_files"
local texts = require "spec.support.texts"

local nn = mgd.nn
local STOP, LAST = 100, 247 -- steps: neither ends a window of 24
local PROBES = { "cost", "accuracy", "C", "C_tilde", "angle", "norm_G", "norm_theta" }

local folder, path

before_each(function()
  folder = files.folder()
  path = folder .. "/run.ckpt"
end)

after_each(function()
  os.execute("rm -rf " .. folder)
  files.clean()
end)

local function read(from)
  return texts.read(from or path)
end

-- Everything that a run consists of, bit for bit, as {name = hash}.
local function state(run)
  local hashes = { steps_done = run.steps_done }
  for _, entry in ipairs(run.core:state()) do
    hashes[entry[1]] = core.data.hash(entry[2])
  end
  return hashes
end

local function rows(history)
  local hashes = { step = history.step:totable() }
  for _, name in ipairs(PROBES) do
    hashes[name] = core.data.hash(history[name])
  end
  return hashes
end

local function network(dtype)
  local net = nn.mlp { 2, 3, 1, activation = "tanh", output = "sigmoid", dtype = dtype }
  return net:init { seed = 5 }
end

-- The options of a run that uses nearly everything, with `changes`.
local function given(changes)
  local opts = {
    data = mgd.data.xor(),
    tau_theta = 24,
    perturbation = { code = "random", amplitude = 0.03 },
    eta = 0.3,
    seed = 11,
    threads = 1,
  }
  for key, value in pairs(changes or {}) do
    opts[key] = value
  end
  if not opts.chip and not opts.net then
    opts.net = network()
  end
  return opts
end

-- Trains to STOP, saves, resumes with `again`, and trains both to LAST; a third run never stops.
-- `make` answers the options, anew for each run. Returns the resumed run.
local function check_continues(make, again)
  local stopped, straight = mgd.train(make()), mgd.train(make())
  stopped:run { steps = STOP, probes = PROBES }
  stopped:save(path)
  local resumed = mgd.resume(path, again)
  assert.equal(STOP, resumed.steps_done)
  assert.same(state(stopped), state(resumed))
  assert.equal(stopped.wall_before, resumed.wall_before)
  local how = { steps = LAST - STOP, every = 10, probes = PROBES }
  assert.same(rows(stopped:run(how)), rows(resumed:run(how)))
  straight:run { steps = LAST, probes = PROBES }
  assert.same(state(straight), state(resumed))
  assert.same(straight:theta():totable(), resumed:theta():totable())
  assert.equal(core.data.hash(straight:gradient()), core.data.hash(resumed:gradient()))
  return resumed
end

local function continues(changes, again)
  return check_continues(function()
    return given(changes)
  end, again)
end

describe("a resumed run continues bit for bit", function()
  for _, optimizer in ipairs { "sgd", "momentum", "adam" } do
    for _, code in ipairs { "walsh", "random", "sine", "sequential" } do
      it(("with %s and the %s code"):format(optimizer, code), function()
        continues { optimizer = optimizer, perturbation = { code = code, amplitude = 0.02 } }
      end)
    end
  end

  local CASES = {
    ["with every option of a code"] = {
      perturbation = { code = "walsh", norm = 0.1, alternate = true },
    },
    ["with sparse signs"] = { perturbation = { code = "random", sparsity = 0.5 } },
    ["in a drawn order of parameters"] = {
      perturbation = { code = "sequential", order = "shuffled" },
    },
    ["with a band of sines"] = { perturbation = { code = "sine", low = 0.05, high = 0.4 } },
    ["two-sided"] = { baseline = "two-sided" },
    ["without a baseline"] = { baseline = "none", convention = "published", eta = 1e-4 },
    ["with slow samples and patterns"] = { tau_p = 3, tau_x = 7 },
    ["with batches in natural order"] = { batch = 3, shuffle = false },
    ["with batches in a shuffled order"] = { batch = 3, tau_x = 2 },
    ["writing θ at every step"] = { tau_theta = 1 },
    ["with windows longer than the run"] = { tau_theta = 10000 },
    ["in f64"] = { net = network "f64", optimizer = "adam" },
    ["from drawn parameters"] = { init = { scheme = "normal", std = 0.7 }, replica = 4 },
    ["with 20 replicas in lanes"] = {
      replicas = 20, optimizer = "adam", init = { scheme = "uniform", low = -0.5, high = 0.5 },
    },
    ["with 20 replicas in f64"] = {
      replicas = 20, net = network "f64", optimizer = "momentum", init = {}, batch = 2,
    },
    ["with l2"] = { cost = "l2", dt = 1e-9 },
    ["with smoothed labels"] = {
      cost = "cross_entropy", label_smoothing = 0.1, net = nn.mlp { 2, 3, 2 }:init {},
      data = mgd.data.from { x = mgd.rand { 6, 2 }, y = mgd.tensor { 1, 2, 1, 2, 2, 1 },
        classes = 2 },
    },
  }

  for name, changes in pairs(CASES) do
    it(name, function()
      continues(changes)
    end)
  end

  for _, replicas in ipairs { 1, 70 } do
    it(("of %d replicas with another number of threads"):format(replicas), function()
      local changes = { replicas = replicas, batch = 4, optimizer = "adam", init = {} }
      changes.threads = 1
      continues(changes, { threads = 2 })
      changes.threads = 2
      continues(changes, { threads = 1 })
    end)
  end

  it("with a chip in Lua", function()
    local function make()
      return mgd.chip {
        parameters = 3,
        theta = mgd.tensor { 0.1, -0.2, 0.3 },
        evaluate = function(theta, x)
          return (x:matmul(theta[{ { 1, 2 } }]:reshape { 2, 1 }) + theta[3]):sigmoid()
        end,
      }
    end
    continues({ chip = make(), optimizer = "adam" }, { chip = make() })
    continues({ chip = make(), replicas = 3 }, { chip = make() })
  end)

  it("with eta, cost or both in Lua", function()
    local function eta(step)
      return 0.5 / (1 + step / 50)
    end
    local function cost(y, target)
      return ((y - target) ^ 2):sum()
    end
    continues({ eta = eta }, { eta = eta })
    continues({ cost = cost }, { cost = cost })
    continues({ cost = cost, eta = eta, replicas = 2 }, { cost = cost, eta = eta })
  end)

  it("with a data set of its own, which the file holds", function()
    local wide = mgd.randn({ 9, 4 }, { seed = 3 })
    local x, y = wide[{ { 1, 9 }, { 2, 3 } }], wide[{ { 1, 9 }, { 4, 4 } }]:sigmoid()
    local own = mgd.data.from { x = x, y = y, name = "mine" }
    local run = continues { data = own }
    assert.equal("mine", run.options.data.name)
    assert.is_nil(run.options.data.test)
    assert.is_true(run.options.data.x:allclose(x, { rtol = 0 }))
    continues { data = own:subset { first = 2, last = 6 } }
    continues { data = { x = x:to "f32", y = y, test = { x = wide[{ { 1, 3 }, { 1, 2 } }],
      y = y[{ { 2, 4 } }] } } }
  end)

  it("with data sets that are made again", function()
    local small = mgd.data.parity { bits = 4, dtype = "f64" }
    continues { data = small, net = nn.mlp { 4, 3, 1 }:init {} }
    local run = continues { data = small:subset { first = 3, last = 11 },
      net = nn.mlp { 4, 3, 1 }:init {} }
    assert.equal(9, #run.options.data.x)
  end)

  it("with the same data set from elsewhere", function()
    local again = mgd.data.xor()
    continues({}, { data = again })
    continues({}, { data = { x = again.x, y = again.y } })
  end)

  it("after a first, a second and a third stop", function()
    local straight, run = mgd.train(given()), mgd.train(given())
    for _ = 1, 3 do
      run:run { steps = 37 }
      run:save(path)
      run = mgd.resume(path)
    end
    straight:run { steps = 111 }
    assert.same(state(straight), state(run))
  end)

  it("from before its first step", function()
    local straight, run = mgd.train(given()), mgd.train(given())
    run:save(path)
    run = mgd.resume(path)
    assert.equal(0, run.steps_done)
    run:run { steps = 60 }
    straight:run { steps = 60 }
    assert.same(state(straight), state(run))
  end)

  it("when G is asked for only afterwards", function()
    local straight, run = mgd.train(given()), mgd.train(given())
    straight:run { steps = STOP }
    run:run { steps = STOP }
    run:save(path)
    run = mgd.resume(path)
    local how = { steps = LAST - STOP, every = 10, probes = PROBES }
    assert.same(rows(straight:run(how)), rows(run:run(how)))
    assert.same(state(straight), state(run))
  end)

  it("with replicas that have stopped", function()
    local run = mgd.train(given { replicas = 20, init = {}, optimizer = "adam" })
    run.core:stop(3)
    run.core:advance(50)
    run.core:stop(20)
    run.core:advance(50)
    run:save(path)
    local resumed = mgd.resume(path)
    run.core:advance(50)
    resumed.core:advance(50)
    assert.same(state(run), state(resumed))
    assert.equal(0, (resumed.core:stopped(3)))
    assert.equal(50, (resumed.core:stopped(20)))
    assert.is_nil(resumed.core:stopped(4))
  end)

  it("when its cost has become infinite: the last finite θ is kept", function()
    local function cost(_, _)
      return math.huge
    end
    local run = mgd.train(given { cost = cost })
    assert.is_false(pcall(run.run, run, { steps = 50 }))
    run:save(path)
    local resumed = mgd.resume(path, { cost = cost })
    assert.same(state(run), state(resumed))
    assert.is_false(pcall(resumed.run, resumed, { steps = 50 }))
    assert.same(state(run), state(resumed))
  end)

  it("saved from a function that decides when to stop", function()
    local straight, run = mgd.train(given()), mgd.train(given())
    run:run { steps = LAST, every = 10, stop = function(row)
      run:save(path)
      return row.step >= STOP
    end }
    run = mgd.resume(path)
    assert.equal(STOP, run.steps_done)
    straight:run { steps = STOP, every = 10 }
    assert.same(state(straight), state(run))
  end)
end)

describe("a resumed run", function()
  it("has the options of the one saved", function()
    local run = mgd.train(given { cost = "l2", tau_p = 2, init = { scheme = "zeros" }, dt = 0.1,
      seed = -12345678901 })
    run:save(path)
    local resumed = mgd.resume(path)
    for _, entry in ipairs(require("mgd.runs.train").SCHEMA) do
      local name = entry[1]
      if name ~= "chip" and name ~= "data" then
        assert.same(run.options[name], resumed.options[name], name)
      end
    end
    assert.equal(tostring(run), tostring(resumed))
    assert.is_nil(resumed.history)
  end)

  it("has a network of its own, with the parameters that the network had", function()
    local net = network()
    local run = mgd.train(given { net = net })
    run:run { steps = 50 }
    run:save(path)
    local own = mgd.resume(path).options.chip.net
    assert.is_false(own == net)
    assert.equal(tostring(net), tostring(own))
    assert.same(net:theta():totable(), own:theta():totable())
  end)

  it("takes what is given in place of what was saved", function()
    local run = mgd.train(given())
    run:save(path)
    local net = network()
    local resumed = mgd.resume(path, { net = net, eta = 0.125, cost = "l2", threads = 2 })
    assert.equal(net, resumed.options.chip.net)
    assert.equal(0.125, resumed.options.eta)
    assert.equal("l2", resumed.options.cost)
    assert.equal(2, resumed.options.threads)
  end)
end)

describe("a checkpoint file", function()
  it("is the same for the same run", function()
    local run = mgd.train(given())
    run:run { steps = 50 }
    run:save(path)
    local first = read()
    run:save(path)
    assert.equal(first, read())
    mgd.resume(path):save(path)
    assert.equal(first, read())
  end)

  it("replaces an older one and leaves nothing else behind", function()
    local run = mgd.train(given())
    run:save(path)
    local first = read()
    run:run { steps = 50 }
    run:save(path)
    assert.is_false(first == read())
    local list = io.popen("ls -A " .. folder)
    assert.equal("run.ckpt\n", list:read "*a")
    list:close()
  end)

  it("is not in the way of what a crashed process left", function()
    local run = mgd.train(given())
    local stat = io.open "/proc/self/stat"
    if not stat then
      return pending "needs /proc to know its own number"
    end
    local process = stat:read "*n"
    stat:close()
    local left = ("%s.%d.tmp"):format(path, process)
    files.write("left", left)
    run:save(path)
    assert.equal("left", read(left))
    assert.equal(0, mgd.resume(path).steps_done)
  end)

  it("can be named relative to the working folder", function()
    local name = "checkpoint_spec.tmp"
    local run = mgd.train(given())
    run:save(name)
    local ok, resumed = pcall(mgd.resume, name)
    os.remove(name)
    assert.is_true(ok, resumed)
  end)

  it("holds any tensor", function()
    local names, tensors = {}, {}
    for i, dtype in ipairs { "f64", "f32", "i32", "u8" } do
      for ndim = 0, 8 do
        local shape = {}
        for axis = 1, ndim do
          shape[axis] = axis < 4 and 3 or 1
        end
        names[#names + 1] = ("%s in %d dimensions"):format(dtype, ndim)
        tensors[#tensors + 1] = (mgd.rand(shape, { seed = i }) * 200):floor():to(dtype)
      end
    end
    names[#names + 1], tensors[#tensors + 1] = ("x"):rep(255), mgd.zeros { 2, 0, 3 }
    names[#names + 1], tensors[#tensors + 1] = "view", mgd.rand({ 4, 5 }):transpose()
    core.checkpoint.write(path, "a\0b", names, tensors)
    local text, entries = core.checkpoint.read(path)
    assert.equal("a\0b", text)
    assert.equal(#names, #entries)
    for i, entry in ipairs(entries) do
      assert.equal(names[i], entry[1])
      assert.same(tensors[i].shape, entry[2].shape)
      assert.equal(core.data.hash(tensors[i]), core.data.hash(entry[2]))
    end
  end)
end)
