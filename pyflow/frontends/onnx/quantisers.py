# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Quantisers of ONNX files: Quant of QONNX (arXiv 2206.07527), QuantizeLinear with its Clip and DequantizeLinear; and
the constants that they make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from pyflow.frontends.onnx.file import Graph, Node
from pyflow.frontends.onnx.walk import Given
from pyflow.frontends.trained import Layer, Quantiser, Stream, TrainedBuilder, rounded

QONNX = ("qonnx.custom_op.general", "finn.custom_op.general", "onnx.brevitas")
QUANTISERS = {"QuantizeLinear", "DequantizeLinear", "Quant", "IntQuant", "BipolarQuant", "Trunc", "MultiThreshold"}
ROUNDINGS = {"ROUND": "even", "HALF_EVEN": "even", "HALF_UP": "up", "FLOOR": "floor"}
# Bits and sign of the types of QuantizeLinear.
TYPES = {2: (8, False), 3: (8, True), 4: (16, False), 5: (16, True), 21: (4, False), 22: (4, True)}
Trained = Given[Stream]


def is_trained(graph: Graph) -> bool:
    """Does a file hold quantisers?"""
    return any(node.op in QUANTISERS for node in graph.nodes)


@dataclass(frozen=True, slots=True, eq=False)
class Dequantised:
    """A constant that is integers times a scale, which broadcasts. bits: that it was trained with."""

    integers: np.ndarray
    scale: np.ndarray
    bits: int

    @property
    def real(self) -> np.ndarray:
        return np.asarray(self.integers * self.scale, np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """What QuantizeLinear gives, before DequantizeLinear. source: a constant or a stream; reads: the tensor's name;
    layer: that of the QuantizeLinear."""

    source: np.ndarray | Stream
    scale: np.ndarray
    low: int
    high: int
    bits: int
    reads: str
    layer: Layer


@dataclass(frozen=True, slots=True)
class Site:
    """A quantiser of the file: tensors that it reads and makes, its scale and rounding, and the operator of the network
    that gives its codes."""

    reads: str
    makes: str
    codes: str
    scale: float
    rounding: str


class Importer:
    """What the handlers of a file of trained integers work on. sites: its quantisers, as they are met."""

    def __init__(self, graph: Graph, name: str, shape: tuple[int, ...], ties: str = "even") -> None:
        self.graph, self.builder = graph, TrainedBuilder(name, shape, ties)
        self.sites: list[Site] = []
        self.rounded = False  # is the answer rounded by a quantiser, which the network leaves out?

    def quantise(self, given: Trained, layer: Layer, source: Stream, reads: str, q: Quantiser) -> Stream:
        made = self.builder.quantise(layer, source, q)
        if codes := self.builder.codes.get(layer.label):
            self.sites.append(Site(reads, given.node.outputs[0], codes, float(q.scale), q.rounding))
        return made


def layer_of(node: Node) -> Layer:
    return Layer(node.label, node.op)


def stream_of(given: Trained, place: int = 0) -> Stream:
    value = given.values[place] if place < len(given.values) else None
    if isinstance(value, Levels):
        raise given.node.fail("reads integers of a QuantizeLinear; a DequantizeLinear must stand between them")
    if not isinstance(value, Stream):
        raise given.node.fail(f"input {place} is {'missing' if value is None else 'a constant'}; needs activations")
    return value


def real_of(given: Trained, place: int, what: str) -> np.ndarray:
    """A constant's real numbers."""
    value = given.values[place] if place < len(given.values) else None
    return value.real if isinstance(value, Dequantised) else given.constant(place, what).astype(np.float64)


def _scale_of(given: Trained, place: int, zero: int) -> np.ndarray:
    """The scale of a quantiser, which has no zero point."""
    scale = np.asarray(given.constant(place, "the scale"))
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        raise given.node.fail("its scale is not finite and above 0")
    if given.has(zero) and given.constant(zero, "the zero point").any():
        worst = given.constant(zero, "the zero point").ravel()[0]
        raise given.node.fail(f"zero point {worst} is not supported; needs 0, a symmetric quantiser")
    return scale


def _one(given: Trained, scale: np.ndarray) -> Fraction:
    if scale.size != 1:
        raise given.node.fail(f"has {scale.size} scales for activations; needs one for the whole tensor")
    return Fraction(float(scale.ravel()[0]))


def _rounded(values: np.ndarray, scale: np.ndarray, low: int, high: int, rounding: str = "even") -> np.ndarray:
    """Integers of a constant, in the arithmetic of its own type."""
    return np.asarray(np.clip(rounded(values / scale.astype(values.dtype), rounding), low, high), np.int64)


def _quant(importer: Importer, given: Trained) -> Any:
    node, scale = given.node, _scale_of(given, 1, 2)
    width = given.constant(3, "the bit width")
    bits, signed, narrow = float(width.ravel()[0]), bool(node.number("signed", 1)), bool(node.number("narrow", 0))
    if width.size != 1 or bits != int(bits) or not 1 <= bits <= 32:
        raise node.fail(f"bit width {width.ravel()[:4].tolist()} must be one integer, 1 to 32")
    high = 2 ** (int(bits) - signed) - 1 - (narrow and not signed)
    low = (narrow - 2 ** (int(bits) - 1)) if signed else 0
    mode = node.text("rounding_mode", "ROUND").upper()
    if mode not in ROUNDINGS:
        raise node.fail(f"attribute rounding_mode {mode!r} is not supported; needs {' or '.join(ROUNDINGS)}")
    value = given.values[0]
    if isinstance(value, np.ndarray):
        return Dequantised(_rounded(value, scale, low, high, ROUNDINGS[mode]), scale, int(bits))
    if isinstance(value, Dequantised):
        return Dequantised(_rounded(value.real.astype(np.float32), scale, low, high, ROUNDINGS[mode]), scale, int(bits))
    q = Quantiser(_one(given, scale), int(low), int(high), ROUNDINGS[mode])
    return importer.quantise(given, layer_of(node), stream_of(given), node.inputs[0], q)


def _bipolar(_: Importer, given: Trained) -> Dequantised:
    value = given.constant(0, "what it quantises")
    return Dequantised(np.where(value >= 0, 1, -1), given.constant(1, "the scale"), 2)


def _aligned(given: Trained, scale: np.ndarray, rank: int) -> np.ndarray:
    """A scale per channel of `axis`, so that it broadcasts."""
    if scale.size == 1:
        return scale.reshape(())
    axis = int(given.node.number("axis", 1)) % rank
    return scale.reshape([-1 if n == axis else 1 for n in range(rank)])


def _quantize_linear(_: Importer, given: Trained) -> Levels:
    node, scale = given.node, _scale_of(given, 1, 2)
    bits, signed = TYPES.get(int(node.number("output_dtype", 0)), (8, False))
    if given.has(2):
        zero = given.constant(2, "the zero point")
        bits, signed = 8 * zero.dtype.itemsize, zero.dtype.kind == "i"
    source = given.values[0]
    if not isinstance(source, np.ndarray):
        source = stream_of(given)
        _one(given, scale)
    else:
        scale = _aligned(given, scale, source.ndim)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return Levels(source, scale, low, high, bits, node.inputs[0], layer_of(node))


def _dequantize_linear(importer: Importer, given: Trained) -> Any:
    scale, value = _scale_of(given, 1, 2), given.values[0]
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "iu":
            raise given.node.fail(f"reads {value.dtype}, needs integers")
        return Dequantised(value.astype(np.int64), _aligned(given, scale, value.ndim), 8 * value.dtype.itemsize)
    if not isinstance(value, Levels):
        raise given.node.fail("reads what no QuantizeLinear gave")
    if not np.array_equal(np.ravel(scale), np.ravel(value.scale)):
        raise given.node.fail("has another scale than the QuantizeLinear that it reads")
    if isinstance(value.source, np.ndarray):
        return Dequantised(_rounded(value.source, value.scale, value.low, value.high), value.scale, value.bits)
    q = Quantiser(_one(given, scale), value.low, value.high)
    return importer.quantise(given, value.layer, value.source, value.reads, q)


QUANTISING: dict[str, Callable[[Importer, Trained], Any]] = {
    **{f"{domain}:{op}": _quant for domain in QONNX for op in ("Quant", "IntQuant")},
    **{f"{domain}:BipolarQuant": _bipolar for domain in QONNX},
    "QuantizeLinear": _quantize_linear,
    "DequantizeLinear": _dequantize_linear,
}
