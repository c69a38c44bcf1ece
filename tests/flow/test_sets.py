# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Parameter sets that share a simulator: each bench drives the instance of its own, and a core has few builds."""

from __future__ import annotations

from pathlib import Path

from verif.cases import Case, collect
from verif.harness import CORE, INSTANCE, MANY, Set, build, images, many, sets_with, simulate

MOST = 110  # builds of all benches of cores; 348 parameter sets in December 2026


def builds(cases: list[Case]) -> set[str]:
    """What of a core is built, by name."""
    found = set()
    for case in cases:
        given = (case.dut, case.bench, case.parameters, case.defines, case.files, case.source_paths)
        together = [] if case.top else sets_with(*given)
        found.add(str((case.defines, case.sources, together)) if together else str((case, case.sources)))
    return found


def test_the_regression_builds_few_simulators() -> None:
    by_core = {core: builds(cases) for core, cases in collect().items()}
    assert sum(map(len, by_core.values())) <= MOST, sorted((len(found), core) for core, found in by_core.items())[-10:]
    assert len(by_core["volley_fifo"]) == 1


def problems(case: Case, sets: list[Set], told: Set, run: Path) -> list[str]:
    """Of the bench of `case` with the first of `sets`, which is told that it is `told`."""
    simulator = build(MANY, {}, {}, many(case.dut, sets))
    env = {INSTANCE: "s0", CORE: case.dut}
    run.mkdir()
    return simulate(simulator, run, MANY, case.bench, told.parameters, env, images(sets) | told.files)


def test_an_instance_has_its_own_parameters(tmp_path: Path) -> None:
    """A bench that is told of other parameters than its instance has fails."""
    case = collect()["volley_fifo"][0]
    sets = [Set(case.parameters) for case in collect()["volley_fifo"]]
    assert sets_with("volley_fifo", "tb_volley_fifo", sets[1].parameters, {}) == sets
    assert problems(case, sets, sets[0], tmp_path / "right") == []
    wrong = {**sets[0].parameters, "DATA_W": int(sets[0].parameters["DATA_W"]) + 3}
    assert problems(case, sets, Set(wrong), tmp_path / "wrong")


def test_an_instance_has_its_own_images() -> None:
    """Two sets whose files have the same name."""
    sets = [Set({"WIDTH": 3, "INIT_FILE": "w.mem"}, {"w.mem": text}) for text in ("1\n", "2\n")]
    assert images(sets) == {"s0_w.mem": "1\n", "s1_w.mem": "2\n"}
    assert [each.of_instance(n).parameters["INIT_FILE"] for n, each in enumerate(sets)] == ["s0_w.mem", "s1_w.mem"]
    case = collect()["volley_weight_source"][1]
    others = sets_with(case.dut, case.bench, case.parameters, case.defines, case.files)
    assert len({str(each.files) for each in others}) > 1


def test_a_bench_that_is_told_of_another_image_fails(tmp_path: Path) -> None:
    case = collect()["volley_rom"][0]
    sets = [Set(case.parameters, case.files)]
    assert problems(case, sets, sets[0].of_instance(0), tmp_path / "right") == []
    first, *rest = case.files["rom.mem"].split("\n")
    wrong = "\n".join([f"{int(first, 16) ^ 1:0{len(first)}x}", *rest])
    told = Set({**case.parameters, "INIT_FILE": "told.mem"}, {"told.mem": wrong})
    assert problems(case, sets, told, tmp_path / "wrong")


def test_other_parameters_have_a_simulator_of_their_own() -> None:
    assert sets_with("volley_fifo", "tb_volley_fifo", {"DATA_W": 7, "DEPTH": 1234}, {}) == []
    assert sets_with("volley_fifo", "capture", {"DATA_W": 8, "DEPTH": 5}, {}) == []
