// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Event-driven synapse array: PE outputs x EVENTS events per cycle. An event {place, word} brings its
// word to the weights of its place; what a window does not name counts 0.
//   acc[o] = sum over the window's events of w[fold*PE + o][place] * word      (PER_STEP = 0)
// and per step as in volley_synapse_array, which adds up. A window is the rows up to tlast, one at
// least; the FOLDS windows of a frame are its output folds, in order. m_acc_tlast is made here.
// Weights lie in a memory of FOLDS*INPUTS rows, row fold*INPUTS + place: PE weights of WEIGHT_W bits,
// output 0 in the low bits. Every two events share a dual-port memory; KIND 3 has one for each.
// Throughput: one row per T/TP cycles, whatever its places. Latency after a window's last row:
// 2 + that of volley_synapse_array.
// Model: verif/models/event_list.py.
`default_nettype none
module volley_synapse_event #(
  parameter int unsigned BODY     = 0,         // of the sums: 0 LUT, 1 GATE, 2 SOFT, 3 MULT
  parameter int unsigned PE       = 2,         // outputs
  parameter int unsigned EVENTS   = 2,         // events per row
  parameter int unsigned T        = 4,         // time steps of a word
  parameter int unsigned TP       = T,         // time steps per cycle, divides T
  parameter int unsigned WEIGHT_W = 4,         // bits of a weight, signed
  parameter int unsigned INPUTS   = 32,        // places
  parameter int unsigned FOLDS    = 1,         // output folds: windows of a frame
  parameter int unsigned ACC_W    = 16,        // bits of a result, signed; must hold every sum
  parameter bit          PER_STEP = 1'b0,      // 1: a number for each time step
  parameter int unsigned KIND     = 1,         // of the weights: 1 LUT ROM, 2 block RAM, 3 writable block RAM
  parameter INIT_FILE             = "",        // $readmemh image, row 0 first
  localparam int unsigned NUMBERS = PER_STEP ? T : 1,
  localparam int unsigned PLACE_W = INPUTS > 1 ? $clog2(INPUTS) : 1,
  localparam int unsigned ROW_W   = PE * WEIGHT_W,
  localparam int unsigned ADDR_W  = FOLDS * INPUTS > 1 ? $clog2(FOLDS * INPUTS) : 1
) (
  input  wire logic                           clk,
  input  wire logic                           rst,      // synchronous, active high
  input  wire logic                           cfg_we,   // KIND 3 only
  input  wire logic [ADDR_W-1:0]              cfg_addr, // row
  input  wire logic [ROW_W-1:0]               cfg_data,
  // Sink: rows of events {place, word}, the first one in the low bits; tlast ends a window
  input  wire logic                           s_event_tvalid,
  output logic                                s_event_tready,
  input  wire logic [EVENTS*(PLACE_W+T)-1:0]  s_event_tdata,
  input  wire logic                           s_event_tlast,
  // Source: potentials; number T-1-t of an output is step t
  output logic                                m_acc_tvalid,
  input  wire logic                           m_acc_tready,
  output logic [PE*NUMBERS*ACC_W-1:0]         m_acc_tdata,
  output logic                                m_acc_tlast
);
  localparam int unsigned DEPTH   = FOLDS * INPUTS > 1 ? FOLDS * INPUTS : 2;  // a memory has at least two rows
  localparam int unsigned EVENT_W = PLACE_W + T;

  if (EVENTS < 1 || INPUTS < 1 || FOLDS < 1) begin : g_rule_events
    $fatal(1, "volley_synapse_event: EVENTS, INPUTS and FOLDS must be at least 1 (%m)");
  end
  if (KIND < 1 || KIND > 3) begin : g_rule_kind
    $fatal(1, "volley_synapse_event: KIND = %0d is outside 1..3 (%m)", KIND);
  end

  // ------------------------------------------------------------------ address, then weights
  logic                      ce_1, ce_2, valid_1, valid_2, last_1, last_2, array_ready;
  logic [EVENTS*ADDR_W-1:0]  addr_1;
  logic [EVENTS*T-1:0]       word_1, word_2;
  logic [EVENTS*ROW_W-1:0]   row_2;
  logic [ADDR_W-1:0]         base_q;           // first row of the output fold

  assign ce_2           = !valid_2 || array_ready;
  assign ce_1           = !valid_1 || ce_2;
  assign s_event_tready = ce_1;

  always_ff @(posedge clk) begin
    if (ce_1) begin
      valid_1 <= s_event_tvalid;
      last_1  <= s_event_tlast;
      for (int unsigned e = 0; e < EVENTS; e++) begin
        word_1[e*T +: T]           <= s_event_tdata[e*EVENT_W +: T];
        addr_1[e*ADDR_W +: ADDR_W] <= base_q + ADDR_W'(s_event_tdata[e*EVENT_W + T +: PLACE_W]);
      end
      if (s_event_tvalid && s_event_tlast)
        base_q <= base_q == ADDR_W'((FOLDS - 1) * INPUTS) ? '0 : base_q + ADDR_W'(INPUTS);
    end
    if (ce_2) begin
      valid_2 <= valid_1;
      last_2  <= last_1;
      word_2  <= word_1;
    end
    if (rst) begin
      valid_1 <= 1'b0;
      valid_2 <= 1'b0;
      base_q  <= '0;
    end
  end

  if (KIND == 3) begin : g_writable
    for (genvar e = 0; e < EVENTS; e++) begin : g_event
      volley_ram #(.DATA_W(ROW_W), .DEPTH(DEPTH), .INIT_FILE(INIT_FILE), .STYLE("block")) u_ram (
        .clk, .we(cfg_we), .waddr(cfg_addr), .wdata(cfg_data),
        .re(ce_2), .raddr(addr_1[e*ADDR_W +: ADDR_W]), .rdata(row_2[e*ROW_W +: ROW_W])
      );
    end
  end else begin : g_rom
    for (genvar e = 0; e < EVENTS; e += 2) begin : g_event
      localparam int unsigned PORTS = e + 1 < EVENTS ? 2 : 1;
      volley_rom #(.DATA_W(ROW_W), .DEPTH(DEPTH), .INIT_FILE(INIT_FILE), .PORTS(PORTS),
                   .STYLE(KIND == 2 ? "block" : "distributed")) u_rom (
        .clk, .re(ce_2), .raddr(addr_1[e*ADDR_W +: PORTS*ADDR_W]), .rdata(row_2[e*ROW_W +: PORTS*ROW_W])
      );
    end
    logic unused;
    assign unused = ^{cfg_we, cfg_addr, cfg_data};
  end

  // ------------------------------------------------------------------ sums
  logic [PE*EVENTS*WEIGHT_W-1:0] weight;       // output slowest, as the array takes them
  for (genvar e = 0; e < EVENTS; e++) begin : g_weight
    for (genvar o = 0; o < PE; o++) begin : g_output
      assign weight[(o*EVENTS + e)*WEIGHT_W +: WEIGHT_W] = row_2[e*ROW_W + o*WEIGHT_W +: WEIGHT_W];
    end
  end

  volley_synapse_array #(
    .BODY(BODY), .PE(PE), .SIMD(EVENTS), .T(T), .TP(TP), .WEIGHT_W(WEIGHT_W), .FOLDS(0), .ACC_W(ACC_W),
    .PER_STEP(PER_STEP)
  ) u_array (
    .clk, .rst,
    .s_spike_tvalid(valid_2), .s_spike_tready(array_ready), .s_spike_tdata(word_2), .s_spike_tlast(last_2),
    .s_weight_tvalid(valid_2), .s_weight_tready(), .s_weight_tdata(weight),
    .m_acc_tvalid, .m_acc_tready, .m_acc_tdata, .m_acc_tlast()
  );

  // The array marks every window; a frame ends FOLDS times as rarely.
  volley_pass_counter #(.BEATS(FOLDS), .PASSES(1)) u_counter (
    .clk, .rst, .step(m_acc_tvalid && m_acc_tready), .tlast(m_acc_tlast), .last(m_acc_tlast), .frame_last(), .pass()
  );
endmodule
`default_nettype wire
