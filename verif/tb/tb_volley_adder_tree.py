# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Trees that sum N operands, each GROUP of them counting twice as much as the one before: volley_adder_tree,
volley_step_tree, volley_compressor_tree. Both rails, one operand unlike the others, random; latency, no ce."""

import random

import cocotb
from cocotb.clock import Clock
from cocotb.handle import Immediate
from cocotb.triggers import FallingEdge, ReadOnly

from verif.models.adder_tree import weighted_sum
from verif.tb.axis import pack, params, unpack
from verif.tb.coverage import declare, hit, of_parameters

P = params()
STEPS = "TP" in P  # volley_step_tree
N = P["TP"] if STEPS else P["N"]
GROUP = 1 if STEPS else P.get("GROUP", N)
IN_W = P["IN_W"]
LATENCY = (N - 1).bit_length()
LOWEST, HIGHEST = -(1 << (IN_W - 1)), (1 << (IN_W - 1)) - 1

of_parameters({"one operand": N == 1, "odd": N % 2 and N > 1, "even": N % 2 == 0})
declare("upper rail", "lower rail", "tick left out")


def vectors(count: int) -> list[list[int]]:
    """Corners first: all equal, one operand unlike all others, alternating; then random, often on a rail."""
    rails = (LOWEST, HIGHEST, 0, -1)
    corners = [[value] * N for value in rails]
    for others in (LOWEST, HIGHEST, 0):
        for i in range(N):
            corners += [[value if j == i else others for j in range(N)] for value in rails]
    corners += [[rails[(i + shift) % 2] for i in range(N)] for shift in (0, 1)]
    some = lambda: random.choice((LOWEST, HIGHEST, -1, random.randint(LOWEST, HIGHEST)))  # noqa: E731
    return corners + [[some() for _ in range(N)] for _ in range(count)]


@cocotb.test()
@cocotb.parametrize(idle=[0.0, 0.4])
async def sums(dut, idle):
    """The sum of each tick's operands comes LATENCY ticks later, whatever the cycles without ce hold."""
    dut.clk.value = Immediate(0)
    Clock(dut.clk, 10, unit="ns").start(start_high=False)
    pending = vectors(300)
    expected: list[int] = []  # one for each tick so far
    while len(expected) < len(pending) + LATENCY:
        await FallingEdge(dut.clk)
        ce = random.random() >= idle
        dut.ce.value = int(ce)
        hit("tick left out", not ce)
        operands = [random.randint(LOWEST, HIGHEST) for _ in range(N)]
        if ce:
            operands = pending[len(expected)] if len(expected) < len(pending) else operands
            expected.append(weighted_sum(operands, GROUP))
        dut.operands.value = pack(operands, IN_W)
        await ReadOnly()
        if ce and len(expected) > LATENCY:
            of = len(expected) - 1 - LATENCY
            total = unpack(int(dut.sum.value), len(dut.sum), 1, signed=True)[0]
            assert total == expected[of], f"sum {of}: {total}, expected {expected[of]}"
            hit("upper rail", total == weighted_sum([HIGHEST] * N, GROUP))
            hit("lower rail", total == weighted_sum([LOWEST] * N, GROUP))
