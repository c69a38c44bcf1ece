# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Streams for cocotb benches: drivers, monitors, stalls, protocol checks, an ordered scoreboard.

A bench reads: vectors, prediction, send, receive, compare.

    import random

    import cocotb
    from verif.models.stream import fifo
    from verif.tb.axis import FLOWS, TB, params

    @cocotb.test()
    @cocotb.parametrize(flow=list(FLOWS))
    async def random_beats(dut, flow):
        tb = TB(dut, flow=flow)                    # s_axis_t* -> m_axis_t*; sources=, sinks= name others
        await tb.reset()
        beats = [Beat(random.getrandbits(8), last=i % 7 == 6) for i in range(100)]
        tb.expect(fifo(beats))                     # or tb.expect(.., sink="m_spike")
        tb.send(beats)                             # or tb.send(.., source="s_spike"); returns at once
        await tb.finish()                          # everything sent, everything compared, nothing left over
        if flow == "full":
            assert tb.sink.accepted[-1] - tb.sink.accepted[0] == len(beats) - 1

Time: everything drives on the falling edge and samples once signals have settled, just before the rising
edge that makes the transfer; so nothing depends on how a simulator orders events around the clock edge.
`accepted[n]` is the number of the clock cycle in which beat n went over: latency = sink - source.

Coverage: every stream brings the bins that flow control needs, see `Source`, `Sink` and `TB`; a bench adds
what is particular to its core (coverage.py).
"""

from __future__ import annotations

import itertools
import json
import os
import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

import cocotb
from cocotb.clock import Clock
from cocotb.handle import Immediate
from cocotb.triggers import ClockCycles, FallingEdge, ReadOnly, RisingEdge
from cocotb.utils import get_sim_time

from verif.tb.coverage import declare, hit

PERIOD_NS = 10
Stall = Iterator[bool]  # one value a cycle: True = this side does not move

# name -> (probability that a source idles, probability that a sink stalls); None: ready only after valid,
# which deadlocks a core whose tvalid waits for tready.
FLOWS: dict[str, tuple[float, float | None]] = {
    "full": (0.0, 0.0),
    "slow_source": (0.6, 0.0),
    "slow_sink": (0.0, 0.6),
    "both": (0.4, 0.5),
    "ready_after_valid": (0.0, None),
}


class Beat(NamedTuple):
    """One transfer; lane 0 is in the least significant bits of `data`."""

    data: int
    last: bool = False

    def __str__(self) -> str:
        return f"0x{self.data:x}{' last' if self.last else ''}"


def params() -> dict[str, Any]:
    """The RTL parameters that the harness built the DUT with."""
    return json.loads(os.environ["VOLLEY_PARAMETERS"])


def pack(lanes: Sequence[int], width: int) -> int:
    """Lane values (signed or not) to one payload, lane 0 in the least significant bits."""
    return sum((value & ((1 << width) - 1)) << (lane * width) for lane, value in enumerate(lanes))


def unpack(data: int, width: int, lanes: int, signed: bool = False) -> list[int]:
    """Payload to lane values; the inverse of `pack`."""
    values = [(data >> (lane * width)) & ((1 << width) - 1) for lane in range(lanes)]
    return [v - (1 << width) if signed and v >> (width - 1) else v for v in values]


def cycle() -> int:
    """Number of the clock cycle; only differences mean something."""
    return round(get_sim_time("ps")) // (1000 * PERIOD_NS)


def random_stall(probability: float) -> Stall:
    """Runs of random length, `probability` of the cycles stalled; draws from the bench's seed."""
    rng = random.Random(random.getrandbits(32))
    while True:
        stalled = rng.random() < probability
        yield from itertools.repeat(stalled, 1 if probability in (0.0, 1.0) else rng.choice((1, 1, 1, 2, 5)))


def changing_stall() -> Stall:
    """Now and then another probability, 0 and 1 among them: a core fills up, drains, and trickles in turn."""
    while True:
        stall = random_stall(random.choice((0.0, 0.2, 0.5, 0.8, 1.0)))
        yield from itertools.islice(stall, random.randrange(3, 30))


