// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Model of the DSP48E2, written from UG579: registers, A, B and P cascades, pre-adder, multiplier,
// the four multiplexers, adder and logic unit, SIMD. Not modelled, and x: pattern detector, XOROUT,
// carry outputs and cascades. A setting that needs them ends the simulation.
`default_nettype none
module DSP48E2 #(
  parameter int          ACASCREG = 1, ADREG = 1, ALUMODEREG = 1, AREG = 1, BCASCREG = 1, BREG = 1,
  parameter int          CARRYINREG = 1, CARRYINSELREG = 1, CREG = 1, DREG = 1, INMODEREG = 1,
  parameter int          MREG = 1, OPMODEREG = 1, PREG = 1,
  parameter              A_INPUT = "DIRECT", B_INPUT = "DIRECT", AMULTSEL = "A", BMULTSEL = "B",
  parameter              PREADDINSEL = "A", USE_MULT = "MULTIPLY", USE_SIMD = "ONE48",
  parameter logic [47:0] RND = '0
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
  localparam int LANES  = USE_SIMD == "FOUR12" ? 4 : USE_SIMD == "TWO24" ? 2 : 1;
  localparam int LANE_W = 48 / LANES;

  if (LANES > 1 && USE_MULT != "NONE") begin : g_rule_lanes
    $fatal(1, "DSP48E2: SIMD takes USE_MULT = NONE (%m)");
  end
  if (USE_MULT == "NONE" && MREG != 0) begin : g_rule_use_mult
    $fatal(1, "DSP48E2: USE_MULT = NONE takes MREG = 0 (%m)");
  end

  // ------------------------------------------------------------------ A and B: up to two registers
  logic [29:0] a_in, a1, a2;
  logic [17:0] b_in, b1, b2;
  logic [29:0] a1_q = '0, a2_q = '0;
  logic [17:0] b1_q = '0, b2_q = '0;
  assign a_in = A_INPUT == "CASCADE" ? ACIN : A;
  assign b_in = B_INPUT == "CASCADE" ? BCIN : B;
  always_ff @(posedge CLK) begin
    if (RSTA) a1_q <= '0;
    else if (CEA1) a1_q <= a_in;
    if (RSTA) a2_q <= '0;
    else if (CEA2) a2_q <= AREG == 2 ? a1_q : a_in;
    if (RSTB) b1_q <= '0;
    else if (CEB1) b1_q <= b_in;
    if (RSTB) b2_q <= '0;
    else if (CEB2) b2_q <= BREG == 2 ? b1_q : b_in;
  end
  assign a1    = AREG == 0 ? a_in : a1_q;
  assign a2    = AREG == 0 ? a_in : a2_q;
  assign b1    = BREG == 0 ? b_in : b1_q;
  assign b2    = BREG == 0 ? b_in : b2_q;
  assign ACOUT = AREG == 2 && ACASCREG == 1 ? a1 : a2;
  assign BCOUT = BREG == 2 && BCASCREG == 1 ? b1 : b2;

  // ------------------------------------------------------------------ other input registers
  logic [47:0] c;
  logic [26:0] d;
  logic [4:0]  inmode;
  logic [8:0]  opmode;
  logic [3:0]  alumode;
  logic [2:0]  carryinsel;
  logic        carryin;
  logic [47:0] c_q = '0;
  logic [26:0] d_q = '0;
  logic [4:0]  inmode_q = '0;
  logic [8:0]  opmode_q = '0;
  logic [3:0]  alumode_q = '0;
  logic [2:0]  carryinsel_q = '0;
  logic        carryin_q = '0;
  always_ff @(posedge CLK) begin
    if (RSTC) c_q <= '0;
    else if (CEC) c_q <= C;
    if (RSTD) d_q <= '0;
    else if (CED) d_q <= D;
    if (RSTINMODE) inmode_q <= '0;
    else if (CEINMODE) inmode_q <= INMODE;
    if (RSTALUMODE) alumode_q <= '0;
    else if (CEALUMODE) alumode_q <= ALUMODE;
    if (RSTCTRL) {opmode_q, carryinsel_q} <= '0;
    else if (CECTRL) {opmode_q, carryinsel_q} <= {OPMODE, CARRYINSEL};
    if (RSTALLCARRYIN) carryin_q <= '0;
    else if (CECARRYIN) carryin_q <= CARRYIN;
  end
  assign c          = CREG == 0 ? C : c_q;
  assign d          = DREG == 0 ? D : d_q;
  assign inmode     = INMODEREG == 0 ? INMODE : inmode_q;
  assign opmode     = OPMODEREG == 0 ? OPMODE : opmode_q;
  assign alumode    = ALUMODEREG == 0 ? ALUMODE : alumode_q;
  assign carryinsel = CARRYINSELREG == 0 ? CARRYINSEL : carryinsel_q;
  assign carryin    = CARRYINREG == 0 ? CARRYIN : carryin_q;

  // ------------------------------------------------------------------ pre-adder and multiplier
  // INMODE[0] and [4] take the first registers, [1] makes the pre-adder's operand 0, [2] lets D in,
  // [3] subtracts. PREADDINSEL names that operand, AMULTSEL and BMULTSEL where the pre-adder goes.
  logic signed [26:0] a_gated, a_mult, operand, ad, ad_now;
  logic signed [17:0] b_gated, b_mult;
  logic signed [44:0] m, m_now;
  logic signed [26:0] ad_q = '0;
  logic signed [44:0] m_q = '0;
  assign a_gated = inmode[1] && PREADDINSEL == "A" ? '0 : inmode[0] ? a1[26:0] : a2[26:0];
  assign b_gated = inmode[1] && PREADDINSEL == "B" ? '0 : inmode[4] ? b1 : b2;
  assign operand = PREADDINSEL == "A" ? a_gated : 27'(b_gated);
  assign ad_now  = (inmode[2] ? d : '0) + (inmode[3] ? -operand : operand);
  assign ad      = ADREG == 0 ? ad_now : ad_q;
  assign a_mult  = AMULTSEL == "AD" ? ad : a_gated;
  assign b_mult  = BMULTSEL == "AD" ? ad[17:0] : b_gated;
  assign m_now   = 45'(a_mult) * 45'(b_mult);
  assign m       = MREG == 0 ? m_now : m_q;
  always_ff @(posedge CLK) begin
    if (RSTD) ad_q <= '0;
    else if (CEAD) ad_q <= ad_now;
    if (RSTM) m_q <= '0;
    else if (CEM) m_q <= m_now;
  end

  // ------------------------------------------------------------------ multiplexers
  logic [47:0] w, x, y, z;
  logic        cin;
  always_comb begin
    unique case (opmode[8:7])
      2'b00: w = '0;
      2'b01: w = P;
      2'b10: w = RND;
      2'b11: w = c;
    endcase
    unique case (opmode[1:0])
      2'b00: x = '0;
      2'b01: x = 48'(m);                       // its two partial products are added here, Y is 0
      2'b10: x = P;
      2'b11: x = {a2, b2};
    endcase
    unique case (opmode[3:2])
      2'b00, 2'b01: y = '0;
      2'b10: y = '1;
      2'b11: y = c;
    endcase
    case (opmode[6:4])
      3'b001:  z = PCIN;
      3'b010:  z = P;
      3'b011:  z = c;
      3'b101:  z = 48'(signed'(PCIN[47:17]));
      3'b110:  z = 48'(signed'(P[47:17]));
      default: z = '0;
    endcase
    case (carryinsel)
      3'b000:  cin = carryin;
      3'b001:  cin = !PCIN[47];
      3'b011:  cin = PCIN[47];
      3'b101:  cin = !P[47];
      3'b111:  cin = P[47];
      default: cin = '0;
    endcase
  end

  // ------------------------------------------------------------------ adder and logic unit
  logic [47:0] sum, result;
  logic [47:0] p_q = '0;
  for (genvar l = 0; l < LANES; l++) begin : g_lane  // ALUMODE[0] inverts Z, [1] the sum
    localparam int AT = l * LANE_W;
    assign sum[AT +: LANE_W] =
      ((alumode[0] ? ~z[AT +: LANE_W] : z[AT +: LANE_W]) + w[AT +: LANE_W] + x[AT +: LANE_W]
       + y[AT +: LANE_W] + LANE_W'(l == 0 && cin)) ^ {LANE_W{alumode[1]}};
  end
  always_comb
    unique case ({opmode[3:2], alumode}) inside
      6'b??_00??:             result = sum;
      6'b00_0100, 6'b00_0111,
      6'b10_0101, 6'b10_0110: result = x ^ z;
      6'b00_0101, 6'b00_0110,
      6'b10_0100, 6'b10_0111: result = x ~^ z;
      6'b00_1100:             result = x & z;
      6'b00_1101:             result = x & ~z;
      6'b00_1110:             result = ~(x & z);
      6'b00_1111:             result = ~x | z;
      6'b10_1100:             result = x | z;
      6'b10_1101:             result = x | ~z;
      6'b10_1110:             result = ~(x | z);
      6'b10_1111:             result = ~x & z;
      default:                result = 'x;
    endcase
  always_ff @(posedge CLK)
    if (RSTP) p_q <= '0;
    else if (CEP) p_q <= result;
  assign P     = PREG == 0 ? result : p_q;
  assign PCOUT = P;

  always_ff @(posedge CLK) begin
    if ((opmode[3:2] == 2'b01) != (opmode[1:0] == 2'b01))
      $fatal(1, "DSP48E2: OPMODE %b takes the product in one of X and Y", opmode);
    if (opmode[1:0] == 2'b01 && USE_MULT == "NONE")
      $fatal(1, "DSP48E2: OPMODE %b, but USE_MULT = NONE", opmode);
    if (opmode[6:4] inside {3'b100, 3'b111})
      $fatal(1, "DSP48E2: OPMODE %b is not modelled", opmode);
    if (carryinsel inside {3'b010, 3'b100, 3'b110})
      $fatal(1, "DSP48E2: CARRYINSEL %b is not modelled", carryinsel);
    if (alumode[3:2] != 2'b00 && opmode[8:7] != 2'b00)
      $fatal(1, "DSP48E2: logic takes W = 0");
    if (PREG == 0 && (opmode[8:7] == 2'b01 || opmode[1:0] == 2'b10
                      || opmode[6:4] inside {3'b010, 3'b110}))
      $fatal(1, "DSP48E2: P is fed back without a register");
  end

  assign {CARRYCASCOUT, MULTSIGNOUT, OVERFLOW, PATTERNBDETECT, PATTERNDETECT, UNDERFLOW} = 'x;
  assign {CARRYOUT, XOROUT} = 'x;
endmodule
`default_nettype wire
