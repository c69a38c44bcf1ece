// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// A DSP48E1 and a DSP48E2 with the same inputs, in what both can do: the E2's W is 0, its pre-adder
// takes A and goes to the multiplier's A.
`default_nettype none
module dsp48_pair #(
  parameter     USE_SIMD  = "ONE48",
  parameter     USE_MULT  = "NONE",
  parameter     USE_DPORT = "FALSE",           // of the E1
  parameter     AMULTSEL  = "A",               // of the E2: "AD" is what the E1 calls USE_DPORT
  parameter int REGS      = 1                  // registers of A and B, of others at most 1
) (
  input  wire logic        clk,
  input  wire logic [29:0] a, acin,
  input  wire logic [17:0] b, bcin,
  input  wire logic [47:0] c, pcin,
  input  wire logic [24:0] d,
  input  wire logic [3:0]  alumode,
  input  wire logic [2:0]  carryinsel,
  input  wire logic [4:0]  inmode,
  input  wire logic [6:0]  opmode,
  input  wire logic        carryin,
  input  wire logic [9:0]  ce,                 // A1 A2 B1 B2 C D AD M P, control
  input  wire logic [9:0]  clear,              // A B C D M P, carry, ALUMODE, OPMODE, INMODE
  output logic [47:0]      e1_p, e2_p, e1_pcout, e2_pcout,
  output logic [29:0]      e1_acout, e2_acout,
  output logic [17:0]      e1_bcout, e2_bcout
);
  localparam int ONE  = REGS > 0 ? 1 : 0;
  localparam int MREG = USE_MULT == "NONE" ? 0 : ONE;

`define PARAMETERS \
    .USE_SIMD(USE_SIMD), .USE_MULT(USE_MULT), .AREG(REGS), .ACASCREG(ONE), .BREG(REGS), \
    .BCASCREG(ONE), .CREG(ONE), .DREG(ONE), .ADREG(ONE), .MREG(MREG), .ALUMODEREG(ONE), \
    .CARRYINREG(ONE), .CARRYINSELREG(ONE), .INMODEREG(ONE), .OPMODEREG(ONE)
`define PORTS \
    .CLK(clk), .A(a), .ACIN(acin), .B(b), .BCIN(bcin), .C(c), .PCIN(pcin), .ALUMODE(alumode), \
    .CARRYINSEL(carryinsel), .INMODE(inmode), .CARRYIN(carryin), .CARRYCASCIN(1'b0), \
    .MULTSIGNIN(1'b0), .CEA1(ce[0]), .CEA2(ce[1]), .CEB1(ce[2]), .CEB2(ce[3]), .CEC(ce[4]), \
    .CED(ce[5]), .CEAD(ce[6]), .CEM(ce[7]), .CEP(ce[8]), .CEALUMODE(ce[9]), .CECARRYIN(ce[9]), \
    .CECTRL(ce[9]), .CEINMODE(ce[9]), .RSTA(clear[0]), .RSTB(clear[1]), .RSTC(clear[2]), \
    .RSTD(clear[3]), .RSTM(clear[4]), .RSTP(clear[5]), .RSTALLCARRYIN(clear[6]), \
    .RSTALUMODE(clear[7]), .RSTCTRL(clear[8]), .RSTINMODE(clear[9]), .CARRYCASCOUT(), \
    .CARRYOUT(), .MULTSIGNOUT(), .OVERFLOW(), .UNDERFLOW(), .PATTERNDETECT(), .PATTERNBDETECT()

  DSP48E1 #(`PARAMETERS, .USE_DPORT(USE_DPORT)) u_e1 (
    `PORTS, .D(d), .OPMODE(opmode), .P(e1_p), .PCOUT(e1_pcout), .ACOUT(e1_acout), .BCOUT(e1_bcout)
  );
  DSP48E2 #(`PARAMETERS, .AMULTSEL(AMULTSEL)) u_e2 (
    `PORTS, .D(27'(signed'(d))), .OPMODE({2'b00, opmode}), .XOROUT(),
    .P(e2_p), .PCOUT(e2_pcout), .ACOUT(e2_acout), .BCOUT(e2_bcout)
  );
endmodule
`default_nettype wire
