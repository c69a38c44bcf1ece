# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""An AXI4-Lite master at the pins, for benches: random requests on every channel, and the rules of the bus.

Once VALID, a request stays until it is taken. In a reset, from the cycle behind its first clock edge on, nothing is
offered and nothing is taken, whatever was under way; behind it nobody sees a response that was not asked for.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from typing import Any

import cocotb
from cocotb.triggers import FallingEdge, ReadOnly

from verif.tb.coverage import declare, hit

BOUND = 3  # cycles from a request to its response, where the response before it has been taken


class PinMaster:
    """dut: with the ports `<prefix>_awvalid` and so on. active: is the reset on? addresses: to be asked for.

    rates: channel (aw, w, b, ar, r) -> probability that its VALID or READY comes in a cycle; may be changed at any
    time. written, answered: writes and reads that have had their response since the last reset. on_answer: is called
    with address and data of a read.
    """

    def __init__(self, dut: Any, prefix: str, active: Callable[[], bool], addresses: list[int]) -> None:
        self.dut, self.prefix, self.active, self.addresses = dut, prefix, active, addresses
        self.rates = dict.fromkeys(("aw", "w", "b", "ar", "r"), 0.5)
        self.on_answer: Callable[[int, int], None] = lambda *_: None
        self.resets = 0
        self._reset_q = True  # at the last clock edge
        self._held: dict[str, tuple[int, ...]] = {}  # of a response: offered and not taken in the cycle before
        self._clear()
        declare(
            "response of a write waits while reads go on",
            "response of a read waits while writes go on",
            "reset with a response offered",
            "reset with a request offered",
            "read and write asked for at once",
        )
        for channel in ("aw", "w", "ar"):
            self._pin(channel, "valid").value = 0
        for channel in ("b", "r"):
            self._pin(channel, "ready").value = 0
        cocotb.start_soon(self._run())

    def _clear(self) -> None:
        self.offered: dict[str, tuple[int, ...]] = {}  # by a channel of requests: its payload
        self.taken = {"aw": 0, "w": 0}  # addresses and words of writes that are not owed a response yet
        self.owed_b = 0
        self.owed_r: deque[int] = deque()  # addresses
        self.written = self.answered = 0
        self._held.clear()
        self.waits = {"write": 0, "read": 0}  # cycles for which a request has had no response, for its own reasons

    def _pin(self, channel: str, name: str) -> Any:
        return getattr(self.dut, f"{self.prefix}_{channel}{name}")

    def _high(self, channel: str, name: str) -> bool:
        return bool(int(self._pin(channel, name).value))

    async def _run(self) -> None:
        while True:
            await FallingEdge(self.dut.clk)
            self._drive()
            await ReadOnly()
            self._sample()

    def _drive(self) -> None:
        for channel in ("aw", "w", "ar"):
            if channel not in self.offered and not self._reset_q and random.random() < self.rates[channel]:
                self.offered[channel] = (
                    (random.getrandbits(32), random.getrandbits(4))
                    if channel == "w"
                    else (random.choice(self.addresses) | random.getrandbits(2),)
                )
            there = self.offered.get(channel)
            self._pin(channel, "valid").value = int(there is not None)
            for n, pin in enumerate(("data", "strb") if channel == "w" else ("addr",)):
                port = self._pin(channel, pin)
                port.value = there[n] if there else random.getrandbits(len(port))
        for channel in ("b", "r"):
            self._pin(channel, "ready").value = int(random.random() < self.rates[channel])

    def _sample(self) -> None:
        outputs = [("aw", "ready"), ("w", "ready"), ("b", "valid"), ("ar", "ready"), ("r", "valid")]
        if self._reset_q:
            up = [f"{channel}{name}" for channel, name in outputs if self._high(channel, name)]
            assert not up, f"high in the cycle behind a reset: {up}"
        if self.active():
            self.resets += not self._reset_q
            hit("reset with a request offered", bool(self.offered))
            hit("reset with a response offered", bool(self._held))
            self._clear()
            self._reset_q = True
            return
        self._reset_q = False
        self._responses()
        self._requests()

    def _responses(self) -> None:
        for channel in ("b", "r"):
            there = self._high(channel, "valid")
            response: tuple[int, ...] = (int(self._pin(channel, "resp").value),)
            if channel == "r":
                response += (int(self._pin("r", "data").value),)
            if held := self._held.pop(channel, None):
                assert there, f"{channel}: {held} became {response if there else 'nothing'}"
                assert response == held, f"{channel}: {held} became {response if there else 'nothing'}"
            if not there:
                continue
            assert response[0] == 0
            assert self.owed_b if channel == "b" else self.owed_r, f"{channel}: a response that nobody asked for"
            if not self._high(channel, "ready"):
                self._held[channel] = response
            elif channel == "b":
                self.owed_b -= 1
                self.written += 1
            else:
                self.answered += 1
                self.on_answer(self.owed_r.popleft(), response[1])

    def _requests(self) -> None:
        complete = {"write": "aw" in self.offered and "w" in self.offered, "read": "ar" in self.offered}
        hit("read and write asked for at once", all(complete.values()))
        for channel in ("aw", "w", "ar"):
            if channel in self.offered and self._high(channel, "ready"):
                payload = self.offered.pop(channel)
                if channel == "ar":
                    self.owed_r.append(payload[0])
                    hit("response of a write waits while reads go on", "b" in self._held)
                else:
                    self.taken[channel] += 1
        while all(self.taken.values()):
            self.taken = {channel: count - 1 for channel, count in self.taken.items()}
            self.owed_b += 1
            hit("response of a read waits while writes go on", "r" in self._held)
        # A request that nothing of its own kind holds back is taken so soon that its response comes in time.
        taken = {"write": "aw" not in self.offered, "read": "ar" not in self.offered}
        for kind, channel in (("write", "b"), ("read", "r")):
            free = complete[kind] and not taken[kind] and channel not in self._held
            self.waits[kind] = self.waits[kind] + 1 if free else 0
            assert self.waits[kind] < BOUND, f"a {kind} without a response for {BOUND} cycles"
