-- Stores that are none, or damaged, or of another version; disks that are full or may not be
-- written; processes that write at once or are killed; experiments that share a name.

local mgd = require "mgd"
local core = require "mgd.core"
local files = require "spec.support.idx_files"
local support = require "spec.support.store"
local errors = require "spec.support.errors"
local texts = require "spec.support.texts"

local contains, failure = errors.contains, errors.failure

local mgd_lua = os.getenv "MGD_LUA" or arg[-1]

local folder, path, script_path

before_each(function()
  folder, script_path = files.folder(), os.tmpname()
  path = folder .. "/runs.db"
end)

after_each(function()
  os.execute("chmod -R u+rwx " .. folder .. "; rm -rf " .. folder)
  os.remove(script_path)
  files.clean()
end)

local function count_of(text, part)
  local count, at = 0, 1
  while true do
    local first, last = text:find(part, at, true)
    if not first then
      return count
    end
    count, at = count + 1, last + 1
  end
end

-- What every script of a subprocess begins with: the store is `s`; write(name, from, to) records
-- rows of eight replicas of an experiment, with values that follow from the step.
local BEGINNING = [[
  local mgd = require "mgd"
  local support = require "spec.support.store"
  local path = %q
  local s = mgd.store(path)
  local function write(name, from, to)
    local exp = support.experiment { name = name }
    local record = s:record { { experiment = exp, first = 1, count = 8 } }
    for step = from, to do
      record:row(step, { cost = support.values(step, 8), accuracy = support.values(-step, 8) })
      if step %% 50 == 0 then
        record:flush()
      end
    end
    record:finish { wall = 1, threads = 1, steps = support.values(0, 8),
      cost = support.values(1, 8), accuracy = support.values(2, 8) }
  end
]]

local function write_script(to, script)
  texts.write(to, "package.path = './?.lua;' .. package.path\n" .. BEGINNING:format(path)
    .. script)
  assert(os.execute("chmod 644 " .. to)) -- another user may run it
end

-- All that a script prints, warnings included; `before` stands before its command.
local function run(script, before)
  write_script(script_path, script)
  local pipe = assert(io.popen(("%s '%s' %s 2>&1"):format(before or "", mgd_lua, script_path)))
  local out = pipe:read "*a"
  pipe:close()
  return out
end

-- The hash of the content that write(name, 1, last) makes, from a store in memory.
local function digest_of(names, last)
  local s = mgd.store()
  for i, name in ipairs(names) do
    local record = s:record { { experiment = support.experiment { name = name }, first = 1,
      count = 8 } }
    for step = 1, type(last) == "table" and last[i] or last do
      record:row(step, { cost = support.values(step, 8), accuracy = support.values(-step, 8) })
    end
    record:finish { wall = 2, threads = 1, steps = support.values(0, 8),
      cost = support.values(1, 8), accuracy = support.values(2, 8) }
  end
  local digest = s:digest()
  s:close()
  return digest
end

