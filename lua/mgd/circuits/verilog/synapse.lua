--- Verilog of a synapse, a row for each digital set. Both have one adder for what is shown,
-- w ± A·s, and for what is written: a synapse is shown and written at different times.
--
-- `parameters` are those of the module, in order; `lines` reach every synapse, besides those that
-- are the same in all sets.
-- @module mgd.circuits.verilog.synapse

local M = {}

M["sign-sign"] = {
  parameters = { "WEIGHT_BITS", "COUNTER_BITS", "AMPLITUDE", "STEP", "LOW" },
  lines = { "vote" },
}

M["sign-sign"].text = [==[
// synapse: a weight that learns by votes (set sign-sign).
//
// The synapse knows its own sign, and what the lines broadcast to all synapses alike. It holds a
// weight w and a counter. While `show` is high, `shown` is w + A*s, or w - A*s where `negative` is
// high, too. A `vote` counts s up, or -s where `negative` is high. A counter that would leave its
// range writes: it is cleared, and w goes one STEP in that direction, but not beyond its range.
//
// One adder serves both, as no synapse is shown while it is written. Bits below the lowest one of
// AMPLITUDE and STEP take no part in it.

`timescale 1ns / 1ns

module synapse #(
    parameter WEIGHT_BITS  = @WEIGHT_BITS@,   // of w, two's complement
    parameter COUNTER_BITS = @COUNTER_BITS@,  // of the counter, from -(2^(n-1) - 1) to 2^(n-1) - 1
    parameter AMPLITUDE    = @AMPLITUDE@,     // A, in steps of w, at most 2^(WEIGHT_BITS-1)
    parameter STEP         = @STEP@,          // what one write moves w by, at most as much
    parameter LOW          = @LOW@            // zeros at the end of both
) (
    input  wire                   clk,
    input  wire                   load,      // w <- data, and clear the counter
    input  wire [WEIGHT_BITS-1:0] data,      // while there is no load: the largest weight
    input  wire                   sign,      // of the perturbation, 1: s = -1
    input  wire                   negative,  // phase minus; or that phase plus was the worse one
    input  wire                   show,
    input  wire                   vote,
    output wire [WEIGHT_BITS:0]   shown      // one bit more than w: it does not saturate
);
    reg [WEIGHT_BITS-1:0]  w;
    reg [COUNTER_BITS-1:0] counter;

    wire minus = negative ^ sign; // the way that the adder and the counter go

    // ---- the counter ----

    localparam [COUNTER_BITS-1:0] ONE   = ~({COUNTER_BITS{1'b1}} << 1); // 0...01
    localparam [COUNTER_BITS-1:0] LEAST = ~({COUNTER_BITS{1'b1}} >> 1); // 10...0

    wire [COUNTER_BITS-1:0] count = counter + ({COUNTER_BITS{minus}} | ONE); // - 1 or + 1
    wire                    full  = count == LEAST; // reached from either end

    always @(posedge clk)
        if (load | vote)
            counter <= (load | full) ? {COUNTER_BITS{1'b0}} : count;

    // ---- w, and the adder ----

    localparam HIGH = WEIGHT_BITS + 1 - LOW; // bits of the adder

    wire [HIGH-1:0] amplitude = AMPLITUDE[WEIGHT_BITS:LOW] & {HIGH{show}};
    wire [HIGH-1:0] step      = STEP[WEIGHT_BITS:LOW] & {HIGH{vote}};
    wire [HIGH-1:0] addend    = (amplitude | step) ^ {HIGH{minus}};

    wire [HIGH-1:0]      high;
    wire                 unused; // the lowest stage of the adder carries `minus` in
    assign {high, unused} = {w[WEIGHT_BITS-1], w[WEIGHT_BITS-1:LOW], 1'b1} + {addend, minus};

    wire [WEIGHT_BITS:0] sum = @SUM@;

    assign shown = sum;

    // Beyond the range w becomes the largest weight, or its complement, which is the least.
    wire take = load | (sum[WEIGHT_BITS] ^ sum[WEIGHT_BITS-1]);
    wire flip = ~load & minus;

    always @(posedge clk)
        if (load | (vote & full))
            w <= take ? data ^ {WEIGHT_BITS{flip}} : sum[WEIGHT_BITS-1:0];
endmodule
]==]

M.accumulator = {
  parameters = { "WEIGHT_BITS", "ACCUMULATOR_BITS", "MAGNITUDE_BITS", "SHIFT", "AMPLITUDE" },
  lines = { "step", "update", "magnitude" },
}

M.accumulator.text = [==[
// synapse: a weight that learns by sums (set accumulator).
//
// The synapse knows its own sign, and what the lines broadcast to all synapses alike. It holds a
// weight w and an accumulator. While `show` is high, `shown` is w + A*s, or w - A*s where
// `negative` is high, too. A `step` adds s times `magnitude` to the accumulator, or -s times where
// `negative` is high. A step with `update` then adds the accumulator / 2^SHIFT, rounded, to w, and
// clears it. Neither w nor the accumulator goes beyond its range.
//
// One adder serves what is shown and what is written, as no synapse is shown while it is written.

`timescale 1ns / 1ns

module synapse #(
    parameter WEIGHT_BITS      = @WEIGHT_BITS@,       // of w, two's complement
    parameter ACCUMULATOR_BITS = @ACCUMULATOR_BITS@,  // of the accumulator, two's complement
    parameter MAGNITUDE_BITS   = @MAGNITUDE_BITS@,    // of what is added, at most as many
    parameter SHIFT            = @SHIFT@,             // below ACCUMULATOR_BITS
    parameter AMPLITUDE        = @AMPLITUDE@          // A, in steps of w, at most 2^(WEIGHT_BITS-1)
) (
    input  wire                      clk,
    input  wire                      load,      // w <- data, and clear the accumulator
    input  wire [WEIGHT_BITS-1:0]    data,      // while there is no load: the largest weight
    input  wire                      sign,      // of the perturbation, 1: s = -1
    input  wire                      negative,  // phase minus; or that phase plus was the worse one
    input  wire                      show,
    input  wire                      step,
    input  wire                      update,    // beside `step` alone
    input  wire [MAGNITUDE_BITS-1:0] magnitude,
    output wire [WEIGHT_BITS:0]      shown      // one bit more than w: it does not saturate
);
    reg [WEIGHT_BITS-1:0]      w;
    reg [ACCUMULATOR_BITS-1:0] accumulator;

    wire minus = negative ^ sign; // the way that both adders go

    // ---- the accumulator ----

    localparam TOTAL_BITS = ACCUMULATOR_BITS + 1;

    wire [TOTAL_BITS-1:0] part =
        {{(TOTAL_BITS - MAGNITUDE_BITS){1'b0}}, magnitude} ^ {TOTAL_BITS{minus}};
    wire [TOTAL_BITS-1:0] total;
    wire                  unused; // the lowest stage of an adder carries in
    assign {total, unused} = {accumulator[ACCUMULATOR_BITS-1], accumulator, 1'b1} + {part, minus};

    // Beyond the range it becomes the largest number, or its complement, which is the least.
    wire                        beyond  = total[ACCUMULATOR_BITS] ^ total[ACCUMULATOR_BITS-1];
    wire [ACCUMULATOR_BITS-1:0] largest = {ACCUMULATOR_BITS{1'b1}} >> 1;
    wire [ACCUMULATOR_BITS-1:0] next    =
        beyond ? largest ^ {ACCUMULATOR_BITS{minus}} : total[ACCUMULATOR_BITS-1:0];

    always @(posedge clk)
        if (load | step)
            accumulator <= (load | update) ? {ACCUMULATOR_BITS{1'b0}} : next;

    // ---- w, and its adder ----

    localparam CHANGE_BITS = ACCUMULATOR_BITS - SHIFT;
    localparam SUM_BITS    = (CHANGE_BITS > WEIGHT_BITS ? CHANGE_BITS : WEIGHT_BITS) + 1;

    // next / 2^SHIFT, rounded: without the bits below, and the highest of them carried in.
    wire [SUM_BITS-1:0] change = {{(SUM_BITS - CHANGE_BITS){next[ACCUMULATOR_BITS-1]}},
                                  next[ACCUMULATOR_BITS-1:SHIFT]};
    wire                half   = @HALF@;

    wire [WEIGHT_BITS-1:0] amplitude = AMPLITUDE[WEIGHT_BITS-1:0] & {WEIGHT_BITS{show}};
    wire [SUM_BITS-1:0]    offset    =
        {{(SUM_BITS - WEIGHT_BITS){1'b0}}, amplitude} ^ {SUM_BITS{minus}};
    wire [SUM_BITS-1:0]    addend    = update ? change : offset;
    wire                   carry     = update ? half : minus;
    wire [SUM_BITS-1:0]    sum;
    wire                   unused_too;
    assign {sum, unused_too} =
        {{(SUM_BITS - WEIGHT_BITS){w[WEIGHT_BITS-1]}}, w, 1'b1} + {addend, carry};

    assign shown = sum[WEIGHT_BITS:0];

    // Beyond the range w becomes the largest weight, or its complement, which is the least.
    wire [SUM_BITS-WEIGHT_BITS:0] above = sum[SUM_BITS-1:WEIGHT_BITS-1]; // alike within the range
    wire take = load | ~(&above | ~|above);
    wire flip = ~load & sum[SUM_BITS-1];

    always @(posedge clk)
        if (load | update)
            w <= take ? data ^ {WEIGHT_BITS{flip}} : sum[WEIGHT_BITS-1:0];
endmodule
]==]

return M
