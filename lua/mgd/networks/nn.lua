--- Networks: parameters, forward passes and the reference gradient.
--
-- A network is a graph of layers with one flat parameter vector θ of shape (P), layer by layer: of
-- dense the weights (O × I, row-major), of conv2d (O × C × height × width), then the biases (O); of
-- mzi_mesh phases, in the order of propagation; of elman and ssm the weights of the input (H × F),
-- those of the state (H × H), and of elman the biases.
-- The layers themselves are in mgd.layers.
-- @module mgd.networks.nn

local components = require "mgd.networks.components"
local core = require "mgd.core"
local fold = require "mgd.networks.fold"
local grid = require "mgd.text.grid"
local layers = require "mgd.networks.layers"
local naming = require "mgd.base.naming"
local numbers = require "mgd.text.numbers"
local options = require "mgd.base.options"
local parts = require "mgd.networks.parts"
local record = require "mgd.text.record"

local nn = {}

local ACTIVATIONS = layers.ACTIVATIONS

for name, constructor in pairs(layers.constructors) do
  nn[name] = constructor
end

-- ---- initial values -----------------------------------------------------------------------------

--- Schemas of the option tables, shared with mgd.train.
nn.INIT_SCHEMA = {
  { "scheme", type = "string", default = "uniform",
    choices = core.net.schemes,
    doc = "Distribution; glorot (2010) and he (2015) scale by fan-in and leave biases at 0." },
  { "low", type = "number", default = -1, only = { "scheme", "uniform" }, doc = "Lower end." },
  { "high", type = "number", default = 1, only = { "scheme", "uniform" }, doc = "Upper end." },
  { "mean", type = "number", default = 0, only = { "scheme", "normal" }, doc = "Mean." },
  { "std", type = "number", default = 1, min = 0, only = { "scheme", "normal" },
    doc = "Standard deviation." },
}

local INIT_OPTIONS = {
  options.stated("seed", { doc = "Seed of the stream of initial values." }),
  options.stated("replica", { doc = "Which replica's draws." }),
}
for i, entry in ipairs(nn.INIT_SCHEMA) do
  table.insert(INIT_OPTIONS, i, entry)
end

-- ---- networks -----------------------------------------------------------------------------------

local Network = naming.class "mgd.network"

--- Draw new parameters.
-- @tparam table opts `scheme` ("uniform"), `low` (−1), `high` (1), `mean` (0), `std` (1),
--   `seed` (1), `replica` (1). With the same seed and replica, `mgd.train{init = …}` draws the
--   same values. An nn.ssm is HiPPO-LegS under every scheme, unless it asks to be drawn.
-- @treturn network itself
-- @usage net:init{scheme = "uniform", low = -0.5, high = 0.5, seed = 1}
function Network:init(opts)
  self.core:init(options.check("net:init", INIT_OPTIONS, opts or {}))
  return self
end

--- Set weights of layers to the principal components of what they read, which Sanger's rule learns
-- by looking at inputs alone: no cost, no label, and local to the neurons of a layer (of a
-- convolution to its kernel, which sees patches). Means are not taken off: centre inputs first.
-- Layers that then stand still let those above them learn nearly as much as if they had learnt, too
-- (docs/larger.md).
--
-- Of O outputs each component, from the largest on, makes two, of w and of −w, so that a relu
-- behind loses nothing; the last of an odd O is one of w alone. Each row is scaled so that its sums
-- deviate by 1 over samples and pixels, and the bias brings their mean to 0. Layers are set in the
-- order of the network; its centre layers, if it has some, follow each.
-- @tparam tensor x inputs (N, …), such as a data set's x or the first few thousand of them: what
--   the layers read of all of them is held in memory
-- @tparam table opts `layers` (conv2d and dense layers of the network's own, by name or number,
--   required), `steps` (2000) of the rule for each layer, `batch` (100) patches a step, `eta` (1,
--   at most 1) times the mean square of a patch, falling to 0, `limit` (none; the largest |w|, for
--   chips whose weights have a range: rows beyond it are scaled down, and their sums deviate less),
--   `seed` (1)
-- @treturn network itself
-- @raise on a layer that is none, or neither conv2d nor dense, or within another
-- @usage net:components(set.x[{{1, 5000}}], {layers = {"conv1", "conv2"}})
function Network:components(x, opts)
  components.set(self, x, opts, nn.sequential)
  return self
