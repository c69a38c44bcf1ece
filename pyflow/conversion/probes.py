# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What a model is asked beside the calibration images: images of the whole range of pixels, and later calls."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

SAMPLES = 64
LATER = 1_000_000  # calls: what each call changes is moved on by so many


def samples(images: np.ndarray) -> np.ndarray:
    """The first 64 of `images`, then probes: these images dark, pale, inverted and of two values, noise, black, white.

    A clip, a threshold or a branch that no calibration image reaches shows on them. images: float32 [N, ...] in [0, 1].
    """
    first, generator = images[:SAMPLES], np.random.default_rng(0)
    some = first[:3]
    noise = generator.random((4, *first.shape[1:]), dtype=np.float32)
    flat = np.stack([np.zeros_like(first[0]), np.ones_like(first[0])])
    probes = [0.1 * some, 1 - 0.3 * some, 1 - some, np.round(some), noise, noise[:1] ** 8, flat]
    return np.ascontiguousarray(np.concatenate([first, *probes]), dtype=np.float32)


def draws() -> tuple[object, ...]:
    """The states of the generators that a model draws from where it names none of its own."""
    return random.getstate(), torch.get_rng_state().numpy().tobytes()


class State:
    """The numbers that a model holds: parameters, buffers, and attributes that are numbers or tensors."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.held = {name: (at, key, at[key], _copy(at[key])) for name, at, key in _numbers(model)}

    def changed(self) -> dict[str, Any]:
        """{name: value then} of those that have changed since, where the shape has not."""
        now = {name: at[key] for name, at, key in _numbers(self.model)}
        return {name: was for name, (_, _, _, was) in self.held.items() if name in now and _differs(now[name], was)}

    def move_on(self, names: dict[str, Any]) -> None:
        """Each of `names` by a million times what it has changed by. names: what changed() gives."""
        for name, was in names.items():
            at, key, _, _ = self.held[name]
            later = at[key] + (at[key] - was) * LATER
            _write(at, key, at[key], later)

    def restore(self) -> None:
        for name in self.changed():
            at, key, value, was = self.held[name]
            _write(at, key, value, was)


def _numbers(model: nn.Module) -> Iterator[tuple[str, dict[str, Any], str]]:
    for path, module in model.named_modules():
        for at in (vars(module), module._parameters, module._buffers):
            for key, value in at.items():
                if type(value) in (int, float) or (isinstance(value, torch.Tensor) and _is_plain(value)):
                    yield f"{path}.{key}".lstrip("."), at, key


def _is_plain(value: torch.Tensor) -> bool:
    return value.layout == torch.strided and not (value.is_meta or value.is_quantized or value.dtype == torch.bool)


def _copy(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, torch.Tensor) else value


def _differs(now: Any, was: Any) -> bool:
    if isinstance(now, torch.Tensor) and isinstance(was, torch.Tensor):
        return now.shape == was.shape and not torch.equal(now.detach(), was)
    return type(now) is type(was) and bool(now != was)


def _write(at: dict[str, Any], key: str, held: Any, value: Any) -> None:
    """`value` as the number that `held` holds, in place where that is a tensor: others may read it too."""
    if isinstance(held, torch.Tensor):
        held.data.copy_(value.detach())
    at[key] = held if isinstance(held, torch.Tensor) else value