class _Agent:
    """What both ends of a stream share: the ports and the cycle loop."""

    _paused: ClassVar = {"source": -9, "sink": -99}  # the last cycle in which any of them did not move

    def __init__(self, dut: Any, name: str, stall: Stall | None) -> None:
        self.dut, self.name = dut, name
        self.stall = stall if stall is not None else itertools.repeat(False)
        self.valid, self.ready, self.data = (getattr(dut, f"{name}_t{port}") for port in ("valid", "ready", "data"))
        self.tlast = getattr(dut, f"{name}_tlast", None)
        self.accepted: list[int] = []  # cycle of each transfer
        self.in_reset: Callable[[], bool] | None = None  # where another signal than rst tells

    def start(self) -> None:
        cocotb.start_soon(self._run())

    async def _run(self) -> None:
        while True:
            await FallingEdge(self.dut.clk)
            self._drive()
            await ReadOnly()
            self._sample(bool(int(self.dut.rst.value)) if self.in_reset is None else self.in_reset())

    def _drive(self) -> None: ...
    def _sample(self, in_reset: bool) -> None: ...

    def _pause(self, side: str, bin: str) -> None:
        hit(f"{self.name} {bin}")
        self._paused[side] = cycle()
        hit("both ends stall", abs(self._paused["source"] - self._paused["sink"]) <= 1)


class Source(_Agent):
    """Drives `s_<name>_t*`: queue beats with `send`.

    Bins: idle (nothing offered though there is something to send), waits (offered, not taken), back-to-back
    frames (a frame offered right behind the one before; streams with tlast).
    """

    def __init__(self, dut: Any, name: str, stall: Stall | None = None) -> None:
        super().__init__(dut, name, stall)
        self.queue: deque[Beat] = deque()
        self._offered = False
        self._ended = False  # a frame's last beat went over in the cycle before
        self.waited = 0  # cycles in which a beat was offered and not taken
        self.valid.value = 0
        declare(f"{name} idle", f"{name} waits", *([f"{name} back-to-back frames"] if self.tlast is not None else []))

    def send(self, beats: Iterable[Beat | int]) -> None:
        self.queue.extend(b if isinstance(b, Beat) else Beat(b) for b in beats)

    def _drive(self) -> None:
        # Once offered, a beat stays; the stall generator decides only when the next one is offered.
        if not self._offered:
            stalled = next(self.stall)
            self._offered = bool(self.queue) and not stalled
        self.valid.value = int(self._offered)
        if self._offered:
            self.data.value = self.queue[0].data
        else:  # garbage while idle: a core must not look at it
            self.data.value = random.getrandbits(len(self.data))
        if self.tlast is not None:
            self.tlast.value = int(self.queue[0].last) if self._offered else random.getrandbits(1)

    def _sample(self, in_reset: bool) -> None:
        ended, self._ended = self._ended, False
        if in_reset:
            self._offered = False
        elif not self._offered:
            if self.queue:
                self._pause("source", "idle")
        else:
            hit(f"{self.name} back-to-back frames", ended)
            if int(self.ready.value):
                self._ended = self.tlast is not None and self.queue[0].last
                self.queue.popleft()
                self.accepted.append(cycle())
                self._offered = False
            else:
                self.waited += 1
                hit(f"{self.name} waits")


