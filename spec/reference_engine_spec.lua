-- The discrete engine against the scalar reference in plain Lua (spec/support/reference.lua), and
-- the reference against what can be worked out by hand.

local mgd = require "mgd"
local reference = require "spec.support.reference"

local quick = os.getenv "MGD_SPEC_QUICK" ~= nil
local with, distance = reference.with, reference.distance

local SMALL = with(reference.small(), {seed = 3, steps = 48, eta = 0.05,
  perturbation = {code = "random", amplitude = 0.05}})
local XOR = with(reference.xor(), {seed = 3, steps = 48, eta = 0.5,
  perturbation = {code = "random", amplitude = 0.05}})

-- Rounding of C̃ (1e-16) is divided by the amplitude (0.05), multiplied by η and summed over some
-- tens of writes, which a few times expand it: 1e-12. Adam divides by √v, which may be small.
local function agree(problem, changes, tolerance)
  local o = with(problem, changes)
  local expected = reference.discrete(o)
  local run = mgd.train(reference.options(o))
  run.core:advance(o.steps)
  local error = distance(expected, run:theta():totable())
  assert.is_true(error < (tolerance or 1e-12), ("θ differs by %g"):format(error))
  assert.is_true(distance(problem.theta, expected) > 1e-5) -- something was learned
end

-- ---- the reference itself -----------------------------------------------------------------------

describe("the reference", function()
  it("has the outputs and gradients of the library's networks", function()
    for _, problem in ipairs {SMALL, XOR} do
      local all = {}
      for i = 1, problem.n do
        all[i] = i
      end
      problem.net:set_theta(mgd.tensor(problem.theta))
      local d = problem.net:forward(problem.data.x) - problem.data.y
      assert.is_true(math.abs((d * d):mean() - problem.cost_at(problem.theta, all)) < 1e-15)
      local g, p = problem.gradient_at(problem.theta, {2}), #problem.theta
      for i = 1, p do -- central differences, h = 1e-5: h²·C‴/6 with C‴ near 60 is 1e-9
        local up, down = {}, {}
        for j = 1, p do
          up[j] = problem.theta[j] + (i == j and 1e-5 or 0)
          down[j] = problem.theta[j] - (i == j and 1e-5 or 0)
        end
        local slope = (problem.cost_at(up, {2}) - problem.cost_at(down, {2})) / 2e-5
        assert.is_true(math.abs(slope - g[i]) < 1e-8)
      end
    end
  end)

  it("gives the gradient of a linear cost over a whole period of walsh", function()
    local o = with(reference.bowl({1, -2, 5}, {0, 0, 0}), {steps = 8, tau_theta = 8, tau_x = 8,
      eta = 0.25, perturbation = {code = "walsh", amplitude = 0.1}})
    assert.is_true(distance({-0.25, 0.5, -1.25}, (reference.discrete(o))) < 1e-14)
  end)

  it("measures C₀ where the sample changed or θ was written, and nowhere else", function()
    local _, log, wrote = reference.discrete(with(SMALL, {tau_x = 4, tau_theta = 10, steps = 40}))
    -- 40 times C, and C₀ where n mod 4 = 0 or n mod 10 = 0: 10 + 4 − 2 times
    assert.equal(52, #log)
    assert.same({9, 19, 29, 39}, wrote)
    assert.same(SMALL.theta, log[1].theta)
    assert.same({1}, log[1].samples)
    assert.same({2}, log[6].samples)
  end)
end)

-- ---- the discrete engine ------------------------------------------------------------------------

describe("the discrete engine agrees with the reference", function()
  local times = quick and {1, 3, 16} or {1, 2, 5, 16}

  for _, baseline in ipairs {"measured", "two-sided", "none"} do
    it("for all time constants, on XOR, baseline " .. baseline, function()
      for _, tau_p in ipairs(times) do
        for _, tau_x in ipairs(times) do
          for _, tau_theta in ipairs(times) do
            agree(XOR, {tau_p = tau_p, tau_x = tau_x, tau_theta = tau_theta, steps = 35,
              baseline = baseline, eta = baseline == "none" and 0.002 or 0.05})
          end
        end
      end
    end)
  end

  local codes = {
    {code = "sequential", amplitude = 0.05},
    {code = "sequential", norm = 0.1, order = "shuffled"},
    {code = "walsh", amplitude = 0.05},
    {code = "walsh", norm = 0.2, alternate = true},
    {code = "random", norm = 0.2},
    {code = "random", amplitude = 0.05, sparsity = 0.5},
    {code = "sine", amplitude = 0.05},
    {code = "sine", norm = 0.2, low = 0.01, high = 0.11},
  }
  for i, code in ipairs(codes) do
    for _, convention in ipairs {"gradient", "published"} do
      it(("for the code %s (%d) under the convention %s"):format(code.code, i, convention),
        function()
          for _, problem in ipairs {SMALL, XOR} do
            for _, baseline in ipairs {"measured", "two-sided", "none"} do
              local o = {perturbation = code, convention = convention, baseline = baseline,
                eta = baseline == "none" and 0.001 or 0.05}
              agree(problem, with(o, {tau_theta = 5}))
              agree(problem, with(o, {tau_p = 3, tau_theta = 24, tau_x = 7, batch = 3,
                steps = 75}))
            end
          end
        end)
    end
  end

  for _, optimizer in ipairs {"sgd", "momentum", "adam"} do
    it("for " .. optimizer, function()
      for _, baseline in ipairs {"measured", "two-sided"} do
        for _, tau_theta in ipairs {1, 3, 16} do
          agree(SMALL, {optimizer = optimizer, baseline = baseline, tau_theta = tau_theta,
            tau_x = 2, eta = 0.02}, optimizer == "adam" and 1e-10 or 1e-12)
        end
      end
    end)
  end

  it("for momentum and moments of other lengths", function()
    agree(SMALL, {optimizer = "momentum", momentum = 0.5, tau_theta = 3})
    agree(SMALL, {optimizer = "adam", beta1 = 0.5, beta2 = 0.9, epsilon = 1e-3, tau_theta = 3},
      1e-10)
  end)

  it("for each replica of an ensemble, in lanes", function()
    local o = with(SMALL, {init = {}, tau_theta = 3, tau_x = 2, tau_p = 2})
    local run = mgd.train(with(reference.options(o), {replicas = 19}))
    local begun = run:theta()
    run.core:advance(o.steps)
    for _, r in ipairs {1, 2, 8, 9, 19} do
      local expected = reference.discrete(with(o, {theta = begun[r]:totable(), replica = r}))
      assert.is_true(distance(expected, run:theta()[r]:totable()) < 1e-12)
    end
  end)

  it("for a chip in Lua that is no network", function()
    agree(reference.bowl({1, -2, 5}, {3, 0.5, 1}), {steps = 60, tau_p = 2, tau_theta = 8,
      tau_x = 3, eta = 0.05, perturbation = {code = "walsh", amplitude = 0.1}})
  end)

  it("with eta a function of the step that writes", function()
    agree(SMALL, {tau_theta = 3, eta = function(step) return 0.3 / (1 + step) end})
  end)
end)
