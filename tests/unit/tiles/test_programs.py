# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The programs of `make bench-tiles` have the sizes that are known, and its rows say what misses a goal."""

from __future__ import annotations

import pytest

from benchmarks import tile_mapping, tile_programs
from benchmarks.goals import MET, MISSED
from pyflow.machines.tiles import Tile, cluster, packed, song


@pytest.mark.parametrize(
    ("build", "neurons", "synapses"),
    [
        (tile_programs.mlp, 110, 784 * 100 + 100 * 10),
        (tile_programs.lenet5, 8094, 422_824),  # as counted by the authors' own tool
        (tile_programs.img_smooth, 1024, 77_460),
        (tile_programs.edge_det, 3072, 31_625),
        (tile_programs.competition, 800, 784 * 400 + 400 + 400 * 399),
    ],
)
def test_sizes(build, neurons, synapses):
    net = build()
    assert (net.neurons, net.synapses) == (neurons, synapses)


def test_look_alikes_are_called_so_and_large_ones_have_their_size():
    called = {program.name for program in tile_programs.PROGRAMS if not program.real}
    assert called == {"HeartEstm", "HeartClass", "VisualPursuit", "DigitRecogSTDP"}
    sizes = {program.name: program.synapses for program in tile_programs.PROGRAMS if program.build is None}
    assert sizes == {"AlexNet": 1_135_256_096, "VGG16": 15_470_264_320}


@pytest.mark.slow
def test_lenet5_in_two_seconds():
    """The counts of docs/tiles.md; legality is checked in each call."""
    net = tile_programs.lenet5()
    clustering = cluster(net, Tile())
    assert (len(clustering), clustering.copies) == (86, 16_264)
    assert len(packed(cluster(net, Tile(), "tiles"))) == 52


@pytest.mark.slow
def test_the_baseline_lets_clusters_wait_for_each_other():
    clustering = song(tile_programs.lenet5())
    assert len(clustering) == 641
    assert "clusters wait for each other within a time step" in next(clustering.problems())


@pytest.mark.parametrize(("most", "found"), [(10**6, MET), (10, MISSED)])
def test_copies_against_their_goal(most, found, monkeypatch):
    monkeypatch.setattr(tile_mapping, "lenet5", tile_programs.mlp)
    monkeypatch.setattr(tile_mapping, "COPIES", ((0, most, 1e6),))
    assert [row[-1] for row in tile_mapping.copies()] == [found]
