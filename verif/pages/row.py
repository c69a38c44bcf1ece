# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What the page of each core shows: the sizes of its area table, the smallest legal one, the stimulus of its
waveform. Parameters that a row does not name keep the default of the RTL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Values = Mapping[str, int | str]


@dataclass(frozen=True, slots=True)
class Wave:
    """Stimulus. Sinks get pseudo-random payloads, one beat a cycle; all sources stall in two cycles. A stream is
    named by the prefix of its ports, `s_axis[1]` is the second of those that lie side by side in s_axis.

    frame:  beats from one tlast to the next
    last:   sink -> its beats with tlast instead
    data:   sink -> payloads instead of random ones; none after them
    idle:   sink -> cycles in which it offers no new beat
    stalls: cycles in which no source may move, or by source
    ports:  input that belongs to no stream -> value per cycle, the last one for ever (others are 0)
    """

    parameters: Values = field(default_factory=dict)
    cycles: int = 20
    frame: int = 4
    last: Mapping[str, Sequence[int]] = field(default_factory=dict)
    data: Mapping[str, Sequence[int]] = field(default_factory=dict)
    idle: Mapping[str, Sequence[int]] = field(default_factory=dict)
    stalls: Sequence[int] | Mapping[str, Sequence[int]] = (11, 12)
    ports: Mapping[str, Sequence[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Row:
    """One core. sizes: for the area, none where it depends on a generated network. wave: None for a core
    without a clock, with two, or that does nothing before it is loaded. image: parameters whose products are width and
    number of the words of INIT_FILE; there the content decides the area, so the page takes random words. around: module
    of the echo network's (verif/echo_network.py) that the wave is of, with the core inside."""

    smallest: Values
    sizes: tuple[Values, ...]
    wave: Wave | None = Wave()
    image: tuple[str, str] | None = None
    around: str = ""
