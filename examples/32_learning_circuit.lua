-- 32_learning_circuit.lua: XOR learnt by the registers of a digital chip, bit for bit.
--
-- What stands at each synapse: a sign of its own, an XOR with the broadcast vote, a counter and a
-- register; or an accumulator that is written after τ_θ. The figures of both, in bits and LSB; then
-- 64 seeds of each with every source of signs, all seeds at once; then what the counter's width
-- does: narrow ones write at once and often wrongly, wide ones wait. Takes about five seconds.
--
--     build/mgd-lua examples/32_learning_circuit.lua

local mgd = require "mgd"

local SEEDS = tonumber(os.getenv "SEEDS") or 64
local STEPS = tonumber(os.getenv "STEPS") or 40000

local net = mgd.nn.mlp { 2, 2, 1, activation = "sigmoid", output = "sigmoid" }
local data = mgd.data.xor()

-- How long the seeds take to C < 0.01.
local function train(circuit)
  local run = mgd.train {
    circuit = circuit, data = data, batch = 4, shuffle = false, replicas = SEEDS,
    init = { scheme = "uniform", low = -0.5, high = 0.5 },
  }
  local history = run:run { steps = STEPS, every = 100, probes = { "cost" },
    stop = { cost = 0.01 } }
  return mgd.stats.time_to_solution(history:time_to_solution({ cost = 0.01 }).first,
    { budget = STEPS })
end

local function row(label, circuit)
  local time = train(circuit)
  print(("  %s %4d of %d   %s"):format(label, time.solved, time.n, time.median < math.huge
    and ("%6.0f steps, %5.1f ms on the chip"):format(time.median, 3e3 * time.median / circuit.clock)
    or ("more than %d steps"):format(STEPS)))
end

for _, set in ipairs { "sign-sign", "accumulator" } do
  print(mgd.circuit { set = set, net = net })
  print ""
end

print "solved, and the median of the steps that it took"
for _, set in ipairs { "sign-sign", "accumulator" } do
  for _, source in ipairs { "lfsr", "walsh", "outer" } do
    row(("%-12s %-8s"):format(set, source), mgd.circuit { set = set, net = net, source = source })
  end
end

print "\nsign-sign, by n, the bits of the counter"
for bits = 1, 9, 2 do
  row(("n = %d"):format(bits), mgd.circuit { net = net, counter_bits = bits })
end
