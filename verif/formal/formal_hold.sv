// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// The rule of every stream: once tvalid is high, it and the payload hold until tready, reset apart.
// A harness assumes it of what drives the cell and asserts it of the cell.
`default_nettype none
module formal_hold #(
  parameter int unsigned W      = 8,           // payload width, tlast included [bit]
  parameter bit          ASSUME = 1'b0
) (
  input wire logic         clk,
  input wire logic         rst,
  input wire logic         tvalid,
  input wire logic         tready,
  input wire logic [W-1:0] payload
);
  logic         waits_q = 1'b0;                // offered and not taken in the cycle before
  logic [W-1:0] payload_q;

  always_ff @(posedge clk) begin
    waits_q   <= !rst && tvalid && !tready;
    payload_q <= payload;
  end

  if (ASSUME) begin : g_assume
    always_comb if (waits_q && !rst) hold: assume (tvalid && payload == payload_q);
  end else begin : g_assert
    always_comb if (waits_q && !rst) hold: assert (tvalid && payload == payload_q);
  end
endmodule
`default_nettype wire
