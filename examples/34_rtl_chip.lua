-- 34_rtl_chip.lua: Verilog is the chip, and learns XOR in the loop.
--
-- examples/rtl/chip.v is a learning circuit of nine synapses: it holds the weights, perturbs them
-- by a xorshift register, votes where the cost differs by more than a threshold, and writes.
-- Verilator compiles it; this script evaluates the network on the weights that the circuit shows
-- and sends the cost as an integer of 16 bits. What the registers are is in docs/guide/26-rtl.md.
-- Takes a few seconds, and some more for the first build.
--
--     build/mgd-lua examples/34_rtl_chip.lua [seeds]
--
-- Needs the program verilator.

local mgd = require "mgd"

local SEEDS, STEPS = tonumber(arg[1]) or 5, 10000

local net = mgd.nn.mlp { 2, 2, 1, activation = "sigmoid", output = "sigmoid" }
local data = mgd.data.xor()

-- Trains a chip from several seeds, and says how it went.
local function train(chip)
  local solved = 0
  print(chip)
  for seed = 1, SEEDS do
    local run = mgd.train {
      chip = chip,
      data = data,
      batch = 4, -- a vote is on the cost of all four samples
      init = { scheme = "uniform", low = -1, high = 1 },
      seed = seed,
    }
    run:run { steps = STEPS, probes = {} }
    local cost = run:evaluate().cost
    solved = solved + (cost < 0.01 and 1 or 0)
    print(("  seed %d: cost %.5f"):format(seed, cost))
  end
  print(("%d of %d seeds solved XOR\n"):format(solved, SEEDS))
end

train(mgd.chip { verilog = "examples/rtl", net = net, lsb = 2 ^ -8, cost_range = 1 })
