--- Other programs: how they are found, what they are given, and how they end.

local core = require "mgd.core"
local program = require "mgd.base.program"
local temporary = require "spec.support.idx_files"
local support = require "spec.support.train"
local texts = require "spec.support.texts"

local fails = support.fails

local function need(script, opts)
  return program.need("here", { "sh", "-c", script }, opts)
end

describe("a program", function()
  it("prints what is taken, whatever is in it", function()
    assert.equal("a b\n", program.out { "echo", "a b" })
    assert.equal("$(id) ; '\"\n", program.out { "echo", "$(id) ; '\"" })
    local bytes = ("\0\255a\n"):rep(50000)
    assert.equal(bytes, program.out({ "cat" }, { input = bytes }))
    assert.equal("", program.out({ "cat" }))
  end)

  it("has the environment that it is given", function()
    local words = { "sh", "-c", "echo ${A-none} ${HOME-none} ${B-none}" }
    assert.equal("x y none\n", program.out(words, { env = { A = "x", HOME = "does", B = false } })
      :gsub("does", "y"))
    assert.equal("none none none\n", program.out(words, { env = { HOME = false } }))
  end)

  it("may end before it has read its input", function()
    local input = ("x"):rep(2 ^ 20)
    assert.equal("early\n", program.out({ "echo", "early" }, { input = input }))
    fails("here: sh failed: it ended with status 3", need, "exit 3", { input = input })
  end)

  it("that fails is reported with its last words", function()
    fails("here: sh failed: b; c; d: it ended with status 1", need,
      "printf 'a\\nb\\n\\n  c \\r\\nd' >&2; exit 1")
    fails("here: sh failed: it was ended by signal 9 (Killed)", need, "echo out; kill -9 $$")
    fails("here: sh failed: nothing to say: it wrote nothing", need, "echo nothing to say >&2")
    assert.is_nil(program.out { "false" })
  end)

  it("that hangs is ended, with all that it has started", function()
    fails("here: sh failed: it was ended after 0.1 s", need, "sleep 60 & sleep 60",
      { seconds = 0.1 })
  end)

  it("that is not there is named, with what brings it", function()
    fails("here: no-such-program cannot be started: No such file or directory", program.need,
      "here", { "no-such-program" })
    fails("here: no-such-program is not installed (apt install some-package)", program.need, "here",
      { "no-such-program" }, { package = "some-package" })
    assert.is_false(program.installed "no-such-program")
    assert.is_false(program.installed "")
    assert.is_true(program.installed "sh")
  end)

  it("is ended by Ctrl-C", function()
    core.base.interrupt()
    fails("interrupted", program.run, { "sleep", "60" })
    assert.equal("on\n", program.out { "echo", "on" })
  end)

  it("has words that are strings", function()
    fails("run: word 2: expected a string, got number", program.run, { "echo", 1 })
  end)

  it("leaves no child and no open file", function()
    if not io.open "/proc/self/fd" then
      return pending "no /proc here"
    end
    local function open_files()
      local count = 0
      for _ in pairs(core.files.list "/proc/self/fd") do
        count = count + 1
      end
      return count
    end
    local before = open_files()
    for _ = 1, 20 do
      program.run { "true" }
      program.run({ "sleep", "60" }, { seconds = 0 })
      program.run { "no-such-program" }
    end
    assert.equal(before, open_files())
    local children = program.out { "ps", "--ppid", tostring(core.process.pid()), "-o", "stat=" }
    assert.is_falsy(children and children:find "Z")
  end)
end)

