# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Words per time step: samples, counts and sums of spikes that a synapse reads."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pyflow.errors import VolleyError
from pyflow.graph import Network
from pyflow.operators import (
    Accumulate,
    Add,
    Conv,
    Encoding,
    Linear,
    Readout,
    SumPool,
    Tensor,
)
from verif.models.synapse_array import synapse_array

TRAIN = Tensor("s", (2, 4, 4), Encoding.RATE, 8, 1, timed=True, block=4)
COUNT = Tensor("n", (2, 4, 4), Encoding.COUNT, 8, 9, timed=True, block=4)
ONES = np.ones((3, 2, 3, 3))


def network(encoding: Encoding = Encoding.SIGNAL, **options: Any) -> Network:
    """A linear layer that reads samples, or spikes and their sums over 2 pixels."""
    rng = np.random.default_rng(0)
    pooled = encoding is Encoding.RATE
    weight = rng.integers(-7, 8, (3, 2 if pooled else 4, 1, 1))
    pool = (SumPool("pool", ("input",), (1, 2), (1, 2)),) if pooled else ()
    layers = (Linear("fc", ("pool" if pooled else "input",), weight=weight), Accumulate("sum", ("fc",)))
    last = Readout("logits", ("sum",), bias=np.zeros(3))
    return Network("words", (2, 1, 2), (*pool, *layers, last), input_encoding=encoding, input_steps=4, **options)


@pytest.mark.parametrize("encoding", [Encoding.SIGNAL, Encoding.RATE])
def test_a_beat_carries_one_step_of_words(encoding: Encoding) -> None:
    net = network(encoding)
    assert net.time_block == 1
    source = net.sources(net.operators[-3])[0]
    assert (source.passes, source.beat_steps, source.per_step) == (4, 8 if encoding is Encoding.SIGNAL else 2, False)
    with pytest.raises(VolleyError, match=r"time_block = 2 must be one of 1 .'fc' takes one word of several bits"):
        replace(net, time_block=2)


@pytest.mark.parametrize("encoding", [Encoding.SIGNAL, Encoding.RATE])
def test_each_step_is_what_the_array_makes_of_its_words(encoding: Encoding) -> None:
    """The scalar model of the array, its T the bits of a word, step by step."""
    net = network(encoding)
    x = np.random.default_rng(1).integers(0, 256 if encoding is Encoding.SIGNAL else 2, (5, 4, 2, 1, 2))
    _, trace = net.run(x, trace=True)
    op = net.operators[-3]
    assert isinstance(op, Linear)
    source = net.sources(op)[0]
    rows = op.weight[:, :, 0, 0].tolist()
    for frame, potentials in zip(trace[source.name], trace["fc"], strict=True):
        expected = [synapse_array([step.ravel().tolist()], [rows], source.beat_steps) for step in frame]
        assert potentials.reshape(4, 3).tolist() == expected
    wide = net.tensors["fc"].bound
    assert abs(trace["fc"]).max() <= wide == np.abs(op.weight.astype(int)).sum((1, 2, 3)).max() * source.bound


def test_widths_of_sums() -> None:
    pooled = SumPool("op", ("s",), (2, 2)).infer(TRAIN)
    assert (pooled.encoding, pooled.bound, pooled.number_bits) == (Encoding.COUNT, 4, 3)
    twice = SumPool("op", ("n",), (2, 2)).infer(pooled)  # as wide as the core makes it of words of 3 bits
    assert (twice.bound, twice.number_bits) == (28, 5)
    total = Add("op", ("s", "n")).infer(TRAIN, COUNT)
    assert (total.encoding, total.bound) == (Encoding.COUNT, 10)
    assert Add("op", ("n", "m")).infer(COUNT, replace(COUNT, name="m")).bound == 18


def test_what_is_refused() -> None:
    conv = Conv("op", ("n",), weight=ONES)
    with pytest.raises(VolleyError, match=r"^conv 'op': input 'n' reaches 70000 in a step, 17 bits; takes .* most 16"):
        conv.infer(replace(COUNT, bound=70000))
    padded = Conv("op", ("s",), weight=ONES, pad_code=[1, 0])  # type: ignore[arg-type]
    with pytest.raises(VolleyError, match="a padding code is for pixels and words, 's' are spikes"):
        padded.infer(TRAIN)
    assert padded.infer(COUNT).bound == 18 * 9
    with pytest.raises(VolleyError, match=r"pad_code 10 is outside 0\.\.9"):
        Conv("op", ("n",), weight=ONES, pad_code=[10, 0]).infer(COUNT)  # type: ignore[arg-type]
