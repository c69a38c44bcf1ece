# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Quantisation-aware fine-tuning whose forward pass is the integer network itself.

Every step rounds the weights with the same function that conversion uses and computes exact integer
codes; gradients pass the roundings straight through (STE), and the activation scales are learned
(LSQ, arXiv 1902.08153). So converting the result gives exactly the network that was trained.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from pyflow.conversion.fake_quant import FakeQuant
from pyflow.conversion.images import check_images
from pyflow.conversion.layout import Options
from pyflow.conversion.radix import calibrate, check_seed, measured, prepare
from pyflow.conversion.torch_blocks import batches
from pyflow.conversion.training import Training, digest, progress
from pyflow.data import Dataset
from pyflow.errors import VolleyError
from pyflow.frontends.checkpoint import short
from pyflow.graph import Network
from pyflow.model.graph import FloatNetwork

log = logging.getLogger(__name__)
Augment = Callable[[torch.Tensor, torch.Generator], torch.Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class FineTuned:
    """network: the integer network. accuracy: of the fake-quantised model on the test images (equal to that
    of `network` by construction). losses: mean training loss of every epoch. model: the trained FakeQuant.
    accuracies: of every epoch, on the training images as they passed."""

    network: Network
    accuracy: float
    losses: tuple[float, ...]
    model: FakeQuant
    accuracies: tuple[float, ...] = ()


def finetune(
    model: nn.Module | FloatNetwork,
    data: Dataset,
    *,
    timesteps: int | Mapping[str, int] = 4,
    weight_bits: int | Mapping[str, int] = 4,
    input_bits: int | None = None,
    epochs: int = 6,
    seed: int = 0,
    learning_rate: float = 1e-3,
    batch_size: int = 128,
    augment: Augment | None = None,
    name: str | None = None,
    percentile: float | str = "mse",
    teacher: nn.Module | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> FineTuned:
    """Fine-tune `model` in integers on data.x_train and convert it.

    The last epoch is taken: the test images are only measured.

    timesteps, weight_bits, input_bits, percentile, name: as in convert(). learning_rate: of Adam, cosine to 0.
    augment: (images, generator) -> images, called on every batch: float32 [N, ...] in [0, 1], as it gets them. It draws
        from the generator, or from torch's own.
    teacher: a float model whose soft labels are mixed in (distillation).
    checkpoint: a file that holds the training after every epoch. Where it is there already, the training goes on from
        it, and the result is the same, bit for bit, as that of one which never stopped.
    Raises VolleyError as convert() does, for a data set without training images, for an `augment` that gives anything
    else, and for a checkpoint that is damaged or of another training.
    """
    if not isinstance(data, Dataset):
        raise VolleyError(f"data: is {type(data).__name__}, needs a pyflow.data.Dataset; pyflow.data.load() makes one")
    check_seed(seed)
    for what, value in (("epochs", epochs), ("batch_size", batch_size)):
        if isinstance(value, bool) or not isinstance(value, int):
            raise VolleyError(f"{what}: {value!r} is not an integer")
    if not len(data.x_train):
        raise VolleyError(f"data {data.name!r}: has no training images; fine-tuning needs x_train, y_train")
    if epochs < 1 or batch_size < 1:
        raise VolleyError(f"epochs {epochs} and batch_size {batch_size} must be positive")
    plan, images = prepare(model, data.calibration, Options(timesteps, weight_bits, input_bits), name=name)
    fake = FakeQuant(plan, calibrate(plan, images, percentile=percentile, seed=seed))
    classes = len(fake.biases[-1])
    if data.classes > classes:
        raise VolleyError(f"data {data.name!r}: has label {data.classes - 1}, the network only {classes} outputs")
    x = torch.from_numpy(check_images(data.x_train, plan.network.input_shape, "x_train"))
    y = torch.from_numpy(data.y_train)
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(
        [
            {"params": [*fake.weights, *fake.biases], "lr": learning_rate},
            {"params": [fake.log_scales], "lr": learning_rate},
        ]
    )
    steps = -(-len(x) // batch_size)
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
        "augment": None if augment is None else _name(augment),
        "teacher": teacher and digest(list(teacher.state_dict().values())),
        "torch": torch.__version__,
    }
    training = Training(fake, optimiser, schedule, generator, facts, checkpoint)
    training.resume()
    with progress("fine-tune", training, epochs, steps) as done:
        for epoch in range(training.epoch, epochs):
            fake.search()
            for chosen in torch.randperm(len(x), generator=generator).split(batch_size):
                batch = x[chosen] if augment is None else augmented(augment, x[chosen], generator)
                logits = fake(batch)
                loss = _loss(logits, y[chosen], batch, teacher)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
                done.step(loss, logits, y[chosen])
            done.end_epoch()
            log.info(
                "fine-tune epoch %d/%d: loss %.4f, accuracy %.2f %% of the training images",
                epoch + 1, epochs, training.losses[-1], 100 * training.accuracies[-1],
            )  # fmt: skip
    network = fake.network(name, meta={"encoding": "radix", "seed": seed})
    network, _ = measured(network, fake.current(), fake.scales(), images)
    found = accuracy(fake, data.x_test, data.y_test)
    return FineTuned(network, found, tuple(training.losses), fake, tuple(training.accuracies))


def augmented(augment: Augment, batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """What the user's function makes of a batch; VolleyError where that is no batch of such images."""
    name, shape = _name(augment), tuple(batch.shape)
    try:
        found = augment(batch, generator)
    except (Exception, SystemExit) as e:
        raise VolleyError(f"augment {name!r}: fails on images {shape} ({short(e)})") from None
    if not isinstance(found, torch.Tensor) or found.shape != batch.shape or found.dtype != batch.dtype:
        is_tensor = isinstance(found, torch.Tensor)
        kind = f"{found.dtype} {tuple(found.shape)}".removeprefix("torch.") if is_tensor else type(found).__name__
        raise VolleyError(f"augment {name!r}: returns {kind} of float32 {shape}, needs the same type and shape")
    low, high = found.min().item(), found.max().item()
    if not (low >= 0 and high <= 1):
        raise VolleyError(
            f"augment {name!r}: returns values from {low:.3g} to {high:.3g}, needs 0..1; clamp(0, 1) them"
        )
    return found


def _name(function: Augment) -> str:
    return str(getattr(function, "__qualname__", type(function).__name__))


def _loss(logits: torch.Tensor, y: torch.Tensor, images: torch.Tensor, teacher: nn.Module | None) -> torch.Tensor:
    hard = F.cross_entropy(logits, y)
    if teacher is None:
        return hard
    with torch.no_grad():
        soft = torch.softmax(teacher(images), 1)
    return 0.5 * hard + 0.5 * F.cross_entropy(logits, soft)


@torch.no_grad()
def accuracy(model: nn.Module, x: np.ndarray, y: np.ndarray) -> float:
    """Share of images [N, C, H, W], or sequences [N, C, L], whose largest output is the label; ties go to the
    lowest index."""
    right, done = 0, 0
    for batch in batches(x, 500, "accuracy"):
        right += int((_scores(model, batch).argmax(1).numpy() == y[done : done + len(batch)]).sum())
        done += len(batch)
    return right / len(x)


def _scores(model: nn.Module, batch: torch.Tensor) -> torch.Tensor:
    """What the user's model makes of a batch; VolleyError where that fails, or is no number per image and class."""
    name = type(model).__name__
    try:
        found = model(batch)
    except (Exception, SystemExit) as e:
        raise VolleyError(f"model {name!r}: fails on images {tuple(batch.shape)} ({short(e)})") from None
    if not isinstance(found, torch.Tensor):
        raise VolleyError(f"model {name!r}: returns {type(found).__name__}, needs a tensor [N, classes]")
    if found.ndim != 2 or len(found) != len(batch) or found.is_complex():
        kind = f"{found.dtype} {tuple(found.shape)}".removeprefix("torch.")
        raise VolleyError(f"model {name!r}: returns {kind} of {len(batch)} images, needs real numbers [N, classes]")
    return found
