-- Ctrl-C: nothing in the library takes it for a failure, and a second one ends the process.

local core = require "mgd.core"
local interrupts = require "mgd.base.interrupts"
local mgd = require "mgd"
local support = require "spec.support.train"

local fails = support.fails

describe("an interrupt", function()
  after_each(function()
    pcall(mgd.ones, { 4 }) -- takes a request that is left
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
    local before, t = core.base.interrupts(), mgd.ones { 4 }
    mgd.interrupt()
    assert.equal(before, core.base.interrupts())
    assert.is_false(pcall(t.sum, t))
    assert.equal(before + 1, core.base.interrupts())
  end)
end)

-- Each is long where its inputs are large, and so looks for requests as it goes. Here one waits
-- already: whoever never looks would finish.
describe("a long operation", function()
  local many = mgd.ones { 200000 }
  local list = many:totable()
  local net = mgd.nn.mlp { 400, 400 }
  local data = { x = mgd.ones { 2, 400 }, y = mgd.ones { 2, 400 } }
  local run = mgd.train { net = net, data = data, replicas = 2 }
  local path = os.tmpname()
  teardown(function() os.remove(path) end)

  local operations = {
    ["one-hot rows"] = function() return core.data.one_hot("y", many, 8, "f64", 0) end,
    ["a look for what is not finite"] = function() core.data.check_finite("x", many) end,
    ["a fingerprint"] = function() return core.data.hash(many) end,
    ["quantiles"] = function() return core.stats.quantiles(list, { 0.5 }) end,
    ["a resample"] = function() return core.stats.resample(list, 1, 1) end,
    ["the hash of a text"] = function() return core.base.sha256("text") end,
    ["the hash of a file"] = function() return core.base.sha256_file(path) end,
    ["the checksum of a text"] = function() return core.base.crc32("text") end,
    ["drawing parameters"] = function()
      return mgd.train { net = net, data = data, replicas = 2 }
    end,
    ["copying parameters"] = function() return run:theta() end,
    ["writing a checkpoint"] = function() run:save(path) end,
  }

  for name, operation in pairs(operations) do
    it("is stopped: " .. name, function()
      operation() -- by itself it is well
      collectgarbage()
      local before, blocks = core.base.interrupts(), core.base.memory().live_blocks
      mgd.interrupt()
      fails("interrupted", operation)
      assert.equal(before + 1, core.base.interrupts())
      collectgarbage()
      assert.is_true(core.base.memory().live_blocks <= blocks)
      operation()
    end)
  end

  it("gives right quantiles of more values than are sorted at once", function()
    local values = {}
    for i = 1, 200001 do values[i] = i * 7919 % 200001 end -- each of 0 … 200000
    assert.same({ 0, 50000, 100000, 200000 },
      mgd.stats.quantile(values, { 0, 0.25, 0.5, 1 }))
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
