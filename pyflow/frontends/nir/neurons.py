# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""NIR's neurons, which are differential equations, in steps of dt: docs/frameworks.md, "NIR", has the table."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyflow.frontends.nir.graph import MEMBRANES, Node
from pyflow.model.graph import Shape
from pyflow.model.spiking import Neuron

INTEGRATIONS = ("euler", "exact")
SAME = 1e-9  # relative: numbers of our own metadata are those of the fields, before they were made to time constants


@dataclass(frozen=True, slots=True, eq=False)
class Firing:
    """A layer of neurons. scale, bias: float64 [C], of its input in front of the neuron; empty where they change
    nothing."""

    neuron: Neuron
    scale: np.ndarray
    bias: np.ndarray


NONE = np.zeros(0)


def firing(node: Node, shape: Shape, dt: float, integration: str) -> Firing:
    """The neuron of an IF, LIF, CubaLIF, Threshold, I, LI or CubaLI node on maps of `shape`. dt: seconds of a time
    step. integration: of a leak, "euler" (1 - dt/tau) or "exact" (exp(-dt/tau)). Raises VolleyError naming a parameter
    without a form."""
    if node.kind == "Threshold":
        return Firing(Neuron(np.zeros(1), _threshold(node, "threshold", shape), True, "none"), NONE, NONE)
    own = _own(node)
    integration = own.get("integration", integration)
    silent = node.kind in MEMBRANES
    theta = np.array([np.inf]) if silent else _threshold(node, "v_threshold", shape)
    r, leak = _finite(node, "r", shape), 0.0
    if node.kind in ("IF", "I"):
        decay, gain = np.ones(1), r * dt
    else:
        leak = _one(node, "v_leak", shape)
        decay, rate = _leak(node, "tau" if "tau" in node.fields else "tau_mem", shape, dt, integration)
        gain = r * rate
    current, current_decay = "none", 0.0
    if "tau_syn" in node.fields:
        kept, rate = _leak(node, "tau_syn", shape, dt, integration)
        if kept.size > 1:
            raise node.fail("tau_syn differs from channel to channel; needs one for the layer")
        current, current_decay = own.get("current", "new"), float(kept[0])
        gain = gain * rate * (_finite(node, "w_in", shape) if "w_in" in node.fields else 1.0)
    decay = _exactly(own, "decay", decay)
    gain = _exactly(own, "gain", gain)
    current_decay = float(_exactly(own, "current_decay", np.array([current_decay]))[0])
    if not (gain > 0).all():
        raise node.fail(f"its input counts {float(gain.min()):g} times in a step (R, w_in, tau and dt); needs above 0")
    reset = own.get("reset", "none" if silent else "hard")
    v_reset = _one(node, "v_reset", shape) if "v_reset" in node.fields and reset == "hard" else 0.0
    scale = NONE
    if gain.size > 1:
        scale, gain = np.broadcast_to(gain, shape[0]).copy(), np.ones(1)
    v0, bias = float(own.get("v0", leak)), NONE
    if (theta < leak).any() or (theta == leak).any():
        if current != "none" or (theta < 0).any() or v_reset < 0:
            raise node.fail(f"v_threshold {float(theta.min()):g} is not above v_leak {leak:g}, where it rests")
        # v <- decay*v + gain*x + (1 - decay)*v_leak: it rests at 0 and v_leak comes in with the input.
        bias = np.broadcast_to((1 - decay) * leak / gain, shape[0]).copy()
        leak = 0.0
    neuron = Neuron(
        decay, theta, bool(own.get("strict", True)), reset, own.get("order", "before"), gain=float(gain[0]),
        v_reset=v_reset, v_leak=leak, v0=v0, current=current, current_decay=current_decay,
        refractory=int(own.get("refractory", 0)),
    )  # fmt: skip
    return Firing(neuron, scale, bias)


