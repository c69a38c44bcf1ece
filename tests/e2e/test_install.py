# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What `make sim` installs is little, and enough; each other set comes with the first target that needs it."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from importlib.metadata import Distribution, distribution, packages_distributions
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement

from pyflow import data

REPO = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
# Runs a command of pyflow with the modules named in the first argument out of reach.
WITHOUT = """
import sys
blocked = set(sys.argv[1].split(","))
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Finder())
from pyflow.__main__ import main
sys.exit(main(sys.argv[2:]))
"""


def closure(requirements: Sequence[str]) -> dict[str, Distribution]:
    """All distributions that these need, by name."""
    found: dict[str, Distribution] = {}
    wanted = [Requirement(text) for text in requirements]
    while wanted:
        needed = wanted.pop()
        name = re.sub(r"[-_.]+", "-", needed.name).lower()
        if name in found or (needed.marker and not needed.marker.evaluate({"extra": ""})):
            continue
        found[name] = distribution(needed.name)
        wanted += [Requirement(text) for text in found[name].requires or ()]
    return found


def test_make_sim_installs_little() -> None:
    found = closure(PROJECT["dependencies"])
    sizes = {
        name: sum(file.size or 0 for file in found[name].files or () if ".." not in file.parts) / 1e6 for name in found
    }
    assert len(found) <= 20, sorted(found)
    assert sum(sizes.values()) <= 150, sizes


def without_the_rest() -> str:
    """Modules of packages that `make sim` does not install."""
    ours = set(closure(PROJECT["dependencies"]))
    listed = packages_distributions()
    return ",".join(m for m, owners in listed.items() if not {re.sub(r"[-_.]+", "-", o).lower() for o in owners} & ours)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT, without_the_rest() + ",torch", *arguments]
    return subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=600)


@pytest.mark.slow
def test_what_make_sim_installs_is_enough(tmp_path: Path) -> None:
    done = run("sim", "--net", "digits", "--frames", "8", "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 frames compared, every logit; 0 mismatches" in done.stdout


def test_a_call_that_needs_torch_says_how_to_get_it(tmp_path: Path) -> None:
    line = "needs PyTorch, which is not installed; `make venv SET=models`, or pip install 'volley-snn[models]'"
    done = run("compile", "--net", "examples/own_model/my_net.py:build", "--out", str(tmp_path / "out"))
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr == f"pyflow compile: {line}\n"
    program = WITHOUT.replace(
        "from pyflow.__main__ import main\nsys.exit(main(sys.argv[2:]))", "import pyflow\npyflow.convert"
    )
    asked = subprocess.run([sys.executable, "-c", program, "torch"], cwd=REPO, capture_output=True, text=True)
    assert asked.stderr.strip().endswith(f"VolleyError: pyflow.convert: {line}")


def makes(folder: Path, *arguments: str) -> str:
    """What `make` would run in an environment with the stamps of `folder`."""
    command = ["make", "-n", f"VENV={folder}", *arguments]
    return subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True).stdout


def test_each_target_installs_what_it_needs(tmp_path: Path) -> None:
    fresh = tmp_path / "a b"  # a path with a space
    assert "torch" not in makes(fresh, "sim")
    assert "torch==" in makes(fresh, "sim", "NET=my_net.py:build")
    assert "torch==" in makes(fresh, "sim", "FINETUNE=2")
    for net in ("my.nir", "a b/my.net"):
        made = makes(fresh, "sim", f"NET={net}")
        assert "torch==" in made
        assert re.search(r"^touch .*\.volley-\d+-nir", made, re.MULTILINE), net
    assert "torch" not in makes(fresh, "bitstream", "BOARD=icebreaker")
    assert "boards" in makes(fresh, "bitstream", "BOARD=icebreaker")
    assert "synthesis" in makes(fresh, "estimate")
    assert "boards" not in makes(fresh, "estimate")
    assert ".[dev]" in makes(fresh, "test")


def test_make_sim_after_make_test_installs_nothing(tmp_path: Path) -> None:
    (stamps,) = re.findall(r"^touch (.*\.volley-\S+-dev.*)$", makes(tmp_path / "v", "test"), re.MULTILINE)
    for stamp in stamps.replace("'", "").split():
        Path(stamp).parent.mkdir(exist_ok=True)
        Path(stamp).touch()
    for target in ("sim", "estimate", "bitstream", "test"):
        assert "pip install" not in makes(tmp_path / "v", target, "NET=my_net.py:build"), target


def test_digits_are_those_of_scikit_learn() -> None:
    sklearn = pytest.importorskip("sklearn.datasets")
    bunch, found = sklearn.load_digits(), data.load("digits")
    images = np.concatenate([found.x_train, found.x_test])[:, 0] * 16
    assert sorted(map(bytes, images.astype(np.uint8))) == sorted(map(bytes, bunch.images.astype(np.uint8)))
    assert len(found.x_test) == 360
