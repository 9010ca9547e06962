-- run:explain by the layers of a network: shares of C̃², hints.

local mgd = require "mgd"
local support = require "spec.support.train"

local nn = mgd.nn
local options = support.options

local DATA = { x = mgd.randn({ 20, 3 }, { seed = 1 }), y = mgd.rand({ 20, 2 }, { seed = 2 }) }

local function network(activation)
  return nn.mlp { 3, 6, 4, 2, activation = activation or "tanh", dtype = "f64" }:init { seed = 4 }
end

local BASE = { data = DATA, batch = 20, shuffle = false, tau_theta = 4, eta = 0.01,
  perturbation = { code = "random", amplitude = 1e-4 } }

local function explained(changes, steps)
  local opts = options(BASE, changes)
  opts.net = not opts.chip and (opts.net or network()) or nil
  local run = mgd.train(opts)
  run:run { steps = steps or 8, probes = { "norm_G" } }
  return run:explain(), run
end

local function hint(report, text)
  for _, sentence in ipairs(report.hints) do
    if sentence:find(text, 1, true) then
      return sentence
    end
  end
end

-- Squares of ∂C/∂θ over each part, or of ∂C/∂z over the samples, which is that by biases.
local function squares(net, x, y)
  local g, list = net:gradient(x, y), {}
  for i, part in ipairs(net:parts()) do
    list[i] = g[{ { part.first, part.first + part.parameters - 1 } }]:norm() ^ 2
  end
  return list
end

local function node_squares(net)
  local list = {}
  for b = 1, DATA.x.shape[1] do
    local g = net:gradient(DATA.x[{ { b, b } }], DATA.y[{ { b, b } }])
    for i, part in ipairs(net:parts()) do
      local last = part.first + part.parameters - 1
      list[i] = (list[i] or 0) + g[{ { last - part.nodes + 1, last } }]:norm() ^ 2
    end
  end
  return list
end

-- Shares of 64 patterns scatter by √(2/64) of themselves or so: five of the standard errors that
-- the report has, which are themselves no larger than a sixth.
local function check_shares(layers, expected, learns)
  local sum = 0
  for i, value in ipairs(expected) do
    sum = sum + (learns[i] and value or 0)
  end
  for i, entry in ipairs(layers) do
    if learns[i] then
      assert.is_true(math.abs(entry.share - expected[i] / sum) < 5 * entry.share_error + 1e-3,
        ("%s: %.3f, expected %.3f"):format(entry.name, entry.share, expected[i] / sum))
      assert.is_true(entry.share_error < 1 / 6)
    else
      assert.is_nil(entry.share)
    end
  end
end

describe("shares of C̃² by layer", function()
  local ALL = { true, true, true }

  it("are those of |g|² where parameters are perturbed", function()
    local report, run = explained { eta = 0 }
    check_shares(report.layers, squares(network(), DATA.x, DATA.y), ALL)
    assert.equal(64 * 20 * 2 * 3, report.layers.evaluations) -- C₀ and C of a batch
    assert.equal("parameters", report.layers[1].by)
    assert.equal(8, run.steps_done)
  end)

  it("are by the amplitudes of the layers", function()
    local report = explained { eta = 0, layers = { dense2 = { amplitude = 3e-4 } } }
    local expected = squares(network(), DATA.x, DATA.y)
    expected[2] = 9 * expected[2]
    check_shares(report.layers, expected, ALL)
  end)

  it("are those of ∂C/∂z of single samples where nodes are perturbed", function()
    local report = explained { eta = 0, perturb = "nodes" }
    check_shares(report.layers, node_squares(network()), ALL)
    assert.equal("nodes", report.layers[3].by)
  end)

  it("are of the layers that learn", function()
    local report = explained { eta = 0, learn = { "dense2", "dense3" } }
    check_shares(report.layers, squares(network(), DATA.x, DATA.y), { false, true, true })
    assert.equal("still", report.layers[1].by)
    assert.is_nil(report.layers[1].snr)
  end)

  it("are measured on a simulated chip by another one of its kind", function()
    local chip = mgd.chip { net = network(), cost = mgd.hw.noise { sigma = 1e-9 }, seed = 3 }
    local report = explained { chip = chip, eta = 0 }
    check_shares(report.layers, squares(network(), DATA.x, DATA.y), ALL)
    assert.equal(8, chip:age())
  end)

  it("are beside the noise of the chip, 2σ² of C − C₀", function()
    local expected, a = squares(network(), DATA.x, DATA.y), BASE.perturbation.amplitude
    local sum = expected[1] + expected[2] + expected[3]
    local sigma = a * math.sqrt(sum / 2) -- as much as all layers
    local chip = mgd.chip { net = network(), cost = mgd.hw.noise { sigma = sigma }, seed = 3 }
    local report = explained { chip = chip, eta = 0 }
    for i, entry in ipairs(report.layers) do
      assert.is_true(math.abs(entry.share - expected[i] / sum / 2) < 5 * entry.share_error)
    end
    assert.is_true(math.abs(report.layers.noise_share - 0.5) < 0.25)
    assert.is_truthy(tostring(report):find("noise of the chip makes", 1, true))
  end)

  it("leave the run as it was", function()
    local a, b = mgd.train(options(BASE, { net = network() })), mgd.train(options(BASE,
      { net = network() }))
    a:run { steps = 8, probes = {} }
    a:explain()
    a:run { steps = 8, probes = {} }
    b:run { steps = 16, probes = {} }
    assert.same(b:theta():totable(), a:theta():totable())
    assert.same(b:counters().evaluations, a:counters().evaluations)
  end)
end)

