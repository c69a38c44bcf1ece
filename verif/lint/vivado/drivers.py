# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Rules on who drives what: variables of two processes, clocks that are no clocks, incomplete event lists, latches."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from pyslang import ast
from pyslang.analysis import DriverFlags, DriverSource, SensitivityListKind

from verif.lint.vivado.design import (
    CONSTANT,
    VALUES,
    Body,
    Expressions,
    Procedures,
    Symbols,
    root_of,
    symbols_in,
    text_of,
)

Hit = tuple[str, Any, str]
_SINGLE = (DriverSource.AlwaysFF, DriverSource.AlwaysComb, DriverSource.AlwaysLatch)


def hits(body: Body, manager: Any) -> Iterator[Hit]:
    for symbol in (*body.variables, *body.nets):
        yield from _drivers(symbol, body, manager)
    yield from _lists(body, manager)


def clock_hits(found: list[Body], manager: Any) -> Iterator[Hit]:
    """Edges are followed outwards through the ports of the modules, to where the clock comes from."""
    clocks: dict[Any, set[str]] = {}  # body -> names of ports that are clocks inside
    for body in reversed(found):
        used: dict[Any, Any] = {}
        yield from _edges(body, used)
        for instance in body.instances:
            inner = clocks.get(instance.canonicalBody or instance.body, set())
            for connection in instance.portConnections:
                if connection.port.name in inner and connection.expression is not None:
                    expression = connection.expression
                    if expression.kind == Expressions.Conversion:
                        expression = expression.operand
                    if root_of(expression) is None:
                        name = f"{instance.name}.{connection.port.name}"
                        yield "clock", instance, f"{name} is clocked by {text_of(expression)}"
                    else:
                        used.setdefault(root_of(expression), instance)
        names: set[str] = set()
        for symbol, where in used.items():
            yield from _source(symbol, where, body, manager, names, frozenset())
        clocks[body.instance.canonicalBody or body.instance.body] = names


def _edges(body: Body, used: dict[Any, Any]) -> Iterator[Hit]:
    """Adds the clocks of the body's own processes to `used`: signal -> where."""
    for process in body.processes:
        if not process.live or process.initial:
            continue
        resets = _tested(process)
        for edge in process.edges:
            if edge.expr.kind not in VALUES and root_of(edge.expr) is None:
                yield "clock", process.symbol, f"{text_of(edge.expr)} is a gated clock"
            elif text_of(edge.expr) not in resets:
                used.setdefault(root_of(edge.expr), process.symbol)


def _tested(process: Any) -> set[str]:
    """Names of an event list that the process tests first: asynchronous controls."""
    if len(process.edges) < 2:
        return set()
    names = {text_of(e.expr) for e in process.edges}
    conditions = [n for n in process.nodes if n.kind.name == "Conditional" and hasattr(n, "ifTrue")]
    read = {
        text_of(v) for c in conditions for part in c.conditions for v in process.below(part.expr) if v.kind in VALUES
    }
    return names & read


def _source(symbol: Any, where: Any, body: Body, manager: Any, names: set[str], above: frozenset[Any]) -> Iterator[Hit]:
    if symbol in above:
        return
    port = body.ports.get(symbol)
    if port is not None and port.direction == ast.ArgumentDirection.In:
        names.add(port.name)
        return
    if symbol.kind not in (Symbols.Variable, Symbols.Net):
        return
    for driver in manager.getDrivers(symbol):
        holder = driver.containingSymbol
        if driver.flags & (DriverFlags.Initializer | DriverFlags.InputPort) or holder.kind == Symbols.Instance:
            continue
        if driver.source in (DriverSource.Initial, DriverSource.Final):
            continue
        assigned = next((p.root for p in body.processes if p.symbol == holder), None)
        right = assigned.right if assigned is not None and assigned.kind == Expressions.Assignment else None
        inner = root_of(right) if right is not None else None
        if inner is None:
            made = "a register" if driver.source in (DriverSource.AlwaysFF, DriverSource.Always) else "logic"
            yield "clock", where, f"{symbol.name} is a clock and comes out of {made}"
        else:
            yield from _source(inner, where, body, manager, names, above | {symbol})
    start = getattr(symbol, "initializer", None)
    if start is not None and symbol.kind == Symbols.Net:
        inner = root_of(start)
        if inner is None:
            yield "clock", where, f"{symbol.name} is a clock and comes out of logic"
        else:
            yield from _source(inner, where, body, manager, names, above | {symbol})


# ------------------------------------------------------------------ two processes
def _drivers(symbol: Any, body: Body, manager: Any) -> Iterator[Hit]:
    memory = body.memories.get(symbol)
    drivers = [
        d
        for d in manager.getDrivers(symbol)
        if d.containingSymbol.kind != Symbols.InstanceBody
        and not d.flags & (DriverFlags.Initializer | DriverFlags.InputPort)
    ]
    for first, second in itertools.combinations(drivers, 2):
        if first.containingSymbol == second.containingSymbol or not _overlap(first.bounds, second.bounds):
            continue
        if any(_by_loops(driver.containingSymbol, symbol, body) for driver in (first, second)):
            continue
        sources = {first.source, second.source}
        if sources & set(_SINGLE):
            pass
        elif sources & {DriverSource.Initial}:
            continue  # initial contents
        elif memory is not None and sources == {DriverSource.Always}:
            continue  # its ports are counted elsewhere
        yield "two-processes", symbol, f"{symbol.name} is written by two processes"
        return


def _by_loops(procedure: Any, symbol: Any, body: Body) -> bool:
    """Whether a plain `always` writes the symbol as a loop's variable, or words of it by loops' variables alone: slang
    unrolls loops in the other kinds only, so which words these are is not known."""
    for process in body.processes:
        if process.symbol == procedure and process.procedure == Procedures.Always:
            if symbol in process.loop_variables:
                return True
            targets = [t for a in process.assignments for t in a.targets if root_of(t) == symbol]
            return bool(targets) and all(set(symbols_in(t)) & process.loop_variables for t in targets)
    return False


def _overlap(first: tuple[int, int], second: tuple[int, int]) -> bool:
    return first[0] <= second[1] and second[0] <= first[1]


# ------------------------------------------------------------------ event lists
def _lists(body: Body, manager: Any) -> Iterator[Hit]:
    """Level-sensitive lists that leave out what the process reads."""
    wanted = {
        p.symbol for p in body.processes if p.live and p.procedure == Procedures.Always and p.events and not p.edges
    }
    if not wanted:
        return
    pending = [body.instance.body]
    while pending:
        scope = pending.pop()
        pending += [m for m in scope if m.kind in (Symbols.GenerateBlock, Symbols.GenerateBlockArray)]
        analysed = manager.getAnalyzedScope(scope)
        for process in analysed.procedures if analysed is not None else ():
            if process.analyzedSymbol in wanted and process.sensitivityList.kind == SensitivityListKind.Explicit:
                listed = {r.symbol.name for r in process.sensitivityList.reads}
                loops = {v for p in body.processes if p.symbol == process.analyzedSymbol for v in p.loop_variables}
                read = {r.symbol for r in process.readSet if r.symbol.kind not in CONSTANT} - loops
                missing = sorted({s.name for s in read} - listed)
                if missing:
                    yield "event-list", process.analyzedSymbol, f"{', '.join(missing)} not in the event list"
