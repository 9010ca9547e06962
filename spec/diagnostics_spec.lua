-- Diagnostic probes against calculations of their own, and what histories say of solutions.

local mgd = require "mgd"
local hw = mgd.hw
local support = require "spec.support.train"
local statistics = require "spec.support.statistics"

local options, fails = support.options, support.fails
local NAN = 0 / 0

-- One output far above its target: the l2 cost is y − ŷ, linear in θ.
local function linear(inputs)
  local net = mgd.nn.mlp{inputs, 1, dtype = "f64"}
  local theta = mgd.ones{inputs + 1}
  theta[inputs + 1] = 100
  return net:set_theta(theta)
end

local function is_nan(value)
  return value ~= value
end

-- ---- worth of G ---------------------------------------------------------------------------------

describe("snr", function()
  local net = mgd.nn.mlp{3, 4, 2, activation = "tanh", dtype = "f64"}:init{seed = 4}
  local x, y = mgd.randn({20, 3}, {seed = 1}), mgd.rand({20, 2}, {seed = 2})

  it("is |g|²/|G − g|² of the window, in both conventions", function()
    for _, convention in ipairs {"gradient", "published"} do
      local run = mgd.train{net = net, data = {x = x, y = y}, shuffle = false, batch = 3, tau_x = 2,
        tau_theta = 6, eta = 0.5, convention = convention}
      run:run{steps = 6, probes = {"snr"}}
      local theta = run:theta()
      local history = run:run{steps = 6, probes = {"snr"}}
      local kept = net:theta()
      net:set_theta(theta) -- of the window of steps 6 … 11: samples 10 … 18
      local g = net:gradient(x[{{10, 18}}], y[{{10, 18}}])
      net:set_theta(kept)
      local factor = convention == "published" and net.num_parameters / 6 or 1
      local wrong = run:gradient() * factor - g
      assert.is_true(math.abs(history.snr[2] / (g:dot(g) / wrong:dot(wrong)) - 1) < 1e-9)
    end
  end)

  it("is NaN before a window has ended", function()
    local run = mgd.train{net = net, data = {x = x, y = y}, tau_theta = 6}
    local history = run:run{steps = 5, every = 1, probes = {"snr", "angle", "norm_update"}}
    for row = 1, 6 do
      assert.is_true(is_nan(history.snr[row]) and is_nan(history.norm_update[row]))
    end
  end)

  -- E|G − g|² = |g|²·(P − 1 + 1/d − 1)/K for K patterns of density d on a linear cost. 2,000
  -- windows; the tolerance is five standard errors of their own mean.
  it("of the random code is K/(P − 1) on a linear cost", function()
    local count = os.getenv "MGD_SPEC_QUICK" and 200 or 2000
    for _, sparsity in ipairs {0, 0.5} do
      local run = mgd.train{net = linear(7), cost = "l2", data = {x = mgd.randn({1, 7}, {seed = 3}),
        y = mgd.zeros{1, 1}}, tau_theta = 6, eta = 0, replicas = count,
        perturbation = {code = "random", sparsity = sparsity}}
      local noise = {}
      for r, snr in ipairs(run:run{steps = 6, probes = {"snr"}}.snr[2]:totable()) do
        noise[r] = 1 / snr
      end
      local m = statistics.moments(noise)
      local expected = (7 + 1 / (1 - sparsity) - 1) / 6
      assert.is_true(math.abs(m.mean - expected) < 5 * m.sd / math.sqrt(count), m.mean)
    end
  end)
end)

