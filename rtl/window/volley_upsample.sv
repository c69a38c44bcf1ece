// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Nearest upsampling by whole factors: a raster of pixels in, each row SCALE_Y times and each pixel SCALE_X times out.
//   out(y, x) = in(floor(y / SCALE_Y), floor(x / SCALE_X))
// A beat carries PIX neighbours of a row in and OUT_PIX out; PIX*SCALE_X/OUT_PIX beats leave for one that came.
// A row leaves for the first time as it comes in, then from the buffer. A beat is free once it has left for the last
// time, so a row suffices for full rate; what DEPTH has beyond it takes in the next row while this one is repeated.
// Beats per frame: HEIGHT*WIDTH/PIX*GROUPS in, SCALE_Y*PIX*SCALE_X/OUT_PIX times as many out, and as many cycles.
// The RAM's read register is the output: latency 2, 1 beat/cycle. s_axis_tready comes from registers only.
// Model: verif/models/window.py.
`default_nettype none
module volley_upsample #(
  parameter int unsigned ITEM_W  = 4,          // bits of a pixel in a beat (LANES * T)
  parameter int unsigned GROUPS  = 1,          // beats per pixel, or per PIX of them
  parameter int unsigned HEIGHT  = 8,          // rows in
  parameter int unsigned WIDTH   = 8,          // pixels of a row in
  parameter int unsigned SCALE_Y = 2,          // times a row is sent
  parameter int unsigned SCALE_X = 2,          // times a pixel is sent
  parameter int unsigned DEPTH   = 8,          // beats held, at least a row; GROUPS where SCALE_Y = 1
  parameter int unsigned PIX     = 1,          // pixels per beat in, divides WIDTH
  parameter int unsigned OUT_PIX = 1           // pixels per beat out, divides PIX * SCALE_X
) (
  input  wire logic                      clk,
  input  wire logic                      rst,  // synchronous, active high
  // Sink: pixels, raster order, channel group fastest
  input  wire logic                      s_axis_tvalid,
  output logic                           s_axis_tready,
  input  wire logic [PIX*ITEM_W-1:0]     s_axis_tdata,
  input  wire logic                      s_axis_tlast,
  // Source: pixels of the larger map
  output logic                           m_axis_tvalid,
  input  wire logic                      m_axis_tready,
  output logic [OUT_PIX*ITEM_W-1:0]      m_axis_tdata,
  output logic                           m_axis_tlast
);
  // A PIX of 0 is refused below, which Verilator says only if nothing is divided by it.
  localparam int unsigned BEATS   = PIX > 0 ? WIDTH / PIX : 1;                        // of a row, but for GROUPS
  localparam int unsigned PARTS   = OUT_PIX > 0 ? PIX * SCALE_X / OUT_PIX : 1;        // beats out of one in
  localparam int unsigned LEAST   = SCALE_Y > 1 ? BEATS * GROUPS : GROUPS;            // beats that are sent again
  localparam int unsigned ADDR_W  = DEPTH > 1 ? $clog2(DEPTH) : 1;
  localparam int unsigned COUNT_W = $clog2(DEPTH + 1);
  localparam int unsigned GROUP_W = GROUPS > 1 ? $clog2(GROUPS) : 1;
  localparam int unsigned PART_W  = PARTS > 1 ? $clog2(PARTS) : 1;
  localparam int unsigned BEAT_W  = BEATS > 1 ? $clog2(BEATS) : 1;
  localparam int unsigned TURN_W  = SCALE_Y > 1 ? $clog2(SCALE_Y) : 1;
  localparam int unsigned ROW_W   = HEIGHT > 1 ? $clog2(HEIGHT) : 1;

  if (ITEM_W < 1 || GROUPS < 1 || HEIGHT < 1 || WIDTH < 1 || PIX < 1 || OUT_PIX < 1) begin : g_rule_item_w
    $fatal(1, "volley_upsample: ITEM_W, GROUPS, HEIGHT, WIDTH, PIX and OUT_PIX must be at least 1 (%m)");
  end else if (SCALE_Y < 1 || SCALE_X < 1) begin : g_rule_scale_y
    $fatal(1, "volley_upsample: SCALE_Y = %0d and SCALE_X = %0d must be at least 1 (%m)", SCALE_Y, SCALE_X);
  end else if (WIDTH % PIX != 0) begin : g_rule_width
    $fatal(1, "volley_upsample: PIX = %0d does not divide WIDTH = %0d: rows are whole beats (%m)", PIX, WIDTH);
  end else if (PIX * SCALE_X % OUT_PIX != 0) begin : g_rule_out_pix
    $fatal(1, "volley_upsample: OUT_PIX = %0d does not divide the %0d pixels that a beat becomes (%m)",
           OUT_PIX, PIX * SCALE_X);
  end
  if (DEPTH < LEAST) begin : g_rule_depth
    $fatal(1, "volley_upsample: DEPTH = %0d is below the %0d beats that are sent again (%m)", DEPTH, LEAST);
  end

  function automatic logic [ADDR_W-1:0] next(input logic [ADDR_W-1:0] addr);
    return addr == ADDR_W'(DEPTH - 1) ? '0 : addr + 1'b1;
  endfunction

  // ------------------------------------------------------------------ writer
  logic [ADDR_W-1:0]  waddr;
  logic [COUNT_W-1:0] space;                   // beats that fit
  logic [COUNT_W-1:0] unread;                  // beats that have not left for the first time
  logic               wr, rd, fresh, free;     // the read is a beat's first one, its last one

  assign wr            = s_axis_tvalid && s_axis_tready;
  assign s_axis_tready = space != '0;

  // ------------------------------------------------------------------ reader
  logic [GROUP_W-1:0] group;
  logic [PART_W-1:0]  part;                    // beat out, of those that one in becomes
  logic [BEAT_W-1:0]  beat;                    // of the row in
  logic [TURN_W-1:0]  turn;                    // time that the row is sent
  logic [ROW_W-1:0]   row;
  logic [ADDR_W-1:0]  raddr, pixel, line;      // of the read, of its pixel's first group, of its row's first beat
  logic group_end, part_last, part_end, row_end, turn_last, frame_end;

  assign group_end = GROUPS == 1 || group == GROUP_W'(GROUPS - 1);
  assign part_last = PARTS == 1 || part == PART_W'(PARTS - 1);
  assign part_end  = group_end && part_last;
  assign row_end   = part_end && beat == BEAT_W'(BEATS - 1);
  assign turn_last = SCALE_Y == 1 || turn == TURN_W'(SCALE_Y - 1);
  assign frame_end = row_end && turn_last && row == ROW_W'(HEIGHT - 1);
  assign fresh     = (SCALE_Y == 1 || turn == '0) && (PARTS == 1 || part == '0);
  assign free      = turn_last && part_last;

  assign rd = (!m_axis_tvalid || m_axis_tready) && (!fresh || unread != '0);

  always_ff @(posedge clk) begin
    if (wr) waddr <= next(waddr);
    space  <= space - COUNT_W'(wr) + COUNT_W'(rd && free);
    unread <= unread + COUNT_W'(wr) - COUNT_W'(rd && fresh);
    if (rd) begin
      group <= group_end ? '0 : group + 1'b1;
      if (group_end) part <= part_last ? '0 : part + 1'b1;
      if (part_end) beat <= row_end ? '0 : beat + 1'b1;
      if (row_end) turn <= turn_last ? '0 : turn + 1'b1;
      if (row_end && turn_last) row <= frame_end ? '0 : row + 1'b1;
      // On to the next beat, or back to the pixel or row that is sent again.
      raddr <= next(raddr);
      if (group_end && !part_last) raddr <= GROUPS == 1 ? raddr : pixel;
      if (part_end) pixel <= next(raddr);
      if (row_end) begin
        if (turn_last) line <= next(raddr);
        else {raddr, pixel} <= {2{line}};
      end
    end
    if (rst) begin
      space  <= COUNT_W'(DEPTH);
      unread <= '0;
      {waddr, raddr, pixel, line} <= '0;
      {group, part, beat, turn, row} <= '0;
    end
  end

  // ------------------------------------------------------------------ memory, whose register is the output
  logic [PIX*ITEM_W-1:0] word;
  logic [PART_W-1:0]     part_q;               // of `word`

  volley_ram #(.DATA_W(PIX*ITEM_W), .DEPTH(DEPTH)) u_ram (
    .clk,
    .we(wr), .waddr(waddr), .wdata(s_axis_tdata),
    .re(rd), .raddr(raddr), .rdata(word)
  );

  always_ff @(posedge clk) begin
    if (rd) begin
      part_q       <= part;
      m_axis_tlast <= frame_end;
    end
    m_axis_tvalid <= rd || (m_axis_tvalid && !m_axis_tready);
    if (rst) m_axis_tvalid <= 1'b0;
  end

  // Pixel p of part k is pixel k*OUT_PIX + p of those that the beat becomes.
  always_comb
    for (int unsigned k = 0; k < PARTS; k++)
      for (int unsigned p = 0; p < OUT_PIX; p++)
        if (k == 0 || (PIX > 1 && part_q == PART_W'(k)))
          m_axis_tdata[p*ITEM_W +: ITEM_W] = word[(k*OUT_PIX + p) / SCALE_X * ITEM_W +: ITEM_W];

`ifndef SYNTHESIS
  int unsigned beat_check;
  always_ff @(posedge clk) begin
    if (wr) begin
      beat_check <= beat_check == HEIGHT*BEATS*GROUPS - 1 ? 0 : beat_check + 1;
      if (!rst) assert (s_axis_tlast == (beat_check == HEIGHT*BEATS*GROUPS - 1))
        else $error("volley_upsample: tlast out of step with HEIGHT x WIDTH");
    end
    if (rst) beat_check <= 0;
  end
`endif
endmodule
`default_nettype wire
