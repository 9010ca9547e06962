-- The discrete engine against the step order of McCaughan et al. 2023, written once more in plain
-- Lua (spec/support/reference.lua): for networks in f64, and for chips in Lua, which also see every
-- measurement.

local mgd = require "mgd"
local distance = require("spec.support.reference").distance

local quick = os.getenv "MGD_SPEC_QUICK" ~= nil

-- What the engine is to do, step by step: θ, the log of all measurements, the steps that wrote.
local reference = require("spec.support.reference").discrete

-- ---- a task of three inputs: 3-2-2 tanh, mse ----------------------------------------------------

local N = 5
local X, Y = mgd.randn({N, 3}, {seed = 31}), mgd.rand({N, 2}, {seed = 32})
local SET = {x = X, y = Y}
local XS, YS = X:totable(), Y:totable()
local NET = mgd.nn.mlp{3, 2, 2, activation = "tanh", dtype = "f64"}
  :init{scheme = "normal", std = 0.8, seed = 33}
local THETA = NET:theta():totable()

local function tanh(x)
  local e = math.exp(-2 * math.abs(x))
  return (x < 0 and -1 or 1) * (1 - e) / (1 + e)
end

local function outputs(t, x)
  local h1 = tanh(t[1] * x[1] + t[2] * x[2] + t[3] * x[3] + t[7])
  local h2 = tanh(t[4] * x[1] + t[5] * x[2] + t[6] * x[3] + t[8])
  return t[9] * h1 + t[10] * h2 + t[13], t[11] * h1 + t[12] * h2 + t[14]
end

local function cost_at(theta, samples)
  local sum = 0
  for _, i in ipairs(samples) do
    local a, b = outputs(theta, XS[i])
    sum = sum + ((a - YS[i][1]) ^ 2 + (b - YS[i][2]) ^ 2) / 2
  end
  return sum / #samples
end

local DEFAULTS = {tau_p = 1, tau_x = 1, tau_theta = 1, batch = 1, baseline = "measured",
  convention = "gradient", optimizer = "sgd", eta = 0.1, seed = 3, replica = 1, steps = 48}

local function with_defaults(opts)
  local o = {}
  for _, source in ipairs {DEFAULTS, opts} do
    for key, value in pairs(source) do
      o[key] = value
    end
  end
  o.perturbation = o.perturbation or {code = "random", amplitude = 0.05}
  return o
end

-- The run that these options describe.
local function train(o)
  local opts = {data = SET, shuffle = false}
  for _, key in ipairs {"chip", "perturbation", "tau_p", "tau_x", "tau_theta", "batch", "baseline",
                        "convention", "optimizer", "eta", "seed", "replica", "data"} do
    opts[key] = o[key] == nil and opts[key] or o[key]
  end
  opts.net = not opts.chip and (o.net or NET) or nil
  return mgd.train(opts)
end

-- Rounding of C̃ (1e-16) is divided by the amplitude (0.05), multiplied by η and summed over some
-- tens of writes, which a few times expand it: 1e-12. Adam divides by √v, which may be small.
local function agree(opts, tolerance)
  local o = with_defaults(opts)
  o.theta, o.n, o.cost_at = THETA, N, cost_at
  local expected = reference(o)
  local run = train(o)
  run.core:advance(o.steps)
  local error = distance(expected, run:theta():totable())
  assert.is_true(error < (tolerance or 1e-12),
    ("θ differs by %g for τ_p %d, τ_x %d, τ_θ %d"):format(
    error, o.tau_p, o.tau_x, o.tau_theta))
  assert.is_true(distance(THETA, expected) > 1e-4) -- something was learned
  assert.same(THETA, NET:theta():totable())
end

local CODES = {
  {code = "sequential", amplitude = 0.05},
  {code = "sequential", amplitude = 0.05, order = "shuffled"},
  {code = "walsh", amplitude = 0.05},
  {code = "walsh", amplitude = 0.05, alternate = true},
  {code = "random", amplitude = 0.05},
  {code = "random", amplitude = 0.05, sparsity = 0.5},
  {code = "sine", amplitude = 0.05},
}

