--- s: the run store on disk: what a metric costs, and a question to many runs.

local contenders = require "contenders"
local core = require "mgd.core"
local mgd = require "mgd"

local RUNS = 100000

local function experiment(name)
  return mgd.experiment {
    name = name, network = { 2, 2, 1 }, data = "xor",
    training = { eta = 1, perturbation = { amplitude = 0.05 } }, steps = 100,
  }
end

-- The path of a file that goes when its owner does.
local function temporary()
  local path = os.tmpname()
  return path, setmetatable({}, { __gc = function()
    for _, ending in ipairs { "", "-wal", "-shm" } do
      os.remove(path .. ending)
    end
  end })
end

-- Cost and accuracy of so many replicas as rows of a history, to the disk.
local function metrics(replicas)
  local path, owner = temporary()
  local store, step, cost, accuracy = mgd.store(path), 0, {}, {}
  for r = 1, replicas do
    cost[r], accuracy[r] = r / 3, r / 7
  end
  local record = store:record { { experiment = experiment "a", first = 1, count = replicas } }
  return {
    name = ("%d replica%s"):format(replicas, replicas == 1 and "" or "s"),
    per = 2 * replicas,
    owner = owner,
    time = function(n)
      local begin = core.base.clock()
      for _ = 1, n do
        step = step + 1
        record:row(step, { cost = cost, accuracy = accuracy })
      end
      record:flush()
      return core.base.clock() - begin
    end,
  }
end

-- A store of runs: so many experiments, each on a point of a grid of η and τ_θ.
local function fill(path, experiments)
  local store = mgd.store(path)
  store:transaction(function()
    local run = store:prepare [[INSERT INTO runs (experiment, replica, state, solved, steps, cost,
      accuracy, wall) VALUES (?, ?, 'solved', ?, 1000, 0.03, 1, 0.5)]]
    local parameter = store:prepare "INSERT INTO parameters VALUES (?, ?, ?)"
    local one = store:prepare [[INSERT INTO experiments (name, hash, resolved, created)
      VALUES (?, ?, '{}', '')]]
    local parameters = experiment "a":parameters()
    for i = 1, experiments do
      one:run("e" .. i, tostring(i))
      local id = store.db:last_id()
      parameters["training.eta"] = i % 10 / 10
      parameters["training.tau_theta"] = i // 10 % 10 + 1
      for name, value in pairs(parameters) do
        parameter:run(id, name, value)
      end
      for replica = 1, RUNS // experiments do
        run:run(id, replica, replica * 10)
      end
    end
  end)
  store:close()
end

local function question(experiments)
  local path, owner = temporary()
  fill(path, experiments)
  local contender = contenders.clocked(
    ("%d experiments of %d runs"):format(experiments, RUNS // experiments), function()
      local store = mgd.store(path)
      local t = store:query {
        where = { ["training.eta"] = 0.3, ["training.tau_theta"] = { min = 4, max = 5 } },
        columns = { "training.eta", "training.tau_theta", "replica", "solved", "cost" },
      }
      assert(#t.solved == RUNS / 50)
      store:close()
    end)
  contender.owner = owner
  return contender
end

return {
  {
    id = "s1", title = "storing a metric on disk", unit = "µs",
    targets = { { against = "1 replica", below = 20 }, { against = "64 replicas", below = 20 } },
    make = function()
      return { metrics(1), metrics(64) }
    end,
  },
  {
    id = "s2", title = "opening a store of 100,000 runs, a query by two parameters", unit = "ms",
    targets = { { against = "1000 experiments of 100 runs", below = 200 },
      { against = "10000 experiments of 10 runs", below = 200 } },
    make = function()
      return { question(1000), question(10000) }
    end,
  },
}
