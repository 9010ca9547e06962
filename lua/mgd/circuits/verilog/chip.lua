--- Verilog of the top of a chip: registers, and what they drive.
-- @module mgd.circuits.verilog.chip

return { text = [==[
// chip: @SYNAPSES@ synapses that learn, behind registers (@SET@, source @SOURCE@).
//
// The host evaluates the network on the weights that the chip shows, and sends the costs:
//
//     PHASE 1, read SHOWN (w + A*s), write COST; PHASE 2, read SHOWN (w - A*s), write COST; STEP
//
//     address     name
//     0x0000      ID           R   0x4d474431
//     0x0001      SYNAPSES     R
//     0x0002      WEIGHT_BITS  R
//     0x0003      COST_BITS    R
//     0x0004      AMPLITUDE    R   A, in steps of w
//     0x0005      STEPS        R   that were done, modulo 2^32
//     0x0008      PHASE        RW  0: shows w; 1: w + A*s; 2: w - A*s
//     0x0009      COST         W   the cost of the present phase, unsigned
//     0x000a      STEP         W   any value: learn, go on to the next slot, PHASE <- 0
//     0x000b      BUSY         R   1: in the cycle of a step, which follows the write of STEP
//     0x1000 + i  SHOWN        R   what synapse i shows, its sign extended to 32 bits
//     0x1000 + i  WEIGHT       W   in phase 0: w of synapse i, whose learning starts anew
//
// `rdata` follows `addr` without a clock. What is written counts from the next rising edge of `clk`
// on, and what is written while the chip is busy does not count. `rst` is synchronous; it clears
// weights, costs and counts, and puts the source to slot 0.

`timescale 1ns / 1ns

module chip #(
@PARAMETERS@
) (
    input  wire        clk,
    input  wire        rst,
    input  wire [15:0] addr,
    input  wire        write,
    /* verilator lint_off UNUSED */ // bits that no register has
    input  wire [31:0] wdata,
    /* verilator lint_on UNUSED */
    output reg  [31:0] rdata
);
    localparam [15:0] AT_ID        = 16'h0000, AT_SYNAPSES  = 16'h0001, AT_WEIGHT_BITS = 16'h0002,
                      AT_COST_BITS = 16'h0003, AT_AMPLITUDE = 16'h0004, AT_STEPS       = 16'h0005,
                      AT_PHASE     = 16'h0008, AT_COST      = 16'h0009, AT_STEP        = 16'h000a,
                      AT_BUSY      = 16'h000b, AT_WEIGHTS   = 16'h1000;

    // ---- what is written ----

    reg [1:0]  phase;
    reg        step; // this cycle is a step: the one behind that in which STEP is written
    reg [31:0] steps;

    wire        put        = write & ~step;
    wire        take_plus  = put & (addr == AT_COST) & (phase == 2'd1);
    wire        take_minus = put & (addr == AT_COST) & (phase == 2'd2);
    wire        load       = put & (phase == 2'd0);
    wire [15:0] place      = addr - AT_WEIGHTS; // of a synapse, or beyond them all

    always @(posedge clk)
        step <= put & (addr == AT_STEP) & ~rst;

    always @(posedge clk)
        if (rst | step)
            phase <= 2'd0;
        else if (put & (addr == AT_PHASE))
            phase <= wdata[1:0];

    always @(posedge clk)
        if (rst)
            steps <= 32'd0;
        else if (step)
            steps <= steps + 32'd1;

    // ---- what learns ----

    wire [SYNAPSES-1:0] sign;

    source #(.SYNAPSES(SYNAPSES)) source (
        .clk(clk), .rst(rst), .advance(step), .sign(sign)
    );

@LINES@

    cost_unit #(
@COST_PASSED@
    ) cost_unit (
        .clk(clk), .rst(rst), .take_plus(take_plus), .take_minus(take_minus),
        .cost(wdata[COST_BITS-1:0]), .step(step),
        @COST_CONNECTED@
    );

    // `negative` says in a step which phase was better, and at all other times which one is shown.
    wire                 negative = step ? worse : phase[1];
    wire                 show     = (|phase) & ~step;
    wire [WEIGHT_BITS:0] shown;

    // Reset loads zeros. The bus has the largest weight where nothing is loaded.
    wire [WEIGHT_BITS-1:0] largest = {WEIGHT_BITS{1'b1}} >> 1;
    wire [WEIGHT_BITS-1:0] data =
        rst ? {WEIGHT_BITS{1'b0}} : load ? wdata[WEIGHT_BITS-1:0] : largest;

    core #(
@CORE_PASSED@
    ) core (
        .clk(clk), .clear(rst), .load(load), .place(place), .data(data), .sign(sign),
        .negative(negative), .show(show), .shown(shown),
        @CORE_CONNECTED@
    );

    // ---- what is read ----

    always @*
        case (addr)
            AT_ID:          rdata = 32'h4d474431;
            AT_SYNAPSES:    rdata = SYNAPSES;
            AT_WEIGHT_BITS: rdata = WEIGHT_BITS;
            AT_COST_BITS:   rdata = COST_BITS;
            AT_AMPLITUDE:   rdata = AMPLITUDE;
            AT_STEPS:       rdata = steps;
            AT_PHASE:       rdata = {30'd0, phase};
            AT_BUSY:        rdata = {31'd0, step};
            default:        rdata = {{(32 - WEIGHT_BITS){shown[WEIGHT_BITS]}},
                                     shown[WEIGHT_BITS-1:0]};
        endcase
endmodule
]==] }
