--- Tolerance maps: how much of each imperfection an experiment bears.
--
--     local map = mgd.tolerance{experiment = exp, seeds = 256, vary = {
--       ["cost.noise"] = {from = 1e-4, to = 0.1, n = 7, log = true},
--       ["weights.bits"] = {8, 6, 5, 4, 3}}, pairs = {{"cost.noise", "weights.bits"}}}
--     print(map)
--     map:plot():save "tolerance.svg"
--
-- Values go from mild to harsh, whichever way that is: bits fall, noise grows. The *tolerance* is
-- the last value up to which at least 95 % of the seeds still solve the task (the experiment's
-- `stop`).
-- @module mgd.studies.tolerance

local experiment = require "mgd.studies.experiment"
local naming = require "mgd.base.naming"
local numbers = require "mgd.text.numbers"
local options = require "mgd.base.options"
local paths = require "mgd.studies.experiment.paths"
local plot = require "mgd.plot"
local ranges = require "mgd.studies.ranges"
local sweeps = require "mgd.studies.sweep"

local M = {}

local WHERE = "mgd.tolerance"

M.SCHEMA = {
  { "experiment", type = "any", required = true, doc = "What is to be solved; it needs a stop." },
  { "vary", type = "table", required = true,
    doc = "{path = values from mild to harsh, …}: a list, or {from =, to =, n =, log =, "
      .. "integer =}." },
  { "pairs", type = "table", default = {},
    doc = "{{path, path}, …}: both of vary, every value of one with every value of the other." },
  { "seeds", type = "integer", default = 256, min = 1, doc = "Replicas of each point." },
  { "level", type = "number", default = 0.95, above = 0, max = 1,
    doc = "Share of the seeds that has to solve the task." },
  { "name", type = "string", doc = "Of the sweep in the store; NAME-tolerance without." },
  { "store", type = "any", doc = "A store or the path of one; in memory without." },
  { "workers", type = "integer", min = 1, doc = "Processes; see sweep:run." },
  { "progress", type = "boolean", default = false,
    doc = "A line on the terminal (stderr); elsewhere one every 10 s." },
}

local RANGE = {
  { "from", type = "number", required = true, doc = "The mildest value." },
  { "to", type = "number", required = true, doc = "The harshest one." },
  { "n", type = "integer", default = 7, min = 2, doc = "How many." },
  { "log", type = "boolean", default = false, doc = "Even on a logarithmic scale." },
  { "integer", type = "boolean", default = false,
    doc = "Rounded to whole numbers within from … to; none twice." },
}

-- ---- values -------------------------------------------------------------------------------------

