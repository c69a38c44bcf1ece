# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Quantisation-aware fine-tuning whose forward pass is the integer network itself.

Every step rounds the weights with the same function that conversion uses and computes exact integer
codes; gradients pass the roundings straight through (STE), and the activation scales are learned
(LSQ, arXiv 1902.08153). So converting the result gives exactly the network that was trained.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from pyflow.bars import bar
from pyflow.conversion.fake_quant import FakeQuant
from pyflow.conversion.layout import Options
from pyflow.conversion.radix import RATE_FRAMES, calibrate, check_images, check_seed, prepare
from pyflow.conversion.torch_blocks import batches
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
    of `network` by construction). losses: mean training loss of every epoch. model: the trained FakeQuant."""

    network: Network
    accuracy: float
    losses: tuple[float, ...]
    model: FakeQuant


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
) -> FineTuned:
    """Fine-tune `model` in integers on data.x_train and convert it.

    The last epoch is taken: the test images are only measured.

    timesteps, weight_bits, input_bits, percentile, name: as in convert(). learning_rate: of Adam, cosine to 0.
    augment: (images, generator) -> images. teacher: a float model whose soft labels are mixed in (distillation).
    Raises VolleyError as convert() does, and for a data set without training images.
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
    x, y = (
        torch.from_numpy(check_images(data.x_train, plan.network.input_shape, "x_train")),
        torch.from_numpy(data.y_train),
    )
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(
        [
            {"params": [*fake.weights, *fake.biases], "lr": learning_rate},
            {"params": [fake.log_scales], "lr": learning_rate},
        ]
    )
    steps = -(-len(x) // batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps * epochs)
    losses = []
    with bar("fine-tune", "step", steps * epochs) as done:
        for epoch in range(epochs):
            fake.search()
            total = 0.0
            for chosen in torch.randperm(len(x), generator=generator).split(batch_size):
                batch = x[chosen] if augment is None else augment(x[chosen], generator)
                loss = _loss(fake(batch), y[chosen], batch, teacher)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
                total += float(loss.detach()) * len(chosen)
                done.update()
            losses.append(total / len(x))
            done.set_postfix(loss=f"{losses[-1]:.4f}")
            log.info("fine-tune epoch %d/%d: loss %.4f", epoch + 1, epochs, losses[-1])
    network = fake.network(name, meta={"encoding": "radix", "seed": seed}).with_rates(data.calibration[:RATE_FRAMES])
    return FineTuned(network, accuracy(fake, data.x_test, data.y_test), tuple(losses), fake)


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
