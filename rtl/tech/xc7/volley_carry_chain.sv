// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Carry chain of the 7 series, carry[0] = 0:
//   sum[c] = s[c] ^ carry[c],  carry[c+1] = s[c] ? carry[c] : di[c]
// Combinational. Model: the cell's own, in the benches of volley_compressor and volley_adder_tree.
`default_nettype none
module volley_carry_chain #(
  parameter int unsigned WIDTH = 8             // columns
) (
  input  wire logic [WIDTH-1:0] s,             // the sum of the column's two addends
  input  wire logic [WIDTH-1:0] di,            // one of them
  output logic [WIDTH-1:0]      sum
);
  localparam int unsigned CELLS = (WIDTH + 3) / 4;
  logic [4*CELLS-1:0] s_all, di_all, sum_all;
  logic [4*CELLS-1:0] carry;                   // out of a column

  if (WIDTH < 1) begin : g_rule_width
    $fatal(1, "volley_carry_chain: WIDTH = %0d must be at least 1 (%m)", WIDTH);
  end

  assign s_all  = (4*CELLS)'(s);
  assign di_all = (4*CELLS)'(di);
  assign sum    = sum_all[WIDTH-1:0];

  for (genvar i = 0; i < CELLS; i++) begin : g_cell
    logic carry_in;
    if (i == 0) begin : g_first
      assign carry_in = 1'b0;
    end else begin : g_next
      assign carry_in = carry[4*i-1];
    end
    CARRY4 u_carry (
      .CI(carry_in), .CYINIT(1'b0), .S(s_all[4*i +: 4]), .DI(di_all[4*i +: 4]),
      .O(sum_all[4*i +: 4]), .CO(carry[4*i +: 4])
    );
  end
endmodule
`default_nettype wire
