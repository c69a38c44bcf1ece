// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Sum pooling: the sum of TAPS radix words, lane by lane, as a wider word. Average pooling leaves
// its divisor to the next layer's scale or neuron. Padded taps carry code 0.
// Latency max(1, ceil(log2 TAPS)), 1 beat/cycle. Model: verif/models/pool.py.
`default_nettype none
module volley_pool_sum #(
  parameter int unsigned LANES  = 1,           // channels per beat
  parameter int unsigned WORD_W = 4,           // bits of a word (T)
  parameter int unsigned TAPS   = 4,           // words per window
  parameter int unsigned PIX    = 1,           // pixels per beat, a window each
  localparam int unsigned OUT_W = $clog2(TAPS * ((1 << WORD_W) - 1) + 1)  // holds the largest sum
) (
  input  wire logic                             clk,
  input  wire logic                             rst, // synchronous, active high
  // Sink: for each pixel its window, tap slowest
  input  wire logic                             s_window_tvalid,
  output logic                                  s_window_tready,
  input  wire logic [PIX*TAPS*LANES*WORD_W-1:0] s_window_tdata,
  input  wire logic                             s_window_tlast,
  // Source
  output logic                                  m_spike_tvalid,
  input  wire logic                             m_spike_tready,
  output logic [PIX*LANES*OUT_W-1:0]            m_spike_tdata,
  output logic                                  m_spike_tlast
);
  localparam int unsigned LEVELS = TAPS > 1 ? $clog2(TAPS) : 1;
  localparam int unsigned TREE_W = WORD_W + 1 + $clog2(TAPS);

  if (LANES < 1 || WORD_W < 1 || TAPS < 1 || PIX < 1) begin : g_rule_lanes
    $fatal(1, "volley_pool_sum: LANES, WORD_W, TAPS and PIX must be at least 1 (%m)");
  end
  if (WORD_W + $clog2(TAPS) > 31) begin : g_rule_word_w
    $fatal(1, "volley_pool_sum: WORD_W = %0d, TAPS = %0d: a sum has more than 31 bits (%m)", WORD_W, TAPS);
  end

  logic [LEVELS-1:0] valid_q, last_q;
  logic              ce;

  assign ce              = !m_spike_tvalid || m_spike_tready;
  assign s_window_tready = ce;
  assign m_spike_tvalid  = valid_q[LEVELS-1];
  assign m_spike_tlast   = last_q[LEVELS-1];

  always_ff @(posedge clk) begin
    if (ce) begin
      valid_q <= LEVELS'({valid_q, s_window_tvalid});
      last_q  <= LEVELS'({last_q, s_window_tlast});
    end
    if (rst) valid_q <= '0;
  end

  for (genvar k = 0; k < PIX * LANES; k++) begin : g_lane
    logic [TAPS*(WORD_W+1)-1:0] operands;      // a sign bit of 0 in front of each word
    logic [TREE_W-1:0]          sum;
    for (genvar i = 0; i < TAPS; i++) begin : g_tap
      localparam int unsigned WORD = (k/LANES*TAPS + i)*LANES + k%LANES;  // of this pixel's window
      assign operands[i*(WORD_W+1) +: WORD_W+1] = {1'b0, s_window_tdata[WORD*WORD_W +: WORD_W]};
    end
    volley_adder_tree #(.N(TAPS), .IN_W(WORD_W + 1)) u_tree (.clk, .ce, .operands, .sum);
    if (TAPS > 1) begin : g_tree
      assign m_spike_tdata[k*OUT_W +: OUT_W] = sum[OUT_W-1:0];
    end else begin : g_one
      always_ff @(posedge clk) if (ce) m_spike_tdata[k*OUT_W +: OUT_W] <= sum[OUT_W-1:0];
    end
  end
endmodule
`default_nettype wire
