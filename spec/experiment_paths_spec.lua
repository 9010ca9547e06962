--- Paths of parameters: canonical and short, read and changed.

local mgd = require "mgd"
local support = require "spec.support.train"

local fails = support.fails

local function base(changes)
  local opt = {
    name = "xor", data = "xor", network = { 2, 2, 1, activation = "sigmoid", output = "sigmoid" },
    chip = { cost = { mgd.hw.noise { sigma = 0.1 }, mgd.hw.noise { sigma = 0.2 } },
      weights = mgd.hw.gain { spread = 0.3 } },
    training = { eta = 2, tau_theta = 4, perturbation = { code = "walsh", amplitude = 0.05 } },
    steps = 2000, stop = { cost = 0.04 },
  }
  for key, value in pairs(changes or {}) do
    opt[key] = value
  end
  return mgd.experiment(opt)
end

describe("a path", function()
  for short, long in pairs {
    eta = "training.eta", ["training.eta"] = "training.eta", tau_theta = "training.tau_theta",
    ["cost.noise"] = "chip.cost.noise.sigma", ["chip.cost.noise"] = "chip.cost.noise.sigma",
    ["cost.noise2"] = "chip.cost.noise2.sigma", ["cost.sigma"] = "chip.cost.noise.sigma",
    ["weights.bits"] = "chip.weights.levels.bits", ["weights.spread"] = "chip.weights.gain.spread",
    ["paths.perturbation.bandwidth"] = "chip.perturbation.path.bandwidth",
    ["perturbation.bandwidth"] = "chip.perturbation.path.bandwidth",
    ["perturbation.code"] = "training.perturbation.code",
    ["perturbation.amplitude"] = "training.perturbation.amplitude",
    perturbation = "training.perturbation",
      ["neurons.neuron_spread"] = "chip.neurons.neuron_spread.sigma",
    ["stop.cost"] = "stop.cost", steps = "steps", ["network.activation"] = "network.activation",
    ["chip.seed"] = "chip.seed", ["seeds.count"] = "seeds.count",
      ["training.init.low"] = "training.init.low",
    ["data.bits"] = "data.bits", name = "name",
  } do
    it(("%s is %s"):format(short, long), function()
      assert.same(long, base():path(short))
      assert.same(long, base():path(long))
    end)
  end

  for path, message in pairs {
    etta = "an experiment has no 'etta' (did you mean 'eta'?)",
    ["training.etta"] = "training has no 'etta' (did you mean 'eta'?)",
    ["cost.nois"] = "stage 'cost' has no 'nois' (did you mean 'noise'?)",
    ["chip.cots.noise"] = "the chip has no 'cots' (did you mean 'cost'?)",
    ["cost.noise.sigm"] = "hw.noise has no 'sigm' (did you mean 'sigma'?)",
    ["cost.drift"] = "hw.drift cannot stand in stage 'cost'",
    ["network.activtion"] = "the network has no 'activtion' (did you mean 'activation'?)",
    ["stop.acuracy"] = "stop has no 'acuracy' (did you mean 'accuracy'?)",
    ["training.perturbation.amplitud"] =
      "perturbation has no 'amplitud' (did you mean 'amplitude'?)",
    ["training.init.lo"] = "init has no 'lo'",
    ["seeds.last"] = "seeds has no 'last'",
    [""] = "a parameter is named by a string",
  } do
    it(("%q is refused"):format(path), function()
      local line = debug.getinfo(1, "l").currentline + 2
      local text = fails(message, function()
        base():path(path)
      end)
      assert.truthy(text:find("experiment_paths_spec.lua:" .. line, 1, true), text)
    end)
  end

  it("is refused where the chip has no models", function()
    local exp = mgd.experiment { name = "lua", data = support.ONE, steps = 10,
      chip = mgd.chip { parameters = 1, evaluate = function(_, x)
        return mgd.zeros { x.shape[1], 1 }
      end }, training = { perturbation = { amplitude = 0.1 } } }
    fails("the chip is a function and has no models", exp.path, exp, "cost.noise")
  end)

  it("reads what is there", function()
    local exp = base()
    assert.same(0.1, exp:get "cost.noise")
    assert.same(0.2, exp:get "cost.noise2")
    assert.same("walsh", exp:get "perturbation.code")
    assert.same({ cost = 0.04 }, exp:get "stop")
    assert.is_nil(exp:get "weights.bits")
    local all = exp:parameters()
    assert.same(0.3, all["chip.weights.gain.spread"])
    assert.same("[2,2,1]", all["network.sizes"])
    assert.same("xor", all["data.name"])
  end)
end)

