--- What a run store holds: its tables, their version, and what tells a store from other files.
-- docs/store.md describes them for whoever reads a store with other tools.
-- @module mgd.studies.store.schema

local core = require "mgd.core"

local M = {}

M.APPLICATION = 0x6d67646c -- "mgdl"
M.VERSION = 1

local TABLES = [[
CREATE TABLE experiments (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, hash TEXT NOT NULL, resolved TEXT NOT NULL,
  created TEXT NOT NULL);
CREATE TABLE parameters (
  experiment INTEGER NOT NULL REFERENCES experiments, path TEXT NOT NULL, value,
  PRIMARY KEY (experiment, path)) WITHOUT ROWID;
CREATE INDEX parameters_by_value ON parameters (path, value, experiment);
CREATE TABLE environments (id INTEGER PRIMARY KEY, content TEXT NOT NULL UNIQUE);
CREATE TABLE runs (
  id INTEGER PRIMARY KEY, experiment INTEGER NOT NULL REFERENCES experiments,
  replica INTEGER NOT NULL, state TEXT NOT NULL, solved INTEGER, diverged INTEGER, steps INTEGER,
  cost REAL, accuracy REAL, wall REAL, threads INTEGER,
  environment INTEGER REFERENCES environments, started TEXT, finished TEXT,
  UNIQUE (experiment, replica));
CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE metrics (
  run INTEGER NOT NULL REFERENCES runs, name INTEGER NOT NULL REFERENCES names,
  step INTEGER NOT NULL, value REAL, PRIMARY KEY (run, name, step)) WITHOUT ROWID;
CREATE TABLE artefacts (
  experiment INTEGER NOT NULL REFERENCES experiments, replica INTEGER, path TEXT NOT NULL,
  kind TEXT, sha256 TEXT NOT NULL, bytes INTEGER NOT NULL, added TEXT NOT NULL,
  UNIQUE (experiment, replica, path));
CREATE TABLE sweeps (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, hash TEXT NOT NULL, definition TEXT NOT NULL);
CREATE TABLE points (
  sweep INTEGER NOT NULL REFERENCES sweeps, number INTEGER NOT NULL,
  experiment INTEGER NOT NULL REFERENCES experiments, content TEXT NOT NULL,
  PRIMARY KEY (sweep, number)) WITHOUT ROWID;
CREATE TABLE batches (
  sweep INTEGER NOT NULL REFERENCES sweeps, number INTEGER NOT NULL, content TEXT NOT NULL,
  work REAL NOT NULL, state TEXT NOT NULL, step INTEGER NOT NULL, failure TEXT,
  PRIMARY KEY (sweep, number)) WITHOUT ROWID;
CREATE VIEW history AS
  SELECT experiments.name AS experiment, runs.replica AS replica, names.name AS name,
    metrics.step AS step, metrics.value AS value
  FROM metrics JOIN names ON names.id = metrics.name JOIN runs ON runs.id = metrics.run
    JOIN experiments ON experiments.id = runs.experiment;
]]

--- Make the tables in an empty database; another process may have done so in the meantime. One that
-- has them is only read, as another program may hold its lock.
-- The database is given its identity before it uses a write-ahead log, so that the file shows it
-- whatever happens to the process that made it.
function M.create(db)
  local version = db:prepare "PRAGMA user_version"
  if version:first() ~= 0 then
    return
  end
  db:exec "BEGIN IMMEDIATE"
  if version:first() == 0 then
    db:exec(TABLES)
    db:exec(("PRAGMA application_id = %d; PRAGMA user_version = %d"):format(M.APPLICATION,
      M.VERSION))
  end
  db:exec "COMMIT"
end

-- Big-endian integer of four bytes.
local function integer(bytes, at)
  local a, b, c, d = bytes:byte(at, at + 3)
  return ((a * 256 + b) * 256 + c) * 256 + d
end

-- The first bytes of a file, "" where there is none; nil and the system's words where they cannot
-- be read.
local function head_of(path)
  local file = io.open(path, "rb")
  if not file then
    return ""
  end
  local bytes, message = file:read(100)
  file:close()
  if not bytes and message then
    return nil, message
  end
  return bytes or ""
end

--- Why a file cannot be a store: nil where it is one, or is empty or absent. Only reads: SQLite
-- itself would leave files beside a database that is not ours.
-- @treturn string|nil
function M.refusal(path)
  for _ = 1, 10 do
    local head, message = head_of(path)
    if not head then
      return ("cannot be read (%s): it is left as it is"):format(message)
    elseif head == "" then
      return nil
    elseif #head < 100 or head:sub(1, 16) ~= "SQLite format 3\0" then
      return "is no run store (and no SQLite database): it is left as it is"
    end
    local application, version = integer(head, 69), integer(head, 61)
    if application == M.APPLICATION and version == M.VERSION then
      return nil
    elseif application == M.APPLICATION and version > M.VERSION then
      return ("is of schema version %d, made by a newer mgd-lua: this one (%s) knows version %d")
        :format(version, core.base.version(), M.VERSION)
    elseif application ~= 0 then
      break
    end
    core.base.sleep(0.05) -- another process may be making it just now
  end
  return "is an SQLite database of something else: it is left as it is"
end

return M
