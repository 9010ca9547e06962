-- The average of θ over its writes. θ is recorded after every write in Lua, and averaged there.

local mgd = require "mgd"
local core = require "mgd.core"
local files = require "spec.support.idx_files"
local served = require "spec.support.served"
local support = require "spec.support.train"

local fails_here, options = support.fails_here, support.options

local function network(dtype)
  return mgd.nn.mlp { 2, 3, 1, activation = "tanh", output = "sigmoid", dtype = dtype or "f32" }
end

local BASE = { data = mgd.data.xor(), init = {}, seed = 5, eta = 0.5, tau_theta = 2,
  perturbation = { code = "random", amplitude = 0.02 } }

local function train(changes)
  local opts = options(BASE, changes)
  if not opts.chip then
    opts.net = opts.net or network()
  end
  opts.init = opts.init or nil
  if opts.engine == "backprop" then
    opts.perturbation, opts.tau_theta = nil, nil
  end
  return mgd.train(opts)
end

local function bits(t)
  return core.data.hash(t)
end

-- The average by its definition, in f64, of a list of θ, one for each write from the first on that
-- counts.
local function average_of(list, decay)
  local sum, weights = list[1] * 0, 0
  for _, theta in ipairs(list) do
    sum = decay and sum * decay + theta * (1 - decay) or sum + theta
    weights = decay and weights * decay + 1 - decay or weights + 1
  end
  return sum / weights
end

