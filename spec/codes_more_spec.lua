-- The codes gaussian and brownian, sparse variants, uneven amplitudes: mean, variance,
-- correlation; the same bits everywhere; the angle falls for every code; mgd.codes.check.

local codes = require "spec.support.codes"
local mgd = require "mgd"
local files = require "spec.support.idx_files"
local support = require "spec.support.train"

local quick = os.getenv "MGD_SPEC_QUICK" ~= nil
local fails, options = support.fails, support.options
local pattern, products, off_diagonal = codes.pattern, codes.products, codes.off_diagonal

-- A chip with the cost y = w·θ; `seen(theta)` at each evaluation.
local function linear_chip(w, seen)
  return mgd.chip{parameters = w.size, evaluate = function(theta)
    if seen then
      seen(theta)
    end
    return mgd.full({1, 1}, w:dot(theta))
  end}
end

local ONE = {x = mgd.zeros{1, 1}, y = mgd.zeros{1, 1}}

local function output(y)
  return y[1][1]
end

-- G after one window of `slots` on the linear cost w·θ.
local function gradient(code, w, slots, more)
  local run = mgd.train(options({chip = linear_chip(w), data = ONE, cost = output, eta = 0,
    tau_theta = slots, tau_x = slots, perturbation = code}, more))
  run:gradient()
  run.core:advance(slots)
  return run:gradient()
end

local function angle(a, b)
  return math.deg(math.acos(math.min(1, a:dot(b) / (a:norm() * b:norm()))))
end

-- ---- gaussian -----------------------------------------------------------------------------------

describe("gaussian", function()
  -- n numbers: their mean scatters by 1/√n, their mean square by √(2/n), their mean fourth power,
  -- 3, by √(96/n). Five deviations.
  local slots, p = quick and 1024 or 4096, 37
  local n = slots * p

  it("has the moments of N(0, 1)", function()
    local s = pattern("gaussian", p, slots)
    assert.is_true(math.abs(s:mean()) < 5 / math.sqrt(n))
    assert.is_true(math.abs((s ^ 2):mean() - 1) < 5 * math.sqrt(2 / n))
    assert.is_true(math.abs((s ^ 4):mean() - 3) < 5 * math.sqrt(96 / n))
    assert.is_true(s:max() > 3.5 and s:min() < -3.5)
  end)

  -- Each sum of K products scatters by √K; 5.5 deviations for up to 5,000 of them.
  it("is independent between parameters, slots, replicas and seeds", function()
    local s, bound = pattern("gaussian", p, slots), 5.5 * math.sqrt(slots)
    assert.is_true(off_diagonal(products(s)) < bound)
    for lag = 1, 2 do
      local cross = s[{{1, slots - lag}}]:transpose():matmul(s[{{1 + lag, slots}}])
      assert.is_true(cross:abs():max() < bound)
    end
    for _, other in ipairs {{replica = 2}, {seed = 2}} do
      local cross = s:transpose():matmul(pattern("gaussian", p, slots, other))
      assert.is_true(cross:abs():max() < bound)
    end
  end)
end)

-- ---- brownian -----------------------------------------------------------------------------------

