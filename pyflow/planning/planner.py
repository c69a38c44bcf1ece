# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Plans a network for a board: finds a target of cycles per frame that fits, lets choice.py choose a folding per layer
for it and buffers.py size the buffers; and reads a folding that is given."""

from __future__ import annotations

import functools
import logging
import math
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from pyflow.bars import bar
from pyflow.cores.cells import Cost
from pyflow.cores.sums import DSP48
from pyflow.errors import VolleyError
from pyflow.graph import Network
from pyflow.integers import ceil_div
from pyflow.operators import Conv, Linear, Synapse, Windowed
from pyflow.planning import bodies, fits
from pyflow.planning.board import Board, overflows
from pyflow.planning.buffers import branch_fifos, settle
from pyflow.planning.choice import Chooser
from pyflow.planning.folding import Folding
from pyflow.planning.lowering import build_netlist, embed_kernel
from pyflow.planning.netlist import Netlist
from pyflow.planning.schedule import Deadlock, Schedule, predict
from pyflow.planning.windows import idle_shifts
from pyflow.reading import read_json

log = logging.getLogger(__name__)

FILL = 0.7  # share of a board's LUTs that a plan may use when the target is ours to choose
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
    family: str = "xc7"  # of the cells

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
    if folding is None:
        search = _search(network, board, cycles_per_frame)
        foldings, goal = search.start(cycles_per_frame)
        return search.planned(foldings, goal) if cycles_per_frame is None else search.within(foldings, goal)
    _check_length(network)
    given, fifos = read_folding(folding)
    sized = branch_fifos(network, given)
    netlist = build_netlist(network, given, {**sized, **fifos})
    _check_slices(netlist, board)
    try:
        schedule = predict(netlist)
    except Deadlock:
        if not fifos.keys() & sized.keys():
            raise  # ours
        raise _too_shallow(fifos, sized) from None
    return Plan(netlist, schedule, costs(netlist, board.family), True, board.family)


def choose(
    network: Network, board: Board, cycles_per_frame: int | None = None, folding: Any = None
) -> tuple[dict[str, Folding], int]:
    """(foldings, target that each core keeps to) that plan() starts from; 0 where a folding is given. Arguments and
    errors as of plan()."""
    if folding is not None:
        return read_folding(folding)[0], 0
    return _search(network, board, cycles_per_frame).start(cycles_per_frame)


def _search(network: Network, board: Board, cycles_per_frame: int | None) -> _Search:
    needed = fits.memories(network)
    fits.check(network.name, needed, board, FILL if cycles_per_frame is None else 1.0)
    _check_length(network)
    embedded = tuple(embed_kernel(op) if isinstance(op, Conv) else op for op in network.operators)
    return _Search(network, replace(network, operators=embedded), board, needed)


@dataclass(frozen=True)
class _Search:
    """For the foldings of `network` on `board`. hardware: the network with its kernels as they are built."""

    network: Network
    hardware: Network
    board: Board
    needed: list[fits.Memory]
    choosers: dict[tuple[str, bool], Chooser] = field(default_factory=dict)  # by family, and whether it has skids

    def start(self, cycles: int | None) -> tuple[dict[str, Folding], int]:
        """(foldings, target that each core keeps to)."""
        return self.fitting() if cycles is None else self.first(cycles)

    def fitting(self) -> tuple[dict[str, Folding], int]:
        """(foldings, target): the rate that the network asks for, or one pixel per cycle; slower until it fits."""
        asked = self.network.meta.get("cycles_per_frame")
        target = asked if isinstance(asked, int) else _line_rate(self.hardware)
        target = max(_fastest_input(self.hardware), target)
        slowest = max(min(_slowest(self.hardware), LONGEST), target)
        with bar(f"planning {self.network.name}", "target") as done:

            def fitting(target: int) -> tuple[dict[str, Folding] | None, Cost | None]:
                """(foldings, if they fit; what they cost)."""
                done.update()
                if target < slowest and not fits.fits(self._fewest(target), self.board, FILL):
                    log.info("%d cycles per frame: the layers alone are too much for %s", target, self.board.name)
                    return None, None
                cost = self._price(foldings := self._choose(target))
                if fits.fits(cost, self.board, FILL):
                    return foldings, cost
                need = "no folding keeps to it" if cost is None else f"{_cells(cost)}, too much for {self.board.name}"
                log.info("%d cycles per frame: %s", target, need)
                return None, cost

            missed, (foldings, cost) = target, fitting(target)
            while foldings is None:
                if target >= slowest:
                    would = functools.partial(self._fits_at, slowest)
                    raise fits.refusal(self.network.name, self.board, cost, FILL, would)
                missed, target = target, min(target + max(1, target // 4), slowest)
                foldings, cost = fitting(target)
            while target - missed > max(1, target // 50):  # the fastest that fits lies between
                between = (missed + target) // 2
                if faster := fitting(between)[0]:
                    foldings, target = faster, between
                else:
                    missed = between
        return foldings, target

    def first(self, cycles: int) -> tuple[dict[str, Folding], int]:
        """(foldings whose every core keeps to `cycles` per frame, cycles), or VolleyError naming the nearest."""
        floor = _fastest_input(self.hardware)
        foldings = self._choose(cycles) if cycles >= floor else None
        if foldings is None:
            raise self._out_of_reach(cycles, _fastest(self.network, self._choose, max(floor, cycles)))
        return foldings, cycles

    def within(self, foldings: dict[str, Folding], cycles: int) -> Plan:
        """At most `cycles` per frame, or VolleyError naming the nearest. foldings: to start from."""
        floor = _fastest_input(self.hardware)
        result = self.planned(foldings, cycles)
        if result.schedule.cycles_per_frame <= cycles:
            return result
        # The cores keep to the target one by one, but not as a chain: aim lower to land on it.
        log.info("foldings for %d cycles per frame take %g as a chain", cycles, result.schedule.cycles_per_frame)
        for aim in sorted({int(cycles * f) for f in (0.97, 0.93, 0.88, 0.8)}, reverse=True):
            closer = self._choose(max(floor, aim))
            if closer is None:
                continue
            plan = self.planned(closer, cycles)
            if plan.schedule.cycles_per_frame < result.schedule.cycles_per_frame:
                result = plan
            if plan.schedule.cycles_per_frame <= cycles:
                return result
        raise self._out_of_reach(cycles, math.ceil(result.schedule.cycles_per_frame))

    def _choose(self, target: int, board: Board | None = None) -> dict[str, Folding] | None:
        """Foldings that keep to `target`, with as many DSP slices as the board has and as pay."""
        board = board or self.board
        found = self._chooser(board).within(target, board.budget.dsp)
        log.info(
            "%d cycles per frame on %s: %s",
            target,
            board.name,
            "no folding keeps to it"
            if found is None
            else "; ".join(f"{name} {shown(folding)}" for name, folding in found.items()),
        )
        return found and {name: replace(folding, skid=board.skids) for name, folding in found.items()}

    def _chooser(self, board: Board) -> Chooser:
        kind = (board.family, board.skids)
        if kind not in self.choosers:
            self.choosers[kind] = Chooser(self.hardware, *kind)
        return self.choosers[kind]

    def _fewest(self, target: int) -> Cost:
        """Cells, at least, of any foldings that keep to `target`."""
        return self._chooser(self.board).fewest(target, self.board.budget.dsp)

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

    def planned(self, foldings: dict[str, Folding], goal: int) -> Plan:
        netlist, schedule = settle(self.network, foldings, goal)
        plan = Plan(netlist, schedule, costs(netlist, self.board.family), family=self.board.family)
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


def shown(folding: Folding) -> str:
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


def _too_shallow(fifos: dict[str, int], sized: dict[str, int]) -> VolleyError:
    """The line for FIFOs that are given and stop the network. sized: beats with which none waits."""
    key = min((key for key in fifos if key in sized), key=lambda key: fifos[key] / sized[key])
    return VolleyError(
        f"folding: fifos: {key}={fifos[key]} beats stops the network for ever: the branch that waits at a join holds "
        f"up the one it waits for; {sized[key]} are enough, which are taken where it is left out"
    )


def _check_slices(netlist: Netlist, board: Board) -> None:
    """Has `board` the DSP48 slices of a folding that is given? Raises VolleyError where its family has no such slice,
    warns where there are too few."""
    for name, folding in netlist.foldings.items():
        for key, made in (("body", folding.body), ("residual", folding.residual)):
            if made != "lut" and board.family not in DSP48:
                raise VolleyError(
                    f"folding of {name}: {key}={made} is made of DSP48 slices, which {board.name} ({board.family}) has "
                    f"none of; use {key}=lut"
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
                pixels = max(pixels, outputs + (idle_shifts(op, source) if op.kernel != (1, 1) else 0))
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
    total = {op.name: Cost() for op in netlist.network.operators}
    for inst in netlist.instances:
        total[inst.layer] += inst.cells(family)
    return total
