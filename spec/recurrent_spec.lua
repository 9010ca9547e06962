-- Recurrent networks: elman and ssm along sequences, layers at each step, HiPPO, sequences as data;
-- compared with plain Lua, with central differences and with matrices made by elimination. Their
-- training is in recurrent_train_spec.lua, faults are in recurrent_fault_spec.lua.

local mgd = require "mgd"
local recurrent = require "spec.support.recurrent"
local solved = require("spec.support.elimination").solved

local nn = mgd.nn
local each, network, samples, targets, worst = recurrent.each, recurrent.network,
  recurrent.samples, recurrent.targets, recurrent.worst
local unpack = table.unpack or unpack

local function each_step(dense)
  return nn.each_step { dense }
end

-- ---- plain Lua ----------------------------------------------------------------------------------

local ACT = {
  tanh = function(x)
    local e = math.exp(-2 * math.abs(x))
    return (x < 0 and -1 or 1) * (1 - e) / (1 + e)
  end,
  sigmoid = function(x) return 1 / (1 + math.exp(-x)) end,
  relu = function(x) return math.max(x, 0) end,
}

-- Σ_i theta[at + i]·x[i]
local function dot(theta, at, x)
  local sum = 0
  for i, value in ipairs(x) do
    sum = sum + theta[at + i] * value
  end
  return sum
end

-- States of all steps, {T × {H}}, of a sequence {T × {F}}; parameters begin behind `at`.
local function states(layer, sequence, theta, at)
  local h, f = layer.outputs, #sequence[1]
  local act = layer.kind == "elman" and ACT[layer.cell]
  local before, all = {}, {}
  for i = 1, h do
    before[i] = 0
  end
  for t, x in ipairs(sequence) do
    local now = {}
    for i = 1, h do
      local sum = dot(theta, at + (i - 1) * f, x) + dot(theta, at + h * f + (i - 1) * h, before)
      now[i] = act and act(sum + theta[at + h * (f + h) + i]) or sum
    end
    before, all[t] = now, now
  end
  return all
end

local function count(layer, features)
  local h = layer.outputs
  return h * (features + h) + (layer.kind == "elman" and h or 0)
end

