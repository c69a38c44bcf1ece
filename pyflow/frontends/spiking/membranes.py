# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What a run does with membranes: it keeps them of all steps, and takes the last, the sum, the mean or the maximum.

The values that stand for tensors in the walk are here too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from pyflow.frontends.builder import Activations
from pyflow.frontends.spiking.outputs import Role
from pyflow.frontends.spiking.recording import leaves
from pyflow.frontends.spiking.rolling import Body, Ref, Site
from pyflow.model.spiking import SPIKES

Read = Callable[[list[Any]], Any]
LAST, SUM, MAX = "membrane-last", "membrane-sum", "membrane-max"
MAXIMA = {"max", "amax"}


@dataclass(frozen=True, slots=True)
class Series:
    """`stream` in all time steps. axis: of time, in the framework's tensor. membrane: of the neurons `stream`, not
    their spikes. folded: time and batch are one axis there."""

    stream: Activations
    axis: int = 0
    membrane: bool = False
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Total:
    """What is read of `stream` over time, times `scale`."""

    stream: Activations
    scale: float = 1.0
    readout: str = SPIKES


@dataclass(frozen=True, slots=True)
class State:
    """What a neuron gives beside its spikes. stream: the neurons, where it is their membrane."""

    label: str
    stream: Activations | None = None


def given(site: Site, spikes: Activations | Series, steps: int) -> list[Any]:
    """What the tensors of a call of a layer of neurons stand for. spikes: of the step, or of all. steps: T."""
    label = site.key[0]
    series = spikes if isinstance(spikes, Series) else None
    stream = series.stream if series else spikes
    assert isinstance(stream, Activations)

    def value(role: Role) -> Any:
        match role:
            case Role.SPIKES:
                return spikes
            case Role.MEMBRANE if series:
                return Series(stream, series.axis, membrane=True)
            case Role.MEMBRANE | Role.STEP:
                return State(label, stream)
            case Role.LAST:
                return Total(stream, readout=LAST)
            case Role.MAXIMUM:
                return Total(stream, readout=MAX)
            case Role.MEAN:
                return Total(stream, 1 / steps, readout=SUM)
        return State(label)

    return [value(role) for role in site.call.roles]


def over_time(
    body: Body, site: Site, called: str, args: Any, kwargs: Any, points: list[Any], steps: int
) -> list[Any] | None:
    """What a function of membranes gives; None of functions of other things. points: its operands in the walk. steps:
    T."""
    membrane = next((p.stream for p in points if isinstance(p, State) and p.stream), None)
    series = next((p for p in points if isinstance(p, Series) and p.membrane), None)
    results = len(site.call.shapes)
    if membrane and called == "__setitem__":
        return [Series(membrane, membrane=True)]
    if membrane and called == "stack" and of_all_steps(body, site, steps):
        dim = args[1] if len(args) > 1 else kwargs.get("dim", 0)
        return [Series(membrane, dim, membrane=True)]
    if not series:
        return None
    dim = args[1] if len(args) > 1 else kwargs.get("dim", kwargs.get("axis"))
    if called in MAXIMA and dim == series.axis:
        return [Total(series.stream, readout=MAX), *[State(site.key[0])] * (results - 1)]
    if called in ("sum", "mean") and dim in (series.axis, (series.axis,), [series.axis]):
        return [Total(series.stream, 1.0 if called == "sum" else 1.0 / steps, SUM)]
    if called in ("__getitem__", "select") and _is_last(called, series.axis, args, steps):
        return [Total(series.stream, readout=LAST)]
    raise body.refuse(
        site, f"of membranes of all steps, along axis {dim}, is not supported; take the last, sum, mean or maximum"
    )


def _is_last(called: str, axis: int, args: Any, steps: int) -> bool:
    """Is it the last step that is taken?"""
    index = args[1:]
    if called == "select":
        return index[0] == axis and index[1] in (-1, steps - 1)
    parts = index[0] if isinstance(index[0], tuple) else (index[0],)
    before, at = parts[:axis], parts[axis : axis + 1]
    return all(part == slice(None) for part in before) and at in ((-1,), (steps - 1,)) and len(parts) == axis + 1


def step_of(body: Body, leaf: Any) -> int | None:
    """The time step that a result is of: of a call in the loop, or of one of several that a call gives."""
    if not isinstance(leaf, Ref):
        return None
    roles = body.sites[leaf.key].call.roles
    if leaf.step is None and isinstance(leaf.number, int) and leaf.number < len(roles):
        return leaf.number if roles[leaf.number] is Role.STEP else None
    return leaf.step


def of_all_steps(body: Body, site: Site, steps: int) -> bool:
    """Does `site` read one result of every time step?"""
    refs = [leaf for leaf in leaves(site.later) if isinstance(leaf, Ref)]
    return [step_of(body, ref) for ref in refs] == list(range(steps)) and len({result_of(body, r) for r in refs}) == 1


def result_of(body: Body, ref: Ref) -> tuple[Any, ...]:
    """The result that `ref` is of, in any time step."""
    return (ref.key,) if ref.step is None and step_of(body, ref) is not None else (ref.key, ref.number)


# ------------------------------------------------------------------ what the run gives
def candidates(value: Any, place: int, last: bool, readout: str | None) -> tuple[Total, Read] | None:
    """What a tensor that the run gives has of the answer. last: it is of the last step."""
    wanted = readout or LAST
    if isinstance(value, Total) and readout in (None, value.readout):
        return value, _item(place)
    if isinstance(value, State) and value.stream and last and wanted == LAST:
        return Total(value.stream, readout=LAST), _item(place)
    if isinstance(value, Series) and value.membrane and readout not in (None, SPIKES):
        return Total(value.stream, readout=readout), partial(_of_series, place=place, axis=value.axis, readout=readout)
    if isinstance(value, Series) and not value.membrane and readout in (None, SPIKES):
        return Total(value.stream), partial(_of_series, place=place, axis=value.axis, readout=SPIKES)
    return None


def of_steps(value: Any, places: list[int], readout: str | None) -> tuple[Total, Read] | None:
    """The same of a list of what all steps give; value: of one of them."""
    read = partial(_of_list, places=places, readout=readout or SPIKES)
    if isinstance(value, Activations) and readout in (None, SPIKES):
        return Total(value), read
    if isinstance(value, State) and value.stream and readout not in (None, SPIKES):
        return Total(value.stream, readout=readout), read
    return None


def _item(place: int) -> Read:
    return lambda output: output[place]


def _of_series(output: list[Any], place: int, axis: int, readout: str) -> Any:
    if readout == LAST:
        return output[place].select(axis, -1)
    return output[place].amax(axis) if readout == MAX else output[place].sum(axis)


def _of_list(output: list[Any], places: list[int], readout: str) -> Any:
    values = [output[n] for n in places]
    if readout == LAST:
        return values[-1]
    return torch.stack(values).amax(0) if readout == MAX else sum(values)
