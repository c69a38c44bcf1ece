// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// What arrives at a tile: for each context and step the list of places that spiked, and how many ENDs and credits
// are there. A list holds two steps; lists of later steps take the place of those that have been worked on.
// A flit that arrives in cycle c is counted in cycle c + 2, an event lies in its list from cycle c + 3 on. So END in
// cycle c lets a step begin in cycle c + 2: its last event arrived in c - 1.
//
// The source of a flit selects {read, advance, context, base}: the flit counts for the context's step `advance` steps
// behind its own, 0 or 1 for tokens (a delay), 2 or 1 for credits; place = places[base + neuron]. In a frame's last
// step a token over a delay is empty. Counts are kept with a bit of the step that they belong to, so none is cleared.
// After reset the counts are cleared within 32 cycles.
`default_nettype none
module volley_tile_events
  import volley_tile_pkg::*;
#(
  parameter int unsigned AXONS   = 1024,       // places of all contexts together, a power of two
  parameter int unsigned TABLE   = 2048,       // neurons of all sources together, a power of two
  localparam int unsigned PLACE_W = $clog2(AXONS),
  localparam int unsigned TABLE_W = $clog2(TABLE),
  localparam int unsigned LIST_W  = PLACE_W - 1, // a row holds two places
  localparam int unsigned EVENT_W = PLACE_W + 1  // bits of their number
) (
  input  wire logic                 clk,
  input  wire logic                 rst,       // synchronous, active high
  input  wire logic                 load_we,
  input  wire logic [LOAD_W-1:0]    load_addr,
  input  wire logic [31:0]          load_data,
  // Sink: flits, one per cycle
  input  wire logic                 arrives,
  input  wire logic [FLIT_W-1:0]    arrived,
  // What is there for a step of a context
  output logic                      clear,     // counts are being cleared
  input  wire logic [CONTEXT_W-1:0] ask_context,
  input  wire logic [1:0]           ask_step,
  output logic [COUNT_W-1:0]        ends,
  output logic [COUNT_W-1:0]        credits,
  output logic                      last,      // the step is its frame's last
  output logic [EVENT_W-1:0]        events,
  // Rows of a list, latency 1
  input  wire logic                 list_re,
  input  wire logic [PLACE_W-1:0]   list_addr,  // {parity of the step, row}
  output logic [2*PLACE_W-1:0]      list_data
);
  localparam int unsigned INFO_W = 1 + 2 + CONTEXT_W + TABLE_W;

  if (AXONS < 4 || AXONS > 2048 || AXONS != 1 << $clog2(AXONS)) begin : g_rule_axons
    $fatal(1, "volley_tile_events: AXONS = %0d is no power of two from 4 to 2048 (%m)", AXONS);
  end
  if (TABLE < 2 || TABLE > 4096 || TABLE != 1 << $clog2(TABLE)) begin : g_rule_table
    $fatal(1, "volley_tile_events: TABLE = %0d is no power of two from 2 to 4096 (%m)", TABLE);
  end

  // ------------------------------------------------------------------ the source
  flit_t                flit, flit_1;
  logic                 valid_1, known, is_credit;
  logic [1:0]           advance, step_1;
  logic [CONTEXT_W-1:0] context_1;
  logic [TABLE_W-1:0]   base;
  logic                 to_tables;

  assign flit      = arrived;
  assign to_tables = load_we && load_addr[LOAD_W-1 -: 2] == TO_TABLES;

  volley_ram #(.DATA_W(INFO_W), .DEPTH(2 * SOURCES), .STYLE("block")) u_sources (
    .clk,
    .we(to_tables && !load_addr[11]), .waddr(load_addr[SOURCE_W:0]),
    .wdata({load_data[31 -: 3 + CONTEXT_W], load_data[TABLE_W-1:0]}),
    .re(1'b1), .raddr({flit.kind == CREDIT, flit.source}), .rdata({known, advance, context_1, base})
  );

  always_ff @(posedge clk) begin
    valid_1 <= arrives;
    flit_1  <= flit;
    if (rst) valid_1 <= 1'b0;
  end

  assign is_credit = flit_1.kind == CREDIT;
  assign step_1    = flit_1.step + advance;

  // ------------------------------------------------------------------ ENDs and credits
  typedef struct packed {
    logic               half;                  // step / 2 that the count is of, modulo 2
    logic               last;
    logic [COUNT_W-1:0] count;
  } arrived_t;

  logic [5:0] clear_q;                         // entries cleared
  arrived_t   here, counted, of_ends, of_credits;
  logic       fresh, count_1;

  assign clear         = !clear_q[5];
  assign count_1       = valid_1 && known && flit_1.kind != SPIKE;
  assign fresh         = here.half != step_1[1];
  assign counted.half  = step_1[1];
  assign counted.last  = (!fresh && here.last) || (advance == '0 && flit_1.last);
  assign counted.count = fresh ? COUNT_W'(1) : here.count + 1'b1;

  volley_lut_ram #(.DATA_W($bits(arrived_t)), .DEPTH(4 * CONTEXTS), .READS(3)) u_arrived (
    .clk,
    .we(clear || count_1), .waddr(clear ? clear_q[4:0] : {is_credit, context_1, step_1[0]}),
    .wdata(clear ? '0 : counted),
    .raddr({1'b1, ask_context, ask_step[0], 1'b0, ask_context, ask_step[0], is_credit, context_1, step_1[0]}),
    .rdata({of_credits, of_ends, here})
  );

  always_ff @(posedge clk) begin
    if (clear) clear_q <= clear_q + 1'b1;
    if (rst) clear_q <= '0;
  end

  assign ends    = of_ends.half == ask_step[1] ? of_ends.count : '0;
  assign last    = of_ends.half == ask_step[1] && of_ends.last;
  assign credits = of_credits.half == ask_step[1] ? of_credits.count : '0;

  // ------------------------------------------------------------------ the place
  logic                 spike_2, end_2, read_2, event_2;
  logic [CONTEXT_W-1:0] context_2;
  logic [1:0]           step_2;
  logic [PLACE_W-1:0]   place_2;

  volley_ram #(.DATA_W(1 + PLACE_W), .DEPTH(TABLE), .STYLE("block")) u_places (
    .clk,
    .we(load_we && load_addr[LOAD_W-1 -: 2] == TO_PLACES), .waddr(load_addr[TABLE_W-1:0]),
    .wdata({load_data[31], load_data[PLACE_W-1:0]}),
    .re(1'b1), .raddr(base + TABLE_W'(flit_1.neuron)), .rdata({read_2, place_2})
  );

  always_ff @(posedge clk) begin
    spike_2   <= valid_1 && known && flit_1.kind == SPIKE && !(flit_1.last && advance != '0);
    end_2     <= valid_1 && known && flit_1.kind == ENDS;
    context_2 <= context_1;
    step_2    <= step_1;
    if (rst) {spike_2, end_2} <= '0;
  end

  // ------------------------------------------------------------------ the lists
  typedef struct packed {
    logic               half;
    logic [EVENT_W-1:0] count;
  } listed_t;

  listed_t           list, list_asked;
  logic [EVENT_W-1:0] count;                   // events of the list so far
  logic [LIST_W-1:0] list_base, row;

  assign event_2 = spike_2 && read_2;
  assign count   = list.half == step_2[1] ? list.count : '0;
  assign row     = list_base + count[LIST_W:1];
  assign events  = list_asked.half == ask_step[1] ? list_asked.count : '0;

  volley_lut_ram #(.DATA_W($bits(listed_t)), .DEPTH(2 * CONTEXTS), .READS(2)) u_listed (
    .clk,
    .we(clear || event_2 || end_2), .waddr(clear ? clear_q[3:0] : {context_2, step_2[0]}),
    .wdata(clear ? '0 : {step_2[1], EVENT_W'(count + EVENT_W'(event_2))}),
    .raddr({ask_context, ask_step[0], context_2, step_2[0]}), .rdata({list_asked, list})
  );

  volley_lut_ram #(.DATA_W(LIST_W), .DEPTH(CONTEXTS)) u_list_base (
    .clk,
    .we(to_tables && load_addr[11] && load_addr[2:0] == 3'd1), .waddr(load_addr[3 +: CONTEXT_W]),
    .wdata(load_data[LIST_W-1:0]), .raddr(context_2), .rdata(list_base)
  );

  for (genvar e = 0; e < 2; e++) begin : g_bank
    volley_ram #(.DATA_W(PLACE_W), .DEPTH(AXONS), .STYLE("block")) u_list (
      .clk,
      .we(event_2 && count[0] == 1'(e)), .waddr({step_2[0], row}), .wdata(place_2),
      .re(list_re), .raddr(list_addr), .rdata(list_data[e*PLACE_W +: PLACE_W])
    );
  end

  logic unused;
  assign unused = ^{load_addr, load_data, flit_1, of_credits.last};
endmodule
`default_nettype wire
