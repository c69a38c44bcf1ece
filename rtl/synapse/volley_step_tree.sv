// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Weighted sum over TP time steps: sum_t 2^t * x[t], t = 0 the latest step. One register per level,
// latency ceil(log2 TP) cycles of `ce`. Shifts are wiring.
`default_nettype none
module volley_step_tree #(
  parameter int unsigned TP   = 4,             // operands
  parameter int unsigned IN_W = 8,             // bits of an operand, signed
  localparam int unsigned LEVELS = $clog2(TP),
  localparam int unsigned OUT_W  = IN_W + TP
) (
  input  wire logic               clk,
  input  wire logic               ce,
  input  wire logic [TP*IN_W-1:0] operands,
  output logic [OUT_W-1:0]        sum          // signed
);
  if (TP < 1 || IN_W < 1) begin : g_rule_tp
    $fatal(1, "volley_step_tree: TP and IN_W must be at least 1 (%m)");
  end

  for (genvar l = 0; l <= LEVELS; l++) begin : g_level
    localparam int unsigned NODES = (TP + (1 << l) - 1) >> l;
    localparam int unsigned SPAN  = (1 << l) < TP ? (1 << l) : TP;  // steps below one node
    localparam int unsigned W     = l == 0 ? IN_W : IN_W + SPAN;
    for (genvar i = 0; i < NODES; i++) begin : g_node
      logic signed [W-1:0] node;
      if (l == 0) begin : g_in
        assign node = operands[i*IN_W +: IN_W];
      end else if (2*i + 1 < (TP + (1 << (l - 1)) - 1) >> (l - 1)) begin : g_pair
        always_ff @(posedge clk)
          if (ce) node <= W'(g_level[l-1].g_node[2*i].node)
                        + (W'(g_level[l-1].g_node[2*i+1].node) <<< (1 << (l - 1)));
      end else begin : g_pass
        always_ff @(posedge clk) if (ce) node <= W'(g_level[l-1].g_node[2*i].node);
      end
    end
  end
  // Without operands there is no node: the rule above is to be heard, not a complaint about that.
  if (TP > 0) begin : g_root
    assign sum = OUT_W'(g_level[LEVELS].g_node[0].node);
  end
endmodule
`default_nettype wire
