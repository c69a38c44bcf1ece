# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""A network as IP: the description keeps to the standard's schema and to the source's own attributes; the folder holds
every file it names, and they compile by themselves."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from lxml import etree
from pyEDAA import IPXACT

import pyflow
from pyflow import registers, zoo
from pyflow.backends import plain_path, vivado_check
from pyflow.build import Build
from pyflow.design_files import DesignFiles
from pyflow.emit.ip import COMPONENT, SCRIPT, write_ip
from pyflow.errors import VolleyError
from pyflow.planning.board import load_board
from pyflow.sources import blackboxes
from verif.lint.lint import lint
from verif.pages.sv import cores, elaborate, read

SPIRIT = "{http://www.spiritconsortium.org/XMLSchema/SPIRIT/1685-2009}"
SCHEMA = Path(IPXACT.__file__).with_name("Schema") / "ieee-1685-2009" / "index.xsd"
TOP = cores()["volley_axi_top"]
BOARD = load_board("pynq-z2")
# An attribute, perhaps a second one, and the port they belong to
ATTRIBUTES = re.compile(
    r'X_INTERFACE_INFO = "xilinx.com:(\w+):(\w+):1.0 (\w+) (\w+)" \*\)\n'
    r'(?:  \(\* X_INTERFACE_PARAMETER = "XIL_INTERFACENAME \w+, (.*)" \*\)\n)?'
    r"  (input|output) +wire +(?:\[(\d+):0\] +)?(\w+)"
)
clocks = pytest.mark.parametrize("clocks", [1, 2])


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Build:
    return pyflow.compile(zoo.load("digits"), board=BOARD.name, out_dir=tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="module")
