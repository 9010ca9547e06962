-- Runs that blow up: when a replica has diverged, what is said of it, and what ends it.

local errors = require "spec.support.errors"
local mgd = require "mgd"

local function network(dtype)
  return mgd.nn.mlp { 2, 3, 1, activation = "tanh", output = "identity", dtype = dtype }
end

-- Engines whose θ runs away on XOR with a huge η.
local ENGINES = {
  discrete = { tau_theta = 4, perturbation = { amplitude = 0.01 }, eta = 3 },
  ["two-sided"] = { tau_theta = 4, baseline = "two-sided", perturbation = { amplitude = 0.01 },
    eta = 3 },
  analog = { engine = "analog", tau_theta = 6, tau_x = 40, batch = 4, eta = 0.5, tau_p = 2,
    perturbation = { amplitude = 0.01 } },
  ["by an integrator"] = { engine = "analog", integrator = "rk4", tau_theta = 6, tau_x = 40,
    batch = 4, eta = 1, tau_p = 2, perturbation = { amplitude = 0.01 } },
  ["over nodes"] = { perturb = "nodes", tau_theta = 4, perturbation = { amplitude = 0.01 },
    eta = 3 },
  backprop = { engine = "backprop", eta = 4, batch = 4 },
}

local function train(name, changes)
  local opt = { net = network(ENGINES[name].integrator and "f64"),
    data = mgd.data.xor(), seed = 3, init = { scheme = "uniform" } }
  for _, source in ipairs { ENGINES[name], changes or {} } do
    for key, value in pairs(source) do
      opt[key] = value
    end
  end
  return mgd.train(opt)
end

local heard = errors.heard

local STEPS = 200

-- |C| of every step of a run that nothing ends, while it is finite.
local function costs(name, replica)
  local run, list = train(name, { replica = replica }), {}
  heard(function()
    run:run { steps = STEPS, every = 1, probes = { "C" }, on_row = function(row)
      if row.step > 0 then
        list[row.step] = math.abs(row.C) -- the last one may come twice
      end
    end }
  end)
  return list
end

-- The step at which it diverges, by its definition; nil where it does not.
local function diverges(list, window, factor)
  local largest = 1e-3 * 0.5 -- of the mean square of XOR's targets
  for n = 1, window do
    largest = math.max(largest, list[n])
  end
  for n = window + 1, #list do
    if list[n] > factor * largest then
      return n - 1
    end
  end
  return #list < STEPS and #list or nil -- the cost that was not finite has no row
end

local function steps_of(history)
  local list = {}
  for r, step in ipairs(history.diverged:totable()) do
    list[r] = step == step and step or false
  end
  return list
end

