// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Sums of volley_synapse_sum in LUTs, for any family. The synchronous reset of the weight register is
// the gate and costs no LUT; then adder trees over the inputs, and over the steps where they are added up.
// Throughput: 1 sum per tick (a cycle with ce). Latency in ticks:
// 1 + ceil(log2 SIMD) + (PER_STEP ? 0 : ceil(log2 TP)).
`default_nettype none
module volley_synapse_lut #(
  parameter int unsigned PE       = 2,         // outputs
  parameter int unsigned SIMD     = 4,         // inputs
  parameter int unsigned TP       = 4,         // time steps per tick
  parameter int unsigned WEIGHT_W = 4,         // bits of a weight, signed
  parameter bit          PER_STEP = 1'b0,      // 1: a sum for each time step
  localparam int unsigned TREE_W  = WEIGHT_W + $clog2(SIMD),
  localparam int unsigned SUMS_W  = PER_STEP ? TP * TREE_W : TREE_W + TP  // of one output
) (
  input  wire logic                        clk,
  input  wire logic                        ce,       // nothing moves without it
  input  wire logic [SIMD*TP-1:0]          s_spike,  // input i at i*TP, its earliest step on top
  input  wire logic [PE*SIMD*WEIGHT_W-1:0] s_weight, // weight (o, i) at (o*SIMD + i)*WEIGHT_W
  output logic [PE*SUMS_W-1:0]             m_sum     // number TP-1-t of an output is step t
);
  if (PE < 1 || SIMD < 1 || TP < 1 || WEIGHT_W < 1) begin : g_rule_pe
    $fatal(1, "volley_synapse_lut: PE, SIMD, TP and WEIGHT_W must be at least 1 (%m)");
  end

  for (genvar o = 0; o < PE; o++) begin : g_pe
    logic [TP*TREE_W-1:0] step_sum;            // over SIMD, for each step of this tick
    for (genvar t = 0; t < TP; t++) begin : g_step
      logic [SIMD*WEIGHT_W-1:0] gated;
      for (genvar i = 0; i < SIMD; i++) begin : g_lane
        // A choice against 0, not a branch: synthesis makes it the reset, simulation a conditional move.
        logic [WEIGHT_W-1:0] weight;
        always_ff @(posedge clk)
          if (ce) weight <= s_spike[i*TP + t] ? s_weight[(o*SIMD + i)*WEIGHT_W +: WEIGHT_W] : '0;
        assign gated[i*WEIGHT_W +: WEIGHT_W] = weight;
      end
      volley_adder_tree #(.N(SIMD), .IN_W(WEIGHT_W)) u_tree (
        .clk, .ce, .operands(gated), .sum(step_sum[t*TREE_W +: TREE_W])
      );
    end
    if (PER_STEP) begin : g_steps
      assign m_sum[o*SUMS_W +: SUMS_W] = step_sum;
    end else begin : g_word                    // bit t of a word counts 2^t
      volley_step_tree #(.TP(TP), .IN_W(TREE_W)) u_steps (
        .clk, .ce, .operands(step_sum), .sum(m_sum[o*SUMS_W +: SUMS_W])
      );
    end
  end
endmodule
`default_nettype wire
