-- The advisor on chips whose figures are known in closed form, and on those that it must refuse.
--
-- Chips here are quadratic bowls, C = Σ h_i·(θ_i − t_i)², whose gradient is 2·h_i·(θ_i − t_i) and
-- whose curvature along a random direction of unit length is Σ 2·h_i/P on average. Intervals of the
-- advisor are of 95 %, from 24 directions or 64 pairs; with fixed seeds they hold or they do not.

local mgd = require "mgd"
local support = require "spec.support.train"

local fails, flag = support.fails, support.flag

local P = 6
local CURVATURE = 2 * (1 + 2 + 3 + 4 + 5 + 6) / P

-- A bowl with noise `sigma` and a memory: of each change the share `memory` is still missing after
-- an evaluation. `change(C)` has the last word. Counts evaluations of a sample.
local function bowl(opts)
  opts = opts or {}
  local target = mgd.randn({ P }, { seed = 3 })
  local self = { calls = 0, target = target, value = nil }
  local sigma, memory = opts.sigma or 0, opts.memory or 0
  self.chip = mgd.chip {
    parameters = P,
    evaluate = function(theta, x)
      local B, c = x.shape[1], 0
      self.calls = self.calls + B
      for i = 1, P do
        c = c + i * (theta[i] - target[i]) ^ 2
      end
      self.value = memory * (self.value or c) + (1 - memory) * c
      c = self.value + sigma * mgd.randn({ 1 }, { seed = self.calls })[1]
      return mgd.full({ B, 1 }, opts.change and opts.change(c) or c)
    end,
  }
  local squares = 0
  for i = 1, P do
    squares = squares + (2 * i * target[i]) ^ 2
  end
  self.gradient = math.sqrt(squares) -- at θ = 0
  return self
end

local DATA = { x = mgd.zeros { 3, 1 }, y = mgd.zeros { 3, 1 } }

local function mean_output(y)
  return y:mean()
end

local function advise(chip, changes)
  return mgd.advise(support.options({ chip = chip, data = DATA, cost = mean_output, batch = 1,
    evaluations = 12000 }, changes))
end

local function xor(changes)
  return support.options({
    net = mgd.nn.mlp { 2, 2, 1, activation = "sigmoid", output = "sigmoid" },
    data = mgd.data.xor(), init = { scheme = "uniform", low = 0, high = 1 },
  }, changes)
end

local function xor_chip(stages)
  stages.net = mgd.nn.mlp { 2, 2, 1, activation = "sigmoid", output = "sigmoid" }
  local task = xor { chip = mgd.chip(stages) }
  task.net = nil
  return task
end

local function within(figure, truth)
  assert.is_true(figure.low <= truth and truth <= figure.high,
    ("%g is not in [%g, %g]"):format(truth, figure.low, figure.high))
  assert.is_true(figure.low <= figure.value and figure.value <= figure.high)
end

describe("mgd.advise measures", function()
  for _, sigma in ipairs { 1e-3, 0.1, 1 } do
    it(("noise of %g, gradient and curvature of a bowl"):format(sigma), function()
      local b = bowl { sigma = sigma }
      local advice = advise(b.chip)
      within(advice.measured.noise, sigma)
      within(advice.measured.gradient, b.gradient)
      within(advice.measured.curvature, CURVATURE)
      assert.equal(1, advice.measured.settling)
      assert.is_true(advice.works)
    end)
  end

  it("a chip whose cost drifts as one that answers at once", function()
    local count = 0
    local advice = advise(bowl { change = function(c)
      count = count + 1
      return c + 1e-5 * count
    end }.chip)
    assert.equal(1, advice.measured.settling)
    assert.equal(1, advice.measured.sample_settling)
    assert.is_true(advice.works)
  end)

  it("no noise where there is none", function()
    local advice = advise(bowl().chip)
    assert.equal(0, advice.measured.noise.value)
    within(advice.measured.gradient, bowl().gradient)
    local m = advice.measured.curvature -- the same along all ±1, but for rounding
    assert.is_true(math.abs(m.value - CURVATURE) < 1e-3)
  end)

  it("the settling of a chip with a memory, to 5 %", function()
    for _, memory in ipairs { 0.3, 0.6, 0.8 } do
      local advice = advise(bowl { memory = memory }.chip)
      local truth = math.ceil(math.log(0.05) / math.log(memory))
      assert.is_true(math.abs(advice.measured.settling - truth) <= 1)
      assert.is_truthy(flag(advice, "bandwidth"))
    end
  end)

  it("the settling of signal paths: e^(−6/2) is below 5 %, a delay of 5 is over at 6", function()
    for _, path in ipairs { { lowpass = 2 }, { delay = 5 } } do
      local advice = mgd.advise(xor_chip { cost = mgd.hw.path(path) })
      assert.equal(6, advice.measured.settling)
      assert.is_truthy(flag(advice, "bandwidth"))
    end
  end)

  it("the settling of an input path, which shows when the batch changes", function()
    local advice = mgd.advise(xor_chip { input = mgd.hw.path { lowpass = 3 } })
    assert.equal(1, advice.measured.settling)
    assert.is_true(math.abs(advice.measured.sample_settling - 9) <= 2) -- e^(−9/3) = 5 %
  end)

  it("the step of a converter", function()
    local advice = advise(bowl { change = function(c) return math.floor(c / 0.5 + 0.5) * 0.5 end }
      .chip)
    assert.equal(0.5, advice.measured.resolution)
    assert.is_true(advice.train.perturbation.amplitude * advice.measured.gradient.value > 0.5)
  end)

  it("the noise of a simulated chip", function()
    local advice = mgd.advise(xor_chip { cost = mgd.hw.noise { sigma = 0.01 } })
    within(advice.measured.noise, 0.01)
  end)
end)

