// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Step delay, an edge with a delay: a frame is PASSES passes of BEATS beats; pass p of the output is pass
// p - DELAY of the input, the first DELAY passes of every frame are zeros. So its last DELAY passes are taken and dropped.
//
// Zeros need no input: they are offered from the second cycle after a reset on, and behind the last pass of a
// frame. That starts a loop. They and dropped beats take no room. Holds exactly DELAY*BEATS + 1 other beats and
// never refuses one while it has fewer; a loop has at most DELAY*BEATS of them here, so it cannot lock up.
// Latency 2 (DELAY*BEATS = 1: 1), 1 beat/cycle. s_axis_tready comes from registers only.
// tlast ends each pass, by counting. Model: verif/models/step_delay.py.
`default_nettype none
module volley_step_delay #(
  parameter int unsigned DATA_W = 8,           // payload width [bit]
  parameter int unsigned BEATS  = 16,          // beats per pass
  parameter int unsigned PASSES = 4,           // passes per frame
  parameter int unsigned DELAY  = 1            // passes that a beat waits, at most PASSES
) (
  input  wire logic              clk,
  input  wire logic              rst,          // synchronous, active high
  // Sink
  input  wire logic              s_axis_tvalid,
  output logic                   s_axis_tready,
  input  wire logic [DATA_W-1:0] s_axis_tdata,
  input  wire logic              s_axis_tlast,
  // Source
  output logic                   m_axis_tvalid,
  input  wire logic              m_axis_tready,
  output logic [DATA_W-1:0]      m_axis_tdata,
  output logic                   m_axis_tlast
);
  localparam int unsigned PASS_W = PASSES > 1 ? $clog2(PASSES) : 1;

  if (BEATS < 1 || PASSES < 1) begin : g_rule_beats
    $fatal(1, "volley_step_delay: BEATS = %0d and PASSES = %0d must be at least 1 (%m)", BEATS, PASSES);
  end
  if (DELAY < 1 || DELAY > PASSES) begin : g_rule_delay
    $fatal(1, "volley_step_delay: DELAY = %0d must be 1 to PASSES = %0d (%m)", DELAY, PASSES);
  end

  logic [PASS_W-1:0] s_pass, m_pass;
  logic              drop, zero;               // the pass coming in is dropped, the one going out 0
  logic              awake_q;                  // low in a reset: tvalid is low there
  logic              fifo_ready, fifo_valid;
  logic [DATA_W-1:0] fifo_data;

  volley_pass_counter #(.BEATS(BEATS), .PASSES(PASSES)) u_in (
    .clk, .rst,
    .step       (s_axis_tvalid && s_axis_tready),
    .tlast      (s_axis_tlast),
    .last       (),
    .frame_last (),
    .pass       (s_pass)
  );
  volley_pass_counter #(.BEATS(BEATS), .PASSES(PASSES)) u_out (
    .clk, .rst,
    .step       (m_axis_tvalid && m_axis_tready),
    .tlast      (m_axis_tlast),
    .last       (m_axis_tlast),
    .frame_last (),
    .pass       (m_pass)
  );

  assign drop = 32'(s_pass) + DELAY >= PASSES;
  assign zero = 32'(m_pass) < DELAY;

  always_ff @(posedge clk) begin
    awake_q <= 1'b1;
    if (rst) awake_q <= 1'b0;
  end

  volley_fifo #(.DATA_W(DATA_W), .DEPTH(DELAY * BEATS + 1)) u_fifo (
    .clk, .rst,
    .s_axis_tvalid (s_axis_tvalid && !drop),
    .s_axis_tready (fifo_ready),
    .s_axis_tdata,
    .s_axis_tlast  (1'b0),                     // counted on the way out
    .m_axis_tvalid (fifo_valid),
    .m_axis_tready (m_axis_tready && !zero),
    .m_axis_tdata  (fifo_data),
    .m_axis_tlast  (),
    .stat_count    ()
  );

  assign s_axis_tready = drop || fifo_ready;
  assign m_axis_tvalid = zero ? awake_q : fifo_valid;
  assign m_axis_tdata  = zero ? '0 : fifo_data;
endmodule
`default_nettype wire
