--- Values at the paths of experiments: what is listed can be read, and setting it changes nothing.

local mgd = require "mgd"
local support = require "spec.support.train"

local fails = support.fails
local hw, nn = mgd.hw, mgd.nn

local function base(changes)
  local opt = {
    name = "xor", data = "xor", network = { 2, 2, 1 }, steps = 2000, every = 100,
    training = { eta = 2, tau_theta = 4, perturbation = { code = "walsh", amplitude = 0.05 } },
    stop = { cost = 0.04 }, seeds = 4,
  }
  for key, value in pairs(changes or {}) do
    opt[key] = value
  end
  return mgd.experiment(opt)
end

local EXPERIMENTS = {
  plain = {},
  ["data with options"] = { data = { "parity", bits = 2 } },
  ["tensors for data"] = { data = { x = mgd.ones { 3, 2 }, y = mgd.zeros { 3, 1 } } },
  layers = { network = { input = 2, nn.dense(3), nn.relu(), nn.dense(3), nn.tanh(), nn.dense(1) } },
  chip = { chip = { seed = 3, clock = { dt = 1e-6, energy = { write = 1e-12 } },
    cost = { hw.noise { sigma = 0.1 }, hw.noise { sigma = 0.2, law = "proportional" } },
    weights = { hw.levels { table = { -1, 0, 1 } }, hw.gain { spread = 0.1 } },
    perturbation = hw.path { lowpass = { tau = 1e-6, poles = 2 }, bits = 3, range = { -1, 1 } },
    update = { hw.noise { sigma = 0.1 }, hw.soft_bounds { w_min = -2 } } } },
  schedules = { training = { eta = { "cosine", 0.1, steps = 2000 }, perturbation = {
    amplitude = { "exponential", 0.1, factor = 0.5, every = 100 } } } },
  adam = { training = { optimizer = "adam", eta = 0.1, init = { scheme = "glorot_normal" },
    perturbation = { amplitude = 0.1 } } },
  ["stop and probes"] = { stop = { cost = 0.1, accuracy = 1 }, probes = { "angle" },
    every = "log" },
}