describe("mgd.advise recommends", function()
  it("amplitudes that grow with the noise and keep C̃ above it", function()
    local last = 0
    for _, sigma in ipairs { 1e-3, 1, 10 } do
      local m = advise(bowl { sigma = sigma }.chip).measured
      assert.is_true(m.amplitude.low >= last)
      assert.is_true(m.noise_to_signal < 1.5)
      last = m.amplitude.low
    end
  end)

  it("settings that train a noisy bowl", function()
    local b = bowl { sigma = 0.1 }
    local advice = advise(b.chip)
    local run = advice:train()
    run:run { steps = advice.steps }
    local before, after = 0, 0
    for i = 1, P do
      before = before + i * b.target[i] ^ 2
      after = after + i * (run:theta()[i] - b.target[i]) ^ 2
    end
    assert.is_true(after < 0.02 * before)
  end)

  it("with sgd and momentum too", function()
    for _, optimizer in ipairs { "sgd", "momentum" } do
      local advice = advise(bowl().chip, { optimizer = optimizer })
      assert.equal(optimizer, advice.train.optimizer)
      local run = advice:train()
      run:run { steps = advice.steps }
      assert.is_true(run:evaluate().cost < 0.02 * advice.measured.cost)
    end
  end)

  it("what solves XOR", function()
    for seed = 1, 3 do
      local advice = mgd.advise(xor { seed = seed })
      local run = advice:train()
      run:run { steps = advice.steps }
      assert.equal(1, run:evaluate().accuracy)
    end
  end)

  it("options that mgd.train takes as they stand", function()
    local task = xor()
    local advice = mgd.advise(task)
    local given = support.options({ net = task.net, data = task.data }, advice.train)
    local a, b = mgd.train(given), advice:train()
    a:run { steps = 500 }
    b:run { steps = 500 }
    assert.is_true(a:theta():allclose(b:theta(), { rtol = 0 }))
    assert.equal(3, advice:train { replicas = 3 }.options.replicas)
    assert.equal("sgd", advice:train { optimizer = "sgd" }.options.optimizer)
  end)
end)

describe("mgd.advise flags", function()
  it("a dead chip, and recommends nothing", function()
    local advice = advise(bowl { change = function() return 1 end }.chip)
    assert.is_false(advice.works)
    assert.is_truthy(flag(advice, "dead"))
    assert.is_truthy(tostring(advice):find("will not work", 1, true))
    fails("nothing is recommended", advice.train, advice)
  end)

  it("a chip that shows nothing but noise", function()
    local count = 0
    local advice = advise(bowl { change = function()
      count = count + 1
      return mgd.randn({ 1 }, { seed = count })[1]
    end }.chip)
    assert.is_false(advice.works)
    assert.is_truthy(flag(advice, "dead"))
  end)

  it("a signal of a few ulps, of a cost in f32 far from 0", function()
    local advice = advise(bowl { change = function(c)
      return mgd.full({ 1 }, 3e7 + c, { dtype = "f32" })[1] -- in steps of 2
    end }.chip)
    assert.equal(2, advice.measured.resolution)
    assert.is_truthy(flag(advice, "resolution"))
  end)

  it("a cost that forgets held perturbations", function()
    local advice = mgd.advise(xor_chip { cost = mgd.hw.path { highpass = 2 } })
    assert.is_truthy(flag(advice, "highpass"))
    assert.equal(1, advice.train.tau_p)
  end)

  it("a chip that no η makes better: its cost moves in steps larger than itself", function()
    local advice = advise(bowl { change = function(c) return math.floor(c / 50 + 0.5) * 50 end }
      .chip)
    assert.is_false(advice.works)
    assert.is_truthy(flag(advice, "diverges"))
    assert.is_truthy(flag(advice, "resolution"))
  end)
end)

