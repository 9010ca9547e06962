-- Faults of recurrent networks and sequences: options, shapes, lengths, targets, allocations.

local mgd = require "mgd"
local core = require "mgd.core"
local support = require "spec.support.train"
local memory = require "spec.support.memory"

local hw, nn = mgd.hw, mgd.nn
local fails = support.fails

local function network_of(input, ...)
  local layers = { ... }
  layers.input = input
  return function() return nn.sequential(layers) end
end

local function train(net, x, y, cost)
  return function() return mgd.train { net = net, data = { x = x, y = y }, cost = cost } end
end

describe("recurrent layers refuse", function()
  local CASES = {
    ["no number of states"] = { "nn.elman: expected the number of states", nn.elman, {} },
    ["two numbers of states"] = { "got 2 numbers", nn.elman, { 3, 4 } },
    ["no state"] = { "nn.elman:", nn.elman, { 0 } },
    ["half a state"] = { "nn.elman:", nn.elman, { 2.5 } },
    ["an unknown activation"] = { "option 'activation'", nn.elman, { 3, activation = "softplus" } },
    ["an unknown output"] = { "option 'output'", nn.elman, { 3, output = "first" } },
    ["an unknown option"] = { "did you mean 'activation'?", nn.elman, { 3, activatoin = "relu" } },
    ["states of none"] = { "option 'states'", nn.ssm, { states = 0 } },
    ["a step of 0"] = { "option 'step'", nn.ssm, { step = 0 } },
    ["a step without effect"] = { "option 'step'", nn.ssm, { init = "scheme", step = 0.1 } },
    ["an unknown init"] = { "option 'init'", nn.ssm, { init = "legt" } },
    ["no layers at each step"] = { "nn.each_step: no layers", nn.each_step, {} },
    ["no layer at each step"] = { "entry 1 is a number", nn.each_step, { 3 } },
    ["options of each_step"] = { "unknown option 'steps'", nn.each_step,
      { nn.dense(2), steps = 3 } },
    ["a recurrence at each step"] = { "nn.elman runs through the steps by itself", nn.each_step,
      { nn.dense(3), nn.elman { 2 } } },
    ["a recurrence in a branch at each step"] = { "nn.ssm runs through the steps by itself",
      nn.each_step, { nn.concat { nn.dense(3), { nn.residual { nn.ssm {} } } } } },
    ["steps of steps"] = { "nn.each_step runs through the steps by itself", nn.each_step,
      { nn.each_step { nn.dense(2) } } },
  }
  for what, case in pairs(CASES) do
    it(what, function()
      fails(case[1], case[2], case[3])
    end)
  end

  it("further arguments", function()
    fails("unexpected argument", nn.elman, { 3 }, "relu")
    fails("unexpected argument", nn.ssm, {}, 3)
  end)

  it("inputs that are no sequences, with the layer and the shape", function()
    fails("layer 1 (elman): its input has the shape 1x28x28: expected a sequence",
      network_of({ 1, 28, 28 }, nn.elman { 3 }))
    fails("layer 2 (ssm): its input has the shape 2x4x4: expected a sequence",
      network_of({ 1, 6, 6 }, nn.conv2d { 2, kernel = 3 }, nn.ssm {}))
  end)

  it("what does not fit a step", function()
    fails("layer 1 (each_step), layer 1 (conv2d): its input has the shape 5x4",
      network_of({ 3, 5, 4 }, nn.each_step { nn.conv2d { 2, kernel = 2 } }))
    fails("layer 1 (each_step), layer 1 (reshape): 3x2 does not have the features of its input 4",
      network_of({ 3, 4 }, nn.each_step { nn.reshape { 3, 2 }, nn.dense(1) }))
  end)

  it("more parameters than there are numbers for", function()
    fails("fewer than 2^32 parameters", network_of({ 3, 2 }, nn.elman { 1e5 }))
  end)
end)

describe("targets that do not go with the answers", function()
  local x = mgd.rand { 6, 4, 2 }
  local all = nn.sequential { input = { 4, 2 }, nn.elman { 3, output = "all" } }
  local last = nn.sequential { input = { 4, 2 }, nn.elman { 3 } }
  local CASES = {
    { "one answer where there is one at every step", all, mgd.ones { 6, 3 },
      "outputs of 4x3, an answer for every step, against 3 target columns: expected y of shape "
      .. "(N, 4, 3)" },
    { "flat answers at every step", all, mgd.ones { 6, 12 }, "expected y of shape (N, 4, 3)" },
    { "another number of steps", all, mgd.ones { 6, 5, 3 },
      "outputs of 4x3 against targets of 5x3" },
    { "another number of columns", all, mgd.ones { 6, 4, 2 },
      "outputs of 4x3 against targets of 4x2" },
    { "answers at every step where there is one", last, mgd.ones { 6, 4, 3 },
      "outputs of 3 against targets of 4x3" },
    { "too many dimensions", all, mgd.ones { 6, 4, 3, 1 }, "(N, T, K) with an answer" },
  }
  for _, case in ipairs(CASES) do
    it(case[1] .. " are refused", function()
      fails(case[4], train(case[2], x, case[3]))
      fails(case[4], all.gradient, case[2], x, case[3])
    end)
  end

  it("classes need two columns at a step", function()
    local one = nn.sequential { input = { 4, 2 }, nn.elman { 1, output = "all" } }
    fails("needs at least 2 outputs", train(one, x, mgd.ones { 6, 4, 1 }, "cross_entropy"))
  end)

  it("nn.flatten makes one answer of all steps", function()
    local flat = nn.sequential { input = { 4, 2 }, nn.elman { 3, output = "all" }, nn.flatten() }
    train(flat, x, mgd.ones { 6, 12 })():run { steps = 1 }
  end)

  it("a chip in Lua answers for every step, too", function()
    local shape
    local chip = mgd.chip { parameters = 1, evaluate = function(_, batch)
      return mgd.ones { batch.shape[1], (table.unpack or unpack)(shape) }
    end }
    local run = mgd.train { chip = chip, data = { x = x, y = mgd.ones { 6, 4, 3 } } }
    for _, bad in ipairs { { 3 }, { 5, 3 }, { 12 } } do
      shape = bad
      fails("against targets of 4x3", run.run, run, { steps = 1 })
    end
    shape = { 4, 3 }
    run:run { steps = 1 }
  end)
end)

