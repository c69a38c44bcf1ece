// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_axi_top as a device for pyflow.runtime.rtlsim: a command per line on stdin, an answer per line on stdout.
//
//   R ADDRESS          reads a register                       -> VALUE, or E on a bus error
//   W ADDRESS VALUE    writes one                             -> ok, or E
//   F HEX              a frame to be sent                     -> nothing
//   A LIMIT            waits for the next answer, at most LIMIT cycles without a transfer -> WORD WORD ..., or T
//   Z                  reset; frames and answers under way are dropped -> ok
//
// Numbers are decimal. Streams run while registers are accessed.
#include "verilated_common.h.fast"  // precompiled; nothing may stand before it

#include <cstdint>
#include <cstdio>
#include <deque>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "top.h"
#include "verilated.h"

namespace {

struct Simulation {
  std::unique_ptr<VerilatedContext> context = std::make_unique<VerilatedContext>();
  std::unique_ptr<Top> top = std::make_unique<Top>(context.get());
  std::deque<std::vector<uint8_t>> frames;      // still to be sent; of the first, from `sent` on
  size_t sent = 0;
  std::vector<uint32_t> answer;                 // that is coming in
  std::deque<std::vector<uint32_t>> answers;
  bool moved = false;                           // a word went over in the last cycle

  // Inputs change while the clock is low; then every output is what the next edge will see.
  void settle() {
    top->s_axis_tvalid = !frames.empty();
    if (!frames.empty()) {
      const auto& frame = frames.front();
      const size_t left = frame.size() - sent;
      uint32_t word = 0;
      for (size_t n = 0; n < 4 && n < left; ++n) word |= uint32_t(frame[sent + n]) << 8 * n;
      top->s_axis_tdata = word;
      top->s_axis_tkeep = left >= 4 ? 15 : (1 << left) - 1;
      top->s_axis_tlast = left <= 4;
    }
    top->m_axis_tready = 1;
    top->clk = 0;
    top->eval();
  }

  void edge() {
    moved = false;
    if (top->s_axis_tvalid && top->s_axis_tready) {
      moved = true;
      sent += 4;
      if (sent >= frames.front().size()) {
        frames.pop_front();
        sent = 0;
      }
    }
    if (top->m_axis_tvalid && top->m_axis_tready) {
      moved = true;
      answer.push_back(top->m_axis_tdata);
      if (top->m_axis_tlast) {
        answers.push_back(std::move(answer));
        answer.clear();
      }
    }
    top->clk = 1;
    top->eval();
  }

  void cycle() {
    settle();
    edge();
  }

  void reset() {
    frames.clear();
    answers.clear();
    answer.clear();
    sent = 0;
    top->aresetn = 0;
    for (int n = 0; n < 4; ++n) cycle();
    top->aresetn = 1;
    for (int n = 0; n < 4; ++n) cycle();
  }

  bool read(uint32_t address, uint32_t& value) {
    top->s_axi_ctrl_araddr = address;
    top->s_axi_ctrl_arvalid = 1;
    top->s_axi_ctrl_rready = 1;
    for (;;) {
      settle();
      const bool taken = top->s_axi_ctrl_arvalid && top->s_axi_ctrl_arready, done = top->s_axi_ctrl_rvalid;
      const bool good = top->s_axi_ctrl_rresp == 0;
      value = top->s_axi_ctrl_rdata;
      edge();
      if (taken) top->s_axi_ctrl_arvalid = 0;
      if (done) {
        top->s_axi_ctrl_rready = 0;
        return good;
      }
    }
  }

  bool write(uint32_t address, uint32_t value) {
    top->s_axi_ctrl_awaddr = address;
    top->s_axi_ctrl_wdata = value;
    top->s_axi_ctrl_wstrb = 15;
    top->s_axi_ctrl_awvalid = top->s_axi_ctrl_wvalid = top->s_axi_ctrl_bready = 1;
    for (;;) {
      settle();
      const bool aw = top->s_axi_ctrl_awvalid && top->s_axi_ctrl_awready;
      const bool w = top->s_axi_ctrl_wvalid && top->s_axi_ctrl_wready;
      const bool done = top->s_axi_ctrl_bvalid, good = top->s_axi_ctrl_bresp == 0;
      edge();
      if (aw) top->s_axi_ctrl_awvalid = 0;
      if (w) top->s_axi_ctrl_wvalid = 0;
      if (done) {
        top->s_axi_ctrl_bready = 0;
        return good;
      }
    }
  }
};

uint8_t hex(char c) { return uint8_t(c <= '9' ? c - '0' : c - 'a' + 10); }

}  // namespace

int main() {
  Simulation sim;
  sim.reset();
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream in(line);
    char command = 0;
    in >> command;
    if (command == 'R') {
      uint32_t address = 0, value = 0;
      in >> address;
      if (sim.read(address, value)) std::cout << value << std::endl;
      else std::cout << 'E' << std::endl;
    } else if (command == 'W') {
      uint32_t address = 0, value = 0;
      in >> address >> value;
      std::cout << (sim.write(address, value) ? "ok" : "E") << std::endl;
    } else if (command == 'F') {
      std::string text;
      in >> text;
      std::vector<uint8_t> frame;
      for (size_t n = 0; n + 1 < text.size(); n += 2) frame.push_back(uint8_t(hex(text[n]) << 4 | hex(text[n + 1])));
      sim.frames.push_back(std::move(frame));
    } else if (command == 'A') {
      uint64_t limit = 0, quiet = 0;
      in >> limit;
      while (sim.answers.empty() && quiet < limit) {
        sim.cycle();
        quiet = sim.moved ? 0 : quiet + 1;
      }
      if (sim.answers.empty()) {
        std::cout << 'T' << std::endl;
      } else {
        for (const uint32_t word : sim.answers.front()) std::cout << word << ' ';
        std::cout << std::endl;
        sim.answers.pop_front();
      }
    } else if (command == 'Z') {
      sim.reset();
      std::cout << "ok" << std::endl;
    } else {
      std::cerr << "server: unknown command '" << line << "'\n";
      return 2;
    }
  }
  return 0;
}
