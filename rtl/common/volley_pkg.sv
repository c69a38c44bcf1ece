// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// What several cores share: the parameters of a spiking neuron as one constant, and the width of its state.
`default_nettype none
package volley_pkg;
  // One neuron. volley_lif_step says what each member is, and has a parameter of that name.
  typedef struct packed {
    int unsigned IN_W;
    bit          IN_SIGNED;
    int unsigned FRAC;
    int unsigned BIAS_W;
    int unsigned THETA_W;
    int unsigned RESET_W;
    int unsigned V0_W;
    int unsigned LEAK_W;
    int unsigned V_W;
    int unsigned LEAK;
    int unsigned LEAK_SHIFT;
    int unsigned LEAK_FRAC;
    int unsigned RESET;
    bit          RESET_ORDER;
    int          V_LEAK;
    int          V_RESET;
    int unsigned CURRENT;
    int unsigned I_W;
    int unsigned I_LEAK;
    int unsigned I_SHIFT;
    int unsigned I_ALPHA;
    int unsigned I_FRAC;
    bit          ADAPT;
    int unsigned A_W;
    int unsigned A_LEAK;
    int unsigned A_SHIFT;
    int unsigned A_ALPHA;
    int unsigned A_FRAC;
    int unsigned JUMP;
    int unsigned REFRACTORY;
    bit          BIAS_I;
  } lif_t;

  // The constant, from parameters that bear its members' names.
  function automatic lif_t lif(
    input int unsigned IN_W        = 12,
    input bit          IN_SIGNED   = 1'b1,
    input int unsigned FRAC        = 0,
    input int unsigned BIAS_W      = 12,
    input int unsigned THETA_W     = 12,
    input int unsigned RESET_W     = 0,
    input int unsigned V0_W        = 0,
    input int unsigned LEAK_W      = 0,
    input int unsigned V_W         = 16,
    input int unsigned LEAK        = 0,
    input int unsigned LEAK_SHIFT  = 0,
    input int unsigned LEAK_FRAC   = 0,
    input int unsigned RESET       = 1,
    input bit          RESET_ORDER = 1'b0,
    input int          V_LEAK      = 0,
    input int          V_RESET     = 0,
    input int unsigned CURRENT     = 0,
    input int unsigned I_W         = 16,
    input int unsigned I_LEAK      = 0,
    input int unsigned I_SHIFT     = 0,
    input int unsigned I_ALPHA     = 0,
    input int unsigned I_FRAC      = 0,
    input bit          ADAPT       = 1'b0,
    input int unsigned A_W         = 8,
    input int unsigned A_LEAK      = 0,
    input int unsigned A_SHIFT     = 0,
    input int unsigned A_ALPHA     = 0,
    input int unsigned A_FRAC      = 0,
    input int unsigned JUMP        = 0,
    input int unsigned REFRACTORY  = 0,
    input bit          BIAS_I      = 1'b0
  );
    return '{
      IN_W: IN_W, IN_SIGNED: IN_SIGNED, FRAC: FRAC, BIAS_W: BIAS_W, THETA_W: THETA_W,
      RESET_W: RESET_W, V0_W: V0_W, LEAK_W: LEAK_W, V_W: V_W, LEAK: LEAK, LEAK_SHIFT: LEAK_SHIFT,
      LEAK_FRAC: LEAK_FRAC, RESET: RESET, RESET_ORDER: RESET_ORDER, V_LEAK: V_LEAK,
      V_RESET: V_RESET, CURRENT: CURRENT, I_W: I_W, I_LEAK: I_LEAK, I_SHIFT: I_SHIFT,
      I_ALPHA: I_ALPHA, I_FRAC: I_FRAC, ADAPT: ADAPT, A_W: A_W, A_LEAK: A_LEAK, A_SHIFT: A_SHIFT,
      A_ALPHA: A_ALPHA, A_FRAC: A_FRAC, JUMP: JUMP, REFRACTORY: REFRACTORY, BIAS_I: BIAS_I
    };
  endfunction

  // Bits of a neuron's state, low to high: v, i, a, the count of refractory steps, z.
  function automatic int unsigned lif_state_w(
    input int unsigned V_W,
    input int unsigned CURRENT,
    input int unsigned I_W,
    input bit          ADAPT,
    input int unsigned A_W,
    input int unsigned REFRACTORY,
    input int unsigned RESET,
    input bit          RESET_ORDER
  );
    return V_W + (CURRENT != 0 ? I_W : 0) + (ADAPT ? A_W : 0)
         + (REFRACTORY != 0 ? $clog2(REFRACTORY + 1) : 0) + (RESET_ORDER && RESET != 0 ? 1 : 0);
  endfunction
endpackage
`default_nettype wire
