# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Pictures as SVG text: clusters on tiles with the load of the links, and a run as a Gantt chart."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from pyflow.errors import VolleyError
from pyflow.machines.tiles.flits import Run
from pyflow.machines.tiles.guarantee import WHAT, Guarantee
from pyflow.machines.tiles.system import Role, System
from pyflow.machines.tiles.topology import Mesh

PITCH, SIDE, MARGIN = 120, 78, 90  # pixels between tiles, of a tile, around all
ROW, BAR, LEFT, WIDE = 34, 12, 110, 960  # of a chart: pixels of a row, a bar, the names, the time
BUSY, SENDING, CREDIT, CRITICAL = "#4878a8", "#9ec3e0", "#5a9a5a", "#c0392b"
SHOWN = 4  # names on a tile, steps of a cycle in a caption


def platform_svg(system: System, loads: Mapping[int, float]) -> str:
    """A mesh: what is on each tile, and flits per step over each link, by width and number. loads: as of
    figures.link_loads. Raises VolleyError of another topology."""
    mesh = system.topology
    if not isinstance(mesh, Mesh):
        raise VolleyError(f"{mesh.name}: pictures are of meshes")
    most = max(loads.values(), default=1.0)
    width, height = 2 * MARGIN + (mesh.width - 1) * PITCH + SIDE, 2 * MARGIN + (mesh.height - 1) * PITCH
    found = [f'<text x="12" y="22">{escape(mesh.name)}: flits per step, at the most {most:.0f}</text>']
    for link, load in sorted(loads.items()):
        found += _link(mesh, link, load, most)
    for node in range(mesh.host + 1):
        found += _tile(system, mesh, node)
    return _page(width, height, found)


