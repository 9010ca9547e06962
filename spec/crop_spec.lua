-- Dead edges: rows and columns of images on which no output depends, because later windows leave
-- them over. What counts is compared with what moves an output when it is moved itself, in plain
-- Lua; that outputs and gradients are those of the whole network, layers_spec shows.

local mgd = require "mgd"
local forward = require("spec.support.layers").forward

local nn = mgd.nn

local function conv(channels, kernel, more)
  more = more or {}
  return nn.conv2d{channels, kernel = kernel, stride = more.stride, padding = more.padding}
end

local function fashion()
  return nn.sequential{input = {1, 28, 28},
    conv(16, 3), nn.relu(), nn.maxpool2d(2), conv(32, 3), nn.relu(), nn.maxpool2d(2),
    conv(32, 3), nn.relu(), nn.maxpool2d(2), nn.flatten(), nn.dense(10)}
end

-- Rows and columns of the smallest corner, at the top and the left, with all pixels of the input
-- that move an output. Every product and mean passes a change on: weights are drawn, and nothing is
-- compared.
local function corner_that_counts(input, layers)
  local net = nn.sequential{input = input, dtype = "f64", (table.unpack or unpack)(layers)}
    :init{scheme = "normal", seed = 2}
  local x = mgd.randn({1, input[1], input[2], input[3]}, {seed = 3})
  local still, rows, columns = forward(net, x), 0, 0
  for row = 1, input[2] do
    for column = 1, input[3] do
      local moved = x:clone()
      moved[1][1][row][column] = moved[1][1][row][column] + 0.5
      if (forward(net, moved) - still):abs():max() > 1e-9 then
        rows, columns = math.max(rows, row), math.max(columns, column)
      end
    end
  end
  return rows, columns
end

describe("of a convolution's nodes and of the inputs, those count that move an output", function()
  for name, case in pairs{
    ["behind pools"] = {{1, 13, 14}, conv(2, 3), nn.tanh(), nn.avgpool2d(2), conv(2, 3),
      nn.avgpool2d(2)},
    ["behind strides"] = {{1, 11, 12}, conv(2, 2), conv(2, {2, 3}, {stride = {3, 4}}),
      conv(1, 2, {stride = 2})},
    ["beside padding"] = {{1, 10, 11}, conv(2, 3, {padding = 1}), nn.affine(),
      nn.avgpool2d{kernel = 3, stride = 3, padding = 1}, conv(1, 2, {padding = 1, stride = 3})},
    ["behind a residual"] = {{1, 9, 10}, conv(2, 3, {padding = 1}),
      nn.residual{conv(2, 3, {padding = 1}), nn.sigmoid()}, nn.avgpool2d(4)},
    ["behind branches"] = {{1, 9, 9}, conv(2, 2),
      nn.concat{conv(1, 3, {stride = 2}), {nn.affine(), nn.avgpool2d{kernel = 2, stride = 3}}},
      nn.tanh(), conv(1, 2)},
    ["all of them, before a dense layer"] = {{1, 5, 6}, conv(2, 2), nn.dense(2)},
  } do
    it(name, function()
      local layers = {(table.unpack or unpack)(case, 2)}
      local net = nn.sequential{input = case[1], (table.unpack or unpack)(layers)}
      local rows, columns = corner_that_counts(case[1], layers)
      assert.equal(rows * columns, net.inputs_read)
      -- What the first convolution gives is the input of the others.
      local first = layers[1]
      local shape = {first.outputs}
      for side = 1, 2 do
        shape[1 + side] = math.floor((case[1][1 + side] + 2 * first.padding[side]
          - first.kernel[side]) / first.stride[side]) + 1
      end
      rows, columns = corner_that_counts(shape, {(table.unpack or unpack)(layers, 2)})
      local part = net:parts()[1]
      assert.equal(first.outputs * rows * columns, part.nodes)
      assert.equal(shape[1] * shape[2] * shape[3], part.nodes + part.dead)
    end)
  end
end)

