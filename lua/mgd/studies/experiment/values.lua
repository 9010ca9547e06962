--- The values at the paths of an experiment: read from its resolved table, changed in its spec.
--
-- What `read` gives at a path that `parameters` lists, changes nothing when it is `set` there;
-- lists are text in `parameters`. Paths are canonical, as words; see mgd.studies.experiment.paths.
-- @module mgd.studies.experiment.values

local hw = require "mgd.hardware.hw"
local json = require "mgd.text.json"
local options = require "mgd.base.options"
local parts = require "mgd.studies.experiment.parts"
local recipe = require "mgd.runs.recipe"

local M = {}

local SECTIONS = { "network", "training", "steps", "evaluations", "every", "probes", "stop" }

-- ---- models -------------------------------------------------------------------------------------

--- "noise2" → "noise", 2, unless there is a model of that whole name; nil where it is no model's.
function M.model_of(word)
  if hw.known(word) then
    return word, 1
  end
  local name, number = word:match "^(.-)([1-9]%d*)$"
  if name and hw.known(name) then
    return name, tonumber(number)
  end
end

--- A model's word in paths: "noise", "noise2".
function M.word_of(name, number)
  return number > 1 and name .. number or name
end

--- The parameters of the model that a word names, nil where the chip has none, and how many models
-- of that name there are in the stage.
function M.model(chip, stage, word)
  local name, number = M.model_of(word)
  local count, params = 0, nil
  for _, model in ipairs(chip[stage] or {}) do
    if model.name == name then
      count = count + 1
      if count == number then
        model.params = model.params or {}
        params = model.params
      end
    end
  end
  return params, count
end

local STAGES = {}
for _, entry in ipairs(hw.STAGES) do
  STAGES[entry[1]] = true
end

-- ---- reading ------------------------------------------------------------------------------------

-- Adds the scalars of a table by path; lists as text.
local function flatten(out, path, value)
  if type(value) ~= "table" then
    out[path] = value
  elseif #value > 0 then
    out[path] = json.encode(value)
  else
    for key, element in pairs(value) do
      flatten(out, path .. "." .. key, element)
    end
  end
end

--- All parameters of a resolved table.
-- @treturn table canonical path → number, string or boolean; lists as JSON
function M.parameters(plain)
  local out = {}
  for _, name in ipairs(SECTIONS) do
    flatten(out, name, plain[name])
  end
  flatten(out, "data", plain.data.options or plain.data)
  out["data.name"] = plain.data.name
  for key, value in pairs(plain.chip) do
    local count = {}
    for _, model in ipairs(STAGES[key] and value or {}) do
      count[model.name] = (count[model.name] or 0) + 1
      flatten(out, ("chip.%s.%s"):format(key, M.word_of(model.name, count[model.name])),
        model.params)
    end
    if not STAGES[key] then
      flatten(out, "chip." .. key, value)
    end
  end
  return out
end

--- The value at a path of a resolved table: a scalar, or a copy of a list or section; nil where
-- there is none.
function M.read(plain, words)
  local at, first = plain[words[1]], 2
  if words[1] == "data" and words[2] and words[2] ~= "name" then
    at = at and (at.options or at)
  elseif words[1] == "chip" and words[3] and STAGES[words[2]] then
    at, first = M.model(at, words[2], words[3]), 4
  end
  for i = first, #words do
    if type(at) ~= "table" then
      return nil
    end
    at = at[words[i]]
  end
  return recipe.copy(at)
end

-- ---- changing -----------------------------------------------------------------------------------

-- Sets what stands at words[first …] of a table.
local function put(at, where, words, first, value)
  for i = first, #words - 1 do
    if at[words[i]] == nil then
      at[words[i]] = {}
    end
    at = at[words[i]]
    if type(at) ~= "table" then
      options.fail(where, "parameter '%s': '%s' is a %s here and has no parts",
        table.concat(words, "."), words[i], options.type_name(at))
    end
  end
  if words[#words] == "schedule" and type(value) == "table" then -- as schedules.describe gives it
    at[1], at[2] = value[1], value[2]
  else
    at[words[#words]] = value
  end
end

-- Adds a model to a stage, behind the last of its name. What happens to a change happens before the
-- law that writes it.
local function add_model(chip, stage, model)
  local list = chip[stage] or {}
  local place = stage == "update" and #hw.known(model.name).stages > 1 and 1 or #list + 1
  for i, other in ipairs(list) do
    place = other.name == model.name and i + 1 or place
  end
  table.insert(list, place, model)
  chip[stage] = list
end

-- A model's parameter; the model is added where the chip has none.
local function put_in_model(chip, where, words, value)
  local stage, word = words[2], words[3]
  local params, count = M.model(chip, stage, word)
  if not params then
    local name, number = M.model_of(word)
    if number > count + 1 then
      options.fail(where, "parameter '%s': the chip has %d of hw.%s in stage '%s'",
        table.concat(words, "."), count, name, stage)
    end
    params = {}
    add_model(chip, stage, { name = name, params = params })
  end
  put(params, where, words, 4, value)
end

local function put_in_data(spec, where, words, value)
  if getmetatable(spec.data) ~= nil then
    options.fail(where, "parameter '%s': the data are tensors of yours, which have no options",
      table.concat(words, "."))
  elseif words[2] == "name" then
    spec.data.name = value
    return
  end
  spec.data.options = spec.data.options or {}
  put(spec.data.options, where, words, 2, value)
end

--- Set a value in a spec, which stays in its one form.
-- @tparam table spec a copy, which is changed
-- @tparam string where opens messages
-- @tparam table words canonical
-- @param value
function M.set(spec, where, words, value)
  local section = words[1]
  if #words == 1 and section == "chip" then
    local net
    spec.chip, net = parts.chip(value)
    if getmetatable(spec.chip) ~= nil then
      spec.network = nil -- the chip is a function, and takes none
    else
      spec.network = parts.same_network(spec.network, net)
    end
  elseif #words == 1 then
    local make = parts[section]
    spec[section] = make and make(value) or value
  elseif section == "chip" and STAGES[words[2]] and #words == 2 then
    spec.chip[words[2]] = parts.models(words[2], value)
  elseif section == "chip" and STAGES[words[2]] then
    put_in_model(spec.chip, where, words, value)
  elseif section == "data" then
    put_in_data(spec, where, words, value)
  else
    put(spec, where, words, 1, value)
    if section == "training" then
      spec.training = parts.training(spec.training)
    end
  end
end

return M
