-- core.sqlite: values go in and come out as they are, statements fail with SQLite's words and can
-- be used again, closed things say so, and Ctrl-C ends what reads.

local core = require "mgd.core"
local files = require "spec.support.idx_files"
local subprocess = require("spec.support.train").subprocess
local fails = require("spec.support.train").fails
local texts = require "spec.support.texts"

local sqlite = core.sqlite
local db

before_each(function()
  db = assert(sqlite.open(":memory:"))
end)

after_each(function()
  db:close()
  files.clean()
end)

describe("values", function()
  it("come back as they were", function()
    db:exec "CREATE TABLE t (id INTEGER PRIMARY KEY, v)"
    local insert = db:prepare "INSERT INTO t (v) VALUES (?)"
    local select_ = db:prepare "SELECT v, typeof(v) FROM t WHERE id = ?"
    local cases = {
      { 1, "integer" }, { -2 ^ 53, "integer" }, { 0.1, "real" }, { 1e300, "real" },
      { math.huge, "real" }, { -math.huge, "real" }, { "τ", "text" }, { "", "text" },
      { "a\0b", "text" },
    }
    for _, case in ipairs(cases) do
      local value = case[1]
      if math.tointeger and type(value) == "number" then
        value = math.tointeger(value) or value
      end
      assert.equal(1, insert:run(value))
      local got, kind = select_:first(db:last_id())
      assert.equal(value, got)
      assert.equal(case[2], kind)
    end
    for value, expected in pairs { [true] = 1, [false] = 0 } do
      insert:run(value)
      assert.equal(expected, (select_:first(db:last_id())))
    end
    for _, nothing in ipairs { "nil", "nan" } do
      insert:run(nothing == "nan" and 0 / 0 or nil)
      local got, kind = select_:first(db:last_id())
      assert.is_nil(got)
      assert.equal("null", kind)
    end
  end)

  it("that are no values are refused, as is their wrong number", function()
    local statement = db:prepare "SELECT ?, ?"
    fails("value 2: expected a number, a string, a boolean or nil, got table", statement.run,
      statement, 1, {})
    fails("expected 2 values, got 1, for: SELECT ?, ?", statement.run, statement, 1)
    assert.equal(2, select("#", statement:first(1, nil)))
  end)
end)

