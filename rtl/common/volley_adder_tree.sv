// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Registered adder tree: sum of N signed numbers, one register per level. Latency ceil(log2 N)
// cycles of `ce`. Widths grow one bit a level, so nothing can overflow.
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

  for (genvar l = 0; l <= LEVELS; l++) begin : g_level
    localparam int unsigned NODES = (N + (1 << l) - 1) >> l;
    localparam int unsigned W     = IN_W + l;
    for (genvar i = 0; i < NODES; i++) begin : g_node
      logic signed [W-1:0] node;               // one variable a node: simulates twice as fast as an array
      if (l == 0) begin : g_in
        assign node = operands[i*IN_W +: IN_W];
      end else if (2*i + 1 < (N + (1 << (l - 1)) - 1) >> (l - 1)) begin : g_pair
        always_ff @(posedge clk)
          if (ce) node <= W'(g_level[l-1].g_node[2*i].node) + W'(g_level[l-1].g_node[2*i+1].node);
      end else begin : g_pass
        always_ff @(posedge clk) if (ce) node <= W'(g_level[l-1].g_node[2*i].node);
      end
    end
  end
  // Without operands there is no node: the rule above is to be heard, not a complaint about that.
  if (N > 0) begin : g_root
    assign sum = g_level[LEVELS].g_node[0].node;
  end
endmodule
`default_nettype wire
