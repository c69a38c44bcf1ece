# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""ONNX files on their way to a Network: opened where the onnx package is, and held against what the file itself
answers."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

import numpy as np
import torch

from pyflow.conversion import guard
from pyflow.conversion.probes import samples
from pyflow.conversion.torch_blocks import batches, float_values
from pyflow.conversion.trained import Quantised, check_codes
from pyflow.errors import VolleyError
from pyflow.frames import decided
from pyflow.graph import Network
from pyflow.model.graph import FloatNetwork
from pyflow.packages import missing
from pyflow.shapes import as_maps

if TYPE_CHECKING:
    from pyflow.frontends.onnx import OnnxModel

SUFFIX = ".onnx"
BATCH = 500
SAMPLES = 64  # images whose every code is compared
OURS = "a mistake of ours: please report it, with the file"
LEVELS = 255


def is_onnx(net: object) -> bool:
    """Is it the path of an ONNX file?"""
    return isinstance(net, str | os.PathLike) and Path(net).suffix.lower() == SUFFIX


def is_onnx_model(model: object) -> TypeGuard[OnnxModel]:
    front_end = sys.modules.get("pyflow.frontends.onnx")  # there is none of its models where it was not needed yet
    return front_end is not None and isinstance(model, front_end.OnnxModel)


def opened(path: str | os.PathLike[str]) -> OnnxModel:
    """The model of a file. Raises VolleyError where it is none, or onnx is not installed."""
    if not is_onnx(path):
        raise VolleyError(f"{path}: is no {SUFFIX} file; give one, or a torch.nn.Module")
    try:
        from pyflow.frontends.onnx import open_onnx
    except ModuleNotFoundError as e:
        if (line := missing(e)) is None:
            raise
        raise VolleyError(f"{path}: {line}") from None
    return open_onnx(Path(path))


def captured(model: OnnxModel, images: np.ndarray, *, name: str | None = None) -> FloatNetwork:
    """The float network of a file, which gives the file's own answers on up to 64 of `images`: float32 [N, ...] in
    [0, 1]. Raises VolleyError where it does not, naming the first layer that differs."""
    shape = images.shape[1:]
    network = model.trace(shape, name=name)
    images = samples(images)
    seen, answer = model.answers(network, images)
    tensors = {label: torch.from_numpy(np.array(values)) for label, values in seen.items()}
    last, limit = guard.compared(network, images[: len(answer)], tensors, OURS)
    guard.check_answer(network, torch.from_numpy(np.array(answer)), last, limit, f"is not that of its file; {OURS}")
    return network


def imported(model: OnnxModel, images: np.ndarray, *, name: str | None = None, ties: str = "even") -> Network:
    """The network of a file of trained integers, whose codes are the file's own on up to 64 of `images`: float32
    [N, ...] in [0, 1]. Raises VolleyError naming the node that has no exact form, or the first code that differs."""
    shape = images.shape[1:]
    found = model.integers(shape, name=name, ties=ties)
    pixels = np.floor(images[:SAMPLES].astype(np.float64) * LEVELS + 0.5).astype(np.uint8)
    real = pixels.astype(np.float32) / np.float32(LEVELS)
    tensors = {model.graph.input: real, **model.tensors(real)}
    answer = tensors[model.graph.output]
    quantisers = [
        Quantised(site.codes, tensors[site.makes], tensors[site.reads], site.scale, site.rounding == "floor")
        for site in found.sites
    ]
    frames = as_maps(pixels[: len(answer)])
    return check_codes(found.network, frames, quantisers, None if found.rounded else answer, moved=ties == "up")


def float_accuracy(network: FloatNetwork, x: np.ndarray, y: np.ndarray) -> float:
    """Share of images [N, ...] whose largest output of a float network is the label."""
    right, done, last = 0, 0, network.layers[-1].name
    for batch in batches(x, BATCH, "accuracy"):
        scores = float_values(network, batch.numpy(), torch.float32)[last].flatten(1)
        right += int((decided(scores.numpy(), network.cut) == y[done : done + len(batch)]).sum())
        done += len(batch)
    return right / len(x)
