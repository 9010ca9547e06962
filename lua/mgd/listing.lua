--- Lists of tables that print as a table: one line each, under the names of the columns.
-- @module mgd.listing

local figures = require "mgd.figures"

local Listing = {}
Listing.__index = Listing

local MOST = 40 -- lines that are shown

local function shown(value)
  if value ~= value then
    return "–"
  elseif type(value) == "number" then
    return figures.number(value)
  end
  return value == nil and "–" or tostring(value)
end

-- Characters, where bytes would set columns askew.
local function width_of(text)
  return select(2, text:gsub("[^\128-\191]", ""))
end

local function lines_of(list, columns)
  local cells, widths = { columns }, {}
  for i = 1, math.min(#list, MOST) do
    cells[i + 1] = {}
    for c, name in ipairs(columns) do
      cells[i + 1][c] = shown(list[i][name])
    end
  end
  for c in ipairs(columns) do
    widths[c] = 0
    for _, row in ipairs(cells) do
      widths[c] = math.max(widths[c], width_of(row[c]))
    end
  end
  local lines = {}
  for i, row in ipairs(cells) do
    local parts = {}
    for c, text in ipairs(row) do
      local space = (" "):rep(widths[c] - width_of(text))
      local entry = list[math.max(i - 1, 1)] -- names stand as the first line's values do
      parts[c] = entry and type(entry[columns[c]]) == "number" and space .. text or text .. space
    end
    lines[i] = (table.concat(parts, "  "):gsub("%s+$", ""))
  end
  return lines
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
-- @treturn table the list
return function(list, columns)
  columns_of[list] = columns
  return setmetatable(list, Listing)
end
