-- mgd.text: numbers that keep their value, UTF-8 that every reader takes; and figures for people.

local mgd = require "mgd"
local json = require "mgd.text.json"
local numbers = require "mgd.text.numbers"
local options = require "mgd.base.options"
local text = require "mgd.base.encoding"

local NAN = 0 / 0

local function line_of(path, n)
  local file = assert(io.open(path))
  local line
  for _ = 1, n do
    line = file:read "*l"
  end
  file:close()
  return line
end

describe("a number as text", function()
  it("reads back as the same number", function()
    for _, value in ipairs { 0.1, 1 / 3, 1700000000.25, 1700000000.125, 0.5 + 1e-12, 5e-324,
      1.7976931348623157e308, -2 ^ 53, 299792458.123456, 1e-12 } do
      assert.equal(value, tonumber(text.number(value)))
    end
  end)

  it("is no longer than it must be", function()
    assert.equal("0.1", text.number(0.1))
    assert.equal("3", text.number(3.0))
    assert.equal("1700000000.25", text.number(1700000000.25))
    assert.equal("1e+300", text.number(1e300))
  end)

  it("has one word for each that is not finite", function()
    assert.same({ "inf", "-inf", "nan", "nan" }, { text.number(math.huge), text.number(-math.huge),
      text.number(NAN), text.number(-NAN) })
  end)
end)

describe("what is written keeps its value:", function()
  local x = { 1700000000.25, 1700000000.5, 1700000001 }

  it("the numbers of a figure", function()
    local csv = mgd.plot { { x = x, y = { 0.5, 0.5 + 1e-12, 0.5 + 2e-12 } } }:csv()
    assert.is_truthy(csv:find("\n1,1,1700000000.25,0.5,", 1, true), csv)
    assert.is_truthy(csv:find("\n1,1,1700000000.5,0.500000000001,", 1, true), csv)
  end)

  it("the rows of a history", function()
    local net = mgd.nn.mlp { 49, 4, 4 }
    local run = mgd.train { net = net, data = mgd.data.nist7x7(), eta = 1e-9,
      perturbation = { amplitude = 0.01 } }
    local history = run:run { steps = 2, every = 1, probes = { "cost" } }
    local path = os.tmpname()
    history:save_csv(path)
    local line = line_of(path, 3)
    os.remove(path)
    assert.is_truthy((line .. ","):find("," .. text.number(history.cost[2]) .. ",", 1, true), line)
  end)

  it("values in messages", function()
    local ok, message = pcall(options.fail, "f", "%s and %s of %d %%: %s", 1, 1 + 1e-12, 5, NAN)
    assert.is_false(ok)
    assert.is_truthy(message:find("f: 1 and 1.000000000001 of 5 %: nan", 1, true), message)
  end)
end)

describe("what people read has one sign for infinity", function()
  it("in figures and counts", function()
    assert.equal("∞", numbers.number(math.huge))
    assert.equal("−∞", numbers.number(-math.huge, 3))
    assert.equal("∞", numbers.count(math.huge))
    assert.equal("∞ J", numbers.si(math.huge, "J"))
    assert.equal("∞ s", numbers.duration(math.huge))
    assert.equal("2.5", numbers.number(2.5))
  end)

  it("in lists that print", function()
    local listing = require "mgd.text.listing"
    assert.equal("a\n∞", tostring(listing({ { a = math.huge } }, { "a" })))
  end)
end)

describe("text of any bytes", function()
  it("is UTF-8: what is well-formed stays, the rest is Latin-1", function()
    assert.equal("τ_θ 1 µA", text.utf8 "τ_θ 1 \181A")
    assert.equal("Ã\194\169 é", text.utf8 "\195\131\194\169 \233")
    assert.equal("é", text.utf8 "é")
    assert.equal("𝛉", text.utf8 "𝛉")
  end)

  it("is never overlong, a surrogate, cut off or beyond the last character", function()
    for _, bytes in ipairs { "\192\175", "\237\160\128", "\226\130", "\244\144\128\128",
      "\255\254", "\128", "\245\128\128\128" } do
      local mended = text.utf8("a" .. bytes .. "b")
      if utf8 then -- LuaJIT has none
        assert.is_truthy(utf8.len(mended), bytes)
      end
      assert.equal(mended, text.utf8(mended))
    end
  end)

  it("has no character that XML forbids", function()
    assert.equal("a\239\191\189\tb\239\191\189\239\191\189", text.xml "a\0\tb\27\239\191\191")
  end)

  it("is JSON that others read", function()
    assert.equal('"1 µA"', json.encode "1 \181A")
    assert.equal("1 µA", json.decode(json.encode "1 \181A"))
  end)

  it("may stand in a page", function()
    local html = require "mgd.studies.report.html"
    assert.equal("&lt;µ&gt;\239\191\189", html.escape "<\181>\1")
  end)
end)

describe("numbers in messages of the core", function()
  local function message(f, ...)
    return select(2, pcall(f, ...))
  end

  it("keep their value", function()
    assert.truthy(message(mgd.linspace, -1e309, 1.0000000001, 3):find("from -inf to 1.0000000001",
      1, true))
    local label = 1700000000.25
    assert.truthy(message(function()
      mgd.tensor({ 1 }, { dtype = "i32" }):fill_(label)
    end):find("1700000000.25 is not an integer", 1, true))
  end)

  it("are nan whatever its sign", function()
    for _, nan in ipairs { 0 / 0, -(0 / 0) } do
      assert.truthy(message(mgd.data.from, { x = mgd.ones { 1, 2 },
        y = mgd.tensor { nan }, classes = 2 }):find("label nan at [1]", 1, true))
    end
  end)
end)
