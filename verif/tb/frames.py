# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Frames on the 32-bit pixel stream, good and bad, for the benches of the guard and of the top."""

from __future__ import annotations

import random

from verif.tb.axis import Beat, Source

Words = list[tuple[int, int]]  # (data, tkeep), tlast on the last one


class _DataAndKeep:
    """tkeep above tdata, as one port."""

    def __init__(self, data, keep) -> None:
        self.data, self.keep = data, keep

    def __len__(self) -> int:
        return len(self.data) + len(self.keep)

    def _set(self, value: int) -> None:
        self.data.value, self.keep.value = value & ((1 << len(self.data)) - 1), value >> len(self.data)

    value = property(fset=_set)


def with_keep(source: Source) -> None:
    """Make `source` drive tkeep too."""
    source.data = _DataAndKeep(source.data, getattr(source.dut, f"{source.name}_tkeep"))


def beats(frame: Words) -> list[Beat]:
    return [Beat(keep << 32 | data, n == len(frame) - 1) for n, (data, keep) in enumerate(frame)]


def good(size: int) -> Words:
    return [(random.getrandbits(32), (1 << min(4, size - at)) - 1) for at in range(0, size, 4)]


def bad(size: int) -> Words:
    """A frame that ends early, late, or has an odd tkeep somewhere; now and then a good one."""
    count = -(-size // 4)
    length = random.choice((1, count - 1, count, count, count, count + 1, 2 * count + 3, random.randint(1, 3 * count)))
    words = good(4 * max(1, length))
    for _ in range(random.choice((0, 0, 1, 2))):
        words[random.randrange(len(words))] = (random.getrandbits(32), random.getrandbits(4))
    if random.random() < 0.5:
        words[-1] = (words[-1][0], random.choice((0, 1, 3, 7, 15)))
    return words


def directed(size: int) -> list[Words]:
    """Each fault by itself, a good frame after each."""
    whole, count = good(size), -(-size // 4)
    tail = whole[-1][1]
    faults = [
        [(random.getrandbits(32), 15)],                              # aborted after one word
        [(0, 0)],                                                    # no byte at all
        whole[:-1] or whole,                                         # one word short
        [*whole[:-1], (0xFFFFFFFF, tail >> 1)],                      # one byte short
        [*whole[:-1], (0xFFFFFFFF, 15)],                             # up to three bytes long
        [*whole, (0xFFFFFFFF, 1)],                                   # one word long
        [*whole, (0xFFFFFFFF, 0)],                                   # an empty word at the end
        whole + good(4 * (3 * count + 1)),                           # runs on and on
        [(0xFFFFFFFF, 0b1011), *whole[1:]],                          # a hole
        [(0xFFFFFFFF, 0b0011), *whole[1:]],                          # half a word in the middle
        [(0xFFFFFFFF, 0b1110), *whole[1:]],                          # a late start
        [*whole[:-1], (0xFFFFFFFF, 0b1000)],                         # only a byte in the wrong place
    ]
    return [frame for fault in faults for frame in (fault, good(size))]
