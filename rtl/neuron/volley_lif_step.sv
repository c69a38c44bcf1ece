// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// One time step of one spiking neuron, combinational. docs/numerics.md specifies it:
//   x = acc * 2^FRAC;   decay(d) = d, d - (d >> k) or (d * alpha) >> F
//   CURRENT = 0: drive = x + b
//             1: i <- sat(decay_i(i) + x);   drive = i + b
//             2: drive = i + b;              i <- sat(decay_i(i) + x)
//   BIAS_I = 1: b is added to x in place of i
//   a <- decay_a(a)                          ADAPT = 0: a = 0
//   u = V_LEAK + decay_v(v - V_LEAK) + drive
//   RESET_ORDER = 1, if z: RESET = 1: u <- u - reset,   2: u <- V_RESET
//   r > 0: fire = 0;   r <- r - 1;   v stays
//   else:  v <- sat(u);   fire = v >= theta + a;   z <- fire;   if fire:
//     RESET_ORDER = 0: RESET = 1: v <- sat(v - reset),   2: v <- V_RESET
//     r <- REFRACTORY;   a <- min(a + JUMP, 2^A_W - 1)
// What the parameters leave out is neither in the state nor in the logic.
// Low to high, state: v[V_W], i[I_W], a[A_W], refractory count, z; param: b, theta, reset, v0, alpha.
// Model: verif/models/neuron_lif.py.
`default_nettype none
module volley_lif_step #(
  parameter volley_pkg::lif_t LIF    = volley_pkg::lif(),  // defaults of those below
  parameter int unsigned IN_W        = LIF.IN_W,       // bits of acc
  parameter bit          IN_SIGNED   = LIF.IN_SIGNED,  // acc is two's complement
  parameter int unsigned FRAC        = LIF.FRAC,       // fraction bits of v, i, a, b and theta
  parameter int unsigned BIAS_W      = LIF.BIAS_W,     // bits of b, signed; 0: b = 0
  parameter int unsigned THETA_W     = LIF.THETA_W,    // bits of theta, unsigned
  parameter int unsigned RESET_W     = LIF.RESET_W,    // bits of what a soft reset takes; 0: it is theta
  parameter int unsigned V0_W        = LIF.V0_W,       // bits of v0, v in front of a frame, signed; 0: v0 = 0
  parameter int unsigned LEAK_W      = LIF.LEAK_W,     // bits of alpha, unsigned, 2^F at most (LEAK = 2 only)
  parameter int unsigned V_W         = LIF.V_W,        // bits of v, signed
  parameter int unsigned LEAK        = LIF.LEAK,       // decay of v: 0 none, 1 shift, 2 multiply
  parameter int unsigned LEAK_SHIFT  = LIF.LEAK_SHIFT, // k of v
  parameter int unsigned LEAK_FRAC   = LIF.LEAK_FRAC,  // F of v
  parameter int unsigned RESET       = LIF.RESET,      // 0 none, 1 soft (subtract), 2 hard (to V_RESET)
  parameter bit          RESET_ORDER = LIF.RESET_ORDER,// 0 in the step that fires, 1 after the next leak
  parameter int          V_LEAK      = LIF.V_LEAK,     // where the leak leads to
  parameter int          V_RESET     = LIF.V_RESET,    // v after a hard reset
  parameter int unsigned CURRENT     = LIF.CURRENT,    // 0 none, 1 drives with the new i, 2 with the old
  parameter int unsigned I_W         = LIF.I_W,        // bits of i, signed
  parameter int unsigned I_LEAK      = LIF.I_LEAK,     // decay of i, as LEAK
  parameter int unsigned I_SHIFT     = LIF.I_SHIFT,    // k of i
  parameter int unsigned I_ALPHA     = LIF.I_ALPHA,    // alpha of i
  parameter int unsigned I_FRAC      = LIF.I_FRAC,     // F of i
  parameter bit          ADAPT       = LIF.ADAPT,      // the threshold is theta + a
  parameter int unsigned A_W         = LIF.A_W,        // bits of a, unsigned
  parameter int unsigned A_LEAK      = LIF.A_LEAK,     // decay of a, as LEAK
  parameter int unsigned A_SHIFT     = LIF.A_SHIFT,    // k of a
  parameter int unsigned A_ALPHA     = LIF.A_ALPHA,    // alpha of a
  parameter int unsigned A_FRAC      = LIF.A_FRAC,     // F of a
  parameter int unsigned JUMP        = LIF.JUMP,       // added to a by a spike
  parameter int unsigned REFRACTORY  = LIF.REFRACTORY, // steps without integration after a spike
  parameter bit          BIAS_I      = LIF.BIAS_I,     // b drives the current, v only through it
  localparam bit          LATE     = RESET_ORDER && RESET != 0,
  localparam int unsigned COUNT_W  = REFRACTORY != 0 ? $clog2(REFRACTORY + 1) : 0,
  localparam int unsigned A_AT     = V_W + (CURRENT != 0 ? I_W : 0),
  localparam int unsigned COUNT_AT = A_AT + (ADAPT ? A_W : 0),
  localparam int unsigned STATE_W  =
    volley_pkg::lif_state_w(V_W, CURRENT, I_W, ADAPT, A_W, REFRACTORY, RESET, RESET_ORDER),
  localparam int unsigned RESET_AT = BIAS_W + THETA_W,
  localparam int unsigned V0_AT    = RESET_AT + RESET_W,
  localparam int unsigned LEAK_AT  = V0_AT + V0_W,
  localparam int unsigned PARAM_W  = LEAK_AT + LEAK_W
) (
  input  wire logic [IN_W-1:0]    acc,
  input  wire logic [PARAM_W-1:0] param,
  input  wire logic               first,       // first step of a frame: the state means nothing
  input  wire logic [STATE_W-1:0] state,
  output logic [STATE_W-1:0]      state_next,
  output logic signed [V_W-1:0]   met,         // v as it meets the threshold, before its reset
  output logic                    fire,
  output logic                    clipped      // a saturation changed a value
);
  function automatic int unsigned max(input int unsigned a, input int unsigned b);
    return a > b ? a : b;
  endfunction
  function automatic bit in_range(input int value, input int unsigned width);
    return (value >>> (width - 1)) == (value < 0 ? -1 : 0);
  endfunction

  if (IN_W < 1) begin : g_rule_in_w
    $fatal(1, "volley_lif_step: IN_W = %0d must be at least 1 (%m)", IN_W);
  end
  if (V_W < 2 || V_W > 32) begin : g_rule_v_w
    $fatal(1, "volley_lif_step: V_W = %0d is outside 2..32 (%m)", V_W);
  end
  if (THETA_W < 1) begin : g_rule_theta_w
    $fatal(1, "volley_lif_step: THETA_W = %0d must be at least 1 (%m)", THETA_W);
  end
  if (V0_W > V_W) begin : g_rule_v0_w
    $fatal(1, "volley_lif_step: V0_W = %0d is wider than V_W = %0d (%m)", V0_W, V_W);
  end
  if (LEAK > 2) begin : g_rule_leak
    $fatal(1, "volley_lif_step: LEAK = %0d is outside 0..2 (%m)", LEAK);
  end
  if (LEAK == 2 && LEAK_W == 0) begin : g_rule_leak_leak_w
    $fatal(1, "volley_lif_step: LEAK = 2 needs LEAK_W above 0 (%m)");
  end
  if (LEAK != 2 && LEAK_W != 0) begin : g_rule_leak_w_unused
    $fatal(1, "volley_lif_step: LEAK_W = %0d, alpha is there for LEAK = 2 only (%m)", LEAK_W);
  end
  if (LEAK_W > LEAK_FRAC + 1) begin : g_rule_leak_w
    $fatal(1, "volley_lif_step: LEAK_W = %0d is above LEAK_FRAC + 1 = %0d (%m)", LEAK_W, LEAK_FRAC + 1);
  end
  if (RESET > 2) begin : g_rule_reset
    $fatal(1, "volley_lif_step: RESET = %0d is outside 0..2 (%m)", RESET);
  end
  if (RESET != 1 && RESET_W != 0) begin : g_rule_reset_reset_w
    $fatal(1, "volley_lif_step: RESET_W = %0d, only a soft reset has an amount (%m)", RESET_W);
  end
  if (!in_range(V_LEAK, V_W)) begin : g_rule_v_leak
    $fatal(1, "volley_lif_step: V_LEAK = %0d is outside V_W (%m)", V_LEAK);
  end
  if (!in_range(V_RESET, V_W)) begin : g_rule_v_reset
    $fatal(1, "volley_lif_step: V_RESET = %0d is outside V_W (%m)", V_RESET);
  end
  if (REFRACTORY != 0 && RESET_ORDER) begin : g_rule_refractory
    $fatal(1, "volley_lif_step: REFRACTORY = %0d goes with RESET_ORDER = 0 only (%m)", REFRACTORY);
  end
  if (CURRENT > 2) begin : g_rule_current
    $fatal(1, "volley_lif_step: CURRENT = %0d is outside 0..2 (%m)", CURRENT);
  end
  if (BIAS_I && CURRENT == 0) begin : g_rule_bias_i
    $fatal(1, "volley_lif_step: BIAS_I = 1 needs a current, CURRENT = 1 or 2 (%m)");
  end
  if (I_W < 2) begin : g_rule_i_w
    $fatal(1, "volley_lif_step: I_W = %0d must be at least 2 (%m)", I_W);
  end
  if (I_LEAK > 2) begin : g_rule_i_leak
    $fatal(1, "volley_lif_step: I_LEAK = %0d is outside 0..2 (%m)", I_LEAK);
  end
  if (I_FRAC > 30) begin : g_rule_i_frac
    $fatal(1, "volley_lif_step: I_FRAC = %0d is above 30 (%m)", I_FRAC);
  end
  if (I_ALPHA > 1 << I_FRAC) begin : g_rule_i_alpha
    $fatal(1, "volley_lif_step: I_ALPHA = %0d is above 2^I_FRAC = %0d (%m)", I_ALPHA, 1 << I_FRAC);
  end
  if (A_W < 1) begin : g_rule_a_w
    $fatal(1, "volley_lif_step: A_W = %0d must be at least 1 (%m)", A_W);
  end
  if (A_LEAK > 2) begin : g_rule_a_leak
    $fatal(1, "volley_lif_step: A_LEAK = %0d is outside 0..2 (%m)", A_LEAK);
  end
  if (A_FRAC > 30) begin : g_rule_a_frac
    $fatal(1, "volley_lif_step: A_FRAC = %0d is above 30 (%m)", A_FRAC);
  end
  if (A_ALPHA > 1 << A_FRAC) begin : g_rule_a_alpha
    $fatal(1, "volley_lif_step: A_ALPHA = %0d is above 2^A_FRAC = %0d (%m)", A_ALPHA, 1 << A_FRAC);
  end
  if (JUMP >> A_W != 0) begin : g_rule_jump
    $fatal(1, "volley_lif_step: JUMP = %0d does not fit A_W = %0d (%m)", JUMP, A_W);
  end

  // One bit of growth for each addition.
  localparam int unsigned X_W     = IN_W + FRAC + !IN_SIGNED;
  localparam int unsigned IN_I_W  = BIAS_I && BIAS_W != 0 ? max(X_W, BIAS_W) + 1 : X_W;
  localparam int unsigned SUM_W   = max(I_W, IN_I_W) + 1;             // decay_i(i) + x
  localparam int unsigned DRIVING_W = CURRENT != 0 ? I_W : X_W;       // i or x
  localparam bit          BIAS_V  = BIAS_W != 0 && !BIAS_I;
  localparam int unsigned DRIVE_W = BIAS_V ? max(DRIVING_W, BIAS_W) + 1 : DRIVING_W;
  localparam int unsigned D_W     = V_W + (V_LEAK != 0);              // v - V_LEAK
  localparam int unsigned TAKEN_W = (RESET_W != 0 ? RESET_W : THETA_W) + 1;
  localparam int unsigned LEFT_W  = max(V_W, TAKEN_W) + 1;            // v - taken
  localparam int unsigned U_W     = LATE && RESET == 1 ? max(max(V_W, DRIVE_W) + 1, TAKEN_W) + 1
                                                       : max(V_W, DRIVE_W) + 1;
  localparam int unsigned TH_W    = ADAPT ? max(THETA_W, A_W) + 2 : THETA_W + 1;  // theta + a
  localparam int unsigned CMP_W   = max(U_W, TH_W);

  typedef logic signed [V_W-1:0] v_t;
  typedef logic signed [U_W-1:0] u_t;

  // ------------------------------------------------------------------ operands
  logic signed [X_W-1:0]     x;
  logic signed [TAKEN_W-1:0] taken;            // by a soft reset
  logic                      held;             // refractory
  v_t                        v;

  if (IN_SIGNED) begin : g_signed
    assign x = X_W'(signed'(acc)) <<< FRAC;
  end else begin : g_unsigned
    assign x = X_W'(acc) << FRAC;
  end

  if (RESET_W != 0) begin : g_amount
    assign taken = {1'b0, param[RESET_AT +: RESET_W]};
  end else begin : g_threshold
    assign taken = {1'b0, param[BIAS_W +: THETA_W]};
  end

  if (V0_W != 0) begin : g_start
    assign v = first ? v_t'(signed'(param[V0_AT +: V0_W])) : state[V_W-1:0];
  end else begin : g_zero
    assign v = first ? '0 : state[V_W-1:0];
  end

  // ------------------------------------------------------------------ current
  logic signed [DRIVING_W-1:0] driving;
  logic                        clip_i;

  if (CURRENT != 0) begin : g_current
    localparam int unsigned P_W = I_W + I_FRAC + 2;
    localparam logic signed [P_W-1:0] ALPHA = P_W'(I_ALPHA);
    logic signed [I_W-1:0]   i, kept, i_next;
    logic signed [IN_I_W-1:0] into;
    logic signed [SUM_W-1:0] sum;
    if (IN_I_W != X_W) begin : g_bias
      assign into = IN_I_W'(x) + IN_I_W'(signed'(param[BIAS_W-1:0]));
    end else begin : g_no_bias
      assign into = x;
    end
    assign i    = first ? '0 : state[V_W +: I_W];
    assign kept = I_LEAK == 2 ? I_W'((P_W'(i) * ALPHA) >>> I_FRAC)
                : I_LEAK == 1 ? i - (i >>> I_SHIFT) : i;
    assign sum    = SUM_W'(kept) + SUM_W'(into);
    assign clip_i = sum[SUM_W-1:I_W-1] != {(SUM_W-I_W+1){sum[SUM_W-1]}};
    assign i_next = clip_i ? {sum[SUM_W-1], {(I_W-1){~sum[SUM_W-1]}}} : sum[I_W-1:0];
    assign state_next[V_W +: I_W] = i_next;
    assign driving = CURRENT == 1 ? i_next : i;
  end else begin : g_no_current
    assign clip_i = 1'b0;
    assign driving = x;
  end

  // ------------------------------------------------------------------ leak, integrate
  logic signed [DRIVE_W-1:0] drive;
  logic signed [D_W-1:0] d, kept;
  u_t                    grown, u;
  logic                  clip_u;
  v_t                    v_new;                // v <- sat(u)

  if (BIAS_V) begin : g_bias
    assign drive = DRIVE_W'(driving) + DRIVE_W'(signed'(param[BIAS_W-1:0]));
  end else begin : g_no_bias
    assign drive = driving;
  end

  assign d = D_W'(v) - D_W'(V_LEAK);
  if (LEAK == 2) begin : g_multiply
    localparam int unsigned P_W = D_W + LEAK_W + 1;
    assign kept = D_W'((P_W'(d) * P_W'(signed'({1'b0, param[LEAK_AT +: LEAK_W]}))) >>> LEAK_FRAC);
  end else begin : g_shift
    assign kept = LEAK == 1 ? d - (d >>> LEAK_SHIFT) : d;
  end
  assign grown = u_t'(kept) + u_t'(V_LEAK) + u_t'(drive);

  if (LATE) begin : g_late                     // reset for the spike of the step before
    logic z;
    assign z = !first && state[STATE_W-1];
    assign u = RESET == 1 ? grown - (z ? u_t'(taken) : '0) : z ? u_t'(V_RESET) : grown;
    assign state_next[STATE_W-1] = fire;
  end else begin : g_early
    assign u = grown;
  end

  assign clip_u = u[U_W-1:V_W-1] != {(U_W-V_W+1){u[U_W-1]}};
  assign v_new  = clip_u ? {u[U_W-1], {(V_W-1){~u[U_W-1]}}} : u[V_W-1:0];

  // ------------------------------------------------------------------ fire
  logic signed [TH_W-1:0] threshold;

  if (ADAPT) begin : g_adapt
    logic [A_W-1:0] a, kept_a;
    logic [A_W:0]   raised;
    assign a      = first ? '0 : state[A_AT +: A_W];
    assign kept_a = A_LEAK == 2 ? A_W'(((A_W+A_FRAC+1)'(a) * (A_W+A_FRAC+1)'(A_ALPHA)) >> A_FRAC)
                  : A_LEAK == 1 ? a - (a >> A_SHIFT) : a;
    assign raised    = (A_W+1)'(kept_a) + (A_W+1)'(JUMP);
    assign threshold = TH_W'(param[BIAS_W +: THETA_W]) + TH_W'(kept_a);
    assign state_next[A_AT +: A_W] = !fire ? kept_a : raised[A_W] ? '1 : raised[A_W-1:0];
  end else begin : g_fixed
    assign threshold = {1'b0, param[BIAS_W +: THETA_W]};
  end

  if (REFRACTORY != 0) begin : g_refractory
    logic [COUNT_W-1:0] count;
    assign count = first ? '0 : state[COUNT_AT +: COUNT_W];
    assign held  = count != '0;
    assign state_next[COUNT_AT +: COUNT_W] = held ? count - 1'b1 : fire ? COUNT_W'(REFRACTORY) : '0;
  end else begin : g_always
    assign held = 1'b0;
  end

  // sat(u) >= threshold, without waiting for the saturation: the same as u >= threshold wherever v can
  // reach the threshold at all.
  logic reachable;
  if (TH_W > V_W) begin : g_high
    assign reachable = threshold[TH_W-1:V_W-1] == '0;
  end else begin : g_low
    assign reachable = 1'b1;
  end
  assign fire = !held && reachable && CMP_W'(u) >= CMP_W'(threshold);

  // ------------------------------------------------------------------ reset
  v_t   v_next;
  logic clip_r;

  if (RESET == 1 && !LATE) begin : g_soft
    logic signed [LEFT_W-1:0] left;
    assign left = LEFT_W'(v_new) - (fire ? LEFT_W'(taken) : '0);
    // v >= theta >= 0 where it fires: only an amount of V_W bits or more can leave the range.
    assign clip_r = TAKEN_W > V_W
                 && left[LEFT_W-1:V_W-1] != {(LEFT_W-V_W+1){left[LEFT_W-1]}};
    assign v_next = clip_r ? {1'b1, {(V_W-1){1'b0}}} : left[V_W-1:0];
  end else begin : g_hard
    assign clip_r = 1'b0;
    assign v_next = fire && RESET == 2 && !LATE ? v_t'(V_RESET) : v_new;
  end

  assign met                 = held ? v : v_new;
  assign state_next[V_W-1:0] = held ? v : v_next;
  assign clipped             = clip_i || (!held && (clip_u || clip_r));
endmodule
`default_nettype wire
