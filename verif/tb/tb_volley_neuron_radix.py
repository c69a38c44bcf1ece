# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_neuron_radix: thresholds hit exactly and missed by one at every step, rails, cycles, latency, reset."""

import itertools
import random

import cocotb

from verif.models.neuron_radix import neuron_radix
from verif.tb.axis import FLOWS, TB, Beat, pack, params
from verif.tb.coverage import declare, hit, of_parameters

P = params()
LANES, IN_W, IN_SIGNED, EXPONENT, THETA_W, BIAS_W, V_W, T, UNROLLED = (
    P[k] for k in ("LANES", "IN_W", "IN_SIGNED", "EXPONENT", "THETA_W", "BIAS_W", "V_W", "T", "UNROLLED")
)
PIX = P.get("PIX", 1)
H_MIN, H_MAX = (-(1 << (IN_W - 1)), (1 << (IN_W - 1)) - 1) if IN_SIGNED else (0, (1 << IN_W) - 1)
B_MIN, B_MAX = -(1 << (BIAS_W - 1)), (1 << (BIAS_W - 1)) - 1
THETA_MAX = (1 << THETA_W) - 1
Neuron = tuple[int, int, int]  # h, theta, b
of_parameters(
    {
        "unrolled": UNROLLED,
        "serial": not UNROLLED,
        "unsigned h": not IN_SIGNED,
        "exponent": EXPONENT > 0,
        "several pixels per beat": PIX > 1,
    }
)
declare(
    "potential late",
    "parameters late",
    "v negative",
    "v beyond the last code",
    "all ones",
    "all zeros",
    *(f"v {near} the first threshold" for near in ("on", "one below", "one above")),
)


def bench(dut, flow="full", **stalls) -> TB:
    return TB(dut, flow, sources=("s_acc", "s_param"), sinks=("m_spike",), stalls=stalls)


def reaching(v: int, theta: int) -> Neuron | None:
    """A neuron whose potential is exactly v; None where h and b cannot make it."""
    h = max(H_MIN, min(H_MAX, (v >> EXPONENT) - random.randint(-2, 2)))
    b = v - (h << EXPONENT)
    return (h, theta, b) if B_MIN <= b <= B_MAX else None


def corners() -> list[Neuron]:
    """v on, one above and one below every multiple of theta: thus v = th -1, th, th + 1 at every step.

    Then single bits, in every lane: after 1, 2, ... spikes exactly one bit of v is left, so none can go unnoticed.
    """
    cases: list[Neuron | None] = [
        (h, theta, b) for h in (H_MIN, H_MAX, 0) for theta in (1, THETA_MAX) for b in (B_MIN, B_MAX, 0)
    ]
    for theta in {1, 2, 3, THETA_MAX, random.randint(1, THETA_MAX), max(1, (H_MAX << EXPONENT) >> T)}:
        if theta <= THETA_MAX:
            cases += [reaching(k * theta + d, theta) for k in range(-1, (1 << T) + 2) for d in (-1, 0, 1)]
    theta = min(3, THETA_MAX)
    spent = [(theta << T) - (theta << (T - t)) for t in range(T + 1)]
    cases += [reaching(v + (1 << bit), theta) for v in spent for bit in range(V_W - 1) for _ in range(LANES)]
    return [case for case in cases if case]


def random_neuron() -> Neuron:
    """Half of them in the range where the word is neither all zeros nor all ones."""
    theta = random.randint(1, THETA_MAX) >> random.randrange(THETA_W) or 1
    return (random.random() < 0.5 and reaching(random.randint(0, theta << T), theta)) or (
        random.randint(H_MIN, H_MAX),
        theta,
        random.randint(B_MIN, B_MAX),
    )


def push(tb: TB, neurons: list[Neuron], frame: int = 5) -> None:
    """LANES neurons to a beat, random ones fill up the last; every `frame`-th beat ends a frame.

    They are those of a beat's pixels in turn; the other pixels have the same parameters and any potential.
    """
    neurons = neurons + [random_neuron() for _ in range(-len(neurons) % LANES)]
    for n in range(0, len(neurons), LANES):
        lanes, last = neurons[n : n + LANES], n // LANES % frame == frame - 1
        pixels = [[(random.randint(H_MIN, H_MAX), theta, b) for _, theta, b in lanes] for _ in range(PIX)]
        pixels[n // LANES % PIX] = lanes
        tb.send([Beat(pack([h for pixel in pixels for h, _, _ in pixel], IN_W), last)], "s_acc")
        tb.send([pack([theta << BIAS_W | pack([b], BIAS_W) for _, theta, b in lanes], THETA_W + BIAS_W)], "s_param")
        words = [neuron_radix(h, theta, b, EXPONENT, T) for pixel in pixels for h, theta, b in pixel]
        tb.expect([Beat(pack(words, T), last)])
        for (h, theta, b), word in zip(itertools.chain(*pixels), words, strict=True):
            cover(h, theta, b, word)


def cover(h: int, theta: int, b: int, word: int) -> None:
    v, first = (h << EXPONENT) + b, theta << (T - 1)
    hit("v negative", v < 0)
    hit("v beyond the last code", v >= 2 * first)
    for near, distance in (("on", 0), ("one below", -1), ("one above", 1)):
        hit(f"v {near} the first threshold", theta > 1 and v == first + distance)
    hit("all ones", word == (1 << T) - 1)
    hit("all zeros", word == 0)


@cocotb.test()
@cocotb.parametrize(flow=list(FLOWS))
async def neurons(dut, flow):
    tb = bench(dut, flow)
    await tb.reset()
    push(tb, corners() + [random_neuron() for _ in range(60 * LANES)])
    await tb.finish()
    if flow == "full":
        gaps = {b - a for a, b in itertools.pairwise(tb.sink.accepted)}
        assert gaps == {1 if UNROLLED else T}, f"cycles per beat {gaps}"
        assert tb.sink.accepted[0] - tb.sources["s_acc"].accepted[0] == T + 1


@cocotb.test()
@cocotb.parametrize(late=["s_acc", "s_param"])
async def one_side_is_late(dut, late):
    tb = bench(dut, **{late: itertools.cycle([True] * (T + 3) + [False] * 2)})
    await tb.reset()
    push(tb, [random_neuron() for _ in range(40)])
    await tb.finish()
    hit("potential late" if late == "s_acc" else "parameters late")


@cocotb.test()
async def reset_in_the_middle(dut):
    tb = bench(dut, "both")
    await tb.reset()
    for _ in range(10):
        push(tb, [random_neuron() for _ in range(30 * LANES)])
        await tb.wait(random.randrange(2, 8 * T + 10))
        await tb.reset(1)
        push(tb, [random_neuron() for _ in range(5)])
        await tb.finish()
