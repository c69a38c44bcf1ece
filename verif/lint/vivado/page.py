# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Writes docs/vivado.md from rules.toml: `python -m verif.lint.vivado.page`."""

from __future__ import annotations

from verif.harness import REPO
from verif.lint.vivado import RULES, waivers

PAGE = REPO / "docs" / "vivado.md"
HEAD = """\
# Constructs for Vivado

Written by `make docs` from `verif/lint/vivado/rules.toml`; edits are lost.

`make lint` holds the RTL against these rules. Each has a good and a bad example in that file, and
`tests/unit/test_vivado_rules.py` runs both. The check elaborates with `SYNTHESIS` defined, as Vivado does, and works on
slang's trees. It is no synthesis: it finds constructs, not timing, area or wrong logic.

The last column names sections of the *Vivado Design Suite User Guide: Synthesis* (UG901) by the titles of its
edition 2024.2.
Where the guide supports a construct and the rule forbids it, the rule is this project's own.

"""


def page() -> str:
    rows = [f"| `{r.name}` | {r.what}. | {r.why}. | {r.ug901} |" for r in RULES.values()]
    excepted = [f"| `{w['rule']}` | `{w['file']}` | {w['reason']} |" for w in waivers()]
    return HEAD + "\n".join(
        [
            "| rule | asks | because | UG901 |",
            "|---|---|---|---|",
            *rows,
            "",
            "## Exceptions",
            "",
            "| rule | files | reason |",
            "|---|---|---|",
            *excepted,
            "",
        ]
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
