// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_lif_step as integrate-and-fire, fed back step after step: with soft reset and no leak, and
// as long as nothing was clipped, v = sum of (acc + b) - spikes * theta; it fires where v reaches
// theta, and met is v before that reset. Every `first` starts a new frame, at any time. theta and b
// hold for a frame; the sums are exact modulo 2^SUM_W, which is enough, since |v| < 2^(V_W-1).
`default_nettype none
module formal_lif_step #(
  localparam int unsigned W     = 8,           // bits of acc, b, theta and v
  localparam int unsigned SUM_W = 16
) (
  input wire logic         clk,
  input wire logic         rst,
  input wire logic         first,
  input wire logic [W-1:0] acc,
  input wire logic [W-1:0] b,
  input wire logic [W-1:0] theta
);
  typedef logic signed [SUM_W-1:0] sum_t;
  logic [W-1:0]        v, v_next;
  logic signed [W-1:0] met;
  logic                fire, clipped;

  volley_lif_step #(.IN_W(W), .BIAS_W(W), .THETA_W(W), .V_W(W)) dut (
    .acc, .param({theta, b}), .first, .state(v), .state_next(v_next), .met, .fire, .clipped
  );

  formal_reset u_reset (.clk, .rst);

  logic         exact;                         // a frame runs, nothing was clipped in it
  sum_t         driven, spent;                 // sum of acc + b, sum of theta where it fired
  logic [W-1:0] theta_q, b_q;                  // of the frame
  sum_t         driven_d, spent_d, integrated;
  assign driven_d = (first ? '0 : driven) + sum_t'(signed'(acc)) + sum_t'(signed'(b));
  assign spent_d  = (first ? '0 : spent) + (fire ? sum_t'({1'b0, theta}) : '0);
  assign integrated = driven_d - (first ? '0 : spent);

  always_ff @(posedge clk) begin
    v       <= v_next;
    exact   <= (first || exact) && !clipped;
    driven  <= driven_d;
    spent   <= spent_d;
    theta_q <= theta;
    b_q     <= b;
    if (rst) exact <= 1'b0;
  end
  always_comb if (!first) assume (theta == theta_q && b == b_q);

  always_comb if (!rst) begin
    formula: assert (!exact || sum_t'(signed'(v)) == driven - spent);
    if ((first || exact) && !clipped) begin
      threshold: assert (fire == (integrated >= sum_t'({1'b0, theta})));
      before_reset: assert (sum_t'(met) == integrated);
      fires: cover (fire && !first && theta == 7 && v == 3);
    end
  end
endmodule
`default_nettype wire
