# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Dataflow analysis: rates, deadlocks, periods and their certificates, latency, static orders."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from benchmarks.dataflow_graphs import PUBLISHED, chain, h263decoder, modem, times, two_buffers
from benchmarks.dataflow_random import agreements, strong
from pyflow.analysis.dataflow import (
    Actor,
    Channel,
    Edges,
    Executor,
    Expansion,
    Graph,
    execute,
    largest_ratio,
    latency,
    matrix,
    stuck,
    synchronous,
    timing,
)
from pyflow.analysis.dataflow.cycles import SAFE
from pyflow.analysis.dataflow.maxplus import LEAST
from pyflow.errors import VolleyError


# ------------------------------------------------------------------ published graphs
@pytest.mark.parametrize("name", PUBLISHED)
def test_period_of_a_published_graph(name: str) -> None:
    published = PUBLISHED[name]()
    found = timing(published.graph)
    assert sum(published.graph.repetition) == published.firings
    assert found.period == matrix(published.graph).cycles().ratio
    if published.period is not None:
        assert found.period == published.period


def test_the_critical_cycle_is_named() -> None:
    found = timing(h263decoder())
    assert list(map(str, found.critical)) == ["iq-iq → iq (594 times)"]
    bounded = timing(h263decoder().bounded({"vld-iq": 594, "iq-idct": 1, "idct-mc": 594}))
    assert {"places of iq-idct", "iq-idct"} <= {step.channel for step in bounded.critical}
    assert sum(step.delay for step in bounded.critical) == 1


def test_each_part_has_its_own_period() -> None:
    graph = synchronous(
        "two", {"fast": 2, "slow": 7, "behind": 1}, chain("slow 1 1 behind"), ("fast", "slow", "behind")
    )
    assert timing(graph).periods == {"fast": 2, "slow": 7, "behind": 7}


def test_nothing_limits_a_graph_without_a_cycle() -> None:
    found = timing(synchronous("free", {"a": 3, "b": 4}, chain("a 2 1 b")))
    assert (found.period, found.throughput, found.critical) == (0, None, ())


# ------------------------------------------------------------------ rates, deadlock
@pytest.mark.parametrize(
    ("graph", "says"),
    [
        (lambda: synchronous("g", times("ab"), [*chain("a 1 2 b"), *chain("b 1 1 a")]), "inconsistent rates"),
        (lambda: synchronous("g", times("ab"), chain("a 0 1 b")), "production rate 0"),
        (lambda: synchronous("g", times("ab"), chain("a 1 -2 b")), "consumption rate -2"),
        (lambda: synchronous("g", {"a": -1}, []), "execution time -1"),
        (lambda: synchronous("g", times("ab"), chain("a 1 1 c")), "there is no actor c"),
        (lambda: Graph("g", (Actor("a", (1, 1)),), (Channel("c", "a", "a", (1,), (1, 1)),)), "in 1 phases, and has 2"),
        (lambda: Graph("g", (Actor("a"), Actor("a"))), "actor a is there twice"),
        (lambda: Graph("g", ()), "no actor"),
        (lambda: synchronous("g", times("abc"), chain("a 999983 1 b 1 1000003 c")), "firings of them"),
        (lambda: synchronous("g", {"a": 10**9, "b": 1}, chain("a 1 100000 b")), None),
    ],
)
def test_a_graph_is_refused_in_one_line(graph: object, says: str | None) -> None:
    if says is None:
        timing(graph())  # type: ignore[operator]
        return
    with pytest.raises(VolleyError) as e:
        timing(graph())  # type: ignore[operator]
    message = str(e.value)
    assert says.replace("firings of them", "firings") in message
    assert "\n" not in message


def test_a_deadlock_is_named_by_its_circle() -> None:
    graph = synchronous("g", times("abc"), [*chain("a 1 2 b 1 1 c"), ("c", 2, 1, "a", 1)], "abc")
    assert [wait.channel.name for wait in stuck(graph)] in (
        ["a-b", "b-c", "c-a"], ["b-c", "c-a", "a-b"], ["c-a", "a-b", "b-c"])  # fmt: skip
    with pytest.raises(VolleyError, match=r"deadlock: .*b waits for channel a-b \(1 of 2 tokens\)"):
        timing(graph)
    assert execute(graph).deadlock


# ------------------------------------------------------------------ against token simulation
def test_random_graphs_against_token_simulation() -> None:
    """Thousands of them in `make bench-tiles`."""
    found = agreements(range(200))
    assert set(found) <= {"equal", "deadlock"}
    assert found["equal"] >= 120
    assert found["deadlock"] >= 20


@pytest.mark.long
def test_many_random_graphs_against_token_simulation() -> None:
    assert set(agreements(range(1000, 21_000))) <= {"equal", "deadlock"}


