// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Neurons of a tile: LANES of them per cycle, PE potentials at a time, all contexts in one memory.
// A fold's potentials are taken at once and worked off in PE / LANES cycles; the next ones come no sooner. Behind a
// context's last neuron nothing happens until its next step. A beat of spikes leaves three cycles after its potentials
// came, the first of a fold; nothing stops it. Spikes that nobody reads are left out.
`default_nettype none
module volley_tile_neurons
  import volley_tile_pkg::*;
#(
  parameter int unsigned PE      = 16,         // potentials that come together
  parameter int unsigned LANES   = 2,          // neurons per cycle, a power of two
  parameter int unsigned NEURONS = 256,        // of all contexts
  parameter int unsigned ACC_W   = 16,         // bits of a potential
  parameter int unsigned FRAC    = 0,          // as volley_tile_lif
  parameter int unsigned V_W     = 16,
  localparam int unsigned BEATS  = LANES > 0 ? NEURONS / LANES : 1,
  localparam int unsigned BEAT_W = $clog2(BEATS)
) (
  input  wire logic                clk,
  input  wire logic                rst,        // synchronous, active high
  input  wire logic                load_we,
  input  wire logic [LOAD_W-1:0]   load_addr,
  input  wire logic [31:0]         load_data,
  // Sink: potentials of a fold
  input  wire logic                acc_valid,
  input  wire logic [PE*ACC_W-1:0] acc,
  input  mark_t                    acc_mark, // of them, in the cycle behind
  // Source: spikes that are read
  output logic                     spike_valid,
  output logic [LANES-1:0]         spikes,
  output logic [BEAT_W-1:0]        spike_beat,
  output mark_t                    spike_mark,
  output logic                     spike_ends // of the step
);
  localparam int unsigned THETA_W = V_W - 1;
  localparam int unsigned BIAS_W  = V_W - 1;
  localparam int unsigned STATE_W = V_W + 1;
  localparam int unsigned LANE_W  = LANES > 1 ? $clog2(LANES) : 1;
  localparam int unsigned FOLD   = LANES > 0 ? PE / LANES : 1; // beats
  localparam int unsigned FOLD_W = FOLD > 1 ? $clog2(FOLD) : 1;

  if (LANES < 1 || FOLD < 2 || FOLD != 1 << $clog2(FOLD) || LANES != 1 << $clog2(LANES)) begin : g_rule_lanes
    $fatal(1, "volley_tile_neurons: LANES = %0d and PE / LANES must be powers of two, LANES < PE (%m)", LANES);
  end

  if (NEURONS < 2 * LANES || NEURONS > 4096 || NEURONS != 1 << $clog2(NEURONS)) begin : g_rule_neurons
    $fatal(1, "volley_tile_neurons: NEURONS = %0d is no power of two from 2 * LANES to 4096 (%m)", NEURONS);
  end
  if (V_W < 2 || V_W > 16) begin : g_rule_v_w
    $fatal(1, "volley_tile_neurons: V_W = %0d is outside 2..16 (%m)", V_W);
  end

  // ------------------------------------------------------------------ lanes
  logic                   valid_0, begins_0;
  logic [FOLD_W-1:0]     count_q;             // beat of the fold
  logic [LANES*ACC_W-1:0] acc_0;

  logic [PE*ACC_W-1:0]    fold_q;

  // Chosen from and not shifted: a register that shifts has a LUT for each of its bits.
  always_comb begin
    acc_0 = '0;
    for (int unsigned b = 0; b < FOLD; b++)
      if (count_q == FOLD_W'(b)) acc_0 = fold_q[b*LANES*ACC_W +: LANES*ACC_W];
  end

  always_ff @(posedge clk) begin
    if (acc_valid) fold_q <= acc;
    if (acc_valid) valid_0 <= 1'b1;
    else if (count_q == '1) valid_0 <= 1'b0;
    if (rst) valid_0 <= 1'b0;
  end

  // ------------------------------------------------------------------ where a context's neurons lie
  typedef struct packed {
    logic [BEAT_W-1:0] first, last;
  } beats_t;
  typedef struct packed {
    logic [V_W-1:0] v0;
    logic           late, clears, subtracts;
    logic [3:0]     leak;
  } kind_t;

  logic              to_contexts;
  beats_t            beats;
  kind_t             kind;
  mark_t             mark_0, mark_1;
  logic [BEAT_W-1:0] beat_0, next_q;
  logic              live_0, live_q, end_0;

  assign to_contexts = load_we && load_addr[LOAD_W-1 -: 2] == TO_TABLES && load_addr[11];

  volley_lut_ram #(.DATA_W($bits(beats_t)), .DEPTH(CONTEXTS)) u_beats (
    .clk, .we(to_contexts && load_addr[2:0] == 3'd3), .waddr(load_addr[3 +: CONTEXT_W]),
    .wdata({load_data[16 +: BEAT_W], load_data[0 +: BEAT_W]}), .raddr(mark_0.context_number), .rdata(beats)
  );
  volley_lut_ram #(.DATA_W($bits(kind_t)), .DEPTH(CONTEXTS)) u_kind (
    .clk, .we(to_contexts && load_addr[2:0] == 3'd4), .waddr(load_addr[3 +: CONTEXT_W]),
    .wdata({load_data[16 +: V_W], load_data[6:0]}), .raddr(mark_1.context_number), .rdata(kind)
  );

  assign mark_0   = count_q == '0 ? acc_mark : mark_1;
  assign begins_0 = valid_0 && count_q == '0 && acc_mark.begins;
  assign beat_0   = begins_0 ? beats.first : next_q;
  assign live_0   = valid_0 && (begins_0 || live_q);
  assign end_0    = beat_0 == beats.last;

  always_ff @(posedge clk) begin
    if (valid_0) begin
      count_q <= count_q + 1'b1;
      next_q  <= beat_0 + 1'b1;
      live_q  <= live_0 && !end_0;
    end
    if (rst) begin
      count_q <= '0;
      live_q  <= 1'b0;
    end
  end

  // ------------------------------------------------------------------ parameters, state
  logic                   valid_1, end_1;
  logic [BEAT_W-1:0]      beat_1;
  logic [LANES*ACC_W-1:0] acc_1;
  logic [LANES*32-1:0]    parameters;
  logic [LANES*STATE_W-1:0] state, state_next;
  logic [LANES-1:0]       fire, seen;

  for (genvar l = 0; l < LANES; l++) begin : g_parameters
    volley_ram #(.DATA_W(32), .DEPTH(BEATS), .STYLE("block")) u_ram (
      .clk,
      .we(load_we && load_addr[LOAD_W-1 -: 2] == TO_NEURONS && (LANES == 1 || load_addr[LANE_W-1:0] == LANE_W'(l))),
      .waddr(load_addr[$clog2(LANES) +: BEAT_W]), .wdata(load_data),
      .re(1'b1), .raddr(beat_0), .rdata(parameters[l*32 +: 32])
    );
  end

  volley_ram #(.DATA_W(LANES * STATE_W), .DEPTH(BEATS), .STYLE("block")) u_state (
    .clk, .we(valid_1), .waddr(beat_1), .wdata(state_next), .re(1'b1), .raddr(beat_0), .rdata(state)
  );

  always_ff @(posedge clk) begin
    valid_1 <= live_0;
    end_1   <= end_0;
    beat_1  <= beat_0;
    acc_1   <= acc_0;
    if (valid_0) mark_1 <= mark_0;
    if (rst) valid_1 <= 1'b0;
  end

  // ------------------------------------------------------------------ neurons
  for (genvar l = 0; l < LANES; l++) begin : g_lane
    volley_tile_lif #(.ACC_W(ACC_W), .FRAC(FRAC), .BIAS_W(BIAS_W), .THETA_W(THETA_W), .V_W(V_W)) u_lif (
      .acc(acc_1[l*ACC_W +: ACC_W]), .bias(parameters[l*32 +: BIAS_W]),
      .theta(parameters[l*32+15 +: THETA_W]), .v0(kind.v0), .leak(kind.leak), .subtracts(kind.subtracts),
      .clears(kind.clears), .late(kind.late), .first(mark_1.first), .state(state[l*STATE_W +: STATE_W]),
      .state_next(state_next[l*STATE_W +: STATE_W]), .fire(fire[l])
    );
    assign seen[l] = mark_1.last ? parameters[l*32+30] : parameters[l*32+31];
  end

  always_ff @(posedge clk) begin
    spike_valid <= valid_1 && (end_1 || (fire & seen) != '0);
    spikes  <= fire & seen;
    spike_beat   <= beat_1;
    spike_ends  <= end_1;
    spike_mark   <= mark_1;
    if (rst) spike_valid <= 1'b0;
  end

  logic unused;
  assign unused = ^{load_addr};

`ifndef SYNTHESIS
  always_ff @(posedge clk)
    if (!rst) a_lanes: assert (!acc_valid || !valid_0 || count_q == '1);
`endif
endmodule
`default_nettype wire
