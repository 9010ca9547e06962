-- Replicas that stopped: nothing of them changes, they cost nothing, and they can go on.

local mgd = require "mgd"
local support = require "spec.support.train"

local options = support.options

-- A run whose replica r stops at the end of round r mod `rounds`, counted from 1.
local function stop_in_rounds(run, first, rounds, length, each)
  for round = 1, rounds do
    run.core:advance(length)
    for r = 1, run.options.replicas do
      if (first + r - 1) % rounds + 1 == round then
        run.core:stop(r)
      end
    end
    if each then
      each(round)
    end
  end
end

-- The rows of a run's state by name, without the columns of its own clock: DONE, and all from STEP.
local function state(run, r)
  local rows = {}
  for _, entry in ipairs(run.core:state()) do
    rows[entry[1]] = entry[2][r]:totable()
  end
  for column = 12, #rows.replicas do
    rows.replicas[column] = nil
  end
  rows.replicas[7] = nil
  return rows
end

describe("replicas that stop at different rows", function()
  local CASES = {
    {name = "plain descent", opts = {}},
    {name = "windows", opts = {tau_theta = 6, shuffle = false}},
    {name = "adam, large set", opts = {optimizer = "adam", tau_theta = 3,
      data = mgd.data.from{x = mgd.randn({300, 2}, {seed = 1}),
                           y = mgd.rand({300, 1}, {seed = 2})}}},
    {name = "momentum, two-sided", opts = {optimizer = "momentum", baseline = "two-sided"}},
    {name = "a sparse code", opts = {perturbation = {code = "random", sparsity = 0.5}}},
    {name = "rows", opts = {batch = 40}},
  }
  for _, dtype in ipairs {"f32", "f64"} do
    for _, case in ipairs(CASES) do
      it(("have the state of single runs, and go on as they do: %s, %s"):format(case.name, dtype),
        function()
          local opts = options({net = mgd.nn.mlp{2, 3, 1, dtype = dtype}, data = mgd.data.xor(),
            init = {}, eta = 0.2, seed = 3}, case.opts)
          local ensemble = mgd.train(options(opts, {replicas = 90}))
          stop_in_rounds(ensemble, 0, 5, 12)
          for r = 1, 90, 7 do
            local single = mgd.train(options(opts, {replica = r}))
            single.core:advance(12 * ((r - 1) % 5 + 1))
            single.core:stop(1)
            assert.same(state(single, 1), state(ensemble, r))
          end
        end)
    end
  end

  it("go on together after mgd.resume as in one go, θ and history", function()
    local path = os.tmpname()
    local opts = {net = mgd.nn.mlp{2, 3, 1}, data = mgd.data.xor(), init = {}, replicas = 70,
      tau_theta = 5, optimizer = "adam"}
    local run = mgd.train(opts)
    stop_in_rounds(run, 0, 4, 7)
    run:save(path)
    local again = mgd.resume(path)
    os.remove(path)
    local plan = {steps = 33, every = 10, probes = {"cost", "C", "norm_G"}}
    local a, b = run:run(plan), again:run(plan)
    for _, name in ipairs(plan.probes) do
      assert.same(a[name]:totable(), b[name]:totable())
    end
    assert.same(run:theta():totable(), again:theta():totable())
  end)

  it("keep a window that is under way, and drop one that has ended meanwhile", function()
    local opts = {net = mgd.nn.mlp{2, 2, 1}, data = mgd.data.xor(), init = {}, tau_theta = 10}
    local run = mgd.train(options(opts, {replicas = 40}))
    run.core:advance(4)
    run.core:stop(1)
    run.core:advance(2)
    assert.not_same(0, run.core:state()[2][2][1]:norm())
    run.core:advance(10)
    assert.equal(0, run.core:state()[2][2][1]:norm())
  end)
end)

describe("stopped replicas are no longer advanced:", function()
  it("units close up as replicas stop", function()
    local run = mgd.train{net = mgd.nn.mlp{2, 2, 1}, data = mgd.data.xor(), replicas = 1024,
      init = {}, threads = 1}
    local units = run.core:units()
    local before = units
    stop_in_rounds(run, 0, 4, 5, function(round)
      if round < 4 then
        run.core:advance(1)
        local _, active = run.core:units()
        assert.equal(math.ceil(units * (4 - round) / 4), active)
        assert.is_true(active < before)
        before = active
      end
    end)
    run.core:go_on()
    run.core:advance(1)
    assert.same({units, units}, {run.core:units()})
  end)

  it("a chip is not asked for them", function()
    local asked = 0
    local chip = mgd.chip{parameters = 1, evaluate = function(theta)
      asked = asked + 1
      return theta:reshape{1, 1}
    end}
    local run = mgd.train{chip = chip, data = {x = mgd.ones{1, 1}, y = mgd.ones{1, 1}},
      replicas = 8, eta = 0}
    run.core:advance(10)
    local each = asked / 8
    for r = 2, 8 do
      run.core:stop(r)
    end
    asked = 0
    run.core:advance(10)
    assert.equal(each, asked)
  end)

  it("nor for their probes, whose values are kept", function()
    local asked = 0
    local chip = mgd.chip{parameters = 1, evaluate = function(theta)
      asked = asked + 1
      return theta:reshape{1, 1}
    end}
    local run = mgd.train{chip = chip, data = {x = mgd.ones{1, 1}, y = mgd.ones{1, 1}},
      replicas = 4, init = {low = 0, high = 1}, eta = 0.05}
    local history = run:run{steps = 20, every = 1, probes = {"cost"}, stop = {cost = 0.2}}
    local steps, rows = 0, 0
    for r = 1, 4 do
      local last = history.stopped[r] == history.stopped[r] and history.stopped[r] or run.steps_done
      steps, rows = steps + last, rows + last + 1
      assert.equal(history.cost[last + 1][r], history.cost[-1][r])
    end
    assert.equal(2 * steps + rows, asked) -- C₀ and C
  end)
end)

describe("bug: a run whose last replica to stop diverged", function()
  it("goes on from that stop, not from where its segment happened to end", function()
    local calls, bad = 0, math.huge
    local chip = mgd.chip{parameters = 2, evaluate = function(theta, x)
      calls = calls + 1
      local value = theta[1] * 0.1 + theta[2] * 0.2
      return mgd.full({x.shape[1], 1}, calls > bad and 0 / 0 or value)
    end}
    local run = mgd.train{chip = chip, data = mgd.data.xor(), replicas = 2, eta = 0.01, seed = 3,
      init = {scheme = "uniform", low = -0.5, high = 0.5}}
    bad = 300 -- C₀ and C of 150 steps of the second replica; the first stops at once
    local history = run:run{steps = 5000, every = 5000, probes = {"norm_theta"},
      stop = {norm_theta = 0.2}}
    assert.equal(0, history.stopped[1])
    assert.equal(150, history.diverged[2])
    assert.equal(150, run.steps_done)
    local before = run:theta()
    bad = math.huge
    run:run{steps = 5, probes = {}}
    assert.equal(155, run.steps_done)
    assert.not_same(before[1]:totable(), run:theta()[1]:totable())
  end)
end)
