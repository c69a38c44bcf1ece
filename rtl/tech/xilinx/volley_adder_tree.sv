// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Registered adder tree: sum of N signed numbers, in rows of 4:2 compressors: half the LUTs of
// adders. Latency ceil(log2 N) cycles of `ce`; the sum has as many bits more than an operand.
// Model: verif/models/adder_tree.py. Portable twin: rtl/common/volley_adder_tree.sv.
`default_nettype none
module volley_adder_tree #(
  parameter int unsigned N    = 16,            // operands
  parameter int unsigned IN_W = 4,             // bits of an operand
  localparam int unsigned LEVELS = $clog2(N),
  localparam int unsigned OUT_W  = IN_W + LEVELS
) (
  input  wire logic              clk,
  input  wire logic              ce,
  input  wire logic [N*IN_W-1:0] operands,
  output logic [OUT_W-1:0]       sum           // signed
);
  if (N < 1 || IN_W < 1) begin : g_rule_n
    $fatal(1, "volley_adder_tree: N and IN_W must be at least 1 (%m)");
  end

  volley_compressor_tree #(.N(N), .IN_W(IN_W), .GROUP(N), .OUT_W(OUT_W)) u_tree (
    .clk, .ce, .operands, .sum
  );
endmodule
`default_nettype wire
