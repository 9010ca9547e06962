-- Node perturbation: G of a step against plain Lua, G against back-propagation for every code, the
-- same bits whatever the threads and instruction sets, resumed runs, and what is refused.

local mgd = require "mgd"
local core = require "mgd.core"
local support = require "spec.support.train"
local memory = require "spec.support.memory"
local reference = require "spec.support.nodes"

local nn = mgd.nn
local options = support.options
local TASKS, gradient_of, images = reference.TASKS, reference.gradient_of, reference.images

local CODES = {
  {code = "sequential"}, {code = "walsh"}, {code = "random"}, {code = "random", sparsity = 0.5},
  {code = "sine", low = 0.05, high = 0.2},
}

describe("G of a step is what plain Lua makes of the definition:", function()
  for _, task in ipairs(TASKS) do
    for _, batch in ipairs {1, 3, 18} do
      it(("%s, batch %d"):format(task.name, batch), function()
        assert.equal(reference.nodes_of(task.layers), mgd.chip{net = task.net}.num_nodes)
        for _, baseline in ipairs {"measured", "two-sided", "none"} do
          for _, code in ipairs(CODES) do
            local opts = {net = task.net, data = {x = task.x, y = task.y}, shuffle = false,
              batch = batch, perturb = "nodes", perturbation = options(code, {amplitude = 0.01}),
              baseline = baseline, eta = 0, seed = 5, threads = 1}
            local run = mgd.train(opts)
            run:gradient()
            for step = 0, 2 do
              local cost = run:run{steps = 1, probes = {"C"}}.C[-1]
              local expected, unit = gradient_of(task, opts, step)
              -- both costs of C̃ differ in their last bits, of 1e−16·C, between here and there
              assert.is_true((run:gradient() - expected):norm() <= 1e-14 * cost * unit,
                ("%s, %s, step %d"):format(baseline, code.code, step))
            end
          end
        end
      end)
    end
  end
end)

-- ---- G and the gradient -------------------------------------------------------------------------

local function smooth_networks()
  return {
    mlp = {nn.mlp{3, 4, 2, activation = "tanh", output = "sigmoid", dtype = "f64"}, images(4, 3)},
    cnn = {nn.sequential{input = {1, 6, 6}, dtype = "f64",
      nn.conv2d{3, kernel = 3}, nn.tanh(), nn.avgpool2d(2),
      nn.residual{nn.conv2d{3, kernel = 3, padding = 1}, nn.tanh()},
      nn.concat{nn.conv2d{2, kernel = 1}, {nn.conv2d{1, kernel = 1}, nn.softplus()}},
      nn.flatten(), nn.dense(2)}, images(4, 1, 6, 6)},
  }
end

