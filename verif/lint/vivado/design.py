# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Facts about an elaborated design that the rules ask for: processes, assignments, memories."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pyslang import ast

from pyflow.sources import code_of

Symbols, Expressions, Statements = ast.SymbolKind, ast.ExpressionKind, ast.StatementKind
Procedures = ast.ProceduralBlockKind
VALUES = (Expressions.NamedValue, Expressions.HierarchicalValue)
SELECTIONS = (Expressions.ElementSelect, Expressions.RangeSelect, Expressions.MemberAccess)
LEVEL = ast.EdgeKind.None_  # type: ignore[attr-defined]  # its stubs lack it
CONSTANT = (Symbols.Parameter, Symbols.EnumValue, Symbols.Genvar, Symbols.Specparam)


@dataclass(frozen=True, slots=True)
class Finding:
    """A place that breaks a rule. what: the message, with the name it is about."""

    rule: str
    file: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what} [{self.rule}]"


@dataclass(eq=False, slots=True)
class Assignment:
    """One assignment. targets: what stands at its left, one by one; header: it belongs to a for loop's header."""

    node: Any
    targets: list[Any]
    header: bool

    @property
    def nonblocking(self) -> bool:
        return bool(self.node.isNonBlocking)


@dataclass(eq=False)
class Process:
    """A procedure, a continuous assignment, or the connection of a port. live: it exists in this configuration."""

    symbol: Any
    root: Any
    body: Any
    live: bool
    nodes: list[Any] = field(default_factory=list)
    assignments: list[Assignment] = field(default_factory=list)
    loop_variables: set[Any] = field(default_factory=set)

    @property
    def procedure(self) -> Any:
        """ProceduralBlockKind, or None of an assignment."""
        return self.symbol.procedureKind if self.symbol.kind == Symbols.ProceduralBlock else None

    @property
    def initial(self) -> bool:
        return self.procedure in (Procedures.Initial, Procedures.Final)

    @cached_property
    def events(self) -> list[Any] | None:
        """Events of the list behind `@`; [] for @*, None where there is no list."""
        if self.procedure is None or self.root.kind != Statements.Timed:
            return None
        timing = self.root.timing
        if timing.kind == ast.TimingControlKind.ImplicitEvent:
            return []
        if timing.kind == ast.TimingControlKind.EventList:
            return list(timing.events)
        return [timing]

    @cached_property
    def edges(self) -> list[Any]:
        return [e for e in self.events or () if getattr(e, "edge", LEVEL) != LEVEL]

    @property
    def clocked(self) -> bool:
        return bool(self.edges)

    @property
    def combinational(self) -> bool:
        return self.procedure == Procedures.AlwaysComb or (
            self.procedure == Procedures.Always and self.events is not None and not self.edges
        )

    @property
    def statement(self) -> Any:
        """What runs at each event."""
        return self.root.stmt if self.events is not None else self.root

    def __post_init__(self) -> None:
        headers: set[int] = set()

        def note(node: Any) -> None:
            self.nodes.append(node)
            if node.kind == Statements.ForLoop:
                self.loop_variables |= set(node.loopVars)
                for part in (*node.initializers, *node.steps):
                    headers.add(id(part))
                    self.loop_variables |= {root_of(t) for t in targets_of(part)} - {None}
                    self._kept.append(part)
            elif node.kind == Statements.ForeachLoop:
                self.loop_variables |= {d.loopVar for d in node.loopDims if d.loopVar}
            elif node.kind == Expressions.Assignment and node.right.kind != Expressions.EmptyArgument:
                self.assignments.append(Assignment(node, targets_of(node), id(node) in headers))

        self._kept: list[Any] = []
        self.root.visit(note)

    @cached_property
    def counters(self) -> set[Any]:
        """Variables of loops, and others whose every value comes from constants and themselves."""
        other = {
            root_of(target)
            for a in self.assignments
            for target in a.targets
            if any(s.kind not in CONSTANT and s != root_of(target) for s in symbols_in(a.node.right))
        }
        return self.loop_variables | {root_of(t) for a in self.assignments for t in a.targets} - other - {None}

    def below(self, node: Any) -> list[Any]:
        """Nodes of the tree from `node` on."""
        found: list[Any] = []
        node.visit(found.append)
        self._kept += found
        return found

    def dynamic(self, expression: Any) -> bool:
        """Whether it depends on anything but constants and variables of loops, which synthesis unrolls."""
        return any(s.kind not in CONSTANT and s not in self.loop_variables for s in symbols_in(expression))


