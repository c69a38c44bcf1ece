# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Builds a core with Verilator and runs its cocotb bench on it: the one place under verif/ that knows
simulators, flags, versions and build folders.

    from verif.harness import run_bench
    run_bench("volley_fifo", "tb_fifo", {"DATA_W": 8, "DEPTH": 5})

`SEED=n` replays a random seed, `WAVES=1` writes a VCD, `DUT=core` skips all other cores, `VOLLEY_CACHE=dir`
moves the build cache.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pyflow.backends import process
from pyflow.backends.cache import cached
from pyflow.backends.toolbox import digest, package_version, tool_env
from pyflow.backends.verilator import ONE_FILE, verilate
from pyflow.errors import VolleyError
from pyflow.sources import needed_by, rtl_sources, snapshot

REPO = Path(__file__).resolve().parents[1]
TIMEOUT_S = 600
MANY = "many"  # module with several instances of a core
INSTANCE = "VOLLEY_INSTANCE"  # of it, which a bench is for: verif/tb/__init__.py
CORE = "VOLLEY_CORE"  # name of the module that a bench drives
TOGETHER = 20  # sets in one simulator, at most

# X's become random bits, drawn from the seed at run time: a register that needs its reset shows itself.
_VERILATOR_OPTIONS = ["--assert", "--x-assign unique", "--x-initial unique", "-Wno-lint", "-Wno-style"]
# Benches are short: C++ time dominates, so little optimisation.
_MAKE_OPTIONS = [*ONE_FILE, "-j", "2", "OPT_FAST=-O0", "OPT_GLOBAL=-O1"]


class BenchError(AssertionError):
    """A bench that failed, did not build, hung, or contained no test."""


def sources_of(dut: str, sources: Sequence[Path] | None = None) -> list[Path]:
    """`dut`'s file and what it needs, leaf first: a change elsewhere then leaves its build valid."""
    listed = rtl_sources() if sources is None else list(sources)
    if dut not in (names := [path.stem for path in listed]):
        raise BenchError(f"{dut} is not among the sources: {', '.join(names)}")
    return needed_by(dut, listed)


def build(
    dut: str,
    parameters: Mapping[str, int | str],
    defines: Mapping[str, int | str] | None = None,
    sources: Sequence[Path] | None = None,
    waves: bool = False,
    top: str = "",
) -> Path:
    """Path of the simulator of `dut`, or of `top` with it inside, built at most once per content of sources, parameters
    and tools."""
    top = top or dut
    files = sources_of(top, sources)
    options = [*_VERILATOR_OPTIONS, *(["--trace-vcd", "--trace-structs"] if waves else [])]

    texts = snapshot(files)

    def make(work: Path) -> Path:
        for name, text in texts.items():
            (work / name).write_text(text)
        try:
            verilate(_edam(top, list(texts), parameters, defines or {}, options), work, depth=1 + (top == MANY))
        except VolleyError as error:
            log = (work / "build.log").read_text()[-6000:]
            raise BenchError(f"{dut} {dict(parameters)} does not build: {error}\n{log}") from error
        return work / "Vtop"

    return cached("sim", f"{top}-{_build_key(texts, parameters, defines, options)}", make)


def _build_key(
    texts: Mapping[str, str],
    parameters: Mapping[str, int | str],
    defines: Mapping[str, int | str] | None,
    options: Sequence[str],
) -> str:
    tools = [f"{tool} {package_version(tool)}" for tool in ("verilator", "cocotb", "edalize")]
    return digest(
        tools, options, _MAKE_OPTIONS, sorted(parameters.items()), sorted((defines or {}).items()), list(texts.items())
    )


def coverage_file(
    dut: str,
    bench: str,
    parameters: Mapping[str, int | str],
    extra_env: Mapping[str, str] | None = None,
    defines: Mapping[str, int | str] | None = None,
    files: Mapping[str, str] | None = None,
    sources: Sequence[Path] | None = None,
    top: str = "",
) -> Path:
    """Where `run_bench` of the same arguments leaves its coverage; named after all that decides it."""
    python = run_sources(bench, extra_env)
    built = _build_key(snapshot(sources_of(top or dut, sources)), parameters, defines, _VERILATOR_OPTIONS)
    named = [path.name for path in python]
    key = digest(built, bench, _seed(), dict(extra_env or {}), dict(files or {}), named, *python)
    return REPO / "build" / "coverage" / dut / f"{key}.json"


