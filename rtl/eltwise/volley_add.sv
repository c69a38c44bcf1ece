// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Sum of two streams, lane by lane: sum[l] = a[l] + 2^B_SHIFT * b[l]; signed where an operand is.
// For potentials and counts (a lane per number), and for radix words (SEW ADD: one step more).
// OUT_W must hold the largest sum. Latency 1, 1 beat/cycle. tlast is that of s_a.
// Model: verif/models/eltwise.py.
`default_nettype none
module volley_add #(
  parameter int unsigned LANES    = 1,         // numbers per beat
  parameter int unsigned A_W      = 12,        // bits of a
  parameter int unsigned B_W      = 12,        // bits of b
  parameter bit          A_SIGNED = 1'b1,
  parameter bit          B_SIGNED = 1'b1,
  parameter int unsigned OUT_W    = 13,        // bits of a sum
  parameter int unsigned PIX      = 1,         // pixels per beat
  parameter int unsigned B_SHIFT  = 0          // b counts 2^B_SHIFT
) (
  input  wire logic                   clk,
  input  wire logic                   rst,     // synchronous, active high
  // Sink: a
  input  wire logic                   s_a_tvalid,
  output logic                        s_a_tready,
  input  wire logic [LANES*A_W-1:0]   s_a_tdata,
  input  wire logic                   s_a_tlast,
  // Sink: b
  input  wire logic                   s_b_tvalid,
  output logic                        s_b_tready,
  input  wire logic [LANES*B_W-1:0]   s_b_tdata,
  input  wire logic                   s_b_tlast,
  // Source
  output logic                        m_sum_tvalid,
  input  wire logic                   m_sum_tready,
  output logic [LANES*OUT_W-1:0]      m_sum_tdata,
  output logic                        m_sum_tlast
);
  localparam bit          SIGNED = A_SIGNED || B_SIGNED;
  // An unsigned operand takes a sign bit of 0, a sum a carry.
  localparam int unsigned TERM_W = B_W + B_SHIFT;  // bits of the shifted b
  localparam int unsigned SUM_W  = (A_W > TERM_W ? A_W : TERM_W) + 2;

  if (PIX != 1) begin : g_rule_pix
    $fatal(1, "volley_add: PIX = %0d, only 1 pixel per beat is supported (%m)", PIX);
  end
  if (LANES < 1 || A_W < 1 || B_W < 1) begin : g_rule_lanes
    $fatal(1, "volley_add: LANES, A_W and B_W must be at least 1 (%m)");
  end
  if (OUT_W < A_W + (SIGNED && !A_SIGNED) || OUT_W < TERM_W + (SIGNED && !B_SIGNED)) begin : g_rule_out_w
    $fatal(1, "volley_add: OUT_W = %0d cannot hold an operand (%m)", OUT_W);
  end

  logic ce;
  assign ce         = !m_sum_tvalid || m_sum_tready;
  assign s_a_tready = ce && s_b_tvalid;
  assign s_b_tready = ce && s_a_tvalid;

  always_ff @(posedge clk) begin
    if (ce) begin
      m_sum_tvalid <= s_a_tvalid && s_b_tvalid;
      m_sum_tlast  <= s_a_tlast;
    end
    if (rst) m_sum_tvalid <= 1'b0;
  end

  for (genvar l = 0; l < LANES; l++) begin : g_lane
    logic [A_W-1:0]          a;
    logic [B_W-1:0]          b;
    logic signed [SUM_W-1:0] sum;
    assign a   = s_a_tdata[l*A_W +: A_W];
    assign b   = s_b_tdata[l*B_W +: B_W];
    assign sum = SUM_W'(signed'({A_SIGNED && a[A_W-1], a}))
               + (SUM_W'(signed'({B_SIGNED && b[B_W-1], b})) <<< B_SHIFT);
    always_ff @(posedge clk) if (ce) m_sum_tdata[l*OUT_W +: OUT_W] <= OUT_W'(sum);

`ifndef SYNTHESIS
    logic [OUT_W-1:0] out;
    assign out = OUT_W'(sum);
    always_ff @(posedge clk)
      if (!rst && s_a_tvalid && s_a_tready) begin
        assert (sum == SUM_W'(signed'({SIGNED && out[OUT_W-1], out})))
          else $error("volley_add: OUT_W is too small");
        assert (s_a_tlast == s_b_tlast) else $error("volley_add: tlast of a and b differ");
      end
`endif
  end
endmodule
`default_nettype wire
