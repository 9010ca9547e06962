--- Verilog of the synapses of a chip, side by side.
-- @module mgd.circuits.verilog.core

return { text = [==[
// core: @SYNAPSES@ synapses, and the lines that reach all of them.
//
// Nothing but `sign` differs from synapse to synapse. `place` chooses the one that is loaded, and
// that is `shown`: the others put zeros on that bus.

`timescale 1ns / 1ns

module core #(
@PARAMETERS@
) (
    input  wire                      clk,
    input  wire                      clear,     // loads all synapses
    input  wire                      load,      // loads the synapse at this place
    input  wire [15:0]               place,
    input  wire [WEIGHT_BITS-1:0]    data,
    input  wire [SYNAPSES-1:0]       sign,      // one line each
    input  wire                      negative,
    input  wire                      show,
@LINES@
    output wire [WEIGHT_BITS:0]      shown      // 0 where no synapse has this place
);
    genvar i;
    generate
        for (i = 0; i < SYNAPSES; i = i + 1) begin : row
            localparam [15:0]    PLACE = i;
            wire                 here  = place == PLACE;
            wire [WEIGHT_BITS:0] own, bus;

            synapse #(
@PASSED@
            ) synapse (
                .clk(clk), .load(clear | (load & here)), .data(data), .sign(sign[i]),
                .negative(negative), .show(show), .shown(own),
                @CONNECTED@
            );

            if (i == 0) begin : first
                assign bus = own & {(WEIGHT_BITS + 1){here}};
            end else begin : next
                assign bus = row[i-1].bus | (own & {(WEIGHT_BITS + 1){here}});
            end
        end
    endgenerate

    assign shown = row[SYNAPSES-1].bus;
endmodule
]==] }
