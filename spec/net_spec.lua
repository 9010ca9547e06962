-- Networks: parameter layout, initial values, forward passes, the reference gradient. Everything is
-- compared with plain Lua in double precision, written from the definitions.

local mgd = require "mgd"
local core = require "mgd.core"
local fails = require("spec.support.errors").fails

local nn = mgd.nn
local quick = os.getenv "MGD_SPEC_QUICK" ~= nil
local ACTIVATIONS = {"identity", "sigmoid", "tanh", "relu", "softplus"}

-- ---- the network, once more, in plain Lua -------------------------------------------------------

local act = {
  identity = function(x) return x end,
  sigmoid = function(x) return 1 / (1 + math.exp(-x)) end,
  tanh = function(x)
    local e = math.exp(-2 * math.abs(x))
    return (x < 0 and -1 or 1) * (1 - e) / (1 + e)
  end,
  relu = function(x) return math.max(x, 0) end,
  softplus = function(x) return math.max(x, 0) + math.log(1 + math.exp(-math.abs(x))) end,
}

-- One sample through dense layers of the given sizes: θ is a list, layer by layer W (O × I), b (O).
local function forward(sizes, kinds, theta, x)
  local at = 0
  for layer = 1, #sizes - 1 do
    local inputs, outputs = sizes[layer], sizes[layer + 1]
    local y = {}
    for o = 1, outputs do
      local sum = theta[at + outputs * inputs + o]
      for i = 1, inputs do
        sum = sum + theta[at + (o - 1) * inputs + i] * x[i]
      end
      y[o] = act[kinds[layer]](sum)
    end
    at = at + outputs * (inputs + 1)
    x = y
  end
  return x
end

local costs = {}

function costs.mse(y, t)
  local sum = 0
  for o = 1, #y do
    sum = sum + (y[o] - t[o]) ^ 2
  end
  return sum / #y
end