describe("error_correlation", function()
  local net = mgd.nn.mlp{3, 2, 1, activation = "tanh", dtype = "f64"}:init{seed = 4}
  local x, y = mgd.randn({6, 3}, {seed = 1}), mgd.rand({6, 1}, {seed = 2})
  local base = {net = net, data = {x = x, y = y}, shuffle = false, tau_theta = 3, tau_x = 3,
    eta = 0.2}

  -- The directions of the errors of every window of a run, by hand, as lists of lists.
  local function errors_of(opts, windows)
    local run, errors = mgd.train(opts), {}
    run:gradient()
    local kept = net:theta()
    for m = 1, windows do
      local theta, sample = run:theta(), (m - 1) % 6 + 1
      run.core:advance(3)
      net:set_theta(theta)
      local g = net:gradient(x[{{sample, sample}}], y[{{sample, sample}}])
      net:set_theta(kept)
      local wrong = run:gradient() - g
      errors[m] = (wrong / wrong:norm()):totable()
    end
    return errors
  end

  -- The definition, pair by pair, of the last 32 windows.
  local function expected(errors)
    local recent = {}
    for m = math.max(1, #errors - 31), #errors do
      recent[#recent + 1] = errors[m]
    end
    local p, sum, pairs_of = #recent[1], 0, 0
    local columns = {}
    for i = 1, p do
      columns[i] = {}
      for m, row in ipairs(recent) do
        columns[i][m] = row[i]
      end
    end
    for i = 1, p do
      for j = i + 1, p do
        sum = sum + statistics.correlation(columns[i], columns[j]) ^ 2
        pairs_of = pairs_of + 1
      end
    end
    local m = #recent
    return math.sqrt(math.max(0, 1 - (1 - sum / pairs_of) * (m - 1) / (m - 2)))
  end

  it("is the adjusted root mean square correlation over all pairs of parameters", function()
    local errors = errors_of(base, 40)
    local history = mgd.train(base):run{steps = 120, every = 3, probes = {"error_correlation"}}
    for row = 1, 8 do
      assert.is_true(is_nan(history.error_correlation[row])) -- fewer than 8 windows
    end
    for _, windows in ipairs {8, 20, 32, 40} do
      local seen = {}
      for m = 1, windows do
        seen[m] = errors[m]
      end
      local value = history.error_correlation[windows + 1]
      assert.is_true(math.abs(value - expected(seen)) < 1e-9, windows .. " windows: " .. value)
    end
  end)

  it("does not count a window twice", function()
    local often = mgd.train(base):run{steps = 60, every = 1, probes = {"error_correlation"}}
    local once = mgd.train(base):run{steps = 60, every = 3, probes = {"error_correlation"}}
    for row = 9, 21 do
      assert.equal(once.error_correlation[row], often.error_correlation[3 * row - 2])
    end
  end)

  it("of two parameters under one random pattern is 1: both hear the same crosstalk", function()
    local run = mgd.train{net = linear(1), cost = "l2", data = {x = mgd.full({1, 1}, 3),
      y = mgd.zeros{1, 1}}, eta = 0}
    local history = run:run{steps = 16, every = 1, probes = {"error_correlation"}}
    assert.is_true(math.abs(history.error_correlation[-1] - 1) < 1e-9)
  end)

  it("of half a Walsh period is 1: what the other half would cancel comes back", function()
    local run = mgd.train{net = linear(2), cost = "l2", data = {x = mgd.full({1, 2}, 3),
      y = mgd.zeros{1, 1}}, eta = 0, tau_theta = 2, perturbation = {code = "walsh"}}
    local history = run:run{steps = 32, every = 2, probes = {"error_correlation"}}
    assert.is_true(math.abs(history.error_correlation[-1] - 1) < 1e-6)
  end)

  -- Under one random pattern E = s·(g·s) − g, and its direction mostly ±s: that of 21 parameters of
  -- equal gᵢ is correlated by about 1/P = 0.05. The mean of r² over 210 pairs, with 1/31 each by
  -- chance taken off, has a standard deviation of about √2/31/√210 = 0.003, so that the root stays
  -- below √(0.05² + 5·0.003) = 0.13.
  it("of many parameters under random patterns is small", function()
    local run = mgd.train{net = linear(20), cost = "l2", data = {x = mgd.ones{1, 20},
      y = mgd.zeros{1, 1}}, eta = 0}
    local history = run:run{steps = 40, every = 1, probes = {"error_correlation"}}
    assert.is_true(history.error_correlation[-1] < 0.14)
  end)

  it("of an ensemble is that of each replica", function()
    local opts = options(base, {replicas = 20, init = {}})
    local plan = {steps = 45, every = 3, probes = {"error_correlation", "snr"}}
    local all = mgd.train(opts):run(plan)
    for _, r in ipairs {1, 7, 20} do
      local one = mgd.train(options(opts, {replicas = 1, replica = r})):run(plan)
      for _, name in ipairs {"error_correlation", "snr"} do
        assert.equal(one[name][-1], all[name][-1][r])
      end
    end
  end)
end)

-- ---- signal and steps ---------------------------------------------------------------------------

describe("signal_ulp", function()
  -- The distance of the doubles (or floats) around c, by halving.
  local function ulp(c, digits)
    local power = 1
    while power > c do
      power = power / 2
    end
    while power * 2 <= c do
      power = power * 2
    end
    return power * 2 ^ -digits
  end

  it("counts |C̃| in units in the last place of C, as the chip computes", function()
    for dtype, digits in pairs {f32 = 23, f64 = 52} do
      local net = mgd.nn.mlp{2, 3, 1, output = "sigmoid", dtype = dtype}:init{seed = 4}
      local run = mgd.train{net = net, data = mgd.data.xor(), eta = 0.5}
      local h = run:run{steps = 20, every = 1, probes = {"C", "C_tilde", "signal_ulp"}}
      assert.is_true(is_nan(h.signal_ulp[1]))
      for row = 2, 21 do
        assert.equal(math.abs(h.C_tilde[row]) / ulp(h.C[row], digits), h.signal_ulp[row])
      end
    end
  end)

  it("is NaN where C is 0", function()
    local chip = support.counting_chip(function() return 1 end) -- always on target
    local run = mgd.train{chip = chip, data = support.ONE}
    assert.is_true(is_nan(run:run{steps = 3, probes = {"signal_ulp"}}.signal_ulp[2]))
  end)
end)

describe("norm_update", function()
  local net = mgd.nn.mlp{2, 3, 1, output = "sigmoid", dtype = "f64"}:init{seed = 4}

  it("is the norm of what the last write changed", function()
    local chip = mgd.chip{net = net, update = hw.constant_step{dw_min = 0.001}}
    for _, opts in ipairs {{net = net}, {net = net, optimizer = "momentum"}, {chip = chip},
                           {net = net, replicas = 20, init = {}}} do
      local run = mgd.train(options(opts, {data = mgd.data.xor(), tau_theta = 4, eta = 0.5}))
      run:run{steps = 8, probes = {"norm_update"}}
      local before = run:theta()
      local history = run:run{steps = 6, every = 4, probes = {"norm_update"}} -- rows at 12 and 14
      local change = run:theta() - before
      for row = 2, 3 do
        local value = history.norm_update[row]
        for r = 1, opts.replicas or 1 do
          local norm = opts.replicas and change[r]:norm() or change:norm()
          assert.is_true(math.abs((opts.replicas and value[r] or value) - norm) < 1e-12)
        end
      end
    end
  end)

  it("is η·|G| under plain descent", function()
    local run = mgd.train{net = net, data = mgd.data.xor(), tau_theta = 4, eta = 0.5}
    local history = run:run{steps = 40, every = 8, probes = {"norm_update", "norm_G"}}
    for row = 2, 6 do
      assert.is_true(math.abs(history.norm_update[row] - 0.5 * history.norm_G[row]) < 1e-14)
    end
  end)
end)

-- ---- saturated units ----------------------------------------------------------------------------

describe("saturated", function()
  local F = {
    sigmoid = function(v) return 1 / (1 + math.exp(-v)) end,
    tanh = function(v) return 2 / (1 + math.exp(-2 * v)) - 1 end,
    relu = function(v) return math.max(v, 0) end,
    softplus = function(v) return math.log(1 + math.exp(v)) end,
    identity = function(v) return v end,
  }
  local AT_BOUND = {
    sigmoid = function(v) return v <= 0.01 or v >= 0.99 end,
    tanh = function(v) return math.abs(v) >= 0.98 end,
    relu = function(v) return v == 0 end,
    softplus = function(v) return v <= 0.01 end,
  }

  -- The share for an MLP, in plain Lua. `change(v)` is what happens to sums before activations.
  local function by_hand(sizes, kinds, theta, x, change)
    local stuck, at = {}, 0
    local values = x
    for l = 2, #sizes do
      local inputs, outputs, kind, new = sizes[l - 1], sizes[l], kinds[l - 1], {}
      for n, row in ipairs(values) do
        new[n] = {}
        for o = 1, outputs do
          local sum = theta[at + inputs * outputs + o]
          for i = 1, inputs do
            sum = sum + theta[at + (o - 1) * inputs + i] * row[i]
          end
          new[n][o] = F[kind](change and kind ~= "identity" and change(sum) or sum)
        end
      end
      for o = 1, outputs do
        local all = true
        for n = 1, #x do
          all = all and AT_BOUND[kind] and AT_BOUND[kind](new[n][o])
        end
        if AT_BOUND[kind] then
          stuck[#stuck + 1] = all and 1 or 0
        end
      end
      values, at = new, at + inputs * outputs + outputs
    end
    local sum = 0
    for _, value in ipairs(stuck) do
      sum = sum + value
    end
    return sum / #stuck
  end

  local x, y = mgd.randn({37, 3}, {seed = 1}), mgd.rand({37, 2}, {seed = 2})
  local WIDE = {scheme = "normal", std = 6}

  local few = {x = x[{{1, 3}}], y = y[{{1, 3}}]} -- which more units serve badly

  local function probe(opts)
    local history = mgd.train(options({data = {x = x, y = y}}, opts)):run{steps = 0,
      probes = {"saturated"}}
    return history.saturated[1]
  end

  it("is the share of units at a bound for every sample, of each activation", function()
    local some = 0
    for kind in pairs(AT_BOUND) do
      for _, output in ipairs {"identity", "sigmoid"} do
        for _, dtype in ipairs {"f32", "f64"} do
          local net = mgd.nn.mlp{3, 20, 6, 2, activation = kind, output = output, dtype = dtype}
            :init{scheme = "normal", std = 6, seed = 5}
          local expected = by_hand({3, 20, 6, 2}, {kind, kind, output}, net:theta():totable(),
            x:totable())
          some = some + expected
          assert.is_true(math.abs(probe{net = net} - expected) < 1e-12, kind)
        end
      end
    end
    assert.is_true(some > 0.5) -- the case is not empty
  end)

  it("of an ensemble is that of each replica, in lanes and in rows", function()
    local net = mgd.nn.mlp{3, 6, 2, activation = "relu"}
    local all = probe{net = net, replicas = 20, init = WIDE, data = few}
    local varied = 0
    for r = 1, 20 do
      assert.equal(probe{net = net, replica = r, init = WIDE, data = few}, all[r])
      varied = varied + (all[r] ~= all[1] and 1 or 0)
    end
    assert.is_true(varied > 0)
  end)

  it("looks at every pixel before it is pooled, on ideal and on simulated chips", function()
    local net = mgd.nn.sequential{input = {1, 6, 6}, mgd.nn.conv2d{3, kernel = 3}, mgd.nn.relu(),
      mgd.nn.maxpool2d(2), mgd.nn.flatten(), mgd.nn.dense(2)}
    net:init{scheme = "normal", std = 1, seed = 3}
    local image = {data = {x = mgd.randn({4, 1, 6, 6}, {seed = 1}), y = mgd.rand{4, 2}}}
    local theta, pixels = net:theta():totable(), image.data.x:totable()
    local stuck = 0
    for c = 1, 3 do
      for i = 1, 4 do
        for j = 1, 4 do
          local all = true
          for n = 1, 4 do
            local sum = theta[27 + c]
            for a = 1, 3 do
              for b = 1, 3 do
                local pixel = pixels[n][1][i + a - 1][j + b - 1]
                sum = sum + theta[(c - 1) * 9 + (a - 1) * 3 + b] * pixel
              end
            end
            all = all and sum <= 0
          end
          stuck = stuck + (all and 1 or 0)
        end
      end
    end
    assert.is_true(stuck > 0)
    local noisy = mgd.chip{net = net, cost = hw.noise{sigma = 0.1}}
    for _, opts in ipairs {{net = net}, {chip = noisy}, {chip = noisy, batch = 4}} do
      assert.is_true(math.abs(probe(options(image, opts)) - stuck / 48) < 1e-12)
    end
    assert.is_true(math.abs(probe(options(image, {chip = noisy, replicas = 20}))[13] - stuck / 48)
      < 1e-12)
  end)

  it("of a simulated chip speaks of its weights, inputs and neurons", function()
    local sizes, kinds = {3, 20, 2}, {"sigmoid", "identity"}
    local net = mgd.nn.mlp{3, 20, 2}:init{scheme = "normal", std = 2, seed = 5}
    local theta, rows = net:theta():totable(), few.x:totable()
    local tripled, shifted = {}, {}
    for i, value in ipairs(theta) do
      tripled[i] = 3 * value
    end
    for n, row in ipairs(rows) do
      shifted[n] = {3 * row[1] + 1, 3 * row[2] + 1, 3 * row[3] + 1}
    end
    local triple = hw.define{name = "triple", stage = "weights",
      apply = function(values) return values * 3 end}
    local cases = {
      {{weights = triple{}}, tripled, rows},
      {{input = hw.gain{gain = 3, offset = 1}}, theta, shifted},
      {{neurons = hw.neuron_spread{slope = 2, threshold = 3, gain = 5, offset = 7}}, theta, rows,
       function(v) return 2 * (v - 3) end},
    }
    local values = {}
    for _, case in ipairs(cases) do
      local expected = by_hand(sizes, kinds, case[2], case[3], case[4])
      values[expected] = true
      local chip = mgd.chip(options(case[1], {net = net}))
      assert.is_true(math.abs(probe{chip = chip, data = few} - expected) < 1e-12)
      assert.is_true(math.abs(probe{chip = chip, batch = 40, data = few} - expected) < 1e-12)
      assert.is_true(math.abs(probe{chip = chip, replicas = 20, data = few}[19] - expected) < 1e-12)
    end
    assert.is_true(next(values, (next(values))) ~= nil) -- the cases differ
  end)

  it("needs activations to look at", function()
    local run = mgd.train{chip = support.counting_chip(), data = support.ONE}
    fails("shows no activations", run.run, run, {steps = 1, probes = {"saturated"}})
    run = mgd.train{net = mgd.nn.mlp{2, 2, 1}, data = mgd.data.xor(),
      cost = function() return 1 end}
    fails("with a built-in cost", run.run, run, {steps = 1, probes = {"saturated"}})
    run = mgd.train{net = mgd.nn.mlp{2, 1}, data = mgd.data.xor()}
    fails("no units of sigmoid, tanh, relu or softplus", run.run, run,
      {steps = 1, probes = {"saturated"}})
    assert.equal(0, run.steps_done)
  end)
end)

describe("diagnostic probes", function()
  it("leave the run as it would be without", function()
    local opts = {net = mgd.nn.mlp{2, 3, 1, output = "sigmoid"}, data = mgd.data.xor(),
      tau_theta = 3, init = {}, replicas = 20}
    local names = {"snr", "error_correlation", "signal_ulp", "norm_update", "saturated"}
    local a, b = mgd.train(opts), mgd.train(opts)
    a:run{steps = 100, every = 7, probes = names}
    b:run{steps = 100, probes = {}}
    assert.same(b:theta():totable(), a:theta():totable())
    fails("(did you mean 'saturated'?)", a.run, a, {steps = 1, probes = {"saturate"}})
  end)
end)

-- ---- histories ----------------------------------------------------------------------------------

describe("a history's rows", function()
  local opts = {net = mgd.nn.mlp{2, 2, 1}:init{seed = 2}, data = mgd.data.xor()}

  it("stand at powers of ten", function()
    local run = mgd.train(opts)
    assert.same({0, 1, 10, 100, 1000, 2500},
      run:run{steps = 2500, every = "powers"}.step:totable())
    assert.same({2500, 10000, 12500}, run:run{steps = 10000, every = "powers"}.step:totable())
  end)

  it("stand at ten steps a decade", function()
    local run = mgd.train(opts)
    local steps = run:run{steps = 120, every = "log"}.step:totable()
    assert.same({0, 1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 32, 40, 50, 63, 79, 100, 120}, steps)
  end)

  it("are asked for by a name that exists", function()
    local run = mgd.train(opts)
    fails("option 'every' must be an integer ≥ 1 or 'powers' or 'log', got \"power\" "
      .. "(did you mean 'powers'?)", run.run, run, {steps = 5, every = "power"})
    assert.equal(0, run.steps_done)
  end)

  it("at powers of ten are a history of their own", function()
    for _, replicas in ipairs {1, 3} do
      local run = mgd.train(options(opts, {replicas = replicas, init = {}}))
      local whole = run:run{steps = 1500, every = "log"}
      local powers = whole:at_powers()
      assert.same({1, 10, 100, 1000}, powers.step:totable())
      local row, found = whole.step:totable(), 0
      for t, step in ipairs(row) do
        if step == 100 then
          found = t
        end
      end
      if replicas == 1 then
        assert.equal(whole.cost[found], powers.cost[3])
      else
        assert.same(whole.cost[found]:totable(), powers.cost[3]:totable())
      end
      assert.is_truthy(tostring(powers):find("history of 4 rows", 1, true))
    end
    local run = mgd.train(opts)
    local history = run:run{steps = 30, every = 7}
    fails("no row at a power of ten", history.at_powers, history)
  end)

  it("end with what the run has asked of the chip", function()
    local chip = mgd.chip{net = opts.net, clock = {dt = 1e-6, energy = {evaluation = 2e-9}}}
    local history = mgd.train{chip = chip, data = opts.data, tau_theta = 4}:run{steps = 100}
    assert.is_truthy(tostring(history):find("so far: 200 evaluations, 25 writes of a parameter, "
      .. "4e-07 J\nhardware time: 0.0001 s, dt × steps; 0.0002 s, dt × evaluations (one sample "
      .. "under one perturbation per dt)", 1, true), tostring(history))
  end)
end)

describe("time_to_solution", function()
  local opts = {net = mgd.nn.mlp{2, 2, 1}:init{seed = 2}, data = mgd.data.xor(), dt = 1e-3}

  -- A history of six rows whose columns are replaced.
  local function history_of(replicas, columns)
    local history = mgd.train(options(opts, {replicas = replicas, init = {}}))
      :run{steps = 50, every = 10}
    for name, values in pairs(columns) do
      history[name] = mgd.tensor(values)
    end
    return history
  end

  it("is the first row that fulfils the target, and the first from which on all do", function()
    local history = history_of(1, {accuracy = {0.5, 0.9, 0.8, 0.95, 0.9, 1}})
    local t = history:time_to_solution{accuracy = 0.9}
    assert.same({first = 10, last = 30, first_evaluations = 20, last_evaluations = 60,
      first_time = 0.01, last_time = 0.03}, t)
    assert.equal(0, history:time_to_solution{accuracy = 0.5}.last)
    assert.equal(50, history:time_to_solution{accuracy = 1}.first)
  end)

  it("is NaN where the run is censored", function()
    local history = history_of(1, {accuracy = {0.5, 0.9, 0.95, 0.9, 0.9, 0.89}, cost = {5, 4, 3,
      2, NAN, 1}})
    local t = history:time_to_solution{accuracy = 0.9}
    assert.equal(10, t.first)
    assert.is_true(is_nan(t.last) and is_nan(t.last_time)) -- lost in the last row
    t = history:time_to_solution{accuracy = 0.99}
    assert.is_true(is_nan(t.first) and is_nan(t.first_time) and is_nan(t.last))
    t = history:time_to_solution{cost = 3}
    assert.equal(20, t.first)
    assert.equal(50, t.last) -- a NaN fulfils nothing
  end)

  it("asks for all of several conditions", function()
    local history = history_of(1, {accuracy = {0.5, 0.9, 0.95, 0.9, 0.9, 0.9},
      cost = {5, 4, 3, 2, 1, 1}})
    local t = history:time_to_solution{accuracy = 0.9, cost = 2}
    assert.equal(30, t.first)
  end)

  it("has one entry for each replica of an ensemble", function()
    local history = history_of(3, {accuracy = {{0, 0, 0}, {1, 0, 0}, {0, 1, 0}, {1, 1, 0},
      {1, 1, 0}, {1, 0, 0}}})
    local t = history:time_to_solution{accuracy = 1}
    assert.same({10, 20}, t.first[{{1, 2}}]:totable())
    assert.equal(30, t.last[1])
    assert.is_true(is_nan(t.last[2]) and is_nan(t.first[3]))
    assert.is_true(math.abs(t.first_time[2] - 0.02) < 1e-15)
  end)

  it("agrees with `stop` at the same rows", function()
    local run = mgd.train{net = mgd.nn.mlp{2, 2, 1, output = "sigmoid"}, data = mgd.data.xor(),
      eta = 2, tau_theta = 16, perturbation = {code = "walsh"}, init = {}, replicas = 16}
    local history = run:run{steps = 2e4, every = 1000, stop = {accuracy = 1}}
    local first = history:time_to_solution{accuracy = 1}.first
    for r = 1, 16 do
      assert.is_true(first[r] == history.stopped[r]
        or is_nan(first[r]) and is_nan(history.stopped[r]))
    end
  end)

  it("knows its probes", function()
    local history = history_of(1, {})
    local solve = history.time_to_solution
    fails("'angle' was not probed: this history has cost, accuracy", solve, history, {angle = 3})
    fails("(did you mean 'accuracy'?)", solve, history, {acuracy = 0.9})
    fails("no condition", solve, history, {})
    fails("option 'accuracy' must be a number", solve, history, {accuracy = "high"})
  end)
end)
