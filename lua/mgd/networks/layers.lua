--- Layers: what networks are made of, as plain data, and how a nest of them becomes the flat list
-- of layers and sources that the core takes.
-- @module mgd.networks.layers

local naming = require "mgd.base.naming"
local options = require "mgd.base.options"

local M = {}

M.ACTIVATIONS = { "identity", "sigmoid", "tanh", "relu", "softplus" }

local Layer = naming.class("mgd.layer", { "name", "outputs", "kernel", "stride", "padding", "modes",
  "detect", "cell", "every", "drawn", "step", "shape", "layers", "branches" })

local function layer(fields)
  return setmetatable(fields, Layer)
end

--- Whether a value is a layer.
function M.is_layer(value)
  return getmetatable(value) == Layer
end

--- Give a layer a name, by which options and messages call it: letters, digits and underscores. The
-- names in a network are unique. That of a residual or of branches stands for all layers in it.
-- @tparam string name
-- @treturn layer a copy that is called so
-- @usage nn.conv2d{16, kernel = 3}:named "first"
function Layer:named(name)
  if type(name) ~= "string" or not name:find "^%a[%w_]*$" then
    options.fail("layer:named", "expected a name of letters, digits and underscores, such as "
      .. "\"first\", got %s", type(name) == "string" and "'" .. name .. "'"
      or options.type_name(name))
  end
  local copy = {}
  for key, value in pairs(self) do
    copy[key] = value
  end
  copy.name = name
  return layer(copy)
end

-- Refuses what a constructor does not read: PyTorch's habits, mostly.
local function no_more(where, usage, ...)
  if select("#", ...) > 0 then
    options.fail(where, "unexpected argument %s: it is %s", tostring((...)), usage)
  end
end

-- ---- constructors, which become mgd.nn's --------------------------------------------------------

local make = {}
M.constructors = make

--- A fully connected layer, y = W·x + b; an image is flattened.
-- @tparam integer outputs number of outputs O ≥ 1
-- @treturn layer
function make.dense(outputs, ...)
  no_more("nn.dense", "nn.dense(outputs)", ...)
  if type(outputs) ~= "number" or outputs < 1 or outputs % 1 ~= 0 then
    options.fail("nn.dense", "outputs must be an integer ≥ 1, got %s", tostring(outputs))
  end
  return layer { kind = "dense", outputs = math.floor(outputs) }
end

--- Activations, acting on each feature: `nn.sigmoid()` 1/(1 + e^−x), `nn.tanh()`, `nn.relu()`
-- max(x, 0), `nn.softplus()` log(1 + e^x), `nn.identity()` x.
-- @treturn layer
-- @function nn.sigmoid
for _, kind in ipairs(M.ACTIVATIONS) do
  make[kind] = function(...)
    no_more("nn." .. kind, ("nn.%s()"):format(kind), ...)
    return layer { kind = kind }
  end
end

-- A number for both sides, or {height, width}.
local function sides(where, name, value, least)
  local pair = type(value) == "table" and value or { value, value }
  for i = 1, 2 do
    local side = pair[i]
    if type(side) ~= "number" or side < least or side % 1 ~= 0 or #pair ~= 2 then
      options.fail(where, "option '%s' must be an integer ≥ %d or a pair {height, width} of them",
        name, least)
    end
  end
  return { pair[1], pair[2] }
end

local WINDOW = {
  positional = true,
  { "kernel", type = { "integer", "table" }, doc = "Sides of the window, or {height, width}." },
  { "stride", type = { "integer", "table" }, doc = "Pixels from window to window." },
  { "padding", type = { "integer", "table" }, default = 0, doc = "Pixels around the image." },
}
M.WINDOW = WINDOW

-- The options of a window; `stride` is what it is without that option, "kernel" or 1.
local function window(where, given, stride)
  local opt = options.check(where, WINDOW, given)
  if opt.kernel == nil then
    options.fail(where, "option 'kernel' is missing: it must be an integer ≥ 1 or a pair of them")
  end
  local kernel = sides(where, "kernel", opt.kernel, 1)
  if stride == "kernel" then
    stride = kernel
  end
  return {
    kernel = kernel,
    stride = sides(where, "stride", opt.stride or stride, 1),
    padding = sides(where, "padding", opt.padding, 0),
  }, opt
