# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Writes a spiking float network as a NIR graph.

NIR has no field for the kind and order of a reset, the comparison, dt, T and the readout: they stand in the metadata,
under `volley`. Other readers take the graph without them, and choose their own.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from pyflow.errors import VolleyError
from pyflow.frontends.nir.graph import OWN
from pyflow.graph import INPUT
from pyflow.model.affine import fold_affine
from pyflow.model.graph import (
    Affine,
    AvgPool,
    Flatten,
    FloatAdd,
    FloatConv,
    FloatLayer,
    FloatLinear,
    FloatNetwork,
    FloatWindow,
)
from pyflow.model.spiking import FloatNeuron, Neuron, SpikingModel
from pyflow.packages import missing
from pyflow.writing import write_file

VERSION = "1.0.8"  # of the package nir whose fields these are
WRITTEN = (
    "Conv, Linear, IF, LIF and LIF with a current, their membranes, sums and averages of spikes, Flatten, sums, delays"
)
Fields = dict[str, Any]


def write_nir(model: SpikingModel, path: str | os.PathLike[str], *, dt: float) -> None:
    """Write `model` to a .nir file. dt: seconds of a time step, which give its decays their time constants.

    read_graph() and model_of() make the same model of it. Raises VolleyError naming a layer that NIR has no node for.
    """
    if isinstance(dt, bool) or not isinstance(dt, int | float) or not 0 < dt < float("inf"):
        raise VolleyError(f"dt {dt!r} must be a number of seconds above 0")
    try:
        import h5py
    except ModuleNotFoundError as e:
        raise VolleyError(f"{path}: {missing(e) or e}") from None
    network = model.network
    if any(isinstance(x, Affine) and x.what not in ("Scale", "SumPool2d") for x in network.layers):
        network = fold_affine(network)
    graph = _Writer(network, dt)
    own: Fields = {"dt": float(dt), "steps": model.steps, "timed": int(model.timed), "scale": model.scale}
    own |= {"readout": model.readout}
    packed = io.BytesIO()
    with h5py.File(packed, "w", track_order=False) as file:
        text = h5py.string_dtype()
        file.create_dataset("version", data=VERSION, dtype=text)
        root = file.create_group("node")
        root.create_dataset("type", data="NIRGraph", dtype=text)
        root.create_dataset("edges", data=np.array(graph.edges, object), dtype=text)
        nodes = root.create_group("nodes")
        for name, fields in graph.nodes.items():
            _put(nodes.create_group(name), fields, text)
        _put(root.create_group("metadata"), {OWN: own}, text)
    write_file(path, packed.getvalue())


def _put(group: Any, fields: Fields, text: Any) -> None:
    for key, value in fields.items():
        if isinstance(value, dict):
            _put(group.create_group(key), value, text)
        elif isinstance(value, str):
            group.create_dataset(key, data=value, dtype=text)
        else:
            group.create_dataset(key, data=value)


