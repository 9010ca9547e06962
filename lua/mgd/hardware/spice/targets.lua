--- What a name or a pattern stands for in a netlist: values of elements, fields of devices,
-- parameters of models and of instances, .param names.
--
-- A target is {name =, kind = "value" | "field" | "model" | "param", target = as ngspice knows it,
-- value =}; besides, for the writer, `element`, `model` or `param`, and `field`.
-- @module mgd.hardware.spice.targets

local cards = require "mgd.hardware.spice.cards"
local elements = require "mgd.hardware.spice.elements"
local options = require "mgd.base.options"
local words = require "mgd.hardware.spice.words"

local M = {}

local shown = cards.shown

-- ---- targets ------------------------------------------------------------------------------------

--- "a resistor", "an inductor".
function M.article(what)
  return (what:find "^[aeiou]" and "an " or "a ") .. what
end

-- The value of an element as a target; nil where it has none.
local function value_target(element)
  local kind = elements.KINDS[element.kind]
  if not kind.value or element.element.behavioural or element.kind == "k" and not element.value then
    return nil
  elseif kind.field then
    return { name = element.name, kind = "field", value = element.value, element = element,
      target = ("%s[%s]"):format(element.spice, kind.value) }
  end
  return { name = element.name, kind = "value", target = element.spice, value = element.value,
    element = element }
end

local function has(list, name)
  for _, one in ipairs(list or {}) do
    if one == name then
      return true
    end
  end
  return false
end

-- "m1.w", a field of a device; nil where it has no such field.
local function field_target(element, field)
  local kind = elements.KINDS[element.kind]
  local definition = element.element
  if definition.behavioural or not has(kind.fields, field) and not definition.assigned[field] then
    return nil
  end
  return { name = element.name .. "." .. field, kind = "field", value = element.fields[field],
    target = ("%s[%s]"):format(element.spice, field), element = element, field = field }
end

-- A parameter of a model.
local function model_target(model, field)
  local word = model.model.assigned[field]
  return { name = model.name .. "." .. field, kind = "model", model = model, field = field,
    target = model.spice .. ":" .. field, value = word and words.number(word.text) }
end

local function param_target(self, name)
  local param = self.params[name]
  return param and { name = name, kind = "param", target = name, value = param.value,
    param = param }
end

