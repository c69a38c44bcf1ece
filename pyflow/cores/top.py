# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Cores of rtl/top that a frame passes on its way in and out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pyflow.cores.base import Core
from pyflow.cores.recurrence import Ports, Recurrence


@dataclass(frozen=True, slots=True)
class FrameGuard(Core):
    module: ClassVar = "volley_frame_guard"
    bytes: int

    def times(self, ports: Ports) -> list[Recurrence]:
        return [Guarded(ports.sink, ports.source)]


@dataclass(frozen=True, slots=True)
class FrameResult(Core):
    module: ClassVar = "volley_frame_result"

    def times(self, ports: Ports) -> list[Recurrence]:
        return [Answered(ports.sink, ports.source)]


class Guarded(Recurrence):
    """A word a cycle, and one cycle per frame to report its flags."""

    def advance(self, force: bool) -> bool:
        v_in, h_in, v_out, h_out = self.sink.valid, self.sink.moved, self.source.valid, self.source.moved
        j, start = len(h_in), len(h_in)
        while j < len(v_in) and j - 1 <= len(h_out):
            t = h_in[-1] + 1 if j else 0
            if j and j % self.sink.beats == 0:
                t += 1
            if j:
                if j - 1 >= len(h_out):
                    break
                t = max(t, h_out[j - 1])
            h_in.append(t)
            v_out.append(t + 1)
            j += 1
        return j > start

    def numbers(self) -> Sequence[int]:
        return ()


class Answered(Recurrence):
    """Logits one by one, then the trailer (which has no input beat)."""

    def advance(self, force: bool) -> bool:
        v_in, h_in = self.sink.valid, self.sink.moved
        j, start = len(h_in), len(h_in)
        classes = self.sink.beats
        while j < len(v_in):
            t = v_in[j]
            if j:
                t = max(t, h_in[-1] + 1 + (j % classes == 0))
            h_in.append(t)
            self.source.valid.append(t + 1)
            self.source.moved.append(t + 1)
            if (j + 1) % classes == 0:
                self.source.valid.append(t + 2)
                self.source.moved.append(t + 2)
            j += 1
        return j > start

    def numbers(self) -> Sequence[int]:
        return ()
