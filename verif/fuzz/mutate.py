# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Mutants of files: of their structure (fields, types, shapes, members of an archive, repacked with right checksums)
and of their bytes. The same generator state gives the same mutant."""

from __future__ import annotations

import copy
import io
import json
import os
import pickle
import warnings
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

Rng = np.random.Generator
PWNED = "PWNED"  # a file that only executed code makes
EXTREMES = (0, -1, 1, 2, 3, 7, 255, 256, 2**16, 2**23, 2**31 - 1, 2**31, -(2**31), 2**40, 2**62, 2**63 - 1, 2**63,
            2**64, 10**30, 0.0, -0.0, 0.5, 1.5, -1.5, 1e-300, 1e300, 1.0000001)  # fmt: skip
ODD: tuple[Any, ...] = (
    None, True, False, "", "x", "a" * 5000, "../../x", "/tmp/x", "a\nb", "\x1b[2J", "\u0000", "\ud800", "Ж",
    "NaN", "8", [], {}, [[]], [1], [True, 8, 8], [8.0, 8, 8], {"a": 1}, [None])  # fmt: skip
DTYPES = ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", ">f4", ">i8", "?", "c8", "U3", "S3", "g",
          "M8[s]", "V3")  # fmt: skip


class Evil:
    """Pickled, it makes a file when it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {PWNED}",)


def pick(rng: Rng, options: Any) -> Any:
    """One of a sequence, as it is (numpy would convert it)."""
    return options[int(rng.integers(len(options)))]


# ---------------------------------------------------------------------- bytes
def of_bytes(rng: Rng, data: bytes, others: list[bytes]) -> bytes:
    """One to four places of `data` changed: bits, bytes, runs; cut, doubled, or joined with another file."""
    raw = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        at, length = int(rng.integers(len(raw) + 1)), int(2 ** rng.uniform(0, 7))
        match int(rng.integers(8)):
            case 0 if raw:
                raw[at % len(raw)] ^= 1 << int(rng.integers(8))
            case 1 if raw:
                raw[at % len(raw)] = pick(rng, (0, 1, 0x7F, 0x80, 0xFF))
            case 2:
                raw[at : at + length] = rng.bytes(len(raw[at : at + length]))
            case 3:
                del raw[at : at + length]
            case 4:
                raw[at:at] = rng.bytes(length)
            case 5:
                raw[at:at] = raw[max(0, at - length) : at]
            case 6 if rng.random() < 0.3:
                del raw[at:]
            case 7 if rng.random() < 0.3:
                raw[at:] = pick(rng, others)[at:]
    return bytes(raw)


