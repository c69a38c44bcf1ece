# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Lava's fixed-point neuron (PyLifModelBitAcc of lava-nc) behind its dense layers, and Volley's rounding beside it.

u <- toward_zero(u*(4096 - du) / 4096) + 64*x, wrapped to 24 bits
v <- toward_zero(v*(4096 - dv) / 4096) + u + 64*bias, held in +-(2^23 - 1);  spike = v > 64*vth;  v <- 0 if spike
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

TOP = 1 << 23
UNITY = 1 << 12


@dataclass(frozen=True, slots=True, eq=False)
class Dense:
    """weight: int [Co, Ci]. du, dv: decays of current and membrane, of 4096. vth: mantissa of the threshold. bias:
    int [Co]."""

    weight: np.ndarray
    du: int
    dv: int
    vth: int
    bias: np.ndarray = field(default_factory=lambda: np.zeros(1, np.int64))


@dataclass(slots=True)
class Counts:
    """decays: neurons x steps x (current, membrane). negative: those of a number below 0. otherwise: those of them
    that rounding down makes another number of. wrapped: currents that left 24 bits."""

    decays: int = 0
    negative: int = 0
    otherwise: int = 0
    wrapped: int = 0


class Neurons:
    """The state of a layer's neurons. down: round as Volley does, toward minus infinity."""

    def __init__(self, layer: Dense, frames: int, down: bool, counts: Counts) -> None:
        self.layer, self.down, self.counts = layer, down, counts
        self.u = np.zeros((frames, len(layer.weight)), np.int64)
        self.v = np.zeros_like(self.u)

    def step(self, x: np.ndarray) -> np.ndarray:
        """x: sums of weights, int64 [N, Co]; spikes, bool."""
        layer = self.layer
        u = self.decay(self.u, layer.du) + (x << 6)
        self.counts.wrapped += int(((u > TOP) | (u <= -TOP)).sum())
        u = np.where(u > TOP, u - 2 * TOP, u)
        self.u = np.where(u <= -TOP, u + 2 * TOP, u)
        v = self.decay(self.v, layer.dv) + self.u + (layer.bias << 6)
        self.v = np.clip(v, 1 - TOP, TOP - 1)
        fires = self.v > layer.vth << 6
        self.v[fires] = 0
        return fires

    def decay(self, state: np.ndarray, rate: int) -> np.ndarray:
        product = state * (UNITY - rate)
        floor = product >> 12
        toward_zero = np.sign(product) * (np.abs(product) >> 12)
        self.counts.decays += state.size
        self.counts.negative += int((product < 0).sum())
        self.counts.otherwise += int((floor != toward_zero).sum())
        return floor if self.down else toward_zero


def run(
    layers: Sequence[Dense], spikes: np.ndarray, down: bool = False, counts: Counts | None = None
) -> list[np.ndarray]:
    """Spikes of every layer, bool [N, T, Co], for input spikes [N, T, Ci]; no layer waits for another."""
    counts = Counts() if counts is None else counts
    states = [Neurons(layer, len(spikes), down, counts) for layer in layers]
    found: list[list[np.ndarray]] = [[] for _ in layers]
    for t in range(spikes.shape[1]):
        given = spikes[:, t]
        for state, out in zip(states, found, strict=True):
            given = state.step(summed(state.layer, given))
            out.append(given)
    return [np.stack(out, 1) for out in found]


@dataclass(slots=True, eq=False)
class _Pipeline:
    """Layers that hand spikes on one step later, as Lava's Dense does. waiting: what is on its way to each."""

    states: list[Neurons]
    waiting: list[np.ndarray]

    def step(self, spikes: np.ndarray) -> np.ndarray:
        given = spikes
        for n, state in enumerate(self.states):
            arrives, self.waiting[n] = self.waiting[n], given
            given = state.step(summed(state.layer, arrives))
        return given

    def followed(self) -> _Pipeline:
        """What every image finds, of the one before it; the first finds nothing."""
        for array in (*self.waiting, *(x for state in self.states for x in (state.u, state.v))):
            array[1:] = array[:-1].copy()
            array[0] = 0
        return self


def tutorial(layers: Sequence[Dense], images: np.ndarray, steps: int = 20) -> np.ndarray:
    """The class of each image as Lava-DL's MNIST tutorial runs its network, image after image: int64 [N].

    images: float [N, Ci] in [0, 1]. The first step of an image shows nothing; in the others neurons add it up, fire
    above 1 and start again from 0. The layers are reset one after the other, the first in the second step of an image:
    until then the last one still answers the image before.
    """
    count = len(images)
    states = [Neurons(layer, count, False, Counts()) for layer in layers]
    net = _Pipeline(states, [np.zeros((count, layer.weight.shape[1]), bool) for layer in layers])
    _image(net, images, steps)
    return _image(net.followed(), images, steps).argmax(1)


def _image(net: _Pipeline, images: np.ndarray, steps: int) -> np.ndarray:
    """Spikes of the last layer, int64 [N, Co]."""
    v, total = np.zeros(images.shape), np.zeros(net.states[-1].v.shape, np.int64)
    for t in range(steps):
        if 1 <= t <= len(net.states):
            net.states[t - 1].u[:] = 0
            net.states[t - 1].v[:] = 0
        v += images if t else 0
        fired = v > 1
        v[fired] = 0
        total += net.step(fired)
    return total


def summed(layer: Dense, spikes: np.ndarray) -> np.ndarray:
    """Weights of the inputs that spike, int64 [N, Co]; sums below 2^24 are exact in float32."""
    sums: np.ndarray = spikes.astype(np.float32) @ layer.weight.T.astype(np.float32)
    return sums.astype(np.int64)
