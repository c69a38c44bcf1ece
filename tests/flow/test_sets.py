# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Parameter sets that share a simulator: each bench drives the instance of its own, and a core has few builds."""

from __future__ import annotations

import pytest

from verif.cases import Case, collect
from verif.harness import BenchError, many, run_bench, sets_with

MOST = 130  # builds of all benches of cores; 346 parameter sets in November 2026


def builds(cases: list[Case]) -> set[str]:
    """What of a core is built, by name."""
    found = set()
    for case in cases:
        given = (case.dut, case.bench, case.parameters, case.defines, case.source_paths)
        together = [] if case.files or case.top else sets_with(*given)
        found.add(str((case.defines, case.sources, together)) if together else str((case, case.sources)))
    return found


def test_the_regression_builds_few_simulators() -> None:
    by_core = {core: builds(cases) for core, cases in collect().items()}
    assert sum(map(len, by_core.values())) <= MOST, sorted((len(found), core) for core, found in by_core.items())[-10:]
    assert len(by_core["volley_fifo"]) == 1


def test_an_instance_has_its_own_parameters() -> None:
    """A bench that is told of other parameters than its instance has fails."""
    sets = [case.parameters for case in collect()["volley_fifo"]]
    assert sets_with("volley_fifo", "tb_volley_fifo", sets[1], {}) == sets
    wrong = {**sets[0], "DATA_W": int(sets[0]["DATA_W"]) + 3}
    with pytest.raises(BenchError):
        run_bench("volley_fifo", "tb_volley_fifo", wrong, sources=[*many("volley_fifo", sets)], top="many")


def test_other_parameters_have_a_simulator_of_their_own() -> None:
    assert sets_with("volley_fifo", "tb_volley_fifo", {"DATA_W": 7, "DEPTH": 1234}, {}) == []
    assert sets_with("volley_fifo", "capture", {"DATA_W": 8, "DEPTH": 5}, {}) == []
