local mgd = require "mgd"
local naming = require "mgd.base.naming"
local options = require "mgd.base.options"

local schema = {
  { "tau_p", type = "integer", default = 1, min = 1 },
  { "eta", type = { "number", "function" }, above = 0 },
  { "bits", type = "integer", min = 1, max = 8 },
  { "optimizer", type = "string", choices = { "sgd", "momentum", "adam" }, default = "sgd" },
  { "shuffle", type = "boolean", default = true },
  { "limit", type = "number", infinite = true },
  { "init", type = "table" },
  { "x", type = "tensor" },
}

local function failure(given, other)
  local ok, message = pcall(options.check, "mgd.train", other or schema, given)
  assert.is_false(ok)
  return (message:gsub("^[^ ]+:%d+: ", ""))
end

describe("options.check", function()
  it("fills in the defaults", function()
    local opt = options.check("mgd.train", schema, nil)
    assert.same({ tau_p = 1, optimizer = "sgd", shuffle = true }, opt)
  end)

  it("keeps false", function()
    assert.is_false(options.check("mgd.train", schema, { shuffle = false }).shuffle)
  end)

  it("leaves the given table alone", function()
    local given = { eta = 1 }
    local opt = options.check("mgd.train", schema, given)
    opt.eta = 2
    assert.same({ eta = 1 }, given)
  end)

  it("takes a float with an integer value for an integer", function()
    local opt = options.check("mgd.train", schema, { tau_p = 1e5 })
    assert.equal("100000", tostring(opt.tau_p))
  end)

  it("names the nearest option", function()
    assert.equal("mgd.train: unknown option 'bit' (did you mean 'bits'?)", failure { bit = 1 })
    assert.equal(
      "mgd.train: unknown option 'Shufle' (did you mean 'shuffle'?)",
      failure { Shufle = 1 }
    )
    assert.equal("mgd.train: unknown option 'opt' (did you mean 'optimizer'?)", failure { opt = 1 })
  end)

  it("counts swapped neighbours as one edit", function()
    assert.equal(1, naming.distance("eta", "tea"))
    assert.equal(3, naming.distance("", "abc"))
    assert.equal(0, naming.distance("Eta", "eta"))
  end)

  it("lists the options where none is near", function()
    assert.equal(
      "mgd.train: unknown option 'zzz' "
        .. "(options: tau_p, eta, bits, optimizer, shuffle, limit, init, x)",
      failure { zzz = 1 }
    )
    assert.equal("mgd.train: unknown option 'zzz' (it takes none)", failure({ zzz = 1 }, {}))
  end)

  it("says which type is right", function()
    assert.equal(
      "mgd.train: option 'eta' must be a number > 0 or a function, got string",
      failure { eta = "1" }
    )
    assert.equal("mgd.train: option 'shuffle' must be true or false, got number", failure {
      shuffle = 1,
    })
    assert.equal("mgd.train: option 'x' must be a tensor, got string", failure { x = "" })
    assert.equal(
      "mgd.train: option 'init' must be a table, got tensor",
      failure { init = mgd.zeros { 2 } }
    )
  end)

  it("says which range is right", function()
    assert.equal(
      "mgd.train: option 'tau_p' must be an integer ≥ 1, got 0",
      failure { tau_p = 0 }
    )
    assert.equal(
      "mgd.train: option 'tau_p' must be an integer ≥ 1, got 1.5",
      failure { tau_p = 1.5 }
    )
    assert.equal(
      "mgd.train: option 'bits' must be an integer ≥ 1 and ≤ 8, got 9",
      failure { bits = 9 }
    )
    assert.equal(
      "mgd.train: option 'eta' must be a number > 0 or a function, got 0",
      failure { eta = 0 }
    )
  end)

  it("lets NaN pass nowhere", function()
    for _, name in ipairs { "tau_p", "eta", "bits", "limit" } do
      assert.truthy(failure({ [name] = 0 / 0 }):find("got NaN", 1, true))
    end
  end)

  it("lets infinity pass only where the schema says so", function()
    assert.truthy(failure({ eta = math.huge }):find("got inf", 1, true))
    assert.equal(math.huge, options.check("mgd.train", schema, { limit = math.huge }).limit)
  end)

  it("suggests a choice", function()
    assert.equal(
      "mgd.train: option 'optimizer' must be 'sgd', 'momentum' or 'adam', "
        .. 'got "adm" (did you mean \'adam\'?)',
      failure { optimizer = "adm" }
    )
  end)

  it("takes anything callable for a function, and makes it one", function()
    local schedule = setmetatable({}, { __call = function(_, step) return 2 * step end })
    local eta = options.check("mgd.train", schema, { eta = schedule }).eta
    assert.equal("function", type(eta))
    assert.equal(6, eta(3))
  end)

  it("asks for what is required", function()
    local required = { { "net", type = "table", required = true } }
    assert.equal("mgd.train: option 'net' is missing: it must be a table", failure({}, required))
  end)

  it("refuses values without a name", function()
    assert.equal(
      "mgd.train: unexpected value at [1]: options are given by name",
      failure { 1 }
    )
  end)

  it("refuses what is no table", function()
    assert.equal("mgd.train: expected a table of options, got number", failure(3))
  end)

  it("checks an array part where the schema has one", function()
    local sizes = { positional = { type = "integer", min = 1 }, { "activation", type = "string" } }
    assert.same(
      { 2, 3, activation = "relu" },
      options.check("nn.mlp", sizes, { 2, 3, activation = "relu" })
    )
    assert.equal(
      "mgd.train: element 2 must be an integer ≥ 1, got 0",
      failure({ 2, 0, 1 }, sizes)
    )
  end)

  it("tells the caller's line", function()
    local ok, message = pcall(function()
      mgd.data.parity { bit = 4 }
    end)
    assert.is_false(ok)
    assert.truthy(message:find "options_spec%.lua:%d+: mgd%.data%.parity: unknown option 'bit'")
  end)
end)
