# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What the attributes and further inputs of ONNX operators say, whatever their first input is made of: padding, limits,
factors; in the form of every opset."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyflow.frontends.onnx.file import Node
from pyflow.frontends.onnx.walk import Given


def sides(
    node: Node, taps: Any, stride: list[int], dilation: list[int], size: tuple[int, ...]
) -> tuple[list[int], list[int]]:
    """(before, after) of each map axis, from `pads` or `auto_pad`."""
    axes = len(taps)
    mode, pads = node.text("auto_pad", "NOTSET"), node.numbers("pads") or [0] * (2 * axes)
    if mode == "NOTSET":
        if len(pads) != 2 * axes:
            raise node.fail(f"attribute pads {pads} is not (before, after) of {axes} map axes")
        return pads[:axes], pads[axes:]
    if mode == "VALID":
        return [0] * axes, [0] * axes
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        raise node.fail(f"attribute auto_pad {mode!r} is not known; use explicit pads")
    need = [
        max(0, (-(-n // s) - 1) * s + (k - 1) * d + 1 - n)
        for n, k, s, d in zip(size, taps, stride, dilation, strict=True)
    ]
    less, more = [n // 2 for n in need], [n - n // 2 for n in need]
    return (less, more) if mode == "SAME_UPPER" else (more, less)


def limits(given: Given[Any]) -> tuple[float | None, float | None]:
    """Of a Clip: attributes of older opsets, inputs of newer ones."""
    found: list[float | None] = []
    for place, name in ((1, "min"), (2, "max")):
        if given.has(place):
            array = given.constant(place, name)
            if array.size != 1:
                raise given.node.fail(f"{name} has {array.size} numbers; needs one")
            found.append(float(array.ravel()[0]))
        else:
            found.append(given.node.attributes.get(name))
    return found[0], found[1]


def flattens(given: Given[Any], size: tuple[int, ...]) -> bool:
    """Does a Reshape of [N, *size] give vectors (or is it to the same size)? All else is refused."""
    wanted = given.sizes(1, "the shape")
    features = int(np.prod(size))
    same_batch = wanted[:1] in ([0], [given.batch], [-1])
    if len(wanted) == 2 and same_batch and wanted[1] in ((features,) if wanted[0] == -1 else (features, -1)):
        return True
    plain = [size[n - 1] if n and w == 0 else w for n, w in enumerate(wanted)]
    if same_batch and len(plain) == 1 + len(size):
        free = plain.count(-1) <= 1
        if free and all(w in (s, -1) for w, s in zip(plain[1:], size, strict=True)):
            return False
    raise given.node.fail(f"to {wanted} is no Flatten of {size}, which is supported; use flatten(1) in the model")


def normalisation(given: Given[Any]) -> tuple[np.ndarray, np.ndarray]:
    """(scale, shift) of a BatchNormalization: float64 [C]."""
    if given.node.number("training_mode", 0):
        raise given.node.fail("attribute training_mode is 1; export the model in eval()")
    gamma, beta, mean, var = (
        given.constant(n + 1, what).astype(np.float64) for n, what in enumerate(("scale", "B", "mean", "var"))
    )
    inverse = 1 / np.sqrt(var + given.node.number("epsilon", 1e-5))
    scale = inverse * gamma
    return scale, beta - mean * scale


def pad_value(given: Given[Any]) -> float:
    if given.has(2):
        return float(given.constant(2, "the value").ravel()[0])
    return float(given.node.number("value", 0.0))


def map_pads(given: Given[Any], axes: int) -> list[int]:
    """(before, after) of each map axis, the last first, as F.pad takes them."""
    rank, node = axes + 2, given.node
    pads = given.option("pads", 1) or node.numbers("paddings") or []
    named = [a % rank for a in given.sizes(3, "axes")] if given.has(3) else list(range(rank))
    if not axes or len(pads) != 2 * len(named):
        raise node.fail(f"pads {pads} is not (before, after) of {len(named)} axes of a map")
    found = {axis: (pads[n], pads[n + len(named)]) for n, axis in enumerate(named)}
    if any(any(found.get(axis, (0, 0))) for axis in (0, 1)):
        raise node.fail(f"pads {pads} reach the batch or the channels; needs those of the map alone")
    return [v for axis in reversed(range(2, rank)) for v in found.get(axis, (0, 0))]


def whole_factors(given: Given[Any], size: tuple[int, ...]) -> list[int]:
    """By how much a Resize or Upsample repeats along each map axis. Refuses all but the repetition of pixels."""
    node, rank = given.node, 1 + len(size)
    if (mode := node.text("mode", "nearest")) != "nearest":
        raise node.fail(f"attribute mode {mode!r} mixes neighbours, which is not supported; use 'nearest'")
    old = node.op == "Upsample" or given.opset < 11
    if node.op == "Upsample" and given.opset < 9:
        scales = np.array(node.attributes.get("scales", []), np.float64)
    else:
        place = 1 if old else 2
        scales = np.ravel(given.constant(place, "scales")) if given.has(place) else np.zeros(0)
    axes = node.numbers("axes") or list(range(rank))
    if not scales.size and given.has(3):
        own = (0, *size)
        wanted = given.sizes(3, "sizes")
        scales = np.array([w / own[a] if a % rank else 1 for w, a in zip(wanted, axes, strict=True)])
    found = dict(zip((a % rank for a in axes), scales.tolist(), strict=True))
    factors = [found.get(axis, 1.0) for axis in range(rank)]
    if factors[:2] != [1, 1] or any(f != int(f) or f < 1 for f in factors):
        raise node.fail(f"scales {factors} are not supported; needs whole factors of the map")
    mode, rounding = ("asymmetric", "floor") if old else (
        node.text("coordinate_transformation_mode", "half_pixel"),
        node.text("nearest_mode", "round_prefer_floor"),
    )  # fmt: skip
    for side, factor in zip(size[1:], factors[2:], strict=True):
        if not _repeats(side, int(factor), mode, rounding):
            raise node.fail(
                f"coordinate_transformation_mode {mode!r} with nearest_mode {rounding!r} shifts the map; use "
                "'asymmetric' with 'floor'"
            )
    return [int(f) for f in factors[2:]]


def _repeats(side: int, factor: int, mode: str, rounding: str) -> bool:
    """Does every pixel come `factor` times?"""
    place = np.arange(min(side * factor, 1 << 16), dtype=np.float64)
    if mode == "asymmetric":
        at = place / factor
    elif mode in ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric"):
        at = (place + 0.5) / factor - 0.5
    else:
        return factor == 1
    roundings = {
        "floor": np.floor(at),
        "ceil": np.ceil(at),
        "round_prefer_floor": np.ceil(at - 0.5),
        "round_prefer_ceil": np.floor(at + 0.5),
    }
    if rounding not in roundings:
        return False
    return bool((np.clip(roundings[rounding], 0, side - 1) == place // factor).all())
