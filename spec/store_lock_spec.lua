-- Stores whose lock another program holds, whose file is gone, or that cannot be read.

local mgd = require "mgd"
local core = require "mgd.core"
local File = require "mgd.studies.store.file"
local files = require "spec.support.idx_files"
local support = require "spec.support.store"
local train = require "spec.support.train"
local texts = require "spec.support.texts"

local fails = train.fails
local sqlite = core.sqlite
local mgd_lua = os.getenv "MGD_LUA" or arg[-1]

local folder, path, other

before_each(function()
  folder = files.folder()
  path = folder .. "/runs.db"
end)

after_each(function()
  if other then
    other:close()
    other = nil
  end
  os.execute("rm -rf " .. folder)
  files.clean()
end)

-- Another connection takes the lock, as another program would.
local function lock()
  other = assert(sqlite.open(path))
  other:exec "BEGIN IMMEDIATE"
end

local function unlock()
  other:exec "ROLLBACK"
end

local SLOTS = { { experiment = support.experiment(), first = 1, count = 4 } }

local function rows(record, from, to)
  for step = from, to do
    record:row(step, { cost = support.values(step, 4) })
  end
end

local function finish(record)
  record:finish { wall = 1, threads = 1, steps = support.values(0, 4), cost = support.values(1, 4),
    accuracy = support.values(2, 4) }
end

-- The content of a record of steps 1 to 20 that nothing disturbed.
local function undisturbed()
  local s = mgd.store()
  local record = s:record(SLOTS)
  rows(record, 1, 20)
  finish(record)
  return s:digest()
end

-- What a script prints, warnings included. In it `path` is the store's, and hold(seconds) has
-- another process take the lock for that time.
local function run(script, before)
  local name = folder .. "/script.lua"
  texts.write(name, ([[
    package.path = './?.lua;' .. package.path
    local mgd = require "mgd"
    local core = require "mgd.core"
    local support = require "spec.support.store"
    local path = %q
    local exp = support.experiment { stop = nil }
    local function hold(seconds)
      local holder = io.popen(("exec %%s '%%s.holder' %%g 2>/dev/null"):format(%q, path, seconds))
      holder:read "*l"
      _G.holder = holder -- collected, it would be waited for
    end
  ]]):format(path, mgd_lua) .. script)
  texts.write(path .. ".holder", ([[
    local core = require "mgd.core"
    local db = core.sqlite.open(%q)
    db:exec "BEGIN IMMEDIATE"
    local last = core.base.clock() + arg[1]
    repeat -- or until nobody listens
      core.base.sleep(0.02)
      local heard = io.stdout:write "held\n" and io.stdout:flush()
    until core.base.clock() > last or not heard
  ]]):format(path))
  local pipe = assert(io.popen(("%s '%s' '%s' 2>&1"):format(before or "", mgd_lua, name)))
  local out = pipe:read "*a"
  pipe:close()
  return out
end

local function count_of(text, part)
  return select(2, text:gsub(part:gsub("%p", "%%%0"), ""))
end

