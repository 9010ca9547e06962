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

-- Median of a row of an ensemble, or the value.
local function middle(value)
  if type(value) == "number" then
    return value
  end
  local list = value:totable()
  table.sort(list, function(a, b)
    return a < b or (a == a and b ~= b)
  end)
  local n = #list
  return (list[math.floor((n + 1) / 2)] + list[math.floor(n / 2) + 1]) / 2
end

local SHOWN = 6 -- rows at each end

--- A table of the rows, elided in the middle; an ensemble shows its medians.
function History:__tostring()
  local rows, lines = self.step.size, {}
  local ensemble = self.stopped.size > 1
  lines[1] = ("history of %d rows%s"):format(rows, ensemble
    and (", medians of %d replicas"):format(self.stopped.size) or "")
  local heading = {}
  for i, name in ipairs(self.names) do
    heading[i] = ("%12s"):format(name)
  end
  lines[2] = table.concat(heading)
  for t = 1, rows do
    if rows <= 2 * SHOWN or t <= SHOWN or t > rows - SHOWN then
      local line = {}
      for i, name in ipairs(self.names) do
        line[i] = (name == "step" and "%12d" or "%12.5g"):format(middle(self[name][t]))
      end
      lines[#lines + 1] = table.concat(line)
    elseif t == SHOWN + 1 then
      lines[#lines + 1] = ("%12s"):format("…")
    end
  end
  return table.concat(lines, "\n")
end

return M
