--- Sweeps: points, batches, results; what is stopped goes on; the same numbers however it ran.

local mgd = require "mgd"
local support = require "spec.support.train"

local fails = support.fails

-- A folder of its own for each spec.
local folder

local function path(name)
  return folder .. "/" .. name
end

local XOR = [[
  local mgd = require "mgd"
  local exp = mgd.experiment { name = "xor", data = "xor",
    network = { 2, 2, 1, activation = "sigmoid", output = "sigmoid" },
    training = { eta = 2, tau_theta = 4, perturbation = { code = "walsh", amplitude = 0.05 } },
    steps = STEPS, every = 100, stop = { cost = 0.04 } }
]]

local function xor(steps)
  return load((XOR:gsub("STEPS", tostring(steps))) .. " return exp")()
end

local function sweep_of(changes)
  local opt = { name = "s", base = xor(2000), seeds = 8, grid = { eta = { 1, 2, 4 } } }
  for key, value in pairs(changes) do
    opt[key] = value
  end
  return mgd.sweep(opt)
end

local function values(result, name)
  return result[name]:totable()
end

describe("mgd.sweep", function()
  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    os.execute("mkdir " .. folder)
  end)

  after_each(function()
    os.execute("rm -rf " .. folder)
  end)

  describe("points", function()
    it("of a grid are all combinations", function()
      local s = mgd.sweep { base = xor(100), grid = { eta = { 1, 2 }, ["cost.noise"] = { 0, 0.1,
        0.2 } } }
      assert.same(6, #s.points)
      assert.same({ "chip.cost.noise.sigma", "training.eta" }, s.paths)
      assert.same({ ["chip.cost.noise.sigma"] = 0, ["training.eta"] = 2 }, s.points[2])
      assert.same("xor/0002", s.experiments[2].name)
      assert.same(2, s.experiments[2]:get "eta")
    end)

    it("are drawn evenly from ranges, and the same each time", function()
      local function draw()
        return mgd.sweep { base = xor(100), random = { n = 2000, seed = 3, eta = { 0.01, 1,
          log = true },
          tau_theta = { 1, 8, integer = true }, ["perturbation.code"] = { choices = { "walsh",
            "random" } } } }
      end
      local s, sum, counts, walsh = draw(), 0, {}, 0
      for _, point in ipairs(s.points) do
        local eta, tau = point["training.eta"], point["training.tau_theta"]
        assert.is_true(eta >= 0.01 and eta < 1)
        sum = sum + math.log(eta, 10)
        counts[tau] = (counts[tau] or 0) + 1
        walsh = walsh + (point["training.perturbation.code"] == "walsh" and 1 or 0)
      end
      -- 2000 draws: the mean of a uniform over 2 has σ = 2/√12/√2000 = 0.013; 4 σ
      assert.near(-1, sum / 2000, 0.052)
      for tau = 1, 8 do -- binomial of 1/8: σ = 14.8; 5 σ, eight times
        assert.near(250, counts[tau], 74)
      end
      assert.near(1000, walsh, 90) -- σ = 22; 4 σ
      assert.same(s.points, draw().points)
    end)

    it("of Sobol's sequence are GSL's", function()
      local s = mgd.sweep { base = xor(100), sobol = { n = 4, eta = { 0, 8 }, tau_theta = { 1, 16,
        integer = true } } }
      local eta, tau = {}, {}
      for i, point in ipairs(s.points) do
        eta[i], tau[i] = point["training.eta"], point["training.tau_theta"]
      end
      assert.same({ 4, 6, 2, 3 }, eta) -- 1/2, 3/4, 1/4, 3/8 of the range
      assert.same({ 9, 5, 13, 7 }, tau) -- 1/2, 1/4, 3/4, 3/8
    end)

    it("of a list may change what they like", function()
      local s = mgd.sweep { base = xor(100), list = { {}, { eta = 5 }, { ["cost.noise"] = 0.1 } } }
      assert.same({ {}, { ["training.eta"] = 5 }, { ["chip.cost.noise.sigma"] = 0.1 } }, s.points)
    end)

    for what, case in pairs {
      ["an unknown path"] = { { grid = { etta = { 1 } } }, "(did you mean 'eta'?)" },
      ["an empty grid"] = { { grid = {} }, "option 'grid' is empty" },
      ["a path without values"] = { { grid = { eta = {} } }, "'eta' has no values" },
      ["an empty list"] = { { list = {} }, "option 'list' is empty" },
      ["no points"] = { {}, "no points: expected one of grid, random, sobol, halton, list" },
      ["two kinds"] = { { grid = { eta = { 1 } }, list = { {} } },
        "both 'grid' and 'list' are given" },
      ["a range upside down"] = { { random = { n = 2, eta = { 2, 1 } } }, "the lower one first" },
      ["a range that begins at 0 on a log scale"] = { { sobol = { n = 2, eta = { 0, 1,
        log = true } } },
        "it must begin above 0, got 0" },
      ["seeds as a path"] = { { grid = { seeds = { 1, 2 } } }, "option 'seeds' says how many" },
      ["a value that is wrong at one point"] = { { grid = { tau_theta = { 1, 0 } } }, "tau_theta" },
      ["no base"] = { { base = 3, grid = { eta = { 1 } } }, "option 'base' must be an experiment" },
    } do
      it("refuse " .. what, function()
        local opt = { base = xor(100) }
        for key, value in pairs(case[1]) do
          opt[key] = value
        end
        local message = fails(case[2], mgd.sweep, opt)
        assert.truthy(message:find("mgd.sweep", 1, true) or message:find("mgd.train", 1, true))
      end)
    end
  end)

  describe("running", function()
    it("gives what each experiment gives alone", function()
      local result = sweep_of {}:run { workers = 1 }
      for i, eta in ipairs { 1, 2, 4 } do
        local alone = xor(2000):with { eta = eta, seeds = 8 }:run {}
        assert.same(eta, result.points[i]["training.eta"])
        local text = function(t)
          local out = {}
          for k, value in ipairs(t) do
            out[k] = ("%.17g"):format(value):gsub("-nan", "nan")
          end
          return out
        end
        assert.same(text(alone.solved:totable()), text(values(result, "solved")[i]))
        assert.same(text(alone.history.cost[-1]:totable()), text(values(result, "cost")[i]))
      end
    end)

    it("packs points that differ in η, and divides many seeds", function()
      local batches = require "mgd.studies.sweep.batches"
      local s = mgd.sweep { base = xor(100), grid = { eta = { 1, 2 }, ["cost.noise"] = { 0, 0.1 } },
        seeds = 200 }
      local plan = batches.plan(s.experiments, 1, 200)
      local replicas, work = 0, 0
      for _, batch in ipairs(plan) do
        local key, count
        for _, group in ipairs(batch.groups) do
          local noise = s.points[group.point]["chip.cost.noise.sigma"]
          assert.is_true(key == nil or key == noise)
          key, count = noise, (count or 0) + group.count
        end
        assert.is_true(count <= 256)
        replicas, work = replicas + count, work + batch.work
      end
      assert.same(4, #plan) -- 400 replicas of each noise: 256 and 144
      assert.same(800, replicas)
      assert.same(800 * 100, work)
    end)

    it("gives the same store with one process or several, in memory or in a file", function()
      local one = sweep_of {}
      one:run { workers = 1 }
      local two = sweep_of { store = path "two.db" }
      two:run { workers = 2 }
      local memory = sweep_of {}
      memory:run { workers = 3, threads = 2 }
      assert.same(one.store:digest(), two.store:digest())
      assert.same(one.store:digest(), memory.store:digest())
      assert.is_true(memory.store.in_memory)
    end)

    it("runs nothing twice, and adds seeds", function()
      local s = sweep_of { store = path "a.db" }
      s:run { workers = 1 }
      local before = s.store:sql "SELECT id, finished FROM runs ORDER BY id"
      s:run { workers = 2 }
      assert.same(before, s.store:sql "SELECT id, finished FROM runs ORDER BY id")
      s.store:close()
      local more = sweep_of { store = path "a.db", seeds = 12 }
      local result = more:run { workers = 1 }
      assert.same({ 3, 12 }, result.steps.shape)
      local whole = sweep_of { seeds = 12 }
      whole:run { workers = 1 }
      assert.same(36, #more.store:runs())
      assert.same(values(whole:result(), "steps"), values(result, "steps"))
    end)

    it("takes equal points for the same sweep, however they were written", function()
      local s = sweep_of { store = path "a.db", grid = { eta = { 1, 2 } }, seeds = 2 }
      local digest = s:run({ workers = 1 }).store:digest()
      for _, values_of_eta in ipairs { { 1.0, 2.0 }, { 10 ^ 0, 2 }, mgd.linspace(1, 2, 2) } do
        sweep_of { store = s.store, grid = { eta = values_of_eta }, seeds = 2 }:run { workers = 1 }
        assert.same(digest, s.store:digest())
      end
      local nested = { { perturbation = { code = "walsh", amplitude = 1 } } }
      local function run()
        mgd.sweep { name = "n", base = xor(100), list = nested, store = s.store }:run {
          workers = 1 }
        return s.store:digest()
      end
      digest = run()
      nested[1].perturbation.amplitude = 1.0
      assert.same(digest, run())
      nested[1].perturbation.amplitude = 2
      fails("the store has another sweep named 'n', of other points or another base (point 1 is ",
        run)
    end)

    it("refuses another sweep of the same name", function()
      local s = sweep_of { store = path "a.db" }
      s:run { workers = 1 }
      fails("the store has another sweep named 's'", function()
        sweep_of { store = s.store, grid = { eta = { 1, 3 } } }:run { workers = 1 }
      end)
    end)

    it("records points that diverge, and goes on", function()
      local base = mgd.experiment { name = "linear", data = "xor", network = { 2, 1 },
        training = { perturbation = { code = "random", amplitude = 0.05 }, tau_theta = 4 },
        steps = 4000, every = 100, stop = { cost = 1e-9 } }
      local result = mgd.sweep { base = base, grid = { eta = { 0.1, 1e38 } }, seeds = 8 }:run {
        workers = 1 }
      assert.same(0, result:measure "diverged"[1])
      local count = 0
      for _, step in ipairs(values(result, "diverged")[2]) do
        count = count + (step >= 0 and step < 4000 and 1 or 0)
      end
      assert.is_true(count > 0) -- others end so far from the solution that C̃ is rounding
      assert.same(count, result:measure "diverged"[2])
      assert.same(count, #result.store:runs { where = { state = "diverged" } })
      assert.same(0, result.success[2].rate)
    end)

    it("keeps what failed, says so, and tries again", function()
      local s = sweep_of { store = path "a.db" }
      local runner = require "mgd.studies.experiment.runner"
      local real, calls = runner.ensemble, 0
      runner.ensemble = function(...)
        calls = calls + 1
        if calls == 1 then
          error("the chip is on fire", 0)
        end
        return real(...)
      end
      local first = s:run { workers = 1 }
      runner.ensemble = real
      assert.same(1, #first.failures)
      assert.same("the chip is on fire", first.failures[1].message)
      local second = s:run { workers = 1 }
      assert.same(0, #second.failures)
      local whole = sweep_of {}
      whole:run { workers = 1 }
      assert.same(whole.store:digest(), s.store:digest())
    end)
  end)

  describe("stopped by", function()
    -- long enough to be stopped in the middle, also where sanitizers make it ten times as long
    local steps = os.getenv "MGD_SANITIZE" and "20000" or "150000"
    local script = (XOR:gsub("STEPS", steps)) .. [[
      local s = mgd.sweep { name = "s", base = exp, seeds = 48, store = arg[1],
        grid = { eta = { 1, 2 }, ["cost.noise"] = { 0, 1e-3 } } }
      s:run { workers = 2, checkpoint_every = 0.05 }
      print(s.store:digest())
    ]]

    local function run(store, before)
      local file = assert(io.open(path "script.lua", "w"))
      file:write(script)
      file:close()
      local pipe = assert(io.popen(("cd %s; %s %s script.lua %s 2>&1"):format(folder, before,
        os.getenv "MGD_LUA", store)))
      local out = pipe:read "*a"
      pipe:close()
      return out
    end

    local whole
    local function undisturbed()
      whole = whole or run("whole.db", "")
      assert.truthy(whole:find "^%x+\n$", whole)
      return whole
    end

    it("kill −9, again and again, ends as if nothing had happened", function()
      local out
      for try = 1, 40 do
        out = run("killed.db", ("timeout -s KILL %g"):format(0.1 + 0.15 * try))
        if out:find "^%x+\n$" then
          assert.is_true(try > 1, "the machine is too fast for this spec")
          break
        end
      end
      assert.same(undisturbed(), out)
      local left = io.popen("ls " .. folder):read "*a"
      assert.is_nil(left:find "checkpoint")
      assert.is_nil(left:find "lock")
    end)

    -- The script does something to its first two workers, or to itself, once they are at work.
    local function run_with(store, what)
      local changed = script
      script = script:gsub("s:run", ([[
        local process = require "mgd.core".process
        local watch = process.wait
        local done
        process.wait = function(pids, seconds)
          if not done and #pids == 2 then
            require "mgd.core".base.sleep(0.3)
            done = true
            process.kill(%s)
          end
          return watch(pids, seconds)
        end
        s:run]]):format(what), 1)
      local out = run(store, "")
      script = changed
      return out
    end

    it("the death of a worker, whose points others take up", function()
      local out = run_with("bereft.db", 'pids[1], "kill"')
      assert.truthy(out:find("a worker of the sweep was killed by signal 9", 1, true), out)
      assert.same(undisturbed(), out:match "(%x+\n)$")
    end)

    it("an interrupt, and says so", function()
      local out = run_with("stopped.db", 'process.pid(), "int"')
      assert.truthy(out:find("interrupted", 1, true), out)
      assert.same(undisturbed(), run("stopped.db", ""))
    end)
  end)
end)

describe("the result of a sweep", function()
  it("is a table of numbers by two parameters", function()
    local result = mgd.sweep { base = xor(2000), seeds = 4, grid = { eta = { 4, 1 },
      ["cost.noise"] = { 0.5, 0 } } }:run { workers = 1 }
    local x, y, z = result:grid("success", "eta", "cost.noise")
    assert.same({ 1, 4 }, x)
    assert.same({ 0, 0.5 }, y)
    assert.same({ 2, 2 }, z.shape)
    for i, point in ipairs(result.points) do
      local column = point["training.eta"] == 1 and 1 or 2
      local row = point["chip.cost.noise.sigma"] == 0 and 1 or 2
      assert.same(result.success[i].rate, z[{ row, column }])
    end
    for i, time in ipairs(result.time) do -- two for a step: C and C₀
      assert.same(2 * time.median, result:measure("evaluations")[i])
    end
    local _, _, one = result:grid("success", "eta", "eta", { ["cost.noise"] = 0 })
    assert.is_true(one[{ 1, 2 }] ~= one[{ 1, 2 }]) -- no such point
    fails("unknown measure 'sucess'", function()
      result:grid("sucess", "eta", "cost.noise")
    end)
    local text = tostring(result)
    for _, word in ipairs { "sweep xor, 4 seeds", "training.eta", "success", "steps to solution",
      "evaluations" } do
      assert.truthy(text:find(word, 1, true), text)
    end
  end)

  it("is not there before it has run", function()
    fails("has not been run yet", function()
      mgd.sweep { base = xor(100), grid = { eta = { 1 } } }:result()
    end)
  end)
end)
