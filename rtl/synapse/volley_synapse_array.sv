// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Synapse array: PE outputs x SIMD inputs x TP time steps per cycle, multiplex and add.
//   acc[o] = sum over FOLDS slices, SIMD inputs, T steps of 2^(T-1-t) * (s_i[t] ? w[o][i] : 0)
// Time is innermost: a slice and its weights are held for T/TP cycles, h <- 2^TP * h + sum (Horner),
// then the slices add up. volley_synapse_sum makes the sums of a cycle, of LUTs or of DSP slices.
// PER_STEP = 1: the steps are not added up,
//   acc[o][t] = sum over FOLDS slices, SIMD inputs of (s_i[t] ? w[o][i] : 0)
// PIX pixels side by side meet the same weights, each in sums of its own.
// FOLDS = 0: a window is the slices up to s_spike_tlast, one at least, and m_acc_tlast marks every window.
// BODY 1 to 3 on Xilinx parts: the files of rtl/tech/xc7/xc7.f or rtl/tech/xcup/xcup.f replace those of
// the same name, volley_synapse_dsp's stand-in among them (docs/bodies.md).
// Throughput: one slice per T/TP cycles. Latency after the last slice's last step: 1 + that of
// volley_synapse_sum (+1 if TP < T and PER_STEP = 0).
// Model: verif/models/synapse_array.py.
`default_nettype none
module volley_synapse_array #(
  parameter int unsigned BODY     = 0,         // 0 LUT, 1 GATE, 2 SOFT, 3 MULT: see volley_synapse_sum
  parameter int unsigned PE       = 2,         // outputs
  parameter int unsigned SIMD     = 4,         // inputs
  parameter int unsigned T        = 4,         // time steps of a spike word
  parameter int unsigned TP       = T,         // time steps per cycle, divides T
  parameter int unsigned WEIGHT_W = 4,         // bits of a weight, signed
  parameter int unsigned FOLDS    = 1,         // slices of a window; 0: tlast ends it
  parameter int unsigned ACC_W    = 16,        // bits of a result, signed; a sum that it does not hold wraps
  parameter bit          PER_STEP = 1'b0,      // 1: a number for each time step
  parameter int unsigned PIX      = 1,         // pixels per beat: slices of as many windows
  localparam int unsigned NUMBERS = PER_STEP ? T : 1
) (
  input  wire logic                        clk,
  input  wire logic                        rst,      // synchronous, active high
  // Sink: for each pixel a slice of SIMD spike words; tlast on the frame's last slice
  input  wire logic                        s_spike_tvalid,
  output logic                             s_spike_tready,
  input  wire logic [PIX*SIMD*T-1:0]       s_spike_tdata,
  input  wire logic                        s_spike_tlast,
  // Sink: weights, PE slowest: weight (o, i) at (o*SIMD + i)*WEIGHT_W
  input  wire logic                        s_weight_tvalid,
  output logic                             s_weight_tready,
  input  wire logic [PE*SIMD*WEIGHT_W-1:0] s_weight_tdata,
  // Source: for each pixel its potentials; number T-1-t of an output is step t
  output logic                             m_acc_tvalid,
  input  wire logic                        m_acc_tready,
  output logic [PIX*PE*NUMBERS*ACC_W-1:0]  m_acc_tdata,
  output logic                             m_acc_tlast
);
  localparam int unsigned STEPS   = T / TP;    // cycles per slice
  localparam int unsigned STEP_W  = STEPS > 1 ? $clog2(STEPS) : 1;
  localparam int unsigned FOLD_W  = FOLDS > 1 ? $clog2(FOLDS) : 1;
  localparam int unsigned SUM_W   = WEIGHT_W + $clog2(SIMD) + (PER_STEP ? 0 : TP);
  localparam int unsigned SUMS_W  = PE * (PER_STEP ? TP : 1) * SUM_W;  // of a pixel
  localparam int unsigned OUTPUTS = PIX * PE;

  if (PE < 1 || SIMD < 1 || T < 1 || WEIGHT_W < 1 || ACC_W < 1 || PIX < 1) begin : g_rule_pe
    $fatal(1, "volley_synapse_array: PE, SIMD, T, WEIGHT_W, ACC_W and PIX must be at least 1 (%m)");
  end
  if (TP < 1 || T % TP != 0) begin : g_rule_tp
    $fatal(1, "volley_synapse_array: TP = %0d does not divide T = %0d (%m)", TP, T);
  end

  // ------------------------------------------------------------------ control
  typedef struct packed {
    logic first_step, last_step, first_fold, last_fold, last;
  } mark_t;

  logic              ce, take;
  logic [STEP_W-1:0] step;
  logic [FOLD_W-1:0] fold;                     // FOLDS = 0: the window has begun
  mark_t             mark;

  assign ce   = !m_acc_tvalid || m_acc_tready;
  assign take = s_spike_tvalid && s_weight_tvalid;
  assign mark = '{first_step: step == '0,             last_step: step == STEP_W'(STEPS - 1),
                  first_fold: fold == '0,
                  last_fold:  FOLDS == 0 ? s_spike_tlast : fold == FOLD_W'(FOLDS - 1),
                  last:       s_spike_tlast};
  assign s_spike_tready  = ce && s_weight_tvalid && mark.last_step;
  assign s_weight_tready = ce && s_spike_tvalid && mark.last_step;

  always_ff @(posedge clk) begin
    if (ce && take) begin
      step <= mark.last_step ? '0 : step + 1'b1;
      if (mark.last_step) fold <= mark.last_fold ? '0 : FOLDS == 0 ? FOLD_W'(1) : fold + 1'b1;
    end
    if (rst) begin
      step <= '0;
      fold <= '0;
    end
  end

  // ------------------------------------------------------------------ sums of a cycle
  logic [PIX*SIMD*TP-1:0] spike;               // the steps of this cycle, earliest on top
  for (genvar i = 0; i < PIX * SIMD; i++) begin : g_spike
    logic [T-1:0]  word;
    logic [TP-1:0] chosen;
    assign word = s_spike_tdata[i*T +: T];
    if (STEPS == 1) begin : g_all
      assign chosen = word;
    end else begin : g_part
      always_comb begin
        chosen = '0;
        for (int unsigned s = 0; s < STEPS; s++)
          if (step == STEP_W'(s)) chosen = word[T-1-s*TP -: TP];
      end
    end
    assign spike[i*TP +: TP] = chosen;
  end

  logic [PIX-1:0]        valid;                // all alike, as the marks
  mark_t [PIX-1:0]       marks;
  logic [PIX*SUMS_W-1:0] sums;
  logic                  sum_valid;
  mark_t                 sum_mark;

  for (genvar p = 0; p < PIX; p++) begin : g_pixel
    volley_synapse_sum #(
      .BODY(BODY), .PE(PE), .SIMD(SIMD), .TP(TP), .STEPS(STEPS), .WEIGHT_W(WEIGHT_W),
      .PER_STEP(PER_STEP), .MARK_W($bits(mark_t))
    ) u_sum (
      .clk, .rst, .ce,
      .s_valid(take), .s_mark(mark), .s_spike(spike[p*SIMD*TP +: SIMD*TP]), .s_weight(s_weight_tdata),
      .m_valid(valid[p]), .m_mark(marks[p]), .m_sum(sums[p*SUMS_W +: SUMS_W])
    );
  end

  assign sum_valid = valid[0];
  assign sum_mark  = marks[0];

  // ------------------------------------------------------------------ sums over steps and slices
  if (PER_STEP) begin : g_per_step
    // The accumulators of the T steps go round: a step's sum joins the oldest, so that after a
    // slice's last step they lie in order again, the first step on top.
    for (genvar o = 0; o < OUTPUTS; o++) begin : g_acc
      logic [T*ACC_W-1:0]  acc;                // output register and accumulators
      logic [TP*ACC_W-1:0] grown;
      for (genvar t = 0; t < TP; t++) begin : g_step
        logic signed [ACC_W-1:0] oldest;
        assign oldest = FOLDS == 1 || sum_mark.first_fold ? '0 : acc[(T-TP+t)*ACC_W +: ACC_W];
        assign grown[t*ACC_W +: ACC_W] = ACC_W'(signed'(sums[(o*TP + t)*SUM_W +: SUM_W])) + oldest;
      end
      always_ff @(posedge clk) if (ce && sum_valid) acc <= (T*ACC_W)'({acc, grown});
      assign m_acc_tdata[o*T*ACC_W +: T*ACC_W] = acc;
    end

    always_ff @(posedge clk) begin
      if (ce) begin
        m_acc_tvalid <= sum_valid && sum_mark.last_step && sum_mark.last_fold;
        m_acc_tlast  <= sum_mark.last;
      end
      if (rst) m_acc_tvalid <= 1'b0;
    end
  end else begin : g_horner
    logic signed [ACC_W-1:0] sum [OUTPUTS];    // over SIMD and TP
    for (genvar o = 0; o < OUTPUTS; o++) begin : g_sum
      assign sum[o] = ACC_W'(signed'(sums[o*SUM_W +: SUM_W]));
    end

    logic                    step_valid;       // a slice's sum over all its steps
    mark_t                   step_mark;
    logic signed [ACC_W-1:0] slice_sum [OUTPUTS];

    if (STEPS == 1) begin : g_one_cycle
      assign step_valid = sum_valid;
      assign step_mark  = sum_mark;
      assign slice_sum  = sum;
    end else begin : g_cycles
      always_ff @(posedge clk) begin
        if (ce) begin
          step_valid <= sum_valid && sum_mark.last_step;
          step_mark  <= sum_mark;
          if (sum_valid)
            for (int unsigned o = 0; o < OUTPUTS; o++)
              slice_sum[o] <= sum[o] + (sum_mark.first_step ? '0 : slice_sum[o] <<< TP);
        end
        if (rst) step_valid <= 1'b0;
      end
    end

    logic signed [ACC_W-1:0] acc [OUTPUTS];    // output register and accumulator
    always_ff @(posedge clk) begin
      if (ce) begin
        m_acc_tvalid <= step_valid && step_mark.last_fold;
        m_acc_tlast  <= step_mark.last;
        if (step_valid)
          for (int unsigned o = 0; o < OUTPUTS; o++)
            acc[o] <= slice_sum[o] + (FOLDS == 1 || step_mark.first_fold ? '0 : acc[o]);
      end
      if (rst) m_acc_tvalid <= 1'b0;
    end
    for (genvar o = 0; o < OUTPUTS; o++) begin : g_out
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
