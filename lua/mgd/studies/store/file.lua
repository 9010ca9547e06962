--- The file of a store: whether it is one, whether it is sound, and what it holds where it cannot
-- be written. Nothing here changes a file.
-- @module mgd.studies.store.file

local core = require "mgd.core"
local files = require "mgd.base.files"
local interrupts = require "mgd.base.interrupts"
local schema = require "mgd.studies.store.schema"

local sqlite = core.sqlite

local M = {}

-- A check takes about 5 ms/MB, so that large files are checked on demand only (store:check).
local CHECKED_BYTES = 8e6

-- Errors of the operating system by number, which are the same wherever this is built.
local NO_SUCH_FILE, IS_FOLDER = 2, 21

local function size_of(path)
  local file = io.open(path, "rb")
  local bytes = file and file:seek "end"
  if file then
    file:close()
  end
  return bytes or 0
end

-- What the operating system says, without the path before it.
local function reason_of(message, path)
  return message:sub(1, #path + 2) == path .. ": " and message:sub(#path + 3) or message
end

--- Look at a path before it is opened.
-- @tparam string path
-- @treturn string|nil why it must not be opened
-- @treturn string|nil why it cannot be written, where there is such a file
function M.look(path)
  local file, message, code = io.open(path, "r+b")
  if file then
    file:close()
  elseif code == IS_FOLDER then
    return path .. " is a folder: expected the name of a file"
  elseif code == NO_SUCH_FILE then
    return nil
  end
  local refusal = schema.refusal(path)
  return refusal and path .. " " .. refusal,
    not file and reason_of(message, path) or nil
end

--- Why a file cannot be made, by the operating system: SQLite does not say.
-- @treturn string the reason
-- @treturn boolean whether the path itself is wrong, as there is no such folder
function M.why_not_made(path, otherwise)
  local file, message, code = io.open(path, "ab")
  if file then
    file:close()
    return otherwise, false
  end
  return reason_of(message, path), code == NO_SUCH_FILE
end

-- SQLite's codes of failures, without what it adds in higher bits.
local IOERR = 10

--- What a check of SQLite's finds in a database.
-- @param db connection
-- @tparam string check "quick_check" or "integrity_check"
-- @treturn string|nil what is damaged; nil where nothing is found
-- @treturn string|nil why it could not be read, which is the disk's fault and says nothing of what
--   the file holds: SQLite names both alike
function M.check(db, check)
  local ok, result = pcall(function()
    return db:prepare(("PRAGMA %s(1)"):format(check)):first()
  end)
  local failure = db:failure()
  if ok and result == "ok" then
    return nil
  end
  local words = tostring(result):gsub("^.-sqlite: ", ""):gsub("^%*.-%*%*%*%s", ""):gsub("\n", " ")
  local code = tonumber(words:match "error code=(%d+)")
  if not ok and failure == "ioerr" or code and code % 256 == IOERR then
    return nil, "disk I/O error"
  elseif ok or failure == "corrupt" or failure == "notadb" then
    return words
  end
  error(result, 0)
end

--- What is wrong with the content of a small database; see `check`. A locked one is not looked at.
function M.damage(db, path)
  if size_of(path) > CHECKED_BYTES then
    return nil
  end
  local ok, damage, unread = interrupts.pcall(M.check, db, "quick_check")
  if ok then
    return damage, unread
  elseif db:failure() ~= "busy" then
    error(damage, 0)
  end
end

--- Whether a crash has left something in the write-ahead log, or another process is writing.
function M.has_log(path)
  return size_of(path .. "-wal") > 0
end

-- ---- reading what cannot be written -------------------------------------------------------------

local function copy(from, to)
  local source = io.open(from, "rb")
  if not source then
    return
  end
  local target = assert(io.open(to, "wb"))
  local bytes, message = source:read(2 ^ 20)
  while bytes do
    assert(target:write(bytes))
    bytes, message = source:read(2 ^ 20)
  end
  assert(not message, message)
  source:close()
  assert(target:close())
end

local function backup(db, memory)
  local ok, message = pcall(db.backup, db, memory)
  db:close { checkpoint = false }
  assert(ok, message)
end

-- A folder that cannot be written has no room for the log: without one the file is all there is.
local function read_in_place(path, memory)
  local uri = "file:" .. path:gsub("[%%?#]", function(c)
    return ("%%%02x"):format(c:byte())
  end)
  local log = M.has_log(path)
  backup(assert(sqlite.open(log and path or uri .. "?immutable=1", { readonly = true,
    uri = not log })), memory)
end

local function read_a_copy(path, memory)
  files.in_folder(function(folder)
    local other = folder .. "/copy.db"
    copy(path, other)
    copy(path .. "-wal", other .. "-wal")
    backup(assert(sqlite.open(other)), memory)
  end)
end

--- What a file holds that can only be read, in memory; an empty store where there is no file.
-- @tparam string path
-- @treturn connection|nil
-- @treturn string why not
function M.in_memory(path)
  local db, message = assert(sqlite.open(":memory:")), nil
  if size_of(path) == 0 then
    schema.create(db)
    return db
  end
  for _, read in ipairs { read_in_place, read_a_copy } do
    local ok
    ok, message = interrupts.pcall(read, path, db)
    if ok then
      return db
    end
  end
  db:close()
  return nil, tostring(message)
end

return M
