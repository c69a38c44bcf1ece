# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Scalar models of the cores that move beats: what goes in comes out, in order.

A stream is a list of (data, last).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def skid(beats: Iterable[tuple[int, bool]]) -> list[tuple[int, bool]]:
    return list(beats)


def fifo(beats: Iterable[tuple[int, bool]]) -> list[tuple[int, bool]]:
    return list(beats)


def fifo_async(taken: Sequence[tuple[int, bool]], left: int = 0, since: int = 0) -> list[tuple[int, bool]]:
    """What leaves a FIFO with a reset in between: the first `left` of the beats before it, and all from `since` on."""
    return [*taken[:left], *taken[since:]]


def broadcast(beats: Iterable[tuple[int, bool]], n: int) -> list[list[tuple[int, bool]]]:
    """What each of the n sources gives."""
    sent = list(beats)
    return [list(sent) for _ in range(n)]


def join(a: Iterable[tuple[int, bool]], b: Iterable[tuple[int, bool]], a_w: int) -> list[tuple[int, bool]]:
    """a_w: bits of a, which lies below b."""
    return [(b_data << a_w | a_data, last) for (a_data, last), (b_data, _) in zip(a, b, strict=True)]


def round_robin(last: int, offers: Sequence[bool]) -> int:
    """The first that offers behind sink `last`, which comes last itself; there is one."""
    order = [(last + 1 + k) % len(offers) for k in range(len(offers))]
    return next(sink for sink in order if offers[sink])


def arbiter(packets: Sequence[Sequence[Sequence[tuple[int, bool]]]]) -> list[tuple[int, int, bool]]:
    """packets[sink][k]: beats. (sink, data, last) in the order of sinks that offer all they have from the start."""
    sent, left, sink = [], [list(queue) for queue in packets], len(packets) - 1
    while any(left):
        sink = round_robin(sink, [bool(queue) for queue in left])
        sent += [(sink, data, last) for data, last in left[sink].pop(0)]
    return sent


def replay(frame: list[int], passes: int) -> list[tuple[int, bool]]:
    """The frame's passes, each with its end marked."""
    return [(data, n == len(frame) - 1) for _ in range(passes) for n, data in enumerate(frame)]


def probe(cycles: Iterable[tuple[int, int, int]], spikes: bool) -> int:
    """Count of volley_stream_probe behind cycles of (valid, ready, data)."""
    if spikes:
        return sum(data.bit_count() for valid, ready, data in cycles if valid and ready)
    return sum(valid and not ready for valid, ready, _ in cycles)
