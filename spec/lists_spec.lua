--- Lists with holes, {a, condition and b or nil, c}: refused wherever the library takes a list, by
-- the index, at the user's line; nothing behind a hole is dropped without a word.

local mgd = require "mgd"
local support = require "spec.support.train"

local hw, nn, stats = mgd.hw, mgd.nn, mgd.stats
local fails, fails_here = support.fails, support.fails_here

local levels, noise = hw.levels { bits = 2 }, hw.read_noise { sigma = 0.1 }
local series = { y = { 1, 2 } }

local function net()
  return nn.mlp { 2, 2, 1, activation = "sigmoid", output = "sigmoid" }
end

local function experiment(changes)
  return mgd.experiment(support.options({ name = "x", data = "xor", steps = 10,
    network = { 2, 2, 1, activation = "sigmoid", output = "sigmoid" },
    training = { perturbation = { amplitude = 0.1 } }, stop = { cost = 0.01 } }, changes))
end

local function train(changes)
  return mgd.train(support.options({ net = net(), data = mgd.data.xor(), tau_theta = 4,
    perturbation = { amplitude = 0.1 } }, changes))
end

describe("a list with a hole", function()
  local HELD = { 1, nil, 3 }
  local CASES = {
    ["of values"] = function() stats.mean(HELD) end,
    ["of a median"] = function() stats.median(HELD) end,
    ["of a deviation"] = function() stats.std(HELD) end,
    ["of quantiles"] = function() stats.quantile({ 1, 2 }, { 0.1, nil, 0.9 }) end,
    ["of bands"] = function() stats.bands(mgd.ones { 2, 2 }, { 0.1, nil, 0.9 }) end,
    ["of a bootstrap"] = function() stats.bootstrap(HELD) end,
    ["of solved steps"] = function() stats.time_to_solution(HELD, { budget = 5 }) end,
    ["of budgets"] = function() stats.time_to_solution({ 1, 2, 3 }, { budget = { 5, nil, 5 } }) end,
    ["of correlated values"] = function() stats.correlation({ 1, 2, 3 }, HELD) end,
    ["of a power law"] = function() stats.power_law(HELD, { 1, 2, 3 }) end,
    ["of its errors"] = function()
      stats.power_law({ 1, 2, 3 }, { 1, 2, 3 }, { sigma = { 1, nil, 1 } })
    end,
    ["of sizes"] = function() nn.mlp { 2, nil, 1 } end,
    ["of layers"] = function() nn.sequential { input = 2, nn.dense(2), nil, nn.dense(1) } end,
    ["of a residual"] = function() nn.residual { nn.dense(2), nil, nn.relu() } end,
    ["of branches"] = function() nn.concat { nn.dense(2), nil, nn.dense(1) } end,
    ["of a layer's shape"] = function() nn.reshape { 2, nil, 2 } end,
    ["of an input's shape"] = function()
      nn.sequential { input = { 1, nil, 2 }, nn.dense(1) }
    end,
    ["of models"] = function() mgd.chip { net = net(), weights = { levels, nil, noise } } end,
    ["of models of an experiment"] = function()
      experiment { chip = { weights = { levels, nil, noise } } }
    end,
    ["of models of a change"] = function()
      experiment():with { ["chip.weights"] = { levels, nil, noise } }
    end,
    ["of levels"] = function() hw.levels { table = { -1, nil, 1 } } end,
    ["of a table's rows"] = function()
      hw.drift { law = "table", table = { { 0, 0, 0 }, nil, { 1, 0, 0 } } }
    end,
    ["of coefficients"] = function()
      hw.programming_noise { law = "polynomial", coefficients = { 1, nil, 1 } }
    end,
    ["of a pair"] = function() hw.path { clamp = { 0, nil, 1 } } end,
    ["of η"] = function() train { replicas = 3, eta = { 0.1, nil, 0.1 } } end,
    ["of replicas"] = function() train { replicas = 3, replica = { 1, nil, 3 } } end,
    ["of a schedule"] = function()
      train { eta = { "exponential", nil, 3 } }
    end,
    ["of amplitudes"] = function() train { perturbation = { amplitudes = { 1, nil, 1 } } } end,
    ["of signals"] = function()
      train { signals = { { outputs = 1, layers = 1 }, nil, { outputs = 1, layers = 2 } } }
    end,
    ["of probes"] = function()
      train():run { steps = 1, probes = { "cost", nil, "accuracy" } }
    end,
    ["of data"] = function() mgd.data.from { x = { { 1 }, { 2 } }, y = { 1, nil, 2 } } end,
    ["of sequences"] = function()
      mgd.data.sequences { x = { mgd.ones { 2 }, nil, mgd.ones { 2 } }, y = mgd.ones { 2, 1 } }
    end,
    ["of a grid's values"] = function()
      mgd.sweep { base = experiment(), grid = { eta = { 1, nil, 3 } } }
    end,
    ["of points"] = function()
      mgd.sweep { base = experiment(), list = { { eta = 1 }, nil, { eta = 3 } } }
    end,
    ["of choices"] = function()
      mgd.sweep { base = experiment(), random = { n = 3, eta = { choices = { 1, nil, 3 } } } }
    end,
    ["of time constants"] = function()
      mgd.time_constants { experiment = experiment(), tau_p = { 1, nil, 4 } }
    end,
    ["of a tolerance"] = function()
      mgd.tolerance { experiment = experiment(), vary = { ["cost.noise"] = { 0, nil, 1 } } }
    end,
    ["of series"] = function() mgd.plot { series, nil, series } end,
    ["of panels"] = function() mgd.plot { panels = { { series }, nil, { series } } } end,
    ["of points of a series"] = function() mgd.plot { { y = HELD } } end,
    ["of groups"] = function()
      local group = { label = "a", values = { 1 } }
      mgd.plot { { kind = "box", groups = { group, nil, group } } }
    end,
    ["of ticks"] = function() mgd.plot { series, x = { ticks = HELD } } end,
    ["of columns"] = function() mgd.store():query { columns = { "steps", nil, "cost" } } end,
    ["of wanted values"] = function()
      mgd.store():runs { where = { experiment = { "a", nil, "b" } } }
    end,
    ["of a report's experiments"] = function()
      mgd.report { store = mgd.store(), path = "r.html", experiments = { "a", nil, "b" } }
    end,
  }
  for what, make in pairs(CASES) do
    it(what .. " is refused by its index, at the line where it stands", function()
      local message = fails(": element 2 is nil, element 3 is not", make)
      assert.truthy(message:find "a list with holes" , message)
      assert.truthy(message:find "^[^:]*lists_spec%.lua:%d+: ", message)
    end)
  end

  it("says where it is, however deep", function()
    fails_here("mgd.chip: option 'weights': a list with holes: element 1 is nil, element 2 is not",
      mgd.chip, { net = net(), weights = { nil, levels } })
    local groups = { { label = "a", values = { 1, nil, 3 } } }
    fails_here("mgd.plot: element 1: 'groups': element 1: 'values': a list with holes: element 2 "
      .. "is nil", mgd.plot, { { kind = "box", groups = groups } })
  end)

  it("is refused with fields of a name among its elements, too", function()
    fails_here("mgd.stats.mean: 'n' among the elements of a list", stats.mean, { 1, 2, n = 2 })
    fails_here("store:query: option 'columns': 'cost' among the elements of a list",
      mgd.store().query, mgd.store(), { columns = { "steps", cost = true } })
  end)

  it("is looked for once in tables that hold themselves", function()
    local loop = { 1, 2 }
    loop.loop = loop
    fails_here("unknown option 'loop'", nn.mlp, loop)
    fails("option 'net' must be a network", mgd.train, { net = loop, data = {} })
  end)
end)
