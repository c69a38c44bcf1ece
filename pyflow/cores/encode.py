# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Cores of rtl/encode: spikes from pixels, samples and the host's bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pyflow.cores.base import Core, Reads
from pyflow.cores.cells import Cost, product_cost, ram_cost
from pyflow.cores.recurrence import Pipe, Ports, Recurrence, state_of
from pyflow.integers import ceil_div


@dataclass(frozen=True, slots=True)
class Encoder(Core):
    """A pipeline of one stage."""

    def times(self, ports: Ports) -> list[Recurrence]:
        return [Pipe(ports.sink, ports.source)]


@dataclass(frozen=True, slots=True)
class EncodeRadix(Encoder):
    module: ClassVar = "volley_encode_radix"
    lanes: int
    t: int
    pix: int

    def cells(self, family: str, memory: Reads | None = None) -> Cost:
        """Rounding is a carry chain; saturation is the register's set."""
        words = self.pix * self.lanes
        return Cost(lut=words * 2 if self.t < 8 else 0, ff=words * self.t + 2)


@dataclass(frozen=True, slots=True)
class EncodeEvent(Encoder):
    module: ClassVar = "volley_encode_event"
    lanes: int
    tb: int
    beats: int

    def cells(self, family: str, memory: Reads | None = None) -> Cost:
        return Cost(ff=self.lanes * self.tb) + counters(self.beats, 1)


@dataclass(frozen=True, slots=True)
class EncodeRate(Encoder):
    module: ClassVar = "volley_encode_rate"
    lanes: int
    t: int
    tb: int
    beats: int
    mode: int
    seed: int

    def cells(self, family: str, memory: Reads | None = None) -> Cost:
        lanes, block, outputs = self.lanes, self.tb, self.lanes * self.tb
        control = counters(self.beats, ceil_div(self.t, block))
        if self.mode:
            passes = (ceil_div(self.t, block) - 1).bit_length()
            one, products = product_cost(8, passes, 8, family), 0
            if one.dsp and passes > 1:  # number of the pass times pixel, times TB
                products = lanes + (block & (block - 1) != 0)
            product = 0 if products else 6 * passes
            return control + Cost(lut=lanes * (product + 9 * block), ff=outputs, dsp=products)
        # A bit of a jump over a time step is a parity of half of the state.
        draws, jump = 32 * lanes * (block - 1), 100 if 1 < block < self.t else 0
        return control + Cost(lut=50 + draws + jump + 5 * (outputs - 1), ff=32 + outputs)


@dataclass(frozen=True, slots=True)
class EncodeTTFS(Encoder):
    module: ClassVar = "volley_encode_ttfs"
    lanes: int
    t: int
    tb: int
    beats: int

    def cells(self, family: str, memory: Reads | None = None) -> Cost:
        adders = 6 * (self.t.bit_count() - 1)  # of the product with T
        spikes = Cost(lut=self.lanes * (1 + self.tb + adders), ff=self.lanes * self.tb)
        return counters(self.beats, ceil_div(self.t, self.tb)) + spikes


@dataclass(frozen=True, slots=True)
class EncodePhase(Encoder):
    module: ClassVar = "volley_encode_phase"
    lanes: int
    t: int
    tb: int
    beats: int

    def cells(self, family: str, memory: Reads | None = None) -> Cost:
        spikes = Cost(lut=self.lanes * self.tb / 2, ff=self.lanes * self.tb)
        return counters(self.beats, ceil_div(self.t, self.tb)) + spikes


@dataclass(frozen=True, slots=True)
class EncodeBurst(Encoder):
    module: ClassVar = "volley_encode_burst"
    lanes: int
    t: int
    tb: int
    beats: int
    isi_min: int
    isi_max: int
    count: int

    def cells(self, family: str, memory: Reads | None = None) -> Cost:
        fitting = min(self.count, ceil_div(self.t, self.isi_min))
        width = (self.isi_max - self.isi_min).bit_length()
        spikes = Cost(lut=self.lanes * fitting * (1.5 * width + self.tb), ff=self.lanes * self.tb)
        return counters(self.beats, ceil_div(self.t, self.tb)) + spikes


@dataclass(frozen=True, slots=True)
class EncodeDelta(Core):
    module: ClassVar = "volley_encode_delta"
    lanes: int
    tb: int
    passes: int
    beats: int
    mode: int
    theta: int

    def times(self, ports: Ports) -> list[Recurrence]:
        latency = self.tb + 1 if self.mode else 2
        return [Pipe(ports.sink, ports.source, latency=latency, state=state_of(self.beats, self.passes, latency))]

    def cells(self, family: str, memory: Reads | None = None) -> Cost:
        block, lanes = self.tb, self.lanes
        each = Cost(2 + 23 * block, 15 * block - 5) if self.mode else Cost(8 + 11 * block, 10 * block)
        state = ram_cost(8 * lanes, max(2, self.beats), family) + Cost(lut=6, ff=10) if self.passes > 1 else Cost()
        return Cost(lanes * each.lut, lanes * each.ff) + state + counters(self.beats, self.passes)


def counters(beats: int, passes: int) -> Cost:
    """Of beats and passes, and the handshake."""
    return Cost(lut=10, ff=2 + (beats - 1).bit_length() + (passes - 1).bit_length())
