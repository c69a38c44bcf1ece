# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The critical cycle of a pipeline: below no schedule, and nearly always equal to it."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from pyflow import zoo
from pyflow.__main__ import main
from pyflow.cores.precedence import Precedences
from pyflow.errors import VolleyError
from pyflow.operators import Linear
from pyflow.planning import schedule
from pyflow.planning.board import load_board
from pyflow.planning.critical import critical
from pyflow.planning.netlist import Netlist
from pyflow.planning.planner import plan
from tests.flow.random_graphs import random_graph
from tests.flow.random_models import random_folding, random_network

BOARD = load_board("pynq-z2")
FRAMES = 6


def netlist_of(seed: int) -> Netlist:
    """Images, sequences, and networks over time, in turn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if seed % 3 == 2:
            return plan(random_graph(seed)[0], BOARD).netlist
        network, _ = random_network(seed, 2 - seed % 3)
        return plan(network, BOARD, folding=random_folding(network, seed)).netlist


def settled(gaps: np.ndarray) -> Fraction:
    """Mean of the gaps between frames that come in turn at the end, as 7, 9, 7, 9."""
    last = gaps[len(gaps) // 2 :]
    turns = (n for n in range(1, len(last) // 2) if (last[n:] == last[:-n]).all())
    n = next(turns, len(last))
    return Fraction(int(last[-n:].sum()), n)


def compared(seed: int) -> str:
    netlist = netlist_of(seed)
    try:
        least = critical(netlist).least
    except VolleyError as e:
        return f"refused: {e}"
    exact: float | Fraction = schedule.predict(netlist).cycles_per_frame
    if least > exact:  # deep buffers were still filling, or gaps that come in turn were not all counted
        with pytest.MonkeyPatch.context() as longer:
            longer.setattr(schedule, "FRAMES", 10 * schedule.FRAMES)
            exact = settled(np.diff(schedule.predict(netlist).ends))
    return "equal" if least == exact else "below" if least < exact else f"seed {seed}: {least} above {exact}"


@pytest.mark.parametrize("seed", range(6))
def test_the_exact_schedule_keeps_every_inequality(seed: int) -> None:
    """Times of all streams, and of the reads of buffers, against all edges between them."""
    netlist = netlist_of(seed)
    joined = schedule.join(netlist, {})
    found = Precedences(joined.beats)
    found.of_channel(joined.host)
    for name, core in joined.cores:
        found.add(core, name)
    joined.host.valid = [0] * (joined.host.beats * FRAMES)
    wanted = joined.out.beats * FRAMES
    assert schedule._run([core for _, core in joined.cores], lambda: len(joined.out.moved) < wanted)
    times = {events.first: channel.valid for channel, events in found.shown.items()}
    times |= {events.first: channel.moved for channel, events in found.moved.items()}
    known = [events for events, _ in found.owners if events.first in times]
    at = np.full((FRAMES, found.nodes), -1, dtype=np.int64)
    for events in known:
        row = np.array(times[events.first][: FRAMES * events.count], dtype=np.int64)
        whole = len(row) // events.count
        at[:whole, events.first : events.first + events.count] = row[: whole * events.count].reshape(whole, -1)
    edges = found.edges()
    checked = 0
    for frame in range(2, FRAMES):
        before = frame - edges.delay
        both = (before >= 0) & (at[frame, edges.head] >= 0)
        both[both] &= at[before[both], edges.tail[both]] >= 0
        late = at[frame, edges.head[both]] - at[before[both], edges.tail[both]] - edges.weight[both]
        assert (late >= 0).all()
        checked += int(both.sum())
    assert checked > 3 * len(known)


def test_cycles_of_random_networks() -> None:
    found = Counter(compared(seed) for seed in range(20, 29))
    assert set(found) <= {"equal", "below"}
    assert found["equal"] >= 7


@pytest.mark.long
def test_cycles_of_many_random_networks() -> None:
    found = Counter(compared(seed) for seed in range(1000, 2200))
    assert set(found) <= {"equal", "below"}
    assert found["equal"] >= 1100


def test_the_shipped_networks_reach_what_their_cores_allow() -> None:
    network = zoo.load("lenet5")
    made = plan(network, BOARD, cycles_per_frame=500)
    found = critical(made.netlist)
    assert found.least == made.schedule.cycles_per_frame == 500
    assert len(found.cores) == 1
    assert "fold its layer wider" in found.advice


def test_layers_that_skip_zeros_are_refused_by_name() -> None:
    network, _ = random_network(3)
    folding = random_folding(network, 3)
    for op in network.operators:
        if isinstance(op, Linear):
            folding["layers"][op.name]["events"] = 1
    made = plan(network, BOARD, folding=folding)
    with pytest.raises(VolleyError, match="the times of EventRows depend on data"):
        critical(made.netlist)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyse", "digits", "--json", str(tmp_path / "out.json")]) == 0
    said = capsys.readouterr().out
    outcome = json.loads((tmp_path / "out.json").read_text())
    assert "256 by the schedule, none fewer with these cores" in said
    assert outcome["least"] == [256, 1]
    assert outcome["cycles_per_frame"] == 256
    assert outcome["critical_cycle"][0]["core"] in said
