# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Broadcast, join, arbiter and address events."""

import random

import pytest

from verif.harness import run_bench
from verif.models.aer import aer_pack, aer_unpack


@pytest.mark.parametrize(("data_w", "n"), [(8, 2), (1, 1), (5, 3)])
def test_broadcast(data_w, n):
    run_bench("volley_broadcast", "tb_volley_broadcast", {"DATA_W": data_w, "N": n})


@pytest.mark.parametrize(("a_w", "b_w"), [(8, 3), (1, 1)])
def test_join(a_w, b_w):
    run_bench("volley_join", "tb_volley_join", {"A_W": a_w, "B_W": b_w})


@pytest.mark.parametrize(("data_w", "spikes", "count_w"), [(1, 0, 1), (8, 0, 7), (1, 1, 1), (13, 1, 9), (64, 1, 11)])
def test_stream_probe(data_w, spikes, count_w):
    run_bench("volley_stream_probe", "tb_volley_stream_probe", {"DATA_W": data_w, "SPIKES": spikes, "COUNT_W": count_w})


@pytest.mark.parametrize(("data_w", "n"), [(8, 2), (1, 1), (5, 3), (4, 8)])
def test_arbiter(data_w, n):
    run_bench("volley_arbiter", "tb_volley_arbiter", {"DATA_W": data_w, "N": n})


AER = [(4, 1, 16), (3, 3, 5), (1, 1, 1), (1, 4, 6), (5, 2, 1)]


@pytest.mark.parametrize(("lanes", "tb", "beats"), AER)
def test_aer_pack(lanes, tb, beats):
    run_bench("volley_aer_pack", "tb_volley_aer_pack", {"LANES": lanes, "TB": tb, "BEATS": beats})


@pytest.mark.parametrize(("lanes", "tb", "beats"), AER)
def test_aer_unpack(lanes, tb, beats):
    run_bench("volley_aer_unpack", "tb_volley_aer_unpack", {"LANES": lanes, "TB": tb, "BEATS": beats, "COUNT_W": 7})


@pytest.mark.parametrize(("lanes", "tb", "beats"), AER)
def test_the_models_of_address_events_are_inverses(lanes, tb, beats):
    rng = random.Random(1)
    words = [[rng.randrange(1 << tb) for _ in range(lanes)] for _ in range(7 * beats)]
    events = [event for beat in aer_pack(words, tb, beats) for event in beat]
    unpacked, dropped = aer_unpack(events, lanes, tb, beats)
    assert [beat for beat, _ in unpacked] == words
    assert [last for _, last in unpacked] == [n % beats == beats - 1 for n in range(len(words))]
    assert dropped == 0
