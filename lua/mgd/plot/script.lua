--- The commands for gnuplot that draw a figure.
-- @module mgd.plot.script

local axes = require "mgd.plot.axes"
local kinds = require "mgd.plot.kinds"
local layout = require "mgd.plot.layout"
local legend = require "mgd.plot.legend"
local text = require "mgd.plot.text"

local number, quoted = text.number, text.quoted

local STYLE = [[
set border 3 linewidth 0.8 linecolor "#777777"
set tics nomirror out scale 0.5 textcolor "#333333"
set grid linetype 1 linewidth 0.5 linecolor "#E6E6E6"
]]

local DUMB = [[
set border 3
set tics nomirror out
unset grid
set rmargin 6
]]

-- Superscripts of a terminal of characters: 10^{-3} is written 1e-3, 2·10^{6} 2e6.
local function flat(label)
  local mantissa, exponent = label:match "^(.-)10^{(.-)}$"
  if not mantissa then
    return label
  end
  mantissa = mantissa:gsub("·$", "")
  mantissa = mantissa == "" and "1" or mantissa
  return exponent == "0" and mantissa or mantissa .. "e" .. exponent:gsub("−", "-")
end

local function ticks_text(axis, plain)
  local parts = {}
  for i, tick in ipairs(axis.ticks) do
    parts[i] = ("%s %s%s"):format(text.tick(plain and flat(tick[2]) or text.enhanced(tick[2])),
      number(axes.fraction(axis, tick[1])), tick.minor and " 1" or "")
  end
  return "(" .. table.concat(parts, ", ") .. ")"
end

local function words(label, plain)
  return plain and quoted(label) .. " noenhanced" or quoted(text.enhanced(label))
end

-- ---- axes and legends ---------------------------------------------------------------------------

-- A text at a place of the figure, in pixels; so wide.
local function put(out, paper, label, x, y, room, size, how)
  label = text.short(label, math.max(8, math.floor(room / (0.62 * size))))
  out(("set label %s at screen %s,%s center %s %s textcolor '#222222'"):format(words(label),
    number(x / paper.width), number(y / paper.height), how or "", paper.font(size)))
end

-- Labels stand at the edge of the cell, so that those of a row or a column are in line.
local function set_labels(out, paper, cell)
  if paper.plain then
    out(cell.x.label and "set xlabel " .. words(cell.x.label, true) or "unset xlabel")
    if cell.y.label then -- on top, where it cannot lie on the ticks
      out(("set label %s at graph 0,1 left offset -3,1"):format(words(cell.y.label, true)))
    end
    return
  end
  local x, y, colours = cell.x.label, cell.y.label, cell.panel.series[1].colours
  if x then
    local turned = cell.turned and cell.bottom - cell.margins.bottom + 12
    put(out, paper, x, (cell.left + cell.right) / 2, turned or cell.bottom - 40,
      cell.width, 13)
  end
  if y then
    put(out, paper, y, cell.at_x + 12, (cell.bottom + cell.top) / 2, cell.height, 13,
      "rotate by 90")
  end
  if colours and colours.label then
    put(out, paper, colours.label, cell.at_x + cell.width - 12, (cell.bottom + cell.top) / 2,
      cell.height, 13, "rotate by 90")
  end
end

local function set_axis(out, name, axis, cell, plain)
  out(("set %srange [0:1] noextend"):format(name))
  local turn = name == "x" and cell.turned and not plain
  out(("set %stics %s %s"):format(name, ticks_text(axis, plain),
    turn and "rotate by 35 right offset 0,0.2" or plain and "norotate offset 0,0"
      or name == "x" and "norotate offset 0,0.3" or "norotate offset 0.3,0"))
  if axis.categories then
    out(("set grid no%stics"):format(name))
  end
end

