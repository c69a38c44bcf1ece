// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Full window: columns in, for each output pixel the whole window of KERNEL columns out, REPLAY times.
//   window[kx] of output ox = column(ox*STRIDE - PADDING + kx), PAD_ITEM outside the row.
// A beat carries PIX columns in and OUT_PIX = max(1, PIX/STRIDE) windows out: 2x2 pooling with stride 2
// halves the pixels per beat. Windows lie at the same place of the shift register in each beat, LEAD_IN
// beats behind the row's first columns.
// Beats right of the map are shifted in together with the first beats of the next row, which the mask
// of the old row hides, so a row costs max(BEATS, OUT_BEATS) cycles at STRIDE 1. Only the very last
// row of a frame does not wait for the next frame, and may cost LATE beats more.
// Cycles per frame: (HEIGHT*(BEATS + BEYOND - OVERLAP) + LATE)*GROUPS + HEIGHT*OUT_BEATS*(REPLAY-1)
//   BEATS = WIDTH/PIX, OUT_BEATS = OUT_COLS/OUT_PIX,
//   LEAD_IN = floor((KERNEL-1-PADDING + (OUT_PIX-1)*STRIDE) / PIX),
//   BEYOND = max(0, LEAD_IN + (OUT_BEATS-1)*max(1, STRIDE/PIX) - (BEATS-1)),
//   OVERLAP = min(BEYOND, LEAD_IN, BEATS),
//   LATE = OVERLAP for GROUPS > 1, else max(OVERLAP - 1, 0): none with PADDING <= PIX.
// Latency 1; 1 beat/cycle.
// Model: verif/models/window.py.
`default_nettype none
module volley_window_full #(
  parameter int unsigned ITEM_W  = 12,         // bits of a column (KH * LANES * T)
  parameter int unsigned GROUPS  = 1,          // beats per column, or per PIX of them
  parameter int unsigned HEIGHT  = 8,          // output rows
  parameter int unsigned WIDTH   = 8,          // columns of a row
  parameter int unsigned KERNEL  = 3,          // columns of a window
  parameter int unsigned STRIDE  = 1,
  parameter int unsigned PADDING = 1,          // columns left and right, < KERNEL
  parameter int unsigned REPLAY  = 1,          // times each window is sent (output folds)
  parameter logic [ITEM_W-1:0] PAD_ITEM = '0,  // content of a padded column
  parameter int unsigned PIX     = 1,          // columns per beat, divides WIDTH; divides STRIDE or is a multiple
  localparam int unsigned OUT_PIX = STRIDE > 0 && PIX > STRIDE ? PIX / STRIDE : 1  // windows per beat
) (
  input  wire logic                             clk,
  input  wire logic                             rst,   // synchronous, active high
  // Sink: columns, channel group fastest
  input  wire logic                             s_column_tvalid,
  output logic                                  s_column_tready,
  input  wire logic [PIX*ITEM_W-1:0]            s_column_tdata,
  input  wire logic                             s_column_tlast,
  // Source: windows, the leftmost and its kx = 0 in the least significant bits
  output logic                                  m_window_tvalid,
  input  wire logic                             m_window_tready,
  output logic [OUT_PIX*KERNEL*ITEM_W-1:0]      m_window_tdata,
  output logic                                  m_window_tlast
);
  // A STRIDE or PIX of 0 is refused below, which Verilator says only if nothing is divided by it.
  localparam int unsigned OUT_COLS = STRIDE > 0 ? (WIDTH + 2*PADDING - KERNEL) / STRIDE + 1 : 1;
  localparam int unsigned BEATS    = PIX > 0 ? WIDTH / PIX : 1;            // of a row
  localparam int unsigned STEP     = PIX > 0 && STRIDE > PIX ? STRIDE / PIX : 1;  // from windows to windows
  localparam int unsigned SPAN     = (OUT_PIX - 1) * STRIDE + KERNEL;      // columns under a beat's windows
  // Beat that completes a row's first windows, and its last ones.
  localparam int unsigned LEAD_IN  = PIX > 0 ? (SPAN - 1 - PADDING) / PIX : 0;
  localparam int unsigned LAST     = LEAD_IN + (OUT_COLS / OUT_PIX - 1) * STEP;
  // Beats beyond the map that the last windows of a row need, and how many of them may share
  // their cycle with the next row's first beats (none of which completes a window yet).
  localparam int unsigned BEYOND   = LAST > BEATS - 1 ? LAST - (BEATS - 1) : 0;
  localparam int unsigned SHARED   = BEYOND < LEAD_IN ? BEYOND : LEAD_IN;
  localparam int unsigned OVERLAP  = SHARED < BEATS ? SHARED : BEATS;  // the next row has no more
  localparam int unsigned FIRST    = LEAD_IN * PIX + PADDING;          // columns from the span to the newest beat
  localparam int unsigned BEAT_W   = $clog2(BEATS + FIRST + 1) + 1;
  localparam int unsigned GROUP_W  = GROUPS > 1 ? $clog2(GROUPS) : 1;
  localparam int unsigned ROW_W    = HEIGHT > 1 ? $clog2(HEIGHT) : 1;
  localparam int unsigned PHASE_W  = STEP > 1 ? $clog2(STEP) : 1;
  localparam int unsigned REPLAY_W = REPLAY > 1 ? $clog2(REPLAY) : 1;
  localparam int unsigned TAPS     = PIX > 0 ? (FIRST + PIX - 1) / PIX * GROUPS + 1 : 1;  // shift register

  if (ITEM_W < 1 || GROUPS < 1 || HEIGHT < 1 || WIDTH < 1 || STRIDE < 1 || REPLAY < 1 ||
      PIX < 1) begin : g_rule_item_w
    $fatal(1, "volley_window_full: ITEM_W, GROUPS, HEIGHT, WIDTH, STRIDE, REPLAY and PIX must be at least 1 (%m)");
  end else if (WIDTH % PIX != 0) begin : g_rule_width
    $fatal(1, "volley_window_full: PIX = %0d does not divide WIDTH = %0d: rows are whole beats (%m)", PIX, WIDTH);
  end else if (PIX % STRIDE != 0 && STRIDE % PIX != 0) begin : g_rule_pix
    $fatal(1, "volley_window_full: neither of PIX = %0d and STRIDE = %0d divides the other (%m)", PIX, STRIDE);
  end
  if (PADDING >= KERNEL) begin : g_rule_padding
    $fatal(1, "volley_window_full: PADDING = %0d must be below KERNEL (%m)", PADDING);
  end
  if (WIDTH + 2*PADDING < KERNEL) begin : g_rule_width_padding
    $fatal(1, "volley_window_full: KERNEL is larger than the map (%m)");
  end else if (OUT_COLS % OUT_PIX != 0) begin : g_rule_out_cols
    $fatal(1, "volley_window_full: %0d windows in a row are no whole beats of %0d; use a lower PIX (%m)",
           OUT_COLS, OUT_PIX);
  end
  if (GROUPS > 1 && REPLAY > 1) begin : g_rule_groups
    $fatal(1, "volley_window_full: GROUPS = %0d with REPLAY = %0d; use volley_window_fold (%m)", GROUPS, REPLAY);
  end

  typedef logic [BEAT_W-1:0] beat_t;

  // ------------------------------------------------------------------ position
  // `beat` of its row is what this shift brings in; from BEATS on it lies beyond the map. While it does,
  // `ahead` counts the beats of the next row that were shifted in instead of nothing.
  beat_t              beat, ahead, left;
  logic [GROUP_W-1:0] group;
  logic [ROW_W-1:0]   row;
  logic [PHASE_W-1:0] phase;                   // beats until the next windows, modulo STEP
  logic [REPLAY_W-1:0] replay;
  logic beyond, share, must_share, take, shift, free, emit, row_end, group_end, last_row, replay_end;

  assign group_end  = group == GROUP_W'(GROUPS - 1);
  assign last_row   = row == ROW_W'(HEIGHT - 1);
  assign replay_end = replay == REPLAY_W'(REPLAY - 1);
  assign beyond     = BEYOND > 0 && beat >= beat_t'(BEATS);  // without padding never: no comparison
  assign left       = beat_t'(BEATS + BEYOND) - beat;      // beats left, this one included
  // Within a frame the next row is sure to come, so waiting for it is safe; at the end of the
  // frame only the last beat may share, and only if the next frame is already there.
  assign must_share = beyond && !last_row && left <= beat_t'(OVERLAP);
  assign share      = must_share
                   || (beyond && last_row && left == beat_t'(1) && OVERLAP > 0 && GROUPS == 1);
  assign free       = !m_window_tvalid || (m_window_tready && replay_end);
  assign shift      = free && (s_column_tvalid || (beyond && !must_share));
  assign take       = beyond ? share : 1'b1;
  assign s_column_tready = free && take;
  assign row_end    = group_end && beat == beat_t'(BEATS + BEYOND - 1);
  assign emit       = beat >= beat_t'(LEAD_IN) && beat <= beat_t'(LAST) && phase == '0;

  always_ff @(posedge clk) begin
    if (shift) begin
      group <= group_end ? '0 : group + 1'b1;
      if (group_end) begin
        beat  <= beat + 1'b1;
        if (beat >= beat_t'(LEAD_IN)) phase <= phase == '0 ? PHASE_W'(STEP - 1) : phase - 1'b1;
        if (share && s_column_tvalid) ahead <= ahead + 1'b1;
      end
      if (row_end) begin
        beat  <= ahead + beat_t'(share && s_column_tvalid);
        ahead <= '0;
        phase <= '0;
        row   <= last_row ? '0 : row + 1'b1;
      end
    end
    if (rst) begin
      beat  <= '0;
      ahead <= '0;
      group <= '0;
      row   <= '0;
      phase <= '0;
    end
  end

  // ------------------------------------------------------------------ window
  logic [PIX*ITEM_W-1:0]  tap [TAPS];          // tap[0] is the newest beat
  logic [SPAN-1:0]        on_map;              // column of the span lies inside the map
  logic [SPAN*ITEM_W-1:0] span;                // columns under the windows, the leftmost in the low bits
  logic                   last;                // the frame's last windows

  always_ff @(posedge clk) begin
    if (shift) begin
      for (int unsigned i = 1; i < TAPS; i++) tap[i] <= tap[i-1];
      tap[0] <= s_column_tdata;
      // Column c of the span is column PIX*beat + c - FIRST of the row.
      for (int unsigned c = 0; c < SPAN; c++)
        on_map[c] <= beat >= beat_t'(c < FIRST ? (FIRST - c + PIX - 1) / PIX : 0)
                  && beat < beat_t'((WIDTH + FIRST - c + PIX - 1) / PIX);
      last <= last_row && beat == beat_t'(LAST) && group_end;
    end
    if (free) m_window_tvalid <= shift && emit;
    if (m_window_tvalid && m_window_tready) replay <= replay_end ? '0 : replay + 1'b1;
    if (rst) begin
      m_window_tvalid <= 1'b0;
      replay          <= '0;
    end
  end

  assign m_window_tlast = last && replay_end;  // once a frame, not once a repetition
  for (genvar c = 0; c < SPAN; c++) begin : g_span
    localparam int unsigned AGE = FIRST + PIX - 1 - c;    // columns behind the newest
    logic [ITEM_W-1:0] column;
    assign column = tap[AGE / PIX * GROUPS][(PIX - 1 - AGE % PIX)*ITEM_W +: ITEM_W];
    // Without padding every window lies inside the map.
    assign span[c*ITEM_W +: ITEM_W] = PADDING == 0 || on_map[c] ? column : PAD_ITEM;
  end
  for (genvar q = 0; q < OUT_PIX; q++) begin : g_window
    assign m_window_tdata[q*KERNEL*ITEM_W +: KERNEL*ITEM_W] = span[q*STRIDE*ITEM_W +: KERNEL*ITEM_W];
  end

`ifndef SYNTHESIS
  int unsigned beat_check;
  always_ff @(posedge clk) begin
    if (s_column_tvalid && s_column_tready) begin
      beat_check <= beat_check == HEIGHT*BEATS*GROUPS - 1 ? 0 : beat_check + 1;
      if (!rst) assert (s_column_tlast == (beat_check == HEIGHT*BEATS*GROUPS - 1))
        else $error("volley_window_full: tlast out of step with HEIGHT x WIDTH");
    end
    if (rst) beat_check <= 0;
  end
`endif
endmodule
`default_nettype wire
