// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_join: a pair goes over in the cycle in which both beats are offered and the pair is ready
// to be taken, all three together; so beat n of a meets beat n of b. tvalid does not look at
// tready.
`default_nettype none
module formal_join #(
  parameter int unsigned A_W = 3,
  parameter int unsigned B_W = 2
) (
  input wire logic           clk,
  input wire logic           rst,
  input wire logic           a_tvalid,
  input wire logic [A_W-1:0] a_tdata,
  input wire logic           a_tlast,
  input wire logic           b_tvalid,
  input wire logic [B_W-1:0] b_tdata,
  input wire logic           b_tlast,
  input wire logic           m_tready
);
  logic               a_tready, b_tready, m_tvalid, m_tlast;
  logic [A_W+B_W-1:0] m_tdata;

  volley_join #(.A_W(A_W), .B_W(B_W)) dut (
    .clk, .rst,
    .s_a_tvalid(a_tvalid), .s_a_tready(a_tready), .s_a_tdata(a_tdata), .s_a_tlast(a_tlast),
    .s_b_tvalid(b_tvalid), .s_b_tready(b_tready), .s_b_tdata(b_tdata), .s_b_tlast(b_tlast),
    .m_axis_tvalid(m_tvalid), .m_axis_tready(m_tready), .m_axis_tdata(m_tdata),
    .m_axis_tlast(m_tlast)
  );

  formal_reset u_reset (.clk, .rst);
  formal_hold #(.W(A_W + 1), .ASSUME(1'b1), .QUIET(1'b1)) u_a (
    .clk, .rst, .tvalid(a_tvalid), .tready(a_tready), .payload({a_tlast, a_tdata}));
  formal_hold #(.W(B_W + 1), .ASSUME(1'b1), .QUIET(1'b1)) u_b (
    .clk, .rst, .tvalid(b_tvalid), .tready(b_tready), .payload({b_tlast, b_tdata}));
  formal_hold #(.W(A_W + B_W + 1)) u_m (
    .clk, .rst, .tvalid(m_tvalid), .tready(m_tready), .payload({m_tlast, m_tdata}));

  always_comb if (!rst) begin
    together: assert ((a_tvalid && a_tready) == (m_tvalid && m_tready)
                   && (b_tvalid && b_tready) == (m_tvalid && m_tready));
    no_hang: assert (m_tvalid == (a_tvalid && b_tvalid));
    pair: assert (!m_tvalid || {m_tlast, m_tdata} == {a_tlast, b_tdata, a_tdata});
    goes: cover (m_tvalid && m_tready);
  end
endmodule
`default_nettype wire
