-- Bad input to the models of hardware: what is wrong, said at the user's line.

local mgd = require "mgd"

local hw = mgd.hw

-- The message of a failure, which is at a line of this file.
local function message_of(f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok, "no error")
  local text = message:match("^[^\n]*hw_errors_spec%.lua:%d+: (.*)$")
  assert(text, "at another line: " .. tostring(message))
  return text
end

-- Of hw.name(given), called here.
local function failure(name, given)
  return message_of(function()
    local model = hw[name](given) -- no tail call: it has a line
    return model
  end)
end

local function fails(name, given, expected)
  assert.equal("hw." .. name .. ": " .. expected, failure(name, given))
end

-- What each model needs.
local NEEDS = {
  noise = { sigma = 1 }, flicker = { sigma = 1, f_low = 1, f_high = 2 }, saturation = { limit = 1 },
  s_shape = { strength = 1 }, dead = { fraction = 0.1 }, missing = { fraction = 0.1 },
  crosstalk = { k = 0.1 }, levels = { bits = 3 }, read_noise = { sigma = 1 }, drift = { nu = 0.1 },
  leak = { tau = 1 }, diffusion = { sigma = 1 }, ir_drop = { ratio = 0.1 },
  pulse_table = { up = { 0, 1, 2 }, down = { 2, 1, 0 } },
}

-- What an option needs that belongs to another.
local WITH = {
  ["noise.scale"] = { law = "inverse" }, ["read_noise.scale"] = { law = "inverse" },
  ["programming_noise.scale"] = { law = "inverse", sigma = 1 },
}

local function with(name, key, value)
  local given = {}
  for _, more in ipairs { NEEDS[name] or {}, WITH[name .. "." .. key] or {} } do
    for k, v in pairs(more) do
      given[k] = v
    end
  end
  given[key] = value
  return given
end

local function each_option(f)
  for _, model in ipairs(hw.models()) do
    if model.source ~= "user" then
      for _, entry in ipairs(model.params) do
        f(model.name, entry[1], entry)
      end
    end
  end
end

local function refuses(name, key, value)
  local text = failure(name, with(name, key, value))
  assert(text:find("^hw%." .. name .. ": option '" .. key .. "'"), text)
end

