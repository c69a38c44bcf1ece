# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Scalar model of volley_regs: what each register reads, and what a write does, by the map of volley_regs.rdl."""

from __future__ import annotations

from pyflow import registers as r

COUNTERS = {"cycles": r.CYCLES, "in_stall": r.IN_STALL, "out_stall": r.OUT_STALL}  # of 64 bits
READ_ONLY = {
    "structure": r.STRUCTURE, "weights": r.WEIGHTS, "status": r.STATUS, "memories": r.MEMORIES,
    "probe_count": r.PROBE_COUNT, "probes": r.PROBES, "frames": r.FRAMES, "saturated": r.SATURATED, "resets": r.RESETS,
}  # fmt: skip


class Registers:
    """State between clock edges. kept: the 64 bits of a counter whose low word was read last."""

    def __init__(self) -> None:
        self.memory = self.load = self.probe = self.errors = self.soft_reset = 0
        self.kept: dict[str, int] = {}

    def read(self, address: int, hardware: dict[str, int]) -> int | None:
        """Of a request in this cycle; None where nobody can know. hardware: the inputs, by name."""
        for name, place in READ_ONLY.items():
            if address == place:
                return hardware[name]
        for name, place in COUNTERS.items():
            if address == place:
                return hardware[name] & 0xFFFFFFFF
            if address == place + 4:
                return self.kept[name] >> 32 if name in self.kept else None
        fixed = {r.ID: r.ID_VALUE_RESET, r.VERSION: r.VERSION_MAJOR_RESET << 16 | r.VERSION_MINOR_RESET}
        return {**fixed, r.ERRORS: self.errors, r.PROBE: self.probe}.get(address, 0)

    def clock(self, request: tuple[int, int, int, int] | None, hardware: dict[str, int], rst: bool) -> None:
        """One edge. request: (is it a write, address, data, bits that are written), None where there is none."""
        write, address, data, bits = request or (0, -1, 0, 0)
        for name, place in COUNTERS.items():
            if address == place and not write:
                self.kept[name] = hardware[name]
        bits = bits if write else 0
        cleared = data & bits & 7 if address == r.ERRORS else 0
        self.errors = self.errors & ~cleared | hardware["hwset"]
        self.soft_reset = int(address == r.CONTROL and bool(data & bits & 1))
        if address == r.MEMORY:
            self.memory = self.memory & ~bits | data & bits
        if address == r.LOAD:
            self.load = self.load & ~bits | data & bits
        if address == r.PROBE:
            self.probe = (self.probe & ~bits | data & bits) & 0x3FF
        if rst:
            self.memory = self.load = self.probe = self.errors = self.soft_reset = 0
