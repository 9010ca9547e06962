-- The analog engine: a high-pass on the cost, a low-pass on e, θ moving at every step. Against the
-- scalar reference (spec/support/reference.lua), closed forms, and the discrete engine.

local mgd = require "mgd"
local core = require "mgd.core"
local reference = require "spec.support.reference"

local quick = os.getenv "MGD_SPEC_QUICK" ~= nil
local with, distance = reference.with, reference.distance

local SMALL = with(reference.small(), {engine = "analog", seed = 3, steps = 150, eta = 0.01,
  tau_hp = 12, tau_theta = 20, tau_x = 50, tau_p = 1,
  perturbation = {code = "walsh", amplitude = 0.05}})
local XOR = with(reference.xor(), {engine = "analog", seed = 3, steps = 150, eta = 0.05,
  tau_hp = 12, tau_theta = 20, tau_x = 50, tau_p = 1,
  perturbation = {code = "walsh", amplitude = 0.05}})

local function train(o)
  return mgd.train(reference.options(o))
end

-- Rounding of C̃ (1e-16) is divided by the amplitude (0.05) and multiplied by η; the filters sum it
-- over their time constants and a descent of some hundred steps expands it at most some hundred
-- times: below 1e-11.
local function agree(problem, changes, tolerance)
  local o = with(problem, changes)
  local expected = reference.analog(o)
  return reference.agree(o, expected, tolerance or 1e-10, 1e-6)
end

-- ---- against the reference ----------------------------------------------------------------------

describe("the analog engine agrees with the reference", function()
  it("for all time constants", function()
    for _, tau_p in ipairs {1, 2, 7} do
      for _, tau_x in ipairs {3, 5, 200} do
        for _, tau_theta in ipairs(quick and {1, 33.5} or {0.25, 1, 3, 33.5}) do
          for _, tau_hp in ipairs(quick and {1.6, 100} or {1.01, 1.6, 10, 1000}) do
            agree(XOR, {tau_p = tau_p, tau_x = tau_x, tau_theta = tau_theta, tau_hp = tau_hp,
              steps = 61})
          end
        end
      end
    end
  end)

  for i, code in ipairs {
    {code = "sequential", amplitude = 0.05},
    {code = "sequential", norm = 0.1, order = "shuffled"},
    {code = "walsh", norm = 0.2, alternate = true},
    {code = "random", amplitude = 0.05},
    {code = "random", amplitude = 0.05, sparsity = 0.5},
    {code = "sine", norm = 0.2, low = 0.01, high = 0.11},
  } do
    it(("for the code %s (%d)"):format(code.code, i), function()
      for _, convention in ipairs {"gradient", "published"} do
        agree(SMALL, {perturbation = code, convention = convention, tau_p = 2, eta = 0.002})
        agree(XOR, {perturbation = code, convention = convention, tau_x = 7, batch = 3})
      end
    end)
  end

  it("for batches of which the whole set is one", function()
    for _, batch in ipairs {1, 2, 4, 5, 17} do
      agree(SMALL, {batch = batch, tau_x = 3, eta = 0.002})
      agree(XOR, {batch = batch, tau_x = 3})
    end
    agree(XOR, {batch = 4, tau_x = 1}) -- nothing changes: no sample time is too short
  end)

  for _, optimizer in ipairs {"momentum", "adam"} do
    it("for " .. optimizer .. " at every step", function()
      -- adam divides by √v, which begins as small as the first signals
      agree(XOR, {optimizer = optimizer, eta = 0.005}, 1e-8)
    end)
  end

  it("for a chip in Lua, which is asked once a step", function()
    local calls = 0
    local o = with(reference.bowl({1, -2, 5}, {3, 0.5, 1}), {engine = "analog", tau_hp = 5,
      tau_theta = 16, steps = 100, eta = 0.01, perturbation = {code = "walsh", amplitude = 0.1}})
    local cost_at, evaluated = o.cost_at, nil
    o.chip = mgd.chip{parameters = 3, evaluate = function(theta)
      calls, evaluated = calls + 1, theta:totable()
      return mgd.tensor{{cost_at(evaluated)}}
    end}
    agree(o, {})
    assert.equal(100, calls)
    local _, log = reference.analog(o)
    assert.is_true(distance(log[100].theta, evaluated) < 1e-11)
  end)

  it("on a chip whose cost comes through a path: twice as large, and a step late", function()
    local chip = mgd.chip{net = XOR.net, cost = mgd.hw.path{gain = 2, delay = 1}}
    for _, batch in ipairs {1, 4} do
      local o, late = with(XOR, {batch = batch, eta = 0.005, dt = 1}), nil -- at rest at first
      function o.cost_at(theta, samples)
        local now = 2 * XOR.cost_at(theta, samples)
        local before = late or now
        late = now
        return before
      end
      local expected = reference.analog(o)
      o.net, o.chip = nil, chip
      local run = train(o)
      run.core:advance(o.steps)
      assert.is_true(distance(expected, run:theta():totable()) < 1e-10)
      assert.is_true(distance(XOR.theta, expected) > 1e-4)
    end
  end)

  it("for what the probes say of C̃ and G", function()
    local o = with(XOR, {tau_x = 7})
    local _, _, signals, g = reference.analog(o)
    local run = train(o)
    local history = run:run{steps = o.steps, every = 1, probes = {"C_tilde", "norm_G"}}
    for n = 1, o.steps do
      assert.is_true(math.abs(history.C_tilde[n + 1] - signals[n]) < 1e-12)
    end
    assert.is_true(distance(g, run:gradient():totable()) < 1e-11)
    assert.is_true(math.abs(history.norm_G[o.steps + 1] - mgd.tensor(g):norm()) < 1e-11)
  end)

  it("for each replica of an ensemble", function()
    for _, replicas in ipairs {3, 19} do
      local o = with(XOR, {init = {}, tau_x = 7, perturbation = {amplitude = 0.05}})
      local run = train(with(o, {replicas = replicas}))
      local begun = run:theta()
      run.core:advance(o.steps)
      for r = 1, replicas, 2 do
        local expected = reference.analog(with(o, {theta = begun[r]:totable(), replica = r}))
        assert.is_true(distance(expected, run:theta()[r]:totable()) < 1e-10)
      end
    end
  end)
end)

