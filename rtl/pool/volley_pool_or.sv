// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// OR pooling: out[t] = s_1[t] | .. | s_TAPS[t], lane by lane: the maximum of spikes per time step.
// Padded taps carry no spike. Latency 1, 1 beat/cycle. Model: verif/models/pool.py.
`default_nettype none
module volley_pool_or #(
  parameter int unsigned LANES = 1,            // channels per beat
  parameter int unsigned TB    = 4,            // time steps per beat
  parameter int unsigned TAPS  = 4,            // spike words per window
  parameter int unsigned PIX   = 1             // pixels per beat, a window each
) (
  input  wire logic                         clk,
  input  wire logic                         rst, // synchronous, active high
  // Sink: for each pixel its window, tap slowest
  input  wire logic                         s_window_tvalid,
  output logic                              s_window_tready,
  input  wire logic [PIX*TAPS*LANES*TB-1:0] s_window_tdata,
  input  wire logic                         s_window_tlast,
  // Source
  output logic                              m_spike_tvalid,
  input  wire logic                         m_spike_tready,
  output logic [PIX*LANES*TB-1:0]           m_spike_tdata,
  output logic                              m_spike_tlast
);
  localparam int unsigned WORD_W = LANES * TB;

  if (LANES < 1 || TB < 1 || TAPS < 1 || PIX < 1) begin : g_rule_lanes
    $fatal(1, "volley_pool_or: LANES, TB, TAPS and PIX must be at least 1 (%m)");
  end

  logic [PIX*WORD_W-1:0] any;
  always_comb begin
    any = '0;
    for (int unsigned p = 0; p < PIX; p++)
      for (int unsigned k = 0; k < TAPS; k++)
        any[p*WORD_W +: WORD_W] |= s_window_tdata[(p*TAPS + k)*WORD_W +: WORD_W];
  end

  assign s_window_tready = !m_spike_tvalid || m_spike_tready;

  always_ff @(posedge clk) begin
    if (s_window_tready) begin
      m_spike_tvalid <= s_window_tvalid;
      m_spike_tlast  <= s_window_tlast;
      m_spike_tdata  <= any;
    end
    if (rst) m_spike_tvalid <= 1'b0;
  end
endmodule
`default_nettype wire
