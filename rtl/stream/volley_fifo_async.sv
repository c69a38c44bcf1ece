// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// FIFO of DEPTH beats between two clocks of any ratio and phase. Latency: m_axis offers a beat of an empty FIFO
// SYNC_STAGES + 1 edges of m_clk behind the s_clk edge that took it, one more where it came too close to an edge.
// Throughput: 1 beat per cycle of the slower clock if DEPTH >= 2 * SYNC_STAGES + 4, the way of the pointers there and
// back; a smaller DEPTH is legal and slower.
//
// The beats lie in a RAM whose read register is the output and holds one beat more. Pointers cross in gray code, one
// bit per beat. s_axis_tready comes from registers of s_clk only, everything of m_axis from registers of m_clk.
//
// Reset: either side's clears both, whatever the other does; one cycle of its clock is enough. A side stops at its own
// reset at once, at that of the other as soon as it has crossed; stat_s_reset and stat_m_reset tell. Then s_axis_tready
// and m_axis_tvalid stay low until both sides know that both are empty: 5 * SYNC_STAGES + 12 cycles of s_clk and
// 4 * SYNC_STAGES + 8 of m_clk behind the end of the reset, at most. The beats inside are lost, and so are those that
// s_axis takes before it knows of a reset of m_axis. No other is; none leaves twice, out of order, or from before a
// reset of m_axis behind it. A beat that m_axis offers when s_axis is reset stays offered until taken, for tvalid holds;
// it leaves before all newer ones.
//
// How the sides agree: s asks (clear_q), m stops and answers (cleared_q), s makes its own pointer 0 and takes the request
// back, m takes the answer back and runs, s runs. m asks for that with lost_q. A pointer jumps to 0 only while the other
// side has stopped and does not look.
//
// Constraints: volley_fifo_async.xdc beside it. Model: verif/models/stream.py. Proof: verif/formal/formal_fifo_async.sv.
`default_nettype none
module volley_fifo_async #(
  parameter int unsigned DATA_W      = 8,      // payload width [bit]
  parameter int unsigned DEPTH       = 16,     // beats in the RAM, a power of two from 2 on
  parameter int unsigned SYNC_STAGES = 2,      // registers of each synchroniser, >= 2
  parameter              STYLE       = "auto"  // RAM: "auto", "block" or "distributed"
) (
  // Sink and its clock
  input  wire logic              s_clk,
  input  wire logic              s_rst,        // synchronous to s_clk, active high
  input  wire logic              s_axis_tvalid,
  output logic                   s_axis_tready,
  input  wire logic [DATA_W-1:0] s_axis_tdata,
  input  wire logic              s_axis_tlast,
  output logic                   stat_s_reset, // of s_clk: a reset of either side is under way, nothing is taken
  // Source and its clock
  input  wire logic              m_clk,
  input  wire logic              m_rst,        // synchronous to m_clk, active high
  output logic                   m_axis_tvalid,
  input  wire logic              m_axis_tready,
  output logic [DATA_W-1:0]      m_axis_tdata,
  output logic                   m_axis_tlast,
  output logic                   stat_m_reset  // of m_clk: a reset of either side is under way, nothing comes
);
  if (DATA_W < 1) begin : g_rule_data_w
    $fatal(1, "volley_fifo_async: DATA_W = %0d must be at least 1 (%m)", DATA_W);
  end
  if (DEPTH < 2 || DEPTH != 1 << $clog2(DEPTH)) begin : g_rule_depth
    $fatal(1, "volley_fifo_async: DEPTH = %0d is not a power of two from 2 on (%m)", DEPTH);
  end
  if (SYNC_STAGES < 2) begin : g_rule_sync_stages
    $fatal(1, "volley_fifo_async: SYNC_STAGES = %0d must be at least 2 (%m)", SYNC_STAGES);
  end

  localparam int unsigned ADDR_W = $clog2(DEPTH);
  localparam int unsigned PTR_W  = ADDR_W + 1; // one bit more tells full from empty
  localparam logic [PTR_W-1:0] FULL = PTR_W'(3) << (ADDR_W - 1); // what a difference of DEPTH is in gray code

  function automatic logic [PTR_W-1:0] gray(input logic [PTR_W-1:0] number);
    return number ^ (number >> 1);
  endfunction

  // Registers that cross; initial values, for the exchange has to begin somewhere without a reset
  logic [PTR_W-1:0] wgray_q   = '0;            // write pointer, of s_clk
  logic             clear_q   = 1'b1;          // request of s
  logic [PTR_W-1:0] rgray_q   = '0;            // read pointer, of m_clk
  logic             cleared_q = 1'b0;          // answer of m
  logic             lost_q    = 1'b1;          // m was reset and has not been asked since

  // ------------------------------------------------------------------ s_clk
  logic             run_q = 1'b0;              // beats are taken; never together with clear_q
  logic [PTR_W-1:0] wptr_q = '0, wptr_next, rgray_s;
  logic             cleared_s, lost_s, push;

  volley_sync #(.W(PTR_W), .STAGES(SYNC_STAGES)) u_rgray   (.clk(s_clk), .d(rgray_q), .q(rgray_s));
  volley_sync #(.W(1), .STAGES(SYNC_STAGES))     u_cleared (.clk(s_clk), .d(cleared_q), .q(cleared_s));
  volley_sync #(.W(1), .STAGES(SYNC_STAGES))     u_lost    (.clk(s_clk), .d(lost_q), .q(lost_s));

  assign s_axis_tready = run_q && wgray_q != (rgray_s ^ FULL);
  assign push          = s_axis_tvalid && s_axis_tready && !s_rst;
  assign wptr_next     = wptr_q + 1'b1;
  assign stat_s_reset  = !run_q;

  always_ff @(posedge s_clk) begin
    if (push) begin
      wptr_q  <= wptr_next;
      wgray_q <= gray(wptr_next);
    end
    if (run_q) begin
      if (s_rst || lost_s) begin
        run_q   <= 1'b0;
        clear_q <= 1'b1;
      end
    end else if (cleared_s) begin
      wptr_q  <= '0;
      wgray_q <= '0;
      // A cycle later, so that m sees the 0 no later than this.
      if (wgray_q == '0) clear_q <= 1'b0;
    end else if (!clear_q) begin
      run_q   <= !lost_s && !s_rst;
      clear_q <= lost_s;
    end
  end

  // ------------------------------------------------------------------ m_clk
  logic [PTR_W-1:0] rptr_q = '0, rptr_next, wgray_m;
  logic             valid_q = 1'b0, clear_m, load; // load: RAM -> output register

  volley_sync #(.W(PTR_W), .STAGES(SYNC_STAGES)) u_wgray (.clk(m_clk), .d(wgray_q), .q(wgray_m));
  volley_sync #(.W(1), .STAGES(SYNC_STAGES))     u_clear (.clk(m_clk), .d(clear_q), .q(clear_m));

  assign stat_m_reset  = cleared_q || lost_q;
  assign load          = !clear_m && !stat_m_reset && !m_rst && rgray_q != wgray_m && (!valid_q || m_axis_tready);
  assign rptr_next     = rptr_q + 1'b1;
  assign m_axis_tvalid = valid_q;

  always_ff @(posedge m_clk) begin
    if (load) begin
      rptr_q  <= rptr_next;
      rgray_q <= gray(rptr_next);
    end
    valid_q   <= load || (valid_q && !m_axis_tready);
    cleared_q <= clear_m;
    if (clear_m) begin                         // s has stopped
      rptr_q  <= '0;
      rgray_q <= '0;
      lost_q  <= 1'b0;
    end
    if (m_rst) begin
      valid_q <= 1'b0;
      lost_q  <= 1'b1;
    end
  end

  // ------------------------------------------------------------------ beats
  volley_ram_2clk #(
    .DATA_W (DATA_W + 1),
    .DEPTH  (DEPTH),
    .STYLE  (STYLE)
  ) u_ram (
    .s_clk,
    .we    (push),
    .waddr (wptr_q[ADDR_W-1:0]),
    .wdata ({s_axis_tlast, s_axis_tdata}),
    .m_clk,
    .re    (load),
    .raddr (rptr_q[ADDR_W-1:0]),
    .rdata ({m_axis_tlast, m_axis_tdata})
  );
endmodule
`default_nettype wire
