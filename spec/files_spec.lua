--- Files: every writer replaces a file at once or not at all, and leaves alone what is not its own.

local mgd = require "mgd"
local core = require "mgd.core"
local files = require "mgd.base.files"
local temporary = require "spec.support.idx_files"
local support = require "spec.support.train"
local texts = require "spec.support.texts"

local fails, read, write = support.fails, texts.read, texts.write

local folder

before_each(function()
  folder = temporary.folder()
end)
after_each(function()
  os.execute(("rm -rf '%s'"):format(folder))
end)

local function shell(command)
  local pipe = assert(io.popen(("cd '%s' && %s"):format(folder, command)))
  local out = pipe:read "*a"
  pipe:close()
  return out
end

local function run_of(steps)
  local run = mgd.train { net = mgd.nn.mlp { 2, 2, 1 }, data = mgd.data.xor(), init = {},
    threads = 1 }
  return run, run:run { steps = steps or 2, every = 1 }
end

local function experiment()
  return mgd.experiment { name = "e", data = "xor", network = { 2, 2, 1 }, steps = 5 }
end

local function with_store(body)
  local store = mgd.store(":memory:")
  experiment():run { store = store, threads = 1 }
  body(store)
  store:close()
end

-- Every writer of the library: by the ending of its files.
local WRITERS = {
  ["tensor.npy"] = function(path) mgd.zeros { 3 }:save(path) end,
  ["run.ckpt"] = function(path) run_of():save(path) end,
  ["history.csv"] = function(path) select(2, run_of()):save_csv(path) end,
  ["experiment.lua"] = function(path) experiment():save(path) end,
  ["experiment.json"] = function(path) experiment():save(path) end,
  ["figure.csv"] = function(path) mgd.plot { { y = { 1, 2 } } }:save(path) end,
  ["export.csv"] = function(path)
    with_store(function(store) store:export(path) end)
  end,
  ["export.npz"] = function(path)
    with_store(function(store) store:export(path) end)
  end,
  ["report.html"] = function(path)
    with_store(function(store) mgd.report { store = store, path = path } end)
  end,
}

for name, save in pairs(WRITERS) do
  describe("the writer of " .. name, function()
    local path

    before_each(function()
      path = folder .. "/" .. name
    end)

    it("keeps the permissions of what it replaces", function()
      write(path, "old")
      shell("chmod 600 " .. name)
      save(path)
      assert.is_truthy(shell("ls -l " .. name):find "^%-rw%-%-%-%-%-%-%-")
      assert.is_true(read(path) ~= "old")
    end)

    it("writes to what a link names, and keeps the link", function()
      write(folder .. "/real", "old")
      shell("mkdir links && ln -s ../real links/" .. name)
      save(folder .. "/links/" .. name)
      assert.equal("../real\n", shell("readlink links/" .. name))
      assert.is_true(read(folder .. "/real") ~= "old")
      assert.equal(name .. "\n", texts.list(folder .. "/links"))
    end)

    it("leaves alone what has the names of temporary files", function()
      write(folder .. "/precious", "precious")
      local process = core.process.pid()
      shell(("ln -s precious %s.part; ln -s precious %s.%d.tmp; ln -s precious %s.tmp"):format(name,
        name, process, name))
      save(path)
      assert.equal("precious", read(folder .. "/precious"))
      assert.equal(5, select(2, texts.list(folder):gsub("\n", "")))
    end)

    it("says what is wrong with a path", function()
      fails("cannot write /nonexistent/" .. name .. ": No such file or directory", save,
        "/nonexistent/" .. name)
      shell("mkdir " .. name)
      fails("cannot write " .. path .. ": it is a folder", save, path)
      assert.equal(name .. "\n", texts.list(folder))
    end)
  end)
end

