// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Stop of a slotted ring: one register, the link to the next stop. A flit that has this node among its nodes goes to the
// tile, and on to the others if there are any. In its slots the tile's queues send; slots are given so that the link is
// free then, so nothing waits and there is no buffer (docs/tiles_network.md).
// slot is the number of the cycle in its wheel; the one that counts is registered, so it is that of the cycle before.
`default_nettype none
module volley_ring_node
  import volley_tile_pkg::*;
#(
  parameter int unsigned NODE  = 0,
  parameter int unsigned WHEEL = 128,          // slots, at the most; a power of two
  localparam int unsigned MOST   = NODES,      // of a ring
  localparam int unsigned SLOT_W = $clog2(WHEEL)
) (
  input  wire logic              clk,
  input  wire logic              rst,          // synchronous, active high
  // Slots
  input  wire logic              load_we,
  input  wire logic [SLOT_W-1:0] load_addr,
  input  wire logic [1:0]        load_data,    // {credits, tokens}: they own the slot
  input  wire logic [SLOT_W-1:0] slot,
  // Ring
  input  wire logic              ring_in_valid,
  input  wire logic [FLIT_W-1:0] ring_in,
  output logic                   ring_out_valid,
  output logic [FLIT_W-1:0]      ring_out,
  // Tile
  output logic                   arrives,
  output logic [FLIT_W-1:0]      arrived,
  input  wire logic              s_token_tvalid,
  output logic                   s_token_tready,
  input  wire logic [FLIT_W-1:0] s_token_tdata,
  input  wire logic              s_credit_tvalid,
  output logic                   s_credit_tready,
  input  wire logic [FLIT_W-1:0] s_credit_tdata
);
  if (NODE >= MOST) begin : g_rule_node
    $fatal(1, "volley_ring_node: NODE = %0d, the ring has nodes 0 to %0d (%m)", NODE, MOST - 1);
  end

  if (WHEEL < 2 || WHEEL != 1 << $clog2(WHEEL)) begin : g_rule_wheel
    $fatal(1, "volley_ring_node: WHEEL = %0d is no power of two from 2 on (%m)", WHEEL);
  end

  flit_t      flit, onward;
  logic [1:0] owns, owns_q;
  logic       passes, sends;

  volley_lut_ram #(.DATA_W(2), .DEPTH(WHEEL)) u_slots (
    .clk, .we(load_we), .waddr(load_addr), .wdata(load_data), .raddr(slot), .rdata(owns)
  );

  assign flit = ring_in;
  always_comb begin
    onward             = flit;
    onward.nodes[NODE] = 1'b0;
  end
  assign passes          = ring_in_valid && onward.nodes != '0;
  assign arrives   = ring_in_valid && flit.nodes[NODE];
  assign arrived    = ring_in;
  assign s_token_tready  = owns_q[0];
  assign s_credit_tready = owns_q[1];
  assign sends           = (s_token_tvalid && owns_q[0]) || (s_credit_tvalid && owns_q[1]);

  always_ff @(posedge clk) begin
    owns_q        <= owns;
    ring_out_valid <= passes || sends;
    ring_out  <= owns_q[0] && s_token_tvalid ? s_token_tdata
                   : owns_q[1] && s_credit_tvalid ? s_credit_tdata : onward;
    if (rst) begin
      owns_q        <= '0;
      ring_out_valid <= 1'b0;
    end
  end

`ifndef SYNTHESIS
  always_ff @(posedge clk)
    if (!rst) a_free: assert (!(passes && sends));
`endif
endmodule
`default_nettype wire
