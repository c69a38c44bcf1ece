# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""HDF5 files that a user hands in (NIR graphs, networks of Lava): all numbers and texts of one, as a tree.

As `pyflow.reading` has it, sizes are known and allowed before anything is read. Links that lead to other places, values
stored in other files, and filters that unpack to any size are refused. Deflate is undone here, up to the size of a
chunk.
"""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from pyflow.errors import VolleyError
from pyflow.packages import missing
from pyflow.reading import BROKEN, MAX_DEPTH, MAX_MEMBERS, open_file

if TYPE_CHECKING:
    import h5py

MAX_FILE = 256 << 20  # bytes
MAX_VALUES = 1 << 24  # numbers and texts, all together
MAX_CHUNK = 64 << 20  # bytes of a chunk, unpacked
MAX_CHUNKS = 1 << 16
MAX_TEXT = 1000  # letters
DEFLATE, SHUFFLE, FLETCHER = 1, 2, 3  # filters, by their number in the file

Tree = dict[str, Any]  # of trees and arrays; texts are arrays of str


def read_tree(path: Any, cure: str) -> Tree:
    """Everything in the HDF5 file `path`: groups as dictionaries, datasets as arrays (texts of dtype object).
    Attributes are not read. Raises VolleyError, with `cure`, on anything that is not safe, small and readable."""
    try:
        import h5py
    except ModuleNotFoundError as e:
        raise VolleyError(f"{path}: {missing(e) or e}") from None
    with open_file(path, cure, MAX_FILE) as stream:
        try:
            with h5py.File(stream, "r") as file:
                return _Reader(h5py).group(file, 0)
        except BROKEN as e:
            raise VolleyError(f"{path}: not a readable HDF5 file ({_why(e)}); {cure}") from None


def _why(e: BaseException) -> str:
    text = " ".join(str(e).split())[:160]
    if isinstance(e, MemoryError):
        return "it needs too much memory"
    return text if text and not isinstance(e, LookupError) else f"{type(e).__name__}: {text}"


class _Reader:
    """Reads groups and datasets, and counts what they hold; raises one of BROKEN."""

    def __init__(self, h5py: Any) -> None:
        self.h5py = h5py
        self.members, self.values = 0, 0

    def group(self, group: h5py.Group, depth: int) -> Tree:
        if depth > MAX_DEPTH:
            raise ValueError(f"nested more than {MAX_DEPTH} levels deep")
        found: Tree = {}
        for name in group:
            self.members += 1
            if self.members > MAX_MEMBERS:
                raise ValueError(f"more than {MAX_MEMBERS:,} members")
            link = group.get(name, getlink=True)
            if not isinstance(link, self.h5py.HardLink):
                raise ValueError(f"{_name(name)} is a link to another place")
            item = group[name]
            if isinstance(item, self.h5py.Group):
                found[name] = self.group(item, depth + 1)
            elif isinstance(item, self.h5py.Dataset):
                try:
                    found[name] = self.dataset(item)
                except BROKEN as e:
                    raise ValueError(f"{_name(name)}: {_why(e)}") from None
            else:
                raise ValueError(f"{_name(name)} is neither a group nor numbers")
        return found

    def dataset(self, item: h5py.Dataset) -> np.ndarray:
        dtype, shape = item.dtype, item.shape
        text = self.h5py.check_string_dtype(dtype) is not None
        if shape is None or not (text or (dtype.kind in "biuf" and dtype.itemsize <= 8)) or dtype.shape:
            raise ValueError(f"{str(dtype)[:60]} is neither numbers nor text")
        self.values += math.prod(shape)
        if self.values > MAX_VALUES:
            raise ValueError(f"with it, more than {MAX_VALUES:,} values are in the file")
        if item.is_virtual or item.external:
            raise ValueError("its values lie in other files")
        filters = self.filters(item)
        if item.chunks is not None and math.prod(item.chunks) * dtype.itemsize > MAX_CHUNK:
            raise ValueError(f"a chunk of {item.chunks} values has more than {MAX_CHUNK:,} bytes")
        if filters and text:
            raise ValueError("packed text; store it without a filter")
        if filters:
            return self.unpacked(item, filters)
        values = item[()]
        return self.texts(values) if text else np.asarray(values)

    def filters(self, item: h5py.Dataset) -> list[tuple[int, tuple[int, ...]]]:
        """(number, parameters) of those that a chunk went through, in order."""
        plan = item.id.get_create_plist()
        found = [plan.get_filter(n) for n in range(plan.get_nfilters())]
        for code, _, _, name in found:
            if code not in (DEFLATE, SHUFFLE, FLETCHER):
                what = name.decode(errors="replace")[:20] or f"filter {code}"
                raise ValueError(f"packed by {what!r}; pack by gzip, or not at all")
        return [(code, parameters) for code, _, parameters, _ in found]

    def unpacked(self, item: h5py.Dataset, filters: list[tuple[int, tuple[int, ...]]]) -> np.ndarray:
        """A dataset in packed chunks."""
        dtype, chunks = item.dtype, item.chunks
        if item.id.get_type() != self.h5py.h5t.py_create(dtype, logical=True):
            raise ValueError(f"{str(dtype)[:60]} in a form of its own")
        count, size = item.id.get_num_chunks(), math.prod(chunks) * dtype.itemsize
        if count > MAX_CHUNKS:
            raise ValueError(f"{count:,} chunks, at most {MAX_CHUNKS:,}")
        out = np.full(item.shape, item.fillvalue, dtype)
        for n in range(count):
            info = item.id.get_chunk_info(n)
            if info.size > 2 * size + 4096:
                raise ValueError(f"a chunk of {info.size:,} bytes for {size:,}")
            mask, raw = item.id.read_direct_chunk(info.chunk_offset)
            values = _unpack(raw, mask, filters, size, dtype.itemsize).reshape(-1, dtype.itemsize)
            if dtype.kind == "b":
                values = np.not_equal(values, 0).view(np.uint8)
            block = values.reshape(-1).view(dtype).reshape(chunks)
            inside = tuple(slice(at, at + c) for at, c in zip(info.chunk_offset, chunks, strict=True))
            part = out[inside]
            part[...] = block[tuple(slice(0, n) for n in part.shape)]
        return out

    def texts(self, values: Any) -> np.ndarray:
        """str, in an array of dtype object."""
        array = np.asarray(values, object)
        out = np.empty(array.shape, object)
        for place in np.ndindex(array.shape):
            raw = array[place]
            text = raw.decode("utf-8") if isinstance(raw, bytes) else str(raw)
            if len(text) > MAX_TEXT:
                raise ValueError(f"a text of {len(text):,} letters, at most {MAX_TEXT:,}")
            out[place] = text
        return out


def _unpack(raw: bytes, mask: int, filters: list[tuple[int, tuple[int, ...]]], size: int, itemsize: int) -> np.ndarray:
    """`size` bytes of a chunk, its filters undone from the last to the first. mask: the filters that were left out."""
    for n in reversed(range(len(filters))):
        code = filters[n][0]
        if mask >> n & 1:
            continue
        if code == FLETCHER:
            raw = raw[:-4]
        elif code == DEFLATE:
            inflate = zlib.decompressobj()
            raw = inflate.decompress(raw, size + 5)  # with a checksum behind; more is no chunk
        else:
            whole = np.frombuffer(raw, np.uint8)
            if len(whole) % itemsize:
                raise ValueError(f"a chunk of {len(whole):,} bytes is not of whole values")
            raw = whole.reshape(itemsize, -1).T.tobytes()
    if len(raw) != size:
        raise ValueError(f"a chunk of {len(raw):,} bytes unpacked, it should have {size:,}")
    return np.frombuffer(raw, np.uint8)


def _name(name: str) -> str:
    return repr(name[:60])
