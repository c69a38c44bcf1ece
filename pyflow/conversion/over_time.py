# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""convert_spiking(): a network of a spiking framework becomes an integer network over time."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from pyflow.conversion.encoded import behind_encoder
from pyflow.conversion.float_steps import check_function
from pyflow.conversion.membrane import deviation, silenced
from pyflow.conversion.samples import as_frames, checked
from pyflow.conversion.spiking import Precision, check_bits, fitted_widths, integers, ordered
from pyflow.errors import VolleyError
from pyflow.frames import decided
from pyflow.frontends.spiking.prove import Captured, capture, frames_axis
from pyflow.graph import INPUT, Network
from pyflow.model.spiking import SpikingModel

FRACTIONS = (2, 4, 6, 8, 10, 12)  # fraction bits of a potential, the fewest that reach are taken
AGREE = 0.995  # share of samples whose largest logit is that of the float network
SAMPLES = 512  # on which that is measured
OVER_TIME = ("run", "steps", "readout", "time_axis")  # options that only such a model has
OTHERS = ("timesteps", "weight_bits", "input_bits", "percentile", "input_shape", "seed", "name", "like", "ties")


def check_options(given: Iterable[str], spiking: bool, known: tuple[str, ...] = OVER_TIME) -> None:
    """Raises VolleyError for the first of the options `given` that is not `known`, or that only a spiking model has."""
    for name in given:
        if name not in known:
            close = difflib.get_close_matches(name, (*known, *OTHERS), 1)
            raise VolleyError(f"{name}: is no option" + (f"; {close[0]!r} is" if close else ""))
        if not spiking:
            raise VolleyError(
                f"{name}: is for models with neurons of a spiking framework, which this model has none of"
            )


def convert_spiking(
    model: nn.Module,
    sample: np.ndarray,
    *,
    run: Callable[[torch.Tensor], Any] | None = None,
    steps: int | None = None,
    readout: str | None = None,
    time_axis: int | None = None,
    weight_bits: int = 8,
    name: str | None = None,
) -> Network:
    """Convert a network of snnTorch, SpikingJelly or Norse to a Network of integers over time.

    model: nn.Module with the framework's neurons, in eval(); it is left as it was. sample: a few hundred typical inputs
        as the model takes them: [N, C, H, W] in [0, 1], the same in every time step; or with an axis of time spikes of
        0 and 1, samples in [0, 1] (integers 0..255 stand for x / 255), or counts of events (whole floats up to 255).
    run: the user's loop over time, a function of the sample that calls the model. steps, readout: of a model that is
        one time step, T and what is read out of the last layer: "spikes-sum", or "membrane-last", "membrane-sum",
        "membrane-max"; also of a run that gives the membranes of all steps. time_axis: of the sample, 0 or 1.
        weight_bits: W, 2 to 8.

    Fraction bits and widths of the membranes are the smallest with which 99.5 % of the samples get the float
    network's class; where none do, a warning says how many. meta["verdict"] tells of each layer of neurons what
    share of its spike trains is equal to the framework's; meta["membrane"], of an answer of membranes, how far it is
    from the framework's. A random rate encoder in the run is the encoder core's, whose draws are others: the verdict is
    that of the framework's spikes, meta["agreement_encoded"] the share of samples with its class on spikes of the core.
    Raises VolleyError naming what cannot be converted, and where.
    """
    name = name or type(model).__name__.lower()
    values, code = checked(sample, time_axis)
    captured = capture(model, values, run=run, steps=steps, readout=readout, time_axis=time_axis, name=name)
    captured = replace(captured, model=replace(captured.model, sample_code=code))
    return quantised(captured, values, weight_bits)


def quantised(captured: Captured, sample: torch.Tensor, weight_bits: int) -> Network:
    """The integers of a captured network; see convert_spiking()."""
    check_bits(weight_bits)
    known = answered(captured, sample)
    model, frames, logits = known.model, known.frames, known.logits
    network, share = fitted(model, frames, logits, weight_bits)
    if model.read:
        network = with_deviation(network, model, frames, logits, known.spikes)
    network = network.with_meta(verdict=verdict(network, known.spikes, frames), agreement=round(share, 4))
    if not known.encoded:
        return network
    network = behind_encoder(network)
    alike = round(_alike(network.run(known.images) * network.logit_scale, logits), 4)
    return network.with_meta(encoder="random rate: draws of its own, statistical", agreement_encoded=alike)


