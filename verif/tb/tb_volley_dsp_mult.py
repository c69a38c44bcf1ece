# SPDX-License-Identifier: Apache-2.0
"""volley_dsp_mult: every pair of neighbours in a DSP48, every pair of low bits in a cascade, rails, ticks left out."""

import itertools
import random

import cocotb
from cocotb.clock import Clock
from cocotb.handle import Immediate
from cocotb.triggers import FallingEdge, ReadOnly

from verif.models.dsp_mult import packing
from verif.models.synapse_array import synapse_array
from verif.tb.axis import pack, params, unpack
from verif.tb.coverage import declare, hit, of_parameters

P = params()
PE, SIMD, TP, WEIGHT_W = (P[k] for k in ("PE", "SIMD", "TP", "WEIGHT_W"))
BY = packing(WEIGHT_W, TP)
LATENCY = 4 + (SIMD - 1).bit_length()
LOWEST, HIGHEST = -(1 << (WEIGHT_W - 1)), (1 << (WEIGHT_W - 1)) - 1
TOP = (1 << TP) - 1
PAIRS_MOST = 1 << 16  # of neighbours; more are drawn

Vector = tuple[list[int], list[list[int]]]  # words[i], weights[o][i]

of_parameters({"four lanes": BY.lanes == 4, "two lanes": BY.lanes == 2, "lanes that overlap": BY.low,
               "lanes apart": not BY.low, "unused lanes": PE % BY.lanes})
declare("tick left out", "upper rail", "lower rail")


def some_word() -> int:
    return random.choice((0, 1, TOP, random.randint(0, TOP)))


def some_weight() -> int:
    return random.choice((LOWEST, HIGHEST, -1, random.randint(LOWEST, HIGHEST)))


def some_vector() -> Vector:
    return [some_word() for _ in range(SIMD)], [[some_weight() for _ in range(SIMD)] for _ in range(PE)]


def rails() -> list[Vector]:
    return [([word] * SIMD, [[weight] * SIMD for weight in weights])
            for word in (TOP, 1, 0) for weights in itertools.product((LOWEST, HIGHEST), repeat=min(PE, BY.lanes))
            for weights in [(weights * PE)[:PE]]]


def neighbours() -> list[Vector]:
    """All weights of two neighbours times all words, at each place in the cascades in turn, all else random."""
    weights = range(LOWEST, HIGHEST + 1)
    every = list(itertools.product(range(min(PE, BY.lanes) - 1), weights, weights, range(TOP + 1)))
    vectors = []
    for n, (lane, lower, upper, word) in enumerate(random.sample(every, min(len(every), PAIRS_MOST))):
        vector = some_vector()
        i = n % SIMD
        vector[0][i] = word
        vector[1][lane][i], vector[1][lane + 1][i] = lower, upper
        vectors.append(vector)
    return vectors


def low_bits() -> list[Vector]:
    """All low bits of the weights and words of the first two inputs, alike in all lanes."""
    low = range(max(LOWEST, -2), min(HIGHEST, 1) + 1), range(min(TOP, 3) + 1)
    vectors = []
    for even, odd, x_even, x_odd in itertools.product(low[0], low[0], low[1], low[1]):
        vector = some_vector()
        vector[0][:2] = [x_even, x_odd][:SIMD]
        for row in vector[1]:
            row[:2] = [even, odd][:SIMD]
        vectors.append(vector)
    return vectors


@cocotb.test()
@cocotb.parametrize(idle=[0.0, 0.3])
async def sums(dut, idle):
    """The sums of each tick's inputs come LATENCY ticks later, whatever the cycles without ce hold."""
    dut.clk.value = Immediate(0)
    cocotb.start_soon(Clock(dut.clk, 10, unit="ns").start(start_high=False))
    vectors = [*rails(), *low_bits(), *(neighbours() if not idle else [some_vector() for _ in range(300)])]
    expected: list[list[int]] = []  # of the ticks so far
    ticks = 0
    while ticks < len(vectors) + LATENCY:
        await FallingEdge(dut.clk)
        ce = random.random() >= idle
        hit("tick left out", not ce)
        words, weights = vectors[ticks] if ce and ticks < len(vectors) else some_vector()
        dut.ce.value = int(ce)
        dut.s_spike.value = pack(words, TP)
        dut.s_weight.value = pack([w for row in weights for w in row], WEIGHT_W)
        if ce:
            expected.append(synapse_array([words], [weights], TP))
            hit("upper rail", max(expected[-1]) == SIMD * TOP * HIGHEST)
            hit("lower rail", min(expected[-1]) == SIMD * TOP * LOWEST)
        await ReadOnly()
        if ce and ticks >= LATENCY:
            found = unpack(int(dut.m_sum.value), len(dut.m_sum) // PE, PE, signed=True)
            assert found == expected[ticks - LATENCY], f"sum {ticks - LATENCY}"
        ticks += ce
