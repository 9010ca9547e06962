-- Voltage lost on the wires of an array, against the circuit solved by Gaussian elimination. Both
-- wires have a node at each device; a driver is before output 0, an amplifier after the last input.

local core = require "mgd.core"
local mgd = require "mgd"
local elimination = require "spec.support.elimination"
local support = require "spec.support.train"

local hw, nn = mgd.hw, mgd.nn

-- Currents into the amplifiers of conductances g[o][i] (biases last, at the amplifier) for drivers
-- at x[i], with segments of resistance r.
local function circuit(g, r, x, biased)
  local outputs, wires = #g, #g[1]
  local inputs = biased and wires - 1 or wires
  local node, count = {}, 0
  for o = 1, outputs do
    for i = 1, wires do
      for _, wire in ipairs(i <= inputs and { "in", "out" } or { "in" }) do
        count = count + 1
        node[wire .. o .. "," .. i] = count
      end
    end
  end
  local a, b = {}, {}
  for k = 1, count do
    a[k], b[k] = {}, { 0 }
    for c = 1, count do
      a[k][c] = 0
    end
  end
  local function join(p, q, conductance, volts)
    p, q = node[p], node[q]
    a[p][p] = a[p][p] + conductance
    if q then
      a[q][q] = a[q][q] + conductance
      a[p][q], a[q][p] = a[p][q] - conductance, a[q][p] - conductance
    else
      b[p][1] = b[p][1] + conductance * volts
    end
  end
  for o = 1, outputs do
    for i = 1, wires do
      local at = o .. "," .. i
      join("in" .. at, o > 1 and "in" .. o - 1 .. "," .. i, 1 / r, x[i])
      if i > inputs then
        join("in" .. at, "amplifier", g[o][i], 0)
      else
        join("in" .. at, "out" .. at, g[o][i])
        join("out" .. at, i < inputs and "out" .. o .. "," .. i + 1 or "amplifier", 1 / r, 0)
      end
    end
  end
  local v, y = elimination.solved(a, b), {}
  for o = 1, outputs do
    y[o] = (inputs > 0 and v[node["out" .. o .. "," .. inputs]][1] / r or 0)
      + (biased and g[o][wires] * v[node["in" .. o .. "," .. wires]][1] or 0)
  end
  return y
end

-- Outputs of weights w (O × I, then a column of biases) as two arrays of conductances, in weights.
local function lowered(w, r, x, w_max, least)
  least = least or 0
  local y = {}
  for side = 1, -1, -2 do
    local g = {}
    for o, row in ipairs(w) do
      g[o] = {}
      for i, value in ipairs(row) do
        g[o][i] = least + (1 - least) * math.max(side * value, 0) / w_max
      end
    end
    for o, current in ipairs(circuit(g, r, x, true)) do
      y[o] = (y[o] or 0) + side * current * w_max / (1 - least)
    end
  end
  return y
end

-- A dense layer and its weights, biases as a last column.
local function layer(outputs, inputs, scheme)
  local net = nn.sequential { input = { inputs }, dtype = "f64", nn.dense(outputs) }
  net:init(scheme or { scheme = "uniform", low = -1, high = 1, seed = 5 })
  local theta, w = net:theta(), {}
  for o = 1, outputs do
    w[o] = {}
    for i = 1, inputs do
      w[o][i] = theta[(o - 1) * inputs + i]
    end
    w[o][inputs + 1] = theta[outputs * inputs + o]
  end
  return net, w
end

local function predict(net, weights, x)
  local chip = mgd.chip { net = net, weights = weights }
  local run = mgd.train { chip = chip, data = { x = x, y = mgd.zeros { x.shape[1], net.outputs } } }
  return run:predict(x)
end

local SHAPES = { { 1, 1 }, { 1, 7 }, { 6, 1 }, { 3, 5 }, { 6, 4 }, { 9, 2 } }

describe("hw.ir_drop with solve = nodal", function()
  for _, shape in ipairs(SHAPES) do
    local outputs, inputs = shape[1], shape[2]
    it(("is the circuit of %d outputs and %d inputs, whatever is on"):format(outputs, inputs),
      function()
        local net, w = layer(outputs, inputs)
        local x = mgd.randn({ 3, inputs }, { seed = 2 })
        for _, ratio in ipairs { 1e-3, 0.1 } do
          local y = predict(net, hw.ir_drop { ratio = ratio, solve = "nodal" }, x)
          for sample = 1, 3 do
            local volts = x[sample]:totable()
            volts[inputs + 1] = 1
            local expected = lowered(w, ratio, volts, 1)
            for o = 1, outputs do
              assert.is_true(math.abs(y[sample][o] - expected[o]) < 1e-12)
            end
          end
        end
      end)
  end

  it("has the conductances of hw.conductance, g_min too", function()
    local net, w = layer(3, 4)
    local weights = { hw.conductance { g_min = 5, g_max = 50, w_max = 1.5 },
      hw.ir_drop { ratio = 0.02, solve = "nodal" } }
    local x = mgd.randn({ 1, 4 }, { seed = 2 })
    local volts = x[1]:totable()
    volts[5] = 1
    local expected = lowered(w, 0.02, volts, 1.5, 0.1)
    local y = predict(net, weights, x)
    for o = 1, 3 do
      assert.is_true(math.abs(y[1][o] - expected[o]) < 1e-12)
    end
  end)

  it("refuses a circuit that nobody would wait for, with its size and time", function()
    local net = nn.mlp { 200, 150, 1 }
    support.fails({ "150×200", "60150 nodes", " s for each evaluation", "first_order" }, mgd.chip,
      { net = net, weights = hw.ir_drop { ratio = 1e-4, solve = "nodal" } })
    mgd.chip { net = net, weights = hw.ir_drop { ratio = 0, solve = "nodal" } }
  end)
end)

