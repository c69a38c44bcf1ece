# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The folder host/ of a build: what a host has to know of the design in the device (docs/formats.md)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pyflow.errors import VolleyError
from pyflow.frames import InputFormat
from pyflow.reading import read_json, read_npz
from pyflow.runtime.errors import DeviceError

VERSION = 1
DEVICE, VECTORS, WEIGHTS = "device.json", "vectors.npz", "weights.npz"


@dataclass(frozen=True)
class Memory:
    """A memory that can be written: its number, rows, and 32-bit words of a row."""

    name: str
    index: int
    rows: int
    words: int


@dataclass(frozen=True)
class Probe:
    """A counter inside the network. counts: "stalls" (cycles in which a beat of `stream` waits in front of the layer)
    or "spikes" (that the layer fired)."""

    index: int
    layer: str
    stream: str
    counts: str


@dataclass(frozen=True)
class Files:
    """Contents of host/. structure: hash of network and folding. checksum: of the weights that the design was built
    with; loaded: that the device shows once these weights have been written into its memories. frames: InputFormat
    of the network. clock_mhz: of the board. cycles_per_frame, latency_cycles: as planned."""

    folder: Path
    network: str
    board: str
    structure: int
    checksum: int
    loaded: int
    frames: InputFormat
    classes: int
    logit_scale: float
    clock_mhz: float
    cycles_per_frame: int
    latency_cycles: int
    memories: tuple[Memory, ...]
    probes: tuple[Probe, ...]

    @classmethod
    def load(cls, folder: Any) -> Files:
        """Of `folder`, or of host/ in it. Raises DeviceError where it is no such folder."""
        path = Path(folder)
        try:
            path = path if (path / DEVICE).exists() else path / "host"
            there = (path / DEVICE).exists()
        except (OSError, ValueError) as e:
            raise DeviceError(f"{folder}: cannot be read ({getattr(e, 'strerror', None) or e})") from None
        if not there:
            raise DeviceError(
                f"{folder}: no {DEVICE} in it or in its host/; name the folder that `make bitstream` or compile() made"
            )
        try:
            document = read_json(path / DEVICE, "make it again with `make bitstream`")
        except VolleyError as e:
            raise DeviceError(str(e)) from None
        try:
            if document["version"] != VERSION:
                raise DeviceError(
                    f"{path / DEVICE}: version {document['version']}, this runtime reads {VERSION}; take the runtime "
                    "that lies beside it, or build again"
                )
            given = document["input"]
            shape = (int(given["shape"][0]), int(given["shape"][1]), int(given["shape"][2]))
            return cls(
                path,
                document["network"],
                document["board"],
                int(document["structure"], 16),
                int(document["checksum"], 16),
                int(document["loaded"], 16),
                InputFormat(document["network"], shape, given["encoding"], given["steps"], given["block"]),
                int(document["classes"]),
                float(document["logit_scale"]),
                float(document["clock_mhz"]),
                int(document["cycles_per_frame"]),
                int(document["latency_cycles"]),
                tuple(Memory(**m) for m in document["memories"]),
                tuple(Probe(**p) for p in document["probes"]),
            )
        except (KeyError, TypeError, ValueError, IndexError, OverflowError, AttributeError) as e:
            if isinstance(e, DeviceError):
                raise
            raise DeviceError(
                f"{path / DEVICE}: damaged ({type(e).__name__}: {e}); make it again with `make bitstream`"
            ) from None

    def vectors(self) -> tuple[np.ndarray, np.ndarray]:
        """(uint8 [N, bytes], int64 [N, classes]): frames as they are sent, and the logits of the integer reference."""
        frames, logits = self._arrays(VECTORS, ["frames", "logits"])
        size = self.frames.frame_bytes
        if frames.ndim == 2 and not len(frames):
            raise DeviceError(f"{self.folder / VECTORS}: holds no frames; build again")
        if frames.ndim != 2 or frames.shape[1] != size or logits.shape != (len(frames), self.classes):
            raise DeviceError(
                f"{self.folder / VECTORS}: {frames.shape} frames and {logits.shape} logits do not fit the network, "
                f"{size} bytes and {self.classes} logits; build again"
            )
        return frames.astype(np.uint8), logits.astype(np.int64)

    def images(self) -> dict[str, np.ndarray]:
        """Words of the memories that can be written, by name: uint32 [rows, words]."""
        images = dict(zip([m.name for m in self.memories], self._arrays(WEIGHTS, [m.name for m in self.memories])))
        for memory in self.memories:
            if images[memory.name].shape != (memory.rows, memory.words):
                raise DeviceError(
                    f"{self.folder / WEIGHTS}: {memory.name} is {images[memory.name].shape}, not "
                    f"{(memory.rows, memory.words)} words; build again"
                )
        return images

    def _arrays(self, name: str, keys: list[str]) -> list[np.ndarray]:
        path = self.folder / name
        if not path.exists():
            raise DeviceError(f"{path}: not there; copy the whole folder host/ of the build")
        try:
            return read_npz(path, keys, "copy host/ again, or build again")
        except VolleyError as e:
            raise DeviceError(str(e)) from None
