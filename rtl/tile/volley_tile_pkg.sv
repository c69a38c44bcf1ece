// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// What tiles and the network between them share: the flit, what is loaded into a tile, the marks of a step.
`default_nettype none
package volley_tile_pkg;
  localparam int unsigned NODES     = 16;      // of a network, the host port among them
  localparam int unsigned SOURCES   = 128;     // clusters and ends of the host, by number
  localparam int unsigned CONTEXTS  = 8;       // clusters that a tile works on in turn
  localparam int unsigned CONTEXT_W = 3;
  localparam int unsigned SOURCE_W  = 7;
  localparam int unsigned NEURON_W  = 12;
  localparam int unsigned COUNT_W   = 5;       // of tokens and credits that a step waits for
  localparam int unsigned LOAD_W    = 14;      // bits of a load address

  // Kinds of flits.
  localparam logic [1:0] SPIKE  = 2'd0;
  localparam logic [1:0] ENDS   = 2'd1;        // END of a token
  localparam logic [1:0] CREDIT = 2'd2;

  typedef struct packed {
    logic [NODES-1:0]    nodes;                // that it still has to reach
    logic [1:0]          kind;
    logic                last;                 // of a frame's last step
    logic [1:0]          step;                 // of its source, modulo 4
    logic [SOURCE_W-1:0] source;
    logic [NEURON_W-1:0] neuron;               // number on its tile
  } flit_t;

  localparam int unsigned FLIT_W = $bits(flit_t);

  // The step that a row of events or of neurons belongs to.
  typedef struct packed {
    logic [CONTEXT_W-1:0] context_number;
    logic [1:0]           step;                // modulo 4
    logic                 first, last;         // step of a frame
    logic                 begins;              // fold 0
  } mark_t;

  // Load addresses: two bits of memory, then the word.
  localparam logic [1:0] TO_WEIGHTS = 2'd0;    // {row, half}: eight weights
  localparam logic [1:0] TO_PLACES  = 2'd1;    // {read, place} of a source's neuron
  localparam logic [1:0] TO_NEURONS = 2'd2;    // {read late or now, read now, theta, b} of a neuron
  localparam logic [1:0] TO_TABLES  = 2'd3;    // bit 11: 0 sources {credit, source}, 1 contexts {context, word}
endpackage
`default_nettype wire