describe("a replica diverges", function()
  for name, engine in pairs(ENGINES) do
    it("at the first step beyond the limit: " .. name, function()
      local window = engine.engine == "backprop" and 1 or engine.tau_theta
      local some = false
      for replica = 1, 2 do
        for _, factor in ipairs { 30, 1e6 } do
          local expected = diverges(costs(name, replica), window, factor)
          local run = train(name, { replica = replica })
          local _, ok, history = heard(function()
            return run:run { steps = STEPS, stop = { diverged = factor } }
          end)
          assert.is_true(ok)
          assert.same({ expected or false }, steps_of(history))
          assert.equal(expected or STEPS, run.steps_done)
          some = some or expected ~= nil
        end
      end
      assert.is_true(some)
    end)

    it("at the same step in an ensemble, for any threads, segments and resumes: " .. name,
      function()
        local alone, theta = {}, {}
        for replica = 1, 5 do
          local run = train(name, { replica = replica })
          heard(function()
            alone[replica] = steps_of(run:run { steps = STEPS, stop = { diverged = 1e3 } })[1]
          end)
          theta[replica] = run:theta()
        end
        local path = os.tmpname()
        for _, threads in ipairs { 1, 2 } do
          local run = train(name, { replicas = 5, threads = threads })
          heard(function()
            for _, steps in ipairs { 1, 2, 7, 90 } do
              run:run { steps = steps, stop = { diverged = 1e3 }, keep_stopped = true }
              run:save(path)
              run = mgd.resume(path)
            end
            run:run { steps = STEPS - 100, stop = { diverged = 1e3 } }
          end)
          assert.same(alone, steps_of(run.history))
          for replica = 1, 5 do
            assert.is_true(run:theta()[replica]:allclose(theta[replica], { rtol = 0 }))
          end
        end
        os.remove(path)
      end)
  end

  it("and the freed lanes cost nothing", function()
    local run = train("discrete", { replicas = 200, eta = 30 })
    heard(function()
      run:run { steps = 4000, stop = { diverged = 100 } }
    end)
    local gone = 0
    for _, step in ipairs(steps_of(run.history)) do
      gone = gone + (step and 1 or 0)
    end
    assert.is_true(gone > 100)
    local units, active = run.core:units()
    assert.is_true(gone == 200 or active < units)
  end)

  it("not where its first samples happened to be answered right", function()
    local zero = mgd.data.from { x = mgd.zeros { 2, 1 }, y = mgd.tensor { { 0 }, { 1 } } }
    local run = mgd.train { net = mgd.nn.mlp { 1, 1, output = "identity" }, data = zero, eta = 0,
      shuffle = false, perturbation = { amplitude = 1e-9 } }
    local said, ok, history = heard(function()
      return run:run { steps = 50, stop = { diverged = 1e6 } }
    end)
    assert.same({ true, "" }, { ok, said })
    assert.same({ false }, steps_of(history))
  end)
end)

describe("a run that diverges", function()
  it("goes on unless told otherwise, and says so at once, once", function()
    local run, at = train("discrete", { replica = 2, eta = 0.9 }), nil
    local said = heard(function()
      pcall(run.run, run, { steps = 5000, every = 1, on_row = function(row)
        at = at or run.core:diverged(1) and row.step
      end })
    end)
    local step = run.core:diverged(1)
    assert.is_number(step)
    assert.is_truthy(said:find(("replica 2 %%(seed 3%%) diverges: its cost is %%S+ at step %d,")
      :format(step)))
    assert.equal(1, select(2, said:gsub("diverges", "")))
    assert.is_true(at - step <= 1)
    assert.is_true(run.steps_done > step)
  end)

  it("is told within a call of many steps, and in the log", function()
    local path = os.tmpname()
    local run = train("discrete", { replicas = 3, eta = 0.9 })
    heard(function()
      pcall(run.run, run, { steps = 3000, log = path })
    end)
    local events, json = {}, require "mgd.text.json"
    for line in io.lines(path) do
      local event = json.decode(line, error)
      if event.event == "diverged" then
        events[event.replica] = event
      end
    end
    os.remove(path)
    for r = 1, 3 do
      assert.equal(run.core:diverged(r), events[r] and events[r].step)
      local event = events[r] or {}
      assert.is_true(event.cost == nil or event.cost > 1e6 * event.reference)
    end
  end)

  it("is never advised a larger amplitude", function()
    local run = train("discrete", { replica = 2, eta = 0.9 })
    local said = heard(function()
      pcall(run.run, run, { steps = 20000 })
    end)
    assert.is_nil(said:find("amplitude", 1, true))
    assert.is_nil(tostring(run:explain()):find("try amplitude", 1, true))
    assert.is_truthy(tostring(run:explain()):find("smaller η", 1, true))
  end)

  it("does not go on once it was ended, and never solves its task", function()
    local run = train("discrete", { replicas = 4 })
    heard(function()
      run:run { steps = STEPS, stop = { diverged = 1e3 } }
    end)
    local before, theta = steps_of(run.history), run:theta()
    heard(function()
      pcall(run.run, run, { steps = 10 })
    end)
    local some
    for r, step in ipairs(before) do
      if step then
        some = r
        assert.equal(step, steps_of(run.history)[r])
        assert.is_true(run:theta()[r]:allclose(theta[r], { rtol = 0 }))
        local last = run.history:time_to_solution { cost = 1e300 }.last[r]
        assert.is_true(last ~= last)
      end
    end
    assert.is_truthy(some)
  end)

  it("is no error where stop says what ends it, and one in the next call", function()
    local run = train("discrete", { replica = 1, eta = 30 })
    heard(function()
      run:run { steps = STEPS, stop = { diverged = 1e3 } }
    end)
    assert.has_error(function()
      run:run { steps = 1 }
    end)
  end)

  it("counts as unsolved for ever", function()
    local t = mgd.stats.time_to_solution({ 100, 0 / 0, 0 / 0 }, { budget = { 200, 10, 200 },
      diverged = { 0 / 0, 10, 0 / 0 } })
    local without = mgd.stats.time_to_solution({ 100, 0 / 0, 0 / 0 }, { budget = { 200, 10, 200 } })
    assert.is_true(math.abs(t.survival[1] - 2 / 3) < 1e-12)
    assert.is_true(math.abs(without.survival[1] - 1 / 2) < 1e-12)
  end)
end)

