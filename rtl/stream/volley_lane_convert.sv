// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Changes the number of lanes per beat. A pixel's CHANNELS words come channel-fastest in
// BEATS_IN = ceil(CHANNELS / LANES_IN) beats and leave in BEATS_OUT = ceil(CHANNELS / LANES_OUT),
// padded in the upper lanes of the last one: with code 0 where they leave, whatever it is where they come.
// Lane 0 is in the least significant bits.
// To and from several whole pixels of C channels per beat: PIX * C lanes, and a run of CHANNELS = PIX * C words.
// tlast of a pixel's last input beat goes to its last output beat; tlast elsewhere is ignored.
//
// Exactly max(BEATS_IN, BEATS_OUT) cycles per pixel, no gap between pixels. Latency 1 from the input
// beat that completes an output beat. s_axis_tready depends on m_axis_tready. LANES_IN = LANES_OUT: no register, latency 0.
//
// A gearbox in units of gcd(LANES_IN, LANES_OUT) lanes: output takes UNITS_OUT units off the bottom,
// input puts UNITS_IN on top. The last input beat of a pixel counts for as many units as round the pixel
// up to whole output beats, so the next pixel is aligned without any state of its own.
// Room for UNITS_IN + 2 * UNITS_OUT - 2 units, in whole output beats, is the least that never stalls
// (found by exhaustive search, tests/rtl/test_stream.py checks the rates).
// With tvalid and tready held high a word leaves within max(SLOTS, ceil(LANES_OUT / LANES_IN)) cycles.
// Model: verif/models/lane_convert.py. Proof: verif/formal/formal_lane_convert.sv.
`default_nettype none
module volley_lane_convert #(
  parameter int unsigned WORD_W    = 4,        // bits per lane
  parameter int unsigned LANES_IN  = 1,
  parameter int unsigned LANES_OUT = 4,
  parameter int unsigned CHANNELS  = 6,        // words per pixel
  parameter int unsigned PIX       = 1         // pixels per beat
) (
  input  wire logic                        clk,
  input  wire logic                        rst,            // synchronous, active high
  // Sink
  input  wire logic                        s_axis_tvalid,
  output logic                             s_axis_tready,
  input  wire logic [LANES_IN*WORD_W-1:0]  s_axis_tdata,
  input  wire logic                        s_axis_tlast,
  // Source
  output logic                             m_axis_tvalid,
  input  wire logic                        m_axis_tready,
  output logic [LANES_OUT*WORD_W-1:0]      m_axis_tdata,
  output logic                             m_axis_tlast
);
  function automatic int unsigned gcd(input int unsigned a, input int unsigned b);
    int unsigned x, y, r;
    x = a;
    y = b;
    while (y != 0) begin
      r = x % y;
      x = y;
      y = r;
    end
    return x;
  endfunction

  if (PIX != 1) begin : g_rule_pix
    $fatal(1, "volley_lane_convert: PIX must be 1 (%m)");
  end
  if (WORD_W == 0 || LANES_IN == 0 || LANES_OUT == 0 || CHANNELS == 0) begin : g_rule_word_w
    $fatal(1, "volley_lane_convert: WORD_W, LANES_IN, LANES_OUT and CHANNELS must be at least 1 (%m)");
  end

  localparam int unsigned BEATS_IN = (CHANNELS + LANES_IN - 1) / LANES_IN;
  localparam int unsigned BEAT_W   = $clog2(BEATS_IN + 1);
  localparam int unsigned IN_W     = LANES_IN * WORD_W;
  localparam logic [IN_W-1:0] PADDING =        // lanes of a pixel's last input beat
    ~IN_W'(0) << (CHANNELS - (BEATS_IN - 1) * LANES_IN) * WORD_W;

  logic [BEAT_W-1:0] beat_q;                   // input beat of the pixel
  logic              push, pixel_end;
  logic [IN_W-1:0]   words;                    // of the pixel: zero in padding lanes

  assign push      = s_axis_tvalid && s_axis_tready;
  assign pixel_end = beat_q == BEAT_W'(BEATS_IN - 1);
  assign words     = s_axis_tdata & ~(pixel_end ? PADDING : '0);

  always_ff @(posedge clk) begin
    if (push) beat_q <= pixel_end ? '0 : beat_q + 1'b1;
    if (rst) beat_q <= '0;
  end

  if (LANES_IN == LANES_OUT) begin : g_wires
    assign s_axis_tready = m_axis_tready;
    assign m_axis_tvalid = s_axis_tvalid;
    assign m_axis_tdata  = words;
    assign m_axis_tlast  = s_axis_tlast && pixel_end;
  end else begin : g_gearbox
    localparam int unsigned UNIT_LANES = gcd(LANES_IN, LANES_OUT);
    localparam int unsigned UNIT_W     = UNIT_LANES * WORD_W;
    localparam int unsigned UNITS_IN   = LANES_IN / UNIT_LANES;
    localparam int unsigned UNITS_OUT  = LANES_OUT / UNIT_LANES;
    localparam int unsigned BEATS_OUT  = (CHANNELS + LANES_OUT - 1) / LANES_OUT;
    localparam int unsigned UNITS_LAST = BEATS_OUT * UNITS_OUT - (BEATS_IN - 1) * UNITS_IN;
    localparam int unsigned SLOTS      = (UNITS_IN + 2 * UNITS_OUT - 2) / UNITS_OUT;  // output beats
    localparam int unsigned UNITS      = SLOTS * UNITS_OUT;
    localparam int unsigned COUNT_W    = $clog2(UNITS + UNITS_IN + UNITS_OUT);
    localparam int unsigned OUT_W      = LANES_OUT * WORD_W;
    localparam int unsigned UNITS_W    = UNITS * UNIT_W;

    logic [UNITS_W-1:0]      units_q, units_d; // zero above count_q: padding of a pixel's last output beat
    logic [SLOTS-1:0]        last_q, last_d;   // tlast of each output beat in units_q
    logic [COUNT_W-1:0]      count_q, kept, filled;
    logic                    pop;
    logic                    room, room_behind; // for a beat: as it is, once an output beat has left

    assign m_axis_tvalid = count_q >= COUNT_W'(UNITS_OUT);
    assign m_axis_tdata  = units_q[0 +: OUT_W];
    assign m_axis_tlast  = last_q[0];

    assign pop           = m_axis_tvalid && m_axis_tready;
    assign kept          = !pop ? count_q : SLOTS == 1 ? '0 : count_q - COUNT_W'(UNITS_OUT);
    assign filled        = kept + (pixel_end ? COUNT_W'(UNITS_LAST) : COUNT_W'(UNITS_IN));
    // m_axis_tready comes late and only chooses. Without an output beat there is room for any input.
    assign s_axis_tready = room || (room_behind && m_axis_tready);
    if (UNITS_OUT == 1) begin : g_refill       // when empty only: pure down-conversion needs no shifter
      assign room        = count_q == 0;
      assign room_behind = count_q <= COUNT_W'(1);
    end else begin : g_top_up
      assign room        = count_q <= (pixel_end ? COUNT_W'(UNITS - UNITS_LAST) : COUNT_W'(UNITS - UNITS_IN));
      assign room_behind = count_q <= (pixel_end ? COUNT_W'(UNITS - UNITS_LAST + UNITS_OUT)
                                                 : COUNT_W'(UNITS - UNITS_IN + UNITS_OUT));
    end

    // Units that come overwrite zeros: a choice, half of which is the enable of a flip-flop.
    always_comb begin
      units_d = pop ? UNITS_W'({OUT_W'(0), units_q} >> OUT_W) : units_q;
      last_d  = pop ? SLOTS'({1'b0, last_q} >> 1) : last_q;
      for (int unsigned u = 0; u < (UNITS_OUT == 1 ? 1 : UNITS); u++) begin
        if (push && (UNITS_OUT == 1 || kept == COUNT_W'(u)))
          units_d = (units_d & ~(UNITS_W'({IN_W{1'b1}}) << (u * UNIT_W))) | (UNITS_W'(words) << (u * UNIT_W));
      end
      for (int unsigned s = 0; s < SLOTS; s++) begin
        if (push && filled == COUNT_W'((s + 1) * UNITS_OUT)) last_d[s] = pixel_end && s_axis_tlast;
      end
    end

    always_ff @(posedge clk) begin
      units_q <= units_d;
      last_q  <= last_d;
      count_q <= push ? filled : kept;
      if (rst) begin
        units_q <= '0;                         // payload too: padding relies on zeros
        last_q  <= '0;
        count_q <= '0;
      end
    end
  end
endmodule
`default_nettype wire
