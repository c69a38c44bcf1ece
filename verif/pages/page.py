# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The page of a core, docs/cores/<core>.md, and the index of all pages."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pyflow.backends.toolbox import digest
from verif.cases import Case, collect
from verif.harness import REPO
from verif.pages.row import Values
from verif.pages.sizes import row_of
from verif.pages.sv import (
    Core,
    Port,
    Rule,
    closure,
    comment_of,
    constants_of,
    cores,
    default_of,
    direct,
    elaborate,
    rules_of,
)
from verif.slang import literal

FOLDER = REPO / "docs" / "cores"
WIDTH = 100  # columns of SystemVerilog
_MEASURED = re.compile(r"<!-- measured (\w+) (\w+) -->\n(.*?)\n<!-- end -->", re.DOTALL)
_EVIDENCE = re.compile(r"\b(?:Model|Proof): ")
_MENTION = re.compile(r"\b(?:docs|rtl|verif)/[\w./-]*\w|\bvolley_\w+(?:\.\w+)*")  # perhaps of a file or a core


@dataclass(frozen=True, slots=True)
class Measured:
    """The part of a page that takes minutes to make. key: digest of what it was made from; picture: of the
    waveform; area: the table."""

    key: str
    picture: str
    area: str


def path_of(core: Core) -> Path:
    return FOLDER / f"{core.name}.md"


def picture_of(core: Core) -> Path:
    return FOLDER / "img" / f"{core.name}.svg"


def stored(core: Core) -> Measured | None:
    """What the present page of `core` holds."""
    path = path_of(core)
    found = _MEASURED.search(path.read_text(encoding="utf-8")) if path.exists() else None
    return Measured(*found.groups()) if found else None


def picture_digest(core: Core) -> str:
    path = picture_of(core)
    return digest(path) if path.exists() else "none"


# ------------------------------------------------------------------ text of the source
def prose(core: Core) -> list[str]:
    """Lines of the header, without `Model:` and what follows."""
    before = list(itertools.takewhile(lambda line: not _EVIDENCE.search(line), core.header))
    rest = core.header[len(before) :]
    return [*before, *(_EVIDENCE.split(line)[0].rstrip() for line in rest[:1])]


def summary(core: Core) -> str:
    """First sentence of the header."""
    first = itertools.takewhile(lambda line: line.strip() and not line.startswith(" "), prose(core))
    return re.split(r"(?<=[^.]\.)\s", " ".join(first))[0].rstrip(".:")


def evidence(core: Core) -> list[Path]:
    """Models and proofs that the header names."""
    named = re.findall(r"\bverif/[\w/.*]+\w", " ".join(core.header))
    return [path for name in named for path in sorted(REPO.glob(name))]


@cache
def _cases() -> dict[str, list[Case]]:
    return collect()


def models(core: Core) -> list[Path]:
    return [path for path in evidence(core) if path.parent.name == "models"]


def benches(core: Core) -> list[Path]:
    """Benches that a test of tests/rtl runs it in."""
    return sorted({REPO / "verif" / "tb" / f"{case.bench}.py" for case in _cases().get(core.name, [])})


def proofs(core: Core) -> list[Path]:
    return sorted((REPO / "verif" / "formal").glob(f"formal_{core.name.removeprefix('volley_')}.sv"))


def users(core: Core) -> list[Core]:
    """Cores that name `core` themselves."""
    return [other for other in cores().values() if core.name in other.needs]


def around(core: Core, of: Callable[[Core], list[Path]]) -> list[Core]:
    """The cores with evidence of that kind that `core` is inside of, with no other such core in between."""
    found = (outer for user in users(core) for outer in ([user] if of(user) else around(user, of)))
    return list({outer.name: outer for outer in found}.values())


def timings(text: str) -> dict[str, tuple[str, str]]:
    """Core -> (latency, cycles) of the table of cores in `text`, that of docs/streams.md. A core has one row."""
    found: dict[str, tuple[str, str]] = {}
    for row in re.findall(r"^\| (`volley_.*) \|$", text, re.MULTILINE):
        names, latency, cycles = (cell.strip() for cell in row.split(" | "))
        for name in re.findall(r"`(\w+)`", names):
            if name in found:
                raise ValueError(f"{name} has two rows in the table of cores of docs/streams.md")
            found[name] = latency, cycles
    return found


