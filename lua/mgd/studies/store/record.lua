--- The record of a run: takes rows of probes as they come and writes them in transactions of many.
--
-- A record has *slots*: replicas of one experiment or of several, which run as one ensemble.
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

-- Rows of the runs of all slots, marked as running.
local function begin_runs(store, slots, ids)
  local insert = store:prepare [[
    INSERT INTO runs (experiment, replica, state, environment, started)
    VALUES (?, ?, 'running', ?, ?)
    ON CONFLICT (experiment, replica) DO UPDATE SET state = 'running', solved = NULL,
      diverged = NULL, environment = excluded.environment, started = excluded.started]]
  local find = store:prepare "SELECT id FROM runs WHERE experiment = ? AND replica = ?"
  local place, runs, date = store:environment(json.encode(environment())), {}, now()
  for i, slot in ipairs(slots) do
    for replica = slot.first, slot.first + slot.count - 1 do
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
-- @tparam table slots list of {experiment =, first =, count =}
-- @treturn record
function Record.new(store, slots)
  local self = setmetatable({ store = store, slots = {}, waiting = {}, rows = {}, held = 0,
    ends = {}, written = core.base.clock() }, Record)
  for _, slot in ipairs(slots) do
    store:known_id(slot.experiment)
    for _ = 1, slot.count do
      self.slots[#self.slots + 1] = #self.slots + 1
    end
  end
  put(self, function()
    local ids = {}
    for i, slot in ipairs(slots) do
      ids[i] = store:experiment_id(slot.experiment)
    end
    self.runs = begin_runs(store, slots, ids)
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
-- @tparam table values name → list over the slots' replicas; nan is not stored
-- @tparam[opt] table slots only these are stored
function Record:row(step, values, slots)
  self.rows[#self.rows + 1] = { step = step, values = values, slots = slots }
  for _, list in pairs(values) do
    self.held = self.held + #(slots or list)
  end
  local many = self.held >= MOST_VALUES and not self.store.lock
  if many or core.base.clock() - self.written > MOST_SECONDS then
    self:flush()
  end
end

-- Rows by slot, as the table of metrics has them in order: run, name, step.
local function rows_of_slots(self)
  local by_slot, names = {}, {}
  for i = 1, #self.slots do
    by_slot[i] = {}
  end
  for _, row in ipairs(self.rows) do
    for _, i in ipairs(row.slots or self.slots) do
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

--- Note that the replica of a slot solved its task at a step.
function Record:solved(slot, step)
  self.ends[slot] = { state = "solved", step = step }
end

--- Note that the cost of a slot's replica was not finite at a step.
function Record:diverged(slot, step)
  self.ends[slot] = { state = "diverged", step = step }
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
