# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_tile_ring: networks on tiles; every spike is the reference's, every flit leaves in the model's cycle."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.handle import Immediate
from cocotb.triggers import FallingEdge, ReadOnly

from pyflow.graph import Network
from pyflow.machines.tiles.flits import END
from pyflow.machines.tiles.image import first_neurons
from pyflow.machines.tiles.system import Role
from verif.tb.axis import PERIOD_NS, params
from verif.tb.coverage import declare, hit, of_parameters
from verif.tb.tile_nets import Built, Case, case, forward, recurrent

P = params()
TILES, BUILT = P["TILES"], Built.of(P)
TIMES = BUILT.times
SPIKE, ENDS, CREDIT = range(3)
of_parameters(
    {
        "one tile": TILES == 1,
        "one neuron per cycle": P["LANES"] == 1,
        "several neurons per cycle": P["LANES"] > 1,
        "wide weights": P["WEIGHT_W"] > 4,
        "a fraction": P["FRAC"] > 0,
    }
)
declare(
    "a step without events",
    "an odd number of events",
    "every neuron spikes",
    "no neuron spikes",
    "several folds",
    "a step right behind another",
    "a step that waited",
)
FLIT_W = 40


class Flit(NamedTuple):
    nodes: int
    kind: int
    last: int
    step: int
    source: int
    neuron: int

    def packed(self) -> int:
        high = self.nodes << 24 | self.kind << 22 | self.last << 21 | self.step << 19
        return high | self.source << 12 | self.neuron


def unpacked(data: int) -> Flit:
    return Flit(data >> 24, data >> 22 & 3, data >> 21 & 1, data >> 19 & 3, data >> 12 & 127, data & 4095)


class Host:
    """Both ends of the host: tokens of the inputs, credits of the answers. Its own bookkeeping of credits and room."""

    def __init__(self, of: Case) -> None:
        self.of, system = of, of.system
        roles = [context.role for context in system.contexts]
        self.source, self.sink = roles.index(Role.SOURCE), roles.index(Role.SINK)
        self.steps = of.spikes.steps
        self.tokens: deque[tuple[int, Flit]] = deque()  # cycle of entry
        self.credits: deque[tuple[int, Flit]] = deque()
        self.begun, self.free, self.used = 0, 0, 0
        self.answered, self.answer_free = 0, 0
        targets = [system.connections[n].target for n in system.out[self.source]]
        answers = [system.connections[n].source for n in system.into[self.sink]]
        self.got = {target: [0] * system.credits for target in targets}  # cycles from which each credit counts
        self.ended: dict[int, list[int]] = {source: [] for source in answers}
        unit = system.units[system.unit_of[self.source]]
        self.room = system.room_of(unit)
        self.readers = sum(1 << system.node(target) for target in set(targets))
        self.answers = sum({1 << system.node(source) for source in answers})

    def arrives(self, cycle: int, flit: Flit) -> None:
        if flit.kind == CREDIT:
            self.got[flit.source].append(cycle + TIMES.start)
        elif flit.kind == ENDS:
            self.ended[flit.source].append(cycle + TIMES.start)

    def works(self, cycle: int) -> None:
        """Begins what can begin in this cycle."""
        step, size = self.begun, self.of.system.contexts[self.source].neurons + 1
        there = all(len(at) > step and at[step] <= cycle for at in self.got.values())
        ready = self.of.spikes.ready
        there &= ready is None or (step < self.steps and ready[step] <= cycle)
        if step < self.steps and cycle >= self.free and there and self.used + size <= self.room:
            last, neurons = int(step in self.of.spikes.last), self.of.spikes.neurons[self.source][step]
            read = self.of.system.read(self.source, sums=False)
            neurons = neurons[read[neurons]]
            for k, neuron in enumerate([*neurons.tolist(), END]):
                kind = ENDS if neuron == END else SPIKE
                flit = Flit(self.readers, kind, last, step % 4, self.source, max(0, neuron))
                self.tokens.append((cycle + 1 + k, flit))
            self.free = cycle + len(neurons) + 1
            self.used += size
            self.begun += 1
        step = self.answered
        if cycle >= self.answer_free and all(len(at) > step and at[step] <= cycle for at in self.ended.values()):
            self.credits.append((cycle + 1 + TIMES.release, Flit(self.answers, CREDIT, 0, step % 4, self.sink, 0)))
            self.answered, self.answer_free = step + 1, cycle + 1

    def left(self, flit: Flit, sent: int) -> None:
        """A token has left; sent: spikes of its step before."""
        size = self.of.system.contexts[self.source].neurons + 1
        self.used -= size - sent if flit.kind == ENDS else 1


