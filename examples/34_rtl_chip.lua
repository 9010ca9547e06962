-- 34_rtl_chip.lua: Verilog is the chip, and learns XOR in the loop.
--
-- First the Verilog of a circuit of mgd.circuit: it holds the weights, perturbs, integrates and
-- writes; Verilator compiles it, and this script evaluates the network on the weights that it shows
-- and sends the cost as an integer. The engine of the circuit takes the same steps, bit for bit.
-- Then a circuit of one's own, examples/rtl/chip.v, which knows the same registers and is not like
-- the first: it votes where the cost differs by more than a threshold, has its signs from a
-- xorshift register, and serves its synapses one after the other. What the registers are is in
-- docs/guide/26-rtl.md. Takes a few seconds, and some more for the first builds.
--
--     build/mgd-lua examples/34_rtl_chip.lua [seeds]
--
-- Needs the program verilator.

local mgd = require "mgd"

local SEEDS, STEPS = tonumber(arg[1]) or 5, 5000

local net = mgd.nn.mlp { 2, 2, 1, activation = "sigmoid", output = "sigmoid" }
local data = mgd.data.xor()

-- Of a chip, or of a circuit.
local function train(seed, what)
  local run = mgd.train {
    chip = what.chip, circuit = what.circuit,
    data = data,
    batch = 4, -- a vote is on the cost of all four samples
    init = { scheme = "uniform", low = -1, high = 1 },
    seed = seed,
  }
  run:run { steps = STEPS, probes = {} }
  return run:theta(), run:evaluate().cost
end

-- Trains a chip from several seeds; and the circuit that it was made of, where there is one.
local function compare(chip, circuit)
  local solved = 0
  print(chip)
  for seed = 1, SEEDS do
    local theta, cost = train(seed, { chip = chip })
    local same = circuit and (train(seed, { circuit = circuit }) - theta):abs():max() == 0
    solved = solved + (cost < 0.01 and 1 or 0)
    print(("  seed %d: cost %.5f%s"):format(seed, cost, circuit
      and (same and ", all bits as the engine's" or ", other bits than the engine's") or ""))
  end
  print(("  %d of %d seeds solved XOR\n"):format(solved, SEEDS))
end

local circuit = mgd.circuit { set = "accumulator", net = net }
circuit:verilog { dir = "out/rtl", overwrite = true }
compare(mgd.chip { verilog = "out/rtl", net = net }, circuit)

compare(mgd.chip { verilog = "examples/rtl", net = net, lsb = 2 ^ -8, cost_range = 1 })
