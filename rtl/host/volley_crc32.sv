// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// One byte of a CRC-32 (IEEE 802.3, bit-reversed polynomial 0xEDB88320): crc_next = crc advanced by `data`.
// Starts from all ones; the checksum that is sent is the complement. Over a message and its checksum the
// register ends at 0xDEBB20E3. Latency 0, no clock. Model: verif/models/packet.py.
`default_nettype none
module volley_crc32 (
  input  wire logic [31:0] crc,
  input  wire logic [7:0]  data,
  output logic [31:0]      crc_next
);
  always_comb begin
    crc_next = crc ^ {24'd0, data};
    for (int unsigned b = 0; b < 8; b++)
      crc_next = {1'b0, crc_next[31:1]} ^ (crc_next[0] ? 32'hEDB88320 : 32'd0);
  end
endmodule
`default_nettype wire
