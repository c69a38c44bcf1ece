# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Rules on processes: what starts them, what they contain, what they assign and how."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyslang import ast

from verif.lint.vivado.design import (
    CONSTANT,
    Body,
    Expressions,
    Procedures,
    Process,
    Statements,
    Symbols,
    constant_of,
    nodes_in,
    root_of,
    symbols_in,
    text_of,
)
from verif.lint.vivado.events import events

Hit = tuple[str, Any, str]
Edges, Timings = ast.EdgeKind, ast.TimingControlKind
PLAIN = ast.UniquePriorityCheck.None_  # type: ignore[attr-defined]  # its stubs lack it
_DYNAMIC = (
    "isQueue",
    "isAssociativeArray",
    "isDynamicallySizedArray",
    "isString",
    "isFloating",
    "isEvent",
    "isClass",
    "isCHandle",
    "isVirtualInterface",
)
# UG901, Verilog System Tasks and Functions: those that it supports, in a procedure or an expression. The messages of
# elaboration stand in a generate and are no calls.
# fmt: off
SYSTEM = frozenset(
    [
        "$readmemb", "$readmemh", "$signed", "$unsigned", "$clog2", "$floor", "$ceil", "$rtoi", "$itor",
        "$bits", "$bitstoreal", "$realtobits", "$bitstoshortreal", "$shortrealtobits", "$unpacked_dimensions",
        "$dimensions", "$left", "$right", "$low", "$high", "$increment", "$size", "$countones", "$countbits",
        "$onehot", "$onehot0", "$isunknown", "$typename", "$sqrt", "$ln", "$log10", "$exp", "$pow",
    ]
)
# fmt: on


def hits(body: Body) -> Iterator[Hit]:
    for process in body.processes:
        yield from _statements(process, body)
        yield from _literals(process, body)
        yield from _operators(process)
        if process.live:
            yield from events(process)
            yield from _assignments(process)
    for variable in body.variables:
        yield from _variable(variable)
    for net in body.nets:
        if net.isImplicit:
            yield "implicit-net", net, f"{net.name} is not declared"
    for other in body.others:
        if other.kind == Symbols.PrimitiveInstance and other.primitiveType.name in _SWITCHES:
            yield "net-type", other, f"switch {other.primitiveType.name}"
    yield from _functions(body)


_SWITCHES = (
    "cmos",
    "rcmos",
    "nmos",
    "pmos",
    "rnmos",
    "rpmos",
    "tran",
    "rtran",
    "tranif0",
    "tranif1",
    "rtranif0",
    "rtranif1",
    "pullup",
    "pulldown",
)


# ------------------------------------------------------------------ declarations
def _variable(variable: Any) -> Iterator[Hit]:
    kind = variable.type.canonicalType
    for name in _DYNAMIC:
        if getattr(kind, name, False):
            yield "variable-type", variable, f"{variable.name} is of type {variable.type}"
            break
    start = variable.initializer
    if start is not None and any(s.kind not in CONSTANT for s in symbols_in(start)):
        yield "initial-value", variable, f"{variable.name} starts with {text_of(start)}"


# ------------------------------------------------------------------ statements
def _waits(node: Any) -> Iterator[Hit]:
    """Time inside a process."""
    kind = node.kind
    if kind == Statements.Timed:
        delayed = node.timing.kind in (Timings.Delay, Timings.Delay3, Timings.CycleDelay, Timings.OneStepDelay)
        yield ("delay", node, "delay") if delayed else ("event-control", node, "@ inside a process")
    elif kind in (Statements.Wait, Statements.WaitFork, Statements.WaitOrder):
        yield "event-control", node, "wait"
    elif kind == Statements.EventTrigger:
        yield "event-control", node, "event trigger"
    elif kind == Expressions.Assignment and node.timingControl is not None:
        yield "delay", node, "delay in an assignment"


def _statements(process: Process, body: Body) -> Iterator[Hit]:
    outer = process.root if process.events is not None else None
    counters = process.counters
    if process.symbol.kind == Symbols.ContinuousAssign and process.symbol.delay is not None:
        yield "delay", process.symbol, "delay of an assign"
    for node in process.nodes:
        kind = node.kind
        if node is not outer:
            yield from _waits(node)
        if kind == Statements.Case:
            yield from _case(node, process)
        elif kind == Statements.VariableDeclaration:
            yield from (hit for hit in _variable(node.symbol) if hit[0] == "variable-type")
        elif kind == Expressions.Call and node.isSystemCall:
            yield from _system(node, process)
        elif kind == Expressions.HierarchicalValue and _foreign(node.symbol, body):
            yield "hierarchical-name", node, f"{text_of(node)} lies in another module"
        yield from _loop(node, lambda e: any(s not in counters for s in symbols_in(e) if s.kind not in CONSTANT))
    yield from _kind(process)


