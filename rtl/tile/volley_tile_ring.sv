// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// TILES crossbar tiles and a host port on a slotted ring, the host behind the last tile.
// A flit takes a cycle from stop to stop. Its slots are those of its queue, counted modulo `wheel`; in the cycle in
// which `slot` is s, slot s - 1 is sent in.
// Model: pyflow/machines/tiles/flits.py; what is loaded: pyflow/machines/tiles/image.py.
`default_nettype none
module volley_tile_ring
  import volley_tile_pkg::*;
#(
  parameter int unsigned TILES = 2,            // NODES - 1 at the most
  parameter int unsigned WHEEL = 128,          // slots, at the most; a power of two
  // A tile: see volley_tile
  parameter int unsigned PE       = 16,
  parameter int unsigned LANES    = 2,
  parameter int unsigned WEIGHT_W = 4,
  parameter int unsigned ROWS     = 1024,
  parameter int unsigned AXONS    = 1024,
  parameter int unsigned NEURONS  = 256,
  parameter int unsigned TABLE    = 2048,
  parameter int unsigned ACC_W    = 16,
  parameter int unsigned FRAC     = 0,
  parameter int unsigned V_W      = 16,
  parameter int unsigned ROOM     = 512,
  localparam int unsigned SLOT_W = $clog2(WHEEL),
  localparam int unsigned NODE_W = $clog2(NODES),
  localparam int unsigned STOPS  = TILES + 1,
  localparam int unsigned MOST   = NODES       // stops
) (
  input  wire logic                clk,
  input  wire logic                rst,        // synchronous, active high
  // Write port of all that is loaded
  input  wire logic                load_we,
  input  wire logic                load_slots, // 1: into the node's slots, 0: into its tile
  input  wire logic [NODE_W-1:0]   load_node,
  input  wire logic [LOAD_W-1:0]   load_addr,
  input  wire logic [31:0]         load_data,
  input  wire logic [SLOT_W-1:0]   wheel_last, // slots of the wheel, less one
  output logic [SLOT_W-1:0]        slot,
  // Host: flits that arrive, tokens and credits that wait for a slot
  output logic                     arrives,
  output logic [FLIT_W-1:0]        arrived,
  input  wire logic                s_token_tvalid,
  output logic                     s_token_tready,
  input  wire logic [FLIT_W-1:0]   s_token_tdata,
  input  wire logic                s_credit_tvalid,
  output logic                     s_credit_tready,
  input  wire logic [FLIT_W-1:0]   s_credit_tdata,
  // What is on the links, each behind its node
  output logic [STOPS-1:0]         link_valid,
  output logic [STOPS*FLIT_W-1:0]  link
);
  if (TILES < 1 || TILES >= MOST) begin : g_rule_tiles
    $fatal(1, "volley_tile_ring: TILES = %0d is outside 1..%0d (%m)", TILES, MOST - 1);
  end

  logic [STOPS-1:0]        flit_valid, token_valid, token_ready, credit_valid, credit_ready;
  logic [STOPS*FLIT_W-1:0] flit, token, credit;

  always_ff @(posedge clk) begin
    slot <= slot == wheel_last ? '0 : slot + 1'b1;
    if (rst) slot <= '0;
  end

  for (genvar n = 0; n < STOPS; n++) begin : g_node
    localparam int unsigned BEFORE = n == 0 ? TILES : n - 1;

    volley_ring_node #(.NODE(n), .WHEEL(WHEEL)) u_node (
      .clk, .rst,
      .load_we(load_we && load_slots && load_node == NODE_W'(n)), .load_addr(load_addr[SLOT_W-1:0]),
      .load_data(load_data[1:0]), .slot,
      .ring_in_valid(link_valid[BEFORE]), .ring_in(link[BEFORE*FLIT_W +: FLIT_W]),
      .ring_out_valid(link_valid[n]), .ring_out(link[n*FLIT_W +: FLIT_W]),
      .arrives(flit_valid[n]), .arrived(flit[n*FLIT_W +: FLIT_W]),
      .s_token_tvalid(token_valid[n]), .s_token_tready(token_ready[n]), .s_token_tdata(token[n*FLIT_W +: FLIT_W]),
      .s_credit_tvalid(credit_valid[n]), .s_credit_tready(credit_ready[n]), .s_credit_tdata(credit[n*FLIT_W +: FLIT_W])
    );

    if (n < TILES) begin : g_tile
      volley_tile #(
        .PE(PE), .LANES(LANES), .WEIGHT_W(WEIGHT_W), .ROWS(ROWS), .AXONS(AXONS), .NEURONS(NEURONS), .TABLE(TABLE),
        .ACC_W(ACC_W), .FRAC(FRAC), .V_W(V_W), .ROOM(ROOM)
      ) u_tile (
        .clk, .rst,
        .load_we(load_we && !load_slots && load_node == NODE_W'(n)), .load_addr, .load_data,
        .arrives(flit_valid[n]), .arrived(flit[n*FLIT_W +: FLIT_W]),
        .m_token_tvalid(token_valid[n]), .m_token_tready(token_ready[n]), .m_token_tdata(token[n*FLIT_W +: FLIT_W]),
        .m_credit_tvalid(credit_valid[n]), .m_credit_tready(credit_ready[n]),
        .m_credit_tdata(credit[n*FLIT_W +: FLIT_W])
      );
    end else begin : g_host
      assign arrives   = flit_valid[n];
      assign arrived    = flit[n*FLIT_W +: FLIT_W];
      assign token_valid[n]  = s_token_tvalid;
      assign s_token_tready  = token_ready[n];
      assign token[n*FLIT_W +: FLIT_W] = s_token_tdata;
      assign credit_valid[n] = s_credit_tvalid;
      assign s_credit_tready = credit_ready[n];
      assign credit[n*FLIT_W +: FLIT_W] = s_credit_tdata;
    end
  end
endmodule
`default_nettype wire
