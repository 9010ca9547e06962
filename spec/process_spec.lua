--- Processes: children that train as their parent does, how they end, locks that end with them.

local core = require "mgd.core"
local mgd = require "mgd"
local support = require "spec.support.train"
local read = require("spec.support.texts").read

local process = core.process
local fails, subprocess = support.fails, support.subprocess

local LONG = 30 -- seconds that nothing here waits for unless it fails

-- Runs f in a child, which leaves with the number that f returns, or with 99 where f fails.
local function in_child(f)
  local pid = process.fork()
  if pid == 0 then
    local ok, status = pcall(f)
    if not ok then
      io.stderr:write("child: ", tostring(status), "\n")
    end
    process.leave(ok and status or 99)
  end
  return pid
end

-- A child that waits for its end.
local function sleeper()
  return in_child(function()
    process.wait({}, LONG)
    return 98
  end)
end

local function new_run(threads)
  return mgd.train {
    net = mgd.nn.mlp { 2, 3, 1, activation = "sigmoid", output = "sigmoid" }, data = mgd.data.xor(),
    perturbation = { code = "walsh", amplitude = 0.05 }, tau_theta = 4, replicas = 64, seed = 5,
    init = { scheme = "uniform" }, threads = threads,
  }
end

describe("a child", function()
  local path

  before_each(function()
    path = os.tmpname()
  end)
  after_each(function()
    os.remove(path)
  end)

  it("has a number of its own and leaves with a status", function()
    local parent = process.pid()
    local pid = in_child(function()
      return process.pid() ~= parent and 7 or 8
    end)
    assert.is_true(pid > 0 and pid ~= parent)
    assert.same({ pid, 7 }, { process.wait({ pid }, LONG) })
  end)

  it("trains with threads, whatever its parent's had done, and gives the same bits", function()
    local run = new_run(2) -- more than one unit of lanes: the threads have work
    run:run { steps = 100 }
    local pid = in_child(function()
      run:run { steps = 100 } -- the parent's own, whose threads stayed behind
      run:theta():save(path)
      local new = new_run(3)
      new:run { steps = 200 }
      return new:theta():allclose(run:theta(), { rtol = 0, atol = 0 }) and 0 or 1
    end)
    assert.same({ pid, 0 }, { process.wait({ pid }, LONG) })
    run:run { steps = 100 } -- and its parent's threads are still there
    assert.same(run:theta():totable(), mgd.load(path):totable())
    local alone = new_run(1)
    alone:run { steps = 200 }
    assert.same(alone:theta():totable(), run:theta():totable())
  end)

  it("frees what its parent made, threads and all, and may have children too", function()
    local run = new_run(2)
    run:run { steps = 20 }
    local pid = in_child(function()
      run = nil -- luacheck: ignore
      collectgarbage()
      collectgarbage() -- waits for no thread that is not there
      local other = in_child(function()
        local new = new_run(2)
        new:run { steps = 20 }
        return 3
      end)
      local _, status = process.wait({ other }, LONG)
      return status
    end)
    assert.same({ pid, 3 }, { process.wait({ pid }, LONG) })
  end)

  it("writes nothing of its parent's twice, and no finaliser runs in it", function()
    local file = assert(io.open(path, "w"))
    file:write "once " -- not yet written when the child is made
    local object = setmetatable({}, { __gc = function()
      file:write "finaliser"
      file:flush()
    end })
    local pid = in_child(function()
      return 0
    end)
    process.wait({ pid }, LONG)
    file:write "more"
    file:flush()
    assert.equal("once more", read(path))
    file:close()
    setmetatable(object, nil)
  end)

  it("writes what it holds when it leaves", function()
    local pid = in_child(function()
      _G.kept = assert(io.open(path, "w"))
      _G.kept:write "of the child"
      return 0
    end)
    process.wait({ pid }, LONG)
    assert.equal("of the child", read(path))
  end)

  it("does not answer for its parent's Ctrl-C", function()
    core.base.interrupt()
    local pid = in_child(function()
      process.wait({}, 0.5) -- would say that it was interrupted; the parent looks meanwhile
      return 0
    end)
    fails("interrupted", process.wait, { pid }, LONG)
    assert.same({ pid, 0 }, { process.wait({ pid }, LONG) })
  end)

  it("ends with its parent, however that ends", function()
    if not io.open "/proc/self/stat" then
      return pending "only Linux has children follow"
    end
    local out = subprocess(([[
      local process = require("mgd.core").process
      local lock = nil
      if process.fork() == 0 then
        repeat
          lock = process.lock %q
        until lock -- the parent may just be trying
        print "locked"
        io.stdout:flush()
        process.wait({}, %d)
        print "left alone"
        process.leave(0)
      end
      repeat
        process.wait({}, 0.01)
        local mine = process.lock %q
        if mine then mine:release() end
      until not mine
      process.kill(process.pid(), "kill")
    ]]):format(path, LONG, path)) -- returns when all ends of the pipe are closed: the child's too
    assert.truthy(out:find("^locked\n"))
    assert.falsy(out:find("left alone", 1, true))
    local lock
    for _ = 1, 1000 do -- a process that ends closes its files one by one: the pipe, then the lock
      lock = process.lock(path)
      if lock then
        break
      end
      process.wait({}, 0.01)
    end
    assert.truthy(lock)
    lock:release()
  end)
end)

