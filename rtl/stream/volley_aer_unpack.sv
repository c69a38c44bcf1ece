// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Address events to spike words, the inverse of volley_aer_pack: an event {step, address} sets the
// bit of that step in lane address % LANES of beat address / LANES; an end event (tlast) completes
// the pass, so all BEATS words of it leave, those without a spike too, the last with tlast.
//
// Within a pass the addresses ascend, for one address the steps. Any other event, and one whose
// address or step does not exist, is dropped and counted. The payload of an end event is not looked
// at.
//
// A word leaves while the first event behind it is offered, latency 0, 1 word/cycle; an event for
// the next beat enters in the same cycle. So an event k beats on takes max(1, k) cycles, an end
// event one per word that is left, BEATS at most. s_event_tready depends on m_spike_tready and, as
// m_spike_tvalid does, on the event.
// Model: verif/models/aer.py. Proof: verif/formal/formal_aer_unpack.sv.
`default_nettype none
module volley_aer_unpack #(
  parameter int unsigned LANES  = 4,           // neurons per beat
  parameter int unsigned TB     = 1,           // time steps per beat
  parameter int unsigned BEATS  = 16,          // beats per pass
  parameter int unsigned COUNT_W = 32,         // bits of stat_dropped, which wraps
  parameter int unsigned PIX    = 1,           // pixels per beat
  localparam int unsigned ADDR_W = BEATS * LANES > 1 ? $clog2(BEATS * LANES) : 1,
  localparam int unsigned STEP_W = TB > 1 ? $clog2(TB) : 1
) (
  input  wire logic                     clk,
  input  wire logic                     rst,   // synchronous, active high
  // Sink: events {step, address}
  input  wire logic                     s_event_tvalid,
  output logic                          s_event_tready,
  input  wire logic [STEP_W+ADDR_W-1:0] s_event_tdata,
  input  wire logic                     s_event_tlast,
  // Source: spike words
  output logic                          m_spike_tvalid,
  input  wire logic                     m_spike_tready,
  output logic [LANES*TB-1:0]           m_spike_tdata,
  output logic                          m_spike_tlast,
  // Status
  output logic [COUNT_W-1:0]            stat_dropped  // events
);
  localparam int unsigned KEY_W = ADDR_W + STEP_W;

  if (PIX != 1) begin : g_rule_pix
    $fatal(1, "volley_aer_unpack: PIX = %0d, only 1 pixel per beat is supported (%m)", PIX);
  end
  if (LANES < 1) begin : g_rule_lanes
    $fatal(1, "volley_aer_unpack: LANES = %0d must be at least 1 (%m)", LANES);
  end
  if (TB < 1) begin : g_rule_tb
    $fatal(1, "volley_aer_unpack: TB = %0d must be at least 1 (%m)", TB);
  end
  if (BEATS < 1) begin : g_rule_beats
    $fatal(1, "volley_aer_unpack: BEATS = %0d must be at least 1 (%m)", BEATS);
  end
  if (COUNT_W < 1) begin : g_rule_count_w
    $fatal(1, "volley_aer_unpack: COUNT_W = %0d must be at least 1 (%m)", COUNT_W);
  end

  logic [LANES*TB-1:0] word_q, spike;
  logic [ADDR_W-1:0]   base_q;                 // address of lane 0 of word_q
  logic [KEY_W:0]      least_q;                // the least {address, step} that is still in order
  logic [ADDR_W-1:0]   address, offset;
  logic [STEP_W-1:0]   step;
  logic                legal, here, next, pop, put;

  assign {step, address} = s_event_tdata;
  assign legal  = 32'(step) < TB && 32'(address) < BEATS * LANES
               && {1'b0, address, step} >= least_q;
  assign offset = address - base_q;            // not negative: what is in order is not behind
  assign here   = 32'(offset) < LANES;
  assign next   = 32'(offset) >= LANES && 32'(offset) < 2 * LANES;

  assign m_spike_tvalid = s_event_tvalid && (s_event_tlast || (legal && !here));
  assign m_spike_tdata  = word_q;
  assign m_spike_tlast  = base_q == ADDR_W'((BEATS - 1) * LANES);
  assign s_event_tready = s_event_tlast ? m_spike_tlast && m_spike_tready
                                        : !legal || here || (next && m_spike_tready);
  assign pop = m_spike_tvalid && m_spike_tready;
  assign put = s_event_tvalid && s_event_tready && !s_event_tlast && legal;

  always_comb begin
    spike = '0;
    for (int unsigned l = 0; l < LANES; l++)
      for (int unsigned j = 0; j < TB; j++)
        spike[l*TB+TB-1-j] = put && 32'(offset) == (here ? l : LANES + l) && 32'(step) == j;
  end

  always_ff @(posedge clk) begin
    word_q <= (pop ? '0 : word_q) | spike;
    if (pop) base_q <= m_spike_tlast ? '0 : base_q + ADDR_W'(LANES);
    if (put) least_q <= {1'b0, address, step} + 1'b1;
    if (pop && m_spike_tlast) least_q <= '0;
    if (s_event_tvalid && !s_event_tlast && !legal) stat_dropped <= stat_dropped + 1'b1;
    if (rst) begin
      word_q       <= '0;                      // payload too: the OR relies on zeros
      base_q       <= '0;
      least_q      <= '0;
      stat_dropped <= '0;
    end
  end
endmodule
`default_nettype wire
