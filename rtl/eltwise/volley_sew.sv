// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Spike-element-wise connection (SEW-ResNet), per lane and time step: AND (a & b) or IAND (~a & b).
// SEW ADD is volley_add. Latency 1, 1 beat/cycle. tlast is that of s_a.
// Model: verif/models/eltwise.py.
`default_nettype none
module volley_sew #(
  parameter int unsigned LANES = 1,            // channels per beat
  parameter int unsigned TB    = 4,            // time steps per beat
  parameter int unsigned MODE  = 0,            // 0: AND, 1: IAND
  parameter int unsigned PIX   = 1             // pixels per beat
) (
  input  wire logic                clk,
  input  wire logic                rst,        // synchronous, active high
  // Sink: a
  input  wire logic                s_a_tvalid,
  output logic                     s_a_tready,
  input  wire logic [LANES*TB-1:0] s_a_tdata,
  input  wire logic                s_a_tlast,
  // Sink: b
  input  wire logic                s_b_tvalid,
  output logic                     s_b_tready,
  input  wire logic [LANES*TB-1:0] s_b_tdata,
  input  wire logic                s_b_tlast,
  // Source
  output logic                     m_spike_tvalid,
  input  wire logic                m_spike_tready,
  output logic [LANES*TB-1:0]      m_spike_tdata,
  output logic                     m_spike_tlast
);
  if (PIX != 1) begin : g_rule_pix
    $fatal(1, "volley_sew: PIX = %0d, only 1 pixel per beat is supported (%m)", PIX);
  end
  if (LANES < 1 || TB < 1) begin : g_rule_lanes
    $fatal(1, "volley_sew: LANES and TB must be at least 1 (%m)");
  end
  if (MODE > 1) begin : g_rule_mode
    $fatal(1, "volley_sew: MODE = %0d is neither 0 (AND) nor 1 (IAND) (%m)", MODE);
  end

  logic ce;
  assign ce         = !m_spike_tvalid || m_spike_tready;
  assign s_a_tready = ce && s_b_tvalid;
  assign s_b_tready = ce && s_a_tvalid;

  always_ff @(posedge clk) begin
    if (ce) begin
      m_spike_tvalid <= s_a_tvalid && s_b_tvalid;
      m_spike_tlast  <= s_a_tlast;
      m_spike_tdata  <= (MODE == 1 ? ~s_a_tdata : s_a_tdata) & s_b_tdata;
    end
    if (rst) m_spike_tvalid <= 1'b0;
  end

`ifndef SYNTHESIS
  always_ff @(posedge clk)
    if (!rst && s_a_tvalid && s_a_tready)
      assert (s_a_tlast == s_b_tlast) else $error("volley_sew: tlast of a and b differ");
`endif
endmodule
`default_nettype wire
