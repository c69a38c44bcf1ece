# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The table rules.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. ug901: section of the guide; good, bad: a module `t` each; beside: a second file next to the bad one;
    image: content of the file a.mem that both read."""

    name: str
    what: str
    why: str
    ug901: str
    good: str
    bad: str
    beside: str = ""
    image: str = ""


def _load() -> dict[str, Rule]:
    table = tomllib.loads(Path(__file__).with_name("rules.toml").read_text(encoding="utf-8"))
    return {name: Rule(name, **row) for name, row in table.items()}


RULES = _load()
