# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Is a mutant the core itself, seen through its streams? yosys builds a miter, ABC's PDR decides it.

Both copies start with zeros, a cycle of reset comes first, and then `rst` is as free as every other input.
The proof is unbounded. It knows the contract of docs/streams.md and no more: an offered beat holds until it
is taken, and what a core asserts in simulation about its inputs is assumed. Only what the contract lets one
see is compared: tvalid, a payload while tvalid, tready while something is offered, and all other outputs.
"""

from __future__ import annotations

import re
from pathlib import Path

from verif.cases import Case
from verif.mutation.netlist import Mutant, Port, elaborate, ports, yosys

TIMEOUT_S = 30
EQUAL, DIFFERENT, UNDECIDED = "equal", "different", "undecided"


def compare(case: Case, mutant: Mutant, work: Path) -> tuple[str, int | None]:
    """(EQUAL, None), (DIFFERENT, cycles of the shortest difference found) or (UNDECIDED, None)."""
    gate = re.sub(rf"-module \\?{case.module}\b", "-module gate", mutant.command)
    yosys("\n".join([*elaborate(case, work, {"SYNTHESIS": "1"}), f"rename {case.module} gate", gate,
                     "write_rtlil gate.il", "write_json gate.json"]), work)  # fmt: skip
    (work / "miter.v").write_text(_miter(ports(work / "gate.json", "gate")))
    yosys("\n".join([
        *elaborate(case, work),
        f"rename {case.module} gold", "chformal -assert2assume", "read_rtlil gate.il", "read_verilog -formal miter.v",
        "hierarchy -top miter", "proc", "flatten", "memory_map", "async2sync", "chformal -lower", "delete t:$print",
        "opt -full", "techmap", "opt -fast", "dffunmap", "setundef -undriven -zero", "setundef -zero", "aigmap",
        "clean", "delete t:$scopeinfo", "zinit -all", "write_aiger miter.aig",
    ]), work)  # fmt: skip
    # ABC reads and writes its own files; what it gives back to yosys is of no use, hence the error.
    (work / "dummy.v").write_text("module dummy(input a, b, output y); assign y = a & b; endmodule\n")
    script = f"read_aiger,miter.aig;fold;strash;scorr;write_aiger,reduced.aig;pdr,-T,{TIMEOUT_S};write_status,status"
    try:
        yosys(f"read_verilog dummy.v\ntechmap\nabc -g AND -script +{script}", work)
    except RuntimeError:
        if not (work / "status").exists():
            raise
    verdict = (work / "status").read_text().split()
    # Where signal correspondence alone proved it, PDR finds an output of constant 0 and has no opinion.
    header, output = (work / "reduced.aig").read_bytes().split(b"\n")[:2]
    if verdict[0] == "snl_UNSAT" or (header.split()[3] == b"0" and output == b"0"):
        return EQUAL, None
    if verdict[0] == "snl_SAT":  # frames searched, a word, output and frame of the counterexample
        return DIFFERENT, int(verdict[4]) + 1
    return UNDECIDED, None


def _miter(found: list[Port]) -> str:
    """The mutant beside the core, with what is assumed and what is compared."""
    inputs, outputs = ([p for p in found if p.is_input == side] for side in (True, False))
    names = {p.name for p in found}
    reset = "rst" if "rst" in names else "!aresetn" if "aresetn" in names else "1'b0"
    payload = re.compile(r"(\w+)_t(data|last|keep|id|ready)")
    assumed, compared, held, state = [], [], [], []
    for p in inputs:
        if p.name.startswith("s_") and p.name.endswith("_tvalid"):
            stream = p.name.removesuffix("_tvalid")
            parts = [f"{stream}_t{part}" for part in ("data", "keep", "last") if f"{stream}_t{part}" in names]
            width = sum(q.width for q in inputs if q.name in parts)
            state.append(f"reg {stream}_held = 0; reg [{width - 1}:0] {stream}_was = 0;")
            held.append(
                f"{stream}_held <= !({reset}) && {p.name} && !gold_{stream}_tready; "
                f"{stream}_was <= {{{', '.join(parts)}}};"
            )
            assumed.append(f"({reset}) || !{stream}_held || ({p.name} && {stream}_was == {{{', '.join(parts)}}})")
    for p in outputs:
        seen = "1'b1"
        if match := payload.fullmatch(p.name):
            valid = f"{match[1]}_tvalid"
            seen = valid if match[2] == "ready" else f"gold_{valid}"
        compared.append(f"(!({seen}) || gold_{p.name} == gate_{p.name})")
    declared = ", ".join(f"input [{p.width - 1}:0] {p.name}" for p in inputs)
    wires = "\n".join(f"wire [{p.width - 1}:0] {c}_{p.name};" for c in ("gold", "gate") for p in outputs)
    copies = "\n".join(
        f"{c} u_{c}(" + ", ".join(f".{p.name}({p.name if p.is_input else f'{c}_{p.name}'})" for p in found) + ");"
        for c in ("gold", "gate")
    )
    return f"""module miter({declared});
{wires}
{copies}
reg started = 0;
{" ".join(state)}
always @(posedge clk) begin
started <= 1;
{" ".join(held)}
end
always @* begin
if (!started) assume({reset if reset != "1'b0" else "1'b1"});
{" ".join(f"assume({a});" for a in assumed)}
if (!({reset})) assert({" && ".join(compared)});
end
endmodule
"""
