# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""From a module and a sample to a proven spiking model: recorded twice, rolled up, replayed on other data."""

from __future__ import annotations

import contextlib
import copy
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from pyflow.errors import VolleyError
from pyflow.frontends.checkpoint import short
from pyflow.frontends.spiking import neurons
from pyflow.frontends.spiking.feedback import Feedback
from pyflow.frontends.spiking.outputs import Role
from pyflow.frontends.spiking.recording import leaves, record
from pyflow.frontends.spiking.replay import Replay
from pyflow.frontends.spiking.rolling import Body, Key, Site, first_difference, of_any_batch, roll
from pyflow.frontends.spiking.stand_in import check_norms
from pyflow.frontends.spiking.walk import Walk
from pyflow.graph import INPUT
from pyflow.model.spiking import NEAR, READOUTS, SPIKES, Neuron, NeuronState, SpikingModel

Run = Callable[[torch.Tensor], Any]
BATCH = 64
ALIKE = 1e-4  # of the largest membrane: what two float orders of addition may differ by


@dataclass(frozen=True, slots=True, eq=False)
class Captured:
    """A user's run over time, proven to be `model`. time_axis: of samples, None where they have none."""

    model: SpikingModel
    time_axis: int | None
    module: nn.Module
    body: Body
    walk: Walk

    def answers(self, sample: torch.Tensor) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """What the framework's own layers give of `sample`, as the run does: (float64 [N, classes], spikes of each
        layer of neurons, bool [N, T, ...], by its name; of INPUT those of an encoder)."""
        axis = frames_axis(self.time_axis)
        logits, spikes = [], dict[str, list[np.ndarray]]()
        with _kept(self.module):
            for start in range(0, sample.shape[axis], BATCH):
                part = sample.narrow(axis, start, min(BATCH, sample.shape[axis] - start))
                neurons.reset(self.module)
                torch.manual_seed(2)
                replay = Replay(self.body, part, part.shape[axis])
                logits.append(self.walk.read(replay.output).double().numpy().reshape(part.shape[axis], -1))
                for layer, key in self.walk.neurons.items():
                    if self.model.read and layer == self.model.network.layers[-1].name:
                        continue  # its membrane is read, and no spikes leave it
                    fired = _trains(replay, self.body.sites[key], self.body.steps)[1]
                    assert fired is not None
                    spikes.setdefault(layer, []).append((fired != 0).transpose(0, 1).numpy())
                if self.walk.encoder.site is not None:
                    spikes.setdefault(INPUT, []).append(self.walk.encoder.trains(replay, self.body.steps))
        return np.concatenate(logits), {layer: np.concatenate(trains) for layer, trains in spikes.items()}


def frames_axis(time_axis: int | None) -> int:
    """The axis of a sample along which its frames lie."""
    return 1 if time_axis == 0 else 0


def capture(
    model: nn.Module,
    sample: torch.Tensor,
    *,
    run: Run | None = None,
    steps: int | None = None,
    readout: str | None = None,
    time_axis: int | None = None,
    name: str = "network",
) -> Captured:
    """The float network over time of `model`, which is left as it was.

    sample: 8 frames or more. run: the user's loop, which calls the model; model(sample) where it is left out. steps:
    makes the loop around a model of one time step. readout: what is read of it. Raises VolleyError where the loop
    cannot be rolled up, or its replay on other data is not the run.
    """
    frames = frames_axis(time_axis)
    if sample.ndim < 2 + (time_axis is not None) or sample.shape[frames] < 8:
        raise VolleyError(f"sample: shape {tuple(sample.shape)}; needs 8 frames or more, a few hundred typical ones")
    if steps is not None and (type(steps) is not int or steps < 1):
        raise VolleyError(f"steps {steps!r} must be an integer of at least 1")
    if steps is not None and run is not None:
        raise VolleyError(f"steps = {steps}: run= has the loop over time already; leave one of them out")
    if steps is not None and readout is None:
        raise VolleyError(f"steps = {steps}: say what is read out too, readout= ({', '.join(READOUTS)})")
    with _kept(model):
        whole = readout not in (None, SPIKES)
        run = run or (model if steps is None else _looped(model, steps, time_axis, whole))
        parts = [sample.narrow(frames, start, size) for start, size in ((0, 2), (2, 3), (4, 4))]
        first, other = (_recorded(run, model, part, name) for part in parts[:2])
        if difference := first_difference(first, other):
            raise VolleyError(f"model {name!r}: {difference}; the network must not depend on its data or their number")
        body = of_any_batch(first, other, (2, 3))
        _check_replay(run, model, body, parts[2], name)
        walk = Walk(name, first, tuple(parts[0].shape), time_axis)
        found = walk.walk(readout)
        _check_leaves(model, body, parts[2], walk.neurons[found.network.layers[-1].name] if found.read else None)
    return Captured(found, time_axis, model, body, walk)