def _kind(process: Process) -> Iterator[Hit]:
    """What a final, always or initial process must not be or do."""
    if process.procedure == Procedures.Final:
        yield "verification", process.symbol, "final"
    asserting = any(n.kind in (Statements.ConcurrentAssertion, Statements.ImmediateAssertion) for n in process.nodes)
    if process.procedure == Procedures.Always and process.events is None and not asserting:
        yield "event-control", process.symbol, "always without an event list"
    if process.procedure == Procedures.Initial:
        for assignment in process.assignments:
            right = assignment.node.right
            known = assignment.header or not process.dynamic(right)
            if not known and not set(symbols_in(right)) <= _locals(process):
                yield "initial-value", assignment.node, f"{text_of(assignment.node)} in initial"


def _locals(process: Process) -> set[Any]:
    return {n.symbol for n in process.nodes if n.kind == Statements.VariableDeclaration} | process.loop_variables


def _system(node: Any, process: Process) -> Iterator[Hit]:
    name = node.subroutineName
    if name not in SYSTEM:
        yield "system-task", node, name
    if name in ("$readmemh", "$readmemb"):
        file = next(iter(node.arguments))
        if process.procedure != Procedures.Initial:
            yield "readmem", node, f"{name} outside initial"
        if any(s.kind not in CONSTANT for s in symbols_in(file)):
            yield "readmem", node, f"{name} of {text_of(file)}, no constant"
        elif file.type.isString or any(s.type.isString for s in symbols_in(file)):
            yield "string-parameter", node, f"{name} takes {text_of(file)}, which is of type string"


def _foreign(symbol: Any, body: Body) -> bool:
    """Whether it belongs to another module, and not to an interface or a package."""
    owner = symbol.parentScope.containingInstance if symbol.parentScope is not None else None
    return (
        owner is not None
        and owner != body.instance.body
        and owner.definition.definitionKind == ast.DefinitionKind.Module
    )


def _case(node: Any, process: Process) -> Iterator[Hit]:
    if node.check == PLAIN or node.defaultCase is not None:
        return
    kind = node.expr.type.canonicalType
    labels = [e for item in node.items for e in item.expressions]
    covered = {str(constant_of(e, process.symbol)) for e in labels}
    every = sum(1 for _ in kind) if kind.isEnum else 1 << min(kind.bitWidth, 30)
    if "None" in covered or len(covered) < every:
        yield "unique-case", node, f"{node.check.name.lower()} case without default"


def _loop(node: Any, dynamic: Any) -> Iterator[Hit]:
    kind = node.kind
    if kind in (Statements.WhileLoop, Statements.DoWhileLoop) and not dynamic(node.cond):
        return  # counts by constants
    if kind in (Statements.WhileLoop, Statements.DoWhileLoop, Statements.ForeverLoop):
        yield "loop-bound", node, {"W": "while", "D": "do", "F": "forever"}[kind.name[0]]
    elif kind == Statements.RepeatLoop and dynamic(node.count):
        yield "loop-bound", node, f"repeat ({text_of(node.count)})"
    elif kind == Statements.ForLoop:
        starts = [v.initializer for v in node.loopVars if v.initializer is not None]
        starts += [i.right for i in node.initializers if i.kind == Expressions.Assignment]
        steps = [s.right for s in node.steps if s.kind == Expressions.Assignment]
        bounds = [b for b in (node.stopExpr, *starts, *steps) if b is not None]
        if node.stopExpr is None or any(dynamic(b) for b in bounds):
            yield "loop-bound", node, f"for ({text_of(node.stopExpr) if node.stopExpr else ''})"


def _called_by(process: Process) -> Iterator[Any]:
    for node in process.nodes:
        if node.kind == Expressions.Call and not node.isSystemCall:
            arguments = list(node.arguments)
            if not arguments or any(process.dynamic(a) for a in arguments):
                yield node.subroutine