class _Writer:
    """nodes: fields by name. edges: pairs of names."""

    def __init__(self, network: FloatNetwork, dt: float) -> None:
        self.network, self.dt = network, dt
        self.nodes: dict[str, Fields] = {}
        self.edges: list[tuple[str, str]] = []
        self.flat: dict[str, bool] = {}  # of what a node gives: is it a vector in NIR?
        # What is read instead of a layer that is no node: the sources of a sum, the sum of a pool.
        self.instead: dict[str, list[str]] = {INPUT: [self.free(INPUT)]}
        self.axes = 1 if any(isinstance(x, FloatWindow) and x.axes == 1 for x in network.layers) else 2
        start = self.instead[INPUT][0]
        self.nodes[start] = {"type": "Input", "shape": self.size(INPUT)}
        self.flat[start] = network.input_shape[1:] == (1, 1) and not self._mapped(INPUT)
        if self.flat[start]:
            self.nodes[start]["shape"] = np.array(network.input_shape[:1])
        for layer in network.layers:
            self._layer(layer)
        last, end = network.layers[-1], self.free("output")
        self.nodes[end] = {"type": "Output", "shape": self.size(last.name)}
        self.edges += [(name, end) for name in self.instead[last.name]]

    def _mapped(self, name: str) -> bool:
        return any(isinstance(reader, FloatWindow) for reader in self.network.readers(name))

    def free(self, name: str) -> str:
        used = {layer.name for layer in self.network.layers} | self.nodes.keys()
        while name in used:
            name += "_"
        return name

    def size(self, name: str) -> np.ndarray:
        """Shape of what a layer gives, as NIR has it."""
        c, h, w = self.network.shapes[name]
        if self.flat.get(self.instead[name][0]):
            return np.array([c * h * w])
        return np.array([c, w] if self.axes == 1 and h == 1 else [c, h, w])

    def _layer(self, layer: FloatLayer) -> None:
        match layer:
            case FloatAdd():
                self.instead[layer.name] = self._before(layer)
            case Affine(what="SumPool2d") if isinstance(pool := self.network[layer.source], AvgPool):
                self.nodes[self.instead[pool.name][0]]["type"] = "SumPool2d"
                self.instead[layer.name] = self.instead[pool.name]
            case Flatten() if self.flat[self.instead[layer.source][0]]:
                self.instead[layer.name] = self.instead[layer.source]
            case _:
                self._node(layer)

    def _before(self, layer: FloatLayer) -> list[str]:
        return [name for edge in layer.inputs for name in self._read(edge.source, edge.delay)]

    def _read(self, source: str, delay: int) -> Iterator[str]:
        """The nodes that a reader of `source` reads, through a Delay where it is late."""
        if not delay:
            yield from self.instead[source]
            return
        name = f"{source}_delay{delay}"
        if name not in self.nodes:
            c, h, w = self.network.shapes[source]
            shape = (c,) if (h, w) == (1, 1) else (c, h, w)
            self.nodes[name] = {"type": "Delay", "delay": np.full(shape, delay * self.dt)}
            self.flat[name] = len(shape) == 1
            before = self.instead.get(source, [source])  # in a loop it comes later, as a neuron
            self.edges += [(other, name) for other in before]
        yield name

    def _node(self, layer: FloatLayer) -> None:
        sources = self._before(layer)
        if isinstance(layer, FloatLinear):
            sources = [self._flattened(name) for name in sources]
        self.instead[layer.name] = [layer.name]
        self.flat[layer.name] = isinstance(layer, FloatLinear | Flatten) or (
            not isinstance(layer, FloatWindow) and self.flat[sources[0]]
        )
        self.nodes[layer.name] = {}  # its place, in the order of the layers
        self.nodes[layer.name] = self._fields(layer)
        self.edges += [(source, layer.name) for source in sources]

    def _flattened(self, name: str) -> str:
        """The name of a node that gives what `name` does as a vector."""
        if self.flat[name]:
            return name
        flat = f"{name}_flat"
        if flat not in self.nodes:
            source = next(key for key, names in self.instead.items() if name in names)
            fields = _flatten(self.size(source))
            self.nodes[flat], self.flat[flat] = fields, True
            self.edges.append((name, flat))
        return flat

    def _fields(self, layer: FloatLayer) -> Fields:
        match layer:
            case FloatLinear():
                if not layer.bias.any():
                    return {"type": "Linear", "weight": layer.weight}
                return {"type": "Affine", "weight": layer.weight, "bias": layer.bias}
            case FloatConv():
                return self._conv(layer)
            case AvgPool() if layer.axes == 2:
                sides = {"kernel_size": layer.kernel, "stride": layer.stride, "padding": layer.padding}
                return {"type": "AvgPool2d", **{key: np.array(value) for key, value in sides.items()}}
            case Flatten():
                return _flatten(self.size(layer.source))
            case Affine(what="Scale") if not layer.shift.any():
                return {"type": "Scale", "scale": self._spread(layer.scale, layer.name)}
            case FloatNeuron():
                return self._neuron(layer)
        raise layer.fail(f"has no node in NIR; written are {WRITTEN}")

    def _conv(self, layer: FloatConv) -> Fields:
        if layer.pad.size and layer.pad.any():
            raise layer.fail("pads with values that are not 0, which NIR cannot say; use padding 0")
        own = slice(2 - self.axes, None)
        if layer.axes == 1 and self.axes == 2:
            raise layer.fail("acts on sequences beside layers that act on maps, which NIR cannot say")
        shape = self.network.shapes[layer.source]
        weight = layer.weight[:, :, 0] if self.axes == 1 else layer.weight
        groups = shape[0] if layer.depthwise else 1
        sides = {"stride": layer.stride, "padding": layer.padding, "dilation": (1, 1)}
        fields: Fields = {"type": f"Conv{self.axes}d", "weight": weight, "bias": layer.bias, "groups": groups}
        for key, value in sides.items():
            fields[key] = np.array(value[own]) if self.axes == 2 else value[1]
        fields["input_shape"] = np.array(shape[1:]) if self.axes == 2 else shape[2]
        return fields

    def _spread(self, values: np.ndarray | float, name: str) -> np.ndarray:
        """One number per neuron of layer `name`."""
        shape = self.size(name)
        array = np.asarray(values, np.float64).reshape(-1, *[1] * (len(shape) - 1))
        return np.broadcast_to(array, tuple(shape)).copy()

    def _neuron(self, layer: FloatNeuron) -> Fields:
        neuron, dt = layer.neuron, self.dt
        if _is_threshold(neuron):
            return {"type": "Threshold", "threshold": self._spread(neuron.theta, layer.name)}
        own: Fields = {
            "reset": neuron.reset, "order": neuron.order, "strict": int(neuron.strict), "dt": float(dt),
            "integration": "euler", "decay": neuron.decay, "gain": np.array([neuron.gain]), "v0": neuron.v0,
        }  # fmt: skip
        if neuron.refractory:
            own["refractory"] = neuron.refractory
        kind, values = _parameters(layer, neuron, dt)
        if neuron.current != "none":
            own |= {"current": neuron.current, "current_decay": np.array([neuron.current_decay])}
        fields = {key: self._spread(value, layer.name) for key, value in values.items()}
        return {"type": kind, **fields, "metadata": {OWN: own}}


