// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Simple dual-port RAM with a clock for each port: rdata <= mem[raddr] when re, at m_clk; mem[waddr] <= wdata when we, at
// s_clk. Latency 1. Whoever uses it never reads a word while it is written: what comes then is any value. rdata holds
// while re is low. Written so that synthesis maps it to block RAM; reset-free like the block RAM itself.
`default_nettype none
module volley_ram_2clk #(
  parameter int unsigned DATA_W  = 8,          // word width [bit]
  parameter int unsigned DEPTH   = 512,        // words, >= 2
  parameter              STYLE   = "auto",     // "auto", "block" or "distributed"
  localparam int unsigned ADDR_W = $clog2(DEPTH)
) (
  // Write port
  input  wire logic              s_clk,
  input  wire logic              we,
  input  wire logic [ADDR_W-1:0] waddr,
  input  wire logic [DATA_W-1:0] wdata,
  // Read port
  input  wire logic              m_clk,
  input  wire logic              re,
  input  wire logic [ADDR_W-1:0] raddr,
  output logic [DATA_W-1:0]      rdata
);
  if (DATA_W < 1) begin : g_rule_data_w
    $fatal(1, "volley_ram_2clk: DATA_W = %0d must be at least 1 (%m)", DATA_W);
  end
  if (DEPTH < 2) begin : g_rule_depth
    $fatal(1, "volley_ram_2clk: DEPTH must be at least 2 (%m)");
  end

  if (STYLE != "auto" && STYLE != "block" && STYLE != "distributed") begin : g_rule_style
    $fatal(1, "volley_ram_2clk: STYLE = %s must be auto, block or distributed (%m)", STYLE);
  end

  // An attribute takes a literal: a branch per style.
  if (STYLE == "block") begin : g_block
    (* ram_style = "block" *)
    logic [DATA_W-1:0] mem [DEPTH];
    always_ff @(posedge s_clk) if (we) mem[waddr] <= wdata;
    always_ff @(posedge m_clk) if (re) rdata <= mem[raddr];
  end else if (STYLE == "distributed") begin : g_distributed
    (* ram_style = "distributed" *)
    logic [DATA_W-1:0] mem [DEPTH];
    always_ff @(posedge s_clk) if (we) mem[waddr] <= wdata;
    always_ff @(posedge m_clk) if (re) rdata <= mem[raddr];
  end else begin : g_auto
    (* ram_style = "auto" *)
    logic [DATA_W-1:0] mem [DEPTH];
    always_ff @(posedge s_clk) if (we) mem[waddr] <= wdata;
    always_ff @(posedge m_clk) if (re) rdata <= mem[raddr];
  end
endmodule
`default_nettype wire
