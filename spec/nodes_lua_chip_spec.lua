-- Chips in Lua and in C that say that they have nodes: G against the network that they are, the
-- order of what is asked, runs that are resumed, and what is wrong.

local mgd = require "mgd"
local support = require "spec.support.train"

local nn = mgd.nn
local fails, options = support.fails, support.options

-- A network of two layers, once more in Lua: θ as nn has it, tanh within, and 7 nodes.
local INPUTS, HIDDEN, OUTPUTS = 3, 5, 2
local P, M = HIDDEN * (INPUTS + 1) + OUTPUTS * (HIDDEN + 1), HIDDEN + OUTPUTS

local function parts(theta)
  local first, hidden = HIDDEN * INPUTS, HIDDEN * (INPUTS + 1)
  return theta[{ { 1, first } }]:reshape { HIDDEN, INPUTS }, theta[{ { first + 1, hidden } }],
    theta[{ { hidden + 1, hidden + OUTPUTS * HIDDEN } }]:reshape { OUTPUTS, HIDDEN },
    theta[{ { hidden + OUTPUTS * HIDDEN + 1, P } }]
end

local function hidden_of(theta, x, xi)
  local w, b = parts(theta)
  local z = x:matmul(w:transpose()) + b
  return (xi and z + xi[{ {}, { 1, HIDDEN } }] or z):tanh()
end

local function evaluate(theta, x, xi)
  local _, _, w, b = parts(theta)
  local z = hidden_of(theta, x, xi):matmul(w:transpose()) + b
  return xi and z + xi[{ {}, { HIDDEN + 1, M } }] or z
end

local function products(theta, x, e)
  local first, second = e[{ {}, { 1, HIDDEN } }], e[{ {}, { HIDDEN + 1, M } }]
  local out, at = mgd.zeros { P }, 0
  for _, part in ipairs { first:transpose():matmul(x), first:sum(1),
    second:transpose():matmul(hidden_of(theta, x)), second:sum(1) } do
    out[{ { at + 1, at + part.size } }] = part:reshape { part.size }
    at = at + part.size
  end
  return out
end

local NET = nn.mlp { INPUTS, HIDDEN, OUTPUTS, activation = "tanh", output = "identity",
  dtype = "f64" }:init { seed = 2 }
local SET = { x = mgd.randn({ 20, INPUTS }, { seed = 1 }),
  y = mgd.rand({ 20, OUTPUTS }, { seed = 2 }) }

local function chip(changes)
  return mgd.chip(options({ parameters = P, nodes = M, evaluate = evaluate, products = products,
    theta = NET:theta() }, changes))
end

local function train(changes)
  local run = mgd.train(options({ data = SET, batch = 9, perturb = "nodes", seed = 5, tau_theta = 2,
    eta = 0.05, perturbation = { amplitude = 0.01 } }, changes))
  run:gradient()
  return run
end

describe("a chip in Lua with nodes", function()
  it("has the G of the network that it is", function()
    assert.equal(M, chip().num_nodes)
    for _, baseline in ipairs { "measured", "none" } do
      for _, code in ipairs { { code = "random" }, { code = "sequential" }, { code = "gaussian" },
        { code = function(slot) return mgd.randn({ M }, { seed = slot + 1 }) end, window = 64 } } do
        local perturbation = options(code, { amplitude = 1e-3, mean_limit = code.window and 1 })
        local changes = { baseline = baseline, perturbation = perturbation, tau_theta = 1 }
        local own = train(options({ chip = chip() }, changes))
        local ideal = train(options({ net = NET }, changes))
        for _ = 1, 2 do
          own:run { steps = 1 }
          ideal:run { steps = 1 }
          -- without a baseline the ideal chip's neurons read what ξ has moved
          local bound = baseline == "none" and 0.02 or 1e-9
          assert.is_true((own:gradient() - ideal:gradient()):norm()
            < bound * ideal:gradient():norm(), baseline)
        end
      end
    end
  end)

  it("two-sided G is the gradient where every node has moved once", function()
    local run = train { chip = chip(), batch = 20, tau_theta = M, eta = 0, baseline = "two-sided",
      shuffle = false, perturbation = { code = "sequential", amplitude = 1e-4 } }
    local history = run:run { steps = M, probes = { "angle" } }
    assert.is_true(history.angle[-1] < 1e-3)
    local exact = NET:gradient(SET.x, SET.y, "mse")
    assert.is_true((run:gradient() - exact):norm() < 1e-6 * exact:norm())
  end)

  it("is asked for evaluations in the order of time, then for products", function()
    local log
    local watched = chip { evaluate = function(theta, x, xi)
      log = log .. (xi and (xi[1][1] > 0 and "+" or "-") or "0")
      assert.same({ 9, INPUTS }, x.shape)
      return evaluate(theta, x, xi)
    end, products = function(theta, x, e)
      log = log .. "p "
      assert.same({ 9, M }, e.shape)
      return products(theta, x, e)
    end }
    for baseline, pattern in pairs { measured = "^0[+-]p 0[+-]p $", none = "^[+-]p [+-]p $",
      ["two-sided"] = "^%+?%-%+?p" } do
      local run = train { chip = watched, baseline = baseline, tau_x = 2 }
      log = ""
      run:run { steps = 2, probes = {} }
      assert.is_truthy(log:find(pattern) or baseline == "two-sided"
        and log:find "^[+-][+-]p [+-][+-]p $", log)
    end
  end)

  it("learns", function()
    local run = train { chip = chip(), batch = 20, baseline = "two-sided", eta = 0.1 }
    local before = run:evaluate().cost
    run:run { steps = 300 }
    assert.is_true(run:evaluate().cost < 0.5 * before)
  end)

  it("goes on to the bit when its run is resumed, or was interrupted by an error", function()
    local path = os.tmpname()
    finally(function() os.remove(path) end)
    local straight, run = train { chip = chip() }, train { chip = chip() }
    straight:run { steps = 15 }
    run:run { steps = 7 }
    run:save(path)
    local calls = 0
    local resumed = mgd.resume(path, { chip = chip { products = function(...)
      calls = calls + 1
      return calls ~= 3 and products(...) or error "no answer"
    end } })
    fails("no answer", resumed.run, resumed, { steps = 8 })
    resumed:run { steps = 15 - resumed.steps_done }
    assert.same(straight:theta():totable(), resumed:theta():totable())
  end)

  it("says what is wrong", function()
    fails("options 'nodes' and 'products' go together", mgd.chip, { parameters = P, nodes = M,
      evaluate = evaluate })
    fails("option 'nodes' goes with 'evaluate'", mgd.chip, { net = NET, nodes = 3,
      products = products })
    fails("the protocol has no nodes yet", mgd.chip, { instrument = "tcp://localhost:1", nodes = 3,
      products = products })
    fails("unless it is made with nodes = M and products", mgd.train, { perturb = "nodes",
      data = SET, chip = mgd.chip { parameters = P, evaluate = evaluate } })
    for message, wrong in pairs {
      ["chip: products returned the shape 3: expected (32), a sum over the batch"] =
        function() return mgd.ones { 3 } end,
      ["chip: products: value 1 is nan: expected finite numbers"] =
        function() return mgd.full({ P }, 0 / 0) end,
      ["chip: products: it returned a nil: expected a tensor"] = function() end,
    } do
      local run = train { chip = chip { products = wrong } }
      fails(message, run.run, run, { steps = 1 })
    end
    fails("gate", train, { chip = chip(), gate = true })
    fails("learn", train, { chip = chip(), learn = 1 })
  end)
end)
