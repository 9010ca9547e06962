--- Figures of the user's own in a report.
-- @module mgd.studies.report.own

local gnuplot = require "mgd.plot.gnuplot"
local html = require "mgd.studies.report.html"
local options = require "mgd.base.options"
local plot = require "mgd.plot"

local M = {}

local ITEM = {
  { "figure", type = "any", required = true, doc = "The figure, or what has a plot()." },
  { "title", type = "string", doc = "Above it." },
  { "text", type = "string", doc = "A paragraph below the title." },
}

-- Whether a value has a method plot(), as tolerance maps have. Some raise where they have none.
local function can_plot(value)
  local ok, method = pcall(function()
    return value.plot
  end)
  return type(value) == "table" and getmetatable(value) ~= nil and ok
    and type(method) == "function"
end

local function is_drawn(value)
  return plot.is_figure(value) or can_plot(value)
end

--- Checks figures as they were given.
-- @tparam string where opens messages
-- @tparam table|nil list
-- @treturn table list of {figure =, title =, text =}
function M.check(where, list)
  local items = {}
  for i, given in ipairs(list or {}) do
    local place = ("%s: figures: element %d"):format(where, i)
    if type(given) ~= "table" then
      options.fail(place, "expected a figure or {figure = …}, got %s", options.type_name(given))
    end
    local item = is_drawn(given) and { figure = given } or options.check(place, ITEM, given)
    if not is_drawn(item.figure) then
      options.fail(place, "option 'figure' must be a figure, or have a plot(), got %s",
        options.type_name(item.figure))
    end
    items[i] = item
  end
  return items
end

local function picture_of(figure)
  figure = plot.is_figure(figure) and figure or figure:plot()
  if gnuplot.installed() then
    return html.wide_figure(figure:svg())
  end
  return html.note("No picture: gnuplot is not installed (apt install gnuplot-nox). Its numbers:")
    .. html.pre(figure:csv())
end

--- The section that shows them.
-- @tparam table list as checked
-- @treturn string|nil HTML
function M.section(list)
  local parts = {}
  for _, item in ipairs(list) do
    parts[#parts + 1] = item.title and html.subheading(item.title) or nil
    parts[#parts + 1] = item.text and html.paragraph(item.text) or nil
    parts[#parts + 1] = picture_of(item.figure)
  end
  return #parts > 0 and html.section("Figures", { table.concat(parts, "\n") }) or nil
end

return M