local function set_legend(out, paper, cell)
  if paper.plain then
    out(cell.legend and "set key tmargin center horizontal" or "unset key")
    return
  end
  out "unset key"
  if cell.legend == "shared" then -- by all panels, above the first
    legend.draw(out, paper, cell.names, paper.width / 2, cell.legend_at, true)
  elseif cell.legend == "right" then
    legend.draw(out, paper, cell.names, cell.right + cell.marks + 14, cell.top - 8)
  elseif cell.legend then
    local lowest = cell.legend == "top" and cell.top + 14 or cell.at_y + 12
    legend.draw(out, paper, cell.names, cell.left, lowest + (#cell.names - 1) * legend.LINE)
  end
end

local function set_frame(out, paper, cell)
  out(("set lmargin at screen %s\nset rmargin at screen %s\nset bmargin at screen %s\n"
    .. "set tmargin at screen %s"):format(number(cell.left / paper.width),
    number(cell.right / paper.width), number(cell.bottom / paper.height),
    number(cell.top / paper.height)))
  if cell.panel.series[1].kind == "heat" then
    out(("set border 0\nunset grid\nset tics scale 0\nset colorbox user origin screen %s,%s "
      .. "size screen %s,%s noborder"):format(number((cell.right + 12) / paper.width),
      number(cell.bottom / paper.height), number(14 / paper.width),
      number((cell.top - cell.bottom) / paper.height)))
  end
end

local function set_title(out, paper, cell)
  local title = cell.panel.title
  if paper.plain then -- rows above the axes: the label of y, the title, the legend
    out(("set tmargin %d"):format(2 + (title and 1 or 0) + (cell.legend and 1 or 0)))
    out(title and "set label " .. words(title, true) .. " at graph 0.5,1 center offset 0,2" or "")
    return
  elseif not title then
    return
  end
  put(out, paper, title, (cell.left + cell.right) / 2, cell.at_y + cell.height - 20, cell.width, 14)
end

-- ---- panels -------------------------------------------------------------------------------------

-- Series of bars stand side by side: how many there are, and the distance of their groups.
local function bars_of(panel, axis)
  local count, pitch = 0, math.huge
  for _, s in ipairs(panel.series) do
    if s.style == "bars" then
      count = count + 1
      for i = 2, #s.x do
        local distance = math.abs(axes.fraction(axis, s.x[i]) - axes.fraction(axis, s.x[i - 1]))
        pitch = distance > 0 and math.min(pitch, distance) or pitch
      end
    end
  end
  local alone = axis.categories and 1 / (axis.high - axis.low) or 1
  return count, pitch < math.huge and pitch or alone
end

local function parts_of(out, paper, cell, p)
  local panel = cell.panel
  local bands, parts = {}, {}
  local how = { k = 0, bar = 0, bands = 0, plain = paper.plain, font = paper.font,
    ticks_text = ticks_text, x = cell.x, y = cell.y,
    pixels = 2 * (cell.right - cell.left) } -- of a PNG
  how.bars, how.pitch = bars_of(panel, cell.x)
  how.marked = kinds.marked(panel)
  for _, s in ipairs(panel.series) do
    how.bands = how.bands + (s.low and 1 or 0)
  end
  for i, s in ipairs(panel.series) do
    how.id, how.k = ("p%ds%d"):format(p, i), how.k + (s.kind ~= "mark" and 1 or 0)
    how.bar = how.bar + (s.style == "bars" and 1 or 0)
    local drawn = kinds[s.kind](out, s, how)
    bands[#bands + 1] = drawn.band
    for _, part in ipairs(drawn) do
      parts[#parts + 1] = part
    end
  end
  for _, part in ipairs(parts) do
    bands[#bands + 1] = part
  end
  return #bands > 0 and table.concat(bands, ", \\\n  ") or "1/0 notitle"
end

local function draw(out, paper, cell, p)
  local plain = paper.plain
  out(plain and DUMB or STYLE)
  out "unset arrow\nunset label\nunset colorbox\nunset object\nunset title\nset boxwidth"
  set_legend(out, paper, cell)
  set_axis(out, "x", cell.x, cell, plain)
  set_axis(out, "y", cell.y, cell, plain)
  if not plain then
    set_frame(out, paper, cell)
  end
  set_labels(out, paper, cell)
  set_title(out, paper, cell)
  out("plot " .. parts_of(out, paper, cell, p))
end

--- The commands.
-- @tparam figure figure
-- @tparam table terminal `plain` where it has characters only, with `rows` and `columns` of panels
--   in it; `scale` of its fonts to pixels
-- @treturn string
return function(figure, terminal)
  local paper, lines = { width = figure.width, height = figure.height, plain = terminal.plain }, {}
  function paper.font(size)
    return paper.plain and "" or ("font ',%s'"):format(number(size * terminal.scale))
  end
  local function out(line)
    lines[#lines + 1] = line
  end
  if #figure.panels > 1 then
    out(("set multiplot %s %s"):format(
      paper.plain and ("layout %d,%d"):format(terminal.rows, terminal.columns) or "",
      figure.title and "title " .. words(text.short(figure.title, math.floor(paper.width / 8)),
        paper.plain) .. " " .. paper.font(15) or ""))
  end
  for p, cell in ipairs(layout.of(figure)) do
    draw(out, paper, cell, p)
  end
  if #figure.panels > 1 then
    out "unset multiplot"
  end
  return table.concat(lines, "\n") .. "\n"
end
