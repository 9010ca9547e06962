-- Objects at work: functions that they call back cannot take them apart.

local mgd = require "mgd"
local support = require "spec.support.train"

local fails = support.fails

-- A run whose chip calls `use(run)` at its first evaluation, and the message of that call.
local function within(use)
  local run, message
  local chip = mgd.chip { parameters = 2, evaluate = function(theta, x)
    message = message or select(2, pcall(use, run))
    return x:sum(2):reshape { x.shape[1], 1 } * theta[1]
  end }
  run = mgd.train { chip = chip, data = mgd.data.xor() }
  run:run { steps = 3, probes = {} }
  return tostring(message), run
end

describe("a run at work", function()
  it("refuses its finaliser as it refuses every method", function()
    local methods = getmetatable(within and mgd.train { net = mgd.nn.mlp { 2, 1 },
      data = mgd.data.xor() }.core)
    local names = {}
    for name, method in pairs(methods) do
      if type(method) == "function" and name ~= "steps_done" then
        names[#names + 1] = name
      end
    end
    assert.is_true(#names > 15)
    for _, name in ipairs(names) do
      local message = within(function(run)
        methods[name](run.core)
      end)
      assert.is_truthy(message:find("it is running already", 1, true), name .. ": " .. message)
    end
  end)

  it("keeps its chip and its network", function()
    local network = mgd.nn.mlp { 2, 2, 1 }
    local run = mgd.train { net = network, data = mgd.data.xor(), cost = function(y, target)
      collectgarbage()
      collectgarbage()
      return (y - target):pow(2):mean()
    end }
    network = nil -- luacheck: ignore
    run:run { steps = 3, probes = {} }
    assert.equal(3, run.steps_done)
  end)

  it("is unharmed by the end of the tensors that it was given", function()
    local x, y = mgd.rand { 4, 2 }, mgd.rand { 4, 1 }
    local finalise = getmetatable(x).__gc
    local run
    local chip = mgd.chip { parameters = 2, evaluate = function(theta, samples)
      finalise(x)
      finalise(y)
      return samples:sum(2):reshape { samples.shape[1], 1 } * theta[1]
    end }
    run = mgd.train { chip = chip, data = mgd.data.xor() }
    assert.equal("number", type(run.core:evaluate(x, y)[1]))
  end)
end)

describe("what another object uses", function()
  it("cannot be freed before it", function()
    local network = mgd.nn.mlp { 2, 2, 1 }
    local run = mgd.train { net = network, data = mgd.data.xor() }
    fails("network: a chip uses it", getmetatable(network.core).__gc, network.core)
    local chip = run.options.chip.core
    fails("chip: a run uses it", getmetatable(chip).__gc, chip)
    getmetatable(run.core).__gc(run.core)
    getmetatable(run.core).__gc(run.core) -- twice does nothing
    fails("run: already freed", run.run, run, { steps = 1 })
    getmetatable(chip).__gc(chip)
    getmetatable(network.core).__gc(network.core)
    fails("network: already freed", network.theta, network)
  end)

  it("is freed after it by the collector", function()
    local core = require "mgd.core"
    collectgarbage()
    collectgarbage()
    local before = core.base.memory().live_blocks
    for _ = 1, 20 do
      local run = mgd.train { net = mgd.nn.mlp { 2, 2, 1 }, data = mgd.data.xor() }
      run:run { steps = 2, probes = {} }
    end
    for _ = 1, 4 do
      collectgarbage()
    end
    assert.equal(before, core.base.memory().live_blocks)
  end)
end)
