--- The heat map of a report: what came of experiments that differ in two parameters.
-- @module mgd.studies.report.heat

local gnuplot = require "mgd.plot.gnuplot"
local html = require "mgd.studies.report.html"
local value_text = require("mgd.base.encoding").value
local plot = require "mgd.plot"
local tensor = require("mgd.core").tensor

local M = {}

local FEWEST = 4 -- experiments that make a map

-- The values of a parameter in order, and the place of each; nil where some experiment has none.
local function axis_of(values, count)
  local list, place = {}, {}
  for i = 1, count do
    local value = values[i]
    if value == nil then
      return nil
    elseif not place[value] then
      place[value], list[#list + 1] = true, value
    end
  end
  table.sort(list, function(a, b)
    if type(a) == "number" and type(b) == "number" then
      return a < b
    end
    return tostring(a) < tostring(b)
  end)
  for k, value in ipairs(list) do
    place[value] = k
  end
  return list, place
end

-- What is drawn of each experiment: the share that has solved, or the cost where nothing says what
-- a solution is.
local function measure_of(entries)
  for _, e in ipairs(entries) do
    if e.summary.success and e.experiment:get "stop" then
      return { label = "success", range = { 0, 1 }, of = function(s)
        return s.success and s.success.rate
      end }
    end
  end
  return { label = "median cost", of = function(s) return s.cost end }
end

-- Cells (y, x), nan where there is no experiment; nil where two fall into one, or none is known.
local function cells_of(entries, x, y, measure)
  local rows, taken, known = {}, {}, false
  for j = 1, #y.list do
    rows[j] = {}
    for i = 1, #x.list do
      rows[j][i] = 0 / 0
    end
  end
  for k, e in ipairs(entries) do
    local i, j = x.place[x.values[k]], y.place[y.values[k]]
    local cell, value = i .. "/" .. j, measure.of(e.summary)
    if taken[cell] then
      return nil
    end
    taken[cell] = true
    rows[j][i] = value or 0 / 0
    known = known or value ~= nil and value - value == 0
  end
  return known and rows or nil
end

-- Numbers as they are; words, and what is both, as text.
local function labels(list)
  for _, value in ipairs(list) do
    if type(value) ~= "number" then
      local texts = {}
      for k, other in ipairs(list) do
        texts[k] = value_text(other)
      end
      return texts
    end
  end
  return list
end

--- A heat map of some experiments.
-- @tparam table entries experiments as mgd.report has them
-- @tparam table varied parameters in which they differ, as mgd.report has them
-- @treturn string|nil HTML; nil unless they differ in two, each pair of values once
function M.of(entries, varied)
  if #varied ~= 2 or #entries < FEWEST or not gnuplot.installed() then
    return nil
  end
  local axes = {}
  for k, entry in ipairs(varied) do
    local list, place = axis_of(entry.values, #entries)
    if not list or #list < 2 then
      return nil
    end
    axes[k] = { list = list, place = place, values = entry.values, name = entry.name }
  end
  local x, y, measure = axes[1], axes[2], measure_of(entries)
  local cells = cells_of(entries, x, y, measure)
  if not cells then
    return nil
  end
  local figure = plot { title = measure.label .. " by " .. x.name .. " and " .. y.name, x = x.name,
    y = y.name, width = 480, height = 340, { kind = "heat", x = labels(x.list), y = labels(y.list),
      z = tensor.tensor(cells, { dtype = "f64" }), label = measure.label, range = measure.range } }
  return html.figure({ figure:svg() })
end

return M
