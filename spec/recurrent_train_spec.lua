-- Training recurrent networks: costs at every step, the same bits between layouts, chips and
-- machines, what MGD finds and learns, checkpoints, simulated chips.

local mgd = require "mgd"
local recurrent = require "spec.support.recurrent"
local support = require "spec.support.train"

local hw, nn = mgd.hw, mgd.nn
local options = support.options
local network, samples, targets = recurrent.network, recurrent.samples, recurrent.targets
local LAYERS = recurrent.LAYERS
local unpack = table.unpack or unpack

-- ---- costs at every step ------------------------------------------------------------------------

local COSTS = {
  mse = function(y, t)
    local sum = 0
    for k = 1, #y do
      sum = sum + (y[k] - t[k]) ^ 2
    end
    return sum / #y
  end,
  l2 = function(y, t)
    local sum = 0
    for k = 1, #y do
      sum = sum + (y[k] - t[k]) ^ 2
    end
    return math.sqrt(sum)
  end,
  cross_entropy = function(y, t)
    local sum, cost = 0, 0
    for k = 1, #y do
      sum = sum + math.exp(y[k])
    end
    for k = 1, #y do
      cost = cost - t[k] * (y[k] - math.log(sum))
    end
    return cost
  end,
}

local function largest(row)
  local best = 1
  for k = 2, #row do
    best = row[k] > row[best] and k or best
  end
  return best
end

-- Mean cost and accuracy over samples and steps.
local function by_hand(cost, y, target)
  local sum, hits, n = 0, 0, 0
  for b, sequence in ipairs(y:totable()) do
    for t, row in ipairs(sequence) do
      local wanted = target[b][t]:totable()
      sum, n = sum + COSTS[cost](row, wanted), n + 1
      hits = hits + (largest(row) == largest(wanted) and 1 or 0)
    end
  end
  return sum / n, hits / n
end

describe("the cost of answers at every step is the mean over the steps:", function()
  local case = { "elman", { 6, 2 }, function(o) return nn.elman { 4, output = o } end }
  local net = network(case, "all", "f64", 3)
  local x, y = samples(net, 37), targets(net, 37, 3)
  local set = mgd.data.from { x = x, y = y }
  local external = mgd.chip { parameters = net.num_parameters, theta = net:theta(),
    evaluate = function(theta, batch)
      local before = net:theta()
      local out = net:set_theta(theta):forward(batch)
      net:set_theta(before)
      return out
    end }

  for cost in pairs(COSTS) do
    local expected, accuracy = by_hand(cost, net:forward(x), y)

    it(cost .. " of net:gradient", function()
      local _, value = net:gradient(x, y, cost)
      assert.is_true(math.abs(value - expected) < 1e-14 * (1 + expected))
    end)

    local chips = {
      ["the ideal chip"] = mgd.chip { net = net },
      ["a simulated chip"] = mgd.chip { net = net, weights = hw.clamp { low = -50, high = 50 } },
      ["a chip in Lua"] = external,
    }
    for name, chip in pairs(chips) do
      for _, replicas in ipairs { 1, 3 } do
        it(("%s on %s, %d replicas"):format(cost, name, replicas), function()
          local run = mgd.train { chip = chip, data = set, cost = cost, batch = 37,
            shuffle = false, replicas = replicas, eta = 1e-12,
            perturbation = { code = "sequential", amplitude = 1e-6 } }
          local history = run:run { steps = 1, probes = { "cost", "accuracy", "C" } }
          local function first(name_)
            return replicas > 1 and history[name_][-1][2] or history[name_][-1]
          end
          assert.is_true(math.abs(first "cost" - expected) < 1e-12 * (1 + expected))
          assert.is_true(math.abs(first "accuracy" - accuracy) < 1e-12)
          assert.is_true(math.abs(first "C" - expected) < 2e-5) -- at θ + θ̃
        end)
      end
    end
  end

  it("one output is right where it is on the side of ½ of its target", function()
    local one = network(case, "all", "f64", 1)
    local t = mgd.from({ 9, 6, 1 }, function(b, s) return (b + s) % 2 end)
    local data, hits = samples(one, 9), 0
    local out = one:forward(data)
    for b = 1, 9 do
      for s = 1, 6 do
        hits = hits + ((out[b][s][1] > 0.5) == (t[b][s][1] > 0.5) and 1 or 0)
      end
    end
    local run = mgd.train { net = one, data = { x = data, y = t } }
    assert.is_true(math.abs(run:evaluate().accuracy - hits / 54) < 1e-12)
  end)

  it("a cost in Lua gets outputs and targets (B, T, K)", function()
    local shapes
    local run = mgd.train { net = net, data = set, batch = 5, shuffle = false, eta = 1e-15,
      cost = function(out, wanted)
        shapes = { out.shape, wanted.shape }
        return ((out - wanted) ^ 2):mean()
      end }
    run:run { steps = 1, probes = { "cost" } }
    assert.same({ { 5, 6, 3 }, { 5, 6, 3 } }, { { 5, unpack(shapes[1], 2) },
      { 5, unpack(shapes[2], 2) } })
    local expected = by_hand("mse", net:forward(x), y)
    assert.is_true(math.abs(run:evaluate().cost - expected) < 1e-9)
  end)
end)

