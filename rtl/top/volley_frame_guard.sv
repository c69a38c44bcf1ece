// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Frame guard: lets exactly WORDS words of each frame through, so that the cores never see a bad one.
// A frame that ends early is filled with zeros, one that runs on is discarded up to its tlast;
// either is marked. One flag word leaves per tlast. Bytes that tkeep leaves out count as zeros. A null beat, one without
// any byte, is skipped; with tlast it ends the frame where it is: behind the last word a good one, before it a short one,
// and by itself an empty frame, which is short.
//   flags[0] short, flags[1] long, flags[2] tkeep with a hole, or not full before the last word
// Latency 1, 1 word/cycle and one cycle per frame for its flags. Model: verif/models/frame.py.
`default_nettype none
module volley_frame_guard #(
  parameter int unsigned BYTES = 64            // bytes of a frame
) (
  input  wire logic        clk,
  input  wire logic        rst,                // synchronous, active high
  // Sink: 32-bit stream of 8-bit pixels, first pixel in the low byte
  input  wire logic        s_axis_tvalid,
  output logic             s_axis_tready,
  input  wire logic [31:0] s_axis_tdata,
  input  wire logic [3:0]  s_axis_tkeep,
  input  wire logic        s_axis_tlast,
  // Source: ceil(BYTES/4) words per frame
  output logic             m_word_tvalid,
  input  wire logic        m_word_tready,
  output logic [31:0]      m_word_tdata,
  output logic             m_word_tlast,
  // Source: flags of the frame
  output logic             m_flags_tvalid,
  input  wire logic        m_flags_tready,
  output logic [2:0]       m_flags_tdata
);
  localparam int unsigned WORDS = (BYTES + 3) / 4;
  localparam int unsigned COUNT_W = WORDS > 1 ? $clog2(WORDS) : 1;
  localparam logic [3:0] LAST_KEEP = BYTES % 4 == 0 ? 4'hf : 4'((1 << (BYTES % 4)) - 1);

  if (BYTES < 1) begin : g_rule_bytes
    $fatal(1, "volley_frame_guard: BYTES = %0d must be at least 1 (%m)", BYTES);
  end

  typedef enum logic [1:0] {PASS, FILL, DROP, REPORT} state_t;

  state_t             state_q, state_d;
  logic [COUNT_W-1:0] count;
  logic [2:0]         flags_q, flags_d;
  logic               take, put, free, full;   // full: this word completes the frame
  logic               null_beat;               // without any byte
  logic               ragged;                  // tkeep is not a run of ones from byte 0
  logic               partial_q;               // the word before is not full: no other may follow
  logic [31:0]        kept;

  assign free   = !m_word_tvalid || m_word_tready;
  assign full   = count == COUNT_W'(WORDS - 1);
  assign ragged = (s_axis_tkeep & (s_axis_tkeep + 4'd1)) != '0;
  assign s_axis_tready  = (state_q == PASS && free) || state_q == DROP;
  assign take           = s_axis_tvalid && s_axis_tready;
  assign null_beat      = s_axis_tkeep == '0;
  assign put            = free && (state_q == FILL || (state_q == PASS && s_axis_tvalid && !null_beat));
  assign m_flags_tvalid = state_q == REPORT;
  assign m_flags_tdata  = flags_q;

  for (genvar b = 0; b < 4; b++) begin : g_keep
    // Bytes beyond the frame are excess as well.
    assign kept[b*8 +: 8] = s_axis_tkeep[b] && (LAST_KEEP[b] || !full) ? s_axis_tdata[b*8 +: 8] : 8'd0;
  end

  always_comb begin
    state_d = state_q;
    flags_d = flags_q;
    unique case (state_q)
      PASS: if (take) begin
        if (ragged || (partial_q && !null_beat)) flags_d[2] = 1'b1;
        if (!null_beat && full) begin
          state_d = s_axis_tlast ? REPORT : DROP;
          if ((s_axis_tkeep & ~LAST_KEEP) != '0) flags_d[1] = 1'b1;
          if ((~s_axis_tkeep & LAST_KEEP) != '0) flags_d[0] = 1'b1;
        end else if (s_axis_tlast) begin
          state_d    = FILL;
          flags_d[0] = 1'b1;
        end
      end
      FILL: if (free && full) state_d = REPORT;
      DROP: if (take) begin
        if (!null_beat) flags_d[1] = 1'b1;
        if (s_axis_tlast) state_d = REPORT;
      end
      REPORT: if (m_flags_tready) begin
        state_d = PASS;
        flags_d = '0;
      end
    endcase
  end

  always_ff @(posedge clk) begin
    state_q <= state_d;
    flags_q <= flags_d;
    if (put) begin
      count     <= full ? '0 : count + 1'b1;
      partial_q <= state_q == PASS && !full && s_axis_tkeep != 4'hf;
    end
    if (free) begin
      m_word_tvalid <= put;
      m_word_tdata  <= state_q == FILL ? '0 : kept;
      m_word_tlast  <= full;
    end
    if (rst) begin
      state_q       <= PASS;
      flags_q       <= '0;
      count         <= '0;
      partial_q     <= 1'b0;
      m_word_tvalid <= 1'b0;
    end
  end
endmodule
`default_nettype wire
