// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Declarations of the cells that rtl/tech/xc7 and rtl/tech/xcup instantiate, for tools that read
// SystemVerilog and do not know them (slang, Verilator's lint). Vivado does: never give it these.
`default_nettype none

// UG479: 25 x 18 multiplier, pre-adder and 48-bit adder of the 7 series.
(* blackbox *)
module DSP48E1 #(
  parameter int          ACASCREG = 1, ADREG = 1, ALUMODEREG = 1, AREG = 1, BCASCREG = 1, BREG = 1,
  parameter int          CARRYINREG = 1, CARRYINSELREG = 1, CREG = 1, DREG = 1, INMODEREG = 1,
  parameter int          MREG = 1, OPMODEREG = 1, PREG = 1,
  parameter              A_INPUT = "DIRECT", B_INPUT = "DIRECT", AUTORESET_PATDET = "NO_RESET",
  parameter              SEL_MASK = "MASK", SEL_PATTERN = "PATTERN", USE_SIMD = "ONE48",
  parameter              USE_DPORT = "FALSE", USE_MULT = "MULTIPLY",
  parameter              USE_PATTERN_DETECT = "NO_PATDET",
  parameter logic [47:0] MASK = 48'h3FFFFFFFFFFF, PATTERN = '0
) (
  output logic [29:0] ACOUT,
  output logic [17:0] BCOUT,
  output logic        CARRYCASCOUT, MULTSIGNOUT, OVERFLOW, PATTERNBDETECT, PATTERNDETECT, UNDERFLOW,
  output logic [3:0]  CARRYOUT,
  output logic [47:0] P, PCOUT,
  input  wire  [29:0] A, ACIN,
  input  wire  [17:0] B, BCIN,
  input  wire  [47:0] C, PCIN,
  input  wire  [24:0] D,
  input  wire  [3:0]  ALUMODE,
  input  wire  [2:0]  CARRYINSEL,
  input  wire  [4:0]  INMODE,
  input  wire  [6:0]  OPMODE,
  input  wire         CLK, CARRYCASCIN, CARRYIN, MULTSIGNIN,
  input  wire         CEA1, CEA2, CEAD, CEALUMODE, CEB1, CEB2, CEC, CECARRYIN, CECTRL, CED,
  input  wire         CEINMODE, CEM, CEP, RSTA, RSTALLCARRYIN, RSTALUMODE, RSTB, RSTC, RSTCTRL,
  input  wire         RSTD, RSTINMODE, RSTM, RSTP
);
endmodule

// UG579: 27 x 18 multiplier, pre-adder and four-operand 48-bit adder of the UltraScale families.
(* blackbox *)
module DSP48E2 #(
  parameter int          ACASCREG = 1, ADREG = 1, ALUMODEREG = 1, AREG = 1, BCASCREG = 1, BREG = 1,
  parameter int          CARRYINREG = 1, CARRYINSELREG = 1, CREG = 1, DREG = 1, INMODEREG = 1,
  parameter int          MREG = 1, OPMODEREG = 1, PREG = 1,
  parameter              A_INPUT = "DIRECT", B_INPUT = "DIRECT", AMULTSEL = "A", BMULTSEL = "B",
  parameter              PREADDINSEL = "A", AUTORESET_PATDET = "NO_RESET",
  parameter              AUTORESET_PRIORITY = "RESET", SEL_MASK = "MASK", SEL_PATTERN = "PATTERN",
  parameter              USE_MULT = "MULTIPLY", USE_PATTERN_DETECT = "NO_PATDET",
  parameter              USE_SIMD = "ONE48", USE_WIDEXOR = "FALSE", XORSIMD = "XOR24_48_96",
  parameter logic [47:0] MASK = 48'h3FFFFFFFFFFF, PATTERN = '0, RND = '0
) (
  output logic [29:0] ACOUT,
  output logic [17:0] BCOUT,
  output logic        CARRYCASCOUT, MULTSIGNOUT, OVERFLOW, PATTERNBDETECT, PATTERNDETECT, UNDERFLOW,
  output logic [3:0]  CARRYOUT,
  output logic [7:0]  XOROUT,
  output logic [47:0] P, PCOUT,
  input  wire  [29:0] A, ACIN,
  input  wire  [17:0] B, BCIN,
  input  wire  [47:0] C, PCIN,
  input  wire  [26:0] D,
  input  wire  [3:0]  ALUMODE,
  input  wire  [2:0]  CARRYINSEL,
  input  wire  [4:0]  INMODE,
  input  wire  [8:0]  OPMODE,
  input  wire         CLK, CARRYCASCIN, CARRYIN, MULTSIGNIN,
  input  wire         CEA1, CEA2, CEAD, CEALUMODE, CEB1, CEB2, CEC, CECARRYIN, CECTRL, CED,
  input  wire         CEINMODE, CEM, CEP, RSTA, RSTALLCARRYIN, RSTALUMODE, RSTB, RSTC, RSTCTRL,
  input  wire         RSTD, RSTINMODE, RSTM, RSTP
);
endmodule

// UG474: a LUT of six inputs, or two of the same five inputs (I5 = 1).
(* blackbox *)
module LUT6_2 #(
  parameter logic [63:0] INIT = '0
) (
  output logic O6, O5,
  input  wire  I0, I1, I2, I3, I4, I5
);
endmodule

// UG474: the carry chain of a slice of the 7 series.
(* blackbox *)
module CARRY4 (
  output logic [3:0] CO, O,
  input  wire        CI, CYINIT,
  input  wire  [3:0] DI, S
);
endmodule

// UG574: the carry chain of a slice of the UltraScale families.
(* blackbox *)
module CARRY8 #(
  parameter CARRY_TYPE = "SINGLE_CY8"
) (
  output logic [7:0] CO, O,
  input  wire        CI, CI_TOP,
  input  wire  [7:0] DI, S
);
endmodule

`default_nettype wire
