# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Choose a folding per layer for a target of cycles per frame; buffers.py then sizes the buffers.

Layer by layer every legal (slice, lanes, PE, PIX, TP) within the target is a candidate; a shortest path over
the layers takes the cheapest chain, lane converters included.
"""

from __future__ import annotations

import functools
import logging
import math
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pyflow import hardware as hw
from pyflow.errors import VolleyError
from pyflow.graph import INPUT, Network
from pyflow.hardware import Cost, Folding, ceil_div
from pyflow.operators import Conv, Encoding, Linear, Operator, Synapse, Tensor, Windowed
from pyflow.planning import bodies, fits, sparsity
from pyflow.planning.board import Board, overflows
from pyflow.planning.buffers import branch_fifos, settle
from pyflow.planning.lowering import build_netlist, embed_kernel
from pyflow.planning.lowering.synapse import pixels_per_beat
from pyflow.planning.netlist import Netlist
from pyflow.planning.schedule import Schedule, predict
from pyflow.reading import read_json

log = logging.getLogger(__name__)

FILL = 0.7  # share of a board's LUTs that a plan may use when the target is ours to choose
DSP_FILL = 0.9  # share of its DSP slices
# What a plan pays for a DSP slice [LUT]: the first price at which the board has enough of them. Decision 0012 found
# 17 LUT a slice no good trade, so the lowest lies above that.
DSP_PRICES = (20.0, 40.0, 80.0, 160.0, math.inf)
EVENTS = (1, 2, 3, 4, 6, 8)  # words that are not zero per cycle: what a layer that skips zeros may take
RISK = 1.1  # factor on the price of a layer that skips zeros: its time depends on the data
FOLDING_VERSION = 1
MAX_FIFO = 1 << 20  # beats that a folding may ask for
MAX_WORDS = 1 << 16  # of a frame that is scheduled beat by beat: a map of 256 x 256
LONGEST = 1 << 34  # cycles per frame that a plan may be asked for


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    netlist: Netlist
    schedule: Schedule
    cost: dict[str, Cost]  # by IR operator
    given: bool = False  # the folding was, and was not chosen here

    @property
    def total(self) -> Cost:
        return sum(self.cost.values(), Cost())

    def folding_json(self) -> dict[str, Any]:
        """The content of folding.json; read_folding() takes it back."""
        return {
            "version": FOLDING_VERSION,
            "layers": {name: f.to_json() for name, f in self.netlist.foldings.items()},
            "fifos": self.netlist.fifos,
        }


def read_folding(source: str | os.PathLike[str] | dict[str, Any]) -> tuple[dict[str, Folding], dict[str, int]]:
    """(foldings, fifos) of a folding.json or of its content. Raises VolleyError naming what is wrong."""
    where = "folding"
    data: Any = source
    if not isinstance(source, dict | str | os.PathLike):
        raise VolleyError(f"folding: {source!r} is neither a file nor its content; write one with `compile`")
    if not isinstance(source, dict):
        where, data = str(source), read_json(source, "write one with `compile` and edit it")
    if not isinstance(data, dict) or not isinstance(data.get("layers"), dict):
        raise VolleyError(
            f'{where}: needs {{"version": {FOLDING_VERSION}, "layers": {{...}}}}; write one with `compile`'
        )
    if odd := sorted(set(data) - {"version", "layers", "fifos"}):
        raise VolleyError(f"{where}: unknown key {odd[0]!r}; known: version, layers, fifos")
    version, fifos = data.get("version", FOLDING_VERSION), data.get("fifos", {})
    if type(version) is not int or version != FOLDING_VERSION:
        raise VolleyError(f"{where}: version {version!r}, this release reads {FOLDING_VERSION}")
    if not isinstance(fifos, dict):
        raise VolleyError(f"{where}: fifos must be an object: beats by operator")
    for key, beats in fifos.items():
        if type(beats) is not int or not 2 <= beats <= MAX_FIFO:
            raise VolleyError(f"{where}: fifos: {key} = {beats!r} must be an integer from 2 to {MAX_FIFO:,} (beats)")
    try:
        foldings = {name: Folding.from_json(name, f) for name, f in data["layers"].items()}
    except VolleyError as e:
        raise VolleyError(f"{where}: {e}" if where != "folding" else str(e)) from None
    return foldings, dict(fifos)


# ---------------------------------------------------------------------- candidates
def _divisors(n: int) -> list[int]:
    return [d for d in range(1, n + 1) if n % d == 0]


def _splits(n: int) -> list[int]:
    """Sizes of a part when n is cut in k = 1, 2, ... parts, the last one perhaps ragged."""
    return sorted({ceil_div(n, k) for k in range(1, n + 1)})


def _beats_ok(op: Synapse, folding: Folding, source: Tensor, target: int) -> bool:
    """Do the streams around the array keep to the target?"""
    c, _, w = source.shape
    groups = ceil_div(c, folding.lanes)
    out_h = op.spatial(source)[0] if isinstance(op, Conv) else 1
    if folding.slice != "tap" and groups * out_h * w // folding.pix > target:
        return False
    return op.cycles(folding, source) <= target


def _candidates(
    op: Synapse, source: Tensor, target: int, prices: Prices, known: sparsity.Rate | None, limit: int = 48
) -> list[tuple[float, Folding]]:
    """Cheapest foldings of one layer that keep to `target`, as (LUT equivalents, folding). known: its share of words
    that are not zero; a folding that skips the others keeps to the target in the densest frame measured too."""
    prices = prices.of_layer(op.name)
    kh, kw, c = op.taps(source)
    co = op.weight.shape[0]
    slices = (
        ["tap"] if isinstance(op, Linear) or kh * kw == 1 else ["tap", "column", "all"] if kw > 1 else ["tap", "all"]
    )
    found: list[tuple[float, Folding]] = []
    for kind in slices:
        for lanes in _splits(c) if not op.pad_code.any() else [c]:
            # Fewer outputs at a time is cheaper, and then fewer pixels: the first that keep to the target will do.
            sizes = [(pe, 1) for pe in _splits(co)]
            if lanes == c and op.folds(Folding(co, c, kind), source)[1] == 1:
                sizes += [(co, pix) for pix in pixels_per_beat(op, source) if pix > 1]
            for tp in _divisors(source.beat_steps):
                for pe, pix in sizes:
                    folding = Folding(pe, lanes, kind, tp, pix=pix)
                    fo, _ = op.folds(folding, source)
                    if kind == "all" and lanes < c and fo > 1:
                        continue
                    if not _beats_ok(op, folding, source, target):
                        continue
                    found += [(prices.of(cost), f) for f, cost in bodies.offers(op, folding, source, prices.family)]
                    break
                for folding in _skipping(op, lanes, tp, source, target, known) if known else ():
                    offers = bodies.offers(op, folding, source, prices.family)
                    found += [(RISK * prices.of(cost), f) for f, cost in offers]
    found.sort(key=lambda f: f[0])
    return found[:limit]


def _skipping(op: Synapse, lanes: int, tp: int, source: Tensor, target: int, known: sparsity.Rate) -> Iterator[Folding]:
    """Foldings that skip zeros, each with as few outputs at a time as keep to `target`."""
    inputs, co = math.prod(source.shape), op.weight.shape[0]
    beats, words = ceil_div(source.shape[0], lanes) * math.prod(source.shape[1:]), math.ceil(known.most * inputs)
    for events in (n for n in EVENTS if n <= inputs):
        if beats + ceil_div(words, min(events, lanes)) > target:  # at most: a cycle for every beat, and its words
            continue
        folding = Folding(1, lanes, "tap", tp, events=events)
        busy = sparsity.rows(known.most, folding, source) * (source.beat_steps // tp)
        yield from [replace(folding, pe=pe) for pe in _splits(co) if ceil_div(co, pe) * busy <= target][:1]


@dataclass(frozen=True, slots=True)
class Prices:
    """What cells of a family are worth [LUT]: one number to compare foldings by. events: may a layer skip zeros?
    own: price of a DSP slice, layer by layer, where it differs from `dsp`."""

    family: str
    dsp: float
    events: bool = True
    ff: float = 0.5
    bram: float = 150.0
    own: Mapping[str, float] = field(default_factory=dict)

    def of_layer(self, name: str) -> Prices:
        return replace(self, dsp=self.own.get(name, self.dsp), own={})

    def rate(self, network: Network, op: Operator) -> sparsity.Rate | None:
        return sparsity.rate(network, op) if self.events else None

    def of(self, cost: Cost) -> float:
        return cost.lut + self.ff * cost.ff + self.bram * cost.bram + (self.dsp * cost.dsp if cost.dsp else 0)


def _choose(network: Network, target: int, prices: Prices) -> dict[str, Folding] | None:
    """Foldings whose every core keeps to `target`, or None: the cheapest for a chain of layers, layer by layer
    where the network branches."""
    names = (INPUT, *(op.name for op in network.operators))
    chain = all(op.inputs == (name,) for op, name in zip(network.operators, names, strict=False))
    return (_cheapest_chain if chain else _layer_by_layer)(network, target, prices)


def _per_pass(target: int, source: Tensor) -> int:
    """Cycles that a core has for one raster scan."""
    return target // source.passes


Way = tuple[int, int]  # lanes and pixels per beat of a stream
Offer = tuple[float, dict[str, Folding]]  # price of a chain so far


def _beats(way: Way, channels: int, pixels: int) -> int:
    return ceil_div(channels, way[0]) * pixels // way[1]


def _convert_price(way: Way, to: Way, source: Tensor, prices: Prices) -> float:
    steps = hw.conversions(*way, *to, source.shape[0])
    return sum(prices.of(hw.convert_cost(lanes, to_lanes, source.bits)) for lanes, to_lanes, _ in steps)


def _cheapest_chain(network: Network, target: int, prices: Prices) -> dict[str, Folding] | None:
    # The best chain so far, by the stream that leaves it. The input has as many pixels per beat as the first layer
    # asks for (lowering/encode.py).
    events = network.input_encoding is Encoding.RATE
    front: dict[Way, Offer] = {
        (network.input_shape[0], pix): (0.0, {}) for pix in ([1] if events else _divisors(network.input_shape[2]))
    }
    for op in network.operators:
        (source,) = network.sources(op)
        channels, height, width = source.shape
        goal = _per_pass(target, source)
        front = {way: best for way, best in front.items() if _beats(way, channels, height * width) <= goal}
        if isinstance(op, Synapse):
            offers = _through_synapse(op, source, goal, prices, front, prices.rate(network, op))
        else:
            growth = network.tensors[op.name].shape[0] // channels  # 2 for ON and OFF channels
            offers = _through(op, source, goal, prices, front, growth)
        front = {}
        for way, price, foldings in offers:
            if way not in front or price < front[way][0]:
                front[way] = (price, foldings)
    return min(front.values(), key=lambda f: f[0])[1] if front else None


def _through_synapse(
    op: Synapse, source: Tensor, goal: int, prices: Prices, front: dict[Way, Offer], known: sparsity.Rate | None
) -> Iterator[tuple[Way, float, dict[str, Folding]]]:
    channels, height, width = source.shape
    for price, folding in _candidates(op, source, goal, prices, known):
        way = (folding.lanes, folding.pix)
        if _beats(way, channels, height * width) > goal:
            continue
        out = (folding.pe, op.row_windows(source, folding.pix).pix)
        for before, (paid, foldings) in front.items():
            if foldings or before[1] == folding.pix:
                total = paid + price + _convert_price(before, way, source, prices)
                yield out, total, {**foldings, op.name: folding}


def _through(
    op: Operator, source: Tensor, goal: int, prices: Prices, front: dict[Way, Offer], growth: int
) -> Iterator[tuple[Way, float, dict[str, Folding]]]:
    channels, height, width = source.shape
    for before, (paid, foldings) in front.items():
        lanes, pix = before
        rows, out = height, pix
        if not op.pixelwise:
            pix = out = 1
        if isinstance(op, Windowed):
            pix = max(n for n in op.legal_pix(source) if pix % n == 0)
            rows, out = max(height, op.spatial(source)[0]), op.row_windows(source, pix).pix
        if not foldings and out == 1 < before[1]:
            continue  # nothing behind asks for several pixels, so the input has one per beat
        if _beats((lanes, pix), channels, rows * width) <= goal:
            total = paid + _convert_price(before, (lanes, pix), source, prices)
            yield (growth * lanes, out), total, foldings


def _layer_by_layer(network: Network, target: int, prices: Prices) -> dict[str, Folding] | None:
    lanes = {name: tensor.shape[0] for name, tensor in network.tensors.items()}
    foldings: dict[str, Folding] = {}
    _, h, w = network.input_shape
    if network.tensors[INPUT].passes * h * w > target:
        return None
    for op in network.operators:
        sources = network.sources(op)
        out = network.tensors[op.name]
        lanes[op.name] = min(lanes[op.inputs[0]], out.shape[0])
        if out.shape[0] > sources[0].shape[0] and not isinstance(op, Synapse):
            lanes[op.name] = out.shape[0]  # whole pixels
        if isinstance(op, Synapse):
            (source,) = sources
            goal, before = _per_pass(target, source), lanes[op.inputs[0]]
            if ceil_div(source.shape[0], before) * source.shape[1] * source.shape[2] > goal:
                return None
            found = [
                (price + prices.of(hw.convert_cost(before, folding.lanes, source.bits)), i, folding)
                for i, (price, folding) in enumerate(_candidates(op, source, goal, prices, prices.rate(network, op)))
                if folding.pix == 1
            ]
            if not found:
                return None
            foldings[op.name] = min(found)[2]
            lanes[op.name] = foldings[op.name].pe
        elif ceil_div(out.shape[0], lanes[op.name]) * out.shape[1] * out.shape[2] > _per_pass(target, out):
            return None
    return foldings


def _within_dsp(network: Network, target: int, board: Board) -> dict[str, Folding] | None:
    """_choose() at the lowest price of a DSP slice at which the board has enough of them."""
    limit = DSP_FILL * board.budget.dsp
    # A list's words come out of a block RAM and decide in the same cycle: too long where skids are needed.
    prices = Prices(board.family, math.inf, events=not board.skids)
    for dsp in DSP_PRICES if board.budget.dsp else (math.inf,):
        prices = replace(prices, dsp=dsp)
        found = _choose(network, target, prices)
        if found is None or bodies.dsp(network, found) <= limit:
            break
    if found is None or prices.dsp == DSP_PRICES[0] or not board.budget.dsp:
        return found
    # A layer that needs more than there is made them dear for all: the others get the lowest price back where they
    # take no more than is left.
    for op in network.operators:
        if isinstance(op, Synapse):
            cheaper = replace(prices, own={**prices.own, op.name: DSP_PRICES[0]})
            other = _choose(network, target, cheaper)
            if other and bodies.dsp(network, other) <= limit:
                prices, found = cheaper, other
    return found


def plan(
    network: Network,
    board: Board,
    *,
    cycles_per_frame: int | None = None,
    folding: str | os.PathLike[str] | dict[str, Any] | None = None,
) -> Plan:
    """Plan `network` for `board`.

    cycles_per_frame: target; None takes what the network asks for (meta["cycles_per_frame"]) or one pixel
    per cycle if that fits, otherwise the fastest that fits. folding: a folding.json (or its content)
    that overrides the choice.
    Raises VolleyError if the network does not fit the board (naming resource, need, have and a board that would do),
    a target is out of reach (naming the nearest) or a folding is illegal; warns of a folding
    with more DSP slices than the board has.
    """
    if cycles_per_frame is not None and (type(cycles_per_frame) is not int or cycles_per_frame < 1):
        raise VolleyError(f"cycles_per_frame={cycles_per_frame!r} must be an integer of at least 1")
    needed = fits.memories(network)
    if folding is None:
        fits.check(network.name, needed, board, FILL if cycles_per_frame is None else 1.0)
    _check_length(network)
    if folding is not None:
        given, fifos = read_folding(folding)
        netlist = build_netlist(network, given, {**branch_fifos(network, given), **fifos})
        _check_slices(netlist, board)
        return Plan(netlist, predict(netlist), costs(netlist, board.family), given=True)
    embedded = tuple(embed_kernel(op) if isinstance(op, Conv) else op for op in network.operators)
    search = _Search(network, replace(network, operators=embedded), board, needed)
    return search.fitting() if cycles_per_frame is None else search.within(cycles_per_frame)


@dataclass(frozen=True)
class _Search:
    """For the foldings of `network` on `board`. hardware: the network with its kernels as they are built."""

    network: Network
    hardware: Network
    board: Board
    needed: list[fits.Memory]

    def fitting(self) -> Plan:
        """The rate that the network asks for, or one pixel per cycle; slower until it fits."""
        asked = self.network.meta.get("cycles_per_frame")
        target = asked if isinstance(asked, int) else _line_rate(self.hardware)
        target = max(_fastest_input(self.hardware), target)
        slowest = max(min(_slowest(self.hardware), LONGEST), target)
        while not fits.fits(cost := self._price(foldings := self._choose(target)), self.board, FILL):
            need = "no folding keeps to it" if cost is None else f"{_cells(cost)}, too much for {self.board.name}"
            log.info("%d cycles per frame: %s", target, need)
            if target >= slowest:
                would = functools.partial(self._fits_at, slowest)
                raise fits.refusal(self.network.name, self.board, cost, FILL, would)
            target = min(target + max(1, target // 4), slowest)
        assert foldings is not None
        return self._plan(foldings, target)

    def within(self, cycles: int) -> Plan:
        """At most `cycles` per frame, or VolleyError naming the nearest."""
        floor = _fastest_input(self.hardware)
        foldings = self._choose(cycles) if cycles >= floor else None
        if foldings is None:
            raise self._out_of_reach(cycles, _fastest(self.network, self._choose, max(floor, cycles)))
        result = self._plan(foldings, cycles)
        if result.schedule.cycles_per_frame <= cycles:
            return result
        # The cores keep to the target one by one, but not as a chain: aim lower to land on it.
        log.info("foldings for %d cycles per frame take %g as a chain", cycles, result.schedule.cycles_per_frame)
        for aim in sorted({int(cycles * f) for f in (0.97, 0.93, 0.88, 0.8)}, reverse=True):
            closer = self._choose(max(floor, aim))
            if closer is None:
                continue
            plan = self._plan(closer, cycles)
            if plan.schedule.cycles_per_frame < result.schedule.cycles_per_frame:
                result = plan
            if plan.schedule.cycles_per_frame <= cycles:
                return result
        raise self._out_of_reach(cycles, math.ceil(result.schedule.cycles_per_frame))

    def _choose(self, target: int, board: Board | None = None) -> dict[str, Folding] | None:
        """Foldings that keep to `target`, with as many DSP slices as the board has and as pay."""
        board = board or self.board
        found = _within_dsp(self.hardware, target, board)
        log.info(
            "%d cycles per frame on %s: %s",
            target,
            board.name,
            "no folding keeps to it"
            if found is None
            else "; ".join(f"{name} {_shown(folding)}" for name, folding in found.items()),
        )
        return found and {name: replace(folding, skid=board.skids) for name, folding in found.items()}

    def _price(self, foldings: dict[str, Folding] | None, board: Board | None = None) -> Cost | None:
        if foldings is None:
            return None
        return sum(costs(build_netlist(self.network, foldings), (board or self.board).family).values(), Cost())

    def _fits_at(self, slowest: int, other: Board) -> bool:
        """Would another board take the network, at its slowest?"""
        try:
            fits.check(self.network.name, self.needed, other, FILL)
        except VolleyError:
            return False
        return fits.fits(self._price(self._choose(slowest, other), other), other, FILL)

    def _plan(self, foldings: dict[str, Folding], goal: int) -> Plan:
        netlist, schedule = settle(self.network, foldings, goal)
        plan = Plan(netlist, schedule, costs(netlist, self.board.family))
        log.info(
            "%s: %g cycles per frame, latency %d, %s (estimated)",
            self.network.name,
            schedule.cycles_per_frame,
            schedule.latency_cycles,
            _cells(plan.total),
        )
        return plan

    def _out_of_reach(self, cycles: int, nearest: int) -> VolleyError:
        return VolleyError(
            f"cycles_per_frame={cycles} is out of reach of network {self.network.name!r}; the nearest is {nearest}"
        )


def _cells(cost: Cost) -> str:
    return f"{cost.lut:,.0f} LUT, {cost.ff:,.0f} FF, {cost.dsp:,.0f} DSP, {cost.bram:g} block RAMs"


def _shown(folding: Folding) -> str:
    """What differs from the defaults."""
    plain = Folding().to_json()
    return ",".join(f"{key}={value}" for key, value in folding.to_json().items() if value != plain[key]) or "serial"


def _check_length(network: Network) -> None:
    """Raises VolleyError where a frame has more words than the schedule, which follows each, can take."""
    for tensor in network.tensors.values():
        words = math.prod(tensor.shape[1:]) * tensor.passes
        if words > MAX_WORDS:
            time = f" x {tensor.passes:,} passes of {tensor.block} time steps" if tensor.timed else ""
            raise VolleyError(
                f"network {network.name!r}: {tensor.name!r} has {words:,} words a frame, at most {MAX_WORDS:,} can be "
                f"planned ({tensor.shape[1]} x {tensor.shape[2]} pixels{time}); use fewer pixels or time steps"
            )


def _check_slices(netlist: Netlist, board: Board) -> None:
    """Has `board` the DSP48 slices of a folding that is given? Raises VolleyError where its family has no such slice,
    warns where there are too few."""
    for name, folding in netlist.foldings.items():
        if folding.body != "lut" and board.family not in bodies.DSP48:
            raise VolleyError(
                f"folding of {name}: body={folding.body} is made of DSP48 slices, which {board.name} ({board.family}) "
                "has none of; use body=lut"
            )
    used = bodies.dsp(netlist.network, netlist.foldings)
    if used and (over := overflows({"DSP": used}, {"DSP": board.budget.dsp})):
        warnings.warn(f"folding does not fit {board.name}: {over[0]}; use body=lut in a layer", stacklevel=3)


def _fastest(network: Network, choose: Callable[[int], dict[str, Folding] | None], target: int) -> int:
    """Cycles per frame of the fastest plan from `target` on."""
    while (foldings := choose(target)) is None:
        target += max(1, target // 16)
    return math.ceil(settle(network, foldings, target)[1].cycles_per_frame)


def _fastest_input(network: Network) -> int:
    """Cycles per frame that no folding can beat: of the 32-bit words in, and of the logits out, one by one with a
    trailer."""
    return max(ceil_div(network.frame_bytes, 4) + 1, network.classes + 1)


def _line_rate(network: Network) -> int:
    """Cycles per frame with one pixel per beat: those of the longest stream with all its channels in a beat."""
    beats = _fastest_input(network)
    for op in network.operators:
        for source in network.sources(op):
            pixels = source.shape[1] * source.shape[2]
            if isinstance(op, Windowed) and not isinstance(op, Linear):
                outputs = math.prod(op.spatial(source))
                pixels = max(pixels, outputs + (op.idle_shifts(source) if op.kernel != (1, 1) else 0))
            beats = max(beats, pixels * source.passes)
    return beats


def _slowest(network: Network) -> int:
    """Cycles per frame to which every folding keeps: those of one weight at a time. More leave the same choice."""
    cycles = 1
    for op in network.operators:
        for source in (*network.sources(op), network.tensors[op.name]):
            work = math.prod(source.shape)
            if isinstance(op, Synapse):
                work += op.weight.size * op.outputs(source) * source.beat_steps if source.name in op.inputs else 0
            if isinstance(op, Windowed) and not isinstance(op, Linear):
                work *= 1 + sum(op.kernel) + sum(op.padding)  # what shifts in beside the windows
            cycles = max(cycles, source.passes * work)
    return cycles


def costs(netlist: Netlist, family: str = "xc7") -> dict[str, Cost]:
    """Estimated cells of `family` by IR operator; lane converters belong to the layer they feed."""
    total: dict[str, Cost] = {}
    operators = {op.name: op for op in netlist.network.operators}
    lanes = {s.tensor: s.lanes for s in netlist.streams if s.tensor}
    folding = Folding()
    for op in operators.values():
        if isinstance(op, Synapse):
            folding = netlist.foldings[op.name]
            buffers = ("volley_window_fold", "volley_event_list")
            window = next((i for i in netlist.instances if i.layer == op.name and i.module in buffers), None)
            if window:
                folding = replace(folding, window_depth=window.parameters["DEPTH"])
            (source,) = netlist.network.sources(op)
            sums = bodies.sum_cost(family, bodies.size_of(op, folding, source))
            total[op.name] = op.cost(folding, source, sums)
        else:
            kind = next((i for i in netlist.instances if i.layer == op.name and "UNROLLED" in i.parameters), None)
            serial = "serial" if kind and not kind.parameters["UNROLLED"] else "unrolled"
            own = (i.parameters for i in netlist.instances if i.layer == op.name)
            pix = next((p["PIX"] for p in own if "PIX" in p), 1)
            block = netlist.network.tensors[op.name].block
            applied = Folding(pe=lanes[op.name], lanes=lanes[op.name], neuron=serial, pix=pix, tp=block)
            total[op.name] = op.cost(applied, *netlist.network.sources(op))
    for inst in netlist.instances:
        p = inst.parameters
        if inst.memory and inst.memory.kind == "writable":
            total[inst.layer] += hw.loader_cost(inst.memory.width, inst.memory.depth)
        if inst.module == "volley_lane_convert":
            total[inst.layer] += hw.convert_cost(p["LANES_IN"], p["LANES_OUT"], p["WORD_W"])
        elif inst.module == "volley_step_delay":
            total[inst.layer] += hw.fifo_cost(p["DATA_W"], p["BEATS"] + 1) + Cost(lut=45)
        elif inst.module == "volley_skid":
            total[inst.layer] += hw.skid_cost(p["DATA_W"])
        elif inst.module == "volley_fifo":
            total[inst.layer] += hw.fifo_cost(p["DATA_W"], p["DEPTH"])
    return total
