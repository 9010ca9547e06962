--- Reading a store: runs by their parameters, metrics over time, experiments.
-- Its functions are methods of the store.
-- @module mgd.studies.store.query

local core = require "mgd.core"
local experiment = require "mgd.studies.experiment.class"
local interrupts = require "mgd.base.interrupts"
local json = require "mgd.text.json"
local listing = require "mgd.text.listing"
local naming = require "mgd.base.naming"
local options = require "mgd.base.options"
local paths = require "mgd.studies.experiment.paths"
local record = require "mgd.text.record"

local tensor = core.tensor

local Query = {}

local metric_of = record.kind "mgd.metric"

-- Columns of a run, by the name under which a user asks for them.
local COLUMNS = {
  experiment = "e.name", replica = "r.replica", state = "r.state", solved = "r.solved",
  diverged = "r.diverged", steps = "r.steps", cost = "r.cost", accuracy = "r.accuracy",
  wall = "r.wall", threads = "r.threads", started = "r.started", finished = "r.finished",
  sweep = "s.name",
}

local EVALUATIONS = "evaluations" -- a column that follows from the steps and the experiment

local DEFAULT = { "experiment", "replica", "state", "solved", "diverged", "steps", "cost",
  "accuracy", "wall" }

local FROM = " FROM runs r JOIN experiments e ON e.id = r.experiment"
local SWEEPS = " LEFT JOIN points p ON p.experiment = e.id LEFT JOIN sweeps s ON s.id = p.sweep"

-- ---- names --------------------------------------------------------------------------------------

local function known_path(store, path)
  return store:prepare("SELECT 1 FROM parameters WHERE path = ? LIMIT 1"):first(path) ~= nil
end

