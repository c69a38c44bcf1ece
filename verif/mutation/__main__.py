# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""How many mutants of each core does its own bench notice? `make mutate`, or `python -m verif.mutation`.

The mutants of a core are shared out among the parameter sets that the regression runs it with, and the same
bench with the same seed judges them. One that survives and provably equals the core does not count.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from tabulate import tabulate

from pyflow.sources import rtl_sources
from verif.cases import Case, collect
from verif.harness import sources_of
from verif.mutation.judge import EQUAL, KILLED, SURVIVED, Verdict, judge

GOAL = 0.95  # of the mutants that differ from the core


def owned_by(core: str, cases: Sequence[Case], tested: set[str]) -> set[str]:
    """Modules whose logic counts as the core's: itself, and parts that have no bench and are in none that has."""
    parts: set[Path] = set()
    for case in cases:
        listed = rtl_sources() if case.source_paths is None else case.source_paths
        parts |= set(sources_of(core, [path for path in listed if path.stem == core or path.stem not in tested]))
    return {path.stem for path in parts & set(rtl_sources())}


def portable(case: Case) -> bool:
    """Whether it runs on rtl.f's own files, and not on a family's twin of the core or of its parts."""
    return not any("tech" in path.parts for path in case.source_paths or ())


def shared_out(
    count: int, sets: dict[str, list[Case]], judged: Callable[[list[Case], int], list[Verdict]]
) -> dict[str, list[Verdict]]:
    """`count` verdicts in equal shares over the parameter sets; where one has too few mutants, the others have more."""
    shares = {name: math.ceil(count / len(sets)) for name in sets}
    found = {name: judged(benches, shares[name]) for name, benches in sets.items()}
    while (missing := count - sum(map(len, found.values()))) > 0:
        rich = [name for name in sets if len(found[name]) == shares[name]]
        if not rich:
            break  # those are all there are
        for name in rich:
            shares[name] += math.ceil(missing / len(rich))
            found[name] = judged(sets[name], shares[name])
    return found


def score(found: Sequence[Verdict]) -> float:
    """Share of killed mutants among those that differ from the core."""
    count = Counter(v.outcome for v in found)
    return count[KILLED] / max(1, count[KILLED] + count[SURVIVED])


def table(verdicts: dict[str, list[Verdict]]) -> str:
    """One row a core and the total."""
    rows = []
    for name, found in {**verdicts, "total": [v for every in verdicts.values() for v in every]}.items():
        count = Counter(v.outcome for v in found)
        counts = [len(found), count[KILLED], count[EQUAL], count[SURVIVED]]
        rows.append([name, *(f"{n:,}" for n in counts), f"{100 * score(found):.1f} %"])
    headers = ["core", "mutants", "killed", "equal", "survived", "score"]
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True, colalign=("left", *["right"] * 5))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make mutate", description=__doc__.splitlines()[0])
    parser.add_argument("--dut", help="one core only, with or without volley_")
    parser.add_argument("--mutants", type=int, default=100, help="per core, shared out among its parameter sets")
    parser.add_argument("--seed", type=int, default=1, help="chooses the mutants; the benches keep theirs")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args(arguments)

    cases = {core: own for core, every in collect().items() if (own := [case for case in every if portable(case)])}
    wanted = [path.stem for path in rtl_sources()]
    if options.dut:
        wanted = [f"volley_{options.dut.removeprefix('volley_')}"]
        if wanted[0] not in cases:
            parser.error(f"{wanted[0]} has no bench in tests/rtl; these have: {', '.join(cases)}")
    verdicts: dict[str, list[Verdict]] = {}
    for core in (core for core in wanted if core in cases):
        sets: dict[str, list[Case]] = {}
        for case in cases[core]:  # mutants have no assertions, so SYNTHESIS makes no difference
            plain = replace(case, defines={k: v for k, v in case.defines.items() if k != "SYNTHESIS"})
            sets.setdefault(str(plain), []).append(plain)
        owned = owned_by(core, cases[core], set(cases))
        found = shared_out(options.mutants, sets, partial(judge, seed=options.seed, jobs=options.jobs, owned=owned))
        verdicts[core] = [v for every in found.values() for v in every]
        for name, every in found.items():
            for v in every:
                if v.outcome == SURVIVED:
                    print(f"{name}: survived {v.mutant.where}, {v.detail}", flush=True)
    print(f"\n{table(verdicts)}")
    if without := [core for core in wanted if core not in cases]:
        print(f"\nNo bench of their own, mutated inside their users: {', '.join(without)}")
    low = [core for core, found in verdicts.items() if score(found) < GOAL]
    if low:
        print(f"\nbelow {100 * GOAL:g} %: {', '.join(low)}", file=sys.stderr)
    return int(bool(low))


if __name__ == "__main__":
    sys.exit(main())
