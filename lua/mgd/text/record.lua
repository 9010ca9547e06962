--- Named values that come out of a run or a study: plain tables that print, a value on each line,
-- and whose misspelt names raise. `pairs`, JSON and copies see the values alone.
-- @module mgd.text.record

local core = require "mgd.core"
local grid = require "mgd.text.grid"
local naming = require "mgd.base.naming"
local numbers = require "mgd.text.numbers"

local record = {}

local FEW = 6 -- elements of a list that are shown

local brief

-- The elements of a list, then what has a name, in order.
local function inside(value, depth)
  local parts, names = {}, {}
  for i = 1, math.min(#value, FEW) do
    parts[i] = brief(value[i], depth + 1)
  end
  if #value > FEW then
    parts[#parts + 1] = ("… %d in all"):format(#value)
  end
  for name in next, value do
    names[#names + 1] = type(name) == "string" and name or nil
  end
  table.sort(names)
  for i, name in ipairs(names) do
    if i > 2 * FEW then
      parts[#parts + 1] = "…"
      break
    end
    parts[#parts + 1] = ("%s = %s"):format(name, brief(rawget(value, name), depth + 1))
  end
  return "{" .. table.concat(parts, ", ") .. "}"
end

--- A value in one line.
-- @param value anything
-- @tparam[opt=0] integer depth of tables around it
-- @treturn string
function brief(value, depth)
  depth = depth or 0
  local meta = getmetatable(value)
  if value == nil then
    return "–"
  elseif type(value) == "number" then
    return numbers.number(value)
  elseif type(value) == "table" and (not meta or not meta.__tostring or meta.__is_record) then
    return depth < 2 and inside(value, depth) or "{…}"
  end
  local text = tostring(value)
  return type(value) == "table" and text:match "^[^\n]*" or (text:gsub("%s*\n%s*", " "))
end

record.brief = brief

-- A line for each name, values cut where they do not fit.
local function text_of(noun, fields)
  local rows, names = {}, {}
  for name, value in next, fields do
    names[#names + 1] = type(name) == "string" and type(value) ~= "function" and name or nil
  end
  table.sort(names)
  local width = 0
  for _, name in ipairs(names) do
    width = math.max(width, numbers.width(name))
  end
  local room = math.max(8, grid.columns() - width - 4)
  for i, name in ipairs(names) do
    rows[i] = ("  %s  %s"):format(numbers.left(name, width),
      grid.cut(brief(rawget(fields, name)), room))
  end
  return noun .. (#rows > 0 and "\n" .. table.concat(rows, "\n") or ": nothing")
end

--- What a session shows of a value that Lua itself shows as an address: how a function of the
-- library is called, and what is in a plain table.
-- @param value anything
-- @treturn string|nil nil where nothing is known
function record.show(value)
  if type(value) ~= "table" or getmetatable(value) ~= nil or next(value) == nil then
    return naming.function_text(value)
  elseif #value > 0 or type(next(value)) ~= "string" then
    return grid.cut(brief(value), 4 * grid.columns())
  end
  return text_of("table", value)
end

core.set_show(record.show)

--- Make a kind of records.
-- @tparam string name "mgd.counters": prints as "counters", and opens messages
-- @tparam[opt] table optional names of fields that may be nil
-- @treturn function(fields) → the same table, which is such a record now
function record.kind(name, optional)
  local class = naming.class(name, optional, nil, true)
  class.__is_record = true
  local noun = name:match "[^.]+$"
  function class:__tostring()
    return text_of(noun, self)
  end
  return function(fields)
    return setmetatable(fields, class)
  end
end

local List = { __is_record = true }

function List:__tostring()
  local lines = {}
  for i = 1, #self do
    lines[i] = grid.cut(("%3d  %s"):format(i, brief(self[i])), grid.columns())
  end
  return #lines > 0 and table.concat(lines, "\n") or "nothing"
end

--- Make a list print as its elements, one on each line.
-- @tparam table list
-- @treturn table the list
function record.list(list)
  return setmetatable(list, List)
end

return record
