# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Cores of rtl/neuron: what becomes of potentials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pyflow.cores.base import Core
from pyflow.cores.recurrence import Pipe, Ports, Recurrence, Serial, state_of, tree_depth


@dataclass(frozen=True, slots=True)
class NeuronRadix(Core):
    module: ClassVar = "volley_neuron_radix"
    memory_port: ClassVar = "param"
    lanes: int
    in_w: int
    in_signed: bool
    exponent: int
    theta_w: int
    bias_w: int
    v_w: int
    t: int
    unrolled: bool
    pix: int

    def times(self, ports: Ports) -> list[Recurrence]:
        if self.unrolled:
            return [Pipe(ports.sink, ports.source, latency=self.t + 1)]
        return [Serial(ports.sink, ports.source, steps=self.t)]

    @property
    def beat_cycles(self) -> int:
        return 1 if self.unrolled else self.t


@dataclass(frozen=True, slots=True)
class NeuronLIF(Core):
    module: ClassVar = "volley_neuron_lif"
    memory_port: ClassVar = "param"
    counts_saturations: ClassVar = True
    lanes: int
    tb: int
    passes: int
    beats: int
    unrolled: bool
    held: bool
    in_w: int
    in_signed: bool
    frac: int
    bias_w: int
    theta_w: int
    reset_w: int
    v0_w: int
    leak_w: int
    v_w: int
    leak: int
    leak_shift: int
    leak_frac: int
    reset: int
    reset_order: bool
    v_leak: int
    v_reset: int
    current: int
    i_w: int
    i_leak: int
    i_shift: int
    i_alpha: int
    i_frac: int
    adapt: bool
    a_w: int
    a_leak: int
    a_shift: int
    a_alpha: int
    a_frac: int
    jump: int
    refractory: int

    def times(self, ports: Ports) -> list[Recurrence]:
        state = state_of(self.beats, self.passes, self.tb + 1)
        latency = self.tb + 1 if self.unrolled else 2
        return [Pipe(ports.sink, ports.source, interval=self.beat_cycles, latency=latency, state=state)]

    @property
    def beat_cycles(self) -> int:
        return 1 if self.unrolled else self.tb


@dataclass(frozen=True, slots=True)
class Readout(Core):
    module: ClassVar = "volley_readout"
    memory_port: ClassVar = "param"
    lanes: int
    in_w: int
    exponent: int
    bias_w: int

    def times(self, ports: Ports) -> list[Recurrence]:
        return [Pipe(ports.sink, ports.source)]


@dataclass(frozen=True, slots=True)
class Accumulate(Core):
    module: ClassVar = "volley_accumulate"
    lanes: int
    steps: int
    in_w: int
    in_signed: bool
    beats: int
    passes: int
    out_w: int

    def times(self, ports: Ports) -> list[Recurrence]:
        beats, passes = self.beats, self.passes
        return [
            Pipe(
                ports.sink,
                ports.source,
                emits=lambda n: (n - 1) // beats % passes == passes - 1,
                latency=2 + tree_depth(self.steps),
                state=state_of(beats, passes, 2),
            )
        ]
