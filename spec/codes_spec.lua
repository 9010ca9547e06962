-- Perturbation codes: zero mean, orthogonality, independence, amplitude and norm, the angle law.

local codes = require "spec.support.codes"
local mgd = require "mgd"
local fails = require("spec.support.errors").fails_here

local quick = os.getenv "MGD_SPEC_QUICK" ~= nil
local pattern, products, off_diagonal = codes.pattern, codes.products, codes.off_diagonal

local function walsh_period(parameters)
  local m = 1
  while m < parameters + 1 do
    m = m * 2
  end
  return m
end

-- A chip of P parameters with the linear cost y = w·θ; `seen(theta)` at each evaluation.
local function linear_chip(w, seen)
  return mgd.chip{parameters = #w, evaluate = function(theta)
    if seen then
      seen(theta)
    end
    local sum = 0
    for i = 1, #w do
      sum = sum + w[i] * theta[i]
    end
    return mgd.tensor{{sum}}
  end}
end

local ONE = {x = mgd.zeros{1, 1}, y = mgd.zeros{1, 1}}

local function output(y)
  return y[1][1]
end

describe("walsh", function()
  -- Exact for every P: sums of ±1.
  it("is orthogonal with zero mean over a period, for P from 1 to 300", function()
    for p = 1, 300, quick and 13 or 1 do
      local m = walsh_period(p)
      local s = pattern("walsh", p, m)
      assert.is_true(s:abs():min() == 1 and s:abs():max() == 1)
      assert.equal(0, s:sum(1):abs():max(), "sums for P = " .. p)
      assert.is_true(products(s):allclose(mgd.eye(p) * m, {rtol = 0}), "products for P = " .. p)
    end
  end)

  it("trap: has no constant row", function()
    for p = 1, 300, quick and 13 or 1 do
      local s = pattern("walsh", p, walsh_period(p))
      assert.is_true(s:min(1):max() == -1 and s:max(1):min() == 1, "P = " .. p)
    end
  end)

  it("is (−1)^popcount((i + 1) & k)", function()
    local p, slots = 37, 150
    local s = pattern("walsh", p, slots):totable()
    for k = 0, slots - 1 do
      for i = 0, p - 1 do
        local a, b, sign = i + 1, k % 64, 1
        while a > 0 and b > 0 do
          sign = a % 2 == 1 and b % 2 == 1 and -sign or sign
          a, b = math.floor(a / 2), math.floor(b / 2)
        end
        assert.equal(sign, s[k + 1][i + 1])
      end
    end
  end)

  it("repeats after its period, or flips with alternate", function()
    local s = pattern("walsh", 9, 64)
    assert.same(s[{{1, 16}}]:totable(), s[{{17, 32}}]:totable())
    local flipped = pattern({code = "walsh", alternate = true}, 9, 64)
    assert.same(s[{{1, 16}}]:totable(), flipped[{{1, 16}}]:totable())
    assert.same((-s[{{17, 32}}]):totable(), flipped[{{17, 32}}]:totable())
    assert.same(s[{{33, 48}}]:totable(), flipped[{{33, 48}}]:totable())
  end)
end)

describe("sequential", function()
  it("perturbs one parameter after the other, in natural order", function()
    for _, p in ipairs {1, 2, 3, 9, 16, 17, 220} do
      local s = pattern("sequential", p, 2 * p)
      assert.is_true(s[{{1, p}}]:allclose(mgd.eye(p), {rtol = 0}))
      assert.is_true(s[{{p + 1, 2 * p}}]:allclose(mgd.eye(p), {rtol = 0}))
    end
  end)

  it("shuffled visits every parameter once in a period, in another order for another seed",
    function()
      local code = {code = "sequential", order = "shuffled"}
      for p = 1, 300, quick and 29 or 7 do
        local s = pattern(code, p, p)
        assert.equal(p, s:sum())
        assert.is_true(s:sum(1):min() == 1 and s:sum(2):min() == 1)
        assert.same(s:totable(), pattern(code, p, p, {first = p}):totable())
      end
      local a, b = pattern(code, 40, 40), pattern(code, 40, 40, {seed = 2})
      assert.is_false(a:allclose(b))
      assert.is_false(a:allclose(mgd.eye(40)))
    end)

  it("trap: visits all parameters whatever P is", function()
    for p = 1, 64 do
      assert.is_true(pattern("sequential", p, p):sum(1):min() == 1)
    end
  end)
end)

