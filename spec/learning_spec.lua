-- Layers that learn, stand still, have something of their own, and take turns; gates of nodes.

local mgd = require "mgd"
local support = require "spec.support.train"
local reference = require "spec.support.nodes"

local nn = mgd.nn
local options, fails = support.options, support.fails
local gradient_of, images = reference.gradient_of, reference.images

local path = os.tmpname()
teardown(function()
  os.remove(path)
end)

local function mlp(dtype)
  return nn.mlp{5, 4, 3, 2, activation = "tanh", dtype = dtype or "f64"}
    :init{scheme = "glorot_uniform", seed = 2}
end

local function cnn()
  return nn.sequential{input = {1, 9, 9}, nn.conv2d{4, kernel = 3}, nn.relu(), nn.maxpool2d(2),
    nn.conv2d{5, kernel = 2}, nn.relu(), nn.dense(2)}:init{scheme = "he_uniform", seed = 2}
end

local function task(net, ...)
  return {net = net, data = {x = images(20, ...), y = mgd.rand({20, 2}, {seed = 4})}, batch = 6,
    eta = 0.05, seed = 5}
end

-- θ of a part.
local function of(theta, part)
  return theta[{{part.first, part.first + part.parameters - 1}}]
end

local function trained(opts, steps)
  local run = mgd.train(opts)
  run:run{steps = steps or 12, probes = {}}
  return run:theta(), run
end