-- ---- the same bits ------------------------------------------------------------------------------

local function task(net, answers)
  return { net = net, data = { x = samples(net, 40), y = targets(net, 40, answers) }, init = {
    scheme = "glorot_normal" }, eta = 1e-3, seed = 9, tau_theta = 3, cost = "cross_entropy",
    perturbation = { code = "random", amplitude = 0.01 } }
end

describe("the same bits", function()
  local SOME = { LAYERS[1], LAYERS[2], LAYERS[6] }
  for _, case in ipairs(SOME) do
    for _, output in ipairs { "last", "all" } do
      it(("for replicas alone and in ensembles, batches, threads: %s, %s"):format(case[1], output),
        function()
          for _, dtype in ipairs { "f32", "f64" } do
            for _, changes in ipairs { {}, { batch = 7, baseline = "two-sided" },
              { batch = 40 } } do
              local opts = options(task(network(case, output, dtype), 3), changes)
              local ensemble = mgd.train(options(opts, { replicas = 19, threads = 2 }))
              ensemble:run { steps = 20, probes = { "cost", "angle" } }
              for _, r in ipairs { 1, 2, 19 } do
                local single = mgd.train(options(opts, { replica = r, threads = r }))
                single:run { steps = 20, probes = { "cost", "angle" } }
                assert.same(single:theta():totable(), ensemble:theta()[r]:totable())
                assert.equal(single.history.cost[-1], ensemble.history.cost[-1][r])
                assert.equal(single.history.angle[-1], ensemble.history.angle[-1][r])
              end
            end
          end
        end)

      it(("on a simulated chip: %s, %s"):format(case[1], output), function()
        local function chip()
          return mgd.chip { net = network(case, output, "f32"), seed = 5,
            weights = { hw.conductance { w_max = 4 }, hw.ir_drop { ratio = 0.001, w_max = 4 },
              hw.crosstalk { k = 0.01 }, hw.read_noise { sigma = 0.01 } },
            input = hw.dac { bits = 6 }, output = hw.adc { bits = 10, bound = 4 },
            perturbation = hw.path { lowpass = 0.4 }, cost = hw.noise { sigma = 1e-4 },
            update = hw.soft_bounds { dw_min = 0.01, w_min = -4, w_max = 4 } }
        end
        local opts = options(task(network(case, output, "f32"), 3), { batch = 3 })
        opts.net = nil
        local ensemble = mgd.train(options(opts, { chip = chip(), replicas = 18, threads = 2 }))
        ensemble:run { steps = 12, probes = { "cost" } }
        for _, r in ipairs { 1, 18 } do
          local single = mgd.train(options(opts, { chip = chip(), replica = r }))
          single:run { steps = 12, probes = { "cost" } }
          assert.same(single:theta():totable(), ensemble:theta()[r]:totable())
          assert.equal(single.history.cost[-1], ensemble.history.cost[-1][r])
        end
      end)
    end
  end

  it("for every instruction set", function()
    local script = [[
      local mgd = require "mgd"
      local nn = mgd.nn
      for _, dtype in ipairs {"f32", "f64"} do
        for _, layer in ipairs {nn.elman{5, output = "all"}, nn.elman{9, activation = "relu",
            output = "all"}, nn.elman{3, activation = "sigmoid", output = "all"},
            nn.ssm{states = 6, output = "all"}} do
          for _, size in ipairs {{1, 1}, {21, 1}, {2, 33}} do
            local net = nn.sequential{input = {4, 3}, dtype = dtype, layer, nn.ssm{states = 4,
              output = "all"}, nn.each_step{nn.dense(2)}}
            local run = mgd.train{net = net, data = {x = mgd.randn{50, 4, 3},
              y = mgd.rand{50, 4, 2}}, init = {}, replicas = size[1], batch = size[2], eta = 1e-4}
            local h = run:run{steps = 20, every = 10, probes = {"cost", "accuracy", "angle"}}
            print(require("mgd.core").data.hash(run:theta(), h.cost, h.accuracy, h.angle))
          end
        end
      end]]
    support.same_on_every_isa(24, script)
  end)
end)

