// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Follows one beat, any one (`pick` is free), through a cell that gives a beat for each it takes,
// in order. It leaves behind exactly those taken before it, within N cycles of m_tready; none is
// made up; a beat offered is taken within N cycles of m_tready. The harness asserts what it looks
// like when it leaves (`leaves`, `value`).
`default_nettype none
module formal_track #(
  parameter int unsigned W     = 8,            // what is remembered of a beat [bit]
  parameter int unsigned N     = 1,            // cycles
  parameter int unsigned MOST  = 2,            // beats that the cell holds
  localparam int unsigned COUNT_W = $clog2(MOST + 2)
) (
  input  wire logic           clk,
  input  wire logic           rst,
  input  wire logic           pick,
  input  wire logic           s_tvalid,
  input  wire logic           s_tready,
  input  wire logic [W-1:0]   s_value,
  input  wire logic           m_tvalid,
  input  wire logic           m_tready,
  output logic [COUNT_W-1:0]  held,            // beats in the cell
  output logic                tracked,         // one of them is followed
  output logic [COUNT_W-1:0]  ahead,           // beats before it
  output logic [W-1:0]        value,           // what came with it
  output logic                leaves           // it is the one that is offered
);
  localparam int unsigned AGE_W = $clog2(N + 2);
  logic [AGE_W-1:0] age, waited;               // cycles of m_tready: since it was taken, offered
  logic             push, pop;
  assign push   = s_tvalid && s_tready;
  assign pop    = m_tvalid && m_tready;
  assign leaves = tracked && ahead == '0 && m_tvalid;

  always_ff @(posedge clk) begin
    held   <= held + COUNT_W'(push) - COUNT_W'(pop);
    age    <= m_tready ? age + 1'b1 : '0;
    waited <= m_tready && s_tvalid && !s_tready ? waited + 1'b1 : '0;
    if (pop) ahead <= ahead - 1'b1;
    if (leaves && m_tready) tracked <= 1'b0;
    if (push && pick && !tracked) begin
      tracked <= 1'b1;
      ahead   <= held - COUNT_W'(pop);
      value   <= s_value;
      age     <= '0;
    end
    if (rst) begin
      held    <= '0;
      tracked <= 1'b0;
      waited  <= '0;
    end
  end

  always_comb if (!rst) begin
    none_made_up: assert (!m_tvalid || held != '0);
    none_too_many: assert (held <= COUNT_W'(MOST));
    taken_within_n: assert (waited < AGE_W'(N));
    full: cover (held == COUNT_W'(MOST));
    if (tracked) begin
      in_order: assert (ahead < held);
      leaves_within_n: assert (age < AGE_W'(N));
      behind_others: cover (leaves && m_tready && age == AGE_W'(N - 1));
    end
  end
endmodule
`default_nettype wire
