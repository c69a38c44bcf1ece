# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The cheapest way through a network: of each layer's candidates one, lane converters included.

Operators are taken in order. The tensors that are still to be read are *open*, and each has a *way*: lanes and pixels
per beat. What is known so far is a price for every combination of ways of the open tensors. A chain has one of them,
and the search is a shortest path; a residual block has two. Of several, only the cheapest combinations are followed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from pyflow.cores.cells import Cost
from pyflow.cores.stream import LaneConvert, conversions
from pyflow.graph import INPUT, Network
from pyflow.integers import ceil_div
from pyflow.operators import Concat, Encoding, LIFNeuron, Operator, RadixNeuron, Synapse, Tensor, Upsample, Windowed
from pyflow.planning.alone import Operators, Way
from pyflow.planning.folding import Folding
from pyflow.planning.windows import legal_pix, row_windows, stretched

FOLLOWED = 256  # combinations, where several tensors are open

# Of the open tensors, in their order; None of a state edge that nothing has read yet. Last, whether a layer takes the
# input's pixels as they come.
Ways = tuple[Way | bool | None, ...]


@dataclass(frozen=True, slots=True)
class Prices:
    """What cells are worth [LUT]: one number to compare foldings by. own: price of a DSP slice in a layer, where it
    differs from `dsp`."""

    dsp: float
    ff: float = 0.5
    bram: float = 150.0
    own: Mapping[str, float] = field(default_factory=dict)

    def of(self, cost: Cost) -> float:
        return cost.lut + self.ff * cost.ff + self.bram * cost.bram + (self.dsp * cost.dsp if cost.dsp else 0)


class _Chosen:
    """Foldings chosen so far, the last one first: shared by all that go on from them."""

    __slots__ = ("before", "folding", "name")

    def __init__(self, before: _Chosen | None, name: str, folding: Folding) -> None:
        self.before, self.name, self.folding = before, name, folding

    @staticmethod
    def of(chosen: _Chosen | None, name: str) -> Folding | None:
        """The folding of a layer."""
        while chosen and chosen.name != name:
            chosen = chosen.before
        return chosen.folding if chosen else None

    def all(self) -> dict[str, Folding]:
        found: dict[str, Folding] = {}
        chosen: _Chosen | None = self
        while chosen:
            found[chosen.name] = chosen.folding
            chosen = chosen.before
        return dict(reversed(found.items()))


@dataclass(frozen=True, slots=True)
class _Offer:
    """price: of all so far [LUT]."""

    price: float
    chosen: _Chosen | None


@dataclass(frozen=True, slots=True)
class _Step:
    """What becomes of one combination: operands' new ways where reading fixes them (of state edges), the way of the
    output, the price added, the folding of a synapse. met: does it take the input's pixels as they come?"""

    ways: Ways
    out: Way
    price: float
    folding: Folding | None = None
    met: bool = False
    fixed: tuple[tuple[int, Way], ...] = ()


Candidates = Callable[[Synapse, int], list[tuple[float, Folding]]]


