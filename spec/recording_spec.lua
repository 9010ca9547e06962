-- A run that is recorded is trained again from its recording, bit for bit, and by no other options.

local mgd = require "mgd"
local core = require "mgd.core"
local contains = require("spec.support.errors").contains
local needs = require "spec.support.needs"
local texts = require "spec.support.texts"

local hw = mgd.hw

local folder, path

before_each(function()
  folder = core.files.make_folder()
  path = folder .. "/session.mgdrec"
end)

after_each(function()
  os.execute("rm -rf " .. folder)
end)

local function network(dtype)
  return mgd.nn.mlp { 2, 2, 1, activation = "sigmoid", output = "sigmoid", dtype = dtype }
    :init { seed = 5 }
end

local function options_of(changes)
  local opt = {
    data = mgd.data.xor(), tau_theta = 4, eta = 0.5, seed = 3, threads = 1,
    perturbation = { code = "random", amplitude = 0.05 },
  }
  for key, value in pairs(changes or {}) do
    opt[key] = value
  end
  opt.chip = opt.chip or mgd.chip { net = network() }
  return opt
end

-- The run of these options, recorded, and one with the same options from the recording.
local function record(changes, steps, probes)
  local opt = options_of(changes)
  opt.record = path
  local run = mgd.train(opt)
  run:run { steps = steps or 200, every = 50, probes = probes or { "cost", "accuracy", "C" } }
  return run
end

local function replay(changes, given)
  local opt = options_of(changes)
  opt.chip = mgd.chip.replay(path)
  for key, value in pairs(given or {}) do
    opt[key] = value
  end
  return mgd.train(opt)
end

local function same(a, b)
  assert.same(a.shape, b.shape)
  local x, y = a:reshape { a.size }, b:reshape { b.size }
  for i = 1, x.size do
    assert.is_true(x[i] == y[i] or x[i] ~= x[i] and y[i] ~= y[i], ("element %d"):format(i))
  end
end

local function same_runs(a, b)
  same(a:theta(), b:theta())
  same(a:gradient(), b:gradient())
  for _, name in ipairs(a.history.names) do
    if name ~= "wall" then
      same(a.history[name], b.history[name])
    end
  end
end

-- Trains by the recorded chip and from the recording.
local function check(changes, given, steps)
  local run = record(changes, steps)
  local again = replay(changes, given)
  again:run { steps = steps or 200, every = 50 }
  same_runs(run, again)
  return run, again
end

