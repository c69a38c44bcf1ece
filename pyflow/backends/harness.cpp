// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Full-speed simulation of volley_top: frames in, logits and trailers out, cycle counts, and on request
// every beat of every stream of the network. Knows nothing of the reference.
//
//   Vvolley_top frames.bin FRAMES OUT_DIR [--taps N] [--solo N] [--stall-in P] [--stall-out P] [--seed S]
//               [--limit CYCLES] [--vcd FILE | --saif FILE] [--progress] [--words FILE]
//
// frames.bin: FRAMES x FRAME_BYTES bytes. Writes OUT_DIR/results.bin, (CLASSES + 1) int32 per frame;
// OUT_DIR/times.bin, two uint64 per frame (cycle of its first word in, cycle of its last logit out) and
// one of its trailer; for the first N frames of --taps OUT_DIR/<stream>.tap, the payload of each beat,
// rounded up to whole 32-bit words; OUT_DIR/stats.json. --solo N: the first N frames go one at a time.
// --words FILE: uint32 per frame, the words to send of it before tlast (too few or too many on purpose).
#include "verilated_common.h.fast"  // precompiled; nothing may stand before it

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "top.h"
#include "verilated.h"
#if VM_TRACE_SAIF
#include "verilated_saif_c.h"
using Trace = VerilatedSaifC;
#elif VM_TRACE
#include "verilated_vcd_c.h"
using Trace = VerilatedVcdC;
#endif
#include "taps.h"  // FRAME_BYTES, CLASSES, PROBES, VOLLEY_STREAMS(X): X(name, words, beats per frame)

namespace {

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "harness: %s\n", what.c_str());
  std::exit(2);
}

// A result file. What cannot be written ends the simulation: a short file would pass for a wrong answer.
class Output {
 public:
  Output() = default;
  Output(const std::string& dir, const std::string& name) : path_(dir + "/" + name), file_(std::fopen(path_.c_str(), "wb")) {
    check(file_);
  }
  void write(const void* data, size_t size, size_t count) { check(std::fwrite(data, size, count, file_) == count); }
  template <typename... Values>
  void print(const char* format, Values... values) { check(std::fprintf(file_, format, values...) >= 0); }
  void close() {
    if (file_) check(std::fclose(file_) == 0);
    file_ = nullptr;
  }

 private:
  void check(bool good) const {
    if (!good) fail("cannot write " + path_ + ": " + std::strerror(errno));
  }
  std::string path_;
  FILE* file_ = nullptr;
};

struct Tap {
  const char* name;
  uint64_t limit = 0;     // beats to record
  uint64_t due = 0;       // beats of all frames
  uint64_t beats = 0;
  uint64_t stalls = 0;    // cycles with tvalid and no tready
  Output file;
};

template <typename T>
void record(Tap& tap, const T& data, size_t words) {
  uint32_t buffer[2] = {};
  const void* source = &data;
  if (sizeof(T) < 4 * words) {  // CData, SData: widen
    std::memcpy(buffer, &data, sizeof(T));
    source = buffer;
  }
  tap.file.write(source, 4, words);
}

