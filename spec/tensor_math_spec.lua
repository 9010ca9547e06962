-- Tensors: arithmetic, functions, products, reductions, comparison.

local mgd = require "mgd"
local fails = require("spec.support.errors").fails

local NAN, INF = 0 / 0, 1 / 0

-- Nested tables of numbers; integers and floats compare alike in them.
local function values(t)
  return t:totable()
end

local function matrix()
  return mgd.tensor{{1, 2, 3}, {4, 5, 6}}
end

describe("arithmetic", function()
  it("works on tensors and numbers from either side", function()
    local t = mgd.tensor{1, 2, 4}
    assert.same({2, 3, 5}, values(t + 1))
    assert.same({9, 8, 6}, values(10 - t))
    assert.same({1, 4, 16}, values(t * t))
    assert.same({4, 2, 1}, values(4 / t))
    assert.same({1, 4, 16}, values(t ^ 2))
    assert.same({2, 4, 16}, values(2 ^ t))
    assert.same({-1, -2, -4}, values(-t))
  end)

  it("broadcasts at the last dimension", function()
    local t = matrix()
    assert.same({{11, 22, 33}, {14, 25, 36}}, values(t + mgd.tensor{10, 20, 30}))
    assert.same({{11, 12, 13}, {24, 25, 26}}, values(t + mgd.tensor{{10}, {20}}))
    assert.same({2, 2, 3}, (t + mgd.zeros{2, 1, 1}).shape)
    assert.same({{11, 12, 13}, {14, 15, 16}}, values(mgd.tensor(10) + t))
    assert.same({0, 3}, (mgd.zeros{0, 3} + mgd.zeros{3}).shape)
  end)

  it("agrees with element-by-element arithmetic on strided operands", function()
    local a = mgd.randn({7, 5, 3}, {seed = 1}):transpose(1, 3)
    local b = mgd.randn({5, 14}, {seed = 2})[{{}, {1, 14, 2}}]
    local sum = a + b
    for i = 1, 3 do
      for j = 1, 5 do
        for k = 1, 7 do
          assert.equal(a[{i, j, k}] + b[{j, k}], sum[{i, j, k}])
        end
      end
    end
  end)

  it("spans many blocks", function()
    local t = mgd.arange(2000) * 2 + mgd.arange(2000)
    assert.equal(3 * 1999, t[2000])
    assert.equal(3 * 2000 * 1999 / 2, t:sum())
  end)

  it("names shapes that do not go together", function()
    fails("add: shapes 2x3 and 4x5 do not go together: 3 against 5", function()
      return mgd.zeros{2, 3} + mgd.zeros{4, 5}
    end)
  end)

  it("refuses other operands", function()
    fails("mul: expected a tensor or a number, got string", function() return matrix() * "2" end)
    fails("sub: expected a tensor or a number, got nil", function() return nil - matrix() end)
  end)

  it("promotes mixed types to the smaller one that holds both", function()
    local expected = {
      {"u8", "u8", "u8"}, {"u8", "i32", "i32"}, {"u8", "f32", "f32"}, {"u8", "f64", "f64"},
      {"i32", "i32", "i32"}, {"i32", "f32", "f64"}, {"i32", "f64", "f64"},
      {"f32", "f32", "f32"}, {"f32", "f64", "f64"}, {"f64", "f64", "f64"},
    }
    for _, case in ipairs(expected) do
      local a, b = mgd.ones({2}, {dtype = case[1]}), mgd.ones({2}, {dtype = case[2]})
      assert.equal(case[3], (a + b).dtype)
      assert.equal(case[3], (b + a).dtype)
    end
  end)

  it("keeps the tensor's type with numbers, but for integers with / ^ and fractions", function()
    local single, integer = mgd.ones({2}, {dtype = "f32"}), mgd.ones({2}, {dtype = "i32"})
    assert.equal("f32", (single * 0.1).dtype)
    assert.equal("i32", (integer * 2).dtype)
    assert.equal("f64", (integer * 0.5).dtype)
    assert.equal("f64", (integer / 1).dtype)
    assert.equal("f64", (integer ^ 2).dtype)
    assert.equal("f64", (integer / integer).dtype)
  end)

  it("never wraps integers", function()
    local t = mgd.tensor({200, 100}, {dtype = "u8"})
    fails("add: 300 does not fit u8 (0 to 255)", function() return t + 100 end)
    fails("neg: -200 does not fit u8", function() return -t end)
    local big = mgd.tensor({2 ^ 30}, {dtype = "i32"})
    fails("mul: 1.152921504606847e+18 does not fit i32", function()
      return big * big
    end)
  end)

  it("rounds f32 results as f32 arithmetic does", function()
    local third = mgd.ones({1}, {dtype = "f32"}) / 3
    assert.equal(11184811 / 2 ^ 25, third[1])
  end)
end)

