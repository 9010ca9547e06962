-- The analog engine by GSL's solvers of ordinary differential equations (`integrator = "rk8pd"` and
-- others) against a Runge-Kutta method of our own (spec/support/reference.lua) with fine steps.

local mgd = require "mgd"
local core = require "mgd.core"
local reference = require "spec.support.reference"
local fails_here = require("spec.support.errors").fails_here

local with, distance = reference.with, reference.distance

local XOR = with(reference.xor(), {engine = "analog", seed = 3, steps = 60, eta = 0.05,
  tau_hp = 12, tau_theta = 20, tau_x = 7, tau_p = 3,
  perturbation = {code = "walsh", amplitude = 0.05}})

local INTEGRATORS = {"rk2", "rk4", "rkf45", "rkck", "rk8pd", "msadams"}

local function after(o, steps)
  local run = mgd.train(reference.options(o))
  run.core:advance(steps or o.steps)
  return run:theta():totable()
end

-- ---- against Runge and Kutta --------------------------------------------------------------------

describe("the reference", function()
  it("has converged: 10 and 20 steps of fourth order in a step of the engine", function()
    local coarse = reference.continuous(with(XOR, {substeps = 10}))
    assert.is_true(distance(coarse, (reference.continuous(XOR))) < 1e-9)
  end)
end)

describe("integrators agree with a method of fourth order and fine steps:", function()
  for _, name in ipairs(INTEGRATORS) do
    it(name, function()
      for _, changes in ipairs {
        {}, {tau_x = 5, tau_p = 1}, {batch = 4}, {tau_hp = 1.5, tau_theta = 0.7, eta = 0.01},
        {perturbation = {code = "sine", amplitude = 0.05, low = 0.01, high = 0.11}},
        {perturbation = {code = "random", amplitude = 0.05, sparsity = 0.5}, eta = 0.01},
      } do
        local o = with(XOR, changes)
        local expected = reference.continuous(o)
        local error = distance(expected, after(with(o, {integrator = name, tolerance = 1e-10})))
        assert.is_true(error < 1e-7, ("θ differs by %g"):format(error))
        assert.is_true(distance(XOR.theta, expected) > 1e-4)
      end
    end)
  end

  it("for a chip in Lua", function()
    local o = with(reference.bowl({1, -2, 5}, {3, 0.5, 1}), {engine = "analog", tau_hp = 5,
      tau_theta = 16, steps = 60, eta = 0.01, perturbation = {code = "walsh", amplitude = 0.1}})
    local expected = reference.continuous(o)
    assert.is_true(distance(expected, after(with(o, {integrator = "rk8pd"}))) < 1e-7)
  end)

  it("for each replica of an ensemble", function()
    local o = with(XOR, {init = {}, integrator = "rk8pd"})
    local run = mgd.train(with(reference.options(o), {replicas = 11}))
    local begun = run:theta()
    run.core:advance(o.steps)
    for r = 1, 11, 5 do
      local expected = reference.continuous(with(o, {theta = begun[r]:totable(), replica = r}))
      assert.is_true(distance(expected, run:theta()[r]:totable()) < 1e-7)
    end
  end)
end)

describe("first-order filters and integrators", function()
  it("come together by first order as dt is halved", function()
    -- k times as many steps of the same circuit: the difference falls by 2 + O(dt/τ)
    local function off(k)
      local o = with(XOR, {tau_p = 4 * k, tau_hp = 24 * k, tau_theta = 128 * k, tau_x = 52 * k,
        eta = 0.05 / k, steps = 200 * k})
      return distance(after(o), after(with(o, {integrator = "rk8pd"})))
    end
    local before = off(2)
    for _, k in ipairs {4, 8} do
      local now = off(k)
      assert.is_true(math.abs(before / now - 2) < 0.1, ("ratio %g"):format(before / now))
      before = now
    end
  end)

  it("are the same under the name euler", function()
    assert.same(after(XOR), after(with(XOR, {integrator = "euler"})))
  end)
end)

-- ---- the same bits ------------------------------------------------------------------------------

describe("integrators give the same bits", function()
  for _, name in ipairs {"rk4", "rk8pd", "msadams"} do
    local base = with(reference.options(XOR), {init = {}, integrator = name})

    it("for replicas and threads: " .. name, function()
      local ensemble = after(with(base, {replicas = 9, threads = 1}), 41)
      assert.same(ensemble, after(with(base, {replicas = 9, threads = 2}), 41))
      for _, r in ipairs {1, 2, 9} do
        assert.same(after(with(base, {replica = r}), 41), ensemble[r])
      end
    end)

    it("for runs cut into pieces, and resumed at odd steps: " .. name, function()
      local whole, parts = mgd.train(base), mgd.train(base)
      whole.core:advance(61)
      for _, steps in ipairs {1, 1, 3, 0, 7, 25} do
        parts.core:advance(steps)
      end
      local path = os.tmpname()
      parts:save(path)
      local resumed = mgd.resume(path)
      os.remove(path)
      resumed.core:advance(24)
      assert.same(whole:theta():totable(), resumed:theta():totable())
      assert.equal(core.data.hash(whole:theta()), core.data.hash(resumed:theta()))
    end)
  end
end)

-- ---- wrong input --------------------------------------------------------------------------------

describe("bad integrators are refused:", function()
  local net = XOR.net
  local cases = {
    {"an unknown one", {"did you mean 'rk8pd'?"}, {integrator = "rk8pdd"}},
    {"with the discrete engine", {"integrator", "no effect", "discrete"},
      {engine = "discrete", tau_hp = false, integrator = "rk8pd"}},
    {"with a network in f32", {"integrator", "f64"},
      {net = mgd.nn.mlp{2, 2, 1, dtype = "f32"}, integrator = "rk8pd"}},
    {"with a chip whose cost is noisy", {"integrator"},
      {net = false, chip = mgd.chip{net = net, cost = mgd.hw.noise{sigma = 0.1}},
        integrator = "rk8pd"}},
    {"with a chip that has a state", {"integrator"},
      {net = false, chip = mgd.chip{net = net, cost = mgd.hw.path{lowpass = 0.1}},
        integrator = "rk8pd"}},
  }
  for _, case in ipairs(cases) do
    it(case[1], function()
      fails_here(case[2], mgd.train, reference.options(with(XOR, case[3])))
    end)
  end
end)
