// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_ring_node: a flit for this node is delivered in the cycle in which it arrives, and goes on to all others that
// it is for, and to no node twice; one for this node alone ends here. A queue's flit goes out as it is, in its slot and in
// no other cycle. Nothing else is ever on the link. Slots are given so that no flit passes in a slot of a queue
// that has one: this is assumed.
`default_nettype none
module formal_ring_node
  import volley_tile_pkg::*;
#(
  parameter int unsigned NODE  = 3,
  parameter int unsigned WHEEL = 2
) (
  input wire logic              clk,
  input wire logic              rst,
  input wire logic              load_we,
  input wire logic              load_addr,
  input wire logic [1:0]        load_data,
  input wire logic              slot,
  input wire logic              ring_in_valid,
  input wire logic [FLIT_W-1:0] ring_in,
  input wire logic              token_valid,
  input wire logic [FLIT_W-1:0] token,
  input wire logic              credit_valid,
  input wire logic [FLIT_W-1:0] credit
);
  localparam logic [FLIT_W-1:0] MINE = FLIT_W'(1) << (FLIT_W - NODES + NODE);
  localparam logic [FLIT_W-1:0] ALL  = ~(~FLIT_W'(0) >> NODES);

  logic              ring_out_valid, arrives, token_ready, credit_ready;
  logic [FLIT_W-1:0] ring_out, arrived;

  volley_ring_node #(.NODE(NODE), .WHEEL(WHEEL)) dut (
    .clk, .rst, .load_we, .load_addr, .load_data, .slot, .ring_in_valid, .ring_in, .ring_out_valid, .ring_out,
    .arrives, .arrived,
    .s_token_tvalid(token_valid), .s_token_tready(token_ready), .s_token_tdata(token),
    .s_credit_tvalid(credit_valid), .s_credit_tready(credit_ready), .s_credit_tdata(credit)
  );

  formal_reset u_reset (.clk, .rst);

  logic              sends_token, sends_credit, passes;
  logic [FLIT_W-1:0] onward;
  assign sends_token  = token_valid && token_ready;
  assign sends_credit = credit_valid && credit_ready;
  assign onward       = ring_in & ~MINE;
  assign passes       = ring_in_valid && (onward & ALL) != '0;

  always_comb begin
    one_queue: assume (!(token_ready && credit_ready));
    slot_free: assume (!(passes && (sends_token || sends_credit)));
  end

  always_comb if (!rst) begin
    delivered: assert (arrives == (ring_in_valid && (ring_in & MINE) != '0));
    as_it_came: assert (!arrives || arrived == ring_in);
  end

  logic              out;
  logic [FLIT_W-1:0] expected;
  always_ff @(posedge clk) begin
    out      <= passes || sends_token || sends_credit;
    expected <= sends_token ? token : sends_credit ? credit : onward;
    if (rst) out <= 1'b0;
  end

  always_comb if (!rst) begin
    nothing_else: assert (ring_out_valid == out);
    unchanged: assert (!out || ring_out == expected);
  end

  always_ff @(posedge clk) begin
    both: cover (!rst && arrives && passes);
    ends_here: cover (!rst && arrives && !passes);
    sent: cover (!rst && sends_token);
    given: cover (!rst && sends_credit);
  end
endmodule
`default_nettype wire
