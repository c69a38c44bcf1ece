# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Waveform of a core as SVG: what its ports show in a simulation of the stimulus of sizes.py."""

from __future__ import annotations

import itertools
import json
import operator
import re
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import wavedrom

from pyflow.backends.toolbox import cache_dir
from verif.echo_network import echo_sources
from verif.harness import run_bench
from verif.pages.row import Wave
from verif.pages.sizes import row_of
from verif.pages.sv import Core, closure, elaborate

Samples = dict[str, list[int]]
SVG = "{http://www.w3.org/2000/svg}"
HREF = "{http://www.w3.org/1999/xlink}href"
SPACE = "{http://www.w3.org/XML/1998/namespace}space"
DIGITS = 4  # hexadecimal ones that fit one cycle
BRICK = 20  # WaveDrom's unit along a lane, half a cycle
LEVELS = {"#000": (20,), "#111": (0,), "#vvv": (0, 20), "#xxx": (0, 20)}  # level bricks: heights of their lines


@dataclass(frozen=True, slots=True)
class Stream:
    """One handshake: port prefix, which of `count` streams side by side it is, whether it enters the core."""

    prefix: str
    index: int
    count: int
    sink: bool

    @property
    def label(self) -> str:
        return f"{self.prefix}[{self.index}]" if self.count > 1 else self.prefix


def picture(core: Core, wave: Wave, files: dict[str, str], parameters: dict[str, int | str]) -> str:
    """SVG of a simulation of `core`. files: memory images by name."""
    top = row_of(core.name).around
    widths, errors = elaborate(sources(core), top or core.name, parameters)
    if errors:
        raise ValueError(errors)
    streams = streams_of(core, widths)
    plan = stimulus(core, wave, streams, widths)
    with tempfile.TemporaryDirectory(dir=cache_dir()) as folder:
        path = Path(folder) / "stimulus.json"
        path.write_text(json.dumps(plan))
        environment = {"VOLLEY_CAPTURE": str(path)}
        run_bench(core.name, "capture", parameters, environment, files=files, sources=sources(core), top=top)
        samples = json.loads(path.with_name("samples.json").read_text())
    return shrink(render(lanes(core, streams, widths, samples)))


def sources(core: Core) -> list[Path]:
    """Files of `core` and all it needs, or of the echo network around which its wave is taken."""
    return echo_sources() if row_of(core.name).around else [part.path for part in closure(core)]


def streams_of(core: Core, widths: dict[str, int]) -> list[Stream]:
    """Streams of `core` in the order of their ports; one whose tvalid has n bits is n streams."""
    valids = [port for port in core.ports if port.name.endswith("_tvalid") and port.name in widths]
    return [
        Stream(port.name.removesuffix("_tvalid"), n, widths[port.name], port.direction == "input")
        for port in valids
        for n in range(widths[port.name])
    ]


def stimulus(core: Core, wave: Wave, streams: Sequence[Stream], widths: dict[str, int]) -> dict[str, Any]:
    """What verif/tb/capture.py is told."""
    sinks: dict[str, list[list[list[int]]]] = {}
    idle: dict[str, list[list[int]]] = {}
    stalls: dict[str, list[list[int]]] = {}
    plain = [port for port in core.ports if "::" not in port.width and port.name in widths]  # no structures
    for stream in streams:
        if stream.sink:
            width = widths[f"{stream.prefix}_tdata"] // stream.count
            random = [scramble(n * stream.count + stream.index, width) for n in range(wave.cycles)]
            payloads = wave.data.get(stream.label, random)
            last = wave.last.get(stream.label, range(wave.frame - 1, len(payloads), wave.frame))
            beats = [[payload, int(n in last)] for n, payload in enumerate(payloads)]
            sinks.setdefault(stream.prefix, []).append(beats)
            idle.setdefault(stream.prefix, []).append(list(wave.idle.get(stream.label, ())))
        else:
            cycles = wave.stalls.get(stream.label, ()) if isinstance(wave.stalls, Mapping) else wave.stalls
            stalls.setdefault(stream.prefix, []).append(list(cycles))
    return {
        "inputs": [p.name for p in plain if p.direction == "input"],
        "outputs": [p.name for p in plain if p.direction == "output"],
        "cycles": wave.cycles,
        "sinks": sinks,
        "idle": idle,
        "stalls": stalls,
        "ports": {name: list(values) for name, values in wave.ports.items()},
    }


