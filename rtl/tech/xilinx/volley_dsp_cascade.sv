// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Sums of volley_synapse_sum in DSP48 adders; the multiplier rests. A word of 48 bits has a lane
// for each of 48 / LANE_W outputs; a DSP48 gates and adds the words of two inputs, a cascade of 16.
// USE_SIMD = "FOUR12" (GATE): four lanes that the DSP48 keeps apart; 12 bits hold the sum of 16
//   weights of 8 bits.
// USE_SIMD = "ONE48" (SOFT): lanes hold codes without a sign, and are as wide as the largest sum of
//   them, so that no carry leaves one. The offset in the codes is the same for all outputs:
//     sum_i s_i * w_i = sum_i s_i * (w_i + OFFSET) - OFFSET * sum_i s_i     OFFSET = 2^(WEIGHT_W-1)
//     sum_i s_i * w_i = sum_i s_i - sum_i s_i * (1 - w_i)                   WEIGHT_W = 2
//   2-bit weights are ternary, -1 to 1: their largest code is 2, and 15 of them fit 5 bits.
// Stage k of a cascade works k ticks after the first. The registers in its DSP48 hold the weights
// of a slice for STEPS ticks; before a stage k >= STEPS lie k / STEPS more, each STEPS ticks behind
// the one before it (STEPS = 1: shift registers).
// Throughput: 1 sum per tick (a cycle with ce). Latency in ticks, GATE 1 and SOFT 2 more than
// ceil(min(SIMD, 16) / 2) + ceil(log2(ceil(SIMD / 16))) + (PER_STEP ? 0 : ceil(log2 TP)).
`default_nettype none
module volley_dsp_cascade #(
  parameter              USE_SIMD = "FOUR12",  // "FOUR12" or "ONE48"
  parameter int unsigned PE       = 2,         // outputs
  parameter int unsigned SIMD     = 4,         // inputs
  parameter int unsigned TP       = 4,         // time steps per tick
  parameter int unsigned STEPS    = 1,         // successive valid ticks that have the same weights
  parameter int unsigned WEIGHT_W = 4,         // bits of a weight, signed
  parameter bit          PER_STEP = 1'b0,      // 1: a sum for each time step
  localparam int unsigned TREE_W  = WEIGHT_W + $clog2(SIMD),
  localparam int unsigned SUMS_W  = PER_STEP ? TP * TREE_W : TREE_W + TP  // of one output
) (
  input  wire logic                        clk,
  input  wire logic                        rst,      // synchronous, active high; ends the count
  input  wire logic                        ce,       // nothing moves without it
  input  wire logic                        s_valid,  // counts the ticks of the same weights
  input  wire logic [SIMD*TP-1:0]          s_spike,  // input i at i*TP, its earliest step on top
  input  wire logic [PE*SIMD*WEIGHT_W-1:0] s_weight, // weight (o, i) at (o*SIMD + i)*WEIGHT_W
  output logic [PE*SUMS_W-1:0]             m_sum     // number TP-1-t of an output is step t
);
  localparam bit          SOFT     = USE_SIMD == "ONE48";
  localparam int unsigned INPUTS   = SIMD < 16 ? SIMD : 16;             // of a cascade
  localparam int unsigned STAGES   = (INPUTS + 1) / 2;
  localparam int unsigned CASCADES = (SIMD + 15) / 16;                  // of a sum
  localparam bit          TERNARY  = SOFT && WEIGHT_W == 2;
  localparam int unsigned OFFSET   = TERNARY ? 1 : 1 << (WEIGHT_W - 1); // code = weight ^ OFFSET
  localparam int unsigned LARGEST  = TERNARY ? 2 : (1 << WEIGHT_W) - 1; // code
  localparam int unsigned LANE_W   = SOFT ? $clog2(INPUTS * LARGEST + 1) : 12;
  localparam int unsigned LANES    = 48 / LANE_W;
  localparam int unsigned BLOCKS   = (PE + LANES - 1) / LANES;          // of outputs
  localparam int unsigned PART_W   = WEIGHT_W + $clog2(INPUTS) + 32'(SOFT);  // a cascade's, signed

  if (PE < 1 || SIMD < 1 || TP < 1 || STEPS < 1) begin : g_rule_pe
    $fatal(1, "volley_dsp_cascade: PE, SIMD, TP and STEPS must be at least 1 (%m)");
  end
  if (WEIGHT_W < 1 || WEIGHT_W > 8) begin : g_rule_weight_w
    $fatal(1, "volley_dsp_cascade: WEIGHT_W = %0d is outside 1..8 (%m)", WEIGHT_W);
  end
  if (USE_SIMD != "FOUR12" && USE_SIMD != "ONE48") begin : g_rule_use_simd
    $fatal(1, "volley_dsp_cascade: USE_SIMD = %s must be FOUR12 or ONE48 (%m)", USE_SIMD);
  end

  // ------------------------------------------------------------------ when weights move on
  logic [STAGES-1:0] load;                     // bit k: to stage k, k ticks after a slice's first
  if (STEPS == 1) begin : g_every_tick
    assign load = '1;
  end else begin : g_slice
    localparam int unsigned STEP_W = $clog2(STEPS);
    logic [STEP_W-1:0] step;
    logic              first;                  // or no slice: what is stored then is never used
    assign first = step == '0;
    always_ff @(posedge clk) begin
      if (ce && s_valid) step <= step == STEP_W'(STEPS - 1) ? '0 : step + 1'b1;
      if (rst) step <= '0;
    end
    for (genvar k = 0; k < STAGES; k++) begin : g_load
      if (k == 0) begin : g_first
        assign load[k] = first;
      end else begin : g_next
        always_ff @(posedge clk) if (ce) load[k] <= load[k-1];
      end
    end
  end

  // ------------------------------------------------------------------ cascades
  for (genvar g = 0; g < CASCADES; g++) begin : g_cascade
    localparam int unsigned OWN        = SIMD - 16*g < 16 ? SIMD - 16*g : 16;
    localparam int unsigned OWN_STAGES = (OWN + 1) / 2;

    for (genvar k = 0; k < OWN_STAGES; k++) begin : g_stage
      localparam int unsigned INPUT = 16*g + 2*k;                       // the first of one or two
      localparam int unsigned PAIR  = INPUT + 1 < SIMD ? 2 : 1;

      logic [PAIR*TP-1:0] spike;
      volley_delay #(.DATA_W(PAIR*TP), .TICKS(k)) u_spike (
        .clk, .ce, .d(s_spike[INPUT*TP +: PAIR*TP]), .q(spike)
      );

      // Weights of this stage's inputs for all outputs, from the port and h * STEPS ticks later.
      for (genvar h = 0; h <= k / STEPS; h++) begin : g_hold
        logic [PE*PAIR*WEIGHT_W-1:0] weight;
        if (h == 0) begin : g_port
          for (genvar o = 0; o < PE; o++) begin : g_pe
            assign weight[o*PAIR*WEIGHT_W +: PAIR*WEIGHT_W] =
              s_weight[(o*SIMD + INPUT)*WEIGHT_W +: PAIR*WEIGHT_W];
          end
        end else begin : g_register
          always_ff @(posedge clk) if (ce && load[h*STEPS-1]) weight <= g_hold[h-1].weight;
        end
      end

      logic [BLOCKS*TP*48-1:0] p, pcout;
      for (genvar b = 0; b < BLOCKS; b++) begin : g_block
        logic [2*48-1:0] word;                 // of both inputs; lanes without an output are 0
        for (genvar j = 0; j < 2; j++) begin : g_input
          for (genvar l = 0; l < LANES; l++) begin : g_lane
            localparam int unsigned O = b*LANES + l;
            if (O < PE && j < PAIR) begin : g_weight
              logic [WEIGHT_W-1:0] weight;
              assign weight = g_hold[k/STEPS].weight[(O*PAIR + j)*WEIGHT_W +: WEIGHT_W];
              assign word[j*48 + l*LANE_W +: LANE_W] =
                  SOFT ? LANE_W'(weight ^ WEIGHT_W'(OFFSET)) : LANE_W'(signed'(weight));
            end else begin : g_none
              assign word[j*48 + l*LANE_W +: LANE_W] = '0;
            end
          end
          if (LANES * LANE_W < 48) begin : g_rest
            assign word[j*48 + 47 : j*48 + LANES*LANE_W] = '0;
          end
        end

        for (genvar t = 0; t < TP; t++) begin : g_step
          localparam int unsigned AT = (b*TP + t) * 48;
          logic [47:0] pcin;
          if (k == 0) begin : g_first
            assign pcin = '0;
          end else begin : g_next
            assign pcin = g_stage[k-1].pcout[AT +: 48];
          end
          volley_dsp48_add #(.USE_SIMD(USE_SIMD), .FIRST(k == 0)) u_dsp (
            .clk, .ce, .load(load[k]), .ab(word[47:0]), .c(word[95:48]),
            .gate_ab(spike[t]), .gate_c(PAIR == 2 && spike[(PAIR-1)*TP + t]),
            .pcin, .p(p[AT +: 48]), .pcout(pcout[AT +: 48])
          );
        end
      end
    end

    logic [BLOCKS*TP*48-1:0] part;             // all cascades end together
    volley_delay #(.DATA_W(BLOCKS*TP*48), .TICKS(STAGES - OWN_STAGES)) u_part (
      .clk, .ce, .d(g_stage[OWN_STAGES-1].p), .q(part)
    );
  end

  // ------------------------------------------------------------------ what OFFSET adds
  logic [TP*TREE_W-1:0] excess;
  if (SOFT) begin : g_excess
    localparam int unsigned COUNT_W = 1 + $clog2(SIMD);
    localparam int unsigned READY   = 1 + STAGES + $clog2(CASCADES);    // when the sums are
    for (genvar t = 0; t < TP; t++) begin : g_step
      logic [SIMD-1:0]    spike;               // a signed number of one bit is 0 or -1
      logic [COUNT_W-1:0] count, count_q;      // so this is negative
      for (genvar i = 0; i < SIMD; i++) begin : g_input
        assign spike[i] = s_spike[i*TP + t];
      end
      volley_adder_tree #(.N(SIMD), .IN_W(1)) u_count (.clk, .ce, .operands(spike), .sum(count));
      volley_delay #(.DATA_W(COUNT_W), .TICKS(READY - $clog2(SIMD))) u_delay (
        .clk, .ce, .d(-count), .q(count_q)     // SIMD itself needs the sign's bit: unsigned
      );
      assign excess[t*TREE_W +: TREE_W] = TREE_W'(count_q) << $clog2(OFFSET);
    end
  end else begin : g_exact
    assign excess = '0;
  end

  // ------------------------------------------------------------------ sums of all cascades
  for (genvar o = 0; o < PE; o++) begin : g_pe
    logic [TP*TREE_W-1:0] step_sum;            // over SIMD, for each step of this tick
    for (genvar t = 0; t < TP; t++) begin : g_step
      localparam int unsigned AT = ((o/LANES)*TP + t)*48 + (o%LANES)*LANE_W;
      logic [CASCADES*PART_W-1:0]           parts;
      logic [PART_W + $clog2(CASCADES)-1:0] sum;
      for (genvar g = 0; g < CASCADES; g++) begin : g_part
        logic [LANE_W-1:0] lane;
        assign lane = g_cascade[g].part[AT +: LANE_W];
        assign parts[g*PART_W +: PART_W] = SOFT ? PART_W'(lane) : PART_W'(signed'(lane));
      end
      volley_adder_tree #(.N(CASCADES), .IN_W(PART_W)) u_tree (.clk, .ce, .operands(parts), .sum);

      if (SOFT) begin : g_signed
        logic [TREE_W-1:0] codes, offsets, corrected;
        assign codes   = TREE_W'(sum);
        assign offsets = excess[t*TREE_W +: TREE_W];
        always_ff @(posedge clk) if (ce) corrected <= TERNARY ? offsets - codes : codes - offsets;
        assign step_sum[t*TREE_W +: TREE_W] = corrected;
      end else begin : g_exact
        assign step_sum[t*TREE_W +: TREE_W] = sum;
      end
    end
    if (PER_STEP) begin : g_steps
      assign m_sum[o*SUMS_W +: SUMS_W] = step_sum;
    end else begin : g_word                    // bit t of a word counts 2^t
      volley_step_tree #(.TP(TP), .IN_W(TREE_W)) u_steps (
        .clk, .ce, .operands(step_sum), .sum(m_sum[o*SUMS_W +: SUMS_W])
      );
    end
  end

`ifndef SYNTHESIS
  if (SOFT && WEIGHT_W == 2) begin : g_ternary
    for (genvar n = 0; n < PE*SIMD; n++) begin : g_weight
      always_ff @(posedge clk)
        if (!rst && ce && s_valid)
          assert (s_weight[2*n +: 2] != 2'b10)
          else $error("volley_dsp_cascade: weight -2, but ONE48 takes 2 bits as -1 to 1");
    end
  end
`endif
endmodule
`default_nettype wire
