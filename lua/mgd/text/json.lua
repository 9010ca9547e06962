--- Plain data (tables, strings, numbers, booleans) as text, and back: JSON.
--
-- The same table is always the same text: keys are in order, numbers are exact, integers and floats
-- stay apart (2 and 2.0). Infinities are ±1e999, which is too large for a double wherever it is
-- read. JSON has no nan: here it is that word, which only this module reads. With `strict`, for
-- others to read, both are null.
-- @module mgd.text.json

local naming = require "mgd.base.naming"
local options = require "mgd.base.options"
local exact = require "mgd.base.encoding"

local M = {}

local MAX_DEPTH = 64

-- ---- writing ------------------------------------------------------------------------------------

local function quote(given)
  return '"' .. exact.utf8(given):gsub('[%c"\\]', function(c)
    return ("\\u%04x"):format(c:byte())
  end) .. '"'
end

local function number_text(value, how)
  if value ~= value or value == math.huge or value == -math.huge then
    local word = value ~= value and "nan" or value > 0 and "1e999" or "-1e999"
    return how.strict and "null" or word
  elseif math.type and math.type(value) == "integer" then
    return exact.number(value)
  end
  local digits = exact.number(value)
  local whole = not digits:find "[.e]"
  return whole and (math.type or digits == "-0") and digits .. ".0" or digits
end

local encode

-- Parts of a table between brackets; indented where the table holds tables.
local function enclosed(open, parts, close, how, depth, nested)
  if not (how.indent and nested) then
    return open .. table.concat(parts, how.indent and ", " or ",") .. close
  end
  local space = "\n" .. (" "):rep(how.indent * depth)
  return open .. space .. table.concat(parts, "," .. space) .. "\n"
    .. (" "):rep(how.indent * (depth - 1)) .. close
end

local function encode_table(value, how, depth)
  local keys, parts, nested = {}, {}, false
  for key, element in pairs(value) do
    keys[#keys + 1] = key
    nested = nested or type(element) == "table"
  end
  if depth > MAX_DEPTH then
    options.fail(how.where, "a table that is deeper than %d cannot be saved", MAX_DEPTH)
  end
  if type(keys[1]) == "number" then
    options.length(how.where, "a table that is saved", value)
    for i, element in ipairs(value) do
      parts[i] = encode(element, how, depth)
    end
    return enclosed("[", parts, "]", how, depth, nested)
  end
  table.sort(keys, function(a, b)
    return tostring(a) < tostring(b)
  end)
  for i, key in ipairs(keys) do
    if type(key) ~= "string" then
      options.fail(how.where, "a table with a %s as key cannot be saved", type(key))
    end
    parts[i] = quote(key) .. (how.indent and ": " or ":") .. encode(value[key], how, depth)
  end
  return enclosed("{", parts, "}", how, depth, nested or how.indent and depth == 1)
end

local ENCODERS = { string = quote, number = number_text, boolean = tostring }

function encode(value, how, depth)
  if type(value) == "table" then
    return encode_table(value, how, depth + 1)
  end
  local encoder = ENCODERS[type(value)]
  if not encoder then
    options.fail(how.where, "a %s cannot be saved", options.type_name(value))
  end
  return encoder(value, how)
end

--- Plain data as text.
-- @param value a table, string, number or boolean; an empty table is an object
-- @tparam[opt] table how `strict` (non-finite numbers are null), `indent` (spaces; one line
--   without), `where` (opens messages)
-- @treturn string
-- @raise on anything else within it
function M.encode(value, how)
  how = how or {}
  return encode(value, {
    strict = how.strict, indent = how.indent, where = how.where or "mgd.json",
  }, 0)
end

-- ---- reading ------------------------------------------------------------------------------------

local WORDS = { -- inf and -inf: older files have them
  ["true"] = true, ["false"] = false, inf = math.huge, ["-inf"] = -math.huge, nan = 0 / 0,
}
local ESCAPES = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }
local NULL = {}

local decode_value

-- Raises, or lets the caller of `decode` raise: what is no JSON, and where.
local function damaged(s, at, why)
  if s.report then
    s.report(at, why)
  end
  options.fail("mgd.json", "this is no JSON, at byte %d of it: %s", at, why)
end

-- The next character that is no space.
local function peek(s)
  s.at = s.text:find("[^ \t\r\n]", s.at) or #s.text + 1
  return s.text:sub(s.at, s.at)
end

-- Takes `character`; returns whether it was there.
local function take(s, character)
  local there = peek(s) == character
  s.at = there and s.at + 1 or s.at
  return there
end

local function need(s, character, after)
  if not take(s, character) then
    damaged(s, s.at, ("expected '%s' after %s"):format(character, after))
  end
end

-- ---- strings ------------------------------------------------------------------------------------

