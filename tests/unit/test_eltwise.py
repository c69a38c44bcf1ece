# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Operators of two tensors, pooling of spikes, sums over time: types, refusals, and the scalar models."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from pyflow.errors import VolleyError
from pyflow.graph import Network
from pyflow.operators import (
    OPERATORS,
    Accumulate,
    Add,
    And,
    Concat,
    Conv,
    Encoding,
    GatedMaxPool,
    IAnd,
    MaxPool,
    Operator,
    OrPool,
    Readout,
    Residual,
    SumPool,
    Tensor,
)
from verif.models.accumulate import accumulate
from verif.models.eltwise import add, residual, sew
from verif.models.pool import pool, union
from verif.models.pool_gated import pool_gated
from verif.models.window import line_buffer, window_full

SHAPE = (2, 3, 4)
RADIX = Tensor("radix", SHAPE, Encoding.RADIX, 4, 15)
POTENTIAL = Tensor("potential", SHAPE, Encoding.POTENTIAL, 1, 100)
RATE = Tensor("rate", SHAPE, Encoding.RATE, 8, 1, timed=True, block=4)
TTFS = replace(RATE, name="ttfs", encoding=Encoding.TTFS)
COUNT = replace(RATE, name="count", encoding=Encoding.COUNT, bound=4)
CURRENT = replace(RATE, name="current", encoding=Encoding.POTENTIAL, bound=9)  # potentials over time
SEEDS = range(12)
Kind = TypeVar("Kind", bound=Operator)


def of(kind: type[Kind], *sources: Tensor, **fields: object) -> Kind:
    return kind("op", tuple(s.name for s in sources), **fields)


# ------------------------------------------------------------------ types
@pytest.mark.parametrize(("kind", "sources", "expected"), [
    (Add, (POTENTIAL, replace(POTENTIAL, bound=7)), replace(POTENTIAL, bound=107)),
    (Add, (CURRENT, COUNT), replace(CURRENT, bound=13)),
    (Add, (COUNT, COUNT), replace(COUNT, bound=8)),
    (Add, (RATE, COUNT), replace(COUNT, bound=5)),
    (partial(Add, shift=8), (CURRENT, COUNT), replace(CURRENT, bound=9 + 256 * 4)),
    (Add, (RADIX, replace(RADIX, bound=12)), replace(RADIX, steps=5, bound=27)),
    (Add, (RATE, RATE), replace(COUNT, bound=2)),
    (Add, (TTFS, TTFS), replace(COUNT, bound=2)),
    (And, (RATE, RATE), RATE),
    (IAnd, (TTFS, TTFS), TTFS),
    (Concat, (RADIX, replace(RADIX, shape=(5, 3, 4), bound=12)), replace(RADIX, shape=(7, 3, 4))),
    (Concat, (RATE, RATE), replace(RATE, shape=(4, 3, 4))),
    (Accumulate, (RATE,), replace(POTENTIAL, bound=8)),
    (Accumulate, (CURRENT,), replace(POTENTIAL, bound=72)),
])  # fmt: skip
def test_types(kind: type[Operator], sources: tuple[Tensor, ...], expected: Tensor) -> None:
    assert of(kind, *sources).infer(*sources) == replace(expected, name="op")


def test_types_of_a_residual() -> None:
    fields = {"multiplier": np.array([3, -5]), "exponent": 2}
    assert of(Residual, **fields).infer(POTENTIAL, RADIX) == replace(POTENTIAL, name="op", bound=400 + 75)
    assert of(Residual, **fields).infer(CURRENT, RATE) == replace(CURRENT, name="op", bound=36 + 5)


def test_types_of_the_pools() -> None:
    window = {"kernel": (2, 3), "stride": (1, 2)}
    for kind in (OrPool, GatedMaxPool):
        assert of(kind, **window).infer(TTFS) == replace(TTFS, name="op", shape=(2, 2, 1))
    assert of(SumPool, **window).infer(RATE) == replace(COUNT, name="op", shape=(2, 2, 1), bound=6)
    assert of(SumPool, **window).infer(RADIX) == replace(RADIX, name="op", shape=(2, 2, 1), steps=7, bound=90)


