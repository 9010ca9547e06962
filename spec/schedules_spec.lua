-- Schedules of η, the amplitude and the time constants: their values, when they are asked, runs
-- with them against the scalar reference (spec/support/reference.lua), and what they may not give.

local mgd = require "mgd"
local core = require "mgd.core"
local reference = require "spec.support.reference"

local with = reference.with

local SMALL = with(reference.small(), {seed = 3, steps = 75, eta = 0.02, tau_theta = 3, tau_x = 2,
  perturbation = {code = "random", amplitude = 0.05}})

local XOR = with(reference.xor(), {seed = 3, steps = 75, perturbation = SMALL.perturbation})

-- One of each kind, around a value v.
local function kinds(v)
  return {
    constant = {"constant", v},
    step = {"step", v, factor = 0.5, every = 20},
    exponential = {"exponential", v, factor = 0.7, every = 30},
    ["exponential by step"] = {"exponential", v, factor = 0.99},
    cosine = {"cosine", v, steps = 90},
    ["cosine that stays"] = {"cosine", v, to = v / 10, steps = 33},
    inverse = {"inverse", v, decay = 0.1},
    ["inverse by epoch"] = {"inverse", v, decay = 0.1, every = 5},
    spsa = {"spsa", v, A = 10},
    ["spsa of an amplitude"] = {"spsa", v, exponent = 0.101, every = 4},
  }
end

local function expected_of(o)
  return (o.engine == "analog" and reference.analog or reference.discrete)(o)
end

-- Rounding: see optimizers_spec.
local function agree(problem, changes, tolerance)
  local o = with(problem, changes)
  local expected = expected_of(o)
  reference.agree(o, expected, tolerance or 1e-12, 1e-5)
  return expected
end

local function perturbed(amplitude, code)
  return {perturbation = {code = code or "random", amplitude = amplitude}}
end

-- ---- values -------------------------------------------------------------------------------------

describe("mgd.schedule", function()
  it("has the values of each kind at any step", function()
    for name, schedule in pairs(kinds(0.3)) do
      local value = mgd.schedule(schedule)
      for _, n in ipairs {0, 1, 7, 19, 20, 33, 34, 89, 90, 91, 12345, 1e9} do
        local expected = reference.value(schedule, n)
        assert.is_true(math.abs(value(n) - expected) <= 1e-14 * 0.3,
          ("%s at %g: %g, not %g"):format(name, n, value(n), expected))
      end
    end
  end)

  it("by hand", function()
    local function at(schedule, step)
      return mgd.schedule(schedule)(step)
    end
    assert.equal(3, at(3, 1000))
    assert.equal(3, at({"constant", 3}, 1000))
    assert.equal(8, at({"step", 8, factor = 0.5, every = 10}, 9))
    assert.equal(4, at({"step", 8, factor = 0.5, every = 10}, 10))
    assert.equal(1, at({"step", 8, factor = 0.5, every = 10}, 39))
    assert.is_true(math.abs(at({"exponential", 8, factor = 0.25, every = 10}, 5) - 4) < 1e-14)
    assert.equal(8, at({"cosine", 8, to = 2, steps = 10}, 0))
    assert.is_true(math.abs(at({"cosine", 8, to = 2, steps = 10}, 5) - 5) < 1e-14)
    assert.equal(2, at({"cosine", 8, to = 2, steps = 10}, 10))
    assert.equal(2, at({"cosine", 8, to = 2, steps = 10}, 1e6))
    assert.equal(4, at({"inverse", 8, decay = 0.1}, 10))
    assert.equal(4, at({"inverse", 8, decay = 1, every = 10}, 10))
    assert.is_true(math.abs(at({"spsa", 8, A = 3, exponent = 0.5}, 0) - 4) < 1e-14)
    assert.is_true(math.abs(at({"spsa", 8, exponent = 0.5, every = 5}, 15) - 4) < 1e-14)
    assert.equal(8, at({"spsa", 8}, 0))
    assert.equal(49, at(function(step) return step ^ 2 end, 7))
  end)
end)

-- ---- runs ---------------------------------------------------------------------------------------

