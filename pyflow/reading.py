# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Files that a user hands in. The size of everything is known and allowed before any of it is read, what is read holds
numbers and text only, and nothing of it is ever executed. Python 3.8 and numpy: boards run this too.

Every error is a VolleyError of one line: the file, the value, the limit, and `cure`, what the caller says would work.
"""

from __future__ import annotations

import io
import json
import math
import os
import stat
import struct
import warnings
import zipfile
import zlib
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np

from pyflow.errors import VolleyError

MAX_BYTES = 768 << 20  # of a file, and of what its archive holds, unpacked: CIFAR-10 as float32 has 703 MiB
MAX_SLOW = 64 << 20  # unpacked, of members that bzip2 or LZMA packed: they take ten times as long
MAX_MEMBERS = 16_384  # of an archive
MAX_DIRECTORY = 4 << 20  # bytes of its directory
MAX_TEXT = 4 << 20  # of a JSON or TOML file, of a pickle of tensors' names
MAX_DEPTH = 64  # of nested lists and objects
MAX_DIGITS = 100  # of a number
MAX_HEADER = 4096  # of a .npy
MAX_AXES = 32

SLOW = (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, *SLOW)
CHUNK = 1 << 20
END, END64, LOCATOR64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"

try:
    from lzma import LZMAError
except ImportError:  # a Python without it cannot unpack such members either
    LZMAError = OSError  # type: ignore[misc, assignment]
# What the standard library and numpy raise on bytes that are not what they should be.
BROKEN = (
    zipfile.BadZipFile, zlib.error, struct.error, LZMAError, EOFError, LookupError, MemoryError, OSError, OverflowError,
    RuntimeError, SyntaxError, TypeError, ValueError,
)  # fmt: skip


def open_file(path: Any, cure: str, limit: int = MAX_BYTES) -> BinaryIO:
    """A regular file of at most `limit` bytes, opened. Raises VolleyError on anything else: a pipe, a device, a folder
    would block, never end, or do something."""
    try:
        kind = os.stat(path).st_mode  # before open(): to open a device may do something
        stream = open(path, "rb") if stat.S_ISREG(kind) else None  # noqa: SIM115  (the caller closes it)
    except FileNotFoundError:
        raise VolleyError(f"{path}: no such file; {cure}") from None
    except (OSError, ValueError) as e:  # ValueError: a NUL in the name
        raise VolleyError(f"{path}: cannot be read ({getattr(e, 'strerror', None) or e}); {cure}") from None
    if stream is None:
        raise VolleyError(f"{path}: is a {_kind(kind)}, not a regular file; {cure}")
    size = os.fstat(stream.fileno()).st_size
    if size > limit:
        stream.close()
        raise VolleyError(f"{path}: {size:,} bytes are more than the {limit:,} that are read; {cure}")
    return stream


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "folder", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket"}
    return kinds.get(stat.S_IFMT(mode), "device")


def read_bytes(path: Any, cure: str, limit: int = MAX_TEXT) -> bytes:
    """Content of a regular file of at most `limit` bytes."""
    with open_file(path, cure, limit) as stream:
        try:
            content = stream.read(limit + 1)  # files of /proc have more than they say
        except OSError as e:
            raise VolleyError(f"{path}: cannot be read ({e.strerror}); {cure}") from None
    if len(content) > limit:
        raise VolleyError(f"{path}: more than {limit:,} bytes, the most that are read; {cure}")
    return content


# ------------------------------------------------------------------ JSON
def read_json(path: Any, cure: str) -> Any:
    """Content of a JSON file, see parse_json()."""
    return parse_json(read_bytes(path, cure), str(path), cure)


def parse_json(text: bytes, where: str, cure: str) -> Any:
    """JSON in UTF-8: finite numbers of at most MAX_DIGITS digits, no key twice, at most MAX_DEPTH levels."""
    try:
        found = json.loads(
            text.decode("utf-8-sig"),
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_constant,
            object_pairs_hook=_object,
        )
        _check_json(found)
    except RecursionError:
        raise VolleyError(f"{where}: not JSON (nested more than {MAX_DEPTH} levels deep); {cure}") from None
    except ValueError as e:
        raise VolleyError(f"{where}: not JSON ({e}); {cure}") from None
    return found


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"a number of {len(text):,} digits, at most {MAX_DIGITS}")
    return int(text)


def _float(text: str) -> float:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"a number of {len(text):,} digits, at most {MAX_DIGITS}")
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"the number {text} is out of range")
    return value


def _constant(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for n, key in enumerate(keys) if key in keys[:n])
        raise ValueError(f"key {twice!r} stands twice in an object")
    return found


def _check_json(found: Any) -> None:
    level = [found]
    for _ in range(MAX_DEPTH):
        inner: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                inner += [*value.keys(), *value.values()]
            elif isinstance(value, list):
                inner += value
            elif isinstance(value, str) and not value.isascii():
                value.encode()  # half a surrogate pair is no text: UnicodeEncodeError, a ValueError
        if not inner:
            return
        level = inner
    raise ValueError(f"nested more than {MAX_DEPTH} levels deep")


# ------------------------------------------------------------------ arrays
def read_npy(path: Any, cure: str) -> np.ndarray:
    """The array of a .npy file: plain numbers, of the size that its header says."""
    with open_file(path, cure) as stream:
        try:
            return _array(stream, os.fstat(stream.fileno()).st_size)
        except BROKEN as e:
            raise VolleyError(f"{path}: not a readable .npy file ({_why(e)}); {cure}") from None


def _array(stream: Any, size: int) -> np.ndarray:
    """The array of `size` bytes of .npy in `stream`; raises one of BROKEN."""
    shape, fortran, dtype, start = _header(stream)
    need, there = math.prod(shape) * dtype.itemsize, size - start
    if need != there:
        raise ValueError(f"its header promises {need:,} bytes, {there:,} are there")
    array = np.empty(math.prod(shape), dtype)
    target = array.view(np.uint8).data
    for at in range(0, need, CHUNK):
        piece = stream.read(min(CHUNK, need - at))
        if len(piece) < min(CHUNK, need - at):
            raise EOFError(f"it ends after {at + len(piece):,} of {need:,} bytes")
        target[at : at + len(piece)] = piece
    stream.read(1)  # the end: an archive then compares the checksum
    if dtype.kind == "b":
        array = array.view(np.uint8) != 0  # a byte of 2 is no bool that numpy can count on
    return array.reshape(shape[::-1]).T if fortran else array.reshape(shape)


def _header(stream: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """(shape, Fortran order, dtype, bytes so far) of a .npy."""
    magic = stream.read(8)
    if magic[:2] == b"PK":
        raise ValueError("an archive of several arrays")
    if magic[:6] != b"\x93NUMPY":
        raise ValueError("no array of numpy")
    form = {1: "<H", 2: "<I"}.get(magic[6])
    if form is None:  # 3 is for names of fields
        raise ValueError(f"version {magic[6]} of .npy, only 1 and 2 hold plain numbers")
    raw = stream.read(struct.calcsize(form))
    (length,) = struct.unpack(form, raw)
    if length > MAX_HEADER:
        raise ValueError(f"a header of {length:,} bytes, at most {MAX_HEADER:,}")
    text = stream.read(length)
    read = np.lib.format.read_array_header_1_0 if form == "<H" else np.lib.format.read_array_header_2_0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shape, fortran, dtype = read(io.BytesIO(raw + text))
    except Exception as e:  # whatever Python's parser and numpy make of any text
        raise ValueError(f"its header cannot be read: {_why(e)}") from None
    if dtype.hasobject:
        raise ValueError("pickled objects, which are never loaded; save plain arrays")
    if dtype.kind not in "biuf" or dtype.shape:
        raise ValueError(f"dtype {str(dtype)[:60]} is no plain number")
    if len(shape) > MAX_AXES or any(isinstance(n, bool) or n < 0 for n in shape):
        raise ValueError(f"shape {str(shape)[:60]} is none")
    return shape, bool(fortran), dtype, 8 + len(raw) + length


def _why(e: BaseException) -> str:
    """One short line, with the type where the text alone says nothing."""
    text = " ".join(str(e).split())[:160]
    if isinstance(e, MemoryError):
        return "it needs more memory than there is"
    return text if text and not isinstance(e, LookupError) else f"{type(e).__name__}: {text}"


# ------------------------------------------------------------------ archives
class Archive:
    """A zip archive whose directory has been checked: so many members, so large unpacked (`limit`, all together),
    packed in a known way, not encrypted, no name twice. Names that lead out of a folder are not there. To be used in
    a `with`."""

    def __init__(self, path: Any, cure: str, limit: int = MAX_BYTES, kind: str = ".npz file") -> None:
        self.path, self._cure, self._kind = path, cure, kind
        self._stream = open_file(path, cure)
        try:
            _check_end(self._stream)
            self._zip = zipfile.ZipFile(self._stream)
            self._members = _members(self._zip.infolist(), limit)
        except BROKEN as e:
            self._stream.close()
            raise self.fail(_why(e)) from None

    def fail(self, why: str) -> VolleyError:
        return VolleyError(f"{self.path}: not a readable {self._kind} ({why}); {self._cure}")

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, at: TracebackType | None) -> None:
        self._zip.close()
        self._stream.close()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._members)

    def size(self, name: str) -> int:
        """Bytes of a member, unpacked."""
        return self._members[name].file_size

    def read(self, name: str, limit: int = MAX_TEXT) -> bytes:
        """Content of a member of at most `limit` bytes."""
        if name not in self._members:
            raise self.fail(f"it has no {name!r}")
        if self.size(name) > limit:
            raise self.fail(f"{name!r} has {self.size(name):,} bytes, at most {limit:,} are read")
        try:
            return self._zip.read(self._members[name])
        except BROKEN as e:
            raise self.fail(f"{name!r}: {_why(e)}") from None

    def array(self, name: str) -> np.ndarray:
        """The array of member `name`.npy, or `name` as numpy.load takes it too."""
        info = self._members.get(f"{name}.npy") or self._members.get(name)
        if info is None:
            raise self.fail(f"it has no array {name!r}")
        try:
            with self._zip.open(info) as stream:
                return _array(stream, info.file_size)
        except BROKEN as e:
            raise self.fail(f"{info.filename!r}: {_why(e)}") from None


def read_npz(path: Any, names: list[str], cure: str) -> list[np.ndarray]:
    """The arrays `names` of an .npz."""
    with Archive(path, cure) as archive:
        return [archive.array(name) for name in names]


def _check_end(stream: BinaryIO) -> None:
    """Is this an archive, of a directory that may be read? zipfile reads all of it at once, so this looks at its end
    first, in the places where zipfile does."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - 22))
    at, end = max(0, size - 22), stream.read(22)
    if not (end.startswith(END) and end.endswith(b"\0\0")):
        begin = max(0, size - (1 << 16) - 22)
        stream.seek(begin)
        tail = stream.read()
        at = begin + tail.rfind(END)
        end = tail[at - begin :][:22] if END in tail else b""
    if len(end) < 22:
        raise ValueError("no zip archive")
    entries, length = struct.unpack("<HI", end[10:16])
    if at >= 20:
        stream.seek(at - 20)
        locator = stream.read(20)
        if locator.startswith(LOCATOR64):
            stream.seek(max(0, at - 20 - 56))
            record = stream.read(56)
            if record.startswith(END64):
                entries, length = struct.unpack("<QQ", record[32:48])
    stream.seek(0)
    if entries > MAX_MEMBERS or length > MAX_DIRECTORY:
        raise ValueError(
            f"a directory of {entries:,} members and {length:,} bytes, at most {MAX_MEMBERS:,} and {MAX_DIRECTORY:,}"
        )


