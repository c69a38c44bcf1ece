# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Cores of rtl/top that a frame passes on its way in and out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pyflow.cores.base import Core
from pyflow.cores.recurrence import Channel, Ports, Recurrence

FLAGS_W = 3  # of a frame: short, long, tkeep


@dataclass(frozen=True, slots=True)
class FrameGuard(Core):
    module: ClassVar = "volley_frame_guard"
    bytes: int

    def times(self, ports: Ports) -> list[Recurrence]:
        words, flags = ports.sources
        return [Guarded(ports.sink, words, flags)]


@dataclass(frozen=True, slots=True)
class FrameResult(Core):
    module: ClassVar = "volley_frame_result"

    def times(self, ports: Ports) -> list[Recurrence]:
        logits, flags = ports.sinks
        return [Answered(logits, flags, ports.source)]


class Guarded(Recurrence):
    """A word a cycle; behind a frame's last one its flags, which hold up the next frame until they are taken."""

    def __init__(self, sink: Channel, words: Channel, flags: Channel) -> None:
        super().__init__(sink, words)
        self.flags, self.sources = flags, [words, flags]

    def advance(self, force: bool) -> bool:
        v_in, h_in, v_out, h_out = self.sink.valid, self.sink.moved, self.source.valid, self.source.moved
        reported, beats = self.flags.moved, self.sink.beats
        j, start = len(h_in), len(h_in)
        while j < len(v_in) and j - 1 < len(h_out) and j // beats <= len(reported):
            t = v_in[j]
            if j:
                free = reported[j // beats - 1] if j % beats == 0 else h_in[-1]
                t = max(t, free + 1, h_out[j - 1])
            h_in.append(t)
            v_out.append(t + 1)
            j += 1
            if j % beats == 0:
                self.flags.valid.append(t + 1)
        return j > start

    def numbers(self) -> Sequence[int]:
        return ()


class Answered(Recurrence):
    """Logits one by one, then the trailer, which is made of the frame's flags. The host takes each at once."""

    def __init__(self, logits: Channel, flags: Channel, source: Channel) -> None:
        super().__init__(logits, source)
        self.flags, self.sinks = flags, [logits, flags]

    def advance(self, force: bool) -> bool:
        answer, classes = self.source.moved, self.sink.beats
        start = len(answer)
        while True:
            frame, nth = divmod(len(answer), classes + 1)
            sink, beat = (self.flags, frame) if nth == classes else (self.sink, frame * classes + nth)
            if beat == len(sink.valid):
                return len(answer) > start
            t = max(sink.valid[beat], answer[-1]) if answer else sink.valid[beat]
            sink.moved.append(t)
            self.source.valid.append(t + 1)
            answer.append(t + 1)

    def numbers(self) -> Sequence[int]:
        return ()
