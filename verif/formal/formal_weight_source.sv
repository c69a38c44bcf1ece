// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_weight_source: rows 0 .. DEPTH-1 leave in order, over and over, from row 0 on behind a reset; a row is offered
// within N cycles of a reset, and then in every cycle. The memory's content is any: a row is what the memory has there.
`default_nettype none
module formal_weight_source #(
  parameter int unsigned WIDTH = 2,
  parameter int unsigned DEPTH = 3,
  parameter int unsigned KIND  = 1,
  parameter logic [WIDTH-1:0] ROW = 2'b10
) (
  input wire logic clk,
  input wire logic rst,
  input wire logic m_tready
);
  localparam int unsigned N = KIND == 0 ? 1 : 2;
  logic             m_tvalid;
  logic [WIDTH-1:0] m_tdata;

  volley_weight_source #(.WIDTH(WIDTH), .DEPTH(DEPTH), .KIND(KIND), .ROW(ROW)) dut (
    .clk, .rst, .cfg_we(1'b0), .cfg_addr('0), .cfg_data('0),
    .m_weight_tvalid(m_tvalid), .m_weight_tready(m_tready), .m_weight_tdata(m_tdata)
  );

  formal_reset u_reset (.clk, .rst);
  formal_hold #(.W(WIDTH)) u_m (.clk, .rst, .tvalid(m_tvalid), .tready(m_tready), .payload(m_tdata));

  logic [1:0] since;                           // cycles since a reset, at most N
  always_ff @(posedge clk) begin
    if (since != N) since <= since + 1'b1;
    if (rst) since <= '0;
  end

  always_comb if (!rst) begin
    within_n: assert (m_tvalid == (since == N));
    stalled: cover (m_tvalid && !m_tready);
  end

  if (KIND == 0) begin : g_const
    always_comb if (!rst) the_row: assert (m_tdata == ROW);
  end else begin : g_memory
    logic [7:0] row;                           // that leaves next
    logic [7:0] next, after;                   // behind it
    assign next  = row == DEPTH - 1 ? 8'd0 : row + 1'b1;
    assign after = next == DEPTH - 1 ? 8'd0 : next + 1'b1;
    always_ff @(posedge clk) begin
      if (m_tvalid && m_tready) row <= next;
      if (rst) row <= '0;
    end
    always_comb if (!rst) begin
      in_order: assert (!m_tvalid || m_tdata == dut.g_memory.g_rom.u_rom.g_distributed.mem[row]);
      start_over: cover (m_tvalid && row == 0 && dut.g_memory.addr == 2);
      // What makes it inductive: which row waits where.
      in_range: assert (row < DEPTH && since <= N);
      first: assert (dut.g_memory.valid_1 == (since != 0));
      read: assert (!dut.g_memory.valid_1
                    || dut.g_memory.row_1 == dut.g_memory.g_rom.u_rom.g_distributed.mem[m_tvalid ? next : row]);
      address: assert (dut.g_memory.addr == (since == 0 ? 0 : m_tvalid ? after : next));
    end
  end
endmodule
`default_nettype wire