end

--- A copy of the parameters.
-- @treturn tensor θ, shape (P)
function Network:theta()
  return self.core:theta()
end

--- Set the parameters.
-- @tparam tensor theta shape (P)
-- @treturn network itself
-- @raise when the shape is not (P)
function Network:set_theta(theta)
  self.core:set_theta(theta)
  return self
end

--- Outputs of a batch.
-- @tparam tensor x (B, …), as many values per sample as the network has inputs
-- @treturn tensor y, (B, O); or (B, T, K) where the output is a sequence, an answer for every step
function Network:forward(x)
  return self.core:forward(x)
end

local COST_OPTIONS = {
  { "cost", type = "string", default = "mse", choices = core.net.costs,
    doc = "What is differentiated." },
  options.stated("label_smoothing", { only = { "cost", "cross_entropy" } }),
}

--- The reference gradient ∂C/∂θ by back-propagation.
-- @tparam tensor x (B, …)
-- @tparam tensor y targets (B, O), or (B, T, K) for an answer at every step
-- @tparam[opt="mse"] string cost "mse", "cross_entropy" or "l2"; a batch's is the mean over
--   samples, and over steps; through recurrent layers by back-propagation through time
-- @tparam[opt] table opts `label_smoothing` (0)
-- @treturn tensor gradient, (P)
-- @treturn number the cost
function Network:gradient(x, y, cost, opts)
  local given = { cost = cost }
  for key, value in pairs(opts or {}) do
    given[key] = value
  end
  local opt = options.check("net:gradient", COST_OPTIONS, given)
  return self.core:gradient(x, y, opt)
end

