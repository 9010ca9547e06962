--- What an experiment consists of, in one form whatever the user wrote, and the objects made of it.
--
-- The one form is called a *spec*: a table of plain data but for what only Lua can hold (functions,
-- tensors, data sets without a recipe, chips in Lua).
--
--     network   {sizes = {2, 2, 1}, activation =, output =, dtype =} or {input =, layers =, dtype =}
--     chip      {seed =, clock =, STAGE = list of {name =, params =}}, or a chip in Lua
--     data      {name =, options =}, or a data set
--     training  options of mgd.train
-- @module mgd.experiment.parts

local chips = require "mgd.chip"
local data = require "mgd.data"
local hw = require "mgd.hw"
local layers = require "mgd.layers"
local nn = require "mgd.nn"
local options = require "mgd.options"

local M = {}

local WHERE = "mgd.experiment"

-- Options of mgd.train that an experiment says elsewhere.
M.ELSEWHERE = { net = "network", chip = "chip", data = "data", replicas = "seeds",
  replica = "seeds", threads = "run" }

local function is_plain(value)
  return type(value) == "table" and getmetatable(value) == nil
end

--- A copy of a spec or a part of it: tables with a metatable, functions and tensors are shared.
function M.copy(value)
  if not is_plain(value) then
    return value
  end
  local out = {}
  for key, element in pairs(value) do
    out[key] = M.copy(element)
  end
  return out
end

-- ---- networks -----------------------------------------------------------------------------------

-- Layers as plain tables, from layers or such tables.
local function plain_layers(list)
  local plain = {}
  for i, layer in ipairs(list) do
    plain[i] = layers.is_layer(layer) and layers.describe(layer) or layer
    if type(plain[i]) ~= "table" or not layers.restore(plain[i]) then
      options.fail(WHERE .. ": network", "entry %d is no layer such as nn.dense(4)", i)
    end
  end
  return plain
end

--- The network in its one form.
-- @param given options of nn.mlp or nn.sequential, a network, or the one form
function M.network(given)
  if nn.is_network(given) then
    if not given:theta():allclose(given:theta() * 0) then
      options.fail(WHERE, "the network has parameters already, but an experiment draws them: "
        .. "give training = {init = {…}}, and a network that is not yet initialised")
    end
    return { input = given.input, dtype = given.dtype, layers = layers.describe_list(given.layers) }
  elseif type(given) ~= "table" then
    options.fail(WHERE, "option 'network' must be a network, options of nn.mlp such as {2, 2, 1, "
      .. "activation = \"sigmoid\"}, or of nn.sequential, got %s", options.type_name(given))
  end
  local spec = M.copy(given)
  local list = spec.layers or spec
  if spec.sizes or type(list[1]) == "number" then
    local opt = spec.sizes and M.copy(spec.sizes) or {}
    for key, value in pairs(given) do
      opt[key] = key ~= "sizes" and value or nil
    end
    local checked = options.check(WHERE .. ": network", nn.MLP_SCHEMA, opt)
    local sizes = {}
    for i, size in ipairs(checked) do
      sizes[i] = size
    end
    return { sizes = sizes, activation = checked.activation, output = checked.output,
      dtype = checked.dtype }
  end
  local plain = plain_layers(list)
  local input = type(spec.input) == "number" and { spec.input } or spec.input
  return { input = input, dtype = spec.dtype or "f32", layers = plain }
end

--- The network itself.
function M.make_network(spec)
  if spec.sizes then
    local opt = M.copy(spec.sizes)
    opt.activation, opt.output, opt.dtype = spec.activation, spec.output, spec.dtype
    return nn.mlp(opt)
  end
  local opt = layers.restore_list(spec.layers)
  opt.input, opt.dtype = spec.input, spec.dtype
  return nn.sequential(opt)
end

-- ---- chips --------------------------------------------------------------------------------------

--- The models of a stage in their one form.
-- @param given a model, a list of them, or the one form
function M.models(stage, given)
  local list = (hw.is_model(given) or is_plain(given) and given.name) and { given } or given
  if not is_plain(list) then
    options.fail(WHERE .. ": chip", "stage '%s' must be a model such as hw.noise{sigma = 0.1}, or "
      .. "a list of them, got %s", stage, options.type_name(given))
  end
  local plain = {}
  for i, model in ipairs(list) do
    plain[i] = hw.is_model(model) and model:describe() or M.copy(model)
    if not is_plain(plain[i]) or type(plain[i].name) ~= "string" then
      options.fail(WHERE .. ": chip", "stage '%s': element %d is %s: expected a model such as "
        .. "hw.noise{sigma = 0.1}", stage, i, options.type_name(model))
    end
  end
  return plain
