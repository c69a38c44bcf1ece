# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""rtl/tech: a family's files replace their namesakes, port by port, and no module is there twice."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from pyflow.sources import blackboxes, needed_by, rtl_folder, rtl_sources
from verif.pages.sizes import row_of
from verif.pages.sv import elaborate, read

FAMILIES = sorted(path.stem for path in rtl_folder().glob("tech/*/*.f"))
PORTABLE = {path.stem: path for path in rtl_sources()}


def _modules(path: Path) -> list[str]:
    return re.findall(r"^\s*(?:module|package) (\w+)", path.read_text(), re.MULTILINE)


def test_there_are_families() -> None:
    assert {"xc7", "xcup"} <= set(FAMILIES)
    assert rtl_sources("ice40") == rtl_sources()


@pytest.mark.parametrize("family", FAMILIES)
def test_no_module_is_defined_twice(family: str) -> None:
    found = Counter(name for path in (*blackboxes(family), *rtl_sources(family)) for name in _modules(path))
    assert [name for name, count in found.items() if count > 1] == []
    assert all(path.stem == name for path in rtl_sources(family) for name in _modules(path)), "file = module"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_replacement_has_the_ports_and_parameters_of_its_twin(family: str) -> None:
    twins = [path for path in rtl_sources(family) if path.stem in PORTABLE and path != PORTABLE[path.stem]]
    assert twins
    for path in twins:
        own, portable = read(path), read(PORTABLE[path.stem])
        assert [(p.name, p.direction) for p in own.ports] == [(p.name, p.direction) for p in portable.ports], path
        assert [(p.name, p.type, p.default) for p in own.settable] == [
            (p.name, p.type, p.default) for p in portable.settable], path  # fmt: skip
        sources = [*blackboxes(family), *needed_by(path.stem, rtl_sources(family))]
        for size in ({}, *row_of(path.stem).sizes):
            widths, errors = elaborate(sources, path.stem, size)
            assert not errors, errors
            assert widths == elaborate(needed_by(path.stem, rtl_sources()), path.stem, size)[0], (path, size)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("body", range(4))
def test_an_array_of_every_body_elaborates(family: str, body: int) -> None:
    sources = [*blackboxes(family), *needed_by("volley_synapse_array", rtl_sources(family))]
    parameters = {"BODY": body, "PE": 5, "SIMD": 17, "T": 4, "WEIGHT_W": 4, "ACC_W": 20}
    widths, errors = elaborate(sources, "volley_synapse_array", parameters)
    assert not errors
    assert widths["m_acc_tdata"] == 100