describe("the engine on a network agrees with the reference", function()
  local times = quick and {1, 3, 16} or {1, 2, 3, 5, 16}

  for _, baseline in ipairs {"measured", "two-sided", "none"} do
    it("for all time constants, baseline " .. baseline, function()
      for _, tau_p in ipairs(times) do
        for _, tau_x in ipairs(times) do
          for _, tau_theta in ipairs(times) do
            agree{tau_p = tau_p, tau_x = tau_x, tau_theta = tau_theta, baseline = baseline,
              steps = 33, eta = baseline == "none" and 0.0005 or 0.01} -- C itself makes G large
          end
        end
      end
    end)
  end

  for i, code in ipairs(CODES) do
    it(("for the code %s (%d)"):format(code.code, i), function()
      agree{perturbation = code, tau_theta = 4}
      agree{perturbation = code, tau_theta = 32, tau_x = 5, steps = 130}
      agree{perturbation = code, tau_p = 3, tau_theta = 48, tau_x = 7, batch = 3, steps = 145}
      agree{perturbation = code, baseline = "two-sided", replica = 4, tau_theta = 5}
    end)
  end

  for _, convention in ipairs {"gradient", "published"} do
    for _, optimizer in ipairs {"sgd", "momentum", "adam"} do
      it(("for %s under the convention %s"):format(optimizer, convention), function()
        for _, tau_theta in ipairs {1, 3, 16} do
          agree({convention = convention, optimizer = optimizer, tau_theta = tau_theta, eta = 0.02,
            tau_x = 2}, optimizer == "adam" and 1e-10 or 1e-12)
        end
      end)
    end
  end

  it("for batches within, beyond and far beyond the lanes", function()
    for _, batch in ipairs {2, 7, 8, 9, 17, 64} do
      agree{batch = batch, tau_theta = 3, tau_x = 2}
    end
  end)

  it("for more parameters than a tile of patterns", function()
    local net = mgd.nn.mlp{30, 22, 2, activation = "tanh", dtype = "f64"}:init{seed = 8}
    local x, y = mgd.randn({3, 30}, {seed = 1}), mgd.rand({3, 2}, {seed = 2})
    for _, code in ipairs(CODES) do
      local o = with_defaults{perturbation = code, tau_theta = 4, steps = 12, eta = 0.01}
      o.theta, o.n = net:theta():totable(), 3
      local probe = mgd.nn.mlp{30, 22, 2, activation = "tanh", dtype = "f64"}
      function o.cost_at(theta, samples)
        probe:set_theta(mgd.tensor(theta))
        local d = probe:forward(x[{{samples[1], samples[1]}}]) - y[{{samples[1], samples[1]}}]
        return (d * d):mean()
      end
      local expected = reference(o)
      o.net, o.data = net, {x = x, y = y}
      local run = train(o)
      run.core:advance(12)
      assert.is_true(distance(expected, run:theta():totable()) < 1e-11)
    end
  end)

  it("when it is advanced in pieces", function()
    local o = with_defaults{tau_p = 3, tau_x = 4, tau_theta = 5, steps = 60}
    o.theta, o.n, o.cost_at = THETA, N, cost_at
    local run = train(o)
    for _, steps in ipairs {1, 1, 3, 0, 7, 2, 6, 11, 29} do
      run.core:advance(steps)
    end
    local whole = train(o)
    whole.core:advance(60)
    assert.same(whole:theta():totable(), run:theta():totable())
    assert.is_true(distance(reference(o), run:theta():totable()) < 1e-12)
  end)

  it("with eta a function of the step that writes", function()
    agree{tau_theta = 3, eta = function(step) return 0.3 / (1 + step) end}
  end)
end)

-- ---- a chip in Lua that sees every measurement --------------------------------------------------

