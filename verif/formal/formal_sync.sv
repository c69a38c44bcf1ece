// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// What a volley_sync may do. Its first register is cut loose (prove.py, `cut`): each of its bits, alone, resolves to the
// value before the step of its clock's edge or to that behind it, whatever the source's clock does in the same step. The
// others have to be a plain delay of it, so nothing but the second register ever looks at what may be metastable.
`default_nettype none
module formal_sync #(
  parameter int unsigned W      = 1,
  parameter int unsigned STAGES = 2
) (
  input wire logic                     clk,    // a step of the proof
  input wire logic                     tick,   // in this step, the synchroniser's clock has an edge
  input wire logic [W-1:0]             d,
  input wire logic [W-1:0]             first,
  input wire logic [STAGES-2:0][W-1:0] later,
  input wire logic [W-1:0]             q
);
  logic                     known = 1'b0, fresh = 1'b0;
  logic [W-1:0]             captured, earlier;
  logic [STAGES-2:0][W-1:0] delayed = '0;

  always_ff @(posedge clk) begin
    known    <= 1'b1;
    fresh    <= tick;
    captured <= d;
    earlier  <= first;
    if (tick) delayed <= ((STAGES-1)*W)'({delayed, first});
  end

  always_comb begin
    if (!known) power_up: assume (first == '0);
    else if (fresh) either: assume (((first ^ captured) & (first ^ d)) == '0);
    else holds: assume (first == earlier);
    settles: assert (later == delayed && q == delayed[STAGES-2]);
    old: cover (fresh && first != d);
    changed: cover (fresh && captured != d && first == d);
  end
endmodule
`default_nettype wire
