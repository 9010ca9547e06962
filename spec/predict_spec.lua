-- What a trained chip answers: run:predict and run:confusion.

local mgd = require "mgd"
local hw = mgd.hw

local function network(outputs)
  return mgd.nn.mlp { 2, 3, outputs or 1, activation = "sigmoid", output = "sigmoid" }
end

local function train(changes)
  local opt = { data = mgd.data.xor(), seed = 5, tau_theta = 4, eta = 1,
    init = { scheme = "uniform" },
    perturbation = { amplitude = 0.1 } }
  for key, value in pairs(changes) do
    opt[key] = value
  end
  return mgd.train(opt)
end

local function same(a, b)
  return a:allclose(b, { rtol = 0, atol = 0 })
end

local function imperfect(net)
  return mgd.chip { net = net, seed = 7, weights = { hw.levels { bits = 5, low = -4, high = 4 },
    hw.read_noise { sigma = 0.05 } }, neurons = hw.neuron_spread { sigma = 0.2 },
    output = { hw.path { lowpass = 3 }, hw.noise { sigma = 0.01 } },
    cost = hw.noise { sigma = 0.01 } }
end

local X = mgd.tensor { { 0, 1 }, { 1, 1 }, { 0.3, -2 } }

describe("run:predict", function()
  it("gives what the network with the trained parameters gives", function()
    local net = network()
    local run = train { net = net }
    run:run { steps = 50 }
    local y = run:predict(X)
    assert.same({ 3, 1 }, y.shape)
    assert.is_true(same(y, net:set_theta(run:theta()):forward(X)))
    assert.is_true(same(y, run:predict { { 0, 1 }, { 1, 1 }, { 0.3, -2 } }))
  end)

  for _, replicas in ipairs { 3, 40 } do
    it(("gives (R, B, O) for %d replicas, each as its single run does"):format(replicas), function()
      for _, chip in ipairs { mgd.chip { net = network() }, imperfect(network()) } do
        local run = train { chip = chip, replicas = replicas }
        run:run { steps = 30 }
        local y = run:predict(X)
        assert.same({ replicas, 3, 1 }, y.shape)
        for _, r in ipairs { 1, replicas } do
          local one = train { chip = chip, replica = r }
          one:run { steps = 30 }
          assert.is_true(same(y[r], one:predict(X)))
        end
      end
    end)
  end

  it("sees the chip settled and without noise: its mse is what evaluate says", function()
    for _, replicas in ipairs { 1, 20 } do
      local run = train { chip = imperfect(network()), replicas = replicas, batch = 2 }
      run:run { steps = 30 }
      local set = mgd.data.xor()
      local cost = run:evaluate(set).cost
      for r = 1, replicas do
        local y = run:predict(set.x)
        local off = ((replicas > 1 and y[r] or y) - set.y):to "f64"
        local expected = replicas > 1 and cost[r] or cost
        assert.is_true(math.abs((off * off):mean() - expected) < 1e-6)
      end
      assert.is_true(same(run:predict(set.x), run:predict(set.x)))
    end
  end)

  it("draws noise anew at each call, where there is any", function()
    local run = train { chip = imperfect(network()), replicas = 2 }
    run:run { steps = 10 }
    local sum, squares, n = 0, 0, 400
    local first = run:predict(X, { noise = true })
    assert.is_false(same(first, run:predict(X, { noise = true })))
    assert.is_false(same(first[1], first[2]))
    local plain = mgd.chip { net = network(), output = hw.noise { sigma = 0.01 } }
    local noisy = train { chip = plain }
    local still = noisy:predict(X):to "f64"
    for _ = 1, n do
      local off = noisy:predict(X, { noise = true }):to "f64" - still
      sum, squares = sum + off:sum(), squares + (off * off):sum()
    end
    -- 3·400 normal numbers of σ = 0.01: five standard errors
    assert.is_true(math.abs(sum / (3 * n)) < 5 * 0.01 / math.sqrt(3 * n))
    assert.is_true(math.abs(squares / (3 * n) / 1e-4 - 1) < 5 * math.sqrt(2 / (3 * n)))
    local ideal = train { net = network() }
    assert.is_true(same(ideal:predict(X), ideal:predict(X, { noise = true })))
  end)

  it("changes nothing of the run", function()
    local function run_of(looks, replicas)
      local run = train { chip = imperfect(network()), replicas = replicas }
      for _ = 1, 4 do
        run:run { steps = 7 }
        if looks then
          run:predict(X)
          run:predict(X, { noise = true })
          run:confusion()
        end
      end
      return run:theta()
    end
    assert.is_true(same(run_of(true, 1), run_of(false, 1)))
    assert.is_true(same(run_of(true, 20), run_of(false, 20)))
  end)

  it("asks chips that are functions, in parts of a thousand", function()
    local sizes = {}
    local chip = mgd.chip { parameters = 2, evaluate = function(theta, x)
      sizes[#sizes + 1] = x.shape[1]
      return x * theta[1] + theta[2]
    end, theta = mgd.tensor { 2, 1 } }
    local run = mgd.train { chip = chip,
      data = { x = mgd.tensor { { 1 } }, y = mgd.tensor { { 1 } } },
      perturbation = { amplitude = 0.1 } }
    sizes = {}
    local x = mgd.rand({ 2500, 1 }, { seed = 1 })
    assert.is_true(same(run:predict(x), x * 2 + 1))
    assert.same({ 1000, 1000, 500 }, sizes)
  end)

  it("works where the cost is a function, and with an answer for every step", function()
    local run = train { net = network(), cost = function(y, target)
      return ((y - target) * (y - target)):mean()
    end }
    assert.same({ 3, 1 }, run:predict(X).shape)
    local rnn = mgd.nn.sequential { input = { 5, 2 }, mgd.nn.elman { 3, output = "all" } }
    local many = mgd.train { net = rnn, data = mgd.data.sequences { x = mgd.rand { 4, 5, 2 },
      y = mgd.rand { 4, 5, 3 } }, perturbation = { amplitude = 0.1 }, replicas = 2 }
    assert.same({ 2, 4, 5, 3 }, many:predict(mgd.rand { 4, 5, 2 }).shape)
  end)

  it("refuses what does not fit, at the caller's line", function()
    local run = train { net = network() }
    for _, case in ipairs {
      { { mgd.zeros { 3, 5 } }, "x has shape 3x5" }, { { "x" }, "expected a tensor of inputs" },
      { { mgd.data.xor() }, "got a data set: its inputs are its field x" },
      { { mgd.tensor { { 0, 0 / 0 } } }, "run:predict: x" }, { { X, { nois = true } }, "noise" },
    } do
      local ok, message = pcall(run.predict, run, case[1][1], case[1][2])
      assert.is_false(ok)
      assert.is_truthy(message:find(case[2], 1, true), message)
      assert.is_truthy(message:find("predict_spec.lua", 1, true), message)
    end
  end)
end)

-- Counted one by one.
local function confusion(y, targets, classes)
  local rows = {}
  for i = 1, classes do
    rows[i] = {}
    for k = 1, classes do
      rows[i][k] = 0
    end
  end
  local function class(row)
    if #row == 1 then
      return row[1] > 0.5 and 2 or 1
    end
    local best = 1
    for k, value in ipairs(row) do
      best = value > row[best] and k or best
    end
    return best
  end
  for i, row in ipairs(targets:totable()) do
    local wanted, answered = class(row), class(y[i]:totable())
    rows[wanted][answered] = rows[wanted][answered] + 1
  end
  return rows
end

describe("run:confusion", function()
  it("counts true classes by rows and answers by columns", function()
    local set = mgd.data.from { x = mgd.randn({ 1500, 2 }, { seed = 2 }), classes = 3,
      y = mgd.from({ 1500 }, function(i) return i % 3 + 1 end):to "i32" }
    local run = train { chip = imperfect(network(3)), data = set, replicas = 2 }
    run:run { steps = 20 }
    local counted, y = run:confusion(), run:predict(set.x)
    assert.same({ 2, 3, 3 }, counted.shape)
    for r = 1, 2 do
      assert.same(confusion(y[r], set.y, 3), counted[r]:totable())
      local right = counted[r][1][1] + counted[r][2][2] + counted[r][3][3]
      assert.is_true(math.abs(right / 1500 - run:evaluate().accuracy[r]) < 1e-9)
    end
  end)

  it("takes one output for two classes, and the test set where there is one", function()
    local xor = mgd.data.xor()
    local run = train { net = network(), data = mgd.data.from { x = xor.x, y = xor.y,
      test = { x = mgd.tensor { { 0, 0 }, { 1, 0 }, { 1, 1 } },
        y = mgd.tensor { { 0 }, { 1 }, { 0 } } } } }
    local counted = run:confusion()
    assert.same({ 2, 2 }, counted.shape)
    assert.equal(3, counted:sum())
    assert.same(confusion(run:predict(xor.x), xor.y, 2), run:confusion(xor):totable())
    assert.is_truthy(tostring(counted):find("tensor 2×2 i32", 1, true))
  end)

  it("names itself where it gets no data set, as run:evaluate does", function()
    local run = train { net = network() }
    for _, name in ipairs { "confusion", "evaluate" } do
      for _, given in ipairs { X, { { 0, 1 } }, "xor", 3 } do
        local ok, message = pcall(run[name], run, given)
        assert.is_false(ok)
        assert.is_truthy(message:find("run:" .. name
          .. ": expected a data set, or {x =, y =}, got ", 1, true), message)
      end
    end
  end)
end)