uint64_t rng_state = 1;
uint32_t next_random() {  // xorshift64*
  rng_state ^= rng_state >> 12;
  rng_state ^= rng_state << 25;
  rng_state ^= rng_state >> 27;
  return uint32_t((rng_state * 0x2545F4914F6CDD1DULL) >> 33);
}
bool chance(double p) { return p > 0 && next_random() < p * 2147483648.0; }

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) fail("usage: frames.bin FRAMES OUT_DIR [options]");
  const std::string input = argv[1], dir = argv[3];
  const uint64_t frames = std::strtoull(argv[2], nullptr, 10);
  uint64_t tap_frames = 0, solo = 0, limit = 1000000;
  double stall_in = 0, stall_out = 0;
  std::string waves, lengths;
  bool progress = false;
  for (int i = 4; i < argc; ++i) {
    const std::string a = argv[i];
    if (a == "--progress") { progress = true; continue; }
    if (i + 1 >= argc) fail("option " + a + " needs a value");
    const char* v = argv[++i];
    if (a == "--taps") tap_frames = std::strtoull(v, nullptr, 10);
    else if (a == "--solo") solo = std::strtoull(v, nullptr, 10);
    else if (a == "--stall-in") stall_in = std::atof(v);
    else if (a == "--stall-out") stall_out = std::atof(v);
    else if (a == "--seed") rng_state = std::strtoull(v, nullptr, 10) * 2 + 1;
    else if (a == "--limit") limit = std::strtoull(v, nullptr, 10);
    else if (a == "--vcd" || a == "--saif") waves = v;
    else if (a == "--words") lengths = v;
    else fail("unknown option " + a);
  }

  std::vector<uint8_t> pixels(frames * FRAME_BYTES + 4);
  FILE* f = std::fopen(input.c_str(), "rb");
  if (!f || std::fread(pixels.data(), 1, frames * FRAME_BYTES, f) != frames * FRAME_BYTES) fail("cannot read " + input);
  std::fclose(f);
  constexpr uint64_t words = (FRAME_BYTES + 3) / 4;
  constexpr uint8_t last_keep = FRAME_BYTES % 4 ? (1 << (FRAME_BYTES % 4)) - 1 : 15;
  std::vector<uint32_t> length(frames, words);
  if (!lengths.empty()) {
    f = std::fopen(lengths.c_str(), "rb");
    if (!f || std::fread(length.data(), 4, frames, f) != frames) fail("cannot read " + lengths);
    std::fclose(f);
  }

  auto context = std::make_unique<VerilatedContext>();
  auto top = std::make_unique<Top>(context.get());
#if VM_TRACE
  std::unique_ptr<Trace> trace;
  if (!waves.empty()) {
    context->traceEverOn(true);
    trace = std::make_unique<Trace>();
    top->trace(trace.get(), 99);
    trace->open(waves.c_str());
    if (!trace->isOpen()) fail("cannot write " + waves + ": " + std::strerror(errno));
  }
#else
  if (!waves.empty()) fail("this build has no waves");
#endif

  std::vector<Tap> taps;
#define X(NAME, WORDS, BEATS) taps.push_back({#NAME, tap_frames * (BEATS), frames * (BEATS)});
  VOLLEY_STREAMS(X)
