-- Chips that learn by themselves in ngspice, against the analog engine at the same constants.

local errors = require "spec.support.errors"
local folder = require "spec.support.folder"
local mgd = require "mgd"
local subprocess = require("spec.support.train").subprocess

local contains, fails = errors.contains, errors.fails_here
local XOR = mgd.data.xor { dtype = "f64" }

local function mlp(sizes, activation, seed)
  local net = mgd.nn.mlp { sizes[1], sizes[2], sizes[3], sizes[4], activation = activation,
    output = "sigmoid", dtype = "f64" }
  return net:init { scheme = "uniform", low = -1, high = 1, seed = seed or 1 }
end

local function rc(net, own)
  local opts = { set = "rc", net = net }
  for name, value in pairs(own or {}) do
    opts[name] = value
  end
  return mgd.circuit(opts)
end

local function trace_of(circuit, clocks, own)
  local opts = { file = folder.name .. "/chip.cir", clocks = clocks, data = XOR }
  for name, value in pairs(own or {}) do
    opts[name] = value
  end
  return circuit:spice(opts):run { seconds = 60 }
end

-- The largest difference of any weight from the engine's in any row, a row for each sample shown,
-- and how far a weight went.
local function deviation(circuit, trace, own)
  local opts = { circuit = circuit, data = XOR, shuffle = false, integrator = "rkf45",
    tolerance = 1e-6 }
  for name, value in pairs(own or {}) do
    opts[name] = value ~= "" and value or nil
  end
  local run = mgd.train(opts)
  local start, worst, far = run:theta(), 0, 0
  for t = 1, trace.theta.shape[1] do
    run:run { steps = run.options.tau_x }
    worst = math.max(worst, (run:theta() - trace.theta[t]):abs():max())
    far = math.max(far, (run:theta() - start):abs():max())
  end
  return worst, far
end

describe("a chip in ngspice", function()
  setup(folder.make)
  teardown(folder.remove)

  -- 800 clocks are 50 τ_θ and 800 patterns. The engine's patterns and samples change at once, the
  -- netlist's within an edge, for two of which the switch holds: what the two differ by is
  -- proportional to the edge: 0.27 % of the way at a 500th of a clock, and half at half of it.
  it("learns as the analog engine does, to 0.5 % of the way weights go, over 50 τ_θ", function()
    local circuit = rc(mlp({ 2, 2, 1 }, "sigmoid"))
    local trace = trace_of(circuit, 800)
    assert.same({ 100, 9 }, trace.theta.shape)
    assert.near(8e-4, trace.time[-1], 1e-9)
    local worst, far = deviation(circuit, trace)
    assert.is_true(far > 3)
    assert.is_true(worst < 0.005 * far, worst / far)
    local sharper = deviation(circuit, trace_of(circuit, 800, { edge = 1e-9 }))
    assert.is_true(sharper < 0.7 * worst, sharper / worst)
  end)

  it("follows the filters of the engine, too, as far as their steps go", function()
    local circuit = rc(mlp({ 2, 2, 1 }, "sigmoid"), { steps = 32 })
    local worst, far = deviation(circuit, trace_of(circuit, 400), { integrator = "euler",
      tolerance = "" })
    assert.is_true(worst < 0.005 * far, worst / far)
  end)

  it("may be perturbed by a Walsh counter, and have other layers and samples", function()
    local parity = mgd.data.parity { bits = 3, dtype = "f64" }
    local circuit = rc(mlp({ 3, 4, 2, 1 }, "tanh"), { source = "walsh", sample_clocks = 32 })
    local worst, far = deviation(circuit, trace_of(circuit, 640, { data = parity }),
      { data = parity })
    assert.is_true(worst < 0.005 * far, worst / far)
  end)

  it("may have more synapses than its register has stages, and weights that do not leak", function()
    local circuit = rc(mlp({ 2, 3, 1 }, "sigmoid"), { register_bits = 5, r_leak = math.huge })
    local worst, far = deviation(circuit, trace_of(circuit, 160))
    assert.is_true(worst < 0.005 * far, worst / far)
  end)

  it("begins at the weights that it is given", function()
    local circuit = rc(mlp({ 2, 2, 1 }, "sigmoid"), { gm = 1e-15 })
    local theta = mgd.arange(9) / 10
    local trace = trace_of(circuit, 16, { theta = theta, every = 1 })
    assert.near(0, (trace.theta[1] - theta):abs():max(), 1e-3)
    assert.equal(16, trace.time.size)
  end)
end)