describe("in-place arithmetic", function()
  it("changes the tensor and returns it", function()
    local t = mgd.tensor{1, 2, 3}
    assert.is_true(rawequal(t, t:add_(1):mul_(mgd.tensor{1, 10, 100})))
    assert.same({2, 30, 400}, values(t))
    t:sub_(2):div_(2):pow_(2)
    assert.same({0, 196, 39601}, values(t))
  end)

  it("broadcasts its argument only", function()
    local t = matrix():add_(mgd.tensor{10, 20, 30})
    assert.same({{11, 22, 33}, {14, 25, 36}}, values(t))
    fails("add_: shape 2x3 does not broadcast to shape 3", function()
      return mgd.zeros{3}:add_(matrix())
    end)
  end)

  it("gives the right answer when the argument overlaps", function()
    local t = mgd.arange(6)
    t[{{2, 6}}]:add_(t[{{1, 5}}])
    assert.same({0, 1, 3, 5, 7, 9}, values(t))
    local square = matrix()[{{}, {1, 2}}]
    square:add_(square:transpose())
    assert.same({{2, 6}, {6, 10}}, values(square))
    square:mul_(square)
    assert.same({{4, 36}, {36, 100}}, values(square))
    square:add_(square[1])
    assert.same({{8, 72}, {40, 136}}, values(square))
  end)

  it("leaves an integer tensor as it was when a result does not fit", function()
    local t = mgd.tensor({1, 2, 200}, {dtype = "u8"})
    fails("add: 256 does not fit u8", function() t:add_(56) end)
    fails("div: 0.5 is not an integer", function() t:div_(2) end)
    assert.same({1, 2, 200}, values(t))
    assert.same({2, 3, 201}, values(t:add_(1)))
  end)

  it("fills and copies", function()
    local t = mgd.zeros{2, 2}
    assert.same({{5, 5}, {5, 5}}, values(t:fill_(5)))
    assert.same({{1, 2}, {1, 2}}, values(t:copy_(mgd.tensor({1, 2}, {dtype = "u8"}))))
    assert.same({{3, 3}, {3, 3}}, values(t:copy_(3)))
  end)

  it("applies functions", function()
    local t = mgd.tensor{4, 9}
    assert.same({2, 3}, values(t:sqrt_()))
    assert.same({-2, -3}, values(t:neg_()))
  end)
end)

