// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_broadcast: every source gets every beat once, unchanged, offered at once and without a
// look at any tready; the sink's beat goes in the cycle in which the last source takes it.
`default_nettype none
module formal_broadcast #(
  parameter int unsigned DATA_W = 3,
  parameter int unsigned N      = 3
) (
  input wire logic              clk,
  input wire logic              rst,
  input wire logic              s_tvalid,
  input wire logic [DATA_W-1:0] s_tdata,
  input wire logic              s_tlast,
  input wire logic [N-1:0]      m_tready
);
  logic                s_tready;
  logic [N-1:0]        m_tvalid, m_tlast;
  logic [N*DATA_W-1:0] m_tdata;

  volley_broadcast #(.DATA_W(DATA_W), .N(N)) dut (
    .clk, .rst,
    .s_axis_tvalid(s_tvalid), .s_axis_tready(s_tready), .s_axis_tdata(s_tdata),
    .s_axis_tlast(s_tlast), .m_axis_tvalid(m_tvalid), .m_axis_tready(m_tready),
    .m_axis_tdata(m_tdata), .m_axis_tlast(m_tlast)
  );

  formal_reset u_reset (.clk, .rst);
  formal_hold #(.W(DATA_W + 1), .ASSUME(1'b1), .QUIET(1'b1)) u_s (
    .clk, .rst, .tvalid(s_tvalid), .tready(s_tready), .payload({s_tlast, s_tdata}));

  for (genvar i = 0; i < N; i++) begin : g_source
    logic had;                                 // this source has the beat that the sink offers
    always_ff @(posedge clk) begin
      had <= s_tvalid && !s_tready && (had || (m_tvalid[i] && m_tready[i]));
      if (rst) had <= 1'b0;
    end

    formal_hold #(.W(DATA_W + 1)) u_m (
      .clk, .rst, .tvalid(m_tvalid[i]), .tready(m_tready[i]),
      .payload({m_tlast[i], m_tdata[i*DATA_W +: DATA_W]}));

    always_comb if (!rst) begin
      // Together: offered until taken, once.
      at_once: assert (m_tvalid[i] == (s_tvalid && !had));
      unchanged: assert (!m_tvalid[i]
                      || {m_tlast[i], m_tdata[i*DATA_W +: DATA_W]} == {s_tlast, s_tdata});
      nothing_lost: assert (!(s_tvalid && s_tready) || had || m_tready[i]);
      // What makes it inductive.
      state: assert (dut.done_q[i] == had && (!had || s_tvalid));
      last_of_all: cover (s_tvalid && s_tready && !had && $countones(m_tvalid) == 1);
    end
  end

  logic missing;                               // a source without the beat does not take it now
  always_comb begin
    missing = 1'b0;
    for (int unsigned i = 0; i < N; i++) missing |= m_tvalid[i] && !m_tready[i];
    if (!rst && s_tvalid) no_hang: assert (s_tready == !missing);
  end
endmodule
`default_nettype wire