def _members(infos: list[zipfile.ZipInfo], limit: int) -> dict[str, zipfile.ZipInfo]:
    members: dict[str, zipfile.ZipInfo] = {}
    if len(infos) > MAX_MEMBERS:
        raise ValueError(f"{len(infos):,} members, at most {MAX_MEMBERS:,}")
    for info in infos:
        name = info.filename
        if name.startswith(("/", "\\")) or ".." in Path(name.replace("\\", "/")).parts:
            continue
        if name in members:
            raise ValueError(f"{name!r} stands twice in it")
        if info.flag_bits & 1:
            raise ValueError(f"{name!r} is encrypted")
        if info.compress_type not in METHODS:
            raise ValueError(f"{name!r} is packed by method {info.compress_type}; pack by deflate, or not at all")
        members[name] = info
    total = sum(info.file_size for info in members.values())
    slow = sum(info.file_size for info in members.values() if info.compress_type in SLOW)
    if total > limit:
        raise ValueError(f"unpacked it has {total:,} bytes, at most {limit:,}")
    if slow > MAX_SLOW:
        raise ValueError(f"bzip2 and LZMA hold {slow:,} bytes, at most {MAX_SLOW:,}; pack by deflate")
    return members


# ------------------------------------------------------------------ weights
def check_weights(path: Any, cure: str) -> None:
    """May this file of weights (.safetensors, or what torch.save writes) be given to its library? Checks what decides
    how much memory and time that takes; the library checks the rest."""
    with open_file(path, cure) as stream:
        start, size = stream.read(8), os.fstat(stream.fileno()).st_size
        if start[:2] != b"PK" and (str(path).endswith(".safetensors") or stream.read(1) == b"{"):
            stream.seek(8)
            length = int.from_bytes(start, "little")
            if len(start) < 8 or length > min(MAX_TEXT, size - 8):
                why = f"a header of {length:,} bytes in {size:,}, at most {MAX_TEXT:,}"
                raise VolleyError(f"{path}: not a readable safetensors file ({why}); {cure}")
            header = parse_json(stream.read(length), f"{path}: its header", cure)
            if not isinstance(header, dict):
                raise VolleyError(f"{path}: not a readable safetensors file (its header is no object); {cure}")
            return
    if start[:2] == b"PK":
        with Archive(path, cure, kind="file of weights") as archive:
            for name in archive.names:
                if name.endswith(".pkl") and archive.size(name) > MAX_TEXT:
                    raise archive.fail(f"{name!r} has {archive.size(name):,} bytes, at most {MAX_TEXT:,}")
