--- Series of a plot: what is given is checked and brought to lists of numbers.
-- @module mgd.plot.series

local edges_of = require "mgd.plot.bins"
local options = require "mgd.base.options"
local stats = require "mgd.stats"
local text = require "mgd.base.encoding"

local M = {}

local STYLES = { "line", "points", "both", "steps", "dashed", "bars" }

local LABEL = { "label", type = "string", doc = "In the legend." }
local KIND = { "kind", type = "string", doc = "See mgd.plot." }
local COLOUR = { "colour", type = "integer", min = 1, max = 8,
  doc = "Number of the colour; one after the other without." }

M.SCHEMAS = {
  line = { KIND, LABEL, COLOUR,
    { "x", type = "any", doc = "Values: a tensor or a list, or texts; 1, 2, … without." },
    { "y", type = "any", required = true, doc = "Values." },
    { "low", type = "any", doc = "With high: a band, or bars of points." },
    { "high", type = "any", doc = "The upper end." },
    { "style", type = "string", default = "line", choices = STYLES, doc = "How it is drawn." },
  },
  heat = { KIND, LABEL,
    { "x", type = "any", required = true, doc = "Values or texts of the columns (Nx)." },
    { "y", type = "any", required = true, doc = "Values or texts of the rows (Ny)." },
    { "z", type = "tensor", required = true, doc = "(Ny, Nx); nan stays empty." },
    { "unit", type = "string", doc = "Of z, behind the label." },
    { "range", type = "list", doc = "{low, high} of the colours." },
    { "log", type = "boolean", default = false, doc = "Colours on a logarithmic scale." },
    { "values", type = "boolean", doc = "Numbers in the cells; where there are few without." },
    { "contour", type = { "number", "list" }, doc = "Heights at which lines are drawn." },
  },
  histogram = { KIND, LABEL, COLOUR,
    { "values", type = "any", required = true, doc = "What is counted." },
    { "bins", type = "integer", min = 1, max = 1000,
      doc = "As many of equal width; as many as the values ask for without." },
  },
  box = { KIND, COLOUR,
    { "groups", type = "list", required = true, doc = "{{label =, values =}, …}, a box each." },
  },
  mark = { KIND, LABEL,
    { "x", type = "number", doc = "A line across, there." },
    { "y", type = "number", doc = "The same, level." },
  },
}

local KINDS = { "line", "heat", "histogram", "box", "mark" }

-- A list of numbers; nan and infinities stay, as gaps.
local function numbers(where, name, given)
  local list = options.is_tensor(given) and given:to("f64"):reshape { given.size }:totable()
    or given
  if type(list) ~= "table" then
    options.fail(where, "'%s' must be a tensor or a list of numbers, got %s", name,
      options.type_name(given))
  end
  options.length(where, ("'%s'"):format(name), list)
  local out = {}
  for i, value in ipairs(list) do
    if type(value) ~= "number" then
      options.fail(where, "'%s': element %d is %s: expected a number", name, i,
        options.type_name(value))
    end
    out[i] = value
  end
  if #out == 0 then
    options.fail(where, "'%s' has no values", name)
  end
  return out
end

local function finite(value)
  return value == value and math.abs(value) < math.huge
end

local function any_finite(list)
  for _, value in ipairs(list) do
    if finite(value) then
      return true
    end
  end
  return false
end

local function any_point(s)
  for i, y in ipairs(s.y) do
    if finite(y) and finite(s.x[i]) then
      return true
    end
  end
  return false
end

-- Values on a logarithmic axis are above 0, or gaps.
local function check_log(where, name, list, axis)
  for i, value in ipairs(axis.log and list or {}) do
    if finite(value) and value <= 0 then
      options.fail(where, "'%s': element %d is %s, which a logarithmic axis has no place for", name,
        i, value)
    end
  end
end

--- Check the ends of an axis or of a scale of colours, which may be nil.
-- @tparam string where opens messages
-- @tparam string what is said before "range"
-- @tparam table range
-- @tparam boolean log
function M.check_range(where, what, range, log)
  if not range then
    return
  end
  local low, high = range[1], range[2]
  if type(low) ~= "number" or type(high) ~= "number" then
    options.fail(where, "%srange must be {low, high}, two numbers", what)
  elseif not (finite(low) and finite(high) and low < high) then
    options.fail(where, "%srange must be {low, high}, two finite numbers, the lower first, got "
      .. "{%s, %s}", what, low, high)
  elseif log and low <= 0 then
    options.fail(where, "%sa logarithmic range must begin above 0, got %s", what, low)
  end
end

local CHECKS = {}

