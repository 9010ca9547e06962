-- The analog engine in continuous time, by GSL's solvers: against Runge and Kutta in plain Lua,
-- closed forms, and the filters of the analog engine as their steps shrink.

local mgd = require "mgd"
local reference = require "spec.support.ode"
local support = require "spec.support.train"

local quick = os.getenv "MGD_SPEC_QUICK" ~= nil
local options = support.options
local XOR, agree, continuous = reference.XOR, reference.agree, reference.continuous
local distance, train = require("spec.support.reference").distance, reference.train

local EXPLICIT = {"rk2", "rk4", "rkf45", "rkck", "rk8pd", "msadams"}
local IMPLICIT = {"rk2imp", "rk4imp", "bsimp", "msbdf"}

-- ---- against Runge and Kutta --------------------------------------------------------------------

-- Twenty substeps of 1/20 and time constants of 4 steps: the reference errs by (1/80)^4/120 times
-- what the derivatives are, below 1e-9. Errors of a trial of 1e-10 add up over some hundred trials.
describe("integrators agree with Runge and Kutta in plain Lua", function()
  for _, kind in ipairs {EXPLICIT, IMPLICIT} do
    for _, integrator in ipairs(kind) do
      -- a second-order method with errors of 1e-10 takes thousands of trials, which add up
      local low = integrator:find "^rk2" or integrator:find "^ms"
      it("by " .. integrator, function()
        agree(XOR, {integrator = integrator, tolerance = low and 1e-9 or 1e-10},
          low and 1e-6 or 1e-7)
      end)
    end
  end

  for _, integrator in ipairs {"rk8pd", "bsimp"} do
    it("for codes, conventions and batches by " .. integrator, function()
      for _, code in ipairs {"sequential", "walsh", "random", "gaussian"} do
        for _, convention in ipairs {"gradient", "published"} do
          agree(XOR, {integrator = integrator, convention = convention, batch = 3,
            perturbation = {code = code, amplitude = 0.1},
            eta = convention == "published" and 1 or 0.1})
        end
      end
      agree(XOR, {integrator = integrator, batch = 4, tau_x = 1}) -- the whole set: no change
      agree(XOR, {integrator = integrator, tau_x = 2, tau_p = 5})
    end)

    it("for weight decay, and η and τ_θ that change, by " .. integrator, function()
      agree(XOR, {integrator = integrator, weight_decay = 0.3})
      agree(XOR, {integrator = integrator, eta = function(n) return 0.2 / (1 + n) end})
      agree(XOR, {integrator = integrator, tau_theta = function(n) return 3 + n % 4 end})
    end)

    it("for a limit on C̃, whose kinks cost an order, by " .. integrator, function()
      agree(XOR, {integrator = integrator, clamp = 0.01, substeps = 100}, 1e-6)
    end)
  end

  it("for a code in Lua, and uneven amplitudes", function()
    local walsh = mgd.codes.pattern({code = "walsh"}, {parameters = 9, slots = 16})
    local even = train(options(XOR, {integrator = "rk8pd"}))
    even:run{steps = XOR.steps, probes = {}}
    local own = train(options(XOR, {integrator = "rk8pd",
      perturbation = {code = function(slot) return walsh[slot % 16 + 1] end, amplitude = 0.1}}))
    own:run{steps = XOR.steps, probes = {}}
    assert.is_true(distance(even:theta():totable(), own:theta():totable()) < 1e-12)
    -- drawn about 0.1; each e is divided by its own amplitude
    agree(XOR, {integrator = "rk8pd",
      perturbation = {code = "walsh", amplitude = 0.1, amplitude_spread = 0.5}})
  end)

  it("for a chip in Lua, whose calls are counted", function()
    local calls, at = 0, {1, -2, 0.5}
    local function cost_at(t)
      return (t[1] - 1) ^ 2 + 0.5 * (t[2] + t[1] * t[3]) ^ 2 + math.cos(t[3])
    end
    local o = options(XOR, {theta = at, cost_at = cost_at, eta = 0.05,
      data = {x = mgd.zeros{4, 1}, y = mgd.zeros{4, 1}}, cost = function(y) return y[1][1] end})
    o.net = nil
    o.chip = mgd.chip{parameters = 3, theta = mgd.tensor(at), evaluate = function(theta)
      calls = calls + 1
      return mgd.tensor{{cost_at(theta:totable())}}
    end}
    for _, integrator in ipairs {"rkf45", "rk8pd", "rk4imp", "bsimp"} do
      for _, batch in ipairs {1, 2} do
        calls = 0
        local answer = options(o, {integrator = integrator, batch = batch})
        answer.chip = batch == 1 and o.chip
          or mgd.chip{parameters = 3, theta = mgd.tensor(at), evaluate = function(theta)
            calls = calls + 1
            return mgd.full({2, 1}, cost_at(theta:totable()))
          end}
        local run = agree(answer, {})
        assert.equal(calls * batch, run:counters().evaluations) -- of one sample each
        assert.equal(o.steps, run:counters().writes_mean)
      end
    end
  end)

  it("for each replica of an ensemble", function()
    local o = options(XOR, {integrator = "rkck", perturbation = {code = "random", amplitude = 0.1}})
    local run = train(options(o, {replicas = 3}))
    run:run{steps = o.steps, probes = {}}
    for r = 1, 3 do
      local expected = continuous(options(o, {replica = r}))
      assert.is_true(distance(expected, run:theta()[r]:totable()) < 1e-7)
    end
    assert.same({3}, run:counters().evaluations.shape)
  end)
end)

