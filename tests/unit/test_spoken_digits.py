# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""examples/spoken_digits: its data, its training beside snnTorch, its integers beside both."""

from __future__ import annotations

import importlib
import sys
import wave
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import pyflow
from pyflow.errors import VolleyError
from pyflow.operators import Linear
from pyflow.runtime import LogMel

pytest.importorskip("snntorch")
FOLDER = Path(__file__).parents[2] / "examples" / "spoken_digits"
NAMES = ("net", "speech", "training", "chip", "static", "bench")


@pytest.fixture(scope="module")
def example() -> Iterator[dict[str, ModuleType]]:
    """Its files, which import each other by name."""
    sys.path.insert(0, str(FOLDER))
    before = {name: sys.modules.pop(name, None) for name in NAMES}
    yield {name: importlib.import_module(name) for name in NAMES}
    sys.path.remove(str(FOLDER))
    for name, module in before.items():
        sys.modules.pop(name)
        if module is not None:
            sys.modules[name] = module


def some_codes(count: int, seed: int = 0) -> np.ndarray:
    """uint8 [N, 32, 32]: smooth and of the range of real ones."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, 25, (count, 32, 32)).cumsum(1)
    return np.clip(60 + steps, 0, 255).astype(np.uint8)


def some_state(example: dict[str, ModuleType], variant: object, seed: int = 0) -> dict[str, torch.Tensor]:
    training = example["training"]
    generator = torch.Generator().manual_seed(seed)
    trainee = training.Trainee(variant, torch.full((variant.inputs,), 0.25), generator)  # type: ignore[attr-defined]
    return {name: value.detach() for name, value in trainee.rounded().items()}


# ------------------------------------------------------------------ data
def write_wav(path: Path, samples: np.ndarray, rate: int = 8000) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())


def test_folder_and_archive_agree(example: dict[str, ModuleType], tmp_path: Path) -> None:
    rng, folder = np.random.default_rng(0), tmp_path / "recordings"
    folder.mkdir()
    sounds = [rng.integers(-9000, 9000, n).astype(np.int16) for n in (3000, 2500, 4000)]
    for name, sound in zip(("3_ann_0", "3_ben_12", "8_ann_5"), sounds, strict=True):
        write_wav(folder / f"{name}.wav", sound)
    (folder / "notes.txt").write_text("")
    archive = tmp_path / "speech.npz"
    offset = np.cumsum([0, *(len(s) for s in sounds)])
    np.savez(archive, audio=np.concatenate(sounds), offset=offset, label=[3, 3, 8], speaker=[0, 1, 0], take=[0, 12, 5])
    one, other = (example["speech"].load(path, LogMel()) for path in (folder, archive))
    for key in ("codes", "late", "label", "speaker", "take"):
        np.testing.assert_array_equal(getattr(one, key), getattr(other, key), err_msg=key)
    np.testing.assert_array_equal(one.codes[1], LogMel().codes(sounds[1]))
    np.testing.assert_array_equal(one.late[1], LogMel().codes(sounds[1][100:]))
    assert list(one.test.take) == [0]
    assert list(one.train.take) == [12, 5]


def test_bad_data(example: dict[str, ModuleType], tmp_path: Path) -> None:
    load = example["speech"].load
    with pytest.raises(VolleyError, match=r"is no folder of .wav files and no .npz; get the Free Spoken Digit Dataset"):
        load(tmp_path / "nothing", LogMel())
    with pytest.raises(VolleyError, match=r"holds no file named as 7_jackson_32.wav"):
        load(tmp_path, LogMel())
    write_wav(tmp_path / "1_ann_1.wav", np.zeros(100, np.int16), rate=16000)
    with pytest.raises(VolleyError, match=r"1_ann_1.wav: has 16000 Hz, 1 channels, 16 bit; needs 8000 Hz"):
        load(tmp_path, LogMel())
    (tmp_path / "1_ann_1.wav").write_bytes(b"RIFF")
    with pytest.raises(VolleyError, match=r"1_ann_1.wav: is no readable .wav file"):
        load(tmp_path, LogMel())
    np.savez(tmp_path / "x.npz", audio=np.zeros(4))
    with pytest.raises(VolleyError, match=r"x.npz: needs audio, offset, label, speaker, take"):
        load(tmp_path / "x.npz", LogMel())


# ------------------------------------------------------------------ training
@pytest.mark.parametrize("recurrent", [True, False])
def test_training_has_the_steps_of_snntorch(example: dict[str, ModuleType], recurrent: bool) -> None:
    """The same logits, and the same gradients in the same sense: snnTorch's with the same surrogate."""
    training = example["training"]
    variant = training.Variant(recurrent=recurrent)
    state = some_state(example, variant)
    model = training.listener(state, variant)
    x = torch.from_numpy(some_codes(6)).float() / 255
    with torch.no_grad():
        expected = model(x[:, :, None, None])
        torch.testing.assert_close(training.logits(state, x.transpose(0, 1)), expected, atol=1e-4, rtol=0)
    assert expected.abs().max() > 1


