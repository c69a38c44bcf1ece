// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Packet receiver: takes bytes from a line, lets out whole packets whose checksum is right, and nothing else.
// SLIP framing (RFC 1055): 0xC0 ends a packet wherever it comes, so the next one is in step whatever was lost;
// 0xDB 0xDC and 0xDB 0xDD stand for 0xC0 and 0xDB. The last four bytes are the CRC-32 of those before them.
// A packet waits in one of two banks until its checksum has been seen. One may be read while the next comes in; what
// comes on top of that is dropped, as is a packet beyond SIZE, one without a whole header and one with a wrong escape.
// Of a RESET that finds no room rx_reset tells all the same: what fills both banks may wait for it.
// Latency 3 from the end mark to the first byte; bytes come in at most every other cycle, and go out in each.
// Model: verif/models/packet.py.
`default_nettype none
module volley_packet_rx #(
  parameter int unsigned SIZE = 256            // bytes of a packet, checksum included; a power of two
) (
  input  wire logic       clk,
  input  wire logic       rst,                 // synchronous, active high
  input  wire logic       rx_valid,            // a byte of the line, which does not wait
  input  wire logic [7:0] rx_data,
  // Source: bytes of a packet, without its checksum
  output logic            m_packet_tvalid,
  input  wire logic       m_packet_tready,
  output logic [7:0]      m_packet_tdata,
  output logic            m_packet_tlast,
  // Status
  output logic            rx_reset,            // one cycle: a whole RESET has come, also where there is no room for it
  output logic            stat_waiting,        // a whole packet waits behind the one that is being read
  output logic            stat_bad             // one cycle: a packet was dropped
);
  if (SIZE < 8 || (SIZE & (SIZE - 1)) != 0) begin : g_rule_size
    $fatal(1, "volley_packet_rx: SIZE = %0d is not a power of two from 8 on (%m)", SIZE);
  end

  localparam int unsigned ADDR_W  = $clog2(SIZE);
  localparam logic [7:0]  END     = 8'hC0, ESC = 8'hDB, ESC_END = 8'hDC, ESC_ESC = 8'hDD;
  localparam logic [31:0] RESIDUE = 32'hDEBB20E3;
  localparam logic [1:0]  RESET   = 2'd3;      // operation, bits 1:0 of the second byte
  localparam int unsigned HEADER_BYTES = 4, CRC_BYTES = 4;

  // ------------------------------------------------------------------ in: line to bank
  logic              bank, escape, bad, lost;  // bad: this packet is damaged; lost: there was no room for it
  logic              is_reset;                 // the operation in its header
  logic [ADDR_W:0]   count;                    // bytes of this packet
  logic [31:0]       crc, crc_next;
  logic [7:0]        plain;                    // the byte without its escape
  logic              ends, put, good;
  logic [ADDR_W-1:0] length;                   // of the packet that waits, less one
  logic              reading;

  assign ends  = rx_valid && rx_data == END;
  assign put   = rx_valid && !ends && (escape || rx_data != ESC);
  assign plain = !escape ? rx_data : rx_data == ESC_END ? END : ESC;
  assign good  = crc == RESIDUE && !bad && !escape && count >= (ADDR_W+1)'(HEADER_BYTES + CRC_BYTES);

  volley_crc32 u_crc (.crc, .data(plain), .crc_next);

  always_ff @(posedge clk) begin
    stat_bad <= 1'b0;
    rx_reset <= ends && good && is_reset;
    if (rx_valid) escape <= !escape && rx_data == ESC;
    if (put) begin
      count <= count + 1'b1;
      crc   <= crc_next;
      if (count[ADDR_W] || (escape && rx_data != ESC_END && rx_data != ESC_ESC)) bad <= 1'b1;
      if (stat_waiting) lost <= 1'b1;
      if (count == (ADDR_W+1)'(1)) is_reset <= plain[1:0] == RESET;
    end
    if (!reading) stat_waiting <= 1'b0;
    if (ends) begin
      if (good && !lost) begin
        stat_waiting <= 1'b1;
        length       <= ADDR_W'(count - (ADDR_W+1)'(CRC_BYTES + 1));
      end
      stat_bad <= lost || (!good && (count != 0 || escape));
      count    <= '0;
      crc      <= '1;
      bad      <= 1'b0;
      lost     <= 1'b0;
    end
    if (rst) begin
      stat_bad     <= 1'b0;
      rx_reset     <= 1'b0;
      lost         <= 1'b0;
      stat_waiting <= 1'b0;
      escape       <= 1'b0;
      bad          <= 1'b0;
      count        <= '0;
      crc          <= '1;
    end
  end

  // ------------------------------------------------------------------ out: bank to stream
  logic [ADDR_W-1:0] addr, last;
  logic              fetch;

  assign fetch = reading && (!m_packet_tvalid || m_packet_tready);

  volley_ram #(.DATA_W(8), .DEPTH(2 * SIZE), .STYLE("block")) u_ram (
    .clk, .we(put && !stat_waiting && !count[ADDR_W]), .waddr({bank, count[ADDR_W-1:0]}), .wdata(plain),
    .re(fetch), .raddr({!bank, addr}), .rdata(m_packet_tdata)
  );

  always_ff @(posedge clk) begin
    if (m_packet_tready) m_packet_tvalid <= 1'b0;
    if (fetch) begin
      m_packet_tvalid <= 1'b1;
      m_packet_tlast  <= addr == last;
      addr            <= addr + 1'b1;
      if (addr == last) reading <= 1'b0;
    end
    if (stat_waiting && !reading) begin
      reading <= 1'b1;
      bank    <= !bank;
      last    <= length;
      addr    <= '0;
    end
    if (rst) begin
      m_packet_tvalid <= 1'b0;
      reading         <= 1'b0;
      bank            <= 1'b0;
    end
  end
endmodule
`default_nettype wire
