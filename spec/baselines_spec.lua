-- Baselines: back-propagation against the network's gradient and the optimizers in plain Lua;
-- finite differences, SPSA and coordinate descent as the corners of MGD that they are.

local mgd = require "mgd"
local core = require "mgd.core"
local reference = require "spec.support.reference"

local with, distance = reference.with, reference.distance

local SMALL = with(reference.small(), {steps = 40, eta = 0.05})
local XOR = with(reference.xor(), {steps = 41, eta = 0.5}) -- whole epochs of signs cancel

local function after(run, steps)
  run.core:advance(steps)
  return run:theta():totable()
end

-- Everything that a run shows, as bits.
local function bits(run, steps)
  local history = run:run{steps = steps, every = 13,
    probes = {"cost", "C", "norm_G", "angle", "norm_theta"}}
  local out = {run:theta():totable(), core.data.hash(run:gradient()), history.step:totable()}
  for _, name in ipairs {"cost", "C", "norm_G", "angle", "norm_theta"} do
    out[#out + 1] = core.data.hash(history[name])
  end
  return out
end

-- ---- back-propagation ---------------------------------------------------------------------------

describe("mgd.backprop", function()
  -- The gradient is that of net:gradient, but summed in another order: 1e-15 of it, and some tens
  -- of steps expand it a few times. Adam divides by √v.
  local function agree(problem, changes)
    local o = with(problem, changes)
    local expected = reference.descent(o)
    local error = distance(expected, after(mgd.backprop(reference.options(o)), o.steps))
    assert.is_true(error < (o.optimizer == "adam" and 1e-10 or 1e-12), ("θ differs by %g"):format(
      error))
    local learned = distance(problem.theta, expected)
    assert.is_true(learned > 1e-4, ("θ moved by %g, batch %d, %s"):format(learned, o.batch or 1,
      o.optimizer or "sgd"))
  end

  it("steps along net:gradient of each batch, for every optimizer", function()
    for _, law in ipairs {{}, {optimizer = "sgd"}, {optimizer = "momentum"},
                          {optimizer = "nesterov", momentum = 0.5}, {optimizer = "adam"},
                          {optimizer = "sign", eta = 0.01}, {weight_decay = 0.1},
                          {optimizer = "pulses", pulse = 0.01, threshold = 1e-3, eta = false},
                          {clip = 0.2}, {clip_norm = 0.3, optimizer = "momentum"}} do
      for _, batch in ipairs {1, 3, 4, 5, 17} do
        for _, tau_x in ipairs {1, 3} do
          local o = with({eta = 0.02, batch = batch, tau_x = tau_x}, law)
          agree(SMALL, o)
          agree(XOR, o)
        end
      end
    end
  end)

  it("with schedules of η and of the sample time", function()
    agree(SMALL, {eta = {"cosine", 0.1, steps = 30}, batch = 2})
    agree(SMALL, {eta = function(step) return 0.1 / (1 + step) end,
      tau_x = {"step", 1, factor = 2, every = 10}})
  end)

  it("has G of the last step, whose angle to the true gradient is none", function()
    local o = with(SMALL, {batch = 3})
    local run = mgd.backprop(reference.options(o))
    run:gradient()
    run.core:advance(6)
    local theta = run:theta():totable()
    run.core:advance(1)
    local expected = o.gradient_at(theta, {4, 5, 1}) -- samples 19, 20, 21 of 1 … 5, 1, …
    assert.is_true(distance(expected, run:gradient():totable()) < 1e-13)
    local whole = mgd.backprop(reference.options(with(SMALL, {batch = 5})))
    local angle = whole:run{steps = 5, every = 1, probes = {"angle"}}.angle
    for row = 2, 6 do
      assert.is_true(angle[row] < 1e-3) -- degrees: acos near 1 magnifies 1e-16 to 1e-8 rad
    end
  end)

  it("is the run of mgd.train with that engine", function()
    local o = with(reference.options(SMALL), {batch = 3, optimizer = "adam"})
    assert.same(bits(mgd.train(with(o, {engine = "backprop"})), 40), bits(mgd.backprop(o), 40))
  end)

  it("learns XOR, and a cross-entropy as net:gradient has it", function()
    local run = mgd.backprop{net = mgd.nn.mlp{2, 4, 1, activation = "tanh", output = "sigmoid"},
      data = mgd.data.xor(), batch = 4, eta = 0.05, optimizer = "adam", init = {}, replicas = 8}
    local history = run:run{steps = 3000, every = 100, probes = {"accuracy"},
      stop = {accuracy = 1}}
    for r = 1, 8 do
      assert.is_true(history.stopped[r] == history.stopped[r])
    end
    local net = mgd.nn.mlp{3, 4, 2, dtype = "f64"}:init{seed = 2}
    local x, y = mgd.randn({5, 3}, {seed = 1}), mgd.tensor{{1, 0}, {0, 1}, {1, 0}, {1, 0}, {0, 1}}
    local one = mgd.backprop{net = net, data = {x = x, y = y}, cost = "cross_entropy", batch = 5,
      eta = 0.5, label_smoothing = 0.1, shuffle = false}
    one.core:advance(1)
    local g = net:gradient(x, y, "cross_entropy", {label_smoothing = 0.1})
    local expected = net:theta() - 0.5 * g
    assert.is_true(distance(expected:totable(), one:theta():totable()) < 1e-14)
  end)

  it("takes central differences where the chip is a function in Lua", function()
    -- C = Σ w·θ + c·θ²: central differences are exact but for rounding, 1e-16/h with h near 1e-5
    local o = with(reference.bowl({1, -2, 5}, {3, 0.5, 1}), {steps = 20, eta = 0.05,
      gradient_at = function(t) return {1 + 6 * t[1], -2 + t[2], 5 + 2 * t[3]} end})
    assert.is_true(distance(reference.descent(o), after(mgd.backprop(reference.options(o)), 20))
      < 1e-8)
  end)

  it("gives the same bits for replicas, threads, pieces and resumed runs", function()
    for _, dtype in ipairs {"f32", "f64"} do
      for _, changes in ipairs {{}, {batch = 4, optimizer = "adam"}, {batch = 100},
                                {optimizer = "nesterov", clip_norm = 0.1}} do
        local base = with({net = mgd.nn.mlp{2, 3, 1, output = "sigmoid", dtype = dtype},
          data = mgd.data.xor(), init = {}, seed = 9, eta = 0.3}, changes)
        for _, replicas in ipairs {3, 35} do
          local o = with(base, {replicas = replicas})
          local ensemble = mgd.backprop(o)
          local theta = after(ensemble, 61)
          for r = 1, replicas, 4 do
            assert.same(after(mgd.backprop(with(base, {replica = r})), 61), theta[r])
          end
          for threads = 1, 2 do
            assert.same(theta, after(mgd.backprop(with(o, {threads = threads})), 61))
          end
          local parts = mgd.backprop(o)
          parts.core:advance(1)
          parts.core:advance(36)
          local path = os.tmpname()
          parts:save(path)
          local resumed = mgd.resume(path)
          os.remove(path)
          assert.same(theta, after(resumed, 24))
        end
      end
    end
  end)

  it("has nothing to explain, and no budget of perturbations", function()
    local run = mgd.backprop { net = mgd.nn.mlp { 2, 2, 1 }, data = mgd.data.xor(), init = {} }
    run:run { steps = 2 }
    for _, name in ipairs { "explain", "budget" } do
      local ok, message = pcall(run[name], run)
      assert.is_false(ok)
      assert.is_truthy(message:find("baselines_spec.lua:%d+: run:" .. name
        .. ": back%-propagation perturbs nothing"), message)
    end
  end)
end)

-- ---- corners of MGD -----------------------------------------------------------------------------

describe("mgd.finite_difference", function()
  local function plain(problem, o)
    local function differences(theta, samples)
      local g, a = {}, o.amplitude
      local c0 = problem.cost_at(theta, samples)
      for i = 1, #theta do
        local up, down = {table.unpack(theta)}, {table.unpack(theta)}
        up[i], down[i] = up[i] + a, down[i] - a
        local c = problem.cost_at(up, samples)
        g[i] = o.central and (c - problem.cost_at(down, samples)) / (2 * a) or (c - c0) / a
      end
      return g
    end
    return reference.descent(with(problem, with(o, {gradient_at = differences})))
  end

  it("equals plain differences, one gradient and one write in P steps", function()
    for _, problem in ipairs {SMALL, XOR} do
      local p = #problem.theta
      for _, o in ipairs {{central = false}, {central = true}, {batch = 3},
                          {optimizer = "momentum", central = true}, {weight_decay = 0.1},
                          {optimizer = "nesterov", batch = 5}} do
        o = with({amplitude = 0.01, eta = 0.05, steps = 12}, o)
        local run = mgd.finite_difference(reference.options(with(problem, o)))
        local error = distance(plain(problem, o), after(run, 12 * p))
        assert.is_true(error < 1e-12, ("θ differs by %g"):format(error))
        assert.is_true(distance(problem.theta, run:theta():totable()) > 1e-4)
      end
    end
  end)

  it("is mgd.train with the sequential code, τ_θ = τ_x = P·τ_p", function()
    for _, central in ipairs {false, true} do
      for _, more in ipairs {{}, {batch = 3, replicas = 9, init = {}}, {optimizer = "adam"}} do
        local o = with(reference.options(SMALL), more)
        assert.same(bits(mgd.train(with(o, {tau_p = 1, tau_theta = 14, tau_x = 14,
          perturbation = {code = "sequential", amplitude = 0.02},
          baseline = central and "two-sided" or "measured"})), 61),
          bits(mgd.finite_difference(with(o, {amplitude = 0.02, central = central})), 61))
      end
    end
  end)

  it("asks for P + 1 evaluations of a gradient, or 2·P", function()
    for central, calls in pairs {[false] = 4, [true] = 6} do
      local count, o = 0, reference.bowl({1, -2, 5}, {0, 0, 0})
      o.chip = mgd.chip{parameters = 3, evaluate = function(theta)
        count = count + 1
        return theta:sum() * mgd.ones{1, 1}
      end}
      mgd.finite_difference(with(reference.options(o), {central = central})).core:advance(6)
      assert.equal(2 * calls, count)
    end
  end)
end)

describe("mgd.spsa", function()
  it("is mgd.train with the random code, two-sided, τ_θ = τ_p = 1", function()
    for _, more in ipairs {{}, {batch = 3, replicas = 9, init = {}}, {optimizer = "momentum"},
                           {tau_x = 4}} do
      local o = with(reference.options(SMALL), more)
      assert.same(bits(mgd.train(with(o, {tau_p = 1, tau_theta = 1, baseline = "two-sided",
        perturbation = {code = "random", amplitude = 0.02}})), 61),
        bits(mgd.spsa(with(o, {amplitude = 0.02})), 61))
    end
  end)

  it("is the recursion of Spall: θ ← θ − a_k·(C₊ − C₋)/(2·c_k·Δ_i)", function()
    local p, a, c = #SMALL.theta, 0.05, 0.02
    local signs = mgd.codes.pattern({code = "random"}, {parameters = p, slots = 40, seed = 6})
    local theta = {table.unpack(SMALL.theta)}
    for k = 0, 39 do
      local gain, size = a / (k + 1 + 4) ^ 0.602, c / (k + 1) ^ 0.101
      local up, down = {}, {}
      for i = 1, p do
        up[i], down[i] = theta[i] + size * signs[k + 1][i], theta[i] - size * signs[k + 1][i]
      end
      local samples = {k % 5 + 1}
      local difference = SMALL.cost_at(up, samples) - SMALL.cost_at(down, samples)
      for i = 1, p do
        theta[i] = theta[i] - gain * difference / (2 * size * signs[k + 1][i])
      end
    end
    local run = mgd.spsa(with(reference.options(SMALL), {seed = 6, eta = {"spsa", a, A = 4},
      amplitude = {"spsa", c, exponent = 0.101}}))
    assert.is_true(distance(theta, after(run, 40)) < 1e-12)
  end)
end)

describe("mgd.coordinate_descent", function()
  it("is mgd.train with the sequential code and τ_θ = τ_p = 1", function()
    for _, more in ipairs {{}, {batch = 3, replicas = 9, init = {}}, {tau_x = 14}} do
      local o = with(reference.options(SMALL), with(more, {eta = 0.01}))
      assert.same(bits(mgd.train(with(o, {tau_p = 1, tau_theta = 1,
        perturbation = {code = "sequential", amplitude = 0.02}})), 61),
        bits(mgd.coordinate_descent(with(o, {amplitude = 0.02})), 61))
    end
  end)

  it("moves one parameter a step, by η·P times its forward difference", function()
    local theta, p, a = {table.unpack(SMALL.theta)}, #SMALL.theta, 0.02
    for n = 0, 29 do
      local i, samples, up = n % p + 1, {n % 5 + 1}, {table.unpack(theta)}
      up[i] = up[i] + a
      theta[i] = theta[i] - 0.01 * p
        * (SMALL.cost_at(up, samples) - SMALL.cost_at(theta, samples)) / a
    end
    local run = mgd.coordinate_descent(with(reference.options(SMALL), {amplitude = a, eta = 0.01}))
    assert.is_true(distance(theta, after(run, 30)) < 1e-12)
  end)
end)

describe("the corners can be saved and resumed", function()
  for _, name in ipairs {"finite_difference", "spsa", "coordinate_descent"} do
    it("bit for bit: mgd." .. name, function()
      local o = with(reference.options(SMALL), {amplitude = 0.02, eta = 0.005})
      local straight, stopped = mgd[name](o), mgd[name](o)
      straight.core:advance(17)
      stopped.core:advance(17)
      local path = os.tmpname()
      stopped:save(path)
      local resumed = mgd.resume(path)
      os.remove(path)
      assert.same(bits(straight, 30), bits(resumed, 30))
    end)
  end
end)

-- ---- wrong input --------------------------------------------------------------------------------

describe("bad options are refused:", function()
  local base = {net = mgd.nn.mlp{2, 3, 1}:init{}, data = mgd.data.xor()}
  local cases = {
    {"backprop", {perturbation = {}}, {"perturbation"}},
    {"backprop", {tau_p = 1}, {"tau_p"}},
    {"backprop", {tau_theta = 2}, {"tau_theta"}},
    {"backprop", {tau_hp = 2}, {"tau_hp"}},
    {"backprop", {baseline = "none"}, {"baseline"}},
    {"backprop", {convention = "published"}, {"convention"}},
    {"backprop", {clamp = 1}, {"clamp"}},
    {"backprop", {settle = 1}, {"settle"}},
    {"backprop", {amplitude = 1}, {"amplitude"}},
    {"backprop", {engine = "analog"}, {"engine"}},
    {"backprop", {optimiser = "adam"}, {"did you mean 'optimizer'?"}},
    {"finite_difference", {tau_theta = 4}, {"mgd.finite_difference", "tau_theta"}},
    {"finite_difference", {perturbation = {code = "walsh"}}, {"perturbation"}},
    {"finite_difference", {amplitude = 0}, {"amplitude", "> 0", "got 0"}},
    {"finite_difference", {central = 1}, {"central", "got number"}},
    {"finite_difference", {baseline = "none"}, {"baseline"}},
    {"spsa", {baseline = "measured"}, {"mgd.spsa", "baseline"}},
    {"spsa", {tau_p = 2}, {"tau_p"}},
    {"spsa", {central = true}, {"central"}},
    {"coordinate_descent", {tau_theta = 2}, {"mgd.coordinate_descent", "tau_theta"}},
    {"coordinate_descent", {amplitude = "small"}, {"amplitude", "string"}},
    {"coordinate_descent", {amplitud = 1}, {"amplitud"}},
  }
  for _, case in ipairs(cases) do
    it(("mgd.%s with %s"):format(case[1], next(case[2])), function()
      local ok, message = pcall(function() mgd[case[1]](with(base, case[2])) end)
      assert.is_false(ok, "no error")
      assert.is_truthy(message:find("^[^\n]*baselines_spec%.lua:%d+: "), message)
      for _, text in ipairs(case[3]) do
        assert.is_truthy(message:find(text, 1, true), message)
      end
    end)
  end

  it("no options, no network, no data", function()
    for _, name in ipairs {"backprop", "finite_difference", "spsa", "coordinate_descent"} do
      for _, opts in ipairs {false, 3, {}, {net = base.net}, {data = base.data},
                             {net = 3, data = base.data}} do
        local ok, message = pcall(function() mgd[name](opts or nil) end)
        assert.is_false(ok, "no error")
        assert.is_truthy(message:find("^[^\n]*baselines_spec%.lua:%d+: "), message)
      end
    end
  end)
end)
