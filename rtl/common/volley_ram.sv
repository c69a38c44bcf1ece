// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Simple dual-port RAM: rdata <= mem[raddr] when re, mem[waddr] <= wdata when we. Latency 1.
// A read and a write of one address in one cycle give the old word. rdata holds while re is low.
// Written so that synthesis maps it to block RAM; reset-free like the block RAM itself. The same memory stands there
// once for each style, because an attribute takes a literal only. It is no always_ff: that would forbid `initial`.
`default_nettype none
module volley_ram #(
  parameter int unsigned DATA_W    = 8,        // word width [bit]
  parameter int unsigned DEPTH     = 512,      // words, >= 2
  parameter              INIT_FILE = "",       // $readmemh image, "" = none
  parameter              STYLE     = "auto",   // "auto", "block" or "distributed"
  localparam int unsigned ADDR_W   = $clog2(DEPTH)
) (
  input  wire logic              clk,
  // Write port
  input  wire logic              we,
  input  wire logic [ADDR_W-1:0] waddr,
  input  wire logic [DATA_W-1:0] wdata,
  // Read port
  input  wire logic              re,
  input  wire logic [ADDR_W-1:0] raddr,
  output logic [DATA_W-1:0]      rdata
);
  if (DATA_W < 1) begin : g_rule_data_w
    $fatal(1, "volley_ram: DATA_W = %0d must be at least 1 (%m)", DATA_W);
  end
  if (STYLE != "auto" && STYLE != "block" && STYLE != "distributed") begin : g_rule_style
    $fatal(1, "volley_ram: STYLE = %s must be auto, block or distributed (%m)", STYLE);
  end
  if (DEPTH < 2) begin : g_rule_depth
    $fatal(1, "volley_ram: DEPTH must be at least 2 (%m)");
  end

  if (STYLE == "block") begin : g_block
    (* ram_style = "block" *) logic [DATA_W-1:0] mem [DEPTH];
    if (INIT_FILE != "") begin : g_init
      initial $readmemh(INIT_FILE, mem);
    end
    always @(posedge clk) begin
      if (we) mem[waddr] <= wdata;
      if (re) rdata <= mem[raddr];
    end
  end else if (STYLE == "distributed") begin : g_distributed
    (* ram_style = "distributed" *) logic [DATA_W-1:0] mem [DEPTH];
    if (INIT_FILE != "") begin : g_init
      initial $readmemh(INIT_FILE, mem);
    end
    always @(posedge clk) begin
      if (we) mem[waddr] <= wdata;
      if (re) rdata <= mem[raddr];
    end
  end else begin : g_auto
    (* ram_style = "auto" *) logic [DATA_W-1:0] mem [DEPTH];
    if (INIT_FILE != "") begin : g_init
      initial $readmemh(INIT_FILE, mem);
    end
    always @(posedge clk) begin
      if (we) mem[waddr] <= wdata;
      if (re) rdata <= mem[raddr];
    end
  end
endmodule
`default_nettype wire
