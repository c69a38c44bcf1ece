# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""docs/framework_layers.md: what of each framework is built and what is refused, from the tables of the front end."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pyflow.frontends.spiking.tables import FRAMEWORKS, Framework
from verif.harness import REPO

PAGE = REPO / "docs/framework_layers.md"
HEAD = """<!-- SPDX-License-Identifier: Apache-2.0 -->
<!-- Written by `make docs` from pyflow/frontends/spiking/tables.py. -->

# Layers of snnTorch, SpikingJelly and Norse

What `convert` builds of each framework. [Models](models.md#snntorch-spikingjelly-norse) says how,
[frameworks](frameworks.md) has the equations.

Every conversion compares each layer of neurons with its framework, alone, on the inputs of a run. A class or a version
that is not named here is refused, and so are settings that change an equation.
"""


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _section(table: Framework) -> str:
    neurons = [(f"`{name}`", entry.built, entry.settings) for name, entry in table.neurons.items()]
    layers = [(", ".join(f"`{n}`" for n in names.split(", ")), what) for names, what in table.layers.items()]
    refused = [(f"`{name}`", *why.split(": ", 1)) for name, why in table.refused.items()]
    parts = [
        f"## {table.name} {table.version}\n",
        _table(("neurons", "built as", "read"), neurons),
        *([_table(("layers", "built as"), layers)] if layers else []),
        _table(("refused", "instead", "why"), refused),
    ]
    return "\n".join(parts)


def page() -> dict[Path, str]:
    """Path -> text."""
    return {PAGE: "\n".join([HEAD, *map(_section, FRAMEWORKS.values())])}