describe("a statement", function()
  before_each(function()
    db:exec [[CREATE TABLE t (id INTEGER PRIMARY KEY, v UNIQUE);
      INSERT INTO t (v) VALUES (5), (6), (7)]]
  end)

  it("gives rows, the first row, columns, names", function()
    local statement, list = db:prepare "SELECT id, v AS value FROM t WHERE v > ? ORDER BY id", {}
    for row in statement:rows(5) do
      list[#list + 1] = row
    end
    assert.same({ { 2, 6 }, { 3, 7 } }, list)
    assert.same({ 2, 6 }, { statement:first(5) })
    assert.same({}, { statement:first(9) })
    assert.same({ "id", "value" }, statement:names())
    local columns, rows = statement:columns(4)
    assert.same({ { 1, 2, 3 }, { 5, 6, 7 } }, columns)
    assert.equal(3, rows)
    assert.equal(2, db:prepare("UPDATE t SET v = v + 10 WHERE id > ?"):run(1))
    local nulls = db:prepare "SELECT NULL, 1":columns()
    assert.is_true(nulls[1][1] ~= nulls[1][1])
  end)

  it("can be stepped, left early and started anew", function()
    local statement = db:prepare "SELECT v FROM t ORDER BY v"
    assert.equal(5, statement:bind():step()[1])
    assert.equal(6, statement:step()[1])
    statement:reset()
    assert.equal(5, statement:step()[1])
    local next_row, state = statement:rows()
    assert.equal(5, next_row(state)[1])
    assert.same({ 5 }, { statement:first() })
  end)

  it("fails with SQLite's words and a word for the reason, and can be used again", function()
    local insert = db:prepare "INSERT INTO t (v) VALUES (?)"
    fails("sqlite: UNIQUE constraint failed: t.v", insert.run, insert, 6)
    assert.equal("constraint", db:failure())
    assert.equal(1, insert:run(8))
    fails('near "SELEC": syntax error', db.prepare, db, "SELEC 1")
    fails("expected one statement, got 'SELECT 1; SELECT 2'", db.prepare, db, "SELECT 1; SELECT 2")
    fails("expected one statement", db.prepare, db, " -- nothing")
    fails("no such table: u", db.exec, db, "DELETE FROM u")
    db:exec "SELECT 1"
    assert.equal("ok", db:failure())
  end)

  it("of a closed connection says so, and is collected after it", function()
    local statement = db:prepare "SELECT 1"
    db:close()
    fails("the statement is closed", statement.first, statement)
    fails("the database is closed", db.exec, db, "SELECT 1")
    statement:close()
    statement:close()
    db:close()
    local orphan = sqlite.open(":memory:"):prepare "SELECT 42" -- it keeps its connection
    collectgarbage()
    collectgarbage()
    assert.equal(42, orphan:first())
  end)
end)

describe("a connection", function()
  local path

  before_each(function()
    path = files.folder() .. "/a.db"
  end)

  it("tells where it is in a transaction", function()
    assert.is_false(db:in_transaction())
    db:exec "BEGIN"
    assert.is_true(db:in_transaction())
    db:exec "ROLLBACK"
    assert.is_false(db:in_transaction())
  end)

  it("is opened read-only, or only where the file is there", function()
    local none, message, reason = sqlite.open(path, { create = false })
    assert.is_nil(none)
    assert.equal("unable to open database file", message)
    assert.equal("cantopen", reason)
    local one = assert(sqlite.open(path))
    one:exec "CREATE TABLE t (v)"
    one:close()
    local two = assert(sqlite.open(path, { readonly = true }))
    fails("attempt to write a readonly database", two.exec, two, "INSERT INTO t VALUES (1)")
    assert.equal("readonly", two:failure())
    two:close()
    two = assert(sqlite.open("file:" .. path .. "?immutable=1", { readonly = true, uri = true }))
    assert.equal(0, two:prepare("SELECT count(*) FROM t"):first())
    two:close()
  end)

  it("waits for another one, but not for ever", function()
    local one, two = assert(sqlite.open(path)), assert(sqlite.open(path, { timeout = 30 }))
    one:exec "CREATE TABLE t (v); BEGIN IMMEDIATE"
    fails("sqlite: database is locked", two.exec, two, "BEGIN IMMEDIATE")
    assert.equal("busy", two:failure())
    one:exec "COMMIT"
    two:exec "BEGIN IMMEDIATE; COMMIT"
    one:close()
    two:close()
  end)

  it("copies all that it has to another", function()
    db:exec "CREATE TABLE t (v); INSERT INTO t VALUES (1), (2)"
    local other = assert(sqlite.open(path))
    other:exec "CREATE TABLE old (v)"
    db:backup(other)
    assert.equal(2, other:prepare("SELECT count(*) FROM t"):first())
    fails("no such table: old", other.prepare, other, "SELECT * FROM old")
    other:exec "PRAGMA max_page_count = 2"
    db:exec "INSERT INTO t VALUES (zeroblob(100000))"
    fails("sqlite: ", db.backup, db, other)
    other:close()
    fails("the database is closed", db.backup, db, other)
  end)

  it("keeps the log where it is asked to", function()
    local one = assert(sqlite.open(path))
    one:exec "PRAGMA journal_mode = WAL; CREATE TABLE t (v)"
    one:close { checkpoint = false }
    assert.is_true(#texts.read(path .. "-wal") > 0)
    one = assert(sqlite.open(path))
    assert.equal(0, one:prepare("SELECT count(*) FROM t"):first())
    one:close()
    assert.is_nil(texts.read(path .. "-wal"))
  end)
end)

describe("an interrupt", function()
  it("ends what reads, and what waits", function()
    local path = files.folder() .. "/a.db"
    local out = subprocess(([[
      local core = require "mgd.core"
      local mgd = require "mgd"
      local db = core.sqlite.open(%q)
      mgd.interrupt()
      local ok, message = pcall(function()
        return db:prepare("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
          .. "SELECT count(*) FROM n"):first() -- never ends by itself
      end)
      print(ok, message:match "interrupted")
      local other = core.sqlite.open(%q)
      db:exec "CREATE TABLE t (v); BEGIN IMMEDIATE"
      mgd.interrupt()
      ok, message = pcall(other.exec, other, "BEGIN IMMEDIATE")
      print(ok, message:match "interrupted", other:failure())
      db:exec "COMMIT"
      other:exec "BEGIN IMMEDIATE; COMMIT"
      print "on"
    ]]):format(path, path))
    assert.equal("false\tinterrupted\nfalse\tinterrupted\tinterrupt\non\n", out)
  end)
end)
