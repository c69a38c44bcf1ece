// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Declarations of the ECP5 cells that boards/ instantiate, for tools that read SystemVerilog and do
// not know them (slang, Verilator's lint).
`default_nettype none

// FPGA-TN-02200: PLL. VCO = CLKI / CLKI_DIV * CLKFB_DIV * CLKOP_DIV where CLKOP is fed back, 400 to 800 MHz.
(* blackbox *)
module EHXPLLL #(
  parameter int    CLKI_DIV = 1, CLKFB_DIV = 1, CLKOP_DIV = 8,
  parameter int    CLKOP_CPHASE = 0, CLKOP_FPHASE = 0,
  parameter FEEDBK_PATH = "CLKOP", CLKOP_ENABLE = "ENABLED"
) (
  input  wire  CLKI, CLKFB, RST, STDBY, ENCLKOP,
  input  wire  PHASESEL0, PHASESEL1, PHASEDIR, PHASESTEP, PHASELOADREG, PLLWAKESYNC,
  output logic CLKOP, CLKINTFB, LOCK
);
endmodule
`default_nettype wire
