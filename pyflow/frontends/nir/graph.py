# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""A NIR graph as it stands in a file: its nodes and edges, with the graphs inside it laid flat.

A node of the kind NIRGraph is a graph with an Input and an Output of its own: edges that lead to it lead to its Input,
edges from it come from its Output. Nothing is dropped: what is not known, not connected or not there is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pyflow.errors import VolleyError
from pyflow.frontends.hdf5 import Tree, read_tree
from pyflow.reading import MAX_DEPTH

CURE = "give a graph that nir.write saved"
MAX_NODES = 512
SHOWN = 12  # names listed in a message
OWN = "volley"  # the key of metadata under which a node has what NIR has no field for

NEURON = ("r", "v_threshold")
# Kind -> (fields that it has, fields that it may have). Each may have metadata.
KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "Input": (("shape",), ()),
    "Output": (("shape",), ()),
    "Affine": (("weight", "bias"), ()),
    "Linear": (("weight",), ()),
    "Conv1d": (("weight", "bias", "stride", "padding", "dilation", "groups"), ("input_shape",)),
    "Conv2d": (("weight", "bias", "stride", "padding", "dilation", "groups"), ("input_shape",)),
    "SumPool2d": (("kernel_size", "stride", "padding"), ()),
    "AvgPool2d": (("kernel_size", "stride", "padding"), ()),
    "Flatten": (("start_dim", "end_dim"), ("input_type",)),
    "Scale": (("scale",), ()),
    "Threshold": (("threshold",), ()),
    "Delay": (("delay",), ()),
    "IF": (NEURON, ("v_reset",)),
    "LIF": ((*NEURON, "tau", "v_leak"), ("v_reset",)),
    "CubaLIF": ((*NEURON, "tau_mem", "tau_syn", "v_leak"), ("v_reset", "w_in")),
    "I": (("r",), ()),
    "LI": (("tau", "r", "v_leak"), ()),
    "CubaLI": (("tau_mem", "tau_syn", "r", "v_leak"), ("w_in",)),
}
FIRING = ("IF", "LIF", "CubaLIF")
MEMBRANES = ("I", "LI", "CubaLI")


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """path: its name, behind those of the graphs that it is in. fields: arrays by name. own: what its metadata has
    under `volley`."""

    path: str
    kind: str
    fields: dict[str, np.ndarray]
    own: dict[str, np.ndarray]

    def fail(self, message: str) -> VolleyError:
        return VolleyError(f"NIR node {self.path!r} ({self.kind}): {message}")

    def numbers(self, name: str) -> np.ndarray:
        """float64, finite or infinite."""
        values = np.asarray(self.fields[name])
        if values.dtype.kind not in "biuf" or not values.size:
            raise self.fail(f"{name} holds no numbers")
        if np.isnan(found := values.astype(np.float64)).any():
            where = [int(i) for i in np.argwhere(np.isnan(found))[0]]
            raise self.fail(f"{name}{where} is not a number (NaN)")
        return found

    def integers(self, name: str) -> tuple[int, ...]:
        found = self.numbers(name).ravel()
        if not np.isfinite(found).all() or (found != np.rint(found)).any() or found.size > 8:
            raise self.fail(f"{name} must be a few integers")
        return tuple(int(n) for n in found)


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """nodes: by path, none of them a graph. edges: (path, path), each once. own: what the metadata of the whole has
    under `volley`."""

    nodes: dict[str, Node]
    edges: tuple[tuple[str, str], ...]
    own: dict[str, np.ndarray] = field(default_factory=dict)

    def stated(self, key: str, given: Any) -> Any:
        """An option as given, else as write_nir() put it into the metadata; None without."""
        value = self.own.get(key)
        return given if given is not None or value is None or value.size != 1 else value.reshape(-1)[0]

    def before(self, path: str) -> list[str]:
        return [a for a, b in self.edges if b == path]

    def behind(self, path: str) -> list[str]:
        return [b for a, b in self.edges if a == path]

    def only(self, kind: str) -> Node:
        found = [node for node in self.nodes.values() if node.kind == kind]
        if len(found) != 1:
            names = f" ({listed(n.path for n in found)})" if found else ""
            raise VolleyError(f"NIR graph: has {len(found)} nodes of the kind {kind}{names}; needs one")
        return found[0]


def listed(names: Any) -> str:
    """A few names for a message."""
    found = [repr(str(name)[:60]) for name in names]
    return ", ".join(found[:SHOWN]) + (f" and {len(found) - SHOWN} others" if len(found) > SHOWN else "")


