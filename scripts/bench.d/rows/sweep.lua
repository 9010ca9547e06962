--- t: a sweep of XOR to its solution, against the same runs one after another.

local contenders = require "contenders"
local core = require "mgd.core"
local mgd = require "mgd"

local POINTS, SEEDS = 100, 64

-- The four samples in order, as published.
local function base()
  return mgd.experiment {
    name = "xor", data = "xor", network = { 2, 2, 1, activation = "sigmoid", output = "sigmoid" },
    training = { shuffle = false, perturbation = { code = "walsh", amplitude = 0.05 } },
    steps = 30000, every = 500, stop = { cost = 0.04 },
  }
end

local function sweep()
  local eta, tau = {}, {}
  for i = 1, 10 do
    eta[i], tau[i] = 0.5 * i, i
  end
  return mgd.sweep { base = base(), seeds = SEEDS, grid = { eta = eta, tau_theta = tau } }
end

local function ensembles(workers)
  return {
    name = workers == 1 and "sweep, 1 process" or ("sweep, %d processes"):format(workers),
    per = POINTS * SEEDS,
    time = function(n)
      local seconds = 0
      for _ = 1, n do
        local made = sweep() -- anew: a sweep runs nothing twice
        local begin = core.base.clock()
        made:run { workers = workers }
        seconds = seconds + core.base.clock() - begin
      end
      return seconds
    end,
  }
end

-- One seed of every point, each another: as 6,400 of them would take 64 times as long. Recorded in
-- memory as those of a sweep are.
local function singles()
  local made, store = {}, mgd.store()
  for i, exp in ipairs(sweep().experiments) do
    made[i] = exp:with { seeds = { first = 1 + i * 37 % SEEDS, count = 1 } }
  end
  return {
    name = "single runs",
    per = POINTS,
    time = function(n)
      local begin = core.base.clock()
      for _ = 1, n do
        for _, exp in ipairs(made) do
          exp:run { threads = 1, store = store }
        end
      end
      return core.base.clock() - begin
    end,
  }
end

return {
  {
    id = "t1",
    title = "a sweep of 100 points × 64 seeds of XOR to its solution, a run of it",
    unit = "µs",
    make = function()
      return { ensembles(contenders.CORES), ensembles(1), singles() }
    end,
    targets = { { against = "single runs", at_least = 20 } },
  },
}