describe("brownian", function()
  for _, length in ipairs {2, 5, 16, 31, 32} do
    local code = {code = "brownian", length = length}

    it(("with L = %d moves by 0 or ±2/√L within ±√L, and takes each step back"):format(length),
      function()
        local root, slots, p = math.sqrt(length), 200, 21
        local s = (pattern(code, p, slots) * root):totable()
        for i = 1, p do
          for k = 1, slots do
            assert.is_true(math.abs(s[k][i]) <= length + 1e-9)
            local half = (s[k][i] + length) / 2
            assert.is_true(math.abs(half - math.floor(half + 0.5)) < 1e-9)
            local step = k > 1 and (s[k][i] - s[k - 1][i]) / 2 or 0
            assert.is_true(math.abs(step) < 1e-9 or math.abs(math.abs(step) - 1) < 1e-9)
          end
        end
      end)

    -- Over K slots the sum of s_k·s_{k+d} scatters by at most √(K·2L/3) or so; over all of the
    -- parameters by that over √P. Five deviations.
    it(("with L = %d is correlated by 1 − d/L"):format(length), function()
      local slots, p = quick and 1000 or 3000, 64
      local s = pattern(code, p, slots)
      for _, lag in ipairs {0, 1, math.floor(length / 2), length, length + 3} do
        local count = slots - lag
        local found = (s[{{1, count}}] * s[{{1 + lag, slots}}]):mean()
        local expected = math.max(0, 1 - lag / length)
        assert.is_true(math.abs(found - expected) < 5 * math.sqrt(2 * length / (count * p)),
          ("lag %d: %g, expected %g"):format(lag, found, expected))
      end
      assert.is_true(math.abs(s:mean()) < 5 * math.sqrt(length / (slots * p)))
    end)
  end

  -- 20,000 parameters: the mean square, whose fourth moment is 3 − 2/L, scatters by √(2/20000).
  it("has its variance of 1 from slot 0 on, and later", function()
    for _, first in ipairs {0, 1, 31, 32, 1000003} do
      local s = pattern("brownian", 20000, 1, {first = first})
      assert.is_true(math.abs((s ^ 2):mean() - 1) < 5 * math.sqrt(2 / 20000))
    end
  end)
end)

-- ---- any slot, sparse ---------------------------------------------------------------------------

local DRAWN = {
  {code = "gaussian"}, {code = "brownian"}, {code = "brownian", length = 7}, {code = "lfsr"},
  {code = "gaussian", sparsity = 0.3}, {code = "brownian", sparsity = 0.3},
  {code = "lfsr", sparsity = 0.3}, {code = "gaussian", amplitude_spread = 0.2},
  {code = "random", amplitude_spread = 0.2}, {code = "walsh", amplitude_spread = 0.2},
}

describe("every code", function()
  it("can be derived again from any slot on", function()
    for _, code in ipairs(DRAWN) do
      for _, p in ipairs {1, 5, 100, 129} do
        local s = pattern(code, p, 80)
        assert.same(s[{{38, 80}}]:totable(), pattern(code, p, 43, {first = 37}):totable())
      end
    end
  end)

  it("gives a parameter the same values whatever others there are", function()
    for _, code in ipairs {"gaussian", "brownian"} do
      local all = pattern(code, 150, 40)
      assert.same(all[{{1, 40}, {1, 61}}]:totable(), pattern(code, 61, 40):totable())
    end
  end)
end)

describe("sparse codes", function()
  -- Zeros are binomial, ±√(s(1 − s)/n); the mean square of what is left scatters by at most
  -- √(3(1 − s)/n). Four and five deviations. Brownian values are 0 by themselves, too.
  for _, code in ipairs {"gaussian", "brownian", "lfsr"} do
    for _, sparsity in ipairs {0.25, 0.9} do
      it(("%s with sparsity %g"):format(code, sparsity), function()
        local p, slots = 50, 3000
        local n = p * slots
        local dense = pattern(code, p, slots)
        local s = pattern({code = code, sparsity = sparsity}, p, slots)
        local kept = mgd.from({slots, p}, function(k, i)
          return s[k][i] ~= 0 and 1 or 0
        end)
        assert.is_true((kept * (s - dense)):abs():max() == 0)
        local alive = mgd.from({slots, p}, function(k, i)
          return dense[k][i] ~= 0 and 1 or 0
        end):sum()
        local share = 1 - kept:sum() / alive
        assert.is_true(math.abs(share - sparsity)
          < 4 * math.sqrt(sparsity * (1 - sparsity) / alive))
        local length = code == "brownian" and 16 or 1
        assert.is_true(math.abs((s ^ 2):mean() - (1 - sparsity))
          < 5 * math.sqrt(3 * length * (1 - sparsity) / n))
      end)
    end
  end

  -- G of a linear cost: 400 replicas of a window of 48; each entry scatters by |w|/√48 or so, more
  -- with zeros, over √400 of them; five deviations of the scatter that is seen. So the scale of G
  -- is that of ∂C/∂θ.
  for _, code in ipairs {
    {code = "gaussian", sparsity = 0.5}, {code = "lfsr", sparsity = 0.5, balanced = true},
    {code = "brownian", sparsity = 0.5}, {code = "random", sparsity = 0.5}, {code = "gaussian"},
    {code = "brownian"},
  } do
    it(("leave G unbiased: %s, sparsity %g"):format(code.code, code.sparsity or 0), function()
      local w, replicas = mgd.tensor{0.5, -1, 2, 0.1, -0.3}, quick and 100 or 400
      local g = gradient(code, w, 48, {replicas = replicas})
      local deviation = g:var(1):sqrt() / math.sqrt(replicas)
      assert.is_true(((g:mean(1) - w):abs() / deviation):max() < 5)
    end)
  end
end)

