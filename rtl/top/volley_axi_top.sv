// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Accelerator with registers: volley_top and, behind AXI4-Lite, the register block of volley_regs.rdl.
// A soft reset clears the network at once, and keeps both streams whole for what is connected to them, a DMA for
// instance: what is left of a frame is taken and discarded up to its tlast; an offered result word stays until taken,
// and an answer that has begun is ended by a trailer with flags[3].
// volley_axi_top_wrapper.v beside it has the same ports in plain Verilog, for IP packagers.
`default_nettype none
module volley_axi_top (
  input  wire logic        clk,
  input  wire logic        aresetn,            // active low, synchronous to clk
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
  input  wire logic        s_axi_ctrl_rready
);
  import volley_net_pkg::*;

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
  logic [15:0] checksum, cut_checksum;         // of the weights: now, at the cut
  logic        load_select = 1'b0, load_valid = 1'b0;  // a number, a word: written in the cycle before
  logic        answer_taken;
  logic        rst_q;
  logic [15:0] resets = '0;                    // of the network; no reset clears it

  assign cut = regs_out.CONTROL.soft_reset.value;

  // ------------------------------------------------------------------ in
  assign net_s_tvalid  = s_axis_tvalid && !drop && !cut && !cut_q;
  assign s_axis_tready = !rst && !cut && !cut_q && (drop || net_s_tready);

  // ------------------------------------------------------------------ out
  always_comb begin
    net_m_tready  = m_axis_tready && !kept && !ending;
    m_axis_tvalid = !rst && (kept || ending || net_m_tvalid);
    m_axis_tdata  = net_m_tdata;
    m_axis_tlast  = net_m_tlast;
    if (ending) begin
      m_axis_tdata = {cut_checksum, CUT, 8'd0};
      m_axis_tlast = 1'b1;
    end
    if (kept) begin
      m_axis_tdata = kept_tdata;
      m_axis_tlast = kept_tlast;
    end
  end
  assign m_axis_tkeep = 4'hf;
  assign answer_taken = net_m_tvalid && net_m_tready && net_m_tlast;

  always_ff @(posedge clk) begin
    cut_q <= cut;
    load_select <= regs_out.MEMORY.index.swmod;
    load_valid  <= regs_out.LOAD.word.swmod;
    if (s_axis_tvalid && s_axis_tready) begin
      in_frame <= !s_axis_tlast;
      if (s_axis_tlast) drop <= 1'b0;
    end
    if (cut) drop <= in_frame;                 // nothing is taken in this cycle
    if (m_axis_tvalid && m_axis_tready) begin
      in_answer <= !m_axis_tlast;
      kept      <= 1'b0;
      if (!kept) ending <= 1'b0;
    end
    // Words of an earlier cut go on as they are: behind them there is no answer yet.
    if (cut && !kept && !ending) begin
      kept       <= net_m_tvalid && !m_axis_tready;
      kept_tdata <= net_m_tdata;
      kept_tlast <= net_m_tlast;
      cut_checksum <= checksum;
      ending     <= net_m_tvalid ? !net_m_tlast : in_answer;
    end
    if (rst) begin
      cut_q     <= 1'b0;
      load_select <= 1'b0;
      load_valid  <= 1'b0;
      in_frame  <= 1'b0;
      in_answer <= 1'b0;
      drop      <= 1'b0;
      kept      <= 1'b0;
      ending    <= 1'b0;
    end
  end

  always_ff @(posedge clk) begin
    rst_q <= rst;
    if (cut || (rst && !rst_q)) resets <= resets + 1'b1;
  end

  // ------------------------------------------------------------------ network
  volley_top u_top (
    .clk, .aresetn(aresetn && !cut),
    .load_select, .load_valid,
    .load_data(load_select ? regs_out.MEMORY.index.value : regs_out.LOAD.word.value),
    .s_axis_tvalid(net_s_tvalid), .s_axis_tready(net_s_tready), .s_axis_tdata, .s_axis_tkeep, .s_axis_tlast,
    .m_axis_tvalid(net_m_tvalid), .m_axis_tready(net_m_tready), .m_axis_tdata(net_m_tdata), .m_axis_tkeep(),
    .m_axis_tlast(net_m_tlast),
    .stat_frames(regs_in.FRAMES.count.next), .stat_cycles(regs_in.CYCLES.count.next),
    .stat_in_stall(regs_in.IN_STALL.count.next), .stat_out_stall(regs_in.OUT_STALL.count.next),
    .stat_saturated(regs_in.SATURATED.count.next),
    .cfg_probe(regs_out.PROBE.index.value), .stat_probe(regs_in.PROBE_COUNT.count.next), .stat_checksum(checksum),
    .err_short(), .err_long(), .err_keep()     // cleared by reset alone; the trailers carry them too
  );

  // ------------------------------------------------------------------ registers
  assign regs_in.STRUCTURE.hash.next           = STRUCTURE_HASH;
  assign regs_in.WEIGHTS.checksum.next         = checksum;
  assign regs_in.MEMORIES.count.next           = 32'(MEMORIES);
  assign regs_in.RESETS.count.next             = resets;
  assign regs_in.PROBES.count.next             = 32'(PROBES);
  assign regs_in.STATUS.resetting.next         = cut || cut_q || drop || kept || ending;
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
