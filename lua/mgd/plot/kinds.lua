--- How each kind of series is drawn by gnuplot.
--
-- Each adds blocks of data and commands by `out` and gives parts of the plot command; a `band`
-- apart from the others, for it lies below all lines. `how` is what it has to know beside the
-- series: `id` names its blocks, `k` is its place among the series, `plain` is set for a terminal
-- of characters, `font` gives the size of a text; `bars`, `bar` and `pitch` say how many series of
-- bars there are, which this is, and how far their groups are apart; `bands`, how many there are;
-- `marked`, whether lines carry points;
-- `x` and `y` are the axes, and `pixels` how many there are along x.
--
-- gnuplot gets places, from 0 to 1 along an axis, whose range is [0:1]: its own arithmetic ends far
-- before that of doubles does.
-- @module mgd.plot.kinds

local axes = require "mgd.plot.axes"
local text = require "mgd.plot.text"
local thin = require "mgd.plot.thin"

local M = {}

local finite, number, quoted = text.finite, text.number, text.quoted
local fraction = axes.fraction

-- Okabe and Ito (2008), the darker ones first.
local COLOURS = { "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000",
  "#999999" }
local POINTS = { 7, 5, 9, 13, 11, 6, 4, 8 } -- so that points differ in print, too
local VIRIDIS = '0 "#440154", 1 "#482878", 2 "#3E4989", 3 "#31688E", 4 "#26828E", 5 "#1F9E89", '
  .. '6 "#35B779", 7 "#6DCD59", 8 "#B4DE2C", 9 "#FDE725"'
local LETTERS = { "o", "x", "+", "#", "@", "%", "&", "=" } -- in a terminal of characters
local SHADES = { "·", "░", "▒", "▓", "█" } -- of a heat map in characters

