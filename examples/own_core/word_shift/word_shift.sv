// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Radix words without their last time steps: per lane the upper OUT_W bits of IN_W. Latency 1, 1 beat/cycle.
`default_nettype none
module word_shift #(
  parameter int unsigned LANES = 1,               // words per beat
  parameter int unsigned IN_W  = 4,               // bits of a word in
  parameter int unsigned OUT_W = 3                // bits of a word out, fewer
) (
  input  wire logic                   clk,
  input  wire logic                   rst,        // synchronous, active high
  input  wire logic                   s_word_tvalid,
  output logic                        s_word_tready,
  input  wire logic [LANES*IN_W-1:0]  s_word_tdata,
  input  wire logic                   s_word_tlast,
  output logic                        m_word_tvalid,
  input  wire logic                   m_word_tready,
  output logic [LANES*OUT_W-1:0]      m_word_tdata,
  output logic                        m_word_tlast
);
  if (OUT_W < 1 || OUT_W >= IN_W) begin : g_rule_out_w
    $fatal(1, "word_shift: OUT_W = %0d is outside 1..IN_W-1 = %0d (%m)", OUT_W, IN_W - 1);
  end

  assign s_word_tready = !m_word_tvalid || m_word_tready;

  always_ff @(posedge clk) begin
    if (s_word_tready) begin
      m_word_tvalid <= s_word_tvalid;
      m_word_tlast  <= s_word_tlast;
      for (int l = 0; l < int'(LANES); l++)
        m_word_tdata[l*OUT_W +: OUT_W] <= s_word_tdata[l*IN_W + IN_W - OUT_W +: OUT_W];
    end
    if (rst) m_word_tvalid <= 1'b0;
  end
endmodule
`default_nettype wire
