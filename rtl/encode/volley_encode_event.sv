// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Event input: the host's bytes, one per neuron and pass, become spike words, their low TB bits. Samples of a
// signal pass as they are, TB = 8; a lane is then any of a beat's, of one pixel or of several.
// A host's frame has no marks between its passes: s_byte_tlast is not looked at, m_spike_tlast is made.
// Latency 1, 1 beat/cycle.
// Model: verif/models/encode_event.py.
`default_nettype none
module volley_encode_event #(
  parameter int unsigned LANES = 1,            // neurons per beat
  parameter int unsigned TB    = 4,            // steps per pass, 1..8
  parameter int unsigned BEATS = 64,           // beats per pass
  parameter int unsigned PIX   = 1             // pixels per beat
) (
  input  wire logic                clk,
  input  wire logic                rst,        // synchronous, active high
  // Sink: bytes, lane 0 in the least significant bits; the earliest step in bit TB-1 of a byte
  input  wire logic                s_byte_tvalid,
  output logic                     s_byte_tready,
  input  wire logic [LANES*8-1:0]  s_byte_tdata,
  input  wire logic                s_byte_tlast,
  // Source: TB steps of each lane, the earliest in the most significant bit
  output logic                     m_spike_tvalid,
  input  wire logic                m_spike_tready,
  output logic [LANES*TB-1:0]      m_spike_tdata,
  output logic                     m_spike_tlast
);
  if (PIX != 1) begin : g_rule_pix
    $fatal(1, "volley_encode_event: PIX = %0d, only 1 pixel per beat is supported (%m)", PIX);
  end
  if (LANES < 1) begin : g_rule_lanes
    $fatal(1, "volley_encode_event: LANES = %0d must be at least 1 (%m)", LANES);
  end
  if (TB < 1 || TB > 8) begin : g_rule_tb
    $fatal(1, "volley_encode_event: TB = %0d is outside 1..8 (%m)", TB);
  end

  logic                ce, last;
  logic [LANES*TB-1:0] spike;

  assign ce            = !m_spike_tvalid || m_spike_tready;
  assign s_byte_tready = ce;

  volley_pass_counter #(.BEATS(BEATS)) u_counter (
    .clk, .rst, .step(s_byte_tvalid && ce), .tlast(last), .last, .frame_last(), .pass()
  );

  for (genvar l = 0; l < LANES; l++) begin : g_lane
    assign spike[l*TB +: TB] = s_byte_tdata[l*8 +: TB];
  end

  always_ff @(posedge clk) begin
    if (ce) begin
      m_spike_tvalid <= s_byte_tvalid;
      m_spike_tdata  <= spike;
      m_spike_tlast  <= last;
    end
    if (rst) m_spike_tvalid <= 1'b0;
  end
endmodule
`default_nettype wire