@dataclass(eq=False, slots=True)
class Access:
    """One word, or one part of a word, that a process reads or writes. prefix: constant indices in front;
    address: text of the others; index: the first of them."""

    process: Process
    node: Any
    prefix: tuple[Any, ...]
    address: str
    index: Any
    write: bool
    assignment: Assignment | None = None


@dataclass(eq=False, slots=True)
class Memory:
    """An unpacked array that is addressed, has a style, or is filled from a file. dims: words in each dimension."""

    symbol: Any
    dims: tuple[int, ...]
    style: str
    accesses: list[Access] = field(default_factory=list)
    images: list[tuple[Process, Any]] = field(default_factory=list)
    initialised: bool = False

    @property
    def depth(self) -> int:
        return self.dims[0]

    @property
    def bits(self) -> int:
        return int(self.symbol.type.bitstreamWidth)

    @property
    def reads(self) -> list[Access]:
        return [a for a in self.accesses if not a.write]

    @property
    def writes(self) -> list[Access]:
        return [a for a in self.accesses if a.write and not a.process.initial]


@dataclass(eq=False)
class Body:
    """The body of one instance. top: it is the design's top; dead: symbols of branches that are not built."""

    instance: Any
    top: bool
    processes: list[Process] = field(default_factory=list)
    variables: list[Any] = field(default_factory=list)
    nets: list[Any] = field(default_factory=list)
    instances: list[Any] = field(default_factory=list)
    functions: list[Any] = field(default_factory=list)
    others: list[Any] = field(default_factory=list)
    memories: dict[Any, Memory] = field(default_factory=dict)
    ports: dict[Any, Any] = field(default_factory=dict)


def bodies(root: Any) -> list[Body]:
    """Each body once: instances of one module with the same parameters share theirs."""
    found: list[Body] = []
    seen: set[Any] = set()

    def enter(instance: Any, top: bool) -> None:
        shared = instance.canonicalBody or instance.body
        if shared in seen or instance.definition.definitionKind != ast.DefinitionKind.Module:
            return
        seen.add(shared)
        body = Body(instance, top)
        found.append(body)
        for port in instance.body.portList:
            if port.kind == Symbols.Port and port.internalSymbol is not None:
                body.ports[port.internalSymbol] = port
        _collect(instance.body, body, True)
        _find_memories(body)
        for inner in body.instances:
            enter(inner, False)

    for top in root.topInstances:
        enter(top, True)
    return found


def _collect(scope: Any, body: Body, live: bool) -> None:
    named = {Symbols.Variable: body.variables, Symbols.Net: body.nets, Symbols.Subroutine: body.functions}
    for member in scope:
        kind = member.kind
        if kind == Symbols.GenerateBlock:
            _collect(member, body, live and not member.isUninstantiated)
        elif kind in (Symbols.GenerateBlockArray, Symbols.InstanceArray):
            _collect(member, body, live)
        elif kind == Symbols.ProceduralBlock:
            body.processes.append(Process(member, member.body, body, live))
        elif kind == Symbols.ContinuousAssign:
            body.processes.append(Process(member, member.assignment, body, live))
        elif not live:
            continue
        elif kind == Symbols.Instance:
            body.instances.append(member)
            for connection in member.portConnections:
                if connection.expression is not None:
                    body.processes.append(Process(member, connection.expression, body, live))
        else:
            named.get(kind, body.others).append(member)


# ------------------------------------------------------------------ expressions
def nodes_in(node: Any) -> Iterator[Any]:
    found: list[Any] = []
    node.visit(found.append)
    return iter(found)


def symbols_in(expression: Any) -> list[Any]:
    """Symbols of the values that an expression reads."""
    return [node.symbol for node in nodes_in(expression) if node.kind in VALUES]


