// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Counts on a stream that it listens to and does not touch:
//   SPIKES = 0: cycles with a beat offered and not taken;   SPIKES = 1: ones in the payload of beats taken
// Latency SPIKES = 0: 1; SPIKES = 1: 3, for the payload is registered and its ones are, before they are added.
// Model: verif/models/stream.py.
`default_nettype none
module volley_stream_probe #(
  parameter int unsigned DATA_W  = 8,          // payload width [bit]
  parameter bit          SPIKES  = 1'b0,       // 0 stalls, 1 spikes
  parameter int unsigned COUNT_W = 32          // bits of the count, which wraps
) (
  input  wire logic               clk,
  input  wire logic               rst,         // synchronous, active high
  // The stream's signals, all of them inputs
  input  wire logic               probe_valid,
  input  wire logic               probe_ready,
  input  wire logic [DATA_W-1:0]  probe_data,
  output logic [COUNT_W-1:0]      stat_count   // since reset
);
  if (DATA_W < 1 || COUNT_W < 1 || COUNT_W > 32) begin : g_rule_data_w
    $fatal(1, "volley_stream_probe: DATA_W = %0d must be at least 1, COUNT_W = %0d in 1..32 (%m)", DATA_W, COUNT_W);
  end

  if (SPIKES) begin : g_spikes
    logic [DATA_W-1:0]           data_q;       // 0 where nothing was taken
    logic [$clog2(DATA_W+1)-1:0] ones;

    always_ff @(posedge clk) begin
      data_q     <= probe_valid && probe_ready ? probe_data : '0;
      ones       <= ($clog2(DATA_W+1))'($countones(data_q));
      stat_count <= stat_count + COUNT_W'(ones);
      if (rst) begin
        data_q     <= '0;
        ones       <= '0;
        stat_count <= '0;
      end
    end
  end else begin : g_stalls
    always_ff @(posedge clk) begin
      if (probe_valid && !probe_ready) stat_count <= stat_count + 1'b1;
      if (rst) stat_count <= '0;
    end
    logic unused;
    assign unused = ^probe_data;
  end
endmodule
`default_nettype wire
