// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Declarations of the iCE40 cells that boards/ instantiate, for tools that read SystemVerilog and do
// not know them (slang, Verilator's lint).
`default_nettype none

// FPGA-TN-02052: PLL fed by its own pin. Output = pin / (DIVR + 1) * (DIVF + 1) / 2^DIVQ where SIMPLE.
(* blackbox *)
module SB_PLL40_PAD #(
  parameter             FEEDBACK_PATH = "SIMPLE",
  parameter logic [3:0] DIVR = '0,
  parameter logic [6:0] DIVF = '0,
  parameter logic [2:0] DIVQ = '0,
  parameter logic [2:0] FILTER_RANGE = '0
) (
  input  wire  PACKAGEPIN, RESETB, BYPASS,
  output logic PLLOUTGLOBAL, LOCK
);
endmodule
`default_nettype wire