@pytest.mark.parametrize(("kind", "sources", "message"), [
    (Add, (RADIX, POTENTIAL), "add 'op': inputs 'radix' and 'potential' are radix and potential, needs potentials"),
    (Add, (RATE, TTFS), "are rate and ttfs"),
    (partial(Add, shift=1), (RATE, RATE), "are rate and rate, needs a potential for a shift"),
    (partial(Add, shift=17), (CURRENT, COUNT), "shift = 17 is outside 0..16"),
    (Add, (RADIX, replace(RADIX, steps=3, bound=7)), "words of 'radix' have T = 4, of 'radix' T = 3; need the same T"),
    (Add, (RATE, replace(RATE, steps=4)), "time of 'rate', 8 time steps, is not that of 'rate', 4 time steps"),
    (Add, (CURRENT, POTENTIAL), "time of 'current', 8 time steps, is not that of 'potential', static"),
    (Add, (RADIX, replace(RADIX, shape=(2, 4, 3))), "shape of 'radix', 2x3x4, is not that of 'radix', 2x4x3"),
    (And, (RATE, RADIX), "time of 'rate'"),
    (IAnd, (RATE, COUNT), "are rate and count, needs two of the same spikes"),
    (Residual, (RADIX, RADIX), "input 'radix' is radix, needs potential"),
    (Residual, (CURRENT, COUNT), "input 'count' is count, needs radix or rate or ttfs"),
    (Residual, (POTENTIAL, RADIX), "1 multipliers for 2 channels"),
    (Concat, (RADIX, RATE), "encoding of 'radix', radix, is not that of 'rate', rate"),
    (Concat, (RADIX, replace(RADIX, steps=5, bound=31)), "T of 'radix', 4, is not that of 'radix', 5"),
    (Concat, (RADIX, replace(RADIX, shape=(2, 3, 5))), "map of 'radix', 3x4, is not that of 'radix', 3x5"),
    (Concat, (COUNT, replace(COUNT, bound=9)), "number of bits of 'count', 3, is not that of 'count', 4"),
    (Accumulate, (POTENTIAL,), "input 'potential' has no time steps to sum over"),
    (Accumulate, (RADIX,), "input 'radix' is radix"),
    (MaxPool, (RATE,), "input 'rate' is rate, needs radix; pool spikes by orpool .* or gatedpool"),
    (OrPool, (RADIX,), "input 'radix' is radix, needs rate or ttfs; a maximum of radix words is maxpool"),
    (GatedMaxPool, (COUNT,), "input 'count' is count, needs rate or ttfs"),
    (SumPool, (CURRENT,), "input 'current' is potential, needs radix or rate or ttfs or signal or count"),
])  # fmt: skip
def test_refusals_say_what_would_work(kind: type[Operator], sources: tuple[Tensor, ...], message: str) -> None:
    with pytest.raises(VolleyError, match=message) as caught:
        of(kind, *sources).infer(*sources)
    assert "\n" not in str(caught.value)


def test_illegal_fields() -> None:
    with pytest.raises(VolleyError, match="exponent e = 25 is outside"):
        of(Residual, exponent=25)
    with pytest.raises(VolleyError, match=r"multiplier \(1, 1\) must be one vector"):
        of(Residual, multiplier=np.ones((1, 1)))
    with pytest.raises(VolleyError, match="more than 46 bits"):
        of(Residual, multiplier=np.full(2, 1 << 45)).infer(POTENTIAL, RADIX)
    with pytest.raises(VolleyError, match=r"padding .* must be smaller"):
        of(GatedMaxPool, padding=(1, 1))


# ------------------------------------------------------------------ the scalar models
def scalar(function, *arrays: np.ndarray) -> np.ndarray:
    return np.vectorize(function, otypes=[np.int64])(*arrays)


