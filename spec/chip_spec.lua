-- Simulated chips: what imperfections do inside the training loop.

local mgd = require "mgd"
local support = require "spec.support.train"

local hw, nn = mgd.hw, mgd.nn
local options, fails, subprocess = support.options, support.fails, support.subprocess

local function network(dtype)
  return nn.mlp{2, 3, 1, activation = "sigmoid", output = "sigmoid", dtype = dtype}
end

local BASE = {data = mgd.data.xor(), init = {scheme = "uniform", low = -1, high = 1}, eta = 0.5,
  tau_theta = 3, perturbation = {code = "random", amplitude = 0.05}, seed = 3}

local function run_of(chip, changes)
  return mgd.train(options(options(BASE, {chip = chip}), changes))
end

local function theta_after(chip, steps, changes)
  local run = run_of(chip, changes)
  run:run{steps = steps}
  return run:theta()
end

-- One model of every kind, with figures at which it does something.
local function everything(net, changes)
  return options({
    net = net, seed = 7,
    weights = {
      hw.conductance{w_max = 4, levels = 64, g_min = 1}, hw.drift{law = "pcm", t0 = 2},
      hw.leak{tau = 500, spread = 0.2, reset_spread = 0.1}, hw.diffusion{sigma = 0.001},
      hw.programming_noise{}, hw.dac{bits = 12, bound = 4}, hw.read_noise{law = "pcm"},
      hw.flicker{sigma = 0.01, f_low = 0.01, f_high = 0.4, relaxations = 3},
      hw.ir_drop{ratio = 0.001, w_max = 4}, hw.crosstalk{k = 0.01}, hw.stuck{random = 0.1},
    },
    perturbation = {hw.amplitude{spread = 0.1, mismatch = 0.1}, hw.missing{fraction = 0.1},
      hw.path{lowpass = 0.4, delay = 0.5}},
    input = {hw.dac{bits = 6}, hw.path{lowpass = {tau = 0.3, poles = 2}}},
    neurons = {hw.neuron_spread{sigma = 0.1}, hw.noise{sigma = 0.001}},
    output = {hw.adc{bits = 10, bound = 2, gain_spread = 0.02}, hw.path{slew = 4}},
    cost = {hw.path{highpass = 50, ringing = {frequency = 0.3, damping = 0.4}, delay = 1},
      hw.noise{sigma = 1e-4}, hw.flicker{sigma = 1e-4, f_low = 0.01, f_high = 0.4}},
    update = {hw.path{gain_spread = 0.1}, hw.crosstalk{k = 0.01},
      hw.soft_bounds{dw_min = 0.01, w_min = -4, w_max = 4, interval = 3, endurance = 200,
        endurance_spread = 0.2, accumulate = true}},
  }, changes)
end

describe("a chip whose models are all neutral", function()
  -- every model at the values at which it changes nothing
  local NEUTRAL = {
    weights = {hw.noise{sigma = 0}, hw.gain{}, hw.clamp{}, hw.stuck{}, hw.ir_drop{ratio = 0},
      hw.drift{nu = 0}, hw.leak{tau = math.huge}, hw.diffusion{sigma = 0}, hw.crosstalk{k = 0},
      hw.saturation{limit = math.huge}, hw.s_shape{strength = 0},
      hw.flicker{sigma = 0, f_low = 0.1, f_high = 0.5}, hw.read_noise{sigma = 0}},
    perturbation = {hw.path{}, hw.amplitude{}, hw.missing{fraction = 0}},
    input = {hw.path{lowpass = 0}}, output = {hw.path{delay = 0, slew = math.huge}},
    neurons = {hw.neuron_spread{sigma = 0}, hw.dead{fraction = 0}},
    cost = {hw.path{gain = 1, offset = 0, noise = 0}}, update = {hw.write{}},
  }

  for _, dtype in ipairs{"f32", "f64"} do
    for _, replicas in ipairs{1, 20} do
      for _, batch in ipairs{1, 4} do
        it(("is the ideal one, bit for bit: %s, %d replicas, batch %d"):format(dtype, replicas,
          batch), function()
          local changes = {replicas = replicas, batch = batch,
            data = mgd.data.xor{dtype = dtype}}
          local chip = mgd.chip(options(NEUTRAL, {net = network(dtype)}))
          local ideal = mgd.chip{net = network(dtype)}
          assert.same(theta_after(ideal, 100, changes):totable(),
            theta_after(chip, 100, changes):totable())
        end)
      end
    end
  end
end)

