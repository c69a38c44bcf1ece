# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""`make mutate` on the smallest core: mutants come from a seed, the bench judges, a proof excuses survivors."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from pyflow.sources import rtl_sources
from verif.cases import Case, collect
from verif.mutation import equivalence, netlist
from verif.mutation.__main__ import score, shared_out, table
from verif.mutation.judge import EQUAL, KILLED, SURVIVED, Verdict, run_mutants
from verif.mutation.netlist import Mutant

SKID = Case("volley_skid", "tb_volley_skid", {"DATA_W": 2})
OWNED = {"volley_skid"}
(SOURCE,) = (path for path in rtl_sources() if path.stem == "volley_skid")


@pytest.fixture
def candidates(tmp_path: Path) -> list[Mutant]:
    """Every mutant of the core."""
    return netlist.mutants(SKID, 10_000, 1, OWNED, tmp_path)


def _find(candidates: list[Mutant], pattern: str) -> Mutant:
    return next(mutant for mutant in candidates if re.search(pattern, mutant.where))


def test_the_runs_of_a_core_are_those_of_its_tests() -> None:
    found = collect()
    assert [case.parameters for case in found["volley_skid"]] == [{"DATA_W": 1}, {"DATA_W": 33}]
    # A test that waits for an error is no run: DEPTH = 1 is illegal.
    assert all(int(case.parameters["DEPTH"]) > 1 for case in found["volley_fifo"])


def test_mutants_repeat_with_the_seed_and_take_turns_over_the_lines(tmp_path: Path, candidates: list[Mutant]) -> None:
    first, again, other = (netlist.mutants(SKID, 12, seed, OWNED, tmp_path) for seed in (1, 1, 2))
    assert first == again != other
    lines = {mutant.line for mutant in candidates}
    assert len({mutant.line for mutant in first}) == min(12, len(lines))
    assert len(set(candidates)) == len(candidates) > 100
    assert not any(".CLK[" in mutant.where for mutant in candidates)


def test_the_bench_kills_one_and_a_proof_excuses_another(tmp_path: Path, candidates: list[Mutant]) -> None:
    (reset,) = (n for n, line in enumerate(SOURCE.read_text().splitlines(), 1) if "if (rst)" in line)
    planted = [
        _find(candidates, r"const1 at \$driver\$m_axis_tlast\.Q"),
        # What reset loads is 0 already: stuck at 0 is the same core.
        _find(candidates, rf"sv:{reset}: const0 at \$procmux\$\d+\.B"),
    ]
    planted = [replace(mutant, number=n) for n, mutant in enumerate(planted, 1)]
    assert [v.outcome for v in run_mutants([SKID], planted, 1, tmp_path)] == [KILLED, EQUAL]


def test_a_mutant_that_loses_a_beat_is_no_equal(tmp_path: Path, candidates: list[Mutant]) -> None:
    """Reset, a beat, a second one while the output stalls: then tready should be low."""
    answer, cycles = equivalence.compare(SKID, _find(candidates, r"const0 at \$driver\$skid_valid_q\.Q"), tmp_path)
    assert (answer, cycles) == (equivalence.DIFFERENT, 4)


def test_score_leaves_equal_mutants_out() -> None:
    outcomes = [KILLED, KILLED, KILLED, EQUAL, SURVIVED]
    verdicts = [Verdict(Mutant(n, "", ""), outcome) for n, outcome in enumerate(outcomes, 1)]
    assert score(verdicts) == 0.75
    row = table({"volley_x": verdicts}).splitlines()[2]
    assert [cell.strip() for cell in row.strip("|").split("|")] == ["volley_x", "5", "3", "1", "1", "75.0 %"]


def test_sets_with_many_mutants_stand_in_for_those_with_few() -> None:
    supply = {"few": 3, "many": 500, "some": 40}
    sets = {name: [replace(SKID, bench=name)] for name in supply}

    def judged(benches: list[Case], share: int) -> list[Verdict]:
        return [Verdict(Mutant(n, "", ""), KILLED) for n in range(min(share, supply[benches[0].bench]))]

    found = {name: len(every) for name, every in shared_out(100, sets, judged).items()}
    assert found["few"] == 3
    assert found["some"] == 40
    assert 100 <= sum(found.values()) <= 120
    assert sum(map(len, shared_out(1000, sets, judged).values())) == sum(supply.values())  # no more to be had