def _at(mesh: Mesh, node: int) -> tuple[int, int]:
    """Middle of a node."""
    x, y = (-1, 0) if node == mesh.host else (node % mesh.width, node // mesh.width)
    return MARGIN + SIDE + x * PITCH, MARGIN + y * PITCH


def _tile(system: System, mesh: Mesh, node: int) -> list[str]:
    x, y = _at(mesh, node)
    names = [system.contexts[n].name for unit in system.units if unit.node == node for n in unit.order]
    title = "host" if node == mesh.host else str(node)
    shown = names[:SHOWN] + [f"and {len(names) - SHOWN}"] * (len(names) > SHOWN)
    fill = "#f7f7f7" if not names else "#e8f0f8"
    half = SIDE // 2
    box = f'<rect x="{x - half}" y="{y - half}" width="{SIDE}" height="{SIDE}" rx="6" fill="{fill}" stroke="#555"/>'
    rows = [f'<text x="{x - half + 5}" y="{y - half + 14}" fill="#777">{title}</text>']
    for n, name in enumerate(shown):
        rows.append(f'<text x="{x}" y="{y - 8 + 13 * n}" text-anchor="middle">{escape(name)}</text>')
    return [box, *rows]


def _link(mesh: Mesh, link: int, load: float, most: float) -> list[str]:
    """One line for each way of a pair of neighbours; those into and out of a tile are not drawn."""
    node, port = mesh.link_name(link).rsplit(" ", 1)
    steps = {"east": (1, 0), "west": (-1, 0), "south": (0, 1), "north": (0, -1)}
    if port not in steps:
        return []
    x, y = _at(mesh, mesh.host if node == "host" else int(node.removeprefix("tile ")))
    dx, dy = steps[port]
    off = 9
    x1, y1 = x + dx * SIDE // 2 - dy * off, y + dy * SIDE // 2 + dx * off
    length = PITCH - SIDE
    x2, y2 = x1 + dx * length, y1 + dy * length
    share = load / most
    colour = CRITICAL if share > 0.995 else BUSY
    line = (
        f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{colour}" stroke-width="{1 + 7 * share:.1f}" '
        f'stroke-opacity="{0.25 + 0.75 * share:.2f}"/>'
    )
    tx, ty = (x1 + x2) // 2 - 13 * dy, (y1 + y2) // 2 + 4 + 12 * dx
    return [line, f'<text x="{tx}" y="{ty}" text-anchor="middle" font-size="10">{load:.0f}</text>']


def schedule_svg(found: Run, promised: Guarantee, first: int, steps: int) -> str:
    """A run from the source's step `first` on, a row for each unit: when it works, when its flits leave, when its
    credits do. What is on the critical cycle of the guarantee has a red border. Raises VolleyError where the run has
    fewer steps."""
    system, total = found.system, found.start.shape[1]
    if not 0 <= first < first + steps <= total:
        raise VolleyError(f"schedule: steps {first} to {first + steps - 1} of a run of {total}")
    begin = int(found.start[:, first].min())
    end = int(max(found.start[:, first + steps - 1].max(), found.ends[:, first + steps - 1].max())) + 1
    scale = WIDE / (end - begin)
    critical = {(step.context, step.what) for step in promised.critical}
    rows: list[str] = []
    for row, unit in enumerate(system.units):
        y = 50 + ROW * row
        name = ", ".join(system.contexts[n].name for n in unit.order[:SHOWN]) + ("…" if len(unit.order) > SHOWN else "")
        rows.append(f'<text x="8" y="{y + 16}">{escape(name)}</text>')
        rows.append(f'<line x1="{LEFT}" y1="{y + ROW - 4}" x2="{LEFT + WIDE}" y2="{y + ROW - 4}" stroke="#ddd"/>')
    for context, step, what, since, until in _bars(found):
        if until <= begin or since >= end:
            continue
        x, right = (LEFT + (max(begin, min(end, at)) - begin) * scale for at in (since, until))
        y = 50 + ROW * system.unit_of[context] + (BAR + 2 if what else 0)
        red = (system.contexts[context].name, WHAT[what]) in critical
        border = f' stroke="{CRITICAL}" stroke-width="2"' if red else ' stroke="#fff" stroke-width="0.5"'
        fill = (BUSY, SENDING, CREDIT)[what]
        title = f"{system.contexts[context].name} {WHAT[what]}, step {step}: {since} to {until}"
        rows.append(
            f'<rect x="{x:.1f}" y="{y}" width="{max(1.5, right - x):.1f}" height="{BAR}" fill="{fill}"{border}>'
            f"<title>{escape(title)}</title></rect>"
        )
    cycle = " → ".join(f"{step.context} {step.what} ({step.why})" for step in promised.critical[:SHOWN])
    more = " → …" if len(promised.critical) > SHOWN else ""
    caption = f"cycles {begin:,} to {end:,}; at most {float(promised.period):.1f} per step. Critical: {cycle}{more}"
    rows.insert(0, f'<text x="8" y="20">{escape(caption)}</text>')
    key = ((BUSY, "works on a step"), (SENDING, "flits leave"), (CREDIT, "credit leaves"), (CRITICAL, "critical cycle"))
    for n, (colour, text) in enumerate(key):
        rows.append(f'<rect x="{LEFT + 150 * n}" y="30" width="10" height="10" fill="{colour}"/>')
        rows.append(f'<text x="{LEFT + 14 + 150 * n}" y="39">{text}</text>')
    return _page(LEFT + WIDE + 10, 60 + ROW * len(system.units), rows)


def _bars(found: Run) -> list[tuple[int, int, int, int, int]]:
    """(context, step, what, since, until) of all that a run did."""
    system = found.system
    rows = []
    for context, of in enumerate(system.contexts):
        for step, (at, events) in enumerate(
            zip(found.start[context].tolist(), found.events[context].tolist(), strict=True)
        ):
            busy = system.times.busy(of.neurons, events) if of.role is Role.TILE else 1
            rows.append((context, step, 0, at, at + busy))
            if (left := int(found.credit[context, step])) >= 0:
                rows.append((context, step, 2, left, left + 1))
    for sent in found.flits:
        since, until = int(sent.left[0]), int(sent.left[-1]) + 1
        if system.contexts[sent.context].role is Role.SOURCE:
            at = int(found.start[sent.context, sent.step])
            rows.append((sent.context, sent.step, 0, at, int(sent.queued[-1])))
        rows.append((sent.context, sent.step, 1, since, until))
    return rows


def _page(width: int, height: int, rows: list[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    style = ' font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="#fff"/>'
    return "\n".join([head + style, *rows, "</svg>"]) + "\n"
