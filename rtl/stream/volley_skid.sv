// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Skid register: every output comes from a register, so it cuts both the payload path and the
// tready path of a long chain. Latency 1, 1 beat/cycle, holds 2 beats. With m_axis_tready held high
// a beat leaves within 2 cycles.
// Model: verif/models/stream.py. Proof: verif/formal/formal_skid.sv.
`default_nettype none
module volley_skid #(
  parameter int unsigned DATA_W = 8            // payload width [bit]
) (
  input  wire logic              clk,
  input  wire logic              rst,          // synchronous, active high
  // Sink
  input  wire logic              s_axis_tvalid,
  output logic                   s_axis_tready,
  input  wire logic [DATA_W-1:0] s_axis_tdata,
  input  wire logic              s_axis_tlast,
  // Source
  output logic                   m_axis_tvalid,
  input  wire logic              m_axis_tready,
  output logic [DATA_W-1:0]      m_axis_tdata,
  output logic                   m_axis_tlast
);
  if (DATA_W < 1) begin : g_rule_data_w
    $fatal(1, "volley_skid: DATA_W = %0d must be at least 1 (%m)", DATA_W);
  end

  // The beat accepted in the cycle in which the output stalls waits here; tready is low while it does.
  logic              skid_valid_q;
  logic [DATA_W-1:0] skid_data_q;
  logic              skid_last_q;

  assign s_axis_tready = !skid_valid_q;

  always_ff @(posedge clk) begin
    if (s_axis_tready) begin
      skid_data_q <= s_axis_tdata;
      skid_last_q <= s_axis_tlast;
    end
    if (!m_axis_tvalid || m_axis_tready) begin
      m_axis_tvalid <= s_axis_tvalid || skid_valid_q;
      m_axis_tdata  <= skid_valid_q ? skid_data_q : s_axis_tdata;
      m_axis_tlast  <= skid_valid_q ? skid_last_q : s_axis_tlast;
      skid_valid_q  <= 1'b0;
    end else if (s_axis_tvalid) begin
      skid_valid_q <= 1'b1;
    end
    if (rst) begin
      m_axis_tvalid <= 1'b0;
      skid_valid_q  <= 1'b0;
    end
  end
endmodule
`default_nettype wire
