# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""A machine is a protocol: a second one passes compile, report, host files and simulation; passes can be looked at."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import pyflow
from pyflow import zoo
from pyflow.__main__ import main
from pyflow.machine import Machine, Plan, Simulator
from pyflow.machines.stream import STREAM, RtlSimulator, StreamPlan
from pyflow.planning.board import load_board
from pyflow.report import blank, read_report, update_report
from pyflow.report.text import layer_table
from pyflow.runtime.files import Files
from tests.e2e.reference_machine import CYCLES, ReferenceMachine


def test_a_second_machine_needs_no_if(tmp_path: Path) -> None:
    network, x = zoo.load("digits"), np.random.default_rng(0).random((5, 1, 8, 8))
    build = pyflow.compile(network, out_dir=tmp_path / "out", machine=ReferenceMachine())
    again = pyflow.compile(network, out_dir=tmp_path / "out", machine=ReferenceMachine())  # replaces its own files
    result = again.simulate(x)
    np.testing.assert_array_equal(result.logits, network.run(x))
    assert result.cycles_per_frame == result.latency_cycles == build.plan.cycles_per_frame == CYCLES
    assert again.first_mismatch(x, result) is None
    files = Files.load(build.folder)
    assert (files.structure, files.checksum) == (build.emitted.structure, build.emitted.checksum)
    report = update_report(blank(again, load_board("pynq-z2")), build.folder / "report.json")
    assert read_report(build.folder / "report.json") == report
    assert report.area.lut[0] == 0
    assert "fc_readout" in layer_table(report.layers)


def test_files_of_another_machine_are_not_replaced(tmp_path: Path) -> None:
    network = zoo.load("digits")
    pyflow.compile(network, out_dir=tmp_path / "out", machine=ReferenceMachine())
    with pytest.raises(pyflow.VolleyError, match=r"program\.vly"):
        pyflow.compile(network, out_dir=tmp_path / "out")


def test_both_keep_to_the_protocols() -> None:
    """mypy compares; this names what it compares."""
    machines: list[Machine] = [STREAM, ReferenceMachine()]
    plan: type[Plan] = StreamPlan
    simulator: type[Simulator] = RtlSimulator
    assert [machine.name for machine in machines] == ["stream", "reference"]
    assert plan.__name__ == "StreamPlan"
    assert simulator.__name__ == "RtlSimulator"


def test_each_pass_can_be_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["compile", "--net", "digits", "--cycles", "300", "--out", str(tmp_path / "out")]
    shows = {
        "bound": ("conv2", "weights", "4,608"),
        "fold": ("300 cycles per frame", "conv1", "pe=8"),
        "lower": ("u_conv2_array", "volley_synapse_array", "PE="),
        "size": ("u_conv2_array", "volley_synapse_array", "PE="),
    }
    for name, words in shows.items():
        assert main([*common, "--stop-after", name, "--json", str(tmp_path / "found.json")]) == 0
        said = capsys.readouterr().out
        assert all(word in said for word in words), said
        assert json.loads((tmp_path / "found.json").read_text())["after"] == name
    assert not (tmp_path / "out").exists()
    assert main([*common, "--stop-after", "nope"]) == 2
    assert "'nope' is no pass; passes: bound, fold, lower, size" in capsys.readouterr().err
