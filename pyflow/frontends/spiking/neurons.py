# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What a layer of neurons of a framework computes, by the tables: its parameters, or why it has no form."""

from __future__ import annotations

from importlib import metadata

import torch
from torch import nn

from pyflow.errors import VolleyError
from pyflow.frontends.spiking.feedback import Feedback
from pyflow.frontends.spiking.tables import FRAMEWORKS, Entry, Unsupported
from pyflow.model.spiking import Neuron

_STATEFUL = (
    "SpikingNeuron", "BaseNode", "SimpleBaseNode", "NonSpikingBaseNode",
    "SNNCell", "SNNRecurrentCell", "SNN", "SNNRecurrent",
)  # fmt: skip


def package(module: nn.Module) -> str:
    """The framework that `module` is of, itself or by what it inherits; "" of others."""
    roots = (c.__module__.split(".")[0] for c in type(module).__mro__)
    return next((root for root in roots if root in FRAMEWORKS), "")


def is_neuron(module: nn.Module) -> bool:
    """A layer of a framework with a state, whether or not it is known here; none of torch's layers in another coat."""
    framework = package(module)
    if not framework:
        return False
    kinds = type(module).__mro__
    if any(c.__module__.startswith("torch.nn.") and c not in (nn.Module, nn.Sequential) for c in kinds):
        return False
    refused = type(module).__name__ in FRAMEWORKS[framework].refused
    return refused or _entry(module) is not None or any(c.__name__ in _STATEFUL for c in kinds)


def is_spiking(model: nn.Module) -> bool:
    return any(is_neuron(module) for module in model.modules())


def read(module: nn.Module, label: str) -> Neuron:
    """The parameters of `module`. Raises VolleyError naming the class or the setting that has no form."""
    kind, package_ = type(module).__name__, package(module)
    what, table = f"layer {label!r} ({package_} {kind})", FRAMEWORKS[package_]
    entry = _entry(module)
    if entry is None and package_ != type(module).__module__.split(".")[0]:
        raise VolleyError(f"{what}: inherits from a neuron and may compute anything; use one of the framework's own")
    if entry is None:
        cure = table.refused.get(kind)
        known = ", ".join(sorted(table.neurons))
        raise VolleyError(f"{what}: is not supported; {cure or f'this neuron was not tested, supported: {known}'}")
    version = metadata.version(package_)
    if not version.startswith(table.version + "."):
        raise VolleyError(f"{what}: {package_} {version} was not tested; use {table.version}")
    try:
        return entry.read(module)
    except Unsupported as e:
        raise VolleyError(f"{what}: {e}") from None


def feedback(module: nn.Module) -> Feedback | None:
    """The weights inside a recurrent neuron; None of others."""
    entry = _entry(module)
    return entry.feedback(module) if entry is not None and entry.feedback else None


def _entry(module: nn.Module) -> Entry | None:
    kind = type(module)
    table = FRAMEWORKS.get(kind.__module__.split(".")[0])
    return table.neurons.get(kind.__name__) if table else None


def reset(model: nn.Module) -> None:
    """States of all neurons as before the first step, nested ones too."""
    for module in model.modules():
        match package(module):
            case "snntorch":
                for name in ("mem", "syn", "spk"):
                    if isinstance(getattr(module, name, None), torch.Tensor):
                        setattr(module, name, torch.zeros(0))
            case "spikingjelly":
                if hasattr(module, "_memories"):
                    module.reset()  # type: ignore[operator]
