# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Chooses a folding for every synapse layer: the cheapest ones that keep to a target of cycles per frame.

Layer by layer every legal (slice, lanes, PE, PIX, TP) within the target is a candidate; the cheapest of them are joined
by a shortest path over the graph (`paths.py`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from pyflow.cores.cells import Cost
from pyflow.cores.sums import DSP48
from pyflow.graph import Network
from pyflow.integers import ceil_div
from pyflow.operators import Conv, DepthwiseConv, Linear, Synapse, Tensor
from pyflow.planning import bodies, sparsity
from pyflow.planning.folding import Folding, folds, neuron_lanes, steps_per_cycle
from pyflow.planning.lowering.eltwise import residual_core
from pyflow.planning.lowering.synapse import offers, pixels_per_beat
from pyflow.planning.paths import Paths, Prices, divisors, per_pass
from pyflow.planning.windows import idle_shifts, row_windows

DSP_FILL = 0.9  # share of a board's DSP slices that a plan may use
# What a plan pays for a DSP slice [LUT]: the first price at which the board has enough of them. Decision 0012 found
# 17 LUT a slice no good trade, so the lowest lies above that.
DSP_PRICES = (20.0, 40.0, 80.0, 160.0, math.inf)
EVENTS = (1, 2, 3, 4, 6, 8)  # words that are not zero per cycle: what a layer that skips zeros may take
RISK = 1.1  # factor on the price of a layer that skips zeros: its time depends on the data
CANDIDATES = 48  # foldings of a layer that the path chooses from

Foldings = dict[str, Folding]  # by synapse layer


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    """Foldings that keep to a target. cells: float64 [number, 4], LUT, FF, block RAMs, DSP slices. factors: on the
    price, [number]."""

    foldings: list[Folding]
    cells: np.ndarray
    factors: np.ndarray

    def cheapest(self, prices: Prices, dsp: float) -> list[tuple[float, Folding]]:
        """(LUT equivalents, folding), at the price of `dsp` for a slice."""
        lut, ff, bram, slices = self.cells.T
        with np.errstate(invalid="ignore"):  # 0 slices at an infinite price
            price = lut + prices.ff * ff + prices.bram * bram + np.where(slices > 0, dsp * slices, 0)
        price = self.factors * price
        order = np.argsort(price, kind="stable")[:CANDIDATES]
        return [(float(price[i]), self.foldings[i]) for i in order]


class Layer:
    """The foldings of one synapse layer on a family, and their cells: worked out once, whatever target and prices.

    known: its share of words that are not zero, where it may skip the others.
    """

    def __init__(self, op: Synapse, source: Tensor, family: str, known: sparsity.Rate | None) -> None:
        self.op, self.source, self.family, self.known = op, source, family, known
        self.acc_w = op.infer(source).number_bits
        self._cells: dict[Folding, list[tuple[Folding, Cost]]] = {}
        self._kept: dict[int, _Kept] = {}
        # For each slice, lanes and TP: foldings with more and more outputs at a time, and what target each meets.
        self.groups: list[tuple[int, int, list[Folding], np.ndarray]] = []
        c = source.shape[0]
        for kind in _slices(op):
            for lanes in _splits(c) if not op.pad_code.any() else [c]:
                sizes = list(_sizes(op, kind, lanes, source))
                for tp in divisors(source.beat_steps):
                    foldings = [Folding(pe, lanes, kind, tp, pix=pix) for pe, pix in sizes]
                    least = np.array([self._least(folding) for folding in foldings])
                    self.groups.append((lanes, tp, foldings, least))

    def cheapest(self, target: int, prices: Prices) -> list[tuple[float, Folding]]:
        """Cheapest foldings that keep to `target`, as (LUT equivalents, folding). One that skips zeros keeps to it in
        the densest frame measured too."""
        if target not in self._kept:
            self._kept[target] = self._keeping(target)
        return self._kept[target].cheapest(prices, prices.own.get(self.op.name, prices.dsp))

    def fewest(self, target: int, dsp: float) -> tuple[float, float, float]:
        """(LUTs with `dsp` of them for each DSP slice, FF, block RAMs): at least so many in any folding that keeps to
        `target`; infinite where there is none."""
        if target not in self._kept:
            self._kept[target] = self._keeping(target)
        lut, ff, bram, slices = self._kept[target].cells.T
        return tuple(float(x.min(initial=math.inf)) for x in (lut + dsp * slices, ff, bram))  # type: ignore[return-value]

    def _least(self, folding: Folding) -> int:
        """Cycles per pass of the array and of the streams around it."""
        op, (c, _, w) = self.op, self.source.shape
        out_h = op.spatial(self.source)[0] if isinstance(op, Conv) else 1
        streams = ceil_div(c, folding.lanes) * out_h * w // folding.pix if folding.slice != "tap" else 0
        return max(streams, busy(op, folding, self.source))

    def _keeping(self, target: int) -> _Kept:
        found: list[tuple[Folding, Cost, float]] = []
        for lanes, tp, foldings, least in self.groups:
            # Fewer outputs at a time is cheaper, and then fewer pixels: the first that keeps to the target will do.
            for i in np.flatnonzero(least <= target)[:1]:
                found += [(folding, cost, 1.0) for folding, cost in self._offers(foldings[i])]
            for skipping in self._skipping(lanes, tp, target, self.known) if self.known else ():
                found += [(folding, cost, RISK) for folding, cost in self._offers(skipping)]
        cells = [(cost.lut, cost.ff, cost.bram, cost.dsp) for _, cost, _ in found]
        factors = np.array([factor for *_, factor in found])
        return _Kept([folding for folding, *_ in found], np.array(cells, float).reshape(-1, 4), factors)

    def _offers(self, folding: Folding) -> list[tuple[Folding, Cost]]:
        if folding not in self._cells:
            self._cells[folding] = list(offers(self.op, folding, self.source, self.acc_w, self.family))
        return self._cells[folding]

    def _skipping(self, lanes: int, tp: int, target: int, known: sparsity.Rate) -> Iterator[Folding]:
        """Foldings that skip zeros, each with as few outputs at a time as keep to `target`."""
        source, inputs, co = self.source, math.prod(self.source.shape), self.op.weight.shape[0]
        beats, words = ceil_div(source.shape[0], lanes) * math.prod(source.shape[1:]), math.ceil(known.most * inputs)
        for events in (n for n in EVENTS if n <= inputs):
            # At most a cycle for every beat, and its words.
            if beats + ceil_div(words, min(events, lanes)) > target:
                continue
            folding = Folding(1, lanes, "tap", tp, events=events)
            busy = sparsity.rows(known.most, folding, source) * (source.beat_steps // tp)
            yield from [replace(folding, pe=pe) for pe in _splits(co) if ceil_div(co, pe) * busy <= target][:1]


class Chooser:
    """Foldings for `network`, its kernels as they are built, on a family. skids: are there skid registers around every
    array, because the fabric is slow? Then no layer skips zeros: a list's words come out of a block RAM and decide in
    the same cycle."""

    def __init__(self, network: Network, family: str, skids: bool) -> None:
        self.network, self.family = network, family
        self.layers = {
            op.name: Layer(op, network.sources(op)[0], family, None if skids else sparsity.rate(network, op))
            for op in network.operators
            if isinstance(op, Synapse)
        }
        self.paths = Paths(network, family)

    def within(self, target: int, slices: float) -> Foldings | None:
        """Foldings whose every core keeps to `target`, at the lowest price of a DSP slice at which the board's `slices`
        are enough; None where there are none."""
        limit = DSP_FILL * slices
        prices = Prices(math.inf)
        for dsp in DSP_PRICES if slices else (math.inf,):
            prices = replace(prices, dsp=dsp)
            found = self._choose(target, prices)
            if found is None or bodies.dsp(self.network, found) <= limit:
                break
        if found is None or prices.dsp == DSP_PRICES[0] or not slices:
            return found
        # A layer that needs more than there is made them dear for all: the others get the lowest price back where they
        # take no more than is left.
        for name in self.layers:
            cheaper = replace(prices, own={**prices.own, name: DSP_PRICES[0]})
            other = self._choose(target, cheaper)
            if other and bodies.dsp(self.network, other) <= limit:
                prices, found = cheaper, other
        lowest = replace(prices, dsp=DSP_PRICES[0])
        return found | self._multiplied(found, lowest, limit - bodies.dsp(self.network, found))

    def fewest(self, target: int, slices: float) -> Cost:
        """Cells that the layers take, at least, in any foldings that keep to `target` with the board's `slices`.

        At any price of a slice this holds: what the slices save is paid for them.
        """
        limit, found = DSP_FILL * slices, Cost()
        for dsp in (0.0, *DSP_PRICES[:-1]) if self.layers else ():
            least = [
                layer.fewest(per_pass(target, self.network.sources(layer.op)[0]), dsp) for layer in self.layers.values()
            ]
            lut, ff, bram = map(sum, zip(*least, strict=True))
            found = Cost(lut=max(found.lut, lut - dsp * limit), ff=ff, bram=bram)
        return found

    def _choose(self, target: int, prices: Prices) -> Foldings | None:
        found = self.paths.cheapest(target, prices, lambda op, goal: self.layers[op.name].cheapest(goal, prices))
        return found and found | self._multiplied(found, prices)

    def _multiplied(self, found: Foldings, prices: Prices, room: float = math.inf) -> Foldings:
        """Of `found`, those behind which DSP slices, `room` of them at most, make residual sums cheaper. These take a
        cycle more, once."""
        changed: Foldings = {}
        b = self.paths.operators.builder
        for layer, sums in bodies.residuals(self.network) if self.family in DSP48 else ():
            folding, (source,) = found[layer.name], self.network.sources(layer)
            pix = row_windows(layer, source, folding.pix).pix
            ways = [(op, b.output(b.tensors[op.inputs[0]], neuron_lanes(folding), pix)) for op in sums]
            slices = [residual_core(b, op, way, dsp=True) for op, way in ways]
            adders = [replace(core, dsp=False) for core in slices]
            cells = [sum((core.cells(self.family) for core in cores), Cost()) for cores in (slices, adders)]
            cheaper, fits = prices.of(cells[0]) < prices.of(cells[1]), cells[0].dsp <= room
            if folding.residual == "lut" and cheaper and fits and not any(core.unfit for core in slices):
                changed[layer.name], room = replace(folding, residual="dsp"), room - cells[0].dsp
        return changed


def _slices(op: Synapse) -> tuple[str, ...]:
    """Taps that a cycle may take."""
    kh, kw = op.kernel
    if isinstance(op, Linear) or kh * kw == 1:
        return ("tap",)
    if isinstance(op, DepthwiseConv):
        return ("all",)
    return ("tap", "column", "all") if kw > 1 else ("tap", "all")


def _sizes(op: Synapse, kind: str, lanes: int, source: Tensor) -> Iterator[tuple[int, int]]:
    """(outputs, pixels) at a time, more and more."""
    c, co = op.taps(source)[2], op.weight.shape[0]
    if isinstance(op, DepthwiseConv):
        yield lanes * op.readers(source), 1
    elif kind == "all" and lanes < c:
        yield co, 1
    else:
        yield from ((pe, 1) for pe in _splits(co))
    if lanes == c and folds(op, Folding(co, c, kind), source)[1] == 1:
        yield from ((co, pix) for pix in pixels_per_beat(op, source) if pix > 1)


def busy(op: Synapse, folding: Folding, source: Tensor) -> int:
    """Cycles per pass of the array and its window alone, never stalled."""
    fo, fi = folds(op, folding, source)
    c, h, w = source.shape
    groups = ceil_div(c, folding.lanes)
    interval = source.beat_steps // steps_per_cycle(op, folding, source)
    cycles = fo * fi * op.outputs(source) // row_windows(op, source, folding.pix).pix * interval
    if folding.slice == "all" and op.kernel != (1, 1):
        # The window's shift register waits while the array works: shifts that complete no window add up.
        cycles += idle_shifts(op, source, folding.pix, groups) * groups
    return max(groups * h * w // folding.pix, cycles)


def _splits(n: int) -> list[int]:
    """Sizes of a part when n is cut in k = 1, 2, ... parts, the last one perhaps ragged."""
    return sorted({ceil_div(n, k) for k in range(1, n + 1)})
