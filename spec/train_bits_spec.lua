-- The same bits whatever the layout: replicas, threads, instruction sets.

local mgd = require "mgd"
local core = require "mgd.core"
local support = require "spec.support.train"

local options = support.options
local subprocess = support.subprocess
local quick = os.getenv "MGD_SPEC_QUICK" ~= nil

-- ---- the same bits ------------------------------------------------------------------------------

local CODES = {
  {code = "sequential"}, {code = "sequential", order = "shuffled"}, {code = "walsh"},
  {code = "walsh", alternate = true}, {code = "random"}, {code = "random", sparsity = 0.4},
  {code = "sine"},
}

-- θ and history of every replica of the ensemble against the run of that replica alone.
local function check_replicas(opts, replicas, some)
  local ensemble = mgd.train(options(opts, {replicas = replicas}))
  local plan = {steps = 61, every = 25, probes = {"cost", "C", "C_tilde", "norm_G", "angle"}}
  local history = ensemble:run(plan)
  for r = 1, replicas, some or 1 do
    local single = mgd.train(options(opts, {replica = r}))
    local own = single:run(plan)
    assert.same(single:theta():totable(), ensemble:theta()[r]:totable())
    for _, name in ipairs(plan.probes) do
      for row = 1, 4 do
        local a, b = own[name][row], history[name][row][r]
        assert.is_true(a == b or a ~= a and b ~= b, ("%s of replica %d"):format(name, r))
      end
    end
  end
end

describe("replica r of an ensemble is the run with replica = r, bit for bit:", function()
  for _, dtype in ipairs {"f32", "f64"} do
    local opts = {net = mgd.nn.mlp{2, 3, 1, output = "sigmoid", dtype = dtype},
      data = mgd.data.xor{dtype = dtype}, init = {}, eta = 0.5, seed = 9, tau_theta = 3}

    for _, replicas in ipairs {3, 17, 64, 100} do
      it(("%d replicas in %s"):format(replicas, dtype), function()
        check_replicas(opts, replicas, replicas > 20 and 9 or 1)
      end)
    end

    for i, code in ipairs(CODES) do
      it(("code %s (%d) in %s"):format(code.code, i, dtype), function()
        check_replicas(options(opts, {perturbation = code,
          tau_p = 2, tau_x = 4, tau_theta = 8}), 19,
          3)
      end)
    end

    for _, batch in ipairs {2, 7, 16, 100, 300} do
      it(("batch %d in %s"):format(batch, dtype), function()
        check_replicas(options(opts, {batch = batch}), 18, 5)
        check_replicas(options(opts, {batch = batch, baseline = "two-sided"}), 3)
      end)
    end

    it("optimizers and baselines in " .. dtype, function()
      for _, optimizer in ipairs {"momentum", "adam"} do
        for _, baseline in ipairs {"two-sided", "none"} do
          check_replicas(options(opts, {optimizer = optimizer, baseline = baseline}), 21, 6)
        end
      end
    end)

    it("more parameters than a block of signs in " .. dtype, function()
      local net = mgd.nn.mlp{20, 15, 3, dtype = dtype}
      local set = mgd.data.from{x = mgd.randn({40, 20}, {seed = 1}):to(dtype),
                                y = mgd.rand({40, 3}, {seed = 2}):to(dtype)}
      for _, sparsity in ipairs {0, 0.5} do
        check_replicas(options(opts, {net = net, data = set, cost = "cross_entropy",
          perturbation = {code = "random", sparsity = sparsity}}), 33, 8)
      end
    end)
  end

  it("a chip in Lua", function()
    local chip = mgd.chip{parameters = 3, evaluate = function(theta, x)
      return (x * theta[{{1, 2}}]):sum(2):reshape{x.shape[1], 1} + theta[3]
    end}
    check_replicas({chip = chip, data = mgd.data.xor(), init = {}, eta = 0.1, seed = 4}, 5)
  end)

  it("and so is an ensemble that begins at another replica", function()
    local opts = {net = mgd.nn.mlp{2, 3, 1}, data = mgd.data.xor(), init = {}, seed = 9}
    local all = mgd.train(options(opts, {replicas = 40}))
    local part = mgd.train(options(opts, {replicas = 5, replica = 30}))
    all.core:advance(50)
    part.core:advance(50)
    assert.same(all:theta()[{{30, 34}}]:totable(), part:theta():totable())
  end)
end)

