# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What is generated from the register map rtl/top/volley_regs.rdl: `python -m verif.registers [--html FOLDER]`.

Without an option, writes the committed files: SystemVerilog by PeakRDL-regblock, C by PeakRDL-cheader,
IP-XACT by PeakRDL-ipxact, and the constants of pyflow/registers.py. --html writes pages to read instead.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

from verif.harness import REPO
from verif.pages.lists import LICENCE

MAP = REPO / "rtl" / "top" / "volley_regs.rdl"
_FROM = "from volley_regs.rdl by `make docs`; edits are lost."
# The headers of the sources say what a core's page needs; PeakRDL's own names tool and origin.
_HEADERS = {
    "volley_regs.sv": (
        "Register block: the map of volley_regs.rdl, behind volley_axil_slave; reads of unused addresses give 0,\n"
        f"// writes do nothing. Generated {_FROM}\n"
        "// Latency 0 from a request to what it reads, a request per cycle; it never stalls and refuses none.\n"
        "// Each process drives fields of its own in one structure, which Verilator takes for one variable.\n"
        "/* verilator lint_off MULTIDRIVEN */"
    ),
    "volley_regs_pkg.sv": f"Types of volley_regs' hardware ports. Generated {_FROM}",
    "volley_regs.h": f"Generated {_FROM}",
}


def _peakrdl(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "peakrdl", *arguments], check=True)


def generated() -> dict[Path, str]:
    """Path -> text of every committed file that is made from the map."""
    texts: dict[Path, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        _peakrdl("regblock", str(MAP), "-o", folder, "--cpuif", "passthrough", "--addr-width", "12")
        _peakrdl("c-header", str(MAP), "-o", f"{folder}/volley_regs.h")
        for name, header in _HEADERS.items():
            text = "\n".join(line.rstrip() for line in Path(folder, name).read_text().splitlines())
            texts[MAP.with_name(name)] = "".join(f"// {line}\n" for line in (*LICENCE, header)) + f"{text}\n"
        _peakrdl("ip-xact", str(MAP), "-o", f"{folder}/map.xml", "--standard", "2009")
        texts[MAP.with_suffix(".xml")] = memory_map(Path(folder, "map.xml").read_text())
    return texts | {REPO / "pyflow" / "registers.py": constants()}


def memory_map(component: str) -> str:
    """The element memoryMaps of PeakRDL's IP-XACT, as `make ip` puts it into a component: the block is as large as its
    address port says, and of 32-bit registers."""
    start, end = component.index("<spirit:memoryMaps>"), component.index("</spirit:memoryMaps>")
    text = component[start : end + len("</spirit:memoryMaps>")]
    for name, value in (("range", "0x1000"), ("width", "32")):
        text = re.sub(rf"<spirit:{name}>\w+<", f"<spirit:{name}>{value}<", text)
    head = "".join(f"<!-- {line} -->\n" for line in (*LICENCE, f"Generated {_FROM}"))
    return f"{head}{textwrap.dedent(f'  {text}')}\n".replace(
        "<spirit:memoryMaps>",
        '<spirit:memoryMaps xmlns:spirit="http://www.spiritconsortium.org/XMLSchema/SPIRIT/1685-2009">',
    )


def constants() -> str:
    """Addresses of the registers, and where their fields lie, as a Python module."""
    from systemrdl.compiler import RDLCompiler
    from systemrdl.node import FieldNode, RegNode

    compiler = RDLCompiler()
    compiler.compile_file(str(MAP))
    lines = [
        *(f"# {line}" for line in LICENCE),
        '"""Addresses of the registers, and (lowest bit, width) of their fields; FIELD_RESET is a constant field.',
        "",
        f"Generated {_FROM}",
        '"""',
        "",
    ]
    for register in compiler.elaborate().top.descendants(unroll=True):
        if isinstance(register, RegNode):
            lines.append(f"{register.inst_name} = 0x{register.absolute_address:03x}")
            for field in register.fields():
                assert isinstance(field, FieldNode)
                name = f"{register.inst_name}_{field.inst_name.upper()}"
                lines.append(f"{name} = ({field.low}, {field.width})")
                if field.get_property("hw").name == "na" and not field.is_sw_writable:
                    lines.append(f"{name}_RESET = 0x{field.get_property('reset'):x}")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--html", metavar="FOLDER", help="write the map's HTML there, nothing else")
    options = parser.parse_args()
    if options.html:
        _peakrdl("html", str(MAP), "-o", options.html)
        return
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
