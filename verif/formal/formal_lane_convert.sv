// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_lane_convert: every bit of every pixel, any one is followed, leaves once in the lane and
// output beat where it belongs; padding lanes leave as zeros; tlast of a pixel's last input beat,
// and only that, is that of its last output beat; a word leaves within N cycles of tvalid and
// tready; with both high since reset, the side with more beats per pixel never waits: max(BEATS_IN,
// BEATS_OUT) cycles per pixel. Padding lanes may come as anything. With LANES_IN = LANES_OUT each beat leaves in the
// cycle in which it comes.
`default_nettype none
module formal_lane_convert #(
  parameter int unsigned WORD_W    = 2,
  parameter int unsigned LANES_IN  = 2,
  parameter int unsigned LANES_OUT = 3,
  parameter int unsigned CHANNELS  = 7,
  localparam int unsigned IN_W     = LANES_IN * WORD_W,
  localparam int unsigned OUT_W    = LANES_OUT * WORD_W
) (
  input wire logic             clk,
  input wire logic             rst,
  input wire logic             pick,
  input wire logic             s_tvalid,
  input wire logic [IN_W-1:0]  s_tdata,
  input wire logic             s_tlast,
  input wire logic             m_tready,
  input wire logic [7:0]       offset          // the bit that is followed, any: of `pick`'s beat
);
  localparam int unsigned BEATS_IN  = (CHANNELS + LANES_IN - 1) / LANES_IN;
  localparam int unsigned BEATS_OUT = (CHANNELS + LANES_OUT - 1) / LANES_OUT;
  localparam int unsigned LANES     = BEATS_OUT * LANES_OUT;  // of a pixel, with output padding
  function automatic int unsigned gcd(input int unsigned a, input int unsigned b);
    return b == 0 ? a : gcd(b, a % b);
  endfunction
  localparam int unsigned UNIT_LANES = gcd(LANES_IN, LANES_OUT);
  localparam int unsigned SLOTS     = (LANES_IN + 2 * LANES_OUT - 2 * UNIT_LANES) / LANES_OUT;
  localparam int unsigned FILL      = (LANES_OUT + LANES_IN - 1) / LANES_IN;  // beats to a beat
  localparam int unsigned N         = SLOTS > FILL ? SLOTS : FILL;
  localparam int unsigned LAST_W    = (CHANNELS - (BEATS_IN - 1) * LANES_IN) * WORD_W;

  logic             s_tready, m_tvalid, m_tlast;
  logic [OUT_W-1:0] m_tdata;

  volley_lane_convert #(
    .WORD_W(WORD_W), .LANES_IN(LANES_IN), .LANES_OUT(LANES_OUT), .CHANNELS(CHANNELS)
  ) dut (
    .clk, .rst,
    .s_axis_tvalid(s_tvalid), .s_axis_tready(s_tready), .s_axis_tdata(s_tdata),
    .s_axis_tlast(s_tlast), .m_axis_tvalid(m_tvalid), .m_axis_tready(m_tready),
    .m_axis_tdata(m_tdata), .m_axis_tlast(m_tlast)
  );

  formal_reset u_reset (.clk, .rst);
  formal_hold #(.W(IN_W + 1), .ASSUME(1'b1), .QUIET(LANES_IN == LANES_OUT)) u_s (
    .clk, .rst, .tvalid(s_tvalid), .tready(s_tready), .payload({s_tlast, s_tdata}));
  formal_hold #(.W(OUT_W + 1)) u_m (
    .clk, .rst, .tvalid(m_tvalid), .tready(m_tready), .payload({m_tlast, m_tdata}));

  typedef logic [7:0] num_t;                   // all counts are small: LANES, SLOTS * OUT_W < 128
  num_t in_beat;                               // of the pixel that the next transfer belongs to
  logic push, in_end;

  assign push   = s_tvalid && s_tready;
  assign in_end = in_beat == BEATS_IN - 1;

  always_ff @(posedge clk) begin
    if (push) in_beat <= in_end ? 0 : in_beat + 1;
    if (rst) in_beat <= 0;
  end

  always_comb if (!rst) begin
    // What makes it inductive.
    beats_in: assert (in_beat < BEATS_IN && num_t'(dut.beat_q) == in_beat);
  end

  if (LANES_IN == LANES_OUT) begin : g_wires
    logic unused;
    assign unused = ^{pick, offset};
    always_comb if (!rst) begin
      at_once: assert (m_tvalid == s_tvalid && s_tready == m_tready);
      tlast: assert (m_tlast == (s_tlast && in_end));
      unchanged: assert (m_tdata == (in_end ? s_tdata & IN_W'((1 << LAST_W) - 1) : s_tdata));
      stray_tlast: cover (push && s_tlast && !in_end);
      noise: cover (push && in_end && s_tdata >> LAST_W != '0);
    end
  end else begin : g_gearbox
    num_t        out_beat;                       // of the pixel that the next transfer belongs to
    num_t        pixels, kept_pixels;            // inside to their last beat; after this cycle's pop
    logic [7:0]  lasts, kept_lasts;              // their tlasts, the oldest in bit 0
    num_t        lanes, kept_lanes;              // inside
    logic        pop, out_end;

    assign pop     = m_tvalid && m_tready;
    assign out_end = out_beat == BEATS_OUT - 1;
    assign lanes   = pixels * LANES + in_beat * LANES_IN - out_beat * LANES_OUT;
    assign kept_lanes  = pop ? lanes - LANES_OUT : lanes;
    assign kept_pixels = pop && out_end ? pixels - 1 : pixels;
    assign kept_lasts  = pop && out_end ? lasts >> 1 : lasts;

    // The bit that is followed.
    formal_constant #(.W(8)) u_offset (.clk, .value(offset));
    logic        tracked, value;
    num_t        place, channel, ahead;          // bit of the buffer, lane of the pixel, pixels ahead
    num_t        age;                            // cycles of tvalid and tready since it was taken
    logic        leaves;
    logic        full, flowing;                  // both sides never idle since reset; output began
    assign leaves = pop && tracked && place < OUT_W;

    always_ff @(posedge clk) begin
      if (pop) out_beat <= out_end ? 0 : out_beat + 1;
      pixels <= kept_pixels + num_t'(push && in_end);
      lasts  <= kept_lasts | 8'(push && in_end && s_tlast) << kept_pixels;
      age    <= s_tvalid && m_tready ? age + 1 : 0;
      if (pop) place <= place - OUT_W;
      if (pop && out_end) ahead <= ahead - 1;
      if (leaves) tracked <= 1'b0;
      if (push && pick && !tracked && in_beat * LANES_IN + offset / WORD_W < LANES
          && (in_end || offset < IN_W)) begin
        tracked <= 1'b1;
        value   <= offset < (in_end ? LAST_W : IN_W) && s_tdata[offset % IN_W];
        place   <= kept_lanes * WORD_W + offset;
        channel <= in_beat * LANES_IN + offset / WORD_W;
        ahead   <= kept_pixels;
        age     <= 0;
      end
      full    <= full && s_tvalid && m_tready;
      flowing <= flowing || m_tvalid;
      if (rst) begin
        full     <= 1'b1;
        flowing  <= 1'b0;
        out_beat <= 0;
        pixels   <= 0;
        lasts    <= '0;
        tracked  <= 1'b0;
        age      <= 0;
      end
    end

    always_comb if (!rst) begin
      tlast: assert (!m_tvalid || m_tlast == (out_end && lasts[0]));
      pixel_there: assert (!m_tvalid || lanes >= LANES_OUT);
      if (leaves) begin
        unchanged: assert (m_tdata[place % OUT_W] == value);
        in_its_place: assert (ahead == 0 && out_beat * LANES_OUT + place / WORD_W == channel);
        with_offset: cover (offset != '0);
      end
      if (tracked) within_n: assert (age < N);
      if (full && s_tvalid && m_tready) begin
        input_never_waits: assert (BEATS_IN < BEATS_OUT || s_tready);
        output_never_waits: assert (BEATS_OUT < BEATS_IN || !flowing || m_tvalid);
      end
      // What makes it inductive: units_q holds `lanes` lanes from its bottom, zeros above.
      beats: assert (out_beat < BEATS_OUT);
      counter: assert (num_t'(dut.g_gearbox.count_q * UNIT_LANES) == lanes);
      room: assert (lanes <= SLOTS * LANES_OUT && pixels <= SLOTS);
      zeros_above: assert (dut.g_gearbox.units_q >> (lanes * WORD_W) == '0 && lasts >> pixels == '0);
      if (tracked) begin
        in_buffer: assert (place < lanes * WORD_W && dut.g_gearbox.units_q[place] == value);
        follows: assert (place / WORD_W + out_beat * LANES_OUT == ahead * LANES + channel);
        whose: assert (channel < LANES && (ahead < pixels
                   || (ahead == pixels && channel < in_beat * LANES_IN)));
      end
    end

    for (genvar s = 0; s < SLOTS; s++) begin : g_slot
      num_t beat;                                // from the first of the oldest pixel inside
      assign beat = out_beat + s;
      always_comb if (!rst)
        ends: assert (dut.g_gearbox.last_q[s] == (beat % BEATS_OUT == BEATS_OUT - 1
                   && beat / BEATS_OUT < pixels && lasts[3'(beat / BEATS_OUT)]));
    end
  end
endmodule
`default_nettype wire
