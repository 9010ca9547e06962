--- What an experiment consists of, in one form whatever the user wrote, and the objects made of it.
--
-- The one form is called a *spec*: a table of plain data but for what only Lua can hold (functions,
-- tensors, data sets without a recipe, chips in Lua).
--
--     network   {sizes = {2, 2, 1}, activation =, output =, dtype =} or {input =, layers =,
--               dtype =}
--     chip      {seed =, clock =, substeps =, STAGE = list of {name =, params =, version =}}, or a
--               chip in Lua; without `version` a model is of the present version of its law
--     data      {name =, options =}, or a data set
--     training  options of mgd.train
-- @module mgd.studies.experiment.parts

local chips = require "mgd.hardware.chip"
local data = require "mgd.data"
local hw = require "mgd.hardware.hw"
local json = require "mgd.text.json"
local layers = require "mgd.networks.layers"
local naming = require "mgd.base.naming"
local nn = require "mgd.networks.nn"
local options = require "mgd.base.options"
local recipe = require "mgd.runs.recipe"

local M = {}

local WHERE = "mgd.experiment"

-- Options of mgd.train that an experiment says elsewhere.
M.ELSEWHERE = { net = "network", chip = "chip", data = "data", replicas = "seeds",
  replica = "seeds", threads = "run", record = "mgd.train" }

local is_plain = naming.is_plain

local MOST_DIGITS = 1e15 -- from here on floats are written with an exponent

--- Plain data with equal numbers as one, in every Lua: whole floats as integers, where they are
-- told apart.
function M.canonical(value)
  if type(value) == "number" then
    local whole = value % 1 == 0 and math.abs(value) < MOST_DIGITS
    return math.type and (whole and math.tointeger(value) or value + 0.0) or value + 0
  elseif type(value) ~= "table" then
    return value
  end
  local out = {}
  for key, element in pairs(value) do
    out[key] = M.canonical(element)
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

