--- Texts of a figure as gnuplot takes them.
--
-- `τ_θ`, `x_{max}` and `10^4` are set with subscripts and superscripts where a single letter or a
-- number carries them; everything else is shown as it was written, `learning_rate` with its line.
-- @module mgd.plot.text

local exact = require "mgd.base.encoding"

local M = {}

M.number = exact.number

local LETTER = "[%z\1-\127\194-\244][\128-\191]*"

-- As they are in a figure: on one line, in UTF-8.
local function clean(text)
  return (exact.xml(text):gsub("%c", " "))
end

--- A text as a string of gnuplot's: what might mean something to it (quotes, macros, backquotes,
-- which run a command) is written by its number.
function M.quoted(text)
  return '"' .. clean(text):gsub("[^%w \128-\255]", function(c)
    return ("\\0%03o"):format(c:byte()) -- four digits belong to a leading 0
  end) .. '"'
end

--- A text at a tick, which gnuplot takes as a format.
function M.tick(text)
  return M.quoted((text:gsub("%%", "%%%%")))
end

--- A text that is no longer than so many letters.
function M.short(text, most)
  text = clean(text)
  if select(2, text:gsub("[^\128-\191]", "")) <= most then
    return text
  end
  local count, cut = 0, #text
  for at in text:gmatch "()[%z\1-\127\194-\244]" do
    count = count + 1
    if count == most then
      cut = at - 1
      break
    end
  end
  return text:sub(1, cut) .. "…"
end

function M.finite(value)
  return value == value and math.abs(value) < math.huge
end

--- Letters of a text, which is about how wide it is; marks of sub- and superscripts left out.
function M.length(text)
  return select(2, text:gsub("[_^{}]", ""):gsub("[^\128-\191]", ""))
end

local function escaped(text)
  return (text:gsub("[\\{}^_@&~]", "\\%0"))
end

-- The script that opens at `at`, a mark: what stands in braces, a letter, or digits with a sign.
local function script_at(text, at)
  local braced, after = text:match("^{([^{}]+)}()", at + 1)
  if braced then
    return braced, after
  end
  local digits, behind = text:match("^(%-?%d+)()", at + 1)
  if digits then
    return digits, behind
  end
  local letter, next_at = text:match("^(" .. LETTER .. ")()", at + 1)
  if letter and letter:find "[%a\128-\255]" and not text:find("^[%w_]", next_at) then
    return letter, next_at
  end
end

-- Whether what ends before `at` is one letter, or a number: `learning_rate` has no subscript.
local function carries(text, at)
  local before = text:sub(1, at - 1)
  return before:find "%f[%w][%w]$" ~= nil or before:find "%f[%d]%d+$" ~= nil
    or before:find "[\194-\244][\128-\191]+$" ~= nil
end

--- For gnuplot's enhanced text.
function M.enhanced(text)
  text = clean(text)
  local parts, from = {}, 1
  while true do
    local at = text:find("[_^]", from)
    if not at then
      break
    end
    local script, after = nil, nil
    if carries(text, at) then
      script, after = script_at(text, at)
    end
    parts[#parts + 1] = escaped(text:sub(from, at - 1))
    parts[#parts + 1] = script and text:sub(at, at) .. "{" .. escaped(script) .. "}"
      or escaped(text:sub(at, at))
    from = after or at + 1
    if script and text:find("^ ", from) then -- which some viewers of SVG drop
      parts[#parts + 1], from = "\194\160", from + 1
    end
  end
  parts[#parts + 1] = escaped(text:sub(from))
  return table.concat(parts)
end

return M
