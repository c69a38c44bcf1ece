// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Replay: takes a frame of BEATS beats and sends it PASSES times, tlast on each pass's last beat.
// In front of an encoder it gives a static frame its time; of potentials it makes direct current.
// Latency 3, 1 beat/cycle: BEATS*PASSES cycles per frame, 1 more with DEPTH = BEATS. The first pass
// leaves as the frame comes in; the next frame comes in as far as DEPTH has room beside this one.
// Model: verif/models/stream.py.
`default_nettype none
module volley_replay #(
  parameter int unsigned DATA_W = 8,           // payload width [bit]
  parameter int unsigned BEATS  = 64,          // per pass
  parameter int unsigned PASSES = 4,           // times a frame is sent
  parameter int unsigned DEPTH  = 64           // beats held, a power of two, at least BEATS
) (
  input  wire logic              clk,
  input  wire logic              rst,          // synchronous, active high
  // Sink: a frame, once
  input  wire logic              s_axis_tvalid,
  output logic                   s_axis_tready,
  input  wire logic [DATA_W-1:0] s_axis_tdata,
  input  wire logic              s_axis_tlast,
  // Source: its passes
  output logic                   m_axis_tvalid,
  input  wire logic              m_axis_tready,
  output logic [DATA_W-1:0]      m_axis_tdata,
  output logic                   m_axis_tlast
);
  if (DEPTH < 2 || DEPTH != 1 << $clog2(DEPTH)) begin : g_rule_depth
    $fatal(1, "volley_replay: DEPTH = %0d is not a power of two from 2 on (%m)", DEPTH);
  end
  if (DEPTH < BEATS) begin : g_rule_depth_beats
    $fatal(1, "volley_replay: DEPTH = %0d is below BEATS = %0d (%m)", DEPTH, BEATS);
  end

  // The frame as one pixel of BEATS groups, under a window of 1 x 1 that is sent PASSES times.
  volley_window_fold #(
    .ITEM_W(DATA_W), .GROUPS(BEATS), .HEIGHT(1), .WIDTH(1), .KERNEL_Y(1), .KERNEL_X(1),
    .STRIDE_Y(1), .STRIDE_X(1), .PAD_Y(0), .PAD_X(0), .REPLAY(PASSES), .DEPTH(DEPTH)
  ) u_store (
    .clk, .rst,
    .s_item_tvalid(s_axis_tvalid), .s_item_tready(s_axis_tready),
    .s_item_tdata(s_axis_tdata), .s_item_tlast(s_axis_tlast),
    .m_window_tvalid(m_axis_tvalid), .m_window_tready(m_axis_tready),
    .m_window_tdata(m_axis_tdata), .m_window_tlast()
  );

  // The store marks the frame; a pass ends PASSES times as often.
  volley_pass_counter #(.BEATS(BEATS), .PASSES(PASSES)) u_counter (
    .clk, .rst, .step(m_axis_tvalid && m_axis_tready), .tlast(m_axis_tlast),
    .last(m_axis_tlast), .frame_last(), .pass()
  );
endmodule
`default_nettype wire
