-- The code outer: rows times columns, its sources, what rectangles do to G against the closed form
-- (docs/guide/08-codes.md), the same bits everywhere, and what it is refused for.

local codes = require "spec.support.codes"
local mgd = require "mgd"
local files = require "spec.support.idx_files"
local support = require "spec.support.train"

local quick = os.getenv "MGD_SPEC_QUICK" ~= nil
local fails, options = support.fails, support.options
local products, off_diagonal = codes.products, codes.off_diagonal
local nn = mgd.nn

local function pattern(net, slots, more)
  return codes.pattern("outer", net.num_parameters, slots, options({net = net}, more))
end

-- ---- patterns -----------------------------------------------------------------------------------

-- Where a layer's array stands in θ: its columns of weights by their first parameter and how far it
-- is to the next row; biases are a column, too.
local function array_of(rows, blocks, biases)
  local columns = {}
  for _, block in ipairs(blocks) do
    for j = 0, block.columns - 1 do
      columns[#columns + 1] = {first = block.first + j, stride = block.columns}
    end
  end
  if biases then
    columns[#columns + 1] = {first = biases, stride = 1}
  end
  return {rows = rows, columns = columns}
end

-- Whether all columns of the array are ± the same, in each slot; and all columns take both signs.
local function assert_outer(s, array)
  local flips = {}
  for k = 1, #s do
    for j, column in ipairs(array.columns) do
      local sign = s[k][column.first] * s[k][array.columns[1].first]
      for i = 0, array.rows - 1 do
        assert.equal(1, math.abs(s[k][column.first + i * column.stride]))
        assert.equal(sign, s[k][column.first + i * column.stride]
          * s[k][array.columns[1].first + i * array.columns[1].stride])
      end
      flips[j] = (flips[j] or 0) + sign
    end
  end
  for j = 2, #array.columns do -- fair coins: six deviations
    assert.is_true(math.abs(flips[j]) < 6 * math.sqrt(#s))
  end
end

describe("outer", function()
  it("is r_i·c_j in dense layers, with biases as a column", function()
    local net = nn.mlp{3, 4, 2} -- 12 + 4, 8 + 2
    local s = pattern(net, 300):totable()
    assert_outer(s, array_of(4, {{first = 1, columns = 3}}, 13))
    assert_outer(s, array_of(2, {{first = 17, columns = 4}}, 25))
  end)

  it("has filters as rows and the pixels of a window as columns in conv2d", function()
    local net = nn.sequential{input = {2, 4, 4}, nn.conv2d{3, kernel = 2}}
    assert_outer(pattern(net, 300):totable(), array_of(3, {{first = 1, columns = 8}}, 25))
  end)

  it("has one array for the inputs and the state of elman and ssm", function()
    local s = pattern(nn.sequential{input = {5, 2}, nn.elman{3}}, 300):totable()
    assert_outer(s, array_of(3, {{first = 1, columns = 2}, {first = 7, columns = 3}}, 16))
    s = pattern(nn.sequential{input = {5, 2}, nn.ssm{states = 4}}, 300):totable()
    assert_outer(s, array_of(4, {{first = 1, columns = 2}, {first = 9, columns = 4}}))
  end)

  -- As many patterns as sources have states, all of which show in 64 times as many slots: each is
  -- missed with a probability of exp(−64).
  it("has m + n sources for m × n weights and m biases, one for any other parameter", function()
    local dense = nn.sequential{input = 2, nn.dense(2)}
    local scaled = nn.sequential{input = {1, 1, 1}, nn.conv2d{1, kernel = 1}, nn.affine()}
    for net, sources in pairs {[dense] = 4, [scaled] = 4} do
      local seen, count = {}, 0
      for _, s in ipairs(pattern(net, 64 * 2 ^ sources):totable()) do
        local key = table.concat(s, " ")
        count = count + (seen[key] and 0 or 1)
        seen[key] = true
      end
      assert.equal(2 ^ sources, count)
    end
  end)

  -- Sums of K products of signs scatter by √K; 5.5 deviations for up to 5,000 of them.
  it("is independent between pairs of parameters, slots, replicas, seeds, and of random", function()
    local net, slots = nn.mlp{5, 4, 6, 3}, quick and 512 or 4096
    local s, bound = pattern(net, slots), 5.5 * math.sqrt(slots)
    assert.is_true(s:sum(1):abs():max() < bound)
    assert.is_true(off_diagonal(products(s)) < bound)
    for lag = 1, 2 do
      local cross = s[{{1, slots - lag}}]:transpose():matmul(s[{{1 + lag, slots}}])
      assert.is_true(cross:abs():max() < bound)
    end
    for _, other in ipairs {pattern(net, slots, {replica = 2}), pattern(net, slots, {seed = 2}),
      codes.pattern("random", net.num_parameters, slots)} do
      assert.is_true(s:transpose():matmul(other):abs():max() < bound)
    end
  end)

  it("starts at any slot", function()
    local net = nn.mlp{5, 4, 3}
    local s = pattern(net, 100)
    for _, first in ipairs {1, 7, 64, 99} do
      assert.same(s[first + 1]:totable(), pattern(net, 1, {first = first})[1]:totable())
    end
  end)
end)

-- ---- what it does to G --------------------------------------------------------------------------

-- Cov(G_p, G_q) of one slot for a linear cost, whose gradient g is a matrix of rows and columns
-- (the bias a column): for the same weight |g|² − g_p², else g_p·g_q and the rectangles that p and
-- q are in, as corners of one side or across.
local function covariance(g)
  local m, n, whole = #g, #g[1], 0
  for i = 1, m do
    for j = 1, n do
      whole = whole + g[i][j] ^ 2
    end
  end
  return function(i, j, k, l)
    local sum = g[i][j] * g[k][l]
    if i == k and j == l then
      return whole - sum
    elseif i == k then
      for row = 1, m do
        sum = sum + (row ~= i and 2 * g[row][j] * g[row][l] or 0)
      end
    elseif j == l then
      for column = 1, n do
        sum = sum + (column ~= j and 2 * g[i][column] * g[k][column] or 0)
      end
    else
      sum = sum + 2 * g[i][l] * g[k][j]
    end
    return sum
  end
end

-- ⟨(s·g)⁴⟩/|g|⁴ of independent signs, and of outer: 24 times the products of the corners of each
-- rectangle more.
local function fourth_moments(g)
  local m, n, whole, single, corners = #g, #g[1], 0, 0, 0
  for i = 1, m do
    for j = 1, n do
      whole, single = whole + g[i][j] ^ 2, single + g[i][j] ^ 4
      for k = i + 1, m do
        for l = j + 1, n do
          corners = corners + g[i][j] * g[i][l] * g[k][j] * g[k][l]
        end
      end
    end
  end
  local independent = 3 - 2 * single / whole ^ 2
  return independent, independent + 24 * corners / whole ^ 2, whole
end

-- G of each replica after one slot, (R, P), on a layer 3 → 4 with an amplitude at which the cost is
-- linear; and the gradient as a matrix with the biases as a column, and where its entries stand.
local function one_slot(samples, replicas, more)
  local net = nn.sequential{input = 3, nn.dense(4), dtype = "f64"}:init{seed = 3}
  local set = {x = mgd.randn({samples, 3}, {seed = 4}), y = mgd.randn({samples, 4}, {seed = 5})}
  local run = mgd.train(options({net = net, data = set, batch = samples, shuffle = false,
    eta = 0, tau_theta = 1, tau_x = 1, replicas = replicas, baseline = "two-sided",
    perturbation = {code = "outer", amplitude = 1e-5}}, more))
  run:gradient()
  run.core:advance(1)
  local flat, g, place = net:gradient(set.x, set.y):totable(), {}, {}
  for i = 1, 4 do
    g[i], place[i] = {}, {}
    for j = 1, 4 do
      place[i][j] = j < 4 and 3 * (i - 1) + j or 12 + i
      g[i][j] = flat[place[i][j]]
    end
  end
  return run:gradient(), g, place
end

describe("G of outer", function()
  -- 8,000 replicas of one slot. Each entry of the covariance is a mean of products; five deviations
  -- of the scatter that these show, for 16 variances and 120 covariances.
  for name, samples in pairs {["one sample, of rank one"] = 1, ["six samples"] = 6} do
    it("has the covariance of the closed form with the gradient of " .. name, function()
      local replicas = quick and 1000 or 8000
      local seen, g, place = one_slot(samples, replicas)
      local expected, worst = covariance(g), 0
      local mean = mgd.zeros{16}
      for i = 1, 4 do
        for j = 1, 4 do
          mean[place[i][j]] = g[i][j]
        end
      end
      local flat = seen - mean
      local pairs_seen = (flat:transpose():matmul(flat) / replicas):totable()
      local squares = ((flat ^ 2):transpose():matmul(flat ^ 2) / replicas):totable()
      for i = 1, 4 do
        for j = 1, 4 do
          for k = 1, 4 do
            for l = 1, 4 do
              local p, q = place[i][j], place[k][l]
              local scatter = math.sqrt(math.max(squares[p][q] - pairs_seen[p][q] ^ 2, 0)
                / replicas)
              worst = math.max(worst, math.abs(pairs_seen[p][q] - expected(i, j, k, l))
                / (scatter + 1e-6))
            end
          end
        end
      end
      assert.is_true(worst < 5, ("%.2f deviations"):format(worst))
      assert.is_true(((seen:mean(1) - mean):abs() / (seen:var(1):sqrt() / math.sqrt(replicas)))
        :max() < 5)
    end)
  end

  -- All states of the sources of a 3 × 4 matrix by themselves: no scatter.
  it("varies along the gradient by the corners of rectangles", function()
    for name, entry in pairs {
      flat = function() return 0.5 end,
      rank_one = function(i, j) return math.sin(i) * math.cos(j) end,
      full = function(i, j) return math.sin(i * j * j + i) end,
    } do
      local g, moment = {}, 0
      for i = 1, 3 do
        g[i] = {}
        for j = 1, 4 do
          g[i][j] = entry(i, j)
        end
      end
      for state = 0, 2 ^ 7 - 1 do
        local sum, sign = 0, {}
        for source = 1, 7 do
          sign[source] = math.floor(state / 2 ^ (source - 1)) % 2 * 2 - 1
        end
        for i = 1, 3 do
          for j = 1, 4 do
            sum = sum + sign[i] * sign[3 + j] * g[i][j]
          end
        end
        moment = moment + sum ^ 4 / 2 ^ 7
      end
      local independent, outer, whole = fourth_moments(g)
      assert.is_true(math.abs(moment / whole ^ 2 - outer) < 1e-9)
      assert.is_true(name == "full" or outer > independent)
      if name == "flat" then
        assert.is_true(math.abs(outer - (3 - 2 / 3) * (3 - 2 / 4)) < 1e-9)
      end
    end
  end)

  -- y₁·y₂² of y = W·x + b, at θ = 0 and x = (1, 1): ∂³C/∂w₁₂∂w₂₁∂w₂₂ = 2, a rectangle with w₁₁. By
  -- all 16 states of the sources G differs from the gradient, 0, as third derivatives say; five
  -- deviations of the mean of 4,000 replicas.
  for _, baseline in ipairs {"two-sided", "measured"} do
    it("has a bias of third order from rectangles: " .. baseline, function()
      local replicas, a = quick and 1000 or 4000, 0.1
      local net = nn.sequential{input = 2, nn.dense(2), dtype = "f64"}
      net:set_theta(mgd.zeros{6})
      local run = mgd.train{net = net, data = {x = mgd.full({1, 2}, 1), y = mgd.zeros{1, 2}},
        eta = 0, tau_theta = 1, tau_x = 1, replicas = replicas, baseline = baseline,
        perturbation = {code = "outer", amplitude = a},
        cost = function(y)
          return y[1][1] * y[1][2] ^ 2
        end}
      run:gradient()
      run.core:advance(1)
      local g, expected = run:gradient(), {0, 0, 0, 0, 0, 0}
      for state = 0, 15 do
        local r1, r2, c1, c2 = 2 * (state % 2) - 1, 2 * (math.floor(state / 2) % 2) - 1,
          2 * (math.floor(state / 4) % 2) - 1, 2 * math.floor(state / 8) - 1
        local s = {r1 * c1, r1 * c2, r2 * c1, r2 * c2, r1, r2}
        local cost = a ^ 3 * (s[1] + s[2] + s[5]) * (s[3] + s[4] + s[6]) ^ 2
        for i = 1, 6 do
          expected[i] = expected[i] + cost * s[i] / a / 16
        end
      end
      -- independent signs leave a²·½Σⱼ∂³C/∂w₁₁∂wⱼ² = 3a² there, rectangles add 2a² for each of two
      assert.is_true(math.abs(expected[1] - 7 * a ^ 2) < 1e-12)
      local deviation = g:var(1):sqrt() / math.sqrt(replicas)
      assert.is_true(((g:mean(1) - mgd.tensor(expected)):abs() / deviation):max() < 5)
    end)
  end
end)

-- ---- training -----------------------------------------------------------------------------------

-- Rows that no tile holds, two layers, one without rows and columns between them.
local function network(dtype)
  return nn.sequential{input = 5, nn.dense(9), nn.tanh(), nn.affine(), nn.dense(2), dtype = dtype}
end

local function training(dtype, more)
  return options({net = network(dtype), init = {}, eta = 0.02, seed = 9, tau_p = 2, tau_x = 4,
    tau_theta = 8, perturbation = {code = "outer", amplitude = 0.01},
    data = {x = mgd.randn({30, 5}, {seed = 1}):to(dtype), y = mgd.rand({30, 2}):to(dtype)}}, more)
end

local UNEVEN = {code = "outer", amplitude_spread = 0.3, amplitudes = {0.02, 0.01, 0.03}}

describe("training with outer gives the same bits", function()
  for _, dtype in ipairs {"f32", "f64"} do
    for name, more in pairs {plain = {}, uneven = {perturbation = UNEVEN},
      ["on a batch"] = {batch = 20}} do
      it(("for replicas side by side and alone, by any threads: %s, %s"):format(name, dtype),
        function()
          local ensemble = mgd.train(training(dtype, options(more, {replicas = 19, threads = 2})))
          ensemble.core:advance(61)
          for r = 1, 19, 6 do
            for threads = 1, 3, 2 do
              local single = mgd.train(training(dtype, options(more, {replica = r,
                threads = threads})))
              single.core:advance(61)
              assert.same(ensemble:theta()[r]:totable(), single:theta():totable())
            end
          end
        end)
    end
  end

  it("for every instruction set", function()
    support.same_on_every_isa(4, [[
      local mgd = require "mgd"
      for _, dtype in ipairs {"f32", "f64"} do
        local net = mgd.nn.mlp{5, 7, 3, dtype = dtype}
        local set = mgd.data.from{x = mgd.randn{50, 5}, y = mgd.rand{50, 3}}
        for _, size in ipairs {{21, 1}, {2, 33}} do
          local run = mgd.train{net = net, data = set, init = {}, replicas = size[1],
            batch = size[2], tau_theta = 4, perturbation = "outer"}
          run:run{steps = 60}
          print(require("mgd.core").data.hash(run:theta()))
        end
      end
    ]])
  end)

  it("when saved and resumed", function()
    local path = files.folder() .. "/run.ckpt"
    finally(files.clean)
    for _, code in ipairs {{code = "outer"}, UNEVEN} do
      local opts = training("f32", {replicas = 3, tau_theta = 24, perturbation = code})
      local straight, stopped = mgd.train(opts), mgd.train(opts)
      straight:run{steps = 200}
      stopped:run{steps = 77}
      stopped:save(path)
      local resumed = mgd.resume(path)
      resumed:run{steps = 123}
      assert.same(straight:theta():totable(), resumed:theta():totable())
    end
  end)

  it("when recorded and replayed", function()
    local path = files.folder() .. "/run.rec"
    finally(files.clean)
    local run = mgd.train(training("f32", {record = path}))
    run:run{steps = 50}
    local opts = training("f32", {chip = mgd.chip.replay(path)})
    opts.net = nil
    local again = mgd.train(opts)
    again:run{steps = 50}
    assert.same(run:theta():totable(), again:theta():totable())
  end)
end)

describe("training with outer", function()
  it("shows simulated chips the patterns of their layers", function()
    local net = network "f64"
    local function theta(chip)
      net:init{seed = 3}
      local opts = training("f64", {chip = chip})
      opts.net, opts.init = nil, nil
      local run = mgd.train(opts)
      run:run{steps = 40}
      return run:theta()
    end
    -- a gain of 1 + 10⁻⁹ is no neutral model: all goes by the simulated chip
    local simulated = mgd.chip{net = net, output = mgd.hw.gain{gain = 1 + 1e-9}}
    assert.is_true(theta(mgd.chip{net = net}):allclose(theta(simulated), {rtol = 1e-6}))
  end)

  -- 64 replicas of 2-2-1 in 20,000 steps: each solves it or does not; five deviations of the
  -- difference of two such numbers.
  it("solves XOR as often as with random", function()
    local replicas, solved = 64, {}
    for _, code in ipairs {"outer", "random"} do
      local run = mgd.train{net = nn.mlp{2, 2, 1, activation = "sigmoid", output = "sigmoid"},
        data = mgd.data.xor(), replicas = replicas, seed = 1, tau_theta = 16, eta = 2,
        init = {scheme = "uniform", low = -1, high = 1},
        perturbation = {code = code, amplitude = 0.02}}
      local history = run:run{steps = quick and 5000 or 20000, every = 2500, probes = {"accuracy"}}
      solved[code] = 0
      for r = 1, replicas do
        solved[code] = solved[code] + (history.accuracy[#history.step][r] == 1 and 1 or 0)
      end
    end
    local share = (solved.outer + solved.random) / (2 * replicas)
    assert.is_true(math.abs(solved.outer - solved.random)
      <= 5 * math.sqrt(2 * replicas * share * (1 - share)))
    assert.is_true(quick or solved.outer > replicas / 2, ("%d solved"):format(solved.outer))
  end)
end)

-- ---- refused ------------------------------------------------------------------------------------

describe("outer is refused", function()
  local XOR = mgd.data.xor()
  local UNKNOWN = "the code outer needs weights in rows and columns, and none are known here: "
    .. "expected a chip that is a network, ideal or simulated, with a dense, conv2d, elman or ssm "
    .. "layer, or a code such as random"

  it("by chips that show no matrices", function()
    local chip = mgd.chip{parameters = 3, evaluate = function(theta)
      return theta[{{1, 1}}]:reshape{1, 1}
    end}
    fails(UNKNOWN, mgd.train, {chip = chip, data = XOR, perturbation = "outer"})
    fails(UNKNOWN, mgd.train, {net = nn.sequential{input = {1, 2, 1}, nn.affine(), nn.flatten()},
      data = {x = mgd.zeros{1, 1, 2, 1}, y = mgd.zeros{1, 2}}, perturbation = "outer"})
  end)

  it("with nodes", function()
    fails("the code outer perturbs weights in rows and columns: expected perturb = \"parameters\"",
      mgd.train, {net = nn.mlp{2, 2, 1}, data = XOR, perturb = "nodes", perturbation = "outer"})
  end)

  it("with options of other codes", function()
    fails("'sparsity'", mgd.train, {net = nn.mlp{2, 2, 1}, data = XOR,
      perturbation = {code = "outer", sparsity = 0.5}})
  end)

  it("where it is looked at without its network, or with another", function()
    fails(UNKNOWN, mgd.codes.pattern, "outer", {parameters = 9, slots = 4})
    fails("option 'net' is a network of 9 parameters, and 8 were given", mgd.codes.check, "outer",
      8, 16, {net = nn.mlp{2, 2, 1}})
  end)
end)