end

--- Convolution over an image (C, height, width), as networks mean it: y[o] = b[o] +
-- Σ w[o, c, i, j] · x[c, row + i, column + j], zeros around the image. Parameters: the weights
-- (O, C, height, width), then the biases (O). The output has
-- ⌊(side + 2·padding − kernel)/stride⌋ + 1 pixels along each side.
-- @tparam table opts the number of output channels first; `kernel` (required), `stride` (1),
--   `padding` (0): an integer for both sides, or {height, width}
-- @treturn layer
-- @usage nn.conv2d{16, kernel = 3, padding = 1}
function make.conv2d(opts)
  local fields, opt = window("nn.conv2d", opts, 1)
  local channels = opt[1]
  if type(channels) ~= "number" or channels < 1 or channels % 1 ~= 0 or #opt > 1 then
    options.fail("nn.conv2d", "expected the number of channels first, an integer ≥ 1, as in "
      .. "nn.conv2d{16, kernel = 3}; got %s", tostring(channels))
  end
  fields.kind, fields.outputs = "conv2d", channels
  return layer(fields)
end

local function pool(kind)
  return function(opts, ...)
    local where = "nn." .. kind
    no_more(where, ("%s(2) or %s{kernel = 2, stride = 1}"):format(where, where), ...)
    local fields, opt = window(where, type(opts) == "table" and opts or { kernel = opts },
      "kernel")
    if #opt > 0 then
      options.fail(where, "unexpected value at [1]: it is %s(2) or %s{kernel = 2}", where, where)
    end
    fields.kind = kind
    return layer(fields)
  end
end

--- The largest value of each window of each channel; padding counts for nothing.
-- @tparam integer|table opts side of the window, or `kernel`, `stride` (the kernel), `padding` (0)
-- @treturn layer
-- @usage nn.maxpool2d(2)
make.maxpool2d = pool "maxpool2d"

--- The mean of each window of each channel, over those of its pixels that lie in the image.
-- @tparam integer|table opts as for nn.maxpool2d
-- @treturn layer
make.avgpool2d = pool "avgpool2d"

--- Scale and shift, a pair for each channel (of an image) or feature: y = s·x + b. The scales, then
-- the shifts. Under the glorot and he schemes s = 1, b = 0.
-- @treturn layer
function make.affine(...)
  no_more("nn.affine", "nn.affine()", ...)
  return layer { kind = "affine" }
end

--- Centring: y = x − μ, a constant for each channel (of an image) or feature, as affine has a
-- shift. μ is 0 under every scheme; `net:centre` sets it to the mean of what reaches the layer, and
-- `net:fold` puts it into the biases behind. Layers that learn by perturbation do so better from
-- inputs whose mean is 0.
-- @treturn layer
-- @usage nn.sequential{input = {1, 28, 28}, nn.conv2d{16, kernel = 3}, nn.relu(), nn.centre(),
--   nn.dense(10)}
function make.centre(...)
  no_more("nn.centre", "nn.centre()", ...)
  return layer { kind = "centre" }
end

local MESH = {
  { "modes", type = "integer", required = true, min = 2, max = 64, doc = "Waveguides, N." },
  { "outputs", type = "integer", min = 1, doc = "Detected modes K, the first; N." },
  { "detect", type = "string", default = "intensity", choices = { "intensity", "field" },
    doc = "|E|² of each mode, or the real part of its field." },
}
M.MESH = MESH