# ------------------------------------------------------------------ the page
def page(core: Core, measured: Measured) -> str:
    row = row_of(core.name)
    sections = [
        f"<!-- Written by `make docs` from {_name(core.path)}, docs/streams.md and verif/pages/sizes.py. -->",
        f"# {core.name}",
        *_paragraphs(core),
        f"Source: {_link(core.path)}. Files: {_link(core.path.with_suffix('.f'))} (with all it needs), "
        f"{_link(core.path.with_suffix('.core'))} (FuseSoC).{_relations(core)}",
    ]
    if core.settable:
        sections += ["## Parameters", _parameters(core)]
    sections += ["## Ports", _ports(core), "## Latency and throughput", _timing(core)]
    sections += ["## Area", f"<!-- measured {measured.key} {measured.picture} -->\n{measured.area}\n<!-- end -->"]
    if row.wave:
        sections += ["## Waveform", f"![waveform](img/{core.name}.svg)", _caption(row.wave.parameters)]
    sections += ["## Instantiation", f"```systemverilog\n{instantiation(core)}\n```", "## Evidence", _evidence(core)]
    return "\n\n".join(sections) + "\n"


def index(all_cores: Iterable[Core]) -> str:
    """docs/cores/README.md: every page, by folder."""
    lines = ["<!-- Written by `make docs`. -->", "# Cores", "", _INDEX]
    for folder, members in itertools.groupby(sorted(all_cores, key=lambda c: c.folder), key=lambda c: c.folder):
        lines += ["", f"## {folder}", "", "| core | what it is |", "|---|---|"]
        lines += [f"| [{core.name}]({core.name}.md) | {_cell(_escaped(summary(core)))} |" for core in members]
    return "\n".join(lines) + "\n"


_INDEX = """One page per module of [rtl.f](../../rtl/rtl.f). All streams follow [one contract](../streams.md#contract);
arithmetic is in [numerics](../numerics.md). Beside each source lie a closed file list, `volley_<core>.f`, and a
FuseSoC description, `volley_<core>.core`; [examples/one_core](../../examples/one_core/README.md) uses one core by its
list alone. What a change of ports or parameters does to the version is in
[CONTRIBUTING](../../CONTRIBUTING.md#versions-of-the-cores)."""


def instantiation(core: Core) -> str:
    """Declarations of the signals and an instance of `core` in its first size; clk and the reset are there already."""
    row = row_of(core.name)
    values = row.sizes[0]
    widths, errors = elaborate([part.path for part in closure(core)], core.name, values)
    if errors:
        raise ValueError(errors)
    declared = [port for port in core.ports if port.name not in ("clk", "rst", "aresetn")]
    lines: list[str] = []
    for kind, ports in itertools.groupby(declared, key=lambda port: _type(port, widths[port.name])):
        lines += [f"{kind}{part};" for part in _packed([port.name for port in ports], WIDTH - len(kind) - 1)]
    settings = []
    names = {parameter.name for parameter in core.parameters}
    for parameter in core.settable:
        default = default_of(core, parameter)
        fixed = names.isdisjoint(re.findall(r"\w+", default))
        if parameter.name in values or fixed:  # the others follow from these
            value = literal(values[parameter.name]) if parameter.name in values else default
            settings.append(f".{parameter.name}({value})")
    opening = [f"{core.name} u_{core.name.removeprefix('volley_')} ("]
    if settings:
        opening = [f"{core.name} #(", *_lines(settings), f") u_{core.name.removeprefix('volley_')} ("]
    groups = [[f".{port.name}" for port in ports] for _, ports in itertools.groupby(core.ports, key=lambda p: p.group)]
    connections = [list(_packed(group, WIDTH - 3)) for group in groups]
    ends = [part for group in connections for part in group]
    return "\n".join([*lines, "", *opening, *(f"  {part}," for part in ends[:-1]), f"  {ends[-1]}", ");"])


# ------------------------------------------------------------------ parts of it
def _type(port: Port, bits: int) -> str:
    """As a declaration begins."""
    if "::" in port.width:
        return f"{port.width} "
    kind = "logic signed " if port.signed else "logic "
    return kind if bits == 1 else f"{kind}[{bits - 1}:0] "


def _parameters(core: Core) -> str:
    lines = ["| parameter | type | default | legal | meaning |", "|---|---|---|---|---|"]
    group, rules = "", rules_of(core)
    for p in [*core.parameters, *constants_of(core, " ".join(rule.legal for rule in rules))]:
        if p.group and p.group != group:  # a constant has none
            group = p.group
            lines.append(f"| **{_linked(core, _cell(group))}** | | | | |")
        legal = dict.fromkeys(f"`{_spelled(rule)}`" for rule in rules if p.name in rule.names)
        kind = f"{p.type or 'any'}, derived" if p.local else p.type or "any"
        cells = [f"`{p.name}`", kind, f"`{default_of(core, p)}`", ", ".join(legal), _linked(core, comment_of(core, p))]
        lines.append("| " + " | ".join(map(_cell, cells)) + " |")
    if rules:
        lines += ["", "Anything else stops elaboration with a message that names the rule."]
    return "\n".join(lines)


