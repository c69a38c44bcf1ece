// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// A row of 4:2 compressors on one carry chain, a LUT6_2 a column: four numbers to two,
//   sum + carry = x0 + x1 + x2 + x3  (mod 2^WIDTH)
// In a column, the majority of x1, x2, x3 is the bit of `carry` in the next one (output O5); x0
// goes into the chain (input DI), and so does the sum of all four (output O6). O5 does not depend
// on x0, so with THREE = 1 x0 is the row's own `carry`, and the row adds three numbers to one,
//   sum = x1 + x2 + x3  (mod 2^WIDTH), carry = 0.
// Two bits less per LUT either way. Which bits of a number can be 1, and which come inverted, are
// parameters, so that only columns with two bits or more take a LUT.
// Combinational: a LUT and the chain, THREE: two LUTs. Model: verif/models/adder_tree.py.
`default_nettype none
module volley_compressor #(
  parameter int unsigned        WIDTH    = 8,  // columns
  parameter bit                 THREE    = 1'b0,
  // By number, x0 lowest. A bit is (x & USED) ^ INVERTED: a constant 1 is inverted and not used.
  parameter logic [4*WIDTH-1:0] USED     = '1,
  parameter logic [4*WIDTH-1:0] INVERTED = '0
) (
  input  wire logic [4*WIDTH-1:0] x,           // x0 lowest; THREE: x0 is not looked at
  output logic [WIDTH-1:0]        sum,
  output logic [WIDTH-1:0]        carry
);
  if (WIDTH < 1) begin : g_rule_width
    $fatal(1, "volley_compressor: WIDTH = %0d must be at least 1 (%m)", WIDTH);
  end

  localparam logic [4*WIDTH-1:0] THERE = USED | INVERTED;

  // THREE: the columns that have a bit of the row's own carry
  function automatic logic [WIDTH-1:0] own_carry();
    logic [WIDTH:0] own;
    own = '0;
    for (int unsigned c = 0; c < WIDTH; c++)
      own[c+1] = $countones({THERE[3*WIDTH+c], THERE[2*WIDTH+c], THERE[WIDTH+c], own[c]}) >= 3;
    return own[WIDTH-1:0];
  endfunction

  localparam logic [WIDTH-1:0] X0 = THREE ? own_carry() : THERE[0 +: WIDTH];

  // Bits that can be 1 in column c
  function automatic int unsigned bits(int unsigned c);
    return $countones({THERE[3*WIDTH+c], THERE[2*WIDTH+c], THERE[WIDTH+c], X0[c]});
  endfunction

  // The chain begins where there are two addends.
  function automatic int unsigned first_sum();
    first_sum = 0;
    while (first_sum < WIDTH && bits(first_sum) < 2) first_sum++;
  endfunction

  // Contents of a LUT6_2 with x0 .. x3 on I0 .. I3 and I5 = 1
  function automatic logic [63:0] contents(logic [3:0] inverted, bit pass_x0);
    for (int unsigned i = 0; i < 32; i++) begin
      logic [3:0] b;
      b = 4'(i) ^ inverted;
      contents[i]    = pass_x0 ? b[0] : b[1] & b[2] | b[1] & b[3] | b[2] & b[3];  // O5
      contents[32+i] = ^b;                                                         // O6
    end
  endfunction

  localparam int unsigned FIRST = first_sum();

  logic [WIDTH-1:0] s, di;                     // into the chain

  for (genvar c = 0; c < WIDTH; c++) begin : g_column
    localparam int unsigned BITS      = bits(c);
    localparam logic [3:0] USED_C     = {USED[3*WIDTH+c], USED[2*WIDTH+c], USED[WIDTH+c],
                                         THREE ? X0[c] : USED[c]};
    localparam logic [3:0] INVERTED_C = {INVERTED[3*WIDTH+c], INVERTED[2*WIDTH+c],
                                         INVERTED[WIDTH+c], INVERTED[c] && !THREE};
    // The chain wants x0 as it counts: inverted, it takes O5, and the majority a LUT of its own.
    localparam bit PASS_X0 = X0[c] && INVERTED_C[0];
    logic [3:0] b;
    logic       o5, to_next;

    if (THREE && c > 0) begin : g_own
      assign b[0] = USED_C[0] && g_column[c-1].to_next;
    end else begin : g_given
      assign b[0] = USED_C[0] && x[c];
    end
    assign b[3:1] = USED_C[3:1] & {x[3*WIDTH+c], x[2*WIDTH+c], x[WIDTH+c]};

    if (BITS >= 2) begin : g_lut
      LUT6_2 #(.INIT(contents(INVERTED_C, PASS_X0))) u_lut (
        .I0(b[0]), .I1(b[1]), .I2(b[2]), .I3(b[3]), .I4(1'b0), .I5(1'b1), .O5(o5), .O6(s[c])
      );
    end else begin : g_wire
      assign o5   = 1'b0;
      assign s[c] = ^(b ^ INVERTED_C);
    end

    if (BITS < 3) begin : g_no_carry
      assign to_next = 1'b0;
    end else if (PASS_X0) begin : g_majority
      logic [3:1] v;
      assign v       = b[3:1] ^ INVERTED_C[3:1];
      assign to_next = v[1] & v[2] | v[1] & v[3] | v[2] & v[3];
    end else begin : g_o5
      assign to_next = o5;
    end

    // Where s = 0 both addends of the chain are alike: x0; without it the two others, or nothing.
    assign di[c] = X0[c] && !PASS_X0 ? b[0] : (PASS_X0 || BITS == 2) && o5;

    if (c == 0) begin : g_lowest
      assign carry[c] = 1'b0;
    end else begin : g_higher
      assign carry[c] = !THREE && g_column[c-1].to_next;
    end
  end

  if (FIRST < WIDTH) begin : g_chain
    volley_carry_chain #(.WIDTH(WIDTH - FIRST)) u_chain (
      .s(s[WIDTH-1:FIRST]), .di(di[WIDTH-1:FIRST]), .sum(sum[WIDTH-1:FIRST])
    );
  end
  if (FIRST > 0) begin : g_below
    assign sum[FIRST-1:0] = s[FIRST-1:0];
  end
endmodule
`default_nettype wire