describe("files.write", function()
  it("makes the file that a link names where there is none", function()
    shell "ln -s absent link"
    files.write("x", folder .. "/link", "new")
    assert.equal("new", read(folder .. "/absent"))
    assert.equal("absent\n", shell "readlink link")
  end)

  it("writes into a pipe, a device and the program's own streams", function()
    shell "mkfifo pipe; cat pipe > copy & echo $! > reader"
    files.write("x", folder .. "/pipe", "through")
    shell "while kill -0 $(cat reader) 2>/dev/null; do sleep 0.01; done"
    assert.equal("through", read(folder .. "/copy"))
    files.write("x", "/dev/null", "new")
    write(folder .. "/script.lua", [[
      require "mgd"
      print "before"
      require("mgd.base.files").write("x", "/dev/stdout", "between\n")
      print "after"
    ]])
    shell(("'%s' script.lua > out"):format(support.mgd_lua))
    assert.equal("before\nbetween\nafter\n", read(folder .. "/out"))
  end)

  it("says what a device says", function()
    fails("x: cannot write /dev/full: No space left on device", files.write, "x", "/dev/full",
      "new")
  end)

  it("refuses links that go round in a circle, and an empty path", function()
    shell "ln -s b a; ln -s a b"
    fails("x: cannot write " .. folder .. "/a: Too many levels of symbolic links", files.write, "x",
      folder .. "/a", "new")
    fails("x: the path is empty", files.write, "x", "", "new")
  end)

  it("refuses what is no path, and one with a zero byte, which would name another file", function()
    local _, history = run_of()
    fails("history:save_csv: the path must be a string, got nil", history.save_csv, history)
    fails("history:save_csv: the path must be a string, got table", history.save_csv, history, {})
    for name, save in pairs(WRITERS) do
      fails("the path holds a zero byte", save, folder .. "/a\0" .. name)
    end
    local run = run_of()
    fails("run:run: option 'log': the path holds a zero byte", run.run, run,
      { steps = 1, log = folder .. "/a\0b" })
    assert.equal("", texts.list(folder))
  end)

  it("does not replace what may not be written", function()
    local user = "" -- the superuser may write everything: the script runs as nobody then
    if shell "id -u" == "0\n" then
      user = "setpriv --reuid=65534 --regid=65534 --clear-groups "
      if not os.execute(user .. "test -r lua/mgd/init.lua 2>/dev/null") then
        return pending "neither a user's rights nor setpriv here"
      end
    end
    write(folder .. "/fixed", "old")
    write(folder .. "/script.lua", ([[
      require "mgd"
      print(pcall(require("mgd.base.files").write, "x", %q, "new"))
    ]]):format(folder .. "/fixed"))
    shell "chmod 777 .; chmod 444 fixed; chmod 644 script.lua"
    local out = shell(("%s'%s' script.lua 2>&1"):format(user, support.mgd_lua))
    assert.is_truthy(out:find("cannot write " .. folder .. "/fixed: Permission denied", 1, true),
      out)
    assert.equal("old", read(folder .. "/fixed"))
  end)

  it("keeps the old file when the disk is full half way", function()
    local script = folder .. "/script.lua"
    write(folder .. "/h.csv", "old")
    write(script, ([[
      local mgd = require "mgd"
      local run = mgd.train {net = mgd.nn.mlp {2, 2, 1}, data = mgd.data.xor(), init = {}}
      local history = run:run {steps = 4000, every = 1}
      io.write(tostring(select(2, pcall(history.save_csv, history, %q))))
    ]]):format(folder .. "/h.csv"))
    local out = shell(("trap '' XFSZ; ulimit -f 100; '%s' script.lua 2>&1"):format(
      support.mgd_lua))
    assert.is_truthy(out:find("history:save_csv: cannot write " .. folder
      .. "/h.csv: File too large", 1, true), out)
    assert.equal("old", read(folder .. "/h.csv"))
    assert.equal("h.csv\nscript.lua\n", texts.list(folder))
  end)

  it("answers Ctrl-C, and the old file stays", function()
    write(folder .. "/old", "old")
    core.base.interrupt()
    fails("interrupted", files.write, "x", folder .. "/old", "new")
    assert.equal("old", read(folder .. "/old"))
    assert.equal("old\n", texts.list(folder))
  end)
end)

describe("files.in_folder", function()
  it("gives a folder that only its owner can enter, and removes it with what is in it", function()
    local path
    assert.equal(7, files.in_folder(function(made)
      path = made
      write(made .. "/a", "a")
      assert.is_truthy(shell("ls -ld " .. made):find "^drwx%-%-%-%-%-%-")
      return 7
    end))
    assert.equal("", shell("ls -d " .. path .. " 2>/dev/null || true"))
  end)

  it("removes it when what is done there fails", function()
    local path
    fails("no luck", files.in_folder, function(made)
      path = made
      write(made .. "/a", "a")
      error "no luck"
    end)
    assert.equal("", shell("ls -d " .. path .. " 2>/dev/null || true"))
  end)
end)

describe("files.sweep_up", function()
  it("removes what killed writers left beside a file, and nothing else", function()
    local names = { "a", "a.1.tmp", "a.22-3.tmp", "a.tmp", "a.1.tmp.b", "ab.1.tmp", "b.1.tmp" }
    for _, name in ipairs(names) do
      write(folder .. "/" .. name, "")
    end
    files.sweep_up(folder .. "/a")
    assert.equal("a\na.1.tmp.b\na.tmp\nab.1.tmp\nb.1.tmp\n", texts.list(folder))
  end)
end)

describe("files.read", function()
  local function text(bytes)
    write(folder .. "/t", bytes)
    return files.read("x", folder .. "/t")
  end

  it("leaves out a byte order mark", function()
    assert.equal("ä\n", text "\239\187\191ä\n")
    assert.equal("", text "\239\187\191")
    assert.equal("ä\239\187\191", text "ä\239\187\191")
  end)

  it("names another encoding", function()
    for bytes, name in pairs {
      ["\255\254a\0"] = "UTF-16", ["\254\255\0a"] = "UTF-16", ["a\0,\0b\0"] = "UTF-16",
      ["\0a\0,\0b"] = "UTF-16", ["\255\254\0\0a\0\0\0"] = "UTF-32",
      ["\0\0\254\255\0\0\0a"] = "UTF-32",
    } do
      fails(("x: %s/t: this is %s text: save it as UTF-8"):format(folder, name), text, bytes)
    end
  end)

  it("names the line of a zero byte", function()
    fails("/t:2: this is no text: it has a zero byte", text, "abc\nd\0")
  end)

  it("says what the system says of a file that cannot be read", function()
    fails("x: /nonexistent/t: No such file or directory", files.read, "x", "/nonexistent/t")
    fails("x: /tmp: Is a directory", files.read, "x", "/tmp")
  end)
end)
