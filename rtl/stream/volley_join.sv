// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Joins two streams beat by beat: the payload is {b, a}, tlast is a's. Latency 0, 1 beat/cycle, no
// state: a pair leaves in the cycle in which both are there and the source is ready. With beats of
// whole pixels it is the concatenation of channels: those of a, then those of b. Each sink's tready
// depends on the other's tvalid; s_b_tlast is not looked at.
// Model: verif/models/stream.py. Proof: verif/formal/formal_join.sv.
`default_nettype none
module volley_join #(
  parameter int unsigned A_W = 8,              // payload width of a [bit]
  parameter int unsigned B_W = 8               // payload width of b [bit]
) (
  input  wire logic               clk,
  input  wire logic               rst,         // synchronous, active high
  // Sink a
  input  wire logic               s_a_tvalid,
  output logic                    s_a_tready,
  input  wire logic [A_W-1:0]     s_a_tdata,
  input  wire logic               s_a_tlast,
  // Sink b
  input  wire logic               s_b_tvalid,
  output logic                    s_b_tready,
  input  wire logic [B_W-1:0]     s_b_tdata,
  input  wire logic               s_b_tlast,
  // Source
  output logic                    m_axis_tvalid,
  input  wire logic               m_axis_tready,
  output logic [A_W+B_W-1:0]      m_axis_tdata,
  output logic                    m_axis_tlast
);
  if (A_W < 1) begin : g_rule_a_w
    $fatal(1, "volley_join: A_W = %0d must be at least 1 (%m)", A_W);
  end
  if (B_W < 1) begin : g_rule_b_w
    $fatal(1, "volley_join: B_W = %0d must be at least 1 (%m)", B_W);
  end

  assign s_a_tready    = s_b_tvalid && m_axis_tready;
  assign s_b_tready    = s_a_tvalid && m_axis_tready;
  assign m_axis_tvalid = s_a_tvalid && s_b_tvalid;
  assign m_axis_tdata  = {s_b_tdata, s_a_tdata};
  assign m_axis_tlast  = s_a_tlast;

  logic unused;                                // each core has clk and rst, each stream tlast
  assign unused = clk ^ rst ^ s_b_tlast;
endmodule
`default_nettype wire
