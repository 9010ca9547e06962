-- Node perturbation on simulated chips: G against the ideal chip's, plain Lua and the chip's own
-- gradient; what noise and converters do to the cost and to what neurons read; lines; the same
-- bits; and what is refused.

local mgd = require "mgd"
local core = require "mgd.core"
local memory = require "spec.support.memory"
local reference = require "spec.support.nodes"
local stats = require "spec.support.statistics"
local support = require "spec.support.train"

local hw, nn = mgd.hw, mgd.nn
local options = support.options

-- A run that keeps its G, of samples in their order.
local function train(changes)
  local run = mgd.train(options({ shuffle = false, perturb = "nodes", eta = 0, threads = 1,
    perturbation = { amplitude = 0.01 } }, changes))
  run:gradient()
  return run
end

local function chip_of(net, stages)
  return mgd.chip(options({ net = net }, stages))
end

describe("a chip that is almost ideal has the ideal chip's G:", function()
  for _, task in ipairs(reference.TASKS) do
    it(task.name, function()
      for _, baseline in ipairs { "measured", "two-sided", "none" } do
        for _, code in ipairs { "random", "sequential", "sine" } do
          local perturbation = code == "sine" and { code = code, low = 0.05, high = 0.2 }
            or { code = code }
          perturbation.amplitude = 0.01
          local function gradient(stages, gate)
            local run = train { chip = chip_of(task.net, stages), gate = gate, batch = 18, seed = 5,
              data = { x = task.x, y = task.y }, perturbation = perturbation,
              baseline = baseline }
            run:run { steps = 2 }
            return run:gradient()
          end
          local exact, gated = gradient {}, gradient({}, true)
          for _, stages in ipairs { { neurons = hw.neuron_spread { sigma = 1e-14 } },
            { weights = hw.gain { spread = 1e-14 } }, { cost = hw.gain { spread = 1e-14 } } } do
            -- costs of about 1 in 1e−16 over 2·a·⟨s²⟩, less of it in a gated G
            assert.is_true((gradient(stages) - exact):norm() < 1e-10 * exact:norm())
            assert.is_true((gradient(stages, true) - gated):norm() < 1e-10 * exact:norm())
          end
        end
      end
    end)
  end
end)

-- ---- a chip read off ----------------------------------------------------------------------------

-- Hidden units of a sample as the next layer reads them: with a batch of one, G of a weight over G
-- of its bias is what the neuron has read.
local function reads(chip, set, sample, layer)
  local run = train { chip = chip, batch = 1, data = { x = set.x[{ { sample, sample } }],
    y = set.y[{ { sample, sample } }] } }
  run:run { steps = 1 }
  local g, out = run:gradient(), {}
  for i = 1, #layer.inputs[1] do
    out[i] = g[layer.weight[1][i]] / g[layer.bias[1]]
  end
  return out
end

describe("a chip of 6-bit weights and neurons that are all different", function()
  local task = { x = mgd.randn({ 20, 4 }, { seed = 7 }), y = mgd.rand({ 20, 3 }, { seed = 4 }),
    net = nn.mlp { 4, 5, 3, activation = "tanh", output = "identity", dtype = "f64" },
    layers = { reference.dense(1, 4, 5, "tanh"), reference.dense(26, 5, 3, "identity") },
    stride = function(opts) return opts.batch end }
  task.net:init { scheme = "uniform", low = -0.9, high = 0.9, seed = 3 }
  local levels = hw.levels { bits = 6 }
  local chip = mgd.chip { net = task.net, weights = levels, seed = 2,
    neurons = hw.neuron_spread { gain_spread = 0.3, offset_spread = 0.2, slope_spread = 0,
      threshold_spread = 0 } }
  task.theta = levels:apply(task.net:theta():reshape { 1, -1 }):reshape { -1 }

  it("has the G that plain Lua makes of the definition", function()
    -- gain and offset of the hidden units from what is read of them for two samples
    local hidden, theta = task.layers[1], task.theta:totable()
    hidden.gain, hidden.offset = { 1, 1, 1, 1, 1 }, { 0, 0, 0, 0, 0 }
    local bare, read = {}, {}
    for sample = 1, 2 do
      local _, values = reference.evaluate(task.layers, theta, task.x[sample]:totable(),
        task.y[sample]:totable())
      bare[sample], read[sample] = values[2], reads(chip, task, sample, task.layers[2])
    end
    for j = 1, 5 do
      hidden.gain[j] = (read[2][j] - read[1][j]) / (bare[2][j] - bare[1][j])
      hidden.offset[j] = read[1][j] - hidden.gain[j] * bare[1][j]
    end
    assert.is_true(math.abs(hidden.gain[1] - 1) > 0.01)
    for _, baseline in ipairs { "measured", "two-sided", "none" } do
      local opts = { chip = chip, data = { x = task.x, y = task.y }, batch = 17, seed = 5,
        perturbation = { code = "random", amplitude = 0.01 }, baseline = baseline }
      local run = train(opts)
      for step = 0, 1 do
        run:run { steps = 1 }
        local expected = reference.gradient_of(task, opts, step)
        assert.is_true((run:gradient() - expected):norm() < 1e-9 * expected:norm(), baseline)
      end
    end
  end)
end)