describe("a file that is no store", function()
  -- Opening it fails with these words, and changes nothing in its folder.
  local function refused(...)
    local bytes, names = texts.read(path), texts.list(folder)
    local message = failure(function()
      mgd.store(path)
    end)
    contains(message, "mgd.store: " .. path, ...)
    assert.equal(bytes, texts.read(path))
    assert.equal(names, texts.list(folder))
  end

  local function made()
    local s = mgd.store(path)
    support.experiment():run { store = s }
    s:close()
    return texts.read(path)
  end

  it("is refused and left untouched: text, another database", function()
    texts.write(path, ("experiment,eta\nxor,0.1\n"):rep(20))
    refused("is no run store (and no SQLite database): it is left as it is")
    texts.write(path, "x")
    refused("is no run store")
    os.remove(path)
    local db = core.sqlite.open(path)
    db:exec "CREATE TABLE notes (text); INSERT INTO notes VALUES ('mine')"
    db:close()
    refused("is an SQLite database of something else: it is left as it is")
  end)

  it("is refused when a newer version has made it", function()
    made()
    local db = core.sqlite.open(path)
    db:exec "PRAGMA user_version = 7"
    db:close()
    refused("is of schema version 7, made by a newer mgd-lua", "knows version 1")
  end)

  it("is refused when it is damaged: cut off, or overwritten in between", function()
    local bytes = made()
    texts.write(path, bytes:sub(1, math.floor(#bytes / 2)))
    refused("is damaged (", "it is left as it is")
    texts.write(path, bytes:sub(1, 40))
    refused("is no run store")
    texts.write(path, bytes)
    local db = core.sqlite.open(path)
    db:exec "UPDATE experiments SET resolved = zeroblob(9000000)" -- too large to be checked at once
    db:close()
    texts.write(path, texts.read(path):sub(1, -4097))
    refused("is damaged (", "it is left as it is")
    local checked = 0
    for page = 1, #bytes / 4096 - 1 do -- every page but the first
      local at = page * 4096
      texts.write(path, bytes:sub(1, at) .. ("\165"):rep(512) .. bytes:sub(at + 513))
      refused("is damaged (")
      checked = checked + 1
    end
    assert.is_true(checked > 10)
    texts.write(path, bytes)
    local s = mgd.store(path)
    assert.is_true((s:check()))
    s:close()
  end)

  it("is a folder, or in none", function()
    contains(failure(function()
      mgd.store(folder)
    end), folder .. " is a folder")
    contains(failure(function()
      mgd.store(folder .. "/none/runs.db")
    end), "none/runs.db: No such file or directory")
    contains(failure(function()
      mgd.store { file = path }
    end), "mgd.store: unknown option 'file'")
  end)

  it("is a store where the file is empty", function()
    texts.write(path, "")
    local s = mgd.store(path)
    assert.equal(0, #s:experiments())
    s:close()
  end)
end)

describe("a closed store", function()
  it("says so", function()
    local s = mgd.store(path)
    s:close()
    s:close()
    for _, method in ipairs { "runs", "query", "digest", "experiments", "record", "check" } do
      contains(failure(function()
        s[method](s, {})
      end), "the store " .. path .. " is closed")
    end
    contains(tostring(s), "(closed)")
  end)
end)

describe("two experiments of one name", function()
  it("are refused with what differs, and both values", function()
    local s, exp = mgd.store(path), support.experiment()
    exp:run { store = s }
    local digest = s:digest()
    contains(failure(function()
      exp:with({ ["training.eta"] = 2.5, seeds = 3 }):run { store = s }
    end), path .. " holds another experiment named 'xor'",
      "training.eta differs, 2 there and 2.5 here", "exp:with{name = …}")
    contains(failure(function()
      exp:with({ ["cost.noise"] = 0.125 }):run { store = s }
    end), "chip.cost.noise.distribution differs, nil there and normal here")
    contains(failure(function()
      support.experiment({ probes = { "cost" } }):run { store = s }
    end), "probes differs, [\"cost\",\"accuracy\"] there and [\"cost\"] here; give")
    assert.equal(digest, s:digest())
    exp:with({ seeds = 3 }):run { store = s } -- more or fewer seeds are the same experiment
    exp:with({ ["training.eta"] = 2.5, name = "other" }):run { store = s }
    assert.equal(2, #s:experiments())
    s:close()
  end)

  it("are told apart where the data are tensors, which only the process has", function()
    local s = mgd.store()
    local data = mgd.data.from { x = mgd.rand { 3, 2 }, y = mgd.rand { 3, 1 } }
    support.experiment({ data = data, stop = nil }):run { store = s }
    contains(failure(function()
      s:experiment "xor"
    end), "the data of 'xor' were tensors")
    contains(failure(function()
      local other = mgd.data.from { x = mgd.zeros { 3, 2 }, y = mgd.zeros { 3, 1 } }
      support.experiment({ data = other, stop = nil }):run { store = s }
    end), "data.fingerprint differs")
    contains(failure(function()
      support.experiment({ stop = nil }):run { store = s }
    end), "data.dtype differs, f64 there and f32 here")
  end)

  it("that are functions are not recorded", function()
    local s = mgd.store()
    contains(failure(function()
      support.experiment({ training = { eta = function() return 1 end,
        perturbation = { amplitude = 0.1 } } }):run { store = s }
    end), "training.eta is a function")
  end)
end)

describe("a full disk", function()
  local SCRIPT = [[
    write("first", 1, 100)
    LIMIT
    write("second", 1, 3000)
    print("memory", s.in_memory, s.reason)
    print("digest", s:digest())
    s:save_as(path .. ".other")
    print("saved", s.path == path .. ".other", s.in_memory, s.reason, s:digest())
    s:close()
  ]]

  -- What an undisturbed process would have: 100 steps of one experiment, 3,000 of another.
  local function goes_on(out)
    local digest = digest_of({ "first", "second" }, { 100, 3000 })
    assert.equal(1, count_of(out, "warning"))
    contains(out, "mgd: warning: store " .. path .. ": ",
      "it goes on in memory: store:save_as(path)", "memory\ttrue\t", "digest\t" .. digest .. "\n")
    return digest
  end

  it("in the middle of a run sends it to memory, and nothing is lost", function()
    local pages = "s.db:exec 'PRAGMA max_page_count = 60'"
    local out = run((SCRIPT:gsub("LIMIT", pages)))
    local digest = goes_on(out)
    contains(out, "database or disk is full", "saved\ttrue\tfalse\tnil\t" .. digest)
    local s = mgd.store(path .. ".other")
    assert.equal(digest, s:digest())
    s:close()
    s = mgd.store(path) -- what it had got is still a store
    assert.equal(1600, s:sql("SELECT count(*) FROM history WHERE experiment = 'first'")[1][1])
    assert.is_true((s:check()))
    s:close()
  end)

  it("as the operating system tells of it, likewise", function()
    -- files of at most 256 KiB: the log of the second experiment is larger
    local out = run((SCRIPT:gsub("LIMIT", ""):gsub("s:save_as.*", "")),
      "trap '' XFSZ; ulimit -f 512;")
    goes_on(out)
  end)

  it("at the beginning too", function()
    local out = run([[
      write("first", 1, 100)
      print(s.in_memory, s:digest())
    ]], "trap '' XFSZ; ulimit -f 8;")
    assert.equal(1, count_of(out, "warning"))
    contains(out, "true\t" .. digest_of({ "first" }, 100))
  end)
end)

describe("a folder that may only be read", function()
  -- The superuser may write everywhere: the script runs without that right then.
  local function as_user()
    local pipe = assert(io.popen "id -u")
    local id = pipe:read "*l"
    pipe:close()
    if id ~= "0" then
      return ""
    end
    local bound = "setpriv --inh-caps=-dac_override,-dac_read_search "
      .. "--bounding-set=-dac_override,-dac_read_search"
    return os.execute(bound .. " test -r lua/mgd/init.lua 2>/dev/null") and bound
  end

  it("keeps a new store, and one that is there, in memory", function()
    local user = as_user()
    if not user then
      pending "neither a user's rights nor setpriv here"
    end
    assert(os.execute("chmod 755 " .. folder))
    local script = [[
      write("second", 1, 100)
      print(s.in_memory, s.reason, s:digest())
      s:save_as(OTHER)
      print("saved", s:digest())
      os.remove(OTHER)
    ]]
    script = script:gsub("OTHER", ("%q"):format(os.tmpname() .. ".db"))
    assert(os.execute("chmod 555 " .. folder))
    local out = run(script, user)
    local digest = digest_of({ "second" }, 100)
    assert.equal(1, count_of(out, "warning"))
    contains(out, "true\tPermission denied\t" .. digest, "saved\t" .. digest)
    assert.equal("", texts.list(folder))

    assert(os.execute("chmod 755 " .. folder))
    run "write('first', 1, 100) s:close()"
    local bytes = texts.read(path)
    for _, mode in ipairs { "444", "666" } do
      assert(os.execute(("chmod %s %s; chmod 555 %s"):format(mode, path, folder)))
      out = run(script, user)
      digest = digest_of({ "first", "second" }, 100)
      assert.equal(1, count_of(out, "warning"))
      contains(out, digest, "saved\t" .. digest)
      assert.equal(bytes, texts.read(path))
      assert.equal("runs.db\n", texts.list(folder))
      os.execute("chmod 755 " .. folder)
    end
  end)

  it("shows what a killed process left in the log, too", function()
    local user = as_user()
    if not user then
      pending "neither a user's rights nor setpriv here"
    end
    run [[
      write("first", 1, 100)
      os.execute("kill -9 " .. require("mgd.core").process.pid())
    ]]
    assert.is_true(#texts.read(path .. "-wal") > 0)
    assert(os.execute(("chmod 444 %s*; chmod 555 %s"):format(path, folder)))
    local names = texts.list(folder)
    contains(run("print(s.in_memory, s:digest())", user), digest_of({ "first" }, 100))
    assert.equal(names, texts.list(folder))
  end)
end)

describe("save_as", function()
  it("writes to a new file only", function()
    local s = mgd.store()
    support.experiment():run { store = s }
    texts.write(path, "mine")
    contains(failure(function()
      s:save_as(path)
    end), path .. " exists: expected the name of a new file")
    assert.equal("mine", texts.read(path))
    contains(failure(function()
      s:save_as(folder .. "/none/runs.db")
    end), "store:save_as: " .. folder .. "/none/runs.db: ")
    local digest = s:digest()
    s:save_as(path .. "2")
    assert.equal(digest, s:digest())
    assert.is_false(s.in_memory)
    s:close()
  end)
end)

describe("several processes", function()
  it("make and write a store at once", function()
    local names, commands = {}, {}
    for i = 1, 5 do
      names[i] = "process" .. i
      local script = folder .. "/" .. i .. ".lua"
      write_script(script, ("write(%q, 1, 400) write('shared', 1, 400) s:close()"):format(names[i]))
      commands[i] = ("'%s' %s >%s/%d.out 2>&1 &"):format(mgd_lua, script, folder, i)
    end
    names[6] = "shared"
    assert(os.execute(table.concat(commands, " ") .. " wait"))
    for i = 1, 5 do
      assert.equal("", texts.read(folder .. "/" .. i .. ".out"))
    end
    local s = mgd.store(path)
    assert.is_true((s:check()))
    assert.equal(6, #s:experiments())
    assert.equal(digest_of(names, 400), s:digest())
    s:close()
  end)

  it("may be killed: what was flushed is there, what was not is nowhere", function()
    run [[
      write("first", 1, 100)
      local record = s:record { { experiment = support.experiment { name = "second" }, first = 1,
        count = 8 } }
      record:row(1, { cost = support.values(1, 8) })
      record:flush()
      s:transaction(function()
        s:sql("INSERT INTO names (name) VALUES ('torn')")
        os.execute("kill -9 " .. require("mgd.core").process.pid())
      end)
    ]]
    local s = mgd.store(path)
    assert.is_true((s:check()))
    assert.same({ { 1600 } }, s:sql "SELECT count(*) FROM history WHERE experiment = 'first'")
    assert.same({ { 8 } }, s:sql "SELECT count(*) FROM history WHERE experiment = 'second'")
    assert.same({ { 0 } }, s:sql "SELECT count(*) FROM names WHERE name = 'torn'")
    assert.equal("running", s:runs({ where = { experiment = "second" } })[1].state)
    s:close()
  end)
end)

describe("a transaction", function()
  it("leaves nothing behind when it fails, and passes the error on", function()
    local s = mgd.store(path)
    local ok, message = pcall(s.transaction, s, function()
      s:name_id "lost"
      error("mine", 0)
    end)
    assert.is_false(ok)
    assert.equal("mine", message)
    assert.same({ { 0 } }, s:sql "SELECT count(*) FROM names")
    s:transaction(function()
      s:name_id "lost"
    end)
    assert.same({ { "lost" } }, s:sql "SELECT name FROM names")
    s:close()
  end)
end)
