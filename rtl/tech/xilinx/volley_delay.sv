// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Delay without reset or tap, so that synthesis makes it of shift-register LUTs.
// Latency: TICKS cycles of `ce`, 0 is a wire.
`default_nettype none
module volley_delay #(
  parameter int unsigned DATA_W = 8,           // bits
  parameter int unsigned TICKS  = 1
) (
  input  wire logic              clk,
  input  wire logic              ce,
  input  wire logic [DATA_W-1:0] d,
  output logic [DATA_W-1:0]      q
);
  if (DATA_W < 1) begin : g_rule_data_w
    $fatal(1, "volley_delay: DATA_W = %0d must be at least 1 (%m)", DATA_W);
  end

  if (TICKS == 0) begin : g_wire
    assign q = d;
  end else begin : g_shift
    logic [TICKS*DATA_W-1:0] past;
    always_ff @(posedge clk) if (ce) past <= (TICKS*DATA_W)'({past, d});
    assign q = past[TICKS*DATA_W-1 -: DATA_W];
  end
endmodule
`default_nettype wire
