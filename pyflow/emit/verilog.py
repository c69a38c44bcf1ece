# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The structural network: instances, parameters and wires, never logic."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pyflow.cores.synapse import KINDS
from pyflow.design_files import HEADER, DesignFiles
from pyflow.emit.memory import load_words, memory_text, row_literal
from pyflow.emit.tops import at_least_one, tops
from pyflow.errors import VolleyError
from pyflow.machine import Emitted, Part, Probe
from pyflow.operators import SPIKES, Encoding
from pyflow.planning.memories import Memory
from pyflow.planning.netlist import FRAMES_IN_FLIGHT, Instance, Netlist, Port, Stream

SIGNALS = ("tvalid", "tready", "tdata", "tlast")
MOST_PROBES = 1024  # that the register PROBE can name


def probes(netlist: Netlist) -> list[Probe]:
    """The probes of a network, by number: stalls in front of every core that makes a tensor, spikes of every tensor
    that has any. Raises VolleyError where there are more than a register can name."""
    found = []
    for inst in netlist.instances:
        tensor = inst.source.tensor
        if not tensor:
            continue
        found += [(tensor, "stalls", stream.name) for _, stream in inst.sinks]
        if netlist.network.tensors[tensor].encoding in (Encoding.RADIX, *SPIKES):
            found.append((tensor, "spikes", inst.source.name))
    if len(found) > MOST_PROBES:
        raise VolleyError(f"probes: {len(found)} are above {MOST_PROBES}; compile without")
    return [Probe(n, *probe) for n, probe in enumerate(found)]


