// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_axil_slave: a response holds until it is taken, belongs to a request, and is there 2 cycles (a write) or 3 (a
// read) after a request that no response of its own kind holds back; behind a reset nothing is offered or taken.
`default_nettype none
module formal_axil_slave #(
  parameter int unsigned ADDR_W = 4
) (
  input wire logic              clk,
  input wire logic              rst,
  input wire logic              awvalid,
  input wire logic [ADDR_W-1:0] awaddr,
  input wire logic              wvalid,
  input wire logic [31:0]       wdata,
  input wire logic [3:0]        wstrb,
  input wire logic              bready,
  input wire logic              arvalid,
  input wire logic [ADDR_W-1:0] araddr,
  input wire logic              rready,
  input wire logic [31:0]       req_rdata
);
  logic              awready, wready, bvalid, arready, rvalid, req_valid, req_write;
  logic [1:0]        bresp, rresp;
  logic [31:0]       rdata, req_wdata, req_biten;
  logic [ADDR_W-1:0] req_addr;

  volley_axil_slave #(.ADDR_W(ADDR_W)) dut (
    .clk, .rst,
    .s_axil_awvalid(awvalid), .s_axil_awready(awready), .s_axil_awaddr(awaddr),
    .s_axil_wvalid(wvalid), .s_axil_wready(wready), .s_axil_wdata(wdata), .s_axil_wstrb(wstrb),
    .s_axil_bvalid(bvalid), .s_axil_bready(bready), .s_axil_bresp(bresp),
    .s_axil_arvalid(arvalid), .s_axil_arready(arready), .s_axil_araddr(araddr),
    .s_axil_rvalid(rvalid), .s_axil_rready(rready), .s_axil_rdata(rdata), .s_axil_rresp(rresp),
    .req_valid, .req_write, .req_addr, .req_wdata, .req_biten, .req_rdata
  );

  formal_reset u_reset (.clk, .rst);
  formal_hold #(.W(ADDR_W), .ASSUME(1'b1)) u_aw (.clk, .rst, .tvalid(awvalid), .tready(awready), .payload(awaddr));
  formal_hold #(.W(36), .ASSUME(1'b1)) u_w (.clk, .rst, .tvalid(wvalid), .tready(wready), .payload({wdata, wstrb}));
  formal_hold #(.W(ADDR_W), .ASSUME(1'b1)) u_ar (.clk, .rst, .tvalid(arvalid), .tready(arready), .payload(araddr));
  formal_hold #(.W(2)) u_b (.clk, .rst, .tvalid(bvalid), .tready(bready), .payload(bresp));
  formal_hold #(.W(34)) u_r (.clk, .rst, .tvalid(rvalid), .tready(rready), .payload({rdata, rresp}));

  logic        reset_q = 1'b0;                 // the clock edge before was in reset
  logic        owed_b, owed_r;                 // taken, without a response so far
  logic [31:0] word;                           // what the registers answered to the read that is owed
  logic [1:0]  wait_b, wait_r;                 // cycles of a request that is not taken for no reason of its own kind
  logic [2:0]  held_b, held_r;                 // requests of the other kind answered while a response waits

  always_ff @(posedge clk) begin
    reset_q <= rst;
    if (bvalid && bready) owed_b <= 1'b0;
    if (rvalid && rready) owed_r <= 1'b0;
    if (awvalid && awready) owed_b <= 1'b1;
    if (arvalid && arready) begin
      owed_r <= 1'b1;
      word   <= req_rdata;
    end
    wait_b <= awvalid && wvalid && !awready && !(bvalid && !bready) ? wait_b + 1'b1 : '0;
    wait_r <= arvalid && !arready && !(rvalid && !rready) ? wait_r + 1'b1 : '0;
    held_b <= !bvalid ? '0 : held_b + 3'(rvalid && rready);
    held_r <= !rvalid ? '0 : held_r + 3'(bvalid && bready);
    if (rst) begin
      owed_b <= 1'b0;
      owed_r <= 1'b0;
      wait_b <= '0;
      wait_r <= '0;
      held_b <= '0;
      held_r <= '0;
    end
  end

  always_comb begin
    if (reset_q) quiet: assert (!awready && !wready && !arready && !bvalid && !rvalid);
    if (!rst && !reset_q) begin
      together: assert (awready == wready && (!awready || (awvalid && wvalid)) && (!arready || arvalid));
      one_at_a_time: assert (!(awready && arready));
      asked: assert (req_valid == (awready || arready) && (!req_valid || req_write == awready));
      at: assert (!req_valid || req_addr == {req_write ? awaddr[ADDR_W-1:2] : araddr[ADDR_W-1:2], 2'b00});
      bits: assert (!req_write || (req_wdata == wdata
                 && req_biten == {{8{wstrb[3]}}, {8{wstrb[2]}}, {8{wstrb[1]}}, {8{wstrb[0]}}}));
      // A response is there from the cycle behind its request on, and no other is.
      response_b: assert (bvalid == owed_b && bresp == '0);
      response_r: assert (rvalid == owed_r && (!rvalid || (rdata == word && rresp == '0)));
      none_before: assert (!(awready && bvalid) && !(arready && rvalid));
      in_time_b: assert (wait_b < 2);
      in_time_r: assert (wait_r < 3);
      reads_go_on: cover (held_b == 3);
      writes_go_on: cover (held_r == 3);
    end
  end
endmodule
`default_nettype wire
