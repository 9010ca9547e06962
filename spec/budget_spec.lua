-- run:budget against counting step by step.

local mgd = require "mgd"
local numbers = require "mgd.text.numbers"
local hw = mgd.hw
local support = require "spec.support.train"

local options, fails = support.options, support.fails
local NET = mgd.nn.mlp{2, 3, 1, output = "sigmoid"}:init{seed = 4} -- P = 13
local BASE = {net = NET, data = mgd.data.xor()}

local function close(expected, value)
  assert.is_true(math.abs(value - expected) <= 1e-12 * math.abs(expected),
    ("%.17g instead of %.17g"):format(value, expected))
end

-- The steps 0 … n − 1 gone through one by one, by the order of the reference.
local function walk(o, n)
  local out = {evaluations = 0, measurements = 0, cycles = 0, samples = 0, writes = 0}
  local stale = true
  for step = 0, n - 1 do
    if step % o.tau_x == 0 then
      out.samples = out.samples + o.batch
      stale = true
    end
    out.cycles = out.cycles + (step % o.tau_p == 0 and 1 or 0)
    local costs = o.baseline == "two-sided" and 2 or 1
    if o.baseline == "measured" and stale then
      costs, stale = costs + 1, false
    end
    out.measurements = out.measurements + costs
    if (step + 1) % o.tau_theta == 0 then
      out.writes = out.writes + 1
      stale = true
    end
  end
  out.evaluations = out.measurements * o.batch
  return out
end

