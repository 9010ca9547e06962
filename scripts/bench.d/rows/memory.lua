--- g: memory of a run of 784-32-10, and allocations in a step.

local contenders = require "contenders"
local core = require "mgd.core"
local mgd = require "mgd"
local native = require "bench.native"
local tasks = require "tasks"

local SETUPS = {
  { "measured, sgd", { baseline = "measured", optimizer = "sgd" } },
  { "two-sided, sgd", { optimizer = "sgd" } },
  { "two-sided, momentum", { optimizer = "momentum" } },
  { "two-sided, adam", {} },
  { "two-sided, adam, " .. contenders.ALL_THREADS, { threads = contenders.CORES } },
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
  local opts = tasks.large_options(extra)
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
      median = bytes / (tasks.LARGE_PARAMETERS * (setup[2].replicas or 1)),
    }
  end
  return entries
end

-- Allocations of the library in 20 more steps: a call of the engine itself takes the same number
-- however many steps it does.
local function allocation_entries()
  local entries = {}
  for i, setup in ipairs(SETUPS) do
    local run = tasks.large(setup[2])
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

return {
  {
    id = "g1", title = "784-32-10: memory of a run for each parameter of each replica",
    unit = "bytes",
    entries = memory_entries,
  },
  {
    id = "g2", title = "784-32-10: allocations in a step", unit = "",
    targets = { { at_most = 0 } },
    entries = allocation_entries,
  },
}
