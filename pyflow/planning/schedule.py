# SPDX-License-Identifier: Apache-2.0
"""Beat-level schedule: when does every beat of every stream change hands?

Each core is a small max-plus recurrence over handshake times (timing.py): beat k of a stream moves at
    H[k] = max(V[k], H[k-1] + 1, R[k])
where V is when the producer can show it and R when the consumer has room. Counting beats, not logic,
it gives the cycles per frame and the latency of a netlist without simulating it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyflow.hardware import ceil_div
from pyflow.planning.netlist import Netlist
from pyflow.planning.timing import Channel, Core, Guard, LaneConvert, Result, core_of

FRAMES = 8  # simulated; the first ones fill the pipeline


@dataclass(frozen=True, slots=True)
class Schedule:
    """cycles_per_frame: gap between frames' last results, settled. latency: first pixel in to last
    logit out of a lone frame. spans: by stream, cycles from the first to the last beat of the first frame."""

    cycles_per_frame: float
    latency_cycles: int
    spans: dict[str, int]


def predict(netlist: Netlist, frames: int = FRAMES) -> Schedule:
    """Schedule of `frames` back-to-back frames through `netlist` and its top."""
    c, h, w = netlist.network.input_shape
    words = Channel(ceil_div(c * h * w, 4))
    guarded = Channel(words.beats)
    cores: list[Core] = [Guard(words, guarded)]
    channels = {s.name: Channel(s.beats) for s in netlist.streams}
    pixel = channels["pixel"]
    if c == 4:
        channels["pixel"] = pixel = guarded
    else:
        cores.append(LaneConvert(guarded, pixel, lanes_in=4, lanes_out=c, channels=c * h * w))
    for inst in netlist.instances:
        cores.append(core_of(inst, channels[inst.sink.name], channels[inst.source.name]))
    logits, classes = channels[netlist.logits.name], netlist.network.classes
    if netlist.logits.lanes > 1:
        single = Channel(classes)
        cores.append(LaneConvert(logits, single, lanes_in=netlist.logits.lanes, lanes_out=1, channels=classes))
        logits = single
    out = Channel(classes + 1)
    cores.append(Result(logits, out))

    words.valid = [0] * (words.beats * frames)
    target = out.beats * frames
    while len(out.moved) < target:
        # Downstream first: handshakes travel back, so that upstream finds its room at once.
        if not any(
            [core.advance(False) for core in cores] + [core.advance(False) for core in reversed(cores)]
        ) and not any(core.advance(True) for core in cores):
            stuck = next(n for n, ch in reversed(channels.items()) if len(ch.moved) < len(ch.valid))
            raise RuntimeError(f"schedule: no progress at stream {stuck!r}; this is a bug in the schedule")
    ends = np.array(out.moved[out.beats - 1 :: out.beats][:frames])
    gaps = np.diff(ends)
    spans = {
        name: ch.moved[ch.beats - 1] - ch.moved[0] + 1 for name, ch in channels.items() if len(ch.moved) >= ch.beats
    }
    period = float(gaps[len(gaps) // 2 :].mean())  # gaps may alternate, by 40 and 41 cycles say
    return Schedule(period, int(out.moved[classes - 1] - words.moved[0]), spans)
