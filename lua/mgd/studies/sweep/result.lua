--- What came of a sweep, point by point.
--
--     print(result)                                -- a table of the points
--     result.success[3].low                        -- Wilson's interval of point 3
--     local x, y, z = result:grid("success", "training.eta", "cost.noise")   -- for a heat map
-- @module mgd.studies.sweep.result

local core = require "mgd.core"
local listing = require "mgd.text.listing"
local naming = require "mgd.base.naming"
local numbers = require "mgd.text.numbers"
local options = require "mgd.base.options"
local stats = require "mgd.stats"
local values = require "mgd.stats.values"

local tensor = core.tensor
local unpack = table.unpack or rawget(_G, "unpack") -- LuaJIT

local Result = naming.class("mgd.sweep.result")

local FIELDS = { "solved", "diverged", "steps", "cost", "accuracy" }

-- (points, seeds) of each field; nan where a run has not ended.
local function tables_of(sweep, id)
  local seeds, lists = sweep.last - sweep.first + 1, {}
  for _, name in ipairs(FIELDS) do
    lists[name] = {}
    for i = 1, #sweep.points do
      lists[name][i] = {}
      for s = 1, seeds do
        lists[name][i][s] = 0 / 0
      end
    end
  end
  for row in sweep.store:prepare([[
      SELECT p.number, r.replica, r.solved, r.diverged, r.steps, r.cost, r.accuracy
      FROM points p JOIN runs r ON r.experiment = p.experiment
      WHERE p.sweep = ? AND r.finished IS NOT NULL AND r.replica BETWEEN ? AND ?]]):rows(id,
      sweep.first, sweep.last) do
    for k, name in ipairs(FIELDS) do
      lists[name][row[1]][row[2] - sweep.first + 1] = row[2 + k] or 0 / 0
    end
  end
  return lists
end

-- Success and time to solution of a point; of the runs that have ended.
local function summary_of(solved, steps, diverged)
  local ends, times, lost, count = {}, {}, {}, 0
  for s, last in ipairs(steps) do
    if last == last then
      ends[#ends + 1], times[#times + 1], lost[#lost + 1] = last, solved[s], diverged[s]
      count = count + (solved[s] == solved[s] and 1 or 0)
    end
  end
  if #ends == 0 then
    return nil
  end
  return stats.success(count, #ends), stats.time_to_solution(times, { budget = ends,
    diverged = lost })
end

--- The result of a sweep.
-- @treturn table `points`, `paths`, `store`, `name`; tensors (points, seeds) `solved`, `diverged`
--   (steps, nan where not), `steps`, `cost`, `accuracy`; lists by point `success` and `time` (see
--   mgd.stats; false where no run has ended); `failures`: batches that could not be run;
--   `divergence`: the factor of `stop.diverged`, unless points have their own; false: none
local function new(sweep, id, failures)
  local lists = tables_of(sweep, id)
  local self = setmetatable({ name = sweep.name, points = sweep.points, paths = sweep.paths,
    experiments = sweep.experiments, store = sweep.store, failures = failures, success = {},
    time = {}, divergence = sweep.base:get "stop.diverged" }, Result)
  for i = 1, #self.points do
    local success, time = summary_of(lists.solved[i], lists.steps[i], lists.diverged[i])
    self.success[i], self.time[i] = success or false, time or false
  end
  for _, name in ipairs(FIELDS) do
    self[name] = tensor.tensor(lists[name], { dtype = "f64" })
  end
  return self
end

local function value_of(self, where, i, path)
  local value = self.points[i][path]
  if value == nil then
    value = self.experiments[i]:get(path)
  end
  if value == nil then
    options.fail(where, "point %d has no '%s'", i, path)
  end
  return value
end

local function canonical(self, path)
  return self.experiments[1]:path(path)
end

--- The values of a parameter, point by point.
-- @tparam string path
-- @treturn table list
function Result:values(path)
  local list = {}
  path = canonical(self, path)
  for i = 1, #self.points do
    list[i] = value_of(self, "result:values", i, path)
  end
  return list
end

-- The median over the seeds of a point that have ended.
local function median(field)
  return function(self, i)
    return (values.median(self[field][i]:totable()))
  end
end