class Sink(_Agent):
    """Takes beats from `m_<name>_t*`, records them, checks that a stalled beat does not change.

    Bin: stalled (offered, not taken).
    """

    def __init__(self, dut: Any, name: str, stall: Stall | None = None, after_valid: bool = False) -> None:
        super().__init__(dut, name, stall)
        self.beats: list[Beat] = []
        self.stalled = 0  # cycles in which a beat was offered and not taken
        self.on_beat: Callable[[Beat], None] = lambda _: None
        self._after_valid = after_valid
        self._held: Beat | None = None  # offered and not taken in the cycle before
        self.ready.value = 0
        declare(f"{name} stalled")

    def _drive(self) -> None:
        stalled = next(self.stall)
        self.ready.value = int(not stalled and (self._held is not None or not self._after_valid))

    def _sample(self, in_reset: bool) -> None:
        if in_reset:
            self._held = None
            return
        offered = Beat(int(self.data.value), bool(self.tlast is not None and int(self.tlast.value)))
        if not int(self.valid.value):
            assert self._held is None, f"{self.name}: tvalid dropped before {self._held} was taken, cycle {cycle()}"
            return
        assert self._held in (None, offered), (
            f"{self.name}: beat {len(self.beats)} changed while stalled, cycle {cycle()}: {self._held} to {offered}"
        )
        if int(self.ready.value):
            self._held = None
            self.beats.append(offered)
            self.accepted.append(cycle())
            self.on_beat(offered)
        else:
            self._held = offered
            self.stalled += 1
            self._pause("sink", "stalled")

    def last_gaps(self) -> list[int]:
        """Cycles between successive tlast beats (cycles per frame, when a frame ends in tlast)."""
        ends = [at for at, beat in zip(self.accepted, self.beats, strict=True) if beat.last]
        return [b - a for a, b in itertools.pairwise(ends)]


class Scoreboard:
    """Compares a sink's beats in order. `describe(n)` says what beat n is (layer, pixel, channel)."""

    def __init__(self, sink: Sink, describe: Callable[[int], str] = lambda n: f"beat {n}") -> None:
        self.sink, self.describe = sink, describe
        self.expected: deque[Beat] = deque()
        self.compared = 0
        sink.on_beat = self._compare

    def expect(self, beats: Iterable[Beat | int]) -> None:
        self.expected.extend(b if isinstance(b, Beat) else Beat(b) for b in beats)

    def _compare(self, got: Beat) -> None:
        where = f"{self.sink.name} {self.describe(self.compared)}, cycle {cycle()}"
        assert self.expected, f"{where}: expected nothing, got {got}"
        expected = self.expected.popleft()
        assert got == expected, f"{where}: expected {expected}, got {got}"
        self.compared += 1