describe("a run agrees with the reference", function()
  for name, eta in pairs(kinds(0.05)) do
    it("with eta " .. name, function()
      for _, changes in ipairs {{}, {tau_theta = 1}, {optimizer = "momentum", momentum = 0.5},
                                {tau_theta = 4, optimizer = "nesterov", weight_decay = 0.1}} do
        agree(SMALL, with({eta = eta}, changes))
      end
      agree(XOR, {engine = "analog", tau_hp = 8, tau_theta = 9.5, tau_x = 7, eta = eta}, 1e-10)
    end)

    local amplitude = eta
    if name ~= "cosine" then -- which comes to 0
      it("with the amplitude " .. name, function()
        for _, tau_p in ipairs {1, 3} do
          for _, baseline in ipairs {"measured", "two-sided", "none"} do
            agree(SMALL, with(perturbed(amplitude), {tau_p = tau_p, baseline = baseline,
              eta = baseline == "none" and 1e-4 or 0.02}), 1e-11)
          end
          agree(SMALL, with(perturbed(amplitude, "sine"), {tau_p = tau_p}), 1e-11)
          agree(SMALL, {tau_p = tau_p, perturbation = {code = "sequential", norm = amplitude},
            tau_theta = 14, convention = "published"}, 1e-11)
          agree(XOR, with(perturbed(amplitude), {engine = "analog", tau_hp = 8, tau_theta = 9.5,
            tau_x = 5, tau_p = tau_p, eta = 0.005}), 1e-10)
        end
      end)
    end
  end

  -- growing, shrinking, fractions, and back and forth
  local taus = {
    ["a function"] = function(step) return 1 + math.floor(step / 20) end,
    ["fractions to round"] = function(step) return 1.3 + (step % 4) * 0.7 end,
    ["a step"] = {"step", 1, factor = 3, every = 20},
    ["an inverse"] = {"inverse", 8, decay = 0.05},
    ["a cosine"] = {"cosine", 9, to = 2, steps = 60},
  }
  for name, tau in pairs(taus) do
    for _, option in ipairs {"tau_p", "tau_theta", "tau_x"} do
      it(("with %s that is %s"):format(option, name), function()
        for _, baseline in ipairs {"measured", "two-sided"} do
          for _, code in ipairs {"random", "walsh", "sequential"} do
            agree(SMALL, with(perturbed(0.05, code), {[option] = tau, baseline = baseline}))
          end
        end
      end)
    end

    it("with all at once that are " .. name, function()
      local schedule = {tau_p = tau, tau_theta = tau, tau_x = tau, batch = 2,
        eta = {"cosine", 0.05, steps = 60}}
      agree(SMALL, with(perturbed({"spsa", 0.1, exponent = 0.101}), schedule))
      agree(SMALL, with(perturbed({"spsa", 0.1, exponent = 0.101}), with(schedule,
        {optimizer = "adam"})), 1e-10)
    end)
  end

  it("of the analog engine, with time constants that change", function()
    for _, tau in pairs(taus) do
      local p = with(XOR, {engine = "analog", tau_hp = 8, tau_theta = 9.5, tau_x = 20, eta = 0.005})
      agree(p, {tau_p = tau}, 1e-10)
      agree(p, {tau_theta = tau}, 1e-10) -- asked at every step, and not rounded
      agree(p, {tau_x = function(step) return 11 + step % 3 end}, 1e-10)
    end
  end)

  it("the same bits, whether a number, a function or a table says so", function()
    local function bits(changes)
      local run = mgd.train(reference.options(with(SMALL, changes)))
      run:run{steps = 61, probes = {"angle"}}
      return {run:theta():totable(), core.data.hash(run:gradient())}
    end
    local numbers = {eta = 0.03, tau_p = 2, tau_theta = 5, tau_x = 3}
    local functions, tables = {}, {}
    for name, value in pairs(numbers) do
      functions[name] = function() return value end
      tables[name] = {"constant", value}
    end
    local plain = bits(with(perturbed(0.05), numbers))
    assert.same(plain, bits(with(perturbed(function() return 0.05 end), functions)))
    assert.same(plain, bits(with(perturbed({"constant", 0.05}), tables)))
  end)
end)

-- ---- when they are asked ------------------------------------------------------------------------

