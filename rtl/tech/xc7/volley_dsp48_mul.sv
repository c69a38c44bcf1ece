// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Pre-adder, multiplier and adder of one DSP48E1, a stage of a cascade:
//   p = (SUBTRACT ? d - a : d + a) * b + (FIRST ? -c : pcin)
// Throughput: 1 sum per tick (a cycle with ce). Latency: STAGES + 2 ticks from a, as many but at
// most 4 from b and d, 1 from c and pcin.
`default_nettype none
module volley_dsp48_mul #(
  parameter int unsigned STAGES   = 1,         // 1 to 3
  parameter bit          SUBTRACT = 1'b0,
  parameter bit          FIRST    = 1'b0       // 1: of its cascade, takes c in place of pcin
) (
  input  wire logic        clk,
  input  wire logic        ce,                 // nothing moves without it
  input  wire logic [24:0] a,                  // signed
  input  wire logic [24:0] d,                  // signed, as is what becomes of a and d
  input  wire logic [17:0] b,                  // signed
  input  wire logic [47:0] c,
  input  wire logic [47:0] pcin,               // pcout of the one before
  output logic [47:0]      p,
  output logic [47:0]      pcout
);
  localparam int unsigned AREG = STAGES == 3 ? 2 : 1;
  localparam int unsigned BREG = STAGES == 1 ? 1 : 2;

  if (STAGES < 1 || STAGES > 3) begin : g_rule_stages
    $fatal(1, "volley_dsp48_mul: STAGES = %0d is outside 1..3 (%m)", STAGES);
  end

  // INMODE: registers A2 and B2, D counts, and SUBTRACT. OPMODE: X and Y are the product, Z is c
  // or pcin. ALUMODE 0 adds Z, 1 with a carry takes it off.
  DSP48E1 #(
    .USE_MULT("MULTIPLY"), .USE_DPORT("TRUE"), .AREG(AREG), .ACASCREG(AREG), .BREG(BREG),
    .BCASCREG(BREG), .ADREG(STAGES == 1 ? 0 : 1), .CREG(0), .ALUMODEREG(0), .CARRYINREG(0),
    .CARRYINSELREG(0), .INMODEREG(0), .OPMODEREG(0)
  ) u_dsp (
    .CLK(clk), .A(30'(signed'(a))), .B(b), .C(FIRST ? c : '0), .D(d), .PCIN(pcin),
    .P(p), .PCOUT(pcout), .INMODE({1'b0, SUBTRACT, 1'b1, 2'b00}),
    .OPMODE({1'b0, FIRST, 1'b1, 4'b0101}), .ALUMODE({3'b000, FIRST}), .CARRYIN(FIRST),
    .CARRYINSEL(3'b0),
    .CEA1(ce), .CEA2(ce), .CEAD(ce), .CEB1(ce), .CEB2(ce), .CED(ce), .CEM(ce), .CEP(ce),
    .CEC(1'b0), .CEALUMODE(1'b0), .CECARRYIN(1'b0), .CECTRL(1'b0), .CEINMODE(1'b0),
    .ACIN('0), .BCIN('0), .CARRYCASCIN(1'b0), .MULTSIGNIN(1'b0),
    .RSTA(1'b0), .RSTB(1'b0), .RSTC(1'b0), .RSTD(1'b0), .RSTM(1'b0), .RSTP(1'b0),
    .RSTALLCARRYIN(1'b0), .RSTALUMODE(1'b0), .RSTCTRL(1'b0), .RSTINMODE(1'b0),
    .ACOUT(), .BCOUT(), .CARRYCASCOUT(), .CARRYOUT(), .MULTSIGNOUT(), .OVERFLOW(), .UNDERFLOW(),
    .PATTERNDETECT(), .PATTERNBDETECT()
  );
endmodule
`default_nettype wire
