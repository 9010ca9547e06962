--- Plots, through gnuplot: lines with bands, points, heat maps, histograms, boxes, in panels.
--
--     local fig = mgd.plot{
--       x = {label = "step", log = true}, y = {label = "cost", unit = "mse"},
--       {x = h.step, y = median, low = q1, high = q3, label = "walsh"}}
--     fig:save "cost.svg"     -- .svg, .png, .pdf, or .csv: the numbers
--     fig:show()              -- in the terminal
--
-- `mgd.plot.history(run.history)` draws the probes of a run. Colours are Okabe and Ito's (2008),
-- heat maps viridis: eyes of every kind tell them apart, on paper, too. nan and infinities are
-- gaps. Of a million values a picture has those that can be seen; the CSV has all. Where gnuplot is
-- missing, the numbers are written as CSV.
-- @module mgd.plot

local csv = require "mgd.plot.csv"
local files = require "mgd.base.files"
local gnuplot = require "mgd.plot.gnuplot"
local naming = require "mgd.base.naming"
local options = require "mgd.base.options"
local script = require "mgd.plot.script"
local series = require "mgd.plot.series"
local finite = require("mgd.plot.text").finite
local ticks = require "mgd.plot.ticks"
local xml = require("mgd.base.encoding").xml

local M = {}

local WHERE = "mgd.plot"

M.AXIS = {
  { "label", type = "string", doc = "What is along the axis." },
  { "unit", type = "string", doc = "Of it, in brackets behind the label." },
  { "log", type = "boolean", default = false, doc = "Logarithmic; values must be above 0." },
  { "range", type = "list", doc = "{low, high}; what the data need without." },
  { "ticks", type = "list", doc = "Where there are ticks: numbers, or {value, text}." },
}

local PANEL = {
  { "title", type = "string", doc = "Above it." },
  { "x", type = { "string", "table" }, doc = "The axis: its label, or a table; see AXIS." },
  { "y", type = { "string", "table" }, doc = "The same." },
  { "legend", type = "string", default = "auto",
    choices = { "auto", "right", "top", "below", "none" },
    doc = "Where series are named, outside; auto: right or on top, where there are several." },
}

M.PANEL = { positional = true }
M.SCHEMA = { positional = true }
for i, entry in ipairs(PANEL) do
  M.PANEL[i], M.SCHEMA[i] = entry, entry
end
for _, entry in ipairs {
  { "panels", type = "list", doc = "Several panels, each a table with title, x, y and series." },
  { "columns", type = "integer", min = 1, doc = "Panels side by side; at most 3 without." },
  { "width", type = "integer", min = 100, max = 10000, unit = "pixels", doc = "Of the picture." },
  { "height", type = "integer", min = 100, max = 10000, unit = "pixels", doc = "Of the picture." },
} do
  table.insert(M.SCHEMA, entry)
end

local Figure = naming.class("mgd.figure", { "title" })

-- ---- making -------------------------------------------------------------------------------------

local function check_ticks(where, name, given)
  local list = {}
  for i, tick in ipairs(given) do
    local value, words = tick, ""
    if type(tick) == "table" then
      value, words = tick[1], tick[2]
    end
    if type(value) ~= "number" or type(words) ~= "string" then
      options.fail(where, "axis '%s': tick %d must be a number or {value, text}", name, i)
    elseif not finite(value) then
      options.fail(where, "axis '%s': tick %d is %s: expected a finite number", name, i, value)
    end
    list[i] = { value, value == tick and ticks.text(value, 0) or words }
  end
  return list
end

local function check_axis(where, name, given)
  local axis = options.check(where .. ": " .. name, M.AXIS,
    type(given) == "string" and { label = given } or given)
  axis.ticks = axis.ticks and check_ticks(where, name, axis.ticks)
  series.check_range(where, ("axis '%s': "):format(name), axis.range, axis.log)
  return axis
end

-- The panel of checked options.
local function panel_of(where, opt)
  local panel = { title = opt.title, legend = opt.legend, x = check_axis(where, "x", opt.x),
    y = check_axis(where, "y", opt.y), series = {} }
  for i, given in ipairs(opt) do
    panel.series[i] = series.check(("%s: series %d"):format(where, i), given, panel)
  end
  if #panel.series == 0 then
    options.fail(where, "there is nothing to draw: expected series such as {x = …, y = …}")
  end
  series.finish(where, panel)
  return panel
end

-- Pixels, from how many panels there are.
local function set_size(figure, opt)
  local count = #figure.panels
  figure.columns = math.min(opt.columns or math.min(count, 3), count)
  figure.rows = math.ceil(count / figure.columns)
  local single = count == 1
  figure.width = opt.width or (single and 680 or 440 * figure.columns)
  figure.height = opt.height or (single and 420 or 330 * figure.rows)
end

--- Whether a value is a figure.
function M.is_figure(value)
  return type(value) == "table" and getmetatable(value) == Figure
end

--- Make a figure.
-- @tparam table opts see `M.SCHEMA`; series in its array part, or in each of `panels`. A series is
--   {x =, y =, label =, style =}, with low = and high = a band or error bars; y may be (T, R), of
--   which the median and the quartiles are drawn; or {kind = "heat", x =, y =, z = (Ny, Nx)},
--   {kind = "histogram", values =}, {kind = "box", groups = {{label =, values =}, …}}, {kind =
--   "mark", x = | y =}: see mgd.plot.series
-- @treturn figure
-- @raise where a series is wrong, naming which
function M.new(opts)
  local opt = options.check(WHERE, M.SCHEMA, opts)
  local figure = setmetatable({ panels = {} }, Figure)
  if opt.panels then
    if #opt > 0 then
      options.fail(WHERE, "series are given beside 'panels': put them into a panel")
    end
    figure.title = opt.title
    for i, given in ipairs(opt.panels) do
      local where = ("%s: panel %d"):format(WHERE, i)
      figure.panels[i] = panel_of(where, options.check(where, M.PANEL, given))
    end
    if #figure.panels == 0 then
      options.fail(WHERE, "option 'panels' is empty")
    end
  else
    figure.panels[1] = panel_of(WHERE, opt)
  end
  set_size(figure, opt)
  return figure
