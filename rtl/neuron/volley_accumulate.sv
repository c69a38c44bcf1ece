// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Sum over time, per neuron: acc = sum over all steps t of x[t]. The spike count of spikes (IN_W = 1),
// the integral of potentials. A beat brings STEPS of a lane's numbers, PASSES passes bring all; the
// sums leave during the last pass, BEATS beats with tlast on the last one, by counting.
// OUT_W must hold the largest |acc|. Latency ceil(log2 STEPS) + 2; 1 beat/cycle, but 1 per 2 cycles
// where BEATS = 1 and PASSES > 1. Model: verif/models/accumulate.py.
`default_nettype none
module volley_accumulate #(
  parameter int unsigned LANES     = 1,        // neurons per beat
  parameter int unsigned STEPS     = 4,        // numbers per lane and beat (TB)
  parameter int unsigned IN_W      = 1,        // bits of a number
  parameter bit          IN_SIGNED = 1'b0,
  parameter int unsigned BEATS     = 16,       // beats per pass
  parameter int unsigned PASSES    = 2,        // passes per frame
  parameter int unsigned OUT_W     = 5,        // bits of a sum, signed
  parameter int unsigned PIX       = 1         // pixels per beat
) (
  input  wire logic                        clk,
  input  wire logic                        rst,   // synchronous, active high
  // Sink: numbers per step
  input  wire logic                        s_acc_tvalid,
  output logic                             s_acc_tready,
  input  wire logic [LANES*STEPS*IN_W-1:0] s_acc_tdata,
  input  wire logic                        s_acc_tlast,
  // Source: sums
  output logic                             m_acc_tvalid,
  input  wire logic                        m_acc_tready,
  output logic [LANES*OUT_W-1:0]           m_acc_tdata,
  output logic                             m_acc_tlast
);
  localparam int unsigned TERM_W = IN_W + 32'(!IN_SIGNED);  // a sign bit of 0 for unsigned numbers
  localparam int unsigned LEVELS = $clog2(STEPS);
  localparam int unsigned SUM_W  = TERM_W + LEVELS;

  if (PIX != 1) begin : g_rule_pix
    $fatal(1, "volley_accumulate: PIX = %0d, only 1 pixel per beat is supported (%m)", PIX);
  end
  if (LANES < 1 || IN_W < 1) begin : g_rule_lanes
    $fatal(1, "volley_accumulate: LANES and IN_W must be at least 1 (%m)");
  end
  if (STEPS < 1) begin : g_rule_steps
    $fatal(1, "volley_accumulate: STEPS = %0d, a beat has at least 1 (%m)", STEPS);
  end
  if (OUT_W < TERM_W) begin : g_rule_out_w
    $fatal(1, "volley_accumulate: OUT_W = %0d cannot hold a number of IN_W = %0d (%m)", OUT_W, IN_W);
  end

  // ------------------------------------------------------------------ the steps of a beat
  logic sum_valid, sum_ready;

  assign s_acc_tready = sum_ready;

  if (LEVELS == 0) begin : g_one               // the tree has no register
    assign sum_valid = s_acc_tvalid;
  end else begin : g_tree
    logic [LEVELS-1:0] valid_q;
    assign sum_valid = valid_q[LEVELS-1];
    always_ff @(posedge clk) begin
      if (sum_ready) valid_q <= LEVELS'({valid_q, s_acc_tvalid});
      if (rst) valid_q <= '0;
    end
  end

  // ------------------------------------------------------------------ and of the passes before
  logic                   ce, take, room, busy;
  logic                   first, last_pass, last_beat;
  logic [LANES*OUT_W-1:0] held, total;

  assign ce        = !m_acc_tvalid || m_acc_tready;
  assign sum_ready = ce && room;
  assign take      = sum_valid && room;

  volley_state_memory #(
    .DATA_W (LANES * OUT_W),
    .BEATS  (BEATS),
    .PASSES (PASSES),
    .FLIGHT (1)
  ) u_sums (
    .clk, .rst, .ce, .take, .room,
    .state      (held),
    .first, .last_pass, .last_beat,
    .put        (busy),
    .state_next (total)
  );

  always_ff @(posedge clk) begin
    if (ce) begin
      busy         <= take;
      m_acc_tvalid <= busy && last_pass;
      m_acc_tlast  <= last_beat;
      m_acc_tdata  <= total;
    end
    if (rst) begin
      busy         <= 1'b0;
      m_acc_tvalid <= 1'b0;
    end
  end

  for (genvar l = 0; l < LANES; l++) begin : g_lane
    logic [STEPS*TERM_W-1:0] operands;
    logic [SUM_W-1:0]        sum;
    logic signed [SUM_W-1:0] sum_q;
    logic signed [OUT_W-1:0] past;

    for (genvar s = 0; s < STEPS; s++) begin : g_step
      assign operands[s*TERM_W +: TERM_W] =
        TERM_W'({1'b0, s_acc_tdata[(l*STEPS + s)*IN_W +: IN_W]});
    end
    volley_adder_tree #(.N(STEPS), .IN_W(TERM_W)) u_tree (.clk, .ce(sum_ready), .operands, .sum);
    always_ff @(posedge clk) if (ce) sum_q <= sum;

    assign past = first ? '0 : held[l*OUT_W +: OUT_W];
    assign total[l*OUT_W +: OUT_W] = past + OUT_W'(sum_q);

`ifndef SYNTHESIS
    localparam int unsigned EXACT_W = (OUT_W > SUM_W ? OUT_W : SUM_W) + 1;
    always_ff @(posedge clk)
      if (!rst && ce && busy)
        assert (EXACT_W'(signed'(total[l*OUT_W +: OUT_W])) == EXACT_W'(past) + EXACT_W'(sum_q))
        else $error("volley_accumulate: OUT_W is too small");
`endif
  end

`ifndef SYNTHESIS
  int unsigned beat_check;
  always_ff @(posedge clk) begin
    if (s_acc_tvalid && s_acc_tready) begin
      beat_check <= beat_check == BEATS - 1 ? 0 : beat_check + 1;
      if (!rst) assert (s_acc_tlast == (beat_check == BEATS - 1))
        else $error("volley_accumulate: tlast out of step with BEATS");
    end
    if (rst) beat_check <= 0;
  end
`endif
endmodule
`default_nettype wire
