# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""IP-XACT of an accelerator: component.xml as Vivado's packager writes it (SPIRIT 1685-2009; UG1118)."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement

from pyflow.emit.interfaces import MEMORY_MAP, Interface
from pyflow.sources import rtl_folder

SPIRIT = "http://www.spiritconsortium.org/XMLSchema/SPIRIT/1685-2009"
XILINX = "http://www.xilinx.com"
VENDOR, LIBRARY = "volley", "network"
# userFileType stands where the standard has no word.
_FILE_TYPES = {".sv": "systemVerilogSource", ".v": "verilogSource", ".mem": "mem", ".xdc": "xdc"}
_OF_THE_USER = {".mem", ".xdc"}
_VIEWS = {
    "xilinx_anylanguagesynthesis": (":vivado.xilinx.com:synthesis", "synthesis"),
    "xilinx_anylanguagebehavioralsimulation": (":vivado.xilinx.com:simulation", "simulation"),
}


@dataclass(frozen=True, slots=True)
class Component:
    """What is packaged. top: module; description: a sentence. ports: name -> ("in" or "out", bits); files: of synthesis
    in the order of a compiler, relative to component.xml."""

    name: str
    version: str
    top: str
    description: str
    ports: Mapping[str, tuple[str, int]]
    interfaces: Sequence[Interface]
    files: Sequence[str]


def component_xml(component: Component) -> str:
    """The text of component.xml."""
    ElementTree.register_namespace("spirit", SPIRIT)
    ElementTree.register_namespace("xilinx", XILINX)
    root = Element(_tag("component"))
    for tag, value in (("vendor", VENDOR), ("library", LIBRARY), ("name", component.name)):
        _text(root, tag, value)
    _text(root, "version", component.version)
    buses = SubElement(root, _tag("busInterfaces"))
    for bus in component.interfaces:
        _bus(buses, bus)
    root.append(ElementTree.fromstring((rtl_folder() / "top" / "volley_regs.xml").read_text(encoding="utf-8")))
    root[-1][0][0].text = MEMORY_MAP  # the map's name is that of its interface
    _model(root, component)
    sets = SubElement(root, _tag("fileSets"))
    for view, (_, kind) in _VIEWS.items():
        _file_set(sets, view, [file for file in component.files if kind == "synthesis" or not file.endswith(".xdc")])
    _text(root, "description", component.description)
    parameters = SubElement(root, _tag("parameters"))
    _parameter(parameters, "Component_Name", component.top)
    _vendor(root, component)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _bus(buses: Element, bus: Interface) -> None:
    element = SubElement(buses, _tag("busInterface"))
    _text(element, "name", bus.name)
    for tag, name in (("busType", bus.kind), ("abstractionType", f"{bus.kind}_rtl")):
        values = {"vendor": "xilinx.com", "library": bus.library, "name": name, "version": "1.0"}
        SubElement(element, _tag(tag), {_tag(key): value for key, value in values.items()})
    side = SubElement(element, _tag("master" if bus.master else "slave"))
    if bus.name == MEMORY_MAP:
        SubElement(side, _tag("memoryMapRef"), {_tag("memoryMapRef"): MEMORY_MAP})
    maps = SubElement(element, _tag("portMaps"))
    for logical, physical in bus.ports.items():
        pair = SubElement(maps, _tag("portMap"))
        for tag, name in (("logicalPort", logical), ("physicalPort", physical)):
            _text(SubElement(pair, _tag(tag)), "name", name)
    parameters = SubElement(element, _tag("parameters"))
    for key, value in bus.parameters.items():
        _parameter(parameters, key, value, f"BUSIFPARAM_VALUE.{bus.name.upper()}.{key}")


def _model(root: Element, component: Component) -> None:
    model = SubElement(root, _tag("model"))
    views = SubElement(model, _tag("views"))
    for view_name, (environment, kind) in _VIEWS.items():
        view = SubElement(views, _tag("view"))
        _text(view, "name", view_name)
        _text(view, "displayName", kind)
        _text(view, "envIdentifier", environment)
        _text(view, "language", "SystemVerilog")
        _text(view, "modelName", component.top)
        _text(SubElement(view, _tag("fileSetRef")), "localName", f"{view_name}_view_fileset")
    ports = SubElement(model, _tag("ports"))
    for name, (direction, bits) in component.ports.items():
        port = SubElement(ports, _tag("port"))
        _text(port, "name", name)
        wire = SubElement(port, _tag("wire"))
        _text(wire, "direction", direction)
        if bits > 1:
            vector = SubElement(wire, _tag("vector"))
            _text(vector, "left", str(bits - 1))
            _text(vector, "right", "0")
        declared = SubElement(SubElement(wire, _tag("wireTypeDefs")), _tag("wireTypeDef"))
        _text(declared, "typeName", "wire")
        for view_name in _VIEWS:
            _text(declared, "viewNameRef", view_name)


def _file_set(sets: Element, view: str, files: Sequence[str]) -> None:
    file_set = SubElement(sets, _tag("fileSet"))
    _text(file_set, "name", f"{view}_view_fileset")
    for name in files:
        file = SubElement(file_set, _tag("file"))
        _text(file, "name", name)
        suffix = name[name.rindex(".") :]
        _text(file, "userFileType" if suffix in _OF_THE_USER else "fileType", _FILE_TYPES[suffix])
        if suffix == ".xdc":  # behind the constraints of the design, which create the clocks
            order = SubElement(file, _tag("define"))
            _text(order, "name", "processing_order")
            _text(order, "value", "late")


def _vendor(root: Element, component: Component) -> None:
    """What Vivado's catalogue shows."""
    extensions = SubElement(SubElement(root, _tag("vendorExtensions")), f"{{{XILINX}}}coreExtensions")
    taxonomies = SubElement(extensions, f"{{{XILINX}}}taxonomies")
    SubElement(taxonomies, f"{{{XILINX}}}taxonomy").text = "/Volley"
    SubElement(extensions, f"{{{XILINX}}}displayName").text = f"{component.name} (Volley)"
    SubElement(extensions, f"{{{XILINX}}}coreRevision").text = "1"


def _parameter(parameters: Element, name: str, value: str, key: str = "") -> None:
    parameter = SubElement(parameters, _tag("parameter"))
    _text(parameter, "name", name)
    element = SubElement(parameter, _tag("value"), {_tag("id"): key} if key else {})
    element.text = value


def _tag(name: str) -> str:
    return f"{{{SPIRIT}}}{name}"


def _text(parent: Element, name: str, text: str) -> None:
    SubElement(parent, _tag(name)).text = text
