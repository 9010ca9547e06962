--- Verilog of the cost unit, a row for each digital set: what a chip makes of the two costs of a
-- step, once for all synapses. `lines` are those that it drives.
-- @module mgd.circuits.verilog.cost_unit

local M = {}

local PORTS = [==[
    input  wire                      clk,
    input  wire                      rst,
    input  wire                      take_plus,   // plus <- cost
    input  wire                      take_minus,  // minus <- cost
    input  wire [COST_BITS-1:0]      cost,
    input  wire                      step,
    output wire                      worse,       // phase plus had the higher cost
]==]

local LATCHES = [==[
    reg [COST_BITS-1:0] plus, minus;

    always @(posedge clk)
        if (rst) begin
            plus  <= {COST_BITS{1'b0}};
            minus <= {COST_BITS{1'b0}};
        end else begin
            if (take_plus)  plus  <= cost;
            if (take_minus) minus <= cost;
        end

    assign worse = plus > minus;
]==]

M["sign-sign"] = {
  parameters = { "COST_BITS" },
  lines = { "worse", "vote" },
}

M["sign-sign"].text = [==[
// cost_unit: compares the costs of both phases, and lets all synapses vote (set sign-sign).
//
// A vote is the sign of the difference, and equal costs are none: there is no `vote` then.

`timescale 1ns / 1ns

module cost_unit #(
    parameter COST_BITS = @COST_BITS@
) (
]==] .. PORTS .. [==[
    output wire                      vote
);
]==] .. LATCHES .. [==[
    assign vote  = step & (plus != minus);
endmodule
]==]

M.accumulator = {
  parameters = { "COST_BITS", "MAGNITUDE_BITS", "TAU_THETA", "WINDOW_BITS" },
  lines = { "worse", "update", "magnitude" },
}

M.accumulator.text = [==[
// cost_unit: the difference of the costs of both phases, for all synapses (set accumulator).
//
// It is sent as a magnitude, which saturates, and a direction. The last of every TAU_THETA steps is
// an `update`.

`timescale 1ns / 1ns

module cost_unit #(
    parameter COST_BITS      = @COST_BITS@,
    parameter MAGNITUDE_BITS = @MAGNITUDE_BITS@,  // at most COST_BITS
    parameter TAU_THETA      = @TAU_THETA@,       // steps from write to write
    parameter WINDOW_BITS    = @WINDOW_BITS@      // that TAU_THETA - 1 needs
) (
]==] .. PORTS .. [==[
    output wire                      update,
    output wire [MAGNITUDE_BITS-1:0] magnitude
);
]==] .. LATCHES .. [==[

    wire [COST_BITS-1:0] higher   = worse ? plus : minus;
    wire [COST_BITS-1:0] lower    = worse ? minus : plus;
    wire [COST_BITS-1:0] distance = higher - lower;
    wire                 beyond   = @BEYOND@;

    assign magnitude = distance[MAGNITUDE_BITS-1:0] | {MAGNITUDE_BITS{beyond}};

    // ---- the window ----

    localparam [WINDOW_BITS-1:0] LAST = TAU_THETA[WINDOW_BITS-1:0] - 1'b1;

    reg [WINDOW_BITS-1:0] left; // steps until the last of the window

    assign update = step & ~|left;

    always @(posedge clk)
        if (rst | update)
            left <= LAST;
        else if (step)
            left <= left - 1'b1;
endmodule
]==]

return M
