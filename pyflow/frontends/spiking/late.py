# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What a step reads of the step before: edges with a delay, whose sources come later in the loop."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from pyflow.errors import VolleyError
from pyflow.frontends.builder import Activations, Builder
from pyflow.frontends.spiking import neurons
from pyflow.frontends.spiking.recording import Constant, leaves
from pyflow.frontends.spiking.rolling import Body, Key, Ref, Site
from pyflow.model.graph import Edge, Flatten, FloatLinear, Shape

KEEPS = (
    "__setitem__",
    "add",
    "add_",
    "__add__",
    "__iadd__",
    "__radd__",
)  # of themselves: sums over time, and their steps


class Late:
    """Stands for activations of the step before until all layers are there."""

    def __init__(self, body: Body, builder: Builder) -> None:
        self.body, self.builder = body, builder
        self.waiting: dict[str, Ref | Activations | None] = {}  # by the name that stands for it: what it is

    def of(self, ref: Ref) -> Activations:
        """The result of a site in the step before."""
        call = self.body.sites[ref.key].call
        assert isinstance(ref.number, int)
        size = call.shapes[ref.number][1:]
        shape: Shape = (*size, 1, 1)[:3] if len(size) == 1 else (size[0], 1, size[1]) if len(size) == 2 else size[:3]  # type: ignore[assignment]
        return self._new(Activations(shape, len(size) - 1, label=ref.key[0].partition("@")[0]), ref)

    def spikes(self, of: Activations, label: str) -> Activations:
        """Those of a layer of neurons that is still to be added, of the size of `of`; see `found`."""
        return self._new(replace(of, label=label), None)

    def _new(self, activations: Activations, what: Ref | None) -> Activations:
        name = f"@{len(self.waiting)}"
        self.waiting[name] = what
        return replace(activations, layer=name)

    def found(self, late: Activations, now: Activations) -> None:
        """`late` is what `now` was in the step before."""
        self.waiting[late.layer] = now

    def close(self, values: dict[Key, list[Any]]) -> None:
        """Every layer of the builder reads what `values`, the results of all sites, say. Raises VolleyError where that
        is no activations."""
        flat = {layer.name for layer in self.builder.layers if isinstance(layer, Flatten)}
        for n, layer in enumerate(self.builder.layers):
            edges = []
            for edge in layer.inputs:
                source, delay, shape = edge.source, 0, None
                while source in self.waiting:
                    now = self._resolved(source, values, layer.label)
                    source, delay = now.layer, delay + 1
                    shape = (math.prod(now.shape), 1, 1) if source in flat else now.shape
                edges.append(Edge(source, delay, shape) if delay else edge)
            self.builder.layers[n] = replace(layer, inputs=tuple(edges))

    def end(self) -> None:
        """The builder's stream comes last, although layers behind it lead back into the loop: behind a weight of 1."""
        answer, layers = self.builder.stream, self.builder.layers
        if answer.layer in self.waiting:
            raise VolleyError(
                f"layer {answer.label!r}: the answer is what it gave one time step before; read it itself"
            )
        place = {layer.name: n for n, layer in enumerate(layers)}
        behind = {name for name, n in place.items() if n > place.get(answer.layer, -1)}
        sources, seen, waiting = {x.name: x.sources for x in layers}, set[str](), [answer.layer]
        while waiting:
            if (name := waiting.pop()) not in seen:
                seen.add(name)
                waiting += sources.get(name, ())
        if not seen & behind:
            return
        if not answer.flat:
            self.builder.add(Flatten, "answer", named=False)
        classes = math.prod(answer.shape)
        self.builder.add(FloatLinear, "answer", named=False, weight=np.eye(classes), bias=np.zeros(classes))

    def _resolved(self, name: str, values: dict[Key, list[Any]], reader: str) -> Activations:
        what = self.waiting[name]
        if isinstance(what, Activations):
            return what
        made = values[what.key][what.number] if what is not None and isinstance(what.number, int) else None
        if not isinstance(made, Activations):
            label = what.key[0].partition("@")[0] if what is not None else reader
            raise VolleyError(
                f"layer {label!r}: {reader!r} reads its membrane, or a sum over time, one time step later; only spikes "
                "leave a neuron"
            )
        return made


def check_start(body: Body, site: Site) -> None:
    """Refuses what does other things in the first time step than later; what it reads of the step before is 0 there."""
    if not site.every_step or site.first is site.later:
        return
    module, name = site.call.module, site.key[0].partition("@")[0]
    first, later = site.first, site.later
    if module is not None and neurons.is_neuron(module):  # its state is looked at by itself
        first, later = next(leaves(first)), next(leaves(later))
    a, b = list(leaves(first)), list(leaves(later))
    own = [leaf for leaf in b if isinstance(leaf, Ref) and leaf.key == site.key]
    if own and module is None and name in KEEPS:  # its start is looked at where it is summed
        return
    if len(a) != len(b):
        raise body.refuse(site, "reads other things in the first time step than later")
    for start, ref in zip(a, b, strict=True):
        if start is ref or start == ref or (isinstance(start, Constant) and isinstance(ref, Constant)):
            continue
        if not isinstance(ref, Ref) or not ref.delay:
            raise body.refuse(site, "reads other things in the first time step than later")
        nothing = isinstance(start, int | float) and start == 0
        if not nothing and not (isinstance(start, Constant) and not bool((start.value != 0).any())):
            raise body.refuse(
                site, f"reads {ref.key[0].partition('@')[0]!r} of the step before, which is not 0 in the first; start "
                "from zeros"
            )  # fmt: skip
