// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Weighted sum over TP time steps: sum_t 2^t * x[t], t = 0 the latest step, in rows of 4:2
// compressors. Latency ceil(log2 TP) cycles of `ce`.
// Model: verif/models/adder_tree.py. Portable twin: rtl/synapse/volley_step_tree.sv.
`default_nettype none
module volley_step_tree #(
  parameter int unsigned TP   = 4,             // operands
  parameter int unsigned IN_W = 8,             // bits of an operand, signed
  localparam int unsigned OUT_W = IN_W + TP
) (
  input  wire logic               clk,
  input  wire logic               ce,
  input  wire logic [TP*IN_W-1:0] operands,
  output logic [OUT_W-1:0]        sum          // signed
);
  if (TP < 1 || IN_W < 1) begin : g_rule_tp
    $fatal(1, "volley_step_tree: TP and IN_W must be at least 1 (%m)");
  end

  volley_compressor_tree #(.N(TP), .IN_W(IN_W), .GROUP(1), .OUT_W(OUT_W)) u_tree (
    .clk, .ce, .operands, .sum
  );
endmodule
`default_nettype wire
