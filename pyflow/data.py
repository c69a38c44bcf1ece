# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Datasets: the embedded `digits`, MNIST from a folder, and a user's own .npz file.

All of them become float32 images [N, C, H, W] or sequences [N, C, L], in [0, 1], and int64 labels. Bad files
are one VolleyError each, naming the file.
"""

from __future__ import annotations

import gzip
import io
import math
import os
import struct
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pyflow.errors import VolleyError
from pyflow.frames import InputFormat, real
from pyflow.reading import MAX_BYTES, Archive, open_file
from pyflow.shapes import check_shape, map_shape

DIGITS_SEED = 0  # of the stratified split; part of the definition of `digits`
DIGITS_TEST = 360
DIGITS = Path(__file__).parent / "zoo" / "digits.npz"  # made by python -m pyflow.zoo.digits_images
MNIST_FILES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}
IDX_UBYTE = 0x08
MAX_IDX = 64 << 20  # bytes, unpacked
MAX_LABEL = 2**31 - 1
SHOWN = 8  # names listed in a message
NO_LABEL = -1  # in y where a file has images alone
NPZ_ARRAYS = "x_train, y_train, x_test, y_test (or x, y)"


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """name: as the user gave it. x_train, x_test: float32 [N, C, H, W], [N, C, L] or [N, F], in [0, 1]; spikes over
    time, uint8 [N, T, C, H, W]. y_train, y_test: int64 [N].

    A file with only x, y has no training images: x_train is then empty ([0, C, H, W]). Without labels (a file with x
    alone) every y is NO_LABEL.
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            x, y = getattr(self, f"x_{part}"), getattr(self, f"y_{part}")
            if x.ndim not in (2, 3, 4, 5):
                raise VolleyError(f"{self.name}: x_{part} has shape {x.shape}; needs [N, C, H, W], [N, C, L] or [N, F]")
            if y.shape != (len(x),):
                raise VolleyError(f"{self.name}: y_{part} has shape {y.shape} for {len(x)} images; needs ({len(x)},)")
        if not len(self.x_test):
            raise VolleyError(f"{self.name}: x_test is empty; give at least one test image")
        if self.x_train.shape[1:] != self.x_test.shape[1:]:
            raise VolleyError(
                f"{self.name}: x_train images are {self.x_train.shape[1:]}, x_test {self.x_test.shape[1:]}"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, H, W) of one image, (C, L) of one sequence or (F,) of one vector."""
        return self.x_test.shape[1:]

    @property
    def labelled(self) -> bool:
        return bool((self.y_test != NO_LABEL).any())

    @property
    def classes(self) -> int:
        """Largest label + 1."""
        return int(max(self.y_test.max(), self.y_train.max(initial=0))) + 1

    @property
    def calibration(self) -> np.ndarray:
        """Images to calibrate with: up to 1,024 of the training images, else of the test images."""
        return (self.x_train if len(self.x_train) else self.x_test)[:1024]


def load(
    data: str,
    data_dir: str | os.PathLike[str] | None = None,
    input_shape: tuple[int, ...] | None = None,
    sequences: bool = False,
    labels: bool = True,
    trains: InputFormat | None = None,
    timed: bool = False,
) -> Dataset:
    """Load a dataset: `digits`, `mnist` (needs data_dir) or the path of an .npz file.

    input_shape: (C, H, W) or (C, L) of the network; MNIST images smaller than it are centred in zeros.
    sequences: without input_shape, an .npz array of three axes holds [N, C, L] and not images [N, H, W], one of two
        axes [N, L] and not vectors [N, F].
    labels: must an .npz hold labels? Without, x alone will do.
    trains: of a network that takes spikes over time; an .npz may then hold these, [N, T, ...] of 0 and 1.
    timed: an .npz holds numbers that change from step to step, [N, T, ...], which are left as they are.
    Raises VolleyError if it is unknown, missing, corrupt, out of range or does not fit input_shape.
    """
    if timed and not str(data).endswith(".npz"):
        raise VolleyError(f"data {data!r}: has no time steps; give an .npz file whose x are [N, T, ...]")
    if input_shape is not None:
        input_shape = check_shape(input_shape, "data: input_shape")
    if data == "digits":
        found = _digits()
    elif data == "mnist":
        if data_dir is None:
            raise VolleyError("data 'mnist': needs DATA_DIR (--data-dir), the folder that holds the four idx files")
        found = _mnist(Path(data_dir))
    elif str(data).endswith(".npz"):
        one_row = sequences if input_shape is None else map_shape(input_shape)[1] == 1
        found = _npz(Path(data), one_row, labels, trains, timed)
    else:
        raise VolleyError(f"data {data!r} is unknown; use digits, mnist (with DATA_DIR) or the path of an .npz file")
    return found if input_shape is None or found.x_test.ndim == 5 else fit(found, input_shape)


def fit(data: Dataset, input_shape: tuple[int, ...]) -> Dataset:
    """The dataset in the network's (C, H, W) or (C, L). Only MNIST is padded (centred, zeros); anything else
    must match."""
    (c, h, w), (nc, nh, nw) = map_shape(data.shape), map_shape(input_shape)
    vectors = len(data.shape) == 1 and sorted((nc, nh, nw)) == [1, 1, *data.shape]  # of channels, or of pixels
    if (c, h, w) == (nc, nh, nw) or vectors:
        x_train, x_test = (x.reshape(len(x), *input_shape) for x in (data.x_train, data.x_test))
        return replace(data, x_train=x_train, x_test=x_test)
    if data.name != "mnist" or nc != c or nh < h or nw < w:
        raise VolleyError(f"data {data.name!r}: images are {c}x{h}x{w}, the network takes {nc}x{nh}x{nw}")
    top, left = (nh - h) // 2, (nw - w) // 2
    pad = ((0, 0), (0, 0), (top, nh - h - top), (left, nw - w - left))
    return replace(data, x_train=np.pad(data.x_train, pad), x_test=np.pad(data.x_test, pad))


def stratified_split(y: np.ndarray, test: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(train, test) indices, sorted; every class keeps its share (largest remainders). y: int [N]."""
    classes, counts = np.unique(y, return_counts=True)
    ideal = counts * test / len(y)
    take = np.floor(ideal).astype(int)
    for i in np.argsort(take - ideal, kind="stable")[: test - take.sum()]:
        take[i] += 1
    rng = np.random.default_rng(seed)
    chosen = np.concatenate([rng.permutation(np.flatnonzero(y == c))[:n] for c, n in zip(classes, take, strict=True)])
    mask = np.zeros(len(y), bool)
    mask[chosen] = True
    return np.flatnonzero(~mask), np.flatnonzero(mask)


