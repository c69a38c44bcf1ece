# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Frames on the 32-bit pixel stream, good and bad, for the benches of the guard and of the top."""

from __future__ import annotations

import random
from typing import Any

from cocotb.triggers import FallingEdge, ReadOnly

from verif.tb.axis import Beat, Source


async def quiet_in_reset(dut: Any) -> None:
    """Behind every clock edge at which aresetn is low, if only at one, a top offers nothing and takes nothing."""
    low = True
    while True:
        await FallingEdge(dut.clk)
        await ReadOnly()
        if low:
            assert not int(dut.m_axis_tvalid.value)
            assert not int(dut.s_axis_tready.value)
        low = not int(dut.aresetn.value)


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
    return with_nulls(words) if random.random() < 0.3 else words


NULL = (0xFFFFFFFF, 0)  # a beat without any byte; what its data says must not matter


def with_nulls(words: Words) -> Words:
    """The same bytes, with null beats among them; one of them may carry the tlast."""
    result = list(words)
    for _ in range(random.randint(1, 4)):
        result.insert(random.randint(0, len(result)), NULL)
    return result


def directed(size: int) -> list[Words]:
    """Each fault by itself, a good frame after each."""
    whole, count = good(size), -(-size // 4)
    tail = whole[-1][1]
    faults = [
        [(random.getrandbits(32), 15)],  # aborted after one word
        [NULL],  # no byte at all
        [NULL, NULL, NULL],
        [NULL, *whole],
        [*whole[:1], NULL, NULL, *whole[1:]],  # null beats in a good frame: none of them counts
        [*whole, NULL],
        [*whole, NULL, NULL],  # tlast on a null beat
        [*whole[:-1], NULL],  # the same, one word short
        [*whole[:-1], (0xFFFFFFFF, tail >> 1), NULL],  # one byte short
        [*whole, NULL, (0xFFFFFFFF, 1), NULL],  # one word long, null beats around it
        [*whole, (0xFFFFFFFF, 1), NULL],
        [(0xFFFFFFFF, 0b0011), NULL, *whole[1:]],  # half a word in the middle
        [(0xFFFFFFFF, 0b0011), NULL],  # half a word at the end
        [(0xFFFFFFFF, 0b1011), NULL, *whole[1:], NULL],  # a hole
        whole[:-1] or whole,  # one word short
        [*whole[:-1], (0xFFFFFFFF, tail >> 1)],  # one byte short
        [*whole[:-1], (0xFFFFFFFF, 15)],  # up to three bytes long
        [*whole, (0xFFFFFFFF, 1)],  # one word long
        whole + good(4 * (3 * count + 1)),  # runs on and on
        [(0xFFFFFFFF, 0b1011), *whole[1:]],  # a hole
        [(0xFFFFFFFF, 0b0011), *whole[1:]],  # half a word in the middle
        [(0xFFFFFFFF, 0b1110), *whole[1:]],  # a late start
        [*whole[:-1], (0xFFFFFFFF, 0b1000)],  # only a byte in the wrong place
    ]
    return [frame for fault in faults for frame in (fault, good(size))]
