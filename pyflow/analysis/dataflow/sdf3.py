# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Files of SDF3 (Stuijk et al. 2006): application graphs of type sdf and csdf, and architecture graphs.

An element or attribute that is not in `KNOWN` is refused by name: what is not understood is not left out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from xml.etree.ElementTree import Element

from pyflow.analysis.dataflow.graph import Actor, Channel, Graph
from pyflow.analysis.dataflow.xml import read_xml
from pyflow.errors import VolleyError

CURE = "give a file of SDF3 with an applicationGraph of type sdf or csdf"
MAX_PHASES = 10_000  # of an actor
VERSION = "1.0"
SCHEMA = "xsi:noNamespaceSchemaLocation"

# Element, with the one that it stands in where that decides -> its attributes, and the elements in it.
KNOWN: dict[str, tuple[str, str]] = {
    "sdf3": (f"type version xmlns:xsi {SCHEMA}", "applicationGraph architectureGraph"),
    "applicationGraph": ("name", "sdf csdf sdfProperties csdfProperties"),
    "sdf": ("name type", "actor channel"),
    "csdf": ("name type", "actor channel"),
    "actor": ("name type", "port"),
    "port": ("name type rate", ""),
    "channel": ("name srcActor srcPort dstActor dstPort initialTokens size", ""),
    "sdfProperties": ("", "actorProperties channelProperties graphProperties"),
    "csdfProperties": ("", "actorProperties channelProperties graphProperties"),
    "actorProperties": ("actor", "processor"),
    "actorProperties/processor": ("type default", "executionTime memory"),
    "executionTime": ("time", ""),
    "processor/memory": ("", "stateSize"),
    "stateSize": ("max", ""),
    "channelProperties": ("channel", "bufferSize tokenSize bandwidth latency"),
    "bufferSize": ("sz src dst mem", ""),
    "tokenSize": ("sz", ""),
    "bandwidth": ("min", ""),
    "channelProperties/latency": ("min", ""),
    "graphProperties": ("", "timeConstraints"),
    "timeConstraints": ("", "throughput"),
    "throughput": ("", ""),
    "architectureGraph": ("name", "tile connection network"),
    "tile": ("name", "processor memory networkInterface"),
    "tile/processor": ("name type", "arbitration"),
    "arbitration": ("type wheelsize", ""),
    "tile/memory": ("name size", ""),
    "networkInterface": ("name nrConnections inBandwidth outBandwidth", ""),
    "connection": ("name srcTile dstTile delay", ""),
    "network": ("slotTableSize packetHeaderSize flitSize reconfigurationTimeNI", "tile router link"),
    "network/tile": ("name", ""),
    "router": ("name", ""),
    "link": ("name src dst", ""),
}


@dataclass(frozen=True)
class Processor:
    """What an actor takes on a kind of processor. times: of its phases. memory: bits of its state. default: of those
    that are so the first gives the graph's times."""

    times: tuple[int, ...]
    memory: int = 0
    default: bool = False


@dataclass(frozen=True)
class Application:
    """token_bits, buffers: by channel, of those that have any; the larger of what `bufferSize` names. processors: by
    actor and kind. throughput: iterations per time unit that are asked for."""

    graph: Graph
    processors: Mapping[str, Mapping[str, Processor]] = field(default_factory=dict)
    token_bits: Mapping[str, int] = field(default_factory=dict)
    buffers: Mapping[str, int] = field(default_factory=dict)
    throughput: Fraction | None = None


@dataclass(frozen=True)
class Tile:
    """processor: its kind. wheel: of its time division, in time units; 0 without. Bandwidths in bits per time unit."""

    name: str
    processor: str
    wheel: int = 0
    memory: int = 0
    connections: int = 0
    in_bandwidth: int = 0
    out_bandwidth: int = 0


@dataclass(frozen=True)
class Connection:
    """delay: in time units."""

    name: str
    source: str
    target: str
    delay: int


@dataclass(frozen=True)
class Platform:
    """network: numbers of the network on chip, as SDF3 calls them. routers and links: (name, source, target)."""

    name: str
    tiles: tuple[Tile, ...]
    connections: tuple[Connection, ...] = ()
    network: Mapping[str, int] = field(default_factory=dict)
    routers: tuple[str, ...] = ()
    links: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True)
class Sdf3:
    """What a file holds."""

    application: Application | None
    platform: Platform | None


def read_sdf3(path: str | Path) -> Sdf3:
    """Raises VolleyError of one line, naming file, element and value."""
    root = read_xml(path, CURE)
    try:
        if root.tag != "sdf3":
            raise VolleyError(f"its first element is {root.tag}, not sdf3; {CURE}")
        _check(root, "")
        application, platform = _one(root, "applicationGraph"), _one(root, "architectureGraph")
        if application is None and platform is None:
            raise VolleyError(f"it has no graph; {CURE}")
        return Sdf3(
            None if application is None else _application(application),
            None if platform is None else _platform(platform),
        )
    except VolleyError as e:
        raise VolleyError(f"{path}: {e}") from None


