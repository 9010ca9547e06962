-- Data sets made of others: training and test, inputs of mean 0 and deviation 1, labels from 0.

local mgd = require "mgd"
local fails = require("spec.support.errors").fails_here

local function numbered(n, recipe)
  return recipe and mgd.data.parity { bits = recipe } or mgd.data.from {
    x = mgd.from({ n, 2 }, function(i, j) return i * 10 + j end),
    y = mgd.from({ n, 1 }, function(i) return -i end) }
end

describe("set:split", function()
  it("deals every sample out once, with its target", function()
    for _, case in ipairs { { 10, 0.2, 2 }, { 7, 0.5, 4 }, { 2, 0.99, 1 }, { 3, 1e-9, 1 },
      { 1000, 0.25, 250 } } do
      local n, seen = case[1], {}
      local set = numbered(n):split { test = case[2], seed = 3 }
      assert.equal(case[3], set.test.x.shape[1])
      assert.equal(n - case[3], set.x.shape[1])
      for _, part in ipairs { set, set.test } do
        for i = 1, part.x.shape[1] do
          local sample = -part.y[i][1]
          assert.same({ sample * 10 + 1, sample * 10 + 2 }, part.x[i]:totable())
          assert.is_nil(seen[sample])
          seen[sample] = true
        end
      end
      for i = 1, n do
        assert.is_true(seen[i])
      end
    end
  end)

  it("follows from the seed alone", function()
    local set = numbered(50)
    local function print_of(seed)
      return set:split { test = 0.3, seed = seed }:fingerprint()
    end
    assert.equal(print_of(4), print_of(4))
    assert.equal(print_of(nil), print_of(1))
    assert.is_true(print_of(4) ~= print_of(5))
  end)

  it("puts each sample into the test set as often", function()
    local counts, draws = {}, 2000
    for seed = 1, draws do
      for _, row in ipairs(numbered(5):split({ test = 0.4, seed = seed }).test.y:totable()) do
        counts[-row[1]] = (counts[-row[1]] or 0) + 1
      end
    end
    for i = 1, 5 do -- 800 ± 22: five standard deviations
      assert.is_true(math.abs(counts[i] - 0.4 * draws) < 5 * math.sqrt(draws * 0.24))
    end
  end)

  it("has a recipe where the set has one, and is trained on like any", function()
    local set = numbered(nil, 4):split { test = 0.25, seed = 2 }
    assert.equal(set:fingerprint(), mgd.data.restore(set.recipe):fingerprint())
    assert.is_nil(numbered(8):split { test = 0.25 }.recipe)
    local exp = mgd.experiment { name = "split", data = set, network = { 4, 3, 1 }, steps = 4 }
    assert.equal(0.25, exp:resolved().data.options.test)
    exp:run()
  end)

  it("leaves the set as it was, views and all", function()
    local set = mgd.data.nist7x7():subset { first = 100, last = 199 }
    local before = set:fingerprint()
    assert.equal(20, #set:split { test = 0.2 }.test.x)
    assert.equal(before, set:fingerprint())
  end)

  it("refuses shares that are none, a second split, and one sample", function()
    local set = numbered(10)
    for _, share in ipairs { 0, -0.1, 1, 1.5, 0 / 0, 1 / 0 } do
      fails("test", set.split, set, { test = share })
    end
    fails("test", set.split, set, {})
    local both = set:split { test = 0.5 }
    fails("has a test set already", both.split, both, { test = 0.5 })
    fails("a single sample", function()
      numbered(1):split { test = 0.5 }
    end)
  end)
end)

describe("set:normalise", function()
  local raw = mgd.data.from { x = mgd.tensor { { 1, 5, 1e9 }, { 3, 5, 1e9 + 2 },
    { 8, 5, 1e9 + 4 } },
    y = mgd.zeros { 3, 1 }, test = { x = mgd.tensor { { 4, 6, 0 } }, y = mgd.zeros { 1, 1 } } }

  it("gives each feature mean 0 and deviation 1, and the test set the same figures", function()
    local set = raw:normalise()
    local mean, std = { 4, 5, 1e9 + 2 }, { math.sqrt(26 / 3), 1, math.sqrt(8 / 3) }
    for k = 1, 3 do
      assert.is_true(math.abs(set.normalisation.mean[k] - mean[k]) < 1e-6)
      assert.is_true(math.abs(set.normalisation.std[k] - std[k]) < 1e-6)
      for i = 1, 3 do
        assert.is_true(math.abs(set.x[i][k] - (raw.x[i][k] - mean[k]) / std[k]) < 1e-9)
      end
      assert.is_true(math.abs(set.test.x[1][k] - (raw.test.x[1][k] - mean[k]) / std[k]) < 1e-6)
    end
    assert.equal("feature", set.normalisation.per)
    assert.equal(8, raw.x[3][1])
  end)

  it("takes a feature for constant whose deviation is rounding", function()
    local set = mgd.data.from { x = mgd.full({ 1000, 2 }, 0.1), y = mgd.zeros { 1000, 1 } }
      :normalise()
    assert.equal(1, set.normalisation.std[1])
    assert.is_true(set.x:abs():max() < 1e-12)
  end)

  it("refuses a feature whose square is no number", function()
    local set = mgd.data.from { x = mgd.tensor({ { 1, 1e308 }, { 2, -1e308 } }, { dtype = "f64" }),
      y = mgd.zeros { 2, 1 } }
    local ok, message = pcall(set.normalise, set)
    assert.is_false(ok)
    assert.is_truthy(message:find("normalise: feature 2 reaches 1e+308", 1, true), message)
  end)

  it("takes one mean and one deviation for all, where that is asked for", function()
    local images = mgd.data.from { x = mgd.rand({ 20, 1, 4, 4 }, { seed = 1, dtype = "f32" }),
      y = mgd.zeros { 20, 1 } }
    local set = images:normalise { per = "set" }
    assert.equal("f32", set.x.dtype)
    assert.same({ 20, 1, 4, 4 }, set.x.shape)
    assert.is_number(set.normalisation.mean)
    assert.is_true(math.abs(set.x:to "f64":mean()) < 1e-6)
    assert.is_true(math.abs((set.x:to "f64" ^ 2):mean() - 1) < 1e-5)
    assert.same({ 1, 4, 4 }, images:normalise().normalisation.mean.shape)
  end)

  it("takes the pixels of a channel together, where that is asked for", function()
    local x = mgd.randn({ 20, 3, 4, 5 }, { seed = 1 })
    for c = 1, 3 do
      x[{ { 1, 20 }, c }] = x[{ { 1, 20 }, c }] * c + 10 * c
    end
    local set = mgd.data.from { x = x, y = mgd.zeros { 20, 1 } }:normalise { per = "channel" }
    for c = 1, 3 do
      local raw_pixels, pixels = x[{ { 1, 20 }, c }]:clone(), set.x[{ { 1, 20 }, c }]:clone()
      assert.is_true(math.abs(set.normalisation.mean[c]:item() - raw_pixels:mean()) < 1e-12)
      assert.is_true(math.abs(pixels:mean()) < 1e-12)
      assert.is_true(math.abs((pixels ^ 2):mean() - 1) < 1e-12)
    end
    assert.equal(set:fingerprint(), mgd.data.from { x = set.normalisation:apply(x), y = set.y }
      :fingerprint())
    fails("per = \"channel\" is for samples of two dimensions or more, as images have: these have "
      .. "the shape 3", raw.normalise, raw, { per = "channel" })
  end)

  it("counts what never changes, and says so", function()
    local set = raw:normalise()
    assert.equal(1, set.normalisation.constant)
    assert.truthy(tostring(set):find("test 1, normalised per feature, 1 of 3 constant", 1, true))
    assert.equal(0, mgd.data.xor():normalise().normalisation.constant)
    assert.is_nil(raw.normalisation)
  end)

  it("treats new inputs by the same figures", function()
    local set = raw:normalise()
    assert.same(set.test.x:totable(), set.normalisation:apply(raw.test.x):totable())
    local bytes = mgd.data.from { x = mgd.tensor({ { 0, 255 }, { 10, 5 } }, { dtype = "u8" }),
      y = mgd.zeros { 2, 1 } }:normalise()
    local new = bytes.normalisation:apply(mgd.tensor({ { 0, 255 } }, { dtype = "u8" }))
    assert.equal("f32", new.dtype)
    assert.same({ { -1, 1 } }, new:totable())
    fails("normalisation:apply: expected a tensor (B, 3), got 2×2", function()
      set.normalisation:apply(mgd.zeros { 2, 2 })
    end)
  end)

  it("is made again when a run is resumed", function()
    local path = os.tmpname()
    finally(function() os.remove(path) end)
    local set = mgd.data.parity { bits = 4 }:normalise { per = "set" }
    local run = mgd.train { net = mgd.nn.mlp { 4, 1 }, data = set, eta = 0.1, init = {} }
    run.core:advance(3)
    run:save(path)
    local again = mgd.resume(path)
    run.core:advance(5)
    again.core:advance(5)
    assert.same(run:theta():totable(), again:theta():totable())
  end)

  it("has a recipe where the set has one", function()
    local set = mgd.data.parity { bits = 3 }:split { test = 0.25 }:normalise()
    assert.equal(set:fingerprint(), mgd.data.restore(set.recipe):fingerprint())
    fails("per", set.normalise, set, { per = "row" })
  end)
end)

describe("labels", function()
  local x = mgd.zeros { 4, 2 }

  it("may begin at 0", function()
    local set = mgd.data.from { x = x, y = mgd.tensor({ 0, 2, 1, 0 }, { dtype = "i32" }),
      classes_from = 0 }
    assert.same({ { 1, 0, 0 }, { 0, 0, 1 }, { 0, 1, 0 }, { 1, 0, 0 } }, set.y:totable())
    local more = mgd.data.from { x = x, y = mgd.tensor { 0, 1, 1, 0 }, classes = 4,
      classes_from = 0,
      test = { x = x, y = mgd.tensor { 3, 3, 3, 0 } } }
    assert.same({ 4, 4 }, more.y.shape)
    assert.equal(1, more.test.y[1][4])
    assert.same({ 1, 0 }, mgd.data.sequences { x = mgd.zeros { 1, 3, 1 }, classes = 2,
      classes_from = 0, y = mgd.tensor { 0 } }.y[1]:totable())
  end)

  it("out of range are named, with their place", function()
    fails("label 0 at [2] is not one of the integers 1 to 3", mgd.data.from, { x = x, classes = 3,
      y = mgd.tensor { 1, 0, 3, 1 } })
    fails("label 3 at [3] is not one of the integers 0 to 2", mgd.data.from, { x = x, classes = 3,
      y = mgd.tensor { 1, 0, 3, 1 }, classes_from = 0 })
    fails("label 0.5 at [4] is not one of the integers 0 to 2", mgd.data.from, { x = x, classes = 3,
      y = mgd.tensor { 1, 0, 2, 0.5 }, classes_from = 0 })
    fails("classes_from", mgd.data.from, { x = x,
      y = mgd.zeros { 4 }, classes = 3, classes_from = 2 })
  end)
end)
