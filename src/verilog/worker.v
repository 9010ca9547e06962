// The ports that a learning circuit has, whatever its top module is called: MGD_TOP.

module mgd_rtl (
    input wire clk,
    input wire rst,
    input wire [15:0] addr,
    input wire write,
    input wire [31:0] wdata,
    output wire [31:0] rdata
);
    `MGD_TOP circuit (
        .clk(clk),
        .rst(rst),
        .addr(addr),
        .write(write),
        .wdata(wdata),
        .rdata(rdata)
    );
endmodule
