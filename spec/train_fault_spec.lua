-- Training with bad input, failing chips and failing allocations: one clear error at the caller's
-- line, nothing changed, nothing leaked, and everything can go on.

local mgd = require "mgd"
local core = require "mgd.core"
local fails = require("spec.support.errors").fails_here
local memory = require "spec.support.memory"

local net = mgd.nn.mlp{2, 3, 1}:init{seed = 4}
local set = mgd.data.xor()

local quick = os.getenv "MGD_SPEC_QUICK" ~= nil

describe("bad options of mgd.train", function()
  local nan = 0 / 0
  local walsh = {code = "walsh", amplitude = 0.1}

  local function perturbation(changes)
    local out = {code = "walsh", amplitude = 0.1}
    for key, value in pairs(changes) do
      out[key] = value
    end
    return {perturbation = out}
  end

  -- name, what the message holds, options
  local cases = {
    {"an unknown option", "unknown option 'tau_q' (did you mean 'tau_p'?)", {tau_q = 1}},
    {"an unknown option of the perturbation",
      {"perturbation", "'amplitud' (did you mean 'amplitude'?)"},
      perturbation{amplitud = 1}},
    {"both amplitude and norm", {"amplitude = 0.1", "norm = 1", "expected one of them"},
      perturbation{norm = 1}},
    {"amplitude 0", "option 'amplitude' must be a number > 0 or a schedule, got 0",
      perturbation{amplitude = 0}},
    {"amplitude below 0", "must be a number > 0 or a schedule, got -1",
      perturbation{amplitude = -1}},
    {"amplitude NaN", "got NaN", perturbation{amplitude = nan}},
    {"amplitude infinite", "option 'amplitude' must be a number > 0 or a schedule, got",
      perturbation{amplitude = 1 / 0}},
    {"norm 0", "option 'norm' must be a number > 0 or a schedule, got 0",
      {perturbation = {norm = 0}}},
    {"an unknown code", "(did you mean 'walsh'?)", perturbation{code = "wals"}},
    {"a number for a perturbation", "option 'perturbation' must be a table",
      {perturbation = 3}},
    {"an unknown order", "option 'order' must be 'natural' or 'shuffled'",
      perturbation{code = "sequential", order = "random"}},
    {"all zeros", "option 'sparsity' must be in [0, 1), got 1",
      perturbation{code = "random", sparsity = 1}},
    {"half a band", "'low' and 'high' go together", perturbation{code = "sine", low = 0.1}},
    {"a band that aliases", {"low = 0.1", "high = 0.7", "0.5"},
      perturbation{code = "sine", low = 0.1, high = 0.7}},
    {"tau_p 0", "option 'tau_p' must be an integer ≥ 1 or a schedule, got 0", {tau_p = 0}},
    {"tau_x below 0", "option 'tau_x' must be an integer ≥ 1 or a schedule, got -3", {tau_x = -3}},
    {"half a step", "option 'tau_theta' must be an integer ≥ 1, got 1.5", {tau_theta = 1.5}},
    {"tau_theta NaN", "option 'tau_theta' must be a number > 0 or a schedule, got NaN",
      {tau_theta = nan}},
    {"no batch", "option 'batch' must be an integer ≥ 1, got 0", {batch = 0}},
    {"a batch beyond 32 bits", "batch must be in", {batch = 2 ^ 45}},
    {"no replicas", "option 'replicas' must be an integer ≥ 1, got 0", {replicas = 0}},
    {"replicas beyond memory", "out of memory", {replicas = 2 ^ 40}},
    {"replica 0", "option 'replica' must be an integer ≥ 1 or a table, got 0",
      {replica = 0}},
    {"a replica out of range", "replica must be in", {replica = 2 ^ 47}},
    {"a seed out of range", "option 'seed' must be an integer", {seed = 2 ^ 54}},
    {"half a seed", "option 'seed' must be an integer", {seed = 0.5}},
    {"no threads", "option 'threads' must be an integer ≥ 1, got 0", {threads = 0}},
    {"too many threads", {"threads", "1024", "5000"}, {threads = 5000}},
    {"eta of the wrong type",
      "option 'eta' must be a number ≥ 0, a schedule or a tensor, got string", {eta = "0.1"}},
    {"eta NaN", "got NaN", {eta = nan}},
    {"an unknown baseline", "(did you mean 'two-sided'?)", {baseline = "two_sided"}},
    {"an unknown convention", "(did you mean 'published'?)", {convention = "publishd"}},
    {"an unknown optimizer", "(did you mean 'adam'?)", {optimizer = "adm"}},
    {"an unknown engine", "option 'engine' must be 'discrete'", {engine = "discret"}},
    {"momentum 1", "option 'momentum' must be in [0, 1), got 1",
      {optimizer = "momentum", momentum = 1}},
    {"beta2 1", "option 'beta2' must be in [0, 1), got 1", {optimizer = "adam", beta2 = 1}},
    {"epsilon 0", "option 'epsilon' must be a number > 0, got 0",
      {optimizer = "adam", epsilon = 0}},
    {"an option without effect", "option 'momentum' has no effect with optimizer = 'sgd'",
      {momentum = 0.5}},
    {"sparsity of a code that has none", "no effect with code = 'walsh'",
      perturbation{sparsity = 0.5}},
    {"dt 0", "option 'dt' must be a number > 0, got 0", {dt = 0}},
    {"an unknown cost", "(did you mean 'mse'?)", {cost = "msee"}},
    {"a cost of the wrong type", "option 'cost' must be a string or a function, got number",
      {cost = 3}},
    {"cross-entropy of one output", "at least 2 outputs", {cost = "cross_entropy"}},
    {"all smoothing", "option 'label_smoothing' must be in [0, 1), got 1",
      {cost = "cross_entropy", label_smoothing = 1}},
    {"shuffle of the wrong type", "option 'shuffle' must be true or false, got number",
      {shuffle = 1}},
    {"an unknown init", "(did you mean 'uniform'?)", {init = {scheme = "unifrom"}}},
    {"an unknown option of init", "unknown option 'sceme' (did you mean 'scheme'?)",
      {init = {sceme = "zeros"}}},
    {"ends of init exchanged", "low ≤ high", {init = {low = 1, high = 0}}},
    {"no data", "option 'data' is missing", {data = false}, true},
    {"data of the wrong type", "option 'data' must be a data set or a table, got tensor",
      {data = mgd.zeros{4, 2}}},
    {"data without y", "option 'y' is missing", {data = {x = mgd.zeros{4, 2}}}},
    {"data of different lengths", {"x has 4", "y has 3"},
      {data = {x = mgd.zeros{4, 2}, y = mgd.zeros{3, 1}}}},
    {"inputs of another width", {"4x3", "2"}, {data = {x = mgd.zeros{4, 3}, y = mgd.zeros{4, 1}}}},
    {"targets of another width", "1 outputs against 2 target columns",
      {data = {x = mgd.zeros{4, 2}, y = mgd.zeros{4, 2}}}},
    {"NaN in x", "x is NaN at [2, 1]",
      {data = {x = mgd.tensor{{0, 1}, {nan, 1}}, y = mgd.zeros{2, 1}}}},
    {"an infinity in y", "y is",
      {data = {x = mgd.zeros{2, 2}, y = mgd.tensor{{0}, {1 / 0}}}}},
    {"NaN in the test set", "test",
      {data = {x = mgd.zeros{2, 2}, y = mgd.zeros{2, 1},
               test = {x = mgd.tensor{{nan, 0}}, y = mgd.zeros{1, 1}}}}},
    {"neither net nor chip", "either net = … or chip = …", {net = false}, true},
    {"both net and chip", "either net = … or chip = …", {chip = mgd.chip{net = net}}},
    {"a net that is none", "option 'net' must be a network, got table", {net = {}}},
    {"a chip that is none", "option 'chip' must be a chip, got table",
      {net = false, chip = {}}, true},
  }

  for _, case in ipairs(cases) do
    it(("(%s) are an error at the caller's line, and leak nothing"):format(case[1]), function()
      local opts = {net = net, data = set, perturbation = walsh}
      for key, value in pairs(case[3]) do
        opts[key] = value or nil
      end
      if case[4] then -- false stands for: not given
        for key, value in pairs(case[3]) do
          opts[key] = value ~= false and value or nil
        end
      end
      local theta, before = net:theta():totable(), memory.live_bytes()
      fails(case[2], mgd.train, opts)
      assert.same(theta, net:theta():totable())
      assert.equal(before, memory.live_bytes())
    end)
  end

  it("of no kind at all are an error", function()
    fails("mgd.train: expected a table of options, got number", mgd.train, 3)
    fails("mgd.train: option 'data' is missing", mgd.train)
  end)

  it("are named the same whatever else is wrong", function()
    local function wrong()
      mgd.train{net = net, data = set, zeta = 1, ampl = 2, ete = 3}
    end
    local first = fails("unknown option", wrong)
    for _ = 1, 5 do
      assert.equal(first, fails("unknown option", wrong))
    end
  end)
end)