-- ---- closed forms -------------------------------------------------------------------------------

-- A chip of one parameter whose cost at its n-th evaluation (from 0) is what `cost` says.
local function told(cost, changes)
  local calls = -1
  return mgd.train(with({engine = "analog", cost = function(y) return y[1][1] end,
    data = {x = mgd.zeros{2, 1}, y = mgd.zeros{2, 1}}, shuffle = false, eta = 0, tau_x = 1000,
    chip = mgd.chip{parameters = 1, evaluate = function()
      calls = calls + 1
      return mgd.tensor{{cost(calls)}}
    end}, perturbation = {code = "sequential", amplitude = 0.5}}, changes))
end

describe("the high-pass", function()
  local function signals(run, steps)
    return run:run{steps = steps, every = 1, probes = {"C_tilde"}}.C_tilde:totable()
  end

  it("passes a jump of the cost by α and lets it decay by α a step", function()
    local run = told(function(n) return n >= 3 and 5 or 2 end, {tau_hp = 4})
    local c = signals(run, 12)
    for n = 0, 11 do
      local expected = n < 3 and 0 or 3 * 0.8 ^ (n - 2)
      assert.is_true(math.abs(c[n + 2] - expected) < 1e-14, "step " .. n)
    end
  end)

  it("answers a ramp by α/(1 − α) = τ_hp times its slope in the end", function()
    local c = signals(told(function(n) return 0.5 * n end, {tau_hp = 4}), 300)
    assert.is_true(math.abs(c[301] - 2) < 1e-12)
  end)

  it("does not see the jump of a new sample, and keeps C̃ across it", function()
    -- 1 before step 2, then 5; a sample change at step 4 to a cost of 1000, then 1001 from step 6
    local costs = {[0] = 1, 1, 5, 5, 1000, 1000, 1001, 1001}
    local c = signals(told(function(n) return costs[n] end, {tau_hp = 4, tau_x = 4}), 8)
    local expected = {0, 0, 3.2, 2.56, 2.048, 1.6384, 2.11072, 1.688576}
    for n = 1, 8 do
      assert.is_true(math.abs(c[n + 1] - expected[n]) < 1e-12, "step " .. n - 1)
    end
  end)

  it("limits the signal by clamp, and not what it keeps", function()
    -- C̃ is 3.2, 2.56, 2.048, …; with clamp 2.5 the first two e are 2.5/0.5·s with P = 1
    local run = told(function(n) return n >= 1 and 5 or 1 end, {tau_hp = 4, tau_theta = 3,
      clamp = 2.5})
    run:gradient()
    run.core:advance(4)
    local g = 0
    for _, signal in ipairs {0, 2.5, 2.5, 2.048} do
      g = g + (signal / 0.5 - g) / 4
    end
    assert.is_true(math.abs(run:gradient()[1] - g) < 1e-14)
  end)
end)

