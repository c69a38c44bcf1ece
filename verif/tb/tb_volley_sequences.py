# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Any layer core, any sequence: tlast on any beat, stalls on any side, reset in any cycle. What comes behind the
reset is exactly what the model says, and all of it.

OWN_BENCH in the environment names the core's own bench, which has the stimuli and the model's answers, EPISODES how
often. An episode is a part of some frames, cut off by a reset, then one to three whole ones.
"""

import itertools
import os
import random
from collections import deque
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any, NamedTuple

import cocotb
from cocotb.triggers import ReadOnly, RisingEdge

from verif.models.weight_source import weight_source
from verif.tb.axis import TB, Beat, Sink, Source, params, random_stall
from verif.tb.coverage import declare, hit
from verif.tb.frames import bad

CORE = os.environ["VOLLEY_CORE"].removeprefix("volley_")
OWN = import_module(f"verif.tb.tb_volley_{os.environ['OWN_BENCH']}")
EPISODES = int(os.environ["EPISODES"])
P = params()
declare("reset in the cycle of a transfer", "reset during a stall")

# The source whose tlast the core passes on or acts upon. Every other one is noise, which it must not follow.
HEARD = {
    "encode_radix": "s_pixel", "synapse_array": "s_spike", "neuron_radix": "s_acc", "readout": "s_acc",
    "synapse_depthwise": "s_spike", "synapse_event": "s_event",
    "pool_max": "s_window", "pool_sum": "s_window", "pool_or": "s_window",
    "add": "s_a", "residual": "s_acc", "sew": "s_a",
    "lane_convert": "s_axis", "frame_guard": "s_axis", "frame_result": "s_logit",
}.get(CORE)  # fmt: skip
SLICES = P.get("FOLDS", 1) if CORE == "synapse_array" else 1  # beats of a window: only the last one's tlast is heard
# They offer beats without being sent any, for ever: the sink takes as many as are expected.
ENDLESS = CORE in ("weight_source", "step_delay")


class Stimuli(NamedTuple):
    """How to use a core's own bench. send: send and expect n frames, or as many beats; the core was just reset."""

    tb: Callable[[Any], TB]
    send: Callable[[TB, int], None]


def one_by_one(tb: TB, frames: int) -> None:
    for inputs, output in random.choices(list(OWN.vectors()), k=8 * frames):
        last = random.random() < 0.3
        for name, data in zip(OWN.SOURCES, inputs, strict=True):
            tb.send([Beat(data, last)], name)
        tb.expect([Beat(output, last)])


def windows(tb: TB, frames: int) -> None:
    tb.expect([Beat(OWN.PAD)] * OWN.EARLY)
    for _ in range(frames):
        tb.send(OWN.push(tb, OWN.random_frame()))


def pixels(tb: TB, frames: int) -> None:
    sent, expected = OWN.vectors(OWN.random_pixels(3 * frames), frame=random.randint(1, 3))
    tb.send(sent)
    tb.expect(expected)


def bad_frames(tb: Any, frames: int) -> None:
    for _ in range(frames):
        tb.push(bad(P["BYTES"]))


