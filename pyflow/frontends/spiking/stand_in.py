# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Layers of frameworks that compute, once trained, what a layer of torch does."""

from __future__ import annotations

from torch import nn

from pyflow.errors import VolleyError
from pyflow.frontends.spiking.neurons import package
from pyflow.frontends.spiking.tables import FRAMEWORKS

NORMS = {"ThresholdDependentBatchNorm1d": nn.BatchNorm1d, "ThresholdDependentBatchNorm2d": nn.BatchNorm2d}


def stand_in(module: nn.Module, label: str) -> nn.Module:
    """The layer of torch in the place of `module`, or `module` itself. Raises VolleyError for one that has none."""
    framework, kind = package(module), type(module).__name__
    if not framework:
        return module
    if (why := FRAMEWORKS[framework].refused.get(kind)) is not None:
        raise VolleyError(f"layer {label!r} ({framework} {kind}): is not supported; {why}")
    if kind == "Lift":
        if module.is_stateful:
            raise VolleyError(f"layer {label!r} (norse Lift): lifts a neuron; use norse's own for whole sequences")
        return module.lifted_module  # type: ignore[return-value]
    if kind in NORMS:
        norm = NORMS[kind](module.num_features)  # type: ignore[arg-type]
        norm.__dict__.update({k: v for k, v in vars(module).items() if k not in ("_modules", "step_mode")})
        return norm
    return module


def check_norms(steps: int, calls: dict[str, int], model: nn.Module) -> None:
    """Refuses a list of normalisations, one for every time step (BNTT). calls: how often each module was called."""
    for path, modules in model.named_modules():
        if isinstance(modules, nn.ModuleList) and len(modules) > 1:
            norms = [n for n, m in enumerate(modules) if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
            once = [n for n in norms if calls.get(f"{path}.{n}") == 1]
            if 1 < steps <= len(norms) and len(once) == steps:
                raise VolleyError(
                    f"layer {path!r} (BNTT): normalises by other numbers in every time step, which no weights hold; "
                    "use one BatchNorm, or tdBN"
                )