def run_bench(
    dut: str,
    bench: str,
    parameters: Mapping[str, int | str],
    extra_env: Mapping[str, str] | None = None,
    defines: Mapping[str, int | str] | None = None,
    files: Mapping[str, str] | None = None,
    sources: Sequence[Path] | None = None,
    top: str = "",
) -> None:
    """Run every cocotb test of verif/tb/<bench>.py on `dut`; raise `BenchError` if one fails.

    parameters: of the module; int (any width) or str. The bench reads them with `axis.params()`.
    extra_env:  more environment for the bench.
    files:      name -> text, written into the folder that the simulation runs in (`.mem` images; pass the
                bare name as the parameter).
    sources:    source files instead of rtl.f.
    top:        module that is simulated, with `dut` inside; its ports are the bench's.
    """
    _only(dut)
    waves = os.environ.get("WAVES", "") not in ("", "0")
    seed = _seed()
    together = [] if waves or top else sets_with(dut, bench, parameters, defines, files, sources)
    if together:
        simulator = build(MANY, {}, defines, many(dut, together, sources))
        mine = together.index(Set(dict(parameters), dict(files or {})))
        built, read = together[mine].of_instance(mine).parameters, images(together)
    else:
        built, read = dict(parameters), dict(files or {})
        simulator = build(dut, parameters, defines, sources, waves, top)
    runs = REPO / "build" / "sim"
    runs.mkdir(parents=True, exist_ok=True)
    run = Path(tempfile.mkdtemp(prefix=f"{dut}-{bench}-", dir=runs))
    env = dict(extra_env or {}) | {"VOLLEY_COVERAGE": "coverage.json"}
    if together:
        env |= {INSTANCE: f"s{mine}", CORE: dut}
    problems = simulate(
        simulator,
        run,
        MANY if together else top or dut,
        bench,
        built,
        env,
        read,
        seed,
        ["--trace"] if waves else [],
    )
    if problems:
        log = run / "sim.log"
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-40:])
        raise BenchError(
            f"{dut} {dict(parameters)} seed {seed}: "
            + "; ".join(problems)
            + f"\n{tail}\nlog: {log}\nwaves: make waves DUT={dut} SEED={seed}"
        )
    if waves:
        print(f"{dut} {dict(parameters)}: {run / 'dump.vcd'}")
    else:
        covered = coverage_file(dut, bench, parameters, extra_env, defines, files, sources, top)
        covered.parent.mkdir(parents=True, exist_ok=True)
        if (run / "coverage.json").exists():  # a bench without bins writes none
            os.replace(run / "coverage.json", covered)
        else:
            covered.write_text("{}")
        shutil.rmtree(run)


@dataclass(frozen=True, slots=True)
class Set:
    """What a core is built with. files: name -> text of the images that its parameters name."""

    parameters: dict[str, int | str]
    files: dict[str, str] = field(default_factory=dict)

    def of_instance(self, n: int) -> Set:
        """With files of its own, beside those of other instances."""
        own = {name: f"s{n}_{name}" for name in self.files}
        parameters = {key: own.get(str(value), value) for key, value in self.parameters.items()}
        return Set(parameters, {own[name]: text for name, text in self.files.items()})


def sets_with(
    dut: str,
    bench: str,
    parameters: Mapping[str, int | str],
    defines: Mapping[str, int | str] | None = None,
    files: Mapping[str, str] | None = None,
    sources: Sequence[Path] | None = None,
) -> list[Set]:
    """Sets of the regression that one simulator of `dut` has, these among them; empty where the regression
    has no such run. Reading and building one costs a third of a core's own C++, or more."""
    from verif.cases import collect

    if not dut.startswith("volley_"):  # a vendor's models may stop a simulation in which they idle
        return []
    wanted, alike, known = Set(dict(parameters), dict(files or {})), list[Set](), False
    for case in collect().get(dut, []):
        if case.top or case.defines != dict(defines or {}):
            continue
        if case.source_paths != (None if sources is None else list(sources)):
            continue
        found = Set(case.parameters, case.files)
        known |= case.bench == bench and found == wanted
        if found not in alike:
            alike.append(found)
    if not known or len(alike) < 2:
        return []
    start = alike.index(wanted) // TOGETHER * TOGETHER
    return alike[start : start + TOGETHER]


def images(sets: Sequence[Set]) -> dict[str, str]:
    """Files that all instances of many() read."""
    return {name: text for n, each in enumerate(sets) for name, text in each.of_instance(n).files.items()}


def many(dut: str, sets: Sequence[Set], sources: Sequence[Path] | None = None) -> list[Path]:
    """Sources of `dut`, and of a module that has an instance s0, s1, ... of it with each of `sets`. Their ports are
    left open: the bench drives those of its own instance, and the clocks of the others stand still."""

    def value(given: int | str) -> str:
        return f'"{given}"' if isinstance(given, str) else str(literal(given))

    given = [each.of_instance(n).parameters for n, each in enumerate(sets)]
    bound = [", ".join(f".{name}({value(number)})" for name, number in each.items()) for each in given]
    lines = [f"  {dut} #({text}) s{n} ();" for n, text in enumerate(bound)]
    text = "\n".join([f"module {MANY};", *lines, "endmodule", ""])
    return [*sources_of(dut, sources), written("many", {f"{MANY}.sv": text}) / f"{MANY}.sv"]


def written(kind: str, texts: Mapping[str, str]) -> Path:
    """A folder of the cache with the sources `texts`, by file name."""

    def make(work: Path) -> Path:
        made = work / "made"
        made.mkdir()
        for name, text in texts.items():
            (made / name).write_text(text)
        return made

    return cached(kind, digest(json.dumps(dict(texts))), make)


