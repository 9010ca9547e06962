--- The testbench of a run: the costs that were sent, the weights that came of them, and Verilog
-- that sends the one and compares the other.
-- @module mgd.circuits.verilog.testbench

local options = require "mgd.base.options"

local M = {}

--- What a testbench is made of.
M.FILES = { "testbench.v", "costs.hex", "weights.hex" }

local TEXT = [==[
// testbench: a recorded run of @STEPS@ steps, sent to the chip through its registers.
//
//     iverilog -o testbench.vvp *.v && vvp testbench.vvp
// or: verilator --binary --top-module testbench *.v && obj_dir/Vtestbench
//
// costs.hex has the two costs of each step, of phase plus and of phase minus; weights.hex has the
// weights before the first step and after each. All weights are compared after every step, and
// within each step what one synapse after the other shows: it must lie by the amplitude on one side
// of its weight, then on the other. The last line begins with PASS or FAIL.

`timescale 1ns / 1ns

module testbench;
    localparam SYNAPSES    = @SYNAPSES@;
    localparam STEPS       = @STEPS@;
    localparam WEIGHT_BITS = @WEIGHT_BITS@;
    localparam AMPLITUDE   = @AMPLITUDE@;

    localparam ID = 'h0000, PHASE = 'h0008, COST = 'h0009, STEP = 'h000a, BUSY = 'h000b,
               WEIGHTS = 'h1000;

    reg         clk = 0, rst = 1, write = 0;
    reg  [15:0] addr = 0;
    reg  [31:0] wdata = 0;
    wire [31:0] rdata;

    chip chip (.clk(clk), .rst(rst), .addr(addr), .write(write), .wdata(wdata), .rdata(rdata));

    reg [31:0]            costs [0:2*STEPS-1];
    reg [WEIGHT_BITS-1:0] weights [0:(STEPS+1)*SYNAPSES-1];

    // ---- registers ----

    task tick; // the clock stands still while registers are read
        begin
            #1 clk = 1;
            #1 clk = 0;
        end
    endtask

    task put(input integer register, input [31:0] value);
        begin
            addr = register[15:0];
            wdata = value;
            write = 1;
            tick;
            write = 0;
        end
    endtask

    task get(input integer register);
        begin
            addr = register[15:0];
            #1;
        end
    endtask

    // ---- comparing ----

    integer wrong = 0;

    task compare(input integer step, input integer phase, input integer register,
                 input [31:0] expected);
        begin
            get(register);
            if (rdata !== expected) begin
                wrong = wrong + 1;
                if (wrong <= 10)
                    $display("step %0d, phase %0d, register %h: %0d instead of %0d",
                             step, phase, register[15:0], $signed(rdata), $signed(expected));
            end
        end
    endtask

    function [31:0] expected_of(input integer step, input integer i);
        reg [WEIGHT_BITS-1:0] w;
        begin
            w = weights[step*SYNAPSES + i];
            expected_of = {{(32 - WEIGHT_BITS){w[WEIGHT_BITS-1]}}, w};
        end
    endfunction

    // ---- the run ----

    integer    step, i, waited;
    reg [31:0] w, away;

    initial begin
        $readmemh("costs.hex", costs);
        $readmemh("weights.hex", weights);
        repeat (2) tick;
        rst = 0;
        compare(0, 0, ID, 32'h4d474431);
        for (i = 0; i < SYNAPSES; i = i + 1)
            put(WEIGHTS + i, expected_of(0, i));
        for (step = 0; step < STEPS; step = step + 1) begin
            i = step % SYNAPSES;
            w = expected_of(step, i);
            put(PHASE, 1);
            get(WEIGHTS + i);
            away = $signed(rdata) > $signed(w) ? AMPLITUDE : -AMPLITUDE;
            compare(step, 1, WEIGHTS + i, w + away);
            put(COST, costs[2*step]);
            put(PHASE, 2);
            compare(step, 2, WEIGHTS + i, w - away);
            put(COST, costs[2*step + 1]);
            put(STEP, 0);
            waited = 0;
            get(BUSY);
            while (rdata[0] !== 0 && waited < 1000) begin
                tick;
                get(BUSY);
                waited = waited + 1;
            end
            for (i = 0; i < SYNAPSES; i = i + 1)
                compare(step + 1, 0, WEIGHTS + i, expected_of(step + 1, i));
        end
        if (wrong == 0)
            $display("PASS: %0d steps of %0d synapses", STEPS, SYNAPSES);
        else
            $display("FAIL: %0d comparisons of %0d steps of %0d synapses", wrong, STEPS, SYNAPSES);
        $finish;
    end
endmodule
]==]

-- ---- what a run did -----------------------------------------------------------------------------

local ROUND = 2 ^ 52 -- sums of it are integers: rounded to the nearest, ties to even

-- The integer that stands for a cost.
local function code_of(circuit, cost)
  local x = cost / circuit.cost_range * 2 ^ circuit.cost_bits
  return math.max(0, math.min(2 ^ circuit.cost_bits - 1, x < ROUND and x + ROUND - ROUND or x))
end

--- Advance a run, and keep what was sent and what came of it.
-- @tparam string where opens messages
-- @tparam circuit circuit
-- @tparam table opt `run`, `steps`, `replica`
-- @treturn table `costs`: of each step the integers of both phases; `weights`: lists of integers,
--   before the first step and after each
-- @raise on a run of something else, and on one that has begun
function M.trace(where, circuit, opt)
  local run = opt.run
  if run.options.circuit ~= circuit then
    options.fail(where, "option 'run': a run of something else: expected one of "
      .. "mgd.train{circuit = …} with this circuit")
  elseif run.steps_done > 0 then
    options.fail(where, "option 'run': it has done %d steps, and a chip begins at none: expected a "
      .. "run that has just been made", run.steps_done)
  end
  if opt.replica > run.options.replicas then
    options.fail(where, "option 'replica' is %d: the run has %d", opt.replica,
      run.options.replicas)
  end
  local traced = run:trace { steps = opt.steps, replica = opt.replica }
  local trace = { costs = {}, weights = {} }
  for _, costs in ipairs(traced.costs) do
    for _, cost in ipairs(costs) do
      table.insert(trace.costs, code_of(circuit, cost))
    end
  end
  for step, theta in ipairs(traced.theta) do
    local weights = {}
    for i, value in ipairs(theta) do
      weights[i] = value / circuit.lsb
    end
    trace.weights[step] = weights
  end
  return trace
end

-- ---- its files ----------------------------------------------------------------------------------

-- Integers as numbers of so many bits, in hexadecimal, in lines.
local function hex_lines(rows, bits)
  local format, lines = ("%%0%dx"):format(math.ceil(bits / 4)), {}
  for i, row in ipairs(rows) do
    local words = {}
    for k, value in ipairs(row) do
      words[k] = format:format(value < 0 and value + 2 ^ bits or value)
    end
    lines[i] = table.concat(words, " ")
  end
  return table.concat(lines, "\n") .. "\n"
end

--- The files of a testbench.
-- @tparam circuit circuit
-- @tparam table trace `costs`, two integers for each step, and `weights`, a list of integers before
--   the first step and after each
-- @treturn table name → text
function M.texts(circuit, trace)
  local values = { SYNAPSES = circuit.synapses, STEPS = #trace.weights - 1,
    WEIGHT_BITS = circuit.weight_bits,
    AMPLITUDE = circuit.amplitude }
  local pairs_of = {}
  for i = 1, #trace.costs, 2 do
    pairs_of[#pairs_of + 1] = { trace.costs[i], trace.costs[i + 1] }
  end
  return {
    ["testbench.v"] = (TEXT:gsub("@([A-Z_]+)@", values)),
    ["costs.hex"] = hex_lines(pairs_of, circuit.cost_bits),
    ["weights.hex"] = hex_lines(trace.weights, circuit.weight_bits),
  }
end

return M
