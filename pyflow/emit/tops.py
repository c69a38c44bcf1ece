# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Tops of a network: one of Volley's (rtl/top) and the network, joined by name. They hold no logic."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pyflow.design_files import ACCELERATOR, HEADER, DesignFiles
from pyflow.emit.interfaces import attributes
from pyflow.sources import rtl_folder

NETWORK_PORTS = {  # of the network -> of the top that drives it
    "clk": "clk",
    "rst": "net_rst",
    "load_select": "net_load_select",
    "load_valid": "net_load_valid",
    "load_data": "net_load_data",
    **{f"s_pixel_{part}": f"m_pixel_{part}" for part in ("tvalid", "tready", "tdata", "tlast")},
    **{f"m_logit_{part}": f"s_logit_{part}" for part in ("tvalid", "tready", "tdata", "tlast")},
    "stat_saturated": "net_saturated",
    "stat_probes": "net_probes",
    "weight_checksum": "net_checksum",
}
_PARAMETER = re.compile(r"^  parameter (?P<type>[\w \[\]:]+?) (?P<name>\w+) += (?P<default>[^,\s]+),?(?P<comment>.*)$")
_PORT = re.compile(
    r"^  (?P<direction>input|output) +(?:wire )?logic +(?P<width>\[.+?\])? *(?P<name>\w+),?\s*(?P<comment>//.*)?$"
)


@dataclass(frozen=True, slots=True)
class Line:
    """A parameter, a port, or a comment of its own (name ""). width, type, default: as written, "" for one bit."""

    name: str
    text: str
    direction: str = ""
    width: str = ""
    comment: str = ""
    type: str = ""
    default: str = ""


@dataclass(frozen=True, slots=True)
class Shell:
    """The head of one of Volley's tops. outer, inner: ports to the outside, and to the network."""

    module: str
    parameters: Sequence[Line]
    outer: Sequence[Line]
    inner: Sequence[Line]


def shell(module: str) -> Shell:
    """The head of rtl/top/<module>.sv."""
    text = (rtl_folder() / "top" / f"{module}.sv").read_text(encoding="utf-8")
    head = text[text.index(f"module {module} #(") : text.index("\n);\n")]
    first, _, second = head.partition("\n) (\n")
    outer, _, inner = second.partition("  // Network:")
    return Shell(
        module,
        [_read(line, _PARAMETER, module) for line in first.splitlines()[1:]],
        [_read(line, _PORT, module) for line in outer.splitlines()],
        [_read(line, _PORT, module) for line in inner.splitlines()[1:]],
    )


def _read(line: str, pattern: re.Pattern[str], module: str) -> Line:
    if line.startswith("  //"):
        return Line("", line)
    found = pattern.match(line)
    assert found, f"{module}: head not understood: {line}"
    return Line(text=line, **{key: (part or "").strip() for key, part in found.groupdict().items()})


def at_least_one(count: int) -> int:
    """Words of a vector with one for each of `count` counters: a port has a word in any case."""
    return max(1, count)


def tops(names: DesignFiles, geometry: Mapping[str, int], structure: int) -> dict[str, str]:
    """Module -> text of all tops. geometry: parameters of the tops that tell of the network; structure: its hash."""
    constants = {**{name: str(value) for name, value in geometry.items()}, "STRUCTURE_HASH": f"32'h{structure:08x}"}
    in_package = {name: f"{names.package}::{name}" for name in constants}
    widths = {
        "net_load_data": 32, "m_pixel_tdata": 8 * geometry["BEAT_BYTES"], "s_logit_tdata": 32 * geometry["OUT_LANES"],
        "net_saturated": 32 * geometry["COUNTERS"], "net_probes": 32 * at_least_one(geometry["PROBES"]),
        "net_checksum": 16,
    }  # fmt: skip
    return {
        names.top: _structural(names, names.top, shell("volley_top"), in_package, widths),
        names.uart_top: _structural(names, names.uart_top, shell("volley_uart_top"), in_package, widths),
        names.axi_top: _structural(names, names.axi_top, shell("volley_axi_top"), constants, widths, clocks=1),
        names.async_top: _structural(names, names.async_top, shell("volley_axi_top"), constants, widths, clocks=2),
        ACCELERATOR: _accelerator(names, shell("volley_uart_top")),
    }