describe("mgd.advise keeps", function()
  it("to its budget, and counts", function()
    for _, budget in ipairs { 2000, 5000, 20000, 60000 } do
      for _, memory in ipairs { 0, 0.6 } do
        local b = bowl { memory = memory, sigma = 1e-3 }
        local advice = advise(b.chip, { evaluations = budget })
        assert.equal(b.calls, advice.evaluations)
        assert.is_true(b.calls <= budget)
      end
    end
  end)

  it("to a budget of batches of samples", function()
    local b = bowl()
    local advice = advise(b.chip, { evaluations = 20000, batch = 3 })
    assert.equal(b.calls, advice.evaluations)
    assert.is_true(b.calls <= 20000)
  end)

  it("θ, the network and the data as they were; the chip ages by the steps measured", function()
    local task = xor_chip { cost = mgd.hw.noise { sigma = 1e-4 }, seed = 2 }
    task.chip.net:init { scheme = "uniform", low = -1, high = 1, seed = 4 }
    local theta, x = task.chip.net:theta(), task.data.x:clone()
    mgd.advise(task)
    assert.is_true(theta:allclose(task.chip.net:theta(), { rtol = 0 }))
    assert.is_true(x:allclose(task.data.x, { rtol = 0 }))
    assert.is_true(task.chip:age() > 0)
  end)

  it("its word: the same seed gives the same advice", function()
    local function text(seed)
      return tostring(mgd.advise(xor { seed = seed }))
    end
    assert.equal(text(5), text(5))
    assert.not_equal(text(5), text(6))
  end)
end)

describe("mgd.advise refuses", function()
  local function answers(evaluate)
    return mgd.chip { parameters = P, evaluate = evaluate }
  end

  it("chips that do not answer", function()
    fails("mgd.advise: the chip does not answer: chip: evaluate: no answer on port 3", advise,
      answers(function() error("no answer on port 3", 0) end))
    fails("mgd.advise: the chip does not answer: ", advise, answers(function() end))
    fails("mgd.advise: the chip does not answer: ", advise,
      answers(function() return mgd.zeros { 7, 2, 2 } end))
    fails("mgd.advise: the chip does not answer: its cost is nan or infinite", advise,
      answers(function(_, x) return mgd.full({ x.shape[1], 1 }, 0 / 0) end))
    local calls = 0
    fails("the plug was pulled", advise, bowl { change = function(c)
      calls = calls + 1
      return calls <= 500 and c or error("the plug was pulled", 0)
    end }.chip)
  end)

  it("wrong options", function()
    fails("expected either net = … or chip = …", mgd.advise, { data = DATA })
    fails("expected either net = … or chip = …", mgd.advise, xor { chip = bowl().chip })
    fails("option 'net' must be a network", mgd.advise, { net = 3, data = DATA })
    fails("option 'chip' must be a chip", mgd.advise, { chip = 3, data = DATA })
    fails("unknown option 'budget'", advise, bowl().chip, { budget = 3 })
    fails("option 'data' is missing", mgd.advise, { chip = bowl().chip })
    fails("evaluations = 100 is too few: a batch of 1 needs 2000 at least", advise, bowl().chip,
      { evaluations = 100 })
    fails("option 'optimizer' must be", advise, bowl().chip, { optimizer = "rmsprop" })
    fails("expected a table of options", function()
      advise(bowl().chip):train(3)
    end)
    local message = fails("option 'evaluations' must be an integer", function()
      local advice = mgd.advise(xor { evaluations = 1.5 })
      return advice
    end)
    assert.is_truthy(message:find("advise_spec.lua:%d+: mgd.advise: "))
  end)
end)
