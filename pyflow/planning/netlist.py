# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The structure that emit writes down and the schedule predicts: cores and the streams between them."""

from __future__ import annotations

from dataclasses import dataclass, field

from pyflow.cores.base import Core
from pyflow.cores.cells import Cost
from pyflow.cores.synapse import MemoryLoader, WeightSource
from pyflow.graph import Network
from pyflow.planning.folding import Folding
from pyflow.planning.memories import Memory

FRAMES_IN_FLIGHT = 64  # frames whose flags the top can remember


@dataclass(frozen=True, slots=True)
class Stream:
    """One AXI4-Stream of the network: passes x pixels / pix x groups beats per frame, pix x lanes x bits of payload.
    pixels is 0 where the data decides how many beats there are.

    pix: pixels per beat, whole ones (groups = 1) where there are several. bits: of a lane, all its numbers.
    numbers: per lane and beat, TB of a tensor with time (1 where one number stands
    for every step). tensor: the IR tensor it carries whole and in raster order ("" for columns and windows).
    """

    name: str
    lanes: int
    bits: int
    pixels: int
    groups: int
    tensor: str = ""
    passes: int = 1
    numbers: int = 1
    pix: int = 1

    @property
    def pixel_width(self) -> int:
        """Bits of one of a beat's pixels."""
        return self.lanes * self.bits

    @property
    def width(self) -> int:
        return self.pix * self.pixel_width

    @property
    def beats(self) -> int:
        """Per pass."""
        return self.pixels // self.pix * self.groups

    @property
    def frame_beats(self) -> int:
        return self.passes * self.beats


Port = tuple[str, Stream]  # name of the port without its s_ or m_, and what is joined to it


@dataclass(frozen=True, slots=True, eq=False)
class Instance:
    """One core and the data streams it joins. Several streams on one port are a packed vector of streams,
    the first one in the low bits."""

    core: Core
    name: str
    layer: str  # IR operator it belongs to
    sinks: tuple[Port, ...]
    sources: tuple[Port, ...]
    memory: Memory | None = None  # read by core.memory_port, or inside where that is ""

    @property
    def sink(self) -> Stream:
        return self.sinks[0][1]

    @property
    def source(self) -> Stream:
        return self.sources[0][1]

    def cells(self, family: str) -> Cost:
        """Estimated, with its weight source and what loads it."""
        memory = self.memory.seen if self.memory else None
        total = self.core.price(family, memory)
        if memory and self.core.memory_port:
            total += WeightSource.of(memory).price(family, memory)
        if memory and memory.kind == "writable":
            total += MemoryLoader(memory.width, memory.depth, 0).price(family)
        return total


@dataclass(frozen=True, slots=True, eq=False)
class Netlist:
    """fifos: beats of the FIFO behind a tensor, or behind one branch of it, by branch_name()."""

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

    @property
    def images(self) -> list[Memory]:
        """Those with an image file: all but constants, which stand in the package."""
        return [memory for memory in self.memories if memory.kind != "const"]

    @property
    def writable(self) -> list[Memory]:
        """Those that a host can load, by their numbers."""
        return [memory for memory in self.memories if memory.kind == "writable"]


def branch_name(tensor: str, reader: str) -> str:
    """Name of the way from a tensor with several readers to one of them."""
    return f"{tensor}:{reader}"


def fifo_name(key: str) -> str:
    """Name of the stream behind the FIFO of this key of Netlist.fifos."""
    return f"{key.replace(':', '_to_')}_fifo"
