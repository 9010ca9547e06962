-- The order of samples: natural, or a permutation per epoch and replica. A chip in Lua reads the
-- numbers of the samples from x itself.

local mgd = require "mgd"

local quick = os.getenv "MGD_SPEC_QUICK" ~= nil

-- The numbers of the samples in the order in which `steps` steps show them.
local function shown(n, steps, opts)
  local order = {}
  local chip = mgd.chip{parameters = 1, evaluate = function(_, x)
    local rows = x:reshape{x.size}:totable()
    for i = 1, #rows do
      order[#order + 1] = rows[i]
    end
    return mgd.zeros{x.shape[1], 1}
  end}
  local options = {chip = chip, baseline = "none", eta = 0, cost = function() return 0 end,
    data = {x = mgd.arange(n):reshape{n, 1} + 1, y = mgd.zeros{n, 1}}}
  for name, value in pairs(opts or {}) do
    options[name] = value
  end
  mgd.train(options).core:advance(steps)
  return order
end

local function epoch(order, n, e)
  local list = {}
  for i = 1, n do
    list[i] = order[(e - 1) * n + i]
  end
  return list
end

local function is_permutation(list)
  local seen = {}
  for i = 1, #list do
    local value = list[i]
    if seen[value] or value < 1 or value > #list or value ~= math.floor(value) then
      return false
    end
    seen[value] = true
  end
  return true
end

describe("shuffle = false", function()
  it("shows the samples in order 1, 2, …, N, 1, …", function()
    assert.same({1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2}, shown(5, 12, {shuffle = false}))
  end)

  it("takes batches across the end of the set", function()
    assert.same({1, 2, 3, 4, 5, 1, 2, 3, 4}, shown(5, 3, {shuffle = false, batch = 3}))
    assert.same({1, 2, 1, 2, 1, 2, 1, 2, 1, 2}, shown(2, 2, {shuffle = false, batch = 5}))
  end)

  it("shows each batch for τ_x steps", function()
    assert.same({1, 2, 1, 2, 1, 2, 3, 1, 3, 1},
      shown(3, 5, {shuffle = false, batch = 2, tau_x = 3}))
  end)

  it("is the same for every replica", function()
    assert.same({1, 2, 3}, shown(3, 3, {shuffle = false, replica = 9, seed = 4}))
  end)
end)

describe("shuffle = true", function()
  it("makes each epoch a permutation, for N from 1 to 300", function()
    for n = 1, 300, quick and 7 or 1 do
      local order = shown(n, 3, {batch = n})
      for e = 1, 3 do
        assert.is_true(is_permutation(epoch(order, n, e)), "N = " .. n)
      end
    end
  end)

  for _, n in ipairs {1023, 1024, 1025, 4097, 44136} do
    it("makes each epoch a permutation, for N = " .. n, function()
      local order = shown(n, 2, {batch = n})
      assert.is_true(is_permutation(epoch(order, n, 1)))
      assert.is_true(is_permutation(epoch(order, n, 2)))
    end)
  end

  it("does not depend on the batch", function()
    for _, n in ipairs {10, 300} do
      local one = shown(n, 3 * n)
      assert.same(one, shown(n, 3, {batch = n}))
      local seven, flat = shown(n, math.floor(3 * n / 7), {batch = 7}), {}
      for i = 1, #seven do
        flat[i] = one[i]
      end
      assert.same(flat, seven)
    end
  end)

  it("does not depend on how the run is cut into calls", function()
    for _, n in ipairs {10, 300} do
      local order = {}
      local chip = mgd.chip{parameters = 1, evaluate = function(_, x)
        order[#order + 1] = x[1][1]
        return mgd.zeros{1, 1}
      end}
      local run = mgd.train{chip = chip, baseline = "none", eta = 0, cost = function() return 0 end,
        data = {x = mgd.arange(n):reshape{n, 1} + 1, y = mgd.zeros{n, 1}}}
      for _, steps in ipairs {1, 2, n - 3, 1, 5, n} do
        run.core:advance(steps)
      end
      assert.same(shown(n, 2 * n + 6), order)
    end
  end)

  for _, n in ipairs {8, 300, 5000} do
    it(("differs from epoch to epoch, replica to replica and seed to seed, N = %d"):format(n),
      function()
        local order = shown(n, 2, {batch = n})
        assert.not_same(epoch(order, n, 1), epoch(order, n, 2))
        assert.not_same(epoch(order, n, 1), shown(n, 1, {batch = n, replica = 2}))
        assert.not_same(epoch(order, n, 1), shown(n, 1, {batch = n, seed = 2}))
        assert.same(order, shown(n, 2, {batch = n}))
      end)
  end

  it("shows every sample in every epoch to every replica of an ensemble of its own", function()
    local orders = {}
    local chip = mgd.chip{parameters = 1, evaluate = function(_, x)
      orders[#orders + 1] = x:reshape{12}:totable()
      return mgd.zeros{12, 1}
    end}
    mgd.train{chip = chip, baseline = "none", eta = 0, batch = 12, replicas = 4,
      cost = function() return 0 end,
      data = {x = mgd.arange(12):reshape{12, 1} + 1, y = mgd.zeros{12, 1}}}.core:advance(1)
    assert.equal(4, #orders)
    for r = 1, 4 do
      assert.is_true(is_permutation(orders[r]))
      assert.same(shown(12, 1, {batch = 12, replica = r}), orders[r])
    end
  end)

  -- 2,400 epochs of 4 samples: χ² over the 24 permutations has 23 degrees of freedom; it is below
  -- 58.6 in 9,999 of 10,000.
  it("draws all permutations of a small set alike", function()
    local epochs, counts, chi = 2400, {}, 0
    local order = shown(4, epochs, {batch = 4})
    for e = 1, epochs do
      local key = table.concat(epoch(order, 4, e), " ")
      counts[key] = (counts[key] or 0) + 1
    end
    local kinds = 0
    for _, count in pairs(counts) do
      kinds = kinds + 1
      chi = chi + (count - epochs / 24) ^ 2 / (epochs / 24)
    end
    assert.equal(24, kinds)
    assert.is_true(chi < 58.6, "χ² = " .. chi)
  end)

  -- 800 epochs of 300 samples: the place of each sample in ten bins, 80 ± 8.5 in each; χ² of 3,000
  -- bins with 300 × 9 degrees of freedom: 2,700 ± 73, five deviations.
  it("puts every sample everywhere, in a set too large for a table", function()
    local n, epochs, counts = 300, quick and 200 or 800, {}
    local order = shown(n, epochs, {batch = n})
    for at = 1, n * epochs do
      local bin = order[at] * 10 + math.floor((at - 1) % n * 10 / n)
      counts[bin] = (counts[bin] or 0) + 1
    end
    local chi, expected = 0, epochs / 10
    for bin = 10, n * 10 + 9 do
      chi = chi + ((counts[bin] or 0) - expected) ^ 2 / expected
    end
    assert.is_true(math.abs(chi - 2700) < 5 * math.sqrt(2 * 2700), "χ² = " .. chi)
  end)
end)
