# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""How volley_dsp_mult packs weights of several outputs into one factor, and finds their sums in the product.

Numbers are Python integers, NumPy arrays or z3 bit vectors of 48 bits: the same formulas are run and proved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Number = Any


@dataclass(frozen=True, slots=True)
class Packing:
    """lanes: outputs per DSP48. pitch: bits from lane to lane. chain: inputs of a cascade. low: bits by which the sum
    of a lane may reach into the one above. offset: added to the weights of all lanes but the top one."""

    weight_w: int
    tp: int
    lanes: int
    pitch: int
    chain: int
    low: int
    offset: int

    @property
    def top(self) -> int:
        """Largest spike word."""
        return (1 << self.tp) - 1

    def held(self, weight: Number, lane: int) -> Number:
        """What a lane multiplies."""
        return weight if lane == self.lanes - 1 else weight + self.offset


def packing(weight_w: int, tp: int) -> Packing:
    if weight_w <= 4 and tp <= 4:
        return Packing(weight_w, tp, 4, 7, 2, 2, max(4, 1 << (weight_w - 1)))
    rail = ((1 << tp) - 1) << (weight_w - 1)
    chain = 4 if 4 * rail <= 1 << 16 else 2
    return Packing(weight_w, tp, 2, 16, chain, int(2 * chain * rail > 1 << 16), 0)


def preadder(weights: Sequence[Number], by: Packing) -> tuple[Number, Number]:
    """Operands a and d, signed. FOUR: d - a is the factor, else d + a. weights: two's complement."""
    if by.lanes == 2:
        return weights[0], weights[1] << by.pitch
    sign = 1 << (by.weight_w - 1)
    a: Number = 0
    d = weights[3] << 3 * by.pitch
    for lane in range(3):
        a = a + ((weights[lane] & sign) << lane * by.pitch)
        d = d + (((weights[lane] & (sign - 1)) + by.offset) << lane * by.pitch)
    return a, d


def factor(weights: Sequence[Number], by: Packing) -> Number:
    a, d = preadder(weights, by)
    return d - a if by.lanes == 4 else d + a


def taken_off(lows: Sequence[Number], by: Packing) -> Number:
    """Input C of a cascade. lows[lane]: the lane's sum modulo 2^low; lane 0 is not looked at."""
    if by.lanes == 4:
        return (lows[1] << by.pitch) + (lows[2] << 2 * by.pitch) + (lows[3] << 3 * by.pitch)
    return (lows[1] - 1) << by.pitch if by.low else -(1 << (by.pitch - 1))


def lanes_of(p: Number, lows: Sequence[Number], by: Packing) -> list[Number]:
    """The lanes' sums, signed, with what `offset` added, out of the sum `p` of a cascade."""
    found = []
    width = by.pitch + by.low
    for lane in range(by.lanes):
        low = p & ((1 << by.low) - 1) if lane == 0 else lows[lane]
        number = (((p >> (lane * by.pitch + by.low)) & ((1 << by.pitch) - 1)) << by.low) + low
        half = 1 << (width - 1)
        if lane == by.lanes - 1:
            number = (number ^ half) - half
        elif by.lanes == 2:  # half the range joined it
            number = number - half
        found.append(number)
    return found


def parity(weights: Sequence[Number], words: Sequence[Number], by: Packing) -> Number:
    """The sum over a cascade of weights[k] * words[k] modulo 2^low, out of their two lowest bits."""
    bit = lambda number, n: number >> n & 1  # noqa: E731
    low: Number = 0
    high: Number = 0
    both: Number = 1
    for weight, word in zip(weights, words, strict=True):
        unit = bit(weight, 0) & bit(word, 0)
        low = low ^ unit
        high = high ^ (bit(weight, 1) & bit(word, 0)) ^ (bit(weight, 0) & bit(word, 1))
        both = both & unit
    if by.low < 2:
        return low if by.low else 0
    return low + ((high ^ both if len(words) == 2 else high) << 1)
