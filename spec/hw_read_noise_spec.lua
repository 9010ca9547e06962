-- Noise of reading is white: every product of a weight has its own draw, for each sample and each
-- place. What it does to outputs is compared with Σ σ²(w)·x², computed here.
--
-- One replica predicts n = 4,000 times the same sample, with noise: each output has n draws. 4
-- standard errors are allowed: σ/√n for a mean, σ·√((κ − 1)/4n) for a standard deviation, κ being
-- 3 of normal numbers, and at most that of sums of uniform ones; 1/√n for a correlation. The seeds
-- are fixed.

local mgd = require "mgd"
local stats = require "spec.support.statistics"

local near = stats.near
local unpack = table.unpack or unpack
local hw, nn = mgd.hw, mgd.nn
local N = 4000

local LAWS = {
  additive = { sigma = 0.02 },
  proportional = { sigma = 0.1, law = "proportional" },
  inverse = { sigma = 0.01, law = "inverse", scale = 0.5 },
  polynomial = { law = "polynomial", coefficients = { 0.3, 0.5, 0.2 } },
  pcm = { law = "pcm" },
  sonos = { law = "sonos" },
}
local HELD = 1e4 -- s, since weights were programmed

-- σ of a weight, by the same law in plain Lua. Conductances: pairs of 0 … 25 µS, w_max = 2.
local SIGMA = {
  additive = function() return 0.02 end,
  proportional = function(w) return 0.1 * math.abs(w) end,
  inverse = function(w) return 0.01 * 0.5 / math.max(math.abs(w), 0.005) end,
  polynomial = function(w)
    local r = math.min(math.abs(w) / 2, 1)
    local one = 0.3 + 0.5 * r + 0.2 * r * r
    return math.sqrt(one * one + 0.3 * 0.3) / 12.5
  end,
  pcm = function(w)
    local r = math.abs(w) / 2
    local q = math.min(0.0088 / r ^ 0.65, 0.2)
    return math.abs(w) * q * math.sqrt(math.log((HELD + 250e-9) / 500e-9))
  end,
  sonos = function(w) -- 1 µS at 0.1 V is 100 nA
    return 0.1258037 * (1 - math.exp(-1250 * math.abs(w) / 215.36557)) / 12.5
  end,
}

local function weights_of(law, distribution)
  local given = {}
  for key, value in pairs(LAWS[law]) do
    given[key] = value
  end
  given.distribution = distribution
  return { hw.conductance { w_max = 2 }, hw.read_noise(given) }
end

local function join(a, b)
  for key, value in pairs(b or {}) do
    a[key] = value
  end
  return a
end

-- A run of a network on such a chip, whose weights were programmed HELD ago.
local function run_of(net, weights, opts)
  local shape = net.input
  local x = mgd.randn({ 8, unpack(shape) }, { seed = 2 })
  local y = mgd.zeros(net:forward(x).shape)
  local chip = mgd.chip { net = net, weights = weights, seed = 4 }
  local run = mgd.train(join({ chip = chip, data = { x = x, y = y }, seed = 3, eta = 1e-4,
    init = { scheme = "uniform" } }, opts))
  chip:advance(HELD)
  return run
end

-- The outputs of N draws for one sample: a list for each output; and the sample, as a list.
local function draws(run, shape)
  local x = mgd.randn({ 1, unpack(shape) }, { seed = 9 })
  local all = mgd.zeros { N, unpack(shape) } + x
  local y = run:predict(all, { noise = true }):reshape { N, -1 }
  return y:transpose():totable(), x:reshape { -1 }:totable(),
    run:predict(x):reshape { -1 }:totable()
end

local function check_outputs(lists, mean, variance, what)
  local bound = 4 / math.sqrt(N)
  for o, list in ipairs(lists) do
    local m = stats.moments(list)
    local sd = math.sqrt(variance[o])
    near(mean[o], m.mean, 4 * sd / math.sqrt(N) + 1e-6, what .. ": mean")
    near(sd, m.sd, 4 * sd / math.sqrt(2 * N), what .. ": sd")
    if o > 1 then
      near(0, stats.correlation(lists[o - 1], list), bound, what .. ": outputs")
    end
    local now, next_one = {}, {}
    for i = 1, N - 1 do
      now[i], next_one[i] = list[i], list[i + 1]
    end
    near(0, stats.correlation(now, next_one), bound, what .. ": samples")
  end
end

-- Σ σ²(w)·x² of what each output sums up: terms(o) calls back with the place of a weight and its x.
local function variances(theta, outputs, law, terms)
  local out = {}
  for o = 1, outputs do
    local sum = 0
    terms(o, function(place, x)
      sum = sum + (SIGMA[law](theta[place]) * x) ^ 2
    end)
    out[o] = sum
  end
  return out
end

