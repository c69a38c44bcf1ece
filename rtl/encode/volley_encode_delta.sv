// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Delta encoder of a signal x[t] of 8 bits; q is 0 at the start of a frame:
//   d = x[t] - q;  ON = d >= THETA;  OFF = d <= -THETA
//   MODE 0, delta:       q <- x[t]
//   MODE 1, sigma-delta: q <- q + THETA*(ON - OFF): never past x[t], so 8 bits hold it
// A host's frame has no marks between its passes: s_signal_tlast is not looked at, m_spike_tlast is made.
// Latency 2 (delta) or TB + 1 (sigma-delta), 1 beat/cycle; with PASSES > 1 a pass takes at least as
// many cycles as the latency.
// Model: verif/models/encode_delta.py.
`default_nettype none
module volley_encode_delta #(
  parameter int unsigned LANES  = 1,           // channels per beat, all of a pixel's
  parameter int unsigned TB     = 4,           // steps per pass
  parameter int unsigned PASSES = 4,           // per frame
  parameter int unsigned BEATS  = 64,          // per pass
  parameter int unsigned MODE   = 0,           // 0 delta, 1 sigma-delta
  parameter int unsigned THETA  = 16,          // 1..255
  parameter int unsigned PIX    = 1            // pixels per beat
) (
  input  wire logic                  clk,
  input  wire logic                  rst,      // synchronous, active high
  // Sink: TB samples of each lane, the earliest in the most significant byte
  input  wire logic                  s_signal_tvalid,
  output logic                       s_signal_tready,
  input  wire logic [LANES*TB*8-1:0] s_signal_tdata,
  input  wire logic                  s_signal_tlast,
  // Source: TB steps of each lane, the earliest in the most significant bit; lane c is channel c's
  // ON, lane LANES + c its OFF
  output logic                       m_spike_tvalid,
  input  wire logic                  m_spike_tready,
  output logic [2*LANES*TB-1:0]      m_spike_tdata,
  output logic                       m_spike_tlast
);
  // Every step of sigma-delta needs the q of the one before: a pipeline stage each.
  localparam int unsigned STAGES = MODE == 1 ? TB : 1;

  if (PIX != 1) begin : g_rule_pix
    $fatal(1, "volley_encode_delta: PIX = %0d, only 1 pixel per beat is supported (%m)", PIX);
  end
  if (LANES < 1) begin : g_rule_lanes
    $fatal(1, "volley_encode_delta: LANES = %0d must be at least 1 (%m)", LANES);
  end
  if (TB < 1) begin : g_rule_tb
    $fatal(1, "volley_encode_delta: TB = %0d, a pass has at least 1 step (%m)", TB);
  end
  if (MODE > 1) begin : g_rule_mode
    $fatal(1, "volley_encode_delta: MODE = %0d is neither 0 (delta) nor 1 (sigma-delta) (%m)", MODE);
  end
  if (THETA < 1 || THETA > 255) begin : g_rule_theta
    $fatal(1, "volley_encode_delta: THETA = %0d is outside 1..255 (%m)", THETA);
  end

  logic               ce, room, first, last_beat, put;
  logic [LANES*8-1:0] state, state_next;

  assign ce              = !m_spike_tvalid || m_spike_tready;
  assign s_signal_tready = ce && room;

  volley_state_memory #(.DATA_W(LANES*8), .BEATS(BEATS), .PASSES(PASSES), .FLIGHT(STAGES)) u_state (
    .clk, .rst, .ce, .take(s_signal_tvalid && room), .room,
    .state, .first, .last_pass(), .last_beat, .put, .state_next
  );

  for (genvar j = 0; j < TB; j++) begin : g_step
    logic                  valid, last;
    logic [LANES*TB*8-1:0] x;
    logic [LANES*TB-1:0]   on, on_next;        // spikes before and after this step,
    logic [LANES*TB-1:0]   off, off_next;      // which shifts its own in
    logic [LANES*8-1:0]    q, q_next;

    if (j == 0) begin : g_first
      always_ff @(posedge clk) begin
        if (ce) begin
          valid <= s_signal_tvalid && room;
          x     <= s_signal_tdata;
        end
        if (rst) valid <= 1'b0;
      end
      assign last = last_beat;
      assign q    = first ? '0 : state;
      assign on   = '0;
      assign off  = '0;
    end else if (STAGES > 1) begin : g_stage
      always_ff @(posedge clk) begin
        if (ce) begin
          valid <= g_step[j-1].valid;
          last  <= g_step[j-1].last;
          x     <= g_step[j-1].x;
          on    <= g_step[j-1].on_next;
          off   <= g_step[j-1].off_next;
          q     <= g_step[j-1].q_next;
        end
        if (rst) valid <= 1'b0;
      end
    end else begin : g_wires
      assign valid = g_step[j-1].valid;
      assign last  = g_step[j-1].last;
      assign x     = g_step[j-1].x;
      assign on    = g_step[j-1].on_next;
      assign off   = g_step[j-1].off_next;
      assign q     = g_step[j-1].q_next;
    end

    for (genvar l = 0; l < LANES; l++) begin : g_lane
      logic [8:0] sample, level;
      logic       up, down;
      assign sample = 9'(x[(l*TB + TB-1-j)*8 +: 8]);
      assign level  = 9'(q[l*8 +: 8]);
      assign up     = sample >= level + 9'(THETA);
      assign down   = level >= sample + 9'(THETA);
      assign on_next[l*TB +: TB]  = TB'({on[l*TB +: TB], up});
      assign off_next[l*TB +: TB] = TB'({off[l*TB +: TB], down});
      if (MODE == 0) begin : g_delta
        assign q_next[l*8 +: 8] = 8'(sample);
      end else begin : g_sigma
        assign q_next[l*8 +: 8] = up   ? 8'(level + 9'(THETA))
                                : down ? 8'(level - 9'(THETA)) : 8'(level);
      end
    end
  end

  // Without steps there is none to read: the rule above is to be heard, not a complaint about that.
  if (TB > 0) begin : g_out
    assign put        = g_step[TB-1].valid;
    assign state_next = g_step[TB-1].q_next;

    always_ff @(posedge clk) begin
      if (ce) begin
        m_spike_tvalid <= g_step[TB-1].valid;
        m_spike_tdata  <= {g_step[TB-1].off_next, g_step[TB-1].on_next};
        m_spike_tlast  <= g_step[TB-1].last;
      end
      if (rst) m_spike_tvalid <= 1'b0;
    end
  end
endmodule
`default_nettype wire
