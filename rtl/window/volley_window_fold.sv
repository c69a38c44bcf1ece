// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Folded window: keeps a stretch of the raster in a circular buffer and sends, for each output pixel
// and REPLAY times, the window one slice (item) at a time: ky slowest, then kx, then group.
//   slice(ky, kx, g) of output (oy, ox) = item(oy*STRIDE_Y - PAD_Y + ky, ox*STRIDE_X - PAD_X + kx, g)
// An item is a pixel (tap slices), a column from volley_line_buffer (KERNEL_Y = 1: column slices),
// or a piece of a vector (a linear layer: a map of one pixel). Everything beyond the window is
// buffer for the next pixels and the next frame. Padding in front of a frame's first item is sent
// before that arrives: after reset, and right behind the frame before.
// Beats per frame: HEIGHT*WIDTH*GROUPS in, OUT_Y*OUT_X*REPLAY*KERNEL_Y*KERNEL_X*GROUPS out.
// Latency 3, 1 beat/cycle: the larger of the two in cycles per frame, unless DEPTH is too small to
// read ahead (window_fold_cycles of the model gives the exact number).
// Model: verif/models/window.py.
`default_nettype none
module volley_window_fold #(
  parameter int unsigned ITEM_W   = 4,         // bits of an item
  parameter int unsigned GROUPS   = 1,         // items per pixel
  parameter int unsigned HEIGHT   = 8,
  parameter int unsigned WIDTH    = 8,
  parameter int unsigned KERNEL_Y = 3,
  parameter int unsigned KERNEL_X = 3,
  parameter int unsigned STRIDE_Y = 1,
  parameter int unsigned STRIDE_X = 1,
  parameter int unsigned PAD_Y    = 1,         // < KERNEL_Y
  parameter int unsigned PAD_X    = 1,         // < KERNEL_X
  parameter int unsigned REPLAY   = 1,         // times each window is sent (output folds)
  parameter int unsigned DEPTH    = 32,        // items held, a power of two
  parameter logic [ITEM_W-1:0] PAD_ITEM = '0,  // content of a padded item
  parameter int unsigned PIX      = 1          // pixels per beat
) (
  input  wire logic              clk,
  input  wire logic              rst,          // synchronous, active high
  // Sink: items, raster order, group fastest
  input  wire logic              s_item_tvalid,
  output logic                   s_item_tready,
  input  wire logic [ITEM_W-1:0] s_item_tdata,
  input  wire logic              s_item_tlast,
  // Source: slices
  output logic                   m_window_tvalid,
  input  wire logic              m_window_tready,
  output logic [ITEM_W-1:0]      m_window_tdata,
  output logic                   m_window_tlast
);
  localparam int unsigned OUT_Y = (HEIGHT + 2*PAD_Y - KERNEL_Y) / STRIDE_Y + 1;
  localparam int unsigned OUT_X = (WIDTH + 2*PAD_X - KERNEL_X) / STRIDE_X + 1;
  // Steps of the window's first item, in items: to the next pixel, row, frame; and the step of the
  // read offset from the end of one kernel row to the next.
  localparam int STEP_X     = int'(STRIDE_X * GROUPS);
  localparam int STEP_Y     = int'(STRIDE_Y * WIDTH * GROUPS) - int'((OUT_X - 1) * STRIDE_X * GROUPS);
  localparam int STEP_FRAME = int'(HEIGHT * WIDTH * GROUPS)
                            - int'(((OUT_Y - 1) * STRIDE_Y * WIDTH + (OUT_X - 1) * STRIDE_X) * GROUPS);
  localparam int STEP_ROW   = (int'(WIDTH) - int'(KERNEL_X)) * int'(GROUPS) + 1;
  localparam int FIRST      = int'((PAD_Y * WIDTH + PAD_X) * GROUPS);  // items "before" the first frame
  localparam int SPAN       = int'(((KERNEL_Y - 1) * WIDTH + KERNEL_X) * GROUPS);

  localparam int unsigned ADDR_W   = DEPTH > 1 ? $clog2(DEPTH) : 1;
  localparam int unsigned OFF_W    = $clog2(SPAN + STRIDE_Y * WIDTH * GROUPS + DEPTH + 1) + 2;  // signed
  localparam int unsigned GROUP_W  = GROUPS > 1 ? $clog2(GROUPS) : 1;
  localparam int unsigned KX_W     = KERNEL_X > 1 ? $clog2(KERNEL_X) : 1;
  localparam int unsigned KY_W     = KERNEL_Y > 1 ? $clog2(KERNEL_Y) : 1;
  localparam int unsigned OX_W     = OUT_X > 1 ? $clog2(OUT_X) : 1;
  localparam int unsigned OY_W     = OUT_Y > 1 ? $clog2(OUT_Y) : 1;
  localparam int unsigned REPLAY_W = REPLAY > 1 ? $clog2(REPLAY) : 1;
  localparam int unsigned X_W      = $clog2(WIDTH + 2*PAD_X + STRIDE_X + KERNEL_X + 1) + 1;   // signed
  localparam int unsigned Y_W      = $clog2(HEIGHT + 2*PAD_Y + STRIDE_Y + KERNEL_Y + 1) + 1;  // signed

  if (PIX != 1) begin : g_rule_pix
    $fatal(1, "volley_window_fold: PIX = %0d, only 1 pixel per beat is supported (%m)", PIX);
  end
  if (ITEM_W < 1 || GROUPS < 1 || HEIGHT < 1 || WIDTH < 1 || REPLAY < 1) begin : g_rule_item_w
    $fatal(1, "volley_window_fold: ITEM_W, GROUPS, HEIGHT, WIDTH and REPLAY must be at least 1 (%m)");
  end
  if (STRIDE_Y < 1 || STRIDE_X < 1) begin : g_rule_stride_y
    $fatal(1, "volley_window_fold: STRIDE_Y and STRIDE_X must be at least 1 (%m)");
  end
  if (PAD_Y >= KERNEL_Y || PAD_X >= KERNEL_X) begin : g_rule_pad_y
    $fatal(1, "volley_window_fold: padding must be below the kernel (%m)");
  end
  if (HEIGHT + 2*PAD_Y < KERNEL_Y || WIDTH + 2*PAD_X < KERNEL_X) begin : g_rule_height
    $fatal(1, "volley_window_fold: the kernel is larger than the map (%m)");
  end
  if (DEPTH < 2 || DEPTH != 1 << $clog2(DEPTH)) begin : g_rule_depth
    $fatal(1, "volley_window_fold: DEPTH = %0d is not a power of two from 2 on (%m)", DEPTH);
  end
  if (int'(DEPTH) < SPAN) begin : g_rule_depth_span
    $fatal(1, "volley_window_fold: DEPTH = %0d is below the window's span %0d (%m)", DEPTH, SPAN);
  end

  typedef logic signed [OFF_W-1:0] off_t;
  typedef logic signed [X_W-1:0] x_t;
  typedef logic signed [Y_W-1:0] y_t;

  // ------------------------------------------------------------------ counters
  off_t                lead;                   // items written since the window's first item
  off_t                offset;                 // of the item to read, from the window's first item
  off_t                ahead;                  // lead - offset, kept so that reading depends on a sign alone
  logic [ADDR_W-1:0]   wr_addr, base;          // base: address of the window's first item
  logic [GROUP_W-1:0]  group;
  logic [KX_W-1:0]     kx;
  logic [KY_W-1:0]     ky;
  logic [REPLAY_W-1:0] replay;
  logic [OX_W-1:0]     ox;
  logic [OY_W-1:0]     oy;
  x_t                  x;                      // of the item to read
  y_t                  y;
  x_t                  left;                   // ox*STRIDE_X - PAD_X
  y_t                  top;
  logic wr, rd, on_map, ready, group_end, kx_end, ky_end, replay_end, ox_end, oy_end, next;
  off_t step, ahead_step;

  assign wr         = s_item_tvalid && s_item_tready;
  assign s_item_tready = lead[OFF_W-1] || lead[OFF_W-2:ADDR_W] == '0;  // below DEPTH, a power of two
  assign on_map     = (PAD_X == 0 && PAD_Y == 0)           // always: synthesis then drops x and y
                   || (x >= x_t'(0) && x < x_t'(WIDTH) && y >= y_t'(0) && y < y_t'(HEIGHT));
  assign ready      = !on_map || ahead > off_t'(0);
  assign group_end  = group == GROUP_W'(GROUPS - 1);
  assign kx_end     = group_end && kx == KX_W'(KERNEL_X - 1);
  assign ky_end     = kx_end && ky == KY_W'(KERNEL_Y - 1);
  assign replay_end = ky_end && replay == REPLAY_W'(REPLAY - 1);
  assign ox_end     = ox == OX_W'(OUT_X - 1);
  assign oy_end     = oy == OY_W'(OUT_Y - 1);
  assign next       = rd && replay_end;        // on to the next output pixel
  assign ahead_step = !rd ? off_t'(0) : !ky_end ? (kx_end ? off_t'(STEP_ROW) : off_t'(1))
                                      : replay_end ? step : off_t'(0);
  assign step       = !ox_end ? off_t'(STEP_X) : !oy_end ? off_t'(STEP_Y) : off_t'(STEP_FRAME);

  always_ff @(posedge clk) begin
    if (wr) wr_addr <= wr_addr + 1'b1;
    lead  <= lead + off_t'({1'b0, wr}) - (next ? step : off_t'(0));
    ahead <= (rd && ky_end ? lead : ahead) + off_t'({1'b0, wr}) - ahead_step;
    if (rd) begin
      group  <= group_end ? '0 : group + 1'b1;
      offset <= offset + (kx_end ? off_t'(STEP_ROW) : off_t'(1));
      if (group_end) begin
        kx <= kx + 1'b1;
        x  <= x + x_t'(1);
      end
      if (kx_end) begin
        kx <= '0;
        x  <= left;
        ky <= ky + 1'b1;
        y  <= y + y_t'(1);
      end
      if (ky_end) begin
        ky     <= '0;
        y      <= top;
        offset <= '0;
        replay <= replay + 1'b1;
      end
      if (replay_end) begin
        replay <= '0;
        base   <= base + ADDR_W'(step);
        ox     <= ox_end ? '0 : ox + 1'b1;
        left   <= ox_end ? -x_t'(PAD_X) : left + x_t'(STRIDE_X);
        x      <= ox_end ? -x_t'(PAD_X) : left + x_t'(STRIDE_X);
        if (ox_end) begin
          oy  <= oy_end ? '0 : oy + 1'b1;
          top <= oy_end ? -y_t'(PAD_Y) : top + y_t'(STRIDE_Y);
          y   <= oy_end ? -y_t'(PAD_Y) : top + y_t'(STRIDE_Y);
        end
      end
    end
    if (rst) begin
      lead    <= off_t'(FIRST);
      ahead   <= off_t'(FIRST);
      offset  <= '0;
      wr_addr <= '0;
      base    <= ADDR_W'(-FIRST);
      {group, kx, ky, replay, ox, oy} <= '0;
      x       <= -x_t'(PAD_X);
      left    <= -x_t'(PAD_X);
      y       <= -y_t'(PAD_Y);
      top     <= -y_t'(PAD_Y);
    end
  end

  // ------------------------------------------------------------------ memory and output register
  logic              valid_1, on_map_1, last_1, ce_1, ce_2;
  logic [ITEM_W-1:0] item_1;

  assign ce_2 = !m_window_tvalid || m_window_tready;
  assign ce_1 = !valid_1 || ce_2;
  assign rd   = ce_1 && ready;

  volley_ram #(.DATA_W(ITEM_W), .DEPTH(DEPTH)) u_ram (
    .clk,
    .we(wr), .waddr(wr_addr), .wdata(s_item_tdata),
    .re(rd), .raddr(base + ADDR_W'(offset)), .rdata(item_1)
  );

  always_ff @(posedge clk) begin
    if (ce_1) begin
      valid_1  <= ready;
      on_map_1 <= on_map;
      last_1   <= replay_end && ox_end && oy_end;
    end
    if (ce_2) begin
      m_window_tvalid <= valid_1;
      m_window_tdata  <= on_map_1 ? item_1 : PAD_ITEM;
      m_window_tlast  <= last_1;
    end
    if (rst) begin
      valid_1         <= 1'b0;
      m_window_tvalid <= 1'b0;
    end
  end

`ifndef SYNTHESIS
  int unsigned beat_check;
  always_ff @(posedge clk) begin
    if (wr) begin
      beat_check <= beat_check == HEIGHT*WIDTH*GROUPS - 1 ? 0 : beat_check + 1;
      if (!rst) assert (s_item_tlast == (beat_check == HEIGHT*WIDTH*GROUPS - 1))
        else $error("volley_window_fold: tlast out of step with HEIGHT x WIDTH x GROUPS");
    end
    if (rst) beat_check <= 0;
  end
`endif
endmodule
`default_nettype wire
