# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The planner: meets its targets, says what is the nearest, keeps to the board, reads back what it writes."""

from __future__ import annotations

import functools
import json
import logging
import math
import re
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pyflow import zoo
from pyflow.conversion import convert
from pyflow.cores.cells import Cost
from pyflow.cores.eltwise import Residual as ResidualCore
from pyflow.cores.stream import Fifo, LaneConvert, Skid
from pyflow.cores.synapse import SynapseArray
from pyflow.errors import VolleyError
from pyflow.graph import Network
from pyflow.planning import bodies, planner
from pyflow.planning.board import load_board
from pyflow.planning.buffers import ENDLESS, branch_fifos, resized
from pyflow.planning.folding import Folding
from pyflow.planning.lowering import build_netlist
from pyflow.planning.planner import Plan, plan, read_folding
from pyflow.planning.schedule import predict
from tests.flow.random_models import random_network
from tests.unit.branches import Residual, headed
from tests.unit.leaky import leaky_mlp

BOARD = load_board("pynq-z2")
REPO = Path(__file__).resolve().parents[2]


def test_a_shipped_network_asks_for_its_target_and_a_small_part_slows_it_down() -> None:
    digits = zoo.load("digits")
    plain = replace(digits, meta={k: v for k, v in digits.meta.items() if k != "cycles_per_frame"})
    asked, fast, small = plan(digits, BOARD), plan(plain, BOARD), plan(digits, load_board("icebreaker"))
    page = REPO / "docs" / "decisions" / "0008-default-target-of-shipped-networks.md"
    text = page.read_text(encoding="utf-8")
    for name, found in (("one pixel per cycle", fast), ("target 256", asked)):
        cycles, latency = found.schedule.cycles_per_frame, found.schedule.latency_cycles
        assert f"| {name} | {cycles:g} | {latency} | {found.total.lut:,.0f} |" in text
    assert f"{small.schedule.cycles_per_frame:,g} on the iCEBreaker" in text


def test_block_rams_are_counted_in_those_of_the_part() -> None:
    small = load_board("icebreaker")
    found = small.budget.brams(plan(zoo.load("digits"), small).total.bram)
    placed = re.search(
        r"(\d+) of 30 block RAMs", (REPO / "boards" / small.name / "README.md").read_text(encoding="utf-8")
    )
    assert placed
    assert found + 3 == int(placed[1])  # three hold packets: of the serial line and of the top


@pytest.mark.parametrize("cycles", [64, 100, 256, 1000, 5000])
def test_targets_are_met_and_slower_is_smaller(cycles: int) -> None:
    fast, slow = (plan(zoo.load("digits"), BOARD, cycles_per_frame=c) for c in (cycles, 2 * cycles))
    assert fast.schedule.cycles_per_frame <= cycles
    assert slow.total.lut <= fast.total.lut


@pytest.mark.slow
def test_lenet5_keeps_line_rate() -> None:
    found = plan(zoo.load("lenet5"), BOARD)
    assert found.schedule.cycles_per_frame == 32 * 32
    assert found.total.lut < BOARD.budget.lut


@functools.cache
def _fast_lenet5() -> Plan:
    return plan(zoo.load("lenet5"), BOARD, cycles_per_frame=257)


@pytest.mark.slow
def test_four_pixels_per_beat_take_lenet5_to_the_rate_of_its_words() -> None:
    found = _fast_lenet5()
    assert found.schedule.cycles_per_frame == 257  # 256 words and the cycle of their flags
    assert [f.pix for f in found.netlist.foldings.values()] == [4, 1, 1, 1, 1]
    assert found.total.lut <= 0.9 * BOARD.budget.lut
    assert found.total.dsp <= 0.9 * BOARD.budget.dsp


# Rows of the table of area in docs/streams.md, which `make estimate NET=lenet5 CYCLES=257` measured -> their layers.
SYNTHESISED = (
    ("conv1",), ("conv1_neuron", "pool1"), ("conv2",), ("conv2_neuron", "pool2"), ("conv3", "conv3_neuron"),
    ("fc1", "fc1_neuron"), ("fc2", "fc2_readout"),
)  # fmt: skip


