# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Bitstreams by Vivado without Vivado: a recording stand-in, golden outputs, Tcl against a cited list of names."""

from __future__ import annotations

import json
import os
import re
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import pyflow
from pyflow import zoo
from pyflow.__main__ import main
from pyflow.backends import vivado, vivado_check, vivado_reports
from pyflow.data import load
from pyflow.errors import VolleyError
from pyflow.planning.board import board_names, load_board
from pyflow.report import parsed
from pyflow.sources import needed_by, rtl_folder, rtl_sources, share

HERE = Path(__file__).parent
FILES = HERE / "vivado"
BOARDS = [name for name in board_names() if load_board(name).flow == "vivado"]
needs_tcl = pytest.mark.skipif(not vivado_check.has_tcl(), reason="this Python has no Tcl (tkinter)")


# ---------------------------------------------------------------------- the project
@pytest.mark.parametrize("name", BOARDS)
def test_the_project_holds_everything_it_reads(name: str, tmp_path: Path) -> None:
    board = load_board(name)
    build = pyflow.compile(zoo.load("digits"), board=name, out_dir=tmp_path, cycles_per_frame=256)
    script = vivado.project(build, board)
    text = script.read_text()
    read = re.findall(r"^(?:read_\w+(?: -sv)?|source) \{(.+)\}$", text, re.MULTILINE)
    assert len(set(read)) == len(read)
    for file in read:
        assert (script.parent / file).is_file()
        assert not Path(file).is_absolute()
    names = {Path(file).name for file in read}
    assert {path.name for path in rtl_sources(board.family)} <= names
    other = {"digits_top.sv", "digits_axi_async_top.v", "digits_uart_top.sv", "accelerator.sv"}
    assert {path.name for path in build.rtl.iterdir()} - other <= names
    assert "volley_dsp48_mul.sv" in names  # the bodies of the family, not the portable ones
    assert f"set_property part {board.part} [current_project]" in text
    assert f"variable clock_mhz {board.clock_mhz:g}" in (script.parent / "src/settings.tcl").read_text()


def test_a_folder_that_is_not_ours_is_not_cleared(tmp_path: Path) -> None:
    build = pyflow.compile(zoo.load("digits"), out_dir=tmp_path, cycles_per_frame=256)
    (tmp_path / "vivado").mkdir()
    (tmp_path / "vivado/thesis.txt").write_text("mine")
    with pytest.raises(VolleyError, match="vivado: is no Vivado project of Volley and would be lost"):
        vivado.project(build, load_board("pynq-z2"))
    assert (tmp_path / "vivado/thesis.txt").read_text() == "mine"


# ---------------------------------------------------------------------- Tcl
@needs_tcl
@pytest.mark.parametrize("name", BOARDS)
def test_the_tcl_says_only_what_the_guides_know(name: str, tmp_path: Path) -> None:
    build = pyflow.compile(zoo.load("digits"), board=name, out_dir=tmp_path, cycles_per_frame=256)
    where = Path.cwd()
    assert vivado.check(vivado.project(build, load_board(name))) == "project made and its Tcl checked"
    assert Path.cwd() == where


CROSSING = rtl_folder() / "stream" / "volley_fifo_async.xdc"


def crossing(folder: Path, old: str = "", new: str = "") -> Path:
    """A project with the FIFO between two clocks and its constraints, in which `new` stands for each `old`."""
    files = needed_by("volley_fifo_async", rtl_sources())
    for path in files:
        shutil.copy(path, folder)
    text = CROSSING.read_text()
    assert old in text
    (folder / CROSSING.name).write_text(text.replace(old, new) if old else text)
    script = folder / "project.tcl"
    read = [f"read_verilog -sv {{{path.name}}}" for path in files]
    script.write_text("\n".join([*read, f"read_xdc -ref volley_fifo_async {{{CROSSING.name}}}"]))
    return script


