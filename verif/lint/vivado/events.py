# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Rules on the event list of a process, and the resets that it names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyslang import ast

from verif.lint.vivado.design import (
    Expressions,
    Process,
    Statements,
    nodes_in,
    text_of,
)

Hit = tuple[str, Any, str]
Edges, Timings = ast.EdgeKind, ast.TimingControlKind


def _odd_events(process: Process) -> Iterator[Hit]:
    if any(getattr(e, "iffCondition", None) is not None for e in process.edges):
        yield "event-list", process.symbol, "iff in an event list"
    if len(process.edges) < len(process.events or ()):
        yield "event-list", process.symbol, "an edge and a level in one event list"


def events(process: Process) -> Iterator[Hit]:
    edges = process.edges
    if not edges or process.initial:
        return
    yield from _odd_events(process)
    names = [text_of(e.expr) for e in edges]
    if len(set(names)) < len(names) or any(e.edge == Edges.BothEdges for e in edges):
        yield "event-list", process.symbol, f"both edges of {names[0]}"
        return
    tested: dict[str, tuple[bool, Any]] = {}
    statement = _unwrapped(process.statement)
    while statement is not None and statement.kind == Statements.Conditional and len(tested) + 1 < len(edges):
        condition = next(iter(statement.conditions)).expr
        name, high = _polarity(condition)
        if name not in names:
            break
        tested[name] = (high, statement)
        statement = _unwrapped(statement.ifFalse) if statement.ifFalse is not None else None
    clocks = [n for n in names if n not in tested]
    if len(clocks) != 1:
        yield "event-list", process.symbol, f"{' and '.join(clocks or names)}: which is the clock?"
        return
    for name, (high, test) in tested.items():
        edge = edges[names.index(name)].edge
        if (edge == Edges.PosEdge) != high:
            yield "event-list", process.symbol, f"{name} is tested against its edge"
        for node in nodes_in(test.ifTrue):
            if node.kind == Expressions.Assignment and process.dynamic(node.right):
                yield "asynchronous-load", node, f"{text_of(node)} on {name}"
    if len(tested) > 1:
        yield "set-and-reset", process.symbol, f"{' and '.join(tested)} act asynchronously"


def _unwrapped(statement: Any) -> Any:
    while statement is not None and statement.kind in (Statements.Block, Statements.List):
        inner = statement.body if statement.kind == Statements.Block else statement.list
        if statement.kind == Statements.List:
            inner = [s for s in inner if s.kind not in (Statements.VariableDeclaration, Statements.Empty)]
            if len(inner) != 1:
                return inner[0] if inner else None
            inner = inner[0]
        statement = inner
    return statement


def _polarity(condition: Any) -> tuple[str, bool]:
    high = True
    while True:
        if condition.kind == Expressions.Conversion:
            condition = condition.operand
        elif condition.kind == Expressions.UnaryOp and condition.op in (
            ast.UnaryOperator.LogicalNot,
            ast.UnaryOperator.BitwiseNot,
        ):
            condition, high = condition.operand, not high
        elif condition.kind == Expressions.BinaryOp and condition.op in (
            ast.BinaryOperator.Equality,
            ast.BinaryOperator.Inequality,
        ):
            literal = next((n for n in nodes_in(condition.right) if n.kind == Expressions.IntegerLiteral), None)
            if literal is None:
                return "", high
            same = condition.op == ast.BinaryOperator.Equality
            high = high == (same == bool(int(literal.value)))
            condition = condition.left
        else:
            return text_of(condition).strip("() "), high