describe("bad options of run:run", function()
  local cases = {
    {"no steps", "run:run: option 'steps' is missing", {}},
    {"steps below 0", "option 'steps' must be an integer ≥ 0, got -1", {steps = -1}},
    {"half a step", "option 'steps' must be an integer ≥ 0, got 1.5", {steps = 1.5}},
    {"an unknown option", "unknown option 'stepps' (did you mean 'steps'?)", {stepps = 3}},
    {"every 0", "option 'every' must be an integer ≥ 1 or 'powers' or 'log', got 0",
      {steps = 5, every = 0}},
    {"an unknown probe", {"probes", "(did you mean 'cost'?)"}, {steps = 5, probes = {"cots"}}},
    {"a probe that is no name", "probe 1 must be a name, got number", {steps = 5, probes = {3}}},
    {"probes that are no list", "option 'probes' must be a table, got string",
      {steps = 5, probes = "cost"}},
    {"an unknown stop", {"stop", "(did you mean 'accuracy'?)"}, {steps = 5, stop = {acuracy = 1}}},
    {"a stop of the wrong type", "option 'accuracy' must be a number, got string",
      {steps = 5, stop = {accuracy = "high"}}},
    {"progress of the wrong type", "option 'progress' must be true or false",
      {steps = 5, progress = 1}},
  }

  for _, case in ipairs(cases) do
    it(("(%s) are an error that changes nothing"):format(case[1]), function()
      local run = mgd.train{net = net, data = set}
      run:run{steps = 3}
      local theta, history = run:theta():totable(), run.history
      fails(case[2], run.run, run, case[3])
      assert.same(theta, run:theta():totable())
      assert.equal(3, run.steps_done)
      assert.equal(history, run.history)
      run:run{steps = 2}
      assert.equal(5, run.steps_done)
    end)
  end

  it("and of run:evaluate are errors too", function()
    local run = mgd.train{net = net, data = set}
    fails({"4x3", "2"}, run.evaluate, run, {x = mgd.zeros{4, 3}, y = mgd.zeros{4, 1}})
    fails("1 outputs against 2", run.evaluate, run, {x = mgd.zeros{4, 2}, y = mgd.zeros{4, 2}})
    fails("got number", run.evaluate, run, 3)
    fails("option 'y' is missing", run.evaluate, run, {x = mgd.zeros{4, 2}})
    assert.is_number(run:evaluate().cost)
  end)
end)

