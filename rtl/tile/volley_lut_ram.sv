// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Small RAM that is read in the same cycle: rdata = mem[raddr], mem[waddr] <= wdata when we. READS read ports.
// A read and a write of one address in one cycle give the old word.
`default_nettype none
module volley_lut_ram #(
  parameter int unsigned DATA_W = 8,           // word width [bit]
  parameter int unsigned DEPTH  = 16,          // words, >= 2
  parameter int unsigned READS  = 1,           // read ports
  localparam int unsigned ADDR_W = $clog2(DEPTH)
) (
  input  wire logic                    clk,
  // Write port
  input  wire logic                    we,
  input  wire logic [ADDR_W-1:0]       waddr,
  input  wire logic [DATA_W-1:0]       wdata,
  // Read ports
  input  wire logic [READS*ADDR_W-1:0] raddr,
  output logic [READS*DATA_W-1:0]      rdata
);
  if (DATA_W < 1 || READS < 1) begin : g_rule_data_w
    $fatal(1, "volley_lut_ram: DATA_W and READS must be at least 1 (%m)");
  end
  if (DEPTH < 2) begin : g_rule_depth
    $fatal(1, "volley_lut_ram: DEPTH must be at least 2 (%m)");
  end

  (* ram_style = "distributed" *) logic [DATA_W-1:0] mem [DEPTH];

  always_ff @(posedge clk) if (we) mem[waddr] <= wdata;
  for (genvar r = 0; r < READS; r++) begin : g_read
    assign rdata[r*DATA_W +: DATA_W] = mem[raddr[r*ADDR_W +: ADDR_W]];
  end
endmodule
`default_nettype wire
