// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Phase encoder of static pixels, which arrive once per pass: the pixel's bits, the highest first,
// over and over.
//   spike[t] = bit 7 - (t mod 8) of p
// Latency 1, 1 beat/cycle.
// Model: verif/models/encode_phase.py.
`default_nettype none
module volley_encode_phase #(
  parameter int unsigned LANES = 1,            // channels per beat
  parameter int unsigned T     = 16,           // time steps
  parameter int unsigned TB    = 4,            // steps per pass, divides T
  parameter int unsigned BEATS = 64,           // beats per pass
  parameter int unsigned PIX   = 1             // pixels per beat
) (
  input  wire logic                clk,
  input  wire logic                rst,        // synchronous, active high
  // Sink: 8-bit pixels, lane 0 in the least significant bits
  input  wire logic                s_pixel_tvalid,
  output logic                     s_pixel_tready,
  input  wire logic [LANES*8-1:0]  s_pixel_tdata,
  input  wire logic                s_pixel_tlast,
  // Source: TB steps of each lane, the earliest in the most significant bit
  output logic                     m_spike_tvalid,
  input  wire logic                m_spike_tready,
  output logic [LANES*TB-1:0]      m_spike_tdata,
  output logic                     m_spike_tlast
);
  localparam int unsigned PASSES = T / TB;
  localparam int unsigned PASS_W = PASSES > 1 ? $clog2(PASSES) : 1;

  if (PIX != 1) begin : g_rule_pix
    $fatal(1, "volley_encode_phase: PIX = %0d, only 1 pixel per beat is supported (%m)", PIX);
  end
  if (LANES < 1) begin : g_rule_lanes
    $fatal(1, "volley_encode_phase: LANES = %0d must be at least 1 (%m)", LANES);
  end
  if (TB < 1 || T % TB != 0) begin : g_rule_tb
    $fatal(1, "volley_encode_phase: TB = %0d does not divide T = %0d (%m)", TB, T);
  end

  logic                ce, last;
  logic [PASS_W-1:0]   pass;
  logic [LANES*TB-1:0] spike;

  assign ce             = !m_spike_tvalid || m_spike_tready;
  assign s_pixel_tready = ce;

  volley_pass_counter #(.BEATS(BEATS), .PASSES(PASSES)) u_counter (
    .clk, .rst, .step(s_pixel_tvalid && ce), .tlast(s_pixel_tlast), .last, .frame_last(), .pass
  );

  always_ff @(posedge clk) begin
    if (ce) begin
      m_spike_tvalid <= s_pixel_tvalid;
      m_spike_tdata  <= spike;
      m_spike_tlast  <= last;
    end
    if (rst) m_spike_tvalid <= 1'b0;
  end

  logic [2:0] now;                             // first step of the pass, mod 8
  assign now = 3'(pass) * 3'(TB);

  for (genvar l = 0; l < LANES; l++) begin : g_lane
    logic [7:0] pixel;
    assign pixel = s_pixel_tdata[l*8 +: 8];
    for (genvar j = 0; j < TB; j++) begin : g_step
      assign spike[l*TB + TB-1-j] = pixel[3'(7 - j) - now];
    end
  end
endmodule
`default_nettype wire
