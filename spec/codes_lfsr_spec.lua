-- The code lfsr: its registers against shifts in plain Lua, balance, products over a period.

local codes = require "spec.support.codes"
local mgd = require "mgd"
local fails = require("spec.support.errors").fails

local quick = os.getenv "MGD_SPEC_QUICK" ~= nil
local pattern, products = codes.pattern, codes.products

describe("lfsr", function()
  -- Xilinx XAPP 052, table 3, typed in again.
  local TAPS = {
    [2] = {2, 1}, [3] = {3, 2}, [4] = {4, 3}, [5] = {5, 3}, [6] = {6, 5}, [7] = {7, 6},
    [8] = {8, 6, 5, 4}, [9] = {9, 5}, [10] = {10, 7}, [11] = {11, 9}, [12] = {12, 6, 4, 1},
    [13] = {13, 4, 3, 1}, [14] = {14, 5, 3, 1}, [15] = {15, 14}, [16] = {16, 15, 13, 4},
    [17] = {17, 14}, [18] = {18, 11}, [19] = {19, 6, 2, 1}, [20] = {20, 17},
  }

  -- A register of m stages as a chip has it, all ones at first: what the last stage shows.
  local function register(m, count)
    local stages, shown = {}, {}
    for t = 1, m do
      stages[t] = 1
    end
    for n = 1, count do
      shown[n] = stages[m]
      local sum = 0
      for _, tap in ipairs(TAPS[m]) do
        sum = sum + stages[tap]
      end
      table.insert(stages, 1, sum % 2)
      stages[m + 1] = nil
    end
    return shown
  end

  it("is a register, and parameter i its sequence i slots ahead", function()
    for _, case in ipairs {{1, 2}, {2, 2}, {3, 3}, {6, 3}, {7, 4}, {9, 4}, {14, 4}, {15, 5},
      {100, 7}, {220, 8}} do
      local p, m = case[1], case[2]
      local slots = 2 * (2 ^ m - 1)
      local code = {code = "lfsr", bits = m}
      local s, shown = pattern(code, p, slots):totable(), register(m, slots + p)
      for k = 1, slots do
        for i = 1, p do
          assert.equal(1 - 2 * shown[k + i - 1], s[k][i])
        end
      end
    end
  end)

  it("has as many bits as it takes for 64·P slots, or for P + 1 when balanced", function()
    for _, case in ipairs {{1, 7, 2}, {9, 10, 4}, {14, 10, 4}, {15, 10, 5}, {16, 11, 5},
      {220, 14, 8}} do
      local p = case[1]
      assert.same(pattern({code = "lfsr", bits = case[2]}, p, 50):totable(),
        pattern("lfsr", p, 50):totable())
      assert.same(pattern({code = "lfsr", balanced = true, bits = case[3]}, p, 50):totable(),
        pattern({code = "lfsr", balanced = true}, p, 50):totable())
    end
  end)

  it("has the longest period, 2^m − 1, for every m up to 20", function()
    for m = 2, quick and 12 or 20 do
      local period = 2 ^ m - 1
      local s = pattern({code = "lfsr", bits = m}, 1, period + 64)
      assert.equal(-1, s[{{1, period}}]:sum())
      assert.same(s[{{1, 64}}]:totable(), s[{{period + 1, period + 64}}]:totable())
      -- a shorter cycle of length c would repeat after it, and c divides the period
      for divisor = 2, math.floor(math.sqrt(period)) do
        if period % divisor == 0 then
          for _, c in ipairs {divisor, math.floor(period / divisor)} do
            assert.is_false(s[{{1, 32}}]:allclose(s[{{c + 1, c + 32}}]), "m = " .. m)
          end
        end
      end
    end
  end)

  -- Exact: sums of ±1.
  it("has sums of −1 over a period, of each parameter and of each product", function()
    for _, p in ipairs {2, 9, 100} do
      local m = 2
      while 2 ^ m - 1 < p + 1 do
        m = m + 1
      end
      local period = 2 ^ m - 1
      local s = pattern({code = "lfsr", bits = m}, p, period)
      assert.is_true(s:sum(1):min() == -1 and s:sum(1):max() == -1)
      assert.is_true(products(s):allclose(mgd.eye(p) * (period + 1) - 1, {rtol = 0}))
    end
  end)

  it("balanced has one slot of +1 more, mean 0 and orthogonal parameters", function()
    for _, p in ipairs {1, 2, 9, 100} do
      local m = 2
      while 2 ^ m - 1 < p + 1 do
        m = m + 1
      end
      local plain = pattern({code = "lfsr", bits = m}, p, 400)
      local period = 2 ^ m
      local s = pattern({code = "lfsr", balanced = true}, p, 2 * period)
      assert.same(plain[{{1, period - 1}}]:totable(), s[{{1, period - 1}}]:totable())
      assert.equal(p, s[{{period, period}}]:sum())
      assert.same(s[{{1, period}}]:totable(), s[{{period + 1, 2 * period}}]:totable())
      local one = s[{{1, period}}]
      assert.is_true(one:sum(1):abs():max() == 0)
      assert.is_true(products(one):allclose(mgd.eye(p) * period, {rtol = 0}))
    end
  end)

  it("flips in odd periods with alternate", function()
    local s = pattern({code = "lfsr", bits = 4}, 9, 15)
    local both = pattern({code = "lfsr", bits = 4, alternate = true}, 9, 45)
    assert.same(s:totable(), both[{{1, 15}}]:totable())
    assert.same((-s):totable(), both[{{16, 30}}]:totable())
    assert.same(s:totable(), both[{{31, 45}}]:totable())
  end)

  it("refuses a register with too few phases", function()
    fails("a register of bits = 3 shows 7 phases: expected 4 to 30 bits for 9 parameters", pattern,
      {code = "lfsr", bits = 3}, 9, 4)
    fails("option 'bits' must be an integer ≥ 2 and ≤ 30, got 31", pattern,
      {code = "lfsr", bits = 31}, 9, 4)
  end)
end)
