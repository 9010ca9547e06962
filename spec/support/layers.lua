-- The layers, once more, in plain Lua, written from their definitions in double precision.

local assert = require "luassert"
local mesh = require "spec.support.mesh"
local mgd = require "mgd"

-- An image is {C, height, width, values}, values row-major from 1; θ a list read through a cursor.

local function pixel(image, c, row, column)
  if row < 1 or row > image[2] or column < 1 or column > image[3] then
    return nil
  end
  return image[4][((c - 1) * image[2] + row - 1) * image[3] + column]
end

-- Calls visit(channel, i, j, value) for the pixels of the window at (row, column) of the output.
local function each_pixel(layer, image, row, column, channel, visit)
  for i = 1, layer.kernel[1] do
    for j = 1, layer.kernel[2] do
      local value = pixel(image, channel, (row - 1) * layer.stride[1] - layer.padding[1] + i,
        (column - 1) * layer.stride[2] - layer.padding[2] + j)
      if value then
        visit(i, j, value)
      end
    end
  end
end

local function sides_of(layer, image)
  local out = {}
  for side = 1, 2 do
    out[side] = math.floor((image[1 + side] + 2 * layer.padding[side] - layer.kernel[side])
      / layer.stride[side]) + 1
  end
  return out[1], out[2]
end

local apply

local plain = {}

function plain.conv2d(layer, image, theta)
  local height, width = sides_of(layer, image)
  local inputs, kh, kw = image[1], layer.kernel[1], layer.kernel[2]
  local first, values = theta.at, {}
  local biases = first + layer.outputs * inputs * kh * kw
  for o = 1, layer.outputs do
    for row = 1, height do
      for column = 1, width do
        local sum = theta[biases + o]
        for c = 1, inputs do
          each_pixel(layer, image, row, column, c, function(i, j, value)
            sum = sum + theta[first + (((o - 1) * inputs + c - 1) * kh + i - 1) * kw + j] * value
          end)
        end
        values[#values + 1] = sum
      end
    end
  end
  theta.at = biases + layer.outputs
  return { layer.outputs, height, width, values }
end

local function pool(combine)
  return function(layer, image)
    local height, width = sides_of(layer, image)
    local values = {}
    for c = 1, image[1] do
      for row = 1, height do
        for column = 1, width do
          local seen = {}
          each_pixel(layer, image, row, column, c, function(_, _, value)
            seen[#seen + 1] = value
          end)
          values[#values + 1] = combine(seen)
        end
      end
    end
    return { image[1], height, width, values }
  end
end

plain.maxpool2d = pool(function(seen)
  return math.max((table.unpack or unpack)(seen))
end)

plain.avgpool2d = pool(function(seen)
  local sum = 0
  for _, value in ipairs(seen) do
    sum = sum + value
  end
  return sum / #seen
end)

function plain.dense(layer, image, theta)
  local inputs, first, values = #image[4], theta.at, {}
  for o = 1, layer.outputs do
    local sum = theta[first + layer.outputs * inputs + o]
    for i = 1, inputs do
      sum = sum + theta[first + (o - 1) * inputs + i] * image[4][i]
    end
    values[o] = sum
  end
  theta.at = first + layer.outputs * (inputs + 1)
  return { layer.outputs, 1, 1, values }
end

function plain.affine(_, image, theta)
  local channels, values = image[1], {}
  local each = #image[4] / channels
  for i, value in ipairs(image[4]) do
    local c = math.floor((i - 1) / each) + 1
    values[i] = theta[theta.at + c] * value + theta[theta.at + channels + c]
  end
  theta.at = theta.at + 2 * channels
  return { image[1], image[2], image[3], values }
end

function plain.centre(_, image, theta)
  local values, each = {}, #image[4] / image[1]
  for i, value in ipairs(image[4]) do
    values[i] = value - theta[theta.at + math.floor((i - 1) / each) + 1]
  end
  theta.at = theta.at + image[1]
  return { image[1], image[2], image[3], values }
end

function plain.mzi_mesh(layer, image, theta)
  return { layer.outputs, 1, 1, mesh.detect(layer, image[4], theta) }
end

function plain.reshape(layer, image)
  local s = layer.shape
  return { s[1], s[2] or 1, s[3] or 1, image[4] }
end

function plain.flatten(_, image)
  return { #image[4], 1, 1, image[4] }
end

local function elementwise(f)
  return function(_, image)
    local values = {}
    for i, value in ipairs(image[4]) do
      values[i] = f(value)
    end
    return { image[1], image[2], image[3], values }
  end
end

plain.identity = elementwise(function(x) return x end)
plain.relu = elementwise(function(x) return math.max(x, 0) end)
plain.sigmoid = elementwise(function(x) return 1 / (1 + math.exp(-x)) end)
plain.softplus = elementwise(function(x)
  return math.max(x, 0) + math.log(1 + math.exp(-math.abs(x)))
end)
plain.tanh = elementwise(function(x)
  local e = math.exp(-2 * math.abs(x))
  return (x < 0 and -1 or 1) * (1 - e) / (1 + e)
end)

function plain.residual(layer, image, theta)
  local inner, values = apply(layer.layers, image, theta), {}
  for i, value in ipairs(inner[4]) do
    values[i] = value + image[4][i]
  end
  return { inner[1], inner[2], inner[3], values }
end

function plain.concat(layer, image, theta)
  local channels, values, last = 0, {}, nil
  for _, branch in ipairs(layer.branches) do
    last = apply(branch, image, theta)
    channels = channels + last[1]
    for _, value in ipairs(last[4]) do
      values[#values + 1] = value
    end
  end
  return { channels, last[2], last[3], values }
end

function plain.add(layer, image, theta)
  local sum
  for _, branch in ipairs(layer.branches) do
    local values = apply(branch, image, theta)
    for i, value in ipairs(sum and sum[4] or {}) do
      values[4][i] = values[4][i] + value
    end
    sum = values
  end
  return sum
end

function apply(layers, image, theta)
  for _, layer in ipairs(layers) do
    image = plain[layer.kind](layer, image, theta)
  end
  return image
end

-- y (B, O) of x (B, …) as nested lists.
local function forward(net, x)
  local rows = {}
  local flat = x:reshape { x.shape[1], net.inputs }:totable()
  for b, row in ipairs(flat) do
    local theta = net:theta():totable()
    theta.at = 0
    local shape = net.input
    rows[b] = apply(net.layers, { shape[1], shape[2] or 1, shape[3] or 1, row }, theta)[4]
    assert.equal(net.num_parameters, theta.at)
  end
  return mgd.tensor(rows)
end

return { forward = forward }
