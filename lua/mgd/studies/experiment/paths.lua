--- Paths: names of what an experiment varies, such as `training.eta` or `cost.noise`.
--
-- Canonical paths follow the spec: `training.eta`, `network.activation`, `stop.accuracy`, `seeds`;
-- those into a chip are `chip.STAGE.MODEL.PARAMETER`, a second model of that name being MODEL2.
-- Short forms: a stage needs no `chip.` before it, and may have `paths.`; `STAGE.MODEL` means the
-- model's main parameter, `STAGE.PARAMETER` that of the model that has it; an option of mgd.train
-- needs no `training.`. Where a word is both a stage and such an option, it means the option alone,
-- and the stage where more follows that is no option of a code.
-- @module mgd.studies.experiment.paths

local chips = require "mgd.hardware.chip"
local codes = require "mgd.codes"
local hw = require "mgd.hardware.hw"
local naming = require "mgd.base.naming"
local nn = require "mgd.networks.nn"
local options = require "mgd.base.options"
local parts = require "mgd.studies.experiment.parts"
local probes = require "mgd.runs.probes"
local train = require "mgd.runs.train"
local values = require "mgd.studies.experiment.values"

local unpack = table.unpack or rawget(_G, "unpack") -- LuaJIT

local M = {}

local TOP = { "name", "network", "chip", "data", "training", "steps", "evaluations", "every",
  "probes", "stop", "seeds" }

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

