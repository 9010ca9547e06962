--- Legends: which series are named, how their names are set in rows, and how they are drawn.
--
-- They are put together of arrows, boxes and labels: gnuplot's own key counts letters by the widest
-- and breaks rows by the axes' width.
-- @module mgd.plot.legend

local kinds = require "mgd.plot.kinds"
local text = require "mgd.plot.text"

local M = {}

local LETTER = 7.2 -- pixels of a letter, on average
local SAMPLE, SPACE = 30, 22 -- of a sample and the gap beside it; between names

local MOST_LETTERS = 40

M.LINE = 20

local number, quoted = text.number, text.quoted

--- The named series of a panel.
-- @treturn table list of {label =, look = see kinds.look, width = pixels}
function M.entries(panel)
  local list, k, marked = {}, 0, kinds.marked(panel)
  for _, s in ipairs(panel.series) do
    k = k + (s.kind ~= "mark" and 1 or 0)
    if (s.kind == "line" or s.kind == "histogram") and s.label then
      local label = text.short(s.label, MOST_LETTERS)
      list[#list + 1] = { label = label, look = kinds.look(s, k, marked),
        width = SAMPLE + LETTER * text.length(label) }
    end
  end
  return list
end

--- Entries in rows that are no wider than `width`, if a name is not.
function M.rows(entries, width)
  local rows = {}
  for _, entry in ipairs(entries) do
    local row = rows[#rows]
    if not row or row.width + SPACE + entry.width > width then
      row = { width = -SPACE }
      rows[#rows + 1] = row
    end
    row[#row + 1], row.width = entry, row.width + SPACE + entry.width
  end
  return rows
end

--- The width of the widest entry.
function M.width(entries)
  local most = 0
  for _, entry in ipairs(entries) do
    most = math.max(most, entry.width)
  end
  return most
end

-- The sample of a series, from x on, at the height y.
local function sample(out, paper, entry, x, y)
  local look = entry.look
  local function at(dx, dy)
    return ("screen %s,%s"):format(number((x + dx) / paper.width), number((y + dy) / paper.height))
  end
  if look.fill then
    out(("set object rectangle from %s to %s fillcolor rgb '%s' fillstyle solid %s border "
      .. "linecolor rgb '%s'"):format(at(2, -5), at(20, 5), look.colour, look.fill, look.colour))
  end
  if look.line then
    out(("set arrow from %s to %s nohead %s linecolor rgb '%s'"):format(at(0, 0), at(22, 0),
      look.line, look.colour))
  end
  if look.point then
    out(("set label '' at %s point %s linecolor rgb '%s'"):format(at(11, 0), look.point,
      look.colour))
  end
end

--- Draw rows of entries.
-- @tparam function out takes commands
-- @tparam table paper `width`, `height`, `font`
-- @tparam table rows
-- @tparam number x of the left edge, or of the middle where `centred`
-- @tparam number y of the middle of the first row
-- @tparam[opt] boolean centred
function M.draw(out, paper, rows, x, y, centred)
  for r, row in ipairs(rows) do
    local at_x, at_y = centred and x - row.width / 2 or x, y - (r - 1) * M.LINE
    for _, entry in ipairs(row) do
      sample(out, paper, entry, at_x, at_y)
      out(("set label %s at screen %s,%s left %s textcolor '#222222'"):format(
        quoted(text.enhanced(entry.label)), number((at_x + SAMPLE) / paper.width),
        number(at_y / paper.height), paper.font(13)))
      at_x = at_x + entry.width + SPACE
    end
  end
end

return M
