--- The class of stores: opening, closing, transactions, and what is written.
--
-- Where the file cannot be written (a full disk, a folder that may only be read, a file that was
-- removed), the store goes on in memory. Where another program holds the file's lock, runs go on,
-- keep their rows, and write them when the lock is gone.
-- @module mgd.studies.store.class

local interrupts = require "mgd.base.interrupts"
local Compare = require "mgd.studies.store.compare"
local core = require "mgd.core"
local experiment = require "mgd.studies.experiment.class"
local Export = require "mgd.studies.store.export"
local File = require "mgd.studies.store.file"
local files = require "mgd.base.files"
local json = require "mgd.text.json"
local naming = require "mgd.base.naming"
local options = require "mgd.base.options"
local parts = require "mgd.studies.experiment.parts"
local recipe = require "mgd.runs.recipe"
local Query = require "mgd.studies.store.query"
local Record = require "mgd.studies.store.record"
local schema = require "mgd.studies.store.schema"
local value_text = require("mgd.base.encoding").value

local sqlite = core.sqlite

local M = {}

local Store = naming.class("mgd.store", { "db", "in_memory", "lock", "reason" })
for _, methods in ipairs { Query, Compare, Export } do
  for name, method in pairs(methods) do
    Store[name] = method
  end
end

M.SCHEMA = {
  { "path", type = "string", default = ":memory:",
    doc = "The file, made where there is none; \":memory:\" keeps all in memory." },
  { "patience", type = "number", default = 10, min = 0, infinite = true, unit = "s",
    doc = "How long another program may hold the file's lock before that is reported; it is "
      .. "waited out either way." },
}

--- Whether a value is a store.
function M.is_store(value)
  return type(value) == "table" and getmetatable(value) == Store
end

-- ---- opening ------------------------------------------------------------------------------------

-- Failures of the disk, not of what was asked.
local OF_THE_DISK = { full = true, readonly = true, ioerr = true, cantopen = true, moved = true }

local READING = 60000      -- ms that a query waits for the lock of another program
local MOST_WAIT = 1        -- s between two looks whether a lock is gone
local SHORT_WAIT = 0.02    -- s, of a write that has been put off before

-- What went wrong, without the place in the library.
local function reason_of(message)
  return (tostring(message):gsub("^.-sqlite: ", ""))
end

local function set_up(store, db)
  db:timeout(READING)
  db:exec "PRAGMA temp_store = MEMORY" -- sorting needs no disk, which may be full
  store.db, store.statements, store.names = db, {}, {}
end

-- The store goes on in memory, with all that the file holds. Everything in it has the same numbers
-- there, so that records that are under way do not notice.
local function go_to_memory(store, where, reason)
  local db = assert(sqlite.open ":memory:")
  local ok = store.db and interrupts.pcall(store.db.backup, store.db, db)
  if store.db then
    store.db:close { checkpoint = false }
    store.db = nil
  end
  if not ok then
    db:close()
    local message
    db, message = File.in_memory(store.path)
    if not db then
      options.fail(where, "%s: %s; nor can it be read: %s", store.path, reason, message)
    end
  end
  set_up(store, db)
  store.in_memory, store.reason = true, reason
  io.stderr:write(("mgd: warning: store %s: %s; it goes on in memory: store:save_as(path) writes "
    .. "it to another place\n"):format(store.path, reason))
end

-- Another program has held the lock since `begun`: reported once, where it lasts.
local function note_lock(store, begun)
  store.lock = store.lock or { since = begun }
  if not store.lock.reported and core.base.clock() - store.lock.since >= store.patience then
    store.lock.reported = true
    io.stderr:write(("mgd: warning: store %s: another program holds its lock; what is to be "
      .. "written is kept in memory until the lock is gone\n"):format(store.path))
  end
end

-- How long one attempt waits for a lock, in ms; what has been put off is tried by the way.
local function wait_of(store, put_off)
  local brief = store.lock and put_off
  return 1000 * (brief and SHORT_WAIT or math.max(SHORT_WAIT, math.min(MOST_WAIT, store.patience)))
end

