# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Memory images, as files and as words to load: the one place where integers are packed into bits
(`docs/formats.md`)."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pyflow.errors import VolleyError
from pyflow.machine import LoadImage
from pyflow.planning.memories import Memory
from pyflow.planning.netlist import Netlist


def load_words(netlist: Netlist) -> list[LoadImage]:
    """Images of the writable memories, by number. Raises VolleyError as memory_text() does."""
    images = []
    for index, memory in enumerate(netlist.writable):
        packed = _packed(memory)
        padded = np.pad(packed, ((0, 0), (0, -packed.shape[1] % 4)))
        images.append(LoadImage(memory.name, index, memory.width, padded.view("<u4").astype(np.uint32)))
    return images


def checksum_of(images: Sequence[LoadImage]) -> int:
    """What trailers and registers show once these images have been loaded in this order behind one "begin"."""
    crc = 0
    for image in images:
        crc = zlib.crc32(image.index.to_bytes(4, "little") + image.rows.astype("<u4").tobytes(), crc)
    return crc & 0xFFFF


LEAST_ROWS = 2  # of a memory in hardware


def memory_text(memory: Memory) -> str:
    """$readmemh text: one row a line, field 0 in the least significant bits. The only row of a memory stands there
    twice, because a memory has two rows at least.

    Raises VolleyError naming the memory, the value and the limit if a field does not fit its width.
    """
    lines = _hexadecimal(memory)
    return "".join(f"{line}\n" for line in (lines if len(lines) >= LEAST_ROWS else lines * LEAST_ROWS))


def row_literal(memory: Memory) -> str:
    """The only row of a constant as a sized literal. Raises VolleyError as memory_text() does."""
    (line,) = _hexadecimal(memory)
    return f"{memory.width}'h{line}"


def _hexadecimal(memory: Memory) -> list[str]:
    digits = -(-memory.width // 4)
    return [row.tobytes()[::-1].hex()[-digits:].rjust(digits, "0") for row in _packed(memory)]


def _packed(memory: Memory) -> np.ndarray:
    """uint8 [depth, ceil(width / 8)], little-endian, field 0 in the least significant bits.

    Raises VolleyError naming the memory, the value and the limit if a field does not fit its width.
    """
    rows, fields = memory.rows.shape
    widths = np.tile(np.array(memory.widths), fields // len(memory.widths))
    # A field may be read as signed or unsigned; both ranges are legal images.
    low, high = -(1 << (widths - 1)), (1 << widths) - 1
    bad = (memory.rows < low) | (memory.rows > high)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise VolleyError(
            f"memory {memory.name!r}: value {memory.rows[row, column]} in row {row}, field {column} "
            f"is outside {low[column]}..{high[column]} ({widths[column]} bits)"
        )
    width = int(widths.sum())
    # Bit matrix [rows, width], least significant first, then packed into bytes: flat and fast.
    bits = np.zeros((rows, width), np.uint8)
    offsets = np.concatenate(([0], np.cumsum(widths)[:-1]))
    for b in range(int(widths.max())):
        live = widths > b
        bits[:, offsets[live] + b] = (memory.rows[:, live] >> b) & 1
    packed: np.ndarray = np.packbits(bits, axis=1, bitorder="little")
    return packed


def write_memory(memory: Memory, folder: Path) -> Path:
    path = folder / f"{memory.name}.mem"
    path.write_text(memory_text(memory))
    return path


def read_memory(path: Path, width: int, depth: int) -> list[int]:
    """The `depth` rows of a `.mem` file as unsigned integers. Raises VolleyError if it does not hold them, or rows of
    other than `width` bits."""
    try:
        words = path.read_text().split()
    except OSError as e:
        raise VolleyError(f"{path}: cannot be read ({e.strerror}); compile the network again") from None
    digits = -(-width // 4)
    bad = next((w for w in words if not re.fullmatch(rf"[0-9a-fA-F]{{{digits}}}", w) or int(w, 16) >> width), None)
    if len(words) != max(depth, LEAST_ROWS) or bad is not None:
        found = f"row {bad!r}" if bad is not None else f"{len(words)} rows"
        raise VolleyError(f"{path}: {found} where {depth} rows of {width} bits belong; compile the network again")
    return [int(w, 16) for w in words[:depth]]
