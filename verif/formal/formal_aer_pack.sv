// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_aer_pack: exactly the events of the spikes of each beat, in order, and one end event
// behind those of a pass's last beat; an event leaves in every cycle of tready, and the next beat
// is taken with the last of them.
`default_nettype none
module formal_aer_pack #(
  parameter int unsigned LANES  = 2,
  parameter int unsigned TB     = 3,
  parameter int unsigned BEATS  = 3,
  localparam int unsigned WORD_W = LANES * TB,
  localparam int unsigned ADDR_W = BEATS * LANES > 1 ? $clog2(BEATS * LANES) : 1,
  localparam int unsigned STEP_W = TB > 1 ? $clog2(TB) : 1
) (
  input wire logic              clk,
  input wire logic              rst,
  input wire logic              s_tvalid,
  input wire logic [WORD_W-1:0] s_tdata,
  input wire logic              s_tlast,       // free: it must not matter
  input wire logic              m_tready
);
  logic              s_tready, m_tvalid, m_tlast;
  logic [ADDR_W-1:0] address;
  logic [STEP_W-1:0] step;

  volley_aer_pack #(.LANES(LANES), .TB(TB), .BEATS(BEATS)) dut (
    .clk, .rst,
    .s_spike_tvalid(s_tvalid), .s_spike_tready(s_tready), .s_spike_tdata(s_tdata),
    .s_spike_tlast(s_tlast), .m_event_tvalid(m_tvalid), .m_event_tready(m_tready),
    .m_event_tdata({step, address}), .m_event_tlast(m_tlast)
  );

  formal_reset u_reset (.clk, .rst);
  formal_hold #(.W(WORD_W), .ASSUME(1'b1)) u_s (
    .clk, .rst, .tvalid(s_tvalid), .tready(s_tready), .payload(s_tdata));
  formal_hold #(.W(STEP_W + ADDR_W + 1)) u_m (
    .clk, .rst, .tvalid(m_tvalid), .tready(m_tready), .payload({m_tlast, step, address}));

  // Events still due of the beat taken last, lowest first to leave; the end event on top.
  logic [WORD_W:0] due, offered;
  int unsigned     beat, next_beat;            // of the beat taken last, of the one to come
  int unsigned     age;                        // cycles of tready since a beat was taken
  logic            go;
  assign go = m_tvalid && m_tready;

  always_comb begin
    for (int unsigned l = 0; l < LANES; l++)
      for (int unsigned j = 0; j < TB; j++)
        offered[l*TB+j] = !m_tlast && 32'(address) == beat * LANES + l && 32'(step) == j;
    offered[WORD_W] = m_tlast && address == '0 && step == '0;
  end

  always_ff @(posedge clk) begin
    if (go) due <= due & ~offered;
    age <= m_tready && due != '0 ? age + 1 : 0;
    if (s_tvalid && s_tready) begin
      for (int unsigned l = 0; l < LANES; l++)
        for (int unsigned j = 0; j < TB; j++)
          due[l*TB+j] <= s_tdata[l*TB+TB-1-j];
      due[WORD_W] <= next_beat == BEATS - 1;
      beat        <= next_beat;
      next_beat   <= next_beat == BEATS - 1 ? 0 : next_beat + 1;
      age         <= 0;
    end
    if (rst) begin
      due       <= '0;
      next_beat <= 0;
      age       <= 0;
    end
  end

  always_comb if (!rst) begin
    no_hang: assert (m_tvalid == (due != '0));
    if (m_tvalid) begin
      due_event: assert ((offered & due) != '0);
      order: assert ((due & (offered - 1'b1)) == '0);
    end
    next_at_once: assert (s_tready == ((due & ~(go ? offered : '0)) == '0));
    within_n: assert (due == '0 || age < WORD_W + 1);
    end_event: cover (go && m_tlast && beat == BEATS - 1 && age == WORD_W);
    // What makes it inductive.
    pending: assert (dut.pending_q == due);
    counters: assert (32'(dut.beat_q) == next_beat && next_beat < BEATS);
    base: assert (next_beat == 0 || 32'(dut.base_q) == (next_beat - 1) * LANES);
    if (due != '0) begin
      same_beat: assert (beat < BEATS && next_beat == (beat == BEATS - 1 ? 0 : beat + 1));
      base_of_beat: assert (32'(dut.base_q) == beat * LANES);
      left: assert (age + 32'($countones(due)) <= WORD_W + 1);
    end
  end
endmodule
`default_nettype wire