def _structural(
    names: DesignFiles,
    name: str,
    around: Shell,
    constants: Mapping[str, str],
    widths: Mapping[str, int],
    *,
    clocks: int = 0,
) -> str:
    """Module `name`. clocks: 0 in SystemVerilog; 1 or 2, of volley_axi_top in plain Verilog, with the attributes from
    which Vivado infers interfaces."""
    outer = [line for line in around.outer if clocks != 1 or not _of_pixel_clock(line)]
    handed = [p for p in around.parameters if p.name and p.name not in constants and not (clocks and p.name == "ASYNC")]
    if clocks == 1:
        handed = []
    values = {p.name: constants[p.name] for p in around.parameters if p.name in constants}
    values |= {"ASYNC": "1'b1"} if clocks == 2 else {}
    values |= {p.name: p.name for p in handed}
    wires = {name: name for name in (line.name for line in around.outer) if name}
    if clocks == 1:
        wires |= {"pixel_clk": "clk", "pixel_aresetn": "aresetn"}
    wires |= {line.name: line.name for line in around.inner}
    head = f"module {name}"
    if handed:
        head += " #(\n" + ",\n".join(_parameter(p, plain=bool(clocks)) for p in handed) + "\n)"
    lines = [
        HEADER + f"// {around.module} around {names.network}{_CLOCKS[clocks]}.",
        "`default_nettype none",
        f"{head} (",
        *_ports(outer, clocks),
        ");",
        *(f"  {'wire' if clocks else 'logic'} {_bits(widths.get(p.name, 1))}{p.name};" for p in around.inner),
        "",
        f"  {around.module} #(",
        *_listed(f".{key}({value})" for key, value in values.items()),
        f"  ) u_{around.module.removeprefix('volley_')} (",
        *_listed(f".{port}({wire})" for port, wire in wires.items()),
        "  );",
        "",
        f"  {names.network} u_net (",
        *_listed(f".{port}({wire})" for port, wire in NETWORK_PORTS.items()),
        "  );",
        "endmodule",
        "`default_nettype wire",
    ]
    return "\n".join(lines) + "\n"


_CLOCKS = (
    "",
    " in plain Verilog, for block designs and IP packagers",
    " in plain Verilog, its streams with a clock of their own; constraints: volley_fifo_async.xdc",
)


def _accelerator(names: DesignFiles, around: Shell) -> str:
    """The name by which a board's top knows its network."""
    handed = [p for p in around.parameters if p.name in ("CLK_HZ", "BAUD")]
    ports = [line for line in around.outer if line.name]
    lines = [
        HEADER + f"// {names.uart_top}, as a chip of boards/ knows it.",
        "`default_nettype none",
        f"module {ACCELERATOR} #(\n" + ",\n".join(_parameter(p, plain=False) for p in handed) + "\n) (",
        *_ports(around.outer, 0),
        ");",
        f"  {names.uart_top} #({', '.join(f'.{p.name}({p.name})' for p in handed)}) u_uart_top (",
        *_listed(f".{line.name}({line.name})" for line in ports),
        "  );",
        "endmodule",
        "`default_nettype wire",
    ]
    return "\n".join(lines) + "\n"


def _of_pixel_clock(line: Line) -> bool:
    return line.name.startswith("pixel_") or "without ASYNC" in line.text


def _parameter(line: Line, *, plain: bool) -> str:
    return f"  parameter {'integer' if plain else line.type} {line.name} = {line.default}"


def _ports(lines: Sequence[Line], clocks: int) -> list[str]:
    """Declarations, with their comments, and in plain Verilog with attributes."""
    last = [line.name for line in lines if line.name][-1]
    found = []
    for line in lines:
        if not line.name:
            found.append(line.text)
            continue
        found += [f"  {attribute}" for attribute in (attributes(line.name, clocks) if clocks else ())]
        kind = {"input": "input  wire", "output": "output wire"}[line.direction]
        if not clocks:
            kind = {"input": "input  wire logic", "output": "output logic"}[line.direction]
        declared = f"  {kind} {line.width + ' ' if line.width else ''}{line.name}{'' if line.name == last else ','}"
        found.append(f"{declared}  {line.comment}".rstrip())
    return found


def _bits(width: int) -> str:
    return f"[{width - 1}:0] " if width > 1 else ""


def _listed(connections: Iterable[str]) -> list[str]:
    """Connections in lines."""
    text = ", ".join(connections)
    return textwrap.wrap(text, 116, initial_indent="    ", subsequent_indent="    ", break_long_words=False)
