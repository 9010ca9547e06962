-- Meshes of interferometers, compared with complex matrices in plain Lua, with central differences,
-- with what a unitary conserves, and between layouts; and that MGD trains them. Meshes among other
-- layers are in layers_spec.lua.

local mgd = require "mgd"
local mesh = require "spec.support.mesh"
local support = require "spec.support.train"

local nn = mgd.nn
local fails = support.fails
local quick = os.getenv "MGD_SPEC_QUICK" ~= nil

-- modes, features, outputs
local SIZES = { { 2, 2, 2 }, { 2, 1, 1 }, { 3, 3, 3 }, { 4, 3, 2 }, { 5, 5, 1 }, { 8, 8, 8 },
  { 11, 7, 5 } }
local DETECT = { "intensity", "field" }

local function network(size, detect, dtype)
  local net = nn.sequential { input = size[2], dtype = dtype,
    nn.mzi_mesh { modes = size[1], outputs = size[3], detect = detect } }
  return net:init { scheme = "uniform", low = -4, high = 4, seed = 5 }
end

local function forward(net, x)
  local rows = {}
  for b, row in ipairs(x:totable()) do
    local theta = net:theta():totable()
    theta.at = 0
    rows[b] = mesh.detect(net.layers[1], row, theta)
    assert.equal(net.num_parameters, theta.at)
  end
  return mgd.tensor(rows)
end

local function worst(a, b)
  return ((a - b):abs()):max()
end

local function each(visit)
  for _, size in ipairs(SIZES) do
    for _, detect in ipairs(DETECT) do
      visit(size, detect, ("%d features, %d modes, %d outputs, %s"):format(size[2], size[1],
        size[3], detect))
    end
  end
end

-- ---- what it computes ---------------------------------------------------------------------------

describe("a mesh agrees with matrices in plain Lua:", function()
  -- Up to 11 columns of ten roundings each, on amplitudes of order 1.
  local TOLERANCE = { f64 = 2e-14, f32 = 1e-5 }
  each(function(size, detect, name)
    for dtype, tolerance in pairs(TOLERANCE) do
      it(name .. ", " .. dtype, function()
        local net = network(size, detect, dtype)
        local x = mgd.randn({ 21, size[2] }, { seed = 3 }):to(dtype)
        local expected = forward(net, x:to "f64")
        local error = worst(net:forward(x):to "f64", expected) / (1 + expected:abs():max())
        assert.is_true(error < tolerance, ("error %g"):format(error))
      end)
    end
  end)

  it("64 modes, the most", function()
    local net = network({ 64, 64, 64 }, "field", "f64")
    assert.equal(64 * 64, net.num_parameters)
    local x = mgd.randn({ 1, 64 }, { seed = 3 })
    -- The plain product of 2,016 matrices would last: the fields' powers are checked instead, which
    -- are those of two quadratures, a quarter of a turn apart.
    local turned = net:theta()
    turned[{ { 64 * 63 + 1, 64 * 64 } }]:add_(math.pi / 2)
    local power = (net:forward(x) ^ 2):sum() + (net:set_theta(turned):forward(x) ^ 2):sum()
    assert.is_true(math.abs(power / (x ^ 2):sum() - 1) < 1e-13)
  end)
end)

describe("one interferometer", function()
  -- Light in the upper mode leaves it there with probability sin²(θ/2); for light in both, with
  -- amplitudes a and b, the interference adds a·b·sin θ·cos φ.
  it("divides power as its closed form says", function()
    local net = nn.sequential { input = 2, dtype = "f64", nn.mzi_mesh { modes = 2 } }
    for i = 0, 24 do
      local theta, phi, a, b = i * 0.61 - 7, i * 1.37 - 9, 0.3 + i / 10, 1.5 - i / 8
      local y = net:set_theta(mgd.tensor { theta, phi }):forward(mgd.tensor { { a, b } })[1]
      local s, c = math.sin(theta / 2), math.cos(theta / 2)
      local rounding = 2e-15 * (a * a + b * b)
      local between = a * b * math.sin(theta) * math.cos(phi)
      assert.is_true(math.abs(y[1] - (a * s) ^ 2 - (b * c) ^ 2 - between) < rounding)
      assert.is_true(math.abs(y[2] - (a * c) ^ 2 - (b * s) ^ 2 + between) < rounding)
    end
  end)

  it("crosses at θ = 0 and passes straight on at θ = π", function()
    local net = nn.sequential { input = 2, nn.mzi_mesh { modes = 2 } }
    assert.same({ { 4, 1 } }, net:forward(mgd.tensor { { 1, 2 } }):totable())
    local y = net:set_theta(mgd.tensor { math.pi, 1 }):forward(mgd.tensor { { 1, 2 } })
    assert.is_true(worst(y:to "f64", mgd.tensor { { 1, 4 } }) < 1e-6)
  end)
end)