def _check(element: Element, parent: str) -> None:
    """Only what is known, everywhere."""
    attributes, children = KNOWN.get(f"{parent}/{element.tag}") or KNOWN[element.tag]
    for name in element.attrib:
        if name not in attributes.split():
            raise VolleyError(f"{element.tag} has an attribute {name!r}; known are {attributes or 'none'}")
    for child in element:
        if child.tag not in children.split():
            raise VolleyError(f"{element.tag} holds an element {child.tag!r}; known are {children or 'none'}")
        _check(child, element.tag)


def _one(element: Element, name: str) -> Element | None:
    found = element.findall(name)
    if len(found) > 1:
        raise VolleyError(f"{element.tag} has {len(found)} elements {name}; one is read")
    return found[0] if found else None


def _text(element: Element, name: str) -> str:
    value = element.get(name)
    if not value or not value.isprintable():
        raise VolleyError(f"{element.tag} {element.get('name') or ''}: attribute {name} is missing, or no text")
    return value


def _number(element: Element, name: str, default: int | None = None) -> int:
    value = element.get(name)
    if value is None and default is not None:
        return default
    return _integer(element, name, (value or "").strip())


def _integer(element: Element, name: str, text: str) -> int:
    if not re.fullmatch(r"\d{1,15}", text, re.ASCII):
        of = element.get("name") or element.get("actor") or element.get("channel") or ""
        raise VolleyError(f"{element.tag} {of}: {name}={text!r} is no whole number from 0 on")
    return int(text)


def _sequence(element: Element, name: str) -> tuple[int, ...]:
    """5, or 1,2,1, or 3*1,2: three phases of 1 and one of 2."""
    values: list[int] = []
    for part in _text(element, name).split(","):
        count, star, value = part.strip().rpartition("*")
        times = _integer(element, name, count.strip()) if star else 1
        if len(values) + times > MAX_PHASES:
            raise VolleyError(f"{element.tag}: {name} has more than {MAX_PHASES:,} phases")
        values += [_integer(element, name, value.strip())] * times
    if not values:
        raise VolleyError(f"{element.tag}: {name} has no phase")
    return tuple(values)


