# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Images that a conversion looks at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pyflow.errors import VolleyError
from pyflow.frames import real
from pyflow.shapes import map_shape


def check_images(images: np.ndarray, shape: Sequence[int], what: str) -> np.ndarray:
    """Float32 images [N, C, H, W], or sequences [N, C, L], in [0, 1] from any of the model's input shape that
    pyflow.frames.pictures() takes. Raises VolleyError otherwise."""
    if images.ndim not in (2, 3, 4) or map_shape(images.shape[1:]) != map_shape(shape):
        raise VolleyError(
            f"{what}: shape {images.shape} does not fit the model, which takes [N, {', '.join(map(str, shape))}]"
        )
    if not len(images):
        raise VolleyError(f"{what}: is empty; give a few hundred typical images")
    return real(images, what)
