// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Event list: keeps the words of a frame that are not zero, each with its place, EVENTS of them in a
// row, and sends the rows REPLAY times: once for every output fold of the synapse array behind it.
//   place of lane l in beat b = b*LANES + l; event = {place, word}; order: rising place
// A frame of n words that are not zero, n_b of them in beat b, has max(1, ceil(n / EVENTS)) rows. All
// are full but the last one, whose free events have word 0; tlast is on it. Frames are made of counted
// beats, s_spike_tlast is not looked at.
//
// Cycles per frame: the larger of sum_b max(1, ceil(n_b / PICKS)) in, PICKS = min(EVENTS, LANES), and
// REPLAY * max(1, ceil(n / EVENTS)) out, more where DEPTH has no room for the next frame beside this
// one. Latency 5 from a frame's last beat to its last row; PICKS zero-free words more, one more cycle.
// A chain of leading ones picks the words of a beat; a row waits in a register until it is known
// whether it is the frame's last. s_spike_tready depends on registers alone.
// Model: verif/models/event_list.py.
`default_nettype none
module volley_event_list #(
  parameter int unsigned T      = 4,           // bits of a word (its time steps)
  parameter int unsigned LANES  = 4,           // words per beat
  parameter int unsigned BEATS  = 8,           // per frame
  parameter int unsigned EVENTS = 2,           // words per row, so that many taken in a cycle
  parameter int unsigned REPLAY = 1,           // times a frame is sent
  parameter int unsigned DEPTH  = 16,          // rows held, a power of two; a whole frame where REPLAY > 1
  localparam int unsigned PLACE_W = BEATS * LANES > 1 ? $clog2(BEATS * LANES) : 1
) (
  input  wire logic                          clk,
  input  wire logic                          rst,            // synchronous, active high
  // Sink: words
  input  wire logic                          s_spike_tvalid,
  output logic                               s_spike_tready,
  input  wire logic [LANES*T-1:0]            s_spike_tdata,
  input  wire logic                          s_spike_tlast,
  // Source: rows of events {place, word}, the first one in the low bits
  output logic                               m_event_tvalid,
  input  wire logic                          m_event_tready,
  output logic [EVENTS*(PLACE_W+T)-1:0]      m_event_tdata,
  output logic                               m_event_tlast
);
  localparam int unsigned PICKS    = EVENTS < LANES ? EVENTS : LANES;    // words taken off a beat per cycle
  localparam int unsigned ROWS     = (BEATS * LANES + EVENTS - 1) / EVENTS;  // of a frame without zeros
  localparam int unsigned EVENT_W  = PLACE_W + T;
  localparam int unsigned BEAT_W   = BEATS > 1 ? $clog2(BEATS) : 1;
  localparam int unsigned FILL_W   = $clog2(2 * EVENTS + 1);
  localparam int unsigned ADDR_W   = $clog2(DEPTH);
  localparam int unsigned LEAD_W   = $clog2(DEPTH + 1);
  localparam int unsigned REPLAY_W = REPLAY > 1 ? $clog2(REPLAY) : 1;

  if (T < 1 || LANES < 1 || BEATS < 1 || EVENTS < 1 || REPLAY < 1) begin : g_rule_t
    $fatal(1, "volley_event_list: T, LANES, BEATS, EVENTS and REPLAY must be at least 1 (%m)");
  end
  if (DEPTH < 2 || DEPTH != 1 << $clog2(DEPTH)) begin : g_rule_depth
    $fatal(1, "volley_event_list: DEPTH = %0d is not a power of two from 2 on (%m)", DEPTH);
  end
  if (REPLAY > 1 && DEPTH < ROWS) begin : g_rule_replay
    $fatal(1, "volley_event_list: DEPTH = %0d is below the %0d rows of a frame without zeros (%m)", DEPTH, ROWS);
  end

  typedef logic [EVENT_W-1:0] event_t;

  logic move;                                  // the way into the list goes on: it stops as a whole

  // ------------------------------------------------------------------ the beat: words still to be picked
  logic [LANES-1:0]   pending_q, fresh;
  logic [LANES*T-1:0] word_q;
  logic [PLACE_W-1:0] base_q;                  // place of lane 0
  logic [BEAT_W-1:0]  beat_q;                  // of the frame: the one that the sink offers
  logic               here_q, end_q;           // a beat is in word_q; it is the frame's last
  logic               take, frame_end;

  logic [LANES-1:0]   rest;                    // pending after this cycle's picks
  event_t             pick [PICKS];            // word 0 where nothing is left to pick
  logic [FILL_W-1:0]  picks;
  logic               done;                    // with the beat in word_q

  always_comb begin
    rest  = pending_q;
    picks = '0;
    for (int unsigned e = 0; e < PICKS; e++) begin
      logic [LANES-1:0]   left, first;         // first: one-hot, the leading one
      logic [PLACE_W-1:0] lane;
      logic [T-1:0]       word;
      left  = rest & (rest - 1'b1);
      first = rest & ~left;
      lane  = '0;
      word  = '0;
      for (int unsigned l = 0; l < LANES; l++) begin
        lane |= first[l] ? PLACE_W'(l) : '0;
        word |= first[l] ? word_q[l*T +: T] : '0;
      end
      pick[e] = {PLACE_W'(base_q + lane), word};
      picks   = picks + FILL_W'(rest != '0);
      rest    = left;
    end
  end
  assign done           = rest == '0;
  assign s_spike_tready = move && done;
  assign take           = s_spike_tvalid && s_spike_tready;
  assign frame_end      = beat_q == BEAT_W'(BEATS - 1);

  always_comb
    for (int unsigned l = 0; l < LANES; l++) fresh[l] = s_spike_tvalid && s_spike_tdata[l*T +: T] != '0;

  always_ff @(posedge clk) begin
    if (move) begin
      pending_q <= done ? fresh : rest;
      if (done) here_q <= s_spike_tvalid;
    end
    if (take) begin
      word_q <= s_spike_tdata;
      end_q  <= frame_end;
      base_q <= beat_q == '0 ? '0 : base_q + PLACE_W'(LANES);
      beat_q <= frame_end ? '0 : beat_q + 1'b1;
    end
    if (rst) begin
      pending_q <= '0;
      here_q    <= 1'b0;
      beat_q    <= '0;
    end
  end

  // ------------------------------------------------------------------ the picked words, and the row that they join
  event_t            picked_q [EVENTS];        // word 0 where nothing was picked
  logic [FILL_W-1:0] count_q;
  logic              close_q;                  // they are the frame's last

  event_t            row_q [EVENTS];
  logic [FILL_W-1:0] fill_q, held, total;
  logic              last_q;                   // the row is the frame's last, and leaves at once
  event_t            sum [2*EVENTS];           // row and picked words, one behind the other
  event_t            row_d [EVENTS];
  logic              over, write, full;

  assign held  = last_q ? '0 : fill_q;
  assign total = held + count_q;
  assign over  = total > FILL_W'(EVENTS);
  assign write = last_q || over;
  assign move  = !(write && full);

  always_comb begin
    for (int unsigned j = 0; j < 2 * EVENTS; j++) begin
      sum[j] = '0;
      if (j < EVENTS && held > FILL_W'(j)) sum[j] = row_q[j];
      for (int unsigned e = 0; e < EVENTS; e++)
        if (e <= j && held == FILL_W'(j - e)) sum[j] = picked_q[e];
    end
    for (int unsigned j = 0; j < EVENTS; j++) row_d[j] = over ? sum[EVENTS + j] : sum[j];
  end

  always_ff @(posedge clk) begin
    if (move) begin
      for (int unsigned e = 0; e < EVENTS; e++) picked_q[e] <= '0;
      for (int unsigned e = 0; e < PICKS; e++) picked_q[e] <= pick[e];
      count_q <= picks;
      close_q <= here_q && done && end_q;
      row_q   <= row_d;
      fill_q  <= over ? total - FILL_W'(EVENTS) : total;
      last_q  <= close_q;
    end
    if (rst) begin
      count_q <= '0;
      close_q <= 1'b0;
      fill_q  <= '0;
      last_q  <= 1'b0;
    end
  end

  // ------------------------------------------------------------------ the list
  logic [EVENTS*EVENT_W-1:0] stored;
  logic [ADDR_W-1:0]         wr_addr, next_q, start_q, addr;  // start_q: of the frame that is read
  logic [LEAD_W-1:0]         lead_q, offset_q, offset;        // rows in the list; of the row to read
  logic [REPLAY_W-1:0]       replay_q, replay;
  logic                      read_q;           // m_event_tlast is that of a row read since reset
  logic                      ended, again, ready, rd, freed;

  for (genvar j = 0; j < EVENTS; j++) begin : g_store
    assign stored[j*EVENT_W +: EVENT_W] = last_q ? row_q[j] : sum[j];
  end
  assign full   = lead_q == LEAD_W'(DEPTH);
  // What follows the row read last. In the last replay a row makes room when it is read, so the oldest
  // row in the list is then the one to read.
  assign ended  = read_q && m_event_tlast;
  assign again  = replay_q != REPLAY_W'(REPLAY - 1);
  assign replay = !ended ? replay_q : again ? replay_q + 1'b1 : '0;
  assign addr   = ended && again ? start_q : next_q;
  assign offset = ended || !again ? '0 : offset_q;
  assign ready  = offset < lead_q;
  assign rd     = ready && (!m_event_tvalid || m_event_tready);
  assign freed  = rd && replay == REPLAY_W'(REPLAY - 1);

  volley_ram #(.DATA_W(EVENTS*EVENT_W + 1), .DEPTH(DEPTH)) u_ram (
    .clk,
    .we(write && !full), .waddr(wr_addr), .wdata({last_q, stored}),
    .re(rd), .raddr(addr), .rdata({m_event_tlast, m_event_tdata})
  );

  always_ff @(posedge clk) begin
    if (write && !full) wr_addr <= wr_addr + 1'b1;
    lead_q <= lead_q + LEAD_W'(write && !full) - LEAD_W'(freed);
    if (!m_event_tvalid || m_event_tready) m_event_tvalid <= ready;
    if (rd) begin
      next_q   <= addr + 1'b1;
      offset_q <= offset + 1'b1;
      replay_q <= replay;
      read_q   <= 1'b1;
      if (ended && !again) start_q <= addr;
    end
    if (rst) begin
      {wr_addr, next_q, start_q} <= '0;
      {lead_q, offset_q, replay_q} <= '0;
      read_q         <= 1'b0;
      m_event_tvalid <= 1'b0;
    end
  end

  logic unused;
  assign unused = s_spike_tlast;
endmodule
`default_nettype wire
