# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Datasets: the fixed split of digits, MNIST files in every usual form, .npz files, and every kind of bad file."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyflow import data
from pyflow.errors import VolleyError

RNG = np.random.default_rng(0)


def idx(array: np.ndarray) -> bytes:
    return struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def mnist_arrays() -> dict[str, np.ndarray]:
    images = {k: RNG.integers(0, 256, (n, 28, 28), np.uint8) for k, n in (("x_train", 6), ("x_test", 4))}
    labels = {k: RNG.integers(0, 10, n, np.uint8) for k, n in (("y_train", 6), ("y_test", 4))}
    return images | labels


def write_mnist(folder: Path, gz: bool = False, **replaced: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for key, array in mnist_arrays().items():
        raw = replaced.get(key, idx(array))
        name = data.MNIST_FILES[key] + (".gz" if gz else "")
        (folder / name).write_bytes(gzip.compress(raw) if gz else raw)
    return folder


def write_npz(path: Path, **replaced: object) -> Path:
    arrays: dict[str, Any] = {
        "x_train": RNG.random((5, 2, 4, 3)),
        "y_train": np.arange(5),
        "x_test": RNG.random((3, 2, 4, 3)),
        "y_test": np.arange(3),
    } | replaced
    np.savez(path, **{k: v for k, v in arrays.items() if v is not None})
    return path


def test_digits_split_is_fixed_and_stratified() -> None:
    d = data.load("digits")
    assert d.x_train.shape == (1437, 1, 8, 8)
    assert d.x_test.shape == (360, 1, 8, 8)
    assert d.x_train.dtype == np.float32
    assert d.y_train.dtype == np.int64
    assert d.x_test.min() == 0
    assert d.x_test.max() == 1
    counts = np.bincount(d.y_test)
    assert counts.min() >= 34
    assert counts.max() <= 37
    again = data.load("digits")
    np.testing.assert_array_equal(d.x_test, again.x_test)
    assert d.y_test[:12].tolist() == again.y_test[:12].tolist()
    assert d.classes == 10
    pixels = d.x_test * 16  # 17 grey levels, nothing else
    np.testing.assert_array_equal(pixels, np.rint(pixels))


def test_split_keeps_every_image_once() -> None:
    y = RNG.integers(0, 3, 100)
    train, test = data.stratified_split(y, 20, seed=3)
    assert sorted([*train, *test]) == list(range(100))
    assert len(test) == 20


@pytest.mark.parametrize("gz", [False, True])
@pytest.mark.parametrize("place", [".", "MNIST/raw", "raw"])
def test_mnist_forms(tmp_path: Path, gz: bool, place: str) -> None:
    write_mnist(tmp_path / place, gz)
    d = data.load("mnist", tmp_path)
    assert d.x_train.shape == (6, 1, 28, 28)
    assert d.x_test.shape == (4, 1, 28, 28)
    assert d.x_train.dtype == np.float32
    assert 0 <= d.x_train.min()
    assert d.x_train.max() <= 1
    assert np.array_equal(np.rint(d.x_test * 255), np.floor(d.x_test.astype(np.float64) * 255 + 0.5))


def test_mnist_is_centred_in_the_network_shape(tmp_path: Path) -> None:
    plain = data.load("mnist", write_mnist(tmp_path))
    d = data.fit(plain, (1, 32, 33))
    assert d.x_test.shape == (4, 1, 32, 33)
    np.testing.assert_array_equal(d.x_test[:, :, 2:30, 2:30], plain.x_test)
    assert d.x_test.sum() == pytest.approx(plain.x_test.sum())
    with pytest.raises(VolleyError, match=r"1x28x28.*1x27x28"):
        data.fit(plain, (1, 27, 28))
    with pytest.raises(VolleyError, match=r"'digits'.*1x8x8.*1x10x10"):
        data.load("digits", input_shape=(1, 10, 10))


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({"x_train": b""}, "not an idx file"),
        ({"x_train": b"PK\x03\x04abcdef"}, "not an idx file"),
        ({"x_test": idx(mnist_arrays()["x_test"])[:-1]}, "its header promises"),
        ({"x_test": idx(mnist_arrays()["x_test"]) + b"x"}, "its header promises"),
        ({"y_test": struct.pack(">HBBI", 0, 0x0D, 1, 4) + b"\0" * 16}, "magic 00000d01"),
        ({"y_test": b"\0\0\x08\x01\0"}, "truncated in its header"),
        ({"y_test": idx(np.zeros((4, 1), np.uint8))}, "2-dimensional array, needs 1"),
        ({"x_test": idx(np.zeros((4, 20, 20), np.uint8))}, "20x20"),
        ({"x_test": idx(np.zeros((0, 28, 28), np.uint8))}, "is empty"),
        ({"y_test": idx(np.zeros(3, np.uint8))}, "4 test images but 3 test labels"),
        ({"y_test": idx(np.full(4, 11, np.uint8))}, "label 11"),
        ({"x_train": b"\x1f\x8b\x08\0broken"}, "cannot be read"),
    ],
)
def test_mnist_bad_files(tmp_path: Path, replaced: dict[str, Any], message: str) -> None:
    write_mnist(tmp_path, **replaced)
    with pytest.raises(VolleyError, match=message) as e:
        data.load("mnist", tmp_path)
    assert str(tmp_path) in str(e.value)
    assert "\n" not in str(e.value)