describe("dead edges", function()
  it("of the network for Fashion-MNIST are known", function()
    local net = fashion()
    local nodes, dead = {}, {}
    for i, part in ipairs(net:parts()) do
      nodes[i], dead[i] = part.nodes, part.dead
    end
    assert.same({6400, 2048, 128, 10}, nodes)
    assert.same({16 * 26 * 26 - 6400, 32 * 11 * 11 - 2048, 32 * 3 * 3 - 128, 0}, dead)
    assert.equal(22 * 22, net.inputs_read)
    assert.equal(6400 + 2048 + 128 + 10, mgd.chip{net = net}.num_nodes)
  end)

  it("change no bit: as in a network with a branch of zeros that reads every pixel", function()
    for _, dtype in ipairs{"f32", "f64"} do
      local first = conv(3, 3, {padding = 1})
      local rest = {nn.relu(), nn.residual{conv(3, 3, {padding = 1}), nn.affine()},
        nn.maxpool2d(3), conv(2, 2), nn.tanh(), nn.avgpool2d(2), nn.dense(2)}
      local cut = nn.sequential{input = {2, 11, 10}, dtype = dtype, first,
        (table.unpack or unpack)(rest)}:init{scheme = "normal", std = 0.5, seed = 1}
      local whole = nn.sequential{input = {2, 11, 10}, dtype = dtype, first,
        nn.add{rest, {nn.flatten(), nn.dense(2)}}}
      assert.is_true(cut:parts()[1].dead > 0)
      assert.equal(0, whole:parts()[1].dead)
      local count, theta = cut.num_parameters, whole:theta()
      theta[{{1, count}}] = cut:theta()
      whole:set_theta(theta)
      -- As many samples as are summed up together, however much memory their values take.
      local x, y = mgd.randn({8, 2, 11, 10}, {seed = 2}), mgd.rand({8, 2}, {seed = 3})
      assert.same(whole:forward(x):totable(), cut:forward(x):totable())
      local gradient = whole:gradient(x, y)[{{1, count}}]
      assert.same(gradient:totable(), (cut:gradient(x, y)):totable())
    end
  end)

  it("are reported, and where there are none nothing is", function()
    local text = tostring(fashion())
    assert.truthy(text:find("P = 14378, f32\n  input: 484 of 784 values count, the others are "
      .. "dropped by later layers\n  conv1: 6,400 of 10,816 nodes\n  conv2: 2,048 of 3,872 nodes\n",
      1, true))
    assert.is_nil(text:find "dense1:")
    assert.is_nil(tostring(nn.mlp{2, 2, 1}):find "\n")
  end)

  it("are left out of a plan's work", function()
    local plan = fashion():plan()
    assert.equal(20 * 20 * 16 * (2 * 9 + 2), plan[1].flop)
    assert.same({16, 10, 10}, plan[1].shape)
    assert.is_nil(tostring(plan):find("dropped", 1, true))
  end)

  it("are perturbed by nobody: one step for each other node gives the whole gradient", function()
    local net = nn.sequential{input = {1, 11, 10}, dtype = "f64", conv(2, 3, {padding = 1}),
      nn.tanh(), nn.residual{conv(2, 3, {padding = 1}), nn.sigmoid()}, nn.avgpool2d(2), conv(2, 3),
      nn.tanh(), nn.maxpool2d(2), nn.dense(2)}:init{scheme = "normal", std = 0.5, seed = 1}
    local nodes = mgd.chip{net = net}.num_nodes
    assert.is_true(nodes < 2 * 2 * 11 * 10)
    local set = {x = mgd.randn({3, 1, 11, 10}, {seed = 2}), y = mgd.rand({3, 2}, {seed = 3})}
    local run = mgd.train{net = net, data = set, batch = 3, perturb = "nodes", eta = 0,
      perturbation = {code = "sequential", amplitude = 1e-4}, baseline = "two-sided",
      tau_theta = nodes, tau_x = nodes}
    -- In degrees; what is left is of the order of amplitude², 1e-6.
    assert.is_true(run:run{steps = nodes, probes = {"angle"}}.angle[-1] < 1e-3)
  end)

  it("are left out on a chip whose neurons have models", function()
    local net = nn.sequential{input = {1, 11, 10}, conv(2, 3, {padding = 1}), nn.tanh(),
      nn.residual{conv(2, 3, {padding = 1}), nn.relu()}, nn.maxpool2d(3), nn.dense(2)}
      :init{scheme = "normal", seed = 1}
    local set = {x = mgd.randn({5, 1, 11, 10}, {seed = 2}):to "f32", y = mgd.rand({5, 2}):to "f32"}
    local chip = mgd.chip{net = net, neurons = mgd.hw.noise{sigma = 0}}
    local run = mgd.train{chip = chip, data = set, eta = 0.1}
    assert.same(net:forward(set.x):totable(), run:predict(set.x):totable())
  end)
end)
