-- mgd-lua as an interpreter: the options, messages and exit codes of `lua` 5.4. Where a stock
-- lua5.4 is installed, both run side by side and must agree.

local needs = require "spec.support.needs"
local texts = require "spec.support.texts"
local mgd_lua = os.getenv "MGD_LUA" or arg[-1]

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

--- Runs `interpreter` in folder `dir`; returns {out =, err =, code =}.
-- @param options {input = text for stdin, env = "NAME=value …"}
local function run_with(interpreter, dir, arguments, options)
  options = options or {}
  texts.write(dir .. "/.in", options.input or "")
  local words = {}
  for i, word in ipairs(arguments) do
    words[i] = quote(word)
  end
  local command = "cd %s && env -u LUA_INIT -u LUA_INIT_5_4 %s %s %s <.in >.out 2>.err"
  local _, _, code = os.execute(command:format(quote(dir), options.env or "", quote(interpreter),
    table.concat(words, " ")))
  return { out = texts.read(dir .. "/.out"), err = texts.read(dir .. "/.err"), code = code }
end

local function succeeds(command)
  return (os.execute(command .. " >/dev/null 2>&1")) == true
end

local stock = "lua5.4"

describe("mgd-lua", function()
  local dir
  local function run(arguments, options)
    return run_with(mgd_lua, dir, arguments, options)
  end

  setup(function()
    if mgd_lua:sub(1, 1) ~= "/" then
      local pipe = io.popen "pwd"
      mgd_lua = pipe:read "l" .. "/" .. mgd_lua
      pipe:close()
    end
    dir = os.tmpname()
    os.remove(dir)
    assert(os.execute("mkdir " .. quote(dir)))
  end)
  teardown(function()
    os.execute("rm -rf " .. quote(dir))
  end)

  describe("agrees with stock lua5.4 on", function()
    local scripts = {
      ["args.lua"] = "print(...) for i = -6, 4 do print(i, arg[i]) end",
      ["error.lua"] = "local function f() error 'boom' end\nf()",
      ["object.lua"] = "error(setmetatable({}, {__tostring = function() return 'I am' end}))",
      ["table.lua"] = "error {}",
      ["exit.lua"] = "os.exit(7)",
      ["syntax.lua"] = "x = = 1",
      ["shebang.lua"] = "#!/usr/bin/env mgd-lua\nprint 'ran'",
      ["warn.lua"] = "warn('a', 'b') warn '@off' warn 'c' warn '@on' warn 'd'",
      ["close.lua"] = "local late = {__close = function() error 'late' end}\n"
        .. "local x <close> = setmetatable({}, late)\nerror 'early'",
      ["coroutines.lua"] = [[
        print(pcall(coroutine.resume, 1))
        print(pcall(coroutine.wrap, 3))
        print(coroutine.resume(coroutine.create(print), 1, nil, 3, nil))
        local gen = coroutine.wrap(function(a)
          local b = coroutine.yield(a + 1)
          return b * 2, 3
        end)
        print(gen(1)) print(gen(5)) print(pcall(gen))
        local co = coroutine.create(function() error "inside" end)
        print(coroutine.resume(co)) print(coroutine.resume(co)) print(coroutine.status(co))
        print(coroutine.resume(coroutine.running()))
        print(pcall(coroutine.wrap(function() error "wrapped" end)))
        print(select("#", coroutine.resume(coroutine.create(function() end))))
        local closing = setmetatable({}, {__close = function(_, e) print("closed", e) end})
        print(pcall(coroutine.wrap(function() local x <close> = closing; error "y" end)))
        local function nest(n) return coroutine.wrap(function() return 1 + nest(n + 1) end)() end
        print(pcall(nest, 1))]],
      ["uncaught.lua"] = "local co = coroutine.wrap(function() error 'out' end)\nco()",
    }
    local cases = {
      { "args.lua" }, { "args.lua", "a", "b c", "-v" }, { "-e", "x = 1", "args.lua", "a" },
      { "--", "args.lua", "-e" }, { "-W", "-E", "args.lua" }, { "error.lua" }, { "object.lua" },
      { "table.lua" }, { "exit.lua" }, { "syntax.lua" }, { "shebang.lua" }, { "warn.lua" },
      { "-W", "warn.lua" }, { "close.lua" }, { "coroutines.lua" }, { "uncaught.lua" },
      { "absent.lua" }, { "-e", "print(1" }, { "-e", "error 'x'" }, { "-e", "error()" },
      { "-e", "a = 1", "-e", "print(a)" }, { "-eprint(4)" }, { "-e", "" }, { "-l", "absent" },
      { "-lm=math", "-e", "print(m.pi)" }, { "-l", "m=math", "-e", "print(m.pi)" },
      { "-e", "print(#arg, arg[0] ~= nil, arg[-1], arg[1])" }, { "-e", "arg = nil", "args.lua" },
      { "-e", "print(debug.traceback 'here')" }, { "-e", "string.rep()" },
      { "-e", "local t = {} t.x.y = 1" }, { "-e", "require 'absent'" }, { "-" }, {},
      { "-", "a", "b" }, { "--" },
    }
    local input = "print('from stdin', ...)\n"

    setup(function()
      for name, text in pairs(scripts) do
        texts.write(dir .. "/" .. name, text)
      end
    end)

    -- Their own names, and where modules are looked for, differ.
    local function normal(text)
      text = text:gsub("[^%s']*mgd%-lua", "LUA"):gsub("lua5%.4", "LUA")
      return (text:gsub("\n\tno f[^\n]*", ""))
    end

    local function compare(arguments, options)
      needs.program "lua5.4"
      local ours, theirs = run(arguments, options), run_with(stock, dir, arguments, options)
      assert.equal(normal(theirs.out), normal(ours.out))
      assert.equal(normal(theirs.err), normal(ours.err))
      assert.equal(theirs.code, ours.code)
    end

    for _, arguments in ipairs(cases) do
      it("lua " .. table.concat(arguments, " "), function()
        compare(arguments, { input = input })
      end)
    end

    for _, arguments in ipairs { { "-x" }, { "-e" }, { "-e", "-v" }, { "-l" }, { "-vx" }, { "-ix" },
      { "-Ex" }, { "-Wx" }, { "--nonsense" }, { "-h" } } do
      it("the complaint about " .. table.concat(arguments, " "), function()
        needs.program "lua5.4"
        local ours, theirs = run(arguments), run_with(stock, dir, arguments)
        local first = "^[^\n]*\n[^\n]*\n" -- the list of options itself is longer
        assert.equal(normal(theirs.err):match(first), normal(ours.err):match(first))
        assert.equal(theirs.code, ours.code)
      end)
    end

    for _, env in ipairs { "LUA_INIT='print(\"init\")'", "LUA_INIT=@error.lua", "LUA_INIT='x y'",
      "LUA_INIT='x y' LUA_INIT_5_4='print(5.4)'", "LUA_INIT=@absent.lua" } do
      it(env, function()
        compare({ "args.lua" }, { env = env })
        compare({ "-E", "args.lua" }, { env = env })
      end)
    end
  end)

  it("shows its version", function()
    for _, option in ipairs { "-v", "--version" } do
      local result = run { option }
      assert.truthy(result.out:match "^mgd%-lua %d+%.%d+%.%d+  Lua 5%.4", result.out)
      assert.equal(0, result.code)
    end
  end)

  it("shows its options for --help", function()
    local result = run { "--help" }
    assert.equal(0, result.code)
    assert.truthy(result.out:find("-l g=mod", 1, true))
    assert.equal("", result.err)
  end)

  it("takes --help after a script as the script's own argument", function()
    texts.write(dir .. "/echo.lua", "print(...)")
    assert.equal("--help\n", run({ "echo.lua", "--help" }).out)
  end)

  it("reads a script from stdin", function()
    local result = run({ "-", "a" }, { input = "print(arg[0], ...)" })
    assert.same({ out = "-\ta\n", err = "", code = 0 }, result)
  end)

  it("refuses bytecode", function()
    texts.write(dir .. "/code.luac", string.dump(load "print 'ran'"))
    for _, arguments in ipairs { { "code.luac" }, { "-" } } do
      local result = run(arguments, { input = texts.read(dir .. "/code.luac") })
      assert.equal("", result.out)
      assert.truthy(result.err:find("binary chunk", 1, true), result.err)
      assert.equal(1, result.code)
    end
  end)

  describe("module search", function()
    local code = "io.write(package.path)"
    local function path(env, option)
      return run(option and { option, "-e", code } or { "-e", code }, { env = env }).out
    end

    it("begins with the library beside the executable", function()
      local entry = run({ "-e", "print(package.searchpath('mgd', package.path))" }).out
      local first = path "-u LUA_PATH -u LUA_PATH_5_4"
      assert.equal(1, first:find(entry:match "^(.*)/mgd/", 1, true))
    end)

    it("puts the entries of LUA_PATH first, and the defaults where ;; says", function()
      local plain = path "-u LUA_PATH -u LUA_PATH_5_4"
      assert.equal("/a/?.lua;" .. plain .. ";/b/?.lua",
        path "-u LUA_PATH_5_4 'LUA_PATH=/a/?.lua;;/b/?.lua'")
      assert.equal(plain .. ";/b/?.lua", path "-u LUA_PATH_5_4 'LUA_PATH=;;/b/?.lua'")
      assert.equal("/a/?.lua;" .. plain, path "LUA_PATH=/no 'LUA_PATH_5_4=/a/?.lua;;'")
      assert.truthy(path "-u LUA_PATH_5_4 LUA_PATH=/a/?.lua":find("/a/?.lua;", 1, true) == 1)
    end)

    it("ignores LUA_PATH with -E", function()
      assert.equal(path "-u LUA_PATH -u LUA_PATH_5_4", path("LUA_PATH=/a/?.lua", "-E"))
    end)

    it("says where it looked for the runtime", function()
      local result = run { "-e", "package.cpath = '/absent/?.so' require 'mgd.core'" }
      assert.truthy(result.err:find("no file '/absent/mgd/core.so'", 1, true), result.err)
      assert.equal(1, result.code)
    end)
  end)

  describe("a session", function()
    local function session(input, ...)
      return run({ "-i", ... }, { input = input })
    end
    -- What the session printed, without the version and the prompts.
    local function answers(input, ...)
      local out = session(input, ...).out:gsub("^[^\n]*\n", "")
      return (out:gsub(">+ ", ""):gsub("\n$", ""))
    end

    it("has mgd as a global; a script has not", function()
      assert.equal("table\n", answers "type(mgd)\n")
      assert.equal("nil\n", run({ "-e", "print(type(mgd))" }).out)
      assert.equal("nil\n", run({ "-" }, { input = "print(type(mgd))" }).out)
    end)

    it("prints the values of expressions", function()
      assert.equal("2\n", answers "1 + 1\n")
      assert.equal("1\tnil\tx\n", answers "1, nil, 'x'\n")
      assert.equal("3\n", answers "= 3\n")
      assert.equal("", answers "x = 5\n")
      assert.equal("", answers "\n")
    end)

    it("prints through the global print", function()
      assert.equal("<4>\n", answers "print = function(x) io.write('<', x, '>\\n') end\n4\n")
      local result = session "print = nil\n4\n5\n"
      assert.truthy(result.err:find("error calling 'print'", 1, true), result.err)
    end)

    it("continues unfinished statements", function()
      assert.equal("1\n2\n", answers "for i = 1, 2 do\nprint(i)\nend\n")
      assert.equal("7\n", answers "= 3 +\n4\n")
      assert.equal("7\n", answers "3 +\n4\n")
      assert.equal("a\nb\n", answers "[[a\nb]]\n")
      assert.equal("", answers "x = {\n1,\n}\n")
    end)

    it("reports errors with a traceback and goes on", function()
      local result = session "error 'one'\nx = = 1\n'still here'\n"
      assert.truthy(result.err:find("stdin:1: one\nstack traceback:", 1, true), result.err)
      assert.truthy(result.err:find("stdin:1: unexpected symbol near '='", 1, true), result.err)
      assert.truthy(result.out:find("still here", 1, true))
      assert.equal(0, result.code)
    end)

    it("reports a statement that the end of input leaves unfinished", function()
      assert.truthy(session("for i = 1, 2 do\n").err:find("near <eof>", 1, true))
    end)

    it("uses _PROMPT and _PROMPT2", function()
      local out = session("_PROMPT, _PROMPT2 = 'first ', 'second '\nx =\n1\n").out
      assert.truthy(out:find("first second first ", 1, true), out)
    end)

    it("survives a _PROMPT that raises", function()
      local input = "_PROMPT = setmetatable({}, {__tostring = function() error 'no' end})\n8\n"
      assert.truthy(session(input).out:find("> 8\n", 1, true))
    end)

    it("follows the script, and keeps what the script defined", function()
      texts.write(dir .. "/defines.lua", "answer = 42")
      assert.equal("42\n", answers("answer\n", "defines.lua"))
    end)

    it("does not follow a script that fails", function()
      texts.write(dir .. "/fails.lua", "error 'stop'")
      local result = session("print 'session'\n", "fails.lua")
      assert.equal(1, result.code)
      assert.falsy(result.out:find("session", 1, true))
    end)
  end)

  describe("on Ctrl-C", function()
    local terminal_script = [[
import os, pty, select, signal, sys, time
program, steps = sys.argv[1], sys.argv[2:]
pid, fd = pty.fork()
if pid == 0:
    os.environ["TERM"] = "dumb"
    os.environ["XDG_STATE_HOME"] = os.getcwd() + "/state"
    os.execv(program, [program, "-i"])
seen = b""
def until(text, seconds=20):
    global seen
    limit = time.time() + seconds
    while text not in seen:
        if time.time() > limit:
            sys.stdout.write("TIMEOUT waiting for %r in %r" % (text, seen))
            os.kill(pid, signal.SIGKILL)
            sys.exit(1)
        if select.select([fd], [], [], 0.1)[0]:
            try:
                seen += os.read(fd, 4096)
            except OSError:
                seen += b"<closed>"
                time.sleep(0.05)
for step in steps:
    kind, text = step.split(":", 1)
    if kind == "type":
        os.write(fd, text.encode() + b"\r")
    elif kind == "part":
        os.write(fd, text.encode())
    elif kind == "until":
        until(text.encode())
        seen = seen.split(text.encode(), 1)[1]
    elif kind == "ctrl-c":
        time.sleep(0.2)
        os.write(fd, b"\x03")
os.write(fd, b"os.exit(5)\r")
status = os.waitpid(pid, 0)[1]
print("exit", os.WEXITSTATUS(status) if os.WIFEXITED(status) else "signal")
]]
    local function converse(...)
      needs.python "pty"
      texts.write(dir .. "/terminal.py", terminal_script)
      local words = {}
      for i, word in ipairs { ... } do
        words[i] = quote(word)
      end
      local command = "cd %s && python3 terminal.py %s %s >.out 2>.err"
      os.execute(command:format(quote(dir), quote(mgd_lua), table.concat(words, " ")))
      assert.equal("exit 5\n", texts.read(dir .. "/.out") .. texts.read(dir .. "/.err"))
    end

    -- Types `statement`, interrupts it, and sees that the session goes on.
    local function interrupts(statement, message)
      converse("until:> ", "type:" .. statement, "ctrl-c:", "until:" .. (message or "interrupted!"),
        "until:> ", "type:20 + 1", "until:21")
    end

    it("the prompt drops the line", function()
      converse("until:> ", "part:error 'never run'", "until:run'", "ctrl-c:", "until:^C",
        "until:> ", "type:20 + 1", "until:21")
    end)

    it("the prompt drops an unfinished statement", function()
      converse("until:> ", "type:x = {", "until:>> ", "ctrl-c:", "until:^C", "until:> ",
        "type:20 + 1", "until:21")
    end)

    it("a loop ends", function()
      interrupts "while true do end"
    end)

    it("a loop in a coroutine ends", function()
      interrupts "coroutine.wrap(function() while true do end end)()"
    end)

    it("a loop that resumes a generator for ever ends", function()
      interrupts("g = coroutine.wrap(function() while 1 do coroutine.yield(1) end end) "
        .. "for _ in g do end")
    end)

    it("what resumes coroutines that run for ever ends with them", function()
      interrupts("f = coroutine.create "
        .. "while 1 do coroutine.resume(f(function() while 1 do end end)) end")
    end)

    it("a blocking read ends", function()
      interrupts "io.read()"
    end)

    it("a run of the library ends, and pcall sees it once", function()
      converse("until:> ", "type:t = mgd.train{net = mgd.nn.mlp{2, 2, 1}, data = mgd.data.xor(), "
        .. "eta = 0.1, perturbation = {code = 'walsh', amplitude = 0.01}} print('rea' .. 'dy') "
        .. "print(pcall(t.run, t, {steps = 1e12})) print('aft' .. 'er')", "until:ready", "ctrl-c:",
        "until:interrupted", "until:after", "until:> ", "type:20 + 1", "until:21")
    end)

    it("pcall catches it, each time", function()
      converse("until:> ", "type:pcall(function() while true do end end)", "ctrl-c:",
        "until:interrupted!", "until:> ", "type:pcall(function() while true do end end)", "ctrl-c:",
        "until:interrupted!", "until:> ", "type:20 + 1", "until:21")
    end)

    it("a script ends with a traceback and status 130", function()
      texts.write(dir .. "/loop.lua", "print 'started' io.stdout:flush() while true do end")
      -- timeout(1) runs the script in its own process group and sends SIGINT.
      if not succeeds "timeout --version" then
        pending "no timeout here"
        return
      end
      local command = "cd %s && timeout -s INT --preserve-status 1 %s loop.lua >.out 2>.err"
      local _, _, code = os.execute(command:format(quote(dir), quote(mgd_lua)))
      assert.equal("started\n", texts.read(dir .. "/.out"))
      assert.truthy(texts.read(dir .. "/.err"):find("loop.lua:1: interrupted!\nstack traceback:", 1,
        true))
      assert.equal(130, code)
    end)
  end)
end)
