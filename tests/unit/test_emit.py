# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The constants by which a host knows a design."""

from pathlib import Path

import pyflow
from pyflow import zoo
from pyflow.graph import Network
from tests.flow.designs import constant


def constants(network: Network, folder: Path, cycles: int) -> tuple[str, str]:
    build = pyflow.compile(network, board="pynq-z2", out_dir=folder, cycles_per_frame=cycles)
    return constant(build.rtl, "STRUCTURE_HASH"), constant(build.rtl, "WEIGHT_CHECKSUM")


def test_the_hash_is_of_the_structure_and_the_checksum_of_the_weights(tmp_path: Path) -> None:
    structure, weights = constants(zoo.load("digits"), tmp_path / "a", 256)
    assert constants(zoo.load("digits"), tmp_path / "again", 256) == (structure, weights)
    assert constants(zoo.load("digits"), tmp_path / "b", 1024)[0] != structure
    other = zoo.load("digits")
    weight = next(op.weight for op in other.operators if hasattr(op, "weight"))
    weight.flags.writeable = True
    weight.flat[0] = 1 if weight.flat[0] != 1 else 2
    changed = constants(other, tmp_path / "c", 256)
    assert changed[0] == structure
    assert changed[1] != weights
