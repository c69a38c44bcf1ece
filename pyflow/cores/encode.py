# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Cores of rtl/encode: spikes from pixels, samples and the host's bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pyflow.cores.base import Core
from pyflow.cores.recurrence import Pipe, Ports, Recurrence, state_of


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


@dataclass(frozen=True, slots=True)
class EncodeEvent(Encoder):
    module: ClassVar = "volley_encode_event"
    lanes: int
    tb: int
    beats: int


@dataclass(frozen=True, slots=True)
class EncodeRate(Encoder):
    module: ClassVar = "volley_encode_rate"
    lanes: int
    t: int
    tb: int
    beats: int
    mode: int
    seed: int


@dataclass(frozen=True, slots=True)
class EncodeTTFS(Encoder):
    module: ClassVar = "volley_encode_ttfs"
    lanes: int
    t: int
    tb: int
    beats: int


@dataclass(frozen=True, slots=True)
class EncodePhase(Encoder):
    module: ClassVar = "volley_encode_phase"
    lanes: int
    t: int
    tb: int
    beats: int


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