describe("a chip with one of every model gives the same bits", function()
  it("for an ensemble and its replicas alone", function()
    local ensemble = theta_after(mgd.chip(everything(network())), 60, {replicas = 20})
    for _, r in ipairs{1, 2, 17, 20} do
      local single = theta_after(mgd.chip(everything(network())), 60, {replica = r})
      assert.same(single:totable(), ensemble[r]:totable())
    end
  end)

  it("for batches in rows and in lanes", function()
    local many = theta_after(mgd.chip(everything(network())), 40, {replicas = 20, batch = 3})
    local one = theta_after(mgd.chip(everything(network())), 40, {replica = 5, batch = 3})
    assert.same(one:totable(), many[5]:totable())
  end)

  it("for any number of threads", function()
    local one = theta_after(mgd.chip(everything(network())), 60, {replicas = 70, threads = 1})
    local two = theta_after(mgd.chip(everything(network())), 60, {replicas = 70, threads = 3})
    assert.same(one:totable(), two:totable())
  end)

  it("for any instruction set", function()
    local script = [[
      package.path = "./?.lua;" .. package.path
      local mgd = require "mgd"
      local hw = mgd.hw
      for _, replicas in ipairs{1, 18} do
        local net = mgd.nn.mlp{2, 3, 1, activation = "tanh", output = "sigmoid"}
        local chip = mgd.chip{net = net, weights = {hw.conductance{w_max = 4},
          hw.drift{law = "pcm"}, hw.programming_noise{}, hw.read_noise{law = "pcm"},
          hw.stuck{random = 0.1}},
          neurons = hw.neuron_spread{sigma = 0.1}, perturbation = hw.path{lowpass = 1.4},
          cost = {hw.path{lowpass = {tau = 1.2, poles = 3}}, hw.noise{sigma = 1e-4}},
          update = hw.exponential_step{dw_min = 0.01}}
        local run = mgd.train{chip = chip, data = mgd.data.xor(), replicas = replicas, eta = 1,
          init = {}, seed = 2}
        run:run{steps = 50}
        for _, x in ipairs(run:theta():reshape{run:theta().size}:totable()) do
          io.write(("%a "):format(x))
        end
      end]]
    local reference = subprocess(script, "MGD_ISA=portable")
    assert.is_truthy(reference:find "^[-0x]")
    for _, isa in ipairs{"avx2", "avx512"} do
      local own = subprocess(script, "MGD_ISA=" .. isa)
      if not own:find "MGD_ISA" then -- not on this machine
        assert.equal(reference, own)
      end
    end
  end)

  it("when some replicas stop and others take their place", function()
    local many = run_of(mgd.chip(everything(network())), {replicas = 70})
    local first = many:run{steps = 300, every = 10, stop = {cost = 0.25}}
    local units, live = many.core:units()
    assert.is_true(live < units) -- enough have stopped for others to have moved
    many:run{steps = 60}
    local compared = 0
    for r = 1, 70 do
      if first.stopped[r] ~= first.stopped[r] and compared < 5 then -- never stopped
        local alone = theta_after(mgd.chip(everything(network())), 360, {replica = r})
        assert.same(alone:totable(), many:theta()[r]:totable())
        compared = compared + 1
      end
    end
    assert.equal(5, compared)
  end)

  it("however a run is cut, with levels that round at random", function()
    local function cut(...)
      local run = run_of(mgd.chip{net = network(), weights = hw.levels{bits = 4,
        stochastic = true}}, {tau_theta = 10})
      for _, steps in ipairs{...} do
        run:run{steps = steps}
      end
      return run:theta():totable()
    end
    assert.same(cut(100), cut(95, 5))
  end)

  it("of replicas that have stopped, whatever their neighbours do: at rest, and when they go on",
    function()
      local function go(replicas)
        local chip = mgd.chip{net = network(), weights = {hw.leak{tau = 5000},
          hw.drift{nu = 0.05, t0 = 2}}, update = hw.write{noise = 1e-3}}
        local run = run_of(chip, {replicas = replicas, eta = 2})
        run:run{steps = 900, every = 10, stop = {cost = 0.2}, probes = {"cost"}}
        chip:advance(100)
        local rested, cost = run:theta(), run:evaluate().cost
        run:run{steps = 9}
        return run, rested, cost
      end
      local many, rested, cost = go(40)
      local few, few_rested, few_cost = go(20)
      local last = few.steps_done
      assert.equal(many.steps_done, last)
      for r = 1, 20 do
        assert.same(few_rested[r]:totable(), rested[r]:totable())
        assert.equal(few_cost[r], cost[r])
        assert.same(few:theta()[r]:totable(), many:theta()[r]:totable())
      end
    end)

  it("saved and resumed, devices and states and all", function()
    local path = os.tmpname()
    finally(function()
      os.remove(path)
    end)
    for _, replicas in ipairs{1, 19} do
      local through = run_of(mgd.chip(everything(network())), {replicas = replicas})
      through:run{steps = 90}
      local first = run_of(mgd.chip(everything(network())), {replicas = replicas})
      first:run{steps = 41}
      first:save(path)
      local second = mgd.resume(path)
      second:run{steps = 49}
      assert.same(through:theta():totable(), second:theta():totable())
      assert.equal(through.options.chip:age(), second.options.chip:age())
      assert.same(tostring(through.options.chip), tostring(second.options.chip))
    end
  end)
end)