def _spelled(rule: Rule) -> str:
    """A legal condition without what only its source explains: casts, and the function for "fits n bits, signed"."""
    text = re.sub(r"\bint'\((\w+)\)", r"\1", rule.legal)
    return re.sub(r"\bin_range\((\w+), (\w+)\)", r"-2^(\2-1) <= \1 <= 2^(\2-1) - 1", text)


def _ports(core: Core) -> str:
    lines = ["| port | direction | bits | meaning |", "|---|---|---|---|"]
    for group, ports in itertools.groupby(core.ports, key=lambda port: port.group):
        if group:
            lines.append(f"| **{_linked(core, _cell(group))}** | | | |")
        lines += [
            f"| `{p.name}` | {p.direction} | `{_cell(p.width)}` | {_linked(core, _cell(p.comment))} |" for p in ports
        ]
    return "\n".join(lines)


def _timing(core: Core) -> str:
    found = timings((REPO / "docs" / "streams.md").read_text(encoding="utf-8"))
    if core.name not in found:
        raise ValueError(f"{core.name} has no row in the table of cores of docs/streams.md")
    latency, cycles = found[core.name]
    return f"| latency | cycles |\n|---|---|\n| {latency} | {cycles} |\n\nCounted as in [streams](../streams.md#cores)."


def _caption(parameters: Values) -> str:
    return (
        f"From a simulation with {describe(parameters)}; reset ends before the first cycle. Payloads are "
        "hexadecimal, hatched where `tvalid` is low and they mean nothing."
    )


def describe(parameters: Values) -> str:
    return ", ".join(f"{name} = {value}" for name, value in parameters.items()) or "default parameters"


def _relations(core: Core) -> str:
    lists = [
        f" {verb} {_pages(others)}."
        for verb, others in (("Contains", direct(core)), ("Part of", users(core)))
        if others
    ]
    return "".join(lists)


def _evidence(core: Core) -> str:
    lines = [
        f"- {what}: {', '.join(map(_link, of(core))) or _evidence_around(core, of)}"
        for what, of in (("model", models), ("bench", benches), ("proof", proofs))
    ]
    return "\n".join([*lines, f"- mutants: `make mutate DUT={core.name}`"] if benches(core) else lines)


def _evidence_around(core: Core, of: Callable[[Core], list[Path]]) -> str:
    outer = around(core, of)
    files = dict.fromkeys(path for other in outer for path in of(other))
    return f"none of its own; inside {_pages(outer)}: {', '.join(map(_link, files))}" if outer else "none"


def _paragraphs(core: Core) -> Iterator[str]:
    """The header as Markdown: indented lines are formulas, an empty one ends a paragraph."""
    lines = prose(core)
    for kind, group in itertools.groupby(lines, key=lambda line: line[:2].strip() != "" if line.strip() else None):
        if kind is not None:
            block = list(group)
            yield (_linked(core, "\n".join(map(_escaped, block))) if kind else "```\n" + "\n".join(block) + "\n```")


def _linked(core: Core, text: str) -> str:
    """`text` with links at the names of files, of the repository or beside the source, and of other cores."""

    def link(found: re.Match[str]) -> str:
        name = found[0]
        path = REPO / name if "/" in name else core.path.with_name(name)
        if name in cores():
            return name if name == core.name else f"[{name}]({name}.md)"
        return f"[{name}]({os.path.relpath(path, FOLDER)})" if path.is_file() else name

    return _MENTION.sub(link, text)


def _escaped(text: str) -> str:
    return re.sub(r"([*<\[])", r"\\\1", text)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _name(path: Path) -> str:
    return str(path.relative_to(REPO))


def _pages(others: Iterable[Core]) -> str:
    return ", ".join(f"[{other.name}]({other.name}.md)" for other in others)


def _link(path: Path) -> str:
    return f"[{path.name}]({os.path.relpath(path, FOLDER)})"


def _packed(names: Iterable[str], width: int) -> Iterator[str]:
    """Names with commas, as many to a line as fit."""
    line = ""
    for name in names:
        if line and len(line) + len(name) + 2 > width:
            yield line
            line = name
        else:
            line = f"{line}, {name}" if line else name
    if line:
        yield line


def _lines(settings: list[str]) -> list[str]:
    packed = list(_packed(settings, WIDTH - 3))
    return [*(f"  {line}," for line in packed[:-1]), f"  {packed[-1]}"]
