# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
from __future__ import annotations

from pathlib import Path

import pytest

import pyflow
from pyflow import zoo
from pyflow.build import Build
from pyflow.data import Dataset, load


@pytest.fixture(scope="session")
def digits_data() -> Dataset:
    return load("digits")


@pytest.fixture
def digits_build(tmp_path: Path) -> Build:
    """The shipped network, freshly compiled: tests may damage its files."""
    network = zoo.load("digits")
    return pyflow.compile(network, out_dir=tmp_path / "digits", cycles_per_frame=network.meta["cycles_per_frame"])
