// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// The rules of every stream: once tvalid is high, it and the payload hold until tready, reset apart; and tvalid is
// low behind every clock edge with rst. A harness asserts both of the cell. Of what drives the cell it assumes the
// first one, and with QUIET the second one too: for a cell whose tvalid is made of its sinks' in the same cycle.
`default_nettype none
module formal_hold #(
  parameter int unsigned W      = 8,           // payload width, tlast included [bit]
  parameter bit          ASSUME = 1'b0,
  parameter bit          QUIET  = !ASSUME
) (
  input wire logic         clk,
  input wire logic         rst,
  input wire logic         tvalid,
  input wire logic         tready,
  input wire logic [W-1:0] payload
);
  logic         waits_q = 1'b0;                // offered and not taken in the cycle before
  logic [W-1:0] payload_q;
  logic         reset_q = 1'b0;                // rst at the clock edge before

  always_ff @(posedge clk) begin
    reset_q   <= rst;
    waits_q   <= !rst && tvalid && !tready;
    payload_q <= payload;
  end

  if (ASSUME) begin : g_assume
    always_comb if (waits_q && !rst) hold: assume (tvalid && payload == payload_q);
    if (QUIET) begin : g_quiet
      always_comb if (reset_q) quiet: assume (!tvalid);
    end
  end else begin : g_assert
    always_comb if (waits_q && !rst) hold: assert (tvalid && payload == payload_q);
    always_comb if (reset_q) quiet: assert (!tvalid);
  end
endmodule
`default_nettype wire
