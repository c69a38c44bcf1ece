# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Cores in another's tree: closed file lists, FuseSoC, the plain-Verilog wrapper, the example of a single core."""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pyflow.backends import plain_path
from pyflow.backends.toolbox import cache_dir
from pyflow.sources import blackboxes, needed_by, rtl_sources
from verif.cases import collect
from verif.harness import REPO, sources_of
from verif.lint.lint import WAIVERS, families, lint, own_sources
from verif.pages.lists import lists, shared, technologies, vlnv, waivers
from verif.pages.sizes import row_of
from verif.pages.sv import Core, cores, elaborate, packages

CORES = list(cores().values())
NAMES = [core.name for core in CORES]
each_core = pytest.mark.parametrize("core", CORES, ids=NAMES)
TOP = cores()["volley_axi_top"]


# ------------------------------------------------------------------ file lists
@each_core
def test_the_lists_are_what_the_sources_say(core: Core) -> None:
    for path, text in lists(core).items():
        assert path.read_text(encoding="utf-8") == text, f"make docs: {path.name}"


@each_core
@pytest.mark.parametrize("size", ["default", "smallest"])
def test_a_core_elaborates_from_its_list_alone(core: Core, size: str) -> None:
    row = row_of(core.name)
    parameters = row.smallest if size == "smallest" else {}
    widths, errors = elaborate([core.path.with_suffix(".f")], core.name, parameters)
    assert not errors, errors
    assert list(widths) == [port.name for port in core.ports], errors
    assert lint(core.name, ["-F", core.path.with_suffix(".f")], parameters) == ""


@each_core
def test_a_core_lints_at_every_size_of_its_benches(core: Core) -> None:
    for case in collect().get(core.name, []):
        if case.source_paths is None:
            assert lint(core.name, sources_of(core.name), case.parameters) == "", case


@pytest.mark.parametrize("family", families())
def test_what_a_family_has_of_its_own_lints_at_every_size_of_its_benches(family: str) -> None:
    own, every = own_sources(family), rtl_sources(family)
    judged = [
        case
        for cases in collect().values()
        for case in cases
        if case.dut in {path.stem for path in every} and set(own) & set(case.source_paths or ())
    ]
    assert judged
    for case in judged:
        sources = [*blackboxes(family), *sources_of(case.dut, every)]
        assert lint(case.dut, sources, case.parameters) == "", case
    for path in own:
        assert lint(path.stem, [*blackboxes(family), *sources_of(path.stem, every)]) == "", path.stem


COPIED = ["volley_fifo", "volley_weight_source", "volley_synapse_array", "volley_synapse_dsp"]


@pytest.mark.parametrize("name", COPIED)
@pytest.mark.parametrize("keep_folders", [True, False])
def test_a_copied_core_lints_in_an_empty_folder(name: str, keep_folders: bool, tmp_path: Path) -> None:
    core = cores()[name]
    listed = [line for line in core.path.with_suffix(".f").read_text().splitlines() if not line.startswith("//")]
    copied = []
    for line in listed:
        source = (core.path.parent / line).resolve()
        copied.append(source.relative_to(REPO / "rtl") if keep_folders else Path(source.name))
        (tmp_path / copied[-1]).parent.mkdir(exist_ok=True)
        shutil.copy(source, tmp_path / copied[-1])
    shutil.copy(WAIVERS, tmp_path)
    assert len(listed) > 1
    assert lint(name, copied, waived=Path(WAIVERS.name), cwd=tmp_path) == ""


