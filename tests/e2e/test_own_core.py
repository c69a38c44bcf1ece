# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""A core outside the tree: examples/own_core as its README has it, and packages that are missing or broken."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from pyflow.errors import VolleyError
from pyflow.extensions import GROUP, add_rtl
from pyflow.operators import Encode
from pyflow.planning.lowering.registry import lowers

REPO = Path(__file__).resolve().parents[2]
EXAMPLE = REPO / "examples" / "own_core"
SAVE = "from test_word_shift import coarse_digits; coarse_digits().save('coarse digits.vly')"


def run(*command: str, cwd: Path, path: list[Path]) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, [*path, REPO]))}
    return subprocess.run(
        [sys.executable, *command], cwd=cwd, env=environment, capture_output=True, text=True, timeout=600
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the example is installed."""
    site = tmp_path_factory.mktemp("site packages")
    options = ("--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--target", str(site))
    done = run("-m", "pip", "install", *options, str(EXAMPLE), cwd=site, path=[])
    assert done.returncode == 0, done.stderr
    return site


def test_the_example_passes_its_test(site: Path, tmp_path: Path) -> None:
    done = run("-m", "pytest", "-q", "-p", "no:cacheprovider", str(EXAMPLE), cwd=tmp_path, path=[site])
    assert done.returncode == 0, done.stdout[-3000:]
    assert "2 passed" in done.stdout


def test_a_file_brings_the_core_along(site: Path, tmp_path: Path) -> None:
    """The command imports nothing of the package; without it the file is refused."""
    done = run("-c", SAVE, cwd=tmp_path, path=[site, EXAMPLE])
    assert done.returncode == 0, done.stderr
    sim = ("-m", "pyflow", "sim", "--net", "coarse digits.vly", "--frames", "20")
    done = run(*sim, cwd=tmp_path, path=[site])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "coarsen" in done.stdout
    assert "0 mismatches" in done.stdout
    if any(entry.name == "word_shift" for entry in metadata.entry_points(group=GROUP)):
        pytest.skip("word-shift is installed here, so nothing can be without it")
    done = run(*sim, cwd=tmp_path, path=[])
    assert done.returncode == 2
    assert "operator 'coarsen': kind 'coarsen' is unknown" in done.stderr


def test_a_package_that_cannot_be_imported_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import no_such_module\n")
    info = tmp_path / "broken_core-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-core\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[volley.cores]\nbroken = broken\n")
    done = run("-m", "pyflow", "sim", "--frames", "2", cwd=tmp_path, path=[tmp_path])
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if "broken" in line]
    assert "core 'broken' outside the tree: broken cannot be imported, ModuleNotFoundError: No module named" in line
    assert line.endswith("mend broken-core or uninstall it")


def test_rtl_that_no_build_would_find_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VolleyError, match=r"mine.sv: no such file"):
        add_rtl(str(tmp_path / "mine.sv"))
    (tmp_path / "mine.sv").write_text("module other; endmodule\n")
    with pytest.raises(VolleyError, match="has no module mine; a file has the name of its module"):
        add_rtl(tmp_path / "mine.sv")
    (tmp_path / "volley_fifo.sv").write_text("module volley_fifo; endmodule\n")
    with pytest.raises(VolleyError, match="the name volley_fifo is taken"):
        add_rtl(tmp_path / "volley_fifo.sv")


def test_a_kind_belongs_to_one_operator() -> None:
    taken = type("Taken", (Encode,), {"kind": "conv"})
    with pytest.raises(VolleyError, match="operator Taken: its kind 'conv' is empty or taken"):
        lowers(taken)
