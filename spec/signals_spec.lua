-- Several cost signals: parameters that hear the share of some outputs in the cost.

local mgd = require "mgd"
local support = require "spec.support.train"
local distance = require("spec.support.reference").distance

local options, fails = support.options, support.fails

local X, Y = mgd.randn({6, 3}, {seed = 4}), mgd.rand({6, 4}, {seed = 5})
local function network(dtype)
  return mgd.nn.mlp{3, 5, 4, activation = "tanh", output = "sigmoid", dtype = dtype or "f64"}
    :init{seed = 9}
end
local P = 3 * 5 + 5 + 5 * 4 + 4

-- Parameters 21 … 40 are the weights of the last layer by output, 41 … 44 its biases.
local LIST = {
  {outputs = {1, 2}, parameters = {21, 30}},
  {outputs = 4, parameters = {36, 40}},
  {outputs = {1, 2}, parameters = {3, 9}},
}
local BASE = {data = {x = X, y = Y}, shuffle = false, tau_x = 2, tau_theta = 3, eta = 0.5, seed = 3,
  perturbation = {code = "random", amplitude = 0.02}}

-- The outputs that each parameter hears, written down by hand.
local function heard(signals)
  local ears = {}
  for i = 1, P do
    ears[i] = {1, 4}
  end
  if signals == "outputs" then
    for o = 1, 4 do
      for i = 1, 5 do
        ears[20 + (o - 1) * 5 + i] = {o, o}
      end
      ears[40 + o] = {o, o}
    end
    return ears
  end
  for _, s in ipairs(signals) do
    for i = s.parameters[1], s.parameters[2] do
      ears[i] = type(s.outputs) == "table" and s.outputs or {s.outputs, s.outputs}
    end
  end
  return ears
end

-- The discrete engine once more, one parameter at a time: C̃ from C₀ measured at each step, which
-- is the same value while neither θ nor the sample changes; or two-sided.
local function by_hand(o, signals, steps)
  local net, ears, g = network(), heard(signals), {}
  local theta = net:theta():totable()
  local rows = mgd.codes.pattern({code = "random"}, {parameters = P, slots = steps, seed = o.seed})
    :totable()
  local a = o.perturbation.amplitude
  local function shares(factor, s, sample) -- (y − ŷ)²/K of each output
    local at, out = {}, {}
    for i = 1, P do
      at[i] = theta[i] + factor * s[i]
    end
    local y = net:set_theta(mgd.tensor(at)):forward(X[{{sample, sample}}]):totable()[1]
    for k = 1, 4 do
      out[k] = (y[k] - Y[sample][k]) ^ 2 / 4
    end
    return out
  end
  for n = 0, steps - 1 do
    local sample, s = math.floor(n / 2) % 6 + 1, rows[n + 1]
    local plus = shares(a, s, sample)
    local minus = shares(o.baseline == "two-sided" and -a or 0, s, sample)
    for i = 1, P do
      local tilde = 0
      for k = ears[i][1], ears[i][2] do
        tilde = tilde + (plus[k] - minus[k]) * (o.baseline == "two-sided" and 0.5 or 1)
      end
      g[i] = (n % 3 == 0 and 0 or g[i]) + tilde * s[i] / a / 3
      theta[i] = theta[i] - ((n + 1) % 3 == 0 and o.eta * g[i] or 0)
    end
  end
  return theta
end

local function trained(changes, steps, dtype)
  local o = options(BASE, changes)
  o.net = o.chip == nil and network(dtype) or nil
  local run = mgd.train(o)
  run:run{steps = steps or 30, probes = {}}
  return run
end

