-- 33_verilog.lua: from a learning circuit to hardware that does the same, bit for bit.
--
-- Nine synapses, each with a counter and a weight of 12 bits, learn XOR by the sign of the change
-- of the cost. The engine trains as their registers do; then the circuit is written as Verilog,
-- with a testbench of the run. Icarus Verilog sends the costs to the RTL and compares every weight
-- of every step, and yosys counts what a synapse takes. Takes about ten seconds.
--
--     build/mgd-lua examples/33_verilog.lua
--
-- Leaves out/verilog. Says so where iverilog or yosys is not installed (scripts/deps --all).

local mgd = require "mgd"

local STEPS = tonumber(os.getenv "STEPS") or 10000
local DIR = "out/verilog"

local net = mgd.nn.mlp { 2, 2, 1, activation = "sigmoid", output = "sigmoid" }
local circuit = mgd.circuit { set = "sign-sign", net = net, register_bits = 7 }
print(circuit)

local function new_run(seeds)
  return mgd.train {
    circuit = circuit,
    data = mgd.data.xor(),
    batch = 4, -- a vote is on the cost of all four samples
    init = { scheme = "uniform", low = -1, high = 1 },
    replicas = seeds, seed = 1,
  }
end

-- ---- does it learn? -----------------------------------------------------------------------------

local ensemble = new_run(64)
ensemble:run { steps = 10 * STEPS }
local solved = 0
for _, cost in ipairs(ensemble:evaluate().cost:totable()) do
  solved = solved + (cost < 0.01 and 1 or 0)
end
print(("\n%d of 64 seeds solved XOR within %d steps\n"):format(solved, 10 * STEPS))

-- ---- the same as hardware -----------------------------------------------------------------------

circuit:verilog { dir = DIR, overwrite = true, run = new_run(1), steps = STEPS }
print(("written: %s, with a testbench of %d steps"):format(DIR, STEPS))

local command = "cd '%s' && if command -v iverilog >/dev/null; then "
  .. "iverilog -o testbench.vvp *.v && vvp testbench.vvp; else echo 'not installed'; fi 2>&1"
local pipe = io.popen(command:format(DIR))
print("Icarus: " .. pipe:read "*a")
pipe:close()

-- ---- what it takes ------------------------------------------------------------------------------

local ok, gates = pcall(circuit.gates, circuit)
print(gates)
if ok then
  print(("\na synapse with its tap: %d flip-flops and %d LUT4 of an iCE40"):format(
    gates.synapse.flip_flops + 1, gates.synapse.luts))
end
