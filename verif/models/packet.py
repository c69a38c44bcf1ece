# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Scalar model of volley_packet_rx, volley_packet_tx and volley_crc32 (docs/formats.md)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

END, ESC, ESC_END, ESC_ESC = 0xC0, 0xDB, 0xDC, 0xDD
HEADER = 4  # bytes that a packet has at least


def crc_step(crc: int, byte: int) -> int:
    """The register of a CRC-32 behind one more byte, bit by bit."""
    for n in range(8):
        odd = (crc ^ byte >> n) & 1
        crc = crc >> 1 ^ (0xEDB88320 if odd else 0)
    return crc


def checksum(packet: Iterable[int]) -> list[int]:
    """The four bytes that follow a packet."""
    crc = 0xFFFFFFFF
    for byte in packet:
        crc = crc_step(crc, byte)
    return [(crc ^ 0xFFFFFFFF) >> 8 * n & 0xFF for n in range(4)]


def enclosed(plain: Iterable[int]) -> list[int]:
    """Bytes on the line for a packet and its checksum: between two end marks, with escapes."""
    escapes = {END: [ESC, ESC_END], ESC: [ESC, ESC_ESC]}
    return [END, *(out for byte in plain for out in escapes.get(byte, [byte])), END]


def framed(packet: Sequence[int]) -> list[int]:
    """Bytes on the line for one packet."""
    return enclosed([*packet, *checksum(packet)])


def unframed(line: Iterable[int], size: int = 256) -> list[list[int]]:
    """The packets that a receiver with room for all of them finds in a line's bytes. size: checksum included."""
    found: list[list[int]] = []
    packet: list[int] | None = []  # None: cannot be used any more
    escape = False
    for byte in line:
        if byte == END:
            whole = packet is not None and not escape and HEADER + 4 <= len(packet) <= size
            if whole and packet and checksum(packet[:-4]) == packet[-4:]:
                found.append(packet[:-4])
            packet, escape = [], False
        elif escape:
            plain = {ESC_END: END, ESC_ESC: ESC}.get(byte)
            packet = None if packet is None or plain is None else [*packet, plain]
            escape = False
        elif byte == ESC:
            escape = True
        elif packet is not None:
            packet.append(byte)
    return found