def _parameters(layer: FloatNeuron, neuron: Neuron, dt: float) -> tuple[str, dict[str, Any]]:
    """(kind, NIR's parameters) of a neuron in steps of dt."""
    values: dict[str, Any] = {}
    if neuron.fires:
        values = {"v_threshold": neuron.theta, "v_reset": neuron.v_reset if neuron.reset == "hard" else 0.0}
    whole = neuron.decay == 1
    if neuron.current == "none" and whole.all() and neuron.v_leak == 0:
        return "IF" if neuron.fires else "I", {"r": neuron.gain / dt, **values}
    if whole.any() or (neuron.current != "none" and neuron.current_decay == 1):
        raise layer.fail("keeps all of its membrane or current beside a leak: an infinite time constant in NIR")
    tau = dt / (1 - neuron.decay)
    values |= {"r": neuron.gain * tau / dt, "v_leak": neuron.v_leak}
    if neuron.current == "none":
        return "LIF" if neuron.fires else "LI", {"tau": tau, **values}
    tau_syn = dt / (1 - neuron.current_decay)
    kind = "CubaLIF" if neuron.fires else "CubaLI"
    return kind, {"tau_mem": tau, "tau_syn": tau_syn, "w_in": tau_syn / dt, **values}


def _is_threshold(neuron: Neuron) -> bool:
    """Without any state: it compares its input."""
    plain = (neuron.gain, neuron.v_leak, neuron.refractory, neuron.current) == (1.0, 0.0, 0, "none")
    return plain and neuron.strict and neuron.reset == "none" and not neuron.decay.any()


def _flatten(shape: np.ndarray) -> Fields:
    return {"type": "Flatten", "start_dim": 0, "end_dim": -1, "input_type": shape}
