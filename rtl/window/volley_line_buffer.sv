// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Line buffer: a raster of pixels in, for each output row the WIDTH columns of KERNEL pixels out.
//   column[ky] of output row oy at x = pixel(oy*STRIDE - PADDING + ky, x), PAD_ITEM outside the map.
// A beat carries PIX neighbours of a row, in and out.
// Writer and reader run on their own: the next frame is taken in while this one is read. A pixel
// is free as soon as the last output row that needs it has passed it, so KERNEL rows suffice for
// full rate. Rows live in KERNEL banks (row mod KERNEL); reading rotates them back into order.
// Beats per frame: HEIGHT*WIDTH/PIX*GROUPS in, OUT_ROWS*WIDTH/PIX*GROUPS out; the larger one in
// cycles (rows of a single beat need SLOTS = 2 for that). Latency 3, 1 beat/cycle.
// Model: verif/models/window.py.
`default_nettype none
module volley_line_buffer #(
  parameter int unsigned ITEM_W  = 4,          // bits of a pixel in a beat (LANES * T)
  parameter int unsigned GROUPS  = 1,          // beats per pixel, or per PIX of them
  parameter int unsigned HEIGHT  = 8,
  parameter int unsigned WIDTH   = 8,
  parameter int unsigned KERNEL  = 3,          // rows of a column
  parameter int unsigned STRIDE  = 1,
  parameter int unsigned PADDING = 1,          // rows above and below, < KERNEL
  parameter int unsigned SLOTS   = 1,          // rows per bank; KERNEL * SLOTS rows are held
  parameter logic [ITEM_W-1:0] PAD_ITEM = '0,  // content of a padded tap
  parameter int unsigned PIX     = 1           // pixels per beat, divides WIDTH
) (
  input  wire logic                         clk,
  input  wire logic                         rst,     // synchronous, active high
  // Sink: pixels, raster order, channel group fastest
  input  wire logic                         s_spike_tvalid,
  output logic                              s_spike_tready,
  input  wire logic [PIX*ITEM_W-1:0]        s_spike_tdata,
  input  wire logic                         s_spike_tlast,
  // Source: columns, the leftmost and its ky = 0 in the least significant bits
  output logic                              m_column_tvalid,
  input  wire logic                         m_column_tready,
  output logic [PIX*KERNEL*ITEM_W-1:0]      m_column_tdata,
  output logic                              m_column_tlast
);
  localparam int unsigned OUT_ROWS = (HEIGHT + 2*PADDING - KERNEL) / STRIDE + 1;
  localparam int unsigned BEATS    = PIX > 0 ? WIDTH / PIX * GROUPS : 1;  // of a row
  localparam int unsigned DATA_W   = PIX * ITEM_W;          // bits of a beat
  localparam int unsigned ROWS     = KERNEL * SLOTS;        // rows held
  localparam int unsigned DEPTH    = SLOTS * BEATS;         // words of a bank
  localparam int unsigned ADDR_W   = DEPTH > 1 ? $clog2(DEPTH) : 1;
  localparam int unsigned BEAT_W  = BEATS > 1 ? $clog2(BEATS) : 1;
  localparam int unsigned BANK_W   = KERNEL > 1 ? $clog2(KERNEL) : 1;
  localparam int unsigned OUT_W    = OUT_ROWS > 1 ? $clog2(OUT_ROWS) : 1;
  localparam int unsigned ROW_W    = $clog2(HEIGHT + 2*PADDING + 2) + 1;                    // signed
  localparam int unsigned GAP_W    = $clog2((2*HEIGHT + 2*PADDING + ROWS + STRIDE + 2) * BEATS) + 1;  // signed
  // The first row of the next frame's first window, seen from this frame's last window.
  localparam int FRAME_STEP = int'(HEIGHT) - int'((OUT_ROWS - 1) * STRIDE);
  localparam int unsigned ROW_STEP_MOD   = STRIDE % ROWS;
  localparam int unsigned FRAME_STEP_MOD = ((FRAME_STEP % int'(ROWS)) + int'(ROWS)) % int'(ROWS);
  localparam int unsigned FIRST_POS      = (ROWS - PADDING % ROWS) % ROWS;

  if (ITEM_W < 1 || GROUPS < 1 || HEIGHT < 1 || WIDTH < 1 || STRIDE < 1 || SLOTS < 1 ||
      PIX < 1) begin : g_rule_item_w
    $fatal(1, "volley_line_buffer: ITEM_W, GROUPS, HEIGHT, WIDTH, STRIDE, SLOTS and PIX must be at least 1 (%m)");
  end else if (WIDTH % PIX != 0) begin : g_rule_width
    $fatal(1, "volley_line_buffer: PIX = %0d does not divide WIDTH = %0d: rows are whole beats (%m)", PIX, WIDTH);
  end
  if (PADDING >= KERNEL) begin : g_rule_padding
    $fatal(1, "volley_line_buffer: PADDING = %0d must be below KERNEL (%m)", PADDING);
  end
  if (HEIGHT + 2*PADDING < KERNEL) begin : g_rule_height
    $fatal(1, "volley_line_buffer: KERNEL is larger than the map (%m)");
  end

  typedef logic signed [ROW_W-1:0] row_t;
  typedef logic signed [GAP_W-1:0] gap_t;

  // ------------------------------------------------------------------ rows that the reader needs
  // Of output row r, where OUT_ROWS is the next frame's first: the first and the last real row, counted from
  // this frame's row 0. Rows above the map are none, so the first one never goes back.
  function automatic int first_row(input int r);
    int at;
    at = r % int'(OUT_ROWS) * int'(STRIDE) - int'(PADDING);
    return r / int'(OUT_ROWS) * int'(HEIGHT) + (at < 0 ? 0 : at);
  endfunction
  function automatic int last_row_of(input int r);
    int at;
    at = r % int'(OUT_ROWS) * int'(STRIDE) - int'(PADDING) + int'(KERNEL) - 1;
    return r / int'(OUT_ROWS) * int'(HEIGHT) + (at > int'(HEIGHT) - 1 ? int'(HEIGHT) - 1 : at);
  endfunction

  // ------------------------------------------------------------------ writer
  logic [BEAT_W-1:0] wr_beat;
  logic [BANK_W-1:0] wr_bank;
  logic [ADDR_W-1:0] wr_base;                  // slot * BEATS
  logic              wr, wr_row_end;

  assign wr         = s_spike_tvalid && s_spike_tready;
  assign wr_row_end = wr_beat == BEAT_W'(BEATS - 1);

  // ------------------------------------------------------------------ reader
  row_t              top;                      // first row of the window: -PADDING ...
  logic [OUT_W-1:0]  out_row;
  logic [BEAT_W-1:0] rd_beat;
  logic [BANK_W-1:0] rd_bank;                  // bank of row `top`
  logic [ADDR_W-1:0] rd_base;                  // its slot * BEATS
  logic              rd, rd_ready, rd_row_end, last_row;
  // Distances between writer and reader are kept, in beats, not their places: a handshake is then a sign.
  gap_t              lead;                     // beats beyond the one that the reader needs; below 0 it waits
  gap_t              space;                    // beats that fit beyond this one; below 0 the writer waits
  gap_t              lead_step, space_step;    // what a read takes and frees

  assign last_row       = out_row == OUT_W'(OUT_ROWS - 1);
  assign rd_row_end     = rd_beat == BEAT_W'(BEATS - 1);
  assign rd_ready       = lead >= gap_t'(0);
  assign s_spike_tready = space >= gap_t'(0);

  // A read moves on by a beat, the last one of its row also to the next window, `rows` below this one. It frees its beat in
  // every row that the next window does without, if there are any; the writer gets no further than the first of these, so
  // it gains one.
  function automatic gap_t steps(input int rows, input logic row_end);
    return row_end ? gap_t'((rows - 1) * int'(BEATS) + 1) : gap_t'(1);
  endfunction
  // Rows are STRIDE apart, but near the upper and the lower edge of the map.
  localparam int unsigned EDGE = KERNEL / STRIDE + 2 < OUT_ROWS ? KERNEL / STRIDE + 2 : OUT_ROWS;
  always_comb begin
    lead_step  = steps(int'(STRIDE), rd_row_end);
    space_step = steps(int'(STRIDE), rd_row_end);
    for (int unsigned e = 0; e < 2*EDGE; e++) begin
      automatic int unsigned r = e < EDGE ? e : OUT_ROWS - 2*EDGE + e;
      automatic int freed = first_row(int'(r) + 1) - first_row(int'(r));
      if (out_row == OUT_W'(r)) begin
        lead_step  = steps(last_row_of(int'(r) + 1) - last_row_of(int'(r)), rd_row_end);
        space_step = freed == 0 ? gap_t'(0) : steps(freed, rd_row_end);
      end
    end
  end

  // (bank, slot) of a row `step` rows further; returns {bank, base}.
  function automatic logic [BANK_W+ADDR_W-1:0] advance(
    input logic [BANK_W-1:0] bank, input logic [ADDR_W-1:0] base, input int unsigned step
  );
    int unsigned b, a;
    b = 32'(bank) + step % KERNEL;
    a = 32'(base) + (step / KERNEL) * BEATS;
    if (b >= KERNEL) begin
      b = b - KERNEL;
      a = a + BEATS;
    end
    if (a >= DEPTH) a = a - DEPTH;
    return {BANK_W'(b), ADDR_W'(a)};
  endfunction

  always_ff @(posedge clk) begin
    if (wr) begin
      wr_beat <= wr_row_end ? '0 : wr_beat + 1'b1;
      if (wr_row_end) {wr_bank, wr_base} <= advance(wr_bank, wr_base, 1);
    end
    if (rd) begin
      rd_beat <= rd_row_end ? '0 : rd_beat + 1'b1;
      if (rd_row_end) begin
        out_row <= last_row ? '0 : out_row + 1'b1;
        top     <= last_row ? -row_t'(PADDING) : top + row_t'(STRIDE);
        {rd_bank, rd_base} <= last_row ? advance(rd_bank, rd_base, FRAME_STEP_MOD)
                                       : advance(rd_bank, rd_base, ROW_STEP_MOD);
      end
    end
    lead  <= lead + gap_t'({1'b0, wr}) - (rd ? lead_step : gap_t'(0));
    space <= space - gap_t'({1'b0, wr}) + (rd ? space_step : gap_t'(0));
    if (rst) begin
      lead    <= gap_t'(-last_row_of(0) * int'(BEATS) - 1);
      space   <= gap_t'((int'(ROWS) + first_row(0)) * int'(BEATS) - 1);
      wr_beat <= '0;
      wr_bank <= '0;
      wr_base <= '0;
      rd_beat <= '0;
      out_row <= '0;
      top     <= -row_t'(PADDING);
      rd_bank <= BANK_W'(FIRST_POS % KERNEL);
      rd_base <= ADDR_W'(FIRST_POS / KERNEL * BEATS);
    end
  end

  // ------------------------------------------------------------------ banks, rotation, padding
  logic                     valid_1, last_1, ce_1, ce_2;
  logic [BANK_W-1:0]        bank_1;
  logic [KERNEL-1:0]        real_1;            // kernel row lies inside the map
  logic [DATA_W-1:0]        item_1 [KERNEL];   // by bank
  logic [DATA_W-1:0]        row_1 [KERNEL];    // by kernel row
  logic [PIX*KERNEL*ITEM_W-1:0] column_1;

  assign ce_2 = !m_column_tvalid || m_column_tready;
  assign ce_1 = !valid_1 || ce_2;
  assign rd   = ce_1 && rd_ready;

  for (genvar k = 0; k < KERNEL; k++) begin : g_bank
    // Banks below rd_bank hold rows of the following slot.
    logic [ADDR_W-1:0] base;
    always_comb begin
      base = rd_base;
      if (BANK_W'(k) < rd_bank) base = rd_base == ADDR_W'(DEPTH - BEATS) ? '0 : rd_base + ADDR_W'(BEATS);
    end
    volley_ram #(.DATA_W(DATA_W), .DEPTH(DEPTH > 1 ? DEPTH : 2)) u_ram (
      .clk,
      .we(wr && wr_bank == BANK_W'(k)), .waddr(wr_base + ADDR_W'(wr_beat)), .wdata(s_spike_tdata),
      .re(rd), .raddr(base + ADDR_W'(rd_beat)), .rdata(item_1[k])
    );
  end

  always_comb begin
    for (int unsigned k = 0; k < KERNEL; k++) begin
      row_1[k] = {PIX{PAD_ITEM}};
      for (int unsigned b = 0; b < KERNEL; b++)
        if (real_1[k] && bank_1 == BANK_W'((b + KERNEL - k) % KERNEL)) row_1[k] = item_1[b];
    end
    for (int unsigned p = 0; p < PIX; p++)
      for (int unsigned k = 0; k < KERNEL; k++)
        column_1[(p*KERNEL + k)*ITEM_W +: ITEM_W] = row_1[k][p*ITEM_W +: ITEM_W];
  end

  always_ff @(posedge clk) begin
    if (ce_1) begin
      valid_1 <= rd_ready;
      last_1  <= last_row && rd_row_end;
      bank_1  <= rd_bank;
      for (int unsigned k = 0; k < KERNEL; k++)
        real_1[k] <= PADDING == 0 || (top + row_t'(k) >= row_t'(0) && top + row_t'(k) < row_t'(HEIGHT));
    end
    if (ce_2) begin
      m_column_tvalid <= valid_1;
      m_column_tdata  <= column_1;
      m_column_tlast  <= last_1;
    end
    if (rst) begin
      valid_1         <= 1'b0;
      m_column_tvalid <= 1'b0;
    end
  end

`ifndef SYNTHESIS
  // The cores count pixels themselves; tlast only has to agree with the count.
  int unsigned row_check;
  always_ff @(posedge clk) begin
    if (wr && wr_row_end) row_check <= row_check == HEIGHT - 1 ? 0 : row_check + 1;
    if (!rst && wr) assert (s_spike_tlast == (wr_row_end && row_check == HEIGHT - 1))
      else $error("volley_line_buffer: tlast out of step with HEIGHT x WIDTH");
    if (rst) row_check <= 0;
  end
`endif
endmodule
`default_nettype wire
