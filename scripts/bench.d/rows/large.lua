--- d: 784-32-10, batch 128, cost at θ + θ̃ and θ − θ̃, adam.

local contenders = require "contenders"
local peers = require "peers"
local tasks = require "tasks"

local CORES, ALL_THREADS = contenders.CORES, contenders.ALL_THREADS
local STEP_FLOP = 2 * 128 * tasks.LARGE_FLOP

local rows = {
  {
    id = "d1", title = "784-32-10, batch 128, two-sided, adam: a step, one thread", unit = "µs",
    targets = { { against = "PyTorch", at_least = 2.5 } },
    make = function()
      local shape = { side = 28, channels = { 1 }, widths = { 32, 10 }, two_sided = 1 }
      local theta = tasks.large_options().net:theta()
      local scalar, scalar_native = peers.scalar_image(shape, tasks.large_set(), theta, 128, 128)
      return {
        contenders.engine("mgd-lua", tasks.large()), scalar, scalar_native,
        peers.numpy "mlp", peers.torch "mlp",
      }
    end,
  },
  {
    id = "d2", title = "FLOP of the two forward passes, over the time of the whole step",
    unit = "GFLOP/s",
    make = function()
      return {
        contenders.engine("step, 1 thread", tasks.large(), STEP_FLOP), contenders.peak(1),
      }
    end,
  },
}

if CORES > 1 then
  table.insert(rows, {
    id = "d3", title = "the same, all threads", unit = "GFLOP/s",
    make = function()
      local run = tasks.large { threads = CORES }
      return {
        contenders.engine("step, " .. ALL_THREADS, run, STEP_FLOP), contenders.peak(CORES),
      }
    end,
  })
end

table.insert(rows, {
  id = "d4", title = "784-32-10: forward passes alone, one thread", unit = "GFLOP/s",
  make = function()
    local run = tasks.large()
    local part = tasks.large_set():subset { first = 1, last = 12800 }
    return {
      contenders.clocked("run:evaluate of 12,800", function()
        run:evaluate(part)
      end, 12800 * tasks.LARGE_FLOP),
      peers.numpy("mlp_forward", 128 * tasks.LARGE_FLOP, ", 128"),
      peers.torch("mlp_forward", 128 * tasks.LARGE_FLOP, ", 128"),
      contenders.peak(1),
    }
  end,
})

table.insert(rows, {
  id = "d7", title = "784-32-10: its kernels, 64 samples at once, a sample", unit = "ns",
  targets = { { against = "FMA peak, 1 thread", at_least = 0.6 } },
  make = function()
    local options = tasks.large_options()
    return contenders.kernels(options.net, tasks.LARGE_FLOP, 4)
  end,
})

if CORES > 1 then
  table.insert(rows, {
    id = "d5", title = "784-32-10, batch 128, two-sided, adam: all threads over one, a step",
    unit = "µs",
    make = function()
      return {
        contenders.engine(ALL_THREADS, tasks.large { threads = CORES }),
        contenders.engine("1 thread", tasks.large()),
      }
    end,
  })
end

table.insert(rows, {
  id = "d6", title = "784-32-10, 1,024 replicas, batch 1, measured, sgd: a step of a replica",
  unit = "µs", more_rounds = 0.25,
  make = function()
    local run = tasks.large {
      replicas = 1024, batch = 1, baseline = "measured", optimizer = "sgd", threads = CORES,
    }
    return { contenders.engine(ALL_THREADS, run, 1024) }
  end,
})

return rows
