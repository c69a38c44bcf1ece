// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// ULX3S: clock, reset and pins around `accelerator`, the network with volley_uart_top. Pins: ulx3s-85f.lpf.
`default_nettype none
module ulx3s_85f_top #(
  parameter int unsigned CLK_HZ = 100_000_000,  // what the PLL gives; both come from board.toml
  parameter int unsigned BAUD   = 1_000_000
) (
  input  wire logic       clk_25mhz,
  input  wire logic       ftdi_txd,            // from the host
  output logic            ftdi_rxd,            // to the host
  input  wire logic       btn_pwr_n,           // PWR button: reset
  output logic [7:0]      led,                 // 0 ready, 1 toggles with each answered frame, 2 busy, 3 error
  output logic            wifi_gpio0           // high: the ESP32 does not load another bitstream over this one
);
  logic       clk, locked, aresetn;
  logic [1:0] awake_q;
  logic [7:0] wait_q;

  // 25 MHz * 4; VCO at 600 MHz. Divisors and phase are those of `ecppll -i 25 -o 100`.
  (* ICP_CURRENT = "12", LPF_RESISTOR = "8", MFG_ENABLE_FILTEROPAMP = "1", MFG_GMCREF_SEL = "2" *)
  EHXPLLL #(
    .CLKI_DIV(1), .CLKFB_DIV(4), .CLKOP_DIV(6), .CLKOP_CPHASE(2), .CLKOP_FPHASE(0), .FEEDBK_PATH("CLKOP")
  ) u_pll (
    .CLKI(clk_25mhz), .CLKFB(clk), .CLKOP(clk), .CLKINTFB(), .LOCK(locked), .RST(1'b0), .STDBY(1'b0), .ENCLKOP(1'b0),
    .PHASESEL0(1'b0), .PHASESEL1(1'b0), .PHASEDIR(1'b1), .PHASESTEP(1'b1), .PHASELOADREG(1'b1), .PLLWAKESYNC(1'b0)
  );

  // In reset until the PLL has been locked, and the button up, for 256 cycles.
  always_ff @(posedge clk) begin
    awake_q <= {awake_q[0], locked && btn_pwr_n};
    wait_q  <= !awake_q[1] ? '0 : wait_q == '1 ? wait_q : wait_q + 1'b1;
    aresetn <= wait_q == '1;
  end

  assign led[7:4]   = '0;
  assign wifi_gpio0 = 1'b1;

  accelerator #(.CLK_HZ(CLK_HZ), .BAUD(BAUD)) u_volley (
    .clk, .aresetn, .uart_rx(ftdi_txd), .uart_tx(ftdi_rxd), .stat_led(led[3:0])
  );
endmodule
`default_nettype wire