-- Sizes and activations of layers that nn.mlp would have made; nil of others.
local function as_mlp(spec)
  local out = { sizes = { spec.input[1] }, dtype = spec.dtype, activation = nil,
    output = "identity" }
  local list, i = spec.layers, 1
  while list[i] do
    local after = list[i + 1]
    local kind = after and after.kind ~= "dense" and after.kind or "identity"
    local known = kind == "identity"
    for _, name in ipairs(layers.ACTIVATIONS) do
      known = known or name == kind
    end
    local last = list[i + (kind == "identity" and 1 or 2)] == nil
    known = known and not list[i].name and not (after and after.name)
    if list[i].kind ~= "dense" or not known or not last and (out.activation or kind) ~= kind then
      return nil
    end
    out.sizes[#out.sizes + 1] = list[i].outputs
    out[last and "output" or "activation"] = kind
    i = i + (kind == "identity" and 1 or 2)
  end
  out.activation = out.activation or "sigmoid"
  return #spec.input == 1 and #out.sizes > 1 and out or nil
end

-- Of a network; that of nn.mlp as its options are.
local function network_of(net)
  if not net:theta():allclose(net:theta() * 0) then
    options.fail(WHERE, "the network has parameters already, but an experiment draws them: "
      .. "give training = {init = {…}}, and a network that is not yet initialised")
  end
  local spec = recipe.network(net)
  return as_mlp(spec) or spec
end

--- The network in its one form.
-- @param given options of nn.mlp or nn.sequential, a network, or the one form
function M.network(given)
  if nn.is_network(given) then
    return network_of(given)
  elseif type(given) ~= "table" then
    options.fail(WHERE, "option 'network' must be a network, options of nn.mlp such as {2, 2, 1, "
      .. "activation = \"sigmoid\"}, or of nn.sequential, got %s", options.type_name(given))
  end
  local spec = recipe.copy(given)
  if spec.sizes ~= nil and not is_plain(spec.sizes) then
    options.fail(WHERE .. ": network", "option 'sizes' must be a list of integers, got %s",
      options.type_name(spec.sizes))
  end
  local list = spec.layers or spec
  if spec.sizes or type(list[1]) == "number" then
    local opt = spec.sizes and recipe.copy(spec.sizes) or {}
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
  local sequential = layers.restore_list(plain_layers(list))
  for key, value in pairs(spec) do
    sequential[key] = type(key) == "string" and key ~= "layers" and value or sequential[key]
  end
  return network_of(nn.sequential(sequential))
end

--- The network itself.
function M.make_network(spec)
  if spec.sizes then
    local opt = recipe.copy(spec.sizes)
    opt.activation, opt.output, opt.dtype = spec.activation, spec.output, spec.dtype
    return nn.mlp(opt)
  end
  return recipe.make_network(spec)
end

--- The network of an experiment whose chip came with one.
-- @tparam table|nil spec the experiment's, in its one form
-- @tparam network|nil net the chip's
-- @raise where both are there and differ
function M.same_network(spec, net)
  local own = net and network_of(net)
  if own and spec then
    local wanted = network_of(M.make_network(spec))
    if json.encode(own) ~= json.encode(wanted) then
      options.fail(WHERE, "the chip has a network of its own, and option 'network' says another: "
        .. "expected one of them")
    end
  end
  return spec or own
end

-- ---- chips --------------------------------------------------------------------------------------

-- Whether something is {name =, params =, version =}.
local function is_plain_model(value)
  if not is_plain(value) or type(value.name) ~= "string" then
    return false
  end
  for key in pairs(value) do
    if key ~= "name" and key ~= "params" and key ~= "version" then
      return false
    end
  end
  return value.params == nil or is_plain(value.params)
end

--- The models of a stage in their one form.
-- @tparam string stage
-- @param given a model, a list of them, or the one form
function M.models(stage, given)
  local list = (hw.is_model(given) or is_plain(given) and given.name) and { given } or given
  if not is_plain(list) then
    options.fail(WHERE .. ": chip", "stage '%s' must be a model such as hw.noise{sigma = 0.1}, or "
      .. "a list of them, got %s", stage, options.type_name(given))
  end
  local plain = {}
  for key, model in pairs(list) do
    plain[key] = hw.is_model(model) and model:describe() or recipe.copy(model)
    if type(key) ~= "number" or not is_plain_model(plain[key]) then
      options.fail(WHERE .. ": chip", "stage '%s': %s is no model such as hw.noise{sigma = 0.1}, "
        .. "or {name = \"noise\", params = {sigma = 0.1}}", stage,
        type(key) == "number" and "element " .. key or "'" .. tostring(key) .. "'")
    end
  end
  options.length(WHERE .. ": chip", ("stage '%s'"):format(stage), plain)
  return plain
end

--- The chip in its one form.
-- @param given options of mgd.chip; a chip; the one form; nil: ideal
-- @treturn table|chip
-- @return[2] the network that it came with, or nil
function M.chip(given)
  local net
  if given == nil then
    return {}
  elseif chips.is_chip(given) then
    if not given.net or given.rtl then
      return given
    end
    given, net = given:describe(), given.net
  elseif not is_plain(given) then
    options.fail(WHERE, "option 'chip' must be a chip or options of mgd.chip, got %s",
      options.type_name(given))
  elseif given.evaluate or given.verilog then
    return chips(given)
  end
  if given.net ~= nil and not nn.is_network(given.net) then
    options.fail(WHERE .. ": chip", "option 'net' must be a network, got %s",
      options.type_name(given.net))
  end
  local spec = recipe.copy(given)
  spec.net, net = nil, net or given.net
  for _, entry in ipairs(hw.STAGES) do
    local stage = entry[1]
    if spec[stage] ~= nil then
      spec[stage] = M.models(stage, spec[stage])
    end
  end
  return spec, net
end

local function unknown_model(stage, name)
  local known = {}
  for i, definition in ipairs(hw.models()) do
    known[i] = definition.name
  end
  options.fail(WHERE .. ": chip", "stage '%s': unknown model '%s'%s", stage, name,
    naming.hint(name, known))
end

--- The chip itself.
function M.make_chip(spec, net)
  if chips.is_chip(spec) then
    return spec
  end
  return recipe.make_chip(spec, net, function(stage, model)
    if not hw.known(model.name) then
      unknown_model(stage, model.name)
    end
    local reason = model.version ~= nil and hw.other_version(model.name, model.version)
    if reason then
      options.fail(WHERE .. ": chip", "stage '%s': %s; a model without 'version' is by the present "
        .. "law", stage, reason)
    end
    return hw[model.name](model.params)
  end)
end

-- Options of mgd.train that every resolved experiment has and nobody gives all of.
local FILLED_IN = { "convention", "dt", "engine", "optimizer", "seed", "shuffle" }

-- Whether a table of options has every default filled in, as `experiment:resolved` gives it.
local function is_resolved(content)
  local training = content.training
  local filled = is_plain(training) and is_plain(content.seeds) and content.every ~= nil
  for _, name in ipairs(FILLED_IN) do
    filled = filled and training[name] ~= nil
  end
  return filled
end

--- Why what came of a resolved experiment is not to go on here: a model's law had another version.
-- @tparam table content
-- @treturn string|nil
function M.other_version(content)
  for _, entry in ipairs(hw.STAGES) do
    for _, model in ipairs(content.chip[entry[1]] or {}) do
      local reason = hw.known(model.name) and hw.other_version(model.name, model.version)
      if reason then
        return reason
      end
    end
  end
end

--- Says the versions of laws in an experiment that was saved: where it says none, that is 1. What
-- is written by hand means the present laws, and stays as it is.
-- @tparam table content is changed
function M.date_models(content)
  local chip = is_resolved(content) and is_plain(content.chip) and content.chip or {}
  for _, entry in ipairs(hw.STAGES) do
    local models = chip[entry[1]]
    for _, model in ipairs(is_plain(models) and models or {}) do
      if is_plain(model) and model.version == nil then
        model.version = 1
      end
    end
  end
end

-- ---- data ---------------------------------------------------------------------------------------

local function check_name(name)
  if name == nil then
    options.fail(WHERE, "option 'data' names none: expected \"xor\", or {\"parity\", bits = 3}")
  elseif data.makers[name] then
    return
  end
  local known = {}
  for maker in pairs(data.makers) do
    known[#known + 1] = not data.derived[maker] and maker or nil -- which are asked of a set
  end
  table.sort(known)
  options.fail(WHERE, "unknown data '%s'%s", tostring(name), naming.hint(name, known, "data"))
end

--- The data in their one form.
-- @param given a name, {name, options of mgd.data.NAME}, a data set, {x =, y =}, or the one form
function M.data(given)
  if data.is_dataset(given) then
    return given.recipe and recipe.copy(given.recipe) or given
  elseif type(given) == "string" then
    given = { given }
  elseif not is_plain(given) then
    options.fail(WHERE, "option 'data' must be a data set, its name, or {name, options …}, got %s",
      options.type_name(given))
  end
  if given.x ~= nil then
    return data.from(given)
  end
  local name, opt = given[1] or given.name, {}
  check_name(name)
  for key, value in pairs(given) do
    if key ~= 1 and (key ~= "name" or given[1]) and key ~= "options" then
      opt[key] = value
    end
  end
  for key, value in pairs(given.options or {}) do
    if opt[key] ~= nil then
      options.fail(WHERE, "data: option '%s' is given twice, beside 'options' and in it",
        tostring(key))
    end
    opt[key] = value
  end
  return { name = name, options = recipe.copy(opt) }
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

-- ---- training and seeds -------------------------------------------------------------------------

--- Where an experiment says an option of mgd.train, for messages.
function M.elsewhere(name)
  local where = M.ELSEWHERE[name]
  return where == "run" and "it belongs to experiment:run{…}"
    or where == "mgd.train" and "one run is recorded at a time, by mgd.train"
    or ("an experiment says it by '%s'"):format(where)
end

--- Options of mgd.train, checked for what an experiment says elsewhere.
function M.training(given)
  if given ~= nil and not is_plain(given) then
    options.fail(WHERE, "option 'training' must be a table of options of mgd.train, got %s",
      options.type_name(given))
  end
  local spec = recipe.copy(given or {})
  for name in pairs(M.ELSEWHERE) do
    if spec[name] ~= nil then
      options.fail(WHERE, "option '%s' of training: %s", name, M.elsewhere(name))
    end
  end
  if type(spec.perturbation) == "string" then
    spec.perturbation = { code = spec.perturbation }
  end
  return spec
end

M.SEEDS = {
  { "first", type = "integer", default = 1, min = 1, doc = "Number of the first replica." },
  { "count", type = "integer", required = true, min = 1, doc = "How many." },
}

--- The seeds in their one form; a number counts from 1.
function M.seeds(given)
  if type(given) == "number" then
    given = { count = given }
  end
  return options.check(WHERE .. ": seeds", M.SEEDS, given)
end

return M
