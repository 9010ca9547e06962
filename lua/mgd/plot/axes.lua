--- Ranges and ticks of the axes of a panel.
--
-- `resolve` makes of what was asked for and of the data: `low` and `high` as they are drawn,
-- `label`, and `ticks`, a list of {value, text} with `minor = true` where there is no text.
-- @module mgd.plot.axes

local text = require "mgd.plot.text"

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

local function linear_range(panel, name)
  local low, high = span_of(panel, name)
  if low > high then
    return 0, 1
  elseif low == high then
    local half = low == 0 and 1 or 0.1 * math.abs(low)
    return low - half, high + half
  end
  local margin = margin_of(panel, name) * (high - low)
  local from, to = low - margin, high + margin
  if name == "y" and low >= 0 and low < 0.3 * high then
    from = 0 -- a small foot is not cut off
  end
  return from, to
end

local function log_range(panel, name)
  local low, high = span_of(panel, name)
  if low > high then
    return 0.1, 10
  elseif low == high then
    return low / 2, high * 2
  end
  local factor = (high / low) ^ margin_of(panel, name)
  return low / factor, high * factor
end

-- ---- ticks --------------------------------------------------------------------------------------

local function log10(value)
  return math.log(value) / math.log(10)
end

local function with_minus(digits)
  return (digits:gsub("^%-", "−"))
end

-- Thousands apart where numbers of five digits stand on the axis.
local function thousands(digits, apart)
  local sign, head, tail = digits:match "^(%-?)(%d+)(.*)$"
  if apart then
    head = head:reverse():gsub("(%d%d%d)", "%1,"):reverse():gsub("^,", "")
  end
  return with_minus(sign .. head .. tail)
end

-- 1, 2 or 5 times a power of ten, so that about `count` ticks fit.
local function distance_of(span, count)
  local raw = span / count
  local power = 10 ^ math.floor(log10(raw))
  for _, factor in ipairs { 1, 2, 5 } do
    if factor * power >= raw * 0.8 then
      return factor * power
    end
  end
  return 10 * power
end

-- m·10^e, or 10^e where m is 1.
local function power_text(mantissa, exponent)
  local power = ("10^{%s}"):format(with_minus(("%d"):format(exponent)))
  return mantissa == "1" and power or with_minus(mantissa) .. "·" .. power
end

