# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Sizes the buffers of a netlist by its schedule: as little memory as keeps the frame rate."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from pyflow.bars import bar
from pyflow.graph import Network
from pyflow.operators import SPIKES, Encoding
from pyflow.planning.folding import Folding
from pyflow.planning.lowering import build_netlist
from pyflow.planning.netlist import Netlist, branch_name, fifo_name
from pyflow.planning.schedule import Schedule, predict

log = logging.getLogger(__name__)

ENDLESS = 1 << 30  # beats
MANY = 24  # buffers, of which not all are tried for each that is made deeper
SLACK = 4  # beats that a FIFO of a branch holds beside what it must
GAIN = 0.99  # to which many buffers together must bring the cycles per frame, or they stay

Predict = Callable[[Netlist], Schedule]


@dataclass(frozen=True, slots=True)
class Resized:
    """Foldings and FIFOs in which one buffer has another depth.

    what: that buffer, and its depth in its own unit. behind: the stream that waits for room in it; "" where another
    depth changes more than the room.
    """

    foldings: dict[str, Folding]
    fifos: dict[str, int]
    what: str
    behind: str = ""

    def build(self, network: Network) -> Netlist:
        return build_netlist(network, self.foldings, self.fifos)


def resized(netlist: Netlist, grow: bool) -> list[Resized]:
    """Every plan with one buffer deeper (shallower): a replay buffer or FIFO doubled (halved), a line buffer
    by a row per bank."""
    foldings, fifos = netlist.foldings, netlist.fifos
    found: list[Resized] = []
    straight = {op.name for op in netlist.network.operators if len(netlist.network.destinations(op.name)) == 1}
    for inst in netlist.instances:
        layer, tensor = inst.layer, inst.source.tensor
        if layer in foldings and (other := inst.core.resized(grow, inst.sink.beats)):
            what = ", ".join(f"{key}={value}" for key, value in other.items())
            changed = {**foldings, layer: replace(foldings[layer], **other)}
            found.append(Resized(changed, fifos, f"{what} of {layer}", inst.sink.name))
        # A FIFO of potentials would be wide: spike words only.
        if tensor in straight and netlist.network.tensors[tensor].encoding in (Encoding.RADIX, *SPIKES):
            depth = 2 * fifos.get(tensor, 4) if grow else fifos.get(tensor, 0) // 2
            others = {k: v for k, v in fifos.items() if k != tensor}
            what = f"a FIFO of {depth} beats behind {tensor}"
            if grow and depth < 2 * inst.source.beats:
                found.append(Resized(foldings, {**others, tensor: depth}, what))
            elif not grow and tensor in fifos:
                found.append(Resized(foldings, {**others, tensor: depth} if depth >= 4 else others, what))
    return found


def settle(network: Network, foldings: dict[str, Folding], goal: int) -> tuple[Netlist, Schedule]:
    """Size the buffers: the frame rate of `goal`, or the best there is, with little memory.

    One buffer at a time, whichever helps most; of many, each that helps. Where none helps alone, all are deepened
    together and then cut back one at a time. FIFOs of branches are endless meanwhile, and at the end as deep as they
    got.
    """
    with _counted(network) as predicted:
        netlist = build_netlist(network, foldings, dict.fromkeys(_branches(network), ENDLESS))
        schedule = predicted(netlist)
        while schedule.cycles_per_frame > goal:
            offers = _offers(netlist, schedule)
            if len(offers) > MANY:
                before = schedule.cycles_per_frame
                netlist, schedule = _sweep(netlist, schedule, goal, predicted)
                if schedule.cycles_per_frame <= GAIN * before:
                    continue
                netlist, schedule = _flood(netlist, schedule, goal, predicted)
                break
            tried: list[tuple[Schedule, Netlist, Resized]] = []
            for r in offers:
                trial = r.build(network)
                tried.append((predicted(trial), trial, r))
                if _rate(tried[-1]) == max(stream.frame_beats for stream in trial.streams):
                    break  # a beat takes a cycle: none can be better
            if not tried or min(tried, key=_rate)[0].cycles_per_frame >= schedule.cycles_per_frame:
                log.info("%g cycles per frame: none of %d buffers helps alone", schedule.cycles_per_frame, len(tried))
                netlist, schedule = _flood(netlist, schedule, goal, predicted)
                break
            before, (schedule, netlist, chosen) = schedule.cycles_per_frame, min(tried, key=_rate)
            log.info(
                "%s: %g cycles per frame, %g before; best of %d",
                chosen.what, schedule.cycles_per_frame, before, len(tried),
            )  # fmt: skip
        return _sized(netlist, schedule, predicted)


def _offers(netlist: Netlist, schedule: Schedule) -> list[Resized]:
    """A deeper buffer where nothing waits for room changes no cycle: those where something does."""
    return [r for r in resized(netlist, grow=True) if not r.behind or r.behind in schedule.held_up]