-- ---- closed forms -------------------------------------------------------------------------------

describe("with θ at rest", function()
  -- One parameter, y = x·θ is the cost, η = 0. Walsh's patterns for it are +, −, +, −, …: where a
  -- slot of sample x begins, C̃ jumps by 2·a·x, and decays by exp(−1/τ_hp) in a step of 1.
  it("C̃ decays with τ_hp from the jumps of the pattern, and a new sample makes none", function()
    local x = {1, 3, -2}
    local run = mgd.train{engine = "analog", integrator = "rk8pd", eta = 0, tau_hp = 4, tau_p = 2,
      tau_x = 5, shuffle = false, data = {x = mgd.tensor{{1}, {3}, {-2}}, y = mgd.zeros{3, 1}},
      cost = function(y) return y[1][1] end, perturbation = {code = "walsh", amplitude = 0.5},
      chip = mgd.chip{parameters = 1, theta = mgd.tensor{7}, evaluate = function(theta, input)
        return input * theta[1]
      end}}
    local c = run:run{steps = 15, every = 1, probes = {"C_tilde", "C"}}
    local signs = mgd.codes.pattern({code = "walsh"}, {parameters = 1, slots = 8}):totable()
    local expected = 0
    for n = 0, 14 do
      local shown, sign = x[math.floor(n / 5) + 1], signs[math.floor(n / 2) + 1][1]
      if n % 2 == 0 and n % 5 ~= 0 then
        expected = expected + 0.5 * shown * (sign - signs[math.floor(n / 2)][1])
      end
      expected = expected * math.exp(-1 / 4)
      assert.is_true(math.abs(c.C_tilde[n + 2] - expected) < 1e-7, "step " .. n)
      assert.is_true(math.abs(c.C[n + 2] - shown * (7 + 0.5 * sign)) < 1e-14)
    end
  end)

  -- From a jump of 2·a·s at step 1 on, with τ_hp = 1/k and τ_θ = 1/l and t the time since:
  -- G = 2·s²·l/(l − k)·(e^(−k·t) − e^(−l·t)), s² being 1.
  it("G follows C̃ with τ_θ", function()
    local run = mgd.train{engine = "analog", integrator = "rk4", eta = 0, tau_hp = 8, tau_theta = 3,
      tau_x = 100, tau_p = 1, data = {x = mgd.ones{2, 1}, y = mgd.zeros{2, 1}},
      cost = function(y) return y[1][1] end, perturbation = {code = "walsh", amplitude = 0.5},
      chip = mgd.chip{parameters = 1, evaluate = function(theta, input)
        return input * theta[1]
      end}}
    run:gradient()
    run:run{steps = 2, probes = {}}
    local k, l = 1 / 8, 1 / 3
    local expected = 2 * l / (l - k) * (math.exp(-k) - math.exp(-l))
    assert.is_true(math.abs(run:gradient()[1] - expected) < 1e-7)
  end)
end)