describe("one thread gives the bits of two and of three", function()
  local function thetas(opts, steps)
    local first
    for threads = 1, 3 do
      local run = mgd.train(options(opts, {threads = threads}))
      local history = run:run{steps = steps, probes = {"cost", "C"}}
      local result = {run:theta():totable(), history.cost:totable(), history.C:totable()}
      first = first or result
      assert.same(first, result)
    end
  end

  for _, replicas in ipairs {1, 17, 300} do
    it(("for %d replicas"):format(replicas), function()
      thetas({net = mgd.nn.mlp{2, 3, 1}, data = mgd.data.xor(), init = {}, replicas = replicas,
        tau_theta = 5, optimizer = "adam"}, 200)
    end)
  end

  it("bug: with fewer replicas than threads, helpers kept patterns of another", function()
    for _, batch in ipairs {1, 100} do
      thetas({net = mgd.nn.mlp{2, 3, 1}, data = mgd.data.xor(), init = {}, batch = batch,
        tau_theta = 64, eta = 0.5, replicas = 2}, 200)
    end
  end)

  it("bug: threads that shared a batch also shared one buffer of patterns", function()
    for _, batch in ipairs {16, 100} do
      thetas({net = mgd.nn.mlp{2, 3, 1, dtype = "f64"}, data = mgd.data.xor{dtype = "f64"},
        init = {}, batch = batch, tau_theta = 3, eta = 0.5}, 300)
    end
  end)

  it("for a batch of 128 through 784-32-10", function()
    local set = mgd.data.from{x = mgd.rand({500, 784}, {seed = 1}):to "f32",
      y = mgd.from({500}, function(i) return i % 10 + 1 end, {dtype = "i32"}), classes = 10}
    thetas({net = mgd.nn.mlp{784, 32, 10, activation = "relu"}:init{scheme = "he_normal"},
      data = set,
      cost = "cross_entropy", batch = 128, baseline = "two-sided", tau_theta = 3,
      perturbation = {amplitude = 1e-3}}, quick and 9 or 60)
  end)
end)

describe("every instruction set gives the same bits", function()
  local script = [[
    local mgd = require "mgd"
    local function show(run, steps)
      local history = run:run{steps = steps, every = 20, probes = {"cost", "angle", "C_tilde"}}
      print(require("mgd.core").data.hash(run:theta(),
        history.cost, history.C_tilde, history.angle))
    end
    for _, dtype in ipairs {"f32", "f64"} do
      for _, kind in ipairs {"sigmoid", "tanh", "relu", "softplus"} do
        local net = mgd.nn.mlp{5, 7, 3, activation = kind, dtype = dtype}
        local set = mgd.data.from{x = mgd.randn{50, 5}, y = mgd.rand{50, 3}}
        for _, code in ipairs {"sequential", "walsh", "random", "sine"} do
          for _, size in ipairs {{1, 1}, {21, 1}, {2, 33}} do
            show(mgd.train{net = net, data = set,
              cost = kind == "relu" and "cross_entropy" or "mse",
              init = {}, replicas = size[1], batch = size[2], tau_theta = 4, optimizer = "adam",
              perturbation = {code = code}}, 60)
          end
        end
      end
    end
  ]]

  it("of those of this machine", function()
    support.same_on_every_isa(96, script)
  end)

  it("and an unknown one is refused by name", function()
    local out = subprocess("require 'mgd'.nn.mlp{1, 1}", "MGD_ISA=avx1024")
    assert.is_truthy(out:find("MGD_ISA=avx1024 is not available", 1, true), out)
  end)
end)

describe("MGD_THREADS that is no number of threads", function()
  for _, value in ipairs {"0", "two", "-1", "3.5", "100000"} do
    it("is refused: " .. value, function()
      local out = subprocess("local mgd = require 'mgd' "
        .. "mgd.train{net = mgd.nn.mlp{2, 1}, data = mgd.data.xor()}", "MGD_THREADS=" .. value)
      assert.is_truthy(out:find("MGD_THREADS=" .. value .. ": expected a number of threads", 1,
        true), out)
    end)
  end
end)

describe("a batch that memory cannot hold", function()
  it("is refused with the bytes that it needs, and nothing is lost", function()
    local net, set = mgd.nn.mlp{2, 1}, mgd.data.xor()
    collectgarbage()
    local before = core.base.memory().live_bytes
    support.fails("bytes for each thread", mgd.train, {net = net, data = set, batch = 4e9})
    collectgarbage()
    assert.equal(before, core.base.memory().live_bytes)
  end)
end)

describe("bug: threads that share the points of one replica", function()
  it("take memory in proportion to their number, not to its square", function()
    local set = mgd.data.nist7x7()
    local function bytes(threads)
      collectgarbage()
      collectgarbage()
      local before = core.base.memory().live_bytes
      local run = mgd.train{net = mgd.nn.mlp{49, 4, 4}, data = set, batch = 500,
        tau_theta = 4096, threads = threads}
      return core.base.memory().live_bytes - before, run
    end
    bytes(1) -- whatever is made once is made now
    local few, many = (bytes(2)), (bytes(32))
    assert.is_true(many < 1.2 * 16 * few, ("%d bytes against %d"):format(many, few))
  end)
end)