-- Current that is lost with all inputs on, as a share of what ideal wires carry.
local function loss(outputs, inputs, ratio, solve_by)
  local net = layer(outputs, inputs, { scheme = "uniform", low = 0, high = 1, seed = 3 })
  local x = mgd.ones { 1, inputs }
  local y = predict(net, hw.ir_drop { ratio = ratio, solve = solve_by }, x)
  return 1 - y:sum() / net:forward(x):sum()
end

describe("hw.ir_drop to first order", function()
  it("loses what the circuit loses: within 1 % of it where that is below a quarter", function()
    for _, case in ipairs { { 32, 32, 1e-4 }, { 16, 16, 1e-3 }, { 8, 8, 1e-2 }, { 4, 20, 1e-3 } } do
      local all = loss(case[1], case[2], case[3], "nodal")
      local first = loss(case[1], case[2], case[3], "first_order")
      assert.is_true(all > 0.005 and all < 0.25)
      assert.is_true(math.abs(first - all) < 0.01 * all, ("%g for %g"):format(first, all))
    end
  end)

  it("is its formula: same-sign devices of shared wires, biases at the amplifier", function()
    local outputs, inputs, ratio = 4, 6, 0.01
    local net, w = layer(outputs, inputs)
    local read = {}
    local function both(a, b)
      return a * b > 0 and math.abs(b) or 0
    end
    for o = 1, outputs do
      for i = 1, inputs + 1 do
        local sum = 0
        for k = 1, outputs do
          sum = sum + both(w[o][i], w[k][i]) * math.min(o, k)
        end
        for l = 1, inputs do
          sum = sum + both(w[o][i], w[o][l]) * math.max(inputs + 1 - math.max(i, l), 0)
        end
        read[i <= inputs and (o - 1) * inputs + i or outputs * inputs + o] =
          w[o][i] / (1 + ratio * sum)
      end
    end
    local x = mgd.randn({ 5, inputs }, { seed = 1 })
    local y = predict(net, hw.ir_drop { ratio = ratio }, x)
    local expected = net:set_theta(mgd.tensor(read)):forward(x)
    assert.is_true(y:allclose(expected, { rtol = 0, atol = 1e-13 }))
  end)

  it("is the same, in any bit, for replicas in lanes and one in a row", function()
    for _, solve_by in ipairs { "first_order", "nodal" } do
      local o = { data = mgd.data.xor(), eta = 0.5, seed = 4, chip = mgd.chip {
        net = nn.mlp { 2, 5, 1, activation = "tanh" },
        weights = { hw.conductance { w_max = 3, g_min = 1 }, hw.ir_drop { ratio = 0.02,
          solve = solve_by } },
      }, init = { scheme = "uniform", low = -1, high = 1 },
        perturbation = { code = "random", amplitude = 0.1 } }
      local alone = mgd.train(support.options(o, { replica = 2, batch = 4 }))
      local both = mgd.train(support.options(o, { replicas = 3, batch = 4 }))
      alone:run { steps = 50 }
      both:run { steps = 50 }
      assert.same(alone:theta():totable(), both:theta()[2]:totable())
    end
  end)

  it("takes w_max of hw.conductance, and no other", function()
    local net = nn.mlp { 2, 1 }
    support.fails({ "hw.ir_drop", "w_max", "4", "2" }, mgd.chip, { net = net, weights = {
      hw.conductance { w_max = 2 }, hw.ir_drop { ratio = 0.1, w_max = 4 } } })
  end)

  it("lies along the wire of one output where it is tried out", function()
    local g = { 0.5, 0.25, 1 }
    local row = hw.ir_drop { ratio = 0.1 }:apply(mgd.tensor { g })
    for i, value in ipairs(g) do
      local sum = value
      for l, other in ipairs(g) do
        sum = sum + other * (4 - math.max(i, l))
      end
      assert.is_true(math.abs(row[1][i] - value / (1 + 0.1 * sum)) < 1e-15)
    end
  end)
end)

describe("a chip", function()
  local function warnings(net, ratio)
    local script = ([[local mgd = require "mgd"
      local nn = mgd.nn
      local net = %s
      local chip = mgd.chip { net = net, weights = mgd.hw.ir_drop { ratio = %g } }
      local x = mgd.zeros { 2, (table.unpack or unpack)(net.input) }
      for _ = 1, 2 do
        mgd.train { chip = chip, data = { x = x, y = net:forward(x) } }
      end]]):format(net, ratio)
    return core.process.run({ os.getenv "MGD_LUA", "-e", script }, "", {}, 30).words
  end

  for net, devices in pairs {
    ["nn.mlp { 60, 40, 1 }"] = "layer 1, 40×60 devices",
    ["nn.sequential { input = { 8, 6, 6 }, nn.conv2d { 50, kernel = 3 } }"] = "50×72 devices",
    ["nn.sequential { input = { 3, 40 }, nn.elman { 30 } }"] = "30×70 devices",
    ["nn.sequential { input = { 3, 40 }, nn.ssm { states = 30 } }"] = "30×70 devices",
    ["nn.sequential { input = { 2, 60 }, nn.each_step { nn.dense(40) } }"] = "40×60 devices",
  } do
    it("warns once where the first order does not hold: " .. net, function()
      local text = warnings(net, 1e-3)
      assert.equal(1, select(2, text:gsub("warning", "")), text)
      assert.is_truthy(text:find(devices, 1, true), text)
      assert.equal("", warnings(net, 1e-5))
    end)
  end
end)
