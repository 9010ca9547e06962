--- A fit as a picture, through gnuplot, for `mgd.fit`.
--
-- A panel for each direction; measured points and the fitted line of a device in one colour.
-- @module mgd.fit_plot

local options = require "mgd.options"

local WHERE = "mgd.hw.fit_update: plot"

local TERMINALS = {
  svg = 'svg size 880,400 font "Helvetica,Arial,sans-serif,13" background "white"',
  png = 'pngcairo size 1760,800 font "Helvetica,26" fontscale 1 linewidth 2 pointscale 2 '
    .. 'background "white"',
}

-- Okabe and Ito (2008): eyes of every kind tell them apart.
local COLOURS = { "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000" }

local STYLE = [[
set terminal %s noenhanced
set output %s
set multiplot layout 1,2 margins 0.08,0.97,0.16,0.89 spacing 0.04
set xlabel "Pulses" offset 0,0.3
set yrange [%.8g:%.8g]
set tics nomirror out scale 0.6 textcolor "#333333"
set border 3 linewidth 1.2 linecolor "#555555"
set grid ytics linetype 1 linewidth 0.7 linecolor "#dddddd"
]]

local function quoted(text)
  return "'" .. text:gsub("[\n\r]", " "):gsub("'", "''") .. "'"
end

local function installed(program)
  local status = os.execute("command -v " .. program .. " >/dev/null 2>&1")
  return status == true or status == 0 -- 0 under LuaJIT
end

local function block(pulse, values, convert)
  local lines = {}
  for i = 1, #pulse do
    lines[i] = ("%d %.8g"):format(pulse[i], convert(values[i]))
  end
  return table.concat(lines, "\n") .. "\ne\n"
end

local function range_of(devices)
  local low, high = math.huge, -math.huge
  for _, device in ipairs(devices) do
    for _, curve in ipairs(device.curves) do
      for _, g in ipairs(curve.g) do
        low, high = math.min(low, g), math.max(high, g)
      end
    end
  end
  local margin = 0.04 * (high - low)
  return low - margin, high + margin
end

-- One panel; devices are named in that of pulses up, where there are colours for all.
local function draw(gnuplot, fit, direction)
  local parts, blocks = {}, {}
  local function back(w)
    return fit:conductance(w)
  end
  for d, device in ipairs(fit.devices) do
    local colour, first = COLOURS[(d - 1) % #COLOURS + 1], true
    for _, curve in ipairs(device.curves) do
      if curve.direction == direction then
        local named = direction > 0 and first and #fit.devices <= #COLOURS
        parts[#parts + 1] = ('"-" with points pointtype 7 pointsize 0.3 linecolor "%s" notitle'):
          format(colour)
        blocks[#blocks + 1] = block(curve.pulse, curve.g, function(g) return g end)
        parts[#parts + 1] = ('"-" with lines linewidth 1.8 linecolor "%s" %s'):format(colour,
          named and "title " .. quoted(device.name) or "notitle")
        blocks[#blocks + 1] = block(curve.pulse, curve.fit, back)
        first = false
      end
    end
  end
  gnuplot:write("plot ", table.concat(parts, ", "), "\n", table.concat(blocks))
end

local function write(fit, path, terminal)
  local gnuplot = assert(io.popen("gnuplot 2>/dev/null", "w"))
  gnuplot:write(STYLE:format(TERMINALS[terminal], quoted(path), range_of(fit.devices)))
  gnuplot:write(("set ylabel %s offset 1.2,0\nset key bottom right\n"):format(
    quoted("Conductance" .. (fit.unit and " (" .. fit.unit .. ")" or ""))))
  gnuplot:write(("set title %s offset 0,-0.3\n"):format(
    quoted("Up: points measured, lines the fit")))
  draw(gnuplot, fit, 1)
  gnuplot:write(('unset ylabel\nset format y ""\nset title %s offset 0,-0.3\n'):format(
    quoted("Down: law " .. fit.law)))
  draw(gnuplot, fit, -1)
  return gnuplot:close()
end

--- Draw a fit.
-- @tparam table fit  what `mgd.fit.fit_update` answers
-- @tparam string path  ends in .svg or .png
-- @raise see `Fit:plot`
return function(fit, path)
  local terminal = type(path) == "string" and (path:match "%.(%w+)$" or ""):lower()
  if not TERMINALS[terminal] then
    options.fail(WHERE, "the path must end in .svg or .png, got %s", tostring(path))
  elseif not installed "gnuplot" then
    options.fail(WHERE, "gnuplot is not installed: scripts/deps installs it "
      .. "(apt install gnuplot-nox)")
  end
  local file, message = io.open(path, "wb")
  if not file then
    options.fail(WHERE, "%s", message)
  end
  file:close()
  local ended = write(fit, path, terminal)
  file = io.open(path, "rb")
  local size = file and file:seek "end" or 0
  if file then
    file:close()
  end
  if not ended or size == 0 then
    options.fail(WHERE, "gnuplot failed to write %s", path)
  end
end