describe("a mesh", function()
  it("conserves power", function()
    for _, dtype in ipairs { "f64", "f32" } do
      for _, modes in ipairs { 2, 3, 8, 33, 64 } do
        local net = network({ modes, modes, modes }, "intensity", dtype)
        local x = mgd.randn({ 20, modes }, { seed = 8 }):to(dtype)
        local ratio = net:forward(x):to "f64":sum(2) / (x:to "f64" ^ 2):sum(2)
        local tolerance = (dtype == "f64" and 2 ^ -52 or 2 ^ -23) * modes * 2
        assert.is_true((ratio - 1):abs():max() < tolerance, ("%d modes in %s"):format(modes, dtype))
      end
    end
  end)

  it("reverses the modes where all phases are 0", function()
    local net = nn.sequential { input = 5, nn.mzi_mesh { modes = 5 } }
    assert.same({ { 25, 16, 9, 4, 1 } }, net:forward(mgd.tensor { { 1, 2, 3, 4, 5 } }):totable())
  end)

  it("has N(N − 1) phases, and one for each output where it detects fields", function()
    assert.equal(56, network({ 8, 8, 8 }, "intensity").num_parameters)
    assert.equal(64, network({ 8, 8, 8 }, "field").num_parameters)
    assert.equal(59, network({ 8, 8, 3 }, "field").num_parameters)
  end)

  it("takes phases far from 0", function()
    local net = network({ 4, 4, 4 }, "intensity", "f64")
    local x = mgd.randn({ 3, 4 }, { seed = 2 })
    net:set_theta(net:theta() * 1e6)
    assert.is_true(worst(net:forward(x), forward(net, x)) < 1e-13)
  end)
end)

-- ---- gradients ----------------------------------------------------------------------------------

describe("the gradient agrees with central differences:", function()
  each(function(size, detect, name)
    it(name, function()
      local net = network(size, detect, "f64")
      local x = mgd.randn({ 19, size[2] }, { seed = 3 })
      local target = mgd.rand({ 19, size[3] }, { seed = 4 })
      local g = net:gradient(x, target, "mse")
      local theta = net:theta()
      local function cost_at(i, value)
        local moved = theta:clone()
        moved[i] = value
        return ((net:set_theta(moved):forward(x) - target) ^ 2):mean()
      end
      for i = 1, #theta, quick and 5 or 1 do
        local d = (cost_at(i, theta[i] + 1e-5) - cost_at(i, theta[i] - 1e-5)) / 2e-5
        assert.is_true(math.abs(g[i] - d) < 1e-8 * (1 + math.abs(d)),
          ("parameter %d: %.12g against %.12g"):format(i, g[i], d))
      end
    end)
  end)

  it("in f32 too, up to rounding", function()
    each(function(size, detect, name)
      local net, exact = network(size, detect, "f32"), network(size, detect, "f64")
      exact:set_theta(net:theta())
      local x = mgd.randn({ 33, size[2] }, { seed = 3 }):to "f32"
      local target = mgd.rand({ 33, size[3] }, { seed = 4 })
      local g, e = net:gradient(x, target, "mse"), exact:gradient(x, target, "mse")
      assert.is_true(worst(g:to "f64", e) < 1e-5 * (1 + e:abs():max()), name)
    end)
  end)

  it("and no parameter is without effect where every mode has light and a detector", function()
    for _, detect in ipairs(DETECT) do
      for _, modes in ipairs { 2, 3, 6, 9 } do
        local net = network({ modes, modes, modes }, detect, "f64")
        local x, y = mgd.randn({ 9, modes }, { seed = 3 }), mgd.rand({ 9, modes }, { seed = 4 })
        assert.is_true(net:gradient(x, y, "mse"):abs():min() > 1e-6)
      end
    end
  end)
end)