describe("replicas", function()
  it("are different chips, the same ones for the same seed", function()
    local function costs(seed)
      local chip = mgd.chip{net = network(), seed = seed, neurons = hw.neuron_spread{sigma = 0.2}}
      return mgd.train{chip = chip, data = mgd.data.xor(), replicas = 5}:evaluate().cost
    end
    local one, same, other = costs(1), costs(1), costs(2)
    assert.same(one:totable(), same:totable())
    for r = 2, 5 do
      assert.are_not.equal(one[1], one[r])
    end
    assert.are_not.equal(one[1], other[1])
  end)
end)

-- The trap: one scalar of noise for all parameters is common-mode noise. θ after one write of zero
-- changes is that write's noise. 40 replicas × 9 pairs: the correlation of two parameters lies
-- within 4/√40 of 0; the common-mode one would be 1.
describe("write noise", function()
  it("is independent for each parameter, not common-mode", function()
    local net = network()
    net:init{scheme = "zeros"}
    local chip = mgd.chip{net = net, update = hw.write{noise = 0.1}}
    local theta = theta_after(chip, 3, {replicas = 40, init = {scheme = "zeros"}, eta = 1e-12})
    local dot, a, b = 0, 0, 0
    for r = 1, 40 do
      local x, y = theta[{r, 1}], theta[{r, 2}]
      dot, a, b = dot + x * y, a + x * x, b + y * y
    end
    assert.is_true(math.abs(dot / math.sqrt(a * b)) < 4 / math.sqrt(40))
    -- 520 draws: the standard deviation of their variance is √(2/520) of it
    assert.is_near(0.01, theta:var(), 4 * math.sqrt(2 / 520) * 0.01)
  end)

  it("applies to C₀ as to C: noise of the cost, whose C̃ has twice its variance", function()
    local chip = mgd.chip{net = network(), cost = hw.noise{sigma = 1e-3}}
    local run = run_of(chip, {replicas = 2000, eta = 0, tau_theta = 1,
      perturbation = {code = "random", amplitude = 1e-7}})
    local history = run:run{steps = 1, probes = {"C_tilde"}}
    -- 2,000 draws; 4 standard errors of a standard deviation, 4/√4000
    assert.is_near(math.sqrt(2) * 1e-3, history.C_tilde[-1]:std(), 0.0633 * math.sqrt(2) * 1e-3)
  end)

  it("never enters a probe", function()
    local net = network()
    local chip = mgd.chip{net = net, cost = hw.noise{sigma = 1},
      weights = hw.read_noise{sigma = 1}}
    local run = mgd.train{chip = chip, data = mgd.data.xor()}
    assert.equal(mgd.train{net = net, data = mgd.data.xor()}:evaluate().cost, run:evaluate().cost)
  end)
end)

