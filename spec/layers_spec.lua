-- Layers over images, branches and plans. Outputs are compared with plain Lua in double precision,
-- written from the definitions; gradients with central differences.

local mgd = require "mgd"
local forward = require("spec.support.layers").forward
local support = require "spec.support.train"

local nn = mgd.nn
local fails = support.fails
local quick = os.getenv "MGD_SPEC_QUICK" ~= nil

-- ---- networks of every kind ---------------------------------------------------------------------

local function conv(...) return nn.conv2d(...) end

local CASES = {
  { "conv 3×3", { 2, 6, 7 }, conv { 5, kernel = 3 } },
  { "conv 1×1", { 3, 4, 4 }, conv { 6, kernel = 1 } },
  { "conv with padding", { 2, 5, 5 }, conv { 4, kernel = 3, padding = 1 }, nn.relu() },
  { "conv with stride", { 2, 9, 8 }, conv { 9, kernel = { 2, 3 }, stride = { 2, 3 } } },
  { "conv with stride and padding", { 1, 7, 9 },
    conv { 3, kernel = { 5, 4 }, stride = 2, padding = { 2, 1 } }, nn.tanh() },
  { "conv with more padding than kernel", { 1, 3, 3 }, conv { 2, kernel = 1, padding = 2 } },
  { "conv of the whole image", { 2, 3, 4 }, conv { 5, kernel = { 3, 4 } }, nn.sigmoid() },
  { "conv, relu, maxpool", { 1, 8, 8 }, conv { 4, kernel = 3 }, nn.relu(), nn.maxpool2d(2) },
  { "conv, maxpool, relu", { 2, 9, 9 }, conv { 5, kernel = 3 }, nn.maxpool2d(2), nn.relu() },
  { "conv, relu, avgpool", { 1, 8, 7 }, conv { 4, kernel = 3, padding = 1 }, nn.relu(),
    nn.avgpool2d(2) },
  { "conv, avgpool, relu", { 1, 6, 6 }, conv { 4, kernel = 3, padding = 1 }, nn.avgpool2d(2),
    nn.relu() },
  { "conv, tanh, maxpool", { 1, 6, 6 }, conv { 2, kernel = 3, padding = 1 }, nn.tanh(),
    nn.maxpool2d(2) },
  { "conv, maxpool of 3 by 2", { 1, 8, 8 }, conv { 2, kernel = 3 }, nn.relu(),
    nn.maxpool2d { kernel = 3, stride = 2 } },
  { "strided, padded conv and a pool", { 2, 9, 9 },
    conv { 6, kernel = 3, stride = 2, padding = 1 }, nn.relu(), nn.maxpool2d(2) },
  { "padded pools", { 2, 5, 6 }, conv { 2, kernel = 1 }, nn.tanh(),
    nn.maxpool2d { kernel = 3, stride = 2, padding = 1 },
    nn.avgpool2d { kernel = { 2, 3 }, stride = 1, padding = { 0, 1 } } },
  { "affine over channels", { 3, 4, 4 }, nn.affine(), nn.softplus(), conv { 2, kernel = 2 },
    nn.affine() },
  { "affine over features", { 6 }, nn.dense(5), nn.affine(), nn.tanh(), nn.dense(3) },
  { "centre over channels", { 3, 5, 4 }, nn.centre(), nn.tanh(), conv { 2, kernel = 2 },
    nn.centre(), nn.relu(), nn.maxpool2d(2), nn.dense(2) },
  { "centre over features", { 6 }, nn.dense(5), nn.centre(), nn.sigmoid(),
    nn.residual { nn.dense(5), nn.centre() }, nn.dense(3) },
  { "reshape and flatten", { 12 }, nn.dense(16), nn.reshape { 1, 4, 4 }, conv { 3, kernel = 3 },
    nn.flatten(), nn.dense(4) },
  { "bug: a flatten between conv and relu", { 1, 6, 6 }, conv { 2, kernel = 3 }, nn.flatten(),
    nn.relu(), nn.dense(2) },
  { "bug: another shape between conv and pool", { 1, 6, 6 }, conv { 4, kernel = 3 },
    nn.reshape { 1, 8, 8 }, nn.maxpool2d(2), nn.dense(2) },
  { "residual", { 4, 5, 5 }, conv { 4, kernel = 3, padding = 1 }, nn.relu(),
    nn.residual { conv { 4, kernel = 3, padding = 1 }, nn.relu(), nn.affine() }, nn.relu(),
    nn.dense(3) },
  { "residual of residuals", { 5 },
    nn.residual { nn.dense(5), nn.residual { nn.tanh(), nn.dense(5) }, nn.sigmoid() },
    nn.dense(2) },
  { "concat", { 2, 6, 6 },
    nn.concat { conv { 3, kernel = 1 }, { conv { 2, kernel = 3, padding = 1 }, nn.relu() }, {} },
    nn.maxpool2d(2), nn.dense(4) },
  { "sum of three branches", { 2, 6, 6 }, nn.add {
      { conv { 3, kernel = 3, stride = 2, padding = 1 }, nn.relu() },
      conv { 3, kernel = 1, stride = 2 }, { nn.avgpool2d(2), conv { 3, kernel = 1 } } },
    nn.dense(2) },
  { "branches within branches", { 3 },
    nn.concat { { nn.dense(4), nn.concat { { nn.tanh() }, { nn.dense(2) } } }, { nn.dense(3) } },
    nn.softplus(), nn.residual { nn.dense(9) } },
  { "edges that later pools drop", { 1, 13, 14 }, conv { 3, kernel = 3 }, nn.relu(),
    nn.maxpool2d(2), conv { 3, kernel = 3 }, nn.tanh(), nn.avgpool2d(2), nn.dense(2) },
  { "edges that strides leave over", { 2, 9, 10 }, conv { 3, kernel = 2, stride = 3 }, nn.affine(),
    conv { 2, kernel = 2, stride = { 2, 1 } }, nn.dense(2) },
  { "padding beside edges that are dropped", { 1, 10, 11 }, conv { 3, kernel = 3, padding = 1 },
    nn.sigmoid(), nn.maxpool2d(3), conv { 2, kernel = 3, padding = 1, stride = 2 },
    nn.avgpool2d { kernel = 2, padding = 1, stride = 3 } },
  { "a residual whose edge is dropped", { 1, 7, 7 }, conv { 3, kernel = 3, padding = 1 },
    nn.residual { conv { 3, kernel = 3, padding = 1 }, nn.relu() }, nn.maxpool2d(2), nn.dense(2) },
  { "a residual of the input", { 2, 7, 7 },
    nn.residual { conv { 2, kernel = 3, padding = 1 }, nn.tanh() }, nn.avgpool2d(2), nn.affine(),
    nn.dense(2) },
  { "readers that need different edges", { 2, 8, 8 }, conv { 3, kernel = 3 }, nn.concat {
      conv { 2, kernel = 3, stride = 2 }, nn.maxpool2d(3), nn.avgpool2d { kernel = 2, stride = 3 },
    }, nn.dense(2) },
  { "pixels that pass by themselves to one of two readers", { 2, 9, 9 }, conv { 3, kernel = 3 },
    nn.add { { nn.softplus(), nn.affine(), conv { 2, kernel = 2, stride = 3 } },
      conv { 2, kernel = 4, stride = 3 } }, nn.dense(2) },
  { "the same without a convolution between", { 2, 9, 9 }, nn.concat {
      { nn.affine(), nn.tanh() }, conv { 2, kernel = 3, padding = 1 } }, nn.maxpool2d(2),
    conv { 2, kernel = 2, stride = 3 } },
  { "edges that a flatten keeps", { 1, 7, 7 }, conv { 2, kernel = 3 },
    nn.add { { nn.maxpool2d(2), nn.dense(3) }, { nn.relu(), nn.flatten(), nn.dense(3) } } },
  { "meshes among other layers", { 1, 2, 2 }, nn.mzi_mesh { modes = 5, outputs = 3 }, nn.tanh(),
    nn.concat { nn.mzi_mesh { modes = 3, detect = "field" }, nn.dense(2) },
    nn.mzi_mesh { modes = 6, outputs = 4, detect = "field" }, nn.affine() },
  { "activations in a row", { 4 }, nn.relu(), nn.dense(5), nn.tanh(), nn.sigmoid(), nn.dense(2),
    nn.identity() },
}