-- ---- training -----------------------------------------------------------------------------------

describe("MGD on a recurrent network", function()
  it("finds the gradient of back-propagation through time", function()
    -- Every parameter alone, on one batch: forward differences, whose error is of the order of the
    -- amplitude, 1e-5; two-sided ones have that of its square.
    for _, case in ipairs { LAYERS[1], LAYERS[6] } do
      for _, output in ipairs { "last", "all" } do
        for baseline, most in pairs { measured = 0.02, ["two-sided"] = 1e-4 } do
          for _, replicas in ipairs { 1, 3 } do
            local net = network(case, output, "f64")
            local p = net.num_parameters
            local run = mgd.train(options(task(net, 3), { batch = 40, tau_x = p, tau_theta = p,
              replicas = replicas, baseline = baseline,
              perturbation = { code = "sequential", amplitude = 1e-5 } }))
            local angle = run:run { steps = p, probes = { "angle" } }.angle[-1]
            angle = replicas > 1 and angle[2] or angle
            assert.is_true(angle < most, ("%s, %s: %g degrees"):format(output, baseline, angle))
          end
        end
      end
    end
  end)

  -- Which of two symbols came first, after five more: the state has to remember.
  local function recall(per_step)
    local n, steps = 64, 6
    local first = mgd.rand({ n }, { seed = 1 })
    local x = mgd.randn({ n, steps, 1 }, { seed = 2 }) * 0.3
    local y = mgd.zeros(per_step and { n, steps, 1 } or { n, 1 })
    for i = 1, n do
      local up = first[i] > 0.5
      x[i][1][1] = up and 1 or -1
      if per_step then
        y[i] = up and 1 or 0
      else
        y[i][1] = up and 1 or 0
      end
    end
    return mgd.data.sequences { x = x, y = y }
  end

  for _, output in ipairs { "last", "all" } do
    for _, kind in ipairs { "elman", "ssm" } do
      it(("learns to remember: %s, %s"):format(kind, output), function()
        local layer = kind == "elman" and nn.elman { 4, output = output }
          or nn.ssm { states = 4, output = output }
        local read = { nn.dense(1), nn.sigmoid() }
        local net = nn.sequential { input = { 6, 1 }, layer,
          output == "all" and nn.each_step(read) or read[1], output == "last" and read[2] or nil }
        local run = mgd.train { net = net, data = recall(output == "all"), batch = 64,
          replicas = 16, init = { scheme = "glorot_normal" }, eta = 0.02, optimizer = "adam",
          perturbation = { amplitude = 1e-3 }, baseline = "two-sided", tau_theta = 4, seed = 3 }
        local history = run:run { steps = 2000, probes = { "accuracy" } }
        -- Chance is a half. With three other seeds, 384 of 384 replicas came above 0.9, so that at
        -- most 1 % fail (at 98 % confidence), and three or more of 16 once in 2,000 runs.
        local good = 0
        for r = 1, 16 do
          good = good + (history.accuracy[-1][r] > 0.9 and 1 or 0)
        end
        assert.is_true(good >= 14, ("%d of 16"):format(good))
      end)
    end
  end
end)

