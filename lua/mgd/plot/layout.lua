--- Where everything stands: panels in rows and columns, their margins, legends.
--
-- gnuplot could do it, but lets legends and titles push panels out of line. Lengths are in pixels
-- of a figure, from its lower left corner.
-- @module mgd.plot.layout

local axes = require "mgd.plot.axes"
local legend = require "mgd.plot.legend"
local text = require "mgd.plot.text"

local M = {}

local LETTER = 7.2 -- of a text of 13 pixels, on average
local LINE = legend.LINE
local GAP = 24 -- between panels

local function longest(list)
  local most = 0
  for _, entry in ipairs(list) do
    most = math.max(most, text.length(type(entry) == "table" and entry[2] or entry))
  end
  return most * LETTER
end

-- ---- legends ------------------------------------------------------------------------------------

local function without_marks(panel)
  local list = {}
  for _, s in ipairs(panel.series) do
    list[#list + 1] = s.kind ~= "mark" and s or nil
  end
  return list
end

-- Whether all panels name the same series, drawn in the same way: one legend does for all.
local function alike(panels)
  local first = without_marks(panels[1])
  for _, panel in ipairs(panels) do
    local series = without_marks(panel)
    if panel.legend ~= "auto" or #series ~= #first then
      return false
    end
    for i, s in ipairs(series) do
      local other = first[i]
      if s.kind ~= other.kind or s.label ~= other.label or s.style ~= other.style
        or s.colour ~= other.colour then
        return false
      end
    end
  end
  return #legend.entries(panels[1]) > 1
end

-- Where the legend of a panel goes: "right", "top", "below", or nil.
local function place_of(panel, single, width)
  local names = legend.entries(panel)
  if panel.legend == "none" or #names == 0 or panel.legend == "auto" and #names < 2 then
    return nil
  elseif panel.legend ~= "auto" then
    return panel.legend
  end
  return single and legend.width(names) < 0.34 * width and "right" or "top"
end

-- ---- margins ------------------------------------------------------------------------------------

-- Ticks below a panel lie flat where there is room.
local function is_turned(axis, width)
  local last, edge = nil, -math.huge
  for _, tick in ipairs(axis.ticks) do
    local half = text.length(tick[2]) * LETTER / 2
    local at = axis.categories and (tick[1] - axis.low) / (axis.high - axis.low) * width
    if at and last and at - half < edge + 4 then
      return true
    end
    last, edge = at, at and at + half or edge
  end
  return false
end

-- Room beside a panel for the names of level marks, which so cover no data.
local function marks_of(panel)
  local labels = {}
  for _, s in ipairs(panel.series) do
    labels[#labels + 1] = s.kind == "mark" and s.y and s.label or nil
  end
  return #labels > 0 and 0.85 * longest(labels) + 8 or 0
end

local function margins_of(cell)
  local panel, x, y = cell.panel, cell.x, cell.y
  cell.marks = marks_of(panel)
  local heat = panel.series[1].kind == "heat" and panel.series[1]
  local m = { left = longest(y.ticks) + 16 + (y.label and LINE + 4 or 0), right = 22,
    top = 14 + (panel.title and LINE + 4 or 0), bottom = LINE + 10 + (x.label and LINE + 4 or 0) }
  cell.turned = is_turned(x, cell.width - m.left - m.right)
  if cell.turned then
    m.bottom = m.bottom + 0.6 * longest(x.ticks) - 4
    m.left = math.max(m.left, 0.6 * longest(x.ticks))
  end
  m.right = math.max(m.right, cell.marks)
  if cell.legend == "right" then
    cell.names = legend.rows(legend.entries(panel), 0) -- one in each row
    m.right = cell.marks + legend.width(legend.entries(panel)) + 24
  elseif cell.legend then
    cell.names = legend.rows(legend.entries(panel), cell.width - m.left)
    local side = cell.legend == "top" and "top" or "bottom"
    m[side] = m[side] + #cell.names * LINE + 4
  end
  if heat then
    m.right = 12 + 14 + 14 + longest(heat.colours.ticks) + LINE + 8
  end
  return m
end

-- Panels of a row have one top and bottom, those of a column one left and right.
local function align(cells)
  local rows, columns = {}, {}
  for _, cell in ipairs(cells) do
    local row, column = rows[cell.row] or {}, columns[cell.column] or {}
    rows[cell.row], columns[cell.column] = row, column
    for line, sides in pairs { [row] = { "top", "bottom" }, [column] = { "left", "right" } } do
      for _, side in ipairs(sides) do
        line[side] = math.max(line[side] or 0, cell.margins[side])
      end
    end
  end
  for _, cell in ipairs(cells) do
    local row, column = rows[cell.row], columns[cell.column]
    cell.left, cell.right = cell.at_x + column.left, cell.at_x + cell.width - column.right
    cell.top, cell.bottom = cell.at_y + cell.height - row.top, cell.at_y + row.bottom
    cell.right = math.max(cell.right, cell.left + 20)
    cell.top = math.max(cell.top, cell.bottom + 20)
  end
end

-- ---- all of it ----------------------------------------------------------------------------------

local function cells_of(figure, head)
  local width = (figure.width - (figure.columns - 1) * GAP) / figure.columns
  local height = (figure.height - head - (figure.rows - 1) * GAP / 2) / figure.rows
  local cells = {}
  for p, panel in ipairs(figure.panels) do
    local column, row = (p - 1) % figure.columns, math.floor((p - 1) / figure.columns)
    local heat = panel.series[1]
    heat.colours = heat.kind == "heat" and axes.colours(heat, 0.75 * height) or nil
    cells[p] = { panel = panel, column = column, row = row, width = width, height = height,
      at_x = column * (width + GAP),
      at_y = figure.height - head - (row + 1) * height - row * GAP / 2,
      x = axes.resolve(panel, "x", 0.8 * width), y = axes.resolve(panel, "y", 0.75 * height) }
  end
  return cells
end

--- A figure as it is laid out.
-- @tparam figure figure
-- @treturn table a cell for each panel, with the frame of its axes (`left`, `right`, `bottom`,
--   `top`), `x` and `y` (`axes.resolve`), `turned` ticks, room for `marks`, and its `legend`:
--   "right", "top", "below", "shared" (the first panel's, for all, at the height `legend_at`) or
--   nil, with rows of `names` (`legend.rows`)
function M.of(figure)
  local single = #figure.panels == 1
  local shared = not single and alike(figure.panels)
    and legend.rows(legend.entries(figure.panels[1]), figure.width - 60) or nil
  local head = figure.title and 34 or 0
  local legend_at = figure.height - head - 8
  head = head + (shared and #shared * LINE + 8 or 0)
  local cells = cells_of(figure, head)
  for _, cell in ipairs(cells) do
    cell.legend = not shared and place_of(cell.panel, single, figure.width) or nil
    cell.margins = margins_of(cell)
  end
  align(cells)
  if shared then
    cells[1].legend, cells[1].names, cells[1].legend_at = "shared", shared, legend_at
  end
  return cells
end

return M