describe("a store that another program has locked", function()
  it("is opened and read at once", function()
    mgd.store(path):close()
    lock()
    local s = mgd.store(path)
    assert.equal(0, #s:experiments())
    s:close()
  end)

  it("keeps what a run writes, from its beginning on, until the lock is gone", function()
    local s = mgd.store { path = path, patience = math.huge }
    lock()
    local record = s:record(SLOTS)
    rows(record, 1, 10)
    assert.is_false(record:flush())
    assert.equal(0, #s:experiments())
    unlock()
    assert.is_true(record:flush(true))
    assert.same({ { 40 } }, s:sql "SELECT count(*) FROM metrics")
    lock()
    rows(record, 11, 20)
    assert.is_false(record:flush())
    unlock()
    finish(record)
    assert.equal(undisturbed(), s:digest())
    s:close()
  end)

  it("still refuses another experiment of a name that it has", function()
    local s = mgd.store { path = path, patience = math.huge }
    s:record(SLOTS)
    lock()
    fails("holds another experiment named 'xor'", function()
      s:record { { experiment = support.experiment { steps = 10 }, first = 1, count = 1 } }
    end)
    s:close()
  end)

  it("is waited for at the end, which is reported once, by the file's name", function()
    local out = run [[
      local s = mgd.store { path = path, patience = 0.1 }
      hold(1.5)
      exp:run { store = s }
      print(s.in_memory, s.reason, s:digest())
    ]]
    local s = mgd.store()
    support.experiment({ stop = nil }):run { store = s }
    assert.equal(1, count_of(out, "warning"), out)
    assert.is_truthy(out:find("store " .. path .. ": another program holds its lock", 1, true), out)
    assert.is_truthy(out:find("false\tnil\t" .. s:digest(), 1, true), out)
  end)

  it("is waited for by a sweep", function()
    local script = [[
      local s = mgd.store { path = PATH, patience = 0.1 }
      HOLD
      local sweep = mgd.sweep { name = "s", base = exp, seeds = 2, store = s,
        grid = { tau_theta = { 1, 2, 4, 8 } } }
      sweep:run { workers = WORKERS }
      print(s.in_memory, s.reason, s:digest())
    ]]
    local whole = run((script:gsub("PATH", "':memory:'"):gsub("HOLD", ""):gsub("WORKERS", "1")))
    local out = run((script:gsub("PATH", "path"):gsub("WORKERS", "2"):gsub("HOLD", "hold(1)")))
    assert.is_truthy(out:find("another program holds its lock", 1, true), out)
    assert.equal(whole:match "%x+\n$", out:match "%x+\n$")
  end)

  it("is waited for until Ctrl-C, with nothing written", function()
    local s = mgd.store { path = path, patience = math.huge }
    lock()
    core.base.interrupt()
    fails("interrupted", s.transaction, s, function()
      s:name_id "lost"
    end)
    unlock()
    assert.same({ { 0 } }, s:sql "SELECT count(*) FROM names")
    s:close()
  end)

  it("goes on in memory when a run is stopped meanwhile", function()
    local out = run([[
      local s = mgd.store { path = path, patience = 0.1 }
      hold(20)
      print(pcall(exp.run, exp, { store = s })) -- it waits at the end
      print(s.in_memory, s:sql("SELECT count(*) > 0 FROM metrics")[1][1])
      os.exit()
    ]], "timeout --foreground -s INT 4")
    assert.is_truthy(out:find("interrupted\n", 1, true), out)
    assert.is_truthy(out:find("another program holds its lock; it goes on in memory", 1, true), out)
    assert.is_truthy(out:find("true\t1\n", 1, true), out)
  end)

  it("has a name in the error of a query that cannot wait any longer", function()
    local db = assert(sqlite.open(path))
    db:exec "CREATE TABLE t (v)"
    lock()
    db:timeout(1)
    fails("database is locked: " .. path, db.exec, db, "BEGIN IMMEDIATE")
    db:close()
  end)
end)

describe("a store whose file is removed during a run", function()
  it("goes on in memory with all that it had, and says so", function()
    local out = run [[
      local s = mgd.store(path)
      exp:run { store = s }
      os.remove(path)
      exp:with({ name = "second" }):run { store = s }
      print(s.in_memory, #s:runs())
    ]]
    assert.equal(1, count_of(out, "warning"), out)
    assert.is_truthy(out:find("the file was removed or replaced; it goes on in memory", 1, true),
      out)
    assert.is_truthy(out:find("true\t16\n", 1, true), out)
  end)

  it("is no end of a sweep, not even with its folder", function()
    local out = run [[
      path = path:gsub("runs.db$", "inner/runs.db")
      os.execute("mkdir " .. path:match "^(.*)/")
      local s = mgd.store(path)
      local sweep = mgd.sweep { name = "s", base = exp, seeds = 2, store = s,
        grid = { tau_theta = { 1, 2, 4, 8 } } }
      os.execute("rm -r " .. path:match "^(.*)/")
      print(#sweep:run({ workers = 1 }).failures, s.in_memory, #s:runs())
    ]]
    assert.is_truthy(out:find("0\ttrue\t8\n", 1, true), out)
  end)
end)

describe("a store's path", function()
  it("is the name of a file, also where SQLite would read an address", function()
    local pipe = io.popen(([[cd '%s' && '%s' -e 'local s = require "mgd".store "file:x?mode=ro"
      print(s.in_memory, s.path)' 2>&1]]):format(folder, os.getenv "MGD_LUA" or arg[-1]))
    local out = pipe:read "*a"
    pipe:close()
    assert.equal("false\t./file:x?mode=ro\n", out)
    assert.truthy(texts.list(folder):find("file:x?mode=ro", 1, true))
  end)

  it("must not be empty, wherever a store is named", function()
    fails("mgd.store: path is empty: expected the name of a file, or \":memory:\"", mgd.store, "")
    fails("path is empty", mgd.store, { path = "" })
    fails("path is empty", mgd.sweep, { base = support.experiment(), store = "",
      grid = { eta = { 1 } } })
    local exp, s = support.experiment(), mgd.store()
    fails("path is empty", exp.run, exp, { store = "" })
    fails("path is empty", exp.run, exp, { checkpoint = "" })
    fails("store:save_as: path is empty", s.save_as, s, "")
    fails("store:save_as: expected the name of a new file, got nil", s.save_as, s)
    fails("the path holds a zero byte", mgd.store, path .. "\0.db")
    assert.equal("", texts.list(folder))
  end)
end)

describe("a store that the disk does not give", function()
  -- What SQLite's checks say of pages that they could not read (266 is SQLITE_IOERR_READ), and of
  -- such as they could.
  local function check(words)
    return File.check({
      prepare = function()
        return { first = function() return words end }
      end,
      failure = function() return "ok" end,
    }, "quick_check")
  end

  it("is not called damaged", function()
    assert.same({ nil, "disk I/O error" }, { check("*** in database main ***\n"
      .. "Page 5: unable to get the page. error code=266") })
    assert.same({ "Page 5: btreeInitPage() returns error code 11" },
      { check "*** in database main ***\nPage 5: btreeInitPage() returns error code 11" })
    assert.same({ "unable to get the page. error code=11" },
      { check "unable to get the page. error code=11" }) -- SQLITE_CORRUPT
  end)

  it("is refused where its first bytes cannot be read", function()
    if not io.open("/proc/self/mem", "rb") then
      pending "only Linux has a file that cannot be read"
    end
    fails("/proc/self/mem cannot be read (Input/output error)", mgd.store, "/proc/self/mem")
  end)
end)

describe("a checkpoint that cannot be written", function()
  it("fails no batch of a sweep, and is reported once for each", function()
    local out = run [[
      for number = 1, 2 do
        os.execute(("mkdir '%s-sweep1-%04d.checkpoint'"):format(path, number))
      end
      local sweep = mgd.sweep { name = "s", base = exp, seeds = 2, store = path,
        grid = { tau_theta = { 1, 2 } } }
      print(#sweep:run({ workers = 1, checkpoint_every = 1e-9 }).failures)
    ]]
    assert.equal(2, count_of(out, "warning"), out)
    assert.equal(2, count_of(out, ".checkpoint: "), out)
    assert.is_truthy(out:find("the run goes on without a checkpoint of it", 1, true), out)
    assert.is_truthy(out:find("\n0\n", 1, true), out)
  end)
end)
