// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// FIFO of exactly DEPTH beats, 1 beat/cycle. Latency 2 (DEPTH = 2: latency 1). With m_axis_tready
// held high a beat leaves within DEPTH cycles.
//
// DEPTH - 1 beats lie in a RAM whose read register is the output: there is no other output stage, and
// LUTRAM and block RAM have the same timing. Every output and s_axis_tready come from registers only.
// A depth of 2 is a skid register: with the RAM's latency it could not carry a beat every cycle.
// Model: verif/models/stream.py. Proof: verif/formal/formal_fifo.sv.
`default_nettype none
module volley_fifo #(
  parameter int unsigned DATA_W = 8,           // payload width [bit]
  parameter int unsigned DEPTH  = 16,          // beats, >= 2, any number
  parameter              STYLE  = "auto",      // RAM: "auto", "block" or "distributed"
  localparam int unsigned COUNT_W = $clog2(DEPTH + 1)
) (
  input  wire logic              clk,
  input  wire logic              rst,          // synchronous, active high
  // Sink
  input  wire logic              s_axis_tvalid,
  output logic                   s_axis_tready,
  input  wire logic [DATA_W-1:0] s_axis_tdata,
  input  wire logic              s_axis_tlast,
  // Source
  output logic                   m_axis_tvalid,
  input  wire logic              m_axis_tready,
  output logic [DATA_W-1:0]      m_axis_tdata,
  output logic                   m_axis_tlast,
  // Status
  output logic [COUNT_W-1:0]     stat_count    // beats inside, the one at the output included
);
  if (DATA_W < 1) begin : g_rule_data_w
    $fatal(1, "volley_fifo: DATA_W = %0d must be at least 1 (%m)", DATA_W);
  end

  logic push, pop;
  assign push = s_axis_tvalid && s_axis_tready;
  assign pop  = m_axis_tvalid && m_axis_tready;

  if (DEPTH < 2) begin : g_rule_depth
    $fatal(1, "volley_fifo: DEPTH must be at least 2 (%m)");
  end else if (DEPTH == 2) begin : g_skid
    volley_skid #(
      .DATA_W (DATA_W)
    ) u_skid (
      .clk, .rst,
      .s_axis_tvalid, .s_axis_tready, .s_axis_tdata, .s_axis_tlast,
      .m_axis_tvalid, .m_axis_tready, .m_axis_tdata, .m_axis_tlast
    );
  end else begin : g_ram
    localparam int unsigned WORDS  = DEPTH - 1;
    localparam int unsigned ADDR_W = $clog2(WORDS);

    logic [ADDR_W-1:0]  waddr_q, raddr_q;
    logic [COUNT_W-1:0] words_q;               // in the RAM
    logic               load;                  // RAM -> output register

    function automatic logic [ADDR_W-1:0] next(input logic [ADDR_W-1:0] addr);
      return addr == ADDR_W'(WORDS - 1) ? '0 : addr + 1'b1;
    endfunction

    // Never the same address in one cycle: that would need a full and an empty RAM at once.
    assign load          = words_q != 0 && (!m_axis_tvalid || m_axis_tready);
    assign s_axis_tready = words_q != COUNT_W'(WORDS);

    volley_ram #(
      .DATA_W (DATA_W + 1),
      .DEPTH  (WORDS),
      .STYLE  (STYLE)
    ) u_ram (
      .clk,
      .we    (push),
      .waddr (waddr_q),
      .wdata ({s_axis_tlast, s_axis_tdata}),
      .re    (load),
      .raddr (raddr_q),
      .rdata ({m_axis_tlast, m_axis_tdata})
    );

    always_ff @(posedge clk) begin
      if (push) waddr_q <= next(waddr_q);
      if (load) raddr_q <= next(raddr_q);
      words_q       <= words_q + COUNT_W'(push) - COUNT_W'(load);
      m_axis_tvalid <= load || (m_axis_tvalid && !m_axis_tready);
      if (rst) begin
        waddr_q       <= '0;
        raddr_q       <= '0;
        words_q       <= '0;
        m_axis_tvalid <= 1'b0;
      end
    end
  end

  always_ff @(posedge clk) begin
    stat_count <= stat_count + COUNT_W'(push) - COUNT_W'(pop);
    if (rst) stat_count <= '0;
  end

`ifndef SYNTHESIS
  always_ff @(posedge clk)
    if (!rst) begin
      a_count: assert (stat_count <= COUNT_W'(DEPTH));
      a_valid: assert (!m_axis_tvalid || stat_count != 0);
    end
`endif
endmodule
`default_nettype wire
