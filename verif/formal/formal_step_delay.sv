// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_step_delay: any beat that is not dropped, it is picked freely, leaves once, at its place DELAY passes later; all of a
// frame's first DELAY passes leave as zeros, which wait for no input; tlast ends each pass. So nothing is lost, doubled
// or made up. A beat is refused only while DELAY*BEATS + 1 others are inside.
`default_nettype none
module formal_step_delay #(
  parameter int unsigned DATA_W = 2,
  parameter int unsigned BEATS  = 3,
  parameter int unsigned PASSES = 2,
  parameter int unsigned DELAY  = 1
) (
  input wire logic              clk,
  input wire logic              rst,
  input wire logic              pick,
  input wire logic              s_tvalid,
  input wire logic [DATA_W-1:0] s_tdata,
  input wire logic              m_tready
);
  logic              s_tready, m_tvalid, m_tlast;
  logic [DATA_W-1:0] m_tdata;

  // The mark that comes with a beat is checked by the cell, and never used.
  logic [7:0] in_beat, in_pass, out_beat, out_pass;
  logic       push, pop, in_end, out_end;
  assign push    = s_tvalid && s_tready;
  assign pop     = m_tvalid && m_tready;
  assign in_end  = in_beat == BEATS - 1;
  assign out_end = out_beat == BEATS - 1;

  volley_step_delay #(.DATA_W(DATA_W), .BEATS(BEATS), .PASSES(PASSES), .DELAY(DELAY)) dut (
    .clk, .rst,
    .s_axis_tvalid(s_tvalid), .s_axis_tready(s_tready), .s_axis_tdata(s_tdata), .s_axis_tlast(in_end),
    .m_axis_tvalid(m_tvalid), .m_axis_tready(m_tready), .m_axis_tdata(m_tdata), .m_axis_tlast(m_tlast)
  );

  formal_reset u_reset (.clk, .rst);
  formal_hold #(.W(DATA_W), .ASSUME(1'b1)) u_s (
    .clk, .rst, .tvalid(s_tvalid), .tready(s_tready), .payload(s_tdata));
  formal_hold #(.W(DATA_W + 1)) u_m (
    .clk, .rst, .tvalid(m_tvalid), .tready(m_tready), .payload({m_tlast, m_tdata}));

  logic       keep, zero;                      // the beat that comes is not dropped; the one that leaves is a zero
  logic [7:0] held, ahead, place, waited;      // beats inside; before the tracked one; its place in its pass
  logic [7:0] due;                             // the pass in which it leaves
  logic       tracked, started;                // started: no longer in the first cycle behind a reset
  logic [DATA_W-1:0] value;
  assign keep = in_pass < PASSES - DELAY;
  assign zero = out_pass < DELAY;

  always_ff @(posedge clk) begin
    started <= 1'b1;
    if (push) in_beat <= in_end ? 0 : in_beat + 1;
    if (push && in_end) in_pass <= in_pass == PASSES - 1 ? 0 : in_pass + 1;
    if (pop) out_beat <= out_end ? 0 : out_beat + 1;
    if (pop && out_end) out_pass <= out_pass == PASSES - 1 ? 0 : out_pass + 1;
    held   <= held + 8'(push && keep) - 8'(pop && !zero);
    waited <= held != 0 && !m_tvalid ? waited + 1 : 0;
    if (pop && !zero) ahead <= ahead - 1;
    if (pop && !zero && ahead == 0) tracked <= 1'b0;
    if (push && keep && pick && !tracked) begin
      tracked <= 1'b1;
      ahead   <= held - 8'(pop && !zero);
      place   <= in_beat;
      due     <= in_pass + 8'(DELAY);
      value   <= s_tdata;
    end
    if (rst) begin
      started <= 1'b0;
      in_beat <= 0; in_pass <= 0; out_beat <= 0; out_pass <= 0;
      held <= 0; waited <= 0;
      tracked <= 1'b0;
    end
  end

  always_comb if (!rst) begin
    zeros_need_no_input: assert (!(started && zero) || m_tvalid && m_tdata == '0);
    none_made_up: assert (!m_tvalid || zero || held != 0);
    tlast: assert (!m_tvalid || m_tlast == out_end);
    room: assert (held <= DELAY * BEATS + 1 && (s_tready || held == DELAY * BEATS + 1));
    soon: assert (waited <= 1);
    if (tracked) begin
      unchanged: assert (!(m_tvalid && !zero && ahead == 0) || m_tdata == value && out_beat == place && out_pass == due);
      in_order: assert (ahead < held);
      leaves: cover (pop && !zero && ahead == 0 && out_beat != 0 || BEATS == 1);
    end
    full: cover (held == DELAY * BEATS + 1);
  end
endmodule
`default_nettype wire