def simulate(
    simulator: Path,
    run: Path,
    top: str,
    bench: str,
    parameters: Mapping[str, int | str],
    extra_env: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
    seed: str = "1",
    arguments: Sequence[str] = (),
    timeout_s: float = TIMEOUT_S,
) -> list[str]:
    """Run a bench in folder `run`; what went wrong, one text per failed test, empty if nothing did."""
    import find_libpython
    from cocotb_tools.config import libs_dir, pygpi_entry_point

    for name, text in (files or {}).items():
        (run / name).write_text(text)
    env = (
        tool_env()
        | {
            "COCOTB_TEST_MODULES": f"verif.tb.{bench}",
            "COCOTB_TOPLEVEL": top,
            CORE: top,
            "TOPLEVEL_LANG": "verilog",
            "COCOTB_RANDOM_SEED": seed,
            "COCOTB_RESULTS_FILE": "results.xml",
            "COCOTB_TRUST_INERTIAL_WRITES": "1",
            "COCOTB_REWRITE_ASSERTION_FILES": "*/verif/tb/*.py",  # not numpy's
            "PYGPI_PYTHON_BIN": sys.executable,
            # A simulator out of the cache may have been linked in another environment, which is gone.
            "LD_LIBRARY_PATH": os.pathsep.join([str(libs_dir), *filter(None, [os.environ.get("LD_LIBRARY_PATH")])]),
            "GPI_USERS": f"{find_libpython.find_libpython()};{pygpi_entry_point()}",
            "PYTHONPATH": os.pathsep.join([str(REPO), *filter(None, sys.path)]),
            "VOLLEY_PARAMETERS": json.dumps(dict(parameters)),
        }
        | dict(extra_env or {})
    )
    command = [str(simulator), "+verilator+rand+reset+2", f"+verilator+seed+{seed}", *arguments]
    with (run / "sim.log").open("w") as stream:
        try:
            process.call(command, cwd=run, env=env, stdout=stream, stderr=subprocess.STDOUT, timeout_s=timeout_s)
        except subprocess.TimeoutExpired:
            return [f"no end after {timeout_s:g} s"]
    return _problems(run / "results.xml")


def run_sources(bench: str, extra_env: Mapping[str, str] | None = None) -> list[Path]:
    """The Python files that decide what a bench does: its own, and those under verif/ that it imports.

    A bench that its environment names is one of them.
    """
    found: dict[Path, None] = {}
    named = [f"tb_volley_{value}" for value in (extra_env or {}).values()]
    pending = [f"verif.tb.{name}" for name in (bench, *named) if (REPO / "verif" / "tb" / f"{name}.py").exists()]
    while pending:
        path = REPO.joinpath(*pending.pop().split(".")).with_suffix(".py")
        if path not in found:
            found[path] = None
            pending += re.findall(r"^(?:from|import) (verif\.\S+)", path.read_text(), re.MULTILINE)
    return [Path(__file__), *found]


def _seed() -> str:
    return os.environ.get("SEED") or "1"


def _only(dut: str) -> None:
    """Skip the calling test if DUT= names another core."""
    wanted = os.environ.get("DUT")
    if not wanted:
        return
    cores = [path.stem for path in rtl_sources()]
    wanted = f"volley_{wanted.removeprefix('volley_')}"
    if wanted not in cores:
        raise BenchError(f"DUT={wanted} is not in rtl/rtl.f; listed: {', '.join(cores)}")
    if wanted != dut:
        import pytest

        pytest.skip(f"DUT={wanted}")


def _edam(
    dut: str,
    files: Sequence[str],
    parameters: Mapping[str, int | str],
    defines: Mapping[str, int | str],
    options: Sequence[str],
) -> dict[str, object]:
    return {
        "name": dut,
        "toplevel": dut,
        "files": [{"name": path, "file_type": "systemVerilogSource"} for path in files],
        "parameters": {
            name: {"datatype": "int" if isinstance(value, int) else "str", "default": literal(value), "paramtype": kind}
            for kind, values in (("vlogparam", parameters), ("vlogdefine", defines))
            for name, value in values.items()
        },
        "flow_options": {
            "tool": "verilator",
            "mode": "cc",
            "cocotb_module": "set at run time",  # any name: makes edalize link cocotb's main and VPI library
            "verilator_options": list(options),
            "make_options": list(_MAKE_OPTIONS),
        },
    }


class _Literal(str):
    """Text that edalize passes on without quotes: it quotes exact `str` only."""


def literal(value: int | str) -> int | str:
    """Numbers beyond 32 bits need a sized literal."""
    if isinstance(value, int) and not -(1 << 31) <= value < 1 << 31:
        width = value.bit_length() + 1
        return _Literal(f"{width}'sh{value & ((1 << width) - 1):x}")
    return value


def _problems(results: Path) -> list[str]:
    if not results.exists():
        return ["simulation ended without results"]
    cases = list(ElementTree.parse(results).iter("testcase"))
    if not cases:
        return ["the bench has no test"]
    return [
        f"{case.get('name')}: {(bad.get('error_msg') or bad.get('message') or bad.tag).strip()}"
        for case in cases
        for bad in [*case.findall("failure"), *case.findall("error")]
    ]
