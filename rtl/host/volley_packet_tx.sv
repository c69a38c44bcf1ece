// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Packet sender: a packet's bytes between two end marks, its CRC-32 behind them, SLIP escapes inside, as
// volley_packet_rx reads it. The mark in front closes whatever noise came before.
// Latency 0: the byte at the sink decides the byte at the source. Model: verif/models/packet.py.
`default_nettype none
module volley_packet_tx (
  input  wire logic       clk,
  input  wire logic       rst,                 // synchronous, active high
  // Sink: bytes of a packet, tlast on the last
  input  wire logic       s_packet_tvalid,
  output logic            s_packet_tready,
  input  wire logic [7:0] s_packet_tdata,
  input  wire logic       s_packet_tlast,
  // Source: bytes for the line
  output logic            m_byte_tvalid,
  input  wire logic       m_byte_tready,
  output logic [7:0]      m_byte_tdata
);
  localparam logic [7:0] END = 8'hC0, ESC = 8'hDB, ESC_END = 8'hDC, ESC_ESC = 8'hDD;

  typedef enum logic [1:0] {START, DATA, CHECK, STOP} state_t;

  state_t      state_q, state_d;
  logic [31:0] crc_q, crc_next;
  logic [1:0]  index;                          // byte of the checksum
  logic        escape;                         // ESC has gone out, its second byte follows
  logic [7:0]  plain;
  logic        special, moves, done;           // done: the plain byte is out

  assign plain   = state_q == DATA ? s_packet_tdata : ~crc_q[7:0];
  assign special = plain == END || plain == ESC;
  assign moves   = m_byte_tvalid && m_byte_tready;
  assign done    = moves && (!special || escape);
  assign m_byte_tvalid   = s_packet_tvalid || state_q == CHECK || state_q == STOP;
  assign s_packet_tready = state_q == DATA && m_byte_tready && (!special || escape);

  volley_crc32 u_crc (.crc(crc_q), .data(s_packet_tdata), .crc_next);

  always_comb begin
    state_d      = state_q;
    m_byte_tdata = END;
    unique case (state_q)
      START: if (moves) state_d = DATA;
      DATA:  if (done && s_packet_tlast) state_d = CHECK;
      CHECK: if (done && index == 2'd3) state_d = STOP;
      STOP:  if (moves) state_d = START;
    endcase
    if (state_q == DATA || state_q == CHECK) begin
      m_byte_tdata = plain;
      if (special) m_byte_tdata = !escape ? ESC : plain == END ? ESC_END : ESC_ESC;
    end
  end

  always_ff @(posedge clk) begin
    state_q <= state_d;
    if ((state_q == DATA || state_q == CHECK) && moves) escape <= special && !escape;
    if (state_q == DATA && done) crc_q <= crc_next;
    if (state_q == CHECK && done) begin
      crc_q <= {8'd0, crc_q[31:8]};
      index <= index + 1'b1;
    end
    if (state_q == START) crc_q <= '1;
    if (rst) begin
      state_q <= START;
      escape  <= 1'b0;
      index   <= '0;
    end
  end
endmodule
`default_nettype wire
