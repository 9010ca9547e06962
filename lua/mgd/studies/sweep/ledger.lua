--- What a store knows of a sweep: its points, and which batches are done.
-- @module mgd.studies.sweep.ledger

local core = require "mgd.core"
local json = require "mgd.text.json"
local options = require "mgd.base.options"
local parts = require "mgd.studies.experiment.parts"

local M = {}

local Ledger = {}
Ledger.__index = Ledger

local function definition_of(exps, points)
  local content = {}
  for i, exp in ipairs(exps) do
    content[i] = { point = parts.canonical(points[i]), hash = exp.hash }
  end
  return content
end

-- Where the sweep of a name that the store has is another one: its experiments differ, however its
-- points were written.
local function difference(text, content)
  local there = json.decode(text, function() end)
  if #there ~= #content then
    return ("%d points there and %d here"):format(#there, #content)
  end
  for i, entry in ipairs(content) do
    if there[i].hash ~= entry.hash then
      local a, b = json.encode(parts.canonical(there[i].point)), json.encode(entry.point)
      return a == b and "the base differs" or ("point %d is %s there and %s here"):format(i, a, b)
    end
  end
end

-- Seeds that batches are there for already.
local function seeds_planned(store, id)
  local last = 0
  for row in store:prepare("SELECT content FROM batches WHERE sweep = ?"):rows(id) do
    for _, group in ipairs(json.decode(row[1], function() end)) do
      last = math.max(last, group.first + group.count - 1)
    end
  end
  return last
end

local function add_points(store, id, exps, definition)
  local insert = store:prepare "INSERT INTO points VALUES (?, ?, ?, ?)"
  for i, exp in ipairs(exps) do
    insert:run(id, i, store:experiment_id(exp), json.encode(definition[i].point))
  end
end

local function add_batches(store, id, batches)
  local number = store:prepare("SELECT count(*) FROM batches WHERE sweep = ?"):first(id)
  local insert = store:prepare "INSERT INTO batches VALUES (?, ?, ?, ?, 'open', 0, NULL)"
  for i, batch in ipairs(batches) do
    insert:run(id, number + i, json.encode(batch.groups), batch.work)
  end
end

-- Why a sweep of the store is not to go on here: a law of its points had another version.
local function other_version(store, id)
  for row in store:prepare("SELECT experiment FROM points WHERE sweep = ? ORDER BY number"):rows(id)
  do
    local reason = store:other_version(row[1])
    if reason then
      return reason
    end
  end
end

-- The number of a sweep in a store, nil where it has none of that name.
-- @raise where that is another one
local function find(sweep, store, content, where)
  local id, text = store:prepare("SELECT id, definition FROM sweeps WHERE name = ?")
    :first(sweep.name)
  local differs = id and difference(text, content)
  local reason = differs and other_version(store, id)
  if reason then
    options.fail(where, "the store has a sweep named '%s' that was %s; give this one a name of its "
      .. "own", sweep.name, reason)
  elseif differs then
    options.fail(where, "the store has another sweep named '%s', of other points or another base "
      .. "(%s): give this one a name of its own", sweep.name, differs)
  end
  return id
end

--- The number of a sweep in a store, nil where it has not been run yet.
-- @tparam table sweep `name`, `experiments`, `points`
-- @tparam store store
-- @tparam string where opens messages
-- @raise where the store has another sweep of that name
function M.find(sweep, store, where)
  return find(sweep, store, definition_of(sweep.experiments, sweep.points), where)
end

--- The ledger of a sweep in a store: entered now, or found with the same content.
-- @tparam table sweep `name`, `experiments`, `points`, `first`, `last`
-- @tparam store store
-- @tparam function plan (first seed, last seed) → batches
-- @treturn ledger
function M.open(sweep, store, plan)
  local content, id = definition_of(sweep.experiments, sweep.points), nil
  store:transaction(function()
    id = find(sweep, store, content, "sweep:run")
    if not id then
      local text = json.encode(content)
      store:prepare("INSERT INTO sweeps (name, hash, definition) VALUES (?, ?, ?)"):run(sweep.name,
        core.base.sha256(text), text)
      id = store.db:last_id()
      add_points(store, id, sweep.experiments, content)
    end
    local planned = math.max(seeds_planned(store, id), sweep.first - 1)
    if planned < sweep.last then
      add_batches(store, id, plan(planned + 1, sweep.last))
    end
    store:prepare("UPDATE batches SET state = 'open', failure = NULL WHERE sweep = ? "
      .. "AND state = 'failed'"):run(id)
  end)
  return setmetatable({ store = store, id = id, experiments = sweep.experiments }, Ledger)
end

--- The same for the store that a child of this process has opened.
function Ledger:with(store)
  return setmetatable({ store = store, id = self.id, experiments = self.experiments }, Ledger)
end

--- Numbers of the batches that are not done.
function Ledger:open()
  local numbers = {}
  for row in self.store:prepare("SELECT number FROM batches WHERE sweep = ? AND state = 'open' "
    .. "ORDER BY number"):rows(self.id) do
    numbers[#numbers + 1] = row[1]
  end
  return numbers
end

--- How many batches there are.
function Ledger:count()
  return (self.store:prepare("SELECT count(*) FROM batches WHERE sweep = ?"):first(self.id))
end

--- Whether a batch is still to be done.
function Ledger:is_open(number)
  return self.store:prepare("SELECT 1 FROM batches WHERE sweep = ? AND number = ? "
    .. "AND state = 'open'"):first(self.id, number) ~= nil
end

--- A batch as groups for the runner.
function Ledger:groups(number)
  local text = self.store:prepare("SELECT content FROM batches WHERE sweep = ? AND number = ?")
    :first(self.id, number)
  local groups = {}
  for i, group in ipairs(json.decode(text, function() end)) do
    groups[i] = { experiment = self.experiments[group.point], first = group.first,
      count = group.count }
  end
  return groups
end

--- A batch is done. In a transaction.
function Ledger:done(number)
  self.store:prepare("UPDATE batches SET state = 'done', step = 0 WHERE sweep = ? AND number = ?")
    :run(self.id, number)
end

--- A batch could not be run; its reason is kept.
function Ledger:failed(number, message)
  self.store:transaction(function()
    self.store:prepare("UPDATE batches SET state = 'failed', step = 0, failure = ? "
      .. "WHERE sweep = ? AND number = ?"):run(message, self.id, number)
  end)
end

--- How far a batch has come, in steps; not noted while another program holds the store's lock.
function Ledger:at(number, step)
  self.store:transaction(function()
    self.store:prepare("UPDATE batches SET step = ? WHERE sweep = ? AND number = ?"):run(step,
      self.id, number)
  end, { put_off = true })
end

--- Batches that could not be run.
-- @treturn table list of {number =, message =}
function Ledger:failures()
  local list = {}
  for row in self.store:prepare("SELECT number, failure FROM batches WHERE sweep = ? "
    .. "AND state = 'failed' ORDER BY number"):rows(self.id) do
    list[#list + 1] = { number = row[1], message = row[2] }
  end
  return list
end

--- Work in replica·steps: done or under way, and in all; batches that are done, and in all.
function Ledger:progress()
  local done, all, finished, count = 0, 0, 0, 0
  for row in self.store:prepare("SELECT number, work, state, step, content FROM batches "
    .. "WHERE sweep = ?"):rows(self.id) do
    all, count = all + row[2], count + 1
    if row[3] ~= "open" then
      done, finished = done + row[2], finished + 1
    elseif row[4] > 0 then
      local groups = json.decode(row[5], function() end)
      done = done + row[2] * math.min(1, row[4] / self.experiments[groups[1].point].plain.steps)
    end
  end
  return done, all, finished, count
end

return M
