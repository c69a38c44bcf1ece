# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The flit-level model of tiles, its slots, and the guarantee that every run of it keeps."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from benchmarks.tile_systems import kept, late, random_case, random_spikes
from pyflow.errors import VolleyError
from pyflow.machines.tiles.flits import END, Run, Spikes, caps_of, run
from pyflow.machines.tiles.guarantee import best_slots, guarantee
from pyflow.machines.tiles.slots import TOKENS, Slots, allocate, queues
from pyflow.machines.tiles.system import Connection, Context, Role, System, Times, Unit
from pyflow.machines.tiles.topology import Mesh, Ring

NONE = np.zeros(0, dtype=np.int64)


def _line(*, delay: bool = False, credits: int = 2, room: int = 512) -> System:
    """Four inputs, a cluster of 20 neurons, the readout. delay: the cluster reads itself a step later."""
    every = np.arange(20)
    connections = [Connection(0, 1, np.arange(4)), Connection(1, 2, every)]
    connections += [Connection(1, 1, every, 1)] * delay
    contexts = (Context("in", 4, Role.SOURCE), Context("a", 20), Context("out", 0, Role.SINK))
    units = (Unit(2, (0,)), Unit(0, (1,)), Unit(2, (2,)))
    return System(Ring(2), contexts, tuple(connections), units, room=room, credits=credits)


def _spikes(*neurons: list[list[int]], last: frozenset[int] = frozenset()) -> Spikes:
    return Spikes([[np.array(step, dtype=np.int64) for step in steps] for steps in neurons], last)


def _slots(wheel: int, *owned: tuple[list[int], list[int]]) -> Slots:
    return Slots(wheel, tuple((np.array(a, dtype=np.int64), np.array(b, dtype=np.int64)) for a, b in owned))


def test_times_by_hand() -> None:
    """Wheel 4: the host's tokens in slots 0 and 2, the cluster's in 1, credits in 3 of each."""
    slots = _slots(4, ([0, 2], []), ([1], [3]), ([], [3]))
    found = run(_line(), slots, _spikes([[0, 1, 3], []], [[19], []], [[], []]))
    of = {(sent.context, sent.step): sent for sent in found.flits}
    # Spikes enter the queue in cycles 1, 2, 3, END in 4; each leaves in an even cycle behind that.
    assert of[0, 0].queued.tolist() == [1, 2, 3, 4]
    assert of[0, 0].left.tolist() == [2, 4, 6, 8]
    assert of[0, 0].neuron.tolist() == [0, 1, 3, END]
    # From the host to tile 0 is one hop; the step begins 2 cycles after its END is there. 20 neurons are two folds of
    # 8 cycles each; neuron 19 is in the second cycle of the second fold, and END behind it.
    assert found.start[1, 0] == 8 + 1 + 2
    assert found.events[1, 0] == 3
    assert of[1, 0].queued.tolist() == [11 + 16 + 9 + 1] * 2
    assert of[1, 0].left.tolist() == [41, 45]
    assert found.start[2, 0] == 45 + 2 + 2  # two hops
    # The list is read after 16 cycles; a cycle later the credit is in the queue, and leaves in a slot behind that.
    assert found.credit[1, 0] == 31
    # The host begins the second step once the first is in its queue, and sends END alone.
    assert found.start[0, 1] == 4
    assert of[0, 1].left.tolist() == [10]
    assert found.start[1, 1] == 11 + 16  # the array is busy till then


def test_a_frame_begins_without_what_was_before() -> None:
    """Behind a frame's last step the state is empty: END alone goes round, and no event is read."""
    system = _line(delay=True)
    slots = allocate(system, [4, 20, 0], 16)
    spikes = _spikes([[0]] * 4, [[1, 2], [3], [4, 5, 6], []], [[]] * 4, last=frozenset({1}))
    assert run(system, slots, spikes).events[1].tolist() == [1, 1 + 2, 1, 1 + 3]