#undef X
  if (tap_frames)
    for (auto& tap : taps) tap.file = Output(dir, std::string(tap.name) + ".tap");
  Output results(dir, "results.bin");
  Output times(dir, "times.bin");

  uint64_t cycle = 0, sent_frame = 0, sent_word = 0, got_frame = 0, got_word = 0, quiet = 0;
  std::vector<uint64_t> first_in(frames);
  uint64_t last_logit = 0;
  bool offered = false;  // a word that was shown stays until taken

  top->aresetn = 0;
  top->clk = 0;
  top->s_axis_tvalid = 0;
  top->m_axis_tready = 0;
  top->load_select = 0;
  top->load_valid = 0;
  top->load_data = 0;
  top->cfg_probe = 0;
  for (int i = 0; i < 8; ++i) {
    top->clk = !top->clk;
    top->eval();
  }
  top->aresetn = 1;
  top->clk = 1;
  top->eval();

  // Beats that no logit depends on (what a pool cuts off) may still be under way at the last answer.
  const auto draining = [&] {
    for (const Tap& tap : taps)
      if (tap.limit && tap.beats < tap.due) return true;
    return false;
  };

  constexpr int settle = 8;  // cycles until the last saturation is in stat_saturated
  for (int settled = 0; got_frame < frames || draining() || settled++ < settle;) {
    // Inputs change while the clock is low; then every output is what the next edge will see.
    const bool may_send = sent_frame < frames && (sent_frame >= solo ? got_frame >= solo : got_frame == sent_frame);
    offered = offered || (may_send && !chance(stall_in));
    top->s_axis_tvalid = offered;
    if (offered) {
      // Beyond the frame's end whatever follows is sent: the guard must drop it.
      const uint8_t* p = &pixels[(sent_frame * FRAME_BYTES + sent_word * 4) % (frames * FRAME_BYTES)];
      const bool last = sent_word == length[sent_frame] - 1;
      top->s_axis_tdata = p[0] | p[1] << 8 | p[2] << 16 | uint32_t(p[3]) << 24;
      top->s_axis_tkeep = sent_word == words - 1 && last ? last_keep : 15;
      top->s_axis_tlast = last;
    }
    top->m_axis_tready = !chance(stall_out);
    top->clk = 0;
    top->eval();
#if VM_TRACE
    if (trace) trace->dump(cycle * 10 + 5);
#endif

    if (offered && top->s_axis_tready) {
      if (sent_word == 0) first_in[sent_frame] = cycle;
      offered = false;
      quiet = 0;
      if (++sent_word == length[sent_frame]) {
        sent_word = 0;
        ++sent_frame;
      }
    }
    if (top->m_axis_tvalid && top->m_axis_tready) {
      const uint32_t word = top->m_axis_tdata;
      if (bool(top->m_axis_tlast) != (got_word == CLASSES)) fail("m_axis_tlast out of place in frame " + std::to_string(got_frame));
      results.write(&word, 4, 1);
      quiet = 0;
      if (got_word == CLASSES - 1) last_logit = cycle;
      if (got_word++ == CLASSES) {
        const uint64_t stamp[3] = {first_in[got_frame], last_logit, cycle};
        times.write(stamp, 8, 3);
        got_word = 0;
        ++got_frame;
        if (progress && got_frame % 50 == 0) {
          std::printf("%" PRIu64 "\n", got_frame);
          std::fflush(stdout);
        }
      }
    }
    if (tap_frames) {
      const auto* net = top->rootp;
      size_t i = 0;
#define X(NAME, WORDS, BEATS)                                                             \
  {                                                                                       \
    Tap& tap = taps[i++];                                                                 \
    if (net->NET(NAME##_tvalid)) {                                                        \
      if (!net->NET(NAME##_tready)) ++tap.stalls;                                         \
      else if (quiet = 0; tap.beats++ < tap.limit) record(tap, net->NET(NAME##_tdata), WORDS); \
    }                                                                                     \
  }
      VOLLEY_STREAMS(X)
#undef X
    }

    top->clk = 1;
    top->eval();
#if VM_TRACE
    if (trace) trace->dump(cycle * 10 + 10);
#endif
    ++cycle;
    if (++quiet > limit) break;
  }
#if VM_TRACE
  if (trace) trace->close();
#endif
  std::vector<uint32_t> probes;
  top->s_axis_tvalid = 0;
  for (unsigned n = 0; n < PROBES; ++n) {  // shown one cycle after they are named
    top->cfg_probe = n;
    top->clk = 0;
    top->eval();
    top->clk = 1;
    top->eval();
    probes.push_back(top->stat_probe);
  }
  top->final();

  Output stats(dir, "stats.json");
  stats.print("{\"frames\": %" PRIu64 ", \"cycles\": %" PRIu64 ", \"stuck\": %s, \"in_stall\": %" PRIu64 ", \"out_stall\": %" PRIu64 ", \"saturated\": %u, ",
              got_frame, cycle, got_frame < frames ? "true" : "false", uint64_t(top->stat_in_stall), uint64_t(top->stat_out_stall),
               unsigned(top->stat_saturated));
  stats.print("\"probes\": [");
  for (size_t n = 0; n < probes.size(); ++n) stats.print("%s%u", n ? ", " : "", unsigned(probes[n]));
  stats.print("], \"streams\": {");
  if (tap_frames)
    for (size_t i = 0; i < taps.size(); ++i)
      stats.print("%s\"%s\": {\"beats\": %" PRIu64 ", \"stalls\": %" PRIu64 "}", i ? ", " : "", taps[i].name, taps[i].beats, taps[i].stalls);
  stats.print("}}\n");
  stats.close();
  results.close();
  times.close();
  for (auto& tap : taps) tap.file.close();
  return 0;
}