-- Texts in place of x are categories, which stand side by side; a panel has one row of them.
local function check_categories(where, s, panel)
  local given = s.x
  if type(given) ~= "table" or type(given[1]) ~= "string" then
    if panel.categories then
      options.fail(where, "'x' must be the texts that the series before it have")
    end
    return
  end
  if panel.x.log or panel.x.range then
    options.fail(where, "texts in 'x' have no place on an axis with '%s'",
      panel.x.log and "log" or "range")
  end
  s.x = {}
  for i, name in ipairs(given) do
    s.x[i] = i
    if type(name) ~= "string" then
      options.fail(where, "'x': element %d is %s: expected a text as those before it", i,
        options.type_name(name))
    elseif panel.categories and panel.categories[i] ~= name then
      options.fail(where, "'x': element %d is '%s', in the series before it '%s'", i, name,
        tostring(panel.categories[i]))
    end
  end
  panel.categories = panel.categories or given
end

-- The median and the quartiles over the replicas of an ensemble.
local function reduce_replicas(where, s)
  if type(s.y) == "table" and type(s.y[1]) == "table" then
    s.y = options.tensor(s.y)
  end
  if options.is_tensor(s.y) and s.y.ndim == 2 then
    if s.low ~= nil or s.high ~= nil then
      options.fail(where, "'y' is (T, R), whose band is that of its quartiles: 'low' and 'high' "
        .. "have no place")
    end
    local q = stats.bands(s.y)
    s.y, s.low, s.high = q[2], q[1], q[3]
  end
end

