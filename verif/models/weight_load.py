# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Scalar models of volley_memory_loader and volley_load_checksum."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from verif.models.packet import crc_step

BEGIN = 0xFFFFFFFF  # number of no memory
Word = tuple[bool, int]  # of the load bus: is it the number of a memory? and the word


def load(index: int, rows: Iterable[Sequence[int]]) -> list[Word]:
    """What loads a memory."""
    return [(True, index), *((False, word) for row in rows for word in row)]


def split(row: int, width: int) -> list[int]:
    """Words of a row."""
    return [row >> low & 0xFFFFFFFF for low in range(0, width, 32)]


def memory_loader(bus: Iterable[Word], width: int, depth: int, index: int) -> Iterator[tuple[int, int]]:
    """(row, its content) of each write."""
    address = depth
    words: list[int] = []
    for select, word in bus:
        if select:
            address, words = (0 if word == index else depth), []
        elif address < depth:
            words.append(word)
            if len(words) == -(-width // 32):
                yield address, sum(w << 32 * n for n, w in enumerate(words)) & (1 << width) - 1
                address, words = address + 1, []


def load_checksum(bus: Iterable[Word], initial: int) -> int:
    crc = 0xFFFFFFFF ^ initial
    for select, word in bus:
        if (select, word) == (True, BEGIN):
            crc = 0xFFFFFFFF
        else:
            for byte in word.to_bytes(4, "little"):
                crc = crc_step(crc, byte)
    return crc & 0xFFFF ^ 0xFFFF
