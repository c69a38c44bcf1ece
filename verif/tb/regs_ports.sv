// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// The 64-bit counters of volley_regs as plain ports, for a bench: a whole accelerator would count for a minute until a
// high word changes.
`default_nettype none
module regs_ports (
  input  wire logic        clk,
  input  wire logic        rst,
  input  wire logic        req,
  input  wire logic [11:0] addr,
  output logic [31:0]      rdata,
  input  wire logic [63:0] cycles,
  input  wire logic [63:0] in_stall,
  input  wire logic [63:0] out_stall
);
  volley_regs_pkg::volley_regs__in_t regs_in;
  assign regs_in.CYCLES.count.next    = cycles;
  assign regs_in.IN_STALL.count.next  = in_stall;
  assign regs_in.OUT_STALL.count.next = out_stall;

  volley_regs u_regs (
    .clk, .rst,
    .s_cpuif_req(req), .s_cpuif_req_is_wr(1'b0), .s_cpuif_addr(addr), .s_cpuif_wr_data('0), .s_cpuif_wr_biten('0),
    .s_cpuif_req_stall_wr(), .s_cpuif_req_stall_rd(),
    .s_cpuif_rd_ack(), .s_cpuif_rd_err(), .s_cpuif_rd_data(rdata), .s_cpuif_wr_ack(), .s_cpuif_wr_err(),
    .hwif_in(regs_in), .hwif_out()
  );
endmodule
`default_nettype wire