def _functions(body: Body) -> Iterator[Hit]:
    """Those that hardware calls: what only computes constants may do as it likes."""
    called: list[Any] = [(function, ()) for process in body.processes for function in _called_by(process)]
    done = set()
    while called:
        function, above = called.pop()
        if function in above:
            yield "recursion", function, f"{function.name} calls itself"
            continue
        if function in done:
            continue
        done.add(function)
        nodes = list(nodes_in(function.body))
        loops = {v for n in nodes if n.kind == Statements.ForLoop for v in n.loopVars}
        loops |= {
            root_of(i.left)
            for n in nodes
            if n.kind == Statements.ForLoop
            for i in n.initializers
            if i.kind == Expressions.Assignment
        }

        def dynamic(expression: Any, loops: set[Any] = loops) -> bool:
            return any(s.kind not in CONSTANT and s not in loops for s in symbols_in(expression))

        for node in nodes:
            if node.kind == Expressions.Call and not node.isSystemCall:
                called.append((node.subroutine, (*above, function)))
            elif node.kind == Expressions.Call and node.subroutineName not in SYSTEM:
                yield "system-task", node, node.subroutineName
            elif node.kind == Statements.Timed:
                yield "delay", node, f"time control in {function.name}"
            yield from _loop(node, dynamic)


# ------------------------------------------------------------------ literals and operators
def _literals(process: Process, body: Body) -> Iterator[Hit]:
    labels = {
        id(inner)
        for node in process.nodes
        if node.kind == Statements.Case
        and node.condition in (ast.CaseStatementCondition.WildcardJustZ, ast.CaseStatementCondition.Inside)
        for item in node.items
        for e in item.expressions
        for inner in process.below(e)
    }
    released = {
        id(inner) for a in process.assignments if _outward(a.targets, body) for inner in process.below(a.node.right)
    }
    for node in process.nodes:
        if node.kind == Expressions.UnbasedUnsizedIntegerLiteral or node.kind == Expressions.IntegerLiteral:
            text = str(node.value)
        else:
            continue
        digits = text.lower().split("'")[-1].lstrip("sbdho")
        if "x" in digits and id(node) not in labels:
            yield "x-literal", node, f"{text_of(node)}"
        elif ("z" in digits or "?" in digits) and id(node) not in labels and id(node) not in released:
            yield "inner-tristate", node, f"{text_of(node)}"


def _outward(targets: list[Any], body: Body) -> bool:
    """Whether all of them are outputs of the top."""
    ports = [body.ports.get(root_of(target)) for target in targets]
    return (
        body.top
        and bool(ports)
        and all(
            p is not None and p.direction in (ast.ArgumentDirection.Out, ast.ArgumentDirection.InOut) for p in ports
        )
    )


def _operators(process: Process) -> Iterator[Hit]:
    for node in process.nodes:
        if node.kind != Expressions.BinaryOp:
            continue
        if node.op in (ast.BinaryOperator.CaseEquality, ast.BinaryOperator.CaseInequality):
            yield "case-equality", node, text_of(node)
        elif node.op in (ast.BinaryOperator.Divide, ast.BinaryOperator.Mod) and process.dynamic(node):
            divisor = constant_of(node.right, process.symbol)
            number = int(divisor.convertToInt().value) if divisor is not None else 0
            if number < 1 or number & (number - 1):
                yield "division", node, text_of(node)
        elif node.op == ast.BinaryOperator.Power and process.dynamic(node):
            base = constant_of(node.left, process.symbol)
            if base is None or int(base.convertToInt().value) != 2:
                yield "division", node, text_of(node)


# ------------------------------------------------------------------ assignments
def _assignments(process: Process) -> Iterator[Hit]:
    if process.procedure is None or process.initial:
        return
    own = _locals(process)
    # The guide's own templates write a combinational process in which all is <=.
    strict = process.procedure == Procedures.AlwaysComb or not all(
        a.nonblocking or a.header for a in process.assignments
    )
    for assignment in process.assignments:
        if assignment.header:
            continue
        roots = [root_of(t) for t in assignment.targets]
        if process.clocked and not assignment.nonblocking:
            outside = [r for r in roots if r is not None and r not in own and not r.parentScope.isProceduralContext]
            if outside:
                yield "mixed-assignments", assignment.node, f"{outside[0].name} = in a clocked process"
        elif process.combinational and assignment.nonblocking and strict:
            name = text_of(assignment.targets[0])
            yield "mixed-assignments", assignment.node, f"{name} <= in a combinational process"
    kinds: dict[Any, set[bool]] = {}
    for assignment in process.assignments:
        for target in assignment.targets:
            kinds.setdefault(root_of(target), set()).add(assignment.nonblocking)
    for symbol, both in kinds.items():
        if symbol is not None and len(both) > 1 and symbol not in process.loop_variables:
            yield "mixed-assignments", process.symbol, f"{symbol.name} is assigned with = and with <="
