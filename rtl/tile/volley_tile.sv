// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Crossbar tile: up to CONTEXTS clusters of spiking neurons, in turn, in steps that time themselves. What a cluster is,
// is loaded at run time: neurons, axons, weights, leak, reset, theta, b, v0, who reads it and whom it reads.
// A step begins once all its ENDs, all its credits and room for its whole output are there; then nothing stalls.
// Two events a cycle for PE outputs; docs/tiles_network.md has the times, pyflow.machines.tiles.flits computes them:
// start 2, pipeline 9, release 1.
`default_nettype none
module volley_tile
  import volley_tile_pkg::*;
#(
  parameter int unsigned PE       = 16,        // outputs at a time
  parameter int unsigned LANES    = 2,         // neurons at a time, PE / 8 at the most
  parameter int unsigned WEIGHT_W = 4,         // bits of a weight, signed
  parameter int unsigned ROWS     = 1024,      // of PE weights, a power of two
  parameter int unsigned AXONS    = 1024,      // of all contexts, a power of two
  parameter int unsigned NEURONS  = 256,       // of all contexts, a power of two
  parameter int unsigned TABLE    = 2048,      // neurons of all sources that are read, a power of two
  parameter int unsigned ACC_W    = 16,        // bits of a potential, signed
  parameter int unsigned FRAC     = 0,         // fraction bits of v, b and theta
  parameter int unsigned V_W      = 16,        // bits of v, signed
  parameter int unsigned ROOM     = 512        // flits of the queue
) (
  input  wire logic              clk,
  input  wire logic              rst,          // synchronous, active high
  // Write port of all that is loaded, while nothing runs
  input  wire logic              load_we,
  input  wire logic [LOAD_W-1:0] load_addr,
  input  wire logic [31:0]       load_data,
  // Sink: flits that arrive
  input  wire logic              arrives,
  input  wire logic [FLIT_W-1:0] arrived,
  // Sources: flits that wait for a slot
  output logic                   m_token_tvalid,
  input  wire logic              m_token_tready,
  output logic [FLIT_W-1:0]      m_token_tdata,
  output logic                   m_credit_tvalid,
  input  wire logic              m_credit_tready,
  output logic [FLIT_W-1:0]      m_credit_tdata
);
  if (LANES < 1 || PE < 1) begin : g_rule_lanes
    $fatal(1, "volley_tile: PE and LANES must be at least 1 (%m)");
  end

  localparam int unsigned PLACE_W = $clog2(AXONS);
  localparam int unsigned ADDR_W  = $clog2(ROWS);
  localparam int unsigned ROOM_W  = $clog2(ROOM + 1);
  localparam int unsigned BEAT_W  = LANES > 0 ? $clog2(NEURONS / LANES) : 1;
  localparam int unsigned FOLDS   = PE > 0 ? NEURONS / PE : 1;
  localparam int unsigned PACE    = LANES > 0 ? PE / LANES : 1;

  logic                 clear, last, begins, list_re, row_valid, row_ends, read, acc_valid, spike_valid, spike_ends;
  logic [CONTEXT_W-1:0] ask_context;
  logic [1:0]           ask_step, row_here;
  logic [COUNT_W-1:0]   ends, credits;
  logic [PLACE_W:0]     events;
  logic [ROOM_W-1:0]    room, takes;
  logic [PLACE_W-1:0]   list_addr;
  logic [2*PLACE_W-1:0] list_data;
  logic [2*ADDR_W-1:0]  row_addr;
  logic [PE*ACC_W-1:0]  acc;
  logic [LANES-1:0]     spikes;
  logic [BEAT_W-1:0]    spike_beat;
  mark_t                mark, spike_mark;

  volley_tile_events #(.AXONS(AXONS), .TABLE(TABLE)) u_events (
    .clk, .rst, .load_we, .load_addr, .load_data, .arrives, .arrived,
    .clear, .ask_context, .ask_step, .ends, .credits, .last, .events, .list_re, .list_addr, .list_data
  );

  volley_tile_sequencer #(
    .AXONS(AXONS), .ROWS(ROWS), .FOLDS(FOLDS), .PACE(PACE), .ROOM(ROOM)
  ) u_sequencer (
    .clk, .rst, .load_we, .load_addr, .load_data,
    .clear, .ask_context, .ask_step, .ends, .credits, .last, .events, .room, .begins, .takes,
    .list_re, .list_addr, .list_data, .row_valid, .row_addr, .row_here, .row_ends, .mark, .read
  );

  volley_tile_array #(.PE(PE), .WEIGHT_W(WEIGHT_W), .ROWS(ROWS), .ACC_W(ACC_W)) u_array (
    .clk, .rst, .load_we, .load_addr, .load_data, .row_valid, .row_addr, .row_here, .row_ends, .acc_valid, .acc
  );

  volley_tile_neurons #(
    .PE(PE), .LANES(LANES), .NEURONS(NEURONS), .ACC_W(ACC_W), .FRAC(FRAC), .V_W(V_W)
  ) u_neurons (
    .clk, .rst, .load_we, .load_addr, .load_data, .acc_valid, .acc, .acc_mark(mark),
    .spike_valid, .spikes, .spike_beat, .spike_mark, .spike_ends
  );

  volley_tile_sender #(.LANES(LANES), .NEURONS(NEURONS), .ROOM(ROOM)) u_sender (
    .clk, .rst, .load_we, .load_addr, .load_data, .room, .begins, .takes,
    .spike_valid, .spikes, .spike_beat, .spike_mark, .spike_ends, .read, .read_mark(mark),
    .m_token_tvalid, .m_token_tready, .m_token_tdata, .m_credit_tvalid, .m_credit_tready, .m_credit_tdata
  );
endmodule
`default_nettype wire
