--- gnuplot: whether it is there, its terminals, and one run of it.
-- @module mgd.plot.gnuplot

local core = require "mgd.core"
local program = require "mgd.base.program"

local M = { PACKAGE = "gnuplot-nox" }

local FONT = "Helvetica,Arial,sans-serif"

-- Terminals, with the `scale` of their fonts: svg measures them in pixels, the others in points.
local POINT = 0.75

-- What gnuplot wrote, in half the lines and with the same look: it opens groups that stay empty and
-- begins a line of text with every few points of a path. Subscripts have one font; series titles,
-- which a browser shows below the pointer, go.
local function tidy(drawn)
  return (drawn:gsub('font%-family="Helvetica"', ('font-family="%s"'):format(FONT))
    :gsub("<title>gnuplot_plot_[^<]*</title>", ""):gsub("<g [^>]*>\n</g>\n", "")
    :gsub("%s+(L%-?%d)", " %1"))
end

local function svg(figure, background)
  return { text = ('svg size %d,%d font "%s,13" %s'):format(figure.width, figure.height, FONT,
    background), scale = 1, tidy = tidy }
end

--- The terminal for each ending of a file.
M.FILES = {
  svg = function(figure)
    return svg(figure, 'background "white"')
  end,
  png = function(figure) -- twice the pixels, for screens of today
    return { text = ('pngcairo size %d,%d font "Helvetica,%g" fontscale 2 linewidth 2 pointscale 2 '
      .. 'background "white"'):format(2 * figure.width, 2 * figure.height, 13 * POINT),
      scale = POINT }
  end,
  pdf = function(figure)
    return { text = ('pdfcairo size %.2fin,%.2fin font "Helvetica,%g" fontscale 1 '
      .. 'background "white"'):format(figure.width / 96, figure.height / 96, 13 * POINT),
      scale = POINT }
  end,
}

--- The terminal for a page of HTML, which has a background of its own.
function M.inline(figure)
  return svg(figure, "")
end

--- Whether gnuplot is on the PATH.
function M.installed()
  return program.installed "gnuplot"
end

-- What the terminal says of itself: attribute 4 of its primary device attributes is sixel.
local function knows_sixel()
  if not (core.base.isatty(0) and core.base.isatty(1)) then
    return false
  end
  local answer = core.terminal.attributes()
  return (answer:match "%[%?([%d;]*)c" or ""):find "%f[%d]4%f[^%d]" ~= nil
end

-- Rows and columns of the terminal.
local function size()
  local rows, columns = core.terminal.size()
  rows, columns = rows or 24, columns or 80
  return math.max(12, math.min(rows - 2, 40)), math.max(40, math.min(columns - 1, 120))
end

local NARROWEST = 38 -- a panel of characters

--- The terminal for the user's own.
function M.terminal(figure)
  if knows_sixel() then
    return { text = ('sixelgd size %d,%d truecolor font "Helvetica,%g" background "white"'):format(
      figure.width, figure.height, 13 * POINT), scale = POINT }
  end
  local rows, columns = size()
  local beside = math.max(1, math.min(figure.columns, math.floor(columns / NARROWEST)))
  local below = math.ceil(#figure.panels / beside)
  return { text = ("dumb size %d,%d aspect 1 %s"):format(columns, rows * below,
    core.base.isatty(1) and "ansirgb" or "mono"), plain = true, columns = beside, rows = below }
end

--- One run, with no settings but those here: neither the user's nor a folder's are read.
-- @tparam string where opens messages
-- @tparam table terminal
-- @tparam string commands
-- @treturn string what gnuplot wrote
-- @raise with gnuplot's last words where it failed
function M.run(where, terminal, commands)
  local drawn = program.need(where, { "gnuplot", "--default-settings" }, {
    input = "set encoding utf8\nset terminal " .. terminal.text .. "\n" .. commands,
    env = { LC_ALL = "C.UTF-8" }, package = M.PACKAGE })
  return terminal.tidy and terminal.tidy(drawn) or drawn
end

return M
