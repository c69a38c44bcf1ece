// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Bench of a whole accelerator in four states, for a simulator that knows X: frames in, words out, registers read.
//   +words=FILE +count=N  words of all frames, a tlast every +frame=N    +answer=N  words of an answer    +answers=N
//   +reads=FILE +registers=N  addresses, read before, during and after the frames
//   +written=ADDRESS  gets a word as often    +seed=N +stall=%  of all stalls    +limit=N  cycles until it gives up
// Prints `word DATA LAST KEEP`, `read ADDRESS DATA RESP`, `unknown BIT TIME` (a bit of `handshakes`) and, at the end, `done CYCLES`.
// Payload is X wherever its valid is low: nothing may look at it.
`default_nettype none
`timescale 1ns / 1ns
module four_states;
  localparam WORDS = 1 << 20, READS = 1 << 8;

  reg clk = 1'b0;
  always #5 clk = !clk;

  reg         aresetn = 1'b1;
  reg         in_valid = 1'b0, in_last = 1'bx;
  reg  [31:0] in_data = 32'bx;
  reg  [3:0]  in_keep = 4'bx;
  wire        in_ready;
  wire        out_valid, out_last;
  reg         out_ready = 1'b0;
  wire [31:0] out_data;
  wire [3:0]  out_keep;
  reg  [11:0] aw_addr = 12'bx, ar_addr = 12'bx;
  reg         aw_valid = 1'b0, w_valid = 1'b0, b_ready = 1'b0, ar_valid = 1'b0, r_ready = 1'b0;
  reg  [31:0] w_data = 32'bx;
  reg  [3:0]  w_strb = 4'bx;
  wire        aw_ready, w_ready, b_valid, ar_ready, r_valid;
  wire [1:0]  b_resp, r_resp;
  wire [31:0] r_data;

  accelerator dut (
    .clk(clk), .aresetn(aresetn),
    .s_axis_tvalid(in_valid), .s_axis_tready(in_ready), .s_axis_tdata(in_data), .s_axis_tkeep(in_keep),
    .s_axis_tlast(in_last),
    .m_axis_tvalid(out_valid), .m_axis_tready(out_ready), .m_axis_tdata(out_data), .m_axis_tkeep(out_keep),
    .m_axis_tlast(out_last),
    .s_axi_ctrl_awaddr(aw_addr), .s_axi_ctrl_awprot(3'b0), .s_axi_ctrl_awvalid(aw_valid),
    .s_axi_ctrl_awready(aw_ready), .s_axi_ctrl_wdata(w_data), .s_axi_ctrl_wstrb(w_strb),
    .s_axi_ctrl_wvalid(w_valid), .s_axi_ctrl_wready(w_ready), .s_axi_ctrl_bresp(b_resp),
    .s_axi_ctrl_bvalid(b_valid), .s_axi_ctrl_bready(b_ready), .s_axi_ctrl_araddr(ar_addr),
    .s_axi_ctrl_arprot(3'b0), .s_axi_ctrl_arvalid(ar_valid), .s_axi_ctrl_arready(ar_ready),
    .s_axi_ctrl_rdata(r_data), .s_axi_ctrl_rresp(r_resp), .s_axi_ctrl_rvalid(r_valid),
    .s_axi_ctrl_rready(r_ready)
  );

`include "handshakes.vh"  // HANDSHAKES, and wire [HANDSHAKES-1:0] handshakes: every one in the design

  reg [31:0] words [0:WORDS-1];
  reg [11:0] reads [0:READS-1];
  reg [8*512-1:0] words_file, reads_file;
  integer count, frame, answer, answers, registers, stall, limit, seed;
  integer cycle = 0, sent = 0, got = 0, n, found;
  integer asked = 0, read = 0, addressed = 0, told = 0, acknowledged = 0;  // of this round
  reg [11:0] written;
  reg last_round = 1'b0, finished = 1'b0;
  reg known = 1'b0;                              // from the cycle behind the reset on: the pins
  reg settled = 1'b0;                            // and one cycle later all within: aresetn goes through a register

  initial begin
    found = $value$plusargs("words=%s", words_file) && $value$plusargs("reads=%s", reads_file)
      && $value$plusargs("count=%d", count) && $value$plusargs("frame=%d", frame)
      && $value$plusargs("answer=%d", answer) && $value$plusargs("answers=%d", answers)
      && $value$plusargs("registers=%d", registers) && $value$plusargs("seed=%d", seed)
      && $value$plusargs("stall=%d", stall)
      && $value$plusargs("limit=%d", limit) && $value$plusargs("written=%h", written);
    if (!found) begin
      $display("a plusarg is missing");
      $finish;
    end
    $readmemh(words_file, words, 0, count - 1);
    $readmemh(reads_file, reads, 0, registers - 1);
  end

  function stalled(input integer percent);
    stalled = $unsigned($random(seed)) % 100 < percent;
  endfunction

  always @(posedge clk) begin
    cycle   <= cycle + 1;
    aresetn <= cycle != 3;                       // one cycle, after some in which everything is X
    known   <= known || !aresetn;
    settled <= known;
  end

  // ------------------------------------------------------------------ checks
  always @(posedge clk) if (known) begin
    if (^handshakes[PINS-1:0] === 1'bx || (settled && ^handshakes === 1'bx)) begin
      for (n = 0; n < (settled ? HANDSHAKES : PINS); n = n + 1) if (handshakes[n] === 1'bx) $display("unknown %0d %0t", n, $time);
      $finish;
    end
    if (cycle > limit) begin
      $display("limit %0d", cycle);
      $finish;
    end
    if (finished) begin
      $display("done %0d", cycle);
      $finish;
    end
  end

  // ------------------------------------------------------------------ frames
  always @(posedge clk) if (known) begin
    if (!in_valid || in_ready) begin
      in_valid <= 1'b0;
      in_data  <= 32'bx;
      in_keep  <= 4'bx;
      in_last  <= 1'bx;
      if (sent < count && !stalled(stall)) begin
        in_valid <= 1'b1;
        in_data  <= words[sent];
        in_keep  <= 4'hf;
        in_last  <= (sent + 1) % frame == 0;
        sent     <= sent + 1;
      end
    end
    out_ready <= !stalled(stall);
    if (out_valid && out_ready) begin
      $display("word %h %b %b", out_data, out_last, out_keep);
      got <= got + 1;
    end
  end

  // ------------------------------------------------------------------ registers
  // In rounds, the last one behind all answers: every register is read, `+written` gets a word.
  always @(posedge clk) if (known) begin
    if (!ar_valid || ar_ready) begin
      ar_valid <= 1'b0;
      ar_addr  <= 12'bx;
      if (asked < registers && !stalled(stall)) begin
        ar_valid <= 1'b1;
        ar_addr  <= reads[asked];
        asked    <= asked + 1;
      end
    end
    if (!aw_valid || aw_ready) begin
      aw_valid <= 1'b0;
      aw_addr  <= 12'bx;
      if (addressed == 0 && !stalled(stall)) begin
        aw_valid  <= 1'b1;
        aw_addr   <= written;
        addressed <= 1;
      end
    end
    if (!w_valid || w_ready) begin
      w_valid <= 1'b0;
      w_data  <= 32'bx;
      w_strb  <= 4'bx;
      if (told == 0 && !stalled(stall)) begin
        w_valid <= 1'b1;
        w_data  <= 32'd0;
        w_strb  <= 4'hf;
        told    <= 1;
      end
    end
    r_ready <= !stalled(stall);
    b_ready <= !stalled(stall);
    if (r_valid && r_ready) begin
      $display("read %h %h %b", reads[read], r_data, r_resp);
      read <= read + 1;
    end
    if (b_valid && b_ready) begin
      $display("written %b", b_resp);
      acknowledged <= 1;
    end
    if (read == registers && acknowledged == 1) begin
      asked        <= 0;
      read         <= 0;
      addressed    <= 0;
      told         <= 0;
      acknowledged <= 0;
      last_round   <= got == answers * answer;
      finished     <= last_round;
    end
  end
endmodule
`default_nettype wire
