// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// UART transmitter, 8N1, least significant bit first.
// The start bit begins in the cycle after the byte is taken; 10*DIVISOR cycles per byte, none lost between bytes.
// Model: verif/models/uart.py.
`default_nettype none
module volley_uart_tx #(
  parameter int unsigned DIVISOR = 12          // clock cycles per bit
) (
  input  wire logic       clk,
  input  wire logic       rst,                 // synchronous, active high
  // Sink: bytes
  input  wire logic       s_byte_tvalid,
  output logic            s_byte_tready,
  input  wire logic [7:0] s_byte_tdata,
  output logic            uart_tx              // idles high
);
  if (DIVISOR < 2) begin : g_rule_divisor
    $fatal(1, "volley_uart_tx: DIVISOR = %0d must be at least 2 (%m)", DIVISOR);
  end

  localparam int unsigned COUNT_W = $clog2(DIVISOR);
  logic [COUNT_W-1:0] count;                   // cycles left of this bit
  logic [3:0]         bits;                    // bits left behind this one
  logic [7:0]         data;

  assign s_byte_tready = count == 0 && bits == 0;

  always_ff @(posedge clk) begin
    if (count != 0) begin
      count <= count - 1'b1;
    end else if (bits != 0) begin
      count   <= COUNT_W'(DIVISOR - 1);
      bits    <= bits - 1'b1;
      uart_tx <= data[0];
      data    <= {1'b1, data[7:1]};            // the stop bit follows
    end else if (s_byte_tvalid) begin
      count   <= COUNT_W'(DIVISOR - 1);
      bits    <= 4'd9;
      uart_tx <= 1'b0;
      data    <= s_byte_tdata;
    end
    if (rst) begin
      count   <= '0;
      bits    <= '0;
      uart_tx <= 1'b1;
    end
  end
endmodule
`default_nettype wire