describe("time", function()
  it("passes by dt for each step and by advance at rest", function()
    local chip = mgd.chip{net = network(), clock = {dt = 0.5}, weights = hw.leak{tau = 10}}
    local run = run_of(chip, {eta = 0, tau_theta = 1})
    assert.equal(0, chip:age())
    run:run{steps = 8}
    assert.equal(4, chip:age())
    local before = run:theta()
    chip:advance(10)
    assert.equal(14, chip:age())
    assert.is_true(run:theta():allclose(before * math.exp(-1), {rtol = 1e-5}))
  end)

  it("leaks between writes as at writes", function()
    -- η = 0: nothing but the leak. Written every step or once in 30, the weights are the same.
    local function after(tau_theta)
      local chip = mgd.chip{net = network("f64"), weights = hw.leak{tau = 20, reset = 0.3}}
      local run = run_of(chip, {eta = 0, tau_theta = tau_theta, data = mgd.data.xor{dtype = "f64"}})
      local start = run:theta()
      run:run{steps = 30}
      return run:theta(), (start - 0.3) * math.exp(-30 / 20) + 0.3
    end
    for _, tau_theta in ipairs{1, 5, 30} do
      local theta, expected = after(tau_theta)
      assert.is_true(theta:allclose(expected, {rtol = 1e-12}))
    end
  end)

  it("warns when a filter is faster than dt can show", function()
    local out = subprocess [[
      local mgd = require "mgd"
      local net = mgd.nn.mlp{2, 2, 1}
      mgd.train{chip = mgd.chip{net = net, cost = mgd.hw.path{lowpass = 1e-9}},
        data = mgd.data.xor(), dt = 1e-6}]]
    assert.is_truthy(out:find("needs dt ≤ 2e-08 s", 1, true), out)
  end)
end)