describe("a run on a recurrent network", function()
  it("is saved and resumed, bit for bit", function()
    local path = os.tmpname()
    local net = nn.sequential { input = { 5, 2 }, nn.elman { 4, activation = "relu",
      output = "all" }, nn.ssm { states = 3, step = 0.3, output = "all" },
      nn.each_step { nn.dense(3), nn.residual { nn.dense(3) } } }
    local opts = options(task(net, 3), { batch = 4 })
    opts.data.y = mgd.rand({ 40, 5, 3 }, { seed = 4 })
    local whole, half = mgd.train(opts), mgd.train(opts)
    whole:run { steps = 50 }
    half:run { steps = 20 }
    half:save(path)
    local resumed = mgd.resume(path, { data = opts.data })
    assert.equal(tostring(net), tostring(resumed.options.chip.net))
    resumed:run { steps = 50 - resumed.steps_done }
    os.remove(path)
    assert.same(whole:theta():totable(), resumed:theta():totable())
  end)
end)

-- ---- hardware -----------------------------------------------------------------------------------

describe("a simulated chip", function()
  it("lays the weights of a state on one wire: inputs, then states, then its bias", function()
    local h, f, ratio = 3, 2, 0.01
    local net = nn.sequential { input = { 4, f }, dtype = "f64", nn.elman { h }, nn.dense(1) }
    net:init { scheme = "normal", seed = 3 }
    local x, y = samples(net, 8), mgd.rand { 8, 1 }
    local chip = mgd.chip { net = net, weights = hw.ir_drop { ratio = ratio, w_max = 1 } }
    local cost = mgd.train { chip = chip, data = { x = x, y = y } }:evaluate().cost
    local theta = net:theta()
    local read = theta:clone()
    -- one wire: sites of its devices, by output; the last is the bias, which is at the amplifier
    local function lower(sites)
      local outputs, inputs = #sites, #sites[1] - 1
      local function both(a, b)
        return theta[a] * theta[b] > 0 and math.abs(theta[b]) or 0
      end
      for o = 1, outputs do
        for i = 1, inputs + 1 do
          local own, sum = sites[o][i], 0
          for k = 1, outputs do
            sum = sum + both(own, sites[k][i]) * math.min(o, k)
          end
          for l = 1, inputs do
            sum = sum + both(own, sites[o][l]) * (inputs + 1 - math.max(i, l))
          end
          read[own] = theta[own] / (1 + ratio * sum)
        end
      end
    end
    local sites = {}
    for o = 1, h do
      sites[o] = {}
      for i = 1, f do
        sites[o][i] = (o - 1) * f + i
      end
      for i = 1, h do
        sites[o][f + i] = h * f + (o - 1) * h + i
      end
      sites[o][f + h + 1] = h * (f + h) + o
    end
    lower(sites)
    local dense = {}
    for i = 1, h + 1 do
      dense[i] = h * (f + h + 1) + i
    end
    lower { dense }
    local _, expected = net:set_theta(read):gradient(x, y, "mse")
    assert.is_true(math.abs(cost - expected) < 1e-13)
  end)

  it("has models of neurons behind the last state", function()
    local net = nn.sequential { input = { 4, 2 }, nn.ssm { states = 3 }, nn.dense(4), nn.relu(),
      nn.dense(2) }:init { scheme = "he_normal" }
    local chip = mgd.chip { net = net, neurons = hw.dead { fraction = 1 } }
    local run = mgd.train { chip = chip,
      data = { x = mgd.randn { 6, 4, 2 }, y = mgd.zeros { 6, 2 } } }
    assert.equal(0, run:evaluate().cost) -- dead neurons, biases of 0
  end)

  it("forms the angle by differences where the output is converted", function()
    local net = network(LAYERS[1], "all", "f64")
    local opts = options(task(net, 3), { batch = 40, tau_x = net.num_parameters,
      tau_theta = net.num_parameters, init = false,
      perturbation = { code = "sequential", amplitude = 1e-5 } })
    opts.net, opts.init = nil, nil
    opts.chip = mgd.chip { net = net, output = hw.gain { gain = 1.3 } }
    local run = mgd.train(opts)
    assert.is_true(run:run { steps = net.num_parameters, probes = { "angle" } }.angle[-1] < 0.02)
  end)
end)
