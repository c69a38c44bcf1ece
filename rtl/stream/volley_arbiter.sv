// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Merges the packets (beats up to tlast) of N streams, never interleaved; m_axis_tid says whose
// beat it is. Round robin: the next packet is that of the first sink after the last one's, in the
// order 0, 1 .. N-1, 0, that offers a beat; so a sink waits for N - 1 packets at most. Latency 0, 1
// beat/cycle, none lost between packets: while the source is ready, a beat leaves in every cycle in
// which the sink chosen offers one. A choice stands from the cycle in which its first beat is
// offered, taken or not, until its tlast. s_axis_tready depends on the other sinks' tvalid.
// Model: verif/models/stream.py. Proof: verif/formal/formal_arbiter.sv.
`default_nettype none
module volley_arbiter #(
  parameter int unsigned DATA_W = 8,           // payload width [bit]
  parameter int unsigned N      = 2,           // sinks
  localparam int unsigned ID_W  = N > 1 ? $clog2(N) : 1
) (
  input  wire logic                clk,
  input  wire logic                rst,        // synchronous, active high
  // Sinks, sink 0 in the least significant bits
  input  wire logic [N-1:0]        s_axis_tvalid,
  output logic [N-1:0]             s_axis_tready,
  input  wire logic [N*DATA_W-1:0] s_axis_tdata,
  input  wire logic [N-1:0]        s_axis_tlast,
  // Source
  output logic                     m_axis_tvalid,
  input  wire logic                m_axis_tready,
  output logic [DATA_W-1:0]        m_axis_tdata,
  output logic                     m_axis_tlast,
  output logic [ID_W-1:0]          m_axis_tid  // sink of this beat
);
  if (DATA_W < 1) begin : g_rule_data_w
    $fatal(1, "volley_arbiter: DATA_W = %0d must be at least 1 (%m)", DATA_W);
  end
  if (N < 1) begin : g_rule_n
    $fatal(1, "volley_arbiter: N = %0d must be at least 1 (%m)", N);
  end

  logic [ID_W-1:0] id_q;                       // sink of the packet under way, or of the last one
  logic            busy_q;                     // a packet is under way

  // The lowest sink above id_q that offers a beat, otherwise the lowest of all.
  always_comb begin
    m_axis_tid = id_q;
    if (!busy_q) begin
      for (int unsigned i = N; i > 0; i--)
        if (s_axis_tvalid[i-1]) m_axis_tid = ID_W'(i - 1);
      for (int unsigned i = N; i > 0; i--)
        if (s_axis_tvalid[i-1] && ID_W'(i - 1) > id_q) m_axis_tid = ID_W'(i - 1);
    end
  end

  always_comb begin
    m_axis_tvalid = 1'b0;
    m_axis_tdata  = '0;
    m_axis_tlast  = 1'b0;
    s_axis_tready = '0;
    for (int unsigned i = 0; i < N; i++) begin
      if (m_axis_tid == ID_W'(i)) begin
        m_axis_tvalid    = s_axis_tvalid[i];
        m_axis_tdata     = s_axis_tdata[i*DATA_W +: DATA_W];
        m_axis_tlast     = s_axis_tlast[i];
        s_axis_tready[i] = m_axis_tready;
      end
    end
  end

  always_ff @(posedge clk) begin
    if (m_axis_tvalid) begin
      id_q   <= m_axis_tid;
      busy_q <= !(m_axis_tready && m_axis_tlast);
    end
    if (rst) begin
      id_q   <= ID_W'(N - 1);                  // sink 0 comes first
      busy_q <= 1'b0;
    end
  end
endmodule
`default_nettype wire
