-- Models of the user's that remember: a table for each replica, at each place, saved with the run.

local mgd = require "mgd"
local hw = mgd.hw

-- The guide's own example, as it is printed there.
local function guide_model()
  local lines, inside = {}, false
  for line in io.lines "docs/guide/07-hardware.md" do
    inside = inside or line:find "^local hysteresis = hw%.define" ~= nil
    if inside then
      lines[#lines + 1] = line
      if line == "}" then
        break
      end
    end
  end
  local text = "local hw = ...\n" .. table.concat(lines, "\n") .. "\nreturn hysteresis"
  return assert((loadstring or load)(text))(hw) -- luacheck: ignore
end

local function network(dtype)
  return mgd.nn.mlp { 2, 3, 1, activation = "sigmoid", output = "sigmoid", dtype = dtype }
end

local function train(chip, changes)
  local opt = { chip = chip, data = mgd.data.xor(), seed = 5, tau_theta = 4, eta = 1,
    perturbation = { amplitude = 0.1 }, init = { scheme = "uniform" } }
  for key, value in pairs(changes or {}) do
    opt[key] = value
  end
  return mgd.train(opt)
end

local function same(a, b)
  return a:allclose(b, { rtol = 0, atol = 0 })
end

-- A model that counts its calls in memory, and lets what it does depend on them and on draws.
local function counting(stage)
  return hw.define { name = "spec_counting", stage = stage, apply = function(values, ctx)
    local m = ctx.memory
    m.calls = (m.calls or 0) + 1
    m.last = m.last or mgd.zeros { ctx.lanes, values.shape[2] }
    if m.last.shape[1] ~= ctx.lanes then -- a probe shows others
      return values
    end
    local out = values + (m.last - values) * 0.1 + ctx.randn() * 1e-3 + 1e-4 * (m.calls % 3)
    m.last = out:clone()
    m.list = { m.calls, { deep = tostring(m.calls) } }
    return out
  end }
end

describe("a model that remembers", function()
  for _, batch in ipairs { 1, 3, 4, 20 } do
    it(("does in replica r what the single run does: the guide's, batch %d"):format(batch),
      function()
      local model = guide_model() { width = 0.02 }
      local function chip()
        return mgd.chip { net = network(), output = model, seed = 2 }
      end
      local data = batch < 20 and mgd.data.xor() or mgd.data.parity { bits = 2 }
      if batch == 20 then
        data = mgd.data.from { x = mgd.rand({ 24, 2 }, { seed = 1 }), y = mgd.rand { 24, 1 } }
      end
      local all = train(chip(), { replicas = 18, batch = batch, data = data, threads = 2 })
      all:run { steps = 40, every = 7 }
      for _, r in ipairs { 1, 2, 17, 18 } do
        local one = train(chip(), { replica = r, batch = batch, data = data })
        one:run { steps = 40 }
        assert.is_true(same(all:theta()[r], one:theta()))
      end
    end)
  end

  for _, stage in ipairs { "weights", "neurons", "input", "output", "cost", "update" } do
    it("in stage " .. stage .. ": as alone, resumed, and whatever probes looked", function()
      local model = counting(stage) {}
      local function chip()
        return mgd.chip { net = network "f64", [stage] = model }
      end
      local all = train(chip(), { replicas = 5, batch = 2, replica = 3 })
      all:run { steps = 30 }
      local one, path = train(chip(), { replica = 6, batch = 2 }), os.tmpname()
      one:run { steps = 11, every = 1, probes = { "cost", "accuracy" } }
      one:save(path)
      local again = mgd.resume(path, { chip = chip() })
      again:run { steps = 19, every = 5 }
      assert.is_true(same(all:theta()[4], again:theta()))
      os.remove(path)
    end)
  end

  it("is called once for each replica and evaluation, with the samples shown in order", function()
    local seen = {}
    local model = hw.define { name = "spec_seen", stage = "output", apply = function(values, ctx)
      ctx.memory.n = (ctx.memory.n or 0) + 1
      if not ctx.still then
        seen[#seen + 1] = { values.shape[1], ctx.lanes, #ctx.replicas, ctx.replicas[1],
          ctx.rand().shape[1], ctx.rand(2).shape[2] }
      end
      return values
    end } {}
    local run = train(mgd.chip { net = network(), output = model }, { replicas = 2, batch = 3,
      baseline = "none", replica = 8 })
    run:run { steps = 2 }
    assert.same({ 3, 3, 3, 8, 3, 1 }, seen[1])
    assert.equal(4, #seen)
    local calls = { [8] = 0, [9] = 0 }
    for _, call in ipairs(seen) do
      calls[call[4]] = calls[call[4]] + 1
    end
    assert.same({ [8] = 2, [9] = 2 }, calls)
  end)

  it("sees the samples in the order in which they are shown", function()
    local rows = {}
    local model = hw.define { name = "spec_rows", stage = "input", apply = function(values, ctx)
      ctx.memory.used = true
      rows[#rows + 1] = not ctx.still and values:totable() or nil
      return values
    end } {}
    train(mgd.chip { net = network(), input = model }, { batch = 4, shuffle = false }):run {
      steps = 1 }
    assert.same({ { 0, 0 }, { 0, 1 }, { 1, 0 }, { 1, 1 } }, rows[1])
  end)

  it("draws what it draws without a memory", function()
    local function draws(memory, replicas)
      local list = {}
      local model = hw.define { name = "spec_draws", stage = "output", memory = memory,
        apply = function(values, ctx)
          for i = 1, not ctx.still and ctx.lanes or 0 do
            list[#list + 1] = ("%d %.17g"):format(ctx.replicas[i], ctx.randn(2)[i][1])
          end
          return values
        end } {}
      train(mgd.chip { net = network "f64", output = model }, { replicas = replicas,
        baseline = "none", eta = 0 }):run { steps = 3 }
      return table.concat(list, "\n")
    end
    local alone = draws(true, 1)
    assert.is_truthy(draws(false, 1):find(alone:match "^[^\n]*", 1, true))
  end)

  it("keeps what it remembers through compaction and stops", function()
    local model = counting "output" {}
    local function chip()
      return mgd.chip { net = network(), output = model }
    end
    local all = train(chip(), { replicas = 6 })
    all:run { steps = 60, every = 5, probes = { "cost" }, stop = { cost = 0.24 } }
    all:run { steps = 20 }
    for r = 1, 6 do
      local one = train(chip(), { replica = r })
      local stopped = all.history -- of the second call
      assert.is_truthy(stopped)
      one:run { steps = 60, every = 5, probes = { "cost" }, stop = { cost = 0.24 } }
      assert.is_number(one.steps_done)
    end
  end)

  it("forgets what a failed request wrote", function()
    local fails = false
    local model = hw.define { name = "spec_undo", stage = "output", apply = function(values, ctx)
      ctx.memory.n = (ctx.memory.n or 0) + (ctx.still and 0 or 1)
      if fails and ctx.step == 5 then
        fails = false
        error "once"
      end
      return values * (1 + 1e-3 * (ctx.memory.n % 7))
    end } {}
    local function run_of(failing)
      fails = failing
      local run = train(mgd.chip { net = network(), output = model }, { batch = 2 })
      if failing then
        assert.is_false((pcall(run.run, run, { steps = 20 })))
      end
      run:run { steps = 20 - run.steps_done }
      return run:theta()
    end
    assert.is_true(same(run_of(false), run_of(true)))
  end)

  it("has tables of its own where two stand at one place, and in each layer", function()
    local model = hw.define { name = "spec_two", stage = "neurons",
      apply = function(values, ctx)
        ctx.memory.width = ctx.memory.width or values.shape[2]
        assert(ctx.memory.width == values.shape[2])
        return values
      end }
    local sums = train(mgd.chip { net = network(), neurons = { model {}, model {} } })
    sums:run { steps = 4 }
    local count = 0
    for _ in pairs(sums.memory.places) do
      count = count + 1
    end
    assert.equal(4, count)
  end)
end)

describe("memory", function()
  local function run_with(value)
    local model = hw.define { name = "spec_value", stage = "output", apply = function(values, ctx)
      if not ctx.still then
        ctx.memory.value = value
      end
      return values
    end } {}
    local chip = mgd.chip { net = network(), output = model }
    local run = train(chip, { replica = 7 })
    run:run { steps = 1 }
    return run, chip
  end

  it("comes back as it was: numbers, texts, tensors, tables that stand twice", function()
    local shared = { 1.5, -0.0, 2 ^ 53, 1 / 0 }
    local run, chip = run_with { shared, again = shared, [3.5] = "a\0b%c\n\255é",
      t = mgd.tensor { 1, 2 },
      yes = true, no = false, [true] = {}, deep = { { { { } } } } }
    local path = os.tmpname()
    run:save(path)
    local again = mgd.resume(path, { chip = chip })
    local key = next(again.memory.places)
    local value = again.memory.places[key][1].value
    assert.equal(value[1], value.again)
    assert.same({ 1.5, -0.0, 2 ^ 53, 1 / 0 }, value[1])
    assert.equal("a\0b%c\n\255é", value[3.5])
    assert.is_true(same(mgd.tensor { 1, 2 }, value.t))
    assert.same({ true, false }, { value.yes, value.no })
    assert.same({ { { { } } } }, value.deep)
    os.remove(path)
  end)

  local cycle = {}
  cycle.inner = { cycle }
  for what, case in pairs {
    ["a function"] = { { a = { 1, print } }, "memory.value.a[2] is a function" },
    ["a file"] = { { ["a b"] = io.stdout }, 'memory.value["a b"] is a userdata' },
    ["a table within itself"] = { cycle,
      "memory.value.inner[1] is a table that stands within itself" },
    ["an object"] = { setmetatable({}, {}), "memory.value is a table with a metatable" },
    ["a table as key"] = { { [{}] = 1 }, "memory.value has a table as a key" },
  } do
    it("that holds " .. what .. " is refused when it is saved", function()
      local run, path = run_with(case[1]), os.tmpname()
      local ok, message = pcall(run.save, run, path)
      assert.is_false(ok)
      assert.is_truthy(message:find("hw.spec_value, replica 7: " .. case[2], 1, true), message)
      assert.is_truthy(message:find("hw_memory_spec.lua", 1, true))
      os.remove(path)
    end)
  end

  it("that the function takes through another is an error, unless it is said", function()
    local function helper(ctx)
      local key = "mem" .. "ory"
      ctx[key].n = (ctx[key].n or 0) + 1
    end
    local function chip(memory)
      return mgd.chip { net = network(), output = hw.define { name = "spec_hidden",
        stage = "output",
        memory = memory, apply = function(values, ctx)
          helper(ctx)
          return values
        end } {} }
    end
    local ok, message = pcall(function()
      train(chip()):run { steps = 1 }
    end)
    assert.is_false(ok)
    assert.is_truthy(message:find("memory = true", 1, true), message)
    train(chip(true)):run { steps = 1 }
  end)

  it("may be replaced by another table", function()
    local model = hw.define { name = "spec_other", stage = "output", apply = function(values, ctx)
      ctx.memory = { n = (ctx.memory.n or 0) + 1 }
      return values * 0 + ctx.memory.n
    end } {}
    assert.is_true(same(model:apply(mgd.zeros { 3, 1 }), mgd.tensor { { 1 }, { 2 }, { 3 } }))
  end)
end)
