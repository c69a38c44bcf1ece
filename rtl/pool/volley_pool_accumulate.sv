// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Pooling of windows that do not overlap, as the map streams past: each window's partial sum (or maximum) is kept
// until its last pixel has come. Nothing holds the map or a window.
//   out(oy, ox) = sum or maximum of word(oy*KERNEL_Y + ky, ox*KERNEL_X + kx)
// SIGNED = 1: the maximum of potentials, one lane for each number.
// Rows and columns that fill no window are dropped. A map that is one window is a global pool.
// A row of windows is kept: COLS * GROUPS words of LANES results, in a RAM. One of them alone lies in the output
// register, which accumulates; so does the window that is being passed, where GROUPS = 1.
// Beats per frame: HEIGHT*WIDTH*GROUPS in, ROWS*COLS*GROUPS out. Latency 2 from a window's last beat, 1 beat/cycle.
// tlast ends each map, by counting. Model: verif/models/pool.py.
`default_nettype none
module volley_pool_accumulate #(
  parameter int unsigned LANES    = 1,         // words per beat: channels, time steps, pixels of different windows
  parameter int unsigned WORD_W   = 4,         // bits of a word
  parameter int unsigned OUT_W    = 10,        // bits of a result; holds the largest sum
  parameter bit          MAXIMUM  = 1'b0,      // 1: maximum, 0: sum
  parameter int unsigned GROUPS   = 1,         // beats per pixel
  parameter int unsigned HEIGHT   = 8,         // of the map
  parameter int unsigned WIDTH    = 8,         // columns of the map: pixels, or beats where one brings several
  parameter int unsigned KERNEL_Y = 8,         // rows of a window
  parameter int unsigned KERNEL_X = 8,         // columns of a window
  parameter bit          SIGNED   = 1'b0       // 1: words in two's complement; of a maximum only
) (
  input  wire logic                    clk,
  input  wire logic                    rst,    // synchronous, active high
  // Sink: pixels, raster order, channel group fastest
  input  wire logic                    s_spike_tvalid,
  output logic                         s_spike_tready,
  input  wire logic [LANES*WORD_W-1:0] s_spike_tdata,
  input  wire logic                    s_spike_tlast,
  // Source: a result for each window
  output logic                         m_spike_tvalid,
  input  wire logic                    m_spike_tready,
  output logic [LANES*OUT_W-1:0]       m_spike_tdata,
  output logic                         m_spike_tlast
);
  if (LANES < 1 || WORD_W < 1 || GROUPS < 1 || KERNEL_Y < 1 || KERNEL_X < 1) begin : g_rule_lanes
    $fatal(1, "volley_pool_accumulate: LANES, WORD_W, GROUPS, KERNEL_Y and KERNEL_X must be at least 1 (%m)");
  end else if (HEIGHT < KERNEL_Y || WIDTH < KERNEL_X) begin : g_rule_height
    $fatal(1, "volley_pool_accumulate: the window is larger than the map of %0d x %0d (%m)", HEIGHT, WIDTH);
  end
  if (OUT_W < WORD_W) begin : g_rule_out_w
    $fatal(1, "volley_pool_accumulate: OUT_W = %0d cannot hold a word of WORD_W = %0d (%m)", OUT_W, WORD_W);
  end

  if (SIGNED && !MAXIMUM) begin : g_rule_signed
    $fatal(1, "volley_pool_accumulate: SIGNED = 1 needs MAXIMUM = 1 (%m)");
  end

  localparam int unsigned ROWS    = KERNEL_Y > 0 ? HEIGHT / KERNEL_Y : 1;
  localparam int unsigned COLS    = KERNEL_X > 0 ? WIDTH / KERNEL_X : 1;
  localparam int unsigned DEPTH   = COLS * GROUPS;
  localparam int unsigned ADDR_W  = DEPTH > 1 ? $clog2(DEPTH) : 1;
  localparam int unsigned GROUP_W = GROUPS > 1 ? $clog2(GROUPS) : 1;
  localparam int unsigned KX_W    = KERNEL_X > 1 ? $clog2(KERNEL_X) : 1;
  localparam int unsigned KY_W    = KERNEL_Y > 1 ? $clog2(KERNEL_Y) : 1;
  localparam int unsigned OX_W    = $clog2(COLS + 1);       // one more: what fills no window
  localparam int unsigned OY_W    = $clog2(ROWS + 1);

  // ------------------------------------------------------------------ place of the beat that is taken next
  logic [GROUP_W-1:0] group;
  logic [KX_W-1:0]    kx;
  logic [KY_W-1:0]    ky;
  logic [OX_W-1:0]    ox;
  logic [OY_W-1:0]    oy;
  logic [ADDR_W-1:0]  addr;                    // of its result: ox * GROUPS + group
  logic               ce, take, group_end, row_end, map_end, kx_end, ky_end, fills;

  assign ce             = !m_spike_tvalid || m_spike_tready;
  assign s_spike_tready = ce;
  assign take           = ce && s_spike_tvalid;
  assign group_end      = group == GROUP_W'(GROUPS - 1);
  assign kx_end         = kx == KX_W'(KERNEL_X - 1);
  assign ky_end         = ky == KY_W'(KERNEL_Y - 1);
  assign row_end        = kx == KX_W'((WIDTH - 1) % KERNEL_X) && ox == OX_W'((WIDTH - 1) / KERNEL_X);
  assign map_end        = ky == KY_W'((HEIGHT - 1) % KERNEL_Y) && oy == OY_W'((HEIGHT - 1) / KERNEL_Y);
  assign fills         = WIDTH % KERNEL_X == 0 || ox != OX_W'(COLS);

  always_ff @(posedge clk) begin
    if (take) begin
      group <= group_end ? '0 : group + 1'b1;
      addr  <= addr + 1'b1;
      if (group_end) begin
        kx <= kx + 1'b1;
        if (kx_end) begin
          kx <= '0;
          ox <= ox + 1'b1;
        end else begin
          addr <= addr - ADDR_W'(GROUPS - 1);
        end
        if (row_end) begin
          kx   <= '0;
          ox   <= '0;
          addr <= '0;
          ky   <= ky + 1'b1;
          if (ky_end) begin
            ky <= '0;
            oy <= oy + 1'b1;
          end
          if (map_end) begin
            ky <= '0;
            oy <= '0;
          end
        end
      end
    end
    if (rst) {group, kx, ox, ky, oy, addr} <= '0;
  end

  // ------------------------------------------------------------------ its word joins what came before
  logic                    busy, first, kept, ends, last;
  logic [LANES*WORD_W-1:0] words;
  logic [LANES*OUT_W-1:0]  held, total;        // of the window before this beat, and with it
  logic                    put;

  assign put = ce && busy && kept;

  always_ff @(posedge clk) begin
    if (ce) begin
      busy           <= s_spike_tvalid;
      words          <= s_spike_tdata;
      first          <= kx == '0 && ky == '0;
      kept           <= fills;
      ends           <= kx_end && ky_end;
      last           <= group_end && ox == OX_W'(COLS - 1) && oy == OY_W'(ROWS - 1);
      m_spike_tvalid <= busy && ends;
      m_spike_tlast  <= last;
    end
    if (put) m_spike_tdata <= total;
    if (rst) begin
      busy           <= 1'b0;
      m_spike_tvalid <= 1'b0;
    end
  end

  if (DEPTH == 1) begin : g_register
    assign held = m_spike_tdata;
  end else begin : g_memory
    logic [ADDR_W-1:0]      waddr;
    logic [LANES*OUT_W-1:0] row;

    // A beat reads while the one before it is written: of another window, or with GROUPS = 1 the same, which
    // the output register has too.
    volley_ram #(
      .DATA_W (LANES * OUT_W),
      .DEPTH  (DEPTH)
    ) u_ram (
      .clk,
      .we    (put),
      .waddr,
      .wdata (total),
      .re    (take),
      .raddr (addr),
      .rdata (row)
    );
    always_ff @(posedge clk) if (take) waddr <= addr;

    if (GROUPS > 1) begin : g_groups
      assign held = row;
    end else begin : g_one_group
      logic resumes;                           // the first pixel of a window's row
      always_ff @(posedge clk) if (ce) resumes <= kx == '0;
      assign held = resumes ? row : m_spike_tdata;
    end
  end

  for (genvar l = 0; l < LANES; l++) begin : g_lane
    logic [OUT_W-1:0] word, past;
    if (MAXIMUM) begin : g_max
      logic larger;
      assign word = OUT_W'(signed'({SIGNED && words[l*WORD_W + WORD_W-1], words[l*WORD_W +: WORD_W]}));
      assign past = held[l*OUT_W +: OUT_W];
      assign larger = signed'({SIGNED && word[OUT_W-1], word}) > signed'({SIGNED && past[OUT_W-1], past});
      assign total[l*OUT_W +: OUT_W] = first || larger ? word : past;
    end else begin : g_sum
      assign word = OUT_W'(words[l*WORD_W +: WORD_W]);
      assign past = first ? '0 : held[l*OUT_W +: OUT_W];
      assign total[l*OUT_W +: OUT_W] = word + past;
`ifndef SYNTHESIS
      always_ff @(posedge clk)
        if (!rst && put) assert (total[l*OUT_W +: OUT_W] >= past)
          else $error("volley_pool_accumulate: OUT_W is too small");
`endif
    end
  end

`ifndef SYNTHESIS
  // The core counts pixels itself; tlast only has to agree with the count.
  always_ff @(posedge clk)
    if (!rst && take) assert (s_spike_tlast == (group_end && row_end && map_end))
      else $error("volley_pool_accumulate: tlast out of step with HEIGHT x WIDTH");
`endif
endmodule
`default_nettype wire
