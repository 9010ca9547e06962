-- θ of a run that is set from outside: from there on the run is one that began with it, as far as
-- that can be told. Compared with such a run, bit for bit, where samples and patterns come again.

local mgd = require "mgd"
local core = require "mgd.core"
local files = require "spec.support.idx_files"
local served = require "spec.support.served"
local support = require "spec.support.train"

local hw = mgd.hw
local fails_here, options = support.fails_here, support.options

-- of 2-3-1; three periods of the sequential code, a window and a half
local PARAMETERS, STEPS = 13, 39

local function network(seed, dtype)
  return mgd.nn.mlp { 2, 3, 1, activation = "tanh", output = "sigmoid", dtype = dtype or "f32" }
    :init { seed = seed }
end

-- The whole set at every step and a code that comes again after P: nothing tells step 39 from 0.
local BASE = { data = mgd.data.xor(), batch = 4, shuffle = false, seed = 5, eta = 0.5,
  tau_theta = 2 * PARAMETERS, perturbation = { code = "sequential", amplitude = 0.02 } }

local function train(changes)
  local opts = options(BASE, changes)
  opts.net = not opts.chip and (opts.net or network(1)) or nil
  return mgd.train(opts)
end

local function bits(t)
  return core.data.hash(t)
end

-- Devices whose pulses are all alike.
local function update(write_noise)
  return hw.soft_bounds { dw_min = 0.01, w_min = -2, w_max = 2, c2c = 0, stochastic = false,
    write_noise = write_noise }
end

local OTHER = network(2):theta()
local PROBES = { "cost", "C", "C_tilde", "norm_G", "angle" }

-- A run that is set at step STEPS, in the middle of a window, against one that begins there.
local function begins_anew(changes, make)
  local function of(seed)
    return train(options(changes, make and { chip = make(seed) } or { net = network(seed) }))
  end
  local run, fresh = of(1), of(2)
  run:run { steps = STEPS, probes = PROBES }
  assert.equal(run, run:set_theta(OTHER))
  assert.equal(bits(OTHER), bits(run:theta()))
  local how = { steps = 7 * PARAMETERS, every = 1, probes = PROBES }
  local got, expected = run:run(how), fresh:run(how)
  assert.equal(bits(expected.cost), bits(got.cost))
  for _, name in ipairs(PROBES) do
    for row = 1, expected.step.size do
      local a, b = expected[name][row], got[name][row]
      assert.is_true(a == b or a ~= a and b ~= b, ("%s, row %d: %.9g and %.9g"):format(name, row,
        a, b))
    end
  end
  assert.equal(bits(fresh:theta()), bits(run:theta()))
  assert.not_equal(bits(OTHER), bits(run:theta()))
end