@pytest.mark.parametrize("seed", range(0, 40, 2))
def test_the_matrix_gives_every_token_time(seed: int) -> None:
    """x(k + 1) = A x(k) is what numeric execution gives."""
    graph = strong(seed, cyclo_static=seed % 4 == 0)
    if stuck(graph):
        return
    a, executor = matrix(graph), Executor(graph)
    tokens = executor.at_rest()
    x = np.zeros(sum(edge.tokens for edge in graph.edges), dtype=np.int64)
    for _ in range(6):
        tokens = executor.run(tokens, np.zeros(1, dtype=np.int64)).tokens
        x = a.step(x)
        assert (np.concatenate(tokens)[:, 0] == x).all()
    assert (a.a[a.a > LEAST] >= 0).all()


# ------------------------------------------------------------------ the certificate
def edges_of(rows: list[tuple[int, int, int, int]], nodes: int) -> Edges:
    rows = sorted(rows, key=lambda row: row[1])
    columns = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    return Edges(nodes, *columns)


def test_a_ratio_is_a_fraction_and_is_proven() -> None:
    edges = edges_of([(0, 1, 3, 0), (1, 2, 4, 1), (2, 0, 3, 2), (1, 0, 2, 2), (2, 2, 3, 1)], 3)
    found = largest_ratio(edges)
    assert found.ratio == Fraction(10, 3)
    assert sorted((int(edges.tail[e]), int(edges.head[e])) for e in found.cycle) == [(0, 1), (1, 2), (2, 0)]


@pytest.mark.parametrize("change", ["ratio", "potential", "cycle", "part"])
def test_a_wrong_certificate_is_noticed(change: str) -> None:
    edges = edges_of([(0, 1, 3, 0), (1, 0, 4, 1), (1, 2, 1, 1), (2, 2, 3, 1)], 3)
    found = largest_ratio(edges)
    wrong = {
        "ratio": lambda: replace(found, ratio=Fraction(6), ratios=tuple(Fraction(6) for _ in found.ratios)),
        "potential": lambda: replace(found, potential=found.potential - np.array([0, 100, 0])),
        "cycle": lambda: replace(found, cycle=found.cycle[:1]),
        "part": lambda: replace(found, part=found.part[::-1].copy()),
    }[change]()
    found.check(edges)
    with pytest.raises(RuntimeError, match="certificate"):
        wrong.check(edges)


def test_large_numbers_are_exact() -> None:
    """Sums beyond int64 are kept in Python's integers."""
    big = 10**12
    rows = [(n, (n + 1) % 50, big + n % 7, 10**6 + n) for n in range(50)]
    edges = edges_of([*rows, (0, 0, big - 1, 10**6)], 50)
    found = largest_ratio(edges)
    weight, delay = sum(row[2] for row in rows), sum(row[3] for row in rows)
    assert 50 * delay * big > SAFE
    assert found.ratio == max(Fraction(weight, delay), Fraction(big - 1, 10**6))
    assert found.potential.dtype == object


# ------------------------------------------------------------------ latency, orders
def test_latency_and_transient() -> None:
    """Two firings of a, two of b one after the other, then c."""
    graph = two_buffers().bounded({"a-b": 7, "b-c": 3})
    found = timing(graph)
    assert latency(found).first == 1 + 1 + 2 + 2 + 2
    settled = latency(found)
    assert settled.settled is not None
    assert settled.settled >= 8
    assert settled.transient is not None
    ends = [f.end for f in execute(graph, until=200).firings if f.actor == "c"]
    period = int(found.period)
    assert all(b - a == period for a, b in zip(ends[settled.transient :], ends[settled.transient + 1 :], strict=False))
    assert latency(timing(two_buffers())).settled is None, "a runs ahead of b"


def test_a_static_order_is_executed_and_analysed_alike() -> None:
    graph = two_buffers().bounded({"a-b": 6, "b-c": 4})
    for orders in ([["a", "a", "b", "a", "b", "c"]], [["a", "a", "a"], ["b", "b", "c"]], [["a", "b", "a", "b", "a"]]):
        try:
            found = timing(graph, orders).period
        except VolleyError:
            assert execute(graph, orders).deadlock
            continue
        assert found == execute(graph, orders).period
    assert timing(graph, [["a", "a", "b", "a", "b", "c"]]).period == 3 * 1 + 2 * 2 + 2, "one after the other"


def test_static_orders_that_contradict_the_channels_are_refused() -> None:
    graph = synchronous("g", times("ab"), chain("a 1 1 b"), "ab")
    with pytest.raises(VolleyError, match="static orders make a, b wait for each other"):
        timing(graph.bounded({"a-b": 1}), [["b", "a"]])
    with pytest.raises(VolleyError, match="b stands 2 times in it, and fires 1 times"):
        timing(graph, [["a", "b", "b"]])


def test_the_expansion_is_one_part_where_the_graph_is() -> None:
    for seed in range(0, 60, 3):
        graph = strong(seed, cyclo_static=seed % 2 == 0)
        if not stuck(graph):
            expansion = Expansion(graph)
            assert (largest_ratio(expansion.edges).part == expansion.part()).all()
            assert set(expansion.part()) == {0}


def test_the_modem_is_quick() -> None:
    assert str(timing(modem()).critical[0]).endswith("(16 times)")
