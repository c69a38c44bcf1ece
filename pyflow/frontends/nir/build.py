# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""From a NIR graph to a float network in time steps."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np

from pyflow.errors import VolleyError
from pyflow.frontends.nir import synapses
from pyflow.frontends.nir.graph import FIRING, MEMBRANES, Graph, Node
from pyflow.frontends.nir.neurons import INTEGRATIONS, firing
from pyflow.frontends.nir.order import Order, Way, ordered
from pyflow.frontends.nir.synapses import Stream
from pyflow.graph import INPUT, MAX_NUMBERS
from pyflow.model.graph import (
    Affine,
    AvgPool,
    Edge,
    Flatten,
    FloatAdd,
    FloatConv,
    FloatLayer,
    FloatLinear,
    FloatNetwork,
)
from pyflow.model.spiking import READOUTS, SPIKES, FloatNeuron, SpikingModel
from pyflow.operators.encode import MAX_STEPS
from pyflow.shapes import check_shape

NEURONS = (*FIRING, *MEMBRANES, "Threshold")
RESERVED = {INPUT, "encode", "total", "logits"}


def model_of(
    graph: Graph,
    *,
    dt: float | None,
    steps: int | None,
    readout: str | None,
    timed: bool = True,
    integration: str = "euler",
    name: str = "network",
) -> SpikingModel:
    """The float network of a NIR graph. dt: seconds of a time step. steps: T. readout: of the node in front of the
    Output, "spikes-sum" (what it gives, added over time), or "membrane-last", "-sum" or "-max". timed: is the input
    spikes over time, or an image that stays? integration: of leaks, "euler" or "exact". Raises VolleyError naming the
    node, and what would work."""
    dt, steps, readout = (graph.stated(k, v) for k, v in (("dt", dt), ("steps", steps), ("readout", readout)))
    for option, value, what in (
        ("dt", dt, "the seconds of a time step"),
        ("steps", steps, "the number of time steps"),
        ("readout", readout, f"what is read out: {', '.join(READOUTS)}"),
    ):
        if value is None:
            raise VolleyError(f"NIR graph: give {option} ({option.upper()}=), {what}; the graph does not say it")
    if isinstance(dt, bool) or not isinstance(dt, int | float) or not (math.isfinite(dt) and dt > 0):
        raise VolleyError(f"dt {dt!r} must be a number of seconds above 0")
    if isinstance(steps, bool) or not isinstance(steps, int | np.integer) or not 1 <= steps <= MAX_STEPS:
        raise VolleyError(f"steps {steps!r} must be an integer from 1 to {MAX_STEPS:,}")
    if readout not in READOUTS:
        raise VolleyError(f"readout {readout!r} is unknown; use {', '.join(READOUTS)}")
    if integration not in INTEGRATIONS:
        raise VolleyError(f"integration {integration!r} is unknown; use {' or '.join(INTEGRATIONS)}")
    return _Build(graph, ordered(graph, dt), float(dt), integration, name).model(int(steps), timed, readout)


def taken(graph: Graph) -> Stream:
    """What the Input gives."""
    start = graph.only("Input")
    shape = check_shape(start.integers("shape"), f"NIR node {start.path!r} (Input): shape")
    if math.prod(shape) > MAX_NUMBERS:
        raise start.fail(f"takes {math.prod(shape):,} values, at most {MAX_NUMBERS:,}")
    c, h, w = (shape[0], *([1] * (3 - len(shape))), *shape[1:])
    return Stream((c, h, w), len(shape) - 1)