-- ---- amplitudes ---------------------------------------------------------------------------------

describe("amplitudes", function()
  local net = mgd.nn.mlp{2, 2, 1, dtype = "f64"} -- 4 + 2 and 2 + 1 parameters

  -- θ̃ of the first slots, as the chip sees it at θ = 0.
  local function seen(perturbation, p, slots, more)
    local rows = mgd.zeros{slots, p}
    local k = 0
    local chip = linear_chip(mgd.zeros{p}, function(theta)
      k = k + 1
      rows[k] = theta
    end)
    local run = mgd.train(options({chip = chip, data = ONE, perturbation = perturbation,
      baseline = "none", eta = 0, tau_theta = slots}, more))
    run.core:advance(slots)
    return rows
  end

  it("by layer are those of the layers, in the order of θ", function()
    local function g(perturbation)
      local run = mgd.train{net = net:init{seed = 1}, data = mgd.data.xor{dtype = "f64"}, eta = 0,
        tau_theta = 16, tau_x = 16, perturbation = perturbation}
      run:gradient()
      run.core:advance(16)
      return run:gradient()
    end
    local by_layer = g{code = "walsh", amplitudes = {1e-3, 2e-3}}
    local all = mgd.tensor{1e-3, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3, 2e-3, 2e-3, 2e-3}
    assert.same(by_layer:totable(), g{code = "walsh", amplitudes = all}:totable())
    -- and a factor of amplitude, which is 1 without: G holds the same numbers but for rounding
    local scaled = g{code = "walsh", amplitude = 1e-3, amplitudes = {1, 2}}
    assert.is_true(by_layer:allclose(scaled, {rtol = 1e-9, atol = 1e-12}))
  end)

  it("are what the chip sees", function()
    local factors = mgd.tensor{1, 0.5, 3, 0.25, 2}
    for _, code in ipairs {"walsh", "random", "gaussian", "sine", "lfsr"} do
      local perturbation = {code = code, amplitude = 0.01}
      local plain = seen(perturbation, 5, 20)
      perturbation.amplitudes = factors
      assert.is_true(seen(perturbation, 5, 20):allclose(plain * factors, {rtol = 1e-12}))
    end
  end)

  it("leave G what it is: exact over a period of walsh, whatever they are", function()
    local w = mgd.tensor{1, -2, 0.5, 3, 0.1, -0.7, 1, 2, -1}
    local factors = mgd.tensor{1, 2, 3, 4, 5, 0.1, 0.2, 0.3, 7}
    for _, more in ipairs {{amplitudes = factors}, {amplitude_spread = 0.5},
      {amplitudes = factors, amplitude_spread = 0.2}} do
      local g = gradient(options({code = "walsh"}, more), w, 16)
      assert.is_true(g:allclose(w, {rtol = 1e-9, atol = 1e-9}))
    end
  end)

  it("under the published convention are in e twice: Σ C̃·θ̃_i/Δ²", function()
    local w, factors = mgd.tensor{1, -2, 0.5}, mgd.tensor{1, 2, 4}
    local g = gradient({code = "walsh", amplitudes = factors * 0.01}, w, 8,
      {convention = "published"})
    -- Σ_k C̃·θ̃_i over two periods of 4 = 8·a_i²·w_i; Δ² = Σ a_i²
    local square = (factors * factors):sum()
    assert.is_true(g:allclose(w * factors * factors * (8 / square), {rtol = 1e-9}))
  end)

  it("with a norm give that Δ", function()
    local factors = mgd.tensor{1, 0.5, 3, 0.25, 2}
    local rows = seen({code = "walsh", norm = 0.2, amplitudes = factors}, 5, 8)
    assert.is_true(math.abs((rows * rows):sum(2):mean() / 0.04 - 1) < 1e-12)
  end)

  -- 20,000 factors e^{σz − σ²}: mean square 1 ± √(e^{4σ²} − 1)/√n, mean of ln −σ², deviation σ.
  it("with a spread are lognormal, of mean square 1, fixed for each replica", function()
    local sigma, p = 0.3, 20000
    local code = {code = "walsh", amplitude_spread = sigma}
    local s = pattern(code, p, 3):abs()
    assert.is_true(s[1]:allclose(s[2], {rtol = 1e-12}) and s[1]:allclose(s[3], {rtol = 1e-12}))
    local deviation = math.sqrt((math.exp(4 * sigma ^ 2) - 1) / p)
    assert.is_true(math.abs((s[1] ^ 2):mean() - 1) < 5 * deviation)
    local log = s[1]:log()
    assert.is_true(math.abs(log:mean() + sigma ^ 2) < 5 * sigma / math.sqrt(p))
    assert.is_true(math.abs(log:var() / sigma ^ 2 - 1) < 5 * math.sqrt(2 / p))
    assert.is_false(s[1]:allclose(pattern(code, p, 1, {replica = 2})[1]:abs()))
  end)

  it("that cannot be are refused", function()
    local set = mgd.data.xor()
    local function train(perturbation)
      return mgd.train{net = net, data = set, perturbation = perturbation}
    end
    fails("amplitudes: 3 numbers: expected 2, one for each layer with parameters",
      train, {amplitudes = {1, 2, 3}})
    fails("option 'layer 2' must be a number > 0, got 0", train, {amplitudes = {1, 0}})
    fails("expected shape (9), one value for each parameter", train, {amplitudes = mgd.ones{8}})
    fails("amplitudes: value 9 is 0: expected more than 0", train,
      {amplitudes = mgd.tensor{1, 1, 1, 1, 1, 1, 1, 1, 0}})
    fails("amplitudes: value 1 is nan", train, {amplitudes = mgd.full({9}, 0 / 0)})
    fails("no layers are known here: expected a tensor (P)", mgd.train,
      {chip = linear_chip(mgd.ones{2}), data = ONE, perturbation = {amplitudes = {1, 2}}})
    fails("option 'amplitude_spread' must be a number ≥ 0 and ≤ 1, got 2", train,
      {amplitude_spread = 2})
    fails("no effect with code = 'walsh': it belongs to code = 'random', 'gaussian', "
      .. "'brownian' or 'lfsr'", train, {code = "walsh", sparsity = 0.5})
    fails("option 'length' must be an integer ≥ 2 and ≤ 32, got 33", train,
      {code = "brownian", length = 33})
  end)
end)