describe("functions", function()
  local points = {-3.5, -1, -0.25, 0, 0.25, 1, 3.5}

  local function agrees(name, reference)
    local t = mgd.tensor(points)
    local result = t[name](t)
    for i, x in ipairs(points) do
      local expected = reference(x)
      assert.is_true(math.abs(result[i] - expected) <= 1e-14 * math.abs(expected),
                     name .. " of " .. x)
    end
  end

  it("agree with the math library", function()
    agrees("exp", math.exp)
    agrees("abs", math.abs)
    agrees("sin", math.sin)
    agrees("cos", math.cos)
    agrees("floor", math.floor)
    agrees("tanh", function(x) return 1 - 2 / (math.exp(2 * x) + 1) end)
    agrees("sigmoid", function(x) return 1 / (1 + math.exp(-x)) end)
    agrees("sign", function(x) return x > 0 and 1 or x < 0 and -1 or 0 end)
  end)

  it("log and sqrt", function()
    assert.is_true(mgd.tensor{1, 2, 10}:log():allclose(
      mgd.tensor{0, math.log(2), math.log(10)}, {rtol = 1e-15}))
    assert.same({0, 1.5}, values(mgd.tensor{0, 2.25}:sqrt()))
  end)

  it("do not overflow in sigmoid", function()
    assert.same({0, 1}, values(mgd.tensor{-1000, 1000}:sigmoid()))
  end)

  it("turn integers into f64 where the result is fractional", function()
    local t = mgd.tensor({-1, 4}, {dtype = "i32"})
    assert.equal("f64", t:exp().dtype)
    assert.equal("i32", t:abs().dtype)
    assert.equal("i32", t:sign().dtype)
  end)

  it("clamp, minimum and maximum; NaN stays", function()
    assert.same({-1, 0.5, 1}, values(mgd.tensor{-7, 0.5, 7}:clamp(-1, 1)))
    assert.same({1, 2}, values(mgd.tensor{1, 5}:minimum(mgd.tensor{3, 2})))
    assert.same({3, 5}, values(mgd.tensor{1, 5}:maximum(3)))
    local t = mgd.tensor{NAN, 1}:maximum(mgd.tensor{1, NAN}):clamp(0, 1)
    assert.is_true(t[1] ~= t[1] and t[2] ~= t[2])
    fails("clamp: low (2) must not exceed high (1)", function() return t:clamp(2, 1) end)
  end)
end)

describe("matmul", function()
  -- Plain triple loop over Lua numbers, summed over k in natural order.
  local function product(a, b)
    local c = {}
    for i = 1, #a do
      c[i] = {}
      for j = 1, #b[1] do
        local sum = 0
        for k = 1, #b do
          sum = sum + a[i][k] * b[k][j]
        end
        c[i][j] = sum
      end
    end
    return c
  end

  it("equals a plain sum over k, bit for bit, for every remainder of the tiles", function()
    for _, size in ipairs{{1, 1, 1}, {4, 8, 4}, {5, 3, 9}, {3, 17, 2}, {13, 6, 21}} do
      local a = mgd.randn({size[1], size[2]}, {seed = 1})
      local b = mgd.randn({size[2], size[3]}, {seed = 2})
      assert.same(product(values(a), values(b)), values(a:matmul(b)))
    end
  end)

  it("takes transposed and strided operands", function()
    local a = mgd.randn({6, 5}, {seed = 1}):transpose()
    local b = mgd.randn({12, 7}, {seed = 2})[{{1, 12, 2}}]
    assert.same(product(values(a), values(b)), values(a:matmul(b)))
  end)

  it("multiplies matrices with vectors", function()
    local t = matrix()
    assert.same({14, 32}, values(t:matmul(mgd.tensor{1, 2, 3})))
    assert.same({9, 12, 15}, values(mgd.tensor{1, 2}:matmul(t)))
  end)

  it("keeps f32, within its rounding", function()
    local a = mgd.randn({20, 30}, {seed = 1, dtype = "f32"})
    local b = mgd.randn({30, 10}, {seed = 2, dtype = "f32"})
    local c = a:matmul(b)
    assert.equal("f32", c.dtype)
    -- 30 roundings of 2⁻²⁴ of sums of a few units
    assert.is_true(c:allclose(a:to "f64":matmul(b:to "f64"), {rtol = 0, atol = 30 * 2 ^ -24 * 40}))
  end)

  it("multiplies integers exactly, or says what does not fit", function()
    local t = mgd.tensor({{1, 2}, {3, 4}}, {dtype = "i32"})
    assert.equal("i32", t:matmul(t).dtype)
    assert.same({{7, 10}, {15, 22}}, values(t:matmul(t)))
    local big = mgd.full({2, 2}, 20000, {dtype = "i32"}) * 2
    fails("matmul: 3200000000 does not fit i32", function() return big:matmul(big) end)
  end)

  it("sums nothing to zero", function()
    assert.same({{0, 0}, {0, 0}}, values(mgd.zeros{2, 0}:matmul(mgd.zeros{0, 2})))
  end)

  it("names shapes that do not go together", function()
    fails("matmul: shapes 2x3 and 4x5 do not go together: 3 columns against 4 rows", function()
      return mgd.zeros{2, 3}:matmul(mgd.zeros{4, 5})
    end)
    fails("(for two vectors: t:dot(u))", function() return mgd.ones{2}:matmul(mgd.ones{2}) end)
  end)
end)