async def start(dut: Any) -> None:
    dut.rst.value = 1
    dut.clk.value = Immediate(0)
    for port in ("load_we", "s_token_tvalid", "s_credit_tvalid"):
        getattr(dut, port).value = 0
    Clock(dut.clk, PERIOD_NS, unit="ns").start(start_high=False)
    for _ in range(3):
        await FallingEdge(dut.clk)
    dut.rst.value = 0


async def load(dut: Any, of: Case) -> None:
    dut.wheel_last.value = of.slots.wheel - 1
    writes = [(1, node, word) for node, words in enumerate(of.nodes) for word in words]
    writes += [(0, node, word) for node, words in of.tiles.items() for word in words]
    dut.load_we.value = 1
    for slots, node, (address, data) in writes:
        dut.load_slots.value, dut.load_node.value = slots, node
        dut.load_addr.value, dut.load_data.value = address, data
        await FallingEdge(dut.clk)
    dut.load_we.value = 0
    for _ in range(40):
        await FallingEdge(dut.clk)


async def play(dut: Any, of: Case) -> dict[int, list[tuple[int, Flit]]]:
    """Flits by source, with the cycle in which each left."""
    host, system = Host(of), of.system
    node = [system.node(n) for n in range(len(system.contexts))]
    found: dict[int, list[tuple[int, Flit]]] = {n: [] for n in range(len(node))}
    expected = sum(len(sent.left) for sent in of.run.flits) + int((of.run.credit >= 0).sum())
    while int(dut.slot.value) != 1 % of.slots.wheel:
        await FallingEdge(dut.clk)
    cycle, count, sent = 0, 0, 0
    until = 100 + max(of.run.credit.max(), max(int(sent.left[-1]) for sent in of.run.flits))
    while cycle < until:
        host.works(cycle)
        tokens, credits = host.tokens, host.credits
        for name, queue in (("s_token", tokens), ("s_credit", credits)):
            there = bool(queue) and queue[0][0] < cycle
            getattr(dut, f"{name}_tvalid").value = int(there)
            getattr(dut, f"{name}_tdata").value = queue[0][1].packed() if there else random.getrandbits(FLIT_W)
        await ReadOnly()
        links, data = int(dut.link_valid.value), int(dut.link.value)
        for n in range(TILES + 1):
            if links >> n & 1:
                flit = unpacked(data >> n * FLIT_W & ((1 << FLIT_W) - 1))
                if node[flit.source] == n:
                    found[flit.source].append((cycle - 1, flit))
                    count += 1
        if int(dut.arrives.value):
            host.arrives(cycle, unpacked(int(dut.arrived.value)))
        for name, queue in (("s_token", tokens), ("s_credit", credits)):
            if int(getattr(dut, f"{name}_tvalid").value) and int(getattr(dut, f"{name}_tready").value):
                flit = queue.popleft()[1]
                if name == "s_token":
                    host.left(flit, sent)
                    sent = 0 if flit.kind == ENDS else sent + 1
        await FallingEdge(dut.clk)
        cycle += 1
    dut._log.info(f"{count} flits of {expected} in {cycle} cycles")
    return found


def compare(of: Case, found: dict[int, list[tuple[int, Flit]]]) -> None:
    """Spikes, order and cycles of all tokens, cycles of all credits."""
    system = of.system
    numbers = first_neurons(system)
    offset = dict.fromkeys(range(len(system.contexts)), 0)
    for sent in sorted(of.run.flits, key=lambda sent: (sent.context, sent.step)):
        name, last = system.contexts[sent.context].name, int(sent.step in of.spikes.last)
        tokens = [(at, flit) for at, flit in found[sent.context] if flit.kind != CREDIT]
        first = offset[sent.context]
        got = tokens[first : first + len(sent.left)]
        offset[sent.context] += len(sent.left)
        where = f"{name}, step {sent.step}"
        neurons = [END if flit.kind == ENDS else flit.neuron - numbers[sent.context] for _, flit in got]
        assert neurons == sent.neuron.tolist(), f"{where}: spikes {neurons}, reference {sent.neuron.tolist()}"
        assert all(flit.step == sent.step % 4 and flit.last == last for _, flit in got), where
        left = [at for at, _ in got]
        assert left == sent.left.tolist(), f"{where}: left {left}, model {sent.left.tolist()}"
    for context in range(len(system.contexts)):
        credits = [at for at, flit in found[context] if flit.kind == CREDIT]
        expected = [at for at in of.run.credit[context].tolist() if at >= 0]
        assert credits == expected, f"{system.contexts[context].name}: credits {credits}, model {expected}"
        count = sum(flit.kind != CREDIT for _, flit in found[context])
        assert count == offset[context], f"{system.contexts[context].name}: more flits than the model's"


