// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// State of every neuron from pass to pass of a frame: read when its beat is taken, written back
// when its next state is known, both in raster order. Beats and passes are counted here.
//
// Nothing is cleared: in a frame's first pass `first` says that `state` means nothing, so no reset
// and no broken frame can leave a state behind. `room` keeps a beat out while its state is still
// being worked on. With PASSES = 1 there is no memory, only the count of beats.
// Latency 1, 1 beat per tick (a cycle with ce); BEATS beats per n + 1 ticks where a beat is put
// n ticks after it is taken and BEATS <= n.
// Model: verif/models/state_memory.py.
`default_nettype none
module volley_state_memory #(
  parameter int unsigned DATA_W = 16,          // state of a beat [bit]
  parameter int unsigned BEATS  = 16,          // beats per pass
  parameter int unsigned PASSES = 2,           // passes per frame
  parameter int unsigned FLIGHT = BEATS        // most beats ever taken and not yet put
) (
  input  wire logic              clk,
  input  wire logic              rst,          // synchronous, active high; counters only
  input  wire logic              ce,           // nothing moves without it
  // Read
  input  wire logic              take,         // a beat is taken; only with room
  output logic                   room,         // from registers only
  output logic [DATA_W-1:0]      state,        // of the beat taken last, like the three marks below
  output logic                   first,        // in the frame's first pass: ignore the state
  output logic                   last_pass,    // in the frame's last pass
  output logic                   last_beat,    // last of its pass
  // Write back
  input  wire logic              put,          // of the oldest beat in flight
  input  wire logic [DATA_W-1:0] state_next
);
  localparam int unsigned DEPTH  = BEATS > 1 ? BEATS : 2;
  localparam int unsigned ADDR_W = $clog2(DEPTH);

  if (DATA_W < 1) begin : g_rule_data_w
    $fatal(1, "volley_state_memory: DATA_W = %0d must be at least 1 (%m)", DATA_W);
  end
  if (BEATS < 1) begin : g_rule_beats
    $fatal(1, "volley_state_memory: BEATS = %0d must be at least 1 (%m)", BEATS);
  end
  if (PASSES < 1) begin : g_rule_passes
    $fatal(1, "volley_state_memory: PASSES = %0d must be at least 1 (%m)", PASSES);
  end
  if (FLIGHT < 1) begin : g_rule_flight
    $fatal(1, "volley_state_memory: FLIGHT = %0d must be at least 1 (%m)", FLIGHT);
  end

  logic [ADDR_W-1:0] raddr_q;                  // beat to be taken next
  logic              wrap;                     // the last of its pass

  if (BEATS == 1) begin : g_one
    assign raddr_q   = '0;
    assign wrap      = 1'b1;
    assign last_beat = 1'b1;
  end else begin : g_beats
    assign wrap = raddr_q == ADDR_W'(BEATS - 1);

    always_ff @(posedge clk) begin
      if (ce && take) begin
        last_beat <= wrap;
        raddr_q   <= wrap ? '0 : raddr_q + 1'b1;
      end
      if (rst) raddr_q <= '0;
    end
  end

  if (PASSES == 1) begin : g_none
    assign state     = '0;
    assign room      = 1'b1;
    assign first     = 1'b1;
    assign last_pass = 1'b1;
  end else begin : g_memory
    localparam int unsigned PASS_W = $clog2(PASSES);
    logic [ADDR_W-1:0] waddr_q;
    logic [PASS_W-1:0] pass_q;                 // of the beat to be taken next

    volley_ram #(
      .DATA_W (DATA_W),
      .DEPTH  (DEPTH)
    ) u_ram (
      .clk,
      .we    (ce && put),
      .waddr (waddr_q),
      .wdata (state_next),
      .re    (ce && take),
      .raddr (raddr_q),
      .rdata (state)
    );

    always_ff @(posedge clk) begin
      if (ce && take) begin
        first     <= pass_q == '0;
        last_pass <= pass_q == PASS_W'(PASSES - 1);
        if (wrap) pass_q <= pass_q == PASS_W'(PASSES - 1) ? '0 : pass_q + 1'b1;
      end
      if (ce && put) waddr_q <= waddr_q == ADDR_W'(BEATS - 1) ? '0 : waddr_q + 1'b1;
      if (rst) begin
        pass_q  <= '0;
        waddr_q <= '0;
      end
    end

    // A beat's state was taken BEATS beats ago: it is back once fewer than that are in flight.
    if (FLIGHT < BEATS) begin : g_always
      assign room = 1'b1;
    end else begin : g_count
      localparam int unsigned COUNT_W = $clog2(BEATS + 1);
      logic [COUNT_W-1:0] flight_q;            // beats in flight

      assign room = flight_q != COUNT_W'(BEATS);

      always_ff @(posedge clk) begin
        if (ce) flight_q <= flight_q + COUNT_W'(take) - COUNT_W'(put);
        if (rst) flight_q <= '0;
      end
    end
  end

`ifndef SYNTHESIS
  always_ff @(posedge clk)
    if (!rst) a_room: assert (!(ce && take) || room);
`endif
endmodule
`default_nettype wire