-- ---- limits -------------------------------------------------------------------------------------

describe("the analog engine's filters", function()
  -- The same circuit with k times as many steps: all τ times k, η divided by it.
  local function stretched(k, integrator)
    local o = options(XOR, {integrator = integrator, steps = 20, tau_p = 4 * k, tau_hp = 24 * k,
      tau_theta = 40 * k, tau_x = 10 * k, eta = 0.4 / k})
    local run = train(o)
    run:run{steps = 40 * k, probes = {}}
    return run:theta():totable()
  end

  -- First order: the error is c/k·(1 + O(1/k)), the second term some percent at k = 8 on a slot of
  -- 4 steps, so halving it takes 2 ± 0.1.
  it("come to the integrators with first order as their steps shrink", function()
    local limit = stretched(1, "rk8pd")
    assert.is_true(distance(limit, stretched(5, "rk8pd")) < 1e-7) -- whose steps are no matter
    local last
    for _, k in ipairs {8, 16, 32} do
      local error = distance(limit, stretched(k, "euler"))
      assert.is_true(not last or math.abs(last / error - 2) < 0.1, ("%g"):format(error))
      last = error
    end
    assert.is_true(last < 0.01 * distance(XOR.theta, limit))
  end)
end)

describe("a stiff circuit", function()
  -- G follows e within 1e-5 steps, held for 4 steps: explicit methods cannot go beyond a few τ_θ at
  -- a time whatever the tolerance, implicit ones can once G has settled. By 6·τ_θ at a time and 13
  -- measurements each, rk8pd takes 2e5 a step; implicit ones some thousand, with 18 for a Jacobian.
  it("takes far fewer evaluations with an implicit method, for the same θ", function()
    local o = options(XOR, {tau_theta = 1e-5, tau_p = 4, tau_x = 6, steps = 10, eta = 0.05,
      tolerance = 1e-7})
    local function run_with(integrator)
      local run = train(options(o, {integrator = integrator}))
      run:run{steps = o.steps, probes = {}}
      return run:theta():totable(), run:counters().evaluations
    end
    local theta, explicit = run_with(quick and "rkck" or "rk8pd")
    for _, integrator in ipairs {"rk4imp", "bsimp", "msbdf"} do
      local own, evaluations = run_with(integrator)
      assert.is_true(evaluations < explicit / 20, ("%s: %d of %d"):format(integrator, evaluations,
        explicit))
      assert.is_true(distance(theta, own) < 1e-5, ("%s: %g"):format(integrator,
        distance(theta, own)))
    end
  end)
end)

describe("the tolerance", function()
  it("bounds the error, at a price", function()
    local expected, last = continuous(options(XOR, {substeps = 40})), 0
    for _, tolerance in ipairs {1e-3, 1e-6, 1e-9} do
      local run = train(options(XOR, {integrator = "rkf45", tolerance = tolerance}))
      run:run{steps = XOR.steps, probes = {}}
      assert.is_true(distance(expected, run:theta():totable()) < 10 * tolerance)
      assert.is_true(run:counters().evaluations > last)
      last = run:counters().evaluations
    end
  end)
end)

-- ---- the same bits ------------------------------------------------------------------------------