def read_graph(source: Any) -> Graph:
    """The graph of a .nir file (a path), or of an object of the package `nir`. Raises VolleyError naming the file, or
    the node or edge, and what is wrong."""
    if hasattr(source, "to_dict") and hasattr(source, "nodes"):
        try:
            root = source.to_dict()
        except Exception as e:  # the package's own code
            raise VolleyError(f"NIR graph: cannot be read ({type(e).__name__}: {str(e)[:100]})") from None
        return _flat(_arrays(root, 0))
    tree = read_tree(source, CURE)
    root = tree.get("node")
    if not isinstance(root, dict):
        raise VolleyError(f"{source}: is no NIR graph, it has no group 'node' ({listed(tree) or 'nothing'}); {CURE}")
    if odd := [name for name in tree if name not in ("node", "version")]:
        raise VolleyError(f"{source}: has {listed(odd)} beside the graph, which is not known; {CURE}")
    try:
        return _flat(root)
    except VolleyError as e:
        raise VolleyError(f"{source}: {e}") from None


def _arrays(found: Any, depth: int) -> Any:
    """What to_dict() of the package gives, as read_tree() gives a file."""
    if depth > 2 * MAX_DEPTH:
        raise VolleyError(f"NIR graph: nested more than {MAX_DEPTH} levels deep")
    if isinstance(found, dict):
        return {str(k): _arrays(v, depth + 1) for k, v in found.items() if v is not None}
    array = np.asarray(found)
    return array.astype(object) if array.dtype.kind in "US" else array


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.dtype == object and value.size == 1:
        return str(value.reshape(-1)[0])
    return ""


@dataclass(slots=True, eq=False)
class _Flat:
    """What has been laid flat so far. Inputs and Outputs of inner graphs are in it as well, as wires."""

    nodes: dict[str, Node]
    edges: list[tuple[str, str]]
    wires: set[str]


def _flat(root: Tree) -> Graph:
    flat = _Flat({}, [], set())
    kind = _text(root.get("type"))
    if kind != "NIRGraph":
        raise VolleyError(f"NIR graph: its type is {kind[:60] or 'missing'!r}; needs 'NIRGraph'")
    _lay(root, "", flat, 0)
    return _without_wires(flat, _own(root))


def _lay(tree: Tree, path: str, flat: _Flat, depth: int) -> None:
    """Adds the nodes and edges of a graph to `flat`. path: its own, "" of the whole."""
    where = f"NIR graph {path!r}" if path else "NIR graph"
    if depth > MAX_DEPTH:
        raise VolleyError(f"NIR graph: graphs in graphs, more than {MAX_DEPTH} levels deep")
    nodes, edges = _parts(tree, where)
    ends: dict[str, tuple[str, str]] = {}  # of each node: (where edges to it lead, where edges from it come from)
    for name, content in nodes.items():
        own = f"{path}/{name}" if path else name
        if not isinstance(content, dict):
            raise VolleyError(f"NIR node {own!r}: is no group of fields")
        if _text(content.get("type")) == "NIRGraph":
            _lay(content, own, flat, depth + 1)
            ends[name] = (_port(content, own, "Input"), _port(content, own, "Output"))
            continue
        flat.nodes[own] = node = _node(own, content)
        if path and node.kind in ("Input", "Output"):
            flat.wires.add(own)
        ends[name] = (own, own)
        if len(flat.nodes) > MAX_NODES:
            raise VolleyError(f"NIR graph: has more than {MAX_NODES} nodes, the most that are read")
    for a, b in _pairs(edges, where):
        for name, which in ((a, "comes from"), (b, "leads to")):
            if name not in ends:
                raise VolleyError(
                    f"{where}: edge {a[:60]!r} -> {b[:60]!r} {which} {name[:60]!r}, a node that does not exist; "
                    f"nodes: {listed(ends)}"
                )
        edge = ends[a][1], ends[b][0]
        if edge in flat.edges:
            raise VolleyError(f"{where}: edge {a!r} -> {b!r} stands twice; give it once, with twice the weight")
        flat.edges.append(edge)


def _parts(tree: Tree, where: str) -> tuple[Tree, np.ndarray]:
    """(nodes, edges) of a graph."""
    nodes, edges = tree.get("nodes"), tree.get("edges")
    if not isinstance(nodes, dict) or not nodes or not isinstance(edges, np.ndarray):
        raise VolleyError(f"{where}: has no nodes or no edges")
    if odd := [name for name in tree if name not in ("type", "nodes", "edges", "metadata")]:
        raise VolleyError(f"{where}: has {listed(odd)}, which is not known; nothing of a graph is left out")
    return nodes, edges


