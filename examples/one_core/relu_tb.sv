// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Sends every x from -200 to 1,799 through `relu` and compares with a division; the sink stalls now and then.
`default_nettype none
module relu_tb;
  localparam int FIRST = -200, LAST = 1799, THETA = 100;

  logic        clk = 1'b0, rst = 1'b1;
  logic        s_tready, m_tvalid, m_tready, m_tlast;
  logic [3:0]  m_tdata;
  int          x = FIRST, seen = FIRST, wrong = 0;

  always #5 clk = !clk;

  relu #(.THETA(THETA)) u_dut (
    .clk, .rst,
    .s_axis_tvalid(!rst && x <= LAST), .s_axis_tready(s_tready), .s_axis_tdata(16'(x)), .s_axis_tlast(x == LAST),
    .m_axis_tvalid(m_tvalid), .m_axis_tready(m_tready), .m_axis_tdata(m_tdata), .m_axis_tlast(m_tlast)
  );

  function automatic logic [3:0] expected(int value);
    int code = value < -THETA / 2 ? 0 : (value + THETA / 2) / THETA;
    return code > 15 ? 4'd15 : 4'(code);
  endfunction

  always_ff @(posedge clk) begin
    rst      <= 1'b0;
    m_tready <= x % 7 != 3 || !m_tready;
    if (!rst && s_tready && x <= LAST) x <= x + 1;
    if (!rst && m_tvalid && m_tready) begin
      seen <= seen + 1;
      if (m_tdata != expected(seen) || m_tlast != (seen == LAST)) begin
        wrong <= wrong + 1;
        $display("x = %0d: code %0d, expected %0d", seen, m_tdata, expected(seen));
      end
      if (m_tlast) begin
        $display("%0d codes compared, %0d wrong", seen - FIRST + 1, wrong);
        $finish;
      end
    end
  end

  initial begin
    #100_000 $fatal(1, "relu_tb: no end");
  end
endmodule
`default_nettype wire
