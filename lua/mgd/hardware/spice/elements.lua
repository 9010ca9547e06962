--- Elements as their cards say: which words are nodes, which the value, the model and the fields.
-- @module mgd.hardware.spice.elements

local cards = require "mgd.hardware.spice.cards"
local words = require "mgd.hardware.spice.words"

local M = {}

local fail, shown = cards.fail, cards.shown

local function list_of(names)
  local list = {}
  for name in names:gmatch "%S+" do
    list[#list + 1] = name
  end
  return list
end

-- What each letter stands for. `nodes`: how many there are; `most`: at most, up to the name of a
-- model; `usual`: where there is no such model. `value`: ngspice's name for the value, where there
-- is one, set by `alter r1 = …`, or by `alter @e1[gain] = …` with `field`. `model`: there must be
-- one. `fields`: what else of a device can be altered.
M.KINDS = {
  a = { what = "code model", model = true },
  b = { what = "behavioural source", nodes = 2 },
  c = { what = "capacitor", nodes = 2, value = "capacitance",
    fields = list_of "ic temp dtemp w l m scale tc1 tc2" },
  d = { what = "diode", nodes = 2, most = 3, model = true,
    fields = list_of "area pj w l m temp dtemp ic" },
  e = { what = "voltage-controlled voltage source", nodes = 4, value = "gain", field = true },
  f = { what = "current-controlled current source", nodes = 2, value = "gain", field = true },
  g = { what = "voltage-controlled current source", nodes = 4, value = "gain", field = true,
    fields = list_of "m" },
  h = { what = "current-controlled voltage source", nodes = 2, value = "gain", field = true },
  i = { what = "current source", nodes = 2, value = "dc", fields = list_of "m" },
  j = { what = "JFET", nodes = 3, model = true, fields = list_of "area m temp dtemp" },
  k = { what = "coupled inductors", nodes = 0, value = "k" },
  l = { what = "inductor", nodes = 2, value = "inductance",
    fields = list_of "ic temp dtemp m scale nt tc1 tc2" },
  m = { what = "MOSFET", nodes = 3, usual = 4, most = 7, model = true,
    fields = list_of "w l m nf ad as pd ps nrd nrs temp dtemp delvto mulu0 sa sb sd" },
  n = { what = "Verilog-A device", model = true },
  o = { what = "lossy line", nodes = 4, model = true },
  p = { what = "coupled lines", nodes = 2, most = 18, model = true, fields = list_of "length" },
  q = { what = "BJT", nodes = 3, most = 5, model = true,
    fields = list_of "area areab areac m temp dtemp" },
  r = { what = "resistor", nodes = 2, value = "resistance",
    fields = list_of "ac temp dtemp w l m scale tc1 tc2" },
  s = { what = "voltage-controlled switch", nodes = 4, model = true },
  t = { what = "line", nodes = 4, fields = list_of "z0 td f nl" },
  u = { what = "RC line", nodes = 3, model = true, fields = list_of "l n" },
  v = { what = "voltage source", nodes = 2, value = "dc" },
  w = { what = "current-controlled switch", nodes = 2, model = true },
  x = { what = "instance of a subcircuit" },
  y = { what = "single lossy line", nodes = 4, model = true, fields = list_of "length" },
  z = { what = "MESFET", nodes = 3, model = true, fields = list_of "area m" },
}

local WAVEFORMS = {}
for _, name in ipairs(list_of "pulse sin exp pwl sffm am") do
  WAVEFORMS[name] = true
end

-- Whether the value depends on the circuit's state: ngspice makes a behavioural source of it.
local function is_behavioural(text)
  return text:find "%f[%w_]v%s*%(" or text:find "%f[%w_]i%s*%(" or text:find "%f[%w_]temper%f[^%w_]"
    or text:find "%f[%w_]hertz%f[^%w_]" or text:find "%f[%w_]time%f[^%w_]"
end

-- How many words stand before the first assignment.
local function count_plain(list)
  for i = 1, #list do
    if list[i].text == "params:" then
      return i - 1
    elseif list[i].text == "=" then
      return i - 2
    end
  end
  return #list
end

local parsers = {}

-- Resistors, capacitors, inductors: a value, a model, or both, in either order.
local function parse_passive(element, list, plain, is_model)
  for i = 4, plain do
    if is_model(list[i].text) then
      element.model = element.model or list[i].text
    elseif list[i].text ~= "ac" then
      element.value = element.value or list[i]
    end
  end
  local given = element.assigned
  element.value = element.value or given.r or given.resistance or given.c or given.cap
    or given.capacitance or given.inductance
  if given.q or is_behavioural(element.card.text:lower():match "^%S+%s+%S+%s+%S+(.*)$" or "") then
    element.value, element.behavioural = nil, true
  end
end

parsers.r, parsers.c, parsers.l = parse_passive, parse_passive, parse_passive

-- Sources: [DC] value, AC with one or two numbers, and a waveform.
local function parse_source(element, list)
  local first = list[4] and list[4].text
  if first and first ~= "ac" and first ~= "dc" and not WAVEFORMS[first]
    and not (list[5] and list[5].text == "=") then
    element.value = list[4]
  end
  for i = 4, #list do
    local name = list[i].text
    element.waveform = element.waveform or WAVEFORMS[name] and name or nil
    if name == "dc" and list[i + 1] then
      element.value = list[i + 1].text == "=" and list[i + 2] or list[i + 1]
    end
  end
  element.zero = not element.value and not element.waveform
end

parsers.v, parsers.i = parse_source, parse_source

local NONLINEAR = { poly = true, table = true, laplace = true }

-- Linear controlled sources have a gain; POLY, TABLE, LAPLACE and expressions have none.
local function parse_controlled(element, list, plain)
  local first, behind = list[4] and list[4].text or "", list[5] and list[5].text or ""
  element.behavioural = NONLINEAR[first] or first:find "^value{" ~= nil
    or (first == "value" or first == "vol" or first == "cur") and behind:find "^[={']" ~= nil
  local named = { vcvs = true, vccs = true, cccs = true, ccvs = true }
  local at = list[4] and named[list[4].text] and 5 or 4
  local control = M.KINDS[element.kind].nodes == 4 and 2 or 1
  if element.behavioural or plain < at + control then
    element.behavioural = true
    return 2
  end
  element.value = list[at + control]
  if control == 2 then
    return { list[2].text, list[3].text, list[at].text, list[at + 1].text }
  end
  element.control = list[at].text
end

parsers.e, parsers.f, parsers.g, parsers.h = parse_controlled, parse_controlled, parse_controlled,
  parse_controlled

function parsers.k(element, list, plain)
  element.value = plain >= 4 and list[plain] or element.assigned.k
end

function parsers.w(element, list)
  element.control = list[4] and list[4].text
  element.model = list[5] and list[5].text
end

-- Diodes, transistors, lines: nodes up to the first word that is the name of a model.
local function parse_device(element, list, _, is_model)
  local kind = M.KINDS[element.kind]
  for i = kind.nodes + 2, (kind.most or kind.nodes) + 2 do
    if list[i] and is_model(list[i].text) then
      element.model = list[i].text
      return i - 2
    end
  end
  local unknown = list[(kind.usual or kind.nodes) + 2]
  element.model = unknown and unknown.text
end

for letter, kind in pairs(M.KINDS) do
  if kind.model and kind.nodes and not parsers[letter] then
    parsers[letter] = parse_device
  end
end

-- Instances, and devices with any number of nodes: the last word is what they are instances of.
local function parse_free(element, list, plain)
  local nodes = {}
  for i = 2, plain - 1 do
    local node = list[i].text:gsub("[%[%]~]", "")
    if node ~= "" and not node:find "^%%" then
      nodes[#nodes + 1] = node
    end
  end
  element.model = plain >= 2 and list[plain].text or nil
  return nodes
end

parsers.a, parsers.n, parsers.x = parse_free, parse_free, parse_free

--- Parse the card of an element.
-- @tparam string where opens messages
-- @tparam table card
-- @tparam function is_model of a name, whether a model of that name can be seen from here
-- @treturn table `name`, `kind` (its letter), `nodes` (as written), `model`, `assigned` (name →
--   word), `value` (a word), `waveform`, `control` (a source), `behavioural`
-- @raise on an unknown letter, and where words are missing
function M.parse(where, card, is_model)
  local list = words.split(card.text)
  local name = list[1].text
  local element = { name = name, kind = name:sub(1, 1), card = card }
  local kind = M.KINDS[element.kind]
  if #name > cards.MOST.name then
    fail(where, card, "'%s': a name has at most %d characters", shown(name), cards.MOST.name)
  elseif not kind then
    fail(where, card, "'%s': no element begins with '%s'", shown(card.text), shown(element.kind))
  end
  local plain = count_plain(list)
  element.assigned = words.assignments(list, 2)
  local parse = parsers[element.kind]
  local nodes = parse and parse(element, list, plain, is_model) or kind.nodes
  if type(nodes) == "number" then
    if #list < nodes + 1 then
      fail(where, card, "'%s': expected %d nodes, as of any %s", shown(card.text), nodes,
        kind.what)
    end
    local all = {}
    for i = 1, nodes do
      all[i] = list[i + 1].text
    end
    nodes = all
  end
  if (kind.model or element.kind == "x") and not element.model then
    fail(where, card, "'%s': the name of its %s is missing", shown(card.text),
      element.kind == "x" and "subcircuit" or "model")
  end
  for i, node in ipairs(nodes) do
    nodes[i] = node == "gnd" and "0" or node
  end
  element.nodes = nodes
  return element
end

return M