describe("a path with finite bandwidth", function()
  -- y = θ₁·x + θ₂, cost l2 = |y − 0|: at θ = (1, 0) C = 1 + θ̃₁ + θ̃₂. With no baseline C itself
  -- shows what the perturbation lines do: θ̃ ← θ̃ + (1 − e^(−dt/τ))·(±a − θ̃).
  it("lets the answer to one perturbation leak into the next", function()
    local a, tau = 0.1, 2
    local net = nn.sequential{input = {1}, dtype = "f64", nn.affine()}
    net:set_theta(mgd.tensor{1, 0})
    local chip = mgd.chip{net = net, perturbation = hw.path{lowpass = tau}}
    local run = mgd.train{chip = chip, data = {x = mgd.ones{1, 1}, y = mgd.zeros{1, 1}},
      cost = "l2", baseline = "none", eta = 0, perturbation = {code = "walsh", amplitude = a}}
    local history = run:run{steps = 12, every = 1, probes = {"C"}}
    local pattern = mgd.codes.pattern({code = "walsh"}, {parameters = 2, slots = 12})
    local scale, shift = 0, 0
    for n = 1, 12 do
      local share = 1 - math.exp(-1 / tau)
      scale = scale + share * (a * pattern[{n, 1}] - scale)
      shift = shift + share * (a * pattern[{n, 2}] - shift)
      assert.is_near(1 + scale + shift, history.C[n + 1], 1e-6)
    end
  end)

  it("is exact for measurements of half a step: C₀ and C share it", function()
    -- the cost line alone: held inputs of dt/2 each
    local net = nn.sequential{input = {1}, dtype = "f64", nn.affine()}
    net:set_theta(mgd.tensor{1, 0})
    local chip = mgd.chip{net = net, cost = hw.path{lowpass = 0.7}}
    local run = mgd.train{chip = chip, data = {x = mgd.ones{1, 1}, y = mgd.zeros{1, 1}},
      cost = "l2", eta = 0, perturbation = {code = "walsh", amplitude = 0.1}}
    local history = run:run{steps = 8, every = 1, probes = {"C", "C_tilde"}}
    local pattern = mgd.codes.pattern({code = "walsh"}, {parameters = 2, slots = 8})
    local line, share = 1, 1 - math.exp(-0.5 / 0.7) -- at rest under the first C₀
    for n = 1, 8 do
      line = line + share * (1 - line)
      local c0 = line
      line = line + share * (1 + 0.1 * (pattern[{n, 1}] + pattern[{n, 2}]) - line)
      assert.is_near(line, history.C[n + 1], 1e-9)
      assert.is_near(line - c0, history.C_tilde[n + 1], 1e-9)
    end
  end)
end)

describe("parts that do not meet", function()
  it("commute: independent gains in any order", function()
    local function of(first, second)
      return theta_after(mgd.chip{net = network("f64"), weights = {first, second}}, 30,
        {data = mgd.data.xor{dtype = "f64"}})
    end
    local a = of(hw.gain{gain = 2}, hw.gain{gain = 0.5, offset = 0})
    local b = of(hw.gain{gain = 0.5, offset = 0}, hw.gain{gain = 2})
    assert.same(a:totable(), b:totable())
  end)

  it("do not shift each other's draws", function()
    local function cost_noise(extra)
      local chip = mgd.chip{net = network(), cost = hw.noise{sigma = 1e-3}, weights = extra}
      local run = run_of(chip, {eta = 0, tau_theta = 1,
        perturbation = {code = "random", amplitude = 1e-9}})
      return run:run{steps = 5, every = 1, probes = {"C_tilde"}}.C_tilde
    end
    -- a read noise of 1e-12 changes nothing that the cost could show, but draws all the same
    assert.is_true(cost_noise(nil):allclose(cost_noise(hw.noise{sigma = 1e-12}),
      {rtol = 1e-3, atol = 1e-7}))
  end)
end)

