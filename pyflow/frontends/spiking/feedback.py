# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Weights inside a recurrent neuron: what its own spikes of the step before, and its inputs, are multiplied by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from pyflow.frontends.builder import Activations, Builder
from pyflow.model.graph import FloatAdd, FloatConv, FloatLinear


@dataclass(frozen=True, slots=True, eq=False)
class Feedback:
    """A neuron integrates into(x) + back(its spikes of the step before); float64.

    into: [H, F] of a Linear layer; empty where x is integrated as it is. back: [H, H] of a Linear layer, [C, C, KH, KW]
    of a Conv that keeps the size of its map, or [C] or [1], a weight from each neuron to itself; empty where nothing
    comes back. bias: [H] or [C], of
    back; empty where it has none.
    """

    back: np.ndarray
    bias: np.ndarray = field(default_factory=lambda: np.zeros(0))
    into: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def drive(self, x: np.ndarray, before: np.ndarray) -> np.ndarray:
        """What the neuron integrates. x: [N, ...]; before: spikes [N, ...] of the step before."""
        given, spikes, back = (torch.from_numpy(np.asarray(a, np.float64)) for a in (x, before, self.back))
        bias = torch.from_numpy(self.bias) if self.bias.size else None
        if self.into.size:
            given = F.linear(given, torch.from_numpy(self.into))
        if not self.back.size:
            return np.asarray(given.numpy())
        if back.ndim == 4:
            back = F.conv2d(spikes, back, bias, padding=(back.shape[2] // 2, back.shape[3] // 2))
        elif back.ndim == 2:
            back = F.linear(spikes, back, bias)
        else:
            back = spikes * back.reshape(-1, *[1] * (spikes.ndim - 2))
        return np.asarray((given + back).numpy())

    def build(self, builder: Builder, label: str, before: Callable[[Activations], Activations]) -> None:
        """Adds what a neuron integrates behind the builder's stream. before: gives its spikes of the step before, of
        the size of the activations that it is given."""
        if self.into.size:
            builder.add(FloatLinear, f"{label}.input_weights", weight=self.into, bias=np.zeros(len(self.into)))
        if not self.back.size:
            return
        given, label = builder.stream, f"{label}.recurrent"
        builder.read(before(given), label)
        axes, channels = builder.stream.axes, builder.stream.shape[0]
        if self.back.ndim == 2:
            bias = self.bias if self.bias.size else np.zeros(len(self.back))
            builder.add(FloatLinear, label, weight=self.back, bias=bias)
        else:
            own = self.back.ndim == 1
            weight = np.broadcast_to(self.back, channels)[:, None, None, None] if own else self.back
            bias = self.bias if self.bias.size else np.zeros(len(weight))
            sides: dict[str, Any] = {"padding": (weight.shape[2] // 2, weight.shape[3] // 2), "axes": axes}
            builder.add(FloatConv, label, weight=weight, bias=bias, depthwise=own, **sides)
        builder.join(FloatAdd, label, [given, builder.stream])
