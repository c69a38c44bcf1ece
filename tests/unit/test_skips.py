# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Skip connections around a path of another size: their FIFOs keep the frame rate, cannot lock up, and are reported."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from benchmarks import skips
from pyflow.conversion import convert
from pyflow.cores.stream import Fifo
from pyflow.cores.window import Upsample as Core
from pyflow.errors import VolleyError
from pyflow.frontends import load_model
from pyflow.graph import Network
from pyflow.machine import Target
from pyflow.machines.stream import STREAM, StreamPlan
from pyflow.operators import Add, Concat, Conv, Encode, Linear, Operator, RadixNeuron, Readout, SumPool, Upsample
from pyflow.planning.board import load_board
from pyflow.planning.buffers import ENDLESS
from pyflow.planning.lowering import build_netlist
from pyflow.planning.planner import plan
from pyflow.planning.schedule import Deadlock, Schedule, predict
from pyflow.report import layer_rows
from pyflow.report.text import layer_table

REPO = Path(__file__).resolve().parents[2]
BOARD = load_board("pynq-z2")


@functools.cache
def u_net() -> Network:
    model = load_model(f"{REPO / 'examples' / 'u_shape' / 'u_net.py'}:build")
    assert isinstance(model, nn.Module)
    return convert(model, np.random.default_rng(0).random((32, 1, 8, 8)).astype(np.float32), name="u_net")


@functools.cache
def planned() -> StreamPlan:
    return STREAM.plan(u_net(), BOARD, Target())


def with_fifos(**fifos: int) -> Schedule:
    """Of the planned folding, with some FIFOs of other depths."""
    netlist = planned().netlist
    return predict(build_netlist(u_net(), netlist.foldings, {**netlist.fifos, **fifos}))


def skip_fifos() -> dict[str, int]:
    """Those of the branches that end in a concatenation."""
    joins = {op.name for op in u_net().operators if isinstance(op, Concat)}
    return {key: depth for key, depth in planned().netlist.fifos.items() if key.partition(":")[2] in joins}


def test_skips_wait_in_fifos_that_cost_no_cycle() -> None:
    found, fifos = planned(), skip_fifos()
    assert len(fifos) == 2
    assert min(fifos.values()) > 8  # more than a row, at either size
    endless = with_fifos(**dict.fromkeys(found.netlist.fifos, ENDLESS))
    assert endless.cycles_per_frame == found.cycles_per_frame
    assert endless.latency_cycles == found.latency_cycles


def least(key: str) -> int:
    """Beats of a FIFO below which the network stops for ever, the others as planned."""
    low, high = 1, planned().netlist.fifos[key]  # stops (or is none), goes on
    while high - low > 1:
        middle = (low + high) // 2
        try:
            with_fifos(**{key: middle})
            high = middle
        except Deadlock:
            low = middle
    return high


@pytest.mark.parametrize("place", [0, 1])
def test_a_skip_of_too_few_beats_stops_the_network_and_is_refused(place: int) -> None:
    """What stops it depends on the beats that the deep path wants before it gives one, and on no time: so the depth
    that the schedule found, which is more, never can."""
    key, depth = list(skip_fifos().items())[place]
    needed = least(key)
    assert 4 < needed < depth
    with pytest.raises(Deadlock):
        with_fifos(**{key: needed - 1})
    given: dict[str, Any] = planned().folding_json()
    assert plan(u_net(), BOARD, folding=given).schedule == planned().schedule
    given["fifos"] = {key: needed - 1}
    message = rf"folding: fifos: {key}={needed - 1} beats stops the network for ever: .*; {depth} are enough"
    with pytest.raises(VolleyError, match=message) as e:
        plan(u_net(), BOARD, folding=given)
    assert "\n" not in str(e.value)
    given["fifos"] = {key: needed}
    assert plan(u_net(), BOARD, folding=given).schedule.cycles_per_frame >= planned().cycles_per_frame


