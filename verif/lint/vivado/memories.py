# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Rules on memories: what synthesis must see to make one, and what the file says that fills it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from verif.lint.vivado.design import (
    Access,
    Body,
    Expressions,
    Memory,
    constant_of,
    root_of,
    shape,
    symbols_in,
    text_of,
)

Hit = tuple[str, Any, str]
BLOCK = ("block", "ultra")
RESET_WORDS = 16  # a file of registers may be that deep


def hits(body: Body, manager: Any, images: Path | None) -> Iterator[Hit]:
    for memory in body.memories.values():
        yield from _size(memory)
        yield from _ports(memory)
        yield from _reads(memory, body)
        yield from _writes(memory)
        yield from _reset(memory)
        if images is not None:
            yield from _images(memory, images)
    yield from _unwritten(body, manager)


# ------------------------------------------------------------------ shape
def _size(memory: Memory) -> Iterator[Hit]:
    name = memory.symbol.name
    if memory.depth == 1:
        yield "one-row-memory", memory.symbol, f"{name} has one row"
    moving = {len(a.prefix) for a in memory.accesses if a.address}
    if (len(memory.dims) > 2 and moving) or (len(memory.dims) == 2 and 0 in moving):
        yield "memory-shape", memory.symbol, f"{name} has {len(memory.dims)} dimensions, addressed before the last"


def _unwritten(body: Body, manager: Any) -> Iterator[Hit]:
    read = {
        root_of(n)
        for p in body.processes
        if p.live
        for n in p.nodes
        if n.kind in (Expressions.NamedValue, Expressions.ElementSelect)
    }
    for symbol in body.variables:
        if shape(symbol)[0] and symbol in read and symbol.initializer is None and not manager.getDrivers(symbol):
            yield "unwritten-memory", symbol, f"{symbol.name} is read and never written"


# ------------------------------------------------------------------ ports
def _ports(memory: Memory) -> Iterator[Hit]:
    name = memory.symbol.name
    ports: dict[Any, dict[Any, Access]] = {}
    for write in memory.writes:
        if not write.process.clocked:
            yield "memory-write", write.node, f"{name} is written outside a clocked process"
        if write.address:
            clock = tuple(text_of(e.expr) for e in write.process.edges)
            ports.setdefault(write.prefix, {}).setdefault((clock, write.address), write)
            loops = [s for s in symbols_in(write.index) if s in write.process.loop_variables]
            if loops and write.index.kind != Expressions.Concatenation:
                yield "two-writes", write.node, f"{name} is written once in each turn of a loop"
    for found in ports.values():
        first = next(iter(found.values()))
        limit = 1 if memory.style == "distributed" else 2
        by_process: dict[Any, set[str]] = {}
        for (_, address), write in found.items():
            by_process.setdefault(write.process, set()).add(address)
        for addresses in by_process.values():
            if len(addresses) > 1:
                yield "two-writes", first.node, f"{name} is written at {' and '.join(sorted(addresses))} by one process"
        if len(found) > limit:
            yield "write-ports", first.node, f"{name} has {len(found)} write ports"
        elif len(found) == 2 and memory.style in BLOCK:
            addresses = {a for _, a in found} | {r.address for r in memory.reads if r.address}
            if len(addresses) > 2:
                yield "write-ports", first.node, f"{name} has {len(addresses)} ports, two of which write"


def _reads(memory: Memory, body: Body) -> Iterator[Hit]:
    if memory.style not in BLOCK:
        return
    for read in memory.reads:
        if not read.address or read.process.initial:
            continue
        if not read.process.clocked and not _registered(read, body):
            yield "asynchronous-read", read.node, f"{memory.symbol.name}[{read.address}] is read without a clock"
        elif len(read.process.edges) > 1:
            yield "memory-reset", read.node, f"{memory.symbol.name} is read in a process with an asynchronous reset"


def _registered(read: Access, body: Body) -> bool:
    """Whether its address is a register: then that is the one inside the block RAM."""
    index = read.index
    while index.kind == Expressions.Conversion:
        index = index.operand
    symbol = root_of(index)
    return symbol is not None and any(
        process.clocked and assignment.nonblocking and symbol in map(root_of, assignment.targets)
        for process in body.processes
        for assignment in process.assignments
    )


def _writes(memory: Memory) -> Iterator[Hit]:
    """Parts of words: columns of one width, at constant places."""
    widths: dict[Any, set[int]] = {}
    for write in memory.writes:
        if not write.address:
            continue
        node, depth = write.node, 0
        while node.kind in (Expressions.ElementSelect, Expressions.RangeSelect, Expressions.MemberAccess):
            node, depth = node.value, depth + 1
        if depth <= len(memory.dims):
            continue
        part = write.node
        if part.kind == Expressions.MemberAccess:
            continue
        place = part.left if part.kind == Expressions.RangeSelect else part.selector
        if write.process.dynamic(place):
            yield "byte-write", part, f"{text_of(part)} writes at a place that moves"
        widths.setdefault(write.process, set()).add(int(part.type.bitWidth))
    for process, found in widths.items():
        if len(found) > 1:
            bits = " and ".join(map(str, sorted(found)))
            yield "byte-write", process.symbol, f"{memory.symbol.name} has columns of {bits} bits"


def _reset(memory: Memory) -> Iterator[Hit]:
    """Whole-array writes, and loops over every word."""
    large = memory.style in (*BLOCK, "distributed") or memory.depth >= RESET_WORDS
    if not large or not any(a.address for a in memory.accesses):
        return
    for write in memory.writes:
        looped = write.node.kind == Expressions.ElementSelect and not write.address
        over = looped and any(s in write.process.loop_variables for s in symbols_in(write.node))
        constant = write.assignment is not None and not write.process.dynamic(write.assignment.node.right)
        if (write.node.kind == Expressions.NamedValue or over) and constant:
            yield "memory-reset", write.node, f"{memory.symbol.name} is cleared as a whole"
    for write in memory.writes:
        if len(write.process.edges) > 1 and write.address:
            yield "memory-reset", write.node, f"{memory.symbol.name} is written in a process with an asynchronous reset"


# ------------------------------------------------------------------ images
def _images(memory: Memory, folder: Path) -> Iterator[Hit]:
    for _, call in memory.images:
        task, (file, *_) = call.subroutineName, call.arguments
        value = constant_of(file, memory.symbol)
        if value is None:
            continue
        name = str(value.convertToStr().value).strip('"') if not isinstance(value.value, str) else value.value
        if not name:
            continue
        path = folder / name
        if not path.exists():
            yield "image", call, f"{name} is not there"
            continue
        yield from (
            (rule, call, f"{name}: {what}")
            for rule, what in image_hits(path.read_text(encoding="utf-8"), memory, 4 if task == "$readmemh" else 1)
        )


def image_hits(text: str, memory: Memory, digit_bits: int) -> Iterator[tuple[str, str]]:
    """A line a row, in rows of the word's width."""
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    width = int(shape(memory.symbol)[1].bitstreamWidth)
    rows = memory.bits // width
    pattern = r"[0-9a-fA-F_]+" if digit_bits == 4 else r"[01_]+"
    for number, line in enumerate(lines, 1):
        if not re.fullmatch(pattern, line.strip()):
            yield "image", f"line {number} is no number: {line.strip()[:20]!r}"
            return
        if int(line.strip().replace("_", ""), 1 << digit_bits) >> width:
            yield "image", f"line {number} has more than {width} bits"
            return
    if len(lines) != rows:
        yield "image-length", f"{len(lines)} lines for {rows} rows"