describe("waiting for children", function()
  it("tells which of them ended, by status or signal, and gives up in time", function()
    local first, second, third = sleeper(), sleeper(), sleeper()
    local all = { first, second, third }
    assert.is_nil(process.wait(all, 0))
    assert.is_nil(process.wait(all, 0.02))
    assert.is_true(process.kill(second, "kill"))
    assert.same({ second, nil, 9 }, { process.wait(all, LONG) })
    assert.is_true(process.kill(third))
    assert.same({ third, nil, 15 }, { process.wait({ first, third }, LONG) })
    process.kill(first, "kill")
    assert.same({ first, nil, 9 }, { process.wait({ first }, math.huge) })
  end)

  it("does not wait for those that are not there", function()
    local pid = in_child(function()
      return 4
    end)
    assert.same({ pid, 4 }, { process.wait({ pid }, LONG) })
    assert.same({ pid }, { process.wait({ pid }, LONG) }) -- nobody knows any more how it ended
    assert.is_false(process.kill(pid))
  end)

  -- As shells start what is to run in the background.
  local function ignores_ctrl_c()
    local status = io.open "/proc/self/status"
    local digit = status and status:read("*a"):match "SigIgn:%s*%x*(%x)"
    if status then
      status:close()
    end
    return digit and tonumber(digit, 16) % 4 >= 2
  end

  it("is ended by Ctrl-C, and the script goes on", function()
    if ignores_ctrl_c() then
      return pending "was started with SIGINT ignored"
    end
    local out = subprocess [[
      local process = require("mgd.core").process
      local parent, pid = process.pid(), nil
      local ok, message = pcall(function()
        pid = process.fork()
        if pid == 0 then
          process.wait({}, 0.2)
          process.kill(parent, "int")
          process.wait({}, 30)
          process.leave(0)
        end
        process.wait({ pid }, 30)
      end)
      print(ok, tostring(message):match "interrupted")
      process.kill(pid, "kill")
      print(select(3, process.wait({ pid }, 30)))
    ]]
    assert.equal("false\tinterrupted\n9\n", out)
  end)

  it("and killing take numbers of single processes only", function()
    fails("kill: pid: expected an integer from 1 to 2147483647, got -1", process.kill, -1, "int")
    fails("kill: pid: expected an integer from 1 to 2147483647, got 0", process.kill, 0, "int")
    fails("wait: a child: expected an integer from 1 to 2147483647, got 0", process.wait, { 0 }, 0)
    fails("wait: a child: expected an integer, got string", process.wait, { "1" }, 0)
    fails("invalid option 'stop'", process.kill, process.pid(), "stop")
  end)
end)

describe("a lock", function()
  local path

  before_each(function()
    path = os.tmpname()
  end)
  after_each(function()
    os.remove(path)
  end)

  -- Whether another process could have the lock.
  local function is_free()
    local pid = in_child(function()
      return process.lock(path) and 1 or 0
    end)
    local _, status = process.wait({ pid }, LONG)
    return status == 1
  end

  it("is one process's, until it is released", function()
    local lock = assert(process.lock(path))
    assert.is_false(is_free())
    assert.is_nil(process.lock(path)) -- nor can the same process have it twice
    lock:release()
    lock:release()
    assert.is_true(is_free())
  end)

  it("is given back by the collector", function()
    local lock = assert(process.lock(path))
    assert.is_userdata(lock)
    lock = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.is_true(is_free())
  end)

  it("ends with a process that is killed", function()
    local pid = in_child(function()
      repeat
        _G.kept = process.lock(path)
      until _G.kept -- another may just be trying
      process.wait({}, LONG)
      return 0
    end)
    repeat
      assert.is_nil(process.wait({ pid }, 0.005))
    until not is_free()
    process.kill(pid, "kill")
    process.wait({ pid }, LONG)
    assert.is_true(is_free())
  end)

  it("says why there is none", function()
    assert.same({ nil, "/nowhere/lock: No such file or directory" },
      { process.lock "/nowhere/lock" })
  end)
end)