-- ---- the same bits ------------------------------------------------------------------------------

local BITS = {
  {code = "gaussian"}, {code = "brownian", length = 9}, {code = "lfsr", alternate = true},
  {code = "lfsr", balanced = true}, {code = "gaussian", sparsity = 0.4},
  {code = "brownian", sparsity = 0.4}, {code = "lfsr", sparsity = 0.4},
  {code = "random", amplitudes = {0.02, 0.01}},
  {code = "random", sparsity = 0.4, amplitudes = {0.02, 0.01}},
  {code = "walsh", amplitude_spread = 0.3}, {code = "random", amplitude_spread = 0.3},
  {code = "gaussian", amplitude_spread = 0.3, amplitudes = {0.02, 0.01}},
}

describe("the same bits", function()
  for i, code in ipairs(BITS) do
    for _, dtype in ipairs {"f32", "f64"} do
      local opts = {net = mgd.nn.mlp{5, 9, 1, output = "sigmoid", dtype = dtype},
        data = {x = mgd.randn({30, 5}, {seed = 1}):to(dtype), y = mgd.rand({30, 1}):to(dtype)},
        init = {}, eta = 0.5, seed = 9, perturbation = code, tau_p = 2, tau_x = 4, tau_theta = 8}

      it(("for replicas side by side and alone: %s (%d) in %s"):format(code.code, i, dtype),
        function()
          local ensemble = mgd.train(options(opts, {replicas = 19}))
          ensemble.core:advance(61)
          for r = 1, 19, 6 do
            local single = mgd.train(options(opts, {replica = r}))
            single.core:advance(61)
            assert.same(single:theta():totable(), ensemble:theta()[r]:totable())
          end
        end)

      it(("for any number of threads, and batches: %s (%d) in %s"):format(code.code, i, dtype),
        function()
          for _, more in ipairs {{batch = 20}, {replicas = 40, tau_p = 1}, {tau_p = 1}} do
            local first
            for threads = 1, 3 do
              local run = mgd.train(options(opts, options(more, {threads = threads})))
              run.core:advance(100)
              first = first or run:theta():totable()
              assert.same(first, run:theta():totable())
            end
          end
        end)
    end
  end

  it("for every instruction set", function()
    local script = [[
      local mgd = require "mgd"
      for _, dtype in ipairs {"f32", "f64"} do
        local net = mgd.nn.mlp{5, 7, 3, dtype = dtype}
        local set = mgd.data.from{x = mgd.randn{50, 5}, y = mgd.rand{50, 3}}
        for _, code in ipairs {{code = "gaussian"}, {code = "brownian"}, {code = "lfsr"},
          {code = "gaussian", sparsity = 0.5}, {code = "random", amplitude_spread = 0.2}} do
          for _, size in ipairs {{1, 1}, {21, 1}, {2, 33}} do
            local run = mgd.train{net = net, data = set, init = {}, replicas = size[1],
              batch = size[2], tau_theta = 4, perturbation = code}
            run:run{steps = 60}
            print(require("mgd.core").data.hash(run:theta()))
          end
        end
      end
    ]]
    support.same_on_every_isa(30, script)
  end)

  it("when saved and resumed", function()
    local path = files.folder() .. "/run.ckpt"
    finally(files.clean)
    local all = mgd.linspace(0.01, 0.02, 13)
    for _, code in ipairs {BITS[1], BITS[2], BITS[3], BITS[4], BITS[7], BITS[8], BITS[12],
      {code = "random", amplitudes = all}} do
      local opts = {net = mgd.nn.mlp{2, 3, 1}, data = mgd.data.xor(), init = {}, replicas = 3,
        perturbation = code, tau_theta = 24}
      local straight, stopped = mgd.train(opts), mgd.train(opts)
      straight:run{steps = 200}
      stopped:run{steps = 77}
      stopped:save(path)
      local resumed = mgd.resume(path)
      resumed:run{steps = 123}
      assert.same(straight:theta():totable(), resumed:theta():totable())
    end
  end)
end)

