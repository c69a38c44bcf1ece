# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""From real weights to integers, layer by layer. The only roundings of the conversion happen here.

A neuron's code is floor((2^e * sum(w_q * code) + b_q) / theta). With the integer theta chosen first and
the channel's weight scale s_w = 2^e * s_out / (theta * s_in), that equals round(real / s_out) exactly, up
to the rounding of w_q and b_q: theta itself is never rounded (docs/numerics.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pyflow.errors import VolleyError

MIN_THETA = 16  # smallest ideal theta of a layer: s_w then differs from its ideal by at most 1/16
MAX_EXPONENT = 24
CLIP_RATIOS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5, 0.45, 0.4, 0.35, 0.3)
CLIP_GAIN = 0.98  # clipping must lower the squared error at least to this share, else nothing is clipped
BIAS_STEP = 16  # largest rounding of a readout bias: 1/(2*16) of one weight unit
LOGIT_LIMIT = 2**31


@dataclass(frozen=True, slots=True, eq=False)
class QuantSynapse:
    """Integers of one layer. weight: int8 like the real weight; theta, bias: int64 [Co] (theta is None
    for the readout); scale: float64 [Co], real value of one weight unit; ratio: float64 [Co], clipping."""

    weight: np.ndarray
    theta: np.ndarray | None
    bias: np.ndarray
    exponent: int
    scale: np.ndarray
    ratio: np.ndarray


def _rows(weight: np.ndarray) -> np.ndarray:
    return weight.reshape(len(weight), -1)


def _round(weight: np.ndarray, scale: np.ndarray, limit: int) -> np.ndarray:
    """Integers nearest to weight / scale within +-limit. weight: [Co, n], scale: [Co]."""
    codes: np.ndarray = np.clip(np.rint(weight / scale[:, None]), -limit, limit)
    return codes


def quantise_synapse(
    weight: np.ndarray,
    bias: np.ndarray,
    *,
    s_in: float,
    bound_in: int,
    s_out: float,
    steps_out: int,
    bits: int,
    ratio: np.ndarray | None = None,
    name: str = "layer",
    exponent: int | None = None,
) -> QuantSynapse:
    """Integers of a layer that fires.

    weight: float64 [Co, ...]; bias: float64 [Co]; s_in, s_out: real value of one input, output code;
    bound_in: largest input code; ratio: clipping per channel, None searches for the smallest squared error.
    exponent: e, None chooses the smallest that makes every ideal theta 16 or more.
    Raises VolleyError if the layer amplifies more than e <= 24, or the given one, can express.
    """
    limit, rows = 2 ** (bits - 1) - 1, _rows(weight)
    top = 2**steps_out - 1
    peak = np.abs(rows).max(1, initial=0)
    live = peak * s_in * 2.0**60 > s_out * limit  # anything smaller counts as an all-zero channel
    theta0 = np.where(live, s_out * limit / (s_in * np.where(live, peak, 1)), np.inf)
    needed = max(0, int(np.ceil(np.log2(MIN_THETA / theta0.min())))) if live.any() else 0
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
    ideal = np.where(live, theta0, MIN_THETA) * 2.0**exponent
    # Beyond the cap the weights together move the code by less than 1: a nearly dead channel must not
    # widen the potentials of the whole layer.
    cap = np.maximum(
        MIN_THETA, np.ceil(2.0**exponent * limit * bound_in * np.abs(rows).sum(1) / np.where(live, peak, 1))
    )

    def theta_of(r: np.ndarray | float) -> np.ndarray:
        return np.clip(np.floor(ideal / r), 1, cap)

    def scale_of(theta: np.ndarray) -> np.ndarray:
        return 2.0**exponent * s_out / (theta * s_in)

    if ratio is None:
        ratio = _best_ratio(rows, lambda r: scale_of(theta_of(r)), limit)
    theta = theta_of(ratio)
    scale = scale_of(theta)
    integer = np.where(live[:, None], _round(rows, scale, limit), 0)
    theta = np.where(live, theta, 1).astype(np.int64)
    reach = int(2**exponent * np.abs(integer).sum(1).max(initial=0) * bound_in)
    real = np.clip(bias * theta / s_out, -(2.0**52), 2.0**52)
    # Clamping changes no code: outside, the neuron is silent or saturated whatever arrives.
    b = np.clip(np.rint(real).astype(np.int64) + theta // 2, -reach - 1, theta * 2**steps_out + reach)
    constant = np.clip(np.floor(np.clip(bias / s_out, -1, top + 1) + 0.5), 0, top).astype(np.int64)
    b = np.where(live, b, constant)
    return QuantSynapse(integer.reshape(weight.shape).astype(np.int8), theta, b, exponent, scale, ratio)


def quantise_readout(
    weight: np.ndarray,
    bias: np.ndarray,
    *,
    s_in: float,
    bound_in: int,
    bits: int,
    ratio: np.ndarray | None = None,
    name: str = "layer",
    exponent: int | None = None,
) -> QuantSynapse:
    """Integers of the last layer: one weight scale for all outputs, so that integer logits compare directly.

    Arguments as in quantise_synapse; one logit unit is s_in * scale / 2^e. If it is not given, e is the smallest that
    rounds no bias by more than 1/32 weight unit. Raises VolleyError if a logit cannot fit 32 bits.
    """
    limit, rows = 2 ** (bits - 1) - 1, _rows(weight)
    peak = float(np.abs(rows).max(initial=0))
    top_bias = float(np.abs(bias).max(initial=0))
    unit = peak / limit if peak > 0 else max(top_bias, 1.0) / (256 * s_in)
    if ratio is None:
        merged = rows.reshape(1, -1)
        ratio = _best_ratio(merged, lambda r: np.full(1, unit * r), limit) if peak > 0 else np.ones(1)
    scale = unit * float(ratio[0])
    integer = _round(rows, np.full(len(rows), scale), limit)
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
    return QuantSynapse(
        integer.reshape(weight.shape).astype(np.int8), None, b, exponent, np.full(len(rows), scale), ratio
    )


def _best_ratio(rows: np.ndarray, scale_of: Callable[[float], np.ndarray], limit: int) -> np.ndarray:
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