-- ---- the same bits ------------------------------------------------------------------------------

describe("the same bits", function()
  it("with parameters shared by the lanes and private to each", function()
    for _, dtype in ipairs { "f32", "f64" } do
      each(function(size, detect, name)
        local net = network(size, detect, dtype)
        local x, y = mgd.randn { 40, size[2] }, mgd.rand { 40, size[3] }
        local set = { x = x:to(dtype), y = y:to(dtype) }
        local opt = { net = net, data = set, eta = 0.01, seed = 5, batch = 3,
          init = { low = -300, high = 300 } }
        local ensemble = mgd.train(support.options(opt, { replicas = 18 }))
        ensemble.core:advance(6)
        local single = mgd.train(support.options(opt, { replica = 17 }))
        single.core:advance(6)
        assert.same(ensemble:theta()[17]:totable(), single:theta():totable(), name)
        -- a large batch: samples in the lanes, and parameters that they share
        for _, batch in ipairs { 1, 39 } do
          local one = mgd.train(support.options(opt, { replica = 3, batch = batch }))
          local all = mgd.train(support.options(opt, { replicas = 4, batch = batch }))
          one.core:advance(2)
          all.core:advance(2)
          assert.same(all:theta()[3]:totable(), one:theta():totable(), name)
        end
      end)
    end
  end)

  it("in every instruction set", function()
    local script = [[
      local mgd = require "mgd"
      local nn, hash = mgd.nn, require("mgd.core").data.hash
      for _, dtype in ipairs { "f32", "f64" } do
        for _, detect in ipairs { "intensity", "field" } do
          local net = nn.sequential { input = 6, dtype = dtype,
            nn.mzi_mesh { modes = 7, detect = detect }, nn.tanh(), nn.dense(5),
            nn.mzi_mesh { modes = 5, outputs = 3, detect = detect } }
          net:init { scheme = "uniform", low = -200, high = 200, seed = 2 }
          local x, y = mgd.randn { 50, 6 }, mgd.rand { 50, 3 }
          print(hash(net:forward(x), (net:gradient(x, y, "cross_entropy"))))
          for _, size in ipairs { { 17, 1 }, { 1, 33 }, { 1, 2 } } do
            local run = mgd.train { net = net, data = { x = x, y = y }, replicas = size[1],
              batch = size[2], eta = 0.01, tau_theta = 2 }
            run.core:advance(8)
            print(hash(run:theta()))
          end
        end
      end
    ]]
    support.same_on_every_isa(16, script)
  end)
end)

-- ---- training -----------------------------------------------------------------------------------