--- A rectangular mesh of Mach-Zehnder interferometers: a unitary matrix of optical amplitudes, and
-- detectors (Clements et al., Optica 3, 1460, 2016). The F ≤ N features are the real amplitudes in
-- modes 1 … F; the others are dark. Column c of N couples the modes (i, i + 1) with i ≡ c (mod 2),
-- each pair by C·diag(e^iθ, 1)·C·diag(e^iφ, 1), where C = (1/√2)·[[1, i], [i, 1]] is a coupler of
-- 50:50. Detectors give |E_k|² ("intensity") or Re(e^iα_k·E_k) ("field", homodyne) of modes 1 … K.
--
-- Parameters, phases in radians: θ and φ of the N(N − 1)/2 interferometers, column by column, top
-- to bottom; with "field", then the K phases α, on which intensities do not depend. Each counts
-- where F = K = N; with fewer features or outputs, those that no light reaches, or whose light
-- reaches no detector, have no effect. Under the glorot and he schemes all phases are uniform in
-- ±π. Phases of 0 cross the modes of every pair, which reverses their order: draw phases first.
-- @tparam table opts `modes` (N, 2 to 64, required), `outputs` (K, N), `detect` ("intensity")
-- @treturn layer
-- @usage nn.mzi_mesh{modes = 8, outputs = 4}
function make.mzi_mesh(opts, ...)
  local where = "nn.mzi_mesh"
  no_more(where, "nn.mzi_mesh{modes = 8, outputs = 4}", ...)
  local opt = options.check(where, MESH, opts)
  local outputs = opt.outputs or opt.modes
  if outputs > opt.modes then
    options.fail(where, "option 'outputs' must be at most the number of modes, %d, got %d",
      opt.modes, outputs)
  end
  return layer { kind = "mzi_mesh", modes = opt.modes, outputs = outputs, detect = opt.detect }
end

local OUTPUT = { "output", type = "string", default = "last", choices = { "last", "all" },
  doc = "The last state, or the states of all steps." }

local ELMAN = {
  positional = { type = "integer", min = 1 },
  { "activation", type = "string", default = "tanh", choices = { "tanh", "relu", "sigmoid" },
    doc = "Of the state." },
  OUTPUT,
}
M.ELMAN = ELMAN

local SSM = {
  { "states", type = "integer", default = 32, min = 1, doc = "Size of the state, N." },
  OUTPUT,
  { "init", type = "string", default = "legs", choices = { "legs", "scheme" },
    doc = "HiPPO-LegS, whatever the scheme of `net:init`; or drawn by that scheme." },
  { "step", type = "number", above = 0, only = { "init", "legs" },
    doc = "Δ of the bilinear rule, in units of time of LegS; 1/T." },
}
M.SSM = SSM