def targets_of(node: Any) -> list[Any]:
    """What an assignment, or `++`, changes: the parts of a concatenation one by one."""
    if node.kind == Expressions.Assignment:
        pending = [node.left]
    elif node.kind == Expressions.UnaryOp and node.op in (
        ast.UnaryOperator.Preincrement,
        ast.UnaryOperator.Predecrement,
        ast.UnaryOperator.Postincrement,
        ast.UnaryOperator.Postdecrement,
    ):
        pending = [node.operand]
    else:
        return []
    found = []
    while pending:
        target = pending.pop()
        if target.kind == Expressions.Concatenation:
            pending += list(target.operands)
        elif target.kind in (Expressions.Conversion,):
            pending.append(target.operand)
        else:
            found.append(target)
    return found


def root_of(expression: Any) -> Any:
    """The symbol that a selection is a part of, None of anything else."""
    while expression.kind in SELECTIONS:
        expression = expression.value
    return expression.symbol if expression.kind in VALUES else None


def text_of(node: Any) -> str:
    """Its source on one line, without comments."""
    if node.syntax:
        return " ".join(code_of(str(node.syntax)).split())
    return str(getattr(getattr(node, "symbol", None), "name", node.kind))


def constant_of(expression: Any, scope: Any) -> Any:
    """Its value, None where it has none."""
    if expression.constant is not None:
        return expression.constant
    if any(s.kind not in CONSTANT for s in symbols_in(expression)):
        return None
    value = expression.eval(ast.EvalContext(scope))
    return value if value else None


# ------------------------------------------------------------------ memories
def shape(symbol: Any) -> tuple[tuple[int, ...], Any]:
    """Words in each unpacked dimension of a variable, and the type of a word."""
    dims, kind = [], symbol.type.canonicalType
    while kind.kind == Symbols.FixedSizeUnpackedArrayType:
        dims.append(kind.fixedRange.width)
        kind = kind.arrayElementType.canonicalType
    return tuple(dims), kind


def attributes_of(symbol: Any, body: Body) -> dict[str, str]:
    found = body.instance.body.compilation.getAttributes(symbol)
    return {a.name.lower(): str(a.value.convertToStr().value).strip('"') for a in found}


def _find_memories(body: Body) -> None:
    arrays = {v: shape(v)[0] for v in body.variables if shape(v)[0]}
    found: dict[Any, Memory] = {}
    for symbol, dims in arrays.items():
        marks = attributes_of(symbol, body)
        style = marks.get("ram_style") or marks.get("rom_style") or ""
        found[symbol] = Memory(symbol, dims, style, initialised=symbol.initializer is not None)
    for process in body.processes:
        if not process.live:
            continue
        written = {id(t): a for a in process.assignments for t in a.targets}
        inner: set[int] = set()
        for node in process.nodes:
            if node.kind == Expressions.Call and node.subroutineName in ("$readmemh", "$readmemb"):
                target = list(node.arguments)[1]
                symbol = next((s for s in symbols_in(target) if s in found), None)
                if symbol is not None:
                    found[symbol].images.append((process, node))
                continue
            if (
                node.kind not in (Expressions.ElementSelect, Expressions.RangeSelect, Expressions.MemberAccess, *VALUES)
                or id(node) in inner
            ):
                continue
            symbol = root_of(node)
            if symbol not in found:
                continue
            steps, step = [], node
            while step.kind in SELECTIONS:
                inner.add(id(step.value))
                process._kept.append(step.value)
                steps.append(step)
                step = step.value
            found[symbol].accesses.append(
                _access(process, node, steps[::-1], len(found[symbol].dims), written.get(id(node)))
            )
    for symbol, memory in found.items():
        if memory.style or memory.images or any(a.address for a in memory.accesses):
            body.memories[symbol] = memory


def _access(process: Process, node: Any, steps: list[Any], dims: int, assignment: Assignment | None) -> Access:
    """steps: the selections from the variable outwards."""
    prefix, address, index = [], [], None
    for step in steps[:dims]:
        if step.kind != Expressions.ElementSelect:
            break
        if process.dynamic(step.selector):
            address.append(text_of(step.selector))
            index = index or step.selector
        elif not address:
            prefix.append(str(constant_of(step.selector, process.symbol)))
        else:
            address.append(text_of(step.selector))
    return Access(process, node, tuple(prefix), " ".join(address), index, assignment is not None, assignment)