describe("random", function()
  -- A sum of K signs is 0 ± √K. Five and a half deviations leave 4e-8 for each of up to 45,000
  -- pairs. The sizes surround those at which the bits of a Philox block are shared out anew.
  local slots = quick and 1024 or 4096
  local bound = 5.5 * math.sqrt(slots)

  for _, p in ipairs {1, 2, 3, 4, 5, 8, 9, 16, 33, 64, 65, 127, 128, 129, 300} do
    it("is fair and independent across parameters and slots, P = " .. p, function()
      local s = pattern("random", p, slots)
      assert.is_true(s:abs():min() == 1 and s:abs():max() == 1)
      assert.is_true(s:sum(1):abs():max() < bound)
      assert.is_true(off_diagonal(products(s)) < bound)
      for lag = 1, 3 do
        local later = s[{{1 + lag, slots}}]
        local cross = s[{{1, slots - lag}}]:transpose():matmul(later)
        assert.is_true(cross:abs():max() < bound)
      end
    end)
  end

  it("is independent across replicas and seeds", function()
    for _, other in ipairs {{replica = 2}, {replica = 3}, {seed = 2}} do
      local s, t = pattern("random", 20, slots), pattern("random", 20, slots, other)
      assert.is_true(s:transpose():matmul(t):abs():max() < bound)
    end
  end)

  it("can be derived again from any slot on", function()
    for _, p in ipairs {1, 5, 100, 129, 300} do
      for _, sparsity in ipairs {0, 0.3} do
        local code = {code = "random", sparsity = sparsity}
        local s = pattern(code, p, 80)
        assert.same(s[{{38, 80}}]:totable(), pattern(code, p, 43, {first = 37}):totable())
      end
    end
  end)

  -- The fraction of zeros is binomial: ± √(s(1 − s)/n), four of them.
  for _, sparsity in ipairs {0.1, 0.5, 0.9} do
    it("with sparsity " .. sparsity .. " has that share of zeros and fair signs", function()
      local p = 50
      local s = pattern({code = "random", sparsity = sparsity}, p, slots)
      local n = p * slots
      local share = 1 - s:abs():mean()
      assert.is_true(math.abs(share - sparsity) < 4 * math.sqrt(sparsity * (1 - sparsity) / n))
      assert.is_true(math.abs(s:sum()) < 4 * math.sqrt(n * (1 - sparsity)))
      assert.is_true(s:max() == 1 and s:min() == -1)
      local q = math.sqrt(slots) * (1 - sparsity)
      assert.is_true(off_diagonal(products(s)) < 5.5 * q + 10)
    end)
  end
end)

