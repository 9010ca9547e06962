--- The recipe of a run: what it consists of, as plain data; what is made of that again; and where
-- two such differ. Checkpoints, experiments, the store and logs are written in its terms.
--
--     network   {input =, dtype =, layers = list of {kind =, …}}
--     chip      {seed =, clock =, substeps =, STAGE = list of {name =, params =, version =}}:
--               `substeps` and `version`, that of the model's law, stand where they are above 1;
--               {parameters =} of one in Lua, and of an instrument with {address =, identity =,
--               description =}
--     data      {name =, options =}; of tensors of the user's {name =, dtype =, fingerprint =}
--     training  options of mgd.train, but for chip, data and record
-- @module mgd.runs.recipe

local chips = require "mgd.hardware.chip"
local core = require "mgd.core"
local data = require "mgd.data"
local hw = require "mgd.hardware.hw"
local layers = require "mgd.networks.layers"
local naming = require "mgd.base.naming"
local nn = require "mgd.networks.nn"
local options = require "mgd.base.options"
local schedules = require "mgd.codes.schedules"
local settings = require "mgd.runs.settings"

local M = {}

local is_plain = naming.is_plain

--- A copy of plain data, tensors too; tables with a metatable and functions are shared.
function M.copy(value)
  if options.is_tensor(value) then
    return value:clone()
  elseif not is_plain(value) then
    return value
  end
  local out = {}
  for key, element in pairs(value) do
    out[key] = M.copy(element)
  end
  return out
end

-- ---- describing ---------------------------------------------------------------------------------

--- A network, but for its parameters.
function M.network(net)
  return { input = net.input, dtype = net.dtype, layers = layers.describe_list(net.layers) }
end

--- A chip, but for its network; stages without a model are left out.
function M.chip(chip)
  local about, rtl = chip.instrument, chip.rtl
  if rtl then
    return { parameters = chip.num_parameters, rtl = { dir = rtl.dir, top = rtl.top,
      key = rtl.key } }
  elseif not chip.net then
    return { parameters = chip.num_parameters, instrument = about and { address = about.address,
      identity = about.identity, description = about.said } }
  end
  local plain = chip:describe()
  for _, entry in ipairs(hw.STAGES) do
    local models = plain[entry[1]]
    plain[entry[1]] = models and #models > 0 and models or nil
  end
  return plain
end

--- A data set.
function M.data(set)
  local plain = M.copy(set.recipe)
  if not plain then
    return { name = set.name, dtype = set.x.dtype, fingerprint = set:fingerprint() }
  elseif not data.derived[plain.name] then
    plain.options.dtype = set.x.dtype -- the default, where it was not said
  end
  return plain
end

local function plain_perturbation(perturbation, tensors, functions)
  local plain = {}
  for key, part in pairs(perturbation) do
    if type(part) == "function" then
      functions[#functions + 1] = key
    elseif not options.is_tensor(part) then
      plain[key] = schedules.describe(part)
    elseif tensors then
      plain[key] = { tensor = part:totable(), dtype = part.dtype }
    end
  end
  return plain
end

local function plain_stages(stages, functions)
  local plain = {}
  for i, stage in ipairs(stages) do
    plain[i] = {}
    for key, part in pairs(stage) do
      if type(part) == "function" then
        functions[#functions + 1] = "stages"
      end
      plain[i][key] = type(part) ~= "function" and schedules.describe(part) or nil
    end
  end
  return plain
end

--- Resolved options of mgd.train, but for chip and data, and for the file of a recording: what is
-- made of a recipe writes none.
-- @tparam table opt what `settings.resolve` gave
-- @tparam[opt=false] boolean tensors as {tensor =, dtype =}; they are left out without
-- @treturn table options
-- @treturn table names of those that are functions
function M.training(opt, tensors)
  local plain, functions = {}, {}
  for _, entry in ipairs(settings.SCHEMA) do
    local name = entry[1]
    local value = opt[name]
    local fixed = opt.circuit and not settings.beside_circuit(opt.circuit, name)
    if name == "chip" or name == "data" or name == "record" or fixed then
      value = nil
    elseif name == "circuit" and value then
      value = value:describe()
    elseif name == "perturbation" and value and type(value.code) ~= "string" then
      functions[#functions + 1], value = name, nil
    elseif name == "perturbation" and value then
      value = plain_perturbation(value, tensors, functions)
    elseif name == "stages" and value then
      value = plain_stages(value, functions)
    elseif type(value) == "function" then
      functions[#functions + 1], value = name, nil
    end
    plain[name] = schedules.describe(value)
  end
  return plain, functions
end

--- All that a run computes follows from this and the step, but for what functions do.
-- @tparam table opt what `settings.resolve` gave
function M.describe(opt)
  local training = M.training(opt, true)
  training.threads = nil
  return { network = opt.chip.net and M.network(opt.chip.net), chip = M.chip(opt.chip),
    data = M.data(opt.data), training = training }
end

-- ---- making again -------------------------------------------------------------------------------

--- The network again.
-- @tparam table plain
-- @tparam[opt] function unknown (layer) raises: `layer` is none that is known here
function M.make_network(plain, unknown)
  local opt = { input = plain.input, dtype = plain.dtype }
  for i, layer in ipairs(plain.layers) do
    opt[i] = layers.restore(layer) or unknown(layer)
  end
  return nn.sequential(opt)
end

--- The chip again.
-- @tparam table plain
-- @tparam network net
-- @tparam function make (stage, {name =, params =, version =}) → model; raises where it knows none
function M.make_chip(plain, net, make)
  local opt = {}
  for name, value in pairs(plain) do
    opt[name] = value
  end
  opt.net = net
  for _, entry in ipairs(hw.STAGES) do
    local stage, models = entry[1], {}
    for i, model in ipairs(plain[stage] or {}) do
      models[i] = make(stage, model)
    end
    opt[stage] = #models > 0 and models or nil
  end
  return chips(opt)
end

local function restored(value)
  if is_plain(value) and value.tensor ~= nil then
    return core.tensor.tensor(value.tensor, { dtype = value.dtype })
  end
  return schedules.restore(value)
end

--- Makes schedules and tensors again in options of mgd.train, in place.
function M.restore_training(training)
  local inner = training.perturbation
  for _, part in ipairs { training, is_plain(inner) and inner or nil } do
    for name, value in pairs(part) do
      part[name] = restored(value)
    end
  end
  for _, stage in ipairs(is_plain(training.stages) and training.stages or {}) do
    for name, value in pairs(is_plain(stage) and stage or {}) do
      stage[name] = restored(value)
    end
  end
end

-- ---- comparing ----------------------------------------------------------------------------------

local function by_text(x, y)
  return tostring(x) < tostring(y)
end

local function compare(list, a, b, path)
  if not (is_plain(a) and is_plain(b)) then
    list[#list + 1] = a ~= b and { path = path, a = a, b = b } or nil
    return
  end
  local names = {}
  for name in pairs(a) do
    names[#names + 1] = name
  end
  for name in pairs(b) do
    names[#names + 1] = a[name] == nil and name or nil
  end
  table.sort(names, by_text)
  for _, name in ipairs(names) do
    compare(list, a[name], b[name], path and path .. "." .. name or tostring(name))
  end
end

--- Where plain data differ.
-- @treturn table list of {path = names with dots between, a =, b =}, in order of names
function M.differences(a, b)
  local list = {}
  compare(list, a, b)
  return list
end

return M