# Of our metadata: key -> the values that it may have; empty: a number.
CHOICES: dict[str, tuple[Any, ...]] = {
    "reset": ("soft", "hard", "none"),
    "order": ("before", "after"),
    "current": ("new", "old"),
    "integration": INTEGRATIONS,
    "strict": (0, 1),
}
ARRAYS = ("decay", "gain", "current_decay")
NUMBERS = ("v0", "refractory", "dt")


def _own(node: Node) -> dict[str, Any]:
    """What metadata/volley of the node says. Raises VolleyError where it is not what we write."""
    found: dict[str, Any] = {}
    for key, value in node.own.items():
        array = np.asarray(value)
        if key in ARRAYS and array.dtype.kind in "iuf" and array.size and np.isfinite(array.astype(float)).all():
            found[key] = array.astype(np.float64).ravel()
            continue
        single = array.reshape(-1)[0] if array.size == 1 else None
        single = single.item() if isinstance(single, np.generic) else single
        number = isinstance(single, int | float) and math.isfinite(single) and abs(single) < 2**31
        if not (single in CHOICES[key] if key in CHOICES else key in NUMBERS and number):
            raise node.fail(f"metadata volley/{key} = {str(value)[:40]!r} is not known")
        found[key] = single
    return found


def _exactly(own: dict[str, Any], key: str, values: np.ndarray) -> np.ndarray:
    """Our own numbers where they are those of the fields, but for rounding: what was edited since counts."""
    stored = own.get(key)
    if stored is None or stored.size != values.size:
        return values
    return stored if np.allclose(stored, values, rtol=SAME, atol=SAME) else values


def per_channel(node: Node, name: str, shape: Shape) -> np.ndarray:
    """float64 [C], or [1] where all are equal. Raises VolleyError where neurons of one channel differ."""
    values = node.numbers(name)
    count = math.prod(shape)
    if values.size not in (1, shape[0], count):
        size = "x".join(map(str, values.shape))
        raise node.fail(f"{name} has {size} values for maps of {'x'.join(map(str, shape))}")
    flat = values.reshape(shape[0], -1) if values.size == count else values.reshape(-1, 1)
    if (flat == flat[0, 0]).all():
        return flat[0, :1].copy()
    if (odd := (flat != flat[:, :1]).any(1)).any():
        channel = int(odd.argmax())
        low, high = float(flat[channel].min()), float(flat[channel].max())
        raise node.fail(
            f"{name} differs from neuron to neuron of channel {channel} ({low:g} to {high:g}); needs one per channel"
        )
    return flat[:, 0].copy()


def _finite(node: Node, name: str, shape: Shape) -> np.ndarray:
    values = per_channel(node, name, shape)
    if not np.isfinite(values).all():
        raise node.fail(f"{name} is infinite")
    return values


def _one(node: Node, name: str, shape: Shape) -> float:
    values = _finite(node, name, shape)
    if values.size > 1:
        raise node.fail(
            f"{name} differs from channel to channel ({float(values.min()):g} to {float(values.max()):g}); needs one "
            "for the layer"
        )
    return float(values[0])


def _threshold(node: Node, name: str, shape: Shape) -> np.ndarray:
    values = _finite(node, name, shape)
    rest = _one(node, "v_leak", shape) if "v_leak" in node.fields else 0.0
    if (values < min(0.0, rest)).any():
        low, channel = float(values.min()), int(values.argmin())
        raise node.fail(f"{name} {low:g} of channel {channel} is negative; needs 0 or more")
    return values


def _leak(node: Node, name: str, shape: Shape, dt: float, integration: str) -> tuple[np.ndarray, np.ndarray]:
    """(what stays of a state in a step, 1 less that)."""
    tau = per_channel(node, name, shape)
    if not (tau > 0).all():
        raise node.fail(f"{name} {float(tau.min()):g} must be above 0, in seconds")
    rate = dt / tau
    if integration == "exact":
        rate = -np.expm1(-rate)
    if not (rate <= 1).all():
        raise node.fail(f"{name} {float(tau.min()):g} s is shorter than a time step, dt = {dt:g} s; give a smaller dt")
    return 1 - rate, rate
