# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Beat-level schedule: when does every beat of every stream change hands?

Each core is a small max-plus recurrence over handshake times (cores/): beat k of a stream moves at
    H[k] = max(V[k], H[k-1] + 1, R[k])
where V is when the producer can show it and R when the consumer has room. Counting beats, not logic,
it gives the cycles per frame and the latency of a netlist without simulating it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pyflow.cores import compiled
from pyflow.cores.base import Core
from pyflow.cores.recurrence import Channel, Ports, Recurrence
from pyflow.cores.stream import Fifo, Join, LaneConvert
from pyflow.cores.top import FLAGS_W, FrameGuard, FrameResult
from pyflow.integers import ceil_div
from pyflow.planning import sparsity
from pyflow.planning.netlist import FRAMES_IN_FLIGHT, Instance, Netlist, fifo_name

FRAMES = 8  # simulated at least; the first ones fill the pipeline
BEATS = 1024  # of the longest stream, at least: short frames settle late
SAMPLES = 3  # times as many frames where they differ


@dataclass(frozen=True, slots=True)
class Schedule:
    """cycles_per_frame: gap between frames' last results, settled. latency: first pixel in to last
    logit out of a lone frame. peaks: by stream behind a FIFO, the most beats that it held. ends: cycle of each frame's
    last result, from the first word in on. busy: cycles per frame of layers that skip zeros. held_up: streams that
    waited for room in the buffer behind them; a deeper one behind any other changes no cycle. skews: of FIFOs that are
    never full, the most beats that each held more than the emptiest one of the same tensor's branches."""

    cycles_per_frame: float
    latency_cycles: int
    peaks: dict[str, int]
    ends: tuple[int, ...]
    busy: dict[str, float]
    held_up: frozenset[str]
    skews: dict[str, int] = field(default_factory=dict)


class Deadlock(RuntimeError):
    """No core can go on. The planner sizes FIFOs so that it cannot happen; too shallow ones may be given."""


