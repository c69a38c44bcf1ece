// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Gated addition in one DSP48E2, a stage of a cascade:
//   p = pcin + (gate_ab ? ab : 0) + (gate_c ? c : 0), in four lanes of 12 bits or one of 48
// The gates are the X and Y multiplexers; ab and c are stored in a tick with load.
// Throughput: 1 sum per tick (a cycle with ce). Latency: 2 ticks from ab, c and gates, 1 from pcin.
`default_nettype none
module volley_dsp48_add #(
  parameter     USE_SIMD = "FOUR12",           // "FOUR12": no carry crosses 12 bits, "ONE48"
  parameter bit FIRST    = 1'b0                // 1: of its cascade, pcin counts 0
) (
  input  wire logic        clk,
  input  wire logic        ce,                 // nothing moves without it
  input  wire logic        load,               // store ab and c
  input  wire logic [47:0] ab,
  input  wire logic [47:0] c,
  input  wire logic        gate_ab,
  input  wire logic        gate_c,
  input  wire logic [47:0] pcin,               // pcout of the one before
  output logic [47:0]      p,
  output logic [47:0]      pcout
);
  logic store;
  assign store = ce && load;

  // The multiplier rests. With AREG = BREG = 1 the register is the second, CEA2 and CEB2.
  // ALUMODE 0 adds: W is 0, Z is pcin or 0, Y c or 0, X ab or 0.
  DSP48E2 #(
    .USE_MULT("NONE"), .USE_SIMD(USE_SIMD), .MREG(0), .ALUMODEREG(0), .CARRYINREG(0), .INMODEREG(0)
  ) u_dsp (
    .CLK(clk), .A(ab[47:18]), .B(ab[17:0]), .C(c), .PCIN(pcin), .P(p), .PCOUT(pcout),
    .OPMODE({2'b00, 2'b00, !FIRST, {2{gate_c}}, {2{gate_ab}}}),
    .CEA2(store), .CEB2(store), .CEC(store), .CECTRL(ce), .CEP(ce),
    .ALUMODE(4'b0), .CARRYIN(1'b0), .CARRYINSEL(3'b0), .INMODE(5'b0),
    .ACIN('0), .BCIN('0), .CARRYCASCIN(1'b0), .MULTSIGNIN(1'b0), .D('0),
    .CEA1(1'b0), .CEB1(1'b0), .CEAD(1'b0), .CED(1'b0), .CEM(1'b0),
    .CEALUMODE(1'b0), .CECARRYIN(1'b0), .CEINMODE(1'b0),
    .RSTA(1'b0), .RSTB(1'b0), .RSTC(1'b0), .RSTD(1'b0), .RSTM(1'b0), .RSTP(1'b0),
    .RSTALLCARRYIN(1'b0), .RSTALUMODE(1'b0), .RSTCTRL(1'b0), .RSTINMODE(1'b0),
    .ACOUT(), .BCOUT(), .CARRYCASCOUT(), .CARRYOUT(), .MULTSIGNOUT(), .OVERFLOW(), .UNDERFLOW(),
    .PATTERNDETECT(), .PATTERNBDETECT(), .XOROUT()
  );
endmodule
`default_nettype wire
