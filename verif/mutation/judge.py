# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Runs a core's own bench on mutants of it: killed, survived, or provably no different."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from pyflow.backends.cache import cached
from pyflow.backends.toolbox import digest
from pyflow.bars import bar
from verif.cases import Case
from verif.harness import build, run_sources, simulate, sources_of
from verif.mutation import equivalence, netlist
from verif.mutation.netlist import Mutant

KILLED, EQUAL, SURVIVED = "killed", "equal", "survived"
DECIDERS = [Path(__file__).with_name(f"{name}.py") for name in ("judge", "netlist", "equivalence")]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a mutant. detail: the first complaint of the bench, or how it differs."""

    mutant: Mutant
    outcome: str
    detail: str = ""


def judge(cases: Sequence[Case], count: int, seed: int, jobs: int, owned: set[str]) -> list[Verdict]:
    """Verdicts on `count` mutants of one parameter set; cached by everything that decides them.

    cases: the benches that run at these parameters, usually one.
    """
    core = cases[0]
    python = {path for case in cases for path in run_sources(case.bench, case.extra_env)}
    files = [*python, *sources_of(core.module, core.source_paths), *DECIDERS]
    key = digest([asdict(case) for case in cases], count, sorted(owned), seed, *sorted(files))

    def make(work: Path) -> Path:
        chosen = netlist.mutants(core, count, seed, owned, work)
        verdicts = run_mutants(cases, chosen, jobs, work) if chosen else []
        (work / "verdicts.json").write_text(json.dumps([asdict(v) for v in verdicts]))
        return work / "verdicts.json"

    stored = json.loads(cached("mutation", f"{core.dut}-{key}.json", make).read_text())
    return [Verdict(Mutant(**v["mutant"]), v["outcome"], v["detail"]) for v in stored]


def run_mutants(cases: Sequence[Case], chosen: Sequence[Mutant], jobs: int, work: Path) -> list[Verdict]:
    """Verdicts on `chosen`, in order; they are numbered from 1."""
    core = cases[0]
    simulator = build(core.module, {}, sources=[netlist.write(core, chosen, work)])

    def run(number: int, timeout_s: float) -> list[str]:
        for case in cases:
            folder = Path(tempfile.mkdtemp(prefix=f"run-{number}-", dir=work))
            # One failed test is enough.
            problems = simulate(simulator, folder, case.module, case.bench, case.parameters,
                                case.extra_env | {"COCOTB_MAX_FAILURES": "1"}, case.files,
                                arguments=[f"+mutant={number}"], timeout_s=timeout_s)  # fmt: skip
            shutil.rmtree(folder)
            if problems:
                return problems
        return []

    began = time.monotonic()
    if problems := run(0, timeout_s=600):
        raise RuntimeError(f"{core}: the netlist without a mutant fails: {'; '.join(problems)}")
    patience_s = 60 + 10 * (time.monotonic() - began)  # a mutant that takes longer hangs

    def verdict(mutant: Mutant) -> Verdict:
        if problems := run(mutant.number, patience_s):
            return Verdict(mutant, KILLED, problems[0][:200])
        folder = Path(tempfile.mkdtemp(prefix=f"miter-{mutant.number}-", dir=work))
        answer, cycles = equivalence.compare(core, mutant, folder)
        if answer == equivalence.EQUAL:
            return Verdict(mutant, EQUAL)
        return Verdict(mutant, SURVIVED, f"differs in cycle {cycles}" if cycles else "neither proved nor refuted")

    with ThreadPoolExecutor(jobs) as pool:
        return list(bar(str(core), "mutant", len(chosen), over=pool.map(verdict, chosen)))
