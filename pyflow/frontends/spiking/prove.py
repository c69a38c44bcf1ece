# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""From a module and a sample to a proven spiking model: recorded twice, rolled up, replayed on other data."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from pyflow.errors import VolleyError
from pyflow.frontends.checkpoint import short
from pyflow.frontends.spiking import neurons
from pyflow.frontends.spiking.recording import leaves, record
from pyflow.frontends.spiking.replay import Replay
from pyflow.frontends.spiking.rolling import Body, Site, first_difference, roll
from pyflow.frontends.spiking.walk import Walk, neuron_calls
from pyflow.model.spiking import Neuron, SpikingModel

Run = Callable[[torch.Tensor], Any]
NEAR = 1e-5  # of a threshold, relative: where two float orders of addition may decide otherwise
BATCH = 64


@dataclass(frozen=True, slots=True, eq=False)
class Proven:
    """model: what was captured. logits: of samples, as the user's own run gives them, float64 [N, classes]. spikes: of each
    layer of neurons, bool [N, T, ...], by its name."""

    model: SpikingModel
    logits: np.ndarray
    spikes: dict[str, np.ndarray]


def capture(
    model: nn.Module,
    sample: torch.Tensor,
    *,
    run: Run | None = None,
    steps: int | None = None,
    readout: str | None = None,
    time_axis: int | None = None,
    name: str = "network",
) -> Proven:
    """The float network over time of `model` on `sample`.

    run: the user's loop, which calls the model; model(sample) where it is left out. steps: makes the loop around a model of one
    time step. time_axis: of the sample, None where it is the same in every step. The module is left as it was.
    Raises VolleyError where the loop cannot be rolled up, or its replay is not the run.
    """
    if len(sample) < 8 and time_axis is None:
        raise VolleyError(f"sample: has {len(sample)} frames; give at least 8, a few hundred for a good choice of widths")
    with _kept(model):
        run = _looped(model, steps, time_axis) if steps is not None and run is None else (run or model)
        frames = 0 if time_axis is None else 1 - min(time_axis, 1)
        parts = [sample.narrow(frames, start, size) for start, size in ((0, 2), (2, 3), (5, 3))]
        bodies = [_recorded(run, model, part, name) for part in parts[:2]]
        if difference := first_difference(*bodies):
            raise VolleyError(f"model {name!r}: {difference}; the network must not depend on its data or their number")
        body = bodies[1]
        _check_replay(run, model, body, parts[2], name)
        walk = Walk(name, bodies[0], tuple(parts[0].shape), time_axis)
        found = walk.walk(readout)
        logits, spikes = [], dict[str, list[np.ndarray]]()
        for start in range(0, sample.shape[frames], BATCH):
            part = sample.narrow(frames, start, min(BATCH, sample.shape[frames] - start))
            neurons.reset(model)
            torch.manual_seed(2)
            replay = Replay(body, part)
            logits.append(walk.read(replay.output).double().numpy().reshape(part.shape[frames], -1))
            for layer, key in walk.neurons.items():
                fired = _trains(replay, body.sites[key], body.steps)[1]
                spikes.setdefault(layer, []).append((fired != 0).transpose(0, 1).numpy())
        _check_leaves(model, body, parts[1])
    return Proven(found, np.concatenate(logits), {k: np.concatenate(v) for k, v in spikes.items()})


def _looped(model: nn.Module, steps: int, time_axis: int | None) -> Run:
    def run(x: torch.Tensor) -> list[Any]:
        outputs = []
        for t in range(steps):
            output = model(x if time_axis is None else x.select(time_axis, t))
            outputs.append(output[0] if isinstance(output, tuple) else output)
        return outputs

    return run


def _recorded(run: Run, model: nn.Module, sample: torch.Tensor, name: str) -> Body:
    neurons.reset(model)
    torch.manual_seed(0)
    try:
        recording = record(run, model, sample)
    except VolleyError:
        raise
    except (Exception, SystemExit) as e:
        raise VolleyError(f"model {name!r}: fails on a sample {tuple(sample.shape)} ({short(e)})") from None
    return roll(recording, max(1, neuron_calls(recording.calls)))


