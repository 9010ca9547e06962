--- Ticks of an axis: lists of {value, text}, with `minor = true` where there is no text.
-- @module mgd.plot.ticks

local exact = require("mgd.base.encoding").number

local M = {}

local LARGEST_POWER = 1e308

local function log10(value)
  return math.log(value) / math.log(10)
end

local function floor_log10(value)
  return math.floor(log10(value) + 1e-9)
end

-- ---- texts --------------------------------------------------------------------------------------

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

-- m·10^e, or 10^e where m is 1.
local function power_text(mantissa, exponent)
  local power = ("10^{%s}"):format(with_minus(("%d"):format(exponent)))
  return mantissa == "1" and power or with_minus(mantissa) .. "·" .. power
end

--- A number as it stands on an axis, with all its digits.
-- @tparam number value
-- @tparam[opt] number most the largest of the axis
-- @treturn string
function M.text(value, most)
  local digits = exact(value)
  local mantissa, exponent = digits:match "^(.-)e(.+)$"
  return mantissa and power_text(mantissa, tonumber(exponent))
    or thousands(digits, (most or math.abs(value)) >= 1e4)
end

-- ---- linear -------------------------------------------------------------------------------------

-- 1, 2 or 5 times a power of ten, so that about `count` ticks fit.
local function distance_of(low, high, count)
  local raw = high / count - low / count
  local power = 10 ^ math.floor(log10(raw))
  for _, factor in ipairs { 1, 2, 5 } do
    if factor * power >= raw * 0.8 then
      return math.min(factor * power, LARGEST_POWER)
    end
  end
  return math.min(10 * power, LARGEST_POWER)
end

local MOST_DIGITS = 6

-- What ticks are counted from: 0, or a short number in the middle where else texts would need many
-- digits to differ.
local function base_of(low, high, distance)
  local most = math.max(math.abs(low), math.abs(high))
  if floor_log10(most) - floor_log10(distance) < MOST_DIGITS then
    return 0
  end
  local middle = low / 2 + high / 2
  local digits = floor_log10(math.abs(middle)) - math.ceil(log10(high - low))
  return tonumber(("%%.%de"):format(math.max(0, digits)):format(middle))
end

--- Of a linear axis.
-- @tparam number low
-- @tparam number high
-- @tparam number count about how many
-- @tparam[opt=0] number least their distance at least
-- @treturn table ticks
-- @treturn number what their texts leave out: 0, or a base that the values are counted from
function M.linear(low, high, count, least)
  local distance = math.max(distance_of(low, high, count), least or 0)
  local base = base_of(low, high, distance)
  local from, to = low - base, high - base
  local most = math.max(math.abs(from), math.abs(to))
  local exponent = (most >= 1e6 or most < 1e-3) and floor_log10(most) or nil
  local unit = exponent and 10 ^ exponent or 1
  local places = math.max(0, -floor_log10(distance / unit)) + 0 -- no −0
  local ticks = {}
  for k = math.ceil(from / distance - 1e-9), math.floor(to / distance + 1e-9) do
    local digits = ("%%.%df"):format(places):format(k * distance / unit)
    local label = k == 0 and "0" or exponent and power_text(digits, exponent)
      or thousands(digits, most >= 1e4)
    ticks[#ticks + 1] = { base + k * distance, label }
  end
  return ticks, base
end

-- ---- logarithmic --------------------------------------------------------------------------------

-- As it is read, which powers of floats may miss.
local function decimal(factor, exponent)
  return tonumber(("%de%d"):format(factor, exponent))
end

local MOST_UNNAMED = 10 -- decades between two that are named

-- Decades, some left out where there are many; those between are minor.
local function decades(first, last, count)
  local step, ticks = math.ceil((last - first + 1) / count), {}
  if step > MOST_UNNAMED then
    step = step <= 20 and 20 or step <= 50 and 50 or step <= 100 and 100 or 200
  end
  local plain = first >= -3 and last <= 4
  for k = first - 1, last do
    local value, named = decimal(1, k), k % step == 0
    if k >= first and (named or step <= MOST_UNNAMED) then
      ticks[#ticks + 1] = { value, not named and "" or plain and M.text(value, decimal(1, last))
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
  for k = math.floor(log10(low)), floor_log10(high) do
    for factor = 1, 9 do
      local value, major, far = decimal(factor, k), factors[factor], k < -3 or k > 5
      local label = not major and "" or far and power_text(("%d"):format(factor), k)
        or M.text(value, high)
      ticks[#ticks + 1] = { value, label, minor = not major or nil }
      named = named + (major and value >= low * 0.999999 and value <= high * 1.000001 and 1 or 0)
    end
  end
  return ticks, named
end

--- Of a logarithmic axis.
-- @tparam number low
-- @tparam number high
-- @tparam number count about how many
-- @treturn table ticks
-- @treturn number as of `linear`
function M.log(low, high, count)
  local first, last = math.ceil(log10(low) - 1e-9), floor_log10(high)
  if last - first >= 2 then
    return decades(first, last, count), 0
  end
  local ticks, named = within_decades(low, high, { true, true, [5] = true })
  if named > count + 2 then
    ticks = within_decades(low, high, { true, [3] = true })
  end
  if named >= 2 then
    return ticks, 0
  end
  return M.linear(low, high, count)
end

return M