describe("the low-pass", function()
  it("comes to a constant e as 1 − (τ_θ/(τ_θ + 1))ⁿ, for any τ_θ > 0", function()
    for _, tau_theta in ipairs {0.01, 0.5, 1, 7.3, 100} do
      local run = told(function(n) return n > 0 and 1 or 0 end, {tau_hp = 1e15,
        tau_theta = tau_theta})
      run:gradient()
      run.core:advance(1)
      for n = 1, 9 do
        run.core:advance(1)
        local expected = 2 * (1 - (tau_theta / (tau_theta + 1)) ^ n)
        assert.is_true(math.abs(run:gradient()[1] - expected) < 1e-13)
      end
    end
  end)
end)

-- ---- limits -------------------------------------------------------------------------------------

describe("halving dt", function()
  -- The same circuit with k times as many steps: all τ times k, η by k. A first-order method errs
  -- by c·dt + O(dt²), so differences of successive halvings fall by 2 + O(dt/τ); with dt 1 to 1/8
  -- of a slot of 4 steps and τ_hp of 24 the second term is some percent: 2 ± 0.1.
  for _, code in ipairs {"walsh", "sine"} do
    it("changes the trajectory by first order with the code " .. code, function()
      local function at(k)
        local run = train(with(XOR, {perturbation = {code = code, amplitude = 0.05},
          tau_p = 4 * k, tau_hp = 24 * k, tau_theta = 128 * k, tau_x = 52 * k, eta = 0.05 / k}))
        run.core:advance(400 * k)
        return run:theta():totable()
      end
      local before, last = at(1), nil
      for k = 1, 4 do
        local now = at(2 ^ k)
        local d = distance(before, now)
        if last then
          assert.is_true(math.abs(last / d - 2) < 0.1, ("ratio %g"):format(last / d))
        end
        before, last = now, d
      end
    end)
  end

  it("comes to the continuous equations, solved by Runge and Kutta", function()
    -- first order: the distance is halved too, and is 1/16 of that of a slot of 4 steps
    local function off(k)
      local o = with(XOR, {tau_p = 4 * k, tau_hp = 24 * k, tau_theta = 128 * k, tau_x = 52 * k,
        eta = 0.05 / k, steps = 200 * k, substeps = 2})
      local run = train(o)
      run.core:advance(o.steps)
      return distance(reference.continuous(o), run:theta():totable())
    end
    local coarse, fine = off(2), off(8)
    assert.is_true(math.abs(coarse / fine - 4) < 0.4, ("ratio %g"):format(coarse / fine))
  end)
end)

describe("with slow perturbations and a long τ_hp the analog engine", function()
  -- Walsh with a period of 16 slots of 4 steps, τ_hp 12.5 periods, all of XOR at once. The discrete
  -- engine writes once a period; in it the analog one moves by as much, η being 1/64. What is left
  -- is of first order in η: the start of the high-pass, and the lag of the low-pass.
  local net = mgd.nn.mlp{2, 2, 1, output = "sigmoid", activation = "sigmoid", dtype = "f64"}
    :init{scheme = "normal", std = 1.5, seed = 4}
  local base = {net = net, data = mgd.data.xor{dtype = "f64"}, batch = 4, shuffle = false,
    tau_p = 4, perturbation = {code = "walsh", amplitude = 0.02}}

  it("solves XOR along the trajectory of the discrete engine, within 0.01", function()
    local eta = 0.2
    local analog = mgd.train(with(base, {engine = "analog", tau_hp = 800, tau_theta = 64,
      eta = eta / 64}))
    local discrete = mgd.train(with(base, {tau_theta = 64, eta = eta}))
    local begun = net:theta():totable()
    for _ = 1, 4 do
      analog.core:advance(64000)
      discrete.core:advance(64000)
      local a, d = analog:theta():totable(), discrete:theta():totable()
      assert.is_true(distance(a, d) < 0.01 * distance(begun, d), ("%g of %g"):format(
        distance(a, d), distance(begun, d)))
    end
    assert.equal(1, analog:evaluate().accuracy)
    assert.is_true(analog:evaluate().cost < 0.01)
  end)
end)

-- ---- the same bits ------------------------------------------------------------------------------

