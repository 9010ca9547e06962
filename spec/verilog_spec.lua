--- Circuits as Verilog: the RTL does what the engine in C and the reference do, bit for bit.

local errors = require "spec.support.errors"
local files = require "mgd.base.files"
local folder = require "spec.support.folder"
local mgd = require "mgd"
local rtl = require "spec.support.verilog"

local function xor_net()
  return mgd.nn.mlp { 2, 2, 1, activation = "sigmoid", output = "sigmoid" }
end

local function xor_run(circuit, chip)
  return mgd.train { circuit = circuit, chip = chip, data = mgd.data.xor(), batch = 4, seed = 1,
    init = { scheme = "uniform", low = -1, high = 1 } }
end

-- Circuits at the edges of their registers, whose testbenches the reference makes.
local EDGES = {
  accumulator = { set = "accumulator", synapses = 9, tau_theta = 16, shift = 4 },
  walsh = { synapses = 9, source = "walsh" },
  outer = { net = { 2, 2, 1 }, source = "outer", register_bits = 8,
    layers = { { 2, 2 }, { 1, 2 } } },
  ["one synapse"] = { synapses = 1, weight_bits = 4, amplitude = 3, step = 5, register_bits = 2 },
  ["narrowest"] = { synapses = 3, weight_bits = 2, amplitude = 1, step = 1, counter_bits = 1,
    cost_bits = 1, register_bits = 3 },
  ["half the range at once"] = { synapses = 5, weight_bits = 6, amplitude = 32, step = 32,
    counter_bits = 2, cost_bits = 3, source = "walsh" },
  ["widest"] = { synapses = 4, weight_bits = 31, amplitude = 2 ^ 30, step = 2 ^ 20,
    counter_bits = 3, cost_bits = 32, register_bits = 30 },
  ["sums without a shift"] = { set = "accumulator", synapses = 5, weight_bits = 4, amplitude = 8,
    accumulator_bits = 12, magnitude_bits = 6, shift = 0, tau_theta = 1, cost_bits = 6 },
  ["sums that saturate"] = { set = "accumulator", synapses = 5, weight_bits = 8, amplitude = 7,
    accumulator_bits = 6, magnitude_bits = 10, shift = 2, tau_theta = 5, cost_bits = 12,
    source = "walsh" },
  ["sums of a bit"] = { set = "accumulator", synapses = 5, weight_bits = 3, amplitude = 1,
    accumulator_bits = 2, magnitude_bits = 1, shift = 1, tau_theta = 3, cost_bits = 4 },
}

local function edge(name)
  local opt, layers = {}, EDGES[name].layers
  for key, value in pairs(EDGES[name]) do
    opt[key] = key == "net" and xor_net() or key ~= "layers" and value or nil
  end
  return mgd.circuit(opt), layers
end

