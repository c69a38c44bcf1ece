// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Result packer: the int32 logits of a frame up to tlast, then one trailer word, which carries tlast.
//   trailer = {cfg_checksum, flags[7:0], frame[7:0]}; flags as volley_frame_guard, frame counts from 0
// cfg_checksum may change at any time: a trailer has that of the cycle in which it is made.
// Latency 1, 1 word/cycle. Model: verif/models/frame.py.
`default_nettype none
module volley_frame_result (
  input  wire logic        clk,
  input  wire logic        rst,                // synchronous, active high
  input  wire logic [15:0] cfg_checksum,       // of the weights, see docs/formats.md
  // Sink: logits, one per beat
  input  wire logic        s_logit_tvalid,
  output logic             s_logit_tready,
  input  wire logic [31:0] s_logit_tdata,
  input  wire logic        s_logit_tlast,
  // Sink: one flag word per frame
  input  wire logic        s_flags_tvalid,
  output logic             s_flags_tready,
  input  wire logic [2:0]  s_flags_tdata,
  // Source: 32-bit stream
  output logic             m_axis_tvalid,
  input  wire logic        m_axis_tready,
  output logic [31:0]      m_axis_tdata,
  output logic [3:0]       m_axis_tkeep,
  output logic             m_axis_tlast
);
  logic       free, trailer;                   // trailer: the next word out
  logic [7:0] frame;

  assign free           = !m_axis_tvalid || m_axis_tready;
  assign s_logit_tready = free && !trailer;
  assign s_flags_tready = free && trailer;
  assign m_axis_tkeep   = 4'hf;

  always_ff @(posedge clk) begin
    if (free) begin
      m_axis_tvalid <= trailer ? s_flags_tvalid : s_logit_tvalid;
      m_axis_tdata  <= trailer ? {cfg_checksum, 5'd0, s_flags_tdata, frame} : s_logit_tdata;
      m_axis_tlast  <= trailer;
      if (s_logit_tvalid && !trailer && s_logit_tlast) trailer <= 1'b1;
      if (s_flags_tvalid && trailer) begin
        trailer <= 1'b0;
        frame   <= frame + 1'b1;
      end
    end
    if (rst) begin
      m_axis_tvalid <= 1'b0;
      trailer       <= 1'b0;
      frame         <= '0;
    end
  end
endmodule
`default_nettype wire