describe("MGD trains a mesh", function()
  -- |(a − b)/√2|² = ½·xor(a, b): a whole XOR would need rows longer than those of a unitary.
  it("of two modes to half of XOR", function()
    local set = mgd.data.xor()
    set = { x = set.x, y = set.y * 0.5 }
    local net = nn.sequential { input = 2, nn.mzi_mesh { modes = 2, outputs = 1 } }
    -- Nine replicas of nine reach 2·10⁻⁶.
    local run = mgd.train { net = net, data = set, init = { low = -3, high = 3 }, seed = 1,
      replicas = 9, eta = 0.3, batch = 4, perturbation = { amplitude = 0.01 }, tau_theta = 4 }
    local history = run:run { steps = 6000, every = 6000, probes = { "cost" } }
    assert.is_true(history.cost[#history.cost]:max() < 1e-5)
  end)

  it("to the powers that another mesh gives", function()
    local size = { 4, 4, 4 }
    local x = mgd.randn({ 64, 4 }, { seed = 1 })
    local set = { x = x, y = network(size, "intensity", "f64"):forward(x) }
    local net = network(size, "intensity")
    local run = mgd.train { net = net, data = set, init = { low = -3, high = 3 }, seed = 2,
      replicas = 8, batch = 64, eta = 0.5, tau_theta = 12, perturbation = { amplitude = 0.01 } }
    local cost = run:run { steps = 12000, every = 12000, probes = { "cost" } }.cost
    -- Eight of eight come from 0.7 … 2.6 to 0.0008 … 0.004.
    assert.is_true(cost[#cost]:max() < 0.01 * cost[1]:mean())
  end)
end)

describe("a checkpoint", function()
  it("brings a mesh back, and the run goes on to the same bits", function()
    for _, detect in ipairs(DETECT) do
      local net = network({ 4, 3, 2 }, detect)
      local set = { x = mgd.randn { 10, 3 }:to "f32", y = mgd.rand { 10, 2 }:to "f32" }
      local run = mgd.train { net = net, data = set, eta = 0.01 }
      run.core:advance(3)
      local path = os.tmpname()
      run:save(path)
      local again = mgd.resume(path)
      os.remove(path)
      assert.truthy(tostring(again.options.chip):find(tostring(net):match "%d+ → .*", 1, true))
      run.core:advance(3)
      again.core:advance(3)
      assert.same(run:theta():totable(), again:theta():totable())
    end
  end)
end)

-- ---- around it ----------------------------------------------------------------------------------

describe("initial phases", function()
  it("are uniform in ±π under the schemes that scale by fan-in", function()
    local net = network({ 40, 40, 40 }, "field", "f64")
    for _, scheme in ipairs { "glorot_uniform", "glorot_normal", "he_uniform", "he_normal" } do
      local theta = net:init { scheme = scheme, seed = 3 }:theta()
      -- 1,600 draws: the deviation of uniform ones is known to 1.1 %; four of those.
      assert.is_true(math.abs(theta:std() / (math.pi / math.sqrt(3)) - 1) < 0.045, scheme)
      assert.is_true(theta:abs():max() < math.pi)
    end
  end)
end)

describe("a mesh shows", function()
  it("its options", function()
    assert.equal("mzi_mesh(8)", tostring(nn.mzi_mesh { modes = 8, outputs = 8 }))
    assert.equal("mzi_mesh(8, outputs 2, field)",
      tostring(nn.mzi_mesh { modes = 8, outputs = 2, detect = "field" }))
  end)

  it("its work, with the activation after it, in a plan", function()
    local layer = nn.mzi_mesh { modes = 4, outputs = 2 }
    local plan = nn.sequential { input = 3, layer, nn.relu() }:plan()
    assert.equal(1, #plan)
    assert.equal("mzi_mesh 4 + relu", plan[1].kernel)
    assert.equal(6 * 30 + 2 * 3 + 2, plan[1].flop)
    assert.equal(12, plan[1].parameters)
  end)
end)

describe("an error for", function()
  for name, case in pairs {
    ["no modes"] = { "nn.mzi_mesh: option 'modes' is missing", {} },
    ["one mode"] = { "option 'modes' must be an integer ≥ 2 and ≤ 64, got 1", { modes = 1 } },
    ["too many modes"] = { "option 'modes' must be an integer ≥ 2 and ≤ 64, got 65",
      { modes = 65 } },
    ["half a mode"] = { "option 'modes' must be an integer", { modes = 2.5 } },
    ["no outputs"] = { "option 'outputs' must be an integer ≥ 1, got 0",
      { modes = 4, outputs = 0 } },
    ["more outputs than modes"] = {
      "option 'outputs' must be at most the number of modes, 4, got 5",
      { modes = 4, outputs = 5 } },
    ["an unknown detector"] = {
      "must be 'intensity' or 'field', got \"intensty\" (did you mean 'intensity'?)",
      { modes = 4, detect = "intensty" } },
    ["a misspelt option"] = { "unknown option 'mode' (did you mean 'modes'?)", { mode = 4 } },
    ["a number of modes without its name"] = { "unexpected value at [1]", { 4 } },
    ["no table"] = { "nn.mzi_mesh: expected a table of options, got number", 4 },
  } do
    it(name, function()
      local message = fails(case[1], nn.mzi_mesh, case[2])
      assert.is_truthy(message:find("mzi_mesh", 1, true))
    end)
  end

  it("more features than modes, at the user's line", function()
    local message = fails("layer 2 (mzi_mesh): its input has 5 features, which 4 modes cannot take",
      function()
        nn.sequential { input = 3, nn.dense(5), nn.mzi_mesh { modes = 4 } }
      end)
    assert.is_truthy(message:find("mesh_spec.lua:", 1, true))
  end)

  it("a second argument", function()
    fails("nn.mzi_mesh: unexpected argument 2", nn.mzi_mesh, { modes = 4 }, 2)
  end)
end)
