# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""One source read by slang: header, parameters, ports, rules, the modules that it needs."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyslang import parsing, syntax

from pyflow.backends.toolbox import digest

Kind = syntax.SyntaxKind
PLACE = " (%m)"  # ends the message of every rule: the instance that breaks it, and the rule's block
_FLIPPED = {
    Kind.LessThanExpression: ">=", Kind.GreaterThanEqualExpression: "<",
    Kind.GreaterThanExpression: "<=", Kind.LessThanEqualExpression: ">",
    Kind.EqualityExpression: "!=", Kind.InequalityExpression: "==",
}  # fmt: skip


_NAMED = (Kind.NamedParamAssignment, Kind.NamedArgument)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a header. type: "" where none is written. group: the last comment above. local: derived,
    cannot be set."""

    name: str
    type: str
    default: str
    comment: str
    group: str
    local: bool


@dataclass(frozen=True, slots=True)
class Port:
    """One port. width: an expression in the parameters, "1" for a scalar, or the type of a structure. group: the last
    comment above. signed: is it declared so?"""

    name: str
    direction: str
    width: str
    comment: str
    group: str
    signed: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """What a `$fatal` of elaboration asks for. legal: the condition that holds in a legal configuration;
    names: the identifiers in it; message: what is said otherwise, without the place."""

    legal: str
    names: frozenset[str]
    message: str


@dataclass(frozen=True, slots=True)
class Core:
    """One module or package of rtl/rtl.f, which is its kind. header: the lines of its first comment, without the
    licence. constants: localparams of the body. needs: modules and packages that it names. passed: for each instance
    that is there in every configuration, its module and the parameters that it gets under their own name, one by one or
    in a constant. tokens: digest of the text without comments and spacing."""

    name: str
    kind: str
    path: Path
    header: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    constants: tuple[Parameter, ...]
    ports: tuple[Port, ...]
    rules: tuple[Rule, ...]
    needs: frozenset[str]
    passed: tuple[tuple[str, frozenset[str]], ...]
    tokens: str

    @property
    def folder(self) -> str:
        return self.path.parent.name

    @property
    def settable(self) -> tuple[Parameter, ...]:
        """What a tool can set by name; a structure is for the core around it."""
        return tuple(p for p in self.parameters if not p.local and "::" not in p.type)


def read(path: Path) -> Core:
    """Parse a file that holds one module or package."""
    tree = syntax.SyntaxTree.fromFile(str(path))
    root: Any = tree.root
    (module,) = root.members if root.kind == Kind.CompilationUnit else [root]
    head = module.header
    return Core(
        head.name.valueText,
        head.moduleKeyword.valueText,
        path,
        _header(path.read_text(encoding="utf-8")),
        tuple(_parameters(head.parameters)) if head.parameters else (),
        tuple(_constants(module)),
        tuple(_ports(head.ports)) if head.ports else (),
        tuple(_rules(module.members, ())),
        frozenset(_needs(module)),
        tuple(_passed(module.members, _packed(module))),
        digest([token.rawText for token in _tokens(module)]),
    )


# ------------------------------------------------------------------ walking the tree
def _text(node: Any) -> str:
    """Source of a node without comments, its runs of spacing as one space."""
    return "".join(f" {token.rawText}" if token.trivia else token.rawText for token in _tokens(node)).strip()


def _tokens(node: Any) -> Iterator[parsing.Token]:
    for child in node:
        if isinstance(child, parsing.Token):
            yield child
        else:
            yield from _tokens(child)


def nodes(node: Any) -> Iterator[Any]:
    """A node of a syntax tree and all below it, without the tokens."""
    yield node
    for child in node:
        if not isinstance(child, parsing.Token):
            yield from nodes(child)


def _header(text: str) -> tuple[str, ...]:
    """Comment lines at the top of a file, without `// `; the licence line is left out."""
    lines = itertools.takewhile(lambda line: line.startswith("//"), text.splitlines())
    return tuple(line[2:].removeprefix(" ") for line in lines if "SPDX" not in line)


def _comments(token: parsing.Token) -> tuple[str, str]:
    """(comment that ends the line before, comment on the lines above) of the item that starts at `token`."""
    trailing: list[str] = []
    above: list[str] = []
    fresh = False
    for trivia in token.trivia:
        if trivia.kind == parsing.TriviaKind.EndOfLine:
            fresh = True
        elif trivia.kind == parsing.TriviaKind.LineComment:
            (above if fresh else trailing).append(trivia.getRawText().removeprefix("//").strip())
    return " ".join(trailing), " ".join(above)


def _items(things: Iterable[Any], end: parsing.Token) -> Iterator[tuple[Any, str, str]]:
    """(item, comment behind it, comment above it) of a list with commas that ends at `end`."""
    items = [thing for thing in things if not isinstance(thing, parsing.Token)]
    starts = [*(item.getFirstToken() for item in items), end]
    for item, (start, following) in zip(items, itertools.pairwise(starts), strict=True):
        yield item, _comments(following)[0], _comments(start)[1]


def _parameters(ports: Any) -> Iterator[Parameter]:
    group = ""
    for item, comment, above in _items(ports.declarations, ports.closeParen):
        group = above or group
        (declarator,) = [d for d in item.declarators if not isinstance(d, parsing.Token)]
        local = item.keyword.valueText == "localparam"
        yield Parameter(
            declarator.name.valueText, _text(item.type), _text(declarator.initializer.expr), comment, group, local
        )


def _constants(module: Any) -> Iterator[Parameter]:
    starts = [*(member.getFirstToken() for member in module.members), module.endmodule]
    for member, following in zip(module.members, starts[1:], strict=True):
        if member.kind == Kind.ParameterDeclarationStatement and member.parameter.kind == Kind.ParameterDeclaration:
            kind, comment = _text(member.parameter.type), _comments(following)[0]
            for d in member.parameter.declarators:
                if not isinstance(d, parsing.Token):
                    yield Parameter(d.name.valueText, kind, _text(d.initializer.expr), comment, "", local=True)


def _ports(ports: Any) -> Iterator[Port]:
    group = ""
    for item, comment, above in _items(ports.ports, ports.closeParen):
        group = above or group
        shape = item.header.dataType
        width = (
            _text(shape)
            if shape.kind == Kind.NamedType
            else " * ".join(_width(d.specifier.selector) for d in shape.dimensions) or "1"
        )
        signed = "signed" in _text(shape).split()
        yield Port(item.declarator.name.valueText, item.header.direction.valueText, width, comment, group, signed)


def _width(dimension: Any) -> str:
    """Bits of [X-1:0], which is how every width is written here."""
    left = dimension.left
    if left.kind == Kind.SubtractExpression and _text(left.right) == "1" and _text(dimension.right) == "0":
        return _text(left.left)
    if left.kind == Kind.IntegerLiteralExpression and _text(dimension.right) == "0":
        return str(int(_text(left)) + 1)
    raise ValueError(f"a width is written [X-1:0], not {_text(dimension)}")


def _needs(module: Any) -> Iterator[str]:
    """Modules that are instantiated and packages that are imported or named with `::`."""
    for node in nodes(module):
        if node.kind == Kind.HierarchyInstantiation:
            yield node.type.valueText
        elif node.kind == Kind.PackageImportItem:
            yield node.package.valueText
        elif node.kind == Kind.ScopedName and _text(node.left).startswith("volley_"):
            yield _text(node.left)


def _passed(members: Iterable[Any], packed: Mapping[str, frozenset[str]]) -> Iterator[tuple[str, frozenset[str]]]:
    """Instances among `members` that stand under no `if`, with the parameters given as .NAME(NAME), or in a constant of
    `packed`."""
    for member in members:
        if member.kind == Kind.LoopGenerate:
            yield from _passed([member.block], packed)
        elif member.kind == Kind.GenerateBlock:
            yield from _passed(member.members, packed)
        elif member.kind == Kind.HierarchyInstantiation:
            given = _same_name(member.parameters.parameters if member.parameters else ())
            yield member.type.valueText, given.union(*(packed.get(name, frozenset()) for name in given))


def _same_name(arguments: Iterable[Any]) -> frozenset[str]:
    """Names given as .NAME(NAME)."""
    return frozenset(
        a.name.valueText
        for a in arguments
        if not isinstance(a, parsing.Token) and a.kind in _NAMED and _text(a.expr) == a.name.valueText
    )


def _packed(module: Any) -> dict[str, frozenset[str]]:
    """Constants of the body that a function makes, with the names that go into it as they are."""
    return {
        d.name.valueText: _same_name(d.initializer.expr.arguments.parameters)
        for member in module.members
        if member.kind == Kind.ParameterDeclarationStatement
        for d in member.parameter.declarators
        if not isinstance(d, parsing.Token)
        and d.initializer
        and d.initializer.expr.kind == Kind.InvocationExpression
        and d.initializer.expr.arguments
    }


# ------------------------------------------------------------------ rules
def _rules(members: Iterable[Any], where: tuple[str, ...]) -> Iterator[Rule]:
    """Rules of the `if (illegal) $fatal(...)`s among `members`; where: conditions of the blocks around them."""
    for member in members:
        if member.kind == Kind.IfGenerate:
            yield from _branches(member, where)
        elif member.kind == Kind.GenerateBlock:
            yield from _rules(member.members, where)


def _branches(node: Any, where: tuple[str, ...]) -> Iterator[Rule]:
    body = list(node.block.members) if node.block.kind == Kind.GenerateBlock else [node.block]
    fatal = next((b for b in body if b.kind == Kind.ElabSystemTask and b.name.valueText == "$fatal"), None)
    otherwise = node.elseClause.clause if node.elseClause else None
    if fatal is not None:
        message = [_text(a) for a in fatal.arguments.parameters if not isinstance(a, parsing.Token)][1]
        for clause in _legal(node.condition):
            names = {t.valueText for t in _tokens(node.condition) if t.kind == parsing.TokenKind.Identifier}
            names &= set(re.findall(r"\w+", clause))
            text = f"{clause} where {' and '.join(where)}" if where else clause
            yield Rule(text, frozenset(names), message.strip('"').removesuffix(PLACE))
    else:
        yield from _rules(body, (*where, _text(node.condition)))
    if otherwise is not None:  # behind a $fatal, the rest stands on its own
        yield from _rules([otherwise], where if fatal else (*where, *_legal(node.condition)))


def _legal(condition: Any) -> list[str]:
    """What must hold, all of it, for `condition` to be false."""
    kind = condition.kind
    if kind == Kind.ParenthesizedExpression:
        return _legal(condition.expression)
    if kind == Kind.LogicalOrExpression:
        return [*_legal(condition.left), *_legal(condition.right)]
    if kind == Kind.LogicalAndExpression:
        return [" or ".join(" and ".join(_legal(side)) for side in (condition.left, condition.right))]
    if kind == Kind.UnaryLogicalNotExpression:
        inner = condition.operand
        return [_text(inner.expression if inner.kind == Kind.ParenthesizedExpression else inner)]
    if kind in _FLIPPED:
        return [f"{_text(condition.left)} {_FLIPPED[kind]} {_text(condition.right)}"]
    return [f"!({_text(condition)})"]
