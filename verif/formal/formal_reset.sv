// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Power-up: the first cycle is a reset. Every later one may be.
`default_nettype none
module formal_reset (
  input wire logic clk,
  input wire logic rst
);
  logic first = 1'b1;
  always_ff @(posedge clk) first <= 1'b0;
  always_comb if (first) assume (rst);
endmodule
`default_nettype wire
