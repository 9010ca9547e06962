-- 37_on_chip.lua: from widths to area, memory, time and energy of a chip that learns letters.
--
-- The circuit sign-sign at each of the 220 synapses of 49-4-4, once with wide registers and once
-- with those that the map of example 36 says are enough. Both learn NIST7x7 bit for bit as their
-- Verilog would; yosys counts their gates; time and energy follow from the steps to an accuracy of
-- 80 % and the figures below, which are assumptions with a source (docs/guide/on-chip.md). Takes
-- about half a minute, most of it for yosys.
--
--     build/mgd-lua examples/37_on_chip.lua
--
-- E_GATE, E_MAC (joules), CLOCK (Hz), ACTIVITY, GATE_AREA and FLIP_FLOP_AREA (µm²) in the
-- environment stand for other technologies.

local mgd = require "mgd"

local function figure(name, value)
  return tonumber(os.getenv(name) or value)
end

-- M. Horowitz, "Computing's energy problem", ISSCC 2014, 45 nm at 0.9 V: an addition takes
-- 0.03 pJ with integers of 8 bits, a multiplication 0.2 pJ. A ripple adder of 8 bits is about 40
-- gates of two inputs.
local E_GATE = figure("E_GATE", 0.03e-12 / 40)
local E_MAC = figure("E_MAC", 0.23e-12)
-- NAND2_X1 and DFF_X1 of the NanGate 45 nm Open Cell Library, in µm²; XOR is twice as large.
local GATE_AREA = figure("GATE_AREA", 0.798)
local FLIP_FLOP_AREA = figure("FLIP_FLOP_AREA", 4.522)
local CLOCK = figure("CLOCK", 1e6)
local ACTIVITY = figure("ACTIVITY", 0.15) -- share of gates that switch in a clock

local BATCH, SEEDS, STEPS, TARGET = 64, 8, math.floor(figure("STEPS", 12000)), 0.8
local MACS = 49 * 4 + 4 * 4

local data = mgd.data.nist7x7()
local net = mgd.nn.mlp { 49, 4, 4, activation = "sigmoid", output = "sigmoid" }

local WIDTHS = {
  { "wide", { weight_bits = 12, counter_bits = 3, cost_bits = 16, register_bits = 14 } },
  { "enough", { weight_bits = 8, lsb = 2 ^ -4, amplitude = 2, step = 1, counter_bits = 2,
    cost_bits = 10, register_bits = 9 } },
}

-- ---- what each learns, and what it takes --------------------------------------------------------

local function learn(options)
  local run = mgd.train { circuit = mgd.circuit(options), data = data, batch = BATCH,
    replicas = SEEDS, init = { scheme = "uniform", low = -0.5, high = 0.5 } }
  local history = run:run { steps = STEPS, every = 100, probes = { "accuracy" } }
  local final, steps = history.accuracy[#history.step]:totable(), {}
  for r, step in ipairs(history:time_to_solution { accuracy = TARGET }.first:totable()) do
    steps[r] = step == step and step or math.huge
  end
  table.sort(final)
  table.sort(steps)
  local middle = SEEDS / 2
  return final[middle], steps[middle]
end

local function plain(options, more)
  local all = { clock = CLOCK }
  for _, part in ipairs { options, more } do
    for name, value in pairs(part) do
      all[name] = value
    end
  end
  return all
end

local function study(options)
  local own = plain(options, { net = net })
  local accuracy, steps = learn(own)
  -- a synapse is the same in any number: yosys sees a chip of two
  local few = mgd.circuit(plain(options, { synapses = 2 })):gates {}
  local n, s = net.num_parameters, {}
  s.accuracy, s.steps = accuracy, steps
  s.bits = options.weight_bits + options.counter_bits
  s.gates = few.synapse.gates
  s.flip_flops = few.synapse.flip_flops + 1 -- and its tap of the source
  s.luts = few.synapse.luts
  s.area = s.gates * GATE_AREA + s.flip_flops * FLIP_FLOP_AREA
  s.memory = n * s.bits / 8
  s.clocks = 2 * BATCH + 1 -- a sample a clock, from two sides, and an update
  s.seconds = steps * s.clocks / CLOCK
  s.learning = steps * 3 * ACTIVITY * (n * s.gates + few.cost_unit.gates) * E_GATE
  s.evaluating = steps * 2 * BATCH * MACS * E_MAC
  return s
end

-- ---- the table ----------------------------------------------------------------------------------

local ROWS = {
  { "weight, counter, cost, source register", "bits", function(_, o)
    return ("%d, %d, %d, %d"):format(o.weight_bits, o.counter_bits, o.cost_bits, o.register_bits)
  end },
  { "accuracy after " .. STEPS .. " steps", "%", function(s)
    return ("%.1f"):format(100 * s.accuracy)
  end },
  { "steps to 80 %, half of the seeds", "", function(s)
    return ("%.0f"):format(s.steps)
  end },
  { "memory of a parameter", "bits", function(s)
    return ("%d"):format(s.bits)
  end },
  { "memory of the chip", "bytes", function(s)
    return ("%.0f"):format(s.memory)
  end },
  { "flip-flops of a synapse", "", function(s)
    return ("%d"):format(s.flip_flops)
  end },
  { "LUT4 of a synapse, iCE40", "", function(s)
    return ("%d"):format(s.luts)
  end },
  { "gates of a synapse", "", function(s)
    return ("%d"):format(s.gates)
  end },
  { "area of a synapse", "µm²", function(s)
    return ("%.0f"):format(s.area)
  end },
  { "time to 80 %", "s", function(s)
    return ("%.2g"):format(s.seconds)
  end },
  { "energy of learning", "µJ", function(s)
    return ("%.2g"):format(s.learning * 1e6)
  end },
  { "energy of evaluating", "µJ", function(s)
    return ("%.2g"):format(s.evaluating * 1e6)
  end },
}

local studies = {}
for i, width in ipairs(WIDTHS) do
  studies[i] = study(width[2])
end
print(("sign-sign on 49-4-4, P = %d, batches of %d, %d seeds; clock %g MHz, %.2g fJ a gate, "
  .. "%.2g pJ a multiply-add\n"):format(net.num_parameters, BATCH, SEEDS, CLOCK / 1e6,
  E_GATE * 1e15, E_MAC * 1e12))
print(("%-40s %5s %14s %14s"):format("", "", WIDTHS[1][1], WIDTHS[2][1]))
for _, row in ipairs(ROWS) do
  print(("%-40s %5s %14s %14s"):format(row[1], row[2], row[3](studies[1], WIDTHS[1][2]),
    row[3](studies[2], WIDTHS[2][2])))
end
