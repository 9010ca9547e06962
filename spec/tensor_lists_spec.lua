-- Lists of numbers where a tensor is wanted.

local mgd = require "mgd"
local train = require "spec.support.train"

local fails, fails_here = train.fails, train.fails_here
local hw, nn = mgd.hw, mgd.nn

local function identity_net()
  return nn.mlp({ 2, 1, dtype = "f64" }):set_theta { 1, 10, 0.5 }
end

describe("a list of numbers is a tensor for", function()
  it("networks: parameters, inputs, targets", function()
    local net = identity_net()
    assert.same({ { 21.5 }, { 0.5 } }, net:forward({ { 1, 2 }, { 0, 0 } }):totable())
    local x, y = { { 1, 2 } }, { { 0 } }
    assert.same(net:gradient(mgd.tensor(x), mgd.tensor(y), "mse"):totable(),
      net:gradient(x, y, "mse"):totable())
  end)

  it("operators, methods and assignments of tensors", function()
    local t = mgd.tensor { 1, 2 }
    assert.same({ 4, 6 }, (t + { 3, 4 }):totable())
    assert.same({ 4, 6 }, ({ 3, 4 } + t):totable())
    assert.equal(11, t:dot { 3, 4 })
    assert.same({ 2, 3 }, t:clone():add_({ 1, 1 }):totable())
    assert.same({ { 1 }, { 2 } }, mgd.eye(2):matmul({ { 1 }, { 2 } }):totable())
    assert.is_true(t:allclose { 1, 2 })
    t[{}] = { 5, 6 }
    assert.same({ 5, 6 }, t:totable())
  end)

  it("data sets", function()
    local set = mgd.data.from { x = { { 0, 1 }, { 1, 0 } }, y = { { 1 }, { 0 } },
      test = { x = { { 1, 1 } }, y = { { 0 } } } }
    assert.same({ 2, 2 }, set.x.shape)
    assert.same({ { 0 } }, set.test.y:totable())
    local labels = mgd.data.from { x = { { 0 }, { 1 } }, y = { 2, 1 }, classes = 2 }
    assert.same({ { 0, 1 }, { 1, 0 } }, labels.y:totable())
    local sequences = mgd.data.sequences { x = { { 1, 2, 3 }, { 4, 5, 6 } }, y = { { 1 }, { 0 } } }
    assert.same({ 2, 3, 1 }, sequences.x.shape)
    local run = mgd.train { net = identity_net(), data = { x = { { 0, 1 } }, y = { { 1 } } } }
    assert.equal(1, run:run({ steps = 1 }).step[-1])
  end)

  it("models of hardware that are tried out", function()
    local model = hw.levels { bits = 1, low = 0, high = 1 }
    assert.same({ 0, 1 }, model:apply({ 0.1, 0.9 }):totable())
    local law = hw.soft_bounds { dw_min = 0.01, c2c = 0, dw_min_d2d = 0 }
    local changes = { { 0.1 }, { 0.1 } }
    assert.same(law:write(mgd.zeros { 1 }, mgd.tensor(changes)):totable(),
      law:write({ 0 }, changes):totable())
  end)

  it("what a chip in Lua, a cost and a code return", function()
    local function trained(evaluate, cost, code)
      local run = mgd.train { data = mgd.data.xor(), cost = cost,
        chip = mgd.chip { parameters = 1, theta = { 0.5 }, evaluate = evaluate },
        perturbation = { code = code, amplitude = 0.1, period = 2 } }
      run:run { steps = 4 }
      return run:theta():totable()
    end
    local function sign(slot)
      return slot % 2 == 0 and 1 or -1
    end
    assert.same(
      trained(function(theta, x) return mgd.full({ #x, 1 }, theta[1]) end,
        function(y, target) return (y - target):norm() end,
        function(slot) return mgd.tensor { sign(slot) } end),
      trained(function(theta, x)
        local y = {}
        for i = 1, #x do
          y[i] = { theta[1] }
        end
        return y
      end,
        function(y, target) return { (y - target):norm() } end,
        function(slot) return { sign(slot) } end))
  end)

  it("statistics and figures", function()
    assert.same({ 1.5, 3.5 }, mgd.stats.bands({ { 1, 2 }, { 3, 4 } }, { 0.5 })[1]:totable())
    mgd.plot { { x = { 1, 2 }, y = { { 1, 2 }, { 3, 4 } } } }
    mgd.plot { { kind = "heat", x = { 1, 2 }, y = { 1, 2 }, z = { { 1, 2 }, { 3, 4 } } } }
  end)
end)

describe("a wrong list", function()
  it("is mgd.tensor's error at the user's line", function()
    local net = identity_net()
    fails_here("mgd.tensor: ragged table: [2] has 1 entries", net.forward, net, { { 0, 1 }, { 2 } })
    fails_here("mgd.tensor: [2]: expected a number, got string", net.set_theta, net, { 1, "a", 3 })
    fails_here("mgd.tensor: ragged table", mgd.data.from,
      { x = { { 0, 1 }, { 2 } }, y = { { 1 }, { 0 } } })
  end)

  it("of the wrong shape is refused as such a tensor is", function()
    local net = identity_net()
    fails("set_theta: expected shape 3, got 2", net.set_theta, net, { 1, 2 })
  end)

  it("is an object of the library, or what is no list at all", function()
    local net = identity_net()
    fails("forward: x: expected a tensor, got table", net.forward, net, mgd.data.xor())
    fails("forward: x: expected a tensor, got string", net.forward, net, "x")
  end)
end)