@pytest.mark.parametrize("seed", SEEDS)
def test_elementwise_agrees(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (2, 3, *rng.integers(1, 4, 2))
    h, k = rng.integers(-500, 500, (2, *shape))
    word, other = rng.integers(0, 16, (2, *shape))
    a, b = rng.integers(0, 2, (2, *shape))
    m, exponent = rng.integers(-30, 30, 3), int(rng.integers(0, 4))
    np.testing.assert_array_equal(of(Add).run(h, k), scalar(add, h, k))
    shifted = scalar(lambda x, y: add(x, y, exponent), h, k)
    np.testing.assert_array_equal(of(Add, shift=exponent).run(h, k), shifted)
    np.testing.assert_array_equal(of(Add).run(word, other), scalar(add, word, other))
    np.testing.assert_array_equal(of(And).run(a, b), scalar(lambda x, y: sew(x, y, 0), a, b))
    np.testing.assert_array_equal(of(IAnd).run(a, b), scalar(lambda x, y: sew(x, y, 1), a, b))
    got = of(Residual, multiplier=m, exponent=exponent).run(h, word)
    expected = scalar(lambda x, y, z: residual(x, y, z, exponent), h, word, np.broadcast_to(m[:, None, None], shape))
    np.testing.assert_array_equal(got, expected)
    over_time = rng.integers(-500, 500, (2, 6, 3, 2, 2))
    neurons = over_time.transpose(0, 2, 3, 4, 1).reshape(-1, 6).tolist()
    assert of(Accumulate).run(over_time).ravel().tolist() == [accumulate(numbers) for numbers in neurons]


def random_pool(seed: int) -> tuple[dict, np.ndarray]:
    """(window, spikes [N, T, C, H, W])."""
    rng, numbers = random.Random(seed), np.random.default_rng(seed)
    kernel = (rng.choice((1, 2, 3)), rng.choice((1, 2, 3)))
    window = {"kernel": kernel, "stride": (rng.randint(1, 2), rng.randint(1, 3)),
              "padding": tuple(rng.randrange(k) for k in kernel)}  # fmt: skip
    spikes = numbers.random((2, 6, 2, *numbers.integers(4, 7, 2))) < rng.choice((0.05, 0.2, 0.6))
    return window, spikes.astype(np.int64)


def taps(plane: np.ndarray, kernel, stride, padding) -> list[list[int]]:
    """int [H, W] to the taps of each window, in the order in which line buffer and window send them."""
    columns = line_buffer([[[x] for x in row] for row in plane.tolist()], kernel[0], stride[0], padding[0], 0)
    windows = window_full(columns, kernel[1], stride[1], padding[1], [0] * kernel[0])
    return [[tap for column in window for tap in column] for window in windows]


@pytest.mark.parametrize("seed", SEEDS)
def test_pools_agree(seed: int) -> None:
    window, x = random_pool(seed)
    source = Tensor("x", x.shape[2:], Encoding.RATE, x.shape[1], 1, timed=True)
    gated, any_, counts = of(GatedMaxPool, **window), of(OrPool, **window), of(SumPool, **window)
    got = gated.run_steps(x, sources=(source,))
    assert got.shape == (len(x), source.steps, *gated.infer(source).shape)
    for frame, channel in np.ndindex(len(x), x.shape[2]):
        steps = [taps(x[frame, t, channel], *window.values()) for t in range(source.steps)]
        for t, windows in enumerate(steps):
            for operator, reduce in ((any_, union), (counts, sum)):
                pooled = operator.run(x[:, t])[frame, channel].ravel().tolist()
                assert pooled == [pool([[tap] for tap in taps], reduce)[0] for taps in windows]
        for n, trains in enumerate(zip(*steps, strict=True)):
            out = got[frame, :, channel].reshape(source.steps, -1)[:, n]
            assert out.tolist() == pool_gated(list(zip(*trains, strict=True)))


def test_the_first_tap_wins_a_tie_column_by_column() -> None:
    x = np.zeros((1, 2, 1, 2, 2), np.int64)
    x[0, 0, 0, 0, 1] = x[0, :, 0, 1, 0] = 1  # top right once, bottom left twice: bottom left is in the first column
    source = Tensor("x", (1, 2, 2), Encoding.RATE, 2, 1, timed=True)
    assert of(GatedMaxPool, kernel=(2, 2)).run_steps(x, sources=(source,)).ravel().tolist() == [1, 1]


def test_a_network_over_time_runs_and_survives_its_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    weight = rng.integers(-3, 4, (2, 2, 3, 3))
    network = Network("timed", (2, 4, 4), (
        Conv("conv", ("input",), kernel=(3, 3), padding=(1, 1), weight=weight, weight_bits=3),
        Residual("res", ("conv", "input"), multiplier=np.array([5, -2]), exponent=1),
        OrPool("or", ("input",), kernel=(4, 4)),
        GatedMaxPool("gated", ("input",), kernel=(4, 4)),
        Concat("both", ("or", "gated")),
        Accumulate("count", ("both",)),
        Readout("logits", ("count",), bias=np.zeros(4)),
    ), input_encoding=Encoding.RATE, input_steps=4)  # fmt: skip
    x = rng.integers(0, 2, (3, 4, 2, 4, 4))
    logits, trace = network.run(x, trace=True)
    np.testing.assert_array_equal(trace["res"], 2 * trace["conv"] + np.array([5, -2])[:, None, None] * x)
    np.testing.assert_array_equal(logits[:, :2], x.max((3, 4)).sum(1))
    assert (logits[:, 2:] <= logits[:, :2]).all()
    assert logits[:, 2:].any()
    network.save(tmp_path / "n.vly")
    np.testing.assert_array_equal(Network.load(tmp_path / "n.vly").run(x), logits)


# ------------------------------------------------------------------ cycles and cost
NEW = (Add, And, IAnd, Residual, Concat, Accumulate, OrPool, GatedMaxPool)


def test_all_are_registered() -> None:
    assert {OPERATORS.get(kind.kind) for kind in NEW} == set(NEW)