describe("sine", function()
  -- Sums of up to 1,024 products, each within 1e-15, and phases within 2^-64·1024 of a cycle.
  for _, case in ipairs {{1, 3}, {1, 64}, {4, 9}, {9, 20}, {9, 64}, {100, 256}, {220, 1024}} do
    local p, k = case[1], case[2]
    it(("is orthogonal on the integer bins of a window, P = %d, K = %d"):format(p, k), function()
      for first = 0, 2 * k, k do
        local s = pattern("sine", p, k, {tau_theta = k, first = first})
        assert.is_true(s:sum(1):abs():max() < 1e-9)
        assert.is_true((products(s) - mgd.eye(p) * (k / 2)):abs():max() < 1e-9)
      end
    end)
  end

  it("is orthogonal over windows of slots, τ_p > 1", function()
    local s = pattern("sine", 5, 16, {tau_p = 4, tau_theta = 64})
    assert.is_true((products(s) - mgd.eye(5) * 8):abs():max() < 1e-12)
  end)

  it("gives every parameter a frequency of its own, with or without room for bins", function()
    for _, tau_theta in ipairs {1, 10, 1000} do
      local n, p = 4096, 6
      local s = pattern("sine", p, n, {tau_theta = tau_theta})
      -- over 4,096 slots neighbours 1/14 of a cycle or 1/1000 apart decorrelate
      assert.is_true(off_diagonal(products(s)) < 0.1 * n / 2)
    end
  end)

  it("stays in its band, both ends included", function()
    local n, low, high = 3000, 0.05, 0.11
    local s = pattern({code = "sine", low = low, high = high}, 4, n)
    for i = 1, 4 do
      -- a sine s obeys s[k + 1] + s[k − 1] = 2·cos(2πf)·s[k]
      local column = s[{{1, n}, i}]
      local sum = column[{{3, n}}] + column[{{1, n - 2}}]
      local middle = column[{{2, n - 1}}]
      local f = math.acos(sum:dot(middle) / middle:dot(middle) / 2) / (2 * math.pi)
      assert.is_true(math.abs(f - (low + (i - 1) * (high - low) / 3)) < 1e-9)
    end
  end)

  it("refuses a band that holds a constant, or that aliases", function()
    local function run(low, high, tau_p)
      return mgd.codes.pattern({code = "sine", low = low, high = high},
        {parameters = 3, slots = 4, tau_p = tau_p})
    end
    fails("option 'low' must be a number > 0, got 0", run, 0, 0.2)
    fails("0 < low < high < 0.5", run, 0.1, 0.5)
    fails("0 < low < high < 0.125", run, 0.1, 0.2, 4)
    fails("0 < low < high < 0.5", run, 0.2, 0.1)
  end)
end)

describe("trap: equal-shaped layers with the same perturbations", function()
  for _, code in ipairs {"walsh", "random", "sine", "sequential"} do
    it("do not happen with " .. code, function()
      -- 2-2-2-2: three layers of six parameters
      local s = pattern(code, 18, 64, {tau_theta = 64})
      for i = 1, 18 do
        for j = i + 1, 18 do
          assert.is_false(s[{{1, 64}, i}]:allclose(s[{{1, 64}, j}]))
        end
      end
    end)
  end
end)

describe("amplitude and norm", function()
  -- The chip sees θ + θ̃ at θ = 0, so Σ θ̃² over a period can be taken exactly; for sparse codes it
  -- is binomial: 2,000 draws of 7 parameters, four deviations are 1.7 % of Δ².
  local p = 7
  local cases = {
    {name = "sequential", code = {code = "sequential"}, steps = p, square = 1},
    {name = "walsh", code = {code = "walsh"}, steps = 8, square = p},
    {name = "random", code = {code = "random"}, steps = 20, square = p},
    {name = "sine", code = {code = "sine"}, steps = 32, square = p / 2},
    {name = "sparse random", code = {code = "random", sparsity = 0.25}, steps = 2000,
     square = 0.75 * p, tolerance = 0.02},
  }

  local function measured(case, key, value)
    local sum, count = 0, 0
    local chip = linear_chip({0, 0, 0, 0, 0, 0, 0}, function(theta)
      sum, count = sum + theta:dot(theta), count + 1
    end)
    local code = {[key] = value}
    for name, option in pairs(case.code) do
      code[name] = option
    end
    local run = mgd.train{chip = chip, data = ONE, perturbation = code, baseline = "none", eta = 0,
      tau_theta = case.steps}
    run.core:advance(case.steps)
    assert.equal(case.steps, count)
    return sum / count
  end

  for _, case in ipairs(cases) do
    it("of " .. case.name .. " give the same Δ", function()
      local tolerance = case.tolerance or 1e-12
      local a = 0.03
      local square = measured(case, "amplitude", a)
      assert.is_true(math.abs(square / (a * a * case.square) - 1) < tolerance)
      local delta = 0.2
      assert.is_true(math.abs(measured(case, "norm", delta) / delta ^ 2 - 1) < tolerance)
    end)
  end
end)