describe("every parameter that is listed", function()
  for what, changes in pairs(EXPERIMENTS) do
    it("can be read, and set to what it is: " .. what, function()
      local exp, count = base(changes), 0
      for path, value in pairs(exp:parameters()) do
        assert.equal(path, exp:path(path))
        local found = exp:get(path)
        assert.equal(value, type(found) == "table" and mgd.json.encode(found) or found, path)
        local own = path == "data.fingerprint" or path:find "^data" and changes.data
          and changes.data.x
        if not own then
          local same = exp:with { [path] = found }
          assert.equal(exp.hash, same.hash, path)
          count = count + 1
        end
      end
      assert.is_true(count > 20)
    end)
  end

  it("is a change of its own when it is changed", function()
    local exp, seen = base(EXPERIMENTS.chip), {}
    for path, value in pairs(exp:parameters()) do
      if type(value) == "number" and path:find "^chip%.[cw]" and not path:find "bits$" then
        local changed = exp:with { [path] = value == 0 and 0.25 or value * 1.5 }
        local diff = exp:diff(changed)
        local alone = path ~= "chip.clock.dt" -- is training.dt, too
        assert.equal(alone and 1 or 2, #diff, path .. "\n" .. tostring(diff))
        assert.equal(path, diff[1].path)
        seen[#seen + 1] = path
      end
    end
    assert.is_true(#seen >= 8)
  end)
end)

describe("experiment:get", function()
  it("gives lists and sections as copies", function()
    local exp = base(EXPERIMENTS.chip)
    assert.same({ 2, 2, 1 }, exp:get "network.sizes")
    assert.same({ 1e-6, 2 }, { exp:get "perturbation.lowpass".tau,
      exp:get "chip.perturbation.path.lowpass.poles" })
    local models = exp:get "chip.cost"
    assert.same({ "noise", "noise" }, { models[1].name, models[2].name })
    assert.same({ first = 1, count = 4 }, exp:get "seeds")
    assert.equal(4, exp:get "seeds.count")
    assert.equal("xor", exp:get "name")
    assert.same({ "cost", "accuracy" }, exp:get "probes")
    exp:get("chip.cost")[1].params.sigma = 9
    assert.equal(0.1, exp:get "cost.noise")
  end)

  it("knows data by their options", function()
    local exp = base { data = { "parity", bits = 2 } }
    assert.equal(2, exp:get "data.bits")
    assert.equal("data.bits", exp:path "data.options.bits")
    assert.equal("f32", exp:get "data.dtype")
    assert.equal(3, exp:with { ["data.bits"] = 3, ["network.sizes"] = { 3, 4, 1 } }:get "data.bits")
    assert.equal("xor", base():with({ ["data.name"] = "xor" }):get "data.name")
  end)
end)

describe("experiment:with", function()
  it("takes sections in the forms that experiments take, and changes within", function()
    local exp = base():with { network = { 2, 5, 1 }, ["network.activation"] = "tanh",
      data = { "parity", bits = 2 }, ["data.dtype"] = "f64", seeds = 3, ["seeds.first"] = 2,
      perturbation = "random", ["perturbation.amplitude"] = 0.3,
      chip = mgd.chip { net = nn.mlp { 2, 5, 1, activation = "tanh" }, seed = 9 } }
    assert.same({ 2, 5, 1 }, exp:get "network.sizes")
    assert.same({ "tanh", 2, "f64", "random", 0.3, 9 }, { exp:get "network.activation",
      exp:get "data.bits", exp:get "data.dtype", exp:get "perturbation.code",
      exp:get "perturbation.amplitude", exp:get "chip.seed" })
    assert.same({ first = 2, count = 3 }, exp:get "seeds")
  end)

  it("takes a chip in Lua in place of the network", function()
    local chip = mgd.chip { parameters = 1, evaluate = function(theta, x)
      return mgd.full({ x.shape[1], 1 }, theta[1])
    end }
    local exp = base():with { chip = chip }
    assert.is_nil(exp:get "network")
    assert.equal(1, exp:parameters()["chip.parameters"])
    fails("the chip is a function and has no models", exp.with, exp, { ["cost.noise"] = 1 })
  end)

  it("changes parts of schedules", function()
    local exp = base(EXPERIMENTS.schedules)
    local changed = exp:with { ["training.eta.steps"] = 30 }
    assert.equal(30, changed:get "eta.steps")
    assert.same({ "cosine", 0.1 }, changed:get "eta.schedule")
    local higher = exp:with { ["training.eta.schedule"] = { "cosine", 0.2 } }
    assert.same({ "cosine", 0.2 }, higher:get "eta.schedule")
    assert.equal(0.5, exp:with({ eta = 0.5 }):get "eta")
    fails("'eta' has no parts", function()
      base():with { ["training.eta.steps"] = 30 }
    end)
  end)

  it("puts the second model of a name behind the first", function()
    local exp = base { chip = { update = { hw.path { lowpass = 2 }, hw.noise { sigma = 1 },
      hw.soft_bounds {} } } }:with { ["update.noise2"] = 2, ["cost.noise"] = 3,
      ["cost.noise2"] = 4 }
    local names = {}
    for i, model in ipairs(exp:get "chip.update") do
      names[i] = model.name
    end
    assert.same({ "path", "noise", "noise", "soft_bounds" }, names)
    assert.same({ 1, 2, 3, 4 }, { exp:get "update.noise", exp:get "update.noise2",
      exp:get "cost.noise1", exp:get "cost.noise2" })
  end)

  local REFUSED = {
    ["one parameter twice"] = { { eta = 1, ["training.eta"] = 3 },
      "parameter 'training.eta' is given twice, as 'eta' and as 'training.eta'" },
    ["a model's main parameter twice"] = { { ["cost.noise"] = 1, ["cost.noise.sigma"] = 3 },
      "parameter 'chip.cost.noise.sigma' is given twice" },
    ["a model 0"] = { { ["cost.noise0"] = 1 },
      "stage 'cost' has no 'noise0' (did you mean 'noise'?)" },
    ["dots at the end"] = { { ["training."] = 1 }, "a name is missing beside a dot" },
    ["dots at the beginning"] = { { [".eta"] = 1 }, "a name is missing beside a dot" },
    ["parts of numbers"] = { { ["cost.noise.sigma.x"] = 1 }, "'sigma' has no parts" },
    ["parts of the steps"] = { { ["steps.x"] = 1 }, "'steps' has no parts" },
    ["nothing but paths"] = { { paths = 1 }, "an experiment has no 'paths'" },
    ["an option of runs"] = { { threads = 1 }, "it belongs to experiment:run{…}" },
    ["an option that is said elsewhere"] = { { ["training.replicas"] = 1 },
      "an experiment says it by 'seeds'" },
    ["an unknown part of the clock"] = { { ["chip.clock.dtt"] = 1 },
      "the clock has no 'dtt' (did you mean 'dt'?)" },
    ["an unknown energy"] = { { ["chip.clock.energy.writ"] = 1 }, "did you mean 'write'?" },
    ["numbers for names"] = { { 3 }, "a parameter is named by a string such as \"training.eta\"" },
    ["another network than the chip's"] = { { chip = mgd.chip { net = nn.mlp { 2, 9, 1 } } },
      "the chip has a network of its own, and option 'network' says another" },
  }
  for what, case in pairs(REFUSED) do
    it("refuses " .. what .. ", at the line where it stands", function()
      local exp, line = base(), nil
      local message = fails(case[2], function()
        line = debug.getinfo(1, "l").currentline + 1
        local _ = exp:with(case[1])
      end)
      assert.truthy(message:find("experiment_values_spec.lua:" .. line .. ": ", 1, true), message)
    end)
  end

  it("refuses options of tensors", function()
    fails("the data are tensors of yours, which have no options", function()
      base(EXPERIMENTS["tensors for data"]):with { ["data.bits"] = 3 }
    end)
    fails("a network of layers has no 'activation'", function()
      base(EXPERIMENTS.layers):with { ["network.activation"] = "tanh" }
    end)
  end)
end)