-- Evaluations of point i up to some numbers of steps.
local function evaluations_of(self, i, ...)
  return unpack(self.experiments[i]:evaluations { ... })
end

-- One number that a point comes to.
local MEASURES = {
  success = function(self, i)
    return self.success[i] and self.success[i].rate or 0 / 0
  end,
  time = function(self, i)
    return self.time[i] and self.time[i].median or 0 / 0
  end,
  evaluations = function(self, i)
    return self.time[i] and evaluations_of(self, i, self.time[i].median) or 0 / 0
  end,
  cost = median "cost",
  accuracy = median "accuracy",
  diverged = function(self, i)
    return #values.known(self.diverged[i]:totable())
  end,
}

local function measure_of(where, name)
  local measure = MEASURES[name]
  if not measure then
    local names = {}
    for key in pairs(MEASURES) do
      names[#names + 1] = key
    end
    table.sort(names)
    options.fail(where, "unknown measure '%s': expected one of %s", tostring(name),
      table.concat(names, ", "))
  end
  return measure
end

--- A number for each point: "success" rate, median "time" to solution in steps (infinite where
-- fewer than half solved), the "evaluations" that these steps ask of the chip, median "cost" or
-- "accuracy", how many "diverged".
-- @tparam string name
-- @treturn table list
function Result:measure(name)
  local measure, list = measure_of("result:measure", name), {}
  for i = 1, #self.points do
    list[i] = measure(self, i)
  end
  return list
end

local function axis_of(column)
  local seen, list, place = {}, {}, {}
  for _, value in ipairs(column) do
    if not seen[value] then
      seen[value], list[#list + 1] = true, value
    end
  end
  table.sort(list)
  for k, value in ipairs(list) do
    place[value] = k
  end
  return list, place
end

--- A measure over two parameters, for a heat map.
-- @tparam string name see `measure`
-- @tparam string x path
-- @tparam string y path
-- @tparam[opt] table where {path = value}: only these points
-- @treturn table values of x, in order
-- @treturn table values of y, in order
-- @treturn tensor (y, x); nan where there is no point
function Result:grid(name, x, y, where)
  local measure = measure_of("result:grid", name)
  local xs, ys = self:values(x), self:values(y)
  local across, column = axis_of(xs)
  local up, row = axis_of(ys)
  local z = {}
  for k = 1, #up do
    z[k] = {}
    for c = 1, #across do
      z[k][c] = 0 / 0
    end
  end
  for i = 1, #self.points do
    local fits = true
    for path, value in pairs(where or {}) do
      fits = fits and value_of(self, "result:grid", i, canonical(self, path)) == value
    end
    if fits then
      z[row[ys[i]]][column[xs[i]]] = measure(self, i)
    end
  end
  return across, up, tensor.tensor(z, { dtype = "f64" })
end

function Result:__tostring()
  local rows, columns = {}, { "point" }
  for _, path in ipairs(self.paths) do
    columns[#columns + 1] = path
  end
  for _, name in ipairs { "success", "steps to solution", "evaluations", "diverged", "cost",
    "accuracy" } do
    columns[#columns + 1] = name
  end
  for i, point in ipairs(self.points) do
    local success, time = self.success[i], self.time[i]
    rows[i] = { point = i, diverged = MEASURES.diverged(self, i), cost = MEASURES.cost(self, i),
      accuracy = MEASURES.accuracy(self, i) }
    rows[i].success = success and ("%5.1f %% (%.0f … %.0f)"):format(100 * success.rate,
      100 * success.low, 100 * success.high) or nil
    rows[i].evaluations = time and numbers.number(MEASURES.evaluations(self, i), 4) or nil
    rows[i]["steps to solution"] = time and ("%s (%s … %s)"):format(numbers.number(time.median, 4),
      numbers.number(time.low, 4), numbers.number(time.high, 4)) or nil
    for _, path in ipairs(self.paths) do
      rows[i][path] = point[path]
    end
  end
  local limit = self.divergence and ("; diverged: a cost above %g times the largest of the first "
    .. "window"):format(self.divergence) or ""
  return ("sweep %s, %d seeds%s\n%s"):format(self.name, self.steps.shape[2], limit,
    tostring(listing(rows, columns)))
end

return { new = new }
