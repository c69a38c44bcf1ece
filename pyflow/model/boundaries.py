# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Integers of a radix neuron from the real scales of a trained quantiser, without any rounding: every boundary between
two codes lies between the same two integers on both sides (docs/numerics.md, "Trained integers")."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

MAX_EXPONENT = 24
MAX_THETA = 1 << 36  # a neuron's own limit
MAX_POTENTIAL = 1 << 36  # 2^24 times it is an int64


@dataclass(frozen=True, slots=True)
class Channel:
    """What one output channel does to its integer potential h: code = clamp(round((h + shift) / ratio), 0, 2^T - 1).

    ratio: real, > 0, the output's unit by that of h. low, high: what h can be.
    """

    ratio: Fraction
    shift: Fraction
    low: int
    high: int


def first_potentials(channel: Channel, steps: int, rounding: str) -> np.ndarray:
    """int64 [2^T - 1]: the smallest h of each code 1, 2, … or more. rounding: "even" rounds to the nearest, ties to
    even; "up" ties up; "floor" rounds down. What no h reaches is low or high + 1."""
    found = []
    for code in range(1, 2**steps):
        place = Fraction(code) if rounding == "floor" else Fraction(2 * code - 1, 2)
        boundary = place * channel.ratio - channel.shift
        first = math.ceil(boundary)
        if rounding == "even" and first == boundary and code % 2:
            first += 1  # the tie goes to the even code below
        found.append(min(max(first, channel.low), channel.high + 1))
    return np.array(found, np.int64)


@dataclass(frozen=True, slots=True)
class Integers:
    """theta, bias: int64 [C]. exponent: e, the same for all."""

    theta: np.ndarray
    bias: np.ndarray
    exponent: int


class NoIntegers(Exception):
    """No e up to 24 does. channel; code: whose boundary is in the way."""

    def __init__(self, channel: int, code: int, tie: bool) -> None:
        super().__init__(f"channel {channel}, code {code}")
        self.channel, self.code, self.tie = channel, code, tie


def fitted(channels: Sequence[Channel], steps: int, rounding: str = "even") -> Integers:
    """The smallest e, and theta and b of every channel, so that floor((2^e h + b) / theta), clamped, is each channel's
    code for every h in low … high. Raises NoIntegers."""
    assert all(-MAX_POTENTIAL < channel.low <= channel.high < MAX_POTENTIAL for channel in channels)
    wanted = [first_potentials(channel, steps, rounding) for channel in channels]
    exponent = 0
    for n, (channel, first) in enumerate(zip(channels, wanted, strict=True)):
        while _solved(channel, first, exponent) is None:
            exponent += 1
            if exponent > MAX_EXPONENT:
                raise _blamed(n, channel, first, steps, rounding)
    pairs = [_solved(channel, first, exponent) for channel, first in zip(channels, wanted, strict=True)]
    theta, bias = np.array(pairs, np.int64).T
    return Integers(theta, bias, exponent)


def _solved(channel: Channel, first: np.ndarray, exponent: int) -> tuple[int, int] | None:
    """(theta, b) with ceil((k theta - b) / 2^e) = first[k - 1] for every k: below all h or above them it need only be
    so. None where there is none.

    For a theta, b lies between two integers, and their distance is concave in theta: the best theta is found by
    bisection.
    """
    codes = np.arange(1, len(first) + 1, dtype=np.int64)
    never, always = first > channel.high, first <= channel.low
    upper_of, lower_of = first[~always] - 1, first[~never]
    more, less = codes[~always], codes[~never]

    def room(theta: int) -> tuple[int, int]:
        """(smallest b, largest b)"""
        lowest = (less * theta - (lower_of << exponent)).max() if less.size else -(1 << 62)
        largest = (more * theta - (upper_of << exponent)).min() - 1 if more.size else 1 << 62
        return int(lowest), int(largest)

    def width(theta: int) -> int:
        low, high = room(theta)
        return high - low

    left = 1
    right = min(MAX_THETA, max(math.ceil(channel.ratio * 2**exponent), channel.high - channel.low + 1 << exponent) + 1)
    while left < right:
        middle = (left + right) // 2
        if width(middle) < width(middle + 1):
            left = middle + 1
        else:
            right = middle
    low, high = room(left)
    if low > high:
        return None
    if not more.size:  # every h gives the largest code
        return left, low
    if not less.size:
        return left, high
    return left, (low + high) // 2


def _blamed(n: int, channel: Channel, first: np.ndarray, steps: int, rounding: str) -> NoIntegers:
    """The first code with which, and all below it, there are no integers any more."""
    for code in range(1, len(first) + 1):
        if _solved(channel, first[:code], MAX_EXPONENT) is None:
            break
    ties = rounding == "even" and (first != first_potentials(channel, steps, "up")).any()
    return NoIntegers(n, code, bool(ties))
