# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Files are read within stated limits, known before anything is read; nothing in them is executed."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pyflow import reading
from pyflow.errors import VolleyError
from pyflow.reading import Archive, check_weights, parse_json, read_bytes, read_json, read_npy

CURE = "write it again"


def npy(x: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, x)
    return out.getvalue()


def header(text: str, body: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text.encode() + body


def npz(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as z:
        for name, content in members.items():
            z.writestr(name, content)
    return out.getvalue()


def patched(data: bytes, offset: int, value: int, form: str = "<H") -> bytes:
    """An archive whose directory says something else of its first member."""
    raw = bytearray(data)
    struct.pack_into(form, raw, raw.find(b"PK\x01\x02") + offset, value)
    return bytes(raw)


def refused(action: Callable[[], object], *words: str) -> None:
    with pytest.raises(VolleyError) as error:
        action()
    text = str(error.value)
    assert CURE in text
    assert "\n" not in text
    for word in words:
        assert word in text


# ------------------------------------------------------------------ what is opened
def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "folder").mkdir()
    for name, word in (
        (tmp_path / "pipe", "is a pipe"), (tmp_path / "loop", "cannot be read"), (tmp_path / "folder", "is a folder"),
        ("/dev/zero", "is a device"), (tmp_path / "none", "no such file"), ("a\0b", "cannot be read"),
        (tmp_path / ("n" * 300), "File name too long"),
    ):  # fmt: skip
        refused(lambda name=name: read_bytes(name, CURE), word)  # type: ignore[misc]


def test_size_of_a_file(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as f:
        f.truncate(1 << 40)  # 1 TiB of nothing
    refused(lambda: read_bytes(tmp_path / "large", CURE), "1,099,511,627,776", "4,194,304")
    refused(lambda: Archive(tmp_path / "large", CURE), "1,099,511,627,776", f"{reading.MAX_BYTES:,}")
    assert read_bytes("/proc/self/status", CURE)  # says that it has 0 bytes


# ------------------------------------------------------------------ JSON
@pytest.mark.parametrize(
    ("text", "word"),
    [
        (b"[" * 100_000, "64 levels"),
        (b"[" * 65 + b"]" * 65, "64 levels"),
        (b"1" * 5000, "5,000 digits"),
        (b"1." + b"1" * 5000, "5,002 digits"),
        (b"NaN", "NaN is no number"),
        (b"[-Infinity]", "-Infinity is no number"),
        (b"1e999", "1e999 is out of range"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "'c' stands twice"),
        (b'["\\ud800"]', "surrogates not allowed"),
        (b"\xff\xfe", "decode"),
        (b"{", "Expecting"),
    ],
)
def test_json_that_is_refused(text: bytes, word: str) -> None:
    refused(lambda: parse_json(text, "x.json", CURE), "x.json: not JSON", word)


def test_json_that_is_read(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(b"\xef\xbb\xbf" + json.dumps({"a": [1, 2.5, None, "Ж"]}).encode())
    assert read_json(tmp_path / "x.json", CURE) == {"a": [1, 2.5, None, "Ж"]}
    assert parse_json(b"[" * 63 + b"1" + b"]" * 63, "x", CURE)


# ------------------------------------------------------------------ arrays
@pytest.mark.parametrize(
    "x",
    [
        np.arange(6, dtype=">i4").reshape(2, 3), np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.zeros((0, 3)),
        np.array(5), np.array([True, False]), np.arange(3, dtype=np.longdouble), np.zeros((2, 3, 4), np.float16),
    ],
)  # fmt: skip
def test_arrays_that_are_read(x: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_bytes(npy(x))
    (tmp_path / "x.npz").write_bytes(npz({"x.npy": npy(x)}, zipfile.ZIP_LZMA))
    for found in (read_npy(tmp_path / "x.npy", CURE), *reading.read_npz(tmp_path / "x.npz", ["x"], CURE)):
        np.testing.assert_array_equal(found, x)
        assert found.dtype == x.dtype
        assert found.shape == x.shape


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("touch PWNED",)


OBJECTS = io.BytesIO()
np.save(OBJECTS, np.array([Evil()]), allow_pickle=True)
ARRAYS = {
    "pickle": (pickle.dumps(Evil()), "no array of numpy"),
    "objects": (OBJECTS.getvalue(), "pickled objects"),
    "4 PiB": (header(f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({2**49},)}}"), "4,503,599,627,370,496"),
    "product": (header(f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({2**40}, {2**40})}}"), "promises"),
    "negative": (header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}"), "shape (-1,)"),
    "bool": (header("{'descr': '|i1', 'fortran_order': False, 'shape': (True,)}", b"1"), "shape (True,)"),
    "axes": (header("{'descr': '|i1', 'fortran_order': False, 'shape': (" + "1," * 40 + ")}", b"1"), "shape"),
    "struct": (npy(np.zeros(2, [("a", "i4")])), "no plain number"),
    "complex": (npy(np.zeros(2, complex)), "complex128"),
    "text": (npy(np.array(["a"])), "<U1"),
    "deep": (header("(" * 3000), "header cannot be read"),
    "minus": (header("-" * 3000 + "1"), "header cannot be read"),
    "long": (header("{" + " " * 60_000 + "}"), "4,096"),
    "version": (header("{}", version=b"\x03\x00"), "version 3"),
    "short": (npy(np.zeros(8))[:-1], "64 bytes, 63 are there"),
    "more": (npy(np.zeros(8)) + b"x", "64 bytes, 65 are there"),
    "empty": (b"", "no array of numpy"),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_arrays_that_are_refused(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    content, word = ARRAYS[case]
    Path("x.npy").write_bytes(content)
    Path("x.npz").write_bytes(npz({"x.npy": content}))
    tracemalloc.start()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        refused(lambda: read_npy("x.npy", CURE), "x.npy", word)
        refused(lambda: reading.read_npz("x.npz", ["x"], CURE), "x.npz", word)
    assert tracemalloc.get_traced_memory()[1] < 32 << 20
    tracemalloc.stop()
    assert not Path("PWNED").exists()


def test_bools_are_bools(tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_bytes(npy(np.array([2, 0, 1], np.uint8)).replace(b"|u1", b"|b1"))
    assert read_npy(tmp_path / "x.npy", CURE).sum() == 2


# ------------------------------------------------------------------ archives
GOOD = npz({"x.npy": npy(np.zeros(4))})
BOMB = npz({"x.npy": bytes(100_000)}, zipfile.ZIP_DEFLATED)


def directory(entries: int, length: int) -> bytes:
    return b"x" * 100 + b"PK\x05\x06" + struct.pack("<4H2IH", 0, 0, entries, entries, length, 0, 0)


def directory64(entries: int, length: int) -> bytes:
    record = b"PK\x06\x06" + struct.pack("<Q2H2I4Q", 44, 45, 45, 0, 0, entries, entries, length, 0)
    return b"x" * 100 + record + b"PK\x06\x07" + struct.pack("<IQI", 0, 100, 1) + directory(0xFFFF, 0xFFFFFFFF)[100:]


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "no zip archive"),
        (b"PK\x03\x04 not really", "no zip archive"),
        (GOOD[:-30], "no zip archive"),
        (patched(GOOD, 8, 1), "'x.npy' is encrypted"),
        (patched(GOOD, 10, 99), "method 99"),
        (patched(BOMB, 24, 2**31, "<I"), "2,147,483,648 bytes, at most 805,306,368"),
        (patched(npz({"x.npy": b"1" * 99}, zipfile.ZIP_LZMA), 24, 100 << 20, "<I"), "at most 67,108,864"),
        (directory(60_000, 100), "60,000 members"),
        (directory(3, 2**31), "2,147,483,648 bytes"),
        (directory64(2**40, 2**50), "1,099,511,627,776 members"),
        (GOOD.replace(b"\x93NUMPY", b"\x94NUMPY"), "CRC"),
    ],
)
def test_archives_that_are_refused(content: bytes, word: str, tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(content)
    refused(lambda: Archive(tmp_path / "x.npz", CURE).read("x.npy"), "x.npz: not a readable .npz file", word)


def test_a_name_twice(tmp_path: Path) -> None:
    with warnings.catch_warnings(), zipfile.ZipFile(tmp_path / "x.npz", "w") as z:
        warnings.simplefilter("ignore")
        z.writestr("x.npy", b"1")
        z.writestr("x.npy", b"2")
    refused(lambda: Archive(tmp_path / "x.npz", CURE), "'x.npy' stands twice")


def test_names_that_lead_out_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(npz(dict.fromkeys(("../x", "/tmp/x", "a/../../x", "..\\x", "ok", "a/b"), b"1")))
    with Archive(tmp_path / "x.npz", CURE) as archive:
        assert archive.names == ("ok", "a/b")


# ------------------------------------------------------------------ weights
@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("x.safetensors", struct.pack("<Q", 2**60), "1,152,921,504,606,846,976 bytes"),
        ("x.safetensors", struct.pack("<Q", 200_000) + b"[" * 200_000, "64 levels"),
        ("x.safetensors", struct.pack("<Q", 2) + b"[]", "no object"),
        ("x.safetensors", b"1", "header"),
        ("x.pt", npz({"a/data.pkl": bytes(5 << 20)}, zipfile.ZIP_DEFLATED), "'a/data.pkl' has 5,242,880 bytes"),
        ("x.pt", patched(npz({"a/data/0": bytes(100)}), 24, 2**31, "<I"), "2,147,483,648 bytes"),
    ],
)
def test_weights_that_are_refused(name: str, content: bytes, word: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    refused(lambda: check_weights(tmp_path / name, CURE), word)
