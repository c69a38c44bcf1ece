# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Membranes as the answer: the operator that reads them, and how far integers are from the float network."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np

from pyflow.graph import Network
from pyflow.model.graph import FloatConv, FloatLayer, FloatLinear, Synapse
from pyflow.model.spiking import FloatNeuron, Neuron, SpikingModel
from pyflow.operators import LIFNeuron, MembraneReadout, Readout
from pyflow.operators import Synapse as SynapseOperator

LOGIT_BITS = 31  # of a readout's input, with room for its bias


def silenced(model: SpikingModel) -> SpikingModel:
    """`model` with leaky integrators in its last layer, where its membrane is read and spikes do not change it: it has
    no reset, or cannot reach its threshold."""
    layer = model.network.layers[-1]
    if not (model.read and isinstance(layer, FloatNeuron) and layer.neuron.fires):
        return model
    if layer.neuron.reset != "none" and not _below(layer.neuron, model.network[layer.source], model):
        return model
    quiet = replace(layer.neuron, theta=np.array([np.inf]), reset="none")
    return replace(model, network=model.network.edited([replace(layer, neuron=quiet)], {}))


def _below(neuron: Neuron, front: FloatLayer | None, model: SpikingModel) -> bool:
    """Can no spikes of the layer before `front` bring the membrane to its threshold?"""
    if not isinstance(front, FloatConv | FloatLinear) or not isinstance(model.network[front.source], FloatNeuron):
        return False
    drive = float(_most(front).max()) * neuron.gain
    if neuron.current != "none":
        drive *= min(float(model.steps), 1 / max(1e-9, 1 - neuron.current_decay))
    return bool(abs(neuron.v_leak) + abs(neuron.v0 - neuron.v_leak) + model.steps * drive < neuron.theta.min())


def _most(front: Synapse) -> np.ndarray:
    """float64 [C], the largest magnitude of what a layer of weights gives for spikes."""
    weight = front.weight.reshape(len(front.weight), -1)
    most: np.ndarray = np.abs(weight).sum(1) + np.abs(front.bias)
    return most


def membrane(op: LIFNeuron, model: SpikingModel, layer: FloatNeuron) -> MembraneReadout:
    """The neurons `op` with what `model` reads of the membranes of `layer`, its last one."""
    values = {f.name: getattr(op, f.name) for f in fields(op)}
    room = (model.steps - 1).bit_length() if model.read == "sum" else 0
    values["width"] = min(op.width, LOGIT_BITS - 1 - room)
    return MembraneReadout(**values, read=model.read, before_reset=layer.neuron.gives_met)


def logits(model: SpikingModel, source: str, unit: float, channels: int) -> Readout:
    """The membranes `source`, which count from the rest, as logits. unit: real value of one."""
    layer = model.network.layers[-1]
    assert isinstance(layer, FloatNeuron)
    rest = layer.neuron.v_leak * (model.steps if model.read == "sum" else 1)
    return Readout("logits", (source,), bias=np.full(channels, np.rint(rest / unit)))


def deviation(
    model: SpikingModel, network: Network, difference: np.ndarray, equal: np.ndarray
) -> dict[str, float | None]:
    """Of a network that answers with membranes. difference: float64 [N, classes], of the answers. equal: bool [N],
    frames in which all spikes in front are the framework's.

    largest: the largest difference. bound: one that holds where spikes in front are equal; None of neurons that fire.
    largest_equal: the largest one there. equal: the share of those frames. All in units of the answer.
    """
    size = np.abs(difference).max(1, initial=0)
    return {
        "largest": float(size.max(initial=0)),
        "bound": bound(model, network),
        "largest_equal": float(size[equal].max(initial=0)),
        "equal": round(float(equal.mean()), 4),
    }


def bound(model: SpikingModel, network: Network) -> float | None:
    """The most that rounding of weights, leaks and membranes moves the answer of leaky integrators, where the spikes
    in front are equal; None of neurons that fire, and of integrators behind a sum or an input of pixels."""
    layer = model.network.layers[-1]
    assert isinstance(layer, FloatNeuron)
    op = next(op for op in network.operators if isinstance(op, MembraneReadout))
    synapse = next((s for s in network.operators if s.name == op.inputs[0]), None)
    if layer.neuron.fires or not isinstance(synapse, SynapseOperator) or network.tensors[synapse.inputs[0]].bound != 1:
        return None
    neuron, front = layer.neuron, model.network[layer.source]
    assert isinstance(front, FloatConv | FloatLinear)
    ulp = network.logit_scale / abs(model.scale)  # of the membrane
    unit = ulp * 2.0**op.frac / neuron.gain
    weight = front.weight.reshape(len(front.weight), -1)
    rounded = synapse.weight.reshape(weight.shape) * unit
    one = unit / 2.0**op.frac
    bias = front.bias - (op.bias if op.bias.size else 0) * one
    error = np.abs(weight - rounded).sum(1) + np.abs(bias)  # of the drive of a step, at most
    most = _most(front)
    exact = op.leak == "none" or (op.leak == "shift" and op.frac >= op.leak_shift * model.steps)
    kept = _kept(op.leak, op.leak_shift, op.alpha, op.leak_frac)
    kept_i = _kept(op.current_leak, op.current_shift, np.array([op.current_alpha]), op.current_frac)
    v = v_error = i = i_error = np.zeros(len(weight))
    errors = []
    for _ in range(model.steps):
        i_error = kept_i * i_error + np.abs(kept_i - neuron.current_decay) * i + one + error
        i = neuron.current_decay * i + most
        drive, drive_error = (most, error) if neuron.current == "none" else (i, i_error)
        v_error = kept * v_error + np.abs(kept - neuron.decay) * v + neuron.gain * drive_error + (not exact) * ulp
        v = neuron.decay * v + neuron.gain * drive
        errors.append(v_error)
    total = np.sum(errors, 0) if model.read == "sum" else np.max(errors, 0)
    rest = 0.5 * network.logit_scale if neuron.v_leak else 0.0  # in the bias of the logits
    return float(total.max() * abs(model.scale) + rest)


def _kept(kind: str, shift: int, alpha: np.ndarray, frac: int) -> np.ndarray:
    """What the integers keep of a state in a step, but for their floor."""
    return np.asarray({"none": np.ones(1), "shift": np.ones(1) - 2.0**-shift}.get(kind, alpha / 2.0**frac))
