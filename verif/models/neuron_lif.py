# SPDX-License-Identifier: Apache-2.0
"""Scalar model of volley_neuron_lif: docs/numerics.md, "Spiking neuron", line by line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


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

    def run(self, acc: Sequence[int]) -> tuple[list[int], int]:
        """(spikes, saturated steps) of one frame; acc: a potential per step."""
        v, i, a, r, z = self.v0, 0, 0, 0, 0
        spikes, saturated = [], 0
        for potential in acc:
            clips = []  # one entry per saturation, true where it changed the value

            def sat(value: int, width: int, clips: list[bool] = clips) -> int:
                limited = min(max(value, -(1 << (width - 1))), (1 << (width - 1)) - 1)
                clips.append(limited != value)
                return limited

            x = potential << self.frac
            if self.current == "none":
                drive = x + self.bias
            elif self.current == "new":
                i = sat(self.current_decay(i) + x, self.current_width)
                drive = i + self.bias
            else:
                drive = i + self.bias
                i = sat(self.current_decay(i) + x, self.current_width)
            if self.adapt:
                a = self.adapt_decay(a)
            u = self.v_leak + self.leak(v - self.v_leak) + drive
            if self.reset_order == "after":
                if self.reset == "soft":
                    u -= z * self.reset_amount
                elif self.reset == "hard" and z:
                    u = self.v_reset
            s = 0
            if r > 0:
                r -= 1
            else:
                v = sat(u, self.width)
                s = int(v >= self.theta + a)
                if s:
                    if self.reset_order == "before":
                        if self.reset == "soft":
                            v = sat(v - self.reset_amount, self.width)
                        elif self.reset == "hard":
                            v = self.v_reset
                    r = self.refractory
                    if self.adapt:
                        a = min(a + self.jump, (1 << self.adapt_width) - 1)
                z = s
            spikes.append(s)
            saturated += any(clips)
        return spikes, saturated
