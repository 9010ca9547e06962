--- Ranges of sweeps and tolerances at their edges, and parameters under two names.

local mgd = require "mgd"
local ranges = require "mgd.studies.ranges"
local support = require "spec.support.train"

local fails, fails_here = support.fails, support.fails_here

local function base(changes)
  return mgd.experiment(support.options({ name = "b", data = "xor", steps = 10,
    network = { 2, 2, 1, activation = "sigmoid", output = "sigmoid" }, stop = { cost = 0.01 },
    training = { eta = 2, perturbation = { amplitude = 0.1 } } }, changes))
end

local function points(kind, given)
  return mgd.sweep { base = base(), [kind] = given }.points
end

describe("a range", function()
  it("goes from its first number to its last", function()
    assert.equal(2, ranges.at(2, 6, 0))
    assert.equal(3, ranges.at(2, 6, 0.25))
    assert.near(4, ranges.at(2, 8, 0.5, true), 1e-14)
    assert.near(4, ranges.at(8, 2, 0.5, true), 1e-14)
  end)

  it("may be as wide as numbers are", function()
    assert.equal(0, ranges.at(-1.7e308, 1.7e308, 0.5))
    assert.equal(-1.7e308, ranges.at(-1.7e308, 1.7e308, 0))
    assert.equal(1.7e308, ranges.at(-1.7e308, 1.7e308, 1))
    assert.near(1, ranges.at(1e-300, 1e300, 0.5, true), 1e-12)
    assert.near(1, ranges.at(1e300, 1e-300, 0.5, true), 1e-12)
  end)

  it("of integers has the whole numbers within it alone, equally often", function()
    for _, kind in ipairs { "random", "sobol", "halton" } do
      local counts, n = {}, 600
      for _, point in ipairs(points(kind, { n = n, ["training.tau_theta"] = { 0.5, 3.9,
        integer = true } })) do
        local value = point["training.tau_theta"]
        counts[value] = (counts[value] or 0) + 1
      end
      -- 1, 2 and 3, each a third of the draws: σ is √(600·2/9) = 11.5, five of which are 58
      assert.is_nil(counts[0])
      assert.is_nil(counts[4])
      for value = 1, 3 do
        assert.near(n / 3, counts[value], 58)
      end
    end
  end)

  it("of integers on a logarithmic scale stays within its ends", function()
    for _, point in ipairs(points("random", { n = 100, ["training.tau_theta"] = { 1.4, 3.6,
      integer = true, log = true } })) do
      local value = point["training.tau_theta"]
      assert.is_true(value == 2 or value == 3)
    end
  end)

  it("of integers may hold a single one, and not none", function()
    for _, point in ipairs(points("random", { n = 5, ["training.tau_theta"] = { 0.5, 1.5,
      integer = true } })) do
      assert.equal(1, point["training.tau_theta"])
    end
    fails_here("'training.tau_theta': there is no whole number from 1.2 to 1.8", mgd.sweep,
      { base = base(), random = { n = 2, ["training.tau_theta"] = { 1.2, 1.8, integer = true } } })
  end)

  it("of a tolerance has whole numbers within it alone", function()
    local map = mgd.tolerance { experiment = base { steps = 1 }, seeds = 1, workers = 1,
      vary = { tau_theta = { from = 3.9, to = 0.5, n = 9, integer = true } } }
    assert.same({ 3, 2, 1 }, map.variations[1].values)
    fails("there is no whole number from 1.2 to 1.8", mgd.tolerance, { experiment = base(),
      vary = { tau_theta = { from = 1.2, to = 1.8, integer = true } } })
  end)

  for what, range in pairs { ["upside down"] = { 2, 1 }, ["without width"] = { 2, 2 },
    ["from nan"] = { 0 / 0, 1 }, ["to nan"] = { 1, 0 / 0 }, ["to infinity"] = { 1, 1 / 0 },
    ["from 0 on a logarithmic scale"] = { 0, 1, log = true } } do
    it(what .. " is an error, however points are drawn", function()
      for _, kind in ipairs { "random", "sobol", "halton" } do
        fails("eta", mgd.sweep, { base = base(), [kind] = { n = 2, eta = range } })
      end
    end)
  end

  it("of choices takes nothing else", function()
    fails_here("unknown option 'log'", mgd.sweep, { base = base(), random = { n = 2,
      eta = { choices = { 1, 2 }, log = true } } })
  end)
end)

describe("a parameter under two names", function()
  local TWICE = "parameter 'training.eta' is given twice, as 'eta' and as 'training.eta'"
  local one, other = { 1, 2 }, { 10, 20 }

  it("is an error of a sweep, whatever its points are", function()
    for kind, given in pairs {
      list = { { eta = 5, ["training.eta"] = 7 } },
      grid = { eta = one, ["training.eta"] = other },
      random = { n = 2, eta = one, ["training.eta"] = other },
      sobol = { n = 2, eta = one, ["training.eta"] = other },
      halton = { n = 2, eta = one, ["training.eta"] = other },
    } do
      fails_here(TWICE, mgd.sweep, { base = base(), [kind] = given })
    end
  end)

  it("is an error of a change, and of a tolerance", function()
    fails_here(TWICE, base().with, base(), { eta = 5, ["training.eta"] = 7 })
    fails_here(TWICE, mgd.tolerance, { experiment = base(),
      vary = { eta = one, ["training.eta"] = other } })
  end)

  it("is an error of a store's conditions", function()
    local store = mgd.store()
    base():run { store = store }
    fails_here(TWICE, store.runs, store, { where = { eta = 2, ["training.eta"] = 3 } })
  end)

  it("is an error among the options of data", function()
    fails_here("data: option 'bits' is given twice", base, { data = { name = "parity", bits = 3,
      options = { bits = 4 } } })
  end)
end)