end

-- ---- of a run -----------------------------------------------------------------------------------

--- Units of probes.
M.UNITS = { angle = "degrees", batch_angle = "degrees", set_angle = "degrees", time = "s",
  wall = "s" }

-- What a history is drawn against; nobody wants one of them drawn against another.
local CLOCKS = { step = true, evaluations = true, time = true, wall = true }

local HISTORY = {
  { "x", type = "string", default = "step", choices = { "step", "evaluations", "time" },
    doc = "What it is drawn against: steps, evaluations of one sample under one perturbation or "
      .. "none (their median where each replica has its own), or hardware time (s)." },
}

--- A figure of a history: a panel for each probe; of ensembles the median and the quartiles.
-- @tparam history history of a run
-- @tparam[opt] table names of probes; all that it has without
-- @tparam[opt] table opts `x`: "step", "evaluations" or "time"
-- @treturn figure
-- @usage mgd.plot.history(run.history, {"cost"}):show()
-- @usage mgd.plot.history(run.history, nil, {x = "evaluations"}):show()
function M.history(history, names, opts)
  local where = "mgd.plot.history"
  local opt = options.check(where, HISTORY, opts)
  if type(history) ~= "table" or not options.is_tensor(rawget(history, "step")) then
    options.fail(where, "expected the history of a run, got %s", options.type_name(history))
  end
  if names ~= nil and type(names) ~= "table" then
    options.fail(where, "expected a list of names of probes, got %s", options.type_name(names))
  elseif names then
    options.length(where, "names of probes", names)
  end
  local panels, x = {}, history[opt.x]
  x = x.ndim > 1 and history:quantile(opt.x, 0.5) or x
  for _, name in ipairs(names or history.names) do
    local values = rawget(history, name)
    if not options.is_tensor(values) then
      options.fail(where, "the history has no probe '%s'%s", tostring(name),
        naming.hint(name, history.names))
    elseif names or not CLOCKS[name] then
      panels[#panels + 1] = { x = { label = opt.x, unit = M.UNITS[opt.x] },
        y = { label = name, unit = M.UNITS[name] }, { x = x, y = values } }
    end
  end
  return M.new { panels = panels }
end

-- ---- output -------------------------------------------------------------------------------------

local function render(where, figure, terminal_of)
  local terminal = terminal_of(figure)
  return gnuplot.run(where, terminal, script(figure, terminal))
end

--- The numbers, as CSV: panel, series, x, y, low, high (or z).
-- @treturn string
function Figure:csv()
  return csv(self)
end

--- Write the figure to a file.
-- @tparam string path ends in .svg, .png, .pdf or .csv
-- @raise without gnuplot: the numbers are then written beside, as CSV
function Figure:save(path)
  local where = "figure:save"
  local ending = type(path) == "string" and (path:match "%.(%w+)$" or ""):lower()
  if ending == "csv" then
    files.write(where, path, self:csv())
    return
  elseif not gnuplot.FILES[ending] then
    options.fail(where, "the path must end in .svg, .png, .pdf or .csv, got %s", tostring(path))
  elseif not gnuplot.installed() then
    local numbers = path:gsub("%.%w+$", ".csv")
    files.write(where, numbers, self:csv())
    options.fail(where, "gnuplot is not installed (apt install gnuplot-nox): the numbers are in %s",
      numbers)
  end
  files.write(where, path, render(where, self, gnuplot.FILES[ending]))
end

local inlined = 0 -- figures so far: their ids must not meet in one page

--- The figure as SVG text to stand in a page of HTML: no header, no background, ids of its own.
-- @treturn string
function Figure:svg()
  local where = "figure:svg"
  if not gnuplot.installed() then
    options.fail(where, "gnuplot is not installed (apt install gnuplot-nox)")
  end
  inlined = inlined + 1
  local text = render(where, self, gnuplot.inline)
  local prefix = ("f%d-"):format(inlined)
  local title = self.title or self.panels[1].title or tostring(self):match "^[^:]*"
  local opening = '<svg role="img" aria-label="' .. xml(title):gsub("[&<>\"]", "") .. '"'
  text = opening .. text:gsub("^.-<svg", ""):gsub("<desc>.-</desc>", "")
    :gsub("<title>.-</title>", "")
  text = text:gsub("(%sid=['\"])", "%1" .. prefix):gsub("(url%(#)", "%1" .. prefix)
    :gsub("(href=['\"]#)", "%1" .. prefix)
  return text
end

--- Show the figure in the terminal: as a picture where it knows sixel, else in characters.
function Figure:show()
  local where = "figure:show"
  if not gnuplot.installed() then
    io.write(self:csv())
    io.stderr:write("mgd: gnuplot is not installed (apt install gnuplot-nox): ",
      "these are the numbers\n")
    return
  end
  io.write(render(where, self, gnuplot.terminal), "\n")
  io.flush()
end

function Figure:__tostring()
  local count = 0
  for _, panel in ipairs(self.panels) do
    count = count + #panel.series
  end
  return ("figure of %d panel%s, %d series: fig:show(), fig:save(\"name.svg\")"):format(
    #self.panels, #self.panels == 1 and "" or "s", count)
end

return naming.module("mgd.plot", M, { call = M.new })
