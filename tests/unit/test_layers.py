# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Imports of pyflow go one way, along the list of CONTRIBUTING.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import networkx
import pytest

REPO = Path(__file__).resolve().parents[2]
PACKAGE = REPO / "pyflow"


def layers(text: str) -> dict[str, tuple[int, str]]:
    """Module or folder of pyflow -> (line of the list, group that it is one with)."""
    (block,) = re.findall(r"^```layers\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    found: dict[str, tuple[int, str]] = {}
    for level, line in enumerate(block.splitlines()):
        for group in re.split(r" {2,}", line):
            found |= dict.fromkeys(group.split(" + "), (level, group))
    return found


def imported(source: str) -> Iterator[str]:
    """Modules of pyflow that a source imports, anywhere in it: "pyflow.graph", "pyflow.planning.board.Board"."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "pyflow":
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "pyflow")


def unit(module: str) -> str:
    """The file or folder directly in pyflow/ that a module, or a name of one, belongs to."""
    first = module.split(".")[1:2]
    return (
        first[0] if first and ((PACKAGE / first[0]).is_dir() or (PACKAGE / f"{first[0]}.py").exists()) else "__init__"
    )


def wrong(sources: dict[str, str], order: dict[str, tuple[int, str]]) -> list[str]:
    """What does not keep to the order. sources: text by unit and path."""
    found = []
    for name, text in sources.items():
        own = unit(name)
        for module in imported(text):
            other = unit(module)
            if other != own and order[other][1] != order[own][1] and order[other][0] >= order[own][0]:
                found.append(f"{name} imports {module}")
    return found


def sources() -> dict[str, str]:
    return {
        ".".join(path.relative_to(REPO).with_suffix("").parts): path.read_text(encoding="utf-8")
        for path in sorted(PACKAGE.rglob("*.py"))
        if "_share" not in path.parts
    }


@pytest.fixture(scope="module")
def order() -> dict[str, tuple[int, str]]:
    return layers((REPO / "CONTRIBUTING.md").read_text(encoding="utf-8"))


def test_every_module_has_its_place(order: dict[str, tuple[int, str]]) -> None:
    assert {unit(name) for name in sources()} == set(order)


def test_imports_go_one_way(order: dict[str, tuple[int, str]]) -> None:
    assert wrong(sources(), order) == []


def test_an_import_against_the_order_is_found(order: dict[str, tuple[int, str]]) -> None:
    planted = {
        "pyflow.graph": "from pyflow.reference import run\nfrom pyflow.planning import planner",
        "pyflow.operators.conv": "def f():\n    from pyflow.graph import Network\n",
        "pyflow.emit.host": "import pyflow",
    }
    assert wrong(planted, order) == [
        "pyflow.graph imports pyflow.planning.planner",
        "pyflow.operators.conv imports pyflow.graph.Network",
        "pyflow.emit.host imports pyflow",
    ]


def test_there_is_no_circle_within_a_folder() -> None:
    texts = sources()
    edges = networkx.DiGraph()
    for name, text in texts.items():
        for module in imported(text):
            target = next((m for m in (module, module.rpartition(".")[0]) if m in texts), None)
            if target and unit(target) == unit(name) and target != name:
                edges.add_edge(name, target)
    assert list(networkx.simple_cycles(edges)) == []


@pytest.mark.parametrize(("folders", "most"), [(("pyflow", "verif", "benchmarks"), 400), (("tests",), 600)])
def test_no_module_is_too_long_to_read(folders: tuple[str, ...], most: int) -> None:
    """What is generated says so in its first lines."""
    long = {}
    for path in (path for folder in folders for path in (REPO / folder).rglob("*.py") if "_share" not in path.parts):
        lines = path.read_text(encoding="utf-8").splitlines()
        if len(lines) > most and not any("Generated" in line for line in lines[:5]):
            long[str(path.relative_to(REPO))] = len(lines)
    assert long == {}
