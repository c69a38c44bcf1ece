// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Quantised ReLU on a stream, without a divider: code = clamp(floor((x + THETA/2) / THETA), 0, 15).
// One core of Volley, volley_neuron_radix, with constant parameters. Latency 5, 1 beat/cycle.
`default_nettype none
module relu #(
  parameter int unsigned THETA = 100           // step of the code, 1..127
) (
  input  wire logic        clk,
  input  wire logic        rst,                // synchronous, active high
  // Sink: x, signed
  input  wire logic        s_axis_tvalid,
  output logic             s_axis_tready,
  input  wire logic [15:0] s_axis_tdata,
  input  wire logic        s_axis_tlast,
  // Source: code
  output logic             m_axis_tvalid,
  input  wire logic        m_axis_tready,
  output logic [3:0]       m_axis_tdata,
  output logic             m_axis_tlast
);
  localparam int unsigned THETA_W = 7;
  localparam int unsigned BIAS_W  = 7;

  if (THETA < 1 || THETA > 127) begin : g_rule_theta
    $fatal(1, "relu: THETA = %0d is outside 1..127", THETA);
  end

  // V_W: |x| + b is at most 2^15 + 63, and there is a sign.
  volley_neuron_radix #(.IN_W(16), .THETA_W(THETA_W), .BIAS_W(BIAS_W), .V_W(17), .T(4)) u_neuron (
    .clk, .rst,
    .s_acc_tvalid(s_axis_tvalid), .s_acc_tready(s_axis_tready), .s_acc_tdata(s_axis_tdata), .s_acc_tlast(s_axis_tlast),
    .s_param_tvalid(1'b1), .s_param_tready(), .s_param_tdata({THETA_W'(THETA), BIAS_W'(THETA / 2)}),
    .m_spike_tvalid(m_axis_tvalid), .m_spike_tready(m_axis_tready), .m_spike_tdata(m_axis_tdata),
    .m_spike_tlast(m_axis_tlast)
  );
endmodule
`default_nettype wire
