// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Checksum of what was loaded: the low half of the CRC-32 of every word on the load bus, numbers of memories included,
// each low byte first, since the last select of 0xFFFFFFFF, which itself is not summed. INITIAL before there was one;
// what is loaded without one is summed on top, so that no load goes unseen. No reset, as memories have none.
// Latency 1, 1 word/cycle. Model: verif/models/weight_load.py.
`default_nettype none
module volley_load_checksum #(
  parameter logic [15:0] INITIAL = '0          // of the images that the memories start with
) (
  input  wire logic        clk,
  input  wire logic        load_select,
  input  wire logic        load_valid,
  input  wire logic [31:0] load_data,
  output logic [15:0]      weight_checksum
);
  localparam logic [31:0] BEGIN = '1;          // number of no memory

  logic [31:0] crc = {16'hffff, ~INITIAL};
  logic [31:0] crc_1, crc_2, crc_3, crc_4;     // behind each byte of a word

  assign weight_checksum = ~crc[15:0];

  volley_crc32 u_1 (.crc,        .data(load_data[7:0]),   .crc_next(crc_1));
  volley_crc32 u_2 (.crc(crc_1), .data(load_data[15:8]),  .crc_next(crc_2));
  volley_crc32 u_3 (.crc(crc_2), .data(load_data[23:16]), .crc_next(crc_3));
  volley_crc32 u_4 (.crc(crc_3), .data(load_data[31:24]), .crc_next(crc_4));

  always_ff @(posedge clk) begin
    if (load_select && load_data == BEGIN) crc <= '1;
    else if (load_select || load_valid) crc <= crc_4;
  end
endmodule
`default_nettype wire
