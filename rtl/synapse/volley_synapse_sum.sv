// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// The sums of volley_synapse_array in one tick: PE outputs x SIMD inputs x TP time steps.
//   PER_STEP = 0: sum[o]    = sum_t 2^(TP-1-t) * sum_i (s_i[t] ? w[o][i] : 0)
//   PER_STEP = 1: sum[o][t] = sum_i (s_i[t] ? w[o][i] : 0)
// BODY says what they are made of. 0 LUT: volley_synapse_lut. Of DSP slices, volley_synapse_dsp:
//   1 GATE: four 12-bit lanes in a DSP48, two gated inputs each, in cascades of 16 inputs
//   2 SOFT: as many lanes as 48 bits have for the sum of 16 weights without a sign; 2 bits are ternary
//   3 MULT: two weights times one word in a DSP48, four where both have 4 bits at most;
//     PER_STEP = 0, TP = T
// BODY 1 to 3 on Xilinx parts: the files of rtl/tech/xc7/xc7.f or rtl/tech/xcup/xcup.f replace those of
// the same name, volley_synapse_dsp's stand-in among them (docs/bodies.md).
// Throughput: 1 sum per tick (a cycle with ce). Latency in ticks, c = ceil(log2 SIMD), p =
// PER_STEP ? 0 : ceil(log2 TP), g = ceil(SIMD / 16), n = ceil(min(SIMD, 16) / 2):
//   LUT 1 + c + p, GATE 1 + n + ceil(log2 g) + p, SOFT 2 + n + ceil(log2 g) + p, MULT 4 + c.
`default_nettype none
module volley_synapse_sum #(
  parameter int unsigned BODY     = 0,         // 0 LUT, 1 GATE, 2 SOFT, 3 MULT
  parameter int unsigned PE       = 2,         // outputs
  parameter int unsigned SIMD     = 4,         // inputs
  parameter int unsigned TP       = 4,         // time steps per tick
  parameter int unsigned STEPS    = 1,         // successive valid ticks that have the same weights
  parameter int unsigned WEIGHT_W = 4,         // bits of a weight, signed
  parameter bit          PER_STEP = 1'b0,      // 1: a sum for each time step
  parameter int unsigned MARK_W   = 1,         // bits that travel along
  localparam int unsigned TREE_W  = WEIGHT_W + $clog2(SIMD),
  localparam int unsigned SUMS_W  = PER_STEP ? TP * TREE_W : TREE_W + TP  // of one output
) (
  input  wire logic                        clk,
  input  wire logic                        rst,      // synchronous, active high; clears m_valid
  input  wire logic                        ce,       // nothing moves without it
  input  wire logic                        s_valid,
  input  wire logic [MARK_W-1:0]           s_mark,
  input  wire logic [SIMD*TP-1:0]          s_spike,  // input i at i*TP, its earliest step on top
  input  wire logic [PE*SIMD*WEIGHT_W-1:0] s_weight, // weight (o, i) at (o*SIMD + i)*WEIGHT_W
  output logic                             m_valid,
  output logic [MARK_W-1:0]                m_mark,
  output logic [PE*SUMS_W-1:0]             m_sum     // number TP-1-t of an output is step t
);
  localparam int unsigned INPUTS  = SIMD < 16 ? SIMD : 16;                // of a cascade
  localparam int unsigned CASCADE = (INPUTS + 1) / 2 + $clog2((SIMD + 15) / 16);
  localparam int unsigned LEVELS  = PER_STEP ? 0 : $clog2(TP);
  localparam int unsigned LATENCY = BODY == 0 ? 1 + $clog2(SIMD) + LEVELS
                                  : BODY == 1 ? 1 + CASCADE + LEVELS
                                  : BODY == 2 ? 2 + CASCADE + LEVELS
                                  :             4 + $clog2(SIMD);

  if (STEPS < 1 || MARK_W < 1) begin : g_rule_steps
    $fatal(1, "volley_synapse_sum: STEPS and MARK_W must be at least 1 (%m)");
  end
  if (BODY > 3) begin : g_rule_body
    $fatal(1, "volley_synapse_sum: BODY = %0d must be 0 (LUT) to 3 (MULT) (%m)", BODY);
  end
  if (BODY != 0 && WEIGHT_W > 8) begin : g_rule_body_weight_w
    $fatal(1, "volley_synapse_sum: WEIGHT_W = %0d, a DSP body takes 8 bits at most (%m)", WEIGHT_W);
  end
  if (BODY == 3 && (PER_STEP || STEPS != 1 || TP > 8)) begin : g_rule_body_per_step
    $fatal(1, "volley_synapse_sum: MULT takes whole words of up to 8 steps: TP = T <= 8, PER_STEP = 0 (%m)");
  end

  // ------------------------------------------------------------------ what travels along
  logic [LATENCY-1:0]        valid_q;
  logic [LATENCY*MARK_W-1:0] mark_q;

  always_ff @(posedge clk) begin
    if (ce) begin
      valid_q <= LATENCY'({valid_q, s_valid});
      mark_q  <= (LATENCY*MARK_W)'({mark_q, s_mark});
    end
    if (rst) valid_q <= '0;
  end

  assign m_valid = valid_q[LATENCY-1];
  assign m_mark  = mark_q[LATENCY*MARK_W-1 -: MARK_W];

  // ------------------------------------------------------------------ body
  if (BODY == 0) begin : g_lut
    volley_synapse_lut #(.PE(PE), .SIMD(SIMD), .TP(TP), .WEIGHT_W(WEIGHT_W), .PER_STEP(PER_STEP)) u_body (
      .clk, .ce, .s_spike, .s_weight, .m_sum
    );
  end else begin : g_dsp
    volley_synapse_dsp #(
      .BODY(BODY), .LATENCY(LATENCY), .PE(PE), .SIMD(SIMD), .TP(TP), .STEPS(STEPS), .WEIGHT_W(WEIGHT_W),
      .PER_STEP(PER_STEP)
    ) u_body (
      .clk, .rst, .ce, .s_valid, .s_spike, .s_weight, .m_sum
    );
  end
endmodule
`default_nettype wire