local function linear_ticks(low, high, count, least)
  local distance = math.max(distance_of(high - low, count), least or 0)
  local most = math.max(math.abs(low), math.abs(high))
  local exponent = (most >= 1e6 or most < 1e-3) and math.floor(log10(most) + 1e-9) or nil
  local unit = exponent and 10 ^ exponent or 1
  local places = math.max(0, -math.floor(log10(distance / unit) + 1e-9)) + 0 -- LuaJIT: never −0
  local ticks = {}
  for k = math.ceil(low / distance - 1e-9), math.floor(high / distance + 1e-9) do
    local digits = ("%." .. places .. "f"):format(k * distance / unit)
    local label = k == 0 and "0" or exponent and power_text(digits, exponent)
      or thousands(digits, most >= 1e4)
    ticks[#ticks + 1] = { k * distance, label }
  end
  return ticks
end

local function plain_number(value, most)
  return thousands(("%.10g"):format(value), most >= 1e4)
end

-- Decades, some left out where there are many; those between are minor.
local function decades(first, last, count)
  local step, ticks = math.ceil((last - first + 1) / count), {}
  local plain = first >= -3 and last <= 4
  for k = first - 1, last do
    local value, named = 10.0 ^ k, k % step == 0
    if k >= first then
      ticks[#ticks + 1] = { value, not named and "" or plain and plain_number(value, 10.0 ^ last)
        or power_text("1", k), minor = not named or nil }
    end
    for factor = 2, step == 1 and 9 or 1 do
      ticks[#ticks + 1] = { factor * value, "", minor = true }
    end
  end
  return ticks
end

-- Ticks at 1 … 9 times powers of ten; those at `factors` are named. And how many these are.
local function within_decades(low, high, factors)
  local ticks, named = {}, 0
  for k = math.floor(log10(low)), math.floor(log10(high) + 1e-9) do
    for factor = 1, 9 do
      local value, major, far = factor * 10.0 ^ k, factors[factor], k < -3 or k > 5
      local label = not major and "" or far and power_text(("%d"):format(factor), k)
        or plain_number(value, high)
      ticks[#ticks + 1] = { value, label, minor = not major or nil }
      named = named + (major and value >= low * 0.999999 and value <= high * 1.000001 and 1 or 0)
    end
  end
  return ticks, named
end

local function log_ticks(low, high, count)
  local first, last = math.ceil(log10(low) - 1e-9), math.floor(log10(high) + 1e-9)
  if last - first >= 2 then
    return decades(first, last, count)
  end
  local ticks, named = within_decades(low, high, { true, true, [5] = true })
  if named > count + 2 then
    ticks = within_decades(low, high, { true, [3] = true })
  end
  return named >= 2 and ticks or linear_ticks(low, high, count)
end

local function inside(ticks, low, high)
  local list, slack = {}, 1e-9 * (high - low)
  for _, tick in ipairs(ticks) do
    if tick[1] >= low - slack and tick[1] <= high + slack then
      list[#list + 1] = tick
    end
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

local function label_of(panel, name)
  local axis = panel[name]
  local label = axis.label or derived(panel, name)
  return axis.unit and (label and ("%s (%s)"):format(label, axis.unit) or axis.unit) or label
end

-- ---- all of it ----------------------------------------------------------------------------------

-- Texts of categories; numbers are thinned so that they fit.
local function category_ticks(names, name, pixels)
  local longest, numeric, ticks = 0, true, {}
  for _, label in ipairs(names) do
    longest = math.max(longest, text.length(label))
    numeric = numeric and tonumber(label) ~= nil
  end
  local room = name == "y" and 18 or numeric and 7 * longest + 12 or 24
  local step = math.ceil(#names * room / pixels)
  for i = 1, #names, step do
    ticks[#ticks + 1] = { i, names[i] }
  end
  return ticks
end

--- An axis as it is drawn.
-- @tparam table panel
-- @tparam string name "x" or "y"
-- @tparam number pixels along it
-- @treturn table `low`, `high`, `log`, `label`, `ticks`, `categories`
function M.resolve(panel, name, pixels)
  local axis = panel[name]
  local names = name == "x" and panel.categories or panel.series[1].kind == "heat"
    and panel.series[1][name]
  if names then
    return { low = 0.5, high = #names + 0.5, categories = true, label = label_of(panel, name),
      ticks = axis.ticks or category_ticks(names, name, pixels) }
  end
  local low, high = (axis.log and log_range or linear_range)(panel, name)
  if axis.range then
    low, high = axis.range[1], axis.range[2]
  end
  local count = math.max(2, math.min(8, pixels / (name == "x" and 85 or 50)))
  local ticks = axis.ticks or (axis.log and log_ticks or linear_ticks)(low, high, count,
    least_of(panel, name))
  return { low = low, high = high, log = axis.log, label = label_of(panel, name),
    ticks = inside(ticks, low, high) }
end

--- Where a value lies between the ends of an axis, from 0 to 1.
function M.fraction(axis, value)
  return axis.log and math.log(value / axis.low) / math.log(axis.high / axis.low)
    or (value - axis.low) / (axis.high - axis.low)
end

--- The colours of a heat map.
-- @tparam table s the series
-- @tparam number pixels along the scale
-- @treturn table as of an axis
function M.colours(s, pixels)
  local low, high = math.huge, -math.huge
  for _, row in ipairs(s.z) do
    for _, value in ipairs(row) do
      if finite(value) and not (s.log and value <= 0) then
        low, high = math.min(low, value), math.max(high, value)
      end
    end
  end
  if s.range then
    low, high = s.range[1], s.range[2]
  elseif low == high then
    low, high = s.log and low / 2 or low - 0.5, s.log and high * 2 or high + 0.5
  end
  local ticks = (s.log and log_ticks or linear_ticks)(low, high, math.max(2, pixels / 40))
  local label = s.label or "value"
  return { low = low, high = high, log = s.log, ticks = inside(ticks, low, high),
    label = s.unit and ("%s (%s)"):format(label, s.unit) or label }
end

return M