describe("bad options of mgd.chip", function()
  local function id(_, x)
    return x
  end
  local cases = {
    {"nothing", "either net = …, instrument = …, spice = …, verilog = … or parameters = … with "
      .. "evaluate = …",
      {}},
    {"both", "either net = …", {net = net, parameters = 2, evaluate = id}},
    {"no parameters", "option 'parameters' is missing", {evaluate = id}},
    {"no function", "either net = …", {parameters = 2}},
    {"0 parameters", "option 'parameters' must be an integer ≥ 1, a string or a list, got 0",
      {parameters = 0, evaluate = id}},
    {"a number for a function", "option 'evaluate' must be a function, got number",
      {parameters = 2, evaluate = 3}},
    {"a number for a network", "option 'net' must be a network, got number", {net = 3}},
    {"theta of another length", {"theta", "3", "expected 2"},
      {parameters = 2, evaluate = id, theta = mgd.zeros{3}}},
    {"theta beside net", "go with 'evaluate'", {net = net, theta = mgd.zeros{13}}},
    {"an unknown option", "(did you mean 'parameters'?)", {parameter = 2, evaluate = id}},
  }

  for _, case in ipairs(cases) do
    it(("(%s) are an error at the caller's line"):format(case[1]), function()
      local before = memory.live_bytes()
      fails(case[2], mgd.chip, case[3])
      assert.equal(before, memory.live_bytes())
    end)
  end

  it("a chip in Lua has no layers for Glorot's and He's schemes", function()
    local chip = mgd.chip{parameters = 2, evaluate = id}
    for _, scheme in ipairs {"glorot_uniform", "glorot_normal", "he_uniform", "he_normal"} do
      fails("no layers", mgd.train, {chip = chip, data = set, init = {scheme = scheme}})
    end
  end)
end)

