--- Curves of a report: metrics over the steps, and the share of seeds that have solved by each.
--
-- They are inline pictures; without gnuplot, tables of the same numbers at some of the steps.
-- @module mgd.studies.report.curves

local gnuplot = require "mgd.plot.gnuplot"
local html = require "mgd.studies.report.html"
local numbers = require "mgd.text.numbers"
local plot = require "mgd.plot"
local stats = require "mgd.stats"
local tensor = require("mgd.core").tensor

local M = {}

local WIDTH, HEIGHT = 400, 300 -- a phone shows it at nearly its own size
local MOST_ROWS = 12           -- of a table in place of a picture
local SOLVED = "solved"

-- ---- numbers ------------------------------------------------------------------------------------

-- Median and quartiles of a metric; seeds that have stopped keep their last value, as their θ does.
local function metric_curve(store, name, metric)
  local m = store:metrics { experiment = name, name = metric }
  local rows = m.value:totable()
  for r = 1, #m.replica do
    for t = 2, #rows do
      if rows[t][r] ~= rows[t][r] then
        rows[t][r] = rows[t - 1][r]
      end
    end
  end
  local q = stats.bands(tensor.tensor(rows, { dtype = "f64" }))
  return { x = m.step:totable(), y = q[2]:totable(), low = q[1]:totable(), high = q[3]:totable() }
end

-- The share that has solved by each step, in %: Kaplan and Meier's, with its interval.
local function solved_curve(e)
  local time = e.summary.time
  if not time or time.solved == 0 then
    return nil
  end
  local curve = { x = { 0 }, y = { 0 }, low = { 0 }, high = { 0 }, style = "steps" }
  local function add(x, survival, lower, upper)
    local n = #curve.x + 1
    curve.x[n], curve.y[n] = x, 100 * (1 - survival)
    curve.low[n], curve.high[n] = 100 * (1 - upper), 100 * (1 - lower)
  end
  local n = #time.time
  for i = 1, n do
    add(time.time[i], time.survival[i], time.lower[i], time.upper[i])
  end
  if e.steps > time.time[n] then
    add(e.steps, time.survival[n], time.lower[n], time.upper[n])
  end
  return curve
end

local function curve_of(store, e, metric)
  if metric == SOLVED then
    return solved_curve(e)
  end
  for _, name in ipairs(e.metrics) do
    if name == metric then
      return metric_curve(store, e.name, metric)
    end
  end
  return nil
end

-- ---- pictures, or tables ------------------------------------------------------------------------

local function positive(curves)
  for _, curve in ipairs(curves) do
    for _, value in ipairs(curve.low) do
      if value <= 0 then
        return false
      end
    end
  end
  return true
end

local function any_known(curve)
  for _, value in ipairs(curve.y) do
    if value == value and math.abs(value) < math.huge then
      return true
    end
  end
  return false
end

local function picture(metric, curves, axis)
  local panel = { x = axis, legend = "top", width = WIDTH, height = HEIGHT,
    y = { label = metric, unit = plot.UNITS[metric], log = metric == "cost" and positive(curves) } }
  if metric == SOLVED then
    panel.y = { label = "seeds that have solved", unit = "%", range = { 0, 100 } }
  end
  for i, curve in ipairs(curves) do
    panel[i] = curve
  end
  return plot(panel):svg()
end

local function number(value)
  return value == value and numbers.number(value, 4) or "–"
end

local function numbers_table(metric, curve, axis)
  local rows, count = {}, #curve.x
  local step = math.max(1, math.ceil((count - 1) / (MOST_ROWS - 1)))
  for i = 1, count do
    if (i - 1) % step == 0 or i == count then
      rows[#rows + 1] = { ("%d"):format(curve.x[i]), number(curve.low[i]), number(curve.y[i]),
        number(curve.high[i]) }
    end
  end
  local name = curve.label and metric .. ", " .. curve.label or metric
  return html.table({ axis, name .. ": lower", metric == SOLVED and "share, %" or "median",
    "upper" }, rows)
end

local CAPTION = "Lines are medians over the seeds, bands their quartiles; seeds that have stopped "
  .. "keep their last value. Of the share that has solved, the band is its 95 % interval."

--- A figure of some experiments: a picture for each metric that one of them has.
-- @tparam store store
-- @tparam table entries experiments as mgd.report has them; more than one are named
-- @tparam string axis "step" or "evaluations"
-- @tparam[opt] boolean explained whether a caption says what is drawn
-- @treturn string|nil HTML; nil where there is nothing to draw
function M.of(store, entries, axis, explained)
  local metrics, seen, parts = {}, {}, {}
  for _, e in ipairs(entries) do
    for _, name in ipairs(e.metrics) do
      metrics[#metrics + 1], seen[name] = not seen[name] and name or nil, true
    end
  end
  table.sort(metrics)
  metrics[#metrics + 1] = SOLVED
  local has_gnuplot = gnuplot.installed()
  for _, metric in ipairs(metrics) do
    local curves = {}
    for i, e in ipairs(entries) do
      local curve = curve_of(store, e, metric)
      if curve and any_known(curve) then
        curve.x = axis == "evaluations" and e.experiment:evaluations(curve.x) or curve.x
        curve.label, curve.colour = #entries > 1 and e.name or nil, (i - 1) % 8 + 1
        curves[#curves + 1] = curve
      end
    end
    if has_gnuplot and #curves > 0 then
      parts[#parts + 1] = picture(metric, curves, axis)
    elseif not has_gnuplot then
      for _, curve in ipairs(curves) do
        parts[#parts + 1] = numbers_table(metric, curve, axis)
      end
    end
  end
  if #parts == 0 then
    return nil
  elseif not has_gnuplot then
    return table.concat(parts, "\n") .. html.note("No pictures: gnuplot is not installed "
      .. "(apt install gnuplot-nox). The tables hold some of their numbers."
      .. (explained and " " .. CAPTION or ""))
  end
  return html.figure(parts, explained and CAPTION or nil)
end

return M
