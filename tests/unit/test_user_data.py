# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""A user's images: one rule of what they mean wherever they come in, a line where that is doubtful, and never written
to."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pyflow import data
from pyflow.conversion import convert, finetune
from pyflow.conversion.finetune import accuracy
from pyflow.conversion.images import check_images
from pyflow.data import Dataset
from pyflow.errors import VolleyError
from pyflow.frames import InputFormat

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (32, 1, 8, 8)).astype(np.uint8)
MASK = RNG.random((32, 1, 8, 8)) > 0.5
FORMAT = InputFormat("net", (1, 8, 8))


class InPlace(nn.Module):
    """Works on its input's own memory, as many models of pixels do."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5))

    def forward(self, x: torch.Tensor) -> Any:
        x *= 0.5
        return self.body(x)


def calibration(x: np.ndarray, _: Path) -> np.ndarray:
    """As convert() and finetune() take it: float32 in [0, 1]."""
    return check_images(x, (1, 8, 8), "calibration")


def run(x: np.ndarray, _: Path) -> np.ndarray:
    """As run(), simulate() and Device.infer() take it; back from pixels."""
    return (FORMAT.check(x) / np.float32(255)).astype(np.float32)


def sent(x: np.ndarray, _: Path) -> np.ndarray:
    """The bytes that go to a device."""
    return (FORMAT.to_bytes(x) / np.float32(255)).astype(np.float32).reshape(x.shape)


def file(x: np.ndarray, folder: Path) -> np.ndarray:
    """DATA=my.npz"""
    np.savez(folder / "my.npz", x=x, y=np.zeros(len(x), int))
    return data.load(str(folder / "my.npz")).x_test


def network(x: np.ndarray, _: Path) -> np.ndarray:
    """The logits of a converted network."""
    return np.asarray(convert(InPlace().body, GREY).run(x))


WAYS = [calibration, run, sent, file, network]
KINDS: list[tuple[np.ndarray, np.ndarray]] = [  # what is given, and the floats that it means
    (GREY, GREY / np.float32(255)),
    (GREY.astype(np.int64), GREY / np.float32(255)),
    (GREY.astype(np.int16), GREY / np.float32(255)),
    (MASK, MASK.astype(np.float32)),
    ((GREY / 255).astype(np.float64), GREY / np.float32(255)),
    ((GREY // 128).astype(np.float16), (GREY // 128).astype(np.float32)),
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("given", "meant"), KINDS, ids=lambda a: str(a.dtype))
def test_images_mean_the_same_everywhere(
    way: Callable[..., np.ndarray], given: np.ndarray, meant: np.ndarray, tmp_path: Path
) -> None:
    before = given.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(way(given, tmp_path), way(meant, tmp_path))
    np.testing.assert_array_equal(given, before)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("given", [MASK.astype(np.uint8), MASK.astype(np.int64), GREY / np.float32(255) / 255])
def test_images_that_are_nearly_black_are_said(
    way: Callable[..., np.ndarray], given: np.ndarray, tmp_path: Path
) -> None:
    with pytest.warns(UserWarning, match="largest value is .* nearly black; if .*") as said:
        way(given, tmp_path)
    assert len(said) == 1
    assert "\n" not in str(said[0].message)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (GREY.astype(np.float32), r"value .* is outside 0\.\.1 \(float32 images\); give x / 255, or uint8"),
        (
            GREY.astype(np.float32),
            r"put pyflow.frontends.Normalize\(0, 1 / 255\) first in a model that was trained on x",
        ),
        (np.floor(GREY / np.float32(16)) + 1, r"give x / 16, and put pyflow.frontends.Normalize\(0, 1 / 16\) first"),
        (MASK * 1.000001, r"is outside 0\.\.1 .* give numpy.clip\(x, 0, 1\)"),
        (MASK * 2.0 - 1, r"value -1\.0 .* give \(x \+ 1\) / 2, and put pyflow.frontends.Normalize\(0.5, 0.5\) first"),
        (GREY / 32 - 4.0, r"is outside 0\.\.1 .* scale the images, normalise in the model"),
        (GREY.astype(np.int64) + 1, r"value 256 .* is outside 0\.\.255 \(int64 images\)"),
        (GREY.astype(np.int8), r"value -\d+ .* is outside 0\.\.255 \(int8 images\)"),
        (GREY.astype(complex), "dtype complex128"),
    ],
)
def test_what_is_no_image_is_refused_with_the_cure(
    way: Callable[..., np.ndarray], given: np.ndarray, message: str, tmp_path: Path
) -> None:
    with pytest.raises(VolleyError, match=message) as e:
        way(given, tmp_path)
    assert "\n" not in str(e.value)


class Divides(InPlace):
    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, x: torch.Tensor) -> Any:
        return self.body((x.float() - 0.5 * self.by) / self.by)


@pytest.mark.parametrize("by", [255.0, 127.5, 0.5])
def test_a_model_that_divides_by_255_itself_is_said(by: float) -> None:
    """Images are in [0, 1] when they come to it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        convert(Divides(by), GREY)
    said = [str(w.message) for w in caught if "divides the input by" in str(w.message)]
    assert len(said) == (by > 1)


def _augmented(x: torch.Tensor, _: torch.Generator) -> torch.Tensor:
    return x.mul_(0.5)


@pytest.mark.parametrize(
    "work",
    [
        lambda d: convert(InPlace(), d.x_train),
        lambda d: convert(InPlace(), d.x_train).run(d.x_train),
        lambda d: accuracy(InPlace(), d.x_test, d.y_test),
        lambda d: finetune(InPlace(), d, epochs=1),
        lambda d: finetune(InPlace().body, d, epochs=1, augment=_augmented),
        lambda d: finetune(InPlace().body, d, epochs=1, teacher=InPlace()),
        lambda d: FORMAT.to_bytes(d.x_test),
        lambda d: convert(InPlace(), torch.from_numpy(d.x_train)),  # type: ignore[arg-type]
    ],
    ids=["convert", "run", "accuracy", "finetune", "augment", "teacher", "bytes", "tensor"],
)
def test_images_are_never_written_to(work: Callable[[Dataset], Any]) -> None:
    x = RNG.random((64, 1, 8, 8), dtype=np.float32)
    before, y = x.copy(), np.arange(64) % 5
    work(Dataset("x", x[:32], y[:32], x[32:], y[32:]))
    np.testing.assert_array_equal(x, before)


def test_a_tensor_without_values_is_refused() -> None:
    images: Any = torch.empty(4, 1, 8, 8, device="meta")
    for way in (lambda: convert(InPlace().body, images), lambda: FORMAT.check(images)):
        with pytest.raises(VolleyError, match=r"is a tensor on the meta device, without values; give the images"):
            way()
