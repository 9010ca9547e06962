--- The commands for gnuplot that draw a figure.
-- @module mgd.plot.script

-- Okabe and Ito (2008), the darker ones first.
local COLOURS = { "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000",
  "#999999" }
local POINTS = { 7, 5, 9, 13, 11, 6, 4, 8 } -- so that points differ in print, too
local VIRIDIS = '0 "#440154", 1 "#482878", 2 "#3E4989", 3 "#31688E", 4 "#26828E", 5 "#1F9E89", '
  .. '6 "#35B779", 7 "#6DCD59", 8 "#B4DE2C", 9 "#FDE725"'

local STYLE = [[
set border 3 linewidth 1 linecolor "#666666"
set tics nomirror out scale 0.6 textcolor "#333333"
set grid linetype 1 linewidth 0.6 linecolor "#E4E4E4"
]]

local DUMB = [[
set border 3
set tics nomirror out
unset grid
]]

local function quoted(text)
  return "'" .. text:gsub("[\n\r]", " "):gsub("'", "''") .. "'"
end

local function finite(value)
  return value == value and math.abs(value) < math.huge
end

local function number(value)
  return (("%.9g"):format(value):gsub(",", "."))
end

-- A block of rows; a row with a gap in it is an empty line, which ends a line on the picture.
local function block(name, rows)
  local lines = { "$" .. name .. " << EOD" }
  for _, row in ipairs(rows) do
    local cells, whole = {}, true
    for i, value in ipairs(row) do
      whole = whole and (type(value) ~= "number" or finite(value))
      cells[i] = type(value) == "number" and number(value) or value
    end
    lines[#lines + 1] = whole and table.concat(cells, " ") or ""
  end
  lines[#lines + 1] = "EOD\n"
  return table.concat(lines, "\n")
end

-- ---- axes ---------------------------------------------------------------------------------------

local function label_of(axis, otherwise)
  local label = axis.label or otherwise
  return axis.unit and ("%s (%s)"):format(label, axis.unit) or label
end

-- The span of a panel's values along an axis.
local function span_of(panel, name)
  local low, high = math.huge, -math.huge
  for _, s in ipairs(panel.series) do
    local own = s.kind == "line" or s.kind == "histogram"
    for _, list in ipairs { own and s[name] or {}, name == "y" and s.low or {},
      name == "y" and s.high or {} } do
      for _, value in ipairs(list) do
        if finite(value) then
          low, high = math.min(low, value), math.max(high, value)
        end
      end
    end
  end
  return low, high
end

-- Distance of ticks, so that about six fit: 1, 2 or 5 times a power of ten.
local function distance_of(panel, name)
  local low, high = span_of(panel, name)
  if panel[name].range then
    low, high = panel[name].range[1], panel[name].range[2]
  end
  if not (high > low) then
    return "autofreq"
  end
  local raw = (high - low) / 5
  local power = 10 ^ math.floor(math.log(raw) / math.log(10))
  local best = 10 * power
  for _, factor in ipairs { 5, 2, 1 } do
    best = factor * power >= raw * 0.999 and factor * power or best
  end
  return number(best)
end

local function ticks_text(list)
  local parts = {}
  for i, tick in ipairs(list) do
    parts[i] = ("%s %s"):format(quoted(tick[2]), number(tick[1]))
  end
  return "(" .. table.concat(parts, ", ") .. ")"
end

local function set_axis(out, panel, name)
  local axis = panel[name]
  out(("set %slabel %s noenhanced textcolor '#222222'"):format(name, quoted(label_of(axis, name))))
  out(("set %srange [%s:%s]"):format(name, axis.range and number(axis.range[1]) or "*",
    axis.range and number(axis.range[2]) or "*"))
  out(("set %stics %s norotate enhanced"):format(name, axis.log and "autofreq" or
    distance_of(panel, name)))
  if axis.log then
    local low, high = span_of(panel, name)
    local few = high > 0 and low >= 1e-2 and high < 1e4
    out(("set logscale %s\nset format %s '%s'"):format(name, name, few and "%g" or "10^{%T}"))
  else
    out(("unset logscale %s\nset format %s '%%h'"):format(name, name))
  end
  if axis.ticks then
    out(("set %stics %s noenhanced"):format(name, ticks_text(axis.ticks)))
  end
end

-- ---- kinds --------------------------------------------------------------------------------------
-- Each adds blocks and commands to `out` and gives parts of the plot command.

local DRAW = {}

local function title_of(s)
  return s.label and "title " .. quoted(s.label) .. " noenhanced" or "notitle"
end

local WITH = {
  line = "with lines linewidth 1.8",
  dashed = "with lines linewidth 1.5 dashtype 2",
  steps = "with steps linewidth 1.8",
  points = "with points pointsize 0.6",
  both = "with linespoints linewidth 1.8 pointsize 0.6",
}

function DRAW.line(out, s, id, k, plain)
  local colour = COLOURS[((s.colour or k) - 1) % #COLOURS + 1]
  local rows, parts = {}, {}
  for i, y in ipairs(s.y) do
    rows[i] = { s.x[i], y, s.low and s.low[i] or y, s.high and s.high[i] or y }
  end
  out(block(id, rows))
  local how = WITH[s.style]
  if s.style == "points" or s.style == "both" then
    how = how .. (" pointtype %d"):format(POINTS[((s.colour or k) - 1) % #POINTS + 1])
  end
  if s.low and s.style == "points" then
    parts[1] = ("$%s using 1:2:3:4 with yerrorbars pointtype 7 pointsize 0.1 linewidth 1.2 "
      .. "linecolor rgb '%s' notitle"):format(id, colour)
  elseif s.low and not plain then
    parts[1] = ("$%s using 1:3:4 with filledcurves fillcolor rgb '%s' fillstyle transparent "
      .. "solid 0.18 noborder notitle"):format(id, colour)
  end
  parts[#parts + 1] = ("$%s using 1:2 %s linecolor rgb '%s' %s"):format(id, how, colour, title_of(s))
  return parts
end

function DRAW.histogram(out, s, id, k)
  local rows, colour = {}, COLOURS[((s.colour or k) - 1) % #COLOURS + 1]
  for i, y in ipairs(s.y) do
    rows[i] = { s.x[i], y, s.width }
  end
  out(block(id, rows))
  return { ("$%s using 1:2:3 with boxes linecolor rgb '%s' fillstyle transparent solid 0.5 border "
    .. "linecolor rgb '%s' %s"):format(id, colour, colour, title_of(s)) }
end

function DRAW.box(out, s, id)
  local boxes, medians, beyond, ticks = {}, {}, {}, {}
  for i, box in ipairs(s.boxes) do
    boxes[i] = { i, box.q1, box.low, box.high, box.q3 }
    medians[i] = { i, box.median, box.median, box.median, box.median }
    ticks[i] = { i, box.label }
    for _, value in ipairs(box.beyond) do
      beyond[#beyond + 1] = { i, value }
    end
  end
  out(block(id .. "b", boxes))
  out(block(id .. "m", medians))
  out("set boxwidth 0.5")
  out(("set xtics %s noenhanced\nset xrange [0.4:%g]"):format(ticks_text(ticks), #boxes + 0.6))
  local colour = COLOURS[((s.colour or 1) - 1) % #COLOURS + 1]
  local parts = {
    ("$%sb using 1:2:3:4:5 with candlesticks whiskerbars 0.5 linewidth 1.4 linecolor rgb '%s' "
      .. "fillstyle transparent solid 0.25 border linecolor rgb '%s' notitle"):format(id, colour, colour),
    ("$%sm using 1:2:3:4:5 with candlesticks linewidth 2.4 linecolor rgb '%s' fillstyle empty "
      .. "border linecolor rgb '%s' notitle"):format(id, colour, colour),
  }
  if #beyond > 0 then
    out(block(id .. "o", beyond))
    parts[3] = ("$%so using 1:2 with points pointtype 6 pointsize 0.4 linecolor rgb '%s' notitle")
      :format(id, colour)
  end
  return parts
end

local function tick_list(texts)
  local list = {}
  for i, text in ipairs(texts) do
    list[i] = { i, text }
  end
  return list
end

-- A number that fits a cell.
local function brief(value)
  local size = math.abs(value)
  if size >= 1e4 and size < 1e9 then
    return size >= 1e6 and ("%.3gM"):format(value / 1e6) or ("%.3gk"):format(value / 1e3)
  end
  return (size >= 1e3 and size < 1e4 and "%.0f" or "%.3g"):format(value)
end

-- Numbers in cells, dark on light colours and light on dark ones.
local function cell_texts(out, s, id, low, high)
  local dark, light = {}, {}
  for j, row in ipairs(s.z) do
    for i, value in ipairs(row) do
      if finite(value) then
        local at = s.log and math.log(value / low) / math.log(high / low) or (value - low) / (high - low)
        local list = at > 0.55 and dark or light
        list[#list + 1] = { i, j, brief(value) }
      end
    end
  end
  local parts = {}
  for name, list in pairs { d = dark, l = light } do
    if #list > 0 then
      out(block(id .. name, list))
      parts[#parts + 1] = ("$%s using 1:2:3 with labels font ',10' textcolor rgb '%s' notitle"):format(
        id .. name, name == "d" and "#222222" or "#FFFFFF")
    end
  end
  return parts
end

function DRAW.heat(out, s, id, _, plain)
  local rows, low, high = {}, math.huge, -math.huge
  for j, row in ipairs(s.z) do
    for i, value in ipairs(row) do
      if finite(value) and (not s.log or value > 0) then
        rows[#rows + 1] = { i, j, value }
        low, high = math.min(low, value), math.max(high, value)
      end
    end
  end
  if s.range then
    low, high = s.range[1], s.range[2]
  elseif low == high then
    low, high = low - 0.5, high + 0.5
  end
  out(block(id, rows))
  out("set palette defined (" .. VIRIDIS .. ")")
  out(("set cbrange [%s:%s]\n%s logscale cb"):format(number(low), number(high),
    s.log and "set" or "unset"))
  out(("set cblabel %s noenhanced"):format(quoted(label_of({ label = s.label, unit = s.unit }, ""))))
  out("unset grid\nset border 0\nset tics scale 0\nset colorbox")
  out(("set xtics %s noenhanced %s\nset ytics %s noenhanced"):format(ticks_text(tick_list(s.x)),
    #s.x > 8 and "rotate by 45 right" or "norotate", ticks_text(tick_list(s.y))))
  out(("set xrange [0.5:%g]\nset yrange [0.5:%g]"):format(#s.x + 0.5, #s.y + 0.5))
  -- boxes drawn one by one: no bitmap, and cells of any number
  local parts = { ("$%s using 1:2:(0.5):(0.5):3 with boxxyerror fillstyle solid 1 noborder "
    .. "linecolor palette notitle"):format(id) }
  if s.values and not plain then
    for _, part in ipairs(cell_texts(out, s, id, low, high)) do
      parts[#parts + 1] = part
    end
  end
  return parts
end

-- A line across, and its text at the edge.
function DRAW.mark(out, s)
  local at = number(s.x or s.y)
  local from, to = s.x and at .. ", graph 0" or "graph 0, first " .. at,
    s.x and at .. ", graph 1" or "graph 1, first " .. at
  out(("set arrow from %s to %s nohead dashtype 3 linewidth 1.2 linecolor '#777777'"):format(from, to))
  if s.label then
    out(("set label %s noenhanced at %s offset 0.4,%s textcolor '#555555' font ',11'"):format(
      quoted(s.label), s.x and at .. ", graph 0.97" or "graph 0, first " .. at, s.x and "0" or "0.5"))
  end
  return {}
end

-- ---- panels -------------------------------------------------------------------------------------

local KEYS = {
  right = "set key outside right top Left reverse samplen 1.6 spacing 1.15",
  top = "set key outside top center horizontal Left reverse samplen 1.6",
  below = "set key outside below center horizontal Left reverse samplen 1.6",
}

local function key_of(panel, single)
  local named = 0
  for _, s in ipairs(panel.series) do
    named = named + ((s.kind == "line" or s.kind == "histogram") and s.label and 1 or 0)
  end
  local place = panel.legend
  if place == "auto" then
    place = named > 1 and (single and "right" or "top") or "none"
  end
  return KEYS[place] and KEYS[place] .. " textcolor '#222222'" or "unset key"
end

local function draw(out, panel, p, single, plain)
  out(plain and DUMB or STYLE)
  out("unset arrow\nunset label\nunset colorbox\nset boxwidth")
  out(key_of(panel, single))
  out(panel.title and ("set title %s noenhanced"):format(quoted(panel.title)) or "unset title")
  set_axis(out, panel, "x")
  set_axis(out, panel, "y")
  local parts, k = {}, 0
  for i, s in ipairs(panel.series) do
    k = k + (s.kind ~= "mark" and 1 or 0)
    if s.kind == "histogram" and not panel.y.range then
      out "set yrange [0:*]"
    end
    for _, part in ipairs(DRAW[s.kind](out, s, ("p%ds%d"):format(p, i), k, plain)) do
      parts[#parts + 1] = part
    end
  end
  out("plot " .. (#parts > 0 and table.concat(parts, ", \\\n  ") or "1/0 notitle"))
end

--- The commands.
-- @tparam figure figure
-- @tparam[opt] boolean plain for a terminal of characters
-- @treturn string
return function(figure, plain)
  local lines = {}
  local function out(text)
    lines[#lines + 1] = text
  end
  if #figure.panels > 1 then
    out(("set multiplot layout %d,%d %s"):format(figure.rows, figure.columns,
      figure.title and "title " .. quoted(figure.title) .. " font ',15' noenhanced" or ""))
  end
  for p, panel in ipairs(figure.panels) do
    draw(out, panel, p, #figure.panels == 1, plain)
  end
  if #figure.panels > 1 then
    out "unset multiplot"
  end
  return table.concat(lines, "\n") .. "\n"
end