describe("the option stop.diverged", function()
  it("is a number above 1, or false", function()
    local run = train "discrete"
    for _, case in ipairs { { 1, "must be a number > 1" }, { 0 / 0, "diverged" },
      { -5, "diverged" },
      { "x", "diverged" }, { true, "must be a number > 1, or false" } } do
      local ok, message = pcall(run.run, run, { steps = 1, stop = { diverged = case[1] } })
      assert.is_false(ok)
      assert.is_truthy(tostring(message):find(case[2], 1, true), message)
      assert.is_truthy(tostring(message):find("divergence_spec.lua", 1, true))
    end
    assert.equal(0, run.steps_done)
    run:run { steps = 1, stop = { diverged = false } }
  end)

  local function experiment(stop)
    return mgd.experiment { name = "wild", data = "xor", steps = 300, seeds = 4, stop = stop,
      network = { 2, 3, 1, activation = "tanh", output = "identity" },
      training = { tau_theta = 4, eta = 30, perturbation = { amplitude = 0.01 } } }
  end

  it("holds in sweeps, which state the factor", function()
    local sweep = mgd.sweep { base = experiment { cost = 1e-3 },
      grid = { ["training.eta"] = { 20, 30 } } }
    local result
    heard(function()
      result = sweep:run { workers = 1 }
    end)
    assert.equal(1e6, result.divergence)
    assert.is_truthy(tostring(result):find("1e+06 times the largest of the first window", 1, true))
    assert.equal(1e6, result.experiments[1]:get "stop.diverged")
    assert.equal(1e6, result.experiments[1]:parameters()["stop.diverged"])
    local states = result.store:query { columns = { "state", "diverged", "steps" } }
    local some = false
    for i, state in ipairs(states.state) do
      if state == "diverged" then
        some = true
        assert.equal(states.diverged[i], states.steps[i])
        assert.is_true(states.steps[i] < 300)
      end
    end
    assert.is_true(some)
  end)

  it("is a parameter like others, and off where a sweep says so", function()
    local sweep = mgd.sweep { base = experiment { cost = 1e-3, diverged = false },
      grid = { ["stop.diverged"] = { 1e2, 1e4 } } }
    assert.equal(1e2, sweep.experiments[1]:get "stop.diverged")
    assert.is_false(mgd.sweep { base = experiment { diverged = false },
      grid = { ["training.eta"] = { 1 } } }.experiments[1]:get "stop.diverged")
  end)

  it("is no solution by itself", function()
    local ok, message = pcall(mgd.tolerance, { experiment = experiment { diverged = 1e6 },
      vary = { ["cost.noise"] = { 1e-4, 1e-3 } } })
    assert.is_false(ok)
    assert.is_truthy(tostring(message):find("which says what a solution is", 1, true))
  end)
end)
