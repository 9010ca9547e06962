--- The rows of the bench, in the order of the table; docs/benchmarks.md says what each means.
--
-- A row is {id =, title =, unit =, make = function() → contenders, target =}, measured by main.lua
-- (in `more_rounds` times as many rounds of `share` of the time), or {…, entries = function() → …}
-- where nothing is timed.

local core = require "mgd.core"
local mgd = require "mgd"
local native = require "bench.native"
local peers = require "peers"

local CORES = native.machine().cores
local THREADS = ("%d threads"):format(CORES)

-- ---- tasks -------------------------------------------------------------------------------------

-- Made once, when first asked for.
local made = {}
local function once(name, make)
  return function()
    made[name] = made[name] or make()
    return made[name]
  end
end

local xor = once("xor", function()
  return { sizes = { 2, 2, 1 }, set = mgd.data.xor() }
end)

local nist = once("nist", function()
  return { sizes = { 49, 4, 4 }, set = mgd.data.nist7x7() }
end)

-- As many samples as Fashion-MNIST has, so that the batches come from memory, not from the cache.
local large = once("large", function()
  local x = mgd.rand({ 60000, 784 }, { seed = 1, dtype = "f32" })
  local y = mgd.zeros({ 60000, 10 }, { dtype = "f32" })
  for i = 1, 60000 do
    y[{ i, i % 10 + 1 }] = 1
  end
  return { sizes = { 784, 32, 10 }, set = mgd.data.from { x = x, y = y } }
end)
local LARGE_PARAMETERS = 785 * 32 + 33 * 10
local LARGE_FLOP = 2 * (784 * 32 + 32 * 10) -- of one sample forward

local function options(base, extra)
  local all = {}
  for _, source in ipairs { base, extra or {} } do
    for key, value in pairs(source) do
      all[key] = value
    end
  end
  return all
end

-- What peers do, by our engine.
local function small_run(task, extra)
  local net = mgd.nn.mlp(options(task.sizes, { activation = "sigmoid", output = "sigmoid" }))
  return mgd.train(options({
    net = net, data = task.set, cost = "mse", batch = 1, threads = 1,
    shuffle = #task.set.x > 16, -- as the scalar loop does: XOR in order, NIST7x7 at random
    perturbation = { code = "random", amplitude = peers.AMPLITUDE }, eta = peers.ETA,
    init = { scheme = "uniform", low = -0.5, high = 0.5 },
  }, extra))
end

local function large_options(extra)
  local task = large()
  local net = mgd.nn.mlp(options(task.sizes, { activation = "relu", output = "identity" }))
  net:init { scheme = "glorot_uniform", seed = 1 }
  return options({
    net = net, data = task.set, cost = "cross_entropy", batch = 128, threads = 1,
    perturbation = { code = "random", amplitude = 0.001 }, eta = 0.001,
    baseline = "two-sided", optimizer = "adam",
  }, extra)
end

local function large_run(extra)
  return mgd.train(large_options(extra))
end

-- ---- contenders --------------------------------------------------------------------------------

-- The C engine, called from C.
local function engine(name, run, per)
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

local function clocked(name, work, per)
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

-- GFLOP/s that the machine can do at most.
local function peak(threads)
  local _, flop = native.peak(threads, 1)
  return {
    name = ("FMA peak, %d thread%s"):format(threads, threads == 1 and "" or "s"),
    per = flop,
    time = function(n)
      return (native.peak(threads, n))
    end,
  }
end

local function program(name, ...)
  local words = { ... }
  return {
    name = name,
    pieces = 1,
    time = function()
      return assert(native.spawn(table.unpack(words)), words[1] .. " failed")
    end,
  }
end

local function against_scalar(task, replicas)
  local run = small_run(task, { replicas = replicas })
  return { engine("mgd-lua", run, replicas), peers.scalar(task) }
end

-- ---- memory ------------------------------------------------------------------------------------

local SETUPS = {
  { "measured, sgd", { baseline = "measured", optimizer = "sgd" } },
  { "two-sided, sgd", { optimizer = "sgd" } },
  { "two-sided, momentum", { optimizer = "momentum" } },
  { "two-sided, adam", {} },
  { "two-sided, adam, " .. THREADS, { threads = CORES } },
  { "batch 1, two-sided, sgd", { batch = 1, optimizer = "sgd" } },
  { "τ_θ = 16, measured, sgd", { tau_theta = 16, baseline = "measured", optimizer = "sgd" } },
  { "walsh, two-sided, sgd",
    { optimizer = "sgd", perturbation = { code = "walsh", amplitude = 0.001 } } },
  { "sequential, two-sided, sgd",
    { optimizer = "sgd", perturbation = { code = "sequential", amplitude = 0.001 } } },
  { "sine, two-sided, sgd",
    { optimizer = "sgd",
      perturbation = { code = "sine", amplitude = 0.001, low = 0.1, high = 0.4 } } },
  { "16 replicas, two-sided, sgd", { replicas = 16, optimizer = "sgd" } },
}

-- Bytes that are live because of the run; the network and the data are not counted.
local function bytes_of_run(extra)
  local opts = large_options(extra)
  mgd.train(opts) -- a first one: whatever is made once is made now
  collectgarbage()
  collectgarbage()
  local before = core.base.memory().live_bytes
  local run = mgd.train(opts)
  return core.base.memory().live_bytes - before, run
end