# ------------------------------------------------------------------ FuseSoC
def _fusesoc(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    roots = [option for folder in (REPO / "rtl", WAIVERS.parent) for option in ("--cores-root", str(folder))]
    environment = {
        **plain_path.environment(),
        "XDG_CONFIG_HOME": str(cwd),
        "XDG_CACHE_HOME": str(cwd),
        "XDG_DATA_HOME": str(cwd),
    }
    return subprocess.run(["fusesoc", *roots, *arguments], cwd=cwd, env=environment, capture_output=True, text=True,
                          timeout=300)  # fmt: skip


def test_fusesoc_finds_every_core(tmp_path: Path) -> None:
    done = _fusesoc("core", "list", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    of_technologies = {vlnv(name, "tech") for name in ("xilinx", *families())}
    assert set(re.findall(r"^(volley:\S+)", done.stdout, re.MULTILINE)) == {
        *map(vlnv, NAMES), *map(vlnv, packages()), vlnv("waivers", "lint"), *of_technologies}, done.stderr  # fmt: skip
    for path, text in {WAIVERS.with_suffix(".core"): waivers(), **technologies(), **shared()}.items():
        assert path.read_text(encoding="utf-8") == text, "make docs"


def test_fusesoc_lints_a_core_with_what_it_depends_on(tmp_path: Path) -> None:
    done = _fusesoc("run", "--target", "lint", vlnv("volley_fifo"), "--DEPTH", "7", cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-1000:]
    (command,) = tmp_path.rglob("*.vc")
    assert "-GDEPTH=7" in command.read_text()
    assert {path.stem for path in tmp_path.rglob("*.sv")} == {"volley_ram", "volley_skid", "volley_fifo"}
    refused = _fusesoc("run", "--target", "lint", vlnv("volley_fifo"), "--DEPTH", "1", cwd=tmp_path)
    assert refused.returncode
    assert "DEPTH must be at least 2" in refused.stdout + refused.stderr


def _set_up(core: str, *options: str, cwd: Path) -> list[Path]:
    """Sources that FuseSoC gathers for a Vivado project."""
    done = _fusesoc("run", "--setup", "--tool", "vivado", *options, vlnv(core), cwd=cwd)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-1000:]
    return [path for path in cwd.rglob("*") if path.suffix in (".sv", ".v")]


@pytest.mark.parametrize("family", [None, *families()])
def test_fusesoc_takes_the_modules_of_the_family_that_a_flag_names(family: str | None, tmp_path: Path) -> None:
    found = _set_up("volley_synapse_array", *(["--flag", family] if family else []), cwd=tmp_path)
    wanted = needed_by("volley_synapse_array", rtl_sources(family))
    assert sorted(path.read_text() for path in found) == sorted(path.read_text() for path in wanted)


def test_the_documented_command_lists_the_files_of_a_family() -> None:
    text = (REPO / "docs" / "bodies.md").read_text(encoding="utf-8")
    (code,) = re.findall(r'^python -c "(.*?)"$', text, re.DOTALL | re.MULTILINE)
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [str(path) for path in needed_by("volley_synapse_array", rtl_sources("xc7"))]


# ------------------------------------------------------------------ the example
def test_the_example_of_one_core_simulates_and_synthesises() -> None:
    folder = REPO / "examples" / "one_core"
    with tempfile.TemporaryDirectory(dir=cache_dir()) as build:  # yosys has a /tmp of its own
        command = [
            "make",
            "-C",
            str(folder),
            f"BUILD={build}",
            f"VENV={'' if ' ' in sys.prefix else sys.prefix}",
            "sim",
            "synth",
        ]
        done = subprocess.run(command, env=plain_path.environment(), capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        assert "2000 codes compared, 0 wrong" in done.stdout
        cells = (Path(build) / "synth" / "cells.txt").read_text()
    assert re.search(r"\bLUT6\b", cells)
    assert "DSP48E1" not in cells
    used = set(re.findall(r"\bvolley_\w+", (folder / "relu.sv").read_text()))
    assert used == {"volley_neuron_radix"}
    core = cores()["volley_neuron_radix"].path.with_suffix(".f")
    assert "relu: THETA = 200 is outside 1..127" in elaborate([core, folder / "relu.sv"], "relu", {"THETA": 200})[1]
