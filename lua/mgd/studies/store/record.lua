--- The record of a run: takes rows of probes as they come and writes them in transactions of many.
--
-- A record has *groups*: replicas of one experiment or of several, which run as one ensemble.
-- @module mgd.studies.store.record

local core = require "mgd.core"
local environment = require "mgd.studies.experiment.environment"
local json = require "mgd.text.json"

local Record = {}
Record.__index = Record

local MOST_VALUES, MOST_SECONDS = 20000, 0.5 -- held back before they are written

local function now()
  return os.date "!%Y-%m-%dT%H:%M:%SZ"
end

-- Rows of the runs of all groups, marked as running.
local function begin_runs(store, groups, ids)
  local insert = store:prepare [[
    INSERT INTO runs (experiment, replica, state, environment, started)
    VALUES (?, ?, 'running', ?, ?)
    ON CONFLICT (experiment, replica) DO UPDATE SET state = 'running', solved = NULL,
      diverged = NULL, environment = excluded.environment, started = excluded.started]]
  local find = store:prepare "SELECT id FROM runs WHERE experiment = ? AND replica = ?"
  local place, runs, date = store:environment(json.encode(environment())), {}, now()
  for i, group in ipairs(groups) do
    for replica = group.first, group.first + group.count - 1 do
      insert:run(ids[i], replica, place, date)
      runs[#runs + 1] = find:first(ids[i], replica)
    end
  end
  return runs
end

-- What is written in one transaction is a list of functions; it stays until another program that
-- holds the lock lets go of it.
local function put(self, body)
  self.waiting[#self.waiting + 1] = body
end

--- Begin a record; the experiments become known to the store.
-- @tparam store store
-- @tparam table groups list of {experiment =, first =, count =}
-- @treturn record
function Record.new(store, groups)
  local self = setmetatable({ store = store, replicas = {}, waiting = {}, rows = {}, held = 0,
    ends = {}, written = core.base.clock() }, Record)
  for _, group in ipairs(groups) do
    store:known_id(group.experiment)
    for _ = 1, group.count do
      self.replicas[#self.replicas + 1] = #self.replicas + 1
    end
  end
  put(self, function()
    local ids = {}
    for i, group in ipairs(groups) do
      ids[i] = store:experiment_id(group.experiment)
    end
    self.runs = begin_runs(store, groups, ids)
  end)
  self:flush()
  return self
end

--- Forget what is recorded beyond a step: the run goes on from there.
function Record:rewind(step)
  put(self, function()
    local delete = self.store:prepare "DELETE FROM metrics WHERE run = ? AND step > ?"
    for _, run in ipairs(self.runs) do
      delete:run(run, step)
    end
  end)
  self:flush()
end

--- Note a row of the history.
-- @tparam integer step
-- @tparam table values name → list over the ensemble's replicas; nan is not stored
-- @tparam[opt] table replicas by their places, only these are stored
function Record:row(step, values, replicas)
  self.rows[#self.rows + 1] = { step = step, values = values, replicas = replicas }
  for _, list in pairs(values) do
    self.held = self.held + #(replicas or list)
  end
  local many = self.held >= MOST_VALUES and not self.store.lock
  if many or core.base.clock() - self.written > MOST_SECONDS then
    self:flush()
  end
end

-- Rows by replica, as the table of metrics has them in order: run, name, step.
local function rows_of_slots(self)
  local by_slot, names = {}, {}
  for i = 1, #self.replicas do
    by_slot[i] = {}
  end
  for _, row in ipairs(self.rows) do
    for _, i in ipairs(row.replicas or self.replicas) do
      table.insert(by_slot[i], row)
    end
    for name in pairs(row.values) do
      names[name] = names[name] or self.store:name_id(name)
    end
  end
  return by_slot, names
end

local function write_rows(self)
  local insert = self.store:prepare "INSERT OR REPLACE INTO metrics VALUES (?, ?, ?, ?)"
  local run = insert.run
  local by_slot, names = rows_of_slots(self)
  for i, rows in ipairs(by_slot) do
    for name, id in pairs(names) do
      for _, row in ipairs(rows) do
        local list = row.values[name]
        local value = list and list[i]
        if value == value and value ~= nil then
          run(insert, self.runs[i], id, row.step, value)
        end
      end
    end
  end
end

-- Writes all that waits, in one transaction.
local function write(self, how)
  local done = #self.waiting == 0 and #self.rows == 0 or self.store:transaction(function()
    for _, body in ipairs(self.waiting) do
      body()
    end
    write_rows(self)
  end, how)
  self.written = core.base.clock()
  if done then
    self.waiting, self.rows, self.held = {}, {}, 0
  end
  return done
end

--- Write what is held back. Where another program holds the lock, it is kept, and written another
-- time.
-- @tparam[opt] boolean durable it shall survive even a loss of power
-- @treturn boolean whether it was written
function Record:flush(durable)
  return write(self, { durable = durable, put_off = true })
end

--- The run stops before its end. What another program's lock keeps from the file is written to
-- memory, where the store goes on.
function Record:stop()
  if not self:flush() then
    self.store:to_memory "another program holds its lock"
    self:flush()
  end
end

--- Note that a replica, by its place in the ensemble, solved its task at a step.
function Record:solved(replica, step)
  self.ends[replica] = { state = "solved", step = step }
end

--- Note that the cost of a replica was not finite at a step.
function Record:diverged(replica, step)
  self.ends[replica] = { state = "diverged", step = step }
end

local function known(value)
  return value == value and value or nil
end

--- The end of the run; waits while another program holds the lock.
-- @tparam table result `wall` in seconds, `threads`; `steps`, `cost`, `accuracy`: lists over the
--   replicas, nan where not known
-- @tparam[opt] function also is called in the same transaction
function Record:finish(result, also)
  put(self, function()
    local update = self.store:prepare [[
      UPDATE runs SET state = ?, solved = ?, diverged = ?, steps = ?, cost = ?, accuracy = ?,
        wall = ?, threads = ?, finished = ? WHERE id = ?]]
    for i, run in ipairs(self.runs) do
      local over = self.ends[i] or { state = "unsolved" }
      update:run(over.state, over.state == "solved" and over.step or nil,
        over.state == "diverged" and over.step or nil, result.steps[i], known(result.cost[i]),
        known(result.accuracy[i]), result.wall, result.threads, now(), run)
    end
    if also then
      also()
    end
  end)
  write(self)
end

return Record
