--- Paths: names of what an experiment varies, such as `training.eta` or `cost.noise`.
--
-- Canonical paths follow the spec: `training.eta`, `network.activation`, `stop.accuracy`, `seeds`;
-- those into a chip are `chip.STAGE.MODEL.PARAMETER`, a second model of that name being MODEL2.
-- Short forms: a stage needs no `chip.` before it, and may have `paths.`; `STAGE.MODEL` means the
-- model's main parameter, `STAGE.PARAMETER` that of the model that has it; an option of mgd.train
-- alone means `training.` with it. A model that the chip has not got is added to the stage.
-- @module mgd.experiment.paths

local chips = require "mgd.chip"
local codes = require "mgd.codes"
local hw = require "mgd.hw"
local nn = require "mgd.nn"
local options = require "mgd.options"
local parts = require "mgd.experiment.parts"
local probes = require "mgd.probes"
local train = require "mgd.train"

local unpack = table.unpack or rawget(_G, "unpack") -- LuaJIT

local M = {}

local TOP = { "name", "network", "chip", "data", "training", "steps", "every", "probes", "stop",
  "seeds" }

local function names_of(schema)
  local names = {}
  for i, entry in ipairs(schema) do
    names[i] = entry[1]
  end
  return names
end

local function has(names, name)
  for _, other in ipairs(names) do
    if other == name then
      return true
    end
  end
  return false
end

local STAGES = names_of(hw.STAGES)

local function fail(where, path, word, names, what)
  local near = options.nearest(word, names)
  names = #names <= 24 and names or { unpack(names, 1, 24) }
  options.fail(where, "unknown parameter '%s': %s has no '%s' (%s)", path, what, word,
    near and "did you mean '" .. near .. "'?" or "it has " .. table.concat(names, ", "))
end

-- ---- models -------------------------------------------------------------------------------------

-- "noise2" → "noise", 2, unless there is a model of that whole name.
local function model_of(word)
  if hw.known(word) then
    return word, 1
  end
  local name, number = word:match "^(.-)(%d+)$"
  if name and hw.known(name) then
    return name, tonumber(number)
  end
end

