// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// One of each memory and array for test_synthesis.py; every net is a port, so nothing is optimised away.
`default_nettype none
module probe #(
  parameter bit          LUTRAM = 1'b1,        // the family has LUTRAM
  parameter int unsigned ROW    = 16,
  parameter int unsigned DEPTH  = 64,
  parameter int unsigned PE     = 4,
  parameter int unsigned SIMD   = 8,
  parameter int unsigned W      = 4,
  localparam int unsigned ADDR_W = $clog2(DEPTH),
  localparam int unsigned ROW_W  = PE * SIMD * W,
  parameter logic [ROW_W-1:0] WEIGHTS = '0
) (
  input  wire logic              clk,
  input  wire logic              rst,
  input  wire logic              ready,
  input  wire logic              we,
  input  wire logic              re,
  input  wire logic [ADDR_W-1:0] waddr,
  input  wire logic [ADDR_W-1:0] addr,
  input  wire logic [ROW-1:0]    data,
  output logic [2:0]             source_v,     // weight sources: LUT ROM, block RAM, writable
  output logic [3*ROW-1:0]       source_d,
  output logic [4*ROW-1:0]       memory_d,     // ROM block, ROM LUT, RAM block, RAM LUT
  input  wire logic              spike_v,
  input  wire logic              spike_last,
  input  wire logic [SIMD*4-1:0] spike_d,
  input  wire logic [ROW_W-1:0]  weight_d,
  output logic [3:0]             array_s,      // tvalid, tlast, and the two tready of the free array
  output logic [3:0]             fixed_s,
  output logic [PE*16-1:0]       array_d,
  output logic [PE*16-1:0]       fixed_d
);
  localparam DISTRIBUTED = LUTRAM ? "distributed" : "block";

  volley_weight_source #(.WIDTH(ROW), .DEPTH(DEPTH), .KIND(1), .INIT_FILE("rows.mem")) u_source_lut (
    .clk, .rst, .cfg_we(1'b0), .cfg_addr('0), .cfg_data('0),
    .m_weight_tvalid(source_v[0]), .m_weight_tready(ready), .m_weight_tdata(source_d[0 +: ROW])
  );
  volley_weight_source #(.WIDTH(ROW), .DEPTH(DEPTH), .KIND(2), .INIT_FILE("rows.mem")) u_source_block (
    .clk, .rst, .cfg_we(1'b0), .cfg_addr('0), .cfg_data('0),
    .m_weight_tvalid(source_v[1]), .m_weight_tready(ready), .m_weight_tdata(source_d[ROW +: ROW])
  );
  volley_weight_source #(.WIDTH(ROW), .DEPTH(DEPTH), .KIND(3), .INIT_FILE("rows.mem")) u_source_writable (
    .clk, .rst, .cfg_we(we), .cfg_addr(waddr), .cfg_data(data),
    .m_weight_tvalid(source_v[2]), .m_weight_tready(ready), .m_weight_tdata(source_d[2*ROW +: ROW])
  );

  volley_rom #(.DATA_W(ROW), .DEPTH(DEPTH), .INIT_FILE("rows.mem"), .STYLE("block")) u_rom_block (
    .clk, .re, .raddr(addr), .rdata(memory_d[0 +: ROW])
  );
  volley_rom #(.DATA_W(ROW), .DEPTH(DEPTH), .INIT_FILE("rows.mem"), .STYLE("distributed")) u_rom_lut (
    .clk, .re, .raddr(addr), .rdata(memory_d[ROW +: ROW])
  );
  volley_ram #(.DATA_W(ROW), .DEPTH(DEPTH), .STYLE("block")) u_ram_block (
    .clk, .we, .waddr, .wdata(data), .re, .raddr(addr), .rdata(memory_d[2*ROW +: ROW])
  );
  volley_ram #(.DATA_W(ROW), .DEPTH(DEPTH), .STYLE(DISTRIBUTED)) u_ram_lut (
    .clk, .we, .waddr, .wdata(data), .re, .raddr(addr), .rdata(memory_d[3*ROW +: ROW])
  );

  volley_synapse_array #(.PE(PE), .SIMD(SIMD), .T(4), .WEIGHT_W(W), .ACC_W(16)) u_array (
    .clk, .rst, .s_spike_tvalid(spike_v), .s_spike_tready(array_s[0]), .s_spike_tdata(spike_d), .s_spike_tlast(spike_last),
    .s_weight_tvalid(re), .s_weight_tready(array_s[1]), .s_weight_tdata(weight_d),
    .m_acc_tvalid(array_s[2]), .m_acc_tready(ready), .m_acc_tdata(array_d), .m_acc_tlast(array_s[3])
  );

  logic [ROW_W-1:0] fixed_w;
  logic             fixed_wv;
  volley_weight_source #(.WIDTH(ROW_W), .DEPTH(1), .KIND(0), .ROW(WEIGHTS)) u_fixed_source (
    .clk, .rst, .cfg_we(1'b0), .cfg_addr('0), .cfg_data('0),
    .m_weight_tvalid(fixed_wv), .m_weight_tready(fixed_s[1]), .m_weight_tdata(fixed_w)
  );
  volley_synapse_array #(.PE(PE), .SIMD(SIMD), .T(4), .WEIGHT_W(W), .ACC_W(16)) u_fixed_array (
    .clk, .rst, .s_spike_tvalid(spike_v), .s_spike_tready(fixed_s[0]), .s_spike_tdata(spike_d), .s_spike_tlast(spike_last),
    .s_weight_tvalid(fixed_wv), .s_weight_tready(fixed_s[1]), .s_weight_tdata(fixed_w),
    .m_acc_tvalid(fixed_s[2]), .m_acc_tready(ready), .m_acc_tdata(fixed_d), .m_acc_tlast(fixed_s[3])
  );
endmodule
`default_nettype wire
