# SPDX-License-Identifier: Apache-2.0
"""Memory images: the one place where integers are packed into bits (`docs/formats.md`)."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from pyflow.errors import VolleyError
from pyflow.planning.memories import Memory


def memory_text(memory: Memory) -> str:
    """$readmemh text: one row a line, field 0 in the least significant bits.

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
    packed = np.packbits(bits, axis=1, bitorder="little")
    digits = -(-width // 4)
    return "".join(row.tobytes()[::-1].hex()[-digits:].rjust(digits, "0") + "\n" for row in packed)


def write_memory(memory: Memory, folder: Path) -> Path:
    path = folder / f"{memory.name}.mem"
    path.write_text(memory_text(memory))
    return path


def read_memory(path: Path, width: int, depth: int) -> list[int]:
    """Rows of a `.mem` file as unsigned integers. Raises VolleyError if it is not `depth` rows of `width` bits."""
    try:
        words = path.read_text().split()
    except OSError as e:
        raise VolleyError(f"{path}: cannot be read ({e.strerror}); compile the network again") from None
    digits = -(-width // 4)
    bad = next((w for w in words if not re.fullmatch(rf"[0-9a-fA-F]{{{digits}}}", w) or int(w, 16) >> width), None)
    if len(words) != depth or bad is not None:
        found = f"row {bad!r}" if bad is not None else f"{len(words)} rows"
        raise VolleyError(f"{path}: {found} where {depth} rows of {width} bits belong; compile the network again")
    return [int(w, 16) for w in words]
