-- Plain data as JSON.

local needs = require "spec.support.needs"
local json = require "mgd.json"
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
