// A learning circuit of one's own, behind the registers that mgd.chip{verilog = …} knows (see
// docs/guide/26-rtl.md): only differences of the cost above a threshold are votes, the signs come
// from a xorshift register, and one counter and one adder serve all synapses, one a clock.
//
// Signs: bit 1 means −1. N may be up to 32, the bits of the register.

module chip #(
    parameter N = 9,          // synapses
    parameter W = 12,         // bits of a weight
    parameter B = 16,         // bits of a cost
    parameter A = 32,         // amplitude, in steps of the weights
    parameter STEP = 8,       // what a write moves a weight by
    parameter THRESHOLD = 4,  // smallest difference of the costs that is a vote
    parameter VOTES = 4       // in a row, that move a weight
) (
    input wire clk,
    input wire rst,           // synchronous
    input wire [15:0] addr,
    input wire write,
    input wire [31:0] wdata,
    output reg [31:0] rdata   // combinational in addr
);
    localparam signed [W:0] MOST = (1 << (W - 1)) - 1;
    localparam signed [W:0] LEAST = -(1 << (W - 1));

    reg signed [W-1:0] weight [0:N-1];
    reg signed [7:0] count [0:N-1];
    reg [31:0] noise, steps;
    reg [1:0] phase;
    reg [B-1:0] cost [0:1];   // with w + A·s, and with w − A·s
    reg busy, better;         // better: with w + A·s
    reg [4:0] turn;           // of which synapse

    // ---- the next signs: Marsaglia's xorshift ----

    wire [31:0] x1 = noise ^ (noise << 13);
    wire [31:0] x2 = x1 ^ (x1 >> 17);
    wire [31:0] x3 = x2 ^ (x2 << 5);

    // ---- the vote ----

    wire signed [B:0] difference = $signed({1'b0, cost[1]}) - $signed({1'b0, cost[0]});
    wire votes = difference >= THRESHOLD || difference <= -THRESHOLD;

    // ---- the synapse whose turn it is: p is +1 or −1 ----

    wire up = better ^ noise[turn];
    wire signed [7:0] counted = count[turn] + (up ? 8'sd1 : -8'sd1);
    wire moves = counted == VOTES || counted == -VOTES;
    wire signed [W:0] moved = weight[turn] + (up ? STEP : -STEP);
    wire signed [W:0] kept = moved > MOST ? MOST : moved < LEAST ? LEAST : moved;

    // ---- registers ----

    wire is_synapse = addr[15:12] == 4'h1 && addr[11:0] < N;
    wire [4:0] which = addr[4:0];
    integer i;

    always @(posedge clk)
        if (rst) begin
            for (i = 0; i < N; i = i + 1) begin
                weight[i] <= 0;
                count[i] <= 0;
            end
            noise <= 32'h2545f491;
            steps <= 0;
            phase <= 0;
            busy <= 0;
            cost[0] <= 0;
            cost[1] <= 0;
        end else if (busy) begin
            count[turn] <= moves ? 8'sd0 : counted;
            if (moves)
                weight[turn] <= kept[W-1:0];
            turn <= turn + 1;
            if (turn == N - 1) begin
                busy <= 0;
                noise <= x3;
            end
        end else if (write)
            case (addr)
                16'h0008: phase <= wdata[1:0];
                16'h0009: cost[phase[1]] <= wdata[B-1:0];
                16'h000a: begin
                    steps <= steps + 1;
                    phase <= 0;
                    turn <= 0;
                    better <= !difference[B];
                    busy <= votes;
                    if (!votes)
                        noise <= x3;
                end
                default: if (is_synapse && phase == 0) begin
                    weight[which] <= wdata[W-1:0];
                    count[which] <= 0;
                end
            endcase

    wire signed [31:0] w = {{(32 - W){weight[which][W-1]}}, weight[which]};
    wire minus = noise[which] ^ phase[1];

    always @*
        case (addr)
            16'h0000: rdata = 32'h4d474431; // "MGD1"
            16'h0001: rdata = N;
            16'h0002: rdata = W;
            16'h0003: rdata = B;
            16'h0004: rdata = A;
            16'h0005: rdata = steps;
            16'h0008: rdata = {30'b0, phase};
            16'h000b: rdata = {31'b0, busy};
            default: rdata = !is_synapse ? 0 : phase == 0 ? w : minus ? w - A : w + A;
        endcase
endmodule
