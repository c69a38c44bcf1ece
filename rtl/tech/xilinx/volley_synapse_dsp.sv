// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Sums of volley_synapse_sum in DSP48 slices, in the body that BODY names. The module of this name
// in rtl/synapse stands in for it where there are no such slices, and where networks are simulated.
// Throughput: 1 sum per tick (a cycle with ce). Latency: LATENCY ticks.
// Model: verif/models/synapse_array.py.
`default_nettype none
module volley_synapse_dsp #(
  parameter int unsigned BODY     = 1,         // 1 GATE, 2 SOFT, 3 MULT: see volley_synapse_sum
  parameter int unsigned LATENCY  = 5,         // what volley_synapse_sum says of BODY
  parameter int unsigned PE       = 2,         // outputs
  parameter int unsigned SIMD     = 4,         // inputs
  parameter int unsigned TP       = 4,         // time steps per tick
  parameter int unsigned STEPS    = 1,         // successive valid ticks that have the same weights
  parameter int unsigned WEIGHT_W = 4,         // bits of a weight, signed
  parameter bit          PER_STEP = 1'b0,      // 1: a sum for each time step
  localparam int unsigned TREE_W  = WEIGHT_W + $clog2(SIMD),
  localparam int unsigned SUMS_W  = PER_STEP ? TP * TREE_W : TREE_W + TP  // of one output
) (
  input  wire logic                        clk,
  input  wire logic                        rst,      // synchronous, active high; ends the count
  input  wire logic                        ce,       // nothing moves without it
  input  wire logic                        s_valid,  // counts the ticks of the same weights
  input  wire logic [SIMD*TP-1:0]          s_spike,  // input i at i*TP, its earliest step on top
  input  wire logic [PE*SIMD*WEIGHT_W-1:0] s_weight, // weight (o, i) at (o*SIMD + i)*WEIGHT_W
  output logic [PE*SUMS_W-1:0]             m_sum     // number TP-1-t of an output is step t
);
  // LATENCY is that of the body, and no choice.
  localparam int unsigned CASCADE = ((SIMD < 16 ? SIMD : 16) + 1) / 2 + $clog2((SIMD + 15) / 16)
                                  + (PER_STEP ? 0 : $clog2(TP));
  localparam int unsigned TICKS   = BODY == 1 ? 1 + CASCADE
                                  : BODY == 2 ? 2 + CASCADE
                                  :             4 + $clog2(SIMD);

  if (BODY < 1 || BODY > 3) begin : g_rule_body
    $fatal(1, "volley_synapse_dsp: BODY = %0d must be 1 (GATE), 2 (SOFT) or 3 (MULT) (%m)", BODY);
  end
  if (LATENCY != TICKS) begin : g_rule_latency
    $fatal(1, "volley_synapse_dsp: LATENCY = %0d, but the body takes %0d ticks (%m)", LATENCY, TICKS);
  end

  // Texts of different lengths are no two values of one expression: hence two instances.
  if (BODY == 1) begin : g_gate
    volley_dsp_cascade #(
      .USE_SIMD("FOUR12"), .PE(PE), .SIMD(SIMD), .TP(TP), .STEPS(STEPS), .WEIGHT_W(WEIGHT_W),
      .PER_STEP(PER_STEP)
    ) u_body (
      .clk, .rst, .ce, .s_valid, .s_spike, .s_weight, .m_sum
    );
  end else if (BODY == 2) begin : g_soft
    volley_dsp_cascade #(
      .USE_SIMD("ONE48"), .PE(PE), .SIMD(SIMD), .TP(TP), .STEPS(STEPS), .WEIGHT_W(WEIGHT_W),
      .PER_STEP(PER_STEP)
    ) u_body (
      .clk, .rst, .ce, .s_valid, .s_spike, .s_weight, .m_sum
    );
  end else begin : g_mult
    volley_dsp_mult #(.PE(PE), .SIMD(SIMD), .TP(TP), .WEIGHT_W(WEIGHT_W)) u_body (
      .clk, .ce, .s_spike, .s_weight, .m_sum
    );
  end
endmodule
`default_nettype wire
