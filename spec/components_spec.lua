-- net:components: weights that are principal components of what layers read. The components of
-- dense layers are known by construction, those of patches are computed here by power iteration.

local mgd = require "mgd"
local fails = require("spec.support.errors").fails

local nn = mgd.nn

-- Orthogonal directions of four features, and samples that deviate by 4, 2, 1 and ½ along them.
local AXES = { { 1, 1, 1, 1 }, { 1, -1, 1, -1 }, { 1, 1, -1, -1 }, { 1, -1, -1, 1 } }
local function samples(count)
  local z = mgd.randn({ count, 4 }, { seed = 3 })
  return (z * mgd.tensor { 4, 2, 1, 0.5 }):matmul(mgd.tensor(AXES) / 2):to "f32"
end

local function cosine(a, b)
  return a:dot(b) / (a:norm() * b:norm())
end

-- Weights (O × I) of the part `number`, f64.
local function weights_of(net, number, inputs)
  local part = net:parts()[number]
  local size = part.outputs * inputs
  return net:theta()[{ { part.first, part.first + size - 1 } }]:to "f64":clone()
    :reshape { part.outputs, inputs }
end

describe("net:components", function()
  it("gives the components of a dense layer's inputs, the largest first", function()
    local x = samples(2000)
    local net = nn.sequential { input = 4, nn.dense(6) }:components(x, { layers = 1 })
    local w = weights_of(net, 1, 4)
    for k = 1, 3 do
      -- variances differ by 4 or more: what is left of the walk of the rule is far below 2 %
      local c = cosine(w[2 * k - 1]:clone(), mgd.tensor(AXES[k]))
      assert.near(1, math.abs(c), 0.02)
    end
  end)

  it("makes two outputs of each component, of both signs, and one of the last if odd", function()
    local net = nn.sequential { input = 4, nn.dense(5) }:components(samples(500), { layers = 1 })
    local w = weights_of(net, 1, 4)
    assert.is_true((w[1] + w[2]):abs():max() < 1e-6 * w[1]:norm())
    assert.is_true((w[3] + w[4]):abs():max() < 1e-6 * w[3]:norm())
    assert.near(1, math.abs(cosine(w[5]:clone(), mgd.tensor(AXES[3]))), 0.02)
  end)

  it("brings sums to mean 0 and deviation 1", function()
    local x = samples(1000) + 3
    local net = nn.sequential { input = 4, nn.dense(4) }:components(x, { layers = "dense1" })
    local y = net:forward(x):to "f64"
    for o = 1, 4 do
      assert.near(0, y[{ {}, o }]:mean(), 1e-5)
      assert.near(1, math.sqrt(y[{ {}, o }]:var()), 1e-3) -- var divides by N or N − 1
    end
  end)

  it("keeps weights within a limit, and their signs in pairs", function()
    local net = nn.sequential { input = 4, nn.dense(4) }
      :components(samples(500) * 0.1, { layers = 1, limit = 1.5 })
    local w = weights_of(net, 1, 4)
    assert.near(1.5, w[3]:abs():max(), 1e-6) -- 1/(0.1·2)·½ = 2.5 without
    assert.near(1.25, w[1]:abs():max(), 0.1) -- 1/(0.1·4)·½
  end)

  it("sees a convolution's patches, of what the layers below it give", function()
    local x = mgd.randn({ 200, 1, 7, 8 }, { seed = 5 }):to "f32"
    local net = nn.sequential { input = { 1, 7, 8 }, nn.conv2d { 3, kernel = 2 }, nn.relu(),
      nn.conv2d { 4, kernel = { 2, 3 }, stride = { 1, 2 } }, nn.flatten(), nn.dense(2) }
    net:init { scheme = "uniform", low = 0, high = 1, seed = 2 }
    local below = nn.sequential { input = { 1, 7, 8 }, nn.conv2d { 3, kernel = 2 }, nn.relu() }
    below:set_theta(net:theta()[{ { 1, below.num_parameters } }])
    local h = below:forward(x):to("f64"):reshape { 200, 3, 6, 7 }
    local second = mgd.zeros { 18, 18 } -- E[p·pᵀ] over all patches
    for row = 1, 5 do
      for column = 1, 5, 2 do
        local p = h[{ {}, {}, { row, row + 1 }, { column, column + 2 } }]:clone()
          :reshape { 200, 18 }
        second:add_(p:transpose():matmul(p))
      end
    end
    local v = mgd.ones { 18, 1 }
    for _ = 1, 100 do
      v = second:matmul(v)
      v = v / v:norm()
    end
    net:components(x, { layers = "conv2" })
    local w = weights_of(net, 2, 18)
    assert.near(1, math.abs(cosine(w[1]:clone(), v:reshape { 18 })), 0.01)
    assert.is_true(net:theta()[{ { 1, below.num_parameters } }]:allclose(below:theta()))
  end)

  it("lets centre layers follow each layer that it sets", function()
    local x = mgd.rand({ 300, 1, 6, 6 }, { seed = 1 }):to "f32"
    local function block(net)
      return net:components(x, { layers = { "conv1", "conv2" }, steps = 200 })
    end
    local net = block(nn.sequential { input = { 1, 6, 6 }, nn.conv2d { 4, kernel = 3 }, nn.relu(),
      nn.centre(), nn.conv2d { 2, kernel = 3 }, nn.relu(), nn.centre() })
    local y = net:forward(x):to("f64"):reshape { 300, 2, 4 }
    assert.near(0, y[{ {}, 1 }]:mean(), 1e-5)
    assert.near(0, y[{ {}, 2 }]:mean(), 1e-5)
  end)

  it("follows from its seed", function()
    local function made(seed)
      return nn.sequential { input = 4, nn.dense(4) }
        :components(samples(300), { layers = 1, steps = 50, seed = seed }):theta()
    end
    assert.is_true(made(1):allclose(made(1), { rtol = 0 }))
    assert.is_false(made(1):allclose(made(2), { rtol = 0 }))
  end)

  it("leaves weights finite where nothing varies, and says where inputs are not", function()
    local net = nn.sequential { input = 4, nn.dense(2) }
    local x = mgd.ones({ 20, 4 }, { dtype = "f32" })
    assert.is_true(net:components(x, { layers = 1, steps = 20 }):theta():abs():max() < 10)
    x[3][2] = math.huge
    fails("what layer 'dense1' reads, or its square, is not finite", net.components, net, x,
      { layers = 1, steps = 20 })
    fails("expected a tensor (N, 4), got (20, 2)", net.components, net, x[{ {}, { 1, 2 } }],
      { layers = 1 })
    fails("expected a tensor (N, 4), got number", net.components, net, 1, { layers = 1 })
  end)

  it("says which layers it takes", function()
    local x = samples(50)
    local net = nn.sequential { input = 4, nn.residual { nn.dense(4) }, nn.affine(), nn.dense(2) }
    fails("layer 'affine1' is affine: expected conv2d or dense", net.components, net, x,
      { layers = "affine1" })
    fails("expected conv2d or dense, of the network itself", net.components, net, x,
      { layers = "dense1" })
    fails("no layer with parameters is called 'dense3' (did you mean", net.components, net, x,
      { layers = "dense3" })
    fails("option 'layers' is missing", net.components, net, x, {})
    fails("option 'eta' must be a number > 0 and ≤ 1", net.components, net, x,
      { layers = 3, eta = 2 })
  end)
end)
