// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_regs with plain ports in the place of its structures, for its bench: a whole accelerator would count for a
// minute until a high word changes.
`default_nettype none
module regs_ports (
  input  wire logic        clk,
  input  wire logic        rst,
  input  wire logic        req,
  input  wire logic        is_wr,
  input  wire logic [11:0] addr,
  input  wire logic [31:0] wdata,
  input  wire logic [31:0] biten,
  output logic [31:0]      rdata,
  output logic             rd_ack,
  output logic             wr_ack,
  output logic             stall,
  output logic             err,
  // From the hardware
  input  wire logic [31:0] structure,
  input  wire logic [15:0] weights,
  input  wire logic [2:0]  status,
  input  wire logic [2:0]  hwset,
  input  wire logic [31:0] memories,
  input  wire logic [31:0] probe_count,
  input  wire logic [31:0] probes,
  input  wire logic [31:0] frames,
  input  wire logic [31:0] saturated,
  input  wire logic [15:0] resets,
  input  wire logic [63:0] cycles,
  input  wire logic [63:0] in_stall,
  input  wire logic [63:0] out_stall,
  // To the hardware
  output logic             soft_reset,
  output logic             memory_written,
  output logic [31:0]      memory,
  output logic             load_written,
  output logic [31:0]      load,
  output logic [9:0]       probe
);
  volley_regs_pkg::volley_regs__in_t  regs_in;
  volley_regs_pkg::volley_regs__out_t regs_out;
  logic stall_wr, stall_rd, rd_err, wr_err;

  assign regs_in.STRUCTURE.hash.next       = structure;
  assign regs_in.WEIGHTS.checksum.next     = weights;
  assign regs_in.STATUS.resetting.next     = status[0];
  assign regs_in.STATUS.in_frame.next      = status[1];
  assign regs_in.STATUS.in_answer.next     = status[2];
  assign regs_in.ERRORS.short_frame.hwset  = hwset[0];
  assign regs_in.ERRORS.long_frame.hwset   = hwset[1];
  assign regs_in.ERRORS.bad_keep.hwset     = hwset[2];
  assign regs_in.MEMORIES.count.next       = memories;
  assign regs_in.PROBE_COUNT.count.next    = probe_count;
  assign regs_in.PROBES.count.next         = probes;
  assign regs_in.FRAMES.count.next         = frames;
  assign regs_in.SATURATED.count.next      = saturated;
  assign regs_in.RESETS.count.next         = resets;
  assign regs_in.CYCLES.count.next         = cycles;
  assign regs_in.IN_STALL.count.next       = in_stall;
  assign regs_in.OUT_STALL.count.next      = out_stall;
  assign soft_reset     = regs_out.CONTROL.soft_reset.value;
  assign memory_written = regs_out.MEMORY.index.swmod;
  assign memory         = regs_out.MEMORY.index.value;
  assign load_written   = regs_out.LOAD.word.swmod;
  assign load           = regs_out.LOAD.word.value;
  assign probe          = regs_out.PROBE.index.value;
  assign stall          = stall_wr || stall_rd;
  assign err            = rd_err || wr_err;

  volley_regs u_regs (
    .clk, .rst,
    .s_cpuif_req(req), .s_cpuif_req_is_wr(is_wr), .s_cpuif_addr(addr), .s_cpuif_wr_data(wdata),
    .s_cpuif_wr_biten(biten), .s_cpuif_req_stall_wr(stall_wr), .s_cpuif_req_stall_rd(stall_rd),
    .s_cpuif_rd_ack(rd_ack), .s_cpuif_rd_err(rd_err), .s_cpuif_rd_data(rdata),
    .s_cpuif_wr_ack(wr_ack), .s_cpuif_wr_err(wr_err),
    .hwif_in(regs_in), .hwif_out(regs_out)
  );
endmodule
`default_nettype wire
