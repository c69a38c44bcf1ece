# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""A training that is killed goes on from its checkpoint and ends as one that never stopped, bit for bit; what no
checkpoint of it is refused in one line; what an augmentation gives is looked at."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pyflow.conversion import FineTuned, finetune
from pyflow.data import Dataset
from pyflow.errors import VolleyError
from tests.unit.branches import Inception, Residual, headed

SHAPE = (2, 8, 6)
_R = np.random.default_rng(7)
DATA = Dataset("random", _R.random((48, *SHAPE), np.float32), np.arange(48) % 5,
               _R.random((20, *SHAPE), np.float32), np.arange(20) % 5)  # fmt: skip
EPOCHS = 5


def model() -> nn.Module:
    """A residual block with a projection behind a concatenation."""
    return headed(Inception(2, False), Residual(7, 4, 2), features=48)


def jitter(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Random numbers of both kinds that an augmentation may draw."""
    noise = torch.rand(x.shape, generator=generator) + torch.rand(x.shape)
    return (x + 0.1 * (noise - 1)).clamp(0, 1)


def tune(**given: Any) -> FineTuned:
    torch.manual_seed(5)  # of the noise
    settings: dict[str, Any] = {"epochs": EPOCHS, "batch_size": 16, "augment": jitter, "learning_rate": 3e-3}
    return finetune(given.pop("model", model()), given.pop("data", DATA), **settings | given)


def integers(found: FineTuned) -> list[np.ndarray]:
    return [array for op in found.network.operators for array in op.arrays().values()]


def stop_at(step: int) -> Callable[[torch.Tensor, torch.Generator], torch.Tensor]:
    """The same augmentation, which ends the training at a step."""
    seen = 0

    def jitter_(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        nonlocal seen
        seen += 1
        if seen > step:
            raise KeyboardInterrupt
        return jitter(x, generator)

    jitter_.__qualname__ = jitter.__qualname__
    return jitter_


@pytest.fixture(scope="module")
def whole() -> FineTuned:
    return tune()


@pytest.mark.parametrize("steps", [(0,), (1,), (4, 7), (3, 3, 3, 3), (14,)])
def test_one_that_is_stopped_ends_as_one_that_is_not(steps: tuple[int, ...], whole: FineTuned, tmp_path: Path) -> None:
    file = tmp_path / "run.ckpt"
    for step in steps:
        with pytest.raises(KeyboardInterrupt):
            tune(augment=stop_at(step), checkpoint=file)
    found = tune(checkpoint=file)
    assert (found.losses, found.accuracies, found.accuracy) == (whole.losses, whole.accuracies, whole.accuracy)
    for got, want in zip(integers(found), integers(whole), strict=True):
        np.testing.assert_array_equal(got, want)
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(found.model.state_dict()[name], tensor), name
    assert [path.name for path in tmp_path.iterdir()] == ["run.ckpt"]


def test_a_whole_one_is_not_trained_again(whole: FineTuned, tmp_path: Path) -> None:
    file = tmp_path / "run.ckpt"
    tune(checkpoint=file)
    found = tune(checkpoint=file, augment=stop_at(0))
    assert found.losses == whole.losses
    assert found.network.meta == whole.network.meta


@pytest.mark.slow
def test_a_killed_process_goes_on(tmp_path: Path) -> None:
    """By SIGKILL, at random moments; the last run ends by itself."""
    script, rng = tmp_path / "run.py", random.Random(3)
    script.write_text(
        textwrap.dedent("""
        import sys
        import numpy as np
        from tests.unit.test_training import integers, tune

        found = tune(epochs=12, checkpoint=sys.argv[1] or None)
        np.savez(sys.argv[2], *integers(found), losses=found.losses, accuracy=found.accuracy)
    """)
    )

    def run(file: str, out: str, kill_after: int | None = None) -> bool:
        """kill_after: so many writings of the checkpoint."""
        job = subprocess.Popen([sys.executable, str(script), file, str(tmp_path / out)])
        written, before = 0, 0.0
        while kill_after is not None and job.poll() is None:
            now = Path(file).stat().st_mtime_ns if Path(file).exists() else 0.0
            written, before = written + (now != before), now
            if written > kill_after:
                time.sleep(0.05 * rng.random())
                job.send_signal(signal.SIGKILL)
                break
            time.sleep(0.001)
        return job.wait() == 0

    file = str(tmp_path / "run.ckpt")
    killed = [run(file, "part.npz", rng.randrange(1, 4)) for _ in range(3)]
    assert not all(killed)
    assert run(file, "part.npz")
    assert run("", "whole.npz")
    with np.load(tmp_path / "part.npz") as part, np.load(tmp_path / "whole.npz") as whole:
        assert part.files == whole.files
        for name in whole.files:
            np.testing.assert_array_equal(part[name], whole[name], err_msg=name)


# ------------------------------------------------------------------ what is refused
@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    file = tmp_path_factory.mktemp("kept") / "run.ckpt"
    tune(checkpoint=file, epochs=1)
    return file.read_bytes()


def flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def weights(_content: bytes) -> bytes:
    from safetensors.torch import save

    return save(model().state_dict())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda c: c[: len(c) // 2], "is damaged|not a readable safetensors file"),
        (lambda c: flipped(c, len(c) - 40), "is damaged"),
        (lambda c: c + b"\0", "is damaged"),
        (lambda c: b"", "is no checkpoint of a training"),
        (lambda c: b"some notes of mine", "is no checkpoint of a training"),
        (weights, "holds weights, and not the state of a training"),
        (lambda c: c.replace(b'\\"version\\": 1', b'\\"version\\": 9'), "is of version 9, this release reads 1"),
    ],
)
def test_a_file_that_is_no_checkpoint(
    make: Callable[[bytes], bytes], message: str, kept: bytes, tmp_path: Path
) -> None:
    file = tmp_path / "run.ckpt"
    file.write_bytes(made := make(kept))
    with pytest.raises(VolleyError, match=message) as raised:
        tune(checkpoint=file, epochs=1)
    assert "\n" not in str(raised.value)
    assert "remove it to start anew" in str(raised.value)
    assert file.read_bytes() == made, "what is not ours stays"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"model": headed(Residual(2, 4, 2), features=48)}, r"is of another training: model \w+, here \w+"),
        ({"data": replace(DATA, x_train=DATA.x_train[::-1].copy())}, r"training images \w+, here \w+"),
        ({"epochs": 2}, "epochs 1, here 2"),
        ({"learning_rate": 1e-3}, "learning_rate 0.003, here 0.001"),
        ({"weight_bits": 3}, "weight_bits 4, here 3"),
        ({"augment": None}, "augment jitter, here None"),
    ],
)
def test_a_checkpoint_of_another_training(given: dict[str, Any], message: str, kept: bytes, tmp_path: Path) -> None:
    file = tmp_path / "run.ckpt"
    file.write_bytes(kept)
    with pytest.raises(VolleyError, match=message):
        tune(checkpoint=file, **{"epochs": 1} | given)
    assert file.read_bytes() == kept


def test_a_checkpoint_where_none_can_be_written(tmp_path: Path) -> None:
    for path, message in (("no/such/run.ckpt", "no folder"), ("", "is a folder")):
        with pytest.raises(VolleyError, match=message):
            tune(checkpoint=tmp_path / path)


def _fails(x: torch.Tensor, _: torch.Generator) -> torch.Tensor:
    raise ValueError("no such colour")


@pytest.mark.parametrize(
    ("augment", "message"),
    [
        (lambda x, g: x + 1, r"returns values from 1[.\d]* to 2, needs 0..1; clamp"),
        (lambda x, g: x * float("nan"), "returns values from nan"),
        (lambda x, g: x[:, :1], r"returns float32 \(16, 1, 8, 6\) of float32 \(16, 2, 8, 6\)"),
        (lambda x, g: x.double(), "returns float64"),
        (lambda x, g: None, "returns NoneType"),
        (_fails, r"augment '_fails': fails on images \(16, 2, 8, 6\) \(ValueError: no such colour\)"),
    ],
)
def test_an_augmentation_that_gives_no_images(augment: Any, message: str) -> None:
    with pytest.raises(VolleyError, match=message):
        tune(augment=augment)