describe("management of a converter's range", function()
  local x = {0.3, -0.05, 0.11, 0.02}

  -- levels of k bits over ±bound, plainly
  local function levels(v, bits, bound)
    local n = 2 ^ (bits - 1) - 1
    return math.max(-n, math.min(n, math.floor(v / bound * n + 0.5))) * bound / n
  end

  it("noise: the largest value of a sample is the highest level", function()
    local out = hw.dac{bits = 4, management = "noise"}:apply(mgd.tensor(x))
    for i, v in ipairs(x) do
      assert.is_near(levels(v / 0.3, 4, 1) * 0.3, out[i], 1e-12)
    end
    assert.equal(0, hw.dac{bits = 4, management = "noise"}:apply(mgd.zeros{3}):norm())
  end)

  it("bound: values are halved until none is clipped", function()
    local out = hw.adc{bits = 5, bound = 0.1, management = "bound"}:apply(mgd.tensor(x))
    for i, v in ipairs(x) do -- 0.3 > 0.2 > 0.1: halved twice
      assert.is_near(levels(v / 4, 5, 0.1) * 4, out[i], 1e-12)
    end
    local fits = hw.adc{bits = 5, bound = 1, management = "bound"}:apply(mgd.tensor(x))
    assert.is_true(fits:allclose(hw.adc{bits = 5, bound = 1}:apply(mgd.tensor(x)), {rtol = 1e-12}))
  end)

  it("is each lane's own, and the same bits in rows and lanes", function()
    local function chip()
      return mgd.chip{net = network(), input = hw.dac{bits = 3, management = "noise"},
        output = hw.adc{bits = 6, bound = 0.2, management = "bound"}}
    end
    local many = theta_after(chip(), 30, {replicas = 20, batch = 3})
    for _, r in ipairs{1, 13} do
      assert.same(theta_after(chip(), 30, {replica = r, batch = 3}):totable(), many[r]:totable())
    end
  end)

  it("is refused where it means nothing", function()
    fails("has no effect with management", hw.dac, {management = "noise", stochastic = true})
    fails("needs a range around 0", hw.adc, {bits = 4, low = 0, high = 1, management = "bound"})
    fails("needs bits of at least 2", hw.adc, {management = "bound"})
  end)
end)

describe("counters", function()
  it("count evaluations, writes, pulses, energy and wear", function()
    local chip = mgd.chip{net = network(), update = hw.constant_step{dw_min = 1e-4, dw_min_d2d = 0,
      endurance = 1000}, clock = {dt = 2, energy = {evaluation = 3, write = 5, pulse = 7},
      power = 11}}
    local run = run_of(chip, {tau_theta = 4, tau_x = 2, batch = 2, eta = 1})
    local counters = run:run{steps = 40}.counters
    assert.equal((40 + 20) * 2, counters.evaluations) -- C, and C₀ at each new sample
    assert.is_true(counters.writes_max <= 10 and counters.writes_mean > 0)
    assert.is_near(1 - counters.writes_max / 1000, counters.endurance_left, 1e-12)
    assert.is_near(120 * 3 + counters.writes_mean * 13 * 5 + counters.pulses * 7 + 80 * 11,
      counters.energy, 1e-6)
    assert.equal(80, counters.time)
  end)

  it("count pulses of devices that there are, in rows as in lanes", function()
    local function pulses(replicas)
      local chip = mgd.chip{net = network(), update = {hw.noise{sigma = 0.1},
        hw.constant_step{dw_min = 0.01}}}
      local counters = run_of(chip, {replicas = replicas}):run{steps = 300}.counters
      return replicas == 1 and counters.pulses or counters.pulses[1]
    end
    assert.equal(pulses(1), pulses(16))
  end)

  it("of an ideal chip follow from its steps", function()
    local run = mgd.train(options(BASE, {net = network(), baseline = "two-sided", tau_theta = 5}))
    local counters = run:run{steps = 23}.counters
    assert.equal(46, counters.evaluations)
    assert.equal(4, counters.writes_max)
  end)

  it("stop counting writes where a device is worn out", function()
    local chip = mgd.chip{net = network(), update = hw.write{endurance = 5}}
    local run = run_of(chip, {tau_theta = 1})
    run:run{steps = 20}
    local before = run:theta():totable()
    local counters = run:run{steps = 20}.counters
    assert.equal(5, counters.writes_max)
    assert.equal(0, counters.endurance_left)
    assert.same(before, run:theta():totable())
  end)
end)

