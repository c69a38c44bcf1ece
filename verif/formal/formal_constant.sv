// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Assumes that a free input keeps its value: any, but one for ever.
`default_nettype none
module formal_constant #(
  parameter int unsigned W = 1                 // [bit]
) (
  input wire logic         clk,
  input wire logic [W-1:0] value
);
  logic         known = 1'b0;
  logic [W-1:0] value_q;
  always_ff @(posedge clk) begin
    known   <= 1'b1;
    value_q <= value;
  end
  always_comb if (known) assume (value == value_q);
endmodule
`default_nettype wire
