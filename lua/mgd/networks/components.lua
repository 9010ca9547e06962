--- Features without labels: layers whose weights are the principal components of what they read.
--
-- Sanger's rule, the generalised Hebbian algorithm (Sanger, Neural Networks 2, 459, 1989):
-- unit i sees what units 1 … i − 1 have left of the input and learns from that alone,
--
--     y_i = Σ_j w_ij·x_j;   Δw_ij = η·y_i·(x_j − Σ_{k ≤ i} y_k·w_kj),
--
-- so that w_i goes to the i-th principal component. Neither a cost nor a label is heard. Of a
-- convolution x is a patch, what its kernel covers, taken from all over the images.
-- @module mgd.networks.components

local core = require "mgd.core"
local options = require "mgd.base.options"
local parts = require "mgd.networks.parts"

local M = {}

local unpack = table.unpack or rawget(_G, "unpack") -- LuaJIT

local WHERE = "net:components"
local MEASURED = 1000 -- samples, at most, that scales and biases are taken from
local TINY = 1e-30 -- keeps divisors of what does not vary above 0

local OPTIONS = {
  { "layers", type = { "string", "integer", "list" }, required = true,
    doc = "Names or numbers of conv2d and dense layers; set in the order of the network." },
  { "steps", type = "integer", default = 2000, min = 1, doc = "Of Sanger's rule, for each layer." },
  { "batch", type = "integer", default = 100, min = 1, unit = "patches",
    doc = "Means of the rule go over so many, from one place of consecutive samples." },
  { "eta", type = "number", default = 1, above = 0, max = 1,
    doc = "Learning rate times the mean |x|² of the patches; falls to 0 along a line." },
  { "limit", type = "number", above = 0,
    doc = "Largest |w|: rows beyond it are scaled down, and their sums deviate by less than 1." },
  options.stated("seed", { doc = "Seed of the first weights and of the patches." }),
}

-- ---- Sanger's rule ------------------------------------------------------------------------------

-- Rows of the result are unit vectors: `count` components of the patches (n × size) that `next`
-- gives for each step.
local function sanger(count, size, opt, next)
  local w = core.tensor.randn({ count, size }, { seed = opt.seed }) / math.sqrt(size)
  local below = core.tensor.from({ count, count }, function(i, k) return k <= i and 1 or 0 end)
  local power = 0 -- mean |x|², and |x|² of a bright batch where that is more: keeps the rule stable
  for step = 1, opt.steps do
    local x = next(step)
    local n = #x
    local own = (x * x):sum() / n
    power = power + (own - power) / math.min(step, 100)
    local y = x:matmul(w:transpose())
    local left = y:transpose():matmul(x) - (y:transpose():matmul(y) * below):matmul(w)
    local eta = opt.eta * (1 - (step - 1) / opt.steps)
    w:add_(left * (eta / (n * math.max(power, own, TINY))))
  end
  w = w / (w * w):sum(2):sqrt():reshape { count, 1 }
  local all = w:sum()
  if all ~= all or math.abs(all) == math.huge then
    options.fail(WHERE, "what layer '%s' reads, or its square, is not finite", opt.layer)
  end
  return w
end

-- Patches (n × C·h·w) of images x (N, C, H, W), n of them at one place, another for each step.
local function patches_of(x, kernel, stride, opt)
  local count, channels, height, width = unpack(x.shape)
  local draws = core.tensor.rand({ opt.steps, 3 }, { seed = opt.seed })
  local n = math.min(opt.batch, count)
  local function pick(step, k, choices)
    return math.min(math.floor(draws[step][k] * choices), choices - 1)
  end
  return function(step)
    local first = pick(step, 1, count - n + 1)
    local row = stride[1] * pick(step, 2, math.floor((height - kernel[1]) / stride[1]) + 1)
    local column = stride[2] * pick(step, 3, math.floor((width - kernel[2]) / stride[2]) + 1)
    local view = x[{ { first + 1, first + n }, {}, { row + 1, row + kernel[1] },
      { column + 1, column + kernel[2] } }]
    return view:to("f64"):clone():reshape { n, channels * kernel[1] * kernel[2] }
  end
end

-- ---- a layer ------------------------------------------------------------------------------------