-- ---- chips that fail ----------------------------------------------------------------------------

-- A linear chip; `fault.f(theta, x)`, when set, answers instead.
local function faulty()
  local fault = {calls = 0}
  fault.chip = mgd.chip{parameters = 3, evaluate = function(theta, x)
    fault.calls = fault.calls + 1
    if fault.f and fault.calls >= fault.at then
      return fault.f(theta, x)
    end
    return (x * theta[{{1, 2}}]):sum(2):reshape{x.shape[1], 1} + theta[3]
  end}
  return fault
end

describe("a chip in Lua that", function()
  local cases = {
    {"returns a vector", {"chip: evaluate returned y of shape 1", "expected (B, O) with B = 1"},
      function() return mgd.zeros{1} end},
    {"returns too many rows", {"shape 2x1", "B = 1"}, function() return mgd.zeros{2, 1} end},
    {"returns no columns", "shape 1x0", function() return mgd.zeros{1, 0} end},
    {"returns too many columns", "2 outputs against 1 target columns",
      function() return mgd.zeros{1, 2} end},
    {"returns a number", {"chip: evaluate: it returned a number", "expected a tensor"},
      function() return 3 end},
    {"returns a list of texts", {"chip: evaluate: ", "[1][1]: expected a number, got string"},
      function() return {{"1"}} end},
    {"returns nothing", "chip: evaluate: it returned a nil", function() end},
    {"raises", {"chip: evaluate: ", "train_fault_spec.lua:", "boom"}, function() error "boom" end},
    {"raises an object", "chip: evaluate: it raised an error object", function() error {} end},
    {"raises nil", "chip: evaluate: ", function() error() end},
    {"raises a long message", "chip: evaluate: ", function() error(("long "):rep(1000)) end},
    {"raises with a percent sign", "100 %d %s %n", function() error "100 %d %s %n" end},
    {"yields", "chip: evaluate: it yielded", function() coroutine.yield(1) end},
    {"calls itself without end", "chip: evaluate: ", function()
      -- what is garbage by now: finalisers that run on a full stack move all of it each time
      collectgarbage()
      collectgarbage()
      local function deeper() return 1 + deeper() end
      return deeper()
    end},
  }

  for _, case in ipairs(cases) do
    for _, replicas in ipairs {1, 4} do
      it(("%s stops the run, which can go on after, %d replicas"):format(
        case[1], replicas), function()
        local opts = {data = set, init = {}, replicas = replicas,
          tau_theta = 3, tau_x = 3, eta = 0.1}
        local fault = faulty()
        opts.chip = fault.chip
        local run = mgd.train(opts)
        run:run{steps = 4, probes = {}}
        local theta = run:theta():totable()
        fault.f, fault.at = case[3], fault.calls + 2
        local ok, message = pcall(coroutine.wrap(function() -- so that a yield would be possible
          return fails(case[2], run.run, run, {steps = 5, probes = {}})
        end))
        assert.is_true(ok, message)
        assert.is_true(run.steps_done == 4 or run.steps_done == 5) -- at most one step was done
        if replicas == 1 then -- of an ensemble some may have met their next write
          assert.same(theta, run:theta():totable())
        end
        assert.same({4}, run.history.step:totable())
        fault.f = nil
        run:run{steps = 30 - run.steps_done, probes = {}}
        local healthy = mgd.train{chip = faulty().chip, data = set, init = {}, replicas = replicas,
          tau_theta = 3, tau_x = 3, eta = 0.1}
        healthy:run{steps = 30, probes = {}}
        assert.equal(30, run.steps_done)
        assert.same(healthy:theta():totable(), run:theta():totable())
      end)
    end
  end

  it("fails within a probe keeps the history and lets the run go on", function()
    local fault = faulty()
    local run = mgd.train{chip = fault.chip, data = set}
    fault.at = 0
    fails("boom", function()
      run:run{steps = 10, every = 5, stop = function(row)
        if row.step == 5 then
          fault.f = function() error "boom" end
        end
      end}
    end)
    assert.same({0, 5}, run.history.step:totable())
    fault.f = nil
    run:run{steps = 5}
    assert.equal(10, run.steps_done)
  end)

  it("fails in the very first probe leaves no history", function()
    local fault = faulty()
    fault.f, fault.at = function() error "boom" end, 0
    local run = mgd.train{chip = fault.chip, data = set}
    fails("boom", run.run, run, {steps = 10})
    assert.is_nil(run.history)
    assert.equal(0, run.steps_done)
  end)

  it("fails during angle and evaluate raises there", function()
    local fault = faulty()
    local run = mgd.train{chip = fault.chip, data = set}
    run:run{steps = 3, probes = {"angle"}}
    fault.f, fault.at = function() error "boom" end, 0
    fails("boom", run.evaluate, run)
    fails("boom", run.run, run, {steps = 0, probes = {"angle"}})
    fault.f = nil
    run:run{steps = 3, probes = {"angle"}}
    assert.equal(6, run.steps_done)
  end)

  it("uses its own run is refused", function()
    for _, use in ipairs {function(run) run:run{steps = 1} end, function(run) run:theta() end,
                          function(run) run:evaluate() end} do
      local run
      local chip = mgd.chip{parameters = 1, evaluate = function()
        use(run)
      end}
      run = mgd.train{chip = chip, data = set}
      fails("it is running already", run.run, run, {steps = 1, probes = {}})
    end
  end)

  it("serves another run inside its evaluation", function()
    local inner = mgd.train{net = net, data = set}
    local chip
    local other
    chip = mgd.chip{parameters = 1, evaluate = function(theta, x)
      inner:run{steps = 1}
      if other and other.steps_done < 3 then
        local busy = other
        other = nil
        busy:run{steps = 1, probes = {}}
        other = busy
      end
      return mgd.full({x.shape[1], 1}, theta[1])
    end}
    other = mgd.train{chip = chip, data = set}
    local run = mgd.train{chip = chip, data = set}
    run:run{steps = 5, probes = {}}
    assert.equal(5, run.steps_done)
    assert.equal(3, other.steps_done)
    run:run{steps = 5, probes = {}}
    assert.equal(10, run.steps_done)
  end)
end)

