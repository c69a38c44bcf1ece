# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""An ONNX file as a model: what it computes in float, and what it answers itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pyflow.errors import VolleyError
from pyflow.frontends.builder import Activations, Builder
from pyflow.frontends.onnx import answers, trained
from pyflow.frontends.onnx.file import Graph, read
from pyflow.frontends.onnx.operators import OPERATORS, refuse
from pyflow.frontends.onnx.quantisers import Importer, Site, is_trained
from pyflow.frontends.onnx.walk import walk
from pyflow.graph import MAX_NUMBERS, Network
from pyflow.model.graph import FloatNetwork
from pyflow.model.order import spiking_form
from pyflow.shapes import check_shape


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """network: with the file's integers. sites: its quantisers. rounded: does anything follow the logits?"""

    network: Network
    sites: tuple[Site, ...]
    rounded: bool


class OnnxModel:
    """input_shape: (C, H, W), (C, L) or (F,) of one sample; only where the file states it. trained: does it hold
    quantisers, whose integers are imported as they are?"""

    input_shape: tuple[int, ...]

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.name = Path(graph.path).stem
        sizes = graph.size[1:]
        known = tuple(size for size in sizes if size is not None)
        if len(known) == len(sizes):
            self.input_shape = known
        self.sequences = len(sizes) == 2
        self.trained = is_trained(graph)
        self._made: dict[str, str] = {}

    def shape(self, sample: tuple[int, ...]) -> tuple[int, ...]:
        """That of the input, where the data have `sample`. Raises VolleyError where they do not fit."""
        given = check_shape(sample, f"{self.graph.path}: input shape")
        sizes = self.graph.size[1:]
        if len(given) != len(sizes) or any(s not in (None, g) for s, g in zip(sizes, given, strict=True)):
            want = ", ".join("?" if s is None else str(s) for s in sizes)
            raise VolleyError(f"{self.graph.path}: takes [N, {want}], the data are {list(given)}")
        return given

    def trace(self, sample: tuple[int, ...], *, name: str | None = None) -> FloatNetwork:
        """The float network of the file. sample: the shape of one image, sequence or vector. Raises VolleyError naming
        the node that has no spiking form."""
        builder = Builder(name or self.name, self.shape(sample))
        stream, self._made = walk(self.graph, builder.stream, Activations, _size, OPERATORS, builder, refuse)
        builder.read(stream, "the output")
        network = builder.finish()
        _check_numbers(network)
        spiking_form(network)
        return network

    def answers(self, network: FloatNetwork, images: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """(by label of a node, the output [N, ...] of the file itself, for nodes that are layers of `network`; its
        answer)."""
        found = answers.values(self.graph, images)
        labels = {layer.label for layer in network.layers if layer.module}
        seen = {label: found[tensor] for label, tensor in self._made.items() if label in labels and tensor in found}
        return seen, found[self.graph.output]

    def integers(self, sample: tuple[int, ...], *, name: str | None = None, ties: str = "even") -> Trained:
        """The network of a file of trained integers. Raises VolleyError naming the node that has no exact form."""
        importer = Importer(self.graph, name or self.name, self.shape(sample), ties)
        network = trained.network(importer)
        return Trained(network, tuple(importer.sites), importer.rounded)

    def tensors(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Every tensor that the file itself makes of images [N, ...], by name."""
        return answers.values(self.graph, images)


def _size(stream: Activations) -> tuple[int, ...]:
    return stream.size


def _check_numbers(network: FloatNetwork) -> None:
    """Refuses maps that no memory holds, before any are made."""
    for name, shape in network.shapes.items():
        if (size := math.prod(shape)) > MAX_NUMBERS:
            raise VolleyError(
                f"layer {network.label(name)!r}: gives {size:,} numbers an image; at most {MAX_NUMBERS:,}"
            )


def open_onnx(path: str | Path) -> OnnxModel:
    """The model of an ONNX file. Raises VolleyError where it cannot be read, see file.read()."""
    return OnnxModel(read(path))
