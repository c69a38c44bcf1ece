# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Float layers with a state, and a network of them over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pyflow.model.graph import (
    AvgPool,
    FloatConcat,
    FloatLayer,
    FloatNetwork,
    FloatRelu,
    FloatUpsample,
    MaxPool,
    Shape,
)

SPIKES = "spikes-sum"
READOUTS = (SPIKES, "membrane-last", "membrane-sum", "membrane-max")


@dataclass(frozen=True, slots=True, eq=False)
class Neuron:
    """A spiking neuron in discrete time, in the model's own units; float64 [C], or [1] for all channels.

    v <- v_leak + decay*(v - v_leak) + gain*x;   spike = v >= theta (strict: v > theta);   reset

    x is the input, or where `current` is "new" or "old" the current that the input drives: i <- current_decay*i + x.
    reset: "soft" takes theta from v, "hard" puts v to v_reset, "none". order: the reset comes "before" the next
    leak, or "after" the leak and the input of the next step. refractory: steps without integration after a spike.
    A leaky integrator has an infinite theta. gives_met: is the membrane that the framework gives the one that meets the
    threshold, before the reset of its step?
    """

    decay: np.ndarray
    theta: np.ndarray
    strict: bool
    reset: str
    order: str = "before"
    gain: float = 1.0
    v_reset: float = 0.0
    v_leak: float = 0.0
    v0: float = 0.0
    current: str = "none"
    current_decay: float = 0.0
    refractory: int = 0
    gives_met: bool = False

    @property
    def fires(self) -> bool:
        return bool(np.isfinite(self.theta).all())


@dataclass(frozen=True, slots=True, eq=False)
class FloatNeuron(FloatLayer):
    """A layer of spiking neurons: potentials in, spikes of 0 and 1 out, in every time step. of: the framework's
    name."""

    neuron: Neuron
    of: str = "neuron"
    kind: ClassVar[str] = "neuron"

    @property
    def title(self) -> str:
        return self.of


def drop_rectifiers(network: FloatNetwork) -> FloatNetwork:
    """`network` without the ReLUs of spikes, which change nothing."""
    spikes, gone = set[str](), dict[str, str]()
    for layer in network.layers:
        of_spikes = all(source in spikes for source in layer.sources)
        if isinstance(layer, FloatNeuron) or (
            of_spikes and isinstance(layer, AvgPool | FloatConcat | FloatRelu | FloatUpsample | MaxPool)
        ):
            spikes.add(layer.name)
        if of_spikes and isinstance(layer, FloatRelu) and layer.ceiling >= 1:
            gone[layer.name] = layer.source
    return network.edited((), gone)


@dataclass(frozen=True, slots=True, eq=False)
class FloatGate(FloatLayer):
    """Spikes of the second input where the first one spikes too, or, inverted, where it does not: AND and IAND of
    SEW-ResNet (arXiv 2102.04159)."""

    inverted: bool = False
    kind: ClassVar[str] = "and"
    operands: ClassVar[int] = 2

    def infer(self, *shapes: Shape) -> Shape:
        if len(set(shapes)) > 1:
            first, other = ("x".join(map(str, s)) for s in shapes)
            raise self.fail(f"multiplies maps of {first} and {other}; needs equal shapes")
        return shapes[0]


PIXEL = 1 / 255  # real value of one code of an image or a sample


@dataclass(frozen=True, slots=True, eq=False)
class SpikingModel:
    """A float network in discrete time. network: what it computes in one time step, its last layer what is read out.
    steps: T. timed: does the input change from step to step ([N, T, C, H, W]), or is it the same in all of them?
    scale: of the answer (1/T of a mean). readout: of READOUTS, what is read of the last layer. sample_code: real value
    of one code of an input of numbers that change (1/255 of samples in [0, 1], 1 of counts of events); 0 where the
    input is spikes or stays."""

    network: FloatNetwork
    steps: int
    timed: bool
    scale: float = 1.0
    sample_code: float = 0.0
    readout: str = SPIKES

    @property
    def read(self) -> str:
        """ "last", "sum" or "max" of the last layer's membrane; "" where its spikes are summed."""
        return self.readout.removeprefix("membrane-") if self.readout != SPIKES else ""

    @property
    def signal(self) -> bool:
        """Is the input numbers that change from step to step?"""
        return self.sample_code > 0

    @property
    def code(self) -> float:
        """Real value of one code of the input."""
        return self.sample_code or (1.0 if self.timed else PIXEL)


NEAR = 1e-5  # of a threshold, relative: where two float orders of addition may decide otherwise


class NeuronState:
    """Runs a layer of neurons step by step, in float64. shape: (N, C, ...) of its inputs."""

    def __init__(self, neuron: Neuron, shape: tuple[int, ...]) -> None:
        self.neuron = neuron
        self.v, self.i, self.z = np.full(shape, neuron.v0), np.zeros(shape), np.zeros(shape, bool)
        self.rests = np.zeros(shape, np.int64)  # steps for which a neuron still does not integrate
        self.membrane = self.v  # that the framework gives
        self.sure = np.ones(shape[0], bool)  # frames in which no membrane came near its threshold so far
        axes = (1, -1, *[1] * (len(shape) - 2))
        self.decay, self.theta = neuron.decay.reshape(axes), neuron.theta.reshape(axes)

    def step(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(spikes, bool; by how much the membrane is above the threshold) for the inputs of a time step."""
        neuron, drive, before, awake = self.neuron, x, self.v, self.rests == 0
        if neuron.current != "none":
            following = neuron.current_decay * self.i + x
            drive, self.i = (following if neuron.current == "new" else self.i), following
        self.v = neuron.v_leak + self.decay * (self.v - neuron.v_leak) + neuron.gain * drive
        if neuron.order == "after":
            self._reset()
        off = np.where(awake, self.v - self.theta, -np.inf) if neuron.refractory else self.v - self.theta
        self.membrane = self.v
        if neuron.fires:
            near = np.abs(off) <= NEAR * np.maximum(1.0, np.abs(self.theta))
            self.sure &= ~near.reshape(len(off), -1).any(1)
        self.z = off > 0 if neuron.strict else off >= 0
        if neuron.order == "before":
            self._reset()
        if neuron.refractory:
            self.v = np.where(awake, self.v, before)
            self.rests = np.where(awake, self.z * neuron.refractory, self.rests - 1)
        if not neuron.gives_met:
            self.membrane = self.v
        return self.z, off

    def _reset(self) -> None:
        if self.neuron.reset == "soft":
            self.v = self.v - self.z * self.theta
        elif self.neuron.reset == "hard":
            self.v = np.where(self.z, self.neuron.v_reset, self.v)
