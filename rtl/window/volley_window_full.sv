// SPDX-License-Identifier: Apache-2.0
// Full window: columns in, for each output pixel the whole window of KERNEL columns out, REPLAY times.
//   window[kx] of output ox = column(ox*STRIDE - PADDING + kx), PAD_ITEM outside the row.
// Columns right of the map are shifted in together with the first columns of the next row, which
// the mask of the old row hides, so a row costs max(WIDTH, OUT_COLS) cycles at STRIDE 1. Only the
// very last row of a frame does not wait for the next frame, and may cost LATE columns more.
// Cycles per frame: (HEIGHT*(WIDTH + BEYOND - OVERLAP) + LATE)*GROUPS + HEIGHT*OUT_COLS*(REPLAY-1)
// with LATE = OVERLAP for GROUPS > 1, else max(OVERLAP - 1, 0): none with PADDING <= 1.
// Latency 1; 1 beat/cycle.
// Model: verif/models/window.py.
`default_nettype none
module volley_window_full #(
  parameter int unsigned ITEM_W  = 12,         // bits of a column (KH * LANES * T)
  parameter int unsigned GROUPS  = 1,          // beats per column
  parameter int unsigned HEIGHT  = 8,          // output rows
  parameter int unsigned WIDTH   = 8,          // columns of a row
  parameter int unsigned KERNEL  = 3,          // columns of a window
  parameter int unsigned STRIDE  = 1,
  parameter int unsigned PADDING = 1,          // columns left and right, < KERNEL
  parameter int unsigned REPLAY  = 1,          // times each window is sent (output folds)
  parameter logic [ITEM_W-1:0] PAD_ITEM = '0,  // content of a padded column
  parameter int unsigned PIX     = 1           // pixels per beat
) (
  input  wire logic                     clk,
  input  wire logic                     rst,   // synchronous, active high
  // Sink: columns, channel group fastest
  input  wire logic                     s_column_tvalid,
  output logic                          s_column_tready,
  input  wire logic [ITEM_W-1:0]        s_column_tdata,
  input  wire logic                     s_column_tlast,
  // Source: windows, kx = 0 in the least significant bits
  output logic                          m_window_tvalid,
  input  wire logic                     m_window_tready,
  output logic [KERNEL*ITEM_W-1:0]      m_window_tdata,
  output logic                          m_window_tlast
);
  // A STRIDE of 0 is refused below, which Verilator says only if nothing is divided by it.
  localparam int unsigned OUT_COLS = STRIDE > 0 ? (WIDTH + 2*PADDING - KERNEL) / STRIDE + 1 : 1;
  localparam int unsigned LAST     = (OUT_COLS - 1) * STRIDE + KERNEL - 1 - PADDING;  // newest column of the last window
  // Columns beyond the map that the last windows of a row need, and how many of them may share
  // their cycle with the next row's first columns (none of which completes a window yet).
  localparam int unsigned BEYOND   = LAST > WIDTH - 1 ? LAST - (WIDTH - 1) : 0;
  localparam int unsigned LEAD_IN  = KERNEL - 1 - PADDING;
  localparam int unsigned SHARED   = BEYOND < LEAD_IN ? BEYOND : LEAD_IN;
  localparam int unsigned OVERLAP  = SHARED < WIDTH ? SHARED : WIDTH;  // the next row has no more
  localparam int unsigned COL_W    = $clog2(WIDTH + KERNEL) + 1;
  localparam int unsigned GROUP_W  = GROUPS > 1 ? $clog2(GROUPS) : 1;
  localparam int unsigned ROW_W    = HEIGHT > 1 ? $clog2(HEIGHT) : 1;
  localparam int unsigned PHASE_W  = STRIDE > 1 ? $clog2(STRIDE) : 1;
  localparam int unsigned REPLAY_W = REPLAY > 1 ? $clog2(REPLAY) : 1;
  localparam int unsigned TAPS     = (KERNEL - 1) * GROUPS + 1;  // shift register stages

  if (PIX != 1) $fatal(1, "volley_window_full: PIX = %0d, only 1 pixel per beat is supported", PIX);
  if (ITEM_W < 1 || GROUPS < 1 || HEIGHT < 1 || WIDTH < 1 || STRIDE < 1 || REPLAY < 1)
    $fatal(1,
      "volley_window_full: ITEM_W, GROUPS, HEIGHT, WIDTH, STRIDE and REPLAY must be at least 1");
  if (PADDING >= KERNEL) $fatal(1, "volley_window_full: PADDING = %0d must be below KERNEL", PADDING);
  if (WIDTH + 2*PADDING < KERNEL) $fatal(1, "volley_window_full: KERNEL is larger than the map");
  if (GROUPS > 1 && REPLAY > 1)
    $fatal(1, "volley_window_full: GROUPS = %0d with REPLAY = %0d; use volley_window_fold", GROUPS, REPLAY);

  typedef logic [COL_W-1:0] col_t;

  // ------------------------------------------------------------------ position
  // `col` is the column this shift brings in; from WIDTH on it lies beyond the map. While it does,
  // `ahead` counts the columns of the next row that were shifted in instead of nothing.
  col_t               col, ahead, left;
  logic [GROUP_W-1:0] group;
  logic [ROW_W-1:0]   row;
  logic [PHASE_W-1:0] phase;                   // columns until the next window, modulo STRIDE
  logic [REPLAY_W-1:0] replay;
  logic beyond, share, must_share, take, shift, free, emit, row_end, group_end, last_row, replay_end;

  assign group_end  = group == GROUP_W'(GROUPS - 1);
  assign last_row   = row == ROW_W'(HEIGHT - 1);
  assign replay_end = replay == REPLAY_W'(REPLAY - 1);
  assign beyond     = col >= col_t'(WIDTH);
  assign left       = col_t'(WIDTH + BEYOND) - col;        // columns left, this one included
  // Within a frame the next row is sure to come, so waiting for it is safe; at the end of the
  // frame only the last column may share, and only if the next frame is already there.
  assign must_share = beyond && !last_row && left <= col_t'(OVERLAP);
  assign share      = must_share
                   || (beyond && last_row && left == col_t'(1) && OVERLAP > 0 && GROUPS == 1);
  assign free       = !m_window_tvalid || (m_window_tready && replay_end);
  assign shift      = free && (s_column_tvalid || (beyond && !must_share));
  assign take       = beyond ? share : 1'b1;
  assign s_column_tready = free && take;
  assign row_end    = group_end && col == col_t'(WIDTH + BEYOND - 1);
  assign emit       = col >= col_t'(LEAD_IN) && col <= col_t'(LAST) && phase == '0;

  always_ff @(posedge clk) begin
    if (shift) begin
      group <= group_end ? '0 : group + 1'b1;
      if (group_end) begin
        col   <= col + 1'b1;
        if (col >= col_t'(LEAD_IN)) phase <= phase == '0 ? PHASE_W'(STRIDE - 1) : phase - 1'b1;
        if (share && s_column_tvalid) ahead <= ahead + 1'b1;
      end
      if (row_end) begin
        col   <= ahead + col_t'(share && s_column_tvalid);
        ahead <= '0;
        phase <= '0;
        row   <= last_row ? '0 : row + 1'b1;
      end
    end
    if (rst) begin
      col   <= '0;
      ahead <= '0;
      group <= '0;
      row   <= '0;
      phase <= '0;
    end
  end

  // ------------------------------------------------------------------ window
  logic [ITEM_W-1:0] tap [TAPS];               // tap[0] is the newest
  logic [KERNEL-1:0] on_map;                   // column kx lies inside the map
  logic              last;                     // the frame's last window

  always_ff @(posedge clk) begin
    if (shift) begin
      for (int unsigned i = 1; i < TAPS; i++) tap[i] <= tap[i-1];
      tap[0] <= s_column_tdata;
      for (int unsigned k = 0; k < KERNEL; k++)
        on_map[k] <= col + col_t'(k) >= col_t'(KERNEL - 1) && col + col_t'(k) < col_t'(WIDTH + KERNEL - 1);
      last <= last_row && col == col_t'(LAST) && group_end;
    end
    if (free) m_window_tvalid <= shift && emit;
    if (m_window_tvalid && m_window_tready) replay <= replay_end ? '0 : replay + 1'b1;
    if (rst) begin
      m_window_tvalid <= 1'b0;
      replay          <= '0;
    end
  end

  assign m_window_tlast = last && replay_end;  // once a frame, not once a repetition
  always_comb                                  // without padding every window lies inside the map
    for (int unsigned k = 0; k < KERNEL; k++)
      m_window_tdata[k*ITEM_W +: ITEM_W] = PADDING == 0 || on_map[k] ? tap[(KERNEL - 1 - k) * GROUPS] : PAD_ITEM;

`ifndef SYNTHESIS
  int unsigned beat_check;
  always_ff @(posedge clk) begin
    if (s_column_tvalid && s_column_tready) begin
      beat_check <= beat_check == HEIGHT*WIDTH*GROUPS - 1 ? 0 : beat_check + 1;
      if (!rst) assert (s_column_tlast == (beat_check == HEIGHT*WIDTH*GROUPS - 1))
        else $error("volley_window_full: tlast out of step with HEIGHT x WIDTH");
    end
    if (rst) beat_check <= 0;
  end
`endif
endmodule
`default_nettype wire
