// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_aer_unpack, whatever events come: each end event completes a pass of BEATS words; bit
// (beat, lane, step), any one, is set if and only if a legal event said so since the pass began;
// every other event is counted in stat_dropped; an event is taken within BEATS cycles of tready,
// one for the present word or the next at once.
`default_nettype none
module formal_aer_unpack #(
  parameter int unsigned LANES  = 2,
  parameter int unsigned TB     = 3,
  parameter int unsigned BEATS  = 3,
  localparam int unsigned ADDR_W = BEATS * LANES > 1 ? $clog2(BEATS * LANES) : 1,
  localparam int unsigned STEP_W = TB > 1 ? $clog2(TB) : 1
) (
  input wire logic              clk,
  input wire logic              rst,
  input wire logic              s_tvalid,
  input wire logic [ADDR_W-1:0] address,
  input wire logic [STEP_W-1:0] step,
  input wire logic              s_tlast,
  input wire logic              m_tready,
  input wire logic [ADDR_W-1:0] a,             // the bit that is followed, any: of this address
  input wire logic [STEP_W-1:0] j              // and step
);
  logic                s_tready, m_tvalid, m_tlast;
  logic [LANES*TB-1:0] m_tdata;
  logic [31:0]         stat_dropped;

  volley_aer_unpack #(.LANES(LANES), .TB(TB), .BEATS(BEATS)) dut (
    .clk, .rst,
    .s_event_tvalid(s_tvalid), .s_event_tready(s_tready), .s_event_tdata({step, address}),
    .s_event_tlast(s_tlast), .m_spike_tvalid(m_tvalid), .m_spike_tready(m_tready),
    .m_spike_tdata(m_tdata), .m_spike_tlast(m_tlast), .stat_dropped
  );

  formal_reset u_reset (.clk, .rst);
  formal_hold #(.W(STEP_W + ADDR_W + 1), .ASSUME(1'b1), .QUIET(1'b1)) u_s (
    .clk, .rst, .tvalid(s_tvalid), .tready(s_tready), .payload({s_tlast, step, address}));
  formal_hold #(.W(LANES * TB + 1)) u_m (
    .clk, .rst, .tvalid(m_tvalid), .tready(m_tready), .payload({m_tlast, m_tdata}));

  formal_constant #(.W(ADDR_W + STEP_W)) u_bit (.clk, .value({a, j}));
  always_comb assume (32'(a) < BEATS * LANES && 32'(j) < TB);

  logic                     take, go, legal;
  logic                     any, seen;         // in this pass a legal event came, one for (a, j)
  logic [ADDR_W+STEP_W-1:0] latest;            // the last legal one
  int unsigned              beat, waited;      // words of this pass that left; cycles of tready
  logic [31:0]              dropped;

  assign take  = s_tvalid && s_tready;
  assign go    = m_tvalid && m_tready;
  assign legal = !s_tlast && 32'(address) < BEATS * LANES && 32'(step) < TB
              && (!any || {address, step} > latest);

  always_ff @(posedge clk) begin
    if (take && legal) begin
      any    <= 1'b1;
      latest <= {address, step};
      if (address == a && step == j) seen <= 1'b1;
    end
    if (take && s_tlast) begin
      any  <= 1'b0;
      seen <= 1'b0;
    end
    if (go) beat <= beat == BEATS - 1 ? 0 : beat + 1;
    if (take && !s_tlast && !legal) dropped <= dropped + 1;
    waited <= s_tvalid && !s_tready && m_tready ? waited + 1 : 0;
    if (rst) begin
      any     <= 1'b0;
      seen    <= 1'b0;
      beat    <= 0;
      dropped <= '0;
      waited  <= 0;
    end
  end

  always_comb if (!rst) begin
    last_word: assert (!m_tvalid || m_tlast == (beat == BEATS - 1));
    end_of_pass: assert ((take && s_tlast) == (go && m_tlast));
    if (go && beat == 32'(a) / LANES) begin
      bit_of_word: assert (m_tdata[(32'(a) % LANES) * TB + TB - 1 - 32'(j)] == seen);
      set: cover (seen && beat != 0);
    end
    if (s_tvalid && m_tready && !s_tlast && (!legal || 32'(address) / LANES <= beat + 1))
      at_once: assert (s_tready);
    count: assert (stat_dropped == dropped);
    within_n: assert (waited < BEATS);
    longest_wait: cover (take && waited == BEATS - 1);
    drops: cover (dropped == 2 && seen);
    // What makes it inductive.
    passed: assert (waited <= beat && beat < BEATS);
    base: assert (32'(dut.base_q) == beat * LANES);
    in_order: assert (dut.least_q == (any ? {1'b0, latest} + 1'b1 : '0));
    if (any) latest_word: assert (32'(latest[STEP_W +: ADDR_W]) / LANES <= beat);
    // Words leave empty only while an event behind them waits.
    no_word_alone: assert (beat == 0 || (any && 32'(latest[STEP_W +: ADDR_W]) / LANES == beat)
      || (s_tvalid && (s_tlast || (legal && 32'(address) / LANES >= beat))));
    if (seen) after_it: assert (any && latest >= {a, j});
    if (beat == 32'(a) / LANES)
      in_word: assert (dut.word_q[(32'(a) % LANES) * TB + TB - 1 - 32'(j)] == seen);
    if (beat < 32'(a) / LANES) not_yet: assert (!seen);
  end
endmodule
`default_nettype wire