local function colour_of(s, how)
  return COLOURS[((s.colour or how.k) - 1) % #COLOURS + 1]
end

-- A block of rows; a row with a nan in it is an empty line, which ends a line on the picture.
local function block(name, rows)
  local lines = { "$" .. name .. " << EOD" }
  for _, row in ipairs(rows) do
    local cells, whole = {}, true
    for i, value in ipairs(row) do
      whole = whole and value == value
      cells[i] = type(value) == "number" and number(value) or '"' .. value .. '"'
    end
    lines[#lines + 1] = whole and table.concat(cells, " ") or ""
  end
  lines[#lines + 1] = "EOD"
  return table.concat(lines, "\n")
end

local function title_of(s, how)
  if not s.label then
    return "notitle"
  end
  return how.plain and "title " .. quoted(s.label) .. " noenhanced"
    or "title " .. quoted(text.enhanced(s.label))
end

-- ---- lines, points, bars ------------------------------------------------------------------------

local WITH = {
  line = { "lines", "linewidth 1.8" },
  dashed = { "lines", "linewidth 1.5 dashtype 2" },
  steps = { "lines", "linewidth 1.8" },
  points = { "points", "linewidth 1.3" },
  both = { "lines", "linewidth 1.6" },
}
local GAP = 0 / 0
local BARS, HISTOGRAM = "0.55", "0.45" -- how dense their colour is

local LARGE = 0.55 -- a point
local SHAPES = 6   -- on a line

-- Many are small.
local function size_of(count)
  return count <= 120 and LARGE or count <= 300 and 0.35 or 0.2
end

local function point_of(s, k, size, plain)
  local place = ((s.colour or k) - 1) % #POINTS + 1
  return ("pointtype %s pointsize %g"):format(plain and quoted(LETTERS[place]) or POINTS[place],
    size)
end

-- Named lines carry a few points of their own shape where there are several: colours of print in
-- grey are alike.
local function is_marked(s)
  return s.kind == "line" and s.label and (s.style == "line" or s.style == "steps")
end

--- Whether the lines of a panel are marked.
function M.marked(panel)
  local count = 0
  for _, s in ipairs(panel.series) do
    count = count + (is_marked(s) and 1 or 0)
  end
  return count > 1
end

--- How a legend shows a series.
-- @tparam table s
-- @tparam integer k its place among the series
-- @tparam boolean marked whether lines are
-- @treturn table `colour`; `line`, `point`: how it is drawn, where it is; `fill`: how densely
function M.look(s, k, marked)
  local look = { colour = colour_of(s, { k = k }) }
  if s.kind == "histogram" or s.style == "bars" then
    look.fill = s.kind == "histogram" and HISTOGRAM or BARS
  else
    look.line = s.style ~= "points" and WITH[s.style][2] or nil
    local points = s.style == "points" or s.style == "both" or marked and is_marked(s)
    look.point = points and point_of(s, k, LARGE) or nil
  end
  return look
end

-- Places {x, y, low, high}, gaps nan; of steps also the corners. A band that is unknown somewhere
-- has no width there, one that is infinite goes on beyond the frame.
local function rows_of(s, how)
  local rows = {}
  for i, y in ipairs(s.y) do
    local known = finite(y) and finite(s.x[i])
    local at = known and fraction(how.y, y) or GAP
    local row = { finite(s.x[i]) and fraction(how.x, s.x[i]) or GAP, at, at, at }
    for k, name in ipairs { "low", "high" } do
      local place = known and s[name] and fraction(how.y, s[name][i]) or at
      row[k + 2] = place == place and place or at
    end
    local before = s.style == "steps" and rows[#rows]
    if before and before[2] == before[2] then
      rows[#rows + 1] = { row[1], before[2], before[3], before[4] }
    end
    rows[#rows + 1] = row
  end
  return rows
end

-- Rows between gaps, which a line does not show.
local function alone(rows)
  local list = {}
  local function is_gap(row)
    return not row or row[1] ~= row[1] or row[2] ~= row[2]
  end
  for i, row in ipairs(rows) do
    if not is_gap(row) and is_gap(rows[i - 1]) and is_gap(rows[i + 1]) then
      list[#list + 1] = row
    end
  end
  return list
end

local function error_bars(id, colour)
  return ("$%s using 1:3:(0):($4 - $3) with vectors nohead linewidth 1.2 linecolor rgb '%s' "
    .. "notitle"):format(id, colour)
end

-- Rectangles: x from, x to, y from, y to.
local RECTANGLES = "$%s using 1:3:1:2:3:4 with boxxyerror "

local function bar_parts(out, s, how)
  local width, rows, bars = 0.8 / how.bars, thin.line(rows_of(s, how), how.pixels), {}
  local foot = fraction(how.y, 0)
  for i, row in ipairs(rows) do
    local middle = row[1] + (how.bar - (how.bars + 1) / 2) * width * how.pitch
    local half = 0.46 * width * how.pitch
    bars[i] = { middle - half, middle + half, foot, row[2] }
    row[1] = middle
  end
  out(block(how.id, bars))
  local colour = colour_of(s, how)
  local parts = { (RECTANGLES .. "linecolor rgb '%s' fillstyle solid %s border linecolor rgb '%s' "
    .. "%s"):format(how.id, colour, how.plain and "0" or BARS, colour, title_of(s, how)) }
  if s.low then
    out(block(how.id .. "e", rows))
    parts[2] = error_bars(how.id .. "e", "#444444")
  end
  return parts
end

-- Rows of a line, evenly apart on the picture, and not where other lines have theirs.
local function shapes_of(rows, s, how)
  local first = 0.25 * (((s.colour or how.k) - 1) % 4) + 0.1
  local shapes, nearest = {}, {}
  for _, row in ipairs(rows) do
    if row[2] == row[2] then
      local at = row[1] * SHAPES - first
      local k = math.floor(at + 0.5)
      local distance = math.abs(at - k)
      if k >= 0 and k < SHAPES and distance < (nearest[k] or 0.5) then
        nearest[k], shapes[k + 1] = distance, row
      end
    end
  end
  local list = {}
  for k = 1, SHAPES do
    list[#list + 1] = shapes[k]
  end
  return list
end

function M.line(out, s, how)
  if s.style == "bars" then
    return bar_parts(out, s, how)
  end
  local colour, parts, with = colour_of(s, how), {}, "with " .. table.concat(WITH[s.style], " ")
  local rows, dots = rows_of(s, how), s.style == "points"
  local function add(id, list, how_drawn, title)
    out(block(id, list))
    parts[#parts + 1] = ("$%s using 1:2 %s linecolor rgb '%s' %s"):format(id, how_drawn, colour,
      title)
  end
  local function points(list, size)
    return "with points linewidth 1.3 " .. point_of(s, how.k, size or size_of(#list), how.plain)
  end
  local spots = thin.points((dots or s.style == "both") and rows or alone(rows), how.pixels)
  local drawn = dots and spots or thin.line(rows, how.pixels)
  if s.low and how.plain then
    for column = 3, 4 do
      parts[#parts + 1] = ("$%s using 1:%d with points pointtype '.' linecolor rgb '%s' notitle")
        :format(how.id, column, colour)
    end
  elseif s.low then
    if not dots then
      parts.band = ("$%s using 1:3:4 with filledcurves fillcolor rgb '%s' fillstyle transparent "
        .. "solid %s noborder notitle"):format(how.id, colour, how.bands > 2 and "0.12" or "0.18")
    end
    local barred = dots and spots or alone(rows) -- a band of one row shows nothing
    if #barred > 0 then
      out(block(how.id .. "e", barred))
      parts[#parts + 1] = error_bars(how.id .. "e", colour)
    end
  end
  add(how.id, drawn, dots and points(spots) or with, title_of(s, how))
  if not dots and #spots > 0 then
    add(how.id .. "o", spots, points(spots), "notitle")
  end
  if how.marked and is_marked(s) and not how.plain then
    add(how.id .. "k", shapes_of(rows, s, how), points(rows, LARGE), "notitle")
  end
  return parts
end

-- ---- histograms and boxes -----------------------------------------------------------------------

function M.histogram(out, s, how)
  local rows, colour, foot = {}, colour_of(s, how), fraction(how.y, 0)
  for i, y in ipairs(s.y) do
    rows[i] = { fraction(how.x, s.edges[i]), fraction(how.x, s.edges[i + 1]), foot,
      fraction(how.y, y) }
  end
  out(block(how.id, rows))
  return { (RECTANGLES .. "linewidth 0.8 linecolor rgb '%s' fillstyle transparent solid %s border "
    .. "linecolor rgb '%s' %s"):format(how.id, colour, HISTOGRAM, colour, title_of(s, how)) }
end

function M.box(out, s, how)
  local boxes, medians, beyond = {}, {}, {}
  for i, box in ipairs(s.boxes) do
    local x, median = fraction(how.x, i), fraction(how.y, box.median)
    boxes[i] = { x, fraction(how.y, box.q1), fraction(how.y, box.low), fraction(how.y, box.high),
      fraction(how.y, box.q3) }
    medians[i] = { x, median, median, median, median }
    for _, value in ipairs(box.beyond) do
      beyond[#beyond + 1] = { x, fraction(how.y, value) }
    end
  end
  out(block(how.id .. "b", boxes))
  out(block(how.id .. "m", medians))
  out("set boxwidth " .. number(0.5 / #s.boxes))
  local colour = colour_of(s, how)
  local parts = {
    ("$%sb using 1:2:3:4:5 with candlesticks whiskerbars 0.4 linewidth 1.2 linecolor rgb '%s' "
      .. "fillstyle %s border linecolor rgb '%s' notitle"):format(how.id, colour,
      how.plain and "empty" or "transparent solid 0.22", colour),
    ("$%sm using 1:2:3:4:5 with candlesticks linewidth 2.4 linecolor rgb '%s' fillstyle empty "
      .. "border linecolor rgb '%s' notitle"):format(how.id, colour, colour),
  }
  if #beyond > 0 then
    out(block(how.id .. "o", thin.points(beyond, how.pixels)))
    parts[3] = ("$%so using 1:2 with points pointtype 6 pointsize 0.4 linewidth 1 "
      .. "linecolor rgb '%s' notitle"):format(how.id, colour)
  end
  return parts
end

-- ---- heat maps ----------------------------------------------------------------------------------

local function has_colour(s, value)
  return finite(value) and not (s.log and value <= 0)
end

-- Where a value lies on the scale of colours, from 0 to 1.
local function place_of(value, colours)
  return math.max(0, math.min(1, fraction(colours, value)))
end

local function each_cell(s, visit)
  for j, row in ipairs(s.z) do
    for i, value in ipairs(row) do
      visit(i, j, value, has_colour(s, value))
    end
  end
end

-- A number that fits a cell.
local function brief(value)
  local size = math.abs(value)
  if size >= 1e4 and size < 1e9 then
    return size >= 1e6 and ("%.3gM"):format(value / 1e6) or ("%.3gk"):format(value / 1e3)
  end
  return (size >= 1e3 and size < 1e4 and "%.0f" or "%.3g"):format(value)
end

-- Numbers in cells, dark on light colours and the reverse; shades where there are no colours.
local function cell_texts(out, s, how)
  local lists = { d = {}, l = {} }
  each_cell(s, function(i, j, value, known)
    if known then
      local at = place_of(value, s.colours)
      local list = (how.plain or at > 0.55) and lists.d or lists.l
      list[#list + 1] = { fraction(how.x, i), fraction(how.y, j), s.values and brief(value)
        or SHADES[math.min(5, 1 + math.floor(5 * at))] }
    end
  end)
  local parts = {}
  for _, name in ipairs { "d", "l" } do
    if #lists[name] > 0 then
      out(block(how.id .. name, lists[name]))
      parts[#parts + 1] = ("$%s using 1:2:3 with labels %s textcolor rgb '%s' noenhanced notitle")
        :format(how.id .. name, how.font(11), name == "d" and "#222222" or "#FFFFFF")
    end
  end
  return parts
end

local function colour_box(out, s, ticks_text)
  local c = s.colours
  out("set palette defined (" .. VIRIDIS .. ")")
  out "set cbrange [0:1]"
  out("set cbtics scale 0.5 " .. ticks_text(c))
end

-- Lines of one height, found on the grid of the cells' middles; heights are shares of all.
local function contours(out, map, id)
  local low, high = axes.span_of_map(map)
  local scale, rows, levels = { low = low, high = high }, {}, {}
  for j, row in ipairs(map.z) do
    for i, value in ipairs(row) do
      rows[#rows + 1] = { (i - 0.5) / #map.x, (j - 0.5) / #map.y,
        finite(value) and fraction(scale, value) or "NaN" }
    end
    rows[#rows + 1] = j < #map.z and { GAP } or nil
  end
  for _, level in ipairs(low < high and #map.x > 1 and #map.y > 1 and map.contour or {}) do
    local at = fraction(scale, level)
    levels[#levels + 1] = at > 0 and at < 1 and number(at) or nil
  end
  if #levels == 0 then
    return nil
  end
  out((block(id .. "z", rows):gsub('"NaN"', "NaN")))
  out(("set contour base\nset cntrparam levels discrete %s\nunset surface\nset table $%sc\n"
    .. "splot $%sz using 1:2:3 notitle\nunset table\nunset contour\nset surface"):format(
    table.concat(levels, ", "), id, id))
  return ("$%sc using 1:2 with lines linewidth 3 linecolor rgb '#000000' notitle, $%sc using 1:2 "
    .. "with lines linewidth 1.2 linecolor rgb '#FFFFFF' notitle"):format(id, id)
end

-- A map with more cells than a figure shows, as the means of neighbours that have a colour.
local function coarse(s)
  local wide, high = thin.cells(#s.x, #s.y)
  if wide == 1 and high == 1 then
    return s
  end
  local sums, map = {}, setmetatable({ x = {}, y = {}, z = {}, values = false }, { __index = s })
  each_cell(s, function(i, j, value, known)
    local column, row = math.ceil(i / wide), math.ceil(j / high)
    map.x[column], map.y[row] = column, row
    sums[row] = sums[row] or {}
    local sum = sums[row][column] or { 0, 0 }
    sums[row][column] = sum
    if known then
      sum[1], sum[2] = sum[1] + (value - sum[1]) / (sum[2] + 1), sum[2] + 1
    end
  end)
  for row, list in ipairs(sums) do
    map.z[row] = {}
    for column, mean in ipairs(list) do
      map.z[row][column] = mean[2] > 0 and mean[1] or GAP
    end
  end
  return map
end

function M.heat(out, s, how)
  if how.plain then
    return cell_texts(out, s, how)
  end
  local map, cells, missing = coarse(s), {}, {}
  local wide, high = 1 / #map.x, 1 / #map.y
  each_cell(map, function(i, j, value, known)
    local list = known and cells or missing
    list[#list + 1] = { (i - 0.5) * wide, (j - 0.5) * high,
      known and place_of(value, s.colours) or 0 }
  end)
  colour_box(out, s, how.ticks_text)
  local parts = {}
  if #cells > 0 then
    out(block(how.id, cells))
    -- boxes one by one: no bitmap; a hair wider than a cell, so that no seams shine through
    parts[1] = ("$%s using 1:2:(%s):(%s):3 with boxxyerror fillstyle solid 1 noborder "
      .. "linecolor palette notitle"):format(how.id, number(0.504 * wide), number(0.504 * high))
  end
  if #missing > 0 then
    out(block(how.id .. "n", missing))
    parts[#parts + 1] = ("$%sn using 1:2:(%s):(%s) with boxxyerror fillstyle solid 1 noborder "
      .. "linecolor rgb '#E8E8E8' notitle"):format(how.id, number(0.5 * wide), number(0.5 * high))
  end
  parts[#parts + 1] = s.contour and contours(out, map, how.id) or nil
  for _, part in ipairs(map.values and cell_texts(out, s, how) or {}) do
    parts[#parts + 1] = part
  end
  return parts
end

-- ---- marks --------------------------------------------------------------------------------------

local MOST_LETTERS = 32

-- A line across, and its text: at the upper edge, or beside the panel.
function M.mark(out, s, how)
  local place = fraction(s.x and how.x or how.y, s.x or s.y)
  if place < 0 or place > 1 then
    return {}
  end
  local at = number(place)
  local from, to = s.x and at .. ", graph 0" or "graph 0, first " .. at,
    s.x and at .. ", graph 1" or "graph 1, first " .. at
  out(("set arrow from %s to %s nohead back dashtype 2 linewidth 1 linecolor '#777777'"):format(
    from, to))
  if s.label then
    local label = text.short(s.label, MOST_LETTERS)
    label = how.plain and quoted(label) .. " noenhanced" or quoted(text.enhanced(label))
    place = s.x and at .. ", graph 0.97" or "graph 1, first " .. at
    out(("set label %s at %s left offset 0.5,0 textcolor '#666666' %s"):format(label, place,
      how.font(11)))
  end
  return {}
end

return M
