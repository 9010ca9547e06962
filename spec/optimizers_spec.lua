-- What becomes of C̃ and G before θ is written: optimizers, weight decay, limits, gates. Against
-- the scalar reference (spec/support/reference.lua) and closed forms.

local mgd = require "mgd"
local core = require "mgd.core"
local reference = require "spec.support.reference"
local fails_here = require("spec.support.errors").fails_here

local with, distance = reference.with, reference.distance

local SMALL = with(reference.small(), {seed = 3, steps = 48, eta = 0.02, tau_theta = 3, tau_x = 2,
  perturbation = {code = "random", amplitude = 0.05}})

-- Rounding of C̃ (1e-16) is divided by the amplitude (0.05), multiplied by η and summed over some
-- tens of writes, which a few times expand it: 1e-12. Adam divides by √v, which may be small.
local function agree(problem, changes, tolerance)
  local o = with(problem, changes)
  local expected = reference.discrete(o)
  reference.agree(o, expected, tolerance or 1e-12, 1e-5)
  return expected
end

-- That `changes` matter, and agree.
local function agree_and_matter(problem, changes, tolerance)
  local changed = agree(problem, changes, tolerance)
  local plain = reference.discrete(problem)
  assert.is_true(distance(plain, changed) > 1e-4)
end

-- A run on a linear cost Σ w_i·θ_i: with walsh and a whole period of steps, G is w to rounding.
local function linear(w, changes)
  local zeros = {}
  for i = 1, #w do
    zeros[i] = 0
  end
  local o = with(reference.bowl(w, zeros), {perturbation = {code = "walsh", amplitude = 0.1},
    tau_theta = 8, tau_x = 8, eta = 0.25})
  return mgd.train(reference.options(with(o, changes)))
end

local function after(run, steps)
  run.core:advance(steps)
  return run:theta():totable()
end

local function close(expected, got)
  assert.is_true(distance(expected, got) < 1e-13, "got " .. table.concat(got, ", "))
end

-- ---- optimizers ---------------------------------------------------------------------------------

local OPTIMIZERS = {
  {optimizer = "sgd"}, {optimizer = "momentum"}, {optimizer = "momentum", momentum = 0.5},
  {optimizer = "nesterov"}, {optimizer = "nesterov", momentum = 0.5}, {optimizer = "adam"},
  {optimizer = "adam", beta1 = 0.5, beta2 = 0.9, epsilon = 1e-3}, {optimizer = "sign"},
}

describe("optimizers agree with the reference:", function()
  for i, law in ipairs(OPTIMIZERS) do
    it(("%s (%d)"):format(law.optimizer, i), function()
      local tolerance = law.optimizer == "adam" and 1e-10 or 1e-12
      for _, tau_theta in ipairs {1, 3, 16} do
        for _, decay in ipairs {0, 0.3} do
          agree(SMALL, with(law, {tau_theta = tau_theta, weight_decay = decay}), tolerance)
          agree(SMALL, with(law, {tau_theta = tau_theta, weight_decay = decay, batch = 3,
            baseline = "two-sided", convention = "published"}), tolerance)
        end
      end
    end)
  end

  it("pulses", function()
    for _, threshold in ipairs {0, 0.5, 2} do
      agree(SMALL, {optimizer = "pulses", pulse = 0.01, threshold = threshold, eta = false})
    end
  end)
end)