@pytest.mark.slow
def test_the_price_of_the_fast_lenet5_is_that_of_synthesis() -> None:
    cost = _fast_lenet5().cost
    text = (REPO / "docs" / "streams.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| ([^|]+) \| ([\d,]+ \| [\d,]+) \|", text, re.MULTILINE))
    cells = {name: [int(n.replace(",", "")) for n in found.split(" | ")] for name, found in rows.items()}
    assert "all" in cells
    for layers in SYNTHESISED:
        lut, ff = (sum(cells[layer][i] for layer in layers) for i in (0, 1))
        assert sum(cost[layer].lut for layer in layers) == pytest.approx(lut, rel=0.2), layers
        assert sum(cost[layer].ff for layer in layers) == pytest.approx(ff, rel=0.25), layers
    for i, priced in enumerate(("lut", "ff")):
        measured = cells["all"][i] - cells["encoder, top"][i]
        assert sum(getattr(found, priced) for found in cost.values()) == pytest.approx(measured, rel=0.1)
    assert [(cost[layer].bram, cost[layer].dsp) for layer in ("conv3", "fc1", "fc2")] == [(11, 48), (2.5, 10), (0.5, 2)]


@pytest.mark.slow
def test_a_layer_too_large_for_the_dsp_slices_leaves_them_to_the_others() -> None:
    """conv1 would take 200 DSP slices, conv2 300: each alone more than the 198 that a plan may use."""
    found = _fast_lenet5().netlist.foldings
    assert {name: f.body for name, f in found.items()} == {
        "conv1": "lut", "conv2": "lut", "conv3": "mult", "fc1": "mult", "fc2": "mult",
    }  # fmt: skip
    room = replace(BOARD, budget=replace(BOARD.budget, dsp=300))
    assert plan(zoo.load("lenet5"), room, cycles_per_frame=257).netlist.foldings["conv1"].body == "mult"


def test_several_pixels_only_where_one_is_too_slow() -> None:
    for cycles, pix in ((64, 1), (63, 2), (32, 2)):
        found = plan(zoo.load("digits"), BOARD, cycles_per_frame=cycles)
        assert {op: f.pix for op, f in found.netlist.foldings.items()} == {"conv1": pix, "conv2": pix, "fc": 1}


@pytest.mark.parametrize(
    ("layer", "changes", "message"),
    [
        ("conv1", {"pe": 4}, "pix=2 pixels per beat need a convolution with whole windows .* lanes=1, pe=8; use pix=1"),
        ("conv2", {"slice": "column"}, "slice=all, lanes=8, pe=16; use pix=1"),
        ("fc", {}, "pix=2 pixels per beat need a convolution"),
        ("conv1", {"pix": 3}, "pix=3 makes no whole beats of its rows of 8 pixels in or out; use one of 1, 2, 4, 8"),
        ("conv2", {"pix": 4}, "pix=4 makes no whole beats .* use one of 1, 2"),
        ("conv1", {"neurons": 2}, r"neurons=2 must divide pe=8, .*one output pixel \(pix=2\); use 0 for pe"),
        ("fc", {"pix": 1, "pe": 5, "neurons": 3}, "neurons=3 must divide pe=5"),
        ("conv1", {"pix": 0}, r"pix=0 must be at least 1 \(layer conv1\)"),
    ],
)
def test_pixels_that_a_layer_cannot_take_are_refused(layer: str, changes: dict[str, object], message: str) -> None:
    folding = plan(zoo.load("digits"), BOARD, cycles_per_frame=64).folding_json()
    folding["layers"][layer] |= {"pix": 2, **changes}
    with pytest.raises(VolleyError, match=message):
        plan(zoo.load("digits"), BOARD, folding=folding)


@pytest.mark.slow
@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize("seed", range(20))
def test_random_networks_come_near_line_rate(seed: int, axes: int) -> None:
    network, _ = random_network(seed, axes)
    best = plan(network, BOARD).schedule.cycles_per_frame
    relaxed = int(1.3 * best)
    assert plan(network, BOARD, cycles_per_frame=relaxed).schedule.cycles_per_frame <= relaxed
    with pytest.raises(VolleyError, match=r"cycles_per_frame=2 is out of reach.*nearest is \d+"):
        plan(network, BOARD, cycles_per_frame=2)


def test_the_nearest_is_reachable() -> None:
    network = zoo.load("digits")
    with pytest.raises(VolleyError) as error:
        plan(network, BOARD, cycles_per_frame=10)
    nearest = int(str(error.value).rsplit(" ", 1)[1])
    assert plan(network, BOARD, cycles_per_frame=nearest).schedule.cycles_per_frame <= nearest


@pytest.mark.slow
def test_folding_file_round_trip() -> None:
    first = plan(zoo.load("lenet5"), BOARD, cycles_per_frame=6000)
    text = json.loads(json.dumps(first.folding_json()))
    again = plan(zoo.load("lenet5"), BOARD, folding=text)
    assert again.schedule == first.schedule
    assert again.folding_json() == first.folding_json()
    assert read_folding(text) == (first.netlist.foldings, first.netlist.fifos)


