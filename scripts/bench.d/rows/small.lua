--- a, b, c: networks far smaller than a vector, one replica and a thousand.

local contenders = require "contenders"
local peers = require "peers"
local tasks = require "tasks"

local REPLICAS = 1024

local function one(task)
  local scalar, scalar_native = peers.scalar(task)
  return {
    contenders.engine("mgd-lua", tasks.small(task)), scalar, scalar_native,
    peers.numpy(task.name), peers.torch(task.name),
  }
end

-- Peers do a step of one replica, as the scalar loop does, and steps of all of them at once.
local function many(task)
  local scalar, scalar_native = peers.scalar(task)
  local batched, at_once = task.name .. "_replicas", ", 1,024 at once"
  return {
    contenders.engine("mgd-lua", tasks.small(task, { replicas = REPLICAS }), REPLICAS),
    scalar, scalar_native, peers.numpy(task.name), peers.torch(task.name),
    peers.numpy(batched, REPLICAS, at_once), peers.torch(batched, REPLICAS, at_once),
  }
end

local rows = {
  {
    id = "a", title = "2-2-1 on XOR, one replica: a step", unit = "ns",
    targets = { { against = "scalar C -O2", at_least = 1 } },
    make = function()
      return one(tasks.xor())
    end,
  },
  {
    id = "b", title = "49-4-4 on NIST7x7, one replica: a step", unit = "ns",
    targets = { { against = "scalar C -O2", at_least = 2 } },
    make = function()
      return one(tasks.nist())
    end,
  },
  {
    id = "c1", title = "2-2-1 on XOR, 1,024 replicas, one thread: a step of a replica",
    unit = "ns",
    targets = {
      { against = "scalar C -O2", at_least = 25 },
      { against = "NumPy", at_least = 5000 },
      { against = "PyTorch", at_least = 20000 },
    },
    make = function()
      return many(tasks.xor())
    end,
  },
  {
    id = "c2", title = "49-4-4 on NIST7x7, 1,024 replicas, one thread: a step of a replica",
    unit = "ns",
    targets = { { against = "scalar C -O2", at_least = 15 } },
    make = function()
      return many(tasks.nist())
    end,
  },
}

if contenders.CORES > 1 then
  table.insert(rows, {
    id = "c3", title = "2-2-1 on XOR, 1,024 replicas, two threads over one: a step of a replica",
    unit = "ns",
    targets = { { against = "1 thread", at_least = 1.9 } },
    make = function()
      local function with(threads)
        local run = tasks.small(tasks.xor(), { replicas = REPLICAS, threads = threads })
        return contenders.engine(contenders.threads(threads), run, REPLICAS)
      end
      return { with(2), with(1) }
    end,
  })
end

return rows