describe("a schedule that is a function is asked", function()
  -- Steps at which each is asked in the first `steps`.
  local function asked(changes, steps, pieces)
    local seen = {}
    local function watch(name, value)
      seen[name] = {}
      return function(step)
        table.insert(seen[name], step)
        return value(step)
      end
    end
    local o = with(SMALL, {})
    for name, value in pairs(changes) do
      if name == "amplitude" then
        o.perturbation = {amplitude = watch(name, value)}
      else
        o[name] = type(value) == "function" and watch(name, value) or value
      end
    end
    local run = mgd.train(reference.options(o))
    for _ = 1, pieces or 1 do
      run.core:advance(steps / (pieces or 1))
    end
    return seen
  end
  local function constant(value)
    return function() return value end
  end

  it("once for each period, with its first step, and eta with the step that writes", function()
    for _, replicas in ipairs {1, 5} do
      for _, pieces in ipairs {1, 4, 12} do
        local seen = asked({tau_p = constant(2), tau_theta = constant(3), tau_x = constant(4),
          eta = constant(0.1), amplitude = constant(0.05), replicas = replicas}, 12, pieces)
        assert.same({0, 2, 4, 6, 8, 10}, seen.tau_p)
        assert.same({0, 2, 4, 6, 8, 10}, seen.amplitude)
        assert.same({0, 3, 6, 9}, seen.tau_theta)
        assert.same({0, 4, 8}, seen.tau_x)
        assert.same({2, 5, 8, 11}, seen.eta)
      end
    end
  end)

  it("where periods of changing length begin", function()
    local seen = asked({tau_theta = function(step) return step + 1 end, eta = constant(0.01),
      tau_p = function(step) return step < 4 and 2 or 5 end, amplitude = constant(0.05)}, 15)
    assert.same({0, 1, 3, 7}, seen.tau_theta) -- 1, 2, 4, 8 steps long
    assert.same({0, 2, 6, 14}, seen.eta)
    assert.same({0, 2, 4, 9, 14}, seen.tau_p)
    assert.same(seen.tau_p, seen.amplitude)
  end)

  it("at every step for eta of the analog engine", function()
    local seen = asked({engine = "analog", tau_hp = 5, tau_x = 10, tau_theta = 4,
      eta = constant(0.01)}, 6)
    assert.same({0, 1, 2, 3, 4, 5}, seen.eta)
  end)
end)

-- ---- the same bits ------------------------------------------------------------------------------

describe("a run with schedules gives the same bits", function()
  local base = {net = mgd.nn.mlp{2, 3, 1, output = "sigmoid"}, data = mgd.data.xor(), init = {},
    seed = 9}
  local tables = {eta = {"cosine", 0.5, to = 0.01, steps = 70}, tau_p = {"step", 1, factor = 2,
    every = 30}, tau_theta = {"inverse", 9, decay = 0.02}, tau_x = {"step", 2, factor = 2,
    every = 40}, perturbation = {amplitude = {"spsa", 0.1, exponent = 0.101}}}
  local functions = {eta = mgd.schedule(tables.eta), tau_p = mgd.schedule(tables.tau_p),
    tau_theta = mgd.schedule(tables.tau_theta), tau_x = mgd.schedule(tables.tau_x),
    perturbation = {amplitude = mgd.schedule(tables.perturbation.amplitude)}}
  local analog = {engine = "analog", tau_hp = 6, eta = tables.eta, tau_theta = tables.tau_theta,
    tau_x = {"step", 5, factor = 2, every = 40}, perturbation = tables.perturbation}
  local cases = {tables = tables, functions = functions, ["the analog engine"] = analog}

  local function finish(run, steps)
    local history = run:run{steps = steps, every = 17, probes = {"cost", "C_tilde", "norm_G"}}
    return {run:theta():totable(), history.cost:totable(), history.C_tilde:totable(),
      core.data.hash(history.norm_G), core.data.hash(run:gradient())}
  end

  for name, changes in pairs(cases) do
    local opts = with(base, changes)

    it(("for replica r of an ensemble (%s)"):format(name), function()
      for _, replicas in ipairs {3, 35} do
        local ensemble = mgd.train(with(opts, {replicas = replicas}))
        ensemble.core:advance(101)
        for r = 1, replicas, 4 do
          local single = mgd.train(with(opts, {replica = r}))
          single.core:advance(101)
          assert.same(single:theta():totable(), ensemble:theta()[r]:totable())
        end
      end
    end)

    it(("for one thread and two (%s)"):format(name), function()
      for _, more in ipairs {{}, {replicas = 40}, {batch = 100}} do
        local o = with(opts, more)
        assert.same(finish(mgd.train(with(o, {threads = 1})), 101),
          finish(mgd.train(with(o, {threads = 2})), 101))
      end
    end)

    it(("for a run that is cut into pieces (%s)"):format(name), function()
      local whole, parts = mgd.train(opts), mgd.train(opts)
      whole.core:advance(101)
      for _, steps in ipairs {1, 1, 3, 0, 7, 2, 30, 57} do
        parts.core:advance(steps)
      end
      assert.same(whole:theta():totable(), parts:theta():totable())
    end)

    it(("for a run that is saved and resumed at an odd step (%s)"):format(name), function()
      for _, replicas in ipairs {1, 19} do
        for _, stop in ipairs {1, 37, 52} do
          local o = with(opts, {replicas = replicas})
          local straight, stopped = mgd.train(o), mgd.train(o)
          straight.core:advance(stop)
          stopped.core:advance(stop)
          local path = os.tmpname()
          stopped:save(path)
          local again = name ~= "functions" and {} or {eta = o.eta, tau_p = o.tau_p,
            tau_theta = o.tau_theta, tau_x = o.tau_x, amplitude = o.perturbation.amplitude}
          local resumed = mgd.resume(path, again)
          os.remove(path)
          assert.same(finish(straight, 60), finish(resumed, 60))
        end
      end
    end)
  end

  it("and a resumed run asks for every function that it needs", function()
    local run = mgd.train(with(base, functions))
    run.core:advance(7)
    local path = os.tmpname()
    run:save(path)
    local ok, message = pcall(mgd.resume, path)
    assert.is_false(ok)
    for _, name in ipairs {"eta", "tau_p", "tau_theta", "tau_x", "amplitude"} do
      assert.is_truthy(message:find(name, 1, true), message)
    end
    assert.is_false(pcall(mgd.resume, path, {eta = functions.eta}))
    os.remove(path)
  end)
end)

