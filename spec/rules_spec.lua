--- One rule for one thing, whichever way it is said: η as a number, list, function and schedule;
-- batches; hardware time; the parameters that a run begins with; costs of logits; a run that is
-- running.

local mgd = require "mgd"
local support = require "spec.support.train"

local fails, fails_here = support.fails, support.fails_here
local nn = mgd.nn

local function net()
  return nn.mlp { 2, 2, 1, activation = "sigmoid", output = "sigmoid" }
end

local function settings(changes)
  return support.options({ net = net(), data = mgd.data.xor(), tau_theta = 4,
    perturbation = { amplitude = 0.1 } }, changes)
end

local function train(changes)
  return mgd.train(settings(changes))
end

local function experiment(changes)
  return mgd.experiment(support.options({ name = "x", data = "xor", steps = 10,
    network = { 2, 2, 1, activation = "sigmoid", output = "sigmoid" },
    training = { perturbation = { amplitude = 0.1 } } }, changes))
end

describe("a learning rate below 0", function()
  it("is an error in every form", function()
    fails_here("option 'eta' must be a number ≥ 0", mgd.train, settings { eta = -0.1 })
    fails_here("eta", mgd.train, settings { eta = { "constant", -0.1 } })
    fails_here("option 'eta': element 2 is -0.1: expected a number of at least 0", mgd.train,
      settings { replicas = 2, eta = { 0.1, -0.1 } })
    fails_here("option 'eta': element 1 is -0.1", mgd.train,
      settings { eta = mgd.tensor { -0.1 } })
    local run = train { eta = function() return -0.1 end }
    fails_here("the schedule gave -0.1 at step 3: expected a number of at least 0", run.run, run,
      { steps = 8 })
    fails("a number ≥ 0", experiment, { training = { eta = -0.1,
      perturbation = { amplitude = 0.1 } } })
  end)

  it("is one where a run is resumed", function()
    local path = os.tmpname()
    train { eta = function() return 0.1 end }:save(path)
    fails_here("option 'eta' must be a number ≥ 0", mgd.resume, path, { eta = -0.1 })
    os.remove(path)
  end)

  it("is 0 at least, which changes nothing", function()
    for _, eta in ipairs { 0, { "constant", 0 }, { 0 }, function() return 0 end } do
      local run = train { eta = eta, init = { scheme = "uniform" } }
      local before = run:theta():totable()
      run:run { steps = 8 }
      assert.same(before, run:theta():totable())
    end
  end)
end)

describe("a batch", function()
  it("that is larger than the data set goes round it, which is told once, whatever trains",
    function()
      for _, call in ipairs { "mgd.train", "mgd.backprop" } do
        local script = ([[
          local mgd = require "mgd"
          local function batch(size)
            return %s { net = mgd.nn.mlp { 2, 2, 1 }, data = mgd.data.xor(), batch = size }
          end
          batch(4)
          io.stderr:write "now\n"
          batch(5)
          batch(5)
        ]]):format(call)
        assert.equal("now\nmgd: warning: a batch of 5 shows some of the 4 samples more than once; "
          .. "batch = 4 shows each once\n", support.subprocess(script))
      end
    end)
end)

describe("hardware time", function()
  it("is told where somebody said what a step is", function()
    for _, changes in ipairs { { dt = 1e-3 }, { dt = 1 },
      { chip = mgd.chip { net = net(), clock = { dt = 1e-3 } } } } do
      if changes.chip then
        changes.net = nil
      end
      local o = settings(changes)
      o.net = not changes.chip and o.net or nil
      local run = mgd.train(o)
      local text = tostring(run:run { steps = 8 })
      assert.truthy(text:find("hardware time", 1, true), text)
      assert.truthy(text:find(" time ", 1, true), text)
      assert.truthy(tostring(run:budget()):find("hardware time, dt = 1 m?s"))
    end
  end)

  it("is not told otherwise, nor after the run was resumed", function()
    local run, path = train {}, os.tmpname()
    local function silent()
      local text = tostring(run:run { steps = 8 })
      assert.falsy(text:find("hardware time", 1, true), text)
      assert.falsy(text:find(" time ", 1, true), text)
      text = tostring(run:budget())
      assert.truthy(text:find("hardware time: not known; dt = seconds of a step", 1, true), text)
      assert.falsy(text:find("hardware time, dt", 1, true), text)
    end
    silent()
    run:save(path)
    run = mgd.resume(path)
    os.remove(path)
    silent()
    assert.truthy(tostring(run:budget { dt = 1e-3 }):find("hardware time, dt = 1 ms", 1, true))
    fails_here("option 'power' needs 'dt'", run.budget, run, { power = 1 })
  end)
end)

describe("without init", function()
  it("a run begins with the network's present θ", function()
    local own = net():init { scheme = "uniform", seed = 5 }
    assert.same(own:theta():totable(), train({ net = own }):theta():totable())
  end)

  it("an experiment draws θ, and refuses a network that would lose its own", function()
    assert.equal("uniform", experiment():get "training.init.scheme")
    assert.equal("uniform", experiment({ network = net() }):get "training.init.scheme")
    local own = net():init { scheme = "uniform", seed = 5 }
    local message = "the network has parameters already, but an experiment draws them"
    local options = { name = "x", data = "xor", steps = 10, network = own }
    fails_here(message, mgd.experiment, options)
    options.network, options.chip = nil, mgd.chip { net = own }
    fails_here(message, mgd.experiment, options)
  end)
end)

describe("cross_entropy", function()
  local SCRIPT = [[
    local mgd = require "mgd"
    local function train(output)
      return mgd.train { net = mgd.nn.mlp { 2, 2, 2, output = output }, cost = "cross_entropy",
        data = { x = mgd.rand { 4, 2 }, y = mgd.eye(4)[{ {}, { 1, 2 } }] } }
    end
    train(%q)
    train(%q)
  ]]

  it("behind an activation that bounds its logits is warned of, once", function()
    for _, output in ipairs { "sigmoid", "tanh" } do
      local out = support.subprocess(SCRIPT:format(output, output))
      assert.truthy(out:find("mgd: warning: the cost cross_entropy takes logits", 1, true), out)
      assert.truthy(out:find("the network ends with " .. output, 1, true), out)
      assert.equal(1, select(2, out:gsub("warning", "")))
    end
  end)

  it("of logits is silent", function()
    assert.equal("", support.subprocess(SCRIPT:format("identity", "relu")))
  end)
end)

describe("a run that is running", function()
  it("is not run again by what it calls", function()
    local message = "run:run: it is running already"
    for _, name in ipairs { "on_row", "stop" } do
      local run = train {}
      local opts = { steps = 8, every = 4, [name] = function()
        run:run { steps = 4 }
      end }
      fails(message, run.run, run, opts)
      assert.equal(0, run.steps_done)
      run:run { steps = 8 }
      assert.equal(8, run.steps_done)
    end
    local run
    run = train { eta = function()
      run:run { steps = 4 }
    end }
    fails(message, run.run, run, { steps = 8 })
  end)

  it("may be looked at, and train others", function()
    local run, rows, other = train {}, 0, nil
    run:run { steps = 8, every = 4, on_row = function()
      rows = rows + run:evaluate().cost * 0 + 1
      other = train {}
      other:run { steps = 4 }
    end }
    assert.equal(3, rows)
    assert.equal(4, other.steps_done)
  end)
end)
