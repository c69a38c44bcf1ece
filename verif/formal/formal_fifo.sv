// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_fifo: every beat leaves once, in order, within DEPTH cycles of tready; DEPTH beats at
// most, stat_count says how many.
`default_nettype none
module formal_fifo #(
  parameter int unsigned DATA_W = 4,
  parameter int unsigned DEPTH  = 6
) (
  input wire logic              clk,
  input wire logic              rst,
  input wire logic              pick,
  input wire logic              s_tvalid,
  input wire logic [DATA_W-1:0] s_tdata,
  input wire logic              s_tlast,
  input wire logic              m_tready
);
  localparam int unsigned COUNT_W = $clog2(DEPTH + 2);
  logic                       s_tready, m_tvalid, m_tlast, tracked, leaves;
  logic [DATA_W-1:0]          m_tdata;
  logic [DATA_W:0]            value;
  logic [COUNT_W-1:0]         held, ahead;
  logic [$clog2(DEPTH+1)-1:0] stat_count;

  volley_fifo #(.DATA_W(DATA_W), .DEPTH(DEPTH)) dut (
    .clk, .rst,
    .s_axis_tvalid(s_tvalid), .s_axis_tready(s_tready), .s_axis_tdata(s_tdata),
    .s_axis_tlast(s_tlast), .m_axis_tvalid(m_tvalid), .m_axis_tready(m_tready),
    .m_axis_tdata(m_tdata), .m_axis_tlast(m_tlast),
    .stat_count
  );

  formal_reset u_reset (.clk, .rst);
  formal_hold #(.W(DATA_W + 1), .ASSUME(1'b1)) u_s (
    .clk, .rst, .tvalid(s_tvalid), .tready(s_tready), .payload({s_tlast, s_tdata}));
  formal_hold #(.W(DATA_W + 1)) u_m (
    .clk, .rst, .tvalid(m_tvalid), .tready(m_tready), .payload({m_tlast, m_tdata}));
  formal_track #(.W(DATA_W + 1), .N(DEPTH), .MOST(DEPTH)) u_track (
    .clk, .rst, .pick, .s_tvalid, .s_tready, .s_value({s_tlast, s_tdata}), .m_tvalid, .m_tready,
    .held, .tracked, .ahead, .value, .leaves
  );

  always_comb if (!rst) begin
    count: assert (held == COUNT_W'(stat_count));
    unchanged: assert (!leaves || {m_tlast, m_tdata} == value);
  end

  // What makes it inductive: where the beats are.
  if (DEPTH == 2) begin : g_skid
    always_comb if (!rst) begin
      sum: assert (held == COUNT_W'(m_tvalid) + COUNT_W'(dut.g_skid.u_skid.skid_valid_q));
      filled_in_order: assert (!dut.g_skid.u_skid.skid_valid_q || m_tvalid);
      if (tracked && ahead == 1)
        second: assert ({dut.g_skid.u_skid.skid_last_q, dut.g_skid.u_skid.skid_data_q} == value);
    end
  end else begin : g_ram
    localparam int unsigned WORDS  = DEPTH - 1;
    localparam int unsigned ADDR_W = $clog2(WORDS);
    logic [COUNT_W-1:0] raddr, waddr, words, place;

    function automatic logic [COUNT_W-1:0] wrap(input logic [COUNT_W:0] address);
      return COUNT_W'(address >= (COUNT_W+1)'(WORDS) ? address - (COUNT_W+1)'(WORDS) : address);
    endfunction

    assign raddr = COUNT_W'(dut.g_ram.raddr_q);
    assign waddr = COUNT_W'(dut.g_ram.waddr_q);
    assign words = COUNT_W'(dut.g_ram.words_q);
    // Where the tracked beat is: the oldest word of the RAM is behind the output register.
    assign place = wrap((COUNT_W+1)'(raddr) + (COUNT_W+1)'(ahead - COUNT_W'(m_tvalid)));

    always_comb if (!rst) begin
      sum: assert (held == words + COUNT_W'(m_tvalid));
      in_range: assert (raddr < COUNT_W'(WORDS) && words <= COUNT_W'(WORDS));
      pointers: assert (waddr == wrap((COUNT_W+1)'(raddr) + (COUNT_W+1)'(words)));
      if (tracked && !(m_tvalid && ahead == '0))
        in_ram: assert (dut.g_ram.u_ram.g_auto.mem[ADDR_W'(place)] == value);
    end
  end
endmodule
`default_nettype wire
