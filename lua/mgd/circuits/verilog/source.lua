--- Verilog of the perturbation sources: a sign for every synapse in every slot.
-- @module mgd.circuits.verilog.source

local M = {}

local PORTS = [==[
    input  wire                clk,
    input  wire                rst,      // to slot 0
    input  wire                advance,  // to the next slot
    output wire [SYNAPSES-1:0] sign      // 1: s = -1
);
]==]

local REGISTER = [==[
    reg  [STAGES-1:0] stage;
    wire              next = @NEXT@;

    always @(posedge clk)
        if (rst)
            stage <= START;
        else if (advance)
            stage <= {next, stage[STAGES-1:1]};
]==]

M.lfsr = [==[
// source: a maximal-length shift register of @REGISTER_BITS@ bits, a tap for each synapse.
//
// Stage i holds the bit that stage 0 will hold in i slots: all synapses see one sequence, of period
// 2^@REGISTER_BITS@ - 1, each in a phase of its own. The chain is as long as the register, and has
// a stage for each synapse at least; it starts with ones and what follows them in the sequence.

`timescale 1ns / 1ns

module source #(
    parameter              SYNAPSES = @SYNAPSES@,
    parameter              STAGES   = @STAGES@,
    parameter [STAGES-1:0] START    = @START@
) (
]==] .. PORTS .. REGISTER .. [==[

    assign sign = stage[SYNAPSES-1:0];
endmodule
]==]

M.walsh = [==[
// source: Walsh functions, by a counter of slots.
//
// The sign of synapse i is the parity of the bits that the counter and i + 1 have in common: row
// i + 1 of a Hadamard matrix. Within a period of 2^SLOT_BITS slots all signs are orthogonal.

`timescale 1ns / 1ns

module source #(
    parameter SYNAPSES  = @SYNAPSES@,
    parameter SLOT_BITS = @SLOT_BITS@  // that SYNAPSES + 1 rows need
) (
]==] .. PORTS .. [==[
    reg [SLOT_BITS-1:0] slot;

    always @(posedge clk)
        if (rst)
            slot <= {SLOT_BITS{1'b0}};
        else if (advance)
            slot <= slot + 1'b1;

    genvar i;
    generate
        for (i = 0; i < SYNAPSES; i = i + 1) begin : row
            localparam [SLOT_BITS-1:0] INDEX = i + 1;
            assign sign[i] = ^(slot & INDEX);
        end
    endgenerate
endmodule
]==]

M.outer = [==[
// source: signs of rows and columns, from a maximal-length shift register of @REGISTER_BITS@ bits.
//
// Each row and each column of a layer's weights has a tap, and the sign of a weight is the product
// of those of its row and its column: an exclusive-or at the synapse. Biases have their row's.
// The products are phases of the register's sequence, too, and differ from synapse to synapse.

`timescale 1ns / 1ns

module source #(
    parameter              SYNAPSES = @SYNAPSES@,
    parameter              STAGES   = @STAGES@,
    parameter [STAGES-1:0] START    = @START@
) (
]==] .. PORTS .. REGISTER .. [==[

@PRODUCTS@
endmodule
]==]

return M
