# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""A rolled-up run becomes a float network over time: what every site means, in the order of the calls.

Beside activations of one step there are series, [T, N, ...] or [N, T, ...], and sums over time. Layers of torch and
functions are those of the front end of plain models.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import nn

from pyflow.errors import VolleyError
from pyflow.frontends import torch_functions as functions
from pyflow.frontends import torch_layers as layers
from pyflow.frontends.builder import Activations, Builder
from pyflow.frontends.spiking import gates, membranes, neurons
from pyflow.frontends.spiking.encoders import Encoder
from pyflow.frontends.spiking.late import Late, check_start
from pyflow.frontends.spiking.membranes import Read, Series, State, Total
from pyflow.frontends.spiking.outputs import Role
from pyflow.frontends.spiking.recording import Constant, Given, leaves, mapped
from pyflow.frontends.spiking.rolling import Body, Key, Ref, Site
from pyflow.frontends.spiking.stand_in import stand_in
from pyflow.model.spiking import READOUTS, SPIKES, FloatNeuron, SpikingModel

RESHAPES = {"view", "reshape", "flatten", "squeeze", "unsqueeze", "unflatten", "permute", "transpose"}
ADDS = {"add", "add_", "__add__", "__iadd__", "__radd__"}


class Walk:
    """One pass over the sites. sample: shape of the tensor that the run was given; time_axis: its axis of time, None
    where it has none."""

    def __init__(self, name: str, body: Body, sample: tuple[int, ...], time_axis: int | None) -> None:
        self.body, self.time_axis = body, time_axis
        own = [size for axis, size in enumerate(sample) if axis != time_axis]
        self.batch, shape = own[0], tuple(own[1:])
        if len(shape) not in (1, 2, 3):
            raise VolleyError(f"sample: shape {sample} has {len(shape)} axes beside batch and time; needs 1, 2 or 3")
        self.steps = body.steps if body.steps > 1 else 0
        self.builder = Builder(name, shape if len(shape) > 1 else (shape[0], 1, 1))
        if len(shape) == 1:
            self.builder.stream = replace(self.builder.stream, axes=0)
        self.input = self.builder.stream
        self.late, self.encoder = Late(body, self.builder), Encoder(body)
        # Of the tensors that the run gives, [N, classes]: what the network's logits are.
        self.read: Read = operator.itemgetter(0)
        self.values: dict[Key, list[Any]] = {}
        self.neurons: dict[str, Key] = {}  # sites of the layers of neurons, by their names in the network

    # ------------------------------------------------------------------ values
    def value(self, leaf: Any, own: Key | None = None) -> Any:
        """own: the site that reads; its results of the step before are its state."""
        match leaf:
            case Ref(delay=1) if leaf.key == own:
                return State(own[0])
            case Ref(delay=1):
                return self.late.of(leaf)
            case Given():
                self.encoder.check_alone(own)
                return self.input if self.time_axis is None else Series(self.input, self.time_axis)
            case Constant():
                return leaf.value
            case Ref():
                made = self.values[leaf.key]
                return made[leaf.number] if isinstance(leaf.number, int) else made[0]
        return leaf

    def walk(self, readout: str | None) -> SpikingModel:
        """The network. readout: what is read of a run that gives spikes of every step. Raises VolleyError naming the
        site that has no form."""
        for site in self.body.sites.values():
            self.builder.where = site.call.where
            check_start(self.body, site)
            made = self._module(site) if site.call.module is not None else self._function(site)
            self.values[site.key] = made
        if not self.steps:
            raise VolleyError(
                f"model {self.builder.name!r}: is one time step; give steps= and readout= ({', '.join(READOUTS)}), or "
                "run=, a function with the loop over time"
            )
        self.late.close(self.values)
        answer = self._answer(readout)
        self.builder.read(answer.stream, "the output")
        self.late.end()
        if answer.readout != SPIKES and self.builder.stream.layer != answer.stream.layer:
            raise VolleyError(
                f"layer {answer.stream.label!r}: its membrane is read, and its spikes go back into the loop; read the "
                "membrane of a layer behind it"
            )
        timed = self.time_axis is not None or self.encoder.site is not None
        return SpikingModel(self.builder.finish(), self.steps, timed, answer.scale, readout=answer.readout)

    def _answer(self, readout: str | None) -> Total:
        """What the run gives: a sum over time, spikes that are summed, or what is read of membranes."""
        if readout not in (None, *READOUTS):
            raise VolleyError(f"readout {readout!r} is unknown; use {', '.join(READOUTS)}")
        refs = [leaf for leaf in leaves(self.body.output) if isinstance(leaf, Given | Constant | Ref)]
        if found := self._candidates(refs, readout):
            return self._furthest(found)
        values = [self.value(ref) for ref in refs]
        if readout not in (None, SPIKES):
            raise VolleyError(
                f"model {self.builder.name!r}: gives no membranes for readout {readout!r}; give those of every step"
            )
        for value in values:
            if isinstance(value, Total):
                raise VolleyError(f"readout {readout!r}: the run gives {value.readout}; leave readout out")
            if (isinstance(value, State) and value.stream) or isinstance(value, Series):
                raise VolleyError(
                    f"model {self.builder.name!r}: gives membranes of all steps; say what is read of them, readout= "
                    f"({', '.join(READOUTS[1:])})"
                )
            if isinstance(value, State):
                raise VolleyError(f"layer {value.label!r}: a state that is no membrane is read out; give its membrane")
            if isinstance(value, Activations):
                raise VolleyError(
                    f"model {self.builder.name!r}: gives what its last time step makes; sum over time, or give the "
                    "spikes of all steps"
                )
        raise VolleyError(f"model {self.builder.name!r}: gives nothing that depends on the sample")

    def _candidates(self, refs: list[Any], readout: str | None) -> list[tuple[Total, Read]]:
        """What the run gives of the answer, whole or step by step, and how each is read off its tensors."""
        found: list[tuple[Total, Read] | None] = []
        body, every = self.body, self._known_steps()
        steps = {n: step for n, ref in enumerate(refs) if (step := membranes.step_of(body, ref)) is not None}
        several = set()
        for result in dict.fromkeys(membranes.result_of(body, refs[n]) for n in steps):
            own = [n for n in steps if membranes.result_of(body, refs[n]) == result]
            if len(own) > 1 and [steps[n] for n in own] == list(range(every)):
                several |= set(own)
                found.append(membranes.of_steps(self.value(refs[own[0]]), own, readout))
        for n, ref in enumerate(refs):
            last = steps.get(n) == every - 1 and n not in several
            found.append(membranes.candidates(self.value(ref), n, last, readout))
        return [one for one in found if one]

    def _furthest(self, found: list[tuple[Total, Read]]) -> Total:
        """Of several, the one that all layers lead to: spikes of layers before it are often given beside it."""
        behind = [self._layers_to(total.stream.layer) for total, _ in found]
        most = max(range(len(found)), key=lambda n: len(behind[n]))
        every = set().union(*behind) | set(self.neurons)
        if behind[most] != every:
            other = min(every - behind[most])
            raise VolleyError(
                f"model {self.builder.name!r}: gives several answers, and none depends on all layers ({other!r} leads "
                "to another); give the one that is wanted"
            )
        total, self.read = found[most]
        return total

    def _layers_to(self, name: str) -> set[str]:
        """`name` and all layers that it depends on."""
        sources = {layer.name: layer.sources for layer in self.builder.layers}
        seen, waiting = set[str](), [name]
        while waiting:
            if (layer := waiting.pop()) in sources and layer not in seen:
                seen.add(layer)
                waiting += sources[layer]
        return seen

    # ------------------------------------------------------------------ modules
    def _module(self, site: Site) -> list[Any]:
        module, label = site.call.module, site.key[0]
        assert module is not None
        values = [self.value(leaf, site.key) for leaf in leaves(site.later)]
        streams = [v for v in values if isinstance(v, Activations | Series | Total)]
        if neurons.is_neuron(module):
            return self._neuron(site, module, streams)
        if len(streams) != 1 or isinstance(streams[0], Total):
            raise self.body.refuse(site, f"({type(module).__name__}) needs one tensor of a time step as its input")
        if self.encoder.of_module(site, module):
            return [self._encoded(site)]
        module = stand_in(module, label)
        kind = type(module).__name__
        handler = next((layers.MODULES[c] for c in type(module).__mro__ if c in layers.MODULES), None)
        if handler is None and neurons.package(module) and kind.startswith("Dropout"):
            return [streams[0]]
        if handler is None:
            raise VolleyError(f"layer {label!r} ({kind}): not supported; {layers.hint(kind)}")
        return [self._each(streams[0], label, lambda: handler(self.builder, label, module))]

    def _neuron(self, site: Site, module: nn.Module, streams: list[Any]) -> list[Any]:
        label = site.key[0]
        neuron, feedback = neurons.read(module, label), neurons.feedback(module)
        alone = self.body.steps > 1 and not site.every_step and not any(isinstance(s, Series) for s in streams)
        if not streams or isinstance(streams[0], Total) or alone:
            raise self.body.refuse(site, "needs activations of a time step, in every one, as its input")
        if any(isinstance(s, Series) and s.folded for s in streams):
            raise self.body.refuse(site, "is given all time steps as one batch; put it outside of the container")
        self._reads_own_state(site)
        of = f"{neurons.package(module)} {type(module).__name__}"
        channels = len(feedback.into) if feedback and feedback.into.size else self._channels(streams[0])
        each = [("threshold", neuron.theta), ("decay", neuron.decay)]
        each += [("V", feedback.back)] if feedback and feedback.back.ndim == 1 and feedback.back.size else []
        for what, values in each:
            if values.size not in (1, channels):
                raise self.body.refuse(site, f"its {what} differs from neuron to neuron; needs one per channel")
        before = list[Activations]()

        def own(given: Activations) -> Activations:
            before.append(self.late.spikes(given, label))
            return before[-1]

        def add() -> None:
            if feedback:
                feedback.build(self.builder, label, own)
            self.builder.add(FloatNeuron, label, neuron=neuron, of=of)

        spikes = self._each(streams[0], label, add)
        for late in before:
            self.late.found(late, self.builder.stream)
        self.neurons[self.builder.stream.layer] = site.key
        if isinstance(spikes, Series):
            self.steps = self.steps or self._series_steps(site, spikes)
        return membranes.given(site, spikes, self._known_steps())

    def _reads_own_state(self, site: Site) -> None:
        """Refuses a neuron that is given another state than the one it left: of another layer, or a start of its
        own."""
        _, *states = leaves(site.later)
        if others := [leaf for leaf in states if isinstance(leaf, Ref) and (leaf.key, leaf.delay) != (site.key, 1)]:
            raise self.body.refuse(site, f"is given a state of {others[0].key[0]!r}, which is not supported")
        if any(isinstance(leaf, Constant) for leaf in states) and site.every_step:
            raise self.body.refuse(
                site, "is given a state that is set anew in every time step; start it before the loop"
            )
        _, *starts = leaves(site.first)
        if any(isinstance(leaf, Constant) and bool((leaf.value != 0).any()) for leaf in starts):
            raise self.body.refuse(site, "starts from a state that is not 0, which is not supported")

    def _channels(self, point: Activations | Series) -> int:
        return (point.stream if isinstance(point, Series) else point).shape[0]

    def _series_steps(self, site: Site, series: Series) -> int:
        match site.call.roles[0]:
            case Role.SPIKES:
                return site.call.shapes[0][series.axis]
            case Role.STEP:
                return len(site.call.shapes)
        raise self.body.refuse(site, "gives no time steps; put x.repeat(T, ...) in front, or spikes of T steps")

    def _each(self, point: Activations | Series, label: str, add: Callable[[], None]) -> Any:
        """What `add` makes of `point`, in every time step where that is a series."""
        self.builder.read(point.stream if isinstance(point, Series) else point, label)
        add()
        return replace(point, stream=self.builder.stream) if isinstance(point, Series) else self.builder.stream

    # ------------------------------------------------------------------ functions
    def _function(self, site: Site) -> list[Any]:
        called, label = site.key[0].partition("@")[0], site.key[0].partition("@")[0]
        if (total := self._summed(site, called)) is not None:
            return [total]
        args, kwargs = mapped(site.later, lambda leaf: self.value(leaf, site.key))
        points = [v for v in leaves((args, kwargs)) if isinstance(v, Activations | Series | Total | State)]
        if (coded := self.encoder.of_function(site, called, args, points)) is not None:
            return [self._encoded(site) if coded is True else coded]
        every = self._known_steps()
        if (read := membranes.over_time(self.body, site, called, args, kwargs, points, every)) is not None:
            return read
        if called == "__setitem__":
            return [Series(points[-1]) if isinstance(points[-1], Activations) else points[-1]]
        if any(isinstance(v, State) for v in points):
            return [next(v for v in points if isinstance(v, State))] * len(site.call.shapes)
        if called == "stack" and isinstance(points[0], Activations) and membranes.of_all_steps(self.body, site, every):
            dim = args[1] if len(args) > 1 else kwargs.get("dim", 0)
            return [Series(points[0], dim)]
        if called in ("__getitem__", "unbind", "select") and isinstance(points[0], Series):
            return [points[0].stream] * len(site.call.shapes)
        if isinstance(points[0], Series) and called in ("sum", "mean"):
            return [self._over_time(site, called, points[0], args, kwargs)]
        if isinstance(points[0], Total):
            return [self._scaled(site, called, points[0], args)]
        if called in ("repeat", "expand", "tile") and isinstance(points[0], Activations):
            return [Series(points[0], self._new_axis(site, points[0]))]
        return [self._step(site, called, label, points, args, kwargs)]

    def _summed(self, site: Site, called: str) -> Total | None:
        """Of `total = total + x`, in every time step, the sum over time."""
        if called not in ADDS or not site.every_step:
            return None
        reads = [leaf for leaf in leaves(site.later) if isinstance(leaf, Ref)]
        own = [leaf for leaf in reads if leaf.key == site.key and leaf.delay == 1]
        rest = [leaf for leaf in reads if leaf.key != site.key]
        if len(own) != 1 or len(rest) != 1:
            return None
        starts = [v for v in leaves(site.first) if isinstance(v, int | float | Constant)]
        if any(bool((v.value != 0).any()) if isinstance(v, Constant) else v != 0 for v in starts):
            raise self.body.refuse(site, "sums over time from a start that is not 0")
        value = self.value(rest[0])
        if isinstance(value, State) and value.stream:
            return Total(value.stream, readout=membranes.SUM)
        return Total(value) if isinstance(value, Activations) else None

    def _over_time(self, site: Site, called: str, series: Series, args: Any, kwargs: Any) -> Total:
        dim = args[1] if len(args) > 1 else kwargs.get("dim")
        dims = dim if isinstance(dim, tuple | list) else (dim,)
        if dims[0] is None or len(dims) > 1 or dims[0] != series.axis:
            raise self.body.refuse(site, f"over axis {dim} of a series whose time is axis {series.axis}; sum over time")
        return Total(series.stream, 1.0 if called == "sum" else 1.0 / self._known_steps())

    def _known_steps(self) -> int:
        return self.steps or self.body.steps

    def _scaled(self, site: Site, called: str, total: Total, args: Any) -> Total:
        number = next((v for v in args if isinstance(v, int | float)), None)
        plain = called.strip("_").removeprefix("i").removeprefix("true")
        if plain in ("div", "truediv", "divide") and isinstance(args[0], Total) and number:
            return replace(total, scale=total.scale / number)
        if plain in ("mul", "multiply", "rmul") and number is not None and number > 0:
            return replace(total, scale=total.scale * number)
        if called in RESHAPES:
            return total
        raise self.body.refuse(site, "of a sum over time is not supported; divide or multiply it by a number above 0")

    def _encoded(self, site: Site) -> Activations | Series:
        """The spikes of an encoder: the network's input in every step."""
        self.encoder.check_first(self.builder.layers)
        whole = site.call.shapes[0] != (self.batch, *self.input.size)
        return Series(self.input, self._new_axis(site, self.input)) if whole else self.input

    def _new_axis(self, site: Site, stream: Activations) -> int:
        """Where a static map is repeated over time."""
        shape, one = site.call.shapes[0], (self.batch, *stream.size)
        for axis in (0, 1):
            if shape[:axis] + shape[axis + 1 :] == one:
                self.steps = self.steps or shape[axis]
                return axis
        raise self.body.refuse(
            site, f"to {shape} does not repeat {one} over time; use x.unsqueeze(0).repeat(T, 1, ...)"
        )

    def _step(self, site: Site, called: str, label: str, points: list[Any], args: Any, kwargs: Any) -> Any:
        """A function of the activations of one time step, or of every one of a series."""
        name = called.strip("_") if called.startswith("__") else called.rstrip("_")
        series = next((p for p in points if isinstance(p, Series)), None)
        if called in RESHAPES and len(points) == 1:
            return self._reshaped(site, label, points[0])
        bare = mapped((args, kwargs), lambda v: v.stream if isinstance(v, Series) else v)
        streams = [p.stream if isinstance(p, Series) else p for p in points]
        call = functions.Call(label, called, bare[0], bare[1])
        try:
            if name in gates.JOINS and (len(streams) > 1 or name in functions.ALWAYS_JOIN):
                gates.JOINS[name](self.builder, call)
            elif len(streams) == 1 and name in gates.FUNCTIONS:
                self.builder.read(streams[0], label)
                gates.FUNCTIONS[name](self.builder, call)
            else:
                raise self.body.refuse(site, f"not supported in a time step; {layers.hint(called)}")
        except (TypeError, ValueError, AttributeError, IndexError, KeyError, RuntimeError) as e:
            raise self.body.refuse(site, f"arguments are not understood ({e})") from None
        return replace(series, stream=self.builder.stream) if series else self.builder.stream

    def _reshaped(self, site: Site, label: str, point: Activations | Series) -> Any:
        """By the sizes before and after: nothing, a Flatten, or time taken for batch."""
        shape = site.call.shapes[0]
        stream = point.stream if isinstance(point, Series) else point
        whole = math.prod(stream.size)
        if isinstance(point, Activations):
            if shape == (self.batch, *stream.size) or shape in ((1, self.batch, *stream.size),):
                return point
            if shape == (self.batch, whole):
                return self._each(point, label, lambda: layers.flatten(self.builder, label, named=False))
        elif len(shape) == 2 + len(stream.size) and shape[2:] == tuple(stream.size):
            return replace(point, axis=0 if shape[1] == self.batch else 1, folded=False)
        elif shape[1:] == tuple(stream.size) and shape[0] % self.batch == 0:
            return replace(point, folded=True)
        elif shape[1 + (not point.folded) :] == (whole,):
            return self._each(point, label, lambda: layers.flatten(self.builder, label, named=False))
        raise self.body.refuse(site, f"to {shape} is not a Flatten of {tuple(stream.size)}; use x.flatten(1)")
