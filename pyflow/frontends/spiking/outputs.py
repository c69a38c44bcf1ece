# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What a call of a layer of neurons gives, and what each tensor of it is.

A framework returns spikes, membranes and other states, or leaves a membrane on the module, where the user reads it.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any

import torch
from torch import nn

from pyflow.frontends.spiking import neurons


class Role(Enum):
    SPIKES = "spikes"
    MEMBRANE = "membrane"  # of the step, or of all steps where the layer is called with a whole sequence
    STEP = "step"  # membrane of one step of several that a call gives, in order
    LAST = "last"  # membrane of the last step of a sequence
    MAXIMUM = "maximum"  # over time
    MEAN = "mean"  # over time
    STATE = "state"  # any other


DECODED = {"max-mem": Role.MAXIMUM, "mean-mem": Role.MEAN, "last_mem": Role.LAST}  # of a NonSpikingBaseNode
Result = tuple[Role, torch.Tensor]


def results(module: nn.Module, result: Any) -> list[Result]:
    """What `module` gave in the call that returned `result`, each tensor once."""
    found = list(_RESULTS.get(neurons.package(module), _others)(module, result))
    return [part for n, part in enumerate(found) if all(part[1] is not other for _, other in found[:n])]


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _tensors(part)


def _others(_module: nn.Module, result: Any) -> Iterator[Result]:
    for n, tensor in enumerate(_tensors(result)):
        yield Role.STATE if n else Role.SPIKES, tensor


def _snntorch(module: Any, result: Any) -> Iterator[Result]:
    membrane = getattr(module, "mem", None)
    for n, tensor in enumerate(_tensors(result)):
        yield Role.SPIKES if n == 0 else Role.MEMBRANE if tensor is membrane else Role.STATE, tensor
    if isinstance(membrane, torch.Tensor):
        yield Role.MEMBRANE, membrane


def _spikingjelly(module: Any, result: Any) -> Iterator[Result]:
    if hasattr(module, "decode"):  # gives no spikes
        role = DECODED.get(module.decode, Role.STATE) if module.decode else Role.STEP
        for tensor in _tensors(result):
            yield role, tensor
        return
    for tensor in _tensors(result):
        yield Role.SPIKES, tensor
    sequence = getattr(module, "step_mode", "s") == "m"
    if sequence and isinstance(trace := getattr(module, "v_seq", None), torch.Tensor):
        yield Role.MEMBRANE, trace
    if isinstance(membrane := getattr(module, "v", None), torch.Tensor):
        yield Role.LAST if sequence else Role.MEMBRANE, membrane


def _norse(module: Any, result: Any) -> Iterator[Result]:
    if not (isinstance(result, tuple) and len(result) == 2 and hasattr(result[1], "_fields")):
        yield from _others(module, result)
        return
    first, state = result
    yield Role.MEMBRANE if first is getattr(state, "v", None) else Role.SPIKES, first
    for name, tensor in _fields(state):
        last = Role.LAST if first.ndim > tensor.ndim else Role.MEMBRANE  # of a whole sequence
        yield last if name == "v" else Role.STATE, tensor


def _fields(state: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """Tensors of a state by name, those of states in it too."""
    for name, value in zip(state._fields, state, strict=True):
        if isinstance(value, torch.Tensor):
            yield name, value
        elif hasattr(value, "_fields"):
            yield from _fields(value)


_RESULTS = {"snntorch": _snntorch, "spikingjelly": _spikingjelly, "norse": _norse}
