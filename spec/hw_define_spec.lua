-- Models that the user writes: what they are told, what they draw, and what happens when they fail.
-- How models keep what they were given, and how lists of them are refused.

local mgd = require "mgd"
local core = require "mgd.core"
local fails = require("spec.support.errors").fails_here
local hw = mgd.hw

local set = mgd.data.xor()

local function define(changes)
  local options = { name = "spec_hot", stage = "output", apply = function(v)
    return v
  end }
  for key, value in pairs(changes) do
    options[key] = value
  end
  return hw.define(options)
end

local function chip_with(model, stage)
  return mgd.chip { net = mgd.nn.mlp { 2, 2, 1 }, [stage or "output"] = model }
end

describe("a model by the user", function()
  it("is told where it stands", function()
    local seen = {}
    define { apply = function(v, ctx)
      seen[#seen + 1] = { v.shape[1], v.shape[2], ctx.step, ctx.time, ctx.dt, ctx.still,
        ctx.replicas[1], #ctx.replicas }
      return v
    end } {}:apply(mgd.zeros { 2, 5 }, { dt = 0.5, replica = 4 })
    assert.same({ { 1, 5, 0, 0, 0.5, false, 4, 1 }, { 1, 5, 1, 0.5, 0.5, false, 4, 1 } }, seen)
  end)

  it("knows the replica of each lane, and of samples of one", function()
    local seen = {}
    local model = define { stage = { "weights", "output" }, apply = function(v, ctx)
      assert.equal(v.shape[1], #ctx.replicas)
      for _, replica in ipairs(ctx.replicas) do
        seen[replica] = true
      end
      return v
    end } {}
    mgd.train { chip = chip_with(model, "weights"), data = set, replicas = 3, replica = 5 }:run {
      steps = 2 }
    assert.is_true(seen[5] and seen[6] and seen[7])
    assert.is_nil(seen[4])
    seen = {}
    mgd.train { chip = chip_with(model), data = set, replica = 9, batch = 4 }:run { steps = 2 }
    assert.same({ [9] = true }, seen)
  end)

  it("has a memory that belongs to one chip", function()
    local model = define { apply = function(v, ctx)
      ctx.memory.calls = (ctx.memory.calls or 0) + 1
      return v * 0 + ctx.memory.calls
    end } {}
    for _ = 1, 2 do
      assert.is_true(model:apply(mgd.zeros { 3, 1 }):allclose(mgd.tensor { { 1 }, { 2 }, { 3 } }))
    end
  end)

  it("draws what depends on the event and the number of the draw alone", function()
    local function draws(f, opts)
      return define { apply = function(_, ctx)
        return f(ctx)
      end } {}:apply(mgd.zeros { 2, 6 }, opts)
    end
    local function normal(k)
      return function(ctx)
        return ctx.randn(k)
      end
    end
    local one = draws(normal())
    assert.is_true(one:allclose(draws(normal(1)), { rtol = 0 }))
    assert.is_false(one:allclose(draws(normal(2))))
    assert.is_false(one:allclose(draws(normal(), { seed = 2 })))
    assert.is_false(one[1]:allclose(one[2]))
  end)

  it("draws the middle when a probe looks", function()
    local model = define { apply = function(v, ctx)
      return v + ctx.randn() + ctx.rand()
    end } {}
    local out = model:apply(mgd.zeros { 2, 3 }, { still = true })
    assert.is_true(out:allclose(mgd.full({ 2, 3 }, 0.5), { rtol = 0 }))
  end)

  it("may train on a chip of its own, and then go on drawing", function()
    local noisy = define { apply = function(v, ctx)
      return v + ctx.randn() * 0.01
    end } {}
    local deep = define { stage = "cost", name = "spec_deep", apply = function(v, ctx)
      mgd.train { chip = chip_with(noisy), data = set }:run { steps = 2 }
      return v + ctx.randn() * 0
    end } {}
    local run = mgd.train { chip = chip_with(deep, "cost"), data = set }
    run:run { steps = 3 }
    assert.equal(3, run.steps_done)
  end)

  local kept
  -- what the function does, the function, what the message holds
  local cases = {
    { "returns nothing", function() end, "hw.spec_hot: it returned a nil: expected a tensor" },
    { "returns another shape", function()
      return mgd.zeros { 7 }
    end, "it returned a tensor 7: expected " },
    { "returns NaN", function(v)
      return v * (0 / 0)
    end, "expected a finite number" },
    { "fails", function()
      error "too hot"
    end, { "hw.spec_hot: ", "hw_define_spec.lua:", "too hot" } },
    { "fails with a table", function()
      error {}
    end, "hw.spec_hot: it raised an error object" },
    { "yields", function()
      coroutine.yield()
    end, "hw.spec_hot: it yielded" },
    { "draws number 0", function(_, ctx)
      return ctx.randn(0)
    end, "ctx: number of the draw" },
    { "draws by an earlier call", function(_, ctx)
      if kept then
        kept()
      end
      kept = ctx.rand
      error "the first call"
    end, "hw.spec_hot: " },
  }
  for _, case in ipairs(cases) do
    it(case[1] .. ": is told, nothing has changed, and nothing leaks", function()
      local model = define { apply = case[2] } {}
      local run = mgd.train { chip = chip_with(model), data = set, replicas = 2 }
      collectgarbage()
      collectgarbage()
      local before = core.base.memory().live_bytes
      fails(case[3], function()
        model:apply(mgd.zeros { 2, 3 })
      end)
      fails(case[3], function()
        run:run { steps = 3 }
      end)
      assert.equal(0, run.steps_done)
      collectgarbage()
      collectgarbage()
      assert.is_true(core.base.memory().live_bytes - before < 4096)
    end)
  end

  it("draws nothing once its call is over (bug: a pointer into the stack was kept)", function()
    local draw
    local model = define { apply = function(v, ctx)
      draw = ctx.randn
      return v
    end } {}
    model:apply(mgd.zeros { 3 })
    collectgarbage()
    fails("ctx.randn: the call that it belongs to is over", function()
      draw()
    end)
    mgd.train { chip = chip_with(model), data = set }:run { steps = 2 }
    fails("ctx.randn: the call that it belongs to is over", function()
      draw()
    end)
  end)

  it("is defined by a name, a stage, a schema and a function", function()
    fails("option 'name' must be a name of at most 24", define, { name = "a b" })
    fails("option 'name' must be a name of at most 24", define, { name = ("a"):rep(25) })
    fails("unknown stage 'outputs' (did you mean 'output'?)", define, { stage = "outputs" })
    fails("option 'stage' is an empty list", define, { stage = {} })
    fails("option 'params': entry 1 must be a table", define, { params = { "sigma" } })
  end)
end)

describe("models", function()
  it("keep their figures when the table that made them changes", function()
    local options = { table = { 0, 1 } }
    local model = hw.levels(options)
    options.table[2] = 5
    assert.equal(1, model:apply(mgd.tensor { 4 })[1])
  end)

  it("take tensors for tables of pulses", function()
    local model = hw.pulse_table { up = mgd.tensor { 0, 1, 2 }, down = { 2, 1, 0 } }
    assert.same({ 0, 1, 2 }, model:describe().params.up)
  end)

  it("of conductances stand before those that go by them, once", function()
    local drift, conductance = hw.drift { law = "pcm" }, hw.conductance {}
    fails("hw.conductance stands behind hw.drift, which goes by it", chip_with,
      { drift, conductance }, "weights")
    fails("hw.conductance stands behind hw.conductance, which is one already", chip_with,
      { conductance, conductance }, "weights")
    fails("option 'levels' goes from 5 to 30, beyond 0 … 25", hw.conductance,
      { levels = { 5, 30 } })
  end)

  it("of pairs differ by levels of their devices, which need not begin at g_min", function()
    local model = hw.conductance { g_min = 1, g_max = 26, levels = { 6, 11, 26 } }
    local out = model:apply(mgd.tensor { -1, -0.3, 0.05, 0.15, 0.6 })
    assert.is_true(out:allclose(mgd.tensor { -0.8, -0.2, 0, 0.2, 0.8 }, { rtol = 1e-12 }))
  end)

  it("of changes stand before the law that writes", function()
    fails("hw.noise stands behind hw.constant_step, which writes", chip_with,
      { hw.constant_step {}, hw.noise { sigma = 0.1 } }, "update")
  end)

  it("have one range", function()
    fails("option 'bound' has no effect beside", hw.adc, { low = -1, high = 1, bound = 1 })
    fails("option 'low' has no effect with a table", hw.levels, { table = { 0, 1 }, low = 0 })
  end)
end)