describe("several cost signals", function()
  -- C̃ is a difference of costs near 0.1 with errors of 1e−17, divided by a = 0.02: 1e−14 after ten
  -- writes, with a margin of a hundred
  for name, signals in pairs {outputs = "outputs", list = LIST} do
    for _, baseline in ipairs {"measured", "two-sided"} do
      it(("agree with a calculation by hand: %s, %s"):format(name, baseline), function()
        local o = options(BASE, {signals = signals, baseline = baseline})
        local expected = by_hand(o, signals, 30)
        local theta = trained(o):theta():totable()
        assert.is_true(distance(expected, theta) < 1e-12)
        assert.is_true(distance(trained({baseline = baseline}):theta():totable(), theta) > 1e-4)
      end)
    end
  end

  it("that share the whole cost give what one signal gives", function()
    local whole = {{outputs = {1, 4}, parameters = {1, P}}}
    -- the sum over outputs is scaled once more: a rounding of 1e−16, divided by a
    assert.is_true(distance(trained({signals = whole}):theta():totable(),
      trained({}):theta():totable()) < 1e-12)
  end)

  it("name layers as they name parameters", function()
    local by_layer = trained{signals = {{outputs = 2, layers = 2}}}
    local by_number = trained{signals = {{outputs = {2, 2}, parameters = {21, 44}}}}
    assert.same(by_number:theta():totable(), by_layer:theta():totable())
    assert.truthy(tostring(by_layer):find("1 cost signals besides", 1, true))
  end)

  -- Rows of one replica cut θ into tiles, in which parameters may hear different signals; lanes do
  -- not. Batches of 1 and 6 fill the lanes in other ways.
  it("give a replica the same bits alone and in an ensemble, for any number of threads", function()
    for _, dtype in ipairs {"f32", "f64"} do
      for _, batch in ipairs {1, 6} do
        local same = {signals = LIST, batch = batch, tau_x = 1, replicas = 21,
          init = {scheme = "uniform"}}
        local all = trained(options(same, {threads = 1}), 30, dtype):theta()
        assert.same(all:totable(), trained(options(same, {threads = 3}), 30, dtype):theta()
          :totable())
        for _, r in ipairs {1, 17, 21} do
          local one = trained(options(same, {replicas = 1, replica = r}), 30, dtype)
          assert.same(all[r]:totable(), one:theta():totable())
        end
      end
    end
  end)

  it("are the same in the analog engine's layouts, and whatever code is used", function()
    for _, code in ipairs {"walsh", "sine", "sequential", "gaussian"} do
      local same = {signals = "outputs", engine = "analog", tau_x = 8, tau_hp = 5, replicas = 5,
        tau_theta = 20, perturbation = {code = code, amplitude = 0.02}}
      local all = trained(same):theta()
      local one = trained(options(same, {replicas = 1, replica = 4})):theta()
      assert.same(all[4]:totable(), one:totable())
    end
  end)

  it("on a chip in Lua are those of the network", function()
    local net = network()
    local chip = mgd.chip{parameters = P, theta = net:theta(), evaluate = function(theta, x)
      return net:set_theta(theta):forward(x)
    end}
    local theta = trained{chip = chip, signals = LIST, batch = 3}:theta():totable()
    assert.is_true(distance(trained{signals = LIST, batch = 3}:theta():totable(), theta) < 1e-12)
  end)

  it("go through a cost path each, with noise of their own", function()
    local function on_chip(sigma, changes)
      local chip = mgd.chip{net = network(), output = mgd.hw.noise{sigma = 1e-9},
        cost = mgd.hw.noise{sigma = sigma}}
      return trained(options({chip = chip, signals = "outputs", batch = 2}, changes)):theta()
    end
    -- noise of 1e−9 in the outputs, 4e−10 in C̃, divided by a over ten writes with η = 0.5
    local still, ideal = on_chip(0), trained{signals = "outputs", batch = 2}:theta()
    assert.is_true(distance(still:totable(), ideal:totable()) < 1e-5)
    -- bits of the layouts, with states and noise
    local all = on_chip(1e-4, {replicas = 18})
    assert.same(all[18]:totable(), on_chip(1e-4, {replica = 18}):totable())
    -- What the noise of the cost path does to the four biases of the last layer is independent:
    -- over 400 replicas correlations are within 5/√400 = 0.25 of 0.
    local one = {tau_theta = 1, tau_x = 1, replicas = 400, eta = 1}
    local chip = mgd.chip{net = network(), cost = mgd.hw.noise{sigma = 1}}
    local run = mgd.train(options(options(BASE, one), {chip = chip, signals = "outputs",
      perturbation = {code = "sequential", amplitude = 1}}))
    local rows = {}
    for k = 1, 4 do -- the sequential code moves one parameter at each step
      run:run{steps = k == 1 and 41 or 1, probes = {}}
      rows[k] = run:theta():transpose()[40 + k]:clone()
    end
    for k = 2, 4 do
      local a, b = rows[1] - rows[1]:mean(), rows[k] - rows[k]:mean()
      assert.is_true(math.abs((a * b):mean() / math.sqrt(a:var() * b:var())) < 0.25)
      assert.is_true(rows[k]:var() > 1) -- the noise of C and C₀: 2σ² at P times the sequential one
    end
  end)

  it("let a run be saved in the middle of a window and go on bit for bit", function()
    local path = os.tmpname()
    for _, engine in ipairs {"discrete", "analog"} do
      local o = {signals = LIST, engine = engine, tau_x = 4, replicas = 3, perturbation =
        {code = "walsh", amplitude = 0.02}, tau_theta = 5}
      local whole = trained(o, 29):theta()
      trained(o, 13):save(path)
      local run = mgd.resume(path)
      run:run{steps = 16, probes = {}}
      assert.same(whole:totable(), run:theta():totable())
    end
    os.remove(path)
  end)

  -- A network of two halves that share nothing: to the second half the first half's C̃ is noise.
  -- With random signs and one sample the variance of G_i is Σ_j≠i g_j² over the parameters that its
  -- signal tells of, so that with P ≫ 1 two equal halves halve it, and the tangent of the angle
  -- falls by √2. Over 400 replicas the mean tangent has an error near 1 %: 10 % is a safe margin.
  it("make G as exact as the outputs it hears are few", function()
    local net = mgd.nn.sequential{input = {40}, mgd.nn.dense(2), dtype = "f64"}
      :init{scheme = "zeros"}
    local x = mgd.ones{1, 40}
    local function tangent(signals)
      local run = mgd.train{net = net, data = {x = x, y = mgd.ones{1, 2}}, signals = signals,
        eta = 0, tau_theta = 1000, tau_x = 1000, replicas = 400,
        perturbation = {code = "random", amplitude = 1e-4}}
      local h = run:run{steps = 1000, every = 1000, probes = {"angle"}}
      return math.tan(math.rad(h.angle[-1]:mean()))
    end
    local ratio = tangent(nil) / tangent("outputs")
    assert.is_true(math.abs(ratio / math.sqrt(2) - 1) < 0.1, ratio)
  end)
end)