def predict(netlist: Netlist, x: np.ndarray | None = None, *, skews: bool = False) -> Schedule:
    """Schedule of back-to-back frames through `netlist` and its top.

    x: the frames. Without them a layer that skips zeros is given frames by its measured rate. skews: are they
    wanted? Raises Deadlock.
    """
    frames = max(FRAMES, BEATS // max(s.frame_beats for s in netlist.streams))
    skipping = sparsity.event_lists(netlist)
    if x is not None:
        frames, counts = len(x), sparsity.counted(netlist, x)
    else:
        frames *= SAMPLES if skipping else 1
        counts = sparsity.expected(netlist, frames)
    filled = {layer: found.ravel().tolist() for layer, found in counts.items()}
    joined = join(netlist, filled)
    channels, host, out, classes = joined.channels, joined.host, joined.out, netlist.network.classes
    cores = [core for _, core in joined.cores]
    words, target = host.beats * frames, out.beats * frames
    fifos = [inst for inst in netlist.instances if isinstance(inst.core, Fifo)]
    around = [channels[s.name] for inst in fifos for s in (inst.sink, inst.source)]
    done = compiled.run(cores, host, words, out, target, around)
    if done is None:
        host.valid = [0] * words
        done = _run(cores, lambda: len(out.moved) < target)
    if not done:
        stuck = next(n for n, ch in reversed(channels.items()) if len(ch.moved) < len(ch.valid))
        raise Deadlock(f"schedule: no progress at stream {stuck!r}")
    ends = np.array(out.moved[out.beats - 1 :: out.beats][:frames])
    gaps = np.diff(ends)
    peaks = {i.source.name: _peak(channels[i.sink.name].moved, channels[i.source.name].moved) for i in fifos}
    period = float(gaps[len(gaps) // 2 :].mean())  # gaps may alternate, by 40 and 41 cycles say
    start = int(host.moved[0])
    latency, busy = int(out.moved[classes - 1] - start), sparsity.array_cycles(netlist, counts)
    full = {core.sink for core in cores if core.full}
    held_up = frozenset(name for name, channel in channels.items() if channel in full)
    apart = _skews(netlist, fifos, channels) if skews else {}
    return Schedule(period, latency, peaks, tuple(int(t) - start for t in ends), busy, held_up, apart)


@dataclass(frozen=True, slots=True)
class Joined:
    """Recurrences of a netlist and its top, each with the name of its core. channels: by stream. beats: per frame, of
    every channel that a core of the netlist or the top has."""

    cores: list[tuple[str, Recurrence]]
    channels: dict[str, Channel]
    host: Channel
    out: Channel
    beats: dict[Channel, int]


def join(netlist: Netlist, filled: Mapping[str, Sequence[int]]) -> Joined:
    """filled: words that are not zero, of each layer that skips zeros."""
    size = netlist.network.frame_bytes
    host = Channel(ceil_div(size, 4))
    guarded = Channel(host.beats)
    cores: list[tuple[str, Recurrence]] = []

    def add(name: str, core: Core, ports: Ports) -> None:
        cores.extend((name, recurrence) for recurrence in core.times(ports))

    flags, reported = Channel(1), Channel(1)
    add("the host's words", FrameGuard(size), Ports([host], [guarded, flags]))
    add("the frames' flags", Fifo(FLAGS_W, FRAMES_IN_FLIGHT), Ports([flags], [reported]))
    channels = {s.name: Channel(s.beats) for s in netlist.streams}
    beats = {channels[s.name]: s.frame_beats for s in netlist.streams}
    beats |= {host: host.beats, guarded: host.beats, flags: 1, reported: 1}
    pixel = netlist.streams[0]
    if pixel.pix * pixel.lanes == 4:
        channels[pixel.name] = guarded
    else:
        lanes = pixel.pix * pixel.lanes
        add("the host's pixels", LaneConvert(8, 4, lanes, size), Ports([guarded], [channels[pixel.name]]))
    for inst in reversed(netlist.instances):
        waits = inst.memory and inst.core.memory_port and inst.memory.kind != "const"
        for _, stream in inst.sinks:
            if waits:
                channels[stream.name].awake = 2  # volley_weight_source has its first row then
            elif isinstance(inst.core, Join):  # no register in it
                channels[stream.name].awake = channels[inst.source.name].awake
    for inst in netlist.instances:
        sinks, sources = ([channels[s.name] for _, s in ports] for ports in (inst.sinks, inst.sources))
        add(inst.name, inst.core, Ports(sinks, sources, filled.get(inst.layer, ())))
    logits, classes = channels[netlist.logits.name], netlist.network.classes
    if netlist.logits.lanes > 1:
        single = Channel(classes)
        last = LaneConvert(netlist.logits.bits, netlist.logits.lanes, 1, classes)
        add("the logits", last, Ports([logits], [single]))
        logits = single
    beats[logits] = classes
    out = Channel(classes + 1)
    add("the answer", FrameResult(), Ports([logits, reported], [out]))
    return Joined(cores, channels, host, out, beats)


def _run(cores: list[Recurrence], unfinished: Callable[[], bool]) -> bool:
    """Let each core go as far as it can, then those that waited for the times it added, until the last core has
    finished. False where none can.

    Only where nothing else moves may a core assume that what is not known yet comes too late.
    """
    makes = {channel: n for n, core in enumerate(cores) for channel in core.sources}
    takes = {channel: n for n, core in enumerate(cores) for channel in core.sinks}
    # By core: the lists that it adds to, each with the core that reads it.
    added = [
        [(ch.moved, makes[ch]) for ch in core.sinks if ch in makes]
        + [(ch.valid, takes[ch]) for ch in core.sources if ch in takes]
        for core in cores
    ]
    seen = [[0] * len(lists) for lists in added]
    waiting, due = deque(range(len(cores))), [True] * len(cores)
    last = len(cores) - 1
    while True:
        if waiting:
            moved = waiting.popleft()
            due[moved] = False
            cores[moved].advance(False)
        else:
            forced = next((n for n, core in enumerate(cores) if core.advance(True)), None)
            if forced is None:
                return False
            moved = forced
        if moved == last and not unfinished():
            return True
        for place, (times, reader) in enumerate(added[moved]):
            if len(times) != seen[moved][place]:
                seen[moved][place] = len(times)
                if not due[reader]:
                    due[reader] = True
                    waiting.append(reader)


def _peak(moved_in: list[int], moved_out: list[int]) -> int:
    """Most beats that were inside when one came in, that one counted."""
    times = np.array(moved_in)
    return int((np.arange(1, len(times) + 1) - np.searchsorted(moved_out, times)).max(initial=0))


def _skews(netlist: Netlist, fifos: list[Instance], channels: dict[str, Channel]) -> dict[str, int]:
    """Of FIFOs that could hold all beats: by stream behind one."""
    times = {i.source.name: [np.array(channels[s.name].moved) for s in (i.sink, i.source)] for i in fifos}
    endless = {i.source.name for i in fifos if i.core.depth > len(times[i.source.name][0])}  # type: ignore[attr-defined]
    found: dict[str, int] = {}
    for tensor in dict.fromkeys(key.partition(":")[0] for key in netlist.fifos if ":" in key):
        branches = [
            name for key in netlist.fifos if (name := fifo_name(key)) in endless and key.startswith(f"{tensor}:")
        ]
        # Something changes only where a beat moves; the difference is then the largest of its time.
        if not branches:
            continue
        events = np.unique(np.concatenate([t for name in branches for t in times[name]]))
        held = [np.subtract(*(np.searchsorted(t, events, "right") for t in times[name])) for name in branches]
        found |= {name: int((own - np.min(held, 0)).max(initial=0)) for name, own in zip(branches, held, strict=True)}
    return found