-- The connection to a file that can be written; or why there is none, and whether it is locked.
local function connect(store, where)
  local path = store.path
  local db, message = sqlite.open(path, { timeout = wait_of(store) })
  if not db then
    local reason, wrong = File.why_not_made(path, message)
    if wrong then
      options.fail(where, "%s: %s", path, reason)
    end
    return nil, reason
  end
  local log = File.has_log(path)
  local damage, unread
  local ok, failure = interrupts.pcall(function()
    if path ~= ":memory:" then
      damage, unread = File.damage(db, path)
    end
    if not damage and not unread then
      schema.create(db)
      db:exec "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL"
    end
  end)
  local code = db:failure()
  if not damage and (code == "corrupt" or code == "notadb") then
    damage = reason_of(failure)
  elseif not damage and not unread and ok then
    return db
  end
  db:close { checkpoint = damage and not log or false } -- nothing of it is to be changed
  if damage then
    options.fail(where, "%s is damaged (%s): it is left as it is", path, damage)
  elseif unread then
    options.fail(where, "%s cannot be read (%s): it is left as it is", path, unread)
  elseif code == "interrupt" then
    error(failure, 0)
  elseif code ~= "busy" and not OF_THE_DISK[code] then
    options.fail(where, "%s: %s", path, reason_of(failure))
  end
  return nil, reason_of(failure), code == "busy"
end

-- The same, when other programs have let go of the file.
local function connect_unlocked(store, where)
  local begun = core.base.clock()
  while true do
    local db, reason, locked = connect(store, where)
    if not locked then
      store.lock = nil
      return db, reason
    end
    note_lock(store, begun)
    core.process.wait({}, SHORT_WAIT)
  end
end

local function open(store, where)
  local path, refusal, reason, db = store.path, nil, nil, nil
  if path ~= ":memory:" then
    refusal, reason = File.look(path)
  end
  if refusal then
    options.fail(where, "%s", refusal)
  elseif not reason then
    db, reason = connect_unlocked(store, where)
  end
  if db then
    set_up(store, db)
    store.in_memory = path == ":memory:"
  else
    go_to_memory(store, where, reason)
  end
end

-- The path as SQLite takes it for the name of a file: many builds of it read `file:x` as a URI.
local function checked_path(where, path)
  if path == "" then
    options.fail(where, "path is empty: expected the name of a file, or \":memory:\"")
  end
  files.check_path(where, path)
  return path:find "^file:" and "./" .. path or path
end

--- Open a store.
-- @tparam string|table opts the path, or see `M.SCHEMA`
-- @treturn store with fields `path`, `in_memory`, and `reason` where it had to go on in memory
-- @raise where the file is something else, damaged, or of a newer version: it is left untouched
function M.open(opts)
  local where = "mgd.store"
  local opt = options.check(where, M.SCHEMA, type(opts) == "string" and { path = opts } or opts)
  local path = checked_path(where, opt.path)
  local store = setmetatable({ path = path, patience = opt.patience }, Store)
  open(store, where)
  return store
end

--- Close it; what is in memory only is lost.
function Store:close()
  if self.db then
    self.db:close()
    self.db = nil
  end
end

-- Copies all into another database, and goes on there.
local function move(store, path)
  local db = assert(sqlite.open(path))
  local ok, message = pcall(store.db.backup, store.db, db)
  if not ok then
    db:close()
    error(message, 0)
  end
  store.db:close()
  set_up(store, db)
end

--- Calls a function while a store in memory lies in a file for the time being, as other processes
-- cannot see the memory of this one. In memory throughout where no such file can be written.
-- @tparam function body
function Store:in_file(body)
  local before, begun = self.path, false
  local ok, message = interrupts.pcall(files.in_folder, function(folder)
    local path = folder .. "/store.db"
    move(self, path)
    begun = true
    self.path, self.in_memory = path, false
    self.db:exec "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF"
    local done, why = pcall(body)
    move(self, ":memory:")
    self.path, self.in_memory = before, true
    if not done then
      error(why, 0)
    end
  end)
  if not begun then
    body()
  elseif not ok then
    error(message, 0)
  end
end

--- Without a connection until `connect`, as no connection may be shared with a child process.
function Store:disconnect()
  self.db:close()
  self.db = nil
end

--- Connected again, even where Ctrl-C ends the waiting for it.
-- @raise "interrupted" then
function Store:connect()
  local before = interrupts.count()
  local ok, message = pcall(open, self, "store")
  if not ok and interrupts.count() ~= before then
    open(self, "store")
  end
  if not ok then
    error(message, 0)
  end
end

function Store:__tostring()
  if not self.db then
    return ("store %s (closed)"):format(self.path)
  end
  local experiments = self:prepare("SELECT count(*) FROM experiments"):first()
  local runs = self:prepare("SELECT count(*) FROM runs"):first()
  return ("store %s%s: %d experiments, %d runs"):format(self.path,
    self.reason and " (in memory: " .. self.reason .. ")" or "", experiments, runs)
