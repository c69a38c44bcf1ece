// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_arbiter: what goes over is the beat that the sink m_tid offers, that sink's and no
// other's; a packet is not interleaved; a sink that offers a beat waits for N - 1 packets at most;
// a beat is offered whenever a sink that may go offers one.
`default_nettype none
module formal_arbiter #(
  parameter int unsigned DATA_W = 2,
  parameter int unsigned N      = 3
) (
  input wire logic                clk,
  input wire logic                rst,
  input wire logic [N-1:0]        s_tvalid,
  input wire logic [N*DATA_W-1:0] s_tdata,
  input wire logic [N-1:0]        s_tlast,
  input wire logic                m_tready
);
  localparam int unsigned ID_W = N > 1 ? $clog2(N) : 1;
  logic [N-1:0]      s_tready;
  logic              m_tvalid, m_tlast;
  logic [DATA_W-1:0] m_tdata;
  logic [ID_W-1:0]   m_tid;

  volley_arbiter #(.DATA_W(DATA_W), .N(N)) dut (
    .clk, .rst,
    .s_axis_tvalid(s_tvalid), .s_axis_tready(s_tready), .s_axis_tdata(s_tdata),
    .s_axis_tlast(s_tlast), .m_axis_tvalid(m_tvalid), .m_axis_tready(m_tready),
    .m_axis_tdata(m_tdata), .m_axis_tlast(m_tlast),
    .m_axis_tid(m_tid)
  );

  formal_reset u_reset (.clk, .rst);
  formal_hold #(.W(DATA_W + ID_W + 1)) u_m (
    .clk, .rst, .tvalid(m_tvalid), .tready(m_tready), .payload({m_tid, m_tlast, m_tdata}));

  logic            go, open;                   // open: a packet has begun and not ended
  logic [ID_W-1:0] owner;                      // whose it is
  assign go = m_tvalid && m_tready;

  always_ff @(posedge clk) begin
    if (go) begin
      open  <= !m_tlast;
      owner <= m_tid;
    end
    if (rst) open <= 1'b0;
  end

  always_comb if (!rst) begin
    exists: assert (m_tid < N);
    not_interleaved: assert (!open || m_tid == owner);
    no_hang: assert (m_tvalid == (open ? s_tvalid[owner] : s_tvalid != '0));
    // What makes it inductive: the cell locks the owner, or the sink whose first beat waits.
    locked: assert (!open || (dut.busy_q && dut.id_q == owner));
    chosen: assert (open || !dut.busy_q || s_tvalid[dut.id_q]);
    in_range: assert (dut.id_q < N);
  end

  for (genvar i = 0; i < N; i++) begin : g_sink
    // Packets of others that have begun while this sink offered a beat that was not taken.
    logic [$clog2(N+1)-1:0] others;
    always_ff @(posedge clk) begin
      if (go && !open && m_tid != ID_W'(i) && s_tvalid[i]) others <= others + 1'b1;
      if (!s_tvalid[i] || (s_tready[i] && m_tvalid)) others <= '0;
      if (rst) others <= '0;
    end

    formal_hold #(.W(DATA_W + 1), .ASSUME(1'b1), .QUIET(1'b1)) u_s (
      .clk, .rst, .tvalid(s_tvalid[i]), .tready(s_tready[i]),
      .payload({s_tlast[i], s_tdata[i*DATA_W +: DATA_W]}));

    // Sinks that come before this one when the next packet is chosen.
    logic [31:0] sooner;
    assign sooner = (32'(i) + N - 1 - 32'(dut.id_q)) % N;

    always_comb if (!rst) begin
      own_beat: assert (!(m_tvalid && m_tid == ID_W'(i))
                     || {m_tlast, m_tdata} == {s_tlast[i], s_tdata[i*DATA_W +: DATA_W]});
      taken_as_given: assert ((s_tvalid[i] && s_tready[i]) == (go && m_tid == ID_W'(i)));
      fair: assert (32'(others) <= N - 1);
      // What makes it inductive: packets begun since, one chosen but not begun, those to come.
      turn: assert (!s_tvalid[i] || (dut.busy_q && dut.id_q == ID_W'(i))
                 || 32'(others) + 32'(dut.busy_q && !open) + sooner <= N - 1);
      served: cover (go && m_tid == ID_W'(i) && m_tlast && 32'(others) == N - 1);
    end
  end
endmodule
`default_nettype wire
