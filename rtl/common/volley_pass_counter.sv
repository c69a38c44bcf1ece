// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Counts a frame's beats: PASSES passes of BEATS beats. The outputs describe the present beat;
// `step` goes on to the next. Latency 0. The mark that came with a beat is asserted, never used: a
// wrong one cannot move a core out of its frame.
// Model: the order of beats in docs/streams.md; tested inside the encoders and volley_replay.
`default_nettype none
module volley_pass_counter #(
  parameter int unsigned BEATS  = 1,           // per pass
  parameter int unsigned PASSES = 1,           // per frame
  localparam int unsigned PASS_W = PASSES > 1 ? $clog2(PASSES) : 1
) (
  input  wire logic          clk,
  input  wire logic          rst,              // synchronous, active high
  input  wire logic          step,             // the present beat moves
  input  wire logic          tlast,            // as it came with the present beat
  output logic               last,             // the present beat ends a pass,
  output logic               frame_last,       // and the frame
  output logic [PASS_W-1:0]  pass              // number of the present pass
);
  localparam int unsigned BEAT_W = BEATS > 1 ? $clog2(BEATS) : 1;

  if (BEATS < 1) begin : g_rule_beats
    $fatal(1, "volley_pass_counter: BEATS = %0d, a pass has at least 1 (%m)", BEATS);
  end
  if (PASSES < 1) begin : g_rule_passes
    $fatal(1, "volley_pass_counter: PASSES = %0d, a frame has at least 1 (%m)", PASSES);
  end

  logic [BEAT_W-1:0] beat;

  assign last       = beat == BEAT_W'(BEATS - 1);
  assign frame_last = last && pass == PASS_W'(PASSES - 1);

  always_ff @(posedge clk) begin
    if (step) begin
      beat <= last ? '0 : beat + 1'b1;
      if (last) pass <= frame_last ? '0 : pass + 1'b1;
    end
    if (rst) {beat, pass} <= '0;
  end

`ifndef SYNTHESIS
  always_ff @(posedge clk)
    if (!rst && step)
      assert (tlast == last) else $error("volley_pass_counter: tlast out of step with BEATS");
`endif
endmodule
`default_nettype wire
