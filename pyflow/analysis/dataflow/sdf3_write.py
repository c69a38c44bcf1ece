# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Writes files of SDF3: what read_sdf3() gives comes back the same."""

from __future__ import annotations

from fractions import Fraction
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from pyflow.analysis.dataflow.graph import Actor
from pyflow.analysis.dataflow.sdf3 import SCHEMA, VERSION, Application, Platform, Processor, Sdf3
from pyflow.errors import VolleyError


def sdf3_text(file: Sdf3) -> str:
    """The file as text, for write_file(). Raises VolleyError where a name is none of XML."""
    graph = file.application.graph if file.application else None
    kind = "csdf" if graph and any(len(actor.times) > 1 for actor in graph.actors) else "sdf"
    root = Element("sdf3", {
        "type": kind, "version": VERSION, "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
        SCHEMA: f"http://www.es.ele.tue.nl/sdf3/xsd/sdf3-{kind}.xsd",
    })  # fmt: skip
    if file.application is not None:
        _application(root, file.application, kind)
    if file.platform is not None:
        _platform(root, file.platform)
    for element in root.iter():
        for value in element.attrib.values():
            if not value.isprintable():
                raise VolleyError(f"{element.tag}: {value!r} cannot stand in XML; choose another name")
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _application(root: Element, application: Application, kind: str) -> None:
    graph = application.graph
    top = SubElement(root, "applicationGraph", name=graph.name)
    body = SubElement(top, kind, name=graph.name, type=graph.name)
    actors = {actor.name: SubElement(body, "actor", name=actor.name, type=actor.name) for actor in graph.actors}
    for channel in graph.channels:
        ends = ((channel.source, "out", channel.produces), (channel.target, "in", channel.consumes))
        attributes = {"name": channel.name}
        for side, (end, way, rates) in zip(("src", "dst"), ends, strict=True):
            port = f"p{len(actors[end])}"
            SubElement(actors[end], "port", name=port, type=way, rate=_numbers(rates))
            attributes |= {f"{side}Actor": end, f"{side}Port": port}
        if channel.tokens:
            attributes["initialTokens"] = str(channel.tokens)
        SubElement(body, "channel", attributes)
    properties = SubElement(top, f"{kind}Properties")
    for actor in graph.actors:
        _processors(SubElement(properties, "actorProperties", actor=actor.name), actor, application)
    for channel in graph.channels:
        row = SubElement(properties, "channelProperties", channel=channel.name)
        if channel.name in application.buffers:
            SubElement(row, "bufferSize", sz=str(application.buffers[channel.name]))
        if channel.name in application.token_bits:
            SubElement(row, "tokenSize", sz=str(application.token_bits[channel.name]))
    constraints = SubElement(properties, "graphProperties")
    if application.throughput is not None:
        SubElement(SubElement(constraints, "timeConstraints"), "throughput").text = _decimal(application.throughput)


def _processors(row: Element, actor: Actor, application: Application) -> None:
    of = application.processors.get(actor.name) or {"p": Processor(actor.times, default=True)}
    for kind, processor in of.items():
        default = {"default": "true"} if processor.default else {}
        element = SubElement(row, "processor", {"type": kind, **default})
        SubElement(element, "executionTime", time=_numbers(processor.times))
        if processor.memory:
            SubElement(SubElement(element, "memory"), "stateSize", max=str(processor.memory))


def _platform(root: Element, platform: Platform) -> None:
    top = SubElement(root, "architectureGraph", name=platform.name)
    for tile in platform.tiles:
        element = SubElement(top, "tile", name=tile.name)
        processor = SubElement(element, "processor", name=f"{tile.name}_processor", type=tile.processor)
        if tile.wheel:
            SubElement(processor, "arbitration", type="TDMA", wheelsize=str(tile.wheel))
        SubElement(element, "memory", name=f"{tile.name}_memory", size=str(tile.memory))
        SubElement(element, "networkInterface", name=f"{tile.name}_ni", nrConnections=str(tile.connections),
                   inBandwidth=str(tile.in_bandwidth), outBandwidth=str(tile.out_bandwidth))  # fmt: skip
    for c in platform.connections:
        SubElement(top, "connection", name=c.name, srcTile=c.source, dstTile=c.target, delay=str(c.delay))
    if platform.network or platform.routers or platform.links:
        network = SubElement(top, "network", {key: str(value) for key, value in platform.network.items()})
        for tile in platform.tiles:
            SubElement(network, "tile", name=tile.name)
        for name in platform.routers:
            SubElement(network, "router", name=name)
        for name, source, target in platform.links:
            SubElement(network, "link", name=name, src=source, dst=target)


def _numbers(values: tuple[int, ...]) -> str:
    return ",".join(map(str, values))


def _decimal(value: Fraction) -> str:
    """Exact where it can be; otherwise 15 digits behind the leading zeros."""
    for digits in range(31):
        scaled = value * 10**digits
        if scaled.denominator == 1:
            whole = str(scaled.numerator).zfill(digits + 1)
            return f"{whole[:-digits]}.{whole[-digits:]}" if digits else whole
    return f"{float(value):.15e}".replace("e+", "e")
