# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Cores of rtl/neuron: what becomes of potentials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pyflow.cores.base import Core, Reads
from pyflow.cores.cells import CONTROL_FF, CONTROL_LUT, SIX_INPUTS, Cost, product_cost, ram_cost, tree_cost
from pyflow.cores.recurrence import Pipe, Ports, Recurrence, Serial, state_of, tree_depth
from pyflow.integers import ceil_div, odd_part

NONE, SHIFT, MULTIPLY = range(3)  # LEAK, I_LEAK, A_LEAK; NONE of CURRENT and RESET too
SOFT = 1  # RESET
LAST, SUM, MAX = range(3)  # READ


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

    def cells(self, family: str, memory: Reads | None = None) -> Cost:
        assert memory
        width, theta, constant = self.v_w, self.theta_w, memory.kind == "const"
        lut: float
        ff: float
        if not self.unrolled:
            # Per bit: integrate, compare, subtract or keep or load; a constant threshold saves one of them.
            lut, ff = (2.3 if constant else 3.2) * width, width + theta * (not constant) + 3 * self.t
        elif not constant:
            # Per step and bit: compare, subtract or keep; v and theta travel through the stages. Of few rows of
            # parameters, many bits are alike.
            per_lut, per_ff = (1.35, 1.1) if memory.depth <= 4 else (1.9, 1.55)
            lut, ff = per_lut * width * self.t, per_ff * width * self.t
        else:
            # The last step only compares, with a constant in a carry chain; the others subtract, or keep, as well.
            lut, ff = width * ((0.75 + 0.025 * width) * (self.t - 1) + 0.33), 0.9 * width * self.t
        lanes = self.pix * self.lanes
        return Cost(lut=lanes * lut, ff=lanes * ff)