def frames(rng: np.random.Generator, count: int, inputs: int) -> np.ndarray:
    return rng.integers(0, 256, (count, 1, 1, inputs)).astype(np.uint8)


def generator() -> np.random.Generator:
    return np.random.default_rng(random.getrandbits(32))


def cover(of: Case) -> None:
    for n, context in enumerate(of.system.contexts):
        if context.role is not Role.TILE:
            continue
        events, start, spikes = of.run.events[n], of.run.start[n], of.spikes.neurons[n]
        busy = np.array([TIMES.busy(context.neurons, int(count)) for count in events])
        hit("a step without events", (events == 0).any())
        hit("an odd number of events", (events % 2).any())
        hit("every neuron spikes", any(len(step) == context.neurons for step in spikes))
        hit("no neuron spikes", any(len(step) == 0 for step in spikes))
        hit("several folds", TIMES.folds(context.neurons) > 1)
        hit("a step right behind another", (np.diff(start) == busy[:-1]).any())
        hit("a step that waited", (np.diff(start) > busy[:-1]).any())


async def check(
    dut: Any, net: Network, pieces: Sequence[int], tile: Sequence[int], x: np.ndarray, wheel: int = 32,
    ready: Sequence[int] | None = None,
) -> None:  # fmt: skip
    of = case(BUILT, net, pieces, tile, TILES, x, wheel, ready)
    await start(dut)
    await load(dut, of)
    compare(of, await play(dut, of))
    cover(of)


@cocotb.test()
@cocotb.parametrize(steps=[1, 2, 7], wheel=[16, 32])
async def feed_forward(dut, steps, wheel):
    rng = generator()
    sizes = BUILT.sizes(rng, TILES)
    net = forward(BUILT, rng, sizes, steps)
    await check(dut, net, sizes[1:], range(TILES), frames(rng, 12 // steps + 2, sizes[0]), wheel)


@cocotb.test(skip=TILES < 2)
@cocotb.parametrize(steps=[2, 3, 9])
async def with_a_loop(dut, steps):
    rng = generator()
    most = min(25, BUILT.tile.widest // 3, BUILT.tile.neurons // 2)
    inputs, size, last = (int(size) for size in rng.integers(2, most, 3))
    net = recurrent(BUILT, rng, (inputs, size, last), steps)
    pieces = [size // 2, size - size // 2, last] if TILES > 2 else [size, last]
    await check(dut, net, pieces, rng.permutation(TILES)[: len(pieces)].tolist(), frames(rng, 12 // steps + 2, inputs))


@cocotb.test()
@cocotb.parametrize(shape=["tall", "wide", "one less", "one"])
async def full_tiles(dut, shape):
    """The largest and the smallest clusters; most neurons spike in every step."""
    rng, tile = generator(), BUILT.tile
    axons = min(tile.widest, tile.fan_in)
    neurons = min(tile.neurons, BUILT.room - 1, axons if TILES > 1 else tile.neurons)
    first = {
        "tall": (axons, tile.lanes),
        "wide": (tile.rows // tile.neurons * tile.lanes, neurons),
        "one less": (axons - 1, tile.lanes - 1),
        "one": (1, 1),
    }[shape]
    sizes = [*first, *[1] * (TILES - 1)]
    x = np.maximum(frames(rng, 3, sizes[0]), 250)
    await check(dut, forward(BUILT, rng, sizes, 4), sizes[1:], range(TILES), x, 16)


@cocotb.test()
async def inputs_that_come_late(dut):
    rng = generator()
    sizes = BUILT.sizes(rng, TILES)
    ready = np.cumsum(rng.integers(0, 150, 24)).tolist()
    await check(dut, forward(BUILT, rng, sizes, 3), sizes[1:], range(TILES), frames(rng, 8, sizes[0]), 32, ready)


@cocotb.test(skip=TILES < 2)
async def two_contexts_of_a_tile(dut):
    """Layers in turn on two tiles, so that no two contexts of a tile read the same."""
    rng = generator()
    most = min(50, BUILT.tile.widest // 3, BUILT.tile.neurons // 3 - 1)
    sizes = [int(size) for size in rng.integers(1, most, 6)]
    await check(dut, forward(BUILT, rng, sizes, 3), sizes[1:], [0, 1, 0, 1, 0], frames(rng, 8, sizes[0]))
