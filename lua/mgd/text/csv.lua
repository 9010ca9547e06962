--- Tables as text, as spreadsheets and other programs write them: RFC 4180, and what is usual
-- beside it. The one reader and the one writer of such files.
--
-- Cells that are read are separated by `,`, `;` or tabs, as the line of names says by what it has
-- outside of quotes, or a first line `sep=;` by itself. A cell in quotes may hold separators, line
-- breaks and doubled quotes. Lines end as they like; empty ones, rows without any text, and
-- comments (`#`) are left out. Where the comma separates nothing, numbers may have decimal commas.
-- @module mgd.text.csv

local encoding = require "mgd.base.encoding"
local files = require "mgd.base.files"
local options = require "mgd.base.options"

local M = {}

local Table = {}
Table.__index = Table

-- ---- reading ------------------------------------------------------------------------------------

-- The cell whose quote opens at `open`: its text, and the place behind it.
local function quoted_cell(s, open)
  local at, parts = open, {}
  repeat
    local stop = s.text:find('"', at + 1, true)
    if not stop then
      options.fail(s.where, "%s:%d: a quote is opened and never closed", s.path, s:line(open))
    end
    parts[#parts + 1] = s.text:sub(at + 1, stop - 1)
    at = stop + 1 -- where another quote means one of the text
  until s.text:sub(at, at) ~= '"'
  return table.concat(parts, '"'), at
end

-- One cell: its text, and the place of what ends it (a separator, a line break, the end).
local function cell_at(s, at)
  local open = s.text:match('^[ \t]*()"', at)
  local tab_first = s.separator == "\t" and open and s.text:sub(at, open):find("\t", 1, true)
  local stop = s.text:find("[" .. s.separator .. "\n]", at) or #s.text + 1
  if not open or tab_first then
    return s.text:sub(at, stop - 1):match "^%s*(.-)%s*$", stop
  end
  local text, after = quoted_cell(s, open)
  stop = s.text:find("[" .. s.separator .. "\n]", after) or #s.text + 1
  local rest = s.text:sub(after, stop - 1)
  if rest:find "%S" then
    options.fail(s.where, "%s:%d: '%s' follows a closing quote: a quote within quotes is written "
      .. "twice", s.path, s:line(after), rest:match "^%s*(.-)%s*$")
  end
  return text:match "^%s*(.-)%s*$", stop
end

-- The row that begins at `at`, and where the next one does.
local function row_at(s, at)
  local row, filled = { line = s:line(at) }, false
  repeat
    local text, stop = cell_at(s, at)
    row[#row + 1] = text
    filled = filled or text ~= ""
    at = stop + 1
  until s.text:sub(stop, stop) ~= s.separator
  return filled and row, at
end

-- The separator that the line of names has most of, outside of quotes.
local function separator_of(text, at)
  local head = text:sub(at):gsub('"[^"]*"', ""):match "[^\n]*"
  local best, most = ",", 0
  for _, separator in ipairs { ",", ";", "\t" } do
    local _, count = head:gsub(separator, "")
    if count > most then
      best, most = separator, count
    end
  end
  return best
end

-- The number of the line at a place. Places only grow, so that each line is counted once.
local function line(s, at)
  for _ in s.text:sub(s.counted, at - 1):gmatch "\n" do
    s.lines = s.lines + 1
  end
  s.counted = math.max(s.counted, at)
  return s.lines
end

-- Where the line of names begins, behind empty lines and comments; the end where there is none.
local function first_row(text, at)
  repeat
    local before = at
    at = text:match("^%s*()", at)
    at = text:match("^#[^\n]*()", at) or at
  until at == before
  return at
end

--- Read a file.
-- @tparam string where opens messages
-- @tparam string path
-- @treturn table a list of rows, each a list of its cells with `line`, its number; the first has
--   the names. `t:number(text)` reads a number of it.
-- @raise on a file that cannot be read or is no such table, naming the line
function M.read(where, path)
  local text = files.read(where, path):gsub("\r\n?", "\n")
  local s = { where = where, path = path, text = text, line = line, lines = 1, counted = 1 }
  local named, after = text:match "^[sS][eE][pP]=([,;\t])[ \t]*\n()"
  local at = first_row(text, after or 1)
  s.separator = named or separator_of(text, at)
  local rows = { separator = s.separator }
  while at <= #text do
    local row
    if text:find("^%s*#", at) then
      at = text:match("^[^\n]*\n?()", at)
    else
      row, at = row_at(s, at)
    end
    rows[#rows + 1] = row or nil
  end
  return setmetatable(rows, Table)
end

-- ---- numbers ------------------------------------------------------------------------------------

--- The number that a text is: decimal digits, a point, an exponent, and nothing else.
-- @tparam string text
-- @treturn number|nil
function M.number(text)
  local digits = text:match "^[+-]?([%d.]+)$" or text:match "^[+-]?([%d.]+)[eE][+-]?%d+$"
  return digits and digits:find "%d" and tonumber((text:gsub("^%+", ""))) or nil
end

--- The number in a cell. A file has decimal points or decimal commas, as its first number says that
-- has either.
-- @tparam string text
-- @treturn number|nil
-- @treturn string|nil what is wrong with it, where that is the comma
function Table:number(text)
  local mark = text:match "^[+-]?%d*([.,])%d" or text:match "%d([.,])[eE%d]*$"
  if not mark then
    return M.number(text)
  elseif mark == "," and self.separator == "," then
    return nil, "decimal commas need columns that ';' or tabs separate"
  end
  local value = M.number((text:gsub(",", ".")))
  if value and self.mark and self.mark ~= mark then
    return nil, mark == "," and "it has a decimal comma, numbers before it have points"
      or "it has a decimal point, numbers before it have commas"
  end
  self.mark = value and mark or self.mark
  return value
end

-- ---- writing ------------------------------------------------------------------------------------

local function cell_text(value)
  if value == nil or value == false or value ~= value then
    return ""
  elseif type(value) == "number" then
    return encoding.number(value)
  end
  return value:find '[",\n\r]' and '"' .. value:gsub('"', '""') .. '"' or value
end

--- A table as text: cells between commas, in quotes where they need them. Numbers keep their value;
-- what is nil, false or nan is an empty cell.
-- @tparam table names of the columns, the first line
-- @tparam table rows list of lists, with a cell for each name
-- @treturn string
function M.text(names, rows)
  local lines = {}
  for i = 0, #rows do
    local cells, row = {}, i == 0 and names or rows[i]
    for k = 1, #names do
      cells[k] = cell_text(row[k])
    end
    lines[i + 1] = table.concat(cells, ",")
  end
  return table.concat(lines, "\n") .. "\n"
end

return M