describe("θ that is set in the middle of a window begins one anew, with", function()
  local CASES = {
    ["sgd"] = {}, ["momentum"] = { optimizer = "momentum" },
    ["adam"] = { optimizer = "adam", eta = 0.05 }, ["two sides"] = { baseline = "two-sided" },
    ["no baseline"] = { baseline = "none", eta = 0.01 },
    ["several signals"] = { signals = "outputs" },
    ["layers that stand still and are kept"] = { learn = "dense2", keep = true },
    ["η by layer"] = { layers = { dense1 = { eta = 0.1 } }, optimizer = "adam", eta = 0.05 },
    ["the analog engine"] = { engine = "analog", tau_hp = 6, eta = 0.05 },
    ["a solver"] = { engine = "analog", tau_hp = 6, eta = 0.05, integrator = "rk4" },
    ["back-propagation"] = { engine = "backprop" },
    ["patterns that are held"] = { tau_p = 3, tau_theta = 6 * PARAMETERS },
  }
  for name, changes in pairs(CASES) do
    it(name, function()
      if changes.engine == "backprop" then
        local run, fresh = mgd.backprop { net = network(1), data = BASE.data, batch = 4,
          shuffle = false, optimizer = "adam" }, mgd.backprop { net = network(2), data = BASE.data,
          batch = 4, shuffle = false, optimizer = "adam" }
        run:run { steps = 7, probes = {} }
        run:set_theta(OTHER):run { steps = 20, probes = {} }
        fresh:run { steps = 20, probes = {} }
        assert.equal(bits(fresh:theta()), bits(run:theta()))
      elseif changes.integrator then
        local function of(seed)
          return train(options(changes, { net = network(seed, "f64") }))
        end
        local run, fresh = of(1), of(2)
        run:run { steps = STEPS, probes = {} }
        run:set_theta(network(2, "f64"):theta()):run { steps = 26, probes = {} }
        fresh:run { steps = 26, probes = {} }
        assert.equal(bits(fresh:theta()), bits(run:theta()))
      else
        begins_anew(changes)
      end
    end)
  end

  it("what is kept of layers that stand still, by nodes", function()
    local thetas = {}
    for i, keep in ipairs { true, false } do
      local run = train { perturb = "nodes", learn = "dense2", keep = keep, batch = 2,
        perturbation = { code = "random", amplitude = 0.02 }, tau_theta = 2 }
      run:run { steps = 5, probes = {} }
      run:set_theta(OTHER):run { steps = 40, probes = {} }
      thetas[i] = bits(run:theta())
    end
    assert.equal(thetas[1], thetas[2])
  end)

  it("moments within a stage", function()
    local stages = { { learn = "dense1", steps = 20 }, { learn = "dense2", eta = 0.01 } }
    local run = train { stages = stages, tau_theta = 5, optimizer = "adam", eta = 0.05 }
    run:run { steps = 12, probes = {} }
    fails_here("expected a multiple of tau_theta = 5", function() run:set_theta(OTHER) end)
    run:run { steps = 3, probes = {} }
    run:set_theta(OTHER):run { steps = 5, probes = {} }
    local first = OTHER[{ { 1, 9 } }]
    assert.not_equal(bits(first:clone()), bits(run:theta()[{ { 1, 9 } }]:clone()))
    assert.equal(bits(OTHER[{ { 10, 13 } }]:clone()), bits(run:theta()[{ { 10, 13 } }]:clone()))
    run:run { steps = 40, probes = {} }
    assert.not_equal(bits(OTHER[{ { 10, 13 } }]:clone()), bits(run:theta()[{ { 10, 13 } }]:clone()))
  end)

  it("an average", function()
    local run, fresh = train { average = { kind = "mean" } }, train { net = network(2),
      average = { kind = "mean" } }
    run.core:advance(STEPS)
    run:set_theta(OTHER)
    assert.equal(bits(OTHER), bits(run:theta { average = true }))
    run.core:advance(60)
    fresh.core:advance(60)
    assert.equal(bits(fresh:theta { average = true }), bits(run:theta { average = true }))
  end)

  it("devices that are set and not pulsed", function()
    begins_anew({}, function(seed)
      return mgd.chip { net = network(seed), seed = 7,
        weights = { hw.leak { tau = 500, spread = 0.2 }, hw.gain { spread = 0.1 } },
        perturbation = { hw.amplitude { spread = 0.1 }, hw.path { lowpass = 0.4 } },
        cost = hw.path { lowpass = 0.7 },
        update = update() }
    end)
    -- what a write leaves of noise is drawn anew by each, and stands at first as at a start
    local function of(seed)
      return train { chip = mgd.chip { net = network(seed), update = update(0.05) } }
    end
    local run, fresh = of(1), of(2)
    run.core:advance(100)
    assert.same(fresh:evaluate(), run:set_theta(OTHER):evaluate())
  end)

  it("replicas in lanes of a chip with lines, each its own", function()
    local function of(seed)
      return mgd.chip { net = network(seed), seed = 7, cost = hw.path { lowpass = 0.7 },
        output = hw.path { lowpass = 0.3 }, update = update() }
    end
    local run = train { chip = of(1), replicas = 20, init = {} }
    local start = run:theta()
    run.core:advance(STEPS)
    run:set_theta(start)
    run.core:advance(50)
    local fresh = train { chip = of(1), replicas = 20, init = {} }
    fresh.core:advance(50)
    assert.equal(bits(fresh:theta()), bits(run:theta()))
  end)

  it("what models of the user's remember", function()
    local count = hw.define { name = "spec_set_theta", stage = "output", memory = true,
      apply = function(values, ctx)
        ctx.memory.n = (ctx.memory.n or 0) + 1
        return values * (1 + 1e-3 * (ctx.memory.n % 7))
      end }
    begins_anew({}, function(seed)
      return mgd.chip { net = network(seed), output = count {} }
    end)
  end)
end)

