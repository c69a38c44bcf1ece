// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Membrane readout: neurons, leaky integrators or spiking ones, whose membrane is the answer.
// volley_lif_step works on each time step (the equations are there and in docs/numerics.md), and
// READ says what leaves: v of the last step, the sum of v over time, or its maximum. A beat carries
// TB steps of LANES neurons, the earliest in the uppermost place; state and result are kept from pass
// to pass. The results leave during the last pass, BEATS beats with tlast on the last one, by
// counting; s_acc_tlast is not looked at.
// One step per tick (cycle not stalled), 1 beat per TB ticks; it stands at the input meanwhile and
// is taken in the last of them, latency 2 from there. With PASSES > 1 a beat starts TB + 1 ticks
// after the same neurons' last one at the earliest. All stops while the output waits.
// Model: verif/models/neuron_lif.py.
`default_nettype none
module volley_neuron_membrane #(
  parameter int unsigned LANES       = 1,      // neurons per beat
  parameter int unsigned TB          = 4,      // time steps per beat
  parameter int unsigned PASSES      = 2,      // passes per frame, T / TB
  parameter int unsigned BEATS       = 16,     // beats per pass
  parameter bit          HELD        = 1'b0,   // 1: one number per lane and beat, for all its steps
  parameter int unsigned READ        = 0,      // 0 v of the last step, 1 its sum, 2 its maximum
  parameter bit          MET         = 1'b0,   // 1: v as it meets the threshold, 0: after the reset
  parameter int unsigned OUT_W       = 20,     // bits of a result, signed
  // One neuron: see volley_lif_step
  parameter int unsigned IN_W        = 12,
  parameter bit          IN_SIGNED   = 1'b1,
  parameter int unsigned FRAC        = 0,
  parameter int unsigned BIAS_W      = 12,
  parameter int unsigned THETA_W     = 12,
  parameter int unsigned RESET_W     = 0,
  parameter int unsigned V0_W        = 0,
  parameter int unsigned LEAK_W      = 0,
  parameter int unsigned V_W         = 16,
  parameter int unsigned LEAK        = 0,
  parameter int unsigned LEAK_SHIFT  = 0,
  parameter int unsigned LEAK_FRAC   = 0,
  parameter int unsigned RESET       = 1,
  parameter bit          RESET_ORDER = 1'b0,
  parameter int          V_LEAK      = 0,
  parameter int          V_RESET     = 0,
  parameter int unsigned CURRENT     = 0,
  parameter int unsigned I_W         = 16,
  parameter int unsigned I_LEAK      = 0,
  parameter int unsigned I_SHIFT     = 0,
  parameter int unsigned I_ALPHA     = 0,
  parameter int unsigned I_FRAC      = 0,
  parameter bit          ADAPT       = 1'b0,
  parameter int unsigned A_W         = 8,
  parameter int unsigned A_LEAK      = 0,
  parameter int unsigned A_SHIFT     = 0,
  parameter int unsigned A_ALPHA     = 0,
  parameter int unsigned A_FRAC      = 0,
  parameter int unsigned JUMP        = 0,
  parameter int unsigned REFRACTORY  = 0,
  parameter bit          BIAS_I      = 1'b0,
  parameter int unsigned COUNT_W     = 32,     // bits of stat_saturated, which wraps
  parameter int unsigned PIX         = 1,      // pixels per beat
  localparam int unsigned NUMBERS    = HELD ? 1 : TB,
  localparam int unsigned PARAM_W    = BIAS_W + THETA_W + RESET_W + V0_W + LEAK_W
) (
  input  wire logic                          clk,
  input  wire logic                          rst,    // synchronous, active high
  // Sink: potentials; number TB-1-j of a lane is step j
  input  wire logic                          s_acc_tvalid,
  output logic                               s_acc_tready,
  input  wire logic [LANES*NUMBERS*IN_W-1:0] s_acc_tdata,
  input  wire logic                          s_acc_tlast,
  // Sink: parameters of the same neurons; per lane, low to high, b, theta, reset, v0, alpha
  input  wire logic                          s_param_tvalid,
  output logic                               s_param_tready,
  input  wire logic [LANES*PARAM_W-1:0]      s_param_tdata,
  // Source: results
  output logic                               m_v_tvalid,
  input  wire logic                          m_v_tready,
  output logic [LANES*OUT_W-1:0]             m_v_tdata,
  output logic                               m_v_tlast,
  // Status
  output logic [COUNT_W-1:0]                 stat_saturated  // clipped neurons x steps
);
  localparam int unsigned STEP_W   = TB > 1 ? $clog2(TB) : 1;
  localparam int unsigned NEURON_W =
    volley_pkg::lif_state_w(V_W, CURRENT, I_W, ADAPT, A_W, REFRACTORY, RESET, RESET_ORDER);
  localparam int unsigned FOLD_W   = READ == 1 ? OUT_W : READ == 2 ? V_W : 0;  // result so far
  localparam int unsigned STATE_W  = NEURON_W + FOLD_W;
  localparam volley_pkg::lif_t LIF = volley_pkg::lif(   // handed on as one
    .IN_W(IN_W), .IN_SIGNED(IN_SIGNED), .FRAC(FRAC), .BIAS_W(BIAS_W), .THETA_W(THETA_W),
    .RESET_W(RESET_W), .V0_W(V0_W), .LEAK_W(LEAK_W), .V_W(V_W), .LEAK(LEAK),
    .LEAK_SHIFT(LEAK_SHIFT), .LEAK_FRAC(LEAK_FRAC), .RESET(RESET), .RESET_ORDER(RESET_ORDER),
    .V_LEAK(V_LEAK), .V_RESET(V_RESET), .CURRENT(CURRENT), .I_W(I_W), .I_LEAK(I_LEAK),
    .I_SHIFT(I_SHIFT), .I_ALPHA(I_ALPHA), .I_FRAC(I_FRAC), .ADAPT(ADAPT), .A_W(A_W),
    .A_LEAK(A_LEAK), .A_SHIFT(A_SHIFT), .A_ALPHA(A_ALPHA), .A_FRAC(A_FRAC), .JUMP(JUMP),
    .REFRACTORY(REFRACTORY), .BIAS_I(BIAS_I)
  );

  if (PIX != 1) begin : g_rule_pix
    $fatal(1, "volley_neuron_membrane: PIX = %0d, only 1 pixel per beat is supported (%m)", PIX);
  end
  if (LANES < 1 || TB < 1) begin : g_rule_lanes
    $fatal(1, "volley_neuron_membrane: LANES = %0d and TB = %0d must be at least 1 (%m)", LANES, TB);
  end
  if (COUNT_W < 1) begin : g_rule_count_w
    $fatal(1, "volley_neuron_membrane: COUNT_W = %0d must be at least 1 (%m)", COUNT_W);
  end
  if (READ > 2) begin : g_rule_read
    $fatal(1, "volley_neuron_membrane: READ = %0d is outside 0..2 (%m)", READ);
  end
  if (OUT_W < V_W + (READ == 1 ? $clog2(TB * PASSES) : 0)) begin : g_rule_out_w
    $fatal(1, "volley_neuron_membrane: OUT_W = %0d cannot hold every result (%m)", OUT_W);
  end

  // ------------------------------------------------------------------ control
  logic              ce, go;
  logic [STEP_W-1:0] step;                     // of the beat at the input
  logic              begins, ends;             // it is the beat's first, its last
  logic              valid_q, begins_q, ends_q;  // the same one tick later, where v is worked on
  logic              room, first, last_pass, last_beat, done;

  assign ce     = !m_v_tvalid || m_v_tready;
  assign begins = step == '0;
  assign ends   = step == STEP_W'(TB - 1);
  assign go     = s_acc_tvalid && s_param_tvalid && (room || !begins);
  assign done   = valid_q && ends_q;
  assign s_acc_tready   = ce && s_param_tvalid && (room || !begins) && ends;
  assign s_param_tready = ce && s_acc_tvalid && (room || !begins) && ends;

  always_ff @(posedge clk) begin
    if (ce) begin
      valid_q    <= go;
      begins_q   <= begins;
      ends_q     <= ends;
      m_v_tvalid <= done && last_pass;
      m_v_tlast  <= last_beat;
      if (go) step <= ends ? '0 : step + 1'b1;
    end
    if (rst) begin
      valid_q    <= 1'b0;
      step       <= '0;
      m_v_tvalid <= 1'b0;
    end
  end

  // ------------------------------------------------------------------ state
  logic [LANES*STATE_W-1:0] state, state_next;
  logic [LANES*OUT_W-1:0]   result;

  volley_state_memory #(
    .DATA_W (LANES * STATE_W),
    .BEATS  (BEATS),
    .PASSES (PASSES),
    .FLIGHT (1)
  ) u_state (
    .clk, .rst, .ce,
    .take       (go && begins),
    .room,
    .state,
    .first,
    .last_pass,
    .last_beat,
    .put        (done),
    .state_next
  );

  always_ff @(posedge clk) if (ce) m_v_tdata <= result;

  // ------------------------------------------------------------------ steps
  logic             start;                     // first step of a frame
  logic [LANES-1:0] clipped;

  assign start = first && begins_q;

  for (genvar l = 0; l < LANES; l++) begin : g_lane
    logic [NUMBERS*IN_W-1:0] numbers;
    logic [IN_W-1:0]         chosen, acc;
    logic [PARAM_W-1:0]      param;
    logic [STATE_W-1:0]      old, updated;
    logic [NEURON_W-1:0]     neuron;
    logic signed [V_W-1:0]   met, v;

    assign numbers = s_acc_tdata[l*NUMBERS*IN_W +: NUMBERS*IN_W];
    if (NUMBERS == 1) begin : g_one
      assign chosen = numbers;
    end else begin : g_all
      always_comb begin
        chosen = '0;
        for (int unsigned s = 0; s < TB; s++)
          if (step == STEP_W'(s)) chosen = numbers[(TB-1-s)*IN_W +: IN_W];
      end
    end
    always_ff @(posedge clk)
      if (ce) begin
        acc   <= chosen;
        param <= s_param_tdata[l*PARAM_W +: PARAM_W];
      end

    if (TB == 1) begin : g_memory
      assign old = state[l*STATE_W +: STATE_W];
    end else begin : g_own
      logic [STATE_W-1:0] state_q;
      always_ff @(posedge clk) if (ce) state_q <= updated;
      assign old = begins_q ? state[l*STATE_W +: STATE_W] : state_q;
    end

    volley_lif_step #(.LIF(LIF)) u_step (
      .acc,
      .param,
      .first      (start),
      .state      (old[NEURON_W-1:0]),
      .state_next (neuron),
      .met,
      .fire       (),
      .clipped    (clipped[l])
    );
    assign v = MET ? met : neuron[V_W-1:0];

    // ---------------------------------------------------------------- over time
    if (READ == 0) begin : g_last
      assign updated                  = neuron;
      assign result[l*OUT_W +: OUT_W] = OUT_W'(v);
    end else begin : g_fold
      logic signed [FOLD_W-1:0] past, now;
      assign past = old[NEURON_W +: FOLD_W];
      if (READ == 1) begin : g_sum
        assign now = (start ? '0 : past) + FOLD_W'(v);
      end else begin : g_max
        assign now = start || v > past ? v : past;
      end
      assign updated                  = {now, neuron};
      assign result[l*OUT_W +: OUT_W] = OUT_W'(now);
    end
    assign state_next[l*STATE_W +: STATE_W] = updated;
  end

  // ------------------------------------------------------------------ status
  logic [LANES-1:0] clipped_q;

  always_ff @(posedge clk) begin
    if (ce) begin
      clipped_q      <= valid_q ? clipped : '0;
      stat_saturated <= stat_saturated + COUNT_W'($countones(clipped_q));
    end
    if (rst) begin
      clipped_q      <= '0;
      stat_saturated <= '0;
    end
  end
endmodule
`default_nettype wire
