// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_neuron_radix: the word of every beat is clamp(floor((2^EXPONENT * h + b) / theta), 0, 2^T
// - 1), for every h, b and theta >= 1; every beat leaves once, in order, with its tlast, within T +
// 1 cycles of tready; both sinks' beats are taken together. Division without a divider: a beat is
// followed if the quotient and rest that came with it, free inputs, are right; there is one such
// pair for every beat.
`default_nettype none
module formal_neuron_radix #(
  parameter bit          UNROLLED = 1'b1,
  parameter int unsigned EXPONENT = 1,
  parameter int unsigned T        = 4,
  localparam int unsigned W       = 8,         // bits of h, theta and b
  localparam int unsigned V_W     = W + T > W + EXPONENT + 2 ? W + T : W + EXPONENT + 2,
  localparam int unsigned MOST    = UNROLLED ? T + 1 : 2
) (
  input wire logic         clk,
  input wire logic         rst,
  input wire logic         pick,
  input wire logic         acc_tvalid,
  input wire logic [W-1:0] h,
  input wire logic         acc_tlast,
  input wire logic         param_tvalid,
  input wire logic [W-1:0] theta,
  input wire logic [W-1:0] b,
  input wire logic         m_tready,
  input wire logic [T-1:0] guess,              // floor(v / theta), where a word can hold it
  input wire logic [W-1:0] guess_rest          // v - theta * guess
);
  typedef logic signed [V_W+1:0] number_t;     // wide enough for every product below
  logic         acc_tready, param_tready, m_tvalid, m_tlast;
  logic [T-1:0] word;

  volley_neuron_radix #(
    .LANES(1), .IN_W(W), .EXPONENT(EXPONENT), .THETA_W(W), .BIAS_W(W), .V_W(V_W), .T(T),
    .UNROLLED(UNROLLED)
  ) dut (
    .clk, .rst,
    .s_acc_tvalid(acc_tvalid), .s_acc_tready(acc_tready), .s_acc_tdata(h), .s_acc_tlast(acc_tlast),
    .s_param_tvalid(param_tvalid), .s_param_tready(param_tready), .s_param_tdata({theta, b}),
    .m_spike_tvalid(m_tvalid), .m_spike_tready(m_tready), .m_spike_tdata(word),
    .m_spike_tlast(m_tlast)
  );

  formal_reset u_reset (.clk, .rst);
  formal_hold #(.W(W + 1), .ASSUME(1'b1)) u_acc (
    .clk, .rst, .tvalid(acc_tvalid), .tready(acc_tready), .payload({acc_tlast, h}));
  formal_hold #(.W(2 * W), .ASSUME(1'b1)) u_param (
    .clk, .rst, .tvalid(param_tvalid), .tready(param_tready), .payload({theta, b}));
  formal_hold #(.W(T + 1)) u_m (
    .clk, .rst, .tvalid(m_tvalid), .tready(m_tready), .payload({m_tlast, word}));
  always_comb if (param_tvalid) assume (theta != '0);

  // factor * code as a sum of shifts: lighter than `*` for a solver.
  function automatic number_t times(input logic [W-1:0] factor, input logic [T-1:0] code);
    times = '0;
    for (int unsigned t = 0; t < T; t++) times += code[t] ? number_t'({1'b0, factor}) <<< t : '0;
  endfunction

  number_t v_in;                               // of the beat that is offered
  logic    low, high, right;
  assign v_in  = (number_t'(signed'(h)) <<< EXPONENT) + number_t'(signed'(b));
  assign low   = v_in < 0;
  assign high  = v_in >= number_t'({1'b0, theta}) <<< T;
  assign right = low ? guess == '0 : high ? guess == '1
               : guess_rest < theta && v_in == times(theta, guess) + number_t'({1'b0, guess_rest});

  // The beat that is followed.
  logic                        tracked, leaves, last, below, above;
  logic [$clog2(MOST + 2)-1:0] held, ahead;
  logic [W-1:0]                th, rest;
  logic [T-1:0]                code;           // what its word has to be
  formal_track #(.W(3 + 2 * W + T), .N(T + 1), .MOST(MOST)) u_track (
    .clk, .rst, .pick(pick && right), .s_tvalid(acc_tvalid && param_tvalid), .s_tready(acc_tready),
    .s_value({acc_tlast, low, high, theta, guess_rest, guess}), .m_tvalid, .m_tready,
    .held, .tracked, .ahead, .value({last, below, above, th, rest, code}), .leaves
  );

  always_comb if (!rst) begin
    together: assert ((acc_tvalid && acc_tready) == (param_tvalid && param_tready));
    if (leaves) begin
      right_word: assert (word == code && m_tlast == last);
      fires: cover (m_tready && code == T'(5) && rest == 3);
    end
    if (tracked) possible: assert (below ? !above && code == '0 : above ? code == '1 : rest < th);
  end

  // The potential before the last `left` steps, as docs/numerics.md proves it.
  function automatic logic potential(input number_t v, input int unsigned left);
    return below ? v < 0
         : above ? v >= number_t'({1'b0, th}) <<< left
         :         v == times(th, code & T'((1 << left) - 1)) + number_t'({1'b0, rest});
  endfunction

  // What makes it inductive: where the beat is, and its potential there.
  if (UNROLLED) begin : g_unrolled
    logic [$clog2(T+2)-1:0] stage;
    logic [T:0]             valid;
    always_ff @(posedge clk) begin
      if (dut.ce) stage <= stage + 1'b1;
      if (acc_tvalid && acc_tready && pick && !tracked) stage <= '0;
    end
    always_comb if (!rst)
      places: assert (32'(held) == 32'($countones(valid)) && u_track.waited == '0);
    for (genvar t = 0; t <= T; t++) begin : g_stage
      assign valid[t] = dut.g_unrolled.valid_q[t];
      always_comb if (!rst && tracked && 32'(stage) == t) begin
        here: assert (valid[t] && 32'(ahead) == 32'($countones(valid >> (t + 1))));
        carried: assert (dut.g_unrolled.theta_q[t][0] == V_W'(th)
                      && dut.g_unrolled.last_q[t] == last);
        state: assert (potential(number_t'(dut.g_unrolled.v_q[t][0]), T - t)
                    && dut.g_unrolled.word_q[t][0] == (code & ~T'((1 << (T - t)) - 1)));
      end
    end
    always_comb if (!rst && tracked) time_inside: assert (32'(stage) <= T && u_track.age <= stage);
  end else begin : g_serial
    int unsigned left;                         // steps
    assign left = 32'(dut.g_serial.step) + 1;
    always_comb if (!rst) begin
      places: assert (32'(held) == 32'(m_tvalid) + 32'(dut.g_serial.busy));
      steps: assert (dut.g_serial.busy ? 32'(u_track.waited) + left <= T : u_track.waited == '0);
      if (tracked && 32'(ahead) == 32'(m_tvalid)) begin
        here: assert (dut.g_serial.busy && dut.g_serial.last == last
                   && 32'(u_track.age) + left <= T);
        threshold: assert (number_t'(dut.g_serial.th[0])
                        == number_t'({1'b0, th}) <<< dut.g_serial.step);
        state: assert (potential(number_t'(dut.g_serial.v[0]), left)
                    && ((dut.g_serial.word[0] ^ (code >> left)) & T'((1 << (T - left)) - 1)) == '0);
      end
    end
  end
endmodule
`default_nettype wire