local function check_lengths(where, s)
  for _, name in ipairs { "x", "low", "high" } do
    if s[name] ~= nil then
      s[name] = numbers(where, name, s[name])
      if #s[name] ~= #s.y then
        options.fail(where, "'%s' has %d values, 'y' has %d", name, #s[name], #s.y)
      end
    end
  end
end

function CHECKS.line(where, s, panel)
  reduce_replicas(where, s)
  s.y = numbers(where, "y", s.y)
  if s.x == nil then
    s.x = {}
    for i = 1, #s.y do
      s.x[i] = i
    end
    panel.x.label = panel.x.label or "index"
  end
  check_categories(where, s, panel)
  if (s.low == nil) ~= (s.high == nil) then
    options.fail(where, "'low' and 'high' belong together")
  end
  check_lengths(where, s)
  for _, name in ipairs { "y", "x" } do
    if not any_finite(s[name]) then
      options.fail(where, "'%s' has no finite value: there is nothing to draw", name)
    end
  end
  if not any_point(s) then
    options.fail(where, "no point has a finite 'x' and a finite 'y': there is nothing to draw")
  elseif s.style == "bars" and panel.y.log then
    options.fail(where, "bars begin at 0, which a logarithmic axis has no place for")
  end
  check_log(where, "x", s.x, panel.x)
  check_log(where, "y", s.y, panel.y)
  for _, name in ipairs { "low", "high" } do -- a band or bar that goes below 0 ends at the value
    for i, value in ipairs(panel.y.log and s[name] or {}) do
      s[name][i] = value > 0 and value or s.y[i]
    end
  end
end

-- Numbers as texts of as few digits as tell them apart, 3 at least.
local function brief(list)
  for digits = 3, 15 do
    local out, seen, apart = {}, {}, true
    for i, value in ipairs(list) do
      out[i] = type(value) == "number" and ("%%.%dg"):format(digits):format(value) or value
      apart, seen[out[i]] = apart and (seen[out[i]] or value) == value, value
    end
    if apart then
      return out
    end
  end
  return nil
end

-- Texts of the cells' rows or columns; and as they are shown.
local function texts(where, name, given)
  local list = options.is_tensor(given) and given:totable() or given
  if type(list) ~= "table" or #list == 0 then
    options.fail(where, "'%s' must be a list of values", name)
  end
  local out, values = {}, {}
  for i, value in ipairs(list) do
    out[i] = text.value(value)
    values[i] = type(value) == "number" and value or out[i]
  end
  return out, brief(values) or out
end

function CHECKS.heat(where, s)
  s.names = {}
  s.x, s.names.x = texts(where, "x", s.x)
  s.y, s.names.y = texts(where, "y", s.y)
  M.check_range(where, "'range': ", s.range, s.log)
  local shape = s.z.shape
  if s.z.ndim ~= 2 or shape[1] ~= #s.y or shape[2] ~= #s.x then
    options.fail(where, "'z' is %s: expected (%d, %d), rows of y by columns of x",
      table.concat(shape, "×"), #s.y, #s.x)
  end
  s.z = s.z:to("f64"):totable()
  local some = false
  for _, row in ipairs(s.z) do
    some = some or any_finite(row)
  end
  if not some then
    options.fail(where, "'z' has no finite value: there is nothing to draw")
  end
  if s.values == nil then
    s.values = #s.x * #s.y <= 120 and #s.x <= 12
  end
  if s.contour ~= nil then
    s.contour = numbers(where, "contour",
      type(s.contour) == "number" and { s.contour } or s.contour)
  end
end

-- The values that can be drawn.
local function known_values(where, given)
  local list = {}
  for _, value in ipairs(numbers(where, "values", given)) do
    list[#list + 1] = finite(value) and value or nil
  end
  return list
end

function CHECKS.histogram(where, s, panel)
  s.values = known_values(where, s.values)
  if #s.values == 0 then
    options.fail(where, "'values' has no finite value: there is nothing to draw")
  end
  check_log(where, "values", s.values, panel.x)
end

-- Tukey's boxes: quartiles, whiskers to the last value within 1.5 IQR, all beyond as points.
local function box_of(where, group, axis)
  local list = known_values(where, group.values)
  if #list == 0 then
    options.fail(where, "group '%s' has no finite value", tostring(group.label))
  end
  check_log(where, "values", list, axis)
  local q = stats.quantile(list, { 0.25, 0.5, 0.75 })
  local reach = 1.5 * (q[3] - q[1])
  local box = { q1 = q[1], median = q[2], q3 = q[3], low = q[1], high = q[3], beyond = {},
    values = list, label = tostring(group.label) }
  for _, value in ipairs(list) do
    if value < q[1] - reach or value > q[3] + reach then
      box.beyond[#box.beyond + 1] = value
    else
      box.low, box.high = math.min(box.low, value), math.max(box.high, value)
    end
  end
  return box
end

function CHECKS.box(where, s, panel)
  s.boxes, panel.categories = {}, {}
  for i, group in ipairs(s.groups) do
    if type(group) ~= "table" or group.values == nil or group.label == nil then
      options.fail(where, "group %d: expected {label =, values =}", i)
    end
    s.boxes[i] = box_of(where, group, panel.y)
    panel.categories[i] = s.boxes[i].label
  end
  if #s.boxes == 0 then
    options.fail(where, "'groups' is empty")
  end
end

function CHECKS.mark(where, s, panel)
  if (s.x == nil) == (s.y == nil) then
    options.fail(where, "a mark is at x = or at y =: expected one of them")
  end
  check_log(where, s.x and "x" or "y", { s.x or s.y }, s.x and panel.x or panel.y)
end

--- A series in its checked form.
-- @tparam string where opens messages
-- @tparam table given
-- @tparam table panel with its axes
function M.check(where, given, panel)
  if type(given) ~= "table" or getmetatable(given) then
    options.fail(where, "expected a table such as {x = …, y = …}, got %s",
      options.type_name(given))
  end
  local kind = given.kind or "line"
  if not M.SCHEMAS[kind] then
    options.fail(where, "unknown kind '%s': expected one of %s", tostring(kind),
      table.concat(KINDS, ", "))
  end
  local s = options.check(where, M.SCHEMAS[kind], given)
  s.kind = kind
  CHECKS[kind](where, s, panel)
  return s
end

-- ---- histograms of a panel ----------------------------------------------------------------------

-- Counts in the bins that all histograms of a panel share.
local function count(panel)
  local histograms = {}
  for _, s in ipairs(panel.series) do
    histograms[#histograms + 1] = s.kind == "histogram" and s or nil
  end
  if #histograms == 0 then
    return
  end
  local edges = edges_of(histograms, panel.x.log)
  local bins = #edges - 1
  for _, s in ipairs(histograms) do
    s.x, s.y, s.edges = {}, {}, edges
    for b = 1, bins do
      s.x[b], s.y[b] = edges[b] / 2 + edges[b + 1] / 2, 0
    end
    table.sort(s.values)
    local b = 1
    for _, value in ipairs(s.values) do
      while b < bins and value >= edges[b + 1] do
        b = b + 1
      end
      s.y[b] = s.y[b] + 1
    end
  end
end

--- What concerns all series of a panel: whether their kinds go together, and shared bins.
function M.finish(where, panel)
  local first = panel.series[1]
  for _, s in ipairs(panel.series) do
    if (s.kind == "heat" or s.kind == "box") and #panel.series > 1 then
      options.fail(where, "a %s takes a panel of its own",
        s.kind == "heat" and "heat map" or "box plot")
    elseif s.kind == "histogram" and panel.y.log then
      options.fail(where, "counts begin at 0, which a logarithmic axis has no place for")
    elseif s.kind == "mark" and s.x and panel.categories then
      options.fail(where, "a mark at 'x' has no place among texts")
    end
  end
  for _, name in ipairs(first.kind == "heat" and { "x", "y" } or {}) do
    if panel[name].log or panel[name].range then
      options.fail(where, "axis '%s': the cells of a heat map stand side by side: '%s' has no "
        .. "effect", name, panel[name].log and "log" or "range")
    end
  end
  count(panel)
end

return M
