// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Weight source: sends rows 0 .. DEPTH-1 of a memory for ever (weights, or a neuron's parameters).
// Body by KIND: 0 "const" (one row, a parameter: wires), 1 LUT ROM, 2 block RAM, 3 writable block RAM (rows are
// replaced through cfg_*, between frames). The memory's output is registered. It has two rows at least: with DEPTH 1
// the image has a second one, which is never sent.
// Latency 2 after reset (KIND 0: 1), then 1 row/cycle.
// Model: verif/models/weight_source.py.
`default_nettype none
module volley_weight_source #(
  parameter int unsigned WIDTH = 16,           // bits of a row
  parameter int unsigned DEPTH = 4,            // rows
  parameter int unsigned KIND  = 1,            // 0 const, 1 LUT ROM, 2 block RAM, 3 writable
  parameter INIT_FILE          = "",           // KIND 1 to 3: $readmemh image, row 0 first
  parameter logic [WIDTH-1:0] ROW = '0,        // KIND 0: the row
  localparam int unsigned ADDR_W = DEPTH > 1 ? $clog2(DEPTH) : 1
) (
  input  wire logic              clk,
  input  wire logic              rst,          // synchronous, active high
  input  wire logic              cfg_we,       // KIND 3 only
  input  wire logic [ADDR_W-1:0] cfg_addr,     // row
  input  wire logic [WIDTH-1:0]  cfg_data,
  // Source
  output logic                   m_weight_tvalid,
  input  wire logic              m_weight_tready,
  output logic [WIDTH-1:0]       m_weight_tdata
);
  if (WIDTH < 1 || DEPTH < 1) begin : g_rule_width
    $fatal(1, "volley_weight_source: WIDTH and DEPTH must be at least 1 (%m)");
  end
  if (KIND > 3) begin : g_rule_kind
    $fatal(1, "volley_weight_source: KIND = %0d is outside 0..3 (%m)", KIND);
  end
  if (KIND == 0 && DEPTH != 1) begin : g_rule_kind_depth
    $fatal(1, "volley_weight_source: KIND 0 (const) holds one row, not %0d (%m)", DEPTH);
  end

  if (KIND == 0) begin : g_const
    assign m_weight_tdata = ROW;
    always_ff @(posedge clk) begin
      m_weight_tvalid <= 1'b1;
      if (rst) m_weight_tvalid <= 1'b0;
    end
  end else begin : g_memory
    localparam int unsigned ROWS = DEPTH > 1 ? DEPTH : 2;  // a memory has at least two
    logic [ADDR_W-1:0] addr;
    logic              valid_1, ce_1, ce_2;
    logic [WIDTH-1:0]  row_1;

    assign ce_2 = !m_weight_tvalid || m_weight_tready;
    assign ce_1 = !valid_1 || ce_2;

    if (KIND == 3) begin : g_writable
      volley_ram #(.DATA_W(WIDTH), .DEPTH(ROWS), .INIT_FILE(INIT_FILE), .STYLE("block")) u_ram (
        .clk, .we(cfg_we), .waddr(cfg_addr), .wdata(cfg_data), .re(ce_1), .raddr(addr), .rdata(row_1)
      );
    end else begin : g_rom
      volley_rom #(.DATA_W(WIDTH), .DEPTH(ROWS), .INIT_FILE(INIT_FILE),
                   .STYLE(KIND == 2 ? "block" : "distributed")) u_rom (
        .clk, .re(ce_1), .raddr(addr), .rdata(row_1)
      );
    end

    always_ff @(posedge clk) begin
      if (ce_1) begin
        addr    <= addr == ADDR_W'(DEPTH - 1) ? '0 : addr + 1'b1;
        valid_1 <= 1'b1;
      end
      if (ce_2) begin
        m_weight_tvalid <= valid_1;
        m_weight_tdata  <= row_1;
      end
      if (rst) begin
        addr            <= '0;
        valid_1         <= 1'b0;
        m_weight_tvalid <= 1'b0;
      end
    end
  end
endmodule
`default_nettype wire
