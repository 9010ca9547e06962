-- Layers that centre: means of what reaches them, and how they are folded into biases. Outputs and
-- gradients are compared with plain Lua in layers_spec.

local mgd = require "mgd"
local fails = require("spec.support.errors").fails_here

local nn = mgd.nn

local function conv(...) return nn.conv2d{..., kernel = 3} end

-- 1×9×8 images, with a mean of their own.
local function images(count)
  return mgd.randn({count, 1, 9, 8}, {seed = 5}) + 0.5
end

-- Two that centre, before a convolution and, over features, before a dense layer.
local function network(dtype)
  return nn.sequential{input = {1, 9, 8}, dtype = dtype, conv(3), nn.relu(), nn.centre(),
    nn.maxpool2d(2), nn.conv2d{2, kernel = 2}, nn.tanh(), nn.flatten(), nn.dense(4), nn.sigmoid(),
    nn.centre(), nn.dense(3)}:init{scheme = "normal", std = 0.5, seed = 1}
end

local function part_of(net, name)
  for _, part in ipairs(net:parts()) do
    if part.name == name then
      return net:theta()[{{part.first, part.first + part.parameters - 1}}]
    end
  end
end

local function worst(a, b)
  return (a - b):abs():max()
end

describe("nn.centre", function()
  it("starts at 0 under every scheme, and leaves the draws of flat ones where they were", function()
    for _, scheme in ipairs{"zeros", "uniform", "normal", "he_normal", "glorot_uniform"} do
      local net = nn.sequential{input = 4, nn.dense(3), nn.centre(), nn.dense(2)}
        :init{scheme = scheme, seed = 2}
      assert.equal(0, part_of(net, "centre1"):abs():max())
    end
  end)

  it("has a parameter for each channel or feature, and no nodes", function()
    local parts = network():parts()
    assert.equal("centre1", parts[2].name)
    assert.same({3, 0}, {parts[2].parameters, parts[2].nodes})
    assert.same({"centre2", 4}, {parts[5].name, parts[5].parameters})
  end)
end)

describe("net:centre", function()
  it("subtracts the mean of what reaches each layer, layer after layer", function()
    for dtype, tolerance in pairs{f64 = 1e-12, f32 = 1e-6} do
      local net, x = network(dtype), images(50)
      assert.equal(net, net:centre(x))
      -- What reaches the layers, by networks of those before them; of the convolution's output the
      -- pool reads 6 of 7 rows.
      local first = nn.sequential{input = {1, 9, 8}, dtype = dtype, conv(3), nn.relu()}
      first:set_theta(net:theta()[{{1, first.num_parameters}}])
      local seen = first:forward(x):reshape{50, 3, 7, 6}[{{1, 50}, {1, 3}, {1, 6}}]:to "f64"
      local mu = part_of(net, "centre1"):to "f64"
      for c = 1, 3 do
        assert.is_true(math.abs(mu[c] - seen[{{1, 50}, c}]:mean()) < tolerance)
      end
      local second = nn.sequential{input = {1, 9, 8}, dtype = dtype, conv(3), nn.relu(),
        nn.centre(), nn.maxpool2d(2), nn.conv2d{2, kernel = 2}, nn.tanh(), nn.flatten(),
        nn.dense(4), nn.sigmoid()}
      second:set_theta(net:theta()[{{1, second.num_parameters}}])
      local means = second:forward(x):to "f64":mean(1)
      assert.is_true(worst(part_of(net, "centre2"):to "f64", means) < tolerance)
    end
  end)

  it("goes by all steps of a sequence", function()
    local net = nn.sequential{input = {5, 2}, dtype = "f64", nn.each_step{nn.centre(), nn.dense(1)}}
    local x = mgd.randn({7, 5, 2}, {seed = 1}) + 2
    local mu = part_of(net:centre(x), "centre1")
    assert.is_true(worst(mu, x:reshape{35, 2}:mean(1)) < 1e-12)
  end)

  it("changes nothing where it fails", function()
    local net, x = network "f64", images(3)
    local before = net:theta():totable()
    x[2][1][1][1] = math.huge
    fails("centre: what reaches the layer at parameter 31 of θ is not finite",
      function() net:centre(x) end)
    assert.same(before, net:theta():totable())
    fails("centre: the network has no layer that centres: expected nn.centre()",
      function() nn.mlp{2, 1}:centre(mgd.rand{4, 2}) end)
    fails("centre: x has shape 4x3", function() net:centre(mgd.rand{4, 3}) end)
  end)
end)