-- ---- wrong input --------------------------------------------------------------------------------

local function told(texts, f)
  local ok, message = pcall(f)
  assert.is_false(ok, "no error")
  message = tostring(message)
  assert.is_truthy(message:find("^[^\n]*schedules_spec%.lua:%d+: "), message)
  for _, text in ipairs(texts) do
    assert.is_truthy(message:find(text, 1, true), message)
  end
end

describe("a schedule that gives what cannot be used", function()
  local nan = 0 / 0
  local bad = {
    {"nothing", function() end, "nil"}, {"NaN", function() return nan end, "nan"},
    {"a negative number", function() return -2 end, "-2"},
    {"infinity", function() return math.huge end, "inf"},
    {"a string", function() return "much" end, "string"},
  }
  local zero = {"zero", function() return 0 end, "0"}

  -- The option turns bad at step 8 (η: at the write of step 8; the others begin a period there).
  local function check(option, case, changes)
    local mended = false
    local function schedule(step)
      if step < 8 or mended then
        return option == "eta" and 0.1 or option == "amplitude" and 0.05 or 2
      end
      return case[2](step)
    end
    local times = {tau_p = 2, tau_theta = option == "eta" and 3 or 2, tau_x = 2}
    local o = with(with(SMALL, times), changes)
    if option == "amplitude" then
      o.perturbation = {amplitude = schedule}
    else
      o[option] = schedule
    end
    local run = mgd.train(reference.options(o))
    told({option, "step 8", case[3]}, function() run:run{steps = 30} end)
    local done = run.steps_done
    assert.is_true(done == 8 or option == "eta" and done >= 6 and done < 8, "stands at " .. done)
    -- θ is that of step 8, and the run goes on once the function is mended, as if nothing had been
    mended = true
    local other = mgd.train(reference.options(o))
    other.core:advance(done)
    assert.same(other:theta():totable(), run:theta():totable())
    other.core:advance(30 - done)
    run:run{steps = 30 - done}
    assert.same(other:theta():totable(), run:theta():totable())
  end

  for _, option in ipairs {"eta", "amplitude", "tau_p", "tau_theta", "tau_x"} do
    for i = 1, #bad + 1 do
      local case = bad[i] or option ~= "eta" and zero
      if case then
        it(("is refused with its step, and the run stays as it is: %s, %s"):format(option, case[1]),
          function()
            for _, replicas in ipairs {1, 9} do
              check(option, case, {replicas = replicas})
            end
          end)
      end
    end
  end

  it("a step of less than one is none", function()
    for _, option in ipairs {"tau_p", "tau_theta", "tau_x"} do
      check(option, {"", function() return 0.4 end, "0.4"})
    end
  end)

  it("may be a table", function()
    -- refused at once or when it comes to 0, but never used
    told({"amplitude", "0"}, function()
      mgd.train(reference.options(with(SMALL, perturbed{"cosine", 0.05,
        steps = 10}))):run{steps = 30}
    end)
    told({"amplitude", "0"}, function()
      mgd.train(reference.options(with(SMALL, perturbed{"step", 0.05, factor = 0,
        every = 10}))):run{steps = 30}
    end)
    local run = mgd.train(reference.options(with(SMALL, {tau_theta = {"cosine", 3, steps = 20}})))
    told({"tau_theta", "step "}, function() run:run{steps = 60} end)
  end)

  it("raises what the function raises", function()
    for _, option in ipairs {"eta", "tau_p", "tau_theta", "tau_x"} do
      local run = mgd.train(reference.options(with(SMALL, {[option] = function()
        error("lost the table")
      end})))
      local ok, message = pcall(run.run, run, {steps = 5})
      assert.is_false(ok)
      assert.is_truthy(message:find("lost the table", 1, true), message)
      assert.equal(0, run:gradient():norm())
    end
  end)
end)

