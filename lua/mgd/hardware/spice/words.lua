--- Words and numbers of SPICE's cards, as ngspice reads them.
-- @module mgd.hardware.spice.words

local M = {}

-- Powers of ten behind a number; what follows them is a unit, and ignored ("10uF", "5Volts").
local POWERS = { t = 12, g = 9, k = 3, m = -3, u = -6, n = -9, p = -12, f = -15, a = -18 }
local MIL = 25.4e-6 -- a thousandth of an inch, in m

local CLOSING = { ["{"] = "}", ["'"] = "'", ['"'] = '"' }

--- A text without blanks at its ends. (One pattern for both ends takes quadratic time.)
-- @tparam string text
-- @treturn string
function M.trim(text)
  local from = text:find "%S"
  return from and text:sub(from):match "^.*%S" or ""
end

--- A number as SPICE writes it: 1k, 2.2meg, 10uF, 1mil, -3e-4; also within braces or quotes.
-- @tparam string text
-- @treturn number|nil nil where it is an expression, a name or no number
function M.number(text)
  text = M.trim(text:lower())
  text = M.trim(text:match "^{(.*)}$" or text:match "^'(.*)'$" or text)
  local digits, rest = text:match "^([+-]?%d*%.?%d*)(.*)$"
  if not digits:find "%d" then
    return nil
  end
  local exponent, behind = rest:match "^[ed]([+-]?%d+)(.*)$"
  local unit = behind or rest
  if not unit:find "^%a*%%?$" then
    return nil
  end
  local power = unit:find "^meg" and 6 or not unit:find "^mil" and POWERS[unit:sub(1, 1)] or 0
  local value = tonumber(("%se%d"):format(digits, math.max(-999, math.min(999,
    tonumber(exponent or 0) + power))))
  return unit:find "^mil" and value * MIL or value
end

-- Where the group that opens at `at` ends: braces nest, quotes do not.
local function group_end(text, at)
  local open = text:sub(at, at)
  local close = CLOSING[open]
  if open ~= "{" then
    return text:find(close, at + 1, true) or #text
  end
  local depth, i = 0, at
  while i do
    depth = depth + (text:sub(i, i) == "{" and 1 or -1)
    if depth == 0 then
      return i
    end
    i = text:find("[{}]", i + 1)
  end
  return #text
end

-- Where the word that begins at `from` ends.
local function word_end(text, from)
  local at = text:find("[%s,()={'\"]", from)
  while at and CLOSING[text:sub(at, at)] do
    at = text:find("[%s,()={'\"]", group_end(text, at) + 1)
  end
  return at and at - 1 or #text
end

--- The words of a card. Blanks, commas and parentheses part them; what stands in braces or quotes
-- is one, and so is each "=".
-- @tparam string text
-- @treturn table list of {text =, from =, to =}, places in the text; lower case
function M.split(text)
  local list, lower = {}, text:lower()
  local from = text:find "[^%s,()]"
  while from do
    local to = lower:sub(from, from) == "=" and from or word_end(lower, from)
    list[#list + 1] = { text = lower:sub(from, to), from = from, to = to }
    from = lower:find("[^%s,()]", to + 1)
  end
  return list
end

--- What a card assigns: name = value, from word `first` on.
-- @tparam table list of words
-- @tparam integer first
-- @treturn table name → word of the value
-- @treturn table the names, in order
function M.assignments(list, first)
  local values, names = {}, {}
  for i = first, #list - 2 do
    if list[i + 1].text == "=" and list[i].text ~= "=" and list[i + 2].text ~= "=" then
      local name = list[i].text
      if not values[name] then
        names[#names + 1] = name
      end
      values[name] = list[i + 2]
    end
  end
  return values, names
end

return M