describe("an integrator gives the same bits", function()
  local base = {net = XOR.net, data = XOR.data, init = {}, engine = "analog", integrator = "rkf45",
    tau_hp = 8, tau_theta = 5.5, tau_x = 7, tau_p = 2, eta = 0.2, seed = 9}
  local plan = {steps = 31, every = 10,
    probes = {"cost", "C", "C_tilde", "norm_G", "angle", "angle_set"}}

  local function bits(run)
    local history = run:run(plan)
    local out = {run:theta():totable(), run:counters().evaluations}
    out[2] = type(out[2]) == "number" and out[2] or out[2]:totable()
    for _, name in ipairs(plan.probes) do
      out[#out + 1] = ("%s"):rep(4, " "):format(table.unpack(history[name]:totable()))
    end
    return out
  end

  local function single(run)
    return options({}, {theta = run:theta():totable(), n = run:counters().evaluations})
  end

  it("for one thread and for more", function()
    for _, changes in ipairs {{}, {batch = 100}, {integrator = "bsimp", batch = 3}} do
      local first = bits(mgd.train(options(options(base, changes), {threads = 1})))
      assert.same(first, bits(mgd.train(options(options(base, changes), {threads = 3}))))
    end
    local function ensemble(threads)
      local run = mgd.train(options(base, {replicas = 7, threads = threads}))
      run:run{steps = 20, probes = {}}
      return {run:theta():totable(), run:counters().evaluations:totable()}
    end
    assert.same(ensemble(1), ensemble(4))
  end)

  it("for replica r of an ensemble and the run with replica = r", function()
    local run = mgd.train(options(base, {replicas = 20}))
    run:run{steps = 20, probes = {}}
    for r = 1, 20, 4 do
      local own = mgd.train(options(base, {replica = r}))
      own:run{steps = 20, probes = {}}
      assert.same(own:theta():totable(), run:theta()[r]:totable())
      assert.equal(own:counters().evaluations, run:counters().evaluations[r])
    end
  end)

  it("for a run cut into pieces", function()
    local whole, parts = mgd.train(base), mgd.train(base)
    whole:run{steps = 41, probes = {}}
    for _, steps in ipairs {1, 1, 3, 0, 7, 2, 27} do
      parts:run{steps = steps, probes = {}}
    end
    assert.same(single(whole), single(parts))
  end)

  it("for a run that is saved and resumed at any step", function()
    for _, integrator in ipairs {"rkf45", "msadams", "msbdf"} do
      for _, steps in ipairs {1, 7, 16} do
        local opts = options(base, {integrator = integrator})
        local straight, stopped = mgd.train(opts), mgd.train(opts)
        straight:run{steps = steps, probes = {}}
        stopped:run{steps = steps, probes = {}}
        local path = os.tmpname()
        stopped:save(path)
        local resumed = mgd.resume(path)
        os.remove(path)
        assert.equal(integrator, resumed.options.integrator)
        assert.equal(stopped:counters().evaluations, resumed:counters().evaluations)
        assert.same(bits(straight), bits(resumed))
      end
    end
  end)

  it("for every instruction set", function()
    local script = [[
      local mgd = require "mgd"
      local net = mgd.nn.mlp{2, 3, 1, activation = "sigmoid", dtype = "f64"}
      for _, integrator in ipairs {"rk8pd", "bsimp"} do
        local run = mgd.train{net = net, data = mgd.data.xor{dtype = "f64"}, init = {},
          engine = "analog", integrator = integrator, tau_x = 3, batch = 3, eta = 0.01}
        run:run{steps = 10, probes = {}}
        for _, x in ipairs(run:theta():totable()) do
          io.write(("%a "):format(x))
        end
      end]]
    local portable = support.subprocess(script, "MGD_ISA=portable")
    assert.is_truthy(portable:find "^%-?0x")
    for _, isa in ipairs {"avx2", "avx512"} do
      local own = support.subprocess(script, "MGD_ISA=" .. isa)
      if not own:find "MGD_ISA" then -- not on this machine
        assert.equal(portable, own)
      end
    end
  end)
end)

-- ---- what goes wrong ----------------------------------------------------------------------------

describe("bad options of an integrator", function()
  local function fails(texts, changes, without)
    local opts = options(XOR, options({integrator = "rk8pd"}, changes))
    for _, name in ipairs(without or {}) do
      opts[name] = nil
    end
    local ok, message = pcall(function() train(opts) end)
    assert.is_false(ok, "no error")
    for _, text in ipairs(texts) do
      assert.is_truthy(message:find(text, 1, true), message)
    end
  end

  it("are refused: other engines", function()
    fails({"'integrator' has no effect", "engine = 'analog'"}, {engine = "discrete"}, {"tau_hp"})
    fails({"'integrator' has no effect"}, {engine = "backprop"},
      {"tau_hp", "tau_p", "tau_theta", "perturbation"})
  end)

  it("are refused: unknown ones, and a tolerance out of range or without effect", function()
    fails({"(did you mean 'rk8pd'?)"}, {integrator = "rk8dp"})
    fails({"'tolerance' must be a number ≥ 1e-15 and ≤ 0.1", "got 0"}, {tolerance = 0})
    fails({"got 1"}, {tolerance = 1})
    fails({"NaN"}, {tolerance = 0 / 0})
    fails({"'tolerance' has no effect with integrator = 'euler'"},
      {integrator = "euler", tolerance = 1e-6})
  end)

  it("are refused: optimizers and limits on G", function()
    for _, optimizer in ipairs {"momentum", "nesterov", "adam", "sign"} do
      fails({"rk8pd", "dθ/dt", "expected optimizer sgd"}, {optimizer = optimizer})
    end
    fails({"'clip' has no effect"}, {clip = 1})
    fails({"'clip_norm' has no effect"}, {clip_norm = 1})
    fails({"expected optimizer sgd"}, {optimizer = "pulses", pulse = 0.1}, {"eta"})
  end)

  it("are refused: single precision, noise and states", function()
    fails({"dtype f64, got f32"}, {net = mgd.nn.mlp{2, 2, 1}, data = mgd.data.xor()})
    fails({"needs a chip without noise or states"},
      {chip = mgd.chip{net = XOR.net, cost = {mgd.hw.noise{sigma = 0.1}}}}, {"net"})
    local ideal = options(XOR, {integrator = "rk8pd", chip = mgd.chip{net = XOR.net}})
    ideal.net = nil
    train(ideal)
  end)

  it("are refused: large chips with an implicit one", function()
    local large = mgd.nn.mlp{2, 400, 1, dtype = "f64"}
    fails({"bsimp", "P = 1601", "at most 1000 parameters"}, {net = large, integrator = "bsimp"})
    train(options(XOR, {net = large, integrator = "rk4"}))
  end)
end)

describe("a run by an integrator", function()
  -- A chip of one parameter with the cost (θ − 2)², but where `answer(θ, x)` says something else.
  local function chip_run(answer, changes)
    local chip = mgd.chip{parameters = 1, theta = mgd.zeros{1}, evaluate = function(theta, x)
      local own = answer and answer(theta[1], x)
      return mgd.tensor{{own or (theta[1] - 2) ^ 2}}
    end}
    return mgd.train(options({engine = "analog", integrator = "rk8pd", chip = chip, tau_x = 5,
      data = {x = mgd.zeros{4, 1}, y = mgd.zeros{4, 1}}, cost = function(y) return y[1][1] end,
      tau_theta = 2, perturbation = {code = "walsh", amplitude = 0.1}}, changes))
  end

  local function failure(run, steps)
    local ok, message = pcall(run.run, run, {steps = steps or 20, probes = {}})
    assert.is_false(ok, "no error")
    return tostring(message)
  end

  local function ended(run, steps)
    run:run{steps = steps - run.steps_done, probes = {}}
    return {theta = run:theta():totable(), evaluations = run:counters().evaluations}
  end

  it("stops where its cost is not finite, with the θ before that step", function()
    for _, integrator in ipairs {"rk8pd", "msadams", "bsimp", "rk4imp"} do
      local bad = false
      local run = chip_run(function() return bad and 0 / 0 end, {integrator = integrator})
      run:run{steps = 6, probes = {}}
      local theta = run:theta()[1]
      bad = true
      assert.is_truthy(failure(run):find("the cost became nan at step 6", 1, true))
      assert.equal(theta, run:theta()[1])
      assert.equal(6, run.steps_done)
    end
  end)

  it("that runs away stops with a finite θ", function()
    local run = chip_run(function(theta) return -(theta - 2) ^ 2 end, {eta = 50})
    assert.is_truthy(failure(run, 5000):find("the cost became", 1, true))
    assert.is_true(math.abs(run:theta()[1]) < math.huge)
  end)

  it("tries a shorter step where a long one met a cost that is not finite", function()
    -- G comes to e, about 4, within τ_θ = 1/1000; a first trial of the whole step goes 1000 times
    -- as far with it, and with θ, which moves by about η·e = 0.2 a step
    local seen = false
    local run = chip_run(function(theta)
      if math.abs(theta) > 20 then
        seen = true
        return 1 / 0
      end
    end, {integrator = "rk2", eta = 0.05, tau_p = 2, tau_theta = 1e-3, tolerance = 1e-4})
    run:run{steps = 8, probes = {}}
    assert.is_true(seen)
    assert.is_true(math.abs(run:theta()[1]) < 2)
  end)

  it("of an ensemble goes on without the replica whose cost is not finite", function()
    local answers = 0
    local run = chip_run(function()
      answers = answers + 1
      return answers == 1 and 0 / 0 or nil -- of the first replica, measured first
    end, {replicas = 2, integrator = "rk4", init = {scheme = "uniform"}})
    local begun = run:theta():totable()
    run.core:advance(9)
    assert.same({0, false}, {run.core:stopped(1)})
    assert.is_nil(run.core:stopped(2))
    assert.same(begun[1], run:theta()[1]:totable())
    local alone = chip_run(nil, {replica = 2, integrator = "rk4", init = {scheme = "uniform"}})
    alone.core:advance(9)
    assert.same(alone:theta():totable(), run:theta()[2]:totable())
    assert.equal(0, run:counters().evaluations[1])
    assert.equal(alone:counters().evaluations, run:counters().evaluations[2])
  end)

  it("says so when a step would take too many trials", function()
    local run = train(options(XOR, {integrator = "rkck", tau_theta = 1e-7, tau_p = 1}))
    assert.is_truthy(failure(run):find("rkck does not come to the end of step 1 within 100000 "
      .. "trials and the tolerance 1e-08", 1, true))
    assert.equal(1, run.steps_done)
    assert.same(XOR.theta, run:theta():totable())
  end)

  it("passes on what its chip says, and goes on as if nothing had been", function()
    for _, integrator in ipairs {"rk8pd", "rk4imp", "bsimp", "msbdf", "msadams"} do
      local healthy = ended(chip_run(nil, {integrator = integrator}), 9)
      for _, at in ipairs {1, 2, 10, 77} do
        local answers = 0
        local run = chip_run(function()
          answers = answers + 1
          return answers == at and error "no light"
        end, {integrator = integrator})
        assert.is_truthy(failure(run):find("no light", 1, true))
        assert.same(healthy, ended(run, 9))
      end
    end
  end)

  it("answers an interrupt within a step", function()
    local healthy = ended(chip_run(), 9)
    for _, at in ipairs {1, 5, 40} do
      local answers = 0
      local run = chip_run(function()
        answers = answers + 1
        if answers == at then
          mgd.interrupt()
        end
      end)
      assert.is_truthy(failure(run):find("interrupted at step", 1, true))
      assert.is_true(answers <= at + 1)
      assert.same(healthy, ended(run, 9))
    end
  end)

  it("shows its integrator", function()
    assert.is_truthy(tostring(chip_run()):find("integrator rk8pd, tolerance 1e-08", 1, true))
  end)

  it("can be made and dropped when memory is short", function()
    local core = require "mgd.core"
    for n = 1, 60 do
      core.base.fail_from(n)
      local ok, message = pcall(chip_run, nil, {integrator = "bsimp"})
      core.base.fail_from(0)
      assert.is_true(ok or tostring(message):find("out of memory", 1, true) ~= nil, message)
    end
    assert.is_not_nil(chip_run(nil, {integrator = "bsimp"}))
  end)
end)