def test_gradient(example: dict[str, ModuleType]) -> None:
    """The gradient written out is that of autograd with the surrogate for the step, the reset kept out of it."""
    training = example["training"]

    class Step(torch.autograd.Function):
        @staticmethod
        def forward(ctx, mem):
            ctx.save_for_backward(mem)
            return (mem > 1).float()

        @staticmethod
        def backward(ctx, grad):
            (mem,) = ctx.saved_tensors
            return grad / (1 + training.SLOPE * (mem - 1).abs()) ** 2

    torch.manual_seed(0)
    x = torch.randn(7, 5, 4, dtype=torch.float32, requires_grad=True)
    weight = (torch.randn(4, 4) * 0.7).requires_grad_()
    read = torch.randn(7, 5, 4)
    spikes = training.Spikes.apply(x, 0.875, weight)
    found = torch.autograd.grad((spikes * read).sum(), (x, weight))
    mem = s = torch.zeros(5, 4)
    every = []
    for current in x:
        mem = 0.875 * mem * (1 - s.detach()) + current + s @ weight.t()
        s = Step.apply(mem)
        every.append(s)
    expected = torch.autograd.grad((torch.stack(every) * read).sum(), (x, weight))
    assert spikes.mean() > 0.05
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_stopped_run_goes_on(example: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training = example["training"]
    monkeypatch.setattr(training, "SLICE", 1)
    codes, label = some_codes(40), np.arange(40) % 10
    whole = training.trained(training.Variant(), codes, codes, label, 2, 7, tmp_path / "a.pt")
    real, calls = training.augmented, []

    def stops(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(x, generator)

    monkeypatch.setattr(training, "augmented", stops)
    with pytest.raises(KeyboardInterrupt):
        training.trained(training.Variant(), codes, codes, label, 2, 7, tmp_path / "b.pt")
    monkeypatch.setattr(training, "augmented", real)
    resumed = training.trained(training.Variant(), codes, codes, label, 2, 7, tmp_path / "b.pt")
    for name, value in whole.items():
        torch.testing.assert_close(resumed[name], value, atol=0, rtol=0, msg=name)


def test_augmentation_stays_in_range(example: dict[str, ModuleType]) -> None:
    training, generator = example["training"], torch.Generator().manual_seed(0)
    x = torch.from_numpy(some_codes(8)).float() / 255
    out = training.augmented(x, generator)
    assert out.shape == x.shape
    assert out.min() >= 0
    assert out.max() <= 1
    assert (out * 255 - (out * 255).round()).abs().max() < 1e-3
    assert 0.01 < (out - x).abs().mean() < 0.3
    order = training.shuffled(x, generator)
    torch.testing.assert_close(order.sum(1), x.sum(1))
    assert (order != x).any()


# ------------------------------------------------------------------ integers
@pytest.mark.parametrize("recurrent", [True, False])
def test_integers_fire_as_the_floats(example: dict[str, ModuleType], recurrent: bool) -> None:
    """Weights are on their grid: logits differ by what thresholds, biases and leaks were rounded."""
    training, chip = example["training"], example["chip"]
    variant = training.Variant(recurrent=recurrent)
    state = some_state(example, variant)
    network = chip.integers({name: value.numpy() for name, value in state.items()})
    weights = [op for op in network.operators if hasattr(op, "weight")]
    assert all(np.abs(op.weight).max() == 7 for op in weights if op.name != "again")
    codes = some_codes(40)
    known = training.logits(state, torch.from_numpy(codes).transpose(0, 1).float() / 255).numpy()
    found = network.run(codes[:, :, None, None, :]) * network.logit_scale
    assert np.corrcoef(known.ravel(), found.ravel())[0, 1] > 0.98
    assert not any(count.any() for count in network.saturations(codes[:8, :, None, None, :]).values())


def test_sigma_delta_is_the_encoder(example: dict[str, ModuleType]) -> None:
    bench, chip, training = example["bench"], example["chip"], example["training"]
    variant = bench.ROWS["sigma-delta"]
    state = some_state(example, variant)
    network = chip.integers({name: value.numpy() for name, value in state.items()}, bench.THETA)
    codes = some_codes(5)
    _, trace = network.run(codes[:, :, None, None, :], trace=["delta"])
    spikes = variant.encode(torch.from_numpy(codes).transpose(0, 1).float() / 255).transpose(0, 1).numpy()
    # ON of the one channel at 32 places, then OFF: the order in which fc1 reads them.
    np.testing.assert_array_equal(trace["delta"].reshape(5, 32, 64), spikes)
    known = training.logits(state, torch.from_numpy(spikes).transpose(0, 1)).numpy()
    found = network.run(codes[:, :, None, None, :]) * network.logit_scale
    assert np.corrcoef(known.ravel(), found.ravel())[0, 1] > 0.98


def test_front_end_makes_the_same_network(example: dict[str, ModuleType]) -> None:
    """The snnTorch model with the weights that ship: converted, it has the integers of chip.py, in membranes of other
    widths."""
    model, shipped = example["net"].Listener(), example["chip"].recurrent()
    model.load_state_dict(load_file(example["chip"].WEIGHTS), strict=False)
    codes = some_codes(60)[:, :, None, None, :]
    network = pyflow.convert(model.eval(), codes, time_axis=1, weight_bits=example["chip"].WEIGHT_BITS)
    weights = [[op for op in n.operators if isinstance(op, Linear)] for n in (network, shipped)]
    assert len(weights[0]) == len(weights[1]) == 4
    for op, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(op.weight, other.weight, err_msg=op.name)
    assert network.meta["agreement"] >= 0.95
    assert (network.run(codes).argmax(1) == shipped.run(codes).argmax(1)).mean() >= 0.85