describe("every model", function()
  it("refuses numbers below and above what its options take", function()
    local count = 0
    each_option(function(name, key, entry)
      local number = entry.type == "number" or entry.type == "integer"
      if number and entry.min then
        refuses(name, key, entry.min - 1)
        count = count + 1
      end
      if number and entry.max then
        refuses(name, key, entry.max + 1)
      end
      if number and entry.above then
        refuses(name, key, entry.above)
        refuses(name, key, entry.above - 1)
      end
    end)
    assert.is_true(count > 100)
  end)

  it("refuses NaN, infinity where there is none, and other types", function()
    each_option(function(name, key, entry)
      if entry.type == "number" then
        refuses(name, key, 0 / 0)
        if not entry.infinite then
          refuses(name, key, math.huge)
        end
      end
      if entry.type == "integer" then
        refuses(name, key, 2.5)
      end
      if entry.type ~= "table" and entry.type ~= "string" and entry.type ~= "boolean" then
        refuses(name, key, true)
      end
      refuses(name, key, print)
    end)
  end)

  it("refuses spreads below zero, and bits out of 1 … 24", function()
    local spreads, bits = 0, 0
    each_option(function(name, key)
      if key:find("spread", 1, true) or key:find("d2d", 1, true) or key:find("c2c", 1, true) then
        refuses(name, key, -0.1)
        spreads = spreads + 1
      elseif key == "bits" then
        for _, value in ipairs { 0, -1, 25, 1.5 } do
          refuses(name, key, value)
        end
        bits = bits + 1
      end
    end)
    assert.is_true(spreads > 40 and bits >= 5)
  end)

  it("names the nearest of its options", function()
    each_option(function(name, key)
      if #key > 3 then
        local text = failure(name, { [key .. "x"] = 1 })
        assert.equal(("hw.%s: unknown option '%sx' (did you mean '%s'?)"):format(name, key, key),
          text)
      end
    end)
  end)

  it("misses what it needs", function()
    for name, needs in pairs(NEEDS) do
      for key in pairs(needs) do
        local given = with(name, key, nil)
        local text = failure(name, given)
        assert(text:find(key, 1, true) and text:find("^hw%." .. name .. ": "), text)
      end
    end
  end)

  it("has a doc, a source, a stage that is known", function()
    local stages = {}
    for _, entry in ipairs(hw.STAGES) do
      stages[entry[1]] = true
    end
    for _, model in ipairs(hw.models()) do
      assert(#model.doc > 0 and #model.source > 0 and #model.stages > 0, model.name)
      for _, stage in ipairs(model.stages) do
        assert(stages[stage], model.name)
      end
      for _, entry in ipairs(model.params) do
        assert(#entry.doc > 0, model.name .. "." .. entry[1])
      end
    end
  end)
end)

describe("ranges upside down", function()
  it("of bounds", function()
    local text = "option 'low' must be below 'high', got 1 and -1"
    fails("clamp", { low = 1, high = -1 }, text)
    fails("adc", { low = 1, high = -1 }, text)
    fails("levels", { bits = 3, low = 1, high = -1 }, text)
    fails("levels", { bits = 3, low = 1 }, "option 'low' must be below 'high', got 1 and 1")
    fails("clamp", { low = 1, high = 1 }, "option 'low' must be below 'high', got 1 and 1")
    fails("adc", { low = 1 }, "options 'low' and 'high' go together")
    fails("flicker", { sigma = 1, f_low = 3, f_high = 2 },
      "option 'f_low' must be below 'f_high', got 3 and 2")
    fails("conductance", { g_min = 30 }, "option 'g_min' must be below 'g_max', got 30 and 25")
    fails("stuck", { at_low = 1 }, "option 'at_low' must be below 'at_high', got 1 and 1")
  end)

  it("of a path", function()
    for _, name in ipairs { "clamp", "range" } do
      local given = { bits = name == "range" and 3 or nil, [name] = { 1, -1 } }
      fails("path", given, name .. ": option 'low' must be below 'high', got 1 and -1")
      given[name] = { low = 1 }
      fails("path", given, name .. ": option 'high' is missing: it must be a number")
      given[name] = { 1 }
      fails("path", given, name .. ": option 'high' is missing: it must be a number")
    end
  end)

  it("of update laws", function()
    for _, name in ipairs { "constant_step", "linear_step", "soft_bounds", "exponential_step",
      "power_step", "ltp_ltd" } do
      fails(name, { w_min = 0.7 }, "option 'w_min' must be below 'w_max', got 0.7 and 0.6")
    end
    fails("soft_bounds", { w_min = 0.1 }, "bounds must lie on both sides of 0, got 0.1 and 0.6")
    fails("soft_bounds", { w_max = 0 }, "bounds must lie on both sides of 0, got -0.6 and 0")
  end)
end)

describe("tables", function()
  it("of levels and conductances rise and have two entries", function()
    fails("levels", { table = { 1 } },
      "option 'table' must be a list of at least 2 numbers that rise, got 1")
    fails("levels", { table = { 0, 1, 1 } }, "option 'table' must rise: entry 3 is 1 after 1")
    fails("levels", { table = { 0, "1" } }, "option 'table' must rise: entry 2 is 1 after 0")
    fails("conductance", { levels = { 5 } },
      "option 'levels' must be a list of at least 2 numbers that rise, got 1")
    fails("conductance", { levels = { 5, 3 } }, "option 'levels' must rise: entry 2 is 3 after 5")
  end)

  it("of a drift have whole rows that rise", function()
    local whole = "each ≥ 0"
    for _, rows in ipairs { { 1, 2 }, { { 1, 0.1 }, { 2, 0.1, 0.1 } },
      { { 1, 0.1, -0.1 }, { 2, 0.1, 0.1 } }, { { 1, "0.1", 0.1 }, { 2, 0.1, 0.1 } } } do
      fails("drift", { law = "table", table = rows },
        "option 'table': row 1 must be {g, mean ν, sd of ν}, " .. whole)
    end
    fails("drift", { law = "table", table = { { 2, 0.1, 0 }, { 1, 0.1, 0 } } },
      "option 'table' must rise: entry 2 is 1 after 2")
    for _, rows in ipairs { {}, { { 2, 0.1, 0 } } } do
      fails("drift", { law = "table", table = rows },
        "option 'table' must be a list of at least 2 numbers that rise, got " .. #rows)
    end
    fails("drift", { law = "table" },
      "option 'table' must be a list of at least 2 numbers that rise, got 0")
  end)

  it("of pulses have three weights in one direction", function()
    local up, down = { 0, 1, 2 }, { 2, 1, 0 }
    fails("pulse_table", { up = { 0, 1 }, down = down },
      "option 'up' must be a list of at least 3 weights, got 2")
    fails("pulse_table", { up = up, down = {} },
      "option 'down' must be a list of at least 3 weights, got 0")
    fails("pulse_table", { up = { 0, 1, 1 }, down = down },
      "option 'up' must rise: entry 3 is 1 after 1")
    fails("pulse_table", { up = up, down = { 2, 1, 1.5 } },
      "option 'down' must fall: entry 3 is 1.5 after 1")
    fails("pulse_table", { up = { 0, 0 / 0, 1 }, down = down },
      ("option 'up' must rise: entry 2 is %s after 0"):format(tostring(0 / 0)))
  end)
end)

describe("an option without effect", function()
  it("is refused", function()
    fails("adc", { stochastic = true }, "option 'stochastic' has no effect without 'bits'")
    fails("write", { stochastic = true }, "option 'stochastic' has no effect without 'resolution'")
    fails("levels", { table = { 0, 1 }, stochastic = true },
      "option 'stochastic' has no effect with a table")
    fails("neuron_spread", { sigma = 1, gain_spread = 0, slope_spread = 0, threshold_spread = 0,
      offset_spread = 0 }, "option 'sigma' has no effect: all four spreads are given")
    for _, given in ipairs { { bits = 3 }, { range = { -1, 1 } } } do
      fails("path", given, "options 'bits' and 'range' go together: one has no effect without the "
        .. "other")
    end
    for _, given in ipairs { { bits = 3 }, { bound = 1 } } do
      fails("amplitude", given, "options 'bits' and 'bound' go together: one has no effect without "
        .. "the other")
    end
    for _, name in ipairs { "write", "constant_step", "ltp_ltd" } do
      fails(name, { endurance_spread = 0.1 },
        "option 'endurance_spread' has no effect without 'endurance'")
    end
  end)

  it("is refused with a law that it does not belong to", function()
    fails("noise", { sigma = 1, scale = 2 },
      "option 'scale' has no effect with law = 'additive': it belongs to law = 'inverse'")
    fails("read_noise", { law = "pcm", sigma = 1 },
      "option 'sigma' has no effect with law = 'pcm', which has its own")
    fails("programming_noise", { sigma = 1 },
      "option 'sigma' has no effect with law = 'pcm', which has its own")
    for _, name in ipairs { "day", "v_read" } do
      fails("programming_noise", { law = "pcm", [name] = 5 },
        ("option '%s' has no effect with law = 'pcm': it belongs to law = 'sonos'"):format(name))
    end
    fails("drift", { law = "pcm", nu = 0.1 },
      "option 'nu' has no effect with law = 'pcm': it belongs to law = 'power'")
    fails("drift", { nu = 0.1, table = { { 1, 0, 0 }, { 2, 0, 0 } } },
      "option 'table' has no effect with law = 'power': it belongs to law = 'table'")
  end)
end)

describe("laws of noise", function()
  it("need their numbers", function()
    fails("read_noise", {}, "option 'sigma' is missing: the law 'additive' needs it")
    fails("read_noise", { law = "polynomial" },
      "option 'coefficients' is missing: σ = c0 + c1·r + c2·r² in µS")
    for _, list in ipairs { {}, { 1, 2 }, { 1, 2, "3" }, { 1, 2, 3, 4 } } do
      fails("read_noise", { law = "polynomial", coefficients = list },
        "option 'coefficients' must be three numbers: c0 + c1·r + c2·r²")
    end
    fails("programming_noise", { law = "sonos", day = 6 },
      "option 'day' must be a number ≥ 0 and ≤ 5, got 6")
    assert.truthy(failure("read_noise", { law = "pcn" }):find("did you mean 'pcm'", 1, true))
    fails("drift", {}, "option 'nu' is missing: the exponent of the drift")
  end)
end)

describe("levels, shares, time constants", function()
  it("of one kind", function()
    fails("levels", {}, "expected one of bits, levels and table, got 0 of them")
    fails("levels", { bits = 2, levels = 3 },
      "expected one of bits, levels and table, got 2 of them")
    fails("stuck", { low = 0.5, high = 0.5, random = 0.25 },
      "the shares low, high and random add up to 1.25: expected at most 1")
    fails("path", { lowpass = -1 }, "option 'lowpass' must be a time constant ≥ 0 s, got -1")
    fails("path", { highpass = 0 }, "option 'highpass' must be a time constant > 0 s, got 0")
    fails("path", { lowpass = 1, bandwidth = 1 },
      "options 'lowpass' and 'bandwidth' say the same: expected one of them")
    fails("path", { bandwidth = 0 }, "option 'bandwidth' must be a number > 0, got 0")
    fails("path", { bandwidth = "1e3" }, "option 'bandwidth' must be a number > 0, got string")
    for _, name in ipairs { "lowpass", "highpass" } do
      for _, given in ipairs { {}, { tau = 1, frequency = 1 } } do
        fails("path", { [name] = given }, name .. ": expected one of tau (s) and frequency (Hz)")
      end
      fails("path", { [name] = { tua = 1 } },
        name .. ": unknown option 'tua' (did you mean 'tau'?)")
    end
    fails("path", { lowpass = { tau = 1, poles = 9 } },
      "lowpass: option 'poles' must be an integer ≥ 1 and ≤ 8, got 9")
    fails("path", { ringing = { frequency = 1 } },
      "ringing: option 'damping' is missing: it must be a number > 0")
    fails("path", { ringing = { frequency = 1, damping = 0 } },
      "ringing: option 'damping' must be a number > 0, got 0")
    -- a table says so for both ways of giving a zero
    assert.truthy(failure("path", { highpass = { tau = 0 } }):find("> 0 s, got 0", 1, true))
  end)
end)

describe("stages", function()
  local function compiling(stages)
    return message_of(function()
      local compiled = hw.compile("spec", stages)
      return compiled
    end)
  end

  it("refuse what does not belong there", function()
    local noise = hw.noise { sigma = 1 }
    assert.equal("spec: hw.stuck cannot stand in stage 'cost': it belongs to weights",
      compiling { cost = hw.stuck { low = 0.1 } })
    assert.equal("spec: hw.dead cannot stand in stage 'input': it belongs to neurons, output",
      compiling { input = { noise, hw.dead { fraction = 0.1 } } })
    assert.equal("spec: stage 'cost' must be a model such as hw.noise{sigma = 0.1}, or a list of "
      .. "them, got number", compiling { cost = 0.1 })
    assert.equal("spec: stage 'cost': element 2 is table: expected a model such as "
      .. "hw.noise{sigma = 0.1}", compiling { cost = { noise, { sigma = 1 } } })
    assert.equal("spec: stage 'cost': 'noise' is a model at a name: expected a model such as "
      .. "hw.noise{sigma = 0.1}", compiling { cost = { noise = noise } })
    assert.equal("spec: stage 'update' has two laws, hw.constant_step and hw.write: expected one",
      compiling { update = { hw.constant_step(), hw.write { noise = 1 } } })
  end)

  it("unknown ones: with a suggestion", function()
    assert.equal("hw.define: unknown stage 'outptu' (did you mean 'output'?)",
      message_of(function()
        hw.define { name = "mine", stage = "outptu", apply = function(v) return v end }
      end))
    local text = message_of(function()
      hw.define { name = "mine", stage = { "cost", "qqqqqqqq" }, apply = function(v) return v end }
    end)
    assert.truthy(text:find("unknown stage 'qqqqqqqq' (stages: weights, ", 1, true), text)
    assert.equal("hw.define: the name 'noise' is taken", message_of(function()
      hw.define { name = "noise", stage = "cost", apply = function(v) return v end }
    end))
    assert.equal("hw.define: the name 'compile' is taken", message_of(function()
      hw.define { name = "compile", stage = "cost", apply = function(v) return v end }
    end))
  end)
end)

describe("trying out", function()
  it("says what it expects", function()
    local noise, values = hw.noise { sigma = 1 }, mgd.zeros { 1, 2 }
    local function applying(...)
      local given = table.pack(...)
      return message_of(function()
        local out = noise:apply(table.unpack(given, 1, given.n))
        return out
      end)
    end
    assert.equal("hw.noise: apply: expected a tensor of values, got string", applying("1"))
    assert.truthy(applying(values, { hold = 1 }):find("did you mean 'held'", 1, true))
    assert.truthy(applying(values, { dt = 0 }):find("option 'dt' must be a number > 0", 1, true))
    assert.equal("hw.noise: apply: unknown stage 'neuron' (did you mean 'neurons'?)",
      applying(values, { stage = "neuron" }))
    assert.truthy(applying(mgd.zeros { 0, 2 }):find("expected (T, n)", 1, true))
    assert.equal("hw.soft_bounds: apply: an update law is tried out by write(start, changes)",
      message_of(function()
        local out = hw.soft_bounds():apply(values)
        return out
      end))
    assert.equal("hw.noise: write: hw.noise is no update law: it is tried out by apply(values)",
      message_of(function()
        local out = noise:write(values, values)
        return out
      end))
    assert.equal("hw.write: write: expected tensors: weights (n), and changes (T, n)",
      message_of(function()
        local out = hw.write():write("0", values)
        return out
      end))
    assert.truthy(message_of(function()
      local out = hw.write():write(mgd.zeros { 3 }, values)
      return out
    end):find("3 weights and changes of 2 devices", 1, true))
  end)
end)
