// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// One time step of one neuron whose kind is chosen at run time; combinational. docs/numerics.md specifies it:
//   u = v - (leak ? v >> leak : 0) + acc * 2^FRAC + b;   late and z: u <- u - theta, or u <- 0
//   v <- sat(u);   fire = v >= theta;   z <- fire;   fire and not late: v <- v - theta, or v <- 0
// In a frame's first step v = v0, z = 0.
// Model: verif/models/neuron_lif.py.
`default_nettype none
module volley_tile_lif #(
  parameter int unsigned ACC_W   = 16,         // bits of acc, signed
  parameter int unsigned FRAC    = 0,          // fraction bits of v, b and theta
  parameter int unsigned BIAS_W  = 15,         // bits of b, signed
  parameter int unsigned THETA_W = 15,         // bits of theta, unsigned; less than V_W
  parameter int unsigned V_W     = 16,         // bits of v, signed
  localparam int unsigned SHIFT_W = 4,
  localparam int unsigned STATE_W = V_W + 1
) (
  input  wire logic signed [ACC_W-1:0]  acc,
  input  wire logic signed [BIAS_W-1:0] bias,
  input  wire logic [THETA_W-1:0]       theta,
  input  wire logic signed [V_W-1:0]    v0,
  input  wire logic [SHIFT_W-1:0]       leak,  // 0: none
  input  wire logic                     subtracts, // kind of the reset; neither: none
  input  wire logic                     clears,
  input  wire logic                     late,  // the reset comes after the next leak
  input  wire logic                     first, // step of a frame
  input  wire logic [STATE_W-1:0]       state, // {z, v}
  output logic [STATE_W-1:0]            state_next,
  output logic                          fire
);
  if (ACC_W < 1 || BIAS_W < 1 || THETA_W < 1) begin : g_rule_acc_w
    $fatal(1, "volley_tile_lif: ACC_W, BIAS_W and THETA_W must be at least 1 (%m)");
  end
  if (THETA_W >= V_W) begin : g_rule_theta_w
    $fatal(1, "volley_tile_lif: THETA_W = %0d must be less than V_W = %0d (%m)", THETA_W, V_W);
  end

  localparam int unsigned X_W   = ACC_W + FRAC > BIAS_W ? ACC_W + FRAC : BIAS_W;
  localparam int unsigned DRIVE_W = X_W + 1;
  localparam int unsigned U_W   = (V_W > DRIVE_W ? V_W : DRIVE_W) + 2;

  // A term that is left out is 0 in the LUT of its adder.
  logic signed [V_W-1:0]     v, shifted, v_new, left;
  logic signed [DRIVE_W-1:0] drive;
  logic signed [U_W-1:0]     threshold, lost, taken, u;
  logic                      leaks, z, clipped, reset;

  assign v       = first ? v0 : state[V_W-1:0];
  assign z       = !first && state[V_W] && late;
  assign leaks   = leak != '0;
  assign shifted = v >>> leak;
  assign drive   = (DRIVE_W'(acc) <<< FRAC) + DRIVE_W'(bias);

  assign threshold = signed'(U_W'(theta));
  assign lost      = leaks ? U_W'(shifted) : '0;
  assign taken     = z && subtracts ? threshold : '0;
  assign u         = z && clears ? '0 : U_W'(v) - lost + (U_W'(drive) - taken);

  assign clipped = u[U_W-1:V_W-1] != {(U_W-V_W+1){u[U_W-1]}};
  assign v_new   = clipped ? {u[U_W-1], {(V_W-1){~u[U_W-1]}}} : u[V_W-1:0];
  assign fire    = u >= threshold;
  assign reset   = fire && !late;
  assign left    = v_new - (reset && subtracts ? V_W'(threshold) : '0);

  assign state_next = {fire, reset && clears ? V_W'(0) : left};
endmodule
`default_nettype wire