describe("reductions", function()
  it("of everything give Lua numbers", function()
    local t = mgd.tensor{{3, 1}, {4, 2}}
    assert.equal(10, t:sum())
    assert.equal(2.5, t:mean())
    assert.equal(1, t:min())
    assert.equal(4, t:max())
    assert.equal(math.sqrt(30), t:norm())
    assert.equal(30, t:reshape{4}:dot(t:reshape{4}))
  end)

  it("give integers for integer types", function()
    assert.equal("300", tostring(mgd.full({3}, 100, {dtype = "u8"}):sum()))
  end)

  it("along an axis drop it", function()
    local t = matrix()
    assert.same({5, 7, 9}, values(t:sum(1)))
    assert.same({6, 15}, values(t:sum(2)))
    assert.same({6, 15}, values(t:sum(-1)))
    assert.same({2, 5}, values(t:mean(2)))
    assert.same({1, 2, 3}, values(t:min(1)))
    assert.same({3, 6}, values(t:max(2)))
    assert.equal(6, mgd.tensor{1, 2, 3}:sum(1):item())
  end)

  it("along a middle axis, of a strided tensor", function()
    local t = mgd.arange(24):reshape{4, 3, 2}:transpose()
    local s = t:sum(2)
    assert.same({2, 4}, s.shape)
    for i = 1, 2 do
      for k = 1, 4 do
        assert.equal(t[{i, 1, k}] + t[{i, 2, k}] + t[{i, 3, k}], s[{i, k}])
      end
    end
  end)

  it("have types of their own along an axis", function()
    local byte, single = mgd.ones({2, 2}, {dtype = "u8"}), mgd.ones({2, 2}, {dtype = "f32"})
    assert.equal("f64", byte:sum(1).dtype)
    assert.equal("f32", single:sum(1).dtype)
    assert.equal("u8", byte:max(1).dtype)
    assert.equal("i32", single:argmax(1).dtype)
  end)

  it("var divides by n, or by n - ddof", function()
    local t = mgd.tensor{1, 2, 3, 4}
    assert.equal(1.25, t:var())
    assert.equal(5 / 3, t:var{ddof = 1})
    assert.equal(math.sqrt(1.25), t:std())
    assert.same({0.5, 0.5}, values(mgd.tensor{{1, 2}, {3, 4}}:var(2, {ddof = 1})))
    fails("var: 4 elements leave no degree of freedom with ddof = 4", t.var, t, {ddof = 4})
  end)

  it("var survives a large offset", function()
    assert.equal(1.25, (mgd.tensor{1, 2, 3, 4} + 1e9):var())
  end)

  it("argmax and argmin count from 1 and take the first", function()
    local t = mgd.tensor{{1, 7, 7}, {0, 0, 5}}
    assert.equal(2, t:argmax())
    assert.equal(4, t:argmin())
    assert.same({2, 3}, values(t:argmax(2)))
    assert.same({2, 2, 2}, values(t:argmin(1)))
  end)

  it("propagate NaN", function()
    local t = mgd.tensor{1, NAN, 3, NAN}
    assert.is_true(t:max() ~= t:max() and t:min() ~= t:min())
    assert.is_true(t:sum() ~= t:sum())
    assert.equal(2, t:argmax())
    assert.equal(2, t:argmin())
  end)

  it("sum accurately: a million times 0.1", function()
    -- Pairwise: the error grows with log2(10⁶ / 128) ≈ 13 and 16 additions in a lane, not with 10⁶.
    local sum = mgd.full({1000000}, 0.1):sum()
    assert.is_true(math.abs(sum - 1e5) < 30 * 2 ^ -53 * 1e5)
  end)

  it("sum the same bits whatever the layout", function()
    local t = mgd.randn({300, 70}, {seed = 8})
    assert.equal(t:sum(), t:transpose():clone():transpose():sum())
    assert.equal(t:sum(), t:reshape{21000}:sum())
  end)

  it("norm neither overflows nor vanishes", function()
    assert.is_true(math.abs(mgd.tensor{3e200, 4e200}:norm() / 5e200 - 1) < 1e-15)
    assert.is_true(math.abs(mgd.tensor{3e-200, 4e-200}:norm() / 5e-200 - 1) < 1e-15)
    assert.equal(INF, mgd.tensor{1, -INF}:norm())
    assert.equal(0, mgd.zeros{3}:norm())
  end)

  it("of nothing: sum is 0, extremes and means fail", function()
    assert.equal(0, mgd.zeros{0}:sum())
    fails("max: a tensor without elements has none", function() return mgd.zeros{0}:max() end)
    fails("mean: a tensor without elements", function() return mgd.zeros{0, 2}:mean(1) end)
  end)

  it("name a wrong axis", function()
    fails("sum: axis 3 of a tensor of 2 dimensions (1 to 2, or -2 to -1)", function()
      return matrix():sum(3)
    end)
    fails("a scalar has no axis 1", function() return mgd.tensor(1):sum(1) end)
  end)

  it("dot wants two tensors of one shape", function()
    fails("dot: expected two tensors of one shape, got 2x3 and 3", function()
      return matrix():dot(mgd.ones{3})
    end)
  end)
end)

