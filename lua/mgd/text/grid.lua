--- Tables of text that fit the terminal: columns that do not fit stand in blocks below, each with
-- the first column again; a cell that is too long even so is cut, with … at its end.
-- @module mgd.text.grid

local core = require "mgd.core"
local numbers = require "mgd.text.numbers"

local grid = {}

local LONG = 32 -- columns of a cell that may be cut where the table does not fit
local LEAST = 20 -- of a terminal: below, nothing can be read anyway

--- Columns of the terminal: COLUMNS where that is set, what the terminal says, or else 100.
-- @treturn integer
function grid.columns()
  local asked = tonumber(os.getenv "COLUMNS")
  local columns = asked and asked > 0 and asked or core.base.terminal_columns() or 100
  return math.max(LEAST, math.floor(math.min(columns, 2 ^ 31)))
end

--- The text in at most so many columns; … stands for what was cut off.
-- @tparam string text
-- @tparam integer width ≥ 1
-- @treturn string
function grid.cut(text, width)
  if numbers.width(text) <= width then
    return text
  end
  local kept, used = {}, 1
  for character in text:gmatch "[^\128-\191][\128-\191]*" do
    used = used + numbers.width(character)
    if used > width then
      break
    end
    kept[#kept + 1] = character
  end
  return table.concat(kept) .. "…"
end

-- Columns that each cell column takes, longest cells cut where all together do not fit.
local function widths_of(rows, count, gap, total)
  local widths, natural, sum = {}, {}, -gap
  for c = 1, count do
    widths[c] = 0
    for _, row in ipairs(rows) do
      widths[c] = math.max(widths[c], numbers.width(row[c]))
    end
    natural[c], sum = widths[c], sum + widths[c] + gap
  end
  if sum <= total then
    return widths, natural
  end
  local widest, half = 0, math.floor(total / 2)
  for c = 2, count do
    widths[c] = math.min(widths[c], math.max(LONG, half))
    widest = math.max(widest, widths[c])
  end
  widths[1] = math.min(widths[1], math.max(half, total - gap - widest))
  for c = 2, count do
    widths[c] = math.min(widths[c], math.max(1, total - gap - widths[1]))
  end
  return widths, natural
end

-- The columns of each block: lists of numbers from 2 on. What is left over goes to cut cells.
local function blocks_of(widths, natural, gap, total)
  local function spread(block, used)
    for _, c in ipairs(block) do
      local more = math.min(total - used, natural[c] - widths[c])
      widths[c], used = widths[c] + math.max(more, 0), used + math.max(more, 0)
    end
  end
  local blocks, used = { {} }, widths[1]
  for c = 2, #widths do
    local block = blocks[#blocks]
    if #block > 0 and used + gap + widths[c] > total then
      spread(block, used)
      blocks[#blocks + 1] = {}
      block, used = blocks[#blocks], widths[1]
    end
    block[#block + 1], used = c, used + gap + widths[c]
  end
  spread(blocks[#blocks], used)
  return blocks
end

--- The lines of a table.
-- @tparam table rows lists of texts, as many in each; the first are the headings
-- @tparam[opt] table opts `right`: set of columns that stand to the right; `gap` (2): spaces
--   between columns; `width` (the terminal's)
-- @treturn table lines
function grid.lines(rows, opts)
  opts = opts or {}
  local right, gap, total = opts.right or {}, opts.gap or 2, opts.width or grid.columns()
  local widths, natural = widths_of(rows, #rows[1], gap, total)
  local blocks, lines = blocks_of(widths, natural, gap, total), {}
  local function cell(row, c)
    local text = grid.cut(row[c], widths[c])
    return right[c] and numbers.right(text, widths[c]) or numbers.left(text, widths[c])
  end
  for b, block in ipairs(blocks) do
    if b > 1 then
      lines[#lines + 1] = ""
    end
    for _, row in ipairs(rows) do
      local parts = { cell(row, 1) }
      for i, c in ipairs(block) do
        parts[i + 1] = cell(row, c)
      end
      lines[#lines + 1] = (table.concat(parts, (" "):rep(gap)):gsub("%s+$", ""))
    end
  end
  return lines
end

return grid
