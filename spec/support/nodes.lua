-- Networks whose nodes are perturbed, once more in plain Lua, and G of a step by its definition.

local mgd = require "mgd"

local nn = mgd.nn

local ACTIVATIONS = {
  identity = function(z) return z end,
  relu = function(z) return math.max(z, 0) end,
  sigmoid = function(z) return 1 / (1 + math.exp(-z)) end,
  tanh = function(z) return (math.exp(2 * z) - 1) / (math.exp(2 * z) + 1) end,
}

-- Outputs between which a gate is open.
local BOUNDS = {
  identity = {-math.huge, math.huge}, relu = {0, math.huge}, sigmoid = {0.01, 0.99},
  tanh = {-0.98, 0.98},
}

-- A layer is {inputs = {list of inputs of node 1, …}, weight = {…}, bias = {…}}: node j sums
-- θ[weight[j][k]]·x[inputs[j][k]] over k, from θ[bias[j]]; then `act`, times gain[j] and with
-- offset[j], where there are such; it gives feature[j]; then `windows`, lists of features whose
-- largest is taken.
local function dense(first, inputs, outputs, act)
  local layer = {act = ACTIVATIONS[act], bounds = BOUNDS[act], inputs = {}, weight = {}, bias = {}}
  for o = 1, outputs do
    layer.inputs[o], layer.weight[o] = {}, {}
    for i = 1, inputs do
      layer.inputs[o][i] = i
      layer.weight[o][i] = first + (o - 1) * inputs + i - 1
    end
    layer.bias[o] = first + outputs * inputs + o - 1
  end
  return layer
end

