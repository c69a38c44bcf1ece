# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""convert_nir() and write_nir(): a NIR graph becomes an integer network over time, a spiking model a graph."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from pyflow.conversion.float_steps import answers
from pyflow.conversion.membrane import silenced
from pyflow.conversion.over_time import SAMPLES, fitted, verdict, with_deviation
from pyflow.conversion.samples import as_frames, checked
from pyflow.conversion.spiking import check_bits, ordered
from pyflow.errors import VolleyError
from pyflow.frontends.nir import Graph, model_of, read_graph
from pyflow.frontends.nir import write_nir as save
from pyflow.frontends.spiking.prove import capture
from pyflow.graph import Network
from pyflow.model.spiking import SpikingModel

FRAMES = 64  # of random spikes
RANDOM = 0.25  # share of neurons and steps in which they fire
MOST = 1 << 24  # values of a sample
SPARE = 3  # bits of a membrane above what random spikes reach


def convert_nir(
    graph: str | os.PathLike[str] | Any,
    sample: np.ndarray | None = None,
    *,
    dt: float | None = None,
    steps: int | None = None,
    readout: str | None = None,
    time_axis: int | None = 1,
    weight_bits: int = 8,
    integration: str = "euler",
    name: str | None = None,
) -> Network:
    """Convert a NIR graph to a Network of integers over time.

    graph: a .nir file, or a graph of the package `nir`. sample: a few hundred typical inputs, with an axis of time
        spikes of 0 and 1, or numbers as convert() takes them ([N, T, ...]; time_axis=0: [T, N, ...]), or with
        time_axis=None images in [0, 1] that stay, [N, ...]. Without it random spikes decide on widths, and a warning
        says so.
    dt: seconds of a time step. steps: T. readout: of the last node, "spikes-sum" (what it gives, added over time), or
        "membrane-last", "membrane-sum", "membrane-max". All three are needed: a graph is of continuous time.
    integration: of leaks, "euler" (decay 1 - dt/tau, as Norse and snnTorch) or "exact" (exp(-dt/tau)). weight_bits: W,
        2 to 8.

    Fraction bits and widths are found as convert() finds them; meta["verdict"] tells of each layer what share of its
    spike trains is that of the float network. Raises VolleyError naming the node that has no form, and what would work.
    """
    check_bits(weight_bits)
    read = graph if isinstance(graph, Graph) else read_graph(graph)
    name = name or (Path(graph).stem.lower() if isinstance(graph, str | os.PathLike) else "network")
    timed = time_axis is not None if sample is not None else bool(read.stated("timed", None) in (None, 1))
    form: dict[str, Any] = {"dt": dt, "steps": steps, "readout": readout, "integration": integration, "name": name}
    found = model_of(read, timed=timed, **form)
    values, code = checked(sample, time_axis) if sample is not None else (None, 0.0)
    model = silenced(ordered(replace(found, sample_code=code)))
    shape = (*((found.steps,) if timed else ()), *found.network.input_shape)
    if values is None:
        warnings.warn(
            f"model {name!r}: no data given: fraction bits and widths are what random spikes need; give typical inputs",
            stacklevel=2,
        )
        frames = random_frames(shape, timed)
    else:
        frames = as_frames(values, time_axis, code)
        if math.prod(frames.shape[1:]) != math.prod(shape) or (timed and frames.shape[1] != found.steps):
            raise VolleyError(f"sample: shape {frames.shape[1:]} does not fit the graph, which takes {shape}")
        frames = frames.reshape(len(frames), *shape)[: max(1, min(SAMPLES, MOST // math.prod(shape)))]
    trains: dict[str, np.ndarray] = {}
    want, _ = answers(model, frames, trains)
    network, share = fitted(model, frames, want, weight_bits, 1 if sample is not None else SPARE)
    if model.read:
        trains.pop(model.network.layers[-1].name)  # its membrane is the answer
        network = with_deviation(network, model, frames, want, trains)
    return network.with_meta(verdict=verdict(network, trains, frames), agreement=round(share, 4), dt=dt)


def write_nir(
    model: nn.Module | SpikingModel,
    path: str | os.PathLike[str],
    sample: np.ndarray | None = None,
    *,
    dt: float,
    run: Callable[[torch.Tensor], Any] | None = None,
    steps: int | None = None,
    readout: str | None = None,
    time_axis: int | None = None,
) -> None:
    """Write a network of snnTorch, SpikingJelly or Norse as a NIR graph.

    model: nn.Module with the framework's neurons, or a SpikingModel. sample, run, steps, readout, time_axis: of a
        module, as convert() takes them. dt: seconds of a time step, which give decays their time constants.

    What NIR has no field for stands in the metadata; convert_nir() makes the same float network of the file. Raises
    VolleyError naming a layer that NIR has no node for.
    """
    if isinstance(model, SpikingModel):
        save(model, path, dt=dt)
        return
    if sample is None:
        raise VolleyError("write_nir: give a sample of the model's inputs, on which it is captured")
    options: dict[str, Any] = {"run": run, "steps": steps, "readout": readout, "time_axis": time_axis}
    captured = capture(model, checked(sample, time_axis)[0], name=type(model).__name__.lower(), **options)
    save(captured.model, path, dt=dt)


def random_frames(shape: tuple[int, ...], timed: bool, frames: int = FRAMES) -> np.ndarray:
    """Always the same: uint8 [N, T, C, H, W] of 0 and 1, or images, float64 [N, C, H, W] in [0, 1]. shape: no N."""
    count = max(1, min(frames, MOST // math.prod(shape)))
    values = np.random.default_rng(0).random((count, *shape))
    return (values < RANDOM).astype(np.uint8) if timed else values