-- The models that may stand in a stage, those that belong there most closely first.
local function models_for(stage)
  local list = {}
  for _, definition in ipairs(hw.models()) do
    if has(definition.stages, stage) then
      list[#list + 1] = definition
    end
  end
  table.sort(list, function(a, b)
    if #a.stages ~= #b.stages then
      return #a.stages < #b.stages
    end
    return a.name < b.name
  end)
  return list
end

-- The parameter that a model is known by: sigma, or else the first that is required, or a number.
local function main_parameter(definition)
  for _, entry in ipairs(definition.params) do
    if entry[1] == "sigma" then
      return "sigma"
    end
  end
  for _, wanted in ipairs { "required", "number" } do
    for _, entry in ipairs(definition.params) do
      local numeric = entry.type == "number" or entry.type == "integer"
      if numeric and (wanted == "number" or entry.required) then
        return entry[1]
      end
    end
  end
  return definition.params[1][1]
end

-- The name of the model in the stage whose parameter it is: one that the chip has, or else the one
-- that belongs to the stage most closely.
local function owner_of(spec, stage, parameter)
  local count = {}
  for _, model in ipairs(not chips.is_chip(spec.chip) and spec.chip[stage] or {}) do
    count[model.name] = (count[model.name] or 0) + 1
    local definition = hw.known(model.name)
    if definition and has(names_of(definition.params), parameter) then
      return model.name .. (count[model.name] > 1 and count[model.name] or "")
    end
  end
  for _, definition in ipairs(models_for(stage)) do
    if has(names_of(definition.params), parameter) then
      return definition.name
    end
  end
end

-- What else a word after a stage may be, for messages.
local function words_for(stage)
  local words, seen = {}, {}
  for _, definition in ipairs(models_for(stage)) do
    words[#words + 1] = definition.name
  end
  for _, definition in ipairs(models_for(stage)) do
    for _, entry in ipairs(definition.params) do
      if not seen[entry[1]] then
        seen[entry[1]], words[#words + 1] = true, entry[1]
      end
    end
  end
  return words
end

local function in_stage(spec, where, path, words)
  local stage, word, parameter = words[2], words[3], words[4]
  if chips.is_chip(spec.chip) then
    options.fail(where, "parameter '%s': the chip is a function and has no models", path)
  elseif not word then
    return { "chip", stage }
  end
  local name = model_of(word)
  if not name then
    local owner = not parameter and owner_of(spec, stage, word)
    if not owner then
      fail(where, path, word, words_for(stage), "stage '" .. stage .. "'")
    end
    return { "chip", stage, owner, word }
  end
  local definition = hw.known(name)
  if not has(definition.stages, stage) then
    options.fail(where, "parameter '%s': hw.%s cannot stand in stage '%s': it belongs to %s", path,
      name, stage, table.concat(definition.stages, ", "))
  end
  parameter = parameter or main_parameter(definition)
  if not has(names_of(definition.params), parameter) then
    fail(where, path, parameter, names_of(definition.params), "hw." .. name)
  end
  return { "chip", stage, word, parameter }
end

-- ---- other sections -----------------------------------------------------------------------------

local SECTIONS = {
  training = function(where, path, words)
    local names = {}
    for _, entry in ipairs(train.SCHEMA) do
      if not parts.ELSEWHERE[entry[1]] then
        names[#names + 1] = entry[1]
      end
    end
    if not has(names, words[2]) then
      fail(where, path, words[2], names, "training")
    end
    local inner = words[2] == "perturbation" and codes.SCHEMA
      or words[2] == "init" and nn.INIT_SCHEMA
    if words[3] and inner and not has(names_of(inner), words[3]) then
      fail(where, path, words[3], names_of(inner), words[2])
    end
  end,
  network = function(where, path, words)
    local names = names_of(nn.MLP_SCHEMA)
    names[#names + 1] = "sizes"
    names[#names + 1] = "input"
    if not has(names, words[2]) then
      fail(where, path, words[2], names, "the network")
    end
  end,
  stop = function(where, path, words)
    if not has(probes.names, words[2]) then
      fail(where, path, words[2], probes.names, "stop")
    end
  end,
  seeds = function(where, path, words)
    if words[2] ~= "first" and words[2] ~= "count" then
      fail(where, path, words[2], { "first", "count" }, "seeds")
    end
  end,
}

local function all_names()
  local names = {}
  for _, list in ipairs { TOP, STAGES, names_of(train.SCHEMA) } do
    for _, name in ipairs(list) do
      names[#names + 1] = name
    end
  end
  return names
end

--- The words of the canonical path.
-- @tparam table spec
-- @tparam string where opens messages
-- @tparam string path
-- @treturn table list of words
function M.resolve(spec, where, path)
  if type(path) ~= "string" or path == "" then
    options.fail(where, "a parameter is named by a string such as \"training.eta\", got %s",
      options.type_name(path))
  end
  local words = {}
  for word in path:gmatch "[^.]+" do
    words[#words + 1] = word
  end
  if words[1] == "paths" then
    table.remove(words, 1)
  end
  local first = words[1]
  if first == "perturbation" and has(names_of(codes.SCHEMA), words[2]) and not words[3] then
    table.insert(words, 1, "training") -- options of the code before a model of the same name
  elseif has(STAGES, first) and (words[2] or not has(names_of(train.SCHEMA), first)) then
    table.insert(words, 1, "chip")
  elseif not has(TOP, first) and not words[2] or first == "perturbation" and not words[2] then
    table.insert(words, 1, "training")
    if not has(names_of(train.SCHEMA), first) then
      fail(where, path, first, all_names(), "an experiment")
    end
  elseif not has(TOP, first) then
    fail(where, path, first, all_names(), "an experiment")
  end
  if words[1] == "chip" and has(STAGES, words[2]) then
    return in_stage(spec, where, path, words)
  elseif words[1] == "chip" and words[2] and words[2] ~= "seed" and words[2] ~= "clock" then
    local names = { "seed", "clock" }
    for _, stage in ipairs(STAGES) do
      names[#names + 1] = stage
    end
    fail(where, path, words[2], names, "the chip")
  elseif words[2] and SECTIONS[words[1]] then
    SECTIONS[words[1]](where, path, words)
  end
  return words
end

-- ---- changing -----------------------------------------------------------------------------------

-- The model number k of a name in a stage; added where there is none. What happens to a change
-- happens before the law that writes it.
local function model_in(chip, stage, word, where, path)
  local name, number = model_of(word)
  chip[stage] = chip[stage] or {}
  local count = 0
  for _, model in ipairs(chip[stage]) do
    count = count + (model.name == name and 1 or 0)
    if model.name == name and count == number then
      model.params = model.params or {}
      return model
    end
  end
  if number > count + 1 then
    options.fail(where, "parameter '%s': the chip has %d of hw.%s in stage '%s'", path, count, name,
      stage)
  end
  local model = { name = name, params = {} }
  local first = stage == "update" and #hw.known(name).stages > 1
  table.insert(chip[stage], first and 1 or #chip[stage] + 1, model)
  return model
end

--- Set a value in a spec.
-- @tparam table spec a copy, which is changed
-- @tparam table words canonical
-- @param value
function M.set(spec, where, words, value)
  local path = table.concat(words, ".")
  local last = words[#words]
  if words[1] == "chip" and #words == 4 then
    model_in(spec.chip, words[2], words[3], where, path).params[last] = value
    return
  elseif words[1] == "chip" and #words == 2 and has(STAGES, last) then
    spec.chip[last] = parts.models(last, value)
    return
  end
  local at = spec
  for i = 1, #words - 1 do
    if words[1] == "data" and i == 1 then
      at = at.data.options or {}
      at = type(at) == "table" and at or {}
    else
      at[words[i]] = at[words[i]] == nil and {} or at[words[i]]
      at = at[words[i]]
    end
    if type(at) ~= "table" then
      options.fail(where, "parameter '%s': '%s' is a %s here and has no parts", path, words[i],
        options.type_name(at))
    end
  end
  at[last] = value
end

return M
