// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// scaled = FACTOR*number mod 2^OUT_W, by shifts and additions: for products too small for a DSP
// block, which `*` would take. Latency 0.
// Model: the formula; tested inside the encoders.
`default_nettype none
module volley_scale #(
  parameter int unsigned FACTOR = 3,
  parameter int unsigned IN_W   = 8,           // bits of the number
  parameter int unsigned OUT_W  = 10           // bits of the product, 1..32
) (
  input  wire logic [IN_W-1:0] number,
  output logic [OUT_W-1:0]     scaled          // FACTOR * number
);
  if (IN_W < 1) begin : g_rule_in_w
    $fatal(1, "volley_scale: IN_W = %0d must be at least 1 (%m)", IN_W);
  end
  if (OUT_W < 1 || OUT_W > 32) begin : g_rule_out_w
    $fatal(1, "volley_scale: OUT_W = %0d is outside 1..32 (%m)", OUT_W);
  end

  always_comb begin
    scaled = '0;
    for (int unsigned i = 0; i < OUT_W; i++)
      if (FACTOR[i]) scaled = scaled + (OUT_W'(number) << i);
  end
endmodule
`default_nettype wire