-- `network 2 → dense(2) → sigmoid → …, P = 9, f32`
local function title(self)
  local texts = { table.concat(self.input, "×") }
  for _, layer in ipairs(self.layers) do
    texts[#texts + 1] = tostring(layer)
  end
  return ("network %s, P = %d, %s"):format(table.concat(texts, " → "), self.num_parameters,
    self.dtype)
end

-- What counts of inputs and of nodes, where later layers drop some.
local function dropped(self)
  local lines = {}
  local function add(name, counting, all, what)
    if counting < all then
      local text = #lines == 0 and " count, the others are dropped by later layers" or ""
      lines[#lines + 1] = ("  %s: %s of %s %s%s"):format(name, numbers.count(counting),
        numbers.count(all), what, text)
    end
  end
  add("input", self.inputs_read, self.inputs, "values")
  for _, part in ipairs(self.part_list) do
    add(part.name, part.nodes, part.nodes + part.dead, "nodes")
  end
  return lines
end

--- Its layers, and what of inputs and nodes later layers drop: the rows and columns of images that
-- their windows leave over at the bottom and at the right.
function Network:__tostring()
  return table.concat({ title(self), (table.unpack or unpack)(dropped(self)) }, "\n")
end

--- The layers that have parameters, in the order of θ, which options call by name or by number. A
-- layer is called as `layer:named` says, else by its kind and its number among that, `conv1`,
-- `conv2`, `dense1`.
-- @treturn parts a list of {name =, number =, kind =, within = (names of what the layer is in),
--   outputs = (or channels, or states; nil of affine), first = (where its parameters begin in θ),
--   parameters = (how many), nodes = (of its pre-activations, those that node perturbation can
--   move), dead = (those that no output depends on)}; printed, a table
-- @usage print(net:parts())
function Network:parts()
  return self.part_list
end

-- ---- plans --------------------------------------------------------------------------------------

local call_of = record.kind "mgd.call"

local Plan = naming.class "mgd.plan"

--- What the network is compiled to: kernel calls in order, over one arena in which values take the
-- place of those that no one reads any more. Printed, a table with figures for one sample.
-- @treturn plan a list of {kernel =, shape =, first = (where its parameters begin in θ),
--   parameters = (how many), flop = (a multiply-add is two), bytes = (activations read and
--   written), offset = (of its output in the arena, bytes)}, with `flop`, `bytes`, `parameters` and
--   `arena` (bytes) of the whole
-- @usage print(net:plan())
-- @usage local p = net:plan()[2]; print(net:theta()[{{p.first, p.first + p.parameters - 1}}])
function Network:plan()
  local plan = self.core:plan()
  plan.net = self
  plan.flop, plan.bytes, plan.parameters = 0, 0, self.num_parameters
  for _, call in ipairs(plan) do
    call_of(call)
    plan.flop, plan.bytes = plan.flop + call.flop, plan.bytes + call.bytes
  end
  return setmetatable(plan, Plan)
end

local TIME_OPTIONS = {
  { "tiles", type = "integer", default = 1, min = 1, max = 1024,
    doc = "Tiles of 16 (f32) or 8 (f64) lanes side by side." },
  { "private", type = "boolean", default = false,
    doc = "Parameters of each lane's own, as in an ensemble, instead of shared ones." },
  { "rounds", type = "integer", default = 101, min = 1,
    doc = "Passes, of which the median counts." },
}

--- Time each kernel call.
-- @tparam[opt] table opts `tiles` (1), `private` (false), `rounds` (101)
-- @treturn table seconds of each call
-- @treturn integer the number of samples that passed through at once
function Plan:time(opts)
  local seconds, samples = self.net.core:plan_time(options.check("plan:time", TIME_OPTIONS, opts))
  return record.list(seconds), samples
end

local function scaled(value, units)
  local i = 1
  while value >= 1000 and i < #units do
    value, i = value / 1000, i + 1
  end
  return ((value % 1 == 0 and value < 1000 and "%d %s" or "%.4g %s"):format(value, units[i]))
end

local FLOP, BYTES = { "FLOP", "kFLOP", "MFLOP", "GFLOP" }, { "B", "kB", "MB", "GB" }

function Plan:__tostring()
  local rows = {
    { "kernel, figures for one sample", "output", "parameters", "work", "activations", "at" },
  }
  for _, call in ipairs(self) do
    rows[#rows + 1] = { call.kernel, table.concat(call.shape, "×"), ("%d"):format(call.parameters),
      scaled(call.flop, FLOP), scaled(call.bytes, BYTES), scaled(call.offset, BYTES) }
  end
  rows[#rows + 1] = { "in all", "", ("%d"):format(self.parameters), scaled(self.flop, FLOP),
    scaled(self.bytes, BYTES), scaled(self.arena, BYTES) }
  local lines = grid.lines(rows, { right = { false, true, true, true, true, true } })
  return ("plan of %s\n%s"):format(title(self.net), table.concat(lines, "\n"))
end

--- Whether a value is a network.
function nn.is_network(value)
  return type(value) == "table" and getmetatable(value) == Network
end

local new_network

--- Set what every `nn.centre` subtracts to the mean of what reaches it, over samples, pixels and
-- steps; layer after layer, so that later ones see what earlier ones give.
-- @tparam tensor x inputs (B, …), such as a data set's x
-- @treturn network itself
-- @raise where no layer centres, and on values that are not finite
-- @usage net:init{scheme = "he_normal"}:centre(set.x)
function Network:centre(x)
  self.core:centre(x)
  return self
end

--- The network without its `nn.centre` layers: what they subtract is in the biases of the layer
-- behind each, b − W·μ, so that a chip needs nothing for it. Outputs are the same up to rounding.
-- That layer is dense, affine, or a conv2d without padding; pools and a flatten may stand between.
-- @treturn network a new one
-- @raise where another layer stands behind one that centres, or none
-- @usage local chip = mgd.chip{net = net:fold(), weights = mgd.hw.levels{bits = 6}}
function Network:fold()
  local list, theta = fold.layers(self)
  return new_network(self.input, list, self.dtype):set_theta(theta)
end

function new_network(input, list, dtype)
  local net = setmetatable({ input = input, layers = record.list(list), dtype = dtype }, Network)
  local flat, labels = layers.compile(list)
  net.core = core.net.new(dtype, input, flat)
  net.num_parameters, net.inputs, net.outputs, net.inputs_read = net.core:sizes()
  net.part_list = parts.make(flat, labels, net.core:parts())
  return net
end

nn.SEQUENTIAL_SCHEMA = {
  positional = true,
  { "input", type = { "integer", "list" }, required = true,
    doc = "Shape of one sample, {1, 28, 28}, or the number of its features." },
  { "dtype", type = "string", default = "f32", choices = { "f32", "f64" },
    doc = "What the network computes in." },
}

--- Layers one after the other; nn.residual and nn.concat among them make it a graph.
-- @tparam table opts layers in the array part; `input` (shape of one sample, required), `dtype`
--   ("f32")
-- @treturn network with fields `num_parameters`, `inputs`, `inputs_read` (those that later layers
--   do not drop), `outputs`, `dtype`, `layers`
-- @usage local net = nn.sequential{input = {1, 7, 7}, nn.dense(4), nn.tanh(), nn.dense(4)}
function nn.sequential(opts)
  local opt = options.check("nn.sequential", nn.SEQUENTIAL_SCHEMA, opts)
  local input = type(opt.input) == "table" and opt.input or { opt.input }
  for i, size in ipairs(input) do
    if type(size) ~= "number" or size < 1 or size % 1 ~= 0 then
      options.fail("nn.sequential", "input dimension %d must be an integer ≥ 1, got %s", i,
        tostring(size))
    end
  end
  local list = {}
  for i, layer in ipairs(opt) do
    if not layers.is_layer(layer) then
      options.fail("nn.sequential", "entry %d is a %s: expected a layer such as nn.dense(4)", i,
        options.type_name(layer))
    end
    list[i] = layer
  end
  if #list == 0 then
    options.fail("nn.sequential", "no layers: expected some, such as nn.dense(4)")
  end
  return new_network(input, list, opt.dtype)
end

nn.MLP_SCHEMA = {
  positional = { type = "integer", min = 1 },
  { "activation", type = "string", default = "sigmoid", choices = ACTIVATIONS,
    doc = "After every layer but the last." },
  { "output", type = "string", default = "identity", choices = ACTIVATIONS,
    doc = "After the last layer." },
  { "dtype", type = "string", default = "f32", choices = { "f32", "f64" },
    doc = "What the network computes in." },
}

--- A multilayer perceptron.
-- @tparam table opts layer sizes, inputs first, in the array part; `activation` ("sigmoid") between
--   layers, `output` ("identity") after the last, `dtype` ("f32")
-- @treturn network all parameters zero until `net:init{…}` or `net:set_theta(…)`
-- @usage local net = nn.mlp{2, 2, 1, activation = "sigmoid", output = "sigmoid"}
function nn.mlp(opts)
  local opt = options.check("nn.mlp", nn.MLP_SCHEMA, opts)
  if #opt < 2 then
    options.fail("nn.mlp", "expected at least two sizes, inputs and outputs, got %d", #opt)
  end
  local list = {}
  for i = 2, #opt do
    list[#list + 1] = nn.dense(opt[i])
    local kind = i < #opt and opt.activation or opt.output
    if kind ~= "identity" then
      list[#list + 1] = nn[kind]()
    end
  end
  return new_network({ opt[1] }, list, opt.dtype)
end

return naming.module("mgd.nn", nn)
