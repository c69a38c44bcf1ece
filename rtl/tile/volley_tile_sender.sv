// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// What a tile sends: a flit per spike, END behind a step's last neuron, a credit behind a step's last row of events.
// Two queues, each of which sends when the network gives it a slot; what they hold fits by the room that a step took.
// A beat of spikes can leave two cycles after it came, one flit per cycle in ascending order of neurons.
// room: a flit gives one place back in the cycle behind; END all that silent neurons have left, too.
`default_nettype none
module volley_tile_sender
  import volley_tile_pkg::*;
#(
  parameter int unsigned LANES   = 2,          // neurons per beat, a power of two
  parameter int unsigned NEURONS = 256,        // of all contexts
  parameter int unsigned ROOM    = 512,        // flits
  localparam int unsigned BEAT_W = LANES > 0 ? $clog2(NEURONS / LANES) : 1,
  localparam int unsigned ROOM_W = $clog2(ROOM + 1)
) (
  input  wire logic              clk,
  input  wire logic              rst,          // synchronous, active high
  input  wire logic              load_we,
  input  wire logic [LOAD_W-1:0] load_addr,
  input  wire logic [31:0]       load_data,
  // Room
  output logic [ROOM_W-1:0]      room,
  input  wire logic              begins,       // a step takes room
  input  wire logic [ROOM_W-1:0] takes,
  // Sink: spikes
  input  wire logic              spike_valid,
  input  wire logic [LANES-1:0]  spikes,
  input  wire logic [BEAT_W-1:0] spike_beat,
  input  mark_t                  spike_mark,
  input  wire logic              spike_ends,
  // A step's events are read
  input  wire logic              read,
  input  mark_t                  read_mark,
  // Sources: flits
  output logic                   m_token_tvalid,
  input  wire logic              m_token_tready,
  output logic [FLIT_W-1:0]      m_token_tdata,
  output logic                   m_credit_tvalid,
  input  wire logic              m_credit_tready,
  output logic [FLIT_W-1:0]      m_credit_tdata
);
  if (LANES < 1 || LANES != 1 << $clog2(LANES)) begin : g_rule_lanes
    $fatal(1, "volley_tile_sender: LANES = %0d is no power of two (%m)", LANES);
  end
  if (NEURONS < 2 * LANES || NEURONS != 1 << $clog2(NEURONS)) begin : g_rule_neurons
    $fatal(1, "volley_tile_sender: NEURONS = %0d is no power of two from 2 * LANES on (%m)", NEURONS);
  end
  if (ROOM < 4) begin : g_rule_room
    $fatal(1, "volley_tile_sender: ROOM = %0d must be at least 4 (%m)", ROOM);
  end

  localparam int unsigned NUMBER_W = $clog2(NEURONS);
  localparam int unsigned LANE_W   = LANES > 1 ? $clog2(LANES) : 1;
  // N neurons take N + 1 places, and have as many beats, or half of that.
  localparam int unsigned HELD     = LANES > 1 ? ROOM / 2 + 1 : ROOM + 1;

  typedef struct packed {
    logic                 last;                // of the frame
    logic [1:0]           step;
    logic [CONTEXT_W-1:0] context_number;
    logic                 ends;                // END behind the spikes
    logic [BEAT_W-1:0]    beat;
    logic [LANES-1:0]     spikes;
  } beat_t;
  typedef struct packed {
    logic [1:0]           step;
    logic [CONTEXT_W-1:0] context_number;
  } credit_t;

  // ------------------------------------------------------------------ queues
  beat_t   beat, beat_in;
  credit_t credit, credit_in;
  logic    beat_ready, credit_ready, beat_done;

  assign beat_in   = '{last: spike_mark.last, step: spike_mark.step, context_number: spike_mark.context_number,
                       ends: spike_ends, beat: spike_beat, spikes: spikes};
  assign credit_in = '{step: read_mark.step, context_number: read_mark.context_number};

  volley_fifo #(.DATA_W($bits(beat_t)), .DEPTH(HELD), .STYLE("block")) u_beats (
    .clk, .rst,
    .s_axis_tvalid(spike_valid), .s_axis_tready(beat_ready), .s_axis_tdata(beat_in), .s_axis_tlast(1'b0),
    .m_axis_tvalid(m_token_tvalid), .m_axis_tready(beat_done), .m_axis_tdata(beat), .m_axis_tlast(),
    .stat_count()
  );
  volley_fifo #(.DATA_W($bits(credit_t)), .DEPTH(2 * CONTEXTS + 1), .STYLE("distributed")) u_credits (
    .clk, .rst,
    .s_axis_tvalid(read), .s_axis_tready(credit_ready), .s_axis_tdata(credit_in), .s_axis_tlast(1'b0),
    .m_axis_tvalid(m_credit_tvalid), .m_axis_tready(m_credit_tready), .m_axis_tdata(credit), .m_axis_tlast(),
    .stat_count()
  );

  // ------------------------------------------------------------------ who reads a context, and whom it reads
  logic [SOURCE_W-1:0] source_of_beat, source_of_credit;
  logic [NODES-1:0]    readers, read_ones;
  logic                to_contexts;

  assign to_contexts = load_we && load_addr[LOAD_W-1 -: 2] == TO_TABLES && load_addr[11];

  volley_lut_ram #(.DATA_W(SOURCE_W), .DEPTH(CONTEXTS), .READS(2)) u_source (
    .clk, .we(to_contexts && load_addr[2:0] == 3'd6), .waddr(load_addr[3 +: CONTEXT_W]),
    .wdata(load_data[8 +: SOURCE_W]), .raddr({credit.context_number, beat.context_number}),
    .rdata({source_of_credit, source_of_beat})
  );
  volley_lut_ram #(.DATA_W(NODES), .DEPTH(CONTEXTS)) u_readers (
    .clk, .we(to_contexts && load_addr[2:0] == 3'd5), .waddr(load_addr[3 +: CONTEXT_W]),
    .wdata(load_data[0 +: NODES]), .raddr(beat.context_number), .rdata(readers)
  );
  volley_lut_ram #(.DATA_W(NODES), .DEPTH(CONTEXTS)) u_read (
    .clk, .we(to_contexts && load_addr[2:0] == 3'd5), .waddr(load_addr[3 +: CONTEXT_W]),
    .wdata(load_data[16 +: NODES]), .raddr(credit.context_number), .rdata(read_ones)
  );

  // ------------------------------------------------------------------ flits of a beat
  logic [LANES:0]     sent_q, pending, rest, chosen; // bit LANES: END
  logic [LANE_W-1:0]  lane;
  logic               leaves, is_end;

  assign pending   = {beat.ends, beat.spikes} & ~sent_q;
  assign rest      = pending & (pending - 1'b1);
  assign chosen    = pending & ~rest;
  assign is_end    = chosen[LANES];
  assign leaves    = m_token_tvalid && m_token_tready;
  assign beat_done = m_token_tready && rest == '0;

  always_comb begin
    lane = '0;
    for (int unsigned l = 0; l < LANES; l++) lane |= chosen[l] ? LANE_W'(l) : '0;
  end

  flit_t token, given;
  assign token = '{nodes: readers, kind: is_end ? ENDS : SPIKE, last: beat.last, step: beat.step,
                   source: source_of_beat,
                   neuron: is_end ? '0 : LANES > 1 ? NEURON_W'({beat.beat, lane}) : NEURON_W'(beat.beat)};
  assign given = '{nodes: read_ones, kind: CREDIT, last: 1'b0, step: credit.step, source: source_of_credit,
                   neuron: '0};
  assign m_token_tdata  = token;
  assign m_credit_tdata = given;

  // ------------------------------------------------------------------ room
  logic [NUMBER_W:0] left_q, places;           // neurons of the step that have sent no flit

  volley_lut_ram #(.DATA_W(NUMBER_W + 1), .DEPTH(CONTEXTS)) u_places (
    .clk, .we(to_contexts && load_addr[2:0] == 3'd0), .waddr(load_addr[3 +: CONTEXT_W]),
    .wdata(load_data[NUMBER_W:0]), .raddr(beat.context_number), .rdata(places)
  );

  always_ff @(posedge clk) begin
    if (leaves) sent_q <= rest == '0 ? '0 : sent_q | chosen;
    if (leaves) left_q <= is_end ? '0 : left_q + 1'b1;
    room <= room + (!leaves ? '0 : is_end ? ROOM_W'(places - left_q) : ROOM_W'(1)) - (begins ? takes : '0);
    if (rst) begin
      sent_q <= '0;
      left_q <= '0;
      room   <= ROOM_W'(ROOM);
    end
  end

  logic unused;
  assign unused = ^{load_addr, spike_mark, read_mark};

`ifndef SYNTHESIS
  always_ff @(posedge clk)
    if (!rst) begin
      a_beat:   assert (!spike_valid || beat_ready);
      a_credit: assert (!read || credit_ready);
      a_room:   assert (room <= ROOM_W'(ROOM));
    end
`endif
endmodule
`default_nettype wire