describe("experiment:with", function()
  it("changes a copy", function()
    local exp = base()
    local hash = exp.hash
    local changed = exp:with { name = "b", eta = 3, ["cost.noise2"] = 0.5, ["stop.cost"] = 0.01,
      steps = 10 }
    assert.same({ "b", 3, 0.5, 0.01, 10 }, { changed.name, changed:get "eta",
      changed:get "cost.noise2",
      changed:get "stop.cost", changed:get "steps" })
    assert.same(0.1, changed:get "cost.noise")
    assert.same(2, exp:get "eta")
    assert.same(hash, base().hash)
  end)

  it("adds models that the chip has not got", function()
    local exp = base { chip = {} }:with { ["cost.noise"] = 0.1, ["weights.bits"] = 4,
      ["perturbation.bandwidth"] = 0.5, ["update.noise"] = 0.01 }
    local expected = base { chip = { cost = mgd.hw.noise { sigma = 0.1 },
      weights = mgd.hw.levels { bits = 4 },
      perturbation = mgd.hw.path { bandwidth = 0.5 }, update = mgd.hw.noise { sigma = 0.01 } } }
    assert.same(expected.hash, exp.hash)
    fails("the chip has 2 of hw.noise in stage 'cost'", function()
      base():with { ["cost.noise4"] = 1 }
    end)
  end)

  it("puts noise of a write before the law that writes", function()
    local exp = base { chip = { update = mgd.hw.soft_bounds { w_min = -1, w_max = 1 } } }
    local names = {}
    for i, model in ipairs(exp:with { ["update.noise"] = 0.1 }:resolved().chip.update) do
      names[i] = model.name
    end
    assert.same({ "noise", "soft_bounds" }, names)
  end)

  it("takes whole sections, before what is in them", function()
    local exp = base():with { training = { eta = 1, perturbation = { code = "random",
      amplitude = 1 } },
      ["training.eta"] = 5, chip = { cost = mgd.hw.noise { sigma = 9 } }, data = { "parity",
        bits = 2 },
      network = { 2, 3, 1 } }
    assert.same(5, exp:get "eta")
    assert.same("random", exp:get "perturbation.code")
    assert.same(9, exp:get "cost.noise")
    assert.is_nil(exp:get "weights.spread")
    assert.same("parity", exp:get "data.name")
  end)

  it("is the same as making it so", function()
    local made = base { training = { eta = 3, tau_theta = 4, perturbation = { code = "walsh",
      amplitude = 0.05 } } }
    assert.same(made.hash, base():with { eta = 3 }.hash)
    assert.is_true(base():with {} == base())
  end)

  it("refuses what the experiment would refuse", function()
    for _, case in ipairs { { { eta = "x" }, "eta" }, { { tau_theta = 0 }, "tau_theta" },
      { { ["cost.noise"] = -1 }, "sigma" }, { { ["eta.x"] = 1 }, "" }, { { steps = 0 }, "steps" },
      { { etta = 1 }, "did you mean 'eta'" }, { { seeds = 0 }, "seeds" } } do
      fails(case[2], function()
        base():with(case[1])
      end)
    end
    fails("expected a table of path = value, got number", function()
      base():with(3)
    end)
  end)
end)
