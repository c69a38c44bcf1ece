# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Classes of pyflow/cores against the cores of rtl/, and nobody else who knows a core by its name."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

import pyflow.cores
from pyflow.cores.base import Core
from pyflow.cores.window import LineBuffer
from verif.pages.sv import Parameter, cores

PACKAGE = Path(pyflow.cores.__file__).parents[1]
MEMORY = {"KIND", "ROW", "INIT_FILE"}  # emit sets them, from the memory beside the core
UNUSED = {"PIX": "1", "STYLE": '"auto"', "COUNT_W": "32"}  # a network leaves them at their default
TOPS = {"volley_top", "volley_axi_top", "volley_uart_top"}


def classes() -> list[type[Core]]:
    """All that stand for a module."""
    for module in pkgutil.iter_modules(pyflow.cores.__path__):
        importlib.import_module(f"pyflow.cores.{module.name}")
    pending, found = [Core], []
    while pending:
        kind = pending.pop()
        pending += kind.__subclasses__()
        # A dataclass with slots is made anew: the class that it was made of stays among the subclasses.
        if hasattr(kind, "module") and getattr(importlib.import_module(kind.__module__), kind.__name__) is kind:
            found.append(kind)
    return found


@pytest.mark.parametrize("kind", classes(), ids=lambda kind: kind.__name__)
def test_a_class_has_the_parameters_of_its_core(kind: type[Core]) -> None:
    core = cores()[kind.module]
    assert kind.__module__ == f"pyflow.cores.{core.folder}"
    parameters: dict[str, Parameter] = {p.name: p for p in core.settable}
    stated = {f.name.upper(): f.type for f in fields(kind)}
    assert set(stated) <= set(parameters)
    for name in set(parameters) - set(stated) - MEMORY:
        assert parameters[name].default == UNUSED[name], f"{kind.__name__} says nothing of {name}"
    for name, hint in stated.items():
        assert (hint == "bool") == (parameters[name].type == "bit"), name
    ports = {port.name for port in core.ports}
    if kind.memory_port:
        assert f"s_{kind.memory_port}_tdata" in ports
    assert set(kind.open_ports) <= ports
    assert kind.counts_saturations == ("stat_saturated" in ports)


def test_parameters_are_literals() -> None:
    buffer = LineBuffer(item_w=12, groups=1, height=8, width=8, kernel=3, stride=1, padding=1, slots=2, pad_item=0xABC,
                        pix=1)  # fmt: skip
    assert buffer.parameters()["PAD_ITEM"] == "12'habc"
    assert buffer.parameters()["SLOTS"] == 2


def names(text: str) -> Iterator[str]:
    """Names of cores in the strings of a source; docstrings may speak of them."""
    tree = ast.parse(text)
    said = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield from re.findall(r"\bvolley_\w+", node.value)


def test_nobody_else_knows_a_core_by_its_name() -> None:
    found = {
        str(path.relative_to(PACKAGE)): known
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.relative_to(PACKAGE).parts[0] not in ("cores", "emit", "_share")
        and (known := {name.removesuffix("_wrapper") for name in names(path.read_text(encoding="utf-8"))} - TOPS)
    }
    assert found == {}


def test_a_name_is_found() -> None:
    text = (
        '"""volley_a"""\ndef f(x):\n    """volley_b"""\n    return x.module == "volley_fifo" or f"in volley_ram {x}"\n'
    )
    assert sorted(names(text)) == ["volley_fifo", "volley_ram"]