def emit(netlist: Netlist, folder: Path, *, probed: bool = False) -> Emitted:
    """Write the network's package, module and tops, and one .mem per memory that is no constant, into `folder`; names
    as DesignFiles has them. probed: with the counters of probes(netlist)."""
    names, hashed = DesignFiles.of(netlist.network.name, folder), DesignFiles(folder, "volley")
    contents = {f"{m.name}.mem": memory_text(m) for m in netlist.memories}
    checksum = zlib.crc32("".join(f"{name}\n{contents[name]}" for name in sorted(contents)).encode()) & 0xFFFF
    listed = probes(netlist) if probed else []
    geometry = _geometry(netlist, len(listed))
    # What cannot be loaded belongs to the structure, where something else can be.
    fixed = [f"{m.name}.mem" for m in netlist.memories if m.kind != "writable"] if netlist.writable else []
    module = _module(netlist, listed, hashed)  # the same whatever the name
    unchangeable = [_localparams(geometry), module, *(f"{name}\n{contents[name]}" for name in fixed)]
    structure = zlib.crc32("".join(unchangeable).encode())
    images = {names.image(m.name): contents[f"{m.name}.mem"] for m in netlist.images}
    modules = {
        names.package: _package(names, geometry, _constants(netlist), checksum, structure),
        names.network: _module(netlist, listed, names),
        **tops(names, geometry, structure),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in images.items():
        (folder / name).write_text(text)
    for name, text in modules.items():
        names.file(name).write_text(text)
    parts = [Part(i.name, i.core.module, i.layer, tuple(_beside(i))) for i in netlist.instances]
    return Emitted(structure, checksum, tuple(images), load_words(netlist), listed, parts)


def _beside(inst: Instance) -> Iterator[str]:
    """Instances that feed the core and load what feeds it."""
    if inst.memory and inst.core.memory_port:
        yield f"u_{inst.memory.name}"
    if inst.memory and inst.memory.kind == "writable":
        yield f"u_{inst.memory.name}_loader"


def _geometry(netlist: Netlist, count: int) -> dict[str, int]:
    """What a top has to know of the network, by the names of its parameters. count: of probes."""
    return {
        "FRAME_BYTES": netlist.network.frame_bytes,
        "BEAT_BYTES": netlist.streams[0].width // 8,
        "CLASSES": netlist.network.classes,
        "OUT_LANES": netlist.logits.lanes,
        "FRAMES_IN_FLIGHT": FRAMES_IN_FLIGHT,
        "COUNTERS": at_least_one(len(_counters(netlist))),
        "PROBES": count,
        "MEMORIES": len(netlist.writable),
    }


def _constants(netlist: Netlist) -> str:
    """The only row of each constant, in the package: the module stays the same for other weights."""
    constants = (m for m in netlist.memories if m.kind == "const")
    return "".join(f"  localparam logic [{m.width - 1}:0] {_row(m)} = {row_literal(m)};\n" for m in constants)


def _row(memory: Memory) -> str:
    return f"ROW_{memory.name}"


def _localparams(values: dict[str, int]) -> str:
    return "".join(f"  localparam int unsigned {name:<16} = {value};\n" for name, value in values.items())


def _package(names: DesignFiles, geometry: dict[str, int], constants: str, checksum: int, structure: int) -> str:
    return f"""{HEADER}`default_nettype none
package {names.package};
{_localparams(geometry)}{constants}\
  localparam logic [15:0] WEIGHT_CHECKSUM  = 16'h{checksum:04x};  // low half of the CRC-32 of all weights
  localparam logic [31:0] STRUCTURE_HASH   = 32'h{structure:08x};  // CRC-32 of all that cannot be loaded
endpackage
`default_nettype wire
"""


def _module(netlist: Netlist, listed: list[Probe], names: DesignFiles) -> str:
    pixel, logits, counters = netlist.streams[0], netlist.logits, _counters(netlist)
    lines = [
        HEADER + "`default_nettype none",
        f"module {names.network} (",
        "  input  wire logic clk,",
        "  input  wire logic rst,",
        "  input  wire logic load_select,",
        "  input  wire logic load_valid,",
        "  input  wire logic [31:0] load_data,",
        "  input  wire logic s_pixel_tvalid,",
        "  output logic s_pixel_tready,",
        f"  input  wire logic [{pixel.width - 1}:0] s_pixel_tdata,",
        "  input  wire logic s_pixel_tlast,",
        "  output logic m_logit_tvalid,",
        "  input  wire logic m_logit_tready,",
        f"  output logic [{logits.width - 1}:0] m_logit_tdata,",
        "  output logic m_logit_tlast,",
        f"  output logic [{32 * at_least_one(len(counters)) - 1}:0] stat_saturated,",
        f"  output logic [{32 * at_least_one(len(listed)) - 1}:0] stat_probes,",
        "  output logic [15:0] weight_checksum",
        ");",
    ]
    for stream in netlist.streams:
        lines += [
            f"  logic {', '.join(f'{stream.name}_{s}' for s in SIGNALS if s != 'tdata')};"
            f"  // {stream.frame_beats or 'as many'} beats per frame, {_payload(stream)} bit",
            f"  logic [{stream.width - 1}:0] {stream.name}_tdata;",
        ]
    lines += [
        "",
        *(f"  assign {pixel.name}_{s} = s_pixel_{s};" for s in SIGNALS if s != "tready"),
        f"  assign s_pixel_tready = {pixel.name}_tready;",
        *(f"  assign m_logit_{s} = {logits.name}_{s};" for s in SIGNALS if s != "tready"),
        f"  assign {logits.name}_tready = m_logit_tready;",
        *([] if counters else ["  assign stat_saturated = '0;"]),
        *([] if listed else ["  assign stat_probes = '0;"]),
        *_checksum(netlist, names),
    ]
    for probe in listed:
        lines += ["", *_probe(probe, next(s for s in netlist.streams if s.name == probe.stream))]
    numbers = {memory.name: n for n, memory in enumerate(netlist.writable)}
    for inst in netlist.instances:
        number = numbers.get(inst.memory.name) if inst.memory else None
        lines += ["", *_instance(inst, counters.get(inst.name), number, names)]
    return "\n".join([*lines, "endmodule", "`default_nettype wire", ""])


def _probe(probe: Probe, stream: Stream) -> list[str]:
    parameters = _parameters({"DATA_W": stream.width, "SPIKES": int(probe.what == "spikes")})
    return [
        f"  volley_stream_probe #({parameters}) u_probe_{probe.index} (  // {probe.what} of {probe.layer}",
        f"    .clk, .rst, .probe_valid({stream.name}_tvalid), .probe_ready({stream.name}_tready),",
        f"    .probe_data({stream.name}_tdata), .stat_count(stat_probes[{32 * probe.index} +: 32])",
        "  );",
    ]


def _checksum(netlist: Netlist, names: DesignFiles) -> list[str]:
    if not netlist.writable:
        return [f"  assign weight_checksum = {names.package}::WEIGHT_CHECKSUM;"]
    return [
        "",
        f"  volley_load_checksum #(.INITIAL({names.package}::WEIGHT_CHECKSUM)) u_load_checksum (",
        "    .clk, .load_select, .load_valid, .load_data, .weight_checksum",
        "  );",
    ]


def _payload(stream: Stream) -> str:
    return " x ".join(str(n) for n in (*([stream.pix] if stream.pix > 1 else []), stream.lanes, stream.bits))


def _counters(netlist: Netlist) -> dict[str, int]:
    """Instances that count their saturations, each with its word of stat_saturated."""
    names = (inst.name for inst in netlist.instances if inst.core.counts_saturations)
    return {name: n for n, name in enumerate(names)}


def _loader(memory: Memory, number: int) -> list[str]:
    """What writes a memory, and its wires, which have the memory's name."""
    address = max(1, (memory.depth - 1).bit_length())
    parameters = _parameters({"WIDTH": memory.width, "DEPTH": memory.depth, "INDEX": number})
    return [
        f"  logic {memory.name}_we;",
        f"  logic [{address - 1}:0] {memory.name}_addr;",
        f"  logic [{memory.width - 1}:0] {memory.name}_row;",
        f"  volley_memory_loader #({parameters}) u_{memory.name}_loader (",
        "    .clk, .load_select, .load_valid, .load_data,",
        f"    .cfg_we({memory.name}_we), .cfg_addr({memory.name}_addr), .cfg_data({memory.name}_row)",
        "  );",
    ]


def _instance(inst: Instance, counter: int | None, number: int | None, names: DesignFiles) -> list[str]:
    """number: of its memory among the writable ones."""
    lines: list[str] = []
    write = [".cfg_we(1'b0)", ".cfg_addr('0)", ".cfg_data('0)"]
    if inst.memory and number is not None:
        lines += _loader(inst.memory, number)
        wires = {"we": "we", "addr": "addr", "data": "row"}
        write = [f".cfg_{port}({inst.memory.name}_{wire})" for port, wire in wires.items()]
    connections = [".clk", ".rst"]
    connections += _bind("s", inst.sinks)
    values: dict[str, Any] = dict(inst.core.parameters())
    image: dict[str, Any] = {}
    if inst.memory:
        image = {"KIND": KINDS.index(inst.memory.kind)}
        if inst.memory.kind == "const":
            image["ROW"] = f"{names.package}::{_row(inst.memory)}"
        else:
            image["INIT_FILE"] = names.image(inst.memory.name)
    if inst.memory and not inst.core.memory_port:
        values |= image
        connections += write
    elif inst.memory:
        wire = inst.memory.name
        width, depth = inst.memory.width, inst.memory.depth
        parameters = {"WIDTH": width, "DEPTH": depth, **image}
        lines += [
            f"  logic {wire}_tvalid, {wire}_tready;",
            f"  logic [{width - 1}:0] {wire}_tdata;",
            f"  volley_weight_source #({_parameters(parameters)}) u_{wire} (",
            f"    .clk, .rst, {', '.join(write)},",
            f"    .m_weight_tvalid({wire}_tvalid), .m_weight_tready({wire}_tready), .m_weight_tdata({wire}_tdata)",
            "  );",
        ]
        connections += [f".s_{inst.core.memory_port}_{s}({wire}_{s})" for s in ("tvalid", "tready", "tdata")]
    connections += _bind("m", inst.sources)
    connections += [f".{port}()" for port in inst.core.open_ports]
    if counter is not None:
        connections.append(f".stat_saturated(stat_saturated[{32 * counter} +: 32])")
    lines += [f"  {inst.core.module} #({_parameters(values)}) {inst.name} ("]
    lines += [
        f"    {', '.join(connections[i : i + 4])}{',' if i + 4 < len(connections) else ''}"
        for i in range(0, len(connections), 4)
    ]
    return [*lines, "  );"]


def _bind(side: str, ports: tuple[Port, ...]) -> list[str]:
    by_port: dict[str, list[Stream]] = {}
    for port, stream in ports:
        by_port.setdefault(port, []).append(stream)
    connections = []
    for port, streams in by_port.items():
        for s in SIGNALS:
            wires = ", ".join(f"{stream.name}_{s}" for stream in reversed(streams))
            connections.append(
                f".{side}_{port}_{s}({wires})" if len(streams) == 1 else f".{side}_{port}_{s}({{{wires}}})"
            )
    return connections


def _parameters(values: dict[str, Any]) -> str:
    def text(key: str, value: Any) -> str:
        return f'"{value}"' if key.endswith("_FILE") else str(value)

    return ", ".join(f".{key}({text(key, value)})" for key, value in values.items())