@needs_tcl
def test_the_constraints_of_the_crossing_name_what_the_cell_has(tmp_path: Path) -> None:
    vivado_check.check(crossing(tmp_path))
    text, fifo = CROSSING.read_text(), CROSSING.with_suffix(".sv").read_text()
    crossings = re.findall(r"volley_sync .*?u_(\w+) +\(.*?\.d\((\w+)\)", fifo)
    assert len(crossings) == 5
    for sync, path in crossings:
        assert re.search(rf"set_max_delay -datapath_only -from \[get_cells {{?{path}_reg.*u_{sync}/first_q_reg", text)
    assert text.count("set_bus_skew") == 2


@needs_tcl
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("u_wgray/", "u_wgrey/", "instance u_wgrey is not in volley_fifo_async"),
        ("{wgray_q_reg", "{wgray_reg", "register wgray_reg[*] is not in volley_fifo_async"),
        ("first_q_reg", "first_reg", "register first_reg[*] is not in volley_sync"),
        ("[get_ports m_clk]", "[get_ports clk_m]", "port clk_m is unknown"),
        ("-datapath_only", "-datapath", "option -datapath is unknown; UG835 has -datapath_only"),
        ("PERIOD", "PERIODE", "property PERIODE is not one of a clock"),
    ],
)
def test_a_slip_in_the_constraints_of_the_crossing_is_said(old: str, new: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(VolleyError, match=re.escape(said)):
        vivado_check.check(crossing(tmp_path, old, new))


def test_every_group_of_names_is_cited() -> None:
    allowed = tomllib.loads(vivado_check.ALLOWED.read_text())
    guide = re.compile(r"\b(UG|PG|PB)\d{3,4}\b")
    assert guide.match(allowed["commands"]["source"])
    for name, ip in allowed["ip"].items():
        assert guide.match(ip["source"]), name
        assert set(ip.get("needed", ())) <= set(ip["inputs"]), name
    lines = vivado_check.ALLOWED.read_text().split("[properties]")[1].split("[interfaces]")[0].splitlines()
    assert all(guide.search(line) for line in lines if re.match(r"\w+ +=", line))


ZYNQ, DESIGN, XDC, REPORTS = "zynq.tcl", "design.tcl", "pynq-z2.xdc", "reports.tcl"
# One deliberate mistake of each kind: (file, what it says, what it would say, what the check says).
TYPOS: dict[str, tuple[str, str, str, str]] = {
    "command": (ZYNQ, "save_bd_design", "safe_bd_design", 'invalid command name "safe_bd_design"'),
    "command of the constraints": (XDC, "[current_design]", "[this_design]", 'invalid command name "this_design"'),
    "option": (ZYNQ, "-vlnv", "-vlvn", "option -vlvn is unknown; UG835 has -type, -vlnv, -reference"),
    "option of a report": (REPORTS, "report_power -file", "report_power -fiel", "option -fiel is unknown"),
    "option without value": (ZYNQ, "make_wrapper -files $design -top", "make_wrapper -top -files", "needs a value"),
    "argument too many": (ZYNQ, "get_runs impl_1", "get_runs impl_1 impl_2", "2 arguments, at most 1"),
    "ip": (ZYNQ, "axi_dma:7.1", "axi_dam:7.1", "IP xilinx.com:ip:axi_dam:7.1 is unknown"),
    "version of an ip": (DESIGN, "processing_system7:5.5", "processing_system7:5.6", "IP xilinx.com:ip:processing_sys"),
    "parameter": (ZYNQ, "c_include_sg ", "c_inlcude_sg ", "parameter CONFIG.c_inlcude_sg is unknown; PG021"),
    "parameter of the ps": (DESIGN, "PCW_USE_S_AXI_HP0", "PCW_USE_S_AXI_HPO", "PCW_USE_S_AXI_HPO is unknown; PG082"),
    "parameter without CONFIG": (ZYNQ, "CONFIG.c_addr_width", "c_addr_width", "parameter c_addr_width is unknown"),
    "pin": (ZYNQ, "dma/s_axi_lite_aclk", "dma/s_axilite_aclk", "pin dma/s_axilite_aclk is unknown; PG021"),
    "pin of the ps": (DESIGN, "FCLK_RESET0_N", "FCLK_RESETN0", "pin ps/FCLK_RESETN0 is unknown; PG082"),
    "pin of the accelerator": (ZYNQ, "volley/clk", "volley/clock", "pin volley/clock is unknown; digits_axi_top"),
    "interface": (ZYNQ, "dma/M_AXIS_MM2S", "dma/M_AXIS_MMS2", "interface dma/M_AXIS_MMS2 is unknown"),
    "interface of the accelerator": (ZYNQ, "volley/m_axis", "volley/m_axi", "interface volley/m_axi is unknown"),
    "interface beyond a count": (ZYNQ, "CONFIG.NUM_MI 3", "CONFIG.NUM_MI 2", "control/M02_AXI is not there: NUM_MI is"),
    "interface switched off": (DESIGN, "PCW_USE_M_AXI_GP0 1", "PCW_USE_M_AXI_GP0 0", "PCW_USE_M_AXI_GP0 is not 1"),
    "cell": (ZYNQ, "intc/s_axi_aclk", "intx/s_axi_aclk", "cell intx is unknown"),
    "module": (ZYNQ, "-reference $accelerator", "-reference volley_axi", "module volley_axi is in no file"),
    "module in SystemVerilog": (ZYNQ, "-reference $accelerator", "-reference volley_top", "takes plain Verilog"),
    "segment": (ZYNQ, "volley/s_axi_ctrl/reg0", "volley/s_axi_ctrl/Reg", "segment volley/s_axi_ctrl/Reg is unknown"),
    "space": (ZYNQ, "ps/Data]", "ps/data]", "space ps/data is unknown"),
    "no address": (ZYNQ, "    0x20000 64K intc/S_AXI/Reg\n", "", "segment intc/S_AXI/Reg has no address"),
    "property of a run": (ZYNQ, "DESIGN.TCL.POST", "DESIGN.TCL.PSOT", "property STEPS.ROUTE_DESIGN.TCL.PSOT is"),
    "property of a file": (ZYNQ, "synth_checkpoint_mode", "synth_checkpoint", "property synth_checkpoint is not"),
    "property of a pin": (XDC, "IOSTANDARD", "IO_STANDARD", "property IO_STANDARD is not one of a port"),
    "package pin": (XDC, "R14", "R41", "package pin R41 is unknown for xc7z020clg400-1"),
    "port": (XDC, "led[0]", "leds[0]", "port leds[0] is unknown"),
    "interface of a port": (DESIGN, "fixedio_rtl", "fixed_io_rtl", "fixed_io_rtl:1.0 is unknown"),
    "run": (ZYNQ, "get_runs impl_1", "get_runs impl1", "run impl1 is unknown; known: synth_1, impl_1"),
    "file": (ZYNQ, "zynq.bd", "zinq.bd", "file zinq.bd is unknown"),
    "clock not connected": (ZYNQ, " intc/s_axi_aclk volley/clk", " intc/s_axi_aclk", "pin volley/clk is not connected"),
    "stream not connected": (ZYNQ, "dma/M_AXIS_MM2S volley/s_axis", "", "interface"),
    "two drivers": (ZYNQ, "[get_bd_pins concat/In1]", "[get_bd_pins concat/In0]", "2 drivers instead of 1"),
    "two masters": (ZYNQ, "memory/M00_AXI ps/[lindex $memory 0]", "memory/M00_AXI ps/DDR", "not a master and a slave"),
}  # fmt: skip


@pytest.fixture(scope="module")
def pynq_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pynq")
    build = pyflow.compile(zoo.load("digits"), board="pynq-z2", out_dir=folder, cycles_per_frame=256)
    return vivado.project(build, load_board("pynq-z2"))


@needs_tcl
@pytest.mark.parametrize("kind", TYPOS)
def test_a_typo_is_found(kind: str, pynq_project: Path) -> None:
    name, old, new, message = TYPOS[kind]
    path = pynq_project.parent / "src" / name
    good = path.read_text()
    code = re.sub(r"\A(#.*\n)+", "", good)
    assert old in code
    try:
        path.write_text(good.removesuffix(code) + code.replace(old, new, 1))
        with pytest.raises(VolleyError) as caught:
            vivado.check(pynq_project)
    finally:
        path.write_text(good)
    assert message in str(caught.value)
    file = DESIGN if name == ZYNQ else name  # zynq.tcl has procedures only
    inside = rf"src/{file} line \d+(, volley::\w+ line \d+)?: "
    assert re.match(inside, str(caught.value))
    assert "\n" not in str(caught.value)


@needs_tcl
def test_a_bus_without_a_clock_is_found(pynq_project: Path) -> None:
    (path,) = (pynq_project.parent / "src").glob("*_axi_top.v")
    good = path.read_text()
    try:
        path.write_text(re.sub(r"(ASSOCIATED_BUSIF [\w:]*)m_axis", r"\1m_axes", good))
        with pytest.raises(VolleyError, match=r"no clock is associated with m_axis \(ASSOCIATED_BUSIF, UG994\)"):
            vivado.check(pynq_project)
    finally:
        path.write_text(good)


# ---------------------------------------------------------------------- running it
@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Puts the stand-in on PATH, and real frames aside: what they do to the signals has its own test."""

    def install(board: str, case: str = "good", version: str = "") -> Path:
        bin = tmp_path / "bin"
        bin.mkdir()
        (bin / "vivado").symlink_to(FILES / "stand_in.py")
        calls = tmp_path / "calls"
        monkeypatch.setenv("PATH", str(bin), prepend=os.pathsep)
        monkeypatch.setenv("VIVADO_CALLS", str(calls))
        monkeypatch.setenv("VIVADO_REPORTS", str(FILES / board))
        monkeypatch.setenv("VIVADO_CASE", case)
        if version:
            monkeypatch.setenv("VIVADO_VERSION", version)
        monkeypatch.setattr(vivado, "activity", _pretend)
        return calls

    return install


def _pretend(build: Any, board: Any, frames: np.ndarray, target: Path) -> None:
    target.write_text(str(len(frames)))


def _golden(name: str, text: str) -> None:
    """REWRITE=1 writes the file anew."""
    path = HERE / "golden" / name
    if os.environ.get("REWRITE"):
        path.write_text(text)
    assert path.read_text() == text, "if this is meant: REWRITE=1 make test K=test_vivado"


def _collapsed(script: str, family: str) -> str:
    """Without the names of the cores, which another test holds against rtl.f."""
    cores = "\n".join(f"read_verilog -sv {{src/{path.name}}}" for path in rtl_sources(family))
    assert cores in script
    return re.sub(r"\n{2,}", "\n\n", script.replace(cores, f"# the cores of {family}"))


@pytest.mark.parametrize("name", BOARDS)
def test_bitstream(
    name: str, tmp_path: Path, stand_in: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    calls = stand_in(name)
    monkeypatch.chdir(tmp_path)
    assert main(["bitstream", "--board", name, "--json", "out.json"]) == 0
    folder = tmp_path / "build" / ("digits" if name == "pynq-z2" else f"digits-{name}")
    said = capsys.readouterr().out
    report = json.loads((folder / "report.json").read_text())
    parsed(report)
    assert report["clock"] == "placed"
    assert report["frames_compared"] is None
    assert report["area"]["lut"] == [9180, load_board(name).budget.lut]
    assert report["area"]["dsp"] == [65, load_board(name).budget.dsp]
    assert json.loads((tmp_path / "out.json").read_text()) == report
    assert (folder / f"{name}.bit").read_text() == "bits"
    assert (folder / f"{name}.hwh").read_text() == "<EDKSYSTEM/>"
    assert (folder / "vivado/src/volley.saif").read_text() == str(vivado.ACTIVITY_FRAMES)
    names = {path.name for path in (folder / "host").iterdir()}
    assert names == {f"{name}.bit", f"{name}.hwh", "device.json", "pyflow", "vectors.npz"}
    digits = load("digits").x_test[:8]
    np.testing.assert_array_equal(np.load(folder / "host/vectors.npz")["logits"], zoo.load("digits").run(digits))
    parts = {
        "volley.tcl": _collapsed((folder / "vivado/volley.tcl").read_text(), load_board(name).family),
        "src/settings.tcl": (folder / "vivado/src/settings.tcl").read_text(),
        "calls of vivado": calls.read_text(),
        "placed": json.dumps(report["placed"], indent=2) + "\n",
        "printed": said,
    }
    _golden(f"vivado-{name}.txt", "".join(f"==== {title}\n{text.strip()}\n\n" for title, text in parts.items()))


def test_a_bitstream_keeps_what_the_simulation_found(
    tmp_path: Path, stand_in: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in("pynq-z2")
    monkeypatch.chdir(tmp_path)
    assert main(["bitstream"]) == 0
    path = tmp_path / "build/digits/report.json"
    simulated = json.loads(path.read_text()) | {"frames_compared": 360, "mismatches": 0, "clock": "assumed"}
    del simulated["placed"]
    path.write_text(json.dumps(simulated))
    assert main(["bitstream"]) == 0
    report = json.loads(path.read_text())
    assert report["frames_compared"] == 360
    assert report["clock"] == "placed"
    assert report["placed"]["max_mhz"] == 104.3


def test_without_data_the_selftest_has_random_frames(
    tmp_path: Path, stand_in: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    stand_in("kv260")
    monkeypatch.chdir(tmp_path)
    zoo.load("digits").with_meta(data="mnist").save("my.vly")
    assert main(["bitstream", "--net", "my.vly", "--board", "kv260", "--cycles", "256", "--out", "b"]) == 0
    said = capsys.readouterr().out
    assert "the self-test gets random frames" in said
    assert "Vivado's default activity" in said
    assert (tmp_path / "b/kv260.bit").is_file()
    assert not list(tmp_path.glob("b/**/*.saif"))
    assert (tmp_path / "b/host/vectors.npz").is_file()


def test_without_tcl_the_project_is_made_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = pyflow.compile(zoo.load("digits"), out_dir=tmp_path, cycles_per_frame=256)
    monkeypatch.setattr(vivado_check, "has_tcl", lambda: False)
    said = vivado.check(vivado.project(build, load_board("pynq-z2")))
    assert said == "project made, its Tcl not checked (this Python has no tkinter)"


def _line(capsys: Any) -> str:
    """The one line of an error."""
    lines = [line for line in capsys.readouterr().err.strip().splitlines() if not line.startswith("warning:")]
    assert len(lines) == 1, lines
    return str(lines[0])


@pytest.mark.parametrize("name", BOARDS)
def test_without_vivado_the_project_is_made_and_one_line_says_what_is_missing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["bitstream", "--board", name]) == 2
    line = _line(capsys)
    assert line.startswith("pyflow bitstream: vivado: program not found on PATH; project made")
    assert "supported: Vivado 2022.1 to 2024.2" in line
    assert f"`make estimate BOARD={name}`" in line
    folder = tmp_path / "build" / ("digits" if name == "pynq-z2" else f"digits-{name}")
    assert str(folder / "vivado") in line
    assert (folder / "vivado" / "volley.tcl").is_file()
    assert not list(folder.glob("*.bit"))


@pytest.mark.parametrize(
    ("case", "version", "words"),
    [
        ("good", "Vivado v2019.1 (64-bit)", ["version 2019.1 is too old", "2022.1 to 2024.2", "make estimate"]),
        ("good", "what?", ["-version names no version", "2022.1 to 2024.2"]),
        ("late", "", ["timing missed on TUL PYNQ-Z2: 0.87 ns short at 100 MHz", "clock_mhz = 91", "CYCLES="]),
        ("hold", "", ["hold is 0.05 ns short"]),
        ("full", "", ["does not fit TUL PYNQ-Z2: LUT as Logic 71,924 of 53,200, 35.2 % over; DSPs 240", "CYCLES="]),
        ("crash", "", ["stopped with status 2: ERROR: [Synth 8-439] module 'volley_fifo' not found", "whole log"]),
        ("no handoff", "", ["zynq.hwh was not written"]),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_one_line(
    case: str, version: str, words: list[str], tmp_path: Path, stand_in: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch, capsys: Any,
) -> None:  # fmt: skip
    stand_in("pynq-z2", case, version)
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "build/digits"
    folder.mkdir(parents=True)
    (folder / "pynq-z2.bit").write_text("of an earlier run")
    assert main(["bitstream"]) == 2
    line = _line(capsys)
    for word in words:
        assert word in line
    assert not (folder / "pynq-z2.bit").exists()
    assert not (folder / "report.json").exists()


# ---------------------------------------------------------------------- reports
def _text(board: str, kind: str) -> str:
    return (FILES / board / f"{kind}.rpt").read_text()


def test_reports_of_both_families() -> None:
    assert vivado_reports.utilisation(_text("pynq-z2", "utilization")) == {
        "lut": (9180, 53200), "ff": (13920, 106400), "bram": (4.5, 140), "dsp": (65, 220),
    }  # fmt: skip
    assert vivado_reports.utilisation(_text("kv260", "utilization"))["lut"] == (9180, 117120)
    seen = vivado_reports.timing(_text("kv260", "timing"))
    assert (seen.setup_ns, seen.hold_ns, seen.clock_mhz, seen.met) == (0.412, 0.021, 199.998, True)
    assert seen.reached_mhz == pytest.approx(1e3 / (1e3 / 199.998 - 0.412))
    power = vivado_reports.power(_text("pynq-z2", "power"))
    assert (power.total_w, power.dynamic_w, power.static_w, power.accelerator_w) == (1.702, 1.559, 0.143, 0.118)
    assert (power.confidence, power.nets_matched) == ("Medium", "61%   (9120/14951)")
    guessed = vivado_reports.power(_text("kv260", "power"))
    assert (guessed.activity, guessed.nets_matched) == (None, None)


def test_reports_of_small_and_old_designs() -> None:
    older = _text("pynq-z2", "utilization").replace(" Prohibited |", "").replace("|          0 |", "|")
    assert vivado_reports.utilisation(older)["dsp"] == (65, 220)  # before 2021.1 there is no such column
    small = _text("pynq-z2", "power").replace("| volley                    |     0.118 |", "")
    small = small.replace("volley                    |     0.118", "volley                    |    <0.001")
    assert vivado_reports.power(small).accelerator_w == 0.001
    idle = re.sub(r"0\.412 ( +0\.000)", r"NA    \1", _text("pynq-z2", "timing"), count=1)
    assert vivado_reports.timing(idle).setup_ns is None
    assert vivado_reports.timing(idle).met


@pytest.mark.parametrize(
    ("read", "kind", "cut"),
    [
        (vivado_reports.utilisation, "utilization", "4. DSP"),
        (vivado_reports.timing, "timing", "| Clock Summary"),
        (vivado_reports.timing, "timing", "WNS(ns)"),
        (vivado_reports.power, "power", "| Dynamic (W)"),
    ],
)
def test_a_report_that_is_cut_off_is_refused(read: Callable[[str], Any], kind: str, cut: str) -> None:
    with pytest.raises(VolleyError, match="is it complete"):
        read(_text("pynq-z2", kind).split(cut)[0])


def test_a_placed_design_that_is_too_large_is_refused(tmp_path: Path) -> None:
    run = tmp_path / "volley.runs/impl_1"
    run.mkdir(parents=True)
    (tmp_path / "zynq.hwh").touch()
    (run / "zynq_wrapper.bit").touch()
    for kind in ("utilization", "timing", "power"):
        (run / f"volley_{kind}.rpt").write_text(_text("pynq-z2", kind).replace("|   65 |", "|  221 |"))
    with pytest.raises(VolleyError, match=r"does not fit TUL PYNQ-Z2: DSP 221 of 220, 0\.5 % over; raise CYCLES"):
        vivado.collect(tmp_path, tmp_path, load_board("pynq-z2"), "2022.1")


# ---------------------------------------------------------------------- activity
def test_activity_of_real_frames(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 2 * 2, 2))
    images = np.random.default_rng(0).random((16, 1, 4, 4)).astype(np.float32)
    network = pyflow.convert(model, images, timesteps=2, weight_bits=4, name="tiny")
    build = pyflow.compile(network, board="kv260", out_dir=tmp_path, cycles_per_frame=64, checked=True)
    board, target = load_board("kv260"), tmp_path / "volley.saif"
    vivado.activity(build, board, images[:3], target)
    lines = [line.strip() for line in target.read_text().splitlines()]
    path = [line.removeprefix("(INSTANCE ") for line in lines if line.startswith("(INSTANCE")]
    assert path[:4] == list(vivado.ACCELERATOR_PATH)
    assert path[path.index("u_axi_top") + 1] == "u_top"
    # Beside the top, not in it: what was opened behind the way to the accelerator is closed again.
    depth = {name: text_to(lines, name) for name in ("u_axi_top", "u_top", "u_net")}
    assert depth["u_net"] == depth["u_axi_top"] == depth["u_top"] - 1
    assert not any("TOP" in line for line in lines)
    text = target.read_text()
    assert text.count("(") == text.count(")")
    assert "(TIMESCALE 1ps)" in text
    duration = int(re.findall(r"\(DURATION (\d+)\)", text)[0])
    clk = re.search(r"\(clk \(T0 (\d+)\) \(T1 (\d+)\) .*\(TC (\d+)\)", text)
    assert clk
    assert int(clk[1]) + int(clk[2]) == duration
    # Two edges a cycle, 5 ns each at 200 MHz.
    assert int(clk[3]) / 2 == pytest.approx(duration / 5000, abs=2)
    toggles = [int(n) for n in re.findall(r"\(TC (\d+)\)", text)]
    assert sum(n > 0 for n in toggles) > 100  # frames that are not empty move the datapath


def text_to(lines: list[str], instance: str) -> int:
    """How many brackets are open in front of an instance."""
    before = "\n".join(lines[: lines.index(f"(INSTANCE {instance}")])
    return before.count("(") - before.count(")")


def test_the_way_to_volley_top(tmp_path: Path) -> None:
    (tmp_path / "volley_a.v").write_text("module volley_a;\n  volley_b #(.N(2 * (3)), .M(1)) u_b (\n.x(y));\n")
    (tmp_path / "volley_b.sv").write_text("module volley_b;\n  volley_c u_first (.x(y));\n  volley_c u_second ();\n")
    (tmp_path / "volley_c.sv").write_text("module volley_c;\n  // volley_a u_a (\nendmodule\n")
    files = sorted(tmp_path.iterdir())
    assert vivado.instances("volley_a", "volley_c", files) == ("u_b", "u_first")
    with pytest.raises(VolleyError, match="volley_b: has no instance of volley_a"):
        vivado.instances("volley_b", "volley_a", files)


def test_a_saif_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("(SAIFILE\n(INSTANCE top\n)\n)\n")
    with pytest.raises(VolleyError, match="no INSTANCE digits_top"):
        vivado_reports.graft_saif(tmp_path / "a", tmp_path / "b", ("x",), 1.0, top="digits_top", moved=("u_top", ()))
    with pytest.raises(VolleyError, match="a: INSTANCE top has no INSTANCE u_top; simulate"):
        vivado_reports.graft_saif(tmp_path / "a", tmp_path / "b", ("x",), 1.0, top="top", moved=("u_top", ()))
    assert not (tmp_path / "b").exists()


def test_the_boards_of_vivado_have_their_files() -> None:
    assert {"pynq-z2", "kv260"} <= set(BOARDS)
    for name in BOARDS:
        for file in ("design.tcl", f"{name}.xdc", "README.md"):
            assert share("boards", name, file).is_file()
