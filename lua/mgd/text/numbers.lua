--- Figures for people: numbers with their units, short enough for a line.
-- @module mgd.text.numbers

local M = {}

local PREFIXES = { { 1e12, "T" }, { 1e9, "G" }, { 1e6, "M" }, { 1e3, "k" }, { 1, "" },
                   { 1e-3, "m" }, { 1e-6, "µ" }, { 1e-9, "n" }, { 1e-12, "p" }, { 1e-15, "f" } }

--- With the prefix of a power of thousand: 4.2e-8, "J" → "42 nJ".
function M.si(value, unit)
  if value ~= value then
    return "not known"
  end
  local size = math.abs(value)
  for _, prefix in ipairs(PREFIXES) do
    if size >= prefix[1] * 0.9995 and size < math.huge then
      return ("%.3g %s%s"):format(value / prefix[1], prefix[2], unit)
    end
  end
  return ("%s %s"):format(M.number(value, 3), unit)
end

local LONG = { { 86400, "days" }, { 3600, "h" }, { 60, "min" } }

--- Seconds as a person says them: "42 ns", "3.1 min", "12 days".
function M.duration(seconds)
  for _, unit in ipairs(LONG) do
    if seconds >= unit[1] * (unit[1] == 60 and 2 or 1) and seconds < math.huge then
      return ("%.3g %s"):format(seconds / unit[1], unit[2])
    end
  end
  return M.si(seconds, "s")
end

--- A number with so many digits, which is not read back; an infinite one, such as a time to what
-- was not reached, is ∞, wherever people read it.
-- @tparam number value
-- @tparam[opt=6] integer digits
-- @treturn string
function M.number(value, digits)
  if value == math.huge or value == -math.huge then
    return value > 0 and "∞" or "−∞"
  end
  return value ~= value and "nan" or ("%." .. (digits or 6) .. "g"):format(value)
end

--- A count with its thousands apart, "1,250,000"; from 10¹² on "1.25e+12", fractions "0.83".
function M.count(n)
  if n ~= n then
    return "not known"
  elseif n >= 1e12 or n < 1e4 and n % 1 ~= 0 then
    return M.number(n, 3)
  end
  local digits = ("%.0f"):format(n)
  local head, rest = digits:match "^(%d%d?%d?)(.*)$"
  while #rest % 3 ~= 0 do
    head, rest = digits:sub(1, #head - 1), digits:sub(#head)
  end
  return head .. rest:gsub("(%d%d%d)", ",%1")
end

--- How many columns of a terminal a text takes: its letters, combining marks left out.
function M.width(text)
  return select(2, text:gsub("\204[\128-\191]", ""):gsub("[^\128-\191]", ""))
end

--- The text with spaces before it, up to `width` columns.
function M.right(text, width)
  return (" "):rep(width - M.width(text)) .. text
end

--- The text with spaces after it.
function M.left(text, width)
  return text .. (" "):rep(width - M.width(text))
end

return M