STIMULI = {
    "lanes": Stimuli(lambda dut: TB(dut, sources=OWN.SOURCES, sinks=(OWN.SINK,)), one_by_one),
    "eltwise": Stimuli(lambda dut: TB(dut, sources=OWN.SOURCES, sinks=(OWN.SINK,)), lambda tb, n: OWN.push(tb, 8 * n)),
    "encode": Stimuli(lambda dut: OWN.bench(dut), lambda tb, n: OWN.push(tb, n)),
    "replay": Stimuli(lambda dut: TB(dut), lambda tb, n: OWN.push(tb, n)),
    "window": Stimuli(lambda dut: OWN.bench(dut), windows),
    "weight_source": Stimuli(lambda dut: OWN.bench(dut, "full"),
                             lambda tb, n: tb.expect(itertools.islice(weight_source(OWN.ROWS), n * P["DEPTH"] + 1))),
    "synapse_array": Stimuli(lambda dut: OWN.bench(dut),
                             lambda tb, n: OWN.push(tb, [OWN.random_window() for _ in range(3 * n)],
                                                    frame=random.randint(1, 3))),
    "synapse_depthwise": Stimuli(lambda dut: OWN.bench(dut),
                                 lambda tb, n: OWN.push(tb, [OWN.random_window() for _ in range(3 * n)],
                                                        frame=random.randint(1, 3))),
    "event_list": Stimuli(lambda dut: OWN.listening(dut),
                          lambda tb, n: OWN.push(tb, [OWN.random_frame() for _ in range(n)])),
    "synapse_event": Stimuli(lambda dut: OWN.bench(dut),
                             lambda tb, n: OWN.Windows(tb).push([OWN.random_window() for _ in range(2 * n)])),
    "neuron_radix": Stimuli(lambda dut: OWN.bench(dut),
                            lambda tb, n: OWN.push(tb, [OWN.random_neuron() for _ in range(5 * n)],
                                                   frame=random.randint(1, 3))),
    "neuron_lif": Stimuli(lambda dut: OWN.bench(dut), lambda tb, n: OWN.push(tb, n, directed=False)),
    "neuron_membrane": Stimuli(lambda dut: OWN.bench(dut), lambda tb, n: OWN.push(tb, n, directed=False)),
    "pass_state": Stimuli(lambda dut: TB(dut, sources=(OWN.SOURCE,), sinks=(OWN.SINK,)),
                          lambda tb, n: OWN.push(tb, n)),
    "pool_accumulate": Stimuli(lambda dut: OWN.bench(dut), lambda tb, n: OWN.push(tb, n)),
    "step_delay": Stimuli(lambda dut: OWN.bench(dut), lambda tb, n: OWN.push(tb, n)),
    "lane_convert": Stimuli(lambda dut: TB(dut), pixels),
    "frame_guard": Stimuli(lambda dut: OWN.GuardTB(dut), bad_frames),
    "frame_result": Stimuli(lambda dut: OWN.bench(dut), lambda tb, n: OWN.push(tb, n, classes=random.randint(1, 5))),
}[os.environ["OWN_BENCH"]]  # fmt: skip


def noisy(tb: TB) -> None:
    """A coin for every tlast that the core must not follow."""
    for name, source in tb.sources.items():
        source.queue = deque(
            Beat(beat.data, beat.last if name == HEARD and (n + 1) % SLICES == 0 else random.random() < 0.5)
            for n, beat in enumerate(source.queue)
        )


def pace(tb: TB) -> None:
    """New probabilities of stalls."""
    for agent in (*tb.sources.values(), *tb.sinks.values()):
        agent.stall = random_stall(random.choice((0.0, 0.0, 0.3, 0.7)))
    if ENDLESS:
        expected, stall = tb.boards[tb.sink.name].expected, tb.sink.stall
        tb.sink.stall = (not expected or next(stall) for _ in itertools.count())


async def restart(tb: TB) -> None:
    """Reset, with beats offered in its first cycle; then frames, the first beats of which may come right behind it."""
    await RisingEdge(tb.dut.clk)  # so that the sources decide about the cycle before they hear of the reset

    def send() -> None:
        pace(tb)
        STIMULI.send(tb, random.randint(1, 3))
        noisy(tb)

    await tb.reset(random.choice((1, 1, 1, 2, 3)), then=send)  # a longer one hides what it does not reach


async def watch_resets(tb: TB) -> None:
    def any_is(agents: Iterable[Source | Sink], ready: int) -> bool:
        return any((int(a.valid.value), int(a.ready.value)) == (1, ready) for a in agents)

    while True:
        await RisingEdge(tb.dut.rst)
        await ReadOnly()
        hit("reset in the cycle of a transfer", any_is((tb.sources or tb.sinks).values(), ready=1))
        hit("reset during a stall", any_is(tb.sinks.values(), ready=0))


@cocotb.test()
async def any_sequence(dut):
    tb = STIMULI.tb(dut)
    cocotb.start_soon(watch_resets(tb))
    for _ in range(EPISODES):
        await restart(tb)
        beats = max(
            len(queue) for queue in (*(s.queue for s in tb.sources.values()), *(b.expected for b in tb.boards.values()))
        )
        await tb.wait(random.randrange(beats + 10))
        await restart(tb)
        await tb.finish(timeout=500)
