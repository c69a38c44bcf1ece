// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Readout: the last layer does not fire, its potentials are the logits, as int32.
//   logit = 2^EXPONENT * h + b
// Latency 1, 1 beat/cycle. Model: verif/models/readout.py.
`default_nettype none
module volley_readout #(
  parameter int unsigned LANES    = 1,         // logits per beat
  parameter int unsigned IN_W     = 12,        // bits of a potential h, signed
  parameter int unsigned EXPONENT = 0,         // e
  parameter int unsigned BIAS_W   = 12,        // bits of b, signed
  parameter int unsigned PIX      = 1          // pixels per beat
) (
  input  wire logic                    clk,
  input  wire logic                    rst,    // synchronous, active high
  // Sink: potentials
  input  wire logic                    s_acc_tvalid,
  output logic                         s_acc_tready,
  input  wire logic [LANES*IN_W-1:0]   s_acc_tdata,
  input  wire logic                    s_acc_tlast,
  // Sink: biases of the same channels
  input  wire logic                    s_param_tvalid,
  output logic                         s_param_tready,
  input  wire logic [LANES*BIAS_W-1:0] s_param_tdata,
  // Source: int32 logits
  output logic                         m_logit_tvalid,
  input  wire logic                    m_logit_tready,
  output logic [LANES*32-1:0]          m_logit_tdata,
  output logic                         m_logit_tlast
);
  if (PIX != 1) begin : g_rule_pix
    $fatal(1, "volley_readout: PIX = %0d, only 1 pixel per beat is supported (%m)", PIX);
  end
  if (LANES < 1 || IN_W < 1 || BIAS_W < 1) begin : g_rule_lanes
    $fatal(1, "volley_readout: LANES, IN_W and BIAS_W must be at least 1 (%m)");
  end
  if (IN_W + EXPONENT > 32 || BIAS_W > 32) begin : g_rule_in_w
    $fatal(1, "volley_readout: 2^EXPONENT * h or b does not fit an int32 (%m)");
  end

  logic ce;
  assign ce             = !m_logit_tvalid || m_logit_tready;
  assign s_acc_tready   = ce && s_param_tvalid;
  assign s_param_tready = ce && s_acc_tvalid;

  always_ff @(posedge clk) begin
    if (ce) begin
      m_logit_tvalid <= s_acc_tvalid && s_param_tvalid;
      m_logit_tlast  <= s_acc_tlast;
      for (int unsigned l = 0; l < LANES; l++)
        m_logit_tdata[l*32 +: 32] <= (32'(signed'(s_acc_tdata[l*IN_W +: IN_W])) <<< EXPONENT)
                                   + 32'(signed'(s_param_tdata[l*BIAS_W +: BIAS_W]));
    end
    if (rst) m_logit_tvalid <= 1'b0;
  end

`ifndef SYNTHESIS
  for (genvar l = 0; l < LANES; l++) begin : g_check
    logic signed [32:0] exact;
    assign exact = (33'(signed'(s_acc_tdata[l*IN_W +: IN_W])) <<< EXPONENT)
                 + 33'(signed'(s_param_tdata[l*BIAS_W +: BIAS_W]));
    always_ff @(posedge clk)
      if (!rst && s_acc_tvalid && s_acc_tready)
        assert (exact == 33'(signed'(exact[31:0]))) else $error("volley_readout: a logit does not fit an int32");
  end
`endif
endmodule
`default_nettype wire
