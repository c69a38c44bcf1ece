// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Sums of volley_synapse_sum in DSP48 multipliers: sum[o] = sum_i w[o][i] * x_i, x_i a spike word.
// A DSP48 multiplies a word by the weights of LANES outputs at once, which lie PITCH bits apart in
// one factor, and a cascade adds up to CHAIN inputs: P = sum_l 2^(l*PITCH) * lane_l.
//   LANES PITCH CHAIN   LOW
//     4     7   2       2      weights and words of 4 bits at most. Lanes below the top one hold
//                              w + OFFSET, unsigned; OFFSET * sum_i x_i is taken off at the end.
//     2    16   4 or 2  0, 1   else. 2^(PITCH-1+LOW) joins the lower lane: unsigned likewise.
// The pre-adder puts the factor together, without an inverter. (Four signed lanes overflow it where
// all weights are lowest, hence the OFFSET.)
// A lane's sum has up to LOW bits more than PITCH, they fall on the lane above. The LOW lowest bits
// there are parities of a few products of bits, known before P is. C takes them off and so makes
// room: they, and what P has from there on up to the same place in the next lane, are the lane's
// sum, with no logic behind the DSP48.
// Throughput: 1 sum per tick (a cycle with ce). Latency: 4 + ceil(log2 SIMD) ticks.
// Model: verif/models/dsp_mult.py. Proof: tests/unit/test_dsp_packing.py.
`default_nettype none
module volley_dsp_mult #(
  parameter int unsigned PE       = 2,         // outputs
  parameter int unsigned SIMD     = 4,         // inputs
  parameter int unsigned TP       = 4,         // bits of a spike word
  parameter int unsigned WEIGHT_W = 4,         // bits of a weight, signed
  localparam int unsigned SUM_W   = WEIGHT_W + $clog2(SIMD) + TP
) (
  input  wire logic                        clk,
  input  wire logic                        ce,       // nothing moves without it
  input  wire logic [SIMD*TP-1:0]          s_spike,  // word i at i*TP, unsigned
  input  wire logic [PE*SIMD*WEIGHT_W-1:0] s_weight, // weight (o, i) at (o*SIMD + i)*WEIGHT_W
  output logic [PE*SUM_W-1:0]              m_sum
);
  localparam bit          FOUR   = WEIGHT_W <= 4 && TP <= 4;
  localparam int unsigned LANES  = FOUR ? 4 : 2;
  localparam int unsigned PITCH  = FOUR ? 7 : 16;
  localparam int unsigned SIGN   = 1 << (WEIGHT_W - 1);
  localparam int unsigned OFFSET = SIGN > 4 ? SIGN : 4;                 // 0 modulo 4, for LOW
  localparam int unsigned RAIL   = SIGN * ((1 << TP) - 1);              // largest product
  localparam int unsigned CHAIN  = !FOUR && 4 * RAIL <= 1 << PITCH ? 4 : 2;
  localparam int unsigned LOW    = FOUR ? 2 : 2 * CHAIN * RAIL <= 1 << PITCH ? 0 : 1;
  localparam int unsigned LANE_W = PITCH + LOW;
  localparam int unsigned CHAINS = (SIMD + CHAIN - 1) / CHAIN;          // of a sum
  localparam int unsigned BLOCKS = (PE + LANES - 1) / LANES;            // of outputs
  // A lane's sum over a cascade, signed; of FOUR with the OFFSET
  localparam int unsigned PART_W = (FOUR ? $clog2(OFFSET) + 2 : WEIGHT_W) + TP + $clog2(CHAIN);
  // Ticks to these sums; adders follow, and for FOUR what takes the OFFSET off
  localparam int unsigned READY  = 4 + $clog2(SIMD) - $clog2(CHAINS) - 32'(FOUR);

  if (PE < 1 || SIMD < 1) begin : g_rule_pe
    $fatal(1, "volley_dsp_mult: PE and SIMD must be at least 1 (%m)");
  end
  if (WEIGHT_W < 1 || WEIGHT_W > 8 || TP < 1 || TP > 8) begin : g_rule_weight_w
    $fatal(1, "volley_dsp_mult: WEIGHT_W = %0d or TP = %0d is outside 1..8 (%m)", WEIGHT_W, TP);
  end

  // ------------------------------------------------------------------ cascades
  logic [PE*CHAINS*PART_W-1:0] parts;

  for (genvar g = 0; g < CHAINS; g++) begin : g_chain
    localparam int unsigned START = g * CHAIN;
    localparam int unsigned OWN   = SIMD - START < CHAIN ? SIMD - START : CHAIN;
    localparam int unsigned WAIT  = READY - 2 - OWN;                  // ticks to spare at its start

    logic [BLOCKS*48-1:0] c;
    for (genvar k = 0; k < OWN; k++) begin : g_stage
      localparam int unsigned I      = START + k;
      localparam int unsigned BEFORE = 1 + WAIT + k;                  // registers up to the product
      localparam int unsigned STAGES = BEFORE < 3 ? BEFORE : 3;       // of them in the DSP48 for a,
      localparam int unsigned OTHERS = BEFORE < 2 ? BEFORE : 2;       // for b and d

      logic [TP-1:0]        x, b;
      logic [BLOCKS*48-1:0] p, pcout;
      assign x = s_spike[I*TP +: TP];
      volley_delay #(.DATA_W(TP), .TICKS(BEFORE - OTHERS)) u_b (.clk, .ce, .d(x), .q(b));

      for (genvar n = 0; n < BLOCKS; n++) begin : g_block
        logic [LANES*WEIGHT_W-1:0] weights;
        for (genvar l = 0; l < LANES; l++) begin : g_weight
          localparam int unsigned O = n*LANES + l;
          if (O < PE) begin : g_used
            assign weights[l*WEIGHT_W +: WEIGHT_W] = s_weight[(O*SIMD + I)*WEIGHT_W +: WEIGHT_W];
          end else begin : g_unused
            assign weights[l*WEIGHT_W +: WEIGHT_W] = '0;
          end
        end

        logic [24:0] a, d, a_q, d_q;
        logic [47:0] pcin;
        if (FOUR) begin : g_four               // d: the bits below the sign, a: the sign
          assign a[24:3*PITCH] = '0;
          assign d[24:3*PITCH] = 4'(signed'(weights[3*WEIGHT_W +: WEIGHT_W]));
          for (genvar l = 0; l < 3; l++) begin : g_lane
            logic [WEIGHT_W-1:0] w;
            assign w = weights[l*WEIGHT_W +: WEIGHT_W];
            assign a[l*PITCH +: PITCH] = PITCH'(w) & PITCH'(SIGN);
            assign d[l*PITCH +: PITCH] = PITCH'(w) & PITCH'(SIGN - 1) | PITCH'(OFFSET);
          end
        end else begin : g_two
          assign a = 25'(signed'(weights[WEIGHT_W-1:0]));
          assign d = 25'(signed'(weights[WEIGHT_W +: WEIGHT_W])) << PITCH;
        end

        volley_delay #(.DATA_W(25), .TICKS(BEFORE - STAGES)) u_a (.clk, .ce, .d(a), .q(a_q));
        volley_delay #(.DATA_W(25), .TICKS(BEFORE - OTHERS)) u_d (.clk, .ce, .d(d), .q(d_q));
        if (k == 0) begin : g_first
          assign pcin = '0;
        end else begin : g_next
          assign pcin = g_stage[k-1].pcout[n*48 +: 48];
        end
        volley_dsp48_mul #(.STAGES(STAGES), .SUBTRACT(FOUR), .FIRST(k == 0)) u_dsp (
          .clk, .ce, .a(a_q), .d(d_q), .b(18'(b)), .c(c[n*48 +: 48]), .pcin,
          .p(p[n*48 +: 48]), .pcout(pcout[n*48 +: 48])
        );
      end
    end

    for (genvar n = 0; n < BLOCKS; n++) begin : g_sums
      logic [47:0] p;
      assign p = g_stage[OWN-1].p[n*48 +: 48];

      for (genvar l = 0; l < LANES; l++) begin : g_lane
        localparam int unsigned O = n*LANES + l;
        logic [1:0] early, low;                // the lowest bits for c, and with p
        if (l == 0 || LOW == 0) begin : g_in_p
          assign early = '0;
          assign low   = p[1:0];
        end else begin : g_parity
          // Products of the low bits of x and w: the reset of a register gates and costs no LUT.
          logic [OWN-1:0] x0w0, x0w1, x1w0;
          logic [1:0]     sum;                 // of x * w modulo 2^LOW
          for (genvar k = 0; k < OWN; k++) begin : g_product
            logic [TP:0]       x;
            logic [WEIGHT_W:0] w;
            assign x = (TP+1)'(g_stage[k].x);
            assign w = (WEIGHT_W+1)'(signed'(
              g_stage[k].g_block[n].weights[l*WEIGHT_W +: WEIGHT_W]));
            always_ff @(posedge clk)
              if (ce) begin
                x0w0[k] <= x[0] ? w[0] : 1'b0;
                x0w1[k] <= x[0] ? w[1] : 1'b0;
                x1w0[k] <= x[1] ? w[0] : 1'b0;
              end
          end
          assign sum[0] = ^x0w0;
          assign sum[1] = LOW == 2 && (^x0w1 ^ ^x1w0 ^ (OWN == 2 && &x0w0));
          volley_delay #(.DATA_W(2), .TICKS(1 + WAIT)) u_early (.clk, .ce, .d(sum), .q(early));
          volley_delay #(.DATA_W(2), .TICKS(OWN)) u_low (.clk, .ce, .d(early), .q(low));
        end

        if (O < PE) begin : g_used
          logic [LANE_W-1:0] lane;
          logic [PART_W-1:0] part;
          assign lane = LANE_W'(p[l*PITCH + LOW +: PITCH]) << LOW
                      | LANE_W'(low) & LANE_W'((1 << LOW) - 1);
          if (l == LANES - 1) begin : g_signed
            assign part = PART_W'(signed'(lane));
          end else if (FOUR) begin : g_unsigned
            assign part = PART_W'(lane);
          end else begin : g_half              // what joined the lane turned its sign bit
            assign part = PART_W'(signed'(lane ^ LANE_W'(1 << (LANE_W - 1))));
          end
          assign parts[(O*CHAINS + g)*PART_W +: PART_W] = part;
        end
      end

      if (FOUR) begin : g_c
        assign c[n*48 +: 48] = {25'b0, g_lane[3].early, 5'b0, g_lane[2].early, 5'b0,
                                g_lane[1].early, 7'b0};
      end else if (LOW == 1) begin : g_c       // the lower lane's 2^16, but not if the upper is odd
        assign c[n*48 +: 48] = {{32{!g_lane[1].early[0]}}, 16'b0};
      end else begin : g_c                     // the lower lane's 2^15
        assign c[n*48 +: 48] = {{33{1'b1}}, 15'b0};
      end
    end
  end

  // ------------------------------------------------------------------ sums of all cascades
  if (FOUR) begin : g_excess                   // what OFFSET added
    localparam int unsigned WORDS_W = TP + 1 + $clog2(SIMD);
    logic [SIMD*(TP+1)-1:0] words;             // signed
    logic [WORDS_W-1:0]     total, total_q;
    logic [SUM_W-1:0]       excess;
    for (genvar i = 0; i < SIMD; i++) begin : g_word
      assign words[i*(TP+1) +: TP+1] = {1'b0, s_spike[i*TP +: TP]};
    end
    volley_adder_tree #(.N(SIMD), .IN_W(TP + 1)) u_words (.clk, .ce, .operands(words), .sum(total));
    volley_delay #(.DATA_W(WORDS_W), .TICKS(3)) u_wait (.clk, .ce, .d(total), .q(total_q));
    assign excess = SUM_W'(total_q) << $clog2(OFFSET);
  end

  for (genvar o = 0; o < PE; o++) begin : g_pe
    logic [PART_W + $clog2(CHAINS) - 1:0] sum;
    volley_adder_tree #(.N(CHAINS), .IN_W(PART_W)) u_tree (
      .clk, .ce, .operands(parts[o*CHAINS*PART_W +: CHAINS*PART_W]), .sum
    );
    if (FOUR) begin : g_correct
      logic [SUM_W-1:0] corrected;
      always_ff @(posedge clk)
        if (ce) corrected <= SUM_W'(signed'(sum)) - (o % LANES == LANES - 1 ? '0 : g_excess.excess);
      assign m_sum[o*SUM_W +: SUM_W] = corrected;
    end else begin : g_as_is
      assign m_sum[o*SUM_W +: SUM_W] = SUM_W'(signed'(sum));
    end
  end
endmodule
`default_nettype wire