--- A recurrent layer along a sequence x (T, F), or (T) of one feature (Elman 1990):
-- h_t = act(Wx·x_t + Wh·h_{t−1} + b) for t = 1 … T, from h_0 = 0. Every evaluation, perturbed or
-- not, runs the whole sequence from there. Parameters: Wx (H × F), Wh (H × H), b (H). Under the
-- glorot and he schemes both matrices are drawn with I = F + H and O = H.
-- @tparam table opts H, the number of states, first; `activation` ("tanh"; or "relu", "sigmoid"),
--   `output` ("last": h_T, shape (H); or "all": (T, H))
-- @treturn layer
-- @usage nn.elman{32, activation = "relu"}
function make.elman(opts, ...)
  local where = "nn.elman"
  no_more(where, "nn.elman{32, output = \"all\"}", ...)
  local opt = options.check(where, ELMAN, type(opts) == "number" and { opts } or opts)
  if #opt ~= 1 then
    options.fail(where, "expected the number of states and no other, as in nn.elman{32}; got %d "
      .. "numbers", #opt)
  end
  return layer { kind = "elman", outputs = opt[1], cell = opt.activation,
    every = opt.output == "all" }
end

--- A linear state-space layer along a sequence u (T, F), or (T) of one feature:
-- s_t = A·s_{t−1} + B·u_t for t = 1 … T, from s_0 = 0. Every evaluation, perturbed or not, runs the
-- whole sequence from there. What reads the state is the layer behind it. Parameters: B (N × F),
-- then A (N × N); no biases.
--
-- With `init = "legs"` every scheme of `net:init` sets A and B to HiPPO-LegS (Gu et al., NeurIPS
-- 2020; without change in time as in S4, Gu et al., ICLR 2022), made discrete by the bilinear rule
-- with `step` Δ: the state then holds the input's past, over about 1/Δ steps, as coefficients of
-- Legendre polynomials, and A makes every state vector shorter. B is HiPPO's b for one feature; for
-- F features b times normal draws of variance 1/F.
-- @tparam table opts `states` (N, 32), `output` ("last": s_T, shape (N); or "all": (T, N)),
--   `init` ("legs", or "scheme": A and B are weights like others), `step` (1/T)
-- @treturn layer
-- @usage nn.sequential{input = {28, 28}, nn.ssm{states = 32}, nn.dense(10)}
function make.ssm(opts, ...)
  no_more("nn.ssm", "nn.ssm{states = 32, output = \"all\"}", ...)
  local opt = options.check("nn.ssm", SSM, opts)
  return layer { kind = "ssm", outputs = opt.states, every = opt.output == "all",
    drawn = opt.init == "scheme", step = opt.step }
end

--- The same features in another shape, in the same order.
-- @tparam table shape of one sample
-- @treturn layer
-- @usage nn.reshape{1, 28, 28}
function make.reshape(shape)
  local valid = type(shape) == "table" and options.length("nn.reshape", nil, shape) >= 1
  for _, side in ipairs(valid and shape or {}) do
    valid = valid and type(side) == "number" and side >= 1 and side % 1 == 0
  end
  if not valid then
    options.fail("nn.reshape", "expected the shape of one sample, such as {1, 28, 28}")
  end
  return layer { kind = "reshape", shape = { (table.unpack or unpack)(shape) } }
end

--- All features in one dimension.
-- @treturn layer
function make.flatten(...)
  no_more("nn.flatten", "nn.flatten()", ...)
  return layer { kind = "flatten" }
end

-- Checked layers of a list, copied.
local function list(where, given)
  local layers = {}
  if type(given) ~= "table" then
    options.fail(where, "expected a list of layers, got %s", options.type_name(given))
  end
  for key in pairs(given) do
    if type(key) ~= "number" then
      options.fail(where, "unknown option '%s' (it takes layers alone)", tostring(key))
    end
  end
  options.length(where, nil, given)
  for i, entry in ipairs(given) do
    if not M.is_layer(entry) then
      options.fail(where, "entry %d is a %s: expected a layer such as nn.dense(4)", i,
        options.type_name(entry))
    end
    layers[i] = entry
  end
  return layers
end

--- Layers whose input is added to their output, which must have the same shape.
-- @tparam table layers
-- @treturn layer
-- @usage nn.residual{nn.conv2d{16, kernel = 3, padding = 1}, nn.relu()}
function make.residual(layers)
  local inner = list("nn.residual", layers)
  if #inner == 0 then
    options.fail("nn.residual", "no layers: expected some, such as nn.dense(4)")
  end
  return layer { kind = "residual", layers = inner }
end

-- Whether a recurrent layer or another each_step is among the layers, at any depth.
local function runs_through(layers)
  for _, inner in ipairs(layers) do
    if inner.kind == "elman" or inner.kind == "ssm" or inner.kind == "each_step" then
      return inner.kind
    end
    for _, branch in ipairs(inner.branches or { inner.layers }) do
      local found = runs_through(branch)
      if found then
        return found
      end
    end
  end
end

--- Layers that act on each step of a sequence (T, …) alone, with the same parameters at every step:
-- what reads the states of `output = "all"`. (T, F) becomes (T, K); a sequence of images
-- (T, C, height, width) may pass through convolutions.
-- @tparam table layers any but recurrent ones
-- @treturn layer
-- @usage nn.sequential{input = {28, 28}, nn.elman{32, output = "all"}, nn.each_step{nn.dense(10)}}
function make.each_step(layers)
  local where = "nn.each_step"
  local inner = list(where, layers)
  if #inner == 0 then
    options.fail(where, "no layers: expected some, such as nn.dense(4)")
  end
  local found = runs_through(inner)
  if found then
    options.fail(where, "nn.%s runs through the steps by itself: expected layers for one step",
      found)
  end
  return layer { kind = "each_step", layers = inner }
end

-- Checked branches of a join, each a list of layers.
local function branches_of(where, branches)
  local inner = {}
  for key in pairs(type(branches) == "table" and branches or {}) do
    if type(key) ~= "number" then
      options.fail(where, "unknown option '%s' (it takes branches alone)", tostring(key))
    end
  end
  if type(branches) ~= "table" or options.length(where, nil, branches) < 2 then
    options.fail(where, "expected at least two branches, each a layer or a list of layers")
  end
  for i, branch in ipairs(branches) do
    inner[i] = M.is_layer(branch) and { branch } or list(where .. ": branch " .. i, branch)
  end
  return inner
end

--- Branches over one input, their outputs one after the other along the first dimension (channels).
-- @tparam table branches each a layer or a list of layers; an empty list passes the input on
-- @treturn layer
-- @usage nn.concat{nn.conv2d{8, kernel = 1}, {nn.conv2d{8, kernel = 3, padding = 1}, nn.relu()}}
function make.concat(branches)
  return layer { kind = "concat", branches = branches_of("nn.concat", branches) }
end

--- Branches over one input, their outputs added up: a residual whose shortcut has layers too.
-- @tparam table branches each a layer or a list of layers, all with outputs of one shape; an empty
--   list passes the input on
-- @treturn layer
-- @usage nn.add{{nn.conv2d{8, kernel = 3, stride = 2, padding = 1}, nn.relu()},
--   nn.conv2d{8, kernel = 1, stride = 2}}
function make.add(branches)
  return layer { kind = "add", branches = branches_of("nn.add", branches) }
end

-- ---- showing ------------------------------------------------------------------------------------

local function joined(layers)
  local parts = {}
  for i, inner in ipairs(layers) do
    parts[i] = tostring(inner)
  end
  return #parts > 0 and table.concat(parts, " → ") or "identity"
end

local function sides_text(pair)
  return ("%d×%d"):format(pair[1], pair[2])
end

local function window_text(self)
  local parts = { sides_text(self.kernel) }
  local usual = self.kind == "conv2d" and { 1, 1 } or self.kernel
  if self.stride[1] ~= usual[1] or self.stride[2] ~= usual[2] then
    parts[#parts + 1] = "stride " .. sides_text(self.stride)
  end
  if self.padding[1] ~= 0 or self.padding[2] ~= 0 then
    parts[#parts + 1] = "padding " .. sides_text(self.padding)
  end
  return table.concat(parts, ", ")
end

local function mesh_text(self)
  local parts = { tostring(self.modes) }
  if self.outputs ~= self.modes then
    parts[#parts + 1] = "outputs " .. self.outputs
  end
  if self.detect ~= "intensity" then
    parts[#parts + 1] = self.detect
  end
  return table.concat(parts, ", ")
end

local function recurrent_text(self)
  local parts = { tostring(self.outputs) }
  if self.cell and self.cell ~= "tanh" then
    parts[#parts + 1] = self.cell
  end
  if self.every then
    parts[#parts + 1] = "all"
  end
  if self.drawn then
    parts[#parts + 1] = "drawn"
  end
  if self.step then
    parts[#parts + 1] = ("step %.4g"):format(self.step)
  end
  return table.concat(parts, ", ")
end

--- `conv2d(16, 3×3)`, `residual(dense(4) → relu)`, `first: conv2d(16, 3×3)`.
function Layer:__tostring()
  local inside
  if self.kind == "dense" then
    inside = tostring(self.outputs)
  elseif self.kind == "reshape" then
    inside = table.concat(self.shape, "×")
  elseif self.kind == "mzi_mesh" then
    inside = mesh_text(self)
  elseif self.kind == "elman" or self.kind == "ssm" then
    inside = recurrent_text(self)
  elseif self.layers then
    inside = joined(self.layers)
  elseif self.branches then
    local branches = {}
    for i, branch in ipairs(self.branches) do
      branches[i] = joined(branch)
    end
    inside = table.concat(branches, " | ")
  elseif self.kernel then
    inside = (self.outputs and self.outputs .. ", " or "") .. window_text(self)
  end
  local text = inside and ("%s(%s)"):format(self.kind, inside) or self.kind
  return self.name and self.name .. ": " .. text or text
end

-- ---- saved and made again -----------------------------------------------------------------------

--- A layer as a plain table, for checkpoints.
function M.describe(self)
  local plain = {}
  for key, value in pairs(self) do
    if key == "layers" then
      value = M.describe_list(value)
    elseif key == "branches" then
      local branches = {}
      for i, branch in ipairs(value) do
        branches[i] = M.describe_list(branch)
      end
      value = branches
    end
    plain[key] = value
  end
  return plain
end

function M.describe_list(layers)
  local plain = {}
  for i, inner in ipairs(layers) do
    plain[i] = M.describe(inner)
  end
  return plain
end

-- By its constructor, which checks it.
local function make_again(constructor, plain)
  if plain.kind == "dense" then
    return constructor(plain.outputs)
  elseif plain.kind == "reshape" then
    return constructor(plain.shape)
  elseif plain.kind == "mzi_mesh" then
    return constructor { modes = plain.modes, outputs = plain.outputs, detect = plain.detect }
  elseif plain.kind == "elman" then
    return constructor { plain.outputs, activation = plain.cell,
      output = plain.every and "all" or "last" }
  elseif plain.kind == "ssm" then
    return constructor { states = plain.outputs, output = plain.every and "all" or "last",
      init = plain.drawn and "scheme" or "legs", step = plain.step }
  elseif plain.layers then
    return constructor(M.restore_list(plain.layers))
  elseif plain.branches then
    local branches = {}
    for i, branch in ipairs(type(plain.branches) == "table" and plain.branches or {}) do
      branches[i] = M.restore_list(branch)
    end
    return constructor(branches)
  elseif plain.kernel then
    return constructor { plain.outputs, kernel = plain.kernel, stride = plain.stride,
      padding = plain.padding }
  end
  return constructor()
end

--- The layer again.
-- @treturn layer|nil nil where `plain` is no layer known here
function M.restore(plain)
  local constructor = type(plain) == "table" and make[plain.kind]
  if not constructor then
    return nil
  end
  local again = make_again(constructor, plain)
  return plain.name ~= nil and again:named(plain.name) or again
end

-- What is no layer stays a `false` that the constructor above it refuses.
function M.restore_list(plain)
  local layers = {}
  for i, inner in ipairs(type(plain) == "table" and plain or {}) do
    layers[i] = M.restore(inner) or false
  end
  return layers
end

-- ---- for the core -------------------------------------------------------------------------------

local append_list

-- Where layers stand: what they are appended to, how messages call what they are in, the names of
-- that, and whether they act on steps.
local function inside(at, prefix, name, stepwise)
  local within = { (table.unpack or unpack)(at.within) }
  within[#within + 1] = name
  return { flat = at.flat, labels = at.labels, prefix = prefix, within = within,
    stepwise = at.stepwise or stepwise }
end

-- Notes the name of a layer that has one.
local function take_name(at, name, label)
  local other = name and at.labels[name]
  if other then
    options.fail("network", "%s and %s are both called '%s': names in a network are unique", other,
      label, name)
  elseif name then
    at.labels[name] = label
  end
end

-- Appends what computes `self` from value `source` to the flat list; the value that it gives. Value
-- 0 is the input of the network, value i what entry i of the list gives.
local function append(at, self, source, number)
  local label = ("%slayer %d (%s)"):format(at.prefix, number, self.kind)
  take_name(at, self.name, label)
  local function push(fields)
    fields.name, fields.called, fields.within = label, self.name, at.within
    fields.each_step = at.stepwise
    at.flat[#at.flat + 1] = fields
    return #at.flat
  end
  if self.kind == "each_step" then
    return append_list(inside(at, label .. ", ", self.name, true), self.layers, source)
  elseif self.kind == "residual" then
    local inner = append_list(inside(at, label .. ", ", self.name), self.layers, source)
    return push { kind = "add", sources = { inner, source } }
  elseif self.branches then
    local sources = {}
    for i, branch in ipairs(self.branches) do
      local prefix = ("%s, branch %d, "):format(label, i)
      sources[i] = append_list(inside(at, prefix, self.name), branch, source)
    end
    return push { kind = self.kind, sources = sources }
  end
  return push {
    kind = self.kind == "flatten" and "reshape" or self.kind,
    outputs = self.outputs, kernel = self.kernel, stride = self.stride, padding = self.padding,
    shape = self.shape, modes = self.modes, detect = self.detect, cell = self.cell,
    every = self.every, drawn = self.drawn, step = self.step, sources = { source },
  }
end

function append_list(at, layers, source)
  for i, inner in ipairs(layers) do
    source = append(at, inner, source, i)
  end
  return source
end

--- The flat list of layers, with their sources, that the core makes a network of.
-- @tparam table layers
-- @treturn table list; `called` is the name of a layer, `within` those of what it is in
-- @treturn table name → how messages call the layer that has it
-- @raise where two have the same name
function M.compile(layers)
  local at = { flat = {}, labels = {}, prefix = "", within = {} }
  append_list(at, layers, 0)
  return at.flat, at.labels
end

return M