def test_partial_sums_are_sent_whatever_spikes() -> None:
    contexts = (Context("in", 3, Role.SOURCE), Context("part", 5), Context("home", 5), Context("out", 0, Role.SINK))
    every = np.arange(5)
    connections = (
        Connection(0, 1, np.arange(3)), Connection(0, 2, np.arange(1)), Connection(1, 2, every, sums=True),
        Connection(2, 3, every),
    )  # fmt: skip
    system = System(Ring(2), contexts, connections, (Unit(2, (0,)), Unit(0, (1,)), Unit(1, (2,)), Unit(2, (3,))))
    caps = [3, 1, 5, 0]
    assert [system.most_flits(n, cap) for n, cap in enumerate(caps)] == [4, 6, 6, 1]
    found = run(system, allocate(system, caps, 16), _spikes([[0, 2]], [[]], [[1]], [[]]))
    assert [sent.neuron.tolist() for sent in found.flits if sent.context == 1] == [[0, 1, 2, 3, 4, END]]
    assert found.events[:, 0].tolist() == [0, 2, 1, 1]


@pytest.mark.parametrize("seed", range(12))
def test_no_two_flits_meet(seed: int) -> None:
    """On no link, in no cycle; and tokens leave in order."""
    case = random_case(seed)
    found = run(case.system, case.slots, random_spikes(case, seed, 12, 0.7))
    used: set[tuple[int, int]] = set()
    for queue in queues(case.system, case.caps):
        rows = found.credit[list(case.system.units[queue.unit].order)]
        left = rows[rows >= 0]
        if queue.kind == TOKENS:
            left = np.concatenate([s.left for s in found.flits if case.system.unit_of[s.context] == queue.unit])
        for link, after in zip(queue.links.tolist(), queue.after.tolist(), strict=True):
            cells = {(link, cycle + after) for cycle in left.tolist()}
            assert len(cells) == len(left)
            assert not cells & used
            used |= cells
    for sent in found.flits:
        assert (np.diff(sent.left) > 0).all()
        assert (sent.left > sent.queued).all()


@pytest.mark.parametrize("seed", range(12))
def test_a_list_holds_two_steps(seed: int) -> None:
    """A token's first flit arrives after the list is read of the token two before it."""
    case = random_case(seed)
    system = case.system
    found = run(system, case.slots, random_spikes(case, seed, 12, 0.7))
    first = np.full(found.start.shape, -1)
    for sent in found.flits:
        first[sent.context, sent.step] = sent.left[0]
    for n, of in enumerate(system.connections):
        for step in range(12):
            token = step - system.credits + of.delay  # the target's step that read its place
            if token >= 0:
                assert first[of.source, step] + system.latency[n] > found.credit[of.target, token]


@pytest.mark.slow
def test_every_token_keeps_the_guarantee() -> None:
    assert kept(range(40), 20) == {"kept": 80}


def test_a_step_that_sends_nothing_waits_for_room_too() -> None:
    """Contexts that nobody reads, on a tile whose queue has just room for one step."""
    assert kept([349, 491], 30) == {"kept": 4}


def test_the_guarantee_is_checked_not_assumed() -> None:
    """A run above the cap, or of slower tiles, is found to be late."""
    case = random_case(3)
    promised = guarantee(case.system, case.slots, case.caps)
    slower = replace(case.system, times=replace(case.system.times, pipeline=60))
    assert late(run(slower, case.slots, random_spikes(case, 0, 20)), promised)


@pytest.mark.parametrize("seed", range(15))
def test_fewer_spikes_are_never_later(seed: int) -> None:
    """Tiles have no timing anomaly: a run with some of the spikes is nowhere behind the run with all."""
    case = random_case(seed)
    many = random_spikes(case, seed, 15)
    rng = np.random.default_rng(seed)
    few = Spikes([[step[rng.random(len(step)) < 0.6] for step in steps] for steps in many.neurons], many.last)
    slow, fast = run(case.system, case.slots, many), run(case.system, case.slots, few)
    assert (fast.start <= slow.start).all()
    assert (fast.ends <= slow.ends).all()
    assert (fast.credit <= slow.credit).all()


