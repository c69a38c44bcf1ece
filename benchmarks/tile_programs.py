# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The programs of DFSynthesizer (arXiv 2108.02023) as connectomes, for `make bench-tiles`.

Networks are pyflow's, of which clusters need the shape alone: weights are zeros. The image filters are those of
CARLsim's tutorial 4, unit by unit. Connectomes that are not published are look-alikes, of the size that is quoted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from pyflow.graph import Network
from pyflow.machines.tiles import Connectome, from_fan_ins, from_network
from pyflow.operators import (
    Accumulate,
    Conv,
    Encoding,
    LIFNeuron,
    Linear,
    Operator,
    OrPool,
    RateEncode,
    Readout,
    Tensor,
)


class Program(NamedTuple):
    """build: None where it is too large. synapses: then their number. real: no look-alike."""

    name: str
    what: str
    build: Callable[[], Connectome] | None
    real: bool = True
    synapses: int = 0


class Layer(NamedTuple):
    """outputs: channels; 0 of a pool. kernel: 0 of a linear layer."""

    outputs: int
    kernel: tuple[int, int] = (0, 0)
    stride: tuple[int, int] = (1, 1)


def spiking(name: str, shape: tuple[int, int, int], layers: Sequence[Layer]) -> Connectome:
    """Of layers that a neuron follows each; pools fire themselves."""
    ops: list[Operator] = []
    made = Tensor("input", shape, Encoding.PIXEL, 8, 255)

    def add(kind: Callable[..., Operator], name: str, **fields: Any) -> None:
        nonlocal made
        ops.append(kind(name, (made.name,), **fields))
        made = ops[-1].infer(made)

    add(RateEncode, "spikes", steps=8)
    for n, layer in enumerate(layers):
        if not layer.outputs:
            add(OrPool, f"pool{n}", kernel=layer.kernel, stride=layer.kernel)
            continue
        if layer.kernel == (0, 0):
            add(Linear, f"linear{n}", weight=np.zeros((layer.outputs, math.prod(made.shape), 1, 1), np.int8))
        else:
            weight = np.zeros((layer.outputs, made.shape[0], *layer.kernel), np.int8)
            add(Conv, f"conv{n}", weight=weight, stride=layer.stride)
        add(LIFNeuron, f"neuron{n}", theta=np.ones(layer.outputs))
    add(Accumulate, "counts")
    add(Readout, "logits", bias=np.zeros(layers[-1].outputs))
    return from_network(Network(name, shape, tuple(ops)))


def mlp() -> Connectome:
    return spiking("mlp", (1, 28, 28), [Layer(100), Layer(10)])


def lenet5() -> Connectome:
    pool = Layer(0, (2, 2))
    convs = [Layer(6, (5, 5)), pool, Layer(16, (5, 5)), pool, Layer(120, (5, 5))]
    return spiking("lenet5", (1, 32, 32), [*convs, Layer(84), Layer(10)])


def cnn() -> Connectome:
    return spiking("cnn", (1, 28, 28), [Layer(16, (5, 5), (2, 2)), Layer(32, (3, 3), (2, 2)), Layer(10)])


def ecg() -> Connectome:
    """A 1-D network of a heart beat's samples, 2.4 million synapses."""
    pool = Layer(0, (1, 2))
    convs = [Layer(16, (1, 7)), pool, Layer(32, (1, 7)), pool, Layer(64, (1, 7)), pool]
    return spiking("ecg", (2, 1, 256), [*convs, Layer(640), Layer(5)])


def field(radius: float, side: int = 64, small: int = 32) -> list[np.ndarray]:
    """Axons of small x small neurons that read a disc of side x side inputs each."""
    step, reach = side // small, int(radius)
    disc = [(y, x) for y in range(-reach, reach + 1) for x in range(-reach, reach + 1) if x * x + y * y <= radius**2]
    return [
        np.array([
            2 * ((row * step + y) * side + column * step + x)
            for y, x in disc
            if 0 <= row * step + y < side and 0 <= column * step + x < side
        ])
        for row in range(small)
        for column in range(small)
    ]  # fmt: skip


def img_smooth() -> Connectome:
    return from_fan_ins("img_smooth", 64 * 64, field(5))


def edge_det() -> Connectome:
    """The difference of a narrow and a wide field."""
    narrow, wide = field(0.5), field(3)
    first = 64 * 64
    edges = [np.array([2 * (first + n), 2 * (first + len(narrow) + n)]) for n in range(len(narrow))]
    return from_fan_ins("edge_det", first, [*narrow, *wide, *edges])


def reservoir(name: str, neurons: int, inputs: int, fan_in: int) -> Connectome:
    """Neurons that read chance ones of the step before, and some inputs."""
    rng = np.random.default_rng(0)
    rows = []
    for n in range(neurons):
        late = 2 * (inputs + rng.choice(neurons, fan_in, replace=False)) + 1
        rows.append(np.sort(np.concatenate([[2 * (n % inputs)], late])))
    return from_fan_ins(name, inputs, rows)


def competition() -> Connectome:
    """Excitatory neurons of all pixels, each with an inhibitory one that stops the others."""
    pixels, size = 28 * 28, 400
    excites, inhibits = np.arange(pixels, pixels + size), np.arange(pixels + size, pixels + 2 * size)
    seen = 2 * np.arange(pixels)
    rows = [np.sort(np.concatenate([seen, 2 * np.delete(inhibits, n) + 1])) for n in range(size)]
    return from_fan_ins("competition", pixels, [*rows, *(2 * excites[:, None])])


# AlexNet (2012, without groups) and VGG-16 at 224 x 224: (outputs, positions, fan-in) of each layer, pools left out.
ALEXNET = [(96, 55 * 55, 363), (256, 27 * 27, 2400), (384, 169, 2304), (384, 169, 3456), (256, 169, 3456),
           (4096, 1, 9216), (4096, 1, 4096), (1000, 1, 4096)]  # fmt: skip
VGG16 = [(64, 224**2, 27), (64, 224**2, 576), (128, 112**2, 576), (128, 112**2, 1152), (256, 56**2, 1152),
         (256, 56**2, 2304), (256, 56**2, 2304), (512, 28**2, 2304), (512, 28**2, 4608), (512, 28**2, 4608),
         (512, 14**2, 4608), (512, 14**2, 4608), (512, 14**2, 4608), (4096, 1, 25088), (4096, 1, 4096),
         (1000, 1, 4096)]  # fmt: skip


def products(layers: Sequence[tuple[int, int, int]]) -> int:
    return sum(outputs * positions * fan_in for outputs, positions, fan_in in layers)


PROGRAMS = (
    Program("MLP-MNIST", "784-100-10", mlp),
    Program("LeNet-5", "32 x 32, pools as neurons", lenet5),
    Program("CNN-MNIST", "16 and 32 channels of our own choice", cnn),
    Program("ImgSmooth", "CARLsim, radius 5", img_smooth),
    Program("EdgeDet", "CARLsim, radii 0.5 and 3", edge_det),
    Program("HeartEstm", "reservoir of 2,500, fan-in 255", lambda: reservoir("heart", 2500, 100, 254), False),
    Program("HeartClass", "1-D convolutions of 256 samples", ecg, False),
    Program("VisualPursuit", "reservoir of 600, fan-in 120", lambda: reservoir("pursuit", 600, 200, 119), False),
    Program("DigitRecogSTDP", "784-400 with inhibition", competition, False),
    Program("AlexNet", "224 x 224, no groups", None, synapses=products(ALEXNET)),
    Program("VGG16", "224 x 224", None, synapses=products(VGG16)),
)