-- The canonical path of a parameter that some experiment of the store has.
local function path_of(store, where, path)
  if type(path) ~= "string" then
    options.fail(where, "a column or parameter is named by a string, got %s",
      options.type_name(path))
  elseif known_path(store, path) then
    return path
  end
  local ok, words = interrupts.pcall(paths.resolve, { chip = {} }, where, path)
  local canonical = ok and table.concat(words, ".")
  if canonical and known_path(store, canonical) then
    return canonical
  end
  local known = {}
  for name in pairs(COLUMNS) do
    known[#known + 1] = name
  end
  for row in store:prepare("SELECT DISTINCT path FROM parameters"):rows() do
    known[#known + 1] = row[1]
    known[#known + 1] = row[1]:match "[^.]+$"
  end
  options.fail(where, "no experiment in the store has '%s'%s", path, naming.hint(path, known))
end

-- ---- conditions ---------------------------------------------------------------------------------

local RANGE = {
  { "min", type = "number", infinite = true, doc = "At least." },
  { "max", type = "number", infinite = true, doc = "At most." },
}

-- A value that something can be equal to.
local function check_wanted(where, label, value)
  local kind = type(value)
  if value ~= value then
    options.fail(where, "%s is nan, which nothing is equal to", label)
  elseif kind ~= "number" and kind ~= "string" and kind ~= "boolean" then
    options.fail(where, "%s is %s: expected a value, a list, or {min =, max =}", label,
      options.type_name(value))
  end
end

-- SQL for a condition on an expression; adds its values to a list.
local function condition(where, name, expression, wanted, values)
  local parts = {}
  if type(wanted) == "table" and #wanted > 0 then
    for i, value in ipairs(wanted) do
      check_wanted(where, ("'%s': element %d"):format(name, i), value)
      parts[i], values[#values + 1] = "?", value
    end
    return expression .. " IN (" .. table.concat(parts, ", ") .. ")"
  elseif type(wanted) == "table" then
    local range = options.check(where .. ": '" .. name .. "'", RANGE, wanted)
    if not range.min and not range.max then
      options.fail(where, "'%s' is an empty table: expected a value, a list, or {min =, max =}",
        name)
    end
    for key, operator in pairs { min = " >= ?", max = " <= ?" } do
      if range[key] then
        parts[#parts + 1], values[#values + 1] = expression .. operator, range[key]
      end
    end
    return table.concat(parts, " AND ")
  end
  check_wanted(where, ("'%s'"):format(name), wanted)
  values[#values + 1] = wanted
  return expression .. " = ?"
end

-- WHERE of a table of conditions, in which parameters are found by their index.
local function conditions(store, where, given)
  local parts, values, names, seen = {}, {}, {}, {}
  for name in pairs(given or {}) do
    names[#names + 1] = name
  end
  table.sort(names)
  for i, name in ipairs(names) do
    if COLUMNS[name] then
      parts[i] = condition(where, name, COLUMNS[name], given[name], values)
    else
      local path = path_of(store, where, name)
      if seen[path] then
        paths.fail_twice(where, path, name, seen[path])
      end
      seen[path], values[#values + 1] = name, path
      parts[i] = "e.id IN (SELECT experiment FROM parameters WHERE path = ? AND "
        .. condition(where, name, "value", given[name], values) .. ")"
    end
  end
  return #parts > 0 and " WHERE " .. table.concat(parts, " AND ") or "", values
end

-- ---- runs ---------------------------------------------------------------------------------------

local SCHEMA = {
  { "where", type = "table",
    doc = "Conditions by column or parameter: a value, a list of values, or {min =, max =}." },
  { "columns", type = "list",
    doc = "Names of columns and parameters; experiment, replica, state, solved, diverged, steps, "
      .. "cost, accuracy, wall without. evaluations: of one sample each, in the steps taken." },
}

-- Evaluations of each row's steps; nan where the experiment cannot be made again.
local function evaluations_of(store, experiments, steps)
  local rows_of, list = {}, {}
  for row, name in ipairs(experiments) do
    rows_of[name] = rows_of[name] or {}
    table.insert(rows_of[name], row)
  end
  for name, rows in pairs(rows_of) do
    local taken = {}
    for k, row in ipairs(rows) do
      taken[k] = steps[row]
    end
    local ok, counted = interrupts.pcall(function()
      return store:experiment(name):evaluations(taken)
    end)
    for k, row in ipairs(rows) do
      list[row] = ok and counted[k] or 0 / 0
    end
  end
  return list
end

local unpack = table.unpack or rawget(_G, "unpack") -- LuaJIT

--- Columns of runs as lists, nan for what is unknown.
-- @tparam store store
-- @tparam string where opens messages
-- @tparam[opt] table opts `where` and `columns`
-- @treturn table names of the columns
-- @treturn table a list for each
-- @treturn integer number of rows
function Query.columns(store, where, opts)
  store:need_open(where)
  local opt = options.check(where, SCHEMA, opts)
  local columns = opt.columns or DEFAULT
  local clause, values = conditions(store, where, opt.where)
  local selected, bound, derived = {}, {}, nil
  for i, name in ipairs(columns) do
    if name == EVALUATIONS then
      selected[i], derived = COLUMNS.steps, i
    elseif COLUMNS[name] then
      selected[i] = COLUMNS[name]
    else
      bound[#bound + 1] = path_of(store, where, name)
      selected[i] = "(SELECT value FROM parameters WHERE experiment = e.id AND path = ?)"
    end
  end
  if #columns == 0 then
    options.fail(where, "option 'columns' is empty")
  end
  for _, value in ipairs(values) do
    bound[#bound + 1] = value
  end
  selected[#selected + 1] = COLUMNS.experiment
  local text = "SELECT " .. table.concat(selected, ", ") .. FROM
  if (text .. clause):find("s.name", 1, true) then
    text = text .. SWEEPS
  end
  local lists, count = store:prepare(text .. clause .. " ORDER BY e.name, r.replica"):columns(
    unpack(bound))
  if derived then
    lists[derived] = evaluations_of(store, lists[#lists], lists[derived])
  end
  lists[#lists] = nil
  return columns, lists, count
end

local function has_text(list)
  for _, value in ipairs(list) do
    if type(value) == "string" then
      return true
    end
  end
  return false
end

local names_of = setmetatable({}, { __mode = "k" })

local Columns = naming.class("mgd.store.columns", nil, nil, true)

function Columns:__tostring()
  local rows, names = {}, names_of[self]
  for row = 1, #self[names[1]] do
    rows[row] = {}
    for _, name in ipairs(names) do
      rows[row][name] = self[name][row] or nil
    end
  end
  return tostring(listing(rows, names))
end

--- What `columns` gave, by name; columns of numbers as tensors (N), f64.
function Query.as_tensors(_, columns, lists, count)
  local result = setmetatable({}, Columns)
  names_of[result] = columns
  for i, name in ipairs(columns) do
    local text = count == 0 or has_text(lists[i])
    for row = 1, text and count or 0 do
      lists[i][row] = lists[i][row] == lists[i][row] and lists[i][row] or false
    end
    result[name] = text and lists[i] or tensor.tensor(lists[i], { dtype = "f64" })
  end
  return result
end

--- Columns of runs: what was varied, beside what came of it. The order is by experiment, replica.
-- @tparam[opt] table opts `where` (all runs) and `columns`
-- @treturn table name → tensor (N), f64, nan where unknown; text as a list, false where unknown;
--   prints as a table
-- @usage store:query{where = {["cost.noise"] = {max = 0.1}}, columns = {"cost.noise", "solved"}}
function Query:query(opts)
  return self:as_tensors(self:columns("store:query", opts))
end

--- Runs as a list of tables, which prints as a table.
-- @tparam[opt] table opts `where` and `columns`, as for query
-- @treturn table list of tables by column
function Query:runs(opts)
  local columns, lists, count = self:columns("store:runs", opts)
  local rows = {}
  for row = 1, count do
    local run = {}
    for i, name in ipairs(columns) do
      local value = lists[i][row]
      run[name] = value == value and value or nil
    end
    rows[row] = run
  end
  return listing(rows, columns, "mgd.store.run")
end

-- ---- metrics ------------------------------------------------------------------------------------

local function name_of(where, exp)
  local name = experiment.is_experiment(exp) and exp.name or exp
  if type(name) ~= "string" then
    options.fail(where, "expected an experiment or its name, got %s", options.type_name(exp))
  end
  return name
end

--- The number of an experiment that the store has, and its name.
function Query.find(store, where, exp)
  store:need_open(where)
  local name = name_of(where, exp)
  local id = store:prepare("SELECT id FROM experiments WHERE name = ?"):first(name)
  if not id then
    local known = {}
    for row in store:prepare("SELECT name FROM experiments"):rows() do
      known[#known + 1] = row[1]
    end
    options.fail(where, "the store has no experiment '%s'%s", name, naming.hint(name, known))
  end
  return id, name
end

local METRICS = {
  { "experiment", type = "any", required = true, doc = "An experiment or its name." },
  { "name", type = "string", required = true, doc = "Of the probe: \"cost\", \"accuracy\", …" },
}

-- Values (T, R) of rows (replica, step, value); a step at which a replica has none is nan.
local function grid_of(rows)
  local steps, replicas, row_of, column_of = {}, {}, {}, {}
  for _, row in ipairs(rows) do
    if not column_of[row[1]] then
      replicas[#replicas + 1] = row[1]
      column_of[row[1]] = #replicas
    end
    if not row_of[row[2]] then
      row_of[row[2]] = true
      steps[#steps + 1] = row[2]
    end
  end
  table.sort(steps)
  local values = {}
  for t, step in ipairs(steps) do
    row_of[step], values[t] = t, {}
    for r = 1, #replicas do
      values[t][r] = 0 / 0
    end
  end
  for _, row in ipairs(rows) do
    values[row_of[row[2]]][column_of[row[1]]] = row[3]
  end
  return metric_of {
    step = tensor.tensor(steps, { dtype = "f64" }),
    value = tensor.tensor(values, { dtype = "f64" }),
    replica = replicas,
  }
end

--- A metric of an experiment over time.
-- @tparam table opts `experiment` and `name`
-- @treturn table `step`: tensor (T); `value`: tensor (T, R), nan where a replica has none, as after
--   it stopped; `replica`: list of R numbers
function Query:metrics(opts)
  local where = "store:metrics"
  local opt = options.check(where, METRICS, opts)
  local id, name = self:find(where, opt.experiment)
  local rows = {}
  for row in self:prepare([[
      SELECT r.replica, m.step, m.value FROM runs r JOIN metrics m ON m.run = r.id
      WHERE r.experiment = ? AND m.name = (SELECT id FROM names WHERE name = ?)
      ORDER BY r.replica, m.step]]):rows(id, opt.name) do
    rows[#rows + 1] = row
  end
  if #rows == 0 then
    options.fail(where, "experiment '%s' has no metric '%s': it has %s", name, opt.name,
      table.concat(self:metric_names(name), ", "))
  end
  return grid_of(rows)
end

--- Names of the metrics that an experiment has.
-- @treturn table list in order
function Query:metric_names(exp)
  local id = self:find("store:metric_names", exp)
  local names = {}
  for row in self:prepare([[
      SELECT n.name FROM names n WHERE EXISTS (SELECT 1 FROM runs r JOIN metrics m ON m.run = r.id
        AND m.name = n.id WHERE r.experiment = ?) ORDER BY n.name]]):rows(id) do
    names[#names + 1] = row[1]
  end
  return names
end

-- ---- experiments --------------------------------------------------------------------------------

--- The experiment of a name.
-- @treturn experiment
function Query:experiment(name)
  local where = "store:experiment"
  local id = self:find(where, name)
  local text = self:prepare("SELECT resolved FROM experiments WHERE id = ?"):first(id)
  local content = json.decode(text, function()
    options.fail(where, "the store is damaged: the text of '%s' cannot be read", name)
  end)
  if content.data.fingerprint then
    options.fail(where, "the data of '%s' were tensors, which are not in the store: only its "
      .. "parameters can be read", name)
  end
  local reason = self:other_version(id)
  if reason then
    options.fail(where, "'%s' was %s; store:query and store:summary still read its results", name,
      reason)
  end
  return experiment.from_plain(content)
end

--- All experiments: name, hash, how many runs there are, and how they ended.
-- @treturn table list, which prints as a table
function Query:experiments()
  self:need_open "store:experiments"
  local list = {}
  for row in self:prepare([[
      SELECT e.name, substr(e.hash, 1, 12), count(r.id), total(r.state = 'solved'),
        total(r.state = 'diverged'), total(r.state = 'running')
      FROM experiments e LEFT JOIN runs r ON r.experiment = e.id GROUP BY e.id ORDER BY e.name]])
      :rows() do
    list[#list + 1] = { name = row[1], hash = row[2], runs = row[3], solved = math.floor(row[4]),
      diverged = math.floor(row[5]), running = math.floor(row[6]) }
  end
  return listing(list, { "name", "hash", "runs", "solved", "diverged", "running" },
    "mgd.store.entry")
end

--- Environments in which an experiment ran.
-- @treturn table list of tables as of mgd.studies.experiment.environment
function Query:environments(exp)
  local id = self:find("store:environments", exp)
  local list = {}
  for row in self:prepare([[
      SELECT DISTINCT v.content FROM runs r JOIN environments v ON v.id = r.environment
      WHERE r.experiment = ? ORDER BY v.content]]):rows(id) do
    list[#list + 1] = json.decode(row[1], function() end)
  end
  return listing(list, { "version", "git", "host", "os", "compiler", "isa", "lua" },
    "mgd.environment")
end

--- Artefacts of an experiment.
-- @treturn table list of {path =, kind =, replica =, sha256 =, bytes =}, which prints as a table
function Query:artefacts(exp)
  local id = self:find("store:artefacts", exp)
  local list = {}
  for row in self:prepare([[
      SELECT path, kind, replica, sha256, bytes FROM artefacts WHERE experiment = ?
      ORDER BY path, replica]]):rows(id) do
    list[#list + 1] = { path = row[1], kind = row[2], replica = row[3], sha256 = row[4],
      bytes = row[5] }
  end
  return listing(list, { "path", "kind", "replica", "bytes", "sha256" }, "mgd.store.artefact")
end

--- Rows of plain SQL.
-- @tparam string text one statement
-- @param ... values of its parameters
-- @treturn table list of lists
-- @raise with the words of SQLite, where it is not one statement that it understands
-- @usage store:sql("SELECT name, count(*) FROM history WHERE step > ? GROUP BY name", 1000)
function Query:sql(text, ...)
  self:need_open "store:sql"
  local rows, values, n = {}, { ... }, select("#", ...)
  local ok, message = interrupts.pcall(function()
    for row in self:prepare(text):rows(unpack(values, 1, n)) do
      rows[#rows + 1] = row
    end
  end)
  if not ok then
    options.fail("store:sql", "%s", (tostring(message):gsub("^.-sqlite: ", "")))
  end
  return rows
end

return Query