function costs.l2(y, t)
  return math.sqrt(#y * costs.mse(y, t))
end

function costs.cross_entropy(y, t, smoothing)
  local top, sum, cost = math.max((table.unpack or unpack)(y)), 0, 0
  for o = 1, #y do
    sum = sum + math.exp(y[o] - top)
  end
  for o = 1, #y do
    local target = (1 - smoothing) * t[o] + smoothing / #y
    cost = cost - target * (y[o] - top - math.log(sum))
  end
  return cost
end

local function mean_cost(sizes, kinds, theta, xs, ts, cost, smoothing)
  local sum = 0
  for b = 1, #xs do
    sum = sum + costs[cost](forward(sizes, kinds, theta, xs[b]), ts[b], smoothing)
  end
  return sum / #xs
end

-- ∂C/∂θ by central differences in double. Step 1e-5: truncation of order 1e-10, rounding 1e-11.
local function differences(sizes, kinds, theta, xs, ts, cost, smoothing)
  local g, h = {}, 1e-5
  for i = 1, #theta do
    local centre = theta[i]
    theta[i] = centre + h
    local above = mean_cost(sizes, kinds, theta, xs, ts, cost, smoothing)
    theta[i] = centre - h
    g[i] = (above - mean_cost(sizes, kinds, theta, xs, ts, cost, smoothing)) / (2 * h)
    theta[i] = centre
  end
  return g
end

-- ---- helpers ------------------------------------------------------------------------------------

-- A network of dense layers, each followed by its kind.
local function chain(sizes, kinds, dtype)
  local opts = {input = sizes[1], dtype = dtype}
  for layer = 1, #sizes - 1 do
    opts[#opts + 1] = nn.dense(sizes[layer + 1])
    if kinds[layer] ~= "identity" then
      opts[#opts + 1] = nn[kinds[layer]]()
    end
  end
  return nn.sequential(opts)
end

local function worst(a, b)
  local most = 0
  for i = 1, #a do
    local d = type(a[i]) == "table" and worst(a[i], b[i]) or math.abs(a[i] - b[i])
    most = d == d and math.max(most, d) or math.huge
  end
  return #a == #b and most or math.huge
end

local function check_forward(sizes, kinds, dtype, batch, tolerance)
  local net = chain(sizes, kinds, dtype):init{scheme = "normal", std = 0.7, seed = 5}
  local theta = net:theta():totable()
  local x = mgd.randn({batch, sizes[1]}, {seed = 6}):to(dtype)
  local rows = x:totable()
  for b = 1, batch do
    rows[b] = forward(sizes, kinds, theta, rows[b])
  end
  local y = net:forward(x)
  assert.same({batch, sizes[#sizes]}, y.shape)
  assert.equal(dtype, y.dtype)
  local error = worst(rows, y:totable())
  assert.is_true(error < tolerance, ("error %g for layers of %s, batch %d"):format(error,
    table.concat(sizes, "-"), batch))
end

-- Sums of at most 20 products of order 1 and a rounded activation: a few units of 2^-53 or 2^-24.
local TOLERANCE = {f64 = 1e-14 * 20, f32 = 1e-5}

-- ---- the specs ----------------------------------------------------------------------------------

describe("forward", function()
  for _, dtype in ipairs {"f64", "f32"} do
    for _, kind in ipairs(ACTIVATIONS) do
      it(("agrees with plain Lua for %s in %s"):format(kind, dtype), function()
        for _, batch in ipairs {1, 7, 16, 17, 100} do
          check_forward({5, 7, 3}, {kind, kind}, dtype, batch, TOLERANCE[dtype])
        end
      end)
    end

    it("agrees with plain Lua for layers of 1 to 20 in " .. dtype, function()
      for size = 1, 20, quick and 3 or 1 do
        for _, other in ipairs {1, 2, 3, 6, 8, 13, 20} do
          check_forward({size, other, size}, {"tanh", "identity"}, dtype, 19, TOLERANCE[dtype])
        end
      end
    end)
  end

  it("of wide layers sums over all inputs", function()
    local net = nn.mlp{1000, 9, dtype = "f64"}:init{scheme = "normal", seed = 2}
    local x = mgd.randn({33, 1000}, {seed = 3})
    local w = net:theta()[{{1, 9000}}]:reshape{9, 1000}
    local y = x:matmul(w:transpose()) + net:theta()[{{9001, 9009}}]
    assert.is_true(net:forward(x):allclose(y, {rtol = 0, atol = 1e-11}))
  end)

  it("does not depend on the batch that a sample is in", function()
    for _, dtype in ipairs {"f32", "f64"} do
      local net = nn.mlp{6, 11, 4, dtype = dtype, activation = "sigmoid"}:init{seed = 9}
      local x = mgd.randn({100, 6}, {seed = 4}):to(dtype)
      local all = net:forward(x)
      for _, range in ipairs {{1, 1}, {3, 9}, {17, 33}, {100, 100}} do
        assert.same(all[{range}]:totable(), net:forward(x[{range}]):totable())
      end
    end
  end)

  it("takes images as rows of their pixels", function()
    local flat = nn.mlp{12, 5, dtype = "f64"}:init{seed = 1}
    local image = nn.sequential{input = {3, 2, 2}, dtype = "f64", nn.dense(5)}
    image:set_theta(flat:theta())
    local x = mgd.randn({4, 12}, {seed = 1})
    assert.same(flat:forward(x):totable(), image:forward(x:reshape{4, 3, 2, 2}):totable())
  end)

  it("takes views and strided inputs", function()
    local net = nn.mlp{3, 4, 2, dtype = "f64"}:init{seed = 1}
    local wide = mgd.randn({6, 10}, {seed = 2})
    local plain = net:forward(wide[{{1, 6}, {4, 6}}]:clone()):totable()
    assert.same(plain, net:forward(wide[{{1, 6}, {4, 6}}]):totable())
    local tall = wide[{{1, 6}, {4, 6}}]:transpose():clone()
    assert.same(plain, net:forward(tall:transpose()):totable())
  end)

  it("takes inputs of another type", function()
    local net = nn.mlp{3, 4, 2}:init{seed = 1}
    local x = mgd.tensor({{0, 1, 2}, {3, 4, 5}}, {dtype = "u8"})
    assert.same(net:forward(x:to "f32"):totable(), net:forward(x):totable())
    assert.same(net:forward(x:to "f32"):totable(), net:forward(x:to "f64"):totable())
  end)

  it("leaves an input and θ alone", function()
    local net = nn.mlp{3, 4, 2, dtype = "f64"}:init{seed = 1}
    local x, theta = mgd.randn({5, 3}, {seed = 2}), net:theta()
    local kept = x:clone()
    net:forward(x)
    assert.same(kept:totable(), x:totable())
    assert.same(theta:totable(), net:theta():totable())
  end)

  it("of activations alone before the first dense layer acts on the inputs", function()
    local net = nn.sequential{input = 2, dtype = "f64", nn.relu(), nn.tanh(), nn.dense(2)}
    net:set_theta(mgd.tensor{1, 0, 0, 1, 0, 0})
    local y = net:forward(mgd.tensor{{-1, 0.5}}):totable()
    assert.is_true(worst({{0, act.tanh(0.5)}}, y) < 1e-15)
  end)

  it("saturates without overflow", function()
    for _, dtype in ipairs {"f32", "f64"} do
      for kind, wanted in pairs {sigmoid = {0, 1}, tanh = {-1, 1}, softplus = {0, 1000},
                                 relu = {0, 1000}} do
        local net = nn.sequential{input = 1, dtype = dtype, nn.dense(1), nn[kind]()}
        net:set_theta(mgd.tensor{1, 0})
        local y = net:forward(mgd.tensor{{-1000}, {1000}}):totable()
        assert.is_true(worst({{wanted[1]}, {wanted[2]}}, y) < 1e-30, kind)
      end
    end
  end)

  it("shows a NaN rather than hiding it", function()
    for _, kind in ipairs(ACTIVATIONS) do
      local net = nn.sequential{input = 1, nn.dense(1), nn[kind]()}
      net:set_theta(mgd.tensor{0 / 0, 0})
      local y = net:forward(mgd.tensor{{1}})[1][1]
      assert.is_true(y ~= y, kind)
    end
  end)
end)

describe("parameters", function()
  it("are laid out layer by layer, the weights (O × I) and then the biases", function()
    local net = nn.mlp{2, 3, 1, activation = "identity", dtype = "f64"}
    assert.equal(13, net.num_parameters)
    -- W1 = [[1, 2], [3, 4], [5, 6]], b1 = (7, 8, 9); W2 = [[10, 11, 12]], b2 = 13
    net:set_theta(mgd.arange(13) + 1)
    local x = {1, -1}
    local hidden = {1 - 2 + 7, 3 - 4 + 8, 5 - 6 + 9}
    assert.equal(10 * hidden[1] + 11 * hidden[2] + 12 * hidden[3] + 13,
      net:forward(mgd.tensor{x})[1][1])
  end)

  it("are zero at first", function()
    assert.equal(0, nn.mlp{3, 3}:theta():norm())
  end)

  it("come out as a copy", function()
    local net = nn.mlp{1, 1, dtype = "f64"}
    net:theta():add_(1)
    assert.same({0, 0}, net:theta():totable())
  end)

  it("can be set from a view and from another type", function()
    local net = nn.mlp{1, 1}
    net:set_theta(mgd.tensor{{1, 2}, {3, 4}}:transpose()[2])
    assert.same({2, 4}, net:theta():totable())
    net:set_theta(mgd.tensor({7, 8}, {dtype = "i32"}))
    assert.same({7, 8}, net:theta():totable())
  end)

  it("num_parameters is as in the contract", function()
    assert.equal(9, nn.mlp{2, 2, 1, activation = "sigmoid", output = "sigmoid"}.num_parameters)
    assert.equal(220, nn.mlp{49, 4, 4}.num_parameters)
  end)
end)

describe("initial values", function()
  -- 100 × 60 weights. Uniform: mean 0 ± half/√(3·n), all inside, the ends nearly met (the largest
  -- of n falls short of the end by 2·half/n on average; twenty times that). Normal: deviation
  -- within 4/√(2n) of σ.
  local inputs, outputs = 100, 60
  local n = inputs * outputs
  local uniform = {glorot_uniform = math.sqrt(6 / (inputs + outputs)),
                   he_uniform = math.sqrt(6 / inputs)}
  local normal = {glorot_normal = math.sqrt(2 / (inputs + outputs)),
                  he_normal = math.sqrt(2 / inputs)}

  local function drawn(opts)
    local net = nn.mlp{inputs, outputs, dtype = "f64"}:init(opts)
    local theta = net:theta()
    return theta[{{1, n}}], theta[{{n + 1, n + outputs}}]
  end

  for scheme, half in pairs(uniform) do
    it(scheme .. " has its range, and biases of zero", function()
      local w, b = drawn{scheme = scheme}
      assert.is_true(w:max() < half and w:max() > half * (1 - 40 / n))
      assert.is_true(w:min() > -half and w:min() < -half * (1 - 40 / n))
      assert.is_true(math.abs(w:mean()) < 4 * half / math.sqrt(3 * n))
      assert.equal(0, b:norm())
    end)
  end

  for scheme, std in pairs(normal) do
    it(scheme .. " has its deviation, and biases of zero", function()
      local w, b = drawn{scheme = scheme}
      assert.is_true(math.abs(w:std() / std - 1) < 4 / math.sqrt(2 * n))
      assert.is_true(math.abs(w:mean()) < 4 * std / math.sqrt(n))
      assert.equal(0, b:norm())
    end)
  end

  it("uniform draws every parameter between low and high", function()
    local w, b = drawn{scheme = "uniform", low = 2, high = 3}
    assert.is_true(w:min() > 2 and w:max() < 3 and b:min() > 2 and b:max() < 3)
    assert.is_true(math.abs(w:mean() - 2.5) < 4 / math.sqrt(12 * n))
  end)

  it("normal draws every parameter with mean and std", function()
    local w, b = drawn{scheme = "normal", mean = 5, std = 0.1}
    assert.is_true(math.abs(w:mean() - 5) < 0.4 / math.sqrt(n))
    assert.is_true(math.abs(b:mean() - 5) < 0.4 / math.sqrt(outputs))
  end)

  it("zeros", function()
    local net = nn.mlp{2, 2}:init{scheme = "normal"}
    assert.equal(0, net:init{scheme = "zeros"}:theta():norm())
  end)

  it("are the same from the same seed, and in both precisions up to rounding", function()
    local a = nn.mlp{7, 5, dtype = "f64"}:init{scheme = "he_normal", seed = 8}:theta()
    local b = nn.mlp{7, 5, dtype = "f32"}:init{scheme = "he_normal", seed = 8}:theta()
    assert.same(a:to "f32":totable(), b:totable())
  end)

  it("differ from seed to seed and from replica to replica", function()
    local net = nn.mlp{2, 2}
    local a = net:init{seed = 1}:theta()
    assert.is_false(a:allclose(net:init{seed = 2}:theta()))
    assert.is_false(a:allclose(net:init{seed = 1, replica = 2}:theta()))
    assert.is_true(a:allclose(net:init{seed = 1, replica = 1}:theta(), {rtol = 0}))
  end)

  it("of a layer do not depend on the shape of the layers before it", function()
    for _, scheme in ipairs {"glorot_uniform", "glorot_normal", "he_uniform", "he_normal"} do
      local a = nn.mlp{3, 4, 4, dtype = "f64"}:init{scheme = scheme}:theta()
      local b = nn.mlp{9, 4, 4, dtype = "f64"}:init{scheme = scheme}:theta()
      assert.same(a[{{17, 36}}]:totable(), b[{{41, 60}}]:totable(), scheme)
    end
  end)

  it("are what mgd.train draws with the same seed and replica", function()
    for _, scheme in ipairs {"uniform", "normal", "glorot_uniform", "he_normal", "zeros"} do
      local net = nn.mlp{2, 3, 1}
      local run = mgd.train{net = net, data = mgd.data.xor(), init = {scheme = scheme},
                            replicas = 3, replica = 5, seed = 77}
      for r = 1, 3 do
        net:init{scheme = scheme, seed = 77, replica = 4 + r}
        assert.same(net:theta():totable(), run:theta()[r]:totable())
      end
    end
  end)

  it("seeds that a double cannot hold are refused, not rounded", function()
    if math.tointeger then
      fails("option 'seed' must be an integer", function() nn.mlp{1, 1}:init{seed = 2 ^ 53 + 2} end)
    end
    nn.mlp{1, 1}:init{seed = 2 ^ 53}
    nn.mlp{1, 1}:init{seed = -2 ^ 53}
  end)
end)

describe("the reference gradient", function()
  local cases = {
    {cost = "mse"}, {cost = "l2"}, {cost = "cross_entropy"},
      {cost = "cross_entropy", smoothing = 0.1},
  }

  -- Both precisions against central differences in double at the very same θ and samples.
  -- f64: 1e-9 is what the differences can tell. f32: rounding of some ten operations, 1e-5 of
  -- gradients of order 1.
  for _, dtype in ipairs {"f64", "f32"} do
    for _, kind in ipairs(ACTIVATIONS) do
      for _, case in ipairs(cases) do
        local smoothing = case.smoothing or 0
        it(("of %s with smoothing %g through %s is right in %s"):format(case.cost, smoothing, kind,
          dtype), function()
          local sizes, kinds = {4, 5, 3}, {kind, kind}
          local net = chain(sizes, kinds, dtype):init{scheme = "normal", std = 0.6, seed = 21}
          for _, batch in ipairs {1, 19} do
            local x = mgd.randn({batch, 4}, {seed = 22}):to(dtype)
            local t = mgd.rand({batch, 3}, {seed = 23}):to(dtype)
            local theta, xs, ts = net:theta():totable(), x:totable(), t:totable()
            local g, cost = net:gradient(x, t, case.cost, {label_smoothing = case.smoothing})
            assert.equal(dtype, g.dtype)
            local tolerance = dtype == "f64" and 1e-9 or 1e-5
            local expected = mean_cost(sizes, kinds, theta, xs, ts, case.cost, smoothing)
            assert.is_true(math.abs(cost - expected) < tolerance * (1 + expected))
            local error = worst(differences(sizes, kinds, theta, xs, ts, case.cost, smoothing),
              g:totable())
            assert.is_true(error < tolerance, ("error %g, batch %d"):format(error, batch))
          end
        end)
      end
    end
  end

  it("goes through deep chains and activations in a row", function()
    local net = nn.sequential{input = 2, dtype = "f64", nn.tanh(), nn.dense(3), nn.tanh(),
      nn.softplus(), nn.dense(4), nn.dense(2), nn.sigmoid()}
    net:init{scheme = "normal", seed = 4}
    local x, t = mgd.randn({9, 2}, {seed = 1}), mgd.rand({9, 2}, {seed = 2})
    local g = net:gradient(x, t):totable()
    local theta = net:theta()
    for i = 1, net.num_parameters do
      local function cost_at(step)
        local moved = theta:clone()
        moved[i] = theta[i] + step
        local d = net:set_theta(moved):forward(x) - t
        return (d * d):mean()
      end
      local slope = (cost_at(1e-5) - cost_at(-1e-5)) / 2e-5
      assert.is_true(math.abs(slope - g[i]) < 1e-9)
    end
  end)

  it("of a batch is the mean over its samples", function()
    local net = nn.mlp{3, 4, 2, dtype = "f64"}:init{seed = 5}
    local x, t = mgd.randn({37, 3}, {seed = 1}), mgd.rand({37, 2}, {seed = 2})
    local whole = net:gradient(x, t, "mse")
    local sum = mgd.zeros{net.num_parameters}
    for i = 1, 37 do
      sum:add_((net:gradient(x[{{i, i}}], t[{{i, i}}], "mse")))
    end
    assert.is_true((sum / 37):allclose(whole, {rtol = 0, atol = 1e-14}))
  end)

  it("takes views and strided inputs", function()
    local net = nn.mlp{3, 4, 2, dtype = "f64"}:init{seed = 5}
    local x, t = mgd.randn({3, 8}, {seed = 1}), mgd.rand({8, 5}, {seed = 2})
    local view = net:gradient(x:transpose(), t[{{1, 8}, {2, 3}}]):totable()
    assert.same(net:gradient(x:transpose():clone(), t[{{1, 8}, {2, 3}}]:clone()):totable(), view)
  end)

  it("of cross-entropy is finite for logits far apart", function()
    local net = nn.mlp{1, 3, dtype = "f32"}
    net:set_theta(mgd.tensor{1, -1, 0, 0, 0, 0})
    local g, cost = net:gradient(mgd.tensor{{10000}}, mgd.tensor{{0, 1, 0}}, "cross_entropy")
    assert.equal(20000, cost)
    assert.same({10000, -10000, 0, 1, -1, 0}, g:totable())
  end)

  it("of l2 is zero at its minimum, not NaN", function()
    local net = nn.mlp{1, 2, dtype = "f64"}
    local g, cost = net:gradient(mgd.tensor{{1}}, mgd.tensor{{0, 0}}, "l2")
    assert.equal(0, cost)
    assert.same({0, 0, 0, 0}, g:totable())
  end)

  it("does not change the network", function()
    local net = nn.mlp{2, 2}:init{seed = 3}
    local theta = net:theta():totable()
    net:gradient(mgd.rand{4, 2}, mgd.rand{4, 2})
    assert.same(theta, net:theta():totable())
  end)
end)

describe("networks print", function()
  it("their layers, parameters and precision", function()
    assert.equal("network 2 → dense(2) → sigmoid → dense(1), P = 9, f32", tostring(nn.mlp{2, 2, 1}))
    assert.equal("network 3×4 → dense(2), P = 26, f64",
      tostring(nn.sequential{input = {3, 4}, dtype = "f64", nn.dense(2)}))
  end)
end)

describe("bad networks", function()
  local net = nn.mlp{3, 4, 2}:init{seed = 1}
  local x, y = mgd.rand{5, 3}, mgd.rand{5, 2}

  local cases = {
    {"mlp with one size", "nn.mlp: expected at least two sizes", function() nn.mlp{2} end},
    {"mlp with none", "nn.mlp: expected at least two sizes", function() nn.mlp{} end},
    {"mlp with a size of 0", "nn.mlp: element 2 must be an integer ≥ 1, got 0",
      function() nn.mlp{2, 0, 1} end},
    {"mlp with half a size", "element 1 must be an integer ≥ 1, got 2.5",
      function() nn.mlp{2.5, 1} end},
    {"mlp with a negative size", "got -3", function() nn.mlp{2, -3} end},
    {"mlp with a name for a size", "element 2 must be an integer ≥ 1, got string",
      function() nn.mlp{2, "two"} end},
    {"an unknown option", "nn.mlp: unknown option 'activatoin' (did you mean 'activation'?)",
      function() nn.mlp{2, 1, activatoin = "relu"} end},
    {"an unknown activation", "(did you mean 'sigmoid'?)",
      function() nn.mlp{2, 1, activation = "sigmod"} end},
    {"an integer dtype", "option 'dtype' must be 'f32' or 'f64', got \"i32\"",
      function() nn.mlp{2, 1, dtype = "i32"} end},
    {"a network too large", "fewer than 2^32 parameters",
      function() nn.mlp{2 ^ 20, 2 ^ 20} end},
    {"no table", "nn.mlp: expected a table of options, got number", function() nn.mlp(2, 1) end},
    {"sequential without input", "option 'input' is missing",
      function() nn.sequential{nn.dense(1)} end},
    {"sequential without layers", "no layers", function() nn.sequential{input = 2} end},
    {"sequential without parameters", "no layer has parameters",
      function() nn.sequential{input = 2, nn.relu()} end},
    {"sequential with a string", "entry 2 is a string: expected a layer",
      function() nn.sequential{input = 2, nn.dense(1), "relu"} end},
    {"sequential with the constructor", "entry 1 is a function: expected a layer",
      function() nn.sequential{input = 2, nn.relu} end},
    {"an input of size 0", "input dimension 2 must be an integer ≥ 1, got 0",
      function() nn.sequential{input = {3, 0}, nn.dense(1)} end},
    {"an empty input shape", "1 to 7 dimensions",
      function() nn.sequential{input = {}, nn.dense(1)} end},
    {"an input of nine dimensions", "9 dimensions",
      function() nn.sequential{input = {1, 1, 1, 1, 1, 1, 1, 1, 1}, nn.dense(1)} end},
    {"dense of 0", "nn.dense: outputs must be an integer ≥ 1, got 0", function() nn.dense(0) end},
    {"dense of nothing", "got nil", function() nn.dense() end},
    {"forward of too many features", "3", function() net:forward(mgd.rand{5, 4}) end},
    {"forward of a vector", "forward", function() net:forward(mgd.rand{3}) end},
    {"forward of no samples", "forward", function() net:forward(mgd.zeros{0, 3}) end},
    {"forward of a table", "forward: x", function() net:forward{1, 2, 3} end},
    {"forward of nothing", "forward: x", function() net:forward() end},
    {"set_theta of another length", "set_theta: expected shape 26, got 25",
      function() net:set_theta(mgd.zeros{25}) end},
    {"set_theta of a matrix", "set_theta: expected shape 26, got 2x13",
      function() net:set_theta(mgd.zeros{2, 13}) end},
    {"set_theta of a number", "set_theta", function() net:set_theta(3) end},
    {"gradient with other samples", "5", function() net:gradient(x, mgd.rand{4, 2}) end},
    {"gradient with other columns", "2 outputs against 3 target columns",
      function() net:gradient(x, mgd.rand{5, 3}) end},
    {"gradient of an unknown cost", "'mse'", function() net:gradient(x, y, "msee") end},
    {"gradient of a function", "net:gradient: option 'cost' must be",
      function() net:gradient(x, y, print) end},
    {"gradient with a wrong option", "(did you mean 'label_smoothing'?)",
      function() net:gradient(x, y, "cross_entropy", {label_smoothin = 0.1}) end},
    {"gradient with all smoothing", "option 'label_smoothing' must be in [0, 1), got 1",
      function() net:gradient(x, y, "cross_entropy", {label_smoothing = 1}) end},
    {"cross-entropy of one output", "at least 2 outputs",
      function() nn.mlp{3, 1}:gradient(x, mgd.rand{5, 1}, "cross_entropy") end},
    {"init with an unknown scheme", "(did you mean 'glorot_uniform'?)",
      function() net:init{scheme = "glorot_unifrom"} end},
    {"init with an unknown option", "(did you mean 'scheme'?)",
      function() net:init{sheme = "zeros"} end},
    {"init with ends exchanged", "low ≤ high", function() net:init{low = 1, high = -1} end},
    {"init with a negative deviation", "option 'std' must be a number ≥ 0, got -1",
      function() net:init{scheme = "normal", std = -1} end},
    {"init of replica 0", "option 'replica' must be an integer ≥ 1, got 0",
      function() net:init{replica = 0} end},
    {"init with NaN", "got NaN", function() net:init{low = 0 / 0} end},
  }

  for _, case in ipairs(cases) do
    it(case[1] .. " is an error at the caller's line that changes nothing", function()
      local theta = net:theta():totable()
      local message = fails(case[2], case[3])
      assert.is_truthy(message:find("^[^\n]*net_spec%.lua:%d+: "), message)
      assert.same(theta, net:theta():totable())
    end)
  end
end)

describe("an interrupt", function()
  it("ends forward and gradient once, and then is over", function()
    local net = nn.mlp{2, 2, dtype = "f64"}
    local x = mgd.rand{4, 2}
    for _, call in ipairs {function() net:forward(x) end, function() net:gradient(x, x) end} do
      core.base.interrupt()
      fails("interrupted", call)
      call()
    end
  end)
end)
