// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Residual connection: v = 2^EXPONENT * acc + m * word, m per lane. Exact.
// Radix: STEPS = 1, WORD_W = T. Rate: STEPS = TB, WORD_W = 1. The spikes of a word gate m, shifted
// to the weight of their step: no multiplier. With DSP = 1 one does it all for each number, which is
// a DSP slice where a family has them: registers, product and sum included.
// OUT_W must hold the largest |v|. Latency 1 + DSP, 1 beat/cycle. tlast is that of s_acc.
// Model: verif/models/eltwise.py.
`default_nettype none
module volley_residual #(
  parameter int unsigned LANES    = 1,         // channels per beat
  parameter int unsigned STEPS    = 1,         // numbers per lane
  parameter int unsigned ACC_W    = 12,        // bits of a potential, signed
  parameter int unsigned WORD_W   = 4,         // bits of a skipped word, unsigned
  parameter int unsigned EXPONENT = 0,         // e
  parameter int unsigned M_W      = 8,         // bits of m, signed
  parameter int unsigned OUT_W    = 14,        // bits of v, signed
  parameter int unsigned PIX      = 1,         // pixels per beat
  parameter bit          DSP      = 1'b0       // 1: a multiplier for each number
) (
  input  wire logic                          clk,
  input  wire logic                          rst,   // synchronous, active high
  // Sink: potentials
  input  wire logic                          s_acc_tvalid,
  output logic                               s_acc_tready,
  input  wire logic [LANES*STEPS*ACC_W-1:0]  s_acc_tdata,
  input  wire logic                          s_acc_tlast,
  // Sink: words of the skip connection
  input  wire logic                          s_skip_tvalid,
  output logic                               s_skip_tready,
  input  wire logic [LANES*STEPS*WORD_W-1:0] s_skip_tdata,
  input  wire logic                          s_skip_tlast,
  // Sink: m of the same channels
  input  wire logic                          s_param_tvalid,
  output logic                               s_param_tready,
  input  wire logic [LANES*M_W-1:0]          s_param_tdata,
  // Source: potentials
  output logic                               m_acc_tvalid,
  input  wire logic                          m_acc_tready,
  output logic [LANES*STEPS*OUT_W-1:0]       m_acc_tdata,
  output logic                               m_acc_tlast
);
  if (PIX != 1) begin : g_rule_pix
    $fatal(1, "volley_residual: PIX = %0d, only 1 pixel per beat is supported (%m)", PIX);
  end
  if (LANES < 1 || STEPS < 1 || ACC_W < 1 || WORD_W < 1 || M_W < 1) begin : g_rule_lanes
    $fatal(1, "volley_residual: LANES, STEPS, ACC_W, WORD_W and M_W must be at least 1 (%m)");
  end
  if (OUT_W < ACC_W || OUT_W < M_W) begin : g_rule_out_w
    $fatal(1, "volley_residual: OUT_W = %0d cannot hold an operand (%m)", OUT_W);
  end
  if (DSP && (WORD_W > 17 || M_W > 25 || OUT_W > 48)) begin : g_rule_dsp
    $fatal(1, "volley_residual: WORD_W = %0d, M_W = %0d or OUT_W = %0d is above 17, 25 or 48, of a DSP slice (%m)",
           WORD_W, M_W, OUT_W);
  end

  typedef logic signed [OUT_W-1:0] v_t;

  logic ce, all_valid;
  assign ce             = !m_acc_tvalid || m_acc_tready;
  assign all_valid      = s_acc_tvalid && s_skip_tvalid && s_param_tvalid;
  assign s_acc_tready   = ce && s_skip_tvalid && s_param_tvalid;
  assign s_skip_tready  = ce && s_acc_tvalid && s_param_tvalid;
  assign s_param_tready = ce && s_acc_tvalid && s_skip_tvalid;

  logic sum_valid, sum_last;                   // of what is added up now
  if (DSP) begin : g_behind_product
    always_ff @(posedge clk) begin
      if (ce) begin
        sum_valid <= all_valid;
        sum_last  <= s_acc_tlast;
      end
      if (rst) sum_valid <= 1'b0;
    end
  end else begin : g_at_once
    assign sum_valid = all_valid;
    assign sum_last  = s_acc_tlast;
  end

  always_ff @(posedge clk) begin
    if (ce) begin
      m_acc_tvalid <= sum_valid;
      m_acc_tlast  <= sum_last;
    end
    if (rst) m_acc_tvalid <= 1'b0;
  end

  for (genvar n = 0; n < LANES*STEPS; n++) begin : g_number
    logic [WORD_W-1:0] word;
    v_t                acc, m, v;
    assign word = s_skip_tdata[n*WORD_W +: WORD_W];
    assign acc  = v_t'(signed'(s_acc_tdata[n*ACC_W +: ACC_W]));
    assign m    = v_t'(signed'(s_param_tdata[n/STEPS*M_W +: M_W]));
    if (DSP) begin : g_dsp
      logic signed [M_W-1:0] factor;
      v_t                    addend;           // registers of the slice, like the product and m_acc_tdata
      (* use_dsp = "yes" *) logic signed [M_W+WORD_W:0] product;
      assign factor = s_param_tdata[n/STEPS*M_W +: M_W];
      always_ff @(posedge clk)
        if (ce) begin
          product <= factor * signed'({1'b0, word});
          addend  <= acc <<< EXPONENT;
        end
      assign v = addend + v_t'(product);
    end else begin : g_gates
      // Kept apart: yosys would merge the adders into a carry-save tree 1.5 times as large.
      for (genvar i = 0; i <= WORD_W; i++) begin : g_bit
        (* keep *) v_t sum;
        if (i == 0) begin : g_acc
          assign sum = acc <<< EXPONENT;
        end else begin : g_add
          assign sum = g_bit[i-1].sum + (word[i-1] ? m <<< (i-1) : '0);
        end
      end
      assign v = g_bit[WORD_W].sum;
    end
    always_ff @(posedge clk) if (ce) m_acc_tdata[n*OUT_W +: OUT_W] <= v;

`ifndef SYNTHESIS
    localparam int unsigned EXACT_W = OUT_W + EXPONENT + WORD_W + 1;
    logic signed [EXACT_W-1:0] exact;
    assign exact = (EXACT_W'(acc) <<< EXPONENT) + EXACT_W'(m) * EXACT_W'(signed'({1'b0, word}));
    always_ff @(posedge clk)
      if (!rst && all_valid && ce) begin
        assert (exact == EXACT_W'(v_t'(exact))) else $error("volley_residual: OUT_W is too small");
        assert (s_acc_tlast == s_skip_tlast)
          else $error("volley_residual: tlast of acc and skip differ");
      end
`endif
  end
endmodule
`default_nettype wire