describe("the angle law of the random code", function()
  -- cos of the angle between G and ∇C for a linear cost, P = 20. 200 replicas of one window each:
  -- the mean cosine scatters by s/√200, s taken from the sample; the law is the ratio of means, off
  -- from the mean of ratios by order 1/P of 1 − cos²: 0.02.
  local p, replicas = 20, quick and 50 or 200
  local w = {}
  for i = 1, p do
    w[i] = math.sin(i * i)
  end
  local norm = mgd.tensor(w):norm()

  for _, k in ipairs {1, 5, 20, 80} do
    it(("is √(K/(K + P − 1)) for K = %d"):format(k), function()
      local run = mgd.train{chip = linear_chip(w), data = ONE, cost = output, eta = 0,
        tau_theta = k, replicas = replicas, perturbation = {code = "random", amplitude = 0.01},
        baseline = "none", seed = 5}
      run:gradient()
      run.core:advance(k)
      local g = run:gradient()
      local sum, squares = 0, 0
      for r = 1, replicas do
        local cosine = g[r]:dot(mgd.tensor(w)) / (g[r]:norm() * norm)
        sum, squares = sum + math.abs(cosine), squares + cosine * cosine
      end
      local law = math.sqrt(k / (k + p - 1))
      local rms = math.sqrt(squares / replicas)
      local deviation = math.sqrt(squares / replicas - (sum / replicas) ^ 2)
      assert.is_true(math.abs(rms - law) < 4 * deviation / math.sqrt(replicas) + 0.02,
        ("rms cosine %g, law %g"):format(rms, law))
    end)
  end

  it("holds for a network with a nearly linear cost, in lanes", function()
    -- One output of a dense layer under mse: C̃ = 2(y − ŷ)·x·θ̃ + (x·θ̃)². 512 replicas.
    local net = mgd.nn.mlp{20, 1, dtype = "f64"}
    local run = mgd.train{net = net,
      data = {x = mgd.randn({1, 20}, {seed = 3}), y = mgd.ones{1, 1}},
      eta = 0, tau_theta = 40, replicas = 512, perturbation = {amplitude = 1e-5}, seed = 6}
    local history = run:run{steps = 40, probes = {"angle"}}
    local squares = 0
    for r = 1, 512 do
      squares = squares + math.cos(math.rad(history.angle[2][r])) ^ 2
    end
    local law = 40 / (40 + 21 - 1)
    -- cos² scatters by at most ½·√(1/P): 0.11, over √512 of them, four deviations: 0.02
    assert.is_true(math.abs(squares / 512 - law) < 0.02 + 0.02)
  end)
end)

describe("bad codes", function()
  it("are errors at the caller's line", function()
    fails("(did you mean 'walsh'?)", pattern, "wals", 3, 4)
    fails("(did you mean 'amplitude'?)", pattern, {code = "walsh", amplitud = 1}, 3, 4)
    fails("option 'sparsity' must be in [0, 1), got 1", pattern,
      {code = "random", sparsity = 1}, 3, 4)
    fails("'low' and 'high' go together", pattern, {code = "sine", low = 0.1}, 3, 4)
    fails("expected one of them", pattern, {amplitude = 1, norm = 1}, 3, 4)
    fails("option 'parameters' must be an integer ≥ 1, got 0", pattern, "walsh", 0, 4)
    fails("option 'slots' must be an integer ≥ 1, got 0", pattern, "walsh", 3, 0)
    fails("option 'seed' must be", pattern, "random", 3, 4, {seed = 2 ^ 60})
  end)
end)
