--- Netlists of SPICE: read, checked, and asked for what can be trained in them.
-- @module mgd.hardware.spice.netlist

local cards = require "mgd.hardware.spice.cards"
local circuit = require "mgd.hardware.spice.circuit"
local elements = require "mgd.hardware.spice.elements"
local naming = require "mgd.base.naming"
local options = require "mgd.base.options"
local outputs = require "mgd.hardware.spice.outputs"
local words = require "mgd.hardware.spice.words"
local writer = require "mgd.hardware.spice.writer"

local M = {}

local shown = cards.shown

-- Besides what read() returns: `moved`, spice name of a model → what of it was named; `shared`, the
-- same → a device that had it, and has a copy of its own by now.
local Netlist = naming.class "mgd.netlist"

-- ---- reading ------------------------------------------------------------------------------------

-- `.param a = 1 b = {2*a}` of the top level: name → {value =, text =, card =, word =}, and the
-- names in order.
local function params_of(list, root)
  local params, order = {}, {}
  for _, card in ipairs(list) do
    if card.scope == root and card.text:lower():find "^%.param" then
      local assigned, names = words.assignments(words.split(card.text), 2)
      for _, name in ipairs(names) do
        local word = assigned[name]
        if not params[name] then
          order[#order + 1] = name
        end
        params[name] = { value = words.number(word.text), text = word.text, card = card,
          word = word }
      end
    end
  end
  return params, order
end

local function options_of(list)
  local all = {}
  for _, card in ipairs(list) do
    if card.text:lower():find "^%.opt" then
      for name, word in pairs((words.assignments(words.split(card.text), 2))) do
        all[name] = words.number(word.text) or word.text
      end
    end
  end
  return all
end

-- What follows from the cards; again, where some were added.
local function analyse(self, where)
  local flat = circuit.new(where, self.lines)
  self.circuit, self.elements, self.nodes = flat, flat.elements, flat.nodes
  self.models = flat.models
  self.params, self.param_names = params_of(self.lines, flat.root)
  self.options = options_of(self.lines)
end

--- Read a netlist with all that it includes.
-- @tparam string where opens messages
-- @tparam string path
-- @tparam[opt] table opts `allow_control`: take what ngspice would execute as it is
-- @treturn table `path`, `title`, `lines` (cards {text =, file =, line =}), `dropped` (analyses and
--   what is printed of them), `elements` (flattened, {name =, spice =, kind =, value =, model =,
--   nodes =, fields =, waveform =}), `models`, `params` (of the top level), `nodes` (a set),
--   `options`
-- @raise with file and line
function M.read(where, path, opts)
  local lines, title, dropped = cards.read(where, path, opts and opts.allow_control or false)
  local self = setmetatable({ path = path, title = title, lines = lines, dropped = dropped,
    moved = {}, shared = {} }, Netlist)
  analyse(self, where)
  if #self.elements == 0 then
    options.fail(where, "%s: there are no elements in it (its first line is its title)", path)
  end
  return self
end

-- ---- names --------------------------------------------------------------------------------------

local function article(what)
  return (what:find "^[aeiou]" and "an " or "a ") .. what
end

-- The value of an element as a target; nil where it has none.
local function value_target(element)
  local kind = elements.KINDS[element.kind]
  if not kind.value or element.element.behavioural then
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
  if not has(kind.fields, field) and not element.element.assigned[field] then
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
  local fields = {}
  for _, field in ipairs(kind.fields or {}) do
    fields[#fields + 1] = element.name .. "." .. field
  end
  local model = element.own_model
  for field in pairs(model and model.model.assigned or {}) do
    fields[#fields + 1] = element.name .. "." .. field
  end
  table.sort(fields)
  options.fail(where, "'%s' is %s%s and has no value%s", element.name, article(kind.what),
    element.element.behavioural and " with an expression" or "",
    #fields > 0 and ", but " .. table.concat(fields, ", ")
      or ": give it one by a .param in its expression, and name that")
end

local function sorted(map)
  local list = {}
  for name in pairs(map) do
    list[#list + 1] = name
  end
  table.sort(list)
  return list
end

local function element_names(self)
  local list = {}
  for i, element in ipairs(self.elements) do
    list[i] = element.name
  end
  return list
end

-- Nothing has the name: say what is there.
local function fail_unknown(self, where, name)
  local owner, field = name:match "^(.*)%.([^.]+)$"
  local element, model = self.circuit.by_name[owner or ""], self.models[owner or ""]
  if element then
    local known = {}
    for _, one in ipairs(elements.KINDS[element.kind].fields or {}) do
      known[#known + 1] = owner .. "." .. one
    end
    options.fail(where, "'%s': %s is %s and has no '%s'%s", shown(name), owner,
      article(elements.KINDS[element.kind].what), shown(field),
      naming.hint(name, known, "it has", "it has nothing but its value"))
  elseif model then
    options.fail(where, "'%s': no element uses model '%s'", shown(name), owner)
  end
  local known = element_names(self)
  for _, param in ipairs(self.param_names) do
    known[#known + 1] = param
  end
  if owner then
    for _, one in ipairs(sorted(self.models)) do
      known[#known + 1] = one
    end
  end
  options.fail(where, "there is nothing called '%s'%s", shown(name), #known <= 40
    and naming.hint(owner or name, known, "there are", "the netlist is empty")
    or naming.hint(owner or name, known))
end

-- ---- models of their own ------------------------------------------------------------------------

-- A device gets a model of its own: a copy of the card behind its own, which names it.
local function own_model(self, where, name, element)
  local definition, model = element.element, element.own_model
  local source = model.model
  local own = ("%s__%s"):format(source.name, definition.name)
  if source.card.own then
    return false
  elseif definition.model == own then -- by another instance of the same subcircuit
    return true
  elseif self.moved[model.spice] then
    options.fail(where, "'%s' needs a model of %s's own, which '%s' would no longer change: name "
      .. "the devices or the model", name, element.name, self.moved[model.spice])
  elseif source.name ~= definition.model then
    options.fail(where, "'%s': model '%s' is one of several of which ngspice chooses by size: name "
      .. "a field of the device, or one of %s.*", name, definition.model, source.name)
  end
  local card = definition.card
  local list = words.split(source.card.text)
  local copy = { file = source.card.file, line = source.card.line, own = true,
    text = ".model " .. own .. source.card.text:sub(list[2].to + 1) }
  for _, word in ipairs(words.split(card.text)) do
    if word.text == definition.model and word.from > 1 then
      card.text = card.text:sub(1, word.from - 1) .. own .. card.text:sub(word.to + 1)
      break
    end
  end
  for i, line in ipairs(self.lines) do
    if line == card then
      table.insert(self.lines, i + 1, copy)
      break
    end
  end
  definition.model = own
  self.shared[model.spice] = element.name
  return true
end

-- ---- patterns -----------------------------------------------------------------------------------

-- A pattern of file names as one of Lua: * and ? stand for what has no dot in it.
local function lua_pattern(glob)
  return "^" .. glob:gsub("[^%w*?]", "%%%0"):gsub("%*", "[^.]*"):gsub("%?", "[^.]") .. "$"
end

local function matching_elements(self, glob)
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
  for i, element in ipairs(matching_elements(self, glob)) do
    list[i] = value_target(element)
    if not list[i] then
      fail_valueless(where, element)
    end
  end
  return list
end

-- Fields of devices, or parameters of their models, which they then have of their own.
local function fields_of(self, where, glob, field)
  local found, cloned = {}, false
  for _, element in ipairs(matching_elements(self, glob)) do
    local target = field_target(element, field)
    if target then
      found[#found + 1] = target
    elseif element.own_model then
      found[#found + 1] = { name = element.name .. "." .. field, device = element.name }
    end
  end
  for _, one in ipairs(found) do
    local element = one.device and self.circuit.by_name[one.device]
    cloned = element and own_model(self, where, one.name, element) or cloned
  end
  if cloned then
    analyse(self, where)
  end
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

local function params_named(self, glob)
  local list = {}
  for i, name in ipairs(matching_names(self.param_names, glob)) do
    list[i] = param_target(self, name)
  end
  return list
end

-- All that a name or a pattern stands for: elements, then fields, models and .param.
local function find(self, where, given)
  local name = given:lower():match "^%s*(.-)%s*$"
  local braced = name:match "^{%s*(.-)%s*}$"
  local found = braced and params_named(self, braced) or values_of(self, where, name)
  local owner, field = name:match "^(.+)%.([^.]+)$"
  if #found == 0 and owner and not field:find "[*?]" then
    found = fields_of(self, where, owner, field)
    found = #found > 0 and found or models_of(self, where, owner, field)
  end
  found = #found > 0 and found or params_named(self, name)
  if #found == 0 then
    fail_unknown(self, where, name)
  end
  return found
end

-- A list of names, or one.
local function given_names(where, given)
  local list = type(given) == "string" and { given } or given
  if type(list) ~= "table" or naming.kind(list) then
    options.fail(where, "expected a list of names, got %s", options.type_name(given))
  end
  for i = 1, options.length(where, nil, list) do
    if type(list[i]) ~= "string" then
      options.fail(where, "element %d: expected a name, got %s", i, options.type_name(list[i]))
    end
  end
  return list
end

--- What can be trained: values of elements ("r1", "x1.r1"), fields of devices ("m3.w"), parameters
-- of models ("nch.vto"), or of the model that a device then has of its own ("m3.vto"), and .param
-- names ("gain", "{gain}"). `*` and `?` stand for any characters but dots.
-- @tparam string where opens messages
-- @param names a name or pattern, or a list of them
-- @treturn table list, in order, of {name =, kind = "value" | "field" | "model" | "param", target =
--   (as ngspice knows it), value = a number, or nil where ngspice must be asked}
-- @raise on a name that nothing has, on one that is named twice, on an element without a value
function Netlist:parameters(where, names)
  local list, seen = {}, {}
  for _, given in ipairs(given_names(where, names)) do
    for _, target in ipairs(find(self, where, given)) do
      if seen[target.name] then
        options.fail(where, "'%s' is named twice: by '%s' and by '%s'", target.name,
          seen[target.name], given)
      end
      seen[target.name] = given
      list[#list + 1] = target
    end
  end
  return list
end

--- What a key of `spread` or `noise` stands for.
-- @tparam string where opens messages
-- @tparam string pattern
-- @treturn table list as of `parameters`
function Netlist:targets(where, pattern)
  return self:parameters(where, pattern)
end

--- Sources whose DC values are the features.
-- @tparam string where opens messages
-- @param names a name or pattern, or a list of them
-- @treturn table list of {name =, source = (as ngspice knows it), waveform = nil, or "sin" …: a DC
--   value has no effect in a transient then}
-- @raise on what is no independent source, with those that there are
function Netlist:inputs(where, names)
  local list, seen = {}, {}
  for _, given in ipairs(given_names(where, names)) do
    local name = given:lower():match "^%s*(.-)%s*$"
    local found = matching_elements(self, name)
    local sources = {}
    for _, element in ipairs(self.elements) do
      sources[#sources + 1] = (element.kind == "v" or element.kind == "i") and element.name or nil
    end
    if #found == 0 then
      options.fail(where, "there is no source '%s'%s", shown(name), naming.hint(name, sources,
        #sources <= 40 and "there are" or nil, "there are no sources"))
    end
    for _, element in ipairs(found) do
      if element.kind ~= "v" and element.kind ~= "i" then
        options.fail(where, "'%s' is %s: expected a voltage or current source%s", element.name,
          article(elements.KINDS[element.kind].what), naming.hint("", sources, "there are"))
      elseif seen[element.name] then
        options.fail(where, "'%s' is named twice", element.name)
      end
      seen[element.name] = true
      list[#list + 1] = { name = element.name, source = element.spice,
        waveform = element.waveform }
    end
  end
  return list
end

--- Expressions of node voltages and currents: "y", "y1 - y2", "2 * v(y1, y2)", "i(vmeas)".
-- @tparam string where opens messages
-- @param list a string or a list
-- @treturn table list of {name = as given, rpn = "v:y1 v:y2 -", text = as ngspice prints it}
-- @raise on a node or a source that is not there, with what is
function Netlist:outputs(where, list)
  local found = {}
  for i, given in ipairs(given_names(where, list)) do
    found[i] = outputs.parse(where, self, given)
  end
  return found
end

-- ---- text ---------------------------------------------------------------------------------------

--- The netlist for a worker: expanded and checked, without analyses, a title first.
-- @treturn string
function Netlist:worker_text()
  local lines = { "mgd: " .. shown(self.title or "") }
  for _, card in ipairs(self.lines) do
    lines[#lines + 1] = card.text
  end
  return table.concat(lines, "\n") .. "\n"
end

--- The netlist with other values, which plain `ngspice -b` runs.
-- @tparam table opts `values`: name of a parameter → number; `inputs`: name of a source → DC
--   value; `analysis`: "op", or {step =, stop =} for a transient, in s; `outputs`: what of it is
--   printed, a list as of `outputs` (`ngspice -b -r FILE` has all digits); `comment`: a line on top
-- @treturn string
function Netlist:text(opts)
  local where = "netlist:text"
  local changes = {}
  for name, value in pairs(opts.values or {}) do
    changes[#changes + 1] = { find(self, where, name)[1], value }
  end
  for name, value in pairs(opts.inputs or {}) do
    changes[#changes + 1] = { value_target(self.circuit.by_name[name]), value }
  end
  local lines = writer.lines(self, changes)
  table.insert(lines, 1, "* " .. (opts.comment or "written by mgd"))
  table.insert(lines, 1, self.title ~= "" and self.title or "netlist")
  local tran = type(opts.analysis) == "table" and opts.analysis.stop and opts.analysis
  if opts.analysis then
    lines[#lines + 1] = tran and (".tran %.17g %.17g"):format(tran.step, tran.stop) or ".op"
  end
  if opts.outputs then
    local texts = {}
    for i, output in ipairs(self:outputs(where, opts.outputs)) do
      texts[i] = output.text
    end
    lines[#lines + 1] = ".save all"
    lines[#lines + 1] = (".print %s %s"):format(tran and "tran" or "op", table.concat(texts, " "))
  end
  lines[#lines + 1] = ".end"
  return table.concat(lines, "\n") .. "\n"
end

return M
