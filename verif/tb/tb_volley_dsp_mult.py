# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_dsp_mult: every pair of neighbours in a DSP48, every pair of low bits in a cascade, rails, ticks left out."""

import itertools
import random

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.handle import Immediate
from cocotb.triggers import FallingEdge, ReadOnly

from verif.models.dsp_mult import packing
from verif.models.synapse_array import synapse_array
from verif.tb.axis import params, unpack
from verif.tb.coverage import declare, hit, of_parameters

P = params()
PE, SIMD, TP, WEIGHT_W = (P[k] for k in ("PE", "SIMD", "TP", "WEIGHT_W"))
BY = packing(WEIGHT_W, TP)
LATENCY = 4 + (SIMD - 1).bit_length()
LOWEST, HIGHEST = -(1 << (WEIGHT_W - 1)), (1 << (WEIGHT_W - 1)) - 1
TOP = (1 << TP) - 1
PAIRS_MOST = 1 << 16  # of neighbours; more are drawn

# Many ticks are cheap only if numpy makes them: words int64[N, SIMD], weights int64[N, PE, SIMD].
Vectors = tuple[np.ndarray, np.ndarray]

of_parameters(
    {
        "four lanes": BY.lanes == 4,
        "two lanes": BY.lanes == 2,
        "lanes that overlap": BY.low,
        "lanes apart": not BY.low,
        "unused lanes": PE % BY.lanes,
    }
)
declare("tick left out", "upper rail", "lower rail")


def some(n: int, rng: np.random.Generator) -> Vectors:
    """Corners, and anything."""

    def drawn(low: int, high: int, corners: list[int], shape: tuple[int, ...]) -> np.ndarray:
        anything = rng.integers(low, high + 1, shape)
        which = rng.integers(len(corners) + 1, size=shape)
        return np.choose(which, [*corners, anything])

    return (drawn(0, TOP, [0, 1, TOP], (n, SIMD)), drawn(LOWEST, HIGHEST, [LOWEST, HIGHEST, -1], (n, PE, SIMD)))


def rails() -> Vectors:
    """Lanes on either rail, in every combination within a slice."""
    lanes = np.array(list(itertools.product((LOWEST, HIGHEST), repeat=min(PE, BY.lanes))))
    weights = np.tile(lanes, PE)[:, :PE]
    words = np.repeat([TOP, 1, 0], len(weights))
    return np.tile(words[:, None], SIMD), np.tile(weights, (3, 1))[:, :, None].repeat(SIMD, 2)


def neighbours(rng: np.random.Generator) -> Vectors:
    """All weights of two neighbours times all words, at each place in the cascades in turn, all else random."""
    shape = (min(PE, BY.lanes) - 1, 1 << WEIGHT_W, 1 << WEIGHT_W, 1 << TP)
    chosen = rng.permutation(int(np.prod(shape)))[:PAIRS_MOST]
    lane, lower, upper, word = np.unravel_index(chosen, shape) if len(chosen) else np.zeros((4, 0), int)
    words, weights = some(len(chosen), rng)
    n = np.arange(len(chosen))
    words[n, n % SIMD] = word
    weights[n, lane, n % SIMD], weights[n, lane + 1, n % SIMD] = lower + LOWEST, upper + LOWEST
    return words, weights


def low_bits(rng: np.random.Generator) -> Vectors:
    """All low bits of the weights and words of the first two inputs, alike in all lanes."""
    weight, word = range(max(LOWEST, -2), min(HIGHEST, 1) + 1), range(min(TOP, 3) + 1)
    every = np.array(list(itertools.product(weight, weight, word, word)))
    words, weights = some(len(every), rng)
    words[:, :2] = every[:, 2:][:, :SIMD]
    weights[:, :, :2] = every[:, None, :2][:, :, :SIMD]
    return words, weights


def packed(values: np.ndarray, width: int) -> list[int]:
    """int64[N, K] as N numbers of K fields, the first in the low bits."""
    bits = (values[:, :, None] >> np.arange(width) & 1).astype(np.uint8).reshape(len(values), -1)
    return [int.from_bytes(row.tobytes(), "little") for row in np.packbits(bits, axis=1, bitorder="little")]


@cocotb.test()
@cocotb.parametrize(idle=[0.0, 0.3])
async def sums(dut, idle):
    """The sums of each tick's inputs come LATENCY ticks later, whatever the cycles without ce hold."""
    rng = np.random.default_rng(random.getrandbits(32))
    parts = [rails(), low_bits(rng), some(300, rng) if idle else neighbours(rng)]
    words, weights = (np.concatenate(part) for part in zip(*parts, strict=True))
    sums = (weights @ words[:, :, None])[:, :, 0]
    for n in random.sample(range(len(words)), min(len(words), 300)):
        assert synapse_array([words[n].tolist()], [weights[n].tolist()], TP) == sums[n].tolist()
    hit("upper rail", sums.max() == SIMD * TOP * HIGHEST)
    hit("lower rail", sums.min() == SIMD * TOP * LOWEST)

    def stimulus(words: np.ndarray, weights: np.ndarray) -> list[tuple[int, int]]:
        flat = weights.reshape(len(weights), -1)
        return list(zip(packed(words, TP), packed(flat, WEIGHT_W), strict=True))

    given, other = stimulus(words, weights), stimulus(*some(300, rng))
    sum_w = len(dut.m_sum) // PE
    expected = packed(sums, sum_w)

    dut.clk.value = Immediate(0)
    Clock(dut.clk, 10, unit="ns").start(start_high=False)
    ticks = 0
    while ticks < len(given) + LATENCY:
        await FallingEdge(dut.clk)
        ce = random.random() >= idle
        hit("tick left out", not ce)
        dut.ce.value = int(ce)
        dut.s_spike.value, dut.s_weight.value = given[ticks] if ce and ticks < len(given) else random.choice(other)
        await ReadOnly()
        if ce and ticks >= LATENCY:
            n = ticks - LATENCY
            found = int(dut.m_sum.value)
            assert found == expected[n], f"sum {n}: {unpack(found, sum_w, PE, signed=True)} is not {sums[n].tolist()}"
        ticks += ce
