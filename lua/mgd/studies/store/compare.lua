--- What came of the runs of an experiment, and of two side by side. Functions here are methods of
-- the store.
-- @module mgd.studies.store.compare

local listing = require "mgd.text.listing"
local naming = require "mgd.base.naming"
local numbers = require "mgd.text.numbers"
local record = require "mgd.text.record"
local stats = require "mgd.stats"
local values = require "mgd.stats.values"

local unpack = table.unpack or rawget(_G, "unpack") -- LuaJIT

local Compare = {}

local summary_of = record.kind("mgd.summary", { "success", "time", "cost", "accuracy" })

local Comparison = naming.class("mgd.comparison")

local function interval(value, low, high)
  return ("%s (%s … %s)"):format(numbers.number(value, 5), numbers.number(low, 5),
    numbers.number(high, 5))
end

-- What the lines of a comparison say of an experiment's runs.
local LINES = {
  { "runs", function(r) return r.runs end },
  { "solved", function(r) return r.solved end },
  { "diverged", function(r) return r.diverged end },
  { "success, 95 %", function(r)
    return r.success and interval(r.success.rate, r.success.low, r.success.high)
  end },
  { "median steps to solution", function(r)
    return r.time and interval(r.time.median, r.time.low, r.time.high)
  end },
  { "median evaluations to solution", function(r, exp)
    return r.time and interval(unpack(exp:evaluations { r.time.median, r.time.low, r.time.high }))
  end },
  { "median cost", function(r) return r.cost end },
  { "median accuracy", function(r) return r.accuracy end },
}

-- Two columns under the names of the experiments: first parameters, then results.
function Comparison:__tostring()
  local a, b = self.results[1], self.results[2]
  local rows = {}
  for i, entry in ipairs(self.differences) do
    rows[i] = { [""] = entry.path, a = entry.a, b = entry.b }
  end
  for _, line in ipairs(LINES) do
    rows[#rows + 1] = { [""] = line[1], a = line[2](a, self.experiments[1]),
      b = line[2](b, self.experiments[2]) }
  end
  local names = { "", a.experiment, b.experiment }
  for _, row in ipairs(rows) do
    row[names[2]], row[names[3]] = row.a, row.b
  end
  return tostring(listing(rows, names))
end

local function count(column)
  return #values.known(column:totable())
end

local function median(column)
  return (values.median(column:totable()))
end

--- What came of an experiment's runs that have ended.
-- @treturn table `experiment`, `runs`, `solved`, `diverged`; `success` with interval and `time` to
--   solution as of mgd.stats, nil without runs; medians of `cost` and `accuracy`
function Compare:summary(exp)
  local _, name = self:find("store:summary", exp)
  local t = self:query {
    where = { experiment = name, state = { "solved", "unsolved", "diverged" } },
    columns = { "solved", "diverged", "steps", "cost", "accuracy" },
  }
  local runs, result = #t.steps, { experiment = name, solved = 0, diverged = 0 }
  result.runs = runs
  if runs > 0 then
    result.solved, result.diverged = count(t.solved), count(t.diverged)
    result.success = stats.success(result.solved, runs)
    result.time = stats.time_to_solution(t.solved, { budget = t.steps, diverged = t.diverged })
    result.cost, result.accuracy = median(t.cost), median(t.accuracy)
  end
  return summary_of(result)
end

--- Two experiments side by side: the parameters in which they differ, and what came of them.
-- @tparam string|experiment a
-- @tparam string|experiment b
-- @treturn table `experiments`, a list of two; `differences` (see experiment:diff) and `results`, a
--   list of two (see store:summary); prints as a table of two columns
function Compare:compare(a, b)
  local where = "store:compare"
  local results, exps = {}, {}
  for i, exp in ipairs { a, b } do
    local _, name = self:find(where, exp)
    exps[i] = self:experiment(name)
    results[i] = self:summary(name)
  end
  return setmetatable({
    experiments = exps,
    differences = exps[1]:diff(exps[2]),
    results = results,
  }, Comparison)
end

return Compare