describe("a replayed run is the same", function()
  it("on an ideal chip, of either precision", function()
    check()
    check { chip = mgd.chip { net = network "f64" } }
  end)

  it("on a chip in Lua", function()
    check { chip = mgd.chip { parameters = 2, theta = mgd.tensor { 0.1, 0.2 },
      evaluate = function(theta, x)
        return x:matmul(theta:reshape { 2, 1 })
      end } }
  end)

  it("on a chip with noise, drift, levels and a law of writing, which has states", function()
    check { dt = 0.1, chip = mgd.chip { net = network(), seed = 7,
      weights = { hw.levels { bits = 6 }, hw.drift { nu = 0.05 } },
      cost = { hw.path { lowpass = 0.05 }, hw.noise { sigma = 1e-3 } },
      update = hw.soft_bounds { dw_min = 0.01, c2c = 0.2, dw_min_d2d = 0.3 } } }
  end)

  it("on a chip with a model in Lua that writes, whose θ is recorded", function()
    local count = 0
    local moody = hw.define { name = "moody", stage = "update", apply = function(change)
      count = count + 1
      return change * (1 + 0.1 * math.sin(count))
    end }
    check { chip = mgd.chip { net = network(), update = moody {} } }
  end)

  it("on an instrument, which it remembers and does not open", function()
    needs.program "python3"
    local lab = mgd.chip { instrument = { "EXEC", "python3", "examples/chips/function.py" } }
    local changes = { chip = lab, init = { scheme = "uniform", low = -1, high = 1 } }
    local run = record(changes)
    lab:close()
    local again = replay(changes)
    again:run { steps = 200, every = 50 }
    same_runs(run, again)
    local replays = again.options.chip.replays
    assert.equal("mgd-lua,function of Python,0,1", replays.identity)
    contains(replays.description, "parameters=9 inputs=2")
  end)

  it("in the analog engine", function()
    check { engine = "analog", tau_hp = 20, tau_theta = 8, tau_x = 10, eta = 0.05 }
  end)

  it("with every baseline", function()
    for _, baseline in ipairs { "measured", "two-sided", "none" } do
      check { baseline = baseline, tau_x = 3 }
    end
  end)

  it("with momentum, schedules, shuffled batches and sequences of steps that settle", function()
    check { optimizer = "momentum", eta = { "exponential", 0.5, factor = 0.5, every = 100 },
      shuffle = true, batch = 3, tau_x = 4, settle = 1 }
  end)

  it("with several cost signals", function()
    check { chip = mgd.chip { net = mgd.nn.mlp { 2, 3, 2 }:init {} }, signals = "outputs",
      data = mgd.data.from { x = mgd.rand { 6, 2 }, y = mgd.rand { 6, 2 } } }
  end)

  it("with a cost in Lua, which is not called again", function()
    local run = record { cost = function(y, target)
      return ((y - target) * (y - target)):mean()
    end }
    local again = replay { cost = function()
      error "called"
    end }
    again:run { steps = 200, every = 50 }
    same_runs(run, again)
  end)

  it("for an ensemble, with any number of threads on either side", function()
    local init = { scheme = "uniform", low = -1, high = 1 }
    check({ replicas = 40, init = init, threads = 2 }, { threads = 1 })
    check({ replicas = 3, init = init, batch = 4 }, { threads = 3 })
    check({ replicas = 40, init = init, replica = 5, chip = mgd.chip { net = network(),
      weights = hw.levels { bits = 8 }, cost = hw.noise { sigma = 1e-3 } } }, { threads = 2 })
  end)

  it("with replicas of chosen numbers and η of their own", function()
    check { replicas = 3, replica = { 9, 2, 2 }, eta = { 0.1, 0.5, 1 },
      init = { scheme = "uniform", low = -1, high = 1 } }
  end)
end)

describe("replicas that stop", function()
  local changes = { replicas = 20, init = { scheme = "uniform", low = -1, high = 1 }, eta = 2,
    batch = 4, tau_theta = 1 }

  it("stop again at the rows that were recorded, and go on as they did", function()
    changes.record = path
    local run = mgd.train(options_of(changes))
    local advance = function(of)
      of:run { steps = 3000, every = 100, probes = { "cost" }, stop = { cost = 0.2 } }
      local first = of.history
      of:run { steps = 200, every = 100, probes = { "cost" } }
      return first
    end
    local first = advance(run)
    changes.record = nil
    local again = replay(changes)
    same(first.stopped, advance(again).stopped)
    assert.is_true(first.stopped:min() < 3000)
    same_runs(run, again)
  end)

  it("diverge again, and need no steps beyond that", function()
    local wild = { replicas = 3, eta = { 0.1, 1e30, 0.1 }, threads = 1 }
    check(wild, { threads = 2 })
  end)
end)

