// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Radix neuron: integrates a potential h and a bias, then fires T spikes, the earliest in the MSB.
//   v = 2^EXPONENT * h + b;  for t = 0 .. T-1: th = theta * 2^(T-1-t), s = v >= th, v -= s * th
// Their word is clamp(floor(v / theta), 0, 2^T - 1), a quantised ReLU.
// The neurons of PIX pixels share their parameters.
// UNROLLED = 1: T + 1 pipeline stages, 1 beat/cycle, latency T + 1.
// UNROLLED = 0: one comparator per lane, 1 beat per T cycles, latency T + 1.
// V_W must be at least 1 + ceil(log2(1 + max(2^e*|h| + |b|, theta*2^(T-1)))): then nothing overflows.
// Model: verif/models/neuron_radix.py.
`default_nettype none
module volley_neuron_radix #(
  parameter int unsigned LANES     = 1,        // neurons of a pixel per beat
  parameter int unsigned IN_W      = 12,       // bits of a potential h
  parameter bit          IN_SIGNED = 1'b1,     // 0: h is an unsigned sum of spike words
  parameter int unsigned EXPONENT  = 0,        // e
  parameter int unsigned THETA_W   = 8,        // bits of theta, 1 at least
  parameter int unsigned BIAS_W    = 12,       // bits of b, signed
  parameter int unsigned V_W       = 16,       // bits of v, signed
  parameter int unsigned T         = 4,        // time steps of the output word
  parameter bit          UNROLLED  = 1'b1,
  parameter int unsigned PIX       = 1         // pixels per beat
) (
  input  wire logic                              clk,
  input  wire logic                              rst,   // synchronous, active high
  // Sink: potentials
  input  wire logic                              s_acc_tvalid,
  output logic                                   s_acc_tready,
  input  wire logic [PIX*LANES*IN_W-1:0]         s_acc_tdata,
  input  wire logic                              s_acc_tlast,
  // Sink: parameters of the same channels; per lane {theta, b}, b in the low bits
  input  wire logic                              s_param_tvalid,
  output logic                                   s_param_tready,
  input  wire logic [LANES*(THETA_W+BIAS_W)-1:0] s_param_tdata,
  // Source: radix spike words
  output logic                                   m_spike_tvalid,
  input  wire logic                              m_spike_tready,
  output logic [PIX*LANES*T-1:0]                 m_spike_tdata,
  output logic                                   m_spike_tlast
);
  localparam int unsigned PARAM_W = THETA_W + BIAS_W;
  localparam int unsigned NEURONS = PIX * LANES;

  if (LANES < 1 || IN_W < 1 || THETA_W < 1 || BIAS_W < 1 || PIX < 1) begin : g_rule_lanes
    $fatal(1, "volley_neuron_radix: LANES, IN_W, THETA_W, BIAS_W and PIX must be at least 1 (%m)");
  end
  if (T < 1 || T > 8) begin : g_rule_t
    $fatal(1, "volley_neuron_radix: T = %0d is outside 1..8 (%m)", T);
  end
  if (V_W < THETA_W + T) begin : g_rule_v_w
    $fatal(1, "volley_neuron_radix: V_W = %0d cannot hold theta * 2^(T-1) (%m)", V_W);
  end

  typedef logic signed [V_W-1:0] v_t;

  logic ce;                                    // the first stage takes a beat
  v_t   integrated [NEURONS];                  // 2^e * h + b
  v_t   theta      [NEURONS];

  for (genvar l = 0; l < NEURONS; l++) begin : g_lane
    logic [PARAM_W-1:0] param;
    logic [IN_W-1:0]    h;
    logic [IN_W:0]      h_signed;
    assign param         = s_param_tdata[l % LANES * PARAM_W +: PARAM_W];
    assign h             = s_acc_tdata[l*IN_W +: IN_W];
    assign h_signed      = {IN_SIGNED ? h[IN_W-1] : 1'b0, h};
    assign theta[l]      = v_t'({1'b0, param[BIAS_W +: THETA_W]});
    assign integrated[l] = (v_t'(signed'(h_signed)) <<< EXPONENT) + v_t'(signed'(param[BIAS_W-1:0]));
  end

  assign s_acc_tready   = ce && s_param_tvalid;
  assign s_param_tready = ce && s_acc_tvalid;

  if (UNROLLED) begin : g_unrolled
    logic         valid_q [T+1];
    logic         last_q  [T+1];
    v_t           v_q     [T+1][NEURONS];
    v_t           theta_q [T+1][NEURONS];
    logic [T-1:0] word_q  [T+1][NEURONS];

    assign ce = !m_spike_tvalid || m_spike_tready;

    always_ff @(posedge clk) begin
      if (ce) begin
        valid_q[0] <= s_acc_tvalid && s_param_tvalid;
        last_q[0]  <= s_acc_tlast;
        v_q[0]     <= integrated;
        theta_q[0] <= theta;
        for (int unsigned l = 0; l < NEURONS; l++) word_q[0][l] <= '0;
        for (int unsigned t = 0; t < T; t++) begin
          valid_q[t+1] <= valid_q[t];
          last_q[t+1]  <= last_q[t];
          theta_q[t+1] <= theta_q[t];
          for (int unsigned l = 0; l < NEURONS; l++) begin
            word_q[t+1][l]        <= word_q[t][l];
            word_q[t+1][l][T-1-t] <= v_q[t][l] >= (theta_q[t][l] <<< (T-1-t));
            v_q[t+1][l]           <= v_q[t][l] >= (theta_q[t][l] <<< (T-1-t))
                                   ? v_q[t][l] - (theta_q[t][l] <<< (T-1-t)) : v_q[t][l];
          end
        end
      end
      if (rst) for (int unsigned t = 0; t <= T; t++) valid_q[t] <= 1'b0;
    end

    assign m_spike_tvalid = valid_q[T];
    assign m_spike_tlast  = last_q[T];
    for (genvar l = 0; l < NEURONS; l++) begin : g_out
      assign m_spike_tdata[l*T +: T] = word_q[T][l];
    end
  end else begin : g_serial
    localparam int unsigned STEP_W = T > 1 ? $clog2(T) : 1;
    logic              busy, last, done;
    logic [STEP_W-1:0] step;                   // steps left after this one
    v_t                v    [NEURONS];
    v_t                th   [NEURONS];         // theta * 2^step
    logic [T-1:0]      word [NEURONS];         // spikes so far

    // The last step hands its word over and makes room for the next beat in the same cycle.
    assign done = busy && step == '0 && (!m_spike_tvalid || m_spike_tready);
    assign ce   = !busy || done;

    always_ff @(posedge clk) begin
      if (m_spike_tready) m_spike_tvalid <= 1'b0;
      if (busy && step != '0) begin
        step <= step - 1'b1;
        for (int unsigned l = 0; l < NEURONS; l++) begin
          v[l]    <= v[l] >= th[l] ? v[l] - th[l] : v[l];
          th[l]   <= th[l] >>> 1;
          word[l] <= T'({word[l], v[l] >= th[l]});
        end
      end
      if (done) begin
        m_spike_tvalid <= 1'b1;
        m_spike_tlast  <= last;
        for (int unsigned l = 0; l < NEURONS; l++) m_spike_tdata[l*T +: T] <= T'({word[l], v[l] >= th[l]});
      end
      if (ce) begin
        busy <= s_acc_tvalid && s_param_tvalid;
        step <= STEP_W'(T - 1);
        last <= s_acc_tlast;
        v    <= integrated;
        for (int unsigned l = 0; l < NEURONS; l++) th[l] <= theta[l] <<< (T - 1);
      end
      if (rst) begin
        busy           <= 1'b0;
        m_spike_tvalid <= 1'b0;
      end
    end
  end

`ifndef SYNTHESIS
  for (genvar l = 0; l < NEURONS; l++) begin : g_check
    logic signed [V_W+IN_W+EXPONENT:0] exact;
    assign exact = ((V_W+IN_W+EXPONENT+1)'(signed'(g_lane[l].h_signed)) <<< EXPONENT)
                 + (V_W+IN_W+EXPONENT+1)'(signed'(g_lane[l].param[BIAS_W-1:0]));
    always_ff @(posedge clk)
      if (!rst && s_acc_tvalid && s_acc_tready)
        assert (exact == (V_W+IN_W+EXPONENT+1)'(integrated[l])) else $error("volley_neuron_radix: V_W is too small");
  end
`endif
endmodule
`default_nettype wire
