// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Steps of a tile: begins a step of the next context in turn once its ENDs, its credits and room for its whole output
// are there, and sends the rows of its events once per fold. Nothing stops a step that has begun.
// A fold takes q = max(ceil(events / 2), PACE) cycles, a step FOLDS * q; the next one begins right behind it at the
// earliest. Rows beyond the events name none. Row r of fold f is read from the list in cycle f*q + r of the step; its
// weights' addresses leave two cycles later.
`default_nettype none
module volley_tile_sequencer
  import volley_tile_pkg::*;
#(
  parameter int unsigned AXONS = 1024,         // as of volley_tile_events
  parameter int unsigned ROWS  = 1024,         // of weights, a power of two
  parameter int unsigned FOLDS = 16,           // of a step, at the most; a power of two
  parameter int unsigned PACE  = 8,            // least cycles of a fold
  parameter int unsigned ROOM  = 512,          // flits
  localparam int unsigned PLACE_W = $clog2(AXONS),
  localparam int unsigned LIST_W  = PLACE_W - 1,
  localparam int unsigned EVENT_W = PLACE_W + 1,
  localparam int unsigned ROW_W   = AXONS > 2 * PACE ? PLACE_W : $clog2(PACE + 1), // of a count of rows
  localparam int unsigned ADDR_W  = $clog2(ROWS),
  localparam int unsigned FOLD_W  = FOLDS > 1 ? $clog2(FOLDS) : 1,
  localparam int unsigned ROOM_W  = $clog2(ROOM + 1)
) (
  input  wire logic                 clk,
  input  wire logic                 rst,       // synchronous, active high
  input  wire logic                 load_we,
  input  wire logic [LOAD_W-1:0]    load_addr,
  input  wire logic [31:0]          load_data,
  // What is there for the next step
  input  wire logic                 clear,
  output logic [CONTEXT_W-1:0]      ask_context,
  output logic [1:0]                ask_step,
  input  wire logic [COUNT_W-1:0]   ends,
  input  wire logic [COUNT_W-1:0]   credits,
  input  wire logic                 last,
  input  wire logic [EVENT_W-1:0]   events,
  input  wire logic [ROOM_W-1:0]    room,
  output logic                      begins,    // a step, in this cycle
  output logic [ROOM_W-1:0]         takes,     // room, where a step begins
  // Rows of the list, and of the weights: two addresses
  output logic                      list_re,
  output logic [PLACE_W-1:0]        list_addr,
  input  wire logic [2*PLACE_W-1:0] list_data,
  output logic                      row_valid,
  output logic [2*ADDR_W-1:0]       row_addr,
  output logic [1:0]                row_here, // the row has that event
  output logic                      row_ends, // of a fold
  // The fold whose last row was read last
  output mark_t                     mark,
  output logic                      read       // a step's last row was read a cycle ago
);
  if (AXONS < 4 || AXONS > 2048 || AXONS != 1 << $clog2(AXONS)) begin : g_rule_axons
    $fatal(1, "volley_tile_sequencer: AXONS = %0d is no power of two from 4 to 2048 (%m)", AXONS);
  end
  if (ROOM < 1) begin : g_rule_room
    $fatal(1, "volley_tile_sequencer: ROOM must be at least 1 (%m)");
  end
  if (ROWS < 2 || ROWS > 2048 || ROWS != 1 << $clog2(ROWS)) begin : g_rule_rows
    $fatal(1, "volley_tile_sequencer: ROWS = %0d is no power of two from 2 to 2048 (%m)", ROWS);
  end
  if (FOLDS < 1 || FOLDS != 1 << $clog2(FOLDS)) begin : g_rule_folds
    $fatal(1, "volley_tile_sequencer: FOLDS = %0d is no power of two (%m)", FOLDS);
  end
  if (PACE < 8) begin : g_rule_pace
    $fatal(1, "volley_tile_sequencer: PACE = %0d is below 8, which the marks of a fold need (%m)", PACE);
  end

  // ------------------------------------------------------------------ contexts, in turn
  typedef struct packed {
    logic [FOLD_W-1:0] fold_last;
    logic [ROOM_W-1:0] takes;                  // its neurons + 1
  } size_t;
  typedef struct packed {
    logic [ADDR_W-1:0] stride;                 // rows of a fold: its axons
    logic [ADDR_W-1:0] base;                   // its first row
    logic [LIST_W-1:0] list;                   // its first row in the list
  } area_t;
  typedef struct packed {
    logic [COUNT_W-1:0] credits_second;        // those over a delay: what step 1 waits for
    logic [COUNT_W-1:0] credits;
    logic [COUNT_W-1:0] ends_first;            // those not over a delay: what step 0 waits for
    logic [COUNT_W-1:0] ends;
  } waits_t;
  typedef struct packed {
    logic       old;                           // steps 0 and 1 are over
    logic       again;                         // not the first step of a frame
    logic [1:0] step;                          // modulo 4
  } state_t;

  logic                 to_contexts;
  logic [CONTEXT_W-1:0] turn_q;
  logic [CONTEXT_W:0]   contexts_q;            // that the tile works on
  size_t                size, size_q;
  area_t                area, area_q;
  waits_t               waits;
  state_t               state, state_q, state_d;
  logic [COUNT_W-1:0]   ends_q, credits_q;     // that the step waits for
  logic [1:0]           known_q;               // the step's registers are
  logic [4:0]           clear_q;

  assign to_contexts = load_we && load_addr[LOAD_W-1 -: 2] == TO_TABLES && load_addr[11];

  volley_lut_ram #(.DATA_W($bits(size_t)), .DEPTH(CONTEXTS)) u_size (
    .clk, .we(to_contexts && load_addr[2:0] == 3'd0), .waddr(load_addr[3 +: CONTEXT_W]),
    .wdata({load_data[16 +: FOLD_W], load_data[0 +: ROOM_W]}), .raddr(turn_q), .rdata(size)
  );
  volley_lut_ram #(.DATA_W($bits(area_t)), .DEPTH(CONTEXTS)) u_area (
    .clk, .we(to_contexts && load_addr[2:0] == 3'd1), .waddr(load_addr[3 +: CONTEXT_W]),
    .wdata({load_data[21 +: ADDR_W], load_data[10 +: ADDR_W], load_data[0 +: LIST_W]}), .raddr(turn_q), .rdata(area)
  );
  volley_lut_ram #(.DATA_W($bits(waits_t)), .DEPTH(CONTEXTS)) u_waits (
    .clk, .we(to_contexts && load_addr[2:0] == 3'd2), .waddr(load_addr[3 +: CONTEXT_W]),
    .wdata(load_data[$bits(waits_t)-1:0]), .raddr(turn_q), .rdata(waits)
  );
  volley_lut_ram #(.DATA_W($bits(state_t)), .DEPTH(CONTEXTS)) u_state (
    .clk, .we(clear || begins), .waddr(clear ? clear_q[CONTEXT_W-1:0] : turn_q), .wdata(clear ? '0 : state_d),
    .raddr(turn_q), .rdata(state)
  );

  assign state_d.old   = state_q.old || state_q.step[0];
  assign state_d.again = !last;
  assign state_d.step  = state_q.step + 1'b1;

  always_ff @(posedge clk) begin
    size_q  <= size;
    area_q  <= area;
    state_q <= state;
    ends_q  <= state.old || state.step[0] ? waits.ends : waits.ends_first;
    credits_q <= state.old ? waits.credits : state.step[0] ? waits.credits_second : '0;
    known_q <= begins ? '0 : {known_q[0], 1'b1};
    clear_q <= clear_q + 1'b1;
    if (begins) turn_q <= {1'b0, turn_q} + 1'b1 == contexts_q ? '0 : turn_q + 1'b1;
    if (to_contexts && load_addr[2:0] == 3'd6) contexts_q <= load_data[CONTEXT_W:0];
    if (rst) begin
      turn_q     <= '0;
      contexts_q <= '0;
      known_q    <= '0;
      clear_q    <= '0;
    end
  end

  // ------------------------------------------------------------------ a step begins
  logic running_q;
  assign ask_context = turn_q;
  assign ask_step    = state_q.step;
  assign takes       = size_q.takes;
  assign begins      = known_q[1] && !running_q && !clear && contexts_q != '0
                    && ends == ends_q && credits == credits_q && room >= takes;

  // ------------------------------------------------------------------ rows of the list
  logic [PLACE_W-1:0] start_q;                 // of the step that runs
  logic [PLACE_W-1:0] list_addr_q;
  logic [ROW_W-1:0]  row_q, row_last_q;        // in the fold
  logic [FOLD_W-1:0] fold_q, fold_last_q;
  logic [EVENT_W-1:0] events_q;
  logic [ROW_W-1:0]  half;                     // rows with events
  logic              row_last, step_last;
  mark_t             step_q;                   // that runs

  assign list_re    = begins || running_q;
  assign list_addr  = list_addr_q;
  assign row_last  = running_q && row_q == row_last_q;
  assign step_last = row_last && fold_q == fold_last_q;
  assign half      = ROW_W'((events_q + 1'b1) >> 1);

  always_ff @(posedge clk) begin
    row_last_q <= (half > ROW_W'(PACE) ? half : ROW_W'(PACE)) - 1'b1;
    list_addr_q <= !list_re || step_last ? {state_q.step[0], area_q.list} : row_last ? start_q : list_addr_q + 1'b1;
    row_q      <= !list_re || row_last ? '0 : row_q + 1'b1;
    if (!list_re || step_last) fold_q <= '0;
    else if (row_last) fold_q <= fold_q + 1'b1;
    if (step_last) running_q <= 1'b0;
    if (begins) begin
      running_q   <= 1'b1;
      start_q     <= list_addr_q;
      fold_last_q <= size_q.fold_last;
      events_q    <= events;
      step_q      <= '{context_number: turn_q, step: state_q.step, first: !state_q.again, last: last, begins: 1'b0};
    end
    if (row_last) mark <= '{context_number: step_q.context_number, step: step_q.step, first: step_q.first,
                            last: step_q.last, begins: fold_q == '0};
    read <= step_last;
    if (rst) begin
      running_q <= 1'b0;
      read      <= 1'b0;
    end
  end

  // ------------------------------------------------------------------ rows of the weights
  logic              valid_1, last_1;
  logic [ROW_W-1:0]  row_1;
  logic [ADDR_W-1:0] base_q, stride_q;         // of the fold

  always_ff @(posedge clk) begin
    valid_1      <= list_re;
    row_1        <= row_q;
    last_1       <= row_last;
    row_valid <= valid_1;
    row_ends  <= last_1;
    row_here   <= {row_1 < ROW_W'(events_q >> 1), row_1 < half};
    for (int unsigned e = 0; e < 2; e++)
      row_addr[e*ADDR_W +: ADDR_W] <= base_q + ADDR_W'(list_data[e*PLACE_W +: PLACE_W]);
    if (last_1) base_q <= base_q + stride_q;
    if (begins) begin
      base_q   <= area_q.base;
      stride_q <= area_q.stride;
    end
    if (rst) begin
      valid_1      <= 1'b0;
      row_valid <= 1'b0;
    end
  end

  logic unused;
  assign unused = ^{load_addr, load_data, step_q.begins};
endmodule
`default_nettype wire