-- Advances by `steps`, and lists θ in f64 after each write at the end of step `since` or later.
local function follow(run, steps, tau, since)
  local list = {}
  for step = tau, steps, tau do
    run.core:advance(tau)
    list[#list + 1] = step > since and run:theta():to "f64" or nil
  end
  return list
end

describe("the average of θ is that of its writes:", function()
  local ENGINES = {
    discrete = {}, momentum = { optimizer = "momentum" }, adam = { optimizer = "adam", eta = 0.05 },
    analog = { engine = "analog", tau_theta = 8, tau_hp = 6, tau_x = 4, writes = 1 },
    nodes = { perturb = "nodes", batch = 2 },
    backprop = { engine = "backprop", writes = 1 },
    still = { learn = "dense2" },
    rk4 = { engine = "analog", tau_theta = 8, tau_hp = 6, tau_x = 4, integrator = "rk4",
      writes = 1, net = network "f64" },
  }
  local AVERAGES = { { kind = "ema", decay = 0.9 }, { kind = "ema", decay = 0.5, since = 30 },
    { kind = "mean" }, { kind = "mean", since = 31 } }

  for name, changes in pairs(ENGINES) do
    for i, average in ipairs(AVERAGES) do
      it(("%s, %s (%d)"):format(name, average.kind, i), function()
        local opts = options(changes, { average = average, replicas = 3 })
        opts.writes = nil
        local run = train(opts)
        assert.equal(bits(run:theta()), bits(run:theta { average = true }))
        local list = follow(run, 80, changes.writes or 2, average.since or 0)
        local expected = average_of(list, average.decay)
        local got = run:theta { average = true }:to "f64"
        -- rounding of f32, of an average that is kept in two
        local bound = run:theta().dtype == "f32" and 2 ^ -23 or 2 ^ -50
        assert.is_true((got - expected):norm() <= bound * expected:norm(),
          ("off by %.3g"):format((got - expected):norm()))
        assert.is_true((got - list[#list]):norm() > 1e-4) -- and it is not θ
      end)
    end
  end

  it("a decay of next to 0 leaves θ itself", function()
    local run = train { average = { decay = 1e-30 } }
    run.core:advance(40)
    assert.equal(bits(run:theta()), bits(run:theta { average = true }))
  end)

  it("over so many writes that the rounding of f32 alone would add up", function()
    local run = train { net = mgd.nn.mlp { 1, 1 }, data = { x = { { 0.5 } }, y = { { 1 } } },
      engine = "backprop", eta = 1e-4, average = { kind = "mean" } }
    local sum, steps = mgd.zeros { 2 }, 20000
    for _ = 1, steps do -- a mean of f32 by f32 is off by some 1e-6
      run.core:advance(1)
      sum = sum + run:theta():to "f64"
    end
    assert.is_true((run:theta { average = true }:to "f64" - sum / steps):norm() < 1e-7)
  end)

  it("of each replica as many as it has written", function()
    local run = train { replicas = 5, average = { kind = "mean" } }
    run.core:advance(20)
    run.core:stop(2)
    local stood = run:theta { average = true }[2]:clone()
    run.core:advance(20)
    assert.equal(bits(stood), bits(run:theta { average = true }[2]:clone()))
    run.core:go_on()
    run.core:advance(20)
    local one = train { replica = 2, average = { kind = "mean" } }
    one.core:advance(20)
    assert.equal(bits(one:theta { average = true }), bits(stood))
    -- the 10 first and the 10 last writes; θ stands between
    local list, other = {}, train { replicas = 5 }
    for step = 2, 60, 2 do
      if step == 22 then other.core:stop(2) elseif step == 42 then other.core:go_on() end
      other.core:advance(2)
      if step <= 20 or step > 40 then
        list[#list + 1] = other:theta()[2]:to "f64"
      end
    end
    local got = run:theta { average = true }[2]:to "f64"
    assert.is_true((got - average_of(list)):norm() < 1e-6)
  end)
end)

describe("the average of θ has the same bits", function()
  local AVERAGE = { kind = "ema", decay = 0.97, since = 7 }

  it("beside θ that has those of a run without", function()
    local with, without = train { average = AVERAGE, replicas = 4 }, train { replicas = 4 }
    local probes = { "cost", "average_cost" }
    with:run { steps = 60, every = 10, probes = probes }
    without:run { steps = 60, every = 10, probes = { "cost" } }
    assert.equal(bits(without:theta()), bits(with:theta()))
    assert.equal(bits(without.history.cost), bits(with.history.cost))
  end)

  it("for any threads, and of a replica alone", function()
    local first
    for threads = 1, 3 do
      local run = train { average = AVERAGE, replicas = 40, threads = threads }
      run.core:advance(61)
      first = first or run:theta { average = true }
      assert.equal(bits(first), bits(run:theta { average = true }))
    end
    for _, r in ipairs { 1, 17, 40 } do
      local run = train { average = AVERAGE, replica = r }
      run.core:advance(61)
      assert.equal(bits(first[r]:clone()), bits(run:theta { average = true }))
    end
  end)

  it("through compaction", function()
    local stop = { steps = 120, every = 10, probes = { "cost" }, stop = { cost = 0.24 } }
    local all = train { average = AVERAGE, replicas = 40, eta = 2 }
    all:run(stop)
    local units, active = all.core:units()
    assert.is_true(active < units or units == 1)
    for _, r in ipairs { 2, 9, 23, 38 } do
      local run = train { average = AVERAGE, replica = r, eta = 2 }
      run:run(stop)
      assert.equal(bits(run:theta { average = true }),
        bits(all:theta { average = true }[r]:clone()))
    end
  end)

  it("on every instruction set", function()
    support.same_on_every_isa(8, [[
      local mgd = require "mgd"
      for _, dtype in ipairs {"f32", "f64"} do
        for _, replicas in ipairs {1, 21} do
          for _, kind in ipairs {"ema", "mean"} do
            local run = mgd.train{net = mgd.nn.mlp{2, 3, 1, output = "sigmoid", dtype = dtype},
              data = mgd.data.xor(), init = {}, replicas = replicas, average = {kind = kind}}
            run:run{steps = 50, probes = {}}
            print(require "mgd.core".data.hash(run:theta{average = true}))
          end
        end
      end
    ]])
  end)

  it("saved and resumed", function()
    local folder = files.folder()
    local path = folder .. "/run.ckpt"
    for _, steps in ipairs { 0, 5, 30 } do
      local run = train { average = AVERAGE, replicas = 3, optimizer = "adam", eta = 0.05 }
      run.core:keep_gradient()
      run.core:advance(steps)
      run:save(path)
      local again = mgd.resume(path)
      assert.equal(bits(run:theta { average = true }), bits(again:theta { average = true }))
      run.core:advance(31)
      again.core:advance(31)
      assert.equal(bits(run:theta { average = true }), bits(again:theta { average = true }))
      assert.same(AVERAGE, { kind = again.options.average.kind, since = again.options.average.since,
        decay = again.options.average.decay })
    end
    os.execute("rm -rf " .. folder)
  end)
end)

describe("who looks at the average of θ", function()
  local function trained(changes)
    local run = train(options({ average = { decay = 0.9 } }, changes))
    run:run { steps = 40, probes = { "cost", "average_cost", "average_accuracy" } }
    return run
  end

  -- A run whose θ is the average of another's.
  local function at_average(run, changes)
    local net = network():set_theta(run:theta { average = true })
    return train(options({ net = net, init = false }, changes))
  end

  it("sees what a network of it says, and the run goes on as it would", function()
    local run = trained()
    local other = at_average(run)
    assert.same(other:evaluate(), run:evaluate(nil, { average = true }))
    assert.equal(other:evaluate().cost, run.history.average_cost[-1])
    assert.equal(other:evaluate().accuracy, run.history.average_accuracy[-1])
    assert.not_equal(run:evaluate().cost, run:evaluate(nil, { average = true }).cost)
    local x = run.options.data.x
    assert.equal(bits(other:predict(x)), bits(run:predict(x, { average = true })))
    assert.equal(bits(other:confusion()), bits(run:confusion(nil, { average = true })))
    local straight = train { average = { decay = 0.9 } }
    straight:run { steps = 80, probes = {} }
    run:run { steps = 40, probes = { "average_cost" } }
    assert.equal(bits(straight:theta()), bits(run:theta()))
    assert.equal(bits(straight:theta { average = true }), bits(run:theta { average = true }))
  end)

  it("reads it on a simulated chip as θ is read", function()
    local function chip()
      return mgd.chip { net = network(), seed = 3, weights = mgd.hw.gain { spread = 0.2 },
        update = mgd.hw.soft_bounds { dw_min = 0.01 } }
    end
    local run = train { chip = chip(), average = { decay = 0.9 } }
    run.core:advance(40)
    local mean = run:theta { average = true }
    local read = chip()
    read.net:set_theta(mean)
    local other = train { chip = read, init = false }
    assert.same(other:evaluate(), run:evaluate(nil, { average = true }))
  end)

  it("reads it on an instrument, which then goes on with θ", function()
    local function measured(chip)
      local run = train { chip = chip, init = false, average = { decay = 0.9 } }
      run:run { steps = 10, probes = { "average_cost" } }
      local seen = run:evaluate(nil, { average = true }).cost
      run:run { steps = 20, probes = { "C" } }
      return { run:theta():totable(), run:theta { average = true }:totable(), seen }
    end
    local right = measured(mgd.chip { net = network():init { seed = 2 } })
    local server = { chip = mgd.chip { net = network():init { seed = 2 } }, listen = "127.0.0.1:0" }
    served.child(server, function(address)
      local chip = mgd.chip { instrument = "TCPIP::" .. address:gsub(":", "::") .. "::SOCKET" }
      local ok, got = pcall(measured, chip)
      chip:close()
      assert.is_true(ok, tostring(got))
      assert.same({ right[1], right[2] }, { got[1], got[2] })
      assert.near(right[3], got[3], 1e-6) -- means of f32 outputs
    end)
  end)

  it("finds it in rows, stop conditions and logs", function()
    local folder = files.folder()
    local run = train { average = { decay = 0.9 }, replicas = 3, eta = 2 }
    local rows = {}
    local history = run:run { steps = 4000, every = 50, stop = { average_cost = 0.22 },
      log = folder .. "/log", on_row = function(row) rows[#rows + 1] = row.average_cost end }
    assert.is_true(#rows > 1)
    for r = 1, 3 do
      assert.is_true(history.stopped[r] == history.stopped[r])
      assert.is_true(history.average_cost[-1][r] <= 0.22)
      assert.equal(history.average_cost[-1][r], run:evaluate(nil, { average = true }).cost[r])
    end
    assert.is_truthy(io.open(folder .. "/log"):read "*a":find('"average_cost"', 1, true))
    os.execute("rm -rf " .. folder)
  end)

  it("is reported where the run keeps none", function()
    local run, none = train(), "keeps no average of θ"
    fails_here(none, function() run:theta { average = true } end)
    fails_here(none, function() run:evaluate(nil, { average = true }) end)
    fails_here(none, function() run:predict({ { 0, 0 } }, { average = true }) end)
    fails_here(none, function() run:confusion(nil, { average = true }) end)
    fails_here(none, function() run:run { steps = 1, probes = { "average_cost" } } end)
    fails_here(none, function() run:run { steps = 1, stop = { average_accuracy = 1 } } end)
    fails_here("unknown option 'averege'", function() run:theta { averege = true } end)
  end)

  it("is reported where a replica has diverged, and a row has nan there", function()
    local calls = 0
    local chip = mgd.chip { parameters = 1, evaluate = function(theta, x)
      calls = calls + 1
      return mgd.full({ x.shape[1], 1 }, calls == 9 and 0 / 0 or theta[1])
    end }
    local run = train { chip = chip, replicas = 2, average = {}, tau_theta = 1 }
    local history = run:run { steps = 20, every = 10, probes = { "average_cost" } }
    local lost = run.core:diverged(1) and 1 or 2
    assert.is_true(history.average_cost[-1][lost] ~= history.average_cost[-1][lost])
    assert.is_true(history.average_cost[-1][3 - lost] == history.average_cost[-1][3 - lost])
    fails_here(("replica %d has diverged at step"):format(lost), function()
      run:evaluate(nil, { average = true })
    end)
    fails_here("has diverged at step", function() run:theta { average = true } end)
  end)
end)

describe("bad averages are refused:", function()
  local net = network()
  local CASES = {
    { { kind = "median" }, "must be 'ema' or 'mean'" },
    { { decay = 1 }, "must be in (0, 1)" }, { { decay = 0 }, "must be in (0, 1)" },
    { { decay = 2 }, "must be in (0, 1)" }, { { kind = "mean", decay = 0.9 }, "decay" },
    { { since = 0.5 }, "must be an integer" }, { { since = -1 }, "must be an integer" },
    { { every = 3 }, "unknown option 'every'" },
  }
  for i, case in ipairs(CASES) do
    it(("%d"):format(i), function()
      fails_here(case[2], function()
        mgd.train { net = net, data = BASE.data, average = case[1] }
      end)
    end)
  end
end)

it("a budget counts the memory that an average takes at each parameter", function()
  local run = train { average = {}, optimizer = "adam" }
  run:run { steps = 4, probes = {} }
  assert.equal(5, run:budget().memory) -- θ, G, two moments, the average
  assert.is_truthy(tostring(run:budget()):find("5 values at each parameter", 1, true))
  assert.equal(2, train():budget().memory)
end)