describe("allclose", function()
  it("compares with rtol of the second operand and atol", function()
    local t = mgd.tensor{1, 100}
    assert.is_true(t:allclose(mgd.tensor{1 + 5e-7, 100}))
    assert.is_false(t:allclose(mgd.tensor{1 + 5e-6, 100}))
    assert.is_true(t:allclose(mgd.tensor{1.5, 100.5}, {rtol = 0, atol = 0.5}))
    assert.is_true(t:allclose(mgd.tensor{1, 99}, {rtol = 1 / 99}))
  end)

  it("takes other types, strides and numbers", function()
    assert.is_true(mgd.tensor({1, 2}, {dtype = "u8"}):allclose(mgd.tensor{1, 2}))
    assert.is_true(matrix():transpose():allclose(mgd.tensor{{1, 4}, {2, 5}, {3, 6}}))
    assert.is_true(mgd.ones{2, 2}:allclose(1))
  end)

  it("never finds NaN close, and infinities only to their like", function()
    assert.is_false(mgd.tensor{NAN}:allclose(mgd.tensor{NAN}))
    assert.is_true(mgd.tensor{INF, -INF}:allclose(mgd.tensor{INF, -INF}))
    assert.is_false(mgd.tensor{INF}:allclose(mgd.tensor{-INF}))
    assert.is_false(mgd.tensor{1}:allclose(mgd.tensor{INF}))
  end)

  it("never finds different shapes close", function()
    assert.is_false(mgd.ones{2, 2}:allclose(mgd.ones{2}))
  end)
end)