describe("what goes on when θ is set:", function()
  it("steps, writes and wear", function()
    local chip = mgd.chip { net = network(1),
      update = hw.soft_bounds { dw_min = 0.01, endurance = 1e4 } }
    local run = train { chip = chip, tau_theta = 3 }
    run:run { steps = 30, probes = {} }
    local before = run:counters()
    run:set_theta(OTHER)
    assert.equal(30, run.steps_done)
    local after = run:counters()
    for _, name in ipairs { "evaluations", "writes_mean", "pulses", "endurance_left" } do
      assert.equal(before[name], after[name])
    end
    run:run { steps = 30, probes = {} }
    assert.is_true(run:counters().writes_max > before.writes_max)
  end)

  it("evaluations are those that the chip was asked for", function()
    for _, times in ipairs { { 4, 3 }, { 6, 4 }, { 4, 6 }, { 7, 5 } } do
      for at = 1, 12 do
        local chip, calls = support.counting_chip()
        local run = mgd.train { chip = chip, data = BASE.data, tau_theta = times[1],
          tau_x = times[2], eta = 0 }
        run:run { steps = at, probes = {} }
        run:set_theta { 0.5 }
        local planned = run.core:evaluations(60)
        run:run { steps = 60 - at, probes = {} }
        assert.equal(calls(), run:counters().evaluations)
        assert.equal(calls(), planned)
      end
    end
  end)

  it("replicas that stopped stand until the next call, and diverged ones may go on", function()
    local bad = true
    local chip = mgd.chip { parameters = 1, evaluate = function(theta, x)
      return mgd.full({ x.shape[1], 1 }, bad and theta[1] > 2 and 0 / 0 or theta[1])
    end }
    local run = mgd.train { chip = chip, data = BASE.data, replicas = 2, eta = 0 }
    run:set_theta { { 1 }, { 3 } }
    run:run { steps = 5, probes = {} }
    assert.is_true(run.history.diverged[2] == 0)
    run:set_theta { 0.5 }
    assert.same({ { 0.5 }, { 0.5 } }, run:theta():totable())
    run:run { steps = 5, probes = { "cost" } }
    assert.is_true(run.history.diverged[2] ~= run.history.diverged[2])
    assert.equal(run.history.cost[-1][1], run.history.cost[-1][2])
    run.core:stop(1)
    run:set_theta { 0.25 }
    run:run { steps = 4, probes = { "cost" }, keep_stopped = true }
    assert.equal(10, run.core:stopped(1))
    assert.same({ { 0.25 }, { 0.25 } }, run:theta():totable())
  end)

  it("a run that is saved and resumed, before and behind it", function()
    local folder = files.folder()
    local path = folder .. "/run.ckpt"
    for _, changes in ipairs { { optimizer = "adam", eta = 0.05 },
      { engine = "analog", tau_hp = 6, eta = 0.05 } } do
      local run = train(options(changes, { average = {} }))
      run.core:keep_gradient()
      run.core:advance(10)
      run:set_theta(OTHER)
      run.core:advance(7)
      run:save(path)
      local again = mgd.resume(path)
      for _, each in ipairs { run, again } do
        each:run { steps = 100, probes = { "angle" } }
      end
      assert.equal(bits(run:theta()), bits(again:theta()))
      assert.equal(bits(run:theta { average = true }), bits(again:theta { average = true }))
      assert.equal(run.history.angle[-1], again.history.angle[-1])
      assert.equal(run:counters().evaluations, again:counters().evaluations)
    end
    os.execute("rm -rf " .. folder)
  end)

  it("(P) goes to all replicas, (R, P) to each, in rows and in lanes", function()
    for _, batch in ipairs { 1, 200 } do
      local run = train { replicas = 20, init = {}, batch = batch, shuffle = true }
      run.core:advance(5)
      run:set_theta(OTHER)
      for r = 1, 20 do
        assert.equal(bits(OTHER), bits(run:theta()[r]:clone()))
      end
      local all = mgd.randn({ 20, PARAMETERS }, { seed = 3, dtype = "f32" })
      run:set_theta(all)
      assert.equal(bits(all), bits(run:theta()))
    end
  end)

  it("an instrument gets it with the next request", function()
    local function trained(chip)
      local run = train { chip = chip }
      run:run { steps = 10, probes = { "C" } }
      run:set_theta(OTHER):run { steps = 30, probes = { "C" } }
      return { run:theta():totable(), run.history.C:totable() }
    end
    local right = trained(mgd.chip { net = network(1) })
    served.child({ chip = mgd.chip { net = network(1) }, listen = "127.0.0.1:0" }, function(address)
      local chip = mgd.chip { instrument = "TCPIP::" .. address:gsub(":", "::") .. "::SOCKET" }
      local ok, got = pcall(trained, chip)
      chip:close()
      assert.same({ true, right }, { ok, got })
    end)
  end)
end)

describe("θ is not set, and nothing changes,", function()
  local run = train { replicas = 2 }
  run:run { steps = 5, probes = {} }

  local function refused(message, theta)
    local before = bits(run:theta())
    fails_here(message, function() run:set_theta(theta) end)
    assert.equal(before, bits(run:theta()))
  end

  it("of another shape", function()
    refused("θ is 12: expected 13, or 2x13", mgd.zeros { 12 })
    refused("θ is 3x13: expected 13, or 2x13", mgd.zeros { 3, 13 })
    refused("θ is 1x2x13", mgd.zeros { 1, 2, 13 })
    refused("expected a tensor (P) or (R, P), got number", 3)
  end)

  it("of numbers that are not finite", function()
    local theta = mgd.zeros { 2, 13 }
    theta[2][5] = 0 / 0
    refused("parameter 5 of replica 2 is nan", theta)
    theta[2][5] = 1e300 -- in f64
    refused("parameter 5 of replica 2 is infinite in f32", theta)
  end)

  it("while the run is running", function()
    local own = train()
    fails_here("the run is running", function()
      own:run { steps = 2, on_row = function() own:set_theta(OTHER) end }
    end)
  end)

  it("where it is recorded, or replayed", function()
    local folder = files.folder()
    local path = folder .. "/run.mgdrec"
    local own = train { record = path }
    fails_here("the run is recorded", function() own:set_theta(OTHER) end)
    own:run { steps = 5, probes = {} }
    fails_here("the run is recorded", function() own:set_theta(OTHER) end)
    local chip = mgd.chip.replay(path)
    local again = mgd.train(options(chip.replays:options(), { data = BASE.data }))
    fails_here("answers as it was recorded", function() again:set_theta(OTHER) end)
    os.execute("rm -rf " .. folder)
  end)
end)