-- A code point as UTF-8.
local function utf8_of(code)
  if code < 0x80 then
    return string.char(code)
  elseif code < 0x800 then
    return string.char(0xC0 + math.floor(code / 64), 0x80 + code % 64)
  elseif code < 0x10000 then
    return string.char(0xE0 + math.floor(code / 4096), 0x80 + math.floor(code / 64) % 64,
      0x80 + code % 64)
  end
  return string.char(0xF0 + math.floor(code / 262144), 0x80 + math.floor(code / 4096) % 64,
    0x80 + math.floor(code / 64) % 64, 0x80 + code % 64)
end

local NO_CHARACTER = 0xFFFD -- what stands for half of a pair, which is none

-- The code point of an escape "\uXXXX" at a place, and its length. Those beyond U+FFFF are written
-- as a pair: a high half (D800 to DBFF) and a low one (DC00 to DFFF).
local function code_at(s, at)
  local digits = s.text:match("^\\u(%x%x%x%x)", at)
    or damaged(s, at, "four hexadecimal digits follow \\u")
  local high = tonumber(digits, 16)
  local low = high >= 0xD800 and high < 0xDC00
    and tonumber(s.text:match("^\\u([dD][c-fC-F]%x%x)", at + 6) or "0", 16) or 0
  if low > 0 then
    return 0x10000 + (high - 0xD800) * 1024 + low - 0xDC00, 12
  end
  return high >= 0xD800 and high < 0xE000 and NO_CHARACTER or high, 6
end

local function decode_string(s)
  local parts, opened = {}, s.at
  s.at = s.at + 1
  while true do
    local stop = s.text:find('[%c"\\]', s.at) or damaged(s, opened, "this text has no end")
    parts[#parts + 1] = s.text:sub(s.at, stop - 1)
    local mark, letter, length = s.text:sub(stop, stop), s.text:sub(stop + 1, stop + 1), 2
    if mark == '"' then
      s.at = stop + 1
      return table.concat(parts)
    elseif mark == "\127" then
      parts[#parts + 1], length = mark, 1
    elseif mark ~= "\\" then
      damaged(s, stop, "a control character in a text is written as an escape, such as \\n")
    elseif letter == "u" then
      local code
      code, length = code_at(s, stop)
      parts[#parts + 1] = utf8_of(code)
    else
      parts[#parts + 1] = ESCAPES[letter] or letter:match '^["\\/]$'
        or damaged(s, stop, "there is no such escape")
    end
    s.at = stop + length
  end
end

-- ---- values -------------------------------------------------------------------------------------

-- Elements up to `close`, each read by `element`.
local function decode_list(s, close, element)
  s.at, s.depth = s.at + 1, s.depth + 1
  if s.depth > MAX_DEPTH then
    damaged(s, s.at, ("it is deeper than %d"):format(MAX_DEPTH))
  end
  if not take(s, close) then
    repeat
      element()
    until not take(s, ",")
    need(s, close, "an element")
  end
  s.depth = s.depth - 1
end

local function decode_array(s)
  local array, n = {}, 0
  decode_list(s, "]", function()
    n = n + 1
    local value = decode_value(s)
    if value == NULL then
      value = 0 / 0
    end
    array[n] = value
  end)
  return array
end

local function decode_object(s)
  local object = {}
  decode_list(s, "}", function()
    if peek(s) ~= '"' then
      damaged(s, s.at, "expected a key in double quotes")
    end
    local at = s.at
    local key = decode_string(s)
    if object[key] ~= nil then
      damaged(s, at, ("the key '%s' stands there twice"):format(key))
    end
    need(s, ":", "a key")
    local value = decode_value(s)
    if value ~= NULL then
      object[key] = value
    end
  end)
  return object
end

local DECODERS = { ['"'] = decode_string, ["["] = decode_array, ["{"] = decode_object }

-- A number as JSON has it: neither hexadecimal nor with a plus, with digits around its point.
local function number_of(word)
  local whole, rest = word:match "^%-?(%d+)(.*)$"
  if not whole or whole:find "^0%d" then
    return nil
  end
  rest = rest:gsub("^%.%d+", "")
  return rest:gsub("^[eE][+-]?%d+", "") == "" and tonumber(word) or nil
end

function decode_value(s)
  local decoder = DECODERS[peek(s)]
  if decoder then
    return decoder(s)
  end
  local word = s.text:match("^[%w.+-]+", s.at) or ""
  local value = WORDS[word]
  if word == "null" then
    value = NULL
  elseif value == nil then
    value = number_of(word) or damaged(s, s.at, word == "" and "expected a value"
      or ("'%s' is neither a number nor true, false or null"):format(word:sub(1, 40)))
  end
  s.at = s.at + #word
  return value
end

--- Text as plain data. A null is nan in an array, and no entry in an object.
-- @tparam string text with or without a byte order mark
-- @tparam[opt] function report called with the byte where it is no such text and what is wrong
--   there, to raise an error of its own
-- @return the value
-- @raise on anything else
function M.decode(text, report)
  local s = { text = text, at = text:find "^\239\187\191" and 4 or 1, depth = 0, report = report }
  local value = decode_value(s)
  if peek(s) ~= "" then
    damaged(s, s.at, "something follows the value")
  end
  if value == NULL then
    return nil
  end
  return value
end

return naming.module("mgd.json", M)