def test_a_deeper_buffer_that_nothing_waits_for_changes_no_cycle() -> None:
    """The planner does not try those."""
    spared = 0
    for seed in range(8):
        network, _ = random_network(seed)
        found = plan(network, BOARD)
        for r in resized(found.netlist, grow=True):
            if r.behind and r.behind not in found.schedule.held_up:
                assert predict(r.build(network)) == found.schedule, f"seed {seed}: {r.what}"
                spared += 1
    assert spared > 8


def test_decisions_are_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "pyflow.planning")
    found = plan(zoo.load("digits"), BOARD, cycles_per_frame=64)
    assert "64 cycles per frame on pynq-z2: conv1 pe=" in caplog.text
    assert f"latency {found.schedule.latency_cycles}, {found.total.lut:,.0f} LUT" in caplog.text
    plan(zoo.load("digits"), load_board("icebreaker"))
    assert re.search(r"LUT, .* block RAMs, too much for icebreaker", caplog.text)


def test_every_key_of_a_folding_is_documented_with_its_default() -> None:
    text = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
    table = text.partition("| key of a layer | default | meaning |")[2].partition("\n\n")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| `?(\w+)`? \|", table, re.MULTILINE))
    assert rows == {key: str(value).lower() for key, value in Folding().to_json().items()}


def test_a_small_board_slows_the_network_down() -> None:
    network = zoo.load("digits")
    small, large = plan(network, load_board("icebreaker")), plan(network, BOARD)
    assert small.schedule.cycles_per_frame > large.schedule.cycles_per_frame
    assert small.total.lut <= load_board("icebreaker").budget.lut


def test_flip_flops_of_ice40_are_logic_cells() -> None:
    cost, budget = plan(zoo.load("digits"), load_board("icebreaker")).total, load_board("icebreaker").budget
    assert cost.lut + cost.ff <= 0.7 * budget.lut


def test_skids_stand_around_every_array_where_the_board_asks_for_them() -> None:
    network = zoo.load("digits")
    with_skids = plan(network, load_board("ulx3s-85f"), cycles_per_frame=2000)
    instances = with_skids.netlist.instances
    for kinds in ([type(i.core) for i in instances if i.layer == layer] for layer in ("conv1", "fc")):
        at = kinds.index(SynapseArray)
        assert kinds[at - 1] == kinds[at + 1] == Skid
    assert not any(f.skid for f in plan(network, BOARD).netlist.foldings.values())
    again = plan(network, BOARD, folding=with_skids.folding_json())
    assert again.schedule == with_skids.schedule


def test_neurons_fold_apart_from_their_array() -> None:
    """32 outputs at a time, once in 64 cycles: 32 unrolled neurons took 19,422 LUT, busy in 2 cycles of a frame."""
    found = plan(leaky_mlp(), BOARD, cycles_per_frame=70)
    assert found.schedule.cycles_per_frame <= 70
    assert found.cost["lif1"].lut < 3000
    assert found.total.lut < 4000


def test_where_the_clock_is_near_only_neurons_with_a_state_fold_apart() -> None:
    board = load_board("ulx3s-85f")
    foldings = plan(zoo.load("digits"), board, cycles_per_frame=2000).netlist.foldings
    assert {f.neurons for f in foldings.values()} == {0}
    leaky = plan(leaky_mlp(), board, cycles_per_frame=70)
    assert 0 < leaky.netlist.foldings["fc1"].neurons < leaky.netlist.foldings["fc1"].pe
    kinds = [type(i.core) for i in leaky.netlist.instances if i.layer == "fc1"]
    assert kinds[-2:] == [LaneConvert, Skid]  # the neurons' handshake ends at a register


def _residual() -> Network:
    torch.manual_seed(0)
    model = headed(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), Residual(4, 4), nn.MaxPool2d(2), features=64)
    return convert(model, np.random.default_rng(0).random((8, 1, 8, 8)).astype(np.float32))


def test_branches_have_the_lanes_and_pixels_of_chains() -> None:
    """A residual block keeps to the rate of the input's words, and takes less where it has more time."""
    fast, slow = (plan(_residual(), BOARD, cycles_per_frame=cycles) for cycles in (17, 1000))
    assert fast.schedule.cycles_per_frame == 17
    assert {f.pix for name, f in fast.netlist.foldings.items() if name != "fc1"} == {4}
    assert slow.total.lut < fast.total.lut / 5


