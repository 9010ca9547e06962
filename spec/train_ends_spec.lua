-- What ends or troubles a run: stops, lost signals, memory, interrupts, costs that are not finite.

local mgd = require "mgd"
local core = require "mgd.core"
local support = require "spec.support.train"

local ONE = support.ONE
local options = support.options
local fails = support.fails
local subprocess = support.subprocess
local counting_chip = support.counting_chip
local quick = os.getenv "MGD_SPEC_QUICK" ~= nil

-- ---- stopping -----------------------------------------------------------------------------------

describe("stop", function()
  local net = mgd.nn.mlp{2, 4, 1, activation = "tanh", output = "sigmoid"}
  local opts = {net = net, data = mgd.data.xor(), batch = 4, shuffle = false, tau_theta = 4,
    eta = 0.03, optimizer = "adam", init = {}, replicas = 10, baseline = "two-sided"}

  it("holds the θ of a replica that is done while the others go on", function()
    local run = mgd.train(opts)
    local thetas = {}
    local history = run:run{steps = 20000, every = 100, probes = {"cost"}, stop = {cost = 0.05}}
    for r = 1, 10 do
      local single = mgd.train(options(opts, {replicas = 1, replica = r}))
      single.core:advance(history.stopped[r])
      thetas[r] = single:theta():totable()
    end
    assert.same(thetas, run:theta():totable())
    assert.is_true(history.stopped:min() < history.stopped:max())
    assert.equal(history.stopped:max(), run.steps_done)
    assert.equal(run.steps_done, history.step[history.step.size])
  end)

  it("keeps a row's cost of a stopped replica as it was", function()
    local run = mgd.train(opts)
    local history = run:run{steps = 20000, every = 100, probes = {"cost"}, stop = {cost = 0.05}}
    for row = 1, history.step.size do
      for r = 1, 10 do
        if history.step[row] >= history.stopped[r] then
          assert.equal(history.cost[history.step.size][r], history.cost[row][r])
        end
      end
    end
  end)

  it("takes probes that were not asked for", function()
    local run = mgd.train(opts)
    local history = run:run{steps = 200, every = 100, probes = {"C"}, stop = {norm_theta = 0}}
    assert.same({"step", "evaluations", "time", "wall", "C", "norm_theta"}, history.names)
    assert.equal(200, run.steps_done)
  end)

  it("needs every condition at once", function()
    local run = mgd.train(options(opts, {replicas = 1}))
    run:run{steps = 100, every = 10, stop = {accuracy = 0, cost = -1}}
    assert.equal(100, run.steps_done)
    run:run{steps = 100, every = 10, stop = {accuracy = 0, cost = 1e9}}
    assert.equal(100, run.steps_done)
  end)

  it("may be a function of the row", function()
    local run, rows = mgd.train(opts), {}
    run:run{steps = 1000, every = 10, probes = {"cost"}, stop = function(row)
      rows[#rows + 1] = row.step
      assert.equal(10, #row.cost)
      return row.step >= 30
    end}
    assert.same({0, 10, 20, 30}, rows)
    assert.equal(30, run.steps_done)
    run:run{steps = 10}
    assert.equal(40, run.steps_done)
  end)
end)

-- ---- warnings, memory, interrupts ---------------------------------------------------------------

describe("a signal lost in rounding", function()
  local script = [[
    local mgd = require "mgd"
    local net = mgd.nn.mlp{2, 3, 1, output = "sigmoid"}:init{seed = 1}
    local run = mgd.train{net = net, data = mgd.data.xor(), perturbation = {amplitude = %s}}
    for _ = 1, 4 do
      run:run{steps = 2000, every = 500}
    end
    print "done"
  ]]

  it("is told once, on stderr, with an amplitude that would mend it", function()
    local out = subprocess(script:format "1e-8")
    assert.equal(1, select(2, out:gsub("mgd: warning: ", "")), out)
    local advice = tonumber(out:match "an amplitude of (%S+) or more")
    assert.is_truthy(out:find("done\n", 1, true))
    -- the one advised does mend it, and is no larger than it must be
    assert.is_true(advice > 1e-6 and advice < 0.1, out)
    assert.equal("done\n", subprocess(script:format(advice)))
  end)

  it("is not told of a sound amplitude", function()
    assert.equal("done\n", subprocess(script:format "0.01"))
  end)

  it("is not told of an ensemble in which all but one replica have stopped", function()
    local run = mgd.train{net = mgd.nn.mlp{2, 3, 1, output = "sigmoid"}, data = mgd.data.xor(),
      init = {}, replicas = 4096, perturbation = {amplitude = 1e-3}}
    for r = 2, 4096 do
      run.core:stop(r)
    end
    run.core:advance(300)
    assert.is_nil(run.warning)
  end)

  it("names the mean cost of a replica", function()
    local run = mgd.train{net = mgd.nn.mlp{2, 3, 1, output = "sigmoid"}, data = mgd.data.xor(),
      init = {}, replicas = 100, perturbation = {amplitude = 1e-9}}
    run.core:advance(300)
    local cost = tonumber(run.warning:match "of C %(([^)]+)%)")
    assert.is_true(cost > 0.1 and cost < 1, run.warning)
  end)
end)

describe("memory", function()
  for _, replicas in ipairs {1, 40} do
    for _, batch in ipairs {1, 40} do
      it(("is not allocated per step, %d replicas, batch %d"):format(replicas, batch), function()
        local run = mgd.train{net = mgd.nn.mlp{2, 3, 1}, data = mgd.data.xor(), replicas = replicas,
          batch = batch, eta = function() return 0.1 end}
        local function blocks(steps)
          local before = core.base.memory().total_blocks
          run.core:advance(steps)
          return core.base.memory().total_blocks - before
        end
        blocks(10)
        assert.equal(blocks(10), blocks(quick and 1000 or 10000))
      end)
    end
  end

  it("of a run is given back", function()
    local function live()
      collectgarbage()
      collectgarbage()
      return core.base.memory().live_bytes
    end
    local net, set = mgd.nn.mlp{2, 3, 1}, mgd.data.xor()
    local before = live()
    for _ = 1, 20 do
      mgd.train{net = net, data = set, replicas = 100, optimizer = "adam"}:run{steps = 10,
        probes = {"angle", "cost"}}
    end
    assert.equal(before, live())
  end)
end)

describe("an interrupt", function()
  it("bug: a unit that had skipped its measurements went on when another answered first", function()
    local opts = {net = mgd.nn.mlp{8, 16, 1}, data = mgd.data.parity{bits = 8}, batch = 8,
      replicas = 512, init = {}, threads = 2, perturbation = {amplitude = 0.01}}
    local straight = mgd.train(options(opts, {eta = 0.1}))
    straight.core:advance(40)
    local asked = 0
    local run = mgd.train(options(opts, {eta = function()
      asked = asked + 1
      if asked % 2 == 0 then -- pending while all units measure
        mgd.interrupt()
      end
      return 0.1
    end}))
    while run.steps_done < 40 do
      run.core:advance(40 - run.steps_done)
    end
    assert.is_true(straight:theta():allclose(run:theta(), {rtol = 0}))
  end)

  local net = mgd.nn.mlp{2, 3, 1}:init{seed = 4}

  it("stops a run, keeps its history, and the run can go on", function()
    local armed = true
    local opts = {net = net, data = mgd.data.xor(), eta = function(step)
      if armed and step >= 250 then
        armed = false
        core.base.interrupt()
      end
      return 0.1
    end}
    local run = mgd.train(opts)
    local message = fails("run:run: interrupted at step", function()
      run:run{steps = 1e6, every = 100}
    end)
    assert.is_truthy(message:find("^[^\n]*train_ends_spec%.lua:%d+: "), message)
    local stopped = run.steps_done
    assert.is_true(stopped >= 250 and stopped < 1e6)
    assert.same({0, 100, 200}, run.history.step[{{1, 3}}]:totable())
    local history = run:run{steps = 2000 - stopped % 1000}
    assert.equal(stopped, history.step[1])
    local whole = mgd.train(opts)
    whole.core:advance(run.steps_done)
    assert.same(whole:theta():totable(), run:theta():totable())
  end)

  it("inside a probe keeps the history too", function()
    local armed = false
    local chip = mgd.chip{parameters = 1, evaluate = function(theta, x)
      if armed and x.shape[1] == 4 then
        core.base.interrupt()
      end
      return mgd.full({x.shape[1], 1}, theta[1])
    end}
    local run = mgd.train{chip = chip, data = mgd.data.xor(), eta = function(step)
      armed = step >= 25 and step < 30
      return 0.1
    end}
    fails("interrupted", function() run:run{steps = 100, every = 10, probes = {"cost"}} end)
    assert.same({0, 10, 20}, run.history.step:totable())
    assert.equal(30, run.steps_done)
    run:run{steps = 10, probes = {}}
    assert.equal(40, run.steps_done)
  end)

  it("in evaluate is answered once: the next call works", function()
    local run = mgd.train{net = net, data = mgd.data.xor()}
    core.base.interrupt()
    fails("interrupted", run.evaluate, run)
    assert.is_number(run:evaluate().cost)
    core.base.interrupt()
    fails("interrupted", function() run:run{steps = 5} end)
    run:run{steps = 5}
    assert.equal(5, run.steps_done)
  end)

  it("reaches a run of a chip in Lua", function()
    local chip = counting_chip(function(k)
      if k == 50 then
        core.base.interrupt()
      end
    end)
    local run = mgd.train{chip = chip, data = ONE}
    fails("interrupted", function() run:run{steps = 1e7, probes = {}} end)
    assert.is_true(run.steps_done < 1e6)
    run:run{steps = 5}
  end)
end)

-- ---- non-finite costs ---------------------------------------------------------------------------

describe("a cost that is not finite", function()
  for name, value in pairs {NaN = 0 / 0, infinite = math.huge} do
    it(("(%s) stops the run with its step, and θ is the last finite one"):format(name), function()
      -- measured, τ = 1: two evaluations a step, so evaluation 12 is C of step 5
      for _, at in ipairs {11, 12} do
        local opts = {data = ONE, eta = 0.1, perturbation = {amplitude = 0.1}}
        local chip = counting_chip(function(k) return k == at and value or nil end)
        local run = mgd.train(options(opts, {chip = chip}))
        local message = fails("at step 5 ", function() run:run{steps = 100, probes = {"C"}} end)
        assert.is_truthy(message:find(
          "^[^\n]*train_ends_spec%.lua:%d+: run:run: the cost became "), message)
        assert.is_truthy(message:find("seed 1", 1, true), message)
        assert.equal(5, run.steps_done)
        local other = mgd.train(options(opts, {chip = (counting_chip())}))
        other.core:advance(5)
        assert.equal(other:theta()[1], run:theta()[1])
        assert.equal(5, run.history.step[run.history.step.size])
        assert.equal(5, run.history.diverged[1])
        assert.is_true(run.history.stopped[1] ~= run.history.stopped[1])
      end
    end)
  end

  it("names the cost that was not finite, also when it was C₀", function()
    local chip = counting_chip(function(k) return k == 11 and 0 / 0 or nil end)
    local run = mgd.train{chip = chip, data = ONE}
    local message = fails("the cost became ", function() run:run{steps = 100, probes = {}} end)
    assert.is_truthy(message:lower():find("the cost became %-?nan at step 5 "), message)
  end)

  it("inside a window leaves θ as the last write left it", function()
    local chip = counting_chip(function(k) return k == 22 and 0 / 0 or nil end)
    local run = mgd.train{chip = chip, data = ONE, tau_theta = 8, tau_x = 1000, eta = 0.1}
    fails("at step ", function() run:run{steps = 100, probes = {}} end)
    local other = mgd.train{chip = (counting_chip()), data = ONE, tau_theta = 8, tau_x = 1000,
      eta = 0.1}
    other.core:advance(16) -- 18 evaluations, then C₀ and C of step 16, C of 17, C of 18
    assert.equal(18, run.steps_done)
    assert.equal(other:theta()[1], run:theta()[1])
  end)

  it("of one replica lets the others go on", function()
    -- replica r starts at θ of its own; the one that starts highest turns NaN at once
    local opts = {data = ONE, replicas = 6, init = {low = 0, high = 1}, eta = 0.1}
    local function sane()
      return mgd.chip{parameters = 1, evaluate = function(theta) return theta:reshape{1, 1} end}
    end
    local start = mgd.train(options(opts, {chip = sane()})):theta():reshape{6}
    local highest = start:argmax()
    local limit = (function()
      local sorted = start:totable()
      table.sort(sorted)
      return (sorted[5] + sorted[6]) / 2
    end)()
    local seen = 0
    local chip = mgd.chip{parameters = 1, evaluate = function(theta)
      if seen < 2 and theta[1] > limit + 0.02 then -- C₀ and C of its first step
        seen = seen + 1
        return mgd.full({1, 1}, 0 / 0)
      end
      return theta:reshape{1, 1}
    end}
    if start[highest] < limit + 0.05 then
      return pending "the seed no longer separates the replicas"
    end
    local run = mgd.train(options(opts, {chip = chip}))
    local history = run:run{steps = 30, probes = {"C"}}
    local other = mgd.train(options(opts, {chip = sane()}))
    other.core:advance(30)
    for r = 1, 6 do
      if r == highest then
        assert.equal(start[r], run:theta()[r][1])
        assert.equal(0, history.diverged[r])
      else
        assert.equal(other:theta()[r][1], run:theta()[r][1])
        assert.is_true(history.diverged[r] ~= history.diverged[r])
      end
    end
  end)

  -- η so large that η·G, or η itself in f32, overflows: θ would be infinite after the first write.
  for _, dtype in ipairs {"f32", "f64"} do
    for _, optimizer in ipairs {"sgd", "momentum", "adam"} do
      for _, replicas in ipairs {1, 40} do
        it(("by divergence keeps θ finite: %s, %s, %d replicas"):format(dtype, optimizer, replicas),
          function()
            local net = mgd.nn.mlp{2, 2, 1, activation = "identity", dtype = dtype}
            local run = mgd.train{net = net, data = mgd.data.xor(), init = {}, batch = 4,
              eta = dtype == "f32" and 1e39 or 1e308, tau_theta = 2,
              optimizer = optimizer, replicas = replicas, seed = 3}
            local message = fails(" at step ", function() run:run{steps = 100, probes = {}} end)
            assert.is_truthy(message:find("seed 3", 1, true), message)
            local theta = run:theta():reshape{run:theta().size}:totable()
            for _, value in ipairs(theta) do
              assert.is_true(value - value == 0, "θ holds " .. value)
            end
          end)
      end
    end
  end

  it("of the network itself is found by the probe, not by a crash", function()
    local net = mgd.nn.mlp{2, 2, 1}
    net:set_theta(mgd.full({9}, 0 / 0))
    local run = mgd.train{net = net, data = mgd.data.xor()}
    fails("nan at step 0", function() run:run{steps = 10} end)
    assert.is_true(run.history.cost[1] ~= run.history.cost[1])
  end)
end)

-- ---- seeds --------------------------------------------------------------------------------------

describe("a seed that a double cannot hold", function()
  it("is refused, not rounded", function()
    local net, set = mgd.nn.mlp{2, 1}, mgd.data.xor()
    fails("option 'seed' must be an integer", mgd.train, {net = net, data = set, seed = 2 ^ 53 + 2})
    local function theta(seed)
      return mgd.train{net = net, data = set, init = {}, seed = seed}:theta():totable()
    end
    assert.not_same(theta(2 ^ 53), theta(2 ^ 53 - 1))
    assert.not_same(theta(-1), theta(1))
  end)
end)
