--- Experiments, as they are made: what is the same however it was written, and what is refused.

local mgd = require "mgd"
local support = require "spec.support.train"

local fails = support.fails
local hw, nn = mgd.hw, mgd.nn

local MLP = { 2, 2, 1, activation = "sigmoid", output = "sigmoid" }
local HERE = "experiment_made_spec.lua:"

-- An experiment with some options changed; `false` takes one away.
local function base(changes)
  local opt = {
    name = "xor", data = "xor", network = MLP,
    training = { eta = 2, tau_theta = 4, perturbation = { code = "walsh", amplitude = 0.05 } },
    steps = 2000, every = 100, stop = { cost = 0.04 }, seeds = 4,
  }
  for key, value in pairs(changes or {}) do
    opt[key] = value or nil
  end
  return mgd.experiment(opt)
end

local function lua_chip(parameters)
  return mgd.chip { parameters = parameters, evaluate = function(theta, x)
    return mgd.full({ x.shape[1], 1 }, theta[1])
  end }
end

describe("an experiment's hash", function()
  local FORMS = {
    ["networks that nn made"] = { network = nn.mlp(MLP) },
    ["their layers"] = { network = { input = 2, nn.dense(2), nn.sigmoid(), nn.dense(1),
      nn.sigmoid() } },
    ["networks of chips"] = { network = false, chip = mgd.chip { net = nn.mlp(MLP) } },
    ["networks among options of the chip"] = { network = false, chip = { net = nn.mlp(MLP) } },
    ["data with their default"] = { data = { "xor", dtype = "f32" } },
    ["data by name"] = { data = { name = "xor", dtype = "f32" } },
    ["recipes"] = { data = { name = "xor", options = {} } },
    ["floats"] = { steps = 2e3, every = 1e2, seeds = { first = 1.0, count = 4.0 } },
    ["probes twice and in another order"] = { probes = { "accuracy", "cost", "accuracy" } },
  }
  for what, changes in pairs(FORMS) do
    it("is the same for " .. what, function()
      assert.equal(base().hash, base(changes).hash)
      assert.same(base():resolved(), base(changes):resolved())
    end)
  end

  it("is the same for a stop of nothing and none", function()
    assert.equal(base({ stop = false }).hash, base({ stop = {} }).hash)
  end)

  it("is of models, whether made or written down", function()
    local made = base { chip = { cost = { hw.noise { sigma = 0.1 }, hw.path { lowpass = 2 } },
      weights = hw.levels { table = { -1, 0, 1 } } } }
    local written = base { chip = { cost = { { name = "noise", params = { sigma = 0.1 } },
      { name = "path", params = { lowpass = 2 } } },
      weights = { name = "levels", params = { table = { -1, 0, 1 } } } } }
    assert.equal(made.hash, written.hash)
  end)

  it("sees the values of tensors", function()
    local seen = {}
    for i = 1, 3 do
      local exp = base { training = { perturbation = { code = "random", amplitude = 0.1,
        amplitudes = mgd.full({ 9 }, i) } } }
      assert.is_nil(seen[exp.hash])
      seen[exp.hash] = true
    end
    local function of(value)
      return base { data = { x = mgd.full({ 3, 2 }, value), y = mgd.zeros { 3, 1 } } }.hash
    end
    assert.equal(of(1), of(1))
    assert.not_equal(of(1), of(2))
  end)

  it("sees the order of models", function()
    local noise, path = hw.noise { sigma = 0.1 }, hw.path { lowpass = 2 }
    local a = base { chip = { cost = { noise, path } } }
    local b = base { chip = { cost = { path, noise } } }
    assert.not_equal(a.hash, b.hash)
    assert.equal("chip.cost  noise, path  →  path, noise", tostring(a:diff(b)))
  end)
end)

