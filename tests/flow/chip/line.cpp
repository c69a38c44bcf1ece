// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// A host at the serial line of a chip: sends each request when the one before has been answered.
//   line REQUESTS RESPONSES CYCLES_PER_BIT
// REQUESTS: for each packet its number of bytes (uint16) and its bytes on the line. RESPONSES: bytes from the line.
// Exit status 1 if an answer does not come within 100,000 cycles. Prints the cycles it took.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>
#include "Vicebreaker_top.h"

static const uint8_t END = 0xC0;

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  FILE* in = fopen(argv[1], "rb");
  FILE* out = fopen(argv[2], "wb");
  const unsigned bit = atoi(argv[3]);
  if (!in || !out || !bit) return 2;

  VerilatedContext context;
  Vicebreaker_top chip(&context);
  chip.eval();                      // defaults of inputs in the cell models reach the pins, once
  chip.RX = 1;
  chip.BTN_N = 1;
  uint64_t cycles = 0;
  unsigned wait = 0, bits = 0;      // receiver: cycles to the middle of the next bit, bits left of this byte
  uint32_t shifted = 0;
  bool seen = false, answered = false;
  auto cycle = [&] {
    chip.CLK = 1;
    chip.eval();
    chip.CLK = 0;
    chip.eval();
    cycles++;
    if (!bits) {
      if (!chip.TX) bits = 10, wait = bit / 2;
    } else if (--wait == 0) {
      wait = bit;
      shifted = shifted >> 1 | (chip.TX ? 1u << 9 : 0);
      if (--bits == 0) {
        const uint8_t byte = shifted >> 1 & 0xFF;
        fputc(byte, out);
        answered |= byte == END && seen;
        seen = byte != END;
      }
    }
  };

  for (int n = 0; n < 1000; n++) cycle();
  seen = false;                     // TX was low before the reset
  std::vector<uint8_t> packet;
  for (int low; (low = fgetc(in)) != EOF;) {
    packet.resize(low | fgetc(in) << 8);
    if (fread(packet.data(), 1, packet.size(), in) != packet.size()) return 2;
    answered = false;
    for (uint8_t byte : packet)
      for (uint32_t frame = byte << 1 | 1 << 9, n = 0; n < 10; n++) {
        chip.RX = frame >> n & 1;
        for (unsigned c = 0; c < bit; c++) cycle();
      }
    const uint64_t limit = cycles + 100000;
    while (!answered && cycles < limit) cycle();
    if (!answered) {
      fprintf(stderr, "no answer after cycle %llu, LEDR_N %d, LEDG_N %d\n", (unsigned long long)cycles, int(chip.LEDR_N),
              int(chip.LEDG_N));
      return 1;
    }
  }
  printf("%llu %d %d\n", (unsigned long long)cycles, int(chip.LEDR_N), int(chip.LEDG_N));
  return 0;
}
