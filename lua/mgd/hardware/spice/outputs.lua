--- Outputs of a circuit: expressions of node voltages and of currents, checked against what there
-- is, in reverse Polish for the worker and as ngspice prints them.
--
--     y    y1 - y2    v(y1, y2)    2 * (v(out) - 0.5)    i(vmeas)    max(tanh(a), b)
-- @module mgd.hardware.spice.outputs

local cards = require "mgd.hardware.spice.cards"
local elements = require "mgd.hardware.spice.elements"
local options = require "mgd.base.options"
local words = require "mgd.hardware.spice.words"

local M = {}

local MOST_NESTED = 100 -- brackets

-- Functions with the number of their arguments.
local FUNCTIONS = { abs = 1, sqrt = 1, exp = 1, ln = 1, tanh = 1, min = 2, max = 2 }

-- Elements whose current is an unknown of the equations.
local HAS_CURRENT = { v = true, e = true, h = true, l = true }

local function fail(parser, format, ...)
  options.fail(parser.where, "output '%s': %s", cards.shown(parser.text), format:format(...))
end

-- ---- leaves -------------------------------------------------------------------------------------

local function node(parser, name)
  name = name == "gnd" and "0" or name
  if name == "0" then
    return { "0" }, "0"
  elseif not parser.netlist.nodes[name] then
    local nodes = cards.keys(parser.netlist.nodes)
    local source = parser.netlist.circuit.by_name[name]
    fail(parser, "there is no node '%s'%s", name, source and HAS_CURRENT[source.kind]
      and (" (the current of %s is i(%s))"):format(name, name)
      or cards.hint(name, nodes, "there are"))
  end
  return { "v:" .. name }, ("v(%s)"):format(name)
end

local function current(parser, name)
  local element = parser.netlist.circuit.by_name[name]
  if not element then
    local sources = {}
    for _, one in ipairs(parser.netlist.elements) do
      sources[#sources + 1] = HAS_CURRENT[one.kind] and one.name or nil
    end
    fail(parser, "there is no element '%s'%s", name, cards.hint(name, sources, "currents of"))
  elseif not HAS_CURRENT[element.kind] or element.element.behavioural then
    fail(parser, "the current of '%s', a %s, is no unknown of ngspice: put a voltage source of 0 V "
      .. "in series and name that", name, elements.KINDS[element.kind].what)
  end
  return { "i:" .. element.spice }, ("i(%s)"):format(element.spice)
end

-- ---- expressions --------------------------------------------------------------------------------

-- Each returns a list of reverse Polish words, and the expression as ngspice writes it.
local sum

local function next_is(parser, pattern)
  local found = parser.text:match("^%s*(" .. pattern .. ")", parser.at)
  if found then
    parser.at = parser.text:find(found, parser.at, true) + #found
  end
  return found
end

local function close(parser)
  if not next_is(parser, "%)") then
    fail(parser, "')' is missing at character %d", parser.at)
  end
end

local function join(a, b, word)
  for _, one in ipairs(b) do
    a[#a + 1] = one
  end
  a[#a + 1] = word
  return a
end

local function voltage(parser)
  local name = next_is(parser, "[^,()%s]+")
  local rpn, text = node(parser, name or "")
  if next_is(parser, ",") then
    local other, other_text = node(parser, next_is(parser, "[^,()%s]+") or "")
    rpn, text = join(rpn, other, "-"), ("(%s-%s)"):format(text, other_text)
  end
  close(parser)
  return rpn, text
end

local function call(parser, name)
  if name == "v" then
    return voltage(parser)
  elseif name == "i" then
    local rpn, text = current(parser, next_is(parser, "[^,()%s]+") or "")
    close(parser)
    return rpn, text
  end
  local count = FUNCTIONS[name]
  if not count then
    local known = cards.keys(FUNCTIONS)
    known[#known + 1], known[#known + 2] = "v", "i"
    fail(parser, "there is no function '%s'%s", name, cards.hint(name, known, "there are"))
  end
  local rpn, texts = {}, {}
  for i = 1, count do
    if i > 1 and not next_is(parser, ",") then
      fail(parser, "%s takes %d arguments", name, count)
    end
    local own, text = sum(parser)
    join(rpn, own)
    texts[i] = text
  end
  close(parser)
  rpn[#rpn + 1] = name
  return rpn, ("%s(%s)"):format(name, table.concat(texts, ","))
end

local function primary(parser)
  if next_is(parser, "%(") then
    local rpn, text = sum(parser)
    close(parser)
    return rpn, ("(%s)"):format(text)
  end
  local digits = next_is(parser, "%d+%.?%d*[eE][+-]?%d+") or next_is(parser, "%d*%.?%d+%a*")
    or next_is(parser, "%d+%.?%a*")
  if digits then
    local value = words.number(digits)
    local word = ("%.17g"):format(value)
    return { word }, word
  end
  local name = next_is(parser, "[%a_][%w_.#:]*")
  if not name then
    local rest = parser.text:sub(parser.at)
    fail(parser, rest:find "%S" and "expected a node, v(…), i(…) or a number at '%s'"
      or "it ends too early", rest)
  elseif next_is(parser, "%(") then
    return call(parser, name)
  end
  return node(parser, name)
end

local function unary(parser)
  local minus = next_is(parser, "[+-]")
  parser.depth = parser.depth + 1
  if parser.depth > MOST_NESTED then
    fail(parser, "it is nested deeper than %d", MOST_NESTED)
  end
  local rpn, text
  if minus then
    rpn, text = unary(parser)
  else
    rpn, text = primary(parser)
  end
  parser.depth = parser.depth - 1
  if minus == "-" then
    rpn[#rpn + 1], text = "neg", ("(-%s)"):format(text)
  end
  return rpn, text
end

local function chain(parser, operators, operand)
  local rpn, text = operand(parser)
  local operator = next_is(parser, operators)
  while operator do
    local right, right_text = operand(parser)
    rpn, text = join(rpn, right, operator), text .. operator .. right_text
    operator = next_is(parser, operators)
  end
  return rpn, text
end

local function product(parser)
  return chain(parser, "[*/]", unary)
end

function sum(parser)
  return chain(parser, "[+-]", product)
end

--- Parse one output.
-- @tparam string where opens messages
-- @tparam table netlist
-- @tparam string given
-- @treturn table `name` as given, `rpn` (words "v:NODE", "i:SOURCE", numbers and operators), `text`
--   as ngspice prints it
-- @raise on a node or a source that is not there, with what is
function M.parse(where, netlist, given)
  local name = words.trim(given:lower())
  local parser = { where = where, netlist = netlist, text = name, at = 1, depth = 0 }
  local rpn, text
  if name == "" then
    options.fail(where, "an output is empty")
  elseif netlist.nodes[name] and name ~= "0" then -- a name such as "3" or "out+"
    rpn, text = node(parser, name)
  else
    rpn, text = sum(parser)
    local rest = parser.text:sub(parser.at)
    if rest:find "%S" then
      fail(parser, "expected an operator at '%s'", rest)
    end
  end
  return { name = given, rpn = table.concat(rpn, " "), text = text }
end

return M
