// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Spike words to address events: one event {step, address} per spike, address = beat * LANES +
// lane, beat by beat, in a beat lane by lane, in a lane step by step. A pass of BEATS beats ends
// with one end event more, the only one with tlast, its payload 0; so a pass without a spike is
// marked as well.
//
// 1 event/cycle. A beat takes max(1, spikes) cycles, the last of a pass spikes + 1; latency 1 from
// a beat to its first event; with m_event_tready held high its last one leaves within LANES * TB +
// 1. Passes are made of counted beats, s_spike_tlast is not looked at. s_spike_tready depends on
// m_event_tready.
// Model: verif/models/aer.py. Proof: verif/formal/formal_aer_pack.sv.
`default_nettype none
module volley_aer_pack #(
  parameter int unsigned LANES  = 4,           // neurons per beat
  parameter int unsigned TB     = 1,           // time steps per beat
  parameter int unsigned BEATS  = 16,          // beats per pass
  parameter int unsigned PIX    = 1,           // pixels per beat
  localparam int unsigned ADDR_W = BEATS * LANES > 1 ? $clog2(BEATS * LANES) : 1,
  localparam int unsigned STEP_W = TB > 1 ? $clog2(TB) : 1
) (
  input  wire logic                     clk,
  input  wire logic                     rst,   // synchronous, active high
  // Sink: spike words
  input  wire logic                     s_spike_tvalid,
  output logic                          s_spike_tready,
  input  wire logic [LANES*TB-1:0]      s_spike_tdata,
  input  wire logic                     s_spike_tlast,
  // Source: events {step, address}
  output logic                          m_event_tvalid,
  input  wire logic                     m_event_tready,
  output logic [STEP_W+ADDR_W-1:0]      m_event_tdata,
  output logic                          m_event_tlast
);
  localparam int unsigned WORD_W = LANES * TB;
  localparam int unsigned BEAT_W = $clog2(BEATS + 1);

  if (PIX != 1) begin : g_rule_pix
    $fatal(1, "volley_aer_pack: PIX = %0d, only 1 pixel per beat is supported (%m)", PIX);
  end
  if (LANES < 1) begin : g_rule_lanes
    $fatal(1, "volley_aer_pack: LANES = %0d must be at least 1 (%m)", LANES);
  end
  if (TB < 1) begin : g_rule_tb
    $fatal(1, "volley_aer_pack: TB = %0d must be at least 1 (%m)", TB);
  end
  if (BEATS < 1) begin : g_rule_beats
    $fatal(1, "volley_aer_pack: BEATS = %0d must be at least 1 (%m)", BEATS);
  end

  // Bit l*TB + j: the event of lane l, step j is still to come. Bit WORD_W: the end event is.
  logic [WORD_W:0]   pending_q, rest, first, loaded;
  logic [BEAT_W-1:0] beat_q;                   // of the pass: the one that the sink offers
  logic [ADDR_W-1:0] base_q;                   // address of lane 0 of the beat in pending_q
  logic [ADDR_W-1:0] lane;                     // of the first pending event
  logic [STEP_W-1:0] step;
  logic              pass_end;

  assign rest  = pending_q & (pending_q - 1'b1);
  assign first = pending_q & ~rest;

  assign m_event_tvalid = pending_q != '0;
  assign m_event_tlast  = first[WORD_W];
  assign m_event_tdata  = m_event_tlast ? '0 : {step, ADDR_W'(base_q + lane)};
  // The beat's last event makes room for the next beat in the cycle in which it leaves.
  assign s_spike_tready = rest == '0 && (!m_event_tvalid || m_event_tready);
  assign pass_end       = beat_q == BEAT_W'(BEATS - 1);

  always_comb begin
    loaded = '0;
    lane   = '0;
    step   = '0;
    for (int unsigned l = 0; l < LANES; l++) begin
      for (int unsigned j = 0; j < TB; j++) begin
        loaded[l*TB+j] = s_spike_tdata[l*TB+TB-1-j];
        lane          |= first[l*TB+j] ? ADDR_W'(l) : '0;
        step          |= first[l*TB+j] ? STEP_W'(j) : '0;
      end
    end
    loaded[WORD_W] = pass_end;
  end

  always_ff @(posedge clk) begin
    if (m_event_tready) pending_q <= rest;
    if (s_spike_tvalid && s_spike_tready) begin
      pending_q <= loaded;
      beat_q    <= pass_end ? '0 : beat_q + 1'b1;
      base_q    <= beat_q == '0 ? '0 : base_q + ADDR_W'(LANES);
    end
    if (rst) begin
      pending_q <= '0;
      beat_q    <= '0;
    end
  end

  logic unused;
  assign unused = s_spike_tlast;
endmodule
`default_nettype wire
