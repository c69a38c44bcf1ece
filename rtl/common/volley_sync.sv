// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Synchroniser: brings bits of another clock into this one through STAGES registers. Latency STAGES cycles, one more
// where a bit changes so close to the clock's edge that the first register misses it. Each bit is taken alone: of bits
// that change together some may come a cycle earlier, so a bus has to change one bit at a time (gray code). The bits
// come straight from registers of the other clock: a glitch of logic in front would be taken for a value.
// Constraints: that of the cell around it, volley_fifo_async.xdc for one. Proof: verif/formal/formal_fifo_async.sv.
`default_nettype none
module volley_sync #(
  parameter int unsigned W      = 1,           // bits
  parameter int unsigned STAGES = 2            // registers in a row, >= 2
) (
  input  wire logic         clk,               // of the output
  input  wire logic [W-1:0] d,                 // registers of any other clock
  output logic [W-1:0]      q
);
  if (W < 1) begin : g_rule_w
    $fatal(1, "volley_sync: W = %0d must be at least 1 (%m)", W);
  end
  if (STAGES < 2) begin : g_rule_stages
    $fatal(1, "volley_sync: STAGES = %0d must be at least 2 (%m)", STAGES);
  end

  // Together in one slice, and no shift register of a LUT; `keep` says so to yosys. No reset: resets cross through them.
  (* ASYNC_REG = "TRUE", SHREG_EXTRACT = "NO", keep = "true" *)
  logic [W-1:0] first_q = '0;                  // may be metastable
  (* ASYNC_REG = "TRUE", SHREG_EXTRACT = "NO", keep = "true" *)
  logic [STAGES-2:0][W-1:0] later_q = '0;      // the newest is the lowest

  always_ff @(posedge clk) begin
    first_q <= d;
    later_q <= ((STAGES-1)*W)'({later_q, first_q});
  end

  assign q = later_q[STAGES-2];
endmodule
`default_nettype wire
