# SPDX-License-Identifier: Apache-2.0
"""The documents keep their word: links resolve, targets exist, every core is described, examples run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
SKIPPED = re.compile(r"(\.|build$|dist$)")  # hidden folders and build outputs
DOCUMENTS = sorted(p for p in REPO.rglob("*.md") if not any(map(SKIPPED.match, p.relative_to(REPO).parts)))
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def _anchors(path: Path) -> set[str]:
    """Names by which a document's headings can be linked to."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in headings}


def _run(*command: str, cwd: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(REPO)}
    run = subprocess.run(
        [sys.executable, *command], cwd=cwd, env=environment, capture_output=True, text=True, timeout=600
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(REPO)))
def test_links_resolve(document: Path) -> None:
    for link in LINK.findall(document.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (document.parent / name).resolve() if name else document
        assert target.is_relative_to(REPO) and target.exists(), f"{link}: no such file"
        if anchor:
            assert anchor in _anchors(target), f"{link}: no such heading"


def test_targets_of_the_readme_exist() -> None:
    text = (REPO / "README.md").read_text(encoding="utf-8")
    code = " ".join(re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL))
    named = set(re.findall(r"\bmake ([a-z][a-z-]*)", code))
    makefile = (REPO / "Makefile").read_text(encoding="utf-8")
    there = {name for line in re.findall(r"^([a-z][a-z -]*):(?!=)", makefile, re.MULTILINE) for name in line.split()}
    assert {"sim", "test"} <= named
    assert named <= there, f"not in the Makefile: {sorted(named - there)}"
    assert there <= named, f"not in the README: {sorted(there - named)}"


def test_every_core_is_described() -> None:
    text = (REPO / "docs" / "streams.md").read_text(encoding="utf-8")
    cores = re.findall(r"(volley_\w+)\.sv", (REPO / "rtl" / "rtl.f").read_text(encoding="utf-8"))
    assert cores
    missing = [name for name in cores if f"`{name}`" not in text]
    assert not missing, f"not in docs/streams.md: {missing}"


def test_every_decision_is_listed() -> None:
    folder = REPO / "docs" / "decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    assert [p.name for p in sorted(folder.glob("0*.md"))] == re.findall(r"\((0\d{3}-[\w-]+\.md)\)", index)


def test_python_of_the_readme_is_the_tested_example() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", (REPO / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    example = (REPO / "examples" / "api.py").read_text(encoding="utf-8").splitlines()
    assert [line for line in block.splitlines() if line not in example] == []


def test_example_api(tmp_path: Path) -> None:
    out = _run(str(REPO / "examples" / "api.py"), str(tmp_path / "api"), cwd=tmp_path)
    assert "64 frames, every logit equal" in out
    assert (tmp_path / "api" / "tiny.vly").is_file()


@pytest.mark.long
def test_example_own_model(tmp_path: Path) -> None:
    folder = REPO / "examples" / "own_model"
    _run(str(folder / "train.py"), str(tmp_path), cwd=tmp_path)
    out = _run("-m", "pyflow", "sim", "--net", f"{folder / 'my_net.py'}:build", "--weights", "my_net.safetensors",
               "--data", "my.npz", cwd=tmp_path)  # fmt: skip
    assert "400 frames compared, every logit; 0 mismatches" in out
