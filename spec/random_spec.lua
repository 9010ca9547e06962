-- Random streams: Philox4x32-10 (Salmon et al. 2011) and what is drawn from it.

local mgd = require "mgd"
local core = require "mgd.core"

local quick = os.getenv "MGD_SPEC_QUICK" ~= nil

local function hex(...)
  local words = {...}
  for i, word in ipairs(words) do
    words[i] = ("%08x"):format(word)
  end
  return table.concat(words, " ")
end

-- Φ by the complementary error function, Abramowitz and Stegun 7.1.26: error below 1.5e-7.
local function normal_cdf(x)
  local z = math.abs(x) / math.sqrt(2)
  local t = 1 / (1 + 0.3275911 * z)
  local tail = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027
    + t * 1.061405429)))) * math.exp(-z * z)
  return x < 0 and tail / 2 or 1 - tail / 2
end

-- Largest distance between the empirical and the given distribution function (Kolmogorov).
local function kolmogorov(values, cdf)
  table.sort(values)
  local n, worst = #values, 0
  for i, value in ipairs(values) do
    local f = cdf(value)
    worst = math.max(worst, f - (i - 1) / n, i / n - f)
  end
  return worst
end

local function correlation(a, b)
  local n, sa, sb, aa, bb, ab = #a, 0, 0, 0, 0, 0
  for i = 1, n do
    sa, sb, ab = sa + a[i], sb + b[i], ab + a[i] * b[i]
    aa, bb = aa + a[i] * a[i], bb + b[i] * b[i]
  end
  return (ab - sa * sb / n) / math.sqrt((aa - sa * sa / n) * (bb - sb * sb / n))
end

describe("Philox4x32-10", function()
  -- Random123's own kat_vectors.
  it("gives the known answer for counter and key 0", function()
    assert.equal("6627e8d5 e169c58d bc57ac4c 9b00dbd8", hex(core.base.philox(0, 0, 0, 0, 0, 0)))
  end)

  it("gives the known answer for counter and key of all ones", function()
    local ones = 0xffffffff
    assert.equal("408f276d 41c83b0e a20bc7c6 6d5451fd",
      hex(core.base.philox(ones, ones, ones, ones, ones, ones)))
  end)

  it("gives the known answer for the digits of pi", function()
    assert.equal("d16cfe09 94fdcceb 5001e420 24126ea1",
      hex(core.base.philox(0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822,
        0x299f31d0)))
  end)

  it("is counted by index, step, replica and stream, and keyed by the seed", function()
    local seed, stream, replica, step, index = 0x12345 * 2 ^ 32 + 0x6789abcd, 0x7e,
      0x123456 * 2 ^ 24 + 0xabcdef, 0xfe * 2 ^ 32 + 0xdcba9876, 0xf0e1d2c3
    assert.equal(
      hex(core.base.philox(index, 0xdcba9876, 0xabcdef * 256 + 0xfe, 0x7e * 2 ^ 24 + 0x123456,
        0x6789abcd, 0x12345)),
      hex(core.base.random_words(seed, stream, replica, step, index)))
  end)

  it("takes negative seeds as the two's complement of 64 bits", function()
    assert.equal(hex(core.base.philox(0, 0, 0, 2 ^ 24, 0xffffffff, 0xffffffff)),
      hex(core.base.random_words(-1, 1, 0, 0, 0)))
  end)
end)

