-- Learning circuits in Verilog as chips: the circuit of examples/rtl, compiled by Verilator, does
-- what a model of it in plain Lua does.

local mgd = require "mgd"
local core = require "mgd.core"
local errors = require "spec.support.errors"
local folder = require "spec.support.folder"
local hardware = require "mgd.runs.hardware"
local options = require("spec.support.train").options

local LSB, DIR = 2 ^ -8, "examples/rtl"

local function network(...)
  return mgd.nn.mlp { 2, 2, 1, activation = "sigmoid", output = "sigmoid", ... }
end

local chip

local function train(own)
  return mgd.train(options({ chip = chip, data = mgd.data.xor(), batch = 4, seed = 2,
    init = { scheme = "uniform", low = -1, high = 1 } }, own))
end

local function weights(run)
  local list = run:theta():totable()
  for i, value in ipairs(list) do
    list[i] = value / LSB
  end
  return list
end

-- Notes of breaks go to stderr; here they are counted.
local function breaks(f)
  local note, count = hardware.note_break, 0
  hardware.note_break = function() -- luacheck: ignore
    count = count + 1
  end
  local ok, message = pcall(f)
  hardware.note_break = note -- luacheck: ignore
  assert(ok, message)
  return count
end

-- ---- the circuit in Lua -------------------------------------------------------------------------

local function xor(a, b)
  local sum = 0
  for k = 0, 31 do
    local x, y = math.floor(a / 2 ^ k) % 2, math.floor(b / 2 ^ k) % 2
    sum = sum + (x ~= y and 2 ^ k or 0)
  end
  return sum
end

local function xorshift(x)
  x = xor(x, x * 2 ^ 13 % 2 ^ 32)
  x = xor(x, math.floor(x / 2 ^ 17))
  return xor(x, x * 2 ^ 5 % 2 ^ 32)
end

local function model(w)
  local circuit = { w = w, noise = 0x2545f491, count = {} }
  for i = 1, #w do
    circuit.count[i] = 0
  end
  function circuit.signs()
    local s = {}
    for i = 1, #w do
      s[i] = 1 - 2 * (math.floor(circuit.noise / 2 ^ (i - 1)) % 2)
    end
    return s
  end
  function circuit.step(plus, minus)
    local vote, s = minus - plus, circuit.signs()
    vote = vote >= 4 and 1 or vote <= -4 and -1 or 0
    for i = 1, #w do
      local count = circuit.count[i] + vote * s[i]
      if math.abs(count) == 4 then
        w[i] = math.max(-2048, math.min(2047, w[i] + 8 * vote * s[i]))
        count = 0
      end
      circuit.count[i] = count
    end
    circuit.noise = xorshift(circuit.noise)
  end
  return circuit
end

-- Q(C) of w + 32·s and w − 32·s, by the probe of an ideal chip.
local function codes(circuit, ideal)
  local out, s = {}, circuit.signs()
  for k, side in ipairs { 1, -1 } do
    local theta = {}
    for i, w in ipairs(circuit.w) do
      theta[i] = (w + side * 32 * s[i]) * LSB
    end
    ideal:set_theta(mgd.tensor(theta, { dtype = "f32" }))
    local x = ideal:evaluate().cost * 65536
    out[k] = math.max(0, math.min(65535, math.floor(x + 0.5)))
  end
  return out[1], out[2]
end

-- ---- specs --------------------------------------------------------------------------------------

