# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The records of a report: nothing that a plan decides is missing, and the documents name what is in it."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import pyflow
from pyflow import zoo
from pyflow.__main__ import main
from pyflow.errors import VolleyError
from pyflow.planning.board import load_board
from pyflow.planning.folding import Folding
from pyflow.report import blank, parsed
from pyflow.report.record import Area, Layer, LayerFolding, Report, schema
from pyflow.report.text import summary

REPO = Path(__file__).resolve().parents[2]


def report(**changes: Any) -> dict[str, Any]:
    area = Area(lut=[1, 2], ff=[1, 2], bram=[0.5, 2], dsp=[0, 2])
    blank = Report(
        network="n", board="b", saturations={}, stalls={}, predicted_cycles_per_frame=10.0,
        predicted_latency_cycles=20, clock_mhz=100.0, clock="assumed", frames_per_s=1e7, layers=[], area=area,
    )  # fmt: skip
    return blank.to_json() | changes


def test_a_folding_of_a_report_has_all_that_a_folding_has() -> None:
    own = {field.name for field in fields(Folding)}
    assert set(LayerFolding.__struct_fields__) == own | {"simd", "folds"}


def test_a_report_is_read_back_as_it_was_written() -> None:
    found = parsed(json.loads(json.dumps(report())))
    assert found.to_json() == report()
    assert "placed" not in found.to_json()
    assert found.area.lut == [1, 2]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, r"\$\.version"),
        ({"clock": "guessed"}, r"guessed"),
        ({"odd": 1}, "odd"),
        ({"area": {"lut": [1, 2]}}, r"\$\.area"),
        ({"accuracy_snn": 1.5}, r"<= 1.*\$\.accuracy_snn"),
        ({"clock_mhz": 0}, r"> 0.*\$\.clock_mhz"),
        ({"saturations": {"a": -1}}, r"\$\.saturations"),
        ({"layers": [{}]}, r"\$\.layers\[0\]"),
    ],
)
def test_what_is_no_report_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(VolleyError, match=message):
        parsed(report(**changes))


def test_the_schema_is_that_of_the_records(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--schema"]) == 0
    assert json.loads(capsys.readouterr().out) == schema()
    assert set(schema()["$defs"]["Report"]["properties"]) == set(Report.__struct_fields__)


def test_a_report_names_what_limits_the_frame_rate(tmp_path: Path) -> None:
    build = pyflow.compile(zoo.load("digits"), "pynq-z2", tmp_path / "out")
    found = blank(build, load_board("pynq-z2"))
    assert found.limit is not None
    assert found.limit.cycles_per_frame == found.predicted_cycles_per_frame
    assert [core.core for core in found.limit.cycle] == ["u_conv1_window"]
    assert f"what limits it      {found.limit.change}" in summary(found)


def test_every_key_is_documented() -> None:
    text = (REPO / "docs" / "formats.md").read_text(encoding="utf-8").partition("## Report")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(\w+)(?:\[\])?`", text))
    for record in (Report, Layer):
        missing = set(record.__struct_fields__) - named
        assert not missing, f"docs/formats.md does not name {sorted(missing)} of {record.__name__}"
