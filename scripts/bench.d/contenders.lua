--- Contenders of our own, and the machine (see measure.lua).

local core = require "mgd.core"
local native = require "bench.native"

local contenders = {}

contenders.CORES = native.machine().cores

--- "1 thread", "2 threads", …
function contenders.threads(n)
  return ("%d thread%s"):format(n, n == 1 and "" or "s")
end

contenders.ALL_THREADS = contenders.threads(contenders.CORES)

--- The C engine, called from C; `per` steps of replicas, or FLOP, in a step.
function contenders.engine(name, run, per)
  return {
    name = name,
    per = per,
    time = function(n)
      local before = run.steps_done
      local seconds = native.advance(run.core, n)
      assert(run.steps_done == before + n, "the run stopped early")
      return seconds
    end,
  }
end

--- Anything done by a Lua function.
function contenders.clocked(name, work, per)
  return {
    name = name,
    per = per,
    time = function(n)
      local begin = core.base.clock()
      for _ = 1, n do
        work()
      end
      return core.base.clock() - begin
    end,
  }
end

--- FLOP that the machine can do at most, or works of so many FLOP.
function contenders.peak(threads, work)
  local _, flop = native.peak(threads, 1)
  return {
    name = "FMA peak, " .. contenders.threads(threads),
    per = flop / (work or 1),
    time = function(n)
      return (native.peak(threads, n))
    end,
  }
end

--- All kernels of a network's plan, then each of them, then the machine's peak for so many FLOP:
-- the time of one sample. `tiles` of lanes side by side.
function contenders.kernels(net, flop, tiles)
  local plan = net:plan()
  local function contender(name, share)
    return {
      name = name,
      pieces = 100,
      time = function(n)
        local seconds, lanes = plan:time { tiles = tiles, rounds = n }
        local sum = 0
        for i, call in ipairs(seconds) do
          sum = sum + (share(i) and call or 0)
        end
        return n * sum / lanes
      end,
    }
  end
  local list = { contender("all kernels", function() return true end) }
  for i, call in ipairs(plan) do
    list[i + 1] = contender(("%d: %s"):format(i, call.kernel), function(k) return k == i end)
  end
  table.insert(list, contenders.peak(1, flop))
  return list
end

--- Bytes that threads can read at most, over and over from so many.
function contenders.reading(threads, bytes)
  local buffer = native.buffer(bytes)
  return {
    name = contenders.threads(threads),
    per = bytes,
    time = function(n)
      return native.read(buffer, threads, n)
    end,
  }
end

--- A whole process.
function contenders.program(name, ...)
  local words = { ... }
  return {
    name = name,
    pieces = 1,
    time = function()
      return assert(native.spawn(table.unpack(words)), words[1] .. " failed")
    end,
  }
end

return contenders
