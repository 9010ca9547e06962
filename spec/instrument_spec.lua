--- Instruments: the same run on a chip in process and at the end of a wire, bit for bit; what they
-- say of themselves; ranges and limits; the safe state.

local core = require "mgd.core"
local mgd = require "mgd"
local served = require "spec.support.served"
local tables = require "spec.support.train"
local errors = require "spec.support.errors"

local hw, nn = mgd.hw, mgd.nn
local options = tables.options
local fails = errors.fails

local function network(dtype)
  local net = nn.mlp{2, 2, 1, activation = "sigmoid", output = "sigmoid", dtype = dtype}
  return net:init{scheme = "uniform", low = -1, high = 1, seed = 4}
end

local function ideal()
  return mgd.chip{net = network "f32"}
end

-- Imperfections that depend on time, and devices with a law of their own.
local function imperfect()
  return mgd.chip{net = network "f32", seed = 7,
    weights = hw.leak{tau = 500}, perturbation = hw.amplitude{spread = 0.1},
    output = hw.noise{sigma = 0.001}, cost = {hw.noise{sigma = 0.01}, hw.path{lowpass = 0.4}},
    update = hw.soft_bounds{dw_min = 0.01, w_min = -2, w_max = 2, c2c = 0.1}}
end

local RUN = {data = mgd.data.xor(), eta = 0.5, tau_theta = 4, seed = 5,
  perturbation = {code = "walsh", amplitude = 0.02}}

-- θ and the rows of a run.
local function trained(chip, changes)
  local run = mgd.train(options(options(RUN, {chip = chip}), changes))
  local history = run:run{steps = 60, every = 7, probes = {"C", "C_tilde", "cost"}}
  return {theta = run:theta(), C = history.C, C_tilde = history.C_tilde, cost = history.cost}
end

local function assert_same(a, b)
  for _, name in ipairs{"theta", "C", "C_tilde", "cost"} do
    assert.same(a[name]:totable(), b[name]:totable())
  end
end

local function socket(address)
  return "TCPIP::" .. address:gsub(":", "::") .. "::SOCKET"
end

-- f(chip, pid) with an instrument in front of a server.
local function with_instrument(server, own, f)
  served.child(options({listen = "127.0.0.1:0"}, server), function(address, pid)
    local chip = mgd.chip(options({instrument = socket(address), ramp = 0}, own))
    local ok, why = pcall(f, chip, pid)
    chip:close()
    if not ok then
      error(why, 0)
    end
  end)
end

describe("a run on an instrument has the bits of the run in process", function()
  local variants = {
    {"with a measured baseline", {}},
    {"two-sided", {baseline = "two-sided", tau_p = 2}},
    {"without a baseline, in batches", {baseline = "none", batch = 3, shuffle = false}},
    {"with random signs and adam", {optimizer = "adam", eta = 0.01, batch = 4,
      perturbation = {code = "random", amplitude = 0.02}}},
    {"parameter by parameter", {tau_x = 9, tau_theta = 9,
      perturbation = {code = "sequential", amplitude = 0.02}}},
    {"by the analog engine", {engine = "analog", eta = 0.05, tau_x = 5}},
    {"with an amplitude that changes", {perturbation = {code = "walsh",
      amplitude = mgd.schedule{"exponential", 0.05, factor = 0.9, every = 5}}}},
  }
  for _, dialect in ipairs{"scpi", "lines", "frames"} do
    for _, plain in ipairs{false, true} do
      it(("%s, %s, in %s"):format("all of them", plain and "perturbed by the host"
          or "which perturbs by itself", dialect), function()
        local server = {chip = ideal()}
        if plain then
          server.cost, server.perturbs = false, false
        end
        with_instrument(server, {dialect = dialect}, function(chip)
          for _, variant in ipairs(variants) do
            local here = trained(ideal(), variant[2])
            assert_same(here, trained(chip, variant[2]))
          end
        end)
      end)
    end
  end

  it("where the chip keeps fewer samples than there are", function()
    for _, plain in ipairs{false, true} do
      local server = {chip = ideal(), samples = 2}
      if plain then
        server.cost, server.perturbs = false, false
      end
      with_instrument(server, {}, function(chip)
        assert_same(trained(ideal(), {batch = 2}), trained(chip, {batch = 2}))
      end)
    end
  end)

  it("where it has noise, filters, leaks and a law of writing", function()
    with_instrument({chip = imperfect()}, {}, function(chip)
      local here, there = trained(imperfect()), trained(chip)
      for _, name in ipairs{"theta", "C", "C_tilde"} do -- rows have noise of their own
        assert.same(here[name]:totable(), there[name]:totable())
      end
    end)
  end)

  it("where several replicas share one that is stateless", function()
    with_instrument({chip = ideal()}, {}, function(chip)
      assert_same(trained(ideal(), {replicas = 3}), trained(chip, {replicas = 3}))
    end)
  end)

  it("where it was interrupted by a checkpoint", function()
    local path = os.tmpname()
    with_instrument({chip = ideal()}, {}, function(chip)
      local run = mgd.train(options(RUN, {chip = chip}))
      run:run{steps = 30}
      run:save(path)
      fails("an instrument, which a file cannot hold", function() mgd.resume(path) end)
      local again = mgd.resume(path, {chip = chip})
      again:run{steps = 30}
      assert.same(trained(ideal()).theta:totable(), again:theta():totable())
    end)
    os.remove(path)
  end)
end)