# ---------------------------------------------------------------------- JSON
def _places(node: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a document."""
    found, pending = [], [node]
    while pending:
        inner = pending.pop()
        if isinstance(inner, (dict, list)):
            keys = list(inner) if isinstance(inner, dict) else range(len(inner))
            found += [(inner, key) for key in keys]
            pending += [inner[key] for key in keys]
    return found


def document(rng: Rng, found: Any) -> Any:
    """A copy of a JSON document with one to three places changed."""
    found = copy.deepcopy(found)
    for _ in range(int(rng.integers(1, 4))):
        places = _places(found)
        if not places:
            return pick(rng, ODD)
        (where, key), (other, other_key) = pick(rng, places), pick(rng, places)
        value = where[key]
        match int(rng.integers(9)):
            case 0:
                del where[key]
            case 1 if isinstance(where, dict):
                where[pick(rng, ("extra", "", "pe", "name", "kind", "\ud800", "a" * 300))] = pick(rng, ODD + EXTREMES)
            case 2 if isinstance(where, dict):
                where[f"{key}_"] = where.pop(key)
            case 3:
                where[key] = pick(rng, ODD)
            case 4:
                where[key] = pick(rng, EXTREMES)
            case 5:
                where[key] = copy.deepcopy(other[other_key])
            case 6 if isinstance(where, list):
                where.insert(int(rng.integers(len(where) + 1)), copy.deepcopy(value))
            case 7 if type(value) is int:
                where[key] = value + pick(rng, (-1, 1, value, 1000))
            case _:
                where[key] = pick(rng, ([value], {"a": value}, str(value), [value, value]))
    return pick(rng, (found, found, found, found, [found], {"a": found})) if rng.random() < 0.05 else found


def text(rng: Rng, found: Any) -> bytes:
    """A changed document as text, now and then in a way that no library writes."""
    out = json.dumps(document(rng, found)) if rng.random() < 0.9 else json.dumps(found)
    strange: tuple[Callable[[], str], ...] = (
        lambda: "[" * 100_000,
        lambda: "[" * 100 + out + "]" * 100,
        lambda: out.replace("1", "1" * 5000, 1),
        lambda: out.replace(":", ': NaN, "n":', 1),
        lambda: out.replace("{", '{"a": 1, "a": 2, ', 1),
        lambda: out.replace("1", "1e999", 1),
        lambda: out + out,
        lambda: "\ufeff" + out,
    )
    if rng.random() < 0.1:
        out = pick(rng, strange)()
    return out.encode("utf-8", "surrogatepass")


# ---------------------------------------------------------------------- arrays
def array(rng: Rng, x: np.ndarray) -> np.ndarray:
    """Another dtype, shape, order or other values."""
    with np.errstate(all="ignore"):
        match int(rng.integers(9)):
            case 0:
                kind = np.dtype(pick(rng, DTYPES))
                return x.astype(kind) if kind.kind != "V" else np.zeros(x.shape, kind)
            case 1:
                return x.T
            case 2:
                return x.reshape(-1) if rng.random() < 0.5 else x[None]
            case 3:
                return x[..., :-1] if x.ndim else x
            case 4:
                return x[:0] if x.ndim else x
            case 5:
                y = np.array(x)
                y.reshape(-1)[: int(rng.integers(1, 4))] = (
                    pick(rng, (0, 1, 127)) if x.dtype.kind != "f" else pick(rng, (np.nan, np.inf, -np.inf, -1, 2, 1e30))
                )
                return y
            case 6:
                y = np.array(x, dtype=pick(rng, ("i8", "u8", "f8")))
                y[...] = pick(rng, (-1, 2**53, 2**62)) if y.dtype.kind != "u" else 2**63
                return y
            case 7:
                return np.concatenate([x, x]) if x.ndim else x
            case _:
                return np.asfortranarray(x)


def npy(rng: Rng, raw: bytes) -> bytes:
    """A .npy with another array, or another header in front of the same one."""
    x = np.load(io.BytesIO(raw))
    if rng.random() < 0.75:
        out = io.BytesIO()
        np.save(out, array(rng, x))
        return out.getvalue()
    header = pick(rng, (
        {"shape": (2**40, 2**40)}, {"shape": (-1, 8)}, {"shape": (True, *x.shape)}, {"shape": 5}, {"descr": "|O"},
        {"descr": "<f4"}, {"descr": [("a", "<i4")]}, {"descr": ("<i4", (2,))}, {"fortran_order": 3}, {"descr": "x"},
        {"shape": (0, 2**62)}, {"shape": (1,) * 40}, {"shape": (2**62,)}, {"descr": "<i1"}, {"extra": 1},
        {"descr": "|V0"},
    ))  # fmt: skip
    description = {"descr": x.dtype.str, "fortran_order": False, "shape": x.shape, **header}
    strange = ("(" * 3000, "-" * 3000 + "1", "{", "1" * 5000, "os.system('x')")
    body = repr(description) if rng.random() < 0.7 else pick(rng, strange)
    head = body.encode().ljust(118) + b"\n"
    version = pick(rng, (b"\x01\x00", b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x09\x00"))
    length = len(head).to_bytes(2 if version[0] == 1 else 4, "little")
    return b"\x93NUMPY" + version + length + head + x.tobytes()


# ---------------------------------------------------------------------- archives
Members = dict[str, bytes]


def unpacked(data: bytes) -> Members:
    with zipfile.ZipFile(io.BytesIO(data)) as z:
        return {name: z.read(name) for name in z.namelist()}


def packed(members: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as z:
        for name, content in members:
            z.writestr(zipfile.ZipInfo(name), content, method)
    return out.getvalue()


def archive(rng: Rng, data: bytes, inside: Callable[[Rng, str, bytes], bytes]) -> bytes:
    """An archive with other members, packed again with right checksums. inside: changes one member's content."""
    members = unpacked(data)
    for _ in range(int(rng.integers(1, 3))):
        name, other = pick(rng, list(members)), pick(rng, list(members))
        match int(rng.integers(10)):
            case 0:
                del members[name]
                members = members or {"x": b""}
            case 1:
                members[name], members[other] = members[other], members[name]
            case 2:
                added = ("../../x.npy", "/tmp/x.npy", "y.npy", "extra.npy", "a/b.npy", "n" * 300)
                members[pick(rng, added)] = members[name]
            case 3 if rng.random() < 0.3:
                members[name] = pickle.dumps(Evil())
            case 4:
                members[name] = members[other]
            case 5 if rng.random() < 0.2:
                members[name] = bytes(int(pick(rng, (5 << 20, 80 << 20))))
            case _:
                members[name] = inside(rng, name, members[name])
    pairs = list(members.items())
    if rng.random() < 0.05:
        pairs.append(pick(rng, pairs))
    method = zipfile.ZIP_STORED if rng.random() < 0.5 else zipfile.ZIP_DEFLATED
    if rng.random() < 0.05:
        method = pick(rng, (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name twice
        out = bytearray(packed(pairs, method))
    if rng.random() < 0.05:  # the directory says otherwise: encrypted, another method, another size
        at = out.find(b"PK\x01\x02") + pick(rng, (8, 10, 20, 24, 42))
        out[at] ^= pick(rng, (1, 8, 0x40, 0xFF))
    if rng.random() < 0.03:
        out += pick(rng, (b"x", b"PK\x05\x06" + bytes(18), b"PK\x05\x06" + b"\xff" * 18))
    return bytes(out)


def of_member(rng: Rng, data: bytes) -> bytes:
    """Bytes of one member changed, and the archive packed again with right checksums."""
    members = unpacked(data)
    name = pick(rng, list(members))
    members[name] = of_bytes(rng, members[name], list(members.values()))
    return packed(list(members.items()))


def member(rng: Rng, name: str, content: bytes) -> bytes:
    """Changes a member by what it is."""
    if content[:6] == b"\x93NUMPY":
        try:
            return npy(rng, content)
        except Exception:  # a mutant of a mutant, which even numpy cannot read
            return content[:-1]
    if name.endswith(".json"):
        try:
            return text(rng, json.loads(content))
        except (ValueError, RecursionError):
            return content[1:]
    return of_bytes(rng, content, [content]) if content else b"x"
