// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// iCEBreaker: clock, reset and pins around `accelerator`, the network with volley_uart_top. Pins: icebreaker.pcf.
`default_nettype none
module icebreaker_top #(
  parameter int unsigned CLK_HZ = 24_000_000,  // what the PLL gives; both come from board.toml
  parameter int unsigned BAUD   = 1_000_000
) (
  input  wire logic CLK,                       // 12 MHz
  input  wire logic RX,                        // from the host
  output logic      TX,                        // to the host
  input  wire logic BTN_N,                     // user button: reset
  output logic      LEDR_N,                    // error
  output logic      LEDG_N,                    // ready
  output logic      LED1,                      // on the part that breaks off: busy
  output logic      LED2                       // on the part that breaks off: toggles with each answered frame
);
  logic       clk, locked, aresetn;
  logic [1:0] awake_q;
  logic [7:0] wait_q;
  logic       error, busy, frame, ready;

  // 12 MHz * 64 / 32; VCO at 768 MHz. Divisors and range are those of `icepll -i 12 -o 24`.
  SB_PLL40_PAD #(
    .FEEDBACK_PATH("SIMPLE"), .DIVR(4'd0), .DIVF(7'd63), .DIVQ(3'd5), .FILTER_RANGE(3'd1)
  ) u_pll (
    .PACKAGEPIN(CLK), .PLLOUTGLOBAL(clk), .LOCK(locked), .RESETB(1'b1), .BYPASS(1'b0)
  );

  // In reset until the PLL has been locked, and the button up, for 256 cycles: block RAM gives its
  // initial content only some microseconds after configuration.
  always_ff @(posedge clk) begin
    awake_q <= {awake_q[0], locked && BTN_N};
    wait_q  <= !awake_q[1] ? '0 : wait_q == '1 ? wait_q : wait_q + 1'b1;
    aresetn <= wait_q == '1;
  end

  assign LEDR_N = !error;
  assign LEDG_N = !ready;
  assign LED1   = busy;
  assign LED2   = frame;

  accelerator #(.CLK_HZ(CLK_HZ), .BAUD(BAUD)) u_volley (
    .clk, .aresetn, .uart_rx(RX), .uart_tx(TX), .stat_led({error, busy, frame, ready})
  );
endmodule
`default_nettype wire