@pytest.mark.parametrize("seed", range(8))
def test_with_every_step_at_the_cap_the_guarantee_is_close(seed: int) -> None:
    case = random_case(seed)
    caps = [context.neurons for context in case.system.contexts]
    slots, promised = best_slots(case.system, caps)
    full = [[np.arange(context.neurons)] * 60 for context in case.system.contexts]
    found = run(case.system, slots, Spikes(full, frozenset()))
    assert not late(found, promised)
    assert found.period(20) >= 0.8 * promised.period


def test_one_credit_fewer_costs_what_is_guaranteed() -> None:
    """With one credit the host waits for each step to be read."""
    spikes = _spikes([[0, 1, 2, 3]] * 60, [list(range(20))] * 60, [[]] * 60)
    periods, bounds = [], []
    for credits in (2, 1):
        system = _line(credits=credits)
        slots = allocate(system, [4, 20, 0], 8)
        promised = guarantee(system, slots, [4, 20, 0])
        found = run(system, slots, spikes)
        assert not late(found, promised)
        periods.append(found.period(20))
        bounds.append(float(promised.period))
    assert periods[1] > periods[0]
    assert bounds[1] > bounds[0]
    assert all(0.85 * bound <= period <= bound for period, bound in zip(periods, bounds, strict=True))


def test_room_for_the_whole_output_is_waited_for() -> None:
    """A queue that holds one step of 21 flits, and a slot in 8 cycles: the next step waits till the last has left."""
    spikes = _spikes([[0]] * 6, [list(range(20))] * 6, [[]] * 6)
    slots = _slots(8, ([0, 2, 4, 6], []), ([1], [3]), ([], [3]))
    narrow, wide = (run(_line(room=room), slots, spikes) for room in (21, 512))
    ends = narrow.ends[1]
    assert (narrow.start[1, 1:] > ends[:-1]).all()
    assert (wide.start[1, 1:] <= ends[:-1]).any()
    promised = guarantee(_line(room=21), slots, [4, 20, 0])
    assert not late(narrow, promised)
    assert any("room" in step.why for step in promised.critical)


def test_an_input_that_comes_late_moves_its_step() -> None:
    system, slots = _line(), _slots(4, ([0, 2], []), ([1], [3]), ([], [3]))
    spikes = replace(_spikes([[0], [1]], [[], []], [[], []]), ready=[0, 5000])
    assert run(system, slots, spikes).start[0].tolist() == [0, 5000]


def test_the_critical_cycle_is_named() -> None:
    """A fold of 784 events, two in a cycle: the array decides."""
    contexts = (Context("in", 784, Role.SOURCE), Context("hidden", 16), Context("out", 0, Role.SINK))
    connections = (Connection(0, 1, np.arange(784)), Connection(1, 2, np.arange(16)))
    times = Times(events=1, pe=4)
    system = System(Ring(1), contexts, connections, (Unit(1, (0,)), Unit(0, (1,)), Unit(1, (2,))), times, room=1000)
    slots, promised = best_slots(system, [500, 16, 0])
    assert promised.period == Fraction(4 * 500)
    assert [str(step) for step in promised.critical] == ["hidden begins (the unit is busy, +2000)"]
    promised.certificate.check(promised.edges)
    assert slots.wheel == 8


def test_departures_and_waits_are_those_of_a_count() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        wheel = int(rng.integers(1, 20))
        owned = np.sort(rng.choice(wheel, int(rng.integers(1, wheel + 1)), replace=False))
        slots = Slots(wheel, ((owned, NONE),))
        ready = np.sort(rng.integers(0, 60, 12))
        at, expected = int(rng.integers(-1, 30)), []
        after = at
        for cycle in ready.tolist():
            after = max(cycle, after + 1)
            while after % wheel not in owned:
                after += 1
            expected.append(after)
        assert slots.departures(0, TOKENS, ready, at).tolist() == expected
        wait = slots.wait(0, TOKENS)
        late = [
            slots.departures(0, TOKENS, np.full(30, first), -1) - first - np.arange(1, 31) * wheel / len(owned)
            for first in range(wheel)
        ]
        assert wait - 1 < np.max(late) - 1e-9 <= wait