describe("run:explain by layer", function()
  it("has the figures of the probes by layer, and prints them", function()
    local run = mgd.train(options(BASE, { net = network() }))
    local history = run:run { steps = 8, probes = { "layer_norm_g", "layer_norm_error", "layer_snr",
      "layer_snr_evaluation", "layer_snr_image" } }
    local report = run:explain()
    for _, entry in ipairs(report.layers) do
      for _, name in ipairs { "norm_g", "norm_error", "snr", "snr_evaluation", "snr_image" } do
        assert.equal(history[("layer_%s.%s"):format(name, entry.name)][-1], entry[name])
      end
    end
    assert.is_truthy(tostring(report):find("dense3", 1, true))
    assert.is_truthy(tostring(report):find("64 patterns for each", 1, true))
  end)

  it("has none of black boxes and of one layer", function()
    local chip = support.counting_chip()
    local run = mgd.train { chip = chip, data = mgd.data.xor() }
    run:run { steps = 4, probes = {} }
    assert.is_nil(run:explain().layers)
    assert.is_nil(explained { net = nn.mlp { 3, 2 } }.layers)
  end)

  it("recommends that layers stand still that make most noise and learn least", function()
    local wide = { x = mgd.randn({ 20, 200 }, { seed = 1 }) * 0.004, y = DATA.y }
    local net = nn.mlp { 200, 4, 2, activation = "tanh", dtype = "f64" }:init {
      scheme = "glorot_normal", seed = 4 }
    local report = explained({ net = net, data = wide, eta = 1e-3, tau_theta = 50 }, 50)
    local text = hint(report, "it stands still")
    local first, second = report.layers[1], report.layers[2]
    assert.is_true(first.share > 0.5 and first.snr_image < 0.1 * second.snr_image)
    assert.is_truthy(text:find(("dense1 makes %.0f ± %.0f %%"):format(100 * first.share,
      100 * first.share_error), 1, true))
    assert.is_truthy(text:find('learn = "dense2"', 1, true))
    assert.is_truthy(text:find(("falls %.2g times"):format(1 / (1 - first.share)), 1, true))
    -- and it does: noise of the second layer alone, in windows of the same length
    local run = mgd.train(options(BASE, { net = net, data = wide, eta = 0, tau_theta = 50,
      learn = "dense2" }))
    local history = run:run { steps = 50, probes = { "layer_norm_error" } }
    local fallen = (second.norm_error / history["layer_norm_error.dense2"][2]) ^ 2
    assert.is_true(fallen > 1.5 and fallen < 4, ("%.2f"):format(fallen))
    assert.is_nil(hint(explained { eta = 1e-3 }, "still"))
  end)

  it("recommends a gate with what it leaves of |G − g|²", function()
    local changes = { net = network "relu", perturb = "nodes", eta = 0, tau_theta = 50 }
    local report = explained(changes, 50)
    local left = tonumber(hint(report, "gate = true"):match "leave (%d+) %%") / 100
    local squares_of = {}
    for i, gate in ipairs { false, true } do
      local run = mgd.train(options(BASE, options(changes, { gate = gate })))
      run:run { steps = 50, probes = { "norm_G" } }
      local g = network "relu":gradient(DATA.x, DATA.y)
      squares_of[i] = (run:gradient() - g):norm() ^ 2
    end
    assert.is_true(math.abs(left - squares_of[2] / squares_of[1]) < 0.01)
    assert.is_nil(hint(explained(options(changes, { gate = true }), 50), "gate = true"))
    assert.is_nil(hint(explained(options(changes, { net = network() }), 50), "gate = true"))
  end)

  it("recommends a larger amplitude for a layer whose own C̃ is rounding", function()
    local net = nn.mlp { 3, 6, 2, activation = "tanh", dtype = "f32" }:init { seed = 4 }
    local report = explained { net = net, eta = 0, layers = { dense1 = { amplitude = 1e-7 } } }
    local text = hint(report, "what dense1 makes of C̃")
    assert.is_truthy(text and text:find("{dense1 = {amplitude =", 1, true))
    assert.is_nil(hint(explained { net = net, eta = 0 }, "mostly rounding"))
  end)

  it("recommends η by the share of a layer's steps that is signal", function()
    local net = nn.mlp { 200, 4, 2, activation = "tanh", dtype = "f64" }:init {
      scheme = "glorot_normal", seed = 4 }
    local theta = net:theta() -- the gradient of the first layer goes through the second's weights
    theta[{ { 805, 812 } }] = theta[{ { 805, 812 } }] / 2
    net:set_theta(theta)
    local wide = { x = mgd.randn({ 20, 200 }, { seed = 1 }) * 0.004, y = DATA.y }
    local report = explained({ net = net, data = wide, eta = 1e-3, tau_theta = 50 }, 50)
    local first, second = report.layers[1], report.layers[2]
    local ratio = first.snr / (1 + first.snr) / (second.snr / (1 + second.snr))
    assert.is_true(ratio < 0.1)
    local text = hint(report, "layers = {dense1 = {eta =")
    assert.is_truthy(text)
    local eta = tonumber(text:match "{eta = ([%d%.e%-]+)}")
    assert.is_true(math.abs(eta / (1e-3 * ratio) - 1) < 0.5) -- printed with one digit
  end)
end)
