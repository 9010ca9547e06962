--- Experiments: made, checked, compared, changed, saved, run.

local mgd = require "mgd"
local support = require "spec.support.train"

local fails = support.fails

local function base(changes)
  local opt = {
    name = "xor", data = "xor", network = { 2, 2, 1, activation = "sigmoid", output = "sigmoid" },
    training = { eta = 2, tau_theta = 4, perturbation = { code = "walsh", amplitude = 0.05 } },
    steps = 2000, every = 100, stop = { cost = 0.04 }, seeds = 4,
  }
  for key, value in pairs(changes or {}) do
    opt[key] = value
  end
  return mgd.experiment(opt)
end

local function texts(t)
  local out = {}
  for i, value in ipairs(t:totable()) do
    out[i] = value == value and ("%.17g"):format(value) or "nan"
  end
  return out
end

local paths = {}

local function temporary(ending)
  local path = os.tmpname()
  paths[#paths + 1], paths[#paths + 2] = path, path .. ending
  return path .. ending
end

after_each(function()
  for _, path in ipairs(paths) do
    os.remove(path)
  end
  paths = {}
end)

describe("mgd.experiment", function()
  describe("when made", function()
    it("fills in every default", function()
      local plain = base { every = false or nil, stop = false or nil }:resolved()
      assert.same("mse", plain.training.cost)
      assert.same("measured", plain.training.baseline)
      assert.same(1, plain.training.seed)
      assert.same({ scheme = "uniform" }, { scheme = plain.training.init.scheme })
      assert.same({ first = 1, count = 4 }, plain.seeds)
      assert.same({ "cost", "accuracy" }, plain.probes)
      assert.same(mgd.train(base():train_options()).options.baseline, plain.training.baseline)
      local rows = mgd.experiment { name = "x", data = "xor", network = { 2, 1 }, steps = 5000,
        training = { perturbation = { amplitude = 0.1 } } }:resolved()
      assert.same(50, rows.every)
      assert.same({ first = 1, count = 1 }, rows.seeds)
    end)

    it("cannot be changed through what it gives out", function()
      local exp = base()
      exp:resolved().training.eta = 77
      exp:resolved().stop.cost = 0
      assert.same(2, exp:get "eta")
      assert.same(0.04, exp:get "stop.cost")
    end)

    it("takes networks, chips and data in any form, as one experiment", function()
      local nn = mgd.nn
      local forms = {
        base { network = { 2, 2, 1, activation = "sigmoid", output = "sigmoid" } },
        base { network = { sizes = { 2, 2, 1 }, activation = "sigmoid", output = "sigmoid" } },
        base { data = { "xor" } }, base { data = mgd.data.xor() }, base { steps = 2e3,
          every = 1e2 },
        base { seeds = { count = 4 } }, base { chip = {} },
      }
      for i, exp in ipairs(forms) do
        assert.same(base().hash, exp.hash, "form " .. i)
        assert.is_true(exp == base())
      end
      local layers = base { network = { input = 2, nn.dense(2), nn.sigmoid(), nn.dense(1),
        nn.sigmoid() } }
      local made = base { network = nn.sequential { input = 2, nn.dense(2), nn.sigmoid(),
        nn.dense(1),
        nn.sigmoid() } }
      assert.same(layers.hash, made.hash)
      local noisy = base { chip = { cost = mgd.hw.noise { sigma = 0.1 } } }
      local chip = base { chip = mgd.chip { net = nn.mlp { 2, 2, 1, activation = "sigmoid",
        output = "sigmoid" }, cost = mgd.hw.noise { sigma = 0.1 } } }
      assert.same(noisy.hash, chip.hash)
    end)

    it("has a hash of all but name and seeds", function()
      assert.same(base().hash, base { name = "another", seeds = 9 }.hash)
      assert.truthy(base().hash:find("^%x+$"))
      assert.same(64, #base().hash)
      local seen = { [base().hash] = true }
      for _, changes in ipairs { { steps = 2001 }, { stop = { cost = 0.05 } }, { every = 50 },
        { probes = { "cost" } }, { training = { eta = 2, tau_theta = 4, seed = 2,
          perturbation = { code = "walsh", amplitude = 0.05 } } }, { data = { "parity",
            bits = 2 } } } do
        local hash = base(changes).hash
        assert.is_nil(seen[hash])
        seen[hash] = true
      end
    end)

    for what, case in pairs {
      ["an option that is not known"] = { { netwrok = 1 }, "did you mean 'network'" },
      ["no name"] = { { name = "" }, "option 'name' is empty" },
      ["no steps"] = { { steps = 0 }, "steps" },
      ["a network that is none"] = { { network = 3 }, "option 'network' must be a network" },
      ["an unknown activation"] = { { network = { 2, 1, activation = "sigmod" } }, "sigmoid" },
      ["data that are not known"] = { { data = "xro" }, "did you mean 'xor'" },
      ["a training option that is not known"] = { { training = { etta = 1 } },
        "did you mean 'eta'" },
      ["a training option that it says elsewhere"] = { { training = { replicas = 3 } },
        "an experiment says it by 'seeds'" },
      ["threads"] = { { training = { threads = 3 } }, "it belongs to experiment:run" },
      ["a value out of range"] = { { training = { eta = 1, tau_theta = 0,
        perturbation = { amplitude = 0.1 } } }, "tau_theta" },
      ["a probe that is not known"] = { { stop = { acuracy = 1 } }, "did you mean 'accuracy'" },
      ["seeds that are none"] = { { seeds = { first = 0, count = 2 } }, "first" },
      ["a stage that holds no model"] = { { chip = { cost = 3 } }, "stage 'cost' must be a model" },
      ["a network that was initialised"] = { { network = mgd.nn.mlp { 2, 1 }:init {
        scheme = "uniform" } }, "has parameters already" },
    } do
      it("refuses " .. what, function()
        local message = fails(case[2], function()
          base(case[1])
        end)
        assert.truthy(message:find "^[^:]*experiment_spec%.lua:%d+: mgd%.", message)
      end)
    end
  end)

  it("prints what matters", function()
    local text = tostring(base { chip = { cost = mgd.hw.noise { sigma = 0.1 } } })
    for _, word in ipairs { "experiment xor", "training.eta", "2", "stop.cost", "2000 steps",
      "noise",
      "seeds 1 … 4" } do
      assert.truthy(text:find(word, 1, true), text)
    end
  end)

  it("says where two differ", function()
    local a, b = base(), base():with { eta = 3, ["cost.noise"] = 0.1, seeds = 7 }
    local diff = a:diff(b)
    local by_path = {}
    for _, entry in ipairs(diff) do
      by_path[entry.path] = { entry.a, entry.b }
    end
    assert.same({ 2, 3 }, by_path["training.eta"])
    assert.same({ nil, 0.1 }, by_path["chip.cost.noise.sigma"])
    assert.same({ 4, 7 }, by_path["seeds.count"])
    assert.truthy(tostring(diff):find("training.eta", 1, true))
    assert.same("no difference", tostring(a:diff(base())))
    fails("expected an experiment, got number", a.diff, a, 3)
  end)

  describe("on paper", function()
    for _, ending in ipairs { ".lua", ".json" } do
      it("is the same again, as " .. ending, function()
        local exp = base { chip = { seed = 5, cost = { mgd.hw.noise { sigma = 0.1 },
          mgd.hw.path { bandwidth = 0.2 } }, clock = { dt = 1e-6 } },
          training = { eta = { "cosine", 0.1, steps = 2000 }, tau_theta = 4, clamp = 1e300,
            perturbation = { code = "random", amplitude = 1 / 3 } } }
        local path = temporary(ending)
        exp:save(path)
        local again = mgd.experiment.load(path)
        assert.is_true(again == exp)
        assert.same(exp.hash, again.hash)
        assert.same(exp:resolved(), again:resolved())
      end)
    end

    it("may be written by hand, and sees nothing of the machine", function()
      local path = temporary ".lua"
      local file = io.open(path, "w")
      file:write [[return { name = "xor", data = "xor", steps = 2000, every = 100, seeds = 4,
        network = { 2, 2, 1, activation = "sigmoid", output = "sigmoid" }, stop = { cost = 0.04 },
        training = { eta = 2, tau_theta = 4, perturbation = { code = "walsh",
          amplitude = 0.05 } } }]]
      file:close()
      assert.is_true(mgd.experiment.load(path) == base())
      file = io.open(path, "w")
      file:write "os.remove 'x' return {}"
      file:close()
      fails("os", mgd.experiment.load, path)
    end)

    it("is refused where it is damaged, or cannot be written", function()
      local path = temporary ".json"
      local file = io.open(path, "w")
      file:write '{"name": "x", '
      file:close()
      fails("no JSON, at byte", mgd.experiment.load, path)
      fails("must end in .lua or .json", mgd.experiment.load, "x.txt")
      fails("No such file", mgd.experiment.load, "/nowhere/x.json")
      fails("No such file", function()
        base():save "/nowhere/x.json"
      end)
      local own = base { training = { eta = function() return 1 end,
        perturbation = { amplitude = 0.1 } } }
      fails("training.eta is a function, which cannot be written down", function()
        own:save(path)
      end)
      fails("training.eta is a function", function()
        return own.hash
      end)
      local tensors = base { data = { x = mgd.rand { 4, 2 }, y = mgd.rand { 4, 1 } } }
      fails("the data are tensors of yours", function()
        tensors:save(path)
      end)
    end)
  end)

  describe("run", function()
    it("is mgd.train with the same options", function()
      local exp = base()
      local result = exp:run {}
      local run = mgd.train { net = mgd.nn.mlp { 2, 2, 1, activation = "sigmoid",
        output = "sigmoid" },
        data = mgd.data.xor(), eta = 2, tau_theta = 4, replicas = 4, init = { scheme = "uniform" },
        perturbation = { code = "walsh", amplitude = 0.05 } }
      local history = run:run { steps = 2000, every = 100, stop = { cost = 0.04 } }
      assert.same(run:theta():totable(), result.run:theta():totable())
      assert.same(texts(history.stopped), texts(result.solved))
      assert.same(history.cost:totable(), result.history.cost:totable())
      assert.is_true(result.experiment == exp)
    end)

    it("is stored with the threads that it had, whoever chose them", function()
      local store = mgd.store()
      base():run { store = store }
      base():with { name = "one" }:run { store = store, threads = 1 }
      local t = store:query { columns = { "experiment", "threads" } }
      local default = require("mgd.core").base.threads()
      for i, name in ipairs(t.experiment) do
        assert.same(name == "one" and 1 or default, t.threads[i])
      end
    end)

    it("has the seeds that it says", function()
      local some = base { seeds = { first = 3, count = 2 } }:run {}
      local all = base():run {}
      for r = 1, 2 do
        assert.same(all.run:theta()[r + 2]:totable(), some.run:theta()[r]:totable())
      end
    end)

    it("runs what cannot be written down", function()
      local chip = mgd.chip { parameters = 1, evaluate = function(theta, x)
        return mgd.full({ x.shape[1], 1 }, theta[1])
      end }
      local result = mgd.experiment { name = "lua", chip = chip, data = support.ONE, steps = 50,
        training = { eta = 0.1, perturbation = { code = "sequential", amplitude = 0.1 } } }:run {}
      assert.near(1, result.run:theta()[1], 0.06)
      fails("chip is a function", function()
        mgd.experiment { name = "lua", chip = chip, data = support.ONE, steps = 50,
          training = { perturbation = { amplitude = 0.1 } } }:run { store = mgd.store() }
      end)
    end)

    it("goes on from its checkpoint with the same end", function()
      local path = temporary ".ckpt"
      local exp = base { stop = false or nil, steps = 3000 }:with { ["cost.noise"] = 1e-3 }
      local whole = exp:run {}
      local store = mgd.store()
      local calls = 0
      local ok, message = pcall(function()
        local row = require "mgd.studies.store.record".row
        local record = require "mgd.studies.store.record"
        record.row = function(...)
          calls = calls + 1
          if calls == 12 then
            record.row = row
            error("the power is gone", 0)
          end
          return row(...)
        end
        exp:run { store = store, checkpoint = path, checkpoint_every = 1e-9 }
      end)
      assert.is_false(ok)
      assert.truthy(message:find("the power is gone", 1, true))
      local rest = exp:run { store = store, checkpoint = path }
      assert.same(whole.run:theta():totable(), rest.run:theta():totable())
      local undisturbed = mgd.store()
      exp:run { store = undisturbed }
      assert.same(undisturbed:digest(), store:digest())
    end)

    it("tells what it cannot do", function()
      fails("option 'store' must be a store or the path of one, got number", function()
        base():run { store = 3 }
      end)
      fails("did you mean 'threads'", function()
        base():run { treads = 3 }
      end)
    end)
  end)

  it("knows where it runs", function()
    local e = mgd.experiment.environment()
    for _, name in ipairs { "version", "host", "os", "compiler", "isa", "lua" } do
      assert.is_string(e[name], name)
      assert.is_true(#e[name] > 0)
    end
    assert.same(mgd.version, e.version)
    assert.is_true(e.git == nil or e.git:find "^%x+[+?]?$" ~= nil)
  end)
end)