def test_the_report_lists_them() -> None:
    rows = layer_rows(planned())
    fifos = {fifo.name: fifo for row in rows for fifo in row.fifos}
    built = [inst.source.name for inst in planned().netlist.instances if isinstance(inst.core, Fifo)]
    assert len(fifos) == len(built)
    table = layer_table(rows).splitlines()
    for key, beats in planned().netlist.fifos.items():
        fifo = fifos[key]
        assert (fifo.beats, fifo.held <= beats) == (beats, True)
        (line,) = [line for line in table if line.startswith(f"{key} ")]
        assert line.split()[1:] == [str(beats), str(fifo.width), str(fifo.held), f"{fifo.bram36:g}"]
    assert layer_table([row for row in rows if not row.fifos]).count("FIFO") == 0


def test_the_bench_prints_them(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["skips", "--side", "8", "--board", "kv260", "--cycles", "4000"])
    assert skips.main() == 0
    out = capsys.readouterr().out
    assert "8 x 8 on kv260" in out
    assert "down1_0_neuron:cat2" in out


# ------------------------------------------------------------------ a branch of each rate, by hand
def beside(*way: Operator, join: Operator, channels: int) -> Network:
    """What `way` makes of an 8 x 8 map, joined to that map."""
    head = Linear("fc", (join.name,), weight=np.ones((2, channels * 64, 1, 1)))
    readout = Readout("out", ("fc",), bias=np.zeros(2, np.int64))
    return Network("beside", (1, 8, 8), (Encode("encode", ("input",), 4), *way, join, head, readout))


def fire(name: str, source: str, theta: int) -> RadixNeuron:
    return RadixNeuron(name, (source,), theta=np.full(1, theta), bias=np.zeros(1), steps=4)


NETWORKS = {
    "pool": beside(
        SumPool("pool", ("encode",), (4, 4), (4, 4)), fire("mean", "pool", 16), Upsample("up", ("mean",), (4, 4)),
        join=Concat("cat", ("encode", "up")), channels=2,
    ),
    "rows": beside(
        SumPool("pool", ("encode",), (8, 1), (8, 1)), fire("mean", "pool", 8), Upsample("up", ("mean",), (8, 1)),
        join=Concat("cat", ("up", "encode")), channels=2,
    ),
    "conv": beside(
        Conv("conv", ("encode",), (8, 8), (8, 8), weight=np.ones((1, 1, 8, 8))), fire("mean", "conv", 64),
        Upsample("up", ("mean",), (8, 8)), join=Add("sum", ("encode", "up")), channels=1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", NETWORKS)
def test_other_rates_on_one_path(case: str) -> None:
    """The skip holds what the other path wants before it gives its first beat: all of the map, if need be."""
    network = NETWORKS[case]
    found = plan(network, BOARD)
    (key,) = [key for key in found.netlist.fifos if key.startswith("encode:") and key[7:] in ("cat", "sum")]
    wanted = {"pool": 28, "rows": 57, "conv": 64}[case]  # pixels up to the first window's last one
    assert found.netlist.fifos[key] >= wanted
    with pytest.raises(VolleyError, match=rf"fifos: {key}={wanted - 9} beats stops the network for ever"):
        plan(network, BOARD, folding={**found.folding_json(), "fifos": {key: wanted - 9}})


# ------------------------------------------------------------------ pixels per beat
@pytest.mark.parametrize(("cycles", "pixels"), [(300, 1), (130, 2)])
def test_an_upsampling_gives_as_many_pixels_as_its_reader_wants(cycles: int, pixels: int) -> None:
    rng = np.random.default_rng(1)
    network = Network(
        "up", (1, 8, 8),
        (
            Encode("encode", ("input",), 4), Upsample("up", ("encode",), (2, 2)),
            Conv("conv", ("up",), (3, 3), (1, 1), (1, 1), weight=rng.integers(-3, 4, (2, 1, 3, 3))),
            RadixNeuron("fire", ("conv",), theta=np.full(2, 9), bias=np.zeros(2), steps=4),
            SumPool("pool", ("fire",), (16, 16), (16, 16)),
            Linear("fc", ("pool",), weight=np.ones((2, 2, 1, 1))), Readout("out", ("fc",), bias=np.zeros(2)),
        ),
    )  # fmt: skip
    found = plan(network, BOARD, cycles_per_frame=cycles)
    (core,) = [inst.core for inst in found.netlist.instances if isinstance(inst.core, Core)]
    assert core.out_pix == found.netlist.foldings["conv"].pix == pixels
    assert found.schedule.cycles_per_frame <= cycles
