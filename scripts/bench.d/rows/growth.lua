--- j: how the time of a step grows with parameters, batch, replicas and threads. The ratio is the
-- time over that of the first line.

local contenders = require "contenders"
local mgd = require "mgd"
local tasks = require "tasks"

local SIZES = { { 8, 8, 8 }, { 32, 32, 10 }, { 128, 64, 10 }, { 784, 32, 10 }, { 784, 256, 10 } }

-- One contender for each value.
local function each(values, contender)
  return function()
    local list = {}
    for i, value in ipairs(values) do
      list[i] = contender(value)
    end
    return list
  end
end

-- 1, 2, 4, … and the last.
local function doublings(last)
  local list = {}
  local n = 1
  while n < last do
    list[#list + 1], n = n, 2 * n
  end
  list[#list + 1] = last
  return list
end

local function of_sizes(sizes)
  local x = mgd.rand({ 10000, sizes[1] }, { seed = 1, dtype = "f32" })
  local y = mgd.zeros({ 10000, sizes[3] }, { dtype = "f32" })
  for i = 1, 10000 do
    y[{ i, i % sizes[3] + 1 }] = 1
  end
  local options = tasks.mlp_options(sizes, mgd.data.from { x = x, y = y }, { batch = 128 })
  local name = ("%s: P = %d"):format(table.concat(sizes, "-"), options.net.num_parameters)
  return contenders.engine(name, mgd.train(options))
end

local function of_batch(batch)
  return contenders.engine("batch " .. batch, tasks.large { batch = batch })
end

local function of_replicas(replicas)
  local run = tasks.small(tasks.xor(), { replicas = replicas })
  return contenders.engine(("%d replica%s"):format(replicas, replicas == 1 and "" or "s"), run)
end

local function of_threads(threads)
  return contenders.engine(contenders.threads(threads),
    tasks.large { batch = 1024, threads = threads })
end

return {
  {
    id = "j1", title = "a step of batch 128, measured, sgd, against parameters", unit = "µs",
    share = 0.5,
    make = each(SIZES, of_sizes),
  },
  {
    id = "j2", title = "a step of 784-32-10, two-sided, adam, against the batch", unit = "µs",
    share = 0.5,
    make = each({ 1, 4, 16, 64, 256, 1024 }, of_batch),
  },
  {
    id = "j3", title = "a step of 2-2-1, one thread, against replicas", unit = "µs", share = 0.5,
    make = each({ 1, 4, 16, 64, 256, 1024, 4096 }, of_replicas),
  },
  {
    id = "j4", title = "a step of 784-32-10, batch 1,024, two-sided, adam, against threads",
    unit = "µs",
    make = each(doublings(contenders.CORES), of_threads),
  },
}