-- Relative distance and angle of G after one window to the gradient of the same samples.
local function compare(net, x, changes)
  local y = mgd.rand({#x, 2}, {seed = 4})
  local opts = options({net = net, data = {x = x, y = y}, batch = #x, shuffle = false,
    perturb = "nodes", eta = 0}, changes)
  local run = mgd.train(opts)
  local history = run:run{steps = opts.tau_theta, probes = {"angle"}}
  local gradient = net:gradient(x, y, "mse")
  return (run:gradient() - gradient):norm() / gradient:norm(), history.angle[-1]
end

describe("a window of forward differences of every node", function()
  for name, task in pairs(smooth_networks()) do
    local net, x = task[1]:init{scheme = "glorot_uniform", seed = 2}, task[2]
    local nodes = mgd.chip{net = net}.num_nodes

    it("gives the gradient of back-propagation to the order of the amplitude: " .. name, function()
      local function error_at(amplitude, baseline, order)
        return (compare(net, x, {tau_theta = nodes, baseline = baseline,
          perturbation = {code = "sequential", amplitude = amplitude, order = order}}))
      end
      for _, order in ipairs {"natural", "shuffled"} do
        local one, half = error_at(1e-3, "measured", order), error_at(5e-4, "measured", order)
        assert.is_true(one < 1e-3, one)
        assert.is_true(math.abs(one / half - 2) < 0.01, one / half)
      end
      local one, half = error_at(1e-2, "two-sided"), error_at(5e-3, "two-sided")
      assert.is_true(one < 1e-3, one)
      assert.is_true(math.abs(one / half - 4) < 0.05, one / half)
    end)
  end

  it("bug: a batch that has a divisor in common with the code saw a part of it", function()
    local net = nn.mlp{3, 5, 3, 2, activation = "tanh", dtype = "f64"}:init{seed = 2}
    assert.equal(10, mgd.chip{net = net}.num_nodes)
    for _, batch in ipairs {2, 4, 5, 10, 16} do
      for code, window in pairs {sequential = 10, walsh = 16, sine = 64} do
        local distance = compare(net, images(batch, 3), {tau_theta = window,
          perturbation = {code = code, amplitude = 1e-5}})
        assert.is_true(distance < 1e-4, ("%s, batch %d: %g"):format(code, batch, distance))
      end
    end
  end)
end)

describe("the angle falls to zero with the window", function()
  -- M = 30 nodes of 8 samples. Deterministic codes end at 0 with their period. Random signs: the
  -- tangent of the angle falls as 1/√τ_θ; over 16 times the window it becomes a quarter, ± 15 % for
  -- 20 seeds, whose spread is about 30 % each.
  local net = nn.mlp{6, 14, 12, 4, 2, activation = "tanh", dtype = "f64"}:init{seed = 2}
  local x = images(8, 6)

  for code, period in pairs {sequential = 32, walsh = 64, sine = 128} do
    it("code " .. code, function()
      local function angle(window)
        return select(2, compare(net, x, {tau_theta = window, baseline = "two-sided",
          perturbation = {code = code, amplitude = 1e-3}}))
      end
      assert.is_true(angle(math.floor(period / 4)) > 10)
      assert.is_true(angle(code == "sine" and 128 or code == "walsh" and 64 or 32) < 1e-2)
    end)
  end

  it("code random, as one over its root", function()
    for _, sparsity in ipairs {0, 0.5} do
      local function tangent(window)
        local sum = 0
        for seed = 1, 20 do
          local _, angle = compare(net, x, {tau_theta = window, seed = seed,
            perturbation = {code = "random", sparsity = sparsity, amplitude = 1e-4}})
          sum = sum + math.tan(math.rad(angle)) / 20
        end
        return sum
      end
      local ratio = tangent(16) / tangent(256)
      assert.is_true(ratio > 3.4 and ratio < 4.6, ratio)
    end
  end)
end)

describe("in expectation G is the gradient", function()
  it("with nodes as with parameters", function()
    -- 300 seeds × 20 steps; every parameter's mean error is within 5 of its standard errors (17
    -- parameters: one in 10⁵ such specs would fail by chance)
    local net = nn.mlp{2, 3, 2, activation = "tanh", dtype = "f64"}:init{seed = 2}
    local x, y = images(4, 2), mgd.rand({4, 2}, {seed = 4})
    local truth = net:gradient(x, y, "mse")
    for _, perturb in ipairs {"parameters", "nodes"} do
      local sum, squares = mgd.zeros{#truth}, mgd.zeros{#truth}
      for seed = 1, 300 do
        local run = mgd.train{net = net, data = {x = x, y = y}, batch = 4, shuffle = false,
          tau_theta = 20, eta = 0, seed = seed, perturb = perturb, baseline = "two-sided",
          perturbation = {amplitude = 1e-4}}
        run:gradient()
        run:run{steps = 20}
        local difference = run:gradient() - truth
        sum:add_(difference)
        squares:add_(difference * difference)
      end
      for i = 1, #truth do
        local error = sum[i] / 300
        local deviation = math.sqrt((squares[i] / 300 - error * error) / 300)
        assert.is_true(math.abs(error) < 5 * deviation + 1e-7,
          ("%s, parameter %d: %g, %g"):format(perturb, i, error, deviation))
      end
    end
  end)
end)

-- ---- conventions --------------------------------------------------------------------------------

describe("with M in the place of P", function()
  local net = nn.mlp{3, 4, 2, activation = "tanh", dtype = "f64"}:init{seed = 2}
  local set = {x = images(4, 3), y = mgd.rand({4, 2}, {seed = 4})}

  local function run_of(changes)
    local run = mgd.train(options({net = net, data = set, batch = 4, perturb = "nodes",
      tau_theta = 5, eta = 0, perturbation = {amplitude = 0.01}}, changes))
    run:gradient()
    return run, run:run{steps = 5, every = 1, probes = {"C", "C_tilde"}}
  end

  it("the published G is the sum over Δ²", function()
    local ours, published = run_of(), run_of{convention = "published"}
    assert.is_true(ours:gradient():allclose(published:gradient() * (6 / 5), {rtol = 1e-12}))
  end)

  it("norm is that of the whole perturbation", function()
    local a = run_of{perturbation = {amplitude = 0.01}}
    local norm = run_of{perturbation = {norm = 0.01 * math.sqrt(6)}}
    assert.is_true(a:gradient():allclose(norm:gradient(), {rtol = 1e-9}))
  end)

  it("a step costs as many evaluations as with parameters, C₀ being measured in each", function()
    for _, baseline in ipairs {"measured", "two-sided", "none"} do
      for _, tau_x in ipairs {1, 3} do
        local nodes = run_of{baseline = baseline, tau_x = tau_x}
        local parameters = run_of{baseline = baseline, tau_x = baseline == "measured" and 1
          or tau_x, perturb = "parameters"}
        assert.same(parameters:counters(), nodes:counters())
      end
    end
  end)

  it("C₀ is the mean cost of the batch, C and C̃ the means with every sample's ξ", function()
    local run, history = run_of{shuffle = false}
    for row = 2, 6 do
      assert.is_true(math.abs(history.C[row] - history.C_tilde[row] - run:evaluate().cost) < 1e-15)
      assert.is_true(history.C_tilde[row] ~= 0)
    end
  end)

  it("τ_p holds the perturbation of every sample", function()
    local held, still = run_of{tau_p = 5, tau_x = 5}, run_of{tau_theta = 1, shuffle = false}
    local first = mgd.train{net = net, data = set, batch = 4, perturb = "nodes", tau_x = 5,
      eta = 0, perturbation = {amplitude = 0.01}}
    first:gradient()
    first:run{steps = 1}
    assert.is_true(held:gradient():allclose(first:gradient(), {rtol = 1e-9}))
    assert.is_false(still:gradient():allclose(first:gradient(), {rtol = 1e-3}))
  end)
end)

it("node perturbation solves XOR", function()
  local run = mgd.train{net = nn.mlp{2, 2, 1, activation = "sigmoid", output = "sigmoid"},
    data = mgd.data.xor(), batch = 4, init = {}, eta = 2, perturb = "nodes", seed = 2,
    perturbation = {amplitude = 0.01}, replicas = 10}
  run:run{steps = 2e4, stop = {cost = 0.04}}
  local solved = 0
  for r = 1, 10 do
    solved = solved + (run:evaluate().cost[r] < 0.04 and 1 or 0)
  end
  assert.is_true(solved >= 3, solved) -- the others stand at local minima, as with back-propagation
end)

-- ---- the same bits ------------------------------------------------------------------------------

local function cnn(dtype)
  return nn.sequential{input = {2, 8, 8}, dtype = dtype,
    nn.conv2d{6, kernel = 3}, nn.relu(), nn.maxpool2d(2),
    nn.conv2d{9, kernel = 3, padding = 1}, nn.tanh(), nn.flatten(), nn.dense(3)}
end

local function bits_of(opts, steps, pieces)
  local run = mgd.train(opts)
  local rows = {}
  for _ = 1, pieces or 1 do
    local history = run:run{steps = math.floor(steps / (pieces or 1)),
      probes = {"cost", "C", "C_tilde"}}
    rows = {history.C:totable(), history.C_tilde:totable()}
  end
  return core.data.hash(run:theta()), run:theta():totable(), rows
end

describe("the same bits", function()
  for _, dtype in ipairs {"f32", "f64"} do
    for _, batch in ipairs {1, 40, 700} do
      it(("with one, two and three threads, at once and in pieces: batch %d in %s"):format(batch,
        dtype), function()
        local opts = {net = cnn(dtype):init{seed = 3}, batch = batch, tau_theta = 3, eta = 0.1,
          perturb = "nodes", perturbation = {code = "random"}, cost = "cross_entropy",
          data = {x = mgd.randn({800, 2, 8, 8}, {seed = 1}):to(dtype),
            y = mgd.rand({800, 3}, {seed = 2}):to(dtype)}}
        local steps = batch == 700 and 6 or 24
        local first = bits_of(options(opts, {threads = 1}), steps)
        for threads = 1, 3 do
          assert.equal(first, bits_of(options(opts, {threads = threads}), steps))
          assert.equal(first, bits_of(options(opts, {threads = threads}), steps, 3))
        end
      end)
    end
  end

  it("of replica r and of the run with replica = r", function()
    local opts = {net = nn.mlp{2, 3, 1}, data = mgd.data.xor(), init = {}, batch = 3, eta = 0.5,
      seed = 9, tau_theta = 3, perturb = "nodes", optimizer = "adam"}
    for _, code in ipairs(CODES) do
      local ensemble = mgd.train(options(opts, {replicas = 5, perturbation = code}))
      local history = ensemble:run{steps = 61, every = 30, probes = {"cost", "C_tilde", "angle"}}
      for r = 1, 5 do
        local single = mgd.train(options(opts, {replica = r, perturbation = code}))
        local own = single:run{steps = 61, every = 30, probes = {"cost", "C_tilde", "angle"}}
        assert.same(single:theta():totable(), ensemble:theta()[r]:totable())
        for _, name in ipairs {"cost", "C_tilde", "angle"} do
          assert.equal(own[name][-1], history[name][-1][r])
        end
      end
    end
  end)

  it("with every instruction set of this machine", function()
    local script = [[
      local mgd = require "mgd"
      local nn = mgd.nn
      for _, dtype in ipairs {"f32", "f64"} do
        for _, net in ipairs {
          nn.mlp{5, 70, 3, activation = "relu", dtype = dtype},
          nn.sequential{input = {1, 1, 5}, nn.conv2d{9, kernel = {1, 2}}, nn.sigmoid(),
            nn.flatten(), nn.dense(3), dtype = dtype},
          nn.sequential{input = {3, 9, 9}, nn.conv2d{5, kernel = 3}, nn.relu(), nn.maxpool2d(2),
            nn.conv2d{17, kernel = 3}, nn.tanh(), nn.flatten(), nn.dense(3), dtype = dtype},
        } do
          local inputs = net.input
          local set = mgd.data.from{x = mgd.randn({50, table.unpack(inputs)}, {seed = 1}),
            y = mgd.rand({50, 3}, {seed = 2})}
          for _, code in ipairs {"sequential", "walsh", "random", "sine"} do
            for _, baseline in ipairs {"measured", "two-sided", "none"} do
              local run = mgd.train{net = net, data = set, cost = "cross_entropy", batch = 33,
                init = {}, tau_theta = 2, optimizer = "adam", perturb = "nodes",
                perturbation = {code = code}, baseline = baseline}
              local history = run:run{steps = 10, every = 5, probes = {"cost", "angle", "C_tilde"}}
              print(require("mgd.core").data.hash(run:theta(), history.cost, history.C_tilde,
                history.angle))
            end
          end
        end
      end
    ]]
    support.same_on_every_isa(72, script)
  end)

  it("after a resume in the middle of a window", function()
    local path = os.tmpname()
    finally(function() os.remove(path) end)
    for _, code in ipairs(CODES) do
      for _, baseline in ipairs {"measured", "two-sided"} do
        local opts = {net = cnn("f32"):init{seed = 3}, batch = 20, tau_theta = 8, tau_x = 3,
          tau_p = 2, eta = 0.1, perturb = "nodes", perturbation = code, baseline = baseline,
          optimizer = "momentum", data = {x = mgd.randn{50, 2, 8, 8}:to "f32",
            y = mgd.rand{50, 3}:to "f32"}}
        local run = mgd.train(opts)
        run:gradient()
        run:run{steps = 13}
        run:save(path)
        local resumed = mgd.resume(path)
        assert.equal("nodes", resumed.options.perturb)
        run:run{steps = 20}
        resumed:run{steps = 20}
        assert.same(run:theta():totable(), resumed:theta():totable())
        assert.same(run:gradient():totable(), resumed:gradient():totable())
        assert.same(run:counters(), resumed:counters())
      end
    end
  end)
end)

-- ---- what is refused, and what goes wrong -------------------------------------------------------

describe("node perturbation refuses", function()
  local net, set = nn.mlp{2, 3, 1}, mgd.data.xor()
  local hw = mgd.hw

  for name, case in pairs {
    ["a black box"] = {"a function of θ and x that shows no nodes",
      {chip = mgd.chip{parameters = 1, evaluate = function() end}}},
    ["parameters in other layers"] = {"layer 'affine1' (affine) has no nodes",
      {net = nn.sequential{input = {2}, nn.dense(3), nn.affine(), nn.dense(1)}}},
    ["a mesh"] = {"layer 'mzi_mesh1' (mzi_mesh) has no nodes",
      {net = nn.sequential{input = {2}, nn.mzi_mesh{modes = 2}, nn.dense(1)}}},
    ["a cost that is a function"] = {"needs the cost of every sample",
      {net = net, cost = function() return 0 end}},
    ["another word"] = {"option 'perturb' must be 'parameters' or 'nodes'",
      {net = net, perturb = "node"}},
  } do
    it(name .. ", at the caller's line, and leaves nothing behind", function()
      local before = memory.live_bytes()
      local message = support.fails(case[1], function()
        mgd.train(options({data = set, perturb = "nodes"}, case[2]))
      end)
      assert.is_truthy(message:find "nodes_spec.lua:%d+: ")
      assert.equal(before, memory.live_bytes())
    end)
  end

  it("no chip whose models are all neutral", function()
    local chip = mgd.chip{net = net, weights = hw.noise{sigma = 0}}
    assert.equal(4, chip.num_nodes)
    mgd.train{chip = chip, data = set, perturb = "nodes"}:run{steps = 1}
  end)
end)

describe("a run with nodes", function()
  it("stops with the last finite θ when the cost diverges", function()
    local run = mgd.train{net = nn.mlp{2, 3, 1, output = "identity"}, data = mgd.data.xor(),
      init = {}, batch = 4, eta = 1e40, perturb = "nodes"}
    support.fails("the cost became", run.run, run, {steps = 100})
    assert.is_true(run:theta():norm() < 1e38)
  end)

  it("fails cleanly at each allocation, and leaks nothing", function()
    local net, set = cnn "f32", {x = mgd.randn{20, 2, 8, 8}:to "f32", y = mgd.rand{20, 3}:to "f32"}
    for _, threads in ipairs {1, 2} do
      local opts = {net = net, data = mgd.data.from(set), batch = 9, perturb = "nodes",
        threads = threads}
      mgd.train(opts):run{steps = 2}
      local failures = memory.survive(function()
        mgd.train(opts)
      end)
      assert.is_true(failures >= 40, failures)
    end
  end)
end)