describe("net:fold", function()
  it("gives the same outputs without layers that centre", function()
    for dtype, tolerance in pairs{f64 = 1e-13, f32 = 1e-5} do
      local x = images(20):to(dtype)
      local net = network(dtype):centre(x)
      local folded = net:fold()
      assert.is_true(worst(net:forward(x), folded:forward(x)) < tolerance)
      assert.equal(net.num_parameters - 7, folded.num_parameters)
      assert.is_nil(tostring(folded):find "centre")
    end
  end)

  it("goes through pools, views, other constants and nests, and keeps names", function()
    local net = nn.sequential{input = {2, 8, 8}, dtype = "f64",
      nn.centre(), nn.centre(), nn.affine(), conv(4):named "edges", nn.relu(),
      nn.residual{nn.centre(), nn.affine(), nn.tanh()}:named "block",
      nn.centre(), nn.avgpool2d{kernel = 2, padding = 1}, nn.reshape{8, 4, 2}, nn.maxpool2d(2),
      nn.concat{{nn.flatten(), nn.centre(), nn.dense(2)}, {nn.dense(3)}}, nn.centre(), nn.dense(2)}
    fails("concat(flatten → centre → dense(2) | dense(3)) stands behind 'centre4': expected "
      .. "conv2d, dense or affine", function() net:fold() end)
    local layers = {(table.unpack or unpack)(net.layers)}
    layers[11] = nn.dense(5)
    net = nn.sequential{input = {2, 8, 8}, dtype = "f64", (table.unpack or unpack)(layers)}
    net:set_theta(mgd.randn({net.num_parameters}, {seed = 4})) -- constants of any value
    local folded, x = net:fold(), mgd.randn({9, 2, 8, 8}, {seed = 5})
    assert.is_true(worst(net:forward(x), folded:forward(x)) < 1e-12)
    local names = {}
    for i, part in ipairs(folded:parts()) do
      names[i] = part.name
    end
    assert.equal("affine1 edges affine2 dense1 dense2", table.concat(names, " "))
    assert.same({"block"}, folded:parts()[3].within)
  end)

  it("is a copy of a network that does not centre", function()
    local net = nn.mlp{3, 2}:init{seed = 1}
    assert.same(net:theta():totable(), net:fold():theta():totable())
  end)

  it("refuses what cannot take the constant in", function()
    local function fold(...)
      local net = nn.sequential{input = {1, 6, 6}, ...}
      return function() net:fold() end
    end
    fails("net:fold: 'conv1' has padding, which nobody centres",
      fold(nn.centre(), nn.conv2d{2, kernel = 3, padding = 1}))
    fails("net:fold: relu stands behind 'centre1': expected conv2d, dense or affine, with pools at "
      .. "most between", fold(nn.centre(), nn.relu(), nn.dense(2)))
    fails("net:fold: nothing behind 'last' could take in what it subtracts",
      fold(nn.dense(3), nn.centre():named "last"))
    fails("net:fold: residual(dense(36)) stands behind 'centre1'",
      fold(nn.centre(), nn.flatten(), nn.residual{nn.dense(36)}))
    fails("reshape(1×72) stands behind 'centre1'",
      fold(nn.conv2d{2, kernel = 1}, nn.centre(), nn.reshape{1, 72}, nn.dense(2)))
  end)
end)
