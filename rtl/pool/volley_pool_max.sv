// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Max pooling: the largest of TAPS numbers, lane by lane. Radix words and counts: padded taps carry 0.
// SIGNED = 1: potentials, one lane for each number; padded taps carry the lowest one.
// Tree with a register per level: latency max(1, ceil(log2 TAPS)), 1 beat/cycle.
// Model: verif/models/pool.py.
`default_nettype none
module volley_pool_max #(
  parameter int unsigned LANES  = 1,           // channels per beat
  parameter int unsigned WORD_W = 4,           // bits of a number (T of a radix word)
  parameter int unsigned TAPS   = 4,           // numbers per window
  parameter int unsigned PIX    = 1,           // pixels per beat, a window each
  parameter bit          SIGNED = 1'b0         // 1: two's complement
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
  output logic [PIX*LANES*WORD_W-1:0]           m_spike_tdata,
  output logic                                  m_spike_tlast
);
  localparam int unsigned LEVELS = TAPS > 1 ? $clog2(TAPS) : 1;

  if (LANES < 1 || WORD_W < 1 || TAPS < 1 || PIX < 1) begin : g_rule_lanes
    $fatal(1, "volley_pool_max: LANES, WORD_W, TAPS and PIX must be at least 1 (%m)");
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

  for (genvar l = 0; l <= LEVELS; l++) begin : g_level
    localparam int unsigned NODES = (TAPS + (1 << l) - 1) >> l;
    for (genvar i = 0; i < NODES; i++) begin : g_node
      logic [PIX*LANES*WORD_W-1:0] node;       // of every pixel
      if (l == 0) begin : g_in
        for (genvar p = 0; p < PIX; p++) begin : g_pixel
          assign node[p*LANES*WORD_W +: LANES*WORD_W] = s_window_tdata[(p*TAPS + i)*LANES*WORD_W +: LANES*WORD_W];
        end
      end else if (2*i + 1 < (TAPS + (1 << (l - 1)) - 1) >> (l - 1)) begin : g_pair
        for (genvar k = 0; k < PIX * LANES; k++) begin : g_lane
          logic [WORD_W-1:0] a, b;
          logic              larger;
          assign a = g_level[l-1].g_node[2*i].node[k*WORD_W +: WORD_W];
          assign b = g_level[l-1].g_node[2*i+1].node[k*WORD_W +: WORD_W];
          assign larger = signed'({SIGNED && a[WORD_W-1], a}) > signed'({SIGNED && b[WORD_W-1], b});
          always_ff @(posedge clk) if (ce) node[k*WORD_W +: WORD_W] <= larger ? a : b;
        end
      end else begin : g_pass
        always_ff @(posedge clk) if (ce) node <= g_level[l-1].g_node[2*i].node;
      end
    end
  end
  // Without taps there is no node: the rule above is to be heard, not a complaint about that.
  if (TAPS > 0) begin : g_root
    assign m_spike_tdata = g_level[LEVELS].g_node[0].node;
  end
endmodule
`default_nettype wire