-- The parameters of a convolution of 3×3 over one 3×4 image with a border of zeros, 2 channels out.
local function convolution_terms(x)
  return function(o, term)
    local channel, pixel = math.floor((o - 1) / 12), (o - 1) % 12
    local row, column = math.floor(pixel / 4), pixel % 4
    for ky = 0, 2 do
      for kx = 0, 2 do
        local r, c = row + ky - 1, column + kx - 1
        if r >= 0 and r < 3 and c >= 0 and c < 4 then
          term(channel * 9 + ky * 3 + kx + 1, x[r * 4 + c + 1])
        end
      end
    end
    term(18 + channel + 1, 1)
  end
end

-- net, terms(x) → function(o, term): what each output sums up
local LINEAR = {
  dense = { function() return nn.sequential { input = 5, nn.dense(3) } end, function(x)
    return function(o, term)
      for i = 1, 5 do
        term((o - 1) * 5 + i, x[i])
      end
      term(15 + o, 1)
    end
  end },
  ["dense at each step"] = { function()
    return nn.sequential { input = { 3, 2 }, nn.each_step { nn.dense(2) } }
  end, function(x)
    return function(o, term)
      local step, own = math.floor((o - 1) / 2), (o - 1) % 2
      for i = 1, 2 do
        term(own * 2 + i, x[step * 2 + i])
      end
      term(4 + own + 1, 1)
    end
  end },
  conv2d = { function()
    return nn.sequential { input = { 1, 3, 4 }, nn.conv2d { 2, kernel = 3, padding = 1 } }
  end, convolution_terms },
  affine = { function() return nn.sequential { input = { 2, 1, 3 }, nn.affine() } end, function(x)
    return function(o, term)
      local channel = math.floor((o - 1) / 3)
      term(channel + 1, x[o])
      term(2 + channel + 1, 1)
    end
  end },
}