def test_caps_come_of_runs() -> None:
    system = _line()
    one, two = _spikes([[0], [0, 1]], [[], []], [[], []]), _spikes([[3]], [[4]], [[]])
    assert caps_of(system, [one, two]) == [2, 1, 0]
    assert one.above([1, 1, 0]) == [1]
    assert one.above([2, 1, 0]) == []


def test_clusters_in_a_wrong_order_are_named() -> None:
    """The second of two clusters that follow each other stands first on their tile."""
    contexts = (Context("in", 2, Role.SOURCE), Context("a", 4), Context("b", 4), Context("out", 0, Role.SINK))
    connections = tuple(Connection(n, n + 1, np.arange(2)) for n in range(3))
    units = (Unit(1, (0,)), Unit(0, (2, 1)), Unit(1, (3,)))
    system = System(Ring(1), contexts, connections, units)
    slots = allocate(system, [2, 2, 2, 0], 32)
    with pytest.raises(VolleyError, match="deadlock: a, b wait for each other in every step"):
        guarantee(system, slots, [2, 2, 2, 0])
    with pytest.raises(VolleyError, match=r"deadlock: .*b, step 0: END of a → b"):
        run(system, slots, _spikes([[]], [[]], [[]], [[]]))


def _wrong(**changes: object) -> System:
    return replace(_line(), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: _wrong(connections=(Connection(0, 1, np.arange(4), 2),)), "in → a: a delay of 2 steps"),
        (lambda: _wrong(connections=(Connection(0, 1, np.array([4])),)), "in → a: reads neurons"),
        (lambda: _wrong(connections=(Connection(2, 1, NONE),)), "a sink sends nothing"),
        (lambda: _wrong(connections=(Connection(0, 5, NONE),)), "there is no context 5"),
        (lambda: _wrong(room=20), "a: a step may send 21 flits, its queue holds 20"),
        (lambda: _wrong(credits=0), "credits: 0"),
        (lambda: _wrong(units=(Unit(2, (0, 1)), Unit(2, (2,)))), "in, a: an end of the host is a unit of its own"),
        (lambda: _wrong(units=(Unit(2, (0,)), Unit(2, (2,)))), "a is on 0 units"),
        (lambda: _wrong(units=(Unit(2, (0,)), Unit(7, (1,)), Unit(2, (2,)))), "a: node 7; a ring of 2 has 0 to 2"),
        (
            lambda: _wrong(connections=(Connection(1, 2, np.arange(9)), Connection(1, 2, np.arange(8, 20), sums=True))),
            "a: neuron 8 sends spikes and partial sums",
        ),
        (lambda: Context("x", 0), "x: 0 neurons"),
        (lambda: Times(lanes=0), "tile: lanes = 0"),
        (lambda: allocate(_line(), [4, 20, 0], 1), "2 queues send over link .*a wheel of 1"),
        (lambda: allocate(_line(), [4, 20, 0], 0), "a wheel of 0"),
        (lambda: best_slots(_line(), [4, 20, 0], (1,)), "slots: .* a wheel of"),
        (lambda: guarantee(_line(), allocate(_line(), [4, 20, 0], 8), [4]), "1 caps of 3 contexts"),
        (lambda: run(_line(), allocate(_line(), [4, 20, 0], 8), _spikes([[]])), "spikes of 1 contexts"),
    ],
)
def test_refused(make, message: str) -> None:
    with pytest.raises(VolleyError, match=message):
        make()


def test_runs_have_periods() -> None:
    start = np.array([[0, 10, 20, 40], [5, 9, 30, 31]])
    found = Run(_line(), start, start, start, ())
    assert found.period() == 40 / 3
    assert found.period(2) == 20.0
    assert Mesh(2, 2).link_name(24) == "host in"
