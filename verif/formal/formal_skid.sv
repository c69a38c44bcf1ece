// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_skid: every beat leaves once, in order, within 2 cycles of tready; 2 beats at most.
`default_nettype none
module formal_skid #(
  parameter int unsigned DATA_W = 4
) (
  input wire logic              clk,
  input wire logic              rst,
  input wire logic              pick,
  input wire logic              s_tvalid,
  input wire logic [DATA_W-1:0] s_tdata,
  input wire logic              s_tlast,
  input wire logic              m_tready
);
  logic              s_tready, m_tvalid, m_tlast, tracked, leaves;
  logic [DATA_W-1:0] m_tdata;
  logic [DATA_W:0]   value;
  logic [1:0]        held, ahead;

  volley_skid #(.DATA_W(DATA_W)) dut (
    .clk, .rst,
    .s_axis_tvalid(s_tvalid), .s_axis_tready(s_tready), .s_axis_tdata(s_tdata),
    .s_axis_tlast(s_tlast), .m_axis_tvalid(m_tvalid), .m_axis_tready(m_tready),
    .m_axis_tdata(m_tdata), .m_axis_tlast(m_tlast)
  );

  formal_reset u_reset (.clk, .rst);
  formal_hold #(.W(DATA_W + 1), .ASSUME(1'b1)) u_s (
    .clk, .rst, .tvalid(s_tvalid), .tready(s_tready), .payload({s_tlast, s_tdata}));
  formal_hold #(.W(DATA_W + 1)) u_m (
    .clk, .rst, .tvalid(m_tvalid), .tready(m_tready), .payload({m_tlast, m_tdata}));
  formal_track #(.W(DATA_W + 1), .N(2), .MOST(2)) u_track (
    .clk, .rst, .pick, .s_tvalid, .s_tready, .s_value({s_tlast, s_tdata}), .m_tvalid, .m_tready,
    .held, .tracked, .ahead, .value, .leaves
  );

  always_comb if (!rst) begin
    unchanged: assert (!leaves || {m_tlast, m_tdata} == value);
    // What makes it inductive: the output register's beat is before the skid register's.
    count: assert (held == 2'(m_tvalid) + 2'(dut.skid_valid_q));
    filled_in_order: assert (!dut.skid_valid_q || m_tvalid);
    if (tracked && ahead == 1) second: assert ({dut.skid_last_q, dut.skid_data_q} == value);
  end
endmodule
`default_nettype wire
