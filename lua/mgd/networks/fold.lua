--- Centre layers taken out of a network: what they subtract goes into the biases of the layer
-- behind them, W·(x − μ) + b = W·x + (b − W·μ).
-- @module mgd.networks.fold

local core = require "mgd.core"
local layers = require "mgd.networks.layers"
local options = require "mgd.base.options"

local M = {}

local WHERE = "net:fold"

-- What leaves a constant of each channel as it is: values are picked, averaged, or only seen
-- otherwise.
local PASSES = { maxpool2d = true, avgpool2d = true, flatten = true, identity = true }

-- A view of the parameters from number `first` of a part on.
local function view(theta, part, first, count)
  local at = part.first + first - 1
  return theta[{ { at, at + count - 1 } }]
end

-- μ (C) for each of `count` values that lie channel by channel.
local function spread(mu, count)
  local each = count / mu.size
  return core.tensor.from({ count }, function(i)
    return mu[math.floor((i - 1) / each) + 1]
  end)
end

-- How layers take μ in: function(layer, part, theta, mu) changes their biases in θ.
local takes = {}

function takes.dense(layer, part, theta, mu)
  local outputs = layer.outputs
  local weights = view(theta, part, 1, part.parameters - outputs)
  local inputs = weights.size / outputs
  local sums = weights:reshape { outputs, inputs }:matmul(spread(mu, inputs):reshape { inputs, 1 })
  view(theta, part, weights.size + 1, outputs):sub_(sums:reshape { outputs })
end

function takes.conv2d(layer, part, theta, mu)
  if layer.padding[1] > 0 or layer.padding[2] > 0 then
    options.fail(WHERE, "'%s' has padding, which nobody centres: expected a convolution without "
      .. "padding behind a centre layer", part.name)
  end
  takes.dense(layer, part, theta, mu)
end

function takes.affine(_, part, theta, mu)
  local channels = part.parameters / 2
  local scales = view(theta, part, 1, channels)
  view(theta, part, channels + 1, channels):sub_(scales * spread(mu, channels))
end

local function fail_behind(layer, name)
  options.fail(WHERE, "%s stands behind '%s': expected conv2d, dense or affine, with pools at most "
    .. "between", tostring(layer), name)
end

-- The part that a layer is, where it has parameters: layers come in the order of θ.
local function part_of(at, layer)
  local part = at.parts[at.last + 1]
  if part and part.kind == layer.kind then
    at.last = part.number
    return part
  end
end

-- What is subtracted by now from what reaches the layer behind `layer`, and by whom.
local function pass(at, layer, part, mu, name)
  if layer.kind == "centre" then
    local own = view(at.theta, part, 1, part.parameters)
    return mu and spread(mu, own.size) + own or own:clone(), part.name
  elseif not mu or PASSES[layer.kind] then
    return mu, name
  elseif layer.kind == "reshape" and layer.shape[1] % mu.size == 0 then
    return spread(mu, layer.shape[1]), name
  elseif not takes[layer.kind] then
    fail_behind(layer, name)
  end
  takes[layer.kind](layer, part, at.theta, mu)
end

local fold_list

local function fold_nest(at, layer)
  local inner = {}
  for i, branch in ipairs(layer.branches or { layer.layers }) do
    inner[i] = fold_list(at, branch)
  end
  local again = layers.constructors[layer.kind](layer.branches and inner or inner[1])
  return layer.name and again:named(layer.name) or again
end

function fold_list(at, list)
  local out, mu, name = {}, nil, nil
  for _, layer in ipairs(list) do
    local nest = layer.layers or layer.branches
    if nest and mu then
      fail_behind(layer, name)
    elseif nest then
      out[#out + 1] = fold_nest(at, layer)
    else
      local part = part_of(at, layer)
      mu, name = pass(at, layer, part, mu, name)
      if layer.kind ~= "centre" then
        out[#out + 1] = layer
        at.kept[#at.kept + 1] = part
      end
    end
  end
  if mu then
    options.fail(WHERE, "nothing behind '%s' could take in what it subtracts", name)
  end
  return out
end

--- The layers of a network without those that centre, and their parameters.
-- @tparam network net
-- @treturn table list of layers
-- @treturn tensor θ (P), f64
-- @raise where a layer cannot take in what is subtracted before it
function M.layers(net)
  local at = { parts = net:parts(), last = 0, theta = net:theta():to "f64", kept = {} }
  local list, size = fold_list(at, net.layers), 0
  for _, part in ipairs(at.kept) do
    size = size + part.parameters
  end
  local theta, first = core.tensor.zeros { size }, 1
  for _, part in ipairs(at.kept) do
    theta[{ { first, first + part.parameters - 1 } }] = view(at.theta, part, 1, part.parameters)
    first = first + part.parameters
  end
  return list, theta
end

return M