describe("optimizers, by hand:", function()
  local w = {1, -2, 5}

  it("momentum sums a constant G geometrically", function()
    local theta = after(linear(w, {optimizer = "momentum", momentum = 0.5}), 24)
    -- v = 1, 1.5, 1.75 times w
    close({-4.25 * 0.25, 8.5 * 0.25, -21.25 * 0.25}, theta)
  end)

  it("nesterov looks one velocity ahead", function()
    local theta = after(linear(w, {optimizer = "nesterov", momentum = 0.5}), 24)
    -- G + μ·v = 1.5, 1.75, 1.875 times w
    close({-5.125 * 0.25, 10.25 * 0.25, -25.625 * 0.25}, theta)
  end)

  it("nesterov and momentum without momentum are plain descent", function()
    for _, optimizer in ipairs {"nesterov", "momentum"} do
      close({-0.5, 1, -2.5}, after(linear(w, {optimizer = optimizer, momentum = 0}), 16))
    end
  end)

  it("sign moves every θ by η, whatever G, and not at all where G is 0", function()
    close({-0.5, 0.5, -0.5}, after(linear(w, {optimizer = "sign"}), 16))
    -- sequential, τ_θ = 1: all but one G are 0 exactly
    local run = linear({3, -3, 3}, {optimizer = "sign", tau_theta = 1,
      perturbation = {code = "sequential", amplitude = 0.1}})
    assert.same({-0.25, 0, 0}, after(run, 1))
    assert.same({-0.25, 0.25, 0}, after(run, 1))
  end)

  it("pulses are of one size, above a threshold that |G| has to exceed", function()
    close({-0.5, 0.5, -0.5}, after(linear(w, {optimizer = "pulses", pulse = 0.25, eta = false}),
      16))
    close({0, 0.5, -0.5}, after(linear(w, {optimizer = "pulses", pulse = 0.25, threshold = 1.5,
      eta = false}), 16))
    close({0, 0, 0}, after(linear(w, {optimizer = "pulses", pulse = 0.25, threshold = 6,
      eta = false}), 16))
  end)

  it("weight decay takes η·λ of θ at each write, beside the step and outside of moments", function()
    local o = with(reference.bowl({0, 0, 0}, {0, 0, 0}), {tau_theta = 4, eta = 0.25,
      weight_decay = 0.4})
    for _, law in ipairs {"sgd", "momentum", "nesterov", "adam", "sign"} do
      local chip = mgd.chip{parameters = 3, theta = mgd.tensor{1, -2, 3},
        evaluate = function() return mgd.zeros{1, 1} end}
      local theta = after(mgd.train(reference.options(with(o, {optimizer = law, chip = chip}))), 8)
      close({0.81, -1.62, 2.43}, theta) -- (1 − 0.25·0.4)²
    end
  end)
end)

-- ---- limits -------------------------------------------------------------------------------------

describe("clamp, clip and clip_norm", function()
  it("agree with the reference, each and together", function()
    for _, limits in ipairs {{clamp = 0.02}, {clip = 1}, {clip_norm = 2},
                             {clamp = 0.1, clip = 1.5, clip_norm = 2}} do
      for _, law in ipairs {"sgd", "momentum", "sign"} do
        agree(with(SMALL, {optimizer = law}), limits)
      end
      agree(with(SMALL, {optimizer = "adam"}), limits, 1e-10)
      agree_and_matter(SMALL, limits)
      agree_and_matter(with(SMALL, {baseline = "two-sided"}), limits)
    end
  end)

  it("clamp limits C̃, not C: both ways, before it is integrated", function()
    -- P = 1, sequential: each e is C̃/a, C̃ = ±0.1·w
    for _, w in ipairs {7, -7} do
      local run = linear({w}, {clamp = 0.3, tau_theta = 1, tau_x = 1,
        perturbation = {code = "sequential", amplitude = 0.1}})
      close({w > 0 and -0.75 or 0.75}, after(run, 1)) -- η·0.3/0.1
    end
  end)

  it("clip limits each parameter, clip_norm the length, of what is written", function()
    close({-0.25, 0.375, -0.375}, after(linear({1, -2, 5}, {clip = 1.5}), 8))
    close({-0.25 * 3 / 13, -1 * 3 / 13, 3 * 3 / 13}, after(linear({1, 4, -12}, {eta = 0.25,
      clip_norm = 3 / 13 * math.sqrt(161)}), 8)) -- |w| = √161
    close({-0.25, 0.5, -1.25}, after(linear({1, -2, 5}, {clip = 6, clip_norm = 6, clamp = 6}), 8))
  end)

  it("clip before clip_norm", function()
    close({0.25 * -0.5, 0.25 * 0.5, 0.25 * -0.5}, after(linear({1, -2, 5}, {clip = 1,
      clip_norm = math.sqrt(0.75)}), 8))
  end)

  it("limit the length of each replica by itself", function()
    local o = with(reference.options(SMALL), {clip_norm = 1.5, init = {}, replicas = 19})
    local run = mgd.train(o)
    local begun = run:theta()
    run.core:advance(SMALL.steps)
    for r = 1, 19, 3 do
      local expected = reference.discrete(with(SMALL, {theta = begun[r]:totable(), replica = r,
        clip_norm = 1.5}))
      assert.is_true(distance(expected, run:theta()[r]:totable()) < 1e-12)
    end
  end)
end)

