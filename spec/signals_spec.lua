-- SIGTERM and SIGHUP end mgd-lua when scripts have unwound and finalisers have run.

local needs = require "spec.support.needs"
local shell = require "spec.support.shell"
local texts = require "spec.support.texts"

local mgd_lua = os.getenv "MGD_LUA" or arg[-1]

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

-- Runs a script, sends it a signal once it has printed "started", and prints its status.
local SEND = [[
exec 2>/dev/null
cd %s
: >.out
rm -f .fifo
mkfifo .fifo
(%s exec %s script.lua >.out 2>.err) & pid=$!
n=0
until grep -q started .out || [ $((n += 1)) -gt 400 ]; do sleep 0.02; done
kill -s %s $pid
wait $pid
echo $?]]

-- Something that has to be put in order, slowly: no request may cut it.
local DEVICE = [[
device = setmetatable({}, { __gc = function()
  local start = os.clock()
  while os.clock() - start < %g do end
  print "safe"
end })
print "started"
io.stdout:flush()
]]

describe("a signal that ends the process", function()
  local dir

  setup(function()
    if mgd_lua:sub(1, 1) ~= "/" then
      mgd_lua = shell.lines_of("pwd")[1] .. "/" .. mgd_lua
    end
    dir = os.tmpname()
    os.remove(dir)
    assert(os.execute("mkdir " .. quote(dir)))
  end)
  teardown(function()
    os.execute("rm -rf " .. quote(dir))
  end)

  -- The status of a script that gets a signal, and what it printed behind "started".
  local function send(signal, script, opts)
    opts = opts or {}
    texts.write(dir .. "/script.lua", DEVICE:format(opts.seconds or 0) .. script)
    local status = shell.lines_of(SEND:format(quote(dir), opts.before or "", quote(mgd_lua),
      signal))
    local out = texts.read(dir .. "/.out"):gsub("^started\n", "")
    return tonumber(status[1]), out
  end

  for _, case in ipairs { { "TERM", 143 }, { "HUP", 129 } } do
    local signal, status = case[1], case[2]
    it(signal .. " lets a script unwind and finalisers run", function()
      assert.same({ status, "safe\n" }, { send(signal, "while true do end") })
      assert.truthy(texts.read(dir .. "/.err"):find("interrupted!\nstack traceback:", 1, true))
    end)

    it(signal .. " stays ignored where it was", function()
      assert.same({ 0, "went on\nsafe\n" }, { send(signal,
        "local s = os.clock() while os.clock() - s < 0.3 do end print 'went on'",
        { before = ("trap '' %s;"):format(signal) }) })
    end)
  end

  it("does not cut what a finaliser does", function()
    assert.same({ 143, "safe\n" }, { send("TERM", "while true do end", { seconds = 1.5 }) })
  end)

  it("is the end of a script that goes on to its own", function()
    assert.same({ 143, "went on\nsafe\n" }, { send("TERM",
      "pcall(function() while true do end end) print 'went on'") })
  end)

  it("ends a script that catches the error for ever", function()
    assert.same({ 143, "safe\n" }, { send("TERM",
      "while true do pcall(function() while true do end end) end") })
    assert.same({ 143, "safe\n" }, { send("TERM", [[
      while true do
        pcall(coroutine.wrap(function()
          while true do xpcall(function() while true do end end, function(m) return m end) end
        end))
      end]]) })
  end)

  it("ends loops of the library, and those that catch their errors", function()
    assert.same({ 143, "safe\n" }, { send("TERM", [[
      local mgd = require "mgd"
      local run = mgd.train { net = mgd.nn.mlp { 2, 2, 1 }, data = mgd.data.xor(), eta = 0.1 }
      while true do pcall(run.run, run, { steps = 1e12, probes = {} }) end]]) })
  end)

  it("ends a wait for input", function()
    assert.same({ 143, "safe\n" }, { send("TERM", "while true do io.read() end",
      { before = "exec <>.fifo;" }) })
  end)

  it("ends a forked child at once", function()
    texts.write(dir .. "/script.lua", [[
      device = setmetatable({}, { __gc = function() print "safe" end })
      local process = require("mgd.core").process
      local pid = process.fork()
      if pid == 0 then
        while true do pcall(function() while true do end end) end
      end
      process.kill(pid, "term")
      local _, code, number = process.wait({ pid }, 10)
      print(code, number)]])
    assert.same({ "nil\t15", "safe" }, shell.lines_of(("cd %s && %s script.lua"):format(quote(dir),
      quote(mgd_lua))))
  end)

  it("is SIGPIPE still, but for what goes down a wire", function()
    texts.write(dir .. "/script.lua", [[
      require("mgd").chip.link "EXEC::cat"
      while true do print "started" end]])
    assert.same({ "started", "141" }, shell.lines_of(("cd %s && { %s script.lua; echo $? >.code; }"
      .. "| head -n 1; cat .code"):format(quote(dir), quote(mgd_lua))))
  end)

  local TERMINAL = [[
import os, pty, sys, time
program, words = sys.argv[1], sys.argv[1:]
pid, fd = pty.fork()
if pid == 0:
    os.environ["TERM"] = "dumb"
    os.execv(program, words)
seen = b""
while b"started" not in seen:
    seen += os.read(fd, 4096)
time.sleep(0.2)
os.close(fd)
print(os.waitpid(pid, 0)[1])
]]

  for name, words in pairs { ["in a script"] = "script.lua", ["at a prompt"] = "-i script.lua" } do
    it("is what a closed terminal sends " .. name, function()
      needs.python "pty"
      texts.write(dir .. "/terminal.py", TERMINAL)
      texts.write(dir .. "/script.lua", [[
        device = setmetatable({}, { __gc = function() io.open(".safe", "w"):close() end })
        print "started"]] .. (words == "script.lua" and " while true do end" or ""))
      local command = "cd %s && rm -f .safe && XDG_STATE_HOME=$PWD python3 terminal.py %s %s"
      assert.same({ "1" }, shell.lines_of(command:format(quote(dir), quote(mgd_lua), words)))
      assert.equal("", texts.read(dir .. "/.safe"))
    end)
  end
end)
