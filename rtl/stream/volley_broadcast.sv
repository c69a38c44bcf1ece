// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Copies a stream to N sources. Each takes the beat when it likes and sees it once; the sink's beat
// is taken in the cycle in which the last of them has it. Latency 0, 1 beat/cycle: a source that is
// ready has a beat in the cycle in which it is offered. m_axis_tvalid[i] depends on the sink and on
// what source i has had, never on another source's tready.
// Model: verif/models/stream.py. Proof: verif/formal/formal_broadcast.sv.
`default_nettype none
module volley_broadcast #(
  parameter int unsigned DATA_W = 8,           // payload width [bit]
  parameter int unsigned N      = 2            // sources
) (
  input  wire logic                clk,
  input  wire logic                rst,        // synchronous, active high
  // Sink
  input  wire logic                s_axis_tvalid,
  output logic                     s_axis_tready,
  input  wire logic [DATA_W-1:0]   s_axis_tdata,
  input  wire logic                s_axis_tlast,
  // Sources, source 0 in the least significant bits
  output logic [N-1:0]             m_axis_tvalid,
  input  wire logic [N-1:0]        m_axis_tready,
  output logic [N*DATA_W-1:0]      m_axis_tdata,
  output logic [N-1:0]             m_axis_tlast
);
  if (DATA_W < 1) begin : g_rule_data_w
    $fatal(1, "volley_broadcast: DATA_W = %0d must be at least 1 (%m)", DATA_W);
  end
  if (N < 1) begin : g_rule_n
    $fatal(1, "volley_broadcast: N = %0d must be at least 1 (%m)", N);
  end

  logic [N-1:0] done_q;                        // has taken the beat that the sink still offers

  assign m_axis_tvalid = {N{s_axis_tvalid}} & ~done_q;
  assign m_axis_tdata  = {N{s_axis_tdata}};
  assign m_axis_tlast  = {N{s_axis_tlast}};
  assign s_axis_tready = &(done_q | m_axis_tready);

  always_ff @(posedge clk) begin
    done_q <= s_axis_tready ? '0 : done_q | (m_axis_tvalid & m_axis_tready);
    if (rst) done_q <= '0;
  end
endmodule
`default_nettype wire
