// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// A network small enough to see through, for benches of the tops; verif/echo_network.py writes echo_pkg. Class k is the
// sum of the pixels, first channel, of all positions k, k + CLASSES, k + 2*CLASSES ... A pixel that is lost, doubled or
// belongs to another frame shows. It "saturates" at pixels of 200 and more and, counted apart as a second layer would, at
// pixels of 100 and less. Probe 0 counts beats of pixels. Memory 1, a row of 40 bits, is added to every logit.
`default_nettype none
module echo_net import echo_pkg::*; (
  input  wire logic                            clk,
  input  wire logic                            rst,
  input  wire logic                            load_select,
  input  wire logic                            load_valid,
  input  wire logic [31:0]                     load_data,
  input  wire logic                            s_pixel_tvalid,
  output logic                                 s_pixel_tready,
  input  wire logic [IN_PIX*IN_CHANNELS*8-1:0] s_pixel_tdata,
  input  wire logic                            s_pixel_tlast,
  output logic                                 m_logit_tvalid,
  input  wire logic                            m_logit_tready,
  output logic [OUT_LANES*32-1:0]              m_logit_tdata,
  output logic                                 m_logit_tlast,
  output logic [COUNTERS*32-1:0]               stat_saturated,
  output logic [PROBES*32-1:0]                 stat_probes,
  output logic [15:0]                          weight_checksum
);
  localparam int unsigned BEATS = (CLASSES + OUT_LANES - 1) / OUT_LANES;
  logic [31:0] sum [BEATS*OUT_LANES];
  logic        sending, gap;
  int unsigned position, beat;
  logic [7:0]  pixel;
  logic [31:0] high, low, pixels;

  assign stat_probes = {32'hfedcba98, 32'h01234567, pixels};


  // ------------------------------------------------------------------ memory and checksum
  logic        selected = 1'b0, second = 1'b0; // memory 1; its second word comes
  logic [31:0] crc = {16'hffff, ~WEIGHT_CHECKSUM};
  logic [31:0] offset = '0, crc_next;          // offset: bits 39:8 of the row
  logic [23:0] first;

  always_comb begin
    crc_next = crc ^ load_data;
    for (int unsigned b = 0; b < 32; b++) crc_next = crc_next >> 1 ^ (crc_next[0] ? 32'hEDB88320 : 32'd0);
  end
  assign weight_checksum = ~crc[15:0];

  always_ff @(posedge clk) begin
    if (load_select || load_valid) crc <= load_select && &load_data ? '1 : crc_next;
    if (load_select) {selected, second} <= {load_data == 32'd1, 1'b0};
    else if (load_valid && selected) begin
      {selected, second} <= {!second, 1'b1};
      first <= load_data[31:8];
      if (second) offset <= {load_data[7:0], first};
    end
  end

  // ------------------------------------------------------------------ sums

  assign s_pixel_tready = !sending;
  assign m_logit_tvalid = sending && !gap;
  assign m_logit_tlast  = beat == BEATS - 1;
  always_comb
    for (int unsigned l = 0; l < OUT_LANES; l++)
      m_logit_tdata[l*32 +: 32] = beat*OUT_LANES + l < CLASSES ? sum[beat*OUT_LANES + l] + offset : '0;

  logic [31:0] added [BEATS*OUT_LANES];
  always_comb begin
    added = sum;
    {high, low} = '0;
    for (int unsigned p = 0; p < IN_PIX; p++) begin
      pixel = s_pixel_tdata[p*IN_CHANNELS*8 +: 8];
      added[(position + p) % CLASSES] += 32'(pixel);
      high  = high + 32'(pixel >= 8'd200);
      low   = low + 32'(pixel <= 8'd100);
    end
  end

  always_ff @(posedge clk) begin
    if (s_pixel_tvalid && s_pixel_tready) begin
      for (int unsigned k = 0; k < BEATS*OUT_LANES; k++) sum[k] <= added[k];
      position <= (position + IN_PIX) % CLASSES;
      sending  <= s_pixel_tlast;
      stat_saturated[0  +: 32] <= stat_saturated[0  +: 32] + high;
      stat_saturated[32 +: 32] <= stat_saturated[32 +: 32] + low;
    end
    if (s_pixel_tvalid && s_pixel_tready) pixels <= pixels + 1'b1;
    if (rst) begin
      stat_saturated <= '0;
      pixels <= '0;
    end
    gap <= GAPS && m_logit_tvalid && m_logit_tready && !rst;
    if (m_logit_tvalid && m_logit_tready) beat <= beat + 1;
    if (rst || (m_logit_tvalid && m_logit_tready && m_logit_tlast)) begin
      for (int unsigned k = 0; k < BEATS*OUT_LANES; k++) sum[k] <= '0;
      sending  <= 1'b0;
      position <= 0;
      beat     <= 0;
    end
  end
endmodule
`default_nettype wire
