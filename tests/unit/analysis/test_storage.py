# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Buffers: the front of size against period, and the smallest for a period."""

from __future__ import annotations

from fractions import Fraction

import pytest

from benchmarks.dataflow_graphs import PUBLISHED, chain, h263decoder, samplerate, times, two_buffers
from benchmarks.dataflow_random import open_graph, same_fronts
from pyflow.analysis.dataflow import Graph, execute, front, smallest, synchronous, timing
from pyflow.analysis.dataflow.liveness import stuck
from pyflow.analysis.dataflow.storage import Distribution
from pyflow.errors import VolleyError


def slower_by_any_token(graph: Graph, point: Distribution) -> bool:
    """Does every channel need its last token (or grain of tokens)?"""
    for channel in graph.buffers:
        fewer = {**point.capacities, channel.name: point.capacities[channel.name] - channel.grain}
        try:
            bounded = graph.bounded(fewer)
        except VolleyError:
            continue  # not even a firing has room
        if not stuck(bounded) and timing(bounded).period <= point.period:
            return False
    return True


def test_the_front_that_was_published() -> None:
    """Stuijk et al. 2006, figure of the first example."""
    found = front(two_buffers())
    assert found.pairs == ((6, 7), (8, 6), (9, 5), (10, 4))
    assert [tuple(point.capacities.values()) for point in found.points] == [(4, 2), (6, 2), (5, 3), (6, 3), (7, 3)]


def test_the_front_of_the_decoder() -> None:
    """Of 24 blocks; of 594 in `make bench-tiles`."""
    graph = h263decoder(24)
    found = front(graph)
    assert found.points[-1].period == timing(graph).period
    assert len(found.pairs) == 26
    assert all(slower_by_any_token(graph, point) for point in found.points[::5])


def test_fronts_are_those_of_brute_force() -> None:
    found = same_fronts(15)
    assert set(found) <= {"equal", "too large"}


@pytest.mark.long
def test_many_fronts_are_those_of_brute_force() -> None:
    assert set(same_fronts(600, first=1000)) <= {"equal", "too large"}


@pytest.mark.parametrize("seed", range(12))
def test_smallest_buffers_are_on_the_front(seed: int) -> None:
    graph = open_graph(seed)
    for size, period in front(graph).pairs:
        found = smallest(graph, period)
        assert (found.distribution.size, found.least) == (size, size)
        assert found.distribution.period <= period
        assert execute(graph.bounded(found.distribution.capacities)).period == found.distribution.period


def test_smallest_buffers_of_a_published_graph() -> None:
    found = smallest(samplerate())
    assert (found.distribution.size, found.least, found.distribution.period) == (34, 34, 960)
    weighted = smallest(samplerate(), weights={"d-e": 10})
    assert weighted.distribution.size == 34 + 9 * weighted.distribution.capacities["d-e"]


def test_a_search_that_is_cut_short_still_gives_buffers() -> None:
    graph = PUBLISHED["h263encoder"]().graph
    whole, short = smallest(graph), smallest(graph, tries=0)
    assert short.least <= whole.distribution.size <= short.distribution.size
    assert short.distribution.period == whole.distribution.period == timing(graph).period
    assert slower_by_any_token(graph, short.distribution)


def test_what_buffers_cannot_do_is_refused() -> None:
    with pytest.raises(VolleyError, match="a period of 3 is asked for; with unlimited buffers it is 4"):
        smallest(two_buffers(), Fraction(3))
    with pytest.raises(VolleyError, match="nothing limits its rate"):
        front(synchronous("free", times("ab"), chain("a 1 1 b")))
    with pytest.raises(VolleyError, match="a buffer of 1 tokens, which needs 3 at least"):
        two_buffers().bounded({"a-b": 1})
    with pytest.raises(VolleyError, match="there is no channel x"):
        two_buffers().bounded({"x": 1})