class Paths:
    """Ways through `network`, its kernels as they are built, with the cells of a family."""

    def __init__(self, network: Network, family: str) -> None:
        self.network, self.family = network, family
        fed_back = network.fed_back()
        self.edges = {line.name: line.source for line in network.delay_lines if line.name in fed_back}
        self.lines = {line.name: line.source for line in network.delay_lines if line.name not in fed_back}
        made = {op.name: n for n, op in enumerate(network.operators)}
        # The operator after which a tensor is no longer open; the output stays.
        self.until = dict.fromkeys(network.tensors, -1) | {network.operators[-1].name: len(made)}
        for n, op in enumerate(network.operators):
            self.until |= {source: max(n, self.until[source]) for source in op.inputs}
        for tensor, source in self.edges.items():
            self.until[tensor] = max(self.until[tensor], made.get(source, -1))
        # Tensors that no synapse stands before: they have the pixels per beat of the input.
        self.raw = {INPUT, *self._delayed(INPUT)}
        for op in network.operators:
            if not isinstance(op, Synapse) and set(op.inputs) <= self.raw:
                self.raw |= {op.name, *self._delayed(op.name)}
        self.operators = Operators(network, family)
        # The neuron behind each layer, where it may have fewer lanes than the layer has outputs at a time. In a loop,
        # every step would wait for the converter.
        looped = {op.name for loop in network.loops() for op in loop}
        self.neurons = {
            layer.name: op
            for op in network.operators
            if isinstance(op, RadixNeuron | LIFNeuron)
            and op.name not in looped
            and (layer := self.operators.drives(op))
        }
        self._converters: dict[tuple[Way, Way, int, int], Cost] = {}

    def _delayed(self, tensor: str) -> list[str]:
        """Tensors of state edges that come as `tensor` comes: not those of a loop."""
        direct = [name for name, source in self.lines.items() if source == tensor]
        return direct + [further for name in direct for further in self._delayed(name)]

    def cheapest(self, target: int, prices: Prices, candidates: Candidates) -> dict[str, Folding] | None:
        """The cheapest foldings by synapse layer whose streams keep to `target` cycles per frame; None where there are
        none. candidates: (price, folding) of a layer for so many cycles per pass."""
        network = self.network
        events = network.input_encoding is Encoding.RATE
        pixels = [1] if events else divisors(network.input_shape[2])
        first = [INPUT, *self._delayed(INPUT)]
        live = [*first, *self.edges]
        unread: tuple[None, ...] = (None,) * len(self.edges)
        front: dict[Ways, _Offer] = {
            (*[(network.input_shape[0], pix)] * len(first), *unread, pix == 1): _Offer(0.0, None) for pix in pixels
        }
        for n, op in enumerate(network.operators):
            live, front = self._after(n, op, target, prices, live, front, candidates)
            if not front:
                return None
        best = min(front.values(), key=lambda offer: offer.price)
        return best.chosen.all() if best.chosen else {}

    def _after(
        self,
        n: int,
        op: Operator,
        target: int,
        prices: Prices,
        live: list[str],
        front: dict[Ways, _Offer],
        candidates: Candidates,
    ) -> tuple[list[str], dict[Ways, _Offer]]:
        """(open tensors, prices) once `op` is laid."""
        sources = self.network.sources(op)
        places = [live.index(source.name) for source in sources]
        front = {
            ways: offer
            for ways, offer in front.items()
            if all(self._keeps(ways[p], source, target) for p, source in zip(places, sources, strict=True))
        }
        if isinstance(op, Synapse):
            steps = self._synapse(n, op, sources[0], places[0], target, prices, front, candidates)
        else:
            steps = self._other(op, sources, places, target, prices, front)
        kept = [place for place, name in enumerate(live) if self.until[name] > n]
        after = [live[place] for place in kept]
        closed = not self.raw & {*after, op.name}  # nothing is left that could take the input's pixels
        new = [name for name in (op.name, *self._delayed(op.name)) if self.until[name] > n]
        fed = [place for place, name in enumerate(live) if self.edges.get(name) == op.name]
        found: dict[Ways, _Offer] = {}
        for step in steps:
            met = bool(step.ways[-1]) or step.met
            if closed and not met:
                continue
            ways = list(step.ways[:-1])
            for place, way in step.fixed:
                ways[place] = way
            offer, price = front[step.ways], step.price
            for place in fed:
                if (back := ways[place]) is not None:
                    tensor = self.network.tensors[live[place]]
                    price += self._convert(step.out, back, tensor, prices)  # type: ignore[arg-type]
            total = offer.price + price
            key = (*(ways[place] for place in kept), *[step.out] * len(new), met or closed)
            if key not in found or total < found[key].price:
                chosen = _Chosen(offer.chosen, op.name, step.folding) if step.folding else offer.chosen
                found[key] = _Offer(total, chosen)
        if len(after) + len(new) > 1 and len(found) > FOLLOWED:
            found = dict(sorted(found.items(), key=lambda item: item[1].price)[:FOLLOWED])
        return after + new, found

    def _keeps(self, way: Way | bool | None, source: Tensor, target: int) -> bool:
        channels, height, width = source.shape
        return not isinstance(way, tuple) or beats(way, channels, height * width) <= per_pass(target, source)

    def _synapse(
        self,
        n: int,
        op: Synapse,
        source: Tensor,
        place: int,
        target: int,
        prices: Prices,
        front: dict[Ways, _Offer],
        candidates: Candidates,
    ) -> Iterator[_Step]:
        channels, height, width = source.shape
        goal, raw = per_pass(target, source), source.name in self.raw
        brought = self._brought(n, source, place, prices, front)
        for price, folding in candidates(op, goal):
            way = (folding.lanes, folding.pix)
            if beats(way, channels, height * width) > goal:
                continue
            out = (folding.pe, row_windows(op, source, folding.pix).pix)
            apart = list(self._apart(op, folding, out, target, prices))
            for ways, converted in brought(way):
                before = ways[place]
                if before is None and folding.pix == 1:  # the lanes of a state edge are those of its first reader
                    for added, lanes, chosen in apart:
                        yield _Step(ways, (lanes, out[1]), price + added, chosen, fixed=((place, way),))
                elif isinstance(before, tuple) and not (raw and folding.pix > before[1]):
                    paid, met = price + converted, raw and before[1] == folding.pix
                    for added, lanes, chosen in apart:
                        yield _Step(ways, (lanes, out[1]), paid + added, chosen, met=met)

    def _brought(
        self, n: int, source: Tensor, place: int, prices: Prices, front: dict[Ways, _Offer]
    ) -> Callable[[Way], list[tuple[Ways, float]]]:
        """For a way in which operator `n` reads `source`: the combinations to go on from, each with the price of
        bringing the tensor there. Of those that differ in nothing but a way which ends here, the cheapest."""
        ends = self.until[source.name] <= n and source.name not in self.raw and not self.edges
        known: dict[Way, list[tuple[Ways, float]]] = {}

        def brought(way: Way) -> list[tuple[Ways, float]]:
            if way in known:
                return known[way]
            found: dict[Ways, tuple[float, Ways, float]] = {}
            for ways, offer in front.items():
                before = ways[place]
                converted = self._convert(before, way, source, prices) if isinstance(before, tuple) else 0.0
                key, total = (*ways[:place], *ways[place + 1 :]) if ends else ways, offer.price + converted
                if key not in found or total < found[key][0]:
                    found[key] = total, ways, converted
            known[way] = [(ways, converted) for _, ways, converted in found.values()]
            return known[way]

        return brought

    def _apart(
        self, op: Synapse, folding: Folding, out: Way, target: int, prices: Prices
    ) -> Iterator[tuple[float, int, Folding]]:
        """(price, lanes, folding) for as many neurons as outputs at a time, and for fewer that keep up."""
        yield 0.0, folding.pe, folding
        neuron = self.neurons.get(op.name)
        if neuron is None or out[1] > 1:
            return
        tensor, (source,) = self.network.tensors[op.name], self.network.sources(neuron)
        channels, height, width = source.shape
        steps, goal = neuron.steps if isinstance(neuron, RadixNeuron) else source.block, per_pass(target, source)
        for lanes in divisors(folding.pe)[:-1]:
            cycles = beats((lanes, 1), channels, height * width)
            if cycles <= goal:  # the serial neuron is the smaller one
                kind = "serial" if cycles * steps <= goal else "unrolled"
                added = self._convert((folding.pe, 1), (lanes, 1), tensor, prices)
                yield added, lanes, replace(folding, neurons=lanes, neuron=kind)

    def _other(
        self,
        op: Operator,
        sources: tuple[Tensor, ...],
        places: list[int],
        target: int,
        prices: Prices,
        front: dict[Ways, _Offer],
    ) -> Iterator[_Step]:
        tensor = self.network.tensors[op.name]
        for ways in front:
            price, taken, fixed = 0.0, list[Way](), list[tuple[int, Way]]()
            for n, (place, source) in enumerate(zip(places, sources, strict=True)):
                before = ways[place]
                if not isinstance(before, tuple):
                    before = (source.shape[0], 1)
                    fixed.append((place, before))
                way = self._taken(op, source, before, taken[0] if n else None)
                price += self._convert(before, way, source, prices)
                taken.append(way)
            (lanes, pix), (channels, height, width) = taken[0], sources[0].shape
            layer = self.operators.drives(op)
            folding = _Chosen.of(front[ways].chosen, layer.name) if layer else None
            alone = self.operators.alone(op, tuple(taken), folding)
            price += prices.of(alone.cells)
            # A concatenation has the lanes of both, ON and OFF channels twice as many.
            growth = tensor.shape[0] if isinstance(op, Concat) else tensor.shape[0] // channels * lanes
            if isinstance(op, Upsample):
                for out in self._stretched(op, taken[0], target):
                    yield _Step(ways, (growth, out), price, fixed=tuple(fixed))
                continue
            rows, out = height, pix
            if isinstance(op, Windowed):
                rows = max(height, op.spatial(sources[0])[0])
                out = row_windows(op, sources[0], pix).pix
            cycles = max(alone.busy, beats((lanes, pix), channels, rows * width))
            if cycles <= per_pass(target, sources[0]):
                yield _Step(ways, (growth, out), price, fixed=tuple(fixed))

    def _stretched(self, op: Upsample, way: Way, target: int) -> Iterator[int]:
        """Pixels per beat that `op` may give of what comes as `way`: its readers have what they want without a
        converter."""
        tensor, (lanes, pix) = self.network.tensors[op.name], way
        channels, height, width = tensor.shape
        for out in stretched(op, pix, lanes >= channels):
            given = op.name not in self.raw or ceil_div(out, op.scale[1]) == pix  # the input's follow from it
            if given and beats((lanes, out), channels, height * width) <= per_pass(target, tensor):
                yield out

    def _taken(self, op: Operator, source: Tensor, before: Way, first: Way | None) -> Way:
        """The way in which `op` takes an operand that comes as `before`. first: of its first operand."""
        lanes, pix = before if op.pixelwise else (before[0], 1)
        if isinstance(op, Concat):
            return source.shape[0], 1
        if first:
            return first
        if isinstance(op, Windowed):
            pix = max(n for n in legal_pix(op, source) if pix % n == 0)
        return lanes, pix

    def _convert(self, way: Way, to: Way, source: Tensor, prices: Prices) -> float:
        if way == to:
            return 0.0
        key = (way, to, source.bits, source.shape[0])
        if key not in self._converters:
            steps = conversions(*way, *to, source.shape[0])
            self._converters[key] = sum((LaneConvert(source.bits, *step).price(self.family) for step in steps), Cost())
        return prices.of(self._converters[key])


def per_pass(target: int, source: Tensor) -> int:
    """Cycles that a core has for one raster scan."""
    return target // source.passes


def divisors(n: int) -> list[int]:
    return [d for d in range(1, n + 1) if n % d == 0]


def beats(way: Way, channels: int, pixels: int) -> int:
    """Of a raster scan."""
    return ceil_div(channels, way[0]) * pixels // way[1]
