# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Quantisation-aware fine-tuning whose forward pass is the integer network itself.

Every step rounds the weights with the same function that conversion uses and computes exact integer
codes; gradients pass the roundings straight through (STE), and the activation scales are learned
(LSQ, arXiv 1902.08153). So converting the result gives exactly the network that was trained.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from pyflow.conversion.epochs import Augment as Augment
from pyflow.conversion.epochs import FineTuned as FineTuned
from pyflow.conversion.epochs import accuracy as accuracy
from pyflow.conversion.epochs import augmented as augmented
from pyflow.conversion.epochs import check_labels, check_training, name_of, run_epochs
from pyflow.conversion.fake_quant import FakeQuant
from pyflow.conversion.finetune_spiking import finetune_spiking
from pyflow.conversion.images import check_images
from pyflow.conversion.layout import Options
from pyflow.conversion.over_time import OVER_TIME, check_options
from pyflow.conversion.radix import calibrate, check_seed, measured, prepare
from pyflow.conversion.training import Training, digest
from pyflow.data import Dataset
from pyflow.errors import VolleyError
from pyflow.frontends.spiking.neurons import is_spiking
from pyflow.integers import ceil_div
from pyflow.model.graph import FloatNetwork


def finetune(
    model: nn.Module | FloatNetwork,
    data: Dataset,
    *,
    timesteps: int | Mapping[str, int] = 4,
    weight_bits: int | Mapping[str, int] = 4,
    input_bits: int | None = None,
    epochs: int = 6,
    seed: int = 0,
    learning_rate: float | None = None,
    batch_size: int = 128,
    augment: Augment | None = None,
    name: str | None = None,
    percentile: float | str = "mse",
    teacher: nn.Module | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    **over_time: Any,
) -> FineTuned:
    """Fine-tune `model` in integers on data.x_train and convert it.

    The last epoch is taken: the test images are only measured.

    timesteps, weight_bits, input_bits, percentile, name: as in convert(). learning_rate: of Adam, cosine to 0;
        default 1e-3.
    augment: (images, generator) -> images, called on every batch: float32 [N, ...] in [0, 1], as it gets them. It draws
        from the generator, or from torch's own.
    teacher: a float model whose soft labels are mixed in (distillation).
    checkpoint: a file that holds the training after every epoch. Where it is there already, the training goes on from
        it, and the result is the same, bit for bit, as that of one which never stopped.
    over_time: run, steps, readout, time_axis, slope of a model with neurons of snnTorch, SpikingJelly or Norse, which
        finetune_spiking() trains through surrogate gradients. learning_rate is then in shares of the largest weight,
        default 5e-3.
    Raises VolleyError as convert() does, for a data set without training images, for an `augment` that gives anything
    else, and for a checkpoint that is damaged or of another training.
    """
    check_training(data, epochs, batch_size)
    check_seed(seed)
    spiking = isinstance(model, nn.Module) and is_spiking(model)
    check_options(over_time, spiking, (*OVER_TIME, "slope"))
    if isinstance(model, nn.Module) and spiking:
        given = {"timesteps": timesteps != 4, "input_bits": input_bits, "percentile": percentile != "mse"}
        if odd := next((key for key, value in given.items() if value), None):
            raise VolleyError(f"{odd}: does not go with a spiking model, whose loop gives the time steps; leave it out")
        if learning_rate is not None:
            over_time["learning_rate"] = learning_rate
        return finetune_spiking(
            model, data, weight_bits=weight_bits, epochs=epochs, seed=seed,  # type: ignore[arg-type]
            batch_size=batch_size, augment=augment, name=name, teacher=teacher, checkpoint=checkpoint, **over_time,
        )  # fmt: skip
    learning_rate = 1e-3 if learning_rate is None else learning_rate
    plan, images = prepare(model, data.calibration, Options(timesteps, weight_bits, input_bits), name=name)
    fake = FakeQuant(plan, calibrate(plan, images, percentile=percentile, seed=seed))
    check_labels(data, len(fake.biases[-1]))
    x = torch.from_numpy(check_images(data.x_train, plan.network.input_shape, "x_train"))
    y = torch.from_numpy(data.y_train)
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(
        [
            {"params": [*fake.weights, *fake.biases], "lr": learning_rate},
            {"params": [fake.log_scales], "lr": learning_rate},
        ]
    )
    steps = ceil_div(len(x), batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps * epochs)
    facts = {
        "training": "fine-tuning",
        "model": digest([replace(layer, where="") for layer in plan.network.layers]),
        "training images": digest(x, y),
        "timesteps": repr(timesteps),
        "weight_bits": repr(weight_bits),
        "input_bits": input_bits,
        "epochs": epochs,
        "seed": seed,
        "learning_rate": learning_rate,
        "batch_size": batch_size,
        "percentile": str(percentile),
        "augment": None if augment is None else name_of(augment),
        "teacher": teacher and digest(list(teacher.state_dict().values())),
        "torch": torch.__version__,
    }
    training = Training(fake, optimiser, schedule, generator, facts, checkpoint)
    training.resume()
    run_epochs(
        training, fake, x, y, epochs=epochs, batch_size=batch_size, augment=augment, teacher=teacher, before=fake.search
    )
    network = fake.network(name, meta={"encoding": "radix", "seed": seed})
    network, _ = measured(network, fake.current(), fake.scales(), images)
    found = accuracy(fake, data.x_test, data.y_test)
    return FineTuned(network, found, tuple(training.losses), fake, tuple(training.accuracies))
