// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Burst encoder of static pixels, which arrive once per pass: the brighter, the more spikes and the
// denser.
//   isi = ISI_MAX - floor((ISI_MAX - ISI_MIN)*p/256), count = floor((COUNT*p + 255)/256)
//   spike[t] = t is k*isi for a k in 0 .. count-1
// Latency 1, 1 beat/cycle.
// Model: verif/models/encode_burst.py.
`default_nettype none
module volley_encode_burst #(
  parameter int unsigned LANES = 1,            // channels per beat
  parameter int unsigned T     = 16,           // time steps
  parameter int unsigned TB    = 4,            // steps per pass, divides T
  parameter int unsigned BEATS = 64,           // beats per pass
  parameter int unsigned ISI_MIN = 1,          // steps between the spikes of the brightest pixel,
  parameter int unsigned ISI_MAX = 4,          // and of the darkest
  parameter int unsigned COUNT   = 4,          // spikes of the brightest pixel, 1..255
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
    $fatal(1, "volley_encode_burst: PIX = %0d, only 1 pixel per beat is supported (%m)", PIX);
  end
  if (LANES < 1) begin : g_rule_lanes
    $fatal(1, "volley_encode_burst: LANES = %0d must be at least 1 (%m)", LANES);
  end
  if (TB < 1 || T % TB != 0) begin : g_rule_tb
    $fatal(1, "volley_encode_burst: TB = %0d does not divide T = %0d (%m)", TB, T);
  end
  if (ISI_MIN < 1 || ISI_MIN > ISI_MAX) begin : g_rule_isi_min
    $fatal(1, "volley_encode_burst: ISI_MIN = %0d is outside 1..ISI_MAX = %0d (%m)", ISI_MIN, ISI_MAX);
  end
  if (COUNT < 1 || COUNT > 255) begin : g_rule_count
    $fatal(1, "volley_encode_burst: COUNT = %0d is outside 1..255 (%m)", COUNT);
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

  // A k whose spike lies beyond the frame in every pixel needs no comparator.
  // An ISI_MIN of 0 is refused above, which Verilator says only if nothing is divided by it.
  localparam int unsigned FITTING = ISI_MIN > 0 ? (T + ISI_MIN - 1) / ISI_MIN : 1;
  localparam int unsigned SPIKES  = COUNT < FITTING ? COUNT : FITTING;
  localparam int unsigned LAST    = (SPIKES - 1) * ISI_MAX;
  localparam int unsigned TIME_W  = $clog2((LAST > T ? LAST : T) + 1);
  localparam int unsigned ISI_W   = $clog2(ISI_MAX + 1);
  localparam int unsigned COUNT_W = $clog2(COUNT + 1);

  logic [TIME_W-1:0] now;                      // first step of the pass
  assign now = TIME_W'(pass) * TIME_W'(TB);

  for (genvar l = 0; l < LANES; l++) begin : g_lane
    logic [7:0]         pixel;
    logic [ISI_W+7:0]   closer;                // than ISI_MAX, in 1/256
    logic [COUNT_W+7:0] scaled;                // COUNT*p
    logic [ISI_W-1:0]   isi;
    logic [COUNT_W-1:0] count;
    assign pixel = s_pixel_tdata[l*8 +: 8];
    volley_scale #(.FACTOR(ISI_MAX - ISI_MIN), .IN_W(8), .OUT_W(ISI_W + 8)) u_closer (
      .number(pixel), .scaled(closer)
    );
    volley_scale #(.FACTOR(COUNT), .IN_W(8), .OUT_W(COUNT_W + 8)) u_count (.number(pixel), .scaled);
    assign isi   = ISI_W'(ISI_MAX) - ISI_W'(closer >> 8);
    assign count = COUNT_W'((scaled + (COUNT_W+8)'(255)) >> 8);
    for (genvar k = 0; k < SPIKES; k++) begin : g_spike
      logic              fires;
      logic [TIME_W-1:0] at;
      assign fires = count > COUNT_W'(k);
      volley_scale #(.FACTOR(k), .IN_W(ISI_W), .OUT_W(TIME_W)) u_at (.number(isi), .scaled(at));
    end
    for (genvar j = 0; j < TB; j++) begin : g_step
      logic [SPIKES-1:0] hit;
      for (genvar k = 0; k < SPIKES; k++) begin : g_hit
        assign hit[k] = g_spike[k].fires && g_spike[k].at == now + TIME_W'(j);
      end
      assign spike[l*TB + TB-1-j] = |hit;
    end
  end
endmodule
`default_nettype wire
