# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What the layers of a float network read: edges with a delay, and the shapes that follow from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pyflow.edges import checked_delay
from pyflow.errors import VolleyError
from pyflow.graph import INPUT

Shape = tuple[int, int, int]  # (C, H, W)


@dataclass(frozen=True, slots=True)
class Edge:
    """What a layer reads. source: the name of a layer, or INPUT. delay: d >= 0, it reads the value of d time steps
    before, and zeros in the first d. shape: (C, H, W) of `source` where that stands behind the layer, as in a loop."""

    source: str
    delay: int = 0
    shape: Shape | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "delay", checked_delay(f"edge from {self.source!r}", self.delay))


class Layer(Protocol):
    """What of a layer decides what it may read: `pyflow.model.graph.FloatLayer`."""

    @property
    def name(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def inputs(self) -> tuple[Edge, ...]: ...
    @property
    def operands(self) -> int: ...
    def fail(self, message: str) -> VolleyError: ...
    def infer(self, *shapes: Shape) -> Shape: ...


def inferred(input_shape: Shape, layers: Sequence[Layer]) -> dict[str, Shape]:
    """(C, H, W) of INPUT and of every layer's output. Raises VolleyError where a layer reads what no layer makes, what
    stands behind it in the same time step, or what does not fit."""
    shapes, names = {INPUT: input_shape}, {layer.name for layer in layers}
    for layer in layers:
        if len(layer.inputs) != layer.operands and (layer.operands or len(layer.inputs) < 2):
            raise layer.fail(f"reads {len(layer.inputs)} inputs, needs {layer.operands or 'two or more'}")
        if twice := next((edge for edge in layer.inputs if _ways(layer).count((edge.source, edge.delay)) > 1), None):
            label = next((other.label for other in layers if other.name == twice.source), "the input")
            raise layer.fail(f"reads {label!r} twice; scale or widen the weights of what reads it instead")
        given = []
        for edge in layer.inputs:
            late = edge.shape if edge.delay and edge.source in names else None
            if (shape := shapes.get(edge.source, late)) is None:
                raise layer.fail(f"reads {edge.source!r}, which no earlier layer makes")
            given.append(shape)
        if layer.name in shapes:
            raise layer.fail(f"is called {layer.name!r}, as another layer is")
        shapes[layer.name] = layer.infer(*given)
    for layer in layers:
        for edge in layer.inputs:
            if edge.shape not in (None, shapes[edge.source]):
                raise layer.fail(f"reads {edge.source!r} as {edge.shape}, which is {shapes[edge.source]}")
    return shapes


def _ways(layer: Layer) -> list[tuple[str, int]]:
    return [(edge.source, edge.delay) for edge in layer.inputs]
