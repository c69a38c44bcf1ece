# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The construct check for Vivado: every rule finds its fault and leaves its counterpart alone."""

from pathlib import Path

import pytest

from verif.lint.vivado import RULES, Finding, Rule, check


def judged(tmp_path: Path, *texts: str, image: str = "") -> list[Finding]:
    """Findings in module `t`, which one of the texts contains."""
    sources = []
    for number, text in enumerate(texts):
        sources.append(tmp_path / f"file{number}.sv")
        sources[-1].write_text(text.lstrip("\n") + "\n")
    if image:
        (tmp_path / "a.mem").write_text(image)
    return check(sources, ["t"], images=tmp_path if image else None)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_rule_finds_its_fault_and_nothing_else(rule: Rule, tmp_path: Path) -> None:
    beside = [rule.beside] if rule.beside else []
    found = judged(tmp_path, rule.bad, *beside, image=rule.image)
    assert {f.rule for f in found} == {rule.name}, found
    assert not judged(tmp_path, rule.good, image=rule.image)