describe("an instrument", function()
  it("says who it is", function()
    with_instrument({chip = ideal(), identity = "acme,one,7,1"}, {}, function(chip)
      local about = chip:about()
      assert.equal("acme,one,7,1", about.identity)
      assert.equal(9, about.parameters)
      assert.equal("scpi", about.dialect)
      assert.truthy(tostring(chip):find("acme,one,7,1", 1, true))
      assert.equal("acme,one,7,1", chip:query "*IDN?")
    end)
  end)

  it("takes only data and costs that are its own", function()
    with_instrument({chip = ideal(), cost = "mse"}, {}, function(chip)
      fails('expected cost = "mse"', function() trained(chip, {cost = "l2"}) end)
      fails("expected no function", function() trained(chip, {cost = function() return 0 end}) end)
      fails("expected 2, the chip's inputs", function()
        trained(chip, {data = {x = mgd.zeros{4, 3}, y = mgd.zeros{4, 1}}})
      end)
      fails("the chip perturbs by itself and knows", function()
        trained(chip, {perturbation = {code = "sine", amplitude = 0.1}})
      end)
      fails("the code outer needs weights in rows and columns", function()
        trained(chip, {perturbation = {code = "outer", amplitude = 0.1}})
      end)
      fails("sparsity", function()
        trained(chip, {perturbation = {code = "random", sparsity = 0.5}})
      end)
    end)
  end)

  it("has no way back", function()
    with_instrument({chip = ideal()}, {}, function(chip)
      fails("no way back", function() mgd.backprop{chip = chip, data = mgd.data.xor()} end)
      fails("integrator", function()
        mgd.train(options(RUN, {chip = chip, engine = "analog", integrator = "rkf45", tau_x = 9}))
      end)
    end)
  end)

  it("is used by one run at a time where it has a state", function()
    with_instrument({chip = ideal(), stateless = false}, {}, function(chip)
      fails("not stateless", function() trained(chip, {replicas = 2}) end)
      local run = mgd.train(options(RUN, {chip = chip}))
      local other = mgd.train(options(RUN, {chip = chip}))
      local why
      run:run{steps = 2, every = 1, on_row = function()
        local ok, message = pcall(other.run, other, {steps = 1})
        why = why or not ok and message
      end}
      assert.truthy(tostring(why):find("another run uses the chip", 1, true))
      other:run{steps = 1}
    end)
  end)

  it("of a list trains each replica on a chip of its own", function()
    local one = {chip = ideal(), stateless = false, listen = "127.0.0.1:0"}
    served.child(one, function(first)
      served.child(one, function(second)
        local chip = mgd.chip{instrument = {socket(first), socket(second)}, ramp = 0}
        assert_same(trained(ideal(), {replicas = 2}), trained(chip, {replicas = 2}))
        fails("2 chips", function() trained(chip, {replicas = 3}) end)
        chip:close()
      end)
    end)
  end)

  it("is asked for C and C̃ unless other probes are named", function()
    with_instrument({chip = ideal()}, {}, function(chip)
      local history = mgd.train(options(RUN, {chip = chip})):run{steps = 5}
      assert.truthy(history.C and history.C_tilde)
      assert.is_nil(rawget(history, "cost"))
    end)
  end)

  it("says what named probes take before it is asked for them", function()
    local script = [[
      local mgd = require "mgd"
      local run = mgd.train{chip = mgd.chip{instrument = "%s"}, data = mgd.data.xor()}
      run:run{steps = 10, every = 5}
      run:run{steps = 10, every = 5, probes = {"C", "cost", "angle"}}]]
    served.child({chip = ideal(), listen = "127.0.0.1:0"}, function(address)
      local ended = core.process.run({os.getenv "MGD_LUA", "-e", script:format(socket(address))},
        "", {}, 20)
      local said = ended.words:match "mgd: probes [^\n]*"
      assert.truthy(said and said:find("probes C, angle, cost: 22 evaluations a row, 3 rows", 1,
        true), ended.words)
      assert.equal(1, select(2, ended.words:gsub("mgd: probes", "")))
    end)
  end)

  it("is closed for good", function()
    with_instrument({chip = ideal()}, {}, function(chip)
      local run = mgd.train(options(RUN, {chip = chip}))
      chip:close()
      fails("the chip was closed", function() run:run{steps = 1} end)
      fails("closed", function() chip:query "*IDN?" end)
    end)
  end)
end)

