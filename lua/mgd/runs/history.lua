--- The history of a run: one row per probing, as tensors.
-- @module mgd.runs.history

local core = require "mgd.core"
local files = require "mgd.base.files"
local grid = require "mgd.text.grid"
local naming = require "mgd.base.naming"
local numbers = require "mgd.text.numbers"
local options = require "mgd.base.options"
local probes = require "mgd.runs.probes"
local record = require "mgd.text.record"
local statistics = require "mgd.stats.values"
local text = require "mgd.base.encoding"

local of_replicas = statistics.of_replicas

local M = {}

local solution_of = record.kind "mgd.solution"

local FIELDS = { "counters" }
for _, name in ipairs(probes.names) do
  FIELDS[#FIELDS + 1] = name
end

local History = naming.class("mgd.history", FIELDS)

-- ---- collecting ---------------------------------------------------------------------------------

--- Columns of every history, before its probes.
M.CLOCKS = { "step", "evaluations", "time", "wall" }

local Rows = {}
Rows.__index = Rows

--- An empty history.
-- @tparam table names probes
-- @tparam integer replicas
function M.new(names, replicas)
  local rows = { names = names, replicas = replicas, columns = {}, count = 0, complete = 0 }
  setmetatable(rows, Rows)
  for _, name in ipairs(M.CLOCKS) do
    rows.columns[name] = {}
  end
  for _, name in ipairs(names) do
    rows.columns[name] = {}
  end
  return rows
end

function Rows:add(row)
  self.count = self.count + 1
  for name, column in pairs(self.columns) do
    local value = row[name]
    if type(value) == "table" and self.replicas == 1 then
      value = value[1]
    end
    column[self.count] = value
  end
  self.complete = self.count
end

--- The history object.
-- @tparam run run whose replicas may have stopped
-- @treturn history `step`, `evaluations` (of a replica that runs: forward passes of one sample,
--   under one perturbation or none; (T, R) where the engine counts them as it goes), `time`
--   (dt × step), `wall` (T); each probe (T) or (T, R); `stopped` (R), the step at which each
--   replica fulfilled the stop conditions, `diverged` (R), the step at which its cost ended it: not
--   finite or, as `stop.diverged` says, too large, NaN for those that did not; `names`
function Rows:finish(run)
  local result = { names = {}, timed = run.dt_known }
  for _, list in ipairs { M.CLOCKS, self.names } do
    for _, name in ipairs(list) do
      result.names[#result.names + 1] = name
    end
  end
  for name, column in pairs(self.columns) do
    if self.count > self.complete then
      column[self.count] = nil -- of a row that an interrupt cut short
    end
    result[name] = core.tensor.tensor(column)
  end
  local stopped, diverged = {}, {}
  for r = 1, self.replicas do
    local step, finite = run.core:stopped(r)
    stopped[r] = finite and step or 0 / 0
    diverged[r] = step and not finite and step or 0 / 0
  end
  result.stopped = core.tensor.tensor(stopped)
  result.diverged = core.tensor.tensor(diverged)
  return setmetatable(result, History)
end

-- ---- showing ------------------------------------------------------------------------------------

-- The columns of one row as numbers: an ensemble's probes give one for each replica.
local function cells(history, t)
  local line = {}
  for _, name in ipairs(history.names) do
    local value = history[name][t]
    if type(value) == "number" then
      line[#line + 1] = value
    else
      for r = 1, value.size do
        line[#line + 1] = value[r]
      end
    end
  end
  return line
end

local function headings(history)
  local line = {}
  for _, name in ipairs(history.names) do
    if history[name].ndim == 1 then
      line[#line + 1] = name
    else
      for r = 1, history[name].shape[2] do
        line[#line + 1] = ("%s_%d"):format(name, r)
      end
    end
  end
  return line
end

--- Write the history as CSV: a heading, then a line per row; an ensemble's probes are name_1, …
-- @tparam string path
-- @treturn history itself
function History:save_csv(path)
  local rows = {}
  for t = 1, self.step.size do
    rows[t] = cells(self, t)
    for i, value in ipairs(rows[t]) do
      rows[t][i] = text.number(value) -- nan by its name
    end
  end
  files.write("history:save_csv", path, require("mgd.text.csv").text(headings(self), rows),
    { durable = true })
  return self
end

-- ---- quantiles ----------------------------------------------------------------------------------

--- A quantile over the replicas, row by row; replicas whose value is NaN do not count.
-- @tparam string name of a column, such as "cost"; or "stopped" or "diverged", which have one value
--   for each replica, NaN for those that did not
-- @tparam number q from 0 (the smallest) to 1 (the largest); 0.5 is the median
-- @treturn tensor|number (T), NaN where no replica has a value; a number for "stopped" and
--   "diverged"
-- @usage print(history:quantile("accuracy", 0.5), history:quantile("stopped", 0.5))
function History:quantile(name, q)
  local where, known = "history:quantile", { "stopped", "diverged" }
  for _, column in ipairs(self.names) do
    known[#known + 1] = column
  end
  local schema = { { "name", type = "string", choices = known, required = true },
                   { "q", type = "number", min = 0, max = 1, required = true } }
  options.check(where, schema, { name = name, q = q })
  local column, out = self[name], {}
  if name == "stopped" or name == "diverged" then
    return (statistics.quantile(column:totable(), q))
  end
  for t = 1, column.shape[1] do
    out[t] = (statistics.quantile(of_replicas(column[t]), q))
  end
  return core.tensor.tensor(out)
end

-- ---- solutions ----------------------------------------------------------------------------------

-- Checks conditions by which a history is judged: known probes, and each of them in it.
local function check_target(where, history, target)
  local conditions = options.check(where, probes.STOP, target)
  if next(conditions) == nil then
    options.fail(where, "no condition: expected at least one, such as {accuracy = 0.9}")
  end
  for _, entry in ipairs(probes.STOP) do
    if conditions[entry[1]] and not history[entry[1]] then
      options.fail(where, "'%s' was not probed: this history has %s", entry[1],
        table.concat(history.names, ", ", #M.CLOCKS + 1))
    end
  end
  return conditions
end

-- For replica r the first row that fulfils the conditions, and the first from which on all do; nil
-- where there is none.
local function crossings(columns, conditions, rows, r)
  local first, last
  for t = 1, rows do
    local ok = probes.fulfilled(conditions, function(name)
      local row = columns[name] and columns[name][t]
      return type(row) == "table" and row[r] or row
    end)
    if ok then
      first, last = first or t, last or t
    else
      last = nil
    end
  end
  return first, last
end

-- A clock's value for replica r; NaN where there is no such row.
local function of_replica(value, r)
  return type(value) == "table" and value[r] or value or 0 / 0
end

--- How long a solution took, by the rows of this history; nothing is read between them.
--
-- The first crossing is the earliest row that fulfils the target. The last crossing is the earliest
-- row from which on every row does: the run had solved the task and never lost it again, which a
-- replica that has diverged did. A replica
-- without such a row is censored, NaN: it may or may not have come later. Where the history's own
-- first row fulfils the target already, the crossing was there or before.
-- @tparam table target conditions as in `stop`, all of which must hold: accuracies at least, all
--   other probes at most
-- @treturn table `first`, `last` (steps), `first_evaluations`, `last_evaluations`, `first_time`,
--   `last_time` (hardware seconds, dt × steps): numbers, or tensors (R) for an ensemble
-- @raise when a probe that the target names is not in the history
-- @usage print(history:time_to_solution{accuracy = 0.9}.first)
function History:time_to_solution(target)
  local conditions = check_target("history:time_to_solution", self, target)
  local step, columns = self.step:totable(), {}
  for name in pairs(conditions) do
    columns[name] = self[name]:totable()
  end
  local clocks = { [""] = step, _evaluations = self.evaluations:totable(),
    _time = self.time:totable() }
  local out, replicas = {}, self.stopped.size
  for ending in pairs(clocks) do
    out["first" .. ending], out["last" .. ending] = {}, {}
  end
  for r = 1, replicas do
    local first, last = crossings(columns, conditions, #step, r)
    last = self.diverged[r] ~= self.diverged[r] and last or nil
    for ending, clock in pairs(clocks) do
      out["first" .. ending][r] = of_replica(clock[first], r)
      out["last" .. ending][r] = of_replica(clock[last], r)
    end
  end
  for name, values in pairs(out) do
    out[name] = replicas == 1 and values[1] or core.tensor.tensor(values)
  end
  return solution_of(out)
end

--- The rows at powers of ten of steps, as published results are tabulated: a history of its own.
-- `run:run{every = "powers"}` takes them all.
-- @treturn history with the same columns and the rows at 1, 10, 100, … that this one has
-- @raise when it has none
-- @usage print(history:at_powers().accuracy)
function History:at_powers()
  local out = { names = self.names, timed = self.timed, stopped = self.stopped,
    diverged = self.diverged }
  local rows, power = {}, 1
  for t, step in ipairs(self.step:totable()) do
    while power < step do
      power = power * 10
    end
    if step == power then
      rows[#rows + 1] = t
    end
  end
  if #rows == 0 then
    options.fail("history:at_powers", "no row at a power of ten of steps: run:run{every = "
      .. "\"powers\"} takes them")
  end
  for _, name in ipairs(self.names) do
    local column = self[name]:totable()
    local kept = {}
    for i, t in ipairs(rows) do
      kept[i] = column[t]
    end
    out[name] = core.tensor.tensor(kept)
  end
  return setmetatable(out, History)
end

-- ---- a table ------------------------------------------------------------------------------------

local SHOWN = 6 -- rows at each end
local QUANTILES = { 0.1, 0.5, 0.9 }

-- The columns of the table: heading, and row t → text. Of an ensemble's probes, quantiles.
local function shown_columns(history)
  local columns = {}
  local function add(heading, digits, value)
    local width = math.max(14, #heading + 2)
    columns[#columns + 1] = { heading = ("%" .. width .. "s"):format(heading), cell = function(t)
      return numbers.right(numbers.number(value(t), digits), width)
    end }
  end
  for _, name in ipairs(history.names) do
    local column = history[name]
    if name == "time" and not history.timed then -- seconds that nobody spoke of
      column = nil
    elseif column.ndim == 1 then
      add(name, (name == "step" or name == "evaluations") and 15 or 5, function(t)
        return column[t]
      end)
    else
      for _, q in ipairs(QUANTILES) do
        add(("%s %d%%"):format(name, 100 * q), 5, function(t)
          return (statistics.quantile(of_replicas(column[t]), q))
        end)
      end
    end
  end
  return columns
end

-- What the run had asked of the chip when the history ended; of an ensemble, medians.
local function counters_line(counters, timed)
  local function value(name)
    local is = counters[name]
    return (statistics.median(of_replicas(is)))
  end
  local parts = {
    ("%.6g evaluations"):format(value "evaluations"),
    ("%.6g writes of a parameter"):format(value "writes_mean"),
  }
  if value "pulses" > 0 then
    parts[#parts + 1] = ("%.6g pulses"):format(value "pulses")
  end
  if value "endurance_left" < 1 then
    parts[#parts + 1] = ("%.3g of the endurance left"):format(value "endurance_left")
  end
  if value "energy" > 0 then
    parts[#parts + 1] = ("%.4g J"):format(value "energy")
  end
  local line = "so far: " .. table.concat(parts, ", ")
  return not timed and line or ("%s\nhardware time: %.4g s, dt × steps; %.4g s, dt × evaluations "
    .. "(one sample under one perturbation per dt)"):format(line, value "time", value "time_serial")
end

--- A table of the rows, elided in the middle, and what the run has asked of the chip so far; an
-- ensemble shows quantiles over its replicas.
function History:__tostring()
  local rows, columns = self.step.size, shown_columns(self)
  local texts, right = {}, {}
  local function add(cell)
    local row = {}
    for i, column in ipairs(columns) do
      row[i], right[i] = cell(column, i), true
    end
    texts[#texts + 1] = row
  end
  add(function(column)
    return column.heading
  end)
  for t = 1, rows do
    if rows <= 2 * SHOWN or t <= SHOWN or t > rows - SHOWN then
      add(function(column)
        return column.cell(t)
      end)
    elseif t == SHOWN + 1 then
      add(function(_, i)
        return i == 1 and "…" or ""
      end)
    end
  end
  local lines = grid.lines(texts, { right = right, gap = 0 })
  table.insert(lines, 1, ("history of %d rows%s"):format(rows, self.stopped.size > 1
    and (", quantiles of %d replicas"):format(self.stopped.size) or ""))
  lines[#lines + 1] = self.counters and counters_line(self.counters, self.timed) or nil
  return table.concat(lines, "\n")
end

return M