local function fail(where, path, word, known, what)
  local hint = naming.hint(word, known)
  if hint == "" then
    hint = naming.hint(nil, #known <= 24 and known or { unpack(known, 1, 24) }, "it has")
  end
  options.fail(where, "unknown parameter '%s': %s has no '%s'%s", path, what, word, hint)
end

-- ---- models -------------------------------------------------------------------------------------

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
      return values.word_of(model.name, count[model.name])
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

-- Fails where more words follow than there is something to go into.
local function no_parts(spec, where, path, words, most)
  local at = #words > most and values.read(spec, { unpack(words, 1, most) })
  if #words > most and type(at) ~= "table" then
    options.fail(where, "unknown parameter '%s': '%s' has no parts", path, words[most])
  end
end

local function in_stage(spec, where, path, words)
  local stage, word, parameter = words[2], words[3], words[4]
  if chips.is_chip(spec.chip) then
    options.fail(where, "parameter '%s': the chip is a function and has no models", path)
  elseif not word then
    return words
  end
  local name, number = values.model_of(word)
  if not name then
    local owner = owner_of(spec, stage, word)
    if not owner then
      fail(where, path, word, words_for(stage), "stage '" .. stage .. "'")
    end
    name, number = values.model_of(owner)
    table.insert(words, 3, owner)
    parameter = word
  end
  local definition = hw.known(name)
  if not has(definition.stages, stage) then
    options.fail(where, "parameter '%s': hw.%s cannot stand in stage '%s': it belongs to %s", path,
      name, stage, table.concat(definition.stages, ", "))
  end
  words[3], words[4] = values.word_of(name, number), parameter or main_parameter(definition)
  if not has(names_of(definition.params), words[4]) then
    fail(where, path, words[4], names_of(definition.params), "hw." .. name)
  end
  no_parts(spec, where, path, words, 4)
  return words
end

-- ---- other sections -----------------------------------------------------------------------------

local TRAINING = {} -- options of mgd.train that belong there
for _, entry in ipairs(train.SCHEMA) do
  TRAINING[#TRAINING + 1] = not parts.ELSEWHERE[entry[1]] and entry[1] or nil
end

local INNER = { perturbation = codes.SCHEMA, init = nn.INIT_SCHEMA }

local function in_training(spec, where, path, words)
  if parts.ELSEWHERE[words[2]] then
    options.fail(where, "parameter '%s': %s", path, parts.elsewhere(words[2]))
  elseif not has(TRAINING, words[2]) then
    fail(where, path, words[2], TRAINING, "training")
  end
  local inner = words[3] and INNER[words[2]]
  if inner and not has(names_of(inner), words[3]) then
    fail(where, path, words[3], names_of(inner), words[2])
  end
  no_parts(spec, where, path, words, inner and 3 or 2)
end

local function in_network(spec, where, path, words)
  local network, names = spec.network or {}, {}
  if not network.layers then
    names = names_of(nn.MLP_SCHEMA)
    names[#names + 1] = "sizes"
  end
  if not network.sizes then
    for _, name in ipairs { "input", "layers", "dtype" } do
      names[#names + 1] = name
    end
  end
  if not has(names, words[2]) then
    fail(where, path, words[2], names, network.layers and "a network of layers" or "the network")
  end
  no_parts(spec, where, path, words, 2)
end

local CHIP = { "seed", "clock", "substeps" }
for _, stage in ipairs(STAGES) do
  CHIP[#CHIP + 1] = stage
end

local function in_chip(spec, where, path, words)
  if has(STAGES, words[2]) then
    in_stage(spec, where, path, words)
    return
  elseif chips.is_chip(spec.chip) then
    options.fail(where, "parameter '%s': the chip is a function and has no options", path)
  elseif not has(CHIP, words[2]) then
    fail(where, path, words[2], CHIP, "the chip")
  elseif words[2] == "clock" and words[3] then
    if not has(names_of(chips.CLOCK), words[3]) then
      fail(where, path, words[3], names_of(chips.CLOCK), "the clock")
    elseif words[3] == "energy" and words[4] and not has(names_of(chips.ENERGY), words[4]) then
      fail(where, path, words[4], names_of(chips.ENERGY), "the clock's energy")
    end
    no_parts({}, where, path, words, words[3] == "energy" and 4 or 3)
  else
    no_parts({}, where, path, words, 2)
  end
end

local STOP = {}
for i, entry in ipairs(probes.STOP_OPTIONS) do
  STOP[i] = entry[1]
end

local SECTIONS = {
  training = in_training, network = in_network, chip = in_chip,
  data = function(_, _, _, words)
    if words[2] == "options" and words[3] then
      table.remove(words, 2) -- as recipes have them
    end
  end,
  stop = function(_, where, path, words)
    if not has(STOP, words[2]) then
      fail(where, path, words[2], STOP, "stop")
    end
    no_parts({}, where, path, words, 2)
  end,
  seeds = function(_, where, path, words)
    if words[2] ~= "first" and words[2] ~= "count" then
      fail(where, path, words[2], { "first", "count" }, "seeds")
    end
    no_parts({}, where, path, words, 2)
  end,
}

-- ---- paths --------------------------------------------------------------------------------------

local ALL = {}
for _, list in ipairs { TOP, STAGES, TRAINING } do
  for _, name in ipairs(list) do
    ALL[#ALL + 1] = name
  end
end

local function words_of(where, path)
  if type(path) ~= "string" or path == "" then
    options.fail(where, "a parameter is named by a string such as \"training.eta\", got %s",
      path == "" and "an empty one" or options.type_name(path))
  end
  local words = {}
  for word in (path .. "."):gmatch "([^.]*)%." do
    if word == "" then
      options.fail(where, "unknown parameter '%s': a name is missing beside a dot", path)
    end
    words[#words + 1] = word
  end
  return words
end

-- The section that a path goes into which does not begin with one.
local function section_of(words)
  local first, second = words[1], words[2]
  local is_option = has(TRAINING, first) or parts.ELSEWHERE[first]
  if has(STAGES, first) and second then
    local of_code = first == "perturbation" and has(names_of(codes.SCHEMA), second)
    return of_code and not words[3] and "training" or "chip"
  end
  return is_option and "training" or has(STAGES, first) and "chip" or nil
end

--- The words of the canonical path.
-- @tparam table spec
-- @tparam string where opens messages
-- @tparam string path
-- @treturn table list of words
-- @raise on what is no parameter, with a suggestion
function M.resolve(spec, where, path)
  local words = words_of(where, path)
  if words[1] == "paths" and words[2] then
    table.remove(words, 1)
  end
  if not has(TOP, words[1]) then
    local section = section_of(words)
    if not section then
      fail(where, path, words[1], ALL, "an experiment")
    end
    table.insert(words, 1, section)
  end
  local check = SECTIONS[words[1]]
  if check and words[2] then
    check(spec, where, path, words)
  elseif not check then
    no_parts({}, where, path, words, 1)
  end
  return words
end

--- Fails for a parameter that is given under two names.
function M.fail_twice(where, full, one, other)
  local both = { one, other }
  table.sort(both)
  options.fail(where, "parameter '%s' is given twice, as '%s' and as '%s'", full, both[1], both[2])
end

--- Parameters by canonical path.
-- @tparam table spec
-- @tparam string where opens messages
-- @tparam table given path → value
-- @treturn table canonical path → {path = as it was given, words =, value =}
-- @raise on what is no parameter, and where one is given under two names
function M.by_path(spec, where, given)
  local by_path, names = {}, {}
  for path in pairs(given) do
    names[#names + 1] = path
  end
  table.sort(names, function(a, b) -- so that the same mistake always reads the same
    return tostring(a) < tostring(b)
  end)
  for _, path in ipairs(names) do
    local words = M.resolve(spec, where, path)
    local full = table.concat(words, ".")
    if by_path[full] then
      M.fail_twice(where, full, path, by_path[full].path)
    end
    by_path[full] = { path = path, words = words, value = given[path] }
  end
  return by_path
end

return M
