// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Stand-in for the sums of volley_synapse_sum in DSP slices: the same numbers after the same latency,
// word by word and in LUTs, so that a network simulates alike for every family and builds for one
// without such slices. On Xilinx parts the files of rtl/tech/xc7/xc7.f or rtl/tech/xcup/xcup.f replace
// those of the same name: there this module is made of DSP48s (docs/bodies.md).
// Throughput: 1 sum per tick (a cycle with ce). Latency: LATENCY ticks.
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
  input  wire logic                        rst,      // synchronous, active high; ends the count of STEPS
  input  wire logic                        ce,       // nothing moves without it
  input  wire logic                        s_valid,  // counts the ticks of the same weights
  input  wire logic [SIMD*TP-1:0]          s_spike,  // input i at i*TP, its earliest step on top
  input  wire logic [PE*SIMD*WEIGHT_W-1:0] s_weight, // weight (o, i) at (o*SIMD + i)*WEIGHT_W
  output logic [PE*SUMS_W-1:0]             m_sum     // number TP-1-t of an output is step t
);
  localparam int unsigned TICKS = 1 + $clog2(SIMD) + (PER_STEP ? 0 : $clog2(TP));  // of LUTs
  localparam int unsigned WAIT  = LATENCY > TICKS ? LATENCY - TICKS : 0;

  if (BODY < 1 || BODY > 3) begin : g_rule_body
    $fatal(1, "volley_synapse_dsp: BODY = %0d must be 1 (GATE), 2 (SOFT) or 3 (MULT) (%m)", BODY);
  end
  if (STEPS < 1) begin : g_rule_steps
    $fatal(1, "volley_synapse_dsp: STEPS = %0d must be at least 1 (%m)", STEPS);
  end
  if (LATENCY < TICKS) begin : g_rule_latency
    $fatal(1, "volley_synapse_dsp: LATENCY = %0d, but LUTs take %0d ticks (%m)", LATENCY, TICKS);
  end

  logic [PE*SUMS_W-1:0] sum;

  volley_synapse_lut #(.PE(PE), .SIMD(SIMD), .TP(TP), .WEIGHT_W(WEIGHT_W), .PER_STEP(PER_STEP)) u_lut (
    .clk, .ce, .s_spike, .s_weight, .m_sum(sum)
  );

  if (WAIT == 0) begin : g_now
    assign m_sum = sum;
  end else begin : g_wait
    logic [WAIT*PE*SUMS_W-1:0] sum_q;
    always_ff @(posedge clk) if (ce) sum_q <= (WAIT*PE*SUMS_W)'({sum_q, sum});
    assign m_sum = sum_q[WAIT*PE*SUMS_W-1 -: PE*SUMS_W];
  end
endmodule
`default_nettype wire
