// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Rate encoder of static pixels, which arrive once per pass.
//   MODE 0, random:  spike[t] = r[t*N + n] < p, N = BEATS*LANES, n the pixel's place in the frame
//   MODE 1, regular: spike[t] = floor(((t+1)*p + 128)/256) > floor((t*p + 128)/256)
// r[k] is the low byte of an LFSR (32 bits, Galois, feedback 0xA3000000) after 8*k shifts from
// SEED, where every frame starts. Latency 1, 1 beat/cycle.
// Model: verif/models/encode_rate.py.
`default_nettype none
module volley_encode_rate #(
  parameter int unsigned LANES = 1,            // channels per beat; divides the channels of the map
  parameter int unsigned T     = 16,           // time steps
  parameter int unsigned TB    = 4,            // steps per pass, divides T
  parameter int unsigned BEATS = 64,           // beats per pass
  parameter int unsigned MODE  = 0,            // 0 random, 1 regular
  parameter logic [31:0] SEED  = 32'd1,        // of the LFSR, not 0
  parameter int unsigned PIX   = 1             // pixels per beat
) (
  input  wire logic                clk,
  input  wire logic                rst,        // synchronous, active high
  // Sink: 8-bit pixels
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
    $fatal(1, "volley_encode_rate: PIX = %0d, only 1 pixel per beat is supported (%m)", PIX);
  end
  if (LANES < 1) begin : g_rule_lanes
    $fatal(1, "volley_encode_rate: LANES = %0d must be at least 1 (%m)", LANES);
  end
  if (TB < 1 || T % TB != 0) begin : g_rule_tb
    $fatal(1, "volley_encode_rate: TB = %0d does not divide T = %0d (%m)", TB, T);
  end
  if (MODE > 1) begin : g_rule_mode
    $fatal(1, "volley_encode_rate: MODE = %0d is neither 0 (random) nor 1 (regular) (%m)", MODE);
  end
  if (SEED == '0) begin : g_rule_seed
    $fatal(1, "volley_encode_rate: SEED = %0d would stay 0 for ever (%m)", SEED);
  end

  // LFSR. A shift multiplies the state by x modulo x^32 + x^7 + x^6 + x^2 + 1, bit 31 counting x^0.
  // So k shifts are a product with the constant x^k, and each bit of it is a parity of state bits.
  function automatic logic [31:0] shifted(logic [31:0] s);
    return (s >> 1) ^ (s[0] ? 32'hA300_0000 : 32'd0);
  endfunction

  function automatic logic [31:0] product(logic [31:0] a, logic [31:0] b);
    logic [31:0] sum, term;
    sum  = '0;
    term = b;
    for (int i = 31; i >= 0; i--) begin
      if (a[i]) sum = sum ^ term;
      term = shifted(term);
    end
    return sum;
  endfunction

  // x^(8*draws), by squaring.
  function automatic logic [31:0] jump(longint unsigned draws);
    logic [31:0] result, square;
    result = 32'h8000_0000;
    square = 32'h0080_0000;
    for (longint unsigned left = draws; left != 0; left = left >> 1) begin
      if (left[0]) result = product(result, square);
      square = product(square, square);
    end
    return result;
  endfunction

  // The bits of the state whose parity is bit `index` of its product with c.
  function automatic logic [31:0] mask(logic [31:0] c, logic [4:0] index);
    logic [31:0] bits, term;
    bits = '0;
    term = c;
    for (int i = 31; i >= 0; i--) begin
      bits[i] = term[index];
      term    = shifted(term);
    end
    return bits;
  endfunction

  logic                ce, take, last, frame_last;
  logic [PASS_W-1:0]   pass;
  logic [LANES*TB-1:0] spike;

  assign ce             = !m_spike_tvalid || m_spike_tready;
  assign take           = s_pixel_tvalid && ce;
  assign s_pixel_tready = ce;

  volley_pass_counter #(.BEATS(BEATS), .PASSES(PASSES)) u_counter (
    .clk, .rst, .step(take), .tlast(s_pixel_tlast), .last, .frame_last, .pass
  );

  always_ff @(posedge clk) begin
    if (ce) begin
      m_spike_tvalid <= s_pixel_tvalid;
      m_spike_tdata  <= spike;
      m_spike_tlast  <= last;
    end
    if (rst) m_spike_tvalid <= 1'b0;
  end

  if (MODE == 0) begin : g_random
    // One state, at the draw for the beat's first lane and step, gives all draws of the beat.
    localparam longint unsigned STEP = 64'(BEATS) * 64'(LANES);  // draws per time step
    localparam logic [31:0] NEXT_BEAT = jump(64'(LANES));
    localparam logic [31:0] NEXT_PASS = jump(64'(LANES) + 64'(TB - 1) * STEP);

    logic [31:0] lfsr, next_beat, next_pass;

    for (genvar b = 0; b < 32; b++) begin : g_bit
      localparam logic [31:0] BEAT_MASK = mask(NEXT_BEAT, 5'(b));
      localparam logic [31:0] PASS_MASK = mask(NEXT_PASS, 5'(b));
      assign next_beat[b] = ^(lfsr & BEAT_MASK);
      assign next_pass[b] = ^(lfsr & PASS_MASK);
    end

    always_ff @(posedge clk) begin
      if (take) lfsr <= frame_last ? SEED : last ? next_pass : next_beat;
      if (rst) lfsr <= SEED;
    end

    for (genvar l = 0; l < LANES; l++) begin : g_lane
      for (genvar j = 0; j < TB; j++) begin : g_step
        localparam logic [31:0] JUMP = jump(64'(j) * STEP + 64'(l));
        logic [7:0] draw;
        for (genvar b = 0; b < 8; b++) begin : g_bit
          localparam logic [31:0] MASK = mask(JUMP, 5'(b));
          assign draw[b] = ^(lfsr & MASK);
        end
        assign spike[l*TB + TB-1-j] = draw < s_pixel_tdata[l*8 +: 8];
      end
    end

    logic unused;
    assign unused = ^pass;
  end else begin : g_regular
    // The level (t*p + 128)/256 grows by less than 1 a step, so its floor grew where the floor's
    // lowest bit changed. Whole levels may be left out of what the steps of a pass have in common.
    for (genvar l = 0; l < LANES; l++) begin : g_lane
      logic [7:0]  pixel, first;               // first: numerator at the pass's first step, mod 256
      logic [TB:0] odd;                        // the floor is
      assign pixel = s_pixel_tdata[l*8 +: 8];
      assign first = 8'(pass) * 8'(TB) * pixel + 8'd128;
      for (genvar j = 0; j <= TB; j++) begin : g_level
        logic [8:0] rise;
        volley_scale #(.FACTOR(j), .IN_W(8), .OUT_W(9)) u_rise (.number(pixel), .scaled(rise));
        assign odd[j] = 1'((9'(first) + rise) >> 8);
      end
      for (genvar j = 0; j < TB; j++) begin : g_step
        assign spike[l*TB + TB-1-j] = odd[j] != odd[j+1];
      end
    end

    logic unused;
    assign unused = frame_last;
  end
endmodule
`default_nettype wire
