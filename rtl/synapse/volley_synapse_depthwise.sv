// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Depthwise synapse array: each of LANES channels has MULTIPLIER outputs, with kernels of their own.
//   acc[c][j] = sum over TAPS words of channel c, T steps of 2^(T-1-t) * (s_i[t] ? w[c][j][i] : 0)
// A beat is a whole window. It and its weights are held for T/TP cycles, h <- 2^TP * h + sum (Horner).
// volley_synapse_lut makes the sums of a cycle.
// PER_STEP = 1: the steps are not added up,
//   acc[c][j][t] = sum over TAPS words of channel c of (s_i[t] ? w[c][j][i] : 0)
// PIX pixels side by side meet the same weights, each in sums of its own.
// Throughput: one beat per T/TP cycles. Latency after the last step: 2 + ceil(log2 TAPS), with
// PER_STEP = 0 + ceil(log2 TP).
// Model: verif/models/synapse_depthwise.py.
`default_nettype none
module volley_synapse_depthwise #(
  parameter int unsigned LANES      = 2,       // channels per beat
  parameter int unsigned MULTIPLIER = 1,       // outputs of a channel
  parameter int unsigned TAPS       = 9,       // words of a channel in a window
  parameter int unsigned T          = 4,       // time steps of a spike word
  parameter int unsigned TP         = T,       // time steps per cycle, divides T
  parameter int unsigned WEIGHT_W   = 4,       // bits of a weight, signed
  parameter int unsigned ACC_W      = 16,      // bits of a result, signed; a sum that it does not hold wraps
  parameter bit          PER_STEP   = 1'b0,    // 1: a number for each time step
  parameter int unsigned PIX        = 1,       // pixels per beat, a window each
  localparam int unsigned OUTPUTS   = LANES * MULTIPLIER,  // of a pixel
  localparam int unsigned NUMBERS   = PER_STEP ? T : 1
) (
  input  wire logic                              clk,
  input  wire logic                              rst,  // synchronous, active high
  // Sink: for each pixel its window, tap slowest
  input  wire logic                              s_spike_tvalid,
  output logic                                   s_spike_tready,
  input  wire logic [PIX*TAPS*LANES*T-1:0]       s_spike_tdata,
  input  wire logic                              s_spike_tlast,
  // Sink: weights, channel slowest: weight (c, j, i) at ((c*MULTIPLIER + j)*TAPS + i)*WEIGHT_W
  input  wire logic                              s_weight_tvalid,
  output logic                                   s_weight_tready,
  input  wire logic [OUTPUTS*TAPS*WEIGHT_W-1:0]  s_weight_tdata,
  // Source: for each pixel its potentials, channel slowest; number T-1-t of an output is step t
  output logic                                   m_acc_tvalid,
  input  wire logic                              m_acc_tready,
  output logic [PIX*OUTPUTS*NUMBERS*ACC_W-1:0]   m_acc_tdata,
  output logic                                   m_acc_tlast
);
  localparam int unsigned STEPS   = T / TP;  // cycles per beat
  localparam int unsigned STEP_W  = STEPS > 1 ? $clog2(STEPS) : 1;
  localparam int unsigned ROW_W   = MULTIPLIER * TAPS * WEIGHT_W;  // weights of a channel
  localparam int unsigned SUM_W   = WEIGHT_W + $clog2(TAPS) + (PER_STEP ? 0 : TP);
  localparam int unsigned SUMS_W  = MULTIPLIER * (PER_STEP ? TP : 1) * SUM_W;  // of a channel
  localparam int unsigned LATENCY = 1 + $clog2(TAPS) + (PER_STEP ? 0 : $clog2(TP));  // of a sum

  if (LANES < 1 || MULTIPLIER < 1 || TAPS < 1 || T < 1 || WEIGHT_W < 1 || ACC_W < 1 || PIX < 1) begin : g_rule_lanes
    $fatal(1, "volley_synapse_depthwise: LANES, MULTIPLIER, TAPS, T, WEIGHT_W, ACC_W and PIX must be at least 1 (%m)");
  end
  if (TP < 1 || T % TP != 0) begin : g_rule_tp
    $fatal(1, "volley_synapse_depthwise: TP = %0d does not divide T = %0d (%m)", TP, T);
  end

  // ------------------------------------------------------------------ control
  logic              ce, take, last_step;
  logic [STEP_W-1:0] step;

  assign ce              = !m_acc_tvalid || m_acc_tready;
  assign take            = s_spike_tvalid && s_weight_tvalid;
  assign last_step       = step == STEP_W'(STEPS - 1);
  assign s_spike_tready  = ce && s_weight_tvalid && last_step;
  assign s_weight_tready = ce && s_spike_tvalid && last_step;

  logic [LATENCY-1:0] whole_q, last_q;         // what travels along: a beat's last step, a frame's last beat
  always_ff @(posedge clk) begin
    if (ce) begin
      if (take) step <= last_step ? '0 : step + 1'b1;
      whole_q      <= LATENCY'({whole_q, take && last_step});
      last_q       <= LATENCY'({last_q, s_spike_tlast});
      m_acc_tvalid <= whole_q[LATENCY-1];
      m_acc_tlast  <= last_q[LATENCY-1];
    end
    if (rst) begin
      step         <= '0;
      whole_q      <= '0;
      m_acc_tvalid <= 1'b0;
    end
  end

  // ------------------------------------------------------------------ sums of a cycle
  logic [PIX*LANES*SUMS_W-1:0] sums;
  for (genvar k = 0; k < PIX * LANES; k++) begin : g_lane
    logic [TAPS*TP-1:0] spike;                 // the steps of this cycle, earliest on top
    for (genvar i = 0; i < TAPS; i++) begin : g_tap
      localparam int unsigned WORD = (k/LANES*TAPS + i)*LANES + k%LANES;  // of this pixel's window
      logic [T-1:0]  word;
      logic [TP-1:0] chosen;
      assign word = s_spike_tdata[WORD*T +: T];
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
    volley_synapse_lut #(
      .PE(MULTIPLIER), .SIMD(TAPS), .TP(TP), .WEIGHT_W(WEIGHT_W), .PER_STEP(PER_STEP)
    ) u_sum (
      .clk, .ce, .s_spike(spike), .s_weight(s_weight_tdata[k%LANES*ROW_W +: ROW_W]),
      .m_sum(sums[k*SUMS_W +: SUMS_W])
    );
  end

  // ------------------------------------------------------------------ sums over steps
  // A beat's steps come in successive ticks, so the output register holds them all when its last one is in it.
  if (PER_STEP) begin : g_per_step
    for (genvar o = 0; o < PIX * OUTPUTS; o++) begin : g_acc
      logic [T*ACC_W-1:0]  acc;
      logic [TP*ACC_W-1:0] grown;
      for (genvar t = 0; t < TP; t++) begin : g_step
        assign grown[t*ACC_W +: ACC_W] = ACC_W'(signed'(sums[(o*TP + t)*SUM_W +: SUM_W]));
      end
      always_ff @(posedge clk) if (ce) acc <= (T*ACC_W)'({acc, grown});
      assign m_acc_tdata[o*T*ACC_W +: T*ACC_W] = acc;
    end
  end else begin : g_horner
    logic [LATENCY-1:0] first_q;
    always_ff @(posedge clk) if (ce) first_q <= LATENCY'({first_q, step == '0});
    for (genvar o = 0; o < PIX * OUTPUTS; o++) begin : g_acc
      logic signed [ACC_W-1:0] acc;
      always_ff @(posedge clk)
        if (ce)
          acc <= ACC_W'(signed'(sums[o*SUM_W +: SUM_W])) + (STEPS == 1 || first_q[LATENCY-1] ? '0 : acc <<< TP);
      assign m_acc_tdata[o*ACC_W +: ACC_W] = acc;
    end
  end
endmodule
`default_nettype wire
