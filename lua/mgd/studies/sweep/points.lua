--- Points of a sweep: lists of {path = value} from a grid, from random or quasi-random draws in
-- ranges, or as the user gives them.
-- @module mgd.studies.sweep.points

local core = require "mgd.core"
local options = require "mgd.base.options"
local ranges = require "mgd.studies.ranges"
local stats = require "mgd.stats"

local M = {}

M.KINDS = { "grid", "random", "sobol", "halton", "list" }

local function sorted_keys(t)
  local keys = {}
  for key in pairs(t) do
    keys[#keys + 1] = key
  end
  table.sort(keys, function(a, b)
    return tostring(a) < tostring(b)
  end)
  return keys
end

-- ---- grids --------------------------------------------------------------------------------------

local function values_of(where, path, given)
  local list = options.is_tensor(given) and given:to("f64"):reshape { given.size }:totable()
    or given
  if type(list) ~= "table" then
    list = { list }
  end
  if options.length(where, ("grid: '%s'"):format(path), list) == 0 then
    options.fail(where, "grid: '%s' has no values: expected a list or a tensor of them", path)
  end
  return list
end

-- Every combination; the path that comes last in order changes fastest.
function M.grid(where, given)
  local paths = sorted_keys(given)
  if #paths == 0 then
    options.fail(where, "option 'grid' is empty: expected {path = list of values, …}")
  end
  local points = { {} }
  for _, path in ipairs(paths) do
    local longer = {}
    for _, point in ipairs(points) do
      for _, value in ipairs(values_of(where, path, given[path])) do
        local copy = {}
        for key, other in pairs(point) do
          copy[key] = other
        end
        copy[path] = value
        longer[#longer + 1] = copy
      end
    end
    points = longer
  end
  return points
end

-- ---- ranges -------------------------------------------------------------------------------------

local RANGE = {
  positional = { type = "number" },
  { "log", type = "boolean", default = false, doc = "Even on a logarithmic scale." },
  { "integer", type = "boolean", default = false,
    doc = "Whole numbers from low to high, equally often; on a logarithmic scale rounded." },
}

local CHOICES = { { "choices", type = "list" } }

-- u in [0, 1) → a value of a range {low, high} or of a list of choices.
local function value_at(range, u)
  if range.choices then
    return range.choices[1 + math.floor(u * #range.choices)]
  end
  local low, high = range[1], range[2]
  if range.integer and not range.log then
    return math.min(math.floor(ranges.at(low, high + 1, u)), high) -- rounding may reach high + 1
  end
  local value = ranges.at(low, high, u, range.log)
  return range.integer and math.floor(value + 0.5) or value
end

local function check_range(where, path, given)
  if type(given) == "table" and given.choices then
    options.check(where .. ": '" .. path .. "'", CHOICES, given)
    if options.length(where, ("range '%s': choices"):format(path), given.choices) == 0 then
      options.fail(where, "range '%s': choices must be a list of values", path)
    end
    return given
  elseif type(given) ~= "table" then
    options.fail(where, "range '%s' is %s: expected {low, high}, {low, high, log = true} or "
      .. "{choices = list}", path, options.type_name(given))
  end
  local own = where .. ": '" .. path .. "'"
  local range = options.check(own, RANGE, given)
  if #range ~= 2 or range[1] >= range[2] then
    options.fail(where, "range '%s': expected two numbers, the lower one first", path)
  elseif range.log and range[1] <= 0 then
    options.fail(where, "range '%s': on a logarithmic scale it must begin above 0, got %s", path,
      range[1])
  elseif range.integer then
    range[1], range[2] = ranges.whole(own, range[1], range[2])
  end
  return range
end

-- Rows of d numbers in [0, 1).
local function uniform(n, d, seed)
  local rows = {}
  for i = 1, n do
    rows[i] = {}
    for k = 1, d do
      rows[i][k] = core.stats.uniform(seed, i - 1, k - 1)
    end
  end
  return rows
end

-- Points in ranges: `n` of them, `seed` or `skip`, and {path = range, …}.
local function ranged(rows_of, schema)
  return function(where, given)
    local settings, by_path = {}, {}
    for key, value in pairs(given) do
      local own = false
      for _, entry in ipairs(schema) do
        own = own or entry[1] == key
      end
      if own then
        settings[key] = value
      else
        by_path[key] = check_range(where, key, value)
      end
    end
    local opt = options.check(where, schema, settings)
    local paths, points = sorted_keys(by_path), {}
    if #paths == 0 then
      options.fail(where, "no ranges are given: expected {n = …, path = {low, high}, …}")
    end
    for i, row in ipairs(rows_of(opt, #paths)) do
      points[i] = {}
      for k, path in ipairs(paths) do
        points[i][path] = value_at(by_path[path], row[k])
      end
    end
    return points
  end
end

local N = { "n", type = "integer", required = true, min = 1, max = 1000000,
  doc = "Number of points." }

M.random = ranged(function(opt, d)
  return uniform(opt.n, d, opt.seed)
end, { N, { "seed", type = "integer", default = 1, min = 0, doc = "Of the draws." } })

local function sequence(name)
  return ranged(function(opt, d)
    return stats[name](opt.n, d, { skip = opt.skip }):totable()
  end, { N, { "skip", type = "integer", default = 0, min = 0, doc = "Points left out at first." } })
end

M.sobol, M.halton = sequence "sobol", sequence "halton"

-- ---- lists --------------------------------------------------------------------------------------

function M.list(where, given)
  if #given == 0 then
    options.fail(where, "option 'list' is empty: expected a list of {path = value, …}")
  end
  local points = {}
  for i, point in ipairs(given) do
    if type(point) ~= "table" then
      options.fail(where, "list: element %d is %s: expected {path = value, …}", i,
        options.type_name(point))
    end
    points[i] = {}
    for path, value in pairs(point) do
      points[i][path] = value
    end
  end
  return points
end

return M
