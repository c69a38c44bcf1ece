// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_fifo_async: a step of the proof is one in which s_clk, m_clk, both or none have an edge, as s_tick and m_tick
// choose freely: clocks of any ratio, phase and jitter. Every beat leaves once, in order; only a reset loses some; one
// gray bit changes per beat, and a pointer jumps to 0 only while the other side has stopped.
// prove.py makes each register of a clock one that is enabled by its tick, and cuts the synchronisers' first registers.
`default_nettype none
module formal_fifo_async #(
  parameter int unsigned DATA_W      = 1,
  parameter int unsigned DEPTH       = 4,
  parameter int unsigned SYNC_STAGES = 2
) (
  input wire logic              clk,           // a step
  input wire logic              s_tick,
  input wire logic              m_tick,
  input wire logic              s_rst,
  input wire logic              m_rst,
  input wire logic              pick,
  input wire logic              s_tvalid,
  input wire logic [DATA_W-1:0] s_tdata,
  input wire logic              s_tlast,
  input wire logic              m_tready
);
  localparam int unsigned PTR_W   = $clog2(DEPTH) + 1;
  localparam int unsigned COUNT_W = PTR_W + $clog2(2 * SYNC_STAGES + 2); // holds any sum of differences below
  localparam int unsigned LAST    = SYNC_STAGES - 2; // oldest of later_q
  localparam int unsigned N       = DEPTH + SYNC_STAGES + 1; // cycles of m_clk until a beat has left

  logic              s_tready, s_reset, m_tvalid, m_tlast, m_reset;
  logic [DATA_W-1:0] m_tdata;

  always_comb assume (clk);                    // the harness's own registers look at every step

  volley_fifo_async #(.DATA_W(DATA_W), .DEPTH(DEPTH), .SYNC_STAGES(SYNC_STAGES)) dut (
    .s_clk(s_tick), .s_rst,
    .s_axis_tvalid(s_tvalid), .s_axis_tready(s_tready), .s_axis_tdata(s_tdata), .s_axis_tlast(s_tlast),
    .stat_s_reset(s_reset), .m_clk(m_tick), .m_rst,
    .m_axis_tvalid(m_tvalid), .m_axis_tready(m_tready), .m_axis_tdata(m_tdata), .m_axis_tlast(m_tlast),
    .stat_m_reset(m_reset)
  );

  formal_hold #(.W(DATA_W + 1), .ASSUME(1'b1)) u_s (
    .clk(s_tick), .rst(s_rst), .tvalid(s_tvalid), .tready(s_tready), .payload({s_tlast, s_tdata}));
  formal_hold #(.W(DATA_W + 1)) u_m (
    .clk(m_tick), .rst(m_rst && m_tick), .tvalid(m_tvalid), .tready(m_tready), .payload({m_tlast, m_tdata}));

  // ------------------------------------------------------------------ synchronisers
  `define VOLLEY_SYNC(NAME, BITS, TICK, D, Q) \
    formal_sync #(.W(BITS), .STAGES(SYNC_STAGES)) u_``NAME ( \
      .clk, .tick(TICK), .d(D), .first(dut.u_``NAME.first_q), .later(dut.u_``NAME.later_q), .q(Q));
  `VOLLEY_SYNC(wgray, PTR_W, m_tick, dut.wgray_q, dut.wgray_m)
  `VOLLEY_SYNC(clear, 1, m_tick, dut.clear_q, dut.clear_m)
  `VOLLEY_SYNC(rgray, PTR_W, s_tick, dut.rgray_q, dut.rgray_s)
  `VOLLEY_SYNC(cleared, 1, s_tick, dut.cleared_q, dut.cleared_s)
  `VOLLEY_SYNC(lost, 1, s_tick, dut.lost_q, dut.lost_s)

  // ------------------------------------------------------------------ one beat, any one
  logic               push, out, kept, clears, leaves;
  logic               tracked = 1'b0, stale = 1'b0; // stale: m was reset behind it, or before it and s does not know
  logic [COUNT_W-1:0] held = '0, ahead, age;   // beats inside; those before it; cycles of m_axis_tready since it came
  logic [DATA_W:0]    value;

  assign push   = s_tick && s_tvalid && s_tready && !s_rst;
  assign out    = m_tick && m_tvalid && (m_tready || m_rst); // the offered one goes, or is lost
  assign clears = m_tick && dut.clear_m && !dut.cleared_q; // the beats in the RAM are lost
  assign kept   = m_tvalid && !m_tready && !m_rst;
  assign leaves = tracked && ahead == '0 && m_tvalid;

  always_ff @(posedge clk) begin
    held <= clears ? COUNT_W'(kept) : held + COUNT_W'(push) - COUNT_W'(out);
    if (out) ahead <= ahead - 1'b1;
    if ((leaves && out) || (clears && !(leaves && kept))) tracked <= 1'b0;
    if (m_tick && m_rst) stale <= 1'b1;
    if (m_tick) age <= m_tready ? age + 1'b1 : '0;
    if (push && pick && !tracked) begin
      tracked <= !clears;
      ahead   <= held - COUNT_W'(out);
      value   <= {s_tlast, s_tdata};
      age     <= '0;
      stale   <= dut.lost_q || (m_tick && m_rst);
    end
  end

  always_comb begin
    none_made_up: assert (!m_tvalid || held != '0);
    none_too_many: assert (held <= COUNT_W'(DEPTH + 1));
    if (tracked) begin
      in_order: assert (ahead < held);
      unchanged: assert (!leaves || {m_tlast, m_tdata} == value);
      not_from_before: assert (!(leaves && stale));
      leaves_within_n: assert (stale || age < COUNT_W'(N));
    end
    behind_others: cover (leaves && m_tready);
    // The RAM never reads the word that it writes.
    no_collision: assert (!(push && m_tick && dut.load && dut.wptr_q[PTR_W-2:0] == dut.rptr_q[PTR_W-2:0]));
  end

  // ------------------------------------------------------------------ gray code, resets
  logic             known = 1'b0, quiet, quiet_q = 1'b0, stopped_q, valid_q, s_rst_q, m_rst_q;
  logic [PTR_W-1:0] wgray_q, rgray_q;

  // Both sides run, and know it of each other.
  assign quiet = dut.run_q && {dut.u_clear.first_q, dut.u_clear.later_q, dut.cleared_q, dut.u_cleared.first_q,
                               dut.u_cleared.later_q, dut.lost_q, dut.u_lost.first_q, dut.u_lost.later_q} == '0;

  always_ff @(posedge clk) begin
    known     <= 1'b1;
    wgray_q   <= dut.wgray_q;
    rgray_q   <= dut.rgray_q;
    quiet_q   <= quiet && !(s_tick && s_rst) && !(m_tick && m_rst);
    stopped_q <= m_reset;
    valid_q   <= m_tvalid;
    s_rst_q   <= s_tick && s_rst;
    m_rst_q   <= m_tick && m_rst;
  end

  always_comb begin
    only_resets_lose: assert ((!quiet_q || quiet) && !(clears && quiet));
    s_stops: assert (!(s_reset && s_tready));
    both_stop: assert (s_reset || !dut.cleared_q); // m has cleared: s knows
    if (known) begin
      resets: assert ((!s_rst_q || s_reset) && (!m_rst_q || (m_reset && !m_tvalid)));
      m_stops: assert (!(stopped_q && !valid_q && m_tvalid));
      one_bit_per_write: assert ($onehot0(wgray_q ^ dut.wgray_q) || (dut.wgray_q == '0 && dut.cleared_q));
      one_bit_per_read: assert ($onehot0(rgray_q ^ dut.rgray_q) || (dut.rgray_q == '0 && !dut.run_q));
    end
    runs: cover (quiet);
  end
  logic again = 1'b0, s_only = 1'b0, m_only = 1'b0; // it ran, full or not; a reset of one side since
  always_ff @(posedge clk) begin
    if (quiet && held != '0) again <= 1'b1;
    if (again && s_tick && s_rst) s_only <= 1'b1;
    if (again && m_tick && m_rst) m_only <= 1'b1;
  end
  if (SYNC_STAGES == 2) begin : g_covers          // with more it takes the solver minutes
    always_comb begin
      full: cover (held == COUNT_W'(DEPTH + 1));
      after_s: cover (s_only && !m_only && dut.run_q && held == '0);
      after_m: cover (m_only && !s_only && dut.run_q && held == '0);
    end
  end

  // ------------------------------------------------------------------ what makes it inductive
  // Request and answer on their way around: at most one change, from one end to the other.
  localparam int unsigned AROUND = 2 * SYNC_STAGES + 2;
  logic [AROUND-1:0] around;
  assign around[0]                = dut.clear_q;
  assign around[1]                = dut.u_clear.first_q;
  assign around[SYNC_STAGES+1]    = dut.cleared_q;
  assign around[SYNC_STAGES+2]    = dut.u_cleared.first_q;
  for (genvar n = 0; n <= LAST; n++) begin : g_around
    assign around[n+2]             = dut.u_clear.later_q[n];
    assign around[SYNC_STAGES+3+n] = dut.u_cleared.later_q[n];
  end

  // Pointers from the oldest copy of the read pointer to the write pointer.
  localparam int unsigned CHAIN = 2 * SYNC_STAGES + 2;
  logic [CHAIN-1:0][PTR_W-1:0] chain;
  logic [CHAIN-1:0][COUNT_W-1:0] sums;         // of the differences between neighbours
  logic r_copies_0, w_copies_0;

  function automatic logic [PTR_W-1:0] binary(input logic [PTR_W-1:0] code);
    for (int n = PTR_W - 2; n >= 0; n--) code[n] ^= code[n+1];
    return code;
  endfunction

  assign chain[SYNC_STAGES-1] = binary(dut.u_rgray.first_q);
  assign chain[SYNC_STAGES]   = dut.rptr_q;
  assign chain[CHAIN-2]       = binary(dut.u_wgray.first_q);
  assign chain[CHAIN-1]       = dut.wptr_q;
  for (genvar n = 0; n <= LAST; n++) begin : g_chain
    assign chain[LAST-n]               = binary(dut.u_rgray.later_q[n]);
    assign chain[SYNC_STAGES+1+LAST-n] = binary(dut.u_wgray.later_q[n]);
  end
  assign sums[0] = '0;
  for (genvar n = 1; n < CHAIN; n++) begin : g_sums
    assign sums[n] = sums[n-1] + COUNT_W'(PTR_W'(chain[n] - chain[n-1]));
  end

  logic                [PTR_W-2:0] place;      // of the tracked beat in the RAM
  assign place = PTR_W'(dut.rptr_q + PTR_W'(ahead) - PTR_W'(m_tvalid));

  // Edges of m_clk until the tracked beat is seen behind wgray's synchroniser.
  logic [COUNT_W-1:0] unseen;

  function automatic logic seen(input logic [PTR_W-1:0] copy);
    return COUNT_W'(PTR_W'(binary(copy) - dut.rptr_q)) > ahead - COUNT_W'(m_tvalid);
  endfunction

  always_comb begin
    unseen = COUNT_W'(!seen(dut.u_wgray.first_q));
    for (int n = 0; n <= LAST; n++) unseen += COUNT_W'(!seen(dut.u_wgray.later_q[n]));
    if (leaves) unseen = '0;
    r_copies_0 = dut.u_rgray.first_q == '0 && dut.u_rgray.later_q == '0;
    w_copies_0 = dut.u_clear.first_q || dut.u_wgray.first_q == '0;
    for (int n = 0; n <= LAST; n++) w_copies_0 &= dut.u_clear.later_q[n] || dut.u_wgray.later_q[n] == '0;

    codes: assert (dut.wgray_q == (dut.wptr_q ^ (dut.wptr_q >> 1)) && dut.rgray_q == (dut.rptr_q ^ (dut.rptr_q >> 1)));
    one_change: assert ($onehot0(around[AROUND-2:0] ^ around[AROUND-1:1]));
    runs_alone: assert (!dut.run_q || around == '0);
    nothing_cleared: assert (!dut.cleared_q || dut.rptr_q == '0);
    nothing_lost: assert (!(dut.lost_q && m_tvalid));
    lost_before: assert (!tracked || stale == dut.lost_q);
    if (!dut.cleared_q) in_turn: assert (sums[CHAIN-1] <= COUNT_W'(DEPTH));
    if (dut.u_cleared.later_q[0]) first_0: assert (dut.u_rgray.first_q == '0);
    for (int n = 1; n <= LAST; n++)
      if (dut.u_cleared.later_q[n]) later_0: assert (dut.u_rgray.later_q[n-1] == '0);
    if (!dut.clear_q && !dut.run_q)
      all_0: assert (dut.wptr_q == '0 && dut.rptr_q == '0 && r_copies_0 && w_copies_0);
    number: assert (held == COUNT_W'(m_tvalid)
                    + (dut.cleared_q ? '0 : COUNT_W'(PTR_W'(dut.wptr_q - dut.rptr_q))));
    if (tracked && !stale)
      in_time: assert (age + unseen + ahead + (m_tvalid ? COUNT_W'(1) : COUNT_W'(2)) <= COUNT_W'(N));
    if (tracked && !leaves) in_ram: assert (dut.u_ram.g_auto.mem[place] == value);
  end
endmodule
`default_nettype wire
