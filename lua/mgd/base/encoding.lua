--- What is written for machines: numbers that keep their value, and UTF-8 that every reader takes.
-- @module mgd.base.encoding

local M = {}

--- A number as the shorter of 15 and 17 digits that reads back as the same number, whatever the
-- locale; `inf`, `-inf` and `nan` where it is not finite. Hashes are made of these texts.
-- @tparam number value
-- @treturn string
function M.number(value)
  if value ~= value then
    return "nan"
  elseif value == math.huge or value == -math.huge then
    return value > 0 and "inf" or "-inf"
  elseif math.type and math.type(value) == "integer" then
    return ("%d"):format(value)
  end
  local brief = ("%.15g"):format(value)
  return ((tonumber(brief) == value and brief or ("%.17g"):format(value)):gsub(",", "."))
end

--- A value as people read it who may type it again: a number as above, nil as `none`, all else as
-- tostring has it.
-- @param value
-- @tparam[opt="nil"] string none
-- @treturn string
function M.value(value, none)
  if type(value) == "number" then
    return M.number(value)
  end
  return value == nil and none or tostring(value)
end

-- ---- UTF-8 --------------------------------------------------------------------------------------

local REPLACEMENT = "\239\191\189" -- U+FFFD

local TAIL = "[\128-\191]"

-- Well-formed characters of several bytes (table 3-7 of the Unicode standard).
local WELL_FORMED = {
  "^[\194-\223]" .. TAIL,
  "^\224[\160-\191]" .. TAIL,
  "^[\225-\236\238\239]" .. TAIL .. TAIL,
  "^\237[\128-\159]" .. TAIL,
  "^\240[\144-\191]" .. TAIL .. TAIL,
  "^[\241-\243]" .. TAIL .. TAIL .. TAIL,
  "^\244[\128-\143]" .. TAIL .. TAIL,
}

local function character_at(bytes, at)
  for _, pattern in ipairs(WELL_FORMED) do
    local first, last = bytes:find(pattern, at)
    if first then
      return bytes:sub(first, last)
    end
  end
end

-- A byte as Latin-1 has it; controls, which no text means, are replaced.
local function latin1(byte)
  return byte < 160 and REPLACEMENT or byte < 192 and "\194" .. string.char(byte)
    or "\195" .. string.char(byte - 64)
end

local function mended(bytes)
  local parts, at = {}, 1
  while at <= #bytes do
    local character = character_at(bytes, at)
    parts[#parts + 1] = character or latin1(bytes:byte(at))
    at = at + (character and #character or 1)
  end
  return table.concat(parts)
end

--- Bytes as UTF-8: what is well-formed stays, a byte that belongs to no character is read as
-- Latin-1, in which instruments of old write µ and °.
-- @tparam string bytes
-- @treturn string
function M.utf8(bytes)
  return (bytes:gsub("[\128-\255]+", mended))
end

--- The same for a page or a picture: characters that XML forbids become U+FFFD.
-- @tparam string bytes
-- @treturn string
function M.xml(bytes)
  return (M.utf8(bytes):gsub("[%z\1-\8\11\12\14-\31\127]", REPLACEMENT)
    :gsub("\239\191[\190\191]", REPLACEMENT))
end

return M
