// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Constants of the echo network (volley_net.sv beside it). -D overrides the geometry.
`ifndef NET_BYTES
  `define NET_BYTES 16
  `define NET_CHANNELS 1
  `define NET_PIX 1
  `define NET_CLASSES 4
  `define NET_LANES 1
`endif
`ifndef NET_GAPS
  `define NET_GAPS 0
`endif
package volley_net_pkg;
  localparam int unsigned FRAME_BYTES      = `NET_BYTES;
  localparam int unsigned IN_CHANNELS      = `NET_CHANNELS;
  localparam int unsigned IN_PIX           = `NET_PIX;
  localparam int unsigned CLASSES          = `NET_CLASSES;
  localparam int unsigned OUT_LANES        = `NET_LANES;
  localparam int unsigned FRAMES_IN_FLIGHT = 4;
  localparam int unsigned COUNTERS         = 2;
  localparam int unsigned MEMORIES         = 2;
  localparam int unsigned PROBES           = 3;
  localparam logic [15:0] WEIGHT_CHECKSUM  = 16'hc0de;
  localparam logic [31:0] STRUCTURE_HASH   = 32'ha9b3_b3a6;
  localparam bit GAPS                      = `NET_GAPS;  // a cycle of nothing behind every beat of logits
endpackage