def _sweep(netlist: Netlist, schedule: Schedule, goal: int, predicted: Predict) -> tuple[Netlist, Schedule]:
    """Each buffer in turn, as deep as it helps."""
    tried: set[str] = set()
    while schedule.cycles_per_frame > goal:
        offer = next((r for r in _offers(netlist, schedule) if r.what not in tried), None)
        if offer is None:
            break
        trial = offer.build(netlist.network)
        outcome = predicted(trial)
        if outcome.cycles_per_frame < schedule.cycles_per_frame:
            log.info("%s: %g cycles per frame", offer.what, outcome.cycles_per_frame)
            netlist, schedule = trial, outcome
        else:
            tried.add(offer.what)
    return netlist, schedule


def _rate(tried: tuple[Schedule, Netlist, Resized]) -> float:
    return tried[0].cycles_per_frame


def branch_fifos(network: Network, foldings: dict[str, Folding]) -> dict[str, int]:
    """FIFOs for the branches of a network, as deep as they get when nothing limits them.

    A shallower one would stall the branches' common source, or stop for ever: the branch that waits at a join holds
    what the other one still needs.
    """
    branches = _branches(network)
    if not branches:
        return {}
    netlist = build_netlist(network, foldings, dict.fromkeys(branches, ENDLESS))
    return _sized(netlist, predict(netlist), predict)[0].fifos


def _branches(network: Network) -> list[str]:
    """Keys of the FIFOs of all branches."""
    readers = {name: network.destinations(name) for name in network.tensors}
    return [branch_name(name, reader) for name, ways in readers.items() if len(ways) > 1 for reader in ways]


def _depths(netlist: Netlist, endless: Schedule) -> list[dict[str, int]]:
    """Beats of the FIFOs of all branches, from a schedule in which these are endless: the better choice first.

    Where one holds more than a frame, the branches' common source is merely faster than its readers. Then what one
    branch holds more than the other may do.
    """
    frame = {stream.name: stream.frame_beats for stream in netlist.streams}
    names = {key: fifo_name(key) for key in _branches(netlist.network)}
    held = {key: max(2, endless.peaks[name]) for key, name in names.items()}
    backlog = [key for key, name in names.items() if held[key] > frame[name]]
    if not backlog:
        return [held]
    skews = predict(netlist, skews=True).skews
    return [held | {key: min(held[key], skews[names[key]] + SLACK) for key in backlog}, held]


def _sized(netlist: Netlist, schedule: Schedule, predicted: Predict) -> tuple[Netlist, Schedule]:
    """With the FIFOs of branches, endless so far, as deep as they get; no deeper than keeps the frame rate."""
    sized, found = netlist, schedule
    for depths in _depths(netlist, schedule) if _branches(netlist.network) else ():
        sized = build_netlist(netlist.network, netlist.foldings, {**netlist.fifos, **depths})
        found = predicted(sized)
        if found.cycles_per_frame <= schedule.cycles_per_frame:
            break
    return sized, found


def _flood(start: Netlist, schedule: Schedule, goal: int, predicted: Predict) -> tuple[Netlist, Schedule]:
    """All buffers a frame deep; then each as shallow as the frame rate allows."""
    network, full = start.network, start
    for _ in range(12):
        foldings, fifos = dict(full.foldings), dict(full.fifos)
        for r in resized(full, grow=True):
            foldings |= {k: v for k, v in r.foldings.items() if v != full.foldings[k]}
            fifos |= {k: v for k, v in r.fifos.items() if v != full.fifos.get(k)}
        if (foldings, fifos) == (full.foldings, full.fifos):
            break
        full = build_netlist(network, foldings, fifos)
    reached = predicted(full)
    many = len(resized(full, grow=False)) > MANY
    if reached.cycles_per_frame >= schedule.cycles_per_frame * (GAIN if many else 1):
        log.info("nor do all together: %g cycles per frame", reached.cycles_per_frame)
        return start, schedule
    log.info("all together: %g cycles per frame", reached.cycles_per_frame)
    limit = max(goal, reached.cycles_per_frame)
    shrunk = True
    while shrunk:
        shrunk = False
        for index in range(len(resized(full, grow=False))):
            trials = resized(full, grow=False)
            if index >= len(trials):
                break
            candidate = trials[index].build(network)
            outcome = predicted(candidate)
            if outcome.cycles_per_frame <= limit:
                log.info("%s is enough", trials[index].what)
                full, reached, shrunk = candidate, outcome, True
    return full, reached


@contextlib.contextmanager
def _counted(network: Network) -> Iterator[Predict]:
    """predict() with a bar that counts."""
    with bar(f"sizing the buffers of {network.name}", "schedule") as done:

        def predicted(netlist: Netlist) -> Schedule:
            schedule = predict(netlist)
            done.update()
            return schedule

        yield predicted