describe("read noise", function()
  for kind, case in pairs(LINEAR) do
    it(("of %s adds Σ σ²(w)·x², anew for each output of each sample"):format(kind), function()
      for law in pairs(LAWS) do
        local net = case[1]()
        local run = run_of(net, weights_of(law))
        local lists, x, mean = draws(run, net.input)
        local variance = variances(run:theta():totable(), #lists, law, case[2](x))
        check_outputs(lists, mean, variance, kind .. ", " .. law)
      end
    end)
  end

  it("that is uniform has its terms drawn in dense layers, and their sum elsewhere", function()
    local net = nn.sequential { input = 1, nn.dense(1) }
    local run = run_of(net, weights_of("additive", "uniform"))
    local lists, x, mean = draws(run, net.input)
    -- u₁·x + u₂, each on ±√3σ: its kurtosis is 3 − 1.2·(x⁴ + 1)/(x² + 1)²
    local most, square = math.sqrt(3) * 0.02 * (math.abs(x[1]) + 1), x[1] * x[1]
    check_outputs(lists, mean, { 0.02 ^ 2 * (square + 1) }, "dense")
    near(3 - 1.2 * (square * square + 1) / (square + 1) ^ 2, stats.moments(lists[1]).kurtosis, 0.15,
      "kurtosis")
    for _, y in ipairs(lists[1]) do
      assert.is_true(math.abs(y - mean[1]) <= most * (1 + 1e-5))
    end
    for kind in pairs { conv2d = true, ["dense at each step"] = true, affine = true } do
      net = LINEAR[kind][1]()
      run = run_of(net, weights_of("proportional", "uniform"))
      lists, x, mean = draws(run, net.input)
      check_outputs(lists, mean, variances(run:theta():totable(), #lists, "proportional",
        LINEAR[kind][2](x)), kind)
    end
  end)

  -- Where σ is small outputs follow the weights along a line, whose slopes are taken here by
  -- central differences. Outputs share their weights, so that they may go together; samples do not.
  it("of other layers is drawn for each weight of each sample", function()
    for kind, net in pairs {
      elman = nn.sequential { input = { 3, 2 }, dtype = "f64", nn.elman { 3 } },
      ssm = nn.sequential { input = { 3, 2 }, dtype = "f64", nn.ssm { states = 3 } },
      mzi_mesh = nn.sequential { input = 4, dtype = "f64", nn.mzi_mesh { modes = 4 } },
    } do
      for _, distribution in ipairs { "normal", "uniform" } do
        local sigma = 1e-4
        local run = run_of(net, hw.read_noise { sigma = sigma, distribution = distribution })
        local lists, x, mean = draws(run, net.input)
        local theta, variance = run:theta(), {}
        local sample = mgd.tensor(x, { dtype = "f64" }):reshape { 1, unpack(net.input) }
        local function outputs(place, change)
          local moved = theta:clone()
          moved[place] = moved[place] + change
          return net:set_theta(moved):forward(sample):reshape { -1 }:totable()
        end
        for place = 1, theta.size do
          local above, below = outputs(place, 1e-5), outputs(place, -1e-5)
          for o = 1, #lists do
            variance[o] = (variance[o] or 0) + ((above[o] - below[o]) / 2e-5 * sigma) ^ 2
          end
        end
        for o, list in ipairs(lists) do
          check_outputs({ list }, { mean[o] }, { variance[o] }, kind .. ", " .. distribution)
        end
      end
    end
  end)

  -- The mean over b equal samples of a cost has a b-th of the variance of one. Of 2,000 replicas 4
  -- standard errors of a ratio of variances of normal numbers are 18 %; 30 % are allowed, because
  -- replicas have weights of their own.
  it("is another one for each sample of a batch in training, too", function()
    local function variance_of(net, law, distribution, batch)
      local y = mgd.full(net:forward(mgd.zeros { 1, unpack(net.input) }).shape, 3)
      local x = mgd.randn({ 1, unpack(net.input) }, { seed = 9 })
      local run = run_of(net, weights_of(law, distribution), { replicas = 2000, batch = batch,
        data = { x = mgd.zeros { 8, unpack(net.input) } + x,
          y = mgd.zeros { 8, unpack(y.shape, 2) } + y },
        perturbation = { amplitude = 1e-7 } })
      local C = run:run { steps = 1, probes = { "C_tilde" } }.C_tilde[-1]
      return C:std() ^ 2
    end
    for _, case in ipairs { { "conv2d", "proportional" }, { "dense", "proportional", "uniform" },
      { "dense at each step", "polynomial" }, { "affine", "sonos" } } do
      local kind, law, distribution = case[1], case[2], case[3]
      local one = variance_of(LINEAR[kind][1](), law, distribution, 1)
      local eight = variance_of(LINEAR[kind][1](), law, distribution, 8)
      near(8, one / eight, 8 * 0.3, kind)
    end
  end)

  it("pcm follows the conductance as it has drifted, and r as it was programmed", function()
    local net = nn.sequential { input = 1, nn.dense(1) }
    local run = run_of(net, { hw.conductance { w_max = 2 }, hw.drift { nu = 0.05, t0 = 1 },
      hw.read_noise { law = "pcm" } })
    local lists, x, mean = draws(run, net.input)
    local theta, variance = run:theta():totable(), 0
    for place, input in ipairs { x[1], 1 } do
      variance = variance + (SIGMA.pcm(theta[place]) * HELD ^ -0.05 * input) ^ 2
    end
    check_outputs(lists, mean, { variance }, "pcm with drift")
  end)

  it("is the same for replicas and samples in lanes, and any number of threads", function()
    local nets = {
      function() return nn.sequential { input = 4, nn.dense(3), nn.tanh(), nn.dense(1) } end,
      function()
        return nn.sequential { input = { 1, 4, 4 }, nn.conv2d { 2, kernel = 3, padding = 1 },
          nn.affine(), nn.relu(), nn.flatten(), nn.dense(1) }
      end,
      function() return nn.sequential { input = { 3, 2 }, nn.elman { 3 }, nn.dense(1) } end,
      function()
        return nn.sequential { input = { 3, 2 }, nn.ssm { states = 3, output = "all" },
          nn.each_step { nn.dense(2) }, nn.flatten(), nn.dense(1) }
      end,
      function()
        return nn.sequential { input = 4, nn.mzi_mesh { modes = 4, outputs = 2 }, nn.dense(1) }
      end,
    }
    for _, make in ipairs(nets) do
      for _, law in ipairs { "additive", "proportional", "pcm" } do
        for _, distribution in ipairs { "normal", "uniform" } do
          for _, batch in ipairs { 3, 40 } do
            local opts = { batch = batch, replicas = 18, threads = 2,
              data = { x = mgd.randn({ 40, unpack(make().input) }, { seed = 2 }),
                y = mgd.randn({ 40, 1 }, { seed = 5 }) } }
            local together = run_of(make(), weights_of(law, distribution), opts)
            together:run { steps = 3 }
            local seen = together:predict(opts.data.x, { noise = true })[18]:totable()
            opts.replicas, opts.replica = nil, 18
            for threads = 1, 2 do
              opts.threads = threads
              local alone = run_of(make(), weights_of(law, distribution), opts)
              alone:run { steps = 3 }
              assert.same(alone:theta():totable(), together:theta()[18]:totable())
              assert.same(seen, alone:predict(opts.data.x, { noise = true }):totable())
            end
          end
        end
      end
    end
  end)

  it("with a time constant is flicker, which samples that are shown at one time share", function()
    local net = nn.sequential { input = 3, nn.dense(1) }
    local run = run_of(net, hw.flicker { sigma = 0.1, f_low = 1e-3, f_high = 0.1 })
    local lists = draws(run, net.input)
    assert.equal(0, stats.moments(lists[1]).sd)
    run:run { steps = 1 }
    assert.not_equal(lists[1][1], draws(run, net.input)[1][1])
  end)
end)