-- The answers (B, O) or (B, T, K) of a recurrent layer and a dense read-out.
local function forward(net, x)
  local layer, theta, rows = net.layers[1], net:theta():totable(), {}
  local steps, features = net.input[1], net.input[2] or 1
  local read = net.layers[2].layers and net.layers[2].layers[1] or net.layers[2]
  local at = count(layer, features)
  for b, flat in ipairs(x:reshape { #x, steps, features }:totable()) do
    local all, answers = states(layer, flat, theta, 0), {}
    for t, h in ipairs(all) do
      answers[t] = {}
      for o = 1, read.outputs do
        answers[t][o] = dot(theta, at + (o - 1) * #h, h) + theta[at + read.outputs * #h + o]
      end
    end
    rows[b] = layer.every and answers or answers[steps]
  end
  return mgd.tensor(rows)
end

describe("forward agrees with plain Lua for", function()
  -- Sums of up to 136 products of order 1 along up to 11 steps.
  local TOLERANCE = { f64 = 4e-14, f32 = 3e-5 }
  each(function(case, output, name)
    for dtype, tolerance in pairs(TOLERANCE) do
      it(name .. " in " .. dtype, function()
        local net = network(case, output, dtype)
        for _, batch in ipairs { 1, 19, 70 } do
          local x = samples(net, batch)
          local y, expected = net:forward(x), forward(net, x:to "f64")
          if net.input[1] > 1 then
            assert.same(expected.shape, y.shape)
          end
          local error = worst(y:to "f64", expected) / (1 + expected:abs():max())
          assert.is_true(error < tolerance, ("error %g"):format(error))
        end
      end)
    end
  end)

  it("parameters: those of the input, of the state, and biases of elman alone", function()
    assert.equal(5 * 3 + 5 * 5 + 5,
      nn.sequential { input = { 6, 3 }, nn.elman { 5 } }.num_parameters)
    assert.equal(6 * 3 + 6 * 6,
      nn.sequential { input = { 6, 3 }, nn.ssm { states = 6 } }.num_parameters)
  end)
end)

-- ---- gradient -----------------------------------------------------------------------------------

local function differences(net, x, y, cost)
  local theta, g, step = net:theta(), {}, 1e-6
  for i = 1, #theta do
    local c = {}
    for side = -1, 1, 2 do
      local moved = theta:clone()
      moved[i] = moved[i] + side * step
      local _, value = net:set_theta(moved):gradient(x, y, cost)
      c[#c + 1] = value
    end
    g[i] = (c[2] - c[1]) / (2 * step)
  end
  net:set_theta(theta)
  return mgd.tensor(g)
end

local function check_gradient(net, answers)
  local x, y = samples(net, 5), targets(net, 5, answers)
  for _, cost in ipairs { "mse", "cross_entropy", "l2" } do
    local g, expected = net:gradient(x, y, cost), differences(net, x, y, cost)
    -- rounding of costs of order 1 over 2e-6, and third derivatives of order 1 times 1e-12
    assert.is_true(worst(g, expected) < 2e-9 * (1 + expected:abs():max()),
      ("%s: %g"):format(cost, worst(g, expected)))
    assert.is_true(expected:norm() > 1e-3)
  end
end

describe("back-propagation through time agrees with central differences for", function()
  each(function(case, output, name)
    if case[1] ~= "elman of many inputs" then
      it(name, function()
        check_gradient(network(case, output, "f64"), 3)
      end)
    end
  end)

  for _, output in ipairs { "last", "all" } do
    it("recurrent layers behind others and each other, " .. output, function()
      local net = nn.sequential { input = { 7, 3 }, dtype = "f64",
        nn.each_step { nn.dense(4), nn.tanh() },
        nn.elman { 5, activation = "sigmoid", output = "all" },
        nn.residual { nn.elman { 5, output = "all" } }, nn.ssm { states = 4, output = output },
        nn.softplus(), output == "all" and each_step(nn.dense(2)) or nn.dense(2) }
      net:init { scheme = "glorot_normal", seed = 5 }
      local x = samples(net, 5)
      local y = mgd.rand(output == "all" and { 5, 7, 2 } or { 5, 2 }, { seed = 4 })
      local g = net:gradient(x, y, "mse")
      assert.is_true(worst(g, differences(net, x, y, "mse")) < 1e-9)
    end)
  end
end)

-- ---- each step ----------------------------------------------------------------------------------

describe("each_step is its layers on every step alone:", function()
  local CASES = {
    { "dense", { 4 }, nn.dense(3) },
    { "dense and activations", { 4 }, nn.dense(5), nn.relu(), nn.dense(2), nn.sigmoid() },
    { "convolution, pool and flatten", { 2, 6, 6 }, nn.conv2d { 3, kernel = 3 }, nn.relu(),
      nn.maxpool2d(2), nn.flatten(), nn.dense(2) },
    { "affine and reshape", { 2, 3, 3 }, nn.affine(), nn.reshape { 18 }, nn.dense(2) },
    { "residual and branches", { 4 }, nn.residual { nn.dense(4), nn.tanh() },
      nn.concat { nn.dense(3), { nn.dense(2), nn.relu() }, {} }, nn.dense(2) },
    { "sum of branches", { 3 }, nn.add { nn.dense(2), { nn.dense(4), nn.dense(2) } } },
    { "a mesh", { 3 }, nn.mzi_mesh { modes = 4, outputs = 2 } },
  }
  for _, case in ipairs(CASES) do
    for _, dtype in ipairs { "f32", "f64" } do
      it(case[1] .. " in " .. dtype, function()
        local steps, layers = 3, { unpack(case, 3) }
        local one = nn.sequential { input = case[2], dtype = dtype, unpack(layers) }
        local net = nn.sequential { input = { steps, unpack(case[2]) }, dtype = dtype,
          nn.each_step(layers) }
        assert.equal(one.num_parameters, net.num_parameters)
        net:set_theta(one:init { scheme = "normal", std = 0.5, seed = 2 }:theta())
        local x = samples(net, 21)
        local y = net:forward(x)
        for t = 1, steps do -- the same kernels: the same bits
          assert.same(one:forward(x[{ {}, t }]:clone()):totable(), y[{ {}, t }]:totable())
        end
      end)

      it("gradient of " .. case[1] .. " in " .. dtype, function()
        local layers = { unpack(case, 3) }
        local net = nn.sequential { input = { 3, unpack(case[2]) }, dtype = dtype,
          nn.each_step(layers) }:init { scheme = "normal", std = 0.5, seed = 2 }
        local one = nn.sequential { input = case[2], dtype = dtype, unpack(layers) }
        local x, y = samples(net, 5), mgd.rand({ 5, 3, 2 }, { seed = 1 }):to(dtype)
        if net.outputs ~= 6 then
          y = mgd.rand({ 5, 3, net.outputs / 3 }, { seed = 1 }):to(dtype)
        end
        local g = net:gradient(x, y, "mse")
        one:set_theta(net:theta())
        local mean = mgd.zeros { #g } -- the mean over steps of each step's gradient
        for t = 1, 3 do
          local of_step = one:gradient(x[{ {}, t }]:clone(), y[{ {}, t }]:clone(), "mse")
          mean:add_(of_step:to "f64" / 3)
        end
        local tolerance = dtype == "f64" and 1e-14 or 1e-6
        assert.is_true(worst(g:to "f64", mean) < tolerance * (1 + mean:abs():max()))
      end)
    end
  end

  it("of one feature, {T} counts as {T, 1}", function()
    local a = nn.sequential { input = { 4 }, each_step(nn.dense(2)) }:init { seed = 3 }
    local b = nn.sequential { input = { 4, 1 }, each_step(nn.dense(2)) }:init { seed = 3 }
    local x = mgd.randn { 2, 4 }
    assert.same(a:forward(x):totable(), b:forward(x:reshape { 2, 4, 1 }):totable())
  end)
end)

-- ---- HiPPO --------------------------------------------------------------------------------------

-- (1 − Δ/2·A)^−1·(1 + Δ/2·A) and (1 − Δ/2·A)^−1·Δ·b of the published matrices.
local function legs(n, step)
  local function a(i, k)
    return k < i and -math.sqrt((2 * i + 1) * (2 * k + 1)) or k == i and -(i + 1) or 0
  end
  local left, right = {}, {}
  for i = 0, n - 1 do
    left[i + 1], right[i + 1] = {}, {}
    for k = 0, n - 1 do
      local one = i == k and 1 or 0
      left[i + 1][k + 1] = one - step / 2 * a(i, k)
      right[i + 1][k + 1] = one + step / 2 * a(i, k)
    end
    right[i + 1][n + 1] = step * math.sqrt(2 * i + 1)
  end
  return mgd.tensor(solved(left, right))
end

local SCHEMES = { "zeros", "uniform", "normal", "glorot_uniform", "glorot_normal", "he_uniform",
  "he_normal" }

-- B (N × F) and A (N × N) of a network that begins with an ssm.
local function matrices(net)
  local n, f = net.layers[1].outputs, net.input[2] or 1
  local theta = net:theta()
  return theta[{ { 1, n * f } }]:reshape { n, f },
    theta[{ { n * f + 1, n * (f + n) } }]:reshape { n, n }
end

describe("HiPPO-LegS", function()
  for _, size in ipairs { { 1, 5 }, { 2, 7 }, { 32, 28 }, { 32, 784 }, { 64, 100 } } do
    it(("of %d states and %d steps is the bilinear rule with 1/T"):format(size[1], size[2]),
      function()
        local expected = legs(size[1], 1 / size[2])
        local net = nn.sequential { input = size[2], dtype = "f64", nn.ssm { states = size[1] } }
        local b, a = matrices(net:init {})
        assert.is_true(worst(a, expected[{ {}, { 1, size[1] } }]) < 1e-12)
        assert.is_true(worst(b, expected[{ {}, { size[1] + 1, size[1] + 1 } }]) < 1e-12)
      end)
  end

  it("takes another step", function()
    local net = nn.sequential { input = 9, dtype = "f64", nn.ssm { states = 8, step = 0.4 } }
    local _, a = matrices(net:init {})
    assert.is_true(worst(a, legs(8, 0.4)[{ {}, { 1, 8 } }]) < 1e-13)
  end)

  it("is set by every scheme, which draws what is not of the ssm as it always does", function()
    local function parts(scheme, layer)
      local net = nn.sequential { input = { 5, 1 }, dtype = "f64", layer, nn.dense(3) }
      net:init { scheme = scheme, seed = 9 }
      return net:theta()[{ { 1, 20 } }], net:theta()[{ { 21, 35 } }]
    end
    local first
    for _, scheme in ipairs(SCHEMES) do
      local own, others = parts(scheme, nn.ssm { states = 4 })
      local _, expected = parts(scheme, nn.ssm { states = 4, init = "scheme" })
      first = first or own
      assert.same(first:totable(), own:totable())
      assert.same(expected:totable(), others:totable())
    end
  end)

  it("with init = 'scheme' is drawn like other weights", function()
    local net = nn.sequential { input = { 5, 40 }, dtype = "f64",
      nn.ssm { states = 60, init = "scheme" } }
    net:init { scheme = "glorot_uniform", seed = 2 }
    local theta, limit = net:theta(), math.sqrt(6 / (100 + 60))
    assert.is_true(theta:abs():max() < limit)
    -- 6,000 draws: the deviation of their variance is 0.9·limit²/3/√6000; four of them
    assert.is_true(math.abs(theta:var() / (limit ^ 2 / 3) - 1) < 4 * 0.9 / math.sqrt(6000))
  end)

  it("B of many features is b times draws of variance 1/F", function()
    local n, f = 64, 50
    local net = nn.sequential { input = { 20, f }, dtype = "f64", nn.ssm { states = n } }
    local b, a = matrices(net:init { seed = 4 })
    -- back through (1 − Δ/2·A), whose inverse is (1 + Ā)/2, and divided by Δ·q_n
    local half = (a + mgd.eye(n)) / 2
    local w = mgd.tensor(solved(half:totable(), b:totable()))
    for i = 1, n do
      w[i]:mul_(20 / math.sqrt(2 * i - 1))
    end
    -- 3,200 draws: deviations of mean and variance are 1/√3200 and √(2/3200) of those of one
    assert.is_true(math.abs(w:mean()) < 4 * math.sqrt(1 / f / (n * f)))
    assert.is_true(math.abs(w:var() * f - 1) < 4 * math.sqrt(2 / (n * f)))
    local other = matrices(net:init { seed = 4, replica = 2 })
    assert.is_true(worst(other, b) > 0.01)
  end)

  it("makes every state shorter, all along the sequence", function()
    for _, size in ipairs { { 32, 28 }, { 64, 28 }, { 32, 784 } } do
      local net = nn.sequential { input = size[2], dtype = "f64", nn.ssm { states = size[1] } }
      local _, a = matrices(net:init {})
      for seed = 1, 5 do
        local s = mgd.randn({ size[1] }, { seed = seed })
        for _ = 1, size[2] do
          local next_ = a:matmul(s)
          assert.is_true(next_:norm() < s:norm())
          s = next_
        end
      end
    end
  end)

  it("keeps the state bounded by its input: to |b| after a step, and ever slower", function()
    local n, steps = 32, 200
    local net = nn.sequential { input = steps, dtype = "f64",
      nn.ssm { states = n, output = "all" } }
    local b = matrices(net:init {})
    local s = net:forward(mgd.ones { 1, steps })[1]
    assert.is_true(worst(s[1], b:reshape { n }) < 1e-15)
    for t = 1, steps do
      assert.is_true(s[t]:norm() <= t * b:norm())
    end
  end)
end)

-- ---- data ---------------------------------------------------------------------------------------

describe("sequences as data", function()
  it("are stacked from a list, in the type of the first", function()
    local a, b = mgd.rand({ 4, 2 }, { seed = 1 }), mgd.rand({ 4, 2 }, { seed = 2 })
    local set = mgd.data.sequences { x = { a, b:to "f32" }, y = mgd.eye(2) }
    assert.same({ 2, 4, 2 }, set.x.shape)
    assert.equal("f64", set.x.dtype)
    assert.same(a:totable(), set.x[1]:totable())
    assert.same(b:to("f32"):totable(), set.x[2]:totable())
    local whole = { mgd.arange(3, { dtype = "i32" }) }
    assert.equal("f32", mgd.data.sequences { x = whole, y = mgd.ones { 1, 1 } }.x.dtype)
  end)

  it("of one feature may lack their second dimension", function()
    local x = mgd.rand { 3, 5 }
    local list = mgd.data.sequences { x = { x[1], x[2], x[3] }, y = mgd.ones { 3, 1 } }
    local whole = mgd.data.sequences { x = x, y = mgd.ones { 3, 1 } }
    assert.same({ 3, 5, 1 }, list.x.shape)
    assert.same(list.x:totable(), whole.x:totable())
  end)

  it("have targets at the end, at every step, or labels", function()
    local x = mgd.rand { 3, 5, 2 }
    assert.same({ 3, 5, 4 }, mgd.data.sequences { x = x, y = mgd.ones { 3, 5, 4 } }.y.shape)
    local y = mgd.rand({ 5, 1 }, { seed = 7 })
    local list = mgd.data.sequences { x = x, y = { y, y + 1, y + 2 } }
    assert.same({ 3, 5, 1 }, list.y.shape)
    assert.same((y + 1):totable(), list.y[2]:totable())
    local labels = mgd.data.sequences { x = x, y = mgd.tensor({ 1, 3, 2 }, { dtype = "i32" }),
      test = { x = { x[1], x[2] }, y = mgd.tensor({ 2, 1 }, { dtype = "i32" }) } }
    assert.same({ 3, 3 }, labels.y.shape)
    assert.same({ 2, 5, 2 }, labels.test.x.shape)
    assert.same({ { 0, 1, 0 }, { 1, 0, 0 } }, labels.test.y:totable())
  end)

  it("and images are sequences of their rows, or of their pixels", function()
    local x = mgd.rand { 7, 1, 6, 4 }
    for input, other in pairs { [{ 6, 4 }] = { 7, 6, 4 }, [{ 24 }] = { 7, 24 } } do
      local net = nn.sequential { input = input, nn.elman { 5 } }:init { seed = 3 }
      assert.same(net:forward(x:reshape(other)):totable(), net:forward(x):totable())
      mgd.train { net = net, data = { x = x, y = mgd.rand { 7, 5 } } }:run { steps = 1 }
    end
  end)
end)

-- ---- showing ------------------------------------------------------------------------------------

describe("recurrent layers show", function()
  it("themselves", function()
    assert.equal("elman(32)", tostring(nn.elman { 32 }))
    assert.equal("elman(3, relu, all)",
      tostring(nn.elman { 3, activation = "relu", output = "all" }))
    assert.equal("ssm(32)", tostring(nn.ssm {}))
    assert.equal("ssm(8, all, drawn)",
      tostring(nn.ssm { states = 8, output = "all", init = "scheme" }))
    assert.equal("ssm(8, step 0.1)", tostring(nn.ssm { states = 8, step = 0.1 }))
    assert.equal("each_step(dense(2) → relu)", tostring(nn.each_step { nn.dense(2), nn.relu() }))
  end)

  it("their plan: work of all steps, the first state made of the input alone", function()
    local net = nn.sequential { input = { 7, 3 }, nn.elman { 5, output = "all" },
      nn.ssm { states = 4, output = "all" }, nn.each_step { nn.dense(2), nn.relu() } }
    local plan = net:plan()
    assert.equal(3, #plan)
    assert.equal(2 * 5 * (7 * 3 + 6 * 5) + 7 * 5, plan[1].flop)
    assert.equal(2 * 4 * (7 * 5 + 6 * 4), plan[2].flop)
    assert.equal(7 * (2 * 2 * 4 + 2), plan[3].flop)
    assert.equal("dense + relu, 7 steps", plan[3].kernel)
    assert.same({ 7, 2 }, plan[3].shape)
    assert.same({ 7, 5 }, plan[1].shape)
    assert.equal(3, #plan:time { rounds = 1 })
  end)

  it("that a last state takes no room for those before it", function()
    local long = nn.sequential { input = { 500, 1 }, nn.ssm { states = 8 }, nn.dense(2) }
    assert.equal((500 + 2 * 8) * 4, long:plan().arena) -- two states in turn, and 2 outputs
  end)
end)
