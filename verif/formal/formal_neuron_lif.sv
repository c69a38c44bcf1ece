// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_neuron_lif as integrate-and-fire: the word of every beat, any one is followed, is that of
// the equations v += acc + b; s = v >= theta; v -= s * theta, with v of the same neuron from pass
// to pass and 0 at the start of each frame; tlast ends each pass; nothing saturates at this width;
// both sinks' beats are taken together.
`default_nettype none
module formal_neuron_lif #(
  parameter bit          UNROLLED = 1'b1,
  parameter int unsigned TB       = 2,
  parameter int unsigned PASSES   = 2,
  parameter int unsigned BEATS    = 2,
  parameter int unsigned W        = 2,         // bits of acc, b and theta
  localparam int unsigned V_W     = W + 1 + $clog2(TB * PASSES + 1),
  localparam int unsigned MOST    = !UNROLLED ? 1 : BEATS > TB ? TB + 1 : BEATS
) (
  input wire logic            clk,
  input wire logic            rst,
  input wire logic            pick,
  input wire logic            acc_tvalid,
  input wire logic [TB*W-1:0] acc,
  input wire logic            acc_tlast,       // free: it must not matter
  input wire logic            param_tvalid,
  input wire logic [W-1:0]    theta,
  input wire logic [W-1:0]    b,
  input wire logic            m_tready
);
  typedef logic signed [V_W:0] v_t;
  logic          acc_tready, param_tready, m_tvalid, m_tlast;
  logic [TB-1:0] m_tdata;
  logic [31:0]   stat_saturated;

  volley_neuron_lif #(
    .LANES(1), .TB(TB), .PASSES(PASSES), .BEATS(BEATS), .UNROLLED(UNROLLED), .IN_W(W), .BIAS_W(W),
    .THETA_W(W), .V_W(V_W)
  ) dut (
    .clk, .rst,
    .s_acc_tvalid(acc_tvalid), .s_acc_tready(acc_tready), .s_acc_tdata(acc),
    .s_acc_tlast(acc_tlast), .s_param_tvalid(param_tvalid), .s_param_tready(param_tready),
    .s_param_tdata({theta, b}), .m_spike_tvalid(m_tvalid), .m_spike_tready(m_tready),
    .m_spike_tdata(m_tdata), .m_spike_tlast(m_tlast),
    .stat_saturated
  );

  formal_reset u_reset (.clk, .rst);
  formal_hold #(.W(TB * W), .ASSUME(1'b1)) u_acc (
    .clk, .rst, .tvalid(acc_tvalid), .tready(acc_tready), .payload(acc));
  formal_hold #(.W(2 * W), .ASSUME(1'b1)) u_param (
    .clk, .rst, .tvalid(param_tvalid), .tready(param_tready), .payload({theta, b}));
  formal_hold #(.W(TB + 1)) u_m (
    .clk, .rst, .tvalid(m_tvalid), .tready(m_tready), .payload({m_tlast, m_tdata}));

  // The equations, at the beat that is offered.
  localparam int unsigned BEAT_W = BEATS > 1 ? $clog2(BEATS) : 1;
  logic [BEAT_W-1:0]           beat;
  logic [$clog2(PASSES+1)-1:0] pass;
  v_t                          v [BEATS];
  v_t                          v_in [TB+1];
  logic [TB-1:0]               word;
  logic                        end_of_pass;
  assign end_of_pass = beat == BEAT_W'(BEATS - 1);
  assign v_in[0]     = pass == '0 ? '0 : v[beat];
  for (genvar j = 0; j < TB; j++) begin : g_step
    v_t integrated;
    assign integrated   = v_in[j] + v_t'(signed'(acc[(TB-1-j)*W +: W])) + v_t'(signed'(b));
    assign word[TB-1-j] = integrated >= v_t'({1'b0, theta});
    assign v_in[j+1]    = word[TB-1-j] ? integrated - v_t'({1'b0, theta}) : integrated;
  end

  always_ff @(posedge clk) begin
    if (acc_tvalid && acc_tready) begin
      v[beat] <= v_in[TB];
      beat    <= end_of_pass ? '0 : beat + 1'b1;
      if (end_of_pass) pass <= 32'(pass) == PASSES - 1 ? '0 : pass + 1'b1;
    end
    if (rst) begin
      beat <= '0;
      pass <= '0;
    end
  end

  logic                        tracked, leaves, last, second_frame;
  logic [$clog2(MOST + 2)-1:0] held, ahead;
  logic [TB-1:0]               expected;
  formal_track #(.W(TB + 1), .N(UNROLLED ? TB + 1 : TB), .MOST(MOST)) u_track (
    .clk, .rst, .pick, .s_tvalid(acc_tvalid && param_tvalid), .s_tready(acc_tready),
    .s_value({end_of_pass, word}), .m_tvalid, .m_tready, .held, .tracked, .ahead,
    .value({last, expected}), .leaves
  );
  always_ff @(posedge clk) second_frame <= !rst && (second_frame || 32'(pass) == PASSES - 1);

  always_comb if (!rst) begin
    together: assert ((acc_tvalid && acc_tready) == (param_tvalid && param_tready));
    no_saturation: assert (stat_saturated == '0);
    if (leaves) begin
      right_word: assert (m_tdata == expected && m_tlast == last);
      next_frame: cover (m_tready && second_frame && pass == '0 && m_tdata != '0);
    end
  end
endmodule
`default_nettype wire
