// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Radix encoder of 8-bit pixels. A code is its own spike train: bit T-1 is the first time step.
//   code = min((p + 2^(7-T)) >> (8-T), 2^T - 1) for T < 8;  code = p for T = 8
// Each pixel by itself: PIX pixels of LANES channels are PIX * LANES lanes. Latency 1, 1 beat/cycle.
// Model: verif/models/encode_radix.py.
`default_nettype none
module volley_encode_radix #(
  parameter int unsigned LANES = 1,            // channels per beat
  parameter int unsigned T     = 4,            // time steps, 1..8
  parameter int unsigned PIX   = 1             // pixels per beat
) (
  input  wire logic                   clk,
  input  wire logic                   rst,     // synchronous, active high
  // Sink: 8-bit pixels, lane 0 of the leftmost pixel in the least significant bits
  input  wire logic                   s_pixel_tvalid,
  output logic                        s_pixel_tready,
  input  wire logic [PIX*LANES*8-1:0] s_pixel_tdata,
  input  wire logic                   s_pixel_tlast,
  // Source: radix spike words
  output logic                        m_spike_tvalid,
  input  wire logic                   m_spike_tready,
  output logic [PIX*LANES*T-1:0]      m_spike_tdata,
  output logic                        m_spike_tlast
);
  if (LANES < 1) begin : g_rule_lanes
    $fatal(1, "volley_encode_radix: LANES = %0d must be at least 1 (%m)", LANES);
  end
  if (PIX < 1) begin : g_rule_pix
    $fatal(1, "volley_encode_radix: PIX = %0d must be at least 1 (%m)", PIX);
  end
  if (T < 1 || T > 8) begin : g_rule_t
    $fatal(1, "volley_encode_radix: T = %0d is outside 1..8 (%m)", T);
  end

  logic [PIX*LANES*T-1:0] code;

  for (genvar l = 0; l < PIX * LANES; l++) begin : g_lane
    logic [7:0] pixel;
    assign pixel = s_pixel_tdata[l*8 +: 8];
    if (T == 8) begin : g_all
      assign code[l*T +: T] = pixel;
    end else begin : g_round
      // Rounding at the last kept bit; the carry out of the pixel is the only overflow there is.
      localparam logic [8:0] HALF = 9'(1 << (7 - T));
      logic [8:0] sum;
      assign sum = 9'(pixel) + HALF;
      assign code[l*T +: T] = sum[8] ? '1 : sum[7 -: T];
    end
  end

  assign s_pixel_tready = !m_spike_tvalid || m_spike_tready;

  always_ff @(posedge clk) begin
    if (s_pixel_tready) begin
      m_spike_tvalid <= s_pixel_tvalid;
      m_spike_tdata  <= code;
      m_spike_tlast  <= s_pixel_tlast;
    end
    if (rst) m_spike_tvalid <= 1'b0;
  end
endmodule
`default_nettype wire
