// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Accelerator with registers: volley_top and, behind AXI4-Lite, the register block of volley_regs.rdl.
// A soft reset clears the network at once, and keeps both streams whole for what is connected to them, a DMA for
// instance: what is left of a frame is taken and discarded up to its tlast; an offered result word stays until taken,
// and an answer that has begun is ended by a trailer with flags[3].
// With ASYNC both streams belong to pixel_clk, any other clock; registers and network stay in clk. A reset of pixel_clk
// alone is one of the network too: frames and answers that have begun are gone with it. Constraints of the crossing:
// volley_fifo_async.xdc.
// The network hangs on ports of its own, as it does at volley_top: pyflow.emit writes it and, around both, <name>_axi_top
// and <name>_axi_async_top, in plain Verilog, for IP packagers.
`default_nettype none
module volley_axi_top #(
  parameter int unsigned FRAME_BYTES      = 16,  // of a frame
  parameter int unsigned BEAT_BYTES       = 1,   // of a beat of pixels
  parameter int unsigned CLASSES          = 4,   // logits of an answer
  parameter int unsigned OUT_LANES        = 1,   // logits of a beat
  parameter int unsigned FRAMES_IN_FLIGHT = 4,   // that the network may hold at once
  parameter int unsigned COUNTERS         = 1,   // LIF layers that count, each with a word of net_saturated
  parameter int unsigned PROBES           = 0,   // words of net_probes
  parameter int unsigned MEMORIES         = 0,   // writable ones of the network
  parameter logic [31:0] STRUCTURE_HASH   = 32'd0,  // of all that cannot be loaded
  parameter bit          ASYNC            = 1'b0,  // the streams have a clock of their own
  parameter int unsigned FIFO_DEPTH       = 16   // with ASYNC: words that each stream holds on its way, a power of two
) (
  input  wire logic        clk,
  input  wire logic        aresetn,            // active low, synchronous to clk
  // Clock of the streams; without ASYNC that is clk, and these are not looked at
  input  wire logic        pixel_clk,
  input  wire logic        pixel_aresetn,      // active low, synchronous to pixel_clk
  // Sink: pixels, channel fastest, first pixel in the low byte
  input  wire logic        s_axis_tvalid,
  output logic             s_axis_tready,
  input  wire logic [31:0] s_axis_tdata,
  input  wire logic [3:0]  s_axis_tkeep,
  input  wire logic        s_axis_tlast,
  // Source: logits and trailer
  output logic             m_axis_tvalid,
  input  wire logic        m_axis_tready,
  output logic [31:0]      m_axis_tdata,
  output logic [3:0]       m_axis_tkeep,
  output logic             m_axis_tlast,
  // Registers: AXI4-Lite, map in volley_regs.rdl
  input  wire logic [11:0] s_axi_ctrl_awaddr,
  input  wire logic [2:0]  s_axi_ctrl_awprot,
  input  wire logic        s_axi_ctrl_awvalid,
  output logic             s_axi_ctrl_awready,
  input  wire logic [31:0] s_axi_ctrl_wdata,
  input  wire logic [3:0]  s_axi_ctrl_wstrb,
  input  wire logic        s_axi_ctrl_wvalid,
  output logic             s_axi_ctrl_wready,
  output logic [1:0]       s_axi_ctrl_bresp,
  output logic             s_axi_ctrl_bvalid,
  input  wire logic        s_axi_ctrl_bready,
  input  wire logic [11:0] s_axi_ctrl_araddr,
  input  wire logic [2:0]  s_axi_ctrl_arprot,
  input  wire logic        s_axi_ctrl_arvalid,
  output logic             s_axi_ctrl_arready,
  output logic [31:0]      s_axi_ctrl_rdata,
  output logic [1:0]       s_axi_ctrl_rresp,
  output logic             s_axi_ctrl_rvalid,
  input  wire logic        s_axi_ctrl_rready,
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
  localparam logic [7:0] CUT = 8'h08;          // flags[3] of a trailer

  // In reset from power-up on. One cycle behind aresetn: until then nothing is taken in, and nothing offered.
  logic rst = 1'b1;
  always_ff @(posedge clk) rst <= !aresetn;

  volley_regs_pkg::volley_regs__in_t  regs_in;
  volley_regs_pkg::volley_regs__out_t regs_out;
  logic        cut;                            // a soft reset begins; one cycle later the network is in it
  logic        cut_q;
  logic        net_s_tvalid, net_s_tready;
  logic        net_m_tvalid, net_m_tready, net_m_tlast;
  logic [31:0] net_m_tdata;
  logic        in_frame, in_answer;            // begun and not ended
  logic        drop;                           // the rest of a cut frame
  logic        kept, ending;                   // a word that was offered when the network went; a trailer is due
  logic [31:0] kept_tdata;
  logic        kept_tlast;
  logic [15:0] cut_checksum;                   // of the weights, at the cut
  logic        load_select = 1'b0, load_valid = 1'b0;  // a number, a word: written in the cycle before
  logic        answer_taken;
  logic        rst_q;
  logic [15:0] resets = '0;                    // of the network; no reset clears it

  // Masked, so that its register, which rst clears, needs no value before.
  assign cut = regs_out.CONTROL.soft_reset.value && !rst;

  // ------------------------------------------------------------------ the streams' clock
  logic        in_tvalid, in_tready, in_tlast; // the streams in clk
  logic        out_tvalid, out_tready, out_tlast;
  logic [31:0] in_tdata, out_tdata;
  logic [3:0]  in_tkeep;
  logic        clear;                          // a reset of either clock is on its way through the FIFOs

  assign m_axis_tkeep = 4'hf;

  if (ASYNC) begin : g_async
    logic pixel_rst = 1'b1, in_ready, out_valid;
    always_ff @(posedge pixel_clk) pixel_rst <= !pixel_aresetn;

    assign s_axis_tready = in_ready && !pixel_rst;
    assign m_axis_tvalid = out_valid && !pixel_rst;

    volley_fifo_async #(
      .DATA_W (36),
      .DEPTH  (FIFO_DEPTH)
    ) u_in (
      .s_clk(pixel_clk), .s_rst(pixel_rst),
      .s_axis_tvalid, .s_axis_tready(in_ready), .s_axis_tdata({s_axis_tkeep, s_axis_tdata}), .s_axis_tlast,
      .stat_s_reset(),
      .m_clk(clk), .m_rst(rst),
      .m_axis_tvalid(in_tvalid), .m_axis_tready(in_tready), .m_axis_tdata({in_tkeep, in_tdata}),
      .m_axis_tlast(in_tlast), .stat_m_reset(clear)
    );

    volley_fifo_async #(
      .DATA_W (32),
      .DEPTH  (FIFO_DEPTH)
    ) u_out (
      .s_clk(clk), .s_rst(rst),
      .s_axis_tvalid(out_tvalid), .s_axis_tready(out_tready), .s_axis_tdata(out_tdata), .s_axis_tlast(out_tlast),
      .stat_s_reset(),
      .m_clk(pixel_clk), .m_rst(pixel_rst),
      .m_axis_tvalid(out_valid), .m_axis_tready, .m_axis_tdata, .m_axis_tlast, .stat_m_reset()
    );
  end else begin : g_sync
    assign in_tvalid     = s_axis_tvalid;
    assign s_axis_tready = in_tready;
    assign in_tdata      = s_axis_tdata;
    assign in_tkeep      = s_axis_tkeep;
    assign in_tlast      = s_axis_tlast;
    assign m_axis_tvalid = out_tvalid;
    assign out_tready    = m_axis_tready;
    assign m_axis_tdata  = out_tdata;
    assign m_axis_tlast  = out_tlast;
    assign clear         = 1'b0;
  end

  // ------------------------------------------------------------------ in
  // What is offered behind a reset of pixel_clk is from before it, and goes.
  assign net_s_tvalid = in_tvalid && !drop && !cut && !cut_q && !clear;
  assign in_tready    = !rst && (clear || (!cut && !cut_q && (drop || net_s_tready)));

  // ------------------------------------------------------------------ out
  always_comb begin
    net_m_tready = out_tready && !kept && !ending;
    out_tvalid   = !rst && !clear && (kept || ending || net_m_tvalid);
    out_tdata    = net_m_tdata;
    out_tlast    = net_m_tlast;
    if (ending) begin
      out_tdata = {cut_checksum, CUT, 8'd0};
      out_tlast = 1'b1;
    end
    if (kept) begin
      out_tdata = kept_tdata;
      out_tlast = kept_tlast;
    end
  end
  assign answer_taken = net_m_tvalid && net_m_tready && net_m_tlast;

  always_ff @(posedge clk) begin
    cut_q <= cut;
    load_select <= regs_out.MEMORY.index.swmod;
    load_valid  <= regs_out.LOAD.word.swmod;
    if (in_tvalid && in_tready) begin
      in_frame <= !in_tlast;
      if (in_tlast) drop <= 1'b0;
    end
    if (cut) drop <= in_frame;                 // nothing is taken in this cycle
    if (out_tvalid && out_tready) begin
      in_answer <= !out_tlast;
      kept      <= 1'b0;
      if (!kept) ending <= 1'b0;
    end
    // Words of an earlier cut go on as they are: behind them there is no answer yet.
    if (cut && !kept && !ending) begin
      kept       <= net_m_tvalid && !out_tready;
      kept_tdata <= net_m_tdata;
      kept_tlast <= net_m_tlast;
      cut_checksum <= net_checksum;
      ending     <= net_m_tvalid ? !net_m_tlast : in_answer;
    end
    if (rst) begin
      cut_q     <= 1'b0;
      load_select <= 1'b0;
      load_valid  <= 1'b0;
    end
    if (rst || clear) begin
      in_frame  <= 1'b0;
      in_answer <= 1'b0;
      drop      <= 1'b0;
      kept      <= 1'b0;
      ending    <= 1'b0;
    end
  end

  always_ff @(posedge clk) begin
    rst_q <= rst || clear;
    if (cut || ((rst || clear) && !rst_q)) resets <= resets + 1'b1;
  end

  // ------------------------------------------------------------------ network
  volley_top #(
    .FRAME_BYTES(FRAME_BYTES), .BEAT_BYTES(BEAT_BYTES), .CLASSES(CLASSES), .OUT_LANES(OUT_LANES),
    .FRAMES_IN_FLIGHT(FRAMES_IN_FLIGHT), .COUNTERS(COUNTERS), .PROBES(PROBES)
  ) u_top (
    .clk, .aresetn(aresetn && !cut && !clear),
    .load_select, .load_valid,
    .load_data(load_select ? regs_out.MEMORY.index.value : regs_out.LOAD.word.value),
    .s_axis_tvalid(net_s_tvalid), .s_axis_tready(net_s_tready), .s_axis_tdata(in_tdata), .s_axis_tkeep(in_tkeep),
    .s_axis_tlast(in_tlast),
    .m_axis_tvalid(net_m_tvalid), .m_axis_tready(net_m_tready), .m_axis_tdata(net_m_tdata), .m_axis_tkeep(),
    .m_axis_tlast(net_m_tlast),
    .stat_frames(regs_in.FRAMES.count.next), .stat_cycles(regs_in.CYCLES.count.next),
    .stat_in_stall(regs_in.IN_STALL.count.next), .stat_out_stall(regs_in.OUT_STALL.count.next),
    .stat_saturated(regs_in.SATURATED.count.next),
    .cfg_probe(regs_out.PROBE.index.value), .stat_probe(regs_in.PROBE_COUNT.count.next), .stat_checksum(),
    .err_short(), .err_long(), .err_keep(),    // cleared by reset alone; the trailers carry them too
    .net_rst, .net_load_select, .net_load_valid, .net_load_data,
    .m_pixel_tvalid, .m_pixel_tready, .m_pixel_tdata, .m_pixel_tlast,
    .s_logit_tvalid, .s_logit_tready, .s_logit_tdata, .s_logit_tlast,
    .net_saturated, .net_probes, .net_checksum
  );

  // ------------------------------------------------------------------ registers
  assign regs_in.STRUCTURE.hash.next           = STRUCTURE_HASH;
  assign regs_in.WEIGHTS.checksum.next         = net_checksum;
  assign regs_in.MEMORIES.count.next           = 32'(MEMORIES);
  assign regs_in.RESETS.count.next             = resets;
  assign regs_in.PROBES.count.next             = 32'(PROBES);
  assign regs_in.STATUS.resetting.next         = cut || cut_q || clear || drop || kept || ending;
  assign regs_in.STATUS.in_frame.next          = in_frame;
  assign regs_in.STATUS.in_answer.next         = in_answer;
  assign regs_in.ERRORS.short_frame.hwset      = answer_taken && net_m_tdata[8];
  assign regs_in.ERRORS.long_frame.hwset       = answer_taken && net_m_tdata[9];
  assign regs_in.ERRORS.bad_keep.hwset         = answer_taken && net_m_tdata[10];

  logic        axil_awready, axil_wready, axil_bvalid, axil_arready, axil_rvalid;
  logic        req_valid, req_write;
  logic [11:0] req_addr;
  logic [31:0] req_wdata, req_biten, req_rdata;

  assign s_axi_ctrl_awready = axil_awready && !rst;
  assign s_axi_ctrl_wready  = axil_wready && !rst;
  assign s_axi_ctrl_bvalid  = axil_bvalid && !rst;
  assign s_axi_ctrl_arready = axil_arready && !rst;
  assign s_axi_ctrl_rvalid  = axil_rvalid && !rst;

  volley_axil_slave u_axil (
    .clk, .rst,
    .s_axil_awvalid(s_axi_ctrl_awvalid), .s_axil_awready(axil_awready), .s_axil_awaddr(s_axi_ctrl_awaddr),
    .s_axil_wvalid(s_axi_ctrl_wvalid), .s_axil_wready(axil_wready), .s_axil_wdata(s_axi_ctrl_wdata),
    .s_axil_wstrb(s_axi_ctrl_wstrb),
    .s_axil_bvalid(axil_bvalid), .s_axil_bready(s_axi_ctrl_bready), .s_axil_bresp(s_axi_ctrl_bresp),
    .s_axil_arvalid(s_axi_ctrl_arvalid), .s_axil_arready(axil_arready), .s_axil_araddr(s_axi_ctrl_araddr),
    .s_axil_rvalid(axil_rvalid), .s_axil_rready(s_axi_ctrl_rready), .s_axil_rdata(s_axi_ctrl_rdata),
    .s_axil_rresp(s_axi_ctrl_rresp),
    .req_valid, .req_write, .req_addr, .req_wdata, .req_biten, .req_rdata
  );

  // Without external registers it answers each request at once, and refuses none.
  volley_regs u_regs (
    .clk, .rst,
    .s_cpuif_req(req_valid), .s_cpuif_req_is_wr(req_write), .s_cpuif_addr(req_addr), .s_cpuif_wr_data(req_wdata),
    .s_cpuif_wr_biten(req_biten), .s_cpuif_req_stall_wr(), .s_cpuif_req_stall_rd(),
    .s_cpuif_rd_ack(), .s_cpuif_rd_err(), .s_cpuif_rd_data(req_rdata), .s_cpuif_wr_ack(), .s_cpuif_wr_err(),
    .hwif_in(regs_in), .hwif_out(regs_out)
  );
endmodule
`default_nettype wire
