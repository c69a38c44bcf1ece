# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Scalar model of volley_neuron_lif and volley_neuron_membrane: docs/numerics.md, "Spiking neuron", line by line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class Decay:
    """mode: "none", "shift" or "multiply"."""

    mode: str = "none"
    shift: int = 0
    alpha: int = 0
    frac: int = 0

    def __call__(self, d: int) -> int:
        if self.mode == "shift":
            return d - (d >> self.shift)
        return d * self.alpha >> self.frac if self.mode == "multiply" else d


class Step(NamedTuple):
    """What a time step came to.

    margin: v less the threshold that it met, None while refractory. clips: each saturation that changed a value, as
    in "v clipped at the top". a: after the step.
    """

    spike: int
    margin: int | None
    clips: list[str]
    a: int
    v: int
    met: int


@dataclass(frozen=True)
class Lif:
    """One neuron with its channel's parameters. current_width and adapt_width only count where there is one."""

    theta: int
    reset_amount: int
    bias: int = 0
    v0: int = 0
    frac: int = 0
    width: int = 16
    leak: Decay = Decay()
    reset: str = "soft"
    reset_order: str = "before"
    v_leak: int = 0
    v_reset: int = 0
    current: str = "none"
    current_width: int = 16
    current_decay: Decay = Decay()
    adapt: bool = False
    adapt_width: int = 8
    adapt_decay: Decay = Decay()
    jump: int = 0
    refractory: int = 0
    current_bias: bool = False

    def run(self, acc: Sequence[int]) -> tuple[list[int], int]:
        """(spikes, saturated steps) of one frame; acc: a potential per step."""
        steps = list(self.steps(acc))
        return [step.spike for step in steps], sum(bool(step.clips) for step in steps)

    def read(self, acc: Sequence[int], readout: str, before_reset: bool) -> int:
        """What is read of the membrane of one frame: "last", "sum" or "max" over time."""
        values = [step.met if before_reset else step.v for step in self.steps(acc)]
        return values[-1] if readout == "last" else sum(values) if readout == "sum" else max(values)

    def steps(self, acc: Sequence[int]) -> Iterator[Step]:  # noqa: C901  (docs/numerics.md, line by line)
        """One frame, step by step."""
        v, i, a, r, z = self.v0, 0, 0, 0, 0
        for potential in acc:
            clips: list[str] = []

            def sat(value: int, width: int, register: str, clips: list[str] = clips) -> int:
                limited = min(max(value, -(1 << (width - 1))), (1 << (width - 1)) - 1)
                if limited != value:
                    clips.append(f"{register} clipped at the {'top' if limited < value else 'bottom'}")
                return limited

            x, bias = potential << self.frac, self.bias
            if self.current_bias:
                x, bias = x + bias, 0
            if self.current == "none":
                drive = x + bias
            elif self.current == "new":
                i = sat(self.current_decay(i) + x, self.current_width, "i")
                drive = i + bias
            else:
                drive = i + bias
                i = sat(self.current_decay(i) + x, self.current_width, "i")
            if self.adapt:
                a = self.adapt_decay(a)
            u = self.v_leak + self.leak(v - self.v_leak) + drive
            if self.reset_order == "after":
                if self.reset == "soft":
                    u -= z * self.reset_amount
                elif self.reset == "hard" and z:
                    u = self.v_reset
            s, margin, met = 0, None, v
            if r > 0:
                r -= 1
            else:
                v = met = sat(u, self.width, "v")
                s = int(v >= self.theta + a)
                margin = v - (self.theta + a)
                if s:
                    if self.reset_order == "before":
                        if self.reset == "soft":
                            v = sat(v - self.reset_amount, self.width, "v")
                        elif self.reset == "hard":
                            v = self.v_reset
                    r = self.refractory
                    if self.adapt:
                        a = min(a + self.jump, (1 << self.adapt_width) - 1)
                z = s
            yield Step(s, margin, clips, a, v, met)
