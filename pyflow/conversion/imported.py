# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Models whose integers training has chosen become a Network of those integers, without any rounding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
from torch import nn

from pyflow.conversion.images import check_images
from pyflow.conversion.onnx_file import LEVELS, SAMPLES, imported, is_onnx_model
from pyflow.conversion.trained import Quantised, check_codes
from pyflow.errors import VolleyError
from pyflow.frames import as_array
from pyflow.frontends.trained import brevitas
from pyflow.frontends.trained.brevitas import is_brevitas
from pyflow.graph import Network
from pyflow.shapes import as_maps, check_shape

if TYPE_CHECKING:
    from pyflow.frontends.onnx import OnnxModel

TIES = ("even", "up")
RATE_FRAMES = 256  # of calibration on which the words that are not zero are counted


def has_integers(model: object) -> TypeGuard[OnnxModel | nn.Module]:
    """Is it an ONNX file with quantisers, or a module with layers of Brevitas?"""
    return is_brevitas(model) or (is_onnx_model(model) and bool(model.trained))


def refuse_options(**given: Any) -> None:
    """Raises VolleyError where an option of another kind of conversion is given, that is, neither None nor False."""
    if odd := next((key for key, value in given.items() if value), None):
        raise VolleyError(f"{odd}: does not go with a model whose integers were trained; leave it out")


def convert_trained(
    model: OnnxModel | nn.Module,
    calibration: np.ndarray,
    *,
    name: str | None = None,
    input_shape: tuple[int, ...] | None = None,
    ties: str = "even",
) -> Network:
    """The Network of a model's trained integers: weights as they are, thresholds for which every code is the model's.

    calibration: images as convert() takes them; up to 64 are run through the model and through the network, and every
    code is compared. ties: see convert(). Raises VolleyError naming what has no exact form.
    """
    if ties not in TIES:
        raise VolleyError(f"ties: {ties!r} is neither {TIES[0]!r} nor {TIES[1]!r}")
    if name is not None and not isinstance(name, str):
        raise VolleyError(f"name: {name!r} is not a string")
    images = as_array(calibration, "calibration")
    given = getattr(model, "input_shape", images.shape[1:]) if input_shape is None else input_shape
    shape = check_shape(given, "model: input_shape")
    images = check_images(images, shape, "calibration").reshape(len(images), *shape)
    if isinstance(model, nn.Module):
        network = _of_brevitas(model, images, name or type(model).__name__.lower(), ties)
    else:
        network = imported(model, images, name=name, ties=ties)
    return network.with_rates(as_maps(images[:RATE_FRAMES]))


def _of_brevitas(model: nn.Module, images: np.ndarray, name: str, ties: str) -> Network:
    pixels = np.floor(images[:SAMPLES].astype(np.float64) * LEVELS + 0.5).astype(np.uint8)
    found = brevitas.imported(model, pixels.astype(np.float32) / np.float32(LEVELS), name, ties)
    quantisers = [Quantised(s.codes, s.made, s.read, s.scale, s.rounding == "floor") for s in found.sites]
    answer = None if found.rounded else found.answer
    return check_codes(found.network, as_maps(pixels), quantisers, answer, moved=ties == "up")
