--- Circuits: cards sorted into subcircuits, and their elements flattened as ngspice flattens them.
--
-- A card of a subcircuit is parsed once; its copies in the instances share what was parsed. Names
-- follow ngspice: resistor r1 in instance x2 of instance x1 is `r.x1.x2.r1` there and `x1.x2.r1`
-- to people, the nodes of its subcircuit are `x1.x2.n`, a model `m` of it is `x1.x2:m`. ngspice
-- expands a subcircuit that is defined within another before that one, and then each once more:
-- the same resistor is `r.x1.r.x2.r1` where the subcircuit of x2 is defined within that of x1.
-- @module mgd.hardware.spice.circuit

local cards = require "mgd.hardware.spice.cards"
local elements = require "mgd.hardware.spice.elements"
local words = require "mgd.hardware.spice.words"

local M = {}

local fail, shown = cards.fail, cards.shown

local MOST = cards.MOST

-- ---- subcircuits --------------------------------------------------------------------------------

local function new_scope(name, parent, card)
  return { name = name, parent = parent, card = card, ports = {}, cards = {}, elements = {},
    models = {}, sizes = {}, inner = {}, depth = 0 }
end

local function open_scope(where, scope, card)
  local list = words.split(card.text)
  if not list[2] then
    fail(where, card, "'%s': the name of the subcircuit is missing", shown(card.text))
  end
  local inner = new_scope(list[2].text, scope, card)
  inner.depth, inner.params = scope.depth + 1, words.assignments(list, 3)
  if inner.depth > MOST.subcircuits then
    fail(where, card, "subcircuits are defined within each other deeper than %d", MOST.subcircuits)
  end
  for i = 3, #list do
    local behind = list[i + 1] and list[i + 1].text
    if list[i].text:find "^%a+:$" or behind == "=" then -- params: or, of PSpice, optional:
      break
    end
    inner.ports[#inner.ports + 1] = list[i].text
  end
  if scope.inner[inner.name] and not card.conditional then
    local other = scope.inner[inner.name].card
    fail(where, card, "there are two subcircuits '%s': the other one is at %s:%d", inner.name,
      other.file, other.line)
  end
  scope.inner[inner.name] = inner
  return inner
end

local function add_model(where, scope, card)
  local list = words.split(card.text)
  if not list[3] then
    fail(where, card, "'%s': expected .model NAME KIND (…)", shown(card.text))
  end
  local name = list[2].text
  local kind = list[3].text
  scope.models[name] = scope.models[name] or { name = name, kind = kind, card = card, scope = scope,
    assigned = words.assignments(list, 4) }
  local base = name:match "^(.+)%.%d+$"
  if base then
    scope.sizes[base] = scope.sizes[base] or scope.models[name]
  end
end

-- Words of the names that `.global` gives.
local function add_globals(globals, card)
  local list = words.split(card.text)
  for i = 2, #list do
    globals[list[i].text] = true
  end
end

local CLOSING = { [".ends"] = true, [".eom"] = true }
local OPENING = { [".subckt"] = true, [".macro"] = true }

-- Which subcircuit each card belongs to: sets `card.scope`, `card.opens` of .subckt, and
-- `card.conditional` between .if and .endif.
local function sort_cards(where, list)
  local root, globals, depth = new_scope(nil, nil, nil), { ["0"] = true }, 0
  local scope = root
  for _, card in ipairs(list) do
    local word = card.text:lower():match "^[^%s(]+"
    depth = depth + (word == ".if" and 1 or word == ".endif" and -1 or 0)
    card.scope, card.conditional = scope, depth > 0
    if card.control then
      card.scope = root
    elseif OPENING[word] then
      card.opens = open_scope(where, scope, card)
      scope = card.opens
    elseif CLOSING[word] then
      if scope == root then
        fail(where, card, "%s without .subckt", word)
      end
      card.scope, scope = scope.parent, scope.parent
    elseif word == ".model" then
      add_model(where, scope, card)
    elseif word == ".global" then
      add_globals(globals, card)
    elseif not word:find "^%." then
      scope.cards[#scope.cards + 1] = card
    end
  end
  if scope ~= root then
    fail(where, scope.card, "subcircuit '%s' has no .ends", scope.name)
  elseif depth ~= 0 and #list > 0 then
    fail(where, list[#list], "the netlist ends between .if and .endif")
  end
  return root, globals
end

-- A name, looked up in the map `which` of a scope and of those around it.
local function visible(scope, which, name)
  while scope do
    if scope[which][name] then
      return scope[which][name]
    end
    scope = scope.parent
  end
end

-- Transistors of many sizes have models NAME.1, NAME.2, … of which ngspice chooses one.
local function visible_model(scope, name)
  return visible(scope, "models", name) or visible(scope, "sizes", name)
end

local function parse_elements(where, scope)
  local seen = {}
  local function is_model(name)
    return visible_model(scope, name) ~= nil
  end
  for _, card in ipairs(scope.cards) do
    local element = elements.parse(where, card, is_model)
    local other = seen[element.name]
    if not other then
      element.conditional, seen[element.name] = card.conditional, element
      scope.elements[#scope.elements + 1] = element
    elseif not (card.conditional and other.conditional) then
      fail(where, card, "there are two elements '%s': the other one is at %s:%d", element.name,
        other.card.file, other.card.line)
    end
  end
  for _, inner in pairs(scope.inner) do
    parse_elements(where, inner)
  end
end

-- ---- flattening ---------------------------------------------------------------------------------

-- The names in the map `which` of a scope and of those around it.
local function visible_names(scope, which)
  local list = {}
  while scope do
    for name in pairs(scope[which]) do
      list[#list + 1] = name
    end
    scope = scope.parent
  end
  table.sort(list)
  return list
end

-- The subcircuit that an instance is of.
local function definition_of(where, instance, element)
  local found = visible(instance.scope, "inner", element.model)
  if not found then
    fail(where, element.card, "%s: there is no subcircuit '%s'%s", element.name,
      shown(element.model), cards.hint(element.model, visible_names(instance.scope, "inner"),
        "there are", "there are none"))
  elseif #found.ports ~= #element.nodes then
    fail(where, element.card, "%s has %d nodes, its subcircuit '%s' has %d: %s", element.name,
      #element.nodes, found.name, #found.ports, table.concat(found.ports, " "))
  end
  return found
end

-- The instance whose subcircuit holds a definition: where its models are found.
local function holder_of(instance, scope)
  while instance.scope ~= scope do
    instance = instance.outer
  end
  return instance
end

local function actual_node(flat, instance, node)
  local name = flat.globals[node] and node or instance.nodes[node] or instance.prefix .. node
  flat.nodes[name] = true
  return name
end

-- ngspice's name for what is called `name` in an instance: each expansion puts a word in front.
local function spice_name(instance, name, format)
  while instance.outer do
    name = format:format(instance.name:sub(#instance.outer.prefix + 1), name)
    instance = instance.outer
  end
  return name
end

local function flat_model(flat, instance, name)
  local found = visible_model(instance.scope, name)
  if not found then
    return nil
  end
  local prefix = holder_of(instance, found.scope).prefix
  local model = flat.models[prefix .. found.name]
  model.used = true
  return model
end

local function add_element(where, flat, instance, element)
  local model = element.model and flat_model(flat, instance, element.model)
  if element.model and not model then
    fail(where, element.card, "%s: there is no model '%s'%s", element.name, shown(element.model),
      cards.hint(element.model, visible_names(instance.scope, "models"), "there are",
        "there are none"))
  end
  local nodes = {}
  for i, node in ipairs(element.nodes) do
    nodes[i] = actual_node(flat, instance, node)
  end
  local fields = {}
  for name, word in pairs(element.conditional and {} or element.assigned) do
    fields[name] = words.number(word.text)
  end
  local value = element.value and words.number(element.value.text) or element.zero and 0
  local prefix = instance.prefix
  local added = { name = prefix .. element.name, kind = element.kind, nodes = nodes,
    spice = spice_name(instance, element.name, element.kind .. ".%s.%s"),
    value = not element.conditional and value or nil,
    fields = fields, waveform = element.waveform, element = element, instance = instance }
  added.model, added.own_model = model and model.spice, model
  flat.elements[#flat.elements + 1] = added
  flat.by_name[added.name] = added
end

local expand

local function expand_instance(where, flat, instance, element)
  local scope = definition_of(where, instance, element)
  local name = instance.prefix .. element.name
  local inner = { scope = scope, element = element, prefix = name .. ".", name = name,
    parent = instance, depth = instance.depth + 1, nodes = {} }
  local around = instance
  while around do
    if around.scope == scope then
      fail(where, element.card, "%s: subcircuit '%s' contains itself", element.name, scope.name)
    end
    around = around.parent
  end
  if inner.depth > MOST.subcircuits then
    fail(where, element.card, "subcircuits are nested deeper than %d", MOST.subcircuits)
  end
  for i, port in ipairs(scope.ports) do
    inner.nodes[port] = actual_node(flat, instance, element.nodes[i])
  end
  inner.outer = holder_of(instance, scope.parent)
  expand(where, flat, inner)
end

function expand(where, flat, instance)
  flat.instances[#flat.instances + 1] = instance
  for name, model in pairs(instance.scope.models) do
    local full = instance.prefix .. name
    flat.models[full] = { name = full, kind = model.kind, model = model, instance = instance,
      spice = spice_name(instance, name, "%s:%s") }
  end
  for _, element in ipairs(instance.scope.elements) do
    if element.kind == "x" then
      expand_instance(where, flat, instance, element)
    else
      add_element(where, flat, instance, element)
    end
    flat.count = flat.count + 1
    if flat.count > MOST.elements then
      fail(where, element.card, "the netlist has more than %d elements", MOST.elements)
    end
  end
end

--- The circuit that cards describe.
-- @tparam string where opens messages
-- @tparam table list of cards; their fields `scope` and `conditional` are set
-- @treturn table `root` (the scope of the top level), `elements` (flattened, in order), `by_name`,
--   `models` (name → {name =, kind =, spice =, model =, used =}), `nodes` (set), `instances`
-- @raise with file and line
function M.new(where, list)
  local root, globals = sort_cards(where, list)
  parse_elements(where, root)
  local flat = { root = root, globals = globals, elements = {}, by_name = {}, models = {},
    nodes = {}, instances = {}, count = 0 }
  expand(where, flat, { scope = root, prefix = "", depth = 0, nodes = {} })
  return flat
end

return M