describe("a program is looked for", function()
  local folder

  before_each(function()
    folder = temporary.folder()
    texts.write(folder .. "/hostile", "#!/bin/sh\necho from the folder\n")
    texts.write(folder .. "/script.lua", [[
      require "mgd"
      local program = require "mgd.base.program"
      print(program.installed "hostile", program.out { "hostile" },
        (program.out { "/bin/sh", "-c", "echo $PATH" }))
    ]])
    assert(os.execute(("chmod +x '%s/hostile'"):format(folder)))
  end)
  after_each(function()
    os.execute(("rm -rf '%s'"):format(folder))
  end)

  local function found(path)
    local pipe = assert(io.popen(("cd '%s' && PATH='%s' '%s' script.lua 2>&1"):format(folder, path,
      support.mgd_lua)))
    local out = pipe:read "*a"
    pipe:close()
    return out
  end

  it("in absolute folders of the PATH alone", function()
    assert.equal("false\tnil\t/usr/bin:/bin\n\n", found ".:/usr/bin::./x:/bin:")
    assert.equal("false\tnil\t\n\n", found "")
    assert.equal("true\tfrom the folder\n\t" .. folder .. ":/bin\n\n", found(folder .. "::/bin"))
  end)

  it("among what can be run", function()
    os.execute(("chmod -x '%s/hostile'; mkdir '%s/sub' '%s/sub/hostile'"):format(folder, folder,
      folder))
    assert.equal("false\tnil\t", found(folder .. ":" .. folder .. "/sub"):sub(1, 10))
  end)
end)

describe("the commit that is noted with an experiment", function()
  local folder

  local function shell(command)
    local pipe = assert(io.popen(("cd '%s' && { %s; } 2>&1"):format(folder, command)))
    local out = pipe:read "*a"
    pipe:close()
    return out
  end

  local function commit()
    local script = 'require "mgd" print(require("mgd.studies.experiment.environment")().git)'
    return (shell(("'%s' -e '%s'"):format(support.mgd_lua, script)):gsub("\n", ""))
  end

  before_each(function()
    folder = temporary.folder()
    shell [[git init -q . && echo a > a && git add a && git -c user.name=a -c user.email=a@b \
      commit -q -m a]]
  end)
  after_each(function()
    os.execute(("rm -rf '%s'"):format(folder))
  end)

  it("is that of the folder, with a + where files have changed", function()
    if not program.installed "git" then
      return pending "git is not installed"
    end
    local hash = shell("git rev-parse HEAD"):gsub("\n", "")
    assert.equal(hash, commit())
    shell "touch -d 2001-01-01 a; echo new > untracked"
    assert.equal(hash, commit())
    shell "echo b > a"
    assert.equal(hash .. "+", commit())
    shell "rm -rf .git"
    assert.equal("nil", commit())
  end)

  it("is asked for without running what the repository names", function()
    if not program.installed "git" then
      return pending "git is not installed"
    end
    local trap = ("touch %s/RAN; cat"):format(folder)
    for _, key in ipairs { "core.fsmonitor", "core.pager", "diff.external", "core.sshCommand",
      "alias.status", "alias.rev-parse", "diff.x.textconv", "diff.x.command" } do
      shell(("git config %s '%s'"):format(key, trap))
    end
    shell [[mkdir .git/traps; git config core.hooksPath .git/traps
      printf '#!/bin/sh\ntouch RAN\n' | tee .git/hooks/post-index-change \
        > .git/traps/post-index-change; chmod +x .git/hooks/* .git/traps/*
      echo '* diff=x' > .git/info/attributes; echo b > a]]
    assert.is_truthy(commit():find "^%x+%+$")
    assert.equal("", shell "ls RAN 2>/dev/null")
  end)

  it("says that it cannot tell of changes where the repository has filters of its own", function()
    if not program.installed "git" then
      return pending "git is not installed"
    end
    for _, place in ipairs { "config", "config.worktree", "included" } do
      shell(([[git config -f .git/%s filter.x.clean 'touch %s/RAN; cat'
        git config --unset-all include.path; git config include.path included
        git config extensions.worktreeConfig true
        echo '* filter=x' > .gitattributes; touch a]]):format(place, folder))
      assert.is_truthy(commit():find "^%x+%?$")
      assert.equal("", shell "ls RAN 2>/dev/null")
      shell(("rm -f .git/included .git/config.worktree; git config --unset filter.x.clean"))
    end
  end)
end)