describe("the file", function()
  it("takes some bytes for a step", function()
    record({}, 10000, {})
    assert.is_true(#texts.read(path) < 30 * 10000)
  end)

  it("is made at the first step and not before", function()
    local opt = options_of { record = path }
    texts.write(path, "")
    local run = mgd.train(opt)
    run:run { steps = 0 }
    assert.equal("", texts.read(path))
    run:run { steps = 1 }
    assert.is_true(#texts.read(path) > 100)
  end)

  it("takes the place of an older recording", function()
    record({ eta = 0.1 }, 50)
    record({ eta = 0.2 }, 20)
    assert.equal(20, mgd.chip.replay(path).replays.last)
  end)

  it("goes on when the run does", function()
    local run = record({}, 20)
    run:run { steps = 30 }
    assert.equal(50, mgd.chip.replay(path).replays.last)
    local again = replay()
    again:run { steps = 50 }
    same(run:theta(), again:theta())
  end)

  it("holds what was measured again after a failure once", function()
    local count, opt = 0, {}
    opt.chip = mgd.chip { parameters = 1, evaluate = function(theta, x)
      count = count + 1
      if count == 55 then
        error "the wire came off"
      end
      return x * theta[1] + 1e-3 * math.sin(count)
    end }
    opt.data = mgd.data.from { x = mgd.rand { 5, 1 }, y = mgd.rand { 5, 1 } }
    opt.record = path
    local run = mgd.train(options_of(opt))
    assert.is_false(pcall(run.run, run, { steps = 100, probes = {} }))
    run:run { steps = 100 - run.steps_done, probes = {} }
    opt.record = nil
    local again = replay(opt)
    again:run { steps = 100, probes = {} }
    same(run:theta(), again:theta())
  end)

  it("says with which options it was made", function()
    local run = record { optimizer = "adam", eta = { "cosine", 0.1, steps = 100 } }
    local chip = mgd.chip.replay(path)
    contains(tostring(chip), "200 steps of 9 parameters")
    local again = mgd.train(chip.replays:options())
    again:run { steps = 200, every = 50 }
    same_runs(run, again)
  end)
end)

describe("time at rest", function()
  local changes

  before_each(function()
    changes = { dt = 1, chip = mgd.chip { net = network(), seed = 2,
      weights = hw.leak { tau = 1e4 } } }
  end)

  it("passes in the replayed chip, too", function()
    changes.chip:advance(50)
    local run = record(changes, 50)
    changes.chip:advance(1000)
    run:run { steps = 50 }
    local again = replay(changes)
    again:run { steps = 50 }
    again.options.chip:advance(1000)
    again:run { steps = 50 }
    same(run:theta(), again:theta())
  end)

  it("may pass before the first step", function()
    changes.record = path
    local run = mgd.train(options_of(changes))
    changes.chip:advance(1000)
    run:run { steps = 20 }
    changes.record = nil
    local again = replay(changes)
    again.options.chip:advance(1000)
    again:run { steps = 20 }
    same(run:theta(), again:theta())
  end)

  it("is missed where it does not", function()
    local run = record(changes, 50)
    changes.chip:advance(1000)
    run:run { steps = 50 }
    local again = replay(changes)
    local ok, message = pcall(again.run, again, { steps = 100 })
    assert.is_false(ok)
    contains(message, "departs from the recording")
  end)
end)

describe("a run that was resumed", function()
  local checkpoint

  before_each(function()
    checkpoint = folder .. "/run.ckpt"
  end)

  it("goes on in its own recording, from the step that it stands at", function()
    local run = record({}, 60)
    run:save(checkpoint)
    run:run { steps = 40 } -- does not count
    local resumed = mgd.resume(checkpoint, { record = path })
    resumed:run { steps = 140, every = 50 }
    local again = replay()
    again:run { steps = 200, every = 50 }
    same(resumed:theta(), again:theta())
    assert.equal(200, mgd.chip.replay(path).replays.last)
  end)

  it("records to a new file what is replayed from the checkpoint", function()
    local changes = { chip = mgd.chip { net = network(), weights = hw.levels { bits = 6 } } }
    local run = mgd.train(options_of(changes))
    run:run { steps = 60 }
    run:save(checkpoint)
    local resumed = mgd.resume(checkpoint, { record = path })
    resumed:run { steps = 40 }
    local again = mgd.resume(checkpoint, { chip = mgd.chip.replay(path) })
    again:run { steps = 40 }
    same(resumed:theta(), again:theta())
    local fresh = replay(changes)
    local ok, message = pcall(fresh.run, fresh, { steps = 1 })
    assert.is_false(ok)
    contains(message, "begins at step 60")
  end)

  it("does not take another run's recording", function()
    local run = record({}, 60)
    run:save(checkpoint)
    record({ eta = 0.25 }, 80)
    local resumed = mgd.resume(checkpoint, { record = path })
    local ok, message = pcall(resumed.run, resumed, { steps = 1 })
    assert.is_false(ok)
    contains(message, "the recording of another run (training.eta differs)")
    assert.equal(80, mgd.chip.replay(path).replays.last)
  end)

  it("was trained from a recording, which is given to it again", function()
    local whole = record({}, 100)
    local run = replay()
    run:run { steps = 60 }
    run:save(checkpoint)
    local ok, message = pcall(mgd.resume, checkpoint)
    assert.is_false(ok)
    contains(message, "give chip again")
    local again = mgd.resume(checkpoint, { chip = mgd.chip.replay(path) })
    again:run { steps = 40 }
    same(whole:theta(), again:theta())
  end)

  it("does not record unless it is told to", function()
    local run = record({}, 10)
    run:save(checkpoint)
    local before = texts.read(path)
    mgd.resume(checkpoint):run { steps = 10 }
    assert.equal(before, texts.read(path))
  end)
end)

-- The message of what `f` raises, at a line of this file.
local function failure(f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  contains(message, "recording_spec.lua:")
  return message
end

describe("a run that departs from its recording", function()
  it("is refused before its first step, with the option", function()
    record()
    local other = mgd.data.from { x = mgd.rand { 4, 2 }, y = mgd.rand { 4, 1 }, name = "other" }
    for name, value in pairs {
      eta = 0.25, seed = 4, batch = 2, tau_theta = 8, tau_p = 2, tau_x = 3, optimizer = "sign",
      baseline = "none", convention = "published", cost = "l2", shuffle = false, replica = 2,
      clip = 3, weight_decay = 0.1,
    } do
      contains(failure(replay, { [name] = value }), ("mgd.train: option '%s' is"):format(name))
    end
    contains(failure(replay, { perturbation = { code = "walsh", amplitude = 0.05 } }),
      "option 'perturbation.code' is walsh, and was random in the recording " .. path
      .. ": the run would depart from it at step 0")
    contains(failure(replay, { perturbation = { code = "random", amplitude = 0.02 } }),
      "option 'perturbation.amplitude' is 0.02, and was 0.05")
    contains(failure(replay, { data = other }), "option 'data': " .. other.name)
    contains(failure(replay, { eta = function()
      return 0.5
    end }), "option 'eta' is a function, and was 0.5")
  end)

  it("stops at the step where a function says something else", function()
    local function eta(from)
      return function(step)
        return step < from and 0.5 or 0.25
      end
    end
    record({ eta = eta(1e9) }, 200)
    local again = replay { eta = eta(100) }
    local message = failure(again.run, again, { steps = 200, probes = { "C" } })
    local step = tonumber(message:match "at step (%d+) replica 1 departs from the recording")
    assert.is_true(step >= 103 and step <= 108)
    contains(message, "θ (eta, amplitude")
    local shows = replay { eta = eta(1e9), tau_x = 1 } -- as it was
    shows:run { steps = 200 }
  end)

  it("stops where another sample is shown, or another slot begins", function()
    local function constant(value)
      return function()
        return value
      end
    end
    record({ tau_x = constant(4), tau_p = constant(2) }, 200)
    local again = replay { tau_x = constant(3), tau_p = constant(2) }
    contains(failure(again.run, again, { steps = 200 }),
      "at step 3 replica 1 departs from the recording: the sample (tau_x")
    again = replay { tau_x = constant(4), tau_p = constant(3) }
    contains(failure(again.run, again, { steps = 200 }),
      "at step 2 replica 1 departs from the recording: the slot of the code (tau_p)")
  end)

  it("stops behind the last step, where it can go no further", function()
    record({}, 200)
    local again = replay()
    contains(failure(again.run, again, { steps = 1000, every = 50 }),
      "the recording ends before step 200: it holds 200 steps")
    assert.equal(200, again.steps_done)
    assert.equal(200, again.history.step[-1])
  end)
end)

describe("probes of a replayed run", function()
  it("are those that were recorded, and those of the run alone", function()
    local probed = { "cost", "accuracy", "angle", "saturated" }
    local run = record({}, 200, probed)
    local again = replay()
    again:run { steps = 200, every = 50, probes = { "cost", "angle", "saturated", "norm_theta" } }
    for _, name in ipairs { "cost", "angle", "saturated" } do
      same(run.history[name], again.history[name])
    end
    assert.is_true(again.history.norm_theta[-1] > 0)
  end)

  it("are refused by name where they were not", function()
    record({}, 200, { "cost", "C" })
    local again = replay()
    local message = failure(again.run, again, { steps = 200, probes = { "angle" } })
    contains(message, "probe 'angle' needs the chip, and was not recorded in " .. path)
    contains(message, "which has C, cost: expected these")
    contains(failure(again.run, again, { steps = 10, stop = { accuracy = 1 } }), "probe 'accuracy'")
    assert.equal(0, again.steps_done)
  end)

  it("are nan at steps that were not probed", function()
    local run = record({}, 200)
    local again = replay()
    again:run { steps = 200, every = 25 }
    assert.equal(9, again.history.cost.size)
    assert.is_true(again.history.cost[2] ~= again.history.cost[2])
    assert.equal(run.history.cost[2], again.history.cost[3])
    same(run:theta(), again:theta())
  end)

  it("were taken anew at a step that was probed twice", function()
    local noise = 0
    local opt = { record = path, chip = mgd.chip { parameters = 1, evaluate = function(theta, x)
      noise = noise + 1
      return x * theta[1] + noise
    end }, data = mgd.data.from { x = mgd.rand { 5, 1 }, y = mgd.rand { 5, 1 } } }
    local run, first = mgd.train(options_of(opt)), {}
    run:run { steps = 10 }
    first.cost = run.history.cost
    run:run { steps = 10 }
    opt.record = nil
    local again = replay(opt)
    again:run { steps = 10 }
    same(first.cost, again.history.cost)
    again:run { steps = 10 }
    same(run.history.cost, again.history.cost)
  end)

  it("that are methods say what they are asked of", function()
    record()
    local again = replay()
    for _, call in ipairs { "evaluate", "confusion" } do
      contains(failure(again[call], again), "this chip is a recording, which answers what the run "
        .. "measured and nothing else")
    end
    contains(failure(again.predict, again, mgd.rand { 3, 2 }), "predict: this chip is a recording")
  end)
end)

describe("what cannot be recorded", function()
  it("is refused by name", function()
    local where = { record = path, tau_theta = 1 }
    local function with(changes)
      for key, value in pairs(changes) do
        where[key] = value
      end
      return failure(mgd.train, options_of(where))
    end
    contains(with { perturb = "nodes" }, "record: costs are recorded that a step measures once")
    where.perturb = nil
    contains(with { engine = "analog", tau_hp = 20, tau_x = 10, integrator = "rk4",
      chip = mgd.chip { net = network "f64" } }, "record: costs are recorded")
    assert.is_nil(texts.read(path))
    contains(failure(mgd.train, { net = network(), data = mgd.data.xor(), engine = "backprop",
      record = path }), "option 'record'")
    contains(failure(mgd.experiment, { name = "x", network = { 2, 2, 1 }, data = "xor", steps = 1,
      training = { record = path }, seeds = { count = 1 } }), "option 'record' of training")
  end)
end)
