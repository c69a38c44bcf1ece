# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Scalar model of the echo network in verif/tb/net, for the benches of what holds a network."""

import json
import os
from typing import ClassVar

from verif.models.weight_load import Word, load_checksum, memory_loader
from verif.tb.echo_constants import CHECKSUM, PROBES

NET = json.loads(os.environ["VOLLEY_NET"])
SIZE, CHANNELS, PIX, CLASSES = (NET[name] for name in ("BYTES", "CHANNELS", "PIX", "CLASSES"))


def echo(words: list[int], offset: int = 0) -> list[int]:
    """Logits of a frame. offset: what memory 1 holds, but for its low byte."""
    data = b"".join(word.to_bytes(4, "little") for word in words)[:SIZE]
    pixels = data[::CHANNELS]
    return [sum(pixels[k::CLASSES]) + offset for k in range(CLASSES)]


class Loaded:
    """The memory and the checksum, which outlive every reset and every test of a simulation."""

    bus: ClassVar[list[Word]] = []

    @property
    def checksum(self) -> int:
        return load_checksum(self.bus, CHECKSUM)

    @property
    def offset(self) -> int:
        return [0, *(row for _, row in memory_loader(self.bus, 40, 1, 1))][-1] >> 8


def probes(frames: int) -> list[int]:
    """Counts behind so many frames since reset."""
    beats = frames * -(-SIZE // (CHANNELS * PIX))
    return [beats if constant is None else constant for constant in PROBES]


def saturated(words: list[int]) -> int:
    """Pixels that the network counts, in its two words."""
    data = b"".join(word.to_bytes(4, "little") for word in words)[:SIZE]
    return sum(pixel >= 200 or pixel <= 100 for pixel in data[::CHANNELS])