-- ---- the gradient of an imperfect chip ----------------------------------------------------------

local function letters(stages)
  local net = nn.mlp { 49, 4, 4, activation = "sigmoid", output = "sigmoid" }
  return chip_of(net, stages), mgd.data.nist7x7()
end

describe("G is the gradient through the chip as it is", function()
  it("where every node has moved once, to the order of the amplitude", function()
    local net = nn.sequential { input = { 1, 6, 6 }, dtype = "f64", nn.conv2d { 3, kernel = 3 },
      nn.tanh(), nn.avgpool2d(2), nn.flatten(), nn.dense(3), nn.sigmoid(), nn.dense(2) }
    net:init { scheme = "glorot_uniform", seed = 2 }
    local chip = chip_of(net, { weights = hw.levels { bits = 5 }, seed = 4,
      input = hw.gain { spread = 0.2, offset_spread = 0.1 }, output = hw.s_shape { strength = 0.3 },
      neurons = hw.neuron_spread { sigma = 0.2 }, cost = hw.gain { gain = 1.5 } })
    for _, gate in ipairs { false, true } do
      local run = train { chip = chip, batch = 5, tau_theta = chip.num_nodes, gate = gate,
        tau_x = chip.num_nodes, baseline = "two-sided",
        data = { x = mgd.randn({ 5, 1, 6, 6 }, { seed = 1 }),
          y = mgd.rand({ 5, 2 }, { seed = 2 }) },
        perturbation = { code = "sequential", amplitude = 1e-3 } }
      local angle = run:run { steps = chip.num_nodes, probes = { "angle" } }.angle[-1]
      -- the probe's gradient is by central differences of the weights as they read
      assert.is_true(angle < (gate and 1 or 1e-3), angle)
    end
  end)

  it("in the mean over noise", function()
    -- 60 runs of 20 steps; every parameter's mean error is within 5 of its standard errors (30
    -- parameters: one in 6·10⁴ such specs would fail by chance); noise of reading acts as often
    local net = nn.mlp { 2, 4, 2, activation = "tanh", dtype = "f64" }:init { seed = 2 }
    local set = { x = mgd.randn({ 4, 2 }, { seed = 3 }), y = mgd.rand({ 4, 2 }, { seed = 4 }) }
    local truth = net:gradient(set.x, set.y, "mse")
    local chip = chip_of(net, { weights = hw.read_noise { sigma = 0.002 },
      neurons = hw.noise { sigma = 0.002 }, output = hw.noise { sigma = 0.002 },
      cost = hw.noise { sigma = 0.002 } })
    local sum, squares = mgd.zeros { #truth }, mgd.zeros { #truth }
    for seed = 1, 60 do
      local run = train { chip = chip, data = set, batch = 4, tau_theta = 20, seed = seed,
        baseline = "two-sided", perturbation = { amplitude = 0.02 } }
      run:run { steps = 20 }
      local difference = run:gradient() - truth
      sum:add_(difference)
      squares:add_(difference * difference)
    end
    for i = 1, #truth do
      local error = sum[i] / 60
      local deviation = math.sqrt((squares[i] / 60 - error * error) / 60)
      assert.is_true(math.abs(error) < 5 * deviation + 1e-4, i)
    end
  end)
end)

it("letters are learnt by the nodes of a chip with 6-bit weights, neurons that differ and a noisy "
  .. "cost", function()
  local chip, set = letters { weights = hw.levels { bits = 6, low = -4, high = 4 }, seed = 1,
    neurons = hw.neuron_spread { sigma = 0.1 }, cost = hw.noise { sigma = 1e-3 } }
  local run = mgd.train { chip = chip, data = set, batch = 100, eta = 3, seed = 1,
    perturb = "nodes", perturbation = { amplitude = 0.1 }, baseline = "two-sided",
    init = { scheme = "uniform", low = -0.5, high = 0.5 } }
  local accuracy = run:run { steps = 3000, every = 1000 }.accuracy[-1]
  assert.is_true(accuracy > 0.9, accuracy)
end)

