// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// AXI4-Lite slave for registers: one request at a time to a block that answers in the same cycle, as volley_regs does.
// A response that is not taken holds back later requests of its own kind alone: reads never wait for a write's
// response, nor writes for a read's. A write is taken once its address and its data are both offered.
// No output depends combinationally on an input. Every response is OKAY.
// Latency: a response is offered 2 cycles after its request where the response before it has been taken; 3 where a
// request of the other kind is taken in between. Throughput: a request of each kind every 2 cycles.
// Model: verif/models/axil.py. Proof: verif/formal/formal_axil_slave.sv.
`default_nettype none
module volley_axil_slave #(
  parameter int unsigned ADDR_W = 12           // of an address [bit]
) (
  input  wire logic              clk,
  input  wire logic              rst,            // synchronous, active high
  // AXI4-Lite slave
  input  wire logic              s_axil_awvalid,
  output logic                   s_axil_awready,
  input  wire logic [ADDR_W-1:0] s_axil_awaddr,
  input  wire logic              s_axil_wvalid,
  output logic                   s_axil_wready,
  input  wire logic [31:0]       s_axil_wdata,
  input  wire logic [3:0]        s_axil_wstrb,
  output logic                   s_axil_bvalid,
  input  wire logic              s_axil_bready,
  output logic [1:0]             s_axil_bresp,
  input  wire logic              s_axil_arvalid,
  output logic                   s_axil_arready,
  input  wire logic [ADDR_W-1:0] s_axil_araddr,
  output logic                   s_axil_rvalid,
  input  wire logic              s_axil_rready,
  output logic [31:0]            s_axil_rdata,
  output logic [1:0]             s_axil_rresp,
  // Request to the registers
  output logic                   req_valid,      // one cycle per request
  output logic                   req_write,
  output logic [ADDR_W-1:0]      req_addr,       // of a word: bits 1:0 are 0
  output logic [31:0]            req_wdata,
  output logic [31:0]            req_biten,      // bits that are written
  input  wire logic [31:0]       req_rdata       // of the word at req_addr, in the same cycle
);
  if (ADDR_W < 3) begin : g_rule_addr_w
    $fatal(1, "volley_axil_slave: ADDR_W = %0d must be at least 3 (%m)", ADDR_W);
  end

  logic write_q, write_d;                      // a write is taken in this cycle, in the next
  logic read_q, read_d;

  assign s_axil_awready = write_q;
  assign s_axil_wready  = write_q;
  assign s_axil_arready = read_q;
  assign s_axil_bresp   = 2'b00;
  assign s_axil_rresp   = 2'b00;

  assign req_valid = write_q || read_q;
  assign req_write = write_q;
  assign req_addr  = {write_q ? s_axil_awaddr[ADDR_W-1:2] : s_axil_araddr[ADDR_W-1:2], 2'b00};
  assign req_wdata = s_axil_wdata;
  for (genvar b = 0; b < 4; b++) begin : g_biten
    assign req_biten[b*8 +: 8] = {8{s_axil_wstrb[b]}};
  end

  // A request is taken when its response has room. A write goes first; the next cycle cannot take another one, so that
  // a read waits for one write at most.
  assign write_d = s_axil_awvalid && s_axil_wvalid && !write_q && (!s_axil_bvalid || s_axil_bready);
  assign read_d  = s_axil_arvalid && !read_q && (!s_axil_rvalid || s_axil_rready) && !write_d;

  always_ff @(posedge clk) begin
    write_q <= write_d;
    read_q  <= read_d;
    if (s_axil_bready) s_axil_bvalid <= 1'b0;
    if (s_axil_rready) s_axil_rvalid <= 1'b0;
    if (write_q) s_axil_bvalid <= 1'b1;
    if (read_q) begin
      s_axil_rvalid <= 1'b1;
      s_axil_rdata  <= req_rdata;
    end
    if (rst) begin
      write_q       <= 1'b0;
      read_q        <= 1'b0;
      s_axil_bvalid <= 1'b0;
      s_axil_rvalid <= 1'b0;
    end
  end
endmodule
`default_nettype wire
