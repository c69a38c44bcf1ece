# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What the source of a core says about it: header, parameters, ports, rules, the modules it needs.

Parsed by slang, so that whatever a core may be written in is read the way tools read it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from pyflow.sources import rtl_sources
from verif.pages.parse import PLACE, Core, Kind, Parameter, Port, Rule, nodes, read
from verif.slang import analyse

# What reads a core gets the records of its source from here too.
__all__ = [
    "PLACE",
    "Core",
    "Kind",
    "Parameter",
    "Port",
    "Rule",
    "cores",
    "elaborate",
    "listed",
    "nodes",
    "packages",
    "read",
]


@cache
def listed() -> dict[str, Core]:
    """Every file of rtl/rtl.f by its name, in that order; a package is a core without ports."""
    return {path.stem: read(path) for path in rtl_sources()}


def cores() -> dict[str, Core]:
    """The modules among them."""
    return {name: core for name, core in listed().items() if core.kind == "module"}


def packages() -> dict[str, Core]:
    """The packages that several cores share: no module bears their name."""
    return {
        name: core
        for name, core in listed().items()
        if core.kind == "package" and name.removesuffix("_pkg") not in listed()
    }


def direct(core: Core) -> list[Core]:
    """Listed cores that `core` names itself, leaf first."""
    return [other for other in cores().values() if other.name in core.needs and other is not core]


def closure(core: Core) -> list[Core]:
    """`core` and all it needs of rtl/rtl.f, packages too, leaf first."""
    needed, pending = set(), [core.name]
    while pending:
        if (name := pending.pop()) in listed() and name not in needed:
            needed.add(name)
            pending += listed()[name].needs
    return [other for other in listed().values() if other.name in needed]


def comment_of(core: Core, parameter: Parameter) -> str:
    """Comment of a parameter of `core`; where it has none, that of a part that gets it under the same name."""
    inner = (
        comment_of(part, p)
        for part, passed in _parts(core)
        if parameter.name in passed
        for p in part.parameters
        if p.name == parameter.name
    )
    return parameter.comment or next(filter(None, inner), "")


def default_of(core: Core, parameter: Parameter) -> str:
    """Default of a parameter; of a member of a constant that a function makes, the default of its argument."""
    whole, _, member = parameter.default.partition(".")
    maker = next((p.default for p in core.parameters if p.name == whole and p.default.endswith("()")), "")
    package, _, function = maker.removesuffix("()").partition("::")
    if not function:
        return parameter.default
    text = listed()[package].path.read_text(encoding="utf-8").split(f" {function}(", 1)[1].split(");", 1)[0]
    found = re.search(rf"\b{member} += (.+?),?$", text, re.MULTILINE)
    if not found:
        raise ValueError(f"{core.name}: {maker} has no default of {member}")
    return found[1]


def names_in(expression: str) -> list[str]:
    """Parameters and constants in an expression: the names without lower case."""
    return re.findall(r"\b[A-Z][A-Z0-9_]*\b", expression)


def rules_of(core: Core) -> list[Rule]:
    """Rules of `core`, and those of its parts that speak only of names which they get as they are, one of its
    parameters among them."""
    own = {p.name for p in core.settable}
    inner = (
        rule
        for part, passed in _parts(core)
        for rule in rules_of(part)
        if passed.issuperset(names := names_in(rule.legal)) and own.intersection(names)
    )
    return [*core.rules, *inner]


def constants_of(core: Core, expression: str) -> list[Parameter]:
    """Constants of the body that `expression` names, and those that these are made of, in the order of the source."""
    pending, found = names_in(expression), set()
    by_name = {c.name: c for c in core.constants}
    while pending:
        if (name := pending.pop()) in by_name and name not in found:
            found.add(name)
            pending += names_in(by_name[name].default)
    return [c for c in core.constants if c.name in found]


def _parts(core: Core) -> list[tuple[Core, frozenset[str]]]:
    return [(cores()[name], passed) for name, passed in core.passed if name in cores()]


def elaborate(
    sources: Sequence[Path], top: str, parameters: Mapping[str, int | str] | None = None
) -> tuple[dict[str, int], str]:
    """Width of each port [bit] of `top`, and slang's errors of both its phases, "" if there is none. sources: files,
    or `.f` lists."""
    found = analyse(sources, [top], parameters)
    tops = found.compilation.getRoot().topInstances if found.compilation else ()
    return {port.name: port.type.bitWidth for instance in tops for port in instance.body.portList}, found.complaints