describe("the analog engine gives the same bits", function()
  local base = {net = mgd.nn.mlp{2, 3, 1, output = "sigmoid"}, data = mgd.data.xor(), init = {},
    engine = "analog", tau_hp = 8, tau_theta = 5.5, tau_x = 7, tau_p = 2, eta = 0.2, seed = 9}
  local plan = {steps = 61, every = 25, probes = {"cost", "C", "C_tilde", "norm_G", "angle"}}

  local function bits(run)
    local history = run:run(plan)
    return {run:theta():totable(), history.cost:totable(), history.C:totable(),
      history.C_tilde:totable(), history.norm_G:totable(), core.data.hash(run:gradient())}
  end

  it("for one thread and for two", function()
    for _, changes in ipairs {{replicas = 1}, {replicas = 40}, {batch = 100},
                              {replicas = 3, optimizer = "adam", batch = 30}} do
      local first = bits(mgd.train(with(with(base, changes), {threads = 1})))
      assert.same(first, bits(mgd.train(with(with(base, changes), {threads = 2}))))
    end
  end)

  for _, dtype in ipairs {"f32", "f64"} do
    it("for replica r of an ensemble and the run with replica = r, in " .. dtype, function()
      local net = mgd.nn.mlp{2, 3, 1, output = "sigmoid", dtype = dtype}
      for _, changes in ipairs {{}, {optimizer = "momentum"}, {optimizer = "adam", batch = 3},
                                {clamp = 0.01}, {perturbation = {code = "sine"}}} do
        local opts = with(with(base, changes), {net = net})
        for _, replicas in ipairs {3, 35} do
          local ensemble = mgd.train(with(opts, {replicas = replicas}))
          local history = ensemble:run(plan)
          for r = 1, replicas, 4 do
            local single = mgd.train(with(opts, {replica = r}))
            local own = single:run(plan)
            assert.same(single:theta():totable(), ensemble:theta()[r]:totable())
            for _, name in ipairs {"cost", "C_tilde", "norm_G"} do
              assert.equal(own[name][4], history[name][4][r])
            end
          end
        end
      end
    end)
  end

  it("for a run cut into pieces", function()
    local whole, parts = mgd.train(base), mgd.train(base)
    whole.core:advance(101)
    for _, steps in ipairs {1, 1, 3, 0, 7, 2, 30, 57} do
      parts.core:advance(steps)
    end
    assert.same(whole:theta():totable(), parts:theta():totable())
  end)

  it("for a run that is saved and resumed at an odd step", function()
    for _, replicas in ipairs {1, 19} do
      for _, optimizer in ipairs {"sgd", "adam"} do
        local opts = with(base, {replicas = replicas, optimizer = optimizer})
        local straight, stopped = mgd.train(opts), mgd.train(opts)
        straight.core:advance(37)
        stopped.core:advance(37)
        local path = os.tmpname()
        stopped:save(path)
        local resumed = mgd.resume(path)
        os.remove(path)
        assert.equal(37, resumed.steps_done)
        assert.same(bits(straight), bits(resumed))
      end
    end
  end)
end)

-- ---- wrong input --------------------------------------------------------------------------------

describe("bad options of the analog engine", function()
  local base = {net = mgd.nn.mlp{2, 3, 1}:init{}, data = mgd.data.xor(), engine = "analog",
    tau_x = 10, tau_theta = 10}

  local function fails(texts, changes)
    local opts = with(base, changes)
    for key, value in pairs(opts) do
      opts[key] = value ~= "none" and value or nil
    end
    local ok, message = pcall(function() mgd.train(opts) end)
    assert.is_false(ok, "no error")
    assert.is_truthy(message:find("^[^\n]*analog_spec%.lua:%d+: "), message)
    for _, text in ipairs(texts) do
      assert.is_truthy(message:find(text, 1, true), message)
    end
  end

  it("are refused: τ_hp of at most a step", function()
    fails({"tau_hp", "> 1", "got 1"}, {tau_hp = 1})
    fails({"tau_hp", "got 0.5"}, {tau_hp = 0.5})
    fails({"tau_hp", "got -3"}, {tau_hp = -3})
    fails({"tau_hp", "NaN"}, {tau_hp = 0 / 0})
  end)

  it("are refused: a new sample at every step", function()
    fails({"tau_x = 1"}, {tau_x = 1})
    fails({"tau_x = 1"}, {tau_x = "none"}) -- the default
    mgd.train(with(base, {tau_x = 1, batch = 4})) -- the whole set
    mgd.train(with(base, {tau_x = 2}))
  end)

  it("are refused: what belongs to the discrete engine, or to this one alone", function()
    fails({"baseline", "no effect", "analog"}, {baseline = "measured"})
    fails({"settle", "no effect", "analog"}, {settle = 1})
    fails({"tau_hp", "no effect", "discrete"}, {engine = "discrete", tau_hp = 10})
    fails({"tau_theta", "integer", "got 2.5"}, {engine = "discrete", tau_theta = 2.5})
  end)

  it("are refused: time constants that are none", function()
    fails({"tau_theta", "> 0", "got 0"}, {tau_theta = 0})
    fails({"tau_theta", "got -1"}, {tau_theta = -1})
    fails({"tau_theta", "NaN"}, {tau_theta = 0 / 0})
    fails({"tau_p", "integer", "got 1.5"}, {tau_p = 1.5})
    fails({"tau_x", "integer", "got 2.5"}, {tau_x = 2.5})
    fails({"did you mean 'analog'?"}, {engine = "analogue"})
  end)
end)