-- Its x is the number of the sample, so that the log shows both.
local function recording_chip(log)
  return mgd.chip{parameters = 14, theta = mgd.tensor(THETA), evaluate = function(theta, x)
    local samples, y = {}, {}
    for b = 1, x.shape[1] do
      samples[b] = x[b][1]
      y[b] = {outputs(theta:totable(), XS[samples[b]])}
    end
    log[#log + 1] = {theta = theta:totable(), samples = samples}
    return mgd.tensor(y)
  end}
end

local NUMBERED = {x = mgd.arange(N):reshape{N, 1} + 1, y = Y}

local function record(opts)
  local o = with_defaults(opts)
  o.theta, o.n, o.cost_at = THETA, N, cost_at
  local log = {}
  o.chip, o.data = recording_chip(log), NUMBERED
  local run = train(o)
  run.core:advance(o.steps)
  local theta, expected, wrote = reference(o)
  return run, log, expected, theta, wrote
end

describe("a chip in Lua", function()
  for _, baseline in ipairs {"measured", "two-sided", "none"} do
    it("sees each measurement of the reference, in its order, baseline " .. baseline, function()
      for _, tau_p in ipairs {1, 2, 5} do
        for _, tau_x in ipairs {1, 3, 16} do
          for _, tau_theta in ipairs {1, 2, 16} do
            local run, log, expected, theta = record{tau_p = tau_p, tau_x = tau_x, steps = 37,
              tau_theta = tau_theta, baseline = baseline, batch = 2, eta = 0.0005}
            assert.equal(#expected, #log)
            for i, call in ipairs(log) do
              assert.same(expected[i].samples, call.samples)
              assert.is_true(distance(expected[i].theta, call.theta) < 1e-12)
            end
            assert.is_true(distance(theta, run:theta():totable()) < 1e-12)
          end
        end
      end
    end)
  end

  it("is measured as often as the baseline asks for", function()
    -- 40 steps: C each, and C₀ where n mod 4 = 0 or n mod 10 = 0: 10 + 4 − 2 times
    assert.equal(40 + 12, #select(2, record{tau_x = 4, tau_theta = 10, steps = 40}))
    assert.equal(80, #select(2, record{tau_x = 4, tau_theta = 10, steps = 40,
      baseline = "two-sided"}))
    assert.equal(40, #select(2, record{tau_x = 4, tau_theta = 10, steps = 40, baseline = "none"}))
    -- as many evaluations as two-sided when τ_x = τ_θ = 1
    assert.equal(80, #select(2, record{steps = 40}))
  end)

  it("is written k times in k·τ_θ steps", function()
    for _, tau_theta in ipairs {1, 3, 7, 16} do
      for _, k in ipairs {1, 2, 5} do
        local steps = {}
        local o = with_defaults{tau_theta = tau_theta}
        o.chip, o.data = recording_chip({}), NUMBERED
        o.eta = function(step)
          steps[#steps + 1] = step
          return 0.1
        end
        local run = train(o)
        run.core:advance(k * tau_theta)
        assert.equal(k, #steps)
        for i = 1, k do
          assert.equal(i * tau_theta - 1, steps[i])
        end
      end
    end
  end)

  it("trains to the same parameters as the network it imitates", function()
    local o = {tau_theta = 3, tau_x = 2, batch = 3, steps = 90}
    local run = record(o)
    local own = train(with_defaults(o))
    own.core:advance(90)
    assert.is_true(distance(run:theta():totable(), own:theta():totable()) < 1e-12)
  end)

  it("gets copies: what it does to θ and x changes nothing", function()
    local function trained(spoil)
      local chip = mgd.chip{parameters = 1, evaluate = function(theta, x)
        local y = x * theta[1]
        if spoil then
          theta:add_(100)
          x:mul_(0)
        end
        return y
      end}
      local run = mgd.train{chip = chip, data = {x = mgd.ones{3, 1}, y = mgd.ones{3, 1}}}
      run.core:advance(20)
      return run:theta()[1]
    end
    assert.equal(trained(false), trained(true))
  end)
end)

-- ---- traps --------------------------------------------------------------------------------------

-- y = w·θ for one sample x = 1; its cost is the output itself.
local function linear(w, opts)
  local o = {data = {x = mgd.zeros{1, 1}, y = mgd.zeros{1, 1}},
    cost = function(y) return y[1][1] end,
    chip = mgd.chip{parameters = #w, evaluate = function(theta)
      local sum = 0
      for i = 1, #w do
        sum = sum + w[i] * theta[i]
      end
      return mgd.tensor{{sum}}
    end}}
  for key, value in pairs(opts) do
    o[key] = value
  end
  return mgd.train(o)
end

local function quadratic(curvature, opts)
  local o = {data = {x = mgd.zeros{1, 1}, y = mgd.zeros{1, 1}},
    cost = function(y) return y[1][1] end,
    chip = mgd.chip{parameters = #curvature, evaluate = function(theta)
      local sum, product = 0, 1
      for i = 1, #curvature do
        sum = sum + theta[i] + curvature[i] * theta[i] ^ 2
        product = product * (theta[i] + 1)
      end
      return mgd.tensor{{sum + product}}
    end}}
  for key, value in pairs(opts) do
    o[key] = value
  end
  return mgd.train(o)
end

local function gradient_of(run, steps)
  run:gradient()
  run.core:advance(steps)
  return run:gradient():totable()
end

describe("trap: θ + θ̃ stored into θ", function()
  it("with τ_p > 1 and η = 0, θ does not move by a bit", function()
    for _, code in ipairs(CODES) do
      for _, tau_p in ipairs {1, 2, 3, 16} do
        local run = train(with_defaults{eta = 0, tau_p = tau_p, tau_theta = 4, perturbation = code})
        run.core:advance(50)
        assert.same(THETA, run:theta():totable())
      end
    end
  end)

  it("inside a window θ does not move by a bit", function()
    local run = train(with_defaults{tau_p = 3, tau_theta = 16})
    run.core:advance(15)
    assert.same(THETA, run:theta():totable())
    run.core:advance(1)
    assert.not_same(THETA, run:theta():totable())
  end)
end)

describe("trap: cost noise on C but not on C₀", function()
  it("C and C₀ come through the same chip, call by call", function()
    -- The k-th measurement is off by a number of its own; G must show all of them.
    local calls = 0
    local function off(k)
      return math.sin(k * k)
    end
    local chip = mgd.chip{parameters = 1, evaluate = function()
      calls = calls + 1
      return mgd.tensor{{off(calls)}}
    end}
    local run = mgd.train{chip = chip, data = {x = mgd.zeros{1, 1}, y = mgd.zeros{1, 1}},
      cost = function(y) return y[1][1] end, eta = 1, tau_x = 4, tau_theta = 4,
      perturbation = {code = "random", amplitude = 0.5}}
    run.core:advance(4)
    assert.equal(5, calls)
    local s = mgd.codes.pattern({code = "random"}, {parameters = 1, slots = 4})
    local g = 0
    for k = 1, 4 do
      g = g + (off(k + 1) - off(1)) * s[k][1] / 0.5 / 4
    end
    assert.is_true(math.abs(run:theta()[1] + g) < 1e-15)
  end)
end)

describe("trap: a baseline kept across a change of sample or θ", function()
  it("a jump of C from sample to sample does not reach G", function()
    -- C = 1000·sample + θ: without a fresh C₀, G would be of order 1000/0.1
    local chip = mgd.chip{parameters = 1, evaluate = function(theta, x)
      return x * 1000 + theta[1]
    end}
    local run = mgd.train{chip = chip,
      data = {x = mgd.arange(7):reshape{7, 1}, y = mgd.zeros{7, 1}},
      cost = function(y) return y[1][1] end, eta = 0.1, tau_x = 3, tau_theta = 5,
      perturbation = {amplitude = 0.1}}
    for window = 1, 6 do
      local g = gradient_of(run, 5)
      assert.is_true(math.abs(g[1] - 1) < 1e-9, "window " .. window)
    end
  end)

  it("a write of θ inside a sample time does not reach G", function()
    local run = linear({3}, {eta = 100, tau_x = 1000, tau_theta = 2,
      perturbation = {amplitude = 0.1}})
    for _ = 1, 5 do
      assert.is_true(math.abs(gradient_of(run, 2)[1] - 3) < 1e-9)
    end
  end)
end)

describe("sequential with τ_θ = P", function()
  it("is forward differences to rounding", function()
    local a = 0.01
    for _, code in ipairs {{code = "sequential", amplitude = a},
                           {code = "sequential", amplitude = a, order = "shuffled"}} do
      local run = train(with_defaults{perturbation = code, tau_x = 14, tau_theta = 14, eta = 0})
      local g = gradient_of(run, 14)
      local c0 = cost_at(THETA, {1})
      for i = 1, 14 do
        local moved = {}
        for j = 1, 14 do
          moved[j] = THETA[j] + (i == j and a or 0)
        end
        assert.is_true(math.abs(g[i] - (cost_at(moved, {1}) - c0) / a) < 1e-12)
      end
    end
  end)

  it("and two-sided is central differences", function()
    local a = 0.01
    local run = train(with_defaults{perturbation = {code = "sequential", amplitude = a}, eta = 0,
      baseline = "two-sided", tau_x = 14, tau_theta = 14})
    local g = gradient_of(run, 14)
    for i = 1, 14 do
      local up, down = {}, {}
      for j = 1, 14 do
        up[j], down[j] = THETA[j] + (i == j and a or 0), THETA[j] - (i == j and a or 0)
      end
      assert.is_true(math.abs(g[i] - (cost_at(up, {1}) - cost_at(down, {1})) / (2 * a)) < 1e-12)
    end
  end)
end)

describe("the conventions", function()
  it("differ by P/K exactly", function()
    for _, tau_theta in ipairs {1, 5, 28} do
      for _, code in ipairs(CODES) do
        local mean = gradient_of(train(with_defaults{perturbation = code, eta = 0,
          tau_theta = tau_theta}), tau_theta)
        local sum = gradient_of(train(with_defaults{perturbation = code, eta = 0,
          tau_theta = tau_theta, convention = "published"}), tau_theta)
        local scale = mgd.tensor(mean):norm()
        for i = 1, 14 do
          assert.is_true(math.abs(mean[i] - 14 / tau_theta * sum[i]) <= 1e-14 * scale)
        end
      end
    end
  end)

  it("train alike with η_published = η·P/K", function()
    for _, tau_theta in ipairs {1, 4} do
      local a = train(with_defaults{eta = 0.1, tau_theta = tau_theta})
      local b = train(with_defaults{eta = 0.1 * 14 / tau_theta, tau_theta = tau_theta,
        convention = "published"})
      a.core:advance(40)
      b.core:advance(40)
      assert.is_true(distance(a:theta():totable(), b:theta():totable()) < 1e-12)
    end
  end)

  it("published sums C̃·θ̃/Δ² over the window", function()
    -- linear cost: the contribution of each step to parameter i is w_i/P on average; a whole walsh
    -- period of 4 gives 4·w/P exactly
    local run = linear({1, -2, 5}, {eta = 0, tau_theta = 4, convention = "published",
      perturbation = {code = "walsh", amplitude = 0.1}})
    assert.is_true(distance({4 / 3, -8 / 3, 20 / 3}, gradient_of(run, 4)) < 1e-12)
  end)
end)

describe("trap: η that scales with P or τ_θ", function()
  -- A linear cost C = Σθ: every whole period gives G = 1 exactly, so one write moves θ by −η,
  -- whatever the code, the amplitude, P and τ_θ.
  local function moved(p, tau_theta, perturbation)
    local w = {}
    for i = 1, p do
      w[i] = 1
    end
    local run = linear(w, {eta = 0.25, tau_theta = tau_theta, perturbation = perturbation,
      tau_x = tau_theta})
    run.core:advance(tau_theta)
    return run:theta():totable()
  end

  it("does not happen: one write moves θ by η·G for every code, P, τ_θ and amplitude", function()
    for _, p in ipairs {1, 3, 7, 20} do
      for _, periods in ipairs {1, 2, 3} do
        for _, amplitude in ipairs {0.01, 0.3} do
          local m = p == 1 and 2 or p == 3 and 4 or p == 7 and 8 or 32
          for code, tau_theta in pairs {sequential = p * periods, walsh = m * periods,
                                        sine = 2 * m * periods} do
            for i, value in ipairs(moved(p, tau_theta, {code = code, amplitude = amplitude})) do
              assert.is_true(math.abs(value + 0.25) < 1e-11,
                ("%s: θ_%d = %g for P %d, τ_θ %d"):format(code, i, value, p, tau_theta))
            end
          end
        end
      end
    end
  end)
end)

describe("G", function()
  -- The limit of long windows. Random: after K = 20,480 patterns each G_i scatters by
  -- √(Σ_{j≠i} g_j²/K) ≤ |g|/√K; five of them. Deterministic codes: whole periods, so what is left
  -- is second order in the amplitude 1e-4.
  local truth = NET:gradient(X[{{1, 1}}], Y[{{1, 1}}], "mse"):totable()

  it("is the gradient in the limit, whatever the code", function()
    local k = quick and 2048 or 20480
    for _, case in ipairs {{"sequential", 14, 1e-3}, {"walsh", 16, 1e-3}, {"sine", 64, 1e-3},
                           {"random", k, 5 * mgd.tensor(truth):norm() / math.sqrt(k)}} do
      local run = train(with_defaults{perturbation = {code = case[1], amplitude = 1e-4},
        tau_theta = case[2], tau_x = case[2], eta = 0})
      assert.is_true(distance(truth, gradient_of(run, case[2])) < case[3], case[1])
    end
  end)

  it("trap: sparse random codes without variance correction", function()
    -- the mean of G over 20,480 patterns is 1·g, not (1 − s)·g; scatter of the sum over all
    -- parameters grows by 1/√(1 − s)
    local k = quick and 2048 or 20480
    for _, sparsity in ipairs {0, 0.25, 0.5, 0.75} do
      local run = linear({1, 1, 1, 1}, {eta = 0, tau_theta = k, tau_x = k,
        perturbation = {code = "random", sparsity = sparsity}})
      local sum = 0
      for _, value in ipairs(gradient_of(run, k)) do
        sum = sum + value / 4
      end
      -- each e_i = Σ_j s_i s_j/(1 − s): variance below (3 + s)/(1 − s) ≤ 15, so ± 4·√(15/k)
      assert.is_true(math.abs(sum - 1) < 4 * math.sqrt(15 / k), "mean G " .. sum)
    end
  end)

  it("has no even-order bias under two-sided", function()
    -- C = Σ(θ + c·θ²) + Π(1 + θ) at θ = 0, walsh over its period: one-sided leaves terms of order a
    -- (the rows form a group), two-sided only terms of order a²
    local curvature = {3, -2, 5}
    local function error(baseline, a)
      local run = quadratic(curvature, {baseline = baseline, eta = 0, tau_theta = 4, tau_x = 4,
        perturbation = {code = "walsh", amplitude = a}})
      return distance({2, 2, 2}, gradient_of(run, 4))
    end
    for _, a in ipairs {0.1, 0.01} do
      assert.is_true(error("measured", a) > 0.5 * a)
      assert.is_true(error("two-sided", a) <= 2 * a * a)
    end
  end)

  it("walsh with alternating signs loses its second-order bias over two periods", function()
    local function error(alternate)
      local run = quadratic({3, -2, 5}, {eta = 0, tau_theta = 8, tau_x = 8,
        perturbation = {code = "walsh", amplitude = 0.01, alternate = alternate}})
      return distance({2, 2, 2}, gradient_of(run, 8))
    end
    assert.is_true(error(false) > 0.005)
    assert.is_true(error(true) < 2e-4)
  end)

  it("of baseline none over whole periods is that of measured", function()
    for _, code in ipairs {"walsh", "sine"} do
      local function g(baseline)
        return gradient_of(linear({1, -2, 5}, {eta = 0, tau_theta = 16, tau_x = 16,
          baseline = baseline, perturbation = {code = code}}), 16)
      end
      assert.is_true(distance(g "none", g "measured") < 1e-12)
    end
  end)

  it("is of the last completed window, zeros before one has ended", function()
    local run = train(with_defaults{tau_theta = 8, eta = 0.1})
    assert.equal(0, run:gradient():norm())
    run.core:advance(7)
    assert.equal(0, run:gradient():norm())
    run.core:advance(1)
    local g, theta = run:gradient(), run:theta()
    assert.is_true((mgd.tensor(THETA) - 0.1 * g):allclose(theta, {rtol = 0, atol = 1e-15}))
    run.core:advance(5)
    assert.same(g:totable(), run:gradient():totable())
  end)
end)
