--- Ranges and ticks of the axes of a panel.
--
-- `resolve` makes of what was asked for and of the data: `low` and `high` as they are drawn,
-- `label`, and `ticks`, a list of {value, text} with `minor = true` where there is no text.
-- @module mgd.plot.axes

local text = require "mgd.plot.text"
local ticks = require "mgd.plot.ticks"

local M = {}

local finite = text.finite

-- ---- spans --------------------------------------------------------------------------------------

-- Lists of the values of a series along an axis.
local LISTS = {}

function LISTS.line(s, name)
  local foot = s.style == "bars" and { 0 } or {}
  return name == "x" and { s.x } or { s.y, s.low or {}, s.high or {}, foot }
end

function LISTS.histogram(s, name)
  return { name == "y" and s.y or s.edges, name == "y" and { 0 } or {} }
end

function LISTS.box(s, name)
  local lists = {}
  for i, box in ipairs(s.boxes) do
    lists[2 * i - 1] = name == "y" and { box.low, box.high } or { i }
    lists[2 * i] = name == "y" and box.beyond or {}
  end
  return lists
end

function LISTS.heat()
  return {}
end

function LISTS.mark(s, name)
  return { { s[name] } }
end

local function span_of(panel, name)
  local low, high = math.huge, -math.huge
  for _, s in ipairs(panel.series) do
    for _, list in ipairs(LISTS[s.kind](s, name)) do
      for _, value in ipairs(list) do
        if finite(value) and not (panel[name].log and value <= 0) then
          low, high = math.min(low, value), math.max(high, value)
        end
      end
    end
  end
  return low, high
end

-- Lines may end at the frame; points and bars are whole.
local function margin_of(panel, name)
  local margin = name == "y" and 0.04 or 0
  for _, s in ipairs(panel.series) do
    local lines = s.kind == "mark" or s.style == "line" or s.style == "dashed" or s.style == "steps"
    margin = math.max(margin, lines and 0 or 0.025)
  end
  return margin
end

local LARGEST, SMALLEST = 1.7976931348623157e308, 5e-324
local TINY = 1e-300 -- below it numbers have fewer and fewer digits

-- The ends of an axis, apart as far as its digits tell them apart.
local function widened(low, high, log)
  local least = 2e-14 * math.max(math.abs(low), math.abs(high))
  if log then
    high = math.max(high, TINY)
  else
    least = math.max(least, TINY)
  end
  if high - low >= least then
    return low, high
  end
  local middle = low / 2 + high / 2
  return math.max(-LARGEST, middle - least / 2), math.min(LARGEST, middle + least / 2)
end

local function linear_range(panel, name)
  local low, high = span_of(panel, name)
  if low > high then
    return 0, 1
  elseif low == high then
    local half = low == 0 and 1 or 0.1 * math.abs(low)
    return math.max(-LARGEST, low - half), math.min(LARGEST, high + half)
  end
  local share = margin_of(panel, name)
  local margin = share * high - share * low
  local from, to = math.max(-LARGEST, low - margin), math.min(LARGEST, high + margin)
  if name == "y" and low >= 0 and low < 0.3 * high then
    from = 0 -- a small foot is not cut off
  end
  return from, to
end

local function log_range(panel, name)
  local low, high = span_of(panel, name)
  local factor = 2
  if low > high then
    return 0.1, 10
  elseif low < high then
    factor = math.exp((math.log(high) - math.log(low)) * margin_of(panel, name))
  end
  return math.max(SMALLEST, low / factor), math.min(LARGEST, high * factor)
end

-- ---- places -------------------------------------------------------------------------------------

local FAR = 1000 -- lengths of the axis, beyond which it does not matter how far away a value is

local function position(axis, value)
  if axis.log then
    local low = math.log(axis.low)
    return value <= 0 and -math.huge or (math.log(value) - low) / (math.log(axis.high) - low)
  end
  local span = axis.high - axis.low
  if span < math.huge then
    return (value - axis.low) / span
  end
  return (value / 2 - axis.low / 2) / (axis.high / 2 - axis.low / 2)
end

--- Where a value lies between the ends of an axis, from 0 to 1; what lies far beyond is as far as
-- pictures can tell. Infinities lie there, too; nan stays nan.
function M.fraction(axis, value)
  local at = position(axis, value)
  return at ~= at and at or math.max(-FAR, math.min(FAR, at))
end

