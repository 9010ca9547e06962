-- Ctrl-C: nothing in the library takes it for a failure, and a second one ends the process.

local core = require "mgd.core"
local interrupts = require "mgd.interrupts"
local mgd = require "mgd"
local support = require "spec.support.train"

local fails = support.fails

describe("an interrupt", function()
  after_each(function()
    pcall(mgd.ones { 4 }.sum, mgd.ones { 4 }) -- answers what is left
  end)

  local function interrupted()
    mgd.interrupt()
    return mgd.ones { 4 }:sum()
  end

  it("goes through interrupts.pcall, and errors do not", function()
    assert.same({ false, "no" }, { interrupts.pcall(error, "no", 0) })
    assert.same({ true, 1, nil, 3 }, { interrupts.pcall(function() return 1, nil, 3 end) })
    assert.is_false(pcall(interrupts.pcall, interrupted))
    assert.is_false(pcall(interrupts.pcall, error, "script:1: interrupted!", 0))
  end)

  it("is one whatever its message says", function()
    local ok, message = pcall(interrupts.pcall, function()
      pcall(interrupted)
      error("another word", 0)
    end)
    assert.same({ false, "another word" }, { ok, message })
  end)

  it("in mgd.advise is no chip that does not answer", function()
    local chip = mgd.chip { parameters = 2, evaluate = function(theta, x)
      mgd.interrupt()
      return x:sum(2):reshape { x.shape[1], 1 } * theta[1]
    end }
    local message = fails("interrupted", mgd.advise, { chip = chip, data = mgd.data.xor() })
    assert.is_nil(message:find("does not answer", 1, true))
  end)

  it("in a function that a run calls stops the run at a step", function()
    local asked = 0
    local run = mgd.train { net = mgd.nn.mlp { 2, 2, 1 }, data = mgd.data.xor(),
      eta = function()
        asked = asked + 1
        return asked == 3 and interrupted() or 0.1
      end }
    fails("run:run: interrupted at step", run.run, run, { steps = 10, probes = {} })
    assert.equal(2, run.steps_done)
    run:run { steps = 8, probes = {} }
    assert.equal(10, run.steps_done)
  end)

  it("in a code is no fault of the code", function()
    local message = fails("interrupted", mgd.codes.check, { code = interrupted }, 4)
    assert.is_nil(message:find("slot", 1, true))
  end)

  it("is counted when it is answered", function()
    local before = core.base.interrupts()
    mgd.interrupt()
    assert.equal(before, core.base.interrupts())
    pcall(mgd.ones { 4 }.sum, mgd.ones { 4 })
    assert.equal(before + 1, core.base.interrupts())
  end)
end)

describe("a script that catches Ctrl-C and goes on", function()
  it("is ended by a second one", function()
    local folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir " .. folder))
    local function write(name, text)
      local file = assert(io.open(folder .. name, "w"))
      file:write(text)
      file:close()
    end
    write("/loop.lua", "while true do pcall(function() while true do end end) end")
    -- a shell starts what runs beside it with SIGINT ignored: here it is given back
    write("/run.sh", [[
env --default-signal=INT timeout 20 "$1" "$2/loop.lua" & pid=$!
sleep 0.5; child=$(pgrep -P $pid); kill -INT $child
sleep 0.5; kill -0 $child && echo "alive after one"; kill -INT $child
sleep 0.5; kill -0 $child 2>/dev/null || echo "ended after two"
kill -9 $child 2>/dev/null
]])
    local pipe = assert(io.popen(("sh %s/run.sh '%s' %s 2>&1"):format(folder, os.getenv "MGD_LUA",
      folder)))
    local out = pipe:read "*a"
    pipe:close()
    os.execute("rm -r " .. folder)
    assert.equal("alive after one\nended after two\n", out)
  end)
end)
