// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Weighted sum of N signed numbers, sum_i 2^(i / GROUP) * x[i], in rows of 4:2 compressors.
// A sign bit of weight -2^k is taken as its complement of weight 2^k, less 2^k. So every number is
// unsigned and none is extended, and one constant in the last row makes up for all.
// A level turns each four numbers to two and hands the others on; the last one adds two numbers and
// the constant. Where N is odd, x[0] comes there as it is and takes the constant in: its sign bit
// chooses between the constant with and without its own share.
// Throughput: 1 sum per tick (a cycle with ce). Latency: ceil(log2 N) ticks; where the rows need
// fewer, the sum waits. LUTs: N/2 rows, rounded down, each as wide as its numbers, and one for
// each four operands.
// Model: verif/models/adder_tree.py.
`default_nettype none
module volley_compressor_tree #(
  parameter int unsigned N     = 16,           // operands
  parameter int unsigned IN_W  = 4,            // bits of an operand
  parameter int unsigned GROUP = N,            // operands of the same weight
  parameter int unsigned OUT_W = 8             // bits of the sum; must hold it
) (
  input  wire logic              clk,
  input  wire logic              ce,
  input  wire logic [N*IN_W-1:0] operands,
  output logic [OUT_W-1:0]       sum           // signed
);
  typedef logic [N-1:0][OUT_W-1:0] masks_t;    // by number: columns

  if (N < 1 || IN_W < 1 || GROUP < 1) begin : g_rule_n
    $fatal(1, "volley_compressor_tree: N, IN_W and GROUP must be at least 1 (%m)");
  end
  if (OUT_W < IN_W + (N - 1) / GROUP) begin : g_rule_out_w
    $fatal(1, "volley_compressor_tree: OUT_W = %0d does not hold the operands (%m)", OUT_W);
  end

  // Number i of level 0 is x[N-1-i] at its weight.
  function automatic int unsigned shift(int unsigned i);
    return (N - 1 - i) / GROUP;
  endfunction

  // Numbers that a level takes; behind the last row there is one.
  function automatic int unsigned numbers(int unsigned level);
    numbers = N;
    for (int unsigned l = 0; l < level; l++) numbers = numbers < 4 ? 1 : numbers - numbers / 4 * 2;
  endfunction

  // How many of them are operands still, the last of both: what no row took.
  function automatic int unsigned untouched(int unsigned level);
    untouched = N;
    for (int unsigned l = 0; l < level; l++)
      if (untouched > numbers(l) % 4) untouched = numbers(l) % 4;
  endfunction

  function automatic int unsigned levels();
    levels = 0;
    while (numbers(levels) > 1) levels++;
  endfunction

  localparam int unsigned LEVELS = levels();

  // Columns where the numbers that a level takes can have a 1. A row's sum has a bit where there is
  // one or the chain brings one, and its carry one column above three.
  function automatic masks_t used(int unsigned level);
    masks_t next;
    used = '0;
    for (int unsigned i = 0; i < N; i++) used[i] = (OUT_W'(1) << IN_W) - 1'b1 << shift(i);
    for (int unsigned l = 0; l < level; l++) begin
      int unsigned n, rows;
      n    = numbers(l);
      rows = n / 4;
      next = '0;
      for (int unsigned i = 4 * rows; i < n; i++) next[i-2*rows] = used[i];
      for (int unsigned r = 0; r < rows; r++) begin
        logic chain;
        chain = 1'b0;
        for (int unsigned c = 0; c < OUT_W; c++) begin
          int unsigned bits;
          bits = $countones({used[4*r][c], used[4*r+1][c], used[4*r+2][c], used[4*r+3][c]});
          next[2*r][c] = bits >= 1 || chain;
          if (c + 1 < OUT_W) next[2*r+1][c+1] = bits >= 3;
          chain = bits >= 2 || bits == 1 && chain;
        end
      end
      used = next;
    end
  endfunction

  // Columns that come inverted: the sign bits of operands.
  function automatic masks_t inverted(int unsigned level);
    inverted = '0;
    for (int unsigned i = 1; i <= untouched(level); i++)
      inverted[numbers(level)-i][shift(N-i)+IN_W-1] = 1'b1;
  endfunction

  // What the complements of all sign bits are too much, that of x[0] by choice.
  function automatic logic [OUT_W-1:0] constant(bit with_x0);
    constant = '0;
    for (int unsigned i = 0; i < (with_x0 ? N : N - 1); i++)
      constant = constant - (OUT_W'(1) << shift(i) + IN_W - 1);
  endfunction

  // ------------------------------------------------------------------ rows and registers
  for (genvar l = 0; l <= LEVELS; l++) begin : g_level
    localparam int unsigned NUMBERS = numbers(l), NEXT = numbers(l + 1);
    localparam int unsigned ROWS    = NUMBERS / 4;

    logic [NUMBERS*OUT_W-1:0] x;               // the numbers of this level

    if (l == 0) begin : g_operands
      for (genvar i = 0; i < N; i++) begin : g_number
        assign x[i*OUT_W +: OUT_W] = OUT_W'(operands[(N-1-i)*IN_W +: IN_W]) << shift(i);
      end
    end else begin : g_registers
      always_ff @(posedge clk) if (ce) x <= g_level[l-1].g_rows.y;
    end

    if (l < LEVELS) begin : g_rows
      localparam masks_t USED     = used(l);
      localparam masks_t INVERTED = inverted(l);
      logic [NEXT*OUT_W-1:0] y;                // two numbers from each row, then those handed on

      for (genvar r = 0; r < ROWS; r++) begin : g_row
        logic [OUT_W-1:0] row_sum, row_carry;
        volley_compressor #(
          .WIDTH(OUT_W), .USED(USED[4*r +: 4]), .INVERTED(INVERTED[4*r +: 4])
        ) u_row (
          .x(x[4*r*OUT_W +: 4*OUT_W]), .sum(row_sum), .carry(row_carry)
        );
        assign y[2*r*OUT_W +: 2*OUT_W] = {row_carry, row_sum};
      end

      if (ROWS > 0 && NEXT > 2 * ROWS) begin : g_handed_on
        assign y[NEXT*OUT_W-1 : 2*ROWS*OUT_W] = x[NUMBERS*OUT_W-1 : 4*ROWS*OUT_W];
      end

      if (ROWS == 0) begin : g_last
        // Third number: the constant; or x[0], and from its sign bit on what that bit chooses.
        localparam bit               ODD   = NUMBERS == 3;
        localparam logic [OUT_W-1:0] BELOW = ODD ? (OUT_W'(1) << IN_W - 1) - 1'b1 : '0;
        localparam logic [OUT_W-1:0] SIGN0 = constant(!ODD), SIGN1 = constant(1'b1);
        logic [OUT_W-1:0] third;

        if (ODD) begin : g_x0
          assign third = OUT_W'(signed'(x[2*OUT_W +: IN_W]));
        end else begin : g_constant
          assign third = '0;
        end
        volley_compressor #(
          .WIDTH(OUT_W), .THREE(1'b1),
          .USED({BELOW | (SIGN0 ^ SIGN1), USED[1], USED[0], OUT_W'(0)}),
          .INVERTED({SIGN0, INVERTED[1], INVERTED[0], OUT_W'(0)})
        ) u_row (
          .x({third, x[0 +: 2*OUT_W], OUT_W'(0)}), .sum(y), .carry()
        );
      end
    end
  end

  // ------------------------------------------------------------------ ticks to spare
  logic [OUT_W-1:0] total;

  if (N == 1) begin : g_one
    assign total = OUT_W'(signed'(operands));
  end else begin : g_sum
    assign total = g_level[LEVELS].x;
  end
  volley_delay #(.DATA_W(OUT_W), .TICKS($clog2(N) - LEVELS)) u_spare (
    .clk, .ce, .d(total), .q(sum)
  );
endmodule
`default_nettype wire
