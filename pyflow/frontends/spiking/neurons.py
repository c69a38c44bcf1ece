# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What a neuron of snnTorch, SpikingJelly or Norse computes: one table per framework, of canonical parameters.

docs/frameworks.md has the equations, and tests/unit/test_frameworks.py runs each of these settings beside the
framework. A class or a setting that is not in a table is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from typing import Any

import numpy as np
import torch
from torch import nn

from pyflow.errors import VolleyError
from pyflow.model.spiking import Neuron

TESTED = {"snntorch": "1.0", "spikingjelly": "2.0", "norse": "1.1"}  # the versions that the tables were read from


Adapter = Callable[[Any], Neuron]


class Unsupported(Exception):
    """Why a setting has no form, and what would have one."""


def package(module: nn.Module) -> str:
    """The framework that `module` is of, itself or by what it inherits; "" of others."""
    roots = (c.__module__.split(".")[0] for c in type(module).__mro__)
    return next((root for root in roots if root in TESTED), "")


def is_neuron(module: nn.Module) -> bool:
    """A layer of a framework with a state, whether or not it is known here; none of torch's layers in another coat."""
    if not package(module):
        return False
    kinds = type(module).__mro__
    if any(c.__module__.startswith("torch.nn.") and c not in (nn.Module, nn.Sequential) for c in kinds):
        return False
    return _table(module) is not None or any(c.__name__ in _STATEFUL for c in kinds)


def is_spiking(model: nn.Module) -> bool:
    return any(is_neuron(module) for module in model.modules())


_STATEFUL = ("SpikingNeuron", "BaseNode", "SimpleBaseNode", "NonSpikingBaseNode", "SNNCell", "SNNRecurrentCell", "SNN")


def read(module: nn.Module, label: str) -> Neuron:
    """The parameters of `module`. Raises VolleyError naming the class or the setting that has no form."""
    kind, framework = type(module).__name__, package(module)
    what = f"layer {label!r} ({framework} {kind})"
    adapter = _table(module)
    if adapter is None and package(module) != type(module).__module__.split(".")[0]:
        raise VolleyError(f"{what}: inherits from a neuron and may compute anything; use one of the framework's own")
    if adapter is None:
        known = ", ".join(sorted(ADAPTERS[framework]))
        raise VolleyError(f"{what}: this neuron is not supported; supported: {known}")
    version = metadata.version(framework)
    if not version.startswith(TESTED[framework] + "."):
        raise VolleyError(f"{what}: {framework} {version} was not tested; use {TESTED[framework]}")
    try:
        return adapter(module)
    except Unsupported as e:
        raise VolleyError(f"{what}: {e}") from None


def _table(module: nn.Module) -> Adapter | None:
    kind = type(module)
    return ADAPTERS.get(kind.__module__.split(".")[0], {}).get(kind.__name__)


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


def _numbers(value: Any) -> np.ndarray:
    """float64, one per channel or one for all."""
    array = np.asarray(value.detach().cpu() if isinstance(value, torch.Tensor) else value, np.float64).ravel()
    return array[:1] if array.size > 1 and (array == array[0]).all() else array


def _number(value: Any, what: str) -> float:
    array = _numbers(value)
    if array.size != 1:
        raise Unsupported(f"{what} differs from neuron to neuron; needs one for the layer")
    return float(array[0])


def _only(module: Any, **allowed: Any) -> None:
    """Refuses settings that would change the equations. allowed: the values that do not."""
    for name, values in allowed.items():
        value = getattr(module, name, values[0])
        if isinstance(value, torch.Tensor):
            value = value.item() if value.numel() == 1 else value
        if not any(value is v or (not isinstance(value, torch.Tensor) and value == v) for v in values):
            raise Unsupported(f"{name} = {value} is not supported; use {' or '.join(map(str, values))}")