end

--- Write the store to a new file and go on there.
-- @tparam string path must not exist
function Store:save_as(path)
  local where = "store:save_as"
  self:need_open(where)
  if type(path) ~= "string" then
    options.fail(where, "expected the name of a new file, got %s", options.type_name(path))
  end
  path = checked_path(where, path)
  if files.exists(path) then
    options.fail(where, "%s exists: expected the name of a new file", path)
  end
  local db, message = sqlite.open(path)
  if not db then
    options.fail(where, "%s: %s", path, message)
  end
  local ok, failure = pcall(self.db.backup, self.db, db)
  db:close()
  if not ok then
    os.remove(path)
    options.fail(where, "%s: %s", path, tostring(failure))
  end
  self:close()
  self.path, self.reason = path, nil
  open(self, where)
end

--- Check all that the file holds, page by page: files of more than 8 MB are not checked when they
-- are opened.
-- @treturn boolean whether it is sound
-- @treturn string|nil what is wrong with it
function Store:check()
  self:need_open "store:check"
  local damage, unread = File.check(self.db, "integrity_check")
  if not damage and not unread then
    return true
  end
  return false, damage or ("it cannot be read: %s"):format(unread)
end

-- ---- transactions -------------------------------------------------------------------------------

--- Fails where the store is closed.
function Store:need_open(where)
  if not self.db then
    options.fail(where, "the store %s is closed", self.path)
  end
end

--- The statement of a text, prepared once.
function Store:prepare(text)
  local statement = self.statements[text]
  if not statement then
    statement = self.db:prepare(text)
    self.statements[text] = statement
  end
  return statement
end

local function attempt(store, body, durable, put_off)
  local db = store.db
  if not store.in_memory and db:moved() then
    return false, "the file was removed or replaced", "moved"
  end
  db:timeout(wait_of(store, put_off))
  if durable and not store.in_memory then
    db:exec "PRAGMA synchronous = FULL"
  end
  local ok, message = pcall(function()
    db:exec "BEGIN IMMEDIATE"
    body()
    db:exec "COMMIT"
  end)
  local failure = not ok and db:failure()
  if db:in_transaction() then
    pcall(db.exec, db, "ROLLBACK")
  end
  if durable and not store.in_memory then
    db:exec "PRAGMA synchronous = NORMAL"
  end
  db:timeout(READING)
  store.names = ok and store.names or {} -- ids that were rolled back
  return ok, message, failure
end

--- Everything that a function writes, or nothing of it. Where the disk fails, it is called again
-- with the store in memory. The lock of another program is waited for.
-- @tparam function body
-- @tparam[opt] table how `durable`: on the disk itself when this returns; `put_off`: nothing is
--   written while another program holds the lock
-- @treturn boolean whether it was written, which it is but for `put_off`
-- @raise "interrupted" after Ctrl-C while it waits: nothing has been written then
function Store:transaction(body, how)
  self:need_open "store"
  how = how or {}
  local begun = core.base.clock()
  while true do
    local ok, message, failure = attempt(self, body, how.durable, how.put_off)
    if not ok and OF_THE_DISK[failure] and not self.in_memory then
      self:to_memory(reason_of(message))
      ok, message, failure = attempt(self, body)
    end
    if ok then
      self.lock = nil
      return true
    elseif failure == "busy" then
      note_lock(self, begun)
      if how.put_off then
        return false
      end
      core.process.wait({}, SHORT_WAIT) -- SQLite itself does not wait where that could not end
    elseif failure ~= "ok" and failure ~= "interrupt" then
      options.fail("store", "%s: %s", self.path, reason_of(message))
    else
      error(message, 0)
    end
  end
end

--- Go on in memory, with all that the file holds.
-- @tparam string reason
function Store:to_memory(reason)
  go_to_memory(self, "store", reason)
end

-- ---- writing ------------------------------------------------------------------------------------

--- The number of a metric's name. In a transaction.
function Store:name_id(name)
  local id = self.names[name]
  if not id then
    self:prepare("INSERT OR IGNORE INTO names (name) VALUES (?)"):run(name)
    id = self:prepare("SELECT id FROM names WHERE name = ?"):first(name)
    self.names[name] = id
  end
  return id
end

--- The number of an environment. In a transaction.
function Store:environment(content)
  self:prepare("INSERT OR IGNORE INTO environments (content) VALUES (?)"):run(content)
  return (self:prepare("SELECT id FROM environments WHERE content = ?"):first(content))
