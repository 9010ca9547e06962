--- Parts: the layers of a network that have parameters, in the order of θ, and how options name
-- them: by name, by number, or several at once by the name of a layer that they are in.
-- @module mgd.networks.parts

local grid = require "mgd.text.grid"
local naming = require "mgd.base.naming"
local numbers = require "mgd.text.numbers"
local options = require "mgd.base.options"
local record = require "mgd.text.record"

local M = {}

local part_of = record.kind("mgd.part", { "outputs" })
local Parts = naming.class "mgd.parts"

-- ---- making -------------------------------------------------------------------------------------

local STEMS = { conv2d = "conv" } -- of names that nobody gave; others are called as their kind is

--- The parts of a network; layers without a name get one, `conv1`, `conv2`, `dense1`.
-- @tparam table flat layers as layers.compile lists them
-- @tparam table labels name → the layer that has it, for messages; as that, too
-- @tparam table figures what the core knows of the parts
-- @treturn parts
-- @raise where a layer would get a name that another has
function M.make(flat, labels, figures)
  local list, counts = {}, {}
  for number, figure in ipairs(figures) do
    local layer = flat[figure.layer]
    local stem = STEMS[layer.kind] or layer.kind
    counts[stem] = (counts[stem] or 0) + 1
    local name = layer.called or stem .. counts[stem]
    if not layer.called and labels[name] then
      options.fail("network", "%s is called '%s', the name of %s, which got none: names in a "
        .. "network are unique", labels[name], name, layer.name)
    end
    list[number] = part_of { name = name, number = number, kind = layer.kind,
      within = layer.within, outputs = layer.outputs, first = figure.first,
      parameters = figure.parameters, nodes = figure.nodes, dead = figure.dead }
  end
  return setmetatable(list, Parts)
end

local COLUMNS = { "first", "parameters", "nodes", "dead" }

--- A line for each.
function Parts:__tostring()
  local rows = { { "", "name", "kind", (table.unpack or unpack)(COLUMNS) } }
  for i, part in ipairs(self) do
    rows[i + 1] = { ("%d"):format(i), part.name, part.kind }
    for _, column in ipairs(COLUMNS) do
      table.insert(rows[i + 1], numbers.number(part[column]))
    end
  end
  return table.concat(grid.lines(rows, { right = { true, false, false, true, true, true, true } }),
    "\n")
end

-- ---- finding ------------------------------------------------------------------------------------

--- The parts of a chip's network.
-- @tparam string where opens messages
-- @tparam network|nil net
-- @treturn parts
-- @raise where there is none
function M.of(where, net)
  if not net then
    options.fail(where, "no layers are known here: this chip is a function of θ")
  end
  return net:parts()
end

local function names_of(list)
  local names, seen = {}, {}
  for _, part in ipairs(list) do
    names[#names + 1] = part.name
    for _, name in ipairs(part.within) do
      names[#names + 1] = not seen[name] and name or nil
      seen[name] = true
    end
  end
  return names
end

local function fail_unknown(where, list, given)
  if type(given) == "number" then
    options.fail(where, "layer %s: the network has %d with parameters (%s)", numbers.number(given),
      #list, table.concat(names_of(list), ", "))
  elseif type(given) ~= "string" then
    options.fail(where, "expected the name or the number of a layer, got %s",
      options.type_name(given))
  end
  options.fail(where, "no layer with parameters is called '%s'%s", given,
    naming.hint(given, names_of(list), "layers"))
end

-- Those of a list that a name or a number means.
local function meant(where, list, given)
  local found = {}
  for _, part in ipairs(list) do
    local here = part.number == given or part.name == given
    for _, name in ipairs(part.within) do
      here = here or name == given
    end
    found[#found + 1] = here and part or nil
  end
  if #found == 0 then
    fail_unknown(where, list, given)
  end
  return found
end

--- The parts that an option names.
-- @tparam string where opens messages, as in "mgd.train: learn"
-- @tparam network|nil net
-- @param given the name or the number of a layer, or a list of them; the name of a residual or of
--   branches means all layers in it
-- @treturn table list of parts, in the order of θ
-- @raise on what is no layer with parameters, with a suggestion, and on one that is named twice
function M.find(where, net, given)
  local list, chosen, found = M.of(where, net), {}, {}
  if type(given) == "table" then
    options.length(where, nil, given)
  end
  for _, entry in ipairs(type(given) == "table" and given or { given }) do
    for _, part in ipairs(meant(where, list, entry)) do
      if chosen[part.number] then
        options.fail(where, "layer '%s' is named twice", part.name)
      end
      chosen[part.number] = true
    end
  end
  for _, part in ipairs(list) do
    found[#found + 1] = chosen[part.number] and part or nil
  end
  return found
end

--- A value for each part of an option that says them by layer.
-- @tparam string where opens messages
-- @tparam network|nil net
-- @tparam table given a list of values, one for each part; or values by name, {conv1 = 0.1}
-- @param otherwise the value of layers that are not named
-- @treturn table list of values, in the order of θ
-- @raise on a list of another length, on unknown names, and on layers that are named twice
function M.values(where, net, given, otherwise)
  local list, values, said = M.of(where, net), {}, {}
  if type(next(given)) ~= "string" then
    if options.length(where, nil, given) ~= #list then
      options.fail(where, "%d numbers: expected %d, one for each layer with parameters (%s)",
        #given, #list, table.concat(names_of(list), ", "))
    end
    return given
  end
  for name, value in pairs(given) do
    for _, part in ipairs(meant(where, list, name)) do
      if said[part.number] then
        options.fail(where, "layer '%s' is named twice", part.name)
      end
      said[part.number], values[part.number] = true, value
    end
  end
  for number = 1, #list do
    if not said[number] then
      values[number] = otherwise
    end
  end
  return values
end

return M