def _looped(model: nn.Module, steps: int, time_axis: int | None, whole: bool) -> Run:
    """`steps` times `model`. whole: with all that it gives, membranes beside its spikes; else its first output."""

    def run(x: torch.Tensor) -> list[Any]:
        state: tuple[Any, ...]
        outputs, state = [], ()
        for t in range(steps):
            output = model(x if time_axis is None else x.select(time_axis, t), *state)
            if isinstance(output, tuple) and not all(isinstance(part, torch.Tensor) for part in output):
                state = output[1:]  # Norse's models take it as it comes
            outputs.append(output[0] if isinstance(output, tuple) and (state or not whole) else output)
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
    steps = max(1, neuron_calls(recording.calls))
    check_norms(steps, Counter(call.site for call in recording.calls), model)
    return roll(recording, steps)


def neuron_calls(body_calls: Any) -> int:
    """T of a recording: each neuron is called once in a step, or some times."""
    counts: dict[str, int] = {}
    for call in body_calls:
        if call.module is not None and neurons.is_neuron(call.module):
            counts[call.site] = counts.get(call.site, 0) + 1
    loops = [count for count in counts.values() if count > 1]  # one is called once with a whole sequence
    return math.gcd(*loops) if loops else 1


def _check_replay(run: Run, model: nn.Module, body: Body, x: torch.Tensor, name: str) -> None:
    neurons.reset(model)
    torch.manual_seed(1)
    with torch.no_grad():
        want = [part for part in leaves(run(x)) if isinstance(part, torch.Tensor)]
    neurons.reset(model)
    torch.manual_seed(1)
    got = Replay(body, x, 4).output
    if len(got) != len(want) or not all(map(torch.equal, got, want)):
        raise VolleyError(
            f"model {name!r}: its loop, rolled up, gives another answer on other data; something in it depends on them"
        )


# ------------------------------------------------------------------ every neuron alone
def _check_leaves(model: nn.Module, body: Body, x: torch.Tensor, read: Key | None) -> None:
    """Raises VolleyError where a layer of neurons does not fire as its canonical form does, on the inputs of the
    run, or the layer `read`, whose membrane is the answer, gives another membrane."""
    neurons.reset(model)
    torch.manual_seed(3)
    replay = Replay(body, x, 4)
    for site in body.sites.values():
        module = site.call.module
        if module is None or not neurons.is_neuron(module):
            continue
        given, spikes = _trains(replay, site, body.steps)
        found, theirs = neurons.read(module, site.key[0]), None
        if site.key == read:
            theirs = _membranes(replay, site, body.steps)
        if (step := _first_other(found, neurons.feedback(module), given, spikes, theirs)) is not None:
            kind, what = type(module).__name__, "fires" if found.fires else "integrates"
            raise body.refuse(
                site, f"({kind}) {what} otherwise than its class does, first in step {step}; something changes it"
            )


def _trains(replay: Replay, site: Site, steps: int) -> tuple[torch.Tensor, torch.Tensor | None]:
    """(inputs, spikes) [T, N, ...] of a layer of neurons; None of one that does not fire."""
    fires = site.call.roles[0] is Role.SPIKES
    if site.every_step:
        given = torch.stack([replay.inputs[site.key, t] for t in range(steps)])
        return given, torch.stack([replay.steps[site.key, t][0] for t in range(steps)]) if fires else None
    return replay.inputs[site.key, None], replay.once[site.key][0] if fires else None


def _membranes(replay: Replay, site: Site, steps: int) -> torch.Tensor | None:
    """[T, N, ...] of a layer of neurons; None where it gives those of no steps."""
    roles = site.call.roles
    if site.every_step:
        number = roles.index(Role.MEMBRANE)
        return torch.stack([replay.steps[site.key, t][number] for t in range(steps)])
    if Role.MEMBRANE in roles:
        return replay.once[site.key][roles.index(Role.MEMBRANE)]
    return torch.stack(replay.once[site.key]) if set(roles) == {Role.STEP} else None


def _first_other(
    neuron: Neuron,
    feedback: Feedback | None,
    given: torch.Tensor,
    spikes: torch.Tensor | None,
    membranes: torch.Tensor | None,
) -> int | None:
    """The first step in which `neuron` fires otherwise than `spikes`, farther than NEAR from its threshold, or has
    another membrane; a neuron whose membrane came near its threshold is not compared any more."""
    shown = membranes if spikes is None else spikes
    if shown is None:
        return None
    state, x = NeuronState(neuron, shown.shape[1:]), given.double().numpy()
    sure, before, most = np.ones(shown.shape[1:], bool), np.zeros(shown.shape[1:]), 1.0
    for t, now in enumerate(x):
        z, off = state.step(feedback.drive(now, before) if feedback else now)
        if spikes is not None:
            before = (spikes[t].numpy() != 0).astype(np.float64)
            sure &= np.abs(off) > NEAR * np.maximum(1.0, np.abs(state.theta))
            if (sure & (z != (before != 0))).any():
                return t
        if membranes is not None:
            most = max(most, float(np.abs(state.membrane).max(initial=0)))
            if (sure & (np.abs(state.membrane - membranes[t].numpy()) > ALIKE * most)).any():
                return t
    return None


# ------------------------------------------------------------------ as it was
@contextlib.contextmanager
def _kept(model: nn.Module) -> Iterator[None]:
    """`model` in eval(), its states and its modes as they were afterwards."""
    states = [
        (m, m.training, dict(m._buffers), dict(vars(m)), copy.copy(vars(m).get("_memories"))) for m in model.modules()
    ]
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