describe("wrong signals", function()
  local function refused(text, signals, changes)
    local message = fails(text, trained, options({signals = signals}, changes))
    assert.truthy(message:find("signals_spec.lua", 1, true), message)
  end

  it("are named", function()
    refused("expected \"outputs\" or a list", "output")
    refused("expected \"outputs\" or a list", {})
    refused("signal 1 must be a table, got number", {3})
    refused("unknown option 'output' (did you mean 'outputs'?)", {{output = 1, layers = 1}})
    refused("expected either layers = … or parameters = …", {{outputs = 1}})
    refused("outputs must be a number from 1 on, or {first, last}",
      {{outputs = {3, 2}, layers = 1}})
    refused("layers 1 to 3: the network has 2 with parameters", {{outputs = 1, layers = {1, 3}}})
    refused("outputs 3 to 5: expected some of 1 to 4", {{outputs = {3, 5}, layers = 1}})
    refused("parameters 44 to 45: expected some of 1 to 44",
      {{outputs = 1, parameters = {44, 45}}})
    refused("parameter 7 hears two", {{outputs = 1, parameters = {1, 7}},
      {outputs = 2, parameters = {7, 8}}})
  end)

  it("are refused where they cannot be heard", function()
    refused("expected mse", "outputs", {cost = "cross_entropy"})
    refused("perturb = \"parameters\"", "outputs", {perturb = "nodes"})
    refused("by filters", "outputs", {engine = "analog", integrator = "rk4", tau_x = 6})
    local black = mgd.chip{parameters = 1, evaluate = function(theta, x)
      return mgd.full({x.shape[1], 4}, theta[1])
    end}
    refused("shows no layers", "outputs", {chip = black})
    local pooled = mgd.nn.sequential{input = {1, 4, 4}, mgd.nn.conv2d{4, kernel = 3},
      mgd.nn.avgpool2d(2), mgd.nn.flatten()}
    refused("needs a dense layer at the end", "outputs", {chip = mgd.chip{net = pooled},
      data = {x = mgd.zeros{2, 1, 4, 4}, y = mgd.zeros{2, 4}}})
  end)
end)