end

-- A value as it is stored: booleans are numbers there.
local function stored(value)
  return type(value) == "boolean" and (value and 1 or 0) or value
end

-- The first parameter in which an experiment is not the one that is stored, with both values.
local function first_difference(store, id, exp)
  local there, here = {}, {}
  for row in store:prepare("SELECT path, value FROM parameters WHERE experiment = ?"):rows(id) do
    there[row[1]] = row[2]
  end
  local parameters = exp:parameters()
  for path, value in pairs(parameters) do
    here[path] = stored(value)
  end
  local first = recipe.differences(there, here)[1]
  if first then
    return first.path, first.a, parameters[first.path]
  end
  return "what it is made of" -- the order of models, which is no parameter
end

--- Why an experiment of the store, by its number, is not to go on here: a model's law had another
-- version.
-- @treturn string|nil
function Store:other_version(id)
  local text = self:prepare("SELECT resolved FROM experiments WHERE id = ?"):first(id)
  return parts.other_version(json.decode(text, function()
    options.fail("store", "%s is damaged: the text of experiment %d cannot be read", self.path, id)
  end))
end

local function refuse_other(store, id, exp)
  local reason = store:other_version(id)
  if reason then
    options.fail("store", "%s holds an experiment named '%s' that was %s; give this one a name of "
      .. "its own, by exp:with{name = …}", store.path, exp.name, reason)
  end
  local path, there, here = first_difference(store, id, exp)
  options.fail("store", "%s holds another experiment named '%s': %s differs%s; give this one a "
    .. "name of its own, by exp:with{name = …}", store.path, exp.name, path,
    there ~= here and (", %s there and %s here"):format(value_text(there), value_text(here)) or "")
end

--- The number of an experiment, nil where the store does not know it.
-- @raise where it holds another one of this name
function Store:known_id(exp)
  local find = self:prepare "SELECT id, hash FROM experiments WHERE name = ?"
  local id, hash = find:first(exp.name)
  if id and hash ~= exp.hash then
    refuse_other(self, id, exp)
  end
  return id
end

--- The number of an experiment, which becomes known to the store. In a transaction.
function Store:experiment_id(exp)
  local id = self:known_id(exp)
  if id then
    return id
  end
  self:prepare("INSERT INTO experiments (name, hash, resolved, created) VALUES (?, ?, ?, ?)"):run(
    exp.name, exp.hash, json.encode(exp:resolved()), os.date "!%Y-%m-%dT%H:%M:%SZ")
  id = self.db:last_id()
  local insert = self:prepare "INSERT INTO parameters VALUES (?, ?, ?)"
  for path, value in pairs(exp:parameters()) do
    insert:run(id, path, value)
  end
  return id
end

--- Begin to record a run.
-- @tparam table groups list of {experiment =, first =, count =}: the replicas of an ensemble
-- @treturn record see mgd.studies.store.record
function Store:record(groups)
  self:need_open "store:record"
  for _, group in ipairs(groups) do
    group.experiment:need_plain "store:record"
  end
  return Record.new(self, groups)
end

M.ARTEFACT = {
  { "replica", type = "integer", min = 1, doc = "Whose it is; of all without." },
  { "kind", type = "string", doc = "A word for what it is, such as \"figure\"." },
}

--- Note a file that belongs to an experiment, by its path and SHA-256.
-- @tparam experiment exp
-- @tparam string path of a file that exists
-- @tparam[opt] table opts see `M.ARTEFACT`
function Store:artefact(exp, path, opts)
  local where = "store:artefact"
  self:need_open(where)
  local opt = options.check(where, M.ARTEFACT, opts)
  if not experiment.is_experiment(exp) then
    options.fail(where, "expected an experiment, got %s", options.type_name(exp))
  end
  local file, message = io.open(path, "rb")
  local bytes = file and file:read "*a"
  if not bytes then
    options.fail(where, "%s", message or path .. " cannot be read")
  end
  file:close()
  self:transaction(function()
    local id = self:experiment_id(exp)
    self:prepare("DELETE FROM artefacts WHERE experiment = ? AND replica IS ? AND path = ?"):run(id,
      opt.replica, path)
    self:prepare("INSERT INTO artefacts VALUES (?, ?, ?, ?, ?, ?, ?)"):run(id, opt.replica, path,
      opt.kind, core.base.sha256(bytes), #bytes, os.date "!%Y-%m-%dT%H:%M:%SZ")
  end)
end

return naming.module("mgd.store", M, { call = M.open })