-- ---- the angle ----------------------------------------------------------------------------------

describe("the angle falls with the window on a linear cost", function()
  -- Rms sine of the angle over replicas; with P = 9. Law: cos² = K'/(K' + P − 1), K' being the
  -- window over what the code takes to forget. Where the code repeats exactly, to nearly 0.
  local w = mgd.from({9}, function(i)
    return math.sin(i * i)
  end)
  for name, code in pairs {
    gaussian = {{code = "gaussian"}, 4}, brownian = {{code = "brownian"}, 15},
    ["sparse gaussian"] = {{code = "gaussian", sparsity = 0.5}, 6},
    ["sparse random"] = {{code = "random", sparsity = 0.5}, 5}, random = {{code = "random"}, 4},
    ["sparse lfsr"] = {{code = "lfsr", sparsity = 0.5, bits = 12}, 5},
    lfsr = {{code = "lfsr"}, 4},
    ["balanced lfsr"] = {{code = "lfsr", balanced = true}, 1e-4},
    walsh = {{code = "walsh"}, 1e-4}, sine = {{code = "sine"}, 1e-4},
    ["uneven random"] = {{code = "random", amplitude_spread = 0.2}, 5},
    sequential = {{code = "sequential"}, 1},
  } do
    it("with " .. name, function()
      local last = 180
      for _, window in ipairs {8, 64, 512, 4096} do
        local g, sum = gradient(code[1], w, window, {replicas = 4}), 0
        for r = 1, 4 do
          sum = sum + angle(g[r], w) / 4
        end
        assert.is_true(sum < last or sum < code[2], ("window %d: %.3g°"):format(window, sum))
        last = sum
      end
      assert.is_true(last < code[2], ("%.3g° in the end"):format(last))
    end)
  end

  -- The law of fair signs holds for normals with K + P + 1 in place of K + P − 1: their own mean
  -- square scatters, too. 300 replicas; tolerance as for random.
  it("with gaussian as √(K/(K + P + 1))", function()
    for _, window in ipairs {5, 20, 80} do
      local replicas, squares = quick and 50 or 300, 0
      local g = gradient("gaussian", w, window, {replicas = replicas})
      for r = 1, replicas do
        squares = squares + (g[r]:dot(w) / (g[r]:norm() * w:norm())) ^ 2
      end
      local law = math.sqrt(window / (window + 9 + 1))
      assert.is_true(math.abs(math.sqrt(squares / replicas) - law) < 0.05)
    end
  end)
