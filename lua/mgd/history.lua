--- The history of a run: one row per probing, as tensors.
-- @module mgd.history

local core = require "mgd.core"
local options = require "mgd.options"

local M = {}

local History = {}
History.__index = History
History.__name = "mgd.history"

-- ---- collecting ---------------------------------------------------------------------------------

local Rows = {}
Rows.__index = Rows

--- An empty history.
-- @tparam table names probes
-- @tparam integer replicas
function M.new(names, replicas)
  local rows = { names = names, replicas = replicas, columns = {}, count = 0, complete = 0 }
  setmetatable(rows, Rows)
  for _, name in ipairs { "step", "time", "wall" } do
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
-- @treturn history `step`, `time`, `wall` (T); each probe (T) or (T, R); `stopped` (R), the step at
--   which each replica fulfilled the stop conditions, `diverged` (R), the step at which its cost
--   was not finite, NaN for those that did not; `names`
function Rows:finish(run)
  local result = { names = { "step", "time", "wall" } }
  for _, name in ipairs(self.names) do
    result.names[#result.names + 1] = name
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
  local lines = { table.concat(headings(self), ",") }
  for t = 1, self.step.size do
    local line = cells(self, t)
    for i, value in ipairs(line) do
      line[i] = ("%.17g"):format(value)
    end
    lines[#lines + 1] = table.concat(line, ",")
  end
  local file, message = io.open(path, "w")
  local written = file
  if file then
    written, message = file:write(table.concat(lines, "\n"), "\n")
    local closed, why = file:close()
    written, message = written and closed, message or why
  end
  if not written then
    options.fail("history:save_csv", "cannot write: %s", message)
  end
  return self
end

-- ---- quantiles ----------------------------------------------------------------------------------

-- The numbers of a list without its NaNs, in order.
local function sorted_values(list)
  local sorted = {}
  for _, value in ipairs(list) do
    if value == value then
      sorted[#sorted + 1] = value
    end
  end
  table.sort(sorted)
  return sorted
end

-- Quantile q of sorted numbers, between them linearly; NaN of none.
local function quantile_of(sorted, q)
  local at = 1 + q * (#sorted - 1)
  local low = math.floor(at)
  local share = at - low
  if #sorted == 0 then
    return 0 / 0
  end
  return share == 0 and sorted[low] or sorted[low] + share * (sorted[low + 1] - sorted[low])
end

-- A row of a probe as a list, whether of one replica or of many.
local function values_of(row)
  return type(row) == "number" and { row } or row:totable()
end

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
    return quantile_of(sorted_values(column:totable()), q)
  end
  for t = 1, column.shape[1] do
    out[t] = quantile_of(sorted_values(values_of(column[t])), q)
  end
  return core.tensor.tensor(out)
end

-- ---- a table ------------------------------------------------------------------------------------

local SHOWN = 6 -- rows at each end
local QUANTILES = { 0.1, 0.5, 0.9 }

-- Headings of what is shown: of an ensemble's probes, quantiles.
local function shown_headings(history)
  local line = {}
  for _, name in ipairs(history.names) do
    if history[name].ndim == 1 then
      line[#line + 1] = ("%14s"):format(name)
    else
      for _, q in ipairs(QUANTILES) do
        line[#line + 1] = ("%14s"):format(("%s %d%%"):format(name, 100 * q))
      end
    end
  end
  return table.concat(line)
end

local function shown_row(history, t)
  local line = {}
  for _, name in ipairs(history.names) do
    if history[name].ndim == 1 then
      line[#line + 1] = (name == "step" and "%14d" or "%14.5g"):format(history[name][t])
    else
      local sorted = sorted_values(values_of(history[name][t]))
      for _, q in ipairs(QUANTILES) do
        line[#line + 1] = ("%14.5g"):format(quantile_of(sorted, q))
      end
    end
  end
  return table.concat(line)
end

--- A table of the rows, elided in the middle; an ensemble shows quantiles over its replicas.
function History:__tostring()
  local rows = self.step.size
  local lines = {
    ("history of %d rows%s"):format(rows, self.stopped.size > 1
      and (", quantiles of %d replicas"):format(self.stopped.size) or ""),
    shown_headings(self),
  }
  for t = 1, rows do
    if rows <= 2 * SHOWN or t <= SHOWN or t > rows - SHOWN then
      lines[#lines + 1] = shown_row(self, t)
    elseif t == SHOWN + 1 then
      lines[#lines + 1] = ("%14s"):format("…")
    end
  end
  return table.concat(lines, "\n")
end

return M
