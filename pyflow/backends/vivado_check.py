# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Runs the Tcl of the Vivado flow without Vivado, against stubs that know what vivado.toml lists and nothing else.

It finds misspelt commands, options, properties, IP, parameters and pins, pins that are connected twice or not at all,
and address segments that are not there. It does not find wrong values.
"""

from __future__ import annotations

import contextlib
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyflow.errors import VolleyError

ALLOWED = Path(__file__).with_name("vivado.toml")


class _Refused(Exception):
    """What a stub does not accept."""


@dataclass(slots=True)
class _Cell:
    """A cell of the block design. interfaces: name -> "master" or "slave"; pins: name -> "in" or "out"."""

    kind: dict[str, Any]
    pins: dict[str, str] = field(default_factory=dict)
    interfaces: dict[str, str] = field(default_factory=dict)
    config: dict[str, str] = field(default_factory=dict)


def has_tcl() -> bool:
    """Is there a Tcl interpreter to check with (Python's tkinter)?"""
    try:
        import tkinter  # noqa: F401
    except ImportError:
        return False
    return True


def check(project: Path, *, after: Iterable[Path] = (), allowed: Mapping[str, Any] | None = None) -> None:
    """Run the project's Tcl, in its folder, then the scripts `after`, then the constraints that it reads.

    Raises VolleyError naming script, line and what is unknown. Needs has_tcl().
    """
    import tkinter

    stubs = _Vivado(allowed or tomllib.loads(ALLOWED.read_text()), project.parent)
    interp = tkinter.Tcl()
    interp.createcommand("stub_called", stubs.call)
    for name in stubs.commands:
        if space := name.rpartition("::")[0]:
            interp.eval(f"namespace eval {space} {{}}")
        # A Python function cannot raise a Tcl error with a text, so it returns {failed text}.
        interp.eval(
            f"proc {name} args {{ lassign [stub_called {name} {{*}}$args] failed result\n"
            "if {$failed} { return -code error $result }; return $result }"
        )
    with contextlib.chdir(project.parent):
        for script in (project, *after):
            _source(interp, script.relative_to(project.parent) if script.is_relative_to(project.parent) else script)
        for script, scope in stubs.constraints:
            stubs.scope = scope
            _source(interp, script)


def _source(interp: Any, script: Path) -> None:
    import tkinter

    try:
        interp.call("source", str(script))
    except tkinter.TclError as e:
        trace = str(interp.getvar("errorInfo"))
        found = re.search(r'\(file "([^"]+)" line (\d+)\)', trace)
        inside = re.search(r'\(procedure "(\S+::\S+)" line (\d+)\)', trace)  # of ours, not a stub
        where = f"{found[1]} line {found[2]}" if found else str(script)
        where += f", {inside[1]} line {inside[2]}" if inside else ""
        raise VolleyError(f"{where}: {e}") from None


class _Vivado:
    """Stubs of Vivado's commands. Objects are texts "kind:name"."""

    def __init__(self, allowed: Mapping[str, Any], folder: Path) -> None:
        self.allowed = allowed
        self.folder = folder
        self.commands = {k: v for k, v in allowed["commands"].items() if isinstance(v, dict)}
        self.verilog: list[Path] = []
        self.constraints: list[tuple[Path, str]] = []  # with the module that they are scoped to, "" for none
        self.scope = ""
        self.part = ""
        self.cells: dict[str, _Cell] = {}
        self.ports: dict[str, str] = {}
        self.nets: dict[str, int] = {}  # pin or port -> its net
        self.joined: set[str] = set()  # interface pins and ports
        self.assigned: set[str] = set()

    def call(self, name: str, *arguments: str) -> tuple[int, str]:
        try:
            options, rest = self._options(name, [str(a) for a in arguments])
            stub: Callable[..., str | None] | None = getattr(self, f"_{name.replace('::', '_')}", None)
            return 0, (stub(options, *rest) if stub else None) or ""
        except _Refused as e:
            return 1, f"{name}: {e}"

    def _options(self, name: str, arguments: list[str]) -> tuple[dict[str, str], list[str]]:
        known = dict(f"{o} ".split(" ", 1) for o in self.commands[name]["options"])
        options: dict[str, str] = {}
        rest: list[str] = []
        words = iter(arguments)
        for word in words:
            if not re.match(r"-[a-z_]", word):
                rest.append(word)
            elif word not in known:
                raise _Refused(f"option {word} is unknown; {self.commands_source} has {', '.join(known) or 'none'}")
            else:
                value = next(words, None) if known[word] else ""
                if value is None:
                    raise _Refused(f"option {word} needs a value")
                options[word] = value
        if len(rest) > self.commands[name]["arguments"]:
            raise _Refused(f"{len(rest)} arguments, at most {self.commands[name]['arguments']}")
        return options, rest

    @property
    def commands_source(self) -> str:
        return str(self.allowed["commands"]["source"]).split(",")[0]

    # ------------------------------------------------------------------ files and objects
    def _file(self, name: str) -> Path:
        path = self.folder / name
        if not path.is_file():
            raise _Refused(f"file {name} is not in the project's folder")
        return path

    def _create_project(self, options: dict[str, str], name: str = "") -> None:
        self.part = options.get("-part", self.part)

    def _ipx_open_core(self, options: dict[str, str], name: str) -> str:
        return f"core:{self._file(name).name}"

    def _read_verilog(self, options: dict[str, str], name: str) -> None:
        self.verilog.append(self._file(name))

    def _read_mem(self, options: dict[str, str], name: str) -> None:
        self._file(name)

    def _read_xdc(self, options: dict[str, str], name: str) -> None:
        self._file(name)
        self.constraints.append((Path(name), options.get("-ref", "")))

    def _current_project(self, options: dict[str, str]) -> str:
        return "project:volley"

    def _current_fileset(self, options: dict[str, str]) -> str:
        return "fileset:sources_1"

    def _current_design(self, options: dict[str, str]) -> str:
        return "design:zynq_wrapper"

    def _get_filesets(self, options: dict[str, str], name: str) -> str:
        return self._one_of("fileset", name, ("sources_1", "constrs_1", "sim_1", "utils_1"))

    def _get_runs(self, options: dict[str, str], name: str) -> str:
        return self._one_of("run", name, ("synth_1", "impl_1"))

    def _get_files(self, options: dict[str, str], name: str) -> str:
        return self._one_of("file", name, ("zynq.bd",))

    def _make_wrapper(self, options: dict[str, str]) -> str:
        return f"zynq_wrapper.v of {options['-files']}"

    def _get_ports(self, options: dict[str, str], name: str) -> str:
        return self._one_of("port", name, self._ports_of(self.scope) if self.scope else self.ports)

    def _get_clocks(self, options: dict[str, str]) -> str:
        return "clock:" + options["-of_objects"].partition(":")[2]

    def _get_property(self, options: dict[str, str], key: str, target: str) -> str:
        if key not in self.allowed["properties"].get(kind := target.partition(":")[0], ()):
            raise _Refused(f"property {key} is not one of a {kind}: {self.allowed['properties'].get(kind)}")
        return "10.0"

    def _get_cells(self, options: dict[str, str], name: str) -> str:
        """Instances down to a register, which Vivado calls <variable>_reg, or a memory by a pattern."""
        module, (*instances, register) = self.scope, name.split("/")
        for instance in (path.rpartition(".")[2] for path in instances):  # a generate block stands in front
            found = re.search(rf"\b(\w+)\s*(?:#\s*\((?:[^()]|\([^()]*\))*\)\s*)?{instance}\s*\(", self._text_of(module))
            if not found:
                raise _Refused(f"instance {instance} is not in {module}")
            module = found[1]
        variable = re.sub(r"_reg(\[.*\]|\*)?$", "", register).lstrip("*")
        # Up to the name a declaration has no operator; brackets hold widths.
        if register == variable or not re.search(rf"\blogic\b[^;(]*\b{variable}\b", self._text_of(module)):
            raise _Refused(f"register {register} is not in {module}")
        return f"cell:{name}"

    def _text_of(self, module: str) -> str:
        path = next((p for p in self.verilog if p.stem == module), None)
        if path is None:
            raise _Refused(f"module {module or 'of the design'} is in no file that was read")
        return re.sub(r"//.*", "", path.read_text())

    def _ports_of(self, module: str) -> list[str]:
        return re.findall(r"\b(?:input|output)\b[^,\n]*?(\w+)\s*(?:,|$|\n)", self._text_of(module))

    @staticmethod
    def _one_of(kind: str, name: str, known: Iterable[str]) -> str:
        if name not in known:
            raise _Refused(f"{kind} {name} is unknown; known: {', '.join(known) or 'none'}")
        return f"{kind}:{name}"

    def _set_property(self, options: dict[str, str], *rest: str) -> None:
        import tkinter

        if "-dict" in options:
            words = [str(w) for w in tkinter.Tcl().splitlist(options["-dict"])]
            pairs, target = list(zip(words[::2], words[1::2], strict=True)), rest[-1]
        else:
            pairs, target = [(rest[0], rest[1])], rest[2]
        kind, _, name = target.partition(":")
        for key, value in pairs:
            if kind == "cell":
                self._configure(self.cells[name], key, value)
            elif key not in self.allowed["properties"].get(kind, ()):
                raise _Refused(f"property {key} is not one of a {kind}: {self.allowed['properties'].get(kind)}")
            elif key == "part":
                self.part = value
            elif key == "PACKAGE_PIN" and value not in self.allowed["package_pins"].get(self.part, ()):
                raise _Refused(f"package pin {value} is unknown for {self.part}")

    def _configure(self, cell: _Cell, key: str, value: str) -> None:
        name = key.removeprefix("CONFIG.")
        if name == key or name not in cell.kind["parameters"]:
            raise _Refused(f"parameter {key} is unknown; {cell.kind['source']}")
        cell.config[name] = value

    # ------------------------------------------------------------------ block design
    def _create_bd_cell(self, options: dict[str, str], name: str) -> str:
        if options.get("-type") == "module":
            self.cells[name] = _module(options.get("-reference", ""), self.verilog)
        else:
            kind = self.allowed["ip"].get(vlnv := options.get("-vlnv", ""))
            if kind is None:
                raise _Refused(f"IP {vlnv} is unknown; known: {', '.join(self.allowed['ip'])}")
            self.cells[name] = _Cell(
                kind,
                dict.fromkeys(kind.get("inputs", ()), "in") | dict.fromkeys(kind.get("outputs", ()), "out"),
                dict.fromkeys(kind.get("masters", ()), "master") | dict.fromkeys(kind.get("slaves", ()), "slave"),
            )
        return f"cell:{name}"

    def _find(self, what: str, path: str) -> str:
        """Direction of cell/pin or cell/interface. A name is there if its parameter says so."""
        cell_name, _, name = path.partition("/")
        if (cell := self.cells.get(cell_name)) is None:
            raise _Refused(f"cell {cell_name} is unknown; known: {', '.join(self.cells)}")
        for pattern, direction in getattr(cell, what).items():
            number = re.fullmatch(re.escape(pattern).replace("%", r"(\d+)"), name)
            if number:
                count = cell.kind.get("counts", {}).get(pattern)
                if count and int(number[1]) >= int(cell.config.get(count, 1)):
                    raise _Refused(f"{path} is not there: {count} is {cell.config.get(count, 1)}")
                switch = cell.kind.get("enables", {}).get(pattern)
                if switch and cell.config.get(switch) != "1":
                    raise _Refused(f"{path} is not there: {switch} is not 1")
                return str(direction)
        kind = what.removesuffix("s")
        raise _Refused(f"{kind} {path} is unknown; {cell.kind['source']} has {', '.join(getattr(cell, what))}")

    def _get_bd_pins(self, options: dict[str, str], names: str) -> str:
        for name in names.split():
            self._find("pins", name)
        return names

    def _get_bd_intf_pins(self, options: dict[str, str], name: str) -> str:
        self._find("interfaces", name)
        return name

    def _create_bd_port(self, options: dict[str, str], name: str) -> None:
        self.ports[f"{name}[0]" if "-from" in options else name] = {"O": "in", "I": "out"}[options["-dir"]]

    def _create_bd_intf_port(self, options: dict[str, str], name: str) -> None:
        if (vlnv := options["-vlnv"]) not in self.allowed["interfaces"]:
            raise _Refused(f"interface {vlnv} is unknown; known: {', '.join(self.allowed['interfaces'])}")
        self.cells[f":{name}"] = _Cell({}, interfaces={name: "slave" if options["-mode"] == "Master" else "master"})

    def _get_bd_ports(self, options: dict[str, str], name: str) -> str:
        port = name if name in self.ports else f"{name}[0]"
        self._one_of("port", port, self.ports)
        return port

    def _get_bd_intf_ports(self, options: dict[str, str], name: str) -> str:
        if f":{name}" not in self.cells:
            raise _Refused(f"interface port {name} is unknown")
        return f":{name}/{name}"

    def _connect_bd_net(self, options: dict[str, str], *groups: str) -> None:
        """Pins that meet on a net share its driver; a net may be made in several steps."""
        pins = [pin for group in groups for pin in group.split()]
        net = next((self.nets[p] for p in pins if p in self.nets), len(self.nets))
        for pin in pins:
            if self.nets.setdefault(pin, net) != net:
                raise _Refused(f"{pin} is on another net already")
        on_it = [p for p, n in self.nets.items() if n == net]
        drivers = [p for p in on_it if (self.ports.get(p) or self._find("pins", p)) == "out"]
        if len(drivers) != 1:
            raise _Refused(f"{', '.join(on_it)}: {len(drivers)} drivers instead of 1")

    def _connect_bd_intf_net(self, options: dict[str, str], one: str, other: str) -> None:
        if {self._find("interfaces", one), self._find("interfaces", other)} != {"master", "slave"}:
            raise _Refused(f"{one} and {other} are not a master and a slave")
        if again := self.joined & {one, other}:
            raise _Refused(f"{', '.join(again)} is connected already")
        self.joined |= {one, other}

    # ------------------------------------------------------------------ addresses
    def _get_bd_addr_spaces(self, options: dict[str, str], path: str) -> str:
        known = [f"{c}/{s}" for c, found in self.cells.items() for s in found.kind.get("spaces", ())]
        return self._one_of("space", path, known)

    def _get_bd_addr_segs(self, options: dict[str, str], path: str) -> str:
        known = [f"{c}/{s}" for c, found in self.cells.items() for s in found.kind.get("segments", ())]
        return self._one_of("segment", path, known)

    def _assign_bd_address(self, options: dict[str, str], segment: str = "") -> None:
        self.assigned.add(segment)

    def _validate_bd_design(self, options: dict[str, str]) -> None:
        for name, cell in self.cells.items():
            for pattern in cell.kind.get("needed", ()):
                count = cell.kind.get("counts", {}).get(pattern)
                numbers = range(int(cell.config.get(count, 1))) if count else (0,)
                for pin in (f"{name}/{pattern.replace('%', str(i))}" for i in numbers):
                    if pin not in self.nets:
                        raise _Refused(f"pin {pin} is not connected")
            for interface in cell.interfaces:
                if "%" not in interface and f"{name}/{interface}" not in self.joined:
                    raise _Refused(f"interface {name}/{interface} is not connected")
            for segment in cell.kind.get("segments", ()):
                if f"segment:{name}/{segment}" not in self.assigned:
                    raise _Refused(f"segment {name}/{segment} has no address")


def _module(name: str, sources: Iterable[Path]) -> _Cell:
    """The cell of a module reference: its ports, AXI ones as the interfaces that Vivado infers from their names."""
    path = next((p for p in sources if p.stem == name), None)
    if path is None:
        raise _Refused(f"module {name} is in no file that was read")
    if path.suffix != ".v":
        raise _Refused(f"module {name} is in {path.name}; a module reference takes plain Verilog (UG994)")
    ports = {
        port: "in" if direction == "input" else "out"
        for direction, port in re.findall(r"\b(input|output)\s+wire\s+(?:\[[^\]]*\]\s*)?(\w+)", path.read_text())
    }
    sides: dict[str, str] = {}
    for port, direction in ports.items():
        if found := re.fullmatch(r"(\w+)_(tvalid|awvalid|arvalid)", port):
            sides[found[1]] = "slave" if direction == "in" else "master"
    clocked = re.findall(r"ASSOCIATED_BUSIF ([\w:]+)", path.read_text())
    if missing := set(sides) - set(":".join(clocked).split(":")):
        names = ", ".join(sorted(missing))
        raise _Refused(f"module {name}: no clock is associated with {names} (ASSOCIATED_BUSIF, UG994)")
    pins = {p: d for p, d in ports.items() if not any(p.startswith(f"{side}_") for side in sides)}
    segments = [f"{side}/reg0" for side in sides if f"{side}_awvalid" in ports and sides[side] == "slave"]
    needed = [p for p, d in pins.items() if d == "in"]
    kind = {"source": path.name, "parameters": [], "needed": needed, "segments": segments}
    return _Cell(kind, pins, sides)
