# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The documents keep their word: links resolve, targets exist, every core is described, examples run."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

from pyflow import zoo
from pyflow.cores.neuron import NeuronRadix
from pyflow.cores.stream import LaneConvert
from pyflow.cores.sums import BODIES
from pyflow.cores.synapse import SynapseArray
from pyflow.cores.window import LineBuffer, WindowFold
from pyflow.machine import Target
from pyflow.machines.stream import STREAM, StreamPlan
from pyflow.operators import Synapse
from pyflow.options import COMMANDS
from pyflow.planning.board import load_board
from pyflow.report import layer_rows
from pyflow.report.text import layer_table

REPO = Path(__file__).resolve().parents[2]
SKIPPED = re.compile(r"(\.|build$|dist$)")  # hidden folders and build outputs
DOCUMENTS = sorted(p for p in REPO.rglob("*.md") if not any(map(SKIPPED.match, p.relative_to(REPO).parts)))
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def _anchors(path: Path) -> set[str]:
    """Names by which a document's headings can be linked to."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in headings}


def _plan(name: str, cycles: int | None = None) -> StreamPlan:
    """What `make sim NET=name [CYCLES=]` simulates."""
    network = zoo.load(name)
    return STREAM.plan(network, load_board("pynq-z2"), Target(cycles or network.meta["cycles_per_frame"]))


def _slots(chosen: StreamPlan) -> list[str]:
    """Rows of the table of slots in docs/streams.md without their reasons, and its sentence about all layers."""
    rows, total, cycles = [], [0, 0], chosen.schedule.cycles_per_frame
    for inst in chosen.netlist.instances:
        p = inst.core
        if not isinstance(p, SynapseArray):
            continue
        pixels = f" × {p.pix} pixels" if p.pix > 1 else ""
        size = f"{BODIES[p.body].upper()}, PE {p.pe} × SIMD {p.simd}{pixels}, TP {p.tp} of {p.t}"
        rate = p.pe * p.simd * p.pix * p.tp // p.t
        (op,) = (op for op in chosen.netlist.network.operators if op.name == inst.layer)
        (source,) = chosen.netlist.network.sources(op)
        assert isinstance(op, Synapse)
        macs = op.weight.size * op.outputs(source)
        busy = inst.sink.beats * inst.core.beat_cycles
        rows.append(f"| {inst.layer} | {size} | {rate:,} | {busy} | {macs / rate / cycles:.1%} |".replace("%", " %"))
        total = [total[0] + macs, total[1] + rate]
    used = f"{total[0] / total[1] / cycles:.1%}".replace("%", " %")
    return [*rows, f"arrays have {total[1]:,} multiply-accumulates per cycle, {used} of them used"]


def _beats(chosen: StreamPlan) -> str:
    """The table of streams in docs/streams.md."""
    rows = ["| core | module | size | stream out | lanes × bits | beats out | busy |", "|---|---|---|---|---|---|---|"]
    for inst in chosen.netlist.instances:
        p, out, size = inst.core, inst.source, ""
        match p:
            case SynapseArray():
                size = f"{BODIES[p.body].upper()}, PE {p.pe} × SIMD {p.simd}, TP {p.tp}, folds {out.groups} × {p.folds}"
            case LineBuffer():
                size = f"{p.kernel * p.slots} rows"
            case WindowFold():
                size = f"{p.depth} items"
            case NeuronRadix():
                size = "unrolled" if p.unrolled else "serial"
            case LaneConvert():
                size = f"{p.lanes_in} → {p.lanes_out} lanes"
        busy = max(inst.sink.beats * inst.core.beat_cycles, out.beats)
        module = inst.core.module.removeprefix("volley_")
        rows.append(
            f"| {inst.name.removeprefix('u_')} | {module} | {size} | `{out.name}` | {out.lanes} × {out.bits} "
            f"| {out.beats:,} | {busy:,} |"
        )
    return "\n".join(rows)


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
        assert target.is_relative_to(REPO), f"{link}: no such file"
        assert target.exists(), f"{link}: no such file"
        if anchor:
            assert anchor in _anchors(target), f"{link}: no such heading"


def test_targets_of_the_documents_exist() -> None:
    """Every target has a row in docs/commands.md, and what the README and the pages name is there."""
    pages = ("commands", "quickstart", "models", "boards", "results", "ip")
    text = "\n".join((REPO / "docs" / f"{page}.md").read_text(encoding="utf-8") for page in pages)
    rows = "\n".join(re.findall(r"^\| `make .*$", text, re.MULTILINE))
    text += (REPO / "README.md").read_text(encoding="utf-8")
    code = " ".join(re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL))
    named = set(re.findall(r"\bmake ([a-z][a-z-]*)", code))
    makefile = (REPO / "Makefile").read_text(encoding="utf-8")
    there = {name for line in re.findall(r"^([a-z][a-z -]*):(?!=)", makefile, re.MULTILINE) for name in line.split()}
    assert {"sim", "test"} <= named
    assert named <= there, f"not in the Makefile: {sorted(named - there)}"
    missing = {name for name in there if not re.search(rf"`make {name}\b", rows)}
    assert not missing, f"no row in docs/commands.md: {sorted(missing)}"


def test_clean_removes_all_that_is_cached() -> None:
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in ("pyflow", "verif", "tests/flow", "tests/rtl", "benchmarks")
        for path in (REPO / folder).rglob("*.py")
    )
    kinds = {re.sub(r"\{[^}]*\}+", "x", kind) for kind in re.findall(r"\bcached\(f?\"([^\"]+)\"", code)}
    kinds |= set(re.findall(r"cache_dir\(\) / f?\"([\w-]+)", code))
    assert {"net", "sim", "runtime", "last-failed-"} <= kinds
    patterns = re.findall(r"^CACHED = (.*)$", (REPO / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)[0].split()
    kept = {kind for kind in kinds if not any(fnmatch(kind, pattern) for pattern in patterns)}
    assert not kept, f"`make clean` leaves {sorted(kept)} in the cache"


def test_every_command_of_the_command_line_is_listed() -> None:
    text = (REPO / "docs" / "commands.md").read_text(encoding="utf-8")
    (listed,) = re.findall(r"`python -m pyflow ([a-z|]+)`", text)
    assert {*listed.split("|"), "explore"} == set(COMMANDS)


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
    example = (REPO / "examples" / "api.py").read_text(encoding="utf-8").splitlines()
    for page in ("README.md", "docs/quickstart.md"):
        (block,) = re.findall(r"```python\n(.*?)```", (REPO / page).read_text(encoding="utf-8"), re.DOTALL)
        assert [line for line in block.splitlines() if line not in example] == [], page


def test_the_front_is_short() -> None:
    assert len((REPO / "README.md").read_text(encoding="utf-8").splitlines()) <= 130


def test_the_picture_of_the_readme_is_that_of_the_plan() -> None:
    from verif.pictures.__main__ import FOLDER, lenet5

    assert (FOLDER / "lenet5.svg").read_text(encoding="utf-8") == lenet5(), "make pictures"


def test_the_recording_says_what_the_reports_say() -> None:
    """But for the speed, which depends on the machine. What was measured is in tests/e2e/test_sim.py."""
    from verif.pictures.recording import lines_of

    said = lines_of((REPO / "docs" / "img" / "sim.svg").read_text(encoding="utf-8"))
    assert said[0] == "$ make sim"
    printed = layer_table(layer_rows(_plan("digits"))).splitlines()
    for line in printed:  # measured cycles come from a run; there they equal the predicted ones
        columns = re.split(r" {2,}", line.strip())
        if "-" in columns:
            columns[columns.index("-")] = columns[columns.index("-") - 1]
        assert columns in [re.split(r" {2,}", other.strip()) for other in said], f"make pictures: {line}"


@pytest.mark.slow
def test_example_api(tmp_path: Path) -> None:
    out = _run(str(REPO / "examples" / "api.py"), str(tmp_path / "api"), cwd=tmp_path)
    assert "64 frames, every logit equal" in out
    assert (tmp_path / "api" / "tiny.vly").is_file()


@pytest.mark.slow
def test_lenet5_schedule_of_the_documents() -> None:
    """REWRITE=1 writes the table anew; docs/results.md then needs `make bench-networks`."""
    chosen = _plan("lenet5")
    path = REPO / "docs" / "streams.md"
    text = path.read_text(encoding="utf-8")
    block = re.compile(r"(?<=<!-- lenet5 -->\n).*?(?=\n<!-- end -->)", re.DOTALL)
    if os.environ.get("REWRITE"):
        path.write_text(block.sub(lambda _: _beats(chosen), text), encoding="utf-8")
    found = block.search(path.read_text(encoding="utf-8"))
    assert found, "REWRITE=1 make test K=test_lenet5_schedule"
    assert found[0] == _beats(chosen), "REWRITE=1 make test K=test_lenet5_schedule"
    readme = (REPO / "docs" / "results.md").read_text(encoding="utf-8")
    for name, schedule in (("digits", _plan("digits").schedule), ("lenet5", chosen.schedule)):
        (row,) = re.findall(rf"^\| {name}: .*$", readme, re.MULTILINE)
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert cells[7:9] == [f"{schedule.cycles_per_frame:,.10g}", f"{schedule.latency_cycles:,}"], (
            f"{name}: paste what `make bench-networks` prints into docs/results.md")  # fmt: skip


@pytest.mark.slow
def test_slots_of_the_fast_lenet5() -> None:
    chosen = _plan("lenet5", 257)
    text = (REPO / "docs" / "streams.md").read_text(encoding="utf-8")
    assert chosen.schedule.cycles_per_frame == 257
    missing = [line for line in _slots(chosen) if line not in text.replace("\n", " ").replace("| |", "|\n|")]
    assert not missing, "not in docs/streams.md:\n" + "\n".join(missing)
    (row,) = re.findall(
        r"^\| lenet5, four pixels per beat.*$", (REPO / "docs" / "results.md").read_text(encoding="utf-8"), re.M
    )
    assert f"| 257 | 257 | {chosen.schedule.latency_cycles:,} |" in row
    assert f"price without the top is {chosen.total.lut:,.0f} LUT and {chosen.total.ff:,.0f} FF" in text


@pytest.mark.long
@pytest.mark.parametrize(
    ("example", "model", "data"), [("own_model", "my_net", "my"), ("own_model_1d", "my_1d", "my_1d")]
)
def test_example_own_model(example: str, model: str, data: str, tmp_path: Path) -> None:
    folder = REPO / "examples" / example
    _run(str(folder / "train.py"), str(tmp_path), cwd=tmp_path)
    out = _run("-m", "pyflow", "sim", "--net", f"{folder / model}.py:build", "--weights", f"{model}.safetensors",
               "--data", f"{data}.npz", cwd=tmp_path)  # fmt: skip
    assert "400 frames compared, every logit; 0 mismatches" in out


def test_every_source_names_licence_and_holder() -> None:
    kinds = [f"*.{suffix}" for suffix in ["sv", "v", "py", "cpp", "tcl", "xdc", "rdl", "f", "core"]]
    listed = subprocess.run(["git", "ls-files", *kinds], cwd=REPO, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("no git checkout, whose files could be listed")
    texts = {path: path.read_text(encoding="utf-8") for path in map(REPO.joinpath, listed.stdout.splitlines())}
    heads = r"SPDX-License-Identifier: Apache-2.0\n\S+ SPDX-FileCopyrightText: The Volley authors\n"
    assert not [path for path, text in texts.items() if text and not re.search(heads, text)]


def test_every_name_of_the_glossary_is_there() -> None:
    text = (REPO / "docs" / "glossary.md").read_text(encoding="utf-8")
    rtl = "\n".join(path.read_text(encoding="utf-8") for path in (REPO / "rtl").rglob("*.sv"))
    rtl += "\n".join((REPO / "pyflow" / "emit" / "verilog.py").read_text(encoding="utf-8").splitlines())
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \|([^|]*)\|([^|]*)\|$", text, re.MULTILINE)
    assert len(rows) > 30
    for term, python, hardware in rows:
        for name in re.findall(r"`([\w.]+)`", python):
            assert _resolves(name), f"glossary, {term}: no {name} in Python"
        for name in re.findall(r"`(\w+)`", hardware):
            assert re.search(rf"\b{name}\b", rtl), f"glossary, {term}: no {name} in the RTL"


def _resolves(name: str) -> bool:
    """Is there an object of this dotted name, or a field of a class?"""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            if part in getattr(found, "__annotations__", {}) and not hasattr(found, part):
                return True
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


def test_one_version_everywhere() -> None:
    import tomllib

    from pyflow import __version__

    project = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = (REPO / "CITATION.cff").read_text(encoding="utf-8")
    assert project["version"] == __version__
    assert f"version: {__version__}" in citation
    assert f"license: {project['license']}" in citation