class _Build:
    def __init__(self, graph: Graph, order: Order, dt: float, integration: str, name: str) -> None:
        self.graph, self.order, self.dt, self.integration, self.name = graph, order, dt, integration, name
        self.layers: dict[str, FloatLayer] = {}
        self.made: dict[str, str] = {}  # by the path of a node, the name of the layer that gives its values
        self.streams = self._shapes()
        self.names = self._names()

    def model(self, steps: int, timed: bool, readout: str) -> SpikingModel:
        *nodes, end = self.order.nodes
        self._check_readout(end, readout)
        for path in nodes:
            self._add(self.graph.nodes[path])
        (last,) = self._outputs(end)
        shapes = self.streams[self.order.nodes[0]]
        layers = [x for x in self.layers.values() if x.name != last] + [self.layers[last]]
        scale = self.graph.stated("scale", None)
        network = FloatNetwork(self.name, shapes.shape, tuple(layers))
        return SpikingModel(network, steps, timed, 1.0 if scale is None else float(scale), readout=readout)

    def _check_readout(self, end: str, readout: str) -> None:
        """Raises VolleyError for a membrane that spikes are asked of, or that a node reads, and the other way round."""
        for node in self.graph.nodes.values():
            behind = [way.behind for way in self.order.out_of(node.path)]
            if node.kind in MEMBRANES and behind != [end]:
                raise node.fail(f"is a membrane without spikes, which {behind[0]!r} reads; only the Output can")
            if node.kind in MEMBRANES and readout == SPIKES:
                raise node.fail(f"is a membrane without spikes; give readout {', '.join(READOUTS[1:])}")
            if end in behind and readout != SPIKES and node.kind not in (*FIRING, *MEMBRANES):
                raise node.fail(f"has no membrane, which readout {readout} reads; use {SPIKES}")

    def _outputs(self, end: str) -> list[str]:
        ways, node = self.order.into(end), self.graph.nodes[end]
        if len(ways) != 1 or ways[0].delay:
            raise node.fail(f"reads {len(ways)} nodes, or one with a delay; needs one without")
        before = ways[0].before
        if (name := self.made[before]) == INPUT:
            raise node.fail("reads the Input; the graph is empty")
        count, stated = math.prod(self.streams[before].shape), int(np.prod(node.integers("shape"), dtype=object))
        if count != stated:
            raise node.fail(f"has the shape of {stated:,} values, {before!r} gives {count:,}")
        return [name]

    # ------------------------------------------------------------------ shapes and names
    def _shapes(self) -> dict[str, Stream]:
        """Of what every node gives; loops are gone through until nothing is left to find."""
        nodes = self.graph.nodes
        found = {self.order.nodes[0]: taken(self.graph)}
        left = list(self.order.nodes[1:-1])
        while left:
            known = [path for path in left if any(way.before in found for way in self.order.into(path))]
            for path in known:
                source = next(found[way.before] for way in self.order.into(path) if way.before in found)
                found[path] = synapses.behind(nodes[path], source)
                if math.prod(found[path].shape) > MAX_NUMBERS:
                    raise nodes[path].fail(f"gives {math.prod(found[path].shape):,} values, at most {MAX_NUMBERS:,}")
            left = [path for path in left if path not in found]
        return found

    def _names(self) -> dict[str, str]:
        found: dict[str, str] = {}
        used = set(RESERVED)
        for path in self.order.nodes[1:-1]:
            stem = re.sub(r"[^a-z0-9_]+", "_", path.lower()).strip("_")[:60]
            kind = self.graph.nodes[path].kind.lower()
            base = name = stem if stem[:1].isalpha() else f"{kind}_{stem}".strip("_")
            n = 1
            while name in used:
                n += 1
                name = f"{base}_{n}"
            used.add(name)
            found[path] = name
        return found

    # ------------------------------------------------------------------ layers
    def _add(self, node: Node) -> None:
        if node.kind == "Input":
            self.made[node.path] = INPUT
            return
        name, stream = self.names[node.path], self.streams[node.path]
        edges = [self._edge(way) for way in self.order.into(node.path)]
        if node.kind in synapses.KINDS:
            self._synapses(node, name, edges)
        elif node.kind in NEURONS:
            self._neuron(node, name, stream, edges)
        elif node.kind == "Flatten":
            self._put(node, Flatten(name, node.path, inputs=self._one(node, edges)))
        elif node.kind == "Scale":
            scale = synapses.scale(node, stream.shape)
            affine = Affine(name, node.path, scale, np.zeros(scale.size), "Scale", inputs=self._one(node, edges))
            self._put(node, affine)
        else:
            self._pool(node, name, stream, self._one(node, edges))

    def _put(self, node: Node, layer: FloatLayer) -> None:
        self.layers[layer.name] = layer
        self.made[node.path] = layer.name

    def _edge(self, way: Way) -> Edge:
        """What is read over `way`; its source may come later, where it has a delay."""
        node, shape = self.graph.nodes[way.before], self.streams[way.before].shape
        if node.kind == "Input":
            name = INPUT
        else:
            name = self.names[way.before] + ("_sum" if node.kind == "SumPool2d" else "")
        return Edge(name, way.delay, shape if way.delay else None)

    def _one(self, node: Node, edges: list[Edge]) -> tuple[Edge]:
        if len(edges) > 1:
            raise node.fail(f"reads {len(edges)} nodes; put a Linear or Conv behind each of them")
        return (edges[0],)

    def _synapses(self, node: Node, name: str, edges: list[Edge]) -> None:
        """A layer for every node that is read, of the same weights; they are added."""
        layer = synapses.layer(node, name)
        parts = [replace(layer, inputs=(edges[0],))]
        for n, edge in enumerate(edges[1:], 2):
            parts.append(replace(layer, name=f"{name}_{n}", bias=np.zeros_like(layer.bias), inputs=(edge,)))
        if len(parts) > 1:
            parts[0] = replace(parts[0], name=f"{name}_1")
        for part in parts:
            self._put(node, part)
        if len(parts) > 1:
            self._put(node, FloatAdd(name, node.path, inputs=tuple(Edge(part.name) for part in parts)))

    def _neuron(self, node: Node, name: str, stream: Stream, edges: list[Edge]) -> None:
        found = firing(node, stream.shape, self.dt, self.integration)
        if found.scale.size or found.bias.size:
            scale = found.scale if found.scale.size else np.ones(stream.shape[0])
            bias = found.bias if found.bias.size else np.zeros(stream.shape[0])
            edges = self._scaled(node, name, edges, scale, bias)
        if len(edges) > 1:
            total = FloatAdd(f"{name}_sum", f"{node.path} (its inputs)", inputs=tuple(edges))
            self.layers[total.name] = total
            edges = [Edge(total.name)]
        self._put(node, FloatNeuron(name, node.path, found.neuron, node.kind, inputs=(edges[0],)))

    def _scaled(self, node: Node, name: str, edges: list[Edge], scale: np.ndarray, bias: np.ndarray) -> list[Edge]:
        """What a neuron reads, scale*x + bias per channel: in the weights in front of it, or in weights of its own."""
        found = []
        for n, edge in enumerate(edges):
            front, share = self.layers.get(edge.source), bias if n == 0 else np.zeros_like(bias)
            alone = sum(edge.source == e.source for x in self.layers.values() for e in x.inputs) == 0
            if isinstance(front, FloatConv | FloatLinear) and alone and self._readers(front.name) == 1:
                weight = front.weight * scale.reshape(-1, *[1] * (front.weight.ndim - 1))
                self.layers[front.name] = replace(front, weight=weight, bias=front.bias * scale + share)
                found.append(edge)
                continue
            own = FloatConv(
                f"{name}_gain{n + 1}", f"{node.path} (its gain)", scale.reshape(-1, 1, 1, 1).copy(), share,
                depthwise=True, inputs=(edge,),
            )  # fmt: skip
            self.layers[own.name] = own
            found.append(Edge(own.name))
        return found

    def _readers(self, layer: str) -> int:
        """Nodes that read what `layer` gives."""
        return sum(len(self.order.out_of(path)) for path, made in self.made.items() if made == layer)

    def _pool(self, node: Node, name: str, stream: Stream, inputs: tuple[Edge]) -> None:
        kernel, stride, padding = synapses.window(node)
        pool = AvgPool(name, node.path, kernel, stride, padding, inputs=inputs)
        self._put(node, pool)
        if node.kind == "SumPool2d":
            count = np.full(stream.shape[0], float(math.prod(kernel)))
            label = f"{node.path} (its sum)"
            self._put(node, Affine(f"{name}_sum", label, count, 0 * count, "SumPool2d", inputs=(Edge(name),)))