local function spread_out(where, given)
  local r = options.check(where, RANGE, given)
  if r.from == r.to then
    options.fail(where, "from and to are both %s", r.from)
  elseif r.log and (r.from <= 0 or r.to <= 0) then
    options.fail(where, "on a logarithmic scale both ends must be above 0, got %s and %s", r.from,
      r.to)
  end
  if r.integer then
    r.from, r.to = ranges.whole(where, r.from, r.to)
  end
  local list = {}
  for i = 0, r.n - 1 do
    local value = ranges.at(r.from, r.to, i / (r.n - 1), r.log)
    value = r.integer and math.floor(value + 0.5) or i == r.n - 1 and r.to or value
    if value ~= list[#list] then
      list[#list + 1] = value
    end
  end
  return list
end

local function values_of(path, given)
  local where = ("%s: vary '%s'"):format(WHERE, path)
  if type(given) == "table" and given.from then
    return spread_out(where, given)
  elseif options.is_tensor(given) then
    given = given:to("f64"):reshape { given.size }:totable()
  elseif type(given) ~= "table" then
    options.fail(where, "expected a list of values from mild to harsh, or {from =, to =}, got %s",
      options.type_name(given))
  end
  if options.length(where, nil, given) == 0 then
    options.fail(where, "there are no values")
  end
  local sign
  for i = 2, #given do
    local a, b = given[i - 1], given[i]
    if b ~= b then
      options.fail(where, "value %d is nan", i)
    elseif type(a) == "number" and type(b) == "number" then
      local now = b > a and 1 or b < a and -1 or 0
      if now == 0 or sign and now ~= sign then
        options.fail(where, "value %d, %s, turns back: they go from mild to harsh", i, b)
      end
      sign = now
    end
  end
  return given
end

-- Paths in order, each with its values and the places of its points.
local function variations(exp, vary)
  local list, by_path = {}, {}
  for full, given in pairs(paths.by_path(exp.spec, WHERE .. ": vary", vary)) do
    by_path[full] = { path = full, name = given.path, points = {},
      values = values_of(given.path, given.value) }
    list[#list + 1] = by_path[full]
  end
  if #list == 0 then
    options.fail(WHERE, "option 'vary' is empty: expected {path = values, …}")
  end
  table.sort(list, function(a, b)
    return a.path < b.path
  end)
  return list, by_path
end

local function pairs_of(exp, given, by_path)
  local list = {}
  for i, pair in ipairs(given) do
    local entry = { points = {} }
    for k = 1, 2 do
      local path = type(pair) == "table" and pair[k]
      entry[k] = path and by_path[exp:path(path)]
      if not entry[k] then
        options.fail(WHERE, "pairs: element %d: expected two of the paths of 'vary', got %s", i,
          tostring(path))
      end
    end
    list[i] = entry
  end
  return list
end

-- ---- results ------------------------------------------------------------------------------------

local Map = naming.class("mgd.map")

--- The last value up to which a rate stays at the level.
-- @tparam table values from mild to harsh
-- @tparam table success of each, as of mgd.stats.success
-- @tparam string field "rate", "low" or "high"
-- @tparam number level
-- @return the value; nil where the first is below the level
function M.last(values, success, field, level)
  local value
  for i = 1, #values do
    if not success[i] or success[i][field] < level - 1e-12 then
      return value
    end
    value = values[i]
  end
  return value
end

local function read(self, result)
  local evaluations = result:measure "evaluations"
  self.base = { success = result.success[1], time = result.time[1], evaluations = evaluations[1] }
  for _, entry in ipairs(self.variations) do
    entry.success, entry.time, entry.evaluations = {}, {}, {}
    for i, point in ipairs(entry.points) do
      entry.success[i], entry.time[i] = result.success[point], result.time[point]
      entry.evaluations[i] = evaluations[point]
    end
    entry.tolerance = M.last(entry.values, entry.success, "rate", self.level)
    entry.tolerance_low = M.last(entry.values, entry.success, "low", self.level)
    entry.tolerance_high = M.last(entry.values, entry.success, "high", self.level)
  end
  for _, pair in ipairs(self.pairs) do
    pair.success = {}
    for i, point in ipairs(pair.points) do
      pair.success[i] = result.success[point] and result.success[point].rate or 0 / 0
    end
  end
end

local function shown(value)
  return value == nil and "none" or type(value) == "number" and numbers.number(value, 4)
    or tostring(value)
end

function Map:__tostring()
  local lines = { ("tolerance of %s over %d seeds: at least %g %% solve the task; without any of "
    .. "these: %.1f %%"):format(self.experiment.name, self.seeds, 100 * self.level,
    100 * self.base.success.rate) }
  for _, entry in ipairs(self.variations) do
    local ends = entry.tolerance == entry.values[#entry.values] and " (the harshest tried)" or ""
    lines[#lines + 1] = ("%s: %s%s, by the interval %s … %s"):format(entry.name,
      shown(entry.tolerance), ends, shown(entry.tolerance_low), shown(entry.tolerance_high))
    for i, value in ipairs(entry.values) do
      local success, time = entry.success[i], entry.time[i]
      lines[#lines + 1] = ("  %12s  %5.1f %% (%.1f … %.1f)  time %s (%s … %s) steps, %s "
        .. "evaluations"):format(shown(value), 100 * success.rate, 100 * success.low,
        100 * success.high, shown(time.median), shown(time.low), shown(time.high),
        shown(entry.evaluations[i]))
    end
  end
  return table.concat(lines, "\n")
end

local function is_geometric(values)
  for _, value in ipairs(values) do
    if type(value) ~= "number" or value <= 0 then
      return false
    end
  end
  local low, high = math.min(values[1], values[#values]), math.max(values[1], values[#values])
  return high / low >= 20
end

-- Success against one parameter.
local function panel_of(map, entry)
  local rates, lows, highs, ticks, x = {}, {}, {}, {}, {}
  for i, success in ipairs(entry.success) do
    rates[i], lows[i], highs[i] = success.rate, success.low, success.high
    x[i] = type(entry.values[i]) == "number" and entry.values[i] or i
    ticks[i] = { i, tostring(entry.values[i]) }
  end
  local numeric = type(entry.values[1]) == "number"
  return { x = { label = entry.name, log = is_geometric(entry.values), ticks = not numeric and ticks
      or nil }, y = { label = "success", range = { 0, 1.02 } }, legend = "none",
    { x = x, y = rates, low = lows, high = highs, style = "line" },
    { x = x, y = rates, style = "points", colour = 1 },
    { kind = "mark", y = map.level, label = ("%g %%"):format(100 * map.level) } }
end

local function pair_panel(pair)
  local a, b, z = pair[1], pair[2], {}
  local tensor = require("mgd.core").tensor
  for j = 1, #b.values do
    z[j] = {}
    for i = 1, #a.values do
      z[j][i] = pair.success[(i - 1) * #b.values + j]
    end
  end
  return { x = a.name, y = b.name, { kind = "heat", x = a.values, y = b.values,
    z = tensor.tensor(z, { dtype = "f64" }), label = "success", range = { 0, 1 } } }
end

--- Success against each parameter with its interval, and a heat map of each pair.
-- @treturn figure
function Map:plot()
  local panels = {}
  for _, entry in ipairs(self.variations) do
    panels[#panels + 1] = panel_of(self, entry)
  end
  for _, pair in ipairs(self.pairs) do
    panels[#panels + 1] = pair_panel(pair)
  end
  return plot { title = ("Tolerance of %s, %d seeds"):format(self.experiment.name, self.seeds),
    panels = panels }
end

-- ---- measuring ----------------------------------------------------------------------------------

-- Points of the sweep: the experiment itself, each value, each pair of values.
local function points_of(list, pair_list)
  local points = { {} }
  for _, entry in ipairs(list) do
    for i, value in ipairs(entry.values) do
      points[#points + 1] = { [entry.path] = value }
      entry.points[i] = #points
    end
  end
  for _, pair in ipairs(pair_list) do
    for _, a in ipairs(pair[1].values) do
      for _, b in ipairs(pair[2].values) do
        points[#points + 1] = { [pair[1].path] = a, [pair[2].path] = b }
        pair.points[#pair.points + 1] = #points
      end
    end
  end
  return points
end

--- Measure a tolerance map.
-- @tparam table opts see `M.SCHEMA`
-- @treturn map `variations`: list of {name, path, values, success, time (in steps), evaluations (of
--   the median time), tolerance (nil: none), tolerance_low, tolerance_high: by the ends of the
--   intervals of success}; `pairs`; `base`;
--   `result` of the sweep; prints; `plot()`
function M.measure(opts)
  local opt = options.check(WHERE, M.SCHEMA, opts)
  local exp = experiment.with_stop(WHERE, opt.experiment)
  local list, by_path = variations(exp, opt.vary)
  local pair_list = pairs_of(exp, opt.pairs, by_path)
  local map = setmetatable({ experiment = exp, seeds = opt.seeds, level = opt.level,
    variations = list, pairs = pair_list }, Map)
  map.sweep = sweeps { name = opt.name or exp.name .. "-tolerance", base = exp, seeds = opt.seeds,
    store = opt.store, list = points_of(list, pair_list) }
  map.result = map.sweep:run { workers = opt.workers, progress = opt.progress }
  read(map, map.result)
  return map
end

return M
