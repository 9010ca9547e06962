-- mgd.sobol and mgd.halton against what defines them: radical inverses, and points that fill every
-- box of certain sizes equally.

local mgd = require "mgd"
local fails_here = require("spec.support.train").fails_here

-- Digits of i to a base, mirrored at the point.
local function radical_inverse(i, base)
  local value, place = 0, 1 / base
  while i > 0 do
    local digit = i % base
    value, i, place = value + digit * place, (i - digit) / base, place / base
  end
  return value
end

local function primes(n)
  local list, candidate = {}, 2
  while #list < n do
    local prime = true
    for _, p in ipairs(list) do
      if p * p > candidate then
        break
      elseif candidate % p == 0 then
        prime = false
        break
      end
    end
    list[#list + 1] = prime and candidate or nil
    candidate = candidate + 1
  end
  return list
end

describe("mgd.halton", function()
  it("has radical inverses to the first primes, in all of its 1229 dimensions", function()
    local bases, points = primes(1229), mgd.halton(40, 1229):totable()
    for i, point in ipairs(points) do
      for k, base in ipairs(bases) do
        assert(math.abs(point[k] - radical_inverse(i, base)) < 1e-14, i .. ", " .. k)
      end
    end
  end)

  it("goes on where it is told to", function()
    local all = mgd.halton(50, 3)
    assert.same(all[{ { 21, 50 } }]:totable(), mgd.halton(30, 3, { skip = 20 }):totable())
  end)
end)

describe("mgd.sobol", function()
  it("begins with the points that SciPy has in two dimensions", function()
    -- scipy.stats.qmc.Sobol(2, scramble=False), which has the origin before them
    assert.same({ { 0.5, 0.5 }, { 0.75, 0.25 }, { 0.25, 0.75 }, { 0.375, 0.375 }, { 0.875, 0.875 },
      { 0.625, 0.125 }, { 0.125, 0.625 }, { 0.1875, 0.3125 } }, mgd.sobol(8, 2):totable())
  end)

  it("has, with the origin, one point in each 2^-10 of each of 40 dimensions", function()
    local points = mgd.sobol(1023, 40)
    assert.equal("f64", points.dtype)
    local rows = points:totable()
    for k = 1, 40 do
      local seen = { [0] = true }
      for _, row in ipairs(rows) do
        local cell = row[k] * 1024
        assert(cell % 1 == 0 and cell < 1024 and not seen[cell], k)
        seen[cell] = true
      end
    end
  end)

  it("is a (0, 8, 2) net: one point in each box of area 2^-8, of whatever shape", function()
    local rows = mgd.sobol(255, 2):totable()
    table.insert(rows, { 0, 0 })
    for bits = 0, 8 do
      local seen = {}
      for _, row in ipairs(rows) do
        local cell = math.floor(row[1] * 2 ^ bits) * 2 ^ (8 - bits)
          + math.floor(row[2] * 2 ^ (8 - bits))
        assert(not seen[cell], bits)
        seen[cell] = true
      end
    end
  end)

  it("goes on where it is told to", function()
    local all = mgd.sobol(50, 7)
    assert.same(all[{ { 21, 50 } }]:totable(), mgd.sobol(30, 7, { skip = 20 }):totable())
  end)
end)

describe("points that fill space", function()
  it("integrate better than random ones", function()
    -- ∏ 2·x_k over 5 dimensions has the mean 1 and the variance (4/3)^5 − 1 = 3.2: 4,000 random
    -- points err by 0.028. Halton's errs by 0.009, Sobol's by 0.001; half of the random error, and
    -- a tenth of it, are asked for.
    for sequence, most in pairs { [mgd.sobol] = 0.0028, [mgd.halton] = 0.014 } do
      local sum = 0
      for _, row in ipairs(sequence(4000, 5):totable()) do
        local product = 1
        for k = 1, 5 do
          product = product * 2 * row[k]
        end
        sum = sum + product
      end
      assert(math.abs(sum / 4000 - 1) < most, sum / 4000)
    end
  end)

  it("are refused in too many dimensions or numbers, at the caller's line", function()
    fails_here("mgd.sobol: 41 dimensions: expected at most 40", mgd.sobol, 4, 41)
    fails_here("mgd.halton: 1230 dimensions: expected at most 1229", mgd.halton, 4, 1230)
    fails_here("mgd.sobol: expected the number of points and of dimensions, got 4 and nil",
      mgd.sobol, 4)
    fails_here("got 0 and 2", mgd.sobol, 0, 2)
    fails_here("got 1.5 and 2", mgd.halton, 1.5, 2)
    fails_here("points, skipped ones included: expected at most 2^30 − 1", mgd.sobol, 2, 2,
      { skip = 2 ^ 30 })
    fails_here("mgd.sobol: unknown option 'skp' (did you mean 'skip'?)", mgd.sobol, 2, 2,
      { skp = 1 })
  end)
end)