-- All of them, without printing them where they are not.
local function same(a, b)
  for i = 1, math.max(#a, #b) do
    if a[i] ~= b[i] then
      return false, ("%d: %.17g and %.17g"):format(i, a[i], b[i])
    end
  end
  return true
end

-- ---- standing still -----------------------------------------------------------------------------

describe("layers that stand still", function()
  for name, changes in pairs {
    ["by parameters"] = {tau_theta = 3},
    ["by nodes"] = {perturb = "nodes", baseline = "two-sided"},
    ["by back-propagation"] = {engine = "backprop"},
    ["under adam, with weight decay"] = {optimizer = "adam", weight_decay = 0.1},
    ["under momentum"] = {optimizer = "momentum"},
    ["under signs"] = {optimizer = "sign", tau_theta = 2},
    ["in an ensemble"] = {replicas = 20, batch = 1, init = {scheme = "uniform"}},
  } do
    it("keep θ, and the others do not: " .. name, function()
      local net = mlp()
      local run = mgd.train(options(task(net, 5), options({learn = {"dense1", 3}}, changes)))
      local before = run:theta()
      run:run{steps = 12, probes = {}}
      local after = run:theta()
      for r = 1, changes.replicas or 1 do
        local a = changes.replicas and before[r] or before
        local b = changes.replicas and after[r] or after
        for i, part in ipairs(net:parts()) do
          local moved = (of(b, part) - of(a, part)):norm()
          assert.equal(i == 2, moved == 0, part.name)
        end
      end
    end)
  end

  it("give what a network of the others alone gives", function()
    local net = mlp()
    local lower = nn.mlp{5, 4, output = "tanh", dtype = "f64"}
    local upper = nn.mlp{4, 3, 2, activation = "tanh", dtype = "f64"}
    local theta = net:theta()
    lower:set_theta(theta[{{1, 24}}])
    upper:set_theta(theta[{{25, net.num_parameters}}])
    local opts = options(task(net, 5), {perturb = "nodes", baseline = "two-sided",
      learn = {"dense2", "dense3"}})
    local whole = trained(opts)
    opts.net, opts.learn = upper, nil
    opts.data = {x = lower:forward(opts.data.x), y = opts.data.y}
    assert.same(trained(opts):totable(), whole[{{25, net.num_parameters}}]:totable())
  end)

  it("are evaluated by the hardware at every step, whatever is kept", function()
    local opts = options(task(cnn(), 1, 9, 9), {learn = "dense1"})
    local _, kept = trained(opts)
    local _, all = trained(options(opts, {keep = false}))
    assert.equal(all:counters().evaluations, kept:counters().evaluations)
    assert.equal(12 * 2 * 6, kept:counters().evaluations)
  end)

  for name, changes in pairs {
    parameters = {}, nodes = {perturb = "nodes"},
    ["gated nodes"] = {perturb = "nodes", gate = true, baseline = "two-sided"},
    ["back-propagation"] = {engine = "backprop"},
  } do
    it("give the same bits kept or not, for any number of threads: " .. name, function()
      local opts = options(task(cnn(), 1, 9, 9), options({batch = 70, learn = {"conv2", "dense1"}},
        changes))
      local expected = trained(options(opts, {threads = 1})):totable()
      for threads = 1, 3 do
        for _, keep in ipairs {true, false} do
          local theta = trained(options(opts, {threads = threads, keep = keep})):totable()
          assert.is_true(same(expected, theta), ("%d threads, keep %s"):format(threads, keep))
        end
      end
    end)
  end

  it("are kept anew where θ is set", function()
    local net = cnn()
    local opts = options(task(net, 1, 9, 9), {learn = {"dense1"}, shuffle = false})
    local other = cnn():init{scheme = "he_uniform", seed = 9}:theta()
    local results = {}
    for i, keep in ipairs {true, false} do
      local run = mgd.train(options(opts, {keep = keep}))
      run:run{steps = 5, probes = {}}
      run:set_theta(other)
      run:run{steps = 5, probes = {}}
      results[i] = run:theta():totable()
    end
    assert.is_true(same(results[1], results[2]))
  end)

  it("are named in what a run prints, with what is kept", function()
    local opts = options(task(cnn(), 1, 9, 9), {learn = {"dense1"}})
    local text = tostring(mgd.train(opts))
    assert.is_truthy(text:find("learn dense1", 1, true), text)
    assert.is_truthy(text:find("kept: 20 values of each of 20 samples, 1.6 kB", 1, true), text)
    text = tostring(mgd.train(options(opts, {keep = false})))
    assert.is_truthy(text:find("not kept: keep is off", 1, true), text)
  end)
end)

-- ---- by layer -----------------------------------------------------------------------------------

describe("a layer's own", function()
  it("eta and weight decay write it", function()
    local net = mlp()
    local opts = options(task(net, 5), {engine = "backprop", eta = 0.1, layers = {
      {eta = 0.3}, {weight_decay = 0.5}, {eta = 0}}})
    local run = mgd.train(opts)
    run:gradient() -- keeps windows from here on
    local theta = run:theta()
    run:run{steps = 1, probes = {}}
    local g, after = run:gradient(), run:theta()
    local eta, decay = {0.3, 0.1, 0}, {0, 0.5, 0}
    for i, part in ipairs(net:parts()) do
      local expected = of(theta, part) * (1 - eta[i] * decay[i]) - of(g, part) * eta[i]
      assert.is_true((expected - of(after, part)):norm() < 1e-15)
    end
  end)

  it("amplitude moves it, and G is what differences of that size give", function()
    local net = mlp()
    local a = {0.02, 0.003, 0.01}
    local opts = options(task(net, 5), {batch = 20, shuffle = false, eta = 0,
      tau_theta = net.num_parameters, perturbation = {code = "sequential", amplitude = 0.01},
      layers = {dense1 = {amplitude = a[1]}, dense2 = {amplitude = a[2]}}})
    local run = mgd.train(opts)
    run:gradient()
    run:run{steps = net.num_parameters, probes = {}}
    local g, theta, x, y = run:gradient(), net:theta(), opts.data.x, opts.data.y
    local rest = select(2, net:gradient(x, y, "mse"))
    for i, part in ipairs(net:parts()) do
      for at = part.first, part.first + part.parameters - 1 do
        local moved = theta:clone()
        moved[at] = moved[at] + a[i]
        local cost = select(2, net:set_theta(moved):gradient(x, y, "mse"))
        assert.is_true(math.abs((cost - rest) / a[i] - g[at]) < 1e-9)
      end
    end
  end)

  for _, perturb in ipairs {"parameters", "nodes"} do
    it("amplitude may be 0: it is written by decay alone, perturbed by " .. perturb, function()
      local net = mlp()
      local theta = net:theta()
      local after = trained(options(task(net, 5), {perturb = perturb, weight_decay = 0.2,
        layers = {dense2 = {amplitude = 0}}}), 1)
      local part = net:parts()[2]
      local expected = of(theta, part) * (1 - 0.05 * 0.2)
      assert.is_true((expected - of(after, part)):norm() < 1e-15)
    end)
  end

  -- Replicas lie in lanes, and change places when enough of them have stopped.
  it("options are the same bits in an ensemble and alone, where replicas stop, too", function()
    local opts = options(task(mlp("f32"), 5), {batch = 1, replicas = 40, optimizer = "adam",
      init = {scheme = "uniform"}, weight_decay = 0.01, tau_theta = 2, layers = {
        dense1 = {amplitude = 0.02, eta = 0.01}, dense2 = {weight_decay = 0.5}}})
    local function advanced(own)
      local run = mgd.train(own)
      run:run{steps = 60, every = 4, probes = {"cost"}, stop = {cost = 0.3}}
      return run:theta(), run
    end
    local together, run = advanced(opts)
    local stopped = 0
    for r = 1, 40 do
      stopped = stopped + (run.core:stopped(r) and 1 or 0)
    end
    assert.is_true(stopped > 10 and stopped < 40, stopped)
    for _, r in ipairs {1, 7, 20, 40} do
      local alone = advanced(options(opts, {replicas = 1, replica = r}))
      assert.same(alone:totable(), together[r]:totable())
    end
  end)

  it("way of being perturbed: nodes and parameters in one run", function()
    local net = nn.sequential{input = {5}, dtype = "f64", nn.dense(4), nn.tanh(), nn.affine(),
      nn.dense(3), nn.tanh(), nn.dense(2)}:init{scheme = "glorot_uniform", seed = 2}
    -- |G − g|²/|g|² is about (29 values that are perturbed)/steps: 0.0073, an angle of 5°
    local steps, samples = 4000, 3
    for _, baseline in ipairs {"measured", "two-sided"} do
      local opts = options(task(net, 5), {perturb = "nodes", baseline = baseline, eta = 0,
        shuffle = false, batch = samples, tau_theta = steps, data = {
          x = images(samples, 5), y = mgd.rand({samples, 2}, {seed = 4})},
        perturbation = {amplitude = 1e-4},
        layers = {affine1 = {perturb = "parameters"}, dense2 = {perturb = "parameters"}}})
      local run = mgd.train(opts)
      local history = run:run{steps = steps, probes = {"angle"}}
      assert.is_true(history.angle[-1] < 10, history.angle[-1])
      local g = run:gradient()
      for _, part in ipairs(net:parts()) do
        local own, off = of(net:gradient(opts.data.x, opts.data.y), part), of(g, part)
        assert.is_true((own - off):norm() < 0.3 * own:norm() + 0.01, part.name)
      end
    end
  end)

  it("way of being perturbed is the same bits for any number of threads, and resumed", function()
    local opts = options(task(cnn(), 1, 9, 9), {perturb = "nodes", gate = true, batch = 70,
      optimizer = "adam", baseline = "two-sided",
      layers = {conv1 = {perturb = "parameters", amplitude = 0.02}, conv2 = {eta = 0.01}}})
    local expected = trained(opts, 10):totable()
    for threads = 1, 3 do
      local run = mgd.train(options(opts, {threads = threads}))
      run:run{steps = 4, probes = {}}
      run:save(path)
      local resumed = mgd.resume(path)
      resumed:run{steps = 6, probes = {}}
      assert.is_true(same(expected, resumed:theta():totable()))
    end
  end)
end)

-- ---- gates --------------------------------------------------------------------------------------

describe("G of gated nodes is what plain Lua makes of the definition:", function()
  for _, own in ipairs(reference.TASKS) do
    for _, learn in ipairs {false, {#own.layers}, {1, #own.layers}, {2}} do
      it(("%s, layers %s"):format(own.name, learn and table.concat(learn, " ") or "all"), function()
        for _, baseline in ipairs {"measured", "two-sided", "none"} do
          local opts = {net = own.net, data = {x = own.x, y = own.y}, shuffle = false, batch = 7,
            perturb = "nodes", perturbation = {code = "random", amplitude = 0.3}, gate = true,
            learn = learn or nil, baseline = baseline, eta = 0, seed = 5, threads = 1}
          local gates = false
          for _, l in ipairs(learn or {1}) do
            gates = gates or own.layers[l].bounds[1] > -math.huge
          end
          opts.gate = gates -- a dense layer at the end may have none
          local run = mgd.train(opts)
          run:gradient()
          for step = 0, 2 do
            local cost = run:run{steps = 1, probes = {"C"}}.C[-1]
            local expected, unit = gradient_of(own, opts, step)
            assert.is_true((run:gradient() - expected):norm() <= 1e-14 * cost * unit,
              ("%s, step %d"):format(baseline, step))
          end
        end
      end)
    end
  end
end)

describe("a gate", function()
  -- One node at a time: C does not depend on one that is closed on both sides, so nothing is lost.
  it("leaves differences of single nodes as they are", function()
    local net = cnn()
    local count = mgd.chip{net = net}.num_nodes
    local opts = options(task(net, 1, 9, 9), {perturb = "nodes", eta = 0, shuffle = false,
      baseline = "two-sided", batch = 4, tau_x = count, tau_theta = count,
      perturbation = {code = "sequential", amplitude = 0.1}})
    local g = {}
    for i, gate in ipairs {true, false} do
      local run = mgd.train(options(opts, {gate = gate}))
      run:gradient()
      run:run{steps = count, probes = {}}
      g[i] = run:gradient()
    end
    assert.is_true(g[2]:norm() > 0)
    assert.is_true((g[1] - g[2]):norm() <= 1e-6 * g[2]:norm())
  end)

  it("takes noise of others' perturbations away", function()
    local opts = options(task(cnn(), 1, 9, 9), {perturb = "nodes", eta = 0, baseline = "two-sided",
      perturbation = {amplitude = 1e-3}, tau_theta = 50, batch = 20, shuffle = false})
    local snr = {}
    for i, gate in ipairs {true, false} do
      local run = mgd.train(options(opts, {gate = gate}))
      snr[i] = run:run{steps = 50, probes = {"snr"}}.snr[-1]
    end
    assert.is_true(snr[1] > 1.5 * snr[2])
  end)
end)

-- ---- stages -------------------------------------------------------------------------------------

describe("stages", function()
  local function staged(changes)
    return options(task(cnn(), 1, 9, 9), options({perturb = "nodes", baseline = "two-sided",
      optimizer = "adam", tau_theta = 2, stages = {
        {learn = "dense1", steps = 6},
        {learn = {"conv2"}, steps = 4, gate = true, eta = {"cosine", 0.01, steps = 4}},
        {layers = {conv1 = {eta = 0.02}}, amplitude = 0.02},
      }}, changes))
  end

  it("train one layer after the other", function()
    local net = cnn()
    local run, theta, parts = mgd.train(options(staged(), {net = net})), net:theta(), net:parts()
    local moves = {{false, false, true}, {false, true, false}, {true, true, true}}
    for stage, steps in ipairs {6, 4, 4} do
      run:run{steps = steps, probes = {}}
      local after = run:theta()
      for i, part in ipairs(parts) do
        assert.equal(moves[stage][i], (of(after, part) - of(theta, part)):norm() > 0)
      end
      theta = after
    end
  end)

  -- States of devices, counts of writes and lines go over from stage to stage.
  for name, changes in pairs {
    ["one chip"] = {batch = 6}, ["chips side by side"] = {replicas = 20, batch = 1},
  } do
    it("that change nothing change nothing on a chip with a memory: " .. name, function()
      local hw = mgd.hw
      local function of_chip(stages)
        local net = mlp("f32")
        local chip = mgd.chip{net = net, cost = hw.path{lowpass = 3},
          weights = {hw.levels{bits = 6}, hw.drift{nu = 0.05, nu_spread = 0.2}},
          neurons = hw.neuron_spread{sigma = 0.1},
          update = hw.soft_bounds{w_max = 2, dw_min = 0.01, c2c = 0.1}}
        return trained(options(options(task(nil, 5), {chip = chip, tau_theta = 2, stages = stages}),
          changes), 14):totable()
      end
      assert.same(of_chip(), (of_chip {{steps = 6}, {steps = 4}, {}}))
    end)
  end

  -- The run is by nodes as soon as a layer is; stages that say nothing are by parameters again.
  it("perturb parameters where they do not say nodes", function()
    local function second(stages)
      local opts = options(staged {tau_theta = 1, optimizer = "sgd"}, {stages = stages})
      opts.perturb = nil
      return trained(opts, 8)
    end
    local nodes = {layers = {conv1 = {perturb = "nodes"}}, steps = 4}
    local said = {layers = {conv1 = {perturb = "parameters"}}}
    assert.is_true(same(second({nodes, said}):totable(), second({nodes, {}}):totable()))
  end)

  it("begin moments of the optimizer anew", function()
    local run = mgd.train(staged())
    run:run{steps = 10, probes = {}}
    local before = run:theta()
    run:run{steps = 2, probes = {}}
    local part = run.options.chip.net:parts()[2]
    local step = (of(run:theta(), part) - of(before, part)):abs()
    assert.is_true(math.abs(step:max() - 0.05) < 1e-3) -- adam's first step is η
  end)

  it("give the same bits in one go, in pieces, saved within and between them", function()
    local expected = trained(staged(), 20):totable()
    for _, pieces in ipairs {{3, 17}, {6, 14}, {10, 4, 6}, {1, 7, 9, 3}} do
      local run = mgd.train(staged {threads = #pieces})
      for i, steps in ipairs(pieces) do
        run:run{steps = steps, probes = {}}
        run:save(path)
        run = i % 2 == 1 and mgd.resume(path) or run
      end
      assert.is_true(same(expected, run:theta():totable()))
      assert.equal(20 * 2 * 6, run:counters().evaluations)
    end
  end)
end)

describe("every instruction set gives the same bits", function()
  it("to gates, kept features, rules and stages", function()
    support.same_on_every_isa(8, [[
      local mgd = require "mgd"
      local nn = mgd.nn
      for _, dtype in ipairs {"f32", "f64"} do
        local net = nn.sequential{input = {2, 12, 12}, dtype = dtype, nn.conv2d{5, kernel = 3},
          nn.relu(), nn.maxpool2d(2), nn.centre(), nn.conv2d{6, kernel = 2}, nn.tanh(),
          nn.maxpool2d{kernel = 3, stride = 1}, nn.dense(7), nn.relu(), nn.dense(3)}
        net:init{scheme = "he_normal", seed = 1}
        local data = {x = mgd.randn({90, 2, 12, 12}, {seed = 2}),
          y = mgd.rand({90, 3}, {seed = 3})}
        for _, own in ipairs {
          {learn = {"conv2", "dense1"}, gate = true},
          {perturb = "parameters", learn = {"dense2"}, optimizer = "momentum"},
          {gate = true, layers = {centre1 = {perturb = "parameters"}, conv1 = {amplitude = 0.02}}},
          {stages = {{learn = "dense2", steps = 3}, {learn = {"conv1", "dense1"}, gate = true}}},
        } do
          local opts = {net = net, data = data, batch = 45, perturb = "nodes", seed = 4,
            baseline = "two-sided", optimizer = "adam", eta = 0.01, weight_decay = 0.01}
          for name, value in pairs(own) do
            opts[name] = value
          end
          local run = mgd.train(opts)
          run:run{steps = 6, probes = {}}
          print(require("mgd.core").data.hash(run:theta()))
        end
      end
    ]])
  end)
end)

-- ---- memory that is not there -------------------------------------------------------------------

describe("memory that is not there", function()
  local core = require "mgd.core"
  local memory = require "spec.support.memory"
  local set = {x = images(20, 1, 9, 9), y = mgd.rand({20, 2}, {seed = 4})}
  local net = cnn()

  local function opts(changes)
    return options({net = net, data = set, batch = 6, perturb = "nodes", gate = true, threads = 2,
      baseline = "two-sided"}, changes)
  end

  it("leaks nothing, and leaves the run in its stage", function()
    local failures = memory.survive(function()
      mgd.train(opts {optimizer = "adam", stages = {{learn = "dense1", gate = false, steps = 2},
        {layers = {conv1 = {perturb = "parameters"}}}}}):run{steps = 4, probes = {}}
    end)
    assert.is_true(failures > 80)
  end)

  it("for what has to be kept says how many bytes that takes", function()
    local said
    for n = 1, 200 do
      core.base.fail_from(n)
      local ok, message = pcall(mgd.train, opts {learn = "conv2", keep = true})
      core.base.fail_from(0)
      said = said or (not ok and message:match "keep: (.*)")
    end
    assert.equal("36 values of each of 20 samples take 2880 bytes, which this machine does not "
      .. "have: expected keep = false, or fewer samples", said)
  end)
end)

-- ---- what is refused ----------------------------------------------------------------------------

describe("learning refuses", function()
  local memory = require "spec.support.memory"
  local plain = {perturb = "nodes"}
  for name, case in pairs {
    ["no layer"] = {"option 'learn' names no layer", {learn = {}}},
    ["an unknown layer"] = {"no layer with parameters is called 'conv3'", {learn = "conv3"}},
    ["an unknown number"] = {"layer 7: the network has 3", {learn = {1, 7}}},
    ["a layer named twice"] = {"layer 'conv1' is named twice", {learn = {1, "conv1"}}},
    ["something of a layer that stands still"] = {"layer 'conv1' stands still",
      {learn = "conv2", layers = {conv1 = {eta = 1}}}},
    ["an option that layers do not have"] = {"unknown option 'momentum'",
      {layers = {conv1 = {momentum = 1}}}},
    ["a layer that is no table"] = {"got number", {layers = {conv1 = 3}}},
    ["nothing that is perturbed"] = {"nothing is perturbed", {layers = {conv1 = {amplitude = 0},
      conv2 = {amplitude = 0}, dense1 = {amplitude = 0}}}},
    ["a gate without one"] = {"no layer that is perturbed by its nodes has a gate",
      options(plain, {learn = "dense1", gate = true})},
    ["a gate of parameters"] = {"a gate belongs to a node", {gate = true}},
    ["a code that is orthogonal in a slot"] = {"need a code that draws its patterns",
      {perturb = "nodes", perturbation = "walsh", layers = {conv1 = {perturb = "parameters"}}}},
    ["the analog engine"] = {"stages go with the engines discrete and backprop",
      {engine = "analog", tau_theta = 10, learn = "dense1"}},
    ["a schedule in Lua beside a layer's eta"] = {"the run's eta is a function",
      {eta = function() return 1 end, layers = {conv1 = {eta = 0.1}}}},
    ["a norm beside a layer's amplitude"] = {"and not a norm",
      {perturbation = {norm = 0.1}, layers = {conv1 = {amplitude = 0.1}}}},
    ["no stages"] = {"option 'stages' is empty", {stages = {}}},
    ["a stage without steps"] = {"stage 1: option 'steps' is missing",
      {stages = {{learn = 1}, {learn = 2}}}},
    ["a stage whose layers do not exist"] = {"stages: stage 2: learn: no layer with parameters",
      {stages = {{learn = 1, steps = 5}, {learn = "dense7"}}}},
    ["a stage that ends within a window"] = {"5 steps end within a window",
      {tau_theta = 2, stages = {{learn = 1, steps = 5}, {learn = 2}}}},
    ["a stage within a slot of an amplitude that is a function"] = {"is within a slot of 4 steps",
      {tau_p = 4, perturbation = {amplitude = function() return 0.01 end},
        stages = {{learn = 1, steps = 6}, {learn = 2}}}, 8},
    ["another name of an option"] = {"unknown option 'lern'", {stages = {{lern = 1}}}},
  } do
    it(name .. ", and leaves nothing behind", function()
      local opts, before = options(task(cnn(), 1, 9, 9), case[2]), memory.live_bytes()
      local message = fails(case[1], function()
        mgd.train(opts):run{steps = case[3] or 0, probes = {}}
      end)
      assert.is_truthy(message:find "learning_spec.lua:%d+: ", message)
      collectgarbage()
      assert.is_true(memory.live_bytes() <= before)
    end)
  end

  it("layers of a chip that is a function", function()
    fails("no layers are known here", function()
      mgd.train{chip = mgd.chip{parameters = 1, evaluate = function() end}, data = mgd.data.xor(),
        learn = 1}
    end)
  end)
end)
