# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Cores of rtl/eltwise: two streams, element by element."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pyflow.cores.base import Core, Reads
from pyflow.cores.cells import Cost
from pyflow.cores.recurrence import Channel, Pipe, Ports, Recurrence, Zip
from pyflow.cores.sums import DSP48

SMALLEST_PRODUCT = 8  # bits of both factors together, from which on yosys takes a slice for it


@dataclass(frozen=True, slots=True)
class Elementwise(Core):
    """Both streams move together."""

    @property
    def latency(self) -> int:
        return 1

    def times(self, ports: Ports) -> list[Recurrence]:
        both = Channel(ports.sink.beats)
        return [Zip(ports.sinks, both), Pipe(both, ports.source, latency=self.latency)]


@dataclass(frozen=True, slots=True)
class Add(Elementwise):
    module: ClassVar = "volley_add"
    lanes: int
    a_w: int
    b_w: int
    a_signed: bool
    b_signed: bool
    out_w: int
    b_shift: int = 0

    def cells(self, family: str, memory: Reads | None = None) -> Cost:
        bits = self.lanes * self.out_w
        return Cost(lut=self.lanes * max(1, self.out_w - self.b_shift), ff=bits + 2)


@dataclass(frozen=True, slots=True)
class Sew(Elementwise):
    module: ClassVar = "volley_sew"
    lanes: int
    tb: int
    mode: int

    def cells(self, family: str, memory: Reads | None = None) -> Cost:
        bits = self.lanes * self.tb
        return Cost(lut=bits + 4, ff=bits + 2)


@dataclass(frozen=True, slots=True)
class Residual(Elementwise):
    module: ClassVar = "volley_residual"
    memory_port: ClassVar = "param"
    lanes: int
    steps: int
    acc_w: int
    word_w: int
    exponent: int
    m_w: int
    out_w: int
    dsp: bool = False

    @property
    def latency(self) -> int:
        return 1 + self.dsp

    @property
    def unfit(self) -> str:
        """Why a DSP slice cannot do this (g_rule_dsp of volley_residual.sv); empty where it can."""
        widths = ("a word", self.word_w, 17), ("a multiplier", self.m_w, 25), ("a sum", self.out_w, 48)
        return next((f"{what} has {width} bits, more than {most}" for what, width, most in widths if width > most), "")

    def cells(self, family: str, memory: Reads | None = None) -> Cost:
        """One addition per spike of a word; the lowest bits of the later ones are wires. Of the bits of a constant
        multiplier about half are 1. A DSP slice has all registers but those of a shifted potential. That of an
        UltraScale part could add as well, but yosys leaves the sum and the registers outside."""
        numbers, spikes = self.lanes * self.steps, self.word_w
        if self.dsp and self.m_w + spikes >= SMALLEST_PRODUCT and family in DSP48:
            if family == "xc7":
                return Cost(lut=5, ff=4 + (numbers * self.acc_w if self.exponent else 0), dsp=numbers)
            kept = self.m_w + spikes + 1 + self.acc_w + self.out_w
            summed = self.out_w - self.exponent  # the lowest bits are the product's
            return Cost(lut=numbers * summed + 2, ff=numbers * kept + 4, dsp=numbers)
        there = 0.6 if memory is not None and memory.kind == "const" else 1.0
        return Cost(lut=there * numbers * spikes * (self.out_w - 0.6 * (spikes - 1)) + 5, ff=numbers * self.out_w + 2)