local function memory_entries()
  local entries = {}
  for i, setup in ipairs(SETUPS) do
    local bytes = bytes_of_run(setup[2])
    entries[i] = {
      name = setup[1],
      median = bytes / (LARGE_PARAMETERS * (setup[2].replicas or 1)),
    }
  end
  return entries
end

-- Allocations of the library in 20 more steps: a call of the engine itself takes the same number
-- however many steps it does.
local function allocation_entries()
  local entries = {}
  for i, setup in ipairs(SETUPS) do
    local run = large_run(setup[2])
    local function blocks(steps)
      local before = core.base.memory().total_blocks
      native.advance(run.core, steps)
      return core.base.memory().total_blocks - before
    end
    blocks(1)
    entries[i] = { name = setup[1], median = (blocks(30) - blocks(10)) / 20 }
  end
  return entries
end

-- ---- rows --------------------------------------------------------------------------------------

local rows = {}

local function add(row)
  rows[#rows + 1] = row
end

add {
  id = "a", title = "2-2-1 on XOR, one replica: a step", unit = "ns",
  target = { against = "scalar C -O2", at_least = 1 },
  make = function()
    return against_scalar(xor(), 1)
  end,
}

add {
  id = "b", title = "49-4-4 on NIST7x7, one replica: a step", unit = "ns",
  target = { against = "scalar C -O2", at_least = 2 },
  make = function()
    return against_scalar(nist(), 1)
  end,
}

add {
  id = "c1", title = "2-2-1 on XOR, 1,024 replicas, one thread: a step of a replica", unit = "ns",
  target = { against = "scalar C -O2", at_least = 15 },
  make = function()
    return against_scalar(xor(), 1024)
  end,
}

add {
  id = "c2", title = "49-4-4 on NIST7x7, 1,024 replicas, one thread: a step of a replica",
  unit = "ns",
  make = function()
    return against_scalar(nist(), 1024)
  end,
}

if CORES > 1 then
  add {
    id = "c3", title = "2-2-1 on XOR, 1,024 replicas, all threads over one: a step of a replica",
    unit = "ns",
    make = function()
      return {
        engine(THREADS, small_run(xor(), { replicas = 1024, threads = CORES }), 1024),
        engine("1 thread", small_run(xor(), { replicas = 1024 }), 1024),
      }
    end,
  }
end

add {
  id = "d1", title = "784-32-10, batch 128, two-sided, adam: a step", unit = "ms",
  make = function()
    local one = engine("1 thread", large_run())
    if CORES == 1 then
      return { one }
    end
    return { engine(THREADS, large_run { threads = CORES }), one }
  end,
}

add {
  id = "d2", title = "FLOP of the two forward passes, over the time of the whole step",
  unit = "GFLOP/s",
  make = function()
    return { engine("step, 1 thread", large_run(), 2 * 128 * LARGE_FLOP), peak(1) }
  end,
}

if CORES > 1 then
  add {
    id = "d3", title = "the same, all threads", unit = "GFLOP/s",
    make = function()
      return {
        engine("step, " .. THREADS, large_run { threads = CORES }, 2 * 128 * LARGE_FLOP),
        peak(CORES),
      }
    end,
  }
end

add {
  id = "d4", title = "784-32-10, cost over 12,800 samples: forward passes alone", unit = "GFLOP/s",
  make = function()
    local run = large_run()
    local part = large().set:subset { first = 1, last = 12800 }
    return {
      clocked("run:evaluate, 1 thread", function()
        run:evaluate(part)
      end, 12800 * LARGE_FLOP),
      peak(1),
    }
  end,
}

add {
  id = "e1", title = "2-2-1 on XOR, one replica: a step from Lua and from C, processor time",
  unit = "ns", more_rounds = 16, share = 0.5,
  target = { against = "mgd_run_advance", at_least = 0.99 },
  make = function()
    local run = small_run(xor()) -- one for both: not even the addresses differ
    return {
      {
        name = "run:run",
        time = function(n)
          local begin = native.processor_time()
          run:run { steps = n }
          return native.processor_time() - begin
        end,
      },
      {
        name = "mgd_run_advance",
        time = function(n)
          return (select(2, native.advance(run.core, n)))
        end,
      },
    }
  end,
}

add {
  id = "e2", title = "a call of run:run for no steps, its probes included", unit = "µs",
  make = function()
    local run = small_run(xor())
    return {
      clocked("run:run{steps = 0}", function()
        run:run { steps = 0 }
      end),
    }
  end,
}

add {
  id = "f", title = "start-up of the interpreter, to the end of the process", unit = "ms",
  target = { against = 'mgd-lua -e ""', below = 15 },
  make = function()
    local contenders = {
      program('mgd-lua -e ""', arg[-1], "-e", ""),
      program("mgd-lua -e 'require \"mgd\"'", arg[-1], "-e", 'require "mgd"'),
    }
    for _, stock in ipairs { "lua5.4", "lua" } do
      if native.spawn(stock, "-e", 'os.exit(_VERSION == "Lua 5.4")') then
        table.insert(contenders, program(stock .. ' -e ""', stock, "-e", ""))
        break
      end
    end
    return contenders
  end,
}

add {
  id = "g1", title = "784-32-10: memory of a run for each parameter of each replica",
  unit = "bytes",
  entries = memory_entries,
}

add {
  id = "g2", title = "784-32-10: allocations in a step", unit = "",
  target = { at_most = 0 },
  entries = allocation_entries,
}

return rows
