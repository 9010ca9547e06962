--- n1, n2, n3: what the codes cost, one in Lua among them.

local mgd = require "mgd"
local core = require "mgd.core"
local tasks = require "tasks"

local PERIOD = 16 -- slots whose patterns the function in Lua has at hand

-- As contenders.engine, but through Lua, on which the function runs.
local function contender(name, run, per)
  return {
    name = name, per = per,
    time = function(n)
      local begin = core.base.clock()
      assert(run.core:advance(n))
      return core.base.clock() - begin
    end,
  }
end

-- The first slots of `random` again and again.
local function in_lua(parameters, dtype)
  local slots = {}
  for slot = 0, PERIOD - 1 do
    slots[slot] = mgd.codes.pattern({ code = "random" },
      { parameters = parameters, slots = 1, first = slot })[1]:to(dtype)
  end
  return {
    code = function(slot)
      return slots[slot % PERIOD]
    end,
    amplitude = 0.001, period = PERIOD, mean_limit = 1,
  }
end

local function codes(parameters, dtype)
  return {
    { "random", { code = "random", amplitude = 0.001 } },
    { "walsh", { code = "walsh", amplitude = 0.001 } },
    { "a Lua function", in_lua(parameters, dtype) },
    { "lfsr", { code = "lfsr", amplitude = 0.001 } },
    { "outer", { code = "outer", amplitude = 0.001 } },
    { "gaussian", { code = "gaussian", amplitude = 0.001 } },
    { "brownian", { code = "brownian", amplitude = 0.001 } },
    { "random, sparse", { code = "random", sparsity = 0.5, amplitude = 0.001 } },
    { "random, spread of a", { code = "random", amplitude_spread = 0.2, amplitude = 0.001 } },
  }
end

local function small(replicas)
  return function()
    local list = {}
    for i, entry in ipairs(codes(9, "f64")) do
      list[i] = contender(entry[1], tasks.small(tasks.xor(), { replicas = replicas,
        perturbation = entry[2] }), replicas)
    end
    return list
  end
end

local function large()
  local list = {}
  for i, entry in ipairs(codes(tasks.LARGE_PARAMETERS, "f32")) do
    list[i] = contender(entry[1], mgd.train(tasks.large_options { batch = 64, tau_theta = 16,
      perturbation = entry[2] }))
  end
  return list
end

return {
  { id = "n1", title = "2-2-1 on XOR, one replica: a step with each code", unit = "ns",
    make = small(1) },
  { id = "n2", title = "the same, 1,024 replicas, per replica", unit = "ns", make = small(1024) },
  { id = "n3", title = "784-32-10, batches of 64, τ_θ = 16: a step with each code", unit = "µs",
    make = large },
}
