// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Crossbar of a tile: a memory of ROWS words of PE weights, two of which are added to PE potentials in a cycle.
// One dual-port memory holds the weights; loading takes a read port, so nothing may run on the tile meanwhile.
// A window is the rows up to tlast. Latency 4 from its last row to its potentials.
`default_nettype none
module volley_tile_array
  import volley_tile_pkg::*;
#(
  parameter int unsigned PE       = 16,        // outputs; PE * WEIGHT_W is a multiple of 32
  parameter int unsigned WEIGHT_W = 4,         // bits of a weight, signed
  parameter int unsigned ROWS     = 1024,      // a power of two
  parameter int unsigned ACC_W    = 16,        // bits of a potential, signed
  localparam int unsigned ADDR_W  = $clog2(ROWS),
  localparam int unsigned ROW_W   = PE * WEIGHT_W,
  localparam int unsigned WORDS   = ROW_W / 32,
  localparam int unsigned WORD_W  = WORDS > 1 ? $clog2(WORDS) : 1
) (
  input  wire logic                clk,
  input  wire logic                rst,        // synchronous, active high
  input  wire logic                load_we,
  input  wire logic [LOAD_W-1:0]   load_addr,
  input  wire logic [31:0]         load_data,
  // Sink: two addresses
  input  wire logic                row_valid,
  input  wire logic [2*ADDR_W-1:0] row_addr,
  input  wire logic [1:0]          row_here, // the event is there
  input  wire logic                row_ends,
  // Source
  output logic                     acc_valid,
  output logic [PE*ACC_W-1:0]      acc
);
  if (ROW_W < 32 || ROW_W % 32 != 0) begin : g_rule_row_w
    $fatal(1, "volley_tile_array: PE * WEIGHT_W = %0d is no multiple of 32, from 32 on (%m)", ROW_W);
  end

  if (ROWS < 2) begin : g_rule_rows
    $fatal(1, "volley_tile_array: ROWS must be at least 2 (%m)");
  end

  logic              load;
  logic [ADDR_W-1:0] addr_a;
  logic [ROW_W-1:0]  row_a, row_b;

  assign load   = load_we && load_addr[LOAD_W-1 -: 2] == TO_WEIGHTS;
  assign addr_a = load ? load_addr[$clog2(WORDS) +: ADDR_W] : row_addr[0 +: ADDR_W];

  for (genvar w = 0; w < WORDS; w++) begin : g_word
    (* ram_style = "block" *) logic [31:0] mem [ROWS];
    logic we;
    assign we = load && (WORDS == 1 || load_addr[WORD_W-1:0] == WORD_W'(w));
    always @(posedge clk) begin
      if (we) mem[addr_a] <= load_data;
      else row_a[w*32 +: 32] <= mem[addr_a];
    end
    always @(posedge clk) row_b[w*32 +: 32] <= mem[row_addr[ADDR_W +: ADDR_W]];
  end

  logic       valid_q, last_q;
  logic [1:0] here_q;
  always_ff @(posedge clk) begin
    valid_q <= row_valid;
    here_q  <= row_here;
    last_q  <= row_ends;
    if (rst) valid_q <= 1'b0;
  end

  logic [PE*2*WEIGHT_W-1:0] weight;            // output slowest, as the array takes them
  for (genvar o = 0; o < PE; o++) begin : g_output
    assign weight[o*2*WEIGHT_W +: 2*WEIGHT_W] = {row_b[o*WEIGHT_W +: WEIGHT_W], row_a[o*WEIGHT_W +: WEIGHT_W]};
  end

  volley_synapse_array #(
    .PE(PE), .SIMD(2), .T(1), .WEIGHT_W(WEIGHT_W), .FOLDS(0), .ACC_W(ACC_W), .PER_STEP(1'b1)
  ) u_array (
    .clk, .rst,
    .s_spike_tvalid(valid_q), .s_spike_tready(), .s_spike_tdata(here_q), .s_spike_tlast(last_q),
    .s_weight_tvalid(valid_q), .s_weight_tready(), .s_weight_tdata(weight),
    .m_acc_tvalid(acc_valid), .m_acc_tready(1'b1), .m_acc_tdata(acc), .m_acc_tlast()
  );

  logic unused;
  assign unused = ^{load_addr};
endmodule
`default_nettype wire
