# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What the integers of a network keep of the float one, layer by layer, on calibration images; and the warnings where
accuracy will be lost."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from pyflow.conversion.specs import Layout, NeuronSpec
from pyflow.conversion.torch_blocks import float_values
from pyflow.graph import Network
from pyflow.model.graph import FloatNetwork
from pyflow.operators import RadixNeuron

IMAGES = 64  # at most
VALUES = 1 << 25  # of all layers on all images, at most
CORRELATION = 0.9  # of a layer; networks with one below it lost 1.9 points of accuracy and more (decision 0041)
SATURATED = 0.05  # of the positive values; the percentile that scales are chosen by leaves 0.001
STEADY = 1e-3  # a channel that varies by less, of its layer's deviation, carries nothing that can be lost
SHOWN = 8  # channels named in a message


@dataclass(frozen=True, slots=True)
class Fidelity:
    """One layer in integers beside itself in float. name: of the Conv, Linear or sum that fires, or gives the logits.
    correlation: of all its values, each channel around its mean; None where either side is constant. constant: channels
    that vary in float only. saturated: share of the positive float values that are beyond the largest code."""

    name: str
    label: str
    correlation: float | None
    channels: int
    constant: tuple[int, ...]
    saturated: float


def some_of(
    network: FloatNetwork, images: np.ndarray, *, fewest: int = 1, most: int = IMAGES, values: int = VALUES
) -> np.ndarray:
    """`fewest` to `most` images, evenly spread: files are often sorted by class. values: of all layers on all of them,
    at most, where that is not fewer than `fewest`."""
    each = sum(map(math.prod, network.shapes.values()))
    count = min(len(images), max(fewest, min(most, values // max(1, each))))
    return np.asarray(images[np.linspace(0, len(images) - 1, count).astype(int)])


def compared(plan: Layout, scales: Mapping[str, float], network: Network, images: np.ndarray) -> list[Fidelity]:
    """Every firing layer and the readout. scales: by unit, as the integers of `network` have them; images: float
    [N, C, H, W] in [0, 1]."""
    x = some_of(plan.network, images)
    values = float_values(plan.network.edited(spec.layer for spec in plan.synapses), x)
    fires = {op.inputs[0]: op.name for op in network.operators if isinstance(op, RadixNeuron)}
    names = [fires[spec.key] for spec in plan.neurons if spec.steps]
    logits, codes = network.run(x, trace=names) if names else (network.run(x), {})
    found = []
    for spec in plan.neurons:
        real = values[spec.name].numpy()
        if spec.steps:
            unit = plan.scales(scales)[spec.codes.segments[0].unit]
            found.append(_fidelity(spec, real, codes[fires[spec.key]] * unit, unit * (2**spec.steps - 0.5)))
        else:
            found.append(_fidelity(spec, real, logits[:, :, None, None] * network.logit_scale, math.inf))
    return found


def _fidelity(spec: NeuronSpec, real: np.ndarray, integer: np.ndarray, most: float) -> Fidelity:
    theirs = np.minimum(real, spec.ceiling)
    ours, moves = (x - x.mean((0, 2, 3), keepdims=True) for x in (integer, theirs))
    power = float(np.sqrt((ours**2).sum() * (moves**2).sum()))
    positive = theirs > 0
    varies = np.ptp(real, axis=(0, 2, 3)) > STEADY * real.std()
    constant = varies & (np.ptp(integer, axis=(0, 2, 3)) == 0)
    return Fidelity(
        spec.key,
        spec.label,
        float((ours * moves).sum()) / power if power > 0 else None,
        real.shape[1],
        tuple(map(int, np.flatnonzero(constant))),
        float((theirs[positive] > most).mean()) if positive.any() else 0.0,
    )


def records(found: list[Fidelity]) -> list[dict[str, object]]:
    """As JSON-able values, for the network's meta and the report."""
    return [{**asdict(layer), "constant": list(layer.constant)} for layer in found]


def warn(found: list[Fidelity]) -> None:
    """One warning for each kind of loss in a layer, with its figure and a remedy; a low correlation at the first layer
    alone, since those behind it inherit it."""
    low = next((x for x in found if x.correlation is not None and x.correlation < CORRELATION), None)
    for layer in found:
        last = layer is found[-1]
        what, every = "outputs" if last else "channels", len(layer.constant) == layer.channels
        if layer.constant:
            shown = ", ".join(map(str, layer.constant[:SHOWN])) + (" …" if len(layer.constant) > SHOWN else "")
            cure = (
                "their weights are small beside those of other outputs, which share one scale: raise weight_bits of "
                "this layer, or scale these outputs' weights and undo it behind the network"
                if last and not every
                else f"raise timesteps or weight_bits {'up to' if every else 'of'} this layer, or fine-tune"
            )
            warnings.warn(
                f"layer {layer.label!r}: {len(layer.constant)} of {layer.channels} {what} vary in float and are "
                f"constant in integers ({shown}); {cure}",
                stacklevel=3,
            )
        if layer.saturated > SATURATED:
            warnings.warn(
                f"layer {layer.label!r}: {100 * layer.saturated:.1f} % of its positive values are beyond the largest "
                "code; raise percentile, or timesteps of this layer",
                stacklevel=3,
            )
        if layer is low:
            warnings.warn(
                f"layer {layer.label!r}: correlation with the float network is {layer.correlation:.2f} on the "
                f"calibration images, and accuracy is lost below {CORRELATION}; raise timesteps (with "
                "input_bits) and weight_bits up to this layer, or fine-tune",
                stacklevel=3,
            )