describe("random streams", function()
  it("differ wherever seed, stream, replica, step or index differ", function()
    local seen, count = {}, 0
    for seed = 0, 3 do
      for stream = 0, 3 do
        for replica = 0, 3 do
          for step = 0, 3 do
            for index = 0, 3 do
              local word = hex(core.base.random_words(seed, stream, replica, step, index))
              assert.is_nil(seen[word])
              seen[word] = true
              count = count + 1
            end
          end
        end
      end
    end
    assert.equal(4 ^ 5, count)
  end)

  it("do not repeat after 2^32 steps or 2^24 replicas", function()
    local first = hex(core.base.random_words(1, 4, 1, 1, 0))
    assert.not_equal(first, hex(core.base.random_words(1, 4, 1, 1 + 2 ^ 32, 0)))
    assert.not_equal(first, hex(core.base.random_words(1, 4, 1 + 2 ^ 24, 1, 0)))
  end)

  -- 4 × 8,192 words: each bit is 1 in 16,384 ± 90 of 32,768; five deviations for 32 bits.
  it("have fair bits", function()
    local ones = {}
    for i = 0, 8191 do
      for _, word in ipairs {core.base.random_words(7, 4, 1, i, 0)} do
        for bit = 1, 32 do
          ones[bit] = (ones[bit] or 0) + word % 2
          word = math.floor(word / 2)
        end
      end
    end
    for bit = 1, 32 do
      assert.is_true(math.abs(ones[bit] - 16384) < 5 * math.sqrt(32768) / 2)
    end
  end)
end)

describe("distributions", function()
  local n = quick and 4000 or 40000
  -- Kolmogorov's D·√n stays below 1.95 in 999 of 1,000 samples.
  local bound = 1.95 / math.sqrt(n)

  it("rand is uniform on the open interval", function()
    local t = mgd.rand({n}, {seed = 11})
    assert.is_true(t:min() > 0 and t:max() < 1)
    assert.is_true(kolmogorov(t:totable(), function(x) return x end) < bound)
  end)

  it("randn is standard normal", function()
    local values = mgd.randn({n}, {seed = 12}):totable()
    assert.is_true(kolmogorov(values, normal_cdf) < bound)
  end)

  -- Standard errors: mean 1/√n, variance √(2/n), fourth moment √(96/n); four of them.
  it("randn has mean 0, variance 1 and fourth moment 3", function()
    local t = mgd.randn({n}, {seed = 13})
    assert.is_true(math.abs(t:mean()) < 4 / math.sqrt(n))
    assert.is_true(math.abs((t ^ 2):mean() - 1) < 4 * math.sqrt(2 / n))
    assert.is_true(math.abs((t ^ 4):mean() - 3) < 4 * math.sqrt(96 / n))
  end)

  -- Neighbours share one Philox block (Box and Muller): their correlation is 0 ± 1/√n.
  it("randn has independent neighbours", function()
    local values = mgd.randn({n}, {seed = 14}):totable()
    local even, odd = {}, {}
    for i = 1, n / 2 do
      odd[i], even[i] = values[2 * i - 1], values[2 * i]
    end
    assert.is_true(math.abs(correlation(odd, even)) < 4 / math.sqrt(n / 2))
  end)

  it("randn of two seeds are independent", function()
    local a, b = mgd.randn({n}, {seed = 15}):totable(), mgd.randn({n}, {seed = 16}):totable()
    assert.is_true(math.abs(correlation(a, b)) < 4 / math.sqrt(n))
  end)
end)

describe("trap: the same random key for every tensor", function()
  local schemes = {"uniform", "normal", "glorot_uniform", "glorot_normal", "he_uniform",
    "he_normal"}

  -- 1,024 weights in each of three layers of one shape: correlation 0 ± 1/32; four deviations.
  for _, scheme in ipairs(schemes) do
    it("does not show in equal-shaped layers under " .. scheme, function()
      local net = mgd.nn.mlp{32, 32, 32, 32, dtype = "f64"}
      local theta = net:init{scheme = scheme, seed = 3}:theta()
      local layers = {}
      for i = 1, 3 do
        local first = (i - 1) * (32 * 32 + 32)
        layers[i] = theta[{{first + 1, first + 32 * 32}}]:totable()
      end
      for i = 1, 3 do
        for j = i + 1, 3 do
          assert.is_true(math.abs(correlation(layers[i], layers[j])) < 4 / 32)
        end
      end
    end)
  end
end)