describe("sequences are refused", function()
  local function case(text, x, y, test)
    fails(text, mgd.data.sequences, { x = x, y = y or mgd.ones { #x, 1 }, test = test })
  end

  it("of unlike lengths, with the first such, its length and the first one's", function()
    local a, b = mgd.rand { 5, 2 }, mgd.rand { 4, 2 }
    case("mgd.data.sequences: x[3] has 4 steps, the first sequence has 5", { a, a, b })
    case("x[2] has 3 steps, the first sequence has 4", { mgd.rand { 4 }, mgd.rand { 3 } })
    case("test.x[2] has 4 steps, the first sequence has 5", { a, a }, nil,
      { x = { a, b }, y = mgd.ones { 2, 1 } })
    case("y[2] has 4 steps, the first sequence has 5", { a, a }, { a, b })
  end)

  it("of unlike features", function()
    case("x[2] has the shape 5×3, the first sequence 5×2", { mgd.rand { 5, 2 }, mgd.rand { 5, 3 } })
    case("x[2] has the shape 5×3, the first sequence 5×1", { mgd.rand { 5 }, mgd.rand { 5, 3 } })
  end)

  it("that are none", function()
    case("x is an empty list", {}, mgd.ones { 1, 1 })
    case("x[2] must be a sequence, a tensor (T, F) or (T), got number", { mgd.rand { 5 }, 3 })
    case("x[1] must be a sequence, a tensor (T, F) or (T), got 2×2×2", { mgd.rand { 2, 2, 2 } })
    case("x must have the shape (N, T, F), or (N, T) of one feature, got 2×2×2×2",
      mgd.rand { 2, 2, 2, 2 })
    fails("option 'x'", mgd.data.sequences, { x = 3, y = mgd.ones { 1, 1 } })
    fails("option 'y' is missing", mgd.data.sequences, { x = { mgd.ones { 3 } } })
  end)

  it("with a test set of another length, or as many targets as do not fit", function()
    case("test.x has samples of 4×1, x has samples of 5×1", { mgd.rand { 5 } }, nil,
      { x = { mgd.rand { 4 } }, y = mgd.ones { 1, 1 } })
    case("x has 2 samples, y has 3", { mgd.rand { 5 }, mgd.rand { 5 } }, mgd.ones { 3, 1 })
  end)

  it("with values that are not finite, by their place", function()
    case("x is NaN at [2, 3, 1]", { mgd.rand { 3 }, mgd.tensor { 0, 1, 0 / 0 } })
  end)
end)

describe("models of neurons are refused", function()
  local function chip(...)
    local net = nn.sequential { input = { 4, 2 }, ... }
    return function() return mgd.chip { net = net, neurons = hw.noise { sigma = 0.1 } } end
  end
  local function made(make)
    local set = { x = mgd.rand { 3, 4, 2 }, y = mgd.rand { 3, 2 } }
    return function() return mgd.train { chip = make(), data = set } end
  end

  it("within a recurrence", function()
    fails("option 'neurons' cannot act within the recurrence of layer 1 (elman)",
      made(chip(nn.elman { 3 }, nn.dense(2))))
  end)

  it("at each step", function()
    fails("'neurons' cannot act on neurons that are used at every step, behind layer 1 (ssm)",
      made(chip(nn.ssm { output = "all" }, nn.relu(), nn.dense(2))))
    fails("behind layer 1 (dense)",
      made(chip(nn.each_step { nn.dense(3), nn.relu() }, nn.dense(2))))
  end)
end)

describe("an allocation that fails", function()
  after_each(function()
    core.base.fail_from(0)
  end)

  it("in a recurrent network is an error that leaks nothing", function()
    local x, y = mgd.rand { 9, 4, 2 }, mgd.rand { 9, 4, 2 }
    local function operation()
      local net = nn.sequential { input = { 4, 2 }, nn.elman { 3, output = "all" },
        nn.ssm { states = 3, output = "all" }, nn.each_step { nn.dense(2) } }
      net:init { scheme = "glorot_normal" }
      net:gradient(x, y, "mse")
      return net:forward(x)
    end
    operation()
    assert.is_true(memory.survive(operation) > 9)
  end)
end)