@dataclass(frozen=True, slots=True, eq=False)
class Answered:
    """A captured model in the order that integers need, on some of its sample.

    images: as the network takes them. frames: what the layers read of them, the framework's spikes where the run has
    an encoder (encoded). logits: float64 [N, classes], spikes: of each layer of neurons, both of the framework.
    """

    model: SpikingModel
    images: np.ndarray
    frames: np.ndarray
    logits: np.ndarray
    spikes: dict[str, np.ndarray]
    encoded: bool


def answered(captured: Captured, sample: torch.Tensor) -> Answered:
    """Raises VolleyError where the layers that were captured do not answer as the run does."""
    model = silenced(ordered(captured.model))
    sample = sample.narrow(frames_axis(captured.time_axis), 0, min(SAMPLES, _count(sample, captured.time_axis)))
    logits, spikes = captured.answers(sample)
    images = frames = as_frames(sample, captured.time_axis, model.sample_code)
    if (encoded := spikes.pop(INPUT, None)) is not None:
        frames = encoded.reshape(*encoded.shape[:2], *images.shape[1:]).astype(np.float32)
    check_function(model, frames, logits)
    return Answered(model, images, frames, logits, spikes, encoded is not None)


def fitted(
    model: SpikingModel, frames: np.ndarray, want: np.ndarray, weight_bits: int, spare: int = 1
) -> tuple[Network, float]:
    """(the integers of an ordered model with the fewest fraction bits that reach, the share of `frames` that they give
    the class of `want`, float [N, classes]; of one output, its value). spare: bits of a membrane above what it reaches
    on `frames`. Warns where none reach."""
    best: tuple[float, Network] | None = None
    for frac in FRACTIONS:
        precision = Precision(weight_bits, frac)
        try:
            wide = integers(model, precision)
            network = integers(model, replace(precision, widths=tuple(fitted_widths(wide, frames, spare))))
        except VolleyError:
            if best:
                break
            raise
        share = _alike(network.run(frames) * network.logit_scale, want)
        if best is None or share > best[0]:
            best = share, network
        if share >= AGREE:
            break
    assert best is not None
    share, network = best
    if share < AGREE:
        warnings.warn(
            f"model {network.name!r}: the integers give the class of the float network on {100 * share:.1f} % of the "
            f"samples; raise weight_bits = {weight_bits}",
            stacklevel=4,
        )
    return network, share


def _alike(got: np.ndarray, want: np.ndarray) -> float:
    if want.shape[1] > 1:
        return float((decided(got) == decided(want)).mean())
    return float((np.abs(got - want) <= (1 - AGREE) * np.abs(want).max(initial=0)).mean())


def verdict(network: Network, spikes: dict[str, np.ndarray], frames: np.ndarray) -> dict[str, float]:
    """By layer of neurons, the share of its spike trains (a neuron, a sample) that are equal to the framework's."""
    equal = _equal_trains(network, spikes, frames)
    return {layer: round(float(same.mean()), 4) for layer, same in equal.items()}


def with_deviation(
    network: Network, model: SpikingModel, frames: np.ndarray, logits: np.ndarray, spikes: dict[str, np.ndarray]
) -> Network:
    """`network` with meta["membrane"]."""
    equal = np.ones(len(frames), bool)
    for same in _equal_trains(network, spikes, frames).values():
        equal &= same.reshape(len(frames), -1).all(1)
    return network.with_meta(
        membrane=deviation(model, network, network.run(frames) * network.logit_scale - logits, equal)
    )


def _equal_trains(network: Network, spikes: dict[str, np.ndarray], frames: np.ndarray) -> dict[str, np.ndarray]:
    """By layer of neurons, bool [N, C, H, W]: is the train of spikes equal to the framework's?"""
    if not spikes:
        return {}
    _, trace = network.run(frames, trace=list(spikes))
    ours = {layer: trace[layer].astype(bool) for layer in spikes}
    return {layer: (own == spikes[layer].reshape(own.shape)).all(1) for layer, own in ours.items()}


def _count(sample: torch.Tensor, time_axis: int | None) -> int:
    return sample.shape[frames_axis(time_axis)]