local function network(case, dtype)
  local opt = { input = case[2], dtype = dtype }
  for i = 3, #case do
    opt[#opt + 1] = case[i]
  end
  return nn.sequential(opt):init { scheme = "normal", std = 0.5, seed = 11 }
end

local function samples(net, count, seed)
  return mgd.randn({ count, (table.unpack or unpack)(net.input) }, { seed = seed or 3 })
end

local function worst(a, b)
  return ((a - b):abs()):max()
end

describe("forward agrees with plain Lua for", function()
  -- Sums of at most 54 products of order 1, a few layers deep: some tens of units in the last
  -- place.
  local TOLERANCE = { f64 = 2e-14, f32 = 2e-5 }
  for _, case in ipairs(CASES) do
    for _, dtype in ipairs { "f64", "f32" } do
      it(case[1] .. " in " .. dtype, function()
        local net = network(case, dtype)
        for _, batch in ipairs { 1, 19 } do
          local x = samples(net, batch):to(dtype)
          local y, expected = net:forward(x), forward(net, x:to "f64")
          assert.same(expected.shape, y.shape)
          local error = worst(y:to "f64", expected) / (1 + expected:abs():max())
          assert.is_true(error < TOLERANCE[dtype], ("error %g"):format(error))
        end
      end)
    end
  end
end)

describe("the gradient agrees with central differences for", function()
  -- Step 1e-5: truncation of order 1e-10, rounding 1e-11. The samples keep relu and the largest of
  -- a window away from their kinks: of 7·10³ comparisons none lies within 1e-5 of a tie.
  for _, case in ipairs(CASES) do
    it(case[1], function()
      local net = network(case, "f64")
      local x = samples(net, quick and 2 or 5)
      local target = mgd.rand({ x.shape[1], net.outputs }, { seed = 4 })
      local g, cost = net:gradient(x, target, "mse")
      local theta = net:theta()
      local function cost_at(i, value)
        local moved = theta:clone()
        moved[i] = value
        local y = net:set_theta(moved):forward(x)
        return ((y - target) ^ 2):mean()
      end
      assert.is_true(math.abs(cost - cost_at(1, theta[1])) < 1e-12)
      for i = 1, #theta, quick and 7 or 1 do
        local d = (cost_at(i, theta[i] + 1e-5) - cost_at(i, theta[i] - 1e-5)) / 2e-5
        assert.is_true(math.abs(g[i] - d) < 1e-8 * (1 + math.abs(d)),
          ("parameter %d: %.12g against %.12g"):format(i, g[i], d))
      end
    end)
  end

  it("in f32 all of them, up to rounding", function()
    for _, case in ipairs(CASES) do
      local net, exact = network(case, "f32"), network(case, "f64")
      exact:set_theta(net:theta())
      local x = samples(net, 33):to "f32"
      local target = mgd.rand({ 33, net.outputs }, { seed = 4 })
      local g, e = net:gradient(x, target, "mse"), exact:gradient(x, target, "mse")
      assert.is_true(worst(g:to "f64", e) < 1e-4 * (1 + e:abs():max()), case[1])
    end
  end)
end)

-- ---- the same bits ------------------------------------------------------------------------------

describe("the same bits", function()
  it("with parameters shared by the lanes and private to each", function()
    for _, dtype in ipairs { "f32", "f64" } do
      for _, case in ipairs(CASES) do
        local net = network(case, dtype)
        local set = { x = samples(net, 40):to(dtype), y = mgd.rand { 40, net.outputs }:to(dtype) }
        local opt = { net = net, data = set, init = {}, eta = 0.01, seed = 5, batch = 3 }
        local ensemble = mgd.train(support.options(opt, { replicas = 18 }))
        ensemble.core:advance(6)
        for _, r in ipairs { 1, 17 } do
          for _, batch_threads in ipairs { 1, 2 } do
            local single = mgd.train(support.options(opt,
              { replica = r, threads = batch_threads }))
            single.core:advance(6)
            assert.same(ensemble:theta()[r]:totable(), single:theta():totable(), case[1])
          end
        end
      end
    end
  end)

  it("of a large batch on one thread and on three, fused or not", function()
    local case = CASES[8]
    local net = network(case, "f32")
    local set = { x = samples(net, 200):to "f32", y = mgd.rand { 200, net.outputs }:to "f32" }
    local first
    for _, threads in ipairs { 1, 3 } do
      local run = mgd.train { net = net, data = set, batch = 100, eta = 0.01, threads = threads,
        tau_theta = 4 }
      run.core:advance(8)
      first = first or run:theta():totable()
      assert.same(first, run:theta():totable())
    end
  end)

  it("in every instruction set", function()
    local script = [[
      local mgd = require "mgd"
      local nn, hash = mgd.nn, require("mgd.core").data.hash
      for _, dtype in ipairs { "f32", "f64" } do
        local net = nn.sequential { input = { 2, 9, 9 }, dtype = dtype,
          nn.conv2d { 6, kernel = 3 }, nn.relu(), nn.maxpool2d(2),
          nn.concat { { nn.conv2d { 3, kernel = 3, padding = 1 }, nn.sigmoid() },
                      { nn.conv2d { 5, kernel = 1 }, nn.tanh() }, {} },
          nn.residual { nn.conv2d { 14, kernel = 3, padding = 1 }, nn.affine(), nn.softplus() },
          nn.avgpool2d { kernel = 2, stride = 1 }, nn.dense(4) }
        net:init { scheme = "he_normal", seed = 2 }
        local x, y = mgd.randn { 50, 2, 9, 9 }, mgd.rand { 50, 4 }
        print(hash(net:forward(x), (net:gradient(x, y, "cross_entropy"))))
        local run = mgd.train { net = net, data = { x = x, y = y }, replicas = 17, eta = 0.01 }
        run.core:advance(9)
        print(hash(run:theta()))
      end
    ]]
    support.same_on_every_isa(4, script)
  end)
end)

-- ---- values that are not numbers ----------------------------------------------------------------

describe("a NaN in the input", function()
  it("reaches the output through relu and both pools, wherever it is in the window", function()
    for _, kind in ipairs { "maxpool2d", "avgpool2d" } do
      for _, fused in ipairs { true, false } do
        local net = nn.sequential { input = { 1, 2, 2 }, nn.conv2d { 1, kernel = 1 }, nn.relu(),
          fused and nn[kind](2) or nn[kind] { kernel = 2, stride = 1 } }
        net:set_theta(mgd.tensor { 1, 0 })
        for i = 1, 4 do
          local x = mgd.tensor { 1, 2, 3, 4 }
          x[i] = 0 / 0
          local y = net:forward(x:reshape { 1, 1, 2, 2 })[1][1]
          assert.is_true(y ~= y)
        end
      end
    end
  end)
end)

-- ---- initial values -----------------------------------------------------------------------------

describe("initial values of a convolution", function()
  it("are scaled by the inputs of one output and the outputs of one input", function()
    local net = nn.sequential { input = { 4, 10, 10 }, dtype = "f64",
      nn.conv2d { 32, kernel = 5 }, nn.affine() }
    local weights = 32 * 4 * 25 -- 3,200 draws: the deviation is known to 1/√6400 = 1.25 %; four
    local fan_in, fan_out = 4 * 25, 32 * 25
    for scheme, variance in pairs { he_normal = 2 / fan_in, he_uniform = 2 / fan_in,
      glorot_normal = 2 / (fan_in + fan_out), glorot_uniform = 2 / (fan_in + fan_out) } do
      local theta = net:init { scheme = scheme, seed = 3 }:theta()
      local ratio = theta[{ { 1, weights } }]:var() / variance
      assert.is_true(math.abs(math.sqrt(ratio) - 1) < 0.05, scheme)
      assert.same(0, theta[{ { weights + 1, weights + 32 } }]:abs():max())
      assert.same(1, theta[{ { weights + 33, weights + 64 } }]:min())
      assert.same(0, theta[{ { weights + 65, weights + 96 } }]:abs():max())
    end
  end)
end)

-- ---- plans --------------------------------------------------------------------------------------

describe("a plan", function()
  local function fashion()
    return nn.sequential { input = { 1, 28, 28 }, nn.conv2d { 16, kernel = 3 }, nn.relu(),
      nn.maxpool2d(2), nn.conv2d { 32, kernel = 3 }, nn.relu(), nn.maxpool2d(2),
      nn.conv2d { 32, kernel = 3 }, nn.relu(), nn.maxpool2d(2), nn.flatten(), nn.dense(10) }
  end

  it("fuses relu and pool into the convolution, and counts what is computed", function()
    local plan = fashion():plan()
    assert.equal(4, #plan)
    assert.equal("conv2d 3×3 + relu + maxpool2d 2×2", plan[1].kernel)
    assert.same({ 32, 4, 4 }, plan[2].shape)
    assert.equal(4640, plan[2].parameters)
    assert.equal(161, plan[2].first)
    -- 10 × 10 of the 11 × 11 pixels are pooled, of which conv3 and its pool read 4 × 4 of 5 × 5; a
    -- relu and a comparison for each pixel
    assert.equal(8 * 8 * 32 * (2 * 16 * 9 + 2), plan[2].flop)
    assert.equal(2 * 32 * 10, plan[4].flop)
    assert.equal(14378, plan.parameters)
  end)

  it("gives values places that are free", function()
    -- Of 784 + 1600 + 512 + 32 + 10 values, the first and third convolution share a place.
    local plan = fashion():plan()
    assert.equal(784 * 4, plan[1].offset)
    assert.equal(plan[1].offset, plan[3].offset)
    assert.equal((784 + 1600 + 512) * 4, plan.arena)
  end)

  it("keeps what a later layer still reads", function()
    local plan = nn.sequential { input = { 8 }, nn.residual { nn.dense(8), nn.tanh(), nn.dense(8) },
      nn.dense(8), nn.dense(8) }:plan()
    assert.equal("add", plan[3].kernel)
    for _, call in ipairs(plan) do
      assert.is_true(call.offset >= 8 * 4, "the input keeps its place")
    end
  end)

  it("prints a line for each call", function()
    local text = tostring(fashion():plan())
    assert.is_truthy(text:find("conv2d 3×3 + relu + maxpool2d 2×2", 1, true))
    assert.is_truthy(text:find("32×4×4", 1, true))
    assert.is_truthy(text:find("kFLOP", 1, true))
    assert.equal(6, select(2, text:gsub("\n", "")))
  end)

  it("times each call", function()
    local plan = fashion():plan()
    for _, private in ipairs { false, true } do
      local seconds, lanes = plan:time { tiles = 2, private = private, rounds = 3 }
      assert.equal(4, #seconds)
      assert.equal(32, lanes)
      assert.is_true(seconds[2] > 0)
    end
    fails("option 'tiles' must be an integer ≥ 1", plan.time, plan, { tiles = 0 })
  end)
end)

-- ---- showing ------------------------------------------------------------------------------------

describe("layers show", function()
  it("their options", function()
    assert.equal("conv2d(16, 3×3)", tostring(nn.conv2d { 16, kernel = 3 }))
    assert.equal("conv2d(2, 1×5, stride 2×2, padding 0×2)",
      tostring(nn.conv2d { 2, kernel = { 1, 5 }, stride = 2, padding = { 0, 2 } }))
    assert.equal("maxpool2d(2×2)", tostring(nn.maxpool2d(2)))
    assert.equal("avgpool2d(3×3, stride 1×1)", tostring(nn.avgpool2d { kernel = 3, stride = 1 }))
    assert.equal("residual(dense(4) → relu)", tostring(nn.residual { nn.dense(4), nn.relu() }))
    assert.equal("concat(dense(4) | identity)", tostring(nn.concat { nn.dense(4), {} }))
    assert.equal("reshape(1×2×3)", tostring(nn.reshape { 1, 2, 3 }))
  end)
end)

-- ---- checkpoints --------------------------------------------------------------------------------

describe("a checkpoint", function()
  it("brings back networks of every layer", function()
    for _, case in ipairs(CASES) do
      local net = network(case, "f32")
      local set = { x = samples(net, 10):to "f32", y = mgd.rand { 10, net.outputs }:to "f32" }
      local run = mgd.train { net = net, data = set, eta = 0.01 }
      run.core:advance(3)
      local path = os.tmpname()
      run:save(path)
      local again = mgd.resume(path)
      os.remove(path)
      run.core:advance(3)
      again.core:advance(3)
      assert.same(run:theta():totable(), again:theta():totable(), case[1])
    end
  end)
end)

-- ---- mistakes -----------------------------------------------------------------------------------

describe("an error names layer and shapes for", function()
  local function network_of(input, ...)
    local opt = { input = input, ... }
    return function()
      nn.sequential(opt)
    end
  end

  for name, case in pairs {
    ["a kernel larger than its input"] = {
      "layer 3 (conv2d): a kernel of 5×5 does not fit into its input of 8x4x4 with padding 0×0",
      network_of({ 1, 10, 10 }, nn.conv2d { 8, kernel = 3 }, nn.maxpool2d(2),
        nn.conv2d { 8, kernel = 5 }) },
    ["a pool larger than its input"] = {
      "layer 1 (maxpool2d): a kernel of 3×3 does not fit into its input of 1x2x5",
      network_of({ 1, 2, 5 }, nn.maxpool2d(3), nn.dense(1)) },
    ["a pool with windows outside of the image"] = {
      "padding 2×2 with a kernel of 2×2: some windows would lie outside",
      network_of({ 1, 4, 4 }, nn.maxpool2d { kernel = 2, padding = 2 }, nn.dense(1)) },
    ["a convolution over features"] = {
      "layer 2 (conv2d): its input has the shape 9: expected channels×height×width",
      network_of({ 4 }, nn.dense(9), nn.conv2d { 2, kernel = 1 }) },
    ["a residual of another shape"] = {
      "layer 1 (residual): its branches have the shapes 3x4x4 and 2x4x4: expected the same",
      network_of({ 2, 4, 4 }, nn.residual { nn.conv2d { 3, kernel = 1 } }, nn.dense(1)) },
    ["branches of unlike images"] = {
      "layer 1 (concat): its branches have the shapes 3x4x4 and 3x2x2: expected the same but for",
      network_of({ 2, 4, 4 },
        nn.concat { nn.conv2d { 3, kernel = 1 }, nn.conv2d { 3, kernel = 3 } }, nn.dense(1)) },
    ["a layer within a branch"] = {
      "layer 2 (concat), branch 2, layer 1 (conv2d): a kernel of 7×7 does not fit",
      network_of({ 2, 4, 4 }, nn.relu(),
        nn.concat { {}, { nn.conv2d { 3, kernel = 7 } } }, nn.dense(1)) },
    ["a reshape to other features"] = {
      "layer 2 (reshape): 2x2x3 does not have the features of its input 9",
      network_of({ 4 }, nn.dense(9), nn.reshape { 2, 2, 3 }, nn.dense(1)) },
    ["a network without parameters"] = { "no layer has parameters",
      network_of({ 1, 4, 4 }, nn.maxpool2d(2), nn.flatten()) },
    ["a convolution without channels"] = { "nn.conv2d: expected the number of channels first",
      function() nn.conv2d { kernel = 3 } end },
    ["a convolution without kernel"] = { "nn.conv2d: option 'kernel' is missing",
      function() nn.conv2d { 3 } end },
    ["a kernel of three sides"] = { "option 'kernel' must be an integer ≥ 1 or a pair",
      function() nn.conv2d { 3, kernel = { 1, 2, 3 } } end },
    ["a stride of 0"] = { "option 'stride' must be an integer ≥ 1 or a pair",
      function() nn.maxpool2d { kernel = 2, stride = 0 } end },
    ["a misspelt option"] = { "unknown option 'pading' (did you mean 'padding'?)",
      function() nn.conv2d { 3, kernel = 3, pading = 1 } end },
    ["an option that joins do not have"] = { "nn.concat: unknown option 'axis'",
      function() nn.concat { nn.dense(1), nn.dense(1), axis = 2 } end },
    ["a stride as second argument"] = {
      "nn.maxpool2d: unexpected argument 1: it is nn.maxpool2d(2) or nn.maxpool2d{kernel = 2,",
      function() nn.maxpool2d(2, 1) end },
    ["an activation as second argument"] = { "nn.dense: unexpected argument relu",
      function() nn.dense(10, "relu") end },
    ["an argument of a layer that has none"] = { "nn.relu: unexpected argument 0.1",
      function() nn.relu(0.1) end },
    ["an image of another layout"] = { "x has shape 2x4x4x2: expected (B, …)", function()
      nn.sequential { input = { 2, 4, 4 }, nn.conv2d { 1, kernel = 1 } }:forward(
        mgd.zeros { 2, 4, 4, 2 })
    end },
    ["too many dimensions"] = { "layer 2 (reshape): a shape of 8 dimensions: expected at most 7",
      network_of({ 4 }, nn.dense(4), nn.reshape { 1, 1, 1, 1, 1, 1, 1, 4 }) },
    ["far too many outputs"] = { "layer 1 (dense): ", network_of({ 4 }, nn.dense(1e30)) },
    ["one branch"] = { "nn.concat: expected at least two branches",
      function() nn.concat { nn.dense(1) } end },
    ["a branch that is no layer"] = { "nn.concat: branch 2: expected a list of layers, got number",
      function() nn.concat { nn.dense(1), 4 } end },
    ["an empty residual"] = { "nn.residual: no layers", function() nn.residual {} end },
  } do
    it(name, function()
      fails(case[1], case[2])
    end)
  end
end)
