-- tostring(tensor): shape and type first, aligned, never long.

local mgd = require "mgd"

local function lines(...)
  return table.concat({...}, "\n")
end

describe("tostring", function()
  it("shows shape, type and aligned columns", function()
    assert.equal(lines("tensor 2×3 f64", "    1   -2    3", "   40  500    6"),
                 tostring(mgd.tensor{{1, -2, 3}, {40, 500, 6}}))
  end)

  it("shows a vector as a row", function()
    assert.equal(lines("tensor 3 u8", "    1   20  255"),
                 tostring(mgd.tensor({1, 20, 255}, {dtype = "u8"})))
  end)

  it("shows a scalar", function()
    assert.equal(lines("tensor scalar f32", "  2.5000"),
                 tostring(mgd.tensor(2.5, {dtype = "f32"})))
  end)

  it("shows the shape of an empty tensor", function()
    assert.equal("tensor 0×3 f64", tostring(mgd.zeros{0, 3}))
  end)

  it("shows fractions with four decimals", function()
    assert.equal(lines("tensor 2 f64", "    0.5000  -12.2500"), tostring(mgd.tensor{0.5, -12.25}))
  end)

  it("shows very large or very small fractions with an exponent, all of them", function()
    assert.equal(lines("tensor 2 f64", "  1.0000e+00  2.0000e-06"), tostring(mgd.tensor{1, 2e-6}))
    assert.equal(lines("tensor 2 f64", "  5.0000e-01  2.5000e+05"),
                 tostring(mgd.tensor{0.5, 250000}))
    assert.equal(lines("tensor 1 f64", "  1.0000e+30"), tostring(mgd.tensor{1e30}))
  end)

  it("aligns nan and inf", function()
    assert.equal(lines("tensor 4 f64", "      nan      inf     -inf  -1.5000"),
                 tostring(mgd.tensor{0 / 0, 1 / 0, -1 / 0, -1.5}))
  end)

  it("labels the matrices of a batch with their indices", function()
    assert.equal(lines("tensor 2×1×2 f64", "[1]", "  0  1", "[2]", "  2  3"),
                 tostring(mgd.arange(4):reshape{2, 1, 2}))
    assert.is_truthy(tostring(mgd.zeros{2, 3, 1, 1}):find("[2][3]", 1, true))
  end)

  it("shows the ends of long dimensions", function()
    local text = tostring(mgd.arange(20))
    assert.equal(lines("tensor 20 f64",
                       "   0   1   2   3   4   5  …  14  15  16  17  18  19"), text)
  end)

  it("shows whole what has up to twelve entries", function()
    assert.is_nil(tostring(mgd.zeros{12, 12}):find("…", 1, true))
    assert.is_truthy(tostring(mgd.zeros{13, 1}):find("\n  …\n", 1, true))
  end)

  it("stays short for a large tensor of many dimensions", function()
    assert.is_true(#tostring(mgd.rand{1000, 1000}) < 2000)
    assert.is_true(#tostring(mgd.zeros{8, 8, 8, 8, 8, 8}) < 3000)
  end)

  it("shows a view as it is seen", function()
    assert.equal(lines("tensor 2×2 f64", "  1  3", "  2  4"),
                 tostring(mgd.tensor{{1, 2}, {3, 4}}:transpose()))
  end)
end)
