// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Loader of one writable memory: collects rows from a bus that all loaders share, and writes them.
//   load_select: load_data is the number of the memory that what follows is for; it starts at row 0
//   load_valid:  load_data is the next word of a row, ceil(WIDTH/32) words each, lowest bits first
// Behind the last row, and for another memory, words are ignored until it is selected anew. No reset: like the
// memory's content, the place of a load outlives one. A row is written in the cycle behind its last word.
// Throughput: 1 word/cycle.
// Model: verif/models/weight_load.py.
`default_nettype none
module volley_memory_loader #(
  parameter int unsigned WIDTH = 16,           // bits of a row
  parameter int unsigned DEPTH = 4,            // rows
  parameter logic [31:0] INDEX = 0,            // number of the memory
  localparam int unsigned ADDR_W = DEPTH > 1 ? $clog2(DEPTH) : 1
) (
  input  wire logic              clk,
  input  wire logic              load_select,
  input  wire logic              load_valid,   // not together with load_select
  input  wire logic [31:0]       load_data,
  output logic                   cfg_we = 1'b0,
  output logic [ADDR_W-1:0]      cfg_addr = '0, // row
  output logic [WIDTH-1:0]       cfg_data
);
  if (WIDTH < 1 || DEPTH < 1) begin : g_rule_width
    $fatal(1, "volley_memory_loader: WIDTH and DEPTH must be at least 1 (%m)");
  end

  localparam int unsigned WORDS = (WIDTH + 31) / 32;

  logic active = 1'b0;                         // selected, and not at its end
  logic take, ended;                           // ended: the last row is being written

  assign ended = cfg_we && cfg_addr == ADDR_W'(DEPTH - 1);
  assign take  = load_valid && active && !ended;

  if (WORDS == 1) begin : g_word
    always_ff @(posedge clk) begin
      cfg_we <= take;
      cfg_data <= load_data[WIDTH-1:0];
    end
  end else begin : g_words
    logic [WORDS*32-1:0]        row;           // the newest word on top
    logic [$clog2(WORDS)-1:0]   place;
    logic                       last;

    assign last     = place == ($clog2(WORDS))'(WORDS - 1);
    assign cfg_data = row[WIDTH-1:0];
    always_ff @(posedge clk) begin
      cfg_we <= take && last;
      if (take) begin
        row   <= {load_data, row[WORDS*32-1:32]};
        place <= last ? '0 : place + 1'b1;
      end
      if (load_select) place <= '0;
    end
  end

  always_ff @(posedge clk) begin
    if (cfg_we && !ended) cfg_addr <= cfg_addr + 1'b1;
    if (ended) active <= 1'b0;
    if (load_select) begin
      active   <= load_data == INDEX;
      cfg_addr <= '0;
    end
  end
endmodule
`default_nettype wire