describe("Verilog of a circuit", function()
  setup(folder.make)
  teardown(folder.remove)

  describe("of XOR over 10,000 steps of the engine", function()
    local dir
    setup(function()
      dir = folder.name .. "/xor"
      local circuit = mgd.circuit { net = xor_net(), register_bits = 7 }
      circuit:verilog { dir = dir, run = xor_run(circuit), steps = 10000 }
    end)

    it("is the same bits in Icarus", function()
      assert.matches("PASS: 10000 steps of 9 synapses\n", rtl.icarus(dir))
    end)

    it("is the same bits in Verilator, as a chip", function()
      local circuit = mgd.circuit { net = xor_net(), register_bits = 7 }
      local chip = mgd.chip { verilog = dir, net = xor_net() }
      local hardware, engine = xor_run(nil, chip), xor_run(circuit)
      for _ = 1, 10 do
        hardware:run { steps = 1000, probes = {} }
        engine:run { steps = 1000, probes = {} }
        assert.same(engine:theta():totable(), hardware:theta():totable())
      end
    end)

    it("has a testbench that Verilator takes", function()
      assert.equal("", rtl.run(rtl.words({ "verilator", "--lint-only", "--timing", "--top-module",
        "testbench" }, rtl.sources(dir, true))))
    end)
  end)

  it("does what the engine does with rows and columns, replica by replica", function()
    local dir = folder.name .. "/rows"
    local circuit = mgd.circuit { set = "accumulator", net = xor_net(), source = "outer",
      shift = 6 }
    local run = mgd.train { circuit = circuit, data = mgd.data.xor(), batch = 4, replicas = 3,
      init = { scheme = "uniform", low = -1, high = 1 } }
    circuit:verilog { dir = dir, run = run, steps = 400, replica = 2 }
    assert.matches("PASS: 400 steps", rtl.icarus(dir))
  end)

  for name in pairs(EDGES) do
    it("does what the reference does: " .. name, function()
      local dir = folder.name .. "/" .. name:gsub(" ", "-")
      local circuit, layers = edge(name)
      rtl.write(circuit, dir, rtl.trace(circuit, 400, layers))
      assert.matches("PASS: 400 steps", rtl.icarus(dir))
      assert.equal("", rtl.run(rtl.words({ "verilator", "--lint-only", "-Wall", "--top-module",
        "chip" }, rtl.sources(dir))))
    end)
  end

  it("fails a testbench whose weights are others", function()
    local dir = folder.name .. "/wrong"
    local circuit = edge "walsh"
    local trace = rtl.trace(circuit, 20)
    trace.weights[12][3] = trace.weights[12][3] + 1
    rtl.write(circuit, dir, trace)
    local out = rtl.icarus(dir)
    assert.matches("FAIL: %d+ comparisons of 20 steps", out)
    assert.matches("step 11, phase 0, register 1002: %-?%d+ instead of %-?%d+\n", out)
  end)

  it("says in chip.txt what a host must know", function()
    local dir = folder.name .. "/host"
    mgd.circuit({ synapses = 9, register_bits = 7 }):verilog { dir = dir }
    assert.equal(table.concat({ "set sign-sign", "synapses 9", "weight_bits 12", "lsb 0.00390625",
      "amplitude 32", "cost_bits 16", "cost_range 1", "source lfsr", "register_bits 7",
      "clock 1000000", "counter_bits 5", "step 8", "" }, "\n"),
      files.read("spec", dir .. "/chip.txt"))
  end)

  it("goes into an empty folder, and into no other unless told to", function()
    local dir = folder.name .. "/full"
    local circuit = mgd.circuit { synapses = 9 }
    os.execute(("mkdir '%s'"):format(dir))
    circuit:verilog { dir = dir }
    local before = files.read("spec", dir .. "/chip.v")
    errors.fails_here({ "the folder holds files", "overwrite = true" }, function()
      mgd.circuit({ synapses = 5 }):verilog { dir = dir }
    end)
    assert.equal(before, files.read("spec", dir .. "/chip.v"))
    files.write("spec", dir .. "/own.v", "// mine")
    files.write("spec", dir .. "/costs.hex", "0 0")
    mgd.circuit({ synapses = 5 }):verilog { dir = dir .. "/", overwrite = true }
    assert.not_equal(before, files.read("spec", dir .. "/chip.v"))
    assert.is_true(files.exists(dir .. "/own.v"))
    assert.is_false(files.exists(dir .. "/costs.hex"))
  end)

  it("is for a run of this circuit that has not begun", function()
    local circuit = mgd.circuit { net = xor_net() }
    local dir = folder.name .. "/none"
    local other, begun = xor_run(mgd.circuit { net = xor_net() }), xor_run(circuit)
    begun:run { steps = 3 }
    local function refused(message, run, replica)
      errors.fails_here(message, circuit.verilog, circuit,
        { dir = dir, run = run, replica = replica })
    end
    refused("a run of something else", other)
    refused("has done 3 steps", begun)
    refused("option 'run'", 1)
    refused("the run has 1", xor_run(circuit), 2)
    assert.is_false(files.exists(dir .. "/chip.v"))
  end)

  it("needs a register that shows no phase twice", function()
    errors.fails_here({ "a register of bits = 4 shows parameters 1 and 7", "expected 5" },
      mgd.circuit, { net = xor_net(), source = "outer", register_bits = 4 })
    errors.fails_here("expected net", mgd.circuit, { synapses = 9, source = "outer" })
    errors.fails_here("expected at least 4 bits", mgd.circuit,
      { synapses = 8, register_bits = 3 })
  end)

  it("refuses what registers cannot hold", function()
    local dir = folder.name .. "/large"
    for _, opt in ipairs { { synapses = 2048 }, { synapses = 9, weight_bits = 32 } } do
      local circuit = mgd.circuit(opt)
      errors.fails_here("take at most", circuit.verilog, circuit, { dir = dir })
    end
  end)
end)
