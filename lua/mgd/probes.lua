--- Probes: what a run shows of itself at the rows of its history.
-- @module mgd.probes

local options = require "mgd.options"

local M = {}

M.names = {
  "cost", "accuracy", "train_cost", "train_accuracy", "C", "C_tilde", "angle", "angle_set",
  "norm_G", "norm_theta",
}

-- ---- groups: what is measured together ----------------------------------------------------------

-- Euclidean norm of each replica's row.
local function norms(t, replicas)
  local values = {}
  for r = 1, replicas do
    values[r] = (replicas > 1 and t[r] or t):norm()
  end
  return values
end

-- A group answers one list of R numbers for each of its probes. It may be given lists of those that
-- are known already: of replicas that have stopped.
local GROUPS = {
  { probes = { "cost", "accuracy" },
    measure = function(run, cost, accuracy)
      local set = run.options.data.test or run.options.data
      return run.core:evaluate(set.x, set.y, cost, accuracy)
    end },
  { probes = { "train_cost", "train_accuracy" },
    measure = function(run, cost, accuracy)
      return run.core:evaluate(run.options.data.x, run.options.data.y, cost, accuracy)
    end },
  { probes = { "C", "C_tilde" },
    measure = function(run)
      return run.core:signal()
    end },
  { probes = { "angle" }, keeps_gradient = true,
    measure = function(run)
      return run.core:angle(false)
    end },
  { probes = { "angle_set" }, keeps_gradient = true,
    measure = function(run)
      return run.core:angle(true)
    end },
  { probes = { "norm_G" }, keeps_gradient = true,
    measure = function(run)
      return norms(run.core:gradient(), run.options.replicas)
    end },
  { probes = { "norm_theta" },
    measure = function(run)
      return norms(run.core:theta(), run.options.replicas)
    end },
}

-- ---- stopping -----------------------------------------------------------------------------------

local STOP = {}
for i, name in ipairs(M.names) do
  local least = name == "accuracy" or name == "train_accuracy"
  STOP[i] = { name, type = "number", least = least,
    doc = least and "Stop at this or more." or "Stop at this or less." }
end

local function check_names(names)
  local wanted, schema = {}, {}
  for i, name in ipairs(M.names) do
    schema[i] = { name, type = "boolean" }
  end
  for i, name in ipairs(names) do
    if type(name) ~= "string" then
      options.fail("run:run", "probe %d must be a name, got %s", i, options.type_name(name))
    end
    wanted[name] = true
  end
  options.check("run:run: probes", schema, wanted)
  return wanted
end

-- ---- taking rows --------------------------------------------------------------------------------

local Probes = {}
Probes.__index = Probes

--- Check names and stop conditions, and make ready.
-- @tparam run run
-- @tparam table names
-- @tparam table|function|nil stop probes it names are taken too
function M.prepare(run, names, stop)
  local wanted = check_names(names)
  local conditions = type(stop) == "table" and options.check("run:run: stop", STOP, stop) or {}
  for name in pairs(conditions) do
    wanted[name] = true
  end
  local self = setmetatable({ run = run, names = {}, groups = {}, conditions = conditions }, Probes)
  self.decide = type(stop) ~= "table" and stop or nil
  for _, group in ipairs(GROUPS) do
    for _, name in ipairs(group.probes) do
      if wanted[name] then
        self.names[#self.names + 1] = name
        self.groups[group] = true
      end
    end
    if self.groups[group] and group.keeps_gradient then
      run.core:keep_gradient()
    end
  end
  return self
end

-- What the last row shows of replicas that had stopped by then: their θ has not changed since.
local function known(last, run, name)
  local values = {}
  for r, value in ipairs(last and last[name] or {}) do
    local step = run.core:stopped(r)
    values[r] = step and step <= last.step and value or nil
  end
  return values
end

--- Take a row: `step`, `time`, `wall`, and for each probe a list of R numbers.
function Probes:row(wall)
  local run = self.run
  local row = { step = run.steps_done, time = run.steps_done * run.options.dt, wall = wall }
  for _, group in ipairs(GROUPS) do
    if self.groups[group] then
      local before = {}
      for i, name in ipairs(group.probes) do
        before[i] = known(self.last, run, name)
      end
      local measured = { group.measure(run, before[1], before[2]) }
      for i, name in ipairs(group.probes) do
        row[name] = measured[i]
      end
    end
  end
  self.last = row
  return row
end

local function fulfilled(conditions, row, r)
  for _, entry in ipairs(STOP) do
    local bound, value = conditions[entry[1]], row[entry[1]] and row[entry[1]][r]
    if bound and not (entry.least and value >= bound or not entry.least and value <= bound) then
      return false
    end
  end
  return true
end

-- The row as the user's function sees it: numbers, or lists of R numbers for an ensemble.
local function plain(row, replicas)
  if replicas > 1 then
    return row
  end
  local numbers = {}
  for name, value in pairs(row) do
    numbers[name] = type(value) == "table" and value[1] or value
  end
  return numbers
end

--- Whether the run is to end after this row; replicas that fulfil every condition are stopped.
function Probes:stopped(row)
  local run = self.run
  local any = next(self.conditions) ~= nil
  local all = true
  for r = 1, run.options.replicas do
    if any and not run.core:stopped(r) and fulfilled(self.conditions, row, r) then
      run.core:stop(r)
    end
    all = all and run.core:stopped(r) ~= nil
  end
  return all or (self.decide ~= nil and self.decide(plain(row, run.options.replicas)) and true
    or false)
end

return M