local function inside(given, axis)
  local list = {}
  for _, tick in ipairs(given) do
    local at = M.fraction(axis, tick[1])
    list[#list + 1] = at >= -1e-9 and at <= 1 + 1e-9 and tick or nil
  end
  return list
end

-- ---- labels -------------------------------------------------------------------------------------

local function whole(list)
  for i, value in ipairs(list) do
    if not finite(value) or value < 0 or value ~= math.floor(value)
      or i > 1 and value <= list[i - 1] then
      return false
    end
  end
  return true
end

-- The least distance of ticks: 1 where all values are whole, such as steps.
local function least_of(panel, name)
  for _, s in ipairs(panel.series) do
    if name ~= "x" or panel.x.range or s.kind ~= "line" or not whole(s.x) then
      return 0
    end
  end
  return 1
end

-- Of an axis that was given no label: what its values are likely to be.
local function derived(panel, name)
  local first = panel.series[1]
  if first.kind == "heat" then
    return name == "x" and "column" or "row"
  elseif first.kind == "histogram" then
    return name == "y" and "count" or first.label or "value"
  elseif first.kind == "box" or panel.categories then
    return name == "y" and (#panel.series == 1 and first.label or "value") or nil
  elseif name == "x" then
    return first.x and first.kind == "line" and whole(first.x) and "step" or "value"
  end
  return #panel.series == 1 and first.label or "value"
end

-- The label, what the texts of ticks leave out, and the unit.
local function label_of(label, unit, base)
  if base ~= 0 then
    label = ("%s %s %s"):format(label or "value", base > 0 and "−" or "+",
      ticks.text(math.abs(base)))
  end
  return unit and (label and ("%s (%s)"):format(label, unit) or unit) or label
end

-- ---- all of it ----------------------------------------------------------------------------------

-- Texts of categories; numbers are thinned so that they fit.
local function category_ticks(names, name, pixels)
  local longest, numeric, list = 0, true, {}
  for _, label in ipairs(names) do
    longest = math.max(longest, text.length(label))
    numeric = numeric and tonumber(label) ~= nil
  end
  local room = name == "y" and 18 or numeric and 7 * longest + 12 or 24
  local step = math.ceil(#names * room / pixels)
  for i = 1, #names, step do
    list[#list + 1] = { i, names[i] }
  end
  return list
end

local MOST_LETTERS = 32 -- of the text of a tick

-- Ticks between the ends of an axis, and its label.
local function complete(axis, given, count, least, label, unit)
  local list, base = given, 0
  if not given then
    list, base = (axis.log and ticks.log or ticks.linear)(axis.low, axis.high, count, least)
  end
  axis.ticks, axis.label = inside(list, axis), label_of(label, unit, base)
  for i, tick in ipairs(axis.ticks) do
    axis.ticks[i] = { tick[1], text.short(tick[2], MOST_LETTERS), minor = tick.minor }
  end
  return axis
end

--- An axis as it is drawn.
-- @tparam table panel
-- @tparam string name "x" or "y"
-- @tparam number pixels along it
-- @treturn table `low`, `high`, `log`, `label`, `ticks`, `categories`
function M.resolve(panel, name, pixels)
  local given = panel[name]
  local label = given.label or derived(panel, name)
  local names = name == "x" and panel.categories or panel.series[1].kind == "heat"
    and panel.series[1].names[name]
  if names then
    return complete({ low = 0.5, high = #names + 0.5, categories = true },
      given.ticks or category_ticks(names, name, pixels), nil, nil, label, given.unit)
  end
  local axis = { log = given.log }
  if given.range then
    axis.low, axis.high = widened(given.range[1], given.range[2], given.log)
  else
    local low, high = (given.log and log_range or linear_range)(panel, name)
    axis.low, axis.high = widened(low, high, given.log)
  end
  local count = math.max(2, math.min(8, pixels / (name == "x" and 85 or 50)))
  return complete(axis, given.ticks, count, least_of(panel, name), label, given.unit)
end

--- The lowest and the highest value of a map that has a colour.
function M.span_of_map(s)
  local low, high = math.huge, -math.huge
  for _, row in ipairs(s.z) do
    for _, value in ipairs(row) do
      if finite(value) and not (s.log and value <= 0) then
        low, high = math.min(low, value), math.max(high, value)
      end
    end
  end
  return low, high
end

--- The colours of a heat map.
-- @tparam table s the series
-- @tparam number pixels along the scale
-- @treturn table as of an axis
function M.colours(s, pixels)
  local low, high = M.span_of_map(s)
  if s.range then
    low, high = s.range[1], s.range[2]
  elseif low > high then -- a logarithm of zeros: nothing has a colour
    return { low = 0.1, high = 10, log = s.log, ticks = {} }
  elseif low == high then
    local half = math.max(0.5, 1e-3 * math.abs(low))
    low, high = s.log and math.max(SMALLEST, low / 2) or math.max(-LARGEST, low - half),
      math.min(LARGEST, s.log and high * 2 or high + half)
  end
  local axis = { log = s.log }
  axis.low, axis.high = widened(low, high, s.log)
  return complete(axis, nil, math.max(2, pixels / 40), nil, s.label or "value", s.unit)
end

return M