def packaged(digits: Build, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Folders by the number of clocks."""
    folder = tmp_path_factory.mktemp("packages")
    for count in (1, 2):
        write_ip(digits.rtl, BOARD, folder / str(count), clocks=count)
    return {count: folder / str(count) for count in (1, 2)}


def texts(element: etree._Element, path: str) -> list[str]:
    """Texts of the elements at `path`, names without their space."""
    return [found.text or "" for found in element.findall("/".join(f"{SPIRIT}{name}" for name in path.split("/")))]


def component(folder: Path) -> etree._Element:
    return etree.parse(folder / COMPONENT).getroot()


def wrapper(folder: Path) -> Path:
    """The top that the description names."""
    (name,) = set(texts(component(folder), "model/views/view/modelName"))
    return folder / "hdl" / f"{name}.v"


@clocks
def test_the_description_keeps_to_the_schema(clocks: int, packaged: dict[int, Path]) -> None:
    schema = etree.XMLSchema(etree.parse(SCHEMA))
    tree = etree.parse(packaged[clocks] / COMPONENT)
    assert schema.validate(tree), schema.error_log
    tree.getroot().find(f"{SPIRIT}name").tag = f"{SPIRIT}nmae"
    assert not schema.validate(tree)


@clocks
def test_interfaces_are_those_of_the_attributes(clocks: int, packaged: dict[int, Path]) -> None:
    """Every port of the wrapper belongs to one, in the source and in the description, with the same parameters."""
    root = component(packaged[clocks])
    found = ATTRIBUTES.findall(wrapper(packaged[clocks]).read_text())
    stated = {port: (library, kind, bus, logical) for library, kind, bus, logical, _, _, _, port in found}
    parameters = {bus: dict(p.split(" ", 1) for p in text.split(", ")) for _, _, bus, _, text, *_ in found if text}
    ports = {port: (direction[:-3], int(left or 0) + 1) for *_, direction, left, port in found}
    described: dict[str, tuple[str | None, str | None, str, str]] = {}
    for bus in root.iter(f"{SPIRIT}busInterface"):
        (name,) = texts(bus, "name")
        kind = bus.find(f"{SPIRIT}busType")
        assert kind is not None
        library, word = kind.get(f"{SPIRIT}library"), kind.get(f"{SPIRIT}name")
        pairs = zip(
            texts(bus, "portMaps/portMap/physicalPort/name"), texts(bus, "portMaps/portMap/logicalPort/name"),
            strict=True,
        )  # fmt: skip
        described |= {physical: (library, word, name, logical) for physical, logical in pairs}
        values = zip(texts(bus, "parameters/parameter/name"), texts(bus, "parameters/parameter/value"), strict=True)
        assert dict(values) == parameters[name]
        assert (bus.find(f"{SPIRIT}master") is not None) == (name == "m_axis")
    assert described == stated
    model = {}
    for port in root.iter(f"{SPIRIT}port"):
        left = texts(port, "wire/vector/left")
        model[texts(port, "name")[0]] = (texts(port, "wire/direction")[0], int(left[0]) + 1 if left else 1)
    assert model == ports
    assert set(ports) == {port.name for port in read(wrapper(packaged[clocks])).ports}
    buses = {"s_axis:m_axis:s_axi_ctrl"} if clocks == 1 else {"s_axis:m_axis", "s_axi_ctrl"}
    assert {p["ASSOCIATED_BUSIF"] for p in parameters.values() if "ASSOCIATED_BUSIF" in p} == buses
    assert {p["ASSOCIATED_RESET"] for p in parameters.values() if "ASSOCIATED_BUSIF" in p} <= set(ports)


def test_the_memory_map_is_that_of_the_registers(packaged: dict[int, Path]) -> None:
    root = component(packaged[1])
    names = texts(root, "memoryMaps/memoryMap/addressBlock/register/name")
    offsets = texts(root, "memoryMaps/memoryMap/addressBlock/register/addressOffset")
    every = {name: value for name, value in vars(registers).items() if isinstance(value, int) and name.isupper()}
    addresses = {name: value for name, value in every.items() if not name.endswith("_RESET")}
    described = {name: int(offset, 0) for name, offset in zip(names, offsets, strict=True)}
    # A register of 64 bits is one here and two words there.
    assert addresses.items() >= described.items()
    assert len(described) > 15
    assert texts(root, "memoryMaps/memoryMap/addressBlock/range") == ["0x1000"]
    (reference,) = root.iter(f"{SPIRIT}memoryMapRef")
    assert reference.get(f"{SPIRIT}memoryMapRef") == texts(root, "memoryMaps/memoryMap/name")[0] == "s_axi_ctrl"


@clocks
def test_the_ports_are_the_core_s(clocks: int, packaged: dict[int, Path]) -> None:
    """What the top has towards the outside, comments and all."""
    left_out = set() if clocks == 2 else {"pixel_clk", "pixel_aresetn"}
    outer = [(p.name, p.direction, p.comment) for p in TOP.ports if p.name not in left_out]
    inner = outer.index(next(p for p in outer if p[0] == "net_rst"))
    found = [(p.name, p.direction, p.comment) for p in read(wrapper(packaged[clocks])).ports]
    assert found == outer[:inner]


@clocks
def test_the_files_of_a_package_compile_by_themselves(clocks: int, packaged: dict[int, Path]) -> None:
    folder = packaged[clocks]
    listed = texts(component(folder), "fileSets/fileSet/file/name")
    on_disk = {str(path.relative_to(folder)) for path in (folder / "hdl").iterdir()}
    assert on_disk - set(listed) == {"hdl/digits_top.sv"}  # for FuseSoC alone
    assert set(listed) <= on_disk
    sources = [folder / name for name in dict.fromkeys(listed) if name.endswith((".sv", ".v"))]
    top = wrapper(folder).stem
    widths, errors = elaborate([*blackboxes(BOARD.family), *sources], top)
    assert not errors, errors
    assert widths["s_axis_tdata"] == 32
    options = ["+1364-2001ext+v", "+1800-2017ext+sv", "-Wno-lint", "-Wno-style"]
    assert lint(top, [*options, *blackboxes(BOARD.family), *sources], cwd=folder / "hdl") == ""
    images = {path.name for path in (folder / "hdl").glob("*.mem")}
    named = set(re.findall(r'"(\w+\.mem)"', (folder / "hdl" / "digits_net.sv").read_text()))
    assert images == named != set()


@pytest.mark.parametrize("target", ["default", "streams"])
def test_fusesoc_builds_the_network(target: str, packaged: dict[int, Path], tmp_path: Path) -> None:
    home = {name: str(tmp_path) for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")}
    command = ["fusesoc", "--cores-root", str(packaged[1]), "run", "--setup", "--tool", "vivado", "--target", target]
    done = subprocess.run(
        [*command, "volley:network:digits"], cwd=tmp_path, env={**plain_path.environment(), **home},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-1000:]
    (script,) = (path for path in tmp_path.rglob("*.tcl") if "read_verilog" in path.read_text())
    named = re.findall(r"^read_\w+ (?:-sv )?\{(.+)\}$", script.read_text(), re.MULTILINE)
    read_files = [script.parent / name for name in named]
    assert read_files
    assert all(path.is_file() for path in read_files)
    assert {path.name for path in script.parent.glob("*.mem")} == {p.name for p in packaged[1].glob("hdl/*.mem")}
    sources = [path for path in read_files if path.suffix in (".sv", ".v")]
    top = {"default": "digits_axi_top", "streams": "digits_top"}[target]
    assert elaborate([*blackboxes(BOARD.family), *sources], top)[1] == ""


@pytest.mark.skipif(not vivado_check.has_tcl(), reason="this Python has no tkinter")
def test_the_packaging_tcl_is_checked(packaged: dict[int, Path], digits: Build, tmp_path: Path) -> None:
    vivado_check.check(packaged[1] / SCRIPT)
    script = packaged[1] / "planted.tcl"
    good = (packaged[1] / SCRIPT).read_text()
    for old, new, message in (
        ("ipx::save_core", "ipx::safe_core", "invalid command"),
        (COMPONENT, "componet.xml", "file componet.xml is not in"),
        ("-in_memory", "-in_memmory", "option -in_memmory is unknown"),
    ):
        script.write_text(good.replace(old, new))
        with pytest.raises(VolleyError, match=message):
            vivado_check.check(script)
    script.unlink()


def test_the_constraints_of_both_crossings_name_what_is_there(packaged: dict[int, Path]) -> None:
    """write_ip() runs them against the sources; here they are those of the core, once per FIFO."""
    (path,) = (packaged[2] / "hdl").glob("*.xdc")
    lines = path.read_text().splitlines()
    for fifo in ("u_in", "u_out"):
        own = [line for line in lines if f"u_axi_top/g_async.{fifo}/" in line]
        assert len(own) == 8
    assert [line for line in lines if "get_ports" in line] == [
        f"set {side} [get_clocks -of_objects [get_ports {clock}]]"
        for pair in (("pixel_clk", "clk"), ("clk", "pixel_clk"))
        for side, clock in zip(("s_clk", "m_clk"), pair, strict=True)
    ]
    assert not list((packaged[1] / "hdl").glob("*.xdc"))


def test_what_is_not_ours_is_kept(digits: Build, tmp_path: Path) -> None:
    folder = tmp_path / "ip"
    write_ip(digits.rtl, BOARD, folder)
    (folder / "hdl" / "left.sv").touch()
    write_ip(digits.rtl, BOARD, folder)
    assert not (folder / "hdl" / "left.sv").exists()
    (folder / SCRIPT).write_text("puts mine\n")
    with pytest.raises(VolleyError, match="was not written by `make ip` and would be lost"):
        write_ip(digits.rtl, BOARD, folder)
    assert (folder / SCRIPT).read_text() == "puts mine\n"
    with pytest.raises(VolleyError, match="no RTL of a network there"):
        write_ip(tmp_path / "empty", BOARD, tmp_path / "other")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("digits", "digits"), ("my-net.v2", "my_net_v2"), ("3layers", "net_3layers"), ("volley", "net_volley"),
        ("Volley_AXI", "net_Volley_AXI_0"), ("my_uart", "my_uart_0"),
        ("icebreaker", "net_icebreaker"), ("ulx3s-85f", "net_ulx3s_85f"),
        ("größe", "gr_e"), ("__a__b__", "a_b"), ("網", "net"), ("x" * 100, "x" * 32),
    ],
)  # fmt: skip
def test_a_name_becomes_one_of_verilog(name: str, expected: str) -> None:
    assert DesignFiles.of(name).name == expected
    assert re.fullmatch(r"[A-Za-z](?!.*__)\w*", DesignFiles.of(name).top)