-- ---- samples by themselves ---------------------------------------------------------------------

describe("each sample has", function()
  local net = nn.sequential { input = { 3 }, nn.dense(2), dtype = "f64" }
  local set = { x = mgd.randn({ 8, 3 }, { seed = 1 }), y = mgd.rand({ 8, 2 }, { seed = 2 }) }

  it("noise of the cost of its own", function()
    -- C̃ of a batch, noise less none: σ²/2 of a sample, over the 8 of a batch; 4000 values, so that
    -- the standard error of the variance is √(2/4000), 2.2 %
    local function tilde(sigma)
      local run = train { chip = chip_of(net, { cost = hw.noise { sigma = sigma } }), data = set,
        batch = 8, baseline = "two-sided" }
      return run:run { steps = 4000, every = 1, probes = { "C_tilde" } }.C_tilde
    end
    local with, without, list = tilde(0.01), tilde(0), {}
    for row = 2, 4001 do
      list[row - 1] = with[row] - without[row]
    end
    local variance = stats.moments(list).variance
    assert.is_true(math.abs(variance / (0.01 ^ 2 / 2 / 8) - 1) < 0.11, variance)
  end)

  it("inputs as they are read in its evaluations: noise and converters", function()
    -- G of a weight over that of its bias, one sample: x as read; two-sided its mean, of σ²/2
    local x = set.x[{ { 1, 1 } }]
    local function read(stages, baseline, steps)
      local run = train { chip = chip_of(net, stages), data = { x = x, y = set.y[{ { 1, 1 } }] },
        baseline = baseline }
      local list = {}
      for step = 1, steps do
        run:run { steps = 1 }
        local g = run:gradient()
        for i = 1, 3 do
          list[3 * (step - 1) + i] = g[i] / g[7]
        end
      end
      return list
    end
    local adc = hw.dac { bits = 4, bound = 4 }
    local levels, list = adc:apply(x), read({ input = adc }, "measured", 2)
    for i = 1, 6 do
      assert.is_true(math.abs(list[i] - levels[{ 1, (i - 1) % 3 + 1 }]) < 1e-12)
    end
    for baseline, variance in pairs { measured = 1, ["two-sided"] = 0.5 } do
      list = read({ input = hw.noise { sigma = 0.1 } }, baseline, 1000)
      for i = 1, 3000 do
        list[i] = list[i] - x[{ 1, (i - 1) % 3 + 1 }]
      end
      -- 3000 values: the standard error of the variance is 2.6 %
      local own = stats.moments(list).variance / (0.1 ^ 2 * variance)
      assert.is_true(math.abs(own - 1) < 0.13, own)
    end
  end)

  it("lines of its own, which begin at rest", function()
    -- C of each step of two ticks through a pole: C ← C + (1 − e^(−dt/τ))·(C' − C)
    local function costs(stages)
      local run = train { chip = chip_of(net, stages), data = set, batch = 3, dt = 1e-6,
        baseline = "none" }
      return run:run { steps = 20, every = 1, probes = { "C" } }.C
    end
    local bare = costs { cost = hw.gain { gain = 1 + 1e-15 } }
    local slow = costs { cost = hw.path { lowpass = 3e-6 } }
    -- places in the batch see three samples in turn, the filter is linear: so is the mean
    local share, c = 1 - math.exp(-1 / 3), bare[2]
    for row = 2, 21 do
      c = c + share * (bare[row] - c)
      assert.is_true(math.abs(slow[row] - c) < 1e-12 * c)
    end
  end)
end)

-- ---- layers that learn otherwise ---------------------------------------------------------------

describe("with layers that are perturbed by their parameters", function()
  local net = nn.mlp { 3, 4, 2, activation = "tanh", dtype = "f64" }:init { seed = 2 }
  local set = { x = mgd.randn({ 8, 3 }, { seed = 1 }), y = mgd.rand({ 8, 2 }, { seed = 2 }) }
  local layers = { dense1 = { perturb = "parameters" } }

  local function gradient(stages, changes)
    local run = train(options({ chip = chip_of(net, stages), data = set, batch = 8, seed = 3 },
      changes))
    run:run { steps = 2 }
    return run:gradient()
  end

  it("an almost ideal chip has the ideal chip's G", function()
    local exact = gradient({}, { layers = layers })
    local near = gradient({ weights = hw.gain { spread = 1e-14 } }, { layers = layers })
    assert.is_true((near - exact):norm() < 1e-9 * exact:norm())
  end)

  it("models of perturbation act on their θ̃, and layers that stand still have no G", function()
    local half = gradient({ perturbation = hw.gain { gain = 0.5 } },
      { perturbation = { amplitude = 1e-5 }, layers = { dense1 = { perturb = "parameters" },
        dense2 = { amplitude = 1e-9 } } })
    local exact = gradient({}, { perturbation = { amplitude = 1e-5 },
      layers = { dense1 = { perturb = "parameters" }, dense2 = { amplitude = 1e-9 } } })
    for i = 1, 16 do -- C̃ of a batch is halved, θ̃ counts as it was asked for
      assert.is_true(math.abs(half[i] - exact[i] / 2) < 1e-3 * math.abs(exact[i]) + 1e-7)
    end
    local still = gradient({ weights = hw.levels { bits = 6 } }, { learn = "dense2" })
    for i = 1, 16 do
      assert.equal(0, still[i])
    end
    assert.is_true(math.abs(still[17]) > 0)
  end)
end)

-- ---- the same bits -----------------------------------------------------------------------------

local STAGES = {
  weights = { hw.levels { bits = 6 }, hw.read_noise { sigma = 0.01 },
    hw.noise { sigma = 0.001 } },
  neurons = { hw.neuron_spread { sigma = 0.05 }, hw.noise { sigma = 0.01 } },
  input = { hw.noise { sigma = 0.01 }, hw.path { lowpass = 1e-7 } },
  output = { hw.path { lowpass = 2e-7 }, hw.adc { bits = 10, bound = 4 } },
  cost = { hw.noise { sigma = 0.001 }, hw.path { lowpass = 1e-6 },
    hw.flicker { sigma = 0.001, f_low = 1e3, f_high = 1e5 } },
  update = hw.soft_bounds { dw_min = 1e-4 }, clock = { dt = 1e-6 }, seed = 3,
}

local function network(dtype)
  return nn.sequential { input = { 1, 8, 8 }, dtype = dtype, nn.conv2d { 4, kernel = 3 },
    nn.relu(), nn.maxpool2d(2), nn.flatten(), nn.dense(5), nn.tanh(), nn.dense(3) }
end

local function settings(changes)
  return options({ chip = chip_of(network(changes and changes.dtype or "f32"), STAGES),
    data = { x = mgd.randn({ 300, 1, 8, 8 }, { seed = 1 }),
      y = mgd.rand({ 300, 3 }, { seed = 2 }) },
    batch = 200, perturb = "nodes", gate = true, perturbation = { amplitude = 0.05 }, eta = 0.01,
    tau_theta = 3, init = {}, seed = 5, baseline = "two-sided" }, changes)
end

describe("the same bits", function()
  local function bits(opts, steps, pieces)
    opts.dtype = nil
    local run = mgd.train(opts)
    local history
    for _ = 1, pieces do
      history = run:run { steps = steps / pieces, probes = { "C", "C_tilde" } }
    end
    return core.data.hash(run:theta()), history.C[-1], history.C_tilde[-1]
  end

  it("with any number of threads, at once and in pieces", function()
    for _, dtype in ipairs { "f32", "f64" } do
      for _, baseline in ipairs { "measured", "two-sided", "none" } do
        local first = { bits(settings { dtype = dtype, baseline = baseline, threads = 1 }, 9, 1) }
        for threads = 1, 3 do
          assert.same(first, { bits(settings { dtype = dtype, baseline = baseline,
            threads = threads }, 9, 3) })
        end
      end
    end
  end)

  it("of replica r and of the run with replica = r", function()
    local ensemble = mgd.train(settings { replicas = 3 })
    ensemble:run { steps = 7 }
    for r = 1, 3 do
      local single = mgd.train(settings { replica = r })
      single:run { steps = 7 }
      assert.same(single:theta():totable(), ensemble:theta()[r]:totable())
    end
  end)

  it("after a resume in the middle of a window", function()
    local path = os.tmpname()
    finally(function() os.remove(path) end)
    for _, baseline in ipairs { "measured", "two-sided", "none" } do
      local run = mgd.train(settings { baseline = baseline, replicas = 2 })
      run:run { steps = 4 }
      run:save(path)
      local resumed = mgd.resume(path)
      run:run { steps = 7 }
      resumed:run { steps = 7 }
      assert.same(run:theta():totable(), resumed:theta():totable())
    end
  end)

  it("with every instruction set of this machine", function()
    support.same_on_every_isa(4, [[
      local mgd = require "mgd"
      local hw, nn = mgd.hw, mgd.nn
      for _, dtype in ipairs { "f32", "f64" } do
        for _, gate in ipairs { false, true } do
          local net = nn.sequential { input = { 1, 8, 8 }, dtype = dtype,
            nn.conv2d { 5, kernel = 3 }, nn.relu(), nn.maxpool2d(2), nn.flatten(), nn.dense(3) }
          local chip = mgd.chip { net = net, weights = hw.read_noise { sigma = 0.01 },
            neurons = { hw.neuron_spread { sigma = 0.1 }, hw.noise { sigma = 0.01 } },
            cost = { hw.noise { sigma = 0.01 }, hw.path { lowpass = 1 } } }
          local run = mgd.train { chip = chip, batch = 50, perturb = "nodes", gate = gate,
            init = {}, eta = 1e-6, data = { x = mgd.randn({ 60, 1, 8, 8 }, { seed = 1 }),
              y = mgd.rand({ 60, 3 }, { seed = 2 }) } }
          run:run { steps = 5 }
          print(require("mgd.core").data.hash(run:theta()))
        end
      end
    ]])
  end)
end)

-- ---- memory, and what is refused ---------------------------------------------------------------

describe("node perturbation on a simulated chip", function()
  local net = nn.mlp { 2, 3, 1 }

  it("takes no memory once it runs, and gives back what it took", function()
    local before = memory.live_bytes()
    local run = mgd.train(settings { threads = 2 })
    run:run { steps = 3 }
    local running = memory.live_bytes()
    run:run { steps = 6 }
    assert.equal(running, memory.live_bytes())
    run = nil -- luacheck: ignore
    assert.equal(before, memory.live_bytes())
  end)

  it("fails cleanly at each allocation", function()
    local opts = settings { threads = 2, batch = 9 }
    mgd.train(opts):run { steps = 1 }
    assert.is_true(memory.survive(function() mgd.train(opts) end, { next = function(n)
      return n < 40 and n + 1 or n + 7
    end }) >= 60)
  end)

  it("goes on to the bit where Ctrl-C came in the middle of a step", function()
    local calls, at = 0, nil
    local model = hw.define { name = "spec_interrupted", stage = "output", apply = function(values)
      calls = calls + 1
      if calls == at then
        mgd.interrupt()
      end
      return values
    end }
    local function run_of()
      calls = 0
      return mgd.train(settings { chip = chip_of(network "f32", { output = model {},
        cost = { hw.path { lowpass = 1e-6 }, hw.flicker { sigma = 0.01, f_low = 1e3,
          f_high = 1e5 } }, clock = { dt = 1e-6 } }) })
    end
    local straight = run_of()
    straight:run { steps = 8, probes = {} }
    for _, call in ipairs { 13, 24, 31 } do -- of some ten a step
      local run = run_of()
      at = call
      support.fails("interrupted", run.run, run, { steps = 8, probes = {} })
      at = nil
      assert.is_true(run.steps_done < 8)
      run:run { steps = 8 - run.steps_done, probes = {} }
      assert.same(straight:theta():totable(), run:theta():totable())
    end
  end)

  it("refuses models of perturbation where no parameter is perturbed, and substeps", function()
    local function refuses(message, stages)
      support.fails(message, mgd.train, { chip = chip_of(net, stages), data = mgd.data.xor(),
        perturb = "nodes" })
    end
    refuses("the chip's models of perturbation act on the lines of θ̃",
      { perturbation = hw.path { lowpass = 3 } })
    refuses("expected substeps = 1", { cost = hw.path { lowpass = 3 }, substeps = 2 })
  end)

  it("names what it cannot perturb", function()
    local mesh = nn.sequential { input = { 2 }, nn.mzi_mesh { modes = 2 } }
    support.fails("this one has no dense or conv2d layer", mgd.train, { perturb = "nodes",
      chip = chip_of(mesh, { output = hw.noise { sigma = 0.1 } }), data = mgd.data.xor() })
  end)
end)
