// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// UART receiver, 8N1, least significant bit first. A byte whose stop bit is not there is dropped: the packet that
// it belongs to fails its checksum. A start bit is a falling edge, so a line that is held low gives nothing.
// A line does not wait: the byte is there for one cycle and has no tready.
// Latency: DIVISOR/2 + 9*DIVISOR + 3 cycles from the start bit's edge, the middle of the stop bit.
// Model: verif/models/uart.py.
`default_nettype none
module volley_uart_rx #(
  parameter int unsigned DIVISOR = 12          // clock cycles per bit
) (
  input  wire logic       clk,
  input  wire logic       rst,                 // synchronous, active high
  input  wire logic       uart_rx,             // asynchronous; idles high
  output logic            rx_valid,            // one cycle per byte
  output logic [7:0]      rx_data
);
  if (DIVISOR < 4) begin : g_rule_divisor
    $fatal(1, "volley_uart_rx: DIVISOR = %0d must be at least 4 (%m)", DIVISOR);
  end

  localparam int unsigned COUNT_W = $clog2(DIVISOR);
  (* ASYNC_REG = "TRUE" *) logic [2:0] sync;   // uart_rx in this clock domain: sync[1], and sync[0] a cycle ago
  logic [COUNT_W-1:0] count;                   // cycles to the next sample
  logic [3:0]         bits;                    // samples left of this byte, 0: waiting for a start bit
  logic               line;

  assign line = sync[1];

  always_ff @(posedge clk) begin
    sync     <= {uart_rx, sync[2:1]};
    rx_valid <= 1'b0;
    count    <= count - 1'b1;
    if (bits == 0) begin
      count <= COUNT_W'(DIVISOR / 2 - 1);
      if (!line && sync[0]) bits <= 4'd10;
    end else if (count == 0) begin
      count <= COUNT_W'(DIVISOR - 1);
      bits  <= bits - 1'b1;
      if (bits == 4'd10) begin
        if (line) bits <= '0;                  // a glitch, no start bit
      end else if (bits == 4'd1) begin
        rx_valid <= line;
      end else begin
        rx_data <= {line, rx_data[7:1]};
      end
    end
    if (rst) begin
      sync     <= '1;
      bits     <= '0;
      rx_valid <= 1'b0;
    end
  end
endmodule
`default_nettype wire