class TB:
    """Clock, reset and one agent per stream of a DUT with `clk` and `rst`.

    sources, sinks: port prefixes. flow: a key of FLOWS, for all of them; `stalls` overrides it per prefix.

    Bins: both ends stall (a source idles, a sink stalls, in the same or the next cycle), reset in mid-frame
    (something is on its way), full rate (four beats of the first sink in four cycles).
    """

    def __init__(
        self,
        dut: Any,
        flow: str = "full",
        sources: Sequence[str] = ("s_axis",),
        sinks: Sequence[str] = ("m_axis",),
        stalls: dict[str, Stall] | None = None,
    ) -> None:
        self.dut = dut
        idle, pressure = FLOWS[flow]
        stalls = stalls or {}
        self.sources = {n: Source(dut, n, stalls.get(n) or random_stall(idle)) for n in sources}
        self.sinks = {n: Sink(dut, n, stalls.get(n) or random_stall(pressure or 0.0), pressure is None) for n in sinks}
        self.boards = {n: Scoreboard(sink) for n, sink in self.sinks.items()}
        if self.sources:
            declare("reset in mid-frame", *(["both ends stall"] if self.sinks else []))
        if self.sinks:
            declare("full rate")
        self._moved = 0  # transfers up to the last reset
        dut.rst.value = 1
        # Not even the random bits of time 0 may make a clock edge: it would come before rst.
        dut.clk.value = Immediate(0)
        Clock(dut.clk, PERIOD_NS, unit="ns").start(start_high=False)
        cocotb.start_soon(self._run((*self.sources.values(), *self.sinks.values())))
        cocotb.start_soon(self._watch_resets())

    @property
    def source(self) -> Source:
        """The first one."""
        return next(iter(self.sources.values()))

    @property
    def sink(self) -> Sink:
        """The first one."""
        return next(iter(self.sinks.values()))

    async def _run(self, agents: Sequence[_Agent]) -> None:
        # One loop for all agents: what a cycle costs is what the simulator is asked to wait for.
        edge, settled = FallingEdge(self.dut.clk), ReadOnly()
        while True:
            await edge
            for agent in agents:
                agent._drive()
            await settled
            in_reset = bool(int(self.dut.rst.value))
            for agent in agents:
                agent._sample(in_reset if agent.in_reset is None else agent.in_reset())

    async def _watch_resets(self) -> None:
        """tvalid is low from the first clock edge of a reset until it is released, as AXI4-Stream wants it. Where it
        depends on a source's tvalid within the cycle, the bench itself may raise it: by a beat in the very cycle."""
        while True:
            await RisingEdge(self.dut.clk)
            if int(self.dut.rst.value):
                await FallingEdge(self.dut.clk)
                await ReadOnly()
                if not any(int(source.valid.value) for source in self.sources.values()):
                    high = [name for name, sink in self.sinks.items() if int(sink.valid.value)]
                    assert not high, f"{high[0]}: tvalid is high after a clock edge with rst, cycle {cycle()}"

    async def reset(self, cycles: int = 1, then: Callable[[], Any] = lambda: None) -> None:
        """Reset; beats not yet sent and not yet received are forgotten, so that a test can start over.

        One cycle has to be enough for any core: a longer reset hides state that is not reset. What `then` sends
        is offered in the first cycle after it.
        """
        await FallingEdge(self.dut.clk)
        moved = self._transfers()
        hit("reset in mid-frame", self.sources and moved > self._moved and self._pending())
        self._moved = moved
        self.dut.rst.value = 1
        for source in self.sources.values():
            source.queue.clear()
            source._offered = False
        for board in self.boards.values():
            board.expected.clear()
        await ClockCycles(self.dut.clk, cycles)
        then()
        await FallingEdge(self.dut.clk)
        self.dut.rst.value = 0

    async def wait(self, cycles: int) -> None:
        for _ in range(cycles):
            await FallingEdge(self.dut.clk)

    def send(self, beats: Iterable[Beat | int], source: str | None = None) -> None:
        (self.sources[source] if source else self.source).send(beats)

    def expect(self, beats: Iterable[Beat | int], sink: str | None = None) -> None:
        self.boards[sink or next(iter(self.boards))].expect(beats)

    async def until(self, done: Callable[[], object], what: str, timeout: int = 20_000) -> None:
        """Wait until `done()`; fail with `what` after `timeout` cycles."""
        for _ in range(timeout):
            if done():
                return
            await FallingEdge(self.dut.clk)
        raise AssertionError(f"no {what} within {timeout} cycles: {self._state()}")

    async def finish(self, timeout: int = 20_000, linger: int = 20) -> None:
        """Wait for all beats, then `linger` cycles for ones that should not come; raise on any difference.

        timeout: cycles without any transfer, not in total, so long tests need no other value.
        """
        idle, moved = 0, -1
        while self._pending():
            await FallingEdge(self.dut.clk)
            now = self._transfers()
            idle, moved = (idle + 1, moved) if now == moved else (0, now)
            assert idle < timeout, f"nothing moved for {timeout} cycles: {self._state()}"
        await self.wait(linger)
        for name, board in self.boards.items():
            assert board.compared, f"{name}: nothing was compared"
        if self.sinks:
            hit("full rate", any(b - a == 3 for a, b in zip(self.sink.accepted, self.sink.accepted[3:], strict=False)))

    def _pending(self) -> bool:
        """Something is left to send or to receive."""
        return any(s.queue for s in self.sources.values()) or any(b.expected for b in self.boards.values())

    def _transfers(self) -> int:
        return sum(len(agent.accepted) for agent in (*self.sources.values(), *self.sinks.values()))

    def _state(self) -> str:
        return ", ".join(
            [f"{n} has {len(s.queue)} beats left to send" for n, s in self.sources.items()]
            + [f"{n} got {b.compared}, misses {len(b.expected)}" for n, b in self.boards.items()]
        )