@pytest.mark.parametrize("slices", [None, 12])
def test_residual_sums_take_slices_where_there_are_some(slices: int | None) -> None:
    """The conv in front is `conv3`. A board with few slices has none left of its arrays, or some for all of them."""
    budget = BOARD.budget if slices is None else replace(BOARD.budget, dsp=slices)
    network = _residual()
    found = plan(network, replace(BOARD, budget=budget), cycles_per_frame=1000)
    (core,) = [inst.core for inst in found.netlist.instances if isinstance(inst.core, ResidualCore)]
    assert core.dsp == (found.netlist.foldings["conv3"].residual == "dsp")
    assert core.dsp
    assert found.total.dsp == bodies.dsp(found.netlist.network, found.netlist.foldings) <= 0.9 * budget.dsp
    assert plan(network, BOARD, folding=found.folding_json()).total == found.total


def test_residual_sums_without_slices() -> None:
    network, ecp5 = _residual(), load_board("ulx3s-85f")
    found = plan(network, ecp5, cycles_per_frame=1000)
    assert {folding.residual for folding in found.netlist.foldings.values()} == {"lut"}
    layers = found.folding_json()
    for layer, board, message in (
        ("conv3", ecp5, "folding of conv3: residual=dsp is made of DSP48 slices, which ulx3s-85f"),
        ("conv1", BOARD, "folding of conv1: residual=dsp, but nothing is added behind the layer; leave residual out"),
    ):
        changed = {**layers["layers"], layer: {**layers["layers"][layer], "residual": "dsp"}}
        with pytest.raises(VolleyError, match=message):
            plan(network, board, folding={**layers, "layers": changed})


def test_the_fastest_that_fits_is_found() -> None:
    """To within 2 %: the next faster target does not fit."""
    board = load_board("icebreaker")
    found = plan(zoo.load("digits"), board)
    cycles = math.floor(found.schedule.cycles_per_frame * 0.95)
    faster = plan(zoo.load("digits"), board, cycles_per_frame=cycles).total
    assert faster.lut + faster.ff > 0.7 * board.budget.lut >= found.total.lut + found.total.ff


def test_a_network_that_fits_nowhere_is_refused() -> None:
    from pyflow.operators import Encode, Linear, Readout

    weight = np.ones((1, 3 * 512 * 512, 1, 1), np.int8)
    huge = Network(
        "huge",
        (3, 512, 512),
        (
            Encode("encode", ("input",)),
            Linear("fc", ("encode",), weight=weight),
            Readout("out", ("fc",), bias=np.zeros(1)),
        ),
    )
    with warnings.catch_warnings(), pytest.raises(VolleyError, match="does not fit board icebreaker"):
        plan(huge, load_board("icebreaker"))


def test_a_fifo_of_a_branch_holds_no_backlog() -> None:
    """Behind a layer that is faster than its readers, what waits for them waits in front of it."""
    images = np.random.default_rng(0).random((8, 2, 8, 8)).astype(np.float32)
    block = headed(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), Residual(4, 4, 2), features=64)
    network = convert(block, images)
    fast, slow = (plan(network, BOARD, cycles_per_frame=c).netlist.foldings for c in (80, 4000))
    mixed = {**slow, "conv1": fast["conv1"]}
    fifos = branch_fifos(network, mixed)
    endless, netlist = (build_netlist(network, mixed, depths) for depths in (dict.fromkeys(fifos, ENDLESS), fifos))
    frame, free = {s.name: s.frame_beats for s in netlist.streams}, predict(endless)
    assert max(held - frame[name] for name, held in free.peaks.items()) > 0, "without a limit there is one"
    assert all(inst.core.depth <= frame[inst.source.name] for inst in netlist.instances if isinstance(inst.core, Fifo))
    assert predict(netlist).cycles_per_frame == free.cycles_per_frame


def test_a_search_between_two_small_targets_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """8 cycles fit and 7 do not: nothing lies between."""
    asked: list[int] = []

    def choose(_: object, target: int, board: object = None) -> dict[str, Folding] | None:
        asked.append(target)
        assert len(asked) < 20
        return {} if target >= 8 else None

    network = zoo.load("digits").with_meta(cycles_per_frame=4)
    monkeypatch.setattr(planner._Search, "_choose", choose)
    monkeypatch.setattr(planner._Search, "_fewest", lambda *_: Cost())
    monkeypatch.setattr(planner._Search, "_price", lambda _, foldings: None if foldings is None else Cost())
    monkeypatch.setattr(planner, "_fastest_input", lambda _: 1)
    assert planner._Search(network, network, BOARD, []).fitting() == ({}, 8)
