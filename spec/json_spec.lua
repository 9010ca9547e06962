-- Plain data as JSON.

local needs = require "spec.support.needs"
local json = require "mgd.text.json"
local fails = require("spec.support.train").fails

describe("plain data as text", function()
  local function twice(value)
    return json.decode(json.encode(value))
  end

  it("comes back as it was", function()
    local value = {
      list = { 1, 2.5, "three", { 4 }, {} },
      text = 'quote " back \\ \\u0041 line\n zero \0 τ \127 [{:,',
      flag = false,
      [""] = true,
      ["a b"] = { x = { y = { z = 0 } } },
    }
    assert.same(value, twice(value))
    assert.same({}, twice {})
    assert.equal("text", twice "text")
  end)

  it("keeps every bit of a number, and its kind", function()
    for _, value in ipairs { 0.1, 1 / 3, 2 ^ -1074, 1.7976931348623157e308, 2 ^ 53, -5, 1e300,
      math.huge, -math.huge } do
      assert.equal(value, twice(value))
      assert.equal(math.type and math.type(value), math.type and math.type(twice(value)))
    end
    assert.equal(-math.huge, 1 / twice(-0.0))
    local nan = twice(0 / 0)
    assert.is_true(nan ~= nan)
    if math.type then
      assert.equal(math.mininteger, twice(math.mininteger))
      assert.equal("integer", math.type(twice(7)))
      assert.equal("float", math.type(twice(7.0)))
    end
  end)

  it("has its keys in order", function()
    assert.equal('{"a":1,"b":[true,"x"],"c":{}}', json.encode { c = {}, b = { true, "x" }, a = 1 })
  end)

  it("is what python reads when it is strict", function()
    local value = { a = { 1, 2.5, math.huge, 0 / 0 }, b = "τ \n \"", c = { d = true } }
    local text = json.encode(value, { strict = true })
    assert.equal('{"a":[1,2.5,null,null],"b":"τ \\u000a \\u0022","c":{"d":true}}', text)
    needs.python "json"
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write(json.encode(value, { strict = true, indent = 2 }))
    file:close()
    local pipe = assert(io.popen("python3 -c 'import json,sys; d = json.load(open(sys.argv[1])); "
      .. "print(d[\"a\"], d[\"b\"] == \"τ \\n \\\"\", d[\"c\"])' " .. path))
    assert.equal("[1, 2.5, None, None] True {'d': True}\n", pipe:read "*a")
    pipe:close()
    os.remove(path)
  end)

  it("reads what others write", function()
    assert.same({ a = { 1, 2 }, b = "A/é\t", d = -1.5e3 },
      json.decode(' {"a" : [1,2], "b": "\\u0041\\/\\u00e9\\t", "c": null, "d": -1.5E3} '))
    local list = json.decode "[1, null]"
    assert.is_true(list[2] ~= list[2])
  end)

  it("has characters beyond U+FFFF as pairs of escapes", function()
    for escape, character in pairs { ["\\ud83d\\udd2c"] = "\240\159\148\172",
      ["\\ud835\\udf03"] = "\240\157\156\131", ["\\uD800\\uDC00"] = "\240\144\128\128",
      ["\\udbff\\udfff"] = "\244\143\191\191", ["\\u2028\\u00e9"] = "\226\128\168\195\169" } do
      assert.equal("a" .. character .. "b", json.decode('"a' .. escape .. 'b"'))
    end
  end)

  it("has U+FFFD for halves of pairs", function()
    local half = "\239\191\189"
    for text, wanted in pairs { ["\\ud83d"] = half, ["\\udd2c"] = half, ["\\ud83dx"] = half .. "x",
      ["\\ud83d\\u0041"] = half .. "A", ["\\udd2c\\ud83d"] = half .. half,
      ["\\ud83d\\ud83d\\udd2c"] = half .. "\240\159\148\172" } do
      assert.equal(wanted, json.decode('"' .. text .. '"'))
    end
  end)

  it("may begin with a byte order mark", function()
    assert.same({ a = 1 }, json.decode '\239\187\191 {"a": 1}')
    fails("at byte 5 of it: expected a key", json.decode, "\239\187\191{a")
  end)

  it("tells false from null", function()
    assert.same({ true, false }, json.decode "[true, false]")
    assert.same({ a = false }, json.decode '{"a": false, "b": null}')
  end)

  it("has numbers of decimal digits alone", function()
    for text, value in pairs { ["0"] = 0, ["-0.5"] = -0.5, ["1e5"] = 1e5, ["1.25E+2"] = 125,
      ["1e999"] = math.huge, ["-1e-2"] = -0.01, ["10"] = 10 } do
      assert.equal(value, json.decode(text))
    end
    for _, text in ipairs { "0x1F", "+1", "01", "-01", ".5", "1.", "1.e5", "1e", "1e+", "--1", "-",
      "1_000", "1LL", "0b1", "1.2.3", "infinity", "NaN", "Infinity", "True", "nil" } do
      fails("this is no JSON", json.decode, text)
      fails("this is no JSON", json.decode, "[" .. text .. "]")
    end
  end)

  it("refuses control characters in texts, and a key that stands there twice", function()
    fails("at byte 3 of it: a control character", json.decode, '"a\nb"')
    fails("at byte 2 of it: a control character", json.decode, '"\0"')
    assert.equal("\127", json.decode '"\127"')
    fails("at byte 9 of it: the key 'a' stands there twice", json.decode, '{"a": 1,"a": 2}')
    fails("at byte 1 of it: this text has no end", json.decode, '"abc')
    fails("at byte 2 of it: four hexadecimal digits follow \\u", json.decode, '"\\u00g0"')
    fails("at byte 1", json.decode, "\v1") -- a space of Lua's, not of JSON
  end)

  it("lets its caller say what is wrong, and ends all the same", function()
    local seen
    fails("this is no JSON, at byte 2 of it: expected a value", json.decode, "[", function(at, why)
      seen = { at, why }
    end)
    assert.same({ 2, "expected a value" }, seen)
  end)

  it("says where text is none, and what cannot be text", function()
    for text, at in pairs { ["{"] = 2, ["[1,]"] = 4, ['{"a" 1}'] = 6, ['"\\x"'] = 2, ["[1] 2"] = 5,
      [("["):rep(70)] = 66, [""] = 1 } do
      fails("at byte " .. at, json.decode, text)
    end
    fails("a function cannot be saved", json.encode, { print })
    fails("a list with holes: element 1 is nil, element 3 is not", json.encode, { [3] = 1 })
    fails("'n' among the elements of a list", json.encode, { 1, n = 2 })
    local loop = {}
    loop.loop = loop
    fails("deeper than 64", json.encode, loop)
  end)
end)
