# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The scalar models of verif/models and the vectorised operators of pyflow say the same.

They share no code. A convolution is put together here as the cores do it: window, array, neuron.
"""

import random
from typing import Any

import numpy as np
import pytest

from pyflow.operators import Conv, DepthwiseConv, Encode, Linear, MaxPool, RadixNeuron, Readout, SumPool, Upsample
from verif.models.encode_radix import encode_radix
from verif.models.neuron_radix import neuron_radix
from verif.models.pool import pool
from verif.models.readout import readout
from verif.models.synapse_array import synapse_array
from verif.models.synapse_depthwise import synapse_depthwise
from verif.models.window import line_buffer, span, upsample, window_fold, window_full

SEEDS = range(24)


def as_map(frame: np.ndarray) -> list:
    """int [C, H, W] to rows of pixels of one group: all channels."""
    return [[[pixel] for pixel in row] for row in frame.transpose(1, 2, 0).tolist()]


def random_window(rng: random.Random) -> dict:
    kernel = (rng.choice((1, 2, 3, 5)), rng.choice((1, 2, 3, 5)))
    return {
        "kernel": kernel,
        "stride": (rng.randint(1, 3), rng.randint(1, 3)),
        "padding": tuple(rng.randrange(k) for k in kernel),
    }


def random_codes(seed: int, steps: int, channels: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2**steps, (2, channels, *rng.integers(5, 8, 2)))


def windows(x: np.ndarray, kernel, stride, padding, pad: list[int]) -> list[list[list[int]]]:
    """Per output pixel, its taps in stream order, each a list of channels; as line buffer and full window."""
    columns = line_buffer(as_map(x), kernel[0], stride[0], padding[0], pad)
    full = window_full(columns, kernel[1], stride[1], padding[1], [pad] * kernel[0])
    taps = [[column[ky] for ky in range(kernel[0]) for column in window] for window in full]
    folded = window_fold(as_map(x), kernel, stride, padding, pad)
    size = kernel[0] * kernel[1]
    assert taps == [folded[n : n + size] for n in range(0, len(folded), size)], "full and folded window differ"
    return taps


@pytest.mark.parametrize("steps", range(1, 9))
def test_encode(steps):
    pixels = np.arange(256).reshape(1, 1, 16, 16)
    got = Encode("encode", ("input",), steps=steps).run(pixels)
    assert got.ravel().tolist() == [encode_radix(p, steps) for p in range(256)]


@pytest.mark.parametrize("seed", SEEDS)
def test_conv(seed):
    rng = random.Random(seed)
    steps, bits = 1 + seed % 8, 2 + seed % 7
    inputs, outputs = rng.randint(1, 3), rng.randint(1, 3)
    limit = 2 ** (bits - 1) - 1
    x, shape = random_codes(seed, steps, inputs), random_window(rng)
    pad: Any = [rng.randrange(2**steps) for _ in range(inputs)] if seed % 2 else []
    weight = np.random.default_rng(seed).integers(-limit, limit + 1, (outputs, inputs, *shape["kernel"]))
    got = Conv("conv", ("x",), **shape, weight=weight, weight_bits=bits, pad_code=pad).run(x)
    # One slice per tap: rows of the array are the channels of that tap.
    taps = weight.reshape(outputs, inputs, -1).transpose(2, 0, 1).tolist()
    for frame, potentials in zip(x, got, strict=True):
        pixels = windows(frame, **shape, pad=pad or [0] * inputs)
        expected = [synapse_array(window, taps, steps) for window in pixels]
        assert potentials.reshape(outputs, -1).T.tolist() == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_depthwise(seed):
    rng = random.Random(seed)
    steps, bits = 1 + seed % 8, 2 + seed % 7
    inputs, multiplier = rng.randint(1, 3), rng.randint(1, 3)
    limit = 2 ** (bits - 1) - 1
    x, shape = random_codes(seed, steps, inputs), random_window(rng)
    pad: Any = [rng.randrange(2**steps) for _ in range(inputs)] if seed % 2 else []
    weight = np.random.default_rng(seed).integers(-limit, limit + 1, (inputs * multiplier, 1, *shape["kernel"]))
    got = DepthwiseConv("conv", ("x",), **shape, weight=weight, weight_bits=bits, pad_code=pad).run(x)
    kernels = weight.reshape(inputs, multiplier, -1).tolist()
    for frame, potentials in zip(x, got, strict=True):
        pixels = windows(frame, **shape, pad=pad or [0] * inputs)
        expected = [synapse_depthwise(window, kernels, steps) for window in pixels]
        assert potentials.reshape(len(weight), -1).T.tolist() == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_linear(seed):
    rng = np.random.default_rng(seed)
    steps, bits = 1 + seed % 8, 2 + seed % 7
    limit = 2 ** (bits - 1) - 1
    x = random_codes(seed, steps, 1 + seed % 3)
    weight = rng.integers(-limit, limit + 1, (4, x[0].size, 1, 1))
    got = Linear("linear", ("x",), weight=weight, weight_bits=bits).run(x)
    for frame, potentials in zip(x, got, strict=True):
        expected = synapse_array([frame.ravel().tolist()], [weight[:, :, 0, 0].tolist()], steps)
        assert potentials.ravel().tolist() == expected


@pytest.mark.parametrize("steps", range(1, 9))
@pytest.mark.parametrize("exponent", [0, 3])
def test_radix_neuron(steps, exponent):
    """Every potential around every threshold, both rails, random theta and bias."""
    rng = random.Random(steps)
    thetas: Any = [1, 2, 3, 7, 8, rng.randint(9, 400), rng.randint(400, 5000)]
    biases: Any = [rng.randint(-(theta << steps), theta << steps) for theta in thetas]
    neuron = RadixNeuron("neuron", ("h",), theta=thetas, bias=biases, exponent=exponent, steps=steps)
    near = [
        [((k * theta - b) >> exponent) + d for k in range(-1, 2**steps + 2) for d in (-1, 0, 1)]
        for theta, b in zip(thetas, biases, strict=True)
    ]
    h = np.array([row + [-(2**30), 2**30] + [rng.randint(-9999, 9999) for _ in range(50)] for row in near])
    got = neuron.run(h[None, :, None, :])[0, :, 0]
    expected = [
        [neuron_radix(v, theta, b, exponent, steps) for v in row]
        for row, theta, b in zip(h.tolist(), thetas, biases, strict=True)
    ]
    assert got.tolist() == expected


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("operator", "reduce"), [(MaxPool, max), (SumPool, sum)])
def test_pools(seed, operator, reduce):
    x, shape = random_codes(seed, 1 + seed % 8, 3), random_window(random.Random(seed))
    got = operator("pool", ("x",), **shape).run(x)
    for frame, words in zip(x, got, strict=True):
        expected = [pool(window, reduce) for window in windows(frame, **shape, pad=[0] * 3)]
        assert words.reshape(3, -1).T.tolist() == expected
        assert words.shape[1:] == tuple(span(*axis) for axis in zip(frame.shape[1:], *shape.values(), strict=True))


@pytest.mark.parametrize("scale", [(2, 2), (1, 3), (4, 1)])
def test_upsample(scale):
    x = random_codes(1, 4, 3)
    got = Upsample("up", ("x",), scale).run(x)
    assert [as_map(frame) for frame in got] == [upsample(as_map(frame), *scale) for frame in x]


def test_readout():
    h = [-700, 0, 31]
    bias: Any = [5, -6, 7]
    got = Readout("readout", ("h",), bias=bias, exponent=2).run(np.array(h)[None, :, None, None])
    assert got.ravel().tolist() == [readout(*pair, 2) for pair in zip(h, bias, strict=True)]
