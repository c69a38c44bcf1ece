# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Builds a Network of integers that training has chosen already, layer by layer: weights as they are, neurons of
quantisers whose scales are given. Nothing is rounded; what has no exact form is refused by name.

A tensor is `Codes`, which have been quantised, or a `Potential`, the sum of a Conv or Linear that no quantiser has read
yet.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from pyflow import operators as ops
from pyflow.errors import VolleyError
from pyflow.frontends.builder import FORMS, RESERVED
from pyflow.frontends.kernels import MOST_WEIGHTS
from pyflow.frontends.trained.tensors import (
    LEVELS,
    MAX_BITS,
    Codes,
    Layer,
    Pair,
    Potential,
    Quantiser,
    Stream,
    Weight,
    rounded,
)
from pyflow.graph import INPUT, Network
from pyflow.model.boundaries import Channel, NoIntegers, fitted
from pyflow.operators.pool import sum_steps
from pyflow.shapes import map_shape


class TrainedBuilder:
    """Every method takes the layer, what it reads, and its numbers; it returns what the layer gives, or raises
    VolleyError naming the layer. ties: "even", or "up" where the user has a tie go to the larger code."""

    def __init__(self, name: str, input_shape: Sequence[int], ties: str = "even") -> None:
        """input_shape: (C, H, W), (C, L) or (F,)."""
        self.name, self.ties = name, ties
        self.input_shape = map_shape(input_shape)
        self.start = Codes(
            self.input_shape, len(input_shape) - 1, Layer("the input", ""), INPUT, Fraction(1, LEVELS), MAX_BITS, LEVELS
        )
        self.codes: dict[str, str] = {}  # by label of a quantiser, the tensor of its codes
        self._operators: list[ops.Operator] = []
        self._names = set(RESERVED)
        self._read: set[str] = set()

    # -------------------------------------------------------------- synapses
    def conv(
        self,
        layer: Layer,
        source: Stream,
        weight: Weight,
        bias: np.ndarray | None,
        stride: Pair,
        before: Pair,
        after: Pair,
        depthwise: bool = False,
    ) -> Potential:
        """weight: [Co, Ci, KH, KW], [Ci * M, 1, KH, KW] if depthwise. bias: real, [Co]. before, after: padding."""
        codes = self._narrow(layer, source)
        if not codes.axes:
            raise layer.fail(f"acts on maps, its input is {FORMS[0]}")
        pads = [(b + c, a + d) for b, c, a, d in zip(before, codes.before, after, codes.after, strict=True)]
        both = tuple(max(pair) for pair in pads)
        rim = [(0, 0), (0, 0), *((most - b, most - a) for most, (b, a) in zip(both, pads, strict=True))]
        if min(*before, *after) < 0 or weight.integers[:, :, 0, 0].size * math.prod(np.add(both, 1)) > MOST_WEIGHTS:
            raise layer.fail(f"pads {before} before and {after} after; needs 0 or more, and less")
        kernel = np.pad(weight.integers, rim)  # a side that is padded more than the other
        kind = ops.DepthwiseConv if depthwise else ops.Conv
        values = {"kernel": kernel.shape[2:], "stride": stride, "padding": both}
        return self._driven(layer, codes, kind, replace(weight, integers=kernel), bias, **values)

    def linear(self, layer: Layer, source: Stream, weight: Weight, bias: np.ndarray | None) -> Potential:
        """weight: [Co, C*H*W] in C,H,W order. bias: real, [Co]."""
        codes = self._narrow(layer, source)
        if codes.axes:
            raise layer.fail(f"acts on {FORMS[0]}, its input is {FORMS[codes.axes]}; add a Flatten before it")
        self._unpadded(layer, codes)
        columns = replace(weight, integers=weight.integers[:, :, None, None])
        return self._driven(layer, replace(codes, axes=0), ops.Linear, columns, bias)

    def _driven(
        self,
        layer: Layer,
        codes: Codes,
        kind: type[ops.Synapse],
        weight: Weight,
        bias: np.ndarray | None,
        **values: Any,
    ) -> Potential:
        integers = weight.integers
        largest = int(np.abs(integers).max(initial=0))
        bits = max(2, weight.bits, 1 + largest.bit_length())  # narrow: -8 needs five bits
        if bits > MAX_BITS:
            raise layer.fail(f"has a weight of {largest}; needs at most 127, narrow weights of 8 bits or fewer")
        source = self._encoded(codes, MAX_BITS) if codes.name == INPUT else codes
        operator = kind(self._unique(layer.label), (source.name,), weight=integers, weight_bits=bits, **values)
        tensor = ops.Tensor(source.name, source.shape, ops.Encoding.RADIX, source.steps, source.bound)
        shape = operator.infer(tensor).shape
        rows = integers.reshape(len(integers), -1)
        low, high = (np.sum(part, 1) * source.bound for part in (np.minimum(rows, 0), np.maximum(rows, 0)))
        scales = np.broadcast_to(np.ravel(weight.scale), len(integers))
        if not (np.isfinite(scales).all() and (scales > 0).all()):
            raise layer.fail(f"weight scale {scales.min():g} is not above 0; check the file's scales")
        scale = tuple(Fraction(float(s)) * source.scale for s in scales)
        zeros = np.zeros(len(scale)) if bias is None else np.ravel(bias)
        if zeros.size != len(scale) or not np.isfinite(zeros).all():
            raise layer.fail(f"bias of {zeros.size} numbers must be {len(scale)} finite ones")
        shift = tuple(Fraction(float(b)) / s for b, s in zip(zeros, scale, strict=True))
        return Potential(shape, codes.axes, layer, operator, (low, high), scale, shift)

    # -------------------------------------------------------------- what follows them
    def affine(self, layer: Layer, source: Stream, scale: np.ndarray, shift: np.ndarray) -> Stream:
        """y = scale * x + shift per channel, both real: [C] or [1]."""
        values = [np.broadcast_to(np.ravel(a), source.shape[0]).astype(np.float64) for a in (scale, shift)]
        if not all(np.isfinite(a).all() for a in values):
            raise layer.fail("scale or shift is not finite; check its weights and running statistics")
        if (values[0] == 1).all() and not values[1].any():
            return source
        if not isinstance(source, Potential) or source.fires or source.ends:
            raise layer.fail(
                f"follows {source.layer.label!r}, whose numbers are quantised; put it between a Conv or Linear and its "
                "quantiser"
            )
        if (values[0] < 0).any() and source.behind:
            raise layer.fail("has a negative scale behind a pool; put the pool behind the ReLU")
        sign = np.where(values[0] < 0, -1, np.where(values[0] == 0, 0, 1))
        weight = source.operator.weight.astype(np.int64) * sign[:, None, None, None]
        low, high = (np.where(sign < 0, -b, a) * abs(sign) for a, b in (source.reach, source.reach[::-1]))
        scales, shifts = [], []
        for s, offset, factor, added in zip(source.scale, source.shift, *values, strict=True):
            scales.append(s * Fraction(abs(factor)) if factor else Fraction(1))
            moved = offset if factor > 0 else -offset if factor < 0 else Fraction(0)
            shifts.append(moved + Fraction(added) / scales[-1])
        operator = replace(source.operator, weight=weight)
        return replace(
            source, layer=layer, operator=operator, reach=(low, high), scale=tuple(scales), shift=tuple(shifts)
        )

    def relu(self, layer: Layer, source: Stream, ceiling: float = float("inf")) -> Stream:
        if isinstance(source, Codes):
            if ceiling < source.scale * source.bound:
                raise layer.fail(f"clips at {ceiling:g} what is quantised up to {float(source.scale * source.bound):g}")
            return source
        source = self._alive(layer, source)
        return replace(source, fires=True, ceiling=min(ceiling, source.ceiling))

    def quantise(self, layer: Layer, source: Stream, q: Quantiser) -> Stream:
        """Codes of a quantiser. One of signed numbers may stand at the end, where it keeps the order of logits."""
        if q.scale <= 0:
            raise layer.fail(f"scale {float(q.scale):g} is not above 0")
        if q.low > 0 or q.high < 1:
            raise layer.fail(f"gives codes {q.low} to {q.high}; needs codes from 0 on")
        if isinstance(source, Codes):
            return self._encoded_as(layer, source, q) if source.name == INPUT else self._requantised(layer, source, q)
        source = self._alive(layer, source)
        if q.low < 0 and not source.fires:
            return replace(source, ends=layer)
        if source.ceiling < q.scale * q.high:
            raise layer.fail(f"is behind a clip at {source.ceiling:g}, below its largest {float(q.scale * q.high):g}")
        channels = [
            Channel(q.scale / s, b, int(low), int(high))
            for s, b, low, high in zip(source.scale, source.shift, *source.reach, strict=True)
        ]
        name = self._taken(source.operator)
        return self._fired(layer, name, replace(source, layer=layer), channels, q)

    def _requantised(self, layer: Layer, source: Codes, q: Quantiser) -> Codes:
        self._unpadded(layer, source)
        if q.scale == source.scale and q.high >= source.bound and source.steps <= MAX_BITS:
            return source
        channels = [Channel(q.scale / source.scale, Fraction(0), 0, source.bound)] * source.shape[0]
        return self._fired(layer, source.name, source, channels, q)

    def _fired(self, layer: Layer, name: str, source: Stream, channels: list[Channel], q: Quantiser) -> Codes:
        steps = q.high.bit_length()
        if steps > MAX_BITS:
            raise layer.fail(f"gives codes up to {q.high}; needs at most 255, 8 bits without sign")
        if q.high != 2**steps - 1:
            raise layer.fail(f"ends at code {q.high}; needs 2^T - 1, {2**steps - 1}")
        try:
            found = fitted(channels, steps, self._rounding(q))
        except NoIntegers as e:
            cure = "; ties='up' rounds ties up" if e.tie else ""
            why = "a potential lies right between two codes, and goes to the even one" if e.tie else "it has no room"
            raise layer.fail(
                f"channel {e.channel}: no threshold with e up to 24 has all its boundaries up to that of code {e.code} "
                f"where they were trained ({why}){cure}"
            ) from None
        neuron = self._add(
            ops.RadixNeuron, f"{layer.label}_neuron" if layer.label == name else layer.label, name,
            theta=found.theta, bias=found.bias, exponent=found.exponent, steps=steps,
        )  # fmt: skip
        self.codes[layer.label] = neuron
        shape, last = source.shape, neuron
        for make in source.behind if isinstance(source, Potential) else ():
            operator = make(self._unique(f"{layer.label}_pool"), last)
            self._operators.append(operator)
            last = operator.name
        return Codes(shape, source.axes, layer, last, q.scale, steps, q.high)

    def _rounding(self, q: Quantiser) -> str:
        return self.ties if q.rounding == "even" else q.rounding

    # -------------------------------------------------------------- the input
    def _encoded_as(self, layer: Layer, source: Codes, q: Quantiser) -> Codes:
        """The encoder's codes, where they are the quantiser's for each of the 256 pixels."""
        pixels = np.arange(LEVELS + 1)
        real = (pixels / LEVELS).astype(np.float32) / np.float32(float(q.scale))
        wanted = np.clip(rounded(real, self._rounding(q)), q.low, q.high)
        for steps in range(MAX_BITS, 0, -1):
            encoder = ops.Encode("encode", (INPUT,), steps)
            if np.array_equal(wanted, encoder.run(pixels[None, :, None, None]).ravel()):
                codes = replace(self._encoded(source, steps), scale=q.scale)
                self.codes[layer.label] = codes.name
                return codes
        raise layer.fail(
            f"rounds pixels to other codes than the encoder does (scale {float(q.scale):g}, {q.low} to {q.high}); "
            f"leave it out, try ties='up', or use scale 1/{LEVELS} and 8 bits without sign"
        )

    def _encoded(self, source: Codes, steps: int) -> Codes:
        name = "encode" if steps == MAX_BITS else f"encode{steps}"
        if not any(op.name == name for op in self._operators):
            self._names.add(name)
            self._operators.append(ops.Encode(name, (INPUT,), steps))
        scale = Fraction(2 ** (MAX_BITS - steps), LEVELS)
        return replace(source, name=name, scale=scale, steps=steps, bound=2**steps - 1)

    # -------------------------------------------------------------- maps
    def max_pool(self, layer: Layer, source: Stream, kernel: Pair, stride: Pair, padding: Pair) -> Stream:
        def make(name: str, tensor: str) -> ops.Operator:
            return ops.MaxPool(name, (tensor,), kernel=kernel, stride=stride, padding=padding)

        return self._mapped(layer, source, make)

    def upsample(self, layer: Layer, source: Stream, scale: Pair) -> Stream:
        return self._mapped(layer, source, lambda name, tensor: ops.Upsample(name, (tensor,), scale=scale))

    def _mapped(self, layer: Layer, source: Stream, make: Callable[[str, str], ops.Operator]) -> Stream:
        """What commutes with a quantiser: on codes, or behind the neuron."""
        probe = ops.Tensor("x", source.shape, ops.Encoding.RADIX, 1, 1)
        shape = make(layer.label, "x").infer(probe).shape
        if isinstance(source, Potential):
            source = self._alive(layer, source)
            return replace(source, shape=shape, layer=layer, behind=(*source.behind, make))
        codes = self._word(layer, source)
        operator = make(self._unique(layer.label), codes.name)
        self._operators.append(operator)
        return replace(codes, shape=shape, layer=layer, name=operator.name)

    def avg_pool(self, layer: Layer, source: Stream, kernel: Pair, stride: Pair, padding: Pair) -> Codes:
        """The sum over a window, whose unit is smaller."""
        codes = self._narrow(layer, source)
        codes = self._word(layer, codes)
        name = self._add(ops.SumPool, layer.label, codes.name, kernel=kernel, stride=stride, padding=padding)
        pool, area = self._operators[-1], kernel[0] * kernel[1]
        shape = pool.infer(ops.Tensor("x", codes.shape, ops.Encoding.RADIX, codes.steps, codes.bound)).shape
        steps = sum_steps(codes.steps, kernel)
        return replace(
            codes, shape=shape, layer=layer, name=name, scale=codes.scale / area, steps=steps, bound=codes.bound * area
        )

    def pad(self, layer: Layer, source: Stream, before: Pair, after: Pair) -> Codes:
        """Zeros around a map, of what has been quantised."""
        codes = self._narrow(layer, source)
        if min(*before, *after) < 0:
            raise layer.fail(f"padding {(*before, *after)} cuts the map; needs 0 or more")
        (t, left), (b, right) = (
            [x + y for x, y in zip(*p, strict=True)] for p in ((codes.before, before), (codes.after, after))
        )
        return replace(codes, layer=layer, before=(t, left), after=(b, right))

    def flatten(self, source: Stream) -> Stream:
        return replace(source, axes=0)

    # -------------------------------------------------------------- joins
    def add(self, layer: Layer, sources: Sequence[Stream]) -> Codes:
        first, other = self._alike(layer, sources, 2)
        if first.steps == MAX_BITS or first.name == other.name:
            raise layer.fail(
                "adds words of 8 bits, or one to itself; use quantisers of up to 7 bits, and scale weights"
            )
        if first.shape != other.shape:
            raise layer.fail(f"adds maps of {first.size} and {other.size}; needs equal shapes")
        name = self._add(ops.Add, layer.label, first.name, other.name)
        return replace(first, layer=layer, name=name, steps=first.steps + 1, bound=first.bound + other.bound)

    def concat(self, layer: Layer, sources: Sequence[Stream]) -> Codes:
        joined, *others = self._alike(layer, sources, len(sources))
        for codes in others:
            name = self._add(ops.Concat, layer.label, joined.name, codes.name)
            shape = (joined.shape[0] + codes.shape[0], *joined.shape[1:])
            joined = replace(joined, layer=layer, name=name, shape=shape, bound=max(joined.bound, codes.bound))
        return joined

    def _alike(self, layer: Layer, sources: Sequence[Stream], count: int) -> list[Codes]:
        found = [self._word(layer, self._narrow(layer, source)) for source in sources]
        if len(found) != count or not found:
            raise layer.fail(f"joins {len(found)} tensors; needs {count}")
        kinds = {(codes.scale, codes.steps, codes.axes) for codes in found}
        if len(kinds) > 1:
            scales = ", ".join(f"{float(codes.scale):g} ({codes.steps} bits)" for codes in found)
            raise layer.fail(f"joins codes of unlike units, {scales}; use one quantiser for all of them")
        return found

    # -------------------------------------------------------------- the end
    def finish(self, answer: Stream) -> Network:
        """The network; raises VolleyError where `answer` is no logits of one unit."""
        layer = answer.layer
        if not isinstance(answer, Potential) or answer.fires or answer.behind:
            raise layer.fail("is the end; the network ends in a Conv or Linear without ReLU, which gives the logits")
        if answer.shape[1:] != (1, 1):
            raise layer.fail(f"is the last layer but its output is {answer.size}; needs one number per class")
        scales = np.array([float(s) for s in answer.scale])
        if scales.max() > scales.min() * (1 + 1e-6):
            raise layer.fail(
                f"its channels have scales from {scales.min():g} to {scales.max():g}, and logits of unlike units "
                "cannot be compared; train the last layer with one weight scale (per tensor), without BatchNorm"
            )
        exponent, shift = 0, np.array([float(b) for b in answer.shift])
        while exponent < 4 and np.abs(shift * 2**exponent - np.rint(shift * 2**exponent)).max() > 2**exponent / 32:
            exponent += 1
        name = self._taken(answer.operator)
        bias = np.rint(shift * 2**exponent)
        if np.abs(bias).max() >= 2**31:
            raise layer.fail(f"its bias is {np.abs(shift).max():g} weight units; needs less than 2^31")
        self._add(ops.Readout, f"{name}_readout", name, bias=bias.astype(np.int64), exponent=exponent)
        return Network(self.name, self.input_shape, tuple(self._operators), float(scales[0]) / 2**exponent)

    # -------------------------------------------------------------- checks
    def _narrow(self, layer: Layer, source: Stream) -> Codes:
        """Codes that a synapse or a pool can read."""
        if isinstance(source, Potential):
            before = (source.ends or source.layer).label
            raise layer.fail(
                f"reads {before!r}, which is no code without sign; put a quantiser behind a ReLU between them "
                "(QuantReLU, or an unsigned QuantIdentity)"
            )
        assert isinstance(source, Codes)
        if source.steps > MAX_BITS:
            raise layer.fail(
                f"reads {source.layer.label!r}, whose sums have {source.steps} bits; put a quantiser of 8 behind"
            )
        return source

    def _word(self, layer: Layer, source: Stream) -> Codes:
        """Codes that are in the network, encoded where they are pixels."""
        assert isinstance(source, Codes)
        self._unpadded(layer, source)
        return self._encoded(source, MAX_BITS) if source.name == INPUT else source

    def _unpadded(self, layer: Layer, source: Codes) -> None:
        if any((*source.before, *source.after)):
            raise layer.fail(f"reads {source.layer.label!r}, which pads; put it right in front of a Conv")

    def _alive(self, layer: Layer, source: Stream) -> Potential:
        assert isinstance(source, Potential)
        if source.ends:
            raise layer.fail(
                f"reads {source.ends.label!r}, whose numbers have a sign; put a quantiser without sign there"
            )
        return source

    def _taken(self, operator: ops.Synapse) -> str:
        """Puts a synapse into the network, once: its potentials have the unit of one neuron."""
        if operator.name in self._read:
            raise VolleyError(
                f"layer {operator.name!r}: is read by two before it fires; put the quantiser before the branch"
            )
        self._read.add(operator.name)
        self._operators.append(operator)
        return operator.name

    def _add(self, kind: type[ops.Operator], label: str, *inputs: str, **values: Any) -> str:
        operator = kind(self._unique(label), inputs, **values)
        self._operators.append(operator)
        return operator.name

    def _unique(self, label: str) -> str:
        base = re.sub(r"[^a-z0-9_]+", "_", label.lower()).strip("_")
        base = base if base and base[0].isalpha() else f"layer_{base}".strip("_")
        name, n = base, 1
        while name in self._names:
            n += 1
            name = f"{base}_{n}"
        self._names.add(name)
        return name