def _digits() -> Dataset:
    """scikit-learn's 1,797 real handwritten digits, 8 x 8, 17 grey levels; split 1,437 / 360."""
    with np.load(DIGITS) as packed:
        x = (packed["images"] / 16.0).astype(np.float32)[:, None]
        y = packed["labels"].astype(np.int64)
    train, test = stratified_split(y, DIGITS_TEST, DIGITS_SEED)
    return Dataset("digits", x[train], y[train], x[test], y[test])


# ------------------------------------------------------------------ MNIST
def _mnist(folder: Path) -> Dataset:
    if not folder.is_dir():
        raise VolleyError(f"{folder}: no such folder; DATA_DIR must hold {', '.join(MNIST_FILES.values())} (or .gz)")
    arrays = {}
    for key, name in MNIST_FILES.items():
        path = _find(folder, name)
        array = read_idx(path)
        want = 3 if key[0] == "x" else 1
        if array.ndim != want:
            raise VolleyError(f"{path}: holds a {array.ndim}-dimensional array, needs {want}")
        if want == 3 and array.shape[1:] != (28, 28):
            raise VolleyError(f"{path}: images are {array.shape[1]}x{array.shape[2]}, MNIST has 28x28")
        if not len(array):
            raise VolleyError(f"{path}: is empty; download it again")
        if want == 1 and array.max() > 9:
            raise VolleyError(f"{path}: label {array.max()} is outside 0..9")
        arrays[key] = array
    for part in ("train", "test"):
        images, labels = len(arrays[f"x_{part}"]), len(arrays[f"y_{part}"])
        if images != labels:
            raise VolleyError(f"{folder}: {images} {part} images but {labels} {part} labels; download them again")
    x = {k: (v.astype(np.float32) / 255)[:, None] for k, v in arrays.items() if k[0] == "x"}
    y = {k: v.astype(np.int64) for k, v in arrays.items() if k[0] == "y"}
    return Dataset("mnist", x["x_train"], y["y_train"], x["x_test"], y["y_test"])


def _find(folder: Path, name: str) -> Path:
    for place in (folder, folder / "MNIST" / "raw", folder / "raw"):
        for file in (name, f"{name}.gz", name.replace("-idx", ".idx"), name.replace("-idx", ".idx") + ".gz"):
            if (place / file).is_file():
                return place / file
    raise VolleyError(f"{folder}: has no {name} nor {name}.gz (nor in MNIST/raw); give the folder of the MNIST files")