describe("bad schedules are refused:", function()
  local cases = {
    {"an unknown kind", {"eta", "did you mean 'cosine'?"}, {eta = {"cosin", 0.1, steps = 5}}},
    {"no kind", {"tau_p", "kind"}, {tau_p = {0.1}}},
    {"no value", {"eta", "value"}, {eta = {"constant"}}},
    {"a string for a value", {"eta", "value", "string"}, {eta = {"constant", "much"}}},
    {"a value too many", {"eta", "3"}, {eta = {"constant", 1, 2}}},
    {"an unknown parameter", {"eta", "did you mean 'factor'?"},
      {eta = {"step", 1, factr = 2, every = 3}}},
    {"a missing parameter", {"eta", "every"}, {eta = {"step", 1, factor = 2}}},
    {"a parameter of another kind", {"eta", "'steps'"},
      {eta = {"inverse", 1, decay = 2, steps = 3}}},
    {"a period of 0", {"eta", "every", "> 0", "got 0"}, {eta = {"exponential", 1, factor = 0.5,
      every = 0}}},
    {"a factor below 0", {"eta", "factor", "got -1"}, {eta = {"step", 1, factor = -1, every = 2}}},
    {"a decay that is NaN", {"eta", "decay", "NaN"}, {eta = {"inverse", 1, decay = 0 / 0}}},
    {"an amplitude of 0", {"amplitude", "> 0", "got 0"}, perturbed{"constant", 0}},
    {"a τ of 0", {"tau_p", "≥ 1", "got 0"}, {tau_p = {"constant", 0}}},
    {"a τ below 0", {"tau_theta", "got -3"}, {tau_theta = {"constant", -3}}},
    {"settling with a sample time that changes", {"settle", "tau_x"},
      {settle = 1, tau_theta = 5, tau_x = function() return 4 end}},
    {"a band of sines in slots that change", {"tau_p"},
      {tau_p = {"step", 1, factor = 2, every = 9},
        perturbation = {code = "sine", low = 0.01, high = 0.1}}},
  }
  for _, case in ipairs(cases) do
    it(case[1], function()
      told(case[2], function() mgd.train(reference.options(with(SMALL, case[3]))) end)
    end)
  end

  it("by mgd.schedule too", function()
    told({"cosine"}, function() mgd.schedule{"cosin", 0.1, steps = 5} end)
    told({"string"}, function() mgd.schedule "cosine" end)
    told({"nil"}, function() mgd.schedule() end)
  end)
end)

describe("constant schedules of time constants", function()
  local function theta(changes)
    local o = reference.options(with(SMALL, changes))
    if o.engine == "backprop" then
      o.perturbation, o.tau_p, o.tau_theta = nil, nil, nil
    end
    local run = mgd.train(o)
    run:run{steps = 75}
    return run:theta():totable()
  end

  for name, changes in pairs {
    discrete = {},
    ["discrete, of sines"] = {perturbation = {code = "sine", amplitude = 0.05}},
    nodes = {perturb = "nodes"},
    backprop = {engine = "backprop"},
  } do
    it("are rounded as those that change are, by every part of an engine: " .. name, function()
      local function times(x, p, window)
        return theta(with(changes, {tau_x = x, tau_p = p, tau_theta = window}))
      end
      assert.same(times(2, 1, 60), times({"constant", 2.4}, {"constant", 1.4}, {"constant", 59.5}))
      assert.same(times(2, 3, 60), times(function() return 2.4 end, {"constant", 2.6}, 60))
    end)
  end
end)