@dataclass(frozen=True, slots=True)
class SpikingNeuron(Core):
    """What volley_lif_step is in: a neuron with a state, steps one after the other."""

    memory_port: ClassVar = "param"
    counts_saturations: ClassVar = True
    lanes: int
    tb: int
    passes: int
    beats: int
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
    bias_i: bool

    @property
    def beat_cycles(self) -> int:
        return self.tb

    @property
    def state_w(self) -> int:
        """Bits of one neuron's state from step to step."""
        late = self.reset_order and self.reset != NONE
        current, adapt = self.i_w * (self.current != NONE), self.a_w * self.adapt
        return self.v_w + current + adapt + self.refractory.bit_length() + late

    def step_cells(self) -> Cost:
        """volley_lif_step without its products. Per bit of v an adder, the saturation and half a comparison; a soft
        reset subtracts."""
        v, x = self.v_w, self.in_w + self.frac
        lut = 2.7 * v + v * (self.reset == SOFT) + {NONE: 0.0, SHIFT: 2.0, MULTIPLY: 0.7}[self.leak] * v
        if self.bias_w:
            lut += 1.2 * max(x, self.bias_w)
        if self.current != NONE:
            lut += (2 + (self.i_leak != NONE)) * self.i_w
        if self.adapt:
            lut += (2.5 + (self.a_leak != NONE)) * self.a_w
        if self.refractory:
            lut += v + 2 * self.refractory.bit_length()
        return Cost(lut=lut)

    def lone_steps(self, stages: int) -> float:
        """Steps that `stages` stages of a frame of one pass amount to. v grows from v0, so the first stage only
        compares; nothing is behind the last one."""
        return 0.7 if stages < self.tb else 0.2 if stages == 1 else stages - 1.3

    def control_cells(self, stages: int) -> Cost:
        """Handshakes and counters. v_w holds what one pass adds up, so that saturations are only counted behind
        several."""
        counted = 32 + self.lanes * stages if self.passes > 1 else 0
        return Cost(lut=counted + (CONTROL_LUT if self.passes * self.tb > 1 else 8), ff=counted + CONTROL_FF)

    def product_cells(self, family: str, memory: Reads, stages: int) -> Cost:
        """Products of the decays, of all lanes and so many steps in a cycle. The first stage of a frame of one pass
        starts from 0, or from v0: its products dissolve."""
        first, cells = self.passes == 1 and stages == self.tb, []
        if self.leak == MULTIPLY:
            width = self.v_w + (self.v_leak != 0)
            dissolved = first and (memory.kind == "const" or not (self.v0_w or self.v_leak))
            one = product_cost(width, self.leak_w, width + self.leak_frac, family)
            cells += [one] * ((stages - dissolved) * round(memory.effective * self.lanes))
        current, adapt = self.current != NONE and self.i_leak == MULTIPLY, self.adapt and self.a_leak == MULTIPLY
        for decays, width, alpha, frac, signed in (
            (current, self.i_w, self.i_alpha, self.i_frac, True),
            (adapt, self.a_w, self.a_alpha, self.a_frac, False),
        ):
            if decays and alpha & (alpha - 1):  # 0 and powers of two are wires
                odd = odd_part(alpha)
                kept = width + min(frac - (alpha // odd).bit_length() + 1, odd.bit_length() + signed)
                one = product_cost(width, odd.bit_count() - 1, kept, family)
                cells += [one] * ((stages - first) * self.lanes)
        return sum(cells, Cost())


@dataclass(frozen=True, slots=True)
class NeuronLIF(SpikingNeuron):
    module: ClassVar = "volley_neuron_lif"
    unrolled: bool

    def times(self, ports: Ports) -> list[Recurrence]:
        state = state_of(self.beats, self.passes, self.tb + 1)
        latency = self.tb + 1 if self.unrolled else 2
        return [Pipe(ports.sink, ports.source, interval=self.beat_cycles, latency=latency, state=state)]

    @property
    def beat_cycles(self) -> int:
        return 1 if self.unrolled else self.tb

    def cells(self, family: str, memory: Reads | None = None) -> Cost:
        assert memory
        lanes, block, bits, state = self.lanes, self.tb, self.in_w, self.state_w
        stages = block if self.unrolled else 1
        param = self.bias_w + self.theta_w + self.reset_w + self.v0_w + self.leak_w
        step, products = self.step_cells(), self.product_cells(family, memory, stages)
        lut = step.lut * (stages if self.passes > 1 else self.lone_steps(stages))
        # The last numbers of a beat wait in shift registers; the one step of a serial neuron chooses its number.
        lut += bits * max(0, block - 2) if self.unrolled else self.v_w + bits * ceil_div(block, 4)
        ff = stages * param if memory.kind != "const" else 0
        ff += bits * min(stages, 2) + (stages - self.unrolled) * state + block
        total = Cost(lut=lanes * lut, ff=lanes * ff) + products
        if self.passes > 1:
            total += ram_cost(lanes * state, max(2, self.beats), family)
        return total + self.control_cells(stages)


def in_last_pass(beats: int, passes: int) -> list[bool]:
    """Which beats of a frame a result follows, where all of them leave during the last pass."""
    return [False] * (beats * (passes - 1)) + [True] * beats


@dataclass(frozen=True, slots=True)
class NeuronMembrane(SpikingNeuron):
    module: ClassVar = "volley_neuron_membrane"
    read: int
    met: bool
    out_w: int

    def times(self, ports: Ports) -> list[Recurrence]:
        beats, passes = self.beats, self.passes
        return [
            Pipe(
                ports.sink,
                ports.source,
                pattern=in_last_pass(beats, passes),
                interval=self.tb,
                latency=2,
                state=state_of(beats, passes, self.tb + 1),
            )
        ]

    def cells(self, family: str, memory: Reads | None = None) -> Cost:
        """The result lies in the output register, which synthesis shares with that of the state between two steps."""
        assert memory
        several, result = self.tb > 1, self.out_w if self.read == SUM else self.v_w
        state = self.state_w + result * (self.read != LAST)
        param = self.bias_w + self.theta_w + self.reset_w + self.v0_w + self.leak_w
        lut = self.step_cells().lut * (1 if self.passes > 1 else self.lone_steps(1))
        lut += {LAST: 0.0, SUM: 1.0, MAX: 1.5}[self.read] * result
        lut += several * (state * (self.passes > 1) + self.in_w * ceil_div(self.tb, 4))
        ff = (param if memory.kind != "const" else 0) + self.in_w + several * (state - result) + result
        total = Cost(lut=self.lanes * lut, ff=self.lanes * ff) + self.product_cells(family, memory, 1)
        if self.passes > 1:
            total += ram_cost(self.lanes * state, max(2, self.beats), family)
        return total + self.control_cells(1)


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

    def cells(self, family: str, memory: Reads | None = None) -> Cost:
        """The bias meets only the bits of the potential; those above are its sign. A carry chain of Xilinx needs no LUT
        for a constant, as yosys counts them."""
        logit = min(32, 1 + max(self.in_w + self.exponent, self.bias_w))
        ones = family in SIX_INPUTS and memory is not None and memory.kind == "const"
        met = 0.0 if ones else 0.8 * self.in_w
        return Cost(lut=self.lanes * met + (3 if ones else 5), ff=self.lanes * logit + 5)


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
                pattern=in_last_pass(beats, passes),
                latency=2 + tree_depth(self.steps),
                state=state_of(beats, passes, 2),
            )
        ]

    def cells(self, family: str, memory: Reads | None = None) -> Cost:
        lanes, bits, term = self.lanes, self.out_w, self.in_w + (not self.in_signed)
        tree, tree_w = tree_cost(self.steps, term, family), term + tree_depth(self.steps)
        # A frame of one pass is not added to anything.
        added = lanes * bits + 20 if self.passes > 1 else 8 * (self.steps > 1) + 1
        total = Cost(lut=lanes * tree.lut + added, ff=lanes * (tree.ff + tree_w + bits) + CONTROL_FF)
        return total + (ram_cost(lanes * bits, max(2, self.beats), family) if self.passes > 1 else Cost())
