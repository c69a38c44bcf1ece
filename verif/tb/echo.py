# SPDX-License-Identifier: Apache-2.0
"""Scalar model of the echo network in verif/tb/net, for the benches of what holds a network."""

import json
import os

NET = json.loads(os.environ["VOLLEY_NET"])
SIZE, CHANNELS, PIX, CLASSES = (NET[f"NET_{name}"] for name in ("BYTES", "CHANNELS", "PIX", "CLASSES"))
CHECKSUM, HASH = 0xC0DE, 0xA9B3B3A6  # the complement of ID: registers differ in every bit


class _Reset:
    """`rst` as axis.TB drives it, on an active-low port."""

    def __init__(self, aresetn):
        self.aresetn = aresetn

    @property
    def value(self) -> int:
        return 1 - int(self.aresetn.value)

    @value.setter
    def value(self, active: int) -> None:
        self.aresetn.value = 1 - active


class ActiveLow:
    """A DUT whose reset is `aresetn`, for axis.TB."""

    def __init__(self, dut):
        self.dut, self.rst = dut, _Reset(dut.aresetn)

    def __getattr__(self, name: str):
        return getattr(self.dut, name)


def echo(words: list[int]) -> list[int]:
    """Logits of a frame."""
    data = b"".join(word.to_bytes(4, "little") for word in words)[:SIZE]
    pixels = data[::CHANNELS]
    return [sum(pixels[k::CLASSES]) for k in range(CLASSES)]


def saturated(words: list[int]) -> int:
    """Pixels that the network counts, in its two words."""
    data = b"".join(word.to_bytes(4, "little") for word in words)[:SIZE]
    return sum(pixel >= 200 or pixel <= 100 for pixel in data[::CHANNELS])