-- A convolution of images (channels, side, side) to features (outputs, rows, rows); its nodes come
-- pixel by pixel.
local function conv(first, shape, act)
  local layer = {act = ACTIVATIONS[act], bounds = BOUNDS[act], inputs = {}, weight = {}, bias = {},
    feature = {}}
  local k, side, rows = shape.kernel, shape.side, shape.rows
  for node = 0, rows * rows * shape.outputs - 1 do
    local o, pixel = node % shape.outputs, math.floor(node / shape.outputs)
    local inputs, weight = {}, {}
    for c = 0, shape.channels - 1 do
      for ky = 0, k - 1 do
        for kx = 0, k - 1 do
          local y = math.floor(pixel / rows) * shape.stride + ky - shape.padding
          local x = pixel % rows * shape.stride + kx - shape.padding
          if y >= 0 and y < side and x >= 0 and x < side then
            inputs[#inputs + 1] = (c * side + y) * side + x + 1
            weight[#weight + 1] = first + ((o * shape.channels + c) * k + ky) * k + kx
          end
        end
      end
    end
    layer.inputs[node + 1], layer.weight[node + 1] = inputs, weight
    layer.bias[node + 1] = first + shape.outputs * shape.channels * k * k + o
    layer.feature[node + 1] = o * rows * rows + pixel + 1
  end
  return layer
end

local function pool_of_pairs(layer, outputs, rows)
  layer.windows = {}
  for o = 0, outputs - 1 do
    for row = 0, rows / 2 - 1 do
      for column = 0, rows / 2 - 1 do
        local at = (o * rows + 2 * row) * rows + 2 * column + 1
        table.insert(layer.windows, {at, at + 1, at + rows, at + rows + 1})
      end
    end
  end
  return layer
end

local function nodes_of(layers)
  local count = 0
  for _, layer in ipairs(layers) do
    count = count + #layer.inputs
  end
  return count
end

-- The features of a layer, before its windows, that pass something on: between the bounds of the
-- activation, and the largest of a window.
local function open_features(layer, out, pooled)
  local open, won = {}, {}
  for w, window in ipairs(layer.windows or {}) do
    for _, at in ipairs(window) do
      won[at] = won[at] or out[at] == pooled[w]
    end
  end
  for i, value in ipairs(out) do
    open[i] = value > layer.bounds[1] and value < layer.bounds[2]
      and (layer.windows == nil or won[i] == true)
  end
  return open
end

-- The cost (mse) of one sample with ξ added to its nodes, what each layer has read, and which nodes
-- a gate would hear.
local function evaluate(layers, theta, x, y, xi)
  local read, open, node = {}, {}, 0
  for l, layer in ipairs(layers) do
    read[l] = x
    local out = {}
    for j, inputs in ipairs(layer.inputs) do
      local z = theta[layer.bias[j]]
      for k, i in ipairs(inputs) do
        z = z + theta[layer.weight[j][k]] * x[i]
      end
      node = node + 1
      local value = layer.act(z + (xi and xi[node] or 0))
      if layer.gain then
        value = layer.gain[j] * value + layer.offset[j]
      end
      out[layer.feature and layer.feature[j] or j] = value
    end
    x = out
    if layer.windows then
      x = {}
      for w, window in ipairs(layer.windows) do
        x[w] = math.max(out[window[1]], out[window[2]], out[window[3]], out[window[4]])
      end
    end
    local passes = open_features(layer, out, x)
    for j = 1, #layer.inputs do
      open[#open + 1] = passes[layer.feature and layer.feature[j] or j]
    end
  end
  local cost = 0
  for o = 1, #y do
    cost = cost + (x[o] - y[o]) ^ 2 / #y
  end
  return cost, read, open
end

-- gradient += e_j·x_i of one sample
local function add_gradient(layers, e, read, gradient)
  local node = 0
  for l, layer in ipairs(layers) do
    for j, inputs in ipairs(layer.inputs) do
      node = node + 1
      for k, i in ipairs(e[node] ~= 0 and inputs or {}) do
        local w = layer.weight[j][k]
        gradient[w] = gradient[w] + e[node] * read[l][i]
      end
      gradient[layer.bias[j]] = gradient[layer.bias[j]] + e[node]
    end
  end
end

local function scaled(list, factor)
  local out = {}
  for i, value in ipairs(list) do
    out[i] = factor * value
  end
  return out
end

local function mean(a, b)
  local out = {}
  for l, layer in ipairs(a) do
    out[l] = {}
    for i, value in ipairs(layer) do
      out[l][i] = (value + b[l][i]) / 2
    end
  end
  return out
end

-- The pattern of those that learn, among 0 for all other nodes.
local function spread(layers, learns, pattern)
  local out, at = {}, 0
  for l, layer in ipairs(layers) do
    for _ = 1, #layer.inputs do
      at = at + (learns[l] and 1 or 0)
      out[#out + 1] = learns[l] and pattern[at] or 0
    end
  end
  return out
end

-- The terms of nodes that are open in one of the evaluations.
local function gated(e, first, second)
  local out = {}
  for node, value in ipairs(e) do
    out[node] = (first[node] or (second and second[node])) and value or 0
  end
  return out
end

-- G of step n by the definition; and how much a C̃ of one, in every sample, would make of it. Of
-- all layers, or of those whose numbers `learn` lists. task.theta: what weights read as, if not θ.
local function gradient_of(task, opts, n)
  local layers, theta = task.layers, (task.theta or task.net:theta()):totable()
  local learns, learning = {}, {}
  for l, layer in ipairs(layers) do
    learns[l] = opts.learn == nil
    for _, number in ipairs(opts.learn or {}) do
      learns[l] = learns[l] or number == l
    end
    learning[#learning + 1] = learns[l] and layer or nil
  end
  local count, batch, a = nodes_of(learning), opts.batch, opts.perturbation.amplitude
  local gradient, unit = {}, {}
  for i = 1, #theta do
    gradient[i], unit[i] = 0, 0
  end
  for b = 1, batch do
    local s = mgd.codes.pattern(opts.perturbation, {parameters = count, slots = 1,
      first = n * task.stride(opts, count) + b - 1, seed = opts.seed})[1]:totable()
    s = spread(layers, learns, s)
    local square = ({sequential = 1 / count, walsh = 1, random = 1 - (opts.perturbation.sparsity
      or 0), sine = 0.5})[opts.perturbation.code]
    local at = (n * batch + b - 1) % #task.x + 1
    local x, y = task.x[at]:reshape{task.x.size / #task.x}:totable(), task.y[at]:totable()
    local plus, read, open = evaluate(layers, theta, x, y, scaled(s, a))
    local tilde, also = plus, nil
    if opts.baseline == "two-sided" then
      local minus, other, closed = evaluate(layers, theta, x, y, scaled(s, -a))
      tilde, read, also = (plus - minus) / 2, mean(read, other), closed
    elseif opts.baseline ~= "none" then
      local rest
      rest, read, also = evaluate(layers, theta, x, y)
      tilde = plus - rest
    end
    s = opts.gate and gated(s, open, also) or s
    add_gradient(layers, scaled(s, tilde / (a * square) / batch), read, gradient)
    add_gradient(layers, scaled(s, 1 / (a * square) / batch), read, unit)
  end
  return mgd.tensor(gradient), mgd.tensor(unit):norm()
end

local function greatest_divisor(a, b)
  while b ~= 0 do
    a, b = b, a % b
  end
  return a
end

-- Slots from step to step: the first number from the batch on that shares no divisor with the
-- period of the code.
local function stride(opts, count)
  local period, step = 1, opts.batch
  if opts.perturbation.code == "walsh" then
    while period < count + 1 do
      period = 2 * period
    end
  elseif opts.perturbation.code == "sequential" then
    period = count
  end
  while greatest_divisor(step, period) > 1 do
    step = step + 1
  end
  return step
end

local function images(count, ...)
  return mgd.randn({count, ...}, {seed = 7})
end

local TASKS = {
  {
    name = "a dense network",
    net = nn.mlp{4, 5, 3, 2, activation = "tanh", output = "sigmoid", dtype = "f64"},
    layers = {dense(1, 4, 5, "tanh"), dense(26, 5, 3, "tanh"), dense(44, 3, 2, "sigmoid")},
    x = images(20, 4),
  },
  {
    name = "a wide dense layer",
    net = nn.mlp{150, 3, 2, activation = "relu", output = "identity", dtype = "f64"},
    layers = {dense(1, 150, 3, "relu"), dense(454, 3, 2, "identity")},
    x = images(20, 150),
  },
  {
    name = "convolutions whose pools leave an odd edge out",
    net = nn.sequential{input = {1, 9, 9}, dtype = "f64",
      nn.conv2d{5, kernel = 3}, nn.relu(), nn.maxpool2d(2),
      nn.conv2d{3, kernel = 2}, nn.relu(), nn.flatten(), nn.dense(2)},
    layers = {
      pool_of_pairs(conv(1, {channels = 1, side = 9, outputs = 5, rows = 6, kernel = 3, stride = 1,
        padding = 0}, "relu"), 5, 6),
      conv(51, {channels = 5, side = 3, outputs = 3, rows = 2, kernel = 2, stride = 1,
        padding = 0}, "relu"),
      dense(114, 12, 2, "identity"),
    },
    x = images(20, 1, 9, 9),
  },
  {
    name = "convolutions with padding and stride",
    net = nn.sequential{input = {2, 6, 6}, dtype = "f64",
      nn.conv2d{9, kernel = 3, padding = 1, stride = 2}, nn.tanh(),
      nn.conv2d{2, kernel = 3}, nn.sigmoid()},
    layers = {
      conv(1, {channels = 2, side = 6, outputs = 9, rows = 3, kernel = 3, stride = 2,
        padding = 1}, "tanh"),
      conv(172, {channels = 9, side = 3, outputs = 2, rows = 1, kernel = 3, stride = 1,
        padding = 0}, "sigmoid"),
    },
    x = images(20, 2, 6, 6),
  },
}
for _, task in ipairs(TASKS) do
  task.net:init{scheme = "normal", std = 0.4, seed = 3}
  task.y = mgd.rand({20, 2}, {seed = 4})
  task.stride = stride
end

return { TASKS = TASKS, dense = dense, evaluate = evaluate, gradient_of = gradient_of,
  images = images, nodes_of = nodes_of }
