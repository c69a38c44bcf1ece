# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Are the integers of an imported network those of the model it came from? Every code of every quantiser, on
calibration images."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from pyflow.errors import VolleyError
from pyflow.graph import Network

log = logging.getLogger(__name__)
NEAR = 1e-3  # of a code, from a boundary: where the model's float arithmetic decides
RARE = 1e-3  # share of the codes that may be there


@dataclass(frozen=True, slots=True, eq=False)
class Quantised:
    """A quantiser of the model. codes: the operator of the network that gives the same; made: float [N, ...], what it
    gave; read: what it read, in the same order of elements; scale: of a code. floor: does it round down?"""

    codes: str
    made: np.ndarray
    read: np.ndarray
    scale: float
    floor: bool = False


def check_codes(
    network: Network, images: np.ndarray, quantisers: list[Quantised], answer: np.ndarray | None, *, moved: bool = False
) -> Network:
    """`network` with what was compared in its meta. images: [N, C, H, W], of 8 bits. answer: float [N, classes], the
    model's logits; None where the model rounds them. moved: do ties go up here, and to the even code in the model?

    Raises VolleyError where a code differs. One that lies within 1e-3 of a boundary between two codes, where float
    rounding of the model decides, may: the image is then left out of what follows, and counted.
    """
    names = list(dict.fromkeys(q.codes for q in quantisers))
    logits, found = network.run(images, trace=names) if names else (network.run(images), {})
    fine = np.ones(len(images), bool)
    compared = near = 0
    for q in quantisers:
        ours, theirs = found[q.codes].reshape(len(images), -1), _codes(q, len(images))
        differ = (ours != theirs) & fine[:, None]
        compared += int(fine.sum()) * ours.shape[1]
        if differ.any():
            far = differ & ~_at_boundary(q, ours.shape)
            if far.any():
                image, place = np.argwhere(far)[0]
                raise VolleyError(
                    f"layer {q.codes!r}: code {ours[image, place]} of image {image} is {theirs[image, place]} in the "
                    f"model, and {int(far.sum())} differ in all; a mistake of ours: please report it, with the model"
                )
            near += int(differ.sum())
            fine &= ~differ.any(1)
    if near > RARE * max(1, compared) and not moved:
        raise VolleyError(
            f"model {network.name!r}: {near} of {compared:,} codes lie so near to a boundary that float rounding "
            "decides; use scales that are not alike in all layers"
        )
    if answer is not None and fine.any():
        _check_logits(network, logits[fine], answer.reshape(len(images), -1)[fine])
    log.info("%s: %d codes are the model's, %d lie at a boundary", network.name, compared, near)
    return network.with_meta(trained={"codes": compared, "at_boundary": near})


def _codes(q: Quantised, frames: int) -> np.ndarray:
    return np.asarray(np.rint(q.made.astype(np.float64) / q.scale), np.int64).reshape(frames, -1)


def _at_boundary(q: Quantised, shape: tuple[int, ...]) -> np.ndarray:
    """Where what the quantiser read lies between two codes: bool of `shape`."""
    if q.read.size != np.prod(shape):
        return np.zeros(shape, bool)
    place = q.read.astype(np.float64).reshape(shape) / q.scale + (0.0 if q.floor else 0.5)
    return np.asarray(np.abs(place - np.rint(place)) < NEAR)


def _check_logits(network: Network, ours: np.ndarray, theirs: np.ndarray) -> None:
    off = np.abs(ours * network.logit_scale - theirs).max(initial=0)
    allowed = network.logit_scale + 1e-4 * np.abs(theirs).max(initial=0)
    if off > allowed:
        raise VolleyError(
            f"model {network.name!r}: logits differ by {off:.3g} from the model's, at most {allowed:.3g} is rounding; "
            "a mistake of ours: please report it, with the model"
        )