def scramble(n: int, width: int) -> int:
    """The n-th of a fixed row of numbers that look random; the same on every machine."""
    value = 0
    for word in range(-(-width // 32)):
        value = value << 32 | ((n + 1) * 2654435761 + word * 0x9E3779B9) % 2**32
    return value >> (-(-width // 32) * 32 - width)


# ------------------------------------------------------------------ drawing
def lanes(core: Core, streams: Sequence[Stream], widths: dict[str, int], samples: Samples) -> list[Any]:
    """WaveJSON signals: the streams as groups, then every other port that is not still all the time."""
    drawn: list[Any] = [{"name": "clk", "wave": "p" + "." * (len(samples["clk"]) - 1)}]
    belongs: set[str] = {"clk"}
    for stream in streams:
        ports = [p.name for p in core.ports if p.name.startswith(f"{stream.prefix}_t")]
        belongs.update(ports)
        width = {name: widths[name] // stream.count for name in ports}
        values = {
            name: [v >> stream.index * width[name] & (1 << width[name]) - 1 for v in samples[name]] for name in ports
        }
        valid, ready = values[f"{stream.prefix}_tvalid"], values[f"{stream.prefix}_tready"]
        beats = list(itertools.accumulate(map(operator.and_, valid, ready), initial=0))
        shown = [beat if offered else None for beat, offered in zip(beats, valid, strict=False)]
        group: list[Any] = [stream.label]
        for name in ports:
            handshake = name.endswith(("_tvalid", "_tready"))
            short = name.removeprefix(f"{stream.prefix}_")
            group.append(_lane(short, values[name], width[name], None if handshake else shown))
        drawn += [{}, group]
    moving = [p for p in core.ports if p.name not in belongs and len(set(samples.get(p.name, ()))) > 1]
    if moving:
        drawn.append({})
    return drawn + [_lane(p.name, samples[p.name], widths[p.name], None) for p in moving]


def _lane(name: str, values: Sequence[int], width: int, beats: Sequence[int | None] | None) -> dict[str, Any]:
    """One line. beats: number of the beat that is offered; where it is None the value means nothing and is hatched,
    where it goes on a value is written anew even if it is the same."""
    wave, data, before = "", [], None
    for n, value in enumerate(values):
        now: tuple[int, int | None] | None = (value, beats[n]) if beats and width > 1 else (value, 0)
        if beats and beats[n] is None:
            now = None
        if n and now == before:
            wave += "."
        elif now is None:
            wave += "x"
        elif width == 1:
            wave += str(value)
        else:
            wave += "="
            data.append(f"{value:x}")
        before = now
    return {"name": name, "wave": wave, "data": data}


def render(signals: list[Any]) -> str:
    """SVG by WaveDrom, a cycle wide enough for the longest label."""
    flat = [line for entry in signals for line in (entry[1:] if isinstance(entry, list) else [entry])]
    longest = max((len(label) for line in flat for label in line.get("data", ())), default=1)
    scale = max(1, -(-longest // DIGITS))
    return wavedrom.render(json.dumps({"signal": signals, "config": {"hscale": scale}})).tostring()


def shrink(svg: str) -> str:
    """The same picture in a sixth of the bytes, and on white. WaveDrom writes its whole skin into each file,
    and draws a level that holds brick by brick: here that is one line."""
    ElementTree.register_namespace("", SVG[1:-1])
    ElementTree.register_namespace("xlink", HREF[1:].split("}")[0])
    root = ElementTree.fromstring(svg)
    used = {element.attrib[HREF][1:] for element in root.iter() if HREF in element.attrib}
    for parent in list(root.iter()):
        parent.attrib.pop(SPACE, None)
        if parent.tag == f"{SVG}defs":
            for child in [c for c in parent if c.get("id", "") and c.get("id") not in used]:
                parent.remove(child)
        elif parent.get("id", "").startswith("gmarks"):
            parent.set("style", parent[0].get("style", ""))
            for child in parent:
                del child.attrib["style"], child.attrib["id"]
        elif parent.get("id", "").startswith("wavelane_draw"):
            _level(parent)
        if parent.get("id") == "xxx":  # from here on it fills areas of any length
            parent.tag = f"{SVG}pattern"
            parent.attrib |= {"width": str(BRICK), "height": str(BRICK), "patternUnits": "userSpaceOnUse"}
    for element in root.iter():
        if element.get("id") not in used:
            element.attrib.pop("id", None)
    classes = {element.get("class") for element in root.iter()}
    for style in root.iter(f"{SVG}style"):
        rules = re.findall(r"([.\w]+)(\{.*?\})", re.sub(r"\s+", "", style.text or ""))
        style.text = "".join(name + body for name, body in rules if name[0] != "." or name[1:] in classes)
    root.insert(0, ElementTree.Element(f"{SVG}rect", width="100%", height="100%", fill="#fff"))
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _level(lane: ElementTree.Element) -> None:
    """Replace the level bricks of a lane by lines along them, the hatched ones by hatched areas as well."""
    lines, areas = "", ""
    for kind, bricks in itertools.groupby(lane.findall(f"{SVG}use"), key=lambda brick: brick.get(HREF, "")):
        run = list(bricks)
        places = [brick.attrib.pop("transform")[len("translate(") : -1] for brick in run]
        levels = next((ys for name, ys in LEVELS.items() if kind.startswith(name)), ())
        lines += "".join(f"M{places[0]},{y}h{BRICK * len(run)}" for y in levels)
        if kind == "#xxx":
            areas += f"M{places[0]},0h{BRICK * len(run)}v{BRICK}h-{BRICK * len(run)}z"
        for brick, x in zip(run, places, strict=True):
            if levels:
                lane.remove(brick)
            else:
                brick.set("x", x)
    for kind, drawn in (({"class": "s1"}, lines), ({"fill": "url(#xxx)"}, areas)):
        if drawn:
            lane.insert(0, ElementTree.Element(f"{SVG}path", {**kind, "d": drawn}))