end

--- The chip in its one form.
-- @param given options of mgd.chip but for net; a chip; the one form; nil: ideal
function M.chip(given)
  if given == nil then
    return {}
  elseif chips.is_chip(given) then
    if not given.net then
      return given
    end
    given = given:describe()
  elseif not is_plain(given) then
    options.fail(WHERE, "option 'chip' must be a chip or options of mgd.chip, got %s",
      options.type_name(given))
  elseif given.evaluate then
    return chips(given)
  end
  local spec = {}
  for key, value in pairs(given) do
    spec[key] = value
    for _, entry in ipairs(hw.STAGES) do
      if key == entry[1] then
        spec[key] = M.models(key, value)
      end
    end
  end
  return M.copy(spec)
end

--- The chip itself.
function M.make_chip(spec, net)
  if chips.is_chip(spec) then
    return spec
  end
  local opt = { net = net }
  for key, value in pairs(spec) do
    opt[key] = value
  end
  for _, entry in ipairs(hw.STAGES) do
    local stage = entry[1]
    for i, plain in ipairs(spec[stage] or {}) do
      opt[stage] = i == 1 and {} or opt[stage]
      local known = hw.known(plain.name)
      if not known then
        options.fail(WHERE .. ": chip", "stage '%s': unknown model '%s'", stage, plain.name)
      end
      opt[stage][i] = hw[plain.name](plain.params)
    end
    if opt[stage] and #opt[stage] == 0 then
      opt[stage] = nil
    end
  end
  return chips(opt)
end

-- ---- data ---------------------------------------------------------------------------------------

local MAKERS = { "xor", "parity", "nist7x7", "fashion_mnist", "cifar10" }

--- The data in their one form.
-- @param given a name, {name, options of mgd.data.NAME}, a data set, {x =, y =}, or the one form
function M.data(given)
  if data.is_dataset(given) then
    return given.recipe and M.copy(given.recipe) or given
  elseif type(given) == "string" then
    given = { given }
  elseif type(given) ~= "table" then
    options.fail(WHERE, "option 'data' must be a data set, its name, or {name, options …}, got %s",
      options.type_name(given))
  end
  if given.x then
    return data.from(given)
  elseif given.name and not given[1] then
    return M.copy(given)
  end
  local name, opt = given[1], {}
  for key, value in pairs(given) do
    opt[key] = key ~= 1 and value or nil
  end
  local known = false
  for _, maker in ipairs(MAKERS) do
    known = known or maker == name
  end
  if not known then
    local near = type(name) == "string" and options.nearest(name, MAKERS)
    options.fail(WHERE, "unknown data '%s' (%s)", tostring(name),
      near and "did you mean '" .. near .. "'?" or "data: " .. table.concat(MAKERS, ", "))
  end
  return { name = name, options = opt }
end

local made = setmetatable({}, { __mode = "v" }) -- sweeps ask for the same set a thousand times

--- The data set itself; the same one as long as it is in use.
function M.make_data(spec, key)
  if data.is_dataset(spec) then
    return spec
  end
  made[key] = made[key] or data.restore(spec)
  return made[key]
end

-- ---- training -----------------------------------------------------------------------------------

--- Options of mgd.train, checked for what an experiment says elsewhere.
function M.training(given)
  if given ~= nil and not is_plain(given) then
    options.fail(WHERE, "option 'training' must be a table of options of mgd.train, got %s",
      options.type_name(given))
  end
  local spec = M.copy(given or {})
  for name, where in pairs(M.ELSEWHERE) do
    if spec[name] ~= nil then
      options.fail(WHERE, "option '%s' of training: %s", name, where == "run"
        and "it belongs to experiment:run{…}"
        or ("an experiment says it by '%s'"):format(where))
    end
  end
  if type(spec.perturbation) == "string" then
    spec.perturbation = { code = spec.perturbation }
  end
  return spec
end

return M
