// SPDX-License-Identifier: Apache-2.0
// Synapse array: PE outputs x SIMD inputs x TP time steps per cycle, multiplex and add.
//   acc[o] = sum over FOLDS slices, SIMD inputs, T steps of 2^(T-1-t) * (s_i[t] ? w[o][i] : 0)
// Time is innermost: a slice and its weights are held for T/TP cycles, h <- 2^TP * h + sum (Horner),
// then the slices add up. Gating is the synchronous reset of the weight register, which costs no
// LUT. Portable body; rtl/tech/ holds others of the same name.
// PER_STEP = 1: the steps are not added up,
//   acc[o][t] = sum over FOLDS slices, SIMD inputs of (s_i[t] ? w[o][i] : 0)
// Throughput: one slice per T/TP cycles. Latency: 2 + ceil(log2 SIMD) + ceil(log2 TP)
// (+1 if TP < T) after the last slice's last step; 2 + ceil(log2 SIMD) if PER_STEP = 1.
// Model: verif/models/synapse_array.py.
`default_nettype none
module volley_synapse_array #(
  parameter int unsigned PE       = 2,         // outputs
  parameter int unsigned SIMD     = 4,         // inputs
  parameter int unsigned T        = 4,         // time steps of a spike word
  parameter int unsigned TP       = T,         // time steps per cycle, divides T
  parameter int unsigned WEIGHT_W = 4,         // bits of a weight, signed
  parameter int unsigned FOLDS    = 1,         // slices of a window
  parameter int unsigned ACC_W    = 16,        // bits of a result, signed; must hold every sum
  parameter bit          PER_STEP = 1'b0,      // 1: a number for each time step
  parameter int unsigned PIX      = 1,         // pixels per beat
  localparam int unsigned NUMBERS = PER_STEP ? T : 1
) (
  input  wire logic                        clk,
  input  wire logic                        rst,      // synchronous, active high
  // Sink: slices of SIMD spike words; tlast on the frame's last slice
  input  wire logic                        s_spike_tvalid,
  output logic                             s_spike_tready,
  input  wire logic [SIMD*T-1:0]           s_spike_tdata,
  input  wire logic                        s_spike_tlast,
  // Sink: weights, PE slowest: weight (o, i) at (o*SIMD + i)*WEIGHT_W
  input  wire logic                        s_weight_tvalid,
  output logic                             s_weight_tready,
  input  wire logic [PE*SIMD*WEIGHT_W-1:0] s_weight_tdata,
  // Source: potentials; number T-1-t of an output is step t
  output logic                             m_acc_tvalid,
  input  wire logic                        m_acc_tready,
  output logic [PE*NUMBERS*ACC_W-1:0]      m_acc_tdata,
  output logic                             m_acc_tlast
);
  localparam int unsigned STEPS   = T / TP;    // cycles per slice
  localparam int unsigned TREE_W  = WEIGHT_W + $clog2(SIMD);
  localparam int unsigned STEP_W  = STEPS > 1 ? $clog2(STEPS) : 1;
  localparam int unsigned FOLD_W  = FOLDS > 1 ? $clog2(FOLDS) : 1;
  // Stages up to the sum of a cycle's steps (PER_STEP: up to their sums).
  localparam int unsigned DEPTH   = 1 + $clog2(SIMD) + (PER_STEP ? 0 : $clog2(TP));

  if (PIX != 1) $fatal(1, "volley_synapse_array: PIX = %0d, only 1 pixel per beat is supported", PIX);
  if (PE < 1 || SIMD < 1 || T < 1 || WEIGHT_W < 1 || FOLDS < 1 || ACC_W < 1)
    $fatal(1, "volley_synapse_array: PE, SIMD, T, WEIGHT_W, FOLDS and ACC_W must be at least 1");
  if (TP < 1 || T % TP != 0) $fatal(1, "volley_synapse_array: TP = %0d does not divide T = %0d", TP, T);

  // ------------------------------------------------------------------ control
  typedef struct packed {
    logic first_step, last_step, first_fold, last_fold, last;
  } mark_t;

  logic              ce, take;
  logic [STEP_W-1:0] step;
  logic [FOLD_W-1:0] fold;
  mark_t             mark;
  logic [DEPTH-1:0]  valid_q;
  mark_t             mark_q [DEPTH];

  assign ce   = !m_acc_tvalid || m_acc_tready;
  assign take = s_spike_tvalid && s_weight_tvalid;
  assign mark = '{first_step: step == '0,             last_step: step == STEP_W'(STEPS - 1),
                  first_fold: fold == '0,             last_fold: fold == FOLD_W'(FOLDS - 1),
                  last:       s_spike_tlast};
  assign s_spike_tready  = ce && s_weight_tvalid && mark.last_step;
  assign s_weight_tready = ce && s_spike_tvalid && mark.last_step;

  always_ff @(posedge clk) begin
    if (ce) begin
      valid_q[0] <= take;
      mark_q[0]  <= mark;
      for (int unsigned i = 1; i < DEPTH; i++) begin
        valid_q[i] <= valid_q[i-1];
        mark_q[i]  <= mark_q[i-1];
      end
      if (take) begin
        step <= mark.last_step ? '0 : step + 1'b1;
        if (mark.last_step) fold <= mark.last_fold ? '0 : fold + 1'b1;
      end
    end
    if (rst) begin
      valid_q <= '0;
      step    <= '0;
      fold    <= '0;
    end
  end

  // ------------------------------------------------------------------ gating and trees
  logic [TP-1:0] spike [SIMD];                 // the steps of this cycle, earliest in the MSB
  for (genvar i = 0; i < SIMD; i++) begin : g_spike
    logic [T-1:0] word;
    assign word = s_spike_tdata[i*T +: T];
    if (STEPS == 1) begin : g_all
      assign spike[i] = word;
    end else begin : g_part
      always_comb begin
        spike[i] = '0;
        for (int unsigned s = 0; s < STEPS; s++)
          if (step == STEP_W'(s)) spike[i] = word[T-1-s*TP -: TP];
      end
    end
  end

  for (genvar o = 0; o < PE; o++) begin : g_pe
    logic [TP*TREE_W-1:0] step_sum;            // over SIMD, for each step of this cycle
    for (genvar t = 0; t < TP; t++) begin : g_step
      logic [SIMD*WEIGHT_W-1:0] gated;
      for (genvar i = 0; i < SIMD; i++) begin : g_lane
        // A choice against 0, not a branch: synthesis makes it the reset, simulation a conditional move.
        logic [WEIGHT_W-1:0] weight;
        always_ff @(posedge clk)
          if (ce) weight <= spike[i][t] ? s_weight_tdata[(o*SIMD + i)*WEIGHT_W +: WEIGHT_W] : '0;
        assign gated[i*WEIGHT_W +: WEIGHT_W] = weight;
      end
      volley_adder_tree #(.N(SIMD), .IN_W(WEIGHT_W)) u_tree (
        .clk, .ce, .operands(gated), .sum(step_sum[t*TREE_W +: TREE_W])
      );
    end
  end

  // ------------------------------------------------------------------ sums over steps and slices
  if (PER_STEP) begin : g_per_step
    // The accumulators of the T steps go round: a step's sum joins the oldest, so that after a
    // slice's last step they lie in order again, the first step on top.
    for (genvar o = 0; o < PE; o++) begin : g_acc
      logic [T*ACC_W-1:0]  acc;                // output register and accumulators
      logic [TP*ACC_W-1:0] grown;
      for (genvar t = 0; t < TP; t++) begin : g_step
        logic signed [ACC_W-1:0] oldest;
        assign oldest = FOLDS == 1 || mark_q[DEPTH-1].first_fold ? '0 : acc[(T-TP+t)*ACC_W +: ACC_W];
        assign grown[t*ACC_W +: ACC_W] = ACC_W'(signed'(g_pe[o].step_sum[t*TREE_W +: TREE_W])) + oldest;
      end
      always_ff @(posedge clk) if (ce && valid_q[DEPTH-1]) acc <= (T*ACC_W)'({acc, grown});
      assign m_acc_tdata[o*T*ACC_W +: T*ACC_W] = acc;
    end

    always_ff @(posedge clk) begin
      if (ce) begin
        m_acc_tvalid <= valid_q[DEPTH-1] && mark_q[DEPTH-1].last_step && mark_q[DEPTH-1].last_fold;
        m_acc_tlast  <= mark_q[DEPTH-1].last;
      end
      if (rst) m_acc_tvalid <= 1'b0;
    end
  end else begin : g_horner
    logic signed [ACC_W-1:0] sum [PE];         // over SIMD and TP
    for (genvar o = 0; o < PE; o++) begin : g_sum
      // Weighted sum over the steps of this cycle: bit t of a word counts 2^t.
      logic [TREE_W+TP-1:0] horner;
      volley_step_tree #(.TP(TP), .IN_W(TREE_W)) u_steps (
        .clk, .ce, .operands(g_pe[o].step_sum), .sum(horner)
      );
      assign sum[o] = ACC_W'(signed'(horner));
    end

    logic                    step_valid;       // a slice's sum over all its steps
    mark_t                   step_mark;
    logic signed [ACC_W-1:0] slice_sum [PE];

    if (STEPS == 1) begin : g_one_cycle
      assign step_valid = valid_q[DEPTH-1];
      assign step_mark  = mark_q[DEPTH-1];
      assign slice_sum  = sum;
    end else begin : g_cycles
      always_ff @(posedge clk) begin
        if (ce) begin
          step_valid <= valid_q[DEPTH-1] && mark_q[DEPTH-1].last_step;
          step_mark  <= mark_q[DEPTH-1];
          if (valid_q[DEPTH-1])
            for (int unsigned o = 0; o < PE; o++)
              slice_sum[o] <= sum[o] + (mark_q[DEPTH-1].first_step ? '0 : slice_sum[o] <<< TP);
        end
        if (rst) step_valid <= 1'b0;
      end
    end

    logic signed [ACC_W-1:0] acc [PE];         // output register and accumulator
    always_ff @(posedge clk) begin
      if (ce) begin
        m_acc_tvalid <= step_valid && step_mark.last_fold;
        m_acc_tlast  <= step_mark.last;
        if (step_valid)
          for (int unsigned o = 0; o < PE; o++)
            acc[o] <= slice_sum[o] + (FOLDS == 1 || step_mark.first_fold ? '0 : acc[o]);
      end
      if (rst) m_acc_tvalid <= 1'b0;
    end
    for (genvar o = 0; o < PE; o++) begin : g_out
      assign m_acc_tdata[o*ACC_W +: ACC_W] = acc[o];
    end
  end

`ifndef SYNTHESIS
  always_ff @(posedge clk)
    if (!rst && take && ce && mark.last_step && s_spike_tlast)
      assert (mark.last_fold) else $error("volley_synapse_array: tlast inside a window");
`endif
endmodule
`default_nettype wire
