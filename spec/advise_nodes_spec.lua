-- The advisor for hardware that can perturb its neurons.

local mgd = require "mgd"
local support = require "spec.support.train"

local fails_here = support.fails_here

local LETTERS = mgd.data.nist7x7()

local function network(activation)
  return mgd.nn.mlp { 49, 20, 10, 4, activation = activation or "relu" }:init {
    scheme = "he_normal", seed = 1 }
end

local function advise(changes)
  local opt = { net = network(), data = LETTERS, cost = "cross_entropy", batch = 32,
    evaluations = 2e5, nodes = true }
  for name, value in pairs(changes or {}) do
    opt[name] = value
  end
  return mgd.advise(opt)
end

local function reason(advice, text)
  for _, sentence in ipairs(advice.reasons) do
    if sentence:find(text, 1, true) then
      return sentence
    end
  end
end

describe("mgd.advise with nodes", function()
  it("perturbs them, with a gate, where G is worth more so, and says how much", function()
    local advice = advise()
    assert.equal("nodes", advice.train.perturb)
    assert.is_true(advice.train.gate)
    local text = reason(advice, "perturb = \"nodes\"")
    local by_nodes, by_parameters = text:match "G ([%d%.e%-]+) for an image, and ([%d%.e%-]+) by"
    -- signal to noise for an image of other windows, 16 times as long: within a factor of 2 of
    -- what 16 patterns showed
    local function measured(changes)
      local opt = { net = network(), data = LETTERS, cost = "cross_entropy", batch = 32, eta = 0,
        baseline = "two-sided", tau_theta = 256, seed = 7, perturbation = { code = "random",
        amplitude = advice.train.perturbation.amplitude } }
      for name, value in pairs(changes) do
        opt[name] = value
      end
      return mgd.train(opt):run { steps = 256, probes = { "snr" } }.snr[2] / (256 * 32)
    end
    local function close(text_of, value)
      local ratio = tonumber(text_of) / value
      assert.is_true(ratio > 0.5 and ratio < 2, ("%s against %.3g"):format(text_of, value))
    end
    close(by_nodes, measured { perturb = "nodes", gate = true })
    close(by_parameters, measured {})
    local run = advice:train { eta = advice.eta }
    local before = run:evaluate().cost
    run:run { steps = 1000, probes = { "cost" } }
    assert.is_true(run.history.cost[-1] < 0.8 * before)
    assert.is_nil(reason(advice, "stand still"))
    assert.is_true(advice.evaluations <= advice.budget)
  end)

  it("leaves them alone without being asked, and where the network has one layer", function()
    assert.is_nil(advise { nodes = false }.train.perturb)
    local advice = advise { net = mgd.nn.mlp { 49, 4 }:init { seed = 1 } }
    assert.is_nil(advice.train.perturb)
    assert.is_truthy(support.flag(advice, "nodes"))
  end)

  it("is refused where a chip has none", function()
    local chip = mgd.chip { parameters = 2, evaluate = function(theta, x)
      return (x * theta):sum(2):reshape { x.shape[1], 1 }
    end }
    fails_here("this chip has none", function()
      mgd.advise { chip = chip, data = mgd.data.xor(), nodes = true }
    end)
  end)

  it("names layers that might stand still, with what that would be worth", function()
    local net = network()
    local theta = net:theta() -- of small last weights, through which all gradients but theirs go
    local last = net:parts()[3]
    local own = { { last.first, last.first + 39 } }
    theta[own] = theta[own] * 0.1
    local text = reason(advise { net = net:set_theta(theta) }, "stand still")
    assert.is_truthy(text and text:find("learn = {\"dense3\"}", 1, true))
  end)
end)