def _repeated(values: tuple[int, ...], phases: int) -> tuple[int, ...]:
    return values * (phases // len(values))


def _application(element: Element) -> Application:
    graphs = [child for child in element if child.tag in ("sdf", "csdf")]
    if len(graphs) != 1:
        raise VolleyError(f"applicationGraph has {len(graphs)} elements sdf or csdf; one is read")
    (graph,) = graphs
    properties = _one(element, f"{graph.tag}Properties")
    processors = _processors(properties)
    ports = _ports(graph)
    phases: dict[str, int] = {}
    for actor in graph.findall("actor"):
        name = _text(actor, "name")
        lengths = [len(rates) for (owner, _), (_, rates) in ports.items() if owner == name]
        lengths += [len(processor.times) for processor in processors.get(name, {}).values()]
        phases[name] = math.lcm(*lengths) if lengths else 1
        if phases[name] > (MAX_PHASES if graph.tag == "csdf" else 1):
            raise VolleyError(f"actor {name}: {phases[name]:,} phases; an actor of type {graph.tag} has at most "
                              f"{MAX_PHASES if graph.tag == 'csdf' else 1:,}")  # fmt: skip
    for name in processors:
        if name not in phases:
            raise VolleyError(f"actorProperties: there is no actor {name}")
    actors = [Actor(name, _repeated(_times(name, processors), count)) for name, count in phases.items()]
    channels = tuple(_channels(graph, ports, phases))
    found = Graph(element.get("name") or graph.get("name") or "graph", tuple(actors), channels)
    bits = {c.get("name", ""): _number(c, "size") for c in graph.findall("channel") if c.get("size") is not None}
    more, buffers = _of_channels(properties, {channel.name for channel in channels})
    return Application(found, processors, {**bits, **more}, buffers, _throughput(properties))


def _processors(properties: Element | None) -> dict[str, dict[str, Processor]]:
    found: dict[str, dict[str, Processor]] = {}
    for row in properties.findall("actorProperties") if properties is not None else ():
        of = found.setdefault(_text(row, "actor"), {})
        for processor in row.findall("processor"):
            time, state = _one(processor, "executionTime"), processor.find("memory/stateSize")
            if time is None:
                raise VolleyError(f"actorProperties {row.get('actor')}: a processor without executionTime")
            of[_text(processor, "type")] = Processor(
                _sequence(time, "time"),
                0 if state is None else _number(state, "max"),
                processor.get("default") == "true",
            )
    return found


def _times(actor: str, processors: Mapping[str, Mapping[str, Processor]]) -> tuple[int, ...]:
    of = list(processors.get(actor, {}).values())
    if not of:
        raise VolleyError(f"actor {actor}: no executionTime; give its actorProperties a processor with one")
    return next((processor for processor in of if processor.default), of[0]).times


Ports = dict[tuple[str, str], tuple[str, tuple[int, ...]]]


def _ports(graph: Element) -> Ports:
    """(actor, port) -> (in or out, rates)."""
    found: Ports = {}
    for actor in graph.findall("actor"):
        for port in actor.findall("port"):
            key = _text(actor, "name"), _text(port, "name")
            if key in found:
                raise VolleyError(f"actor {key[0]}: port {key[1]} is there twice")
            if port.get("type") not in ("in", "out"):
                raise VolleyError(f"actor {key[0]}: port {key[1]} is of type {port.get('type')!r}; in or out")
            found[key] = str(port.get("type")), _sequence(port, "rate")
    return found


def _channels(graph: Element, ports: Ports, phases: Mapping[str, int]) -> Iterator[Channel]:
    free = dict(ports)
    for element in graph.findall("channel"):
        name = _text(element, "name")
        ends: list[tuple[str, tuple[int, ...]]] = []
        for side, kind in (("src", "out"), ("dst", "in")):
            actor, port = _text(element, f"{side}Actor"), _text(element, f"{side}Port")
            if (actor, port) not in free or free[actor, port][0] != kind:
                raise VolleyError(f"channel {name}: {actor} has no free port {port} of type {kind}")
            ends.append((actor, _repeated(free.pop((actor, port))[1], phases[actor])))
        (source, made), (target, taken) = ends
        yield Channel(name, source, target, made, taken, _number(element, "initialTokens", 0))
    for actor, port in free:
        raise VolleyError(f"actor {actor}: no channel leads to port {port}")


def _of_channels(properties: Element | None, channels: set[str]) -> tuple[dict[str, int], dict[str, int]]:
    """(bits of a token, capacity of the buffer) by channel."""
    bits: dict[str, int] = {}
    buffers: dict[str, int] = {}
    for row in properties.findall("channelProperties") if properties is not None else ():
        name = _text(row, "channel")
        if name not in channels:
            raise VolleyError(f"channelProperties: there is no channel {name}")
        if (size := _one(row, "tokenSize")) is not None:
            bits[name] = _number(size, "sz")
        if (size := _one(row, "bufferSize")) is not None and size.attrib:
            buffers[name] = max(_number(size, key) for key in size.attrib)
    return bits, buffers


def _throughput(properties: Element | None) -> Fraction | None:
    found = None if properties is None else properties.find("graphProperties/timeConstraints/throughput")
    if found is None:
        return None
    text = (found.text or "").strip()
    if not re.fullmatch(r"\d{1,30}(\.\d{1,30})?([eE]-?\d{1,2})?", text, re.ASCII):
        raise VolleyError(f"throughput {text[:60]!r} is no number")
    return Fraction(text)


def _platform(element: Element) -> Platform:
    tiles = []
    for tile in element.findall("tile"):
        name, processors = _text(tile, "name"), tile.findall("processor")
        if len(processors) != 1:
            raise VolleyError(f"tile {name}: {len(processors)} processors; one is read")
        wheel, memory, interface = (
            processors[0].find("arbitration"),
            _one(tile, "memory"),
            _one(tile, "networkInterface"),
        )
        tiles.append(Tile(
            name, _text(processors[0], "type"),
            0 if wheel is None else _number(wheel, "wheelsize", 0),
            0 if memory is None else _number(memory, "size"),
            *((0,) * 3 if interface is None else
              (_number(interface, key, 0) for key in ("nrConnections", "inBandwidth", "outBandwidth"))),
        ))  # fmt: skip
    names = {tile.name for tile in tiles}
    connections = []
    for row in element.findall("connection"):
        connection = Connection(_text(row, "name"), _text(row, "srcTile"), _text(row, "dstTile"), _number(row, "delay"))
        for tile_name in (connection.source, connection.target):
            if tile_name not in names:
                raise VolleyError(f"connection {connection.name}: there is no tile {tile_name}")
        connections.append(connection)
    network = _one(element, "network")
    name = _text(element, "name")
    if network is None:
        return Platform(name, tuple(tiles), tuple(connections))
    return Platform(
        name, tuple(tiles), tuple(connections), {key: _number(network, key) for key in network.attrib},
        tuple(_text(row, "name") for row in network.findall("router")),
        tuple((_text(row, "name"), _text(row, "src"), _text(row, "dst")) for row in network.findall("link")),
    )  # fmt: skip