def test_mnist_truncated_gzip(tmp_path: Path) -> None:
    write_mnist(tmp_path, gz=True)
    path = tmp_path / f"{data.MNIST_FILES['x_train']}.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(VolleyError, match="cannot be read"):
        data.load("mnist", tmp_path)


def test_missing_things(tmp_path: Path) -> None:
    with pytest.raises(VolleyError, match="needs DATA_DIR"):
        data.load("mnist")
    with pytest.raises(VolleyError, match="no such folder"):
        data.load("mnist", tmp_path / "nowhere")
    with pytest.raises(VolleyError, match="has no train-images-idx3-ubyte"):
        data.load("mnist", tmp_path)
    with pytest.raises(VolleyError, match="'cifar' is unknown; use digits, mnist"):
        data.load("cifar")
    with pytest.raises(VolleyError, match="no such file"):
        data.load(str(tmp_path / "my.npz"))


def test_npz(tmp_path: Path) -> None:
    d = data.load(str(write_npz(tmp_path / "a.npz")), input_shape=(2, 4, 3))
    assert d.name == "a.npz"
    assert d.shape == (2, 4, 3)
    assert d.x_train.dtype == np.float32
    assert len(d.calibration) == 5
    pixels = RNG.integers(0, 256, (7, 4, 3), np.uint8)  # N,H,W and only x, y
    np.savez(tmp_path / "b.npz", x=pixels, y=np.arange(7, dtype=np.int32))
    d = data.load(str(tmp_path / "b.npz"))
    assert d.x_test.shape == (7, 1, 4, 3)
    assert d.x_train.shape == (0, 1, 4, 3)
    assert len(d.calibration) == 7
    np.testing.assert_array_equal(np.floor(d.x_test[:, 0].astype(np.float64) * 255 + 0.5), pixels)


def test_npz_of_sequences(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 256, (7, 3, 9), np.uint8)
    path = str(tmp_path / "a.npz")
    np.savez(path, x=pixels, y=np.arange(7))
    for shape, hint, want in (
        ((3, 9), False, (7, 3, 9)),  # the form that the model asks for
        ((3, 1, 9), False, (7, 3, 1, 9)),
        (None, True, (7, 3, 9)),
        (None, False, (7, 1, 3, 9)),  # three axes are images unless somebody says otherwise
        ((1, 3, 9), True, (7, 1, 3, 9)),
    ):
        d = data.load(path, input_shape=shape, sequences=hint)
        assert d.x_test.shape == want
        assert d.x_train.shape == (0, *want[1:])
        assert d.shape == want[1:]
        np.testing.assert_array_equal(np.rint(d.x_test.ravel() * 255), pixels.ravel())
    with pytest.raises(VolleyError, match=r"'a.npz'.*3x1x9, the network takes 3x1x8"):
        data.load(path, input_shape=(3, 8))
    np.savez(path, x=pixels[:, 0], y=np.arange(7))  # [N, L]
    assert data.load(path, sequences=True).shape == data.load(path, input_shape=(1, 9)).shape == (1, 9)
    assert data.load(path, input_shape=(1, 1, 9)).x_test.shape == (7, 1, 1, 9)


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({"x_test": None}, "needs arrays x_train, y_train"),
        ({"x_test": np.full((3, 2, 4, 3), 1.5)}, "outside 0..1"),
        ({"x_test": np.full((3, 2, 4, 3), np.nan)}, "value nan at"),
        ({"x_test": np.full((3, 2, 4, 3), np.inf)}, "outside 0..1"),
        ({"x_test": np.full((3, 2, 4, 3), 256, np.int32)}, "value 256 at .* outside 0..255"),
        ({"x_test": np.zeros(3)}, "is neither images .* nor vectors"),
        ({"x_test": np.zeros((3, 4))}, "x_train images are .2, 4, 3., x_test .4,."),
        ({"x_test": np.zeros((0, 2, 4, 3)), "y_test": np.zeros(0, int)}, "x_test: is empty"),
        ({"x_test": np.zeros((3, 1, 4, 3))}, "x_train images are"),
        ({"y_test": np.arange(4)}, "x_test has 3 images, y_test 4 labels"),
        ({"y_test": np.zeros(3)}, "is not labels"),
        ({"y_test": np.array([0, -1, 2])}, "label -1 is negative"),
        ({"y_test": np.array([{}, {}, {}], object)}, "pickled"),
    ],
)
def test_npz_bad_files(tmp_path: Path, replaced: dict[str, object], message: str) -> None:
    path = write_npz(tmp_path / "my.npz", **replaced)
    with pytest.raises(VolleyError, match=message) as e:
        data.load(str(path))
    assert "my.npz" in str(e.value)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("cut", [0, 10, -30, -1])
def test_npz_corrupt(tmp_path: Path, cut: int) -> None:
    path = write_npz(tmp_path / "my.npz")
    path.write_bytes(path.read_bytes()[:cut] if cut else b"no zip")
    with pytest.raises(VolleyError, match=r"my.npz: not a readable .npz"):
        data.load(str(path))