# ------------------------------------------------------------------ snnTorch
def _snntorch(module: Any, decay: np.ndarray, **others: Any) -> Neuron:
    _only(module, inhibition=(False,), state_quant=(False,), graded_spikes_factor=(1.0,))
    late = bool(getattr(module, "reset_delay", True))
    # To zero, a Leaky is reset before its leak and the step's input count; the others after.
    order = "after" if late else "before"
    if module.reset_mechanism == "zero" and type(module).__name__ == "Leaky":
        order = "before"
    kind = {"subtract": "soft", "zero": "hard", "none": "none"}[module.reset_mechanism]
    return Neuron(np.clip(decay, 0.0, 1.0), _numbers(module.threshold), True, kind, order, **others)


def _leaky(module: Any) -> Neuron:
    return _snntorch(module, _numbers(module.beta))


def _synaptic(module: Any) -> Neuron:
    alpha = float(np.clip(_number(module.alpha, "alpha"), 0.0, 1.0))
    return _snntorch(module, _numbers(module.beta), current="new", current_decay=alpha)


def _lapicque(module: Any) -> Neuron:
    r, c, dt = (_number(getattr(module, name), name) for name in ("R", "C", "time_step"))
    return _snntorch(module, np.array([1 - dt / (r * c)]), gain=dt / c)


# ------------------------------------------------------------------ SpikingJelly
def _spikingjelly(module: Any, decay: float, gain: float = 1.0) -> Neuron:
    start = module._memories_rv["v"]
    hard = module.v_reset is not None
    rest = float(module.v_reset) if hard else 0.0
    if not isinstance(start, int | float):
        raise Unsupported("starts from a membrane of its own per neuron; needs one number")
    return Neuron(
        np.array([decay]), _numbers(module.v_threshold), False, "hard" if hard else "soft",
        gain=gain, v_reset=rest, v_leak=rest, v0=float(start),
    )  # fmt: skip


def _sj_leaky(module: Any, tau: float) -> Neuron:
    if tau < 1:
        raise Unsupported(f"tau = {tau:g} is below 1, where the membrane grows")
    neuron = _spikingjelly(module, 1 - 1 / tau, 1 / tau if module.decay_input else 1.0)
    return neuron


# ------------------------------------------------------------------ Norse
def _norse(module: Any, decay: float, gain: float, **others: Any) -> Neuron:
    p = module.p
    leak = _number(getattr(p, "v_leak", 0.0), "v_leak")
    kind, method = "hard", getattr(getattr(p, "reset_method", None), "__name__", "reset_value")
    if method not in ("reset_value", "reset_subtract"):
        raise Unsupported(f"reset_method = {method} is not supported; use reset_value or reset_subtract")
    if method == "reset_subtract":
        kind = "soft"
    return Neuron(
        np.array([decay]), _numbers(p.v_th), True, kind,
        gain=gain, v_reset=_number(p.v_reset, "v_reset"), v_leak=leak, v0=leak, **others,
    )  # fmt: skip


def _rate(module: Any, name: str) -> float:
    """dt/tau, of an Euler step."""
    rate = module.dt * _number(getattr(module.p, name), name)
    if not 0 <= rate <= 1:
        raise Unsupported(f"dt * {name} = {rate:g} is outside 0..1, where an Euler step is stable")
    return float(rate)


def _lif_box(module: Any) -> Neuron:
    rate = _rate(module, "tau_mem_inv")
    return _norse(module, 1 - rate, rate)


def _lif(module: Any) -> Neuron:
    rate = _rate(module, "tau_mem_inv")
    return _norse(module, 1 - rate, rate, current="new", current_decay=1 - _rate(module, "tau_syn_inv"))


ADAPTERS: dict[str, dict[str, Adapter]] = {
    "snntorch": {"Leaky": _leaky, "Synaptic": _synaptic, "Lapicque": _lapicque},
    "spikingjelly": {
        "IFNode": lambda m: _spikingjelly(m, 1.0),
        "HalfThresholdIFNode": lambda m: replace(_spikingjelly(m, 1.0), v0=0.5 * float(m.v_threshold)),
        "LIFNode": lambda m: _sj_leaky(m, float(m.tau)),
        "ParametricLIFNode": lambda m: _sj_leaky(m, 1 / float(m.w.detach().sigmoid())),
    },
    "norse": {
        "IAFCell": lambda m: _norse(m, 1.0, 1.0),
        "LIFBoxCell": _lif_box,
        "LIFCell": _lif,
    },
}
