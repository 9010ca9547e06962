--- Experiments, run: stopped, diverged, interrupted.

local mgd = require "mgd"
local runner = require "mgd.studies.experiment.runner"
local support = require "spec.support.train"

local fails = support.fails

local TRAINING = { eta = 2, tau_theta = 4, perturbation = { code = "walsh", amplitude = 0.05 } }

local function base(changes)
  local opt = {
    name = "xor", data = "xor", network = { 2, 2, 1, activation = "sigmoid", output = "sigmoid" },
    training = TRAINING, steps = 2000, every = 100, stop = { cost = 0.04 }, seeds = 8,
  }
  for key, value in pairs(changes or {}) do
    opt[key] = value or nil
  end
  return mgd.experiment(opt)
end

-- Three layers of units without limits: η is so large that some seeds grow beyond all numbers
-- within twenty steps. Others end where no unit is active, and stay there.
local WILD = { network = { 2, 2, 2, 1, activation = "relu" }, stop = false, steps = 400, every = 10,
  training = { eta = 3, tau_theta = 4, perturbation = { code = "random", amplitude = 0.05 } } }

local function numbers(t)
  local out = {}
  for i, value in ipairs(t:totable()) do
    out[i] = value == value and ("%.17g"):format(value) or "nan"
  end
  return out
end

describe("an experiment of so many evaluations", function()
  it("has as many steps as ask for them, whatever the baseline", function()
    local exp = base { steps = false, every = false, evaluations = 1001 }
    assert.equal(500, exp:get "steps") -- C₀ and C of each
    assert.equal(5, exp:get "every")
    assert.equal(1001, exp:with({ baseline = "none" }):get "steps")
    assert.equal(300, exp:with({ steps = 300 }):get "steps")
    assert.same({ 1000, 600 }, exp:evaluations { 500, 300 })
    assert.equal(1000, exp:run({ threads = 1 }).history.evaluations[-1])
    assert.is_nil(base():resolved().evaluations)
  end)
end)

-- What came of a run, but for the rows of its history.
local function ends(result)
  return { theta = result.run:theta():totable(), solved = numbers(result.solved),
    diverged = numbers(result.diverged), cost = numbers(result.history.cost[-1]) }
end