-- ---- gated integration --------------------------------------------------------------------------

describe("settle", function()
  it("agrees with the reference", function()
    for _, times in ipairs {{1, 5, 5}, {1, 4, 12}, {1, 12, 4}, {3, 7, 10}, {2, 10, 7}, {1, 64, 9},
                            {5, 9, 64}} do
      for _, settle in ipairs {1, 2, 3} do
        for _, baseline in ipairs {"measured", "two-sided"} do
          agree(SMALL, {tau_p = times[1], tau_x = times[2], tau_theta = times[3], settle = settle,
            baseline = baseline, steps = 130})
        end
      end
    end
    agree(SMALL, {tau_x = 6, tau_theta = 9, settle = 2, convention = "published", steps = 60})
    agree(SMALL, {tau_x = 6, tau_theta = 9, settle = 2, baseline = "none", steps = 60, eta = 1e-3})
    agree_and_matter(with(SMALL, {tau_x = 6, tau_theta = 9, steps = 60}), {settle = 2})
  end)

  it("leaves a window without a step that counts without a step of θ", function()
    -- τ_x 3, τ_θ 4, two steps to settle: of steps 4–7, 4 and 5 follow the write, 6 and 7 a sample
    local o = with(SMALL, {tau_x = 3, tau_theta = 4, settle = 2, steps = 4})
    local run = mgd.train(reference.options(o))
    local first = after(run, 4)
    assert.is_true(distance(SMALL.theta, first) > 1e-5)
    assert.same(first, after(run, 4))
    agree(o, {steps = 47})
  end)

  it("does not see what a chip does while it settles", function()
    -- The chip answers nonsense for two evaluations after a new x or a new θ, whatever the first
    -- measurement is of. G is the mean over the other steps, of a linear cost exactly.
    local seen, since = nil, 0
    local chip = mgd.chip{parameters = 1, evaluate = function(theta, x)
      since = seen ~= x[1][1] and 0 or since + 1
      seen = x[1][1]
      return mgd.tensor{{since < 2 and 1e3 * since or 10 * x[1][1] + 3 * theta[1]}}
    end}
    local run = mgd.train{chip = chip, data = {x = mgd.tensor{{1}, {2}}, y = mgd.zeros{2, 1}},
      cost = function(y) return y[1][1] end, shuffle = false, tau_x = 6, tau_theta = 6, settle = 2,
      eta = 0.25, perturbation = {amplitude = 0.125}}
    for window = 1, 5 do
      assert.is_true(math.abs(after(run, 6)[1] + 0.75 * window) < 1e-12, "window " .. window)
    end
  end)
end)

-- ---- the same bits ------------------------------------------------------------------------------

