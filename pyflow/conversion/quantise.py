# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""From real weights to integers, layer by layer. The only roundings of the conversion happen here.

A neuron's code is floor((2^e * sum(w_q * code) + b_q) / theta). With the integer theta chosen first and
the channel's weight scale s_w = 2^e * s_out / (theta * s_in), that equals round(real / s_out) exactly, up
to the rounding of w_q and b_q: theta itself is never rounded (docs/numerics.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pyflow.errors import VolleyError

MIN_THETA = 16  # smallest ideal theta of a layer: s_w then differs from its ideal by at most 1/16
# By so much more where spikes are added: a code of 4 bits times a rounded multiplier is 1/8 off at most.
SKIP_FACTOR = 4
MAX_EXPONENT = 24
CLIP_RATIOS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5, 0.45, 0.4, 0.35, 0.3)
CLIP_GAIN = 0.98  # clipping must lower the squared error at least to this share, else nothing is clipped
BIAS_STEP = 16  # largest rounding of a readout bias: 1/(2*16) of one weight unit
LOGIT_LIMIT = 2**31


@dataclass(frozen=True, slots=True, eq=False)
class Quantised:
    """Integers of the layers that drive one neuron, mostly one. weights: int8, each like the real weight; theta, bias:
    int64 [Co] (theta is None for the readout); skips: int64 [Co] each, multipliers of the spikes that are added;
    scales: float64 [Co] each, real value of one weight unit; ratio: float64 [Co], clipping."""

    weights: tuple[np.ndarray, ...]
    theta: np.ndarray | None
    bias: np.ndarray
    exponent: int
    scales: tuple[np.ndarray, ...]
    ratio: np.ndarray
    skips: tuple[np.ndarray, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One layer of those that drive a neuron. weight: float64 [Co, ...]; s_in: real value of one input code; bound_in:
    largest input code; bits: W."""

    weight: np.ndarray
    s_in: float
    bound_in: int
    bits: int
    moments: Rounding | None = None

    @property
    def limit(self) -> int:
        return (1 << (self.bits - 1)) - 1


@dataclass(frozen=True, slots=True, eq=False)
class Skip:
    """Spikes that are added to a potential. scale: float64 [C], real value of one code; bound: largest code."""

    scale: np.ndarray
    bound: int


class Rounding(Protocol):
    """See rounding.Moments."""

    def rounded(self, rows: np.ndarray, scale: np.ndarray, limit: int) -> np.ndarray: ...
    def shift(self, rows: np.ndarray, rounded: np.ndarray) -> np.ndarray: ...


def _rounded(part: Part, rows: np.ndarray, scale: np.ndarray) -> np.ndarray:
    if part.moments is None:
        return _round(rows, scale, part.limit)
    return part.moments.rounded(rows, scale, part.limit)


def _rows(weight: np.ndarray) -> np.ndarray:
    return weight.reshape(len(weight), -1)


def _round(weight: np.ndarray, scale: np.ndarray, limit: int | np.ndarray) -> np.ndarray:
    """Integers nearest to weight / scale within +-limit. weight: [Co, n], scale: [Co]."""
    codes: np.ndarray = np.clip(np.rint(weight / scale[:, None]), -limit, limit)
    return codes


def quantise_neuron(
    parts: Sequence[Part],
    bias: np.ndarray,
    *,
    s_out: float,
    steps_out: int,
    skips: Sequence[Skip] = (),
    ratio: np.ndarray | None = None,
    name: str = "layer",
    exponent: int | None = None,
) -> Quantised:
    """Integers of the layers in front of a neuron: its potential is the sum of theirs and of the skips.

    bias: float64 [Co], of all together; s_out: real value of one output code; ratio: clipping per channel, None
    searches for the smallest squared error. exponent: e, None chooses the smallest that makes every ideal theta 16 or
    more (64 with skips, whose multipliers are rounded).
    Raises VolleyError if a layer amplifies more than e <= 24, or the given one, can express.
    """
    first, least = parts[0], MIN_THETA * (SKIP_FACTOR if skips else 1)
    # All weights in units of the first layer's input; what a column's codes may be.
    rows = [_rows(part.weight) if part is first else _rows(part.weight) * (part.s_in / first.s_in) for part in parts]
    top = 2**steps_out - 1
    ideals, reaches = [], []
    for part, own in zip(parts, rows, strict=True):
        peak = np.abs(own).max(1, initial=0)
        alive = peak * first.s_in * 2.0**60 > s_out * part.limit  # anything smaller counts as an all-zero channel
        some = np.where(alive, peak, 1)
        ideals.append(np.where(alive, s_out * part.limit / (first.s_in * some), np.inf))
        reaches.append((part.limit * part.bound_in, np.abs(own).sum(1), some))
    theta0 = np.min(ideals, 0)
    live = np.isfinite(theta0)
    needed = max(0, int(np.ceil(np.log2(least / theta0.min())))) if live.any() else 0
    exponent = needed if exponent is None else exponent
    if live.any() and theta0.min() * 2.0**exponent < 1 and exponent < needed:
        raise VolleyError(
            f"layer {name!r}: its gain needs e = {needed}, e = {exponent} is given and makes a threshold less than 1; "
            "convert without `like`, for a design of its own"
        )
    if exponent > MAX_EXPONENT:
        raise VolleyError(
            f"layer {name!r}: its gain needs e = {exponent}, the limit is {MAX_EXPONENT}; "
            "check the calibration images, or raise weight_bits or lower timesteps"
        )
    ideal = np.where(live, theta0, least) * 2.0**exponent
    # Beyond the cap the weights together move the code by less than 1: a nearly dead channel must not
    # widen the potentials of the whole layer. Its skips keep their precision.
    moved = np.zeros(len(bias))
    for (most, total, some), own_ideal in zip(reaches, ideals, strict=True):
        share = np.where(np.isfinite(own_ideal), theta0 / own_ideal, 0) if len(parts) > 1 else 1.0
        moved = moved + 2.0**exponent * most * total / some * share
    cap = np.maximum(least << exponent if skips else least, np.ceil(moved))

    def theta_of(r: np.ndarray | float) -> np.ndarray:
        return np.clip(np.floor(ideal / r), 1, cap)

    def scale_of(theta: np.ndarray) -> np.ndarray:
        return 2.0**exponent * s_out / (theta * first.s_in)

    limits = [part.limit for part in parts]
    if ratio is None:
        columns = limits[0] if len(parts) == 1 else np.repeat(limits, [own.shape[1] for own in rows])
        ratio = best_ratio(np.concatenate(rows, 1), lambda r: scale_of(theta_of(r)), columns)
    theta = theta_of(ratio)
    scale = scale_of(theta)
    integers = [np.where(live[:, None], _rounded(part, own, scale), 0) for part, own in zip(parts, rows, strict=True)]
    for part, codes in zip(parts, integers, strict=True):
        if part.moments is not None:
            ours = _rows(part.weight), codes * (scale * (first.s_in / part.s_in))[:, None]
            bias = bias + np.where(live, part.moments.shift(*ours), 0)
    fires = live | bool(skips)  # by what it reads; the others are constants
    theta = np.where(fires, theta, 1).astype(np.int64)
    multipliers = tuple(np.rint(theta * skip.scale / s_out).astype(np.int64) for skip in skips)
    reach = np.zeros(len(bias), np.int64)
    for part, own in zip(parts, integers, strict=True):
        reach = reach + (2**exponent * np.abs(own).sum(1) * part.bound_in).astype(np.int64)
    for skip, multiplier in zip(skips, multipliers, strict=True):
        reach = reach + np.abs(multiplier) * skip.bound
    far = int(reach.max(initial=0))
    real = np.clip(bias * theta / s_out, -(2.0**52), 2.0**52)
    # Clamping changes no code: outside, the neuron is silent or saturated whatever arrives.
    b = np.clip(np.rint(real).astype(np.int64) + theta // 2, -far - 1, theta * 2**steps_out + far)
    constant = np.clip(np.floor(np.clip(bias / s_out, -1, top + 1) + 0.5), 0, top).astype(np.int64)
    b = np.where(fires, b, constant)
    return Quantised(
        tuple(own.reshape(part.weight.shape).astype(np.int8) for part, own in zip(parts, integers, strict=True)),
        theta,
        b,
        exponent,
        tuple(scale if part is first else scale * (first.s_in / part.s_in) for part in parts),
        ratio,
        multipliers,
    )


def quantise_readout(
    part: Part,
    bias: np.ndarray,
    *,
    ratio: np.ndarray | None = None,
    name: str = "layer",
    exponent: int | None = None,
) -> Quantised:
    """Integers of the last layer: one weight scale for all outputs, so that integer logits compare directly.

    Arguments as in quantise_neuron; one logit unit is s_in * scale / 2^e. If it is not given, e is the smallest that
    rounds no bias by more than 1/32 weight unit. Raises VolleyError if a logit cannot fit 32 bits.
    """
    limit, rows, s_in, bound_in = part.limit, _rows(part.weight), part.s_in, part.bound_in
    peak = float(np.abs(rows).max(initial=0))
    top_bias = float(np.abs(bias).max(initial=0))
    unit = peak / limit if peak > 0 else max(top_bias, 1.0) / (256 * s_in)
    if ratio is None:
        merged = rows.reshape(1, -1)
        ratio = best_ratio(merged, lambda r: np.full(1, unit * r), limit) if peak > 0 else np.ones(1)
    scale = unit * float(ratio[0])
    integer = _rounded(part, rows, np.full(len(rows), scale))
    if part.moments is not None:
        bias = bias + part.moments.shift(rows, integer * scale)
    real = bias / (s_in * scale)
    reach = int(np.abs(integer).sum(1).max(initial=0)) * bound_in
    given, exponent = exponent, 0
    while (
        exponent < 4
        and np.abs(real * 2**exponent - np.rint(real * 2**exponent)).max(initial=0) / 2**exponent > 0.5 / BIAS_STEP
    ):
        exponent += 1
    while exponent and (reach + np.abs(real).max(initial=0) + 1) * 2**exponent >= LOGIT_LIMIT:
        exponent -= 1
    exponent = exponent if given is None else given
    if (reach + np.abs(real).max(initial=0) + 1) * 2**exponent >= LOGIT_LIMIT:
        raise VolleyError(
            f"layer {name!r}: bias {top_bias:g} beside weights of at most {peak:g} needs logits of more than "
            "32 bits; check the weights"
        )
    b = np.rint(real * 2**exponent).astype(np.int64)
    weights = (integer.reshape(part.weight.shape).astype(np.int8),)
    return Quantised(weights, None, b, exponent, (np.full(len(rows), scale),), ratio)


def best_ratio(rows: np.ndarray, scale_of: Callable[[float], np.ndarray], limit: int | np.ndarray) -> np.ndarray:
    """Clipping ratio of each row with the smallest squared error; 1 unless clipping is measurably better."""
    best = np.ones(len(rows))
    lowest = np.full(len(rows), np.inf)
    for r in CLIP_RATIOS:
        scale = scale_of(r)
        error = ((_round(rows, scale, limit) * scale[:, None] - rows) ** 2).sum(1)
        better = error < lowest
        best, lowest = np.where(better, r, best), np.where(better, error, lowest)
        if r == 1.0:
            lowest = lowest * CLIP_GAIN
    return best


def round_scale(value: float) -> float:
    """Keep 12 bits of mantissa, so that the last bits of a float sum do not change the integers."""
    mantissa, exponent = np.frexp(value)
    return float(np.ldexp(np.rint(mantissa * 4096) / 4096, exponent))