end)

-- ---- check --------------------------------------------------------------------------------------

describe("codes.check", function()
  it("finds walsh, balanced lfsr and sine orthogonal, without a mean, and their periods", function()
    for code, period in pairs {walsh = 16, [{code = "lfsr", balanced = true}] = 16} do
      local r = mgd.codes.check(code, 9)
      assert.equal(period, r.period)
      assert.equal(0, r.mean.largest)
      assert.equal(0, r.correlation.largest)
      assert.is_true(r.angle < 1e-5 and r.bias == 0)
    end
    local r = mgd.codes.check("sine", 9, 64, {tau_theta = 32})
    assert.equal(32, r.period)
    assert.is_true(r.correlation.largest < 1e-12 and r.mean.largest < 1e-12)
    assert.is_true(math.abs(r.energy.mean / (0.01 ^ 2 / 2) - 1) < 1e-12)
  end)

  it("finds the mean and the correlations of lfsr: 1/(2^m − 1)", function()
    local r = mgd.codes.check({code = "lfsr", bits = 4}, 9)
    assert.equal(15, r.period)
    assert.is_true(math.abs(r.mean.largest - 1 / 15) < 1e-12)
    assert.is_true(math.abs(r.correlation.rms - 1 / 15) < 1e-12)
    -- M = (16/15)·I − (1/15)·1·1ᵀ: tr M = P, ‖M‖² = P + P(P − 1)/225
    assert.is_true(math.abs(r.cosine - 1 / math.sqrt(1 + 8 / 225)) < 1e-12)
    assert.is_true(math.abs(r.bias - math.sqrt(9) / 15 / 0.01) < 1e-9)
  end)

  it("says the mean of the sequential code, which is orthogonal all the same", function()
    local r = mgd.codes.check({code = "sequential", amplitude = 0.5}, 9)
    assert.is_true(math.abs(r.mean.largest - 1 / 3) < 1e-12)
    assert.equal(0, r.correlation.largest)
    assert.is_true(math.abs(r.energy.mean - 0.25 / 9) < 1e-12 and r.angle < 1e-5)
    -- half a period: half of the parameters are not perturbed, cos² = 1/2 for any direction
    r = mgd.codes.check({code = "sequential"}, 10, 5)
    assert.is_true(math.abs(r.cosine - math.sqrt(0.5)) < 1e-12)
  end)

  -- Predicted: √(W/(W + P − 1)) of fair signs. ‖M‖² is a sum of P(P − 1)/2 squares with the
  -- deviation √2 of their mean each: 1 % of the angle for P = 100, four of them.
  it("predicts the angle that random codes have", function()
    for _, window in ipairs {50, 400} do
      local r = mgd.codes.check("random", 100, window)
      local law = math.sqrt(window / (window + 99))
      assert.is_true(math.abs(r.cosine - law) < 0.04 * (1 - law))
      assert.is_nil(r.period)
      -- correlations scatter by 1/√W
      assert.is_true(math.abs(r.correlation.rms * math.sqrt(window) - 1) < 0.05)
    end
  end)

  it("predicts the angle of a run, for every code", function()
    -- The run's own G on 60 directions of w: rms over them, which scatters by 1/√60 of the sine.
    for _, code in ipairs {"gaussian", "brownian", "lfsr", "walsh", "random"} do
      local p, window, squares = 12, 24, 0
      for trial = 1, 60 do
        local w = mgd.randn({p}, {seed = trial})
        local g = gradient(code, w, window)
        squares = squares + (g:dot(w) / (g:norm() * w:norm())) ^ 2 / 60
      end
      local r = mgd.codes.check(code, p, window)
      assert.is_true(math.abs(math.sqrt(squares) - r.cosine) < 0.08,
        ("%s: %.3f, predicted %.3f"):format(code, math.sqrt(squares), r.cosine))
    end
  end)

  it("shares the energy out by frequency: white, low, or one line", function()
    local function band_of(code, opts)
      return mgd.codes.check(code, 20, 4096, opts).spectrum
    end
    -- 64 spectra of 129 lines and 20 parameters: an octave of b lines scatters by 1/√(320·b)
    for _, band in ipairs(band_of "random") do
      assert.is_true(math.abs(band.share - 2 * (band.high - band.low)) < 0.02)
    end
    -- the walk's spectrum is that of a running mean: 1/L of its power lies above f = 1/2L … ½
    local walk = band_of{code = "brownian", length = 32}
    assert.is_true(walk[1].share > 0.5 and walk[6].share < 0.05)
    local sines = band_of({code = "sine", low = 0.13, high = 0.24})
    assert.is_true(sines[5].share > 0.95)
    local sum = 0
    for _, band in ipairs(sines) do
      sum = sum + band.share
    end
    assert.is_true(math.abs(sum - 1) < 1e-9)
  end)

  it("says so in words", function()
    local text = tostring(mgd.codes.check({code = "lfsr", bits = 4}, 9))
    for _, part in ipairs {"code lfsr: 9 parameters over 15 slots", "0.0667 of the root mean",
      "period        15 slots", "10.7° from the gradient of a linear cost"} do
      assert.is_truthy(text:find(part, 1, true), text)
    end
  end)

  it("looks at 25,450 parameters", function()
    local r = mgd.codes.check("random", 25450)
    assert.equal(164, r.window)
    assert.is_true(math.abs(r.cosine / math.sqrt(164 / (164 + 25449)) - 1) < 0.02)
  end)

  it("refuses what is no code", function()
    fails("code: expected a table of options, got number", mgd.codes.check, 3, 9)
    fails("option 'parameters' must be an integer ≥ 1, got 0", mgd.codes.check, "walsh", 0)
    fails("option 'window' must be an integer ≥ 2, got 1", mgd.codes.check, "walsh", 9, 1)
    fails("(did you mean 'lfsr'?)", mgd.codes.check, "lsfr", 9)
  end)
end)
