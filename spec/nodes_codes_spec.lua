-- Nodes that are perturbed by codes in Lua: a slot for each sample, in order; as built-in codes to
-- the bit; energies that differ; resumed runs; and what is refused.

local mgd = require "mgd"
local support = require "spec.support.train"

local hw, nn = mgd.hw, mgd.nn
local fails, options = support.fails, support.options

local M = 5 -- nodes of the network
local function network()
  return nn.mlp { 3, 4, 1, activation = "tanh", dtype = "f64" }:init { seed = 2 }
end
local SET = { x = mgd.randn({ 21, 3 }, { seed = 1 }), y = mgd.rand({ 21, 1 }, { seed = 2 }) }

local function settings(code, changes)
  local o = options({ data = SET, batch = 7, perturb = "nodes", eta = 0.01, tau_theta = 3, seed = 5,
    perturbation = { code = code, amplitude = 0.02 } }, changes)
  o.net = not o.chip and network() or nil
  return o
end

local function trained(code, changes)
  local run = mgd.train(settings(code, changes))
  run:run { steps = 13 }
  run:run { steps = 12 }
  return run:theta():totable()
end

-- Row k + 1 of the Hadamard matrix of order 8, from its second column on.
local function walsh(slot)
  return mgd.from({ M }, function(i)
    local a, b, sign = i, slot % 8, 1
    while a > 0 and b > 0 do
      sign = a % 2 == 1 and b % 2 == 1 and -sign or sign
      a, b = math.floor(a / 2), math.floor(b / 2)
    end
    return sign
  end)
end

local function in_order(f)
  return coroutine.create(function()
    local slot = 0
    while true do
      coroutine.yield(f(slot))
      slot = slot + 1
    end
  end)
end

local function signs(slot)
  local t = mgd.randn({ M }, { seed = slot + 1 })
  return t / t:abs()
end

describe("a code in Lua perturbs nodes, a slot for each sample,", function()
  -- batches of 7 and a period of 8: the built-in code takes as many slots a step
  it("as the built-in one to the bit, whatever the layout", function()
    for _, changes in ipairs { {}, { tau_p = 2, tau_theta = 4 }, { baseline = "two-sided" },
      { baseline = "none" }, { replicas = 3 }, { threads = 3 }, { batch = 15 },
      { convention = "published" }, { optimizer = "adam" },
      { chip = mgd.chip { net = network(), neurons = hw.neuron_spread { sigma = 0.1 } } } } do
      local expected = trained("walsh", changes)
      assert.same(expected, trained(walsh, changes))
      assert.same(expected, trained(in_order(walsh), changes))
    end
  end)

  it("with the time at which a sample's slot begins", function()
    local given = {}
    local run = mgd.train(settings(function(slot, time)
      given[slot + 1] = given[slot + 1] or time
      return signs(slot)
    end, { tau_p = 2, tau_theta = 4, dt = 7e-3 }))
    run:run { steps = 4 }
    for slot = 0, 13 do -- seven in two steps
      assert.is_true(math.abs(given[slot + 1] - slot * 2e-3) < 1e-12)
    end
  end)

  it("more of them in a step than are kept of parameters", function()
    local data = { x = mgd.randn({ 300, 3 }, { seed = 1 }), y = mgd.rand({ 300, 1 }, { seed = 2 }) }
    local changes = { data = data, batch = 299 }
    assert.same(trained("walsh", changes), trained(walsh, changes))
  end)

  it("each with an energy of its own", function()
    -- every node of every sample once, by amplitudes r: exact to the order of the amplitude
    local net = network()
    local r = { 0.5, 1, 1.5, 2, 4 }
    local run = mgd.train { net = net, data = SET, batch = 21, shuffle = false, eta = 0,
      tau_theta = M, perturb = "nodes", baseline = "two-sided",
      perturbation = { period = M, amplitude = 1e-4, mean_limit = 1, code = function(slot)
          local out = mgd.zeros { M }
          out[slot % M + 1] = r[slot % M + 1]
          return out
        end } }
    run:gradient()
    run:run { steps = M }
    local exact = net:gradient(SET.x, SET.y, "mse")
    assert.is_true((run:gradient() - exact):norm() < 1e-6 * exact:norm())
  end)

  it("where layers learn otherwise", function()
    local count
    local run = mgd.train(settings(function(slot)
      count = 1
      return mgd.full({ 1 }, slot % 2 == 0 and 1 or -1)
    end, { learn = "dense2" }))
    local before = run:theta()
    run:run { steps = 6 }
    assert.equal(1, count)
    assert.same(before[{ { 1, 16 } }]:totable(), run:theta()[{ { 1, 16 } }]:totable())
    assert.is_true((run:theta() - before):norm() > 0)
  end)
end)

it("a run by a code in Lua is resumed in the middle of a window", function()
  local path = os.tmpname()
  finally(function() os.remove(path) end)
  for _, make in ipairs { function() return signs end, function() return in_order(signs) end } do
    local function again()
      return { code = make(), amplitude = 0.02, window = 64 }
    end
    local run = mgd.train(settings(nil, { perturbation = again() }))
    run:run { steps = 10 }
    run:save(path)
    local resumed = mgd.resume(path, { perturbation = again() })
    run:run { steps = 10 }
    resumed:run { steps = 10 }
    assert.same(run:theta():totable(), resumed:theta():totable())
  end
end)

describe("a code in Lua that perturbs nodes", function()
  it("says which slot failed, and goes on from its step", function()
    local broken = true
    local run = mgd.train(settings(nil, { perturbation = { amplitude = 0.02, window = 64,
      code = function(slot)
        if slot == 7 * 10 + 3 and broken then
          error "not today"
        end
        return signs(slot)
      end } }))
    fails("not today", run.run, run, { steps = 25 })
    assert.equal(10, run.steps_done)
    broken = false
    run:run { steps = 15 }
    local straight = mgd.train(settings(nil, { perturbation = { amplitude = 0.02, window = 64,
      code = signs } }))
    straight:run { steps = 25 }
    assert.same(straight:theta():totable(), run:theta():totable())
  end)

  it("is refused with another number of values", function()
    fails("expected shape (5), one value for each parameter, or node, that is perturbed", mgd.train,
      settings(function() return mgd.ones { 21 } end))
  end)

  it("is refused where stages perturb other numbers, or layers have amplitudes", function()
    fails("stage 2: it perturbs 4 values and the first one 1", mgd.train, settings(signs,
      { stages = { { learn = "dense2", steps = 3 }, { learn = "dense1" } } }))
    fails("amplitudes of layers do not go with nodes that a function perturbs", mgd.train,
      settings(signs, { layers = { dense1 = { amplitude = 0.01 } } }))
  end)
end)