describe("a circuit in Verilog", function()
  setup(function()
    folder.make()
    chip = mgd.chip { verilog = DIR, net = network(), lsb = LSB }
  end)
  teardown(function()
    chip = nil
    collectgarbage()
    folder.remove()
  end)

  it("is printed with what it says of itself", function()
    errors.contains(tostring(chip), "chip in examples/rtl, by Verilator ", "P = 9",
      "9 of 12 bits, θ from -8 to 7.99609", "32 steps, 0.125", "16 bits, 1 at full scale")
    assert.same({ 9, 12, 16, 32, LSB, 1 }, { chip.rtl.synapses, chip.rtl.weight_bits,
      chip.rtl.cost_bits, chip.rtl.amplitude, chip.rtl.lsb, chip.rtl.cost_range })
  end)

  it("learns XOR", function()
    local run = train()
    assert.equal("chip", run.options.engine)
    run:run { steps = 4000, probes = {} }
    local result = run:evaluate()
    assert.is_true(result.cost < 0.01)
    assert.equal(1, result.accuracy)
    assert.equal(4000 * 2 * 4, run:counters().evaluations)
  end)

  it("does bit for bit what its model does", function()
    local run = train()
    local circuit = model(weights(run))
    local ideal = mgd.train { net = network(), data = mgd.data.xor() }
    local moved = 0
    for _ = 1, 10 do
      local before = table.concat(circuit.w, " ")
      for _ = 1, 20 do
        circuit.step(codes(circuit, ideal))
      end
      run:run { steps = 20, probes = {} }
      assert.same(circuit.w, weights(run))
      moved = moved + (before ~= table.concat(circuit.w, " ") and 1 or 0)
    end
    assert.is_true(moved >= 5)
  end)

  it("has weights that are the nearest to θ, within its range", function()
    local run = mgd.train { chip = chip, data = mgd.data.xor() }
    run:set_theta(mgd.tensor({ 0.5 * LSB, 1.5 * LSB, -0.4 * LSB, 100, -100, 7.999, 0, -1, 1.2 },
      { dtype = "f32" }))
    local held = { 0, 2, 0, 2047, -2048, 2047, 0, -256, 307 }
    assert.same(held, weights(run))
    run:run { steps = 1, probes = {} }
    assert.same(held, weights(run))
  end)

  it("starts from the parameters of the network, as its weights can hold them", function()
    local net = network()
    local made = mgd.chip { verilog = DIR, net = net, lsb = 0.25, cost_range = 0.5 }
    net:set_theta(mgd.tensor({ 0.1, 0.2, -0.3, 1, 2, 3, -4, -0.13, 0 }, { dtype = "f32" }))
    local run = mgd.train { chip = made, data = mgd.data.xor() }
    assert.same({ 0, 0.25, -0.25, 1, 2, 3, -4, -0.25, 0 }, run:theta():totable())
  end)

  it("learns in one go as in many", function()
    local one = train()
    one:run { steps = 700, probes = {} }
    local expected = weights(one)
    local many = train()
    for _, steps in ipairs { 1, 2, 3, 94, 500, 100 } do
      many:run { steps = steps, probes = {} }
    end
    assert.same(expected, weights(many))
    assert.is_nil(rawget(many, "breaks"))
  end)

  it("goes on after Ctrl-C in the middle of a step as if there had been none", function()
    local asked, at
    local function cost(y, target)
      asked = asked + 1
      if asked == at then
        mgd.interrupt()
      end
      local sum = 0
      for i, row in ipairs(y:totable()) do
        sum = sum + (row[1] - target:totable()[i][1]) ^ 2
      end
      return sum / 4
    end
    asked = 0
    local whole, after = train { cost = cost }, {}
    for step = 1, 40 do
      whole:run { steps = 1, probes = {} }
      after[step] = weights(whole)
    end
    for _, when in ipairs { 7, 42 } do
      asked, at = 0, when
      local run = train { cost = cost }
      errors.fails("interrupted at step", run.run, run, { steps = 40, probes = {} })
      at = nil
      assert.is_true(run.steps_done < 40)
      assert.same(after[run.steps_done], weights(run))
      run:run { steps = 40 - run.steps_done, probes = {} }
      assert.same(after[40], weights(run))
      assert.is_nil(rawget(run, "breaks"))
    end
  end)

  it("is one chip: a run that another one came between begins anew, and says so", function()
    local first, second = train(), train { seed = 3 }
    first:run { steps = 50, probes = {} }
    local left = weights(first)
    assert.equal(0, breaks(function()
      second:run { steps = 50, probes = {} }
    end))
    assert.same(left, weights(first))
    assert.equal(1, breaks(function()
      first:run { steps = 1, probes = {} }
    end))
    errors.fails_here("replicas: this is one chip", train, { replicas = 2 })
  end)

  it("is evaluated as its network is, at θ of the weights", function()
    local run = train()
    run:run { steps = 100, probes = {} }
    local ideal = mgd.train { net = network(), data = mgd.data.xor() }
    ideal:set_theta(run:theta())
    assert.same(ideal:evaluate().cost, run:evaluate().cost)
    assert.same(ideal:predict(mgd.data.xor().x):totable(), run:predict(mgd.data.xor().x):totable())
  end)

  it("is saved with its weights: a run that is resumed begins anew at them", function()
    local run, path = train(), folder.name .. "/run.ckpt"
    run:run { steps = 200, probes = {} }
    run:save(path)
    errors.fails_here({ "a circuit in Verilog", 'chip = mgd.chip{verilog = "examples/rtl", …}' },
      mgd.resume, path)
    local resumed = mgd.resume(path, { chip = chip })
    assert.same(weights(run), weights(resumed))
    assert.equal(200, resumed.steps_done)
    assert.equal(1, breaks(function()
      resumed:run { steps = 10, probes = {} }
    end))
  end)

  it("is the chip of an experiment, too", function()
    local run = train()
    run:run { steps = 60, probes = {} }
    local expected = weights(run)
    for _, made in ipairs { chip, { verilog = DIR, net = network(), lsb = LSB } } do
      local result = mgd.experiment { name = "rtl", chip = made, data = mgd.data.xor(), steps = 60,
        every = 60, training = { batch = 4, seed = 2,
          init = { scheme = "uniform", low = -1, high = 1 } } }:run()
      assert.equal("chip", result.run.options.engine)
      assert.same(expected, weights(result.run))
    end
  end)

  it("is built once, and again where its sources are others", function()
    local text = assert(io.open(DIR .. "/chip.v")):read "*a"
    folder.write("chip.v", text)
    folder.write("chip.txt", "set own\nlsb 0.5\ncost_range 2\n")
    local copy = mgd.chip { verilog = folder.name, net = network() }
    assert.is_nil(copy.rtl.seconds)
    assert.same({ chip.rtl.key, 0.5, 2 }, { copy.rtl.key, copy.rtl.lsb, copy.rtl.cost_range })
    folder.write("other.vh", "")
    local build = require "mgd.hardware.verilog.build"
    assert.not_equal(chip.rtl.key, build.key(folder.name, "chip"))
  end)

  it("goes with options of its own alone", function()
    local function fails(message, own)
      errors.fails_here(message, mgd.chip, options({ verilog = DIR, net = network(), lsb = LSB },
        own))
    end
    fails("option 'weights' does not go with 'verilog'", { weights = mgd.hw.levels { bits = 4 } })
    fails("option 'seed' does not go with 'verilog'", { seed = 2 })
    fails("option 'top' must be the name of a module, got 'a b'", { top = "a b" })
    errors.fails_here("option 'net' is missing", mgd.chip, { verilog = DIR, lsb = LSB })
    errors.fails_here("option 'lsb' is missing", mgd.chip, { verilog = DIR, net = network() })
    errors.fails_here("option 'lsb' goes with 'verilog'", mgd.chip, { net = network(), lsb = LSB })
    errors.fails_here("expected the engine chip", train, { engine = "discrete" })
    errors.fails_here("perturbation", train, { perturbation = "random" })
    errors.fails_here("the chip trains by itself", mgd.advise, { chip = chip,
      data = mgd.data.xor() })
  end)

  it("written by circuit:verilog does bit for bit what mgd.train{circuit = …} does", function()
    local net, dir = network(), folder.name .. "/accumulator"
    local circuit = mgd.circuit { set = "accumulator", net = net }
    circuit:verilog { dir = dir }
    local made = mgd.chip { verilog = dir, net = net } -- whose scales are in chip.txt
    assert.same({ circuit.lsb, circuit.cost_range }, { made.rtl.lsb, made.rtl.cost_range })
    for seed = 1, 2 do
      local own = { data = mgd.data.xor(), batch = 4, seed = seed,
        init = { scheme = "uniform", low = -1, high = 1 } }
      local rtl = mgd.train(options(own, { chip = made }))
      local engine = mgd.train(options(own, { circuit = circuit }))
      for _ = 1, 4 do
        rtl:run { steps = 1000, probes = {} }
        engine:run { steps = 1000, probes = {} }
        assert.same(engine:theta():totable(), rtl:theta():totable())
      end
      assert.same(engine:evaluate().cost, rtl:evaluate().cost)
      assert.is_true(rtl:evaluate().cost < 0.01)
    end
  end)

  it("has a synapse for each parameter of the network", function()
    errors.fails_here("examples/rtl: chip: it has 9 synapses (register 0x0001): expected 13",
      mgd.chip, { verilog = DIR, lsb = LSB, net = mgd.nn.mlp { 2, 3, 1 } })
  end)

  it("leaves no process behind, closed or collected", function()
    local made = mgd.chip { verilog = DIR, net = network(), lsb = LSB }
    local run = mgd.train { chip = made, data = mgd.data.xor() }
    run:run { steps = 10, probes = {} }
    local theta = weights(run)
    local function processes()
      local pipe = io.popen("ps -o args= --ppid " .. core.process.pid())
      local _, count = pipe:read("*a"):gsub("/mgd%-lua/verilog/", "")
      pipe:close()
      return count
    end
    local before = processes()
    made:close()
    made:close()
    errors.fails("run:run: the chip was closed", run.run, run, { steps = 1 })
    assert.same(theta, weights(run))
    assert.equal(before - 1, processes())
    local another = mgd.chip { verilog = DIR, net = network(), lsb = LSB }
    assert.is_nil(another.closed)
    assert.equal(before, processes())
    made, run, another = nil, nil, nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.is_true(before >= 2)
    assert.is_true(processes() < before)
  end)
end)
