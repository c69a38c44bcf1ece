// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Spiking neurons, IF and LIF and their relatives: volley_lif_step for each time step (the equations
// are there and in docs/numerics.md), state kept from pass to pass. A beat carries TB steps of LANES
// neurons, the earliest in the uppermost place.
// UNROLLED = 1: a stage per step, 1 beat per tick (cycle not stalled), latency TB + 1.
// UNROLLED = 0: one step per tick, 1 beat per TB ticks; it stands at the input meanwhile and is
// taken in the last of them, latency 2 from there.
// With PASSES > 1 a beat starts TB + 1 ticks after the same neurons' last one at the earliest.
// The pipeline stops as a whole while its output waits. Beats are counted and m_spike_tlast is made,
// on the last of each pass; s_acc_tlast is not looked at.
// Model: verif/models/neuron_lif.py.
`default_nettype none
module volley_neuron_lif #(
  parameter int unsigned LANES       = 1,      // neurons per beat
  parameter int unsigned TB          = 4,      // time steps per beat
  parameter int unsigned PASSES      = 2,      // passes per frame, T / TB
  parameter int unsigned BEATS       = 16,     // beats per pass
  parameter bit          UNROLLED    = 1'b1,   // 1: a stage per step, 0: one for all
  parameter bit          HELD        = 1'b0,   // 1: one number per lane and beat, for all its steps
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
  // Source: spikes; bit TB-1-j of a lane is step j
  output logic                               m_spike_tvalid,
  input  wire logic                          m_spike_tready,
  output logic [LANES*TB-1:0]                m_spike_tdata,
  output logic                               m_spike_tlast,
  // Status
  output logic [COUNT_W-1:0]                 stat_saturated  // clipped neurons x steps
);
  localparam int unsigned STEPS   = UNROLLED ? 1 : TB;  // ticks per beat
  localparam int unsigned STAGES  = TB > STEPS ? TB / STEPS : 1;
  localparam int unsigned STEP_W  = STEPS > 1 ? $clog2(STEPS) : 1;
  localparam int unsigned STATE_W =
    volley_pkg::lif_state_w(V_W, CURRENT, I_W, ADAPT, A_W, REFRACTORY, RESET, RESET_ORDER);
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
    $fatal(1, "volley_neuron_lif: PIX = %0d, only 1 pixel per beat is supported (%m)", PIX);
  end
  if (LANES < 1 || TB < 1) begin : g_rule_lanes
    $fatal(1, "volley_neuron_lif: LANES = %0d and TB = %0d must be at least 1 (%m)", LANES, TB);
  end
  if (COUNT_W < 1) begin : g_rule_count_w
    $fatal(1, "volley_neuron_lif: COUNT_W = %0d must be at least 1 (%m)", COUNT_W);
  end

  // ------------------------------------------------------------------ control
  logic              ce, go;
  logic [STEP_W-1:0] step;                     // of the beat at the input
  logic              begins, ends;             // it is the beat's first, its last
  logic              begins_q, ends_q;         // the same one tick later, in the first stage
  logic [STAGES-1:0] valid_q;
  logic              room, first, last_beat, done;

  assign ce     = !m_spike_tvalid || m_spike_tready;
  assign begins = step == '0;
  assign ends   = step == STEP_W'(STEPS - 1);
  assign go     = s_acc_tvalid && s_param_tvalid && (room || !begins);
  assign done   = valid_q[STAGES-1] && ends_q;
  assign s_acc_tready   = ce && s_param_tvalid && (room || !begins) && ends;
  assign s_param_tready = ce && s_acc_tvalid && (room || !begins) && ends;

  always_ff @(posedge clk) begin
    if (ce) begin
      valid_q        <= STAGES'({valid_q, go});
      begins_q       <= begins;
      ends_q         <= ends;
      m_spike_tvalid <= done;
      m_spike_tlast  <= g_pass_end[STAGES-1].last;
      if (go) step <= ends ? '0 : step + 1'b1;
    end
    if (rst) begin
      valid_q        <= '0;
      step           <= '0;
      m_spike_tvalid <= 1'b0;
    end
  end

  for (genvar j = 0; j < STAGES; j++) begin : g_pass_end
    logic last;                                // the beat in this stage ends its pass
    if (j == 0) begin : g_first
      assign last = last_beat;
    end else begin : g_next
      always_ff @(posedge clk) if (ce) last <= g_pass_end[j-1].last;
    end
  end

  // ------------------------------------------------------------------ state
  logic [LANES*STATE_W-1:0] state, state_next;

  volley_state_memory #(
    .DATA_W (LANES * STATE_W),
    .BEATS  (BEATS),
    .PASSES (PASSES),
    .FLIGHT (STAGES)
  ) u_state (
    .clk, .rst, .ce,
    .take       (go && begins),
    .room,
    .state,
    .first,
    .last_pass  (),
    .last_beat,
    .put        (done),
    .state_next
  );

  // ------------------------------------------------------------------ steps
  logic [STAGES*LANES-1:0] clipped;

  for (genvar l = 0; l < LANES; l++) begin : g_lane
    logic [NUMBERS*IN_W-1:0] numbers;
    assign numbers = s_acc_tdata[l*NUMBERS*IN_W +: NUMBERS*IN_W];

    for (genvar j = 0; j < STAGES; j++) begin : g_stage
      localparam int unsigned LEFT  = HELD || !UNROLLED ? 1 : TB - j;  // numbers not used yet
      localparam int unsigned FIRED = UNROLLED ? j + 1 : TB;           // spikes, with this step's
      logic [LEFT*IN_W-1:0] acc;
      logic [PARAM_W-1:0]   param;
      logic [STATE_W-1:0]   old, updated;
      logic                 start, fire;
      logic [FIRED-1:0]     word;

      volley_lif_step #(.LIF(LIF)) u_step (
        .acc        (acc[(LEFT-1)*IN_W +: IN_W]),
        .param,
        .first      (start),
        .state      (old),
        .state_next (updated),
        .met        (),
        .fire,
        .clipped    (clipped[j*LANES + l])
      );

      if (j == 0) begin : g_first
        logic [LEFT*IN_W-1:0] chosen;
        if (LEFT == NUMBERS) begin : g_all
          assign chosen = numbers;
        end else begin : g_one
          always_comb begin
            chosen = '0;
            for (int unsigned s = 0; s < STEPS; s++)
              if (step == STEP_W'(s)) chosen = numbers[(TB-1-s)*IN_W +: IN_W];
          end
        end
        always_ff @(posedge clk)
          if (ce) begin
            acc   <= chosen;
            param <= s_param_tdata[l*PARAM_W +: PARAM_W];
          end
        assign start = first && begins_q;
        if (STEPS == 1) begin : g_memory
          assign old = state[l*STATE_W +: STATE_W];
        end else begin : g_own
          logic [STATE_W-1:0] state_q;
          always_ff @(posedge clk) if (ce) state_q <= updated;
          assign old = begins_q ? state[l*STATE_W +: STATE_W] : state_q;
        end
      end else begin : g_next
        always_ff @(posedge clk)
          if (ce) begin
            acc    <= g_stage[j-1].acc[LEFT*IN_W-1:0];
            param  <= g_stage[j-1].param;
            old   <= g_stage[j-1].updated;
          end
        assign start = 1'b0;
      end

      if (j == 0) begin : g_shift
        always_ff @(posedge clk) if (ce) word <= FIRED'({word, fire});
      end else begin : g_append
        always_ff @(posedge clk) if (ce) word <= {g_stage[j-1].word, fire};
      end
    end

    assign state_next[l*STATE_W +: STATE_W] = g_stage[STAGES-1].updated;
    assign m_spike_tdata[l*TB +: TB]        = g_stage[STAGES-1].word;
  end

  // ------------------------------------------------------------------ status
  logic [STAGES*LANES-1:0] clipped_q;

  always_ff @(posedge clk) begin
    if (ce) begin
      for (int unsigned j = 0; j < STAGES; j++)
        clipped_q[j*LANES +: LANES] <= valid_q[j] ? clipped[j*LANES +: LANES] : '0;
      stat_saturated <= stat_saturated + COUNT_W'($countones(clipped_q));
    end
    if (rst) begin
      clipped_q      <= '0;
      stat_saturated <= '0;
    end
  end
endmodule
`default_nettype wire