describe("a function given to mgd.train that fails", function()
  local function check(texts, opts)
    local run = mgd.train(opts)
    local theta = run:theta():totable()
    fails(texts, run.run, run, {steps = 5, probes = {}})
    assert.same(theta, run:theta():totable())
    assert.is_true(run.steps_done < (opts.tau_theta or 1))
  end

  it("as eta raises at the caller's line", function()
    check({"run:run: train: eta: ", "boom"},
      {net = net, data = set, eta = function() error "boom" end})
    check("it raised an error object", {net = net, data = set, eta = function() error {} end})
  end)

  it("as eta must return a finite number", function()
    check("the function returned nil at step 2: expected a number",
      {net = net, data = set, tau_theta = 3, eta = function() end})
    check("the function returned a string at step 0: expected a number",
      {net = net, data = set, eta = function() return "0.1" end})
    check("eta: the schedule gave nan at step 0: expected a number of at least 0",
      {net = net, data = set, eta = function() return 0 / 0 end})
    check("gave inf at step 0", {net = net, data = set, eta = function() return 1 / 0 end})
  end)

  it("as cost raises, or returns something else", function()
    check({"train: cost: ", "boom"}, {net = net, data = set, cost = function() error "boom" end})
    check("train: cost: it returned a nil: expected a number",
      {net = net, data = set, cost = function() end})
    check("train: cost: it returned a string",
      {net = net, data = set, cost = function() return "1" end})
    check("train: cost: it yielded",
      {net = net, data = set, cost = function() coroutine.yield() end})
  end)

  it("as eta or cost may recover", function()
    local broken = true
    local run = mgd.train{net = net, data = set, eta = function()
      return not broken and 0.1 or nil
    end}
    fails("expected a number", run.run, run, {steps = 3})
    broken = false
    run:run{steps = 3}
    local healthy = mgd.train{net = net, data = set, eta = 0.1}
    healthy:run{steps = 3}
    assert.same(healthy:theta():totable(), run:theta():totable())
  end)

  it("as stop raises its own error and keeps the history", function()
    local run = mgd.train{net = net, data = set}
    fails("boom", function()
      run:run{steps = 5, every = 1, stop = function(row)
        return row.step == 2 and error "boom"
      end}
    end)
    assert.same({0, 1, 2}, run.history.step:totable())
  end)
end)

-- ---- allocations that fail ----------------------------------------------------------------------

-- The next n: every allocation up to the 16th, then one in ever more.
local function later(n)
  return n + math.max(1, math.floor(n / 8))
end

local function survive(operation, unchanged)
  return memory.survive(operation, { next = later, unchanged = unchanged })
end