-- ---- ranges, limits, the safe state -------------------------------------------------------------

-- y = Σ θ·x of what arrives, which is noted.
local function listening(parameters)
  local seen = {}
  return mgd.chip{parameters = parameters, evaluate = function(theta, x)
    seen[#seen + 1] = theta:totable()
    return x:matmul(theta:reshape{parameters, 1})
  end}, seen
end

describe("ranges", function()
  local nan_free = {data = {x = mgd.tensor{{1, 0}, {0, 1}}, y = mgd.tensor{{0.4}, {3}}}, batch = 2}

  -- The server notes what it was sent in a file, one θ a line.
  local function with_notes(server, own, f)
    local path = os.tmpname()
    local note = assert(io.open(path, "w"))
    note:setvbuf "line"
    local chip = mgd.chip{parameters = 2, evaluate = function(theta, x)
      note:write(("%.17g %.17g\n"):format(theta[1], theta[2]))
      return x:matmul(theta:reshape{2, 1})
    end}
    with_instrument(options({chip = chip, inputs = 2, outputs = 1, cost = false, perturbs = false},
      server), own, function(instrument)
      f(instrument, function()
        local values = {}
        for line in io.lines(path) do
          local a, b = line:match "(%S+) (%S+)"
          values[#values + 1] = {tonumber(a), tonumber(b)}
        end
        return values
      end)
    end)
    note:close()
    os.remove(path)
  end

  it("map θ onto the unit of each parameter", function()
    local ranges = {{0, 5}, {1e2, 1e4, scale = "log"}}
    with_notes({}, {ranges = ranges, theta = mgd.tensor{0, 0}}, function(chip, notes)
      local run = mgd.train(options(nan_free, {chip = chip, eta = 0, tau_theta = 2,
        perturbation = {code = "sequential", amplitude = 0.5}}))
      run:run{steps = 2}
      local n = notes()
      assert.near(2.5, n[1][1], 1e-12)
      assert.near(1e3, n[1][2], 1e-9)
      assert.near(3.75, n[2][1], 1e-12)            -- θ₁ = 0.5
      assert.near(1e2 * 100 ^ 0.75, n[4][2], 1e-9) -- θ₂ = 0.5
    end)
  end)

  it("keep θ ± θ̃ inside", function()
    with_notes({}, {ranges = {0, 1}, theta = mgd.tensor{0, 0}}, function(chip, notes)
      local run = mgd.train(options(nan_free, {chip = chip, eta = 50, tau_theta = 2,
        baseline = "two-sided", perturbation = {code = "walsh", amplitude = 0.1}}))
      run:run{steps = 200}
      for _, value in ipairs(notes()) do
        assert.truthy(value[1] >= 0 and value[1] <= 1 and value[2] >= 0 and value[2] <= 1)
      end
      for i = 1, 2 do
        assert.truthy(math.abs(run:theta()[i]) <= 0.9 + 1e-12)
      end
    end)
  end)

  -- y = θ·x; as the chip perturbs by itself, nobody but it can see what it is driven to.
  local alone = {perturbs = true, cost = "mse"}

  local function assert_within(notes, low, high)
    local values = notes()
    for _, value in ipairs(values) do
      for i = 1, 2 do
        assert.truthy(value[i] >= low - 1e-12 and value[i] <= high + 1e-12, value[i])
      end
    end
    assert.truthy(#values > 10)
  end

  it("have room for what a chip adds to θ by itself, from the first step on", function()
    with_notes(alone, {ranges = {0, 1}, limits = {low = 0.1}, theta = mgd.tensor{-1, 1}},
      function(chip, notes)
        local run = mgd.train(options(nan_free, {chip = chip, eta = 0.1, tau_theta = 4,
          perturbation = {code = "walsh", amplitude = 0.2}}))
        run:run{steps = 20}
        assert_within(notes, 0.1, 1)
        fails("no room within the ranges and limits of the chip: expected at most 0.9", function()
          mgd.train(options(nan_free, {chip = chip,
            perturbation = {code = "walsh", amplitude = 0.91}})):run{steps = 1}
        end)
      end)
  end)

  it("are kept by the advisor", function()
    for _, own in ipairs{alone, {}} do
      with_notes(own, {ranges = {0, 1}, limits = {low = 0.1}, theta = mgd.tensor{-1, 1}},
        function(chip, notes)
          local advice = mgd.advise(options(nan_free, {chip = chip, evaluations = 4000}))
          assert.truthy(advice.train.perturbation.amplitude <= 0.9)
          assert_within(notes, 0.1, 1)
        end)
    end
  end)

  it("have room for what the host adds, too", function()
    with_notes({}, {ranges = {0, 1}, theta = mgd.tensor{0, 0}}, function(chip)
      local run = mgd.train(options(nan_free, {chip = chip, tau_theta = 2,
        perturbation = {code = "walsh", amplitude = 1.5}}))
      fails("no room within the ranges and limits of the chip: expected at most 1", function()
        run:run{steps = 2}
      end)
    end)
  end)

  it("and limits hold whatever the engine asks for", function()
    with_notes({}, {limits = {low = -1, high = 2, avoid = {0.5, 1}}, theta = mgd.tensor{0, 1.5}},
      function(chip, notes)
        local run = mgd.train(options(nan_free, {chip = chip, eta = 5, tau_theta = 2,
          perturbation = {code = "walsh", amplitude = 0.1}}))
        run:run{steps = 100}
        for _, value in ipairs(notes()) do
          for i = 1, 2 do
            local v = value[i]
            assert.truthy(v >= -1 and v <= 2 and (v <= 0.5 or v >= 1))
          end
          assert.truthy(value[1] <= 0.5 and value[2] >= 1) -- each on its side
        end
      end)
  end)

  it("and limits of speed lead there by and by", function()
    with_notes({}, {limits = {slew = 10}, theta = mgd.tensor{0, 0}}, function(chip)
      local begin = mgd.clock()
      local run = mgd.train(options(nan_free, {chip = chip, eta = 0, tau_theta = 2, batch = 2,
        init = {scheme = "uniform", low = 1, high = 1}, baseline = "none",
        perturbation = {code = "sequential", amplitude = 0.001}}))
      run:run{steps = 1}
      assert.truthy(mgd.clock() - begin >= 0.08) -- 1 at 10 a second, less the last tick
    end)
  end)

  it("and limits of speed take no longer than the way does", function()
    with_notes({}, {limits = {slew = 1e4}, theta = mgd.tensor{0, 0}}, function(chip)
      local begin = mgd.clock()
      local run = mgd.train(options(nan_free, {chip = chip, eta = 1e-6, tau_theta = 2,
        baseline = "none", perturbation = {code = "sequential", amplitude = 0.001}}))
      run:run{steps = 500}
      assert.truthy(mgd.clock() - begin < 5) -- 500 ticks of 20 ms last 10 s
    end)
  end)

  it("that are none are named", function()
    for _, case in ipairs{
      {{ranges = {1, 0}}, "low < high"},
      {{ranges = {0, 1, scale = "log"}}, "begins above 0"},
      {{ranges = {{0, 1}, {0, 1}, {0, 1}}}, "one for each of the 2 parameters"},
      {{limits = {low = 1, high = 0}}, "low < high"},
      {{limits = {low = 0, hi = 1}}, "did you mean 'high'"},
      {{ranges = {0, 1}, safe = 3}, "beyond its range"},
    } do
      local chip = listening(2)
      served.child({chip = chip, inputs = 2, outputs = 1, cost = false, perturbs = false,
        listen = "127.0.0.1:0"}, function(address)
        fails(case[2], function()
          mgd.chip(options({instrument = socket(address)}, case[1]))
        end)
      end)
    end
  end)

  it("make an amplitude below the resolution known before the first step", function()
    local script = [[
      local mgd = require "mgd"
      local chip = mgd.chip{instrument = "%s", ranges = {0, 5}}
      mgd.train{chip = chip, data = {x = {{1, 0}}, y = {{0}}},
        perturbation = {code = "walsh", amplitude = 1e-4}}]]
    served.child({chip = listening(2), inputs = 2, outputs = 1, cost = false, perturbs = false,
      resolution = 0.001, listen = "127.0.0.1:0"}, function(address)
      local ended = core.process.run({os.getenv "MGD_LUA", "-e", script:format(socket(address))},
        "", {}, 20)
      assert.truthy(ended.words:find("less than its resolution 0.001", 1, true), ended.words)
    end)
  end)
end)

-- ---- chips that train by themselves -------------------------------------------------------------

describe("a chip that integrates and writes", function()
  -- θ moves by 1 at each step, towards 10; it makes three evaluations in each.
  local function learner()
    local theta, asked, waiting = {0, 0}, {}, ""
    local answers = {
      ID = function() return "OK acme,learner,0,1" end,
      DESC = function()
        return "OK parameters=2 inputs=1 outputs=1 samples=9 integrates=1 writes=1"
      end,
      DATA = function() return "OK" end,
      SAFE = function() return "OK" end,
      WRITE = function(line)
        local a, b = line:match "^WRITE (%S+),(%S+)$"
        theta = a and {tonumber(a), tonumber(b)} or theta
        return a and "OK" or ("OK %.17g,%.17g"):format(theta[1], theta[2])
      end,
      RUN = function(line)
        local step, n, samples = line:match "^RUN train 5 1 (%d+) (%d+) %S+ (%S+)"
        asked[#asked + 1] = {step = tonumber(step), n = tonumber(n), samples = samples}
        for i = 1, 2 do
          theta[i] = math.min(10, theta[i] + n)
        end
        return ("OK %.17g,%.17g,%d"):format((10 - theta[1]) ^ 2, -1, 3 * n)
      end,
    }
    local chip = mgd.chip{ramp = 0, dialect = "lines", terminator = "\n", instrument = {
      write = function(bytes)
        for line in bytes:gmatch "[^\n]+" do
          waiting = waiting .. answers[line:match "^%S+"](line) .. "\n"
        end
      end,
      read = function(most)
        local bytes = waiting:sub(1, most)
        waiting = waiting:sub(most + 1)
        return bytes
      end,
    }}
    return chip, asked
  end

  local LEARN = {data = {x = mgd.tensor{{1}, {2}}, y = mgd.tensor{{0}, {0}}}, shuffle = false,
    seed = 5}

  it("is an engine of its own, which counts what it reports", function()
    local chip, asked = learner()
    local run = mgd.train(options(LEARN, {chip = chip}))
    assert.equal("chip", run.options.engine)
    local history = run:run{steps = 8, every = 2, probes = {"C", "C_tilde", "norm_theta"}}
    assert.same({8, 8}, run:theta():totable())
    assert.same({0, 64, 36, 16, 4}, history.C:totable())
    assert.near(8 * math.sqrt(2), history.norm_theta[-1], 1e-12)
    assert.equal(24, run:counters().evaluations)
    local steps = 0
    for _, request in ipairs(asked) do
      assert.equal(steps, request.step)
      assert.equal(request.step % 2, tonumber(request.samples:match "^%d+"))
      steps = steps + request.n
    end
    assert.equal(8, steps)
    chip:close()
  end)

  it("refuses what its circuit lacks, by name", function()
    local chip = learner()
    for _, name in ipairs{"optimizer", "baseline", "convention"} do
      fails("option '" .. name .. "' has no effect", function()
        mgd.train(options(LEARN, {chip = chip, [name] = "sgd"}))
      end)
    end
    fails("option 'eta' has no effect", function()
      mgd.train(options(LEARN, {chip = chip, eta = 1}))
    end)
    fails("option 'perturbation' has no effect", function()
      mgd.train(options(LEARN, {chip = chip, perturbation = {code = "walsh"}}))
    end)
    fails("expected the engine chip", function()
      mgd.train(options(LEARN, {chip = chip, engine = "discrete"}))
    end)
    fails("engine: chip is for chips that integrate", function()
      mgd.train{net = network "f32", data = mgd.data.xor(), engine = "chip"}
    end)
    chip:close()
  end)
end)
