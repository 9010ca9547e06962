--- Lists of tables that print as a table: one line each, under the names of the columns.
-- @module mgd.text.listing

local grid = require "mgd.text.grid"
local numbers = require "mgd.text.numbers"
local record = require "mgd.text.record"

local Listing = {}
Listing.__index = Listing

local MOST = 40 -- lines that are shown

local function shown(value)
  if value ~= value then
    return "–"
  elseif type(value) == "number" then
    return numbers.number(value)
  end
  return (record.brief(value):gsub("%s*[\n\t]%s*", " "))
end

local function lines_of(list, columns)
  local rows, right = { columns }, {}
  for i = 1, math.min(#list, MOST) do
    rows[i + 1] = {}
    for c, name in ipairs(columns) do
      rows[i + 1][c] = shown(list[i][name])
      right[c] = right[c] or type(list[i][name]) == "number"
    end
  end
  return grid.lines(rows, { right = right })
end

local columns_of = setmetatable({}, { __mode = "k" })

function Listing:__tostring()
  local columns = columns_of[self]
  if #self == 0 then
    return "nothing: " .. table.concat(columns, ", ")
  end
  local lines = lines_of(self, columns)
  if #self > MOST then
    lines[#lines + 1] = ("… and %d more"):format(#self - MOST)
  end
  return table.concat(lines, "\n")
end

--- Make a list print as a table.
-- @tparam table list of tables
-- @tparam table columns names, in order
-- @tparam[opt] string name "mgd.store.run": what an entry is called, which prints then, too
-- @treturn table the list
return function(list, columns, name)
  local entry_of = name and record.kind(name, columns)
  for _, entry in ipairs(entry_of and list or {}) do
    entry_of(entry)
  end
  columns_of[list] = columns
  return setmetatable(list, Listing)
end
