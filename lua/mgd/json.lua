--- Plain data (tables, strings, numbers, booleans) as text, and back: JSON.
--
-- The same table is always the same text: keys are in order, numbers are exact, integers and floats
-- stay apart (2 and 2.0). Infinities are ±1e999, which is too large for a double wherever it is
-- read. JSON has no nan: here it is that word, which only this module reads. With `strict`, for
-- others to read, both are null.
-- @module mgd.json

local naming = require "mgd.naming"
local options = require "mgd.options"
local exact = require "mgd.text"

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

-- The next character that is no space.
local function peek(s)
  s.at = s.text:find("%S", s.at) or #s.text + 1
  return s.text:sub(s.at, s.at)
end

-- Takes `character`; answers whether it was there.
local function take(s, character)
  local there = peek(s) == character
  s.at = there and s.at + 1 or s.at
  return there
end

-- A code point as UTF-8; halves of pairs, which are no code points, become U+FFFD.
local function utf8_of(code)
  if code >= 0xD800 and code < 0xE000 then
    code = 0xFFFD
  end
  if code < 0x80 then
    return string.char(code)
  elseif code < 0x800 then
    return string.char(0xC0 + math.floor(code / 64), 0x80 + code % 64)
  end
  return string.char(0xE0 + math.floor(code / 4096), 0x80 + math.floor(code / 64) % 64,
    0x80 + code % 64)
end

local function decode_string(s)
  local parts = {}
  s.at = s.at + 1
  while true do
    local stop = s.text:find('["\\]', s.at) or s.damaged(s.at)
    parts[#parts + 1] = s.text:sub(s.at, stop - 1)
    if s.text:sub(stop, stop) == '"' then
      s.at = stop + 1
      return table.concat(parts)
    end
    local letter = s.text:sub(stop + 1, stop + 1)
    local digits = letter == "u" and s.text:match("^%x%x%x%x", stop + 2)
    if letter == "u" then
      parts[#parts + 1] = utf8_of(tonumber(digits or s.damaged(stop), 16))
    else
      parts[#parts + 1] = ESCAPES[letter] or letter:match '^["\\/]$' or s.damaged(stop)
    end
    s.at = stop + (digits and 6 or 2)
  end
end

-- Elements up to `close`, each read by `element`.
local function decode_list(s, close, element)
  s.at, s.depth = s.at + 1, s.depth + 1
  if s.depth > MAX_DEPTH then
    s.damaged(s.at)
  end
  if not take(s, close) then
    repeat
      element()
    until not take(s, ",")
    if not take(s, close) then
      s.damaged(s.at)
    end
  end
  s.depth = s.depth - 1
end

local function decode_array(s)
  local array, n = {}, 0
  decode_list(s, "]", function()
    n = n + 1
    local value = decode_value(s)
    array[n] = value ~= NULL and value or 0 / 0
  end)
  return array
end

local function decode_object(s)
  local object = {}
  decode_list(s, "}", function()
    local key = peek(s) == '"' and decode_string(s) or s.damaged(s.at)
    if not take(s, ":") then
      s.damaged(s.at)
    end
    local value = decode_value(s)
    if value ~= NULL then
      object[key] = value
    end
  end)
  return object
end

local DECODERS = { ['"'] = decode_string, ["["] = decode_array, ["{"] = decode_object }

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
    value = tonumber(word) or s.damaged(s.at)
  end
  s.at = s.at + #word
  return value
end

--- Text as plain data. A null is nan in an array, and no entry in an object.
-- @tparam string text
-- @tparam[opt] function damaged called with the byte where it is no such text; it has to raise
-- @return the value
-- @raise on anything else
function M.decode(text, damaged)
  local s = { text = text, at = 1, depth = 0 }
  s.damaged = damaged or function(at)
    options.fail("mgd.json", "this is no JSON, at byte %d of it", at)
  end
  local value = decode_value(s)
  if peek(s) ~= "" then
    s.damaged(s.at)
  end
  if value == NULL then
    return nil
  end
  return value
end

return naming.module("mgd.json", M)