def read_idx(path: Path) -> np.ndarray:
    """One idx file of unsigned bytes (plain or .gz) as a uint8 array. Format: yann.lecun.com/exdb/mnist."""
    try:
        with open_file(path, "download it again", MAX_IDX) as stream:
            raw = stream.read()
        if raw[:2] == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=io.BytesIO(raw)) as packed:
                raw = packed.read(MAX_IDX + 1)
    except (OSError, EOFError, zlib.error) as e:
        raise VolleyError(f"{path}: cannot be read ({e}); download it again") from None
    if len(raw) > MAX_IDX:
        raise VolleyError(f"{path}: has more than {MAX_IDX:,} bytes, MNIST's largest has 47,040,016; download it again")
    if len(raw) < 4 or raw[0] or raw[1]:
        raise VolleyError(
            f"{path}: not an idx file (starts with {raw[:4].hex() or 'nothing'}, needs 0000); download it again"
        )
    if raw[2] != IDX_UBYTE or not 1 <= raw[3] <= 4:
        raise VolleyError(f"{path}: idx magic {raw[:4].hex()} is not unsigned bytes (000008xx); download it again")
    head = 4 + 4 * raw[3]
    if len(raw) < head:
        raise VolleyError(f"{path}: truncated in its header ({len(raw)} bytes); download it again")
    shape = struct.unpack(f">{raw[3]}I", raw[4:head])
    need = head + math.prod(shape)
    if len(raw) != need:
        raise VolleyError(f"{path}: has {len(raw)} bytes, its header promises {need}; download it again")
    return np.frombuffer(raw, np.uint8, offset=head).reshape(shape)


# ------------------------------------------------------------------ .npz
def _npz(path: Path, sequences: bool, labels: bool, trains: InputFormat | None = None, timed: bool = False) -> Dataset:
    with Archive(path, f"give an .npz with arrays {NPZ_ARRAYS}, saved by numpy.savez") as archive:
        keys = {name[:-4] if name.endswith(".npy") else name for name in archive.names}
        if {"x_train", "y_train", "x_test", "y_test"} <= keys:
            names = {"x_train": "x_train", "y_train": "y_train", "x_test": "x_test", "y_test": "y_test"}
        elif {"x", "y"} <= keys:
            names = {"x_test": "x", "y_test": "y"}
        elif "x" in keys and not labels:
            names = {"x_test": "x"}
        else:
            held = ", ".join(sorted(keys)[:SHOWN]) or "nothing"
            raise VolleyError(f"{path}: holds {held}; needs arrays {NPZ_ARRAYS}")
        raw = {part: archive.array(name) for part, name in names.items()}
    numbers = sum(v.size for k, v in raw.items() if k[0] == "x")
    if 4 * numbers > MAX_BYTES:
        raise VolleyError(
            f"{path}: {numbers:,} values are {4 * numbers:,} bytes as float32, at most {MAX_BYTES:,}; give fewer"
        )
    out = {}
    for k, name in names.items():  # one after the other: what has been converted is let go
        v, what = raw.pop(k), f"{path}: {name}"
        if timed and k[0] == "x":
            if v.ndim not in (3, 4, 5):
                raise VolleyError(f"{what}: shape {v.shape}; needs [N, T, C, H, W], [N, T, C, L] or [N, T, F]")
            out[k] = v
            continue
        if trains is not None and k[0] == "x" and math.prod(v.shape[1:]) == math.prod((trains.steps, *trains.shape)):
            out[k] = trains.check(v).astype(np.uint8)
            continue
        out[k] = _samples(v, sequences, what) if k[0] == "x" else _labels(v, what)
    out.setdefault("y_test", np.full(len(out["x_test"]), NO_LABEL, np.int64))
    for part in ("train", "test"):
        if f"x_{part}" in out and len(out[f"x_{part}"]) != len(out[f"y_{part}"]):
            raise VolleyError(
                f"{path}: {names[f'x_{part}']} has {len(out[f'x_{part}'])} images, "
                f"{names[f'y_{part}']} {len(out[f'y_{part}'])} labels"
            )
    out.setdefault("x_train", out["x_test"][:0])
    out.setdefault("y_train", out["y_test"][:0])
    return Dataset(path.name, out["x_train"], out["y_train"], out["x_test"], out["y_test"])


def _samples(x: np.ndarray, sequences: bool, what: str) -> np.ndarray:
    """Images as float32 in [0, 1]; NHW becomes N1HW. sequences: three axes are NCL and two NL, which becomes N1L."""
    if x.ndim == (2 if sequences else 3):
        x = x[:, None]
    if x.ndim not in (2, 3, 4) or min(x.shape[1:]) < 1:
        raise VolleyError(
            f"{what}: shape {x.shape} is neither images [N, C, H, W] or [N, H, W], sequences [N, C, L] nor "
            "vectors [N, F]"
        )
    if not len(x):
        raise VolleyError(f"{what}: is empty; give at least one sample")
    return real(x, what)


def _labels(y: np.ndarray, what: str) -> np.ndarray:
    if y.ndim != 1 or not (np.issubdtype(y.dtype, np.integer) or y.dtype == bool):
        raise VolleyError(f"{what}: {y.dtype} of shape {y.shape} is not labels; needs integers [N], or True and False")
    if len(y) and int(y.min()) < 0:
        raise VolleyError(f"{what}: label {int(y.min())} is negative; labels count from 0")
    if len(y) and int(y.max()) > MAX_LABEL:
        raise VolleyError(f"{what}: label {int(y.max())} is above {MAX_LABEL:,}; labels count the classes from 0")
    return y.astype(np.int64)
