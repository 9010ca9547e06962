--- Time to solution, where some runs never solved: they are censored at the end of their budget.
--
-- The share of runs that are unsolved after t steps is Kaplan and Meier's estimate (J. Am. Stat.
-- Assoc. 53, 457, 1958) with Greenwood's variance and an interval on the scale of log(−log S); the
-- interval of a quantile is Brookmeyer and Crowley's (Biometrics 38, 29, 1982): all times whose
-- interval of S holds 1 − q. Where the last runs have solved, S is 0 and log(−log S) says nothing:
-- the upper bound is then Clopper and Pearson's (Biometrika 26, 404, 1934) for none unsolved of
-- those that were left, so that a single run does not have an interval of width 0.
-- @module mgd.stats.survival

local core = require "mgd.core"
local naming = require "mgd.base.naming"
local options = require "mgd.base.options"
local values = require "mgd.stats.values"

local C = core.stats
local tensor = core.tensor

local M = {}

M.SCHEMA = {
  { "budget", type = { "number", "list", "tensor" }, required = true,
    infinite = true, unit = "steps",
    doc = "Steps after which a run that had not solved ended: a number, or one for each run." },
  { "diverged", type = "any",
    doc = "Steps at which runs diverged, nan where they did not: those that had not solved never "
      .. "will." },
  { "level", type = "number", default = 0.95, above = 0, max = 0.9999, doc = "Of the intervals." },
}

-- Runs as {time, solved}, in order of time; at one time those that solved come first.
local function in_order(where, steps, budget, diverged)
  local list = values.list(where, steps, 1, nil, true)
  local ends = type(budget) == "number" and {} or values.list(where, budget, #list, #list)
  local lost = diverged ~= nil and values.list(where, diverged, #list, #list, true) or {}
  local runs = {}
  for i, step in ipairs(list) do
    local last = type(budget) == "number" and budget or ends[i]
    if step < 0 or last < 0 then -- not so for nan
      options.fail(where, "run %d, %s step %s: expected 0 or more", i,
        last < 0 and "its budget:" or "solved at", last < 0 and last or step)
    elseif step > last then
      options.fail(where, "run %d solved at step %s, beyond its budget of %s steps", i, step, last)
    end
    local never = lost[i] and lost[i] == lost[i] and math.huge
    runs[i] = { time = step == step and step or never or last, solved = step == step }
  end
  table.sort(runs, function(a, b)
    return a.time < b.time or a.time == b.time and a.solved and not b.solved
  end)
  return runs
end

-- Bounds of S by log(−log S), of which Greenwood's sum gives the variance. S < 1: a run has solved.
local function bounds_of(s, greenwood, z)
  local half = z * math.sqrt(greenwood) / math.abs(math.log(s))
  return s ^ math.exp(half), s ^ math.exp(-half)
end

-- The estimate: at each time of a solution the share that is unsolved after it.
local function estimate(runs, level)
  local curve = { time = {}, survival = {}, lower = {}, upper = {} }
  local z, before = C.normal_quantile((1 + level) / 2), 1
  local s, greenwood, i = 1, 0, 1
  while i <= #runs do
    local time, at_risk, solved = runs[i].time, #runs - i + 1, 0
    while i <= #runs and runs[i].time == time do
      solved, i = solved + (runs[i].solved and 1 or 0), i + 1
    end
    if solved > 0 then
      local low, high = 0, math.min(before, 1 - ((1 - level) / 2) ^ (1 / at_risk))
      s = solved < at_risk and s * (1 - solved / at_risk) or 0
      if s > 0 then
        greenwood = greenwood + solved / (at_risk * (at_risk - solved))
        low, high = bounds_of(s, greenwood, z)
      end
      local n = #curve.time + 1
      curve.time[n], curve.survival[n], curve.lower[n], curve.upper[n] = time, s, low, high
      before = high
    end
  end
  return curve
end

-- The first time at which a bound of S is at or below 1 − q; infinite where that is never reached.
local function first_time(curve, bound, q)
  for i, value in ipairs(curve[bound]) do
    if value <= 1 - q + 1e-12 then
      return curve.time[i]
    end
  end
  return math.huge
end

local Result = naming.class("mgd.stats.result")

--- The time by which a share of the runs has solved.
-- @tparam number q from 0 to 1
-- @treturn number steps; infinite where so many never solved
-- @treturn number lower bound
-- @treturn number upper bound
function Result:quantile(q)
  if type(q) ~= "number" or not (q > 0 and q < 1) then
    options.fail("time_to_solution:quantile", "expected a number between 0 and 1, got %s",
      tostring(q))
  end
  return first_time(self.curve, "survival", q), first_time(self.curve, "lower", q),
    first_time(self.curve, "upper", q)
end

function Result:__tostring()
  return ("%d of %d solved; median time to solution %s steps"):format(self.solved, self.n,
    values.interval(self.median, self.low, self.high, self.level))
end

--- Time to solution of many runs.
-- @param steps at which each solved, nan where it did not: a tensor or list, such as result.solved
-- @tparam table opts `budget` (required), `diverged`, `level`
-- @treturn table `median`, `low`, `high` in steps (infinite where not reached), `solved`, `n`,
--   `time`, `survival`, `lower`, `upper`: tensors, the share unsolved after each time; method
--   `quantile(q)`
function M.time_to_solution(steps, opts)
  local where = "mgd.stats.time_to_solution"
  local opt = options.check(where, M.SCHEMA, opts)
  local runs = in_order(where, steps, opt.budget, opt.diverged)
  local curve = estimate(runs, opt.level)
  local self = setmetatable({ n = #runs, solved = 0, level = opt.level, curve = curve }, Result)
  for _, run in ipairs(runs) do
    self.solved = self.solved + (run.solved and 1 or 0)
  end
  for name, list in pairs(curve) do
    self[name] = #list > 0 and tensor.tensor(list, { dtype = "f64" })
      or tensor.zeros({ 0 }, { dtype = "f64" })
  end
  self.median, self.low, self.high = self:quantile(0.5)
  return self
end

return M