describe("run:budget", function()
  it("counts what the steps ask for, done and planned", function()
    for _, baseline in ipairs {"measured", "two-sided", "none"} do
      for _, taus in ipairs {{1, 1, 1, 1}, {2, 6, 4, 3}, {3, 7, 5, 1}, {1, 8, 16, 4}} do
        local o = {tau_p = taus[1], tau_theta = taus[2], tau_x = taus[3], batch = taus[4],
          baseline = baseline}
        local run = mgd.train(options(BASE, options(o, {dt = 1e-6})))
        run:run{steps = 101}
        local b = run:budget{steps = 1234, cost_bits = 12,
          energy = {evaluation = 3e-12, write = 5e-12}, power = 2e-3}
        for name, n in pairs {done = 101, planned = 1234} do
          local by_hand = walk(o, n)
          for _, count in ipairs {"evaluations", "cycles", "samples", "writes"} do
            assert.equal(by_hand[count], b[name][count], count)
          end
          assert.equal(n, b[name].steps)
          assert.equal(12 * by_hand.measurements, b[name].bits)
          assert.equal(13 * 12 * by_hand.measurements, b[name].bits_received)
          close(n * 1e-6, b[name].time)
          close(3e-12 * by_hand.evaluations + 13 * 5e-12 * by_hand.writes + 2e-3 * n * 1e-6,
            b[name].energy)
          close(n * 1e-3, b[name].chip_in_the_loop)
          close(n * 10e-9, b[name].mixed_signal)
          close(n * 100e-12, b[name].very_fast)
          for dt_of, dt in pairs {time = 1e-6, chip_in_the_loop = 1e-3, mixed_signal = 10e-9,
            very_fast = 100e-12} do
            close(by_hand.evaluations * dt, b[name][dt_of .. "_serial"])
          end
        end
        local counters = run:counters()
        assert.equal(counters.evaluations, b.done.evaluations)
        assert.equal(counters.writes_mean, b.done.writes)
        assert.equal(counters.evaluations, run.history.evaluations[-1])
        close(counters.evaluations * run.options.dt, counters.time_serial)
      end
    end
  end)

  it("lets a run end after so many evaluations", function()
    for _, baseline in ipairs {"measured", "two-sided", "none"} do
      local o = {tau_p = 2, tau_theta = 6, tau_x = 4, batch = 3, baseline = baseline}
      local run = mgd.train(options(BASE, o))
      for _, budget in ipairs {100, 1, 77} do -- the second of them does not reach for a step
        local before = run.steps_done
        run:run{evaluations = budget}
        local asked = walk(o, run.steps_done).evaluations - walk(o, before).evaluations
        local one_more = walk(o, run.steps_done + 1).evaluations - walk(o, before).evaluations
        assert.is_true(asked <= budget and one_more > budget)
      end
      assert.equal(1, #run:run{steps = 0, evaluations = 100}.step)
    end
    fails("run:run: option 'steps' is missing", function()
      mgd.train(BASE):run{}
    end)
  end)

  it("takes time and energy from the chip's clock, or from what it is asked", function()
    local chip = mgd.chip{net = NET, clock = {dt = 2e-6, power = 1e-3,
      energy = {evaluation = 1e-9, write = 1e-10}}}
    local run = mgd.train{chip = chip, data = mgd.data.xor(), tau_theta = 4}
    run:run{steps = 100}
    close(run:counters().energy, run:budget().done.energy)
    close(2e-4, run:budget().done.time)
    local b = run:budget{dt = 1e-8, power = 0, energy = {write = 7e-10}}
    close(1e-6, b.done.time)
    close(200 * 1e-9 + 25 * 13 * 7e-10, b.done.energy)
    local free = mgd.train(BASE)
    free:run{steps = 3}
    assert.is_nil(free:budget().done.energy)
    assert.is_truthy(tostring(free:budget()):find("energy: not known", 1, true))
  end)

  it("counts pulses and skipped writes of devices, and plans by their rate", function()
    local chip = mgd.chip{net = NET, update = hw.constant_step{dw_min = 0.01},
      clock = {energy = {pulse = 1e-12}}}
    local run = mgd.train{chip = chip, data = mgd.data.xor(), tau_theta = 4, eta = 0.1}
    local before = run:budget{steps = 400}
    assert.is_true(before.planned.pulses ~= before.planned.pulses) -- not known yet
    assert.is_true(before.planned.energy ~= before.planned.energy)
    run:run{steps = 100}
    local counters, b = run:counters(), run:budget{steps = 400}
    assert.is_true(counters.pulses > 0 and counters.writes_mean < 25)
    close(counters.pulses, b.done.pulses)
    close(counters.writes_mean, b.done.writes)
    close(counters.writes_max, b.done.writes_max)
    close(4 * counters.pulses, b.planned.pulses)
    close(4 * counters.writes_mean, b.planned.writes)
    close(4e-12 * counters.pulses, b.planned.energy)
    assert.is_truthy(tostring(b):find("pulses, all parameters", 1, true))
    assert.is_truthy(tostring(b):find("of the most written one", 1, true))
  end)

  it("reads the way to a target from the history, and never beyond it", function()
    local run = mgd.train(options(BASE, {dt = 1e-3}))
    fails("no history to look at yet", run.budget, run, {target = {accuracy = 1}})
    local history = run:run{steps = 50, every = 10}
    history.accuracy = mgd.tensor{0, 0.5, 0.5, 1, 0.5, 1}
    local b = run:budget{target = {accuracy = 1}}
    assert.equal(30, b.target.steps)
    assert.equal(60, b.target.evaluations)
    close(0.03, b.target.time)
    assert.equal(history.wall[4], b.target.simulation)
    history.accuracy = mgd.zeros{6}
    b = run:budget{target = {accuracy = 1}, energy = {write = 1}}
    for name, value in pairs(b.target) do
      assert.is_true(value ~= value, name)
    end
    local text = tostring(b)
    assert.is_truthy(text:find("not reached within 50 steps", 1, true), text)
    fails("'angle' was not probed", run.budget, run, {target = {angle = 10}})
  end)

  it("of an ensemble has an entry for each replica", function()
    local run = mgd.train(options(BASE, {replicas = 3, init = {}, tau_theta = 4}))
    local history = run:run{steps = 40, every = 10}
    history.accuracy = mgd.tensor{{0, 0, 0}, {1, 0, 0}, {1, 0, 0}, {1, 1, 0}, {1, 1, 0}}
    run.core:stop(2)
    run:run{steps = 0} -- lets it go on; the history is new
    run.history = history
    run.core:stop(2)
    run.core:advance(60)
    local b = run:budget{target = {accuracy = 1}, steps = 200}
    assert.same({100, 40, 100}, b.done.steps:totable())
    assert.same({25, 10, 25}, b.done.writes:totable())
    assert.same({200, 200, 200}, b.planned.steps:totable())
    assert.same({10, 30}, b.target.steps[{{1, 2}}]:totable())
    assert.is_true(b.target.steps[3] ~= b.target.steps[3])
    local text = tostring(b)
    assert.is_truthy(text:find("medians of 3 replicas", 1, true), text)
    assert.is_truthy(text:find("first reached by 2 of 3 within 40 steps", 1, true), text)
  end)

  it("compares with back-propagation where there is a network", function()
    local theta = NET:theta():totable()
    local run = mgd.train(options(BASE, {tau_x = 3, batch = 9}))
    run:run{steps = 100}
    local b = run:budget()
    assert.is_true(b.gradient > 0 and b.gradient < 1)
    close(34 * b.gradient, b.done.backprop) -- ⌈100/3⌉ batches
    assert.same(theta, NET:theta():totable())
    local box = mgd.train{chip = support.counting_chip(), data = support.ONE}
    box:run{steps = 5}
    assert.is_nil(box:budget().gradient)
    assert.is_nil(box:budget().done.backprop)
    assert.is_truthy(tostring(box:budget()):find("back-propagation: not known", 1, true))
    local own = mgd.train(options(BASE, {cost = function() return 1 end}))
    assert.is_nil(own:budget().gradient)
  end)

  it("leaves the run as it was", function()
    local opts = options(BASE, {tau_theta = 4})
    local a, b = mgd.train(opts), mgd.train(opts)
    a:run{steps = 50}
    a:budget{steps = 100}
    a:run{steps = 50}
    b:run{steps = 100}
    assert.same(b:theta():totable(), a:theta():totable())
  end)

  it("prints a column for each of its sections", function()
    local run = mgd.train(BASE)
    run:run{steps = 2000, every = 100}
    local text = tostring(run:budget{steps = 5e6, target = {cost = 10}, dt = 10e-9})
    assert.is_truthy(text:find("so far +planned +to cost ≤ 10\n"), text)
    assert.is_truthy(text:find("steps +2,000 +5,000,000 +0\n"), text)
    assert.is_truthy(text:find("hardware time, dt = 10 ns × steps +20 µs +50 ms +0 s\n"), text)
    assert.is_truthy(text:find("  × evaluations +40 µs +100 ms +0 s\n"), text)
    assert.is_truthy(text:find("× evaluations: one sample under one perturbation per dt\n"), text)
  end)

  it("refuses what it does not know", function()
    local run = mgd.train(BASE)
    fails("run:budget: unknown option 'stesp' (did you mean 'steps'?)", run.budget, run,
      {stesp = 1})
    fails("run:budget: option 'steps' must be an integer ≥ 1, got 0", run.budget, run, {steps = 0})
    fails("run:budget: option 'dt' must be a number > 0, got -1", run.budget, run, {dt = -1})
    fails("run:budget: energy: unknown option 'evalution' (did you mean 'evaluation'?)",
      run.budget, run, {energy = {evalution = 1}})
    fails("run:budget: energy: option 'write' must be a number ≥ 0, got -1", run.budget, run,
      {energy = {write = -1}})
    fails("run:budget: option 'cost_bits' must be an integer", run.budget, run, {cost_bits = 0.5})
  end)
end)

describe("figures", function()
  it("have prefixes, thousands and durations", function()
    assert.equal("42 nJ", numbers.si(4.2e-8, "J"))
    assert.equal("1 kbit", numbers.si(999.9, "bit"))
    assert.equal("0 J", numbers.si(0, "J"))
    assert.equal("not known", numbers.si(0 / 0, "J"))
    for n, text in pairs {[0] = "0", [7] = "7", [999] = "999", [1000] = "1,000",
                          [44136] = "44,136", [1234567] = "1,234,567", [2e12] = "2e+12",
                          [0.25] = "0.25", [12345.6] = "12,346"} do
      assert.equal(text, numbers.count(n))
    end
    assert.equal("3 min", numbers.duration(180))
    assert.equal("90 s", numbers.duration(90))
    assert.equal("2 days", numbers.duration(172800))
    assert.equal(4, numbers.width "θ µ°")
    assert.equal(1, numbers.width "C̃")
  end)
end)
