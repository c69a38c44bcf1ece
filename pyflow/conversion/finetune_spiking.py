# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Fine-tuning of a spiking model whose forward pass is its network of integers over time.

Thresholds, leaks and the units of weights are those that conversion chooses. Trained are weights and biases, through
their roundings (straight-through) and through spikes (a surrogate gradient).
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from pyflow.conversion.encoded import behind_encoder
from pyflow.conversion.epochs import Augment, FineTuned, check_labels, name_of, run_epochs
from pyflow.conversion.over_time import answered, fitted
from pyflow.conversion.samples import as_frames, checked
from pyflow.conversion.spiking import Precision, check_bits, unrounded
from pyflow.conversion.spiking_quant import SLOPE, SpikingQuant
from pyflow.conversion.training import Training, digest
from pyflow.data import Dataset
from pyflow.frames import decided
from pyflow.frontends.spiking.prove import capture
from pyflow.integers import ceil_div
from pyflow.operators import LIFNeuron, Synapse

SPARE = 2  # bits of a membrane above what it reaches before training


def finetune_spiking(
    model: nn.Module,
    data: Dataset,
    *,
    run: Callable[[torch.Tensor], Any] | None = None,
    steps: int | None = None,
    readout: str | None = None,
    time_axis: int | None = None,
    weight_bits: int = 4,
    epochs: int = 6,
    seed: int = 0,
    learning_rate: float = 5e-3,
    batch_size: int = 128,
    augment: Augment | None = None,
    name: str | None = None,
    teacher: nn.Module | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    slope: float = SLOPE,
) -> FineTuned:
    """Fine-tune a model of snnTorch, SpikingJelly or Norse in the integers that convert() makes of it.

    run, steps, readout, time_axis, weight_bits, name: as in convert(); data with time is [N, T, ...]. learning_rate: of
    Adam, cosine to 0, in shares of the largest weight, for biases of the threshold. slope: of the surrogate gradient,
    see surrogate.py. All else as of finetune(). Raises VolleyError as both do, and for networks with loops.
    """
    check_bits(weight_bits)
    name = name or type(model).__name__.lower()

    def taken(x: np.ndarray) -> tuple[torch.Tensor, float]:
        return checked(np.moveaxis(x, 1, time_axis) if time_axis is not None else x, time_axis)

    sample, code = taken(data.calibration)
    captured = capture(model, sample, run=run, steps=steps, readout=readout, time_axis=time_axis, name=name)
    captured = replace(captured, model=replace(captured.model, sample_code=code))
    known = answered(captured, sample)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what rounding loses is to be trained
        network, _ = fitted(known.model, known.frames, known.logits, weight_bits, SPARE)
    frac = next(op.frac for op in network.operators if isinstance(op, LIFNeuron))
    exact = unrounded(known.model, Precision(weight_bits, frac))
    if known.encoded:
        network = behind_encoder(network)
    check_labels(data, network.classes)
    quant = SpikingQuant(network, exact, slope)
    x, y = torch.from_numpy(data.x_train), torch.from_numpy(data.y_train)

    def answer(batch: torch.Tensor) -> torch.Tensor:
        frames = as_frames(batch, None) if time_axis is None else as_frames(batch, 1, code)
        logits: torch.Tensor = quant(frames)
        return logits

    optimiser = torch.optim.Adam(quant.parameters(), learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, ceil_div(len(x), batch_size) * epochs)
    facts = {
        "training": "fine-tuning over time",
        "model": digest([op for op in network.operators if not isinstance(op, Synapse)], sorted(exact.items())),
        "training images": digest(x, y),
        "weight_bits": weight_bits,
        "epochs": epochs,
        "seed": seed,
        "learning_rate": learning_rate,
        "slope": slope,
        "batch_size": batch_size,
        "augment": None if augment is None else name_of(augment),
        "teacher": teacher and digest(list(teacher.state_dict().values())),
        "torch": torch.__version__,
    }
    training = Training(quant, optimiser, schedule, torch.Generator().manual_seed(seed), facts, checkpoint)
    training.resume()
    run_epochs(training, answer, x, y, epochs=epochs, batch_size=batch_size, augment=augment, teacher=teacher)
    tuned = quant.current(seed=seed)
    test, _ = taken(data.x_test)
    frames = as_frames(test, time_axis, code)
    found = float((decided(tuned.run(frames)) == data.y_test).mean())
    return FineTuned(tuned, found, tuple(training.losses), quant, tuple(training.accuracies))
