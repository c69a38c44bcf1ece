# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The encoders with time: volley_encode_rate, _ttfs, _phase, _burst, _delta, _event.

They share their tests: a frame of PASSES passes of BEATS beats goes in, as many come out. WRONG_LAST=1 in the
environment marks input beats at random (with the cores' own checks of them left out: SYNTHESIS defined).
"""

import itertools
import os
import random

import cocotb

from verif.models.encode_burst import encode_burst
from verif.models.encode_delta import encode_delta
from verif.models.encode_event import encode_event
from verif.models.encode_phase import encode_phase
from verif.models.encode_rate import draws, encode_rate_random, encode_rate_regular
from verif.models.encode_ttfs import encode_ttfs
from verif.tb.axis import FLOWS, TB, Beat, pack, params
from verif.tb.coverage import declare, hit, of_parameters

CORE = os.environ["VOLLEY_CORE"].removeprefix("volley_encode_")
P = params()
LANES, STEPS, BEATS = P["LANES"], P["TB"], P["BEATS"]  # steps per pass
MODE = P.get("MODE", 0)
N = BEATS * LANES  # neurons
PASSES: int = P["PASSES"] if CORE == "delta" else 3 if CORE == "event" else P["T"] // STEPS
SOURCE = {"delta": "s_signal", "event": "s_byte"}.get(CORE, "s_pixel")
LATENCY = {"delta": 1 + STEPS if MODE else 2}.get(CORE, 1)
# A state is read in the next pass, once it has been written.
CYCLES = max(BEATS, LATENCY) if CORE == "delta" and PASSES > 1 else BEATS
WRONG_LAST = bool(os.environ.get("WRONG_LAST"))
of_parameters(
    {
        "one beat per pass": BEATS == 1,
        "several beats per pass": BEATS > 1,
        "one step per pass": STEPS == 1,
        "several steps per pass": STEPS > 1,
    }
)
declare("smallest value", "largest value")
if CORE != "event":
    of_parameters({"one pass": PASSES == 1, "several passes": PASSES > 1})
    declare("reset in a later pass")

Frame = list[list[int]]  # [pass][neuron]: what the host sends


def word(bits: list[int]) -> int:
    """Spikes of a pass, the earliest in the most significant bit."""
    return int("".join(map(str, bits)), 2)


def in_time(spikes: list[list[int]]) -> list[list[int]]:
    """Spikes [t][neuron] to spike words [pass][neuron]."""
    blocks = [spikes[t : t + STEPS] for t in range(0, len(spikes), STEPS)]
    return [[word(list(bits)) for bits in zip(*block, strict=True)] for block in blocks]


if CORE == "event":
    LANES_OUT = LANES

    def frames(count: int) -> list[Frame]:
        return [
            [[random.choice((0, 255, random.getrandbits(8))) for _ in range(N)] for _ in range(PASSES)]
            for _ in range(count)
        ]

    of_parameters({"whole bytes": STEPS == 8})
    declare("bits beyond the steps only")

    def encoded(frame: Frame) -> list[list[int]]:
        for byte in itertools.chain(*frame):
            hit("smallest value", byte == 0)
            hit("largest value", byte == 255)
            hit("bits beyond the steps only", byte and not encode_event(byte, STEPS))
        return [[encode_event(byte, STEPS) for byte in sent] for sent in frame]

    WIDTH = 8

elif CORE == "delta":
    LANES_OUT, WIDTH = 2 * LANES, 8 * STEPS
    THETA = P["THETA"]
    of_parameters(
        {
            "delta": not MODE,
            "sigma-delta": MODE,
            "largest theta": THETA == 255,
            "fewer beats than stages": PASSES > 1 and BEATS < LATENCY,
        }
    )
    DISTANCES = {
        "d on theta": THETA,
        "d one below theta": THETA - 1,
        "d on minus theta": -THETA,
        "d one above minus theta": 1 - THETA,
        "largest d": 255,
        "smallest d": -255,
    }
    declare("ON spike in a later pass", "OFF spike in a later pass", "no spike in a frame", *DISTANCES)

    VALUES = itertools.cycle(random.sample(range(256), 256))  # first samples: every one comes up

    def signal(steps: int) -> list[int]:
        """Steps of theta, one more and one less, up and down from what the encoder has reached; these with a bit
        wrong; and any."""
        samples: list[int] = [next(VALUES)]
        for _ in range(steps - 1):
            spikes = encode_delta(samples, THETA, True) if MODE else []
            reached = THETA * sum(on - off for on, off in spikes) if MODE else samples[-1]
            step = random.choice((1, -1)) * (THETA + random.randint(-1, 1))
            edge = min(max(reached + step, 0), 255)
            wrong = edge ^ 1 << random.randrange(8)
            samples.append(random.choice((0, 255, random.randrange(256), wrong, wrong, *[edge] * 4)))
        return samples

    def frames(count: int) -> list[Frame]:
        drawn = [[signal(PASSES * STEPS) for _ in range(N)] for _ in range(count)]
        return [
            [[pack(samples[t : t + STEPS][::-1], 8) for samples in frame] for t in range(0, PASSES * STEPS, STEPS)]
            for frame in drawn
        ]

    def encoded(frame: Frame) -> list[list[int]]:
        """ON and OFF of the beat's lanes, beat by beat."""
        samples = [[sent[n] >> 8 * (STEPS - 1 - j) & 255 for sent in frame for j in range(STEPS)] for n in range(N)]
        spikes = [encode_delta(x, THETA, bool(MODE)) for x in samples]
        for x, trains in zip(samples, spikes, strict=True):
            cover_channel(x, trains)
        on, off = (in_time([[s[t][side] for s in spikes] for t in range(PASSES * STEPS)]) for side in (0, 1))
        return [
            [w for b in range(0, N, LANES) for half in pair for w in half[b : b + LANES]]
            for pair in zip(on, off, strict=True)
        ]

    def cover_channel(x: list[int], spikes: list[tuple[int, int]]) -> None:
        """One channel and its spikes."""
        hit("smallest value", 0 in x)
        hit("largest value", 255 in x)
        hit("no spike in a frame", len(x) > 1 and (1, 0) not in spikes and (0, 1) not in spikes)
        hit("ON spike in a later pass", (1, 0) in spikes[STEPS:])
        hit("OFF spike in a later pass", (0, 1) in spikes[STEPS:])
        q = 0
        for sample, (on, off) in zip(x, spikes, strict=True):
            for name, d in DISTANCES.items():
                hit(name, sample - q == d)
            q = q + THETA * (on - off) if MODE else sample

else:
    LANES_OUT, WIDTH, TIME = LANES, 8, P["T"]
    of_parameters({"steps no power of two": TIME.bit_count() > 1})
    declare("no spike", "spike in the first step", "spike in the last step")
    if CORE != "ttfs":  # which has one spike
        declare("a spike in every step")
    if CORE == "rate":
        of_parameters({"random": MODE == 0, "regular": MODE == 1})
        declare("draw on the pixel", "draw one below the pixel")
    elif CORE == "phase":
        of_parameters({"fewer steps than bits": TIME < 8, "bits come round again": TIME > 8})
    elif CORE == "burst":
        of_parameters({"one interval": P["ISI_MIN"] == P["ISI_MAX"], "several intervals": P["ISI_MIN"] < P["ISI_MAX"]})
        declare("one spike", "all COUNT spikes", "spikes beyond the frame")

    def frames(count: int) -> list[Frame]:
        """Every pixel value, as far as they go, corners first; every other frame just hits or misses a random draw."""
        values = itertools.cycle([0, 1, 127, 128, 254, 255, *random.sample(range(256), 256)])
        drawn = [[next(values) for _ in range(N)] for _ in range(count)]
        if CORE == "rate" and MODE == 0:
            r = list(itertools.islice(draws(P["SEED"]), TIME * N))
            drawn[1::2] = [
                [min(255, r[random.randrange(TIME) * N + n] + random.randint(0, 1)) for n in range(N)]
                for _ in drawn[1::2]
            ]
        return [[pixels] * PASSES for pixels in drawn]

    def encoded(frame: Frame) -> list[list[int]]:
        pixels = frame[0]
        if CORE == "rate" and MODE == 0:
            spikes = encode_rate_random(pixels, TIME, P["SEED"])
            for p, r in zip(itertools.cycle(pixels), itertools.islice(draws(P["SEED"]), TIME * N), strict=False):
                hit("draw on the pixel", r == p)
                hit("draw one below the pixel", r == p - 1)
        else:
            spike = {
                "rate": encode_rate_regular,
                "ttfs": lambda p, t: encode_ttfs(p, t, TIME),
                "phase": encode_phase,
                "burst": lambda p, t: encode_burst(p, t, P["ISI_MIN"], P["ISI_MAX"], P["COUNT"]),
            }[CORE]
            spikes = [[spike(p, t) for p in pixels] for t in range(TIME)]
        for p, train in zip(pixels, zip(*spikes, strict=True), strict=True):
            cover_pixel(p, train)
        return in_time(spikes)

    def cover_pixel(pixel: int, spikes: tuple[int, ...]) -> None:
        """One pixel and its spikes."""
        hit("smallest value", pixel == 0)
        hit("largest value", pixel == 255)
        hit("no spike", not any(spikes))
        hit("spike in the first step", TIME > 1 and spikes[0])
        hit("spike in the last step", TIME > 1 and spikes[-1])
        if CORE != "ttfs":
            hit("a spike in every step", TIME > 1 and all(spikes))
        if CORE == "burst":
            hit("one spike", P["COUNT"] > 1 and sum(spikes) == 1)
            hit("all COUNT spikes", 1 < P["COUNT"] == sum(spikes))
            hit("spikes beyond the frame", sum(spikes) < (P["COUNT"] * pixel + 255) // 256)


def beats(passes: list[list[int]], lanes: int, width: int) -> list[Beat]:
    return [
        Beat(pack(sent[n : n + lanes], width), n + lanes == len(sent))
        for sent in passes
        for n in range(0, len(sent), lanes)
    ]


def push(tb: TB, count: int) -> None:
    for frame in frames(count):
        sent = beats(frame, LANES, WIDTH)
        tb.send([Beat(b.data, random.random() < 0.5) for b in sent] if WRONG_LAST else sent)
        tb.expect(beats(encoded(frame), LANES_OUT, STEPS))


def bench(dut, flow: str = "full") -> TB:
    return TB(dut, flow, sources=(SOURCE,), sinks=("m_spike",))


@cocotb.test()
@cocotb.parametrize(flow=list(FLOWS))
async def values(dut, flow):
    tb = bench(dut, flow)
    await tb.reset()
    push(tb, 4 + (300 // N if flow == "full" else 4))
    await tb.finish()
    if flow == "full":
        delays = {m - s for s, m in zip(tb.source.accepted, tb.sink.accepted, strict=True)}
        assert delays == {LATENCY}
        assert set(tb.sink.last_gaps()) == {CYCLES}, f"cycles per pass {tb.sink.last_gaps()}, expected {CYCLES}"


@cocotb.test()
async def reset_in_the_middle(dut):
    tb = bench(dut, "both")
    await tb.reset()
    for _ in range(8):
        before = len(tb.source.accepted)
        push(tb, 2)
        await tb.wait(random.randrange(2, 3 * BEATS * PASSES + 10))
        if CORE != "event":  # which counts no passes
            hit("reset in a later pass", (len(tb.source.accepted) - before) // BEATS % PASSES)
        await tb.reset(1)
        push(tb, 2)
        await tb.finish()
