--- The run store: experiments, their runs, metrics over time and artefacts, in one file of SQLite.
--
--     local store = mgd.store("runs.db")
--     exp:run{store = store}
--     local t = store:query{where = {["training.eta"] = {max = 1}}, columns = {"training.eta", "solved"}}
--
-- Several processes may write at once. Where the file cannot be written (a full disk, a folder that
-- may only be read), the store goes on in memory and says so; `store:save_as` writes it elsewhere.
-- The tables are described in docs/store.md.
-- @module mgd.store

local core = require "mgd.core"
local experiment = require "mgd.experiment"
local Export = require "mgd.store.export"
local json = require "mgd.json"
local options = require "mgd.options"
local Query = require "mgd.store.query"
local Record = require "mgd.store.record"
local schema = require "mgd.store.schema"

local sqlite = core.sqlite

local M = {}

local Store = {}
Store.__index = Store
Store.__name = "mgd.store"
for _, methods in ipairs { Query, Export } do
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

local function set_up(store, db)
  store.db, store.statements, store.names = db, {}, {}
end

-- The database in memory takes over what could be read of the file.
local function go_to_memory(store, reason)
  local db = assert(sqlite.open(":memory:"))
  if store.db then
    store.db:backup(db)
    store.db:close { checkpoint = false }
  else
    schema.create(db)
  end
  set_up(store, db)
  store.in_memory, store.reason = true, reason
  io.stderr:write(("mgd: warning: store %s: %s; it goes on in memory: store:save_as(path) writes it "
    .. "to another place\n"):format(store.path, reason))
end

-- Fails where it cannot be the user's intent; else why the file cannot be written, nil where it can.
local function look_at(where, path)
  local file, message, code = io.open(path, "r+b")
  if not file and code == 2 then
    file, message, code = io.open(path, "ab")
    if not file and code == 2 then
      options.fail(where, "%s", message)
    elseif file then
      file:close()
      os.remove(path)
    end
  elseif file then
    file:close()
  end
  if code == 21 then
    options.fail(where, "%s is a folder: expected the name of a file", path)
  end
  local refusal = schema.refusal(path)
  if refusal then
    options.fail(where, "%s %s", path, refusal)
  end
  return not file and message or nil
end

local function open(store, where)
  local path = store.path
  local reason = path ~= ":memory:" and look_at(where, path) or nil
  local db, message = sqlite.open(path, { readonly = reason ~= nil })
  if not db and not reason then
    options.fail(where, "%s: %s", path, message)
  end
  if reason then
    store.db = db
    go_to_memory(store, reason)
    return
  end
  set_up(store, db)
  store.in_memory = path == ":memory:"
  local ok, failure = pcall(function()
    schema.create(db)
    db:exec "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY"
  end)
  if not ok and OF_THE_DISK[db:failure()] then
    db:close()
    store.db = nil
    go_to_memory(store, tostring(failure))
  elseif not ok then
    db:close()
    options.fail(where, "%s: %s", path, tostring(failure))
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
  local path = os.tmpname()
  if not pcall(move, self, path) then
    os.remove(path)
    return body()
  end
  self.path, self.in_memory = path, false
  self.db:exec "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF"
  local ok, message = pcall(body)
  move(self, ":memory:")
  self.path, self.in_memory = ":memory:", true
  os.remove(path)
  if not ok then
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
  local file = io.open(path, "rb")
  if file then
    file:close()
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
    go_to_memory(self, tostring(message))
    ok, message = attempt(self, body)
  end
  if not ok then
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

local function refuse_other(store, id, exp)
  local text = store:prepare("SELECT resolved FROM experiments WHERE id = ?"):first(id)
  local ok, other = pcall(experiment.new, json.decode(text, function() end))
  local first = ok and exp:diff(other)[1]
  options.fail("store", "%s holds another experiment named '%s'%s: give this one a name of its own, "
    .. "by exp:with{name = …}", store.path, exp.name, first and (", in which %s is %s, not %s")
    :format(first.path, tostring(first.b), tostring(first.a)) or "")
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

return setmetatable(M, {
  __call = function(_, opts)
    return M.open(opts)
  end,
})
