# SPDX-License-Identifier: Apache-2.0
"""The structure that emit writes down and the schedule predicts: cores and the streams between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pyflow.graph import Network
from pyflow.hardware import Folding
from pyflow.planning.memories import Memory

FRAMES_IN_FLIGHT = 64  # frames whose flags the top can remember


@dataclass(frozen=True, slots=True)
class Stream:
    """One AXI4-Stream of the network. pixels x groups beats per frame, lanes x bits of payload.

    tensor: the IR tensor it carries whole and in raster order ("" for columns and windows).
    """

    name: str
    lanes: int
    bits: int
    pixels: int
    groups: int
    tensor: str = ""

    @property
    def width(self) -> int:
        return self.lanes * self.bits

    @property
    def beats(self) -> int:
        return self.pixels * self.groups


@dataclass(frozen=True, slots=True, eq=False)
class Instance:
    """One core. sink, source: the data streams it joins; sink_port and source_port their names."""

    module: str
    name: str
    layer: str  # IR operator it belongs to
    sink: Stream
    source: Stream
    sink_port: str
    source_port: str
    parameters: dict[str, Any]
    memory: Memory | None = None  # read through an own volley_weight_source
    memory_port: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Netlist:
    network: Network
    foldings: dict[str, Folding]  # by synapse operator, normalised
    fifos: dict[str, int]
    instances: tuple[Instance, ...]
    streams: tuple[Stream, ...] = field(default=())

    @property
    def logits(self) -> Stream:
        return self.instances[-1].source

    @property
    def memories(self) -> list[Memory]:
        return [i.memory for i in self.instances if i.memory]