-- What there is to say of an element without a value.
local function fail_valueless(where, element)
  local kind = elements.KINDS[element.kind]
  local what = ("'%s' is %s"):format(element.name, M.article(kind.what))
  if element.element.behavioural or element.kind == "b" then
    options.fail(where, "%s whose value is an expression: put a .param in it, and name that", what)
  end
  local fields = {}
  for _, field in ipairs(kind.fields or {}) do
    fields[#fields + 1] = element.name .. "." .. field
  end
  local own = element.own_model
  for _, field in ipairs(cards.keys(own and own.model.assigned or {})) do
    fields[#fields + 1] = element.name .. "." .. field
  end
  options.fail(where, "%s and has no value%s", what,
    #fields > 0 and ", but " .. table.concat(fields, ", ") or "")
end

-- All that can be named, models and parameters of instances among them where there is a dot.
local function known_names(self, dotted)
  local list = {}
  for _, element in ipairs(self.elements) do
    list[#list + 1] = element.name
  end
  for _, name in ipairs(self.param_names) do
    list[#list + 1] = name
  end
  for _, name in ipairs(dotted and cards.keys(self.models) or {}) do
    list[#list + 1] = not self.models[name].model.card.own and name or nil
  end
  for _, instance in ipairs(dotted and self.circuit.instances or {}) do
    for _, field in ipairs(instance.element and cards.keys(instance.scope.params) or {}) do
      list[#list + 1] = instance.name .. "." .. field
    end
  end
  return list
end

local function fail_field(where, name, element, field)
  local kind, known = elements.KINDS[element.kind], {}
  for i, one in ipairs(kind.fields or {}) do
    known[i] = element.name .. "." .. one
  end
  options.fail(where, "'%s': %s is %s and has no '%s'%s", shown(name), element.name,
    M.article(kind.what), shown(field), cards.hint(name, known, "it has",
      "it has nothing but its value"))
end

local function fail_instance(where, name, instance)
  local inside = instance.scope.elements[1]
  options.fail(where, "'%s': %s is an instance of subcircuit '%s': expected one of its parameters, "
    .. "or an element within, such as %s.%s", shown(name), instance.name, instance.scope.name,
    instance.name, inside and inside.name or "r1")
end

-- Nothing has the name: say what is there.
local function fail_unknown(self, where, name)
  if self.title:lower():match "^%S*" == name then
    options.fail(where, "'%s' stands in the first line of %s, which is its title: put one in front",
      shown(name), self.path)
  end
  local owner, field = name:match "^(.*)%.([^.]+)$"
  local element, known = self.circuit.by_name[owner or ""], known_names(self, owner)
  local hint = cards.hint(name, known)
  if element then
    fail_field(where, name, element, field)
  elseif self.models[owner or ""] then
    options.fail(where, "'%s': no element uses model '%s'", shown(name), owner)
  end
  for _, instance in ipairs(hint == "" and self.circuit.instances or {}) do
    if instance.name == (owner or name) then
      fail_instance(where, name, instance)
    end
  end
  options.fail(where, "there is nothing called '%s'%s", shown(name),
    cards.hint(hint ~= "" and name or owner or name, known, "there are"))
end

-- ---- models of their own ------------------------------------------------------------------------

-- A device gets a model of its own: a copy of the card for behind its own, which then names it.
local function copy_model(self, where, name, element)
  local definition, model = element.element, element.own_model
  local card, source = definition.card, model.model
  if self.moved[model.spice] then
    options.fail(where, "'%s' needs a model of %s's own, which '%s' would no longer change: name "
      .. "the devices or the model", name, element.name, self.moved[model.spice])
  elseif source.name ~= definition.model then
    options.fail(where, "'%s': '%s' is several models, of which ngspice chooses by size: name a "
      .. "field of the device, or a parameter of %s", name, definition.model, source.name)
  end
  local own = ("%s__%s"):format(source.name, definition.name)
  for _, word in ipairs(words.split(card.text)) do
    if word.text == definition.model and word.from > 1 then
      card.text = card.text:sub(1, word.from - 1) .. own .. card.text:sub(word.to + 1)
      break
    end
  end
  card.has_own, self.shared[model.spice] = true, element.name
  return { file = source.card.file, line = source.card.line, own = true,
    text = ".model " .. own .. source.card.text:sub(words.split(source.card.text)[2].to + 1) }
end

-- Gives devices that do not have one yet models of their own; `targets` say which.
local function own_models(self, where, targets)
  local copies = {}
  for _, target in ipairs(targets) do
    local element = target.device and self.circuit.by_name[target.device]
    local card = element and element.element.card
    if element and not card.has_own then
      copies[card] = copy_model(self, where, target.name, element)
    end
  end
  if next(copies) then
    local lines = {}
    for _, card in ipairs(self.lines) do
      lines[#lines + 1] = card
      lines[#lines + 1] = copies[card]
    end
    self.lines = lines
    self:analyse(where)
  end
end

-- ---- parameters of instances --------------------------------------------------------------------

-- The word of an instance's card that gives a parameter, or of its subcircuit's, where it has none.
local function instance_word(instance, field)
  local own = instance.element.assigned[field]
  return own, own or instance.scope.params[field]
end

-- What ngspice can alter of an instance is a .param: "x1.w" becomes one, and the card names it.
local function move_to_param(self, instance, field, own, given)
  local card = instance.element.card
  local moved = given.text:match "^{([%w_]+)}$"
  if own and card.moved and card.moved[field] == moved then
    return moved, false
  end
  local name = ("%s__%s"):format(instance.name:gsub("[^%w_]", "_"), field)
  while self.params[name] do
    name = name .. "_"
  end
  local from, to = own and own.from or #card.text + 1, own and own.to or #card.text
  card.text = ("%s%s{%s}%s"):format(card.text:sub(1, from - 1), own and "" or " " .. field .. "=",
    name, card.text:sub(to + 1))
  card.moved = card.moved or {}
  card.moved[field] = name
  self.lines[#self.lines + 1] = { file = card.file, line = card.line,
    text = (".param %s=%s"):format(name, given.text) }
  return name, true
end

-- ---- patterns -----------------------------------------------------------------------------------

-- A pattern of file names as one of Lua: * and ? stand for what has no dot in it.
local function lua_pattern(glob)
  return "^" .. glob:gsub("[^%w*?]", "%%%0"):gsub("%*", "[^.]*"):gsub("%?", "[^.]") .. "$"
end

--- The elements that a name or a pattern stands for.
function M.elements(self, glob)
  if not glob:find "[*?]" then
    return { self.circuit.by_name[glob] }
  end
  local pattern, list = lua_pattern(glob), {}
  for _, element in ipairs(self.elements) do
    list[#list + 1] = element.name:find(pattern) and element or nil
  end
  return list
end

local function matching_names(names, glob)
  local pattern, list = lua_pattern(glob), {}
  for _, name in ipairs(names) do
    list[#list + 1] = name:find(pattern) and name or nil
  end
  return list
end

-- Values of elements that a pattern names.
local function values_of(self, where, glob)
  local list = {}
  for i, element in ipairs(M.elements(self, glob)) do
    list[i] = value_target(element)
    if not list[i] then
      fail_valueless(where, element)
    end
  end
  return list
end

-- Fields of devices, or parameters of their models, which they then have of their own.
local function fields_of(self, where, glob, field)
  local found = {}
  for _, element in ipairs(M.elements(self, glob)) do
    local target = field_target(element, field)
    if target or element.own_model then
      found[#found + 1] = target or { name = element.name .. "." .. field, device = element.name }
    end
  end
  own_models(self, where, found)
  for i, one in ipairs(found) do
    if one.device then
      found[i] = model_target(self.circuit.by_name[one.device].own_model, field)
      found[i].name = one.name
    end
  end
  return found
end

-- Parameters of models.
local function models_of(self, where, glob, field)
  local list, names = {}, {}
  for name, model in pairs(self.models) do
    names[#names + 1] = model.used and not model.model.card.own and name or nil
  end
  table.sort(names)
  for i, name in ipairs(matching_names(names, glob)) do
    local model = self.models[name]
    if self.shared[model.spice] then
      options.fail(where, "'%s.%s': %s has a model of its own by now, which this would not change: "
        .. "name the devices or the model", name, field, self.shared[model.spice])
    end
    list[i] = model_target(model, field)
    self.moved[model.spice] = list[i].name
  end
  return list
end

-- Parameters of instances of the top level; within subcircuits, a .param would be of several.
local function instances_of(self, where, glob, field)
  local list, pattern = {}, lua_pattern(glob)
  for _, instance in ipairs(self.circuit.instances) do
    local own, given = nil, nil
    if instance.element and instance.name:find(pattern) then
      own, given = instance_word(instance, field)
    end
    if given and instance.parent.element then
      options.fail(where, "'%s.%s': only instances of the top level have parameters that ngspice "
        .. "can alter: name elements within, or a .param", instance.name, field)
    elseif given then
      local name, moved = move_to_param(self, instance, field, own, given)
      list[#list + 1] = { name = instance.name .. "." .. field, param = name }
      if moved then
        self:analyse(where)
      end
    end
  end
  for i, one in ipairs(list) do
    list[i] = param_target(self, one.param)
    list[i].name = one.name
  end
  return list
end

local function params_named(self, glob)
  local list = {}
  for i, name in ipairs(matching_names(self.param_names, glob)) do
    list[i] = param_target(self, name)
  end
  return list
end

--- Check that ngspice's commands take the name of a target as one: in backquotes they execute.
-- @tparam string where opens messages
-- @tparam table target
function M.check_plain(where, target)
  local name = target.target:gsub("%[[%w_]+%]$", "")
  local odd = name:match "[^%w_.:#+/\128-\255-]"
  if odd then
    options.fail(where, "'%s': '%s' means something else in ngspice's commands: rename it",
      shown(target.name), odd)
  end
end

--- All that a name or a pattern stands for: elements, or else fields, models, parameters of
-- instances, .param.
-- @tparam table self a netlist
-- @tparam string where opens messages
-- @tparam string given
-- @treturn table list of targets
-- @raise where there is nothing, with what there is
function M.find(self, where, given)
  local name = words.trim(given:lower())
  local braced = name:match "^{%s*(.-)%s*}$"
  local found = braced and params_named(self, braced) or values_of(self, where, name)
  local owner, field = name:match "^(.+)%.([^.]+)$"
  if owner and not field:find "[*?]" then
    for _, kind in ipairs { fields_of, models_of, instances_of } do
      found = #found > 0 and found or kind(self, where, owner, field)
    end
  end
  found = #found > 0 and found or params_named(self, name)
  if #found == 0 then
    fail_unknown(self, where, name)
  end
  for _, target in ipairs(found) do
    M.check_plain(where, target)
  end
  return found
end

return M