describe("an allocation that fails", function()
  after_each(function()
    core.base.fail_from(0)
  end)

  local function leaks_nothing(name, operation)
    it("in " .. name .. " is an error that leaks nothing", function()
      assert.is_true(survive(operation) > 0)
    end)
  end

  local x, y = mgd.rand({40, 2}, {seed = 1}), mgd.rand({40, 1}, {seed = 2})
  local chip = mgd.chip{net = net}
  local external = mgd.chip{parameters = 2, evaluate = function(theta, input)
    return input[{{1, input.shape[1]}, {1, 1}}] * theta[1]
  end}

  leaks_nothing("nn.mlp", function() return mgd.nn.mlp{3, 4, 2} end)
  leaks_nothing("net:forward", function() return net:forward(x) end)
  leaks_nothing("net:gradient", function() return (net:gradient(x, y)) end)
  leaks_nothing("net:theta", function() return net:theta() end)
  leaks_nothing("net:init", function() return net:init{scheme = "he_normal"} and nil end)
  leaks_nothing("an ideal chip", function() return mgd.chip{net = net} end)
  leaks_nothing("a chip in Lua", function()
    return mgd.chip{parameters = 4, evaluate = print, theta = mgd.zeros{4}}
  end)
  for _, code in ipairs {"sequential", "walsh", "random", "sine"} do
    leaks_nothing("codes.pattern of " .. code, function()
      return mgd.codes.pattern({code = code}, {parameters = 5, slots = 3})
    end)
    for _, replicas in ipairs(quick and {1} or {1, 40}) do
      leaks_nothing(("mgd.train with %s, %d replicas"):format(code, replicas), function()
        return mgd.train{chip = chip, data = {x = x, y = y}, replicas = replicas,
          optimizer = "adam",
          init = {}, perturbation = {code = code}, threads = 2}
      end)
    end
  end
  leaks_nothing("mgd.train with a chip in Lua", function()
    return mgd.train{chip = external, data = {x = x, y = y}, batch = 3}
  end)
  leaks_nothing("mgd.train with a cost in Lua", function()
    return mgd.train{net = net, data = {x = x, y = y}, batch = 3, cost = function() return 0 end}
  end)

  -- Every failure leaves θ at a step boundary, from where the run goes on as if nothing had been.
  local function goes_on(name, opts, plan)
    it("in run:run leaks nothing and the run goes on, " .. name, function()
      local healthy = mgd.train(opts)
      healthy:gradient() -- what is kept from the first call on
      healthy:run(plan)
      local n = 1
      while n <= 1000 do
        local run = mgd.train(opts)
        run:gradient()
        local before = memory.live_bytes()
        core.base.fail_from(n)
        local ok, message = pcall(run.run, run, plan)
        core.base.fail_from(0)
        if not ok then
          assert.is_truthy(tostring(message):find("out of memory", 1, true), message)
          run.history = nil -- its tensors are no leak
          assert.equal(before, memory.live_bytes(), "allocation " .. n .. " leaks")
        end
        run:run{steps = plan.steps - run.steps_done, probes = {}}
        assert.same(healthy:theta():totable(), run:theta():totable())
        if ok then
          assert.is_true(n > 3)
          return
        end
        n = later(n)
      end
      error "still failing after 1,000 allocations"
    end)
  end

  local all = {steps = 7, every = 2,
    probes = {"cost", "C", "angle", "angle_set", "norm_G", "norm_theta"}}
  local few = {x = x[{{1, 3}}], y = y[{{1, 3}}]}
  goes_on("one replica", {chip = chip, data = few, tau_theta = 3}, all)
  goes_on("an ensemble", {chip = chip, data = few, init = {}, replicas = 9},
    {steps = 3, probes = {"cost", "angle", "norm_G"}})
  goes_on("a large batch", {chip = chip, data = {x = x, y = y}, batch = 40}, all)
  goes_on("a chip in Lua", {chip = external, data = few, tau_theta = 2},
    {steps = 3, probes = {"cost", "angle"}})
  goes_on("a cost in Lua", {chip = chip, data = few, cost = function(a, b)
    return a[1][1] - b[1][1]
  end}, {steps = 2, probes = {"cost"}})

  it("in run:theta, run:gradient and run:evaluate is an error that leaks nothing", function()
    local run = mgd.train{chip = chip, data = {x = x, y = y}, replicas = 3}
    run:gradient()
    for _, method in ipairs {"theta", "gradient", "evaluate"} do
      assert.is_true(survive(function() return run[method](run) end) > 0)
    end
  end)
end)
