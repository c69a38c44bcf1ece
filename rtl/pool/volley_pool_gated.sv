// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Gated max pooling of spikes: out[t] = s_winner[t]. The winner is the tap of the lowest index among
// those that spike in the earliest step in which any tap spikes; before that step no tap spikes, so
// out is 0. Padded taps never spike. The winner of a neuron stays for all passes of the frame.
// Latency 2; 1 beat/cycle, but 1 per 2 cycles where BEATS = 1 and PASSES > 1. tlast ends each pass,
// by counting. Model: verif/models/pool_gated.py.
`default_nettype none
module volley_pool_gated #(
  parameter int unsigned LANES  = 1,           // channels per beat
  parameter int unsigned TB     = 4,           // time steps per beat
  parameter int unsigned TAPS   = 4,           // spike words per window
  parameter int unsigned BEATS  = 16,          // beats per pass
  parameter int unsigned PASSES = 2,           // passes per frame
  parameter int unsigned PIX    = 1            // pixels per beat
) (
  input  wire logic                     clk,
  input  wire logic                     rst,   // synchronous, active high
  // Sink: windows, tap slowest
  input  wire logic                     s_window_tvalid,
  output logic                          s_window_tready,
  input  wire logic [TAPS*LANES*TB-1:0] s_window_tdata,
  input  wire logic                     s_window_tlast,
  // Source
  output logic                          m_spike_tvalid,
  input  wire logic                     m_spike_tready,
  output logic [LANES*TB-1:0]           m_spike_tdata,
  output logic                          m_spike_tlast
);
  localparam int unsigned WINNER_W = $clog2(TAPS + 1);

  if (PIX != 1) begin : g_rule_pix
    $fatal(1, "volley_pool_gated: PIX = %0d, only 1 pixel per beat is supported (%m)", PIX);
  end
  if (LANES < 1 || TB < 1 || TAPS < 1) begin : g_rule_lanes
    $fatal(1, "volley_pool_gated: LANES, TB and TAPS must be at least 1 (%m)");
  end

  typedef logic [WINNER_W-1:0] winner_t;       // 0: none yet; k + 1: tap k

  logic                      ce, take, room, busy;
  logic                      first, last_beat;
  logic [TAPS*LANES*TB-1:0]  window;
  logic [LANES*WINNER_W-1:0] held, winners;    // from the passes before, and with this one

  assign ce              = !m_spike_tvalid || m_spike_tready;
  assign s_window_tready = ce && room;
  assign take            = s_window_tvalid && room;

  volley_state_memory #(
    .DATA_W (LANES * WINNER_W),
    .BEATS  (BEATS),
    .PASSES (PASSES),
    .FLIGHT (1)
  ) u_winners (
    .clk, .rst, .ce, .take, .room,
    .state      (held),
    .first,
    .last_pass  (),
    .last_beat,
    .put        (busy),
    .state_next (winners)
  );

  always_ff @(posedge clk) begin
    if (ce) begin
      busy           <= take;
      window         <= s_window_tdata;
      m_spike_tvalid <= busy;
      m_spike_tlast  <= last_beat;
    end
    if (rst) begin
      busy           <= 1'b0;
      m_spike_tvalid <= 1'b0;
    end
  end

  for (genvar l = 0; l < LANES; l++) begin : g_lane
    logic [TAPS*TB-1:0] words;
    logic [TB-1:0]      any, start, word;      // start: the earliest step of any
    winner_t            winner;

    for (genvar k = 0; k < TAPS; k++) begin : g_tap
      assign words[k*TB +: TB] = window[(k*LANES + l)*TB +: TB];
    end
    for (genvar i = 0; i < TB; i++) begin : g_step
      assign start[i] = any >> i == TB'(1);  // the highest bit
    end

    always_comb begin
      any = '0;
      for (int unsigned k = 0; k < TAPS; k++) any |= words[k*TB +: TB];
      winner = first ? '0 : held[l*WINNER_W +: WINNER_W];
      if (winner == '0)
        for (int unsigned k = TAPS; k > 0; k--)        // the lowest one is assigned last
          if ((words[(k-1)*TB +: TB] & start) != '0) winner = winner_t'(k);
      word = '0;
      for (int unsigned k = 0; k < TAPS; k++)
        word |= winner == winner_t'(k + 1) ? words[k*TB +: TB] : '0;
    end

    assign winners[l*WINNER_W +: WINNER_W] = winner;
    always_ff @(posedge clk) if (ce) m_spike_tdata[l*TB +: TB] <= word;
  end

`ifndef SYNTHESIS
  int unsigned beat_check;
  always_ff @(posedge clk) begin
    if (s_window_tvalid && s_window_tready) begin
      beat_check <= beat_check == BEATS - 1 ? 0 : beat_check + 1;
      if (!rst) assert (s_window_tlast == (beat_check == BEATS - 1))
        else $error("volley_pool_gated: tlast out of step with BEATS");
    end
    if (rst) beat_check <= 0;
  end
`endif
endmodule
`default_nettype wire