def _check_replay(run: Run, model: nn.Module, body: Body, x: torch.Tensor, name: str) -> None:
    neurons.reset(model)
    torch.manual_seed(1)
    with torch.no_grad():
        want = [part for part in leaves(run(x)) if isinstance(part, torch.Tensor)]
    neurons.reset(model)
    torch.manual_seed(1)
    got = Replay(body, x).output
    if len(got) != len(want) or not all(map(torch.equal, got, want)):
        raise VolleyError(f"model {name!r}: its loop, rolled up, gives another answer on other data; something in it depends on them")


# ------------------------------------------------------------------ every neuron alone
def _check_leaves(model: nn.Module, body: Body, x: torch.Tensor) -> None:
    """Raises VolleyError where a layer of neurons does not fire as its canonical form does, on the inputs of the run."""
    neurons.reset(model)
    torch.manual_seed(3)
    replay = Replay(body, x)
    for site in body.sites.values():
        module = site.call.module
        if module is None or not neurons.is_neuron(module):
            continue
        given, spikes = _trains(replay, site, body.steps)
        if (step := _first_other(neurons.read(module, site.key[0]), given, spikes)) is not None:
            raise body.refuse(
                site, f"({type(module).__name__}) fires otherwise than its class does, first in step {step}; something changes it"
            )


def _trains(replay: Replay, site: Site, steps: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(inputs, spikes) [T, N, ...] of a layer of neurons."""
    if site.every_step:
        given = torch.stack([replay.inputs[site.key, t] for t in range(steps)])
        return given, torch.stack([replay.steps[site.key, t][0] for t in range(steps)])
    return replay.inputs[site.key, None], replay.once[site.key][0]


def _first_other(neuron: Neuron, given: torch.Tensor, spikes: torch.Tensor) -> int | None:
    """The first step in which `neuron` fires otherwise than `spikes`, farther than NEAR from its threshold; a neuron whose
    membrane came near it is not compared any more."""
    x, fired = given.double().numpy(), spikes.double().numpy() != 0

    def channels(values: np.ndarray) -> np.ndarray:
        return values.reshape(1, -1, *[1] * (x.ndim - 3))

    decay, theta = channels(neuron.decay), channels(neuron.theta)
    v = np.full(x.shape[1:], neuron.v0)
    i, z = np.zeros(x.shape[1:]), np.zeros(x.shape[1:], bool)
    sure = np.ones(x.shape[1:], bool)
    for t, now in enumerate(x):
        drive = now
        if neuron.current != "none":
            following = neuron.current_decay * i + now
            drive, i = (following if neuron.current == "new" else i), following
        v = neuron.v_leak + decay * (v - neuron.v_leak) + neuron.gain * drive
        if neuron.order == "after":
            v = _after_reset(neuron, v, z, theta)
        off = v - theta
        sure &= np.abs(off) > NEAR * np.maximum(1.0, np.abs(theta))
        z = off > 0 if neuron.strict else off >= 0
        if (sure & (z != fired[t])).any():
            return t
        z = np.where(sure, z, fired[t])
        if neuron.order == "before":
            v = _after_reset(neuron, v, z, theta)
    return None


def _after_reset(neuron: Neuron, v: np.ndarray, z: np.ndarray, theta: np.ndarray) -> np.ndarray:
    if neuron.reset == "none":
        return v
    return v - z * theta if neuron.reset == "soft" else np.where(z, neuron.v_reset, v)


# ------------------------------------------------------------------ as it was
@contextlib.contextmanager
def _kept(model: nn.Module) -> Iterator[None]:
    """`model` in eval(), its states and its modes as they were afterwards."""
    states = [(m, m.training, dict(m._buffers), dict(vars(m)), copy.copy(vars(m).get("_memories"))) for m in model.modules()]
    seed = torch.get_rng_state()
    model.eval()
    try:
        yield
    finally:
        torch.set_rng_state(seed)
        for module, training, buffers, values, memories in states:
            for key in set(vars(module)) - set(values):
                del module.__dict__[key]
            module.__dict__.update(values)
            module._buffers.clear()
            module._buffers.update(buffers)
            if memories is not None:
                module._memories = memories
            module.training = training