describe("the same bits", function()
  local base = {net = mgd.nn.mlp{2, 3, 1, output = "sigmoid"}, data = mgd.data.xor(), init = {},
    eta = 0.1, seed = 9, tau_theta = 3, tau_x = 4}
  local cases = {
    nesterov = {optimizer = "nesterov", weight_decay = 0.01},
    sign = {optimizer = "sign", clip = 0.1},
    pulses = {optimizer = "pulses", pulse = 0.01, threshold = 0.01, eta = false},
    limits = {clamp = 0.001, clip = 0.05, clip_norm = 0.1, optimizer = "adam"},
    settle = {settle = 1, tau_theta = 7, optimizer = "momentum", weight_decay = 0.01},
  }

  local function options_of(changes)
    local opts = with(base, changes)
    opts.eta = opts.eta or nil
    return opts
  end

  for name, changes in pairs(cases) do
    for _, dtype in ipairs {"f32", "f64"} do
      local opts = with(options_of(changes),
        {net = mgd.nn.mlp{2, 3, 1, output = "sigmoid", dtype = dtype}})

      it(("for replica r of an ensemble, %s in %s"):format(name, dtype), function()
        for _, replicas in ipairs {3, 35} do
          local ensemble = mgd.train(with(opts, {replicas = replicas}))
          ensemble.core:advance(61)
          for r = 1, replicas, 4 do
            assert.same(after(mgd.train(with(opts, {replica = r})), 61),
              ensemble:theta()[r]:totable())
          end
        end
      end)
    end

    it("for one thread and two, " .. name, function()
      for _, more in ipairs {{replicas = 1}, {replicas = 40}, {batch = 100}} do
        local opts = with(options_of(changes), more)
        assert.same(after(mgd.train(with(opts, {threads = 1})), 200),
          after(mgd.train(with(opts, {threads = 2})), 200))
      end
    end)

    it("for a run that is looked at, and one that is cut into pieces, " .. name, function()
      local whole, parts = mgd.train(options_of(changes)), mgd.train(options_of(changes))
      whole.core:advance(101)
      for _, steps in ipairs {1, 1, 3, 0, 7, 2, 30, 57} do
        parts.core:advance(steps)
        parts:gradient()
      end
      assert.same(whole:theta():totable(), parts:theta():totable())
    end)

    it("for a run that is saved and resumed at an odd step, " .. name, function()
      for _, replicas in ipairs {1, 19} do
        local opts = with(options_of(changes), {replicas = replicas})
        local straight, stopped = mgd.train(opts), mgd.train(opts)
        straight.core:advance(37)
        stopped.core:advance(37)
        local path = os.tmpname()
        stopped:save(path)
        local resumed = mgd.resume(path)
        os.remove(path)
        straight:gradient()
        resumed:gradient()
        assert.same(after(straight, 40), after(resumed, 40))
        assert.equal(core.data.hash(straight:gradient()), core.data.hash(resumed:gradient()))
      end
    end)
  end
end)

-- ---- wrong input --------------------------------------------------------------------------------

describe("bad options are refused:", function()
  local base = {net = mgd.nn.mlp{2, 3, 1}:init{}, data = mgd.data.xor(), tau_theta = 6, tau_x = 4}
  local cases = {
    {"pulses without a pulse", {"pulse"}, {optimizer = "pulses"}},
    {"a pulse of 0", {"pulse", "> 0", "got 0"}, {optimizer = "pulses", pulse = 0}},
    {"pulses and eta", {"eta", "no effect", "pulses"},
      {optimizer = "pulses", pulse = 0.1, eta = 0.1}},
    {"pulses and weight decay", {"weight_decay", "no effect", "pulses"},
      {optimizer = "pulses", pulse = 0.1, weight_decay = 0.1}},
    {"a pulse for sgd", {"pulse", "no effect", "sgd"}, {pulse = 0.1}},
    {"a threshold for sign", {"threshold", "no effect", "sign"},
      {optimizer = "sign", threshold = 0.1}},
    {"a threshold below 0", {"threshold", "got -1"},
      {optimizer = "pulses", pulse = 0.1, threshold = -1}},
    {"momentum for adam", {"momentum", "no effect", "adam"}, {optimizer = "adam", momentum = 0.5}},
    {"momentum 1 for nesterov", {"momentum", "got 1"}, {optimizer = "nesterov", momentum = 1}},
    {"negative weight decay", {"weight_decay", "got -0.1"}, {weight_decay = -0.1}},
    {"a clamp of 0", {"clamp", "> 0", "got 0"}, {clamp = 0}},
    {"a clip below 0", {"clip", "> 0", "got -1"}, {clip = -1}},
    {"a clip_norm that is NaN", {"clip_norm", "NaN"}, {clip_norm = 0 / 0}},
    {"no time left after settling", {"settle", "4", "tau_x"}, {settle = 4}},
    {"no time left in a window", {"settle", "6", "tau_theta"}, {settle = 6, tau_x = 100}},
    {"half a step to settle", {"settle", "integer", "got 0.5"}, {settle = 0.5}},
    {"an unknown optimizer", {"did you mean 'nesterov'?"}, {optimizer = "nesterow"}},
  }
  for _, case in ipairs(cases) do
    it(case[1], function()
      fails_here(case[2], mgd.train, with(base, case[3]))
    end)
  end
end)
