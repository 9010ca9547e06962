--- The run store: experiments, their runs, metrics over time and artefacts, in one file of SQLite.
--
--     local store = mgd.store("runs.db")
--     exp:run{store = store}
--     local t = store:query{where = {["training.eta"] = {max = 1}}, columns = {"eta", "solved"}}
--
-- Several processes may write at once. Where the file cannot be written (a full disk, a folder that
-- may only be read), the store goes on in memory and says so; `store:save_as` writes it elsewhere.
-- The tables are described in docs/store.md.
-- @module mgd.store

local Compare = require "mgd.store.compare"
local core = require "mgd.core"
local experiment = require "mgd.experiment"
local Export = require "mgd.store.export"
local File = require "mgd.store.file"
local files = require "mgd.files"
local json = require "mgd.json"
local naming = require "mgd.naming"
local options = require "mgd.options"
local Query = require "mgd.store.query"
local Record = require "mgd.store.record"
local schema = require "mgd.store.schema"
local number_text = require("mgd.text").number

local sqlite = core.sqlite

local M = {}

local Store = naming.class("mgd.store", { "db", "in_memory", "reason" })
for _, methods in ipairs { Query, Compare, Export } do
  for name, method in pairs(methods) do
    Store[name] = method
  end
end

M.SCHEMA = {
  { "path", type = "string", default = ":memory:",
    doc = "The file, made where there is none; \":memory:\" keeps all in memory." },
}

--- Whether a value is a store.
function M.is_store(value)
  return type(value) == "table" and getmetatable(value) == Store
end

-- ---- opening ------------------------------------------------------------------------------------

-- Failures of the disk, not of what was asked.
local OF_THE_DISK = { full = true, readonly = true, ioerr = true, cantopen = true }

local PATIENCE = 60000 -- ms that another process may hold the file

-- What went wrong, without the place in the library.
local function reason_of(message)
  return (tostring(message):gsub("^.-sqlite: ", ""))
end

local function set_up(store, db)
  db:exec "PRAGMA temp_store = MEMORY" -- sorting needs no disk, which may be full
  store.db, store.statements, store.names = db, {}, {}
end

-- The store goes on in memory, with all that the file holds. Everything in it has the same numbers
-- there, so that records that are under way do not notice.
local function go_to_memory(store, where, reason)
  local db = assert(sqlite.open ":memory:")
  local ok = store.db and pcall(store.db.backup, store.db, db)
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

-- The connection to a file that can be written, or why there is none.
local function connect(store, where)
  local path = store.path
  local db, message = sqlite.open(path, { timeout = PATIENCE })
  if not db then
    local reason, wrong = File.why_not_made(path, message)
    if wrong then
      options.fail(where, "%s: %s", path, reason)
    end
    return nil, reason
  end
  local log = File.has_log(path)
  local damage = path ~= ":memory:" and File.damage(db, path)
  local ok, failure = pcall(function()
    if not damage then
      schema.create(db)
      db:exec "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL"
    end
  end)
  local code = db:failure()
  if not damage and (code == "corrupt" or code == "notadb") then
    damage = reason_of(failure)
  elseif not damage and ok then
    return db
  end
  db:close { checkpoint = damage and not log or false } -- nothing of it is to be changed
  if damage then
    options.fail(where, "%s is damaged (%s): it is left as it is", path, damage)
  elseif not OF_THE_DISK[code] then
    options.fail(where, "%s: %s", path, reason_of(failure))
  end
  return nil, reason_of(failure)
end

local function open(store, where)
  local path, refusal, reason, db = store.path, nil, nil, nil
  if path ~= ":memory:" then
    refusal, reason = File.look(path)
  end
  if refusal then
    options.fail(where, "%s", refusal)
  elseif not reason then
    db, reason = connect(store, where)
  end
  if db then
    set_up(store, db)
    store.in_memory = path == ":memory:"
  else
    go_to_memory(store, where, reason)
  end
end

--- Open a store.
-- @tparam string|table opts the path, or see `M.SCHEMA`
-- @treturn store with fields `path`, `in_memory`, and `reason` where it had to go on in memory
-- @raise where the file is something else, damaged, or of a newer version: it is left untouched
function M.open(opts)
  local where = "mgd.store"
  local opt = options.check(where, M.SCHEMA, type(opts) == "string" and { path = opts } or opts)
  local store = setmetatable({ path = opt.path }, Store)
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
  local ok, message = pcall(files.in_folder, function(folder)
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

--- Connected again.
function Store:connect()
  open(self, "store")
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
  local ok, result = pcall(function()
    return self:prepare("PRAGMA integrity_check(1)"):first()
  end)
  if ok and result == "ok" then
    return true
  end
  return false, reason_of(result)
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

local function attempt(store, body, durable)
  local db = store.db
  if durable and not store.in_memory then
    db:exec "PRAGMA synchronous = FULL"
  end
  db:exec "BEGIN IMMEDIATE"
  local ok, message = pcall(body)
  if ok then
    ok, message = pcall(db.exec, db, "COMMIT")
  end
  local failure = not ok and db:failure()
  if db:in_transaction() then
    pcall(db.exec, db, "ROLLBACK")
  end
  if durable and not store.in_memory then
    db:exec "PRAGMA synchronous = NORMAL"
  end
  store.names = ok and store.names or {} -- ids that were rolled back
  return ok, message, failure
end

--- Everything that a function writes, or nothing of it. Where the disk fails, it is called again
-- with the store in memory.
-- @tparam function body
-- @tparam[opt] boolean durable on the disk itself when this returns
function Store:transaction(body, durable)
  self:need_open "store"
  local ok, message, failure = attempt(self, body, durable)
  if not ok and OF_THE_DISK[failure] and not self.in_memory then
    go_to_memory(self, "store", reason_of(message))
    ok, message, failure = attempt(self, body)
  end
  if not ok and failure ~= "ok" and failure ~= "interrupt" then
    options.fail("store", "%s: %s", self.path, reason_of(message))
  elseif not ok then
    error(message, 0)
  end
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
  local there, here, names = {}, exp:parameters(), {}
  for row in store:prepare("SELECT path, value FROM parameters WHERE experiment = ?"):rows(id) do
    there[row[1]], names[#names + 1] = row[2], row[1]
  end
  for path in pairs(here) do
    names[#names + 1] = there[path] == nil and path or nil
  end
  table.sort(names)
  for _, path in ipairs(names) do
    if there[path] ~= stored(here[path]) then
      return path, there[path], here[path]
    end
  end
  return "what it is made of" -- the order of models, which is no parameter
end

local function word(value)
  return type(value) == "number" and number_text(value) or tostring(value)
end

local function refuse_other(store, id, exp)
  local path, there, here = first_difference(store, id, exp)
  options.fail("store", "%s holds another experiment named '%s': %s differs%s; give this one a "
    .. "name of its own, by exp:with{name = …}", store.path, exp.name, path,
    there ~= here and (", %s there and %s here"):format(word(there), word(here)) or "")
end

--- The number of an experiment, which becomes known to the store. In a transaction.
function Store:experiment_id(exp)
  local find = self:prepare "SELECT id, hash FROM experiments WHERE name = ?"
  local id, hash = find:first(exp.name)
  if id and hash ~= exp.hash then
    refuse_other(self, id, exp)
  elseif id then
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
-- @tparam table slots list of {experiment =, first =, count =}: the replicas of an ensemble
-- @treturn record see mgd.store.record
function Store:record(slots)
  self:need_open "store:record"
  for _, slot in ipairs(slots) do
    slot.experiment:need_plain "store:record"
  end
  return Record.new(self, slots)
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