def _pairs(edges: np.ndarray, where: str) -> Iterator[tuple[str, str]]:
    if not edges.size:
        raise VolleyError(f"{where}: has no edges")
    if edges.ndim != 2 or edges.shape[1] != 2 or edges.dtype != object:
        raise VolleyError(f"{where}: edges {edges.shape} must be pairs of names")
    for a, b in edges:
        yield str(a), str(b)


def _port(tree: Tree, path: str, kind: str) -> str:
    """The path of the one Input or Output of an inner graph."""
    found = [name for name, x in tree["nodes"].items() if isinstance(x, dict) and _text(x.get("type")) == kind]
    if len(found) != 1:
        raise VolleyError(f"NIR graph {path!r}: has {len(found)} nodes of the kind {kind}; needs one")
    return f"{path}/{found[0]}"


def _node(path: str, content: Tree) -> Node:
    kind = _text(content.get("type"))
    if kind not in KINDS:
        raise VolleyError(f"NIR node {path!r}: kind {kind[:60]!r} is not known; known: {', '.join(KINDS)}")
    needed, optional = KINDS[kind]
    fields = {k: v for k, v in content.items() if k not in ("type", "metadata")}
    node = Node(path, kind, fields, _own(content))
    if absent := [name for name in needed if name not in fields]:
        raise node.fail(f"has no {absent[0]}; needs {', '.join(needed)}")
    if odd := [name for name in fields if name not in needed and name not in optional]:
        raise node.fail(f"has {listed(odd)}, which is not known; nothing of a graph is left out")
    if groups := [name for name, value in fields.items() if not isinstance(value, np.ndarray)]:
        raise node.fail(f"{groups[0]} is a group, needs numbers")
    return node


def _own(content: Tree) -> dict[str, np.ndarray]:
    """What metadata/volley of a node or of the graph holds."""
    metadata = content.get("metadata", {})
    own = metadata.get(OWN, {}) if isinstance(metadata, dict) else {}
    return {k: v for k, v in own.items() if isinstance(v, np.ndarray)} if isinstance(own, dict) else {}


def _without_wires(flat: _Flat, own: dict[str, np.ndarray]) -> Graph:
    """Edges to and from the Inputs and Outputs of inner graphs joined to one."""
    edges = flat.edges
    for wire in sorted(flat.wires):
        before = [a for a, b in edges if b == wire]
        behind = [b for a, b in edges if a == wire]
        for there, what in ((before, "leads to"), (behind, "comes from")):
            if not there:
                raise VolleyError(f"NIR graph: no edge {what} {wire!r}; nothing of a graph is left out")
        if wire in before:
            raise VolleyError(f"NIR graph: {wire!r} feeds itself, without a neuron or a delay between")
        rest = [edge for edge in edges if wire not in edge]
        joined = [(a, b) for a in before for b in behind]
        if twice := next((edge for n, edge in enumerate(joined) if edge in rest or edge in joined[:n]), None):
            raise VolleyError(
                f"NIR graph: two edges lead from {twice[0]!r} to {twice[1]!r}; give one, with twice the weight"
            )
        edges = rest + joined
        if len(edges) > MAX_NODES * 16:
            raise VolleyError(f"NIR graph: has more than {MAX_NODES * 16:,} edges, the most that are read")
    nodes = {path: node for path, node in flat.nodes.items() if path not in flat.wires}
    graph = Graph(nodes, tuple(edges), own)
    start, end = graph.only("Input").path, graph.only("Output").path
    reached, leads = _closure(start, dict_of(edges)), _closure(end, dict_of((b, a) for a, b in edges))
    for path in nodes:
        if path not in reached:
            raise nodes[path].fail("nothing leads from the Input to it; nothing of a graph is left out")
        if path not in leads:
            raise nodes[path].fail("it leads to no Output; nothing of a graph is left out")
    return graph


def dict_of(edges: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for a, b in edges:
        found.setdefault(a, []).append(b)
    return found


def _closure(start: str, following: dict[str, list[str]]) -> set[str]:
    seen, pending = {start}, [start]
    while pending:
        for other in following.get(pending.pop(), ()):
            if other not in seen:
                seen.add(other)
                pending.append(other)
    return seen
