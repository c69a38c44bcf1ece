# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The epochs of a fine-tuning, and the accuracy of a model."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from pyflow.conversion.torch_blocks import batches
from pyflow.conversion.training import Training, progress
from pyflow.data import Dataset
from pyflow.errors import VolleyError
from pyflow.frames import decided
from pyflow.frontends.checkpoint import short
from pyflow.graph import Network
from pyflow.integers import ceil_div

log = logging.getLogger(__name__)
Augment = Callable[[torch.Tensor, torch.Generator], torch.Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class FineTuned:
    """network: the integer network. accuracy: of the fake-quantised model on the test images (equal to that
    of `network` by construction). losses: mean training loss of every epoch. model: the trained FakeQuant, of a spiking
    model SpikingQuant. accuracies: of every epoch, on the training images as they passed."""

    network: Network
    accuracy: float
    losses: tuple[float, ...]
    model: Any
    accuracies: tuple[float, ...] = ()


def check_training(data: object, epochs: int, batch_size: int) -> None:
    """Raises VolleyError where there is nothing to train on, or for no time."""
    if not isinstance(data, Dataset):
        raise VolleyError(f"data: is {type(data).__name__}, needs a pyflow.data.Dataset; pyflow.data.load() makes one")
    for what, value in (("epochs", epochs), ("batch_size", batch_size)):
        if isinstance(value, bool) or not isinstance(value, int):
            raise VolleyError(f"{what}: {value!r} is not an integer")
    if not len(data.x_train):
        raise VolleyError(f"data {data.name!r}: has no training images; fine-tuning needs x_train, y_train")
    if epochs < 1 or batch_size < 1:
        raise VolleyError(f"epochs {epochs} and batch_size {batch_size} must be positive")


def check_labels(data: Dataset, classes: int) -> None:
    if data.classes > classes:
        raise VolleyError(f"data {data.name!r}: has label {data.classes - 1}, the network only {classes} outputs")


def run_epochs(
    training: Training,
    answer: Callable[[torch.Tensor], torch.Tensor],
    x: torch.Tensor,
    y: torch.Tensor,
    *,
    epochs: int,
    batch_size: int,
    augment: Augment | None,
    teacher: nn.Module | None = None,
    before: Callable[[], None] = lambda: None,
) -> None:
    """Train, from the checkpoint of `training` on. answer: of a batch of `x`, logits [N, classes]. before: is called
    before every epoch."""
    with progress("fine-tune", training, epochs, ceil_div(len(x), batch_size)) as done:
        for epoch in range(training.epoch, epochs):
            before()
            for chosen in torch.randperm(len(x), generator=training.generator).split(batch_size):
                batch = x[chosen] if augment is None else augmented(augment, x[chosen], training.generator)
                logits = answer(batch)
                loss = _loss(logits, y[chosen], batch, teacher)
                training.optimiser.zero_grad()
                loss.backward()
                training.optimiser.step()
                training.schedule.step()
                done.step(loss, logits, y[chosen])
            done.end_epoch()
            log.info(
                "fine-tune epoch %d/%d: loss %.4f, accuracy %.2f %% of the training images",
                epoch + 1, epochs, training.losses[-1], 100 * training.accuracies[-1],
            )  # fmt: skip


def augmented(augment: Augment, batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """What the user's function makes of a batch; VolleyError where that is no batch of such images."""
    name, shape = name_of(augment), tuple(batch.shape)
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


def name_of(function: Augment) -> str:
    return str(getattr(function, "__qualname__", type(function).__name__))


def _loss(logits: torch.Tensor, y: torch.Tensor, images: torch.Tensor, teacher: nn.Module | None) -> torch.Tensor:
    hard = F.cross_entropy(logits, y)
    if teacher is None:
        return hard
    with torch.no_grad():
        soft = torch.softmax(teacher(images), 1)
    return 0.5 * hard + 0.5 * F.cross_entropy(logits, soft)


@torch.no_grad()
def accuracy(model: nn.Module, x: np.ndarray, y: np.ndarray, cut: float = 0.0) -> float:
    """Share of images [N, C, H, W], or sequences [N, C, L], whose largest output is the label; ties go to the
    lowest index. cut: above which a single output says 1."""
    right, done = 0, 0
    for batch in batches(x, 500, "accuracy"):
        scores = _scores(model, batch).detach().float().numpy()
        right += int((decided(scores, cut) == y[done : done + len(batch)]).sum())
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
