-- Tensors: constructors, fields, indexing, assignment, views, conversion, wrong arguments.

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

describe("constructors", function()
  it("take nested tables", function()
    local t = matrix()
    assert.same({2, 3}, t.shape)
    assert.equal("f64", t.dtype)
    assert.same({{1, 2, 3}, {4, 5, 6}}, values(t))
  end)

  it("take a number as a scalar", function()
    local t = mgd.tensor(2.5)
    assert.same({}, t.shape)
    assert.equal(2.5, t:item())
  end)

  it("copy a tensor and keep its type", function()
    local t = mgd.tensor({1, 2}, {dtype = "u8"})
    local u = mgd.tensor(t)
    u[1] = 9
    assert.equal("u8", u.dtype)
    assert.equal(1, t[1])
  end)

  it("take an empty table as a vector of no elements", function()
    assert.same({0}, mgd.tensor{}.shape)
  end)

  it("make every type", function()
    for _, dtype in ipairs{"f64", "f32", "i32", "u8"} do
      local t = mgd.tensor({{1, 2}, {3, 4}}, {dtype = dtype})
      assert.equal(dtype, t.dtype)
      assert.same({{1, 2}, {3, 4}}, values(t))
    end
  end)

  it("fill: zeros, ones, full", function()
    assert.same({{0, 0}, {0, 0}}, values(mgd.zeros{2, 2}))
    assert.same({1, 1, 1}, values(mgd.ones({3}, {dtype = "i32"})))
    assert.same({{7, 7, 7}, {7, 7, 7}}, values(mgd.full({2, 3}, 7)))
  end)

  it("make a scalar of the shape {}", function()
    assert.equal(1, mgd.ones{}:item())
  end)

  it("count with arange, from 0 and short of the limit", function()
    assert.same({0, 1, 2, 3, 4}, values(mgd.arange(5)))
    assert.same({2, 3}, values(mgd.arange(2, 4)))
    assert.same({1, 0.5, 0, -0.5}, values(mgd.arange(1, -1, -0.5)))
    assert.same({}, values(mgd.arange(3, 1)))
    assert.equal("i32", mgd.arange(3, {dtype = "i32"}).dtype)
  end)

  it("meet both ends with linspace", function()
    local t = mgd.linspace(0.1, 0.7, 7)
    assert.equal(0.1, t[1])
    assert.equal(0.7, t[7])
    for i = 1, 7 do
      assert.is_true(math.abs(t[i] - (0.1 + (i - 1) * 0.1)) < 1e-15)
    end
    assert.same({3}, values(mgd.linspace(3, 4, 1)))
  end)

  it("make identity matrices", function()
    assert.same({{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}, values(mgd.eye(3)))
  end)

  it("call a function of the indices, in row-major order", function()
    local seen = {}
    local t = mgd.from({2, 3}, function(i, j)
      seen[#seen + 1] = i .. "," .. j
      return i * 10 + j
    end)
    assert.same({{11, 12, 13}, {21, 22, 23}}, values(t))
    assert.equal("1,1 1,2 1,3 2,1 2,2 2,3", table.concat(seen, " "))
  end)
end)

describe("random tensors", function()
  it("are the same for the same seed, and different for another", function()
    local a, b, c = mgd.rand({5}, {seed = 3}), mgd.rand({5}, {seed = 3}), mgd.rand({5}, {seed = 4})
    assert.is_true(a:allclose(b, {rtol = 0}))
    assert.is_false(a:allclose(c))
  end)

  it("hold the same values in f32, rounded", function()
    for _, draw in ipairs{mgd.rand, mgd.randn} do
      local double = draw({101}, {seed = 9})
      local single = draw({101}, {seed = 9, dtype = "f32"})
      assert.is_true(double:to "f32":allclose(single, {rtol = 0}))
    end
  end)

  it("do not depend on the shape", function()
    local flat = mgd.rand({30}, {seed = 2})
    assert.is_true(flat:reshape{5, 6}:allclose(mgd.rand({5, 6}, {seed = 2}), {rtol = 0}))
    assert.is_true(flat[{{1, 7}}]:allclose(mgd.rand({7}, {seed = 2}), {rtol = 0}))
  end)

  -- n = 100,000 uniform values: the mean has standard error 1/√(12 n) ≈ 9.1e-4 and the variance
  -- about 2.4e-4; five standard errors fail once in some 10⁶ seeds, and the seed is fixed.
  it("rand is uniform on the open interval (0, 1)", function()
    for _, dtype in ipairs{"f64", "f32"} do
      local t = mgd.rand({100000}, {seed = 5, dtype = dtype})
      assert.is_true(t:min() > 0 and t:max() < 1)
      assert.is_true(math.abs(t:mean() - 1 / 2) < 5 * 9.1e-4)
      assert.is_true(math.abs(t:var() - 1 / 12) < 5 * 2.4e-4)
    end
  end)

  -- n = 100,000: standard errors 1/√n ≈ 3.2e-3 of the mean, √(2/n) ≈ 4.5e-3 of the variance and
  -- √(6/n) ≈ 7.7e-3 of the third moment's share; five of each, as above.
  it("randn is standard normal", function()
    local t = mgd.randn({100000}, {seed = 5})
    assert.is_true(math.abs(t:mean()) < 5 * 3.2e-3)
    assert.is_true(math.abs(t:var() - 1) < 5 * 4.5e-3)
    assert.is_true(math.abs((t ^ 3):mean()) < 5 * math.sqrt(15 / 1e5))
  end)

  it("refuse integer types", function()
    fails("rand: dtype is f64 or f32, got i32", mgd.rand, {2}, {dtype = "i32"})
  end)
end)

describe("fields", function()
  it("tell shape, type, dimensions, size and length", function()
    local t = mgd.zeros({2, 3, 4}, {dtype = "f32"})
    assert.same({2, 3, 4}, t.shape)
    assert.same({"f32", 3, 24, 2}, {t.dtype, t.ndim, t.size, #t})
  end)

  it("give a shape that is the caller's own", function()
    local t = matrix()
    t.shape[1] = 99
    assert.same({2, 3}, t.shape)
  end)

  it("cannot be assigned", function()
    fails("field 'shape' of a tensor cannot be assigned", function() matrix().shape = {3, 2} end)
  end)

  it("raise when there is no such name, and say what was meant", function()
    fails("tensor has no 'colour'", function() return matrix().colour end)
    fails("tensor has no 'shap' (did you mean 'shape'?)", function() return matrix().shap end)
    fails("tensor has no 'mena' (did you mean 'mean'?)", function() return matrix():mena() end)
    assert.is_nil(matrix().__pairs)
  end)

  it("refuse the length of a scalar", function()
    fails("a scalar has no length", function() return #mgd.tensor(1) end)
  end)
end)

describe("indexing", function()
  it("reads elements from both ends", function()
    local t = matrix()
    assert.equal(6, t[2][3])
    assert.equal(6, t[{2, 3}])
    assert.equal(6, t[-1][-1])
    assert.equal(4, t[{-1, -3}])
  end)

  it("gives integers for integer types where Lua has them", function()
    local element = mgd.tensor({3}, {dtype = "i32"})[1]
    assert.equal("3", tostring(element))
    assert.equal(3, element)
  end)

  it("selects rows", function()
    assert.same({4, 5, 6}, values(matrix()[2]))
  end)

  it("takes ranges, steps and whole dimensions", function()
    local t = mgd.arange(24):reshape{2, 3, 4}
    assert.same({{4, 5}, {8, 9}}, values(t[{1, {2, 3}, {1, 2}}]))
    assert.same({0, 2}, values(t[{1, 1, {1, -1, 2}}]))
    assert.same({3, 2, 1, 0}, values(t[{1, 1, {4, 1, -1}}]))
    assert.same({{1, 5, 9}, {13, 17, 21}}, values(t[{{}, {}, 2}]))
    assert.same({{8, 9, 10, 11}}, values(t[{1, {3}}]))
  end)

  it("takes a range of rows", function()
    assert.same({{1, 2, 3}}, values(matrix()[{{1, 1}}]))
    assert.same({3, 6}, values(matrix()[{{1, 2}, 3}]))
  end)

  it("names the index, the dimension and the size when out of range", function()
    local message = "index 3 is out of range along dimension 1 of size 2 (1 to 2, or -2 to -1)"
    fails(message, function() return matrix()[3] end)
    fails("index 0 is out of range", function() return matrix()[0] end)
    fails("index -4 is out of range along dimension 2", function() return matrix()[{1, -4}] end)
    fails("index 4 is out of range along dimension 2", function()
      return matrix()[{1, {1, 4}}]
    end)
  end)

  it("refuses too many indices, fractions, empty ranges and other keys", function()
    local t = matrix()
    fails("3 indices for a tensor of 2 dimensions", function() return t[{1, 1, 1}] end)
    fails("index 1.5 is not an integer", function() return t[1.5] end)
    fails("is empty", function() return t[{{2, 1}}] end)
    fails("the step of a range must not be 0", function() return t[{{1, 2, 0}}] end)
    fails("got boolean", function() return t[true] end)
    fails("index 2 must be an integer or a range", function() return t[{1, "x"}] end)
    fails("a scalar has no entries", function() return mgd.tensor(1)[1] end)
  end)

  it("tells errors at the caller's line", function()
    local line = debug.getinfo(1, "l").currentline + 1
    local _, message = pcall(function() return matrix()[7] end)
    assert.is_truthy(message:find("tensor_spec.lua:" .. line .. ":", 1, true))
  end)
end)

describe("assignment", function()
  it("writes elements", function()
    local t = matrix()
    t[1][2] = 20
    t[{2, -1}] = 60
    assert.same({{1, 20, 3}, {4, 5, 60}}, values(t))
  end)

  it("fills views with a number", function()
    local t = matrix()
    t[1] = 0
    t[{{}, 2}] = 9
    assert.same({{0, 9, 0}, {4, 9, 6}}, values(t))
  end)

  it("copies a tensor into a view, broadcast", function()
    local t = matrix()
    t[{{}, {2, 3}}] = mgd.tensor{-1, -2}
    assert.same({{1, -1, -2}, {4, -1, -2}}, values(t))
  end)

  it("copes with a source that overlaps its target", function()
    local t = mgd.arange(5)
    t[{{2, 5}}] = t[{{1, 4}}]
    assert.same({0, 0, 1, 2, 3}, values(t))
    t[{{1, 5}}] = t[{{5, 1, -1}}]
    assert.same({3, 2, 1, 0, 0}, values(t))
  end)

  it("takes a list, and refuses what is no number, tensor or list", function()
    local t = matrix()
    t[1] = {7, 8, 9}
    assert.same({7, 8, 9}, t[1]:totable())
    fails("mgd.tensor: [2]: expected a number, got string", function() t[1] = {1, "2", 3} end)
    fails("expected a number, a tensor or a list, got string", function() t[1] = "1" end)
  end)

  it("refuses a shape that does not fit", function()
    fails("copy: shape 2 cannot be written into shape 3", function()
      matrix()[1] = mgd.zeros{2}
    end)
  end)

  it("refuses fractions and overflow in integer types, and leaves the tensor as it was", function()
    local t = mgd.tensor({1, 2, 3}, {dtype = "u8"})
    fails("0.5 is not an integer, as u8 wants", function() t[1] = 0.5 end)
    fails("256 does not fit u8 (0 to 255)", function() t[1] = 256 end)
    fails("-1 does not fit u8", function() t:copy_(mgd.tensor{7, 8, -1}) end)
    fails("nan does not fit u8", function() t[1] = math.abs(NAN) end)
    assert.same({1, 2, 3}, values(t))
  end)
end)

describe("views", function()
  it("write through to their base", function()
    local t = matrix()
    t[2][1] = 40
    t:transpose()[3][1] = 30
    t:reshape{6}[2] = 20
    t[{{}, {1, 2}}]:fill_(0)
    assert.same({{0, 0, 30}, {0, 0, 6}}, values(t))
  end)

  it("outlive their base", function()
    local row = matrix()[2]
    collectgarbage()
    collectgarbage()
    assert.same({4, 5, 6}, values(row))
  end)

  it("transpose reverses all dimensions, or exchanges two", function()
    local t = mgd.arange(24):reshape{2, 3, 4}
    assert.same({4, 3, 2}, t:transpose().shape)
    assert.same({2, 4, 3}, t:transpose(2, 3).shape)
    assert.same({4, 3, 2}, t:transpose(1, -1).shape)
    assert.equal(t[{2, 3, 4}], t:transpose()[{4, 3, 2}])
    assert.equal(t[{2, 3, 1}], t:transpose(1, 2)[{3, 2, 1}])
  end)

  it("reshape infers one dimension", function()
    assert.same({3, 2}, matrix():reshape{3, -1}.shape)
    assert.same({{1, 2}, {3, 4}, {5, 6}}, values(matrix():reshape{-1, 2}))
  end)

  it("reshape copies what is not contiguous", function()
    local t = matrix()
    local flat = t:transpose():reshape{-1}
    flat[1] = 100
    assert.same({100, 4, 2, 5, 3, 6}, values(flat))
    assert.equal(1, t[1][1])
  end)

  it("reshape tells what does not fit", function()
    fails("reshape: shape 2x3 holds 6 elements, shape 4x2 holds 8", function()
      return matrix():reshape{4, 2}
    end)
    fails("do not divide by the 4", function() return matrix():reshape{4, -1} end)
    fails("at most one dimension may be -1", function() return matrix():reshape{-1, -1} end)
  end)

  it("clone has storage of its own, row-major", function()
    local t = matrix()
    local copy = t:transpose():clone()
    copy[1][1] = 100
    assert.same({{100, 4}, {2, 5}, {3, 6}}, values(copy))
    assert.equal(1, t[1][1])
  end)

  it("== is identity", function()
    local t = matrix()
    assert.is_true(t == t)
    assert.is_false(t == t:clone())
    assert.is_false(rawequal(t[1], t[1]))
  end)
end)

describe("conversion", function()
  it("rounds to nearest even into integers", function()
    assert.same({0, 2, 2, -2, 3}, values(mgd.tensor{0.5, 1.5, 2.5, -1.5, 2.7}:to "i32"))
  end)

  it("rounds to f32", function()
    assert.equal(0.100000001490116119384765625, mgd.tensor{0.1}:to "f32"[1])
  end)

  it("refuses what does not fit", function()
    fails("to: 2147483648 does not fit i32 (-2147483648 to 2147483647)", function()
      return mgd.tensor{2 ^ 31}:to "i32"
    end)
    fails("inf does not fit u8", function() return mgd.tensor{INF}:to "u8" end)
  end)

  it("names unknown types", function()
    fails("to: unknown dtype 'f16' (there is: f64, f32, i32, u8)", function()
      return matrix():to "f16"
    end)
  end)

  it("item wants one element", function()
    assert.equal(5, matrix()[{{2}, {2}}]:item())
    fails("item: a tensor of one element", function() return matrix():item() end)
  end)
end)

describe("wrong arguments", function()
  it("name the place of a ragged table", function()
    fails("mgd.tensor: ragged table: [2] has 1 entries where the first of its kind has 2",
          mgd.tensor, {{1, 2}, {3}})
    fails("[1][2]: expected a number, got string", mgd.tensor, {{1, "x"}})
    fails("[2]: expected a table of 2 entries, got number", mgd.tensor, {{1, 2}, 3})
    fails("[2]: expected a number, got table", mgd.tensor, {1, {2}})
    fails("a list with holes: element 2 is nil, element 3 is not", mgd.tensor, {1, nil, 3})
    fails("a list with holes: element 3 is nil, element 4 is not", mgd.tensor,
          {{1, 2}, {1, 2, [4] = 3}})
    fails("[0] among the entries of a list, which begins at 1", mgd.tensor, {[0] = 1, 2})
    fails("'x' among the entries of a list", mgd.tensor, {{1, 2}, {1, 2, x = 3}})
    fails("nested more than 8 deep", mgd.tensor, {{{{{{{{{1}}}}}}}}})
  end)

  it("name unknown options and misplaced ones", function()
    fails("mgd.zeros: unknown option 'dtyp' (there is: dtype)", mgd.zeros, {2}, {dtyp = "f32"})
    fails("mgd.zeros: 'dtype' among the entries of a list", mgd.zeros, {2, dtype = "f32"})
    fails("mgd.rand: unknown option 'sed' (there is: dtype, seed)", mgd.rand, {2}, {sed = 1})
    fails("mgd.zeros: options must be a table, got number", mgd.zeros, {2}, 3)
  end)

  it("name wrong shapes", function()
    fails("mgd.zeros: the shape must be a table such as {2, 3}, got number", mgd.zeros, 2, 3)
    fails("mgd.zeros: dimension 2: expected an integer from 0", mgd.zeros, {1, -1})
    fails("9 dimensions, at most 8 are supported", mgd.zeros, {1, 1, 1, 1, 1, 1, 1, 1, 1})
    fails("is too large to address", mgd.zeros, {2 ^ 40, 2 ^ 40})
  end)

  it("name a step that leads nowhere", function()
    fails("mgd.arange: cannot count from 0 to 5 in steps of 0", mgd.arange, 0, 5, 0)
  end)

  it("name what a function returned", function()
    fails("mgd.from: result of the function: expected a number, got string", mgd.from, {2},
          function() return "x" end)
  end)

  it("refuse methods on other values", function()
    fails("sum: expected a tensor, got number", matrix().sum, 3)
  end)
end)
