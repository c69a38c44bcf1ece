// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Accelerator top: 32-bit AXI4-Stream of 8-bit pixels in, int32 logits and a trailer word out.
// The network hangs on ports of its own: pyflow.emit writes it, and <name>_top, which joins the two. Every frame gets an
// answer; a bad one is marked in its trailer and in err_*. volley_axi_top is this with registers.
`default_nettype none
module volley_top #(
  parameter int unsigned FRAME_BYTES      = 16,  // of a frame
  parameter int unsigned BEAT_BYTES       = 1,   // of a beat of pixels
  parameter int unsigned CLASSES          = 4,   // logits of an answer
  parameter int unsigned OUT_LANES        = 1,   // logits of a beat
  parameter int unsigned FRAMES_IN_FLIGHT = 4,   // that the network may hold at once
  parameter int unsigned COUNTERS         = 1,   // LIF layers that count, each with a word of net_saturated
  parameter int unsigned PROBES           = 0,   // words of net_probes
  parameter int unsigned COUNT_W          = 32,  // bits of the counters of events, which wrap
  parameter int unsigned CYCLE_W          = 64   // bits of the counters of cycles
) (
  input  wire logic        clk,
  input  wire logic        aresetn,            // active low, synchronous to clk
  // Load bus of the writable memories: load_data is the number of one, or the next word of it
  input  wire logic        load_select,
  input  wire logic        load_valid,
  input  wire logic [31:0] load_data,
  input  wire logic [9:0]  cfg_probe,          // number of the probe that stat_probe shows, 1 cycle later
  // Sink: pixels, channel fastest, first pixel in the low byte
  input  wire logic        s_axis_tvalid,
  output logic             s_axis_tready,
  input  wire logic [31:0] s_axis_tdata,
  input  wire logic [3:0]  s_axis_tkeep,
  input  wire logic        s_axis_tlast,
  // Source: logits and trailer
  output logic             m_axis_tvalid,
  input  wire logic        m_axis_tready,
  output logic [31:0]      m_axis_tdata,
  output logic [3:0]       m_axis_tkeep,
  output logic             m_axis_tlast,
  // Counters and sticky errors, cleared by reset
  output logic [COUNT_W-1:0] stat_frames,      // answered frames
  output logic [CYCLE_W-1:0] stat_cycles,      // cycles since reset
  output logic [CYCLE_W-1:0] stat_in_stall,    // cycles with a pixel word offered and not taken
  output logic [CYCLE_W-1:0] stat_out_stall,   // cycles with a result word not taken
  output logic [COUNT_W-1:0] stat_saturated,   // neurons x steps clipped, of all LIF layers
  output logic [31:0]      stat_probe,         // its count; 0 where there is none of that number
  output logic [15:0]      stat_checksum,      // of the weights, as in the trailers
  output logic             err_short,
  output logic             err_long,
  output logic             err_keep,
  // Network: pixels to it, its logits, its load bus, what it counts
  output logic             net_rst,
  output logic             net_load_select,
  output logic             net_load_valid,
  output logic [31:0]      net_load_data,
  output logic             m_pixel_tvalid,
  input  wire logic        m_pixel_tready,
  output logic [BEAT_BYTES*8-1:0] m_pixel_tdata,
  output logic             m_pixel_tlast,
  input  wire logic        s_logit_tvalid,
  output logic             s_logit_tready,
  input  wire logic [OUT_LANES*32-1:0] s_logit_tdata,
  input  wire logic        s_logit_tlast,
  input  wire logic [COUNTERS*32-1:0] net_saturated,  // neurons x steps clipped
  input  wire logic [(PROBES > 0 ? PROBES : 1)*32-1:0] net_probes,
  input  wire logic [15:0] net_checksum        // of its weights
);
  if (FRAME_BYTES < 1 || CLASSES < 1 || OUT_LANES < 1 || FRAMES_IN_FLIGHT < 1 || COUNTERS < 1) begin : g_rule_sizes
    $fatal(1, "volley_top: FRAME_BYTES, CLASSES, OUT_LANES, FRAMES_IN_FLIGHT and COUNTERS must be at least 1 (%m)");
  end
  if (BEAT_BYTES < 1 || BEAT_BYTES > FRAME_BYTES) begin : g_rule_beat_bytes
    $fatal(1, "volley_top: BEAT_BYTES = %0d is outside 1..FRAME_BYTES = %0d (%m)", BEAT_BYTES, FRAME_BYTES);
  end
  if (PROBES > 1024) begin : g_rule_probes
    $fatal(1, "volley_top: PROBES = %0d is above 1024 (%m)", PROBES);
  end
  if (COUNT_W < 1 || COUNT_W > 32) begin : g_rule_count_w
    $fatal(1, "volley_top: COUNT_W = %0d is outside 1..32 (%m)", COUNT_W);
  end
  if (CYCLE_W < 1 || CYCLE_W > 64) begin : g_rule_cycle_w
    $fatal(1, "volley_top: CYCLE_W = %0d is outside 1..64 (%m)", CYCLE_W);
  end

  // In reset from power-up on. One cycle behind aresetn: until then nothing is taken in, and nothing offered.
  logic rst = 1'b1;
  always_ff @(posedge clk) rst <= !aresetn;

  // ------------------------------------------------------------------ in: words to pixels
  logic        word_tvalid, word_tready, word_tlast;
  logic [31:0] word_tdata;
  logic        flags_in_tvalid, flags_in_tready;
  logic [2:0]  flags_in_tdata;
  logic        flags_tvalid, flags_tready;
  logic [2:0]  flags_tdata;
  logic        logit_tvalid, logit_tready, logit_tlast;
  logic [31:0] logit_tdata;
  logic        guard_tready, result_tvalid;
  logic [COUNT_W-1:0] saturated_sum;

  assign s_axis_tready   = guard_tready && !rst;
  assign net_rst         = rst;
  assign net_load_select = load_select;
  assign net_load_valid  = load_valid;
  assign net_load_data   = load_data;
  assign stat_checksum   = net_checksum;

  volley_frame_guard #(.BYTES(FRAME_BYTES)) u_guard (
    .clk, .rst,
    .s_axis_tvalid(s_axis_tvalid && !rst), .s_axis_tready(guard_tready), .s_axis_tdata, .s_axis_tkeep, .s_axis_tlast,
    .m_word_tvalid(word_tvalid), .m_word_tready(word_tready), .m_word_tdata(word_tdata), .m_word_tlast(word_tlast),
    .m_flags_tvalid(flags_in_tvalid), .m_flags_tready(flags_in_tready), .m_flags_tdata(flags_in_tdata)
  );

  // One entry per frame in flight; a full FIFO stops the guard between frames.
  volley_fifo #(.DATA_W(3), .DEPTH(FRAMES_IN_FLIGHT)) u_flags (
    .clk, .rst,
    .s_axis_tvalid(flags_in_tvalid), .s_axis_tready(flags_in_tready), .s_axis_tdata(flags_in_tdata),
    .s_axis_tlast(1'b1),
    .m_axis_tvalid(flags_tvalid), .m_axis_tready(flags_tready), .m_axis_tdata(flags_tdata), .m_axis_tlast(),
    .stat_count()
  );

  // A frame is one run of bytes: beats straddle words where BEAT_BYTES does not divide 4.
  volley_lane_convert #(.WORD_W(8), .LANES_IN(4), .LANES_OUT(BEAT_BYTES), .CHANNELS(FRAME_BYTES)) u_pixels (
    .clk, .rst,
    .s_axis_tvalid(word_tvalid), .s_axis_tready(word_tready), .s_axis_tdata(word_tdata), .s_axis_tlast(word_tlast),
    .m_axis_tvalid(m_pixel_tvalid), .m_axis_tready(m_pixel_tready), .m_axis_tdata(m_pixel_tdata),
    .m_axis_tlast(m_pixel_tlast)
  );

  // ------------------------------------------------------------------ out: logits and trailer
  volley_lane_convert #(.WORD_W(32), .LANES_IN(OUT_LANES), .LANES_OUT(1), .CHANNELS(CLASSES)) u_logits (
    .clk, .rst,
    .s_axis_tvalid(s_logit_tvalid), .s_axis_tready(s_logit_tready), .s_axis_tdata(s_logit_tdata),
    .s_axis_tlast(s_logit_tlast),
    .m_axis_tvalid(logit_tvalid), .m_axis_tready(logit_tready), .m_axis_tdata(logit_tdata), .m_axis_tlast(logit_tlast)
  );

  volley_frame_result u_result (
    .clk, .rst, .cfg_checksum(net_checksum),
    .s_logit_tvalid(logit_tvalid), .s_logit_tready(logit_tready), .s_logit_tdata(logit_tdata),
    .s_logit_tlast(logit_tlast),
    .s_flags_tvalid(flags_tvalid), .s_flags_tready(flags_tready), .s_flags_tdata(flags_tdata),
    .m_axis_tvalid(result_tvalid), .m_axis_tready, .m_axis_tdata, .m_axis_tkeep, .m_axis_tlast
  );
  assign m_axis_tvalid = result_tvalid && !rst;

  // ------------------------------------------------------------------ counters
  always_comb begin
    saturated_sum = '0;
    for (int unsigned n = 0; n < COUNTERS; n++) saturated_sum = saturated_sum + COUNT_W'(net_saturated[n*32 +: 32]);
  end

  if (PROBES > 0) begin : g_probes
    always_ff @(posedge clk) begin
      stat_probe <= '0;
      for (int unsigned n = 0; n < PROBES; n++) if (cfg_probe == 10'(n)) stat_probe <= net_probes[n*32 +: 32];
    end
  end else begin : g_no_probes
    logic unused;
    assign stat_probe = '0;
    assign unused     = ^{cfg_probe, net_probes};
  end

  always_ff @(posedge clk) begin
    stat_saturated <= saturated_sum;
    stat_cycles    <= stat_cycles + 1'b1;
    if (s_axis_tvalid && !s_axis_tready) stat_in_stall <= stat_in_stall + 1'b1;
    if (m_axis_tvalid && !m_axis_tready) stat_out_stall <= stat_out_stall + 1'b1;
    if (m_axis_tvalid && m_axis_tready && m_axis_tlast) stat_frames <= stat_frames + 1'b1;
    if (flags_in_tvalid && flags_in_tready) begin
      err_short <= err_short || flags_in_tdata[0];
      err_long  <= err_long || flags_in_tdata[1];
      err_keep  <= err_keep || flags_in_tdata[2];
    end
    if (rst) begin
      stat_cycles    <= '0;
      stat_in_stall  <= '0;
      stat_out_stall <= '0;
      stat_frames    <= '0;
      stat_saturated <= '0;
      err_short      <= 1'b0;
      err_long       <= 1'b0;
      err_keep       <= 1'b0;
    end
  end
endmodule
`default_nettype wire