describe("an experiment", function()
  it("takes layers that are no mlp as they are", function()
    for _, list in ipairs { { nn.dense(4), nn.relu(), nn.dense(4), nn.tanh(), nn.dense(1) },
      { nn.residual { nn.dense(2) }, nn.dense(1) }, { nn.dense(1), nn.sigmoid(), nn.sigmoid() } } do
      list.input = 2
      local exp = base { network = list }
      assert.is_nil(exp:get("network").sizes)
      assert.equal(#list, #exp:get "network.layers")
      local again = mgd.experiment.from_plain(exp:resolved())
      assert.is_true(again == exp)
    end
  end)

  it("never changes", function()
    local exp = base()
    local message = fails("an experiment never changes: expected exp:with{name = …} for another",
      function()
        exp.name = "other"
      end)
    assert.truthy(message:find(HERE, 1, true))
    fails("never changes", function()
      exp.steps = 3
    end)
    local amplitudes = mgd.ones { 9 }
    local training = { perturbation = { code = "random", amplitude = 0.1,
      amplitudes = amplitudes } }
    local own = base { training = training }
    local hash, theta = own.hash, own:with({ steps = 20 }):run().run:theta():totable()
    amplitudes[1] = 7
    training.perturbation.amplitude = 3
    assert.same(theta, own:with({ steps = 20 }):run().run:theta():totable())
    assert.equal(hash, own:with({}).hash)
  end)

  it("is no other for being asked for what it has not", function()
    assert.is_nil(base().__steps)
    assert.is_false(base() == 3)
    assert.is_false(base() == base { name = "other" })
    assert.is_false(base() == base { seeds = 5 })
  end)

  it("says where functions differ, which are no parameters", function()
    local function eta(step)
      return 1 / (1 + step)
    end
    local function of(value)
      return base { training = { eta = value, perturbation = { amplitude = 0.1 } } }
    end
    assert.equal("no difference", tostring(of(eta):diff(of(eta))))
    local other = of(eta):diff(of(function() return 1 end))
    assert.equal(1, #other)
    assert.equal("training.eta", other[1].path)
    assert.is_false(of(eta) == of(eta)) -- nothing says what they do
    local text = tostring(of(eta))
    assert.truthy(text:find("training.eta +a function"), text)
  end)

  it("prints probes and every option", function()
    local text = tostring(base { probes = { "angle", "cost" }, every = "log",
      seeds = { first = 3, count = 2 } })
    for _, line in ipairs { "probes cost, angle", "2000 steps, rows every log, seeds 3 … 4",
      "training.perturbation.code             walsh", "data set xor: 4 samples" } do
      assert.truthy(text:find(line, 1, true), text)
    end
    assert.truthy(tostring(base { probes = {} }):find("probes none", 1, true))
  end)

  local REFUSED = {
    ["two networks"] = { { chip = mgd.chip { net = nn.mlp { 2, 3, 1 } } },
      "the chip has a network of its own, and option 'network' says another" },
    ["two networks, in options"] = { { chip = { net = nn.mlp { 2, 3, 1 } } }, "says another" },
    ["a net that is none"] = { { chip = { net = 3 } }, "chip: option 'net' must be a network" },
    ["a network beside a chip in Lua"] = { { chip = lua_chip(1) },
      "option 'network' has no effect: the chip is a function" },
    ["no steps"] = { { steps = false }, "option 'steps' is missing: it must be an integer ≥ 1" },
    ["no evaluations"] = { { evaluations = 1 }, "option 'evaluations': 1 are not enough for one" },
    ["no network"] = { { network = false }, "option 'network' is missing" },
    ["options of a network that are not known"] = { { network = { input = 2, nn.dense(1),
      inputs = 3 } }, "nn.sequential: unknown option 'inputs' (did you mean 'input'?)" },
    ["sizes that are none"] = { { network = { sizes = "2,2,1" } },
      "network: option 'sizes' must be a list of integers, got string" },
    ["a layer that is none"] = { { network = { input = 2, nn.dense(1), 3 } },
      "network: entry 2 is no layer such as nn.dense(4)" },
    ["probes that are not known"] = { { probes = { "cots" } }, "did you mean 'cost'?" },
    ["probes that are no names"] = { { probes = { 3 } }, "probe 1 must be a name, got number" },
    ["probes of one's own"] = { { probes = { "cost", mine = print } },
      "probe mine must be a name, got function" },
    ["data with options that are not known"] = { { data = { name = "parity", bit = 2 } },
      "did you mean 'bits'?" },
    ["recipes that are none"] = { { data = { name = "xro", options = {} } },
      "unknown data 'xro' (did you mean 'xor'?)" },
    ["data without a name"] = { { data = {} }, "option 'data' names none: expected \"xor\"" },
    ["an unknown model"] = { { chip = { cost = { name = "nois" } } },
      "stage 'cost': unknown model 'nois' (did you mean 'noise'?)" },
    ["models by name"] = { { chip = { cost = { noise = { sigma = 1 } } } },
      "stage 'cost': 'noise' is no model such as hw.noise{sigma = 0.1}, or {name = \"noise\"" },
    ["a model's parameters beside its name"] = { { chip = { cost = { name = "noise",
      sigma = 1 } } }, "stage 'cost': element 1 is no model" },
    ["holes among models"] = { { chip = { cost = { nil, hw.noise { sigma = 1 } } } },
      "'cost': a list with holes: element 1 is nil, element 2 is not" },
    ["η of each replica"] = { { training = { eta = { 1, 2, 3, 4 },
      perturbation = { amplitude = 0.1 } } }, "expected one η for all seeds; a sweep varies it" },
    ["too many seeds"] = { { seeds = { first = 2 ^ 52, count = 3 } }, "replica must be in [1, " },
  }
  for what, case in pairs(REFUSED) do
    it("refuses " .. what .. ", at the line where it stands", function()
      local line
      local message = fails(case[2], function()
        local opt = { name = "x", data = "xor", network = MLP, steps = 10,
          training = { perturbation = { amplitude = 0.1 } } }
        for key, value in pairs(case[1]) do
          opt[key] = value or nil
        end
        line = debug.getinfo(1, "l").currentline + 1
        local _ = mgd.experiment(opt)
      end)
      assert.truthy(message:find(HERE .. line .. ": ", 1, true), message)
    end)
  end
end)