describe("circuit:spice refuses", function()
  setup(folder.make)
  teardown(folder.remove)

  local function refuses(circuit, own, ...)
    local opts = { file = folder.name .. "/none.cir" }
    for name, value in pairs(own) do
      opts[name] = value
    end
    fails({ "circuit:spice: ", ... }, circuit.spice, circuit, opts)
    assert.is_nil(io.open(opts.file))
  end

  it("other sets, and circuits without a network", function()
    refuses(mgd.circuit { set = "charge-pump", net = mlp({ 2, 2, 1 }, "tanh") }, {},
      "set 'charge-pump' has no netlist: expected set 'rc'")
    refuses(mgd.circuit { set = "sign-sign", synapses = 9 }, {}, "set 'sign-sign'")
    refuses(mgd.circuit { set = "rc", synapses = 9 }, {}, "expected mgd.circuit{net = …}")
  end)

  it("networks of other layers, by name", function()
    refuses(rc(mlp({ 2, 2, 1 }, "relu")), {}, "layer 2 of the network is relu")
    local nn = mgd.nn
    refuses(rc(nn.sequential { input = { 2 }, nn.dense(1) }), {}, "ends in a dense layer")
    refuses(rc(nn.sequential { input = { 1, 4, 4 }, nn.conv2d { 1, kernel = 3 } }), {}, "conv2d")
  end)

  it("data and weights that do not fit", function()
    local circuit = rc(mlp({ 2, 2, 1 }, "tanh"))
    refuses(circuit, { data = mgd.data.parity { bits = 3 } },
      "data of 3 features and 1 targets, for a network of 2 and 1")
    refuses(rc(mlp({ 9, 2, 1 }, "tanh")), { data = mgd.data.parity { bits = 9 } },
      "data of 512 samples: expected at most 256")
    refuses(circuit, { theta = mgd.zeros { 8 } }, "theta has 8 values, and the network 9")
    refuses(circuit, { theta = mgd.full({ 9 }, 0 / 0) }, "number 1 of theta is nan")
    refuses(circuit, { edge = 1e-6 }, "edge = 1 µs: expected at most 50 ns")
    refuses(circuit, { clocks = 0 }, "option 'clocks' must be an integer ≥ 1, got 0")
    refuses(circuit, { clocks = 7 }, "every = 8 is beyond clocks = 7")
  end)

  it("files that cannot be written", function()
    local circuit = rc(mlp({ 2, 2, 1 }, "tanh"))
    fails({ "option 'file' is missing" }, circuit.spice, circuit, {})
    fails({ "circuit:spice: ", "No such file" }, circuit.spice, circuit,
      { file = folder.name .. "/nowhere/chip.cir" })
    fails({ "circuit:spice: " }, circuit.spice, circuit, { file = folder.name })
  end)
end)

describe("netlist:run reports", function()
  setup(folder.make)
  teardown(folder.remove)

  local function netlist(clocks)
    return rc(mlp({ 2, 2, 1 }, "sigmoid")):spice { file = folder.name .. "/chip.cir",
      clocks = clocks or 8 }
  end

  -- Another netlist in its place.
  local function replaced(text)
    local made = netlist()
    folder.write("chip.cir", text)
    return made
  end

  it("an ngspice that is not there", function()
    local out = subprocess(([[
      local mgd = require "mgd"
      local net = mgd.nn.mlp { 2, 2, 1, activation = "tanh", output = "tanh" }
      local chip = mgd.circuit { set = "rc", net = net }:spice { file = "%s/chip.cir" }
      print(pcall(chip.run, chip))]]):format(folder.name), "PATH=/nonexistent")
    contains(out, "netlist:run: ngspice is not installed (apt install ngspice)")
  end)

  it("an ngspice that is too slow", function()
    local slow = netlist(1e6)
    fails({ "netlist:run: ngspice failed: ", "ended after 0.2 s" }, slow.run, slow,
      { seconds = 0.2 })
  end)

  it("what ngspice says of a netlist that it cannot read", function()
    local wrong = replaced "A title\nr1 a 0 {nothing}\n.tran 1u 2u\n.print tran v(a)\n.end\n"
    fails({ "netlist:run: ngspice failed: ", "Cannot compute substitute", "status 1" }, wrong.run,
      wrong)
  end)

  it("a transient that ends too soon", function()
    local short = replaced "A title\nv1 a 0 1\nr1 a 0 1\n.tran 1u 2u\n.print tran v(a)\n.end\n"
    fails({ "netlist:run: ngspice ended after 0 of 1 rows" }, short.run, short)
  end)

  it("a netlist that is gone", function()
    local gone = netlist()
    os.remove(gone.file)
    fails({ "netlist:run: ngspice failed: ", "chip.cir" }, gone.run, gone)
  end)
end)
