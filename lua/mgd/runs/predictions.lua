--- What a trained chip answers: its outputs, and which classes it takes for which.
-- @module mgd.runs.predictions

local average = require "mgd.runs.average"
local core = require "mgd.core"
local data = require "mgd.data"
local options = require "mgd.base.options"

local M = {}

local PREDICT = {
  { "noise", type = "boolean", default = false,
    doc = "With the noise of the chip, drawn anew at each call; its paths settled all the same." },
}

--- Outputs of the run's chip; `run:predict` is this.
-- @tparam run run
-- @tparam tensor|table x  (B, …)
-- @tparam[opt] table opts `noise` (false), `average` (false)
-- @treturn tensor (B, O), or (B, T, O) with an answer for every step; with R in front for an
--   ensemble
function M.predict(run, x, opts)
  local opt = average.look("run:predict", run, opts, PREDICT)
  if data.is_dataset(x) then
    options.fail("run:predict", "expected a tensor of inputs (B, …), got a data set: its inputs "
      .. "are its field x")
  elseif type(x) == "table" then
    x = core.tensor.tensor(x)
  elseif not options.is_tensor(x) then
    options.fail("run:predict", "expected a tensor of inputs (B, …), got %s",
      options.type_name(x))
  end
  core.data.check_finite("run:predict: x", x)
  if not opt.noise then
    return run.core:predict(x, 0, opt.average)
  end
  run.draws = (run.draws or 0) + 1
  return run.core:predict(x, run.draws, opt.average)
end

-- ---- confusion ----------------------------------------------------------------------------------

local AT_ONCE = 1000 -- samples

-- The class of an answer, from 1: the largest output, the first of equals; of one output whether it
-- is above ½. Nil of nan.
local function class_of(row)
  if row[1] ~= row[1] then
    return nil
  elseif #row == 1 then
    return row[1] > 0.5 and 2 or 1
  end
  local best = 1
  for k = 2, #row do
    best = row[k] > row[best] and k or best
  end
  return best
end

-- Classes of rows (…, K).
local function classes_of(t, columns)
  local list, rows = {}, t:reshape { t.size / columns, columns }:totable()
  for i, row in ipairs(rows) do
    list[i] = class_of(row) or false
  end
  return list
end

local function count(table_of, wanted, answered)
  for i, class in ipairs(answered) do
    if class then
      local row = table_of[wanted[i]]
      row[class] = row[class] + 1
    end
  end
end

local function zeros(n)
  local rows = {}
  for i = 1, n do
    rows[i] = {}
    for k = 1, n do
      rows[i][k] = 0
    end
  end
  return rows
end

--- Which classes are taken for which; `run:confusion` is this.
-- @tparam run run
-- @tparam[opt] table set a data set or {x =, y =}; the test set, or else the training set, without
-- @tparam[opt] table opts `average` (false)
-- @treturn tensor (K, K) i32: of the samples of class i (row) how many were answered with class j
--   (column); (R, K, K) for an ensemble. One output is two classes: up to ½, and above. Answers
--   that are nan are in no column.
function M.confusion(run, set, opts)
  local own, replicas = run.options.data, run.options.replicas
  local opt = average.look("run:confusion", run, opts)
  set = data.given("run:confusion", set) or own.test or own
  local columns = set.y.shape[set.y.ndim]
  local tables = {}
  for r = 1, replicas do
    tables[r] = zeros(math.max(columns, 2))
  end
  for first = 1, set.x.shape[1], AT_ONCE do
    local part = { { first, math.min(first + AT_ONCE - 1, set.x.shape[1]) } }
    local wanted = classes_of(set.y[part]:clone(), columns)
    local y = run.core:predict(set.x[part]:clone(), 0, opt.average)
    if y.size ~= #wanted * columns * replicas then
      options.fail("run:confusion", "%d outputs for %d samples do not go with targets of %d "
        .. "columns", y.size / replicas, part[1][2] - first + 1, columns)
    end
    for r = 1, replicas do
      count(tables[r], wanted, classes_of(replicas > 1 and y[r] or y, columns))
    end
  end
  return core.tensor.tensor(replicas > 1 and tables or tables[1], { dtype = "i32" })
end

return M
