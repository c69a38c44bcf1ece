// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Accelerator behind a serial line: volley_axi_top, its streams and registers driven by packets of a host
// (docs/formats.md). For boards without a processor; a board's own top adds clock, reset and pins. The network hangs on
// ports of its own, as it does at volley_top; pyflow.emit writes it and, around both, <name>_uart_top.
`default_nettype none
module volley_uart_top #(
  parameter int unsigned FRAME_BYTES      = 16,  // of a frame
  parameter int unsigned BEAT_BYTES       = 1,   // of a beat of pixels
  parameter int unsigned CLASSES          = 4,   // logits of an answer
  parameter int unsigned OUT_LANES        = 1,   // logits of a beat
  parameter int unsigned FRAMES_IN_FLIGHT = 4,   // that the network may hold at once
  parameter int unsigned COUNTERS         = 1,   // LIF layers that count, each with a word of net_saturated
  parameter int unsigned PROBES           = 0,   // words of net_probes
  parameter int unsigned MEMORIES         = 0,   // writable ones of the network
  parameter logic [31:0] STRUCTURE_HASH   = 32'd0,  // of all that cannot be loaded
  parameter int unsigned CLK_HZ           = 12_000_000,  // of clk [Hz]
  parameter int unsigned BAUD             = 1_000_000    // of the line [bit/s], 8N1
) (
  input  wire logic       clk,
  input  wire logic       aresetn,             // active low, synchronous to clk
  input  wire logic       uart_rx,             // asynchronous; from the host
  output logic            uart_tx,             // to the host
  output logic [3:0]      stat_led,            // {error, busy, toggles with each answered frame, ready}
  // Network: pixels to it, its logits, its load bus, what it counts
  output logic             net_rst,
  output logic             net_load_select,
  output logic             net_load_valid,
  output logic [31:0]      net_load_data,
  output logic             m_pixel_tvalid,
  input  wire logic        m_pixel_tready,
  output logic [BEAT_BYTES*8-1:0] m_pixel_tdata,
  output logic             m_pixel_tlast,
  input  wire logic        s_logit_tvalid,
  output logic             s_logit_tready,
  input  wire logic [OUT_LANES*32-1:0] s_logit_tdata,
  input  wire logic        s_logit_tlast,
  input  wire logic [COUNTERS*32-1:0] net_saturated,  // neurons x steps clipped
  input  wire logic [(PROBES > 0 ? PROBES : 1)*32-1:0] net_probes,
  input  wire logic [15:0] net_checksum        // of its weights
);
  localparam int unsigned DIVISOR = BAUD == 0 ? 0 : (CLK_HZ + BAUD / 2) / BAUD;
  localparam int unsigned OFF     = DIVISOR * BAUD > CLK_HZ ? DIVISOR * BAUD - CLK_HZ : CLK_HZ - DIVISOR * BAUD;
  if (DIVISOR < 4) begin : g_rule_divisor
    $fatal(1, "volley_uart_top: BAUD = %0d is above a quarter of CLK_HZ = %0d (%m)", BAUD, CLK_HZ);
  end
  if (OFF > CLK_HZ / 50) begin : g_rule_off
    $fatal(1, "volley_uart_top: CLK_HZ = %0d is not within 1/50 of a multiple of BAUD = %0d (%m)", CLK_HZ, BAUD);
  end

  logic rst = 1'b1;                            // in reset from power-up on
  always_ff @(posedge clk) rst <= !aresetn;

  logic        rx_valid, bad, broken, busy;
  logic        abort;                          // the host wants the network reset
  logic [7:0]  rx_data;
  logic        request_tvalid, request_tready, request_tlast, request_reset;
  logic [7:0]  request_tdata;
  logic        response_tvalid, response_tready, response_tlast;
  logic [7:0]  response_tdata;
  logic        answer_tvalid, answer_tready, answer_tlast;
  logic [7:0]  answer_tdata;
  logic        byte_tvalid, byte_tready;
  logic [7:0]  byte_tdata;
  logic        frame_tvalid, frame_tready, frame_tlast;
  logic [31:0] frame_tdata;
  logic [3:0]  frame_tkeep;
  logic        result_tvalid, result_tready, result_tlast;
  logic [31:0] result_tdata;
  logic        awvalid, awready, wvalid, wready, bvalid, bready, arvalid, arready, rvalid, rready;
  logic [11:0] awaddr, araddr;
  logic [31:0] wdata, rdata;
  logic [1:0]  bresp, rresp;

  volley_uart_rx #(.DIVISOR(DIVISOR)) u_rx (.clk, .rst, .uart_rx, .rx_valid, .rx_data);

  volley_packet_rx u_packet_rx (
    .clk, .rst, .rx_valid, .rx_data,
    .m_packet_tvalid(request_tvalid), .m_packet_tready(request_tready), .m_packet_tdata(request_tdata),
    .m_packet_tlast(request_tlast), .rx_reset(request_reset), .stat_waiting(), .stat_bad(bad)
  );

  volley_host_command u_command (
    .clk, .rst,
    .s_packet_tvalid(request_tvalid), .s_packet_tready(request_tready), .s_packet_tdata(request_tdata),
    .s_packet_tlast(request_tlast), .rx_reset(request_reset),
    .s_result_tvalid(result_tvalid), .s_result_tready(result_tready), .s_result_tdata(result_tdata),
    .s_result_tlast(result_tlast),
    .m_packet_tvalid(response_tvalid), .m_packet_tready(response_tready), .m_packet_tdata(response_tdata),
    .m_packet_tlast(response_tlast),
    .m_frame_tvalid(frame_tvalid), .m_frame_tready(frame_tready), .m_frame_tdata(frame_tdata),
    .m_frame_tkeep(frame_tkeep), .m_frame_tlast(frame_tlast),
    .m_axi_ctrl_awvalid(awvalid), .m_axi_ctrl_awready(awready), .m_axi_ctrl_awaddr(awaddr),
    .m_axi_ctrl_wvalid(wvalid), .m_axi_ctrl_wready(wready), .m_axi_ctrl_wdata(wdata),
    .m_axi_ctrl_bvalid(bvalid), .m_axi_ctrl_bready(bready), .m_axi_ctrl_bresp(bresp),
    .m_axi_ctrl_arvalid(arvalid), .m_axi_ctrl_arready(arready), .m_axi_ctrl_araddr(araddr),
    .m_axi_ctrl_rvalid(rvalid), .m_axi_ctrl_rready(rready), .m_axi_ctrl_rdata(rdata), .m_axi_ctrl_rresp(rresp),
    .net_rst(abort), .stat_busy(busy), .stat_broken(broken)
  );

  // From the buffer of responses through the escapes and back to its address is too far for one cycle.
  volley_skid #(.DATA_W(8)) u_answer (
    .clk, .rst,
    .s_axis_tvalid(response_tvalid), .s_axis_tready(response_tready), .s_axis_tdata(response_tdata),
    .s_axis_tlast(response_tlast),
    .m_axis_tvalid(answer_tvalid), .m_axis_tready(answer_tready), .m_axis_tdata(answer_tdata),
    .m_axis_tlast(answer_tlast)
  );

  volley_packet_tx u_packet_tx (
    .clk, .rst,
    .s_packet_tvalid(answer_tvalid), .s_packet_tready(answer_tready), .s_packet_tdata(answer_tdata),
    .s_packet_tlast(answer_tlast),
    .m_byte_tvalid(byte_tvalid), .m_byte_tready(byte_tready), .m_byte_tdata(byte_tdata)
  );

  volley_uart_tx #(.DIVISOR(DIVISOR)) u_tx (
    .clk, .rst, .s_byte_tvalid(byte_tvalid), .s_byte_tready(byte_tready), .s_byte_tdata(byte_tdata), .uart_tx
  );

  // Behind a reset of the network the host has no more beats on their way, so that its streams need not be kept whole.
  volley_axi_top #(
    .FRAME_BYTES(FRAME_BYTES), .BEAT_BYTES(BEAT_BYTES), .CLASSES(CLASSES), .OUT_LANES(OUT_LANES),
    .FRAMES_IN_FLIGHT(FRAMES_IN_FLIGHT), .COUNTERS(COUNTERS), .PROBES(PROBES),
    .MEMORIES(MEMORIES), .STRUCTURE_HASH(STRUCTURE_HASH)
  ) u_top (
    .clk, .aresetn(!rst && !abort), .pixel_clk(clk), .pixel_aresetn(1'b1),
    .s_axis_tvalid(frame_tvalid), .s_axis_tready(frame_tready), .s_axis_tdata(frame_tdata),
    .s_axis_tkeep(frame_tkeep), .s_axis_tlast(frame_tlast),
    .m_axis_tvalid(result_tvalid), .m_axis_tready(result_tready), .m_axis_tdata(result_tdata),
    .m_axis_tkeep(), .m_axis_tlast(result_tlast),
    .s_axi_ctrl_awaddr(awaddr), .s_axi_ctrl_awprot(3'd0), .s_axi_ctrl_awvalid(awvalid), .s_axi_ctrl_awready(awready),
    .s_axi_ctrl_wdata(wdata), .s_axi_ctrl_wstrb(4'hf), .s_axi_ctrl_wvalid(wvalid), .s_axi_ctrl_wready(wready),
    .s_axi_ctrl_bresp(bresp), .s_axi_ctrl_bvalid(bvalid), .s_axi_ctrl_bready(bready),
    .s_axi_ctrl_araddr(araddr), .s_axi_ctrl_arprot(3'd0), .s_axi_ctrl_arvalid(arvalid), .s_axi_ctrl_arready(arready),
    .s_axi_ctrl_rdata(rdata), .s_axi_ctrl_rresp(rresp), .s_axi_ctrl_rvalid(rvalid), .s_axi_ctrl_rready(rready),
    .net_rst, .net_load_select, .net_load_valid, .net_load_data,
    .m_pixel_tvalid, .m_pixel_tready, .m_pixel_tdata, .m_pixel_tlast,
    .s_logit_tvalid, .s_logit_tready, .s_logit_tdata, .s_logit_tlast,
    .net_saturated, .net_probes, .net_checksum
  );

  logic dropped, frame;                        // a bad packet since the last good one; parity of answered frames
  assign stat_led = {dropped || broken, busy, frame, !rst};
  always_ff @(posedge clk) begin
    if (bad) dropped <= 1'b1;
    else if (request_tvalid) dropped <= 1'b0;
    if (result_tvalid && result_tready && result_tlast) frame <= !frame;
    if (rst) begin
      dropped <= 1'b0;
      frame   <= 1'b0;
    end
  end
endmodule
`default_nettype wire