-- A layer of the network itself: what it is, the network below it (nil below the first) and the one
-- up to it, with the parameters that they have now.
local function around(net, part, make)
  local list, below = { input = net.input, dtype = net.dtype }, nil
  for i, layer in ipairs(net.layers) do
    list[i] = layer
    local upto = make(list)
    upto:set_theta(net:theta()[{ { 1, upto.num_parameters } }])
    if #upto:parts() >= part.number then
      if #part.within == 0 and (layer.kind == "conv2d" or layer.kind == "dense") then
        return layer, below, upto
      end
      options.fail(WHERE, "layer '%s' is %s%s: expected conv2d or dense, of the network itself",
        part.name, part.kind, #part.within > 0 and " in '" .. part.within[1] .. "'" or "")
    end
    below = upto
  end
end

-- What the layer reads, (N, C, H, W); a dense one the whole as one pixel.
local function read_by(net, layer, below, x)
  local shape = net.input
  if below then
    local calls = below:plan()
    shape = calls[#calls].shape
    x = below:forward(x)
  end
  local count = #x
  if layer.kind == "dense" then
    return x:reshape { count, x.size / count, 1, 1 }
  end
  return x:reshape { count, unpack(shape) }
end

-- Weights (O × I): each component, and itself with the other sign.
local function paired(components, outputs)
  return core.tensor.from({ outputs, components.shape[2] }, function(o, i)
    local w = components[math.floor((o + 1) / 2)][i]
    return o % 2 == 1 and w or -w
  end)
end

-- Scales the rows of the weights, in place, so that the sums (N, O, pixels) deviate by 1 from their
-- mean, or by less where the limit says so.
-- @treturn table biases that bring the mean to 0
local function scale(weights, sums, limit)
  local biases = {}
  for o = 1, #weights do
    local row, values = weights[o], sums[{ {}, o }]:to "f64"
    local deviation = math.sqrt(values:var())
    local factor = deviation > 0 and 1 / deviation or 1
    local largest = row:abs():max()
    if limit and factor * largest > limit then
      factor = limit / largest
    end
    row:mul_(factor)
    biases[o] = -factor * values:mean()
  end
  return biases
end

-- θ of `net` with these weights and biases of a layer
local function with(net, part, weights, biases)
  local theta = net:theta()
  local last = part.first + weights.size - 1
  theta[{ { part.first, last } }] = weights:reshape { weights.size }
  theta[{ { last + 1, part.first + part.parameters - 1 } }] = core.tensor.tensor(biases)
  return theta
end

local function set(net, part, x, opt, make)
  local layer, below, upto = around(net, part, make)
  local read = read_by(net, layer, below, x)
  local kernel, stride = layer.kernel or { 1, 1 }, layer.stride or { 1, 1 }
  local inputs = read.shape[2] * kernel[1] * kernel[2]
  opt.layer = part.name
  local weights = paired(sanger(math.ceil(part.outputs / 2), inputs, opt,
    patches_of(read, kernel, stride, opt)), part.outputs)
  local none = {}
  for o = 1, part.outputs do
    none[o] = 0
  end
  local some = x[{ { 1, math.min(MEASURED, #x) } }]
  local sums = upto:set_theta(with(upto, part, weights, none)):forward(some)
  sums = sums:reshape { #some, part.outputs, sums.size / (#some * part.outputs) }
  net:set_theta(with(net, part, weights, scale(weights, sums, opt.limit)))
end

--- Implements `net:components`.
-- @tparam network net
-- @tparam tensor x (N, …)
-- @tparam table given options
-- @tparam function make nn.sequential
function M.set(net, x, given, make)
  local opt = options.check(WHERE, OPTIONS, given)
  if not options.is_tensor(x) or x.size / #x ~= net.inputs then
    local shape = options.is_tensor(x) and "(" .. table.concat(x.shape, ", ") .. ")"
    options.fail(WHERE, "expected a tensor (N, %s), got %s", table.concat(net.input, ", "),
      shape or options.type_name(x))
  end
  local centred = false
  for _, part in ipairs(net:parts()) do
    centred = centred or part.kind == "centre"
  end
  for _, part in ipairs(parts.find(WHERE, net, opt.layers)) do
    set(net, part, x, opt, make)
    if centred then -- what the next layer reads
      net:centre(x)
    end
  end
end

return M
