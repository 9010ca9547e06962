--- Numbers at their edges: values that are all equal, whose mean is rounded; that lie as close
-- together as numbers do; whose squares or sums are beyond what a number holds; nan and infinity.

local mgd = require "mgd"
local support = require "spec.support.train"

local fails_here = support.fails_here
local nn, stats = mgd.nn, mgd.stats
local ULP, MOST, LEAST = 2 ^ -52, 1.7e308, 2 ^ -1074
local nan, inf = 0 / 0, math.huge

local function copies(value, n)
  local list = {}
  for i = 1, n do
    list[i] = value
  end
  return list
end

local function count(n)
  local list = {}
  for i = 1, n do
    list[i] = i
  end
  return list
end

-- Constants that are no dyadic numbers: 0.1 + 0.1 + 0.1 is not 3 · 0.1.
local CONSTANTS = { { 0.1, 3 }, { 0.3, 254 }, { 1.81, 1448 }, { 0.576, 1448 }, { 1e300, 7 },
  { -1e-300, 7 }, { 0.125, 254 } }

local ONE_TO_THREE = math.sqrt(2 / 3) -- standard deviation of 1, 2, 3

describe("values that are all equal", function()
  it("have their own value as mean, and no deviation", function()
    for _, case in ipairs(CONSTANTS) do
      local list = copies(case[1], case[2])
      assert.equal(case[1], stats.mean(list))
      assert.equal(0, stats.std(list))
      assert.equal(0, mgd.tensor(list):var())
      assert.equal(0, mgd.tensor(list):std())
    end
  end)

  it("have no correlation, and no exponent", function()
    for _, case in ipairs(CONSTANTS) do
      local list, other = copies(case[1], case[2]), count(case[2])
      fails_here("all x are equal: no correlation can be told", stats.correlation, list, other)
      fails_here("all y are equal: no correlation can be told", stats.correlation, other, list)
      fails_here("all x are equal: no correlation can be told", stats.correlation, list, list)
      if case[1] > 0 then
        fails_here("all x are equal: no exponent can be told", stats.power_law, list, other)
      end
    end
  end)

  it("as y of a power law are an exponent of 0, and all of it is told", function()
    local law = stats.power_law({ 1, 2, 4, 8, 16 }, copies(0.3, 5))
    assert.near(0, law.exponent, 1e-15)
    assert.near(0.3, law.factor, 1e-15)
    assert.equal(1, law.r2)
  end)
end)

describe("values that lie as close together as numbers do", function()
  local list = { 1, 1 + ULP, 1 + 2 * ULP }

  it("have their deviation and their correlation", function()
    assert.near(1, stats.std(list) / ULP, 1e-12)
    assert.near(ONE_TO_THREE, mgd.tensor(list):std() / ULP, 1e-12)
    assert.near(1, stats.correlation(list, { 1, 2, 3 }), 1e-12)
    assert.near(-1, stats.correlation(list, { 3, 2, 1 }), 1e-12)
  end)

  it("have it among many that are equal", function()
    local many = copies(0.3, 254)
    many[100] = 0.3 + ULP / 4
    -- one of n that is off by d: a variance of d²/n, from n − 1
    assert.near(1, stats.std(many) / (ULP / 4 / math.sqrt(254)), 1e-9)
    assert.near(1, mgd.tensor(many):std() / (ULP / 4 * math.sqrt(253) / 254), 1e-9)
  end)
end)

describe("values whose squares or sums no number holds", function()
  it("have mean, deviation and correlation", function()
    for _, scale in ipairs { 1e200, 1e-200, 1e307, 1e-300 } do
      local list = { scale, 2 * scale, 3 * scale }
      assert.near(1, stats.std(list) / scale, 1e-12)
      assert.near(ONE_TO_THREE, mgd.tensor(list):std() / scale, 1e-12)
      assert.near(1, stats.correlation(list, { 1, 2, 3 }), 1e-12)
      assert.near(-1, stats.correlation({ 3, 2, 1 }, list), 1e-12)
      assert.near(1, stats.correlation(list, list), 1e-12)
    end
    assert.equal(MOST, stats.mean { MOST, MOST, MOST })
    assert.near(MOST, mgd.tensor({ MOST, MOST, MOST }):mean(), MOST * ULP)
    assert.equal(MOST, mgd.tensor({ -MOST, MOST }):std())
    assert.near(1, stats.correlation({ -MOST, 0, MOST }, { LEAST, 2 * LEAST, 3 * LEAST }), 1e-12)
  end)

  it("are named where they are errors beside y", function()
    fails_here("option 'sigma': element 1 is 1e-10 beside a y of 1e+200", stats.power_law,
      { 1, 2, 3 }, { 1e200, 2, 3 }, { sigma = { 1e-10, 1, 1 } })
  end)

  it("may be the ends of a progression", function()
    assert.same({ -MOST, -MOST / 2, 0, MOST / 2, MOST }, mgd.linspace(-MOST, MOST, 5):totable())
    assert.same({ 3, 2, 1 }, mgd.linspace(3, 1, 3):totable())
    fails_here("linspace: from 0 to inf: expected finite ends", mgd.linspace, 0, inf, 3)
  end)

  it("are drawn as parameters where the network holds them", function()
    local net = nn.mlp { 2, 2, 1, dtype = "f64" }
    net:init { scheme = "uniform", low = -MOST, high = MOST }
    assert.is_true(net:theta():abs():max() <= MOST)
    net = nn.mlp { 2, 2, 1 }
    fails_here("beyond what f32 holds", net.init, net, { scheme = "uniform", low = 1e39,
      high = 2e39 })
    assert.equal(0, net:theta():abs():max())
  end)
end)

describe("infinity and nan", function()
  it("are refused by what has no value for them", function()
    fails_here("mgd.stats.std: element 2 is inf: expected a finite number", stats.std, { 1, inf })
    fails_here("mgd.stats.correlation: element 1 is -inf", stats.correlation, { -inf, 1 }, { 1, 2 })
    fails_here("inf and -inf among the values", stats.mean, { inf, 1, -inf })
    assert.equal(inf, stats.mean { inf, 1 })
  end)

  it("are no budgets, whoever solved", function()
    for _, solved in ipairs { { 3, nan }, { nan }, { 3, 4 } } do
      fails_here("option 'budget' must be a number, a list or a tensor, got NaN",
        stats.time_to_solution, solved, { budget = nan })
    end
    fails_here("element 2 is nan", stats.time_to_solution, { 3, nan }, { budget = { 5, nan } })
    assert.equal(3, stats.time_to_solution({ 3, 4, nan }, { budget = mgd.full({ 3 }, 5) })
      :quantile(0.3))
  end)
end)
