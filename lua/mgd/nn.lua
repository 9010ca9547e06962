--- Networks: layers, parameters, forward passes and the reference gradient.
--
-- A network is a chain of layers with one flat parameter vector θ of shape (P): per dense layer the
-- weights (O × I, row-major), then the biases (O). y = act(W·x + b).
-- @module mgd.nn

local core = require "mgd.core"
local options = require "mgd.options"

local nn = {}

local ACTIVATIONS = { "identity", "sigmoid", "tanh", "relu", "softplus" }
local COSTS = { "mse", "cross_entropy", "l2" }

-- ---- layers -------------------------------------------------------------------------------------

local Layer = {}
Layer.__index = Layer
Layer.__name = "mgd.layer"

function Layer:__tostring()
  return self.outputs and ("dense(%d)"):format(self.outputs) or self.kind
end

local function is_layer(value)
  return getmetatable(value) == Layer
end

--- A fully connected layer, y = W·x + b.
-- @tparam integer outputs number of outputs O ≥ 1
-- @treturn layer
function nn.dense(outputs)
  if type(outputs) ~= "number" or outputs < 1 or outputs % 1 ~= 0 then
    options.fail("nn.dense", "outputs must be an integer ≥ 1, got %s", tostring(outputs))
  end
  return setmetatable({ kind = "dense", outputs = outputs }, Layer)
end

--- Activations, acting on each feature: `nn.sigmoid()` 1/(1 + e^−x), `nn.tanh()`, `nn.relu()`
-- max(x, 0), `nn.softplus()` log(1 + e^x), `nn.identity()` x.
-- @treturn layer
-- @function nn.sigmoid
for _, kind in ipairs(ACTIVATIONS) do
  nn[kind] = function()
    return setmetatable({ kind = kind }, Layer)
  end
end

-- ---- initial values -----------------------------------------------------------------------------

--- Schemas of the option tables, shared with mgd.train.
nn.INIT_SCHEMA = {
  { "scheme", type = "string", default = "uniform",
    choices = { "zeros", "uniform", "normal", "glorot_uniform", "glorot_normal", "he_uniform",
                "he_normal" },
    doc = "Distribution; glorot (2010) and he (2015) scale by fan-in and leave biases at 0." },
  { "low", type = "number", default = -1, only = { "scheme", "uniform" }, doc = "Lower end." },
  { "high", type = "number", default = 1, only = { "scheme", "uniform" }, doc = "Upper end." },
  { "mean", type = "number", default = 0, only = { "scheme", "normal" }, doc = "Mean." },
  { "std", type = "number", default = 1, min = 0, only = { "scheme", "normal" },
    doc = "Standard deviation." },
}

local INIT_OPTIONS = {
  { "seed", type = "integer", default = 1, min = -2 ^ 53, max = 2 ^ 53,
    doc = "Seed of the stream of initial values." },
  { "replica", type = "integer", default = 1, min = 1, doc = "Which replica's draws." },
}
for i, entry in ipairs(nn.INIT_SCHEMA) do
  table.insert(INIT_OPTIONS, i, entry)
end

-- ---- networks -----------------------------------------------------------------------------------

local Network = {}
Network.__index = Network
Network.__name = "mgd.network"

--- Draw new parameters.
-- @tparam table opts `scheme` ("uniform"), `low` (−1), `high` (1), `mean` (0), `std` (1),
--   `seed` (1), `replica` (1). With the same seed and replica, `mgd.train{init = …}` draws the
--   same values.
-- @treturn network itself
-- @usage net:init{scheme = "uniform", low = -0.5, high = 0.5, seed = 1}
function Network:init(opts)
  self.core:init(options.check("net:init", INIT_OPTIONS, opts or {}))
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
-- @treturn tensor y, (B, O)
function Network:forward(x)
  return self.core:forward(x)
end

local COST_OPTIONS = {
  { "cost", type = "string", default = "mse", choices = COSTS, doc = "What is differentiated." },
  { "label_smoothing", type = "number", default = 0, min = 0, only = { "cost", "cross_entropy" },
    doc = "The share s of a target that is spread over all classes, in [0, 1)." },
}

--- The reference gradient ∂C/∂θ by back-propagation.
-- @tparam tensor x (B, …)
-- @tparam tensor y targets (B, O)
-- @tparam[opt="mse"] string cost "mse", "cross_entropy" or "l2"; a batch's is the mean over samples
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

--- `sequential 2 → dense(2) → sigmoid → …, P = 9, f32`
function Network:__tostring()
  local parts = { table.concat(self.input, "×") }
  for _, layer in ipairs(self.layers) do
    parts[#parts + 1] = tostring(layer)
  end
  return ("network %s, P = %d, %s"):format(table.concat(parts, " → "), self.num_parameters,
    self.dtype)
end

--- Whether a value is a network.
function nn.is_network(value)
  return type(value) == "table" and getmetatable(value) == Network
end

local function new_network(input, layers, dtype)
  local net = setmetatable({ input = input, layers = layers, dtype = dtype }, Network)
  net.core = core.net.new(dtype, input, layers)
  net.num_parameters, net.inputs, net.outputs = net.core:sizes()
  return net
end

local SEQUENTIAL_OPTIONS = {
  positional = true,
  { "input", type = { "integer", "table" }, required = true,
    doc = "Shape of one sample, {1, 28, 28}, or the number of its features." },
  { "dtype", type = "string", default = "f32", choices = { "f32", "f64" },
    doc = "What the network computes in." },
}

--- A chain of layers.
-- @tparam table opts layers in the array part; `input` (shape of one sample, required), `dtype`
--   ("f32")
-- @treturn network with fields `num_parameters`, `inputs`, `outputs`, `dtype`, `layers`
-- @usage local net = nn.sequential{input = {1, 7, 7}, nn.dense(4), nn.tanh(), nn.dense(4)}
function nn.sequential(opts)
  local opt = options.check("nn.sequential", SEQUENTIAL_OPTIONS, opts)
  local input = type(opt.input) == "table" and opt.input or { opt.input }
  for i, size in ipairs(input) do
    if type(size) ~= "number" or size < 1 or size % 1 ~= 0 then
      options.fail("nn.sequential", "input dimension %d must be an integer ≥ 1, got %s", i,
        tostring(size))
    end
  end
  local layers = {}
  for i, layer in ipairs(opt) do
    if not is_layer(layer) then
      options.fail("nn.sequential", "entry %d is a %s: expected a layer such as nn.dense(4)", i,
        options.type_name(layer))
    end
    layers[i] = layer
  end
  if #layers == 0 then
    options.fail("nn.sequential", "no layers: expected some, such as nn.dense(4)")
  end
  return new_network(input, layers, opt.dtype)
end

local MLP_OPTIONS = {
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
  local opt = options.check("nn.mlp", MLP_OPTIONS, opts)
  if #opt < 2 then
    options.fail("nn.mlp", "expected at least two sizes, inputs and outputs, got %d", #opt)
  end
  local layers = {}
  for i = 2, #opt do
    layers[#layers + 1] = nn.dense(opt[i])
    local kind = i < #opt and opt.activation or opt.output
    if kind ~= "identity" then
      layers[#layers + 1] = nn[kind]()
    end
  end
  return new_network({ opt[1] }, layers, opt.dtype)
end

return nn