describe("experiment:run", function()
  it("says which seeds solved the task, and when", function()
    local exp = base { stop = { cost = 0.1 }, steps = 6000, seeds = 16 }
    local result = exp:run()
    local solved = 0
    for r = 1, 16 do
      local step = result.solved[r]
      if step == step then
        solved = solved + 1
        local alone = exp:with({ seeds = { first = r, count = 1 } }):run()
        assert.equal(step, alone.solved[1])
        assert.same(alone.run:theta():totable(), result.run:theta()[r]:totable())
        assert.is_true(alone.history.cost[-1] <= 0.1)
      end
    end
    assert.is_true(solved > 0)
    assert.same(exp, result.experiment)
  end)

  it("records the seeds that diverge, and goes on with the others", function()
    local store = mgd.store()
    local result = base(WILD):run { store = store }
    local list, diverged = store:runs(), 0
    assert.equal(8, #list)
    for r, run in ipairs(list) do
      local step = result.diverged[r]
      assert.is_true(result.solved[r] ~= result.solved[r])
      if step == step then
        diverged = diverged + 1
        assert.same({ "diverged", step, step }, { run.state, run.diverged, run.steps })
      else
        assert.same({ "unsolved", 400 }, { run.state, run.steps })
      end
    end
    assert.is_true(diverged > 0 and diverged < 8)
  end)

  it("gives the same with any number of threads", function()
    for _, changes in ipairs { {}, WILD } do
      assert.same(ends(base(changes):run { threads = 1 }), ends(base(changes):run { threads = 3 }))
    end
  end)

  it("refuses what it cannot write before anything runs", function()
    local calls = 0
    local exp = base { training = { eta = function()
      calls = calls + 1
      return 1
    end, perturbation = { amplitude = 0.1 } } }
    local checked = calls -- when it was made
    fails("training.eta is a function", exp.run, exp, { store = mgd.store() })
    fails("option 'log': /nowhere/x: No such file", exp.run, exp, { log = "/nowhere/x" })
    assert.equal(checked, calls)
    fails("/nowhere/x.db: No such file", exp.run, exp, { store = "/nowhere/x.db" })
    fails("did you mean 'checkpoint'?", exp.run, exp, { checkpont = "x" })
  end)
end)

describe("an experiment's checkpoint", function()
  local path

  before_each(function()
    path = os.tmpname()
    os.remove(path)
  end)

  after_each(function()
    os.remove(path)
  end)

  local function is_there()
    local file = io.open(path)
    return file ~= nil and file:close() ~= nil
  end

  -- Runs to row `rows`, saving at each, and no further.
  local function interrupted(exp, rows)
    local count = 0
    local ok, message = pcall(runner.ensemble, { { experiment = exp, first = exp:get "seeds.first",
      count = exp:get "seeds.count" } }, { checkpoint = path, checkpoint_every = 1e-9 }, {
      on_row = function()
        count = count + 1
        if count == rows then
          error("the power is gone", 0)
        end
      end })
    assert.is_false(ok)
    assert.equal("the power is gone", message)
    assert.is_true(is_there())
  end

  local own = mgd.hw.define { name = "experiment_run_spec", stage = "cost",
    apply = function(values) return values * 1.5 end }
  local CASES = {
    plain = {},
    ["some solved before"] = { stop = { cost = 0.1 }, steps = 6000 },
    ["some diverged before"] = WILD,
    ["a schedule as a function"] = { steps = 1500, training = { eta = function(step)
      return 2 / (1 + step / 1000)
    end, tau_theta = 4, perturbation = TRAINING.perturbation } },
    ["an amplitude as a function, amplitudes as a tensor"] = { steps = 1500, training = { eta = 2,
      perturbation = { code = "random", amplitude = function() return 0.05 end,
        amplitudes = mgd.ones { 9 } } } },
    ["a code as a function"] = { steps = 1500, training = { eta = 0.02, tau_theta = 18,
      perturbation = { amplitude = 0.05, period = 18, code = function(slot)
        local code = mgd.zeros { 9 }
        code[slot % 9 + 1] = slot % 18 < 9 and 1 or -1
        return code
      end } } },
    ["a model as a function"] = { steps = 1500, chip = { cost = own {} } },
    ["an imperfect chip"] = { chip = { seed = 4, cost = mgd.hw.noise { sigma = 1e-3 },
      weights = mgd.hw.levels { table = { -3, -1, 0, 1, 3 }, of = "sum" } } },
  }
  for what, changes in pairs(CASES) do
    it("leads to the same end: " .. what, function()
      local exp = base(changes)
      local whole = ends(exp:run { threads = 1 })
      interrupted(exp, 9)
      local rest = exp:run { checkpoint = path, threads = 2 }
      assert.same(whole, ends(rest))
      assert.is_true(rest.history.step[1] > 0)
      assert.is_false(is_there()) -- removed when the run has ended
    end)
  end

  it("of another run is refused, and left there", function()
    local exp = base { stop = false }
    interrupted(exp, 9)
    for place, changes in pairs { ["training.eta"] = { eta = 1 },
      ["chip.cost"] = { ["cost.noise"] = 1 },
      ["training.replicas"] = { seeds = 3 }, ["training.replica"] = { ["seeds.first"] = 2 },
      ["network.layers.1.outputs"] = { ["network.sizes"] = { 2, 3, 1 } }, steps = { steps = 200 },
      ["chip.seed"] = { ["chip.seed"] = 2 } } do
      local message = fails(("is of another run: %s differs; remove it or give another name")
        :format(place), function()
        exp:with(changes):run { checkpoint = path }
      end)
      assert.truthy(message:find("experiment_run_spec.lua:", 1, true))
    end
    fails("fingerprint", function()
      exp:with({ ["data.dtype"] = "f64" }):run { checkpoint = path }
    end)
    assert.is_true(is_there())
    assert.equal(3000, exp:with({ steps = 3000 }):run({ checkpoint = path }).run.steps_done)
  end)

  it("that is none is refused", function()
    local file = io.open(path, "w")
    file:write "nothing of the kind"
    file:close()
    fails("not a checkpoint", function()
      base():run { checkpoint = path }
    end)
  end)

  it("of something else does not stop a sweep, whose file it is", function()
    interrupted(base { stop = false }, 9)
    local exp = base { stop = false, seeds = 3 }
    local run = runner.ensemble({ { experiment = exp, first = 1, count = 3 } },
      { checkpoint = path, checkpoint_every = 1e9 }, { owns_checkpoint = true })
    assert.same(exp:run().run:theta():totable(), run:theta():totable())
  end)
end)

describe("an ensemble of experiments", function()
  it("that differ in η takes it from where it stands by default", function()
    local function of(eta, name)
      return base { name = name, stop = false, steps = 100, training = { eta = eta or nil,
        tau_theta = 4, perturbation = TRAINING.perturbation } }
    end
    local a, b = of(0.5, "a"), of(false, "b") -- 0.1
    local run = runner.ensemble({ { experiment = a, first = 1, count = 2 },
      { experiment = b, first = 1, count = 2 } }, {})
    for r = 1, 2 do
      assert.same(a:run().run:theta()[r]:totable(), run:theta()[r]:totable())
      assert.same(b:run().run:theta()[r]:totable(), run:theta()[r + 2]:totable())
    end
  end)
end)
