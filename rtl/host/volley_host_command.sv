// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Executes the packets of a host, each once: registers through an AXI4-Lite master, frames into and results out
// of the network's streams, reset. Formats: docs/formats.md.
//   request   seq, command, address (2 bytes), payload      command: bits 1:0 operation, bit 2 LAST, bit 3 WAIT
//   response  seq, command, status, words, payload          status: bit 0 last, bit 1 bus error, bit 2 broken
// A request with the number of the one before is not executed again: its response is sent once more. So a host may
// repeat whatever got no answer, and send a request before the last one is answered. Only a RESET that has come ends
// the wait of a stream that is stuck: the network is reset, for a frame has been cut, and streams are refused (broken)
// until that RESET is executed. An offered word of a frame holds until the network's reset. The first request of a host
// is a reset. A packet has at least the four bytes of the header. 2 cycles/byte out, 5 cycles/word in.
// Model: verif/models/host.py.
`default_nettype none
module volley_host_command (
  input  wire logic        clk,
  input  wire logic        rst,                // synchronous, active high
  // Sink: a request per packet
  input  wire logic        s_packet_tvalid,
  output logic             s_packet_tready,
  input  wire logic [7:0]  s_packet_tdata,
  input  wire logic        s_packet_tlast,
  input  wire logic        rx_reset,           // one cycle: a RESET has come, it may still be behind other packets
  // Sink: results of the network
  input  wire logic        s_result_tvalid,
  output logic             s_result_tready,
  input  wire logic [31:0] s_result_tdata,
  input  wire logic        s_result_tlast,
  // Source: a response per packet
  output logic             m_packet_tvalid,
  input  wire logic        m_packet_tready,
  output logic [7:0]       m_packet_tdata,
  output logic             m_packet_tlast,
  // Source: frames for the network
  output logic             m_frame_tvalid,
  input  wire logic        m_frame_tready,
  output logic [31:0]      m_frame_tdata,
  output logic [3:0]       m_frame_tkeep,
  output logic             m_frame_tlast,
  // AXI4-Lite master
  output logic             m_axi_ctrl_awvalid,
  input  wire logic        m_axi_ctrl_awready,
  output logic [11:0]      m_axi_ctrl_awaddr,
  output logic             m_axi_ctrl_wvalid,
  input  wire logic        m_axi_ctrl_wready,
  output logic [31:0]      m_axi_ctrl_wdata,
  input  wire logic        m_axi_ctrl_bvalid,
  output logic             m_axi_ctrl_bready,
  input  wire logic [1:0]  m_axi_ctrl_bresp,
  output logic             m_axi_ctrl_arvalid,
  input  wire logic        m_axi_ctrl_arready,
  output logic [11:0]      m_axi_ctrl_araddr,
  input  wire logic        m_axi_ctrl_rvalid,
  output logic             m_axi_ctrl_rready,
  input  wire logic [31:0] m_axi_ctrl_rdata,
  input  wire logic [1:0]  m_axi_ctrl_rresp,
  // Status
  output logic             net_rst,            // one cycle: reset the network and its registers
  output logic             stat_busy,          // a request is being executed or answered
  output logic             stat_broken
);
  localparam logic [1:0]  READ = 2'd0, WRITE = 2'd1, STREAM = 2'd2, RESET = 2'd3;
  localparam int unsigned WORDS = 63;          // of a response; the buffer's first word would be the header

  typedef enum logic [2:0] {HEAD, LOAD, PUT, SKIP, FETCH, DRAIN, STORE, SEND} state_t;

  state_t      state_q, state_d;
  logic [7:0]  seq_q, command_q;
  logic [11:0] addr_q;
  logic [1:0]  index;                          // byte of a header or word
  logic        same, ended;                    // the request is the one before; its packet has been read
  logic        last, error;                    // of the response
  logic [5:0]  words;                          // of the response
  logic [7:0]  place;                          // byte of the response
  logic        fetched;                        // its byte is at the buffer's output
  logic [31:0] word;
  logic [7:0]  stored;
  logic        aw_q, w_q, ar_q;                // still to be taken
  logic [1:0]  operation;
  logic        give_way;                       // a RESET has come and was not executed so far
  logic        take, head, step, abort, answer;
  state_t      after_payload;

  assign operation = command_q[1:0];
  assign take      = s_packet_tvalid && s_packet_tready;
  assign head      = state_q == HEAD && take && index == 2'd3;
  assign abort     = give_way && !net_rst
                  && ((m_frame_tvalid && !m_frame_tready) || (s_result_tready && !s_result_tvalid));
  assign stat_busy = state_q != HEAD;
  assign after_payload = operation == STREAM ? DRAIN : SEND;
  // What is sent back once the word at hand is stored
  assign answer    = operation == READ || last || words == 6'(WORDS - 1);

  assign s_packet_tready = state_q == HEAD || state_q == LOAD || state_q == SKIP;
  assign s_result_tready = state_q == DRAIN;

  assign m_frame_tvalid = state_q == PUT && operation == STREAM;
  assign m_frame_tdata  = word;
  assign m_frame_tlast  = ended && command_q[2];
  // `index` has moved on behind the last byte that was read.
  assign m_frame_tkeep  = index == 2'd0 ? 4'hf : 4'hf >> (3'd4 - {1'b0, index});

  assign m_axi_ctrl_awvalid = aw_q;
  assign m_axi_ctrl_wvalid  = w_q;
  assign m_axi_ctrl_arvalid = ar_q;
  assign m_axi_ctrl_awaddr  = addr_q;
  assign m_axi_ctrl_araddr  = addr_q;
  assign m_axi_ctrl_wdata   = word;
  assign m_axi_ctrl_bready  = state_q == PUT;
  assign m_axi_ctrl_rready  = state_q == FETCH;

  assign m_packet_tvalid = state_q == SEND && fetched;
  assign m_packet_tlast  = place == {words, 2'd3};

  always_comb begin
    unique case (place)
      8'd0:    m_packet_tdata = seq_q;
      8'd1:    m_packet_tdata = command_q;
      8'd2:    m_packet_tdata = {5'd0, stat_broken, error, last};
      8'd3:    m_packet_tdata = {2'd0, words};
      default: m_packet_tdata = stored;
    endcase
  end

  always_comb begin
    state_d = state_q;
    step    = 1'b0;
    unique case (state_q)
      HEAD: if (head) begin
        if (operation == RESET || same || (operation == STREAM && stat_broken))
          state_d = s_packet_tlast ? SEND : SKIP;
        else if (operation == READ) state_d = FETCH;
        else state_d = s_packet_tlast ? after_payload : LOAD;
      end
      LOAD: if (take && (s_packet_tlast || index == 2'd3)) state_d = PUT;
      PUT: begin
        step = !net_rst && (operation == STREAM ? m_frame_tready : m_axi_ctrl_bvalid);
        if (net_rst) state_d = ended ? SEND : SKIP;    // aborted; the network takes nothing any more
        else if (step) state_d = ended ? after_payload : LOAD;
      end
      SKIP: if (ended || (take && s_packet_tlast)) state_d = SEND;
      FETCH: if (m_axi_ctrl_rvalid) state_d = STORE;
      DRAIN: begin
        if (net_rst) state_d = SEND;
        else if (s_result_tvalid) state_d = STORE;
        else if (!command_q[3] && words == 0) state_d = SEND;
      end
      STORE: if (index == 2'd3) state_d = !answer ? DRAIN : ended ? SEND : SKIP;
      SEND: if (m_packet_tready && fetched && m_packet_tlast) state_d = HEAD;
    endcase
  end

  volley_ram #(.DATA_W(8), .DEPTH(256), .STYLE("block")) u_buffer (
    .clk, .we(state_q == STORE), .waddr({words + 6'd1, index}), .wdata(word[7:0]),
    .re(state_q == SEND && !fetched), .raddr(place), .rdata(stored)
  );

  always_ff @(posedge clk) begin
    state_q <= state_d;
    net_rst <= 1'b0;
    if (take) ended <= s_packet_tlast;
    if (take || state_q == STORE) index <= index + 1'b1;
    // ---------------------------------------------------------------- request
    if (state_q == HEAD && take) begin
      unique case (index)
        2'd0: same <= s_packet_tdata == seq_q;
        2'd1: command_q <= s_packet_tdata;
        2'd2: addr_q[7:0] <= s_packet_tdata;
        2'd3: addr_q[11:8] <= s_packet_tdata[3:0];
      endcase
      if (index == 2'd0) seq_q <= s_packet_tdata;
      if (s_packet_tlast) index <= '0;
    end
    if (head && (!same || operation == RESET)) begin
      words <= '0;
      last  <= 1'b0;
      error <= 1'b0;
      ar_q  <= operation == READ;
    end
    if (head && operation == RESET) begin
      net_rst     <= 1'b1;
      stat_broken <= 1'b0;
      give_way    <= 1'b0;
    end
    if (rx_reset) give_way <= 1'b1;
    // ---------------------------------------------------------------- words
    for (int unsigned n = 0; n < 4; n++)
      if (state_q == LOAD && take && index == 2'(n)) word[n*8 +: 8] <= s_packet_tdata;
    if (state_q == LOAD && state_d == PUT) {aw_q, w_q} <= {2{operation == WRITE}};
    if (aw_q && m_axi_ctrl_awready) aw_q <= 1'b0;
    if (w_q && m_axi_ctrl_wready) w_q <= 1'b0;
    if (ar_q && m_axi_ctrl_arready) ar_q <= 1'b0;
    if (step) index <= '0;
    if (state_q == PUT && operation == WRITE && step && m_axi_ctrl_bresp != '0) error <= 1'b1;
    if (state_q == FETCH && m_axi_ctrl_rvalid) begin
      word  <= m_axi_ctrl_rdata;
      error <= m_axi_ctrl_rresp != '0;
    end
    if (state_q == DRAIN && s_result_tvalid && !net_rst) begin
      word <= s_result_tdata;
      last <= s_result_tlast;
    end
    if (state_q == STORE) word <= {8'd0, word[31:8]};
    if (state_q == STORE && index == 2'd3) words <= words + 1'b1;
    if (abort) begin
      net_rst     <= 1'b1;
      stat_broken <= 1'b1;
    end
    // ---------------------------------------------------------------- response
    if (state_q == SEND) begin
      fetched <= !fetched || !m_packet_tready;
      if (fetched && m_packet_tready) place <= place + 1'b1;
    end else begin
      fetched <= 1'b0;
      place   <= '0;
      if (state_d == SEND) index <= '0;
    end
    if (rst) begin
      state_q     <= HEAD;
      net_rst     <= 1'b0;
      index       <= '0;
      seq_q       <= '0;
      words       <= '0;
      aw_q        <= 1'b0;
      w_q         <= 1'b0;
      ar_q        <= 1'b0;
      stat_broken <= 1'b0;
      fetched     <= 1'b0;
      give_way    <= 1'b0;
    end
  end
endmodule
`default_nettype wire