describe("a model in Lua", function()
  it("acts on whole tensors, and gives the same bits as the model in C", function()
    local double = hw.define{name = "spec_double", stage = {"output", "weights"},
      params = {{"by", type = "number", default = 2}},
      apply = function(values, ctx)
        return values * ctx.params.by
      end}
    for _, replicas in ipairs{1, 18} do
      for _, stage in ipairs{"output", "weights"} do
        local lua = theta_after(mgd.chip{net = network(), [stage] = double{by = 0.5}}, 20,
          {replicas = replicas})
        local c = theta_after(mgd.chip{net = network(), [stage] = hw.gain{gain = 0.5}}, 20,
          {replicas = replicas})
        assert.same(c:totable(), lua:totable())
      end
    end
  end)

  it("draws from streams of its own, the same for any packing", function()
    local jitter = hw.define{name = "spec_jitter", stage = "output", apply = function(values, ctx)
      return ctx.still and values or values + ctx.randn() * 0.01
    end}
    local many = theta_after(mgd.chip{net = network(), output = jitter{}}, 20, {replicas = 18})
    local one = theta_after(mgd.chip{net = network(), output = jitter{}}, 20, {replica = 11})
    assert.same(one:totable(), many[11]:totable())
  end)

  it("that returns the wrong thing is told, and nothing has changed", function()
    local answers = {
      ["expected a tensor"] = function()
        return 1
      end,
      ["expected 1x1, as it got"] = function()
        return mgd.zeros{3}
      end,
      ["expected a finite number"] = function(values)
        return values / 0 * 0
      end,
      ["a clear word"] = function()
        error "a clear word"
      end,
    }
    for text, apply in pairs(answers) do
      local bad = hw.define{name = "spec_bad", stage = "cost", apply = apply}
      local run = run_of(mgd.chip{net = network(), cost = bad{}})
      local before = run:theta():totable()
      fails(text, run.run, run, {steps = 5})
      assert.same(before, run:theta():totable())
    end
  end)
end)

describe("mgd.chip refuses", function()
  local net = network()
  local CASES = {
    ["unknown option 'weight' (did you mean 'weights'?)"] = {net = net,
      weight = hw.noise{sigma = 1}},
    ["it belongs to neurons"] = {net = net, cost = hw.neuron_spread{sigma = 1}},
    ["stage 'cost' must be a model"] = {net = net, cost = 3},
    ["element 2 is number"] = {net = net, cost = {hw.noise{sigma = 1}, 3}},
    ["has two laws"] = {net = net, update = {hw.soft_bounds{}, hw.power_step{}}},
    ["has no effect on a chip in Lua"] = {parameters = 1, evaluate = print,
      cost = hw.noise{sigma = 1}},
  }
  for text, opts in pairs(CASES) do
    it(text, function()
      fails(text, mgd.chip, opts)
    end)
  end

  it("a delay that could not be remembered", function()
    local chip = mgd.chip{net = net, cost = hw.path{delay = 1e17}}
    fails("expected at most 100000 steps", run_of, chip)
  end)

  it("two clocks that differ, and costs in Lua", function()
    local chip = mgd.chip{net = net, clock = {dt = 1}, cost = hw.noise{sigma = 1}}
    fails("the chip's clock says 1 s", run_of, chip, {dt = 2})
    fails("does not go with a simulated chip", run_of, chip, {cost = function()
      return 1
    end})
    fails("must be a number ≥ 0", chip.advance, chip, -1)
  end)
end)

describe("presets", function()
  it("are all listed with their source, and make chips that train", function()
    for _, preset in ipairs(hw.presets()) do
      assert.is_true(#preset.source > 0 and #preset.doc > 0)
      local chip
      if preset.kind == "platform" then
        chip = mgd.chip(hw.presets[preset.name]{net = network(), seed = 2})
      elseif preset.kind == "weights" then
        chip = mgd.chip{net = network(), weights = hw.presets[preset.name]()}
      else
        chip = mgd.chip{net = network(), update = hw.presets[preset.name]()}
      end
      local theta = theta_after(chip, 20, {replicas = 3})
      assert.equal(theta:norm(), theta:norm())
    end
  end)

  it("unknown ones are refused with a suggestion", function()
    fails("did you mean 'reram_es'?", function()
      return hw.presets.reram_se
    end)
  end)
end)
